//! What stands where an entry should be, and is none (attacks: files), each also while it is swapped for
//! a right one and back all the time: a key is never read from a file that is refused.

use std::{
    ffi::CString,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::Path,
    sync::atomic::AtomicBool,
    thread,
};

use serde_json::json;

use super::{testing::*, *};
use crate::{limits, sys::rename};

const RACES: usize = 10_000;
/// In every entry that must not be read.
const BAD: &str = "key-of-nobody";

/// A right entry, and what is to stand in its place.
struct Attack {
    around: Around,
    us: Instance,
    theirs: Instance,
}

impl Attack {
    fn new() -> Self {
        let around = Around::in_memory();
        let (us, theirs) = (Instance::new(&around.agents()), Instance::new(&around.at("unused")));
        let attack = Self { around, us, theirs };
        put(&attack.file(), attack.text("key-of-agentmux", |_| {}));
        assert_eq!(attack.us.one("w").inode, inode(&attack.theirs.listener));
        attack
    }

    fn file(&self) -> PathBuf {
        self.around.agents().join("w.json")
    }

    fn spare(&self) -> PathBuf {
        self.around.at("spare")
    }

    fn text(&self, key: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut value =
            entry("w", self.theirs.listener.local_addr().expect("an address"), std::process::id());
        value["auth_key"] = json!(key);
        change(&mut value);
        value.to_string()
    }

    /// An entry that is right but for one thing.
    fn bad(&self, change: impl FnOnce(&mut serde_json::Value)) -> String {
        self.text(BAD, change)
    }

    /// `spare` in the place of the entry gives `codes`; and so it is while the two are swapped.
    fn run(&self, codes: &[&str]) {
        self.race(&self.file(), &self.spare(), codes);
    }

    fn race(&self, one: &Path, other: &Path, codes: &[&str]) {
        rename::exchange(one, other).expect("swapped");
        assert!(codes.contains(&self.us.nobody("w").unwrap_or("none")), "{:?}", self.us.nobody("w"));
        let over = AtomicBool::new(false);
        let (mut right, mut refused) = (0, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    rename::exchange(one, other).expect("swapped");
                }
            });
            let end = End(&over);
            // Until the other thread was let run too.
            let begin = std::time::Instant::now();
            while right + refused < RACES || (right.min(refused) == 0 && begin.elapsed() < SOON) {
                match self.us.find("w") {
                    Found::One(peer) => {
                        assert!(peer.key.as_ref().is_some_and(|key| key.matches(b"key-of-agentmux")));
                        right += 1;
                    }
                    Found::Nobody(code) => {
                        assert!(codes.contains(&code.unwrap_or("none")), "{code:?}");
                        refused += 1;
                    }
                    Found::Several(homes) => panic!("{homes:?}"),
                }
            }
            drop(end);
        });
        assert!(right > 0 && refused > 0, "{right} and {refused}: there was no race");
    }
}

/// Ends the other thread, also where this one panics.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_link_in_the_place_of_an_entry_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    put(&attack.around.at("target"), attack.bad(|_| {}));
    symlink(attack.around.at("target"), attack.spare()).expect("a link");
    attack.run(&["entry_symlink"]);
}

#[test]
fn a_file_of_another_user_in_the_place_of_an_entry_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    put(&attack.spare(), attack.bad(|_| {}));
    if crate::sys::process::uid() != 0 {
        println!("skipped: root missing");
        return;
    }
    std::os::unix::fs::chown(attack.spare(), Some(65_534), None).expect("chown");
    attack.run(&["entry_owner"]);
}

#[test]
fn an_entry_that_others_may_read_is_refused_also_while_it_is_swapped() {
    for mode in [0o644, 0o640, 0o606] {
        let attack = Attack::new();
        put_mode(&attack.spare(), attack.bad(|_| {}), mode);
        if mode == 0o644 {
            attack.run(&["entry_mode"]);
        } else {
            rename::exchange(&attack.file(), &attack.spare()).expect("swapped");
            assert_eq!(attack.us.nobody("w"), Some("entry_mode"));
        }
    }
}

#[test]
fn a_fifo_in_the_place_of_an_entry_is_refused_at_once_also_while_it_is_swapped() {
    let attack = Attack::new();
    let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(attack.spare()).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: mkfifo missing");
        return;
    }
    attack.run(&["entry_not_regular"]);
}

#[test]
fn a_directory_in_the_place_of_an_entry_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    put(&attack.spare().join("w.json"), attack.bad(|_| {}));
    attack.run(&["entry_not_regular"]);
}

#[test]
fn a_socket_in_the_place_of_an_entry_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    let _socket = UnixListener::bind(attack.spare()).expect("a socket");
    attack.run(&["entry_not_regular"]);
}

#[test]
fn an_oversized_entry_is_refused_and_not_read() {
    let attack = Attack::new();
    let fill = |text: String, size: usize| format!("{text}{}", " ".repeat(size - text.len()));
    put(&attack.file(), fill(attack.text("key-of-agentmux", |_| {}), limits::REGISTRY_ENTRY));
    put(&attack.spare(), fill(attack.bad(|_| {}), limits::REGISTRY_ENTRY + 1));
    attack.run(&["entry_too_large"]);
    // One without end and without size.
    let zero = attack.around.at("zero");
    symlink("/dev/zero", &zero).expect("a link");
    rename::exchange(&attack.file(), &zero).expect("swapped");
    assert_eq!(attack.us.nobody("w"), Some("entry_symlink"));
}

