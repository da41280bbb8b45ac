//! The forwarder between an isolated agent and its endpoint: what passes, what does not, what comes back.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use loopgate::{
    client::upstream::{Authorities, Patience, Target, Upstream, UpstreamError},
    egress::forwarder::Settings,
    limits,
};

#[path = "support/endpoint.rs"]
mod endpoint;
#[path = "support/way_out.rs"]
mod way_out;

use endpoint::{Authority, StandIn, http, self_signed};
use way_out::{KEY, Plan, WayOut};

const NAME: &str = "api.endpoint.test";

fn ok() -> String {
    http("200 OK", "content-type: application/json\r\n", "{\"ok\":true}")
}

#[test]
fn a_request_reaches_the_endpoint_with_the_key_and_nothing_of_the_agents_own() {
    let authority = Authority::new();
    let stand_in = StandIn::answering(Some(authority.certify(NAME, 2_100)), ok());
    let way = Plan::tls(stand_in.at, NAME, &authority.pem).start();
    let answer = way.ask(
        "POST",
        "/v1/messages?beta=true",
        "X-Api-Key: added-outside\r\nCookie: a=b\r\nanthropic-version: 2023-06-01\r\nUser-Agent: client/1\r\n\
         Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nForwarded: for=1\r\n\
         X-Forwarded-For: 1.2.3.4\r\nTE: trailers\r\nUpgrade: websocket\r\nAccept-Encoding: gzip\r\n",
        "{\"a\":1}",
    );
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"ok\":true}"));
    let heard = stand_in.heard();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /v1/messages?beta=true HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {NAME}:{}", stand_in.at.port());
    let key = format!("x-api-key: {KEY}");
    let wanted = [
        "accept-encoding: gzip",
        "anthropic-version: 2023-06-01",
        "content-length: 7",
        &host,
        "user-agent: client/1",
        &key,
    ];
    assert_eq!(lines, wanted);
    assert_eq!(body, "{\"a\":1}");
    let account = way.account.snapshot();
    assert_eq!((account.requests, account.bytes_up, account.bytes_down), (1, 7, 11));
    assert!(account.first_ms.is_some() && account.refusals.is_empty());
}

#[test]
fn the_key_goes_out_in_the_form_that_the_client_used() {
    let stand_in = StandIn::answering(None, ok());
    let way = WayOut::plain(&stand_in);
    for (path, fields, form) in [
        ("/v1/messages", "", "x-api-key: "),
        ("/v1/messages/count_tokens", "", "x-api-key: "),
        ("/v1/responses", "", "authorization: Bearer "),
        ("/v1/chat/completions", "Authorization: Bearer x\r\n", "authorization: Bearer "),
        ("/v1/messages", "Authorization: Bearer x\r\n", "authorization: Bearer "),
        ("/v1/responses", "x-api-key: x\r\n", "x-api-key: "),
        ("/v1/messages", "Authorization: a\r\nauthorization: b\r\nx-api-key: c\r\n", "x-api-key: "),
    ] {
        let before = stand_in.heard().len();
        assert_eq!(way.ask("POST", path, fields, "").status, 200);
        let heard = stand_in.heard().split_off(before);
        assert!(heard.contains(&format!("{form}{KEY}\r\n")), "{path} {fields}: {heard}");
        assert_eq!(heard.matches("x-api-key").count() + heard.matches("authorization").count(), 1, "{heard}");
    }
}

#[test]
fn an_endpoint_that_cannot_prove_its_name_gets_no_request() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (what, config) in [
        ("another authority", other.certify(NAME, 2_100)),
        ("another name", authority.certify("evil.endpoint.test", 2_100)),
        ("expired", authority.certify(NAME, 2_020)),
        ("self-signed", self_signed(NAME)),
    ] {
        let stand_in = StandIn::answering(Some(config), ok());
        let way = Plan::tls(stand_in.at, NAME, &authority.pem).start();
        let answer = way.ask("POST", "/v1/messages", "", "secret question");
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_tls"), "{what}");
        assert_eq!(stand_in.heard(), "", "{what}: something was sent");
        let detail = way.told()[0].detail.clone().unwrap();
        assert!(detail.contains("certificate"), "{what}: {detail}");
        assert!(!answer.text().contains("certificate") && !answer.text().contains("127.0.0.1"), "{what}");
    }
    // Mozilla's list knows nothing of it, and the operator's file replaces that list.
    let stand_in = StandIn::answering(Some(authority.certify(NAME, 2_100)), ok());
    let known =
        Plan { authorities: Authorities::Known, ..Plan::tls(stand_in.at, NAME, &authority.pem) }.start();
    assert_eq!(known.ask("GET", "/v1/models", "", "").code(), "upstream_tls");
    assert_eq!(
        Plan::tls(stand_in.at, NAME, &authority.pem).start().ask("GET", "/v1/models", "", "").status,
        200
    );
}

