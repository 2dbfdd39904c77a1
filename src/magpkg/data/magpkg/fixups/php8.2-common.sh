#!/bin/busybox sh
# phpenmod(8): the extensions that this package has are switched on.
set -e
mkdir -p /build/package /out/etc/php/8.2/mods-available /out/etc/php/8.2/cli/conf.d
ar p /fetch/php8.2-common.deb data.tar.xz | unxz | tar x -C /build/package
for file in /build/package/usr/share/php8.2-common/common/*.ini; do
  name=$(basename "$file")
  # The file says in which order extensions are loaded: `; priority=10`.
  priority=$(sed -n 's/^; priority=//p' "$file")
  cp "$file" "/out/etc/php/8.2/mods-available/$name"
  ln -s "../../mods-available/$name" "/out/etc/php/8.2/cli/conf.d/${priority:-20}-$name"
done
