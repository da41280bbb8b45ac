//! What stands in one file of the registry (spec agentmux I.1), and our own fields beside it.
//!
//! Bytes in, an entry or what is wrong out: nothing is guessed, no field stands twice, and an address is
//! parsed and never compared by its beginning. Fields that are not known are passed over, so that a later
//! version may add some; an entry whose `loopgate` is another number than ours is read as one of AgentMux.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};

use super::trouble::Wrong;
use crate::{
    limits,
    wire::{
        address::HomeId,
        id::AgentId,
        json::{self, Fields},
        secret::Secret,
    },
};

/// The layout of our own fields.
const VERSION: u64 = 1;
/// Longest key, as in the key file.
const KEY: usize = 4096;
/// Longest instance id.
const INSTANCE: usize = 128;
/// Largest process number of Linux, and of whoever reads it as a signed one.
const PID_MOST: u64 = i32::MAX as u64;

/// One agent of one instance.
pub(super) struct Entry {
    /// the agent
    pub agent: AgentId,
    /// loopback, its port not 0
    pub at: SocketAddr,
    /// at most [`limits::REGISTRATION_TEXT`] bytes
    pub block_id: String,
    /// 1 to 2^31-1
    pub pid: u32,
    /// unix ms
    pub updated_at: u64,
    /// visible ASCII, at most 4096 bytes; `None` where the entry holds none
    pub key: Option<Secret>,
    /// at most [`limits::REGISTRATION_TEXT`] bytes, and empty where the entry holds none
    pub channel: String,
    /// 0 where the entry holds none
    pub nonce: u64,
    /// where the instance is one of this program
    pub own: Option<Own>,
}

/// What only an entry of this program says.
pub(super) struct Own {
    /// visible ASCII, 1 to 128 bytes
    pub instance: String,
    /// its home's id
    pub home: HomeId,
    /// of its listening socket, not 0
    pub listener_inode: u64,
}

impl Entry {
    /// Reads a file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let value = json::parse(bytes).map_err(|_| Wrong::Malformed("JSON"))?;
        let entry = Self::read(&value)?;
        wipe(value);
        Ok(entry)
    }

    fn read(value: &Value) -> Result<Self, Wrong> {
        let malformed = |error: json::Error| Wrong::Malformed(error.field().unwrap_or("JSON"));
        let fields = Fields::of(value).map_err(malformed)?;
        let agent = AgentId::parse(fields.text("agent_id").map_err(malformed)?);
        let short = |field: &'static str, text: Option<&str>| match text.unwrap_or_default() {
            text if text.len() <= limits::REGISTRATION_TEXT => Ok(text.to_owned()),
            _ => Err(Wrong::Malformed(field)),
        };
        let any = 0..=u64::MAX;
        let pid = fields.whole("pid", 1..=PID_MOST).map_err(malformed)?;
        let key = fields.optional_text("auth_key").map_err(malformed)?.unwrap_or_default();
        if key.len() > KEY || !visible(key) {
            return Err(Wrong::Malformed("auth_key"));
        }
        let local_url = fields.text("local_url").map_err(malformed)?;
        Ok(Self {
            agent: agent.map_err(|_| Wrong::Malformed("agent_id"))?,
            block_id: short("block_id", Some(fields.text("block_id").map_err(malformed)?))?,
            pid: u32::try_from(pid).map_err(|_| Wrong::Malformed("pid"))?,
            updated_at: fields.whole("updated_at", any.clone()).map_err(malformed)?,
            key: (!key.is_empty()).then(|| Secret::new(key.as_bytes().to_vec())),
            channel: short("channel", fields.optional_text("channel").map_err(malformed)?)?,
            nonce: fields.optional_whole("registration_nonce", any).map_err(malformed)?.unwrap_or_default(),
            own: own(value, fields).map_err(malformed)?,
            // The last one to fail: an entry that leads elsewhere is not a broken one.
            at: address(local_url).ok_or(Wrong::Address)?,
        })
    }

    /// The file's bytes. They hold the key.
    pub fn to_bytes(&self) -> Secret {
        let mut value = json!({
            "agent_id": self.agent.as_str(),
            "local_url": format!("http://{}", self.at),
            "block_id": self.block_id,
            "pid": self.pid,
            "updated_at": self.updated_at,
            "auth_key": self.key.as_ref().map_or("", Secret::expose_str),
            "channel": self.channel,
            "registration_nonce": self.nonce,
        });
        if let (Some(own), Some(map)) = (&self.own, value.as_object_mut()) {
            map.insert("loopgate".to_owned(), json!(VERSION));
            map.insert("instance".to_owned(), json!(own.instance));
            map.insert("home".to_owned(), json!(own.home.as_str()));
            map.insert("listener_inode".to_owned(), json!(own.listener_inode));
        }
        let bytes = Secret::new(format!("{value}\n").into_bytes());
        wipe(value);
        bytes
    }
}

