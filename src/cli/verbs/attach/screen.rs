//! The user's terminal as `attach` writes to it: through the display filter, by a thread of its own.
//!
//! A terminal may take nothing for as long as it likes (its user scrolls back, say), and neither the
//! keys nor the connection may wait for it. What waits here is bounded by the caller, who looks at
//! how much it is. Whoever leaves gets the terminal back as it was.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    cli::{display::Filter, outcome::Failure, verbs::attach::terminal_failure},
    sys::poll::Wake,
};

/// Bytes that are written to the terminal before it is asked again whether the user has left.
const PIECE: usize = 1024;
/// How long a terminal that takes nothing is waited for when the user leaves.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// The terminal.
pub struct Screen {
    waiting: Mutex<Waiting>,
    /// tells the thread of what waits
    more: Condvar,
    /// held while something is written
    filter: Mutex<Filter>,
    /// nothing may be written any more
    left: AtomicBool,
    /// woken when less waits, and at the end
    wake: Wake,
}

#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// nothing will be added
    last: bool,
    /// all was written, or no more can be
    ended: Option<Result<(), Failure>>,
}

enum Piece {
    Output(Vec<u8>),
    Gap(u64),
}

impl Screen {
    /// Starts its thread.
    pub fn start() -> Result<Arc<Self>, Failure> {
        let screen = Arc::new(Self {
            waiting: Mutex::default(),
            more: Condvar::new(),
            filter: Mutex::new(Filter::new()),
            left: AtomicBool::new(false),
            wake: Wake::new().map_err(terminal_failure)?,
        });
        let shower = Arc::clone(&screen);
        let thread = thread::Builder::new().name("screen".into()).spawn(move || {
            let ended = shower.show();
            shower.lock().ended = Some(ended);
            shower.wake.wake();
        });
        thread.map_err(terminal_failure)?;
        Ok(screen)
    }

    /// Shows output.
    pub fn output(&self, bytes: Vec<u8>) {
        let mut waiting = self.lock();
        waiting.bytes = waiting.bytes.saturating_add(bytes.len());
        waiting.pieces.push_back(Piece::Output(bytes));
        self.more.notify_one();
    }

    /// Says that bytes are missing here.
    pub fn gap(&self, lost: u64) {
        self.lock().pieces.push_back(Piece::Gap(lost));
        self.more.notify_one();
    }

    /// Nothing more will be shown.
    pub fn finish(&self) {
        self.lock().last = true;
        self.more.notify_one();
    }

    /// Bytes that wait to be shown.
    pub fn waiting(&self) -> usize {
        self.lock().bytes
    }

    /// How it ended, once: all is shown, or the terminal is gone.
    pub fn ended(&self) -> Option<Result<(), Failure>> {
        self.lock().ended.take()
    }

    /// Woken when there is less to show, and at the end.
    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    /// Gives the terminal back: from here on nothing more is written, and what the agent had
    /// turned on is turned off. False where the terminal takes nothing: whoever waits for one that
    /// is stuck could not be ended by a signal.
    pub fn leave(self: &Arc<Self>) -> bool {
        self.left.store(true, Ordering::SeqCst);
        self.finish();
        let (done, told) = mpsc::channel();
        let screen = Arc::clone(self);
        let giver = thread::Builder::new().name("leave".into()).spawn(move || {
            let mut filter = screen.filter.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bytes = filter.leave();
            bytes.extend(b"\r\n");
            let mut stdout = io::stdout().lock();
            // without a terminal there is nothing to give back
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            let _ = done.send(());
        });
        giver.is_ok() && told.recv_timeout(LEAVE_WITHIN).is_ok()
    }

    /// The thread: shows what comes until nothing more will.
    fn show(&self) -> Result<(), Failure> {
        loop {
            let mut waiting = self.lock();
            let piece = loop {
                if self.left.load(Ordering::SeqCst) {
                    return Ok(());
                }
                match waiting.pieces.pop_front() {
                    Some(piece) => break piece,
                    None if waiting.last => return Ok(()),
                    None => waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(waiting);
            let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = match piece {
                Piece::Gap(lost) => {
                    filter.skip();
                    let text = format!("\r\n[loopgate: gap, {lost} bytes were not shown]\r\n");
                    self.write(&mut filter, text.as_bytes())?;
                    0
                }
                Piece::Output(bytes) => {
                    self.write(&mut filter, &bytes)?;
                    bytes.len()
                }
            };
            drop(filter);
            let mut waiting = self.lock();
            waiting.bytes = waiting.bytes.saturating_sub(shown);
            drop(waiting);
            self.wake.wake();
        }
    }

    fn write(&self, filter: &mut Filter, bytes: &[u8]) -> Result<(), Failure> {
        let mut shown = Vec::new();
        filter.feed(bytes, &mut shown);
        let mut stdout = io::stdout().lock();
        for piece in shown.chunks(PIECE) {
            if self.left.load(Ordering::SeqCst) {
                break;
            }
            stdout.write_all(piece).and_then(|()| stdout.flush()).map_err(terminal_failure)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
