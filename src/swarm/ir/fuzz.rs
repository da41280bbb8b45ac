//! The fuzz entry of the IR: any documents, and any sequence of operations, keep what the IR promises.
//!
//! An input that begins with `{` is JSON with the documents in it; any other is a script, from which a state,
//! a configuration and operations are made that are mostly right and get in one another's way. What a fold
//! comes to is compared with a model that shares no code with it.

mod model;
mod script;

use serde_json::{Map, Value};

use self::{model::Model, script::Script};
use super::{
    error::{Error, Stopped},
    fold::{compact, fold},
    gate,
    overlay::{Event, Overlay},
    policy,
    reconcile::{applied, reconcile},
    state::State,
    translate::untranslate,
};
use crate::{limits, swarm::config::Config, wire::json};

/// Panics where a promise is broken.
pub fn fuzz(data: &[u8]) {
    match data.first() {
        Some(b'{') => documents(data),
        Some(_) | None => sequence(data),
    }
}

/// Documents as they come.
fn documents(data: &[u8]) {
    let Ok(Value::Object(map)) = json::parse(data) else { return };
    let get = |field: &str| map.get(field).unwrap_or(&Value::Null);
    let cap = get("cap").as_u64().unwrap_or(100).min(1_024) as usize;
    let state = told(State::parse(get("state")));
    let other = told(State::parse(get("other")));
    if let (Some(state), Some(other)) = (&state, &other) {
        plans(state, other);
    }
    let overlay = told(Overlay::parse(get("overlay")));
    if let (Some(state), Some(overlay)) = (&state, &overlay) {
        overlays(state, overlay, cap);
    }
    if let Ok(config) = Config::of(get("config")) {
        agrees(&config);
    }
    if let Some(seed) = told(gate::start(get("config"), cap)) {
        stands(&seed);
        if let Some(overlay) = &overlay {
            replays(&seed, &overlay.events, cap);
        }
    }
}

/// Whatever the configuration's reader takes has a state, and comes back from it as it was; but for the
/// order of its edges, and whether it starts by itself.
pub(super) fn agrees(config: &Config) {
    let state = gate::start(&config.to_value(), limits::IR_NODES).expect("a configuration can start");
    stands(&state);
    let back = untranslate(&state).expect("and comes back");
    let mut back = Config::of(&back).expect("as a configuration");
    let mut config = config.clone();
    config.topology.sort();
    back.topology.sort();
    back.autostart = config.autostart;
    assert_eq!(back, config);
}

/// Operations made from bytes.
fn sequence(data: &[u8]) {
    let mut script = Script::of(data);
    let cap = 3 + script.below(20);
    let seed = State::parse(&script.state()).expect("a right state");
    let overlay = Overlay::parse(&script.overlay()).expect("a right overlay");
    overlays(&seed, &overlay, cap);
    overlays(&seed, &possible(&seed, &overlay), cap);
    let other = State::parse(&script.state()).expect("a right state");
    plans(&seed, &other);
    live(&mut script, cap);
}

/// The events that can be applied, one after the other: a longer way than up to the first that cannot.
fn possible(seed: &State, overlay: &Overlay) -> Overlay {
    let (mut state, mut events) = (seed.clone(), Vec::new());
    for event in &overlay.events {
        if let Ok(next) = fold(&state, std::slice::from_ref(event)) {
            state = next;
            events.push(event.clone());
        }
    }
    Overlay { events, ..overlay.clone() }
}

/// What passed; what was refused says so shortly and without control characters.
fn told<T>(result: Result<T, Error>) -> Option<T> {
    let refused = |error: Error| {
        let text = error.to_string();
        assert!(text.starts_with(error.code()) && !text.chars().any(char::is_control), "{text:?}");
        assert!(text.chars().count() < 2_000, "{text:?}");
    };
    result.map_err(refused).ok()
}

/// A state keeps its invariants, and is what it is written as.
fn stands(state: &State) {
    assert_eq!(State::parse(&state.to_value()).as_ref(), Ok(state));
}

fn overlays(seed: &State, overlay: &Overlay, cap: usize) {
    stands(seed);
    assert_eq!(Overlay::parse(&overlay.to_value()).as_ref(), Ok(overlay));

    let all = fold(seed, &overlay.events);
    assert_eq!(fold(&seed.clone(), &overlay.events), all, "the same again");
    compared(&all, Model::of(seed).folded(&overlay.events, None));
    if let Ok(state) = &all {
        stands(state);
        plans(seed, state);
        plans(state, seed);
    }
    compacts(seed, overlay, &all);
    within_the_cap(seed, &overlay.events, cap);
}

