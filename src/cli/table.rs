//! The table of commands. What can be typed, and what help says, is here and nowhere else.
//!
//! Each row says who the command is for: the check that keeps the owner's commands from agents, and
//! agents' commands from everybody else, reads it before anything is opened.

use std::process::ExitCode;

use crate::cli::{
    outcome::Failure,
    output::Output,
    parse::Arguments,
    verbs::{agents, api, ask, attach, audit, demo, exposure, inbox, mail, messages, own, run, serve},
};

/// One command.
pub struct Command {
    /// what is typed
    pub name: &'static str,
    /// one line
    pub summary: &'static str,
    /// who may use it
    pub audience: Audience,
    /// what follows, in order
    pub operands: &'static [Operand],
    /// its flags
    pub flags: &'static [Flag],
    /// what there is to know
    pub about: &'static str,
    /// command lines to copy
    pub examples: &'static [&'static str],
    /// does it
    pub run: fn(&Arguments, &mut Output) -> Result<ExitCode, Failure>,
}

/// Who a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// the owner; refused inside an agent
    Owner,
    /// the owner with the key file, an agent with its token
    OwnerOrAgent,
    /// an agent with its token, and nobody else
    Agent,
    /// whoever asks; it needs no instance
    Anyone,
    /// the program itself; not in the help
    Internal,
}

/// One operand.
pub struct Operand {
    /// its name in the help
    pub name: &'static str,
    /// how often it stands there
    pub count: Count,
    /// what it is
    pub about: &'static str,
}

/// How often an operand stands on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// exactly once
    One,
    /// once or not at all
    Optional,
    /// as often as one likes, or not at all
    Any,
    /// once or more, and everything behind its first word belongs to it, flags included
    Rest,
}

/// One flag.
pub struct Flag {
    /// with its dashes
    pub name: &'static str,
    /// the name of its value, where it takes one
    pub value: Option<&'static str>,
    /// whether it may be given more than once
    pub repeats: bool,
    /// what it does
    pub about: &'static str,
}

const fn flag(name: &'static str, about: &'static str) -> Flag {
    Flag { name, value: None, repeats: false, about }
}

const fn with_value(name: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { name, value: Some(value), repeats: false, about }
}

const fn repeated(name: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { name, value: Some(value), repeats: true, about }
}

const fn one(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::One, about }
}

const fn optional(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::Optional, about }
}

const fn rest(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::Rest, about }
}

const fn any(name: &'static str, about: &'static str) -> Operand {
    Operand { name, count: Count::Any, about }
}

const JSON: Flag = flag("--json", "print the data as JSON");
const SUBMIT: &str =
    "how Enter is pressed behind typed text: `thrice` (AgentMux's cadence, the default) or `once`";

