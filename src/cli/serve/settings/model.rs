//! Where the model is, what it is asked with, and to which endpoints agents may be led.
//!
//! What is not plain ends the start: a list that is read otherwise than it was meant gives the key away.

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Environment, LLM_KEY, SettingError};
use crate::{
    egress::{
        endpoint::Endpoint,
        policy::{self, Here, Policy},
    },
    wire::secret::Secret,
};

const ENDPOINT: [&str; 2] = ["LOOPGATE_LLM_ENDPOINT", "SUBZEROCLAW_ENDPOINT"];
const ALLOWED: [&str; 2] = ["GENSWARMS_ALLOWED_ENDPOINTS", "LOOPGATE_ALLOWED_ENDPOINTS"];
const CA_FILE: &str = "LOOPGATE_LLM_CA_FILE";

/// Longest file of authorities; a whole system's has a quarter of it.
const CA_BYTES: u64 = 1024 * 1024;

/// What the operator says of the model.
pub struct ModelSettings {
    /// where it is
    pub endpoint: Endpoint,
    /// the operator's key for it
    pub key: Option<Secret>,
    /// where else agents may be led
    pub allowed: Vec<Endpoint>,
    /// whose certificates are good there; absolute
    pub ca_file: Option<PathBuf>,
}

impl ModelSettings {
    pub(super) fn read(env: &mut Environment) -> Result<Self, SettingError> {
        let key = env.secret(LLM_KEY, false)?.map(|(_, key)| key);
        let endpoint = match env.text(&ENDPOINT)? {
            None => Endpoint::default(),
            Some((name, text)) => {
                policy::trusted(&text).map_err(|error| SettingError::new(&name, error.reason()))?
            }
        };
        let allowed = match env.text(&ALLOWED)? {
            None => Vec::new(),
            Some((name, text)) => policy::list(&text).map_err(|(entry, error)| {
                SettingError::new(&name, format!("has the entry {entry:?}, which {}", error.reason()))
            })?,
        };
        let ca_file = env.text(&[CA_FILE])?.map(|(_, path)| PathBuf::from(path));
        if ca_file.as_ref().is_some_and(|path| !path.is_absolute()) {
            let what = "is not an absolute path: give one from the first slash";
            return Err(SettingError::new(CA_FILE, what));
        }
        Ok(Self { endpoint, key, allowed, ca_file })
    }

    /// The policy of an instance that listens at `own`.
    pub fn policy(self, own: SocketAddr) -> Result<Policy, SettingError> {
        let authorities = self.ca_file.as_deref().map(authorities).transpose()?;
        Ok(Policy::new(policy::Parts {
            operator: self.endpoint,
            key: self.key,
            allowed: self.allowed,
            own: vec![own],
            authorities,
            system: Arc::new(Here),
        }))
    }
}

/// The certificates in that file. Read once: who changes it later changes nothing that runs.
fn authorities(path: &Path) -> Result<Vec<u8>, SettingError> {
    let wrong = |what: String| SettingError::new(CA_FILE, what);
    let pem = read(path).map_err(|error| wrong(format!("names a file that cannot be read: {error}")))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(begin.len()).any(|bytes| bytes == begin) {
        Ok(pem)
    } else {
        Err(wrong("names a file without a certificate in it: it must be PEM".to_owned()))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Looked at first: opening a FIFO would wait for somebody who writes.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut pem = Vec::new();
    File::open(path)?.take(CA_BYTES.saturating_add(1)).read_to_end(&mut pem)?;
    if pem.len() as u64 > CA_BYTES { Err(io::Error::other("it is too large")) } else { Ok(pem) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::testing::TempHome;

    #[test]
    fn authorities_are_a_file_of_certificates_and_nothing_else() {
        let home = TempHome::new();
        let at = |name: &str| home.path().join(name);
        fs::write(at("ca.pem"), "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").unwrap();
        fs::write(at("key.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
        fs::write(at("large.pem"), vec![b'-'; 1024 * 1024 + 1]).unwrap();
        assert!(authorities(&at("ca.pem")).is_ok());
        for bad in ["key.pem", "large.pem", "missing.pem", "."] {
            let error = authorities(&at(bad)).expect_err(bad);
            assert_eq!(error.name, CA_FILE, "{bad}");
        }
    }
}
