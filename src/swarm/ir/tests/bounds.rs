//! Bounds of documents: what is above is refused, what is at one is taken.

use serde_json::{Value, json};

use super::*;
use crate::limits;

fn many(count: usize) -> Value {
    (0..count).map(|number| agent(&format!("a{number}"), json!({}))).collect()
}

#[test]
fn a_document_holds_a_bounded_number_of_nodes() {
    let most = limits::IR_NODES;
    let full = State::parse(&document(many(most), json!([]), json!([]))).expect("at the limit");
    let over = Error::TooMany { what: "nodes", most };
    assert_eq!(State::parse(&document(many(most + 1), json!([]), json!([]))), Err(over.clone()));
    let mixed = document(many(most), json!([object("o", json!({}))]), json!([]));
    assert_eq!(State::parse(&mixed), Err(over.clone()));

    let stopped = Err(Stopped { seq: 1, reason: over });
    assert_eq!(fold(&full, &events(&[("add_agent", agent("b", json!({})))])), stopped);
    assert_eq!(fold(&full, &events(&[("add_object", object("o", json!({})))])), stopped);
    let grow =
        |count: u64| events(&[("scale_agent_group", json!({"base_name": "a0", "target_count": count}))]);
    assert!(fold(&full, &grow(1)).is_ok());
    assert_eq!(fold(&full, &grow(2)), stopped);
    assert_eq!(fold(&full, &grow(u64::MAX)), stopped);
}

#[test]
fn a_document_holds_a_bounded_number_of_edges() {
    let most = limits::IR_EDGES;
    let over = Error::TooMany { what: "edges", most };
    let edge = json!(["a0", "a0"]);
    assert!(State::parse(&document(many(1), json!([]), json!(vec![&edge; most]))).is_ok());
    assert_eq!(State::parse(&document(many(1), json!([]), json!(vec![&edge; most + 1]))), Err(over.clone()));
    let payload = json!({"edges": vec![&edge; most + 1]});
    assert_eq!(Op::parse("add_topology_edges", &payload), Err(over.clone()));

    // 128 times 128 is the limit.
    let names: Vec<String> = (0..128).map(|number| format!("a{number}")).collect();
    let all: Value = names.iter().flat_map(|from| names.iter().map(move |to| json!([from, to]))).collect();
    let full = State::parse(&document(many(129), json!([]), all)).expect("at the limit");
    let stopped = Err(Stopped { seq: 1, reason: over.clone() });
    let one_more = events(&[("add_topology_edges", json!({"edges": [["a128", "a128"]]}))]);
    assert_eq!(fold(&full, &one_more), stopped);
    let wider = events(&[("scale_agent_group", json!({"base_name": "a0", "target_count": 2}))]);
    assert_eq!(fold(&full, &wider), stopped);
    let runtime = gate::scale(&full, "a0", 2, usize::MAX);
    assert_eq!(runtime, Err(over));
}

#[test]
fn an_overlay_holds_a_bounded_number_of_events() {
    let most = limits::IR_EVENTS;
    let event = |seq: usize| json!({"seq": seq, "op": "set_options", "payload": {"options": {}}});
    let overlay = |count: usize| Overlay::parse(&overlay_document((0..count).map(event).collect()));
    assert_eq!(overlay(most).map(|overlay| overlay.events.len()), Ok(most));
    assert_eq!(overlay(most + 1), Err(Error::TooMany { what: "events", most }));
}

#[test]
fn names_and_refs_of_a_document_are_bounded() {
    let (most, over) = ("x".repeat(limits::IR_TEXT), "x".repeat(limits::IR_TEXT + 1));
    let body = json!({"body": {"ref": "inline:x", "kind": "data"}});
    let named =
        |name: &str| State::parse(&document(json!([agent(name, body.clone())]), json!([]), json!([])));
    assert!(named(&most).is_ok());
    assert_eq!(named(&over), Err(Error::TooLong("name")));
    for (field, code) in
        [("ref", "too_long"), ("image", "too_long"), ("host", "too_long"), ("digest", "too_long")]
    {
        let mut it = json!({"ref": "docker:x"});
        it[field] = json!(format!("a:{over}"));
        assert_eq!(Ref::parse(&it).map_err(|error| error.code()), Err(code), "{field}");
    }
    let edge = document(json!([agent(&most, body.clone())]), json!([]), json!([[over, most]]));
    assert_eq!(State::parse(&edge).map_err(|error| error.code()), Err("invalid_edge"));
    let full = named(&most).expect("a state");
    let scale = events(&[("scale_agent_group", json!({"base_name": most, "target_count": 1}))]);
    assert_eq!(fold(&full, &scale), Err(Stopped { seq: 1, reason: Error::TooLong("base_name") }));
}

type Read = fn(Value) -> Result<(), Error>;

#[test]
fn free_fields_of_a_document_are_bounded_in_depth() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"x": inner}));
    let most = limits::IR_DEPTH;
    let places: [(&str, Read); 6] = [
        ("config", |free| Agent::parse(&agent("a", json!({"config": free}))).map(drop)),
        ("config", |free| Object::parse(&object("o", json!({"config": free}))).map(drop)),
        ("opts", |free| Ref::parse(&json!({"ref": "local", "opts": free})).map(drop)),
        ("options", |free| Op::parse("set_options", &json!({"options": free})).map(drop)),
        ("config", |free| Op::parse("update_config", &json!({"target": "a", "config": free})).map(drop)),
        ("node", |free| {
            let Value::Object(mut fields) = free else { panic!("an object") };
            let mut node = agent("a", json!({}));
            node.as_object_mut().expect("an object").append(&mut fields);
            Agent::parse(&node).map(drop)
        }),
    ];
    for (field, read) in places {
        assert_eq!(read(nested(most)), Ok(()), "{field}");
        assert_eq!(read(nested(most + 1)), Err(Error::TooDeep(field)), "{field}");
        assert_eq!(read(nested(most + 5)), Err(Error::TooDeep(field)), "{field}");
    }
}
