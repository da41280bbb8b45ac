use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::store::testing::{TempHome, is_root, mode_of};

#[test]
fn a_home_is_made_0700_with_all_that_is_missing_above_it() {
    let temp = TempHome::new();
    let path = temp.around().join("a/b/home");
    Home::create(&path).expect("a home");
    for made in ["a", "a/b", "a/b/home"] {
        assert_eq!(mode_of(&temp.around().join(made)), 0o700, "{made}");
    }
    Home::create(&path).expect("the same home again");
}

#[test]
fn a_home_that_lets_others_in_is_refused_and_not_repaired() {
    let temp = TempHome::new();
    for mode in [0o755, 0o750, 0o701, 0o777, 0o1777] {
        std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(mode)).expect("mode");
        for result in [Home::open(&temp.path()), Home::create(&temp.path())] {
            assert!(matches!(result, Err(HomeError::Mode(_, found)) if found == mode), "{mode:o}");
        }
        assert_eq!(mode_of(&temp.path()), mode);
    }
}

#[test]
fn a_home_that_is_a_link_or_a_file_is_refused() {
    let temp = TempHome::new();
    let link = temp.around().join("link");
    symlink(temp.path(), &link).expect("a link");
    let dangling = temp.around().join("dangling");
    symlink("/no/such/directory", &dangling).expect("a link");
    let slash = temp.around().join("link/");
    assert!(slash.as_os_str().as_encoded_bytes().ends_with(b"/"));
    for path in [&link, &dangling, &slash] {
        for result in [Home::open(path), Home::create(path)] {
            assert!(matches!(result, Err(HomeError::Symlink(_))), "{result:?}");
        }
    }
    let file = temp.around().join("file");
    std::fs::write(&file, "").expect("written");
    for result in [Home::open(&file), Home::create(&file)] {
        assert!(matches!(result, Err(HomeError::NotDirectory(_))), "{result:?}");
    }
}

#[test]
fn an_instance_refuses_a_home_with_a_link_in_it() {
    let temp = TempHome::new();
    symlink("/etc/passwd", temp.path().join("agents")).expect("a link");
    assert!(matches!(Home::create(&temp.path()), Err(HomeError::Symlink(path)) if path.ends_with("agents")));
}

#[test]
fn a_home_or_an_entry_of_another_user_is_refused() {
    let temp = TempHome::new();
    if !is_root() {
        return;
    }
    let entry = temp.path().join("mail");
    std::fs::create_dir(&entry).expect("a directory");
    std::os::unix::fs::chown(&entry, Some(65_534), None).expect("chown");
    assert!(matches!(Home::create(&temp.path()), Err(HomeError::Owner(path, 65_534)) if path == entry));
    std::os::unix::fs::chown(temp.path(), Some(65_534), None).expect("chown");
    assert!(matches!(Home::open(&temp.path()), Err(HomeError::Owner(_, 65_534))));
}

#[test]
fn a_home_that_is_renamed_under_us_stays_the_one_that_was_checked() {
    let temp = TempHome::new();
    let home = temp.home();
    let moved = temp.around().join("moved");
    std::fs::rename(temp.path(), &moved).expect("renamed");
    let trap = temp.around().join("trap");
    std::fs::create_dir(&trap).expect("a directory");
    symlink(&trap, temp.path()).expect("a link");
    private::write_atomic(&home, "authkey", b"key").expect("written");
    assert!(moved.join("authkey").exists() && !trap.join("authkey").exists());
}

#[test]
fn the_home_is_wavedata_then_data_home_then_ours_and_empty_is_unset() {
    let all = [("AGENTMUX_DATA_HOME", "/a"), ("LOOPGATE_HOME", "/l"), ("HOME", "/h")];
    let located = |wavedata: Option<&str>, set: &[(&str, &str)]| {
        Home::locate(wavedata.map(Path::new), |name| {
            set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into())
        })
        .ok()
    };
    assert_eq!(located(Some("/w"), &all), Some("/w".into()));
    assert_eq!(located(Some(""), &all), Some("/a".into()));
    assert_eq!(located(None, &all[1..]), Some("/l".into()));
    assert_eq!(located(None, &[("LOOPGATE_HOME", ""), ("HOME", "/h")]), Some("/h/.loopgate".into()));
    assert_eq!(located(None, &[("HOME", "")]), None);
    assert!(located(None, &[("LOOPGATE_HOME", "trial")]).is_some_and(|path| path.is_absolute()));
}

/// A directory above whose entries last only when it was synced.
#[derive(Default)]
struct Forgetful {
    seen: std::cell::RefCell<Vec<String>>,
    durable: std::cell::RefCell<Vec<String>>,
}

impl Above for Forgetful {
    fn make(&self, name: &str) -> io::Result<()> {
        if self.seen.borrow().iter().any(|seen| seen == name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.seen.borrow_mut().push(name.into());
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        *self.durable.borrow_mut() = self.seen.borrow().clone();
        Ok(())
    }
}

#[test]
fn without_the_sync_of_the_home_a_journals_directory_is_lost() {
    let above = Forgetful::default();
    make_durably(&above, "mail").expect("made");
    assert_eq!(*above.durable.borrow(), ["mail"]);
    // made by a process that ended before the sync
    let above = Forgetful::default();
    above.make("mail").expect("made");
    assert!(above.durable.borrow().is_empty());
    make_durably(&above, "mail").expect("there");
    assert_eq!(*above.durable.borrow(), ["mail"]);
}

#[test]
fn without_the_syncs_above_it_a_new_home_is_lost() {
    let temp = TempHome::new();
    let path = temp.around().join("a/b/home");
    let synced = std::cell::RefCell::new(Vec::new());
    let sync = |above: &Path| {
        // What is in it by now is what lasts.
        let names = std::fs::read_dir(above)?.map(|entry| Ok(above.join(entry?.file_name())));
        synced.borrow_mut().extend(names.collect::<io::Result<Vec<_>>>()?);
        Ok(())
    };
    Home::create_with(&path, &sync).expect("a home");
    for made in ["a", "a/b", "a/b/home"] {
        assert!(synced.borrow().contains(&temp.around().join(made)), "{made} is lost");
    }
    // An instance that ended before them leaves them to the next; after them nothing is left to do.
    synced.borrow_mut().clear();
    let home = Home::create_with(&path, &sync).expect("the same");
    assert!(synced.borrow().contains(&path));
    let _lock = home.lock().expect("free");
    synced.borrow_mut().clear();
    Home::create_with(&path, &sync).expect("the same");
    assert!(synced.borrow().is_empty());
    let fails = |_: &Path| Err(io::Error::from_raw_os_error(libc::EIO));
    let other = temp.around().join("other");
    assert!(matches!(Home::create_with(&other, &fails), Err(HomeError::Io(..))));
}

#[test]
fn a_sync_of_a_directory_is_asked_of_the_kernel() {
    let home = Home::that_cannot_be_synced();
    assert!(sync_directory(&home.path).is_err());
    assert!(home.sync().is_err() && Above::sync(&home).is_err());
}
