//! What must hold for any body on the routes of messages, asserted; driven by cargo-fuzz and by the
//! replayed corpus.
//!
//! The first byte chooses a route and who asks; the rest is the body. The judge reads the body on
//! its own, and asks the mailbox what became of it. What comes with the peer key is judged in `peer`.

mod peer;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use serde_json::Value;

use super::{App, AppParts, Fleet, KeyFileHook, Peers};
use crate::{
    admit::{Cors, Keyring, Keys, PeerAddr, PeerFacts, Policy, TreeFact},
    agent::{
        self, Agents, BeyondEnd, Delivery, InputError, Offer, Output, Pace, Record, ResizeError, StartError,
        StartSpec, State, StopError, Submit, Watch,
    },
    backend,
    bus::{
        Terminal, Terminals,
        audit::Audit,
        mail::{Mail, Message},
    },
    exposure::Declared,
    gate::{Decision, Peer, Reply, Response, Service},
    limits,
    registry::Nowhere,
    store::Home,
    swarm::{
        Swarms,
        events::Hub,
        manager::{self, Parts},
        skills::Skills,
    },
    sys::poll::Wake,
    wire::{clock::Clock, clock::ManualClock, head::Head, id::AgentId, json, node::Holder, secret::Secret},
};

const OWNER: &str = "7f1d5a34-0a52-4c5c-9d4e-000000000001";
const OTHER: &str = "another-secret";
const TOKEN: &str = "lga_of_the_agent_coder";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Owner,
    Agent,
    Peer,
}

impl By {
    fn credential(self) -> String {
        match self {
            By::Owner => format!("X-AuthKey: {OWNER}"),
            By::Agent => format!("Authorization: Bearer {TOKEN}"),
            By::Peer => format!("X-AuthKey: {OTHER}"),
        }
    }
}

/// The routes, and the field that names the mailbox and the one that holds the words where a body
/// can put some into a mailbox.
const ROUTES: [(&str, By, Option<[&str; 2]>); 13] = [
    ("/api/v1/agents/nobody/send", By::Owner, Some(["", "text"])),
    ("/api/v1/agents/coder/send", By::Owner, Some(["", "text"])),
    ("/api/v1/self/send", By::Agent, Some(["to", "text"])),
    ("/api/v1/self/ask", By::Agent, Some(["to", "text"])),
    ("/api/v1/self/inject", By::Agent, None),
    ("/api/v1/self/ack", By::Agent, None),
    ("/api/v1/messages/m1/redeliver", By::Owner, None),
    ("/api/bus/register", By::Owner, None),
    ("/api/bus/send", By::Owner, Some(["to", "payload"])),
    ("/api/bus/inject", By::Owner, Some(["target", "message"])),
    ("/api/bus/broadcast", By::Owner, Some(["", "payload"])),
    ("/agentmux/service", By::Owner, None),
    ("/api/bus/messages/delete", By::Owner, None),
];

/// No body makes a handler panic. Every answer is JSON; one that refuses says why and under which
/// stable code, and then nothing was accepted. What is accepted comes from a body that the strict
/// reader takes, waits with exactly its words, and names as its caller whoever had the credential.
pub fn fuzz(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    if body.len() > limits::BODY_SMALL {
        return;
    }
    let choice = usize::from(*choice) % (ROUTES.len() + 2);
    let Some((path, by, words)) = ROUTES.get(choice).copied() else {
        return if choice == ROUTES.len() { peer::letter(body) } else { peer::anywhere(body) };
    };
    let app = app();
    let response = ask(&app, path, by, body);
    let (status, answer) = (response.status(), serde_json::from_slice::<Value>(response.body()));
    let answer = answer.expect("every answer is JSON");
    let said = answer.get("error").filter(|error| !error.is_null());
    let refused =
        status != 200 || answer["status"] == "error" || (said.is_some() && path.starts_with("/agentmux"));
    if refused {
        assert!(
            said.is_some_and(Value::is_string) && answer["code"].is_string(),
            "{path} {status}: {answer}"
        );
    }
    let waiting = waiting(&app);
    let sent = json::parse(body);
    let Ok(sent) = sent else {
        let known = [400, 200][usize::from(path == "/agentmux/service")];
        assert!(status == known && refused, "{path} {status}: taken from what is no strict JSON: {answer}");
        return assert!(waiting.is_empty(), "{path}: a message from what is no strict JSON");
    };
    assert!(!refused || waiting.is_empty(), "{path}: refused and accepted: {answer}");
    let [to, text] = words.unwrap_or_default();
    for message in &waiting {
        assert!(words.is_some(), "{path} put a message into a mailbox");
        assert_eq!(sent[text].as_str(), Some(message.text.as_str()), "{path}: other words");
        let named = sent[to].as_str().unwrap_or_default();
        let named = named.strip_suffix("@000000000000").unwrap_or(named);
        assert!(to.is_empty() || named == message.to.as_str(), "{path}: for another");
        let (caller, from) = match by {
            By::Owner => ("owner", sent["from"].as_str().filter(|_| path.starts_with("/api/bus/"))),
            By::Agent => ("agent coder", Some("coder")),
            By::Peer => panic!("{path} takes no letters"),
        };
        assert_eq!((message.caller.as_str(), message.from.as_str()), (caller, from.unwrap_or("owner")));
        let id = answer.get("id").or_else(|| answer.get("message_id")).and_then(Value::as_str);
        assert!(id.is_none_or(|id| id == message.id), "{path}: another id");
        assert!(!app.bus.mail.find(&message.id).is_empty());
    }
    if let ("waiting", 0) = (answer["outcome"].as_str().unwrap_or_default(), waiting.len()) {
        panic!("{path}: said to wait, and does not: {answer}");
    }
}

