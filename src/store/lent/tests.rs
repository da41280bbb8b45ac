use std::{
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
};

use super::*;
use crate::store::testing::{Silent, TempHome, in_own_mounts, is_root, mode_of};

fn lent(temp: &TempHome) -> (Lent, PathBuf) {
    let path = temp.around().join("lent");
    let above = File::open(temp.around()).expect("a directory");
    (Lent::create_at(&above, "lent").expect("a directory"), path)
}

fn read(lent: &Lent, name: &str) -> Result<Vec<u8>, LentError> {
    lent.read(OsStr::new(name), 64).map(|read| read.bytes)
}

#[test]
fn a_lent_directory_is_made_private_and_kept_so() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    assert_eq!(mode_of(&path), 0o700);
    lent.create_below("inner").expect("made");
    std::fs::set_permissions(path.join("inner"), Permissions::from_mode(0o777)).expect("a mode");
    lent.create_below("inner").expect("there");
    assert_eq!(mode_of(&path.join("inner")), 0o700);
}

#[test]
fn a_link_a_file_or_a_foreign_directory_is_never_lent() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    symlink(temp.path(), path.join("link")).expect("a link");
    std::fs::write(path.join("file"), "").expect("written");
    for name in ["link", "link/"] {
        assert_eq!(lent.below(name).expect_err("refused"), LentError::Symlink, "{name}");
        assert_eq!(lent.create_below(name).expect_err("refused"), LentError::Symlink, "{name}");
    }
    assert_eq!(lent.below("file").expect_err("refused"), LentError::NotRegular);
    assert_eq!(lent.below("missing").expect_err("refused"), LentError::Missing);
    if is_root() {
        std::fs::create_dir(path.join("theirs")).expect("made");
        std::os::unix::fs::chown(path.join("theirs"), Some(12_345), None).expect("given away");
        assert_eq!(lent.below("theirs").expect_err("refused"), LentError::Owner);
    }
    lent.fresh_below("link").expect("made");
    assert!(path.join("link").is_dir() && temp.path().is_dir(), "the link went, not what it leads to");
}

#[test]
fn only_a_regular_file_of_ours_with_one_name_is_read() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    let elsewhere = temp.around().join("elsewhere");
    std::fs::write(&elsewhere, "secret").expect("written");
    symlink(&elsewhere, path.join("link")).expect("a link");
    std::fs::hard_link(&elsewhere, path.join("hard")).expect("a link");
    std::fs::create_dir(path.join("directory")).expect("made");
    let _socket = UnixListener::bind(path.join("socket")).expect("a socket");
    assert_eq!(read(&lent, "link"), Err(LentError::Symlink));
    assert_eq!(read(&lent, "hard"), Err(LentError::HardLink));
    assert_eq!(read(&lent, "directory"), Err(LentError::NotRegular));
    assert_eq!(read(&lent, "socket"), Err(LentError::NotRegular));
    assert_eq!(read(&lent, "missing"), Err(LentError::Missing));
    let made = std::process::Command::new("mkfifo").arg(path.join("fifo")).status();
    if made.is_ok_and(|status| status.success()) {
        assert_eq!(read(&lent, "fifo"), Err(LentError::NotRegular));
    } else {
        println!("skipped: mkfifo missing");
    }
    if is_root() {
        std::fs::write(path.join("theirs"), "x").expect("written");
        std::os::unix::fs::chown(path.join("theirs"), Some(12_345), None).expect("given away");
        assert_eq!(read(&lent, "theirs"), Err(LentError::Owner));
    }
    for (size, fits) in [(0, true), (64, true), (65, false), (5_000_000, false)] {
        std::fs::write(path.join("file"), vec![b'x'; size]).expect("written");
        assert_eq!(
            read(&lent, "file").map(|bytes| bytes.len()),
            if fits { Ok(size) } else { Err(LentError::TooLarge) }
        );
    }
}

