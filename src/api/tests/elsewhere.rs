//! Other instances, as a table: what an instance tells of them, and what it tells them.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::PathBuf,
    sync::{OnceLock, Weak},
};

use serde_json::json;

use super::*;
use crate::{
    limits,
    registry::{
        Counts, Elsewhere, Forwarded, Found, Letter, Listing, NotReached, Peer as FarPeer, PeerAgent,
        PeerInstance, Published, Speaks, Trouble,
    },
    wire::address::{Address, HomeId},
};

/// The home of the instance of the tests.
pub(super) const HOME: &str = "00000000000a";
/// Another one's.
pub(super) const FAR_HOME: &str = "0123456789ab";

/// A registry of tests. It asks the instance for its agents as the real one does, so that a
/// handler that calls it with the bus locked hangs.
pub(super) struct Far {
    home: HomeId,
    pub app: OnceLock<Weak<App>>,
    /// by what is looked for, as it is spelt
    pub found: Mutex<BTreeMap<String, Found>>,
    /// what becomes of the next letters; then they are not reached
    pub answers: Mutex<VecDeque<Forwarded>>,
    pub published: Mutex<Published>,
    pub listing: Mutex<Listing>,
    /// what was called
    pub log: Mutex<Vec<String>>,
    /// the bodies of the letters
    pub letters: Mutex<Vec<Value>>,
}

impl Far {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            home: home(HOME),
            app: OnceLock::new(),
            found: Mutex::default(),
            answers: Mutex::default(),
            published: Mutex::new(Published::Done),
            listing: Mutex::default(),
            log: Mutex::default(),
            letters: Mutex::default(),
        })
    }

    pub fn has(&self, name: &str, speaks: Speaks) {
        let one = Found::One(Box::new(FarPeer::made_up(name, FAR_HOME, speaks)));
        let mut found = self.found.lock().expect("no panic");
        found.insert(format!("{name}@{FAR_HOME}"), one.clone());
        found.insert(name.to_owned(), one);
    }

    pub fn answers(&self, forwarded: Forwarded) {
        self.answers.lock().expect("no panic").push_back(forwarded);
    }

    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().expect("no panic"))
    }

    pub fn letters(&self) -> Vec<Value> {
        std::mem::take(&mut *self.letters.lock().expect("no panic"))
    }

    fn note(&self, what: String) {
        self.log.lock().expect("no panic").push(what);
    }

    /// Whether the instance has an agent registered now.
    fn registered(&self, name: &AgentId) -> bool {
        let app = self.app.get().and_then(Weak::upgrade);
        app.is_some_and(|app| app.bus.state().directory.get(name).is_some())
    }
}

impl Elsewhere for Far {
    fn home(&self) -> &HomeId {
        &self.home
    }

    fn is_on(&self) -> bool {
        true
    }

    fn find(&self, to: &Address) -> Found {
        let found = self.found.lock().expect("no panic").get(&to.to_string()).cloned();
        found.unwrap_or(Found::Nobody(None))
    }

    fn forward(&self, peer: &FarPeer, letter: &Letter<'_>) -> Forwarded {
        let body = letter.body(&peer.agent, peer.speaks, "instance-of-the-tests");
        let body = serde_json::from_slice(&body).expect("a letter is JSON");
        self.letters.lock().expect("no panic").push(body);
        let answer = self.answers.lock().expect("no panic").pop_front();
        answer.unwrap_or(Forwarded::NotReached(NotReached::NoConnection))
    }

    fn publish(&self, name: &AgentId, within: Duration) -> Published {
        let registered = if self.registered(name) { "there" } else { "gone" };
        self.note(format!("publish {name} {registered} {}", within.as_millis()));
        self.published.lock().expect("no panic").clone()
    }

    fn changed(&self) {
        self.note("changed".to_owned());
    }

    fn rekey(&self, _: Secret, _: Duration) -> bool {
        true
    }

