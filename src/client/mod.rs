//! The one HTTP client: of client verbs to an instance on this machine, of an instance to others of
//! the same user ([`peer`]), and to the endpoint of an isolated agent ([`upstream`]).
//!
//! Speaks to one address that was checked, and to nothing else: no proxy whatever the environment
//! says, no redirect, no name to resolve. Every phase has a deadline and every answer a limit. The
//! credential leaves only on a connection whose other end was checked after it stood.

#![forbid(unsafe_code)]

mod by_hand;
mod key;
pub mod peer;
mod pinned;
mod socket;
mod stream;
mod timed;
pub mod upstream;

use std::{fmt, net::SocketAddr, time::Duration};

use serde_json::Value;
use ureq::{Agent, http::Request};

use crate::{
    limits,
    store::{Home, KeyFile, KeyFileError, keyfile},
    wire::secret::Secret,
};
use key::{Key, Shown};
use pinned::{Pinned, Unproven};
pub use socket::{Heard, Opened, Socket};
pub use stream::{Frame, Frames, Streamed, Told};

/// Deadline of a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Deadline of a whole request, beyond what it asks the instance to wait.
const REQUEST: Duration = Duration::from_secs(15);
/// Largest head of an answer.
const ANSWER_HEAD: usize = 16 * 1024;

/// Times that a request that was refused for its key is made again with the next one.
const RENEWALS: usize = 3;

/// A client of one instance with one credential. May be used by several threads at once.
pub struct Client {
    agent: Agent,
    pinned: Pinned,
    at: SocketAddr,
    key: Key,
    /// of a whole request, beyond what it asks the instance to wait
    deadline: Duration,
}

