//! What the two arms of a probe come to.
//!
//! A probe that was stopped in the sandbox proves nothing unless the same probe gets through where nothing stops
//! it; and whatever gets through in the sandbox is a failure, whatever the control arm did.

use serde_json::{Value, json};

use crate::egress::probe::{Finding, Outcome};

/// What is said of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// stopped in the sandbox, and only there
    Pass,
    /// it got through, or nobody could see whether it did
    Fail,
    /// the probe has no meaning here
    NotApplicable,
}

/// One row of the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub name: String,
    pub about: String,
    pub verdict: Verdict,
    /// what was seen in the sandbox
    pub sandbox: String,
    /// what was seen in the control arm
    pub control: String,
}

impl Verdict {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::NotApplicable => "NOT APPLICABLE",
        }
    }
}

impl Row {
    /// Judges one probe.
    pub fn judge(name: &str, about: &str, sandbox: Option<&Outcome>, control: Option<&Outcome>) -> Self {
        let verdict = match (sandbox, control) {
            // Whoever ended the probes may have got through with this one.
            (None | Some(Outcome::Reached(_)), _) => Verdict::Fail,
            (Some(Outcome::Blocked(_)), Some(Outcome::Reached(_))) => Verdict::Pass,
            (Some(Outcome::Blocked(_)), None | Some(Outcome::Blocked(_) | Outcome::Cannot(_)))
            | (Some(Outcome::Cannot(_)), _) => Verdict::NotApplicable,
        };
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            verdict,
            sandbox: told(sandbox),
            control: told(control),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "probe": self.name, "about": self.about, "verdict": self.verdict.as_str(),
            "sandbox": self.sandbox, "control": self.control,
        })
    }
}

/// The outcome of a probe among what one arm found.
pub(super) fn of<'a>(findings: &'a [Finding], name: &str) -> Option<&'a Outcome> {
    findings.iter().find(|finding| finding.probe == name).map(|finding| &finding.outcome)
}

/// Rows with this verdict.
pub(super) fn count(rows: &[Row], verdict: Verdict) -> usize {
    rows.iter().filter(|row| row.verdict == verdict).count()
}

fn told(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "the probes ended before this one".to_owned(),
        Some(Outcome::Reached(evidence)) => format!("reached: {evidence}"),
        Some(Outcome::Blocked(evidence)) => format!("blocked: {evidence}"),
        Some(Outcome::Cannot(evidence)) => format!("not tried: {evidence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_passes_only_where_its_control_gets_through_and_it_does_not() {
        let reached = || Some(Outcome::Reached(String::new()));
        let blocked = || Some(Outcome::Blocked(String::new()));
        let cannot = || Some(Outcome::Cannot(String::new()));
        use Verdict::{Fail, NotApplicable, Pass};
        for (sandbox, control, verdict) in [
            (blocked(), reached(), Pass),
            (blocked(), blocked(), NotApplicable),
            (blocked(), cannot(), NotApplicable),
            (blocked(), None, NotApplicable),
            (reached(), reached(), Fail),
            (reached(), blocked(), Fail),
            (reached(), None, Fail),
            (None, reached(), Fail),
            (None, None, Fail),
            (cannot(), reached(), NotApplicable),
        ] {
            let row = Row::judge("x", "", sandbox.as_ref(), control.as_ref());
            assert_eq!(row.verdict, verdict, "{row:?}");
        }
    }
}
