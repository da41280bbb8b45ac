//! States, the inbox, and what ends an agent.

use super::*;

const FULL: Result<(), Refused> = Err(Refused::InboxFull);

fn task(turn: &mut Turn, content: &str, ms: u64) -> Vec<Effect> {
    turn.task(content, at(ms)).unwrap()
}

fn message(turn: &mut Turn, content: &str, ms: u64) -> Vec<Effect> {
    let (result, effects) = turn.message("b", content, at(ms));
    assert_eq!(result, Ok(()));
    effects
}

fn complete(turn: &mut Turn, ms: u64) -> Vec<Effect> {
    turn.spoken(Spoken::TurnComplete, at(ms))
}

#[test]
fn a_task_is_said_at_once_and_the_next_when_the_turn_is_over() {
    let mut turn = idle(Rules::default());
    let effects = task(&mut turn, "one", 1);
    assert_eq!((said(&effects), events(&effects)), (vec!["one".to_owned()], vec![Name::TaskSent]));
    assert_eq!(turn.state(), State::Working);
    assert!(said(&task(&mut turn, "two", 2)).is_empty());
    assert_eq!(turn.facts().inbox_size, 1);
    assert_eq!(said(&complete(&mut turn, 3)), ["two"]);
    assert!(said(&complete(&mut turn, 4)).is_empty());
    assert_eq!(turn.state(), State::Idle);
}

/// The seed said a message to an idle agent, and again after its turn (spec genswarms L.2).
#[test]
fn m11_a_message_to_an_idle_agent_is_said_once() {
    let mut turn = idle(Rules::default());
    let effects = message(&mut turn, "x", 1);
    assert_eq!((said(&effects), events(&effects)), (vec!["b: x".to_owned()], vec![Name::MessageDelivered]));
    assert_eq!(turn.facts().inbox_size, 0);
    for ms in 2..5 {
        assert!(said(&complete(&mut turn, ms)).is_empty());
        assert!(said(&turn.tick(at(ms))).is_empty());
    }
}

/// Spec genswarms M.11.
#[test]
fn m11_the_1001st_task_is_inbox_full() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "under way", 0);
    for at in 0..limits::SWARM_INBOX {
        if at % 2 == 0 {
            task(&mut turn, "t", 0)
        } else {
            message(&mut turn, "m", 0)
        };
    }
    assert_eq!(turn.task("one more", at(0)), Err(Refused::InboxFull));
    let (result, effects) = turn.message("b", "one more", at(0));
    assert_eq!((result, events(&effects)), (FULL, vec![Name::InboxFull]));
    assert_eq!(turn.facts().inbox_size, limits::SWARM_INBOX);
    complete(&mut turn, 1);
    assert!(turn.task("room", at(1)).is_ok());
}

#[test]
fn an_accepted_item_that_could_not_be_said_is_not_lost_where_its_place_was_taken() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "first", 0);
    for _ in 0..limits::SWARM_INBOX {
        task(&mut turn, "t", 0);
    }
    let effects = turn.not_said(Item::Task { content: "first".to_owned() }, 1, at(1));
    assert!(events(&effects).is_empty());
    assert_eq!(turn.facts().inbox_size, limits::SWARM_INBOX + 1);
    assert_eq!(turn.task("one more", at(1)), Err(Refused::InboxFull));
    assert_eq!(said(&turn.tick(at(10_000))), ["first"]);
    assert_eq!(turn.task("one more", at(10_000)), Err(Refused::InboxFull));
}

#[test]
fn an_inbox_is_bounded_in_bytes() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "under way", 0);
    let big = "x".repeat(limits::SWARM_MESSAGE);
    for _ in 0..limits::SWARM_INBOX_BYTES / limits::SWARM_MESSAGE {
        task(&mut turn, &big, 0);
    }
    assert_eq!(turn.task("x", at(0)), Err(Refused::InboxFull));
    assert_eq!(turn.message("b", "", at(0)).0, FULL);
    complete(&mut turn, 1);
    assert!(turn.task(&big, at(1)).is_ok());
}

