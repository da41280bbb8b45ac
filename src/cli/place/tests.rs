//! The writer against what may stand in its way: links, files of others, a directory that is moved.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::store::testing::TempHome;

fn names(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_link_in_the_place_of_a_file_or_directory_is_refused_and_never_followed() {
    let home = TempHome::new();
    let (project, outside) = (home.around().join("project"), home.around().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("theirs"), "theirs").unwrap();
    let place = Place::make(&project).unwrap();
    symlink(outside.join("theirs"), project.join("swarm.json")).unwrap();
    symlink(outside.join("new"), project.join("README.md")).unwrap();
    symlink(&outside, project.join("agents")).unwrap();
    for (below, name) in [("", "swarm.json"), ("", "README.md"), ("agents", "theirs"), ("agents", "x")] {
        assert!(matches!(place.look(below, name), Err(PlaceError::Occupied { .. })), "{below} {name}");
        let written = place.write(below, name, Mode::Program, b"ours");
        assert!(matches!(written, Err(PlaceError::Occupied { .. })), "{below} {name}");
    }
    fs::create_dir(project.join("skills")).unwrap();
    assert!(matches!(place.look("", "skills"), Err(PlaceError::Occupied { .. })));
    assert_eq!(names(&outside), ["theirs"]);
    assert_eq!(fs::read(outside.join("theirs")).unwrap(), b"theirs");
    assert_eq!(names(&project), ["README.md", "agents", "skills", "swarm.json"], "nothing is left beside");
}

#[test]
fn a_file_that_is_replaced_keeps_its_other_names_as_they_were() {
    let home = TempHome::new();
    let project = home.around().join("a/b");
    let place = Place::make(&project).unwrap();
    assert!(place.is_empty().unwrap());
    fs::write(project.join("x.sh"), "before").unwrap();
    fs::hard_link(project.join("x.sh"), home.around().join("other")).unwrap();
    assert!(!place.is_empty().unwrap());
    place.write("", "x.sh", Mode::Program, b"after").unwrap();
    assert_eq!(fs::read(home.around().join("other")).unwrap(), b"before");
    assert_eq!(fs::read(project.join("x.sh")).unwrap(), b"after");
    let mode = fs::metadata(project.join("x.sh")).unwrap().mode() & 0o777;
    assert_eq!(mode & 0o700, 0o700);
    assert!(matches!(Place::make(&project.join("x.sh")), Err(PlaceError::NotDirectory)));
    assert!(matches!(Place::make(&project.join("x.sh/y")), Err(PlaceError::NotDirectory)));
}

/// Its own name may be moved meanwhile: what is written goes where it was opened.
#[test]
fn what_is_written_follows_the_directory_and_not_its_name() {
    let home = TempHome::new();
    let (project, moved) = (home.around().join("project"), home.around().join("moved"));
    let place = Place::make(&project).unwrap();
    fs::rename(&project, &moved).unwrap();
    fs::create_dir(&project).unwrap();
    place.write("agents", "x", Mode::Text, b"x").unwrap();
    assert_eq!((names(&project), names(&moved)), (vec![], vec!["agents".to_owned()]));
}

#[test]
fn the_directory_itself_may_be_a_link_and_nothing_in_it() {
    let home = TempHome::new();
    let (real, link) = (home.around().join("real"), home.around().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    let place = Place::make(&link).unwrap();
    assert_eq!(place.path(), fs::canonicalize(&real).unwrap());
    place.write("agents", "x", Mode::Text, b"x").unwrap();
    assert_eq!(names(&real), ["agents"]);
    let (nowhere, new) = (home.around().join("nowhere"), home.around().join("new"));
    symlink(&new, &nowhere).unwrap();
    assert!(matches!(Place::make(&nowhere), Err(PlaceError::NotDirectory)));
    assert!(!new.exists(), "a link to nowhere makes nothing there");
}

#[test]
fn a_file_of_the_name_that_is_written_under_first_is_left_alone() {
    let home = TempHome::new();
    let project = home.around().join("project");
    let place = Place::make(&project).unwrap();
    let theirs = project.join(format!(".x.{}.tmp", std::process::id()));
    fs::write(&theirs, "theirs").unwrap();
    assert!(matches!(place.write("", "x", Mode::Text, b"ours"), Err(PlaceError::Io { .. })));
    assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    assert!(!project.join("x").exists());
}

/// A reader of a FIFO would wait for somebody who writes.
#[test]
fn the_beginning_is_read_of_a_file_and_nothing_else_is_opened_for_long() {
    let home = TempHome::new();
    let project = home.around().join("project");
    let place = Place::make(&project).unwrap();
    assert_eq!(place.beginning("man1", "x", 9).unwrap(), None);
    place.write("man1", "x", Mode::Text, b"0123456789").unwrap();
    assert_eq!(place.beginning("man1", "x", 4).unwrap().as_deref(), Some(&b"0123"[..]));
    assert_eq!(place.beginning("man1", "y", 4).unwrap(), None);
    symlink("x", project.join("man1/link")).unwrap();
    fs::create_dir(project.join("man1/directory")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(project.join("man1/fifo")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(project.join("man1/socket")).unwrap();
    for name in ["link", "directory", "fifo", "socket"] {
        assert!(matches!(place.beginning("man1", name, 4), Err(PlaceError::Occupied { .. })), "{name}");
    }
}
