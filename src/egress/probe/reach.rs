//! Probes of what can be reached by address or by name.

use std::{
    io::Read,
    mem::MaybeUninit,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket},
    os::unix::fs::MetadataExt,
    sync::mpsc,
    thread,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Arm, Outcome, World,
    answers::{Answers, name_of},
    world::{METADATA, SOMEWHERE_4, SOMEWHERE_6},
};

/// How long one attempt waits for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A name that no resolver can know (RFC 2606).
pub(super) const NAME: &str = "isolation.test";
/// Where the answers of a resolver would be asked for.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

pub(super) fn tcp4(world: &World) -> Outcome {
    guarded(world, |answers| connect(answers, world, SocketAddr::new(SOMEWHERE_4, 443)))
}

pub(super) fn tcp6(world: &World) -> Outcome {
    guarded(world, |answers| connect(answers, world, SocketAddr::new(SOMEWHERE_6, 443)))
}

pub(super) fn metadata(world: &World) -> Outcome {
    guarded(world, |answers| {
        METADATA.iter().for_each(|address| connect(answers, world, SocketAddr::new(*address, 80)));
    })
}

/// Loopback in all its spellings, and the machine's own addresses.
pub(super) fn own_ports(world: &World) -> Outcome {
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    ];
    let mut answers = Answers::new(world);
    for port in &world.ports {
        for address in loopback.iter().chain(&world.addresses) {
            connect(&mut answers, world, SocketAddr::new(*address, *port));
        }
    }
    answers.outcome()
}

pub(super) fn udp53(world: &World) -> Outcome {
    guarded(world, |answers| {
        let ask = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.connect((RESOLVER, 53))?;
            socket.send(&question())?;
            socket.recv(&mut [0; 512])
        };
        answers.note(format!("{RESOLVER}:53"), ask().map(|_| ()).map_err(|error| name_of(&error)));
    })
}

pub(super) fn icmp(world: &World) -> Outcome {
    guarded(world, |answers| {
        for kind in [Type::from(libc::SOCK_RAW), Type::DGRAM] {
            let name = if kind == Type::DGRAM { "a ping socket" } else { "a raw socket" };
            // Who may make a ping socket is a range of groups, and in a new namespace an empty one.
            if world.arm == Arm::Control && kind == Type::DGRAM {
                continue;
            }
            answers.note(name, echo(kind).map_err(|error| name_of(&error)));
        }
    })
}

/// Asks the resolver of the system, as any program would.
pub(super) fn dns(world: &World) -> Outcome {
    guarded(world, |answers| {
        let (tell, told) = mpsc::channel();
        let look = move || {
            let _ = tell.send((NAME, 80).to_socket_addrs().map(Iterator::count));
        };
        // It ends with the process at the latest: a resolver may take longer than this probe waits.
        let answer = match thread::Builder::new().name("probe-dns".to_owned()).spawn(look) {
            Ok(_) => told.recv_timeout(PATIENCE.saturating_mul(3)),
            Err(_) => Err(mpsc::RecvTimeoutError::Disconnected),
        };
        answers.note(
            NAME,
            match answer {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(_)) => Err("no answer".to_owned()),
                Err(_) => Err("no answer in time".to_owned()),
            },
        );
    })
}

/// Makes attempts that would leave the machine only where they cannot: in another network than the host's.
fn guarded<'a>(world: &'a World, attempt: impl FnOnce(&mut Answers<'a>)) -> Outcome {
    match std::fs::metadata("/proc/self/ns/net") {
        Ok(network) if network.ino() == world.host_network => {
            Outcome::Reached("it shares the host's network; nothing was sent".to_owned())
        }
        Ok(_) => {
            let mut answers = Answers::new(world);
            attempt(&mut answers);
            answers.outcome()
        }
        Err(error) => Outcome::Cannot(format!("its network namespace cannot be told: {}", name_of(&error))),
    }
}

fn connect(answers: &mut Answers<'_>, world: &World, to: SocketAddr) {
    let answer = match TcpStream::connect_timeout(&to, PATIENCE) {
        Ok(stream) => greeted(stream, world),
        Err(error) => Err(name_of(&error)),
    };
    answers.note(to, answer);
}

/// A connection counts in the sandbox whatever is at its end, and in the control arm only if that is ours.
fn greeted(mut stream: TcpStream, world: &World) -> Result<(), String> {
    match world.arm {
        Arm::Sandbox => Ok(()),
        Arm::Control => {
            let mut greeting = vec![0; world.nonce.len()];
            let read =
                stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.read_exact(&mut greeting));
            match read {
                Ok(()) if greeting == world.nonce.as_bytes() => Ok(()),
                Ok(()) => Err("another listener".to_owned()),
                Err(error) => Err(name_of(&error)),
            }
        }
    }
}

/// One question for an address (RFC 1035, 4.1).
fn question() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in NAME.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// An echo request (RFC 792) and its answer.
fn echo(kind: Type) -> std::io::Result<()> {
    let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Type 8, code 0, checksum, identifier and sequence 0: the sum of its only word that is not zero, inverted.
    let request = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    socket.send_to(&request, &SocketAddr::new(SOMEWHERE_4, 0).into())?;
    socket.recv(&mut [MaybeUninit::uninit(); 128])?;
    Ok(())
}
