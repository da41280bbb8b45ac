//! The manual pages as `man` meets them: what mandoc says of them, how wide they are, and where they are written.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    process::{Command, Stdio},
};

use stand_in::{loopgate, new_home, run};
use support::{TempDir, skipped};

const PAGES: [(&str, &str); 3] = [
    ("loopgate", "man1/loopgate.1"),
    ("loopgate-config", "man5/loopgate-config.5"),
    ("loopgate-exposure", "man7/loopgate-exposure.7"),
];

/// What mandoc prints for a page, or none where there is no mandoc.
fn mandoc(arguments: &[&str], page: &str) -> Option<String> {
    let mut command = Command::new("mandoc");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skipped("mandoc");
        return None;
    };
    let (mut stdin, page) = (child.stdin.take().expect("a pipe"), page.to_owned());
    let feeds = std::thread::spawn(move || stdin.write_all(page.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    feeds.join().expect("no panic").expect("it reads all");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Some(text(output.stdout) + &text(output.stderr))
}

fn page(name: &str) -> String {
    let (_temp, home) = new_home();
    let ran = run(&home, &["man", name]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{name}");
    ran.out
}

#[test]
fn mandoc_has_nothing_to_say_about_any_page() {
    for (name, _) in PAGES {
        let page = page(name);
        for arguments in [&["-Tlint"][..], &["-W", "style", "-Tlint"], &["-W", "all", "-Tlint"]] {
            let Some(said) = mandoc(arguments, &page) else { return };
            assert_eq!(said, "", "{name}");
        }
    }
}

#[test]
fn every_page_fits_80_columns_and_shows_what_it_is_for() {
    for (name, shows) in [
        ("loopgate", &["-f, --follow", "inbox [AGENT]", "GENSWARMS_API_TOKEN", "69", "config validate"][..]),
        (
            "loopgate-config",
            &["autostart (boolean; default: false)", "agents (array; required)", "\"name\": \"mock\""],
        ),
        ("loopgate-exposure", &["REQUEST_LINE (4096 bytes)", "GET /api/swarms ", "listener, TCP"]),
    ] {
        let Some(text) = mandoc(&["-T", "utf8", "-O", "width=80"], &page(name)) else { return };
        // bold is a letter, a backspace and the letter again
        let mut plain = String::new();
        for c in text.chars() {
            if c == '\u{8}' {
                plain.pop();
            } else {
                plain.push(c);
            }
        }
        for line in plain.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        for part in shows {
            assert!(plain.contains(part), "{name} does not show {part}");
        }
        assert!(!plain.contains("\\f") && !plain.contains("\\&") && !plain.contains("\\("), "{name}");
    }
}

#[test]
fn pages_are_written_where_man_finds_them_for_everybody_whatever_the_umask() {
    let (_temp, home) = new_home();
    let pages = TempDir::new();
    let to = pages.path().join("share/man");
    let write = || {
        let mut command = loopgate(&home, &["man", "--to"]);
        // SAFETY: umask(2) is async-signal-safe and touches no memory.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o077);
                Ok(())
            });
        }
        stand_in::ran(command.arg(&to))
    };
    // once more over pages of ours
    for _ in 0..2 {
        let ran = write();
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
        assert_eq!(ran.err.matches("wrote ").count(), 3, "{}", ran.err);
    }
    for (name, file) in PAGES {
        let file = to.join(file);
        assert_eq!(fs::read_to_string(&file).expect("read"), page(name));
        assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o644, "{name}");
        assert_eq!(fs::read_dir(file.parent().expect("a folder")).expect("read").count(), 1, "nothing else");
    }
}

#[test]
fn what_is_no_page_of_ours_is_never_written_over() {
    let (temp, home) = new_home();
    let elsewhere = temp.path().join("elsewhere");
    fs::write(&elsewhere, page("loopgate")).expect("a file");
    for kind in ["file", "empty", "link", "directory", "fifo", "other page"] {
        let to = temp.path().join(kind);
        fs::create_dir_all(to.join("man1")).expect("a directory");
        let file = to.join("man1/loopgate.1");
        match kind {
            "link" => symlink(&elsewhere, &file).expect("a link"),
            "directory" => fs::create_dir(&file).expect("a directory"),
            "fifo" => assert!(Command::new("mkfifo").arg(&file).status().expect("it runs").success()),
            "other page" => fs::write(&file, page("loopgate-config")).expect("a file"),
            "empty" => fs::write(&file, "").expect("a file"),
            _ => fs::write(&file, "somebody's own\n").expect("a file"),
        }
        // nobody ever writes into the FIFO
        let read = || if kind == "fifo" { None } else { fs::read(&file).ok() };
        let before = read();
        let ran = stand_in::ran(loopgate(&home, &["man", "--to"]).arg(&to));
        assert_eq!((ran.code, ran.out.as_str()), (Some(73), ""), "{kind}: {}", ran.err);
        assert!(ran.err.contains("was left alone") && ran.err.contains("next: "), "{}", ran.err);
        assert_eq!(read(), before, "{kind}");
        assert!(!to.join("man5").exists(), "all are looked at before one is written: {kind}");
        let is_link = fs::symlink_metadata(&file).expect("there").is_symlink();
        assert_eq!(is_link, kind == "link");
    }
    // nor through a link in the place of a directory of pages
    let (to, outside) = (temp.path().join("linked"), temp.path().join("outside"));
    fs::create_dir(&to).expect("a directory");
    fs::create_dir(&outside).expect("a directory");
    symlink(&outside, to.join("man5")).expect("a link");
    let ran = stand_in::ran(loopgate(&home, &["man", "--to"]).arg(&to));
    assert!(ran.code == Some(73) && ran.err.contains("man5 is no page or directory"), "{}", ran.err);
    assert_eq!(fs::read_dir(&outside).expect("read").count(), 0);
    assert!(!to.join("man1").exists());
    let ran = stand_in::ran(loopgate(&home, &["man", "--to", "/dev/null/man"]).env("HOME", "/"));
    assert!(ran.code == Some(73) && ran.err.contains("next: "), "{}", ran.err);
    assert_eq!(run(&home, &["man", "loopgate", "--to", "/tmp"]).code, Some(2));
    let ran = run(&home, &["man", "loopgate-conf"]);
    assert!(ran.code == Some(2) && ran.err.contains("did you mean `loopgate-config`?"), "{}", ran.err);
}
