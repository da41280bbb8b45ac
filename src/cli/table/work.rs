//! The commands that start an instance and agents, and those that type to them.

use super::{
    ADDRESS, Audience, Command, Group, JSON, Kind, SUBMIT, SUBMIT_WORDS, any, flag, one, optional, repeated,
    rest, with_value,
};
use crate::cli::verbs::{attach, messages, run, serve};

/// In the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "serve",
        aliases: &[],
        group: Group::Agents,
        summary: "run an instance until a signal",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            flag("--watch-stdin", "end when stdin closes"),
            flag("--watch-parent", "end when the process that started it ends"),
            with_value("--key-fd", "N", "read the owner key from descriptor N instead of making one"),
            with_value("--wavedata", "DIR", "the home directory; beats AGENTMUX_DATA_HOME and LOOPGATE_HOME")
                .of(Kind::Directory),
            with_value("--instance", "ID", "what the ready line shows as `instance:`"),
            with_value(
                "--agent-user",
                "USER",
                "whom sandboxed commands run as where root runs the instance: a name, UID or UID:GID (nobody)",
            ),
        ],
        about: "Binds 127.0.0.1 (port LOOPGATE_PORT, or one that the kernel chooses), writes the key file \
                that the other commands find it by, and prints a ready line on stderr. The home is \
                LOOPGATE_HOME or ~/.loopgate, mode 0700. With one directory in LOOPGATE_REGISTRY instances \
                find each other's agents (`loopgate peers`). `loopgate --wavedata DIR ...` and \
                `loopgate --instance ID ...` without a command mean serve, as AgentMux's launcher calls it.",
        examples: &[
            "loopgate serve",
            "LOOPGATE_HOME=/tmp/trial loopgate serve",
            "LOOPGATE_REGISTRY=~/.loopgate-agents loopgate serve",
        ],
        run: serve::serve,
    },
    Command {
        name: "keeper",
        aliases: &[],
        group: Group::Agents,
        summary: "hold one agent's processes (started by an instance, never by hand)",
        audience: Audience::Internal,
        operands: &[any(
            "DESCRIPTOR",
            "the numbers of those that become the agent's streams, and of others it inherits",
        )],
        flags: &[],
        about: "",
        examples: &[],
        run: serve::keeper,
    },
    Command {
        name: "sandbox-shim",
        aliases: &[],
        group: Group::Agents,
        summary: "let one agent's program into its sandbox (started by an instance, never by hand)",
        audience: Audience::Internal,
        operands: &[one("SOCKET", "the number of the descriptor over which the order comes")],
        flags: &[],
        about: "",
        examples: &[],
        run: serve::sandbox_shim,
    },
    Command {
        name: "sandbox-probe",
        aliases: &[],
        group: Group::Agents,
        summary: "try what an isolated agent might try (started by prove-isolation, never by hand)",
        audience: Audience::Internal,
        operands: &[rest("WORLD", "what there is to be reached, or one step of a probe")],
        flags: &[],
        about: "",
        examples: &[],
        run: serve::sandbox_probe,
    },
    Command {
        name: "run",
        aliases: &[],
        group: Group::Agents,
        summary: "start an agent in a terminal of its own",
        audience: Audience::Owner,
        operands: &[rest("COMMAND", "the program and its arguments; no shell is put in between")],
        flags: &[
            with_value(
                "--name",
                "NAME",
                "the agent's name: letters, digits, `_` and `-`, at most 64 (required)",
            )
            .short('n'),
            repeated("--env", "NAME", "pass this variable with the value it has here; may be repeated")
                .short('e')
                .of(Kind::Variable),
            with_value("--cwd", "DIR", "where it starts (default: here)").short('C').of(Kind::Directory),
            repeated(
                "--accept-typed-from",
                "AGENT",
                "let this agent's messages be typed into the terminal; may be repeated",
            )
            .of(Kind::Agent),
            repeated(
                "--may-type-into",
                "AGENT",
                "let it send to this agent of an AgentMux instance, which types whatever it gets; may be repeated",
            ),
            flag("--isolated", "run it in a sandbox whose only way out is its model's endpoint"),
            flag("--sandbox", "run it in a sandbox with the machine's network"),
            with_value(
                "--endpoint",
                "URL",
                "where the way out of an isolated one leads (default: the operator's endpoint)",
            ),
            with_value("--submit", "HOW", SUBMIT).of(SUBMIT_WORDS),
            with_value("--rows", "N", "rows of its screen (default: 24)"),
            with_value("--cols", "N", "columns of its screen (default: 80)"),
            JSON,
        ],
        about: "The agent inherits nothing of this shell: PATH, HOME, TERM, LANG, TZ, SHELL and USER are set, \
                and what --env names is passed. Flags go before the command. In a sandbox the directory that it \
                starts in is /workspace, and the only one of the machine's that it can write to; where root runs \
                the instance it has to belong to the agents' user (`serve --agent-user`). An isolated agent has \
                no token and no key: the key is added outside.",
        examples: &[
            "loopgate run --name coder -- claude",
            "loopgate run -n tests -C ~/project -- sh -c 'cargo test; sh'",
            "loopgate run --isolated --name reader -C ~/project -- claude",
        ],
        run: run::run,
    },
    Command {
        name: "attach",
        aliases: &[],
        group: Group::Agents,
        summary: "join an agent's terminal; Ctrl-] leaves",
        audience: Audience::Owner,
        operands: &[one("AGENT", "the agent's name, or SWARM/AGENT for one of a swarm that has a terminal")
            .of(Kind::AnyAgent)],
        flags: &[],
        about: "Keys go to the agent, its screen comes here; the agent's screen takes the size of this one. \
                Text, colours and cursor movement pass; whatever else a program may tell a terminal \
                (titles, the clipboard, questions that the terminal would answer) does not. The agent goes on \
                when you leave. An agent of a swarm has a terminal where its controller is `pty`; where the server \
                has an API token, it is needed for those: GENSWARMS_API_TOKEN.",
        examples: &["loopgate attach coder", "loopgate attach review/critic"],
        run: attach::attach,
    },
    Command {
        name: "inject",
        aliases: &[],
        group: Group::Agents,
        summary: "type a text into an agent's terminal and press Enter",
        audience: Audience::Owner,
        operands: &[
            one("AGENT", ADDRESS).of(Kind::Agent),
            optional("TEXT", "the text; without it, or with `-`, it is read from stdin"),
        ],
        flags: &[
            with_value("--submit", "HOW", SUBMIT).of(SUBMIT_WORDS),
            flag(
                "--hold",
                "keep it as a message where nobody can take it now; it is typed where its reader was started to accept that, else it is in the inbox",
            ),
            JSON,
        ],
        about: "Control characters are taken out of the text, and it is cut at 10,000 bytes. The outcome is \
                `delivered` or `queued`; anything else fails. An agent that is not here is looked for in \
                the other instances that `loopgate peers` shows.",
        examples: &[
            "loopgate inject coder \"run the tests again\"",
            "loopgate inject coder < task.txt",
            "loopgate inject coder@0123456789ab \"of the two coders, this one\"",
        ],
        run: messages::inject,
    },
];