#[test]
fn half_an_entry_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    let text = attack.bad(|_| {});
    put(&attack.spare(), &text[..text.len() / 2]);
    attack.run(&["entry_malformed"]);
}

#[test]
fn an_entry_that_leads_to_another_host_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    put(&attack.spare(), attack.bad(|value| value["local_url"] = json!("http://127.0.0.1.evil.com:80")));
    attack.run(&["entry_address"]);
}

#[test]
fn an_entry_that_leads_to_our_own_port_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    let port = attack.us.listener.local_addr().expect("an address").port();
    put(&attack.spare(), attack.bad(|value| value["local_url"] = json!(format!("http://localhost:{port}/"))));
    attack.run(&["entry_own_port"]);
}

#[test]
fn an_entry_of_a_process_that_has_ended_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    let pid = dead_pid();
    put(&attack.spare(), attack.bad(|value| value["pid"] = json!(pid)));
    attack.run(&["entry_pid_dead"]);
}

/// Its port was freed and taken by a process that the entry does not name, or its number is another
/// process's by now.
#[test]
fn an_entry_whose_process_does_not_own_the_listener_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    let idler = Idler::new();
    put(&attack.spare(), attack.bad(|value| value["pid"] = json!(idler.0.id())));
    attack.run(&["entry_other_listener"]);
}

#[test]
fn an_entry_whose_port_another_socket_has_taken_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    let other = inode(&attack.us.listener);
    put(
        &attack.spare(),
        attack.bad(|value| {
            value["loopgate"] = json!(1);
            value["instance"] = json!("i");
            value["home"] = json!("0123456789ab");
            value["listener_inode"] = json!(other);
        }),
    );
    attack.run(&["entry_other_listener"]);
}

#[test]
fn an_entry_of_another_users_process_is_refused() {
    use std::os::unix::process::CommandExt;

    let attack = Attack::new();
    // Process 1 is root's; root itself starts one of nobody's.
    let mut command = std::process::Command::new("cat");
    command.stdin(std::process::Stdio::piped()).uid(65_534).gid(65_534);
    let idler = (crate::sys::process::uid() == 0).then(|| Idler(command.spawn().expect("a process")));
    let pid = idler.as_ref().map_or(1, |idler| idler.0.id());
    put(&attack.file(), attack.bad(|value| value["pid"] = json!(pid)));
    assert_eq!(attack.us.nobody("w"), Some("entry_pid_foreign"));
}

#[test]
fn an_entry_whose_listener_is_another_users_is_refused() {
    let attack = Attack::new();
    if crate::sys::process::uid() != 0 {
        println!("skipped: root missing");
        return;
    }
    std::os::unix::fs::fchown(&attack.theirs.listener, Some(65_534), None).expect("chown");
    assert_eq!(attack.us.nobody("w"), Some("entry_other_listener"));
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let attack = Attack::new();
    std::fs::remove_file(attack.file()).expect("removed");
    put(&attack.around.agents().join("w/main.json"), attack.bad(|_| {}));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(attack.around.agents().join("w"), mode).expect("a mode");
    assert_eq!(attack.us.nobody("w"), Some("directory_writable"));
}

#[test]
fn a_link_in_the_place_of_the_directory_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    put(&attack.around.at("elsewhere/w.json"), attack.bad(|_| {}));
    symlink(attack.around.at("elsewhere"), attack.spare()).expect("a link");
    attack.race(&attack.around.agents(), &attack.spare(), &["directory_symlink", "directory_not_directory"]);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    put(&attack.spare().join("w.json"), attack.bad(|_| {}));
    std::fs::set_permissions(attack.spare(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("a mode");
    attack.race(&attack.around.agents(), &attack.spare(), &["directory_writable"]);
}

#[test]
fn a_link_in_the_place_of_a_folder_is_refused_also_while_it_is_swapped() {
    let attack = Attack::new();
    std::fs::remove_file(attack.file()).expect("removed");
    put(&attack.around.agents().join("w/main.json"), attack.text("key-of-agentmux", |_| {}));
    put(&attack.around.at("elsewhere/main.json"), attack.bad(|_| {}));
    symlink(attack.around.at("elsewhere"), attack.spare()).expect("a link");
    let codes = ["directory_symlink", "directory_not_directory", "none"];
    attack.race(&attack.around.agents().join("w"), &attack.spare(), &codes);
}

/// A name that a path cannot have, or that leads elsewhere, is met in a directory and is nobody's.
#[test]
fn strange_names_in_the_directory_are_passed_over() {
    let attack = Attack::new();
    for name in
        [&b"\xff\xfe.json"[..], b".json", b".hidden.json", b"a\nb.json", b"..json", b"\xe2\x80\xae.json"]
    {
        let name = CString::new(name).expect("a name");
        let path = attack.around.agents().join(std::ffi::OsStr::from_bytes(name.as_bytes()));
        put(&path, attack.bad(|_| {}));
    }
    let listing = attack.us.registry.listing();
    assert_eq!(listing.instances.len(), 1);
    assert!(listing.troubles.iter().all(|trouble| trouble.code == "entry_name"), "{:?}", listing.troubles);
}
