#!/bin/bash
# kernel.sh CACHE: Debian's kernel of this release, downloaded and taken apart into CACHE/kernel; nothing is installed.
set -eu
cache=$1
[ ! -e "$cache/kernel/vmlinuz" ] || exit 0
work=$(mktemp -d "$cache/kernel.XXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's download user enters it
name() { LC_ALL=C apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends:/ { print $2; exit }'; }
package=$(name)
if [ -z "$package" ] || ! (cd "$work" && apt-get download -q "$package" > log 2>&1); then
    apt-get update -q > "$work/log" 2>&1 || { echo "vm: no package lists: $(tail -n 1 "$work/log")" >&2; exit 1; }
    package=$(name)
    (cd "$work" && apt-get download -q "$package" > log 2>&1) || { echo "vm: no kernel package: $(tail -n 1 "$work/log")" >&2; exit 1; }
fi
dpkg-deb -x "$work"/*.deb "$work/tree"
mkdir "$work/kernel"
cp "$work"/tree/boot/vmlinuz-* "$work/kernel/vmlinuz"
mkdir "$work/kernel/lib"
mv "$work/tree/lib/modules" "$work/kernel/lib/modules"
depmod -b "$work/kernel" "$(ls "$work/kernel/lib/modules")"
rm -rf "$cache/kernel"
mv "$work/kernel" "$cache/kernel"
