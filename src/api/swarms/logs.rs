//! What agents said and printed: asked for in pages, or followed (spec genswarms B.1).
//!
//! A page has the newest, or behind a number the first after it, and is oldest first either way. Who follows takes his
//! place before he is given what is kept, so that nothing lies between the two. The logs of a swarm may be followed
//! together with its events: what came since the last look is put in the order of its times, and each frame has the
//! place in both, so that who comes back is given what he has not had of either.

mod asked;

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};

use self::asked::{Asked, Place};
use super::events::unread;
use crate::{
    admit::Caller,
    api::{
        App,
        request::{Request, Result, ok},
        stream::{self, Frames, Next, Source},
    },
    swarm::{
        self, Swarms,
        events::{self, Entry, Event, Filter, Hub},
        logs::{Follow, Kinds, Look, Query, Row, Unread},
    },
    sys::poll::Wake,
};

/// Records in an answer, where it is not said how many.
const DEFAULT: usize = 100;
/// Records that are taken at once by who follows.
const AT_ONCE: usize = 64;
/// Looks at what is followed in one go, where nothing of it is wanted.
const ROUNDS: usize = 16;
/// What a follower waits where somebody else reads the disk, in ms.
const AGAIN_MS: u64 = 100;

/// `GET /api/swarms/:swarm/agents/:agent/logs`. Without a `kind` as clients of GenSwarms know it: the conversation.
pub(in crate::api) fn of_agent(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    answer(app, caller, request, swarm, Some(agent))
}

/// `GET /api/swarms/:swarm/logs`: of all its agents, as one.
pub(in crate::api) fn of_swarm(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    answer(app, caller, request, request.id, None)
}

fn answer(app: &App, caller: &Caller, request: &Request<'_>, swarm: &str, agent: Option<&str>) -> Result {
    let asked = Asked::read(request)?;
    if asked.follow {
        return stream::answer(app, caller, request, |wake| {
            let follow = app.swarms.follow_logs(swarm, agent, asked.kinds, Arc::clone(wake))?;
            let after = asked.since.and_then(|since| since.event);
            let events = asked.events.then(|| Events::follow(app, filter(swarm, agent), after, wake));
            let whose = (swarm.to_owned(), agent.map(str::to_owned));
            let mut follower = Follower::new(Arc::clone(&app.swarms), whose, &asked, follow, events);
            // What cannot be read is refused while there is still an answer to give.
            follower.begin(asked.limit)?;
            Ok(Box::new(follower))
        });
    }
    let most = asked.limit.unwrap_or(DEFAULT);
    let page = app.swarms.logs(swarm, agent, &asked.query(most))?;
    let events =
        if asked.events { newest(app.swarms.events(), filter(swarm, agent), most)? } else { Vec::new() };
    let rows = merged(page.rows, events.into_iter().map(Waiting::Event).collect());
    let rows: Vec<Value> = rows
        .iter()
        .skip(rows.len().saturating_sub(most))
        .map(|row| row.shown(asked.plain && agent.is_some()))
        .collect();
    ok(&json!({ "logs": rows, "next": page.next, "missed": page.missed }))
}

fn filter(swarm: &str, agent: Option<&str>) -> Filter {
    Filter { swarm: Some(swarm.to_owned()), agent: agent.map(str::to_owned), ..Filter::default() }
}

/// The newest events, oldest first. Fewer than there are would look like all of them: who cannot be given them is told.
fn newest(hub: &Hub, filter: Filter, most: usize) -> Result<Vec<Arc<Event>>> {
    let page = hub.page(&events::Query { filter, since: None, most }).map_err(unread)?;
    Ok(page.events.into_iter().rev().collect())
}

/// What is to be written.
enum Waiting {
    Gap(u64),
    Log(Row),
    Event(Arc<Event>),
    Entry(Arc<Entry>),
}

impl Waiting {
    fn unix_ms(&self) -> u64 {
        match self {
            Self::Gap(_) => 0,
            Self::Log(row) => row.record.unix_ms,
            Self::Event(event) => event.unix_ms,
            Self::Entry(entry) => entry.event().map_or(0, |event| event.unix_ms),
        }
    }

    /// As a row of a page.
    fn shown(&self, plain: bool) -> Value {
        let event = |event: Option<&Event>| {
            let mut row = event.map(Event::to_value).unwrap_or_default();
            if let Some(row) = row.as_object_mut() {
                row.insert("kind".to_owned(), "event".into());
            }
            row
        };
        match self {
            Self::Log(row) if plain => row.record.to_value(),
            Self::Log(row) => row.record.to_full_value(&row.agent),
            Self::Event(one) => event(Some(one)),
            Self::Entry(entry) => event(entry.event()),
            Self::Gap(missed) => json!({ "missed": missed }),
        }
    }

