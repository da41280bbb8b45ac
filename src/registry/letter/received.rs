//! A letter as it is read where it arrives.
//!
//! The field `loopgate` counts only from a caller with the peer key; whether there is one is asked there.
//! Every field is bounded and must be what it is said to be: a letter that is not understood whole is
//! refused, with the name of the field, and nothing is done.

use serde_json::Value;

use super::{Carry, PRIORITIES, VERSION};
use crate::{
    limits,
    wire::{
        address::HomeId,
        id::AgentId,
        json::{Error, Fields},
    },
};

/// Most instances that a letter names as its way. Those that send do not hand on a letter that has come
/// through [`limits::FORWARD_HOPS`].
const PATH: usize = 8;
/// Longest id of an instance.
const INSTANCE: usize = 64;
/// Most that `forward_hops` may say; AgentMux keeps it in a byte.
const HOPS: u64 = 255;

const VERSION_FIELD: &str = "loopgate.version";
const PATH_FIELD: &str = "loopgate.path";
const HOME_FIELD: &str = "loopgate.home";
const CALLER_FIELD: &str = "loopgate.caller";
const CORRELATION_FIELD: &str = "loopgate.correlation_id";
const REPLY_FIELD: &str = "loopgate.in_reply_to";

/// Who sent a letter, at his home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Far {
    /// its owner
    Owner,
    /// its operator, by the API token
    Api,
    /// another instance that has its peer key and does not say for whom it speaks: an AgentMux
    Peer,
    /// an agent of it; no name that stands for somebody who is not an agent
    Agent(AgentId),
}

/// A letter, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// for whom; not looked at yet
    pub target: String,
    /// the words, not cleaned yet
    pub text: String,
    /// 1 to [`limits::MESSAGE_ID`] bytes; of an inject as long as it likes
    pub id: String,
    /// free text of its sender, at most [`limits::MESSAGE_FROM`] bytes, never believed
    pub from: Option<String>,
    /// `normal`, `high`, `urgent`
    pub priority: &'static str,
    /// `once`, `thrice`; `None`: as the agent was started to
    pub submit: Option<&'static str>,
    /// how it is to be treated
    pub carry: Carry,
    /// who sent it
    pub far: Far,
    /// the home of his instance
    pub home: HomeId,
    /// how long it may wait, at most [`limits::TTL_MOST_MS`]; 0: it is not to
    pub ttl_ms: u64,
    /// 1 to 128 letters, digits, dots, _ and -, and neither . nor ..
    pub correlation_id: Option<String>,
    /// 1 to [`limits::MESSAGE_ID`] bytes
    pub in_reply_to: Option<String>,
    /// it may have arrived before
    pub redelivered: bool,
    /// the ids of the instances that it came through, the one that sent it last
    pub path: Vec<String>,
    /// how often it was handed on
    pub hops: u64,
}

impl Received {
    /// Reads a body. `None`: there is no field `loopgate`, and this is the inject of an AgentMux.
    pub fn read(body: &Value) -> Result<Option<Self>, Error> {
        let fields = Fields::of(body)?;
        let Some(ours) = fields.optional_fields("loopgate")? else {
            return Ok(None);
        };
        nested(VERSION_FIELD, ours.whole("version", VERSION..=VERSION))?;
        let carry = nested("loopgate.carry", ours.optional_word("carry", Carry::WORDS))?
            .ok_or(Error::Missing { field: "loopgate.carry" })?;
        let id = fields.text("request_id")?;
        let longest = if carry == Carry::Inject { limits::BODY_SMALL } else { limits::MESSAGE_ID };
        bounded("request_id", id, longest)?;
        let from = fields.optional_text("source_agent")?;
        if from.is_some_and(|from| from.len() > limits::MESSAGE_FROM) {
            return Err(Error::wrong("source_agent", at_most(limits::MESSAGE_FROM)));
        }
        let text = fields.text("message")?;
        if text.len() > limits::MESSAGE_TEXT {
            return Err(Error::wrong("message", at_most(limits::MESSAGE_TEXT)));
        }
        let priorities = PRIORITIES.map(|word| (word, word));
        let submits = [("once", "once"), ("thrice", "thrice")];
        let ttl = nested("loopgate.ttl_ms", ours.whole("ttl_ms", 0..=limits::TTL_MOST_MS))?;
        Ok(Some(Self {
            target: fields.text("target_agent")?.to_owned(),
            text: text.to_owned(),
            id: id.to_owned(),
            from: from.map(str::to_owned),
            priority: fields.optional_word("priority", &priorities)?.unwrap_or("normal"),
            submit: fields.optional_word("submit", &submits)?,
            carry,
            far: caller(ours)?,
            home: home(ours)?,
            ttl_ms: ttl,
            correlation_id: correlation_id(ours)?,
            in_reply_to: in_reply_to(ours)?,
            redelivered: nested("loopgate.redelivered", ours.flag("redelivered", false))?,
            path: path(ours)?,
            hops: hops(fields)?,
        }))
    }

