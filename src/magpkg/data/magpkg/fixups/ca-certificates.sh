#!/bin/busybox sh
# update-ca-certificates(8): every certificate that ships, in one bundle; and the names under which OpenSSL, which
# Debian builds with OPENSSLDIR=/usr/lib/ssl, looks for a bundle.
set -e
mkdir -p /build/package /out/etc/ssl/certs /out/usr/lib/ssl
ar p /fetch/ca-certificates.deb data.tar.xz | unxz | tar x -C /build/package
cd /build/package/usr/share/ca-certificates
find . -name '*.crt' | sort | xargs cat >/out/etc/ssl/certs/ca-certificates.crt
ln -s /etc/ssl/certs/ca-certificates.crt /out/usr/lib/ssl/cert.pem
