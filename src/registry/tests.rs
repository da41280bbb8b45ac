//! The registry's files, from one instance to another (spec agentmux I.1, L.54-55, [NEW] unit tests).

use serde_json::json;

use super::{testing::*, *};
use crate::limits;

#[test]
fn case_l54_an_agent_of_one_instance_is_found_by_another_in_both_layouts() {
    for name in ["agents", "reactive"] {
        let around = Around::new();
        let directory = around.at(name);
        let (a, b) = (Instance::new(&directory), Instance::new(&directory));
        let writer = b.with_agents(&["Worker-1"]);
        let peer = a.one("Worker-1");
        assert_eq!((peer.agent.as_str(), &peer.home, peer.speaks), ("Worker-1", &b.home, Speaks::Loopgate));
        assert_eq!(peer.at, b.listener.local_addr().expect("an address"));
        assert_eq!((peer.pid, peer.inode), (std::process::id(), inode(&b.listener)));
        assert_eq!(a.one(&format!("Worker-1@{}", b.home)).block_id, "block of Worker-1");
        assert_eq!(a.nobody(&format!("Worker-1@{}", a.home)), None);
        assert_eq!(b.nobody("Worker-1"), None, "never itself");
        writer.end();
        assert_eq!(a.nobody("Worker-1"), None);
        assert_eq!(std::fs::read_dir(&directory).expect("a directory").count(), 0, "nothing is left");
    }
}

#[test]
fn an_entry_of_agentmux_is_found_in_both_layouts_and_its_home_is_its_channel() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let theirs = Instance::new(&around.at("unused"));
    let at = theirs.listener.local_addr().expect("an address");
    put(&around.agents().join("flat.json"), entry("flat", at, std::process::id()).to_string());
    put(&around.agents().join("nested/main.json"), entry("Nested", at, std::process::id()).to_string());
    let (flat, nested) = (us.one("flat"), us.one("nested"));
    assert_eq!((flat.speaks, flat.instance.as_deref()), (Speaks::AgentMux, None));
    assert_eq!(flat.inode, inode(&theirs.listener));
    assert!(flat.key.as_ref().is_some_and(|key| key.matches(b"key-of-agentmux")));
    assert_eq!(flat.home, nested.home, "one channel");
    assert_eq!(nested.agent.as_str(), "Nested", "as its entry spells it");
    assert_eq!(us.one(&format!("flat@{}", flat.home)).block_id, "b1");
}

/// [NEW]: names are case-insensitive in folders. Flat ones are not, as in AgentMux 0.33.
#[test]
fn flat_names_are_exact_in_case_and_folders_are_not() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let theirs = Instance::new(&around.at("unused"));
    let at = theirs.listener.local_addr().expect("an address");
    let text = |agent| entry(agent, at, std::process::id()).to_string();
    put(&around.agents().join("Upper.json"), text("Upper"));
    put(&around.agents().join("lowered.json"), text("Lowered"));
    put(&around.agents().join("nested/main.json"), text("NESTED"));
    assert_eq!(us.one("Upper").agent.as_str(), "Upper");
    assert_eq!(us.nobody("upper"), None);
    assert_eq!(us.one("Lowered").agent.as_str(), "Lowered", "the newer one lowers the name of the file");
    assert_eq!(us.nobody("lowered"), None);
    for name in ["nested", "NESTED", "Nested"] {
        assert_eq!(us.one(name).agent.as_str(), "NESTED");
    }
}

/// [NEW]: several channels coexist, and the freshest comes first.
#[test]
fn several_homes_are_several_and_one_home_is_its_freshest_entry() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let (one, two) = (Instance::new(&around.at("unused")), Instance::new(&around.at("unused")));
    let put_at = |channel: &str, file: &str, from: &Instance, updated_at: u64| {
        let mut value = entry("w", from.listener.local_addr().expect("an address"), std::process::id());
        value["channel"] = json!(channel);
        value["updated_at"] = json!(updated_at);
        put(&around.agents().join("w").join(file), value.to_string());
    };
    put_at("main", "main.json", &one, 5);
    put_at("main", "other-file.json", &two, 6);
    assert_eq!(us.one("w").inode, inode(&two.listener), "the freshest");
    put_at("beta", "other-file.json", &two, 6);
    let Found::Several(homes) = us.find("w") else { panic!("two channels") };
    assert_eq!(homes.len(), 2);
    for home in homes {
        assert_eq!(us.one(&format!("w@{home}")).home, home);
    }
    for number in 0..20 {
        put_at(&format!("c{number}"), &format!("c{number}.json"), &two, 6);
    }
    assert!(matches!(us.find("w"), Found::Several(homes) if homes.len() == 8));
}

