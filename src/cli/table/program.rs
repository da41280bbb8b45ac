//! The commands about the instance's keys and this program itself.

use super::{Audience, Command, Group, JSON, Kind, flag, one, optional, with_value};
use crate::cli::{
    man, shells,
    verbs::{self, api, completions, keys, names, own},
};

/// In the order of the help.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "rotate-key",
        aliases: &[],
        group: Group::Program,
        summary: "change the owner key and the peer key, without a restart",
        audience: Audience::Owner,
        operands: &[],
        flags: &[flag("--keep-connections", "leave WebSockets of older keys open"), JSON],
        about: "The old keys open nothing from then on, and WebSockets that they opened are closed 10 s later, \
                also those that an earlier --keep-connections left open. The new owner key is in the key file, \
                where the other commands find it by themselves, the new peer key in the registry's files; \
                no key is printed. Tokens stay. Where the key file cannot be written nothing changes.",
        examples: &["loopgate rotate-key", "loopgate rotate-key --keep-connections --json"],
        run: keys::rotate,
    },
    Command {
        name: "api",
        aliases: &[],
        group: Group::Program,
        summary: "make one HTTP request to the instance as the owner",
        audience: Audience::Owner,
        operands: &[
            one("METHOD", "GET, POST, PUT, PATCH or DELETE").of(Kind::Word(&api::METHODS)),
            one("PATH", "the path and query, from the first slash"),
            optional("JSON", "the body; `-` reads it from stdin"),
        ],
        flags: &[],
        about: "Prints the answer's body. A status of 400 or more is told on stderr and by the exit code. To the routes of \
                swarms it brings GENSWARMS_API_TOKEN, where that is set, in the place of the owner key.",
        examples: &[
            "loopgate api GET /api/v1/status",
            "loopgate api GET '/agentmux/reactive/audit?limit=5'",
            "loopgate api PATCH /api/swarms/s/topology '{\"add\": [[\"a\", \"b\"]]}'",
        ],
        run: api::api,
    },
    Command {
        name: "completions",
        aliases: &[],
        group: Group::Program,
        summary: "print the completions of this program for a shell",
        audience: Audience::Anyone,
        operands: &[one("SHELL", "bash, zsh or fish").of(Kind::Word(&shells::SHELLS))],
        flags: &[],
        about: "bash: the line above, with or without the package bash-completion. zsh: the line above, behind \
                `autoload -Uz compinit && compinit`. fish: the line above, once. They complete commands, flags, \
                their values, files, and the names of swarms and agents, for which they ask the running instance, \
                as this user, with `loopgate` as PATH finds it.",
        examples: &[
            "echo 'source <(loopgate completions bash)' >> ~/.bashrc",
            "echo 'source <(loopgate completions zsh)' >> ~/.zshrc",
            "loopgate completions fish > ~/.config/fish/completions/loopgate.fish",
        ],
        run: completions::completions,
    },
    Command {
        name: "man",
        aliases: &[],
        group: Group::Program,
        summary: "print a manual page, or write all of them",
        audience: Audience::Anyone,
        operands: &[optional("PAGE", "loopgate (the default), loopgate-config or loopgate-exposure")
            .of(Kind::Word(&man::NAMES))],
        flags: &[with_value("--to", "DIR", "write the three pages to man1, man5 and man7 below it instead")
            .of(Kind::Directory)],
        about: "The pages are made from the tables that this program goes by, so they say what this one does. \
                Below ~/.local/share/man, man finds them by itself; elsewhere name the directory in MANPATH. A \
                file that is no page of this program is left alone.",
        examples: &[
            "loopgate man | man -l -",
            "loopgate man loopgate-config | mandoc | less",
            "loopgate man --to ~/.local/share/man && man loopgate",
        ],
        run: verbs::man::man,
    },
    Command {
        name: "names",
        aliases: &[],
        group: Group::Program,
        summary: "print names, for completions",
        audience: Audience::Internal,
        operands: &[
            one("KIND", "which names").of(Kind::Word(&names::KINDS)),
            optional("SWARM", "of which swarm"),
        ],
        flags: &[],
        about: "",
        examples: &[],
        run: names::names,
    },
    Command {
        name: "version",
        aliases: &[],
        group: Group::Program,
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
        aliases: &[],
        group: Group::Program,
        summary: "explain loopgate, or one command",
        audience: Audience::Anyone,
        operands: &[optional("COMMAND", "the command to explain").of(Kind::Verb)],
        flags: &[],
        about: "",
        examples: &["loopgate help run"],
        run: own::help,
    },
];
