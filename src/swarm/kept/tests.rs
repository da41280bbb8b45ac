use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use serde_json::json;

use super::*;
use crate::store::testing::{Silent, TempHome, in_own_mounts, is_root, mode_of};

fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

fn open(temp: &TempHome) -> (Shelf, Vec<KeptSwarm>, Vec<String>) {
    Shelf::open(&temp.home()).expect("a shelf")
}

/// One that is opened without anything to tell.
fn shelf(temp: &TempHome) -> Shelf {
    let (shelf, _, troubles) = open(temp);
    assert_eq!(troubles, [""; 0]);
    shelf
}

fn at(temp: &TempHome, path: &str) -> PathBuf {
    temp.path().join(DIRECTORY).join(path)
}

fn seed(number: u64) -> Value {
    json!({"name": "lab", "number": number})
}

fn everything(temp: &TempHome) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(at(temp, ""))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_swarm_that_is_kept_is_there_in_the_next_life() {
    let temp = TempHome::new();
    let first = shelf(&temp);
    let (lab, other) = (name("lab"), name("Other-1"));
    first.put_seed(&lab, &seed(1)).expect("kept");
    first.put_seed(&other, &seed(2)).expect("kept");
    first.set_status(&lab, "running", true).expect("kept");
    assert_eq!(first.append(&lab, &json!({"op": "x"})).expect("kept"), 1);
    drop(first);
    let (again, kept, troubles) = open(&temp);
    let wanted = [
        KeptSwarm { name: other.clone(), seed: seed(2), status: "stopped".to_owned(), autostart: false },
        KeptSwarm { name: lab.clone(), seed: seed(1), status: "running".to_owned(), autostart: true },
    ];
    assert_eq!((kept.as_slice(), troubles.len()), (&wanted[..], 0));
    assert_eq!(again.read(&lab).expect("read"), [(1, json!({"op": "x"}))]);
    assert_eq!(again.read(&other).expect("read"), []);

    again.put_seed(&lab, &seed(3)).expect("another seed");
    assert_eq!(again.read(&lab).expect("read").len(), 1, "its overlay stays");
    again.clear(&lab).expect("cleared");
    drop(again);
    let (again, kept, _) = open(&temp);
    assert_eq!(
        (&kept[1].seed, kept[1].status.as_str(), again.read(&lab).expect("read").len()),
        (&seed(3), "running", 0)
    );
    for unknown in [
        again.read(&name("x")).err(),
        again.set_status(&name("x"), "", true).err(),
        again.clear(&name("x")).err(),
    ] {
        assert!(matches!(unknown, Some(ShelfError::Unknown)));
    }
}

#[test]
fn all_that_is_kept_is_private() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    shelf.put_seed(&name("lab"), &seed(1)).expect("kept");
    shelf.append(&name("lab"), &json!(1)).expect("kept");
    shelf.agent_dirs(&name("lab"), &name("a")).expect("made");
    let mut waiting = vec![at(&temp, "")];
    let (mut files, mut directories) = (0, 0);
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            directories += 1;
            assert_eq!(mode_of(&path), 0o700, "{}", path.display());
            waiting.extend(
                std::fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()),
            );
        } else {
            files += 1;
            assert_eq!(mode_of(&path), 0o600, "{}", path.display());
        }
    }
    assert_eq!((files, directories), (3, 11));
}

