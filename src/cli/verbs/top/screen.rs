//! The terminal while `top` has it: another screen, without a cursor, and given back as it was.
//!
//! A thread writes, and only the newest picture waits for it: a terminal that takes nothing holds up neither keys
//! nor signals. Whatever ends the program in order, an error or a panic, gives the screen back; a terminal that
//! does not take even that is not waited for.

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::{
    cli::outcome::{Exit, Failure},
    sys::poll::Wake,
};

/// To the other screen, which is empty then, and without a cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
/// And back.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
/// How long the terminal has to take its own state back.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// The other screen, until it is left or dropped.
pub(super) struct Screen {
    shared: Arc<Shared>,
    done: Option<Receiver<()>>,
}

struct Shared {
    slot: Mutex<Slot>,
    more: Condvar,
    /// woken when nothing can be written any more
    wake: Arc<Wake>,
}

#[derive(Default)]
struct Slot {
    picture: Option<Vec<u8>>,
    last: bool,
    gone: bool,
}

impl Screen {
    /// Takes the terminal at stdout.
    pub(super) fn start(wake: Arc<Wake>) -> Result<Self, Failure> {
        let slot = Slot { picture: Some(ENTER.to_vec()), ..Slot::default() };
        let shared = Arc::new(Shared { slot: Mutex::new(slot), more: Condvar::new(), wake });
        let (tell, done) = sync_channel(1);
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("draw".into()).spawn(move || {
            own.write();
            let _ = tell.send(());
        });
        thread.map_err(|error| Failure::new(Exit::CannotCreate, format!("no thread: {error}")))?;
        Ok(Self { shared, done: Some(done) })
    }

    /// Shows these lines, in the place of all that was shown.
    pub(super) fn draw(&self, lines: &[String]) {
        let mut slot = self.shared.lock();
        // Not yet entered: the picture comes behind it.
        let mut bytes = slot.picture.take().filter(|waiting| waiting.starts_with(ENTER)).unwrap_or_default();
        bytes.truncate(ENTER.len());
        bytes.extend(picture(lines));
        slot.picture = Some(bytes);
        drop(slot);
        self.shared.more.notify_one();
    }

    /// Whether the terminal is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.shared.lock().gone
    }

    /// Gives the terminal back; whether it was taken.
    pub(super) fn leave(&mut self) -> bool {
        let Some(done) = self.done.take() else { return true };
        let mut slot = self.shared.lock();
        (slot.picture, slot.last) = (None, true);
        drop(slot);
        self.shared.more.notify_one();
        done.recv_timeout(LEAVE_WITHIN).is_ok() && !self.is_gone()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Each line in its row, which is emptied before: behind a last column there is nowhere to empty from, and behind
/// a last row there is none to go to.
fn picture(lines: &[String]) -> Vec<u8> {
    // What was longer before is shorter now.
    let mut bytes = format!("\x1b[{}H\x1b[J", lines.len().max(1)).into_bytes();
    for (row, line) in (1_usize..).zip(lines) {
        bytes.extend(format!("\x1b[{row}H\x1b[2K{line}").into_bytes());
    }
    bytes
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: until the last, or until the terminal is gone.
    fn write(&self) {
        loop {
            let mut slot = self.lock();
            let (bytes, last) = loop {
                match slot.picture.take() {
                    Some(bytes) => break (bytes, false),
                    None if slot.last => break (LEAVE.to_vec(), true),
                    None => slot = self.more.wait(slot).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(slot);
            let mut stdout = io::stdout().lock();
            if stdout.write_all(&bytes).and_then(|()| stdout.flush()).is_err() {
                self.lock().gone = true;
                self.wake.wake();
                return;
            }
            if last {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_empties_all_below_it_and_each_row_before_it_is_written() {
        let lines = ["one", "two"].map(str::to_owned);
        let text = String::from_utf8(picture(&lines)).expect("text");
        assert_eq!(text, "\x1b[2H\x1b[J\x1b[1H\x1b[2Kone\x1b[2H\x1b[2Ktwo");
    }
}
