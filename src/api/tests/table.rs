//! Agents as rows of a table, and a kernel that knows whose process asks.

use super::*;

/// The kernel of the tests: every peer is ours, and in the tree of the agent whose token it shows.
pub(super) struct Kernel(pub(super) Arc<Table>);

impl Peers for Kernel {
    fn facts(&self, _: &PeerAddr, _: &dyn Fn() -> Vec<u32>, _: u64) -> PeerFacts {
        let crowded = *self.0.crowded.lock().expect("no panic");
        let standing = if crowded { Standing::NotAsked } else { Standing::Ours };
        PeerFacts { standing, uid: Some(1000), pid: Some(4321) }
    }

    fn tree(&self, _: &PeerAddr, keeper: u32, _: u64) -> TreeFact {
        let mut asked = self.0.trees_asked.lock().expect("no panic");
        asked.push(keeper);
        let elsewhere = *self.0.elsewhere.lock().expect("no panic");
        if elsewhere == Some(keeper) { TreeFact::Outside } else { TreeFact::Inside }
    }
}

/// Agents as rows of a table.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Mutex<BTreeMap<String, Row>>,
    pub(super) on_exit: Mutex<Vec<Callback>>,
    /// what the next start answers instead
    pub(super) start_fails: Mutex<Option<StartError>>,
    /// the keeper whose tree no peer is in
    pub(super) elsewhere: Mutex<Option<u32>>,
    pub(super) trees_asked: Mutex<Vec<u32>>,
    /// as many peers were asked for as may be
    pub(super) crowded: Mutex<bool>,
}

pub(super) type Callback = Box<dyn Fn(&Record) + Send + Sync>;

pub(super) struct Row {
    pub(super) record: Record,
    pub(super) typed: Vec<(String, Option<Submit>)>,
    /// those to be told what became of a text that waits to be typed
    pub(super) queued: Vec<mpsc::Sender<Delivery>>,
    pub(super) keys: Vec<u8>,
    pub(super) delivery: Delivery,
    pub(super) input: Result<(), InputError>,
    pub(super) output: Vec<u8>,
    pub(super) waits: Vec<Duration>,
    pub(super) watchers: Arc<Watchers>,
}

impl Table {
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&mut Row) -> T) -> Option<T> {
        self.rows.lock().expect("no panic").get_mut(name).map(act)
    }

    pub(super) fn name_of(&self, block_id: &str) -> Option<String> {
        self.records()
            .into_iter()
            .find(|record| record.block_id == block_id)
            .map(|record| record.name.as_str().to_owned())
    }

    pub(super) fn typed(&self, name: &str) -> Vec<String> {
        self.with(name, |row| row.typed.iter().map(|(text, _)| text.clone()).collect()).unwrap_or_default()
    }

    pub(super) fn ends(&self, name: &str) {
        let record = self.with(name, |row| {
            row.record.state = State::Done;
            row.delivery = Delivery::Failed("controller is not running");
            row.watchers.wake();
            row.record.clone()
        });
        for callback in self.on_exit.lock().expect("no panic").iter() {
            callback(record.as_ref().expect("there is one"));
        }
    }
}

impl Terminals for Table {
    fn deliver(&self, block_id: &str, text: &str, submit: Option<Submit>) -> Option<Delivery> {
        let mut rows = self.rows.lock().expect("no panic");
        let row = rows.values_mut().find(|row| row.record.block_id == block_id)?;
        if !matches!(row.delivery, Delivery::Failed(_)) {
            row.typed.push((text.to_owned(), submit));
        }
        Some(row.delivery)
    }

    fn offer(&self, block_id: &str, text: &str, _: Duration) -> Option<Offer> {
        let delivery = self.deliver(block_id, text, None)?;
        if delivery != Delivery::Queued {
            return Some(Offer::Settled(delivery));
        }
        let (tell, later) = Later::new();
        let mut rows = self.rows.lock().expect("no panic");
        let row = rows.values_mut().find(|row| row.record.block_id == block_id)?;
        row.queued.push(tell);
        Some(Offer::Queued(later))
    }

    fn terminal(&self, agent: &AgentId) -> Option<Terminal> {
        self.record(agent.as_str()).filter(|record| record.state != State::Done).map(|record| Terminal {
            block_id: record.block_id,
            accept_typed_from: record.accept_typed_from,
            confinement: agent::Confinement::None,
            quiet: record.state == State::WaitingInput,
            started_at: record.started_at,
        })
    }

    fn may_type_into(&self, agent: &AgentId) -> Vec<String> {
        self.record(agent.as_str()).map(|record| record.may_type_into).unwrap_or_default()
    }

    fn knows(&self, agent: &AgentId) -> bool {
        self.record(agent.as_str()).is_some()
    }

    fn running(&self) -> Vec<AgentId> {
        self.records().into_iter().filter(|r| r.state != State::Done).map(|r| r.name).collect()
    }
}

