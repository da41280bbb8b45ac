use serde_json::json;

use super::*;

fn shown(input: impl AsRef<[u8]>) -> String {
    let mut out = Vec::new();
    Filter::new().feed(input.as_ref(), &mut out);
    String::from_utf8(out).expect("UTF-8 comes out")
}

#[test]
fn text_and_five_controls_pass_and_no_other_control() {
    assert_eq!(shown("a\nb\rc\td\x08e\x07 äß漢🦀"), "a\nb\rc\td\x08e\x07 äß漢🦀");
    for byte in (0_u8..0x20).chain([0x7f]).filter(|b| !b"\n\r\t\x07\x08\x1b".contains(b)) {
        assert_eq!(shown([b'a', byte, b'b']), "ab", "{byte:#04x}");
    }
}

#[test]
fn the_sequences_of_full_screen_programs_pass_as_they_are() {
    for sequence in [
        "\x1b[A",
        "\x1b[12B",
        "\x1b[3C",
        "\x1b[D",
        "\x1b[2;5H",
        "\x1b[H",
        "\x1b[;5f",
        "\x1b[7G",
        "\x1b[4d",
        "\x1b[J",
        "\x1b[2J",
        "\x1b[1K",
        "\x1b[2L",
        "\x1b[M",
        "\x1b[3P",
        "\x1b[4@",
        "\x1b[5X",
        "\x1b[2S",
        "\x1b[T",
        "\x1b[9b",
        "\x1b[3g",
        "\x1b[Z",
        "\x1b[s",
        "\x1b[u",
        "\x1b[2;20r",
        "\x1b[r",
        "\x1b[m",
        "\x1b[0m",
        "\x1b[1;31;48;5;17m",
        "\x1b[38;2;1;2;3m",
        "\x1b[4:3m",
        "\x1b[38:2::1:2:3m",
        "\x1b[4h",
        "\x1b[4l",
        "\x1b[?1h",
        "\x1b[?7l",
        "\x1b[?12;25h",
        "\x1b[?25l",
        "\x1b[?1049h",
        "\x1b[?2004h",
        "\x1b[?2026l",
        "\x1b[2 q",
        "\x1b[!p",
        "\x1b7",
        "\x1b8",
        "\x1bM",
        "\x1bD",
        "\x1bE",
        "\x1b=",
        "\x1b>",
        "\x1b(0",
        "\x1b(B",
    ] {
        let input = format!("a{sequence}b");
        let expected = input.replace("[;5f", "[0;5f");
        assert_eq!(shown(&input), expected, "{input:?}");
    }
}

/// Spec attacks: what makes a terminal answer, write somewhere or lie about itself.
#[test]
fn what_a_terminal_would_obey_or_answer_is_dropped_whole() {
    for sequence in [
        "\x1b]0;title\x07",
        "\x1b]2;title\x1b\\",
        "\x1b]52;c;ZXZpbA==\x07",
        "\x1b]8;;http://evil\x1b\\",
        "\x1b]4;1;?\x07",
        "\x1b]10;?\x1b\\",
        "\x1b]1337;File=:AA\x07",
        "\x1bP+q544e\x1b\\",
        "\x1bPq#0!9~\x1b\\",
        "\x1b_Gi=1;AA\x1b\\",
        "\x1b^pm\x1b\\",
        "\x1bXsos\x1b\\",
        "\x1b[c",
        "\x1b[0c",
        "\x1b[>c",
        "\x1b[=c",
        "\x1bZ",
        "\x1b[5n",
        "\x1b[6n",
        "\x1b[?6n",
        "\x1b[14t",
        "\x1b[21t",
        "\x1b[8;1;1t",
        "\x1b[3;0;0t",
        "\x1b[x",
        "\x1b[1x",
        "\x1b[?25$p",
        "\x1b[4$p",
        "\x1b[i",
        "\x1b[5i",
        "\x1b[?5i",
        "\x1b[3J",
        "\x1b[?3J",
        "\x1b[?1000h",
        "\x1b[?1003h",
        "\x1b[?1004h",
        "\x1b[?1006h",
        "\x1b[?3h",
        "\x1b[?5h",
        "\x1b[?66h",
        "\x1b[20h",
        "\x1b[2h",
        "\x1b[12l",
        "\x1b[>4;2m",
        "\x1b[>1u",
        "\x1b[?u",
        "\x1b[=1u",
        "\x1b[<u",
        "\x1b[0;1\"q",
        "\x1b[1$r",
        "\x1b[1'z",
        "\x1b[#{",
        "\x1b[?1$w",
        "\x1b[>q",
        "\x1b[0\"p",
        "\x1b[1;2;3;4;5T",
        "\x1b[9 q",
        "\x1bc",
        "\x1bn",
        "\x1bo",
        "\x1b|",
        "\x1b~",
        "\x1bN",
        "\x1bO",
        "\x1bV",
        "\x1b#8",
        "\x1b%G",
        "\x1b%@",
        "\x1b)0",
        "\x1b*A",
        "\x1b(A",
        "\x1b( B",
        "\x1b F",
        "\x1b[99999A",
        "\x1b[1;2;3H",
        "\x1b[2000 q",
        "\x1b[1:2A",
        "\x1b[38;2;1;2;99999m",
        "\x1b[?m",
        "\x1b[1;5s",
        "\x1b[y",
        "\x1b[2;1y",
    ] {
        assert_eq!(shown(format!("a{sequence}b")), "ab", "{sequence:?}");
    }
}

