//! Send: a message reaches a terminal that accepts its sender, or waits for its reader.
//!
//! Rates come before anything is accepted; what is accepted is on disk before its sender hears so.
//! Who a sender is was decided by his credential: what a message says of itself is a label, kept
//! beside the name and never in its place (design section 8).

use std::{sync::Arc, time::Duration};

use super::{
    Bus, InjectError, Terminal, Terminals,
    ask::Waiting,
    audit,
    elsewhere::{Place, Route, UNSURE},
    mail::{Accepted, Kind, NewMessage, State},
    outgoing::{Broadcast, Outgoing, SendError, SendOutcome, Sent, ToAll},
    rate::Sender,
    typing::Typing,
};
use crate::wire::id::AgentId;

impl<'a> Sender<'a> {
    /// The name that a target's `accept_typed_from` may hold, and that stands before a typed text.
    pub(super) fn name(self) -> &'a str {
        match self {
            Sender::Owner(_) => "owner",
            Sender::Agent(name) => name,
            Sender::Api => "api",
            Sender::Peer => "peer",
            Sender::FarOwner(name) | Sender::FarAgent(name) => name,
        }
    }

    /// As the audit and the mailboxes write it.
    pub(super) fn caller(&self) -> String {
        match self {
            Sender::Agent(name) | Sender::FarAgent(name) => format!("agent {name}"),
            Sender::Owner(_) | Sender::Api | Sender::Peer | Sender::FarOwner(_) => self.name().to_owned(),
        }
    }
}

/// Where a message goes.
enum Way {
    /// into the mailbox
    Mailbox,
    /// into this terminal
    Terminal(Terminal),
    /// to the request that waits for it as an answer
    Asker(Arc<Waiting>),
}

impl Bus {
    /// Types a message where the target accepts that from this sender, hands it to whoever asked for
    /// it or to the instance that has the target, or lets it wait.
    pub fn send(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        // Before the registry is looked into: looking costs more than what is refused.
        self.count_send(sender)?;
        let place = self.locate_new(sender, &message, terminals);
        self.send_to(sender, message, place, terminals)
    }

    /// Where a message goes that was not accepted before, and answers nobody who waits.
    fn locate_new(&self, sender: Sender<'_>, message: &Outgoing<'_>, terminals: &dyn Terminals) -> Place {
        let home = self.far_home(message.home);
        let known = self.mail.knows(&sender.caller(), message.to, home, message.id);
        if known || (home.is_none() && self.asks.answered_by(sender, message).is_some()) {
            return Place::Here;
        }
        self.locate(sender, message.to, message.home, message.hold, terminals)
    }

    /// Sends a message, which is counted, to where its target is.
    pub(super) fn send_to(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        place: Place,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let home = self.far_home(message.home);
        // It was refused before under this id, and may have arrived all the same.
        let before = self.mail.refused_before(&sender.caller(), message.to, home, message.id);
        let unsure = before.is_some_and(|why| UNSURE.iter().any(|code| why.ends_with(code)));
        let route = Route { redelivered: message.route.redelivered || unsure, ..message.route };
        let here = Outgoing { home, hold: None, route, ..message };
        if self.mail.knows(&sender.caller(), message.to, home, message.id) {
            // It goes nowhere and pays nothing: its sender is told what he was told.
            let known = Outgoing { hold: home.map(|_| true), ..here };
            return self.accept(sender, &known, Way::Mailbox, terminals);
        }
        if let Some(waiting) = self.asks.answered_by(sender, &message).filter(|_| home.is_none()) {
            return self.accept(sender, &here, Way::Asker(waiting), terminals);
        }
        match place {
            Place::Here => {
                let way = self.way(sender, &here, terminals)?;
                self.accept(sender, &here, way, terminals)
            }
            place => self.send_elsewhere(sender, &Outgoing { hold: message.hold, ..here }, place, terminals),
        }
    }

    /// Takes a letter of another instance in: for whoever is here. One for a name that is not here is
    /// handed on at once, and never kept; one that names this home goes nowhere else.
    pub fn receive(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        self.send(sender, Outgoing { hold: None, ..message }, terminals)
    }

