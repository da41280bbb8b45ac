//! One agent, as the rest of the program sees it.
//!
//! Everything that callers ask of an agent goes through here: its state, its output, keys, deliveries,
//! its screen's size, its end. The terminal belongs to one thread, which alone writes to it; callers put
//! jobs in that thread's bounded queue and never wait for the terminal itself. What the agent prints is
//! kept in a ring, its token replaced, and whoever watches is woken without being waited for.

use std::{
    fs::File,
    os::fd::AsFd,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use super::{
    Confinement,
    cage::{Boundary, Cage},
    environment,
    latency::Latency,
    launch::{Mortal, Running},
    life::{Life, lock},
    queue::{self, Queue},
    ring::Ring,
    terminal::Opened,
    types::{
        BeyondEnd, Delivery, InputError, Later, NOT_RUNNING, Offer, Output, Pace, Record, ResizeError,
        StartSpec, State, Submit,
    },
    watch::{Watch, Watchers},
};
use crate::{
    limits,
    sys::{
        poll::Wake,
        tty::{self, Size},
    },
    wire::{clock::Clock, id::AgentId},
};

/// How long a delivery waits to be able to say "delivered".
const DELIVERED_WITHIN: Duration = Duration::from_millis(250);
/// How long somebody who has gone away is waited with.
const GONE_WITHIN: Duration = Duration::from_secs(1);
const QUEUE_FULL: &str = "failed to send input: queue full";

/// One agent, running or done. Dropping it does not end it.
pub struct Agent {
    spec: StartSpec,
    /// How far it is kept from the machine.
    confinement: Confinement,
    /// What does so, where something does.
    boundary: Option<Boundary>,
    /// It is an agent of a swarm, of which nobody but the swarm and who knows its block hears.
    member: bool,
    block_id: String,
    pid: u32,
    keeper_pid: u32,
    started_at: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) life: Arc<Life>,
    /// Locked before `screen` where both are.
    pub(super) queue: Mutex<Queue<mpsc::Sender<Delivery>>>,
    pub(super) screen: Mutex<Screen>,
    /// Tells of more output, and of the end.
    pub(super) changed: Condvar,
    /// Those who are told of the same without waiting.
    pub(super) watchers: Arc<Watchers>,
}

/// What the terminal thread and the callers share.
pub(super) struct Screen {
    pub ring: Ring,
    /// When something was last shown or typed, by the monotonic clock.
    active: u64,
    /// When the text was typed after which it has not been quiet yet.
    said: Option<u64>,
    /// Texts that were typed.
    texts: u64,
    latency: Latency,
    /// Its processes are held, and that it shows nothing means nothing.
    pub held: bool,
    pub size: Size,
    /// The tree is gone and all output is here; those who asked to be told are told now.
    pub ended: bool,
    /// Our side of the terminal, until whoever waits for the end may go on.
    pub master: Option<Arc<File>>,
}

impl Agent {
    pub(super) fn new(spec: StartSpec, running: &Running, terminal: &Opened, clock: Arc<dyn Clock>) -> Self {
        Self {
            spec,
            confinement: Confinement::None,
            boundary: None,
            member: false,
            block_id: terminal.block_id.clone(),
            pid: running.pid,
            keeper_pid: running.keeper_pid,
            started_at: running.started_at,
            life: running.life.clone(),
            queue: Mutex::new(Queue::default()),
            screen: Mutex::new(Screen {
                ring: Ring::default(),
                active: clock.monotonic_ms(),
                said: None,
                texts: 0,
                latency: Latency::default(),
                held: false,
                size: terminal.size,
                ended: false,
                master: Some(terminal.master.clone()),
            }),
            clock,
            changed: Condvar::new(),
            watchers: Arc::default(),
        }
    }

    /// The same, put into this.
    pub(super) fn within(mut self, cage: &dyn Cage) -> Self {
        self.confinement = Confinement::of(Some(cage));
        self.boundary = cage.boundary();
        self
    }

    /// The same, of a swarm; its name is that within the swarm.
    pub(super) fn of_swarm(self) -> Self {
        Self { member: true, ..self }
    }

    /// Whether it is an agent of a swarm.
    pub(super) fn is_member(&self) -> bool {
        self.member
    }

    /// Its name.
    pub fn name(&self) -> &AgentId {
        &self.spec.name
    }

    /// Its terminal's id: a UUIDv4 per start.
    pub fn block_id(&self) -> &str {
        &self.block_id
    }

    /// Who, beside the owner, may have text typed into it.
    pub fn accept_typed_from(&self) -> &[String] {
        &self.spec.accept_typed_from
    }

    /// How far it is kept from the machine.
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    /// Into which agents of other instances, which know typing only, its text may be typed.
    pub fn may_type_into(&self) -> &[String] {
        &self.spec.may_type_into
    }

    /// When it was started, unix ms.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// How text is submitted where a delivery does not say.
    pub fn submit(&self) -> Submit {
        self.spec.submit
    }

