//! What waits for a terminal, and what is asked: from the sender's request to the program that reads.

use serde_json::json;

use super::*;
use crate::{limits, wire::clock::Clock};

const SEND: &str = "/api/v1/self/send";
const ASK: &str = "/api/v1/self/ask";
const QUEUE_FULL: Delivery = Delivery::Failed("failed to send input: queue full");

impl Instance {
    /// What the thread "mail" does, some times, with time between.
    fn drains(&self, rounds: usize) {
        for _ in 0..rounds {
            self.clock.advance(1_000);
            self.app.drain();
        }
    }

    fn is(&self, name: &str, state: State) {
        self.table.with(name, |row| row.record.state = state);
    }

    /// Tells what became of the text that has waited longest in a terminal's queue.
    fn settles(&self, name: &str, delivery: Delivery) {
        let tell = self.table.with(name, |row| row.queued.remove(0)).expect("there is one");
        tell.send(delivery).expect("somebody waits");
    }

    fn sends(&self, to: &str, text: &str) -> Value {
        self.post(SEND, &token("first"), &json!({"to": to, "text": text, "id": text})).body
    }
}

fn pair() -> Instance {
    Instance::new().with_agent("first", &[]).with_agent("second", &["first"])
}

#[test]
fn what_waited_for_an_agent_is_typed_once_when_it_runs_and_is_quiet() {
    let instance = Instance::new().with_agent("first", &[]);
    for text in ["one", "two"] {
        let body = json!({"text": text});
        assert_eq!(instance.post("/api/v1/agents/later/send", OWNER, &body).body["outcome"], "waiting");
    }
    instance.drains(3);
    let instance = instance.with_agent("later", &["owner"]);
    instance.table.with("later", |row| row.record.started_at = instance.clock.unix_ms());
    instance.drains(3);
    assert_eq!(instance.table.typed("later"), [""; 0], "it has only just begun");
    instance.is("later", State::WaitingInput);
    instance.drains(4);
    assert_eq!(instance.table.typed("later"), ["@owner: one", "@owner: two"]);
    assert_eq!(instance.app.bus.mail.waiting_in_all().0, 0);
}

#[test]
fn an_agent_that_is_never_quiet_is_typed_at_after_ten_seconds() {
    let instance = Instance::new().with_agent("busy", &["owner"]);
    instance.table.with("busy", |row| row.delivery = QUEUE_FULL);
    instance.post("/api/v1/agents/busy/send", OWNER, &json!({"text": "x"}));
    instance.table.with("busy", |row| {
        row.delivery = Delivery::Delivered;
        row.record.started_at = instance.clock.unix_ms();
    });
    instance.drains(9);
    assert!(instance.table.typed("busy").is_empty());
    instance.drains(1);
    assert_eq!(instance.table.typed("busy").len(), 1);
}

/// An agent that may type somewhere could else keep the owner from typing there for ever.
#[test]
fn an_agents_urgent_messages_do_not_keep_the_owners_back() {
    let instance = Instance::new().with_agent("first", &[]).with_agent("second", &["first", "owner"]);
    let flood = || {
        for _ in 0..20 {
            let body = json!({"to": "second", "text": "flood", "priority": "urgent"});
            instance.post(SEND, &token("first"), &body);
        }
    };
    let owner = |text: &str| instance.post("/api/v1/agents/second/send", OWNER, &json!({"text": text})).body;
    instance.table.with("second", |row| row.delivery = QUEUE_FULL);
    flood();
    assert_eq!(owner("one")["outcome"], "waiting");
    instance.table.with("second", |row| row.delivery = Delivery::Delivered);
    instance.is("second", State::WaitingInput);
    instance.drains(3);
    assert_eq!(instance.table.typed("second")[0], "[redelivered] @owner: one");
    assert_eq!(owner("two")["outcome"], "delivered", "though an agent's wait");
}

#[test]
fn what_waits_is_typed_only_where_its_sender_is_accepted() {
    let instance = Instance::new().with_agent("first", &[]).with_agent("third", &["owner"]);
    instance.sends("third", "from an agent");
    instance.is("third", State::WaitingInput);
    instance.drains(15);
    assert!(instance.table.typed("third").is_empty());
    assert_eq!(instance.app.bus.mail.waiting_in_all().0, 1);
}

#[test]
fn a_text_that_its_terminal_does_not_take_waits_and_is_typed_later_marked_in_order() {
    let instance = pair();
    instance.table.with("second", |row| row.delivery = QUEUE_FULL);
    assert_eq!(instance.sends("second", "one")["outcome"], "waiting");
    instance.table.with("second", |row| row.delivery = Delivery::Delivered);
    assert_eq!(instance.sends("second", "two")["outcome"], "waiting", "not before the first");
    instance.is("second", State::WaitingInput);
    instance.drains(5);
    assert_eq!(instance.table.typed("second"), ["[redelivered] @first: one", "@first: two"]);
    assert_eq!(instance.sends("second", "three")["outcome"], "delivered");
}

