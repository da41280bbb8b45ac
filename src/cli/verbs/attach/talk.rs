//! What `attach` says on the WebSocket, and what it understands of what comes (spec agentmux D.4-D.6).
//!
//! Text to meaning and back, without a socket. Whatever is not about this terminal is [`Said::Other`]:
//! the instance may send more than it was asked for, and later versions will.

use serde_json::{Value, json};

use crate::{
    sys::tty::Size,
    wire::{base64, json},
};

/// Where in output a line is looked for to begin with.
const FIRST_LINE: usize = 4 * 1024;

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// to hear of the program's end
    Status,
    /// to get output
    Output,
    /// keys
    Keys,
}

const REQUESTS: [(Request, &str); 3] =
    [(Request::Status, "status"), (Request::Output, "output"), (Request::Keys, "keys")];

/// One message, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// output of our terminal
    Output {
        /// of the first byte
        offset: u64,
        /// the bytes
        bytes: Vec<u8>,
    },
    /// the program has ended, and nothing of its tree is left
    Done,
    /// an answer; the error where it is one
    Answer(Request, Option<String>),
    /// anything else
    Other,
}

/// Asks for output from an offset on.
pub fn subscribe_output(block: &str, from: u64) -> String {
    subscribe(Request::Output, &json!({ "event": "blockfile", "scopes": [scope(block)], "from": from }))
}

/// Asks for no more output.
pub fn unsubscribe_output() -> String {
    rpc(&json!({ "command": "eventunsub", "data": "blockfile" }))
}

/// Asks to be told of the program's end.
pub fn subscribe_status(block: &str) -> String {
    subscribe(Request::Status, &json!({ "event": "controllerstatus", "scopes": [scope(block)] }))
}

/// Types keys; answered when they are in the terminal's queue.
pub fn keys(block: &str, keys: &[u8]) -> String {
    let data = json!({ "blockid": block, "inputdata64": base64::encode(keys) });
    rpc(&json!({ "command": "controllerinput", "reqid": name(Request::Keys), "data": data }))
}

/// Gives the screen a size; not answered.
pub fn size(block: &str, size: Size) -> String {
    let termsize = json!({ "rows": size.rows, "cols": size.cols });
    json!({ "wscommand": "setblocktermsize", "blockid": block, "termsize": termsize }).to_string()
}

/// Understands one message.
pub fn read(text: &str, block: &str) -> Said {
    let Ok(message) = json::parse(text.as_bytes()) else { return Said::Other };
    let Some(message) = message.get("data").filter(|_| message["eventtype"] == "rpc") else {
        return Said::Other;
    };
    if let Some(id) = message.get("resid").and_then(Value::as_str) {
        let request = REQUESTS.iter().find(|(_, name)| *name == id);
        let error = message.get("error").and_then(Value::as_str).map(str::to_owned);
        return request.map_or(Said::Other, |(request, _)| Said::Answer(*request, error));
    }
    if message["command"] != "eventrecv" {
        return Said::Other;
    }
    let data = &message["data"]["data"];
    match message["data"]["event"].as_str() {
        Some("blockfile") if data["zoneid"] == block && data["filename"] == "term" => {
            match (data["offset"].as_u64(), data["data64"].as_str().and_then(base64::decode)) {
                (Some(offset), Some(bytes)) => Said::Output { offset, bytes },
                _ => Said::Other,
            }
        }
        Some("controllerstatus") if data["blockid"] == block && data["shellprocstatus"] == "done" => {
            Said::Done
        }
        Some(_) | None => Said::Other,
    }
}

/// Output that begins in the middle of a line, or of what moves the cursor: leaves that away, where the
/// next line begins soon.
pub fn begin_with_a_line(output: &mut Vec<u8>) {
    let head = output.get(..FIRST_LINE.min(output.len())).unwrap_or_default();
    let line = head.iter().position(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    output.drain(..line);
}

fn subscribe(request: Request, data: &Value) -> String {
    rpc(&json!({ "command": "eventsub", "reqid": name(request), "data": data }))
}

fn rpc(message: &Value) -> String {
    json!({ "wscommand": "rpc", "message": message }).to_string()
}

fn name(request: Request) -> &'static str {
    REQUESTS.iter().find(|(one, _)| *one == request).map_or("", |(_, name)| name)
}

