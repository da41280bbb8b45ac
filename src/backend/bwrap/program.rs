//! Which bubblewrap is started: one that nobody but root could have put there.
//!
//! It is looked up in places that are named here, and not in PATH, which whoever started the instance may have
//! set to anything. It gets to see all that the sandbox is made of.

use std::{
    borrow::Cow,
    fs::Metadata,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::agent::StartError;

const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin"];

/// Its path, or what to do.
pub fn bwrap() -> Result<PathBuf, StartError> {
    match find("bwrap") {
        Some(Ok(path)) => Ok(path),
        Some(Err(())) => Err(StartError::Sandbox {
            code: "sandbox_program",
            reason: Cow::Borrowed(
                "the bwrap of this machine could be changed by somebody else than root: it is not used",
            ),
        }),
        None => Err(StartError::Sandbox {
            code: "sandbox_missing",
            reason: Cow::Borrowed(
                "the sandbox needs bubblewrap, which is not installed: install the package \"bubblewrap\"",
            ),
        }),
    }
}

/// A program of the system: where it is, or that there is one which is not to be trusted.
pub fn find(name: &str) -> Option<Result<PathBuf, ()>> {
    let mut found = None;
    for place in PLACES {
        let path = Path::new(place).join(name);
        let Ok(facts) = std::fs::metadata(&path) else { continue };
        if is_roots(&facts) {
            return Some(Ok(path));
        }
        found = Some(Err(()));
    }
    found
}

fn is_roots(facts: &Metadata) -> bool {
    facts.is_file() && facts.uid() == 0 && facts.permissions().mode() & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_roots_or_that_others_may_write_is_not_used() {
        let facts = |path: &str| std::fs::metadata(path).expect("it is there");
        assert!(is_roots(&facts("/bin/sh")));
        assert!(!is_roots(&facts("/usr")), "a directory");
        assert!(!is_roots(&facts("/dev/null")), "a device, which others may write");
    }

    #[test]
    fn a_program_that_is_missing_is_said_to_be() {
        assert_eq!(find("no-such-program-of-loopgate"), None);
    }
}
