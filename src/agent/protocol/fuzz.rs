//! What must hold for any output of an agent, asserted; driven by cargo-fuzz and by the replayed corpus.
//!
//! The judge finds the ends of turns and the sources of messages by plain searches of its own.

use super::{Item, Listener, Spoken, TURN_COMPLETE, message, task};

/// A turn ends only with a line of its own; a message has a source that names its target in one of the
/// three forms; what comes out is bounded by what went in; what an agent is told is one line of JSON with
/// exactly its fields.
pub fn fuzz(data: &[u8]) {
    let (mut listener, mut said) = (Listener::new(), 0_usize);
    let mut earlier = String::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (cut, err) = (line.ends_with(b"\x01"), line.starts_with(b"\x02"));
        if err {
            assert!(matches!(listener.err(line), Spoken::Log { .. }));
            continue;
        }
        let text = String::from_utf8_lossy(line).into_owned();
        earlier.push_str(&text);
        earlier.push('\n');
        for spoken in listener.out(line, cut) {
            said_again(&spoken);
            said = said.saturating_add(judge(&text, &earlier, &spoken));
        }
    }
    // Each byte may become a replacement character of three, and an addressed line is output, too.
    assert!(said <= data.len().saturating_mul(6), "{said} bytes of {}", data.len());
    told(&String::from_utf8_lossy(data));
}

/// Written as a line, it is heard as the same.
fn said_again(spoken: &Spoken) {
    let heard = spoken.line().map(|line| {
        assert!(!line.contains(&b'\n'));
        Listener::new().out(&line, false)
    });
    match spoken {
        // Its words may be a message between markers, or their begin.
        Spoken::Output { .. } => assert!(heard.is_some()),
        Spoken::Invalid { .. } => assert!(heard.is_none()),
        Spoken::Send { .. }
        | Spoken::Broadcast { .. }
        | Spoken::Ask { .. }
        | Spoken::Log { .. }
        | Spoken::Exit { .. }
        | Spoken::TurnComplete => assert_eq!(heard.as_deref(), Some(std::slice::from_ref(spoken))),
    }
}

/// Checks one thing that was said; the bytes of its words.
fn judge(line: &str, earlier: &str, spoken: &Spoken) -> usize {
    match spoken {
        Spoken::TurnComplete => {
            // A line of its own, or inside of an object a string that begins and ends with a line.
            let raw = line.trim_end() == TURN_COMPLETE;
            let output =
                line.trim_start().starts_with('{') && output_lines(line).contains(&TURN_COMPLETE.to_owned());
            assert!(raw || output, "{line:?} ends a turn");
            0
        }
        Spoken::Send { to, content } | Spoken::Ask { to, content, .. } => {
            assert!(!to.is_empty() && to.len() <= 64);
            let forms = [format!("@{to}:"), format!("SWARM_MSG:TO={to}:START>>")];
            let object = field(line, "to").is_some_and(|named| named == *to);
            assert!(object || forms.iter().any(|form| earlier.contains(form) || escaped(earlier, form)));
            content.len()
        }
        Spoken::Broadcast { content } => {
            let object = field(line, "type").is_some_and(|kind| kind == "broadcast");
            let forms = ["@all:", "SWARM_MSG:BROADCAST:START>>"];
            assert!(object || forms.iter().any(|form| earlier.contains(form) || escaped(earlier, form)));
            content.len()
        }
        Spoken::Output { content } | Spoken::Log { content } => content.len(),
        Spoken::Exit { status } => {
            let object: Option<serde_json::Value> = serde_json::from_str(line).ok();
            assert_eq!(object.and_then(|object| object.get("status")?.as_i64()), Some(*status));
            0
        }
        Spoken::Invalid { why } => {
            assert!(!why.is_empty());
            0
        }
    }
}

fn field(line: &str, name: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    value.get(name)?.as_str().map(str::to_owned)
}

fn output_lines(line: &str) -> Vec<String> {
    let content = field(line, "content").unwrap_or_default();
    content.split('\n').map(|line| line.trim_end().to_owned()).collect()
}

/// Whether the form stands in the content of one of the lines, where JSON may write it otherwise.
fn escaped(lines: &str, form: &str) -> bool {
    lines.split('\n').any(|line| field(line, "content").is_some_and(|content| content.contains(form)))
}

/// What an agent is told is one line, whatever its words are.
fn told(text: &str) {
    let items = [
        (Item::Task { content: text.to_owned() }, task(text), "orchestrator"),
        (Item::Message { from: "a".to_owned(), content: text.to_owned() }, message("a", text), "a"),
    ];
    for (item, line, from) in items {
        assert_eq!(item.line(), line);
        assert!(!line.contains(&b'\n'));
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(&line) else {
            unreachable!("what an agent is told is an object")
        };
        assert_eq!(fields.len(), 3);
        assert_eq!(fields.get("content").and_then(|content| content.as_str()), Some(text));
        assert_eq!(fields.get("from").and_then(|from| from.as_str()), Some(from));
        assert_eq!(item.typed(), format!("[From {from}] {text}"));
    }
}
