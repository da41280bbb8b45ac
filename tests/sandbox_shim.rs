//! The shim in a real sandbox: what is in place before the first instruction of a program, and what it can do then.

#[path = "support/bwrap.rs"]
mod bwrap;
mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    time::{Duration, Instant},
};

use bwrap::Sandbox;
use loopgate::{
    egress::shim::{self, Layers, Limits, NotIn, Order, PORT, Place, Step},
    sys::{pty, tty::Size},
};
use support::{PATIENCE, TempDir, skipped};

/// An order for this program, with the workspace as its place.
fn order(workspace: &Path, command: &[&str]) -> Order {
    let seen = fs::metadata(workspace).unwrap();
    Order {
        command: command.iter().map(|word| word.as_bytes().to_vec()).collect(),
        env: vec![b"PATH=/usr/bin:/bin".to_vec(), b"LANG=C".to_vec()],
        cwd: b"/workspace".to_vec(),
        terminal: false,
        port: Some(PORT),
        localhost: false,
        places: vec![Place {
            path: b"/workspace".to_vec(),
            device: seen.dev(),
            inode: seen.ino(),
            writable: true,
        }],
        limits: Limits { descriptors: 256, ..Limits::default() },
    }
}

/// Lets it in; the listener is kept until the end of what follows.
fn let_in(sandbox: &mut Sandbox, order: &Order) -> Result<(Layers, Option<TcpListener>), NotIn<String>> {
    let mut kept = None;
    let socket = sandbox.socket.take().unwrap();
    let layers = shim::let_in(socket, order, Instant::now() + PATIENCE, |listener| {
        kept = listener;
        Ok(())
    })?;
    Ok((layers, kept))
}

/// What a program writes in a sandbox of its own.
fn run(change: impl FnOnce(&mut Order), command: &[&str]) -> (String, Layers) {
    let temp = TempDir::new();
    let workspace = temp.path();
    let mut order = order(workspace, command);
    change(&mut order);
    let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), None);
    let (layers, _listener) = let_in(&mut sandbox, &order).unwrap();
    (sandbox.output(), layers)
}

fn missing() -> bool {
    let missing = !bwrap::works();
    if missing {
        skipped("bubblewrap");
    }
    missing
}

fn no_python() -> bool {
    let missing = !Path::new("/usr/bin/python3").exists();
    if missing {
        skipped("python3");
    }
    missing
}

#[test]
fn the_program_begins_confined_and_with_nothing_open() {
    if missing() {
        return;
    }
    let script = "ls /proc/self/fd | tr '\\n' ' '; echo; grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status; env; pwd";
    let (text, layers) = run(|_| {}, &["sh", "-c", script]);
    let lines: Vec<&str> = text.lines().collect();
    // The fourth is the directory that ls reads.
    assert_eq!(lines[0], "0 1 2 3 ", "{text}");
    for wanted in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "LANG=C", "/workspace"] {
        assert!(lines.contains(&wanted), "{wanted}: {text}");
    }
    let environment = lines.iter().filter(|line| line.contains('=')).count();
    assert!(environment <= 4, "PATH, LANG and what a shell sets: {text}");
    assert!(layers.seccomp);
}

#[test]
fn the_listener_is_made_inside_and_accepted_on_outside() {
    if missing() || no_python() {
        return;
    }
    let temp = TempDir::new();
    let workspace = temp.path();
    let script = "import socket\ns = socket.create_connection(('127.0.0.1', 4141))\ns.sendall(b'hello')\nprint(s.recv(5).decode())";
    let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), None);
    let (_, listener) = let_in(&mut sandbox, &order(workspace, &["/usr/bin/python3", "-c", script])).unwrap();
    let (mut stream, from) = listener.unwrap().accept().unwrap();
    assert!(from.ip().is_loopback());
    let mut said = [0; 5];
    stream.read_exact(&mut said).unwrap();
    stream.write_all(b"there").unwrap();
    assert_eq!((&said, sandbox.output().trim()), (b"hello", "there"));
}

