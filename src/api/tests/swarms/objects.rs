//! M.6, the objects of a swarm: added, removed, configured.

use super::*;

const OBJECTS: &str = "/api/swarms/s/objects";

#[test]
fn m6_objects_are_objects_and_agents_are_agents() {
    let rig = Rig::running();
    let list = rig.look(OBJECTS)["objects"].clone();
    assert_eq!(
        (&list[0]["name"], &list[0]["handler"], &list[1]),
        (&json!("o"), &json!("counter"), &Value::Null)
    );
    let shown = rig.look("/api/swarms/s/objects/o");
    assert_eq!(shown, json!({"object": "o", "state": "idle", "domain_state": {"count": 0}}));
    for other in ["a", "nope", ".."] {
        let path = format!("{OBJECTS}/{other}");
        assert_eq!(rig.refuses("GET", &path, &Value::Null), (404, "Object not found".to_owned()));
        assert_eq!(rig.refuses("DELETE", &path, &Value::Null), (404, "not_found".to_owned()));
    }
    assert_eq!(rig.refuses("DELETE", "/api/swarms/s/agents/o", &Value::Null), (404, "not_found".to_owned()));
    assert_eq!(
        rig.refuses("DELETE", "/api/swarms/nope/objects/o", &Value::Null),
        (404, "swarm_not_found".to_owned())
    );
    assert_eq!(
        rig.refuses("GET", "/api/swarms/nope/objects/o", &Value::Null),
        (404, "Object not found".to_owned())
    );
    assert_eq!(
        rig.does("DELETE", "/api/swarms/s/objects/o", &Value::Null),
        json!({"status": "removed", "name": "o"})
    );
    assert_eq!((rig.agents(), rig.edges()), (vec!["a".to_owned(), "b".to_owned()], vec!["a->b".to_owned()]));
}

#[test]
fn m6_an_object_needs_a_handler_that_there_is() {
    let rig = Rig::running();
    for spec in [
        json!({"name": "p"}),
        json!({"name": "p", "handler": null}),
        json!({"name": "p", "handler": 1}),
        json!({"name": "p", "handler": "Elixir.System"}),
        json!({"name": "p", "handler": ""}),
    ] {
        let refused = rig.refuses("POST", OBJECTS, &spec);
        assert_eq!(refused, (400, "Invalid or missing object handler".to_owned()), "{spec}");
    }
    assert_eq!(
        rig.refuses("POST", OBJECTS, &json!({"name": "o", "handler": "log"})).0,
        400,
        "the name is taken"
    );
    assert_eq!(
        rig.refuses("POST", OBJECTS, &json!({"name": "a", "handler": "log"})).0,
        400,
        "by an agent too"
    );
    let spec = json!({"name": "p", "handler": "log", "connections": ["a"], "incoming": ["b"]});
    assert_eq!(rig.api("POST", OBJECTS, &spec).body, json!({"status": "added", "name": "p"}));
    assert_eq!(rig.edges(), ["a->b", "a->o", "b->p", "o->a", "p->a"]);
    let unknown = rig.refuses("POST", "/api/swarms/nope/objects", &spec);
    assert_eq!(unknown, (400, "swarm_not_found".to_owned()));
}

#[test]
fn m6_the_configuration_of_an_object_changes_where_its_schema_lets_it() {
    let rig = Rig::running();
    let path = "/api/swarms/s/objects/o/config";
    let patch = |headers: &str, config: Value| {
        let body = json!({ "config": config }).to_string();
        rig.ask("PATCH", path, &format!("{headers}{JSON}"), body.as_bytes())
    };
    let updated = patch(CONFIG, json!({"step": 5}));
    assert_eq!(
        (updated.status, updated.body),
        (200, json!({"status": "updated", "object": "o", "keys": ["step"]}))
    );
    assert_eq!(rig.ops(), ["update_config"]);
    assert_eq!(patch(API, json!({"start": 3})).status, 422, "it may not change");
    for key in ["subzeroclaw_path", "extra_ro_binds", "extra_rw_binds", "extra_path"] {
        let answer = patch(API, json!({key: "x"}));
        assert!(answer.status == 422 && answer.error().contains(key), "{key}: {}", answer.body);
    }
    let many: serde_json::Map<_, _> = (0..201).map(|n| (format!("k{n}"), json!(1))).collect();
    let answer = patch(API, Value::Object(many));
    assert_eq!((answer.status, answer.code()), (400, "patch_too_large"));
    for config in [json!([]), json!("x"), json!(null), json!(1)] {
        let answer = patch(API, config);
        assert_eq!((answer.status, answer.error()), (400, "Missing 'config' object parameter"));
    }
    let body = json!({"config": {"step": 1}});
    let unknown = rig.refuses("PATCH", "/api/swarms/nope/objects/o/config", &body);
    assert_eq!(unknown, (404, "Swarm not found".to_owned()));
    for other in ["nope", "a"] {
        let refused = rig.refuses("PATCH", &format!("{OBJECTS}/{other}/config"), &body);
        assert_eq!(refused, (404, "Object not found".to_owned()));
    }
    // The object runs with what was changed, before and after a start.
    rig.does("POST", "/api/swarms/s/restart", &Value::Null);
    assert_eq!(
        rig.does("POST", "/api/swarms/s/snapshot", &Value::Null)["objects"][0]["config"]["step"],
        json!(5)
    );
}
