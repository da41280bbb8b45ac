//! What is protected in a workspace: what programs of the host run by themselves when somebody looks at it there.
//!
//! A file or directory of these names is read-only in the sandbox, and so is one that is not there: then an empty
//! directory stands in its place while an agent works there. An empty directory, because git does not see
//! one, and because nobody takes it for a file with something in it.

/// At the top of the workspace: start-up files of shells and editors, tasks of editors, settings of agents.
pub(super) const CLOSED: [&str; 28] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".inputrc",
    ".envrc",
    ".mcp.json",
    ".vscode",
    ".idea",
    ".zed",
    ".cursor",
    ".claude",
    ".devcontainer",
    ".husky",
    ".nvim.lua",
    ".nvimrc",
    ".exrc",
    ".vimrc",
    ".dir-locals.el",
];

/// Where a git directory is looked for.
pub(super) const GIT: &str = ".git";
/// What makes the workspace itself a git directory, where it has none in it.
pub(super) const HEAD: &str = "HEAD";
/// In a git directory: a directory of programs that git runs.
pub(super) const HOOKS: &str = "hooks";
/// In a git directory: what may name programs for git to run, or lead to other settings, and what stands there
/// where there is none. Git does not read an empty `commondir`, and takes `.` for none.
pub(super) const SETTINGS: [(&str, &[u8]); 3] =
    [("config", b""), ("config.worktree", b""), ("commondir", b".\n")];
/// In a git directory: a directory that is written to, and its one file that says what is done to others.
pub(super) const INFO: (&str, &str) = ("info", "attributes");

/// What [`super`] has put at this path below a workspace, by its name; `None` of a name that it never puts.
pub(super) fn placeholder(relative: &str) -> Option<Option<&'static [u8]>> {
    let name = relative.strip_prefix(".git/").unwrap_or(relative);
    if let Some((_, bytes)) = SETTINGS.iter().find(|(setting, _)| *setting == name) {
        return Some(Some(bytes));
    }
    if name.strip_prefix(INFO.0).is_some_and(|rest| rest.strip_prefix('/') == Some(INFO.1)) {
        return Some(Some(b""));
    }
    let at_top = CLOSED.contains(&relative) || [GIT, HEAD].contains(&relative);
    (at_top || [HOOKS, INFO.0].contains(&name)).then_some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_put_is_ever_taken_away() {
        assert_eq!(placeholder(".bashrc"), Some(None));
        assert_eq!(placeholder(".git/config"), Some(Some(&b""[..])));
        assert_eq!(placeholder(".git/commondir"), Some(Some(&b".\n"[..])));
        assert_eq!(placeholder(".git/info/attributes"), Some(Some(&b""[..])));
        assert_eq!(placeholder(".git/hooks"), Some(None));
        for never in
            ["", ".", "..", "/etc/passwd", "src", ".git/../x", ".git/.bashrc", ".git/HEAD", "a/.bashrc"]
        {
            assert_eq!(placeholder(never), None, "{never}");
        }
    }
}