#[test]
fn a_text_over_its_limit_is_refused_whoever_sends_it() {
    let mut turn = idle(Rules::default());
    let long = "x".repeat(limits::SWARM_MESSAGE + 1);
    assert_eq!(turn.task(&long, at(0)), Err(Refused::TooLong));
    let (result, effects) = turn.message("b", &long, at(0));
    assert_eq!((result, events(&effects)), (Err(Refused::TooLong), vec![Name::MessageDropped]));
    assert_eq!(turn.state(), State::Idle);
}

/// Spec genswarms B.1: the words of a task's refusal.
#[test]
fn m11_a_task_is_refused_by_the_agents_state() {
    let mut turn = agent(Rules::default());
    assert_eq!(turn.task("x", at(0)), Err(Refused::Initializing));
    assert_eq!(turn.message("b", "waits", at(0)).0, Ok(()));
    assert_eq!(said(&turn.started(at(1))), ["b: waits"]);
    let mut broken = agent(Rules::default());
    assert_eq!(events(&broken.failed("No such file or directory", at(0))), [Name::AgentError]);
    assert_eq!((broken.state(), broken.task("x", at(0))), (State::Error, Err(Refused::Error)));
    assert_eq!(broken.message("b", "x", at(0)).0, Err(Refused::Error));
    assert_eq!(events(&turn.stop(at(2))), [Name::AgentStopped]);
    assert_eq!((turn.state(), turn.task("x", at(2))), (State::Stopped, Err(Refused::Stopped)));
    let words =
        [Refused::Error, Refused::Stopped, Refused::Initializing, Refused::InboxFull].map(Refused::as_str);
    assert_eq!(words, ["agent_error", "agent_stopped", "agent_initializing", "inbox_full"]);
}

/// Spec genswarms M.11 and E.6.
#[test]
fn m11_a_send_that_expects_an_answer_holds_tasks_back() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 0);
    assert_eq!(turn.sent(&node("counter"), "get", Sort::Direct, true, at(10)), []);
    task(&mut turn, "two", 10);
    assert!(said(&complete(&mut turn, 20)).is_empty(), "the task waits");
    assert_eq!(turn.state(), State::Idle);
    assert_eq!(
        said(&message(&mut turn, "answer", 30)),
        ["b: answer"],
        "a message does not, and opens the gate"
    );
    assert_eq!(said(&complete(&mut turn, 40)), ["two"]);
    // Nothing comes: 90 s, no more and no less.
    assert_eq!(turn.sent(&node("counter"), "get", Sort::Broadcast, true, at(50)), []);
    complete(&mut turn, 60);
    task(&mut turn, "three", 70);
    assert_eq!(turn.deadline(), Some(50 + limits::REPLY_WAIT_MS));
    assert!(said(&turn.tick(at(49 + limits::REPLY_WAIT_MS))).is_empty());
    assert_eq!(said(&turn.tick(at(50 + limits::REPLY_WAIT_MS))), ["three"]);
    assert_eq!(turn.deadline(), None);
}

#[test]
fn m11_asks_and_sends_without_a_way_back_hold_nothing() {
    let mut turn = idle(Rules::default());
    assert_eq!(turn.sent(&node("counter"), "get", Sort::Ask, true, at(0)), []);
    assert_eq!(turn.sent(&node("metrics"), "x", Sort::Direct, false, at(0)), []);
    assert_eq!(said(&task(&mut turn, "one", 0)), ["one"]);
}

#[test]
fn a_paused_agent_is_told_nothing_and_no_time_passes_for_it() {
    let rules = Rules { turn_timeout_ms: Some(100), ..Rules::default() };
    let mut turn = idle(rules);
    turn.pause(at(0));
    assert!(said(&task(&mut turn, "one", 1)).is_empty() && said(&message(&mut turn, "x", 1)).is_empty());
    turn.pause(at(2));
    assert!(turn.facts().paused && turn.deadline().is_none() && turn.tick(at(500)).is_empty());
    assert_eq!(said(&turn.resume(at(1_000))), ["one"]);
    assert!(turn.resume(at(1_000)).is_empty());
    assert_eq!(turn.deadline(), Some(1_100));
    turn.pause(at(1_050));
    assert!(said(&complete(&mut turn, 1_060)).is_empty(), "what was on its way still ends the turn");
    assert_eq!(said(&turn.resume(at(9_000))), ["b: x"]);
    turn.pause(at(9_050));
    turn.resume(at(20_000));
    assert_eq!(turn.deadline(), Some(20_050));
}