#[test]
fn an_endpoint_that_is_configured_wrongly_is_an_error_at_once() {
    let new = |https, host: &str, port, pem: &str, key: &[u8]| {
        let target = Target { https, host: host.to_owned(), port };
        let key = Some(loopgate::wire::secret::Secret::new(key.to_vec()));
        let authorities = Authorities::Given(pem.into());
        Upstream::new(target, Vec::new(), Box::new(|| None), &authorities, key, Patience::default()).err()
    };
    let good = Authority::new().pem;
    assert_eq!(new(true, NAME, 443, &good, b"k"), None);
    assert_eq!(new(true, NAME, 443, "", b"k"), Some(UpstreamError::Authorities));
    assert_eq!(
        new(true, NAME, 443, "-----BEGIN CERTIFICATE-----\nno", b"k"),
        Some(UpstreamError::Authorities)
    );
    assert_eq!(new(true, NAME, 443, &good, b"a\r\nb"), Some(UpstreamError::Key));
    for (host, port) in [("", 443), ("a b", 443), ("u@h", 443), ("h:1", 443), ("h/", 443), (NAME, 0)] {
        assert_eq!(new(true, host, port, &good, b"k"), Some(UpstreamError::Target), "{host}");
    }
}

#[test]
fn redirects_are_errors_and_lead_nowhere() {
    let elsewhere = StandIn::answering(None, ok());
    for (status, to) in [
        ("301 Moved", format!("http://{}/v1/messages", elsewhere.at)),
        ("302 Found", format!("http://localhost:{}/", elsewhere.at.port())),
        ("303 See Other", "https://evil.test/".to_owned()),
        ("307 Temporary", format!("http://{}/v1/messages", elsewhere.at)),
        ("308 Permanent", "/v1/models".to_owned()),
        ("300 Choices", String::new()),
    ] {
        let stand_in = StandIn::answering(None, http(status, &format!("location: {to}\r\n"), "go there"));
        let way = WayOut::plain(&stand_in);
        let answer = way.ask("POST", "/v1/messages", "", "{}");
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_redirect"), "{status}");
        assert!(!answer.head.contains("location") && !answer.text().contains("evil"), "{status}");
        assert_eq!(stand_in.heard().matches("HTTP/1.1\r\n").count(), 1, "{status}");
    }
    assert_eq!((elsewhere.connections(), elsewhere.heard()), (0, String::new()));
}

