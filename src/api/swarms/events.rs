//! What happened in the swarms: asked for in pages, or followed (spec genswarms B.1, J.4).
//!
//! A page is newest first, or behind a number oldest first. Who follows from a number on is given what is
//! kept after it, and then what comes: he takes his place in the stream first, so that nothing lies between
//! the two, and what he was given by number is left out of the rest. What is kept no more, or came faster
//! than he took it, is counted and told as a gap.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value, json};

use super::query::EventQuery;
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result},
        stream::{self, Frames, Next, Source},
    },
    gate::{Reply, Response},
    limits,
    swarm::events::{Entry, Event, Filter, Follow, Hub, Page, Query, Unread},
};

/// Events in an answer, where it is not said how many.
const DEFAULT: usize = 100;

/// Events that are taken at once by who follows.
const AT_ONCE: usize = 64;

/// Looks at the stream or the disk in one go, where nothing of it is wanted.
const ROUNDS: usize = 16;

/// What a follower waits where somebody else reads the disk, in ms.
const AGAIN_MS: u64 = 100;

/// `GET /api/events`.
pub(in crate::api) fn events(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let asked = EventQuery::read(request.head.query())?;
    let shown = json!({ "query": normalised(&asked) });
    answer(app, caller, request, &asked, shown)
}

/// `GET /api/swarms/:swarm/events`.
pub(in crate::api) fn of_swarm(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let asked = EventQuery::read(request.head.query())?.of(request.id, None)?;
    answer(app, caller, request, &asked, json!({ "swarm": request.id }))
}

/// `GET /api/swarms/:swarm/agents/:agent/events`.
pub(in crate::api) fn of_agent(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    let asked = EventQuery::read(request.head.query())?.of(swarm, Some(agent))?;
    answer(app, caller, request, &asked, json!({ "swarm": swarm, "agent": agent }))
}

/// A page, with these fields beside it, or the stream.
fn answer(
    app: &App,
    caller: &Caller,
    request: &Request<'_>,
    asked: &EventQuery,
    mut fields: Value,
) -> Result {
    let hub = app.swarms.events();
    if asked.follow {
        let after = begin(request, asked)?;
        return stream::answer(app, caller, request, |wake| {
            let follow = hub.follow(Arc::clone(wake));
            let mut follower = Follower::new(Arc::clone(hub), follow, asked.filter.clone(), after);
            match follower.catch_up() {
                // While somebody else reads there he waits: a browser that is refused does not come back.
                Ok(()) | Err(Unread::Busy) => Ok(Box::new(follower)),
                // What cannot be read is refused while there is still an answer to give.
                Err(Unread::Disk) => Err(unread(Unread::Disk)),
            }
        });
    }
    let most = asked.limit.unwrap_or(DEFAULT);
    // A number from another time or home is behind all that there is.
    let since = asked.since.map(|since| since.min(hub.last()));
    let page = hub.page(&Query { filter: asked.filter.clone(), since, most }).map_err(unread)?;
    let (events, next, count) = written(&page, since.is_some());
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("count".to_owned(), json!(count));
        fields.insert("next".to_owned(), json!(next));
        fields.insert("missed".to_owned(), json!(page.missed));
    }
    // The events are texts already.
    let fields = fields.to_string();
    let body = format!("{{\"events\":[{events}],{}", fields.get(1..).unwrap_or_default());
    Ok(Reply::Response(Response::bytes(200, "application/json", body.into_bytes())))
}

/// The events of a page as far as an answer holds them, where to go on, and how many.
fn written(page: &Page, oldest_first: bool) -> (String, u64, usize) {
    let mut text = String::new();
    for (at, event) in page.events.iter().enumerate() {
        let json = event.json();
        if at > 0 && text.len() + json.len() >= limits::EVENTS_PAGE_BYTES {
            let last = page.events.get(at - 1).map_or(page.next, |event| event.id);
            return (text, if oldest_first { last } else { page.next }, at);
        }
        if at > 0 {
            text.push(',');
        }
        text.push_str(json);
    }
    (text, page.next, page.events.len())
}

/// What is asked for, as it was understood.
fn normalised(asked: &EventQuery) -> Map<String, Value> {
    let mut shown: Map<String, Value> =
        asked.parameters().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let numbers = [("minutes", asked.filter.minutes), ("since", asked.since)];
    for (name, number) in numbers {
        if let Some(number) = number {
            shown.insert(name.to_owned(), json!(number));
        }
    }
    shown.insert("limit".to_owned(), json!(asked.limit.unwrap_or(DEFAULT)));
    shown
}

