//! The rows of keepers and of what they keep.
//!
//! What an agent runs is declared as a whole, with what keeps it from the machine where something does; any other
//! child is a difference.

use super::{
    Child, Declared, Keeper, Observed,
    observe::Process,
    report::{Kind, NOT_OBSERVED, Row, Rows, clean},
};

pub(super) fn rows(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    for keeper in &declared.keepers {
        match observed.children.iter().find(|child| child.process.pid == keeper.pid) {
            Some(child) => {
                rows.add(keeper_row(keeper, true));
                let mut sandboxes = declared.isolated.sandboxes.iter();
                let sandbox = sandboxes.find(|(agent, _)| *agent == keeper.agent);
                tree(rows, keeper, child, sandbox.map(|(_, what)| what.as_str()));
            }
            None => rows.add(keeper_row(keeper, false)),
        }
    }
    for child in &observed.children {
        if declared.keepers.iter().any(|keeper| keeper.pid == child.process.pid) {
            continue;
        }
        let below = child.descendants.len();
        let what = match below {
            0 => "child process".to_owned(),
            _ => format!("child process with {below} below it"),
        };
        let Process { pid, name } = &child.process;
        rows.stray(Kind::Child, format!("pid {pid} ({})", clean(name)), &what);
    }
}

fn keeper_row(keeper: &Keeper, there: bool) -> Row {
    Row {
        kind: Kind::Child,
        process: "loopgate keeper".into(),
        address: format!("pid {}", keeper.pid),
        purpose: format!("ends what {} runs", clean(&keeper.agent)),
        auth: "socketpair".into(),
        default: "per agent".into(),
        count: 1,
        declared: true,
        observed: there,
        difference: (!there).then(|| NOT_OBSERVED.into()),
    }
}

/// What an agent runs: declared as a whole, since the agent decides what it starts.
fn tree(rows: &mut Rows, keeper: &Keeper, child: &Child, sandbox: Option<&str>) {
    let Some(first) = child.descendants.first() else { return };
    rows.add(Row {
        kind: Kind::Child,
        process: clean(&keeper.agent),
        address: format!("pid {} ({})", first.pid, clean(&first.name)),
        purpose: match sandbox {
            Some(what) => format!("what the agent runs, in a sandbox: {}", clean(what)),
            None => "what the agent runs".into(),
        },
        auth: "agent token".into(),
        default: "per agent".into(),
        count: u64::try_from(child.descendants.len()).unwrap_or(u64::MAX),
        declared: true,
        observed: true,
        difference: None,
    });
}
