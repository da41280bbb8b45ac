//! What happened in the swarms: asked for in pages, or followed (spec genswarms B.1, J.4).
//!
//! A page is newest first, or behind a number oldest first. Who follows from a number on is given what is
//! kept after it, and then what comes: he takes his place in the stream first, so that nothing lies between
//! the two, and what he was given by number is left out of the rest. What is kept no more, or came faster
//! than he took it, is counted and told as a gap.

use std::{collections::VecDeque, sync::Arc, time::Duration};

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
    swarm::events::{Batch, Event, Filter, Follow, Hub, Page, Query, Unread},
};

/// Events in an answer, where it is not said how many.
const DEFAULT: usize = 100;

/// Events that are taken at once by who follows.
const AT_ONCE: usize = 64;

/// Looks at the stream in one go, where nothing of it is wanted.
const ROUNDS: usize = 16;

/// A page is not read for less room than this.
const ROOM: usize = limits::STREAM_QUEUE / 4;

/// What a follower waits for his turn to read the disk, before his connection has its turn.
const PATIENCE: Duration = Duration::from_millis(500);

/// When a follower whose turn has not come asks again, in ms.
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
            match follower.catch_up(limits::STREAM_QUEUE) {
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

/// Why events are not shown.
pub(super) fn unread(unread: Unread) -> Fault {
    match unread {
        Unread::Busy => Fault::new(429, "busy", "older events are being read for somebody else; try again"),
        Unread::Disk => Fault::new(500, "events_unreadable", "the events cannot be read from the disk"),
    }
}

/// Somebody who follows: a place in the stream, and what is on its way to him.
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
    /// how many he missed, before what comes next; not told yet
    missed: u64,
    /// the rest of a page, which was no larger than the room that there was
    page: VecDeque<Arc<Event>>,
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
        Self { hub, follow, filter, done, up_to, whole, joined, missed: 0, page: VecDeque::new() }
    }

    /// Takes one more page of what is asked for by number, where there is one; hardly more than so many bytes.
    fn catch_up(&mut self, room: usize) -> std::result::Result<(), Unread> {
        if self.done >= self.up_to {
            return Ok(());
        }
        let filter = self.filter.clone();
        let query = Query { filter, since: Some(self.done), most: limits::EVENTS_PAGE };
        let page = self.hub.page_within(&query, room, PATIENCE)?;
        if std::mem::replace(&mut self.whole, true) {
            self.missed = self.missed.saturating_add(page.missed);
        }
        // Events that came while it was read may stand in it, behind the end that it knows.
        let last = page.events.last().map_or(0, |event| event.id).max(page.next);
        // One that leads no further would be asked for again without end.
        self.done = if last > self.done { last } else { self.up_to };
        self.page.extend(page.events);
        Ok(())
    }

    /// Gives what came in the stream, as far as it has room.
    fn go_on(&mut self, out: &mut Frames) -> Gave {
        let Batch { missed, entries } = self.follow.next(AT_ONCE);
        if missed > 0 && !self.joined {
            // The pages took so long that their end is out of the stream again: once more from there.
            self.up_to = self.hub.last();
            return Gave::Some;
        }
        self.joined = true;
        self.missed = self.missed.saturating_add(missed);
        for entry in &entries {
            // All of them are new, whatever the minutes are that were asked for.
            let wants = |event: &&Event| event.id > self.done && self.filter.matches(event, event.unix_ms);
            let wanted = entry.event().filter(wants);
            if let Some(event) = wanted
                && !(self.tell(out) && out.put("event", Some(event.id), event.json()))
            {
                // Nothing is held here: it comes again, or is missed.
                self.follow.back_to(entry.at());
                return Gave::NoRoom;
            }
        }
        match (entries.is_empty(), self.tell(out)) {
            (_, false) => Gave::NoRoom,
            (true, true) => Gave::Nothing,
            (false, true) => Gave::Some,
        }
    }

    /// Gives what was taken of a page; whether all of it had room.
    fn give(&mut self, out: &mut Frames) -> bool {
        while let Some(event) = self.page.front() {
            let (id, json) = (event.id, event.json());
            if !(tell(&mut self.missed, out) && out.put("event", Some(id), json)) {
                return false;
            }
            self.page.pop_front();
        }
        self.tell(out)
    }

    fn tell(&mut self, out: &mut Frames) -> bool {
        tell(&mut self.missed, out)
    }
}

/// Tells how many were missed, where there are any; whether it had room.
fn tell(missed: &mut u64, out: &mut Frames) -> bool {
    let told = *missed == 0 || out.put("gap", None, &json!({ "missed": *missed }).to_string());
    if told {
        *missed = 0;
    }
    told
}

/// What was given of the stream.
enum Gave {
    /// there was nothing
    Nothing,
    /// some was looked at
    Some,
    /// the rest is for another time
    NoRoom,
}

impl Source for Follower {
    fn next(&mut self, out: &mut Frames, now: u64) -> Next {
        let mut has_read = false;
        for _ in 0..ROUNDS {
            if !self.give(out) {
                return Next::Woken;
            }
            if self.done < self.up_to {
                if out.room() < ROOM {
                    return Next::Woken;
                }
                // One page of the disk at a time: the socket has its look in between.
                if std::mem::replace(&mut has_read, true) {
                    return Next::At(now);
                }
                match self.catch_up(out.room()) {
                    Ok(()) => continue,
                    Err(Unread::Busy) => return Next::At(now.saturating_add(AGAIN_MS)),
                    Err(Unread::Disk) => return Next::End("events_unreadable"),
                }
            }
            match self.go_on(out) {
                Gave::Some => {}
                Gave::Nothing | Gave::NoRoom => return Next::Woken,
            }
        }
        // Others have their turn, and the socket its look.
        Next::At(now)
    }
}

#[cfg(test)]
mod tests;
