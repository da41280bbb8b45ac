//! What must hold for anything that comes with the peer key, which stands in the registry's files: it
//! reaches inject and look-up and nothing else; a letter that is not understood changes nothing; and one
//! that is speaks for somebody at another home, never for somebody here, and is typed no further than its
//! carry goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{By, Coder, address, app_with, ask, waiting};
use crate::{
    gate::{Decision, Service},
    wire::{
        head::{Head, Method},
        json,
    },
};

/// Who is accepted by the one agent.
const ACCEPTED: &str = "b@0123456789ab";
/// The home of the instance.
const OURS: &str = "000000000000";

/// A body for inject.
pub(super) fn letter(body: &[u8]) {
    let coder = Arc::new(Coder { accepts: vec![ACCEPTED.to_owned()], ..Coder::default() });
    let app = app_with(Arc::clone(&coder));
    let block = app.bus.state().directory.register(Coder::name(), "block", None, 7);
    assert!(block.is_ok());
    let response = ask(&app, "/agentmux/reactive/inject", By::Peer, body);
    let answer: Value = serde_json::from_slice(response.body()).expect("every answer is JSON");
    let (waiting, typed) = (waiting(&app), coder.typed());
    let happened = waiting.len() + typed.len();
    assert_eq!(app.bus.state().directory.list().len(), 1, "an inject registers nobody");
    let Ok(sent) = json::parse(body) else {
        return assert!(response.status() == 400 && happened == 0, "taken from what is no strict JSON");
    };
    match response.status() {
        200 => {
            assert!(happened <= 1, "twice");
            assert_eq!(answer["success"], json!(happened == 1), "{answer}");
        }
        422 => assert!(happened == 0 && answer["code"].is_string(), "refused and done: {answer}"),
        other => panic!("{other}: {answer}"),
    }
    let ours = &sent["loopgate"];
    let (caller, home) =
        (ours["caller"].as_str().unwrap_or_default(), ours["home"].as_str().unwrap_or_default());
    let (kind, name) = caller.split_once(' ').unwrap_or(("", caller));
    let shown = format!("{name}@{home}");
    let by_agent = kind == "agent";
    assert!(happened == 0 || ours.is_null() || home != OURS, "from somebody here");
    if !typed.is_empty() {
        let owner = ours["carry"] == "inject" && !by_agent && ["owner", "api", "peer"].contains(&name);
        assert!(ours.is_null() || owner || shown == ACCEPTED, "typed for {caller} at {home}");
    }
    for message in waiting {
        assert!(["send", "ask", "reply"].contains(&ours["carry"].as_str().unwrap_or_default()));
        let wanted = if by_agent { format!("agent {shown}") } else { shown.clone() };
        assert_eq!(message.caller, wanted, "a message of somebody else");
        assert!(message.from.ends_with(&format!("@{home}")) && (!by_agent || message.from == shown));
        assert_eq!(
            (sent["message"].as_str(), sent["request_id"].as_str()),
            (Some(&*message.text), Some(&*message.id))
        );
        let to = sent["target_agent"].as_str().unwrap_or_default();
        assert!(to == message.to.as_str() || *to == format!("{}@{OURS}", message.to), "for another");
        assert!(["coder", "owner"].contains(&message.to.as_str()), "kept for a name that is not here");
    }
}

/// A first byte for the method, and a path.
pub(super) fn anywhere(data: &[u8]) {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let Some((choice, path)) = data.split_first() else { return };
    let Some(method) = METHODS.get(usize::from(*choice) % METHODS.len()) else { return };
    let mut text = format!("{method} ").into_bytes();
    text.extend_from_slice(path);
    text.extend_from_slice(b" HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nContent-Type: application/json\r\n");
    text.extend_from_slice(By::Peer.credential().as_bytes());
    text.extend_from_slice(b"\r\n\r\n");
    let Ok(head) = Head::parse(&text) else { return };
    // Two requests, or a header, out of the path: another's to judge (wire/head).
    if head.method().as_str() != *method || head.path().is_empty() {
        return;
    }
    let app = app_with(Arc::default());
    let mut conn = app.open(address(50_000), address(4000));
    if let Decision::Admit { .. } = app.decide(&mut conn, &head) {
        let opened = match head.method() {
            Method::Options => true,
            Method::Post => ["/agentmux/reactive/inject", "/wave/reactive/inject"].contains(&head.path()),
            Method::Get | Method::Head => {
                ["/", "/agentmux/reactive/agent", "/wave/reactive/agent"].contains(&head.path())
            }
            Method::Put | Method::Patch | Method::Delete => false,
        };
        assert!(opened, "the peer key opened {} {}", head.method().as_str(), head.path());
    }
}
