use std::{
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
};

use super::*;
use crate::store::testing::{TempHome, is_root, mode_of};

const NAME: &str = "authkey";

fn put(path: &Path, bytes: &[u8], mode: u32) {
    std::fs::write(path, bytes).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
}

#[test]
fn a_private_file_is_0600_from_its_creation_and_replaced_as_a_whole() {
    let temp = TempHome::new();
    let home = temp.home();
    for bytes in [&b"first"[..], b"second", b""] {
        write_atomic(&home, NAME, bytes).expect("written");
        assert_eq!(read(&home, NAME).expect("read"), bytes);
        assert_eq!(mode_of(&temp.path().join(NAME)), 0o600);
    }
    assert_eq!(std::fs::read_dir(temp.path()).expect("a directory").count(), 1, "no temporary file is left");
}

#[test]
fn writing_replaces_a_link_and_does_not_follow_it() {
    let temp = TempHome::new();
    let target = temp.around().join("target");
    std::fs::write(&target, "untouched").expect("written");
    symlink(&target, temp.path().join(NAME)).expect("a link");
    write_atomic(&temp.home(), NAME, b"ours").expect("written");
    assert_eq!(std::fs::read(&target).expect("read"), b"untouched");
    assert_eq!(read(&temp.home(), NAME).expect("read"), b"ours");
}

#[test]
fn a_link_is_refused_wherever_it_leads() {
    let temp = TempHome::new();
    let target = temp.path().join("target");
    put(&target, b"x", 0o600);
    for to in [target.as_path(), Path::new("/dev/zero"), Path::new("/no/such/file"), Path::new(NAME)] {
        let name = temp.path().join(NAME);
        symlink(to, &name).expect("a link");
        assert!(matches!(read(&temp.home(), NAME), Err(FileError::Symlink)), "{}", to.display());
        std::fs::remove_file(name).expect("removed");
    }
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    let temp = TempHome::new();
    for mode in [0o644, 0o640, 0o620, 0o601, 0o666, 0o604] {
        put(&temp.path().join(NAME), b"x", mode);
        match read(&temp.home(), NAME) {
            Err(FileError::Mode(found)) => assert_eq!(found, mode),
            other => panic!("{mode:o}: {other:?}"),
        }
    }
    put(&temp.path().join(NAME), b"x", 0o400);
    assert!(read(&temp.home(), NAME).is_ok());
}

#[test]
fn a_fifo_a_directory_and_a_socket_are_refused_at_once() {
    let temp = TempHome::new();
    let name = temp.path().join(NAME);
    let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&name).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(matches!(read(&temp.home(), NAME), Err(FileError::NotRegular)));
        std::fs::remove_file(&name).expect("removed");
    } else {
        println!("skipped: mkfifo missing");
    }

    std::fs::create_dir(&name).expect("a directory");
    assert!(matches!(read(&temp.home(), NAME), Err(FileError::NotRegular)));
    std::fs::remove_dir(&name).expect("removed");

    let _socket = UnixListener::bind(&name).expect("a socket");
    assert!(matches!(read(&temp.home(), NAME), Err(FileError::NotRegular)));
}

#[test]
fn an_oversized_private_file_is_refused() {
    let temp = TempHome::new();
    put(&temp.path().join(NAME), &vec![b'x'; limits::PRIVATE_FILE], 0o600);
    assert_eq!(read(&temp.home(), NAME).expect("read").len(), limits::PRIVATE_FILE);
    put(&temp.path().join(NAME), &vec![b'x'; limits::PRIVATE_FILE + 1], 0o600);
    assert!(matches!(read(&temp.home(), NAME), Err(FileError::TooLarge)));
}

#[test]
fn a_file_of_another_user_is_refused() {
    let temp = TempHome::new();
    put(&temp.path().join(NAME), b"x", 0o600);
    if is_root() {
        std::os::unix::fs::chown(temp.path().join(NAME), Some(65_534), None).expect("chown");
        assert!(matches!(read(&temp.home(), NAME), Err(FileError::Owner(65_534))));
    }
}

#[test]
fn a_missing_file_is_missing_and_removing_it_again_is_fine() {
    let temp = TempHome::new();
    assert!(matches!(read(&temp.home(), NAME), Err(FileError::Missing)));
    remove(&temp.home(), NAME).expect("nothing to remove");
}
