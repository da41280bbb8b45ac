//! What the documents claim exists: files, functions, tests.

use std::collections::BTreeSet;

#[path = "support/sources.rs"]
mod sources;

/// Later steps of the project, as docs/claims.md names them where something is missing.
const LATER: [&str; 7] = [
    "Messages: the journal, durable mailboxes, agent tokens, and the sidecar's WebSocket",
    "Registry: instances that find each other and forward, and key rotation",
    "Swarms: config, gate, topology, pipe agents, and the REST API",
    "The swarm channel, events, logs, and the rest of the command line",
    "Isolation: sandboxed agents whose only way out is one endpoint",
    "The beacon and the relay poller: the two ways beyond loopback, both off by default",
    "The host and its page",
];

/// Documents in which a promise ends in `(test: name)` or `(tests: name, name)`.
const PROMISING: [&str; 11] = [
    "README.md",
    "SECURITY.md",
    "docs/cves.md",
    "docs/events.md",
    "docs/exposure.md",
    "docs/isolation.md",
    "docs/messages.md",
    "docs/registry.md",
    "docs/reliability.md",
    "docs/swarms.md",
    "docs/decisions",
];

#[test]
fn every_claim_names_code_and_a_test_that_exist() {
    let tests = sources::tests();
    let mut faults = Vec::new();
    for row in claims() {
        let [claim, place, test] = row.as_slice() else { panic!("three columns: {row:?}") };
        if let Some(later) = place.strip_prefix("later: ") {
            if !LATER.contains(&later) || test != "-" {
                faults.push(format!("{claim}: no such later step: {later}, {test}"));
            }
            continue;
        }
        if place.strip_prefix("does not apply: ").is_some_and(|why| !why.is_empty()) && test == "-" {
            continue;
        }
        for place in quoted(place) {
            let Some((file, function)) = place.split_once(':') else {
                faults.push(format!("{claim}: {place} is not file:function"));
                continue;
            };
            if !sources::root().join(file).is_file() {
                faults.push(format!("{claim}: {file} does not exist"));
            } else if !sources::functions(file).contains(function) {
                faults.push(format!("{claim}: no function {function} in {file}"));
            }
        }
        if quoted(place).is_empty() || quoted(test).is_empty() {
            faults.push(format!("{claim}: names no code or no test"));
        }
        faults.extend(missing(&tests, quoted(test)).map(|name| format!("{claim}: no test {name}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let tests = sources::tests();
    let mut faults = Vec::new();
    for (file, text) in promising() {
        let named: Vec<String> = promises(&text);
        if file == "SECURITY.md" {
            assert!(named.len() > 20, "only {} tests named in {file}", named.len());
        }
        faults.extend(missing(&tests, named).map(|name| format!("{file}: no test {name}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_cve_has_a_reason_and_a_test_that_exists() {
    let tests = sources::tests();
    let rows = sources::table_rows(&sources::read("docs/cves.md"));
    for row in &rows {
        let [name, attack, why, test] = row.as_slice() else { panic!("four columns: {row:?}") };
        assert!(name.starts_with("CVE-") && !attack.is_empty() && !why.is_empty(), "{row:?}");
        let gone: Vec<_> = missing(&tests, quoted(test)).collect();
        assert!(!quoted(test).is_empty() && gone.is_empty(), "{name}: no test {gone:?}");
    }
    assert!(rows.len() >= 12, "{} rows", rows.len());
}

/// Where we differ from GenSwarms on purpose: each row ends in the tests that show it.
#[test]
fn every_difference_from_genswarms_names_a_test_that_exists() {
    let tests = sources::tests();
    let text = sources::read("docs/swarms.md");
    let (_, differences) = text.split_once("## Where this differs").unwrap();
    let rows = sources::table_rows(differences);
    for row in &rows {
        let [theirs, ours, test] = row.as_slice() else { panic!("three columns: {row:?}") };
        assert!(!theirs.is_empty() && !ours.is_empty(), "{row:?}");
        let gone: Vec<_> = missing(&tests, quoted(test)).collect();
        assert!(!quoted(test).is_empty() && gone.is_empty(), "{theirs}: no test {gone:?}");
    }
    assert!(rows.len() >= 20, "{} rows", rows.len());
}

/// Whoever is refused finds the code in the page about swarms.
#[test]
fn every_code_of_a_refusal_is_explained() {
    let page = sources::read("docs/swarms.md");
    let mut count = 0;
    for file in ["src/swarm/fault.rs", "src/swarm/patch.rs"] {
        for line in sources::read(file).lines().filter(|line| line.contains("Self::")) {
            let Some((_, code)) = line.split_once("=> \"") else { continue };
            let code = code.trim_end_matches("\",");
            assert!(page.contains(&format!("`{code}`")), "{file}: {code}");
            count += 1;
        }
    }
    assert!(count > 40, "{count} codes");
}

/// A line of firewall advice ends in the rows of `loopgate exposure` that it is about.
#[test]
fn firewall_advice_is_tied_to_rows_of_the_report() {
    let text = sources::read("docs/exposure.md");
    let report: String = ["mod", "report", "registry", "trees"]
        .map(|name| sources::read(&format!("src/exposure/{name}.rs")))
        .concat();
    let (_, advice) = text.split_once("## Firewall").unwrap();
    let lines: Vec<&str> = advice.lines().filter(|line| line.starts_with("- ")).collect();
    assert!(lines.len() >= 5);
    for line in lines {
        let (_, rows) = line.rsplit_once("(row: ").unwrap_or_else(|| panic!("no row: {line}"));
        for row in quoted(rows) {
            assert!(report.contains(&format!("\"{row}")), "no such row: {row}");
        }
    }
}

#[test]
fn every_decision_is_half_a_page() {
    for (file, text) in promising().into_iter().filter(|(file, _)| file.contains("decisions/")) {
        let words = text.split_whitespace().count();
        assert!(text.starts_with("# 0") && words < 520, "{file}: {words} words");
        for part in ["**Question.**", "**Decided.**", "**Price.**"] {
            assert!(text.contains(part), "{file} has no {part}");
        }
    }
}

/// `docs/`-relative and other paths that documents name in backticks.
#[test]
fn every_file_that_a_document_names_exists() {
    let mut documents = promising();
    for name in ["docs/claims.md", "docs/cves.md", "docs/dependencies.md", "docs/limits.md", "docs/routes.md"]
    {
        documents.push((name.to_owned(), sources::read(name)));
    }
    for (file, text) in documents {
        for name in quoted(&text) {
            let path = name.split(':').next().unwrap_or_default();
            let ours = ["src/", "tests/", "docs/", "fuzz/", "bench/", "examples/", ".ci/"];
            if ours.iter().any(|folder| path.starts_with(folder)) && !path.contains(['*', '<', ' ']) {
                assert!(sources::root().join(path).exists(), "{file} names {path}");
            }
        }
    }
}

/// Rows of docs/claims.md: claim, place, test.
fn claims() -> Vec<Vec<String>> {
    sources::table_rows(&sources::read("docs/claims.md"))
}

fn promising() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in PROMISING {
        let path = sources::root().join(name);
        if path.is_dir() {
            let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
            for file in files.map(|file| format!("{name}/{}", file.to_str().unwrap())) {
                found.push((file.clone(), sources::read(&file)));
            }
        } else {
            found.push((name.to_owned(), sources::read(name)));
        }
    }
    found
}

/// The names in all `(test: a)` and `(tests: a, b)`, over line ends.
fn promises(text: &str) -> Vec<String> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lists =
        ["(test: ", "(tests: "].into_iter().flat_map(|mark| flat.split(mark).skip(1).collect::<Vec<_>>());
    lists
        .filter_map(|rest| rest.split(')').next())
        .flat_map(|list| {
            list.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn missing(tests: &BTreeSet<String>, names: Vec<String>) -> impl Iterator<Item = String> {
    names.into_iter().filter(|name| !tests.contains(name))
}
