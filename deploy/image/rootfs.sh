#!/bin/sh
# Lays out the root file system of the container image: the binary, the shared
# libraries it is linked to, the certificate authorities, a user, and nothing
# else: no shell, no package manager.
#
#     deploy/image/rootfs.sh BINARY FOLDER
#
# The Dockerfile runs it in its build stage, `cargo xtask test` runs the binary
# inside such a folder.
set -eu

binary=${1:?the binary}
root=${2:?the folder}

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/rolekeeper" "$root/var/lib/rolekeeper" "$root/tmp"
install -m 0755 "$binary" "$root/usr/bin/rolekeeper"

# `ldd` prints `name => /path (address)` for libraries, `/path (address)` for the loader.
ldd "$binary" | sed -n 's/^[^/]*\(\/[^ ]*\) (0x[0-9a-f]*)$/\1/p' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'rolekeeper:x:65532:65532:rolekeeper:/var/lib/rolekeeper:/sbin/nologin' > "$root/etc/passwd"
echo 'rolekeeper:x:65532:' > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"

chown 65532:65532 "$root/var/lib/rolekeeper"
chmod 0700 "$root/var/lib/rolekeeper"
chmod 1777 "$root/tmp"
