#!/bin/bash
# suite.sh OUT TEST_BUILD: runs in the virtual machine what was skipped on this host for want of something, and once
# more some suites whole, on its older kernel. Results go to OUT/results.vm, as run.sh has them.
set -u
cd "$(dirname "$0")/../.."
out=$1 build=$2
echo "== vm"
fail() { printf 'FAILED\tvm::%s\t%s\n' "$1" "$2" >> "$out/results.vm"; echo "vm: $2"; }
# machine FIRST PLAN: boots one and runs the plan in it.
machine() {
    tests/vm/boot.sh -i "$1" -t "${PODRT_VM_SECONDS:-1500}" -c "$(dirname "$build")/vm" -o "$out/vm" -- \
        env PODRT_TEST_VM=1 PODRT_FIXTURES="${PODRT_FIXTURES:-$PWD/rootfs-fixtures/out}" bash "/out/$2" > "$out/logs/vm-$1" 2>&1
    local status=$?
    [ "$status" != 125 ] || { tail -n 20 "$out/logs/vm-$1"; fail "boot" "the virtual machine did not come up or was late: see logs/vm-$1"; }
}
rm -rf "$out/vm"; mkdir -p "$out/vm"
# Where cargo put the test programs.
"${CARGO:-cargo}" test --locked --features fault --target-dir "$build" --no-run 2>&1 |
    sed -n 's/^ *Executable tests\/\(.*\)\.rs (\(.*\))$/\1 \2/p' > "$out/vm/programs"
while read -r suite program; do
    all=
    case $suite in
        layers | systemd) continue ;;
        # The kernel differs as well: what touches most of it runs whole.
        oci | pod | pod_input | terminal | faults) all=1 ;;
    esac
    case $program in /*) ;; *) program=$PWD/$program ;; esac
    # Skipped for another runtime's sake or for a missing program: no virtual machine helps.
    names=$(awk -F'\t' -v s="$suite" '$1 == "skip" && index($2, s "::") == 1 && $3 ~ /^needs cgroup|^needs the virtual/ { sub(/.*::/, "", $2); print $2 }' "$out/results" | sort -u)
    [ -n "$names$all" ] || continue
    [ -z "$all" ] || { printf '%s > /out/%s.log 2>&1\n' "$program" "$suite"; continue; }
    printf '%s --exact %s > /out/%s.log 2>&1\n' "$program" "$(echo $names)" "$suite"
done < "$out/vm/programs" > "$out/vm/plan"
# A machine of its own, whose first process is systemd; where it is this host's own, nothing was skipped.
if grep -q $'^skip\tsystemd::.*\tneeds systemd' "$out/results"; then
    program=$(sed -n 's/^systemd //p' "$out/vm/programs")
    case $program in /*) ;; *) program=$PWD/$program ;; esac
    printf '%s > /out/systemd.log 2>&1\n' "$program" > "$out/vm/plan-systemd"
    machine systemd plan-systemd
fi
[ ! -s "$out/vm/plan" ] || machine init plan
for log in "$out"/vm/*.log; do
    [ -e "$log" ] || continue
    suite=$(basename "$log" .log)
    cp "$log" "$out/logs/vm-$suite"
    grep -v -e '^$' -e '^test .* ok$' -e '^running ' "$log"
    sed -n "s/^test \(.*\) \.\.\. \(ok\|FAILED\|skipped\)\(: *\|\)\(.*\)$/\2\t$suite::\1\t\4/p" "$log" | sed 's/^skipped\t/skip\t/' >> "$out/results.vm"
    grep -q '^test result:' "$log" || fail "$suite" "the suite did not come to its end"
done
exit 0
