//! What the commands say of agents of other instances: where a text went, why it did not, and which of
//! several was meant.
//!
//! A name that several instances have is never guessed at: whoever typed it gets the command lines to choose
//! from. Names and sentences here may come from files of others, so all of it is shown filtered.

use serde_json::Value;

use crate::{
    cli::outcome::{Exit, Failure},
    wire::address::Address,
};

/// What a name that several instances have is refused with.
const AMBIGUOUS: &str = "ambiguous_agent";

/// How its sentence begins.
const AMBIGUOUS_SENTENCE: &str = "ambiguous agent name: ";

/// What names an agent.
pub const NAMES: &str = "a name has letters, digits, `_` and `-`, at most 64, and an address `@` and the 12 hex \
                         digits of a home behind it";

/// Exit code and next step of a text that did not get to another instance, by its code.
pub fn why(code: &str) -> Option<(Exit, &'static str)> {
    const LOOK: &str = "`loopgate peers` shows the instances and what is wrong with them";
    const KEEP: &str = "try again, or send it with --hold: then it goes out when that instance takes it";
    Some(match code {
        "peer_gone" => {
            (Exit::NotRunning, "start that instance again; a message that is sent with --hold waits for it")
        }
        "peer_unreachable" | "peer_busy" | "peer_unknown" => (Exit::TryLater, KEEP),
        "peer_silent" | "peer_broke_off" => (
            Exit::TryLater,
            "it may have arrived: look there before you try again (a send with the same --id counts once)",
        ),
        "peer_impostor" => (Exit::Negative, LOOK),
        "peer_answer" => (
            Exit::Negative,
            "it may have arrived; what listens there does not answer as an instance does: `loopgate peers`",
        ),
        "forward_loop" => (Exit::Negative, LOOK),
        "peer_refused" => (Exit::Negative, "look there: `loopgate peers` says which instance it is"),
        "too_large_to_forward" => (Exit::BadData, "put the text in a file and send its name"),
        "typing_not_allowed" => (
            Exit::NotPermitted,
            "that instance takes typed text only: start the agent with --may-type-into naming the target",
        ),
        _ if code.starts_with("entry_") => (
            Exit::Negative,
            "the agent's entry in the registry does not count: `loopgate peers` says why and what to do",
        ),
        _ if code.starts_with("directory_") => {
            (Exit::Negative, "the registry's directory does not count: `loopgate peers` says what to do")
        }
        _ => return None,
    })
}

/// What happened to a text that AgentMux's sentence calls "agent not found" whatever happened.
pub fn what(code: &str) -> Option<&'static str> {
    Some(match code {
        "peer_gone" => "its instance has ended",
        "peer_unreachable" => "its instance lets nobody connect",
        "peer_impostor" => "what listens at its address is not its instance",
        "peer_busy" => "as many letters as may be are on their way to it",
        "peer_unknown" => "its instance cannot be checked",
        "peer_silent" => "its instance did not answer in time",
        "peer_broke_off" => "its instance broke the connection off",
        "peer_answer" => "its instance answered with something else",
        "forward_loop" => "it came through too many instances, or through one twice",
        _ => return None,
    })
}

/// Which agents a name may mean, where the instance says that it is not clear; empty for anything else.
pub fn candidates(code: &str, sentence: &str) -> Vec<Address> {
    if code != AMBIGUOUS && !sentence.starts_with(AMBIGUOUS_SENTENCE) {
        return Vec::new();
    }
    let words = sentence.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | ':'));
    let addresses = words.filter_map(|word| Address::parse(word.trim_matches(['.', '`'])).ok());
    let mut found: Vec<Address> = addresses.filter(|address| address.home.is_some()).collect();
    found.dedup();
    found
}

/// The refusal of a name that several instances have: the same command for each of them, to choose one.
pub fn ambiguous(verb: &str, name: &str, candidates: &[Address]) -> Failure {
    let lines = candidates.iter().map(|address| format!("loopgate {verb} {address} ...")).collect();
    Failure::new(Exit::Negative, format!("ambiguous agent name: more than one instance has {name}"))
        .next("name the one that is meant")
        .choices(lines)
}

