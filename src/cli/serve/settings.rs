//! What the environment asks of an instance (design section 10), read once at the start.
//!
//! Empty counts as unset; a malformed value is an error that names the variable, never a default;
//! a seed's name and its `LOOPGATE_` spelling mean the same, and both set to different values is
//! an error. Secrets are taken out of the environment for good.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

mod model;

use super::keys;
pub use model::ModelSettings;

use crate::{
    admit::{Cors, check_open},
    limits,
    store::Home,
    wire::{host::HostEntry, secret::Secret},
};

/// Variables that hold a secret: our names for them, and the spellings that mean the same.
const SECRETS: [(&str, &[&str]); 4] = [
    (AUTH_KEY, &["AGENTMUX_AUTH_KEY", "LOOPGATE_AUTH_KEY"]),
    (API_TOKEN, &["GENSWARMS_API_TOKEN", "LOOPGATE_API_TOKEN"]),
    (CONFIG_TOKEN, &["GENSWARMS_CONFIG_API_TOKEN", "LOOPGATE_CONFIG_API_TOKEN"]),
    (LLM_KEY, &["LOOPGATE_LLM_API_KEY", "SUBZEROCLAW_API_KEY"]),
];
const AUTH_KEY: &str = "auth key";
const API_TOKEN: &str = "API token";
const CONFIG_TOKEN: &str = "config token";
const LLM_KEY: &str = "model key";

/// Variables of the interface whose part of the program does not exist yet.
const NOT_YET: [&str; 2] = ["LOOPGATE_QUERY_KEYS", "LOOPGATE_DOCKER"];

/// Names the directory of the registry.
const REGISTRY: &str = "LOOPGATE_REGISTRY";

/// The directory below which callers may name configurations, under its seed's name and ours.
const CONFIG_DIR: [&str; 2] = ["GENSWARMS_SWARM_CONFIG_DIR", "LOOPGATE_SWARM_CONFIG_DIR"];

/// Whom sandboxed commands run as, where the instance is root; the flag beats the variable.
const AGENT_USER: [&str; 2] = ["--agent-user", "LOOPGATE_AGENT_USER"];

/// Most agents and objects of one swarm.
const SWARM_CAP: &str = "LOOPGATE_MAX_AGENTS_PER_SWARM";

/// AgentMux's home, whose registry its instances share.
const DATA_HOME: &str = "AGENTMUX_DATA_HOME";

/// The registry's directory in a home, AgentMux's or ours.
const AGENTS: &str = "agents";

/// Why the environment cannot be followed. Exit code 78.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// the variable or flag that is wrong
    pub name: String,
    /// what is wrong with it and what to do
    pub what: String,
}

impl SettingError {
    fn new(name: &str, what: impl Into<String>) -> Self {
        Self { name: name.to_owned(), what: what.into() }
    }
}

/// The environment's variables, with the secrets already taken out of the process.
pub struct Environment {
    plain: BTreeMap<String, OsString>,
    secrets: BTreeMap<String, Secret>,
}

impl Environment {
    /// Takes the secrets with `take` (which also wipes them) and copies the rest. To be called
    /// before any thread starts.
    pub fn capture(mut take: impl FnMut(&str) -> Option<Vec<u8>>) -> Self {
        let mut secrets = BTreeMap::new();
        for name in SECRETS.iter().flat_map(|(_, names)| names.iter()) {
            if let Some(bytes) = take(name) {
                secrets.insert((*name).to_owned(), Secret::new(bytes));
            }
        }
        let plain = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| !secrets.contains_key(name))
            .collect();
        Self { plain, secrets }
    }

    #[cfg(test)]
    fn of(pairs: &[(&str, &str)]) -> Self {
        let secret = |name: &str| SECRETS.iter().any(|(_, names)| names.contains(&name));
        Self {
            plain: pairs
                .iter()
                .filter(|(n, _)| !secret(n))
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            secrets: pairs
                .iter()
                .filter(|(n, _)| secret(n))
                .map(|(n, v)| ((*n).to_owned(), Secret::new(v.as_bytes().to_vec())))
                .collect(),
        }
    }

    /// One variable under its seed's name or ours.
    fn text(&self, names: &[&str]) -> Result<Option<(String, String)>, SettingError> {
        let mut found: Option<(String, String)> = None;
        for name in names {
            let Some(value) = self.plain.get(*name).filter(|value| !value.is_empty()) else { continue };
            let value = value.to_str().ok_or_else(|| SettingError::new(name, "is not UTF-8"))?;
            match &found {
                Some((first, other)) if other != value => {
                    return Err(SettingError::new(name, format!("differs from {first}: set one of them")));
                }
                Some(_) => {}
                None => found = Some(((*name).to_owned(), value.to_owned())),
            }
        }
        Ok(found)
    }

    /// One secret under its seed's name or ours; empty counts as unset unless `empty_is_error`.
    fn secret(&mut self, kind: &str, empty_is_error: bool) -> Result<Option<(String, Secret)>, SettingError> {
        let names = SECRETS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, names)| names);
        let mut found: Option<(String, Secret)> = None;
        for name in names {
            let Some(value) = self.secrets.remove(*name) else { continue };
            if value.expose().is_empty() {
                if empty_is_error {
                    return Err(SettingError::new(name, "must not be empty"));
                }
                continue;
            }
            if !value.expose().iter().all(u8::is_ascii_graphic) {
                return Err(SettingError::new(name, "must be visible ASCII without spaces"));
            }
            match &found {
                Some((first, other)) if !other.matches(value.expose()) => {
                    return Err(SettingError::new(name, format!("differs from {first}: set one of them")));
                }
                Some(_) => {}
                None => found = Some(((*name).to_owned(), value)),
            }
        }
        Ok(found)
    }
}

