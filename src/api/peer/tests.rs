//! Real sockets and real processes. The test binary plays the parts itself: it is started again
//! with a list of parts in its environment, and each part starts the next.

mod search;

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::PermissionsExt, process::parent_id},
    },
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::sys::{
    process::{become_subreaper, harden, uid},
    random,
};

const PARTS: &str = "LOOPGATE_TEST_PARTS";
const ADDRESS: &str = "LOOPGATE_TEST_ADDRESS";
const PARENT: &str = "LOOPGATE_TEST_PARENT";
const NOBODY: u32 = 65_534;

/// Not a test: what the test binary does when a test below has started it again.
#[test]
fn a_part_that_other_tests_give_out() {
    let Ok(parts) = env::var(PARTS) else { return };
    let (part, rest) = parts.split_once(',').unwrap_or((&parts, ""));
    let connect = || TcpStream::connect(env::var(ADDRESS).unwrap()).unwrap();
    match part {
        // Takes in orphans, as an instance and a keeper do.
        "subreaper" => {
            become_subreaper().unwrap();
            again(&[], rest).stdin(Stdio::null()).spawn().unwrap().wait().unwrap();
            let _ = io::stdin().read(&mut [0]);
        }
        "parent" => drop(again(&[], rest).spawn().unwrap().wait().unwrap()),
        // The first half of a double fork: gone at once.
        "gone" => drop(again(&[], rest).env(PARENT, process::id().to_string()).spawn().unwrap()),
        "orphan" => {
            let parent: u32 = env::var(PARENT).unwrap().parse().unwrap();
            while parent_id() == parent {
                thread::yield_now();
            }
            again(&[], rest).spawn().unwrap().wait().unwrap();
        }
        "session" => drop(again(&["setsid", "--wait"], rest).spawn().unwrap().wait().unwrap()),
        "hidden" => {
            harden().unwrap();
            talk(connect());
        }
        // Has a child that has ended and is not waited for.
        "careless" => {
            let mut child = Command::new("true").spawn().unwrap();
            while proc::stat(child.id()).unwrap().state != b'Z' {
                thread::yield_now();
            }
            talk(connect());
            child.wait().unwrap();
        }
        "talk" => talk(connect()),
        // Opens the connection, and only hands it on.
        "open" => drop(again(&[], rest).stdin(OwnedFd::from(connect())).spawn().unwrap()),
        // As `open`, with the heir in a network (and, where not root, user) namespace of its own.
        "elsewhere" => {
            let flags = if uid() == 0 { "-n" } else { "-Urn" };
            let heir = again(&["unshare", flags], rest).stdin(OwnedFd::from(connect())).spawn();
            heir.unwrap().wait().unwrap();
        }
        "heir" => talk(TcpStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap())),
        "early" => connect().write_all(b"!").unwrap(),
        "half" => {
            let mut socket = connect();
            socket.write_all(b"!").unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        }
        other => panic!("{other} is no part"),
    }
}

/// Says that it is there, and stays until the other side closes.
fn talk(mut socket: TcpStream) {
    socket.write_all(b"!").unwrap();
    let _ = socket.read_to_end(&mut Vec::new());
}

/// The test binary once more, for `parts`, started through `by`.
fn again(by: &[&str], parts: &str) -> Command {
    again_at(&env::current_exe().unwrap(), by, parts)
}

/// The path of this module as the test runner names it: without the crate.
fn module() -> &'static str {
    module_path!().split_once("::").unwrap().1
}

fn again_at(exe: &Path, by: &[&str], parts: &str) -> Command {
    let mut command = match by.split_first() {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
        None => Command::new(exe),
    };
    let name = format!("{}::a_part_that_other_tests_give_out", module());
    command
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(PARTS, parts)
        .stdout(Stdio::null());
    command
}

/// A copy of the test binary that every user may run: cargo's folder may be closed to others.
struct Everybodys(PathBuf);

impl Everybodys {
    fn copy() -> Self {
        let copy = Self(env::temp_dir().join(format!("loopgate-{}", random::uuid().unwrap())));
        fs::copy(env::current_exe().unwrap(), &copy.0).unwrap();
        fs::set_permissions(&copy.0, fs::Permissions::from_mode(0o755)).unwrap();
        copy
    }
}

