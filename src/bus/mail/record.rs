//! The lines of the mailbox's journal, as they are written.
//!
//! What the index is made of comes first and in a fixed order, the words come last: at open a
//! million lines are read up to their words only ([`super::read`]).

use std::borrow::Cow;

use super::{
    table::{Entry, Phase, Table},
    types::{Kind, NewMessage, Priority, State},
};

/// What the index keeps of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    pub to: Cow<'a, str>,
    pub caller: Cow<'a, str>,
    pub id: Cow<'a, str>,
    /// unix ms
    pub at: u64,
    /// ms
    pub ttl: u32,
    pub kind: Kind,
    pub priority: Priority,
    /// of the text
    pub digest: u64,
    /// of the text
    pub size: u32,
    /// it was about to be typed, or handed to another instance
    pub claim: bool,
    /// it may be handed to another instance
    pub hold: bool,
    /// at which home
    pub via: Option<Cow<'a, str>>,
    /// a reader may have had it before it came here
    pub again: bool,
}

/// How far a message had come when it was written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing<'a> {
    pub phase: Phase,
    pub state: State,
    pub handed: bool,
    pub position: u64,
    pub renewed: u32,
    pub taken: u32,
    pub delivered: u32,
    pub ended: u32,
    pub reason: Option<Cow<'a, str>>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// a new message; its number is the line's
    Put(Facts<'a>),
    /// a message with this number, as it stood then
    Snap(u64, Facts<'a>, Standing<'a>),
    /// these were handed out; to a cursor with these positions
    Taken { at: u64, of: Vec<u64>, positions: Vec<u64> },
    /// a reader that acknowledges has these
    Got { at: u64, of: Vec<u64> },
    /// these were handed out, and nobody got them
    Back { of: Vec<u64> },
    /// these are over; `dead` ones are kept with their words
    End { at: u64, of: Vec<u64>, state: State, dead: bool, reason: Option<Cow<'a, str>> },
    /// these were never accepted
    Void { of: Vec<u64> },
    /// this dead letter waits again
    Again { at: u64, of: u64 },
    /// the last position that a mailbox gave out
    Last { to: Cow<'a, str>, position: u64 },
    /// no mailbox that was forgotten gave out a higher position
    Floor { position: u64 },
}

/// The part of a message that only its line holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub from: String,
    pub correlation_id: Option<String>,
    pub in_reply_to: Option<String>,
    /// `None`: over, and forgotten
    pub text: Option<String>,
}

/// A text's digest, to know it again when its message is sent again. Who makes two texts with one
/// digest deceives nobody but himself.
pub(super) fn digest(text: &str) -> u64 {
    let hash = hmac_sha256::Hash::hash(text.as_bytes());
    hash.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

/// The fields of a new message's line.
pub(super) fn put(out: &mut Vec<u8>, new: &NewMessage<'_>, at: u64, digest: u64) {
    let facts = Facts {
        to: new.to.as_str().into(),
        caller: new.caller.into(),
        id: new.id.into(),
        at,
        ttl: u32::try_from(new.ttl_ms).unwrap_or(u32::MAX),
        kind: new.kind,
        priority: new.priority,
        digest,
        size: u32::try_from(new.text.len()).unwrap_or(u32::MAX),
        claim: new.claim,
        hold: new.hold,
        via: new.via.map(|home| home.as_str().into()),
        again: new.redelivered,
    };
    out.extend_from_slice(b"\"op\":\"put\",");
    facts.write(out);
    words(out, new.from, new.correlation_id, new.in_reply_to, Some(new.text));
}

/// The fields of a line that holds a message as it stands now.
pub(super) fn snap(out: &mut Vec<u8>, number: u64, entry: &Entry, table: &Table, kept: &Words) {
    let facts = Facts {
        to: table.text(entry.to).into(),
        caller: table.text(entry.caller).into(),
        id: Cow::Borrowed(&*entry.id),
        at: entry.sent_at,
        ttl: entry.ttl,
        kind: entry.kind,
        priority: entry.priority,
        digest: entry.digest,
        size: entry.size,
        claim: false,
        hold: entry.hold,
        via: entry.via.map(|via| table.text(via).into()),
        again: false,
    };
    out.extend_from_slice(b"\"op\":\"snap\",");
    number_field(out, "of", number);
    facts.write(out);
    text_field(out, "phase", entry.phase.as_str());
    text_field(out, "state", entry.state.as_str());
    // That it is held may be on its way to disk, in a line before this one.
    flag_field(out, "handed", entry.handed || entry.holder != 0);
    for (name, value) in [
        ("pos", entry.position),
        ("renewed", entry.renewed.into()),
        ("taken", entry.taken.into()),
        ("delivered", entry.delivered.into()),
        ("ended", entry.ended.into()),
    ] {
        number_field(out, name, value);
    }
    optional_field(out, "why", entry.reason.map(|reason| table.text(reason)));
    // One that is over is remembered without its words.
    let text = kept.text.as_deref().filter(|_| entry.phase != Phase::Ended);
    words(out, &kept.from, kept.correlation_id.as_deref(), kept.in_reply_to.as_deref(), text);
}

/// The fields of any other line.
pub(super) fn change(out: &mut Vec<u8>, record: &Record<'_>) {
    match record {
        Record::Put(_) | Record::Snap(..) => {}
        Record::Taken { at, of, positions } => {
            out.extend_from_slice(b"\"op\":\"take\",");
            number_field(out, "at", *at);
            list_field(out, "of", of);
            list_field(out, "pos", positions);
        }
        Record::Got { at, of } => {
            out.extend_from_slice(b"\"op\":\"got\",");
            number_field(out, "at", *at);
            list_field(out, "of", of);
        }
        Record::Back { of } => {
            out.extend_from_slice(b"\"op\":\"back\",");
            list_field(out, "of", of);
        }
        Record::End { at, of, state, dead, reason } => {
            out.extend_from_slice(b"\"op\":\"end\",");
            number_field(out, "at", *at);
            list_field(out, "of", of);
            text_field(out, "state", state.as_str());
            flag_field(out, "dead", *dead);
            optional_field(out, "why", reason.as_deref());
        }
        Record::Void { of } => {
            out.extend_from_slice(b"\"op\":\"void\",");
            list_field(out, "of", of);
        }
        Record::Again { at, of } => {
            out.extend_from_slice(b"\"op\":\"again\",");
            number_field(out, "at", *at);
            number_field(out, "of", *of);
        }
        Record::Last { to, position } => {
            out.extend_from_slice(b"\"op\":\"last\",");
            text_field(out, "to", to);
            number_field(out, "pos", *position);
        }
        Record::Floor { position } => {
            out.extend_from_slice(b"\"op\":\"floor\",");
            number_field(out, "pos", *position);
        }
    }
    out.pop();
}

impl Facts<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        text_field(out, "to", &self.to);
        text_field(out, "caller", &self.caller);
        text_field(out, "id", &self.id);
        number_field(out, "at", self.at);
        number_field(out, "ttl", self.ttl.into());
        text_field(out, "kind", self.kind.as_str());
        text_field(out, "prio", self.priority.as_str());
        number_field(out, "sum", self.digest);
        number_field(out, "size", self.size.into());
        flag_field(out, "claim", self.claim);
        // Most have none of these, and no line of an earlier version has.
        if self.hold {
            flag_field(out, "hold", true);
        }
        if let Some(via) = &self.via {
            text_field(out, "via", via);
        }
        if self.again {
            flag_field(out, "again", true);
        }
    }
}

