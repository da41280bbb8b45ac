//! Reading the lines of the mailbox's journal: strictly.
//!
//! A line that is not exactly a record is reported and skipped, never guessed at: no field is filled in,
//! and none that is not known is passed over. Writing is in `record`; a line that was written is read
//! back the same.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    fast,
    record::{Facts, Record, Standing, Words},
    table::Phase,
    types::{Kind, Priority, State},
};
use crate::wire::{address::HomeId, id::AgentId, json::Fields};

/// Reads a line; `None`: it is not a record of ours.
pub(super) fn record(json: &[u8]) -> Option<Record<'_>> {
    fast::record(json).or_else(|| slow(json))
}

/// The same without haste: any line that means a record.
pub(super) fn slow(json: &[u8]) -> Option<Record<'static>> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let fields = Fields::of(&value).ok()?;
    Some(match fields.text("op").ok()? {
        "put" => {
            words_of(fields)?.text?;
            Record::Put(facts(fields)?)
        }
        "snap" => {
            let standing = standing(fields)?;
            if words_of(fields)?.text.is_none() && standing.phase != Phase::Ended {
                return None;
            }
            Record::Snap(whole(fields, "of")?, facts(fields)?, standing)
        }
        "take" => {
            let (of, positions) = (list(&value, "of")?, list(&value, "pos")?);
            if !positions.is_empty() && positions.len() != of.len() {
                return None;
            }
            Record::Taken { at: whole(fields, "at")?, of, positions }
        }
        "got" => Record::Got { at: whole(fields, "at")?, of: list(&value, "of")? },
        "back" => Record::Back { of: list(&value, "of")? },
        "end" => Record::End {
            at: whole(fields, "at")?,
            of: list(&value, "of")?,
            state: State::read(fields.text("state").ok()?)?,
            dead: flag(fields, "dead")?,
            reason: fields.optional_text("why").ok()?.map(owned),
        },
        "void" => Record::Void { of: list(&value, "of")? },
        "again" => Record::Again { at: whole(fields, "at")?, of: whole(fields, "of")? },
        "last" => Record::Last { to: name(fields)?, position: whole(fields, "pos")? },
        "floor" => Record::Floor { position: whole(fields, "pos")? },
        _ => return None,
    })
}

/// The words of a message's line.
pub(super) fn words(json: &[u8]) -> Option<Words> {
    let value: Value = serde_json::from_slice(json).ok()?;
    words_of(Fields::of(&value).ok()?)
}

fn words_of(fields: Fields<'_>) -> Option<Words> {
    let optional = |name| fields.optional_text(name).ok().map(|text| text.map(str::to_owned));
    Some(Words {
        from: fields.text("from").ok()?.to_owned(),
        correlation_id: optional("cor")?,
        in_reply_to: optional("re")?,
        text: optional("text")?,
    })
}

fn facts(fields: Fields<'_>) -> Option<Facts<'static>> {
    let text = |name| fields.text(name).ok();
    Some(Facts {
        to: name(fields)?,
        caller: owned(text("caller")?),
        id: owned(text("id")?),
        at: whole(fields, "at")?,
        ttl: small(fields, "ttl")?,
        kind: Kind::read(text("kind")?)?,
        priority: Priority::read(text("prio")?)?,
        digest: whole(fields, "sum")?,
        size: small(fields, "size")?,
        claim: flag(fields, "claim")?,
        hold: fields.flag("hold", false).ok()?,
        via: via(fields)?,
        again: fields.flag("again", false).ok()?,
    })
}

fn standing(fields: Fields<'_>) -> Option<Standing<'static>> {
    Some(Standing {
        phase: Phase::read(fields.text("phase").ok()?)?,
        state: State::read(fields.text("state").ok()?)?,
        handed: flag(fields, "handed")?,
        position: whole(fields, "pos")?,
        renewed: small(fields, "renewed")?,
        taken: small(fields, "taken")?,
        delivered: small(fields, "delivered")?,
        ended: small(fields, "ended")?,
        reason: fields.optional_text("why").ok()?.map(owned),
    })
}

/// An agent's name: the rule holds for what is read as well.
fn name(fields: Fields<'_>) -> Option<Cow<'static, str>> {
    let text = fields.text("to").ok()?;
    AgentId::parse(text).ok().map(|_| owned(text))
}

/// A home, where there is one.
fn via(fields: Fields<'_>) -> Option<Option<Cow<'static, str>>> {
    match fields.optional_text("via").ok()? {
        None => Some(None),
        Some(text) => HomeId::parse(text).ok().map(|_| Some(owned(text))),
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

fn whole(fields: Fields<'_>, name: &'static str) -> Option<u64> {
    fields.whole(name, 0..=u64::MAX).ok()
}

fn small(fields: Fields<'_>, name: &'static str) -> Option<u32> {
    whole(fields, name).and_then(|value| value.try_into().ok())
}

fn flag(fields: Fields<'_>, name: &'static str) -> Option<bool> {
    // Two defaults tell a missing one from one that is there.
    let (yes, no) = (fields.flag(name, true).ok()?, fields.flag(name, false).ok()?);
    (yes == no).then_some(yes)
}

fn list(value: &Value, name: &str) -> Option<Vec<u64>> {
    value.get(name)?.as_array()?.iter().map(Value::as_u64).collect()
}
