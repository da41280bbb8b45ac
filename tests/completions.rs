//! The completions in the real shells, typed at a terminal: commands, flags, values, files, the words of other
//! commands, and names from a real instance.
//!
//! Each line is typed with Tab behind it, and what the shell shows until its next prompt is looked at. A shell
//! that is not here is `skipped: ... missing`.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use loopgate::sys::tty::Size;
use support::{Instance, PATIENCE, TempDir, binary, path, skipped, until};
use terminal::OnTerminal;

/// Where bash-completion is on the usual systems.
const BASH_COMPLETION: &str = "/usr/share/bash-completion/bash_completion";

/// A line, what the shell shows behind it, and what it does not show.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

/// What holds in every shell.
const CASES: [Case; 17] = [
    ("loopgate sta", &["start", "status"], &["stop", "notes.json"]),
    ("loopgate co", &["completions", "config"], &["keeper", "names"]),
    ("loopgate -", &["--help", "--version"], &["--json"]),
    ("loopgate inbox -", &["--follow", "-f", "--limit", "-n", "--json", "--help"], &["--priority"]),
    ("loopgate ps -", &["--json"], &["--follow"]),
    ("loopgate send --priority ", &["normal", "high", "urgent"], &["notes.json"]),
    ("loopgate send --priority=ur", &["urgent"], &["normal"]),
    ("loopgate send -p ur", &["urgent"], &["normal"]),
    ("loopgate inbox -fn 5 -", &["--json"], &["--priority"]),
    ("loopgate config ", &["validate"], &["notes.json"]),
    ("loopgate config validate my", &["file.json"], &["notes.json"]),
    ("loopgate run -C su", &["subway"], &["notes.json"]),
    ("loopgate snapshot ring -o not", &["notes.json"], &["subway"]),
    ("loopgate help compl", &["completions"], &[]),
    ("loopgate run -e ONLY_H", &["ONLY_HERE"], &[]),
    ("loopgate run -n a -- only-th", &["only-this-one"], &[]),
    ("loopgate send coder ", &[], &["notes.json", "coder coder"]),
];

/// What the instance of the test is asked for.
const NAMES: [Case; 9] = [
    ("loopgate logs ", &["coder", "ring", "ring/place_1"], &[]),
    ("loopgate logs ring p", &["place_1", "place_2"], &["coder"]),
    ("loopgate send c", &["coder", "clerk"], &["ring"]),
    ("loopgate attach ", &["coder", "ring/place_1"], &[]),
    ("loopgate stop r", &["ring"], &["coder"]),
    ("loopgate start ", &["ring", "notes.json"], &[]),
    ("loopgate task ring p", &["place_1", "place_2"], &["coder"]),
    ("loopgate msg ring place_1 ", &["place_2"], &["coder"]),
    ("loopgate restart ring ", &["place_1"], &["coder"]),
];

/// A directory with the program, files, and the scripts.
struct Desk {
    temp: TempDir,
    home: PathBuf,
}

impl Desk {
    fn new(home: &Path) -> Self {
        let temp = TempDir::new();
        let bin = temp.path().join("bin");
        fs::create_dir(&bin).expect("a directory");
        symlink(binary(), bin.join("loopgate")).expect("a link");
        program(&bin.join("only-this-one"), "true");
        let files = temp.path().join("files");
        fs::create_dir_all(files.join("subway")).expect("a directory");
        for file in ["notes.json", "my file.json"] {
            fs::write(files.join(file), "{}").expect("a file");
        }
        for shell in ["bash", "zsh", "fish"] {
            let script = Command::new(binary()).args(["completions", shell]).output().expect("it runs");
            assert!(script.status.success());
            fs::write(temp.path().join(shell), script.stdout).expect("a script");
        }
        Self { temp, home: home.to_owned() }
    }

    fn file(&self, name: &str) -> String {
        self.temp.path().join(name).display().to_string()
    }

