#!/bin/busybox sh
# The copies that base-files makes once, when a system is installed.
set -e
mkdir /build/package /out/etc /out/root
ar p /fetch/base-files.deb data.tar.xz | unxz | tar x -C /build/package
cp /build/package/usr/share/base-files/profile /out/etc/profile
cp /build/package/usr/share/base-files/dot.bashrc /out/root/.bashrc
cp /build/package/usr/share/base-files/dot.profile /out/root/.profile
