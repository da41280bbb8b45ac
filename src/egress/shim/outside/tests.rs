use std::{
    fs::File,
    io::{Read, Write},
    thread,
    time::Duration,
};

use super::*;
use crate::{egress::shim::order::tests::order, sys::pass};

const LAYERS: Layers = Layers { seccomp: true, landlock: Some(7), connect: true, scoped: true };

/// What a stand-in for the shim says after it has read its order.
type Inside = Box<dyn FnOnce(&mut UnixStream) + Send>;

/// A listener on any port, and an order that names it.
fn listening() -> (TcpListener, Order) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Order { port: Some(port), ..order() })
}

/// The result, and whether it came to the call that makes all ready.
fn let_in_to(order: &Order, inside: Inside) -> (Result<Layers, NotIn<&'static str>>, bool) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let thread = thread::spawn(move || {
        let mut length = [0; 4];
        theirs.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        theirs.read_exact(&mut body).unwrap();
        assert!(Order::decode(&body).is_some());
        inside(&mut theirs);
    });
    let mut came = false;
    let until = Instant::now() + Duration::from_secs(20);
    let result = with(
        ours,
        order,
        until,
        |_| Ok(true),
        |_| {
            came = true;
            Ok(())
        },
    );
    thread.join().unwrap();
    (result, came)
}

fn confined() -> [u8; Word::SIZE] {
    Word::Confined(LAYERS).encode()
}

/// Says that it is confined, with these descriptors one after the other.
fn passing(descriptors: Vec<OwnedFd>) -> Inside {
    Box::new(move |stream| {
        let word = confined();
        let (last, first) = word.split_last().unwrap();
        let mut parts = vec![first];
        parts.resize(descriptors.len().max(1), std::slice::from_ref(last));
        for (part, descriptor) in parts.iter().zip(&descriptors) {
            // After the second one the other side may have gone.
            let _ = pass::send(stream, part, descriptor.as_fd());
        }
        if descriptors.len() < 2 {
            stream.write_all(&word[if descriptors.is_empty() { 0 } else { first.len() }..]).unwrap();
        }
        let _ = stream.read(&mut [0; 2]);
    })
}

fn refused(result: &Result<Layers, NotIn<&'static str>>, what: &str) {
    assert!(matches!(result, Err(NotIn::Refused(said)) if said.contains(what)), "{what}: {result:?}");
}

#[test]
fn a_program_is_let_in_once_all_is_ready_and_its_layers_are_told() {
    let (listener, order) = listening();
    let (result, came) = let_in_to(
        &order,
        Box::new(move |stream| {
            pass::send(stream, &confined(), listener.as_fd()).unwrap();
            let mut said = Vec::new();
            // The go, and nothing else, comes; then the end is that of the shim.
            stream.read_exact(&mut [0; 1]).unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.read_to_end(&mut said);
            assert_eq!(said, b"");
        }),
    );
    assert!(came);
    assert_eq!(result.unwrap(), LAYERS);
}

#[test]
fn every_step_that_fails_is_told_and_nothing_is_made_ready() {
    for step in Step::ALL {
        let word = Word::Failed(step, libc::EIO).encode();
        let (result, came) = let_in_to(&order(), Box::new(move |stream| stream.write_all(&word).unwrap()));
        assert!(!came);
        assert!(matches!(result, Err(NotIn::Failed(s, libc::EIO)) if s == step), "{result:?}");
    }
}

#[test]
fn a_shim_that_could_not_take_its_order_is_heard_all_the_same() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (&theirs).write_all(&Word::Failed(Step::Hide, 1).encode()).unwrap();
    drop(theirs);
    let result = let_in(ours, &order(), Instant::now() + Duration::from_secs(20), |_| Ok::<_, &str>(()));
    assert!(matches!(result, Err(NotIn::Failed(Step::Hide, 1))), "{result:?}");
}