    /// As a frame, behind which `at` is its reader's place; whether it had room.
    fn put(&self, out: &mut Frames, at: &mut Place) -> bool {
        let (name, next, json) = match self {
            Self::Gap(missed) => return out.put("gap", None, &json!({ "missed": missed }).to_string()),
            Self::Log(row) => {
                let next = Place { n: row.record.n, ..*at };
                ("log", next, row.record.to_full_value(&row.agent).to_string())
            }
            Self::Event(_) | Self::Entry(_) => {
                let Some(event) = self.event() else { return true };
                let json = format!("{{\"kind\":\"event\",{}", event.json().get(1..).unwrap_or_default());
                ("event", Place { event: Some(event.id), ..*at }, json)
            }
        };
        let had_room = out.put_at(name, Some(&next), &json);
        if had_room {
            *at = next;
        }
        had_room
    }

    fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Entry(entry) => entry.event(),
            Self::Gap(_) | Self::Log(_) => None,
        }
    }
}

/// Both in the order of their times; each keeps its own order.
fn merged(rows: Vec<Row>, events: Vec<Waiting>) -> VecDeque<Waiting> {
    let mut events = VecDeque::from(events);
    let mut all = VecDeque::new();
    for row in rows.into_iter().map(Waiting::Log) {
        while events.front().is_some_and(|event| event.unix_ms() < row.unix_ms()) {
            all.extend(events.pop_front());
        }
        all.push_back(row);
    }
    all.append(&mut events);
    all
}

/// The events of those who are followed.
struct Events {
    hub: Arc<Hub>,
    follow: events::Follow,
    filter: Filter,
    /// those up to this number were given, or looked at, or were there before
    done: u64,
    /// those up to here are asked for by their numbers, where `done` lies before it
    up_to: u64,
    /// nothing was lost between the pages and the stream
    joined: bool,
}

/// What came of events.
#[derive(Default)]
struct Came {
    missed: u64,
    any: bool,
    events: Vec<Waiting>,
}

impl Events {
    fn follow(app: &App, filter: Filter, after: Option<u64>, wake: &Arc<Wake>) -> Self {
        let hub = Arc::clone(app.swarms.events());
        // In this order: what comes between the two is among those that were there.
        let follow = hub.follow(Arc::clone(wake));
        let last = hub.last();
        // A number from another time or home is behind all that there is.
        let done = after.map_or(last, |after| after.min(last));
        Self { hub, follow, filter, done, up_to: last, joined: after.is_none() }
    }

    fn next(&mut self) -> std::result::Result<Came, events::Unread> {
        if self.done < self.up_to {
            let query = events::Query { filter: self.filter.clone(), since: Some(self.done), most: AT_ONCE };
            let page = self.hub.page(&query)?;
            let last = page.events.last().map_or(0, |event| event.id).max(page.next);
            // One that leads no further would be asked for again without end.
            self.done = if last > self.done { last } else { self.up_to };
            let events = page.events.into_iter().map(Waiting::Event).collect();
            return Ok(Came { missed: page.missed, any: true, events });
        }
        let batch = self.follow.next(AT_ONCE);
        if batch.missed > 0 && !self.joined {
            // The pages took so long that their end is out of the stream again: once more from there.
            self.up_to = self.hub.last();
            return Ok(Came { any: true, ..Came::default() });
        }
        self.joined = true;
        let any = !batch.entries.is_empty();
        let wanted = |event: &Event| event.id > self.done && self.filter.matches(event, event.unix_ms);
        let entries = batch.entries.into_iter().filter(|entry| entry.event().is_some_and(wanted));
        Ok(Came { missed: batch.missed, any, events: entries.map(Waiting::Entry).collect() })
    }
}

/// Somebody who follows.
struct Follower {
    swarms: Arc<Swarms>,
    whose: (String, Option<String>),
    kinds: Kinds,
    follow: Follow,
    events: Option<Events>,
    /// behind this number there is more that was there before
    since: Option<u64>,
    /// the page of it that is being made
    look: Option<Look>,
    /// up to where he was given everything
    at: Place,
    waiting: VecDeque<Waiting>,
}

impl Follower {
    fn new(
        swarms: Arc<Swarms>,
        whose: (String, Option<String>),
        asked: &Asked,
        follow: Follow,
        events: Option<Events>,
    ) -> Self {
        let (kinds, since) = (asked.kinds, asked.since.map(|since| since.n));
        let event = events.as_ref().map(|events| events.done);
        let at = Place { n: since.unwrap_or(follow.begins()), event };
        Self { swarms, whose, kinds, follow, events, since, look: None, at, waiting: VecDeque::new() }
    }

