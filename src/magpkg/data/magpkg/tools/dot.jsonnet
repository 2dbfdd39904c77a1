// What `magpkg graph --format svg` draws with: graphviz, a font to measure text with, and nothing of the host. The lock is
// made by `magpkg lock -f dot.jsonnet -o dot.lock.json`.
local debian = import 'magpkg/debian.libsonnet';
local set = debian.lockset(importstr 'magpkg/tools/dot.lock.json');
{
  packages: [set.graphviz, set['fonts-dejavu-core']],
  mountDefaults: false,
  mounts: [{ type: 'dev', target: '/dev' }, { type: 'tmpfs', target: '/tmp' }],
  network: false,
  envSet: { HOME: '/tmp' },
}
