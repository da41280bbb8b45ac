//! Backends by their names, and mocks as a swarm uses them.

use std::{
    sync::{Condvar, Mutex},
    time::Instant,
};

use serde_json::{Value, json};

use super::*;
use crate::{
    agent::{Controller, Exit, Settings, Stream},
    limits,
    sys::clock::SystemClock,
    wire::node::FullName,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Hears what an agent says, and waits for it.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Sink for Heard {
    fn line(&self, stream: Stream, line: &[u8], cut: bool) {
        assert_eq!((stream, cut), (Stream::Out, false));
        self.note(String::from_utf8_lossy(line).into_owned());
    }

    fn quiet(&self) {
        unreachable!("a mock has no terminal");
    }

    fn ended(&self, exit: Option<Exit>) {
        self.note(format!("{exit:?}"));
    }
}

impl Heard {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
        self.changed.notify_all();
    }

    /// The first `count` lines.
    #[track_caller]
    fn first(&self, count: usize) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        while lines.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain: {lines:?}");
            lines = self.changed.wait_timeout(lines, left).unwrap().0;
        }
        lines.clone()
    }
}

fn backends(most: usize) -> Backends {
    let settings = Settings { most, ..Settings::new("http://127.0.0.1:1".to_owned(), 100) };
    Backends::new(Agents::new(Arc::new(SystemClock), settings).unwrap(), Policy::default())
}

fn spec() -> MemberSpec {
    MemberSpec {
        name: FullName::parse("s/a").unwrap(),
        command: Vec::new(),
        cwd: "/".into(),
        env: Vec::new(),
        controller: Controller::Pipe,
        cage: None,
    }
}

fn mock(backends: &Backends, script: Value) -> (Arc<dyn Running>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let script = Script::parse(&script).ok();
    let started = backends.start(
        &Form::Mock,
        spec(),
        Told { script: script.as_ref(), ..Told::default() },
        heard.clone(),
    );
    (started.unwrap_or_else(|fault| panic!("{fault:?}")), heard)
}

fn task(content: &str) -> Item {
    Item::Task { content: content.to_owned() }
}

#[test]
fn backends_that_are_not_built_say_so_and_start_nothing() {
    let backends = backends(10);
    for (form, name) in [
        (json!("docker:alpine"), "docker"),
        (json!("apple_container:alpine"), "apple_container"),
        (json!("ssh:host"), "ssh"),
    ] {
        let form = Form::parse(&form).unwrap();
        let not_built = Backends::check(&form).unwrap_err();
        assert_eq!(
            not_built.to_string(),
            format!("backend {name} is not built in yet; use local, bwrap or mock")
        );
        let started = backends.start(&form, spec(), Told::default(), Arc::new(Heard::default()));
        assert_eq!(started.err(), Some(StartFault::NotBuilt(not_built)));
    }
    assert_eq!(Backends::check(&Form::Local), Ok(()));
    assert_eq!(Backends::check(&Form::Mock), Ok(()));
}

#[test]
fn a_mock_answers_from_its_script_and_begins_again() {
    let backends = backends(10);
    let (mock, heard) = mock(&backends, json!([["{from} said {content}", "{x} {{content}"], ["second"]]));
    assert_eq!(mock.say(&task("{from}")), Ok(()));
    assert_eq!(mock.say(&Item::Message { from: "b".to_owned(), content: "x\ny".to_owned() }), Ok(()));
    assert_eq!(mock.say(&Item::Message { from: "b".to_owned(), content: "x\ny".to_owned() }), Ok(()));
    let done = "<<TURN_COMPLETE>>";
    let wanted = [
        "orchestrator said {from}",
        "{x} {{from}",
        done,
        "second",
        done,
        "b said x",
        "y",
        "{x} {x",
        "y",
        done,
    ];
    assert_eq!(heard.first(wanted.len()), wanted);
    assert!(mock.end(Duration::ZERO));
    mock.begin_end();
    assert_eq!(mock.say(&task("late")), Err(Full));
    assert_eq!(heard.first(wanted.len() + 1).last().unwrap(), "Some(Code(0))");
    assert_eq!((mock.pid(), mock.block_id()), (None, None));
}

#[test]
fn a_mock_without_a_script_ends_its_turn_without_a_word() {
    let backends = backends(10);
    let (mock, heard) = mock(&backends, Value::Null);
    assert_eq!(mock.say(&task("x")), Ok(()));
    assert_eq!(mock.raw(b"y".to_vec()), Ok(()));
    assert_eq!(heard.first(2), ["<<TURN_COMPLETE>>", "<<TURN_COMPLETE>>"]);
}

#[test]
fn a_held_mock_answers_when_it_goes_on_and_its_queue_is_bounded() {
    let backends = backends(10);
    let (mock, heard) = mock(&backends, json!([["{content}"]]));
    assert!(mock.freeze());
    for at in 0..limits::SAY_QUEUE {
        assert_eq!(mock.say(&task(&at.to_string())), Ok(()));
    }
    assert_eq!(mock.say(&task("one more")), Err(Full));
    assert!(heard.lines.lock().unwrap().is_empty());
    assert!(mock.thaw());
    let lines = heard.first(2 * limits::SAY_QUEUE);
    let numbers: Vec<_> = lines.iter().step_by(2).cloned().collect();
    assert_eq!(numbers, (0..limits::SAY_QUEUE).map(|at| at.to_string()).collect::<Vec<_>>());
    // Held for good, it can still be ended.
    assert!(mock.freeze() && mock.end(Duration::ZERO));
    heard.first(lines.len() + 1);
}

#[test]
fn mocks_have_places_among_all_agents_and_give_them_back() {
    let backends = backends(2);
    let (first, heard) = mock(&backends, Value::Null);
    let (_second, _) = mock(&backends, Value::Null);
    let over = backends.start(&Form::Mock, spec(), Told::default(), Arc::new(Heard::default()));
    assert_eq!(over.err(), Some(StartFault::Start(StartError::Limit { most: 2 })));
    assert!(first.end(Duration::ZERO));
    heard.first(1);
    let (_third, _) = mock(&backends, Value::Null);
}

#[test]
fn a_mock_that_was_ended_has_no_place_however_busy_the_others_are() {
    /// Holds the thread of all mocks until the test is done with it.
    struct Slow(Mutex<std::sync::mpsc::Receiver<()>>);
    impl Sink for Slow {
        fn line(&self, _: Stream, _: &[u8], _: bool) {
            let _ = self.0.lock().unwrap().recv();
        }
        fn quiet(&self) {}
        fn ended(&self, _: Option<Exit>) {}
    }
    let backends = backends(2);
    let (done, held) = std::sync::mpsc::channel();
    let slow = backends.start(&Form::Mock, spec(), Told::default(), Arc::new(Slow(Mutex::new(held))));
    assert_eq!(slow.map(|slow| slow.say(&task("x"))), Ok(Ok(())));
    let (second, heard) = mock(&backends, Value::Null);
    assert!(second.end(Duration::ZERO) && second.end(Duration::ZERO));
    let (_third, _) = mock(&backends, Value::Null);
    drop(done);
    assert_eq!(heard.first(1), ["Some(Code(0))"]);
}

#[test]
fn an_endless_line_of_a_mock_is_cut_as_a_real_one() {
    let (text, cut) = mock::filled(&"{content}".repeat(100), "a", &"x".repeat(100_000));
    assert_eq!((text.len(), cut), (limits::AGENT_LINE, true));
    assert_eq!(mock::filled("a{content", "a", "b"), (b"a{content".to_vec(), false));
}
