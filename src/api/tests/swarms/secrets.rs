//! No answer about a swarm shows a secret of it, or where on this machine anything is (spec genswarms L.1.13).

use super::*;
use crate::{
    api::table::{Route, routes},
    wire::head::Method,
};

const SECRET: &str = "sk-planted-4711";

#[test]
fn no_look_at_a_swarm_shows_a_planted_secret_or_a_path_of_the_machine() {
    let rig = Rig::new();
    let mut secret = config();
    let path = rig.home.path().join("elsewhere").to_string_lossy().into_owned();
    secret["agents"][0]["env"] = json!({"OPENAI_API_KEY": SECRET, "PLAIN": SECRET});
    secret["agents"][0]["workspace"] = json!(path);
    secret["agents"][0]["config"]["db"] = json!({"password": SECRET, "auth_token": SECRET});
    secret["objects"][0]["config"] = json!({});
    secret["options"] = json!({"credentials": {"user": SECRET}});
    rig.does("POST", "/api/swarms", &json!({"config": secret}));
    rig.does(
        "POST",
        "/api/swarms/s/agents",
        &json!({"name": "c", "backend": "mock", "config": {"my_secret": SECRET}}),
    );
    rig.does("POST", "/api/swarms/s/agents/a/task", &json!({"task": "x"}));
    let home = rig.home.around().to_string_lossy().into_owned();
    let mut looks = vec![("POST", "/api/swarms/s/snapshot".to_owned(), API)];
    let is_look = |route: &&Route| route.method == Method::Get && route.path.contains("/swarms");
    for route in routes().filter(is_look) {
        let path = route.path.replace(":swarm", "s").replace(":agent", "a").replace(":object", "o");
        looks.push(("GET", path.replace("/agents/a", "/agents/c"), API));
        looks.push(("GET", path, API));
    }
    looks.push(("GET", "/api/v1/top".to_owned(), API));
    looks.push(("GET", "/api/v1/self/agents".to_owned(), "Authorization: Bearer lga_s--a\r\n"));
    for (method, path, headers) in &looks {
        let answer = rig.ask(method, path, headers, b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let shown = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(!shown.contains(SECRET), "{path} shows the secret: {shown}");
        // A snapshot is the operator's own document: it names the programs and directories that he named.
        let own = path.ends_with("/snapshot");
        assert!(
            own || !shown.contains(&home) && !shown.contains("elsewhere"),
            "{path} shows a path: {shown}"
        );
    }
    assert!(looks.len() > 20, "all of them");
    let audit = rig.look("/api/v1/audit?limit=100").to_string();
    assert!(!audit.contains(SECRET) && !audit.contains(&home), "{audit}");
    // Nor does one that refuses.
    for (method, path, body) in [
        ("POST", "/api/swarms", json!({"config": secret})),
        (
            "POST",
            "/api/swarms/s/agents",
            json!({"name": "d", "backend": "mock", "config": {"api_key": SECRET}}),
        ),
        ("PATCH", "/api/swarms/s/objects/o/config", json!({"config": {"start": SECRET}})),
        ("PATCH", "/api/swarms/s/objects/o/config", json!({"config": {"step": SECRET}})),
        ("POST", "/api/swarms/s/objects", json!({"name": "d", "handler": SECRET})),
    ] {
        let text = rig.api(method, path, &body).body.to_string();
        assert!(!text.contains(SECRET) && !text.contains(&home), "{text}");
    }
}
