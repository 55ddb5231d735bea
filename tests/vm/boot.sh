#!/bin/bash
# boot.sh [-i init|systemd] [-m MB] [-s CPUS] [-t SECONDS] [-c CACHE] [-o OUT] -- COMMAND [ARG...]
# Runs COMMAND as root in a throw-away virtual machine: Debian's own kernel with one pure cgroup v2 tree, every controller and all
# capabilities. Its files are this machine's, read-only below a tmpfs that is gone afterwards; /out is the folder OUT. The exit
# status is the command's, 125 when the machine didn't come so far. CACHE holds the kernel (default: target/vm). With -i systemd the
# first process is this machine's systemd, and COMMAND a service of it, with nothing else started.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
memory=3072 cpus=2 limit=900 cache=$here/../../target/vm out= first=init
while [ "${1:-}" != -- ]; do
    case ${1:-} in
        -i) first=$2 ;; -m) memory=$2 ;; -s) cpus=$2 ;; -t) limit=$2 ;; -c) cache=$2 ;; -o) out=$2 ;;
        *) sed -n 2,6p "$0" >&2; exit 2 ;;
    esac
    shift 2
done
shift
mkdir -p "$cache"; cache=$(cd "$cache" && pwd)
out=${out:-$(mktemp -d)}; mkdir -p "$out"; out=$(cd "$out" && pwd)
"$here/kernel.sh" "$cache"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/initrd
mkdir -p "$root"/{bin,proc,sys,dev,host,upper,new,modules}
cp "$(command -v busybox)" "$root/bin/busybox"
# What the boot itself needs, each after what it depends on.
version=$(ls "$cache/kernel/lib/modules")
for module in virtio_pci 9pnet_virtio 9p overlay; do
    modprobe -d "$cache/kernel" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    cp "$file" "$root/modules/"; basename "$file" >> "$root/modules/order"
done
cp "$here/init" "$root/init"; chmod 755 "$root/init"
cp "$here/stage2" "$root/stage2"; chmod 755 "$root/stage2"
{ printf 'cd %q\nexec' "$PWD"; printf ' %q' "$@"; echo; } > "$root/command"
echo "$first" > "$root/first"
printf '%s\n' "$cache/kernel/lib/modules/$version" > "$root/modules/source"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd.gz"

rm -f "$out/status"
# KVM where it works (it may be there and refuse), else emulation, which needs nothing.
accel=(-accel tcg,thread=multi -cpu max)
if [ "${PODRT_VM_KVM:-}" = 1 ]; then accel=(-accel kvm -cpu host); fi
timeout -k 5 "$limit" qemu-system-x86_64 "${accel[@]}" -m "$memory" -smp "$cpus" -nodefaults -nographic -no-reboot -serial stdio \
    -kernel "$cache/kernel/vmlinuz" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 quiet loglevel=1 panic=-1 cgroup_no_v1=all random.trust_cpu=on" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    -virtfs local,path="$out",mount_tag=out,security_model=none,multidevs=remap < /dev/null 2>&1 | stdbuf -oL tr -d '\r' || :
exit "$(cat "$out/status" 2>/dev/null || echo 125)"
