#!/bin/bash
# Java's own form of the CA bundle, a key store of the type JKS: a magic number, the version, the certificates, each
# with a name and a time, and a SHA-1 over a password, a constant text and all that.
set -e
mkdir -p /out/etc/ssl/certs/java

number() { printf '%0*x' "$2" "$1"; }
text() { number "${#1}" 4; printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
binary() { printf '%b' "$(sed 's/../\\x&/g')"; }

mapfile -t files < <(find /usr/share/ca-certificates -name '*.crt' | LC_ALL=C sort)
{
  printf 'feedfeed00000002'
  number "${#files[@]}" 8
  for file in "${files[@]}"; do
    certificate=$(sed '/^-----/d' "$file" | base64 -d | od -An -v -tx1 | tr -d ' \n')
    name=$(basename "$file" .crt | tr -cd '[:alnum:]_.-' | tr '[:upper:]' '[:lower:]')
    number 2 8
    text "$name"
    number 0 16
    text X.509
    number $((${#certificate} / 2)) 8
    printf '%s' "$certificate"
  done
} | binary >store
{
  printf 'changeit' | sed 's/./\x00&/g'
  printf 'Mighty Aphrodite'
  cat store
} | sha1sum | cut -d' ' -f1 | binary >checksum
cat store checksum >/out/etc/ssl/certs/java/cacerts