    /// A program with nothing of the test's own environment.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut paths = std::ffi::OsString::from(self.file("bin:"));
        paths.push(path());
        command
            .env_clear()
            .env("PATH", paths)
            .env("HOME", self.temp.path())
            .env("LOOPGATE_HOME", &self.home)
            .env("TERM", "xterm")
            .env("LANG", "C.UTF-8")
            .env("ONLY_HERE", "1")
            .current_dir(self.temp.path().join("files"));
        command
    }

    fn bash(&self, with_package: bool) -> Shell {
        let mut shell = Shell::start(self.command("bash").args(["--norc", "--noprofile", "-i"]));
        for setting in [
            "show-all-if-ambiguous on",
            "completion-query-items 0",
            "page-completions off",
            "enable-bracketed-paste off",
            "bell-style none",
        ] {
            shell.line(&format!("bind 'set {setting}'"));
        }
        if with_package {
            shell.line(&format!("source {BASH_COMPLETION}"));
        }
        shell.line(&format!("source {}", self.file("bash")));
        shell
    }

    fn zsh(&self) -> Shell {
        let mut shell = Shell::start(self.command("zsh").args(["-f", "-i"]));
        shell.line(&format!("autoload -Uz compinit; compinit -u -d {}", self.file("dump")));
        shell.line("unsetopt automenu listambiguous beep promptsp zle_bracketed_paste; LISTMAX=9999");
        // keys that come while Tab is at work do not make it another key
        shell.line("zstyle ':completion:*' insert-tab false");
        shell.line(&format!("source {}", self.file("zsh")));
        shell
    }

    /// What fish completes; its own function for that takes a line as it is typed.
    fn fish(&self, line: &str) -> String {
        let mut command = self.command("fish");
        let script = format!("source {}; complete -C \"$LINE\"", self.file("fish"));
        let output = command.args(["-c", &script]).env("LINE", line).output().expect("fish runs");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn program(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).expect("a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// A shell at a terminal, at its prompt.
struct Shell {
    on: OnTerminal,
}

/// Not what is typed: the shell puts the two halves together.
const PROMPT: &str = "ready-for-more> ";

impl Shell {
    fn start(command: &mut Command) -> Self {
        let mut on = OnTerminal::start(command, Size { rows: 200, cols: 200 });
        on.type_keys(b"PS1='ready''-for-more> '; PROMPT=$PS1\r");
        on.until(PROMPT);
        Self { on }
    }

    /// Runs a line.
    fn line(&mut self, line: &str) {
        self.typed(&format!("{line}\r"));
    }

    /// Types this and Enter; what came until the next prompt.
    fn typed(&mut self, keys: &str) -> String {
        self.on.text();
        let before = self.on.text().len();
        self.on.type_keys(keys.as_bytes());
        // the line that Tab made is thrown away, and a new prompt comes
        self.on.type_keys(b"\x15echo e''nd-of-case\r");
        let end = Instant::now() + PATIENCE;
        let text = until("the next prompt", || {
            let text = self.on.text();
            let new = text.get(before..).unwrap_or_default().to_owned();
            assert!(Instant::now() < end, "waited in vain behind {keys:?}; there came {new:?}");
            let shown = new.split_once("end-of-case")?.1.contains(PROMPT);
            shown.then_some(new)
        });
        plain(&text)
    }

    fn completed(&mut self, line: &str) -> String {
        self.typed(&format!("{line}\t"))
    }
}

/// A terminal's text without its sequences.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('\x1b');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let after = part.strip_prefix('[').map(|rest| {
            rest.trim_start_matches(|c: char| !('@'..='~').contains(&c)).chars().skip(1).collect::<String>()
        });
        out.push_str(&after.unwrap_or_else(|| part.chars().skip(1).collect()));
    }
    out.replace(['\r', '\x07'], "")
}

/// Asks until the shell shows all that it should: an instance that is late gives no names, once.
#[track_caller]
fn check(cases: &[Case], mut shown: impl FnMut(&str) -> String) {
    for (line, has, has_not) in cases {
        let end = Instant::now() + PATIENCE;
        let text = until(line, || {
            let text = shown(line);
            let missing: Vec<_> = has.iter().filter(|word| !text.contains(**word)).collect();
            assert!(Instant::now() < end, "{line:?} does not give {missing:?}: {text}");
            missing.is_empty().then_some(text)
        });
        // without what was typed and without the explanations, which fish puts behind a tab
        let names = text.lines().map(|line| line.split('\t').next().unwrap_or_default());
        let behind: String = names.flat_map(|name| name.split(line.trim_end()).chain([" "])).collect();
        for word in *has_not {
            assert!(!behind.contains(word), "{line:?} gives {word}: {text}");
        }
    }
}

