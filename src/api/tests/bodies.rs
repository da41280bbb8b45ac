//! Bodies over their route's limit, and what is said of them.

use serde_json::json;

use super::*;
use crate::{
    api::table::{example, routes},
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
fn bodies_are_small_but_for_what_starts_programs() {
    for route in routes() {
        let starts = route.path == "/api/v1/agents";
        let most = if starts { limits::BODY_LARGEST } else { limits::BODY_SMALL };
        assert!(route.body_limit == 0 || route.body_limit == most, "{}", route.path);
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
    ];
    let instance = Instance::new().with_agent("coder", &["owner"]);
    // A rotation would change the key; its bodies are in rotate.rs.
    let routes = routes().filter(|route| route.path != "/api/v1/rotate-key");
    for route in routes.filter(|route| route.body_limit > 0) {
        let target = example(route.path, "coder");
        let headers =
            if route.scopes.len() == 1 && target.contains("/self/") { token("coder") } else { OWNER.into() };
        for shape in &shapes {
            instance.post(&target, &headers, shape);
            for name in names {
                instance.clock.advance(100);
                let mut body = json!({"target_agent": "a", "message": "m", "agent_id": "a", "block_id": "b", "name": "n",
                    "command": ["c"], "cwd": "/", "rows": 24, "cols": 80, "text": "t", "to": "coder", "timeout_ms": 1});
                body[name] = shape.clone();
                let answer = instance.post(&target, &headers, &body);
                let none = answer.code() == "message_not_found";
                assert!(
                    none || [200, 201, 400, 403, 422, 429, 501].contains(&answer.status),
                    "{target} {body}: {}",
                    answer.status
                );
            }
        }
    }
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
