//! What the instance and a keeper say to each other over their socket pair.
//!
//! The instance sends one order, and then nothing: the end of its side means "end the tree",
//! whether it says so or has died. The keeper sends reports. The order goes over the socket
//! because arguments and environment of a process are for others to read, and it holds the
//! agent's token.

use std::{
    ffi::CString,
    io::{self, Read},
};

use super::types::Exit;
use crate::{
    limits,
    sys::stage::{Staged, User},
};

/// An order over this size is none of ours: the bounded request, our own environment beside it.
const LARGEST: usize = limits::COMMAND_BYTES + 512 * 1024;

/// What an order is, in its first byte.
const PIPES: u8 = 1;
const CAGED: u8 = 2;
const OTHER_USER: u8 = 4;

/// What a keeper is to start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Its standard streams are three pipes and no terminal.
    pub pipes: bool,
    /// It is started without a controlling terminal, and inherits what its keeper was given for it.
    pub caged: bool,
    /// Whom it is started as, and what is shown to that user.
    pub user: Option<(User, Vec<Staged>)>,
    /// The command's soft limit of descriptors.
    pub descriptors: u64,
    /// Where it starts.
    pub cwd: Vec<u8>,
    /// The program and its arguments.
    pub command: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub env: Vec<Vec<u8>>,
}

impl Order {
    /// The order in bytes: its length, one of [`PIPES`], [`CAGED`] and [`OTHER_USER`] each, the limit, and
    /// counted strings; all numbers u32 or u64 in little-endian.
    pub fn encode(&self) -> Vec<u8> {
        let bits = [(self.pipes, PIPES), (self.caged, CAGED), (self.user.is_some(), OTHER_USER)];
        let mut body = vec![bits.iter().filter(|(set, _)| *set).fold(0, |kind, (_, bit)| kind | bit)];
        body.extend(self.descriptors.to_le_bytes());
        put(&mut body, &self.cwd);
        if let Some((user, places)) = &self.user {
            for number in [user.uid, user.gid, places.len() as u32] {
                body.extend(number.to_le_bytes());
            }
            for place in places {
                body.push(u8::from(place.directory));
                put(&mut body, place.source.to_bytes());
            }
        }
        for list in [&self.command, &self.env] {
            body.extend((list.len() as u32).to_le_bytes());
            list.iter().for_each(|item| put(&mut body, item));
        }
        let mut all = (body.len() as u32).to_le_bytes().to_vec();
        all.append(&mut body);
        all
    }

    /// Reads one order.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LARGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Self::decode(&body).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn decode(mut body: &[u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        let (descriptors, rest) = rest.split_first_chunk()?;
        body = rest;
        let cwd = take(&mut body)?;
        let user = if kind & OTHER_USER == 0 { None } else { Some(take_user(&mut body)?) };
        let mut lists = [Vec::new(), Vec::new()];
        for list in &mut lists {
            for _ in 0..number(&mut body)? {
                list.push(take(&mut body)?);
            }
        }
        let [command, env] = lists;
        let whole = body.is_empty() && !command.is_empty() && kind <= PIPES | CAGED | OTHER_USER;
        whole.then_some(Self {
            pipes: kind & PIPES != 0,
            caged: kind & CAGED != 0,
            user,
            descriptors: u64::from_le_bytes(*descriptors),
            cwd,
            command,
            env,
        })
    }
}

fn take_user(from: &mut &[u8]) -> Option<(User, Vec<Staged>)> {
    let mut small = || Some(u32::try_from(number(from)?).unwrap_or(u32::MAX));
    let (user, count) = (User { uid: small()?, gid: small()? }, small()?);
    let mut places = Vec::new();
    for _ in 0..count {
        let (&kind, rest) = from.split_first()?;
        *from = rest;
        places.push(Staged { source: CString::new(take(from)?).ok()?, directory: kind == 1 });
    }
    Some((user, places))
}

fn put(into: &mut Vec<u8>, item: &[u8]) {
    into.extend((item.len() as u32).to_le_bytes());
    into.extend_from_slice(item);
}

fn number(from: &mut &[u8]) -> Option<usize> {
    let (number, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u32::from_le_bytes(*number) as usize)
}

fn take(from: &mut &[u8]) -> Option<Vec<u8>> {
    let length = number(from)?;
    let (item, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(item.to_vec())
}

/// What a keeper has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// The command runs as this process.
    Started(u32),
    /// The directory cannot be entered.
    NoDirectory(i32),
    /// The command cannot be run, with this error of the system.
    NotStarted(i32),
    /// The command has ended.
    Ended(Exit),
}

impl Report {
    /// Bytes of a report: a letter and a number.
    pub const SIZE: usize = 5;

    /// The report in bytes.
    pub fn encode(self) -> [u8; Self::SIZE] {
        let (kind, number) = match self {
            Self::Started(pid) => (b's', pid),
            Self::NoDirectory(errno) => (b'd', errno.cast_unsigned()),
            Self::NotStarted(errno) => (b'n', errno.cast_unsigned()),
            Self::Ended(Exit::Code(code)) => (b'c', code.cast_unsigned()),
            Self::Ended(Exit::Signal(signal)) => (b'k', signal.cast_unsigned()),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [kind, a, b, c, d]
    }

    /// Reads a report.
    pub fn decode([kind, number @ ..]: [u8; Self::SIZE]) -> Option<Self> {
        let signed = i32::from_le_bytes(number);
        match kind {
            b's' => Some(Self::Started(u32::from_le_bytes(number))),
            b'd' => Some(Self::NoDirectory(signed)),
            b'n' => Some(Self::NotStarted(signed)),
            b'c' => Some(Self::Ended(Exit::Code(signed))),
            b'k' => Some(Self::Ended(Exit::Signal(signed))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            pipes: true,
            caged: true,
            user: Some((
                User { uid: 65534, gid: 65533 },
                vec![
                    Staged { source: c"/home/x y".into(), directory: true },
                    Staged { source: c"/etc/hosts".into(), directory: false },
                ],
            )),
            descriptors: 1024,
            cwd: b"/tmp".to_vec(),
            command: vec![b"sh".to_vec(), b"-c".to_vec(), Vec::new()],
            env: vec![b"A=\xff".to_vec()],
        }
    }

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let bytes = order().encode();
        assert_eq!(Order::read(&mut &bytes[..]).unwrap(), order());
        let terminal = || Order { pipes: false, caged: false, user: None, ..order() };
        assert_eq!(Order::read(&mut &terminal().encode()[..]).unwrap(), terminal());
    }

    #[test]
    fn a_cut_or_padded_order_is_refused() {
        let bytes = order().encode();
        for cut in 0..bytes.len() {
            assert!(Order::read(&mut &bytes[..cut]).is_err());
            assert!(Order::decode(&bytes[4..cut.max(4)]).is_none());
        }
        assert!(Order::decode(&[&bytes[4..], b"x"].concat()).is_none());
        assert!(Order::read(&mut &[0xff; 64][..]).is_err());
    }

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        for report in [
            Report::Started(70_000),
            Report::NoDirectory(2),
            Report::NotStarted(13),
            Report::Ended(Exit::Code(255)),
            Report::Ended(Exit::Signal(9)),
        ] {
            assert_eq!(Report::decode(report.encode()), Some(report));
        }
        assert_eq!(Report::decode([0; 5]), None);
    }
}
