//! Swarms of programs that do nothing by themselves: what was said to each is noted, and what it says the test
//! says for it. The clock moves when the test moves it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    agent::{Exit, Full, MemberSpec, Sink, StartError, Stream, protocol::Item},
    backend::{Running, StartFault, Told, form::Form},
    store::testing::TempHome,
    swarm::{
        Fault,
        config::Config,
        events::{Event, Filter, Hub, Name, Query},
        history::MessageLog,
        kept::Shelf,
        live::{Launch, Live, LiveParts, lock},
        logs::Logs,
        skills::Skills,
    },
    wire::{clock::ManualClock, node::NodeName},
};

/// What happens while a program is started, held, let go on or ended: each the next.
#[derive(Clone, Default)]
pub struct Meanwhile(Arc<Mutex<VecDeque<Happens>>>);

type Happens = Box<dyn FnOnce() + Send>;

impl Meanwhile {
    pub fn then(&self, happens: impl FnOnce() + Send + 'static) {
        lock(&self.0).push_back(Box::new(happens));
    }

    fn next(&self) {
        let next = lock(&self.0).pop_front();
        next.into_iter().for_each(|happens| happens());
    }
}

/// A program of a test.
pub struct Program {
    pub spec: MemberSpec,
    sink: Arc<dyn Sink>,
    said: Mutex<Vec<Item>>,
    lines: Mutex<Vec<Value>>,
    /// it takes nothing
    pub full: AtomicBool,
    pub frozen: AtomicBool,
    /// it ends when something is said to it
    pub breaks: AtomicBool,
    /// it does not end when it is told to
    pub stays: Arc<AtomicBool>,
    over: AtomicBool,
    meanwhile: Meanwhile,
    heard_by: Meanwhile,
}

impl Program {
    /// It says lines, one after the other.
    pub fn says(&self, lines: &[&str]) {
        lines.iter().for_each(|line| self.sink.line(Stream::Out, line.as_bytes(), false));
    }

    /// Its turn is over.
    pub fn done(&self) {
        self.says(&["<<TURN_COMPLETE>>"]);
    }

    /// Its terminal is quiet.
    pub fn quiet(&self) {
        self.sink.quiet();
    }

