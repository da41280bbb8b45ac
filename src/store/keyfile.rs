//! The key file: how client verbs find a running instance, and its owner key (design section 7).
//!
//! Whoever reads it sends the key to the address in it, so a file is taken only if it is private
//! ([`super::private`]), says one thing only (no field twice, no address but a literal with its
//! port), and the kernel confirms it: the process lives, and the listener at the address
//! is the very socket that the instance wrote down, owned by this user. The socket's inode is in
//! the file because the instance is not dumpable: its `/proc/<pid>/fd` is closed to its own user.

use std::{fmt, net::SocketAddr};

use serde_json::{Map, Value, json};

use crate::{
    store::{
        Home,
        private::{self, FileError},
    },
    sys::{
        diag,
        proc::{self, Holds},
        process, socket,
    },
    wire::secret::Secret,
};

/// The file's name in the home.
pub const FILE: &str = "authkey";

/// The layout that this program reads and writes.
const VERSION: u64 = 1;

/// What the file says.
pub struct KeyFile {
    /// the owner key: 1 to 4096 visible ASCII characters
    pub auth_key: Secret,
    /// an address of this machine with a port that is not 0; one that is not loopback comes with the
    /// listener's inode
    pub web_endpoint: SocketAddr,
    /// the same rule; the same address today
    pub ws_endpoint: SocketAddr,
    /// the host's IPC bridge, where there is one
    pub ipc_endpoint: Option<SocketAddr>,
    /// the instance id
    pub instance: String,
    /// the instance's process, 1 or more
    pub pid: u32,
    /// the host's process, where a host started the instance
    pub host_pid: Option<u32>,
    /// [`crate::wire::date::rfc3339`]
    pub created_at: String,
    /// the inode of the listening socket; without it the descriptors of `pid` are looked through
    pub listener_inode: Option<u64>,
}

/// Why the key file leads nowhere.
#[derive(Debug)]
pub enum KeyFileError {
    /// there is no file: no instance runs here, or it has ended
    Missing,
    /// the file cannot be trusted or read
    File(FileError),
    /// the file does not say what a key file says: this field
    Malformed(&'static str),
    /// the process has ended and left the file
    Dead(u32),
    /// the process is another user's
    ForeignProcess(u32),
    /// nobody listens at the address
    NoListener(SocketAddr),
    /// something else listens at the address
    ForeignListener(SocketAddr),
    /// the kernel does not tell whose the listener is
    Unknown(SocketAddr),
}

impl KeyFileError {
    /// Whether this only means that no instance runs, and not that something is wrong.
    pub fn is_not_running(&self) -> bool {
        match self {
            Self::Missing | Self::Dead(_) | Self::NoListener(_) => true,
            Self::File(_)
            | Self::Malformed(_)
            | Self::ForeignProcess(_)
            | Self::ForeignListener(_)
            | Self::Unknown(_) => false,
        }
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no key file"),
            Self::File(error) => write!(f, "the key file is not used: {error}"),
            Self::Malformed(field) => write!(f, "the key file is not used: its `{field}` is not valid"),
            Self::Dead(pid) => write!(f, "the key file names process {pid}, which has ended"),
            Self::ForeignProcess(pid) => {
                write!(f, "the key file names process {pid}, which is another user's")
            }
            Self::NoListener(at) => write!(f, "nobody listens at {at}, which the key file names"),
            Self::ForeignListener(at) => {
                write!(f, "what listens at {at} is not the instance of the key file")
            }
            Self::Unknown(at) => {
                write!(f, "the kernel does not tell whether what listens at {at} is the instance")
            }
        }
    }
}

impl std::error::Error for KeyFileError {}

