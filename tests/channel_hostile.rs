//! Hostile clients of the channel, with every right to it: a dashboard that hangs, or a program that floods.
//!
//! Each costs a bounded amount and holds nobody up: another caller is answered throughout, and another client
//! of the channel is told all that happens. `tests/run` gives the release binary in LOOPGATE_TEST_BIN.

#[path = "support/attack.rs"]
mod attack;
#[path = "support/frames.rs"]
mod frames;
#[path = "support/phoenix.rs"]
mod phoenix;
mod support;

use std::time::{Duration, Instant};

use attack::{LEFT_BEHIND, Size, alone, back_at, open, under_attack};
use frames::{BINARY, Frame, TEXT};
use loopgate::limits;
use phoenix::Client;
use serde_json::{Value, json};
use support::{Instance, until};

/// With one, nobody is asked for in the table of processes.
const TOKEN: &str = "the-api-token-of-this-test";
const BEARER: (&str, &str) = ("Authorization", "Bearer the-api-token-of-this-test");

/// An instance with a swarm whose agent says what it is told.
fn started() -> Instance {
    let instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", TOKEN)], &[]);
    let config = json!({
        "name": "s",
        "agents": [{"name": "a", "backend": "mock", "config": {"script": [["{content}"]]}}],
    });
    let answer = instance.call_as(&[BEARER], "POST", "/api/swarms", &json!({ "config": config }));
    assert_eq!(answer.status, 201, "{answer:?}");
    instance
}

fn client(instance: &Instance) -> Client {
    let query = format!("&token={TOKEN}");
    Client::open(instance.address, "2.0.0", &query, &[])
        .unwrap_or_else(|answer| panic!("no upgrade: {answer:?}"))
}

/// So many clients that have joined, and read nothing.
fn joined(instance: &Instance, count: usize) -> Vec<Client> {
    let join = |_| {
        let mut client = client(instance);
        client.join("s");
        client
    };
    (0..count).map(join).collect()
}

/// Still answered, and still told what happens.
#[track_caller]
fn still_serves(client: &mut Client) {
    let task = json!({"agent": "a", "task": "are you there"});
    client.asked("s", "send_task", &task);
    until("the agent's word", || {
        client.told("agent_output")["content"]
            .as_str()
            .filter(|text| text.contains("are you there"))
            .map(drop)
    });
}

/// A text frame of V2.
fn frame(topic: &str, event: &str) -> Vec<u8> {
    Frame::of(TEXT, json!(["1", "1", topic, event, {}]).to_string().as_bytes()).bytes()
}

