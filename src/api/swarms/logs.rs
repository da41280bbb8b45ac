//! What agents said and printed: asked for in pages, or followed (spec genswarms B.1).
//!
//! A page has the newest, or behind a number the first after it, and is oldest first either way. Who follows takes his
//! place before he is given what is kept, so that nothing lies between the two. The logs of a swarm may be followed
//! together with its events: what came since the last look is put in the order of its times.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};

use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
        stream::{self, Frames, Next, Source},
    },
    limits,
    swarm::{
        self, Swarms,
        events::{self, Entry, Event, Filter},
        logs::{Follow, Kinds, Page, Query, Row},
    },
    sys::poll::Wake,
    wire::nearest,
};

/// Records in an answer, where it is not said how many.
const DEFAULT: usize = 100;
/// Records that are taken at once by who follows.
const AT_ONCE: usize = 64;
/// Looks at what is followed in one go, where nothing of it is wanted.
const ROUNDS: usize = 16;
/// What a follower waits where somebody else reads the disk, in ms.
const AGAIN_MS: u64 = 100;
/// What may be asked for.
const KINDS: [&str; 4] = ["conversation", "output", "events", "all"];
/// The parameters.
const PARAMETERS: [&str; 4] = ["kind", "limit", "since", "follow"];

/// `GET /api/swarms/:swarm/agents/:agent/logs`. Without a `kind` as clients of GenSwarms know it: the conversation.
pub(in crate::api) fn of_agent(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let (swarm, agent) = request.two_ids();
    answer(app, caller, request, swarm, Some(agent))
}

/// `GET /api/swarms/:swarm/logs`: of all its agents, as one.
pub(in crate::api) fn of_swarm(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    answer(app, caller, request, request.id, None)
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// none is given: rows have the four fields that clients of GenSwarms know
    plain: bool,
    kinds: Kinds,
    events: bool,
    limit: Option<usize>,
    since: Option<u64>,
    follow: bool,
}

impl Asked {
    fn read(request: &Request<'_>) -> Result<Self> {
        for pair in request.head.query().unwrap_or_default().split('&') {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            let slip = nearest::nearest(name, PARAMETERS).filter(|_| !PARAMETERS.contains(&name));
            if let Some(meant) = slip {
                return Err(bad("kind", format!("there is no such query parameter; is '{meant}' meant?")));
            }
        }
        let limit = request.whole_param("limit")?;
        let limit = limit.map(|limit| match usize::try_from(limit) {
            Ok(limit) if (1..=limits::LOG_PAGE).contains(&limit) => Ok(limit),
            Ok(_) | Err(_) => {
                let sentence =
                    format!("query parameter 'limit' is a whole number from 1 to {}", limits::LOG_PAGE);
                Err(bad("limit", sentence))
            }
        });
        let kinds = request.param("kind")?;
        let (mut said, mut printed, mut events) = (kinds.is_none(), false, false);
        for kind in kinds.iter().flat_map(|kinds| kinds.split(',')) {
            match kind {
                "conversation" => said = true,
                "output" => printed = true,
                "events" => events = true,
                "all" => (said, printed) = (true, true),
                other => {
                    let near = nearest::nearest(other, KINDS).map(|near| format!("; is '{near}' meant?"));
                    let near = near.unwrap_or_else(|| format!("; there are {}", KINDS.join(", ")));
                    return Err(bad("kind", format!("query parameter 'kind' knows no such word{near}")));
                }
            }
        }
        let follow = match request.param("follow")?.as_deref() {
            None | Some("0" | "false") => false,
            Some("1" | "true") => true,
            Some(_) => return Err(bad("follow", "query parameter 'follow' is 1 or 0".to_owned())),
        };
        let since = request.whole_param("since")?;
        let asked = Self {
            plain: kinds.is_none(),
            kinds: Kinds { said, printed },
            events,
            limit: limit.transpose()?,
            since,
            follow,
        };
        match asked {
            Self { follow: true, since: Some(_), limit: Some(_), .. } => Err(bad(
                "limit",
                "who follows begins with the newest or behind a number, not with both".to_owned(),
            )),
            // Who comes back says how far he came: he begins there, and has had the newest.
            Self { follow: true, since, .. } => match stream::begin(request, since)? {
                Some(number) => Ok(Self { since: Some(number), limit: None, ..asked }),
                None => Ok(asked),
            },
            Self { events: true, since: Some(_), .. } => {
                Err(bad("since", "numbers of events are others: ask for them at their own route".to_owned()))
            }
            asked => Ok(asked),
        }
    }

    fn query(&self, most: usize) -> Query {
        Query { kinds: self.kinds, since: self.since, most }
    }
}

fn bad(name: &'static str, sentence: String) -> Fault {
    Fault::field(400, "bad_query", name, sentence)
}

