//! `GET /agentmux/file`: the output of a block as one file (spec agentmux B.13), and AgentMux's
//! routes that are not built.
//!
//! The file `term` is what the ring of the terminal keeps: the answer's `X-ZoneFileInfo` says at
//! which offset its bytes begin, and whether some of those asked for are no longer kept. Answers
//! are large, so only so many are held at once, each until its reader has taken it.

use serde_json::json;

use super::{
    App,
    agents::too_many,
    request::{Fault, Request, Result},
};
use crate::{
    admit::Caller,
    gate::{Reply, Response},
    limits,
    wire::{base64, head::Name},
};

/// The one file that a block has.
const TERM: &str = "term";

/// `GET /agentmux/file?zoneid=&name=&offset=`.
pub(super) fn file(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let given = |name, code, sentence| {
        let value = request.param(name)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| Fault::new(400, code, sentence))
    };
    let zone = given("zoneid", "missing_zoneid", "missing zoneid")?;
    let name = given("name", "missing_name", "missing name")?;
    let offset = request.whole_param("offset")?.unwrap_or(0);
    let not_found = || Fault::new(404, "file_not_found", "file not found");
    let record = app.fleet.record_of_block(&zone).filter(|_| name == TERM).ok_or_else(not_found)?;
    let place = app.file_reads.enter().ok_or_else(|| too_many("answers of files", limits::FILE_READS))?;
    let kept = read(app, &zone, offset).ok_or_else(not_found)?;
    let info = json!({
        "zoneid": zone,
        "name": TERM,
        "size": kept.from.saturating_add(kept.bytes.len() as u64),
        "createdts": record.started_at,
        // When its size was looked at: nobody notes when a terminal last showed something.
        "modts": app.clock.unix_ms(),
        "opts": { "circular": true, "maxsize": limits::RING },
        "meta": {},
        "offset": kept.from,
        "gap": kept.gap,
    });
    let response = Response::bytes(200, "application/octet-stream", kept.bytes)
        .with("X-ZoneFileInfo", base64::encode(info.to_string().as_bytes()));
    // A foreign Origin never came this far.
    let response = match request.head.text_of(Name::Origin) {
        Some(_) => response.with("Access-Control-Expose-Headers", "X-ZoneFileInfo"),
        None => response,
    };
    Ok(Reply::Told(response, Box::new(move |_| drop(place))))
}

/// What is kept of an output from an offset on.
struct Kept {
    /// offset of the first byte; where there is none, of the next that will come
    from: u64,
    bytes: Vec<u8>,
    /// bytes between what was asked for and `from` are gone
    gap: bool,
}

/// At most [`limits::RING`] bytes and one chunk. Where the output runs away meanwhile, what was read
/// before the gap is given up: the answer is one piece.
fn read(app: &App, block_id: &str, offset: u64) -> Option<Kept> {
    let mut kept = Kept { from: offset, bytes: Vec::new(), gap: false };
    loop {
        let next = kept.from.saturating_add(kept.bytes.len() as u64);
        let piece = match app.fleet.output_of_block(block_id, Some(next), limits::OUTPUT_CHUNK)? {
            Ok(piece) => piece,
            Err(beyond) => return Some(Kept { from: beyond.end, bytes: Vec::new(), gap: false }),
        };
        if piece.gap {
            kept = Kept { from: piece.from, bytes: Vec::new(), gap: true };
        }
        kept.bytes.extend_from_slice(&piece.bytes);
        if piece.bytes.is_empty() || kept.bytes.len() >= limits::RING {
            return Some(kept);
        }
    }
}

/// AgentMux's routes that answer 501 there too (spec agentmux B.2).
pub(super) fn not_implemented(_: &App, _: &Caller, _: &Request<'_>) -> Result {
    Err(Fault::new(501, "not_implemented", "not implemented"))
}
