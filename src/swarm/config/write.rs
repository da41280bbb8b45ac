//! A config as a document, in one form: what is read from it again is the same config.

use serde_json::{Map, Value, json};

use super::{AgentConfig, Config, Edge, Handler, ObjectConfig, REPLY_GRACE_MS, Restart};
use crate::agent::{Controller, Submit};

impl Config {
    /// As a document.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(self.name.as_str()));
        map.insert("agents".to_owned(), self.agents.iter().map(AgentConfig::to_value).collect());
        map.insert("objects".to_owned(), self.objects.iter().map(ObjectConfig::to_value).collect());
        map.insert("topology".to_owned(), self.topology.iter().map(Edge::to_value).collect());
        if !self.options.is_empty() {
            map.insert("options".to_owned(), Value::Object(self.options.clone()));
        }
        if self.autostart {
            map.insert("autostart".to_owned(), json!(true));
        }
        Value::Object(map)
    }
}

impl Edge {
    /// As a document: an array of two names.
    pub fn to_value(&self) -> Value {
        json!([self.from.as_str(), self.to.as_str()])
    }
}

impl AgentConfig {
    /// As a document.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(self.name.as_str()));
        map.insert("backend".to_owned(), self.backend.to_value());
        match self.controller {
            Controller::Pipe => {}
            Controller::Pty { rows, cols, submit } => {
                let submit = match submit {
                    Submit::Thrice => "thrice",
                    Submit::Once => "once",
                };
                let pty = json!({"type": "pty", "rows": rows, "cols": cols, "submit": submit});
                map.insert("controller".to_owned(), pty);
            }
        }
        for (key, list) in [("skills", &self.skills), ("tools", &self.tools), ("presets", &self.presets)] {
            if !list.is_empty() {
                map.insert(key.to_owned(), json!(list));
            }
        }
        if let Some(model) = &self.model {
            map.insert("model".to_owned(), json!(model));
        }
        let config = self.config_value();
        if !config.is_empty() {
            map.insert("config".to_owned(), Value::Object(config));
        }
        Value::Object(map)
    }

    /// `config`, with what the agent's own fields say.
    pub(super) fn config_value(&self) -> Map<String, Value> {
        let mut config = self.config.clone();
        let grace = (self.reply_grace_ms != REPLY_GRACE_MS).then(|| json!(self.reply_grace_ms));
        let restart = match self.restart {
            Restart::Never => None,
            Restart::OnFailure => Some(json!("on-failure")),
        };
        let env: Map<String, Value> =
            self.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let fields = [
            ("command", self.command.as_ref().map(|command| json!(command))),
            ("workspace", self.workspace.as_ref().map(|path| json!(path))),
            ("env", (!env.is_empty()).then_some(Value::Object(env))),
            ("max_turns", self.max_turns.map(|turns| json!(turns))),
            ("turn_timeout_ms", self.turn_timeout_ms.map(|ms| json!(ms))),
            ("reply_to", self.reply_to.as_ref().map(|name| json!(name.as_str()))),
            ("reply_grace_ms", grace),
            ("restart", restart),
            ("script", self.script.as_ref().map(|script| script.to_value())),
        ];
        for (key, value) in fields {
            match value {
                Some(value) => config.insert(key.to_owned(), value),
                None => config.remove(key),
            };
        }
        config
    }
}

impl ObjectConfig {
    /// As a document.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(self.name.as_str()));
        map.insert("handler".to_owned(), self.handler.to_value());
        if let Some(backend) = &self.backend {
            map.insert("backend".to_owned(), backend.to_value());
        }
        if !self.config.is_empty() {
            map.insert("config".to_owned(), Value::Object(self.config.clone()));
        }
        Value::Object(map)
    }
}

impl Handler {
    /// As a document.
    pub fn to_value(&self) -> Value {
        match self {
            Handler::BuiltIn(name) => json!(name),
            Handler::Process { command } => json!({"command": command}),
        }
    }

    /// The word that is shown for it: its name, or `process`.
    pub fn shown(&self) -> &str {
        match self {
            Handler::BuiltIn(name) => name,
            Handler::Process { .. } => "process",
        }
    }
}
