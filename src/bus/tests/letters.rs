//! Letters that arrive: who their senders are here, and what becomes of those for names that are not here.

use super::*;

const FAR_AGENT: Sender<'static> = Sender::FarAgent("writer@00000000000b");
const FAR_OWNER: Sender<'static> = Sender::FarOwner("owner@00000000000b");

impl Rig {
    fn receive(&self, sender: Sender<'_>, to: &str, id: &str, route: Route<'_>) -> Result<Sent, SendError> {
        let to = name(to);
        let message = Outgoing { route, ..Outgoing::new(&to, "text", id) };
        self.bus.receive(sender, message, &self.rooms)
    }
}

#[test]
fn a_letter_shows_the_address_to_answer_to_and_is_known_when_it_comes_again() {
    let rig = Rig::new().with_agent("near", &[], &[]).with_agent("writer", &[], &[]);
    let first = rig.receive(FAR_AGENT, "near", "1", Route::default()).expect("room");
    assert_eq!((first.outcome, first.duplicate), (SendOutcome::Waiting, false));
    let marked = Route { redelivered: true, ..Route::default() };
    let again = rig.receive(FAR_AGENT, "near", "1", marked).expect("known");
    assert_eq!((again.number, again.duplicate), (first.number, true));
    // Neither an agent here of that name nor another home gets in the way.
    assert!(!rig.send(Sender::Agent("writer"), "near", "1").expect("another's").duplicate);
    let other = Sender::FarAgent("writer@00000000000c");
    assert!(!rig.receive(other, "near", "1", marked).expect("another's").duplicate);
    let from = |at: &str| format!("writer@{at}");
    assert_eq!(
        rig.read("near"),
        [
            ("1".to_owned(), from(FAR), false),
            ("1".to_owned(), "writer".to_owned(), false),
            ("1".to_owned(), from(THIRD), true)
        ]
    );
    let rig = rig.again();
    assert!(rig.receive(other, "near", "1", marked).expect("known").duplicate, "also after a start");
}

#[test]
fn a_letter_is_typed_only_where_its_very_sender_may_type() {
    let rig = Rig::new().with_agent("open", &["writer@00000000000b", "owner@00000000000b"], &[]).with_agent(
        "wrong",
        &["writer", "owner", "writer@00000000000c"],
        &[],
    );
    for sender in [FAR_AGENT, FAR_OWNER] {
        let id = format!("{sender:?}");
        let sent = rig.receive(sender, "open", &id, Route::default()).expect("typed");
        assert_eq!(sent.outcome, SendOutcome::Delivered);
        let sent = rig.receive(sender, "wrong", &id, Route::default()).expect("room");
        assert_eq!(sent.outcome, SendOutcome::Waiting, "{id}");
    }
    assert_eq!(
        rig.typed(),
        ["block of open: @writer@00000000000b: text", "block of open: @owner@00000000000b: text"]
    );
    let injected = rig.inject(FAR_AGENT, "wrong", None);
    assert_eq!(injected.result, Err(InjectError::NotAllowed));
    assert_eq!(rig.inject(FAR_AGENT, "open", None).result, Ok(false));
    assert_eq!(rig.inject(FAR_OWNER, "wrong", None).result, Ok(false), "the owner may, wherever he is");
    assert_eq!(rig.typed()[2..], ["block of open: @writer@00000000000b: text", "block of wrong: text"]);
}

#[test]
fn what_may_have_been_typed_before_is_typed_marked() {
    let rig = Rig::new().with_agent("open", &["writer@00000000000b"], &[]);
    let route = Route { redelivered: true, ..Route::default() };
    rig.receive(FAR_AGENT, "open", "1", route).expect("typed");
    let ask = Inject {
        target: "open",
        message: "text",
        source: None,
        request_id: "r",
        submit: None,
        hold: None,
        route,
    };
    assert_eq!(rig.bus.inject(FAR_OWNER, ask, &rig.rooms).result, Ok(false));
    assert_eq!(
        rig.typed(),
        ["block of open: [redelivered] @writer@00000000000b: text", "block of open: [redelivered] text"]
    );
}

#[test]
fn a_letter_for_a_name_that_is_not_here_is_handed_on_at_once_or_not_at_all() {
    let rig = Rig::new().with("moved", THIRD);
    let path = ["first".to_owned(), "second".to_owned()];
    let route = Route { path: &path, hops: 2, redelivered: true };
    let sent = rig.receive(FAR_AGENT, "moved", "1", route).expect("taken");
    assert_eq!((sent.outcome, sent.home), (SendOutcome::Queued, Some(home(THIRD))), "the last one's word");
    let came = rig.letter(0);
    assert_eq!(came.caller, format!("agent writer of {FAR}"), "its sender stays who he is");
    assert_eq!((came.hops, came.redelivered), (2, true));
    for mood in [Mood::Away(NotReached::Gone), Mood::Silent, Mood::Refuses("mailbox_full", false)] {
        rig.is(THIRD, mood);
        assert!(matches!(rig.receive(FAR_AGENT, "moved", "2", route), Err(SendError::NotForwarded(_))));
    }
    let nobody = rig.receive(FAR_OWNER, "nobody", "3", route).expect_err("nobody has it");
    assert_eq!(nobody.answer().1, "agent_not_found");
    assert_eq!(rig.bus.mail.waiting_in_all().0, 0, "nothing is kept in between");
}

