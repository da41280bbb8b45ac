//! The program: everything is in the library.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    loopgate::cli::run(std::env::args_os().skip(1).collect())
}
