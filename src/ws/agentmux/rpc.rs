//! The RPC of AgentMux's page (spec agentmux D.5): those of its commands that have to do with
//! terminals and events. All are done at once, so that there is nothing to time out or to cancel.
//!
//! A request without a `reqid` is done and not answered. Answers of others, and events that a client
//! claims to pass on, are ignored: nobody can speak through another's connection.

use serde_json::{Map, Value, json};

use super::{
    AgentMux,
    blocks::BLOCKFILE,
    envelope::{self, Rpc, Size},
};
use crate::{
    agent::{InputError, ResizeError},
    bus::events::{Scopes, TooMuch},
    limits,
    wire::{base64, json::Fields},
    ws::Out,
};

/// Events of a history, where a request does not say or says 0.
const HISTORY: u64 = 1024;

/// Bytes of a history's events in one answer; the newest are kept.
const HISTORY_BYTES: usize = 256 * 1024;

/// What a command gives: its data, or the sentence of its error.
type Done = Result<Option<Value>, String>;

impl AgentMux {
    /// Does a request, and answers it where it wants an answer.
    pub(super) fn rpc(&mut self, rpc: &Rpc, out: &mut Out<'_>) {
        if rpc.cancel || matches!(rpc.command.as_str(), "" | "eventrecv") {
            return;
        }
        let done = self.command(&rpc.command, &rpc.data);
        if rpc.reqid.is_empty() {
            return;
        }
        let mut answer = Map::new();
        answer.insert("resid".to_owned(), json!(rpc.reqid));
        match done {
            Ok(None) => {}
            Ok(Some(data)) => _ = answer.insert("data".to_owned(), data),
            Err(sentence) => _ = answer.insert("error".to_owned(), json!(sentence)),
        }
        out.text(&json!({ "eventtype": "rpc", "data": answer }).to_string());
    }

    fn command(&mut self, command: &str, data: &Value) -> Done {
        match command {
            // Routes lead to the pages of one client, and this server speaks to each of them alone.
            "routeannounce" | "routeunannounce" => Ok(None),
            "getfullconfig" => Ok(Some(json!({ "settings": {} }))),
            "waveinfo" => Ok(Some(json!({ "version": self.instance.version() }))),
            "eventsub" => self.subscribe(data),
            "eventunsub" => {
                let event = data.as_str().ok_or("eventunsub: data must be the event's name")?;
                self.events.unset(event);
                if event == BLOCKFILE {
                    self.blocks.unsubscribe();
                }
                Ok(None)
            }
            "eventunsuball" => {
                self.events.unset_all();
                self.blocks.unsubscribe();
                Ok(None)
            }
            "eventreadhistory" => self.history(data),
            "controllerinput" => self.input(data),
            "controllerresync" => self.resync(data),
            unknown => {
                let shown: String = unknown.chars().take(limits::EVENT_TEXT).collect();
                Err(format!("unknown command: {shown}"))
            }
        }
    }

    fn subscribe(&mut self, data: &Value) -> Done {
        let read = || {
            let fields = Fields::of(data)?;
            let event = fields.text("event")?;
            let scopes = fields.optional_texts("scopes")?.unwrap_or_default();
            let from = fields.optional_whole("from", 0..=u64::MAX)?;
            let all = match data.get("allscopes") {
                None | Some(Value::Null) => false,
                Some(_) => fields.flag("allscopes", false)?,
            };
            Ok((event, scopes, all, from))
        };
        let (event, scopes, all, from) =
            read().map_err(|error: crate::wire::json::Error| format!("eventsub: {error}"))?;
        let open = all || scopes.iter().any(|scope| scope.contains('*'));
        let made: Vec<String> = scopes.into_iter().map(str::to_owned).collect();
        let subscribe = || -> Result<(), TooMuch> {
            let scopes = Scopes::new(made, all)?;
            self.events.set(event, scopes.clone())?;
            if event == BLOCKFILE {
                self.blocks.subscribe(&*self.instance, &self.wake, (scopes, open), from)?;
            }
            Ok(())
        };
        subscribe().map_err(|much| format!("eventsub: {}", much.sentence()))?;
        Ok(None)
    }

