//! How a connection to the endpoint is made: its addresses, TLS, and what is laid around them.
//!
//! Four links of a chain: a resolver that knows one name, a dialler that asks for fresh addresses at most
//! once a minute, TLS with one configuration for all connections of an agent, and a guard that does not let a
//! connection that broke pass for one that ended.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ureq::{
    Agent, Error,
    config::Config,
    http::{Uri, uri::Authority},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{
            Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
            time::Duration as Left,
        },
    },
};

use super::{Authorities, Patience, Resolve, Target, UpstreamError};
use crate::limits;

/// Most addresses of one endpoint that are dialled.
const ADDRESSES: usize = 8;
/// Most addresses of before that are remembered.
const REMEMBERED: usize = 32;

/// The endpoint's addresses, every one of them checked.
pub(super) struct Addresses {
    now: Mutex<Known>,
    resolve: Box<Resolve>,
}

struct Known {
    addresses: Vec<SocketAddr>,
    /// those of before, to which there may still be connections
    before: Vec<SocketAddr>,
    asked: Option<Instant>,
}

impl Addresses {
    pub(super) fn new(addresses: Vec<SocketAddr>, resolve: Box<Resolve>) -> Self {
        Self { now: Mutex::new(Known { addresses, before: Vec::new(), asked: None }), resolve }
    }

    fn known(&self) -> Vec<SocketAddr> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).addresses.clone()
    }

    /// Fresh ones, where it is time to ask; the lock is not held meanwhile.
    fn again(&self) -> Option<Vec<SocketAddr>> {
        {
            let mut known = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            let pause = Duration::from_millis(limits::UPSTREAM_RESOLVE_PAUSE_MS);
            if known.asked.is_some_and(|asked| asked.elapsed() < pause) {
                return None;
            }
            known.asked = Some(Instant::now());
        }
        let fresh = (self.resolve)().filter(|fresh| !fresh.is_empty())?;
        let mut known = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut known.addresses, fresh.clone());
        known.before.retain(|address| !old.contains(address));
        known.before.extend(old);
        let most = known.before.len().saturating_sub(REMEMBERED);
        known.before.drain(..most);
        Some(fresh)
    }

    /// Those that are dialled now, and those that were.
    fn all(&self) -> Vec<SocketAddr> {
        let known = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = known.addresses.clone();
        all.extend(known.before.iter().filter(|address| !known.addresses.contains(address)));
        all
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses")
    }
}

/// What all connections of an agent share.
pub(super) struct Way {
    origin: String,
    only: Only,
    tls: Tls,
    #[cfg(feature = "tls")]
    tls_config: ureq::tls::TlsConfig,
}

impl Way {
    pub(super) fn new(
        target: &Target,
        addresses: Addresses,
        authorities: &Authorities,
    ) -> Result<Self, UpstreamError> {
        let (scheme, usual) = if target.https { ("https", 443) } else { ("http", 80) };
        let authority = match target.port {
            port if port == usual => target.host.clone(),
            port => format!("{}:{port}", target.host),
        };
        let parsed: Authority = authority.parse().map_err(|_| UpstreamError::Target)?;
        if parsed.host() != target.host || authority.contains('@') || target.port == 0 {
            return Err(UpstreamError::Target);
        }
        let only = Only { authority: parsed, addresses: Arc::new(addresses) };
        let origin = format!("{scheme}://{authority}");
        #[cfg(not(feature = "tls"))]
        {
            let _ = authorities;
            if target.https {
                return Err(UpstreamError::NoTls);
            }
            Ok(Self { origin, only, tls: Tls::default() })
        }
        #[cfg(feature = "tls")]
        Ok(Self { origin, only, tls: Tls::default(), tls_config: tls_config(authorities)? })
    }

    /// Where there may be connections to now.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.only.addresses.all()
    }

    /// Scheme and authority.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// For one connection, which it keeps between exchanges.
    pub(super) fn agent(&self, patience: Patience) -> Agent {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(patience.idle)
            .max_response_header_size(limits::UPSTREAM_HEAD)
            // More than a head may have: one that fills it is seen to be too large.
            .input_buffer_size(limits::UPSTREAM_HEAD + 8 * 1024)
            .output_buffer_size(32 * 1024)
            // What the agent did not say is not said for it.
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .timeout_connect(Some(patience.connect))
            .timeout_send_request(Some(patience.request))
            .timeout_send_body(Some(patience.request))
            .timeout_recv_response(Some(patience.answer))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.request));
        #[cfg(feature = "tls")]
        let config = config.tls_config(self.tls_config.clone());
        let dial = Dial(Arc::clone(&self.only.addresses));
        let chain = ().chain(dial).chain(self.tls.clone()).chain(Guard);
        Agent::with_parts(config.build(), chain, self.only.clone())
    }
}