fn words(out: &mut Vec<u8>, from: &str, correlation: Option<&str>, reply: Option<&str>, text: Option<&str>) {
    text_field(out, "from", from);
    optional_field(out, "cor", correlation);
    optional_field(out, "re", reply);
    optional_field(out, "text", text);
    out.pop();
}

fn name_of(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text_field(out: &mut Vec<u8>, name: &str, value: &str) {
    optional_field(out, name, Some(value));
}

fn optional_field(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    name_of(out, name);
    match value {
        // A string into memory cannot fail.
        Some(value) => serde_json::to_writer(&mut *out, value).unwrap_or_default(),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
}

fn flag_field(out: &mut Vec<u8>, name: &str, value: bool) {
    name_of(out, name);
    out.extend_from_slice(if value { b"true," } else { b"false," });
}

fn number_field(out: &mut Vec<u8>, name: &str, value: u64) {
    name_of(out, name);
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b',');
}

fn list_field(out: &mut Vec<u8>, name: &str, values: &[u64]) {
    name_of(out, name);
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.to_string().as_bytes());
    }
    out.extend_from_slice(b"],");
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            // A message on its way to disk is never written a second time.
            Phase::Reserved | Phase::Waiting => "waiting",
            Phase::Dead => "dead",
            Phase::Ended => "ended",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        [Phase::Waiting, Phase::Dead, Phase::Ended].into_iter().find(|phase| phase.as_str() == text)
    }
}
