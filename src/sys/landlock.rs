//! Landlock (`man 7 landlock`): what this process, and what it starts, may write to and connect to, as data.
//!
//! Only what writes is handled: reading is bounded by what a sandbox shows. What a kernel does not know yet is
//! left out, and which version it has is told, so that nobody is told of a layer that is not there.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
};

use super::calls;

/// The first version that lets move things between directories; older ones forbid it always, which breaks
/// programs, and are not used.
const FIRST: u8 = 2;
/// The first version that knows truncating.
const TRUNCATE: u8 = 3;
/// The first version that limits connecting.
pub const CONNECT: u8 = 4;
/// The first version that scopes abstract sockets and signals.
pub const SCOPES: u8 = 6;

/// `LANDLOCK_CREATE_RULESET_VERSION`
const ASK_VERSION: u32 = 1;

/// `LANDLOCK_ACCESS_FS_*`
mod fs {
    pub const WRITE_FILE: u64 = 1 << 1;
    pub const REMOVE_DIR: u64 = 1 << 4;
    pub const REMOVE_FILE: u64 = 1 << 5;
    pub const MAKE_CHAR: u64 = 1 << 6;
    pub const MAKE_DIR: u64 = 1 << 7;
    pub const MAKE_REG: u64 = 1 << 8;
    pub const MAKE_SOCK: u64 = 1 << 9;
    pub const MAKE_FIFO: u64 = 1 << 10;
    pub const MAKE_BLOCK: u64 = 1 << 11;
    pub const MAKE_SYM: u64 = 1 << 12;
    pub const REFER: u64 = 1 << 13;
    pub const TRUNCATE: u64 = 1 << 14;
}

/// What may be granted on something that is no directory.
const OF_A_FILE: u64 = fs::WRITE_FILE | fs::TRUNCATE;
/// Everything that changes something, as far as version 2 knows it.
const CHANGES: u64 = fs::WRITE_FILE
    | fs::REMOVE_DIR
    | fs::REMOVE_FILE
    | fs::MAKE_CHAR
    | fs::MAKE_DIR
    | fs::MAKE_REG
    | fs::MAKE_SOCK
    | fs::MAKE_FIFO
    | fs::MAKE_BLOCK
    | fs::MAKE_SYM
    | fs::REFER;

/// `LANDLOCK_ACCESS_NET_CONNECT_TCP`
const CONNECT_TCP: u64 = 1 << 1;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL`
const SCOPED: u64 = 1 | 1 << 1;

/// `LANDLOCK_RULE_PATH_BENEATH`
const BENEATH: u32 = 1;
/// `LANDLOCK_RULE_NET_PORT`
const TO_PORT: u32 = 2;

/// What is allowed; everything else that is handled is not.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The kernel's version.
    pub version: u8,
    /// Beneath these anything may be done.
    pub own: &'a [File],
    /// These, or what is beneath them, may be written to.
    pub devices: &'a [File],
    /// The only port that may be connected to over TCP; `None`: all.
    pub connect: Option<u16>,
}

/// The kernel's version; `None` where it has no Landlock, has it switched off, or has one that is too old.
pub fn version() -> io::Result<Option<u8>> {
    match calls::landlock_version(ASK_VERSION) {
        Ok(version) => Ok(Some(u8::try_from(version).unwrap_or(u8::MAX)).filter(|version| *version >= FIRST)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The attributes of a rule set: what is handled of files, of TCP, and what is scoped.
fn handled(version: u8, connect: Option<u16>) -> [u64; 3] {
    [
        CHANGES | if version >= TRUNCATE { fs::TRUNCATE } else { 0 },
        if version >= CONNECT && connect.is_some() { CONNECT_TCP } else { 0 },
        if version >= SCOPES { SCOPED } else { 0 },
    ]
}

/// Puts the rules in force for this thread and all that it starts, for good. The process must have given up new
/// privileges.
pub fn apply(rules: &Rules<'_>) -> io::Result<()> {
    let [files, tcp, scoped] = handled(rules.version, rules.connect);
    // What follows in a newer or an older structure is 0, and that the kernel takes.
    let attributes = [files, tcp, scoped].map(u64::to_ne_bytes).concat();
    let ruleset = calls::landlock_ruleset(&attributes)?;
    let beneath = |place: &File, access: u64| {
        let access = if place.metadata()?.is_dir() { access } else { access & OF_A_FILE };
        calls::landlock_rule(ruleset.as_fd(), BENEATH, &path_rule(access & files, place.as_raw_fd()))
    };
    for place in rules.own {
        beneath(place, files)?;
    }
    for place in rules.devices {
        beneath(place, fs::WRITE_FILE)?;
    }
    if let Some(port) = rules.connect.filter(|_| tcp != 0) {
        calls::landlock_rule(ruleset.as_fd(), TO_PORT, &port_rule(tcp, port))?;
    }
    calls::landlock_restrict(ruleset.as_fd())
}

/// `struct landlock_path_beneath_attr`, which is packed: 12 bytes.
fn path_rule(access: u64, place: i32) -> [u8; 16] {
    filled(access.to_ne_bytes().into_iter().chain(place.to_ne_bytes()))
}

/// `struct landlock_net_port_attr`; the port is in the host's order.
fn port_rule(access: u64, port: u16) -> [u8; 16] {
    filled(access.to_ne_bytes().into_iter().chain(u64::from(port).to_ne_bytes()))
}

fn filled(bytes: impl Iterator<Item = u8>) -> [u8; 16] {
    let mut rule = [0; 16];
    rule.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_does_not_know_is_not_asked_of_it() {
        assert_eq!(handled(2, Some(1)), [CHANGES, 0, 0]);
        assert_eq!(handled(3, Some(1)), [CHANGES | fs::TRUNCATE, 0, 0]);
        assert_eq!(handled(5, Some(1)), [CHANGES | fs::TRUNCATE, CONNECT_TCP, 0]);
        for version in [6, 7, 200] {
            assert_eq!(handled(version, Some(1)), [CHANGES | fs::TRUNCATE, CONNECT_TCP, SCOPED]);
            assert_eq!(handled(version, None), [CHANGES | fs::TRUNCATE, 0, SCOPED]);
        }
        // Reading, listing, running and device commands are not handled.
        assert_eq!(CHANGES & (1 | 1 << 2 | 1 << 3 | 1 << 15), 0);
        assert_eq!((CHANGES | fs::TRUNCATE).count_ones(), 12);
    }

    #[test]
    fn rules_have_the_layout_of_the_kernel() {
        let rule = path_rule(0x0102, 7);
        assert_eq!(rule[..8], 0x0102_u64.to_ne_bytes());
        assert_eq!((&rule[8..12], &rule[12..]), (&7_i32.to_ne_bytes()[..], &[0; 4][..]));
        let rule = port_rule(2, 4141);
        assert_eq!((&rule[..8], &rule[8..]), (&2_u64.to_ne_bytes()[..], &4141_u64.to_ne_bytes()[..]));
    }
}
