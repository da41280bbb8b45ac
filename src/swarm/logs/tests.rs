//! Logs in memory, on a disk that the agent does anything with, and over restarts.

mod disk;
mod hostile;
mod noted;
mod pages;

use std::{fs, path::PathBuf, time::Instant};

use super::*;
use crate::{
    agent::Stream, limits, store::testing::TempHome, swarm::history::Role, sys::poll::Wake,
    wire::clock::ManualClock,
};

/// A day in 2026, where times are to be numbers.
const TODAY: u64 = 1_795_305_600_000;

/// A shelf with the swarm `s`, and its logs.
struct Rig {
    home: TempHome,
    clock: Arc<ManualClock>,
    shelf: Arc<Shelf>,
    logs: Arc<Logs>,
}

impl Rig {
    fn new() -> Self {
        let home = TempHome::in_memory();
        let (shelf, ..) = Shelf::open(&home.home()).unwrap();
        let shelf = Arc::new(shelf);
        shelf.put_seed(&name("s"), &serde_json::json!({"name": "s"})).unwrap();
        let clock = ManualClock::at(TODAY);
        let logs = Logs::new(clock.clone(), Some(shelf.clone()));
        logs.start().unwrap();
        Self { home, clock, shelf, logs }
    }

    /// The instance ends and another one begins; `ends` is false where it was killed.
    fn again(&mut self) {
        self.logs.end(Duration::from_secs(20));
        self.killed();
    }

    fn killed(&mut self) {
        self.logs = Logs::new(self.clock.clone(), Some(self.shelf.clone()));
        self.logs.start().unwrap();
    }

    fn swarm(&self) -> Arc<SwarmLog> {
        self.logs.of(&name("s"))
    }

    fn agent(&self, agent: &str) -> Log {
        self.shelf.make_agent_logs(&name("s"), &name(agent)).unwrap();
        self.swarm().agent(&name(agent))
    }

    fn directory(&self, agent: &str) -> PathBuf {
        self.home.path().join("swarms/s/agents").join(agent).join("logs")
    }

    fn file(&self, agent: &str) -> PathBuf {
        self.directory(agent).join("log.jsonl")
    }

    /// What was logged is on the disk.
    #[track_caller]
    fn settle(&self) {
        assert!(self.logs.shared.writer.settle(Duration::from_secs(60)));
    }

    #[track_caller]
    fn page(&self, agents: &[&str], kinds: Kinds, since: Option<u64>, most: usize) -> Page {
        let agents: Vec<_> = agents.iter().map(|agent| name(agent)).collect();
        self.swarm().page(&agents, &Query { kinds, since, most }).unwrap()
    }

    /// All texts of an agent's log that there are.
    #[track_caller]
    fn texts(&self, agent: &str) -> Vec<String> {
        texts(&self.page(&[agent], Kinds::ALL, None, usize::MAX))
    }
}

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn texts(page: &Page) -> Vec<String> {
    page.rows.iter().map(|row| row.record.content.to_string()).collect()
}

fn numbers(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.record.n).collect()
}

/// Waits for what another thread does.
#[track_caller]
fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn records_are_written_and_read_as_they_are() {
    for seed in 0..2_000_u64 {
        let mut bytes: Vec<u8> =
            (0..40).map(|at| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 57)) as u8).collect();
        bytes.extend_from_slice(b" API_KEY='x' \"token\":\"y\" \x1b[1m \\ \" lga_");
        fuzz(&bytes);
    }
    let mut line = Vec::new();
    let record = Record {
        n: 7,
        seq: 3,
        unix_ms: TODAY,
        session: 2,
        voice: Voice::Said(Role::User),
        content: "a \"b\"\n\tc".into(),
        cut: true,
    };
    record.write(&mut line);
    assert_eq!(
        String::from_utf8_lossy(&line),
        "{\"n\":7,\"seq\":3,\"timestamp\":\"2026-11-22T00:00:00.000000Z\",\"session_id\":\"session-2\",\
         \"kind\":\"conversation\",\"role\":\"user\",\"content\":\"a \\\"b\\\"\\n\\tc\",\"truncated\":true}\n"
    );
    fuzz(&line);
    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
    for (from, to) in [
        ("\"n\":7", "\"n\":-7"),
        ("session-2", "session-x"),
        ("conversation", "output"),
        ("user", "owner"),
        ("2026-11-22T", "2026-11-22 "),
        ("\"seq\":3,", ""),
        ("{\"n\"", " {\"n\""),
        ("\"n\":7", "\"n\":7,\"n\":8"),
    ] {
        assert_eq!(Record::read(text.replacen(from, to, 1).as_bytes()), None, "{to}");
    }
}

#[test]
fn what_is_held_of_a_log_is_bounded_and_a_flood_of_output_leaves_half_to_the_conversation() {
    let logs = Logs::new(ManualClock::at(TODAY), None);
    let log = logs.of(&name("s")).agent(&name("a"));
    let size = |log: &Log| log.held().iter().flatten().map(|record| record.size()).sum::<usize>();
    for at in 0..500 {
        log.said(Role::User, &format!("{at:>1000}"));
        assert!(size(&log) <= limits::LOG_MEMORY);
    }
    let before = log.held()[0].len();
    for _ in 0..5_000 {
        log.printed(Stream::Out, b"flood", false);
        assert!(size(&log) <= limits::LOG_MEMORY);
    }
    let [said, printed] = log.held();
    assert!(said.len() >= before / 2 - 1 && printed.len() > 500, "{} {}", said.len(), printed.len());
    assert!(said.last().unwrap().content.ends_with("499"), "the newest are kept");
    log.said(Role::Assistant, &"x".repeat(limits::TURN_TEXT));
    assert!(size(&log) <= limits::LOG_MEMORY);
}

