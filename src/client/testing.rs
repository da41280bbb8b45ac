//! For tests: a stand-in for another instance, which does what a test wants and keeps all that it hears.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use crate::sys::socket;

/// Ends, with all of its connections, when it is dropped; so the client's must end first.
pub(crate) struct StandIn {
    pub(crate) at: SocketAddr,
    pub(crate) inode: u64,
    heard: Arc<Mutex<Vec<u8>>>,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

/// One connection of a stand-in.
pub(crate) struct Visit {
    pub(crate) stream: TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl StandIn {
    /// Listens on a free port of 127.0.0.1; each connection has a thread.
    pub(crate) fn new(behave: impl Fn(&mut Visit) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), behave)
    }

    pub(crate) fn on(listener: TcpListener, behave: impl Fn(&mut Visit) + Send + Sync + 'static) -> Self {
        let (at, inode) = (listener.local_addr().expect("an address"), inode(&listener));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (own, all) = (listener.try_clone().expect("a descriptor"), heard.clone());
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                while let Ok((stream, _)) = listener.accept() {
                    let mut visit = Visit { stream, heard: all.clone() };
                    let behave = &behave;
                    scope.spawn(move || behave(&mut visit));
                }
            });
        });
        Self { at, inode, heard, listener: own, thread: Some(thread) }
    }

    /// One that answers each request with these bytes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |visit| {
            visit.request();
            visit.say(&answer);
        })
    }

    /// All bytes of all connections so far.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("no panic")).into_owned()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        socket::end_listening(&self.listener).expect("ended");
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(joined.is_none_or(|joined| joined.is_ok()) || std::thread::panicking());
    }
}

impl Visit {
    /// Reads a whole request, and its body comes back; less where the client ends.
    pub(crate) fn request(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
                });
                let start = head.len() + 4;
                if bytes.len() >= start + length.unwrap_or(0_usize) {
                    return bytes.split_off(start);
                }
            }
            let mut some = [0; 4096];
            match self.stream.read(&mut some) {
                Ok(0) | Err(_) => return Vec::new(),
                Ok(count) => {
                    bytes.extend(&some[..count]);
                    self.heard.lock().expect("no panic").extend(&some[..count]);
                }
            }
        }
    }

    /// All bytes of this stand-in's connections so far.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("no panic")).into_owned()
    }

    /// Whether the client took it.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Until the client has ended.
    pub(crate) fn wait_for_end(&mut self) {
        self.stream.set_read_timeout(None).expect("set");
        while !self.end_comes_within(Duration::from_secs(3_600)) {}
    }

    /// Whether the client has ended by then; what he says is kept.
    pub(crate) fn end_comes_within(&mut self, pause: Duration) -> bool {
        self.stream.set_read_timeout(Some(pause)).expect("set");
        let mut some = [0; 512];
        match self.stream.read(&mut some) {
            Ok(0) => true,
            Ok(count) => {
                self.heard.lock().expect("no panic").extend(&some[..count]);
                false
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// Of a listener's socket.
pub(crate) fn inode(listener: &TcpListener) -> u64 {
    std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a descriptor").ino()
}

/// An answer of this status and body.
pub(crate) fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
