use super::*;

fn read(words: &[&str]) -> Result<(&'static Command, Arguments), Failure> {
    parse(words.iter().map(OsString::from).collect())
}

fn refused(words: &[&str]) -> String {
    let failure = read(words).map(|(command, _)| command.name).expect_err("refused");
    assert_eq!(failure.exit(), Exit::Usage, "{words:?}");
    format!("{failure:?}")
}

#[test]
fn flags_come_with_a_space_or_an_equals_sign_and_end_at_two_dashes() {
    let (command, arguments) =
        read(&["inject", "--submit=once", "--json", "coder", "--", "--not-a-flag"]).expect("read");
    assert_eq!(command.name, "inject");
    assert_eq!(arguments.text("--submit").expect("text"), Some("once"));
    assert!(arguments.has("--json"));
    assert_eq!(arguments.operands().expect("texts"), ["coder", "--not-a-flag"]);
    let (_, arguments) = read(&["inject", "coder", "--submit", "once", "-"]).expect("read");
    assert_eq!(arguments.operands().expect("texts"), ["coder", "-"]);
}

#[test]
fn behind_the_command_of_run_every_word_is_the_commands() {
    for words in [
        &["run", "--name", "a", "sh", "-c", "--name", "--", "x"][..],
        &["run", "--name", "a", "--", "sh", "-c", "--name", "--", "x"],
    ] {
        let (_, arguments) = read(words).expect("read");
        assert_eq!(arguments.operands().expect("texts"), ["sh", "-c", "--name", "--", "x"]);
        assert_eq!(arguments.text("--name").expect("text"), Some("a"));
    }
}

#[test]
fn a_flag_repeats_only_where_the_table_says_so() {
    let (_, arguments) = read(&["run", "--env", "A", "--env=B", "sh"]).expect("read");
    assert_eq!(arguments.texts("--env").expect("texts"), ["A", "B"]);
    assert!(refused(&["run", "--name", "a", "--name", "b", "sh"]).contains("twice"));
}

#[test]
fn what_the_table_does_not_know_is_a_usage_error_that_names_it() {
    assert!(refused(&[]).contains("no command"));
    assert!(refused(&["frobnicate"]).contains("frobnicate"));
    assert!(refused(&["agents", "--frobnicate"]).contains("--frobnicate"));
    assert!(refused(&["agents", "-j"]).contains("`-j`"));
    assert!(refused(&["agents", "surplus"]).contains("more words"));
    assert!(refused(&["inject"]).contains("AGENT is missing"));
    assert!(refused(&["api", "GET"]).contains("PATH is missing"));
    assert!(refused(&["run", "--name"]).contains("--name needs a value: --name NAME"));
    assert!(refused(&["agents", "--json=yes"]).contains("takes no value"));
    assert!(!refused(&["a\x1b[31mb"]).contains('\x1b'));
}

#[test]
fn letters_are_flags_alone_together_and_with_a_value_behind_the_last() {
    for (words, limit) in [
        (&["inbox", "-f", "-n", "5"][..], "5"),
        (&["inbox", "-fn", "5"], "5"),
        (&["inbox", "-fn5"], "5"),
        (&["inbox", "-n5", "-f"], "5"),
        (&["inbox", "-f", "-nf"], "f"),
        (&["inbox", "-f", "-n", "-1"], "-1"),
    ] {
        let (_, arguments) = read(words).expect("read");
        assert!(arguments.has("--follow"), "{words:?}");
        assert_eq!(arguments.text("--limit").expect("text"), Some(limit), "{words:?}");
    }
    let (_, arguments) = read(&["run", "-n", "a", "-eA", "-e", "B", "-C/tmp", "sh", "-n"]).expect("read");
    assert_eq!(arguments.texts("--env").expect("texts"), ["A", "B"]);
    assert_eq!(arguments.path("--cwd"), Some("/tmp".into()));
    assert_eq!(arguments.operands().expect("texts"), ["sh", "-n"]);
    for (words, said) in [
        (&["inbox", "-x"][..], "no flag `-x`"),
        (&["inbox", "-fx"], "no flag `-x`"),
        (&["inbox", "-\u{e9}"], "no flag `-\u{e9}`"),
        (&["inbox", "-f-"], "no flag `--`"),
        (&["inbox", "-ff"], "-f was given twice"),
        (&["inbox", "-f", "--follow"], "--follow was given twice"),
        (&["inbox", "-n"], "-n needs a value: -n N"),
        (&["inbox", "-fn"], "-n needs a value"),
        (&["inbox", "-7"], "no flag `-7`"),
    ] {
        assert!(refused(words).contains(said), "{words:?}: {}", refused(words));
    }
}

