#![forbid(unsafe_code)]

fn main() {
    std::process::exit(podrt::cli::oci::main());
}