#[test]
fn what_is_written_replaces_a_link_and_not_what_it_leads_to() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    let elsewhere = temp.around().join("elsewhere");
    std::fs::write(&elsewhere, "theirs").expect("written");
    symlink(&elsewhere, path.join("file")).expect("a link");
    lent.write("file", b"ours").expect("written");
    assert_eq!(std::fs::read_to_string(&elsewhere).expect("read"), "theirs");
    assert_eq!((read(&lent, "file"), mode_of(&path.join("file"))), (Ok(b"ours".to_vec()), 0o600));
    symlink(&elsewhere, path.join("other")).expect("a link");
    lent.remove(OsStr::new("other")).expect("removed");
    lent.remove(OsStr::new("other")).expect("gone already");
    assert!(elsewhere.exists());

    std::fs::create_dir(path.join("directory")).expect("made");
    assert!(lent.write("directory", b"x").is_err());
    lent.remove(OsStr::new("directory")).expect("an empty directory");
    let mut names = Vec::new();
    assert_eq!(lent.each_name(9, &mut |name| names.push(name)), Ok(false));
    assert_eq!(names, ["file"], "nothing half written is left");
}

/// Whoever holds the directory open is not led elsewhere by a new name.
#[test]
fn a_lent_directory_that_is_moved_away_is_the_same_one() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    let elsewhere = temp.around().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    std::fs::rename(&path, temp.around().join("moved")).expect("moved");
    symlink(&elsewhere, &path).expect("a link");
    lent.write("file", b"x").expect("written");
    assert!(temp.around().join("moved/file").exists() && !elsewhere.join("file").exists());
    assert_eq!(Lent::open(Path::new(&path)).expect_err("refused"), LentError::Symlink);
}

#[test]
fn names_are_shown_up_to_a_number_and_the_rest_is_told() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    for name in ["a", "b", "c"] {
        std::fs::write(path.join(name), "").expect("written");
    }
    for (most, shown, more) in [(2, 2, true), (3, 3, false), (9, 3, false)] {
        let mut count = 0;
        assert_eq!(lent.each_name(most, &mut |_| count += 1), Ok(more), "{most}");
        assert_eq!(count, shown, "{most}");
    }
}

#[test]
fn what_was_set_aside_comes_back_only_where_its_name_is_free() {
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    lent.write("letter", b"first").expect("written");
    let aside = lent.set_aside(OsStr::new("letter")).expect("moved");
    assert_eq!(read(&lent, "letter"), Err(LentError::Missing));
    lent.write("letter", b"second").expect("written");
    assert_eq!(lent.put_back(&aside, OsStr::new("letter")), Ok(false));
    assert_eq!(read(&lent, "letter"), Ok(b"second".to_vec()), "what came meanwhile is not replaced");
    lent.remove(OsStr::new("letter")).expect("removed");
    assert_eq!(lent.put_back(&aside, OsStr::new("letter")), Ok(true));
    assert_eq!(read(&lent, "letter"), Ok(b"first".to_vec()));
    assert!(!path.join(aside).exists());
}

#[test]
fn what_is_mounted_in_a_lent_directory_is_refused_and_never_asked() {
    if !in_own_mounts(module_path!(), "what_is_mounted_in_a_lent_directory_is_refused_and_never_asked") {
        return;
    }
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    lent.create_below("inner").expect("made").write("below", b"x").expect("written");
    lent.write("file", b"x").expect("written");
    let held = lent.below("inner").expect("nothing is mounted yet");
    let _silent = ["inner", "file"].map(|name| Silent::over(&path.join(name)));
    assert_eq!(lent.below("inner").expect_err("refused"), LentError::Mounted);
    assert_eq!(lent.create_below("inner").expect_err("refused"), LentError::Mounted);
    assert!(lent.fresh_below("inner").is_err());
    assert_eq!(read(&lent, "file"), Err(LentError::Mounted));
    assert_eq!(lent.pieces("file").expect_err("refused"), LentError::Mounted);
    for name in ["inner", "file"] {
        assert_eq!(lent.changed(OsStr::new(name)), Err(LentError::Mounted));
    }
    assert_eq!(lent.append("file", b"x\n", 64), Err(LentError::Mounted));
    for name in ["inner", "file"] {
        assert!(lent.write(name, b"x").is_err() && lent.remove(name.as_ref()).is_err());
        assert!(lent.rename(name, "other").is_err() && lent.set_aside(name.as_ref()).is_err());
    }
    let mut names = Vec::new();
    assert_eq!(lent.each_name(9, &mut |name| names.push(name)), Ok(false));
    assert_eq!(names.len(), 2, "they are shown, and nothing else is left: {names:?}");
    assert_eq!(read(&held, "below"), Ok(b"x".to_vec()), "what was reached before is what it was");
}

