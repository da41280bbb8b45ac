//! An echo server over the gate and the connection code of `/ws`, for conformance suites.
//!
//! `cargo run --example ws_echo -- [--port P] [--message BYTES] [--queue BYTES] [--queue-messages N]`
//! prints `ws://127.0.0.1:<port>/` once it serves, and ends when its stdin does. Anybody may connect:
//! it has no admission, and must not run where somebody else could reach it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use loopgate::{
    gate::{self, Decision, Gate, Peer, Reply, Response, Service, Upgrade},
    sys::clock::SystemClock,
    wire::head::{Head, HeadError},
    ws::{self, Out, Session, Sockets, upgrade},
};

/// Sends back what comes.
struct Echo;

impl Session for Echo {
    fn opened(&mut self, _: &mut Out<'_>) {}

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        out.text(text);
    }

    fn binary(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        out.binary(bytes);
    }
}

/// Upgrades whoever asks.
struct Anybody {
    sockets: Arc<Sockets>,
    settings: ws::Settings,
}

impl Service for Anybody {
    type Conn = ();
    type Ticket = ();

    fn open(&self, _: SocketAddr, _: SocketAddr) {}

    fn decide(&self, (): &mut (), _: &Head) -> Decision<()> {
        Decision::Admit { ticket: (), body_limit: 0, admitted: true }
    }

    fn handle(&self, (): &mut (), (): &(), head: &Head, _: &[u8], _: &Peer<'_>) -> Reply {
        let response = match upgrade::accept(head) {
            Ok(response) => response,
            Err(error) => return Reply::Response(error.response()),
        };
        let Ok(Some(seat)) = self.sockets.enter() else {
            return Reply::Response(Response::error(503, "websockets_full", "too many WebSockets are open"));
        };
        let settings = self.settings;
        let run = move |upgraded| ws::run(upgraded, &mut Echo, &seat, settings, &SystemClock);
        Reply::Upgrade(Upgrade { response, run: Box::new(run) })
    }

    fn malformed(&self, error: HeadError) -> Response {
        let (status, code, sentence) = error.answer();
        Response::error(status, code, sentence)
    }

    fn refused(&self, status: u16, _: Option<&()>) -> Response {
        Response::error(status, "refused", "refused")
    }
}

fn main() -> ExitCode {
    let mut settings = ws::Settings::default();
    let mut port = 0;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().and_then(|text| text.parse::<usize>().ok());
        match (flag.as_str(), value) {
            ("--message", Some(bytes)) => settings.message = bytes,
            ("--queue", Some(bytes)) => settings.queue_bytes = bytes,
            ("--queue-messages", Some(count)) => settings.queue_messages = count,
            ("--port", Some(number)) if number <= usize::from(u16::MAX) => port = number,
            _ => {
                eprintln!("ws_echo [--port P] [--message BYTES] [--queue BYTES] [--queue-messages N]");
                return ExitCode::from(2);
            }
        }
    }
    let sockets = Sockets::new(loopgate::limits::WS_CONNECTIONS);
    let service = Arc::new(Anybody { sockets: Arc::clone(&sockets), settings });
    let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap_or(0)));
    let started = TcpListener::bind(address)
        .and_then(|listener| Gate::start(listener, service, gate::Settings::default()));
    let gate = match started {
        Ok(gate) => gate,
        Err(error) => {
            eprintln!("ws_echo: {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("ws://{}/", gate.local_addr());
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    sockets.stop(Duration::from_secs(3));
    gate.stop(Duration::from_secs(3));
    ExitCode::SUCCESS
}
