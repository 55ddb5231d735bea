#!/bin/bash
# network.sh PODRT [ROUNDS]: what a network costs a pod's birth and end, and what passes between two pods, beside the same topology made
# by hand with ip(8). All in a network namespace of its own. One line each; microseconds, and Gbit/s of iperf3.
set -eu
[ $# -ge 1 ] || { sed -n 2,3p "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "network.sh: not root" >&2; exit 1; }
podrt=$(realpath "$1") rounds=${2:-51}
here=$(cd "$(dirname "$0")" && pwd)
fixtures=${FIXTURES:-$here/../rootfs-fixtures/out}
if [ -z "${PODRT_BENCH_INSIDE:-}" ]; then
    export PODRT_BENCH_INSIDE=1
    exec unshare --net --mount --propagation private "$0" "$podrt" "$rounds" < /dev/null
fi
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount -R -l /sys/fs/cgroup 2> /dev/null || :
    mount -t cgroup2 none /sys/fs/cgroup
fi
work=$(mktemp -d /var/tmp/podrt-network.XXXXXX) parent=podrt-network-$$
p() { "$podrt" --root "$work" --cgroup-parent "$parent" "$@"; }
others=
finish() {
    p delete pods --all --grace-period 0 > /dev/null 2>&1 || :
    for o in $others; do kill "$o" 2> /dev/null || :; done
    sleep 0.2
    rmdir "/sys/fs/cgroup/$parent/supervisors" "/sys/fs/cgroup/$parent" 2> /dev/null || :
    rm -rf "$work"
}
trap finish EXIT
ip link set lo up
pod() {
    printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  containers:\n  - {name: app, image: "bundle:%s", command: [/bin/payload, reap]}\n' \
        "$1" "$fixtures/bundles/shell" > "$work/$1.yaml"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

pod web
cycle() { p create -f "$work/web.yaml" --network "$1" > /dev/null; p delete pod web --grace-period 0 > /dev/null; }
cycle podrt0
for _ in $(seq "$rounds"); do
    for mode in none podrt0; do
        a=$(date +%s%N); p create -f "$work/web.yaml" --network "$mode" > /dev/null
        b=$(date +%s%N); p delete pod web --grace-period 0 > /dev/null
        c=$(date +%s%N); echo $(((b - a) / 1000)) >> "$work/create.$mode"; echo $(((c - b) / 1000)) >> "$work/delete.$mode"
    done
done
for what in create delete; do
    none=$(median < "$work/$what.none") podrt0=$(median < "$work/$what.podrt0")
    echo "$what: loopback alone $none, podrt0 $podrt0, difference $((podrt0 - none))"
done

command -v iperf3 > /dev/null || { echo "throughput: iperf3 is not here"; exit 0; }
# between CLIENT_PID SERVER_PID ADDRESS: Gbit/s of five seconds.
between() {
    nsenter -t "$2" -n iperf3 -s -1 > /dev/null 2>&1 &
    sleep 0.5
    nsenter -t "$1" -n iperf3 -c "$3" -t 5 -J | awk -F': *|,' '/"sum_received"/ { s = 1 } s && /bits_per_second/ { printf "%.1f\n", $2 / 1e9; exit }'
}
for n in a b; do pod $n; p create -f "$work/$n.yaml" --network podrt0 > /dev/null; done
pause() { head -n 1 /sys/fs/cgroup/$parent/pod"$(p get pod "$1" -o json | sed -n 's/.*"uid": *"\([^"]*\)".*/\1/p' | head -n 1)"/pause/cgroup.procs; }
address() { p get pod "$1" -o wide --no-headers | awk '{ print $6 }'; }
ip link add hand type bridge
ip addr add 10.99.0.1/24 dev hand
ip link set hand up
for n in 2 3; do
    unshare -n sleep 600 & o=$!; others="$others $o"
    sleep 0.2
    ip link add "hand$n" type veth peer name eth0 netns "$o"
    ip link set "hand$n" master hand up
    nsenter -t "$o" -n sh -c "ip addr add 10.99.0.$n/24 dev eth0; ip link set eth0 up; ip route add default via 10.99.0.1"
done
set -- $others
for _ in 1 2 3; do
    between "$1" "$2" 10.99.0.3 >> "$work/hand"
    between "$(pause a)" "$(pause b)" "$(address b)" >> "$work/pods"
done
echo "throughput: pods $(median < "$work/pods"), by hand $(median < "$work/hand") Gbit/s"