#[test]
fn what_is_lent_to_another_user_is_that_users_and_taken_for_ours_there_alone() {
    if !is_root() {
        eprintln!("skipped: root missing");
        return;
    }
    use std::os::unix::fs::MetadataExt;
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    let user = User { uid: 65_534, gid: 65_533 };
    let owner = |name: &str| {
        std::fs::symlink_metadata(path.join(name)).map(|facts| (facts.uid(), facts.gid())).unwrap()
    };
    lent.create_below("kept").unwrap();
    let lent = lent.lent_to(Some(Borrower { user, gets: true }));
    let outbox = lent.create_below("outbox").unwrap();
    outbox.write("letter", b"x").unwrap();
    outbox.append("log", b"y\n", 100).unwrap();
    lent.create_below("kept").unwrap();
    for name in ["outbox", "outbox/letter", "outbox/log", "kept"] {
        assert_eq!(owner(name), (65_534, 65_533), "{name}");
    }
    // Not handed over any more, they are still taken for ours; without a borrower they are not.
    let after = lent.lent_to(Some(Borrower { user, gets: false }));
    assert_eq!(read(&after.below("outbox").unwrap(), "letter").unwrap(), b"x");
    after.below("outbox").unwrap().write("later", b"z").unwrap();
    after.write("ours", b"z").unwrap();
    assert_eq!((owner("outbox/later").0, owner("ours").0), (65_534, 0));
    after.create_below("new").unwrap();
    assert_eq!(owner("new").0, 0);
    assert_eq!(after.lent_to(None).below("outbox").expect_err("refused"), LentError::Owner);
    // Through no link, and of nobody else.
    std::os::unix::fs::chown(path.join("new"), Some(4_711), None).unwrap();
    let other = Lent::open(&path).unwrap().lent_to(Some(Borrower { user, gets: true }));
    assert_eq!(other.create_below("new").expect_err("refused"), LentError::Owner);
    symlink(temp.path(), path.join("link")).unwrap();
    assert_eq!(other.create_below("link").expect_err("refused"), LentError::Symlink);
    assert_eq!(std::fs::metadata(temp.path()).unwrap().uid(), 0);
}

/// Whoever looks at the names meanwhile sees none that is ours still.
#[test]
fn a_directory_has_its_name_only_once_it_is_handed_over() {
    use std::{
        os::unix::fs::MetadataExt,
        sync::atomic::{AtomicBool, Ordering::SeqCst},
    };
    if !is_root() {
        return;
    }
    let temp = TempHome::new();
    let (lent, path) = lent(&temp);
    let lent = lent.lent_to(Some(Borrower { user: User { uid: 65_534, gid: 65_533 }, gets: true }));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                if let Ok(facts) = std::fs::symlink_metadata(path.join("outbox")) {
                    assert_eq!(facts.uid(), 65_534);
                }
            }
        });
        let made = (0..1_000).try_for_each(|_| lent.fresh_below("outbox").map(drop));
        over.store(true, SeqCst);
        made.expect("made");
    });
    let mut names = Vec::new();
    lent.each_name(9, &mut |name| names.push(name)).expect("read");
    assert_eq!(names, ["outbox"], "nothing half made is left");
    lent.fresh_below("outbox").expect("removed, whoever owns it").write("letter", b"x").expect("written");
    tree::remove(&lent.directory, OsStr::new("outbox")).expect("removed with what is in it");
    assert!(!path.join("outbox").exists());
}