    /// Lets a message wait, whoever accepts typed text.
    pub(super) fn mail_only(
        &self,
        sender: Sender<'_>,
        message: Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        self.count_send(sender)?;
        self.accept(sender, &message, Way::Mailbox, terminals)
    }

    /// A copy for every name on the bus and every running agent but the sender's own. One that finds
    /// no room does not keep the others from theirs. Those that may be typed are typed by
    /// [`Bus::drain`], as fast as that may be.
    pub fn broadcast(
        &self,
        sender: Sender<'_>,
        message: ToAll<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Broadcast, SendError> {
        self.count_send(sender)?;
        let mut names = terminals.running();
        names.extend(self.presence.list().into_iter().map(|present| present.name));
        names.sort();
        names.dedup();
        names.retain(|name| name.as_str() != message.from);
        let mut told = Broadcast::default();
        for some in names.chunks(COPIES) {
            self.copies(sender, message, some, &mut told)?;
        }
        Ok(told)
    }

    /// Some copies of a broadcast, which share one sync.
    fn copies(
        &self,
        sender: Sender<'_>,
        message: ToAll<'_>,
        names: &[AgentId],
        told: &mut Broadcast,
    ) -> Result<(), SendError> {
        let caller = sender.caller();
        let ids = names.iter().map(|_| self.fresh_id()).collect::<Result<Vec<_>, _>>()?;
        let copies: Vec<Outgoing<'_>> = names
            .iter()
            .zip(&ids)
            .map(|(to, id)| Outgoing {
                kind: Kind::Broadcast,
                priority: message.priority,
                ..Outgoing::on_bus(to, message.text, id, message.from)
            })
            .collect();
        let new: Vec<NewMessage<'_>> =
            copies.iter().map(|copy| copy.to_accept(sender, &caller, false)).collect();
        for (copy, result) in copies.iter().zip(self.mail.accept_all(&new)) {
            match result {
                Ok(_) => {
                    self.write_message(audit::Happened::Accepted, &caller, copy);
                    if self.presence.is_live(copy.to) {
                        told.delivered += 1;
                    } else {
                        told.queued += 1;
                    }
                }
                Err(error) => {
                    self.write_message(audit::Happened::Refused(error.answer().1), &caller, copy);
                    told.refused += 1;
                }
            }
        }
        Ok(())
    }

    /// Whether there is an agent or a name on the bus.
    pub fn is_known(&self, name: &AgentId, terminals: &dyn Terminals) -> bool {
        self.presence.is_known(name) || terminals.knows(name) || self.state().directory.get(name).is_some()
    }

    /// Counts one message of a sender, or says that he has sent as many as he may. Messages in a swarm count too.
    pub fn count_send(&self, sender: Sender<'_>) -> Result<(), SendError> {
        let now = self.clock.monotonic_ms();
        self.state().sends.take(sender, now).map_err(SendError::RateLimited)
    }

    /// Decides where a message to somebody here goes; what would be typed pays for that before it is
    /// accepted.
    fn way(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        terminals: &dyn Terminals,
    ) -> Result<Way, SendError> {
        let Some(terminal) = terminals.terminal(message.to).filter(|t| t.accepts(sender.name(), terminals))
        else {
            return Ok(Way::Mailbox);
        };
        // What this sender has waiting there comes first; what others have does not keep him back.
        let own = sender.caller();
        if !self.typing.has_room() || self.mail.next_for_typing(message.to, &|caller| caller == own).is_some()
        {
            return Ok(Way::Mailbox);
        }
        let now = self.clock.monotonic_ms();
        let taken = self.state().rates.take(sender, message.to.as_str(), now);
        match taken {
            Ok(()) => Ok(Way::Terminal(terminal)),
            Err(reached) => {
                let error = InjectError::RateLimited(reached);
                self.write_typed(
                    &sender.caller(),
                    message.to,
                    message.id,
                    message.text,
                    &terminal.block_id,
                    Some(error),
                );
                Err(SendError::RateLimited(reached))
            }
        }
    }

    /// Hands an answer to whoever waits for it; where nobody does any more, it waits in his mailbox.
    pub(super) fn answer(
        &self,
        sender: Sender<'_>,
        reply: &Outgoing<'_>,
        waiting: Arc<Waiting>,
    ) -> Result<(), SendError> {
        let caller = sender.caller();
        let accepted = self.mail.accept(reply.to_accept(sender, &caller, true)).map_err(SendError::Mail)?;
        self.write_message(audit::Happened::Accepted, &caller, reply);
        if let Some(handed) = accepted.handed {
            // Dropped, it is in his mailbox.
            drop(waiting.put(handed));
        }
        Ok(())
    }

    fn accept(
        &self,
        sender: Sender<'_>,
        message: &Outgoing<'_>,
        way: Way,
        terminals: &dyn Terminals,
    ) -> Result<Sent, SendError> {
        let caller = sender.caller();
        let claim = !matches!(way, Way::Mailbox);
        let result = self.mail.accept(message.to_accept(sender, &caller, claim));
        let accepted = match result {
            Ok(accepted) => accepted,
            Err(error) => {
                let (_, code, _, _) = error.clone().answer();
                self.write_message(audit::Happened::Refused(code), &caller, message);
                return Err(SendError::Mail(error));
            }
        };
        let known = self.is_known(message.to, terminals);
        let Accepted { number, state, duplicate, handed } = accepted;
        let told = Sent {
            number,
            outcome: SendOutcome::Waiting,
            state,
            duplicate,
            truncated: false,
            known,
            home: None,
            held: false,
            why: None,
        };
        if duplicate {
            let (held, home) = self.mail.kept_for(number);
            return Ok(Sent { outcome: self.outcome_now(number, state), held, home, ..told });
        }
        let happened =
            if message.kind == Kind::Ask { audit::Happened::Asked } else { audit::Happened::Accepted };
        self.write_message(happened, &caller, message);
        let back = |told| Sent { outcome: self.outcome_waiting(message.to), state: State::Accepted, ..told };
        Ok(match (way, handed) {
            (Way::Terminal(terminal), Some(handed)) => {
                match self.type_out(handed, &terminal.block_id, TYPED_WITHIN, terminals) {
                    Typing::Done { truncated } => {
                        Sent { outcome: SendOutcome::Delivered, state: State::Delivered, truncated, ..told }
                    }
                    Typing::Underway { truncated } => {
                        Sent { outcome: SendOutcome::Queued, truncated, ..told }
                    }
                    Typing::Back => back(told),
                }
            }
            (Way::Asker(waiting), Some(handed)) => match waiting.put(handed) {
                Ok(()) => Sent { outcome: SendOutcome::Queued, ..told },
                // He has stopped waiting: it is in his mailbox.
                Err(handed) => {
                    drop(handed);
                    back(told)
                }
            },
            (Way::Mailbox | Way::Terminal(_) | Way::Asker(_), _) => back(told),
        })
    }

    /// Of one that waits: somebody is there to take it, or not.
    fn outcome_waiting(&self, to: &AgentId) -> SendOutcome {
        if self.presence.is_live(to) { SendOutcome::Queued } else { SendOutcome::Waiting }
    }

    /// Of one that was accepted before.
    pub(super) fn outcome_now(&self, number: u64, state: State) -> SendOutcome {
        match state {
            State::Delivered | State::Read => SendOutcome::Delivered,
            State::Forwarded => SendOutcome::Forwarded,
            State::Delivering if self.typing.holds(number) => SendOutcome::Queued,
            State::Failed | State::Expired => SendOutcome::Failed,
            State::Accepted | State::Delivering => SendOutcome::Waiting,
        }
    }

    fn write_message(&self, happened: audit::Happened, caller: &str, message: &Outgoing<'_>) {
        // One for this home's own address is for the name alone.
        self.write_far(happened, caller, &Outgoing { home: None, ..*message }, None);
    }
}

/// The name of a caller, as `accept_typed_from` holds it and as it stands before a typed text.
pub(super) fn name_of(caller: &str) -> &str {
    caller.strip_prefix("agent ").unwrap_or(caller)
}

/// Copies of a broadcast that share one sync: as many as the journal is sure to hold unwritten.
const COPIES: usize = 16;

/// How long the sender of a message waits to be told that it is typed.
const TYPED_WITHIN: Duration = Duration::from_millis(250);