impl Drop for Everybodys {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const AS_NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// A connection whose near end is with some process, and the first process of its parts.
struct Scene {
    at: PeerAddr,
    /// ours; when it goes, all parts end
    server: TcpStream,
    first: Option<Child>,
}

impl Scene {
    /// `None`: the parts could not be played here.
    fn play(by: &[&str], parts: &str) -> Option<Self> {
        Self::played(again(by, parts))
    }

    fn played(mut command: Command) -> Option<Self> {
        let listener = listener();
        let address = listener.local_addr().unwrap().to_string();
        let first = command.env(ADDRESS, address).stdin(Stdio::piped()).spawn().ok()?;
        Self::accepted(&listener, Some(first))
    }

    /// The near end is held by the test itself, and given back.
    fn own() -> (Self, TcpStream) {
        let listener = listener();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.write_all(b"!").unwrap();
        (Self::accepted(&listener, None).unwrap(), near)
    }

    fn accepted(listener: &TcpListener, first: Option<Child>) -> Option<Self> {
        let (mut server, peer) = listener.accept().ok()?;
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let local = server.local_addr().unwrap();
        let came = server.read(&mut [0]).unwrap();
        let scene = Self { at: PeerAddr { peer, local }, server, first };
        (came == 1).then_some(scene)
    }

    fn pid(&self) -> u32 {
        self.first.as_ref().unwrap().id()
    }

    /// Asked as the instance with this pid would ask.
    fn asked_by(&self, instance: u32) -> Asked<'_> {
        Asked { at: self.at, probe: PeerProbe::new(instance, uid()), keepers: Vec::new(), _scene: self }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.server.shutdown(Shutdown::Both);
        if let Some(mut first) = self.first.take() {
            drop(first.stdin.take());
            let _ = first.wait();
        }
    }
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&listener).set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    listener
}

struct Asked<'a> {
    at: PeerAddr,
    probe: PeerProbe,
    keepers: Vec<u32>,
    _scene: &'a Scene,
}

impl Asked<'_> {
    fn facts(&self, round: u64) -> PeerFacts {
        self.probe.facts(&self.at, &|| self.keepers.clone(), round * 1_000)
    }

    /// Another test that starts a process has copies of all our sockets in it for a moment, so
    /// the answer may be a refusal at first.
    #[track_caller]
    fn is_ours_by(&self, pid: u32) {
        let wanted = PeerFacts { standing: Standing::Ours, uid: Some(uid()), pid: Some(pid) };
        eventually(|round| self.facts(round), |facts| *facts == wanted);
    }

    /// Never ours, not even for a moment.
    #[track_caller]
    fn is(&self, standing: Standing) -> PeerFacts {
        eventually(
            |round| {
                let facts = self.facts(round);
                assert_ne!(facts.standing, Standing::Ours);
                facts
            },
            |facts| facts.standing == standing,
        )
    }
}

#[track_caller]
fn eventually<T: std::fmt::Debug>(mut ask: impl FnMut(u64) -> T, fits: impl Fn(&T) -> bool) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    for round in 0.. {
        let found = ask(round);
        if fits(&found) {
            return found;
        }
        assert!(Instant::now() < end, "still {found:?}");
        thread::yield_now();
    }
    unreachable!("the rounds do not end")
}

macro_rules! scene {
    ($by:expr, $parts:expr, $missing:literal) => {
        match Scene::play($by, $parts) {
            Some(scene) => scene,
            None => {
                println!("skipped: {} missing", $missing);
                return;
            }
        }
    };
}

#[test]
fn the_instances_own_process_is_ours() {
    let (scene, _near) = Scene::own();
    scene.asked_by(process::id()).is_ours_by(process::id());
}

#[test]
fn a_process_outside_every_tree_is_ours() {
    let instance = scene!(&[], "subreaper,talk", "the test binary");
    let (scene, _near) = Scene::own();
    scene.asked_by(instance.pid()).is_ours_by(process::id());
    let other = scene!(&[], "talk", "the test binary");
    other.asked_by(instance.pid()).is_ours_by(other.pid());
}

#[test]
fn an_agents_process_is_not_ours() {
    let scene = scene!(&[], "parent,talk", "the test binary");
    let facts = scene.asked_by(scene.pid()).is(Standing::AgentProcess);
    assert!(facts.uid == Some(uid()) && facts.pid.is_some_and(|pid| pid != scene.pid()));
}

#[test]
fn a_double_forked_process_stays_in_its_tree() {
    let scene = scene!(&[], "subreaper,gone,orphan,talk", "the test binary");
    scene.asked_by(scene.pid()).is(Standing::AgentProcess);
}

