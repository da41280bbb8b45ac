//! The exposure report about real processes. Each case runs in a process of its own, which is this
//! test binary again: what other tests have open must not show.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
            net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use loopgate::exposure::{self, Declared, Keeper, Kind, Moving, Report};
use serde_json::{Value, json};

mod support;

const CASE: &str = "LOOPGATE_TEST_EXPOSURE_CASE";
const DIR: &str = "LOOPGATE_TEST_EXPOSURE_DIR";

/// Not a test of its own: what the processes started by the tests below run.
#[test]
fn helper_process() {
    let (Ok(case), Ok(dir)) = (std::env::var(CASE), std::env::var(DIR)) else { return };
    let answer = std::panic::catch_unwind(|| run_case(&case, Path::new(&dir)));
    let text = answer.map_or_else(|_| "panicked".to_owned(), |value| value.to_string());
    fs::write(Path::new(&dir).join("answer"), text).unwrap();
}

fn run_case(case: &str, dir: &Path) -> Value {
    let home = dir.join("home");
    let private = |name: &str| {
        File::options().create(true).truncate(true).write(true).mode(0o600).open(home.join(name)).unwrap()
    };
    let _held = (File::open(&home).unwrap(), private("lock"));
    drop(private("authkey"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let mut keepers = Vec::new();
    let mut children = Vec::new();
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    match case {
        "plain" => {}
        "kinds" => {
            let (a, b) = UnixStream::pair().unwrap();
            kept.push(Box::new((a, b, File::open("/dev/null").unwrap())));
            children.push(sleeper());
            keepers.push(Keeper { pid: children[0].id(), agent: "first".into() });
        }
        "forged names" => {
            let (a, b) = UnixStream::pair().unwrap();
            for socket in [listener.as_raw_fd(), a.as_raw_fd()] {
                let inode = fs::metadata(format!("/proc/self/fd/{socket}")).unwrap().ino();
                let line = format!("x\n0: 00000002 00000000 00010000 0001 01 {inode} /forged");
                let name = SocketAddr::from_abstract_name(line).unwrap();
                // held by another process: of ours it would be one too many
                let forger = OwnedFd::from(UnixDatagram::bind_addr(&name).unwrap());
                children.push(Command::new("sleep").arg("60").stdin(forger).spawn().unwrap());
            }
            keepers.extend(children.iter().map(|child| Keeper { pid: child.id(), agent: "a".into() }));
            kept.push(Box::new((a, b)));
        }
        "listener" => kept.push(Box::new(TcpListener::bind("127.0.0.1:0").unwrap())),
        "udp" => kept.push(Box::new(UdpSocket::bind("127.0.0.1:0").unwrap())),
        "unix listener" => kept.push(Box::new(UnixListener::bind(dir.join("sock")).unwrap())),
        "unix connection" => kept.push(Box::new(UnixStream::connect(dir.join("theirs")).unwrap())),
        "file" => kept.push(Box::new(File::open("/etc/passwd").unwrap())),
        "child" => children.push(sleeper()),
        "outbound" => {
            let port = fs::read_to_string(dir.join("port")).unwrap();
            kept.push(Box::new(TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap()));
        }
        other => panic!("no case {other}"),
    }
    let declared = Declared::instance(at, &home);
    loopgate::sys::process::harden().unwrap();
    let report =
        exposure::live(&declared, &|| Moving { keepers: keepers.clone(), ..Moving::default() }).unwrap();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    report.to_json()
}

fn sleeper() -> Child {
    Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap()
}

/// A directory that the helper, who may be another user, can use; removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).unwrap();
        let path = std::env::temp_dir().join(format!("exposure-{name}-{:x}", u64::from_ne_bytes(random)));
        fs::create_dir(&path).unwrap();
        fs::create_dir(path.join("home")).unwrap();
        fs::set_permissions(path.join("home"), fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn helper(program: &Path, case: &str, dir: &Dir) -> Command {
    // What this process was started with is not the helper's to have.
    loopgate::sys::process::close_on_exec().unwrap();
    let mut command = Command::new(program);
    command
        .args(["--exact", "helper_process", "--test-threads=1"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(CASE, case)
        .env(DIR, &dir.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn answer(mut command: Command, dir: &Dir) -> Report {
    assert!(command.status().unwrap().success());
    let text = fs::read_to_string(dir.0.join("answer")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    Report::from_json(&value).unwrap()
}

fn marked(report: &Report) -> Vec<(Kind, &str)> {
    report
        .rows
        .iter()
        .filter(|row| row.difference.is_some())
        .map(|row| (row.kind, row.purpose.as_str()))
        .collect()
}

fn run(case: &str) -> Report {
    let dir = Dir::new("case");
    let theirs = UnixListener::bind(dir.0.join("theirs")).unwrap();
    let remote = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(dir.0.join("port"), remote.local_addr().unwrap().port().to_string()).unwrap();
    let report = answer(helper(&std::env::current_exe().unwrap(), case, &dir), &dir);
    drop((theirs, remote));
    report
}

#[test]
fn a_plain_process_shows_the_declared_and_nothing_else() {
    let report = run("plain");
    assert_eq!(marked(&report), [], "{}", exposure::table(&report));
    assert!(report.rows.iter().all(|row| row.declared && row.observed), "{}", exposure::table(&report));
    assert_eq!(report.rows.iter().filter(|row| row.kind == Kind::Socket).count(), 1);
}

#[test]
fn socketpairs_keepers_and_the_reserve_are_known_kinds() {
    let report = run("kinds");
    assert_eq!(marked(&report), [], "{}", exposure::table(&report));
    assert!(report.rows.iter().any(|row| row.process == "loopgate keeper" && row.observed));
}

/// The kernel writes the names of sockets into its table as they are, line feeds too.
#[test]
fn a_name_that_forges_lines_of_the_kernels_table_changes_nothing() {
    let report = run("forged names");
    assert_eq!(marked(&report), [], "{}", exposure::table(&report));
}

#[test]
fn an_undeclared_listener_is_marked_in_a_live_process() {
    assert_eq!(marked(&run("listener")), [(Kind::Socket, "listening TCP socket")]);
    assert_eq!(marked(&run("udp")), [(Kind::Socket, "UDP socket")]);
    assert_eq!(marked(&run("unix listener")), [(Kind::Socket, "listening unix socket")]);
}

#[test]
fn an_undeclared_open_file_is_marked_in_a_live_process() {
    assert_eq!(marked(&run("file")), [(Kind::File, "open file")]);
}

#[test]
fn an_undeclared_child_process_is_marked_in_a_live_process() {
    assert_eq!(marked(&run("child")), [(Kind::Child, "child process")]);
}

#[test]
fn an_undeclared_outbound_connection_is_marked_in_a_live_process() {
    assert_eq!(marked(&run("outbound")), [(Kind::Outbound, "TCP connection")]);
    assert_eq!(marked(&run("unix connection")), [(Kind::Outbound, "unix connection")]);
}

/// The helper makes itself non-dumpable in every case; root could read everything all the same.
#[test]
fn an_ordinary_user_without_dumpable_memory_can_report() {
    let dir = Dir::new("user");
    let program = if is_root() {
        // A copy, since the build directory may be closed to others.
        let copy = dir.0.join("program");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        for path in [dir.0.clone(), dir.0.join("home")] {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
        copy
    } else {
        std::env::current_exe().unwrap()
    };
    let mut command = helper(&program, "kinds", &dir);
    if is_root() {
        command.uid(65534).gid(65534);
    }
    let report = answer(command, &dir);
    assert_eq!(marked(&report), [], "{}", exposure::table(&report));
    assert!(report.rows.iter().any(|row| row.process == "loopgate keeper" && row.observed));
}

/// Keepers are forked before the instance can list them, and end before it has forgotten them.
#[test]
fn agents_that_start_and_end_meanwhile_make_no_difference() {
    let instance = support::Instance::start();
    let look = || {
        let report = instance.call("GET", "/api/v1/exposure", &Value::Null).json();
        Report::from_json(&report).unwrap()
    };
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for round in 0..8 {
                let name = format!("a{round}");
                let start =
                    json!({ "name": name, "command": ["/bin/sh", "-c", "sleep 60 & cat"], "cwd": "/" });
                assert_eq!(instance.call("POST", "/api/v1/agents", &start).status, 201);
                let path = format!("/api/v1/agents/{name}");
                assert_eq!(instance.call("DELETE", &path, &Value::Null).status, 200);
            }
        });
        while !busy.is_finished() {
            let report = look();
            assert_eq!(report.differences, 0, "{}", exposure::table(&report));
        }
    });
    assert!(look().rows.iter().all(|row| row.kind != Kind::Child));
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t"))
}
