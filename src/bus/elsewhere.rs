//! Messages for agents of other instances: who has a name, and what became of what was handed over.
//!
//! A name that is known here is here. Any other is looked for in the registry; where several have it,
//! nobody gets the message. Nothing is locked while a letter is on its way.

use serde_json::Value;

use super::{Bus, Terminals, mail::Answer, rate::Sender};
use crate::{
    registry::{Forwarded, Found, Letter, NotReached, Peer, Speaks, There, Unsure},
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// How a text came here; by default it was written here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route<'a> {
    /// the ids of the instances that it came through, this one not among them
    pub path: &'a [String],
    /// how often it was handed on
    pub hops: u64,
    /// it may have been delivered before
    pub redelivered: bool,
}

/// Why another instance does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotForwarded {
    /// of the answer, where it is an error
    pub status: u16,
    /// stable
    pub code: &'static str,
    /// what happened
    pub sentence: String,
    /// of the instance that was asked
    pub home: Option<HomeId>,
    /// it may have arrived all the same
    pub unsure: bool,
    /// it is of no use to try again
    pub lasting: bool,
}

impl NotForwarded {
    /// The answer, as /api/v1/ gives it.
    pub fn answer(&self) -> Answer {
        (self.status, self.code, self.sentence.clone(), None)
    }
}

/// Where a name is.
pub(super) enum Place {
    /// here, or nowhere and to be kept here
    Here,
    /// at another instance
    At(Box<Peer>),
    /// nowhere; the code of what is wrong with the entry that seems to be about it
    Nobody(Option<&'static str>),
    /// at several instances
    Several(Vec<Address>),
}

impl Bus {
    /// The home that a message names where that is another's.
    pub(super) fn far_home<'a>(&self, home: Option<&'a HomeId>) -> Option<&'a HomeId> {
        home.filter(|home| *home != self.elsewhere.home())
    }

    /// Where a name is: a name that is known here is here. What is for a name that nobody knows is kept
    /// here where there is no registry, as far as its sender may fill mailboxes.
    pub(super) fn locate(
        &self,
        sender: Sender<'_>,
        to: &AgentId,
        home: Option<&HomeId>,
        hold: Option<bool>,
        terminals: &dyn Terminals,
    ) -> Place {
        let keeps = matches!(sender, Sender::Owner(_) | Sender::Api | Sender::Peer) && hold != Some(false);
        let far = self.far_home(home);
        if far.is_none() {
            if to.as_str() == OWNER || self.is_known(to, terminals) {
                return Place::Here;
            }
            if home.is_some() || !self.elsewhere.is_on() {
                return if keeps { Place::Here } else { Place::Nobody(None) };
            }
        }
        if !self.elsewhere.is_on() {
            return Place::Nobody(None);
        }
        match self.elsewhere.find(&Address { name: to.clone(), home: far.cloned() }) {
            Found::One(peer) => Place::At(peer),
            Found::Nobody(trouble) => match far.filter(|_| to.as_str() == OWNER) {
                Some(home) => self.owner_at(home),
                None => Place::Nobody(trouble),
            },
            Found::Several(homes) => {
                let at = |home| Address { name: to.clone(), home: Some(home) };
                Place::Several(homes.into_iter().map(at).collect())
            }
        }
    }

    /// The owner of another instance has no entry; he is reached where any agent of it is.
    fn owner_at(&self, home: &HomeId) -> Place {
        let listing = self.elsewhere.listing();
        let fits =
            |agent: AgentId| match self.elsewhere.find(&Address { name: agent, home: Some(home.clone()) }) {
                Found::One(peer) if peer.speaks == Speaks::Loopgate => Some(peer),
                Found::One(_) | Found::Nobody(_) | Found::Several(_) => None,
            };
        let instance = listing.instances.into_iter().find(|instance| instance.home == *home);
        let peer =
            instance.and_then(|instance| instance.agents.into_iter().find_map(|agent| fits(agent.name)));
        match (peer, AgentId::parse(OWNER)) {
            (Some(mut peer), Ok(owner)) => {
                peer.agent = owner;
                Place::At(peer)
            }
            (Some(_) | None, _) => Place::Nobody(None),
        }
    }

    /// Hands a letter over. With what went wrong there may be an answer that can be handed on.
    pub(super) fn hand_over(
        &self,
        peer: &Peer,
        letter: &Letter<'_>,
    ) -> Result<(Value, There), (NotForwarded, Value)> {
        let to = Address { name: peer.agent.clone(), home: Some(peer.home.clone()) };
        let why = |(status, code, sentence): (u16, &'static str, String), unsure: bool, lasting: bool| {
            NotForwarded { status, code, sentence, home: Some(peer.home.clone()), unsure, lasting }
        };
        match self.elsewhere.forward(peer, letter) {
            Forwarded::Taken { body, there } => Ok((body, there)),
            Forwarded::Refused { body, code, sentence, lasting } => {
                let (code, status) = refusal(&code);
                // It was handed on there, and what became of it is not known there either.
                let unsure = UNSURE.contains(&code);
                let sentence = format!("{to}: {sentence}");
                Err((why((status, code, sentence), unsure, lasting && !unsure), body))
            }
            Forwarded::NotReached(not) => {
                let lasting = not == NotReached::TooLarge;
                Err((why(not_reached(not, &to), false, lasting), Value::Null))
            }
            Forwarded::Unsure(unsure) => Err((why(not_sure(unsure, &to), true, false), Value::Null)),
        }
    }
}

