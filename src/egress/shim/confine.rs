//! What the shim takes from itself for good before the program runs: Landlock, then the system call filter.
//!
//! The sandbox around it shows the program nothing that it must not have. These are for the day on which that
//! has a hole: fewer calls reach the kernel, and what is not to be written or connected to is refused twice.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt, fs::OpenOptionsExt},
    },
    path::Path,
};

use super::{Layers, Order, Place, Step, inside::Failed};
use crate::sys::{
    landlock::{self, Rules},
    process, seccomp,
};

/// Private to the sandbox, and all its own.
const OWN: [&str; 5] = ["/tmp", "/run", "/home", "/dev/shm", "/dev/mqueue"];
/// Holds terminals and the like, which are written to but not made.
const DEVICES: &str = "/dev";

/// The places as they stand, if they are what the instance saw.
pub(super) fn places(order: &Order) -> io::Result<Vec<(&Place, File)>> {
    order.places.iter().map(|place| Ok((place, is_meant(place)?))).collect()
}

/// Holds a place, if it is what the instance saw and no link leads to it.
fn is_meant(place: &Place) -> io::Result<File> {
    let path = Path::new(std::ffi::OsStr::from_bytes(&place.path));
    let held = hold(path)?;
    let found = held.metadata()?;
    // Two names of one thing, or a link on the way that somebody can turn, are not what was meant either.
    if (found.dev(), found.ino()) != (place.device, place.inode) || path.canonicalize()? != path {
        return Err(io::Error::from_raw_os_error(libc::ESTALE));
    }
    Ok(held)
}

/// Holds what stands there without opening it.
fn hold(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)
}

/// Applies both.
pub(super) fn confine(order: &Order, places: Vec<(&Place, File)>) -> Result<Layers, Failed> {
    process::no_new_privileges().map_err(Failed::at(Step::Landlock))?;
    let (landlock, connect) = landlock(order, places).map_err(Failed::at(Step::Landlock))?;
    seccomp::install().map_err(Failed::at(Step::Seccomp))?;
    Ok(Layers {
        seccomp: true,
        landlock,
        connect: connect && landlock.is_some_and(|version| version >= landlock::CONNECT),
        scoped: landlock.is_some_and(|version| version >= landlock::SCOPES),
    })
}

/// The version that is in force, and whether the port was to be limited.
fn landlock(order: &Order, places: Vec<(&Place, File)>) -> io::Result<(Option<u8>, bool)> {
    let connect = order.port.filter(|_| !order.localhost);
    let Some(version) = landlock::version()? else { return Ok((None, false)) };
    let mut own = Vec::new();
    for path in OWN {
        match hold(Path::new(path)) {
            Ok(held) => own.push(held),
            // Nothing can be written to what is not there, nor be made beside it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    own.extend(places.into_iter().filter(|(place, _)| place.writable).map(|(_, held)| held));
    let mut devices = vec![hold(Path::new(DEVICES))?];
    if order.terminal {
        // Its name is not in the sandbox; `/dev/stdout` leads to it.
        devices.push(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    }
    landlock::apply(&Rules { version, own: &own, devices: &devices, connect })?;
    Ok((Some(version), connect.is_some()))
}
