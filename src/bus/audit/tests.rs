use super::*;
use crate::wire::clock::ManualClock;

pub(super) const TEXT_KEY: [u8; 32] = [7; 32];

fn audit() -> Audit {
    keyed(7)
}

fn keyed(byte: u8) -> Audit {
    Audit::in_memory(Secret::new(vec![byte; 32]), ManualClock::at(1_000))
}

pub(super) fn inject(request_id: &str) -> Inject {
    Inject {
        timestamp: 1,
        source_agent: None,
        target_agent: "a".to_owned(),
        block_id: String::new(),
        message_length: 0,
        error: None,
        request_id: request_id.to_owned(),
        caller: "owner".to_owned(),
        home: None,
        code: None,
    }
}

pub(super) fn refused() -> Refused {
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

fn request_ids(audit: &Audit, limit: usize) -> Vec<String> {
    let newest = audit.newest_injects(limit);
    newest.iter().map(|entry| entry["request_id"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn the_audit_keeps_the_newest_entries() {
    let audit = audit();
    for n in 0..limits::AUDIT_ENTRIES + 5 {
        audit.inject(inject(&format!("req-{n}")), "x", false);
    }
    let newest = request_ids(&audit, usize::MAX);
    assert_eq!(newest.len(), limits::AUDIT_ENTRIES);
    assert_eq!((newest[0].as_str(), newest[limits::AUDIT_ENTRIES - 1].as_str()), ("req-1004", "req-5"));
    assert!(request_ids(&audit, 0).is_empty());
}

#[test]
fn the_hash_depends_on_the_text_and_on_a_key_of_this_launch() {
    let (one, other) = (audit(), keyed(8));
    assert_eq!(one.hash("yes"), one.hash("yes"));
    assert_ne!(one.hash("yes"), one.hash("no"));
    assert_ne!(one.hash("yes"), other.hash("yes"));
    let hash = one.hash("yes");
    assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
    one.inject(inject("r"), "yes", false);
    assert_eq!(one.newest_injects(1)[0]["message_hash"], hash);
}

#[test]
fn an_audit_entrys_texts_are_bounded() {
    let audit = audit();
    let mut long = inject(&"é".repeat(40_000));
    long.source_agent = Some("s".repeat(60_000));
    long.target_agent = "t".repeat(60_000);
    long.block_id = "b".repeat(60_000);
    long.error = Some("e".repeat(60_000));
    audit.inject(long, "x", false);
    let kept = audit.newest_injects(1).remove(0);
    for name in ["request_id", "target_agent", "source_agent", "block_id", "error_message"] {
        assert_eq!(kept[name].as_str().map(str::len), Some(limits::AUDIT_TEXT), "{name}");
    }
    // every byte escaped: the most that an entry takes
    let mut worst = inject(&"\u{1}".repeat(60_000));
    worst.target_agent = "\u{1}".repeat(60_000);
    audit.inject(worst, "x", false);
    assert!(audit.memory().injects.iter().all(|json| json.len() < 6 * 6 * limits::AUDIT_TEXT));
}

#[test]
fn no_agent_token_is_kept_in_the_audit() {
    let token = format!("lga_{}", "0123456789abcdef".repeat(4));
    let audit = audit();
    let mut told = inject(&token);
    told.source_agent = Some(format!("é {token}"));
    told.target_agent = token.clone();
    told.error = Some(format!("invalid agent ID: {}{token}", "x".repeat(limits::AUDIT_TEXT - 40)));
    audit.inject(told, "x", false);
    let message = Message {
        happened: Happened::Accepted,
        caller: "owner".to_owned(),
        from: Some(token.clone()),
        to: token.clone(),
        id: token.clone(),
        kind: "send",
        home: None,
        message_length: 1,
    };
    let message = Entry::Message(message).to_json(1, None);
    let refused = Refused { request: format!("GET /api/v1/agents/{token}"), ..refused() };
    let refused = Entry::Refused(refused).to_json(1, None);
    let mut entries = [audit.newest_injects(1), vec![refused, message]].concat();
    assert_eq!(entries[0]["source_agent"], "é [agent token]");
    for entry in entries.drain(..).map(|entry| entry.to_string()) {
        assert!(!entry.contains("lga_0") && entry.contains("[agent token]"), "{entry}");
    }
}

#[test]
fn no_name_forges_another_entry() {
    let audit = audit();
    let forged = "x\"}\n{\"kind\":\"inject\",\"success\":true,\"\u{2028}\u{7f}";
    audit.inject(Inject { source_agent: Some(forged.to_owned()), ..inject(forged) }, "x", false);
    let memory = audit.memory();
    let line = memory.injects.front().expect("the entry");
    assert!(!line.contains('\n') && line.matches("\"kind\":").count() == 1, "{line}");
    drop(memory);
    assert_eq!(request_ids(&audit, 9), [forged]);
}

#[test]
fn refusals_do_not_push_injects_out() {
    let audit = audit();
    audit.inject(inject("kept"), "x", false);
    for _ in 0..10_000 {
        audit.refused(refused());
    }
    assert_eq!(request_ids(&audit, 1), ["kept"]);
}
