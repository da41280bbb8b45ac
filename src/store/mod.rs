//! State on disk: the home directory, its lock, private files and the key file (design section 7).
//!
//! Defends against what another user, or a careless copy, may have put where our files belong: a
//! symlink, a foreign owner, a mode that lets others in, a FIFO, a directory, an endless file.
//! Nothing of that is repaired or followed; it is refused, and the error says what to do. A
//! program that runs as the same user is not kept out: one uid is one principal.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod beneath;
pub mod common;
pub mod disk;
pub mod foreign;
pub mod home;
pub mod identity;
pub mod journal;
pub mod keyfile;
pub mod lent;
pub mod lock;
mod pin;
pub mod private;
pub mod tree;

#[cfg(test)]
pub(crate) mod testing;

pub use beneath::{BaseError, Beneath, BeneathError};
pub use disk::{Disk, RealDisk};
pub use foreign::Foreign;
pub use home::{Home, HomeError};
pub use journal::{Journal, JournalError};
pub use keyfile::{KeyFile, KeyFileError};
pub use lent::{Borrower, Lent, LentError};
pub use lock::{Lock, LockError};
pub use private::FileError;
