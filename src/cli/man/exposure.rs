//! `loopgate-exposure.7`: what an instance may have open, its limits and its routes.
//!
//! What it may have open is the table of docs/exposure.md; limits and routes are the tables that the program
//! itself goes by.

use super::mdoc::{Page, sentence};
use crate::{api::table::routes, limits};

/// The document that says what is open.
const DOCUMENT: &str = include_str!("../../../docs/exposure.md");

/// The page.
pub fn page() -> String {
    let mut page = Page::new("loopgate-exposure", 7, "what an instance has open, its limits and its routes");
    page.section("DESCRIPTION");
    page.text(
        "What an instance of `loopgate` may have open is declared here. `loopgate exposure` lays that beside what \
         the kernel says is open, marks every difference, and ends with 1 where there is one. `loopgate exposure \
         --limits` and `--routes` print the tables below.",
    );
    page.section("WHAT IS OPEN");
    page.list(false);
    for row in rows(DOCUMENT, "## In one table") {
        let [what, address, purpose, who, default] = row;
        page.entry(&bare(what), &format!("default: {}", bare(default)));
        page.text(&format!("At: {address}."));
        page.text(&format!("For: {purpose}."));
        page.text(&format!("Used by: {who}."));
    }
    page.end();
    page.section("WHAT IS NEVER ON THE WIRE");
    page.list(true);
    for claim in claims(DOCUMENT, "## What is never on the wire") {
        page.entry("\u{2022}", "");
        page.text(claim);
    }
    page.end();
    page.section("LIMITS");
    page.text("At a limit the answer says which one it is.");
    page.list(true);
    for limit in limits::TABLE {
        page.entry(limit.name, &format!("{} {}", limit.value, limit.unit));
        page.text(&sentence(limit.meaning));
    }
    page.end();
    page.section("ROUTES");
    page.text(
        "Behind each stands who may call it. A request that is not admitted is answered before it is known \
         whether its path exists.",
    );
    page.list(true);
    for route in routes() {
        let scopes: Vec<&str> = route.scopes.iter().map(|scope| scope.as_str()).collect();
        page.entry(&format!("{} {}", route.method.as_str(), route.path), &scopes.join(", "));
        page.text(&sentence(route.doc));
        if let Some(alias) = route.alias {
            page.text(&format!("Also as `{alias}`."));
        }
    }
    page.end();
    page.section("SEE ALSO");
    page.text("`loopgate`(1), `loopgate-config`(5)");
    page.finish()
}

/// The lines of a section of a document.
fn section<'a>(document: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = document.lines().skip_while(move |line| *line != title).skip(1);
    lines.take_while(|line| !line.starts_with("## "))
}

/// The rows of a section's table of five columns, without its heading.
fn rows<'a>(document: &'a str, title: &'a str) -> Vec<[&'a str; 5]> {
    let cells = |line: &'a str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        <[&str; 5]>::try_from(cells).ok()
    };
    section(document, title).filter_map(cells).skip(1).collect()
}

/// What a section claims, line by line, without the tests that keep it.
fn claims<'a>(document: &'a str, title: &'a str) -> Vec<&'a str> {
    let claim = |line: &'a str| {
        let line = line.strip_prefix("- ")?;
        Some(line.rsplit_once(" (test").map_or(line, |(claim, _)| claim))
    };
    section(document, title).filter_map(claim).collect()
}

/// Without the marks of a document.
fn bare(text: &str) -> String {
    text.replace(['`', '*'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_exposure_has_every_row_limit_and_route() {
        let rows = rows(DOCUMENT, "## In one table");
        assert!(rows.len() >= 12 && claims(DOCUMENT, "## What is never on the wire").len() >= 3, "{rows:?}");
        let text = page();
        let entry = |word: &str| format!(".It Ic \"\\&{}\"", word.replace('-', "\\-"));
        for [what, ..] in rows {
            assert!(text.contains(&entry(&bare(what))), "{what}");
        }
        for limit in limits::TABLE {
            assert!(text.contains(&entry(limit.name)), "{}", limit.name);
        }
        for route in routes() {
            assert!(
                text.contains(&entry(&format!("{} {}", route.method.as_str(), route.path))),
                "{}",
                route.path
            );
        }
    }
}