fn ask(app: &App, path: &str, by: By, body: &[u8]) -> Response {
    let credential = by.credential();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{credential}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let head = Head::parse(head.as_bytes()).expect("a head");
    let mut conn = app.open(address(50_000), address(4000));
    let ticket = match app.decide(&mut conn, &head) {
        Decision::Admit { ticket, .. } => ticket,
        Decision::Refuse(response) => panic!("{path} is refused: {}", response.status()),
    };
    // Whoever asked has gone: no question waits for its answer.
    match app.handle(&mut conn, &ticket, &head, body, &Peer::new(&|| true)) {
        Reply::Response(response) => response,
        Reply::Told(response, told) => {
            told(true);
            response
        }
        Reply::Upgrade(_) | Reply::Stream(_) => panic!("no route of these upgrades or streams"),
    }
}

/// All messages in all mailboxes.
fn waiting(app: &App) -> Vec<Message> {
    let mut all = Vec::new();
    for (name, _) in app.bus.mail.mailboxes() {
        all.extend(app.bus.mail.look(&name, 0, 10, limits::MESSAGES_PAGE_BYTES).expect("readable").messages);
    }
    all
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn app() -> Arc<App> {
    app_with(Arc::default())
}

fn app_with(coder: Arc<Coder>) -> Arc<App> {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let clock = ManualClock::at(1_000_000);
    App::new(AppParts {
        policy: Policy {
            port: 4000,
            bound: address(4000),
            hosts: Vec::new(),
            cors: Cors::Loopback,
            host_origin: None,
            keys: Arc::new(Keyring::new(Keys { owner: secret(OWNER), peer: secret(OTHER) })),
            api_token: None,
            config_token: None,
        },
        fleet: coder,
        peers: Box::new(Anybody),
        instance: "instance".to_owned(),
        declared: Declared::default(),
        audit: Arc::new(Audit::in_memory(secret("k"), Arc::clone(&clock) as _)),
        mail: Mail::in_memory(Arc::clone(&clock) as _),
        elsewhere: Arc::new(Nowhere::default()),
        key_file: KeyFileHook { write: Box::new(|_| Ok(())), from_host: false },
        swarms: swarms(),
        skills: Skills::at("/proc/self/fdinfo/none".into()),
        config_dir: None,
        clock,
    })
}

/// No swarms, kept nowhere: no body here is of a route that makes one. One for all runs.
fn swarms() -> Arc<Swarms> {
    static SWARMS: OnceLock<Arc<Swarms>> = OnceLock::new();
    let open = || {
        let path = std::env::temp_dir().join(format!("loopgate-fuzz-{}", std::process::id()));
        let home = Arc::new(Home::create(&path).expect("a home"));
        let clock: Arc<dyn Clock> = ManualClock::at(1_000_000);
        let agents =
            Agents::new(Arc::clone(&clock), agent::Settings::new(String::new(), 1_024)).expect("a thread");
        let settings = manager::Settings { cap: 1, url: String::new() };
        let events = Arc::new(Hub::new(Arc::clone(&clock)));
        let policy = backend::Policy::default();
        let (swarms, _) =
            Swarms::open(Parts { home, agents, clock, events, policy, settings }).expect("no swarms");
        std::fs::remove_dir_all(&path).expect("it is removed");
        swarms
    };
    Arc::clone(SWARMS.get_or_init(open))
}

/// One agent, which lets nobody type who is not named.
#[derive(Default)]
struct Coder {
    accepts: Vec<String>,
    typed: Mutex<Vec<String>>,
}

impl Coder {
    fn name() -> AgentId {
        AgentId::parse("coder").expect("an id")
    }

    fn typed(&self) -> Vec<String> {
        self.typed.lock().expect("no panic").clone()
    }

    fn is(name: &str) -> Option<()> {
        (name == "coder").then_some(())
    }
}

impl Terminals for Coder {
    fn deliver(&self, block_id: &str, text: &str, _: Option<Submit>) -> Option<Delivery> {
        (block_id == "block").then(|| {
            self.typed.lock().expect("no panic").push(text.to_owned());
            Delivery::Delivered
        })
    }

    fn offer(&self, block_id: &str, text: &str, _: Duration) -> Option<Offer> {
        self.deliver(block_id, text, None).map(Offer::Settled)
    }

    fn terminal(&self, agent: &AgentId) -> Option<Terminal> {
        let block_id = "block".to_owned();
        Self::is(agent.as_str())?;
        Some(Terminal {
            block_id,
            accept_typed_from: self.accepts.clone(),
            confinement: agent::Confinement::None,
            quiet: false,
            started_at: 7,
        })
    }

    fn may_type_into(&self, _: &AgentId) -> Vec<String> {
        Vec::new()
    }

    fn knows(&self, agent: &AgentId) -> bool {
        Self::is(agent.as_str()).is_some()
    }

    fn running(&self) -> Vec<AgentId> {
        AgentId::parse("coder").into_iter().collect()
    }
}

impl Fleet for Coder {
    fn start(&self, _: StartSpec) -> Result<Record, StartError> {
        Err(StartError::Limit { most: 0 })
    }

    fn record(&self, name: &str) -> Option<Record> {
        Self::is(name)?;
        Some(Record {
            name: AgentId::parse(name).ok()?,
            block_id: "block".to_owned(),
            state: State::Running,
            pid: 2,
            keeper_pid: 3,
            started_at: 7,
            rows: 24,
            cols: 80,
            command: Vec::new(),
            cwd: "/".into(),
            exit: None,
            output_start: 0,
            output_end: 0,
            accept_typed_from: Vec::new(),
            may_type_into: Vec::new(),
            boundary: None,
        })
    }

    fn records(&self) -> Vec<Record> {
        self.record("coder").into_iter().collect()
    }

    fn paces(&self) -> Vec<Pace> {
        Vec::new()
    }

    fn stop(&self, _: &AgentId) -> Result<Record, StopError> {
        Err(StopError::NotFound)
    }

    fn input(&self, name: &str, _: &[u8]) -> Option<Result<(), InputError>> {
        Self::is(name).map(Ok)
    }

    fn output(
        &self,
        _: &str,
        _: Option<u64>,
        _: Duration,
        _: usize,
        _: &dyn Fn() -> bool,
    ) -> Option<Result<Output, BeyondEnd>> {
        None
    }

    fn resize(&self, name: &str, _: u16, _: u16) -> Option<Result<(), ResizeError>> {
        Self::is(name).map(Ok)
    }

    fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        AgentId::parse("coder").ok().filter(|_| token == TOKEN.as_bytes()).map(Holder::Loose)
    }

    fn keepers(&self) -> Vec<(u32, Holder)> {
        Vec::new()
    }

    fn on_exit(&self, _: Box<dyn Fn(&Record) + Send + Sync>) {}

    fn record_of_block(&self, block_id: &str) -> Option<Record> {
        self.record("coder").filter(|record| record.block_id == block_id)
    }

    fn input_to_block(&self, block_id: &str, _: &[u8]) -> Option<Result<(), InputError>> {
        (block_id == "block").then_some(Ok(()))
    }

    fn resize_block(&self, block_id: &str, _: u16, _: u16) -> Option<Result<(), ResizeError>> {
        (block_id == "block").then_some(Ok(()))
    }

    fn output_of_block(&self, _: &str, _: Option<u64>, _: usize) -> Option<Result<Output, BeyondEnd>> {
        None
    }

    fn watch(&self, _: &str, _: Arc<Wake>) -> Option<Watch> {
        None
    }
}

/// No peer of whom anything is known.
struct Anybody;

impl Peers for Anybody {
    fn facts(&self, _: &PeerAddr, _: &dyn Fn() -> Vec<u32>, _: u64) -> PeerFacts {
        PeerFacts::UNKNOWN
    }

    fn tree(&self, _: &PeerAddr, _: u32, _: u64) -> TreeFact {
        TreeFact::Inside
    }
}