impl KeyFile {
    /// Reads a file's bytes. Unknown fields are passed over, so that a later version may add some.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let malformed = KeyFileError::Malformed;
        let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else {
            return Err(malformed("JSON"));
        };
        // The reader above keeps the last of two equal names; another program keeps the first.
        let flat = fields.values().all(|value| !value.is_array() && !value.is_object());
        if !flat || members(bytes) != fields.len() {
            return Err(malformed("JSON"));
        }
        if fields.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(malformed("version"));
        }
        let key = text(&fields, "auth_key", 4096)?;
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("auth_key"));
        }
        let ipc_endpoint = match fields.get("ipc_endpoint") {
            None | Some(Value::Null) => None,
            Some(_) => Some(endpoint(&fields, "ipc_endpoint")?),
        };
        let instance = text(&fields, "instance", 128)?;
        if !instance.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("instance"));
        }
        let listener_inode = match fields.get("listener_inode") {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_u64().filter(|n| *n != 0).ok_or(malformed("listener_inode"))?),
        };
        let web_endpoint = endpoint(&fields, "web_endpoint")?;
        if !web_endpoint.ip().is_loopback() && listener_inode.is_none() {
            return Err(malformed("listener_inode"));
        }
        Ok(Self {
            auth_key: Secret::new(key.as_bytes().to_vec()),
            web_endpoint,
            ws_endpoint: endpoint(&fields, "ws_endpoint")?,
            ipc_endpoint,
            instance: instance.to_owned(),
            pid: pid(&fields, "pid")?.ok_or(malformed("pid"))?,
            host_pid: pid(&fields, "host_pid")?,
            created_at: text(&fields, "created_at", 64)?.to_owned(),
            listener_inode,
        })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let value = json!({
            "version": VERSION,
            "auth_key": self.auth_key.expose_str(),
            "web_endpoint": self.web_endpoint.to_string(),
            "ws_endpoint": self.ws_endpoint.to_string(),
            "ipc_endpoint": self.ipc_endpoint.map(|at| at.to_string()),
            "instance": self.instance,
            "pid": self.pid,
            "host_pid": self.host_pid,
            "created_at": self.created_at,
            "listener_inode": self.listener_inode,
        });
        format!("{value:#}\n").into_bytes()
    }

    /// Asks the kernel whether the file still tells the truth; see the module's comment.
    pub fn verify(&self) -> Result<(), KeyFileError> {
        process_is_ours(self.pid)?;
        self.verify_listener()
    }

    /// The part of [`Self::verify`] that a client repeats on every connection, once it stands and
    /// before the key goes out.
    pub fn verify_listener(&self) -> Result<(), KeyFileError> {
        listener_is(self.web_endpoint, self.pid, self.listener_inode).map(|_| ())
    }
}

/// Whether a process lives and acts as this user.
pub fn process_is_ours(pid: u32) -> Result<(), KeyFileError> {
    match owner_of(pid) {
        None => Err(KeyFileError::Dead(pid)),
        Some(uid) if uid != process::uid() => Err(KeyFileError::ForeignProcess(pid)),
        Some(_) => Ok(()),
    }
}

/// Whether the socket that listens at `at` is the one of inode `inode`, or held by `pid`, and ours; its
/// inode.
pub fn listener_is(at: SocketAddr, pid: u32, inode: Option<u64>) -> Result<u64, KeyFileError> {
    let found = our_listener(at)?;
    let same = match inode {
        Some(inode) => inode == u64::from(found),
        None => match proc::holds(pid, found) {
            Holds::Yes => true,
            Holds::No | Holds::Gone => false,
            Holds::Unreadable => return Err(KeyFileError::Unknown(at)),
        },
    };
    if same { Ok(u64::from(found)) } else { Err(KeyFileError::ForeignListener(at)) }
}

/// Whether the socket that listens at `at` is one of this user's.
pub fn listener_is_ours(at: SocketAddr) -> Result<(), KeyFileError> {
    our_listener(at).map(|_| ())
}

/// The inode of the listener at `at`, if it is this user's.
fn our_listener(at: SocketAddr) -> Result<u32, KeyFileError> {
    // A listener on all addresses is found under any, another machine's too.
    if !at.ip().is_loopback() && !socket::is_local(at.ip()).map_err(|_| KeyFileError::Unknown(at))? {
        return Err(KeyFileError::NoListener(at));
    }
    match diag::tcp_listener(at) {
        Ok(Some(found)) if found.uid == process::uid() && found.inode != 0 => Ok(found.inode),
        // Nobody has it in hand any more: its process is ending.
        Ok(Some(found)) if found.inode == 0 => Err(KeyFileError::NoListener(at)),
        Ok(Some(_)) => Err(KeyFileError::ForeignListener(at)),
        Ok(None) => Err(KeyFileError::NoListener(at)),
        Err(_) => Err(KeyFileError::Unknown(at)),
    }
}

/// Writes the key file.
pub fn write(home: &Home, file: &KeyFile) -> Result<(), FileError> {
    private::write_atomic(home, FILE, &file.to_bytes())
}

