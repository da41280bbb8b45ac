//! As much of an HTTP client as the measurements need.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A connection with deadlines.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// A GET with these further header lines, each ended by CRLF.
pub fn get(address: SocketAddr, path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").into_bytes()
}

/// A POST of JSON.
pub fn post(address: SocketAddr, path: &str, headers: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One answer: its status and all its bytes.
pub struct Answer {
    /// the status code
    pub status: u16,
    /// head and body
    pub bytes: Vec<u8>,
    /// where the body begins; body <= bytes.len()
    pub body: usize,
}

impl Answer {
    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

/// Sends `request` and reads one answer with a Content-Length.
pub fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
            if bytes.len() >= end + 4 + length {
                let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
                return Ok(Answer { status, bytes, body: end + 4 });
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
