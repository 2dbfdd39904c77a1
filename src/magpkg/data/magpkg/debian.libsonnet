// Packages of a Debian suite, pinned in a lock file: local debian = import 'magpkg/debian.libsonnet';
{
  // lockset(text) gives an object of packages by Debian name:
  //   local packages = debian.lockset(importstr 'debian.lock.json'); { packages: [packages.git] }
  // A lock is data, not a program: it is read outside Jsonnet, however many packages it pins.
  lockset(text):: std.native('magpkg.lockset')(text),
}
