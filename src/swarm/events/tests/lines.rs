//! Lines on the disk: what is understood of them, and what never stands in one.

use super::{
    disk::{end, filled, on_disk, open, small, task},
    *,
};
use crate::store::{Journal, disk::testing::Model, journal};

#[test]
fn lines_that_are_not_understood_are_skipped_and_counted() {
    let model = Model::new();
    drop(filled(&model, small(), 3));
    // Lines whose sums check, and which are not what would be written today.
    let good = newest(&open(model.after_kill().disk(), small()), &Filter::default(), 1)[0].json().to_owned();
    let fields = &good[1..good.len() - 1];
    let journal = journal::Settings { segment_bytes: 2_000, ..journal::Settings::default() };
    let (other, _) = Journal::open(model.disk(), journal, &mut |_| {}).expect("a journal");
    let bad = [
        fields.replace("\"id\":3", "\"id\":\"3\""),
        fields.replace("\"id\":3", "\"id\":4").replace("task_sent", "never_heard_of"),
        fields.replace("\"id\":3", "\"id\":5").replace("\"n\":2", "\"api_key\":\"planted\""),
        fields
            .replace("\"id\":3", "\"id\":6")
            .replace("\"n\":2", &format!("\"t\":\"lga_{}\"", "0a".repeat(32))),
        fields.replace("\"id\":3", "\"id\":7").replace("\"x\"", "\"\\u0078\""),
        fields.replace("\"id\":3", "\"id\":8").replace("\"x\"", &format!("\"{}\"", "x".repeat(1_025))),
        format!("{},\"more\":1", fields.replace("\"id\":3", "\"id\":9")),
    ];
    for line in &bad {
        let ticket = other.append(|_, out| out.extend_from_slice(line.as_bytes())).expect("appended");
        other.wait(&ticket).expect("written");
    }
    drop(other);
    let hub = open(model.disk(), small());
    assert_eq!(shown(&newest(&hub, &Filter::default(), 99)), [3, 2, 1]);
    assert!(hub.health().expect("a disk").unread >= bad.len() as u64);
    assert!(hub.last() >= 9 + limits::EVENTS_GAP, "their numbers were given out all the same");
}

/// Spec genswarms L.1.13: what somebody planted is in no line, and nothing that only followers are told is.
#[test]
fn nothing_secret_and_no_whole_text_is_on_the_disk() {
    let model = Model::new();
    let hub = open(model.disk(), Settings::default());
    let mut followed = follow(&hub);
    let token = format!("lga_{}", "0123456789abcdef".repeat(4));
    let whole = format!("{}the whole text", "x".repeat(200));
    let draft = task(&format!("say {token}")).with_preview("content_preview", &format!("{token} {whole}"));
    let draft =
        draft.with("api_key", "planted").with("env", json!({"MY_PASSWORD": "planted", "n": [&token]}));
    hub.publish(draft.pushing(Push::Output { content: whole.as_str().into() }));
    let spec = json!({"name": "a", "config": {"of": "the spec"}});
    hub.publish(task("added").pushing(Push::Added { spec }));
    hub.tell(
        &NodeName::parse("s").unwrap(),
        &NodeName::parse("a").unwrap(),
        Push::State { state: "a state" },
    );
    end(&hub);
    let text = on_disk(&model);
    assert_eq!(text.lines().count(), 4);
    for planted in ["0123", "planted", "the whole text", "the spec", "a state"] {
        assert!(!text.contains(planted), "{planted}: {text}");
    }
    assert!(text.contains("[agent token]") && text.contains("[REDACTED]"));
    let entries = followed.next(9).entries;
    let told = entries.iter().flat_map(|entry| [entry.event_json(), entry.log_json()]).flatten();
    assert!(told.into_iter().all(|text| !text.contains("planted") && !text.contains("0123")));
}

#[test]
fn random_lines_are_read_as_what_they_are_or_not_at_all() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let good = b"\"id\":7,\"timestamp\":\"1970-01-12T13:46:40.000000Z\",\"level\":\"info\",\"category\":\"agent\",\
        \"swarm\":\"s\",\"agent\":null,\"event_type\":\"task_sent\",\"message\":\"x\",\"metadata\":{\"n\":[1,{}]}";
    for line in [
        &good[..],
        b"\"begin\":7,\"floor\":3",
        b"\"end\":7",
        b"\"cleared\":7",
        b"",
        b"\"id\":007",
        b"{}",
        b"{\"lga_0\":1.5}",
        b"[\"\\u0000\"]",
    ] {
        fuzz_event_line(line);
        for _ in 0..2_000 {
            let mut line = line.to_vec();
            for _ in 0..=next() % 3 {
                let at = next() as usize % (line.len() + 1);
                match next() % 3 {
                    0 => line.insert(at, b"\"{}[]:,0\\n\x01\xffe-"[next() as usize % 14]),
                    1 if at < line.len() => drop(line.remove(at)),
                    _ if at < line.len() => line[at] ^= 1 << (next() % 8),
                    _ => {}
                }
            }
            fuzz_event_line(&line);
        }
    }
}