/// An instance with two agents and a swarm.
fn instance() -> Instance {
    let instance = Instance::start();
    for name in ["coder", "clerk"] {
        let ran = instance.loopgate(&["run", "-n", name, "--", "cat"]).output().expect("it runs");
        assert!(ran.status.success(), "{ran:?}");
    }
    let ring = r#"{"name": "ring", "topology": [["place_1", "place_2"]],
        "agents": [{"name": "place_1", "backend": "mock"}, {"name": "place_2", "backend": "mock"}]}"#;
    let file = instance.home.path().join("ring.json");
    fs::write(&file, ring).expect("a file");
    let ran = instance.loopgate(&["start"]).arg(&file).output().expect("it runs");
    assert!(ran.status.success(), "{ran:?}");
    instance
}

fn is_there(shell: &str) -> bool {
    let there = Command::new(shell).arg("--version").output().is_ok();
    if !there {
        skipped(shell);
    }
    there
}

#[test]
fn bash_completes_without_the_package() {
    let instance = instance();
    let desk = Desk::new(instance.home.path());
    let mut bash = desk.bash(false);
    check(&CASES, |line| bash.completed(line));
    check(&NAMES, |line| bash.completed(line));
    check(&[("loopgate run -n a -- cat note", &["notes.json"], &[])], |line| bash.completed(line));
}

#[test]
fn bash_completes_with_the_package_and_the_words_of_other_commands() {
    if !Path::new(BASH_COMPLETION).exists() {
        return skipped("bash-completion");
    }
    let instance = instance();
    let desk = Desk::new(instance.home.path());
    let mut bash = desk.bash(true);
    check(&CASES, |line| bash.completed(line));
    check(&NAMES, |line| bash.completed(line));
    check(&[("loopgate run -n a -- loopgate sta", &["start", "status"], &["stop"])], |line| {
        bash.completed(line)
    });
}

#[test]
fn bash_completes_values_where_an_equals_sign_parts_no_words_and_with_unset_variables_forbidden() {
    let home = TempDir::new();
    let desk = Desk::new(home.path());
    let mut bash = desk.bash(false);
    bash.line("COMP_WORDBREAKS=${COMP_WORDBREAKS//=}; set -u");
    check(
        &[
            ("loopgate send --priority=ur", &["--priority=urgent"], &["unbound"]),
            ("loopgate snapshot a --output=not", &["--output=notes.json"], &["unbound"]),
            ("loopgate nonsense ", &[], &["unbound", "notes.json"]),
            ("loopgate sta", &["start"], &["unbound"]),
        ],
        |line| bash.completed(line),
    );
}

#[test]
fn zsh_completes_with_explanations_and_the_words_of_other_commands() {
    if !is_there("zsh") {
        return;
    }
    let instance = instance();
    let desk = Desk::new(instance.home.path());
    let mut zsh = desk.zsh();
    check(&CASES, |line| zsh.completed(line));
    check(&NAMES, |line| zsh.completed(line));
    check(
        &[
            ("loopgate at", &["attach"], &[]),
            ("loopgate a", &["join an agent's terminal; Ctrl-] leaves", "list the agents"], &[]),
            ("loopgate inbox -", &["wait for more, until Ctrl-C or until the instance ends"], &[]),
            ("loopgate run -n a -- loopgate sta", &["start", "status"], &["stop"]),
        ],
        |line| zsh.completed(line),
    );
}

#[test]
fn zsh_completes_from_a_file_of_its_path_of_functions_too() {
    if !is_there("zsh") {
        return;
    }
    let home = TempDir::new();
    let desk = Desk::new(home.path());
    let functions = home.path().join("functions");
    fs::create_dir(&functions).expect("a directory");
    fs::copy(desk.file("zsh"), functions.join("_loopgate")).expect("a copy");
    let mut zsh = Shell::start(desk.command("zsh").args(["-f", "-i"]));
    zsh.line(&format!("fpath=({} $fpath); autoload -Uz compinit", functions.display()));
    zsh.line(&format!("compinit -u -d {}", desk.file("dump")));
    zsh.line("zstyle ':completion:*' insert-tab false");
    zsh.line("unsetopt automenu listambiguous beep promptsp zle_bracketed_paste; LISTMAX=9999");
    check(&CASES[..3], |line| zsh.completed(line));
}

