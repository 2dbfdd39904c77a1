// A package built from source with the compiler that ships: its source lies beside this file. Try it with
//   magpkg venv -f examples/hello-from-source.jsonnet -- hello
local magpkg = import 'magpkg/magpkg.libsonnet';
local core = import 'magpkg/packages/core.libsonnet';

local hello = magpkg.package({
  name: 'hello',

  // A source is pinned by its SHA-256. Its urls are tried in turn and are no part of the package's hash; this one is
  // the path of the file beside this one.
  fetch: [{
    filename: 'hello.c',
    sha256: '5b98a9c3af82e51ed720a99ff4e6802f1d0ec1dac360150a5a82043ca81f41bc',
    urls: [magpkg.beside(std.thisFile, 'hello.c')],
  }],

  // What the build needs and the result does not: a C compiler, with the shell and the tools that a script uses.
  buildDeps: core.base + [core.gcc],

  // What the result needs to run: the C library.
  runDeps: [core.libc6],

  // The script runs in a sandbox without network, in /build; what it leaves in /out becomes the package.
  build: |||
    mkdir -p /out/usr/bin
    gcc -O2 -o /out/usr/bin/hello /fetch/hello.c
  |||,
});

{
  packages: core.base + [hello],
  mounts: ['${PROJECT}'],
}
