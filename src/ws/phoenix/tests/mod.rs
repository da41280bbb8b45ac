//! A session and its client: what is answered, what is pushed, what ends.

mod asks;
mod controls;
mod pushes;
