//! Whom a sandboxed command runs as where the instance is root: the operator's choice, else nobody.
//!
//! /etc/passwd is read by ourselves, line by line, without the system's library: that would load whatever
//! /etc/nsswitch.conf names into a process of root. A user that is kept elsewhere is given as `UID:GID`. Root
//! is nobody's choice, by whatever name; an instance that is not root runs commands as itself and nobody else.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind, Read},
};

pub use crate::agent::cage::User;
use crate::sys::process;

/// Who a command runs as when nobody is named.
const DEFAULT: &str = "nobody";
/// The same where /etc/passwd does not know that name: what the kernel shows for users that it cannot name.
const UNNAMED: User = User { uid: 65_534, gid: 65_534 };
/// Where users are.
const PASSWD: &str = "/etc/passwd";
/// Most of it that is read; more is no list of this machine's own users.
const PASSWD_MOST: u64 = 16 << 20;
/// The longest name that is looked for.
const NAME_MOST: usize = 256;

/// Why nobody runs as what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserError {
    /// neither a name, a `UID` nor a `UID:GID`
    Malformed,
    /// there is no such name
    Unknown,
    /// there is no such number, so its group is not known
    NoGroup,
    /// its line cannot be read
    Line,
    /// it is root, or in root's group
    Root,
    /// the instance is somebody else, and not root
    NotRoot,
    /// the list of users cannot be read
    List(ErrorKind),
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "is not the name of a user, a UID or a UID:GID",
            Self::Unknown => "names no user of /etc/passwd: name one of those, or give UID:GID",
            Self::NoGroup => "is no UID of /etc/passwd, so its group is not known: give UID:GID",
            Self::Line => "names a user whose line in /etc/passwd cannot be read: give UID:GID",
            Self::Root => "is root, or in root's group, as which no sandbox is started: name an ordinary user",
            Self::NotRoot => {
                "is somebody else than the user of this instance: only one that root runs starts commands as another"
            }
            Self::List(_) => "cannot be looked up: /etc/passwd cannot be read",
        })
    }
}

impl std::error::Error for UserError {}

/// Whom the commands of this process's sandboxes run as; `None`: as itself. `asked` is the operator's word.
pub fn of(asked: Option<&str>) -> Result<Option<User>, UserError> {
    resolve(asked, process::uid(), read)
}

fn resolve(
    asked: Option<&str>,
    ours: u32,
    list: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Option<User>, UserError> {
    let is_root = ours == 0;
    let Some(asked) = asked else {
        return if is_root { default(&bytes(list)?).map(Some) } else { Ok(None) };
    };
    let user = match Asked::parse(asked)? {
        Asked::Pair(user) => user,
        // Its group is not needed then.
        Asked::Uid(uid) if !is_root && uid == ours => return Ok(None),
        Asked::Uid(uid) => find(&bytes(list)?, |_, of| of == Some(uid))?.ok_or(UserError::NoGroup)?,
        Asked::Name(name) => find(&bytes(list)?, |of, _| of == name.as_bytes())?.ok_or(UserError::Unknown)?,
    };
    if user.uid == 0 || user.gid == 0 {
        return Err(UserError::Root);
    }
    match (is_root, asked.contains(':')) {
        (true, _) => Ok(Some(user)),
        (false, false) if user.uid == ours => Ok(None),
        // A group that was asked for is one that only root can give.
        (false, _) => Err(UserError::NotRoot),
    }
}

fn default(list: &[u8]) -> Result<User, UserError> {
    let user = find(list, |name, _| name == DEFAULT.as_bytes())?.unwrap_or(UNNAMED);
    if user.uid == 0 || user.gid == 0 { Err(UserError::Root) } else { Ok(user) }
}

/// What was asked for, as it is written.
enum Asked<'a> {
    Name(&'a str),
    Uid(u32),
    Pair(User),
}

impl<'a> Asked<'a> {
    fn parse(text: &'a str) -> Result<Self, UserError> {
        let number = |text: &str| number(text.as_bytes()).ok_or(UserError::Malformed);
        if let Some((uid, gid)) = text.split_once(':') {
            return Ok(Self::Pair(User { uid: number(uid)?, gid: number(gid)? }));
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return number(text).map(Self::Uid);
        }
        // A line that begins with + or - is an order to look elsewhere, and no user's.
        let begins = !text.starts_with(['+', '-']);
        let clean = text.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '/' && c != ',');
        if begins && clean && text.len() <= NAME_MOST {
            Ok(Self::Name(text))
        } else {
            Err(UserError::Malformed)
        }
    }
}

/// A uid or gid in the one way to write it; the last number means none.
fn number(text: &[u8]) -> Option<u32> {
    let plain = text.iter().all(u8::is_ascii_digit) && (text == b"0" || !text.starts_with(b"0"));
    let number = std::str::from_utf8(text).ok()?.parse().ok()?;
    (plain && number != u32::MAX).then_some(number)
}

