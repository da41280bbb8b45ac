//! What a client asks of a topic that it has joined (spec genswarms D.5).
//!
//! A field of the wrong type, one that is missing, and an event that nobody knows are not answered: they end
//! the topic, as they do there, and the client joins again. A word that nothing is called matches nothing.

use serde_json::{Map, Value};

use super::{
    Stage,
    message::Payload,
    topic::{Full, Topic},
};
use crate::swarm::events::{Category, Event, Filter, Level, Name, Recent};

/// What cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crashed;

/// The answer, JSON, or why there is none: a word.
pub(super) type Answer = Result<String, &'static str>;

/// Whether the answer to an event may have waited for others who read the disk.
pub(super) fn may_wait(event: &str) -> bool {
    matches!(event, "subscribe_logs" | "subscribe_events")
}

/// Answers an event.
pub(super) fn answer(
    stage: &dyn Stage,
    topic: &mut Topic,
    event: &str,
    payload: &Payload,
) -> Result<Answer, Crashed> {
    Ok(match event {
        "send_task" => {
            let fields = fields(payload)?;
            let agent = fields.get("agent").and_then(Value::as_str).ok_or(Crashed)?;
            let task = fields.get("task").filter(|task| !task.is_null()).ok_or(Crashed)?;
            stage.task(topic.swarm(), agent, task).map(|()| r#"{"status":"sent"}"#.to_owned())
        }
        "get_status" => stage.status(topic.swarm()).map(|status| status.to_string()),
        "subscribe_logs" => {
            let agent = agent(payload)?;
            topic.subscribe_logs(stage.hub(), agent).map_err(too_many).map(|recent| {
                let (agent, recent) = (Value::from(agent), list("recent_logs", &recent, Event::log_json));
                format!(r#"{{"subscribed":true,"agent":{agent},{recent}}}"#)
            })
        }
        "unsubscribe_logs" => {
            let agent = agent(payload)?;
            topic.unsubscribe_logs(agent);
            Ok(format!(r#"{{"unsubscribed":true,"agent":{}}}"#, Value::from(agent)))
        }
        "subscribe_events" => {
            let (none, given) = (Map::new(), fields(payload)?.get("filters"));
            let filters = given.map_or(Some(&none), Value::as_object).ok_or(Crashed)?;
            let subscribe = |filter| topic.subscribe_events(stage.hub(), filter);
            let nothing = Recent { events: Vec::new(), whole: true };
            let recent = wanted(filters).map_or(Ok(nothing), subscribe);
            recent.map_err(too_many).map(|recent| {
                let filters = given.map_or_else(|| "{}".to_owned(), Value::to_string);
                let recent = list("recent_events", &recent, Event::json);
                format!(r#"{{"subscribed":true,"filters":{filters},{recent}}}"#)
            })
        }
        "unsubscribe_events" => {
            topic.unsubscribe_events();
            Ok(r#"{"unsubscribed":true}"#.to_owned())
        }
        _ => return Err(Crashed),
    })
}

fn too_many(_: Full) -> &'static str {
    "too_many_subscriptions"
}

/// A payload that is an object.
fn fields(payload: &Payload) -> Result<&Map<String, Value>, Crashed> {
    match payload {
        Payload::Json(Value::Object(fields)) => Ok(fields),
        Payload::Json(_) | Payload::Binary => Err(Crashed),
    }
}

/// Whose log is meant; `None`: everybody's.
fn agent(payload: &Payload) -> Result<Option<&str>, Crashed> {
    match fields(payload)?.get("agent") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(agent)) => Ok(Some(agent)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(Crashed),
    }
}

/// Which events are meant; `None`: a word stands there that nothing is called. Fields that are not known are of
/// no interest.
fn wanted(filters: &Map<String, Value>) -> Option<Filter> {
    fn word<T>(value: Option<&Value>, parse: fn(&str) -> Option<T>) -> Option<Option<T>> {
        value.map_or(Some(None), |value| value.as_str().and_then(parse).map(Some))
    }
    Some(Filter {
        level: Vec::from_iter(word(filters.get("level"), Level::parse)?),
        category: Vec::from_iter(word(filters.get("category"), Category::parse)?),
        event_type: word(filters.get("event_type"), Name::parse)?,
        ..Filter::default()
    })
}

/// Events as a field with a JSON array, of the texts that were made once; behind it, where it is so, that some are left
/// out of it.
fn list(name: &str, recent: &Recent, text: fn(&Event) -> &str) -> String {
    let texts: Vec<&str> = recent.events.iter().map(|event| text(event)).collect();
    let incomplete = if recent.whole { "" } else { r#","incomplete":true"# };
    format!(r#""{name}":[{}]{incomplete}"#, texts.join(","))
}
