//! Guards over real directories; that a sandbox keeps them, its own tests show.

use std::{
    fs,
    os::unix::{ffi::OsStringExt, fs::symlink},
    path::Path,
};

use super::{list::CLOSED, *};
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

fn protect(guards: &Arc<Guards>, path: &Path) -> Result<Guard, StartError> {
    guards.protect(&Bind::own(path, "/workspace", true).unwrap())
}

fn bound(guard: &Guard) -> Vec<(String, bool)> {
    guard.binds.iter().map(|bind| (bind.at.clone(), bind.writable)).collect()
}

#[test]
fn what_is_missing_gets_a_placeholder_and_loses_it_with_the_last_guard() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    fs::write(path.join(".bashrc"), "mine").unwrap();
    let one = protect(&guards, &path).unwrap();
    assert_eq!(names(&path).len(), CLOSED.len() + 2, ".git and HEAD too");
    assert!(path.join(".envrc").is_dir() && path.join(".git").is_dir());
    let two = protect(&guards, &path).unwrap();
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
    let guard = protect(&guards, &path).unwrap();
    let git: Vec<_> = bound(&guard).into_iter().filter(|(at, _)| at.contains("/.git")).collect();
    let wanted = [
        ("/workspace/.git", true),
        ("/workspace/.git/hooks", false),
        ("/workspace/.git/remotes", false),
        ("/workspace/.git/branches", false),
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
    let (one, two) = (protect(&guards, &other).unwrap(), protect(&guards, &other).unwrap());
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
    let guard = protect(&guards, &path).unwrap();
    assert!(bound(&guard).contains(&("/workspace/.git".to_owned(), false)));
    drop(guard);
    assert_eq!(names(&path), [".git"]);
    fs::remove_file(path.join(".git")).unwrap();
    fs::write(path.join("HEAD"), "ref: refs/heads/main").unwrap();
    let guard = protect(&guards, &path).unwrap();
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
        let error = protect(&guards, &path).err().expect("refused");
        let StartError::Sandbox { code, reason } = &error else { panic!("{error:?}") };
        assert_eq!(*code, "workspace_guard");
        assert!(reason.contains(name) && !reason.contains(temp.around().to_str().unwrap()), "{reason}");
        assert_eq!(names(&path), [name]);
        fs::remove_file(path.join(name)).unwrap();
    }
    fs::create_dir(path.join(".git")).unwrap();
    symlink(&elsewhere, path.join(".git/hooks")).unwrap();
    assert!(protect(&guards, &path).is_err());
    assert!(names(&elsewhere).is_empty());
}

#[test]
fn what_a_killed_instance_has_left_the_next_one_removes() {
    let temp = TempHome::new();
    let path = workspace(&temp);
    let home = Arc::new(temp.home());
    fs::create_dir(path.join(".git")).unwrap();
    let guards = Guards::open(home.clone());
    let guard = protect(&guards, &path).unwrap();
    assert!(home.has("placeholders"));
    // Killed: neither guard is dropped.
    std::mem::forget(guard);
    guards.lock().places.clear();
    fs::write(path.join(".git/config"), "[core]").unwrap();
    fs::create_dir(path.join("mine")).unwrap();
    let _next = Guards::open(home.clone());
    assert_eq!(names(&path), [".git", "mine"]);
    assert_eq!(names(&path.join(".git")), ["config"], "it is not empty any more");
    assert!(!home.has("placeholders"));
    // A record that says anything else removes nothing.
    fs::create_dir(path.join("src")).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
    let left = |inode, made: &[&str]| Left {
        workspace: path.clone(),
        inode,
        made: made.iter().map(|made| (*made).to_owned()).collect(),
    };
    fs::create_dir(path.join(".idea")).unwrap();
    record::write(&home, &[left(inode, &["src", ".git/../mine", "mine"]), left(inode + 1, &[".idea"])]);
    assert_eq!(record::read(&home).unwrap().len(), 2);
    let _next = Guards::open(home);
    assert_eq!(names(&path), [".git", ".idea", "mine", "src"]);
}