#[test]
fn a_mode_that_is_not_listed_goes_and_its_neighbours_stay() {
    assert_eq!(shown("\x1b[?1000;1049;1006;25h"), "\x1b[?1049;25h");
}

#[test]
fn a_sequence_that_never_ends_hides_nothing_that_follows_another() {
    assert_eq!(shown("a\x1b]0;never ended\x1b[1mb"), "a\x1b[1mb");
    assert_eq!(shown("a\x1bPnever ended\x18b"), "ab");
    assert_eq!(shown("a\x1b[12\x18b"), "ab");
    assert_eq!(shown("a\x1b[12\x1b[1mb"), "a\x1b[1mb");
    assert_eq!(shown("a\x1b[1漢b"), "a漢b");
    let long = "1;".repeat(SEQUENCE);
    assert_eq!(shown(format!("a\x1b[{long}mb")), "ab");
}

#[test]
fn controls_inside_a_sequence_are_carried_out_as_a_terminal_does() {
    assert_eq!(shown("\x1b[1\n;3\x00\x7f1mx"), "\n\x1b[1;31mx");
}

#[test]
fn c1_controls_are_dropped_in_utf_8_and_replaced_as_bytes() {
    for c in '\u{80}'..='\u{9f}' {
        assert_eq!(shown(format!("a{c}b")), "ab", "{c:?}");
    }
    assert_eq!(shown(b"a\x9b31mb"), "a\u{fffd}31mb");
    assert_eq!(shown(b"a\x9d0;t\x07b"), "a\u{fffd}0;t\x07b");
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(shown(b"\xff"), "\u{fffd}");
    assert_eq!(shown(b"\xe6\xbcz"), "\u{fffd}z");
    assert_eq!(shown(b"\xe6\xbc\x1b[1mz"), "\u{fffd}\x1b[1mz");
    assert_eq!(shown(b"\xc0\xaf"), "\u{fffd}\u{fffd}");
    assert_eq!(shown(b"\xed\xa0\x80"), "\u{fffd}\u{fffd}\u{fffd}");
    assert_eq!(shown(b"ends inside \xe6\xbc"), "ends inside ");
}

#[test]
fn nothing_hides_in_a_text_or_turns_its_direction() {
    for c in "\u{200b}\u{200d}\u{200e}\u{202e}\u{2066}\u{2069}\u{feff}\u{ad}\u{61c}\u{e0041}\u{e0100}\u{2028}"
        .chars()
    {
        assert_eq!(shown(format!("a{c}b")), "ab", "{c:?}");
        assert_eq!(line(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
    }
    assert_eq!(shown("\u{2764}\u{fe0f}"), "\u{2764}\u{fe0f}");
}

#[test]
fn any_cut_of_the_input_gives_the_same_output() {
    let input =
        "x\x1b[1;31m漢\x1b]52;c;AA\x07\x1b[?1049;1000hy\x1bP1$q\x1b\\🦀\u{202e}\x1b(0z\x1b[6n".as_bytes();
    let whole = shown(input);
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let (mut filter, mut out) = (Filter::new(), Vec::new());
            for part in [&input[..first], &input[first..second], &input[second..]] {
                filter.feed(part, &mut out);
            }
            assert_eq!(String::from_utf8(out).expect("UTF-8"), whole, "{first} {second}");
        }
    }
}

