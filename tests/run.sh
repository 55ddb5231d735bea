#!/bin/bash
# run.sh [STEP...]: runs the test steps (default: all, in the order below) and sums their results.
#   format, lint, unit, the suites named in Cargo.toml, and vm: what this host lacks something for, in a virtual machine.
# With RUNTIME=crun (or another OCI runtime) the suite `oci` runs against that.
# Each result is one line `STATUS<tab>SUITE::NAME<tab>WHY` in $out/results; a test that was skipped here and ran in the VM counts by
# its result there. The last line, also in $out/summary: N passed, N failed, N skipped.
set -u
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
cargo=${CARGO:-cargo}
out=$target/test
mkdir -p "$out/logs"
rm -f "$out"/results* "$out/summary"
# The test build has fault points and folders of its own, so that it never disturbs the release build.
flags=(--locked --features fault --target-dir "$target/test-build")
suites=$(sed -n '/^\[\[test\]\]/,/^$/s/^name = "\(.*\)"/\1/p' Cargo.toml)

note() { printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >> "$out/results"; }

# whole NAME COMMAND...: a step with one result.
whole() {
    local name=$1; shift
    echo "== $name"
    if "$@" > "$out/logs/$name" 2>&1; then note ok "$name"; else note FAILED "$name"; tail -n 60 "$out/logs/$name"; fi
}

# suite NAME COMMAND...: a step whose output has one `test NAME ... RESULT` per test, in libtest's manner.
suite() {
    local name=$1; shift
    echo "== $name"
    "$@" 2>&1 | tee "$out/logs/$name" | grep -v -e '^$' -e '^test .* ok$' -e '^running ' -e '^ *\(Compiling\|Running\|Finished\)'
    local status=${PIPESTATUS[0]}
    sed -n "s/^test \(.*\) \.\.\. \(ok\|FAILED\|ignored\|skipped\)\(: *\|, *\|\)\(.*\)$/\2\t$name::\1\t\4/p" "$out/logs/$name" |
        sed 's/^\(ignored\|skipped\)\t/skip\t/' > "$out/results.$name"
    # A runner that dies has no result line for what it was doing.
    if [ "$status" != 0 ] && ! grep -q ^FAILED "$out/results.$name"; then
        printf 'FAILED\t%s::the runner itself\texit %s\n' "$name" "$status" >> "$out/results.$name"
        tail -n 40 "$out/logs/$name"
    fi
    cat "$out/results.$name" >> "$out/results"
}

step() {
    case $1 in
        format) whole format "$cargo" fmt --check ;;
        lint) whole lint "$cargo" clippy "${flags[@]}" --all-targets -- -D warnings
            whole lint-oci "$cargo" clippy "${flags[@]}" --no-default-features --all-targets -- -D warnings ;;
        unit) suite unit "$cargo" test "${flags[@]}" --lib --bins ;;
        vm) tests/vm/suite.sh "$out" "$target/test-build" ; [ ! -s "$out/results.vm" ] || cat "$out/results.vm" >> "$out/results" ;;
        *) suite "$1" "$cargo" test "${flags[@]}" --test "$1" ;;
    esac
}

if [ $# -gt 0 ]; then steps=$*; else steps="format lint unit $suites vm"; fi
for s in $steps; do step "$s"; done

# One status per test: a failure anywhere, else a pass anywhere, else the skip with its reason.
awk -F'\t' '
    $1 == "FAILED" { s[$2] = "FAILED" }
    $1 == "ok" && s[$2] != "FAILED" { s[$2] = "ok" }
    $1 == "skip" && !($2 in s) { s[$2] = "skip" } $1 == "skip" { why[$2] = $3 }
    END {
        for (t in s) n[s[t]]++
        for (t in s) if (s[t] == "skip") print "skipped: " t ": " why[t]
        for (t in s) if (s[t] == "FAILED") print "failed: " t
        printf "%d passed, %d failed, %d skipped\n", n["ok"], n["FAILED"], n["skip"]
    }' "$out/results" | sort -s -k1,1r > "$out/end"
grep -v ' passed, ' "$out/end"
grep ' passed, ' "$out/end" | tee "$out/summary"
! grep -q ^FAILED "$out/results"
