#!/bin/bash
# demo.sh PODRT: runs pods/demo.yaml and shows what a pod is made of. Everything is below a temporary folder and a cgroup parent of
# its own, and gone at the end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
podrt=$(realpath "$1")
[ "$(id -u)" = 0 ] || { echo "demo: podrt runs as root only" >&2; exit 1; }

work=$(mktemp -d /tmp/podrt-demo.XXXX)
parent=podrt-demo-$$
# Loopback alone: the demo leaves no bridge behind.
p() { "$podrt" --root "$work" --cgroup-parent "$parent" --network none "$@"; }
# cgroup v2 stands at the root of /sys/fs/cgroup, or beside v1 on a hybrid host.
cgroups=$(awk '{ for (i = 7; i <= NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
finish() {
    p delete pod --all --now > /dev/null 2>&1 || :
    rmdir "$cgroups/$parent/supervisors" "$cgroups/$parent" 2> /dev/null || :
    rm -rf "$work"
}
trap finish EXIT

title() { printf '\n\033[1m== %s\033[0m\n' "$1"; }
show() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }
podrt() { p "$@"; }

title 'A pod of one init container and three containers'
cat "$here/pods/demo.yaml"
show podrt create -f "$here/pods/demo.yaml" --wait=ready
show podrt get pods -o wide

cgroup=$(find "$cgroups/$parent" -mindepth 1 -maxdepth 1 -name 'pod*' | head -n 1)
# pid of the first process in a container's cgroup
pid_of() { head -n 1 "$cgroup/$1/cgroup.procs"; }

title 'The process tree: supervisor, pause, containers'
top=$(pid_of pause)
while up=$(awk '/^PPid/ { print $2 }' "/proc/$top/status"); [ "$up" -gt 1 ] && [ "$(cut -d/ -f2- "/proc/$up/cgroup" | grep -c "$parent")" -gt 0 ]; do top=$up; done
tree() {
    local c
    printf '%*s%s  %s\n' "$2" '' "$1" "$(tr '\0' ' ' < "/proc/$1/cmdline" | cut -c1-90)"
    for c in $(cat /proc/"$1"/task/*/children 2> /dev/null); do tree "$c" $(($2 + 3)); done
}
tree "$top" 0

title 'Shared network: the client fetched this from the server, over 127.0.0.1'
sleep 1
show podrt logs demo -c client
title 'Shared IPC and host name: the reader found what the client wrote'
show podrt logs demo -c reader
title 'The init container ran first; its log stays'
show podrt logs demo -c prepare

title 'Namespaces: net, ipc, uts are one; mnt, pid, cgroup are each container'"'"'s own'
printf '%-8s' ''; for n in net ipc uts mnt pid cgroup; do printf ' %-11s' "$n"; done; echo
for c in pause server client reader; do
    printf '%-8s' "$c"; for n in net ipc uts mnt pid cgroup; do printf ' %-11s' "$(readlink "/proc/$(pid_of $c)/ns/$n" | tr -dc 0-9)"; done; echo
done
title 'Each container is its own PID 1 and sees its own mounts'
show podrt exec demo -c server -- payload ps
show podrt exec demo -c server -- sh -c 'cut -d" " -f5 /proc/self/mountinfo | sort | tr "\n" " "; echo'

title 'cgroups: the pod holds limits, its containers hold processes'
echo "$cgroup/cgroup.procs: $(wc -l < "$cgroup/cgroup.procs") processes (none, by the kernel's rule)"
echo "$cgroup/cgroup.subtree_control: $(cat "$cgroup/cgroup.subtree_control")"
for d in "$cgroup"/*/; do echo "$(basename "$d"): $(tr '\n' ' ' < "$d/cgroup.procs")"; done
if grep -q memory "$cgroups/cgroup.controllers" && grep -q cpu "$cgroups/cgroup.controllers"; then
    show podrt create -f "$here/pods/limits.yaml" --wait=ready
    for f in "$cgroups/$parent"/pod*/app/{memory.max,cpu.max,cpu.weight}; do [ ! -e "$f" ] || echo "$(basename "$f") = $(cat "$f")"; done
    show podrt delete pod limits
else
    echo "(this host's cgroup v2 tree has no cpu and memory controllers: limits are shown by make test, in a virtual machine)"
fi

title 'The end: stopped in order, nothing left'
show podrt delete pod demo
show podrt get pods
left=$(find "$cgroups/$parent" -mindepth 1 -type d ! -name supervisors 2> /dev/null | wc -l)
# The supervisor says that all is gone, and then goes itself. (A zombie, where pid 1 is slow to reap, is no process any more.)
living() { grep -ls "$parent" /proc/[0-9]*/cgroup 2> /dev/null | while read -r f; do grep -q '^State:.Z' "${f%cgroup}status" || echo "$f"; done | wc -l; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
    processes=$(living)
    [ "$processes" = 0 ] && break
    sleep 0.1
done
echo "cgroups left: $left; mounts left: $(grep -c "$work" /proc/self/mountinfo || :); processes left: $processes"
[ "$left$processes" = 00 ]
echo "demo: done"
