//! What is asked of the events, read from a query string, strictly: what is not understood is refused with
//! the parameter's name and, for words, with the nearest one that there is.
//!
//! A parameter of another name is nobody's business here, unless it looks like a slip of one that is: events
//! that a slip lets through would be taken for all that there are.

use super::super::request::{self, Fault, Result};
use crate::{
    limits,
    swarm::events::{Category, Filter, Level, Name},
    wire::{nearest::nearest, query},
};

/// The parameters, in the order in which they are printed.
const PARAMETERS: [&str; 9] =
    ["level", "category", "swarm", "agent", "event_type", "minutes", "limit", "since", "follow"];

/// Bytes of a word from outside in a sentence, at most.
const SHOWN: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::api) struct EventQuery {
    /// what they are like; its lists are in the order of the words, each once
    pub filter: Filter,
    /// how many at most
    pub limit: Option<usize>,
    /// what came after this number, oldest first
    pub since: Option<u64>,
    /// and what comes from now on
    pub follow: bool,
}

impl EventQuery {
    /// Reads a query string.
    pub fn read(text: Option<&str>) -> Result<Self> {
        let mut asked = Self::default();
        let mut seen = [false; PARAMETERS.len()];
        for pair in text.unwrap_or_default().split('&') {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((name, seen)) = PARAMETERS.into_iter().zip(&mut seen).find(|(known, _)| *known == name)
            else {
                no_slip(name, &PARAMETERS)?;
                continue;
            };
            if std::mem::replace(seen, true) {
                return Err(bad(name, format!("query parameter '{name}' stands there twice")));
            }
            let value = query::decode_text(raw)
                .ok_or_else(|| bad(name, format!("query parameter '{name}' is malformed")))?;
            asked.set(name, &value)?;
        }
        if asked.follow && asked.limit.is_some() {
            let sentence = "query parameter 'limit' bounds an answer, and what is followed has no end";
            return Err(bad("limit", sentence.to_owned()));
        }
        Ok(asked)
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<()> {
        match name {
            "level" => self.filter.level = words(name, value, Level::ALL, Level::as_str)?,
            "category" => self.filter.category = words(name, value, Category::ALL, Category::as_str)?,
            "event_type" => self.filter.event_type = Some(word(name, value, Name::ALL, Name::as_str)?),
            "swarm" => self.filter.swarm = Some(text(name, value)?),
            "agent" => self.filter.agent = Some(text(name, value)?),
            "minutes" => self.filter.minutes = Some(whole(name, value, 1, u64::MAX)?),
            "limit" => {
                let limit = whole(name, value, 1, limits::EVENTS_PAGE as u64)?;
                self.limit = usize::try_from(limit).ok();
            }
            "since" => self.since = Some(whole(name, value, 0, u64::MAX)?),
            "follow" => self.follow = follow(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Of this swarm, and this agent where one is given: as the path says. A query that says another thing
    /// is refused.
    pub fn of(mut self, swarm: &str, agent: Option<&str>) -> Result<Self> {
        narrow("swarm", &mut self.filter.swarm, swarm)?;
        match agent {
            Some(agent) => narrow("agent", &mut self.filter.agent, agent).map(|()| self),
            None => Ok(self),
        }
    }

    /// The parameters that are set, in their order, as texts.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let list = |words: Vec<&str>| Some(words.join(",")).filter(|list| !list.is_empty());
        let filter = &self.filter;
        let values = [
            list(filter.level.iter().map(|level| level.as_str()).collect()),
            list(filter.category.iter().map(|category| category.as_str()).collect()),
            filter.swarm.clone(),
            filter.agent.clone(),
            filter.event_type.map(|name| name.as_str().to_owned()),
            filter.minutes.map(|minutes| minutes.to_string()),
            self.limit.map(|limit| limit.to_string()),
            self.since.map(|since| since.to_string()),
            self.follow.then(|| "1".to_owned()),
        ];
        PARAMETERS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

pub(super) fn bad(name: &'static str, sentence: String) -> Fault {
    Fault::field(400, "bad_query", name, sentence)
}

/// Refuses a name that looks like one of ours.
pub(super) fn no_slip(name: &str, ours: &[&'static str]) -> Result<()> {
    let near = nearest(name, ours.iter().copied());
    let Some(meant) = near.and_then(|near| ours.iter().find(|known| **known == near)) else {
        return Ok(());
    };
    Err(bad(meant, format!("there is no query parameter '{}'; is '{meant}' meant?", shown(name))))
}

/// Whether it is followed.
pub(super) fn follow(value: &str) -> Result<bool> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(bad("follow", "query parameter 'follow' is 1 or 0".to_owned())),
    }
}

fn narrow(name: &'static str, place: &mut Option<String>, of_path: &str) -> Result<()> {
    match place.replace(of_path.to_owned()) {
        Some(other) if other != of_path => {
            Err(bad(name, format!("query parameter '{name}' names another one than the path does")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Words between commas, each known; in their own order, each once.
pub(super) fn words<T: Copy + PartialEq>(
    name: &'static str,
    value: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<Vec<T>> {
    let asked = value.split(',').map(|one| word(name, one, all, as_str)).collect::<Result<Vec<T>>>()?;
    Ok(all.iter().copied().filter(|one| asked.contains(one)).collect())
}

fn word<T: Copy>(name: &'static str, value: &str, all: &[T], as_str: fn(T) -> &'static str) -> Result<T> {
    let known = || all.iter().map(|one| as_str(*one));
    all.iter().copied().find(|one| as_str(*one) == value).ok_or_else(|| {
        let meant = match nearest(value, known()) {
            Some(meant) => format!("; is '{meant}' meant?"),
            // A short list is shown; the names of events are in the documentation.
            None if all.len() <= 10 => format!("; there are {}", known().collect::<Vec<_>>().join(", ")),
            None => String::new(),
        };
        bad(name, format!("query parameter '{name}' knows no '{}'{meant}", shown(value)))
    })
}

fn text(name: &'static str, value: &str) -> Result<String> {
    if value.is_empty() {
        return Err(bad(name, format!("query parameter '{name}' is empty")));
    }
    Ok(value.to_owned())
}

pub(super) fn whole(name: &'static str, value: &str, least: u64, most: u64) -> Result<u64> {
    let number = request::whole(value).filter(|number| (least..=most).contains(number));
    let range = || match most {
        u64::MAX => format!("a whole number from {least} on"),
        most => format!("a whole number from {least} to {most}"),
    };
    number.ok_or_else(|| bad(name, format!("query parameter '{name}' is {}", range())))
}

/// The beginning of a word from outside.
fn shown(word: &str) -> &str {
    let end = (0..=SHOWN.min(word.len())).rev().find(|at| word.is_char_boundary(*at));
    end.and_then(|end| word.get(..end)).unwrap_or_default()
}

#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
#[cfg(test)]
mod tests;
