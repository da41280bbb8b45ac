//! What the shim is to do, as the instance tells it over their socket pair.
//!
//! It goes over the socket because arguments and environment of a process are for others to read. The reader
//! takes what the writer writes and nothing else: each byte is accounted for, each number bounded.

use std::io;

use crate::limits;

/// An order over this size is none of ours: the bounded request, the rest of an environment beside it.
pub(super) const LARGEST: usize = limits::COMMAND_BYTES + 512 * 1024;
/// Places that an order may name.
const PLACES: usize = 1024;

/// What its first byte has of these is set.
const TERMINAL: u8 = 1;
const LOCALHOST: u8 = 2;
const PORT: u8 = 4;

/// What runs in the sandbox, and what the shim is to make of itself before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The program, looked up in the PATH of `env`, and its arguments.
    pub command: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Where it starts.
    pub cwd: Vec<u8>,
    /// Its standard streams are a terminal, which becomes its controlling one.
    pub terminal: bool,
    /// The port of the one way out; `None` where the network is open.
    pub port: Option<u16>,
    /// It may connect to every port of its own loopback.
    pub localhost: bool,
    /// What must stand where, or nothing runs.
    pub places: Vec<Place>,
    /// What it may use.
    pub limits: Limits,
}

/// Something of the host's that was put into the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is inside; absolute, and no part of it is a link.
    pub path: Vec<u8>,
    /// The device that the instance saw it on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// The program may write there.
    pub writable: bool,
}

/// What one process of the program may use (rlimits). The number of processes is that of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of memory that a process alone writes to.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Seconds of a processor.
    pub cpu_seconds: Option<u64>,
    /// Bytes of a file that it writes.
    pub file_size: Option<u64>,
    /// Open descriptors.
    pub descriptors: u64,
}

impl Order {
    /// The order in bytes: its length, bits for what is set, and the fields in turn; texts and lists are
    /// counted, all numbers little-endian. An error where it is none that [`Order::decode`] would take.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let bits = [(self.terminal, TERMINAL), (self.localhost, LOCALHOST), (self.port.is_some(), PORT)];
        let mut body = vec![bits.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit)];
        body.extend(self.port.unwrap_or_default().to_le_bytes());
        put(&mut body, &self.cwd);
        for list in [&self.command, &self.env] {
            body.extend(count(list.len()));
            list.iter().for_each(|item| put(&mut body, item));
        }
        body.extend(count(self.places.len()));
        for place in &self.places {
            body.push(u8::from(place.writable));
            body.extend(place.device.to_le_bytes());
            body.extend(place.inode.to_le_bytes());
            put(&mut body, &place.path);
        }
        let Limits { memory, processes, cpu_seconds, file_size, descriptors } = self.limits;
        for limit in [memory, processes, cpu_seconds, file_size] {
            body.push(u8::from(limit.is_some()));
            body.extend(limit.unwrap_or_default().to_le_bytes());
        }
        body.extend(descriptors.to_le_bytes());
        if body.len() > LARGEST || !self.is_sound() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok([&count(body.len())[..], &body].concat())
    }

    /// The order in the bytes after its length.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut from = Reader(body);
        let bits = from.byte()?;
        let port = u16::from_le_bytes(*from.chunk()?);
        let cwd = from.text()?;
        let (command, env) = (from.list()?, from.list()?);
        let mut places = Vec::new();
        for _ in 0..from.count()? {
            places.push(Place {
                writable: from.flag()?,
                device: from.number()?,
                inode: from.number()?,
                path: from.text()?,
            });
        }
        let limits = Limits {
            memory: from.limit()?,
            processes: from.limit()?,
            cpu_seconds: from.limit()?,
            file_size: from.limit()?,
            descriptors: from.number()?,
        };
        let known = bits & !(TERMINAL | LOCALHOST | PORT) == 0;
        // A number that is not meant is 0: for each order there is one way to write it.
        let with_port = bits & PORT != 0;
        let order = Self {
            command,
            env,
            cwd,
            terminal: bits & TERMINAL != 0,
            port: with_port.then_some(port),
            localhost: bits & LOCALHOST != 0,
            places,
            limits,
        };
        (known && (with_port || port == 0) && from.0.is_empty() && order.is_sound()).then_some(order)
    }

    /// Whether all of it can be done as it stands.
    fn is_sound(&self) -> bool {
        let absolute = |path: &[u8]| path.starts_with(b"/") && !path.contains(&0);
        let variable = |line: &Vec<u8>| line.iter().position(|b| *b == b'=').is_some_and(|at| at > 0);
        !self.command.first().is_none_or(Vec::is_empty)
            && self.command.iter().chain(&self.env).all(|text| !text.contains(&0))
            && self.env.iter().all(variable)
            && absolute(&self.cwd)
            && self.port != Some(0)
            && self.places.len() <= PLACES
            && self.places.iter().all(|place| absolute(&place.path))
    }
}

