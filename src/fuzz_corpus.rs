//! Replays the fuzz corpora as ordinary tests.
//!
//! Every seed, and every input that once broke a property, goes through its target's entry in each
//! `cargo test`, so that a fix stays fixed without a fuzzer.

use std::{fs, path::Path};

macro_rules! replay {
    ($( $promise:ident: $target:literal => $entry:path; )*) => {
        $( #[test] fn $promise() { replay($target, $entry); } )*

        /// The targets that are replayed.
        const TARGETS: &[&str] = &[$( $target ),*];
    };
}

replay! {
    every_egress_request_seed_keeps_its_promise: "egress_request" => crate::egress::forwarder::fuzz_request;
    every_egress_response_seed_keeps_its_promise: "egress_response" => crate::egress::forwarder::fuzz_response;
    every_head_seed_keeps_its_promise: "head" => crate::wire::head::fuzz;
    every_admission_seed_keeps_its_promise: "admission" => crate::admit::fuzz;
    every_agent_lines_seed_keeps_its_promise: "agent_lines" => crate::agent::protocol::fuzz;
    every_sanitiser_seed_keeps_its_promise: "sanitiser" => crate::bus::sanitise::fuzz;
    every_display_seed_keeps_its_promise: "display" => crate::cli::display::fuzz;
    every_framing_seed_keeps_its_promise: "framing" => crate::gate::body::fuzz;
    every_journal_line_seed_keeps_its_promise: "journal_line" => crate::store::journal::fuzz_line;
    every_journal_segment_seed_keeps_its_promise: "journal_segment" => crate::store::journal::fuzz_segment;
    every_keyfile_seed_keeps_its_promise: "keyfile" => crate::store::keyfile::fuzz;
    every_registry_entry_seed_keeps_its_promise: "registry_entry" => crate::registry::fuzz_entry;
    every_ws_envelope_seed_keeps_its_promise: "ws_envelope" => crate::ws::agentmux::fuzz;
    every_ws_frames_seed_keeps_its_promise: "ws_frames" => crate::ws::fuzz;
    every_phoenix_v1_seed_keeps_its_promise: "phoenix_v1" => crate::ws::phoenix::fuzz_v1;
    every_phoenix_v2_seed_keeps_its_promise: "phoenix_v2" => crate::ws::phoenix::fuzz_v2;
    every_bus_json_seed_keeps_its_promise: "bus_json" => crate::api::fuzz;
    every_event_line_seed_keeps_its_promise: "event_line" => crate::swarm::events::fuzz_event_line;
    every_event_query_seed_keeps_its_promise: "event_query" => crate::api::fuzz_event_query;
    every_forward_answer_seed_keeps_its_promise: "forward_answer" => crate::registry::fuzz_answer;
    every_letter_seed_keeps_its_promise: "letter" => crate::registry::fuzz_letter;
    every_ir_document_seed_keeps_its_promise: "ir_documents" => crate::swarm::ir::fuzz;
    every_path_guard_seed_keeps_its_promise: "path_guard" => crate::store::beneath::fuzz;
    every_outbox_file_seed_keeps_its_promise: "outbox_file" => crate::agent::outbox::fuzz;
    every_log_record_seed_keeps_its_promise: "log_record" => crate::swarm::logs::fuzz;
    every_endpoint_seed_keeps_its_promise: "endpoint" => crate::egress::endpoint::fuzz;
    every_swarm_config_seed_keeps_its_promise: "swarm_config" => crate::swarm::config::fuzz;
    every_seccomp_seed_keeps_its_promise: "seccomp" => crate::sys::seccomp::fuzz;
    every_sandbox_order_seed_keeps_its_promise: "sandbox_order" => crate::egress::shim::fuzz_order;
}

fn replay(target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds = 0;
    for file in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = file.unwrap().path();
        // Shown only where the entry fails: it names the seed.
        println!("{}", path.display());
        entry(&fs::read(&path).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seed");
}

#[test]
fn every_fuzz_target_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for file in fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let target = name.strip_suffix(".rs").unwrap();
        assert!(TARGETS.contains(&target), "{target} is not replayed");
    }
}