#[test]
fn a_text_in_a_terminals_queue_is_delivered_when_it_is_written_and_waits_again_when_it_is_not() {
    let instance = pair();
    instance.table.with("second", |row| row.delivery = Delivery::Queued);
    let sent = instance.sends("second", "one");
    assert_eq!((&sent["outcome"], &sent["state"]), (&json!("queued"), &json!("delivering")));
    instance.drains(1);
    assert_eq!(instance.sends("second", "one")["outcome"], "queued", "nothing is known of it yet");
    instance.settles("second", Delivery::Failed("controller is not running"));
    instance.is("second", State::WaitingInput);
    instance.drains(3);
    assert_eq!(instance.table.typed("second"), ["@first: one", "[redelivered] @first: one"]);
    instance.settles("second", Delivery::Delivered);
    instance.drains(5);
    assert_eq!(instance.sends("second", "one")["outcome"], "delivered");
    assert_eq!(instance.table.typed("second").len(), 2);
    assert_eq!(instance.app.bus.mail.waiting_in_all().0, 0);
}

#[test]
fn messages_in_terminals_queues_are_bounded() {
    let instance = Instance::new().with_agent("one", &["owner"]).with_agent("two", &["owner"]);
    let send = |to: &str| {
        instance.post(&format!("/api/v1/agents/{to}/send"), OWNER, &json!({"text": "x"})).body["outcome"]
            .clone()
    };
    for to in ["one", "two"] {
        instance.table.with(to, |row| row.delivery = Delivery::Queued);
    }
    for _ in 0..limits::TYPING_UNDERWAY / 2 {
        instance.clock.advance(250);
        assert_eq!([send("one"), send("two")], ["queued", "queued"]);
    }
    assert_eq!(send("one"), "waiting");
}

#[test]
fn an_agent_that_ends_while_it_is_typed_at_loses_nothing() {
    let instance = pair();
    instance.table.with("second", |row| row.delivery = Delivery::Queued);
    instance.sends("second", "one");
    instance.table.with("second", |row| row.queued.clear());
    instance.table.ends("second");
    instance.drains(2);
    assert_eq!(instance.app.bus.mail.waiting(&AgentId::parse("second").expect("an id")), 1);
    let inbox =
        instance.app.bus.mail.look(&AgentId::parse("second").expect("an id"), 0, 10, 1_000).expect("a look");
    assert!(inbox.messages[0].redelivered);
}

/// Asks as `first`, and meanwhile does `answer`.
fn asks(instance: &Instance, body: &Value, answer: impl FnOnce() + Send) -> Answer {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| instance.post(ASK, &token("first"), body));
        // The question is there before it is answered.
        while instance.app.bus.mail.waiting_in_all().0 == 0 {
            std::thread::yield_now();
        }
        answer();
        asked.join().expect("no panic")
    })
}

fn replies(instance: &Instance, as_: &str, fields: Value) -> Value {
    let mut body = json!({"to": "first", "text": "{\"sum\": 3}"});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    instance.post(SEND, &token(as_), &body).body
}

#[test]
fn who_asks_is_told_the_answer_of_the_one_who_was_asked() {
    let instance =
        Instance::new().with_agent("first", &[]).with_agent("second", &[]).with_agent("third", &[]);
    let body =
        json!({"to": "second", "text": "1 + 2?", "id": "q", "correlation_id": "c1", "timeout_ms": 60_000});
    let answer = asks(&instance, &body, || {
        assert_eq!(
            replies(&instance, "third", json!({"in_reply_to": "q"}))["outcome"],
            "waiting",
            "nobody asked him"
        );
        assert_eq!(replies(&instance, "second", json!({"in_reply_to": "other"}))["outcome"], "waiting");
        assert_eq!(replies(&instance, "second", json!({"correlation_id": "c1"}))["outcome"], "queued");
    });
    assert_eq!(answer.status, 200);
    let fields = ["ok", "result", "error", "timeout", "correlation_id"].map(|name| answer.body[name].clone());
    assert_eq!(fields, [json!(true), json!({"sum": 3}), Value::Null, json!(false), json!("c1")]);
    let first = AgentId::parse("first").expect("an id");
    assert_eq!(instance.app.bus.mail.waiting(&first), 2, "the answer is not in the mailbox, the others are");
}

#[test]
fn an_answer_that_comes_too_late_waits_in_the_askers_mailbox() {
    let instance = pair();
    let body = json!({"to": "second", "text": "?", "id": "q", "timeout_ms": 1});
    let answer = instance.post(ASK, &token("first"), &body).body;
    assert_eq!(
        (&answer["ok"], &answer["timeout"], &answer["error"]["code"]),
        (&json!(false), &json!(true), &json!("timeout"))
    );
    assert_eq!(replies(&instance, "second", json!({"in_reply_to": "q"}))["outcome"], "waiting");
    assert_eq!(instance.table.typed("second"), ["[ask q] @first: ?"], "so that it can be answered");
}

#[test]
fn a_question_to_nobody_is_not_sent() {
    let instance = Instance::new().with_agent("first", &[]);
    let answer = instance.post(ASK, &token("first"), &json!({"to": "nobody", "text": "?"}));
    assert_eq!((answer.status, &answer.body["error"]["code"]), (200, &json!("target_not_found")));
    assert_eq!(
        (&answer.body["error"]["type"], &answer.body["duration_ms"]),
        (&json!("permanent"), &json!(0))
    );
    assert_eq!(instance.app.bus.mail.waiting_in_all().0, 0);
    for bad in [json!("."), json!("a/b"), json!("")] {
        let body = json!({"to": "first", "text": "?", "correlation_id": bad});
        assert_eq!(instance.post(ASK, &token("first"), &body).status, 400, "{bad}");
    }
}