#[test]
fn leaving_undoes_what_the_agent_turned_on_and_nothing_else() {
    let left = |input: &str| {
        let (mut filter, mut out) = (Filter::new(), Vec::new());
        filter.feed(input.as_bytes(), &mut out);
        String::from_utf8(filter.leave()).expect("UTF-8")
    };
    assert_eq!(left("plain text"), "");
    assert_eq!(left("\x1b[?1049h\x1b[?1049l\x1b[1m\x1b[0m\x1b[?25l\x1b[?25h"), "");
    assert_eq!(left("\x1b[?1049h\x1b[?25l\x1b[?2004h"), "\x1b[?1049l\x1b[?25h\x1b[?2004l");
    assert_eq!(
        left("\x1b[2;9r\x1b(0\x1b[4h\x1b=\x1b[3 q\x1b[31m"),
        "\x1b7\x1b[r\x1b8\x1b(B\x1b[4l\x1b>\x1b[0 q\x1b[0m"
    );
    // what was dropped needs no undoing, and an open sequence is forgotten
    assert_eq!(left("\x1b[?1000h\x1b]0;t"), "");
    let (mut filter, mut out) = (Filter::new(), Vec::new());
    filter.feed(b"\x1b[1", &mut out);
    filter.leave();
    filter.feed(b"m", &mut out);
    assert_eq!(out, b"m");
}

#[test]
fn behind_missing_bytes_nothing_is_swallowed_and_modes_are_remembered() {
    let (mut filter, mut out) = (Filter::new(), Vec::new());
    filter.feed(b"\x1b[?25l\x1b]0;half a title", &mut out);
    filter.skip();
    filter.feed(b"shown", &mut out);
    assert_eq!(out, b"\x1b[?25lshown");
    assert_eq!(filter.leave(), b"\x1b[?25h");
}

#[test]
fn a_line_holds_no_control_at_all() {
    assert_eq!(line("a\rb\nc\td\x1b[1me\x07"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}[1me\u{fffd}");
    assert_eq!(line("name-1_x äß漢"), "name-1_x äß漢");
}

#[test]
fn json_shows_no_control_and_means_the_same() {
    let value = json!({ "a": "x\u{9b}\u{202e}\x7f\u{e0041}ä\n", "b\u{200b}": [1, null] });
    let text = json(&value);
    assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || is_hidden(c))), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    assert!(text.contains("\\u202e") && text.contains("\\udb40\\udc41") && text.contains('ä'));
}

#[test]
fn memory_is_bounded_however_long_a_sequence_is() {
    for opening in ["\x1b[", "\x1b]0;", "\x1bP", "\x1b("] {
        let (mut filter, mut out) = (Filter::new(), Vec::new());
        filter.feed(opening.as_bytes(), &mut out);
        for _ in 0..1_000 {
            filter.feed(&[b'0'; 1_000], &mut out);
        }
        let held = match &filter.state {
            State::Sequence(so_far) => so_far.capacity(),
            _ => 0,
        };
        assert!(held <= 2 * SEQUENCE && filter.character.capacity() <= 8 && out.len() <= 1_000_010);
    }
}

#[test]
fn random_streams_keep_the_promise_of_the_fuzz_target() {
    let pieces: [&[u8]; 16] = [
        b"\x1b",
        b"[",
        b"?",
        b";",
        b"1049",
        b"h",
        b"m",
        b"\xe6\xbc",
        b"\xa2",
        b"]",
        b"\x07",
        b"\\",
        b"P",
        b"\xc2\x9b",
        b" q",
        b"7",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2_000 {
        let mut input = Vec::new();
        for _ in 0..24 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            input.extend_from_slice(pieces[(seed >> 32) as usize % pieces.len()]);
        }
        fuzz(&input);
    }
}
