//! What was said to and by agents, as far as it is kept: each agent's history and conversation, and the one log
//! of messages of all swarms (spec genswarms B.1, J.1).
//!
//! All of it is bounded in number and in bytes, the oldest goes first, and a long text is kept in its beginning
//! and says so: whoever talks most pushes out only what is his, or in the log only previews.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::events::{self, cut};
use crate::{agent, limits, wire::date};

/// How a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// to one
    Direct,
    /// to one object, which answers
    Ask,
    /// to all neighbours
    Broadcast,
}

impl Sort {
    /// The word that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Ask => "ask",
            Self::Broadcast => "broadcast",
        }
    }
}

/// One line of an agent's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// a task from outside
    Task {
        /// what
        content: String,
    },
    /// a message to the agent
    Incoming {
        /// from whom
        from: String,
        /// what
        content: String,
    },
    /// a message of the agent
    Outgoing {
        /// to whom; `all` for a broadcast
        to: String,
        /// how
        sort: Sort,
        /// what
        content: String,
    },
}

impl Past {
    fn content(&mut self) -> &mut String {
        match self {
            Self::Task { content } | Self::Incoming { content, .. } | Self::Outgoing { content, .. } => {
                content
            }
        }
    }

    fn fields(&self) -> Map<String, Value> {
        let pairs: Vec<(&str, &str)> = match self {
            Self::Task { content } => vec![("type", "task"), ("content", content)],
            Self::Incoming { from, content } => {
                vec![("type", "incoming"), ("content", content), ("from", from), ("message_type", "direct")]
            }
            Self::Outgoing { to, sort, content } => {
                vec![("type", "outgoing"), ("content", content), ("to", to), ("message_type", sort.as_str())]
            }
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }
}

/// Entries with their sizes. Invariant: `bytes` is the sum of the sizes.
#[derive(Debug)]
struct Kept<T> {
    entries: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Kept<T> {
    fn push(&mut self, entry: T, size: usize) {
        self.entries.push_back((entry, size));
        self.bytes = self.bytes.saturating_add(size);
        while self.entries.len() > limits::SWARM_HISTORY || self.bytes > limits::SWARM_HISTORY_BYTES {
            let Some((_, size)) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(size);
        }
    }

    /// Newest first.
    fn newest(&self, most: usize) -> impl Iterator<Item = &T> {
        self.entries.iter().rev().take(most).map(|(entry, _)| entry)
    }
}

/// What an entry takes beside its text.
const EACH: usize = 128;

/// Cuts a text to what one entry may hold; whether it was longer.
fn shorten(text: &mut String) -> bool {
    let end = cut(text, limits::SWARM_HISTORY_TEXT).len();
    let longer = end < text.len();
    text.truncate(end);
    text.shrink_to_fit();
    longer
}

/// One agent's history.
#[derive(Debug, Default)]
pub struct History(Kept<(u64, Past, bool)>);

impl History {
    /// One more line.
    pub fn push(&mut self, unix_ms: u64, mut past: Past) {
        let longer = shorten(past.content());
        let size = EACH + past.content().len();
        self.0.push((unix_ms, past, longer), size);
    }

    /// Newest first, at most `most`, as clients know them.
    pub fn newest(&self, most: usize) -> Vec<Value> {
        let shown = |(unix_ms, past, longer): &(u64, Past, bool)| {
            let mut fields = past.fields();
            fields.insert("timestamp".to_owned(), date::rfc3339_us(*unix_ms).into());
            if *longer {
                fields.insert("truncated".to_owned(), true.into());
            }
            Value::Object(fields)
        };
        self.0.newest(most).map(shown).collect()
    }
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// what was said to the agent
    User,
    /// what the agent said
    Assistant,
    /// what its program said beside, and what became of it
    System,
}

impl Role {
    /// The word that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
        }
    }
}

/// One agent's conversation: what was said to it and what it said. A session is one run of its program.
#[derive(Debug, Default)]
pub struct Conversation {
    session: u64,
    lines: Kept<(u64, u64, Role, String)>,
}

impl Conversation {
    /// Its program was started: what follows is another session.
    pub fn begin(&mut self) {
        self.session = self.session.saturating_add(1);
    }

    /// One more line.
    pub fn push(&mut self, unix_ms: u64, role: Role, text: &str) {
        let mut content = cut(text, limits::SWARM_HISTORY_TEXT).to_owned();
        shorten(&mut content);
        let size = EACH + content.len();
        self.lines.push((self.session, unix_ms, role, content), size);
    }

    /// What was said last, for an event.
    pub fn last(&self) -> String {
        let newest = self.lines.newest(limits::LAST_OUTPUT).map(|(.., content)| content.as_str());
        let mut lines: Vec<&str> = newest.collect();
        lines.reverse();
        events::last(&lines.join("\n"))
    }

    /// Oldest first, the newest `most`, as clients know them.
    pub fn newest(&self, most: usize) -> Vec<Value> {
        let shown = |(session, unix_ms, role, content): &(u64, u64, Role, String)| {
            json!({"session_id": format!("session-{session}"), "timestamp": date::rfc3339_us(*unix_ms),
                   "role": role.as_str(), "content": content})
        };
        let mut lines: Vec<Value> = self.lines.newest(most).map(shown).collect();
        lines.reverse();
        lines
    }
}

/// One message that went its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// when, in ms since 1970
    pub unix_ms: u64,
    /// the swarm
    pub swarm: String,
    /// who sent it
    pub from: String,
    /// to whom; a broadcast names all whom it reached
    pub to: Vec<String>,
    /// how
    pub sort: Sort,
    /// the text's beginning
    pub preview: String,
}

