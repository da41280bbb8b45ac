//! The same records as [`super::read`] reads, for lines exactly as [`super::record`] writes them: in
//! one pass and without a tree of values, so that a million messages are there in a second. Whatever
//! is not exactly so is left to the other reader; a test holds the two together.

use std::borrow::Cow;

use super::{
    record::{Facts, Record, Standing},
    table::Phase,
    types::{Kind, Priority, State},
};
use crate::wire::{address::HomeId, id::AgentId};

/// Reads a line in its usual form; `None`: it may still be a record.
pub(super) fn record(json: &[u8]) -> Option<Record<'_>> {
    // The line's number is the journal's.
    let mut line = Line { rest: std::str::from_utf8(json).ok()? };
    line.skip("{\"n\":")?;
    line.number()?;
    line.skip(",\"op\":\"")?;
    let (op, rest) = line.rest.split_once("\",")?;
    line.rest = rest;
    match op {
        "put" => {
            let facts = line.facts()?;
            line.words(false)?;
            Some(Record::Put(facts))
        }
        "snap" => {
            let number = line.field("of", Line::number)?;
            let facts = line.facts()?;
            let standing = line.standing()?;
            line.words(standing.phase == Phase::Ended)?;
            Some(Record::Snap(number, facts, standing))
        }
        "take" => {
            let at = line.field("at", Line::number)?;
            let of = line.field("of", Line::list)?;
            line.skip("\"pos\":")?;
            let positions = line.list()?;
            let fits = positions.is_empty() || positions.len() == of.len();
            (fits && line.rest == "}").then_some(Record::Taken { at, of, positions })
        }
        "got" => {
            let at = line.field("at", Line::number)?;
            line.skip("\"of\":")?;
            let of = line.list()?;
            (line.rest == "}").then_some(Record::Got { at, of })
        }
        "back" => {
            line.skip("\"of\":")?;
            let of = line.list()?;
            (line.rest == "}").then_some(Record::Back { of })
        }
        "end" => {
            let at = line.field("at", Line::number)?;
            let of = line.field("of", Line::list)?;
            let state = State::read(&line.field("state", Line::text)?)?;
            let dead = line.field("dead", Line::flag)?;
            line.skip("\"why\":")?;
            let reason = line.optional()?;
            (line.rest == "}").then_some(Record::End { at, of, state, dead, reason })
        }
        _ => None,
    }
}

struct Line<'a> {
    rest: &'a str,
}

impl<'a> Line<'a> {
    fn skip(&mut self, exactly: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(exactly)?;
        Some(())
    }

