//! What is cleaned up when an instance starts (spec agentmux L.56, as the design changes it).
//!
//! Entries whose process or port is gone, files that are no entry and that nobody has touched for a
//! minute, and what a writer that was killed left. Nothing goes by its age alone, and nothing that is not
//! private, ours and named like an entry.

use std::time::Duration;

use super::{
    Registry,
    check::{Bytes, Kernel, NotRead, Read},
    look::{self, Step},
    place::Place,
    trouble::Wrong,
};
use crate::{limits, store::common::CommonDirectory};

const LOCK: Duration = Duration::from_millis(limits::REGISTRY_LOCK_MS);

impl Registry {
    /// Sweeps; `false` where somebody keeps the lock, or the directory cannot be used now.
    pub(super) fn sweep(&self) -> bool {
        let Ok(directory) = CommonDirectory::open(&self.directory) else { return false };
        let mut kernel = Kernel::new(&self.us);
        let mut old: Vec<(Place, Bytes)> = Vec::new();
        look::walk(&directory, &self.directory, &mut |step| match step {
            Step::File(place, Ok(Read { entry, file })) => {
                if !self.us.wrote(&entry) && kernel.has_ended(&entry) {
                    old.push((place, file));
                }
            }
            Step::File(place, Err(NotRead::NoEntry(file, Wrong::Malformed(_)))) => {
                if self.is_unfinished(file.written_at) {
                    old.push((place, file));
                }
            }
            Step::File(_, Err(NotRead::NoEntry(..) | NotRead::Missing | NotRead::Refused(_)))
            | Step::Directory(_) => {}
        });
        let Ok(Some(_lock)) = directory.lock(LOCK) else { return false };
        for (place, file) in old {
            self.remove_as_read(&directory, &place, &file);
        }
        self.tidy(&directory);
        true
    }

    /// Takes away or puts back what stands beside entries under a hidden name.
    fn tidy(&self, directory: &CommonDirectory) {
        let before = self.clock.unix_ms().saturating_sub(limits::REGISTRY_UNFINISHED_MS);
        let Ok((names, _)) = directory.names(limits::REGISTRY_FILES) else { return };
        directory.tidy(&names, before);
        for name in names.iter().filter(|name| directory.is_directory(name)) {
            if let Ok(below) = directory.below(name)
                && let Ok((names, _)) = below.names(limits::REGISTRY_CHANNELS)
            {
                below.tidy(&names, before);
            }
        }
    }
}