/// Whose mailbox the owner reads as his own. No agent can carry the name.
const OWNER: &str = "owner";

/// Codes that say that it may have arrived.
pub(super) const UNSURE: [&str; 3] = ["peer_silent", "peer_broke_off", "peer_answer"];

/// The codes with which other instances refuse, with the status that is answered here.
const REFUSALS: [(&str, u16); 24] = [
    ("agent_not_found", 404),
    ("ambiguous_agent", 409),
    ("bad_agent_id", 400),
    ("forward_loop", 502),
    ("id_reused", 409),
    ("journal_failed", 502),
    ("journal_slow", 503),
    ("mail_full", 429),
    ("mailbox_full", 429),
    ("mailboxes_full", 429),
    ("message_too_long", 413),
    ("no_controller", 502),
    ("no_space", 507),
    ("not_typed", 502),
    ("peer_answer", 502),
    ("peer_broke_off", 502),
    ("peer_busy", 503),
    ("peer_gone", 502),
    ("peer_silent", 504),
    ("peer_unreachable", 502),
    ("rate_limited", 429),
    ("sender_share_full", 429),
    ("typing_not_allowed", 403),
    ("wrong_field", 422),
];

/// Our own word for another instance's code, so that none of its is repeated unseen.
fn refusal(code: &str) -> (&'static str, u16) {
    REFUSALS.into_iter().find(|(known, _)| *known == code).unwrap_or(("peer_refused", 502))
}

fn not_reached(why: NotReached, to: &Address) -> (u16, &'static str, String) {
    let (status, sentence) = match why {
        NotReached::Gone => (502, "its instance has ended"),
        NotReached::NoConnection => (502, "its instance does not let us connect"),
        NotReached::Impostor => (502, "what listens at its address is not its instance"),
        NotReached::Busy => (503, "as many letters as may be are on their way to it"),
        NotReached::Loop => (502, "it came through too many instances, or through this one before"),
        NotReached::TooLarge => (413, "the text is too long to be handed over"),
        NotReached::Unknown => (502, "its instance cannot be checked"),
    };
    (status, why.code(), format!("{to} was not reached: {sentence}"))
}

fn not_sure(why: Unsure, to: &Address) -> (u16, &'static str, String) {
    let (status, sentence) = match why {
        Unsure::Silent => (504, "its instance did not answer in time"),
        Unsure::Broken => (502, "its instance broke the connection off"),
        Unsure::Junk => (502, "its instance answered with something else"),
    };
    (status, why.code(), format!("{to}: {sentence}: it may have arrived"))
}

/// Which name is of several instances, and which they are.
pub(super) fn ambiguous(candidates: &[Address]) -> String {
    let all: Vec<String> = candidates.iter().map(Address::to_string).collect();
    format!("ambiguous agent name: {}", all.join(", "))
}

/// That nobody has a name.
pub(super) fn not_found(to: &Address, trouble: Option<&'static str>) -> String {
    match trouble {
        None => format!("agent not found: {to}"),
        Some(code) if code.starts_with("directory_") => {
            format!("agent not found: {to} (the registry's directory does not count: {code})")
        }
        Some(code) => format!("agent not found: {to} (its entry in the registry does not count: {code})"),
    }
}

/// That an agent may not type into an agent of another instance.
pub(super) fn typing_not_allowed(to: &Address) -> String {
    format!(
        "{to} is reached by typing only: an agent may type there where it was started with may_type_into \
         naming {}",
        to.name
    )
}
