//! A stand-in for a model endpoint: over TLS with a certificate made in the test, or without.
//!
//! It does what a test wants with each connection, and keeps all that it hears.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// An authority of the test's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// its certificate
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For a server of this name, good until this year.
    pub fn certify(&self, name: &str, until: i32) -> Arc<ServerConfig> {
        let (params, key) = leaf(name, until);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(certificate.der().clone(), &key)
    }
}

/// A certificate that nobody but its server signed.
pub fn self_signed(name: &str) -> Arc<ServerConfig> {
    let (params, key) = leaf(name, 2_100);
    let certificate = params.self_signed(&key).unwrap();
    config(certificate.der().clone(), &key)
}

fn leaf(name: &str, until: i32) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2_000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    (params, KeyPair::generate().unwrap())
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// One connection of a stand-in.
pub struct Visit {
    wire: Box<dyn Wire>,
    ahead: Vec<u8>,
    heard: Arc<Mutex<Vec<u8>>>,
    /// the socket below
    pub socket: TcpStream,
}

impl Visit {
    /// Reads a whole request: its head, and its body by Content-Length. `None`: the client has ended.
    pub fn request(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.ahead[..end + 4]).into_owned();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.parse().unwrap());
                while self.ahead.len() < end + 4 + length {
                    self.more()?;
                }
                let rest = self.ahead.split_off(end + 4 + length);
                let body = std::mem::replace(&mut self.ahead, rest).split_off(end + 4);
                return Some((head, body));
            }
            self.more()?;
        }
    }

    /// Reads some bytes more.
    pub fn more(&mut self) -> Option<()> {
        let mut some = vec![0; 64 * 1024];
        let count = self.wire.read(&mut some).ok().filter(|count| *count > 0)?;
        self.ahead.extend(&some[..count]);
        let mut heard = self.heard.lock().unwrap();
        // Large bodies are counted elsewhere.
        if heard.len() < 1024 * 1024 {
            heard.extend(&some[..count]);
        }
        Some(())
    }

    /// Whether the client took it.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.write_all(bytes.as_ref()).and_then(|()| self.wire.flush()).is_ok()
    }

    /// Until the client has ended.
    pub fn wait_for_end(&mut self) {
        while self.more().is_some() {}
    }
}

/// Ends, with all of its connections, when it is dropped.
pub struct StandIn {
    pub at: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Listens on a free port of 127.0.0.1, with TLS where there is a configuration; each connection has a thread.
    pub fn new(tls: Option<Arc<ServerConfig>>, behave: impl Fn(&mut Visit) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (heard, connections) =
            (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (own, all, held) = (listener.try_clone().unwrap(), heard.clone(), connections.clone());
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                while let Ok((stream, _)) = own.accept() {
                    stream.set_nodelay(true).unwrap();
                    held.lock().unwrap().push(stream.try_clone().unwrap());
                    let (tls, all, behave) = (tls.clone(), all.clone(), &behave);
                    scope.spawn(move || {
                        let socket = stream.try_clone().unwrap();
                        let wire: Box<dyn Wire> = match tls {
                            Some(tls) => {
                                Box::new(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream))
                            }
                            None => Box::new(stream),
                        };
                        let mut visit = Visit { wire, ahead: Vec::new(), heard: all, socket };
                        behave(&mut visit);
                        // The copies that are held for the end keep the socket open.
                        let _ = visit.socket.shutdown(Shutdown::Both);
                    });
                }
            });
        });
        Self { at, heard, connections, listener, thread: Some(thread) }
    }

    /// One that answers every request with these bytes, and keeps the connection.
    pub fn answering(tls: Option<Arc<ServerConfig>>, answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(tls, move |visit| while visit.request().is_some() && visit.say(&answer) {})
    }

    /// All bytes of all connections so far, decrypted.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        loopgate::sys::socket::end_listening(&self.listener).unwrap();
        for connection in self.connections.lock().unwrap().iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(joined.is_none_or(|joined| joined.is_ok()) || std::thread::panicking());
    }
}

/// An answer of this status line, these further field lines and this body.
pub fn http(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}
