//! Rotation of the keys of a running instance: what opens, what closes, what stays, what goes wrong.

#[path = "support/attack.rs"]
mod attack;
#[path = "support/frames.rs"]
mod frames;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    fs,
    io::{BufReader, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use attack::{Size, back_at};
use frames::Socket;
use loopgate::sys::tty;
use serde_json::{Value, json};
use support::{Answer, Instance, TempDir, binary, path, read_answer, request, skipped, until};
use terminal::OnTerminal;

const ROTATE: &str = "/api/v1/rotate-key";

fn ran(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The owner key that the key file holds now.
fn key_in_file(instance: &Instance) -> String {
    let file = fs::read(instance.home.path().join("authkey")).expect("the key file is there at any moment");
    let file: Value = serde_json::from_slice(&file).expect("the key file is whole at any moment");
    file["auth_key"].as_str().expect("a key").to_owned()
}

/// The peer key that the registry's file of an agent holds now.
fn key_in_entry(instance: &Instance, agent: &str) -> String {
    let path = instance.home.path().join("agents").join(format!("{agent}.json"));
    let entry: Value = serde_json::from_slice(&fs::read(path).expect("an entry")).expect("JSON");
    entry["auth_key"].as_str().expect("a key").to_owned()
}

fn agents_as(instance: &Instance, key: &str) -> u16 {
    instance.call_as(&[("X-AuthKey", key)], "GET", "/api/v1/agents", &Value::Null).status
}

fn look_up_as(instance: &Instance, key: &str) -> u16 {
    let path = "/agentmux/reactive/agent?id=worker";
    instance.call_as(&[("X-AuthKey", key)], "GET", path, &Value::Null).status
}

/// Rotates with the key that the file holds, which is the instance's key from then on.
fn rotate(instance: &mut Instance, keep: bool) -> Value {
    let key = key_in_file(instance);
    let body = json!({ "keep_connections": keep });
    let answer = instance.call_as(&[("X-AuthKey", &key)], "POST", ROTATE, &body);
    assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
    instance.key = key_in_file(instance);
    answer.json()
}

fn socket(instance: &Instance, key: &str) -> Result<Socket, Answer> {
    Socket::open(instance.address, "/ws", &[("X-AuthKey", key)])
}

/// A connection that is kept between requests.
struct Kept(TcpStream);

impl Kept {
    fn ask(&mut self, instance: &Instance, key: &str) -> u16 {
        let bytes = request(instance.address, &[("X-AuthKey", key)], "GET", "/api/v1/agents", &Value::Null);
        let text = String::from_utf8(bytes).expect("text").replace("Connection: close\r\n", "");
        // Where it was closed the answer is missing, which is status 0.
        let _ = self.0.write_all(text.as_bytes());
        read_answer(&mut BufReader::new(&self.0)).status
    }
}

#[test]
fn after_a_rotation_the_old_keys_open_nothing_and_the_new_ones_and_all_tokens_do() {
    let mut instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", "api-0123456789")], &[]);
    let script = "read go; loopgate whoami; exec cat";
    let (code, _, err) = ran(&mut instance.loopgate(&["run", "--name", "worker", "--", "sh", "-c", script]));
    assert_eq!(code, Some(0), "{err}");
    let old = instance.key.clone();
    let old_peer = until("the entry", || {
        instance.home.path().join("agents/worker.json").is_file().then(|| key_in_entry(&instance, "worker"))
    });
    let mut kept = Kept(instance.connect());
    assert_eq!((kept.ask(&instance, &old), look_up_as(&instance, &old_peer)), (200, 200));

    let (code, out, err) = ran(&mut instance.loopgate(&["rotate-key"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("rotated: ") && out.contains("no WebSocket of an older key is open"), "{out}");

    instance.key = key_in_file(&instance);
    let peer = key_in_entry(&instance, "worker");
    assert_ne!((&instance.key, &peer), (&old, &old_peer));
    assert_eq!((agents_as(&instance, &old), agents_as(&instance, &instance.key)), (401, 200));
    assert_eq!((look_up_as(&instance, &old_peer), look_up_as(&instance, &peer)), (401, 200));
    assert_eq!(kept.ask(&instance, &old), 401, "a connection that was idle meanwhile, too");
    assert!(socket(&instance, &old).is_err_and(|answer| answer.status == 401));
    // Tokens are not keys, and verbs find the new key by themselves.
    let bearer = [("Authorization", "Bearer api-0123456789")];
    assert_eq!(instance.call_as(&bearer, "GET", "/api/v1/agents", &Value::Null).status, 200);
    assert_eq!(ran(&mut instance.loopgate(&["inject", "worker", "go"])).0, Some(0));
    until("what the agent is told with its own token", || {
        let output = instance.call("GET", "/api/v1/agents/worker/output", &Value::Null).body;
        String::from_utf8_lossy(&output).contains("agent worker of instance ").then_some(())
    });
    // The operator's token reads all, and does not rotate.
    assert_eq!(instance.call_as(&bearer, "POST", ROTATE, &json!({})).status, 403);

    // No key of then or now is in what was said, in the log or in the audit.
    let audit = ran(&mut instance.loopgate(&["audit", "--json"])).1;
    assert!(audit.contains("\"happened\":\"keys_rotated\""), "{audit}");
    instance.terminate();
    let mut log = String::new();
    while let Some(line) = instance.stderr_line() {
        log.push_str(&line);
    }
    for key in [&old, &old_peer, &instance.key, &peer] {
        assert!(![&out, &err, &audit, &log].into_iter().any(|text| text.contains(key.as_str())));
    }
}

/// Two instances, so that both are waited for at once.
#[test]
fn websockets_of_the_old_key_are_closed_4001_after_ten_seconds_and_stay_where_that_is_asked_for() {
    let (mut closes, mut keeps) = (Instance::start(), Instance::start());
    let mut old = socket(&closes, &closes.key).expect("an upgrade");
    let mut kept = socket(&keeps, &keeps.key).expect("an upgrade");
    let begun = Instant::now();
    let answer = rotate(&mut closes, false);
    assert_eq!((&answer["closing"], &answer["connections"]), (&json!(1), &json!("closing in 10 s")));
    let answer = rotate(&mut keeps, true);
    assert_eq!((&answer["closing"], &answer["connections"]), (&json!(0), &json!("kept")));
    let mut new = socket(&closes, &closes.key).expect("an upgrade");
    assert_eq!(old.closed(), Some(4001));
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(20)).contains(&took), "{took:?}");
    for socket in [&mut kept, &mut new] {
        socket.text(r#"{"type":"ping"}"#).expect("it stays");
        loop {
            if socket.next_text().contains("\"pong\"") {
                break;
            }
        }
    }
    assert_eq!(rotate(&mut keeps, false)["closing"], 1, "a later rotation ends what was kept");
}

#[test]
fn attach_goes_on_after_a_rotation_without_a_line_lost_or_repeated() {
    let mut instance = Instance::start();
    let script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo \"<line $i>\"; sleep 0.05; done & exec cat";
    let (code, _, err) = ran(&mut instance.loopgate(&["run", "--name", "a", "--", "sh", "-c", script]));
    assert_eq!(code, Some(0), "{err}");
    let size = tty::Size { rows: 24, cols: 80 };
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), size);
    user.until("<line 5>");
    let begun = Instant::now();
    assert_eq!(rotate(&mut instance, false)["closing"], 1);
    // Those of the first key are closed within ten seconds; what comes after that is the next key's.
    while begun.elapsed() < Duration::from_secs(11) {
        let text = user.text();
        let last = text.matches("<line ").count();
        user.until(&format!("<line {}>", last + 1));
    }
    user.type_keys(b"typed-after\r");
    let text = user.until("typed-after");
    let lines: Vec<usize> = text
        .split("<line ")
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(number, _)| number.parse().expect("a number"))
        .collect();
    let first = lines.first().copied().expect("lines");
    assert_eq!(lines, (first..first + lines.len()).collect::<Vec<_>>());
    assert!(!text.contains("loopgate:") && !text.contains("bytes left out"), "{text}");
    assert_eq!(rotate(&mut instance, true)["generation"], 3);
    user.type_keys(b"\x1d");
    assert_eq!(user.end(), Some(0));
}

