//! Probes of sockets that need no network: unix sockets by name and by path, and families that are not for agents.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::FileTypeExt,
            net::{SocketAddr, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Outcome, World,
    answers::{Answers, name_of},
};

/// Entries that the walk looks at: a sandbox has some thousands outside of what it leaves out.
const ENTRIES: usize = 200_000;
/// Where no socket can be made by anybody: what is mounted there is the system's, read-only.
const LEFT_OUT: [&str; 8] = ["/proc", "/sys", "/usr", "/nix", "/lib", "/lib64", "/bin", "/sbin"];

pub(super) fn abstract_socket(world: &World) -> Outcome {
    let mut answers = Answers::new(world);
    let answer = SocketAddr::from_abstract_name(world.abstract_name.as_bytes())
        .and_then(|name| UnixStream::connect_addr(&name));
    answers.note(format!("@{}", world.abstract_name), answer.map(|_| ()).map_err(|error| name_of(&error)));
    answers.outcome()
}

pub(super) fn path_sockets(world: &World) -> Outcome {
    let mut answers = Answers::new(world);
    for path in &world.sockets {
        let answer = UnixStream::connect(path).map(|_| ()).map_err(|error| name_of(&error));
        answers.note(path, answer);
    }
    answers.outcome()
}

/// Looks at everything that can be seen, beside what comes from the system's own directories.
pub(super) fn any_socket(world: &World) -> Outcome {
    let mut answers = Answers::new(world);
    let (mut left, mut seen) = (vec![PathBuf::from("/")], 0_usize);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            seen = seen.saturating_add(1);
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_socket() {
                answers.note(path.display(), Ok(()));
            } else if kind.is_dir() && !LEFT_OUT.iter().any(|out| path == Path::new(out)) {
                left.push(path);
            }
        }
        if seen > ENTRIES {
            break;
        }
    }
    match answers.outcome() {
        // What was found counts, however much was not looked at.
        Outcome::Cannot(_) if seen > ENTRIES => {
            Outcome::Cannot(format!("none among the first {ENTRIES} files, and there are more"))
        }
        Outcome::Cannot(_) => Outcome::Blocked(format!("none among {seen} files")),
        outcome => outcome,
    }
}

pub(super) fn netlink(world: &World) -> Outcome {
    family(world, libc::AF_NETLINK, Type::from(libc::SOCK_RAW), 0)
}

pub(super) fn packet(world: &World) -> Outcome {
    family(world, libc::AF_PACKET, Type::from(libc::SOCK_RAW), 0)
}

pub(super) fn vsock(world: &World) -> Outcome {
    family(world, libc::AF_VSOCK, Type::STREAM, 0)
}

pub(super) fn alg(world: &World) -> Outcome {
    family(world, libc::AF_ALG, Type::from(libc::SOCK_SEQPACKET), 0)
}

fn family(world: &World, family: i32, kind: Type, protocol: i32) -> Outcome {
    let mut answers = Answers::new(world);
    let made = Socket::new(Domain::from(family), kind, Some(Protocol::from(protocol)));
    answers.note("socket", made.map(|_| ()).map_err(|error| name_of(&error)));
    answers.outcome()
}