#[test]
fn agents_of_other_instances_have_shares_and_rates_as_agents_here() {
    let rig = Rig::new().with_agent("near", &[], &[]);
    let mut refused = 0;
    for n in 0..limits::SENDS_PER_AGENT + 5 {
        let result = rig.receive(FAR_AGENT, "near", &n.to_string(), Route::default());
        refused += usize::from(matches!(result, Err(SendError::RateLimited(_))));
    }
    assert_eq!(refused, 5);
    assert!(rig.receive(Sender::FarAgent("writer@00000000000c"), "near", "x", Route::default()).is_ok());
    for n in 0..2 * limits::MAILBOX_AGENT {
        rig.clock.advance(1_000);
        if let Err(SendError::Mail(error)) =
            rig.receive(FAR_AGENT, "near", &format!("m{n}"), Route::default())
        {
            assert_eq!(error.answer().1, "sender_share_full");
            return;
        }
    }
    panic!("it fills the mailbox alone");
}

#[test]
fn the_owner_of_another_instance_is_not_the_owner_here() {
    let rig = Rig::new().with_agent("near", &[], &[]);
    let mut codes = Vec::new();
    for n in 0..limits::SENDS_FAR + 1 {
        let shown = format!("owner@{n:012x}");
        if let Err(error) = rig.receive(Sender::FarOwner(&shown), "near", "1", Route::default()) {
            codes.push((n, error.answer().1));
        }
    }
    assert_eq!(codes, [(limits::SENDS_FAR, "rate_limited")], "homes that are made up are no new senders");
    rig.clock.advance(1_000);
    let full = rig.receive(FAR_OWNER, "near", "2", Route::default()).expect_err("its share is used up");
    assert_eq!(full.answer().1, "sender_share_full");
    assert!(rig.send(Sender::Owner(""), "near", "3").is_ok());
    // What he sent and waits is typed in the share of those who are not the owner.
    let rig = Rig::new().with_agent("open", &["owner@00000000000b"], &[]);
    for n in 0..limits::INJECT_PER_TARGET {
        assert!(rig.receive(FAR_OWNER, "open", &n.to_string(), Route::default()).is_ok());
    }
    let to = name("open");
    let found = rig.bus.mail.next_for_typing(&to, &|caller| caller == "owner@00000000000b");
    assert_eq!(found, None, "all is typed");
    let waits = Outgoing::new(&to, "text", "waits");
    rig.bus.mail_only(FAR_OWNER, waits, &rig.rooms).expect("room");
    let found = rig.bus.mail.next_for_typing(&to, &|caller| caller == "owner@00000000000b");
    assert_eq!(found.map(|(_, of_agent)| of_agent), Some(true));
}

/// AgentMux has the peer key and does not say who in it writes: that is nobody of ours.
#[test]
fn what_a_peer_lets_type_elsewhere_is_not_said_to_be_the_owners() {
    let rig = Rig::new().with("far", FAR);
    for (sender, caller) in [
        (Sender::Peer, "peer"),
        (Sender::Owner("x"), "owner"),
        (Sender::Api, "api"),
        (Sender::FarOwner("peer@00000000000c"), "peer"),
    ] {
        let at = if let Sender::FarOwner(_) = sender { THIRD } else { OWN };
        let seen = rig.came().len();
        assert!(rig.inject(sender, "far", None).result.is_ok(), "{sender:?}");
        assert_eq!(rig.letter(seen).caller, format!("{caller} of {at}"));
    }
}

/// An agent here that appears between two looks: nobody knows it at the first.
struct Appearing<'a> {
    rig: &'a Rig,
    looks: Mutex<usize>,
}

impl Terminals for Appearing<'_> {
    fn deliver(&self, block_id: &str, text: &str, submit: Option<Submit>) -> Option<Delivery> {
        self.rig.rooms.deliver(block_id, text, submit)
    }

    fn offer(&self, block_id: &str, text: &str, within: Duration) -> Option<Offer> {
        self.rig.rooms.offer(block_id, text, within)
    }

    fn terminal(&self, agent: &AgentId) -> Option<Terminal> {
        self.rig.rooms.terminal(agent)
    }

    fn may_type_into(&self, agent: &AgentId) -> Vec<String> {
        self.rig.rooms.may_type_into(agent)
    }

    fn knows(&self, agent: &AgentId) -> bool {
        let mut looks = self.looks.lock().expect("no panic");
        *looks += 1;
        if *looks > 1 {
            let mut state = self.rig.bus.state();
            state.directory.register(agent.clone(), "block of new", None, 0).expect("room");
        }
        *looks > 1
    }

    fn running(&self) -> Vec<AgentId> {
        self.rig.rooms.running()
    }
}

