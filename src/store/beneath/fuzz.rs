//! Fuzz entry: any text as a path, while somebody renames what it leads through.
//!
//! Whatever was read was put inside; neither way of following a path ever reads what lies outside.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use super::{Beneath, Way};
use crate::sys::rename;

/// What each file inside says.
pub(super) const INSIDE: &[u8] = b"inside";
/// What each file outside says.
const OUTSIDE: &[u8] = b"outside";
/// Names of files outside, and of none inside.
const SECRET: &str = "secret.md";
/// What stands in the fuzzer's text for the path of the directory, and for that of the one outside.
const BASE: (char, char) = ('\u{1}', '\u{2}');

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A directory with files and links of all kinds, another one outside, and somebody who renames.
pub(super) struct Ground(PathBuf);

impl Ground {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = COUNT.fetch_add(1, SeqCst);
        let ground = Self(above.join(format!("loopgate-ground-{}-{number}", std::process::id())));
        for directory in ["base/sub/deep", "base/other", "outside/deep", "base_evil"] {
            done(std::fs::create_dir_all(ground.at(directory)));
        }
        for file in ["base/a.md", "base/sub/b.md", "base/sub/deep/c.md", "base/other/b.md"] {
            done(std::fs::write(ground.at(file), INSIDE));
        }
        for file in ["outside/a.md", "outside/b.md", "outside/deep/c.md", "base_evil/a.md"] {
            done(std::fs::write(ground.at(file), OUTSIDE));
        }
        for directory in ["outside", "outside/deep", "base_evil"] {
            done(std::fs::write(ground.at(directory).join(SECRET), OUTSIDE));
        }
        done(symlink("sub", ground.at("base/link")));
        done(symlink("../outside", ground.at("base/out")));
        done(symlink("../outside", ground.at("base/swap")));
        done(symlink("../outside/a.md", ground.at("base/out.md")));
        done(symlink(ground.at("outside"), ground.at("base/absolute")));
        done(symlink("..", ground.at("base/up")));
        done(symlink("sub/deep/../../a.md", ground.at("base/dots.md")));
        done(symlink("sub/deep/../../other", ground.at("base/dots")));
        done(symlink("circle", ground.at("base/circle")));
        done(symlink("/proc/self/root", ground.at("base/root")));
        done(symlink("/proc/self/cwd", ground.at("base/sub/cwd")));
        ground
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The guard of its directory, once for each way.
    pub fn guards(&self) -> [Beneath; 2] {
        [Way::Kernel, Way::Steps].map(|way| match Beneath::open(&self.at("base")) {
            Ok(guard) => Beneath { way, ..guard },
            Err(error) => panic!("no guard: {error}"),
        })
    }

    /// Renames until `looks` has run: a directory and a link to the outside change their names, and one moves
    /// out and in again.
    pub fn while_renamed<T>(&self, looks: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let _ = rename::exchange(&self.at("base/sub"), &self.at("base/swap"));
                    let _ = std::fs::rename(self.at("base/other"), self.at("outside/other"));
                    let _ = rename::exchange(&self.at("base/sub"), &self.at("base/swap"));
                    let _ = std::fs::rename(self.at("outside/other"), self.at("base/other"));
                }
            });
            let over = Over(&over);
            let looked = looks();
            drop(over);
            looked
        })
    }

    /// What a path leads to is inside, by either way and in a list too, or nothing.
    pub fn holds(&self, guards: &[Beneath; 2], path: &str) {
        for guard in guards {
            if let Ok(bytes) = guard.read(path, 64) {
                assert_eq!(bytes, INSIDE, "{path:?}");
            }
            let listed = guard.list(path, ".md", 100).unwrap_or_default();
            assert!(!listed.iter().any(|found| found.ends_with(SECRET)), "{path:?}: {listed:?}");
        }
    }
}

/// Also where a look panics, the renaming ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn done(result: std::io::Result<()>) {
    if let Err(error) = result {
        panic!("the ground cannot be made: {error}");
    }
}

/// Any text as a path.
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let ground = Ground::new();
    let shown = |name: &str| ground.at(name).to_string_lossy().into_owned();
    let path = text.replace(BASE.0, &shown("base")).replace(BASE.1, &shown("outside"));
    let guards = ground.guards();
    for guard in &guards {
        if let Ok(inside) = guard.relative(&path) {
            let part = |part: &str| part != ".." && part != "." && !part.is_empty();
            assert!(inside.is_empty() || inside.split('/').all(part), "{inside:?}");
            assert_eq!(guard.relative(if inside.is_empty() { "." } else { &inside }).ok(), Some(inside));
        }
    }
    ground.holds(&guards, &path);
    ground.while_renamed(|| (0..8).for_each(|_| ground.holds(&guards, &path)));
}
