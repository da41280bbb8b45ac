//! Rotation of the keys, with a key file and a registry that look at their moment which keys open.

use std::{
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::*;
use crate::{
    limits,
    registry::{Forwarded, Found, Letter, Listing, NotReached, Peer as Neighbour, Published},
    store::FileError,
    wire::{
        address::{Address, HomeId},
        clock::Clock as _,
    },
};

const ROTATE: &str = "/api/v1/rotate-key";

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// the key file was to be written: the answers to the old and to the new owner key then
    File(u16, u16),
    /// the registry was to be written: the answers to the old and to the new peer key then
    Registry(u16, u16),
    /// the answer to a rotation that was asked for while the file was written
    Second(u16, String),
}

/// The key file and the registry.
struct Files {
    app: Mutex<Weak<App>>,
    steps: Mutex<Vec<Step>>,
    /// owner keys, oldest first, those that could not be written too
    owner: Mutex<Vec<String>>,
    /// peer keys, oldest first
    peer: Mutex<Vec<String>>,
    broken: AtomicBool,
    late: AtomicBool,
    /// asks for another rotation while one is underway
    again: AtomicBool,
    home: HomeId,
}

impl Files {
    fn write(&self, key: &Secret) -> Result<(), FileError> {
        let new = key.expose_str().to_owned();
        let old = last(&self.owner);
        self.step(Step::File(self.opens(&old), self.opens(&new)));
        self.owner.lock().unwrap().push(new);
        if self.again.load(Ordering::SeqCst) {
            let answer = self.ask(|instance| instance.post(ROTATE, &x_key(&old), &json!({})));
            self.step(Step::Second(answer.status, answer.code().to_owned()));
        }
        if self.broken.load(Ordering::SeqCst) { Err(FileError::Missing) } else { Ok(()) }
    }

    fn step(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    fn steps(&self) -> Vec<Step> {
        std::mem::take(&mut *self.steps.lock().unwrap())
    }

    /// The answer to an owner key.
    fn opens(&self, key: &str) -> u16 {
        self.ask(|instance| instance.get("/api/v1/agents", &x_key(key)).status)
    }

    /// The answer to a peer key: 400 where it opens, because the request says nothing.
    fn lets_in(&self, key: &str) -> u16 {
        self.ask(|instance| instance.get("/agentmux/reactive/agent", &x_key(key)).status)
    }

    fn ask<T>(&self, ask: impl FnOnce(&Instance) -> T) -> T {
        let app = self.app.lock().unwrap().upgrade().expect("an app");
        ask(&Instance { app, table: Arc::default(), clock: ManualClock::at(0) })
    }
}

impl Elsewhere for Files {
    fn home(&self) -> &HomeId {
        &self.home
    }

    fn is_on(&self) -> bool {
        true
    }

    fn find(&self, _: &Address) -> Found {
        Found::Nobody(None)
    }

    fn forward(&self, _: &Neighbour, _: &Letter<'_>) -> Forwarded {
        Forwarded::NotReached(NotReached::Gone)
    }

    fn publish(&self, _: &AgentId, _: Duration) -> Published {
        Published::Off
    }

    fn changed(&self) {}

