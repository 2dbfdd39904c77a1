#!/bin/busybox sh
# The alternative `pager`, update-alternatives(1).
set -e
mkdir -p /out/usr/bin
ln -s less /out/usr/bin/pager