/// Behind which number a follower begins; `None`: with what comes from now on.
fn begin(request: &Request<'_>, asked: &EventQuery) -> Result<Option<Begin>> {
    Ok(match stream::begin(request, asked.since)? {
        Some(number) => Some(Begin::After(number)),
        None => asked.filter.minutes.map(|_| Begin::Minutes),
    })
}

/// Where a follower begins who does not begin now.
enum Begin {
    After(u64),
    /// with what the filter's minutes let through; what was before them is no gap
    Minutes,
}

fn unread(unread: Unread) -> Fault {
    match unread {
        Unread::Busy => Fault::new(429, "busy", "older events are being read for somebody else; try again"),
        Unread::Disk => Fault::new(500, "events_unreadable", "the events cannot be read from the disk"),
    }
}

/// Somebody who follows.
struct Follower {
    hub: Arc<Hub>,
    follow: Follow,
    filter: Filter,
    /// events up to this number were given, or looked at
    done: u64,
    /// events up to here are asked for by their numbers, where `done` lies before it
    up_to: u64,
    /// what was dropped before the first page is nothing that he asked for
    whole: bool,
    /// nothing was lost between the pages and the stream
    joined: bool,
    /// what comes next
    waiting: VecDeque<Waiting>,
}

enum Waiting {
    Gap(u64),
    Event(Arc<Event>),
    Entry(Arc<Entry>),
}

impl Follower {
    /// `follow` was taken before, so that what is published from here on is in it.
    fn new(hub: Arc<Hub>, follow: Follow, filter: Filter, begin: Option<Begin>) -> Self {
        let last = hub.last();
        let (done, up_to, whole, joined) = match begin {
            // A number from another time or home is behind all that there is.
            Some(Begin::After(number)) => (number.min(last), last, true, false),
            Some(Begin::Minutes) => (0, last, false, false),
            None => (0, 0, true, true),
        };
        Self { hub, follow, filter, done, up_to, whole, joined, waiting: VecDeque::new() }
    }

    /// Takes one more page of what is asked for by number, where there is one.
    fn catch_up(&mut self) -> std::result::Result<(), Unread> {
        if self.done >= self.up_to {
            return Ok(());
        }
        let filter = self.filter.clone();
        let page = self.hub.page(&Query { filter, since: Some(self.done), most: AT_ONCE })?;
        if page.missed > 0 && std::mem::replace(&mut self.whole, true) {
            self.waiting.push_back(Waiting::Gap(page.missed));
        }
        self.whole = true;
        // Events that came while it was read may stand in it, behind the end that it knows.
        let last = page.events.last().map_or(0, |event| event.id).max(page.next);
        // One that leads no further would be asked for again without end.
        self.done = if last > self.done { last } else { self.up_to };
        self.waiting.extend(page.events.into_iter().map(Waiting::Event));
        Ok(())
    }

    /// Takes what came in the stream; whether anything did.
    fn go_on(&mut self) -> bool {
        let batch = self.follow.next(AT_ONCE);
        if batch.missed > 0 && !self.joined {
            // The pages took so long that their end is out of the stream again: once more from there.
            self.up_to = self.hub.last();
            return true;
        }
        self.joined = true;
        if batch.missed > 0 {
            self.waiting.push_back(Waiting::Gap(batch.missed));
        }
        let any = !batch.entries.is_empty();
        // All of them are new, whatever the minutes were that were asked for.
        let minutes = self.filter.minutes.take();
        let wanted = |event: &Event| event.id > self.done && self.filter.matches(event, event.unix_ms);
        let entries = batch.entries.into_iter().filter(|entry| entry.event().is_some_and(wanted));
        self.waiting.extend(entries.map(Waiting::Entry));
        self.filter.minutes = minutes;
        any || batch.missed > 0
    }
}

impl Source for Follower {
    fn next(&mut self, out: &mut Frames, now: u64) -> Next {
        for _ in 0..ROUNDS {
            while let Some(first) = self.waiting.front() {
                let taken = match first {
                    Waiting::Gap(missed) => out.put("gap", None, &json!({ "missed": missed }).to_string()),
                    Waiting::Event(event) => out.put("event", Some(event.id), event.json()),
                    Waiting::Entry(entry) => {
                        entry.event().is_none_or(|event| out.put("event", Some(event.id), event.json()))
                    }
                };
                if !taken {
                    return Next::Woken;
                }
                self.waiting.pop_front();
            }
            if self.done < self.up_to {
                match self.catch_up() {
                    Ok(()) => {}
                    Err(Unread::Busy) => return Next::At(now.saturating_add(AGAIN_MS)),
                    Err(Unread::Disk) => return Next::End("events_unreadable"),
                }
            } else if !self.go_on() {
                return Next::Woken;
            }
        }
        // Others have their turn, and the socket its look.
        Next::At(now)
    }
}

#[cfg(test)]
mod tests;
