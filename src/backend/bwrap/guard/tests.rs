//! Guards over real directories; that a sandbox keeps them, its own tests show.

use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::store::testing::TempHome;

fn names(at: &Path) -> Vec<String> {
    let mut all: Vec<_> =
        fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

fn workspace(temp: &TempHome) -> PathBuf {
    let path = temp.around().join("w");
    fs::create_dir(&path).unwrap();
    path
}

fn bound(guard: &Guard) -> Vec<(String, bool)> {
    guard.binds.iter().map(|bind| (bind.at.clone(), bind.writable)).collect()
}

#[test]
fn what_is_missing_gets_a_placeholder_and_loses_it_with_the_last_guard() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    fs::write(path.join(".bashrc"), "mine").unwrap();
    let one = guards.protect(&path, "/workspace").unwrap();
    assert_eq!(names(&path).len(), CLOSED.len() + 2, ".git and HEAD too");
    assert!(path.join(".envrc").is_dir() && path.join(".git").is_dir());
    let two = guards.protect(&path, "/workspace").unwrap();
    assert_eq!(bound(&one), bound(&two));
    assert!(bound(&one).iter().all(|(_, writable)| !writable));
    drop(one);
    assert!(path.join(".envrc").is_dir(), "another agent works there");
    fs::write(path.join(".vscode/tasks.json"), "by the owner, from outside").unwrap();
    drop(two);
    assert_eq!(names(&path), [".bashrc", ".vscode"], "what is not empty any more stays");
    assert_eq!(fs::read_to_string(path.join(".bashrc")).unwrap(), "mine");
}

#[test]
fn a_repository_is_held_and_its_settings_are_closed() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    fs::create_dir_all(path.join(".git/info")).unwrap();
    fs::write(path.join(".git/config"), "[core]").unwrap();
    fs::write(path.join(".git/HEAD"), "ref: refs/heads/main").unwrap();
    let guard = guards.protect(&path, "/workspace").unwrap();
    let git: Vec<_> = bound(&guard).into_iter().filter(|(at, _)| at.contains("/.git")).collect();
    let wanted = [
        ("/workspace/.git", true),
        ("/workspace/.git/hooks", false),
        ("/workspace/.git/config", false),
        ("/workspace/.git/config.worktree", false),
        ("/workspace/.git/commondir", false),
        ("/workspace/.git/info", true),
        ("/workspace/.git/info/attributes", false),
    ];
    assert_eq!(git, wanted.map(|(at, writable)| (at.to_owned(), writable)));
    // one without such directories, for two agents
    let other = temp.around().join("o");
    fs::create_dir_all(other.join(".git")).unwrap();
    let (one, two) =
        (guards.protect(&other, "/workspace").unwrap(), guards.protect(&other, "/workspace").unwrap());
    assert!(bound(&one) == bound(&two) && bound(&one).contains(&("/workspace/.git/info".to_owned(), false)));
    drop((one, two));
    assert!(names(&other.join(".git")).is_empty());
    assert!(!path.join("HEAD").exists());
    drop(guard);
    assert_eq!(names(&path), [".git"]);
    assert_eq!(names(&path.join(".git")), ["HEAD", "config", "info"]);
    assert!(names(&path.join(".git/info")).is_empty());
}

#[test]
fn a_work_tree_and_a_bare_repository_are_closed_too() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    fs::write(path.join(".git"), "gitdir: /elsewhere").unwrap();
    let guard = guards.protect(&path, "/workspace").unwrap();
    assert!(bound(&guard).contains(&("/workspace/.git".to_owned(), false)));
    drop(guard);
    assert_eq!(names(&path), [".git"]);
    fs::remove_file(path.join(".git")).unwrap();
    fs::write(path.join("HEAD"), "ref: refs/heads/main").unwrap();
    let guard = guards.protect(&path, "/workspace").unwrap();
    for closed in ["HEAD", "config", "hooks", "commondir", ".git"] {
        assert!(bound(&guard).contains(&(format!("/workspace/{closed}"), false)), "{closed}");
    }
    drop(guard);
    assert_eq!(names(&path), ["HEAD"]);
}

#[test]
fn a_link_where_something_is_protected_refuses_the_start_and_leaves_nothing() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    let elsewhere = temp.around().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for name in [".zshrc", ".git", ".vimrc"] {
        symlink(&elsewhere, path.join(name)).unwrap();
        let error = guards.protect(&path, "/workspace").err().expect("refused");
        let StartError::Sandbox { code, reason } = &error else { panic!("{error:?}") };
        assert_eq!(*code, "workspace_guard");
        assert!(reason.contains(name) && !reason.contains(temp.around().to_str().unwrap()), "{reason}");
        assert_eq!(names(&path), [name]);
        fs::remove_file(path.join(name)).unwrap();
    }
    fs::create_dir(path.join(".git")).unwrap();
    symlink(&elsewhere, path.join(".git/hooks")).unwrap();
    assert!(guards.protect(&path, "/workspace").is_err());
    assert!(names(&elsewhere).is_empty());
}

#[test]
fn what_a_killed_instance_has_left_the_next_one_removes() {
    let temp = TempHome::new();
    let path = workspace(&temp);
    let home = Arc::new(temp.home());
    fs::create_dir(path.join(".git")).unwrap();
    let guards = Guards::open(home.clone());
    let guard = guards.protect(&path, "/workspace").unwrap();
    assert!(home.has("placeholders"));
    // Killed: neither guard is dropped.
    std::mem::forget(guard);
    fs::write(path.join(".git/config"), "[core]").unwrap();
    fs::create_dir(path.join("mine")).unwrap();
    let _next = Guards::open(home.clone());
    assert_eq!(names(&path), [".git", "mine"]);
    assert_eq!(names(&path.join(".git")), ["config"], "it is not empty any more");
    assert!(!home.has("placeholders"));
    // A record that says anything else removes nothing.
    fs::create_dir(path.join("src")).unwrap();
    let odd =
        serde_json::json!({"version": 1, "made": [[path, "src"], [path, ".git/../mine"], [path, "mine"], 5]});
    crate::store::private::write_atomic(&home, "placeholders", odd.to_string().as_bytes()).unwrap();
    let _next = Guards::open(home);
    assert_eq!(names(&path), [".git", "mine", "src"]);
}
