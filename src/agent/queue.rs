//! What is to be typed into one terminal, and when: a machine without I/O (`now -> bytes, or the
//! next moment`).
//!
//! One job is finished, its last CR included, before the next begins: two deliveries never
//! interleave, and keys go into no delivery. Jobs and their bytes are bounded, and so is the time that a terminal may take for
//! one write: a program that reads nothing costs its own deliveries and nothing else.

use std::collections::VecDeque;

use super::{paste, types::Submit};
use crate::limits;

/// When the delayed CRs follow, counted from the text (spec agentmux E.6).
const DELAYED_CR_MS: [u64; 3] = [200, 400, 600];
/// Keys that wait are one job of at most this many bytes.
const KEYS: usize = 64 * 1024;

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<'q, T> {
    /// Write these, say how many were taken ([`Queue::wrote`]), and ask again.
    Write(&'q [u8]),
    /// Nothing before this moment.
    Wait(u64),
    /// Nothing before the next job.
    Idle,
    /// This delivery's terminal took nothing for too long; ask again.
    Failed(T),
}

/// The jobs of one terminal. `T` goes with each delivery and comes back with its outcome.
#[derive(Debug)]
pub(super) struct Queue<T> {
    jobs: VecDeque<Job<T>>,
    /// The first of `jobs`, once begun.
    current: Option<Current>,
}

#[derive(Debug)]
enum Job<T> {
    Text { text: String, submit: Submit, tag: Option<T> },
    Keys(Vec<u8>),
}

/// A job that has begun. Invariant: `steps` is not empty, and `written` is less than the length
/// of the first step's bytes.
#[derive(Debug)]
struct Current {
    steps: VecDeque<Step>,
    written: usize,
    /// When the first step's bytes were first offered to the terminal.
    offered: Option<u64>,
    /// What the delays count from: the job's begin, then the moment its text was written.
    base: u64,
}

#[derive(Debug)]
struct Step {
    after: u64,
    bytes: Vec<u8>,
    /// With this step the delivery is written.
    delivers: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { jobs: VecDeque::new(), current: None }
    }
}

impl<T> Queue<T> {
    /// Queues a delivery.
    pub fn push_text(&mut self, text: &str, submit: Submit, tag: T) -> Result<(), Full> {
        self.has_room()?;
        self.jobs.push_back(Job::Text { text: text.to_owned(), submit, tag: Some(tag) });
        Ok(())
    }

    /// Queues raw keys: behind the job that has begun, and before deliveries that have not, so that
    /// nobody's messages keep the owner from the keyboard.
    pub fn push_keys(&mut self, keys: &[u8]) -> Result<(), Full> {
        let next = usize::from(self.current.is_some());
        match self.jobs.get_mut(next) {
            Some(Job::Keys(waiting)) if waiting.len() + keys.len() > KEYS => return Err(Full),
            Some(Job::Keys(waiting)) => waiting.extend_from_slice(keys),
            Some(Job::Text { .. }) | None if keys.is_empty() => {}
            Some(Job::Text { .. }) | None => self.jobs.insert(next, Job::Keys(keys.to_vec())),
        }
        Ok(())
    }

    /// What to do at `now`; `bracketed` says whether the program has bracketed paste on.
    pub fn next(&mut self, now: u64, bracketed: bool) -> Action<'_, T> {
        if self.current.is_none() {
            let Some(job) = self.jobs.front() else { return Action::Idle };
            self.current =
                Some(Current { steps: steps(job, bracketed), written: 0, offered: None, base: now });
        }
        let expired = self.current.as_ref().and_then(|c| c.offered);
        if expired.is_some_and(|since| now.saturating_sub(since) >= limits::TERMINAL_WRITE_MS) {
            self.current = None;
            return match self.jobs.pop_front() {
                Some(Job::Text { tag: Some(tag), .. }) => Action::Failed(tag),
                Some(_) | None => Action::Wait(now),
            };
        }
        let Some(current) = &mut self.current else { return Action::Idle };
        let Some(step) = current.steps.front() else { return Action::Idle };
        let due = current.base.saturating_add(step.after);
        if due > now {
            return Action::Wait(due);
        }
        current.offered.get_or_insert(now);
        Action::Write(step.bytes.get(current.written..).unwrap_or_default())
    }

    /// The terminal took `count` of the bytes offered. Gives the tag of the delivery that is now
    /// written, if one is.
    pub fn wrote(&mut self, count: usize, now: u64) -> Option<T> {
        let current = self.current.as_mut()?;
        current.written += count;
        if current.written < current.steps.front()?.bytes.len() {
            return None;
        }
        let step = current.steps.pop_front()?;
        current.written = 0;
        current.offered = None;
        let mut tag = None;
        if step.delivers {
            current.base = now;
            if let Some(Job::Text { tag: own, .. }) = self.jobs.front_mut() {
                tag = own.take();
            }
        }
        if current.steps.is_empty() {
            self.current = None;
            self.jobs.pop_front();
        }
        tag
    }

    /// When the write that the terminal has not taken yet has failed.
    pub fn write_deadline(&self) -> Option<u64> {
        let offered = self.current.as_ref()?.offered?;
        Some(offered.saturating_add(limits::TERMINAL_WRITE_MS))
    }

    /// Gives up all jobs; the tags of the deliveries that were not written.
    pub fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.current = None;
        std::mem::take(&mut self.jobs).into_iter().filter_map(|job| match job {
            Job::Text { tag, .. } => tag,
            Job::Keys(_) => None,
        })
    }

    fn has_room(&self) -> Result<(), Full> {
        let deliveries = self.jobs.iter().filter(|job| matches!(job, Job::Text { .. })).count();
        if deliveries < limits::TERMINAL_QUEUE { Ok(()) } else { Err(Full) }
    }
}

fn steps<T>(job: &Job<T>, bracketed: bool) -> VecDeque<Step> {
    let cr = |after| Step { after, bytes: b"\r".to_vec(), delivers: false };
    match job {
        Job::Keys(keys) => [Step { after: 0, bytes: keys.clone(), delivers: false }].into(),
        Job::Text { text, submit, .. } => {
            let text = Step { after: 0, bytes: typed(text, bracketed), delivers: true };
            match submit {
                Submit::Once => [text].into(),
                Submit::Thrice => [cr(0), text].into_iter().chain(DELAYED_CR_MS.map(cr)).collect(),
            }
        }
    }
}

/// The text and its CR. Bracketed, an ESC in the text could end the bracket early: the sanitiser
/// has taken them out long before, and this does not rely on it.
fn typed(text: &str, bracketed: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + paste::BEGIN.len() + paste::END.len() + 1);
    if bracketed {
        bytes.extend_from_slice(paste::BEGIN);
        bytes.extend(text.bytes().filter(|&b| b != 0x1b));
        bytes.extend_from_slice(paste::END);
    } else {
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(b'\r');
    bytes
}

#[cfg(test)]
mod tests;