#[test]
fn a_record_holds_every_agents_workspace_and_what_cannot_be_read_is_left_alone() {
    let temp = TempHome::new();
    let home = Arc::new(temp.home());
    let made: Vec<_> = CLOSED.iter().map(|name| (*name).to_owned()).collect();
    let long = std::ffi::OsString::from_vec(vec![0xff; 4000]);
    let all: Vec<_> = (0..crate::limits::AGENTS as u64)
        .map(|inode| Left { workspace: Path::new("/").join(&long), inode, made: made.clone() })
        .collect();
    record::write(&home, &all);
    assert_eq!(record::read(&home).as_deref(), Some(&all[..]));
    let path = workspace(&temp);
    let unread = temp.path().join("placeholders");
    fs::remove_file(&unread).unwrap();
    fs::create_dir(&unread).unwrap();
    drop(protect(&Guards::open(home), &path).unwrap());
    assert!(unread.is_dir() && names(&path).is_empty());
}

#[test]
fn placeholders_stay_while_another_instance_works_there_and_go_with_the_last() {
    let temp = TempHome::new();
    let (path, first, second) = (workspace(&temp), Guards::new(), Guards::new());
    let (one, two) = (protect(&first, &path).unwrap(), protect(&second, &path).unwrap());
    assert_eq!(bound(&one), bound(&two), "the placeholder of a repository is none");
    let all = names(&path);
    drop(one);
    assert_eq!(names(&path), all, "the other's agent is still there");
    drop(two);
    assert!(names(&path).is_empty());
    // An empty directory of the owner's own is not taken for a placeholder.
    fs::create_dir(path.join(".idea")).unwrap();
    drop(protect(&Guards::new(), &path).unwrap());
    assert_eq!(names(&path), [".idea"]);
}

#[test]
fn another_directory_than_the_one_that_was_looked_at_is_not_guarded() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    let bind = Bind::own(&path, "/workspace", true).unwrap();
    let elsewhere = temp.around().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(guards.protect(&bind).is_err() && names(&path).is_empty());
    fs::remove_dir(&path).unwrap();
    // And what was guarded is tidied where it is by then.
    let guard = protect(&guards, &elsewhere).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    symlink(temp.around(), &elsewhere).unwrap();
    drop(guard);
    assert!(names(&path).is_empty());
}

#[test]
fn settings_of_submodules_work_trees_and_where_a_git_file_leads_are_closed() {
    let temp = TempHome::new();
    let (path, guards) = (workspace(&temp), Guards::new());
    fs::write(path.join(".git"), "gitdir: ./.bare\n").unwrap();
    for git in [".bare", ".bare/modules/a/b", ".bare/worktrees/x"] {
        fs::create_dir_all(path.join(git)).unwrap();
        fs::write(path.join(git).join("HEAD"), "ref: refs/heads/main\n").unwrap();
    }
    fs::write(path.join(".bare/worktrees/x/commondir"), "../..\n").unwrap();
    let guard = protect(&guards, &path).unwrap();
    let all = bound(&guard);
    for git in [".bare", ".bare/modules/a/b", ".bare/worktrees/x"] {
        assert!(all.contains(&(format!("/workspace/{git}"), true)), "{git} is held");
        for name in ["config", "hooks", "commondir", "config.worktree"] {
            assert!(all.contains(&(format!("/workspace/{git}/{name}"), false)), "{git}/{name}");
        }
    }
    assert!(all.contains(&("/workspace/.bare/modules/a".to_owned(), true)));
    drop(guard);
    assert_eq!(names(&path.join(".bare/worktrees/x")), ["HEAD", "commondir"]);
    assert_eq!(names(&path.join(".bare")), ["HEAD", "modules", "worktrees"]);
    // Where the agent would say where it leads, nothing starts.
    symlink(".bare", path.join("way")).unwrap();
    for leads in ["gitdir: way", "gitdir: none", "gitdir: a/../.bare"] {
        fs::write(path.join(".git"), leads).unwrap();
        assert!(protect(&guards, &path).is_err(), "{leads}");
    }
    fs::write(path.join(".git"), "gitdir: /elsewhere").unwrap();
    assert!(protect(&guards, &path).is_ok());
}
