//! The tree of crates is what docs/dependencies.md says, and within its budget.

use std::{collections::BTreeSet, process::Command};

#[path = "support/sources.rs"]
mod sources;

/// Most crates that the program names itself.
const DIRECT: usize = 10;
/// Most crates in all beside this one, without TLS.
const ALL: usize = 32;
/// The same with TLS.
const ALL_WITH_TLS: usize = 46;
/// The one crate in two versions: ring asks for an older one than we.
const TWICE: &str = "getrandom 0.2.17";

#[test]
fn the_documented_tree_is_the_real_one() {
    let documented: BTreeSet<String> = rows("## In the program").into_iter().collect();
    let real = tree(&["-e", "normal,build"]);
    let real: BTreeSet<String> = real.into_iter().filter(|line| !line.starts_with("loopgate ")).collect();
    let difference: Vec<_> = documented.symmetric_difference(&real).collect();
    assert!(difference.is_empty(), "in docs/dependencies.md or in the tree, not in both: {difference:#?}");
}

#[test]
fn the_documented_dev_dependencies_are_the_real_ones() {
    let documented: BTreeSet<String> = rows("## In the tests").into_iter().collect();
    let real = tree(&["-e", "dev", "--depth", "1"]);
    let real: BTreeSet<String> = real.into_iter().filter(|line| !line.starts_with("loopgate ")).collect();
    assert_eq!(documented, real);
}

#[test]
fn the_tree_is_within_its_budget() {
    let direct = tree(&["-e", "normal,build", "--depth", "1"]).len() - 1;
    assert!(direct <= DIRECT, "{direct} direct crates");
    let all = tree(&["-e", "normal,build", "--no-default-features"]).len() - 1;
    assert!(all <= ALL, "{all} crates");
    let with_tls = tree(&["-e", "normal,build", "--all-features"]).len() - 1;
    assert!(with_tls <= ALL_WITH_TLS, "{with_tls} crates with all features");
}

#[test]
fn what_only_tls_needs_is_marked_as_such() {
    let with = tree(&["-e", "normal,build"]);
    let without = tree(&["-e", "normal,build", "--no-default-features"]);
    let only: BTreeSet<String> = with.difference(&without).cloned().collect();
    let text = sources::read("docs/dependencies.md");
    let marked = sources::table_rows(&text);
    let marked = marked.iter().filter(|row| row.get(2).is_some_and(|word| word.ends_with("TLS")));
    let marked: BTreeSet<String> =
        marked.map(|row| format!("{} {}", row[0].trim_matches('`'), row[1])).collect();
    assert_eq!(marked, only);
}

#[test]
fn no_crate_is_there_in_two_versions() {
    let mut real = tree(&["-e", "normal,build", "--all-features"]);
    assert!(real.remove(TWICE), "no exception is kept that is not needed");
    let names: BTreeSet<_> = real.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names.len(), real.len(), "{real:#?}");
}

/// `name version` of each crate in the tables below a heading.
fn rows(heading: &str) -> Vec<String> {
    let text = sources::read("docs/dependencies.md");
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    sources::table_rows(section)
        .iter()
        .map(|row| format!("{} {}", row[0].trim_matches('`'), row[1]))
        .collect()
}

/// `name version` of each crate in the tree for x86-64 Linux.
fn tree(args: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(sources::root())
        .args(["tree", "--offline", "--locked", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            Some(format!("{name} {version}"))
        })
        .collect()
}
