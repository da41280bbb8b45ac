//! The environment of a program in a sandbox: what it was given, and what is true inside.

use std::collections::BTreeMap;

use super::{HOME, way::Way};

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
/// On NixOS they are nowhere else.
const NIXOS: &str = "/run/current-system/sw/bin";

/// `NAME=value` of each variable. `given` may say more than what is said here, but not where the way out is.
pub(super) fn inside(given: Vec<Vec<u8>>, extra_path: &[String], way: Option<&Way>) -> Vec<Vec<u8>> {
    let mut path = extra_path.to_vec();
    path.extend([PATH.to_owned(), NIXOS.to_owned()]);
    let always = [
        ("HOME", HOME.to_owned()),
        ("USER", "agent".to_owned()),
        ("LOGNAME", "agent".to_owned()),
        ("SHELL", "/bin/sh".to_owned()),
        ("PATH", path.join(":")),
    ];
    let mut all: BTreeMap<Vec<u8>, Vec<u8>> =
        always.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    for line in given {
        let at = line.iter().position(|b| *b == b'=').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        all.insert(name.to_vec(), value.get(1..).unwrap_or_default().to_vec());
    }
    // Last: nothing that was given leads elsewhere, or holds a key.
    for (name, value) in way.into_iter().flat_map(Way::variables) {
        all.insert(name.into(), value.into());
    }
    all.into_iter().map(|(name, value)| [&name[..], b"=", &value].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_counts_before_what_is_usual() {
        let given = ["A=1=2", "HOME=/workspace", "EMPTY="].map(|line| line.as_bytes().to_vec()).to_vec();
        let all = inside(given, &["/opt/x".to_owned()], None);
        let all: Vec<_> = all.into_iter().map(|line| String::from_utf8(line).expect("text")).collect();
        let path = format!("PATH=/opt/x:{PATH}:{NIXOS}");
        let wanted =
            ["A=1=2", "EMPTY=", "HOME=/workspace", "LOGNAME=agent", &path, "SHELL=/bin/sh", "USER=agent"];
        assert_eq!(all, wanted);
    }
}