#[test]
fn what_was_probably_meant_is_said() {
    for (words, said) in [
        (&["stauts"][..], "did you mean `status`?"),
        (&["agnets"], "did you mean `agents`?"),
        (&["inbox", "--folow"], "did you mean `--follow`?"),
        (
            &["send", "--priority", "hihg", "a", "b"],
            "takes `normal`, `high` or `urgent` and not `hihg`; did you mean `high`?",
        ),
        (&["send", "-plow", "a", "b"], "-p takes `normal`, `high` or `urgent` and not `low`"),
        (&["config", "valdiate", "x"], "did you mean `validate`?"),
        (&["up"], "`loopgate serve` runs the instance"),
        (&["down"], "`loopgate stop SWARM`"),
        (&["dashboard", "start"], "there is no page"),
        (&["env", "list"], "--env NAME"),
        (&["build"], "docker build"),
    ] {
        assert!(refused(words).contains(said), "{words:?}: {}", refused(words));
    }
    assert!(!refused(&["keepr"]).contains("did you mean"), "an internal command is nobody's");
    let (_, arguments) = read(&["send", "--priority", "URGENT", "a"]).expect("read");
    assert_eq!(arguments.text("--priority").expect("text"), Some("urgent"));
}

#[test]
fn wavedata_and_instance_before_any_command_mean_serve() {
    for words in [
        &["--wavedata", "/data", "--instance", "v9"][..],
        &["--instance=v9", "--wavedata=/data"],
        &["serve", "--wavedata", "/data", "--instance", "v9"],
    ] {
        let (command, arguments) = read(words).expect("read");
        assert_eq!(command.name, "serve");
        assert_eq!(arguments.path("--wavedata"), Some("/data".into()));
        assert_eq!(arguments.text("--instance").expect("text"), Some("v9"));
    }
    assert!(read(&["--watch-stdin"]).is_err());
}

#[test]
fn help_and_version_are_found_in_every_usual_spelling() {
    for words in [&["help"][..], &["--help"], &["-h"]] {
        assert_eq!(read(words).expect("read").0.name, "help");
    }
    for words in [&["version"][..], &["--version"], &["-V"], &["-v"]] {
        assert_eq!(read(words).expect("read").0.name, "version");
    }
    for command in table::all().filter(|command| command.audience != Audience::Internal) {
        for spelling in ["--help", "-h"] {
            let (help, arguments) = read(&[command.name, spelling]).expect("read");
            assert_eq!(help.name, "help");
            assert_eq!(arguments.operands().expect("texts"), [command.name]);
        }
    }
    // a command's own --help is not ours
    let (command, _) = read(&["run", "sh", "--help"]).expect("read");
    assert_eq!(command.name, "run");
}

#[test]
fn numbers_have_a_range() {
    let (_, arguments) = read(&["serve", "--key-fd", "3"]).expect("read");
    assert_eq!(arguments.number("--key-fd", 0..=9).ok(), Some(Some(3)));
    for bad in ["-1", "10", "x", "", "3 ", "0x3"] {
        let (_, arguments) = read(&["serve", &format!("--key-fd={bad}")]).expect("read");
        assert!(arguments.number("--key-fd", 0..=9).is_err(), "{bad:?}");
    }
}

#[test]
fn words_that_are_not_utf_8_are_refused_where_text_is_needed_and_taken_as_paths() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(vec![b'/', 0xff]);
    let words = vec!["serve".into(), "--wavedata".into(), odd.clone(), "--instance".into(), odd.clone()];
    let (_, arguments) = parse(words).expect("read");
    assert_eq!(arguments.path("--wavedata"), Some(odd.into()));
    assert!(arguments.text("--instance").is_err());
}

#[test]
fn a_flag_that_is_not_utf_8_is_a_usage_error_and_no_operand() {
    use std::os::unix::ffi::OsStringExt;
    for bytes in [&b"--id=\xff"[..], b"-\xff", b"--\xff=x", b"--wavedata=/\xff"] {
        let odd = OsString::from_vec(bytes.to_vec());
        for words in [vec!["send".into(), odd.clone(), "a".into()], vec!["send".into(), "a".into(), odd]] {
            let failure = parse(words).map(|(command, _)| command.name).expect_err("refused");
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(format!("{failure:?}").contains("not UTF-8"), "{failure:?}");
        }
    }
    let behind = OsString::from_vec(b"-\xff".to_vec());
    assert!(parse(vec!["run".into(), "--".into(), "sh".into(), behind]).is_ok(), "an agent's own word");
}

#[test]
fn an_operand_of_any_number_may_be_missing() {
    for (words, operands) in
        [(&["ack"][..], 0), (&["ack", "--through", "3"], 0), (&["ack", "a", "b", "c"], 3)]
    {
        let (command, arguments) = read(words).expect("read");
        assert_eq!((command.name, arguments.operands().expect("texts").len()), ("ack", operands));
    }
}
