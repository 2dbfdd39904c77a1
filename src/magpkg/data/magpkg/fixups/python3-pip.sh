#!/bin/busybox sh
# Debian marks its Python as managed by others (PEP 668), so that pip breaks no system. The root of a venv is read-only:
# there is none to break, and `pip install --user` is a choice that anybody may make.
set -e
mkdir /out/etc
printf '[global]\nbreak-system-packages = true\n' >/out/etc/pip.conf
