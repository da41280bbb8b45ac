//! The REST surface of the swarms, end to end behind the gate: the cases of spec genswarms M.1 to M.7 by their
//! numbers, with the differences of design section 5.

mod admission;
mod agents;
mod configs;
mod events;
mod logs;
mod members;
mod objects;
mod secrets;
mod skills;
mod whole;

use serde_json::json;

use super::*;

/// An instance with these tokens for the API and for configurations.
fn with_tokens(api: Option<&'static str>, config: Option<&'static str>) -> Instance {
    Made { tokens: [api, config], ..Made::with_api_token(None) }.instance()
}

/// A peer on another machine.
fn remote(instance: &Instance) -> Conn {
    instance.app.open(SocketAddr::from(([203, 0, 113, 7], 50_000)), address(4000))
}

const API_TOKEN: &str = "api-token-of-the-tests";
const CONFIG_TOKEN: &str = "config-token-of-the-tests";

/// An instance with swarms of its own, kept in a home of its own.
struct Rig {
    instance: Instance,
    home: TempHome,
}

impl std::ops::Deref for Rig {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

impl Rig {
    fn new() -> Self {
        Self::open(TempHome::in_memory())
    }

    /// On what is in this home already.
    fn open(home: TempHome) -> Self {
        let swarms = open_swarms(&home);
        Self::of(home, swarms)
    }

    fn of(home: TempHome, swarms: Arc<Swarms>) -> Self {
        let skills = Skills::at(home.path().join("skills"));
        Self { instance: Made { swarms, skills, ..Made::with_api_token(Some(API_TOKEN)) }.instance(), home }
    }

    /// The instance ends, and another one begins in its home.
    fn again(self) -> Self {
        let Self { instance, home } = self;
        instance.app.swarms.stop_all(Duration::from_secs(3));
        drop(instance);
        Self::open(home)
    }

    /// With the swarm `s` of [`config`], which runs.
    fn running() -> Self {
        let rig = Self::new();
        let made = rig.post("/api/swarms", API, &json!({"config": config()}));
        assert_eq!((made.status, &made.body), (201, &json!({"status": "created", "swarm_name": "s"})));
        rig
    }

    /// One request of the operator's, with a body where it is not null.
    fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        match body {
            Value::Null => self.ask(method, path, API, b""),
            body => self.ask(method, path, &format!("{API}{JSON}"), body.to_string().as_bytes()),
        }
    }

    fn look(&self, path: &str) -> Value {
        let answer = self.api("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Does it, and it works.
    fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.api(method, path, body);
        assert!(
            [200, 201].contains(&answer.status),
            "{method} {path} {body}: {} {}",
            answer.status,
            answer.body
        );
        answer.body
    }

    /// Is refused: status and `error`.
    fn refuses(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let answer = self.api(method, path, body);
        assert!(answer.status >= 400 && !answer.code().is_empty(), "{method} {path} {body}: {}", answer.body);
        (answer.status, answer.error().to_owned())
    }

    fn agents(&self) -> Vec<String> {
        names(&self.look("/api/swarms/s/agents")["agents"])
    }

    /// Edges as `a->b`.
    fn edges(&self) -> Vec<String> {
        let topology = self.look("/api/swarms/s/topology");
        let mut edges = Vec::new();
        for row in topology["topology"].as_array().expect("a list") {
            for target in row["targets"].as_array().expect("a list") {
                edges.push(format!("{}->{}", text(&row["from"]), text(target)));
            }
        }
        edges.sort();
        edges
    }

    fn ops(&self) -> Vec<String> {
        let events = self.look("/api/swarms/s/overlay")["events"].clone();
        events.as_array().expect("a list").iter().map(|event| text(&event["op"]).to_owned()).collect()
    }

    /// Waits until it is so; what is waited for is always to come.
    fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !so(self) {
            assert!(std::time::Instant::now() < deadline, "it never came to be: {what}");
            std::thread::yield_now();
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn names(rows: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        rows.as_array().expect("a list").iter().map(|row| text(&row["name"]).to_owned()).collect();
    names.sort();
    names
}

/// Two mocks, a counter, and edges a -> b, a -> o, o -> a.
fn config() -> Value {
    json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": "mock", "config": {"script": [["did {content}"]]}},
            {"name": "b", "backend": "mock"},
        ],
        "objects": [{"name": "o", "handler": "counter"}],
        "topology": [["a", "b"], ["a", "o"], ["o", "a"]],
    })
}