fn answer(app: &App, caller: &Caller, request: &Request<'_>, swarm: &str, agent: Option<&str>) -> Result {
    let asked = Asked::read(request)?;
    if asked.follow {
        return stream::answer(app, caller, request, |wake| {
            let follow = app.swarms.follow_logs(swarm, agent, asked.kinds, Arc::clone(wake))?;
            let events = asked.events.then(|| Events::follow(app, swarm, agent, wake));
            let whose = (swarm.to_owned(), agent.map(str::to_owned));
            let mut follower = Follower::new(Arc::clone(&app.swarms), whose, &asked, follow, events);
            // What cannot be read is refused while there is still an answer to give.
            follower.begin(asked.limit)?;
            Ok(Box::new(follower))
        });
    }
    let most = asked.limit.unwrap_or(DEFAULT);
    let page = app.swarms.logs(swarm, agent, &asked.query(most))?;
    let events = match asked.events {
        true => app.swarms.events().recent(&filter(swarm, agent), most).events,
        false => Vec::new(),
    };
    let rows = merged(page.rows, events.into_iter().rev().map(Waiting::Event).collect());
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

    /// As a frame; whether it had room.
    fn put(&self, out: &mut Frames) -> bool {
        match self {
            Self::Gap(missed) => out.put("gap", None, &json!({ "missed": missed }).to_string()),
            Self::Log(row) => {
                out.put("log", Some(row.record.n), &row.record.to_full_value(&row.agent).to_string())
            }
            Self::Event(event) => put_event(out, event.json()),
            Self::Entry(entry) => entry.event_json().is_none_or(|json| put_event(out, json)),
        }
    }
}

/// An event has no number here: those of the stream are the records'.
fn put_event(out: &mut Frames, json: &str) -> bool {
    out.put("event", None, &format!("{{\"kind\":\"event\",{}", json.get(1..).unwrap_or_default()))
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
    follow: events::Follow,
    filter: Filter,
    /// those up to this number were there before
    last: u64,
}

impl Events {
    fn follow(app: &App, swarm: &str, agent: Option<&str>, wake: &Arc<Wake>) -> Self {
        let hub = app.swarms.events();
        // In this order: what comes between the two is among those that were there.
        let follow = hub.follow(Arc::clone(wake));
        Self { follow, filter: filter(swarm, agent), last: hub.last() }
    }

    fn next(&mut self) -> (u64, bool, Vec<Waiting>) {
        let batch = self.follow.next(AT_ONCE);
        let any = !batch.entries.is_empty();
        let wanted = |event: &Event| event.id > self.last && self.filter.matches(event, event.unix_ms);
        let entries = batch.entries.into_iter().filter(|entry| entry.event().is_some_and(wanted));
        (batch.missed, any, entries.map(Waiting::Entry).collect())
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
        let Asked { kinds, since, .. } = *asked;
        Self { swarms, whose, kinds, follow, events, since, waiting: VecDeque::new() }
    }

    /// What was there before: the newest, or the first behind the number.
    fn begin(&mut self, limit: Option<usize>) -> Result<()> {
        if self.since.is_some() {
            return Ok(self.catch_up()?);
        }
        let Some(most) = limit else { return Ok(()) };
        let mut page = self.page(&Query { kinds: self.kinds, since: None, most })?;
        page.rows.retain(|row| row.record.n <= self.follow.begins());
        let (swarm, agent) = &self.whose;
        let events = self.events.as_ref().map(|events| {
            let mut kept = self.swarms.events().recent(&filter(swarm, agent.as_deref()), most).events;
            kept.retain(|event| event.id <= events.last);
            kept.into_iter().rev().map(Waiting::Event).collect()
        });
        self.waiting = merged(page.rows, events.unwrap_or_default());
        self.waiting.drain(..self.waiting.len().saturating_sub(most));
        Ok(())
    }

    fn page(&self, query: &Query) -> std::result::Result<Page, swarm::Fault> {
        let (swarm, agent) = &self.whose;
        self.swarms.logs(swarm, agent.as_deref(), query)
    }

    /// Takes one more page of what was there before.
    fn catch_up(&mut self) -> std::result::Result<(), swarm::Fault> {
        let Some(since) = self.since else { return Ok(()) };
        let page = self.page(&Query { kinds: self.kinds, since: Some(since), most: AT_ONCE })?;
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
    fn go_on(&mut self) -> (bool, bool) {
        let batch = self.follow.next(AT_ONCE);
        let (missed, any, events) = self.events.as_mut().map(Events::next).unwrap_or_default();
        let missed = missed.saturating_add(batch.missed);
        let any = any || missed > 0 || !batch.rows.is_empty();
        if missed > 0 {
            self.waiting.push_back(Waiting::Gap(missed));
        }
        self.waiting.append(&mut merged(batch.rows, events));
        (any, batch.gone)
    }
}

impl Source for Follower {
    fn next(&mut self, out: &mut Frames, now: u64) -> Next {
        for _ in 0..ROUNDS {
            while let Some(first) = self.waiting.front() {
                if !first.put(out) {
                    return Next::Woken;
                }
                self.waiting.pop_front();
            }
            if self.since.is_some() {
                match self.catch_up() {
                    Ok(()) => continue,
                    Err(swarm::Fault::Busy) => return Next::At(now.saturating_add(AGAIN_MS)),
                    Err(fault) => return Next::End(fault.code()),
                }
            }
            match self.go_on() {
                (_, true) => return Next::End("swarm_gone"),
                (false, false) => return Next::Woken,
                (true, false) => {}
            }
        }
        // Others have their turn, and the socket its look.
        Next::At(now)
    }
}
