//! What a sandbox is to be, out of the options of an agent, checked.
//!
//! Options were checked when they were read; here they get a meaning, and one that has none after all refuses the
//! start. Nothing is asked of the system yet: that is done for each start anew ([`super::cage`]).

use std::{borrow::Cow, path::PathBuf};

use serde_json::{Map, Value};

use super::{binds, limits::Limits};
use crate::{agent::StartError, backend::values::texts};

/// One sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Sandbox {
    /// the one way out, or an open network
    pub network: Network,
    /// where it works, on the host
    pub workspace: PathBuf,
    /// that is a directory of the agent's own, and not the operator's
    pub own: bool,
    /// its letters and skills, where it has some
    pub letters: Option<Letters>,
    /// places of the operator's: on the host, inside, and whether it may write there
    pub binds: Vec<(PathBuf, String, bool)>,
    /// directories that are searched first for programs
    pub extra_path: Vec<String>,
    /// it may connect to its own loopback
    pub localhost: bool,
    /// what it may use
    pub limits: Limits,
}

/// Directories of an agent of a swarm, on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters {
    /// where it puts its letters
    pub outbox: PathBuf,
    /// where it finds what was delivered, and answers
    pub inbox: PathBuf,
    /// where it finds its skills
    pub skills: PathBuf,
}

/// Which network a sandbox has.
#[derive(Debug, Clone, PartialEq)]
pub enum Network {
    /// the host's
    Open,
    /// none but one port, which leads to one endpoint
    Isolated(Asked),
}

/// What is asked of the one way out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// the endpoint; the operator's where there is none
    pub endpoint: Option<String>,
    /// the agent's own key
    pub api_key: Option<String>,
    /// further variables that name it
    pub names: Vec<String>,
    /// what is let through, beside the paths that are always
    pub egress: Option<Value>,
}

impl Network {
    /// As it is asked for and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Isolated(_) => "isolated",
        }
    }
}

impl Sandbox {
    /// Reads one for a program that works there.
    pub fn read(
        options: &Map<String, Value>,
        workspace: PathBuf,
        own: bool,
        letters: Option<Letters>,
    ) -> Result<Self, StartError> {
        let given = |name: &str| options.get(name).filter(|value| !value.is_null());
        let text = |name: &str| given(name).and_then(Value::as_str).map(str::to_owned);
        let words = |name: &str| match given(name).map(texts) {
            None => Ok(Vec::new()),
            Some(Some(words)) => Ok(words.into_iter().map(str::to_owned).collect()),
            Some(None) => Err(malformed(name)),
        };
        let network = match given("network").map(Value::as_str) {
            None | Some(Some("open")) => Network::Open,
            Some(Some("isolated")) => Network::Isolated(Asked {
                endpoint: text("endpoint"),
                api_key: text("api_key"),
                names: words("endpoint_env")?,
                egress: given("egress").cloned(),
            }),
            // Isolation that is misspelt is not an open network.
            Some(_) => return Err(malformed("network")),
        };
        for name in ["endpoint_env", "egress", "localhost"] {
            if network == Network::Open && given(name).is_some() {
                let reason = format!("{name} is for \"network\": \"isolated\": leave it out");
                return Err(StartError::Sandbox { code: "unsupported_option", reason: reason.into() });
            }
        }
        let mut all = pairs(options, "extra_ro_binds", false)?;
        all.extend(pairs(options, "extra_rw_binds", true)?);
        Ok(Self {
            network,
            workspace,
            own,
            letters,
            binds: all,
            extra_path: words("extra_path")?,
            localhost: given("localhost").is_some_and(|value| *value == Value::Bool(true)),
            limits: Limits::read(options).ok_or(StartError::Sandbox {
                code: "invalid_limits",
                reason: Cow::Borrowed("one of its limits means nothing, and is not taken for none"),
            })?,
        })
    }
}

fn pairs(
    options: &Map<String, Value>,
    name: &str,
    writable: bool,
) -> Result<Vec<(PathBuf, String, bool)>, StartError> {
    let all = match options.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(all)) => all,
        Some(_) => return Err(malformed(name)),
    };
    let pair = |(number, value): (usize, &Value)| {
        let both = value.as_array().map(Vec::as_slice);
        let Some([Value::String(source), Value::String(at)]) = both else { return Err(malformed(name)) };
        if !source.starts_with('/') {
            return Err(refused(name, number, "must be absolute on the host"));
        }
        binds::place_inside(at).map_err(|why| refused(name, number, why))?;
        Ok((PathBuf::from(source), at.clone(), writable))
    };
    all.iter().enumerate().map(pair).collect()
}

/// A place of an option that cannot be shown: named by its number, because its path is the operator's.
pub(super) fn refused(name: &str, number: usize, why: &str) -> StartError {
    StartError::Sandbox { code: "sandbox_bind", reason: format!("{name}[{number}] {why}").into() }
}

fn malformed(name: &str) -> StartError {
    StartError::Sandbox { code: "invalid_config", reason: format!("{name} is malformed").into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(options: Value) -> Result<Sandbox, &'static str> {
        let options = options.as_object().expect("an object");
        Sandbox::read(options, "/w".into(), false, None).map_err(|error| match error {
            StartError::Sandbox { code, .. } => code,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn isolation_is_what_was_asked_for_and_nothing_misspelt_is_open() {
        assert_eq!(read(json!({})).map(|sandbox| sandbox.network), Ok(Network::Open));
        let isolated =
            read(json!({"network": "isolated", "endpoint": "https://h/v1", "endpoint_env": "A_URL"}));
        let Ok(Network::Isolated(asked)) = isolated.map(|sandbox| sandbox.network) else { panic!() };
        assert_eq!(
            (asked.endpoint.as_deref(), asked.names),
            (Some("https://h/v1"), vec!["A_URL".to_owned()])
        );
        for odd in [json!("Isolated"), json!(""), json!(true), json!(["isolated"])] {
            assert_eq!(read(json!({"network": odd.clone()})), Err("invalid_config"), "{odd}");
        }
    }

    #[test]
    fn an_option_that_would_do_nothing_refuses_the_start() {
        for (name, value) in [("endpoint_env", json!("A")), ("egress", json!({})), ("localhost", json!(true))]
        {
            assert_eq!(read(json!({name: value})), Err("unsupported_option"), "{name}");
        }
        assert_eq!(read(json!({"memory_limit": "much"})), Err("invalid_limits"));
        assert_eq!(read(json!({"extra_ro_binds": [["/a", "/etc/x"]]})), Err("sandbox_bind"));
        assert_eq!(read(json!({"extra_rw_binds": [["a", "/data"]]})), Err("sandbox_bind"));
        assert_eq!(read(json!({"extra_ro_binds": ["/a:/b"]})), Err("invalid_config"));
        let binds = read(json!({"extra_ro_binds": [["/a b", "/data"]], "extra_rw_binds": [["/c", "/d"]]}));
        let wanted = vec![("/a b".into(), "/data".to_owned(), false), ("/c".into(), "/d".to_owned(), true)];
        assert_eq!(binds.map(|sandbox| sandbox.binds), Ok(wanted));
    }
}