#[test]
fn fish_completes_with_explanations_and_the_words_of_other_commands() {
    if !is_there("fish") {
        return;
    }
    let instance = instance();
    let desk = Desk::new(instance.home.path());
    check(&CASES, |line| desk.fish(line));
    check(&NAMES, |line| desk.fish(line));
    check(
        &[
            ("loopgate a", &["join an agent's terminal; Ctrl-] leaves", "list the agents"], &[]),
            ("loopgate inbox -", &["wait for more, until Ctrl-C or until the instance ends"], &[]),
            ("loopgate run -n a -- loopgate sta", &["start", "status"], &["stop"]),
        ],
        |line| desk.fish(line),
    );
}

#[test]
fn names_are_silent_and_done_soon_where_no_instance_answers() {
    let home = TempDir::new();
    let silent = home.path().join("silent");
    drop(loopgate::store::Home::create(&silent).expect("a home"));
    // it takes connections and never answers
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    stand_in::write_key_file(&silent, at, std::process::id(), Some(stand_in::inode(&listener)));
    for home in [home.path().join("none"), home.path().to_owned(), silent] {
        for words in [&["agents"][..], &["swarms"], &["members", "ring"], &["any"], &["members"]] {
            let mut command = Command::new(binary());
            command.arg("names").args(words).env_clear().env("LOOPGATE_HOME", &home).env("PATH", path());
            let output = command.output().expect("it runs");
            assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
        }
    }
}

#[test]
fn no_shell_takes_a_line_that_is_no_name_for_one_or_evaluates_it() {
    let home = TempDir::new();
    let desk = Desk::new(home.path());
    let fake = desk.temp.path().join("bin/loopgate");
    fs::remove_file(&fake).expect("removed");
    let trap = desk.file("evaluated");
    let lines =
        ["$(touch T)", "`touch T`", "a;touch T", "-x", "(touch T)", "a b", "'", "\"", "{a,b}", "~root", "*"];
    let lines: String = lines.map(|line| line.replace('T', &trap) + "\n").concat();
    fs::write(desk.temp.path().join("lines"), lines + "honest_name\n").expect("a file");
    program(&fake, &format!("cat {}", desk.file("lines")));
    let bad = &["touch", "-x", "{a,b}", "~root", "notes.json"];
    let cases: [Case; 2] =
        [("loopgate stop ", &["honest_name"], bad), ("loopgate task $(touch T) ", &[], bad)];
    let line = |line: &str| line.replace('T', &trap);
    let mut bash = desk.bash(false);
    check(&cases[..1], |text| bash.completed(text));
    bash.completed(&line(cases[1].0));
    if is_there("zsh") {
        let mut zsh = desk.zsh();
        check(&cases[..1], |text| zsh.completed(text));
        zsh.completed(&line(cases[1].0));
    }
    if is_there("fish") {
        check(&cases[..1], |text| desk.fish(text));
        desk.fish(&line(cases[1].0));
    }
    assert!(!Path::new(&trap).exists(), "something was evaluated");
}

#[test]
fn a_file_whose_name_is_a_command_is_completed_quoted_and_never_evaluated() {
    let home = TempDir::new();
    let desk = Desk::new(home.path());
    let files = desk.temp.path().join("files");
    program(&files.join("x$(touch evaluated)"), "true");
    // Tab, and Enter: the line is run as it was completed.
    let lines = ["loopgate run -n a -- ./x\t", "loopgate snapshot a --output=x\t", "loopgate start ./x\t"];
    let mut bash = desk.bash(false);
    lines.iter().for_each(|line| bash.line(line));
    bash.line("COMP_WORDBREAKS=${COMP_WORDBREAKS//=}");
    lines.iter().for_each(|line| bash.line(line));
    let shown = bash.completed(lines[1].trim_end());
    assert!(shown.contains("touch"), "it is completed: {shown}");
    if is_there("zsh") {
        let mut zsh = desk.zsh();
        lines.iter().for_each(|line| zsh.line(line));
    }
    assert!(!files.join("evaluated").exists(), "something was evaluated");
}