    fn history(&self, data: &Value) -> Done {
        let read = || {
            let fields = Fields::of(data)?;
            let most = fields.optional_whole("maxitems", 0..=u64::MAX)?.unwrap_or(0);
            Ok((fields.text("event")?, fields.optional_text("scope")?.unwrap_or_default(), most))
        };
        let (event, scope, most) =
            read().map_err(|error: crate::wire::json::Error| format!("eventreadhistory: {error}"))?;
        let most = if most == 0 { HISTORY } else { most.min(HISTORY) };
        let events = self.instance.bus().events.history(event, scope, usize::try_from(most).unwrap_or(0));
        let mut room = HISTORY_BYTES;
        let mut newest: Vec<Value> = events
            .iter()
            .rev()
            .map_while(|event| {
                room = room.checked_sub(event.json().len())?;
                serde_json::from_str(event.json()).ok()
            })
            .collect();
        newest.reverse();
        Ok(Some(Value::Array(newest)))
    }

    /// Keys or a new size.
    fn input(&self, data: &Value) -> Done {
        let wrong = |error| format!("controllerinput: {error}");
        let fields = Fields::of(data).map_err(wrong)?;
        let block = fields.text("blockid").map_err(wrong)?;
        let keys = fields.optional_text("inputdata64").map_err(wrong)?.unwrap_or_default();
        let signal = fields.optional_text("signame").map_err(wrong)?.unwrap_or_default();
        let size = envelope::size(data.get("termsize"))
            .map_err(|_| "controllerinput: field 'termsize' must be an object with rows and cols")?;
        if self.instance.output_end(block).is_none() {
            return Err(no_block(block));
        }
        if !signal.is_empty() {
            return Err("controllerinput: signals cannot be sent: send the key that makes one".to_owned());
        }
        if keys.is_empty() && size.is_none() {
            return Err("controllerinput: no input data, signal, or termsize".to_owned());
        }
        let keys = base64::decode(keys)
            .ok_or("controllerinput: field 'inputdata64' must be standard base64 with padding")?;
        if let Some(size) = size {
            self.resize(block, size)?;
        }
        if !keys.is_empty() {
            self.keys(block, &keys)?;
        }
        Ok(None)
    }

    /// A program is started by starting its agent; here it only gets the size of the page's screen.
    fn resync(&self, data: &Value) -> Done {
        let wrong = |error| format!("controllerresync: {error}");
        let fields = Fields::of(data).map_err(wrong)?;
        let block = fields.text("blockid").map_err(wrong)?;
        let size = data.get("rtopts").and_then(|options| options.get("termsize"));
        let size = envelope::size(size)
            .map_err(|_| "controllerresync: field 'termsize' must be an object with rows and cols")?;
        if self.instance.output_end(block).is_none() {
            return Err(no_block(block));
        }
        if data.get("forcerestart").is_some_and(|force| *force == Value::Bool(true)) {
            return Err(
                "controllerresync: an agent cannot be restarted: end it and start it again".to_owned()
            );
        }
        // One that has ended keeps its size.
        if let Some(size) = size
            && let Err(sentence) = self.resize(block, size)
            && sentence != DONE
        {
            return Err(sentence);
        }
        Ok(None)
    }

    /// Types raw keys.
    pub(super) fn keys(&self, block: &str, keys: &[u8]) -> Result<(), String> {
        if keys.len() > limits::BODY_SMALL {
            return Err(format!("failed to send input: more than {} bytes", limits::BODY_SMALL));
        }
        match self.instance.input(block, keys) {
            None => Err(no_block(block)),
            Some(Ok(())) => Ok(()),
            Some(Err(InputError::Done)) => Err(DONE.to_owned()),
            Some(Err(InputError::QueueFull)) => Err("failed to send input: queue full".to_owned()),
        }
    }

    /// Changes a screen.
    pub(super) fn resize(&self, block: &str, size: Size) -> Result<(), String> {
        match self.instance.resize(block, size.rows, size.cols) {
            None => Err(no_block(block)),
            Some(Ok(())) => Ok(()),
            Some(Err(ResizeError::Done)) => Err(DONE.to_owned()),
            Some(Err(ResizeError::OutOfBounds(field))) => Err(format!("{field} is out of bounds")),
        }
    }
}

const DONE: &str = "controller is not running";

fn no_block(block: &str) -> String {
    let shown: String = block.chars().take(limits::EVENT_TEXT).collect();
    format!("no controller for block {shown}")
}
