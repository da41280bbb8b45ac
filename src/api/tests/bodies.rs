//! Bodies over their route's limit, and what is said of them.

use serde_json::json;

use super::*;
use crate::{
    admit::Surface,
    api::table::{Route, example, routes},
    limits,
    wire::head::HeadError,
};

#[test]
fn a_body_of_exactly_its_routes_limit_is_taken_and_one_byte_more_is_413() {
    let instance = Instance::new();
    let headers = format!("{OWNER}{JSON}");
    for (bytes, status) in [(limits::BODY_SMALL, 422), (limits::BODY_SMALL + 1, 413)] {
        let mut body = json!({}).to_string().into_bytes();
        body.resize(bytes, b' ');
        let answer = instance.ask("POST", "/agentmux/reactive/inject", &headers, &body);
        assert_eq!(answer.status, status);
    }
    assert_eq!(instance.ask("GET", "/agentmux/reactive/agents", &headers, b"{}").status, 413, "takes none");
}

#[test]
fn bodies_are_small_but_for_what_starts_programs_and_for_what_swarms_take() {
    let large: Vec<_> =
        routes().filter(|route| route.body_limit > limits::BODY_SMALL).map(|route| route.path).collect();
    let wanted = [
        "/api/v1/agents",
        "/api/v1/self/send",
        "/api/v1/self/ask",
        "/api/v1/self/broadcast",
        "/api/swarms",
        "/api/swarms/:swarm/message",
        "/api/swarms/:swarm/agents",
        "/api/swarms/:swarm/agents/:agent/task",
        "/api/swarms/:swarm/agents/:agent/skills/:skill",
        "/api/swarms/:swarm/objects",
        "/api/swarms/:swarm/objects/:object/config",
        "/api/config/validate",
    ];
    assert_eq!(large, wanted);
    for route in routes() {
        assert!([0, limits::BODY_SMALL, limits::BODY_LARGEST].contains(&route.body_limit), "{}", route.path);
    }
}

#[test]
fn no_shape_of_json_makes_a_handler_panic() {
    let shapes = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("a"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"a": {}}),
        json!(u64::MAX),
        json!("\u{0}"),
    ];
    let names = [
        "target_agent",
        "message",
        "source_agent",
        "request_id",
        "submit",
        "wait_for_idle",
        "agent_id",
        "block_id",
        "tab_id",
        "name",
        "command",
        "cwd",
        "env",
        "rows",
        "cols",
        "accept_typed_from",
        "may_type_into",
        "data64",
        "text",
        "id",
        "to",
        "service",
        "method",
        "args",
        "priority",
        "ttl_ms",
        "correlation_id",
        "in_reply_to",
        "through",
        "ids",
        "from",
        "content",
        "task",
        "count",
        "config",
        "handler",
        "add",
        "remove",
    ];
    let instance = Instance::new().with_agent("coder", &["owner"]);
    // A rotation would change the key; its bodies are in rotate.rs.
    let routes = routes().filter(|route| route.path != "/api/v1/rotate-key");
    for route in routes.filter(|route| route.body_limit > 0) {
        let target = example(route.path, "coder");
        let headers = match route.surface {
            Surface::Swarm => API.to_owned(),
            _ if target.contains("/self/") => token("coder"),
            _ => OWNER.to_owned(),
        };
        for shape in &shapes {
            send(&instance, route, &target, &headers, shape);
            for name in names {
                instance.clock.advance(100);
                let mut body = json!({"target_agent": "a", "message": "m", "agent_id": "a", "block_id": "b", "name": "n",
                    "command": ["c"], "cwd": "/", "rows": 24, "cols": 80, "text": "t", "to": "coder", "timeout_ms": 1});
                body[name] = shape.clone();
                let answer = send(&instance, route, &target, &headers, &body);
                let none = answer.status == 404 && answer.code() != "not_found";
                assert!(
                    none || [200, 201, 400, 403, 422, 429, 501].contains(&answer.status),
                    "{target} {body}: {}",
                    answer.status
                );
            }
        }
    }
}

fn send(instance: &Instance, route: &Route, target: &str, headers: &str, body: &Value) -> Answer {
    instance.ask(route.method.as_str(), target, &format!("{headers}{JSON}"), body.to_string().as_bytes())
}

#[test]
fn at_a_limit_of_the_gate_the_answer_says_which_one() {
    let instance = Instance::new();
    let large = vec![b' '; limits::BODY_SMALL + 1];
    let answer = instance.ask("POST", "/agentmux/reactive/inject", &format!("{OWNER}{JSON}"), &large);
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
    assert!(answer.error().contains("65536 bytes"), "{}", answer.error());
    let full = Answer::of(&instance.app.refused(503, None));
    assert!(full.code() == "busy" && full.error().contains("512 connections"), "{}", full.error());
    let (_, _, any) = HeadError::BodyTooLarge.answer();
    assert!(any.contains(&limits::BODY_LARGEST.to_string()), "{any}");
}
