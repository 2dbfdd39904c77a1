#!/bin/busybox sh
# The alternative `c++`, update-alternatives(1).
set -e
mkdir -p /out/usr/bin
ln -s g++ /out/usr/bin/c++
