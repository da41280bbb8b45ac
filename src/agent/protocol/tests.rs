//! Lines as agents print them, and what they mean.

use super::*;
use crate::limits;

fn said(lines: &[&str]) -> Vec<Spoken> {
    let mut listener = Listener::new();
    lines.iter().flat_map(|line| listener.out(line.as_bytes(), false)).collect()
}

fn output(content: &str) -> Spoken {
    Spoken::Output { content: content.to_owned() }
}

fn send(to: &str, content: &str) -> Spoken {
    Spoken::Send { to: to.to_owned(), content: content.to_owned() }
}

fn broadcast(content: &str) -> Spoken {
    Spoken::Broadcast { content: content.to_owned() }
}

fn invalid(why: &'static str) -> Spoken {
    Spoken::Invalid { why }
}

#[test]
fn lines_of_the_protocol_mean_what_they_say() {
    let lines = [
        (r#"{"type":"send","to":"b","content":"hi"}"#, send("b", "hi")),
        (r#"{"type":"send","to":"b","content":"hi","reply_to":null}"#, send("b", "hi")),
        (r#"  {"type":"broadcast","content":"x\ny","more":[1]} "#, broadcast("x\ny")),
        (r#"{"type":"output","content":"@b: quoted"}"#, output("@b: quoted")),
        (r#"{"type":"log","content":"l"}"#, Spoken::Log { content: "l".to_owned() }),
        (r#"{"type":"exit","status":-1}"#, Spoken::Exit { status: -1 }),
        (
            r#"{"type":"send","to":"o","content":"q","reply_to":"id.1"}"#,
            Spoken::Ask { to: "o".to_owned(), content: "q".to_owned(), id: "id.1".to_owned() },
        ),
    ];
    for (line, meaning) in lines {
        assert_eq!(said(&[line]), [meaning], "{line}");
    }
}

#[test]
fn what_is_not_of_the_protocol_is_text() {
    for line in [
        "",
        "plain",
        "{",
        "{}",
        "{not json}",
        "[1,2]",
        "\"send\"",
        r#"{"type":"sing","content":"x"}"#,
        r#"{"type":7}"#,
        r#"{"content":"x"}"#,
        r#"{"type":"send","to":"b","content":"hi"} and more"#,
    ] {
        assert_eq!(said(&[line]), [output(line)], "{line}");
    }
    let deep = format!(r#"{{"type":"output","content":"x","more":{}1{}}}"#, "[".repeat(50), "]".repeat(50));
    assert_eq!(said(&[&deep]), [output(&deep)]);
}

#[test]
fn an_object_of_a_known_type_with_a_wrong_field_is_invalid() {
    let long = format!(r#"{{"type":"send","to":"{}","content":"x"}}"#, "n".repeat(65));
    let id = format!(r#"{{"type":"send","to":"b","content":"x","reply_to":"{}"}}"#, "i".repeat(129));
    for line in [
        r#"{"type":"send","content":"x"}"#,
        r#"{"type":"send","to":"","content":"x"}"#,
        r#"{"type":"send","to":["b"],"content":"x"}"#,
        r#"{"type":"send","to":"b"}"#,
        r#"{"type":"send","to":"b","content":{"a":1}}"#,
        r#"{"type":"send","to":"b","content":"x","reply_to":7}"#,
        r#"{"type":"broadcast","content":null}"#,
        r#"{"type":"output"}"#,
        r#"{"type":"log","content":1}"#,
        r#"{"type":"exit","status":"0"}"#,
        r#"{"type":"exit","status":1.5}"#,
        r#"{"type":"send","to":"b","to":"c","content":"x"}"#,
        r#"{"type":"log","type":"send","to":"c","content":"x"}"#,
        &long,
        &id,
    ] {
        assert!(matches!(said(&[line])[..], [Spoken::Invalid { .. }]), "{line}");
    }
}

#[test]
fn a_turn_ends_only_with_a_line_of_its_own() {
    let done = Spoken::TurnComplete;
    for line in
        ["<<TURN_COMPLETE>>", "<<TURN_COMPLETE>>\r", r#"{"type":"output","content":"<<TURN_COMPLETE>>"}"#]
    {
        assert_eq!(said(&[line]), std::slice::from_ref(&done), "{line}");
    }
    let several = r#"{"type":"output","content":"a\nb\n<<TURN_COMPLETE>>\nc"}"#;
    assert_eq!(said(&[several]), [output("a\nb"), done, output("c")]);
    for line in [
        "x <<TURN_COMPLETE>>",
        " <<TURN_COMPLETE>>",
        "<<TURN_COMPLETE>>.",
        "<<TURN_COMPLETE>><<TURN_COMPLETE>>",
        "<<turn_complete>>",
        "> <<TURN_COMPLETE>>",
    ] {
        assert_eq!(said(&[line]), [output(line)], "{line}");
    }
    let quoted = "{\"type\":\"send\",\"to\":\"b\",\"content\":\"<<TURN_COMPLETE>>\"}";
    assert_eq!(said(&[quoted]), [send("b", TURN_COMPLETE)]);
    let logged = r#"{"type":"log","content":"<<TURN_COMPLETE>>"}"#;
    assert!(matches!(said(&[logged])[..], [Spoken::Log { .. }]));
    let err = Listener::new().err(TURN_COMPLETE.as_bytes());
    assert_eq!(err, Spoken::Log { content: TURN_COMPLETE.to_owned() });
    // Two lines do not make one.
    assert_eq!(said(&["<<TURN_", "COMPLETE>>"]), [output("<<TURN_"), output("COMPLETE>>")]);
}

#[test]
fn a_line_of_text_may_address_a_node() {
    for (line, meaning) in [
        ("@b: hello", send("b", "hello")),
        ("> @b:  hello @c: you ", send("b", "hello @c: you")),
        ("tell\t@all: everybody", broadcast("everybody")),
        ("@1: no, @eval-bot_2: yes", send("eval-bot_2", "yes")),
        ("mail a@b: x @c: y", send("c", "y")),
    ] {
        assert_eq!(said(&[line]), [meaning, output(line)], "{line}");
    }
    for line in ["@b:", "@b: ", "@b:x", "b: x", "@: x", "a@b: x", "@b : x", "@\u{e4}: x", "@b"] {
        assert_eq!(said(&[line]), [output(line)], "{line}");
    }
    let long = "n".repeat(64);
    assert_eq!(said(&[&format!("@{long}: x")])[0], send(&long, "x"));
    assert_eq!(said(&[&format!("@{long}n: x")]).len(), 1);
    // The wrapper has taken them out already.
    assert_eq!(said(&[r#"{"type":"output","content":"@b: x"}"#]), [output("@b: x")]);
}

#[test]
fn messages_between_markers_are_sent_and_are_no_output() {
    let lines = ["before", "<<SWARM_MSG:TO=b:START>>", "one", "@c: two", "<<SWARM_MSG:END>>", "after"];
    let meaning = [output("before"), send("b", "one\n@c: two"), output("after")];
    assert_eq!(said(&lines), meaning);
    let wrapped = lines.map(|line| json!({ "type": "output", "content": line }).to_string());
    assert_eq!(said(&wrapped.each_ref().map(String::as_str)), meaning);
    let at_once = json!({ "type": "output", "content": lines.join("\n") }).to_string();
    assert_eq!(said(&[&at_once]), meaning);
    assert_eq!(
        said(&[
            "> <<SWARM_MSG:BROADCAST:START>>",
            " x<<SWARM_MSG:END>> y <<SWARM_MSG:TO=c:START>>",
            "z<<SWARM_MSG:END>>"
        ]),
        [output("> "), broadcast("x"), output(" y "), send("c", "z")]
    );
    for line in [
        "<<SWARM_MSG:TO=b:START>> x<<SWARM_MSG:END>>",
        "<<SWARM_MSG:TO=b c:START>>",
        "<<SWARM_MSG:TO=:START>>",
        "<<SWARM_MSG:END>>",
        "<<SWARM_MSG:NOBODY:START>>",
    ] {
        assert_eq!(said(&[line]), [output(line)], "{line}");
    }
    assert_eq!(
        said(&["<<SWARM_MSG:TO=b:START>>", " ", "<<SWARM_MSG:END>>"]),
        [invalid("a message is empty")]
    );
}

#[test]
fn a_message_between_markers_is_bounded_and_ends_with_its_turn() {
    let begin = "<<SWARM_MSG:TO=b:START>>";
    let open = said(&[begin, "lost", TURN_COMPLETE, "next"]);
    assert_eq!(open, [invalid("a message has no end"), Spoken::TurnComplete, output("next")]);
    let nobody = format!("<<SWARM_MSG:TO={}:START>>", "n".repeat(65));
    assert_eq!(said(&[&nobody]), [output(&nobody)], "no name is that long");
    let full = "x".repeat(limits::MARKED_MESSAGE);
    assert_eq!(said(&[begin, &format!("{full}<<SWARM_MSG:END>>")]), [send("b", &full)]);
    let over = said(&[begin, &full, "x", "<<SWARM_MSG:END>>", "@c: x"]);
    assert_eq!(over, [invalid("a message is too long"), send("c", "x"), output("@c: x")]);
    let mut listener = Listener::new();
    assert!(listener.out(begin.as_bytes(), false).is_empty());
    listener.turn_over();
    assert_eq!(listener.out(b"x", false), [output("x")]);
}

#[test]
fn a_line_that_was_cut_is_text_or_nothing() {
    let mut listener = Listener::new();
    assert_eq!(listener.out(b"long", true), [output("long")]);
    let line = br#"{"type":"send","to":"b","content":"hi"}"#;
    assert!(matches!(listener.out(line, true)[..], [Spoken::Invalid { .. }]));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut listener = Listener::new();
    assert_eq!(listener.out(b"a\xffb", false), [output("a\u{fffd}b")]);
    assert_eq!(listener.err(b"\xff"), Spoken::Log { content: "\u{fffd}".to_owned() });
    let line = b"{\"type\":\"send\",\"to\":\"b\",\"content\":\"\xff\"}";
    assert_eq!(listener.out(line, false), [send("b", "\u{fffd}")]);
}

#[test]
fn what_an_agent_is_told_is_one_line() {
    let line = String::from_utf8(task("a\n\"b\"")).unwrap();
    assert_eq!(line, r#"{"content":"a\n\"b\"","from":"orchestrator","type":"task"}"#);
    fuzz("\u{1}\u{0}\n\r\u{2028}\"\\".as_bytes());
}