#[test]
fn a_shelf_keeps_a_bounded_number_of_swarms() {
    let temp = TempHome::in_memory();
    let first = shelf(&temp);
    for number in 0..limits::SWARMS_KEPT {
        first.put_seed(&name(&format!("s{number}")), &seed(1)).expect("kept");
    }
    assert!(matches!(first.put_seed(&name("more"), &seed(1)), Err(ShelfError::Full)));
    first.put_seed(&name("s0"), &seed(2)).expect("one that is there");
    first.purge(&name("s0")).expect("purged");
    first.put_seed(&name("more"), &seed(1)).expect("there is room again");
    drop(first);
    std::fs::create_dir(at(&temp, "beyond")).expect("made");
    std::fs::set_permissions(at(&temp, "beyond"), std::fs::Permissions::from_mode(0o700)).expect("a mode");
    std::fs::write(at(&temp, "beyond/seed.json"), "{}").expect("written");
    std::fs::set_permissions(at(&temp, "beyond/seed.json"), std::fs::Permissions::from_mode(0o600))
        .expect("a mode");
    let (_, kept, troubles) = open(&temp);
    assert_eq!((kept.len(), troubles.len()), (limits::SWARMS_KEPT, 1), "{troubles:?}");
    assert!(troubles[0].contains("is the most"), "{troubles:?}");
}

#[test]
fn a_seed_over_its_limit_is_refused_and_the_old_one_stays() {
    let temp = TempHome::new();
    let first = shelf(&temp);
    let large = json!("x".repeat(limits::SWARM_SEED));
    assert!(matches!(first.put_seed(&name("lab"), &large), Err(ShelfError::TooLarge)));
    assert_eq!(everything(&temp), [""; 0]);
    first.put_seed(&name("lab"), &seed(1)).expect("kept");
    assert!(matches!(first.put_seed(&name("lab"), &large), Err(ShelfError::TooLarge)));
    let deep = (0..limits::JSON_DEPTH + 1).fold(json!(1), |inner, _| json!([inner]));
    assert!(
        matches!(first.put_seed(&name("lab"), &deep), Err(ShelfError::TooLarge)),
        "it would not be read again"
    );
    drop(first);
    assert_eq!(open(&temp).1[0].seed, seed(1));
}

