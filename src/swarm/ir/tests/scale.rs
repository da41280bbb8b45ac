//! Scaling a group of a running swarm (spec genswarms I.7, M.6).

use serde_json::json;

use super::*;
use crate::wire::node::NodeName;

fn names(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|name| NodeName::parse(name).expect("a name")).collect()
}

/// Added, removed, edges afterwards; or the error.
type Outcome = Result<(Vec<String>, Vec<String>, Vec<String>), String>;

fn scaled(
    agents: &[&str],
    objects: &[&str],
    edges: &[(&str, &str)],
    base: &str,
    count: u64,
    cap: usize,
) -> Outcome {
    let (agents, objects) = (names(agents), names(objects));
    let edges: Vec<_> =
        edges.iter().map(|(from, to)| (names(&[from]).remove(0), names(&[to]).remove(0))).collect();
    let swarm = Names { agents: &agents, objects: &objects };
    let it = runtime_scale(swarm, &edges, &names(&[base]).remove(0), count, cap);
    let it = it.map_err(|error| error.to_string())?;
    let text = |names: Vec<NodeName>| names.iter().map(NodeName::to_string).collect();
    let edges = it.edges.iter().map(|(from, to)| format!("{from}>{to}")).collect();
    Ok((text(it.added), text(it.removed), edges))
}

fn outcome(added: &[&str], removed: &[&str], edges: &[&str]) -> Outcome {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Ok((owned(added), owned(removed), owned(edges)))
}

#[test]
fn m6_one_agent_scales_to_three_numbered_ones() {
    let edges = [("alpha", "log"), ("beta", "alpha"), ("alpha", "alpha"), ("beta", "log")];
    let wanted = outcome(
        &["alpha_1", "alpha_2", "alpha_3"],
        &["alpha"],
        &[
            "beta>log",
            "alpha_1>log",
            "alpha_2>log",
            "alpha_3>log",
            "beta>alpha_1",
            "beta>alpha_2",
            "beta>alpha_3",
            "alpha_1>alpha_1",
            "alpha_2>alpha_2",
            "alpha_3>alpha_3",
        ],
    );
    assert_eq!(scaled(&["alpha", "beta"], &["log"], &edges, "alpha", 3, 100), wanted);
}

#[test]
fn m6_five_scaled_to_two_lose_the_last_three() {
    let five = ["alpha_1", "alpha_2", "alpha_3", "alpha_4", "alpha_5"];
    let edges = [("alpha_1", "beta"), ("alpha_2", "beta"), ("alpha_3", "beta"), ("beta", "alpha_5")];
    let wanted = outcome(&[], &["alpha_3", "alpha_4", "alpha_5"], &["alpha_1>beta", "alpha_2>beta"]);
    assert_eq!(scaled(&[&five[..], &["beta"]].concat(), &[], &edges, "alpha", 2, 100), wanted);
    assert_eq!(scaled(&five, &[], &[], "alpha", 5, 5), outcome(&[], &[], &[]));
}

#[test]
fn m6_a_group_without_members_has_no_template() {
    let swarm = ["alpha_1", "alphabet", "beta", "alpha_x", "alpha-1"];
    for unknown in ["gamma", "alph", "alpha_x_1"] {
        assert_eq!(scaled(&swarm, &["gamma"], &[], unknown, 2, 100), Err(format!("no_template: {unknown}")));
    }
    assert_eq!(scaled(&swarm, &[], &[], "alpha", 0, 100), outcome(&[], &["alpha_1"], &[]));
    assert_eq!(scaled(&["alphabet"], &[], &[], "alpha", 1, 100), Err("no_template: alpha".to_owned()));
}

#[test]
fn a_group_is_copied_from_the_first_then_the_bare_one_then_the_lowest() {
    let edges = [("a_1", "x"), ("a", "y"), ("a_7", "z"), ("a_10", "w")];
    let with = |members: &[&str]| {
        let agents = [members, &["x", "y", "z", "w"]].concat();
        let edges: Vec<_> = edges.iter().filter(|(from, _)| members.contains(from)).copied().collect();
        scaled(&agents, &[], &edges, "a", 2, 100).expect("scales").2
    };
    assert_eq!(with(&["a_10", "a", "a_1"]), ["a_1>x", "a_2>x"]);
    assert_eq!(with(&["a_7", "a"]), ["a_1>y", "a_2>y"]);
    assert_eq!(with(&["a_10", "a_7"]), ["a_1>z", "a_2>z"], "by value, not by text");
}

#[test]
fn scaling_several_groups_stays_within_the_cap_of_the_whole_swarm() {
    let over = |count| Err(format!("agent_cap_exceeded: {count} agents and objects, at most 5"));
    assert_eq!(scaled(&["a", "b"], &["o"], &[], "a", 4, 5), over(6));
    assert!(scaled(&["a", "b"], &["o"], &[], "a", 3, 5).is_ok());
    assert_eq!(scaled(&["a_1", "a_2", "a_3", "b"], &["o"], &[], "b", 2, 5), over(6));
    assert_eq!(scaled(&["a"], &[], &[], "a", u64::MAX, 5), over(u64::MAX));
}

#[test]
fn a_scaled_name_must_be_free_and_a_name() {
    assert_eq!(scaled(&["a"], &["a_2"], &[], "a", 2, 9), Err("agent_exists: a_2".to_owned()));
    let longest = "x".repeat(64);
    assert_eq!(
        scaled(&[&longest], &[], &[], &longest, 1, 9).map(drop).map_err(|text| text[..12].to_owned()),
        Err("invalid_name".to_owned())
    );
}

#[test]
fn a_copy_works_in_a_directory_of_its_own() {
    for (workspace, wanted) in [
        ("work/alpha", "work/alpha_2"),
        ("/srv/alpha", "/srv/alpha_2"),
        ("alpha", "alpha/alpha_2"),
        ("work", "work/alpha_2"),
        ("work/not-alpha", "work/not-alpha/alpha_2"),
    ] {
        assert_eq!(workspace_of_copy(workspace, "alpha", "alpha_2"), wanted);
    }
}

#[test]
fn the_gate_scales_a_state_as_a_running_swarm_is_scaled() {
    let config = json!({
        "name": "s",
        "agents": [
            {"name": "alpha", "backend": "local", "config": {"command": ["x"], "workspace": "w/alpha"}},
            {"name": "beta", "backend": "mock"},
        ],
        "topology": [["alpha", "beta"]],
    });
    let seed = gate::start(&config, 100).expect("starts");
    let passed = gate::scale(&seed, "alpha", 2, 100).expect("scales");
    let wanted = json!({
        "name": "s",
        "agents": [
            {"name": "beta", "backend": "mock"},
            {"name": "alpha_1", "backend": "local", "config": {"command": ["x"], "workspace": "w/alpha_1"}},
            {"name": "alpha_2", "backend": "local", "config": {"command": ["x"], "workspace": "w/alpha_2"}},
        ],
        "topology": [["alpha_1", "beta"], ["alpha_2", "beta"]],
    });
    assert_eq!(passed.state, gate::start(&wanted, 100).expect("starts"));
    let events: Vec<Event> = passed.ops.into_iter().zip(1..).map(|(op, seq)| Event { seq, op }).collect();
    assert_eq!(gate::replay(&seed, &events, 100), Ok(passed.state.clone()));
    assert_eq!(edges(&passed.state), ["alpha_1>beta", "alpha_2>beta"]);
    assert_eq!(
        gate::scale(&state(&["a#1"], &[], json!([])), "a", 1, 9),
        Err(Error::InvalidName(Shown::name("a#1")))
    );
}
