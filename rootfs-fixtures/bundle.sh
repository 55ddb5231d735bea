#!/bin/sh
# bundle.sh [-d DIR] [-r ROOT_PATH] NAME [--terminal] [--uid N] [--writable] -- ARG...: writes DIR/NAME/config.json from
# config.json.in. ROOT_PATH is root.path as it goes into config.json (default: ../../rootfs, the shared BusyBox root).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$here/out/bundles root=../../rootfs terminal=false uid=0 readonly=true
usage() { sed -n 2,3p "$0" >&2; exit 2; }
while :; do case ${1:-} in -d) dir=$2; shift 2 ;; -r) root=$2; shift 2 ;; *) break ;; esac; done
name=${1:-}; [ -n "$name" ] || usage; shift
while [ "${1:-}" != -- ]; do
    case ${1:-} in --terminal) terminal=true; shift ;; --uid) uid=$2; shift 2 ;; --writable) readonly=false; shift ;; *) usage ;; esac
done
shift; [ $# -gt 0 ] || usage

# A JSON string; control characters but newline and tab don't occur in these fixtures.
quote() { printf '"%s"' "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n/\\n/g')"; }
args=; for a; do args="$args${args:+, }$(quote "$a")"; done
export ARGS="$args" ROOT="$(quote "$root")" TERMINAL=$terminal ID=$uid READONLY=$readonly
mkdir -p "$dir/$name"
# One @KEY@ a line at most; awk takes the values from the environment as they are, backslashes and all.
awk '{ for (k in ENVIRON) { at = index($0, "@" k "@"); if (at) $0 = substr($0, 1, at - 1) ENVIRON[k] substr($0, at + length(k) + 2) } print }' \
    "$here/config.json.in" > "$dir/$name/.config.json"
mv "$dir/$name/.config.json" "$dir/$name/config.json"