fn own(value: &Value, fields: Fields<'_>) -> Result<Option<Own>, json::Error> {
    if value.get("loopgate").and_then(Value::as_u64) != Some(VERSION) {
        return Ok(None);
    }
    let instance = fields.text("instance")?;
    if !(1..=INSTANCE).contains(&instance.len()) || !visible(instance) {
        return Err(json::Error::wrong("instance", "an instance's id"));
    }
    let home = HomeId::parse(fields.text("home")?).map_err(|_| json::Error::wrong("home", "a home's id"))?;
    let listener_inode = fields.whole("listener_inode", 1..=u64::MAX)?;
    Ok(Some(Own { instance: instance.to_owned(), home, listener_inode }))
}

fn visible(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

/// The address in a `local_url`: `http://`, a loopback literal or `localhost`, `:port`, and nothing behind
/// it but a slash. `localhost` is 127.0.0.1 here and never looked up.
pub(super) fn address(url: &str) -> Option<SocketAddr> {
    let rest = url.strip_prefix("http://")?;
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':')?;
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    if !digits || port.starts_with('0') {
        return None;
    }
    let port: u16 = port.parse().ok()?;
    match host {
        "localhost" => Some((Ipv4Addr::LOCALHOST, port).into()),
        "[::1]" => Some((Ipv6Addr::LOCALHOST, port).into()),
        _ => {
            // One way of writing a number only: no octal, no short form.
            let ip: Ipv4Addr = host.parse().ok().filter(|ip: &Ipv4Addr| ip.to_string() == host)?;
            ip.is_loopback().then(|| (ip, port).into())
        }
    }
}

/// Overwrites the key in what was parsed, as far as safe code can.
fn wipe(mut value: Value) {
    if let Some(Value::String(key)) = value.get_mut("auth_key").map(Value::take) {
        drop(Secret::new(key.into_bytes()));
    }
}

/// What is accepted reads the same again after it was written, its address is loopback with a port, and
/// every field of it stands in the bytes once and says what the entry says.
#[cfg(any(fuzzing, test))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(entry) = Entry::parse(bytes) else { return };
    assert!(entry.at.ip().is_loopback() && entry.at.port() != 0 && entry.pid != 0);
    assert!(entry.key.as_ref().is_none_or(|key| !key.expose().is_empty()));
    let written = entry.to_bytes();
    let Ok(again) = Entry::parse(written.expose()) else { panic!("its own writing is refused") };
    assert_eq!(written.expose(), again.to_bytes().expose());
    assert_eq!((entry.at, entry.pid, entry.nonce), (again.at, again.pid, again.nonce));
    let (Ok(first), Ok(second)) =
        (serde_json::from_slice::<Value>(bytes), serde_json::from_slice::<Value>(written.expose()))
    else {
        panic!("what was parsed is JSON")
    };
    // A reader that keeps the last of two fields of one name sees the same.
    for (name, value) in second.as_object().into_iter().flatten() {
        let default = if value.is_string() { json!("") } else { json!(0) };
        let was = first.get(name).filter(|was| !was.is_null()).unwrap_or(&default);
        match name.as_str() {
            "local_url" => assert_eq!(was.as_str().and_then(address), Some(entry.at)),
            _ => assert_eq!(was, value, "{name}"),
        }
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
