//! The command line (being built).
pub mod serve;