#[test]
fn no_instruction_of_the_program_runs_before_the_go() {
    if missing() {
        return;
    }
    for go in [false, true] {
        let temp = TempDir::new();
        let workspace = temp.path();
        let mark = workspace.join("ran");
        let order = order(workspace, &["sh", "-c", "echo x > ran"]);
        let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), None);
        let before = mark.clone();
        let socket = sandbox.socket.take().unwrap();
        let result = shim::let_in(socket, &order, Instant::now() + PATIENCE, |_| {
            // All is in place, and the shim waits: that is all that there is to be seen of it.
            assert!(!before.exists());
            if go { Ok(()) } else { Err("the forwarder is not there") }
        });
        assert_eq!(result.is_ok(), go);
        let text = sandbox.output();
        assert_eq!((mark.exists(), text.as_str()), (go, ""));
    }
}

#[test]
fn each_step_that_fails_inside_is_told_and_nothing_runs() {
    if missing() {
        return;
    }
    type Change = fn(&mut Order);
    let cases: [(Change, Step, i32); 5] = [
        (|order| order.places[0].inode ^= 1, Step::Place, libc::ESTALE),
        (|order| order.places[0].path = b"/workspace/../workspace".to_vec(), Step::Place, libc::ESTALE),
        (|order| order.port = Some(80), Step::Listen, libc::EACCES),
        (|order| order.terminal = true, Step::Terminal, libc::ENOTTY),
        (|order| order.cwd = b"/nowhere".to_vec(), Step::Directory, libc::ENOENT),
    ];
    for (change, step, errno) in cases {
        let temp = TempDir::new();
        let workspace = temp.path();
        let mut order = order(workspace, &["sh", "-c", "echo x > ran"]);
        change(&mut order);
        let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), None);
        let result = let_in(&mut sandbox, &order);
        assert!(
            matches!(result, Err(NotIn::Failed(s, e)) if (s, e) == (step, errno)),
            "{step:?}: {result:?}"
        );
        sandbox.output();
        assert!(!workspace.join("ran").exists(), "{step:?}");
    }
}

/// A filter of bubblewrap's own that refuses one call with EPERM, so that a step fails.
fn without(call: libc::c_long) -> Vec<u8> {
    let steps: [(u16, u8, u8, u32); 4] = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, u32::try_from(call).unwrap()),
        (0x06, 0, 0, 0x0005_0000 | libc::EPERM as u32),
        (0x06, 0, 0, 0x7fff_0000),
    ];
    let bytes = steps
        .iter()
        .flat_map(|(code, jt, jf, k)| [&code.to_ne_bytes()[..], &[*jt, *jf], &k.to_ne_bytes()].concat());
    bytes.collect()
}

#[test]
fn without_a_layer_that_the_kernel_has_nothing_runs() {
    if missing() {
        return;
    }
    for (call, step) in [
        (libc::SYS_close_range, Step::Descriptors),
        (libc::SYS_landlock_create_ruleset, Step::Landlock),
        (libc::SYS_seccomp, Step::Seccomp),
    ] {
        let temp = TempDir::new();
        let workspace = temp.path();
        let filter = bwrap::file_of(&without(call));
        let number = filter.as_raw_fd().to_string();
        let mut sandbox = Sandbox::start(workspace, &["--seccomp", &number], vec![filter], None);
        let result = let_in(&mut sandbox, &order(workspace, &["sh", "-c", "echo x > ran"]));
        assert!(matches!(result, Err(NotIn::Failed(s, libc::EPERM)) if s == step), "{step:?}: {result:?}");
        sandbox.output();
        assert!(!workspace.join("ran").exists(), "{step:?}");
    }
}

