use std::os::unix::{fs::PermissionsExt, net::UnixListener};

use super::{
    fuzz::{Ground, INSIDE},
    *,
};
use crate::store::testing::is_root;

const RACES: usize = 10_000;

fn read(guard: &Beneath, path: &str) -> Result<Vec<u8>, BeneathError> {
    guard.read(path, 64)
}

/// Spec genswarms M.4: what lies inside.
#[test]
fn m4_paths_into_the_directory_are_read_relative_and_absolute() {
    let ground = Ground::new();
    let base = ground.at("base").to_string_lossy().into_owned();
    for guard in ground.guards() {
        for path in [
            "a.md",
            "sub/b.md",
            "sub/deep/c.md",
            "./sub//b.md",
            "sub/../a.md",
            "sub/deep/../b.md",
            "not/there/../../a.md",
            &format!("{base}/a.md"),
            &format!("{base}/sub/../a.md"),
            &format!("/.//{base}//sub/./b.md"),
        ] {
            assert_eq!(read(&guard, path).expect("inside"), INSIDE, "{path}");
        }
        for itself in [".", "sub/..", &base, &format!("{base}/"), "./"] {
            assert_eq!(guard.relative(itself).ok().as_deref(), Some(""), "{itself}");
            assert!(matches!(read(&guard, itself), Err(BeneathError::NotRegular)), "{itself}");
        }
    }
}

/// Spec genswarms M.4: what does not.
#[test]
fn m4_paths_out_of_the_directory_are_refused_before_anything_is_opened() {
    let ground = Ground::new();
    let base = ground.at("base").to_string_lossy().into_owned();
    let outside = ground.at("outside").to_string_lossy().into_owned();
    for guard in ground.guards() {
        for path in [
            "/etc/passwd",
            "/root/.ssh/id_rsa",
            "../../../../etc/passwd",
            "..",
            "../base/a.md",
            "../base_evil/a.md",
            "../base-sibling/x",
            "sub/../../outside/a.md",
            "/",
            "//",
            "/..",
            &format!("{base}_evil/a.md"),
            &format!("{base}/../base/a.md"),
            &format!("{base}/../../etc/passwd"),
            &format!("{outside}/a.md"),
            &format!("/tmp/..{base}/a.md"),
        ] {
            assert!(matches!(guard.relative(path), Err(BeneathError::Outside)), "{path}");
            assert!(matches!(read(&guard, path), Err(BeneathError::Outside)), "{path}");
            assert!(matches!(guard.list(path, ".md", 9), Err(BeneathError::Outside)), "{path}");
        }
        for path in ["", "\0", "a.md\0", "evil\0.md", &"x".repeat(limits::REQUEST_LINE + 1)] {
            assert!(matches!(read(&guard, path), Err(BeneathError::Invalid)), "{path:?}");
        }
        for path in ["missing.md", "a.md/b.md", "sub/missing", &"x".repeat(300), "a.md/"] {
            let read = read(&guard, path);
            assert!(path == "a.md/" || matches!(read, Err(BeneathError::Missing)), "{path}: {read:?}");
        }
    }
}

/// Spec genswarms M.4: a link inside that leads outside.
#[test]
fn m4_links_that_lead_outside_are_refused_by_either_way() {
    let ground = Ground::new();
    for guard in ground.guards() {
        for path in [
            "out/a.md",
            "out.md",
            "absolute/a.md",
            "up/outside/a.md",
            "up/base/a.md",
            "circle",
            "circle/a.md",
            "root/etc/passwd",
            "sub/cwd/Cargo.toml",
            "link/cwd/Cargo.toml",
        ] {
            let read = read(&guard, path);
            assert!(matches!(read, Err(BeneathError::Outside)), "{:?} {path}: {read:?}", guard.way);
        }
    }
    let [kernel, steps] = ground.guards();
    for path in ["link/b.md", "dots.md", "dots/b.md"] {
        assert_eq!(read(&kernel, path).expect("a link that stays inside"), INSIDE, "{path}");
        assert!(matches!(read(&steps, path), Err(BeneathError::Outside)), "{path}");
    }
}

