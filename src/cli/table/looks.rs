//! The commands that look at an instance and keep it, and the rest.

use super::{Audience, Command, Group, JSON, Kind, any, flag, one, optional, repeated, with_value};
use crate::cli::verbs::{
    agents, audit, config, demo, egress, events, exposure, logs, own, peers, swarm::look,
};

const LEVELS: Kind = Kind::Word(&["debug", "info", "warning", "error"]);
const CATEGORIES: Kind = Kind::Word(&["agent", "object", "routing", "swarm", "backend", "system"]);

/// In the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "agents",
        aliases: &["ps"],
        group: Group::Agents,
        summary: "list the agents",
        audience: Audience::OwnerOrAgent,
        operands: &[],
        flags: &[JSON],
        about: "The state is running, waiting_input (an assumption: no output for two seconds) or done.",
        examples: &["loopgate agents", "loopgate agents --json"],
        run: agents::agents,
    },
    Command {
        name: "peers",
        aliases: &[],
        group: Group::Agents,
        summary: "list the other instances of yours and their agents",
        audience: Audience::Owner,
        operands: &[],
        flags: &[JSON],
        about: "Instances find each other through a directory of private files that LOOPGATE_REGISTRY names at \
                their start (or AGENTMUX_DATA_HOME: then its `agents`, with AgentMux's own). Shown is who lives, \
                by the kernel's word; an entry that does not count is marked `!`, with the reason and what to do. \
                An agent is reached by its name, or as NAME@HOME where several have it.",
        examples: &["loopgate peers", "loopgate peers --json"],
        run: peers::peers,
    },
    Command {
        name: "whoami",
        aliases: &[],
        group: Group::Inside,
        summary: "say who this shell is to the instance",
        audience: Audience::OwnerOrAgent,
        operands: &[],
        flags: &[JSON],
        about: "",
        examples: &["loopgate whoami"],
        run: own::whoami,
    },
    Command {
        name: "config",
        aliases: &[],
        group: Group::Swarms,
        summary: "check configs of swarms, without an instance",
        audience: Audience::Anyone,
        operands: &[
            one("validate", "what to do").of(Kind::Word(&["validate"])),
            any("FILE", "a JSON file; `-` reads stdin").of(Kind::File),
        ],
        flags: &[flag("--quiet", "print nothing where a config is valid").short('q'), JSON],
        about: "An error names the file, the line and the column, what is wrong and what to do; ends with 0 where all \
                are valid, with 65 where one is not, with 1 where one cannot be read. The fields are described in \
                docs/swarm-config.schema.json.",
        examples: &[
            "loopgate config validate swarms/example.json",
            "loopgate config validate --json - < config.json",
        ],
        run: config::config,
    },
    Command {
        name: "status",
        aliases: &[],
        group: Group::Watch,
        summary: "show how the instance is, or a swarm",
        audience: Audience::Owner,
        operands: &[optional("SWARM", "a swarm: its agents, objects and edges").of(Kind::Swarm)],
        flags: &[flag("--swarms", "list the swarms"), JSON],
        about: "",
        examples: &["loopgate status", "loopgate status --swarms", "loopgate status example"],
        run: look::status,
    },
    Command {
        name: "stop-agent",
        aliases: &[],
        group: Group::Agents,
        summary: "end an agent and everything that it started",
        audience: Audience::Owner,
        operands: &[one("AGENT", "the agent's name").of(Kind::Agent)],
        flags: &[JSON],
        about: "Every process of the agent's tree is killed, also those that left its session.",
        examples: &["loopgate stop-agent coder"],
        run: agents::stop,
    },
    Command {
        name: "logs",
        aliases: &["log"],
        group: Group::Watch,
        summary: "show what a swarm's agents said and printed, and what comes",
        audience: Audience::Owner,
        operands: &[
            optional(
                "SWARM",
                "the swarm, or SWARM/AGENT in one word, or an agent that runs alone; without it the only swarm there is",
            )
            .of(Kind::SwarmOrAgent),
            optional("AGENT", "one of its agents; without it all of them").of(Kind::SwarmAgent),
        ],
        flags: &[
            flag("--follow", "go on with what comes, until Ctrl-C").short('f'),
            with_value("--tail", "N", "so many of the newest (50)").short('n'),
            flag("--conversation", "what was said to the agents, and what they said; the default"),
            flag("--stdout", "the lines that their programs printed, on standard error too"),
            flag("--events", "what happened to them"),
            flag("--all", "all three"),
            JSON,
        ],
        about: "The newest stands last: time, agent, who speaks (user, assistant, system; stdout, stderr; or an \
                event's level and name), what. A text of several lines goes on further in. With --json each record is \
                an object on a line of its own. What earlier runs left is shown too, and of a swarm that is stopped. \
                --follow goes on behind the last one without leaving any out, also over a restart of an agent or \
                of the swarm; where the connection breaks off it is made again, and what was missed is told on \
                stderr. It ends with 0 at Ctrl-C, with 1 where the swarm was removed, and with 69 where the \
                instance has ended. Of an agent that runs alone, the last lines of its terminal are shown, and there \
                is nothing else of it.",
        examples: &[
            "loopgate logs example -f",
            "loopgate logs example coder -n 20",
            "loopgate logs example/coder --stdout --json",
        ],
        run: logs::logs,
    },
    Command {
        name: "events",
        aliases: &[],
        group: Group::Watch,
        summary: "show what happened in the swarms, and what happens",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            flag("--follow", "go on with what happens, until Ctrl-C").short('f'),
            with_value("--swarm", "NAME", "only of this swarm").short('s').of(Kind::Swarm),
            with_value("--agent", "NAME", "only about this agent or object").short('a'),
            repeated("--level", "LEVEL", "only of this level").of(LEVELS),
            flag("--errors", "the same as --level error").short('e'),
            flag("--warnings", "warnings and errors").short('w'),
            repeated("--category", "WORD", "only of this category").of(CATEGORIES),
            with_value("--type", "NAME", "only events of this name, such as agent_error"),
            with_value("--since", "WHEN", "10m, 2h, 3d, an RFC 3339 date with time, or unix milliseconds"),
            with_value("--minutes", "N", "what happened in the last N minutes").short('n'),
            with_value("--after", "ID", "what came after the event of this number"),
            with_value("--limit", "N", "at most so many (50, with --follow 10, where nothing says when)"),
            JSON,
        ],
        about: "The newest stands last, as in a log: time, level, swarm and agent, name, what happened. With --json each \
                is an object on a line of its own, with its number (`id`) and its facts (`metadata`). All that is asked \
                for holds at once; --level and --category may be given more than once, and one of each is enough. With --since, \
                --minutes or --after all from there on are shown, or the first --limit of them. --follow goes on \
                behind them without leaving any out; where the connection breaks off it is made again, and what was \
                missed is told on stderr. It ends with 0 at Ctrl-C, and with 69 where the instance has ended. What is \
                kept, and how long: docs/events.md.",
        examples: &[
            "loopgate events --follow",
            "loopgate events -s example -w --since 2h",
            "loopgate events -f --json --type task_sent",
        ],
        run: events::events,
    },
    Command {
        name: "audit",
        aliases: &[],
        group: Group::Watch,
        summary: "show what was typed, sent and refused, or check the log",
        audience: Audience::Owner,
        operands: &[optional("verify", "check the log instead; needs no instance, changes nothing")
            .of(Kind::Word(&["verify"]))],
        flags: &[
            with_value("--since", "WHEN", "10m, 2h, 3d, an RFC 3339 date with time, or unix milliseconds")
                .short('s'),
            with_value("--limit", "N", "at most so many entries, the newest (default: 100)").short('n'),
            with_value("--noted", "N:HASH", "with verify: what an earlier `verify` said to note"),
            JSON,
        ],
        about: "Newest first, with --json one on each line; never a text, only its length and a keyed hash. Each line of the log holds the keyed \
                hash of the line before and a seal of its own, so that `verify` names the first entry that was \
                changed, put in, taken out or moved, and exits with 1. Gaps that the log itself tells of (entries \
                lost to a failing disk, an instance that was killed) are told and are no break. What it cannot \
                prove: the key lies in the home, and whatever runs as you can read it and write the log anew; and a \
                log whose newest entries were cut off is whole. Against the second, note the number and hash \
                that `verify` prints somewhere else, and give them to --noted later.",
        examples: &["loopgate audit --since 2h", "loopgate audit verify", "loopgate audit verify --json"],
        run: audit::audit,
    },
    Command {
        name: "egress",
        aliases: &[],
        group: Group::Watch,
        summary: "show what went through the one way out of an isolated agent",
        audience: Audience::Owner,
        operands: &[one("AGENT", "the agent, or SWARM/AGENT").of(Kind::AnyAgent)],
        flags: &[JSON],
        about: "Where it leads, requests, bytes of bodies, what was refused and how often, first and last. It counts \
                since the instance was started, over restarts of the agent. Refusals are events too, at most one of a \
                kind in a minute: `loopgate events --type egress_refused`.",
        examples: &["loopgate egress example/researcher", "loopgate egress r --json"],
        run: egress::egress,
    },
    Command {
        name: "exposure",
        aliases: &[],
        group: Group::Watch,
        summary: "show what the instance has open, declared against observed",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            JSON,
            flag("--routes", "the routes of this program instead; needs no instance"),
            flag("--limits", "the limits of this program instead; needs no instance"),
        ],
        about: "Every socket, file, child process and outbound destination of the running instance. What is \
                open and not declared, or declared and not open, is marked, and the exit code is 1.",
        examples: &["loopgate exposure", "loopgate exposure --limits"],
        run: exposure::exposure,
    },
    Command {
        name: "demo",
        aliases: &[],
        group: Group::Agents,
        summary: "show everything once: two agents that talk, in a temporary home",
        audience: Audience::Owner,
        operands: &[],
        flags: &[flag("--keep", "leave it running and say how to stop it")],
        about: "Starts an instance as a process of its own in a temporary home, two small agents in terminals, \
                and speaks to them over HTTP only. Nothing is left behind.",
        examples: &["loopgate demo"],
        run: demo::demo,
    },
];