#[test]
fn channels_of_one_name_are_bounded() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    for number in 0..=limits::REGISTRY_CHANNELS + 5 {
        put(&around.agents().join(format!("w/c{number}.json")), "{}");
    }
    assert_eq!(us.nobody("w"), Some("entry_malformed"));
    let listing = us.registry.listing();
    assert_eq!((listing.troubles.len(), listing.more), (limits::REGISTRY_CHANNELS, true));
}

#[test]
fn a_registry_of_too_many_files_is_looked_at_in_part_and_says_so() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    for number in 0..=limits::REGISTRY_FILES {
        std::fs::write(around.agents().join(format!("{number}.txt")), "").expect("written");
    }
    let listing = us.registry.listing();
    assert!(listing.more && listing.instances.is_empty() && listing.troubles.is_empty());
}

#[test]
fn troubles_of_the_registry_are_bounded() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    for number in 0..=limits::REGISTRY_TROUBLES {
        put(&around.agents().join(format!("a{number}.json")), "{}");
    }
    let listing = us.registry.listing();
    assert_eq!((listing.troubles.len(), listing.more), (limits::REGISTRY_TROUBLES, true));
}

#[test]
fn case_l55_an_entry_to_a_dead_port_is_not_found_and_removed() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let writer = us.with_agents(&[]);
    let theirs = Instance::new(&around.at("unused"));
    let at = theirs.listener.local_addr().expect("an address");
    let file = around.agents().join("w.json");
    put(&file, entry("w", at, std::process::id()).to_string());
    let peer = us.one("w");
    us.registry.gone(&peer);
    us.registry.publish(&id("w"), SOON);
    assert!(file.exists(), "one that lives is not removed, whoever says so");
    drop(theirs);
    assert_eq!(us.nobody("w"), Some("entry_no_listener"));
    eventually(|| !file.exists());
    put(&file, entry("w", at, dead_pid()).to_string());
    us.registry.gone(&peer);
    eventually(|| !file.exists());
    writer.end();
}

#[test]
fn case_l55_our_own_address_under_any_name_is_nobody_and_stays() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let port = us.listener.local_addr().expect("an address").port();
    let idler = Idler::new();
    let file = around.agents().join("w.json");
    for host in ["127.0.0.1", "localhost"] {
        for pid in [std::process::id(), idler.0.id()] {
            let mut value = entry("w", us.listener.local_addr().expect("an address"), pid);
            value["local_url"] = json!(format!("http://{host}:{port}"));
            put(&file, value.to_string());
            assert_eq!(us.nobody("w"), Some("entry_own_port"), "{host}");
        }
    }
    // A listener of ours on all addresses is ours under each of them.
    let wide = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let at = wide.local_addr().expect("an address");
    let us = Instance::with(&around.agents(), |settings| {
        (settings.at, settings.listener_inode) = (at, inode(&wide));
    });
    for host in ["127.0.0.1", "127.9.9.9", "localhost"] {
        for pid in [std::process::id(), idler.0.id()] {
            let mut value = entry("w", at, pid);
            value["local_url"] = json!(format!("http://{host}:{}", at.port()));
            put(&file, value.to_string());
            assert_eq!(us.nobody("w"), Some("entry_own_port"), "{host}");
        }
    }
    // And one that the kernel alone knows for ours.
    let narrow = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let us = Instance::with(&around.agents(), |settings| settings.listener_inode = inode(&narrow));
    put(&file, entry("w", narrow.local_addr().expect("an address"), std::process::id()).to_string());
    assert_eq!(us.nobody("w"), Some("entry_own_port"));
}

/// The same port over IPv4 and IPv6 is two ports.
#[test]
fn anothers_listener_with_our_port_number_of_the_other_kind_is_not_ours() {
    let around = Around::new();
    let wide = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let at = wide.local_addr().expect("an address");
    let us = Instance::with(&around.agents(), |settings| {
        (settings.at, settings.listener_inode) = (at, inode(&wide));
    });
    let Ok(six) = std::net::TcpListener::bind(("::1", at.port())) else {
        println!("skipped: IPv6 missing");
        return;
    };
    put(
        &around.agents().join("w.json"),
        entry("w", six.local_addr().expect("an address"), std::process::id()).to_string(),
    );
    assert_eq!(us.one("w").inode, inode(&six));
    let mut files = own::Files::new(Arc::clone(&us.registry));
    let status = files.round(vec![(id("w"), String::new())], &us.registry.work(true).0).status;
    assert_eq!(status[&id("w")], Published::Taken);
}

