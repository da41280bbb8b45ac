//! The only `unsafe` code of the program: what std does not offer of Linux.
//!
//! Every block has a SAFETY comment, and the files that hold any stay under 600 lines of code
//! together; what only reads the kernel's answers (diag, proc) forbids it.

#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(not(target_os = "linux"))]
compile_error!("loopgate runs on Linux only: what it proves, it asks the Linux kernel for");

pub mod attempt;
pub mod beneath;
mod calls;
pub mod clock;
pub mod diag;
pub mod env;
pub mod inherited;
pub mod interface;
pub mod landlock;
pub mod memory;
pub mod mount;
mod mounts;
pub mod pass;
pub mod poll;
pub mod proc;
pub mod process;
pub mod pty;
pub mod random;
pub mod rename;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod socket_kind;
pub mod stage;
pub mod tty;
pub mod usage;
mod wake;

/// The error of a call that answers -1 for one.
fn checked(answer: libc::c_int) -> std::io::Result<()> {
    if answer == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
