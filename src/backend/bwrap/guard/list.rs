//! What is protected in a workspace: what programs of the host run by themselves when somebody looks at it there.
//!
//! A file or directory of these names is read-only in the sandbox, and so is one that is not there: then an empty
//! directory stands in its place while an agent works there. An empty directory, because git does not see
//! one, and because nobody takes it for a file with something in it.

use crate::store::foreign::Thing;

/// At the top of the workspace: start-up files of shells and editors, tasks of editors, settings of agents.
pub(super) const CLOSED: [&str; 41] = [
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
    ".bash_aliases",
    ".Rprofile",
    ".yarnrc.yml",
    ".cargo",
    ".codex",
    ".gemini",
    ".opencode",
    "opencode.json",
    ".windsurf",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    ".gdbinit",
    ".lldbinit",
];

/// Where a git directory is looked for.
pub(super) const GIT: &str = ".git";
/// What makes the workspace itself a git directory, where it has none in it.
pub(super) const HEAD: &str = "HEAD";
/// In a git directory: a directory of programs that git runs, and two that may name programs as a remote.
pub(super) const DIRECTORIES: [&str; 3] = ["hooks", "remotes", "branches"];
/// In a git directory: where those of submodules and of further work trees lie.
pub(super) const MODULES: &str = "modules";
/// The same of work trees.
pub(super) const WORKTREES: &str = "worktrees";
/// The file that leads to the git directory whose settings are taken.
pub(super) const COMMONDIR: &str = "commondir";
/// What a file in place of a git directory begins with.
pub(super) const GITDIR: &str = "gitdir:";
/// In a git directory: what may name programs for git to run, or lead to other settings, and what stands there
/// where there is none. Git does not read an empty `commondir`, and takes `.` for none.
pub(super) const SETTINGS: [(&str, &[u8]); 3] =
    [("config", b""), ("config.worktree", b""), ("commondir", b".\n")];
/// In a git directory: a directory that is written to, and its one file that says what is done to others.
pub(super) const INFO: (&str, &str) = ("info", "attributes");

/// What [`super`] has put at this path below a workspace, by its name; `None` of a name that it never puts.
pub(super) fn placeholder(relative: &str) -> Option<Thing<'static>> {
    let plain = relative.split('/').all(|part| !["", ".", ".."].contains(&part));
    if !plain {
        return None;
    }
    if CLOSED.contains(&relative) || [GIT, HEAD].contains(&relative) {
        return Some(Thing::Directory);
    }
    // In a git directory, wherever that is.
    let (above, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    if let Some((_, bytes)) = SETTINGS.iter().find(|(setting, _)| *setting == name) {
        return Some(Thing::File(bytes));
    }
    if name == INFO.1 && above.rsplit('/').next() == Some(INFO.0) {
        return Some(Thing::File(b""));
    }
    (DIRECTORIES.contains(&name) || name == INFO.0).then_some(Thing::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_put_is_ever_taken_away() {
        assert_eq!(placeholder(".bashrc"), Some(Thing::Directory));
        assert_eq!(placeholder(".git/config"), Some(Thing::File(b"")));
        assert_eq!(placeholder(".git/commondir"), Some(Thing::File(b".\n")));
        assert_eq!(placeholder(".git/info/attributes"), Some(Thing::File(b"")));
        assert_eq!(placeholder(".git/hooks"), Some(Thing::Directory));
        assert_eq!(placeholder(".git/modules/a/config"), Some(Thing::File(b"")));
        for never in
            ["", ".", "..", "/etc/passwd", "src", ".git/../x", ".git/.bashrc", ".git/HEAD", "a/.bashrc"]
        {
            assert_eq!(placeholder(never), None, "{never}");
        }
    }
}