#[test]
fn only_the_rules_calls_pass() {
    let stand_in = StandIn::answering(None, ok());
    let way = WayOut::plain(&stand_in);
    for (method, path) in [
        ("POST", "/v1/files"),
        ("GET", "/v1/messages"),
        ("DELETE", "/v1/models/a"),
        ("PUT", "/v1/messages"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/messagesx"),
        ("POST", "//v1/messages"),
        ("POST", "/v1//messages"),
        ("POST", "/v1/../v1/messages"),
        ("GET", "/v1/models/../files"),
        ("GET", "/v1/models/..;/files"),
        ("GET", "/v1/models/%2e%2e/files"),
        ("GET", "/v1/models/..%2ffiles"),
        ("GET", "/v1/models/%00"),
        ("GET", "/v1/models/a%2fb"),
        ("POST", "/"),
    ] {
        let answer = way.ask(method, path, "", "");
        assert_eq!((answer.status, answer.code().as_str()), (403, "path_not_allowed"), "{method} {path}");
    }
    for (method, path) in
        [("GET", "/v1/models"), ("GET", "/v1/models/vendor/a.b:free"), ("POST", "/v1/responses")]
    {
        assert_eq!(way.ask(method, path, "", "").status, 200, "{method} {path}");
    }
    assert_eq!(stand_in.heard().matches(" HTTP/1.1\r\n").count(), 3, "{}", stand_in.heard());
}

#[test]
fn what_is_not_plain_http_to_the_one_host_is_refused_and_the_connection_closed() {
    let stand_in = StandIn::answering(None, ok());
    let way = WayOut::plain(&stand_in);
    let at = way.at;
    let port = at.port();
    let good = format!("Host: {at}\r\n");
    let post = "POST /v1/messages HTTP/1.1\r\n";
    for (request, code) in [
        (format!("{post}Host: evil.test\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: 127.0.0.1\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: 127.0.0.1:1\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: {NAME}:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: localhost.:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: 127.1:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: 2130706433:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: 0x7f.0.0.1:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: user@127.0.0.1:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: 127.0.0.1%00:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: xn--lcalhost-q4a:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}Host: l\u{f6}calhost:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("{post}\r\n"), "host_not_allowed"),
        (format!("{post}{good}{good}\r\n"), "malformed_request"),
        (format!("POST http://evil.test/v1/messages HTTP/1.1\r\n{good}\r\n"), "malformed_request"),
        (format!("POST http://{at}/v1/messages HTTP/1.1\r\n{good}\r\n"), "malformed_request"),
        (format!("CONNECT evil.test:443 HTTP/1.1\r\n{good}\r\n"), "method_unknown"),
        (format!("GET @evil.test/v1/models HTTP/1.1\r\n{good}\r\n"), "malformed_request"),
        (format!("POST /v1/messages HTTP/1.0\r\n{good}\r\n"), "version_unknown"),
        (format!("POST /v1/messages HTTP/2.0\r\n{good}\r\n"), "version_unknown"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "version_unknown"),
        (format!("{post}{good}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "transfer_encoding"),
        (
            format!("{post}{good}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "transfer_encoding",
        ),
        (format!("{post}{good}Transfer-Encoding : chunked\r\n\r\n"), "malformed_request"),
        (format!("{post}{good}Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde"), "malformed_request"),
        (format!("{post}{good}Content-Length: +5\r\n\r\nabcde"), "malformed_request"),
        (format!("{post}{good}Content-Length: 0x5\r\n\r\nabcde"), "malformed_request"),
        (format!("{post}{good}A: b\r\n c\r\n\r\n"), "malformed_request"),
        (format!("{post}{good}A: b\rC: d\r\n\r\n"), "malformed_request"),
        (format!("{post}{good}A: b\nC: d\r\n\r\n"), "malformed_request"),
        (format!("{post}{good}A: b\0\r\n\r\n"), "malformed_request"),
        (format!("{post}{good}A : b\r\n\r\n"), "malformed_request"),
        (format!("GET /v1/models/\0 HTTP/1.1\r\n{good}\r\n"), "malformed_request"),
        (format!("GET /v1/models HTTP/1.1\r\n{good}Content-Length: 1\r\n\r\na"), "malformed_request"),
        (format!("{post}{good}Expect: 200-ok\r\n\r\n"), "expectation_unknown"),
        (
            format!("POST /{} HTTP/1.1\r\n{good}\r\n", "a".repeat(limits::REQUEST_LINE)),
            "request_line_too_long",
        ),
        (format!("{post}{good}A: {}\r\n\r\n", "a".repeat(limits::HEAD)), "head_too_large"),
        (format!("{post}{good}{}\r\n", "A: b\r\n".repeat(limits::HEADERS)), "too_many_headers"),
    ] {
        let mut agent = way.agent();
        // A second request behind it is never read.
        agent.say(format!("{request}POST /v1/messages HTTP/1.1\r\n{good}Content-Length: 0\r\n\r\n"));
        let answer = agent.answer();
        assert_eq!(answer.code(), code, "{request:?}");
        assert!(answer.head.contains("connection: close") && agent.ends(), "{request:?}");
    }
    assert_eq!(stand_in.heard(), "", "something reached the endpoint");
    assert_eq!(way.account.snapshot().requests, 0);
}

#[test]
fn a_second_request_with_another_host_ends_a_kept_connection() {
    let stand_in = StandIn::answering(None, ok());
    let way = WayOut::plain(&stand_in);
    let mut agent = way.agent();
    for _ in 0..3 {
        agent.send("POST", "/v1/messages", "", "{}");
        assert_eq!(agent.answer().status, 200);
    }
    agent.say("POST /v1/messages HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 0\r\n\r\n");
    let answer = agent.answer();
    assert_eq!((answer.status, answer.code().as_str()), (403, "host_not_allowed"));
    assert!(agent.ends());
    assert_eq!(stand_in.connections(), 1, "the connection to the endpoint is kept between requests");
    assert_eq!(stand_in.heard().matches("HTTP/1.1\r\n").count(), 3);
}

#[test]
fn pipelined_requests_are_answered_in_order_and_a_body_is_never_a_request() {
    let count = AtomicUsize::new(0);
    let stand_in = StandIn::new(None, move |visit| {
        while visit.request().is_some() {
            let number = count.fetch_add(1, Ordering::SeqCst).to_string();
            visit.say(http("200 OK", "", &number));
        }
    });
    let way = WayOut::plain(&stand_in);
    let inner = format!("POST /v1/responses HTTP/1.1\r\nHost: {}\r\n\r\n", way.at);
    let mut agent = way.agent();
    let one = |body: &str| {
        format!(
            "POST /v1/messages HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            way.at,
            body.len()
        )
    };
    agent.say(one(&inner) + &one("") + &one(&inner));
    for number in ["0", "1", "2"] {
        assert_eq!(agent.answer().text(), number);
    }
    assert!(!stand_in.heard().starts_with("POST /v1/responses"));
    assert_eq!(way.account.snapshot().requests, 3);
}

#[test]
fn events_pass_one_by_one_as_soon_as_they_come() {
    let authority = Authority::new();
    let (next, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let stand_in = StandIn::new(Some(authority.certify(NAME, 2_100)), move |visit| {
        visit.request();
        visit.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for number in 0..20 {
            let event = format!("data: {number:04}\n\n");
            visit.say(format!("{:x}\r\n{event}\r\n", event.len()));
            // The next is sent only when the agent has this one.
            told.lock().unwrap().recv().unwrap();
        }
        visit.say("0\r\n\r\n");
        // The next request is another one, on this connection.
        if visit.request().is_some() {
            visit.say(ok());
        }
    });
    // The endpoint's thread ends before it does, whatever happens here.
    let next = next;
    let way = Plan::tls(stand_in.at, NAME, &authority.pem).start();
    let mut agent = way.agent();
    agent.send("POST", "/v1/messages", "", "{\"stream\":true}");
    let (status, head) = agent.head();
    assert!(status == 200 && head.contains("content-type: text/event-stream"), "{head}");
    for number in 0..20 {
        assert_eq!(agent.chunk().unwrap(), format!("data: {number:04}\n\n").into_bytes());
        next.send(()).unwrap();
    }
    assert_eq!(agent.chunk(), Some(Vec::new()), "the stream ends as it should");
    agent.send("GET", "/v1/models", "", "");
    assert_eq!(agent.answer().text(), "{\"ok\":true}", "and the connection goes on");
}

/// Over TLS, in chunks and with a length, so that the stack of a connection's thread is seen to be enough.
#[test]
fn an_answer_of_64_mib_passes_whole() {
    const SIZE: usize = 64 * 1024 * 1024;
    let authority = Authority::new();
    for chunked in [false, true] {
        let stand_in = StandIn::new(Some(authority.certify(NAME, 2_100)), move |visit| {
            visit.request();
            let piece: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
            if chunked {
                visit.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            } else {
                visit.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            }
            for _ in 0..SIZE / piece.len() {
                if chunked {
                    visit.say([b"10000\r\n", piece.as_slice(), b"\r\n"].concat());
                } else {
                    visit.say(&piece);
                }
            }
            if chunked {
                visit.say("0\r\n\r\n");
            }
            visit.wait_for_end();
        });
        let way = Plan::tls(stand_in.at, NAME, &authority.pem).start();
        let answer = way.ask("GET", "/v1/models", "", "");
        assert!(answer.whole && answer.body.len() == SIZE, "{chunked}: {}", answer.body.len());
        assert!(answer.body.iter().zip((0..=255).cycle()).all(|(found, wanted)| *found == wanted));
        assert_eq!(way.account.snapshot().bytes_down, SIZE as u64);
    }
}

#[test]
fn a_body_over_the_limit_is_refused_unread() {
    let stand_in = StandIn::answering(None, ok());
    let way = WayOut::plain(&stand_in);
    let mut agent = way.agent();
    let length = limits::EGRESS_BODY + 1;
    agent.say(format!("POST /v1/messages HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", way.at));
    let answer = agent.answer();
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    let body = "x".repeat(limits::EGRESS_BODY);
    agent = way.agent();
    let length = limits::EGRESS_BODY;
    let head = format!("POST /v1/messages HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n", way.at);
    agent.say(head + "Expect: 100-continue\r\n\r\n");
    assert_eq!(agent.head().0, 100);
    agent.say(&body);
    assert_eq!(agent.answer().status, 200);
    assert_eq!(way.ask("POST", "/v1/messages", "", &body).status, 200);
    way.until("both bodies counted", |account| account.bytes_up == 2 * limits::EGRESS_BODY as u64);
}

#[test]
fn slow_and_endless_requests_end_by_the_deadline() {
    let stand_in = StandIn::answering(None, ok());
    let short = Duration::from_millis(60);
    let settings = Settings { head: short, body: short, idle: short, ..Plan::to(stand_in.at).settings };
    let way = Plan { settings, ..Plan::to(stand_in.at) }.start();
    // Nothing at all, half a head, half a body, and silence after an answer.
    assert!(way.agent().ends());
    let mut agent = way.agent();
    agent.say("POST /v1/mess");
    assert_eq!(agent.answer().code(), "request_timeout");
    assert!(agent.ends());
    let mut agent = way.agent();
    agent
        .say(format!("POST /v1/messages HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\nabc", way.at));
    assert_eq!(agent.answer().code(), "request_timeout");
    assert!(agent.ends());
    let mut agent = way.agent();
    agent.send("GET", "/v1/models", "", "");
    assert_eq!(agent.answer().status, 200);
    assert!(agent.ends());
    // Half a head behind a whole request has the time of a head, and not that of a connection that rests.
    let settings = Settings { head: short, ..Plan::to(stand_in.at).settings };
    let patient = Plan { settings, ..Plan::to(stand_in.at) }.start();
    let mut agent = patient.agent();
    agent.say(format!("GET /v1/models HTTP/1.1\r\nHost: {}\r\n\r\nGET /v1/mod", patient.at));
    assert_eq!((agent.answer().status, agent.answer().code().as_str()), (200, "request_timeout"));
    // A byte now and then gains no time.
    let mut agent = way.agent();
    agent.say(format!("POST /v1/messages HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\n", way.at));
    agent.stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut writes = 0;
    while agent.say("x") && writes < 100_000 {
        writes += 1;
        let mut byte = [0];
        if std::io::Read::read(&mut agent.stream, &mut byte).is_ok() {
            break;
        }
    }
    assert!(writes < 100_000, "an endless body was taken");
    way.until("nothing runs", |account| account.running == 0);
}

#[test]
fn an_agent_that_does_not_read_is_cut_off() {
    let (ended, is_ended) = mpsc::channel();
    let ended = Mutex::new(ended);
    let stand_in = StandIn::new(None, move |visit| {
        visit.request();
        visit.say("HTTP/1.1 200 OK\r\n\r\n");
        let piece = vec![0; 1024 * 1024];
        while visit.say(&piece) {}
        ended.lock().unwrap().send(()).unwrap();
    });
    let settings = Settings { write: Duration::from_millis(100), ..Plan::to(stand_in.at).settings };
    let way = Plan { settings, ..Plan::to(stand_in.at) }.start();
    let mut agent = way.agent();
    agent.send("GET", "/v1/models", "", "");
    is_ended.recv_timeout(Duration::from_secs(20)).expect("the endpoint is let go");
    way.until("nothing runs", |account| account.running == 0);
    let answer = agent.answer();
    assert!(!answer.whole);
}

#[test]
fn an_endpoint_that_is_silent_ends_by_the_deadline() {
    let short = Duration::from_millis(100);
    let silent = StandIn::new(None, endpoint::Visit::wait_for_end);
    let way =
        Plan { patience: Patience { answer: short, ..Patience::default() }, ..Plan::to(silent.at) }.start();
    let answer = way.ask("POST", "/v1/messages", "", "{}");
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));

    let half = StandIn::new(None, |visit| {
        visit.request();
        visit.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        visit.wait_for_end();
    });
    let way =
        Plan { patience: Patience { silence: short, ..Patience::default() }, ..Plan::to(half.at) }.start();
    let answer = way.ask("POST", "/v1/messages", "", "{}");
    assert!(!answer.whole && answer.text() == "half");
    way.until("it is told", |_| way.refused("upstream_timeout") == 1);

    // One that accepts and never begins TLS.
    let pem = Authority::new().pem;
    let mute = StandIn::new(None, endpoint::Visit::wait_for_end);
    let patience = Patience { connect: short, ..Patience::default() };
    let way = Plan { patience, ..Plan::tls(mute.at, NAME, &pem) }.start();
    let code = way.ask("POST", "/v1/messages", "", "{}").code();
    assert_eq!(code, "upstream_timeout");

    // One that takes no body.
    let (hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let full = StandIn::new(None, move |_| assert!(held.lock().unwrap().recv().is_err()));
    let way =
        Plan { patience: Patience { request: short, ..Patience::default() }, ..Plan::to(full.at) }.start();
    // Its threads end before it does, whatever happens here.
    let hold = hold;
    let mut agent = way.agent();
    agent.send("POST", "/v1/messages", "", &"x".repeat(24 * 1024 * 1024));
    way.until("it is told", |_| way.refused("upstream_timeout") == 1);
    drop(hold);
}

#[test]
fn answers_that_are_none_are_not_passed_on() {
    let huge = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(limits::UPSTREAM_HEAD));
    for (what, answer) in [
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nabcde"),
        ("the same twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
        (
            "length and chunks",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (
            "a coding twice",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab"),
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("chunks before 1.1", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a status of none", "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n"),
        ("a status far out", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
        ("a switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        ("a huge head", huge.as_str()),
        ("NUL in a field", "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let stand_in = StandIn::answering(None, answer);
        let way = WayOut::plain(&stand_in);
        let got = way.ask("POST", "/v1/messages", "", "{}");
        assert_eq!((got.status, got.code().as_str()), (502, "upstream_answer"), "{what}");
    }
    for answer in ["", "HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 200 OK\r\n"] {
        let stand_in = StandIn::new(None, move |visit| {
            visit.request();
            visit.say(answer);
        });
        let way = WayOut::plain(&stand_in);
        assert_eq!(way.ask("POST", "/v1/messages", "", "{}").code(), "upstream_broken", "{answer:?}");
    }
}

#[test]
fn an_answer_that_breaks_off_looks_broken() {
    let authority = Authority::new();
    let config = authority.certify(NAME, 2_100);
    for (what, answer, code) in [
        ("within its length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "upstream_broken"),
        (
            "within a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
            "upstream_broken",
        ),
        (
            "between chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "upstream_broken",
        ),
        (
            "a bad chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
            "upstream_answer",
        ),
        // Over TLS an end without its farewell may be a wire that was cut.
        ("without length or farewell", "HTTP/1.1 200 OK\r\n\r\nhalf", "upstream_broken"),
    ] {
        let stand_in = StandIn::new(Some(config.clone()), move |visit| {
            visit.request();
            visit.say(answer);
        });
        let way = Plan::tls(stand_in.at, NAME, &authority.pem).start();
        let got = way.ask("POST", "/v1/messages", "", "{}");
        assert!(got.status == 200 && !got.whole && "half".starts_with(&got.text()), "{what}: {got:?}");
        way.until(what, |_| way.refused(code) == 1);
    }
}

#[test]
fn answers_without_a_body_and_interim_ones_keep_their_place() {
    for (what, answer, status, body) in [
        (
            "interim",
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            200,
            "ab",
        ),
        (
            "continue",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            200,
            "ab",
        ),
        ("204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nab", 204, ""),
        ("205 with a body", "HTTP/1.1 205 Reset\r\nContent-Length: 2\r\n\r\nab", 205, "ab"),
        ("an error", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno", 429, "no"),
        ("empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        ("1.0 to its end", "HTTP/1.0 200 OK\r\n\r\nab", 200, "ab"),
    ] {
        let stand_in = StandIn::new(None, move |visit| {
            visit.request();
            visit.say(answer);
            if !answer.starts_with("HTTP/1.0") {
                visit.wait_for_end();
            }
        });
        let way = WayOut::plain(&stand_in);
        let mut agent = way.agent();
        agent.send("POST", "/v1/messages", "", "{}");
        let got = agent.answer();
        assert_eq!((got.status, got.text().as_str(), got.whole), (status, body, true), "{what}");
        assert!(!got.head.contains("x-egress-refusal") && !got.head.contains("link"), "{what}");
        assert_eq!(got.head.contains("retry-after: 7"), status == 429, "{what}");
    }
}

#[test]
fn what_an_answer_says_of_elsewhere_is_left_out() {
    let fields = "set-cookie: a=b\r\nalt-svc: h3=\":443\"\r\nstrict-transport-security: max-age=1\r\n\
                  location: http://evil.test\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
                  trailer: a\r\nproxy-authenticate: b\r\nx-egress-refusal: forged\r\nx-request-id: 7\r\n";
    let stand_in = StandIn::answering(None, http("200 OK", fields, "ab"));
    let answer = WayOut::plain(&stand_in).ask("POST", "/v1/messages", "", "{}");
    assert_eq!(answer.head, "http/1.1 200 ok\r\nx-request-id: 7\r\ncontent-length: 2\r\n\r\n");
}

#[test]
fn a_header_that_holds_the_key_does_not_reach_the_agent() {
    let fields = format!("x-your-key: {KEY}\r\nx-mixed: Bearer {KEY}; a\r\nx-other: fine\r\n");
    let stand_in = StandIn::answering(None, http("401 No", &fields, "who are you"));
    let answer = WayOut::plain(&stand_in).ask("POST", "/v1/messages", "", "{}");
    assert!(!answer.head.contains(KEY) && answer.head.contains("x-other: fine"), "{}", answer.head);
}

#[test]
fn the_endpoints_early_refusal_of_a_large_body_reaches_the_agent() {
    let stand_in = StandIn::new(None, |visit| {
        visit.more();
        visit.say(http("413 Too Large", "connection: close\r\n", "too large for me"));
        // Reads on a little, so that its answer is not lost in a reset.
        visit.wait_for_end();
    });
    let way = WayOut::plain(&stand_in);
    let answer = way.ask("POST", "/v1/messages", "", &"x".repeat(8 * 1024 * 1024));
    assert_eq!((answer.status, answer.text().as_str()), (413, "too large for me"));
}

#[test]
fn an_agent_that_goes_away_ends_its_exchange() {
    let (ended, is_ended) = mpsc::channel();
    let ended = Mutex::new(ended);
    let stand_in = StandIn::new(None, move |visit| {
        visit.request();
        visit.say("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n");
        visit.wait_for_end();
        ended.lock().unwrap().send(()).unwrap();
    });
    let way = WayOut::plain(&stand_in);
    let mut agent = way.agent();
    agent.send("POST", "/v1/messages", "", "{}");
    agent.head();
    assert!(agent.chunk().is_some());
    drop(agent);
    is_ended.recv_timeout(Duration::from_secs(20)).expect("the endpoint stops speaking to nobody");
    way.until("nothing runs", |account| account.running == 0);
    assert!(way.account.snapshot().refusals.is_empty(), "it is nobody's fault");
}

#[test]
fn dropping_the_forwarder_cuts_everything_at_once() {
    let stand_in = StandIn::new(None, |visit| {
        visit.request();
        visit.say("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n");
        visit.wait_for_end();
    });
    let mut way = WayOut::plain(&stand_in);
    let mut streaming = way.agent();
    streaming.send("POST", "/v1/messages", "", "{}");
    streaming.head();
    assert!(streaming.chunk().is_some());
    let mut waiting = way.agent();
    way.forwarder = None;
    assert_eq!(streaming.chunk(), None, "the stream is cut, without a clean end");
    assert!(waiting.ends());
    assert!(std::net::TcpStream::connect(way.at).is_err(), "nobody listens any more");
    way.until("nothing runs", |account| account.running == 0);
    assert!(way.account.snapshot().refusals.is_empty());
}

#[test]
fn a_copy_of_the_listener_is_dead_when_the_forwarder_is() {
    let stand_in = StandIn::answering(None, ok());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = listener.try_clone().unwrap();
    let plan = Plan::to(stand_in.at);
    let upstream =
        Upstream::new(plan.target, plan.addresses, plan.resolve, &plan.authorities, None, plan.patience);
    let account = loopgate::egress::forwarder::Account::new(
        Arc::new(loopgate::sys::clock::SystemClock),
        Box::new(|_| ()),
    );
    let forwarder = loopgate::egress::forwarder::Forwarder::start(
        listener,
        Arc::new(upstream.unwrap()),
        plan.rules,
        Arc::new(account),
        "copy",
    );
    drop(forwarder.unwrap());
    assert!(std::net::TcpStream::connect(copy.local_addr().unwrap()).is_err());
}

#[test]
fn connections_over_the_limit_are_told_so() {
    let stand_in = StandIn::answering(None, ok());
    let way = WayOut::plain(&stand_in);
    let mut agents: Vec<_> = (0..limits::EGRESS_CONNECTIONS).map(|_| way.agent()).collect();
    for agent in &mut agents {
        agent.send("GET", "/v1/models", "", "");
        assert_eq!(agent.answer().status, 200);
    }
    let mut one_more = way.agent();
    let answer = one_more.answer();
    assert_eq!((answer.status, answer.code().as_str()), (429, "too_many_connections"));
    drop(agents);
    way.until("there is room again", |_| {
        let mut agent = way.agent();
        agent.send("GET", "/v1/models", "", "");
        agent.head().0 == 200
    });
}

/// However many connect meanwhile, the acceptor looks at the deadlines.
#[test]
fn whoever_connects_without_end_keeps_no_deadline_from_passing() {
    let stand_in = StandIn::answering(None, ok());
    let short = Duration::from_millis(60);
    let settings = Settings { connections: 1, head: short, ..Plan::to(stand_in.at).settings };
    let way = Plan { settings, ..Plan::to(stand_in.at) }.start();
    let mut first = way.agent();
    first.say("POST /v1/mess");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    drop(std::net::TcpStream::connect_timeout(&way.at, short));
                }
            });
        }
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| first.answer().code()));
        over.store(true, Ordering::SeqCst);
        assert_eq!(answer.unwrap(), "request_timeout");
    });
}

#[test]
fn the_accounts_of_two_agents_do_not_mix() {
    let stand_in = StandIn::answering(None, ok());
    let (one, two) = (WayOut::plain(&stand_in), WayOut::plain(&stand_in));
    one.ask("POST", "/v1/messages", "", "abc");
    one.ask("POST", "/v1/messages", "", "abc");
    two.ask("POST", "/v1/files", "", "");
    let (first, second) = (one.account.snapshot(), two.account.snapshot());
    assert_eq!((first.requests, first.bytes_up, first.refusals.len()), (2, 6, 0));
    assert_eq!((second.requests, second.bytes_up, second.bytes_down), (0, 0, 0));
    assert_eq!(two.refused("path_not_allowed"), 1);
    assert_eq!(two.told().len(), 1);
    assert!(one.told().is_empty());
}

#[test]
fn a_byte_cap_cuts_an_answer_in_the_middle() {
    let stand_in = StandIn::answering(None, http("200 OK", "", &"x".repeat(1024 * 1024)));
    let mut plan = Plan::to(stand_in.at);
    plan.rules.bytes_per_day = Some(64 * 1024);
    let way = plan.start();
    let answer = way.ask("POST", "/v1/messages", "", "");
    assert!(!answer.whole && answer.body.len() < 256 * 1024);
    assert_eq!(way.ask("POST", "/v1/messages", "", "").code(), "bytes_per_day");
}

#[test]
fn fresh_addresses_are_asked_for_once_when_dialling_fails() {
    let stand_in = StandIn::answering(None, ok());
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = dead.local_addr().unwrap();
    drop(dead);
    let asked = Arc::new(AtomicUsize::new(0));
    let with = |fresh: Option<Vec<SocketAddr>>| {
        let asked = asked.clone();
        let resolve = Box::new(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            fresh.clone()
        });
        Plan { resolve, addresses: vec![at], ..Plan::to(at) }.start()
    };
    let way = with(Some(vec![stand_in.at]));
    for _ in 0..3 {
        assert_eq!(way.ask("POST", "/v1/messages", "", "{}").status, 200);
    }
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    let way = with(None);
    for _ in 0..3 {
        let answer = way.ask("POST", "/v1/messages", "", "{}");
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
        assert!(!answer.text().contains(&at.port().to_string()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn connections_that_wait_are_few_and_not_kept_for_long() {
    let stand_in = StandIn::answering(None, ok());
    let patience = Patience { idle: Duration::from_millis(50), ..Patience::default() };
    let upstream = Upstream::new(
        Target { https: false, host: "127.0.0.1".to_owned(), port: stand_in.at.port() },
        vec![stand_in.at],
        Box::new(|| None),
        &Authorities::Known,
        None,
        patience,
    );
    let upstream = upstream.unwrap();
    let lines: Vec<_> = (0..limits::UPSTREAM_IDLE + 3).map(|_| upstream.line()).collect();
    lines.into_iter().for_each(|line| upstream.keep(line));
    assert!(upstream.tidy());
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while upstream.tidy() {
        assert!(std::time::Instant::now() < end, "they are kept for too long");
        std::thread::yield_now();
    }
    let cut = upstream.line();
    cut.cut().cut();
    upstream.keep(cut);
    assert!(!upstream.tidy(), "a line that was cut is not kept");
}

/// The library would take a proxy from any of these. In a process of its own: the environment is the process's.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    const INNER: &str = "LOOPGATE_TEST_PROXY_INNER";
    if std::env::var_os(INNER).is_some() {
        let stand_in = StandIn::answering(None, ok());
        assert_eq!(WayOut::plain(&stand_in).ask("POST", "/v1/messages", "", "{}").status, 200);
        assert!(stand_in.heard().contains("POST /v1/messages HTTP/1.1"));
        return;
    }
    let proxy = StandIn::answering(None, http("418 Proxy", "", ""));
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "a_proxy_of_the_environment_is_not_used"]).env(INNER, "1");
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        inner.env(name, format!("http://{}", proxy.at));
    }
    inner.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = inner.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(proxy.connections(), 0);
}
