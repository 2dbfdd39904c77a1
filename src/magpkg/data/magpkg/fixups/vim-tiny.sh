#!/bin/busybox sh
# The alternatives `vi`, `ex`, `view` and `editor`, and `vim`, which people type.
set -e
mkdir -p /out/usr/bin
for name in vi vim ex view rview editor; do
  ln -s vim.tiny "/out/usr/bin/$name"
done
