//! Sets the programs' entry; builds the pause program with the compiler that builds podrt, which `src/pod/pause` embeds.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/pod/pause/pause.rs");
    // src/sys/entry.rs
    println!("cargo:rustc-link-arg-bins=-Wl,-u,podrt_entry,-e,podrt_entry");
    if std::env::var_os("CARGO_FEATURE_POD").is_none() {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let out = PathBuf::from(variable("OUT_DIR")).join("pause");
    // One read-only segment, no start files, nothing linked: what is not there cannot be mapped.
    let linking =
        "-nostartfiles -nostdlib -static -Wl,-n,--build-id=none,--no-eh-frame-hdr,-z,norelro,-z,noexecstack,--gc-sections";
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--edition=2024", "--crate-type=bin", "--crate-name=pause", "--target", &variable("TARGET")])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "relocation-model=static", "-C", "target-feature=+crt-static"])
        .args(["-C", "strip=symbols", "-C", "debuginfo=0", "-C", "force-unwind-tables=no", "-C", "default-linker-libraries=no"])
        .args(["-C", &format!("link-args={linking}"), "-o"])
        .arg(&out)
        .arg("src/pod/pause/pause.rs");
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    // Flags of the outer build (sanitizers, coverage) have no place in a program without a library.
    match rustc.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("the pause program could not be built: {status}"),
        Err(e) => panic!("the pause program could not be built: {e}"),
    }
}