/// What the command line says; it beats the environment.
#[derive(Debug, Default, Clone)]
pub struct Flags {
    /// `--wavedata`: the home
    pub wavedata: Option<PathBuf>,
    /// `--key-fd` was given
    pub key_from_descriptor: bool,
    /// `--agent-user`
    pub agent_user: Option<String>,
}

/// Whom sandboxed commands are to run as, and what said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentUser {
    /// the flag or the variable
    pub name: String,
    /// a name, a UID or a UID:GID
    pub value: String,
}

/// Where an instance puts the files by which others find its agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryAt {
    /// absolute
    pub directory: PathBuf,
    /// whether other instances were named the same one: only then are their files read
    pub shared: bool,
}

/// What swarms may be, and where their configurations are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmSettings {
    /// `None` where nothing was said and the instance was started in `/`, below which everything lies: then
    /// no caller may name a file
    pub config_dir: Option<ConfigDir>,
    /// agents and objects of one swarm at most
    pub cap: usize,
}

/// The directory below which callers may name configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDir {
    /// absolute
    pub path: PathBuf,
    /// the variable that names it; `None`: where the instance was started
    pub variable: Option<String>,
}

/// What an instance was asked to be.
pub struct Settings {
    /// the home directory, made absolute
    pub home: PathBuf,
    /// where its agents are to be found by others
    pub registry: RegistryAt,
    /// the address to bind; port 0 lets the kernel choose
    pub bind: SocketAddr,
    /// `LOOPGATE_HOSTS`
    pub hosts: Vec<HostEntry>,
    /// `GENSWARMS_CORS_ORIGINS`
    pub cors: Cors,
    /// from the environment, and the variable's name
    pub auth_key: Option<(String, Secret)>,
    /// the operator's token
    pub api_token: Option<Secret>,
    /// the config token
    pub config_token: Option<Secret>,
    /// what swarms may be
    pub swarms: SwarmSettings,
    /// whom sandboxed commands run as
    pub agent_user: Option<AgentUser>,
    /// the model: where it is, and who may be led to it
    pub model: ModelSettings,
    /// variables that are set and have no effect yet
    pub unused: Vec<&'static str>,
}

impl Settings {
    /// Reads everything; the first thing wrong is the error.
    pub fn read(mut env: Environment, flags: &Flags) -> Result<Self, SettingError> {
        let auth = env.secret(AUTH_KEY, true)?;
        if let Some((name, key)) = &auth {
            if let Some(fault) = keys::fault(key.expose()) {
                return Err(SettingError::new(name, fault));
            }
            if flags.key_from_descriptor {
                return Err(SettingError::new(name, "is set beside --key-fd: give the key once"));
            }
        }
        let api_token = env.secret(API_TOKEN, false)?.map(|(_, token)| token);
        let config_token = env.secret(CONFIG_TOKEN, false)?;
        if let (Some(full), Some((name, narrow))) = (&api_token, &config_token)
            && full.matches(narrow.expose())
        {
            return Err(SettingError::new(
                name,
                "is the API token: whoever is to change configurations only could do all",
            ));
        }
        let config_token = config_token.map(|(_, token)| token);
        let bind = SocketAddr::new(address(&env)?, port(&env)?);
        let cors = cors(&env)?;
        check_open(bind.ip(), &cors, api_token.is_some())
            .map_err(|error| SettingError::new(error.variable(), error.sentence()))?;
        let hosts = hosts(&env)?;
        let home = Home::locate(flags.wavedata.as_deref(), |name| env.plain.get(name).cloned())
            .map_err(|error| SettingError::new("LOOPGATE_HOME", format!("names no home: {error}")))?;
        let registry = registry(&env, &home)?;
        let swarms = SwarmSettings { config_dir: config_dir(&env)?, cap: swarm_cap(&env)? };
        let agent_user = agent_user(&env, flags)?;
        let model = ModelSettings::read(&mut env)?;
        let plain = |name: &str| env.plain.get(name).is_some_and(|value| !value.is_empty());
        let unused = NOT_YET.into_iter().filter(|name| plain(name)).collect();
        Ok(Self {
            home,
            registry,
            bind,
            hosts,
            cors,
            auth_key: auth,
            api_token,
            config_token,
            swarms,
            agent_user,
            model,
            unused,
        })
    }
}

