use std::{
    net::{TcpListener, TcpStream},
    process::Command,
    sync::atomic::AtomicUsize,
    thread,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::client::testing::{StandIn, Visit, http, inode};

const KEY: &str = "3f2c2e2c-6f43-4c39-b6c5-2f6d2f0d0002";
const BODY: &[u8] = b"{\"target_agent\":\"a\",\"message\":\"words\"}";
/// Far more than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(30);

fn secret() -> Secret {
    Secret::new(KEY.as_bytes().to_vec())
}

fn letter(at: SocketAddr, inode: u64, patience: Patience) -> Result<Answer, PeerError> {
    let key = secret();
    post(Listener { at, pid: std::process::id(), inode, key: Some(&key) }, BODY, patience)
}

fn to(stand_in: &StandIn) -> Result<Answer, PeerError> {
    letter(stand_in.at, stand_in.inode, Patience::default())
}

/// Run again by `no_proxy_of_the_environment_gets_a_letter`.
#[test]
fn a_letter_is_one_request_with_its_key_and_the_answer_comes_back() {
    let stand_in = StandIn::answering(http("404 Not Found", "{}"));
    let answer = to(&stand_in).expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (404, &b"{}"[..]));
    let heard = stand_in.heard().to_ascii_lowercase();
    assert!(heard.starts_with("post /agentmux/reactive/inject http/1.1\r\n"), "{heard}");
    for line in [
        &format!("x-authkey: {KEY}"),
        "content-type: application/json",
        "connection: close",
        &format!("content-length: {}", BODY.len()),
        &format!("host: {}", stand_in.at),
    ] {
        assert_eq!(heard.matches(&format!("{line}\r\n")).count(), 1, "{line}: {heard}");
    }
    assert!(heard.ends_with(&String::from_utf8_lossy(BODY).into_owned()), "{heard}");
    let (at, inode) = (stand_in.at, stand_in.inode);
    post(Listener { at, pid: 1, inode, key: None }, BODY, Patience::default()).expect("an answer");
    assert_eq!(stand_in.heard().to_ascii_lowercase().matches("x-authkey").count(), 1, "none, none sent");
}

#[test]
fn no_proxy_of_the_environment_gets_a_letter() {
    let proxy = StandIn::answering(http("200 OK", "{}"));
    let url = format!("http://{}", proxy.at);
    let mut again = Command::new(std::env::current_exe().expect("a path"));
    let name = "client::peer::tests::a_letter_is_one_request_with_its_key_and_the_answer_comes_back";
    again.args(["--exact", name]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"] {
        again.env(name, &url);
    }
    let output = again.env_remove("no_proxy").env_remove("NO_PROXY").output().expect("a process");
    let talk = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && talk.contains("1 passed"), "{talk}");
    assert_eq!(proxy.heard(), "");
}

#[test]
fn a_redirect_is_an_answer_and_nothing_goes_where_it_leads() {
    for status in ["301 M", "302 F", "303 S", "307 T", "308 P"] {
        let elsewhere = StandIn::answering(http("200 OK", "{}"));
        let target = format!("Location: http://{}/agentmux/reactive/inject", elsewhere.at);
        let answer = format!("HTTP/1.1 {status}\r\n{target}\r\nContent-Length: 0\r\n\r\n");
        let stand_in = StandIn::answering(answer);
        let status: u16 = status[..3].parse().expect("a number");
        assert_eq!(to(&stand_in).map(|answer| answer.status), Ok(status));
        assert_eq!(elsewhere.heard(), "");
    }
}

