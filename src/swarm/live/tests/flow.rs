//! Many threads at once: order, and nothing lost or doubled, whoever does the others' work.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
};

use serde_json::json;

use super::{
    super::pass::Pass,
    rig::{Rig, local, mock, mocks, name, swarm},
};
use crate::{
    agent::{Exit, protocol::Spoken},
    swarm::{
        live::lock,
        logs::{CLEANED, Kinds, Query},
    },
    sys::poll::Wake,
};

#[test]
fn the_words_of_each_sender_keep_their_order_among_many() {
    const SENDERS: usize = 4;
    const EACH: usize = 200;
    let names: Vec<String> = (0..SENDERS).map(|at| format!("a{at}")).collect();
    let edges: Vec<String> = names.iter().map(|name| format!("{name}>z")).collect();
    let rig = Rig::new(&mocks(&format!("{} z", names.join(" ")), &edges.join(" ")));
    rig.task("z", "busy").unwrap();
    rig.program("z").heard();
    thread::scope(|scope| {
        for name in &names {
            let program = rig.program(name);
            scope.spawn(move || (0..EACH).for_each(|at| program.says(&[&format!("@z: {at}")])));
        }
    });
    let mut next = vec![0; SENDERS];
    for _ in 0..SENDERS * EACH {
        rig.program("z").done();
        let heard = rig.program("z").heard();
        let [one] = heard.as_slice() else { panic!("one at a time: {heard:?}") };
        let (from, number) = one.split_once(": ").unwrap();
        let from = names.iter().position(|name| name == from).unwrap();
        assert_eq!(number.parse(), Ok(next[from]));
        next[from] += 1;
    }
    assert_eq!(next, [EACH; SENDERS]);
}

#[test]
fn agents_that_answer_each_other_at_once_lose_nothing() {
    const HOPS: usize = 500;
    let rig = Rig::new(&mocks("a b c d", "a>b b>a c>d d>c"));
    thread::scope(|scope| {
        for (one, other) in [("a", "b"), ("c", "d")] {
            let rig = &rig;
            scope.spawn(move || {
                rig.live.message(other, one, "0").unwrap();
                for hop in 0..HOPS {
                    let (now, next) = if hop % 2 == 0 { (one, other) } else { (other, one) };
                    // Said already, or by whoever does the work of all in this moment.
                    let mut heard = Vec::new();
                    rig.until(|rig| {
                        heard.extend(rig.program(now).heard());
                        !heard.is_empty()
                    });
                    assert_eq!(heard, [format!("{next}: {hop}")]);
                    rig.program(now).says(&[&format!("@{next}: {}", hop + 1)]);
                    rig.program(now).done();
                }
            });
        }
    });
    assert_eq!(rig.events("message_dropped").len(), 0);
}

#[test]
fn changes_under_load_leave_no_message_to_a_removed_agent_and_no_trace() {
    let rig = Rig::new(&mocks("a b", "a>b"));
    thread::scope(|scope| {
        let program = rig.program("a");
        scope.spawn(move || (0..500).for_each(|at| program.says(&[&format!("@c: {at}"), "@b: x"])));
        for _ in 0..50 {
            let config = rig.live.config().agents.into_iter().find(|agent| agent.name == name("b")).unwrap();
            let c = crate::swarm::config::AgentConfig { name: name("c"), ..config };
            rig.live.add_agent(c, &[], &[name("a")]).unwrap();
            rig.live.remove_agent(&name("c")).unwrap();
        }
    });
    assert_eq!((rig.live.counts(), rig.live.topology().len()), ((2, 0), 1));
    assert!(rig.program("c").is_over());
    // 500 messages: one is being said.
    assert_eq!(rig.waiting("b"), 499);
}

#[test]
fn what_was_not_said_when_a_program_ended_is_said_to_the_next() {
    let agent = json!({"name": "b", "backend": "mock", "config": {"restart": "on-failure"}});
    let rig = Rig::new(&swarm(&[mock("a"), agent], &[], "a>b"));
    let old = rig.program("b");
    // It ends between the decision to say something and the saying.
    old.breaks.store(true, Ordering::SeqCst);
    rig.program("a").says(&["@b: one"]);
    assert!(old.is_over() && old.heard().is_empty());
    assert_eq!((rig.state("b"), rig.waiting("b")), ("initializing", 1));
    rig.passes(1_000);
    rig.until(|rig| rig.starts("b") == 2 && rig.state("b") != "initializing");
    // What was not taken once is said after a pause.
    rig.passes(1_000);
    assert_eq!(rig.hears_again("b"), ["a: one"]);
    rig.program("b").exits(Some(Exit::Code(0)));
}

