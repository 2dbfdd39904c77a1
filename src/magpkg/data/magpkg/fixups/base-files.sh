#!/bin/busybox sh
# What base-files does once, when a system is installed: copies, and directories that its archive does not have.
set -e
mkdir /build/package /out/etc /out/root
ar p /fetch/base-files.deb data.tar.xz | unxz | tar x -C /build/package
cp /build/package/usr/share/base-files/profile /out/etc/profile
cp /build/package/usr/share/base-files/dot.bashrc /out/root/.bashrc
cp /build/package/usr/share/base-files/dot.profile /out/root/.profile
for name in bin etc games include lib sbin share/man src; do
  mkdir -p "/out/usr/local/$name"
done
ln -s share/man /out/usr/local/man
mkdir -p /out/etc/opt /out/var/mail /out/var/opt /out/var/spool
ln -s ../mail /out/var/spool/mail
