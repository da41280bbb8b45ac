use std::{
    fs::File,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use crate::{
    store::testing::{TempHome, is_bound_by_modes, is_root},
    sys::rename,
    wire::clock::ManualClock,
};

const RACES: usize = 10_000;
const NOW: u64 = 1_800_000_000_000;

struct Setup {
    temp: TempHome,
    outbox: Outbox,
    clock: Arc<ManualClock>,
}

impl Setup {
    fn new() -> Self {
        let temp = TempHome::in_memory();
        let root = Lent::open(temp.around()).expect("a directory");
        root.fresh_below(NAME).expect("made");
        let clock = ManualClock::at(NOW);
        Self { temp, outbox: Outbox::open(Arc::new(root), clock.clone()), clock }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.around().join(NAME).join(name)
    }

    fn elsewhere(&self) -> PathBuf {
        let path = self.temp.around().join("elsewhere.json");
        std::fs::write(&path, letter("elsewhere")).expect("written");
        path
    }

    /// As a careful program does: beside it, then renamed.
    fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let temporary = self.at(".tmp_careful");
        std::fs::write(&temporary, text).expect("written");
        std::fs::rename(temporary, self.at(name)).expect("renamed");
    }

    /// As a careless one does, so many ms ago.
    fn put_part(&self, name: &str, text: &str, age: u64) {
        std::fs::write(self.at(name), text).expect("written");
        let written = UNIX_EPOCH + Duration::from_millis(self.clock.unix_ms() - age);
        File::options().write(true).open(self.at(name)).expect("open").set_modified(written).expect("a time");
    }

    fn take(&mut self) -> Vec<Letter> {
        self.outbox.take().letters
    }

    fn left(&self) -> usize {
        std::fs::read_dir(self.at("")).expect("a directory").count()
    }
}

fn letter(content: &str) -> String {
    serde_json::json!({"to": "b", "content": content}).to_string()
}

fn send(content: &str) -> Letter {
    Letter::Send { to: "b".to_owned(), content: content.to_owned() }
}

fn invalid(file: &str, why: &'static str) -> Letter {
    Letter::Invalid { file: file.to_owned(), why }
}

