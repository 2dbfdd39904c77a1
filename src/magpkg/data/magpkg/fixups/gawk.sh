#!/bin/busybox sh
# The alternative `awk`, update-alternatives(1).
set -e
mkdir -p /out/usr/bin
ln -s gawk /out/usr/bin/awk
ln -s gawk /out/usr/bin/nawk