fn compared(ours: &Result<State, Stopped>, model: Result<Model, (u64, &'static str)>) {
    match (ours, model) {
        (Ok(state), Ok(model)) => assert_eq!(state.to_value(), model.value()),
        (Err(stopped), Err((seq, code))) => assert_eq!((stopped.seq, stopped.reason.code()), (seq, code)),
        (ours, model) => panic!("{ours:?} against {model:?}"),
    }
}

fn compacts(seed: &State, overlay: &Overlay, all: &Result<State, Stopped>) {
    // Before all, between all and after all.
    let seqs = overlay.events.iter().map(|event| event.seq);
    for at in [0].into_iter().chain(seqs).take(64) {
        let parts = compact(seed, overlay, at);
        if let Ok((_, rest)) = &parts {
            assert!(rest.events.iter().all(|event| event.seq > at));
        }
        let parts = parts.and_then(|(checkpoint, rest)| fold(&checkpoint, &rest.events));
        assert_eq!(&parts, all, "compacted at {at}");
    }
}

/// No order of operations gets past the cap; which keys may not be is the model's to say.
fn within_the_cap(seed: &State, events: &[Event], cap: usize) {
    let all = policy::apply_overlay(seed, events, cap);
    compared(&all, Model::of(seed).folded(events, Some(cap)));
    let mut state = seed.clone();
    for Event { seq, op } in events {
        match policy::apply_op(&state, op, cap) {
            Ok(next) => {
                let grows = next.nodes() > state.nodes();
                assert!(next.nodes() <= cap || !grows, "{} of {cap} after {op:?}", next.nodes());
                assert!(next.nodes() <= cap.max(seed.nodes()));
                state = next;
            }
            Err(reason) => return assert_eq!(all, Err(Stopped { seq: *seq, reason })),
        }
    }
    assert_eq!(all, Ok(state));
}

fn plans(desired: &State, observed: &State) {
    let plan = reconcile(desired, observed);
    let reached = applied(observed, &plan).expect("each step can be done in its turn");
    assert_eq!(reconcile(desired, &reached), [], "and then nothing is left");
    let sorted = |state: &State| {
        let (mut agents, mut objects) = (state.agents.clone(), state.objects.clone());
        agents.sort_by(|one, other| one.name.cmp(&other.name));
        objects.sort_by(|one, other| one.name.cmp(&other.name));
        (agents, objects, state.topology.clone())
    };
    assert_eq!(sorted(&reached), sorted(desired));
    assert_eq!(plan.is_empty(), sorted(observed) == sorted(desired), "converged means no step");
}

/// A running swarm: each call passes or changes nothing, and what was written down leads to the same again.
fn live(script: &mut Script<'_>, cap: usize) {
    let Some(seed) = told(gate::start(&script.config(), cap)) else { return };
    let (mut now, mut ops) = (seed.clone(), Vec::new());
    while let Some(call) = script.call() {
        let before = now.clone();
        let Some(passed) = told(call.on(&now, cap)) else {
            assert_eq!(now, before);
            continue;
        };
        stands(&passed.state);
        assert!(passed.state.nodes() <= cap, "{} of {cap} after {call:?}", passed.state.nodes());
        now = passed.state;
        ops.extend(passed.ops);
        let config = untranslate(&now).expect("a running swarm has a configuration");
        assert_eq!(gate::start(&config, cap).as_ref(), Ok(&now));
    }
    let events: Vec<Event> = ops.into_iter().zip(1..).map(|(op, seq)| Event { seq, op }).collect();
    assert_eq!(gate::replay(&seed, &events, cap), Ok(now));
    replays(&seed, &events, cap);
}

fn replays(seed: &State, events: &[Event], cap: usize) {
    let read: Result<Vec<Event>, Error> =
        events.iter().map(|event| Event::parse(&event.to_value())).collect();
    assert_eq!(read.as_deref(), Ok(events));
    let replayed = gate::replay(seed, events, cap);
    compared(&replayed, Model::of(seed).running().folded(events, Some(cap)));
    if let Ok(state) = &replayed {
        stands(state);
        assert!(state.nodes() <= cap);
    }
}

/// What a call of the API comes to.
#[derive(Debug)]
enum Call {
    AddAgent { agent: Value, to: Vec<String>, from: Vec<String> },
    AddObject { object: Value, to: Vec<String>, from: Vec<String> },
    RemoveAgent(String),
    RemoveObject(String),
    Scale(String, u64),
    Topology(Vec<(String, String)>, Vec<(String, String)>),
    UpdateConfig(String, Map<String, Value>),
}

impl Call {
    fn on(&self, state: &State, cap: usize) -> Result<gate::Passed, Error> {
        fn texts(names: &[String]) -> Vec<&str> {
            names.iter().map(String::as_str).collect()
        }
        match self {
            Call::AddAgent { agent, to, from } => {
                gate::add_agent(state, agent, &texts(to), &texts(from), cap)
            }
            Call::AddObject { object, to, from } => {
                gate::add_object(state, object, &texts(to), &texts(from), cap)
            }
            Call::RemoveAgent(name) => gate::remove_agent(state, name, cap),
            Call::RemoveObject(name) => gate::remove_object(state, name, cap),
            Call::Scale(base, count) => gate::scale(state, base, *count, cap),
            Call::Topology(add, remove) => gate::topology(state, add.clone(), remove.clone(), cap),
            Call::UpdateConfig(target, config) => gate::update_config(state, target, config, cap),
        }
    }
}