    fn counts(&self) -> Counts {
        Counts { taken: 1, refused: 2, not_reached: 3, unsure: 4 }
    }

    fn listing(&self) -> Listing {
        self.note("listing".to_owned());
        self.listing.lock().expect("no panic").clone()
    }
}

pub(super) fn home(text: &str) -> HomeId {
    HomeId::parse(text).expect("a home")
}

/// An instance with other instances beside it.
pub(super) fn with_far() -> (Instance, Arc<Far>) {
    let far = Far::new();
    let instance = Instance::with_elsewhere(Some("api-token-of-the-tests"), Arc::clone(&far) as _);
    far.app.set(Arc::downgrade(&instance.app)).expect("set once");
    (instance, far)
}

const REGISTER: &str = "/agentmux/reactive/register";
const UNREGISTER: &str = "/agentmux/reactive/unregister";

fn listing() -> Listing {
    Listing {
        directory: Some(PathBuf::from("/home/u/shared")),
        mode: Some(0o40755),
        shared: true,
        own: vec![AgentId::parse("mine").expect("an id")],
        instances: vec![PeerInstance {
            home: home(FAR_HOME),
            instance: Some("i-2".to_owned()),
            at: SocketAddr::from(([127, 0, 0, 1], 4711)),
            pid: 77,
            speaks: Speaks::AgentMux,
            channel: "stable".to_owned(),
            agents: vec![PeerAgent {
                name: AgentId::parse("far").expect("an id"),
                block_id: "b".to_owned(),
                updated_at: 5,
            }],
        }],
        troubles: vec![
            Trouble {
                file: "x.json".into(),
                agent: Some("x".to_owned()),
                code: "entry_mode",
                sentence: "others can read it".to_owned(),
                next: "chmod 600 x.json".to_owned(),
            },
            Trouble {
                file: PathBuf::new(),
                agent: None,
                code: "directory_mode",
                sentence: "others can read the directory".to_owned(),
                next: "chmod 700".to_owned(),
            },
        ],
        more: false,
    }
}

#[test]
fn the_owner_sees_other_instances_their_agents_and_what_is_wrong() {
    let (instance, far) = with_far();
    *far.listing.lock().expect("no panic") = listing();
    let wanted = json!({
        "directory": {"path": "/home/u/shared", "mode": "0755", "shared": true, "health": "directory_mode"},
        "home": HOME,
        "instances": [{
            "home": FAR_HOME, "instance": "i-2", "address": "127.0.0.1:4711", "pid": 77,
            "speaks": "agentmux", "channel": "stable",
            "agents": [{"name": "far", "address": format!("far@{FAR_HOME}"), "block_id": "b", "updated_at": 5}],
        }],
        "own": [format!("mine@{HOME}")],
        "troubles": [
            {"file": "x.json", "agent": "x", "code": "entry_mode", "error": "others can read it",
             "next": "chmod 600 x.json"},
            {"file": "", "agent": null, "code": "directory_mode", "error": "others can read the directory",
             "next": "chmod 700"},
        ],
        "more": false,
    });
    for credential in [OWNER, API] {
        let answer = instance.get("/api/v1/peers", credential);
        assert_eq!((answer.status, &answer.body), (200, &wanted));
    }
    let none = Instance::new().get("/api/v1/peers", OWNER).body;
    assert_eq!((&none["directory"], &none["instances"]), (&json!(null), &json!([])), "no registry");
}

#[test]
fn the_status_counts_what_became_of_letters() {
    let status = with_far().0.get("/api/v1/status", OWNER).body;
    assert_eq!(
        status["forwards"],
        json!({"taken": 1, "refused": 2, "not_reached": 3, "unsure": 4, "held": 0})
    );
}