    /// It ends.
    pub fn exits(&self, exit: Option<Exit>) {
        if !self.over.swap(true, Ordering::SeqCst) {
            self.sink.ended(exit);
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// What was said to it since this was last asked: `from: content`.
    pub fn heard(&self) -> Vec<String> {
        let items = std::mem::take(&mut *lock(&self.said));
        let shown = |item: Item| match item {
            Item::Task { content } => format!("task: {content}"),
            Item::Message { from, content } => format!("{from}: {content}"),
        };
        items.into_iter().map(shown).collect()
    }

    /// The same of an object that is a process.
    pub fn lines(&self) -> Vec<Value> {
        std::mem::take(&mut *lock(&self.lines))
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.spec.env.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Running for Program {
    fn say(&self, item: &Item) -> Result<(), Full> {
        if self.breaks.load(Ordering::SeqCst) {
            self.exits(Some(Exit::Signal(9)));
        }
        self.heard_by.next();
        if self.full.load(Ordering::SeqCst) || self.is_over() {
            return Err(Full);
        }
        lock(&self.said).push(item.clone());
        Ok(())
    }

    fn has_room(&self, _bytes: usize) -> bool {
        !self.full.load(Ordering::SeqCst)
    }

    fn raw(&self, line: Vec<u8>) -> Result<(), Full> {
        lock(&self.lines).push(serde_json::from_slice(&line).expect("a JSON line"));
        Ok(())
    }

    fn begin_end(&self) {
        if !self.stays.load(Ordering::SeqCst) {
            self.exits(Some(Exit::Signal(15)));
        }
    }

    fn end(&self, _within: Duration) -> bool {
        self.meanwhile.next();
        self.begin_end();
        self.is_over()
    }

    fn freeze(&self) -> bool {
        self.meanwhile.next();
        self.frozen.store(true, Ordering::SeqCst);
        true
    }

    fn thaw(&self) -> bool {
        self.meanwhile.next();
        self.frozen.store(false, Ordering::SeqCst);
        true
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn block_id(&self) -> Option<String> {
        None
    }
}

/// Starts programs of a test.
#[derive(Default)]
pub struct Fakes {
    programs: Mutex<HashMap<String, Vec<Arc<Program>>>>,
    /// names that do not start
    pub broken: Mutex<BTreeMap<String, StartFault>>,
    /// programs end before their start is told
    pub short: AtomicBool,
    /// programs do not end when they are told to
    pub stay: Arc<AtomicBool>,
    /// what a program says, in a thread of its own, before its start is told
    pub first_words: Mutex<Option<&'static str>>,
    /// there are no threads
    pub no_threads: AtomicBool,
    pub meanwhile: Meanwhile,
    /// what happens while something is said to a program
    pub heard: Meanwhile,
}

impl Launch for Fakes {
    fn start(
        &self,
        _form: &Form,
        spec: MemberSpec,
        _told: Told<'_>,
        sink: Arc<dyn Sink>,
    ) -> Result<Arc<dyn Running>, StartFault> {
        let name = spec.name.agent.to_string();
        self.meanwhile.next();
        if let Some(fault) = lock(&self.broken).get(&name) {
            return Err(fault.clone());
        }
        let program = Arc::new(Program {
            spec,
            sink,
            said: Mutex::default(),
            lines: Mutex::default(),
            full: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            breaks: AtomicBool::new(false),
            over: AtomicBool::new(false),
            stays: self.stay.clone(),
            meanwhile: self.meanwhile.clone(),
            heard_by: self.heard.clone(),
        });
        lock(&self.programs).entry(name).or_default().push(Arc::clone(&program));
        if let Some(words) = lock(&self.first_words).take() {
            let (speaker, said) = (program.clone(), Arc::new(AtomicBool::new(false)));
            let done = said.clone();
            thread::spawn(move || (speaker.says(&[words]), done.store(true, Ordering::SeqCst)));
            // Either it has to wait for whoever starts it, or it is done soon.
            (0..10_000).take_while(|_| !said.load(Ordering::SeqCst)).for_each(|_| thread::yield_now());
        }
        if self.short.load(Ordering::SeqCst) {
            program.exits(Some(Exit::Code(0)));
        }
        Ok(program)
    }

    fn thread(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        if self.no_threads.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        thread::Builder::new().name(name).spawn(work).map(drop)
    }
}

impl Fakes {
    /// The program that runs under this name now.
    #[track_caller]
    pub fn program(&self, name: &str) -> Arc<Program> {
        lock(&self.programs).get(name).and_then(|all| all.last()).expect("a program").clone()
    }

    /// How often a program was started under this name.
    pub fn starts(&self, name: &str) -> usize {
        lock(&self.programs).get(name).map_or(0, Vec::len)
    }
}

/// A swarm of a test.
pub struct Rig {
    pub live: Arc<Live>,
    pub fakes: Arc<Fakes>,
    pub clock: Arc<ManualClock>,
    pub hub: Arc<Hub>,
    pub log: Arc<Mutex<MessageLog>>,
    pub woken: Arc<AtomicUsize>,
    _home: TempHome,
}

impl Rig {
    pub fn new(config: &Value) -> Self {
        Self::with(config, Fakes::default())
    }

    pub fn with(config: &Value, fakes: Fakes) -> Self {
        let rig = Self::prepared(config, fakes);
        rig.live.begin();
        rig.live.tell_started();
        rig
    }

    pub fn prepared(config: &Value, fakes: Fakes) -> Self {
        let config = Config::of(config).expect("a config");
        let home = TempHome::in_memory();
        let (shelf, ..) = Shelf::open(&home.home()).expect("a shelf");
        let shelf = Arc::new(shelf);
        shelf.put_seed(&config.name, &config.to_value()).expect("a seed");
        let (fakes, clock) = (Arc::new(fakes), ManualClock::at(1_000_000));
        let (hub, log) = (Arc::new(Hub::new(clock.clone())), Arc::<Mutex<MessageLog>>::default());
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let parts = LiveParts {
            launch: fakes.clone(),
            clock: clock.clone(),
            hub: hub.clone(),
            log: log.clone(),
            logs: Logs::new(clock.clone(), Some(shelf.clone())),
            shelf,
            skills: Arc::new(Skills::at(home.path().join("skills"))),
            wake: Arc::new(move || _ = count.fetch_add(1, Ordering::SeqCst)),
        };
        let live = Live::prepare(parts, &config).expect("it is prepared");
        Self { live, fakes, clock, hub, log, woken, _home: home }
    }

    /// The program that runs under this name now.
    #[track_caller]
    pub fn program(&self, name: &str) -> Arc<Program> {
        self.fakes.program(name)
    }

    /// How often a program was started under this name.
    pub fn starts(&self, name: &str) -> usize {
        self.fakes.starts(name)
    }

    /// Time goes by, and is noticed.
    pub fn passes(&self, ms: u64) {
        use crate::wire::clock::Clock;
        self.clock.advance(ms);
        self.live.tick(self.clock.monotonic_ms());
    }

    pub fn task(&self, agent: &str, content: &str) -> Result<(), Fault> {
        self.live.task(&name(agent), content)
    }

    #[track_caller]
    pub fn state(&self, agent: &str) -> &'static str {
        self.live.agent(&name(agent)).expect("an agent").state
    }

    #[track_caller]
    pub fn waiting(&self, agent: &str) -> usize {
        self.live.agent(&name(agent)).expect("an agent").inbox_size
    }

    /// Waits for what another thread does.
    #[track_caller]
    pub fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        while !done(self) {
            assert!(std::time::Instant::now() < end, "waited in vain");
            std::thread::yield_now();
        }
    }

    /// What the second program under this name hears first, which another thread starts.
    #[track_caller]
    pub fn hears_again(&self, name: &str) -> Vec<String> {
        let mut heard = Vec::new();
        self.until(|rig| {
            if rig.starts(name) == 2 {
                heard.extend(rig.program(name).heard());
            }
            !heard.is_empty()
        });
        heard
    }

    /// All events of this name, oldest first.
    pub fn events(&self, event_type: &str) -> Vec<Arc<Event>> {
        let filter =
            Filter { event_type: Some(Name::parse(event_type).expect("a name")), ..Filter::default() };
        let query = Query { filter, since: None, most: usize::MAX };
        let mut events = self.hub.page(&query).expect("memory alone").events;
        events.reverse();
        events
    }
}

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

/// Why a program of a test does not start.
pub fn broken() -> StartFault {
    StartFault::from(StartError::NoSuchCommand {
        reason: "there is no such program, or not the one that it is a script of",
    })
}

/// An agent without a process.
pub fn mock(name: &str) -> Value {
    json!({"name": name, "backend": "mock"})
}

/// An agent with directories.
pub fn local(name: &str) -> Value {
    json!({"name": name, "backend": "local", "config": {"command": ["/bin/cat"]}})
}

pub fn object(name: &str, handler: &str) -> Value {
    json!({"name": name, "handler": handler})
}

/// A swarm `s` of these; edges like `a>b b>c`.
pub fn swarm(agents: &[Value], objects: &[Value], edges: &str) -> Value {
    let edge = |text: &str| text.split_once('>').map(|(from, to)| json!([from, to]));
    let edges: Vec<_> = edges.split_whitespace().filter_map(edge).collect();
    json!({"name": "s", "agents": agents, "objects": objects, "topology": edges})
}

/// The same of agents without processes.
pub fn mocks(names: &str, edges: &str) -> Value {
    swarm(&names.split_whitespace().map(mock).collect::<Vec<_>>(), &[], edges)
}