fn count(number: usize) -> [u8; 4] {
    // A number that does not fit is not taken: the order is too long then.
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

fn put(into: &mut Vec<u8>, item: &[u8]) {
    into.extend(count(item.len()));
    into.extend_from_slice(item);
}

/// What of the body is not read yet. Nothing is set aside for a count before what it counts was seen.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| *byte)
    }

    fn flag(&mut self) -> Option<bool> {
        self.byte().filter(|byte| *byte <= 1).map(|byte| byte == 1)
    }

    fn number(&mut self) -> Option<u64> {
        self.chunk().map(|chunk| u64::from_le_bytes(*chunk))
    }

    fn count(&mut self) -> Option<usize> {
        self.chunk().and_then(|chunk| usize::try_from(u32::from_le_bytes(*chunk)).ok())
    }

    fn limit(&mut self) -> Option<Option<u64>> {
        match (self.flag()?, self.number()?) {
            (true, limit) => Some(Some(limit)),
            (false, 0) => Some(None),
            (false, _) => None,
        }
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = self.count()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text.to_vec())
    }

    fn list(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut list = Vec::new();
        for _ in 0..self.count()? {
            list.push(self.text()?);
        }
        Some(list)
    }
}

/// The fuzz entry: any bytes are no order, or one that is written as exactly these bytes.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    if let Some(order) = Order::decode(data) {
        #[allow(clippy::expect_used, reason = "the property itself")]
        let bytes = order.encode().expect("what was read can be written");
        assert_eq!(bytes.get(4..), Some(data));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn order() -> Order {
        Order {
            command: vec![b"sh".to_vec(), b"-c".to_vec(), Vec::new()],
            env: vec![b"A=\xff=".to_vec(), b"B=".to_vec()],
            cwd: b"/workspace".to_vec(),
            terminal: true,
            port: Some(4141),
            localhost: true,
            places: vec![
                Place { path: b"/workspace".to_vec(), device: 1, inode: u64::MAX, writable: true },
                Place { path: b"/run/in".to_vec(), device: 0, inode: 2, writable: false },
            ],
            limits: Limits { memory: Some(1), cpu_seconds: Some(0), descriptors: 64, ..Limits::default() },
        }
    }

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let bare = Order { terminal: false, port: None, localhost: false, places: Vec::new(), ..order() };
        for order in [order(), bare] {
            let bytes = order.encode().unwrap();
            assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).unwrap().to_le_bytes());
            assert_eq!(Order::decode(&bytes[4..]), Some(order));
        }
    }

    #[test]
    fn a_cut_or_padded_order_is_refused_and_a_changed_one_is_another_one() {
        let bytes = order().encode().unwrap();
        let body = &bytes[4..];
        for cut in 0..body.len() {
            assert_eq!(Order::decode(&body[..cut]), None, "{cut}");
        }
        assert_eq!(Order::decode(&[body, b"x"].concat()), None);
        for at in 0..body.len() {
            for change in [1, 0x80, 0xff] {
                let mut other = body.to_vec();
                other[at] ^= change;
                assert_ne!(Order::decode(&other), Some(order()), "{at}");
                fuzz(&other);
            }
        }
    }

    #[test]
    fn what_cannot_be_done_as_it_stands_is_no_order() {
        type Change = fn(&mut Order);
        let changes: [Change; 11] = [
            |order| order.command.clear(),
            |order| order.command[0].clear(),
            |order| order.command[1].push(0),
            |order| order.env.push(b"none".to_vec()),
            |order| order.env.push(b"=a".to_vec()),
            |order| order.env[0].push(0),
            |order| order.cwd = b"here".to_vec(),
            |order| order.cwd = b"/\0".to_vec(),
            |order| order.port = Some(0),
            |order| order.places[0].path = b"there".to_vec(),
            |order| order.command.push(vec![b'x'; LARGEST]),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut order = order();
            change(&mut order);
            assert_eq!(order.encode().map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput), "{at}");
        }
        let many = Order { places: vec![order().places[0].clone(); PLACES + 1], ..order() };
        assert!(many.encode().is_err());
    }
}
