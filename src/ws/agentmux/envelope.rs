//! The flat JSON object that AgentMux clients send (spec agentmux D.4), read strictly.
//!
//! Does no I/O. Every field that is known must have its type, or the frame as a whole is ignored, a
//! float `stime` too; fields that are not known are left aside. A frame is one command or none, so
//! it never makes more than one answer.

use serde_json::Value;

use crate::{
    bus::mail::Priority,
    limits,
    wire::{
        base64,
        json::{self, Fields},
    },
};

/// What a client wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// wants a pong
    Ping,
    /// answers our ping
    Pong,
    /// `bus:register`
    Register {
        /// not checked yet
        agent_id: String,
    },
    /// `bus:send`
    Send {
        /// a label
        from: String,
        /// not checked yet
        to: String,
        /// the text
        payload: String,
        /// what comes first
        priority: Priority,
    },
    /// `bus:inject`
    Inject {
        /// a label
        from: String,
        /// not checked yet
        target: String,
        /// the text
        message: String,
        /// what comes first, where it waits
        priority: Priority,
    },
    /// `bus:broadcast`
    Broadcast {
        /// a label
        from: String,
        /// the text
        payload: String,
        /// what comes first
        priority: Priority,
    },
    /// `rpc`
    Rpc(Box<Rpc>),
    /// `blockinput`
    Input {
        /// not checked yet
        block: String,
        /// raw keys
        keys: Vec<u8>,
    },
    /// `setblocktermsize`
    Size {
        /// not checked yet
        block: String,
        /// not checked against the bounds of a screen yet
        size: Size,
    },
}

/// A screen's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// lines
    pub rows: u16,
    /// columns
    pub cols: u16,
}

/// What of an RPC message (spec agentmux D.5) is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Rpc {
    /// empty in an answer
    pub command: String,
    /// empty: no answer is wanted
    pub reqid: String,
    /// asks to end a request
    pub cancel: bool,
    /// the command's own
    pub data: Value,
}

/// Why a frame is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// not a JSON object, or too deep
    NotJson,
    /// a field has not its type
    WrongField,
    /// a type or command that nobody knows
    Unknown,
    /// a field that the command needs is not there
    Missing,
    /// more than [`limits::WS_JSON_VALUES`]
    TooMany,
}

impl From<json::Error> for Ignored {
    fn from(error: json::Error) -> Self {
        match error {
            json::Error::Missing { .. } => Self::Missing,
            json::Error::Wrong { .. } => Self::WrongField,
            _ => Self::NotJson,
        }
    }
}

/// Reads a frame.
pub fn parse(text: &str) -> Result<Command, Ignored> {
    if json::values(text) > limits::WS_JSON_VALUES {
        return Err(Ignored::TooMany);
    }
    let mut value = json::parse(text.as_bytes())?;
    let mut command = command(&value)?;
    if let Command::Rpc(rpc) = &mut command {
        // Moved and not copied: it may be as large as a message.
        let data = value.get_mut("message").and_then(|message| message.get_mut("data"));
        rpc.data = data.map(Value::take).unwrap_or_default();
    }
    Ok(command)
}

fn command(value: &Value) -> Result<Command, Ignored> {
    let fields = Fields::of(value)?;
    check(value, fields)?;
    let kind = fields.optional_text("type")?.unwrap_or_default();
    let command = fields.optional_text("wscommand")?.unwrap_or_default();
    let own = |field| fields.text(field).map(str::to_owned);
    let from = || fields.optional_text("from").map(|from| from.unwrap_or("unknown").to_owned());
    let priority = || fields.optional_text("priority").map(|text| Priority::parse(text.unwrap_or_default()));
    Ok(match (kind, command) {
        ("ping", _) => Command::Ping,
        ("pong", _) => Command::Pong,
        ("bus:register", _) => Command::Register { agent_id: own("agent_id")? },
        ("bus:send", _) => Command::Send {
            from: own("from")?,
            to: own("to")?,
            payload: own("payload")?,
            priority: priority()?,
        },
        ("bus:inject", _) => Command::Inject {
            from: from()?,
            target: own("target")?,
            message: own("bus_message")?,
            priority: priority()?,
        },
        ("bus:broadcast", _) => {
            Command::Broadcast { from: from()?, payload: own("payload")?, priority: priority()? }
        }
        ("", "rpc") => Command::Rpc(Box::new(rpc(value.get("message").ok_or(Ignored::Missing)?)?)),
        ("", "blockinput") => {
            let keys = base64::decode(fields.text("inputdata64")?).ok_or(Ignored::WrongField)?;
            Command::Input { block: own("blockid")?, keys }
        }
        ("", "setblocktermsize") => {
            let size = size(value.get("termsize").filter(|size| !size.is_null()))?;
            Command::Size { block: own("blockid")?, size: size.ok_or(Ignored::Missing)? }
        }
        _ => return Err(Ignored::Unknown),
    })
}

