// The packages that ship with magpkg: a pinned part of Debian 12 (bookworm) for amd64, by Debian name, as `magpkg lock`
// makes it from core.names.
//   local core = import 'magpkg/packages/core.libsonnet'; { packages: core.base + [core.git] }
local debian = import 'magpkg/debian.libsonnet';
debian.lockset(importstr 'magpkg/packages/core.lock.json')
