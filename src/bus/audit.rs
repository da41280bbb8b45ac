//! What was typed where, by whom, and who was turned away: the newest entries, in memory.
//!
//! A text is never kept, only its length and a keyed hash: the key is random and lives as long as
//! the process, so equal texts can be matched within one run and guessed in none (spec agentmux
//! E.7 used a fixed key). Refusals have a ring of their own and a rate, so that a flood of them can
//! neither push the injects out nor cost more than it does.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use hmac_sha256::HMAC;
use serde_json::{Value, json};

use super::sanitise;
use crate::{agent, limits, wire::secret::Secret};

/// One inject, whether it was typed or not.
#[derive(Debug, Clone)]
pub struct Entry {
    /// unix ms
    pub timestamp: u64,
    /// as the sender gave it
    pub source_agent: Option<String>,
    /// as the sender gave it
    pub target_agent: String,
    /// empty where none was found
    pub block_id: String,
    /// 16 hex digits
    pub message_hash: String,
    /// bytes after the sanitiser
    pub message_length: usize,
    /// what the sender was told went wrong; `None`: typed or queued
    pub error: Option<String>,
    /// given or made
    pub request_id: String,
    /// who the caller was admitted as
    pub caller: String,
}

impl Entry {
    /// As AgentMux prints it, and `caller`.
    pub fn to_json(&self) -> Value {
        let mut value = json!({
            "timestamp": self.timestamp,
            "target_agent": self.target_agent,
            "block_id": self.block_id,
            "message_hash": self.message_hash,
            "message_length": self.message_length,
            "success": self.error.is_none(),
            "request_id": self.request_id,
            "caller": self.caller,
        });
        if let Some(map) = value.as_object_mut() {
            let optional = [("source_agent", &self.source_agent), ("error_message", &self.error)];
            for (name, text) in optional {
                if let Some(text) = text {
                    map.insert(name.to_owned(), json!(text));
                }
            }
        }
        value
    }
}

/// One request that was turned away.
#[derive(Debug, Clone)]
pub struct Refused {
    /// unix ms
    pub timestamp: u64,
    /// HTTP status
    pub status: u16,
    /// stable code
    pub code: &'static str,
    /// method and path, never the query
    pub request: String,
    /// address and port
    pub peer: String,
    /// process, where the kernel told
    pub pid: Option<u32>,
    /// user, where the kernel told
    pub uid: Option<u32>,
    /// refusals before this one that were counted and not written
    pub unwritten_before: u64,
}

impl Refused {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "timestamp": self.timestamp,
            "status": self.status,
            "code": self.code,
            "request": self.request,
            "peer": self.peer,
            "pid": self.pid,
            "uid": self.uid,
            "unwritten_before": self.unwritten_before,
        })
    }
}

/// The newest entries.
pub struct Audit {
    key: Secret,
    injects: VecDeque<Entry>,
    refusals: VecDeque<Refused>,
}

impl Audit {
    /// An empty audit whose hashes are keyed with `key`.
    pub fn new(key: Secret) -> Self {
        Self { key, injects: VecDeque::new(), refusals: VecDeque::new() }
    }