    /// What was there before: the newest, or the first behind the number.
    fn begin(&mut self, limit: Option<usize>) -> Result<()> {
        if self.since.is_some() {
            return match self.catch_up() {
                // While somebody else reads there he waits: a browser that is refused does not come back.
                Ok(()) | Err(swarm::Fault::Busy) => Ok(()),
                Err(fault) => Err(fault.into()),
            };
        }
        let Some(most) = limit else { return Ok(()) };
        let (swarm, agent) = &self.whose;
        let query = Query { kinds: self.kinds, since: None, most };
        let mut page = self.swarms.logs(swarm, agent.as_deref(), &query)?;
        page.rows.retain(|row| row.record.n <= self.follow.begins());
        let mut kept = Vec::new();
        if let Some(events) = &self.events {
            kept = newest(&events.hub, events.filter.clone(), most)?;
            kept.retain(|event| event.id <= events.done);
        }
        self.waiting = merged(page.rows, kept.into_iter().map(Waiting::Event).collect());
        self.waiting.drain(..self.waiting.len().saturating_sub(most));
        // Who is cut off in the middle of them comes back for the rest.
        let first = self.waiting.iter().find_map(|one| match one {
            Waiting::Log(row) => Some(row.record.n),
            Waiting::Gap(_) | Waiting::Event(_) | Waiting::Entry(_) => None,
        });
        let first_event = self.waiting.iter().find_map(|one| Some(one.event()?.id));
        self.at.n = first.map_or(self.at.n, |n| n.saturating_sub(1));
        self.at.event = self.at.event.map(|event| first_event.map_or(event, |first| first.saturating_sub(1)));
        Ok(())
    }

    /// Takes one more page of what was there before, or goes on to make it.
    fn catch_up(&mut self) -> std::result::Result<(), swarm::Fault> {
        let Some(since) = self.since else { return Ok(()) };
        let mut look = match self.look.take() {
            Some(look) => look,
            None => {
                let (swarm, agent) = &self.whose;
                let query = Query { kinds: self.kinds, since: Some(since), most: AT_ONCE };
                self.swarms.look_at_logs(swarm, agent.as_deref(), &query)?
            }
        };
        let Ok(page) = look.page_at_once().map_err(|Unread::Busy| ()) else {
            self.look = Some(look);
            return Err(swarm::Fault::Busy);
        };
        let begins = self.follow.begins();
        if page.missed > 0 {
            self.waiting.push_back(Waiting::Gap(page.missed));
        }
        let rows = page.rows.into_iter().filter(|row| row.record.n <= begins);
        self.waiting.extend(rows.map(Waiting::Log));
        // What comes behind its beginning comes to who follows.
        self.since = Some(page.next).filter(|next| *next < begins && *next > since);
        Ok(())
    }

    /// Takes what came; whether anything did, and whether it is over.
    fn go_on(&mut self) -> std::result::Result<(bool, bool), events::Unread> {
        let came = self.events.as_mut().map_or_else(|| Ok(Came::default()), Events::next)?;
        let batch = self.follow.next(AT_ONCE);
        let missed = came.missed.saturating_add(batch.missed);
        let any = came.any || missed > 0 || !batch.rows.is_empty();
        if missed > 0 {
            self.waiting.push_back(Waiting::Gap(missed));
        }
        self.waiting.append(&mut merged(batch.rows, came.events));
        Ok((any, batch.gone))
    }
}

impl Source for Follower {
    fn next(&mut self, out: &mut Frames, now: u64) -> Next {
        let again = Next::At(now.saturating_add(AGAIN_MS));
        let mut has_read = false;
        for _ in 0..ROUNDS {
            while let Some(first) = self.waiting.front() {
                if !first.put(out, &mut self.at) {
                    return Next::Woken;
                }
                self.waiting.pop_front();
            }
            if self.since.is_some() {
                // One page of the disk at a time: the socket has its look in between.
                if std::mem::replace(&mut has_read, true) {
                    return Next::At(now);
                }
                match self.catch_up() {
                    Ok(()) => continue,
                    Err(swarm::Fault::Busy) => return again,
                    Err(fault) => return Next::End(fault.code()),
                }
            }
            match self.go_on() {
                Ok((_, true)) => return Next::End("swarm_gone"),
                Ok((false, false)) => return Next::Woken,
                Ok((true, false)) => {}
                Err(events::Unread::Busy) => return again,
                Err(events::Unread::Disk) => return Next::End("events_unreadable"),
            }
        }
        // Others have their turn, and the socket its look.
        Next::At(now)
    }
}
