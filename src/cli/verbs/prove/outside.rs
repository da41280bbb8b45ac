//! What there is outside of a sandbox, to be looked for inside: sockets, addresses; and processes that stayed.
//!
//! Only looked at: nothing is connected to and nothing sent.

use std::{
    ffi::OsStr,
    fs,
    net::{IpAddr, UdpSocket},
    path::Path,
};

/// Where sockets of the host may be, and one where there is one.
pub(super) fn sockets(own: &Path) -> Vec<String> {
    let variable = |name: &str| std::env::var(name).ok();
    let bus = variable("DBUS_SESSION_BUS_ADDRESS");
    let bus = bus.as_deref().and_then(|text| text.strip_prefix("unix:path="));
    let mut all: Vec<String> = ["/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket"]
        .map(str::to_owned)
        .into_iter()
        .chain(bus.and_then(|text| text.split(',').next()).map(str::to_owned))
        .chain(variable("SSH_AUTH_SOCK"))
        .chain(variable("XDG_RUNTIME_DIR").map(|path| format!("{path}/bus")))
        .chain(own.to_str().map(str::to_owned))
        .filter(|path| path.starts_with('/') && path.len() < 100 && !path.contains("/../"))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The addresses that this machine would send from; nothing is sent to find out.
pub(super) fn addresses() -> Vec<IpAddr> {
    let from = |bind: &str, to: &str| {
        let socket = UdpSocket::bind(bind).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    };
    [from("0.0.0.0:0", "192.0.2.1:9"), from("[::]:0", "[2001:db8::1]:9")].into_iter().flatten().collect()
}

/// Processes of this machine with this word in their command line.
pub(super) fn left(word: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|b| *b == 0).any(|part| part == word.as_bytes())
    };
    let own = std::process::id();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |name: &OsStr| name.to_str().and_then(|text| text.parse().ok());
    all.filter_map(|entry| number(&entry.file_name())).filter(|pid| *pid != own).filter(has).collect()
}
