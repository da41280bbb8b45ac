//! What callers are told where an agent is another instance's: the HTTP parts of spec agentmux L.54 and
//! L.55, and the messages that are held.

use serde_json::json;

use super::{
    elsewhere::{FAR_HOME, Far, HOME, home, with_far},
    *,
};
use crate::registry::{Forwarded, Found, NotReached, Speaks, There, Unsure};

const INJECT: &str = "/agentmux/reactive/inject";
const OTHER_HOME: &str = "ba9876543210";

fn inject(instance: &Instance, more: Value) -> Value {
    let mut body =
        json!({"target_agent": "far", "message": "hi\r\u{1b}[31m", "request_id": "r1", "source_agent": "me"});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let answer = instance.post(INJECT, OWNER, &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn taken(body: Value, outcome: Option<&str>) -> Forwarded {
    Forwarded::Taken { body, there: There { outcome: outcome.map(str::to_owned), ..There::default() } }
}

fn refused(code: &str, lasting: bool) -> Forwarded {
    let body = json!({"success": false, "request_id": "r1", "error": "its own words", "code": code});
    Forwarded::Refused { body, code: code.to_owned(), sentence: "its own words".to_owned(), lasting }
}

fn with_far_agent(speaks: Speaks) -> (Instance, Arc<Far>) {
    let (instance, far) = with_far();
    far.has("far", speaks);
    (instance, far)
}

fn newest_inject(instance: &Instance) -> Value {
    instance.get("/agentmux/reactive/audit?limit=1", OWNER).body[0].clone()
}

#[test]
fn case_l54_an_inject_for_an_agent_elsewhere_gives_its_instances_body_and_both_write_it_down() {
    for speaks in [Speaks::AgentMux, Speaks::Loopgate] {
        let (a, far) = with_far_agent(speaks);
        let theirs =
            json!({"success": true, "request_id": "r1", "block_id": "b9", "timestamp": 5, "own": [1]});
        far.answers(taken(theirs.clone(), None));
        let mut wanted = theirs;
        for (name, value) in
            [("forwarded", json!(true)), ("outcome", json!("forwarded")), ("home", json!(FAR_HOME))]
        {
            wanted[name] = value;
        }
        assert_eq!(inject(&a, json!({})), wanted);
        let entry = newest_inject(&a);
        assert_eq!((&entry["success"], &entry["home"]), (&json!(true), &json!(FAR_HOME)));

        // The same letter, where it arrives.
        let mut letter = far.letters().remove(0);
        assert_eq!(letter["message"], "hi\r\u{1b}[31m", "as it came, not cleaned");
        assert_eq!((&letter["forward_hops"], &letter["request_id"]), (&json!(1), &json!("r1")));
        assert_eq!(letter.get("loopgate").is_some(), speaks == Speaks::Loopgate);
        if speaks == Speaks::Loopgate {
            letter["loopgate"]["path"] = json!(["another-than-b"]); // all instances of the tests have one id
        }
        let b = Instance::new().with_agent("far", &[]);
        let answer = b.post(INJECT, PEER, &letter);
        assert_eq!((&answer.body["success"], &answer.body["outcome"]), (&json!(true), &json!("delivered")));
        assert_eq!(b.table.typed("far"), ["hi\n"]);
        let entry = newest_inject(&b);
        assert_eq!((&entry["success"], &entry["target_agent"]), (&json!(true), &json!("far")));
        let caller = if speaks == Speaks::Loopgate { format!("owner@{HOME}") } else { "peer".to_owned() };
        assert_eq!(entry["caller"], caller);
    }
}

#[test]
fn case_l54_what_the_other_instance_says_of_an_inject_is_said_here() {
    let (instance, far) = with_far_agent(Speaks::Loopgate);
    for word in ["delivered", "queued"] {
        far.answers(taken(json!({"success": true, "outcome": word}), Some(word)));
        assert_eq!(inject(&instance, json!({}))["outcome"], word);
    }
    far.answers(refused("no_controller", false));
    let answer = inject(&instance, json!({}));
    let wanted = json!({"success": false, "request_id": "r1", "error": "its own words", "code": "no_controller",
                        "forwarded": true, "outcome": "failed", "home": FAR_HOME});
    assert_eq!(answer, wanted);
    assert_eq!(newest_inject(&instance)["success"], false);
}

#[test]
fn case_l55_an_inject_that_is_not_forwarded_is_not_found_and_says_why() {
    let (instance, far) = with_far_agent(Speaks::AgentMux);
    for (forwarded, code, unsure) in [
        (Forwarded::NotReached(NotReached::Gone), "peer_gone", false),
        (Forwarded::NotReached(NotReached::NoConnection), "peer_unreachable", false),
        (Forwarded::NotReached(NotReached::Impostor), "peer_impostor", false),
        (Forwarded::NotReached(NotReached::Busy), "peer_busy", false),
        (Forwarded::NotReached(NotReached::Loop), "forward_loop", false),
        (Forwarded::Unsure(Unsure::Silent), "peer_silent", true),
        (Forwarded::Unsure(Unsure::Junk), "peer_answer", true),
    ] {
        far.answers(forwarded);
        let answer = inject(&instance, json!({}));
        assert_eq!(
            (&answer["success"], &answer["error"]),
            (&json!(false), &json!("agent not found: far")),
            "{code}"
        );
        assert_eq!((&answer["code"], &answer["outcome"]), (&json!(code), &json!("failed")));
        assert_eq!(answer.get("unsure").is_some(), unsure, "{code}");
        assert_eq!(answer.get("forwarded"), None);
        let entry = newest_inject(&instance);
        assert_eq!((&entry["success"], &entry["home"]), (&json!(false), &json!(FAR_HOME)));
        assert_eq!(entry["code"], code, "the audit says what became of it");
    }
    assert_eq!(
        instance.get("/api/v1/mailboxes", OWNER).body,
        json!({"mailboxes": []}),
        "nothing is held unasked"
    );
}

#[test]
fn case_l55_an_entry_that_leads_back_here_is_not_found_and_nothing_is_sent() {
    let (instance, far) = with_far();
    let own = Found::Nobody(Some("entry_own_port"));
    far.found.lock().expect("no panic").insert("far".to_owned(), own);
    let answer = inject(&instance, json!({}));
    assert_eq!(
        (&answer["error"], &answer["code"]),
        (&json!("agent not found: far"), &json!("entry_own_port"))
    );
    assert!(far.letters().is_empty());
}

#[test]
fn a_name_that_several_instances_have_is_refused_with_the_addresses_everywhere() {
    let (instance, far) = with_far();
    let instance = instance.with_agent("first", &[]);
    let several = Found::Several(vec![home(FAR_HOME), home(OTHER_HOME)]);
    far.found.lock().expect("no panic").insert("far".to_owned(), several);
    let sentence = format!("ambiguous agent name: far@{FAR_HOME}, far@{OTHER_HOME}");
    let answer = inject(&instance, json!({"hold": true}));
    assert_eq!((&answer["error"], &answer["code"]), (&json!(sentence), &json!("ambiguous_agent")));
    let me = token("first");
    for (path, credential, body, status) in [
        ("/api/v1/agents/far/send", OWNER, json!({"text": "x"}), 409),
        ("/api/v1/agents/far/send", API, json!({"text": "x", "hold": true}), 409),
        ("/api/v1/self/send", &me, json!({"to": "far", "text": "x"}), 409),
        ("/api/v1/self/ask", &me, json!({"to": "far", "text": "x"}), 409),
        ("/api/bus/send", OWNER, json!({"from": "me", "to": "far", "payload": "x"}), 200),
        ("/api/bus/inject", OWNER, json!({"from": "me", "target": "far", "message": "x"}), 200),
    ] {
        let answer = instance.post(path, credential, &body);
        assert_eq!(
            (answer.status, answer.error(), answer.code()),
            (status, &*sentence, "ambiguous_agent"),
            "{path}"
        );
    }
    assert!(far.letters().is_empty());
    assert_eq!(instance.get("/api/v1/mailboxes", OWNER).body, json!({"mailboxes": []}));
}

#[test]
fn an_address_reaches_its_home_wherever_a_name_is_taken() {
    let (instance, far) = with_far_agent(Speaks::Loopgate);
    let instance = instance.with_agent("first", &[]).with_agent("far", &["owner"]);
    let me = token("first");
    let far_away = format!("far@{FAR_HOME}");
    let here = format!("far@{HOME}");
    for (path, credential, body) in [
        (format!("/api/v1/agents/{far_away}/send"), OWNER, json!({"text": "x"})),
        (format!("/api/v1/agents/far%40{FAR_HOME}/send"), API, json!({"text": "x"})),
        ("/api/v1/self/send".to_owned(), &*me, json!({"to": far_away, "text": "x"})),
        ("/api/v1/self/inject".to_owned(), &me, json!({"to": far_away, "text": "x"})),
        (INJECT.to_owned(), OWNER, json!({"target_agent": far_away, "message": "x"})),
        ("/api/bus/send".to_owned(), OWNER, json!({"from": "me", "to": far_away, "payload": "x"})),
        ("/api/bus/inject".to_owned(), OWNER, json!({"from": "me", "target": far_away, "message": "x"})),
    ] {
        far.answers(taken(json!({"success": true}), None));
        let answer = instance.post(&path, credential, &body);
        assert_eq!(
            (answer.status, &answer.body["outcome"]),
            (200, &json!("forwarded")),
            "{path}: {}",
            answer.body
        );
        assert_eq!(answer.body["home"], FAR_HOME, "{path}");
        assert_eq!((far.letters().len(), instance.table.typed("far").len()), (1, 0), "{path}");
    }
    for (path, body) in [
        (format!("/api/v1/agents/{here}/send"), json!({"text": "x"})),
        (INJECT.to_owned(), json!({"target_agent": here, "message": "x"})),
        ("/api/bus/inject".to_owned(), json!({"from": "me", "target": here, "message": "x"})),
        ("/api/v1/agents/far/send".to_owned(), json!({"text": "x"})),
    ] {
        let before = instance.table.typed("far").len();
        let answer = instance.post(&path, OWNER, &body);
        assert_eq!(answer.body["outcome"], "delivered", "{path}: {}", answer.body);
        assert_eq!(instance.table.typed("far").len(), before + 1, "ours, by its own home or by none");
    }
    assert!(far.letters().is_empty());
    for bad in ["far@", "far@x", "@0123456789ab", "far@0123456789AB", "far@0123456789ab@0123456789ab"] {
        assert_eq!(
            instance.post(&format!("/api/v1/agents/{bad}/send"), OWNER, &json!({"text": "x"})).code(),
            "bad_agent_id"
        );
        assert_eq!(
            instance.post("/api/v1/self/send", &me, &json!({"to": bad, "text": "x"})).code(),
            "wrong_field"
        );
        let answer = instance.post("/api/bus/send", OWNER, &json!({"from": "me", "to": bad, "payload": "x"}));
        assert_eq!(answer.error(), format!("invalid agent ID: {bad}"));
    }
}

#[test]
fn a_message_that_cannot_be_handed_over_is_held_or_refused_as_asked() {
    let (instance, far) = with_far_agent(Speaks::Loopgate);
    let send = |id: &str, hold: Value| {
        instance.post("/api/v1/agents/far/send", OWNER, &json!({"text": "x", "id": id, "hold": hold}))
    };
    let answer = send("m1", json!(null));
    assert_eq!(
        (answer.status, &answer.body["outcome"], &answer.body["state"]),
        (200, &json!("waiting"), &json!("accepted"))
    );
    assert_eq!((&answer.body["held"], answer.code()), (&json!(true), "peer_unreachable"));
    assert!(answer.error().contains("not reached"), "{}", answer.error());
    assert_eq!(instance.get("/api/v1/status", OWNER).body["forwards"]["held"], 1);
    for (forwarded, status, code) in [
        (Forwarded::NotReached(NotReached::NoConnection), 502, "peer_unreachable"),
        (Forwarded::NotReached(NotReached::Busy), 503, "peer_busy"),
        (Forwarded::Unsure(Unsure::Silent), 504, "peer_silent"),
    ] {
        far.answers(forwarded);
        let answer = send(code, json!(false));
        assert_eq!((answer.status, answer.code()), (status, code));
    }
    far.answers(refused("typing_not_allowed", true));
    let answer = instance.post("/api/v1/agents/far/send", API, &json!({"text": "x", "id": "m9"}));
    assert_eq!(
        (answer.status, answer.code()),
        (403, "typing_not_allowed"),
        "what is refused for good is not held"
    );
    for bad in [json!("yes"), json!(1), json!([])] {
        let answer = send("m2", bad);
        assert_eq!((answer.status, &answer.body["field"]), (400, &json!("hold")));
    }
    let known = instance.get("/api/v1/messages/m1", OWNER).body;
    assert_eq!(known["messages"][0]["state"], "accepted");
    assert_eq!((&known["messages"][0]["held"], &known["messages"][0]["home"]), (&json!(true), &json!(null)));
    let addressed = json!({"text": "x", "id": "m8"});
    instance.post("/api/v1/agents/far@00000000000f/send", OWNER, &addressed);
    let known = instance.get("/api/v1/messages/m8", OWNER).body;
    assert_eq!(
        (&known["messages"][0]["held"], &known["messages"][0]["home"]),
        (&json!(true), &json!("00000000000f")),
        "what is held for an address says so"
    );
    let waits = instance.get("/api/v1/agents/far/inbox", OWNER).body;
    let homes: Vec<_> = waits["messages"].as_array().unwrap().iter().map(|it| it["home"].clone()).collect();
    assert!(homes.contains(&json!("00000000000f")), "{waits}");
    let nobody = instance.post("/api/v1/agents/nobody/send", OWNER, &json!({"text": "x"})).body;
    assert_eq!(
        (&nobody["held"], &nobody["code"], &nobody["known"]),
        (&json!(true), &json!("agent_not_found"), &json!(false))
    );
    let answer = instance.post("/api/v1/agents/nobody/send", OWNER, &json!({"text": "x", "hold": false}));
    assert_eq!((answer.status, answer.code()), (404, "agent_not_found"));
}

#[test]
fn an_inject_is_held_only_where_that_is_asked_for() {
    let (instance, far) = with_far_agent(Speaks::Loopgate);
    let answer = inject(&instance, json!({"hold": true}));
    let held = (&answer["success"], &answer["outcome"], &answer["held"], &answer["code"]);
    assert_eq!(held, (&json!(true), &json!("waiting"), &json!(true), &json!("peer_unreachable")));
    let page = instance.get("/api/v1/agents/far/inbox", OWNER).body;
    assert_eq!((&page["messages"][0]["type"], &page["messages"][0]["id"]), (&json!("inject"), &json!("r1")));
    far.answers(Forwarded::NotReached(NotReached::NoConnection));
    assert_eq!(inject(&instance, json!({"hold": false, "request_id": "r2"}))["success"], false);
    let answer = instance.post(
        "/api/bus/inject",
        OWNER,
        &json!({"from": "me", "target": "far", "message": "x", "hold": false}),
    );
    assert_eq!(
        (answer.status, &answer.body["status"], answer.code()),
        (200, &json!("error"), "peer_unreachable")
    );
}

#[test]
fn an_agent_fills_no_mailbox_under_a_name_that_is_nowhere_whatever_it_asks() {
    let (instance, _) = with_far();
    let instance = instance.with_agent("first", &[]);
    let me = token("first");
    for to in ["nobody".to_owned(), format!("nobody@{FAR_HOME}"), format!("nobody@{HOME}")] {
        for hold in [json!(null), json!(true), json!(false)] {
            let answer =
                instance.post("/api/v1/self/send", &me, &json!({"to": to, "text": "x", "hold": hold}));
            assert_eq!((answer.status, answer.code()), (404, "agent_not_found"), "{to} {hold}");
            let answer =
                instance.post("/api/v1/self/inject", &me, &json!({"to": to, "text": "x", "hold": hold}));
            assert!([403, 404].contains(&answer.status), "{to} {hold}: {}", answer.body);
            instance.clock.advance(1_000);
        }
        let envelope =
            instance.post("/api/v1/self/ask", &me, &json!({"to": to, "text": "x", "hold": true})).body;
        assert_eq!(envelope["ok"], false, "{envelope}");
    }
    assert_eq!(instance.get("/api/v1/mailboxes", OWNER).body, json!({"mailboxes": []}));
}

#[test]
fn an_agent_types_into_an_instance_that_knows_typing_only_where_it_was_started_so() {
    let (instance, far) = with_far_agent(Speaks::AgentMux);
    for (name, may) in [
        ("none", json!([])),
        ("named", json!(["far"])),
        ("exact", json!([format!("far@{FAR_HOME}")])),
        ("other", json!([format!("far@{OTHER_HOME}")])),
    ] {
        let body = json!({"name": name, "command": ["sh"], "cwd": "/", "may_type_into": may});
        assert_eq!(instance.post("/api/v1/agents", OWNER, &body).status, 201);
        let allowed = ["named", "exact"].contains(&name);
        for path in ["/api/v1/self/send", "/api/v1/self/inject"] {
            far.answers(taken(json!({"success": true}), None));
            let answer = instance.post(path, &token(name), &json!({"to": "far", "text": "a\rb"}));
            let letters = far.letters();
            if allowed {
                assert_eq!(
                    (answer.status, &answer.body["outcome"]),
                    (200, &json!("forwarded")),
                    "{name} {path}"
                );
                assert_eq!(letters[0]["message"], format!("@{name}: a\n@{name}: b"), "whose words they are");
                assert_eq!(letters[0].get("loopgate"), None);
            } else {
                assert_eq!((answer.status, answer.code()), (403, "typing_not_allowed"), "{name} {path}");
                assert!(letters.is_empty());
                if path.ends_with("send") {
                    assert!(answer.error().contains("may_type_into"), "{}", answer.error());
                }
            }
        }
        far.answers.lock().expect("no panic").clear();
    }
}

#[test]
fn how_often_a_text_was_handed_on_goes_with_it() {
    let (instance, far) = with_far_agent(Speaks::AgentMux);
    for (hops, told) in [(json!(null), 1), (json!(0), 1), (json!(2), 3)] {
        far.answers(taken(json!({"success": true}), None));
        inject(&instance, json!({"forward_hops": hops}));
        assert_eq!(far.letters()[0]["forward_hops"], told, "{hops}");
    }
}

#[test]
fn a_letter_is_handed_on_with_its_way_and_its_writer_and_never_kept() {
    let (instance, far) = with_far_agent(Speaks::Loopgate);
    let letter = |carry: &str| {
        json!({
            "target_agent": "far", "message": "x", "request_id": carry, "priority": "normal", "wait_for_idle": false,
            "forward_hops": 1,
            "loopgate": {"version": 1, "path": ["i-3"], "home": OTHER_HOME, "caller": "agent b", "carry": carry,
                         "ttl_ms": 60_000, "redelivered": true},
        })
    };
    for carry in ["inject", "send", "ask", "reply"] {
        far.answers(taken(
            json!({"success": true, "outcome": "waiting", "request_id": carry}),
            Some("waiting"),
        ));
        let answer = instance.post(INJECT, PEER, &letter(carry)).body;
        assert_eq!(
            (&answer["success"], &answer["outcome"]),
            (&json!(true), &json!("waiting")),
            "{carry} {answer}"
        );
        assert_eq!((&answer["request_id"], &answer["loopgate"]), (&json!(carry), &json!(1)));
        assert_eq!(answer["instance"], "instance-of-the-tests");
        let mut wanted = letter(carry);
        wanted["forward_hops"] = json!(2);
        wanted["loopgate"]["path"] = json!(["i-3", "instance-of-the-tests"]);
        let on = far.letters().remove(0);
        for name in ["version", "path", "home", "caller", "carry", "redelivered"] {
            assert_eq!(on["loopgate"][name], wanted["loopgate"][name], "{carry} {name}");
        }
        assert_eq!(on["forward_hops"], 2);

        far.answers(Forwarded::Unsure(Unsure::Silent));
        let mut again = letter(carry);
        again["request_id"] = json!("again");
        let answer = instance.post(INJECT, PEER, &again).body;
        let told = (&answer["success"], &answer["code"], &answer["unsure"], &answer["loopgate"]);
        assert_eq!(told, (&json!(false), &json!("peer_silent"), &json!(true), &json!(1)), "{carry}");
        far.letters();
    }
    assert_eq!(instance.get("/api/v1/mailboxes", OWNER).body, json!({"mailboxes": []}));
}
