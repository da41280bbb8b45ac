//! The commands about swarms.

use super::{Audience, Command, Group, JSON, Kind, flag, one, optional, rest, with_value};
use crate::cli::verbs::{
    shim,
    swarm::{change, life, talk},
};

const SWARM: &str = "the swarm's name";
const TEXT: &str = "the text; without it, or with `-`, it is read from stdin";

/// In the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "start",
        aliases: &[],
        group: Group::Swarms,
        summary: "start a swarm from its configuration, or one that ran before",
        audience: Audience::Owner,
        operands: &[one(
            "CONFIG|SWARM",
            "the path of a JSON configuration (with a slash or a dot in it; `-` reads stdin), or the name of a swarm that `loopgate status --swarms` lists",
        ).of(Kind::FileOrSwarm)],
        flags: &[JSON],
        about: "The configuration is read with your rights, wherever it lies, and sent as it was understood; \
                `loopgate config validate FILE` only checks it. A program that it names with a slash (`./agent.sh`) is \
                looked for beside it. What was changed in a swarm while it ran is done again when it starts. \
                Where the server has an API token, it is needed here too: GENSWARMS_API_TOKEN.",
        examples: &[
            "loopgate start swarms/example.json",
            "loopgate start example",
            "loopgate start - < config.json",
        ],
        run: life::start,
    },
    Command {
        name: "stop",
        aliases: &[],
        group: Group::Swarms,
        summary: "end a swarm and everything that it started",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm)],
        flags: &[flag("--purge", "forget it too: configuration, changes, and its agents' directories"), JSON],
        about: "It stays listed as stopped, and `loopgate start SWARM` starts it again, with its changes.",
        examples: &["loopgate stop example", "loopgate stop example --purge"],
        run: life::stop,
    },
    Command {
        name: "restart",
        aliases: &[],
        group: Group::Swarms,
        summary: "end and start a swarm, or one agent of it",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm), optional("AGENT", "one of its agents: the others run on").of(Kind::SwarmAgent)],
        flags: &[flag("--delete-data", "empty its agents' directories in between").short('d'), JSON],
        about: "",
        examples: &["loopgate restart example", "loopgate restart example coder"],
        run: life::restart,
    },
    Command {
        name: "pause",
        aliases: &[],
        group: Group::Swarms,
        summary: "stop a swarm's processes where they are",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm)],
        flags: &[JSON],
        about: "Messages and tasks wait until `loopgate resume`.",
        examples: &["loopgate pause example"],
        run: life::pause,
    },
    Command {
        name: "resume",
        aliases: &[],
        group: Group::Swarms,
        summary: "let a paused swarm go on",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm)],
        flags: &[JSON],
        about: "",
        examples: &["loopgate resume example"],
        run: life::resume,
    },
    Command {
        name: "task",
        aliases: &[],
        group: Group::Swarms,
        summary: "give an agent of a swarm something to do",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm), one("AGENT", "one of its agents").of(Kind::SwarmAgent), optional("TEXT", TEXT)],
        flags: &[JSON],
        about: "It waits until the agent has ended its turn; at most 1,000 wait.",
        examples: &[
            "loopgate task example coder \"say what the README does not tell\"",
            "loopgate task example coder < task.txt",
        ],
        run: talk::task,
    },
    Command {
        name: "msg",
        aliases: &[],
        group: Group::Swarms,
        summary: "send a message from one node of a swarm to another",
        audience: Audience::Owner,
        operands: &[
            one("SWARM", SWARM).of(Kind::Swarm),
            one("FROM", "the agent or object that it comes from").of(Kind::SwarmAgent),
            one("TO", "the agent or object that gets it").of(Kind::SwarmAgent),
            optional("TEXT", TEXT),
        ],
        flags: &[JSON],
        about: "It goes only where the topology has an edge; else it is refused and nothing is sent.",
        examples: &["loopgate msg example coder reviewer \"please look at main.rs\""],
        run: talk::msg,
    },
    Command {
        name: "scale",
        aliases: &[],
        group: Group::Swarms,
        summary: "have so many copies of an agent",
        audience: Audience::Owner,
        operands: &[
            one("SWARM", SWARM).of(Kind::Swarm),
            one("BASE", "the agent, or what its copies are named after").of(Kind::SwarmAgent),
            one("COUNT", "how many there are to be; 0 removes all"),
        ],
        flags: &[JSON],
        about: "They are named BASE_1 to BASE_COUNT and have the edges of the one that was there. Exit code 1 where \
                one did not start.",
        examples: &["loopgate scale example worker 3"],
        run: change::scale,
    },
    Command {
        name: "overlay",
        aliases: &[],
        group: Group::Swarms,
        summary: "show what was changed in a swarm since its configuration",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm)],
        flags: &[flag("--clear", "forget the changes: its next start is by the configuration alone"), JSON],
        about: "",
        examples: &["loopgate overlay example", "loopgate overlay example --clear"],
        run: change::overlay,
    },
    Command {
        name: "snapshot",
        aliases: &[],
        group: Group::Swarms,
        summary: "print a swarm as it is now, as a configuration",
        audience: Audience::Owner,
        operands: &[one("SWARM", SWARM).of(Kind::Swarm)],
        flags: &[with_value("--output", "FILE", "write it there; the file must not exist").short('o').of(Kind::File), JSON],
        about: "What looks like a secret is replaced by [REDACTED], so that the file may be shown around; \
                `loopgate start FILE` takes it once those are filled in.",
        examples: &["loopgate snapshot example --output example.now.json"],
        run: change::snapshot,
    },
    Command {
        name: "agent-shim",
        aliases: &[],
        group: Group::Swarms,
        summary: "make a swarm's agent of any program that reads and prints lines",
        audience: Audience::Anyone,
        operands: &[rest("COMMAND", "the program and its arguments; no shell is put in between")],
        flags: &[
            flag("--nul", "end each message with NUL and leave its newlines as they are"),
            with_value(
                "--turn",
                "WHEN",
                "a turn is over `quiet` (when it is silent after an answer, the default), `line` (with each line) or `marker` (when it says so)",
            ).of(Kind::Word(&["quiet", "line", "marker"])),
            with_value("--quiet-ms", "N", "the silence, in milliseconds (default: 500)"),
            flag("--no-name-routing", "take `@name: text` for text and send it nowhere"),
        ],
        about: "A message reaches the program's standard input as one line, `[From NAME] TEXT`, its newlines \
                written as `\\n`. A line of its output that says `@name: text` or `@all: text` is sent there, \
                and a line `<<TURN_COMPLETE>>` ends the turn in any case. Its standard error goes to the log. \
                It ends with the program's exit code.",
        examples: &[
            "loopgate agent-shim -- bc -q",
            "loopgate agent-shim --turn line -- sed -u s/a/b/",
            "loopgate agent-shim --nul --turn marker -- ./my-agent",
        ],
        run: shim::agent_shim,
    },
];
