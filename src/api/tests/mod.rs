//! Requests from raw heads through the service, without a socket: what a caller of the running
//! program would see, the gate's own part excepted.

mod agents;
mod bodies;
mod bus;
mod delivery;
mod elsewhere;
mod file;
mod forwarding;
mod inbox;
mod letters;
mod own;
mod reactive;
mod rotate;
mod service_rpc;
mod status;
mod swarms;
mod token;
mod walk;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::{Value, json};

use super::{App, AppParts, Conn, Fleet, KeyFileHook, Peers};
use crate::{
    admit::{Cors, Keyring, Keys, PeerAddr, PeerFacts, Policy, Standing, TreeFact},
    agent::{
        Agents, BeyondEnd, Delivery, InputError, Later, Offer, Output, Record, ResizeError, StartError,
        StartSpec, State, StopError, Submit, Watch, Watchers,
    },
    bus::{Terminal, Terminals, audit::Audit, mail::Mail},
    exposure::Declared,
    gate::{Decision, Peer, Reply, Response, Service},
    registry::{Elsewhere, Nowhere},
    store::{Home, disk::testing::Model, journal::Settings, testing::TempHome},
    swarm::{
        Swarms,
        manager::{self, Parts},
        skills::{self, Skills},
    },
    sys::poll::Wake,
    wire::{clock::Clock, clock::ManualClock, head::Head, id::AgentId, secret::Secret},
};

const OWNER: &str = "X-AuthKey: 11111111-1111-4111-8111-111111111111\r\n";
const PEER: &str = "X-AuthKey: 22222222-2222-4222-8222-222222222222\r\n";
const API: &str = "Authorization: Bearer api-token-of-the-tests\r\n";
const CONFIG: &str = "Authorization: Bearer config-token-of-the-tests\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// The credential of the agent `name`, as [`Table`] knows it.
fn token(name: &str) -> String {
    format!("Authorization: Bearer lga_{name}\r\n")
}

/// An instance of tests.
struct Instance {
    app: Arc<App>,
    table: Arc<Table>,
    clock: Arc<ManualClock>,
    /// where its swarms are kept
    home: Option<TempHome>,
}

impl Instance {
    fn new() -> Self {
        Self::with_api_token(Some("api-token-of-the-tests"))
    }

    fn with_api_token(api_token: Option<&str>) -> Self {
        Self::with_elsewhere(api_token, Arc::new(Nowhere::default()))
    }

    fn with_elsewhere(api_token: Option<&str>, elsewhere: Arc<dyn Elsewhere>) -> Self {
        let key_file = KeyFileHook { write: Box::new(|_| Ok(())), from_host: false };
        Self::with(api_token, elsewhere, key_file)
    }

    fn with(api_token: Option<&str>, elsewhere: Arc<dyn Elsewhere>, key_file: KeyFileHook) -> Self {
        let tokens = [api_token, api_token.map(|_| "config-token-of-the-tests")];
        Self::with_tokens(tokens, address(4000), elsewhere, key_file)
    }

    /// As [`Instance::new`], with these tokens for the API and for configurations, bound to this address.
    fn with_tokens(
        [api_token, config_token]: [Option<&str>; 2],
        bound: SocketAddr,
        elsewhere: Arc<dyn Elsewhere>,
        key_file: KeyFileHook,
    ) -> Self {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let table = Arc::new(Table::default());
        let clock = ManualClock::at(1_000_000);
        let policy = Policy {
            port: 4000,
            bound,
            hosts: Vec::new(),
            cors: Cors::Loopback,
            host_origin: None,
            keys: Arc::new(Keyring::new(Keys {
                owner: secret("11111111-1111-4111-8111-111111111111"),
                peer: secret("22222222-2222-4222-8222-222222222222"),
            })),
            api_token: api_token.map(secret),
            config_token: config_token.map(secret),
        };
        let keys = (secret("k"), [1; 32]);
        let audit = Audit::open(Model::new().disk(), Settings::default(), keys, Arc::clone(&clock) as _, "i");
        let (audit, _) = audit.expect("an audit");
        audit.start().expect("a thread");
        let home = TempHome::in_memory();
        let swarms = no_swarms(&home, Arc::clone(&clock) as _);
        let app = App::new(AppParts {
            policy,
            fleet: Arc::clone(&table) as Arc<dyn Fleet>,
            peers: Box::new(Kernel(Arc::clone(&table))),
            clock: Arc::clone(&clock) as _,
            instance: "instance-of-the-tests".to_owned(),
            declared: Declared::default(),
            audit,
            mail: Mail::in_memory(Arc::clone(&clock) as _),
            elsewhere,
            key_file,
            swarms,
            skills: Skills::at(home.path().join(skills::DIRECTORY)),
            config_dir: None,
        });
        Self { app, table, clock, home: Some(home) }
    }

