use std::{
    os::unix::fs::{PermissionsExt, symlink},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use super::*;
use crate::store::testing::{TempHome, Turn, is_root, mode_of};

const NAME: &str = "agent.json";
const MOST: usize = 1024;
const RACES: usize = 10_000;

/// A directory that others may write to.
fn common(temp: &TempHome) -> (CommonDirectory, PathBuf) {
    let path = temp.around().join("agents");
    (CommonDirectory::create(&path).expect("a directory"), path)
}

fn is(wanted: &'static str) -> impl Fn(&FileRead) -> bool {
    move |file| file.bytes == wanted.as_bytes()
}

/// As any other program writes: a file of its own, renamed over whatever is there.
fn write_over(path: &Path, text: &str) {
    let temporary = path.with_extension("theirs");
    std::fs::write(&temporary, text).expect("written");
    std::fs::set_permissions(&temporary, PermissionsExt::from_mode(0o600)).expect("a mode");
    std::fs::rename(&temporary, path).expect("renamed");
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_common_directory_is_made_private_and_may_be_read_by_others_and_not_written() {
    let temp = TempHome::new();
    let (directory, path) = common(&temp);
    assert_eq!((directory.mode(), mode_of(&path)), (0o700, 0o700));
    for (mode, right) in [(0o755, true), (0o750, true), (0o775, false), (0o707, false), (0o1777, false)] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
        for opened in [CommonDirectory::open(&path), CommonDirectory::create(&path)] {
            match opened {
                Ok(directory) => assert!(right && directory.mode() == mode, "{mode:o}"),
                Err(HomeError::Mode(_, found)) => assert!(!right && found == mode, "{mode:o}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(CommonDirectory::create(&temp.around().join("no/such")).is_err(), "what is above is not made");
    let link = temp.around().join("link");
    symlink(&path, &link).expect("a link");
    assert!(matches!(CommonDirectory::create(&link), Err(HomeError::Symlink(_))));
    std::fs::write(temp.around().join("file"), "").expect("written");
    assert!(matches!(CommonDirectory::create(&temp.around().join("file")), Err(HomeError::NotDirectory(_))));
    if is_root() {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).expect("a mode");
        std::os::unix::fs::chown(&path, Some(65_534), None).expect("chown");
        assert!(matches!(CommonDirectory::create(&path), Err(HomeError::Owner(_, 65_534))));
    }
}

#[test]
fn a_file_is_placed_replaced_and_removed_only_where_it_is_the_right_one() {
    let temp = TempHome::new();
    let (directory, path) = common(&temp);
    let file = path.join(NAME);
    assert_eq!(directory.remove(NAME, MOST, &is("a")).expect("looked"), Changed::Missing);
    assert_eq!(directory.replace(NAME, b"a", MOST, &is("a")).expect("looked"), Changed::Missing);
    assert!(directory.place(NAME, b"a").expect("placed"));
    assert!(!directory.place(NAME, b"b").expect("looked"));
    assert_eq!((text(&file).as_deref(), mode_of(&file)), (Some("a"), 0o600));
    assert_eq!(directory.replace(NAME, b"b", MOST, &is("x")).expect("looked"), Changed::Another);
    assert_eq!(directory.remove(NAME, MOST, &is("x")).expect("looked"), Changed::Another);
    assert_eq!(text(&file).as_deref(), Some("a"));
    assert_eq!(directory.replace(NAME, b"b", MOST, &is("a")).expect("replaced"), Changed::Done);
    assert_eq!((text(&file).as_deref(), mode_of(&file)), (Some("b"), 0o600));
    assert_eq!(names(&path), [NAME]);
    assert_eq!(directory.remove(NAME, MOST, &is("b")).expect("removed"), Changed::Done);
    assert_eq!(names(&path), [""; 0]);
}

#[test]
fn what_is_no_private_file_is_neither_replaced_nor_removed() {
    let temp = TempHome::new();
    let (directory, path) = common(&temp);
    let file = path.join(NAME);
    let check = |wanted: fn(&FileError) -> bool| {
        let any = |_: &FileRead| true;
        assert!(directory.remove(NAME, MOST, &any).is_err_and(|error| wanted(&error)));
        assert!(directory.replace(NAME, b"b", MOST, &any).is_err_and(|error| wanted(&error)));
        assert!(!directory.place(NAME, b"b").expect("looked"));
        assert_eq!(names(&path), [NAME]);
    };
    symlink("/etc/hostname", &file).expect("a link");
    check(|error| matches!(error, FileError::Symlink));
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("a directory");
    check(|error| matches!(error, FileError::NotRegular));
    std::fs::remove_dir(&file).expect("removed");
    write_over(&file, &"x".repeat(MOST + 1));
    check(|error| matches!(error, FileError::TooLarge));
    write_over(&file, "x");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("a mode");
    check(|error| matches!(error, FileError::Mode(0o644)));
}

/// `ours` stands under each of a hundred names, and is changed while another program writes over it; a hundred
/// times. Who waits for the other does so once for all of the names.
fn race(change: impl Fn(&CommonDirectory, &str) -> bool) {
    let temp = TempHome::in_memory();
    let (directory, path) = common(&temp);
    let files: Vec<String> = (0..100).map(|number| format!("a{number:02}.json")).collect();
    let (turn, at) = (Turn::default(), AtomicUsize::new(0));
    let mut lost = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let turn = turn.racer();
            for round in 0..RACES / files.len() {
                turn.wait();
                for (number, name) in files.iter().enumerate() {
                    // At the same file, as far as the system lets both run.
                    (0..5_000).find(|_| at.load(Ordering::SeqCst) >= number || turn.spin());
                    write_over(&path.join(name), &format!("theirs {round}"));
                }
                turn.wait();
            }
        });
        let turn = turn.racer();
        for round in 0..RACES / files.len() {
            for name in &files {
                write_over(&path.join(name), "ours");
            }
            at.store(0, Ordering::SeqCst);
            turn.wait();
            for (number, name) in files.iter().enumerate() {
                at.store(number, Ordering::SeqCst);
                if !change(&directory, name) {
                    lost.push((round, name));
                }
            }
            turn.wait();
            let theirs = format!("theirs {round}");
            let gone = files.iter().filter(|name| text(&path.join(name)).as_ref() != Some(&theirs));
            lost.extend(gone.map(|name| (round, name)));
        }
    });
    assert_eq!(lost, []);
    assert_eq!(names(&path), files, "nothing is left beside them");
}

