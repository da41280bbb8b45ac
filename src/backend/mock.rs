//! `mock`: agents without a process, which answer from a script.
//!
//! One thread for all of them, so that an answer never comes on the stack of whoever asked. The script's
//! turns are used in order and begin again at the end; without one, a turn ends at once without a word.
//! Each has a place among all agents and a bounded queue, as a real one has.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use super::Running;
pub use super::script::Script;
use crate::{
    agent::{
        Exit, Full, Place, Sink, StartError, Stream,
        protocol::{Item, TURN_COMPLETE},
    },
    limits,
};

/// The line with what was said in its places, and whether it was cut. What is put in is not looked at
/// again.
pub(super) fn filled(line: &str, from: &str, content: &str) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{').filter(|_| out.len() <= limits::AGENT_LINE) {
        let places = [("from}", from), ("content}", content), ("", "{")];
        let found = places.iter().find_map(|(name, put)| Some((after.strip_prefix(name)?, *put)));
        let (after, put) = found.unwrap_or((after, "{"));
        out.extend([before, put].concat().into_bytes());
        rest = after;
    }
    out.extend(rest.bytes());
    let cut = out.len() > limits::AGENT_LINE;
    out.truncate(limits::AGENT_LINE);
    (out, cut)
}

/// All mocks of the instance. Dropped, their thread ends.
#[derive(Default)]
pub(super) struct Mocks(Mutex<Option<Sender<Arc<Mock>>>>);

struct Mock {
    script: Option<Script>,
    sink: Arc<dyn Sink>,
    state: Mutex<State>,
    wake: Sender<Arc<Mock>>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    turns: usize,
    frozen: bool,
    ending: bool,
    /// until it is to end
    place: Option<Place>,
    /// its end is told
    over: bool,
}

/// What the thread does next for one mock.
enum Step {
    /// its turn of this number
    Answer(usize, Item),
    End,
    Nothing,
}

impl Mocks {
    /// Starts one.
    pub fn start(
        &self,
        place: Place,
        script: Option<Script>,
        sink: Arc<dyn Sink>,
    ) -> Result<Arc<dyn Running>, StartError> {
        let wake = self.thread().map_err(|_| StartError::Failed("threads"))?;
        let state = State { place: Some(place), ..State::default() };
        Ok(Arc::new(Handle(Arc::new(Mock { script, sink, state: Mutex::new(state), wake }))))
    }

    /// The thread's inbox; it is started with the first mock.
    fn thread(&self) -> io::Result<Sender<Arc<Mock>>> {
        let mut thread = lock(&self.0);
        if let Some(inbox) = &*thread {
            return Ok(inbox.clone());
        }
        let (inbox, woken) = mpsc::channel();
        thread::Builder::new()
            .name("mock".to_owned())
            .stack_size(limits::THREAD_STACK)
            .spawn(move || run(&woken))?;
        *thread = Some(inbox.clone());
        Ok(inbox)
    }
}

fn run(woken: &Receiver<Arc<Mock>>) {
    while let Ok(mock) = woken.recv() {
        match mock.step() {
            Step::Answer(number, item) => mock.answer(number, &item),
            Step::End => mock.sink.ended(Some(Exit::Code(0))),
            Step::Nothing => {}
        }
    }
}

impl State {
    fn has_room(&self) -> bool {
        !self.ending && self.items.len() < limits::SAY_QUEUE
    }
}

impl Mock {
    fn step(&self) -> Step {
        let mut state = lock(&self.state);
        if state.ending {
            let over = std::mem::replace(&mut state.over, true);
            return if over { Step::Nothing } else { Step::End };
        }
        if state.frozen {
            return Step::Nothing;
        }
        let Some(item) = state.items.pop_front() else { return Step::Nothing };
        let number = state.turns;
        state.turns = number.wrapping_add(1);
        Step::Answer(number, item)
    }

    /// Says the lines of one turn, and its end.
    fn answer(self: &Arc<Self>, number: usize, item: &Item) {
        let turns = self.script.as_ref().map(Script::turns).unwrap_or_default();
        let turn = number.checked_rem(turns.len()).and_then(|at| turns.get(at));
        let (from, content) = item.parts();
        for line in turn.into_iter().flatten() {
            let (text, cut) = filled(line, from, content);
            let mut lines = text.split(|byte| *byte == b'\n').peekable();
            while let Some(line) = lines.next() {
                self.sink.line(Stream::Out, line, cut && lines.peek().is_none());
            }
        }
        self.sink.line(Stream::Out, TURN_COMPLETE.as_bytes(), false);
    }

    fn wake(self: &Arc<Self>) {
        // The thread ends only when nobody is left who could ask.
        let _ = self.wake.send(self.clone());
    }
}

struct Handle(Arc<Mock>);

impl Running for Handle {
    fn say(&self, item: &Item) -> Result<(), Full> {
        let mut state = lock(&self.0.state);
        if !state.has_room() {
            return Err(Full);
        }
        state.items.push_back(item.clone());
        drop(state);
        self.0.wake();
        Ok(())
    }

    fn raw(&self, line: Vec<u8>) -> Result<(), Full> {
        self.say(&Item::Task { content: String::from_utf8_lossy(&line).into_owned() })
    }

    fn has_room(&self, _bytes: usize) -> bool {
        lock(&self.0.state).has_room()
    }

    fn begin_end(&self) {
        let mut state = lock(&self.0.state);
        state.ending = true;
        // Free at once, however busy the thread is: whoever ended it may start another.
        let place = state.place.take();
        drop(state);
        drop(place);
        self.0.wake();
    }

    /// There is no process to wait for; the sink hears of the end from the thread.
    fn end(&self, _: Duration) -> bool {
        self.begin_end();
        true
    }

    fn freeze(&self) -> bool {
        lock(&self.0.state).frozen = true;
        true
    }

    fn thaw(&self) -> bool {
        let mut state = lock(&self.0.state);
        state.frozen = false;
        // What was said meanwhile woke nobody.
        let waiting = state.items.len();
        drop(state);
        (0..waiting).for_each(|_| self.0.wake());
        true
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn block_id(&self) -> Option<String> {
        None
    }
}

/// Locks; a panic of another holder does not matter, because no lock here is held over a state that is
/// half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