/// Spec genswarms E.5 and M.11.
#[test]
fn m11_letters_are_taken_in_the_order_of_their_names_and_their_files_are_gone() {
    let mut setup = Setup::new();
    setup.put("0003_c.json", r#"{"broadcast":true,"content":"third"}"#);
    setup.put("0001_a.json", r#"{"to":"b","content":"first"}"#);
    setup.put("0002_b.json", r#"{"to":"o","content":"second","reply_to":"ask_1_2"}"#);
    setup.put("0004_d.json", r#"{"to":"b","content":"fourth","reply_to":null,"unknown":[1]}"#);
    setup.put(".tmp_0000.json", letter("half"));
    setup.put("0000.txt", letter("no letter"));
    let (to, content) = ("o".to_owned(), "second".to_owned());
    let wanted = [
        send("first"),
        Letter::Ask { to, content, id: "ask_1_2".to_owned() },
        Letter::Broadcast { content: "third".to_owned() },
        send("fourth"),
    ];
    assert_eq!(setup.take(), wanted);
    assert_eq!(setup.take(), []);
    assert_eq!(setup.left(), 2, "only what is no letter by its name");
}

#[test]
fn what_is_no_letter_is_reported_with_the_reason_and_removed() {
    let mut setup = Setup::new();
    for (text, why) in [
        ("[]", "it is not a JSON object"),
        ("\"x\"", "it is not a JSON object"),
        ("{}", "it has no text `content`"),
        (r#"{"to":"b"}"#, "it has no text `content`"),
        (r#"{"to":"b","content":7}"#, "it has no text `content`"),
        (r#"{"content":"x"}"#, "it has no text `to`"),
        (r#"{"content":"x","broadcast":false}"#, "it has no text `to`"),
        (r#"{"content":"x","to":["b"]}"#, "its `to` is not a text"),
        (r#"{"content":"x","to":"b","reply_to":7}"#, "its `reply_to` is not a text"),
        (r#"{"content":"x","to":"b","reply_to":"../x"}"#, "its `reply_to` cannot be the name of an answer"),
        (r#"{"content":"x","broadcast":"true"}"#, "its `broadcast` is neither true nor false"),
        (r#"{"content":"x","broadcast":true,"to":"b"}"#, "it is a broadcast, and has a `to` or a `reply_to`"),
        (r#"{"content":"x","to":"b","to":"c"}"#, "it has a field twice"),
        (&format!("{}{}", "[".repeat(40), "]".repeat(40)), "its JSON is too deep"),
    ] {
        setup.put("x\n\u{1b}]0;\u{e4}.json", text);
        let name = r"x\n\x1b]0;\xc3\xa4.json";
        assert_eq!(setup.take(), [invalid(name, why)], "{text}");
        assert_eq!(setup.left(), 0);
    }
}

#[test]
fn an_outbox_file_over_its_limit_is_refused_unread() {
    let mut setup = Setup::new();
    let file = |room: usize, text: char| {
        let frame = r#"{"to":"b","content":""}"#.len();
        letter(&text.to_string().repeat(room - frame))
    };
    setup.put("1.json", letter(&"x".repeat(limits::SWARM_MESSAGE)));
    setup.put("2.json", letter(&"x".repeat(limits::SWARM_MESSAGE + 1)));
    setup.put("3.json", file(limits::OUTBOX_FILE + 1, 'x'));
    File::create(setup.at("4.json")).expect("made").set_len(1 << 40).expect("a hole");
    let taken = setup.take();
    assert!(matches!(&taken[0], Letter::Send { content, .. } if content.len() == limits::SWARM_MESSAGE));
    let large = [
        invalid("2.json", "its `content` is too large"),
        invalid("3.json", "it is too large"),
        invalid("4.json", "it is too large"),
    ];
    assert_eq!(taken[1..], large);
    assert_eq!(setup.left(), 0);
}

#[test]
fn what_is_no_regular_file_of_the_agent_is_removed_and_never_opened() {
    let mut setup = Setup::new();
    let elsewhere = setup.elsewhere();
    symlink(&elsewhere, setup.at("1.json")).expect("a link");
    std::fs::hard_link(&elsewhere, setup.at("2.json")).expect("a link");
    std::fs::create_dir(setup.at("3.json")).expect("made");
    let _socket = UnixListener::bind(setup.at("4.json")).expect("a socket");
    symlink("/dev/zero", setup.at("5.json")).expect("a link");
    symlink("/nowhere", setup.at("6.json")).expect("a link");
    let not_regular = "it is not a regular file";
    let mut wanted = vec![
        invalid("1.json", "it is a symbolic link"),
        invalid("2.json", "it is a hard link"),
        invalid("3.json", not_regular),
        invalid("4.json", not_regular),
        invalid("5.json", "it is a symbolic link"),
        invalid("6.json", "it is a symbolic link"),
    ];
    let made = std::process::Command::new("mkfifo").arg(setup.at("7.json")).status();
    if made.is_ok_and(|status| status.success()) {
        wanted.push(invalid("7.json", not_regular));
    } else {
        println!("skipped: mkfifo missing");
    }
    if is_root() {
        setup.put("8.json", letter("theirs"));
        std::os::unix::fs::chown(setup.at("8.json"), Some(12_345), None).expect("given away");
        wanted.push(invalid("8.json", "it belongs to another user"));
    }
    assert_eq!(setup.take(), wanted);
    assert_eq!(setup.left(), 0);
    assert_eq!(std::fs::read_to_string(elsewhere).expect("there"), letter("elsewhere"));
}

#[test]
fn what_cannot_be_removed_is_reported_once_and_holds_up_nothing() {
    let mut setup = Setup::new();
    std::fs::create_dir_all(setup.at("1.json/full")).expect("made");
    setup.put("2.json", letter("behind"));
    assert_eq!(setup.take(), [invalid("1.json", "it is not a regular file"), send("behind")]);
    assert_eq!(setup.take(), []);
    setup.put("1.json", letter("its name again"));
    assert_eq!(setup.take(), [send("its name again")]);
}

/// A directory that nothing can be taken out of: a letter would come again and again.
#[test]
fn a_letter_that_cannot_be_taken_out_is_reported_once_and_comes_when_it_can() {
    let name = "a_letter_that_cannot_be_taken_out_is_reported_once_and_comes_when_it_can";
    if !is_bound_by_modes(&format!("agent::outbox::tests::{name}")) {
        return;
    }
    let mut setup = Setup::new();
    setup.put("3.json", letter("stuck"));
    let place = setup.at("");
    let mode = |mode| std::fs::set_permissions(&place, PermissionsExt::from_mode(mode)).expect("a mode");
    mode(0o500);
    assert_eq!(setup.outbox.take().letters, [invalid("3.json", "it cannot be removed")]);
    assert_eq!(setup.outbox.take().letters, []);
    setup.clock.advance(FORGOTTEN_MS);
    assert_eq!(setup.outbox.take().letters.len(), 1);
    mode(0o700);
    setup.clock.advance(FORGOTTEN_MS);
    assert_eq!(setup.outbox.take().letters, [send("stuck")]);
}

#[test]
fn an_outbox_that_is_another_directory_by_a_link_is_refused_once() {
    let mut setup = Setup::new();
    let elsewhere = setup.temp.around().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    std::fs::write(elsewhere.join("1.json"), letter("elsewhere")).expect("written");
    let place = setup.temp.around().join(NAME);
    std::fs::rename(&place, setup.temp.around().join("moved")).expect("moved");
    assert_eq!(setup.take(), [invalid(NAME, "it is not there")]);
    symlink(&elsewhere, &place).expect("a link");
    assert_eq!(setup.take(), [invalid(NAME, "it is a symbolic link")]);
    assert_eq!(setup.take(), [], "told once");
    assert!(elsewhere.join("1.json").exists());
    std::fs::remove_file(&place).expect("removed");
    std::fs::rename(setup.temp.around().join("moved"), &place).expect("back");
    setup.put("1.json", letter("back"));
    assert_eq!(setup.take(), [send("back")]);
}

#[test]
fn a_half_written_letter_has_a_second_to_become_one() {
    let mut setup = Setup::new();
    let (half, rest) = (r#"{"to":"b","con"#, r#"tent":"whole"}"#);
    setup.put_part("1.json", half, 0);
    assert_eq!(setup.take(), [], "it may become one");
    assert_eq!(setup.left(), 1);
    setup.clock.advance(limits::OUTBOX_UNFINISHED_MS / 2);
    assert_eq!(setup.take(), []);
    setup.put_part("1.json", &format!("{half}{rest}"), 0);
    setup.clock.advance(limits::OUTBOX_UNFINISHED_MS / 2);
    assert_eq!(setup.take(), [send("whole")]);

    for text in ["", half] {
        setup.put_part("2.json", text, 0);
        assert_eq!(setup.take(), []);
        setup.clock.advance(limits::OUTBOX_UNFINISHED_MS);
        // Written to all the time, and never finished.
        setup.put_part("2.json", text, 0);
        assert_eq!(setup.take(), [invalid("2.json", "it is not JSON")]);
    }
    setup.put_part("3.json", half, limits::OUTBOX_UNFINISHED_MS);
    assert_eq!(setup.take(), [invalid("3.json", "it is not JSON")], "old already");
    assert_eq!(setup.left(), 0);
    assert!(setup.outbox.unfinished.is_empty());
}

#[test]
fn letters_that_may_become_whole_are_remembered_up_to_a_number() {
    let mut setup = Setup::new();
    for number in 0..limits::OUTBOX_NAMES + 10 {
        setup.put_part(&format!("{number:05}.json"), "{", 0);
    }
    let mut reported = 0;
    for _ in 0..2 * limits::OUTBOX_NAMES.div_ceil(limits::OUTBOX_LETTERS) {
        reported += setup.take().len();
        assert!(setup.outbox.unfinished.len() <= limits::OUTBOX_NAMES);
    }
    assert_eq!((setup.outbox.unfinished.len(), reported), (limits::OUTBOX_NAMES, 10));
}

#[test]
fn one_look_at_an_outbox_is_bounded_in_letters_and_bytes() {
    let mut setup = Setup::new();
    for number in 0..limits::OUTBOX_LETTERS + 1 {
        setup.put(&format!("{number:04}.json"), letter("x"));
    }
    let taken = setup.outbox.take();
    assert_eq!((taken.letters.len(), taken.more), (limits::OUTBOX_LETTERS, true));
    let taken = setup.outbox.take();
    assert_eq!((taken.letters.len(), taken.more), (1, false));
    let large = letter(&"x".repeat(limits::SWARM_MESSAGE));
    for number in 0..6 {
        setup.put(&format!("{number}.json"), &large);
    }
    let taken = setup.outbox.take();
    assert_eq!((taken.letters.len(), taken.more), (limits::OUTBOX_BYTES / limits::SWARM_MESSAGE, true));
    assert_eq!(setup.outbox.take().letters.len(), 2);
    assert_eq!(setup.left(), 0);
}

#[test]
fn a_hundred_thousand_files_neither_stall_nor_fill_the_memory() {
    let mut setup = Setup::new();
    let files = 100_000;
    for number in 0..files {
        // In no order that a directory may keep.
        let number = number * 7_919 % files;
        std::fs::write(setup.at(&format!("{number:06}.json")), b"{\"to\":\"b\",\"content\":\"\"}")
            .expect("written");
    }
    let shown = std::fs::read_dir(setup.at("")).expect("a directory").take(limits::OUTBOX_ENTRIES);
    let mut shown: Vec<OsString> = shown.map(|entry| entry.expect("an entry").file_name()).collect();
    shown.sort();
    let looks = 2 * limits::OUTBOX_NAMES.div_ceil(limits::OUTBOX_LETTERS);
    let mut letters = 0;
    for look in 0..looks {
        let taken = setup.outbox.take();
        if look == 0 {
            let first = &shown[limits::OUTBOX_LETTERS..limits::OUTBOX_NAMES];
            assert!(setup.outbox.waiting.iter().eq(first), "of all that stands there, not more is looked at");
        }
        assert!(taken.letters.len() <= limits::OUTBOX_LETTERS && taken.more);
        assert!(setup.outbox.waiting.len() <= limits::OUTBOX_NAMES);
        assert!(setup.outbox.waiting.iter().is_sorted());
        letters += taken.letters.len();
    }
    assert_eq!((letters, setup.left()), (2 * limits::OUTBOX_NAMES, files - letters));
    setup.outbox.root.fresh_below(NAME).expect("an agent that starts again finds nothing of it");
    setup.put("1.json", letter("new"));
    let left = (0..looks).flat_map(|_| setup.take()).collect::<Vec<_>>();
    assert_eq!(left, [send("new")]);
}

/// Else whoever fills it with such files would be looked at without a pause.
#[test]
fn files_that_are_no_letters_are_no_reason_to_look_again() {
    let mut setup = Setup::new();
    for number in 0..=limits::OUTBOX_ENTRIES {
        std::fs::write(setup.at(&format!("{number}.txt")), b"").expect("written");
    }
    let taken = setup.outbox.take();
    assert!(taken.letters.is_empty() && !taken.more);
}

#[test]
fn the_name_of_a_file_is_shown_escaped_and_in_its_beginning() {
    let mut setup = Setup::new();
    let name = format!("\u{1b}[2J{}.json", "x".repeat(200));
    std::fs::create_dir(setup.at(&name)).expect("made");
    let taken = setup.take();
    let Letter::Invalid { file, .. } = &taken[0] else { panic!("{taken:?}") };
    assert!(file.starts_with("\\x1b[2Jx") && file.ends_with("x...") && file.len() < 140, "{file}");
}

/// Each letter that is renamed to the same name is handed out, unless a later one came in its place before.
#[test]
fn of_ten_thousand_letters_by_one_name_none_is_taken_twice_or_lost_after_the_last() {
    let mut setup = Setup::new();
    let place = setup.temp.around().join(NAME);
    let mut seen: Vec<usize> = Vec::new();
    let mut note = |letters: Vec<Letter>| {
        for letter in letters {
            match letter {
                Letter::Send { content, .. } => seen.push(content.parse().expect("a number")),
                other => panic!("{other:?}"),
            }
        }
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..RACES {
                std::fs::write(place.join(".tmp_1"), letter(&number.to_string())).expect("written");
                std::fs::rename(place.join(".tmp_1"), place.join("1.json")).expect("renamed");
            }
        });
        while !writer.is_finished() {
            note(setup.outbox.take().letters);
        }
    });
    note(setup.outbox.take().letters);
    assert!(seen.is_sorted_by(|one, two| one < two), "each once, in order");
    assert_eq!(seen.last(), Some(&(RACES - 1)));
}

/// A letter, a link to another file, another directory and nothing change places all the time: what is handed out
/// was in the outbox, and nothing elsewhere is read or removed.
#[test]
fn ten_thousand_races_take_nothing_from_elsewhere() {
    let mut setup = Setup::new();
    let elsewhere = setup.temp.around().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    for name in ["1.json", "2.json"] {
        std::fs::write(elsewhere.join(name), letter("elsewhere")).expect("written");
    }
    let (place, swap) = (setup.temp.around().join(NAME), setup.temp.around().join("swap"));
    symlink("elsewhere", &swap).expect("a link");
    let over = std::sync::atomic::AtomicBool::new(false);
    let ordering = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exists = |path: &Path| std::fs::symlink_metadata(path).is_ok();
            while !over.load(ordering) {
                let _ = std::fs::write(place.join(".tmp_1"), letter("mine"));
                let _ = std::fs::rename(place.join(".tmp_1"), place.join("1.json"));
                let _ = symlink(elsewhere.join("2.json"), place.join(".tmp_2"));
                let _ = std::fs::rename(place.join(".tmp_2"), place.join("1.json"));
                let _ = std::fs::hard_link(elsewhere.join("2.json"), place.join(".tmp_3"));
                let _ = std::fs::rename(place.join(".tmp_3"), place.join("2.json"));
                let _ = rename::exchange(&place, &swap);
                let _ = rename::exchange(&place, &swap);
                assert!(exists(&place));
            }
        });
        for _ in 0..RACES {
            for letter in setup.outbox.take().letters {
                match letter {
                    Letter::Send { content, .. } => assert_eq!(content, "mine"),
                    Letter::Invalid { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        over.store(true, ordering);
    });
    for name in ["1.json", "2.json"] {
        assert_eq!(std::fs::read_to_string(elsewhere.join(name)).expect("there"), letter("elsewhere"));
    }
}

#[test]
fn an_ids_rule_is_that_of_genswarms() {
    for good in ["a", "ask_12_34", "A.b-c_d", "...", &"x".repeat(limits::REPLY_ID)] {
        assert!(is_reply_id(good), "{good}");
    }
    for bad in ["", ".", "..", "a/b", "a\\b", "a b", "a\n", "\0", "\u{e4}", &"x".repeat(limits::REPLY_ID + 1)]
    {
        assert!(!is_reply_id(bad), "{bad:?}");
    }
}