    fn rekey(&self, key: Secret, within: Duration) -> bool {
        assert_eq!(within, Duration::from_secs(1));
        let (old, new) = (last(&self.peer), key.expose_str().to_owned());
        self.step(Step::Registry(self.lets_in(&old), self.lets_in(&new)));
        self.peer.lock().unwrap().push(new);
        !self.late.load(Ordering::SeqCst)
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}

fn last(list: &Mutex<Vec<String>>) -> String {
    list.lock().unwrap().last().cloned().expect("a key")
}

fn x_key(key: &str) -> String {
    format!("X-AuthKey: {key}\r\n")
}

fn rig() -> (Instance, Arc<Files>) {
    let key = |header: &str| Mutex::new(vec![header["X-AuthKey: ".len()..].trim().to_owned()]);
    let files = Arc::new(Files {
        app: Mutex::default(),
        steps: Mutex::default(),
        owner: key(OWNER),
        peer: key(PEER),
        broken: AtomicBool::new(false),
        late: AtomicBool::new(false),
        again: AtomicBool::new(false),
        home: HomeId::of([1; 6]),
    });
    let written = Arc::clone(&files);
    let key_file = KeyFileHook { write: Box::new(move |key| written.write(key)), from_host: true };
    let made = Made::with_api_token(Some("api-token-of-the-tests"));
    let instance = Made { elsewhere: Arc::clone(&files) as _, key_file, ..made }.instance();
    *files.app.lock().unwrap() = Arc::downgrade(&instance.app);
    (instance, files)
}

#[test]
fn old_and_new_keys_open_while_the_files_are_written_and_afterwards_the_new_ones_alone() {
    let (instance, files) = rig();
    let answer = instance.post(ROTATE, OWNER, &json!({}));
    assert_eq!(
        (answer.status, answer.body),
        (
            200,
            json!({"rotated": true, "generation": 2, "connections": "closing in 10 s", "closing": 0,
                   "registry": "done", "from_host": true})
        )
    );
    assert_eq!(files.steps(), [Step::File(200, 200), Step::Registry(400, 400)]);
    let (owner, peer) = (last(&files.owner), last(&files.peer));
    assert_eq!((instance.get("/api/v1/agents", OWNER).status, files.opens(&owner)), (401, 200));
    assert_eq!((instance.get("/agentmux/reactive/agent", PEER).status, files.lets_in(&peer)), (401, 400));
    // Tokens are not keys.
    let body = json!({"name": "coder", "command": ["sh"], "cwd": "/"});
    assert_eq!(instance.post("/api/v1/agents", &x_key(&owner), &body).status, 201);
    assert_eq!(instance.get("/api/v1/agents", API).status, 200);
    assert_eq!(instance.get("/api/v1/self/whoami", &token("coder")).status, 200);
    // And again, with what came of it.
    files.late.store(true, Ordering::SeqCst);
    let answer = instance.post(ROTATE, &x_key(&owner), &json!({"keep_connections": true})).body;
    assert_eq!((&answer["generation"], &answer["connections"]), (&json!(3), &json!("kept")));
    assert_eq!((&answer["registry"], files.opens(&owner)), (&json!("pending"), 401));
}

#[test]
fn a_key_file_that_cannot_be_written_changes_nothing() {
    let (instance, files) = rig();
    files.broken.store(true, Ordering::SeqCst);
    let answer = instance.post(ROTATE, OWNER, &json!({}));
    assert_eq!((answer.status, answer.code()), (500, "key_file"));
    assert_eq!(files.steps(), [Step::File(200, 200)], "the registry was not touched");
    let undone = last(&files.owner);
    assert_eq!((instance.get("/api/v1/agents", OWNER).status, files.opens(&undone)), (200, 401));
    assert_eq!(instance.get("/agentmux/reactive/agent", PEER).status, 400);
    files.broken.store(false, Ordering::SeqCst);
    files.owner.lock().unwrap().pop();
    assert_eq!(instance.post(ROTATE, OWNER, &json!({})).status, 200);
    assert_eq!((files.opens(&undone), files.opens(&last(&files.owner))), (401, 200));
}

#[test]
fn a_second_rotation_while_one_is_underway_is_409() {
    let (instance, files) = rig();
    files.again.store(true, Ordering::SeqCst);
    assert_eq!(instance.post(ROTATE, OWNER, &json!({})).status, 200);
    let second = Step::Second(409, "rotation_underway".to_owned());
    assert_eq!(files.steps(), [Step::File(200, 200), second, Step::Registry(400, 400)]);
    files.again.store(false, Ordering::SeqCst);
    assert_eq!(instance.post(ROTATE, &x_key(&last(&files.owner)), &json!({})).status, 200);
}

#[test]
fn only_the_owner_rotates_and_only_with_a_right_body() {
    let (instance, files) = rig();
    for (headers, status) in [
        (API.to_owned(), 403),
        (token("coder"), 401),
        (PEER.to_owned(), 401),
        (CONFIG.to_owned(), 401),
        (String::new(), 401),
    ] {
        assert_eq!(instance.post(ROTATE, &headers, &json!({})).status, status, "{headers}");
    }
    for body in [json!([]), json!({"keep_connections": "yes"}), json!({"keep_connections": null})] {
        assert_eq!(instance.post(ROTATE, OWNER, &body).status, 400, "{body}");
    }
    assert_eq!(instance.get(ROTATE, OWNER).status, 405);
    assert_eq!((files.steps(), instance.app.policy.keys.generation()), (Vec::new(), 1));
}

#[test]
fn rotations_end_the_websockets_of_older_keys_and_say_how_many() {
    let (instance, files) = rig();
    let now = instance.clock.monotonic_ms();
    let enter = |generation| instance.app.sockets.enter_with(generation).unwrap().unwrap();
    let (kept, token) = (enter(Some(1)), enter(None));
    let rotate = |keep: bool| {
        let body = json!({ "keep_connections": keep });
        instance.post(ROTATE, &x_key(&last(&files.owner)), &body).body["closing"].clone()
    };
    assert_eq!(rotate(true), 0);
    assert_eq!(kept.retires_at(), u64::MAX);
    let second = enter(Some(2));
    assert_eq!(rotate(false), 2, "what an earlier rotation left alone, too");
    let at = now + limits::KEY_GRACE_MS;
    assert_eq!((kept.retires_at(), second.retires_at(), token.retires_at()), (at, at, u64::MAX));
    assert_eq!(enter(Some(2)).retires_at(), at, "opened in the very moment");
    assert_eq!(enter(Some(3)).retires_at(), u64::MAX);
}

/// The head was admitted, the keys were changed, and then the body came.
#[test]
fn a_request_whose_key_was_changed_before_its_body_came_is_refused() {
    let (instance, files) = rig();
    let mut conn = instance.conn();
    let text = format!("POST /api/v1/agents HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{OWNER}{JSON}\r\n");
    let head = Head::parse(text.as_bytes()).expect("a head");
    let Decision::Admit { ticket, .. } = instance.app.decide(&mut conn, &head) else { panic!("refused") };
    assert_eq!(instance.post(ROTATE, OWNER, &json!({})).status, 200);
    let body = br#"{"name":"late","command":["sh"],"cwd":"/"}"#;
    match instance.app.handle(&mut conn, &ticket, &head, body, &Peer::new(&|| false)) {
        Reply::Response(response) => assert_eq!(Answer::of(&response).code(), "credential_wrong"),
        Reply::Told(..) | Reply::Upgrade(_) | Reply::Stream(_) => panic!("another answer"),
    }
    let agents = instance.get("/api/v1/agents", &x_key(&last(&files.owner)));
    assert_eq!(agents.body["agents"], json!([]));
}

/// Whoever waits is asked again and again whether he is gone; in that moment the keys are changed here.
#[test]
fn whoever_waits_with_a_key_that_is_changed_meanwhile_is_told_nothing_more() {
    for path in ["/api/v1/agents/coder/inbox?wait=25000", "/api/v1/agents/coder/output?wait=25000"] {
        let (instance, _) = rig();
        let instance = instance.with_agent("coder", &[]);
        let begin = Instant::now();
        let mut conn = instance.conn();
        let text = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{OWNER}\r\n");
        let head = Head::parse(text.as_bytes()).expect("a head");
        let Decision::Admit { ticket, .. } = instance.app.decide(&mut conn, &head) else { panic!("refused") };
        let rotates = || {
            instance.post(ROTATE, OWNER, &json!({}));
            false
        };
        match instance.app.handle(&mut conn, &ticket, &head, b"", &Peer::new(&rotates)) {
            Reply::Response(response) => assert_eq!(Answer::of(&response).code(), "credential_wrong"),
            Reply::Told(..) | Reply::Upgrade(_) | Reply::Stream(_) => panic!("another answer"),
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{path}");
    }
}

#[test]
fn the_audit_has_each_rotation_and_no_answer_nor_entry_has_a_key() {
    let (instance, files) = rig();
    files.broken.store(true, Ordering::SeqCst);
    let failed = instance.post(ROTATE, OWNER, &json!({})).body;
    files.broken.store(false, Ordering::SeqCst);
    let undone = files.owner.lock().unwrap().pop().expect("a key");
    let done = instance.post(ROTATE, OWNER, &json!({})).body;
    let audit = instance.get("/api/v1/audit", API).body;
    let said = format!("{failed}{done}{audit}");
    let known = |keys: &Mutex<Vec<String>>| keys.lock().unwrap().clone();
    let keys = [known(&files.owner), known(&files.peer), vec![undone]].concat();
    assert_eq!(keys.len(), 5);
    for key in keys {
        assert!(!said.contains(&key), "{key} in {said}");
    }
    assert_eq!(
        audit["entries"][0],
        json!({"n": 3, "kind": "instance", "timestamp": 1_000_000, "happened": "keys_rotated", "by": "owner",
               "generation": 3, "closing": 0})
    );
    assert_eq!(
        audit["entries"][1],
        json!({"n": 2, "kind": "instance", "timestamp": 1_000_000, "happened": "keys_kept", "by": "owner"})
    );
}
