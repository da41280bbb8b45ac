//! The commands about messages.

use super::{ADDRESS, Audience, Command, Group, JSON, Kind, any, flag, one, optional, with_value};
use crate::cli::verbs::{ask, inbox, mail, member, messages};

/// In the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "send",
        aliases: &[],
        group: Group::Messages,
        summary: "send a message to an agent",
        audience: Audience::OwnerOrAgent,
        operands: &[
            one("AGENT", ADDRESS).of(Kind::Agent),
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
            )
            .short('p')
            .of(Kind::Word(&["normal", "high", "urgent"])),
            with_value(
                "--ttl",
                "LENGTH",
                "how long it may wait, as 90s, 2h or 1d (default: 1d, at most 30d)",
            ),
            with_value("--reply-to", "ID", "the message that this one answers"),
            with_value("--correlation", "ID", "what question and answers of one matter have in common"),
            flag(
                "--hold",
                "keep it here until an instance takes it (the default); an agent's message to a name that is nowhere is refused all the same",
            ),
            flag("--no-hold", "refuse it where the other instance cannot take it now"),
            JSON,
        ],
        about: "It is `delivered` where it was typed into the terminal of an agent that was started with \
                --accept-typed-from naming the sender, `queued` where a reader is there to take it, else \
                `waiting`: it waits in the agent's mailbox, on disk, also for an agent that does not run \
                yet. An agent that is not here is looked for in the other instances that `loopgate peers` \
                shows, and then it is `forwarded`; what its instance does not take now is held here and goes \
                out later. A full mailbox refuses it (exit code 75), and nothing that was accepted is given up \
                for it.",
        examples: &[
            "loopgate send coder \"the build is green\"",
            "loopgate send --priority urgent --ttl 2h reviewer < findings.txt",
        ],
        run: messages::send,
    },
    Command {
        name: "inbox",
        aliases: &[],
        group: Group::Messages,
        summary: "show what waits for an agent",
        audience: Audience::OwnerOrAgent,
        operands: &[
            optional("AGENT", "whose messages; inside an agent its own, without a name").of(Kind::Agent)
        ],
        flags: &[
            flag("--follow", "wait for more, until Ctrl-C or until the instance ends").short('f'),
            with_value("--after", "N", "only what comes behind this number (inside an agent: this position)"),
            with_value("--limit", "N", "at most so many at once (default: 100)").short('n'),
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
        aliases: &[],
        group: Group::Inside,
        summary: "say that messages were read",
        audience: Audience::Agent,
        operands: &[any("ID", "messages by their ids")],
        flags: &[with_value("--through", "N", "all messages up to this position instead"), JSON],
        about: "What is not acknowledged comes again.",
        examples: &["loopgate ack --through 3", "loopgate ack 5f0c7f4e-1111-4222-8333-444455556666"],
        run: inbox::ack,
    },
    Command {
        name: "broadcast",
        aliases: &[],
        group: Group::Inside,
        summary: "send a message to all that an edge of the swarm leads to",
        audience: Audience::Agent,
        operands: &[optional("TEXT", "the text; without it, or with `-`, it is read from stdin")],
        flags: &[JSON],
        about: "",
        examples: &["loopgate broadcast \"the build is green\""],
        run: member::broadcast,
    },
    Command {
        name: "list",
        aliases: &[],
        group: Group::Inside,
        summary: "list whom this agent can send to",
        audience: Audience::Agent,
        operands: &[],
        flags: &[JSON],
        about: "",
        examples: &["loopgate list"],
        run: member::list_targets,
    },
    Command {
        name: "ask",
        aliases: &[],
        group: Group::Inside,
        summary: "ask another agent and wait for its answer",
        audience: Audience::Agent,
        operands: &[
            one("AGENT", ADDRESS).of(Kind::Agent),
            optional("TEXT", "the question; without it, or with `-`, it is read from stdin"),
        ],
        flags: &[
            with_value("--timeout", "S", "seconds to wait for the answer, 1 to 300 (default: 30)").short('t'),
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
        aliases: &[],
        group: Group::Messages,
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
        aliases: &[],
        group: Group::Messages,
        summary: "list messages that failed or expired, with the reason",
        audience: Audience::Owner,
        operands: &[],
        flags: &[
            with_value("--after", "N", "only what comes behind this number"),
            with_value("--limit", "N", "at most so many (default: 100)").short('n'),
            JSON,
        ],
        about: "They are kept for 7 days.",
        examples: &["loopgate dead", "loopgate dead --json"],
        run: mail::dead,
    },
    Command {
        name: "redeliver",
        aliases: &[],
        group: Group::Messages,
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
        aliases: &[],
        group: Group::Messages,
        summary: "list for whom messages wait",
        audience: Audience::Owner,
        operands: &[],
        flags: &[JSON],
        about: "Also for names of which there is no agent yet.",
        examples: &["loopgate mailboxes"],
        run: mail::mailboxes,
    },
];
