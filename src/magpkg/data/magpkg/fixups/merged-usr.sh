#!/bin/busybox sh
# Every package of a set stands on this one. Debian has had /bin, /lib, /lib64 and /sbin inside /usr since bookworm,
# but its packages of that suite still ship files under the old names: the links must be there first.
set -e
for directory in bin lib lib32 lib64 libx32 sbin; do
  mkdir -p "/out/usr/$directory"
  ln -s "usr/$directory" "/out/$directory"
done
mkdir -p /out/var
ln -s /run /out/var/run
ln -s /run/lock /out/var/lock
