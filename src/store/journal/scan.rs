//! Reads a segment from its beginning to a given end, line by line.
//!
//! In memory that does not depend on what is in it: a line over the limit is passed over without being
//! kept. Whether a line counts, and what a torn end means, its callers decide.

use std::{
    io::{self, BufRead, BufReader, Read},
    ops::ControlFlow,
};

use crate::store::{disk::DiskFile, journal::line};

/// What is wrong with a line that the end of its segment cuts.
pub(super) const UNENDED: &str = "it does not end";

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// What stands at a place of a segment.
pub(super) enum Found<'a> {
    /// a line that checks; `length` counts its newline
    Line { number: u64, json: &'a [u8], offset: u64, length: usize },
    /// anything else, and what is wrong with it
    Bad { offset: u64, why: &'static str },
}

/// Shows what stands from an offset on in the first `len` bytes, as far as it is wanted. `longest` counts the newline.
pub(super) fn scan(
    file: &dyn DiskFile,
    mut offset: u64,
    len: u64,
    longest: usize,
    each: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    let part = Reader { file, offset }.take(len.saturating_sub(offset));
    let mut reader = BufReader::with_capacity(CHUNK, part);
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = (&mut reader).take(longest as u64).read_until(b'\n', &mut text)?;
        if length == 0 {
            return Ok(());
        }
        let mut passed = length as u64;
        let more = match text.strip_suffix(b"\n") {
            Some(line) => match line::parse(line) {
                Ok((number, json)) => each(Found::Line { number, json, offset, length }),
                Err(why) => each(Found::Bad { offset, why }),
            },
            None if length == longest => {
                passed = passed.saturating_add(reader.skip_until(b'\n')? as u64);
                each(Found::Bad { offset, why: "too long" })
            }
            None => each(Found::Bad { offset, why: UNENDED }),
        };
        if more.is_break() {
            return Ok(());
        }
        offset = offset.saturating_add(passed);
    }
}

/// A file from some offset on, as a stream.
struct Reader<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.offset, buffer)?;
        self.offset = self.offset.saturating_add(read as u64);
        Ok(read)
    }
}
