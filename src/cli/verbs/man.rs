//! `man`: the manual pages, printed or written where `man` finds them.
//!
//! Files are written whole or not at all, and only over what is a page of this program: a file that somebody
//! else put there, a link or a directory is left alone. All are looked at before one is written.

use std::{path::Path, process::ExitCode};

use crate::cli::{
    display,
    man::{PAGES, Page},
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
    place::{Mode, Place, PlaceError},
};

/// Beginning of a file that is looked at for the mark of a page.
const BEGINNING: u64 = 256;

/// `loopgate man`.
pub fn man(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let asked = arguments.operand(0)?;
    if let Some(directory) = arguments.path("--to") {
        if asked.is_some() {
            return Err(usage("man: --to writes all pages".to_owned()));
        }
        write(&directory, output)?;
        return Ok(Exit::Ok.into());
    }
    let name = asked.unwrap_or(PAGES[0].name);
    // the parser takes no other name
    let page = PAGES.iter().find(|page| page.name == name);
    let page = page.ok_or_else(|| usage("man: there is no such page".to_owned()))?;
    output.bytes((page.text)().as_bytes())?;
    Ok(Exit::Ok.into())
}

fn write(directory: &Path, output: &mut Output) -> Result<(), Failure> {
    let place = Place::make(directory).map_err(|error| failure(directory, &error))?;
    let failed = |page: &Page, error| failure(&directory.join(folder(page)), &error);
    for page in &PAGES {
        let occupied = || PlaceError::Occupied { name: page.file() };
        let beginning = place.beginning(&folder(page), &page.file(), BEGINNING);
        match beginning.map_err(|error| failed(page, error))? {
            Some(bytes) if !String::from_utf8_lossy(&bytes).contains(&page.mark()) => {
                return Err(failed(page, occupied()));
            }
            Some(_) | None => {}
        }
    }
    for page in &PAGES {
        let text = (page.text)();
        // Pages are for everybody.
        place
            .write(&folder(page), &page.file(), Mode::Everybodys, text.as_bytes())
            .map_err(|error| failed(page, error))?;
        let path = directory.join(folder(page)).join(page.file());
        output.say(&format!("wrote {}", display::line(&path.to_string_lossy())));
    }
    Ok(())
}

/// `man1`
fn folder(page: &Page) -> String {
    format!("man{}", page.section)
}

fn failure(at: &Path, error: &PlaceError) -> Failure {
    let at = display::line(&at.to_string_lossy());
    let (what, next) = match error {
        PlaceError::Occupied { name } => (
            format!("{name} is no page or directory of loopgate's, and was left alone"),
            "move it away, or name another directory with --to",
        ),
        PlaceError::NotDirectory | PlaceError::Io { .. } => {
            (error.to_string(), "name a directory of yours: `loopgate man --to ~/.local/share/man`")
        }
    };
    Failure::new(Exit::CannotCreate, format!("{at}: {what}")).next(next)
}