    /// An agent that runs and is registered, as if it had been started.
    fn with_agent(self, name: &str, accept_typed_from: &[&str]) -> Self {
        let body =
            json!({"name": name, "command": ["sh"], "cwd": "/", "accept_typed_from": accept_typed_from});
        let answer = self.post("/api/v1/agents", OWNER, &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        self
    }

    fn get(&self, target: &str, headers: &str) -> Answer {
        self.ask("GET", target, headers, b"")
    }

    fn post(&self, target: &str, headers: &str, body: &Value) -> Answer {
        self.ask("POST", target, &format!("{headers}{JSON}"), body.to_string().as_bytes())
    }

    fn conn(&self) -> Conn {
        self.app.open(address(50_000), address(4000))
    }

    /// The same, from a peer that is gone before it has taken the answer.
    fn get_untaken(&self, target: &str, headers: &str) -> Answer {
        let head = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{headers}\r\n");
        let head = Head::parse(head.as_bytes()).expect("a head");
        let mut conn = self.conn();
        let Decision::Admit { ticket, .. } = self.app.decide(&mut conn, &head) else { panic!("refused") };
        match self.app.handle(&mut conn, &ticket, &head, b"", &Peer::new(&|| true)) {
            Reply::Told(response, told) => {
                told(false);
                Answer::of(&response)
            }
            Reply::Response(_) | Reply::Upgrade(_) => panic!("{target} asks nothing of the answer's fate"),
        }
    }

    /// One request on a connection of its own.
    fn ask(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        self.ask_on(&mut self.conn(), method, target, headers, body)
    }

    /// One request as the gate would pass it through, its body limit included.
    fn ask_on(&self, conn: &mut Conn, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let text = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{headers}{length}\r\n");
        let head = match Head::parse(text.as_bytes()) {
            Ok(head) => head,
            Err(error) => return Answer::of(&self.app.malformed(error)),
        };
        let (ticket, body_limit) = match self.app.decide(conn, &head) {
            Decision::Refuse(response) => return Answer::of(&response),
            Decision::Admit { ticket, body_limit, .. } => (ticket, body_limit),
        };
        if body.len() > body_limit {
            return Answer::of(&self.app.refused(413, Some(&ticket)));
        }
        match self.app.handle(conn, &ticket, &head, body, &Peer::new(&|| false)) {
            Reply::Response(response) => Answer::of(&response),
            Reply::Told(response, told) => {
                told(true);
                Answer::of(&response)
            }
            Reply::Upgrade(_) => panic!("no route upgrades"),
        }
    }
}

/// The swarms of a new home: there is none.
fn no_swarms(home: &TempHome, clock: Arc<dyn Clock>) -> Arc<Swarms> {
    let url = "http://127.0.0.1:4000".to_owned();
    let (swarms, troubles) = Swarms::open(Parts {
        home: Arc::new(Home::open(&home.path()).expect("a home")),
        agents: Agents::new(Arc::clone(&clock), url.clone(), 1_024).expect("a thread"),
        clock,
        settings: manager::Settings { cap: 100, url },
    })
    .expect("no swarms");
    assert!(troubles.is_empty(), "{troubles:?}");
    swarms
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What came back. `body` is JSON or null.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    bytes: Vec<u8>,
    body: Value,
}

impl Answer {
    fn of(response: &Response) -> Self {
        let headers = response.headers().iter().map(|(n, v)| ((*n).to_owned(), v.to_string())).collect();
        let bytes = response.body().to_vec();
        let body = match response.content_type() {
            "application/json" => serde_json::from_slice(&bytes).expect("JSON as declared"),
            _ => Value::Null,
        };
        Self { status: response.status(), headers, bytes, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice");
        first
    }

    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

/// The kernel of the tests: every peer is ours, and in the tree of the agent whose token it shows.
struct Kernel(Arc<Table>);

impl Peers for Kernel {
    fn facts(&self, _: &PeerAddr, _: &dyn Fn() -> Vec<u32>, _: u64) -> PeerFacts {
        PeerFacts { standing: Standing::Ours, uid: Some(1000), pid: Some(4321) }
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
struct Table {
    rows: Mutex<BTreeMap<String, Row>>,
    on_exit: Mutex<Vec<Callback>>,
    /// what the next start answers instead
    start_fails: Mutex<Option<StartError>>,
    /// the keeper whose tree no peer is in
    elsewhere: Mutex<Option<u32>>,
    trees_asked: Mutex<Vec<u32>>,
}

type Callback = Box<dyn Fn(&Record) + Send + Sync>;

struct Row {
    record: Record,
    typed: Vec<(String, Option<Submit>)>,
    /// those to be told what became of a text that waits to be typed
    queued: Vec<mpsc::Sender<Delivery>>,
    keys: Vec<u8>,
    delivery: Delivery,
    input: Result<(), InputError>,
    output: Vec<u8>,
    waits: Vec<Duration>,
    watchers: Arc<Watchers>,
}

impl Table {
    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Row) -> T) -> Option<T> {
        self.rows.lock().expect("no panic").get_mut(name).map(act)
    }

    fn name_of(&self, block_id: &str) -> Option<String> {
        self.records()
            .into_iter()
            .find(|record| record.block_id == block_id)
            .map(|record| record.name.as_str().to_owned())
    }

    fn typed(&self, name: &str) -> Vec<String> {
        self.with(name, |row| row.typed.iter().map(|(text, _)| text.clone()).collect()).unwrap_or_default()
    }

    fn ends(&self, name: &str) {
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

    fn agent_of_token(&self, token: &[u8]) -> Option<AgentId> {
        let name = std::str::from_utf8(token).ok()?.strip_prefix("lga_")?;
        self.record(name).map(|record| record.name)
    }

    fn keeper_pids(&self) -> Vec<u32> {
        self.records().iter().map(|record| record.keeper_pid).collect()
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
