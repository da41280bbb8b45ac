//! The life of an instance: how it starts, what it says, what ends it, what it leaves behind
//! (design sections 3, 7 and 10; spec agentmux A.4-A.6 and L).

mod support;

use std::{
    io::Write,
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{Instance, TempDir, binary, path, serve_command, signal, skipped, until};

/// Starts a `serve` that must fail; its exit code and what it said.
fn refused(home: &Path, env: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let output = serve_command(home, env, args).stdin(Stdio::null()).output().expect("serve runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn the_ready_line_names_both_addresses_version_and_instance() {
    let instance = Instance::start();
    let words: Vec<&str> = instance.ready_line.split(' ').collect();
    let address = instance.address.to_string();
    assert_eq!(words[0], "LOOPGATE-ESTART");
    assert_eq!(words[1], format!("ws:{address}"));
    assert_eq!(words[2], format!("web:{address}"));
    assert_eq!(words[3], format!("version:{}", env!("CARGO_PKG_VERSION")));
    assert!(words[4].starts_with("buildtime:"));
    let id = words[5].strip_prefix("instance:").expect("the instance id");
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "a UUIDv4: {id}");
}

/// Spec agentmux A.3, A.4: started as AgentMux's launcher starts its sidecar.
#[test]
fn an_agentmux_host_starts_it_as_its_sidecar() {
    let home = TempDir::new();
    let key = "1b671a64-40d5-491e-99b0-da01ff1f3341";
    let mut command = Command::new(binary());
    command
        .args(["--wavedata", home.path().to_str().expect("a path"), "--instance", "v9"])
        .env_clear()
        .env("AGENTMUX_AUTH_KEY", key)
        .env("AGENTMUX_DATA_HOME", "/nonexistent")
        .env("LOOPGATE_HOME", "/nonexistent-either")
        .stdin(Stdio::piped());
    let stdin = Stdio::piped();
    let mut child =
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("stderr")));
    let ready = lines.next().expect("a line").expect("text");
    assert!(ready.starts_with("AGENTMUXSRV-ESTART ws:127.0.0.1:"), "{ready}");
    assert!(ready.ends_with(" instance:v9"), "{ready}");
    let file = std::fs::read(home.path().join("authkey")).expect("the key file");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    assert_eq!(file["auth_key"], key);
    // Spec agentmux L.59: the end of stdin ends it.
    drop(child.stdin.take());
    let status = until("it ends with stdin", || child.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn by_hand_the_end_of_stdin_does_not_end_it() {
    let mut instance = Instance::start(); // stdin is /dev/null
    assert_eq!(instance.call("GET", "/", &Value::Null).status, 200);
    assert_eq!(instance.terminate().code(), Some(0));
}

#[test]
fn case_l59_watch_stdin_ends_it_with_stdin() {
    let home = TempDir::new();
    let mut child = serve_command(home.path(), &[], &["--watch-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    until("the key file", || home.path().join("authkey").exists().then_some(()));
    child.stdin.as_mut().expect("stdin").write_all(b"ignored\n").expect("written");
    drop(child.stdin.take());
    let status = until("it ends", || child.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(0));
}

/// Spec agentmux L.15.
#[test]
fn case_l15_sigterm_and_sigint_end_it_cleanly() {
    for which in [libc::SIGTERM, libc::SIGINT] {
        let mut instance = Instance::start();
        signal(instance.pid(), which);
        let status = until("it ends", || instance.child.try_wait().expect("a child"));
        assert_eq!(status.code(), Some(0));
        assert!(!instance.home.path().join("authkey").exists(), "the key file is removed");
    }
}

/// Spec agentmux A.6's defect: the parent is killed while stderr is a pipe to it.
#[test]
fn the_death_of_a_watched_parent_ends_it_even_with_a_broken_stderr() {
    let home = TempDir::new();
    let script = "\"$0\" serve --watch-parent </dev/null & echo $!; read -r line";
    let mut parent = Command::new("/bin/sh");
    parent.args(["-c", script]).arg(binary()).env_clear().env("LOOPGATE_HOME", home.path());
    parent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parent = parent.spawn().expect("a shell");
    let mut first = String::new();
    let mut out = std::io::BufReader::new(parent.stdout.take().expect("stdout"));
    std::io::BufRead::read_line(&mut out, &mut first).expect("a pid");
    let pid: u32 = first.trim().parse().expect("a pid");
    until("the key file", || home.path().join("authkey").exists().then_some(()));
    drop(parent.stderr.take()); // whatever it writes now breaks
    parent.kill().expect("the parent is killed");
    parent.wait().expect("reaped");
    until("the instance ends", || (!alive(pid)).then_some(()));
    assert!(!home.path().join("authkey").exists(), "it ended in order");
}

#[test]
fn a_second_instance_in_the_same_home_says_who_holds_it() {
    let instance = Instance::start();
    let (code, said) = refused(instance.home.path(), &[], &[]);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains(&instance.pid().to_string()), "{said}");
    assert_eq!(instance.call("GET", "/", &Value::Null).status, 200, "the first one goes on");
    assert!(instance.home.path().join("authkey").exists());
}

#[test]
fn a_port_that_is_taken_is_exit_75_and_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let home = TempDir::new();
    let (code, said) = refused(home.path(), &[("LOOPGATE_PORT", &port)], &[]);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains(&port) && said.lines().count() <= 3, "{said}");
}

