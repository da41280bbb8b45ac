use std::{
    collections::HashMap,
    io,
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
};

use super::*;

const SOON: Duration = Duration::from_secs(60);

/// Knows these names; 192.168.7.7 and 9.9.9.9 are this machine's.
struct Names(HashMap<&'static str, Vec<&'static str>>);

impl System for Names {
    fn look_up(&self, name: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let found = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        // A resolver's port is not believed.
        Ok(found.iter().map(|ip| SocketAddr::new(ip.parse().expect(ip), 4_000)).collect())
    }

    fn is_local(&self, ip: IpAddr) -> io::Result<bool> {
        if ip == IpAddr::from([9, 9, 9, 8]) {
            return Err(io::ErrorKind::Other.into());
        }
        Ok([IpAddr::from([192, 168, 7, 7]), IpAddr::from([9, 9, 9, 9])].contains(&ip))
    }
}

fn policy(operator: Option<&str>, allowed: &str, names: &[(&'static str, &[&'static str])]) -> Policy {
    let names = names.iter().map(|(name, ips)| (*name, ips.to_vec())).collect();
    Policy::new(Parts {
        operator: operator.map_or_else(Endpoint::default, |text| trusted(text).expect(text)),
        key: Some(Secret::new(b"operators-key".to_vec())),
        allowed: list(allowed).expect(allowed),
        own: vec![([127, 0, 0, 1], 4_000).into()],
        authorities: None,
        system: Arc::new(Names(names)),
    })
}

fn code(policy: &Policy, asked: &str) -> &'static str {
    policy.admit(Some(asked)).map_or_else(|error| error.code(), |_| "")
}

fn key(policy: &Policy, asked: Option<&str>, own: Option<&str>) -> Option<String> {
    policy.key_for(asked, own).map(|key| key.expose_str().to_owned())
}

#[test]
fn m8_without_an_endpoint_it_is_the_operators() {
    let chosen = policy(Some("https://llm.example/v1"), "", &[]);
    let admitted = chosen.admit(None).expect("the operator's");
    assert_eq!(admitted.endpoint().to_string(), "https://llm.example/v1");
    let unset = policy(None, "", &[]);
    let default = "https://openrouter.ai/api/v1/chat/completions";
    assert_eq!(unset.admit(None).expect("the default").endpoint().to_string(), default);
    assert_eq!(Endpoint::parse(default), Ok(Endpoint::default()));
}

#[test]
fn m8_the_operators_host_is_allowed_with_any_path() {
    let policy = policy(Some("https://llm.example/v1/messages"), "", &[]);
    for asked in ["https://llm.example", "https://LLM.example:443/v2/responses", "HTTPS://llm.example/x"] {
        assert_eq!(code(&policy, asked), "", "{asked}");
    }
}

/// Spec genswarms M.8, and G.4's gaps: host, port and scheme are compared, whole and after parsing.
#[test]
fn m8_an_attackers_host_is_not_allowed_and_neither_is_another_port_or_scheme() {
    let policy = policy(Some("https://llm.example/v1"), "other.example:8443, http://127.0.0.1:8999", &[]);
    for asked in [
        "https://evil.example/",
        "https://llm.example.evil.example/",
        "https://evil-llm.example/",
        "https://a.llm.example/",
        "https://example/",
        "http://llm.example/v1",
        "http://llm.example:443/v1",
        "https://llm.example:8443/",
        "https://other.example/",
        "http://other.example:8443/",
        "http://127.0.0.1/",
        "http://127.0.0.1:4000/",
        "http://127.0.0.1:22/",
        "https://127.0.0.1:8999/",
        "http://127.0.0.2:8999/",
        "http://[::1]:8999/",
        "http://[::ffff:127.0.0.1]:8999/",
        "http://169.254.169.254/latest/meta-data",
    ] {
        assert_eq!(code(&policy, asked), "endpoint_not_allowed", "{asked}");
        assert_eq!(key(&policy, Some(asked), None), None, "{asked}");
    }
}

#[test]
fn m8_the_list_is_lower_cased_and_trimmed() {
    let policy = policy(Some("https://llm.example/v1"), " Foo.Example.COM ,bar.test,, ", &[]);
    for asked in ["https://foo.example.com/v1", "https://FOO.example.com", "https://bar.test/x"] {
        assert_eq!(code(&policy, asked), "", "{asked}");
    }
    assert_eq!(policy.allowed().len(), 2);
}