#[test]
fn anothers_file_that_comes_while_ours_is_removed_stays_10_000_races() {
    race(|directory, name| directory.remove(name, MOST, &is("ours")).is_ok());
}

#[test]
fn anothers_file_that_comes_while_ours_is_replaced_stays_10_000_races() {
    race(|directory, name| directory.replace(name, b"ours again", MOST, &is("ours")).is_ok());
}

/// Several that remove and replace what is theirs, all at once, and one that has nothing to do with them.
#[test]
fn a_reader_always_finds_a_whole_file_while_it_is_replaced_10_000_races() {
    let temp = TempHome::in_memory();
    let (directory, path) = common(&temp);
    assert!(directory.place(NAME, format!("{:0>1000}", 0).as_bytes()).expect("placed"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=RACES {
                let bytes = format!("{round:0>1000}");
                let changed = directory.replace(NAME, bytes.as_bytes(), MOST, &|_| true);
                assert_eq!(changed.expect("replaced"), Changed::Done);
            }
            over.store(true, Ordering::SeqCst);
        });
        let mut last = 0;
        while !over.load(Ordering::SeqCst) {
            let read = directory.read(OsStr::new(NAME), MOST).expect("it is always there");
            let number: usize = String::from_utf8(read.bytes)
                .ok()
                .filter(|text| text.len() == 1000)
                .and_then(|text| text.parse().ok())
                .expect("whole");
            assert!(number >= last);
            last = number;
        }
    });
    assert_eq!(names(&path), [NAME]);
}

#[test]
fn what_a_killed_process_left_is_put_back_or_removed() {
    let temp = TempHome::new();
    let (directory, path) = common(&temp);
    let hidden = |of: &str, end: &str| path.join(format!(".{of}.0123456789abcdef{end}"));
    write_over(&hidden("a.json", TAKEN), "theirs");
    write_over(&hidden("b.json", TAKEN), "old");
    write_over(&path.join("b.json"), "new");
    write_over(&hidden("c.json", private::TEMPORARY), "half");
    let others = [".a.json.xyz.tmp", ".a.json.xyz.taken", ".not-ours.tmp"];
    others.iter().for_each(|name| write_over(&path.join(name), "x"));
    let tidy = |before| directory.tidy(&directory.names(100).expect("names").0, before);
    tidy(0);
    assert_eq!(text(&path.join("a.json")).as_deref(), Some("theirs"));
    assert_eq!(text(&path.join("b.json")).as_deref(), Some("new"));
    assert!(hidden("c.json", private::TEMPORARY).exists(), "somebody may be writing it");
    tidy(u64::MAX);
    assert_eq!(names(&path), [".a.json.xyz.taken", ".a.json.xyz.tmp", ".not-ours.tmp", "a.json", "b.json"]);
}

#[test]
fn a_lock_is_had_by_one_and_waited_for_in_bounds() {
    let temp = TempHome::new();
    let (one, path) = common(&temp);
    let two = CommonDirectory::open(&path).expect("opened");
    let lock = one.lock(Duration::ZERO).expect("asked").expect("free");
    assert!(two.lock(Duration::from_millis(5)).expect("asked").is_none());
    drop(lock);
    assert!(two.lock(Duration::ZERO).expect("asked").is_some());
}

#[test]
fn names_are_counted_up_to_a_limit() {
    let temp = TempHome::new();
    let (directory, path) = common(&temp);
    for number in 0..5 {
        write_over(&path.join(format!("{number}.json")), "x");
    }
    assert!(matches!(directory.names(5), Ok((names, false)) if names.len() == 5));
    assert!(matches!(directory.names(4), Ok((names, true)) if names.len() == 4));
}
