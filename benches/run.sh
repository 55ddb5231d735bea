#!/bin/sh
# run.sh PODRT PODRT_OCI [PART...]: the benchmark. CRUN, RUNC and PODMAN name other peers than those in PATH, ROUNDS another number of
# rounds than 51, SCALE another number of pods at once than 1000, CARGO and CARGO_TARGET_DIR are cargo's.
# Parts: run birth pod exec logs memory probes start-up exit idle scale; none is all.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n 2,4p "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "run.sh: not root" >&2; exit 1; }
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
PODRT=$(absolute "$1") PODRT_OCI=$(absolute "$2"); shift 2
peer() { command -v "$1" || echo "/usr/bin/${1##*/}"; }
# On a hybrid host podman makes cgroups of version 1 for its pods, and leaves them: there it takes part only when PODMAN names it.
if grep -q ' - cgroup ' /proc/self/mountinfo; then default_podman=not-on-a-hybrid-host; else default_podman=podman; fi
CRUN=$(peer "${CRUN:-crun}") RUNC=$(peer "${RUNC:-runc}") PODMAN=$(peer "${PODMAN:-$default_podman}")
target=${CARGO_TARGET_DIR:-$here/../target}
target=$(absolute "$target")
FIXTURES=${FIXTURES:-$here/../rootfs-fixtures/out}
BENCH_JSON=${BENCH_JSON:-$target/bench.json}
HOST_PID=$$

(cd "$here/.." && "${CARGO:-cargo}" build -q --release --locked --example bench --target-dir "$target/podrt")
bench=$target/podrt/x86_64-unknown-linux-gnu/release/examples/bench

# On disk, not in memory: the writable layers lie where podrt's do.
BENCH_DIR=$(mktemp -d /var/tmp/podrt-bench.XXXXXX)
leave() {
    rm -rf --one-file-system "$BENCH_DIR" 2>/dev/null || { umount -R "$BENCH_DIR"/podman/lib/overlay 2>/dev/null; rm -rf --one-file-system "$BENCH_DIR"; }
}
trap leave EXIT
trap 'exit 130' INT TERM
for program in floor setting writer; do ${CC:-cc} -O2 -static -Wall -Wextra -o "$BENCH_DIR/$program" "$here/$program.c"; done
FLOOR=$BENCH_DIR/floor SETTING=$BENCH_DIR/setting
# Births, not networks: those are compared with loopback alone, and nothing is made in this machine's own network.
export PODRT_NETWORK=none
export PODRT PODRT_OCI CRUN RUNC PODMAN FIXTURES BENCH_JSON BENCH_DIR FLOOR SETTING HOST_PID

# One tree of cgroup v2, whatever the host has, and states in memory, as /run is; nothing of it is seen outside.
unshare --mount --propagation private sh -c '
    if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
        umount -R -l /sys/fs/cgroup 2>/dev/null || :
        mount -t cgroup2 none /sys/fs/cgroup
    fi
    mkdir -p /sys/fs/cgroup/podrt-bench
    for state in state podrt/run; do mkdir -p "$BENCH_DIR/$state"; mount -t tmpfs -o mode=700 none "$BENCH_DIR/$state"; done
    setting=$1; shift
    status=0; "$setting" "$@" || status=$?
    find /sys/fs/cgroup/podrt-bench -depth -type d -exec rmdir {} + 2>/dev/null || :
    exit $status' sh "$BENCH_DIR/setting" "$bench" "$@"
