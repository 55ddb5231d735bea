#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    podrt::cli::pods::main()
}