/// Full verification, by one list of authorities or the other, never both.
#[cfg(feature = "tls")]
fn tls_config(authorities: &Authorities) -> Result<ureq::tls::TlsConfig, UpstreamError> {
    use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
    let roots = match authorities {
        Authorities::Known => RootCerts::WebPki,
        Authorities::Given(pem) => {
            let mut given = Vec::new();
            for item in parse_pem(pem) {
                if let PemItem::Certificate(one) = item.map_err(|_| UpstreamError::Authorities)? {
                    given.push(one);
                }
            }
            if given.is_empty() {
                return Err(UpstreamError::Authorities);
            }
            RootCerts::new_with_certs(&given)
        }
    };
    Ok(TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(roots).use_sni(true).build())
}

/// Resolves the endpoint's name, to what is known of it, and no other.
#[derive(Debug, Clone)]
struct Only {
    authority: Authority,
    addresses: Arc<Addresses>,
}

impl Resolver for Only {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        if uri.authority() != Some(&self.authority) {
            return Err(Error::HostNotFound);
        }
        listed(self, &self.addresses.known()).ok_or(Error::HostNotFound)
    }
}

fn listed(resolver: &dyn Resolver, addresses: &[SocketAddr]) -> Option<ResolvedSocketAddrs> {
    let mut list = resolver.empty();
    for address in addresses.iter().take(ADDRESSES) {
        list.push(*address);
    }
    (!addresses.is_empty()).then_some(list)
}

/// Dials, and where that fails asks once for fresh addresses.
#[derive(Debug)]
struct Dial(Arc<Addresses>);

impl Connector for Dial {
    type Out = <TcpConnector as Connector>::Out;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        // Half of the time for these, a quarter for fresh ones, the rest for TLS.
        let first = within(details, details.addrs.clone(), 2);
        let dialled = TcpConnector::default().connect(&first, None);
        let Err(error) = dialled else { return dialled };
        let fresh = self.0.again().and_then(|fresh| listed(details.resolver, &fresh));
        let Some(fresh) = fresh else { return Err(UpstreamError::unreachable(&error)) };
        TcpConnector::default()
            .connect(&within(details, fresh, 4), None)
            .map_err(|error| UpstreamError::unreachable(&error))
    }
}

fn within<'a>(
    details: &ConnectionDetails<'a>,
    addrs: ResolvedSocketAddrs,
    part: u32,
) -> ConnectionDetails<'a> {
    let after = match details.timeout.after {
        Left::Exact(time) => Left::Exact(time.checked_div(part).unwrap_or(time)),
        Left::NotHappening => Left::NotHappening,
    };
    ConnectionDetails {
        uri: details.uri,
        addrs,
        config: details.config,
        request_level: details.request_level,
        resolver: details.resolver,
        now: (details.current_time)(),
        timeout: NextTimeout { after, ..details.timeout },
        current_time: Arc::clone(&details.current_time),
        run_connector: Arc::clone(&details.run_connector),
        register_shutdown: Arc::clone(&details.register_shutdown),
    }
}

/// One TLS configuration for all connections, so that a later one may resume the session of an earlier one.
#[derive(Debug, Clone, Default)]
struct Tls(#[cfg(feature = "tls")] Arc<ureq::unversioned::transport::RustlsConnector>);

#[cfg(feature = "tls")]
impl<In: Transport> Connector<In> for Tls {
    type Out = <ureq::unversioned::transport::RustlsConnector as Connector<In>>::Out;

    fn connect(&self, details: &ConnectionDetails, under: Option<In>) -> Result<Option<Self::Out>, Error> {
        self.0.connect(details, under).map_err(UpstreamError::handshake)
    }
}

#[cfg(not(feature = "tls"))]
impl<In: Transport> Connector<In> for Tls {
    type Out = In;

    fn connect(&self, details: &ConnectionDetails, under: Option<In>) -> Result<Option<In>, Error> {
        if details.needs_tls() { Err(Error::TlsRequired) } else { Ok(under) }
    }
}

/// Lays a [`Guarded`] around a connection.
#[derive(Debug)]
struct Guard;

impl<In: Transport> Connector<In> for Guard {
    type Out = Guarded<In>;

    fn connect(&self, _: &ConnectionDetails, under: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(under.map(|under| Guarded { under, closed: false }))
    }
}

/// A connection whose breaking is an error.
///
/// The library takes a reset, or the end of TLS without its farewell, for the end of a body that has no
/// length: whoever can cut a wire could shorten an answer unseen.
#[derive(Debug)]
struct Guarded<In> {
    under: In,
    /// the endpoint has closed its side while we wrote; it may have answered before
    closed: bool,
}

impl<In: Transport> Transport for Guarded<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.under.buffers()
    }

    /// Whoever refuses a request before he has read all of it has answered: that is read next.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.closed {
            return Ok(());
        }
        match self.under.transmit_output(amount, timeout) {
            Err(Error::Io(error))
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.under.await_input(timeout).map_err(|error| match error {
            Error::Io(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                ) =>
            {
                Error::Io(io::Error::new(io::ErrorKind::BrokenPipe, error))
            }
            other => other,
        })
    }

    fn is_open(&mut self) -> bool {
        !self.closed && self.under.is_open()
    }

    fn is_tls(&self) -> bool {
        self.under.is_tls()
    }
}
