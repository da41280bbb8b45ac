//! What becomes of our own files where something stands in the way: an earlier launch, a kernel that takes
//! long, a file that cannot be removed or written.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{check, entry::Entry, own::Files, place::Place, testing::*, *};
use crate::store::common::CommonDirectory;

/// In a container each launch has the same process number, and often the same port.
#[test]
fn entries_of_an_earlier_launch_with_our_process_number_and_port_make_way() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let mut left = entry("w", us.listener.local_addr().expect("an address"), std::process::id());
    left["loopgate"] = json!(1);
    left["instance"] = json!("an-earlier-one");
    left["home"] = json!(us.home.as_str());
    left["listener_inode"] = json!(1);
    for agent in ["w", "gone"] {
        left["agent_id"] = json!(agent);
        put(&around.agents().join(format!("{agent}.json")), left.to_string());
    }
    assert!(us.registry.sweep());
    assert_eq!(names(&around.agents()), [""; 0]);
    left["agent_id"] = json!("w");
    put(&around.agents().join("w.json"), left.to_string());
    let mut files = Files::new(Arc::clone(&us.registry));
    assert_eq!(round(&mut files, &us, &["w"], true)[&id("w")], Published::Done);
}

/// What was read is removed, and not what was written there since, however alike.
#[test]
fn a_file_that_was_written_again_is_not_removed_as_the_one_that_was_read() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let directory = CommonDirectory::open(&around.agents()).expect("a directory");
    let (place, file) = (Place::flat("w"), around.agents().join("w.json"));
    let at = std::time::SystemTime::now();
    let write = |pid: u32, at| {
        put(&file, entry("w", ([127, 0, 0, 1], 1).into(), pid).to_string());
        let opened = std::fs::File::options().write(true).open(&file).expect("a file");
        opened.set_modified(at).expect("a time");
    };
    write(1, at);
    let Ok(read) = check::read(&directory, &place) else { panic!("it is an entry") };
    for (pid, at) in [(2, at), (1, at + Duration::from_secs(1))] {
        write(pid, at);
        us.registry.remove_as_read(&directory, &place, &read.file);
        assert!(file.exists(), "{pid}");
    }
    write(1, at);
    let Ok(read) = check::read(&directory, &place) else { panic!("it is an entry") };
    us.registry.remove_as_read(&directory, &place, &read.file);
    assert!(!file.exists());
}

#[test]
fn entries_that_the_kernel_takes_long_over_are_unknown_and_stay() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let text = entry("w", ([127, 0, 0, 1], 1).into(), dead_pid()).to_string();
    let Ok(entry) = Entry::parse(text.as_bytes()) else { panic!("it is an entry") };
    assert!(check::Kernel::new(&us.registry.us).has_ended(&entry));
    let mut late = check::Kernel::within(&us.registry.us, Duration::ZERO);
    assert_eq!(late.look(&entry).map_err(|wrong| wrong.code()), Err("entry_unknown"));
    assert!(!late.has_ended(&entry));
}

#[test]
fn a_file_that_could_not_be_removed_is_removed_later() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let mut files = Files::new(Arc::clone(&us.registry));
    round(&mut files, &us, &["w"], true);
    let file = around.agents().join("w.json");
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("a mode");
    mode(0o644);
    assert_eq!(round(&mut files, &us, &[], false)[&id("w")], Published::Failed("registry_write"));
    mode(0o600);
    assert!(round(&mut files, &us, &[], false).is_empty());
    assert!(!file.exists());
}

#[test]
fn a_key_is_in_every_file_or_it_is_not_said_so() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let mut files = Files::new(Arc::clone(&us.registry));
    let directory = CommonDirectory::open(&around.agents()).expect("a directory");
    round(&mut files, &us, &["w"], true);
    let lock = directory.lock(SOON).expect("asked").expect("free");
    // Nobody writes but we, below.
    let rekey = |key: &[u8]| us.registry.rekey(Secret::new(key.to_vec()), Duration::ZERO);
    rekey(b"new");
    assert!(!files.round(wanted(&["w"]), &us.registry.work(false).0).newest_key);
    drop(lock);
    assert!(files.round(wanted(&["w"]), &us.registry.work(false).0).newest_key);
    rekey(b"new");
    assert!(files.round(wanted(&["w"]), &us.registry.work(false).0).newest_key, "the same one again");
}
