//! What the audit says of messages that leave: where they went, or why not, without their words.

use std::time::Instant;

use super::*;
use crate::bus::audit::Query;

#[test]
fn what_leaves_is_held_or_is_refused_is_in_the_audit_with_home_and_code_and_without_its_words() {
    let rig = Rig::new().with("far", FAR).with_agentmux("mux", THIRD).with_agent("near", &[], &[]);
    let keys = (Secret::new(b"k".to_vec()), [7; 32]);
    let clock = Arc::clone(&rig.clock);
    let (audit, _) =
        Audit::open(Model::new().disk(), Settings::default(), keys, clock as _, "i").expect("opens");
    audit.start().expect("a thread");
    let bus = bus_with(&rig.disk, &rig.clock, Arc::clone(&rig.others) as _, Arc::clone(&audit));
    let rig = Rig { bus, ..rig }.with_agent("near", &[], &[]);

    rig.send(OWNER, "far", "1").expect("taken");
    rig.is(FAR, Mood::Silent);
    rig.send(OWNER, "far", "2").expect("held");
    rig.is(FAR, Mood::Refuses("typing_not_allowed", true));
    rig.clock.advance(limits::HELD_PAUSE_MS);
    rig.forwards(1);
    rig.send(Sender::Agent("near"), "mux", "3").expect_err("not allowed");
    let _ = rig.inject(OWNER, "far", None);
    let far = Sender::FarAgent("writer@00000000000b");
    let to = name("near");
    rig.bus.receive(far, Outgoing::new(&to, "text of 4", "4"), &rig.rooms).expect("room");

    let page = audit.page(Query { limit: 100, ..Query::default() }).expect("a disk in memory");
    let text = serde_json::to_string(&page.entries).expect("JSON");
    assert!(!text.contains("text"), "{text}");
    let row = |entry: &Value| {
        ["id", "happened", "home", "code", "caller"]
            .map(|field| entry[field].as_str().unwrap_or("").to_owned())
    };
    let rows: Vec<[String; 5]> =
        page.entries.iter().rev().filter(|entry| entry["kind"] == "message").map(row).collect();
    let expected = [
        ["1", "accepted", FAR, "", "owner"],
        ["1", "forwarded", FAR, "", "owner"],
        ["2", "accepted", FAR, "", "owner"],
        ["2", "held", FAR, "peer_silent", "owner"],
        ["2", "given_up", FAR, "typing_not_allowed", "owner"],
        ["3", "refused", "", "typing_not_allowed", "agent near"],
        ["4", "accepted", "", "", "agent writer@00000000000b"],
    ];
    assert_eq!(rows, expected.map(|row| row.map(str::to_owned)));
    let inject = page.entries.iter().find(|entry| entry["kind"] == "inject").expect("it is there");
    assert_eq!((&inject["home"], &inject["success"]), (&json!(FAR), &json!(false)));
    audit.stop(Instant::now() + Duration::from_secs(5));
}
