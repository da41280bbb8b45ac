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

use super::keys;
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
const NOT_YET: [&str; 7] = [
    "GENSWARMS_ALLOWED_ENDPOINTS",
    "LOOPGATE_QUERY_KEYS",
    "LOOPGATE_DOCKER",
    "LOOPGATE_LLM_ENDPOINT",
    "SUBZEROCLAW_ENDPOINT",
    "LOOPGATE_LLM_API_KEY",
    "SUBZEROCLAW_API_KEY",
];

/// Names the directory of the registry.
const REGISTRY: &str = "LOOPGATE_REGISTRY";

/// The directory below which callers may name configurations, under its seed's name and ours.
const CONFIG_DIR: [&str; 2] = ["GENSWARMS_SWARM_CONFIG_DIR", "LOOPGATE_SWARM_CONFIG_DIR"];

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
        let plain = |name: &str| env.plain.get(name).is_some_and(|value| !value.is_empty());
        let secret = |name: &str| env.secrets.get(name).is_some_and(|value| !value.expose().is_empty());
        let unused = NOT_YET.into_iter().filter(|name| plain(name) || secret(name)).collect();
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
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
        let mut all = vec![("HOME", "/home/u")];
        all.extend_from_slice(pairs);
        Settings::read(Environment::of(&all), &Flags::default())
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        read(pairs).err().map(|e| format!("{} {}", e.name, e.what)).unwrap_or_default()
    }

    #[test]
    fn without_anything_set_it_is_loopback_port_0_and_the_users_home() {
        let settings = read(&[]).ok();
        assert_eq!(settings.as_ref().map(|s| s.bind.to_string()).as_deref(), Some("127.0.0.1:0"));
        assert_eq!(settings.map(|s| s.home), Some(PathBuf::from("/home/u/.loopgate")));
    }

    /// Spec genswarms M.2 with design section 5's difference: a malformed address is an error.
    #[test]
    fn m2_an_address_is_parsed_or_refused_never_guessed() {
        for bad in ["not-an-ip", "999.999.999.999", "0.0.0.0:4000", "localhost", "127.1"] {
            assert!(
                error(&[("GENSWARMS_HTTP_IP", bad)]).starts_with("GENSWARMS_HTTP_IP is not an IP"),
                "{bad}"
            );
        }
        let token = ("GENSWARMS_API_TOKEN", "t");
        for good in ["0.0.0.0", "192.168.1.5", "::", "::1", "  0.0.0.0  "] {
            let settings = read(&[("GENSWARMS_HTTP_IP", good), token]).ok();
            assert_eq!(settings.map(|s| s.bind.ip().to_string()).as_deref(), Some(good.trim()), "{good}");
        }
        assert!(read(&[("GENSWARMS_HTTP_IP", "")]).is_ok_and(|s| s.bind.ip().is_loopback()));
    }

    #[test]
    fn beyond_loopback_an_api_token_is_required() {
        assert!(error(&[("GENSWARMS_HTTP_IP", "0.0.0.0")]).contains("set GENSWARMS_API_TOKEN"));
        assert!(
            error(&[("GENSWARMS_HTTP_IP", "0.0.0.0"), ("GENSWARMS_API_TOKEN", "")]).contains("API_TOKEN")
        );
        assert_eq!(
            error(&[("GENSWARMS_CORS_ORIGINS", "*")]),
            "GENSWARMS_CORS_ORIGINS is `*`, which lets every web page in: set GENSWARMS_API_TOKEN, or name the origins"
        );
    }

    /// Admission looks for the wider one first.
    #[test]
    fn the_config_token_is_another_than_the_api_token() {
        let both = |config| [("GENSWARMS_API_TOKEN", "secret-a"), ("LOOPGATE_CONFIG_API_TOKEN", config)];
        let text = error(&both("secret-a"));
        assert!(
            text.starts_with("LOOPGATE_CONFIG_API_TOKEN is the API token") && !text.contains("secret-a"),
            "{text}"
        );
        assert!(read(&both("secret-b")).is_ok() && read(&both("")).is_ok());
    }

    /// Spec agentmux L.16, the part that still fails the start.
    #[test]
    fn case_l16_an_empty_or_short_auth_key_fails_the_start_and_names_the_variable() {
        assert_eq!(error(&[("AGENTMUX_AUTH_KEY", "")]), "AGENTMUX_AUTH_KEY must not be empty");
        assert!(error(&[("AGENTMUX_AUTH_KEY", "0123456789abcde")]).contains("must have 16 to"));
        assert!(error(&[("AGENTMUX_AUTH_KEY", "0123456789 abcdef")]).contains("visible ASCII"));
        assert!(read(&[("AGENTMUX_AUTH_KEY", "0123456789abcdef")]).is_ok_and(|s| s.auth_key.is_some()));
    }

    #[test]
    fn both_spellings_may_be_set_only_to_the_same_value() {
        assert!(error(&[("GENSWARMS_API_TOKEN", "a"), ("LOOPGATE_API_TOKEN", "b")]).contains("differs from"));
        assert!(read(&[("GENSWARMS_API_TOKEN", "a"), ("LOOPGATE_API_TOKEN", "a")]).is_ok());
        let text = error(&[("GENSWARMS_API_TOKEN", "secret-a"), ("LOOPGATE_API_TOKEN", "secret-b")]);
        assert!(!text.contains("secret-a") && !text.contains("secret-b"));
    }

    #[test]
    fn the_home_is_wavedata_then_data_home_then_ours() {
        let pairs = [("HOME", "/h"), ("AGENTMUX_DATA_HOME", "/a"), ("LOOPGATE_HOME", "/l")];
        let flags = Flags { wavedata: Some("/w".into()), ..Flags::default() };
        let home = |env, flags: &Flags| Settings::read(env, flags).ok().map(|s| s.home);
        assert_eq!(home(Environment::of(&pairs), &flags), Some("/w".into()));
        assert_eq!(home(Environment::of(&pairs), &Flags::default()), Some("/a".into()));
        assert_eq!(home(Environment::of(&pairs[..1]), &Flags::default()), Some("/h/.loopgate".into()));
        assert!(home(Environment::of(&[]), &Flags::default()).is_none());
    }

    #[test]
    fn no_other_instance_reads_the_registry_until_a_shared_one_is_named() {
        let at = |pairs: &[(&str, &str)]| {
            read(pairs).ok().map(|s| (s.registry.directory.display().to_string(), s.registry.shared))
        };
        let is = |directory: &str, shared| Some((directory.to_owned(), shared));
        assert_eq!(at(&[]), is("/home/u/.loopgate/agents", false));
        assert_eq!(at(&[("LOOPGATE_HOME", "/l"), ("LOOPGATE_REGISTRY", "")]), is("/l/agents", false));
        assert_eq!(at(&[("LOOPGATE_REGISTRY", "/r")]), is("/r", true));
        assert_eq!(at(&[("AGENTMUX_DATA_HOME", "/a")]), is("/a/agents", true));
        assert_eq!(at(&[("AGENTMUX_DATA_HOME", "/a"), ("LOOPGATE_REGISTRY", "/r")]), is("/r", true));
        let flags = Flags { wavedata: Some("/w".into()), ..Flags::default() };
        let env = Environment::of(&[("AGENTMUX_DATA_HOME", "/a")]);
        let settings = Settings::read(env, &flags).ok().map(|s| s.registry);
        assert_eq!(settings, Some(RegistryAt { directory: "/w/agents".into(), shared: true }));
        assert_eq!(
            error(&[("LOOPGATE_REGISTRY", "r/agents")]),
            "LOOPGATE_REGISTRY is not an absolute path: give one from the first slash"
        );
    }

    #[test]
    fn what_is_set_and_has_no_effect_yet_is_told() {
        let unused = |pairs: &[(&str, &str)]| read(pairs).map(|s| s.unused).unwrap_or_default();
        assert_eq!(unused(&[("LOOPGATE_QUERY_KEYS", "1"), ("LOOPGATE_DOCKER", "")]), ["LOOPGATE_QUERY_KEYS"]);
        assert_eq!(unused(&[("LOOPGATE_LLM_API_KEY", "secret-key")]), ["LOOPGATE_LLM_API_KEY"]);
        assert_eq!(unused(&[("SUBZEROCLAW_API_KEY", "secret-key")]), ["SUBZEROCLAW_API_KEY"]);
        assert!(unused(&[("LOOPGATE_PORT", "1")]).is_empty());
    }

    #[test]
    fn configurations_are_looked_for_where_it_was_started_or_where_it_is_told_but_never_below_the_root() {
        let here = std::env::current_dir().expect("a directory");
        let dir =
            |pairs: &[(&str, &str)]| read(pairs).ok().and_then(|s| s.swarms.config_dir).map(|dir| dir.path);
        assert_eq!(dir(&[]), Some(here.clone()));
        assert_eq!(dir(&[("GENSWARMS_SWARM_CONFIG_DIR", "")]), Some(here.clone()));
        assert_eq!(dir(&[("GENSWARMS_SWARM_CONFIG_DIR", "swarms")]), Some(here.join("swarms")));
        assert_eq!(dir(&[("LOOPGATE_SWARM_CONFIG_DIR", "/srv/allowed/")]), Some("/srv/allowed".into()));
        for root in ["/", "//", "/.", "/./"] {
            let text = error(&[("GENSWARMS_SWARM_CONFIG_DIR", root)]);
            assert!(text.starts_with("GENSWARMS_SWARM_CONFIG_DIR is /, below which"), "{root}: {text}");
        }
    }

    #[test]
    fn the_cap_of_a_swarm_is_a_number_within_what_an_instance_runs() {
        let cap = |value| read(&[("LOOPGATE_MAX_AGENTS_PER_SWARM", value)]).ok().map(|s| s.swarms.cap);
        assert_eq!((cap(""), cap("1"), cap("1024")), (Some(100), Some(1), Some(1024)));
        for bad in ["0", "1025", "-1", "+5", "x", "1e2", " 5"] {
            assert_eq!(cap(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_port_is_a_number() {
        assert!(error(&[("LOOPGATE_PORT", "x")]).starts_with("LOOPGATE_PORT"));
        assert!(error(&[("LOOPGATE_PORT", "65536")]).starts_with("LOOPGATE_PORT"));
        assert!(read(&[("LOOPGATE_PORT", "4001")]).is_ok_and(|s| s.bind.port() == 4001));
    }
}
