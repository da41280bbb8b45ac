//! A turn's text and where it goes.

use super::*;

fn rules() -> Rules {
    Rules { reply_to: Some(node("gw")), ..Rules::default() }
}

/// One turn with this output; the effects of its end.
fn turn_with(turn: &mut Turn, lines: &[&str], ms: u64) -> Vec<Effect> {
    turn.task("task", at(ms)).unwrap();
    for line in lines {
        turn.spoken(output(line), at(ms));
    }
    turn.spoken(Spoken::TurnComplete, at(ms))
}

/// Spec genswarms M.11.
#[test]
fn m11_a_turns_text_goes_to_reply_to_once_after_the_grace() {
    let mut turn = idle(rules());
    let effects = turn_with(&mut turn, &["> Hello", "world", ""], 0);
    assert!(replies(&effects).is_empty());
    assert!(effects.contains(&Effect::TurnDone { output: "> Hello\nworld\n".to_owned(), lost: 0 }));
    assert_eq!(turn.deadline(), Some(1_000));
    assert!(replies(&turn.tick(at(999))).is_empty());
    assert_eq!(replies(&turn.tick(at(1_000))), ["Hello\nworld"]);
    assert!(replies(&turn.tick(at(5_000))).is_empty());
}

/// Spec genswarms M.11.
#[test]
fn m11_an_explicit_send_in_the_same_turn_takes_its_place() {
    for sort in [Sort::Direct, Sort::Broadcast] {
        let mut turn = idle(rules());
        turn.task("one", at(0)).unwrap();
        assert_eq!(turn.sent(&node("gw"), "mine", sort, false, at(1)), []);
        turn.spoken(output("text"), at(2));
        let effects = turn.spoken(Spoken::TurnComplete, at(3));
        assert_eq!(events(&effects), [Name::Stdout, Name::AutoDeliverSkipped]);
        assert!(replies(&turn.tick(at(9_000))).is_empty());
        // The next turn is one of its own.
        turn_with(&mut turn, &["two"], 10_000);
        assert_eq!(replies(&turn.tick(at(11_000))), ["two"]);
    }
}

#[test]
fn a_send_within_the_grace_takes_the_texts_place_and_the_next_item_waits_for_it() {
    let mut turn = idle(rules());
    turn_with(&mut turn, &["one"], 0);
    assert!(
        said(&turn.task("next", at(100)).unwrap()).is_empty(),
        "or nobody knew which turn the send is of"
    );
    let effects = turn.sent(&node("gw"), "mine", Sort::Direct, false, at(200));
    assert_eq!((events(&effects), said(&effects)), (vec![Name::AutoDeliverSkipped], vec!["next".to_owned()]));
    assert!(replies(&turn.tick(at(9_000))).is_empty());
}

#[test]
fn asks_and_sends_to_others_do_not_take_its_place() {
    let mut turn = idle(rules());
    turn.task("one", at(0)).unwrap();
    assert_eq!(turn.sent(&node("gw"), "q", Sort::Ask, false, at(1)), []);
    assert_eq!(turn.sent(&node("b"), "x", Sort::Direct, false, at(1)), []);
    turn.spoken(output("text"), at(2));
    turn.spoken(Spoken::TurnComplete, at(3));
    assert_eq!(replies(&turn.tick(at(1_003))), ["text"]);
}

/// Spec genswarms M.11.
#[test]
fn m11_late_text_is_not_delivered() {
    let mut turn = idle(Rules { turn_timeout_ms: Some(500), ..rules() });
    turn.task("one", at(0)).unwrap();
    assert_eq!(events(&turn.tick(at(500))), [Name::TurnTimeout]);
    assert_eq!(
        (turn.state(), turn.deadline(), turn.tick(at(600))),
        (State::Working, None, vec![]),
        "told once"
    );
    turn.spoken(output("late"), at(700));
    assert_eq!(events(&turn.spoken(Spoken::TurnComplete, at(700))), [Name::Stdout, Name::AutoDeliverSkipped]);
    assert!(replies(&turn.tick(at(9_000))).is_empty());
    turn_with(&mut turn, &["in time"], 10_000);
    assert_eq!(replies(&turn.tick(at(11_000))), ["in time"]);
}

#[test]
fn a_turn_without_text_delivers_nothing() {
    let mut turn = idle(rules());
    assert_eq!(events(&turn_with(&mut turn, &[" ", ""], 0)), [Name::Stdout, Name::NoFinalText]);
    assert_eq!(turn.deadline(), None);
}

#[test]
fn a_program_that_ends_after_its_turn_still_delivers() {
    let mut turn = idle(rules());
    turn_with(&mut turn, &["last words"], 0);
    assert_eq!(replies(&turn.ended(Some(Exit::Code(0)), at(10))), ["last words"]);
    let mut turn = idle(Rules { max_turns: Some(1), ..rules() });
    turn_with(&mut turn, &["only words"], 0);
    assert_eq!(turn.task("two", at(1)), Err(Refused::Stopped));
    let effects = turn.tick(at(1_000));
    assert_eq!((replies(&effects), effects.last()), (vec!["only words".to_owned()], Some(&Effect::Stop)));
}

#[test]
fn the_last_text_of_an_agent_that_is_stopped_or_fails_after_its_turns_is_delivered() {
    let mut turn = idle(rules());
    turn_with(&mut turn, &["last words"], 0);
    assert_eq!(replies(&turn.stop(at(10))), ["last words"]);
    let mut turn = idle(Rules { max_turns: Some(1), restart: Restart::OnFailure, ..rules() });
    turn_with(&mut turn, &["only words"], 0);
    let effects = turn.ended(Some(Exit::Signal(9)), at(10));
    assert_eq!(
        (replies(&effects), events(&effects)),
        (vec!["only words".to_owned()], vec![Name::AgentStopped])
    );
    assert_eq!((turn.state(), turn.deadline()), (State::Stopped, None), "it has had its turns");
}

#[test]
fn text_before_a_turn_is_no_part_of_its_reply() {
    let mut turn = idle(rules());
    turn.spoken(output("banner"), at(0));
    assert_eq!(turn.spoken(Spoken::TurnComplete, at(0)), [], "there is no turn to end");
    turn_with(&mut turn, &["answer"], 0);
    assert_eq!(replies(&turn.tick(at(1_000))), ["answer"]);
}

#[test]
fn what_an_agent_sends_is_asked_for_and_nothing_more() {
    let mut turn = idle(Rules::default());
    let (to, content, id) = ("b".to_owned(), "x".to_owned(), "1".to_owned());
    for (spoken, effect) in [
        (
            Spoken::Send { to: to.clone(), content: content.clone() },
            Effect::Send { to: to.clone(), content: content.clone() },
        ),
        (Spoken::Broadcast { content: content.clone() }, Effect::Broadcast { content: content.clone() }),
        (
            Spoken::Ask { to: to.clone(), content: content.clone(), id: id.clone() },
            Effect::Ask { to, content, id },
        ),
    ] {
        assert_eq!(turn.spoken(spoken, at(0)), [effect]);
    }
    assert_eq!(turn.spoken(Spoken::Exit { status: 1 }, at(0)), [], "its process tells that");
    assert_eq!(events(&turn.spoken(output("HTTP 429"), at(0))), [Name::RateLimit]);
    assert_eq!(events(&turn.spoken(Spoken::Invalid { why: "x" }, at(0))), [Name::InvalidLine]);
    assert_eq!(turn.spoken(Spoken::Invalid { why: "x" }, at(999)), []);
}