#[test]
fn little_is_held_of_the_logs_of_a_swarm_at_rest() {
    let logs = Logs::new(ManualClock::at(TODAY), None);
    let swarm = logs.of(&name("s"));
    let log = swarm.agent(&name("a"));
    (0..500).for_each(|at| log.said(Role::User, &format!("{at:>1000}")));
    swarm.rest();
    let held: usize = log.held().iter().flatten().map(|record| record.size()).sum();
    assert!(held <= limits::LOG_AT_REST && held > limits::LOG_AT_REST / 2);
    assert!(log.held()[0].last().unwrap().content.ends_with("499"));
}

#[test]
fn numbers_rise_over_all_agents_and_over_restarts_whatever_the_clock_does() {
    let mut rig = Rig::new();
    let (a, b) = (rig.agent("a"), rig.agent("b"));
    for at in 0..50 {
        if at % 2 == 0 { &a } else { &b }.said(Role::User, &at.to_string());
    }
    let first = numbers(&rig.page(&["a", "b"], Kinds::ALL, None, 100).rows);
    assert!(first.len() == 50 && first.is_sorted_by(|one, other| one < other));
    rig.again();
    // Set back by an hour while it was down.
    rig.clock = ManualClock::at(TODAY - 3_600_000);
    rig.killed();
    // As a swarm does when it starts: before the first word.
    let (a, _b) = (rig.agent("a"), rig.agent("b"));
    a.said(Role::User, "later");
    let all = numbers(&rig.page(&["a", "b"], Kinds::ALL, None, 100).rows);
    assert!(all.starts_with(&first) && all.last() > first.last() && all.len() == 51);
}

#[test]
fn a_session_is_one_run_and_their_numbers_go_on_over_restarts() {
    let mut rig = Rig::new();
    for run in 1..=3 {
        let log = rig.agent("a");
        log.begin();
        log.said(Role::User, &format!("run {run}"));
        log.begin();
        log.printed(Stream::Err, b"again", false);
        rig.again();
    }
    let sessions: Vec<_> = rig
        .page(&["a"], Kinds::ALL, None, 10)
        .rows
        .iter()
        .map(|row| row.record.to_value()["session_id"].clone())
        .collect();
    assert_eq!(sessions, (1..=6).map(|at| format!("session-{at}")).collect::<Vec<_>>());
    let shown = rig.page(&["a"], Kinds::SAID, None, 1).rows[0].record.to_value();
    assert_eq!(
        shown,
        serde_json::json!({"session_id": "session-5", "timestamp": "2026-11-22T00:00:00.000000Z", "role": "user",
                           "content": "run 3"})
    );
}

#[test]
fn who_follows_is_told_each_record_once_and_what_it_missed() {
    let rig = Rig::new();
    let (a, b) = (rig.agent("a"), rig.agent("b"));
    a.said(Role::User, "before");
    let wake = Arc::new(Wake::new().unwrap());
    let swarm = rig.swarm();
    let mut all = swarm.follow(None, Kinds::ALL, wake.clone());
    let mut said = swarm.follow(Some(name("a")), Kinds::SAID, wake);
    a.said(Role::User, "one");
    b.printed(Stream::Out, b"two", false);
    a.printed(Stream::Err, b"three", false);
    let of = |batch: &Batch| batch.rows.iter().map(|row| row.record.content.to_string()).collect::<Vec<_>>();
    assert_eq!(of(&all.next(2)), ["one", "two"]);
    assert_eq!((of(&all.next(9)), all.next(9).missed), (vec!["three".to_owned()], 0));
    assert_eq!(of(&said.next(9)), ["one"]);
    // One that comes later is followed from its first word.
    rig.agent("c").said(Role::System, "new");
    assert_eq!(of(&all.next(9)), ["new"]);
    // A flood, of which nobody read anything meanwhile.
    let (count, text) = (2 * limits::LOG_MEMORY / 1_024, "x".repeat(1_024));
    for at in 0..count {
        a.printed(Stream::Out, format!("{at} {text}").as_bytes(), false);
        if at % 64 == 0 {
            // What the disk does not take in time is lost there, and a record tells of it.
            rig.settle();
        }
    }
    let batch = all.next(usize::MAX);
    assert_eq!(batch.missed as usize + batch.rows.len(), count);
    assert!(batch.missed > 0 && numbers(&batch.rows).is_sorted());
    assert_eq!((said.next(9).missed, all.next(9).missed), (0, 0));
    // Over a stop and a start.
    swarm.rest();
    rig.agent("a").said(Role::User, "goes on");
    assert_eq!(
        (of(&all.next(9)), of(&said.next(9))),
        (vec!["goes on".to_owned()], vec!["goes on".to_owned()])
    );
    swarm.left(&name("a")).unwrap().leave();
    a.said(Role::User, "nobody's");
    assert!(of(&all.next(9)).is_empty());
    rig.logs.forget(&name("s"));
    assert!(all.next(9).gone && said.next(9).gone);
}

#[test]
fn an_idle_instance_has_no_thread_for_logs() {
    let logs = Logs::new(ManualClock::at(TODAY), None);
    logs.of(&name("s")).agent(&name("a")).said(Role::User, "x");
    logs.start().unwrap();
    let runs = || format!("{:?}", logs.shared.writer.settle(Duration::ZERO));
    assert_eq!(runs(), "true", "nothing waits for a disk");
}
