//! Delivery: what reaches an agent, how fast, and what is remembered of it.
//!
//! Text is cleaned before it is typed ([`sanitise`]), counted against limits ([`rate`]), sent
//! where the directory says ([`directory`]) and written down without its words ([`audit`]). What
//! may not be typed waits ([`mail`]). Who the caller is was decided before (admit/).

#![forbid(unsafe_code)]

pub mod audit;
pub mod directory;
pub mod mail;
pub mod rate;
pub mod sanitise;
