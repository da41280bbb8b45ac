//! What the server says on a channel (spec genswarms D.2, D.3): answers, pushes, and a channel's end.
//!
//! A push's payload is a text that was made once for all connections. The frame is put together around it,
//! and it is neither read nor copied before it goes into the outbox.

use super::message::{Ref, Version, quoted};

/// The end of a joined topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// it was left, or joined again
    Closed,
    /// what was asked for cannot be answered
    Crashed,
}

/// An answer; `response` is JSON.
pub(super) fn reply(
    version: Version,
    join_ref: &Ref,
    reference: &Ref,
    topic: &str,
    response: Result<&str, &str>,
) -> String {
    let (status, response) = match response {
        Ok(response) => ("ok", response),
        Err(response) => ("error", response),
    };
    let (join_ref, reference, topic) = (join_ref.json(), reference.json(), quoted(topic));
    match version {
        Version::V1 => format!(
            r#"{{"event":"phx_reply","payload":{{"response":{response},"status":"{status}"}},"ref":{reference},"topic":{topic}}}"#
        ),
        Version::V2 => format!(
            r#"[{join_ref},{reference},{topic},"phx_reply",{{"response":{response},"status":"{status}"}}]"#
        ),
    }
}

/// An error answer with its reason.
pub(super) fn because(reason: &str) -> String {
    format!(r#"{{"reason":{}}}"#, quoted(reason))
}

/// Tells that a topic is joined no more. The ref is the one it was joined with.
pub(super) fn gone(version: Version, join_ref: &Ref, topic: &str, how: Gone) -> String {
    let event = match how {
        Gone::Closed => "phx_close",
        Gone::Crashed => "phx_error",
    };
    let (join_ref, topic) = (join_ref.json(), quoted(topic));
    match version {
        Version::V1 => format!(r#"{{"event":"{event}","payload":{{}},"ref":{join_ref},"topic":{topic}}}"#),
        Version::V2 => format!(r#"[{join_ref},{join_ref},{topic},"{event}",{{}}]"#),
    }
}

/// The frames that are pushed on one joined topic: all but the event and the payload, made at the join.
#[derive(Debug)]
pub(super) struct Frames {
    before: String,
    between: &'static str,
    behind: &'static str,
}

impl Frames {
    pub(super) fn of(version: Version, join_ref: &Ref, topic: &str) -> Self {
        let topic = quoted(topic);
        let (before, between, behind) = match version {
            Version::V1 => (format!(r#"{{"topic":{topic},"ref":null,"event":""#), r#"","payload":"#, "}"),
            Version::V2 => (format!(r#"[{},null,{topic},""#, join_ref.json()), r#"","#, "]"),
        };
        Self { before, between, behind }
    }

    /// The parts of one; `event` is one of ours, `payload` is JSON.
    pub(super) fn push<'a>(&'a self, event: &'a str, payload: &'a str) -> [&'a str; 5] {
        [&self.before, event, self.between, payload, self.behind]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    /// Spec genswarms D.2.
    #[test]
    fn m10_frames_of_the_second_version_are_as_clients_know_them() {
        let (join, own) = (Ref::Text("1".to_owned()), Ref::Whole(4.into()));
        let topic = "swarm:\"s\"";
        let ok = reply(Version::V2, &join, &own, topic, Ok(r#"{"swarm":"s"}"#));
        assert_eq!(
            read(&ok),
            json!(["1", 4, topic, "phx_reply", {"response": {"swarm": "s"}, "status": "ok"}])
        );
        let error = reply(Version::V2, &Ref::None, &own, topic, Err(&because("unmatched topic")));
        let response = json!({"response": {"reason": "unmatched topic"}, "status": "error"});
        assert_eq!(read(&error), json!([null, 4, topic, "phx_reply", response]));
        assert_eq!(
            read(&gone(Version::V2, &join, topic, Gone::Closed)),
            json!(["1", "1", topic, "phx_close", {}])
        );
        assert_eq!(
            read(&gone(Version::V2, &join, topic, Gone::Crashed)),
            json!(["1", "1", topic, "phx_error", {}])
        );
        let push = Frames::of(Version::V2, &join, topic).push("event", r#"{"id":1}"#).concat();
        assert_eq!(read(&push), json!(["1", null, topic, "event", {"id": 1}]));
    }

    /// Spec genswarms D.3.
    #[test]
    fn m10_frames_of_the_first_version_are_as_clients_know_them() {
        let (join, own) = (Ref::Text("1".to_owned()), Ref::Text("4".to_owned()));
        let ok = reply(Version::V1, &join, &own, "t", Ok("{}"));
        assert_eq!(
            read(&ok),
            json!({"event": "phx_reply", "payload": {"response": {}, "status": "ok"}, "ref": "4", "topic": "t"})
        );
        for (join_ref, json) in [(join, json!("1")), (Ref::None, Value::Null)] {
            let close = gone(Version::V1, &join_ref, "t", Gone::Closed);
            assert_eq!(read(&close), json!({"event": "phx_close", "payload": {}, "ref": json, "topic": "t"}));
            let push = Frames::of(Version::V1, &join_ref, "t").push("event", "[1]").concat();
            assert_eq!(read(&push), json!({"topic": "t", "event": "event", "payload": [1], "ref": null}));
        }
    }
}