/// [NEW]: a folder's file is called by its channel.
#[test]
fn an_entry_without_a_channel_has_that_of_its_file() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let theirs = Instance::new(&around.at("unused"));
    let at = theirs.listener.local_addr().expect("an address");
    let mut value = entry("w", at, std::process::id());
    put(&around.agents().join("w/main.json"), value.to_string());
    let home = us.one("w").home;
    value["channel"] = json!("");
    put(&around.agents().join("w/main.json"), value.to_string());
    assert_eq!(us.one("w").home, home);
    std::fs::rename(around.agents().join("w/main.json"), around.agents().join("w/beta.json")).expect("moved");
    assert_ne!(us.one("w").home, home);
}

/// The owner of the directory sees what is there, and of what does not count the reason and what to do.
#[test]
fn a_listing_shows_instances_with_their_agents_and_what_is_wrong() {
    let around = Around::new();
    let (us, b) = (Instance::new(&around.agents()), Instance::new(&around.agents()));
    let writers = [us.with_agents(&["mine"]), b.with_agents(&["w1", "w2"])];
    let theirs = Instance::new(&around.at("unused"));
    let at = theirs.listener.local_addr().expect("an address");
    put(&around.agents().join("mux/main.json"), entry("mux", at, std::process::id()).to_string());
    put_mode(&around.agents().join("open.json"), entry("open", at, std::process::id()).to_string(), 0o644);
    put(&around.agents().join("notes.txt"), "x");
    let listing = us.registry.listing();
    assert_eq!((listing.mode, listing.shared, listing.more), (Some(0o700), true, false));
    assert_eq!((listing.directory, listing.own), (Some(around.agents()), vec![id("mine")]));
    assert_eq!(listing.instances.len(), 2);
    for instance in &listing.instances {
        let names: Vec<_> = instance.agents.iter().map(|agent| agent.name.as_str()).collect();
        match instance.speaks {
            Speaks::Loopgate => assert_eq!((names, &instance.home), (vec!["w1", "w2"], &b.home)),
            Speaks::AgentMux => assert_eq!((names, instance.channel.as_str()), (vec!["mux"], "main")),
        }
    }
    let [trouble] = &listing.troubles[..] else { panic!("{:?}", listing.troubles) };
    assert_eq!((trouble.code, trouble.agent.as_deref()), ("entry_mode", Some("open")));
    assert_eq!(trouble.next, format!("chmod 600 {}", around.agents().join("open.json").display()));
    writers.into_iter().for_each(Writer::end);
}

#[test]
fn a_directory_that_others_may_read_works_and_is_told() {
    let around = Around::new();
    std::fs::create_dir(around.agents()).expect("a directory");
    std::fs::set_permissions(around.agents(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("mode");
    let (us, b) = (Instance::new(&around.agents()), Instance::new(&around.agents()));
    let writer = b.with_agents(&["w"]);
    assert_eq!(us.one("w").home, b.home);
    let listing = us.registry.listing();
    assert_eq!((listing.mode, listing.troubles.len()), (Some(0o755), 1));
    assert_eq!(listing.troubles[0].code, "directory_mode");
    assert_eq!(listing.troubles[0].next, format!("chmod 700 {}", around.agents().display()));
    writer.end();
}

#[test]
fn a_registry_that_is_not_shared_is_written_and_nobodys_entry_counts() {
    let around = Around::new();
    let us = Instance::with(&around.agents(), |settings| settings.shared = false);
    let b = Instance::new(&around.agents());
    let writers = [us.with_agents(&["mine"]), b.with_agents(&["w"])];
    assert!(!us.registry.is_on() && b.registry.is_on());
    assert_eq!(us.nobody("w"), None);
    assert!(us.registry.listing().instances.is_empty());
    assert_eq!(b.one("mine").home, us.home);
    writers.into_iter().for_each(Writer::end);
}

/// Nothing that a name can be leads out of the directory, and an entry speaks for its own name only.
#[test]
fn an_entry_about_another_name_does_not_count() {
    let around = Around::new();
    let us = Instance::new(&around.agents());
    let theirs = Instance::new(&around.at("unused"));
    let text =
        entry("evil", theirs.listener.local_addr().expect("an address"), std::process::id()).to_string();
    put(&around.agents().join("w.json"), &text);
    assert_eq!(us.nobody("w"), Some("entry_name"));
    std::fs::remove_file(around.agents().join("w.json")).expect("removed");
    put(&around.agents().join("w/main.json"), &text);
    assert_eq!(us.nobody("w"), Some("entry_name"));
    assert_eq!(us.nobody("evil"), None);
    assert_eq!(us.registry.listing().troubles.len(), 1);
}