#[test]
fn m8_what_is_no_url_is_invalid_and_opens_nothing() {
    let policy = policy(None, "", &[]);
    for asked in ["not a url", "", "//openrouter.ai", "openrouter.ai", "https://u:p@openrouter.ai/"] {
        assert_eq!(code(&policy, asked), "invalid_endpoint", "{asked}");
        assert_eq!(key(&policy, Some(asked), None), None, "{asked}");
    }
}

/// Spec genswarms M.8 "key", and the gap of G.4: the same rule as for the endpoint, so also with another path.
#[test]
fn m8_the_operators_key_goes_to_his_endpoint_and_to_listed_ones_and_nowhere_else() {
    let policy = policy(Some("https://llm.example/v1"), "Api.Foo.com", &[]);
    for (asked, own, wanted) in [
        (None, None, Some("operators-key")),
        (Some("https://llm.example/v1"), None, Some("operators-key")),
        (Some("https://llm.example/v2"), None, Some("operators-key")),
        (Some("https://api.foo.com/x"), None, Some("operators-key")),
        (Some("https://evil.example/v1"), None, None),
        (Some("http://llm.example/v1"), None, None),
        (Some("https://llm.example:4000/v1"), None, None),
        (Some("https://evil.example/v1"), Some("own"), Some("own")),
        (Some("https://llm.example/v1"), Some("own"), Some("own")),
        (None, Some("own"), Some("own")),
        (None, Some(""), Some("operators-key")),
        (Some("https://evil.example/v1"), Some(""), None),
    ] {
        assert_eq!(key(&policy, asked, own).as_deref(), wanted, "{asked:?} {own:?}");
    }
}

