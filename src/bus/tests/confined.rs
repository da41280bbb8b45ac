//! Text of an agent that is kept further from the machine than its target: never typed, on any way.

use super::*;

/// `near` accepts `inner`, which is confined like this; `near` like that.
fn rig(from: Confinement, to: Confinement) -> Rig {
    let rig = Rig::new().with_agent("inner", &[], &[]).with_agent("near", &["inner"], &[]);
    rig.confined("inner", from).confined("near", to)
}

const INNER: Sender<'_> = Sender::Agent("inner");

#[test]
fn text_of_a_more_confined_agent_waits_in_the_mailbox_although_it_is_named() {
    for (from, to, typed) in [
        (Confinement::None, Confinement::None, true),
        (Confinement::Sandboxed, Confinement::None, false),
        (Confinement::Isolated, Confinement::None, false),
        (Confinement::Isolated, Confinement::Sandboxed, false),
        (Confinement::Isolated, Confinement::Isolated, true),
        (Confinement::None, Confinement::Isolated, true),
    ] {
        let rig = rig(from, to);
        let sent = rig.send(INNER, "near", "1").expect("it is taken");
        let outcome = if typed { SendOutcome::Delivered } else { SendOutcome::Waiting };
        assert_eq!((sent.outcome, rig.typed().len()), (outcome, usize::from(typed)), "{from:?} {to:?}");
        // Nor later, when what waits is typed.
        rig.bus.drain(&rig.rooms);
        assert_eq!(rig.typed().len(), usize::from(typed), "{from:?} {to:?}");
        assert_eq!(rig.bus.mail.waiting_in_all().0, usize::from(!typed));
    }
}

#[test]
fn a_more_confined_agent_injects_into_no_less_confined_one() {
    let refused = rig(Confinement::Isolated, Confinement::None);
    assert!(matches!(refused.inject(INNER, "near", None).result, Err(InjectError::NotAllowed)));
    assert!(refused.typed().is_empty());
    let allowed = rig(Confinement::Isolated, Confinement::Isolated);
    assert!(allowed.inject(INNER, "near", None).result.is_ok());
    assert!(refused.inject(OWNER, "near", None).result.is_ok(), "the owner may");
}
