//! What can go wrong on the way to the endpoint.
//!
//! The variant is for whoever must answer the agent; the text in it is for the operator alone, for it may
//! name addresses and certificates. The library's errors are read here and nowhere else.

use std::{fmt, io};

use ureq::{Error, Timeout};

/// Longest text of a foreign error that is kept.
const DETAIL: usize = 200;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamError {
    /// the endpoint is https, and this program was built without TLS
    NoTls,
    /// the operator's file of authorities has no certificate, or one that is none
    Authorities,
    /// the key cannot be sent: not visible ASCII
    Key,
    /// the endpoint's scheme, host or port is none
    Target,
    /// the request cannot be sent as HTTP
    Request,
    /// no connection to any of the endpoint's addresses
    Unreachable(String),
    /// no TLS with the endpoint: its certificate is not good, most likely
    Tls(String),
    /// a phase took too long; which
    Timeout(&'static str),
    /// the connection broke
    Broken(String),
    /// the answer is not HTTP, or too large
    Answer(String),
    /// the endpoint sent us elsewhere; with which status
    Redirect(u16),
    /// ended by ourselves
    Cut,
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str("the endpoint is https, and this loopgate was built without TLS"),
            Self::Authorities => f.write_str("the file of authorities has no certificate that can be read"),
            Self::Key => f.write_str("the key cannot be sent as a header"),
            Self::Target => f.write_str("the endpoint is not a scheme, a host and a port"),
            Self::Request => f.write_str("the request cannot be sent as HTTP"),
            Self::Unreachable(why) => write!(f, "no connection to the endpoint: {why}"),
            Self::Tls(why) => write!(f, "no TLS with the endpoint: {why}"),
            Self::Timeout(phase) => write!(f, "the endpoint took too long ({phase})"),
            Self::Broken(why) => write!(f, "the connection to the endpoint broke: {why}"),
            Self::Answer(why) => write!(f, "the endpoint's answer is none: {why}"),
            Self::Redirect(status) => write!(f, "the endpoint answered {status}, a redirect"),
            Self::Cut => f.write_str("the exchange was ended"),
        }
    }
}

impl std::error::Error for UpstreamError {}

impl UpstreamError {
    /// The phase of [`Self::Timeout`] in which nothing of a request has been sent.
    pub const CONNECTING: &str = "connecting";

    /// Of an exchange.
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::Other(error) => match error.downcast::<Staged>() {
                Ok(staged) => staged.0,
                Err(error) => Self::Broken(short(&error)),
            },
            Error::Timeout(phase) => Self::Timeout(phase_name(phase)),
            Error::Io(error) => Self::of_io(&error),
            Error::ConnectionFailed | Error::HostNotFound => Self::Unreachable(short(&error)),
            Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => {
                Self::Answer(short(&error))
            }
            // The rest is of features that are not used.
            other => Self::Broken(short(&other)),
        }
    }

    /// Of reading a body.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout("silence"),
            io::ErrorKind::InvalidData => Self::Answer(short(error)),
            _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(Error::Protocol(_)) => Self::Answer(short(error)),
                Some(Error::Timeout(phase)) => Self::Timeout(phase_name(*phase)),
                Some(_) | None => Self::Broken(short(error)),
            },
        }
    }

    /// Of dialling.
    pub(super) fn unreachable(error: &Error) -> Error {
        Error::Other(Box::new(Staged(Self::Unreachable(short(error)))))
    }

    /// Of a handshake.
    #[cfg(feature = "tls")]
    pub(super) fn handshake(error: Error) -> Error {
        match error {
            Error::Timeout(_) => error,
            other => Error::Other(Box::new(Staged(Self::Tls(short(&other))))),
        }
    }
}

/// An error of ours on its way through the library.
#[derive(Debug)]
struct Staged(UpstreamError);

impl fmt::Display for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Staged {}

fn phase_name(phase: Timeout) -> &'static str {
    match phase {
        Timeout::Resolve | Timeout::Connect => UpstreamError::CONNECTING,
        Timeout::SendRequest | Timeout::SendBody | Timeout::PerWrite => "taking the request",
        Timeout::RecvResponse => "answering",
        Timeout::PerRead | Timeout::RecvBody => "silence",
        // The enum is the library's, and it may gain phases.
        _ => "in all",
    }
}

/// The text of a foreign error: what a stranger put into it neither breaks a line nor fills a log.
fn short(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    text.chars().filter(|c| !c.is_control()).take(DETAIL).collect()
}