#[test]
fn whoever_reads_the_key_file_at_any_moment_gets_a_key_that_opens() {
    let mut instance = Instance::start();
    let over = AtomicBool::new(false);
    let home = instance.home.path().to_owned();
    let address = instance.address;
    let (reads, verbs) = thread::scope(|scope| {
        let reader = |_| {
            scope.spawn(|| {
                let mut reads = 0_u32;
                while !over.load(Ordering::Relaxed) {
                    let read = || {
                        let file = fs::read(home.join("authkey")).expect("it is there");
                        let file: Value = serde_json::from_slice(&file).expect("it is whole");
                        file["auth_key"].as_str().expect("a key").to_owned()
                    };
                    let key = read();
                    let bytes =
                        request(address, &[("X-AuthKey", &key)], "GET", "/api/v1/agents", &Value::Null);
                    let status = support::raw_at(address, &bytes).status;
                    // Refused, it must have been replaced meanwhile: what still stands there opens.
                    assert!(status == 200 || read() != key, "{status} to the key that stands in the file");
                    reads += 1;
                }
                reads
            })
        };
        let readers: Vec<_> = (0..2).map(reader).collect();
        let verb = scope.spawn(|| {
            let mut verbs = 0_u32;
            while !over.load(Ordering::Relaxed) {
                let mut command = Command::new(binary());
                command.arg("agents").env_clear().env("LOOPGATE_HOME", &home).stdin(Stdio::null());
                let (code, _, err) = ran(&mut command);
                assert_eq!(code, Some(0), "{err}");
                verbs += 1;
            }
            verbs
        });
        let end = || over.store(true, Ordering::Relaxed);
        let _end = OnDrop(end);
        for _ in 0..200 {
            rotate(&mut instance, false);
        }
        end();
        let reads = readers.into_iter().map(|reader| reader.join().expect("no key failed")).sum::<u32>();
        (reads, verb.join().expect("no verb failed"))
    });
    assert!(reads > 0 && verbs > 0, "{reads} {verbs}");
}