/// One answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// the status code
    pub status: u16,
    /// names in lower case
    headers: Vec<(String, String)>,
    /// at most [`limits::CLIENT_ANSWER`] bytes
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Whether the status says that it worked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// nobody listens any more
    NotRunning(SocketAddr),
    /// the other end of the connection is not the instance; the credential was not sent
    Unproven(KeyFileError),
    /// the deadline passed; which phase
    TimedOut(String),
    /// the answer is larger than [`limits::CLIENT_ANSWER`]
    TooLarge,
    /// the address is not a literal with a port
    Address,
    /// the credential cannot be sent: not visible ASCII
    Credential,
    /// the method or path cannot be sent
    Request,
    /// the body has so many bytes, more than [`limits::BODY_LARGEST`]; nothing was sent
    BodyTooLarge(usize),
    /// a frame of a stream is larger than [`limits::CLIENT_FRAME`]
    FrameTooLarge,
    /// nothing came on a stream for so long, not even a comment
    Silent(Duration),
    /// the connection broke, or the answer is not HTTP
    Broken(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(at) => write!(f, "nobody listens at {at} any more"),
            Self::Unproven(error) => write!(f, "nothing was sent: {error}"),
            Self::TimedOut(phase) => write!(f, "the instance did not answer in time ({phase})"),
            Self::TooLarge => {
                write!(f, "the answer is larger than {} bytes and was dropped", limits::CLIENT_ANSWER)
            }
            Self::Address => {
                f.write_str("the instance's address is not `http://` and an IP address with its port")
            }
            Self::Credential => f.write_str("the key or token is not visible ASCII"),
            Self::Request => f.write_str("the method or the path cannot be sent as HTTP"),
            Self::BodyTooLarge(bytes) => write!(
                f,
                "nothing was sent: the request has {bytes} bytes as JSON, and the instance takes {} at most",
                limits::BODY_LARGEST
            ),
            Self::FrameTooLarge => {
                write!(f, "the instance sent a frame of more than {} bytes", limits::CLIENT_FRAME)
            }
            Self::Silent(time) => {
                write!(
                    f,
                    "nothing came from the instance for {} seconds, not even a sign of life",
                    time.as_secs()
                )
            }
            Self::Broken(why) => write!(f, "the connection to the instance broke: {why}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// The owner's client, from a key file that was verified. The listener is checked again on
    /// every connection before the key is sent over it.
    pub fn owner(file: KeyFile) -> Self {
        Self::of(file.web_endpoint, file.pid, file.listener_inode, Key::of_owner(file, None))
    }

    /// The same; where the key was changed, the key file in `home` is read again, with all its checks.
    pub fn owner_in(home: Home, file: KeyFile) -> Self {
        Self::of(file.web_endpoint, file.pid, file.listener_inode, Key::of_owner(file, Some(home)))
    }

    /// The operator's client of the swarm surface of the instance that wrote this file, with the API token
    /// where there is one. The owner key does not go there.
    pub fn operator(file: &KeyFile, token: Option<Secret>) -> Self {
        Self::of(file.web_endpoint, file.pid, file.listener_inode, Key::of_operator(token))
    }

    fn of(at: SocketAddr, pid: u32, inode: Option<u64>, key: Key) -> Self {
        let pinned = Pinned::instance(at, pid, inode);
        Self { agent: agent(pinned.clone()), pinned, at, key, deadline: REQUEST }
    }

    /// An agent's client: `url` and token as the instance put them into the agent's environment.
    pub fn of_agent(url: &str, token: Secret) -> Result<Self, ClientError> {
        let at = literal_url(url).ok_or(ClientError::Address)?;
        let pinned = Pinned::same_user(at);
        let agent = agent(pinned.clone());
        Ok(Self { agent, pinned, at, key: Key::of_agent(token), deadline: REQUEST })
    }

    /// The same, for requests that are done within this time or not at all.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The instance's address.
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.call("GET", path, None, Duration::ZERO)
    }

    /// GET of something that the instance holds back for up to `wait`.
    pub fn get_waiting(&self, path: &str, wait: Duration) -> Result<Answer, ClientError> {
        self.call("GET", path, None, wait)
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.call("POST", path, Some(body.to_string().into_bytes()), Duration::ZERO)
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.call("DELETE", path, None, Duration::ZERO)
    }

    /// Looks for a changed key. The number of the key that is shown from now on.
    pub fn renew(&self) -> u64 {
        self.key.renewed(&self.key.now());
        self.key_number()
    }

    /// The number of the key that is shown now: another one where the key was changed.
    pub fn key_number(&self) -> u64 {
        self.key.now().number
    }

    /// Makes a request, and makes it again where its key was changed; what was refused for its key was
    /// not looked at.
    fn with_key<T>(
        &self,
        request: impl Fn(&Shown) -> Result<T, ClientError>,
        is_refused: impl Fn(&T) -> bool,
    ) -> Result<T, ClientError> {
        for _ in 0..RENEWALS {
            let key = self.key.now();
            let answer = request(&key)?;
            if !is_refused(&answer) || !self.key.renewed(&key) {
                return Ok(answer);
            }
        }
        request(&self.key.now())
    }

    /// Any request; a body is sent as JSON.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ClientError::Request);
        }
        if let Some(bytes) = body.as_ref().map(Vec::len).filter(|bytes| *bytes > limits::BODY_LARGEST) {
            return Err(ClientError::BodyTooLarge(bytes));
        }
        self.with_key(
            |key| self.call_with(key, method, path, body.clone(), wait),
            |answer| answer.status == 401,
        )
    }

    fn call_with(
        &self,
        key: &Shown,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.at));
        let request = match key.header()? {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        let deadline = self.deadline.saturating_add(wait);
        let result = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body)
                .map_err(ureq::Error::Http)
                .map(|request| self.agent.configure_request(request).timeout_global(Some(deadline)).build())
                .and_then(|request| self.agent.run(request)),
            None => request
                .body(())
                .map_err(ureq::Error::Http)
                .map(|request| self.agent.configure_request(request).timeout_global(Some(deadline)).build())
                .and_then(|request| self.agent.run(request)),
        };
        let mut response = result.map_err(|error| self.explain(error))?;
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let status = response.status().as_u16();
        // ureq's limit is the first size that is too large
        let limit = (limits::CLIENT_ANSWER as u64).saturating_add(1);
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        Ok(Answer { status, headers, body: body.map_err(|error| self.explain(error))? })
    }

    fn explain(&self, error: ureq::Error) -> ClientError {
        match error {
            ureq::Error::Timeout(phase) => ClientError::TimedOut(phase.to_string()),
            ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => ClientError::TooLarge,
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => ClientError::Request,
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(self.at)
            }
            ureq::Error::Other(error) => match error.downcast::<Unproven>() {
                Ok(unproven) => ClientError::Unproven(unproven.0),
                Err(error) => ClientError::Broken(error.to_string()),
            },
            other => ClientError::Broken(other.to_string()),
        }
    }
}

fn agent(pinned: Pinned) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_send_request(Some(REQUEST))
        .timeout_send_body(Some(REQUEST))
        .timeout_global(Some(REQUEST))
        .max_response_header_size(ANSWER_HEAD)
        .input_buffer_size(64 * 1024)
        .output_buffer_size(16 * 1024)
        .user_agent(concat!("loopgate/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, pinned.clone(), pinned)
}

/// `http://` with a literal address and a port, and nothing behind it but a slash.
fn literal_url(url: &str) -> Option<SocketAddr> {
    let text = url.strip_prefix("http://")?;
    let text = text.strip_suffix('/').unwrap_or(text);
    let at: SocketAddr = text.parse().ok()?;
    keyfile::is_endpoint(at).then_some(at)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