#[test]
fn an_address_that_is_not_ours_is_exit_73() {
    let home = TempDir::new();
    let env = [("GENSWARMS_HTTP_IP", "192.0.2.1"), ("GENSWARMS_API_TOKEN", "token-token-token")];
    let (code, said) = refused(home.path(), &env, &[]);
    assert_eq!(code, Some(73), "{said}");
}

#[test]
fn a_bad_environment_is_exit_78_and_names_the_variable() {
    let home = TempDir::new();
    for (name, value) in [
        ("GENSWARMS_HTTP_IP", "0.0.0.0"),
        ("GENSWARMS_HTTP_IP", "not-an-ip"),
        ("LOOPGATE_PORT", "x"),
        ("AGENTMUX_AUTH_KEY", ""),
        ("AGENTMUX_AUTH_KEY", "short"),
        ("GENSWARMS_CORS_ORIGINS", "*"),
        ("LOOPGATE_HOSTS", "bad host"),
    ] {
        let (code, said) = refused(home.path(), &[(name, value)], &[]);
        assert_eq!(code, Some(78), "{name}={value}: {said}");
        assert!(said.contains(name), "{said}");
        assert!(!home.path().join("authkey").exists());
    }
}

/// Whoever starts it, root or not.
#[test]
fn nobody_runs_as_root_or_as_whom_it_cannot_find() {
    let home = TempDir::new();
    for bad in ["root", "0", "1:0", "no-such-user-here", "a b", "-1"] {
        let variable = [("LOOPGATE_AGENT_USER", bad)];
        let flag = format!("--agent-user={bad}");
        for (env, args, name) in
            [(&variable[..], &[][..], "LOOPGATE_AGENT_USER"), (&[][..], &[flag.as_str()][..], "--agent-user")]
        {
            let (code, said) = refused(home.path(), env, args);
            assert_eq!(code, Some(78), "{name}={bad}: {said}");
            assert!(said.contains(name) && !home.path().join("authkey").exists(), "{said}");
        }
    }
    assert_eq!(refused(home.path(), &[], &["--agent-user="]).0, Some(78), "an empty flag says nobody");
    // SAFETY: takes nothing and cannot fail.
    let uid = unsafe { libc::geteuid() };
    let ours = if uid == 0 { "65534:65534".to_owned() } else { uid.to_string() };
    // The flag beats the variable, and an empty variable is none.
    let args = ["--agent-user", ours.as_str()];
    drop(Instance::start_with(&[("LOOPGATE_AGENT_USER", "no-such-user-here")], &args));
    drop(Instance::start_with(&[("LOOPGATE_AGENT_USER", "")], &[]));
    if uid != 0 {
        assert_eq!(
            refused(home.path(), &[], &["--agent-user=65534:65534"]).0,
            Some(78),
            "only root does that"
        );
    }
}

#[test]
fn a_home_that_others_may_write_or_that_is_a_link_is_refused() {
    let outer = TempDir::new();
    let home = outer.path().join("home");
    std::fs::create_dir(&home).expect("a directory");
    let link = outer.path().join("link");
    std::os::unix::fs::symlink(&home, &link).expect("a link");
    let (code, said) = refused(&link, &[], &[]);
    assert!(matches!(code, Some(73 | 77 | 78)), "{code:?} {said}");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    let (code, said) = refused(&home, &[], &[]);
    assert!(matches!(code, Some(73 | 77 | 78)), "{code:?} {said}");
}

#[test]
fn the_key_may_come_from_a_descriptor() {
    let home = TempDir::new();
    let key = "key-from-a-descriptor-0123456789";
    let script = format!("exec \"$0\" serve --key-fd 5 5<<EOF\n{key}\nEOF\n");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &script])
        .arg(binary())
        .env_clear()
        .env("LOOPGATE_HOME", home.path())
        .env("PATH", path());
    let instance = Instance::from_command(home, &mut command);
    assert_eq!(instance.key, key);
    assert!(instance.ready_line.starts_with("LOOPGATE-ESTART "));
    assert_eq!(instance.call("GET", "/agentmux/reactive/agents", &Value::Null).status, 200);
    let report = instance.call("GET", "/api/v1/exposure", &Value::Null).json();
    assert_eq!(report["differences"], 0, "the descriptor was closed: {report:#}");
}