#[test]
fn what_is_no_message_of_the_channel_costs_its_connection_and_no_more() {
    let _alone = alone();
    let instance = started();
    let idle = Size::of(&instance);
    let mut neighbour = client(&instance);
    neighbour.join("s");
    let long = "t".repeat(limits::WS_MESSAGE - 100);
    let deep = format!(r#"["1","1","swarm:s","phx_join",{}{}]"#, "[".repeat(200_000), "]".repeat(200_000));
    let wide = format!(r#"["1","1","swarm:s","phx_join",[{}0]]"#, "0,".repeat(400_000));
    let junk: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let text = |text: String| Frame::of(TEXT, text.as_bytes()).bytes();
    let wrong: Vec<(&str, Vec<u8>)> = vec![
        ("a topic of a MiB", frame(&long, "phx_join")),
        ("an event of a MiB", frame("swarm:s", &long)),
        ("a ref of a MiB", text(json!([long, "1", "swarm:s", "phx_join", {}]).to_string())),
        ("200,000 brackets", text(deep)),
        ("400,000 values", text(wide)),
        ("binary junk", Frame::of(BINARY, &junk).bytes()),
        ("a binary frame that ends too soon", Frame::of(BINARY, &[0, 255, 255, 255, 255, b'x']).bytes()),
    ];
    under_attack(&instance, || {
        for _ in 0..5 {
            for (what, bytes) in &wrong {
                let mut client = self::client(&instance);
                client.socket.send(bytes).expect("sent");
                assert_eq!(client.rest().1, Some(1011), "{what}");
            }
        }
    });
    still_serves(&mut neighbour);
    drop(neighbour);
    back_at(&instance, idle, LEFT_BEHIND);
}

/// Read by nobody: the answers fill what there is for them, then no more is looked at, then it is cut off.
#[test]
fn floods_of_joins_and_of_unknown_topics_are_cut_off_and_bounded() {
    let _alone = alone();
    let instance = started();
    let idle = Size::of(&instance);
    let mut neighbour = client(&instance);
    neighbour.join("s");
    let many =
        |event: &str| (0..1_000).flat_map(|at| frame(&format!("swarm:x{at}"), event)).collect::<Vec<u8>>();
    let floods =
        [frame("swarm:s", "phx_join").repeat(1_000), many("phx_join"), many("get_status"), many("phx_leave")];
    under_attack(&instance, || {
        std::thread::scope(|scope| {
            for flood in &floods {
                scope.spawn(|| {
                    let mut client = self::client(&instance);
                    let begun = Instant::now();
                    while client.socket.send(flood).is_ok() {
                        assert!(begun.elapsed() < Duration::from_secs(60), "it is never cut off");
                    }
                    let code = client.rest().1;
                    assert!(matches!(code, Some(1013) | None), "{code:?}");
                });
            }
            let mut largest = 0;
            for _ in 0..100 {
                still_serves(&mut neighbour);
                largest = largest.max(Size::of(&instance).resident);
            }
            assert!(largest <= idle.resident + 2 * LEFT_BEHIND, "{largest} after {idle:?}");
        });
    });
    drop(neighbour);
    back_at(&instance, idle, LEFT_BEHIND);
}

/// A dashboard hangs while agents talk: it costs what is on its way to it, and others are told everything.
#[test]
fn a_client_that_never_reads_costs_little_and_the_others_are_told_everything() {
    const HANGING: usize = 20;
    const TURNS: usize = 400;
    let _alone = alone();
    let instance = started();
    let mut neighbour = client(&instance);
    neighbour.join("s");
    let text = "x".repeat(40_000);
    let say = |neighbour: &mut Client, at: usize| {
        let task = json!({"agent": "a", "task": format!("{at} {text}")});
        neighbour.asked("s", "send_task", &task);
        let content = neighbour.told("agent_output")["content"].clone();
        let begins = content.as_str().is_some_and(|content| content.starts_with(&format!("{at} ")));
        assert!(begins, "turn {at} is told next");
    };
    // What the hub keeps is there before.
    (0..TURNS).for_each(|at| say(&mut neighbour, at));
    let (before, others) = (Size::of(&instance), open(&instance));
    let mut hanging = joined(&instance, HANGING);
    under_attack(&instance, || {
        let mut largest = 0;
        for at in TURNS..2 * TURNS {
            say(&mut neighbour, at);
            largest = largest.max(Size::of(&instance).resident);
        }
        assert!(largest <= before.resident + 2 * LEFT_BEHIND, "{largest} after {before:?}");
    });
    assert!(neighbour.heard.iter().all(|heard| heard.event != "gap"), "the neighbour kept up");
    // Before any of them is read from: who takes something hangs no more.
    until("the hanging ones to be cut off", || (open(&instance) <= others).then_some(()));
    for client in &mut hanging {
        let (texts, code) = client.rest();
        assert!(texts.len() < TURNS, "what is on its way is bounded: {}", texts.len());
        assert_eq!(code, None);
    }
    still_serves(&mut neighbour);
}

/// Each holds a copy of what is on its way to it; when they are gone the instance is about as small as before.
#[test]
fn what_clients_that_hang_have_held_is_given_back_when_they_are_gone() {
    const HANGING: usize = 40;
    const TURNS: usize = 10;
    let _alone = alone();
    let instance = started();
    let mut neighbour = client(&instance);
    neighbour.join("s");
    let text = "x".repeat(900_000);
    let mut say = || {
        neighbour.asked("s", "send_task", &json!({"agent": "a", "task": text}));
        neighbour.told("agent_output");
    };
    // What the hub keeps is there before.
    (0..3 * TURNS).for_each(|_| say());
    let before = Size::of(&instance);
    let hanging = joined(&instance, HANGING);
    (0..TURNS).for_each(|_| say());
    drop(hanging);
    back_at(&instance, before, 2 * LEFT_BEHIND);
}

#[test]
fn places_are_bounded_for_channels_too_and_given_back() {
    let _alone = alone();
    let instance = started();
    let mut clients: Vec<Client> = (0..limits::WS_CONNECTIONS)
        .map(|_| {
            let mut client = self::client(&instance);
            client.join("s");
            client
        })
        .collect();
    let refused = Client::open(instance.address, "2.0.0", "", &[BEARER]).err().expect("it is one too many");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("websockets_full")));
    still_serves(&mut clients[7]);
    drop(clients.pop());
    until("a free place", || Client::open(instance.address, "2.0.0", "", &[BEARER]).ok().map(drop));
    let list = instance.call_as(&[BEARER], "GET", "/api/swarms", &Value::Null);
    assert_eq!(list.status, 200, "requests have places of their own");
}
