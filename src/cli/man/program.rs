//! `loopgate.1`: every command, from the table.

use super::mdoc::{Page, Part, sentence};
use crate::cli::{
    outcome::CODES,
    table::{Audience, Command, Count, Group, Operand, all},
};

/// The page.
pub fn page() -> String {
    let mut page = Page::new("loopgate", 1, "run command-line agents and let them talk, on loopback only");
    page.section("SYNOPSIS");
    page.synopsis("loopgate", &[Part::Operand("command"), Part::Many("flag"), Part::Many("word")]);
    page.section("DESCRIPTION");
    page.text(
        "`loopgate serve` is one instance: it runs agents (any program of the command line) in terminals and in \
         swarms, and lets them and their owner talk to each other. It listens on loopback and refuses whoever \
         does not show a key. Every other command is a client of an instance that runs.",
    );
    page.paragraph(
        "Flags stand before or behind the other words; `--` ends them. A flag's value is the next word, or stands \
         behind `=`. Letters may be put together: `-fn 5` is `-f -n 5`. Data goes to standard output and talk to \
         standard error; every command that prints data takes `--json`. `--help` says what one command takes.",
    );
    page.section("COMMANDS");
    for group in Group::ALL {
        let of_group = |command: &&Command| command.group == group && command.audience != Audience::Internal;
        page.part(group.title());
        page.list(false);
        all().filter(of_group).for_each(|command| write(&mut page, command));
        page.end();
    }
    page.section("ENVIRONMENT");
    page.list(false);
    for (name, about) in ENVIRONMENT {
        page.entry(name, "");
        page.text(about);
    }
    page.end();
    page.section("FILES");
    page.list(false);
    for (name, about) in FILES {
        page.entry(name, "");
        page.text(about);
    }
    page.end();
    page.section("EXIT STATUS");
    page.list(true);
    for (code, about) in CODES {
        page.entry(&(code as u8).to_string(), "");
        page.text(&sentence(about));
    }
    page.end();
    page.section("EXAMPLES");
    page.text("A first look, with nothing left behind:");
    page.literal(["$ loopgate demo"]);
    page.text("An agent of your own, in three steps:");
    page.literal(["$ loopgate serve &", "$ loopgate run -n coder -- claude", "$ loopgate attach coder"]);
    page.section("SEE ALSO");
    page.text("`loopgate-config`(5), `loopgate-exposure`(7)");
    page.finish()
}

fn write(page: &mut Page, command: &Command) {
    let operands = command.operands.iter().flat_map(part);
    let parts: Vec<Part<'_>> = [Part::Word(command.name)].into_iter().chain(operands).collect();
    page.command(&parts);
    let summary = sentence(command.summary);
    page.text(&match command.audience {
        Audience::Owner => summary,
        Audience::OwnerOrAgent => format!("{summary} For the owner, and inside an agent."),
        Audience::Agent => format!("{summary} Inside an agent only."),
        Audience::Anyone | Audience::Internal => format!("{summary} Needs no instance."),
    });
    if !command.aliases.is_empty() {
        page.text(&format!("Another name of it is `{}`.", command.aliases.join("`, `")));
    }
    if !command.about.is_empty() {
        page.paragraph(command.about);
    }
    if !command.operands.is_empty() || !command.flags.is_empty() {
        page.paragraph("It takes:");
        page.list(true);
        for operand in command.operands {
            page.operand(operand.name);
            page.text(&sentence(operand.about));
        }
        for flag in command.flags {
            page.flag(flag.short, flag.name, flag.value);
            page.text(&sentence(flag.about));
        }
        page.end();
    }
    if !command.examples.is_empty() {
        page.paragraph("For example:");
        page.literal(command.examples.iter().copied());
    }
}

