//! What must hold for any stream of bytes, asserted; driven by cargo-fuzz and the replayed corpus.

use super::Body;
use crate::{
    limits,
    wire::{
        head::{Head, HeadError, Scan},
        intake::Intake,
    },
};

/// What a connection makes of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// a whole request: its parts, and its body
    Request(String, Vec<u8>),
    /// a head that is refused; nothing is read behind it
    Refused(HeadError),
    /// the stream ended inside a request of which this many bytes are here
    Unfinished(usize),
}

/// However a stream is cut into reads, the same requests come out of it, and they are those of one
/// plain reading: head, as many bytes as it declares, the next head. So no byte is used twice, none
/// is skipped, and no request is born from a body.
pub fn fuzz(data: &[u8]) {
    let expected = plainly(data);
    assert_eq!(piecewise(data, || usize::MAX), expected, "read at once");
    assert_eq!(piecewise(data, || 1), expected, "read byte by byte");
    // Cuts that depend on the data, so that a fuzzer can move them.
    let mut state = data.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 97) as usize + 1
    };
    assert_eq!(piecewise(data, random), expected, "read in pieces");
}

/// What the gate does: through [`Intake`] and [`super::Body`], in reads of these sizes.
fn piecewise(mut data: &[u8], mut size: impl FnMut() -> usize) -> Vec<Seen> {
    let mut read = |space: &mut [u8]| {
        assert!(!space.is_empty(), "a read without room would look like the stream's end");
        let count = data.len().min(space.len()).min(size());
        space[..count].copy_from_slice(&data[..count]);
        data = &data[count..];
        count
    };
    let mut intake = Intake::default();
    let mut seen = Vec::new();
    loop {
        assert!(intake.unused().len() <= limits::HEAD, "more than a head is kept");
        match intake.head() {
            Err(error) => {
                seen.push(Seen::Refused(error));
                return seen;
            }
            Ok(Some(head)) => {
                let mut body = Body::of(&mut intake, head.content_length());
                while !body.is_complete() {
                    let count = read(body.space());
                    if count == 0 {
                        seen.push(Seen::Unfinished(body.bytes().len()));
                        return seen;
                    }
                    body.filled(count);
                }
                seen.push(Seen::Request(described(&head), body.bytes().to_vec()));
            }
            Ok(None) => {
                let count = read(intake.space());
                if count == 0 {
                    seen.push(Seen::Unfinished(intake.rest().len()));
                    return seen;
                }
                intake.filled(count);
            }
        }
    }
}

/// The same over the whole stream at once, without any buffer.
fn plainly(mut data: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        let head = match Scan::default().advance(data) {
            Ok(None) => {
                seen.push(Seen::Unfinished(data.len()));
                return seen;
            }
            Ok(Some(end)) => {
                let (head, rest) = data.split_at(end);
                data = rest;
                Head::parse(head)
            }
            Err(error) => Err(error),
        };
        match head {
            Err(error) => {
                seen.push(Seen::Refused(error));
                return seen;
            }
            Ok(head) if head.content_length() > data.len() => {
                seen.push(Seen::Unfinished(data.len()));
                return seen;
            }
            Ok(head) => {
                let (body, rest) = data.split_at(head.content_length());
                data = rest;
                seen.push(Seen::Request(described(&head), body.to_vec()));
            }
        }
    }
}

fn described(head: &Head) -> String {
    let fields: Vec<_> = head.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    format!("{} {:?} {fields:?}", head.label(), head.query())
}