    /// The process that holds its tree; gone once the agent is done.
    pub fn keeper_pid(&self) -> u32 {
        self.keeper_pid
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        let now = self.clock.monotonic_ms();
        lock(&self.screen).state(now)
    }

    /// Types `text`, which the caller has sanitised, and submits it; waits at most 250 ms for it
    /// to be written.
    pub fn deliver(&self, text: &str, submit: Submit) -> Delivery {
        match self.offer(text, submit, DELIVERED_WITHIN) {
            Offer::Settled(delivery) => delivery,
            Offer::Queued(_) => Delivery::Queued,
        }
    }

    /// As [`Agent::deliver`], waiting at most `within`, and whoever still wants to know what becomes
    /// of a text that waits behind another can.
    pub fn offer(&self, text: &str, submit: Submit, within: Duration) -> Offer {
        let (tell, told) = mpsc::channel();
        {
            let mut queue = lock(&self.queue);
            if lock(&self.screen).is_done() {
                return Offer::Settled(Delivery::Failed(NOT_RUNNING));
            }
            if let Err(queue::Full) = queue.push_text(text, submit, tell) {
                return Offer::Settled(Delivery::Failed(QUEUE_FULL));
            }
        }
        self.life.wake();
        match told.recv_timeout(within) {
            Ok(outcome) => Offer::Settled(outcome),
            Err(RecvTimeoutError::Timeout) => Offer::Queued(Later(told)),
            Err(RecvTimeoutError::Disconnected) => Offer::Settled(Delivery::Failed(NOT_RUNNING)),
        }
    }

    /// Types raw keys, after what is queued already.
    pub fn input(&self, bytes: &[u8]) -> Result<(), InputError> {
        {
            let mut queue = lock(&self.queue);
            if lock(&self.screen).is_done() {
                return Err(InputError::Done);
            }
            queue.push_keys(bytes).map_err(|queue::Full| InputError::QueueFull)?;
        }
        self.life.wake();
        Ok(())
    }

    /// Output from an absolute offset (`None`: the oldest kept). Where there is none yet, waits
    /// for it at most `wait`, and `OUTPUT_WAIT_MS`; at most `max` bytes, and `OUTPUT_CHUNK`.
    pub fn output(&self, from: Option<u64>, wait: Duration, max: usize) -> Result<Output, BeyondEnd> {
        self.output_for(from, wait, max, &|| false)
    }

    /// The same for somebody who may go away: `gone` is asked once a second, and ends the wait.
    pub fn output_for(
        &self,
        from: Option<u64>,
        wait: Duration,
        max: usize,
        gone: &dyn Fn() -> bool,
    ) -> Result<Output, BeyondEnd> {
        let mut end = Instant::now() + bounded_wait(wait);
        let max = max.clamp(1, limits::OUTPUT_CHUNK);
        let mut screen = lock(&self.screen);
        loop {
            let piece = screen.ring.read(from, max)?;
            let left = end.saturating_duration_since(Instant::now());
            if !piece.bytes.is_empty() || screen.is_done() || left.is_zero() {
                let next = piece.from.saturating_add(piece.bytes.len() as u64);
                let done = screen.is_done() && next == screen.ring.end();
                return Ok(Output { from: piece.from, next, bytes: piece.bytes, gap: piece.gap, done });
            }
            let step = left.min(GONE_WITHIN);
            let (held, waited) =
                self.changed.wait_timeout(screen, step).unwrap_or_else(PoisonError::into_inner);
            screen = held;
            if waited.timed_out() {
                // Asked without the lock: it may be a system call.
                drop(screen);
                if gone() {
                    end = Instant::now();
                }
                screen = lock(&self.screen);
            }
        }
    }

    /// Has `wake` woken whenever there is more output, and when the agent has ended, until the watch
    /// is dropped. What was there before it, nobody is woken for.
    pub fn watch(self: &Arc<Self>, wake: Arc<Wake>) -> Watch {
        self.watchers.place(wake, Some(Arc::clone(self)))
    }

    /// Its processes are held, or go on. Held, it is not taken to be quiet, and afterwards not at once.
    pub(super) fn hold(&self, held: bool) {
        let mut screen = lock(&self.screen);
        screen.held = held;
        screen.happened(self.clock.monotonic_ms());
        drop(screen);
        self.life.wake();
    }

    /// There is more, or the end: for the terminal thread.
    pub(super) fn tell(&self) {
        self.changed.notify_all();
        self.watchers.wake();
    }

    /// Changes the screen's size; the programs in it are told (SIGWINCH).
    pub fn resize(&self, rows: u16, cols: u16) -> Result<(), ResizeError> {
        environment::check_screen(rows, cols).map_err(ResizeError::OutOfBounds)?;
        let mut screen = lock(&self.screen);
        let master = screen.master.as_ref().ok_or(ResizeError::Done)?;
        let size = Size { rows, cols };
        tty::set_size(master.as_fd(), size).map_err(|_| ResizeError::Done)?;
        screen.size = size;
        Ok(())
    }

