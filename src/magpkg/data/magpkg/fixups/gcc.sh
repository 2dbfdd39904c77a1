#!/bin/busybox sh
# The alternatives `cc`, `c89` and `c99`, update-alternatives(1).
set -e
mkdir -p /out/usr/bin
for name in cc c89 c99; do
  ln -s gcc "/out/usr/bin/$name"
done