#[test]
fn a_sandbox_that_shares_our_network_is_given_no_way_out() {
    if missing() {
        return;
    }
    let temp = TempDir::new();
    let workspace = temp.path();
    let mut order = order(workspace, &["true"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    order.port = Some(free);
    let mut sandbox = Sandbox::start(workspace, &["--share-net"], Vec::new(), None);
    let result = let_in(&mut sandbox, &order);
    assert!(matches!(result, Err(NotIn::Refused("it has no network of its own"))), "{result:?}");
}

#[test]
fn a_missing_program_is_told_with_its_error() {
    if missing() {
        return;
    }
    let temp = TempDir::new();
    let workspace = temp.path();
    fs::write(workspace.join("plain"), "x").unwrap();
    fs::set_permissions(workspace.join("plain"), fs::Permissions::from_mode(0o644)).unwrap();
    for (command, errno) in [("no-such-program", libc::ENOENT), ("/workspace/plain", libc::EACCES)] {
        let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), None);
        let result = let_in(&mut sandbox, &order(workspace, &[command]));
        assert!(matches!(result, Err(NotIn::NotRun(e)) if e == errno), "{command}: {result:?}");
    }
}

/// Prints `name errno` for each attempt; 0 where it succeeded.
const ATTEMPTS: &str = r#"
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def say(name, code): print(name, errno.errorcode.get(code, code), flush=True)
def sock(name, *args):
    try: socket.socket(*args).close(); say(name, 0)
    except OSError as e: say(name, e.errno)
def call(name, number, *args):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    say(name, ctypes.get_errno() if done == -1 else 0)
sock('tcp', socket.AF_INET, socket.SOCK_STREAM)
sock('udp6', socket.AF_INET6, socket.SOCK_DGRAM)
sock('unix', socket.AF_UNIX, socket.SOCK_STREAM)
sock('netlink', socket.AF_NETLINK, socket.SOCK_RAW, 0)
sock('packet', 17, socket.SOCK_RAW, 0)
sock('vsock', 40, socket.SOCK_STREAM)
sock('alg', 38, socket.SOCK_SEQPACKET)
sock('icmp', socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
sock('raw', socket.AF_INET, socket.SOCK_RAW, 1)
x86 = os.uname().machine == 'x86_64'
call('unshare', 272 if x86 else 97, 0x10000000)
call('clone', 56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0)
call('clone3', 435, 0, 88)
call('ptrace', 101 if x86 else 117, 0, 0, 0, 0)
call('io_uring', 425, 1, 0)
call('bpf', 321 if x86 else 280, 0, 0, 0)
call('keyctl', 250 if x86 else 219, 0, -3, 0)
call('mount', 165 if x86 else 40, 0, 0, 0, 0, 0)
call('pidfd_getfd', 438, 0, 0, 0)
call('x32', 0x40000027)
call('future', 9999)
# TIOCSTI, and the same with something above what the kernel looks at
call('tiocsti', 16 if x86 else 29, 0, 0x5412, 0)
call('tiocsti above', 16 if x86 else 29, 0, 0x5412 | 1 << 32, 0)
call('signal 0 to the first', 62 if x86 else 129, 1, 0)
call('ptrace_scope', 310 if x86 else 270, 1, 0, 0, 0, 0, 0)
"#;

#[test]
fn what_reaches_around_the_sandbox_is_refused_with_the_error_that_we_say() {
    if missing() || no_python() {
        return;
    }
    let (text, layers) = run(|_| {}, &["/usr/bin/python3", "-c", ATTEMPTS]);
    let mut wanted = vec![
        "tcp 0",
        "udp6 0",
        "unix 0",
        "netlink EAFNOSUPPORT",
        "packet EAFNOSUPPORT",
        "vsock EAFNOSUPPORT",
        "alg EAFNOSUPPORT",
        "icmp EPROTONOSUPPORT",
        "raw EAFNOSUPPORT",
        "unshare EPERM",
        "clone EPERM",
        "clone3 ENOSYS",
        "ptrace EPERM",
        "io_uring EPERM",
        "bpf EPERM",
        "keyctl EPERM",
        "mount EPERM",
        "pidfd_getfd EPERM",
        "x32 ENOSYS",
        "future ENOSYS",
        "tiocsti EPERM",
        "tiocsti above EPERM",
    ];
    if layers.scoped {
        wanted.push("signal 0 to the first EPERM");
    }
    for line in wanted {
        assert!(text.lines().any(|said| said == line), "{line}: {text}");
    }
}

#[test]
fn only_the_one_port_is_connected_to_unless_localhost_is_asked_for() {
    if missing() || no_python() {
        return;
    }
    let script = "import socket, errno\nl = socket.create_server(('127.0.0.1', 8080))\ns = socket.socket()\n\
                  try: s.connect(('127.0.0.1', 8080)); print('reached')\n\
                  except OSError as e: print(errno.errorcode[e.errno])\n";
    let command = ["/usr/bin/python3", "-c", script];
    let (text, layers) = run(|_| {}, &command);
    if layers.connect {
        assert_eq!(text.trim(), "EACCES");
    } else {
        skipped("Landlock 4");
    }
    let (text, layers) = run(|order| order.localhost = true, &command);
    assert_eq!((text.trim(), layers.connect), ("reached", false));
}

#[test]
fn nothing_is_written_outside_the_writable_places() {
    if missing() {
        return;
    }
    // The root of the sandbox is a tmpfs of its own and writable without Landlock.
    let script = "cd /; for at in /workspace/a /tmp/a /run/a /home/agent/a /dev/shm/a /dev/null /a /etc/a /usr/a; \
                  do if (echo x > $at) 2>/dev/null; then echo yes $at; else echo no $at; fi; done";
    let (text, layers) = run(|_| {}, &["sh", "-c", script]);
    for at in ["/workspace/a", "/tmp/a", "/run/a", "/home/agent/a", "/dev/shm/a", "/dev/null"] {
        assert!(text.contains(&format!("yes {at}\n")), "{at}: {text}");
    }
    assert!(text.contains("no /usr/a\n"), "{text}");
    if layers.landlock.is_some() {
        for at in ["/a", "/etc/a"] {
            assert!(text.contains(&format!("no {at}\n")), "{at}: {text}");
        }
    } else {
        skipped("Landlock");
    }
}

#[test]
fn the_limits_are_those_of_the_order() {
    if missing() {
        return;
    }
    let limits = Limits {
        memory: Some(1 << 30),
        processes: Some(99),
        cpu_seconds: Some(77),
        file_size: Some(1 << 20),
        descriptors: 66,
    };
    let script = "for of in d u t f n; do ulimit -$of; done; ulimit -Hn; ulimit -c";
    let (text, _) = run(|order| order.limits = limits, &["bash", "-c", script]);
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["1048576", "99", "77", "1024", "66", "66", "0"]);
}