/// The first line of this name and uid counts, as it does everywhere.
fn find(list: &[u8], is: impl Fn(&[u8], Option<u32>) -> bool) -> Result<Option<User>, UserError> {
    for line in list.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b':');
        let (Some(name), _password) = (fields.next(), fields.next()) else { continue };
        let uid = fields.next().and_then(number);
        if name.is_empty() || !is(name, uid) {
            continue;
        }
        let gid = fields.next().and_then(number);
        return match (uid, gid) {
            (Some(uid), Some(gid)) => Ok(Some(User { uid, gid })),
            (None, _) | (_, None) => Err(UserError::Line),
        };
    }
    Ok(None)
}

fn bytes(list: impl FnOnce() -> io::Result<Vec<u8>>) -> Result<Vec<u8>, UserError> {
    match list() {
        // A machine without users of its own.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|error| UserError::List(error.kind())),
    }
}

fn read() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(PASSWD)?.take(PASSWD_MOST).read_to_end(&mut bytes)?;
    if read as u64 == PASSWD_MOST { Err(ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "root:x:0:0:root:/root:/bin/sh\n\
        toor:x:0:7::/:\n\
        wheel:x:7:0::/:\n\
        +nis::::::\n\
        :x:9:9::/:\n\
        agent:x:1001:1002:An agent:/:/bin/sh\n\
        agent:x:1:1::/:\n\
        octal:x:010:1::/:\n\
        short:x:5\n\
        none:x:4294967295:1::/:\n\
        nobody:x:99:98:Nobody:/:/sbin/nologin";

    fn asked(asked: Option<&str>, ours: u32) -> Result<Option<(u32, u32)>, UserError> {
        let user = resolve(asked, ours, || Ok(LIST.as_bytes().to_vec()))?;
        Ok(user.map(|user| (user.uid, user.gid)))
    }

    #[test]
    fn root_runs_commands_as_whom_it_is_told_else_as_nobody() {
        assert_eq!(asked(None, 0), Ok(Some((99, 98))));
        assert_eq!(asked(Some("agent"), 0), Ok(Some((1001, 1002))), "the first line counts");
        assert_eq!(asked(Some("1001"), 0), Ok(Some((1001, 1002))));
        assert_eq!(asked(Some("1001:5"), 0), Ok(Some((1001, 5))));
        assert_eq!(asked(Some("70000:70001"), 0), Ok(Some((70_000, 70_001))), "also one of no list");
        for empty in [Ok(Vec::new()), Err(io::ErrorKind::NotFound.into())] {
            assert_eq!(resolve(None, 0, || empty), Ok(Some(UNNAMED)));
        }
        assert_eq!(
            resolve(None, 0, || Err(ErrorKind::PermissionDenied.into())),
            Err(UserError::List(ErrorKind::PermissionDenied))
        );
        assert_eq!(resolve(None, 0, || Ok(b"nobody:x:0:0::/:".to_vec())), Err(UserError::Root));
    }

    #[test]
    fn a_user_that_is_unknown_malformed_or_root_is_an_error() {
        for (text, error) in [
            ("root", UserError::Root),
            ("toor", UserError::Root),
            ("wheel", UserError::Root),
            ("0", UserError::Root),
            ("0:5", UserError::Root),
            ("5:0", UserError::Root),
            ("nemo", UserError::Unknown),
            ("agen", UserError::Unknown),
            ("1002", UserError::NoGroup),
            ("octal", UserError::Line),
            ("short", UserError::Line),
            ("none", UserError::Line),
        ] {
            assert_eq!(asked(Some(text), 0), Err(error), "{text}");
        }
        let long = "x".repeat(257);
        for text in [
            "",
            ":",
            "1:",
            ":1",
            "1:2:3",
            "01",
            "0x1",
            "-1",
            "+nis",
            "a b",
            "a\n",
            "a/b",
            "a,b",
            "4294967295",
            "4294967296",
            "1:4294967295",
            "agent:",
            "agent:1002",
            "1001:1002\n",
            " 1",
            &long,
        ] {
            let wanted = if text == "0x1" { UserError::Unknown } else { UserError::Malformed };
            assert_eq!(asked(Some(text), 0), Err(wanted), "{text:?}");
        }
    }

    #[test]
    fn an_instance_that_is_not_root_runs_commands_as_itself_or_says_that_it_does_not() {
        assert_eq!(asked(None, 1001), Ok(None));
        for own in ["agent", "1001"] {
            assert_eq!(asked(Some(own), 1001), Ok(None), "{own}");
        }
        assert_eq!(asked(Some("4000"), 4000), Ok(None), "one of no list, too");
        for other in ["nobody", "99", "1001:1002", "1001:5", "5:5"] {
            let wanted = if other == "99" { Err(UserError::NotRoot) } else { asked(Some(other), 1001) };
            assert_eq!(wanted, Err(UserError::NotRoot), "{other}");
        }
        assert_eq!(asked(Some("root"), 1001), Err(UserError::Root));
    }

    /// Of this machine, whoever runs the test.
    #[test]
    fn the_machines_own_list_is_read() {
        let is_root = process::uid() == 0;
        assert_eq!(of(None).map(|user| user.is_some()), Ok(is_root));
        assert_eq!(of(Some("root")), Err(UserError::Root));
    }
}
