//! Writing mdoc, the language of manual pages.
//!
//! Whatever is written is data: a line never begins with a dot or a quote of its own, a backslash is a
//! backslash, and an argument of a macro is quoted, so that no text changes the page. Only this file knows how.
//! Words between backticks are shown bold, as the help shows them between backticks.

/// A page that is being written.
pub struct Page(String);

/// Longest line of an input file; longer texts are broken at spaces.
const WIDTH: usize = 76;

impl Page {
    /// A page with its name, its section of the manual, and what it is about in a few words.
    pub fn new(name: &str, section: u8, about: &str) -> Self {
        let mut page = Self(String::new());
        page.line(&[".Dd", super::DATE]);
        page.line(&[".Dt", &name.to_uppercase(), &section.to_string()]);
        page.line(&[".Os"]);
        page.section("NAME");
        page.line(&[".Nm", name]);
        page.line(&[".Nd", &plain(about)]);
        page
    }

    /// The whole page.
    pub fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, words: &[&str]) {
        self.0.push_str(&words.join(" "));
        self.0.push('\n');
    }

    /// A macro with arguments that are data.
    fn call(&mut self, name: &str, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        let mut words = vec![name];
        words.extend(arguments.iter().map(String::as_str));
        self.line(&words);
    }

    /// A section; its name is the program's own.
    pub fn section(&mut self, name: &str) {
        self.line(&[".Sh", name]);
    }

    /// A part of a section.
    pub fn part(&mut self, name: &str) {
        self.call(".Ss", &[name]);
    }

    /// The line of a command: the program's name, and what may stand behind it.
    pub fn synopsis(&mut self, name: &str, parts: &[Part<'_>]) {
        self.line(&[".Nm", name]);
        for part in parts {
            self.part_of_line(part);
        }
    }

    fn part_of_line(&mut self, part: &Part<'_>) {
        match part {
            Part::Word(word) => self.call(".Cm", &[word]),
            Part::Operand(name) => self.call(".Ar", &[name]),
            Part::Optional(name) => self.call(".Op Ar", &[name]),
            Part::Many(name) => {
                let name = quoted(name);
                self.line(&[".Op Ar", &name, "..."]);
            }
        }
    }

    /// A paragraph, and before it an empty line.
    pub fn paragraph(&mut self, text: &str) {
        self.line(&[".Pp"]);
        self.text(text);
    }

    /// A text, each sentence on lines of its own, as mdoc wants it.
    pub fn text(&mut self, text: &str) {
        for sentence in sentences(text) {
            let mut line = String::new();
            for word in sentence.split(' ') {
                if !line.is_empty() && line.len().saturating_add(word.len()) > WIDTH {
                    self.own_line(&line);
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.own_line(&line);
        }
    }

    /// A line that is escaped already.
    fn own_line(&mut self, line: &str) {
        if !line.is_empty() {
            // in front of it nothing is a request
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            self.0.push_str(guard);
            self.0.push_str(line);
            self.0.push('\n');
        }
    }

    /// Lines as they are.
    pub fn literal<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.line(&[".Bd -literal"]);
        for line in lines {
            let line = escaped(line.trim_end());
            if line.is_empty() {
                // an empty line is the same, and no fault here
                self.0.push('\n');
            } else {
                self.own_line(&line);
            }
        }
        self.line(&[".Ed"]);
    }

    /// A list whose entries have a name and what is said to it.
    pub fn list(&mut self, is_compact: bool) {
        self.line(&[if is_compact { ".Bl -tag -width 3n -compact" } else { ".Bl -tag -width 4n" }]);
    }

    /// The end of a list.
    pub fn end(&mut self) {
        self.line(&[".El"]);
    }

    /// An entry that is a word to type or to write, with what is said of it in brackets.
    pub fn entry(&mut self, word: &str, note: &str) {
        if note.is_empty() {
            return self.call(".It Ic", &[word]);
        }
        let (word, note) = (quoted(word), quoted(note));
        self.line(&[".It Ic", &word, "Pq", &note]);
    }

    /// An entry that is a command line.
    pub fn command(&mut self, parts: &[Part<'_>]) {
        self.line(&[".It Xo"]);
        for part in parts {
            self.part_of_line(part);
        }
        self.line(&[".Xc"]);
    }

    /// An entry that is an operand.
    pub fn operand(&mut self, name: &str) {
        self.call(".It Ar", &[name]);
    }

    /// An entry that is a flag.
    pub fn flag(&mut self, short: Option<char>, name: &str, value: Option<&str>) {
        let name = quoted(name.strip_prefix('-').unwrap_or(name));
        let letter = short.map(|letter| quoted(&letter.to_string()));
        let value = value.map(quoted);
        let mut words = vec![".It"];
        if let Some(letter) = &letter {
            words.extend(["Fl", letter, ","]);
        }
        words.extend(["Fl", &name]);
        if let Some(value) = &value {
            words.extend(["Ar", value]);
        }
        self.line(&words);
    }
}

/// A part of a command line.
pub enum Part<'a> {
    /// to be typed as it is
    Word(&'a str),
    /// something in its place
    Operand(&'a str),
    /// something or nothing
    Optional(&'a str),
    /// any number
    Many(&'a str),
}

/// Sentences, escaped, each without spaces at its ends and with single spaces in it.
fn sentences(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for word in bold(text).split(' ').filter(|word| !word.is_empty()) {
        let Some(sentence) = found.last_mut() else { continue };
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(word);
        let bare = word.replace("\\fR", "").replace("\\(aq", "");
        if bare.trim_end_matches([')', '"', ']']).ends_with(['.', '!', '?']) {
            found.push(String::new());
        }
    }
    found
}

/// Escaped, on one line, with what stands between backticks bold.
fn bold(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    // an odd one is a character like others
    let pairs = pieces.len() % 2 == 1;
    let mut out = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            out.push_str(match (pairs, at % 2) {
                (false, _) => "\\(ga",
                (true, 1) => "\\fB",
                (true, _) => "\\fR",
            });
        }
        out.push_str(&plain(piece));
    }
    out
}

/// Escaped, on one line; spaces at the ends stay, since a piece may stand between others.
fn plain(text: &str) -> String {
    let one_line: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    escaped(&one_line)
}

/// With a capital, where it begins with a letter, and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string());
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// An argument of a macro: quoted, and never taken for a macro or a delimiter.
fn quoted(text: &str) -> String {
    let text = plain(text);
    let text = text.trim_end();
    // at the end a delimiter would be none of the argument
    let guard = if text.ends_with(['.', ',', ':', ';', '?', '!']) { "\\&" } else { "" };
    format!("\"\\&{text}{guard}\"")
}

/// Every character as itself, in ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '"' => out.push_str("\\(dq"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '-' => out.push_str("\\-"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            ' '..='~' => out.push(c),
            _ if c.is_control() => out.push('?'),
            _ => out.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that try to be something else, put together from the characters that mean something.
    fn hostile() -> impl Iterator<Item = String> {
        let parts = [
            "\\", ".", "'", "\"", "`", " ", "\n", ".Sh X", "\\fB", "a", "\t", "\u{e4}", "\u{1b}", "-",
            ".\\\"",
        ];
        let count = parts.len();
        (0..count.pow(3)).map(move |number| {
            let pick = |place: usize| parts[number / count.pow(u32::try_from(place).unwrap_or(0)) % count];
            [pick(0), pick(1), pick(2)].concat()
        })
    }

    #[test]
    fn no_text_begins_a_request_or_ends_its_line() {
        for text in hostile() {
            let mut page = Page(String::new());
            page.text(&text);
            page.literal([text.replace('\n', " ").as_str()]);
            page.entry(&text, &text);
            page.operand(&text);
            let written = page.finish();
            for line in written.lines() {
                let ours = [".Bd -literal", ".Ed", ".It Ic \"\\&", ".It Ar \"\\&"];
                let is_request = line.starts_with(['.', '\'']);
                assert!(!is_request || ours.iter().any(|own| line.starts_with(own)), "{text:?}: {line}");
                assert!(line.is_ascii() && !line.chars().any(|c| c.is_control()), "{text:?}: {line:?}");
                // a quote only around an argument, whose text has none
                let quotes = line.matches('"').count();
                assert!(
                    if is_request { quotes % 2 == 0 && quotes <= 4 } else { quotes == 0 },
                    "{text:?}: {line}"
                );
            }
            let sequences = written.split('\\').skip(1).map(|after| after.chars().next().unwrap_or('$'));
            for letter in sequences {
                assert!("e(-&f[".contains(letter), "{text:?}: {written}");
            }
        }
    }

    #[test]
    fn mandoc_itself_finds_nothing_to_say_about_any_text() {
        let mut page = Page::new("loopgate", 1, "hostile \\ . ' \" texts");
        page.section("DESCRIPTION");
        page.list(false);
        for text in hostile() {
            page.entry(&text, &text);
            page.operand(&text);
            page.flag(Some('\''), &text, Some(&text));
            page.command(&[
                Part::Word(&text),
                Part::Optional(&text),
                Part::Many(&text),
                Part::Operand(&text),
            ]);
            page.text(&format!("{text} and more"));
            page.literal([format!("{text}x").replace('\n', " ").as_str()]);
        }
        page.end();
        let page = page.finish();
        let mut lint = std::process::Command::new("mandoc");
        lint.arg("-Tlint").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let child = lint.spawn();
        let Ok(mut child) = child else {
            println!("skipped: mandoc missing");
            return;
        };
        let mut stdin = child.stdin.take().expect("a pipe");
        let feeds = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, page.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        feeds.join().expect("no panic").expect("it reads all");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.lines().next(), None);
    }

    #[test]
    fn sentences_stand_on_lines_of_their_own_and_words_between_backticks_are_bold() {
        let mut page = Page(String::new());
        page.text("One `two` three. Four (five.) Six? .seven");
        assert_eq!(page.finish(), "One \\fBtwo\\fR three.\nFour (five.)\nSix?\n\\&.seven\n");
        let mut page = Page(String::new());
        page.text("an odd ` one");
        assert_eq!(page.finish(), "an odd \\(ga one\n");
    }
}
