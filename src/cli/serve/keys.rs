//! The owner key of a launch: minted, or brought along by whoever starts us; and the key file, which is
//! written at the start and anew with each rotation.

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    os::{fd::AsFd, unix::process::parent_id},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    store::{FileError, Home, KeyFile, keyfile},
    sys::{
        clock::SystemClock,
        poll::{Entry, poll},
        random,
    },
    wire::{clock::Clock, date, secret::Secret},
};

/// Longest key that is taken, in bytes.
const LONGEST: usize = 1024;

/// Shortest key that is taken, in bytes.
pub const SHORTEST: usize = 16;

/// How long a descriptor may take to give the key.
const PATIENCE: Duration = Duration::from_secs(5);

/// A fresh UUIDv4 as a key.
pub fn mint() -> io::Result<Secret> {
    Ok(Secret::new(random::uuid()?.into_bytes()))
}

/// Why a text is not taken as a key; one sentence, without the text.
pub fn fault(key: &[u8]) -> Option<String> {
    if key.is_empty() {
        return Some("must not be empty".to_owned());
    }
    if key.len() < SHORTEST || key.len() > LONGEST {
        return Some(format!("must have {SHORTEST} to {LONGEST} characters"));
    }
    (!key.iter().all(u8::is_ascii_graphic)).then(|| "must be visible ASCII without spaces".to_owned())
}

/// Reads the key from `file` up to its end or the first newline.
pub fn read(mut file: File) -> io::Result<Secret> {
    let end = Instant::now() + PATIENCE;
    let mut bytes = Vec::with_capacity(LONGEST + 1);
    while bytes.len() <= LONGEST && !bytes.contains(&b'\n') {
        let left = end.saturating_duration_since(Instant::now());
        let ready = poll(&mut [Entry::new(file.as_fd(), true, false)], Some(left))?;
        if ready == 0 && left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut chunk = [0; 256];
        match if ready == 0 { continue } else { file.read(&mut chunk)? } {
            0 => break,
            n => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
        chunk.fill(0);
    }
    let length = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    bytes.truncate(length);
    Ok(Secret::new(bytes))
}

/// What the key file says beside the key.
#[derive(Clone)]
pub struct KeyFileWriter {
    /// where it is
    pub home: Arc<Home>,
    /// where clients reach the instance
    pub address: SocketAddr,
    /// of the listening socket
    pub inode: u64,
    /// the instance's id
    pub instance: String,
    /// a host started us
    pub from_host: bool,
}

impl KeyFileWriter {
    /// Writes it with this owner key, whole or not at all.
    pub fn write(&self, owner_key: &Secret) -> Result<(), FileError> {
        let file = KeyFile {
            auth_key: Secret::new(owner_key.expose().to_vec()),
            web_endpoint: self.address,
            ws_endpoint: self.address,
            ipc_endpoint: None,
            instance: self.instance.clone(),
            pid: std::process::id(),
            host_pid: self.from_host.then(parent_id),
            created_at: date::rfc3339(SystemClock.unix_ms() / 1000),
            listener_inode: Some(self.inode),
        };
        keyfile::write(&self.home, &file)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn from_pipe(text: &[u8]) -> io::Result<Secret> {
        let (reader, mut writer) = io::pipe()?;
        writer.write_all(text)?;
        drop(writer);
        read(std::os::fd::OwnedFd::from(reader).into())
    }

    #[test]
    fn a_key_is_read_up_to_a_newline_or_the_end() {
        for text in [&b"0123456789abcdef"[..], b"0123456789abcdef\n", b"0123456789abcdef\nmore"] {
            assert!(from_pipe(text).is_ok_and(|key| key.matches(b"0123456789abcdef")));
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_named_without_showing_it() {
        for bad in [&b""[..], b"short", b"0123456789 abcdef", b"0123456789\x07abcdef", &[b'x'; 1025]] {
            let fault = fault(bad);
            assert!(
                fault.is_some_and(|fault| bad.is_empty() || !fault.contains(&*String::from_utf8_lossy(bad)))
            );
        }
        assert_eq!(fault(&[b'x'; 1024]), None);
        assert!(from_pipe(&[b'x'; 4096]).is_ok_and(|key| fault(key.expose()).is_some()));
    }

    #[test]
    fn a_minted_key_is_a_fresh_uuid() {
        let (one, two) =
            (mint().map(|k| k.expose_str().to_owned()), mint().map(|k| k.expose_str().to_owned()));
        assert!(matches!((&one, &two), (Ok(a), Ok(b)) if a != b && a.len() == 36), "{one:?} {two:?}");
    }
}
