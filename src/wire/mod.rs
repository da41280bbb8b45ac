//! Pure parsers and types that more than one side uses.
//!
//! Nothing here does I/O, reads a clock or a random number: bytes in, meaning or an error out.
//! Every parser of outside bytes is fuzzed, and its fuzz entry stands beside it.

#![forbid(unsafe_code)]

pub mod address;
pub mod base64;
pub mod clock;
pub mod crc32;
pub mod date;
pub mod document;
pub mod head;
pub mod host;
pub mod id;
pub mod intake;
pub mod json;
pub mod nearest;
pub mod node;
pub mod origin;
pub mod query;
pub mod secret;
pub mod sha1;
pub mod uuid;
