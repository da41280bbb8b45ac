//! The page of routes is the table of routes.

use loopgate::api::table::{Scope, routes};

#[path = "support/sources.rs"]
mod sources;

#[test]
fn generated_documents_routes_are_up_to_date() {
    let mut text = String::from(
        "# Routes\n\nEvery route of the program, from `src/api/table.rs`; `loopgate exposure --routes` prints the \
         same. A path that is not here\ndoes not exist. A segment with a colon stands for any one. A GET route answers HEAD too. \
         A body is JSON, at most as large as said.\n\n\
         | method | path | surface | who may call | body | what it does |\n|---|---|---|---|---|---|\n",
    );
    for route in routes() {
        let alias = route.alias.map(|alias| format!(", also `{alias}`")).unwrap_or_default();
        let scopes: Vec<&str> = route.scopes.iter().copied().map(Scope::as_str).collect();
        let body = match route.body_limit {
            0 => "none".to_owned(),
            bytes if route.optional_body => format!("none or {} KiB", bytes / 1024),
            bytes => format!("{} KiB", bytes / 1024),
        };
        text += &format!(
            "| {} | `{}`{alias} | {:?} | {} | {body} | {} |\n",
            route.method.as_str(),
            route.path,
            route.surface,
            scopes.join(", "),
            route.doc.replace('<', "&lt;")
        );
    }
    text += "\n`OPTIONS` on any path is a preflight and needs no credential. What is opened to `loopback` is opened to \
             processes of this\nuser outside of agents, and only where no API token is configured (config token: on its \
             two routes, neither).\n";
    sources::up_to_date("docs/routes.md", &text);
}
