//! A forwarder before a stand-in, and an agent that speaks raw HTTP to it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use loopgate::{
    client::upstream::{Authorities, Patience, Target, Upstream},
    egress::{
        endpoint::Endpoint,
        forwarder::{Account, Forwarder, Rules, Settings, Snapshot, Told},
    },
    sys::clock::SystemClock,
    wire::secret::Secret,
};

use crate::endpoint::StandIn;

/// What no agent may ever see.
pub const KEY: &str = "sk-the-key-that-no-agent-sees";
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a forwarder is made of; the default leads to nowhere.
pub struct Plan {
    pub target: Target,
    pub addresses: Vec<SocketAddr>,
    pub resolve: Box<dyn Fn() -> Option<Vec<SocketAddr>> + Send + Sync>,
    pub authorities: Authorities,
    pub patience: Patience,
    pub rules: Rules,
    pub settings: Settings,
}

impl Plan {
    /// Over plain HTTP.
    pub fn to(at: SocketAddr) -> Self {
        let rules = Rules::new(Endpoint::parse("https://api.example/v1").unwrap().routes().allowed);
        Self {
            target: Target { https: false, host: "127.0.0.1".to_owned(), port: at.port() },
            addresses: vec![at],
            resolve: Box::new(|| None),
            authorities: Authorities::Known,
            patience: Patience::default(),
            rules,
            settings: Settings { tick: Duration::from_millis(20), ..Settings::default() },
        }
    }

    /// Over TLS to `name`, vouched for by these authorities.
    pub fn tls(at: SocketAddr, name: &str, authorities: &str) -> Self {
        let target = Target { https: true, host: name.to_owned(), port: at.port() };
        Self { target, authorities: Authorities::Given(authorities.into()), ..Self::to(at) }
    }

    pub fn start(self) -> WayOut {
        let told = Arc::new(Mutex::new(Vec::new()));
        let own = told.clone();
        let listener = Box::new(move |one: &Told| own.lock().unwrap().push(one.clone()));
        let account = Arc::new(Account::new(Arc::new(SystemClock), listener));
        let key = Some(Secret::new(KEY.into()));
        let upstream =
            Upstream::new(self.target, self.addresses, self.resolve, &self.authorities, key, self.patience);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let upstream = Arc::new(upstream.unwrap());
        let forwarder =
            Forwarder::start_with(listener, upstream, self.rules, account.clone(), "test", self.settings);
        WayOut { forwarder: Some(forwarder.unwrap()), account, at, told }
    }
}

/// A forwarder that accepts.
pub struct WayOut {
    pub forwarder: Option<Forwarder>,
    pub account: Arc<Account>,
    pub at: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl WayOut {
    pub fn plain(stand_in: &StandIn) -> Self {
        Plan::to(stand_in.at).start()
    }

    pub fn agent(&self) -> Agent {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Agent { stream, ahead: Vec::new(), host: self.at.to_string() }
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        let mut agent = self.agent();
        agent.send(method, path, fields, body);
        agent.answer()
    }

    /// How often this code was a reason.
    pub fn refused(&self, code: &str) -> u64 {
        let all = self.account.snapshot().refusals;
        all.iter().find(|one| one.code == code).map_or(0, |one| one.count)
    }

    /// What the operator was told.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until the account is so.
    pub fn until(&self, what: &str, is_so: impl Fn(&Snapshot) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(&self.account.snapshot()) {
            assert!(Instant::now() < end, "not in time: {what}: {:?}", self.account);
            std::thread::yield_now();
        }
    }
}

/// A connection of the agent.
pub struct Agent {
    pub stream: TcpStream,
    ahead: Vec<u8>,
    host: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// names in lower case
    pub head: String,
    pub body: Vec<u8>,
    /// the body came to its end
    pub whole: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a refusal; its body and its header say the same.
    pub fn code(&self) -> String {
        let header = self.head.lines().find_map(|line| line.strip_prefix("x-egress-refusal: "));
        let Some(header) = header else { return format!("none, {self:?}") };
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(
            (&body["error"]["type"], &body["error"]["code"]),
            (&"egress_refused".into(), &header.into())
        );
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.ends_with('.') || text.len() > 10));
        header.to_owned()
    }
}

impl Agent {
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// With the right Host and a length.
    pub fn send(&mut self, method: &str, path: &str, fields: &str, body: &str) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{fields}\r\n{body}",
            self.host,
            body.len()
        );
        self.say(head);
    }

    fn more(&mut self) -> bool {
        let mut some = vec![0; 256 * 1024];
        let count = self.stream.read(&mut some).unwrap_or(0);
        self.ahead.extend(&some[..count]);
        count > 0
    }

    /// Whether the other side ends without a byte more.
    pub fn ends(&mut self) -> bool {
        self.ahead.is_empty() && !self.more()
    }

    /// The head of an answer.
    pub fn head(&mut self) -> (u16, String) {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.ahead.split_off(end + 4);
                let head = String::from_utf8(std::mem::replace(&mut self.ahead, rest)).unwrap();
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, head.to_ascii_lowercase());
            }
            assert!(self.more(), "no head: {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    /// A whole answer, or what there is of it.
    pub fn answer(&mut self) -> Answer {
        let (status, head) = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut answer = Answer { status, head: head.clone(), body: Vec::new(), whole: true };
        match length {
            _ if matches!(status, 204 | 304) => {}
            Some(length) => {
                let length: usize = length.parse().unwrap();
                while self.ahead.len() < length && self.more() {}
                let rest = self.ahead.split_off(length.min(self.ahead.len()));
                answer.body = std::mem::replace(&mut self.ahead, rest);
                answer.whole = answer.body.len() == length;
            }
            None => {
                assert!(head.contains("transfer-encoding: chunked"), "{head}");
                loop {
                    match self.chunk() {
                        Some(chunk) if chunk.is_empty() => break,
                        Some(chunk) => answer.body.extend(chunk),
                        None => {
                            answer.whole = false;
                            break;
                        }
                    }
                }
            }
        }
        answer
    }

    /// The next chunk, an empty one at the end; `None` where the connection ends first.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|two| two == b"\r\n") {
                let size =
                    usize::from_str_radix(std::str::from_utf8(&self.ahead[..end]).unwrap(), 16).unwrap();
                while self.ahead.len() < end + 2 + size + 2 {
                    if !self.more() {
                        return None;
                    }
                }
                let chunk = self.ahead[end + 2..end + 2 + size].to_vec();
                assert_eq!(&self.ahead[end + 2 + size..end + 4 + size], b"\r\n");
                self.ahead.drain(..end + 4 + size);
                return Some(chunk);
            }
            if !self.more() {
                return None;
            }
        }
    }
}
