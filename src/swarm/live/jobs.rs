//! What is done without the lock: one queue for each swarm, emptied in order by whoever comes first.
//!
//! Saying something to a program only queues it there, and so does telling of an event: no job waits for
//! anybody, and one queue keeps the order in which the lock saw things. Whoever finds nobody emptying it does
//! so, in a loop and never recursively, also what others add meanwhile, but not for ever: after
//! [`AT_ONCE`] jobs the rest is left to the next one, and the ticker is woken in case nobody comes.
//!
//! Files are the other kind of work: copies of messages in inboxes, answers to asks. A disk may be slow, so they
//! are not in this queue, where they would hold up every agent of the swarm, nor with the ticker, whose
//! queue would have to be bounded and would then lose some. The thread whose input caused them writes them,
//! after the lock and the queue: an agent's own thread, as a rule. A disk that is slow slows down who writes.

use std::{sync::Arc, time::Duration};

use super::{Live, pass::Pass, place::Place};
use crate::{
    agent::protocol::Item,
    backend::Running,
    bus::sanitise,
    swarm::{
        ask::Envelope,
        events::{Draft, Push},
    },
    wire::node::NodeName,
};

/// Jobs that one thread does for the others.
const AT_ONCE: usize = 1_024;
/// Where so many jobs wait, whoever adds more waits too.
const MANY: usize = 8_192;
/// How long at most: a guard only, for jobs take no time.
const WAIT: Duration = Duration::from_millis(100);

/// Something to be done, none of which waits.
pub(super) enum Job {
    /// say something to an agent; where that fails, its machine is told
    Say {
        to: Arc<dyn Running>,
        agent: NodeName,
        run: u64,
        item: Item,
        turn: u64,
        /// it goes to a terminal, which would obey some of it
        typed: bool,
    },
    /// say a line to an object that is a process
    Line { to: Arc<dyn Running>, object: NodeName, line: Vec<u8> },
    /// let a program's keeper end it
    End(Arc<dyn Running>),
    /// tell of something
    Tell(Draft),
    /// tell those who follow of something about an agent that nobody keeps
    Push(NodeName, Push),
}

/// A file to be written.
pub(super) enum Paper {
    /// the copy of a message
    Message { place: Arc<Place>, from: NodeName, content: String },
    /// the answer to an ask
    Reply { place: Arc<Place>, id: String, envelope: Envelope },
}

impl Live {
    /// Does what is to be done, unless somebody does it already.
    pub(super) fn drain(&self) {
        let mut done = 0;
        let mut mine = false;
        loop {
            let jobs = {
                let mut table = self.lock();
                if table.draining && !mine {
                    if table.jobs.len() >= MANY {
                        // Who says more than can be done is slowed down, and the queue stays bounded.
                        drop(self.drained.wait_timeout(table, WAIT));
                    }
                    return;
                }
                mine = true;
                table.draining = !table.jobs.is_empty();
                if !table.draining {
                    return;
                }
                if done >= AT_ONCE {
                    table.draining = false;
                    drop(table);
                    return (self.parts.wake)();
                }
                std::mem::take(&mut table.jobs)
            };
            if jobs.len() >= MANY {
                self.drained.notify_all();
            }
            done = done.saturating_add(jobs.len());
            jobs.into_iter().for_each(|job| self.perform(job));
        }
    }

    fn perform(&self, job: Job) {
        match job {
            Job::Say { to, agent, run, item, turn, typed } => {
                let shown = if typed { sanitised(&item) } else { None };
                if to.say(shown.as_ref().unwrap_or(&item)).is_err() {
                    let mut pass = Pass::begin(self);
                    pass.not_said(&agent, run, item, turn);
                    // Its effects go to the queue that is being emptied.
                    let after = pass.finish();
                    self.after(after);
                }
            }
            Job::Line { to, object, line } => {
                if to.raw(line).is_err() {
                    self.parts.hub.publish(self.dropped(&object, "the object takes nothing"));
                }
            }
            Job::End(running) => running.begin_end(),
            Job::Tell(draft) => {
                self.parts.hub.publish(draft);
            }
            Job::Push(agent, push) => self.parts.hub.tell(&self.name, &agent, push),
        }
    }

    /// Writes files. Where one cannot be written, its agent has seen to that itself, or the disk is full: the
    /// message reaches it all the same, and an ask of its own times out.
    pub(super) fn write(&self, papers: Vec<Paper>) {
        for paper in papers {
            match paper {
                Paper::Message { place, from, content } => place.deliver(from.as_str(), &content),
                Paper::Reply { place, id, envelope } => place.reply(&id, &envelope.to_value()),
            }
        }
    }
}

/// An item as it may be typed into a terminal.
fn sanitised(item: &Item) -> Option<Item> {
    let clean = |text: &str| sanitise::typed(text).text;
    Some(match item {
        Item::Task { content } => Item::Task { content: clean(content) },
        Item::Message { from, content } => Item::Message { from: from.clone(), content: clean(content) },
    })
}