/// A text of an answer; empty where it is none.
pub fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A flag of an answer.
pub fn is(answer: &Value, name: &str) -> bool {
    answer.get(name).and_then(Value::as_bool) == Some(true)
}

/// Whom a text went to: the address where it went to another instance, else the name.
pub fn receiver(answer: &Value, asked: &str) -> String {
    let to = match text(answer, "to") {
        "" => asked,
        to => to,
    };
    match text(answer, "home") {
        home if !home.is_empty() && !to.contains('@') && is_forwarded(answer) => format!("{to}@{home}"),
        _ => to.to_owned(),
    }
}

/// Whether another instance has a text: an inject's outcome is that instance's own word.
fn is_forwarded(answer: &Value) -> bool {
    is(answer, "forwarded") || text(answer, "outcome") == "forwarded"
}

/// Why a message for `to` is held here, in a sentence; `None` where it is not.
pub fn held(answer: &Value, to: &str) -> Option<String> {
    if !is(answer, "held") {
        return None;
    }
    let code = text(answer, "code");
    Some(match (text(answer, "error"), code) {
        // an address waits for that home alone
        (_, "agent_not_found") if to.contains('@') => {
            "held here until an agent of that name appears at that home".to_owned()
        }
        (_, "agent_not_found") => {
            "held here until an agent of that name appears, here or elsewhere".to_owned()
        }
        ("", "") => "held here until an instance takes it".to_owned(),
        ("", code) => format!("held here until an instance takes it: {code}"),
        (why, "") => format!("held here until an instance takes it: {why}"),
        (why, code) => format!("held here until an instance takes it: {why} [{code}]"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::{NotReached, Unsure};

    #[test]
    fn each_reason_why_a_text_did_not_get_there_has_an_exit_code_and_a_next_step() {
        let not_reached = [
            NotReached::Gone,
            NotReached::NoConnection,
            NotReached::Impostor,
            NotReached::Busy,
            NotReached::Loop,
            NotReached::TooLarge,
            NotReached::Unknown,
        ];
        let unsure = [Unsure::Silent, Unsure::Broken, Unsure::Junk];
        for code in not_reached.map(NotReached::code).into_iter().chain(unsure.map(Unsure::code)) {
            assert!(why(code).is_some_and(|(_, next)| !next.is_empty()), "{code}");
        }
        assert!(
            why("agent_not_found").is_none() && why("entry_mode").is_some() && why("peer_refused").is_some()
        );
    }

    #[test]
    fn the_agents_that_an_ambiguous_name_may_mean_are_read_from_the_sentence_and_nothing_else_is() {
        let sentence = "ambiguous agent name: a@0123456789ab, a@00000000000f, a@x, \u{1b}]0;t, `rm -rf`.";
        let found: Vec<String> = candidates("", sentence).iter().map(Address::to_string).collect();
        assert_eq!(found, ["a@0123456789ab", "a@00000000000f"]);
        assert!(candidates("", "agent not found: a@0123456789ab").is_empty());
        assert!(candidates(AMBIGUOUS, "say which: a").is_empty());
        assert_eq!(candidates(AMBIGUOUS, "a@0123456789ab or a@00000000000f").len(), 2);
    }

    #[test]
    fn where_a_text_went_and_why_it_is_held_is_said() {
        let forwarded = json!({"to": "a", "home": "0123456789ab", "outcome": "forwarded"});
        assert_eq!(receiver(&forwarded, "a"), "a@0123456789ab");
        assert_eq!(receiver(&json!({"outcome": "waiting", "home": "0123456789ab"}), "b"), "b");
        let typed = json!({"home": "0123456789ab", "outcome": "queued", "forwarded": true});
        assert_eq!(receiver(&typed, "a"), "a@0123456789ab");
        assert_eq!(held(&forwarded, "a"), None);
        let why = json!({"held": true, "code": "peer_gone", "error": "it has ended"});
        assert!(held(&why, "a").is_some_and(|text| text.ends_with("it has ended [peer_gone]")));
        let nobody = json!({"held": true, "code": "agent_not_found", "error": "agent not found: a"});
        assert!(held(&nobody, "a").is_some_and(|text| text.ends_with("appears, here or elsewhere")));
        assert!(held(&nobody, "a@0123456789ab").is_some_and(|text| text.ends_with("appears at that home")));
    }
}
