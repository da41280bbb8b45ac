//! Pages out of memory and files together.

use super::*;
use crate::swarm::desk::Taken;

/// An agent with `count` records of each kind, most of them on the disk alone.
fn rig(count: usize) -> Rig {
    let rig = Rig::new();
    let log = rig.agent("a");
    for at in 0..count {
        log.said(Role::User, &format!("said {at:>900}"));
        log.printed(Stream::Out, format!("printed {at:>900}").as_bytes(), false);
        if at % 50 == 0 {
            rig.settle();
        }
    }
    rig
}

fn last_word(text: &str) -> usize {
    text.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_page_of_the_newest_reaches_back_behind_what_is_in_memory() {
    let rig = rig(500);
    for most in [1, 10, 130, 400, 500, 900] {
        let page = rig.page(&["a"], Kinds::SAID, None, most);
        let wanted: Vec<usize> = (500 - most.min(500)..500).collect();
        assert_eq!(texts(&page).iter().map(|text| last_word(text)).collect::<Vec<_>>(), wanted, "{most}");
        assert_eq!(page.missed, 0);
    }
    let both = rig.page(&["a"], Kinds::ALL, None, 1_000);
    assert_eq!(both.rows.len(), 1_000);
    assert!(numbers(&both.rows).is_sorted_by(|one, other| one < other));
}

#[test]
fn pages_after_a_number_lead_through_all_of_it_once_and_in_order() {
    let rig = rig(400);
    for (kinds, count) in [(Kinds::SAID, 400), (Kinds { said: false, printed: true }, 400), (Kinds::ALL, 800)]
    {
        let (mut since, mut seen) = (0, Vec::new());
        loop {
            let page = rig.page(&["a"], kinds, Some(since), 37);
            assert_eq!(page.missed, 0);
            assert!(page.rows.len() <= 37 && page.next >= since);
            since = page.next;
            if page.rows.is_empty() {
                break;
            }
            seen.extend(numbers(&page.rows));
        }
        assert_eq!(seen.len(), count);
        assert!(seen.is_sorted_by(|one, other| one < other));
    }
    // What comes behind the last page comes with the next one.
    let next = rig.page(&["a"], Kinds::ALL, Some(0), 9_999).next;
    rig.agent("a").said(Role::User, "more");
    assert_eq!(texts(&rig.page(&["a"], Kinds::ALL, Some(next), 9)), ["more"]);
    let newest = rig.page(&["a"], Kinds::ALL, None, 1);
    assert!(rig.page(&["a"], Kinds::ALL, Some(newest.next), 9).rows.is_empty());
}

#[test]
fn a_page_of_a_swarm_has_the_records_of_its_agents_in_one_order() {
    let mut rig = Rig::new();
    for _ in 0..2 {
        let _all = ["a", "b", "c"].map(|agent| rig.agent(agent));
        for at in 0..30 {
            rig.agent(["a", "b", "c"][at % 3]).said(Role::User, &at.to_string());
        }
        rig.again();
    }
    let page = rig.page(&["a", "b", "c"], Kinds::SAID, None, 40);
    let wanted: Vec<String> = (20..30).chain(0..30).map(|at| at.to_string()).collect();
    assert_eq!(texts(&page), wanted);
    let agents: Vec<&str> = page.rows.iter().take(3).map(|row| row.agent.as_str()).collect();
    assert_eq!(agents, ["c", "a", "b"]);
    assert_eq!(rig.page(&["b"], Kinds::SAID, None, 99).rows.len(), 20);
    assert!(rig.page(&[], Kinds::SAID, None, 99).rows.is_empty());
}

#[test]
fn a_page_of_logs_is_bounded_in_bytes() {
    let rig = Rig::new();
    let log = rig.agent("a");
    let text = "x".repeat(limits::LOG_TEXT);
    for _ in 0..2 * limits::LOG_PAGE_BYTES / limits::LOG_TEXT {
        log.said(Role::User, &text);
        rig.settle();
    }
    for since in [None, Some(0)] {
        let page = rig.page(&["a"], Kinds::SAID, since, 1_000);
        let bytes: usize = page.rows.iter().map(|row| row.record.size()).sum();
        assert!(
            (limits::LOG_PAGE_BYTES - 2 * text.len()..=limits::LOG_PAGE_BYTES).contains(&bytes),
            "{bytes}"
        );
    }
    let first = rig.page(&["a"], Kinds::SAID, Some(0), 1_000);
    let second = rig.page(&["a"], Kinds::SAID, Some(first.next), 1_000);
    assert_eq!(second.rows[0].record.seq, first.rows.last().unwrap().record.seq + 1);
}

#[test]
fn what_is_read_of_logs_for_one_page_is_bounded() {
    let rig = rig(300);
    rig.settle();
    let file = file::File::new(Some(rig.shelf.clone()), name("s"), name("a"));
    let count = |budget| {
        let mut count = 0;
        file.newest_first(budget, |_| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        });
        count
    };
    assert_eq!((count(0), count(usize::MAX)), (0, 600));
    assert!((50..70).contains(&count(64 * 1024)), "{}", count(64 * 1024));
    // Of two hundred agents each has its part: the newest of each are there all the same.
    let agents: Vec<String> = (0..200).map(|at| format!("a{at}")).collect();
    for agent in &agents {
        rig.agent(agent).said(Role::User, agent);
    }
    let names: Vec<&str> = agents.iter().map(String::as_str).chain(["a"]).collect();
    assert_eq!(rig.page(&names, Kinds::SAID, None, 200).rows.len(), 200);
}

#[test]
fn readers_of_files_come_one_after_the_other_and_none_waits_for_ever() {
    let rig = rig(300);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(rig.page(&["a"], Kinds::SAID, None, 300).rows.len(), 300));
        }
    });
    let held = rig.logs.shared.reading.enter(Duration::ZERO).unwrap();
    let waits = rig.logs.shared.reading.enter(Duration::ZERO);
    assert_eq!(waits.err(), Some(Taken));
    drop(held);
    assert!(rig.logs.shared.reading.enter(Duration::ZERO).is_ok());
}

#[test]
fn who_cannot_wait_is_told_to_come_back_and_gets_the_same_page() {
    let rig = rig(300);
    let query = Query { kinds: Kinds::SAID, since: None, most: 300 };
    let wanted = texts(&rig.page(&["a"], Kinds::SAID, None, 300));
    let mut look = rig.swarm().look(vec![name("a")], &query);
    let held = rig.logs.shared.reading.enter(Duration::ZERO).unwrap();
    for _ in 0..3 {
        assert!(look.page_at_once().is_err_and(|why| why == Unread::Busy), "somebody else reads");
    }
    drop(held);
    let mut page = None;
    until(|| {
        page = look.page_at_once().ok();
        page.is_some()
    });
    assert_eq!(texts(&page.unwrap()), wanted);
    // Of agents that nobody has looked at yet, and many of them.
    let mut rig = rig;
    rig.again();
    let mut look = rig.swarm().look(vec![name("a"), name("b"), name("c")], &query);
    until(|| look.page_at_once().is_ok_and(|page| texts(&page) == wanted));
}
