//! What the control arm stands on: every address that is forbidden in a sandbox, on a loopback of its own, with
//! listeners of ours behind it.
//!
//! Made within namespaces that nothing leaves, by whoever runs the proof: no root is needed there. The threads
//! end with the process, which makes its probes and exits.

use std::{
    fs, io,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::Path,
    thread,
    time::Duration,
};

use super::{
    World,
    answers::name_of,
    reach::RESOLVER,
    world::{METADATA, SOMEWHERE_4, SOMEWHERE_6},
};
use crate::sys::interface;

/// Ports on which something might listen somewhere else.
const ELSEWHERE: [u16; 2] = [80, 443];
/// The first bytes of a request are waited for so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// What must live as long as the probes are made.
pub(super) struct Ground {
    _abstract: UnixListener,
    _paths: Vec<UnixListener>,
}

/// Makes it; why it could not be made.
pub(super) fn prepare(world: &World) -> Result<Ground, String> {
    let said = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| format!("{what}: {}", name_of(&error))
    };
    let fixed = [SOMEWHERE_4, SOMEWHERE_6, IpAddr::V4(RESOLVER)];
    for address in fixed.iter().chain(&METADATA).chain(&world.addresses) {
        // Where there is no IPv6, its probes have no control, and the others have theirs.
        let added = interface::add_to_loopback(*address);
        added
            .or_else(|error| if address.is_ipv6() { Ok(()) } else { Err(error) })
            .map_err(said("no address"))?;
    }
    for port in world.ports.iter().chain(&ELSEWHERE) {
        let listener = listen(*port).map_err(said("a port cannot be had"))?;
        greet(listener, world.nonce.clone()).map_err(said("no thread"))?;
    }
    if let Some(port) = world.forwarder {
        let listener = listen(port).map_err(said("no port"))?;
        let_through(listener, world.nonce.clone()).map_err(said("no thread"))?;
    }
    resolve().map_err(said("a resolver cannot be had"))?;
    let name =
        SocketAddr::from_abstract_name(world.abstract_name.as_bytes()).map_err(said("no abstract name"))?;
    let listener = UnixListener::bind_addr(&name).map_err(said("no abstract socket"))?;
    let mut paths = Vec::new();
    for path in &world.sockets {
        if let Some(directory) = Path::new(path).parent() {
            let _ = fs::create_dir_all(directory);
        }
        // One that cannot be made here is a control that does not get through.
        paths.extend(UnixListener::bind(path));
    }
    Ok(Ground { _abstract: listener, _paths: paths })
}

/// Listens at every address there is.
fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
}

/// Says the nonce to whoever connects.
fn greet(listener: TcpListener, nonce: String) -> io::Result<()> {
    let serve = move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(nonce.as_bytes());
        }
    };
    thread::Builder::new().name("control-greet".to_owned()).spawn(serve).map(|_| ())
}

/// A proxy that knows no bounds: whatever it is sent, it answers with the nonce, as often as it was asked.
fn let_through(listener: TcpListener, nonce: String) -> io::Result<()> {
    let serve = move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &nonce);
        }
    };
    thread::Builder::new().name("control-proxy".to_owned()).spawn(serve).map(|_| ())
}

fn answer(mut stream: TcpStream, nonce: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let one = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{nonce}", nonce.len());
    stream.write_all(format!("{one}{one}").as_bytes())
}

/// A resolver that answers every question for an IPv4 address with the same one.
fn resolve() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 53))
        .or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53)))?;
    let serve = move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let answer = answered(question.get(..length).unwrap_or_default());
            let _ = socket.send_to(&answer, from);
        }
    };
    thread::Builder::new().name("control-dns".to_owned()).spawn(serve).map(|_| ())
}

/// The answer to a question (RFC 1035, 4.1): the question again, and where it asks for an IPv4 address, one.
fn answered(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    let asks_for_v4 = question.ends_with(&[0, 1, 0, 1]);
    let counts = [0x81, 0x80, 0, 1, 0, u8::from(asks_for_v4), 0, 0, 0, 0];
    if let Some(place) = answer.get_mut(2..12) {
        place.copy_from_slice(&counts);
    }
    // Additional records of the question would stand before ours.
    if asks_for_v4 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]);
    }
    answer
}