#[test]
fn an_agent_that_appears_in_the_moment_is_typed_into_by_those_it_accepts_alone() {
    for (sender, accepts, allowed) in [
        (Sender::Agent("near"), "", false),
        (FAR_AGENT, "writer", false),
        (Sender::Agent("near"), "near", true),
        (FAR_AGENT, "writer@00000000000b", true),
    ] {
        let rig = Rig::new().with_agent("near", &[], &[]).with_agent("new", &[accepts], &[]);
        rig.bus.state().directory.unregister("new");
        let ask = Inject {
            target: "new",
            message: "text",
            source: None,
            request_id: "r",
            submit: None,
            hold: None,
            route: Route::default(),
        };
        let appearing = Appearing { rig: &rig, looks: Mutex::new(0) };
        let result = rig.bus.inject(sender, ask, &appearing).result;
        assert_eq!(result.is_ok(), allowed, "{sender:?} {accepts} {result:?}");
        assert_eq!(rig.typed().is_empty(), !allowed);
    }
}

#[test]
fn what_is_over_a_rate_is_not_looked_for_in_the_registry() {
    let rig = Rig::new().with_agent("near", &[], &[]).with("moved", THIRD);
    let agent = Sender::Agent("near");
    for n in 0..limits::SENDS_PER_AGENT {
        let _ = rig.send(agent, "nobody", &n.to_string());
    }
    let looks = rig.looks();
    assert!(matches!(rig.send(agent, "moved", "x"), Err(SendError::RateLimited(_))));
    let to = name("moved");
    let ask = Ask {
        to: &to,
        home: None,
        hold: None,
        text: "?",
        id: "q",
        correlation_id: None,
        timeout_ms: Some(1),
        priority: mail::Priority::Normal,
    };
    let asked = rig.bus.ask(agent, ask, &rig.rooms, &|| false);
    assert!(matches!(asked, Err(AskError::Send(SendError::RateLimited(_)))));
    assert!(matches!(rig.inject(agent, "moved", None).result, Err(InjectError::RateLimited(_))));
    assert_eq!(rig.looks(), looks);
}

#[test]
fn the_owner_elsewhere_is_answered_where_he_is() {
    let rig = Rig::new().with("any", FAR).with_agent("near", &[], &[]);
    let sent = rig.send(Sender::Agent("near"), &format!("owner@{FAR}"), "1").expect("taken");
    assert_eq!(sent.outcome, SendOutcome::Forwarded);
    assert_eq!(rig.letter(0).to, format!("owner@{FAR}"));
    assert!(rig.send(Sender::Agent("near"), &format!("owner@{THIRD}"), "2").is_err());
    assert!(rig.receive(FAR_AGENT, "owner", "3", Route::default()).is_ok(), "and he of here is here");
    assert_eq!(rig.read("owner").len(), 1);
}

#[test]
fn a_letter_that_names_this_home_goes_to_no_other() {
    let rig = Rig::new().with("moved", THIRD).with_agent("near", &[], &[]);
    let receive = |to: &str, id| {
        let to = Address::parse(to).expect("an address");
        let message = Outgoing { home: to.home.as_ref(), ..Outgoing::new(&to.name, "text", id) };
        rig.bus.receive(FAR_AGENT, message, &rig.rooms)
    };
    let refused = receive(&format!("moved@{OWN}"), "1").expect_err("it is not here");
    assert_eq!(refused.answer().1, "agent_not_found");
    let injected = rig.inject(FAR_OWNER, &format!("moved@{OWN}"), None);
    assert_eq!(injected.result, Err(InjectError::NotFound));
    assert_eq!(rig.came(), []);
    assert!(receive("moved", "2").is_ok(), "without a home it is for whoever has the name");
    assert!(receive(&format!("near@{OWN}"), "3").is_ok());
    assert!(receive("near", "3").is_ok_and(|again| again.duplicate), "it is the same one");
}

#[test]
fn a_letter_for_an_address_says_which_home_it_is_for() {
    let rig = Rig::new().with("far", FAR);
    rig.send(OWNER, &format!("far@{FAR}"), "1").expect("taken");
    rig.send(OWNER, "far", "2").expect("taken");
    rig.inject(OWNER, &format!("far@{FAR}"), None);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, &format!("far@{FAR}"), "3").expect("held");
    rig.is(FAR, Mood::Takes);
    rig.clock.advance(limits::HELD_PAUSE_MS);
    rig.forwards(1);
    let at: Vec<Option<HomeId>> = rig.others.told().came.iter().map(|came| came.at.clone()).collect();
    assert_eq!(at, [Some(home(FAR)), None, Some(home(FAR)), Some(home(FAR))]);
}

#[test]
fn what_agentmux_sends_without_hops_is_not_sent_to_its_kind() {
    let rig = Rig::new().with_agentmux("mux", FAR).with("far", THIRD);
    let answer = rig.inject(Sender::Peer, "mux", None);
    assert!(matches!(&answer.result, Err(InjectError::NotForwarded(why)) if why.code == "forward_loop"));
    assert_eq!(rig.came(), []);
    assert!(rig.inject(Sender::Peer, "far", None).result.is_ok(), "it may go where hops are counted");
    assert!(rig.inject(OWNER, "mux", None).result.is_ok());
}