#[test]
fn every_file_is_private_and_the_key_file_has_the_fields_of_the_design() {
    let instance = Instance::start();
    for entry in std::fs::read_dir(instance.home.path()).expect("the home") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
        let wanted = if entry.path().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{:?}", entry.path());
    }
    let file = std::fs::read(instance.home.path().join("authkey")).expect("the key file");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    let address = instance.address.to_string();
    assert_eq!(file["version"], 1);
    assert_eq!(file["web_endpoint"], json!(address));
    assert_eq!(file["ws_endpoint"], json!(address));
    assert_eq!(file["ipc_endpoint"], Value::Null);
    assert_eq!(file["pid"], json!(instance.pid()));
    for field in ["instance", "host_pid", "created_at"] {
        assert!(file.get(field).is_some(), "{field}");
    }
}

#[test]
fn secrets_leave_the_environment_block_of_the_process() {
    let (key, token) = ("owner-key-0123456789", "api-token-0123456789");
    let env = [("AGENTMUX_AUTH_KEY", key), ("GENSWARMS_API_TOKEN", token)];
    let home = TempDir::new();
    let mut command = serve_command(home.path(), &env, &[]);
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let mut child =
        command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("the key file", || home.path().join("authkey").exists().then_some(()));
    match std::fs::read(format!("/proc/{}/environ", child.id())) {
        Ok(environ) => {
            let text = String::from_utf8_lossy(&environ);
            assert!(!text.contains(key) && !text.contains(token), "{text}");
            assert!(text.contains("LOOPGATE_HOME"), "it is the right block");
        }
        // Not root: the process is not dumpable, so its environ cannot be read at all.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
    signal(child.id(), libc::SIGTERM);
    until("it ends", || child.try_wait().expect("a child"));
}

/// An ordinary user's process cannot look into that user's own instance.
#[test]
fn the_instance_is_not_dumpable_for_its_own_user() {
    // SAFETY: getuid(2) cannot fail and touches no memory.
    if unsafe { libc::getuid() } != 0 {
        return skipped("root (to become an ordinary user)");
    }
    let home = TempDir::new();
    std::os::unix::fs::chown(home.path(), Some(65534), Some(65534)).expect("chown");
    // The binary may lie where that user cannot reach it.
    let reachable = TempDir::new();
    std::fs::set_permissions(reachable.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let copy = reachable.path().join("loopgate");
    std::fs::copy(binary(), &copy).expect("a copy");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut command = Command::new(&copy);
    command.arg("serve").env_clear().env("LOOPGATE_HOME", home.path()).uid(65534).gid(65534);
    let instance = Instance::from_command(home, &mut command);
    let look = format!(
        "cd /; for f in environ mem maps auxv; do head -c1 /proc/{0}/$f && echo READ $f; done; ls /proc/{0}/fd && echo READ fd; exit 0",
        instance.pid()
    );
    let output = Command::new("/bin/sh").args(["-c", &look]).uid(65534).gid(65534).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("READ"), "{text}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", instance.pid())).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().nth(4), Some("0"));
}

/// A program inherits that SIGCHLD is ignored, and then the kernel tells it of no child's end.
#[test]
fn an_instance_whose_starter_ignored_the_ends_of_children_sees_agents_end() {
    let home = TempDir::new();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "trap '' CHLD; exec \"$0\" serve"])
        .arg(binary())
        .env_clear()
        .env("LOOPGATE_HOME", home.path())
        .env("PATH", path());
    let instance = Instance::from_command(home, &mut command);
    let body = json!({"name": "a", "command": ["/bin/sh", "-c", "exit 3"], "cwd": "/"});
    assert_eq!(instance.call("POST", "/api/v1/agents", &body).status, 201);
    let exit = until("the agent's end", || {
        let record = instance.call("GET", "/api/v1/agents/a", &Value::Null).json();
        (record["state"] == "done").then(|| record["exit"].clone())
    });
    assert_eq!(exit, json!({"code": 3}));
}

/// Spec agentmux L.60.
#[test]
fn case_l60_only_the_declared_socket_listens() {
    let instance = Instance::start();
    let mut inodes = Vec::new();
    // An instance shows its descriptors to root alone, also of its own user's processes.
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{}/fd", instance.pid())) else {
        return skipped("root");
    };
    for fd in descriptors.flatten() {
        if let Ok(target) = std::fs::read_link(fd.path())
            && let Some(inode) =
                target.to_string_lossy().strip_prefix("socket:[").and_then(|s| s.strip_suffix(']'))
        {
            inodes.push(inode.to_owned());
        }
    }
    let mut listening = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            if columns.get(9).is_some_and(|inode| inodes.iter().any(|i| i == inode)) && columns[3] == "0A"
                || table.starts_with("udp")
                    && columns.get(9).is_some_and(|inode| inodes.iter().any(|i| i == inode))
            {
                listening.push((table, columns[1].to_owned()));
            }
        }
    }
    let wanted = format!("0100007F:{:04X}", instance.address.port());
    assert_eq!(listening, [("tcp", wanted)]);
}