/// An operand on the command line.
fn part(operand: &'static Operand) -> Vec<Part<'static>> {
    match operand.count {
        Count::One => vec![Part::Operand(operand.name)],
        Count::Optional => vec![Part::Optional(operand.name)],
        Count::Any => vec![Part::Many(operand.name)],
        Count::Rest => vec![Part::Optional("--"), Part::Operand(operand.name), Part::Many("ARGUMENT")],
    }
}

/// What the program reads of its environment. Where two spellings mean the same, the seed's stands first.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("LOOPGATE_HOME", "The home of the instance, mode 0700. `~/.loopgate` where it is unset."),
    ("LOOPGATE_PORT", "The port to listen on. Unset or 0: one that the kernel chooses at each start."),
    (
        "GENSWARMS_HTTP_IP, LOOPGATE_HTTP_IP",
        "One literal address to listen on. Beyond loopback it needs an API token.",
    ),
    ("LOOPGATE_HOSTS", "Names under which clients may call, beside loopback and the address itself."),
    (
        "GENSWARMS_API_TOKEN, LOOPGATE_API_TOKEN",
        "The token of the swarm surface: read by the instance at its start, and shown by the commands about swarms.",
    ),
    (
        "GENSWARMS_CONFIG_API_TOKEN, LOOPGATE_CONFIG_API_TOKEN",
        "A second token, which opens the configurations alone.",
    ),
    ("GENSWARMS_CORS_ORIGINS, LOOPGATE_CORS_ORIGINS", "Origins of pages that may call the swarm surface."),
    (
        "GENSWARMS_SWARM_CONFIG_DIR, LOOPGATE_SWARM_CONFIG_DIR",
        "The directory below which a call may name a configuration.",
    ),
    ("LOOPGATE_MAX_AGENTS_PER_SWARM", "Most agents and objects of one swarm."),
    (
        "LOOPGATE_AGENT_USER",
        "Whom sandboxed commands run as where root runs the instance, as `--agent-user` says it; nobody where it is unset.",
    ),
    (
        "LOOPGATE_LLM_ENDPOINT, SUBZEROCLAW_ENDPOINT",
        "The URL of the model that agents use. OpenRouter's where it is unset; http only to a loopback or private address.",
    ),
    (
        "LOOPGATE_LLM_API_KEY, SUBZEROCLAW_API_KEY",
        "The key for it. An isolated agent never holds it: it is added on the way out.",
    ),
    (
        "GENSWARMS_ALLOWED_ENDPOINTS, LOOPGATE_ALLOWED_ENDPOINTS",
        "Other endpoints that a configuration may name, between commas: `host`, `host:port` (https) or `scheme://host:port`.",
    ),
    (
        "LOOPGATE_LLM_CA_FILE",
        "A PEM file of authorities; with it their certificates alone are good for an endpoint.",
    ),
    ("LOOPGATE_REGISTRY", "A directory by which instances of one user find each other's agents."),
    ("AGENTMUX_DATA_HOME", "AgentMux's home; its directory `agents` is then the registry."),
    (
        "AGENTMUX_AUTH_KEY, LOOPGATE_AUTH_KEY",
        "The owner key of an instance that AgentMux starts. Never set it by hand.",
    ),
    ("NO_COLOR", "Where it is set to anything, nothing is coloured."),
    ("TERM", "Where it is unset or `dumb`, nothing is coloured and no progress is shown."),
    (
        "LOOPGATE_AGENT, LOOPGATE_AGENT_TOKEN, LOOPGATE_URL",
        "Set by the instance inside an agent: its name, its own token, and where the instance is. With the token set, no command opens the owner's key file.",
    ),
];

/// Where things are.
const FILES: &[(&str, &str)] = &[
    ("~/.loopgate/authkey", "Where the instance is, and its owner key; mode 0600, gone with the instance."),
    ("~/.loopgate/lock", "Held as long as the instance lives: one to a home."),
    ("~/.loopgate/agents/", "What other instances of this user may know of its agents."),
    (
        "~/.loopgate/mail/, ~/.loopgate/audit/, ~/.loopgate/events/",
        "Messages, who did what, and what happened, as journals.",
    ),
    ("~/.loopgate/swarms/", "Swarms: their configurations, changes, and their agents' directories."),
];
