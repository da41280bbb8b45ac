use std::{
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use super::*;
use crate::{
    store::testing::{Silent, TempHome, in_own_mounts, is_bound_by_modes},
    sys::rename,
};

const RACES: usize = 10_000;

fn open(path: &Path) -> File {
    File::open(path).expect("a directory")
}

fn entries(path: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_tree_is_removed_with_all_that_is_in_it_and_nothing_that_a_link_leads_to() {
    let temp = TempHome::new();
    let (top, kept) = (temp.around().join("tree"), temp.around().join("kept"));
    std::fs::create_dir_all(top.join("a/b/c")).expect("made");
    std::fs::create_dir_all(top.join("a/d")).expect("made");
    std::fs::create_dir_all(kept.join("inner")).expect("made");
    for file in
        [top.join("1"), top.join("a/2"), top.join("a/b/c/3"), kept.join("file"), kept.join("inner/file")]
    {
        std::fs::write(file, "x").expect("written");
    }
    symlink(&kept, top.join("link")).expect("a link");
    symlink("../../../kept", top.join("a/b/link")).expect("a link");
    symlink(kept.join("file"), top.join("a/link")).expect("a link");
    std::fs::hard_link(kept.join("file"), top.join("a/hard")).expect("a link");
    let above = open(temp.around());
    remove(&above, "tree".as_ref()).expect("removed");
    assert!(!top.exists() && kept.join("file").exists() && kept.join("inner/file").exists());
    remove(&above, "tree".as_ref()).expect("gone already");

    symlink(&kept, &top).expect("a link");
    remove(&above, "tree".as_ref()).expect("the link itself");
    assert!(std::fs::symlink_metadata(&top).is_err() && kept.join("inner/file").exists());
}

/// Deeper than a path may be long, than descriptors go round and than a thread's stack is high.
#[test]
fn a_tree_of_any_depth_is_removed_with_a_small_stack() {
    let temp = TempHome::in_memory();
    std::fs::create_dir(temp.around().join("tree")).expect("made");
    let mut at = open(&temp.around().join("tree"));
    for _ in 0..20_000 {
        std::fs::create_dir(super::at(&at, "d")).expect("made");
        std::fs::write(super::at(&at, "f"), "").expect("written");
        at = open(&super::at(&at, "d"));
    }
    drop(at);
    let above = open(temp.around());
    let removes = move || remove(&above, "tree".as_ref()).expect("removed");
    let thread = thread::Builder::new().stack_size(crate::limits::THREAD_STACK).spawn(removes);
    thread.expect("a thread").join().expect("no panic");
    assert!(!temp.around().join("tree").exists());
}

#[test]
fn directories_that_may_not_be_written_to_are_removed_too() {
    if !is_bound_by_modes("store::tree::tests::directories_that_may_not_be_written_to_are_removed_too") {
        return;
    }
    let temp = TempHome::new();
    let top = temp.around().join("tree");
    std::fs::create_dir_all(top.join("cache/module/inner")).expect("made");
    std::fs::write(top.join("cache/module/inner/file"), "").expect("written");
    for (path, mode) in
        [("cache/module/inner", 0o000), ("cache/module", 0o555), ("cache", 0o500), ("", 0o100)]
    {
        std::fs::set_permissions(top.join(path), Permissions::from_mode(mode)).expect("a mode");
    }
    remove(&open(temp.around()), "tree".as_ref()).expect("removed");
    assert!(!top.exists());
}

/// A directory in the tree changes places with a link to one outside, over and over.
#[test]
fn ten_thousand_removals_never_follow_a_link_out() {
    let temp = TempHome::in_memory();
    let (tree, kept) = (temp.around().join("tree"), temp.around().join("kept"));
    std::fs::create_dir_all(kept.join("inner")).expect("made");
    for file in ["file", "inner/file"] {
        std::fs::write(kept.join(file), "x").expect("written");
    }
    let above = open(temp.around());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let _ = symlink(&kept, tree.join("swap"));
                let _ = rename::exchange(&tree.join("dir"), &tree.join("swap"));
                let _ = rename::exchange(&tree.join("dir/deep"), &tree.join("swap"));
            }
        });
        for _ in 0..RACES {
            let _ = std::fs::create_dir_all(tree.join("dir/deep/inner"));
            // The other one may be writing all the time: then not all is removed.
            let _ = remove(&above, "tree".as_ref());
            assert!(kept.join("file").exists() && kept.join("inner/file").exists());
        }
        over.store(true, SeqCst);
    });
    remove(&above, "tree".as_ref()).expect("nobody writes any more");
    assert!(!tree.exists() && kept.join("inner/file").exists());
}

#[test]
fn what_is_mounted_in_a_tree_stays_and_holds_up_no_removal() {
    if !in_own_mounts(module_path!(), "what_is_mounted_in_a_tree_stays_and_holds_up_no_removal") {
        return;
    }
    let temp = TempHome::new();
    let (top, kept) = (temp.around().join("tree"), temp.around().join("kept"));
    for directory in [top.join("a/b"), top.join("c/project"), top.join("d/e"), kept.clone()] {
        std::fs::create_dir_all(directory).expect("made");
    }
    for file in [top.join("1"), top.join("d/2"), top.join("d/e/3"), kept.join("file")] {
        std::fs::write(file, "x").expect("written");
    }
    // Beside the mounts and above them, before and behind: no order of entries saves any of it.
    for place in ["a", "c", "deep/er"] {
        for sibling in ["0", "z", "0.d/inner", "z.d/inner"] {
            std::fs::create_dir_all(top.join(place).join(sibling)).expect("made");
            std::fs::write(top.join(place).join(sibling).join("secret"), "x").expect("written");
        }
    }
    std::fs::create_dir_all(top.join("deep/er/mounted")).expect("made");
    let bound_deep = std::process::Command::new("mount")
        .arg("--bind")
        .args([&kept, &top.join("deep/er/mounted")])
        .status();
    assert!(bound_deep.expect("it runs").success());
    let _silent = Silent::over(&top.join("a/b"));
    let bound =
        std::process::Command::new("mount").arg("--bind").args([&kept, &top.join("c/project")]).status();
    assert!(bound.expect("it runs").success());
    let above = open(temp.around());
    assert!(remove(&above, "tree".as_ref()).is_err(), "it cannot be gone");
    assert!(kept.join("file").exists(), "nothing of what was mounted there was removed");
    assert!(!top.join("1").exists() && !top.join("d").exists(), "the rest is");
    let mut stayed: Vec<_> = entries(&top).iter().flat_map(|above| entries(above)).collect();
    stayed.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    let stayed: Vec<_> = stayed.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(stayed, ["b", "mounted", "project"], "nothing else is left, at any depth");
    let mounted = remove(&open(&top.join("a")), "b".as_ref()).expect_err("refused");
    assert_eq!(mounted.raw_os_error(), Some(libc::EXDEV));
}