/// Lets the readers end where the rotations failed.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn rotations_at_once_are_done_one_by_one_or_refused() {
    let mut instance = Instance::start();
    let key = instance.key.clone();
    let barrier = Barrier::new(8);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let one = || {
            barrier.wait();
            instance.call_as(&[("X-AuthKey", &key)], "POST", ROTATE, &json!({})).status
        };
        let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401, 409].contains(status)), "{statuses:?}");
    assert_eq!(rotate(&mut instance, false)["generation"], 3);
    assert_eq!((agents_as(&instance, &key), agents_as(&instance, &instance.key)), (401, 200));
}

#[test]
fn a_home_that_cannot_be_written_keeps_the_old_keys() {
    let mut instance = Instance::start();
    let file = instance.home.path().join("authkey");
    let aside = instance.home.path().join("aside");
    fs::rename(&file, &aside).expect("moved");
    // Nothing is renamed over a directory, whoever runs this.
    fs::create_dir(&file).expect("a directory");
    let answer = instance.call("POST", ROTATE, &json!({}));
    assert_eq!((answer.status, &answer.json()["code"]), (500, &json!("key_file")));
    assert_eq!(agents_as(&instance, &instance.key), 200);
    let left: Vec<_> = fs::read_dir(instance.home.path()).expect("the home").flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")), "{left:?}");
    fs::remove_dir(&file).expect("removed");
    fs::rename(&aside, &file).expect("moved back");
    let (code, _, err) = ran(&mut instance.loopgate(&["rotate-key", "--json"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let new = key_in_file(&instance);
    let old = std::mem::replace(&mut instance.key, new);
    assert_eq!((agents_as(&instance, &old), agents_as(&instance, &instance.key)), (401, 200));
}

/// The limit stands in for a disk that is full: every write to a file fails.
#[test]
fn a_disk_that_takes_nothing_keeps_the_old_keys() {
    let home = TempDir::new();
    let mut serve = Command::new("sh");
    serve.args(["-c", "trap '' XFSZ; exec \"$0\" serve"]).arg(binary());
    serve.env_clear().env("PATH", path()).env("LOOPGATE_HOME", home.path()).env("HOME", home.path());
    let mut instance = Instance::from_command(home, &mut serve);
    let Some(before) = file_size_limit(instance.pid(), 0) else { return skipped("root, to fill a disk:") };
    let answer = instance.call("POST", ROTATE, &json!({}));
    assert_eq!((answer.status, &answer.json()["code"]), (500, &json!("key_file")));
    assert_eq!((agents_as(&instance, &instance.key), key_in_file(&instance)), (200, instance.key.clone()));
    assert_eq!(file_size_limit(instance.pid(), before), Some(0));
    let old = instance.key.clone();
    assert_eq!(rotate(&mut instance, false)["rotated"], true);
    assert_eq!((agents_as(&instance, &old), agents_as(&instance, &instance.key)), (401, 200));
}

/// Sets how large a file of the process may grow; what it was, or `None` where this user may not.
fn file_size_limit(pid: u32, to: u64) -> Option<u64> {
    let pid = i32::try_from(pid).expect("a pid");
    let mut was = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both point to a limit that lives throughout the call; none is read or written behind it.
    let got = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, std::ptr::null(), &mut was) };
    let new = libc::rlimit { rlim_cur: to, rlim_max: was.rlim_max };
    // SAFETY: as above.
    let set = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &new, std::ptr::null_mut()) };
    (got == 0 && set == 0).then_some(was.rlim_cur)
}