    /// The sender as a reader sees him, which is the address to answer to where it is an agent:
    /// `owner@HOME`, `api@HOME`, `peer@HOME`, `NAME@HOME`.
    pub fn shown(&self) -> String {
        let name = match &self.far {
            Far::Owner => "owner",
            Far::Api => "api",
            Far::Peer => "peer",
            Far::Agent(name) => name.as_str(),
        };
        format!("{name}@{}", self.home)
    }
}

/// How often a body says that it was handed on, a letter's or an AgentMux's: from 0 to 255, 0 where it says
/// nothing.
pub fn hops(fields: Fields<'_>) -> Result<u64, Error> {
    Ok(fields.optional_whole("forward_hops", 0..=HOPS)?.unwrap_or_default())
}

fn caller(ours: Fields<'_>) -> Result<Far, Error> {
    let text = nested(CALLER_FIELD, ours.text("caller"))?;
    let agent = |text: &str| {
        let name = AgentId::parse(text.strip_prefix("agent ")?).ok()?;
        (!name.is_reserved()).then_some(Far::Agent(name))
    };
    match text {
        "owner" => Ok(Far::Owner),
        "api" => Ok(Far::Api),
        "peer" => Ok(Far::Peer),
        other => agent(other).ok_or_else(|| {
            Error::wrong(CALLER_FIELD, "\"owner\", \"api\", \"peer\" or \"agent \" and its name")
        }),
    }
}

fn home(ours: Fields<'_>) -> Result<HomeId, Error> {
    let text = nested(HOME_FIELD, ours.text("home"))?;
    HomeId::parse(text).map_err(|_| Error::wrong(HOME_FIELD, "12 hex digits in lower case"))
}

fn path(ours: Fields<'_>) -> Result<Vec<String>, Error> {
    let ids = nested(PATH_FIELD, ours.texts("path"))?;
    let fits = |id: &&str| (1..=INSTANCE).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if !(1..=PATH).contains(&ids.len()) || !ids.iter().all(fits) {
        return Err(Error::wrong(PATH_FIELD, format!("1 to {PATH} ids of instances")));
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

fn correlation_id(ours: Fields<'_>) -> Result<Option<String>, Error> {
    let Some(id) = nested(CORRELATION_FIELD, ours.optional_text("correlation_id"))? else {
        return Ok(None);
    };
    let clean = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !(1..=128).contains(&id.len()) || !clean || id == "." || id == ".." {
        let rule = "1 to 128 ASCII letters, digits, dots, _ and -, and neither . nor ..";
        return Err(Error::wrong(CORRELATION_FIELD, rule));
    }
    Ok(Some(id.to_owned()))
}

fn in_reply_to(ours: Fields<'_>) -> Result<Option<String>, Error> {
    match nested(REPLY_FIELD, ours.optional_text("in_reply_to"))? {
        None => Ok(None),
        Some(id) => bounded(REPLY_FIELD, id, limits::MESSAGE_ID).map(|()| Some(id.to_owned())),
    }
}

/// An error about a field of `loopgate` names it with where it stands.
fn nested<T>(field: &'static str, read: Result<T, Error>) -> Result<T, Error> {
    read.map_err(|error| match error {
        Error::Missing { .. } => Error::Missing { field },
        Error::Wrong { must_be, .. } => Error::Wrong { field, must_be },
        other @ (Error::Syntax { .. } | Error::TooDeep | Error::Duplicate | Error::NotAnObject) => other,
    })
}

fn bounded(field: &'static str, text: &str, longest: usize) -> Result<(), Error> {
    if (1..=longest).contains(&text.len()) {
        return Ok(());
    }
    Err(Error::wrong(field, format!("1 to {longest} bytes long")))
}

fn at_most(bytes: usize) -> String {
    format!("at most {bytes} bytes long")
}
