//! The HTTPS client towards the one endpoint of an isolated agent.
//!
//! Dials only addresses that were checked, verifies the endpoint's certificate in full, follows no redirect
//! and asks no proxy, whatever the environment says. Each phase has a deadline, a body only one for silence:
//! a model may speak for an hour. Nothing is held back: what has come of an answer is read at once. What an
//! agent may ask for, and what of an answer it may see, is decided in `egress::forwarder`.

use std::{
    fmt,
    io::{self, Read},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ureq::{
    Agent, BodyReader, SendBody,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Version},
};

use crate::{limits, wire::secret::Secret};

mod error;
mod way;

pub use error::UpstreamError;
use way::{Addresses, Way};

/// Where the endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// with TLS
    pub https: bool,
    /// a name or a literal address, an IPv6 one in brackets
    pub host: String,
    /// the port
    pub port: u16,
}

/// Whose signature on the endpoint's certificate is good.
pub enum Authorities {
    /// Mozilla's list, as it is compiled in
    Known,
    /// the operator's, as PEM, and nobody else's
    Given(Vec<u8>),
}

/// How long each phase of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// until a connection stands, TLS included
    pub connect: Duration,
    /// for the request, its body included
    pub request: Duration,
    /// until the head of the answer is there
    pub answer: Duration,
    /// between two bytes of an answer
    pub silence: Duration,
    /// how long a connection without an exchange is kept
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(limits::UPSTREAM_CONNECT_MS),
            request: Duration::from_millis(limits::UPSTREAM_REQUEST_MS),
            answer: Duration::from_millis(limits::UPSTREAM_ANSWER_MS),
            silence: Duration::from_millis(limits::UPSTREAM_SILENCE_MS),
            idle: Duration::from_millis(limits::UPSTREAM_IDLE_MS),
        }
    }
}

/// Asks again for the addresses of the endpoint, by the same rule as at the start.
pub type Resolve = dyn Fn() -> Option<Vec<SocketAddr>> + Send + Sync;

/// The way to one endpoint, for one agent. May be used by several threads at once.
pub struct Upstream {
    target: Target,
    way: Way,
    patience: Patience,
    key: Option<Secret>,
    /// connections without an exchange, and since when; the newest last
    idle: Mutex<Vec<(Line, Instant)>>,
}

/// One connection, or none yet: it is made by the first exchange.
pub struct Line {
    agent: Agent,
    cut: Arc<AtomicBool>,
}

/// Ends a [`Line`] from another thread, whatever it waits for.
#[derive(Clone)]
pub struct Cut {
    agent: Agent,
    cut: Arc<AtomicBool>,
}

impl Cut {
    /// Ends it, for good.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.agent.clone().shutdown();
    }
}

/// How the key goes to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `x-api-key: KEY`
    ApiKey,
    /// `authorization: Bearer KEY`
    Bearer,
}

/// One request, with everything that was not the agent's to say left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// a token
    pub method: &'static str,
    /// path and query
    pub target: String,
    /// names in lower case; neither Host nor a length nor a credential
    pub headers: Vec<(String, Vec<u8>)>,
    /// of the body; `None` without one
    pub length: Option<u64>,
    /// how the key is added
    pub form: Form,
}

/// The head of an answer, and its body as a reader.
pub struct Answer {
    /// 200..=599 and no redirect
    pub status: u16,
    /// as they came, names in lower case
    pub headers: Vec<(String, Vec<u8>)>,
    /// of the body, where it is known
    pub length: Option<u64>,
    body: BodyReader<'static>,
}

impl Upstream {
    /// The way to `target` over `addresses`; `resolve` is asked again, at most once a minute, when dialling
    /// fails. Nothing is dialled yet.
    pub fn new(
        target: Target,
        addresses: Vec<SocketAddr>,
        resolve: Box<Resolve>,
        authorities: &Authorities,
        key: Option<Secret>,
        patience: Patience,
    ) -> Result<Self, UpstreamError> {
        let way = Way::new(&target, Addresses::new(addresses, resolve), authorities)?;
        if let Some(key) = &key {
            HeaderValue::from_bytes(key.expose()).map_err(|_| UpstreamError::Key)?;
        }
        Ok(Self { target, way, patience, key, idle: Mutex::default() })
    }

    /// A connection that waits, or the means to make one.
    pub fn line(&self) -> Line {
        let waiting = self.lines().pop();
        waiting.map_or_else(
            || Line { agent: self.way.agent(self.patience), cut: Arc::default() },
            |(line, _)| line,
        )
    }

