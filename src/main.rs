//! The program: everything is in the library.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "keeper") {
        return loopgate::agent::keeper::run();
    }
    std::process::ExitCode::SUCCESS
}