/// Every known field has its type, whatever the command makes of it.
fn check(value: &Value, fields: Fields<'_>) -> Result<(), Ignored> {
    for field in [
        "type",
        "wscommand",
        "blockid",
        "inputdata64",
        "agent_id",
        "from",
        "to",
        "target",
        "payload",
        "bus_message",
        "priority",
    ] {
        fields.optional_text(field)?;
    }
    whole(value.get("stime"))?;
    size(value.get("termsize"))?;
    match value.get("message") {
        None | Some(Value::Null) => Ok(()),
        Some(message) => rpc(message).map(drop),
    }
}

/// A whole number, absent or null.
fn whole(value: Option<&Value>) -> Result<(), Ignored> {
    let right = value.is_none_or(|value| value.is_null() || value.is_i64() || value.is_u64());
    if right { Ok(()) } else { Err(Ignored::WrongField) }
}

/// A screen's size, absent or null.
pub(super) fn size(value: Option<&Value>) -> Result<Option<Size>, Ignored> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let fields = Fields::of(value).map_err(|_| Ignored::WrongField)?;
    let side = |name| {
        let number = fields.whole(name, 0..=u64::from(u16::MAX)).map_err(|_| Ignored::WrongField)?;
        u16::try_from(number).map_err(|_| Ignored::WrongField)
    };
    Ok(Some(Size { rows: side("rows")?, cols: side("cols")? }))
}