/// A directory that was named for several instances, else one in the home, which no other instance reads.
fn registry(env: &Environment, home: &Path) -> Result<RegistryAt, SettingError> {
    let set = |name: &str| env.plain.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(directory) = set(REGISTRY) {
        // Two instances that were started in different places would each read their own.
        return if directory.is_absolute() {
            Ok(RegistryAt { directory, shared: true })
        } else {
            Err(SettingError::new(REGISTRY, "is not an absolute path: give one from the first slash"))
        };
    }
    // AgentMux's data home is ours then, and --wavedata beats it for both.
    Ok(RegistryAt { directory: home.join(AGENTS), shared: set(DATA_HOME).is_some() })
}

/// Where callers' `config_path` is looked up: where the instance was started, where nothing else is said.
fn config_dir(env: &Environment) -> Result<Option<ConfigDir>, SettingError> {
    let set = env.text(&CONFIG_DIR)?;
    let (name, given) = set.clone().unwrap_or_else(|| (CONFIG_DIR[0].to_owned(), ".".to_owned()));
    let path = std::path::absolute(&given)
        .map_err(|error| SettingError::new(&name, format!("names no directory: {error}")))?;
    // Without dots and slashes that say nothing; a link is looked at when the directory is opened.
    let path: PathBuf = path.components().collect();
    match (path.parent(), set) {
        (Some(_), set) => Ok(Some(ConfigDir { path, variable: set.map(|(name, _)| name) })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(SettingError::new(
            &name,
            "is /, below which every file lies: name the directory that holds the configurations",
        )),
    }
}

/// Who it is, is looked up by `backend`: that needs the machine's list of users.
fn agent_user(env: &Environment, flags: &Flags) -> Result<Option<AgentUser>, SettingError> {
    let [flag, variable] = AGENT_USER;
    if let Some(value) = &flags.agent_user {
        return Ok(Some(AgentUser { name: flag.to_owned(), value: value.clone() }));
    }
    Ok(env.text(&[variable])?.map(|(name, value)| AgentUser { name, value }))
}

fn swarm_cap(env: &Environment) -> Result<usize, SettingError> {
    let Some((name, value)) = env.text(&[SWARM_CAP])? else { return Ok(limits::SWARM_NODES) };
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    value
        .parse()
        .ok()
        .filter(|cap| digits && (1..=limits::AGENTS).contains(cap))
        .ok_or_else(|| SettingError::new(&name, format!("is not a number from 1 to {}", limits::AGENTS)))
}

fn address(env: &Environment) -> Result<IpAddr, SettingError> {
    match env.text(&["GENSWARMS_HTTP_IP", "LOOPGATE_HTTP_IP"])? {
        None => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some((name, value)) => value.trim().parse().map_err(|_| {
            SettingError::new(&name, "is not an IP address such as 127.0.0.1 or ::1 (without port)")
        }),
    }
}

fn port(env: &Environment) -> Result<u16, SettingError> {
    match env.text(&["LOOPGATE_PORT"])? {
        None => Ok(0),
        Some((name, value)) => {
            value.parse().map_err(|_| SettingError::new(&name, "is not a port number from 0 to 65535"))
        }
    }
}

fn cors(env: &Environment) -> Result<Cors, SettingError> {
    let setting = env.text(&["GENSWARMS_CORS_ORIGINS", "LOOPGATE_CORS_ORIGINS"])?;
    let (name, value) = setting.unwrap_or_default();
    Cors::parse(Some(&value)).map_err(|entry| {
        SettingError::new(&name, format!("has an entry that no browser sends as an Origin: {entry:?}"))
    })
}

fn hosts(env: &Environment) -> Result<Vec<HostEntry>, SettingError> {
    let Some((name, value)) = env.text(&["LOOPGATE_HOSTS"])? else { return Ok(Vec::new()) };
    let entry = |text: &str| {
        HostEntry::parse(text.trim()).map_err(|_| {
            SettingError::new(&name, format!("has an entry that is not `name` or `name:port`: {text:?}"))
        })
    };
    value.split(',').map(entry).collect()
}

#[cfg(test)]
mod tests;
