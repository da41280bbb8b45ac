//! What is asked of logs: which records, how many, behind what, and whether what comes is wanted too.
//!
//! It is read whole before anything is looked at; what cannot be meant is refused, with the parameter's name. The
//! place of somebody who comes back stands in one number, or in two where he follows events as well.

use std::fmt;

use crate::{
    api::{
        request::{Request, Result, whole},
        stream,
        swarms::query::{self, bad},
    },
    limits,
    swarm::logs::{Kinds, Query},
};

/// What may be asked for.
const KINDS: [&str; 4] = ["conversation", "output", "events", "all"];
/// The parameters.
const PARAMETERS: [&str; 4] = ["kind", "limit", "since", "follow"];

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// none is given: rows have the four fields that clients of GenSwarms know
    pub plain: bool,
    pub kinds: Kinds,
    pub events: bool,
    pub limit: Option<usize>,
    pub since: Option<Place>,
    pub follow: bool,
}

/// Up to where somebody was given records, and events where he follows both: `N`, or `N-EVENT`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub n: u64,
    pub event: Option<u64>,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        match text.split_once('-') {
            None => Some(Self { n: whole(text)?, event: None }),
            Some((n, event)) => Some(Self { n: whole(n)?, event: Some(whole(event)?) }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            None => write!(f, "{}", self.n),
            Some(event) => write!(f, "{}-{event}", self.n),
        }
    }
}

impl Asked {
    pub fn read(request: &Request<'_>) -> Result<Self> {
        for pair in request.head.query().unwrap_or_default().split('&') {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            if !PARAMETERS.contains(&name) {
                query::no_slip(name, &PARAMETERS)?;
            }
        }
        let limit = request.param("limit")?;
        let limit =
            limit.map(|limit| query::whole("limit", &limit, 1, limits::LOG_PAGE as u64)).transpose()?;
        let asked = request.param("kind")?;
        let kinds = match &asked {
            Some(kinds) => query::words("kind", kinds, &KINDS, |kind| kind)?,
            None => vec!["conversation"],
        };
        let has = |kind| kinds.contains(&kind);
        let all = has("all");
        let follow = request.param("follow")?.map_or(Ok(false), |value| query::follow(&value))?;
        let events = has("events");
        let read = |text: &str| Place::read(text).filter(|place| place.event.is_none() || (events && follow));
        let since = request.param("since")?.map(|since| {
            let sentence =
                "query parameter 'since' is a whole number, or where events are followed too two: N-EVENT";
            read(&since).ok_or_else(|| bad("since", sentence.to_owned()))
        });
        let asked = Self {
            plain: asked.is_none(),
            kinds: Kinds { said: all || has("conversation"), printed: all || has("output") },
            events,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            since: since.transpose()?,
            follow,
        };
        match asked {
            Self { follow: true, since: Some(_), limit: Some(_), .. } => Err(bad(
                "limit",
                "who follows begins with the newest or behind a number, not with both".to_owned(),
            )),
            // Who comes back says how far he came: he begins there, and has had the newest.
            Self { follow: true, since, .. } => match stream::begin_at(request, since, read)? {
                Some(place) => Ok(Self { since: Some(place), limit: None, ..asked }),
                None => Ok(asked),
            },
            Self { events: true, since: Some(_), .. } => {
                Err(bad("since", "numbers of events are others: ask for them at their own route".to_owned()))
            }
            asked => Ok(asked),
        }
    }

    pub fn query(&self, most: usize) -> Query {
        Query { kinds: self.kinds, since: self.since.map(|since| since.n), most }
    }
}
