// Presets: parts of a manifest that take what the host has of something, and do without what it lacks.
//   local magpkg = import 'magpkg/magpkg.libsonnet';
//   { packages: [...] } + magpkg.host.sshAgent + magpkg.host.proxies
// docs/presets.md tells what each takes and what it opens. Nothing here asks the host: the launch does.
local readOnly(source, target=source) = { type: 'ro-bind', source: source, target: target, optional: true };
local device(path) = { type: 'dev-bind', source: path, optional: true };

// A mount that comes before all others of the manifest, since it would cover those that lie below it.
local first(mount) = { mounts: [mount] + (if 'mounts' in super then super.mounts else []) };

// Programs write to the directory of the session, too; they get one of their own around the sockets that are shown.
local runtimeDirectory =
  first({ type: 'tmpfs', target: '${XDG_RUNTIME_DIR}', optional: true }) + { envKeep+: ['XDG_RUNTIME_DIR'] };

local bundle = '/etc/ssl/certs/ca-certificates.crt';

{
  // The agent's socket, at its place.
  sshAgent: {
    mounts+: [readOnly('${SSH_AUTH_SOCK}')],
    envKeep+: ['SSH_AUTH_SOCK'],
  },

  // Git's settings of the user, but not the passwords that `git credential-store` keeps beside them.
  gitIdentity: {
    mounts+: [
      readOnly(directory + '/' + name)
      for directory in ['${HOME}/.config/git', '${XDG_CONFIG_HOME}/git']
      for name in ['config', 'ignore', 'attributes']
    ] + [readOnly('${HOME}/.gitconfig'), readOnly('${GIT_CONFIG_GLOBAL}')],
    envKeep+: [
      'XDG_CONFIG_HOME',
      'GIT_CONFIG_GLOBAL',
      'GIT_AUTHOR_NAME',
      'GIT_AUTHOR_EMAIL',
      'GIT_COMMITTER_NAME',
      'GIT_COMMITTER_EMAIL',
      'EMAIL',
    ],
  },

  // The agent's socket for strangers, in the place of the one that can do everything, and what is public of the keyring.
  // gpg uses the directory of the sockets only if nobody but its owner may enter it; so bwrap makes it, since they are
  // their owner's alone.
  gpgAgent: {
    mounts+: [
      readOnly(directory + '/S.gpg-agent.extra', directory + '/S.gpg-agent')
      for directory in ['${XDG_RUNTIME_DIR}/gnupg', '${HOME}/.gnupg', '${GNUPGHOME}']
    ] + [
      readOnly(home + '/' + name)
      for home in ['${HOME}/.gnupg', '${GNUPGHOME}']
      for name in [
        'gpg.conf',
        'pubring.gpg',
        'pubring.kbx',
        'trustdb.gpg',
      ]
    ],
    envKeep+: ['GNUPGHOME', 'GPG_TTY'],
  },

  wayland: runtimeDirectory {
    // The display may be a name, a path, or not be named at all.
    mounts+: [
      readOnly('${XDG_RUNTIME_DIR}/wayland-0'),
      readOnly('${XDG_RUNTIME_DIR}/${WAYLAND_DISPLAY}'),
      readOnly('${WAYLAND_DISPLAY}'),
    ],
    envKeep+: ['WAYLAND_DISPLAY', 'XDG_SESSION_TYPE'],
  },

  x11: {
    mounts+: [readOnly('/tmp/.X11-unix'), readOnly('${HOME}/.Xauthority'), readOnly('${XAUTHORITY}')],
    envKeep+: ['DISPLAY', 'XAUTHORITY'],
  },

  // The devices, and /sys, by which programs find out what they are. Mesa is in packages of the venv.
  gpu: {
    mounts+: [readOnly('/sys')] + [
      device('/dev/' + name)
      for name in ['dri', 'kfd', 'nvidiactl', 'nvidia-modeset', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-caps']
                  + ['nvidia%d' % number for number in std.range(0, 7)]
    ],
    envKeep+: ['CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'DRI_PRIME'],
  },

  // PulseAudio, PipeWire, ALSA.
  audio: runtimeDirectory {
    mounts+: [
      readOnly('${XDG_RUNTIME_DIR}/pulse/native'),
      readOnly('${XDG_RUNTIME_DIR}/pipewire-0'),
      readOnly('${HOME}/.config/pulse/cookie'),
      readOnly('${XDG_CONFIG_HOME}/pulse/cookie'),
      device('/dev/snd'),
    ],
    envKeep+: ['PULSE_SERVER', 'PIPEWIRE_REMOTE', 'XDG_CONFIG_HOME'],
  },

  // Whichever bundle the host has, at the place of Debian's; of several with one target the last that is there is
  // shown. Most programs look there; the others are told.
  caBundle: {
    mounts+: [
      readOnly(path, bundle)
      for path in [
        '/etc/ssl/cert.pem',
        '/etc/ssl/ca-bundle.pem',
        '/etc/pki/tls/certs/ca-bundle.crt',
        '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
        '/etc/ssl/certs/ca-bundle.crt',
        bundle,
        '${SSL_CERT_FILE}',
      ]
    ],
    envSet+: {
      [name]: bundle
      for name in [
        'AWS_CA_BUNDLE',
        'CARGO_HTTP_CAINFO',
        'CURL_CA_BUNDLE',
        'GIT_SSL_CAINFO',
        'NIX_SSL_CERT_FILE',
        'NODE_EXTRA_CA_CERTS',
        'PIP_CERT',
        'REQUESTS_CA_BUNDLE',
        'SSL_CERT_FILE',
      ]
    },
  },

  proxies: {
    local names = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'],
    envKeep+: names + [std.asciiUpper(name) for name in names],
  },

  // How the host looks up names, the socket of systemd-resolved included. A resolv.conf that is a symlink is followed
  // on the host, wherever it leads.
  resolver: {
    mounts+: [readOnly('/run/systemd/resolve'), readOnly('/etc/resolv.conf'), readOnly('/etc/hosts')],
  },

  // In place of HOME a directory of the project's own, which stays.
  privateHome: first({ type: 'bind', source: '${STATE}/home', target: '${HOME}', optional: true }),

  // In place of HOME an empty directory that is gone when the command ends.
  temporaryHome: first({ type: 'tmpfs', target: '${HOME}', optional: true }),

  // What the user has told shells, read-only: prompt, aliases, keys.
  shellSettings: {
    mounts+: [
      readOnly('${HOME}/' + name)
      for name in ['.bashrc', '.bash_aliases', '.inputrc', '.zshenv', '.zshrc', '.config/fish/config.fish', '.dircolors']
    ],
  },

  // In place of the host's /tmp an empty one. Sockets that are mounted one by one, such as an agent's, show through it.
  privateTmp: first({ type: 'tmpfs', target: '/tmp' }),

  // The manifest's directory, writable.
  project: { mounts+: ['${PROJECT}'] },

  // Beside a worktree or submodule of git the directory that its `.git` names, writable.
  gitDirectory: { mounts+: [{ type: 'bind', source: '${GIT_DIRECTORY}', optional: true }] },

  // The working directory, writable, wherever that is.
  cwd: { mounts+: ['${PWD}'] },
}