/// Reads the key file and checks all that can be checked; what comes back may be trusted with its
/// own key.
pub fn read(home: &Home) -> Result<KeyFile, KeyFileError> {
    let bytes = match private::read(home, FILE) {
        Ok(bytes) => Secret::new(bytes),
        Err(FileError::Missing) => return Err(KeyFileError::Missing),
        Err(error) => return Err(KeyFileError::File(error)),
    };
    let file = KeyFile::parse(bytes.expose())?;
    file.verify()?;
    Ok(file)
}

/// Removes the key file at an instance's end, if it still is the one of `instance`.
pub fn remove(home: &Home, instance: &str) -> Result<(), FileError> {
    match private::read(home, FILE).map(|bytes| KeyFile::parse(&bytes)) {
        Ok(Ok(file)) if file.instance != instance => Ok(()),
        Ok(_) => private::remove(home, FILE),
        Err(FileError::Missing) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The number of members of a flat JSON object, equal names counted each: its colons outside of
/// texts.
fn members(json: &[u8]) -> usize {
    let (mut in_text, mut escaped, mut colons) = (false, false, 0_usize);
    for byte in json {
        match (in_text, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_text = !in_text,
            (false, _, b':') => colons = colons.saturating_add(1),
            _ => {}
        }
    }
    colons
}

fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &'static str,
    longest: usize,
) -> Result<&'a str, KeyFileError> {
    fields
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| (1..=longest).contains(&text.len()))
        .ok_or(KeyFileError::Malformed(name))
}

/// One field's address, by the rule of [`is_endpoint`] and written the one way that std writes it.
fn endpoint(fields: &Map<String, Value>, name: &'static str) -> Result<SocketAddr, KeyFileError> {
    let text = text(fields, name, 64)?;
    text.parse::<SocketAddr>()
        .ok()
        .filter(|at| is_endpoint(*at) && at.to_string() == text)
        .ok_or(KeyFileError::Malformed(name))
}

/// Whether an instance can be reached there: one host's address and a port, no scope, no IPv4 in
/// IPv6's clothes. That it is this machine's own the kernel must confirm.
pub fn is_endpoint(at: SocketAddr) -> bool {
    let host = match at {
        SocketAddr::V4(at) => !at.ip().is_unspecified() && !at.ip().is_multicast() && !at.ip().is_broadcast(),
        SocketAddr::V6(at) => {
            let ip = at.ip();
            let mapped = ip.to_ipv4_mapped().is_some();
            !ip.is_unspecified() && !ip.is_multicast() && !mapped && at.scope_id() == 0 && at.flowinfo() == 0
        }
    };
    host && at.port() != 0
}

fn pid(fields: &Map<String, Value>, name: &'static str) -> Result<Option<u32>, KeyFileError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n != 0 && i32::try_from(*n).is_ok())
            .map(Some)
            .ok_or(KeyFileError::Malformed(name)),
    }
}

/// The user that a process acts as; `None` when there is no such process.
fn owner_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// What is accepted reads the same again after it was written, its addresses are literals of one
/// host with a port, loopback unless a listener's inode stands beside it, and it holds every field
/// once.
#[cfg(any(fuzzing, test))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(file) = KeyFile::parse(bytes) else { return };
    for at in [Some(file.web_endpoint), Some(file.ws_endpoint), file.ipc_endpoint].into_iter().flatten() {
        assert!(!at.ip().is_unspecified() && !at.ip().is_multicast() && at.port() != 0);
    }
    assert!(file.web_endpoint.ip().is_loopback() || file.listener_inode.is_some());
    let written = file.to_bytes();
    let Ok(again) = KeyFile::parse(&written) else { panic!("its own writing is refused") };
    assert_eq!(written, again.to_bytes());
    assert!(again.auth_key.matches(file.auth_key.expose()));
    let (Ok(first), Ok(second)) =
        (serde_json::from_slice::<Value>(bytes), serde_json::from_slice::<Value>(&written))
    else {
        panic!("what was parsed is JSON")
    };
    for (name, value) in second.as_object().into_iter().flatten() {
        let was = first.get(name).unwrap_or(&Value::Null);
        assert_eq!(was, value, "{name}");
    }
}

#[cfg(test)]
#[path = "keyfile/tests.rs"]
mod tests;