impl Fleet for Table {
    fn start(&self, spec: StartSpec) -> Result<Record, StartError> {
        if let Some(error) = self.start_fails.lock().expect("no panic").take() {
            return Err(error);
        }
        let mut rows = self.rows.lock().expect("no panic");
        let pid = 1_000 + u32::try_from(rows.len()).expect("few rows");
        let record = Record {
            block_id: format!("block-of-{}", spec.name),
            name: spec.name,
            state: State::Running,
            pid,
            keeper_pid: pid + 5_000,
            started_at: 7,
            rows: spec.rows,
            cols: spec.cols,
            command: spec.command,
            cwd: spec.cwd,
            exit: None,
            output_start: 0,
            output_end: 0,
            accept_typed_from: spec.accept_typed_from,
            may_type_into: spec.may_type_into,
            boundary: spec.cage.and_then(|cage| cage.boundary()),
        };
        let row = Row {
            record: record.clone(),
            typed: Vec::new(),
            queued: Vec::new(),
            keys: Vec::new(),
            delivery: Delivery::Delivered,
            input: Ok(()),
            output: Vec::new(),
            waits: Vec::new(),
            watchers: Arc::default(),
        };
        rows.insert(record.name.as_str().to_owned(), row);
        Ok(record)
    }

    fn record(&self, name: &str) -> Option<Record> {
        self.with(name, |row| row.record.clone())
    }

    fn records(&self) -> Vec<Record> {
        self.rows.lock().expect("no panic").values().map(|row| row.record.clone()).collect()
    }

    fn paces(&self) -> Vec<Pace> {
        let pace = |record: Record| {
            let (messages, took) = (self.typed(record.name.as_str()).len() as u64, Took::default());
            Pace { name: record.name, state: record.state, pid: record.pid, messages, took }
        };
        self.records().into_iter().map(pace).collect()
    }

    fn stop(&self, name: &AgentId) -> Result<Record, StopError> {
        let row = self.rows.lock().expect("no panic").remove(name.as_str());
        row.map(|row| row.record).ok_or(StopError::NotFound)
    }

    fn input(&self, name: &str, bytes: &[u8]) -> Option<Result<(), InputError>> {
        self.with(name, |row| {
            row.keys.extend_from_slice(bytes);
            row.input
        })
    }

    fn output(
        &self,
        name: &str,
        from: Option<u64>,
        wait: Duration,
        most: usize,
        gone: &dyn Fn() -> bool,
    ) -> Option<Result<Output, BeyondEnd>> {
        if !wait.is_zero() {
            gone();
        }
        self.with(name, |row| {
            row.waits.push(wait);
            let start = row.record.output_start;
            let end = start + u64::try_from(row.output.len()).expect("short");
            let wanted = from.unwrap_or(start);
            if wanted > end {
                return Err(BeyondEnd { end });
            }
            let (from, gap) = (wanted.max(start), wanted < start);
            let rest = &row.output[usize::try_from(from - start).expect("short")..];
            let bytes = rest[..rest.len().min(most)].to_vec();
            let next = from + u64::try_from(bytes.len()).expect("short");
            let done = row.record.state == State::Done && next == end;
            Ok(Output { from, next, bytes, gap, done })
        })
    }

    fn resize(&self, name: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>> {
        self.with(name, |row| {
            row.record.rows = rows;
            row.record.cols = cols;
            if row.record.state == State::Done { Err(ResizeError::Done) } else { Ok(()) }
        })
    }

    fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        let name = std::str::from_utf8(token).ok()?.strip_prefix("lga_")?;
        if let Some((swarm, agent)) = name.split_once("--") {
            return FullName::parse(&format!("{swarm}/{agent}")).ok().map(Holder::Member);
        }
        self.record(name).map(|record| Holder::Loose(record.name))
    }

    fn keepers(&self) -> Vec<(u32, Holder)> {
        let running = self.records().into_iter().filter(|record| record.state != State::Done);
        running.map(|record| (record.keeper_pid, Holder::Loose(record.name))).collect()
    }

    fn on_exit(&self, callback: Callback) {
        self.on_exit.lock().expect("no panic").push(callback);
    }

    fn record_of_block(&self, block_id: &str) -> Option<Record> {
        self.record(&self.name_of(block_id)?)
    }

    fn input_to_block(&self, block_id: &str, bytes: &[u8]) -> Option<Result<(), InputError>> {
        self.input(&self.name_of(block_id)?, bytes)
    }

    fn resize_block(&self, block_id: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>> {
        self.resize(&self.name_of(block_id)?, rows, cols)
    }

    fn output_of_block(
        &self,
        block_id: &str,
        from: Option<u64>,
        most: usize,
    ) -> Option<Result<Output, BeyondEnd>> {
        self.output(&self.name_of(block_id)?, from, Duration::ZERO, most, &|| false)
    }

    fn watch(&self, block_id: &str, wake: Arc<Wake>) -> Option<Watch> {
        self.with(&self.name_of(block_id)?, |row| row.watchers.add(wake))
    }
}
