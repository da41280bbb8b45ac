//! `GET /agentmux/file`, and AgentMux's routes that are not built.

use serde_json::json;

use super::*;
use crate::{limits, wire::base64};

const FILE: &str = "/agentmux/file?zoneid=block-of-coder&name=term";

fn info(answer: &Answer) -> Value {
    let header = answer.header("X-ZoneFileInfo").expect("there is one");
    serde_json::from_slice(&base64::decode(header).expect("base64")).expect("JSON")
}

fn instance(start: u64, output: &[u8]) -> Instance {
    let instance = Instance::new().with_agent("coder", &[]);
    instance.table.with("coder", |row| {
        row.record.output_start = start;
        row.output = output.to_vec();
    });
    instance
}

#[test]
fn the_file_of_a_block_is_its_output_with_its_description_in_a_header() {
    let instance = instance(0, b"\x1b[1mhello\xff");
    let answer = instance.get(FILE, OWNER);
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, &b"\x1b[1mhello\xff"[..]));
    assert_eq!(
        info(&answer),
        json!({"zoneid": "block-of-coder", "name": "term", "size": 10, "createdts": 7, "modts": 1_000_000,
               "opts": {"circular": true, "maxsize": limits::RING}, "meta": {}, "offset": 0, "gap": false})
    );
    let rest = instance.get("/wave/file?zoneid=block-of-coder&name=term&offset=4", OWNER);
    assert_eq!((rest.bytes.as_slice(), &info(&rest)["offset"]), (&b"hello\xff"[..], &json!(4)));
}

#[test]
fn what_is_not_there_is_named_as_agentmux_names_it() {
    let instance = instance(0, b"x");
    for (query, status, error) in [
        ("", 400, "missing zoneid"),
        ("?name=term", 400, "missing zoneid"),
        ("?zoneid=&name=term", 400, "missing zoneid"),
        ("?zoneid=block-of-coder", 400, "missing name"),
        ("?zoneid=nothing&name=term", 404, "file not found"),
        ("?zoneid=coder&name=term", 404, "file not found"),
        ("?zoneid=block-of-coder&name=cache:term:full", 404, "file not found"),
        ("?zoneid=block-of-coder&name=..%2Fterm", 404, "file not found"),
        ("?zoneid=block-of-coder&name=term&offset=-1", 400, "query parameter 'offset' is malformed"),
        ("?zoneid=a&zoneid=b&name=term", 400, "query parameter 'zoneid' is malformed"),
    ] {
        let answer = instance.get(&format!("/agentmux/file{query}"), OWNER);
        assert_eq!((answer.status, answer.error()), (status, error), "{query}");
        assert!(!answer.code().is_empty() && answer.header("X-ZoneFileInfo").is_none());
    }
}

#[test]
fn an_offset_that_is_no_longer_or_not_yet_kept_is_told_truthfully() {
    let instance = instance(100, b"kept");
    for (offset, bytes, from, size, gap) in [
        (0, &b"kept"[..], 100, 104, true),
        (99, b"kept", 100, 104, true),
        (100, b"kept", 100, 104, false),
        (102, b"pt", 102, 104, false),
        (104, b"", 104, 104, false),
        (u64::MAX, b"", 104, 104, false),
    ] {
        let answer = instance.get(&format!("{FILE}&offset={offset}"), OWNER);
        let info = info(&answer);
        assert_eq!((answer.status, answer.bytes.as_slice()), (200, bytes), "{offset}");
        assert_eq!((&info["offset"], &info["size"], &info["gap"]), (&json!(from), &json!(size), &json!(gap)));
    }
}

#[test]
fn a_whole_ring_is_one_answer_and_no_more() {
    let output: Vec<u8> = (0..limits::RING + 3 * limits::OUTPUT_CHUNK).map(|n| (n % 251) as u8).collect();
    let answer = instance(0, &output).get(FILE, OWNER);
    assert!(answer.bytes.len() >= limits::RING && answer.bytes.len() <= limits::RING + limits::OUTPUT_CHUNK);
    assert!(output.starts_with(&answer.bytes));
    assert_eq!(info(&answer)["size"], json!(answer.bytes.len()));
}

#[test]
fn a_page_that_may_ask_may_read_the_header() {
    let instance = instance(0, b"x");
    let answer = instance.get(FILE, &format!("{OWNER}Origin: http://localhost:5173\r\n"));
    assert_eq!(answer.header("Access-Control-Expose-Headers"), Some("X-ZoneFileInfo"));
    assert_eq!(instance.get(FILE, OWNER).header("Access-Control-Expose-Headers"), None);
    let foreign = instance.get(FILE, &format!("{OWNER}Origin: https://evil.example\r\n"));
    assert_eq!((foreign.status, foreign.header("Access-Control-Expose-Headers")), (403, None));
}

#[test]
fn answers_of_files_are_bounded_at_once() {
    let instance = instance(0, b"x");
    let taken: Vec<_> = (0..limits::FILE_READS).map(|_| instance.app.file_reads.enter()).collect();
    assert!(taken.iter().all(Option::is_some));
    let answer = instance.get(FILE, OWNER);
    assert_eq!((answer.status, answer.code()), (503, "too_many_waiters"));
    assert!(answer.error().contains(&limits::FILE_READS.to_string()));
    drop(taken);
    for _ in 0..2 * limits::FILE_READS {
        assert_eq!(instance.get(FILE, OWNER).status, 200, "a place is given back when the answer is taken");
    }
}

#[test]
fn agentmux_routes_that_are_not_built_are_501() {
    let instance = Instance::new();
    for path in [
        "/agentmux/stream-file",
        "/wave/stream-file",
        "/agentmux/stream-file/a",
        "/wave/stream-file/a/../b",
        "/agentmux/stream-local-file?path=/etc/passwd",
        "/wave/stream-local-file",
        "/api/post-chat-message",
    ] {
        let answer = instance.get(path, OWNER);
        let body = json!({"error": "not implemented", "code": "not_implemented"});
        assert_eq!((answer.status, answer.body), (501, body), "{path}");
        assert_eq!(instance.get(path, "").status, 401, "{path}");
    }
    assert_eq!(instance.post("/api/post-chat-message", OWNER, &json!({})).status, 501);
}