#[test]
fn the_terminal_is_the_programs_own() {
    if missing() {
        return;
    }
    let temp = TempDir::new();
    let workspace = temp.path();
    let terminal = pty::open(Size { rows: 24, cols: 80 }).unwrap();
    let script = "if (: < /dev/tty) && (: > /dev/stdout); then echo x > ran; fi";
    let order = Order { terminal: true, ..order(workspace, &["sh", "-c", script]) };
    let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), Some(terminal.slave));
    let (_, _listener) = let_in(&mut sandbox, &order).unwrap();
    sandbox.child.wait().unwrap();
    assert!(workspace.join("ran").exists());
}

#[test]
fn a_shim_that_hears_nothing_more_ends_and_runs_nothing() {
    if missing() {
        return;
    }
    let temp = TempDir::new();
    let workspace = temp.path();
    let mut sandbox = Sandbox::start(workspace, &[], Vec::new(), None);
    drop(sandbox.socket.take());
    assert_eq!(sandbox.output(), "");
    assert!(!sandbox.child.wait().unwrap().success());
    // And one that cannot be heard in time is given up.
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let until = Instant::now() + Duration::from_millis(20);
    let result = shim::let_in(ours, &order(workspace, &["true"]), until, |_| Ok::<_, String>(()));
    assert!(matches!(result, Err(NotIn::Late)), "{result:?}");
}
