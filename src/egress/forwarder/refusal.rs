//! Why the forwarder does not pass something on, and how it says so.
//!
//! An agent reads one plain sentence and a stable code. What the operator must know beyond that - addresses,
//! certificates - goes to the events and never to the agent.

use serde_json::json;

use crate::{client::upstream::UpstreamError, wire::head::HeadError};

/// A request that is not answered by the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// of our answer
    pub status: u16,
    /// stable
    pub code: &'static str,
    /// for the agent
    pub message: &'static str,
    /// for the operator alone
    pub detail: Option<String>,
    /// seconds after which it is worth another try
    pub retry_after: Option<u64>,
    /// whether the endpoint may have done already what it was asked: a client that asks again pays twice
    pub once: bool,
}

impl Refusal {
    /// One without more to say.
    pub(super) const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, detail: None, retry_after: None, once: false }
    }

    /// What makes a head none that is passed on.
    pub(super) fn of_head(error: HeadError) -> Self {
        let (status, code, message) = error.answer();
        match error {
            HeadError::BodyTooLarge => Self::new(
                status,
                code,
                "The request's body is larger than 33554432 bytes, the most that is passed on.",
            ),
            HeadError::VersionUnknown => Self::version(),
            HeadError::Malformed(_)
            | HeadError::RequestLineTooLong
            | HeadError::ExpectationUnknown
            | HeadError::TooLarge
            | HeadError::TooManyFields
            | HeadError::MethodUnknown
            | HeadError::TransferEncoding => Self::new(status, code, message),
        }
    }

    pub(super) const fn version() -> Self {
        Self::new(505, "version_unknown", "Only HTTP/1.1 is spoken here.")
    }

    pub(super) const fn late() -> Self {
        Self::new(408, "request_timeout", "The request did not arrive in time.")
    }

    /// What went wrong on the way to the endpoint.
    pub(super) fn of_upstream(error: &UpstreamError) -> Self {
        let (status, code, message) = match error {
            UpstreamError::NoTls
            | UpstreamError::Authorities
            | UpstreamError::Key
            | UpstreamError::Target
            | UpstreamError::Unreachable(_) => {
                (502, "upstream_unreachable", "The model endpoint cannot be reached at the moment.")
            }
            UpstreamError::Request => {
                (400, "malformed_request", "The request cannot be passed on as it is written.")
            }
            UpstreamError::Tls(_) => (
                502,
                "upstream_tls",
                "The model endpoint could not prove who it is, so nothing was sent to it.",
            ),
            UpstreamError::Timeout(_) => {
                (504, "upstream_timeout", "The model endpoint did not answer in time.")
            }
            UpstreamError::Broken(_) | UpstreamError::Cut => {
                (502, "upstream_broken", "The connection to the model endpoint broke.")
            }
            UpstreamError::Answer(_) => {
                (502, "upstream_answer", "The model endpoint's answer could not be read.")
            }
            UpstreamError::Redirect(_) => (
                502,
                "upstream_redirect",
                "The model endpoint answered with a redirect, and redirects are not followed.",
            ),
        };
        Self { detail: Some(error.to_string()), ..Self::new(status, code, message) }
    }

    /// What went wrong with a request that the endpoint may have had, and that was not only a question.
    pub(super) fn of_exchange(error: &UpstreamError, method: &str) -> Self {
        let had = match error {
            UpstreamError::NoTls
            | UpstreamError::Authorities
            | UpstreamError::Key
            | UpstreamError::Target
            | UpstreamError::Request
            | UpstreamError::Unreachable(_)
            | UpstreamError::Tls(_) => false,
            UpstreamError::Timeout(phase) => *phase != UpstreamError::CONNECTING,
            UpstreamError::Broken(_)
            | UpstreamError::Answer(_)
            | UpstreamError::Redirect(_)
            | UpstreamError::Cut => true,
        };
        Self { once: had && method != "GET", ..Self::of_upstream(error) }
    }

    /// The answer; the connection ends with it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let body = json!({"error": {
            "type": "egress_refused", "code": self.code, "message": self.message
        }})
        .to_string();
        let retry = self.retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
        // As the clients' libraries have it.
        let once = if self.once { "x-should-retry: false\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} \r\nx-egress-refusal: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             {retry}{once}connection: close\r\n\r\n{body}",
            self.status,
            self.code,
            body.len()
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_endpoint_may_have_done_is_not_to_be_asked_again() {
        let says = |error: &UpstreamError, method| {
            let bytes = Refusal::of_exchange(error, method).bytes();
            String::from_utf8(bytes).expect("text").contains("\r\nx-should-retry: false\r\n")
        };
        for error in [
            UpstreamError::Timeout("answering"),
            UpstreamError::Broken(String::new()),
            UpstreamError::Answer(String::new()),
            UpstreamError::Redirect(307),
        ] {
            assert!(says(&error, "POST") && !says(&error, "GET"), "{error}");
        }
        for error in [
            UpstreamError::Timeout(UpstreamError::CONNECTING),
            UpstreamError::Unreachable(String::new()),
            UpstreamError::Tls(String::new()),
        ] {
            assert!(!says(&error, "POST"), "{error}");
        }
    }
}
