//! Mail: what waits, how it is read and acknowledged, and how it is looked at.

use serde_json::json;

use super::*;
use crate::{limits, wire::clock::Clock};

const INBOX: &str = "/api/v1/self/inbox";
const ACK: &str = "/api/v1/self/ack";

fn send(instance: &Instance, to: &str, body: Value) -> Value {
    let answer = instance.post(&format!("/api/v1/agents/{to}/send"), OWNER, &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn texts(answer: &Answer) -> Vec<&str> {
    let list = answer.body["messages"].as_array().expect("a list");
    list.iter().map(|message| message["text"].as_str().expect("a text")).collect()
}

#[test]
fn an_agent_reads_its_mail_by_its_cursor_until_it_acknowledges() {
    let instance = Instance::new().with_agent("first", &[]).with_agent("second", &[]);
    send(&instance, "first", json!({"text": "one", "id": "m1"}));
    send(
        &instance,
        "first",
        json!({"text": "two", "id": "m2", "priority": "urgent", "correlation_id": "c",
                                    "in_reply_to": "m0", "ttl_ms": 60_000}),
    );
    send(&instance, "second", json!({"text": "another's"}));
    let read = |query: &str| instance.get(&format!("{INBOX}{query}"), &token("first"));

    let first = read("");
    assert_eq!((first.status, texts(&first)), (200, vec!["two", "one"]), "the urgent one first");
    assert_eq!((&first.body["agent"], &first.body["cursor"]), (&json!("first"), &json!(2)));
    let now = instance.clock.unix_ms();
    let number = &first.body["messages"][0]["number"];
    assert_eq!(
        first.body["messages"][0],
        json!({"id": "m2", "number": number, "from": "owner", "caller": "owner", "to": "first", "type": "reply",
               "text": "two", "priority": "urgent", "sent_at": now, "expires_at": now + 60_000,
               "state": "delivering", "position": 1, "correlation_id": "c", "in_reply_to": "m0"})
    );
    assert_eq!(texts(&read("?after=2")), Vec::<&str>::new());
    assert_eq!(read("?after=2").body["cursor"], 2, "a cursor never falls back");
    let again = read("");
    assert_eq!(texts(&again), ["two", "one"], "unacknowledged, they come again");
    assert_eq!(again.body["messages"][0]["redelivered"], true);
    assert_eq!(texts(&read("?after=1")), ["one"]);

    let ack = |body: Value| instance.post(ACK, &token("first"), &body);
    assert_eq!(ack(json!({"through": 1})).body, json!({"acked": 1}));
    assert_eq!(texts(&read("")), ["one"]);
    assert_eq!(ack(json!({"ids": ["m1", "unknown"]})).body, json!({"acked": 1}));
    assert_eq!(ack(json!({"ids": ["m1"]})).body, json!({"acked": 0}));
    assert!(texts(&read("")).is_empty());
    let read = &instance.get("/api/v1/messages/m1", OWNER).body["messages"][0];
    assert_eq!(read["state"], "read");
    assert_eq!(read.get("redelivered"), None, "it comes to nobody again");
    let second = instance.get(INBOX, &token("second"));
    assert_eq!(texts(&second), ["another's"], "nobody else's mail was touched");
}

#[test]
fn an_acknowledgement_says_which_in_one_way() {
    let instance = Instance::new().with_agent("first", &[]);
    for (body, field) in [
        (json!({}), "through"),
        (json!({"through": 1, "ids": ["a"]}), "ids"),
        (json!({"through": 1, "numbers": [1]}), "ids"),
        (json!({"numbers": [1], "ids": ["a"]}), "numbers"),
        (json!({"numbers": [-1]}), "numbers"),
        (json!({"numbers": [1.5]}), "numbers"),
        (json!({"through": 1.0}), "through"),
        (json!({"through": -1}), "through"),
        (json!({"through": "1"}), "through"),
        (json!({"ids": "a"}), "ids"),
        (json!({"ids": [1]}), "ids"),
    ] {
        let answer = instance.post(ACK, &token("first"), &body);
        assert_eq!((answer.status, &answer.body["field"]), (400, &json!(field)), "{body}");
    }
}

#[test]
fn an_answer_that_nobody_took_comes_again_marked() {
    let instance = Instance::new().with_agent("first", &[]);
    send(&instance, "first", json!({"text": "one"}));
    let head = format!("GET {INBOX} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{}\r\n", token("first"));
    let head = Head::parse(head.as_bytes()).expect("a head");
    let mut conn = instance.conn();
    let Decision::Admit { ticket, .. } = instance.app.decide(&mut conn, &head) else { panic!("admitted") };
    let Reply::Told(response, told) =
        instance.app.handle(&mut conn, &ticket, &head, b"", &Peer::new(&|| false))
    else {
        panic!("somebody is to be told")
    };
    assert_eq!(texts(&Answer::of(&response)), ["one"]);
    let meanwhile = instance.get(INBOX, &token("first"));
    assert!(texts(&meanwhile).is_empty(), "it is on its way to another request");
    told(false);
    let again = instance.get(INBOX, &token("first"));
    assert_eq!((texts(&again), &again.body["messages"][0]["redelivered"]), (vec!["one"], &json!(true)));
}

#[test]
fn a_head_request_hands_nothing_out() {
    let instance = Instance::new().with_agent("first", &[]);
    send(&instance, "first", json!({"text": "one"}));
    let answer = instance.ask("HEAD", &format!("{INBOX}?wait=20000"), &token("first"), b"");
    assert_eq!(answer.status, 200);
    let read = instance.get(INBOX, &token("first"));
    assert_eq!((texts(&read), read.body["messages"][0].get("redelivered")), (vec!["one"], None));
}

#[test]
fn a_waiting_reader_has_a_message_as_soon_as_it_is_there() {
    let instance = Instance::new().with_agent("first", &[]);
    std::thread::scope(|scope| {
        let own = scope.spawn(|| instance.get(&format!("{INBOX}?wait=25000"), &token("first")));
        let owner = scope.spawn(|| instance.get("/api/v1/agents/later/inbox?wait=25000", OWNER));
        send(&instance, "first", json!({"text": "one"}));
        send(&instance, "later", json!({"text": "two"}));
        assert_eq!(texts(&own.join().expect("no panic")), ["one"]);
        assert_eq!(texts(&owner.join().expect("no panic")), ["two"]);
    });
}

#[test]
fn a_look_is_not_answered_by_what_was_seen_before() {
    let instance = Instance::new();
    send(&instance, "later", json!({"text": "one"}));
    let next = instance.get("/api/v1/agents/later/inbox", OWNER).body["next"].clone();
    let target = format!("/api/v1/agents/later/inbox?after={next}&wait=25000");
    std::thread::scope(|scope| {
        let look = scope.spawn(|| instance.get(&target, OWNER));
        send(&instance, "later", json!({"text": "two"}));
        assert_eq!(texts(&look.join().expect("no panic")), ["two"]);
    });
}

#[test]
fn a_reader_that_is_gone_waits_no_longer_and_takes_nothing() {
    let instance = Instance::new().with_agent("first", &[]);
    let ask = |target: &str, headers: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{headers}\r\n");
        let head = Head::parse(head.as_bytes()).expect("a head");
        let mut conn = instance.conn();
        let Decision::Admit { ticket, .. } = instance.app.decide(&mut conn, &head) else {
            panic!("admitted")
        };
        drop(instance.app.handle(&mut conn, &ticket, &head, b"", &Peer::new(&|| true)));
    };
    // Each would last 25 s.
    for _ in 0..2 {
        ask(&format!("{INBOX}?wait=25000"), &token("first"));
        ask("/api/v1/agents/first/inbox?wait=25000", OWNER);
    }
}

#[test]
fn an_agent_that_reads_in_all_its_places_is_told_so() {
    let instance = Instance::new().with_agent("first", &[]).with_agent("second", &[]);
    let first = AgentId::parse("first").expect("valid");
    let taken: Vec<_> =
        (0..limits::AGENT_WAITERS).map(|_| instance.app.waiters.enter_agent(&first)).collect();
    let answer = instance.get(INBOX, &token("first"));
    assert_eq!((answer.status, answer.code()), (503, "too_many_waiters"));
    assert_eq!(instance.get(INBOX, &token("second")).status, 200);
    drop(taken);
    for _ in 0..2 * limits::AGENT_WAITERS {
        assert_eq!(instance.get(INBOX, &token("first")).status, 200, "places are given back");
    }
}

#[test]
fn a_look_changes_nothing_and_comes_in_pages() {
    let instance = Instance::new().with_agent("first", &[]);
    for n in 0..5 {
        send(
            &instance,
            "first",
            json!({"text": n.to_string(), "priority": if n == 4 { "urgent" } else { "normal" }}),
        );
    }
    let look = |query: &str| instance.get(&format!("/api/v1/agents/first/inbox{query}"), OWNER);
    let page = look("?limit=3");
    assert_eq!((texts(&page), &page.body["more"]), (vec!["0", "1", "2"], &json!(true)), "as they came");
    assert_eq!(page.body["agent"], "first");
    let rest = look(&format!("?limit=3&after={}", page.body["next"]));
    assert_eq!((texts(&rest), &rest.body["more"]), (vec!["3", "4"], &json!(false)));
    assert_eq!(look("?limit=3").body, page.body);
    assert_eq!(texts(&look("?limit=0")), Vec::<&str>::new());
    let read = instance.get(INBOX, &token("first"));
    assert!(read.body["messages"][0].get("redelivered").is_none(), "a look is no reading");
    let nobody = instance.get("/api/v1/agents/nobody/inbox", OWNER);
    assert_eq!((nobody.status, texts(&nobody).len()), (200, 0));
    for junk in ["limit=x", "after=-1", "wait=1s", "after=1&after=2"] {
        let answer = look(&format!("?{junk}"));
        assert_eq!((answer.status, answer.code()), (400, "bad_query"), "{junk}");
        let answer = instance.get(&format!("{INBOX}?{junk}"), &token("first"));
        assert_eq!((answer.status, answer.code()), (400, "bad_query"), "{junk}");
    }
    let answer = instance.get("/api/v1/agents/a%20b/inbox", OWNER);
    assert_eq!((answer.status, answer.code()), (400, "bad_agent_id"));
}

#[test]
fn a_page_of_messages_is_bounded_in_number_and_bytes() {
    let instance = Instance::new().with_agent("first", &[]);
    let large = "x".repeat(60_000);
    for _ in 0..limits::MESSAGES_PAGE_BYTES / large.len() + 2 {
        send(&instance, "first", json!({ "text": large }));
    }
    for _ in 0..limits::MESSAGES_PAGE + 1 {
        send(&instance, "many", json!({"text": "x"}));
    }
    let bounded = |answer: &Answer| {
        let list = texts(answer);
        let bytes: usize = list.iter().map(|text| text.len()).sum();
        assert!(
            !list.is_empty() && list.len() <= limits::MESSAGES_PAGE && bytes <= limits::MESSAGES_PAGE_BYTES
        );
    };
    let look = instance.get("/api/v1/agents/first/inbox?limit=500", OWNER);
    bounded(&look);
    assert_eq!(look.body["more"], true);

    bounded(&instance.get(&format!("{INBOX}?limit=9999"), &token("first")));
    let many = instance.get("/api/v1/agents/many/inbox?limit=9999", OWNER);
    assert_eq!((texts(&many).len(), &many.body["more"]), (limits::MESSAGES_PAGE, &json!(true)));
}

#[test]
fn a_message_can_be_asked_for_with_its_history() {
    let instance = Instance::new().with_agent("first", &[]);
    send(&instance, "first", json!({"text": "the words", "id": "a b/ü?"}));
    let show = || instance.get("/api/v1/messages/a%20b%2F%C3%BC%3F", OWNER);
    let found = show();
    assert_eq!((found.status, found.body["messages"].as_array().map(Vec::len)), (200, Some(1)));
    let message = &found.body["messages"][0];
    assert_eq!((&message["state"], &message["size"]), (&json!("accepted"), &json!("the words".len())));
    assert!(message.get("text").is_none() && !found.body.to_string().contains("words"), "without its words");
    let at = instance.clock.unix_ms();
    assert_eq!(message["history"], json!([{"state": "accepted", "at": at}]));
    instance.clock.advance(5);
    instance.get(INBOX, &token("first"));
    let states: Vec<Value> = show().body["messages"][0]["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| step["state"].clone())
        .collect();
    assert_eq!(states, ["accepted", "delivering", "delivered"]);
    for unknown in ["nope", "%ff", "%00"] {
        let answer = instance.get(&format!("/api/v1/messages/{unknown}"), OWNER);
        assert_eq!((answer.status, answer.code()), (404, "message_not_found"), "{unknown}");
    }
}

#[test]
fn what_expired_is_dead_with_its_reason_and_can_be_sent_again() {
    let instance = Instance::new();
    send(&instance, "later", json!({"text": "words", "id": "m1", "ttl_ms": 1_000}));
    assert!(texts(&instance.get("/api/v1/dead", OWNER)).is_empty());
    instance.clock.advance(1_001);
    instance.app.bus.mail.maintain();
    let dead = instance.get("/api/v1/dead?limit=9", OWNER);
    assert_eq!((texts(&dead), &dead.body["more"]), (vec!["words"], &json!(false)));
    assert_eq!(dead.body["messages"][0]["state"], "expired");
    assert!(dead.body["messages"][0]["reason"].is_string());
    assert!(texts(&instance.get(&format!("/api/v1/dead?after={}", dead.body["next"]), OWNER)).is_empty());
    let again = instance.post("/api/v1/messages/m1/redeliver", OWNER, &json!({}));
    assert_eq!((again.status, &again.body["id"], &again.body["to"]), (200, &json!("m1"), &json!("later")));
    assert_eq!(texts(&instance.get("/api/v1/agents/later/inbox", OWNER)), ["words"]);
    assert!(texts(&instance.get("/api/v1/dead", OWNER)).is_empty());
    for (id, status, code) in [("m1", 409, "not_dead"), ("nope", 404, "message_not_found")] {
        let answer = instance.post(&format!("/api/v1/messages/{id}/redeliver"), OWNER, &json!({}));
        assert_eq!((answer.status, answer.code()), (status, code), "{id} is not dead");
    }
}

#[test]
fn mailboxes_are_listed_with_what_waits() {
    let instance = Instance::new().with_agent("first", &[]);
    assert_eq!(instance.get("/api/v1/mailboxes", OWNER).body, json!({"mailboxes": []}));
    for to in ["later", "first", "later"] {
        send(&instance, to, json!({"text": "x"}));
    }
    let expected = json!([{"agent": "first", "waiting": 1}, {"agent": "later", "waiting": 2}]);
    assert_eq!(instance.get("/api/v1/mailboxes", API).body, json!({ "mailboxes": expected }));
    assert_eq!(instance.get("/api/v1/agents/first", OWNER).body["waiting"], 1);
    assert_eq!(instance.get("/api/v1/status", OWNER).body["messages_waiting"], 3);
}

#[test]
fn a_limit_that_refuses_a_message_is_named() {
    let instance = Instance::new().with_agent("first", &[]).with_agent("second", &[]);
    let send = |target: &str, headers: &str, body: Value| {
        instance.clock.advance(1_000);
        instance.post(target, headers, &body)
    };
    let body = json!({"to": "second", "text": "x", "ttl_ms": limits::TTL_MOST_MS});
    for _ in 0..limits::MAILBOX_AGENT {
        assert_eq!(send("/api/v1/self/send", &token("first"), body.clone()).status, 200);
    }
    let full = send("/api/v1/self/send", &token("first"), body.clone());
    assert_eq!((full.status, full.code()), (429, "sender_share_full"));
    assert_eq!(full.body["limit"], limits::MAILBOX_AGENT);
    let target = "/api/v1/agents/second/send";
    for _ in limits::MAILBOX_AGENT..limits::MAILBOX {
        assert_eq!(send(target, OWNER, body.clone()).status, 200, "the owner still has room");
    }
    let full = send(target, OWNER, body);
    assert_eq!(
        (full.status, full.code(), &full.body["limit"]),
        (429, "mailbox_full", &json!(limits::MAILBOX))
    );
}

#[test]
fn one_id_stands_for_one_text() {
    let instance = Instance::new();
    let first = send(&instance, "later", json!({"text": "x", "id": "m1"}));
    assert_eq!((first.get("duplicate"), &first["known"]), (None, &json!(false)));
    let again = send(&instance, "later", json!({"text": "x", "id": "m1"}));
    assert_eq!(again["duplicate"], true);
    let other = instance.post("/api/v1/agents/later/send", OWNER, &json!({"text": "y", "id": "m1"}));
    assert_eq!((other.status, other.code()), (409, "id_reused"));
    assert_eq!(texts(&instance.get("/api/v1/agents/later/inbox", OWNER)), ["x"]);
    for ttl in [json!(0), json!(limits::TTL_LEAST_MS - 1), json!(limits::TTL_MOST_MS + 1), json!("1")] {
        let answer = instance.post("/api/v1/agents/later/send", OWNER, &json!({"text": "y", "ttl_ms": ttl}));
        assert_eq!((answer.status, &answer.body["field"]), (400, &json!("ttl_ms")), "{ttl}");
    }
}