#[test]
fn what_comes_out_is_one_listener_on_its_port_or_is_refused() {
    let (listener, order) = listening();
    let copy = || OwnedFd::from(listener.try_clone().unwrap());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (unix, _) = UnixStream::pair().unwrap();
    let cases: [(Vec<OwnedFd>, &str); 8] = [
        (Vec::new(), "no listener came"),
        (vec![copy(), copy()], "more came out"),
        (vec![copy(), copy(), copy()], "more came out"),
        (vec![File::open("/dev/null").unwrap().into()], "no listener on its loopback"),
        (vec![unix.into()], "no listener on its loopback"),
        (vec![stream.into()], "no listener on its loopback"),
        (vec![other.into()], "no listener on its loopback"),
        (vec![std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into()], "no listener on its loopback"),
    ];
    for (descriptors, what) in cases {
        let (result, came) = let_in_to(&order, passing(descriptors));
        refused(&result, what);
        assert!(!came, "{what}");
    }
    // Where the network is open nothing may come out.
    let open = Order { port: None, ..order.clone() };
    let (result, came) = let_in_to(&open, passing(vec![copy()]));
    refused(&result, "more came out");
    assert!(!came);
    assert!(let_in_to(&open, passing(Vec::new())).0.is_ok());
}

#[test]
fn a_listener_in_our_own_network_is_refused() {
    let (listener, order) = listening();
    let (ours, theirs) = UnixStream::pair().unwrap();
    pass::send(&theirs, &confined(), listener.as_fd()).unwrap();
    let result = let_in(ours, &order, Instant::now() + Duration::from_secs(20), |_| Ok::<_, &str>(()));
    assert!(matches!(result, Err(NotIn::Refused("it has no network of its own"))), "{result:?}");
}

#[test]
fn words_that_are_none_or_too_many_or_cut_are_refused() {
    let not_confined = Word::Confined(Layers { seccomp: false, ..LAYERS }).encode();
    let said: [(&[u8], &str); 4] = [
        (b"garbage", "never does"),
        (b"zzzzzz", "never does"),
        (&not_confined, "no system call filter"),
        (&[&confined()[..], b"x"].concat(), "never does"),
    ];
    for (bytes, what) in said {
        let bytes = bytes.to_vec();
        let order = Order { port: None, ..order() };
        let (result, came) = let_in_to(&order, Box::new(move |stream| stream.write_all(&bytes).unwrap()));
        refused(&result, what);
        assert!(!came);
    }
    for cut in 0..Word::SIZE {
        let (result, came) =
            let_in_to(&order(), Box::new(move |stream| stream.write_all(&confined()[..cut]).unwrap()));
        assert!(matches!(result, Err(NotIn::Gone)), "{cut}: {result:?}");
        assert!(!came);
    }
}

#[test]
fn what_is_said_after_the_go_is_that_the_program_could_not_be_run() {
    let open = Order { port: None, ..order() };
    let after = |word: Vec<u8>| -> Inside {
        Box::new(move |stream| {
            stream.write_all(&confined()).unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
            stream.write_all(&word).unwrap();
        })
    };
    let (result, _) = let_in_to(&open, after(Word::Failed(Step::Exec, libc::ENOENT).encode().to_vec()));
    assert!(matches!(result, Err(NotIn::NotRun(libc::ENOENT))), "{result:?}");
    for word in [Word::Failed(Step::Place, 1).encode(), confined()] {
        refused(&let_in_to(&open, after(word.to_vec())).0, "never does");
    }
}

#[test]
fn silence_has_an_end_and_what_is_not_ready_is_given_no_go() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let result = let_in(ours, &order(), Instant::now(), |_| Ok::<_, &str>(()));
    assert!(matches!(result, Err(NotIn::Late)), "{result:?}");
    drop(theirs);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&confined()).unwrap();
    let open = Order { port: None, ..order() };
    let result = let_in(ours, &open, Instant::now() + Duration::from_secs(20), |_| Err("not yet"));
    assert!(matches!(result, Err(NotIn::NotReady("not yet"))), "{result:?}");
    let mut said = Vec::new();
    theirs.read_to_end(&mut said).unwrap();
    assert_eq!(said, open.encode().unwrap(), "the order, and no go");
}