#[test]
fn a_peers_answer_over_its_limit_is_none() {
    for (size, fits) in [(limits::FORWARD_ANSWER, true), (limits::FORWARD_ANSWER + 1, false)] {
        let body = "x".repeat(size);
        for answer in [http("200 OK", &body), format!("HTTP/1.1 200 OK\r\n\r\n{body}")] {
            let stand_in = StandIn::answering(answer);
            match to(&stand_in) {
                Ok(answer) => assert!(fits && answer.body.len() == size),
                Err(error) => assert!(!fits && error == PeerError::Junk, "{error:?}"),
            }
        }
    }
    let stand_in =
        StandIn::answering(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{{}}", "x".repeat(ANSWER_HEAD)));
    assert_eq!(to(&stand_in).map(|_| ()), Err(PeerError::Junk));
}

#[test]
fn what_is_no_http_or_ends_early_leaves_it_open_whether_it_arrived() {
    for (answer, wanted) in [
        ("", PeerError::Broken),
        ("SSH-2.0-OpenSSH\r\n", PeerError::Junk),
        ("HTTP/1.1 200 OK\r\nContent-Le", PeerError::Broken),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", PeerError::Junk),
        ("HTTP/9 200\r\n\r\n", PeerError::Junk),
        ("\0\0\0\0\r\n\r\n", PeerError::Junk),
    ] {
        let stand_in = StandIn::answering(answer);
        let error = to(&stand_in).map(|_| ()).expect_err("none");
        assert!(error == wanted || error == PeerError::Broken, "{answer:?}: {error:?}");
    }
}

/// Whoever closes before he has read all may have answered before: 413 and the like.
#[test]
fn an_answer_that_comes_before_the_letter_was_read_counts() {
    let stand_in = StandIn::new(|visit| {
        visit.say(http("413 Payload Too Large", "{}").as_bytes());
        visit.end_comes_within(Duration::from_secs(1));
    });
    assert_eq!(to(&stand_in).map(|answer| answer.status), Ok(413));
}

type Behaviour = fn(&mut Visit);

/// All at once, each with the time that the program gives it.
#[test]
fn a_letter_ends_in_time_whatever_the_peer_does() {
    const TICK: Duration = Duration::from_millis(200);
    let behaviours: [(&str, Behaviour); 8] = [
        ("silent after accept", |visit| visit.wait_for_end()),
        ("silent after the request", |visit| {
            visit.request();
            visit.wait_for_end();
        }),
        ("a byte at a time", |visit| {
            visit.request();
            let answer = http("200 OK", &"x".repeat(60_000));
            for byte in answer.bytes() {
                if visit.end_comes_within(TICK) || !visit.say(&[byte]) {
                    return;
                }
            }
        }),
        ("headers without end, one at a time", |visit| {
            visit.request();
            visit.say(b"HTTP/1.1 200 OK\r\n");
            while !visit.end_comes_within(TICK) && visit.say(b"X: y\r\n") {}
        }),
        ("body without end", |visit| {
            visit.request();
            visit.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while !visit.end_comes_within(TICK) && visit.say(b"1\r\nx\r\n") {}
        }),
        ("100 without end", |visit| {
            visit.request();
            while visit.say(b"HTTP/1.1 100 Continue\r\n\r\n") {}
        }),
        ("half an answer", |visit| {
            visit.request();
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"success\":true");
            visit.wait_for_end();
        }),
        ("an answer after the deadline", |visit| {
            visit.request();
            visit.wait_for_end();
            visit.say(http("200 OK", "{\"success\":true}").as_bytes());
        }),
    ];
    thread::scope(|scope| {
        for (name, behave) in behaviours {
            scope.spawn(move || {
                let stand_in = StandIn::new(behave);
                let start = Instant::now();
                let error = to(&stand_in).map(|answer| answer.status);
                let took = start.elapsed();
                assert!(error == Err(PeerError::Silent) || name.starts_with("100"), "{name}: {error:?}");
                assert!(error.is_err(), "{name}");
                let least = Duration::from_millis(limits::FORWARD_MS - 100);
                assert!((least..GENEROUS).contains(&took) || name.starts_with("100"), "{name}: {took:?}");
            });
        }
    });
}

/// With a deadline for each write, such a peer would hold it for minutes.
#[test]
fn a_peer_that_takes_a_little_at_a_time_gains_no_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    SockRef::from(&listener).set_recv_buffer_size(1).expect("set");
    let stand_in = StandIn::on(listener, |visit| {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        // Then it closes, and who still waits has lost his connection.
        for _ in 0..15 {
            visit.end_comes_within(Duration::from_secs(1));
            let _ = never.recv_timeout(Duration::from_millis(200));
        }
    });
    let body = vec![b'x'; 16 * 1024 * 1024];
    let start = Instant::now();
    let patience = Patience { total: Duration::from_millis(500), ..Patience::default() };
    let to = Listener { at: stand_in.at, pid: 1, inode: stand_in.inode, key: None };
    assert_eq!(post(to, &body, patience).map(|_| ()), Err(PeerError::Silent));
    assert!(start.elapsed() < GENEROUS);
}