#[test]
fn what_cannot_be_read_is_set_aside_and_holds_up_no_other_swarm() {
    let temp = TempHome::new();
    let first = shelf(&temp);
    let bad = ["json", "link", "mode", "directory", "gone", "overlay", "linked", "lost"];
    for swarm in bad.iter().chain(&["good"]) {
        first.put_seed(&name(swarm), &seed(1)).expect("kept");
        first.agent_dirs(&name(swarm), &name("a")).expect("made");
    }
    drop(first);
    let of = |swarm: &str| at(&temp, swarm).join("seed.json");
    std::fs::write(of("json"), "{half").expect("written");
    for swarm in ["link", "directory", "gone"] {
        std::fs::remove_file(of(swarm)).expect("removed");
    }
    symlink("/etc/passwd", of("link")).expect("a link");
    std::fs::create_dir(of("directory")).expect("made");
    std::fs::set_permissions(of("mode"), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    std::fs::remove_dir_all(at(&temp, "overlay/overlay")).expect("removed");
    std::fs::write(at(&temp, "overlay/overlay"), "").expect("written");
    std::fs::rename(at(&temp, "linked"), temp.around().join("linked")).expect("moved");
    symlink(temp.around().join("linked"), at(&temp, "linked")).expect("a link");
    std::fs::remove_file(of("lost")).expect("removed");
    std::fs::create_dir(at(&temp, "no swarm")).expect("made");
    let before = everything(&temp);

    let (shelf, kept, troubles) = open(&temp);
    assert_eq!(kept.iter().map(|swarm| swarm.name.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(troubles.len(), bad.len() + 1, "{troubles:#?}");
    assert!(troubles.iter().all(|trouble| trouble.contains("left alone") || trouble.contains("set aside")));
    for swarm in bad {
        let swarm = name(swarm);
        assert!(matches!(shelf.put_seed(&swarm, &seed(2)), Err(ShelfError::Aside)), "{swarm}");
        assert!(matches!(shelf.agent_dirs(&swarm, &name("a")), Err(ShelfError::Aside)), "{swarm}");
    }
    assert_eq!(everything(&temp), before);
    shelf.set_aside(&name("good"));
    assert!(matches!(shelf.put_seed(&name("good"), &seed(2)), Err(ShelfError::Aside)));

    shelf.purge(&name("linked")).expect("purged");
    shelf.purge(&name("json")).expect("purged");
    assert!(temp.around().join("linked/seed.json").exists(), "the link went, not what it leads to");
    shelf.put_seed(&name("json"), &seed(2)).expect("the name is free again");
}

#[test]
fn a_state_that_cannot_be_read_counts_as_stopped() {
    let temp = TempHome::new();
    let first = shelf(&temp);
    first.put_seed(&name("lab"), &seed(1)).expect("kept");
    first.set_status(&name("lab"), "running", true).expect("kept");
    drop(first);
    for text in [
        "",
        "[]",
        r#"{"version":2,"status":"running","autostart":true}"#,
        r#"{"version":1,"autostart":true}"#,
    ] {
        std::fs::write(at(&temp, "lab/state.json"), text).expect("written");
        let (_, kept, troubles) = open(&temp);
        assert_eq!(
            (kept[0].status.as_str(), kept[0].autostart, troubles.len()),
            ("stopped", false, 1),
            "{text}"
        );
    }
}

#[test]
fn the_directories_of_an_agent_are_made_and_its_letters_begin_anew() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    let (lab, a) = (name("lab"), name("a"));
    assert!(matches!(shelf.agent_dirs(&lab, &a), Err(ShelfError::Unknown)));
    shelf.put_seed(&lab, &seed(1)).expect("kept");
    assert!(matches!(shelf.existing_agent_dirs(&lab, &a), Err(ShelfError::Unknown)));
    let dirs = shelf.agent_dirs(&lab, &a).expect("made");
    assert_eq!(dirs.path(), at(&temp, "lab/agents/a"));
    let places = [dirs.workspace(), dirs.outbox(), dirs.inbox(), dirs.replies(), dirs.skills(), dirs.logs()];
    for place in &places {
        assert_eq!(mode_of(place), 0o700);
        std::fs::write(place.join("file"), "x").expect("written");
    }
    std::fs::create_dir_all(dirs.outbox().join("1.json/full")).expect("made");
    std::fs::set_permissions(dirs.workspace(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
    std::fs::set_permissions(dirs.outbox(), std::fs::Permissions::from_mode(0o000)).expect("a mode");
    shelf.existing_agent_dirs(&lab, &a).expect("there");
    shelf.agent_dirs(&lab, &a).expect("made");
    let left = places.map(|place| (mode_of(&place), place.join("file").exists()));
    let (kept, anew) = ((0o700, true), (0o700, false));
    assert_eq!(left, [kept, anew, anew, anew, kept, kept]);
    assert_eq!(std::fs::read_dir(dirs.outbox()).expect("there").count(), 0);
}

#[test]
fn directories_of_an_agent_that_are_links_are_refused_or_made_anew() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    let (lab, a) = (name("lab"), name("a"));
    shelf.put_seed(&lab, &seed(1)).expect("kept");
    let elsewhere = temp.around().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    std::fs::write(elsewhere.join("1.json"), "theirs").expect("written");
    let replaced = |place: &PathBuf| {
        std::fs::remove_dir_all(place).expect("removed");
        symlink(&elsewhere, place).expect("a link");
    };
    let dirs = shelf.agent_dirs(&lab, &a).expect("made");
    for place in [dirs.outbox(), dirs.inbox()] {
        replaced(&place);
        shelf.agent_dirs(&lab, &a).expect("made");
        assert!(std::fs::symlink_metadata(&place).expect("there").is_dir());
    }
    for place in [dirs.workspace(), dirs.skills(), dirs.logs(), dirs.path().to_owned()] {
        replaced(&place);
        assert!(matches!(shelf.agent_dirs(&lab, &a), Err(ShelfError::Aside)), "{}", place.display());
        std::fs::remove_file(&place).expect("removed");
        shelf.agent_dirs(&lab, &a).expect("made");
    }
    replaced(&at(&temp, "lab/agents"));
    assert!(matches!(shelf.agent_dirs(&lab, &a), Err(ShelfError::Aside)));
    shelf.wipe_agents(&lab).expect("the link went");
    assert_eq!(std::fs::read_to_string(elsewhere.join("1.json")).expect("there"), "theirs");
    if is_root() {
        shelf.agent_dirs(&lab, &a).expect("made");
        std::os::unix::fs::chown(at(&temp, "lab/agents/a"), Some(12_345), None).expect("given away");
        assert!(matches!(shelf.agent_dirs(&lab, &a), Err(ShelfError::Aside)));
    }
}

#[test]
fn what_is_mounted_over_an_agents_directories_is_told_as_that_and_outlives_a_purge_alone() {
    if !in_own_mounts(
        module_path!(),
        "what_is_mounted_over_an_agents_directories_is_told_as_that_and_outlives_a_purge_alone",
    ) {
        return;
    }
    for over in ["agents/a/workspace", "agents/a", "agents"] {
        let temp = TempHome::new();
        let shelf = shelf(&temp);
        shelf.put_seed(&name("s"), &seed(1)).expect("kept");
        shelf.agent_dirs(&name("s"), &name("a")).expect("made");
        std::fs::write(at(&temp, "s/agents/a/logs/secret"), "").expect("written");
        let _silent = Silent::over(&at(&temp, &format!("s/{over}")));
        let refused = shelf.agent_dirs(&name("s"), &name("a"));
        assert!(matches!(refused, Err(ShelfError::Mounted)), "{over}: {refused:?}");
        assert!(matches!(shelf.purge(&name("s")), Err(ShelfError::Left)), "{over}");
        assert!(!at(&temp, "s").exists(), "{over}: it is off the shelf");
    }
}

#[test]
fn what_agents_have_is_wiped_and_the_rest_of_the_swarm_stays() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    let (lab, a, b) = (name("lab"), name("a"), name("b"));
    shelf.put_seed(&lab, &seed(1)).expect("kept");
    shelf.wipe_agents(&lab).expect("nothing there");
    shelf.wipe_agent(&lab, &a).expect("nothing there");
    for agent in [&a, &b] {
        let dirs = shelf.agent_dirs(&lab, agent).expect("made");
        std::fs::write(dirs.workspace().join("file"), "x").expect("written");
        std::fs::set_permissions(dirs.path(), std::fs::Permissions::from_mode(0o500)).expect("a mode");
    }
    shelf.wipe_agent(&lab, &a).expect("wiped");
    assert!(!at(&temp, "lab/agents/a").exists() && at(&temp, "lab/agents/b/workspace/file").exists());
    shelf.wipe_agents(&lab).expect("wiped");
    assert!(!at(&temp, "lab/agents").exists());
    assert_eq!(everything(&temp), ["lab"]);
    drop(shelf);
    assert_eq!(open(&temp).1[0].seed, seed(1));
}

/// A purge renames first: whatever the moment of its end, the swarm is there as a whole or not at all.
#[test]
fn a_purge_that_was_cut_short_is_finished_at_the_next_start() {
    let temp = TempHome::new();
    let first = shelf(&temp);
    let lab = name("lab");
    first.put_seed(&lab, &seed(1)).expect("kept");
    let dirs = first.agent_dirs(&lab, &name("a")).expect("made");
    std::fs::write(dirs.workspace().join("file"), "x").expect("written");
    // As if it had ended right after the renaming.
    first.bury(&first.directory, "lab").expect("buried");
    drop(first);
    assert!(everything(&temp)[0].starts_with(PURGED));
    let (again, kept, troubles) = open(&temp);
    assert_eq!((kept.len(), troubles.len(), everything(&temp).len()), (0, 0, 0));
    again.put_seed(&lab, &seed(2)).expect("the name is free");
    again.purge(&lab).expect("purged");
    again.purge(&lab).expect("gone already");
    assert_eq!(everything(&temp).len(), 0);
}

/// Every state in which the making of a swarm can end: before its seed has its name there is none.
#[test]
fn a_making_that_was_cut_short_leaves_no_swarm_and_is_made_again() {
    let temp = TempHome::new();
    let lab = name("lab");
    for cut in 0..5 {
        let first = shelf(&temp);
        first.put_seed(&lab, &seed(1)).expect("kept");
        drop(first);
        let directory = at(&temp, "lab");
        std::fs::rename(directory.join("seed.json"), directory.join(".seed.json.0123456789abcdef.tmp"))
            .expect("renamed");
        if cut > 0 {
            std::fs::write(directory.join(".seed.json.0123456789abcdef.tmp"), "{\"na").expect("half written");
        }
        if cut > 1 {
            std::fs::remove_file(directory.join(".seed.json.0123456789abcdef.tmp")).expect("removed");
        }
        if cut > 2 {
            std::fs::rename(directory.join("state.json"), directory.join(".state.json.0123456789abcdef.tmp"))
                .expect("renamed");
        }
        if cut > 3 {
            std::fs::remove_dir_all(directory.join("overlay")).expect("removed");
        }
        let (again, kept, troubles) = open(&temp);
        assert_eq!((kept.len(), troubles.len()), (0, 0), "{cut} {troubles:?}");
        again.put_seed(&lab, &seed(2)).expect("made again");
        drop(again);
        assert_eq!(open(&temp).1[0].seed, seed(2));
        std::fs::remove_dir_all(directory).expect("removed");
    }
}

#[test]
fn a_seed_that_is_gone_beside_changes_is_told() {
    let temp = TempHome::new();
    let first = shelf(&temp);
    first.put_seed(&name("lab"), &seed(1)).expect("kept");
    first.append(&name("lab"), &json!(1)).expect("kept");
    drop(first);
    std::fs::remove_file(at(&temp, "lab/seed.json")).expect("removed");
    let (shelf, kept, troubles) = open(&temp);
    assert_eq!((kept.len(), troubles.len()), (0, 1));
    assert!(matches!(shelf.put_seed(&name("lab"), &seed(2)), Err(ShelfError::Aside)));
}

#[test]
fn a_making_that_failed_leaves_the_name_free() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    std::fs::write(at(&temp, "lab"), "in the way").expect("written");
    assert!(shelf.put_seed(&name("lab"), &seed(1)).is_err());
    std::fs::remove_file(at(&temp, "lab")).expect("removed");
    shelf.put_seed(&name("lab"), &seed(1)).expect("kept");
    assert_eq!(shelf.append(&name("lab"), &json!(1)).expect("kept"), 1);
}

#[test]
fn what_is_read_is_not_purged_as_what_was_set_aside() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    shelf.put_seed(&name("lab"), &seed(1)).expect("kept");
    for unknown in ["lab", "nobody"] {
        assert!(matches!(shelf.purge_aside(&name(unknown)), Err(ShelfError::Unknown)), "{unknown}");
    }
    assert_eq!(open(&temp).1.len(), 1);
    shelf.set_aside(&name("lab"));
    shelf.purge_aside(&name("lab")).expect("purged");
    assert!(open(&temp).1.is_empty());
}

/// The seed comes last: with it there is a swarm.
#[test]
fn a_making_whose_state_could_not_be_written_leaves_no_swarm() {
    let temp = TempHome::new();
    let shelf = shelf(&temp);
    std::fs::create_dir_all(at(&temp, "lab/state.json")).expect("in the way");
    std::fs::set_permissions(at(&temp, "lab"), std::fs::Permissions::from_mode(0o700)).expect("a mode");
    assert!(shelf.put_seed(&name("lab"), &seed(1)).is_err());
    assert!(!at(&temp, "lab/seed.json").exists() && open(&temp).1.is_empty());
}

#[test]
fn what_a_killed_writing_left_behind_is_swept_at_the_next_start() {
    let temp = TempHome::new();
    shelf(&temp).put_seed(&name("lab"), &seed(1)).expect("kept");
    let left = at(&temp, "lab/.seed.json.0123456789abcdef.tmp");
    std::fs::write(&left, "{").expect("written");
    assert_eq!(open(&temp).1.len(), 1);
    assert!(!left.exists());
}
