//! The roles of child processes: the two hello worlds, and the agent whose terminal is timed.
//!
//! Each in a process of its own, so that nobody's threads and memory count for another.

use std::{
    io::{Read, Write},
    os::unix::net::UnixDatagram,
    process::ExitCode,
};

const HELLO: &str = "Hello, World!";

/// Runs one of the hello worlds until it is killed. Prints its address first.
pub fn serve(name: &str) -> ExitCode {
    match name {
        "axum" => axum_hello(),
        "tiny_http" => tiny_http_hello(),
        _ => return ExitCode::from(2),
    }
    ExitCode::FAILURE
}

fn announce(address: impl std::fmt::Display) {
    println!("{address}");
    let _ = std::io::stdout().flush();
}

/// axum's own example, with the runtime's default number of workers: one for each core.
fn axum_hello() {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let app = axum::Router::new().route("/", axum::routing::get(|| async { HELLO }));
        let Ok(listener) = tokio::net::TcpListener::bind("127.0.0.1:0").await else { return };
        let Ok(address) = listener.local_addr() else { return };
        announce(address);
        let _ = axum::serve(listener, app).await;
    });
}

/// tiny_http's own example for several threads: four of them take requests.
fn tiny_http_hello() {
    let Ok(server) = tiny_http::Server::http("127.0.0.1:0") else { return };
    announce(server.server_addr());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Ok(request) = server.recv() {
                    let _ = request.respond(tiny_http::Response::from_string(HELLO));
                }
            });
        }
    });
}

/// A program in a terminal: raw mode, and for each read a datagram `<monotonic ns> <bytes>`.
pub fn agent(socket: &str) -> ExitCode {
    let Ok(out) = UnixDatagram::unbound() else { return ExitCode::FAILURE };
    if out.connect(socket).is_err() || !raw_mode() || out.send(b"0 ready").is_err() {
        return ExitCode::FAILURE;
    }
    let mut buffer = [0; 4096];
    loop {
        match std::io::stdin().lock().read(&mut buffer) {
            Ok(n @ 1..) => {
                let mut line = format!("{} ", monotonic()).into_bytes();
                line.extend_from_slice(&buffer[..n]);
                if out.send(&line).is_err() {
                    return ExitCode::SUCCESS;
                }
            }
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
        }
    }
}

/// The terminal passes every key as it is, and echoes none.
pub fn raw_mode() -> bool {
    // SAFETY: a zeroed termios is a valid place for the answer, which is then changed and set.
    unsafe {
        let mut modes: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(0, &mut modes) != 0 {
            return false;
        }
        libc::cfmakeraw(&mut modes);
        libc::tcsetattr(0, libc::TCSANOW, &modes) == 0
    }
}

/// Nanoseconds of the machine's monotonic clock, the same for all processes.
pub fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is room for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
