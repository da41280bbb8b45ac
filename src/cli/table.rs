//! The table of commands. What can be typed, and what help says, is here and nowhere else.

use std::process::ExitCode;

use crate::cli::{
    outcome::Failure,
    output::Output,
    parse::Arguments,
    verbs::{agents, api, attach, demo, exposure, messages, own, run, serve},
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
            JSON,
        ],
        about: "The outcome is `delivered` or `queued` where the agent was started with --accept-typed-from \
                naming the sender, else `waiting`: the message waits in the agent's mailbox.",
        examples: &["loopgate send coder \"the build is green\""],
        run: messages::send,
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
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for command in COMMANDS {
            assert!(std::ptr::eq(find(command.name).expect("found"), command), "{} twice", command.name);
            for (at, operand) in command.operands.iter().enumerate() {
                let last = at + 1 == command.operands.len();
                assert!(
                    operand.count == Count::One || last,
                    "{}: only the last operand varies",
                    command.name
                );
            }
            for flag in command.flags {
                assert!(flag.name.starts_with("--"), "{}", flag.name);
                assert!(!flag.repeats || flag.value.is_some(), "{}", flag.name);
            }
            assert!(command.audience == Audience::Internal || !command.examples.is_empty());
        }
    }

    #[test]
    fn no_flag_or_operand_takes_a_secret() {
        let words = ["key", "token", "secret", "password", "auth"];
        for command in COMMANDS {
            let flags = command.flags.iter().filter(|flag| flag.value.is_some()).map(|flag| flag.name);
            for name in flags.chain(command.operands.iter().map(|operand| operand.name)) {
                let name = name.to_ascii_lowercase();
                // --key-fd takes the number of a descriptor, not the key
                assert!(name == "--key-fd" || !words.iter().any(|word| name.contains(word)), "{name}");
            }
        }
    }
}
