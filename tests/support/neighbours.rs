//! Several instances that find each other by one registry, and the agents in them.

#![allow(dead_code)] // each test file uses its own part

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::support::{Answer, Instance, TempDir, until};

/// A directory for a registry, mode 0700.
pub fn shared() -> TempDir {
    TempDir::new()
}

/// An instance in a home of its own with this registry.
pub fn neighbour(registry: &Path) -> Instance {
    Instance::start_with(&[("LOOPGATE_REGISTRY", registry.to_str().expect("a path"))], &[])
}

/// What stands behind `@` in the addresses of its agents.
pub fn home_id(instance: &Instance) -> String {
    let text = fs::read_to_string(instance.home.path().join("identity")).expect("an identity");
    text.trim().to_owned()
}

/// Starts `script` under /bin/sh as agent `name`; more fields of the request in `more`.
#[track_caller]
pub fn start(instance: &Instance, name: &str, script: &str, more: Value) -> Value {
    let mut body =
        json!({ "name": name, "command": ["/bin/sh", "-c", script], "cwd": "/", "submit": "once" });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let answer = instance.call("POST", "/api/v1/agents", &body);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

pub fn output(instance: &Instance, name: &str) -> String {
    let answer = instance.call("GET", &format!("/api/v1/agents/{name}/output"), &Value::Null);
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[track_caller]
pub fn shows(instance: &Instance, name: &str, text: &str) -> String {
    until(&format!("{name} shows {text:?}"), || Some(output(instance, name)).filter(|out| out.contains(text)))
}

/// Puts a name on an instance, with a block that is nobody's; the answer.
#[track_caller]
pub fn register(instance: &Instance, name: &str) -> Value {
    let body = json!({ "agent_id": name, "block_id": format!("block-of-{name}") });
    let answer = instance.call("POST", "/agentmux/reactive/register", &body);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The owner's inject over AgentMux's route.
#[track_caller]
pub fn inject(instance: &Instance, target: &str, text: &str, request_id: &str) -> Value {
    let body = json!({ "target_agent": target, "message": text, "request_id": request_id });
    let answer = instance.call("POST", "/agentmux/reactive/inject", &body);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The owner's message.
pub fn send(instance: &Instance, to: &str, body: &Value) -> Answer {
    instance.call("POST", &format!("/api/v1/agents/{to}/send"), body)
}

/// What waits for a name, as the owner sees it.
pub fn waiting(instance: &Instance, name: &str) -> Vec<Value> {
    let answer = instance.call("GET", &format!("/api/v1/agents/{name}/inbox"), &Value::Null);
    answer.json()["messages"].as_array().cloned().unwrap_or_default()
}

/// The one message of that id, as its instance tells of it now.
pub fn message(instance: &Instance, id: &str) -> Value {
    let answer = instance.call("GET", &format!("/api/v1/messages/{id}"), &Value::Null).json();
    answer["messages"][0].clone()
}

/// Entries of the audit with this request id.
pub fn audited(instance: &Instance, request_id: &str) -> Vec<Value> {
    let audit = instance.call("GET", "/agentmux/reactive/audit?limit=100", &Value::Null).json();
    let entries = audit.as_array().expect("a list").iter();
    entries.filter(|entry| entry["request_id"] == request_id).cloned().collect()
}

/// The file of an agent in a flat registry, once it is there.
#[track_caller]
pub fn published(registry: &Path, name: &str) -> PathBuf {
    let file = registry.join(format!("{name}.json"));
    until(&format!("the file of {name}"), || file.exists().then(|| file.clone()))
}

/// Waits until the file of an agent is gone.
#[track_caller]
pub fn withdrawn(registry: &Path, name: &str) {
    let file = registry.join(format!("{name}.json"));
    until(&format!("the end of the file of {name}"), || (!file.exists()).then_some(()));
}

pub fn read_entry(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("an entry")).expect("an entry is JSON")
}

/// Writes an entry as a careful program would: 0600, and whole when it is seen.
pub fn write_entry(file: &Path, entry: &Value) {
    write_private(file, entry.to_string().as_bytes());
}

pub fn write_private(file: &Path, bytes: &[u8]) {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let temporary = file.with_extension("new");
    let mut new =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).expect("a file");
    new.write_all(bytes).expect("written");
    fs::rename(temporary, file).expect("in its place");
}

/// `GET /api/v1/peers`.
#[track_caller]
pub fn peers(instance: &Instance) -> Value {
    let answer = instance.call("GET", "/api/v1/peers", &Value::Null);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The codes of what is wrong with the entries of this file.
pub fn troubles(instance: &Instance, file: &str) -> Vec<String> {
    let listing = peers(instance);
    let all = listing["troubles"].as_array().expect("a list").iter();
    all.filter(|trouble| trouble["file"] == file)
        .filter_map(|trouble| trouble["code"].as_str().map(str::to_owned))
        .collect()
}

/// Unix ms.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_millis() as u64
}

/// An entry as AgentMux writes it.
pub fn entry(name: &str, url: &str, pid: u32) -> Value {
    json!({
        "agent_id": name, "local_url": url, "block_id": "b1", "pid": pid, "updated_at": now(),
        "auth_key": "0123456789abcdef0123456789abcdef",
    })
}

/// The id of a process of ours that has ended.
pub fn ended() -> u32 {
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().expect("it starts");
    let pid = child.id();
    child.wait().expect("it ends");
    pid
}

/// A port that nobody listens on, and that nobody else is given while the socket lives.
pub fn closed_port() -> (Socket, u16) {
    let kept = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    kept.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let address = kept.local_addr().expect("an address").as_socket().expect("an address");
    (kept, address.port())
}
