//! What the tests of this folder share.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Home;

/// A temporary directory, removed at the end, for a home inside it.
pub struct TempHome(PathBuf);

impl TempHome {
    pub fn new() -> Self {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).expect("randomness");
        let path = std::env::temp_dir().join(format!("loopgate-store-{:016x}", u64::from_ne_bytes(random)));
        std::fs::create_dir(&path).expect("a directory");
        let temp = Self(path);
        drop(Home::create(&temp.path()).expect("a home"));
        temp
    }

    /// The home's path.
    pub fn path(&self) -> PathBuf {
        self.0.join("home")
    }

    /// The directory around the home.
    pub fn around(&self) -> &Path {
        &self.0
    }

    pub fn home(&self) -> Home {
        Home::open(&self.path()).expect("a home")
    }
}

impl Drop for TempHome {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn mode_of(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("it exists").permissions().mode() & 0o7777
}

/// Whether the test may make files of other users; says so where it may not.
pub fn is_root() -> bool {
    let root = crate::sys::process::uid() == 0;
    if !root {
        println!("skipped: root missing");
    }
    root
}
