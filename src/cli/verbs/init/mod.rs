//! `init`: a project that runs at once, of scripts of sh and nothing else.
//!
//! The files stand beside this one and are part of the program. They are written into one directory and nowhere
//! else ([`Place`]); only the swarm's name differs from project to project, and it follows from the directory's.

use std::{path::Path, process::ExitCode};

use serde_json::json;

use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        place::{Mode, Place, PlaceError},
        verbs::demo::quoted,
    },
    wire::node::NodeName,
};

/// One file of a project.
struct Template {
    /// the directory in the project; empty for the project's own
    directory: &'static str,
    name: &'static str,
    mode: Mode,
    text: &'static str,
}

const fn text(directory: &'static str, name: &'static str, text: &'static str) -> Template {
    Template { directory, name, mode: Mode::Text, text }
}

const fn program(name: &'static str, text: &'static str) -> Template {
    Template { directory: "agents", name, mode: Mode::Program, text }
}

/// In the order in which they are written and told.
const FILES: [Template; 8] = [
    text("", "swarm.json", include_str!("project/swarm.json")),
    text("", "README.md", include_str!("project/README.md")),
    program("front.sh", include_str!("project/agents/front.sh")),
    program("brief.sh", include_str!("project/agents/brief.sh")),
    program("plain.sh", include_str!("project/agents/plain.sh")),
    program("editor.sh", include_str!("project/agents/editor.sh")),
    text("agents", "lib.sh", include_str!("project/agents/lib.sh")),
    text("skills", "plain-words.md", include_str!("project/skills/plain-words.md")),
];

/// Stands in the files for the swarm's name.
const NAME: &str = "{{name}}";
/// Of a directory whose name gives none.
const NAMELESS: &str = "project";
/// Longest name of a swarm.
const LONGEST: usize = 64;

/// `loopgate init`.
pub fn init(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let asked = arguments.operand(0)?.unwrap_or(".");
    if asked.is_empty() {
        return Err(usage("DIR is empty".to_owned()));
    }
    let shown = display::line(asked);
    let force = arguments.has("--force");
    let nothing = |error| failure(&shown, &error, &[]);
    let place = Place::make(Path::new(asked)).map_err(nothing)?;
    if !force && !place.is_empty().map_err(nothing)? {
        // GenSwarms ends with 1 here too: nothing failed, the answer is no. 73 is for what the system refuses.
        return Err(Failure::new(Exit::Negative, format!("{shown} is not empty, and nothing was written"))
            .next(
                "name a new directory; --force writes the project's own files there and leaves all others",
            ));
    }
    let name = swarm_name(place.path());
    // All are looked at before one is written.
    for file in &FILES {
        place.look(file.directory, file.name).map_err(nothing)?;
    }
    let mut written = Vec::new();
    for file in &FILES {
        let text = file.text.replace(NAME, &name);
        place
            .write(file.directory, file.name, file.mode, text.as_bytes())
            .map_err(|error| failure(&shown, &error, &written))?;
        written.push(file.path());
    }
    told(arguments, output, asked, &name)
}

fn told(arguments: &Arguments, output: &mut Output, asked: &str, name: &str) -> Result<ExitCode, Failure> {
    let files: Vec<String> = FILES.iter().map(Template::path).collect();
    if arguments.has("--json") {
        output.json(&json!({ "directory": asked, "swarm": name, "files": files }))?;
        return Ok(Exit::Ok.into());
    }
    output.data(&format!("made the swarm {name} in {}:", display::line(asked)))?;
    files.iter().try_for_each(|file| output.data(&format!("  {file}")))?;
    let enter = if asked == "." { String::new() } else { format!("cd {} && ", quoted(Path::new(asked))) };
    output.say("next, while `loopgate serve` runs in another shell:");
    output.say(&format!("  {}loopgate start swarm.json", display::line(&enter)));
    output.say(&format!("  loopgate task {name} front \"We utilise the loop.\""));
    output.say("README.md goes on from there");
    Ok(Exit::Ok.into())
}

impl Template {
    /// Its path in the project.
    fn path(&self) -> String {
        if self.directory.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}/{}", self.directory, self.name)
        }
    }
}

/// The swarm's name by the directory's: what a name may not have becomes `-`, and it begins with a letter.
fn swarm_name(directory: &Path) -> String {
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    let text: String = name.chars().map(clean).collect();
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    // All of it is ASCII.
    let text = text.get(..LONGEST).unwrap_or(text).trim_end_matches('-');
    let name = if NodeName::parse(text).is_ok() { text } else { NAMELESS };
    name.to_owned()
}

fn failure(shown: &str, error: &PlaceError, written: &[String]) -> Failure {
    let so_far = match written {
        [] => "nothing was written".to_owned(),
        files => format!("only {} was written", files.join(", ")),
    };
    let next = match error {
        PlaceError::Occupied { .. } => "move it away, or name another directory",
        PlaceError::NotDirectory => "name a directory",
        PlaceError::Io { .. } => "name a directory that you may write to",
    };
    Failure::new(Exit::CannotCreate, format!("{shown}: {error}; {so_far}")).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::config::Config;

    #[test]
    fn a_swarms_name_follows_from_its_directorys() {
        let long = "x".repeat(70);
        for (directory, name) in [
            ("/home/u/my-project", "my-project"),
            ("/a/My Project 2.0", "My-Project-2-0"),
            ("/a/2024_plans", "plans"),
            ("/a/-x", "x"),
            ("/a/...", NAMELESS),
            ("/a/12", NAMELESS),
            ("/a/\u{e9}t\u{e9}", "t"),
            ("/", NAMELESS),
            ("/a/all", "all"),
            (&long, &long[..64]),
        ] {
            assert_eq!(swarm_name(Path::new(directory)), name, "{directory}");
            let text = FILES[0].text.replace(NAME, name);
            assert!(Config::parse(text.as_bytes()).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_files_of_a_project_say_nothing_that_is_not_there() {
        let readme = FILES.iter().find(|file| file.name == "README.md").expect("it is there");
        let config = FILES.iter().find(|file| file.name == "swarm.json").expect("it is there");
        for file in FILES.iter().filter(|file| file.mode == Mode::Program) {
            assert!(file.text.starts_with("#!/bin/sh\n"), "{}", file.name);
            assert!(config.text.contains(&format!("\"./{}\"", file.path())), "{}", file.name);
        }
        let verbs = readme.text.lines().filter_map(|line| line.strip_prefix("    loopgate "));
        let verbs: Vec<&str> = verbs.filter_map(|line| line.split(' ').next()).collect();
        assert!(verbs.len() <= 10, "ten lines: {verbs:?}");
        for verb in verbs {
            assert!(crate::cli::table::find(verb).is_some(), "{verb}");
        }
        for line in FILES.iter().flat_map(|file| file.text.lines()) {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}