fn scope(block: &str) -> String {
    format!("block:{block}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &Value) -> Said {
        read(&json!({ "eventtype": "rpc", "data": value }).to_string(), "b1")
    }

    fn event(event: &str, data: &Value) -> Said {
        said(
            &json!({ "command": "eventrecv", "data": { "event": event, "scopes": ["block:b1"], "data": data } }),
        )
    }

    #[test]
    fn output_begins_with_a_line_where_there_is_one() {
        let begin = |text: &[u8]| {
            let mut bytes = text.to_vec();
            begin_with_a_line(&mut bytes);
            bytes
        };
        assert_eq!(begin(b"31mred\r\nwhole\n"), b"whole\n");
        assert_eq!(begin(b""), b"");
        let far = [vec![b'x'; FIRST_LINE], b"\nline".to_vec()].concat();
        assert_eq!(begin(&far), far, "a screen without lines");
    }

    #[test]
    fn what_is_asked_is_what_agentmux_asks() {
        let value = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
        assert_eq!(
            value(subscribe_output("b1", 7)),
            json!({"wscommand": "rpc", "message": {"command": "eventsub", "reqid": "output",
                "data": {"event": "blockfile", "scopes": ["block:b1"], "from": 7}}})
        );
        assert_eq!(value(subscribe_status("b1"))["message"]["data"]["event"], "controllerstatus");
        assert_eq!(value(unsubscribe_output())["message"]["data"], "blockfile");
        assert_eq!(
            value(keys("b1", b"\x1bx"))["message"],
            json!({"command": "controllerinput", "reqid": "keys",
                "data": {"blockid": "b1", "inputdata64": "G3g="}})
        );
        assert_eq!(
            value(size("b1", Size { rows: 3, cols: 4 })),
            json!({"wscommand": "setblocktermsize", "blockid": "b1", "termsize": {"rows": 3, "cols": 4}})
        );
    }

    #[test]
    fn output_and_the_end_of_our_terminal_are_understood() {
        let output =
            json!({"zoneid": "b1", "filename": "term", "fileop": "append", "data64": "aGk=", "offset": 9});
        assert_eq!(event("blockfile", &output), Said::Output { offset: 9, bytes: b"hi".to_vec() });
        let status =
            |status: &str| event("controllerstatus", &json!({"blockid": "b1", "shellprocstatus": status}));
        assert_eq!((status("running"), status("done")), (Said::Other, Said::Done));
        assert_eq!(said(&json!({ "resid": "keys" })), Said::Answer(Request::Keys, None));
        let refused = said(&json!({ "resid": "output", "error": "no" }));
        assert_eq!(refused, Said::Answer(Request::Output, Some("no".to_owned())));
    }

    #[test]
    fn what_is_about_another_terminal_or_not_understood_changes_nothing() {
        for (name, data) in [
            ("blockfile", json!({"zoneid": "b2", "filename": "term", "data64": "aGk=", "offset": 9})),
            ("blockfile", json!({"zoneid": "b1", "filename": "x", "data64": "aGk=", "offset": 9})),
            ("blockfile", json!({"zoneid": "b1", "filename": "term", "data64": "a", "offset": 9})),
            ("blockfile", json!({"zoneid": "b1", "filename": "term", "data64": "aGk=", "offset": -1})),
            ("blockfile", json!({"zoneid": "b1", "filename": "term", "data64": "aGk="})),
            ("blockfile", json!([])),
            ("controllerstatus", json!({"blockid": "b2", "shellprocstatus": "done"})),
            ("config", json!({})),
        ] {
            assert_eq!(event(name, &data), Said::Other, "{name} {data}");
        }
        for value in [json!({ "resid": "other" }), json!({ "resid": 1 }), json!({ "command": "x" }), json!(7)]
        {
            assert_eq!(said(&value), Said::Other, "{value}");
        }
        for text in ["", "x", "[]", "{\"type\":\"ping\",\"stime\":1}", "{\"data\":{\"resid\":\"keys\"}}"] {
            assert_eq!(read(text, "b1"), Said::Other, "{text}");
        }
        assert_eq!(read(&"[".repeat(100_000), "b1"), Said::Other);
    }
}