#[test]
fn after_its_turns_an_agent_is_stopped() {
    let mut turn = idle(Rules { max_turns: Some(2), restart: Restart::OnFailure, ..Rules::default() });
    task(&mut turn, "one", 0);
    task(&mut turn, "two", 0);
    task(&mut turn, "three", 0);
    assert_eq!(said(&complete(&mut turn, 1)), ["two"]);
    let effects = complete(&mut turn, 2);
    assert_eq!(events(&effects), [Name::Stdout, Name::AgentStopped, Name::InboxDropped]);
    assert_eq!(effects.last(), Some(&Effect::Stop));
    assert_eq!((turn.state(), turn.facts().inbox_size), (State::Stopped, 0));
    assert_eq!(turn.ended(Some(Exit::Signal(9)), at(3)), []);
    turn.restarted(at(4));
    turn.started(at(5));
    assert_eq!(said(&task(&mut turn, "four", 6)), ["four"], "by order it has its turns anew");
}

#[test]
fn an_exit_stops_an_agent_and_tells_how_and_what_it_said_last() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 0);
    message(&mut turn, "x", 0);
    turn.spoken(output("half an answer"), at(1));
    turn.spoken(Spoken::Log { content: "panic".to_owned() }, at(1));
    let effects = turn.ended(Some(Exit::Code(3)), at(2));
    assert_eq!(events(&effects), [Name::AgentStopped, Name::InboxDropped]);
    let Effect::Event(draft) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((draft.level, &draft.metadata["exit_status"]), (Level::Warning, &Value::from(3)));
    assert_eq!(draft.metadata["last_output"], "half an answer\npanic");
    assert_eq!(turn.state(), State::Stopped);
    for effects in
        [turn.ended(None, at(3)), turn.spoken(output("late"), at(3)), turn.tick(at(9)), turn.stop(at(9))]
    {
        assert_eq!(effects, []);
    }
    assert_eq!(turn.deadline(), None);
}

#[test]
fn a_failed_program_is_started_again_with_what_waits_for_it() {
    let mut turn = idle(Rules { restart: Restart::OnFailure, ..Rules::default() });
    task(&mut turn, "one", 0);
    message(&mut turn, "x", 0);
    assert_eq!(events(&turn.ended(Some(Exit::Signal(11)), at(100))), [Name::AgentRestarting]);
    assert_eq!((turn.state(), turn.deadline()), (State::Initializing, Some(1_100)));
    assert_eq!(turn.task("y", at(200)), Err(Refused::Initializing));
    assert_eq!(turn.tick(at(1_099)), []);
    assert_eq!(turn.tick(at(1_100)), [Effect::Restart]);
    assert_eq!(turn.tick(at(1_200)), []);
    assert_eq!(said(&turn.started(at(1_300))), ["b: x"], "the turn under way is lost, not said twice");
    assert_eq!(events(&turn.ended(Some(Exit::Code(0)), at(1_400))), [Name::AgentStopped], "it did not fail");
}

#[test]
fn a_program_that_fails_ten_times_in_a_row_is_given_up() {
    let mut turn = idle(Rules { restart: Restart::OnFailure, ..Rules::default() });
    let mut now = 0;
    for round in 0..limits::SWARM_RESTARTS {
        assert_eq!(events(&turn.ended(Some(Exit::Code(1)), at(now))), [Name::AgentRestarting], "{round}");
        now = turn.deadline().unwrap();
        assert_eq!(turn.tick(at(now)), [Effect::Restart]);
        if round % 2 == 0 {
            turn.started(at(now));
        } else {
            assert_eq!(turn.state(), State::Initializing, "it fails as it starts");
        }
    }
    assert_eq!(events(&turn.failed("gone", at(now))), [Name::AgentError]);
    assert_eq!((turn.state(), turn.deadline()), (State::Error, None));
}

