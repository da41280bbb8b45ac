//! Child processes and what the kernel says of them.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{http, load::raise_descriptors};

/// A server that runs as a child of its own; ended when dropped.
pub struct Server {
    /// The process.
    pub child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts one of the hello worlds in this binary: it prints its address first.
    pub fn peer(name: &str) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["peer", name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// SIGTERM, and SIGKILL for what is still there after five seconds.
pub fn end(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // SAFETY: the child has not been waited for, so the pid is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
    let until = Instant::now() + Duration::from_secs(5);
    while let Ok(None) = child.try_wait() {
        if Instant::now() > until {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> io::Result<u64> {
    status(pid, "VmRSS:").map(|kib| kib * 1024)
}

/// Number of threads.
pub fn threads(pid: u32) -> io::Result<u64> {
    status(pid, "Threads:")
}

fn status(pid: u32, field: &str) -> io::Result<u64> {
    fs::read_to_string(format!("/proc/{pid}/status"))?
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {field} of {pid}")))
}

/// CPU time used so far, user and system.
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // Fields 14 and 15 of proc_pid_stat(5), two of which stand before the closing bracket; 100 a second.
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

/// Resident memory once it has stopped changing.
pub fn settled(pid: u32) -> io::Result<u64> {
    let mut last = resident(pid)?;
    let mut same = 0;
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(20));
        let now = resident(pid)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if same == 10 {
            break;
        }
    }
    Ok(last)
}

/// Idle size, and the size that each of `connections` further idle connections adds. Each of them has
/// had one answer.
pub fn memory(pid: u32, address: SocketAddr, request: &[u8], connections: u32) -> io::Result<(u64, f64)> {
    raise_descriptors();
    http::exchange(&mut http::connect(address)?, request)?;
    let idle = settled(pid)?;
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut stream = http::connect(address)?;
        http::exchange(&mut stream, request)?;
        open.push(stream);
    }
    let with = settled(pid)?;
    Ok((idle, with.saturating_sub(idle) as f64 / f64::from(connections)))
}
