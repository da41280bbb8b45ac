//! What a sandbox sees of the system: programs and libraries, read-only, and of /etc a few files.
//!
//! One table, asked of the host piece by piece: where /bin is a link into /usr it is that link inside, where it
//! is a directory it is that directory, and what a distribution does not have is left out. /etc is never there
//! as a whole: keys, names of users and the machine's own settings lie in it.

use std::path::{Path, PathBuf};

use super::words::Mount;

/// What stands at a path of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// a directory or a regular file
    Place,
    /// a symbolic link, and what it says
    Link(PathBuf),
    /// nothing, or nothing that is shown
    Nothing,
}

/// Directories of programs and libraries: Debian, Fedora and Arch, whether /usr holds all or not, and NixOS.
const PROGRAMS: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];
/// The system of NixOS is a link, in a directory that is private inside.
const NIXOS: [&str; 2] = ["/run/current-system", "/etc/static"];
/// Of /etc: the loader's, certificates (Debian; Arch; Fedora), the time zone, and which program is meant by a name.
/// Keys lie beside the certificates: so none of these is /etc/ssl or /etc/pki itself.
const ETC: [&str; 15] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies/back-ends",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/terminfo",
];

/// The mounts for the system, as the host is found.
pub fn system(look: &dyn Fn(&Path) -> Found) -> Vec<Mount> {
    let all = PROGRAMS.iter().chain(&NIXOS).chain(&ETC);
    all.filter_map(|path| {
        let at = (*path).to_owned();
        match look(Path::new(path)) {
            Found::Place if NIXOS.contains(path) => None,
            Found::Place => Some(Mount::Read(path.into(), at)),
            // Whether there is anything inside that it leads to is for who follows it.
            Found::Link(to) => Some(Mount::Link(to, at)),
            Found::Nothing => None,
        }
    })
    .collect()
}

/// What stands there on this machine.
pub fn look(path: &Path) -> Found {
    let Ok(facts) = std::fs::symlink_metadata(path) else { return Found::Nothing };
    if facts.is_symlink() {
        return std::fs::read_link(path).map_or(Found::Nothing, Found::Link);
    }
    if facts.is_dir() || facts.is_file() { Found::Place } else { Found::Nothing }
}

/// The one user that a program sees beside root.
pub fn passwd(user: (u32, u32)) -> String {
    let (uid, gid) = user;
    format!("root:x:0:0:root:/:/bin/false\nagent:x:{uid}:{gid}:agent:{}:/bin/sh\n", super::HOME)
}

/// Its group.
pub fn group(gid: u32) -> String {
    format!("root:x:0:\nagent:x:{gid}:\n")
}

/// Names that need no question to anybody.
pub const HOSTS: &str = "127.0.0.1 localhost loopgate\n::1 localhost\n";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(host: &[(&str, &str)]) -> Vec<String> {
        let host: BTreeMap<PathBuf, String> =
            host.iter().map(|(path, to)| ((*path).into(), (*to).to_owned())).collect();
        let look = |path: &Path| match host.get(path).map(String::as_str) {
            None => Found::Nothing,
            Some("") => Found::Place,
            Some(to) => Found::Link(to.into()),
        };
        let shown = |mount| match mount {
            Mount::Read(from, at) if from == Path::new(&at) => at,
            Mount::Link(to, at) => format!("{at}>{}", to.display()),
            other => panic!("{other:?}"),
        };
        system(&look).into_iter().map(shown).collect()
    }

    #[test]
    fn each_distribution_shows_what_it_has() {
        let debian = [("/usr", ""), ("/bin", "usr/bin"), ("/lib64", "usr/lib64"), ("/etc/ssl/certs", "")];
        assert_eq!(of(&debian), ["/usr", "/bin>usr/bin", "/lib64>usr/lib64", "/etc/ssl/certs"]);
        let split = [("/usr", ""), ("/bin", ""), ("/lib", ""), ("/etc/alternatives", "")];
        assert_eq!(of(&split), ["/usr", "/bin", "/lib", "/etc/alternatives"]);
        let fedora = [
            ("/usr", ""),
            ("/etc/pki/tls/certs", ""),
            ("/etc/pki/tls/cert.pem", "../ca-trust/extracted/pem/tls-ca-bundle.pem"),
            ("/etc/pki/ca-trust/extracted", ""),
            ("/etc/ssl/certs", "../pki/tls/certs"),
        ];
        let wanted = [
            "/usr",
            "/etc/ssl/certs>../pki/tls/certs",
            "/etc/pki/ca-trust/extracted",
            "/etc/pki/tls/certs",
            "/etc/pki/tls/cert.pem>../ca-trust/extracted/pem/tls-ca-bundle.pem",
        ];
        assert_eq!(of(&fedora), wanted);
        let arch =
            [("/usr", ""), ("/etc/ca-certificates", ""), ("/etc/localtime", "/usr/share/zoneinfo/UTC")];
        assert_eq!(of(&arch), ["/usr", "/etc/ca-certificates", "/etc/localtime>/usr/share/zoneinfo/UTC"]);
        let nixos = [
            ("/nix/store", ""),
            ("/bin", ""),
            ("/run/current-system", "/nix/store/x-system"),
            ("/etc/static", "/nix/store/y-etc/etc"),
        ];
        let wanted = [
            "/bin",
            "/nix/store",
            "/run/current-system>/nix/store/x-system",
            "/etc/static>/nix/store/y-etc/etc",
        ];
        assert_eq!(of(&nixos), wanted);
    }

    #[test]
    fn neither_etc_nor_a_directory_with_keys_is_ever_shown_as_a_whole() {
        let every = |_: &Path| Found::Place;
        for mount in system(&every) {
            let Mount::Read(from, _) = mount else { panic!("{mount:?}") };
            for closed in
                ["/etc", "/etc/ssl", "/etc/pki", "/etc/pki/tls", "/etc/static", "/run", "/run/x", "/"]
            {
                assert!(from != Path::new(closed), "{closed}");
            }
            assert!(!from.starts_with("/run") && !from.starts_with("/home") && !from.starts_with("/var"));
        }
    }
}
