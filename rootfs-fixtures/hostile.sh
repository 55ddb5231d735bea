# Sourced by build.sh: one root per trap. Whatever stands inside a rootfs is the attacker's; a runtime that follows it out of the
# rootfs, hangs on it or reads it without bound has lost. DIR/hostile/TRAP/{config.json,rootfs}.

up=../../../../../../../../../..

# trap NAME UID: a fresh root and a bundle on it; the caller then springs the trap in $trap.
trap_root() {
    trap=$out/hostile/$1/rootfs
    rm -rf "$trap"
    mkdir -p "$trap"
    # Links for the programs; copies of what a trap may change.
    cp -al "$out/rootfs/." "$trap"
    rm -rf "$trap/etc"
    cp -a "$out/rootfs/etc" "$trap/etc"
    "$here/bundle.sh" -d "$out/hostile" -r rootfs "$1" --writable --uid "$2" -- /bin/payload mounts
}

for d in proc sys dev etc; do
    trap_root "$d-symlink" 0; rm -rf "${trap:?}/$d"; ln -s "$up/tmp" "$trap/$d"
    trap_root "$d-file" 0; rm -rf "${trap:?}/$d"; : > "$trap/$d"
    trap_root "$d-loop" 0; rm -rf "${trap:?}/$d"; ln -s "$d" "$trap/$d"
done

# Mounts, devices, masks and the working folder through a link that leads out.
trap_root escape 0; ln -s "$up" "$trap/a"

for f in passwd group; do
    trap_root "$f-fifo" 1000; rm "$trap/etc/$f"; mkfifo "$trap/etc/$f"
    trap_root "$f-zero" 1000; ln -sf /dev/zero "$trap/etc/$f"
    trap_root "$f-outside" 1000; ln -sf "$up/etc/$f" "$trap/etc/$f"
    trap_root "$f-huge" 1000; truncate -s 2G "$trap/etc/$f"
    trap_root "$f-folder" 1000; rm "$trap/etc/$f"; mkdir "$trap/etc/$f"
done

# What a runtime may write into a container: all lead out, and to nothing.
trap_root etc-files 0
for f in hosts hostname resolv.conf; do ln -sf "$up/tmp/podrt-hostile-$f" "$trap/etc/$f"; done
trap_root termination-log 0; ln -s "$up/tmp" "$trap/dev/termination-log"

# A device that is another one, where a runtime that finds it in the root would trust it.
trap_root dev-null 0; : > "$trap/dev/null"; ln -s "$up/dev" "$trap/dev/pts"
