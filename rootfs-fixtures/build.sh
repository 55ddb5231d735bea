#!/bin/sh
# build.sh [DIR]: makes the root file systems and bundles that the demo and the tests run, from Debian's busybox-static and the
# sources beside this script, into DIR (default: out/ beside it). Safe to run again; an unchanged payload is not built again.
#
#   DIR/payload           the static test program (payload/)
#   DIR/rootfs            a minimal BusyBox root with it
#   DIR/bundles/NAME      config.json on that root, one per line of the list at the end
#   DIR/hostile/TRAP      config.json and a rootfs of its own with one trap in it (hostile.sh)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/out}
mkdir -p "$out"
out=$(cd "$out" && pwd)

busybox=
for f in /bin/busybox /usr/bin/busybox; do [ -x "$f" ] && busybox=$f && break; done
[ -n "$busybox" ] || { echo "build.sh: no busybox (Debian: busybox-static)" >&2; exit 1; }
if LC_ALL=C readelf -l "$busybox" | grep -q INTERP; then
    echo "build.sh: $busybox is not static (Debian: busybox-static, not busybox)" >&2; exit 1
fi

newer=$(find "$here/payload" -name '*.[ch]' -newer "$out/payload" 2>/dev/null || echo none)
if [ ! -x "$out/payload" ] || [ -n "$newer" ]; then
    ${CC:-cc} -O2 -static -s -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -o "$out/payload.new" "$here"/payload/*.c
    mv "$out/payload.new" "$out/payload"
fi

# root DIR: a fresh BusyBox root. Hard links where the file system has them: the hostile roots cost nothing.
root() {
    rm -rf "$1"
    mkdir -p "$1"
    (
        cd "$1"
        mkdir -p bin dev etc home/app proc root run sys tmp usr/bin var/tmp mnt
        chmod 1777 tmp var/tmp
        chmod 700 root
        ln "$out/busybox" bin/busybox 2>/dev/null || cp "$out/busybox" bin/busybox
        ln "$out/payload" bin/payload 2>/dev/null || cp "$out/payload" bin/payload
        for applet in $("$busybox" --list); do [ -e "bin/$applet" ] || ln -s busybox "bin/$applet"; done
        printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' 'app:x:1000:1000:app:/home/app:/bin/sh' > etc/passwd
        printf '%s\n' 'root:x:0:' 'tty:x:5:' 'extra:x:2000:app' 'app:x:1000:' 'nogroup:x:65534:' > etc/group
        echo 'podrt test root' > etc/issue
        chown 1000:1000 home/app 2>/dev/null || :
    )
}
cmp -s "$busybox" "$out/busybox" || { cp "$busybox" "$out/busybox.new"; mv "$out/busybox.new" "$out/busybox"; }
root "$out/rootfs"

bundle() { name=$1; shift; "$here/bundle.sh" -d "$out/bundles" -r ../../rootfs "$name" "$@"; }
bundle app -- /bin/payload reap
bundle true -- /bin/true
bundle false -- /bin/false
bundle sleep -- /bin/payload sleep
bundle shell -- /bin/sh
bundle terminal --terminal -- /bin/sh
bundle serve -- /bin/payload serve 8080 'hello from the other container'
bundle fetch -- /bin/payload fetch 127.0.0.1 8080 10
bundle writer -- /bin/sh -c 'payload shm-write /pod "written by the writer"; payload sysv-write 77 "System V, by the writer"; exec payload reap'
bundle reader -- /bin/sh -c 'sleep 1; payload shm-read /pod; payload sysv-read 77; hostname; exec payload reap'
bundle stubborn -- /bin/payload ignore-term
bundle lines -- /bin/payload lines 100000
bundle show -- /bin/sh -c 'for s in ids caps limits signals fds ns env mounts; do echo "[$s]"; payload $s; done'

. "$here/hostile.sh"
echo "fixtures: $out"
