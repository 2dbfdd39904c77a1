#!/bin/busybox sh
# The alternative `which`, update-alternatives(1).
set -e
mkdir -p /out/usr/bin
ln -s which.debianutils /out/usr/bin/which