#[test]
fn a_session_of_its_own_does_not_leave_the_tree() {
    let scene = scene!(&[], "subreaper,gone,orphan,session,talk", "setsid");
    scene.asked_by(scene.pid()).is(Standing::AgentProcess);
}

#[test]
fn a_socket_passed_on_inside_the_tree_is_found() {
    let scene = scene!(&[], "subreaper,open,heir", "the test binary");
    scene.asked_by(scene.pid()).is(Standing::AgentProcess);
}

#[test]
fn a_socket_shared_with_a_process_outside_is_still_the_agents() {
    let listener = listener();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let copy = OwnedFd::from(near.try_clone().unwrap());
    let first = again(&[], "parent,heir").stdin(copy).spawn().unwrap();
    let scene = Scene::accepted(&listener, Some(first)).unwrap();
    scene.asked_by(scene.pid()).is(Standing::AgentProcess);
    drop(near);
}

#[test]
fn a_socket_in_another_network_namespace_is_still_the_agents() {
    let scene = scene!(&[], "subreaper,elsewhere,heir", "unshare with network namespaces");
    let asked = scene.asked_by(scene.pid());
    if uid() == 0 {
        asked.is(Standing::AgentProcess);
    } else {
        // In a user namespace of its own its descriptors may be closed to us.
        assert_ne!(asked.facts(0).standing, Standing::Ours);
    }
}

#[test]
fn a_socket_in_a_threads_own_table_is_found() {
    const SCRIPT: &str = "
import ctypes, os, socket, threading
def run():
    assert ctypes.CDLL(None).unshare(0x400) == 0
    host, port = os.environ['LOOPGATE_TEST_ADDRESS'].rsplit(':', 1)
    s = socket.create_connection((host, int(port)))
    s.sendall(b'!')
    s.recv(1)
t = threading.Thread(target=run)
t.start()
t.join()
";
    let listener = listener();
    let python = Command::new("python3")
        .args(["-c", SCRIPT])
        .env(ADDRESS, listener.local_addr().unwrap().to_string())
        .stderr(Stdio::null())
        .spawn();
    let Some(scene) = python.ok().and_then(|first| Scene::accepted(&listener, Some(first))) else {
        println!("skipped: python3 missing");
        return;
    };
    scene.asked_by(process::id()).is(Standing::AgentProcess);
}

#[test]
fn a_peer_that_closed_early_is_unknown() {
    let instance = scene!(&[], "subreaper,talk", "the test binary");
    for parts in ["early", "half"] {
        let scene = scene!(&[], parts, "the test binary");
        let asked = scene.asked_by(instance.pid());
        // Before its end has reached the kernel it is a process like another.
        eventually(|round| asked.facts(round).standing, |standing| *standing == Standing::Unknown);
        for round in 1_000..1_010 {
            assert_eq!(asked.facts(round).standing, Standing::Unknown);
        }
    }
    // The server's own half-close leaves the peer in CLOSE_WAIT, with its socket in hand.
    let (scene, near) = Scene::own();
    scene.server.shutdown(Shutdown::Write).unwrap();
    scene.asked_by(instance.pid()).is_ours_by(process::id());
    drop(near);
    let asked = scene.asked_by(instance.pid());
    eventually(|round| asked.facts(round).standing, |standing| *standing == Standing::Unknown);
}

#[test]
fn another_users_process_is_not_ours() {
    if uid() != 0 {
        println!("skipped: root missing");
        return;
    }
    let exe = Everybodys::copy();
    let Some(scene) = Scene::played(again_at(&exe.0, &AS_NOBODY, "talk")) else {
        println!("skipped: setpriv missing");
        return;
    };
    let instance = scene!(&[], "subreaper,talk", "the test binary");
    let facts = scene.asked_by(instance.pid()).is(Standing::NotOurUser);
    assert_eq!(facts, PeerFacts { standing: Standing::NotOurUser, uid: Some(NOBODY), pid: None });
}

