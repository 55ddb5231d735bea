#!/bin/sh
# deps.sh build|fixtures|test|bench: installs, by Debian's package names, what is missing for that. Silent when nothing is.
set -eu
case ${1:-} in
    build) want='gcc libc6-dev pkg-config libseccomp-dev' ;;
    fixtures) want='gcc libc6-dev binutils busybox-static' ;;
    test) want='gcc libc6-dev binutils busybox-static cpio gzip qemu-system-x86 strace procps iproute2 util-linux kmod podman systemd containernetworking-plugins openssl' ;;
    bench) want='gcc libc6-dev busybox-static util-linux tar crun runc podman iproute2 iperf3 conmon' ;;
    *) sed -n 2p "$0" >&2; exit 2 ;;
esac
command -v dpkg-query >/dev/null || { echo "make deps: not a Debian system; needed here: $want" >&2; exit 0; }
missing=
for p in $want; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || :) in installed) ;; *) missing="$missing $p" ;; esac
done
if [ "$1" = build ] && ! command -v "${CARGO:-cargo}" >/dev/null; then
    echo "make deps: no cargo: install a Rust toolchain with rustup (rustfmt and clippy for make test)" >&2; exit 1
fi
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "make deps: not root: run as root, or install first:$missing" >&2; exit 1; }
echo "make deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! apt-get install -y -q --no-install-recommends $missing > "$log" 2>&1; then
    # Stale or absent lists are the common cause on a fresh machine.
    { apt-get update -q && apt-get install -y -q --no-install-recommends $missing; } > "$log" 2>&1 ||
        { tail -n 5 "$log" >&2; echo "make deps: apt-get could not install:$missing" >&2; exit 1; }
fi
