//! Every limit is documented and kept by a test.

use loopgate::limits::{self, Limit};

#[path = "support/sources.rs"]
mod sources;

#[test]
fn every_limit_names_a_test_that_exists() {
    let tests = sources::tests();
    let missing: Vec<_> =
        limits::TABLE.iter().filter(|limit| !tests.contains(limit.test)).map(|limit| limit.test).collect();
    assert!(missing.is_empty(), "limits whose test is missing: {missing:#?}");
}

#[test]
fn generated_documents_limits_are_up_to_date() {
    let mut text = String::from(
        "# Limits\n\nEvery limit of the program, from `src/limits.rs`, in the order of the way of a request. \
         `loopgate exposure --limits`\nprints the same. None can be raised by a caller. The test named keeps the \
         limit; `tests/limits.rs` checks that it\nexists and that this page is up to date.\n\n\
         | limit | value | what it bounds | test |\n|---|---|---|---|\n",
    );
    for limit in limits::TABLE {
        text += &format!("| `{}` | {} | {} | `{}` |\n", limit.name, value(limit), limit.meaning, limit.test);
    }
    sources::up_to_date("docs/limits.md", &text);
}

/// In the unit in which a person would say it.
fn value(limit: &Limit) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match (limit.unit, limit.value) {
        ("bytes", value) if value % MIB == 0 => format!("{} MiB", value / MIB),
        ("bytes", value) if value % KIB == 0 => format!("{} KiB", value / KIB),
        ("ms", value) if value % 1000 == 0 => format!("{} s", value / 1000),
        ("count", value) => grouped(value),
        (unit, value) => format!("{} {unit}", grouped(value)),
    }
}

/// `12,345`
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
