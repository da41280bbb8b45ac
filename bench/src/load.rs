//! The load generator: a closed loop over keep-alive connections, one request outstanding on each.
//!
//! It must not be what is measured: the request is built before, an answer is read by its length, which
//! the first one told, and at most two threads work, each waiting on its connections with epoll (or in
//! `read` where it has a single one). How much of their time the threads were busy is reported.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    sync::Barrier,
    time::{Duration, Instant},
};

use crate::http;

/// What one run gave.
pub struct Run {
    /// answers a second
    pub rate: f64,
    /// median and 99th percentile of the time from request to whole answer, in microseconds
    pub p50: f64,
    /// see `p50`
    pub p99: f64,
    /// connections that had an answer at all
    pub served: usize,
    /// share of its time that the busiest generator thread was on a CPU, 0 to 1
    pub busy: f64,
}

/// Sends `request` over `connections` for `time`.
pub fn run(address: SocketAddr, request: &[u8], connections: usize, time: Duration) -> io::Result<Run> {
    let expected = http::exchange(&mut http::connect(address)?, request)?;
    if expected.status != 200 {
        return Err(io::Error::other(format!("{address} answers {}", expected.status)));
    }
    let length = expected.bytes.len();
    let threads = connections.min(2);
    let start = Barrier::new(threads);
    let parts: Vec<io::Result<Part>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|at| {
                let share = connections / threads + usize::from(at < connections % threads);
                let start = &start;
                scope.spawn(move || drive(address, request, length, share, time, start))
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
            .collect()
    });
    let mut all = Vec::new();
    let (mut served, mut busy) = (0, 0.0_f64);
    for part in parts {
        let part = part?;
        all.extend(part.nanoseconds);
        served += part.served;
        busy = busy.max(part.busy);
    }
    let rate = all.len() as f64 / time.as_secs_f64();
    let (p50, p99) = (percentile(&mut all, 0.5), percentile(&mut all, 0.99));
    Ok(Run { rate, p50: p50 / 1e3, p99: p99 / 1e3, served, busy })
}

/// The value below which `share` of `values` lie; 0 without values.
pub fn percentile(values: &mut [u32], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f64 * share).round() as usize;
    f64::from(*values.select_nth_unstable(at).1)
}

struct Part {
    nanoseconds: Vec<u32>,
    served: usize,
    busy: f64,
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
    /// bytes of the answer so far, less than its length
    have: usize,
    answers: u64,
}

fn drive(
    address: SocketAddr,
    request: &[u8],
    length: usize,
    count: usize,
    time: Duration,
    start: &Barrier,
) -> io::Result<Part> {
    let mut connections: Vec<Connection> = Vec::new();
    let connected = (|| {
        for _ in 0..count {
            let stream = http::connect(address)?;
            connections.push(Connection { stream, sent: Instant::now(), have: 0, answers: 0 });
        }
        Ok::<_, io::Error>(())
    })();
    // Also after an error, or the other thread would wait for ever.
    start.wait();
    connected?;
    let from = Instant::now();
    let cpu = thread_cpu();
    let end = from + time;
    let mut nanoseconds = Vec::with_capacity(1 << 20);
    let mut buffer = vec![0; 64 * 1024];
    if let [only] = connections.as_mut_slice() {
        while Instant::now() < end {
            only.ask(request)?;
            while !only.take(&mut buffer, length, &mut nanoseconds)? {}
        }
    } else {
        let epoll = Epoll::new()?;
        for (at, connection) in connections.iter_mut().enumerate() {
            connection.stream.set_nonblocking(true)?;
            epoll.add(&connection.stream, at)?;
            connection.ask(request)?;
        }
        let mut ready = [0; 64];
        while Instant::now() < end {
            for &at in epoll.wait(&mut ready)? {
                let connection = &mut connections[at];
                if connection.take(&mut buffer, length, &mut nanoseconds)? {
                    connection.ask(request)?;
                }
            }
        }
    }
    let busy = (thread_cpu() - cpu).as_secs_f64() / from.elapsed().as_secs_f64();
    let served = connections.iter().filter(|connection| connection.answers > 0).count();
    Ok(Part { nanoseconds, served, busy })
}

impl Connection {
    fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.sent = Instant::now();
        // A request is far smaller than the socket's buffer, which is empty here.
        self.stream.write_all(request)
    }

    /// Reads once; whether the answer is whole now.
    fn take(&mut self, buffer: &mut [u8], length: usize, times: &mut Vec<u32>) -> io::Result<bool> {
        let n = match self.stream.read(buffer) {
            Ok(0) => return Err(io::Error::other("a server closed a keep-alive connection")),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if self.have == 0 && n >= 12 && &buffer[9..12] != b"200" {
            return Err(io::Error::other("an answer other than 200"));
        }
        self.have += n;
        if self.have < length {
            return Ok(false);
        }
        if self.have > length {
            return Err(io::Error::other("an answer of another length"));
        }
        times.push(u32::try_from(self.sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        self.have = 0;
        self.answers += 1;
        Ok(true)
    }
}

struct Epoll(i32);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        match unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(Self(fd)),
        }
    }

    fn add(&self, stream: &TcpStream, at: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: at as u64 };
        // SAFETY: the event lives for the call, and the kernel copies it.
        match unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Waits at most 100 ms.
    fn wait<'a>(&self, ready: &'a mut [usize; 64]) -> io::Result<&'a [usize]> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: room for 64 events is given.
        let n = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), 64, 100) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        for (slot, event) in ready.iter_mut().zip(&events[..n]) {
            *slot = event.u64 as usize;
        }
        Ok(&ready[..n])
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours alone.
        unsafe { libc::close(self.0) };
    }
}

fn thread_cpu() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is room for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// As many descriptors as this process may have.
pub fn raise_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is room for the answer, and then the value to set.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
