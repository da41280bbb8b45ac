//! Starting a program as another user, who is shown what he is to reach.
//!
//! A sandbox that is built by an ordinary user reaches what that user reaches: not what lies under directories
//! of root that are closed to others. So the places are taken hold of as root, in a view of the mounts of the
//! program's own, and put into an empty /tmp there, each under its number. All of it happens between fork and
//! exec, with strings that were made before: system calls and nothing else.

#![forbid(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    io,
    process::Command,
};

use super::{calls, mounts};

/// The user and the group that a program is started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// not 0
    pub uid: u32,
    /// its only group
    pub gid: u32,
}

/// A place that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// where it lies
    pub source: CString,
    /// it is a directory, and otherwise a file
    pub directory: bool,
}

/// Where places are shown; each is named by its number in the list.
pub const PLACE: &str = "/tmp";

/// The step that failed, in the upper bits of an error's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// a view of the mounts of its own
    Mounts = 1,
    /// taking hold of a place
    Source = 2,
    /// the empty /tmp
    Tmp = 3,
    /// putting a place there
    Place = 4,
    /// becoming the user
    User = 5,
}

const STEPS: [Step; 5] = [Step::Mounts, Step::Source, Step::Tmp, Step::Place, Step::User];
const STEP_BITS: u32 = 16;

impl Step {
    /// The step that this error's number tells of; none of one that is the system's alone.
    pub fn of(errno: i32) -> Option<Self> {
        STEPS.into_iter().find(|step| *step as i32 == errno >> STEP_BITS)
    }

    /// The same error, telling of this step.
    fn failed(self, error: &io::Error) -> io::Error {
        let errno = error.raw_os_error().unwrap_or_default() & ((1 << STEP_BITS) - 1);
        io::Error::from_raw_os_error((self as i32) << STEP_BITS | errno)
    }
}

/// A place on its way.
struct Way {
    source: CString,
    target: CString,
    directory: bool,
    /// what is held of it, once it is
    held: i32,
}

/// Has `command` started as `user`, who finds these places below [`PLACE`]. Whatever else the command is to
/// prepare as that user comes after this call.
pub fn show(command: &mut Command, user: User, places: Vec<Staged>) -> io::Result<()> {
    if user.uid == 0 || user.gid == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let tmp = CString::new(PLACE)?;
    let mut ways = Vec::with_capacity(places.len());
    for (number, Staged { source, directory }) in places.into_iter().enumerate() {
        ways.push(Way { source, target: CString::new(format!("{PLACE}/{number}"))?, directory, held: -1 });
    }
    calls::before_exec(command, move || prepare(user, &tmp, &mut ways));
    Ok(())
}

fn prepare(user: User, tmp: &CStr, ways: &mut [Way]) -> io::Result<()> {
    mounts::make_own().map_err(|e| Step::Mounts.failed(&e))?;
    for way in &mut *ways {
        way.held = mounts::hold(&way.source).map_err(|e| Step::Source.failed(&e))?;
    }
    // Not before: a place may lie in there.
    mounts::empty(tmp).map_err(|e| Step::Tmp.failed(&e))?;
    for way in &*ways {
        mounts::put(way.held, &way.target, way.directory).map_err(|e| Step::Place.failed(&e))?;
    }
    mounts::become_user(user.uid, user.gid).map_err(|e| Step::User.failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_of_the_step_that_failed_and_others_of_none() {
        for step in STEPS {
            let told = step.failed(&io::Error::from_raw_os_error(libc::EPERM)).raw_os_error().unwrap();
            assert_eq!((Step::of(told), told & 0xffff), (Some(step), libc::EPERM));
        }
        for errno in [0, libc::ENOENT, 133, -1] {
            assert_eq!(Step::of(errno), None);
        }
    }

    #[test]
    fn nothing_is_started_as_root_on_purpose() {
        for (uid, gid) in [(0, 1), (1, 0)] {
            assert!(show(&mut Command::new("true"), User { uid, gid }, Vec::new()).is_err());
        }
    }
}
