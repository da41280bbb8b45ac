//! The words that bubblewrap is told over `--args`: one list, from values, and from nothing else.
//!
//! Each path is one word, whatever stands in it, and no shell reads any. What bubblewrap starts in the end is
//! not among them: options that come over a descriptor end where the descriptor does.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

/// What is put where in the sandbox, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// a place of the host's, to be read
    Read(PathBuf, String),
    /// a place of the host's, to be read and written
    Write(PathBuf, String),
    /// a symbolic link: what it leads to, and where it is
    Link(PathBuf, String),
    /// a file that is read out of this descriptor
    Data(i32, String),
    /// an empty directory in memory
    Empty(String),
}

/// What the words depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// the network is the host's
    pub open: bool,
    /// the user and the group inside, which are those outside
    pub user: (u32, u32),
    /// where the program starts
    pub chdir: &'a str,
    /// the most that each directory in memory holds, in bytes
    pub memory: u64,
    /// the descriptor that the system call filter is read out of
    pub filter: i32,
    /// the private ones first
    pub mounts: &'a [Mount],
}

/// The name of the machine that the program is told.
pub const HOSTNAME: &str = "loopgate";
/// Directories in memory that a sandbox always has.
const PRIVATE: [&str; 4] = ["/dev/shm", "/tmp", "/run", "/home"];

/// The words.
pub fn words(plan: &Plan<'_>) -> Vec<Vec<u8>> {
    let mut all = Words(Vec::new());
    all.texts(&["--unshare-user", "--unshare-all"]);
    if plan.open {
        all.texts(&["--share-net"]);
    }
    all.texts(&["--disable-userns", "--clearenv", "--die-with-parent", "--new-session"]);
    all.texts(&["--cap-drop", "ALL", "--hostname", HOSTNAME]);
    all.texts(&["--uid", &plan.user.0.to_string(), "--gid", &plan.user.1.to_string()]);
    // For the process that bubblewrap leaves as the first one of the sandbox too.
    all.texts(&["--seccomp", &plan.filter.to_string()]);
    all.texts(&["--proc", "/proc", "--dev", "/dev"]);
    for at in PRIVATE {
        all.empty(plan.memory, at);
    }
    // It is in memory itself, and nothing bounds it.
    all.texts(&["--remount-ro", "/dev"]);
    for mount in plan.mounts {
        match mount {
            Mount::Read(from, at) => all.mount("--ro-bind", from.as_os_str(), at),
            Mount::Write(from, at) => all.mount("--bind", from.as_os_str(), at),
            Mount::Link(to, at) => all.mount("--symlink", to.as_os_str(), at),
            Mount::Data(number, at) => {
                // The mode of what is written in memory; the copy is bound read-only.
                all.texts(&["--perms", "0444", "--ro-bind-data", &number.to_string(), at]);
            }
            Mount::Empty(at) => all.empty(plan.memory, at),
        }
    }
    // Last: until here places are made in it.
    all.texts(&["--remount-ro", "/", "--chdir", plan.chdir]);
    all.0
}

/// The same as bubblewrap reads them: each ended by NUL. `None` where one holds a NUL itself.
pub fn encoded(words: &[Vec<u8>]) -> Option<Vec<u8>> {
    let whole = words.iter().all(|word| !word.contains(&0));
    whole.then(|| words.iter().flat_map(|word| [word.as_slice(), b"\0"].concat()).collect())
}

struct Words(Vec<Vec<u8>>);

impl Words {
    fn texts(&mut self, texts: &[&str]) {
        self.0.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
    }

    fn mount(&mut self, how: &str, from: &OsStr, at: &str) {
        self.0.extend([how.as_bytes().to_vec(), from.as_bytes().to_vec(), at.as_bytes().to_vec()]);
    }

    fn empty(&mut self, most: u64, at: &str) {
        self.texts(&["--perms", "0755", "--size", &most.to_string(), "--tmpfs", at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(mounts: &[Mount]) -> Plan<'_> {
        Plan { open: false, user: (1000, 1001), chdir: "/workspace", memory: 4096, filter: 8, mounts }
    }

    fn said(plan: &Plan<'_>) -> Vec<String> {
        words(plan).into_iter().map(|word| String::from_utf8(word).expect("text")).collect()
    }

    #[test]
    fn the_words_are_these_and_no_others() {
        let mounts = [
            Mount::Read("/usr".into(), "/usr".to_owned()),
            Mount::Link("usr/bin".into(), "/bin".to_owned()),
            Mount::Data(7, "/etc/passwd".to_owned()),
            Mount::Write("/home/x/w".into(), "/workspace".to_owned()),
            Mount::Empty("/home/agent".to_owned()),
        ];
        let wanted = "--unshare-user --unshare-all --disable-userns --clearenv --die-with-parent --new-session \
                      --cap-drop ALL --hostname loopgate --uid 1000 --gid 1001 --seccomp 8 --proc /proc --dev /dev \
                      --perms 0755 --size 4096 --tmpfs /dev/shm --perms 0755 --size 4096 --tmpfs /tmp \
                      --perms 0755 --size 4096 --tmpfs /run --perms 0755 --size 4096 --tmpfs /home \
                      --remount-ro /dev \
                      --ro-bind /usr /usr --symlink usr/bin /bin --perms 0444 --ro-bind-data 7 /etc/passwd \
                      --bind /home/x/w /workspace --perms 0755 --size 4096 --tmpfs /home/agent --remount-ro / \
                      --chdir /workspace";
        assert_eq!(said(&plan(&mounts)), wanted.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn an_isolated_sandbox_shares_no_network_and_an_open_one_nothing_else() {
        let (isolated, open) = (said(&plan(&[])), said(&Plan { open: true, ..plan(&[]) }));
        assert!(!isolated.contains(&"--share-net".to_owned()));
        let rest: Vec<_> = open.into_iter().filter(|word| word != "--share-net").collect();
        assert_eq!(rest, isolated);
    }

    #[test]
    fn m8_metacharacters_of_a_shell_stay_one_word() {
        let odd = "/w/a b;c$(d)`e`'f\"g\n--share-net";
        let mounts = [Mount::Write(odd.into(), "/workspace".to_owned())];
        let words = words(&plan(&mounts));
        assert_eq!(words.iter().filter(|word| *word == odd.as_bytes()).count(), 1);
        let bytes = encoded(&words).expect("no NUL");
        assert_eq!(bytes.split(|b| *b == 0).filter(|word| *word == b"--share-net").count(), 0);
        assert_eq!(encoded(&[b"a\0b".to_vec()]), None);
    }

    #[test]
    fn directories_in_memory_hold_no_more_than_the_limit() {
        let mounts = [Mount::Empty("/home/agent".to_owned())];
        let words = said(&Plan { memory: 8192, ..plan(&mounts) });
        let all = words.iter().filter(|word| *word == "--tmpfs").count();
        let bounded = words.windows(3).filter(|w| w[..2] == ["--size", "8192"] && w[2] == "--tmpfs").count();
        assert_eq!((all, bounded), (5, 5));
        assert!(words.windows(2).any(|w| w == ["--remount-ro", "/dev"]));
    }
}
