//! Isolated agents and the endpoint that they ask for (spec genswarms M.8, G.4).

use super::*;
use crate::{
    egress::policy::{Here, Parts as PolicyParts, list, trusted},
    swarm::{
        events::{Filter, Name, Query},
        kept::Shelf,
    },
};

fn policy(allowed: &str) -> Policy {
    Policy::new(PolicyParts {
        operator: trusted("https://llm.example/v1").expect("an endpoint"),
        key: None,
        allowed: list(allowed).expect("a list"),
        own: vec![([127, 0, 0, 1], 4_000).into()],
        authorities: None,
        system: Arc::new(Here),
    })
}

fn isolated(name: &str, endpoint: Option<&str>) -> Value {
    let config = json!({"network": "isolated", "endpoint": endpoint, "command": ["/bin/true"]});
    json!({"name": name, "backend": "bwrap", "config": config})
}

fn swarm(agents: &[Value]) -> Config {
    Config::of(&json!({"name": "s", "agents": agents})).expect("a config")
}

/// The events about endpoints: of which agent.
fn told(swarms: &Swarms) -> Vec<String> {
    let filter = Filter { event_type: Some(Name::EndpointNotAllowed), ..Filter::default() };
    let page =
        swarms.events().page(&Query { filter, since: Some(0), most: usize::MAX }).expect("memory alone");
    page.events.iter().filter_map(|event| event.draft.agent.clone()).collect()
}

#[test]
fn m8_an_agent_with_a_foreign_endpoint_is_not_created_and_an_event_says_so() {
    let temp = TempHome::in_memory();
    let swarms = open_with(&temp, 100, policy("listed.example"));
    for (endpoint, code) in [
        ("https://evil.example/v1", "endpoint_not_allowed"),
        ("http://llm.example/v1", "endpoint_not_allowed"),
        ("https://llm.example:8443/v1", "endpoint_not_allowed"),
        ("http://127.0.0.1:4000/", "endpoint_not_allowed"),
    ] {
        let before = told(&swarms).len();
        let fault = swarms.create(swarm(&[mock("m"), isolated("a", Some(endpoint))])).expect_err(endpoint);
        assert_eq!((fault.status(), fault.code()), (400, code), "{endpoint}: {fault}");
        assert_eq!(told(&swarms).get(before..), Some(&["a".to_owned()][..]), "{endpoint}");
        assert!(swarms.list().is_empty(), "nothing of it is kept");
    }
}

#[test]
fn m8_the_operators_endpoint_and_listed_ones_are_allowed_with_any_path() {
    let temp = TempHome::in_memory();
    let swarms = open_with(&temp, 100, policy("listed.example"));
    for endpoint in [None, Some("https://LLM.example/v2"), Some("https://listed.example/x")] {
        assert_eq!(swarms.may_be_led(&swarm(&[isolated("a", endpoint)])), Ok(()), "{endpoint:?}");
    }
    let open = json!({"name": "a", "backend": "mock", "config": {"endpoint": "https://evil.example"}});
    swarms.create(swarm(&[open])).expect("an open agent is not led anywhere");
    assert!(told(&swarms).is_empty());
}

/// What the operator has taken from his list meanwhile is asked again when a kept swarm is started.
#[test]
fn a_kept_swarm_whose_endpoint_is_not_allowed_any_more_does_not_start() {
    let temp = TempHome::in_memory();
    let config = swarm(&[isolated("a", Some("https://listed.example"))]);
    {
        let (shelf, ..) = Shelf::open(&temp.home()).expect("a shelf");
        shelf.put_seed(&config.name, &config.to_value()).expect("a seed");
    }
    let swarms = open_with(&temp, 100, policy(""));
    for fault in [swarms.start("s").map(drop), swarms.restart("s", false), swarms.create(config).map(drop)] {
        assert_eq!(fault.map_err(|fault| fault.code()), Err("endpoint_not_allowed"));
    }
    assert_eq!(told(&swarms).len(), 3);
}