    /// The keyed hash of a text.
    pub fn hash(&self, text: &str) -> String {
        let mac = HMAC::mac(text.as_bytes(), self.key.expose());
        mac.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes an inject down.
    pub fn record(&mut self, mut entry: Entry) {
        keepable(&mut entry.target_agent);
        keepable(&mut entry.request_id);
        if let Some(source) = &mut entry.source_agent {
            keepable(source);
        }
        if let Some(error) = &mut entry.error {
            keepable(error);
        }
        push(&mut self.injects, entry);
    }

    /// Writes a refusal down.
    pub fn record_refusal(&mut self, mut refused: Refused) {
        keepable(&mut refused.request);
        push(&mut self.refusals, refused);
    }

    /// The newest injects, newest first.
    pub fn newest(&self, limit: usize) -> impl Iterator<Item = &Entry> {
        self.injects.iter().rev().take(limit)
    }

    /// The newest refusals, newest first.
    pub fn newest_refusals(&self, limit: usize) -> impl Iterator<Item = &Refused> {
        self.refusals.iter().rev().take(limit)
    }
}

/// How often refusals are written down. Without a lock, because anybody can cause refusals: threads
/// that wait for each other are busy ones, and nobody could be evicted for a better caller.
#[derive(Debug, Default)]
pub struct RefusalRate {
    /// a second of the monotonic clock, and in the low eight bits how many were written in it
    written: AtomicU64,
    unwritten: AtomicU64,
}

impl RefusalRate {
    /// Whether a refusal may be written now. One that may not is counted. Asked before the peer is
    /// looked up, because that costs.
    #[must_use]
    pub fn take(&self, now_monotonic: u64) -> bool {
        let next = |written: u64| {
            let second = (written >> 8).max(now_monotonic / 1_000);
            let used = if written >> 8 == second { written & 0xff } else { 0 };
            (used < u64::from(limits::AUDIT_REFUSALS_PER_SECOND)).then_some(second << 8 | (used + 1))
        };
        let free = self.written.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok();
        if !free {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// How many were counted and not written, for the one that is written now.
    pub fn take_unwritten(&self) -> u64 {
        self.unwritten.swap(0, Ordering::Relaxed)
    }
}

fn push<T>(ring: &mut VecDeque<T>, entry: T) {
    while ring.len() >= limits::AUDIT_ENTRIES {
        ring.pop_front();
    }
    ring.push_back(entry);
}

/// Makes a caller's text fit to be kept: no agent token is in it, and it is short.
fn keepable(text: &mut String) {
    *text = agent::redacted(text);
    sanitise::cut(text, limits::AUDIT_TEXT);
    text.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit() -> Audit {
        Audit::new(Secret::new(vec![7; 32]))
    }

    fn entry(request_id: &str) -> Entry {
        Entry {
            timestamp: 1,
            source_agent: None,
            target_agent: "a".to_owned(),
            block_id: String::new(),
            message_hash: String::new(),
            message_length: 0,
            error: None,
            request_id: request_id.to_owned(),
            caller: "owner".to_owned(),
        }
    }

    fn refused() -> Refused {
        Refused {
            timestamp: 1,
            status: 401,
            code: "unauthorized",
            request: "GET /".to_owned(),
            peer: "127.0.0.1:1".to_owned(),
            pid: None,
            uid: None,
            unwritten_before: 0,
        }
    }

    #[test]
    fn the_audit_keeps_the_newest_entries() {
        let mut audit = audit();
        for n in 0..limits::AUDIT_ENTRIES + 5 {
            audit.record(entry(&format!("req-{n}")));
        }
        let newest: Vec<&str> = audit.newest(usize::MAX).map(|e| e.request_id.as_str()).collect();
        assert_eq!(newest.len(), limits::AUDIT_ENTRIES);
        assert_eq!((newest[0], newest[limits::AUDIT_ENTRIES - 1]), ("req-1004", "req-5"));
        assert_eq!(audit.newest(0).count(), 0);
    }

    #[test]
    fn the_hash_depends_on_the_text_and_on_a_key_of_this_launch() {
        let (one, other) = (audit(), Audit::new(Secret::new(vec![8; 32])));
        assert_eq!(one.hash("yes"), one.hash("yes"));
        assert_ne!(one.hash("yes"), one.hash("no"));
        assert_ne!(one.hash("yes"), other.hash("yes"));
        let hash = one.hash("yes");
        assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn an_audit_entrys_texts_are_bounded() {
        let mut audit = audit();
        let mut long = entry(&"é".repeat(40_000));
        long.source_agent = Some("s".repeat(60_000));
        long.target_agent = "t".repeat(60_000);
        long.error = Some("e".repeat(60_000));
        audit.record(long);
        let kept = audit.newest(1).next().expect("the entry");
        for text in [&kept.request_id, &kept.target_agent] {
            assert!(text.len() <= limits::AUDIT_TEXT && text.capacity() <= 2 * limits::AUDIT_TEXT);
        }
        for text in [&kept.source_agent, &kept.error].into_iter().flatten() {
            assert_eq!(text.len(), limits::AUDIT_TEXT);
        }
    }

    #[test]
    fn no_agent_token_is_kept_in_the_audit() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        let mut audit = audit();
        let mut told = entry(&token);
        told.source_agent = Some(format!("é {token}"));
        told.target_agent = token.clone();
        told.error = Some(format!("invalid agent ID: {}{token}", "x".repeat(limits::AUDIT_TEXT - 40)));
        audit.record(told);
        let mut refused = refused();
        refused.request = format!("GET /api/v1/agents/{token}");
        audit.record_refusal(refused);
        let entries =
            audit.newest(1).map(Entry::to_json).chain(audit.newest_refusals(1).map(Refused::to_json));
        let shown: Vec<String> = entries.map(|entry| entry.to_string()).collect();
        assert!(shown.iter().all(|text| !text.contains("lga_0")), "{shown:?}");
        assert!(shown.iter().all(|text| text.contains("[agent token]")), "{shown:?}");
        assert_eq!(audit.newest(1).next().and_then(|e| e.source_agent.as_deref()), Some("é [agent token]"));
    }

    #[test]
    fn refusals_are_audited_at_a_bounded_rate() {
        let rate = RefusalRate::default();
        let written = (0..1_000).filter(|now| rate.take(*now)).count();
        assert_eq!(written, limits::AUDIT_REFUSALS_PER_SECOND as usize);
        assert!(rate.take(1_000));
        assert_eq!((rate.take_unwritten(), rate.take_unwritten()), (990, 0));
    }

    #[test]
    fn refusals_do_not_push_injects_out() {
        let mut audit = audit();
        audit.record(entry("kept"));
        for _ in 0..10_000 {
            audit.record_refusal(refused());
        }
        assert_eq!(audit.newest_refusals(usize::MAX).count(), limits::AUDIT_ENTRIES);
        assert_eq!(audit.newest(1).next().map(|e| e.request_id.as_str()), Some("kept"));
    }
}