#[test]
fn m4_a_tilde_is_a_letter_like_any_other() {
    let ground = Ground::new();
    std::fs::create_dir(ground.at("base/~")).expect("a directory");
    for file in ["base/~/x", "base/~root"] {
        std::fs::write(ground.at(file), INSIDE).expect("written");
    }
    for guard in ground.guards() {
        for path in ["~/x", "~root"] {
            assert_eq!(read(&guard, path).expect("inside"), INSIDE, "{path}");
        }
        assert!(matches!(read(&guard, "~/.ssh/id_rsa"), Err(BeneathError::Missing)));
    }
}

/// Spec genswarms M.4: the base itself.
#[test]
fn m4_a_base_is_taken_with_a_slash_at_its_end_and_never_the_root() {
    let ground = Ground::new();
    let base = ground.at("base").to_string_lossy().into_owned();
    for spelt in [format!("{base}/"), format!("{base}//."), format!("{base}/sub/..")] {
        let guard = Beneath::open(Path::new(&spelt)).expect("a base");
        assert_eq!(read(&guard, "a.md").expect("inside"), INSIDE);
        assert_eq!(read(&guard, &format!("{base}/a.md")).expect("inside"), INSIDE, "{spelt}");
    }
    let link = ground.at("to_root");
    std::os::unix::fs::symlink("/", &link).expect("a link");
    for root in ["/", "//", "/.", "/proc/..", "/proc/self/root", &link.to_string_lossy()] {
        assert!(matches!(Beneath::open(Path::new(root)), Err(BaseError::Root)), "{root}");
    }
    assert!(matches!(Beneath::open(&ground.at("nowhere")), Err(BaseError::Missing)));
    assert!(matches!(Beneath::open(&ground.at("base/a.md")), Err(BaseError::NotDirectory)));
}

#[test]
fn only_regular_files_are_read_and_nothing_is_waited_for() {
    let ground = Ground::new();
    let fifo = ground.at("base/fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: mkfifo missing");
    }
    let _socket = UnixListener::bind(ground.at("base/socket")).expect("a socket");
    for guard in ground.guards() {
        for path in ["sub", "socket", "fifo"].into_iter().filter(|path| ground.at("base").join(path).exists())
        {
            let read = read(&guard, path);
            assert!(matches!(read, Err(BeneathError::NotRegular)), "{path}: {read:?}");
        }
    }
    let devices = Beneath::open(Path::new("/dev")).expect("a directory");
    for way in [Way::Kernel, Way::Steps] {
        let devices =
            Beneath { way, directory: devices.directory.try_clone().expect("a copy"), path: "/dev".into() };
        assert!(matches!(devices.read("zero", 64), Err(BeneathError::NotRegular)));
    }
    std::fs::set_permissions(ground.at("base/a.md"), PermissionsExt::from_mode(0o000)).expect("a mode");
    if !is_root() {
        for guard in ground.guards() {
            assert!(matches!(read(&guard, "a.md"), Err(BeneathError::Io(_))));
        }
    }
}

#[test]
fn a_file_over_the_readers_limit_is_refused() {
    let ground = Ground::new();
    for (size, fits) in [(0, true), (64, true), (65, false), (1_000_000, false)] {
        std::fs::write(ground.at("base/big"), vec![b'x'; size]).expect("written");
        for guard in ground.guards() {
            match read(&guard, "big") {
                Ok(bytes) => assert!(fits && bytes.len() == size),
                Err(BeneathError::TooLarge) => assert!(!fits),
                Err(error) => panic!("{error}"),
            }
        }
    }
    // It says that it is empty, and is not.
    let proc = Beneath::open(Path::new("/proc/self")).expect("a directory");
    assert!(matches!(proc.read("status", 64), Err(BeneathError::TooLarge)));
}

#[test]
fn what_an_old_kernel_cannot_follow_is_followed_in_steps() {
    let unknown = Path::new("/proc/self");
    let guard = Beneath::open(unknown).expect("a directory");
    let error = crate::sys::beneath::open(guard.directory.as_fd(), "root/etc", 0).expect_err("refused");
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP), "links of /proc lead anywhere");
    let steps = Beneath { way: Way::Steps, ..guard };
    assert!(matches!(steps.read("root/etc/hostname", 64), Err(BeneathError::Outside)));
    assert!(steps.read("status", 100_000).is_ok());
}