#[test]
fn a_stop_while_everybody_talks_ends_and_says_nothing_more() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b b>a"));
    thread::scope(|scope| {
        for (one, other) in [("a", "b"), ("b", "a")] {
            let program = rig.program(one);
            scope.spawn(move || {
                for at in 0..300 {
                    program.says(&[&format!("@{other}: {at}")]);
                    program.done();
                }
            });
        }
        assert!(rig.live.stop(std::time::Duration::from_secs(3)));
    });
    assert!(rig.program("a").is_over() && rig.program("b").is_over());
    let before = rig.program("b").heard().len();
    rig.program("a").says(&["@b: late"]);
    assert_eq!((rig.program("b").heard().len(), before > 300), (0, false));
}

#[test]
fn what_was_said_is_in_the_log_before_anybody_is_told_what_came_of_it() {
    let rig = Rig::new(&mocks("a", ""));
    let mut follow = rig.live.log.follow(None, Kinds::SAID, Arc::new(Wake::new().unwrap()));
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let seen_then = seen.clone();
    // The program is told by the same queue as those who follow the events.
    rig.fakes.heard.then(move || {
        let rows = follow.next(9).rows;
        lock(&seen_then).extend(rows.iter().map(|row| row.record.content.to_string()));
    });
    rig.task("a", "do it").unwrap();
    assert_eq!(*lock(&seen), ["do it"]);
}

#[test]
fn what_an_agent_said_before_it_was_removed_is_in_its_log() {
    let rig = Rig::new(&mocks("a b", ""));
    let a = name("a");
    let mut pass = Pass::begin(&rig.live);
    pass.turn(&a, |turn, now| ((), turn.spoken(Spoken::Log { content: "last words".to_owned() }, now)));
    let after = pass.finish();
    // By another thread, before this one has logged it.
    rig.live.remove_agent(&a).unwrap();
    rig.live.after(after);
    let query = Query { kinds: Kinds::ALL, since: None, most: 99 };
    let page = rig.live.log.page(std::slice::from_ref(&a), &query).unwrap();
    assert!(page.rows.iter().any(|row| &*row.record.content == "last words"));
}

#[test]
fn no_text_is_cleaned_while_the_swarm_is_locked() {
    let rig = Rig::new(&mocks("a b", ""));
    let cleaned = || CLEANED.get();
    let before = cleaned();
    let mut pass = Pass::begin(&rig.live);
    let spoken = |content: &str| Spoken::Output { content: content.to_owned() };
    let (a, b) = (name("a"), name("b"));
    for (agent, spoken) in [
        (&a, spoken("outside of a turn")),
        (&b, Spoken::Log { content: "a note".to_owned() }),
        (&a, Spoken::Exit { status: 3 }),
    ] {
        pass.turn(agent, |turn, now| ((), turn.spoken(spoken, now)));
    }
    pass.turn(&a, |turn, now| ((), turn.task("do it", now).unwrap()));
    pass.turn(&a, |turn, now| ((), turn.spoken(spoken("done"), now)));
    pass.turn(&a, |turn, now| ((), turn.spoken(Spoken::TurnComplete, now)));
    pass.turn(&a, |turn, now| turn.message("b", "and this", now));
    pass.turn(&b, |turn, now| ((), turn.restarted(now)));
    let after = pass.finish();
    assert_eq!(cleaned(), before, "under the lock");
    rig.live.drain();
    rig.live.after(after);
    assert_eq!(cleaned(), before + 7, "each once, behind it");
    let query = Query { kinds: Kinds::ALL, since: None, most: 99 };
    let page = rig.live.log.page(std::slice::from_ref(&a), &query).unwrap();
    let texts: Vec<&str> = page.rows.iter().map(|row| &*row.record.content).collect();
    assert_eq!(
        texts,
        ["outside of a turn", "exit status 3", "do it", "done", "[From b] and this"],
        "in order"
    );
}
