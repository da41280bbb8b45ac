//! Which places of the host a sandbox may be shown, and where in it.
//!
//! A place is looked at where it really is, whatever links lead there. Never shown are sockets, FIFOs and
//! devices, the root, what is the kernel's or the running system's, and the home of loopgate with all that holds it
//! or lies in it, but for the agent's own directories. What is bound is what was looked at: the shim compares
//! device and number before anything runs.

use std::{
    fs::Metadata,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Component, Path, PathBuf},
};

use crate::store::foreign::{Entry, Kind};

/// A place that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// where it really is
    pub source: PathBuf,
    /// where it is inside
    pub at: String,
    /// the program may write there
    pub writable: bool,
    /// it is a directory, and otherwise a file
    pub directory: bool,
    /// the device that it is on
    pub device: u64,
    /// its number there
    pub inode: u64,
    /// whose it is, where that was asked
    pub owner: u32,
}

/// What the kernel and the running system keep their own in.
const SYSTEM: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
/// Inside: what is ours to lay out.
const OURS: [&str; 13] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/etc",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/nix",
    "/workspace",
    "/tmp",
];

impl Bind {
    /// A place that the operator names: `home` is the home of loopgate. The error says what is wrong, without the
    /// path.
    pub fn of_operator(source: &Path, at: &str, writable: bool, home: &Path) -> Result<Self, &'static str> {
        let bind = Self::own(source, at, writable)?;
        let source = &bind.source;
        if source == Path::new("/") {
            return Err("is the root of the file system");
        }
        if SYSTEM.iter().any(|place| source.starts_with(place)) {
            return Err("lies in /proc, /sys, /dev or /run");
        }
        // Where it is not known where it really is, nothing is known not to hold it.
        let home = home.canonicalize().map_err(|_| "cannot be told from the home of loopgate")?;
        if home.starts_with(source) || source.starts_with(&home) {
            return Err("holds the home of loopgate, or lies in it");
        }
        Ok(bind)
    }

    /// A place of the agent's own.
    pub fn own(source: &Path, at: &str, writable: bool) -> Result<Self, &'static str> {
        let source = source.canonicalize().map_err(|_| "does not exist, or cannot be entered")?;
        let facts = std::fs::symlink_metadata(&source).map_err(|_| "does not exist")?;
        if !is_shown(&facts) {
            return Err("is neither a directory nor a regular file");
        }
        Ok(Self {
            at: at.to_owned(),
            writable,
            directory: facts.is_dir(),
            device: facts.dev(),
            inode: facts.ino(),
            owner: facts.uid(),
            source,
        })
    }

    /// Whether one of both lies in the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.source.starts_with(&other.source) || other.source.starts_with(&self.source)
    }

    /// What was found there just now.
    pub fn seen(source: PathBuf, at: String, writable: bool, entry: Entry) -> Self {
        let Entry { kind, device, inode } = entry;
        Self { source, at, writable, directory: kind == Kind::Directory, device, inode, owner: 0 }
    }
}

/// Whether somebody who can log in has his home there: start-up files of every program lie in it.
pub fn is_a_users_home(place: &Path) -> bool {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    homes(&users).any(|home| Path::new(home).canonicalize().is_ok_and(|home| home == place))
}

fn homes(users: &str) -> impl Iterator<Item = &str> {
    users.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, _, _, _, home, shell] = fields.as_slice() else { return None };
        (!shell.ends_with("/nologin") && !shell.ends_with("/false") && *home != "/").then_some(*home)
    })
}

fn is_shown(facts: &Metadata) -> bool {
    let kind = facts.file_type();
    let odd = kind.is_socket() || kind.is_fifo() || kind.is_char_device() || kind.is_block_device();
    !odd && (facts.is_dir() || facts.is_file())
}

/// Where in the sandbox an operator's place may be; the error says what is wrong.
pub fn place_inside(at: &str) -> Result<(), &'static str> {
    let path = Path::new(at);
    let plain = at.starts_with('/')
        && path.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
        && path.as_os_str() == path.components().collect::<PathBuf>().as_os_str();
    if !plain || at == "/" {
        return Err("must be absolute, without `.`, `..` and slashes too many");
    }
    if OURS.iter().any(|ours| path.starts_with(ours)) || Path::new(super::HOME).starts_with(path) {
        return Err("is where the sandbox has its own; take one below /data, /opt or /home/agent");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;
    use crate::store::testing::TempHome;

    #[test]
    fn sockets_fifos_devices_and_the_home_of_loopgate_are_never_shown() {
        let temp = TempHome::new();
        let (home, around) = (&*temp.path(), temp.around());
        let wrong = |source: &Path| Bind::of_operator(source, "/data", false, home).err();
        let socket = around.join("socket");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        let odd = Some("is neither a directory nor a regular file");
        assert_eq!(wrong(&socket), odd);
        symlink(&socket, around.join("link")).expect("a link");
        assert_eq!(wrong(&around.join("link")), odd, "a link is looked at where it leads");
        assert!(wrong(Path::new("/dev/null")).is_some());
        let fifo = std::process::Command::new("mkfifo").arg(around.join("fifo")).status();
        assert!(fifo.is_ok_and(|status| status.success()));
        assert_eq!(wrong(&around.join("fifo")), odd);
        for place in ["/proc", "/proc/self/environ", "/sys", "/dev", "/run"] {
            assert!(wrong(Path::new(place)).is_some(), "{place}");
        }
        assert_eq!(wrong(Path::new("/")), Some("is the root of the file system"));
        let holds = Some("holds the home of loopgate, or lies in it");
        std::fs::create_dir(home.join("inner")).expect("a directory");
        symlink(home.join("inner"), around.join("way")).expect("a link");
        for place in [home.to_owned(), home.join("inner"), around.to_owned(), around.join("way")] {
            assert_eq!(wrong(&place), holds, "{}", place.display());
        }
        assert_eq!(wrong(&around.join("none")), Some("does not exist, or cannot be entered"));
        std::fs::create_dir(around.join("fine")).expect("a directory");
        let bind = Bind::of_operator(&around.join("fine"), "/data", true, home).expect("it may be shown");
        let facts = std::fs::metadata(around.join("fine")).expect("it is there");
        assert_eq!((bind.device, bind.inode), (facts.dev(), facts.ino()));
        assert!(bind.at == "/data" && bind.writable && bind.directory);
    }

    #[test]
    fn a_home_is_that_of_whoever_can_log_in() {
        let users = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n\
                     a:x:1000:1000:A:/home/a:/bin/zsh\nodd\nb:x:9:9::/:/bin/sh\nc:x:2:2::/c:/bin/false\n";
        assert_eq!(homes(users).collect::<Vec<_>>(), ["/root", "/home/a"]);
    }

    #[test]
    fn nothing_of_an_operators_hides_what_is_ours_inside() {
        for fine in ["/data", "/opt/tools", "/home/agent/.config", "/srv/a b"] {
            assert_eq!(place_inside(fine), Ok(()), "{fine}");
        }
        for bad in [
            "",
            "/",
            "data",
            "/data/",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/proc",
            "/run/loopgate/outbox",
            "/etc/passwd",
            "/usr/bin",
            "/workspace/.git",
            "/home",
            "/home/agent",
            "/tmp/x",
            "/dev",
        ] {
            assert!(place_inside(bad).is_err(), "{bad}");
        }
    }
}
