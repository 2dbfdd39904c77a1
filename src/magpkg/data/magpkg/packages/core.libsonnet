// The packages that ship with magpkg: a pinned part of Debian 12 (bookworm) for amd64, by Debian name.
//   local core = import 'magpkg/packages/core.libsonnet'; { packages: core.base + [core.git] }
local magpkg = import 'magpkg/magpkg.libsonnet';
local debian = import 'magpkg/debian.libsonnet';
local core = debian.lockset(importstr 'magpkg/packages/core.lock.json');
core {
  // Debian's gcc only recommends the C library's headers; whoever asks for a compiler means to compile.
  gcc: magpkg.package({ name: 'gcc', runDeps: [core.gcc, core['libc6-dev']] }),

  // What people expect to find on any machine: a shell, the everyday commands, /etc/protocols, the CA bundle.
  base:: [
    core[name]
    for name in [
      'base-files',
      'bash',
      'ca-certificates',
      'coreutils',
      'dash',
      'debianutils',
      'diffutils',
      'findutils',
      'gawk',
      'grep',
      'gzip',
      'hostname',
      'libc-bin',
      'netbase',
      'sed',
      'tar',
    ]
  ],
}