#[test]
fn a_key_of_an_earlier_launch_is_refused() {
    let mut earlier = Instance::start();
    let key = earlier.key.clone();
    assert!(earlier.terminate().success());
    let next = Instance::start();
    assert_ne!(key, next.key);
    for (key, status) in [(&key, 401), (&next.key, 200)] {
        let answer = next.call_as(&[("X-AuthKey", key)], "GET", "/agentmux/reactive/agents", &Value::Null);
        assert_eq!(answer.status, status);
    }
}

/// A leftover key file of a dead instance is no obstacle and no help.
#[test]
fn after_kill_9_the_next_instance_starts_and_clients_are_not_fooled() {
    let mut instance = Instance::start();
    let home = instance.home.path().to_owned();
    signal(instance.pid(), libc::SIGKILL);
    until("it is gone", || instance.child.try_wait().expect("a child"));
    let output = instance.loopgate(&["agents"]).output().expect("a client");
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
    let mut next =
        serve_command(&home, &[], &[]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let output = until("a client reaches the next one", || {
        let output = instance.loopgate(&["agents", "--json"]).output().expect("a client");
        output.status.success().then_some(output)
    });
    assert!(String::from_utf8_lossy(&output.stdout).contains("agents"));
    signal(next.id(), libc::SIGTERM);
    until("it ends", || next.try_wait().expect("a child"));
}

/// A host that stopped reading, or a terminal that was stopped, must not stop the instance.
#[test]
fn a_stderr_that_takes_nothing_stops_neither_the_start_nor_the_end() {
    let home = TempDir::new();
    let (_reader, mut writer) = std::io::pipe().expect("a pipe");
    let number = writer.as_raw_fd();
    // SAFETY: F_GETFL and F_SETFL pass no pointers.
    let filled = unsafe {
        let flags = libc::fcntl(number, libc::F_GETFL);
        libc::fcntl(number, libc::F_SETFL, flags | libc::O_NONBLOCK);
        while writer.write(&[b'x'; 4096]).is_ok() {}
        libc::fcntl(number, libc::F_SETFL, flags)
    };
    assert_eq!(filled, 0);
    let mut child = serve_command(home.path(), &[], &[])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .expect("it starts");
    until("the key file", || home.path().join("authkey").exists().then_some(()));
    signal(child.id(), libc::SIGTERM);
    let status = until("it ends", || child.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(0));
}

/// In a network namespace of its own, on an address that is not loopback, and on the wildcard.
#[test]
fn clients_reach_an_instance_on_whatever_address_it_was_told_to_bind() {
    let have = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !have.is_ok_and(|output| output.status.success()) {
        return skipped("unshare -rn and ip (util-linux, iproute2)");
    }
    for (bind, url) in [("198.51.100.7", "198.51.100.7"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")] {
        let home = TempDir::new();
        let script = "ip link set lo up && ip addr add 198.51.100.7/32 dev lo; \
            \"$0\" serve 2>\"$LOOPGATE_HOME.log\" & pid=$!; \
            for i in $(seq 400); do [ -e \"$LOOPGATE_HOME/authkey\" ] && break; sleep 0.05; done; \
            \"$0\" status && \"$0\" run --name a -- sh -c 'echo $LOOPGATE_URL; loopgate whoami; echo code $?; read x' && \
            for i in $(seq 400); do out=$(\"$0\" api GET /api/v1/agents/a/output); case \"$out\" in *'code '*) break;; esac; sleep 0.05; done; \
            echo \"$out\"; kill $pid; wait $pid; echo ended $?; cat \"$LOOPGATE_HOME.log\"; rm \"$LOOPGATE_HOME.log\"";
        let output = Command::new("unshare")
            .args(["-rn", "sh", "-c", script])
            .arg(binary())
            .env_clear()
            .env("PATH", path())
            .env("LOOPGATE_HOME", home.path())
            .env("GENSWARMS_HTTP_IP", bind)
            .env("GENSWARMS_API_TOKEN", "token-token-token")
            .stdin(Stdio::null())
            .output()
            .expect("unshare runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("http://{url}:")), "{bind}: {said}{errors}");
        assert!(said.contains("code 0") && said.contains("ended 0"), "{bind}: {said}{errors}");
    }
}