#[test]
fn a_peer_that_lets_nobody_connect_costs_half_a_second() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bound");
    socket.listen(0).expect("listening");
    let listener = TcpListener::from(socket);
    let at = listener.local_addr().expect("an address");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(100)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "nothing fills its queue");
    }
    let start = Instant::now();
    assert_eq!(letter(at, inode(&listener), Patience::default()).map(|_| ()), Err(PeerError::NoConnection));
    let took = start.elapsed();
    assert!((Duration::from_millis(limits::FORWARD_CONNECT_MS)..GENEROUS).contains(&took), "{took:?}");
}

#[test]
fn a_port_that_nobody_listens_on_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (at, inode) = (listener.local_addr().expect("an address"), inode(&listener));
    drop(listener);
    assert_eq!(letter(at, inode, Patience::default()).map(|_| ()), Err(PeerError::NoListener));
}

#[test]
fn nothing_leaves_the_machine_and_no_key_that_is_none() {
    for at in ["192.0.2.1:9", "127.0.0.1:0", "0.0.0.0:9"] {
        let at = at.parse().expect("an address");
        assert_eq!(letter(at, 1, Patience::default()).map(|_| ()), Err(PeerError::NoConnection), "{at}");
    }
    let stand_in = StandIn::answering(http("200 OK", "{}"));
    let key = Secret::new(b"a\r\nX: 1".to_vec());
    let to = Listener { at: stand_in.at, pid: 1, inode: stand_in.inode, key: Some(&key) };
    assert_eq!(post(to, BODY, Patience::default()).map(|_| ()), Err(PeerError::Key));
    assert_eq!(stand_in.heard(), "");
}

#[test]
fn who_took_a_freed_port_gets_not_one_byte() {
    let real = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (at, gone) = (real.local_addr().expect("an address"), inode(&real));
    drop(real);
    let impostor = StandIn::on(TcpListener::bind(at).expect("the same port"), |visit| visit.wait_for_end());
    assert_eq!(letter(at, gone, Patience::default()).map(|_| ()), Err(PeerError::Impostor));
    assert_eq!(impostor.heard(), "");
}

/// The port changes hands at any moment between the first look and the last byte, ten thousand times.
#[test]
fn an_impostor_that_swaps_in_at_any_moment_gets_not_one_byte() {
    const RACES: usize = 10_000;
    let mut outcomes = std::collections::BTreeMap::new();
    let patience = Patience { connect: GENEROUS, total: GENEROUS };
    let mut at = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut taken = 0;
    for race in 0..RACES {
        let Ok(real) = TcpListener::bind(at) else {
            // Some other program's connection has got the number.
            at.set_port(0);
            continue;
        };
        at = real.local_addr().expect("an address");
        let number = inode(&real);
        let ready = AtomicUsize::new(0);
        let both = || {
            ready.fetch_add(1, Ordering::SeqCst);
            while ready.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
        };
        let heard = thread::scope(|scope| {
            let swap = scope.spawn(|| {
                both();
                for _ in 0..(race % 97) * 40 {
                    std::hint::spin_loop();
                }
                drop(real);
                let impostor = TcpListener::bind(at).ok()?;
                impostor.set_nonblocking(true).expect("set");
                let mut visits = Vec::new();
                while ready.load(Ordering::SeqCst) < 3 {
                    visits.extend(impostor.accept().ok().map(|(stream, _)| stream));
                    thread::yield_now();
                }
                visits.extend(impostor.accept().ok().map(|(stream, _)| stream));
                let mut heard = Vec::new();
                for mut stream in visits {
                    stream.set_nonblocking(false).expect("set");
                    let _ = std::io::Read::read_to_end(&mut stream, &mut heard);
                }
                Some(heard)
            });
            both();
            let outcome = letter(at, number, patience).map(|answer| answer.status);
            ready.fetch_add(1, Ordering::SeqCst);
            *outcomes.entry(format!("{outcome:?}")).or_insert(0) += 1;
            swap.join().expect("no panic")
        });
        if let Some(heard) = heard {
            taken += 1;
            assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
        }
    }
    println!("{taken} swaps: {outcomes:?}");
    assert!(taken > RACES / 2, "the port was free to take in {taken} races only");
    assert!(outcomes.len() > 1, "all races ended alike: {outcomes:?}");
}