/// All but its data.
fn rpc(message: &Value) -> Result<Rpc, Ignored> {
    if message.is_null() {
        return Err(Ignored::Missing);
    }
    let fields = Fields::of(message).map_err(|_| Ignored::WrongField)?;
    for field in ["resid", "route", "authtoken", "source", "error", "datatype"] {
        fields.optional_text(field)?;
    }
    whole(message.get("timeout"))?;
    let flag = |name| match message.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or(Ignored::WrongField),
    };
    flag("cont")?;
    let own = |field| fields.optional_text(field).map(|text| text.unwrap_or_default().to_owned());
    Ok(Rpc { command: own("command")?, reqid: own("reqid")?, cancel: flag("cancel")?, data: Value::Null })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_a_field_of_the_wrong_type_is_ignored_as_a_whole() {
        for bad in [
            r#"{"type":"ping","stime":1.5}"#,
            r#"{"type":"ping","stime":1e3}"#,
            r#"{"type":"ping","stime":"1"}"#,
            r#"{"type":"ping","agent_id":7}"#,
            r#"{"type":"bus:send","from":"a","to":"b","payload":{}}"#,
            r#"{"type":["ping"]}"#,
            r#"{"type":"ping","termsize":{"rows":24}}"#,
            r#"{"type":"ping","termsize":{"rows":24.0,"cols":80}}"#,
            r#"{"type":"ping","message":"text"}"#,
            r#"{"wscommand":"rpc","message":{"command":1}}"#,
            r#"{"wscommand":"rpc","message":{"command":"x","timeout":0.5}}"#,
            r#"{"wscommand":"rpc","message":{"command":"x","cancel":"yes"}}"#,
            r#"{"wscommand":"blockinput","blockid":"b","inputdata64":"%%%"}"#,
        ] {
            assert_eq!(parse(bad), Err(Ignored::WrongField), "{bad}");
        }
        for bad in ["", "{", "[]", "\"ping\"", "null", &"[".repeat(5_000), r#"{"type":"ping","type":"pong"}"#]
        {
            assert_eq!(parse(bad), Err(Ignored::NotJson), "{bad:.20}");
        }
    }

    #[test]
    fn a_frame_of_too_many_values_is_ignored_before_they_take_their_memory() {
        let frame = |rest: &str| parse(&format!(r#"{{"type":"ping","x":[{rest}"#));
        let values = |count: usize| vec!["1"; count].join(",") + "]}";
        // In front of the elements: the object, its two fields and the array.
        assert_eq!(frame(&values(limits::WS_JSON_VALUES - 3)), Ok(Command::Ping));
        assert_eq!(frame(&values(limits::WS_JSON_VALUES - 2)), Err(Ignored::TooMany));
        assert_eq!(frame(&"[],".repeat(300_000)), Err(Ignored::TooMany));
        assert_eq!(frame(&"{".repeat(limits::WS_JSON_VALUES)), Err(Ignored::TooMany));
        let text = format!(
            r#""{}\"{}"]}}"#,
            "[,{".repeat(limits::WS_JSON_VALUES),
            ",".repeat(limits::WS_JSON_VALUES)
        );
        assert_eq!(frame(&text), Ok(Command::Ping), "text is one value");
    }

    #[test]
    fn what_is_missing_or_unknown_is_ignored() {
        for (bad, why) in [
            (r#"{}"#, Ignored::Unknown),
            (r#"{"type":"PING"}"#, Ignored::Unknown),
            (r#"{"type":"hello","wscommand":"rpc","message":{}}"#, Ignored::Unknown),
            (r#"{"wscommand":"nothing"}"#, Ignored::Unknown),
            (r#"{"type":"bus:register"}"#, Ignored::Missing),
            (r#"{"type":"bus:send","from":"a","to":"b"}"#, Ignored::Missing),
            (r#"{"type":"bus:inject","target":"a","message":{}}"#, Ignored::Missing),
            (r#"{"wscommand":"rpc"}"#, Ignored::Missing),
            (r#"{"wscommand":"rpc","message":null}"#, Ignored::Missing),
            (r#"{"wscommand":"setblocktermsize","blockid":"b"}"#, Ignored::Missing),
        ] {
            assert_eq!(parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_right_frame_is_read_and_the_type_comes_before_the_command() {
        assert_eq!(parse(r#"{"type":"ping","stime":1,"extra":[1]}"#), Ok(Command::Ping));
        assert_eq!(parse(r#"{"type":"pong","wscommand":"rpc","stime":null}"#), Ok(Command::Pong));
        assert_eq!(
            parse(r#"{"type":"bus:inject","target":"a","bus_message":"x","priority":"weird"}"#),
            Ok(Command::Inject {
                from: "unknown".to_owned(),
                target: "a".to_owned(),
                message: "x".to_owned(),
                priority: Priority::Normal,
            })
        );
        assert_eq!(
            parse(r#"{"wscommand":"blockinput","blockid":"b","inputdata64":"aGk="}"#),
            Ok(Command::Input { block: "b".to_owned(), keys: b"hi".to_vec() })
        );
        assert_eq!(
            parse(r#"{"wscommand":"setblocktermsize","blockid":"b","termsize":{"rows":24,"cols":80}}"#),
            Ok(Command::Size { block: "b".to_owned(), size: Size { rows: 24, cols: 80 } })
        );
        let rpc = parse(r#"{"wscommand":"rpc","message":{"command":"waveinfo","reqid":"1","data":null}}"#);
        let Ok(Command::Rpc(rpc)) = rpc else { panic!("{rpc:?}") };
        assert_eq!((rpc.command.as_str(), rpc.reqid.as_str(), rpc.cancel), ("waveinfo", "1", false));
    }
}