    /// A field that another one follows.
    fn field<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.skip("\"")?;
        self.skip(name)?;
        self.skip("\":")?;
        let value = read(self)?;
        self.skip(",")?;
        Some(value)
    }

    /// A field that another one follows, and that may be missing.
    fn maybe<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        let there = self.rest.strip_prefix('"').and_then(|rest| rest.strip_prefix(name)?.strip_prefix("\":"));
        if there.is_some() { self.field(name, read).map(Some) } else { Some(None) }
    }

    fn home(&mut self) -> Option<Cow<'a, str>> {
        let home = self.text()?;
        HomeId::parse(&home).ok().map(|_| home)
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        // What is no number by the rules of JSON is none here.
        if digits.len() > 1 && digits.starts_with('0') { None } else { digits.parse().ok() }
    }

    fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.skip("true") {
            Some(()) => Some(true),
            None => self.skip("false").map(|()| false),
        }
    }

    fn list(&mut self) -> Option<Vec<u64>> {
        self.skip("[")?;
        let mut values = Vec::new();
        while self.skip("]").is_none() {
            if !values.is_empty() {
                self.skip(",")?;
            }
            values.push(self.number()?);
        }
        Some(values)
    }

    /// A string with its quotes, as it stands there.
    fn raw(&mut self) -> Option<&'a str> {
        let mut bytes = self.rest.bytes().enumerate();
        (bytes.next()?.1 == b'"').then_some(())?;
        loop {
            match bytes.next()? {
                (at, b'"') => {
                    let (raw, rest) = self.rest.split_at_checked(at + 1)?;
                    self.rest = rest;
                    return Some(raw);
                }
                // Only what is written here: halves of characters are left to the other reader.
                (_, b'\\') => match bytes.next()?.1 {
                    b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = [bytes.next()?.1, bytes.next()?.1, bytes.next()?.1, bytes.next()?.1];
                        let control = digits.starts_with(b"00") && digits.iter().all(u8::is_ascii_hexdigit);
                        control.then_some(())?;
                    }
                    _ => return None,
                },
                (_, byte) => (byte >= 0x20).then_some(())?,
            }
        }
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        let raw = self.raw()?;
        if raw.contains('\\') {
            return serde_json::from_str::<String>(raw).ok().map(Cow::Owned);
        }
        raw.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
    }

    fn optional(&mut self) -> Option<Option<Cow<'a, str>>> {
        match self.skip("null") {
            Some(()) => Some(None),
            None => self.text().map(Some),
        }
    }

    fn facts(&mut self) -> Option<Facts<'a>> {
        let to = self.field("to", Self::text)?;
        AgentId::parse(&to).ok()?;
        Some(Facts {
            to,
            caller: self.field("caller", Self::text)?,
            id: self.field("id", Self::text)?,
            at: self.field("at", Self::number)?,
            ttl: self.field("ttl", Self::small)?,
            kind: Kind::read(&self.field("kind", Self::text)?)?,
            priority: Priority::read(&self.field("prio", Self::text)?)?,
            digest: self.field("sum", Self::number)?,
            size: self.field("size", Self::small)?,
            claim: self.field("claim", Self::flag)?,
            hold: self.maybe("hold", Self::flag)?.unwrap_or(false),
            via: self.maybe("via", Self::home)?,
            again: self.maybe("again", Self::flag)?.unwrap_or(false),
        })
    }

    fn standing(&mut self) -> Option<Standing<'a>> {
        Some(Standing {
            phase: Phase::read(&self.field("phase", Self::text)?)?,
            state: State::read(&self.field("state", Self::text)?)?,
            handed: self.field("handed", Self::flag)?,
            position: self.field("pos", Self::number)?,
            renewed: self.field("renewed", Self::small)?,
            taken: self.field("taken", Self::small)?,
            delivered: self.field("delivered", Self::small)?,
            ended: self.field("ended", Self::small)?,
            reason: self.field("why", Self::optional)?,
        })
    }

    /// The words up to the end of the line: looked at, and not kept.
    fn words(&mut self, without: bool) -> Option<()> {
        self.field("from", Self::raw)?;
        for name in ["cor", "re"] {
            self.field(name, |line| line.skip("null").or_else(|| line.raw().map(drop)))?;
        }
        self.skip("\"text\":")?;
        match self.skip("null") {
            Some(()) => without.then_some(())?,
            None => drop(self.raw()?),
        }
        (self.rest == "}").then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::mail::{
        read,
        record::{self as write, Words},
        table::{Bounds, Table},
        types::NewMessage,
    };

    /// xorshift64, by a fixed seed.
    struct Dice(u64);

    impl Dice {
        fn next(&mut self, of: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % of as u64).expect("small")
        }

        fn text(&mut self, least: usize) -> String {
            let parts = [
                "a",
                "\"",
                "\\",
                "\u{0}",
                "\n",
                "\u{7f}",
                "é",
                "\u{1f600}",
                "\\u00",
                "null",
                "}",
                ",",
                "\u{2028}",
                "\u{1f}",
            ];
            let count = least + self.next(6);
            (0..count).map(|_| parts[self.next(parts.len())]).collect()
        }

        fn numbers(&mut self) -> Vec<u64> {
            (0..self.next(4)).map(|_| [0, 1, 10, u64::MAX][self.next(4)]).collect()
        }
    }

    fn line(fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut line = b"{\"n\":12,".to_vec();
        fields(&mut line);
        line.push(b'}');
        line
    }

    #[test]
    fn both_readers_agree_on_every_line_that_is_written() {
        let mut dice = Dice(88_172_645_463_325_252);
        let mut table = Table::new(Bounds::default());
        for round in 0..2_000 {
            let (id, caller, from, text) = (dice.text(1), dice.text(0), dice.text(0), dice.text(0));
            let (cor, re) = (dice.text(1), dice.text(1));
            let to = AgentId::parse(["a", "B-_9"][dice.next(2)]).expect("a valid id");
            let home = HomeId::of([1, 2, 3, 4, 5, 250]);
            let new = NewMessage {
                id: &id,
                caller: &caller,
                from: &from,
                to: &to,
                kind: [Kind::Send, Kind::Ask, Kind::Inject, Kind::Reply, Kind::Broadcast][dice.next(5)],
                text: &text,
                priority: [Priority::Normal, Priority::Urgent, Priority::High][dice.next(3)],
                ttl_ms: 1_000,
                correlation_id: (dice.next(2) == 0).then_some(&cor),
                in_reply_to: (dice.next(2) == 0).then_some(&re),
                claim: dice.next(2) == 0,
                hold: dice.next(2) == 0,
                via: (dice.next(2) == 0).then_some(&home),
                redelivered: dice.next(2) == 0,
            };
            table.reserve(round, &new, write::digest(&text), 5, 0);
            let entry = table.entry(round).expect("reserved");
            let words = Words {
                from: from.clone(),
                correlation_id: None,
                in_reply_to: Some(re.clone()),
                text: Some(text.clone()),
            };
            let (at, of) = (dice.next(9) as u64, dice.numbers());
            let positions = if dice.next(2) == 0 { of.clone() } else { Vec::new() };
            let reason = (dice.next(2) == 0).then(|| dice.text(0).into());
            let mut lines = vec![
                line(|out| write::put(out, &new, 7, 9)),
                line(|out| write::snap(out, round, entry, &table, &words)),
            ];
            for record in [
                Record::Taken { at, of: of.clone(), positions },
                Record::Got { at, of: of.clone() },
                Record::Back { of: of.clone() },
                Record::End { at, of, state: State::Expired, dead: dice.next(2) == 0, reason },
            ] {
                lines.push(line(|out| write::change(out, &record)));
            }
            for line in &mut lines {
                let fast = record(line);
                assert!(fast.is_some(), "{}", String::from_utf8_lossy(line));
                assert_eq!(fast, read::slow(line), "{}", String::from_utf8_lossy(line));
                // And where it is spoiled, what one takes the other does not read differently.
                let at = dice.next(line.len());
                line[at] = b"\"\\,0{}[]nu\x00\xff"[dice.next(12)];
                if let Some(fast) = record(line) {
                    assert_eq!(Some(fast), read::slow(line), "{}", String::from_utf8_lossy(line));
                }
            }
        }
    }
}