#[test]
fn an_item_that_cannot_be_said_comes_again_first() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 0);
    task(&mut turn, "two", 0);
    let one = Item::Task { content: "one".to_owned() };
    assert_eq!(turn.not_said(one, 1, at(10)), [Effect::State(State::Idle)]);
    assert_eq!((turn.state(), turn.facts().inbox_size), (State::Idle, 2));
    assert!(said(&complete(&mut turn, 20)).is_empty() && said(&task(&mut turn, "three", 20)).is_empty());
    assert_eq!(turn.deadline(), Some(1_010));
    assert_eq!(said(&turn.tick(at(1_010))), ["one"]);
    assert_eq!(said(&complete(&mut turn, 1_020)), ["two"]);
}

#[test]
fn a_restart_by_order_forgets_the_failures_before_it() {
    let mut turn = idle(Rules { restart: Restart::OnFailure, ..Rules::default() });
    let mut now = 0;
    for pause in [1_000, 2_000, 4_000] {
        turn.ended(Some(Exit::Code(1)), at(now));
        assert_eq!(turn.deadline(), Some(now + pause));
        now += pause;
        turn.tick(at(now));
        turn.started(at(now));
    }
    turn.restarted(at(now));
    turn.started(at(now));
    turn.ended(Some(Exit::Code(1)), at(now));
    assert_eq!(turn.deadline(), Some(now + 1_000));
}

#[test]
fn an_item_of_an_earlier_turn_that_could_not_be_said_ends_no_later_one() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 0);
    turn.restarted(at(1));
    turn.started(at(2));
    assert_eq!(said(&task(&mut turn, "two", 3)), ["two"]);
    assert_eq!(turn.not_said(Item::Task { content: "one".to_owned() }, 1, at(4)), []);
    assert_eq!(turn.state(), State::Working);
    assert!(said(&turn.tick(at(10_000))).is_empty(), "one at a time");
    assert_eq!(said(&complete(&mut turn, 10_001)), ["one"]);
}

#[test]
fn an_agent_that_is_over_says_nothing_more() {
    let mut turn = idle(Rules::default());
    turn.stop(at(1));
    for spoken in [
        Spoken::Send { to: "b".to_owned(), content: "x".to_owned() },
        Spoken::Broadcast { content: "x".to_owned() },
        Spoken::Ask { to: "o".to_owned(), content: "x".to_owned(), id: "i".to_owned() },
        output("x"),
        Spoken::TurnComplete,
    ] {
        assert_eq!(turn.spoken(spoken, at(2)), []);
    }
    assert_eq!(turn.state(), State::Stopped);
}

#[test]
fn an_agent_that_has_had_its_turns_takes_nothing_while_its_last_text_waits() {
    let rules = Rules { max_turns: Some(1), reply_to: Some(node("gw")), ..Rules::default() };
    let mut turn = idle(rules);
    task(&mut turn, "one", 0);
    turn.spoken(output("text"), at(1));
    complete(&mut turn, 2);
    assert_eq!(turn.state(), State::Idle);
    assert_eq!(turn.task("two", at(3)), Err(Refused::Stopped));
    let (result, effects) = turn.message("b", "three", at(3));
    assert_eq!((result, events(&effects)), (Err(Refused::Stopped), vec![Name::MessageDropped]));
    assert_eq!(turn.facts().inbox_size, 0);
}

#[test]
fn a_terminals_turn_is_over_when_it_is_quiet() {
    let mut turn = idle(Rules { pty: true, ..Rules::default() });
    assert_eq!(turn.quiet(at(0)), []);
    task(&mut turn, "one", 1_000);
    assert_eq!(turn.spoken(Spoken::TurnComplete, at(1_001)), [], "a marker is text like any other");
    assert_eq!(turn.quiet(at(1_002)), [], "that was noticed before the task");
    assert_eq!(events(&turn.quiet(at(1_000 + limits::QUIET_MS))), [Name::Stdout]);
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 0);
    assert_eq!(turn.quiet(at(limits::QUIET_MS)), [], "a pipe is quiet while its program thinks");
}

