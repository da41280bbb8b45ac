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
mod table;
mod token;
mod walk;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, mpsc},
    time::Duration,
};

use serde_json::{Value, json};

use super::{App, AppParts, Conn, Fleet, KeyFileHook, Peers};
use crate::{
    admit::{Cors, Keyring, Keys, PeerAddr, PeerFacts, Policy, Standing, TreeFact},
    agent::{
        self, Agents, BeyondEnd, Delivery, InputError, Later, Offer, Output, Pace, Record, ResizeError,
        StartError, StartSpec, State, StopError, Submit, Took, Watch, Watchers,
    },
    backend,
    bus::{Terminal, Terminals, audit::Audit, mail::Mail},
    exposure::Declared,
    gate::{Decision, Peer, Reply, Response, Service},
    registry::{Elsewhere, Nowhere},
    store::{Beneath, Home, disk::testing::Model, journal::Settings, testing::TempHome},
    swarm::{
        Swarms,
        events::Hub,
        manager::{self, Parts},
        skills::Skills,
    },
    sys::poll::Wake,
    wire::{
        clock::Clock,
        clock::ManualClock,
        head::Head,
        id::AgentId,
        node::{FullName, Holder},
        secret::Secret,
    },
};

use table::{Kernel, Table};

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
}

/// What an instance of tests is made of, where one is not like another.
struct Made {
    /// for the API and for configurations
    tokens: [Option<&'static str>; 2],
    elsewhere: Arc<dyn Elsewhere>,
    key_file: KeyFileHook,
    swarms: Arc<Swarms>,
    skills: Skills,
    config_dir: Option<Beneath>,
}

impl Made {
    fn with_api_token(api_token: Option<&'static str>) -> Self {
        Self {
            tokens: [api_token, api_token.map(|_| "config-token-of-the-tests")],
            elsewhere: Arc::new(Nowhere::default()),
            key_file: KeyFileHook { write: Box::new(|_| Ok(())), from_host: false },
            swarms: no_swarms(),
            skills: Skills::at("/proc/self/fdinfo/none".into()),
            config_dir: None,
        }
    }

    fn instance(self) -> Instance {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let table = Arc::new(Table::default());
        let clock = ManualClock::at(1_000_000);
        let policy = Policy {
            port: 4000,
            bound: address(4000),
            hosts: Vec::new(),
            cors: Cors::Loopback,
            host_origin: None,
            keys: Arc::new(Keyring::new(Keys {
                owner: secret("11111111-1111-4111-8111-111111111111"),
                peer: secret("22222222-2222-4222-8222-222222222222"),
            })),
            api_token: self.tokens[0].map(secret),
            config_token: self.tokens[1].map(secret),
        };
        let keys = (secret("k"), [1; 32]);
        let audit = Audit::open(Model::new().disk(), Settings::default(), keys, Arc::clone(&clock) as _, "i");
        let (audit, _) = audit.expect("an audit");
        audit.start().expect("a thread");
        let app = App::new(AppParts {
            policy,
            fleet: Arc::clone(&table) as Arc<dyn Fleet>,
            peers: Box::new(Kernel(Arc::clone(&table))),
            clock: Arc::clone(&clock) as _,
            instance: "instance-of-the-tests".to_owned(),
            declared: Declared::default(),
            audit,
            mail: Mail::in_memory(Arc::clone(&clock) as _),
            elsewhere: self.elsewhere,
            key_file: self.key_file,
            swarms: self.swarms,
            skills: self.skills,
            config_dir: self.config_dir,
        });
        Instance { app, table, clock }
    }
}

impl Instance {
    fn new() -> Self {
        Self::with_api_token(Some("api-token-of-the-tests"))
    }

    fn with_api_token(api_token: Option<&'static str>) -> Self {
        Made::with_api_token(api_token).instance()
    }

    fn with_elsewhere(api_token: Option<&'static str>, elsewhere: Arc<dyn Elsewhere>) -> Self {
        Made { elsewhere, ..Made::with_api_token(api_token) }.instance()
    }

    /// An agent that runs and is registered, as if it had been started.
    fn with_agent(self, name: &str, accept_typed_from: &[&str]) -> Self {
        self.start(name, accept_typed_from);
        self
    }

    /// Starts an agent, which is registered then.
    fn start(&self, name: &str, accept_typed_from: &[&str]) {
        let body =
            json!({"name": name, "command": ["sh"], "cwd": "/", "accept_typed_from": accept_typed_from});
        let answer = self.post("/api/v1/agents", OWNER, &body);
        assert_eq!((answer.status, answer.body["name"].as_str()), (201, Some(name)), "{}", answer.body);
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
            Reply::Response(_) | Reply::Upgrade(_) | Reply::Stream(_) => {
                panic!("{target} asks nothing of the answer's fate")
            }
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
            // The head of it: its rest is written to a socket.
            Reply::Stream(stream) => Answer::of(&stream.response),
        }
    }
}

/// No swarms, for all instances that make none: what they are kept in is gone already.
fn no_swarms() -> Arc<Swarms> {
    static SWARMS: OnceLock<Arc<Swarms>> = OnceLock::new();
    Arc::clone(SWARMS.get_or_init(|| open_swarms(&TempHome::in_memory())))
}

/// The swarms of a home.
fn open_swarms(home: &TempHome) -> Arc<Swarms> {
    open_swarms_with(home, Arc::new(Hub::new(ManualClock::at(1_000_000))))
}

fn open_swarms_with(home: &TempHome, events: Arc<Hub>) -> Arc<Swarms> {
    let (clock, url): (Arc<dyn Clock>, _) = (ManualClock::at(1_000_000), "http://127.0.0.1:4000".to_owned());
    let (swarms, troubles) = Swarms::open(Parts {
        home: Arc::new(Home::open(&home.path()).expect("a home")),
        agents: Agents::new(Arc::clone(&clock), agent::Settings::new(url.clone(), 1_024)).expect("a thread"),
        events,
        clock,
        policy: backend::Policy::default(),
        settings: manager::Settings { cap: 100, url },
    })
    .expect("swarms");
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