/// All commands, in the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "serve",
        summary: "run an instance until a signal",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            flag("--watch-stdin", "end when stdin closes"),
            flag("--watch-parent", "end when the process that started it ends"),
            with_value("--key-fd", "N", "read the owner key from descriptor N instead of making one"),
            with_value("--wavedata", "DIR", "the home directory; beats AGENTMUX_DATA_HOME and LOOPGATE_HOME"),
            with_value("--instance", "ID", "what the ready line shows as `instance:`"),
        ],
        about: "Binds 127.0.0.1 (port LOOPGATE_PORT, or one that the kernel chooses), writes the key file \
                that the other commands find it by, and prints a ready line on stderr. The home is \
                LOOPGATE_HOME or ~/.loopgate, mode 0700. `loopgate --wavedata DIR ...` and \
                `loopgate --instance ID ...` without a command mean serve, as AgentMux's launcher calls it.",
        examples: &["loopgate serve", "LOOPGATE_HOME=/tmp/trial loopgate serve"],
        run: serve::serve,
    },
    Command {
        name: "keeper",
        summary: "hold one agent's processes (started by an instance, never by hand)",
        audience: Audience::Internal,
        operands: &[],
        flags: &[],
        about: "",
        examples: &[],
        run: serve::keeper,
    },
    Command {
        name: "run",
        summary: "start an agent in a terminal of its own",
        audience: Audience::Owner,
        operands: &[rest("COMMAND", "the program and its arguments; no shell is put in between")],
        flags: &[
            with_value(
                "--name",
                "NAME",
                "the agent's name: letters, digits, `_` and `-`, at most 64 (required)",
            ),
            repeated("--env", "NAME", "pass this variable with the value it has here; may be repeated"),
            with_value("--cwd", "DIR", "where it starts (default: here)"),
            repeated(
                "--accept-typed-from",
                "AGENT",
                "let this agent's messages be typed into the terminal; may be repeated",
            ),
            with_value("--submit", "HOW", SUBMIT),
            with_value("--rows", "N", "rows of its screen (default: 24)"),
            with_value("--cols", "N", "columns of its screen (default: 80)"),
            JSON,
        ],
        about: "The agent inherits nothing of this shell: PATH, HOME, TERM, LANG, TZ, SHELL and USER are set, \
                and what --env names is passed. Flags go before the command.",
        examples: &[
            "loopgate run --name coder -- claude",
            "loopgate run --name tests --cwd ~/project --env CARGO_HOME -- bash -c 'cargo test; exec bash'",
        ],
        run: run::run,
    },
    Command {
        name: "attach",
        summary: "join an agent's terminal; Ctrl-] leaves",
        audience: Audience::Owner,
        operands: &[one("AGENT", "the agent's name")],
        flags: &[],
        about: "Keys go to the agent, its screen comes here; the agent's screen takes the size of this one. \
                Text, colours and cursor movement pass; whatever else a program may tell a terminal \
                (titles, the clipboard, questions that the terminal would answer) does not. The agent goes on \
                when you leave.",
        examples: &["loopgate attach coder"],
        run: attach::attach,
    },
    Command {
        name: "inject",
        summary: "type a text into an agent's terminal and press Enter",
        audience: Audience::Owner,
        operands: &[
            one("AGENT", "the agent's name"),
            optional("TEXT", "the text; without it, or with `-`, it is read from stdin"),
        ],
        flags: &[with_value("--submit", "HOW", SUBMIT), JSON],
        about: "Control characters are taken out of the text, and it is cut at 10,000 bytes. The outcome is \
                `delivered` or `queued`; anything else fails.",
        examples: &["loopgate inject coder \"run the tests again\"", "loopgate inject coder < task.txt"],
        run: messages::inject,
    },
    Command {
        name: "send",
        summary: "send a message to an agent",
        audience: Audience::OwnerOrAgent,
        operands: &[
            one("AGENT", "the agent's name"),
            optional("TEXT", "the text; without it, or with `-`, it is read from stdin"),
        ],
        flags: &[
            with_value(
                "--id",
                "ID",
                "the message's id (default: a new one); sent again with the same id it counts once",
            ),
            with_value(
                "--priority",
                "WORD",
                "`normal` (the default), `high` or `urgent`: read before the others",
            ),
            with_value(
                "--ttl",
                "LENGTH",
                "how long it may wait, as 90s, 2h or 1d (default: 1d, at most 30d)",
            ),
            with_value("--reply-to", "ID", "the message that this one answers"),
            with_value("--correlation", "ID", "what question and answers of one matter have in common"),
            JSON,
        ],
        about: "It is `delivered` where it was typed into the terminal of an agent that was started with \
                --accept-typed-from naming the sender, `queued` where a reader is there to take it, else \
                `waiting`: it waits in the agent's mailbox, on disk, also for an agent that does not run \
                yet. A full mailbox refuses it (exit code 75), and nothing that was accepted is given up \
                for it.",
        examples: &[
            "loopgate send coder \"the build is green\"",
            "loopgate send --priority urgent --ttl 2h reviewer < findings.txt",
        ],
        run: messages::send,
    },
    Command {
        name: "inbox",
        summary: "show what waits for an agent",
        audience: Audience::OwnerOrAgent,
        operands: &[optional("AGENT", "whose messages; inside an agent its own, without a name")],
        flags: &[
            flag("--follow", "wait for more, until Ctrl-C or until the instance ends"),
            with_value("--after", "N", "only what comes behind this number (inside an agent: this position)"),
            with_value("--limit", "N", "at most so many at once (default: 100)"),
            JSON,
        ],
        about: "The owner looks: nothing changes by it, and the agent need not exist. An agent reads: each message \
                gets a position, and it comes again, marked redelivered, until `loopgate ack` says that it was \
                read. With --follow --json each message is one line.",
        examples: &["loopgate inbox coder", "loopgate inbox coder --follow --json", "loopgate inbox"],
        run: inbox::inbox,
    },
    Command {
        name: "ack",
        summary: "say that messages were read",
        audience: Audience::Agent,
        operands: &[any("ID", "messages by their ids")],
        flags: &[with_value("--through", "N", "all messages up to this position instead"), JSON],
        about: "What is not acknowledged comes again.",
        examples: &["loopgate ack --through 3", "loopgate ack 5f0c7f4e-1111-4222-8333-444455556666"],
        run: inbox::ack,
    },
    Command {
        name: "ask",
        summary: "ask another agent and wait for its answer",
        audience: Audience::Agent,
        operands: &[
            one("AGENT", "the agent's name"),
            optional("TEXT", "the question; without it, or with `-`, it is read from stdin"),
        ],
        flags: &[
            with_value("--timeout", "S", "seconds to wait for the answer, 1 to 300 (default: 30)"),
            with_value("--correlation", "ID", "what question and answer have in common (default: a new one)"),
            JSON,
        ],
        about: "Prints the result. The exit code is 0 for an answer, 1 where the answer is an error, and 75 where \
                the time was over: the question may still be read, and what became of it is said.",
        examples: &[
            "loopgate ask reviewer \"is the interface final?\"",
            "loopgate ask --timeout 120 --json reviewer \"ok?\"",
        ],
        run: ask::ask,
    },
    Command {
        name: "message",
        summary: "show a message's state and history",
        audience: Audience::Owner,
        operands: &[one("ID", "its id; messages of several senders may have the same")],
        flags: &[JSON],
        about: "The states are accepted, delivering, delivered, read, failed and expired. The text is not shown.",
        examples: &["loopgate message 5f0c7f4e-1111-4222-8333-444455556666"],
        run: mail::message,
    },
    Command {
        name: "dead",
        summary: "list messages that failed or expired, with the reason",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            with_value("--after", "N", "only what comes behind this number"),
            with_value("--limit", "N", "at most so many (default: 100)"),
            JSON,
        ],
        about: "They are kept for 7 days.",
        examples: &["loopgate dead", "loopgate dead --json"],
        run: mail::dead,
    },
    Command {
        name: "redeliver",
        summary: "put a message that failed or expired back into its mailbox",
        audience: Audience::Owner,
        operands: &[one("ID", "its id")],
        flags: &[
            with_value(
                "--number",
                "N",
                "which of several with that id, as `loopgate message ID --json` says",
            ),
            JSON,
        ],
        about: "It waits again, as long as at first. Where a reader may have had it before, it comes marked \
                redelivered. Senders choose ids: where two chose the same one, the number says which is meant.",
        examples: &["loopgate redeliver 5f0c7f4e-1111-4222-8333-444455556666"],
        run: mail::redeliver,
    },
    Command {
        name: "mailboxes",
        summary: "list for whom messages wait",
        audience: Audience::Owner,
        operands: &[],
        flags: &[JSON],
        about: "Also for names of which there is no agent yet.",
        examples: &["loopgate mailboxes"],
        run: mail::mailboxes,
    },
    Command {
        name: "agents",
        summary: "list the agents",
        audience: Audience::OwnerOrAgent,
        operands: &[],
        flags: &[JSON],
        about: "The state is running, waiting_input (an assumption: no output for two seconds) or done.",
        examples: &["loopgate agents", "loopgate agents --json"],
        run: agents::agents,
    },
    Command {
        name: "whoami",
        summary: "say who this shell is to the instance",
        audience: Audience::OwnerOrAgent,
        operands: &[],
        flags: &[JSON],
        about: "",
        examples: &["loopgate whoami"],
        run: own::whoami,
    },
    Command {
        name: "status",
        summary: "show how the instance is",
        audience: Audience::Owner,
        operands: &[],
        flags: &[JSON],
        about: "",
        examples: &["loopgate status"],
        run: own::status,
    },
    Command {
        name: "stop-agent",
        summary: "end an agent and everything that it started",
        audience: Audience::Owner,
        operands: &[one("AGENT", "the agent's name")],
        flags: &[JSON],
        about: "Every process of the agent's tree is killed, also those that left its session.",
        examples: &["loopgate stop-agent coder"],
        run: agents::stop,
    },
    Command {
        name: "audit",
        summary: "show what was typed, sent and refused, or check that the log is whole",
        audience: Audience::Owner,
        operands: &[optional("verify", "check the log instead; needs no instance, changes nothing")],
        flags: &[
            with_value("--since", "WHEN", "10m, 2h, 3d, an RFC 3339 date with time, or unix milliseconds"),
            with_value("--limit", "N", "at most so many entries, the newest (default: 100)"),
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
        name: "exposure",
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
        name: "api",
        summary: "make one HTTP request to the instance as the owner",
        audience: Audience::Owner,
        operands: &[
            one("METHOD", "GET, POST, PUT or DELETE"),
            one("PATH", "the path and query, from the first slash"),
            optional("JSON", "the body; `-` reads it from stdin"),
        ],
        flags: &[],
        about: "Prints the answer's body. A status of 400 or more is told on stderr and by the exit code.",
        examples: &["loopgate api GET /api/v1/status", "loopgate api GET '/agentmux/reactive/audit?limit=5'"],
        run: api::api,
    },
    Command {
        name: "demo",
        summary: "show everything once: two agents that talk, in a temporary home",
        audience: Audience::Owner,
        operands: &[],
        flags: &[flag("--keep", "leave it running and say how to stop it")],
        about: "Starts an instance as a process of its own in a temporary home, two small agents in terminals, \
                and speaks to them over HTTP only. Nothing is left behind.",
        examples: &["loopgate demo"],
        run: demo::demo,
    },
    Command {
        name: "version",
        summary: "print the version",
        audience: Audience::Anyone,
        operands: &[],
        flags: &[JSON],
        about: "",
        examples: &["loopgate version"],
        run: own::version,
    },
    Command {
        name: "help",
        summary: "explain loopgate, or one command",
        audience: Audience::Anyone,
        operands: &[optional("COMMAND", "the command to explain")],
        flags: &[],
        about: "",
        examples: &["loopgate help run"],
        run: own::help,
    },
];

/// The command of this name.
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