#[test]
fn an_agent_sees_names_and_addresses_elsewhere_and_looks_once_a_second() {
    let (instance, far) = with_far();
    let instance = instance.with_agent("first", &[]);
    far.log();
    *far.listing.lock().expect("no panic") = listing();
    let expected = json!({"agents": [
        {"name": "first", "state": "running"},
        {"name": "far", "state": "elsewhere", "address": format!("far@{FAR_HOME}")},
    ]});
    for _ in 0..3 {
        assert_eq!(instance.get("/api/v1/self/agents", &token("first")).body, expected);
    }
    assert_eq!(far.log(), ["listing"]);
    instance.clock.advance(1_000);
    instance.get("/api/v1/self/agents", &token("first"));
    assert_eq!(far.log(), ["listing"]);
    let me = instance.get("/api/v1/self/whoami", &token("first")).body;
    assert_eq!(me["address"], format!("first@{HOME}"));
}

#[test]
fn a_registration_waits_a_bounded_time_for_its_file() {
    let (instance, far) = with_far();
    let register = |name: &str, block: &str| {
        instance.post(REGISTER, OWNER, &json!({"agent_id": name, "block_id": block}))
    };
    assert_eq!(register("a1", "b1").body, json!({"success": true}));
    assert_eq!(far.log(), [format!("publish a1 there {}", limits::PUBLISH_MS)]);
    assert_eq!(instance.post(UNREGISTER, OWNER, &json!({"agent_id": "a1"})).body, json!({"success": true}));
    assert_eq!(far.log(), [format!("publish a1 gone {}", limits::PUBLISH_MS)]);
    instance.post(UNREGISTER, OWNER, &json!({"agent_id": "a1"}));
    instance.post(UNREGISTER, OWNER, &json!({"agent_id": "../a1"}));
    instance.post(REGISTER, OWNER, &json!({"agent_id": "a b", "block_id": ""}));
    assert!(far.log().is_empty(), "nothing has changed");
}

#[test]
fn a_registration_that_others_cannot_find_says_so() {
    let (instance, far) = with_far();
    for (published, there, removed) in [
        (Published::Off, json!({"success": true}), json!({"success": true})),
        (Published::Taken, json!({"success": true, "registry": "taken"}), json!({"success": true})),
        (
            Published::Pending,
            json!({"success": true, "registry": "pending"}),
            json!({"success": true, "registry": "pending"}),
        ),
        (
            Published::Failed("registry_full"),
            json!({"success": true, "registry": "failed", "registry_code": "registry_full"}),
            json!({"success": true, "registry": "failed", "registry_code": "registry_full"}),
        ),
    ] {
        *far.published.lock().expect("no panic") = published;
        let answer = instance.post(REGISTER, OWNER, &json!({"agent_id": "a", "block_id": "b"}));
        assert_eq!((answer.status, answer.body), (200, there));
        assert!(far.log()[0].starts_with("publish a there"), "it is registered here all the same");
        let answer = instance.post(UNREGISTER, OWNER, &json!({"agent_id": "a"}));
        assert_eq!((answer.status, answer.body), (200, removed));
        far.log();
    }
}

#[test]
fn an_agents_start_and_end_are_published() {
    let (instance, far) = with_far();
    *far.published.lock().expect("no panic") = Published::Taken;
    let answer = instance.post("/api/v1/agents", OWNER, &json!({"name": "a", "command": ["sh"], "cwd": "/"}));
    assert_eq!((answer.status, &answer.body["registry"]), (201, &json!("taken")));
    assert_eq!(instance.get("/api/v1/agents/a", OWNER).body.get("registry"), None);
    instance.table.ends("a");
    let answer = instance.ask("DELETE", "/api/v1/agents/a", OWNER, b"");
    assert_eq!((answer.status, answer.body.get("registry")), (200, None));
    let within = limits::PUBLISH_MS;
    let wanted =
        [format!("publish a there {within}"), "changed".to_owned(), format!("publish a gone {within}")];
    assert_eq!(far.log(), wanted);
}