    /// What is known of it now.
    pub fn record(&self) -> Record {
        let now = self.clock.monotonic_ms();
        let exit = self.life.exit();
        let screen = lock(&self.screen);
        Record {
            name: self.spec.name.clone(),
            block_id: self.block_id.clone(),
            state: screen.state(now),
            pid: self.pid,
            keeper_pid: self.keeper_pid,
            started_at: self.started_at,
            rows: screen.size.rows,
            cols: screen.size.cols,
            command: self.spec.command.clone(),
            cwd: self.spec.cwd.clone(),
            exit,
            output_start: screen.ring.start(),
            output_end: screen.ring.end(),
            accept_typed_from: self.spec.accept_typed_from.clone(),
            may_type_into: self.spec.may_type_into.clone(),
            boundary: self.boundary.clone(),
        }
    }

    /// How it does now.
    pub fn pace(&self) -> Pace {
        let now = self.clock.monotonic_ms();
        let mut screen = lock(&self.screen);
        screen.look(now);
        Pace {
            name: self.spec.name.clone(),
            state: screen.state(now),
            pid: self.pid,
            messages: screen.texts,
            took: screen.latency.took(),
        }
    }

    /// Waits for the agent to be done, until `end`; whether it is.
    pub fn wait_done(&self, end: Instant) -> bool {
        let mut screen = lock(&self.screen);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if screen.is_done() || left.is_zero() {
                return screen.is_done();
            }
            screen = self.changed.wait_timeout(screen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Mortal for Agent {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn wait_done(&self, end: Instant) -> bool {
        self.wait_done(end)
    }
}

impl Screen {
    /// Whether the agent has ended, and everybody who had to be told of it has been.
    pub fn is_done(&self) -> bool {
        self.master.is_none()
    }

    /// When it will be quiet, if nothing happens before.
    pub fn quiet_at(&self) -> u64 {
        self.active.saturating_add(limits::QUIET_MS)
    }

    /// Something is shown or typed now.
    pub fn happened(&mut self, now: u64) {
        self.look(now);
        self.active = now;
    }

    /// A text was typed to its end.
    pub fn said(&mut self, now: u64) {
        self.texts = self.texts.saturating_add(1);
        // One that comes before it was quiet belongs to the same turn.
        self.said.get_or_insert(now);
    }

    /// Counts the turn that is over, where one is: nobody wakes for that.
    fn look(&mut self, now: u64) {
        let over = !self.held && (self.ended || now >= self.quiet_at());
        if let Some(said) = self.said.take_if(|_| over) {
            self.latency.push(self.active.saturating_sub(said));
        }
    }

    fn state(&self, now: u64) -> State {
        if self.ended {
            State::Done
        } else if now >= self.quiet_at() {
            State::WaitingInput
        } else {
            State::Running
        }
    }
}

fn bounded_wait(wait: Duration) -> Duration {
    wait.min(Duration::from_millis(limits::OUTPUT_WAIT_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_wait_over_the_limit_is_cut_to_it() {
        assert_eq!(bounded_wait(Duration::MAX), Duration::from_millis(limits::OUTPUT_WAIT_MS));
        assert_eq!(bounded_wait(Duration::from_millis(3)), Duration::from_millis(3));
    }

    /// Nobody tells that a terminal is quiet: it is seen by the next who looks, or by what is shown next.
    #[test]
    fn a_terminals_turn_is_over_with_the_last_that_was_shown_before_it_was_quiet() {
        let mut screen = Screen {
            ring: Ring::default(),
            active: 0,
            said: None,
            texts: 0,
            latency: Latency::default(),
            held: false,
            size: Size { rows: 24, cols: 80 },
            ended: false,
            master: None,
        };
        let lasts =
            |screen: &Screen| (screen.latency.took().turns, screen.latency.took().ms.map(|ms| ms.last));
        screen.happened(10);
        screen.said(10);
        screen.happened(300);
        // one more text before it was quiet is of the same turn
        screen.happened(500);
        screen.said(500);
        screen.happened(700);
        screen.look(700 + limits::QUIET_MS - 1);
        assert_eq!(lasts(&screen), (0, None));
        screen.look(700 + limits::QUIET_MS);
        assert_eq!(lasts(&screen), (1, Some(690)));
        screen.happened(9_000);
        assert_eq!(lasts(&screen), (1, Some(690)), "what it shows by itself answers nothing");
        screen.said(9_000);
        screen.happened(9_001);
        // while it is held, silence means nothing
        screen.held = true;
        screen.look(90_000);
        assert_eq!(lasts(&screen).0, 1);
        screen.held = false;
        screen.happened(90_001);
        assert_eq!((lasts(&screen), screen.texts), ((2, Some(1)), 3));
        screen.said(90_001);
        screen.ended = true;
        screen.look(90_002);
        assert_eq!(lasts(&screen), (3, Some(0)));
    }
}
