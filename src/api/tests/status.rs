//! What the instance says about itself: status, refusals, exposure.

use serde_json::json;

use super::*;
use crate::{gate::Counters, limits};

#[test]
fn status_counts_agents_connections_and_refusals() {
    let instance = Instance::new().with_agent("a", &[]).with_agent("b", &[]).with_agent("c", &[]);
    instance.table.with("b", |row| row.record.state = State::WaitingInput);
    instance.table.ends("c");
    instance.get("/api/v1/status", "");
    instance.get("/api/v1/status", "");
    instance.get("/nope", OWNER);
    instance.app.malformed(crate::wire::head::HeadError::TooLarge);
    instance.app.refused(408, None);
    instance.clock.advance(1_500);
    let before = instance.get("/api/v1/status", OWNER).body;
    assert_eq!(before["connections"], json!(null), "no gate yet");
    instance.app.show_counters(Arc::new(Counters::default()));
    let status = instance.get("/api/v1/status", OWNER).body;
    assert_eq!(status["agents"], json!({"running": 1, "waiting_input": 1, "done": 1}));
    assert_eq!(
        status["refusals"],
        json!({"credential_missing": 2, "not_found": 1, "head_too_large": 1, "deadline": 1})
    );
    assert_eq!((&status["uptime_ms"], &status["address"]), (&json!(1_500), &json!("127.0.0.1:4000")));
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(
        (&status["instance"], &status["messages_waiting"]),
        (&json!("instance-of-the-tests"), &json!(0))
    );
    assert_eq!(status["connections"]["evicted"], 0);
    let _seat = instance.app.sockets.enter().expect("a descriptor").expect("a place");
    instance.app.sockets.count_ignored();
    let status = instance.get("/api/v1/status", OWNER).body;
    assert_eq!(status["websockets"], json!({"open": 1, "frames_ignored": 1}));
}

#[test]
fn refusals_are_written_with_the_reason_and_the_peer_and_without_the_query() {
    let instance = Instance::new();
    instance.get("/api/v1/agents?authkey=hush", "X-AuthKey: hush\r\n");
    instance.get("/agentmux/reactive/agents", PEER);
    let audit = instance.get("/api/v1/audit", OWNER);
    let entries = &audit.body["entries"];
    assert_eq!(entries.as_array().map(Vec::len), Some(3), "and that the instance began");
    assert_eq!(
        entries[1],
        json!({"n": 2, "kind": "refused", "timestamp": 1_000_000, "status": 401, "code": "credential_wrong", "request": "GET /api/v1/agents",
               "peer": "127.0.0.1:50000", "pid": 4321, "uid": 1000, "unwritten_before": 0})
    );
    assert_eq!((&entries[0]["status"], &entries[0]["code"]), (&json!(403), &json!("forbidden")));
    assert!(!audit.body.to_string().contains("hush"));
}

#[test]
fn a_flood_of_refusals_is_counted_in_full_and_written_at_a_bounded_rate() {
    let instance = Instance::new();
    for _ in 0..500 {
        instance.get("/api/v1/agents", "");
    }
    let audit = instance.get("/api/v1/audit?limit=1000", OWNER);
    let written = audit.body["entries"].as_array().into_iter().flatten();
    let written = written.filter(|entry| entry["kind"] == "refused").count();
    assert_eq!(Some(written), usize::try_from(limits::AUDIT_REFUSALS_PER_SECOND).ok());
    let status = instance.get("/api/v1/status", OWNER);
    assert_eq!(status.body["refusals"]["credential_missing"], 500);
}

#[test]
fn guessing_is_slowed_down_and_the_owner_is_not() {
    let instance = Instance::new();
    let mut statuses = BTreeMap::new();
    for _ in 0..limits::WRONG_CREDENTIALS_BURST + 50 {
        let answer = instance.get("/agentmux/reactive/agents", "X-AuthKey: guess\r\n");
        *statuses.entry(answer.status).or_insert(0) += 1;
        if answer.status == 429 {
            assert!(answer.header("Retry-After").is_some());
        }
    }
    assert_eq!(statuses, BTreeMap::from([(401, limits::WRONG_CREDENTIALS_BURST), (429, 50)]));
    assert_eq!(instance.get("/agentmux/reactive/agents", OWNER).status, 200);
    assert_eq!(instance.get("/agentmux/reactive/agents", "").status, 401, "a missing one costs nothing");
}

#[test]
fn exposure_shows_what_is_open_now() {
    let instance = Instance::new();
    let answer = instance.get("/api/v1/exposure", OWNER);
    assert_eq!(answer.status, 200);
    assert!(answer.body["rows"].is_array() && answer.body["differences"].is_number());
}

/// Threads that wait for a lock are busy: while all are, nobody's connection can be evicted for the
/// owner's next one but that of the owner himself.
#[test]
fn a_flood_of_refusals_waits_for_no_lock() {
    let instance = Instance::new();
    for _ in 0..limits::AUDIT_REFUSALS_PER_SECOND {
        assert_eq!(instance.get("/ws", "").status, 401);
    }
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let held = instance.app.bus.state();
        scope.spawn(|| tell.send(instance.get("/ws", "").status));
        let said = told.recv_timeout(Duration::from_secs(20));
        drop(held);
        assert_eq!(said, Ok(401));
    });
}