#[test]
fn an_entry_is_a_host_a_host_and_port_or_a_whole_url_without_a_path() {
    let read = |text: &str| entry::entry(text).map(|endpoint| endpoint.to_string());
    for (text, wanted) in [
        ("h.example", "https://h.example/"),
        ("h.example:8443", "https://h.example:8443/"),
        ("http://10.0.0.1:80", "http://10.0.0.1/"),
        ("https://h.example/", "https://h.example/"),
        ("10.0.0.1", "https://10.0.0.1/"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/"),
        ("localhost:8443", "https://localhost:8443/"),
        ("http://localhost:11434", "http://localhost:11434/"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(wanted), "{text}");
    }
    for bad in [
        "*",
        "*.example",
        ".example",
        "h.",
        "h.example/v1",
        "https://h.example/v1",
        "h example",
        "h:0",
        "h:99999",
        "h:",
        ":443",
        "u@h",
        "https://u:p@h",
        "ftp://h",
        "https://",
        "2130706433",
        "0x7f.1",
        "127.1",
        "::1",
        "bücher.example",
        "xn--bcher-kva.example",
        "h?x",
        "h#x",
        "h;i",
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
        let whole = list(&format!("good.example, {bad} ,other.example"));
        assert_eq!(whole.map_err(|(named, _)| named), Err(bad.to_owned()), "the error names the entry");
    }
}

#[test]
fn a_key_goes_in_the_clear_to_loopback_and_private_literals_only() {
    for fine in [
        "http://127.0.0.1:11434/v1",
        "http://localhost:11434/v1",
        "http://[::1]:1/",
        "http://10.1.2.3/",
        "http://192.168.1.1:8080/",
        "http://[fd00::1]/",
    ] {
        assert!(trusted(fine).is_ok(), "{fine}");
    }
    for clear in [
        "http://llm.example/v1",
        "http://llm:8080",
        "http://localhost.example/",
        "http://8.8.8.8/",
        "http://[2606:4700::1]/",
        "http://169.254.169.254/",
        "http://100.64.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://0.0.0.0/",
    ] {
        assert_eq!(trusted(clear), Err(EntryError::Clear), "{clear}");
        assert_eq!(list(clear), Err((clear.to_owned(), EntryError::Clear)));
    }
}

#[test]
fn localhost_is_the_literal_127_0_0_1_and_is_not_looked_up() {
    let policy = policy(Some("http://localhost:8999/v1"), "", &[("localhost", &["8.8.8.8"])]);
    for asked in ["http://localhost:8999/", "http://127.0.0.1:8999/"] {
        let admitted = policy.admit(Some(asked)).expect(asked);
        assert_eq!(admitted.resolve(SOON), Ok(vec![([127, 0, 0, 1], 8_999).into()]), "{asked}");
    }
    assert_eq!(code(&policy, "http://[::1]:8999/"), "endpoint_not_allowed");
}

#[test]
fn our_own_listener_is_no_endpoint_whoever_lists_it() {
    let listed = "http://127.0.0.1:4000, http://localhost:4000, http://[::1]:4000, https://0.0.0.0:4000, \
                  https://[::]:4000, http://192.168.7.7:4000, https://[::ffff:127.0.0.1]:4000, https://n:4000";
    for operator in ["https://llm.example", "http://127.0.0.1:4000/v1"] {
        let policy = policy(Some(operator), listed, &[("n", &["127.0.0.1", "192.168.7.7", "::1"])]);
        for asked in listed.split(", ").filter(|asked| !asked.ends_with("n:4000")) {
            assert_eq!(code(&policy, asked), "endpoint_not_allowed", "{asked}");
            assert_eq!(key(&policy, Some(asked), None), None, "{asked}");
        }
        let named = policy.admit(Some("https://n:4000")).expect("a listed name");
        assert_eq!(named.resolve(SOON), Err(AddressError::Refused(Why::OwnListener)));
    }
    let own = policy(Some("http://127.0.0.1:4000/v1"), "", &[]);
    assert_eq!(own.admit(None).err(), Some(PolicyError::OwnListener));
}

#[test]
fn a_name_is_dialled_at_its_good_addresses_only() {
    use Why::*;
    type Found = Result<&'static [&'static str], AddressError>;
    let cases: &[(&[&'static str], Found)] = &[
        (&["8.8.8.8", "2606:4700::1"], Ok(&["8.8.8.8:443", "[2606:4700::1]:443"])),
        (&["127.0.0.1", "8.8.8.8", "169.254.169.254"], Ok(&["8.8.8.8:443"])),
        (&["8.8.8.8", "8.8.8.8"], Ok(&["8.8.8.8:443"])),
        (&["127.0.0.1"], Err(AddressError::Refused(Loopback))),
        (&["169.254.169.254", "127.0.0.1"], Err(AddressError::Refused(Metadata))),
        (&["::ffff:127.0.0.1"], Err(AddressError::Refused(Embedded))),
        (&["fe80::1"], Err(AddressError::Refused(LinkLocal))),
        (&["64:ff9b::7f00:1"], Err(AddressError::Refused(Embedded))),
        (&["9.9.9.9"], Err(AddressError::Refused(OwnMachine))),
        (&["9.9.9.8"], Err(AddressError::Refused(OwnMachine))),
        (&[], Err(AddressError::Unresolved)),
    ];
    for right in ["operator", "listed"] {
        for (ips, wanted) in cases {
            let (operator, allowed) = if right == "operator" {
                ("https://n.example", "")
            } else {
                ("https://llm.example", "n.example")
            };
            let policy = policy(Some(operator), allowed, &[("n.example", ips)]);
            let found = policy.admit(Some("https://n.example/v1")).expect("allowed").resolve(SOON);
            let wanted = wanted.map(|all| all.iter().map(|at| at.parse().expect("an address")).collect());
            assert_eq!(found, wanted, "{right} {ips:?}");
        }
    }
    let unknown = policy(Some("https://n.example"), "", &[]);
    let error = unknown.admit(None).expect("allowed").resolve(SOON).expect_err("nobody knows it");
    assert_eq!((error, error.code()), (AddressError::Unresolved, "endpoint_unresolved"));
}

#[test]
fn a_private_address_is_for_the_operators_own_name_or_where_its_literal_is_listed() {
    let names: &[(&str, &[&str])] = &[("n.example", &["10.1.2.3"]), ("m.example", &["fd00::5"])];
    let resolve = |operator: &str, allowed: &str, asked: &str| {
        policy(Some(operator), allowed, names).admit(Some(asked)).expect(asked).resolve(SOON).map(drop)
    };
    let private = Err(AddressError::Refused(Why::Private));
    assert_eq!(resolve("https://n.example", "", "https://n.example/v1"), Ok(()));
    assert_eq!(resolve("https://o.example", "n.example", "https://n.example"), private);
    assert_eq!(resolve("https://o.example", "m.example", "https://m.example"), private);
    assert_eq!(resolve("https://o.example", "n.example, 10.1.2.3", "https://n.example"), Ok(()));
    assert_eq!(resolve("https://o.example", "m.example, [fd00::5]", "https://m.example"), Ok(()));
    // The port is a part of what was listed.
    assert_eq!(resolve("https://o.example", "n.example, 10.1.2.3:8443", "https://n.example"), private);
    assert_eq!(resolve("https://o.example", "n.example:1, 10.1.2.3:1", "https://n.example:1"), Ok(()));
}

#[test]
fn an_address_that_a_name_may_not_have_may_be_listed_as_a_literal() {
    let names: &[(&str, &[&str])] = &[("n.example", &["127.0.0.1"])];
    let listed = policy(Some("https://o.example"), "n.example:8443, 127.0.0.1:8443", names);
    let found = listed.admit(Some("https://n.example:8443")).expect("allowed").resolve(SOON);
    assert_eq!(found, Ok(vec![([127, 0, 0, 1], 8_443).into()]));
}

/// A name that is made to lead elsewhere after the start is looked at again like the first time.
#[test]
fn a_name_that_turns_inwards_later_is_refused_when_it_is_asked_again() {
    struct Turning(Mutex<Vec<&'static str>>);
    impl System for Turning {
        fn look_up(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            let next = self.0.lock().expect("the list").pop().ok_or(io::ErrorKind::NotFound)?;
            Ok(vec![SocketAddr::new(next.parse().expect(next), port)])
        }
        fn is_local(&self, _: IpAddr) -> io::Result<bool> {
            Ok(false)
        }
    }
    let policy = Policy::new(Parts {
        operator: trusted("https://n.example").expect("an endpoint"),
        key: None,
        allowed: Vec::new(),
        own: Vec::new(),
        authorities: None,
        system: Arc::new(Turning(Mutex::new(vec!["127.0.0.1", "8.8.8.8"]))),
    });
    let admitted = policy.admit(None).expect("the operator's");
    assert!(admitted.resolve(SOON).is_ok());
    assert_eq!(admitted.resolve(SOON), Err(AddressError::Refused(Why::Loopback)));
}

#[test]
fn at_most_eight_addresses_are_dialled() {
    let many: &[&str] =
        &["8.0.0.1", "8.0.0.2", "8.0.0.3", "8.0.0.4", "8.0.0.5", "8.0.0.6", "8.0.0.7", "8.0.0.8", "8.0.0.9"];
    let policy = policy(Some("https://n.example"), "", &[("n.example", many)]);
    let found = policy.admit(None).expect("the operator's").resolve(SOON);
    assert_eq!(found.map(|all| all.len()), Ok(limits::ENDPOINT_ADDRESSES));
}

#[test]
fn a_name_is_looked_up_within_the_time_or_not_at_all() {
    /// Answers when the other end is dropped.
    struct Silent(Mutex<Receiver<()>>);
    impl System for Silent {
        fn look_up(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            let _ = self.0.lock().expect("the end").recv();
            Ok(vec![([8, 8, 8, 8], port).into()])
        }
        fn is_local(&self, _: IpAddr) -> io::Result<bool> {
            Ok(false)
        }
    }
    let (let_go, held) = channel();
    let policy = Policy::new(Parts {
        operator: trusted("https://n.example").expect("an endpoint"),
        key: None,
        allowed: Vec::new(),
        own: Vec::new(),
        authorities: None,
        system: Arc::new(Silent(Mutex::new(held))),
    });
    let admitted = policy.admit(None).expect("the operator's");
    assert_eq!(admitted.resolve(Duration::ZERO), Err(AddressError::Unresolved));
    drop(let_go);
}

#[test]
fn what_a_refusal_says_holds_neither_the_path_nor_a_password() {
    let policy = policy(Some("https://llm.example"), "", &[]);
    let said =
        |asked: &str| policy.admit(Some(asked)).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said("https://evil.example/secret-path").contains("https://evil.example is"));
    for asked in ["https://evil.example/secret", "https://u:secret@evil.example/", "secret"] {
        assert!(!said(asked).is_empty() && !said(asked).contains("secret"), "{asked}");
    }
}
