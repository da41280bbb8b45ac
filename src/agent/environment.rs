//! What a start request may ask for, and the environment that an agent gets: set, not inherited
//! (design section 10).

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use super::{
    launch::Program,
    types::{StartError, StartSpec},
};
use crate::{limits, wire::secret::Secret};

/// Passed on from the instance's environment, beside `LC_*`.
const INHERITED: [&str; 6] = ["HOME", "LANG", "TZ", "SHELL", "USER", "PATH"];
/// Of these, what says something of the machine outside of a cage.
const OUTSIDE: [&str; 4] = ["HOME", "SHELL", "USER", "PATH"];
/// Names that only we give a meaning to: a request cannot set them.
const OURS: [&str; 3] = ["LOOPGATE_", "AGENTMUX_", "GENSWARMS_"];
/// Names in `accept_typed_from` and in `may_type_into`, and bytes of one (`<swarm>/<agent>`).
const TYPISTS: usize = 64;
const TYPIST_BYTES: usize = 129;

/// Checks everything of a request but whether the program and the directory exist.
pub(super) fn check(spec: &StartSpec) -> Result<(), StartError> {
    if spec.name.is_reserved() {
        return Err(StartError::Reserved);
    }
    check_program(&spec.command, &spec.cwd, &spec.env)?;
    check_screen(spec.rows, spec.cols).map_err(StartError::OutOfBounds)?;
    let is_name = |name: &String| {
        (1..=TYPIST_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
    };
    let lists = [("accept_typed_from", &spec.accept_typed_from), ("may_type_into", &spec.may_type_into)];
    let wrong = lists.iter().find(|(_, names)| names.len() > TYPISTS || !names.iter().all(is_name));
    wrong.map_or(Ok(()), |(field, _)| Err(StartError::OutOfBounds(field)))
}

/// What is the same for every agent: its command, its directory and its variables.
pub(super) fn check_program(
    words: &[String],
    cwd: &Path,
    env: &[(String, String)],
) -> Result<(), StartError> {
    let runs = words.first().is_some_and(|program| !program.is_empty());
    if !runs || words.len() > limits::COMMAND_WORDS || words.iter().any(|word| word.contains('\0')) {
        return Err(StartError::OutOfBounds("command"));
    }
    if env.iter().any(|(name, value)| !may_set(name) || value.contains('\0')) {
        return Err(StartError::OutOfBounds("env"));
    }
    let command: usize = words.iter().map(|word| word.len() + 1).sum();
    if command > limits::COMMAND_BYTES {
        return Err(StartError::OutOfBounds("command"));
    }
    let env: usize = env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if command + env > limits::COMMAND_BYTES {
        return Err(StartError::OutOfBounds("env"));
    }
    let is_absolute = cwd.is_absolute();
    let cwd = cwd.as_os_str().as_bytes();
    if !is_absolute || cwd.contains(&0) || cwd.len() > limits::REQUEST_LINE {
        return Err(StartError::OutOfBounds("cwd"));
    }
    Ok(())
}

/// The field of a screen's size that is out of bounds, if one is.
pub(super) fn check_screen(rows: u16, cols: u16) -> Result<(), &'static str> {
    if !(limits::ROWS_MIN..=limits::ROWS_MAX).contains(&rows) {
        return Err("rows");
    }
    if !(limits::COLS_MIN..=limits::COLS_MAX).contains(&cols) {
        return Err("cols");
    }
    Ok(())
}

fn may_set(name: &str) -> bool {
    let well_formed = !name.is_empty() && !name.contains(['=', '\0']);
    well_formed && !OURS.iter().any(|prefix| name.starts_with(prefix))
}

/// What agents get of the instance's own environment.
#[derive(Debug)]
pub(super) struct Base(BTreeMap<OsString, OsString>);

impl Base {
    /// Takes it from our environment; our own program's directory is appended to PATH, so that an
    /// agent finds the client verbs.
    pub fn take(program: &Path) -> Self {
        let passed = |name: &OsStr| {
            name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"))
        };
        let mut base: BTreeMap<_, _> = env::vars_os().filter(|(name, _)| passed(name)).collect();
        let own =
            if program.starts_with("/proc") { env::current_exe().ok() } else { Some(program.to_owned()) };
        if let Some(own) = own.as_deref().and_then(Path::parent).filter(|dir| dir.is_absolute()) {
            let path =
                base.remove(OsStr::new("PATH")).unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
            let mut parts: Vec<_> = env::split_paths(&path).collect();
            if !parts.iter().any(|part| part == own) {
                parts.push(own.to_owned());
            }
            // A directory with a colon in its name cannot be in a PATH.
            base.insert("PATH".into(), env::join_paths(parts).unwrap_or(path));
        }
        Self(base)
    }

    /// The whole environment of one agent, as `NAME=value` strings. It holds the token: the caller
    /// hands it on and forgets it. One in a cage gets nothing that is true outside of it alone, and neither
    /// the token nor the way to us where there is none from inside.
    pub fn of_agent(&self, agent: &Program<'_>, token: &Secret, url: &str, terminal: bool) -> Vec<Vec<u8>> {
        let mut all = self.0.clone();
        if agent.cage.is_some() {
            OUTSIDE.iter().for_each(|name| drop(all.remove(OsStr::new(name))));
        }
        all.insert("TERM".into(), if terminal { "xterm-256color" } else { "dumb" }.into());
        all.extend(agent.env.iter().map(|(name, value)| (name.into(), value.into())));
        all.insert("LOOPGATE_AGENT".into(), agent.holder.to_string().into());
        if agent.cage.is_none_or(|cage| cage.reaches_instance()) {
            all.insert("LOOPGATE_AGENT_TOKEN".into(), token.expose_str().into());
            all.insert("LOOPGATE_URL".into(), url.into());
            all.insert("AGENTMUX_LOCAL_URL".into(), url.into());
        }
        all.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::types::Submit,
        wire::{id::AgentId, node::Holder},
    };