#[test]
fn a_history_and_a_conversation_are_kept() {
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 1);
    assert_eq!(turn.sent(&node("b"), "hello", Sort::Direct, false, at(2)), []);
    message(&mut turn, "hi", 3);
    turn.spoken(output("done"), at(4));
    complete(&mut turn, 5);
    let sorts: Vec<_> = turn.history(9).iter().map(|entry| entry["type"].clone()).collect();
    assert_eq!(sorts, ["incoming", "outgoing", "task"]);
    let said = turn.log.held()[0]
        .iter()
        .map(|record| (record.voice, record.content.to_string()))
        .collect::<Vec<_>>();
    let wanted = [(Role::User, "one"), (Role::Assistant, "done"), (Role::User, "[From b] hi")];
    assert_eq!(said, wanted.map(|(role, text)| (Voice::Said(role), text.to_owned())));
    assert_eq!(turn.facts().message_count, 3);
    assert_eq!((turn.facts().started_at, turn.facts().last_activity), (Some(0), Some(5)));
}

#[test]
fn a_broadcast_is_one_line_of_the_history() {
    let mut turn = idle(Rules::default());
    for (to, ms) in [("b", 1), ("c", 1), ("d", 1), ("b", 1), ("c", 1), ("b", 2)] {
        assert_eq!(turn.sent(&node(to), "x", Sort::Broadcast, false, at(ms)), []);
    }
    assert_eq!(turn.sent(&node("b"), "x", Sort::Direct, false, at(2)), []);
    let to: Vec<_> = turn.history(9).iter().map(|entry| entry["to"].clone()).collect();
    assert_eq!((to, turn.facts().message_count), (["b", "all", "all", "all"].map(Value::from).to_vec(), 4));
}

#[test]
fn a_flood_of_anything_takes_a_bounded_room() {
    let mut turn = idle(Rules { reply_to: Some(node("gw")), ..Rules::default() });
    task(&mut turn, "one", 0);
    let long = "\u{1f600}".repeat(16 * 1024);
    let mut told = 0;
    for round in 0..2_000 {
        for spoken in [
            output(&long),
            Spoken::Log { content: long.clone() },
            Spoken::Exit { status: i64::MIN },
            Spoken::Invalid { why: "x" },
            output("invalid_api_key 429 quota_exceeded No API key"),
        ] {
            told += turn.spoken(spoken, at(round)).len();
        }
    }
    assert_eq!(told, 4 + 2, "four kinds of trouble in a minute, a line that is none each second");
    let effects = complete(&mut turn, 2_000);
    let output = effects.iter().find_map(|effect| match effect {
        Effect::TurnDone { output, lost } => Some((output.len(), *lost)),
        _ => None,
    });
    let (kept, lost) = output.unwrap();
    assert!((limits::TURN_TEXT - 3..=limits::TURN_TEXT).contains(&kept));
    assert!(lost > 100 * limits::TURN_TEXT as u64);
    assert!(conversation(&turn).concat().len() <= limits::LOG_MEMORY);
    assert_eq!(turn.tick(at(3_000)).len(), 1, "its text is delivered, once");
}

#[test]
fn a_turns_length_is_from_what_was_said_to_its_end_without_what_it_was_held() {
    let last = |turn: &Turn| turn.took().ms.map(|ms| ms.last);
    let mut turn = idle(Rules::default());
    task(&mut turn, "one", 100);
    task(&mut turn, "two", 110);
    assert_eq!((turn.took().turns, last(&turn)), (0, None), "none is over");
    complete(&mut turn, 150);
    assert_eq!((turn.took().turns, last(&turn)), (1, Some(50)));
    // the second was said when the first was over
    turn.pause(at(160));
    turn.resume(at(1_160));
    complete(&mut turn, 1_200);
    assert_eq!((turn.took().turns, last(&turn)), (2, Some(50)));
    complete(&mut turn, 1_300);
    assert_eq!(turn.took().turns, 2, "no turn was under way");
    let mut turn = idle(Rules { pty: true, ..Rules::default() });
    task(&mut turn, "one", 100);
    turn.quiet(at(100 + 30 + limits::QUIET_MS));
    assert_eq!(last(&turn), Some(30), "in a terminal, to the last that it showed");
}
