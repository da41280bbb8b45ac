//! The commands that make a project of a swarm, check one, look at all agents at once, and put away what is not
//! needed any more.

use super::{Audience, Command, Flag, Group, JSON, Kind, any, flag, one, optional, with_value};
use crate::cli::verbs::{
    config, init, prove,
    swarm::{keep, life},
    top::{self, Order},
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
        name: "prove-isolation",
        aliases: &[],
        group: Group::Watch,
        summary: "try to get out of an agent's sandbox; show what stopped it",
        audience: Audience::Owner,
        operands: &[one("WHAT", "a config, or SWARM/AGENT or SWARM of a running instance").of(Kind::File)],
        flags: &[
            with_value("--agent", "NAME", "this agent alone (default: every isolated one)"),
            flag("--strict", "fail where a probe has no meaning on this machine, too"),
            JSON,
        ],
        about: "Builds the sandbox of that very configuration, with a stand-in on this machine for its endpoint, and \
                runs every probe twice: in the sandbox, where nothing may get through, and in namespaces without \
                one, where everything must, or the probe would show nothing. Nothing is sent off the machine. PASS: \
                stopped in the sandbox only. FAIL: it got through. NOT APPLICABLE: it has no meaning here, and the \
                line says why. Ends with 1 on a FAIL.",
        examples: &["loopgate prove-isolation swarm.json", "loopgate prove-isolation research/reader --json"],
        run: prove::prove,
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
        about: "Names them and asks before it does; removes what `loopgate delete` removes of each. One that has begun to \
                run since it was named stays; where one could not be removed, it ends with 1.",
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
    Command {
        name: "top",
        aliases: &[],
        group: Group::Watch,
        summary: "watch all agents: state, rate, latency of turns, memory",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            with_value("--swarm", "SWARM", "its agents only").short('s').of(Kind::Swarm),
            with_value("--sort", "WORD", "by `name` (the default), `state`, `rate`, `latency` or `memory`")
                .short('o')
                .of(Kind::Word(&Order::WORDS)),
            with_value("--interval", "S", "seconds between two looks, 0.25 to 3600 (default: 1)").short('i'),
            flag("--once", "print it once; with --interval of two looks, so that there are rates"),
            JSON,
        ],
        about: "MSG/S are messages and tasks a second, to and from it, between the two newest looks. LAST, P50 and P99 are how long turns took, \
                from what was said to the agent to the end of its turn: the last one, and what half and 99 in a \
                hundred of its newest 100 did not exceed; in a terminal, where a turn has no end, to the last that \
                it showed before it was quiet. WAIT is what waits for it. MEMORY is resident, of all processes of \
                the agent; pages that they share count once. q or Ctrl-C ends it. Where stdout is no terminal it prints \
                once; --json prints the instance's answer, with the same agents in the same order. Where the server has an API token, it is needed here: \
                GENSWARMS_API_TOKEN.",
        examples: &["loopgate top", "loopgate top -s ring -o latency", "loopgate top --once --interval 2"],
        run: top::top,
    },
];
