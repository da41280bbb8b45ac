//! The commands that make a project of a swarm, check one, and put away what is not needed any more.

use super::{Audience, Command, Flag, Group, JSON, Kind, any, flag, one, optional};
use crate::cli::verbs::{
    config, init,
    swarm::{keep, life},
};

const FORCE: Flag = flag("--force", "do it without asking; needed where there is no terminal").short('f');

/// In the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "init",
        aliases: &[],
        group: Group::Swarms,
        summary: "make a project: a small swarm of shell scripts that runs",
        audience: Audience::Anyone,
        operands: &[optional("DIR", "where; made where it is missing (default: here)").of(Kind::Directory)],
        flags: &[
            flag(
                "--force",
                "write into a directory that is not empty, over files of the project's own names",
            )
            .short('f'),
            JSON,
        ],
        about: "Writes swarm.json, the programs of its agents, a skill and a README that leads through it. The swarm is \
                called like the directory. Needs no instance, and nothing but sh to run. Other files stay as they are; \
                a link is never written through, and nothing is removed.",
        examples: &["loopgate init my-project", "cd my-project && loopgate start swarm.json"],
        run: init::init,
    },
    Command {
        name: "check",
        aliases: &[],
        group: Group::Swarms,
        summary: "check configs of swarms, as `config validate` does",
        audience: Audience::Anyone,
        operands: &[any("FILE", "a JSON file; `-` reads stdin").of(Kind::File)],
        flags: &[flag("--quiet", "print nothing where a config is valid").short('q'), JSON],
        about: "Needs no instance and starts nothing. Ends with 0 where all are valid, with 65 where one is not.",
        examples: &["loopgate check swarm.json", "loopgate check -q swarms/*.json"],
        run: config::check_files,
    },
    Command {
        name: "restart-agent",
        aliases: &[],
        group: Group::Swarms,
        summary: "end and start one agent of a swarm, as `restart` does",
        audience: Audience::Owner,
        operands: &[
            one("SWARM", "the swarm's name").of(Kind::Swarm),
            one("AGENT", "one of its agents: the others run on").of(Kind::SwarmAgent),
        ],
        flags: &[JSON],
        about: "",
        examples: &["loopgate restart-agent example coder"],
        run: life::restart,
    },
    Command {
        name: "delete",
        aliases: &[],
        group: Group::Swarms,
        summary: "end a swarm and forget it, as `stop --purge` does",
        audience: Audience::Owner,
        operands: &[one("SWARM", "the swarm's name").of(Kind::Swarm)],
        flags: &[FORCE, JSON],
        about: "Its configuration, what was changed in it and its agents' directories are removed; the file that it was \
                started from is not touched. Says so and asks before it does.",
        examples: &["loopgate delete example", "loopgate delete example --force"],
        run: keep::delete,
    },
    Command {
        name: "clean",
        aliases: &[],
        group: Group::Swarms,
        summary: "forget all swarms that do not run",
        audience: Audience::Owner,
        operands: &[],
        flags: &[flag("--all", "forget all events too, those on disk among them"), FORCE, JSON],
        about: "Names them and asks before it does; removes what `loopgate delete` removes of each.",
        examples: &["loopgate clean", "loopgate clean --all --force"],
        run: keep::clean,
    },
    Command {
        name: "list-skills",
        aliases: &[],
        group: Group::Swarms,
        summary: "list the skills that agents can be given",
        audience: Audience::Owner,
        operands: &[],
        flags: &[JSON],
        about: "They are files below `skills` in the server's home; an agent's configuration names those that are \
                copied into its own directory.",
        examples: &["loopgate list-skills"],
        run: keep::list_skills,
    },
];