#[test]
fn ten_thousand_races_never_read_outside() {
    let ground = Ground::new();
    let guards = ground.guards();
    let paths = ["sub/b.md", "swap/b.md", "link/deep/c.md", "dots/b.md", "sub/deep/../b.md", "sub/secret.md"];
    ground.while_renamed(|| {
        for (_, path) in (0..RACES).zip(paths.iter().cycle()) {
            for guard in &guards {
                if let Ok(bytes) = read(guard, path) {
                    assert_eq!(bytes, INSIDE, "{path}");
                }
            }
        }
        (0..100).for_each(|_| ground.holds(&guards, "."));
    });
    for guard in &guards {
        assert_eq!(read(guard, "sub/b.md").expect("nobody renames any more"), INSIDE);
    }
}

#[test]
fn a_list_holds_files_of_the_kind_by_their_paths_from_there() {
    let ground = Ground::new();
    for file in ["base/sub/.hidden.md", "base/sub/b.txt", "base/.git.md"] {
        std::fs::write(ground.at(file), INSIDE).expect("written");
    }
    std::fs::create_dir(ground.at("base/directory.md")).expect("a directory");
    let [kernel, steps] = ground.guards();
    let all = ["a.md", "other/b.md", "sub/b.md", "sub/deep/c.md"];
    assert_eq!(steps.list(".", ".md", 100).expect("listed"), all);
    assert_eq!(kernel.list("", ".md", 100).map_err(|_| ()), Err(()), "an empty path is none");
    assert_eq!(
        kernel.list(".", ".md", 100).expect("listed"),
        ["a.md", "dots.md", "other/b.md", "sub/b.md", "sub/deep/c.md"]
    );
    for guard in [kernel, steps] {
        assert_eq!(guard.list("sub", ".md", 100).expect("listed"), ["b.md", "deep/c.md"]);
        assert_eq!(guard.list("sub/../other/", ".md", 100).expect("listed"), ["b.md"]);
        assert!(guard.list("nowhere", ".md", 100).expect("listed").is_empty());
        assert!(matches!(guard.list("out", ".md", 100), Err(BeneathError::Outside)));
    }
}

#[test]
fn looking_for_skills_is_bounded_in_number_depth_and_names() {
    let ground = Ground::new();
    let [guard, _] = ground.guards();
    assert_eq!(guard.list(".", ".md", 2).expect("listed").len(), 2);
    let mut deep = "many".to_owned();
    for level in 1..=limits::SKILL_DEPTH + 2 {
        std::fs::create_dir_all(ground.at("base").join(&deep)).expect("a directory");
        std::fs::write(ground.at("base").join(&deep).join("x.md"), INSIDE).expect("written");
        deep = format!("{deep}/{level}");
    }
    let found = guard.list("many", ".md", 100).expect("listed");
    assert_eq!(found.len(), limits::SKILL_DEPTH + 1, "{found:?}");
    for number in 0..limits::SKILL_ENTRIES + 10 {
        std::fs::write(ground.at("base/many").join(format!("{number}.md")), "").expect("written");
    }
    let found = guard.list("many", ".md", usize::MAX).expect("listed").len();
    assert!(found <= limits::SKILL_ENTRIES, "{found}");
}

#[test]
fn what_is_opened_is_handed_on_to_no_program() {
    const CLOSE_ON_EXEC: i64 = 0o2_000_000;
    let ground = Ground::new();
    for guard in ground.guards() {
        for path in ["a.md", "sub/b.md"] {
            let file = guard.open_inside(path, FLAGS).expect("opened");
            let facts =
                std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).expect("facts");
            let flags = facts.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim();
            let flags = i64::from_str_radix(flags, 8).expect("a number");
            assert_eq!(flags & CLOSE_ON_EXEC, CLOSE_ON_EXEC, "{path}: {flags:o}");
        }
    }
}
