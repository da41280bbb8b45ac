//! `man`: the manual pages, printed or written where `man` finds them.
//!
//! Files are written whole or not at all, and only over what is a page of this program: a file that somebody
//! else put there, a link or a directory is left alone.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::ExitCode,
};

use crate::cli::{
    display,
    man::{PAGES, Page},
    outcome::{Exit, Failure},
    output::Output,
    parse::{Arguments, usage},
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
        for page in &PAGES {
            let path = directory.join(format!("man{}", page.section)).join(page.file());
            write(page, &path).map_err(|error| trouble(&path, &error))?;
            output.say(&format!("wrote {}", display::line(&path.to_string_lossy())));
        }
        return Ok(Exit::Ok.into());
    }
    let name = asked.unwrap_or(PAGES[0].name);
    // the parser takes no other name
    let page = PAGES.iter().find(|page| page.name == name);
    let page = page.ok_or_else(|| usage("man: there is no such page".to_owned()))?;
    output.bytes((page.text)().as_bytes())?;
    Ok(Exit::Ok.into())
}

/// Why a page was not written.
enum Trouble {
    /// something else is there
    Foreign,
    /// the system says no
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn write(page: &Page, path: &Path) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    if !may_be_replaced(page, path)? {
        return Err(Trouble::Foreign);
    }
    let beside = folder.join(format!(".{}.{}", page.file(), std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside).and_then(|mut file| {
            file.write_all((page.text)().as_bytes())?;
            // whatever this shell's umask is: pages are for everybody
            file.set_permissions(Permissions::from_mode(0o644))?;
            fs::rename(&beside, path)
        });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(Trouble::Io)
}

/// Whether there is nothing yet, or an earlier page of ours.
fn may_be_replaced(page: &Page, path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(about) if !about.is_file() => return Ok(false),
        Ok(_) => {}
    }
    let mut beginning = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut beginning)?;
    Ok(String::from_utf8_lossy(&beginning).contains(&page.mark()))
}

fn trouble(path: &Path, trouble: &Trouble) -> Failure {
    let shown = display::line(&path.to_string_lossy());
    match trouble {
        Trouble::Foreign => {
            Failure::new(Exit::CannotCreate, format!("{shown} is no page of loopgate, and was left alone"))
                .next("move it away, or name another directory with --to")
        }
        Trouble::Io(error) => Failure::new(Exit::CannotCreate, format!("{shown} cannot be written: {error}"))
            .next("name a directory of yours: `loopgate man --to ~/.local/share/man`"),
    }
}