impl Routed {
    /// As clients know it: `to` is a list for a broadcast and a name for the rest.
    pub fn to_value(&self) -> Value {
        let to = match self.sort {
            Sort::Broadcast => json!(self.to),
            Sort::Direct | Sort::Ask => json!(self.to.first()),
        };
        json!({"timestamp": date::rfc3339_us(self.unix_ms), "swarm": self.swarm, "from": self.from, "to": to,
               "type": self.sort.as_str(), "content_preview": self.preview})
    }
}

/// The newest messages of all swarms, [`limits::SWARM_MESSAGE_LOG`] of them.
#[derive(Debug, Default)]
pub struct MessageLog(VecDeque<Routed>);

impl MessageLog {
    /// One more.
    pub fn push(&mut self, unix_ms: u64, swarm: &str, from: &str, to: &[&str], sort: Sort, content: &str) {
        let to = to.iter().map(|name| (*name).to_owned()).collect();
        let (swarm, from, preview) = (swarm.to_owned(), agent::redacted(from), events::preview(content));
        self.0.push_back(Routed { unix_ms, swarm, from, to, sort, preview });
        while self.0.len() > limits::SWARM_MESSAGE_LOG {
            self.0.pop_front();
        }
    }

    /// Those of one swarm, newest first, at most `most`.
    pub fn newest(&self, swarm: &str, most: usize) -> Vec<Value> {
        self.0.iter().rev().filter(|entry| entry.swarm == swarm).take(most).map(Routed::to_value).collect()
    }

    /// Forgets those of one swarm: another of its name is not to be shown them.
    pub fn forget(&mut self, swarm: &str) {
        self.0.retain(|entry| entry.swarm != swarm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_bounded_in_number_and_bytes_and_newest_first() {
        let mut history = History::default();
        for at in 0..limits::SWARM_HISTORY as u64 + 5 {
            history.push(at, Past::Task { content: at.to_string() });
        }
        let shown = history.newest(usize::MAX);
        assert_eq!(shown.len(), limits::SWARM_HISTORY);
        assert_eq!(
            shown[0],
            json!({"type": "task", "content": "1004", "timestamp": "1970-01-01T00:00:01.004000Z"})
        );
        assert_eq!(history.newest(3).len(), 3);
        for _ in 0..50 {
            history.push(
                0,
                Past::Incoming { from: "b".into(), content: "\u{e4}".repeat(limits::SWARM_HISTORY_TEXT) },
            );
        }
        assert!(history.0.bytes <= limits::SWARM_HISTORY_BYTES && history.0.entries.len() >= 3);
        let newest = &history.newest(1)[0];
        assert_eq!(newest["truncated"], true);
        assert_eq!(newest["content"].as_str().map(str::len), Some(limits::SWARM_HISTORY_TEXT));
        assert_eq!((&newest["from"], &newest["message_type"]), (&json!("b"), &json!("direct")));
        history.push(0, Past::Outgoing { to: "all".into(), sort: Sort::Broadcast, content: "x".into() });
        assert_eq!(
            history.newest(1)[0],
            json!({"type": "outgoing", "content": "x", "to": "all", "message_type": "broadcast",
                   "timestamp": "1970-01-01T00:00:00.000000Z"})
        );
    }

    #[test]
    fn a_conversation_is_bounded_and_oldest_first() {
        let mut conversation = Conversation::default();
        conversation.begin();
        conversation.push(0, Role::User, "hello");
        conversation.begin();
        conversation.push(1, Role::Assistant, "hi");
        let shown = conversation.newest(10);
        assert_eq!(
            shown[0],
            json!({"session_id": "session-1", "timestamp": "1970-01-01T00:00:00.000000Z", "role": "user",
                   "content": "hello"})
        );
        assert_eq!((&shown[1]["session_id"], &shown[1]["role"]), (&json!("session-2"), &json!("assistant")));
        for _ in 0..2_000 {
            conversation.push(1, Role::System, &"x".repeat(4_000));
        }
        assert!(conversation.lines.bytes <= limits::SWARM_HISTORY_BYTES);
        conversation.push(1, Role::System, &"x".repeat(limits::SWARM_HISTORY_TEXT * 9));
        assert!(conversation.lines.bytes <= limits::SWARM_HISTORY_BYTES);
    }

    #[test]
    fn the_message_log_is_bounded_over_all_swarms_and_shows_beginnings_only() {
        let mut log = MessageLog::default();
        log.push(0, "s", "a", &["b"], Sort::Direct, &"\u{1f600}".repeat(500));
        log.push(1, "s", "a", &["b", "c"], Sort::Broadcast, "x");
        log.push(2, "other", "a", &["b"], Sort::Ask, "x");
        let shown = log.newest("s", 10);
        assert_eq!(shown.len(), 2);
        assert_eq!((&shown[0]["to"], &shown[0]["type"]), (&json!(["b", "c"]), &json!("broadcast")));
        assert_eq!((&shown[1]["to"], &shown[1]["type"]), (&json!("b"), &json!("direct")));
        assert_eq!(shown[1]["content_preview"].as_str().map(|text| text.chars().count()), Some(100));
        for at in 0..limits::SWARM_MESSAGE_LOG as u64 {
            log.push(at, "loud", "a", &["b"], Sort::Direct, "x");
        }
        assert!(log.newest("s", 10).is_empty() && log.0.len() == limits::SWARM_MESSAGE_LOG);
        log.forget("loud");
        assert!(log.0.is_empty());
    }
}