#[test]
fn a_thousand_rotations_leave_nothing_behind() {
    let mut instance = Instance::start();
    let (code, _, err) = ran(&mut instance.loopgate(&["run", "--name", "worker", "--", "cat"]));
    assert_eq!(code, Some(0), "{err}");
    let _socket = socket(&instance, &instance.key).expect("an upgrade");
    for _ in 0..100 {
        rotate(&mut instance, true);
    }
    let before = Size::of(&instance);
    for _ in 0..1_000 {
        rotate(&mut instance, true);
    }
    back_at(&instance, before, 1024 * 1024);
    let files =
        |directory: &str| fs::read_dir(instance.home.path().join(directory)).expect("it is there").count();
    assert_eq!(files("agents"), 1);
    assert!(files(".") < 12, "{}", files("."));
    assert_eq!(rotate(&mut instance, false)["generation"], 1_102);
}

/// The host is told of no other key: it must know that it has none any more.
#[test]
fn a_key_that_a_host_brought_along_is_replaced_and_said_to_be_the_hosts() {
    let home = TempDir::new();
    let mut serve =
        support::serve_command(home.path(), &[("AGENTMUX_AUTH_KEY", "brought-by-a-host-0123456789")], &[]);
    let mut host =
        serve.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("serve");
    let verb = |args: &[&str]| {
        let mut command = Command::new(binary());
        ran(command.args(args).env_clear().env("LOOPGATE_HOME", home.path()).stdin(Stdio::null()))
    };
    until("it runs", || (verb(&["status"]).0 == Some(0)).then_some(()));
    let (code, out, err) = verb(&["rotate-key", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&answer["from_host"], &answer["rotated"]), (&json!(true), &json!(true)));
    assert!(err.contains("the host that started the instance still has the old key"), "{err}");
    drop(host.stdin.take());
    until("it ends with its host", || host.try_wait().expect("a child"));
}
