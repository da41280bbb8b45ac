//! Looking at a journal without opening it.
//!
//! Nothing is cut, made or taken, whether an instance has it or not. What stands at each place is told,
//! also what an opening passes over.

use std::ops::ControlFlow;

use crate::store::{
    disk::Disk,
    journal::{
        JournalError, Settings,
        open::{Opened, Shown, lines, segments},
        scan::UNENDED,
    },
};

/// What stands at the next place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// the segment of this name begins
    Segment(&'a str),
    /// a line that checks and counts: its JSON
    Line(&'a [u8]),
    /// something else, and what is wrong with it
    Bad(&'static str),
    /// the end of the segment, in the middle of a line
    Torn,
}

/// Shows what stands in every segment, oldest first. [`JournalError::Gone`]: one was removed
/// meanwhile, and looking again from the beginning helps.
pub fn inspect(
    disk: &dyn Disk,
    settings: &Settings,
    each: &mut dyn FnMut(Seen<'_>),
) -> Result<(), JournalError> {
    let mut segments = segments(disk, &mut Opened::default())?;
    let ends = segments.iter().skip(1).map(|next| next.base).chain([u64::MAX]).collect::<Vec<_>>();
    for (known, end) in segments.iter_mut().zip(ends) {
        let file = disk.open(&known.name())?;
        known.bytes = file.len()?;
        each(Seen::Segment(&known.name()));
        lines(&*file, known, end, settings, &mut |shown| {
            each(match shown {
                Shown::Line(line) => Seen::Line(line.json),
                Shown::Superseded { .. } => Seen::Bad("its number is another line's"),
                Shown::Bad { why: UNENDED, .. } => Seen::Torn,
                Shown::Bad { why, .. } => Seen::Bad(why),
            });
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Journal, disk::testing::Model};

    fn seen(model: &Model) -> Vec<String> {
        let mut all = Vec::new();
        let result = inspect(&*model.disk(), &Settings::default(), &mut |seen| {
            all.push(match seen {
                Seen::Segment(name) => name.to_owned(),
                Seen::Line(json) => String::from_utf8_lossy(json).into_owned(),
                Seen::Bad(why) => why.to_owned(),
                Seen::Torn => "torn".to_owned(),
            });
        });
        assert_eq!(result, Ok(()));
        all
    }

    #[test]
    fn looking_at_a_journal_tells_of_every_place_and_changes_nothing() {
        let model = Model::new();
        assert!(seen(&model).is_empty());
        let (journal, _) = Journal::open(model.disk(), Settings::default(), &mut |_| {}).expect("a journal");
        for name in ["a", "b"] {
            let _ticket = journal.append(|_, out| out.extend_from_slice(format!("\"{name}\":1").as_bytes()));
        }
        assert_eq!(journal.flush(), Ok(()));
        let (name, content) = model.files().into_iter().next().expect("a segment");
        let first: Vec<u8> = content.split_inclusive(|byte| *byte == b'\n').next().unwrap_or(&[]).to_vec();
        let content = [&content[..], &first, b"nonsense\n0000"].concat();
        model.put(&name, &content);
        model.put("key", b"no segment");
        let operations = model.operations();
        let wanted = [
            &name,
            "{\"n\":1,\"a\":1}",
            "{\"n\":2,\"b\":1}",
            "its number is another line's",
            "no sum",
            "torn",
        ];
        assert_eq!(seen(&model), wanted);
        let read =
            |line: &String| line.starts_with("open") || line.starts_with("read") || line.starts_with("l");
        assert!(model.log().iter().skip(operations).all(read), "{:?}", model.log());
        assert_eq!(model.files().get(&name), Some(&content));
    }
}
