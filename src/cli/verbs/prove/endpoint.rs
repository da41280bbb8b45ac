//! Stand-ins on this machine for the time of a proof: an endpoint, and something that must not be reached.
//!
//! On loopback only. The endpoint notes what it is asked; a proof fails if that was anything but the endpoint's
//! own routes with the key that is added outside.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::{egress::probe, limits, sys::socket};

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that are noted.
const NOTED: usize = 1_000;

/// A listener of ours; dropped, it ends.
pub(super) struct StandIn {
    at: SocketAddr,
    listener: Arc<TcpListener>,
    seen: Arc<Mutex<Vec<Asked>>>,
}

/// One request as the endpoint saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// method, target and version
    pub line: String,
    /// names in lower case
    pub fields: Vec<(String, String)>,
}

impl StandIn {
    /// Something that says the nonce to whoever connects.
    pub fn greeter(nonce: &str) -> io::Result<Self> {
        let nonce = nonce.to_owned();
        Self::start("proof-greeter", move |mut stream, _| {
            let _ = stream.write_all(nonce.as_bytes());
        })
    }

    /// An endpoint that answers every request with the nonce, but for the one that it redirects to `elsewhere`.
    pub fn endpoint(nonce: &str, elsewhere: SocketAddr) -> io::Result<Self> {
        let nonce = nonce.to_owned();
        Self::start("proof-endpoint", move |stream, seen| {
            let _ = serve(stream, seen, &nonce, elsewhere);
        })
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// What it was asked.
    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn start(
        name: &str,
        serve: impl Fn(TcpStream, &Mutex<Vec<Asked>>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
        let (own, seen) = (listener.clone(), Arc::<Mutex<Vec<Asked>>>::default());
        let noted = seen.clone();
        // One at a time: a proof makes one request at a time.
        let run = move || {
            while let Ok((stream, _)) = own.accept() {
                serve(stream, &noted);
            }
        };
        thread::Builder::new().name(name.to_owned()).stack_size(limits::THREAD_STACK).spawn(run)?;
        Ok(Self { at: listener.local_addr()?, listener, seen })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // Its thread returns from accept; where that fails, it ends with this process.
        let _ = socket::end_listening(&self.listener);
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Asked>>,
    nonce: &str,
    elsewhere: SocketAddr,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") && bytes.len() < limits::HEAD {
        match stream.read(&mut chunk)? {
            0 => break,
            count => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    let asked = Asked::read(&bytes);
    let redirects = asked.line.contains(probe::REDIRECTS);
    let mut noted = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if noted.len() < NOTED {
        noted.push(asked);
    }
    drop(noted);
    let head = if redirects {
        format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\n")
    } else {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n".to_owned()
    };
    let body = if redirects { "" } else { nonce };
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    stream.shutdown(Shutdown::Write)?;
    // What was not read of a request would make a reset of the answer.
    while stream.read(&mut chunk)? > 0 {}
    Ok(())
}

impl Asked {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .take_while(|line| !line.is_empty())
            .map(|line| line.split_once(':').unwrap_or((line, "")))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        Self { line, fields: fields.collect() }
    }

    /// All values of a field; `name` in lower case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }
}