    /// Where there may be connections to now: addresses that are dialled, and that were before.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.way.addresses()
    }

    /// Takes a line back whose exchange is over. Where too many wait already it is closed.
    pub fn keep(&self, line: Line) {
        let mut idle = self.lines();
        if idle.len() < limits::UPSTREAM_IDLE && !line.cut.load(Ordering::SeqCst) {
            idle.push((line, Instant::now()));
        }
    }

    /// Closes what has waited too long; whether something waits still.
    pub fn tidy(&self) -> bool {
        let mut idle = self.lines();
        idle.retain(|(_, since)| since.elapsed() < self.patience.idle);
        !idle.is_empty()
    }

    /// Closes all that waits.
    pub fn close(&self) {
        self.lines().clear();
    }

    /// Sends a request with the key, and reads the head of its answer. `body` must give exactly
    /// [`Outgoing::length`] bytes or an error.
    pub fn send(
        &self,
        line: &Line,
        request: &Outgoing,
        body: &mut dyn Read,
    ) -> Result<Answer, UpstreamError> {
        let built = self.request(request)?;
        let response = match request.length {
            Some(_) => line.agent.run(built.map(|()| SendBody::from_reader(body))),
            None => line.agent.run(built.map(|()| SendBody::none())),
        };
        if line.cut.load(Ordering::SeqCst) {
            return Err(UpstreamError::Cut);
        }
        let response = response.map_err(UpstreamError::of)?;
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        if head.status.is_redirection() && status != 304 {
            return Err(UpstreamError::Redirect(status));
        }
        if !(200..600).contains(&status) {
            return Err(UpstreamError::Answer("its status is none".to_owned()));
        }
        if !one_length(head.version, &head.headers) {
            return Err(UpstreamError::Answer("its framing has two readings".to_owned()));
        }
        // A 205 has no content either, but its end is found like any other's (RFC 9112, 6.3).
        let length = if matches!(status, 204 | 304) { Some(0) } else { body.content_length() };
        let headers = head.headers.iter().filter(|(_, value)| !self.holds_key(value.as_bytes()));
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Ok(Answer { status, headers: headers.collect(), length, body: body.into_reader() })
    }

    /// Whether `bytes` hold the key: an endpoint that sends it back would tell it to the agent.
    fn holds_key(&self, bytes: &[u8]) -> bool {
        let key = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty());
        key.is_some_and(|key| bytes.windows(key.len()).any(|part| part == key))
    }

    fn request(&self, request: &Outgoing) -> Result<Request<()>, UpstreamError> {
        let unsent = |_| UpstreamError::Request;
        let url = format!("{}{}", self.way.origin(), request.target);
        let mut built = Request::builder()
            .method(request.method)
            .uri(url)
            .body(())
            .map_err(|_| UpstreamError::Request)?;
        // Nothing may have been read differently than it was judged.
        if built.uri().path_and_query().is_none_or(|found| found.as_str() != request.target) {
            return Err(UpstreamError::Request);
        }
        let headers = built.headers_mut();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| UpstreamError::Request)?;
            headers.append(name, HeaderValue::from_bytes(value).map_err(unsent)?);
        }
        if let Some(length) = request.length {
            headers.insert("content-length", HeaderValue::from(length));
        }
        if let Some(key) = &self.key {
            let (name, start) = match request.form {
                Form::ApiKey => ("x-api-key", ""),
                Form::Bearer => ("authorization", "Bearer "),
            };
            let mut whole = [start.as_bytes(), key.expose()].concat();
            let value = HeaderValue::from_bytes(&whole);
            whole.fill(0);
            std::hint::black_box(&whole);
            let mut value = value.map_err(|_| UpstreamError::Key)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(built)
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<(Line, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the key.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Line {
    /// What ends it from another thread.
    pub fn cut(&self) -> Cut {
        Cut { agent: self.agent.clone(), cut: Arc::clone(&self.cut) }
    }
}

impl Read for Answer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.body.read(into)
    }
}

/// Whether all readers find the same end of the body (RFC 9112, 6.3). The library takes the chunks where there
/// is a length as well, and its first length where there are several. Before HTTP/1.1 there were no codings, and a
/// server that names one then may have meant either end.
fn one_length(version: Version, headers: &HeaderMap) -> bool {
    let lengths = headers.get_all("content-length").iter().count();
    let mut codings = headers.get_all("transfer-encoding").iter();
    match (codings.next(), codings.next()) {
        (None, _) => lengths <= 1,
        (Some(_), _) if version < Version::HTTP_11 => false,
        (Some(one), None) => lengths == 0 && one.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}
