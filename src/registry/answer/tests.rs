use serde_json::json;

use super::*;

const JUNK: Forwarded = Forwarded::Unsure(Unsure::Junk);

fn ours(status: u16, body: &Value) -> Forwarded {
    read(status, body.to_string().as_bytes(), Speaks::Loopgate, "id-1")
}

fn agentmux(status: u16, body: &Value) -> Forwarded {
    read(status, body.to_string().as_bytes(), Speaks::AgentMux, "id-1")
}

fn refused(answer: &Forwarded) -> (&str, &str, bool) {
    match answer {
        Forwarded::Refused { code, sentence, lasting, .. } => (code, sentence, *lasting),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_letter_is_taken_only_by_an_answer_that_says_so_with_its_mark_and_our_id() {
    let good = json!({"success": true, "request_id": "id-1", "timestamp": 1, "outcome": "waiting", "state": "accepted",
                      "duplicate": true, "truncated": true, "instance": "i", "loopgate": 1});
    let there = There { outcome: Some("waiting".into()), duplicate: true, truncated: true, block_id: None };
    assert_eq!(ours(200, &good), Forwarded::Taken { body: good.clone(), there });
    for (field, value) in [
        ("success", json!("true")),
        ("success", json!(1)),
        ("success", Value::Null),
        ("request_id", json!("id-2")),
        ("request_id", Value::Null),
        ("loopgate", Value::Null),
        ("loopgate", json!(2)),
        ("loopgate", json!(true)),
        ("loopgate", json!("1")),
        ("outcome", json!("failed")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        assert_eq!(ours(200, &body), JUNK, "{body}");
        body["success"] = json!(false);
        if !["success", "outcome"].contains(&field) {
            assert_eq!(ours(200, &body), JUNK, "neither is it refused: {body}");
        }
    }
    for status in [199, 300, 302, 307, 400, 402, 418, 500, 503, 0, 999] {
        assert_eq!(ours(status, &good), JUNK, "{status}");
        assert_eq!(agentmux(status, &good), JUNK, "{status}");
    }
}

#[test]
fn agentmux_says_success_and_its_block() {
    let body = json!({"success": true, "request_id": "other", "timestamp": 1, "block_id": "b1", "effective_tier": []});
    let there = There { block_id: Some("b1".into()), ..There::default() };
    assert_eq!(agentmux(200, &body), Forwarded::Taken { body: body.clone(), there });
    let body = json!({"success": false, "request_id": "id-1", "timestamp": 1, "error": "agent not found: a"});
    let answer = agentmux(200, &body);
    assert_eq!(refused(&answer), ("agent_not_found", "agent not found: a", false));
    assert!(matches!(&answer, Forwarded::Refused { body: handed, .. } if *handed == body), "{answer:?}");
    for (error, code, lasting) in [
        ("invalid agent ID: a b", "bad_agent_id", true),
        ("rate limit exceeded", "rate_limited", false),
        ("no controller for block b1", "peer_refused", false),
    ] {
        let answer = agentmux(200, &json!({"success": false, "error": error}));
        assert_eq!(refused(&answer), (code, error, lasting));
    }
}

#[test]
fn what_is_no_answer_leaves_it_open_whether_it_arrived() {
    for body in [
        "",
        "{",
        "<html>no</html>",
        "[]",
        "[{\"success\":true}]",
        "true",
        "null",
        "{\"success\":true",
        "\"x\"",
        "{\"success\":false,\"success\":true}",
        "{\"success\":tru",
        "\u{0}",
        "{}",
    ] {
        for speaks in [Speaks::AgentMux, Speaks::Loopgate] {
            assert_eq!(read(200, body.as_bytes(), speaks, "id-1"), JUNK, "{body:?}");
        }
    }
    assert_eq!(read(200, &[0xff, 0xfe], Speaks::AgentMux, ""), JUNK);
    let deep = ["{\"success\":true,\"a\":", &"[".repeat(60_000)].concat();
    assert_eq!(read(200, deep.as_bytes(), Speaks::AgentMux, ""), JUNK);
}

#[test]
fn a_refusal_is_told_in_the_peers_words_within_bounds() {
    let mut body = json!({"success": false, "request_id": "id-1", "loopgate": 1, "outcome": "failed",
                          "code": "mailbox_full", "error": "mailbox full", "limit": 1000});
    assert_eq!(refused(&ours(200, &body)), ("mailbox_full", "mailbox full", false));
    for (code, lasting) in [
        ("typing_not_allowed", true),
        ("message_too_long", true),
        ("rate_limited", false),
        ("agent_not_found", false),
        ("journal_failed", false),
    ] {
        body["code"] = json!(code);
        assert_eq!(refused(&ours(200, &body)), (code, "mailbox full", lasting));
    }
    for code in [json!("Not A Code"), json!("x".repeat(65)), json!(""), json!(1), json!("a\u{1b}")] {
        body["code"] = code;
        assert_eq!(refused(&ours(200, &body)).0, "peer_refused");
    }
    body["error"] = json!(["\u{1b}[31m\n", &"\u{e9}".repeat(600)].concat());
    let answer = ours(200, &body);
    let (_, sentence, _) = refused(&answer);
    assert!(sentence.len() <= 512 && sentence.starts_with(" [31m \u{e9}"), "{sentence:?}");
    body["error"] = json!("");
    assert_eq!(refused(&ours(200, &body)).1, "the other instance did not say why");
}

#[test]
fn a_letter_that_was_handed_on_and_lost_there_is_not_refused() {
    for (code, unsure) in
        [("peer_silent", Unsure::Silent), ("peer_broke_off", Unsure::Broken), ("x", Unsure::Junk)]
    {
        let body =
            json!({"success": false, "request_id": "id-1", "loopgate": 1, "unsure": true, "code": code});
        assert_eq!(ours(200, &body), Forwarded::Unsure(unsure));
        assert_eq!(agentmux(200, &body), Forwarded::Unsure(unsure));
    }
}

#[test]
fn who_is_turned_away_at_the_door_has_handed_nothing_over() {
    for (status, code, lasting) in [
        (401, "peer_key_refused", false),
        (403, "peer_forbidden", false),
        (404, "peer_forbidden", false),
        (405, "peer_forbidden", false),
        (413, "too_large_to_forward", true),
        (415, "peer_malformed", true),
        (422, "peer_malformed", true),
        (429, "rate_limited", false),
    ] {
        for body in ["", "unauthorized", "<html>"] {
            let answer = read(status, body.as_bytes(), Speaks::AgentMux, "id-1");
            let (found, _, lasts) = refused(&answer);
            assert_eq!((found, lasts), (code, lasting), "{status}");
            assert!(matches!(&answer, Forwarded::Refused { body: Value::Null, .. }), "{status}");
        }
        let body = json!({"success": true, "request_id": "id-1", "loopgate": 1, "code": "a_code", "error": "so it is"});
        assert_eq!(refused(&ours(status, &body)), ("a_code", "so it is", lasting));
    }
}
