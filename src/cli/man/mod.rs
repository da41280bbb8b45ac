//! The manual pages: `loopgate.1` from the table of commands, `loopgate-config.5` from the schema of configs,
//! `loopgate-exposure.7` from what is declared, the limits and the routes.
//!
//! Nothing is kept beside the tables, so no page can fall behind the program that prints it.

mod config;
mod exposure;
mod mdoc;
mod program;

/// The date on the pages: that of the last change of what they say beside the tables.
const DATE: &str = "November 22, 2026";

/// A page.
pub struct Page {
    /// what it is asked for by
    pub name: &'static str,
    /// its section of the manual
    pub section: u8,
    /// its text
    pub text: fn() -> String,
}

/// All pages.
pub static PAGES: [Page; 3] = [
    Page { name: NAMES[0], section: 1, text: program::page },
    Page { name: NAMES[1], section: 5, text: config::page },
    Page { name: NAMES[2], section: 7, text: exposure::page },
];

/// Their names.
pub const NAMES: [&str; 3] = ["loopgate", "loopgate-config", "loopgate-exposure"];

impl Page {
    /// The name of its file: `loopgate.1`.
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// What the file of a page of ours holds in its first lines, by which it is known.
    pub fn mark(&self) -> String {
        format!("\n.Dt {} {}\n", self.name.to_uppercase(), self.section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::{Audience, all};

    #[test]
    fn each_page_has_its_mark_and_no_line_that_mandoc_would_not_take() {
        for page in &PAGES {
            let text = (page.text)();
            assert!(text.contains(&page.mark()), "{}", page.name);
            assert!(text.is_ascii() && !text.contains('\t'), "{}", page.name);
            assert!(text.lines().all(|line| line == line.trim_end()), "{}", page.name);
        }
    }

    #[test]
    fn the_page_of_the_program_names_every_command_flag_and_example() {
        let text = (PAGES[0].text)();
        let escaped = |text: &str| text.replace('-', "\\-");
        for command in all().filter(|command| command.audience != Audience::Internal) {
            assert!(text.contains(&format!(".Cm \"\\&{}\"\n", escaped(command.name))), "{}", command.name);
            for flag in command.flags {
                let name = escaped(flag.name.trim_start_matches('-'));
                assert!(text.contains(&format!("Fl \"\\&\\-{name}\"")), "{} {}", command.name, flag.name);
            }
            for example in command.examples {
                // shown as it is, behind an indentation, within 80 columns
                assert!(example.chars().count() <= 69, "{example}");
            }
        }
    }
}