    fn spec() -> StartSpec {
        StartSpec {
            name: AgentId::parse("coder").unwrap(),
            command: vec!["sh".to_owned()],
            cwd: "/".into(),
            env: Vec::new(),
            rows: 24,
            cols: 80,
            accept_typed_from: Vec::new(),
            may_type_into: Vec::new(),
            submit: Submit::Thrice,
            cage: None,
        }
    }

    fn refused(change: impl FnOnce(&mut StartSpec)) -> Option<StartError> {
        let mut spec = spec();
        change(&mut spec);
        check(&spec).err()
    }

    #[test]
    fn a_command_out_of_bounds_is_refused() {
        let command = Some(StartError::OutOfBounds("command"));
        assert_eq!(check(&spec()), Ok(()));
        assert_eq!(refused(|s| s.command.clear()), command);
        assert_eq!(refused(|s| s.command = vec![String::new()]), command);
        assert_eq!(refused(|s| s.command.push("a\0b".to_owned())), command);
        assert_eq!(refused(|s| s.command = vec!["x".to_owned(); limits::COMMAND_WORDS]), None);
        assert_eq!(refused(|s| s.command = vec!["x".to_owned(); limits::COMMAND_WORDS + 1]), command);
        let words = |bytes| vec!["x".repeat(bytes - 1)];
        assert_eq!(refused(|s| s.command = words(limits::COMMAND_BYTES)), None);
        assert_eq!(refused(|s| s.command = words(limits::COMMAND_BYTES + 1)), command);
        let big = |s: &mut StartSpec| s.env.push(("A".to_owned(), "x".repeat(limits::COMMAND_BYTES - 5)));
        assert_eq!(refused(big), Some(StartError::OutOfBounds("env")));
    }

    #[test]
    fn a_screen_out_of_bounds_is_refused() {
        for (rows, cols, field) in [(1, 80, "rows"), (501, 80, "rows"), (24, 1, "cols"), (24, 1001, "cols")] {
            assert_eq!(refused(|s| (s.rows, s.cols) = (rows, cols)), Some(StartError::OutOfBounds(field)));
        }
        for (rows, cols) in [(2, 2), (500, 1000)] {
            assert_eq!(refused(|s| (s.rows, s.cols) = (rows, cols)), None);
        }
    }

    #[test]
    fn a_request_cannot_set_what_only_we_give_a_meaning() {
        for name in ["LOOPGATE_AGENT", "AGENTMUX_AUTH_KEY", "GENSWARMS_API_TOKEN", "", "A=B", "A\0"] {
            let env = Some(StartError::OutOfBounds("env"));
            assert_eq!(refused(|s| s.env.push((name.to_owned(), "x".to_owned()))), env, "{name:?}");
        }
        assert_eq!(refused(|s| s.env.push(("PATH".to_owned(), "/bin".to_owned()))), None);
    }

    #[test]
    fn names_and_places_out_of_bounds_are_refused() {
        assert_eq!(refused(|s| s.name = AgentId::parse("Owner").unwrap()), Some(StartError::Reserved));
        assert_eq!(refused(|s| s.cwd = "tmp".into()), Some(StartError::OutOfBounds("cwd")));
        let typists = Some(StartError::OutOfBounds("accept_typed_from"));
        assert_eq!(refused(|s| s.accept_typed_from = vec!["a b".to_owned()]), typists);
        assert_eq!(refused(|s| s.accept_typed_from = vec!["a".to_owned(); 65]), typists);
        let targets = Some(StartError::OutOfBounds("may_type_into"));
        assert_eq!(refused(|s| s.may_type_into = vec!["a\n".to_owned()]), targets);
        assert_eq!(refused(|s| s.may_type_into = vec!["a@0123456789ab".to_owned(); 65]), targets);
        assert_eq!(refused(|s| s.may_type_into = vec!["a@0123456789ab".to_owned(); 64]), None);
    }

    #[test]
    fn a_request_overrides_what_is_passed_on_and_never_what_is_ours() {
        let base = Base([("PATH".into(), "/bin".into()), ("LANG".into(), "C".into())].into());
        let env = ["LANG=de", "MORE=1=2"].map(|line| line.split_once('=').unwrap());
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let holder = Holder::Loose(AgentId::parse("coder").unwrap());
        let agent = Program { holder, command: &[], cwd: Path::new("/"), env: &env, cage: None };
        let token = Secret::new(b"lga_x".to_vec());
        let lines = base.of_agent(&agent, &token, "http://127.0.0.1:1", true);
        assert!(!base.of_agent(&agent, &token, "", false).contains(&b"TERM=xterm-256color".to_vec()));
        let env = lines;
        let env: Vec<_> = env.into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(
            env,
            [
                "AGENTMUX_LOCAL_URL=http://127.0.0.1:1",
                "LANG=de",
                "LOOPGATE_AGENT=coder",
                "LOOPGATE_AGENT_TOKEN=lga_x",
                "LOOPGATE_URL=http://127.0.0.1:1",
                "MORE=1=2",
                "PATH=/bin",
                "TERM=xterm-256color",
            ]
        );
    }
}