#[test]
fn a_process_that_may_not_be_looked_into_is_never_ours_inside_a_tree() {
    let scene = scene!(&[], "parent,hidden", "the test binary");
    // Root looks into everything.
    let wanted = if uid() == 0 { Standing::AgentProcess } else { Standing::Unknown };
    scene.asked_by(scene.pid()).is(wanted);

    // It may hold any socket of the user, so nobody is told from it, unless it is a keeper.
    let (other, _near) = Scene::own();
    let mut asked = other.asked_by(scene.pid());
    if uid() == 0 {
        asked.is_ours_by(process::id());
    } else {
        asked.is(Standing::Unknown);
        asked.keepers = proc::children(scene.pid()).unwrap();
        asked.is_ours_by(process::id());
    }
}

/// Programs often have such children, and nobody may be shut out for it.
#[test]
fn an_ended_process_that_was_not_waited_for_holds_nothing() {
    let scene = scene!(&[], "parent,careless", "the test binary");
    scene.asked_by(scene.pid()).is(Standing::AgentProcess);
    let (other, _near) = Scene::own();
    other.asked_by(scene.pid()).is_ours_by(process::id());
}

#[test]
fn an_agents_token_is_bound_to_its_tree_where_the_kernel_tells() {
    let scene = scene!(&[], "subreaper,gone,orphan,talk", "the test binary");
    let keeper = scene.pid();
    let probe = PeerProbe::new(process::id(), uid());
    eventually(|round| probe.tree(&scene.at, keeper, round * 1_000), |fact| *fact == TreeFact::Inside);

    let (other, near) = Scene::own();
    let probe = PeerProbe::new(process::id(), uid());
    eventually(|round| probe.tree(&other.at, keeper, round * 1_000), |fact| *fact == TreeFact::Outside);
    // A keeper that is gone says nothing.
    assert_eq!(probe.tree(&other.at, u32::MAX, 1 << 40), TreeFact::Unknown);
    // A flood does not let the rest of it in, and does not keep the agent's own calls out.
    for _ in 0..=limits::PEER_SCANS_PER_SECOND {
        assert_eq!(probe.tree(&other.at, keeper, 1 << 41), TreeFact::Outside);
    }
    assert_eq!(probe.tree(&scene.at, keeper, 1 << 41), TreeFact::Inside);
    // Nor is anybody let in who does not wait for the answer, by a close or by a reset.
    drop(near);
    eventually(|round| probe.tree(&other.at, keeper, round * 1_000), |fact| *fact == TreeFact::Outside);
    let listener = listener();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.write_all(b"!").unwrap();
    let reset = Scene::accepted(&listener, None).unwrap();
    socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO)).unwrap();
    drop(near);
    eventually(|round| probe.tree(&reset.at, keeper, round * 1_000), |fact| *fact == TreeFact::Outside);
}

#[test]
fn looks_into_agents_trees_are_bounded_at_once() {
    let scene = scene!(&[], "subreaper,talk", "the test binary");
    let probe = PeerProbe::new(process::id(), uid());
    let looks: Vec<_> = (0..limits::TREE_LOOKS).map_while(|_| probe.looks.enter()).collect();
    assert_eq!(looks.len(), limits::TREE_LOOKS);
    assert_eq!(probe.tree(&scene.at, scene.pid(), 0), TreeFact::Outside);
    drop(looks);
    eventually(|round| probe.tree(&scene.at, scene.pid(), round * 1_000), |fact| *fact == TreeFact::Inside);
}

#[test]
fn peer_scans_are_bounded_per_second() {
    let most = limits::PEER_SCANS_PER_SECOND;
    // Over the limit nothing is known but the user.
    let (scene, _near) = Scene::own();
    let asked = scene.asked_by(process::id());
    assert_eq!((0..most).filter(|_| asked.probe.may_scan(0, most)).count(), most as usize);
    assert_eq!(asked.facts(0), PeerFacts { standing: Standing::NotAsked, uid: Some(uid()), pid: None });
    asked.is_ours_by(process::id());
}

/// All of the above once more as an ordinary user, who may not look into every process.
#[test]
fn the_same_holds_for_an_ordinary_user() {
    if uid() != 0 {
        return;
    }
    let exe = Everybodys::copy();
    let run = Command::new(AS_NOBODY[0])
        .args(&AS_NOBODY[1..])
        .arg(&exe.0)
        .args([module(), "--test-threads=2", "--skip", "threads_own_table"])
        .current_dir("/")
        .output();
    let Ok(run) = run else {
        println!("skipped: setpriv missing");
        return;
    };
    let (said, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}{error}");
    assert!(said.contains("an_agents_token_is_bound_to_its_tree_where_the_kernel_tells ... ok"), "{said}");
}
