//! The mailbox: how long a start with a million messages takes and what memory it leaves, listing all of
//! it in pages, and the memory of an instance with 1,024 mailboxes of 100 messages each.
//!
//! The lines are written here as the program writes them (store/journal and bus/mail), so that a
//! million are there in seconds; the instance then opens them like any others, and says how many.

use std::{
    fs,
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    child, http,
    instance::Instance,
    report::{Goal, Report},
};

/// Most messages that one mailbox holds.
const MAILBOX: usize = 1_000;

/// All that is measured of it.
pub fn mail(binary: &Path, total: usize, report: &mut Report) -> io::Result<()> {
    let empty = Instance::start(binary, &[])?;
    let idle = child::resident(empty.server.pid())?;
    let without = empty.ready_after;
    drop(empty);

    let home = Home::with(total, MAILBOX)?;
    let ours = Instance::start(binary, &[("LOOPGATE_HOME", home.path())])?;
    let pid = ours.server.pid();
    let quick = total < 1_000_000;
    let goal = if quick { Goal::None } else { Goal::Below(3.0) };
    let name = |what: &str| format!("mail, {total} messages: {what}");
    let opening = ours.ready_after.saturating_sub(without).as_secs_f64();
    report.figure(&name("opened after"), opening, "s", goal);
    let opened = child::resident(pid)?;
    let each = opened.saturating_sub(idle) as f64 / total as f64;
    report.figure(&name("resident for each"), each, "bytes", Goal::None);

    let mut connection = http::connect(ours.server.address)?;
    let mut get = |target: &str| -> io::Result<Value> {
        let answer = http::exchange(&mut connection, &http::get(ours.server.address, target, &ours.key))?;
        if answer.status != 200 {
            return Err(io::Error::other(format!("{target}: {}", answer.status)));
        }
        Ok(serde_json::from_slice(answer.body())?)
    };
    let status = get("/api/v1/status")?;
    if status["messages_waiting"] != json!(total) {
        return Err(io::Error::other(format!("{} of {total} messages wait", status["messages_waiting"])));
    }
    let (since, mut listed) = (Instant::now(), 0);
    for mailbox in 0..total.div_ceil(MAILBOX) {
        let mut after = json!(0);
        loop {
            let page = get(&format!("/api/v1/agents/bench{mailbox}/inbox?after={after}&limit=500"))?;
            listed += page["messages"].as_array().map_or(0, Vec::len);
            after = page["next"].clone();
            if page["more"] != true {
                break;
            }
        }
    }
    if listed != total {
        return Err(io::Error::other(format!("{listed} of {total} messages were listed")));
    }
    report.figure(&name("all listed after"), since.elapsed().as_secs_f64(), "s", Goal::None);
    let grown = child::resident(pid)?.saturating_sub(opened) as f64 / 1e6;
    report.figure(&name("resident grew, listing all"), grown, "MB", Goal::Below(8.0));
    drop(ours);

    let (boxes, in_each) = if quick { (128, 100) } else { (1_024, 100) };
    let home = Home::with(boxes * in_each, in_each)?;
    let ours = Instance::start(binary, &[("LOOPGATE_HOME", home.path())])?;
    let more = child::resident(ours.server.pid())?.saturating_sub(idle) as f64 / 1e6;
    report.figure(
        &format!("mail, {boxes} mailboxes of {in_each}: resident, above idle"),
        more,
        "MB",
        Goal::None,
    );
    Ok(())
}

/// A home whose mailbox is full of messages; removed when dropped.
struct Home(PathBuf);

impl Home {
    fn with(total: usize, in_each: usize) -> io::Result<Self> {
        let home = Self(std::env::temp_dir().join(format!("loopgate-bench-mail-{}", std::process::id())));
        let _ = fs::remove_dir_all(&home.0);
        let folder = home.0.join("mail");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_err(io::Error::other)?
            .as_millis();
        let (mut file, mut bytes, mut segment) = (None::<BufWriter<fs::File>>, 0, 0);
        for at in 0..total {
            let number = at + 1;
            let line = format!(
                "{{\"n\":{number},\"op\":\"put\",\"to\":\"bench{}\",\"caller\":\"owner\",\"id\":\"{number:08x}-0000-4000-8000-\
                 000000000000\",\"at\":{now},\"ttl\":86400000,\"kind\":\"send\",\"prio\":\"normal\",\"sum\":{number},\"size\":24,\
                 \"claim\":false,\"from\":\"owner\",\"cor\":null,\"re\":null,\"text\":\"twenty-four bytes of text\"}}",
                at / in_each
            );
            if file.is_none() || bytes + line.len() + 10 > 8 * 1024 * 1024 {
                segment += 1;
                bytes = 0;
                let name = folder.join(format!("{segment:08x}-{number:016x}.seg"));
                let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(name)?;
                if let Some(mut full) = file.replace(BufWriter::new(made)) {
                    full.flush()?;
                }
            }
            if let Some(file) = &mut file {
                writeln!(file, "{:08x} {line}", crc32(line.as_bytes()))?;
                bytes += line.len() + 10;
            }
        }
        if let Some(mut last) = file {
            last.flush()?;
        }
        Ok(home)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// CRC-32 as in zlib, byte by byte.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
