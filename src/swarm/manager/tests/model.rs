//! Any sequence of calls: the cap holds, and what is kept is what was answered, whenever the instance ends.

use std::{fs, path::Path};

use super::*;
use crate::bus::testing::Random;

const CAP: usize = 9;
const NAMES: [&str; 6] = ["alpha", "beta", "count", "w", "w_2", "x"];

/// One call, by chance.
fn call(swarms: &Swarms, random: &mut Random) -> Result<(), Fault> {
    let name = |random: &mut Random| random.one_of(&NAMES);
    match random.below(9) {
        0 | 1 => {
            let spec = json!({"name": name(random), "backend": "mock", "connections": [name(random)]});
            swarms.add_agent("s", &spec).map(drop)
        }
        2 => swarms.remove_agent("s", name(random)).map(drop),
        3 => {
            let spec = json!({"name": name(random), "handler": "counter", "incoming": [name(random)]});
            swarms.add_object("s", &spec).map(drop)
        }
        4 => swarms.remove_object("s", name(random)).map(drop),
        5 => {
            let count = random.below(CAP as u64 + 3) as usize;
            swarms.scale("s", random.one_of(&["alpha", "beta", "w"]), count).map(drop)
        }
        6 => {
            let add = [(name(random).to_owned(), name(random).to_owned())];
            let remove = [(name(random).to_owned(), name(random).to_owned())];
            swarms.change_topology("s", &add, &remove).map(drop)
        }
        7 => {
            let keys = json!({"step": random.below(9)});
            swarms.patch_object("s", "count", keys.as_object().expect("an object")).map(drop)
        }
        _ => match random.below(8) {
            0 => swarms.restart("s", random.below(2) == 0),
            1 => swarms.stop("s", false).and_then(|()| swarms.start("s")).map(drop),
            2 => swarms.clear_overlay("s").and_then(|()| swarms.restart("s", false)),
            _ => Ok(()),
        },
    }
}

/// All that is known of the swarm, in one order.
fn whole(swarms: &Swarms) -> Value {
    let sorted = |list: &Value, key: fn(&Value) -> String| {
        let mut list = list.as_array().cloned().unwrap_or_default();
        list.sort_by_key(key);
        list
    };
    let snapshot = swarms.snapshot("s").expect("a snapshot");
    json!([
        sorted(&snapshot["agents"], |agent| agent["name"].to_string()),
        sorted(&snapshot["objects"], |object| object["name"].to_string()),
        sorted(&snapshot["topology"], Value::to_string),
    ])
}

fn nodes(swarms: &Swarms) -> usize {
    swarms.agents("s").len() + swarms.objects("s").len()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("a copy");
        }
    }
}

/// The swarms of a copy of what is on the disk now: as if the power had gone.
fn after_a_crash(rig: &Rig) -> (TempHome, Arc<Swarms>) {
    let temp = TempHome::in_memory();
    fs::remove_dir_all(temp.path()).expect("it is removed");
    copy(&rig.temp.path(), &temp.path());
    private(&temp.path());
    let swarms = open(&temp, rig.cap);
    (temp, swarms)
}

fn private(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).expect("a mode");
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            private(&entry.path());
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600)).expect("a mode");
        }
    }
}

#[test]
fn m6_no_sequence_of_calls_exceeds_the_cap_or_keeps_another_swarm_than_was_answered() {
    for seed in 1..=6 {
        let mut random = Random(seed * 7_919);
        let rig = Rig::capped(CAP);
        rig.create(&small()).expect("it is created");
        let mut done = 0;
        for step in 0..120 {
            let before = whole(&rig.swarms);
            let answered = call(&rig.swarms, &mut random);
            assert!(nodes(&rig.swarms) <= CAP, "seed {seed}, step {step}");
            let after = whole(&rig.swarms);
            match answered {
                Ok(()) => done += 1,
                Err(_) => {
                    assert_eq!(after, before, "seed {seed}, step {step}: a refused call changed something")
                }
            }
            if step % 8 == 0 {
                let (_temp, again) = after_a_crash(&rig);
                assert_eq!(whole(&again), after, "seed {seed}, step {step}");
                again.start("s").expect("what is kept starts");
                assert_eq!(whole(&again), after, "seed {seed}, step {step}");
                assert!(nodes(&again) <= CAP);
            }
        }
        assert!(done > 20, "seed {seed}: {done} calls did something");
    }
}

/// The end of the instance in the middle of writing a change down: it was not answered, and it is not there.
#[test]
fn m6_a_change_that_was_not_written_whole_never_was() {
    let rig = Rig::with(&small());
    rig.swarms.add_agent("s", &mock("x")).expect("it is added");
    let before = whole(&rig.swarms);
    let overlay = rig.temp.path().join("swarms/s/overlay");
    let newest = |directory: &Path| {
        let files =
            fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.is_file()).max().expect("a segment")
    };
    let length = fs::metadata(newest(&overlay)).expect("a segment").len();
    rig.swarms.scale("s", "alpha", 2).expect("it scales");
    let after = whole(&rig.swarms);
    let whole_length = fs::metadata(newest(&overlay)).expect("a segment").len();
    assert!(whole_length > length);
    for bytes in [length, length + 1, (length + whole_length) / 2, whole_length - 1, whole_length] {
        let temp = TempHome::in_memory();
        fs::remove_dir_all(temp.path()).expect("it is removed");
        copy(&rig.temp.path(), &temp.path());
        private(&temp.path());
        let file = newest(&temp.path().join("swarms/s/overlay"));
        fs::OpenOptions::new()
            .write(true)
            .open(file)
            .and_then(|file| file.set_len(bytes))
            .expect("it is cut");
        let swarms = open(&temp, rig.cap);
        swarms.start("s").expect("it starts");
        let wanted = if bytes == whole_length { &after } else { &before };
        assert_eq!(whole(&swarms), *wanted, "{bytes} bytes of {length} and {whole_length}");
    }
}
