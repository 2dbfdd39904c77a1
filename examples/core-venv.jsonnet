// The reference manifest: every field that a venv has, with what it is for. Try it with
//   magpkg venv -e '(import "magpkg/examples/core-venv.jsonnet")'

// The packages that ship with magpkg, a pinned part of Debian 12, by their Debian names.
local core = import 'magpkg/packages/core.libsonnet';

{
  // packages: what the venv is made of. Their runtime closures, with fsEntries, make its hash. core.base is a list: a
  // shell, the everyday commands, the CA bundle.
  packages: core.base + [
    core.curl,
    core.file,
    core['g++'],
    core.gcc,
    core.git,
    core.jq,
    core.less,
    core.make,
    core['openssh-client'],
    core.patch,
    core.procps,
    core.python3,
    core.ripgrep,
    core['vim-tiny'],
    core['xz-utils'],
  ],

  // envKeep: variables of the host that come along as they are, where the host has them. HOME and TERM always do. A `*`
  // stands for any text.
  envKeep: ['LC_*', 'SSH_AUTH_SOCK'],

  // envSet: variables with a value of their own. PATH and LD_LIBRARY_PATH have defaults that this may replace.
  envSet: {
    LANG: 'C.UTF-8',
    EDITOR: 'vi',
    PAGER: 'less',
  },

  // mountDefaults: whether /dev, /proc, /sys, /tmp, /etc/resolv.conf and /etc/hosts are mounted; true if left out.
  mountDefaults: true,

  // hostDefaults: whether the command has the user's name, the host's time zone and what it knows of the terminal; as
  // mountDefaults if left out.
  hostDefaults: true,

  // mounts: what else is shown. A string is a path of the host, writable, at the same place.
  mounts: [
    // The project: the directory of the manifest; for -e the working directory, if that is no directory of the system's.
    // ${PROJECT}, ${HOME} and ${USER} are the host's, and no part of the hash.
    { source: '${PROJECT}', optional: true },

    // An object says more. Here: the user's git identity, read-only, and no error on a host that has none.
    { type: 'ro-bind', source: '${HOME}/.gitconfig', target: '${HOME}/.gitconfig', optional: true },

    // The agent's socket that SSH_AUTH_SOCK names is below /tmp on most hosts, and /tmp is a default mount.
    { type: 'ro-bind', source: '${HOME}/.ssh/known_hosts', target: '${HOME}/.ssh/known_hosts', optional: true },

    // A mount needs no source where it shows nothing of the host: scratch space, gone when the command ends.
    { type: 'tmpfs', target: '/var/cache' },
  ],

  // fsEntries: directories, files and symlinks that are made in the rootfs itself. They are part of the hash. A mode is
  // a string and octal; a number would be decimal.
  fsEntries: [
    { type: 'directory', path: '/srv/data', mode: '755' },
    { type: 'file', path: '/etc/motd', contents: 'This is a magpkg venv.\n', mode: '644' },
    { type: 'symlink', path: '/usr/bin/py', target: 'python3' },
  ],

  // network: false leaves the command without a network.
  network: true,

  // unshare: what else it gets of its own, of pid, ipc, uts, cgroup and net.
  unshare: [],

  // seccomp: 'none' takes the filter of system calls away, which keeps terminals and keyrings from the command.
  seccomp: 'default',

  // shims: the commands that `magpkg shim` writes launchers for, where it is told no others.
  shims: ['python3', 'git'],
}
