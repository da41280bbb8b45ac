//! The system call filter of a sandbox, as data (`man 2 seccomp`).
//!
//! What an agent's program needs is allowed; what reaches far into the kernel, into other processes or around the
//! sandbox is not. The program is built by a pure function for each architecture that it is known for, so that
//! tests run both on any machine; elsewhere there is none.
//!
//! Each check is whole in itself: a comparison, and what follows from it. So no jump is longer than the one
//! check, however many there are (a jump of this machine has 8 bits).

#![forbid(unsafe_code)]

#[cfg(any(test, fuzzing))]
mod machine;
mod rule;
mod table;

use std::io;

#[cfg(any(test, fuzzing))]
pub use machine::fuzz;

use super::calls;
use rule::program;

/// An architecture whose system calls we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit x86
    X86_64,
    /// 64-bit ARM
    Aarch64,
}

impl Arch {
    /// The one that this program is built for.
    pub fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            // The x32 ABI calls itself so too.
            "x86_64" if cfg!(target_pointer_width = "64") => Some(Self::X86_64),
            "aarch64" if cfg!(target_endian = "little") => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// What the kernel calls it (`AUDIT_ARCH_*`).
    fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}

/// Puts the filter in force for this thread and all that it starts, for good. The process must have given up new
/// privileges. `Unsupported` on other architectures.
pub fn install() -> io::Result<()> {
    let arch = Arch::here().ok_or(io::ErrorKind::Unsupported)?;
    let mut filter: Vec<libc::sock_filter> = program(arch)
        .iter()
        .map(|step| libc::sock_filter { code: step.code, jt: step.jt, jf: step.jf, k: step.k })
        .collect();
    calls::filter(&mut filter)
}

/// The same filter as the bytes of `struct sock_filter`, for who starts others under it. `None` on other
/// architectures.
pub fn encoded() -> Option<Vec<u8>> {
    let bytes = |step: &rule::Step| {
        let [a, b] = step.code.to_ne_bytes();
        let [c, d, e, f] = step.k.to_ne_bytes();
        [a, b, step.jt, step.jf, c, d, e, f]
    };
    Arch::here().map(|arch| program(arch).iter().flat_map(bytes).collect())
}
