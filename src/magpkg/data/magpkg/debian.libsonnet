// Packages of a Debian suite, pinned in a lock file: local debian = import 'magpkg/debian.libsonnet';
{
  // lockset(text) gives an object of packages by Debian name:
  //   local packages = debian.lockset(importstr 'debian.lock.json');
  //   { packages: packages.base + [packages.git] }
  // A lock is data, not a program: it is read outside Jsonnet, however many packages it pins. While `magpkg lock` finds
  // out what a manifest wants, the object has every package of the suite.
  lockset(text)::
    local locked = std.native('magpkg.lockset')(text);
    locked.packages {
      // What people expect to find on any machine: a shell, the everyday commands, terminals, time zones, the CA bundle.
      base:: [locked.packages[name] for name in locked.base],
    },
}
