//! Step 2: every form of Host, on every bind.

use super::*;
use crate::wire::host::HostEntry;

fn setting(bound: &str, local: &str) -> Setting {
    let mut setting = Setting::new(Some(API), None);
    setting.policy.bound = bound.parse().unwrap();
    setting.at.local = local.parse().unwrap();
    setting
}

#[track_caller]
fn admits(setting: &Setting, host: &str) -> bool {
    let outcome = setting.ask("GET /", &[&format!("Host: {host}")]);
    match outcome {
        Ok(_) => true,
        Err(refusal) => {
            assert!(headers(&Err(refusal.clone())).is_empty(), "nothing is said to pages of a foreign host");
            match refusal.reason() {
                Reason::HostUnknown => {
                    assert_eq!((refusal.status(), error_of(&refusal).as_str()), (421, "unknown host"))
                }
                Reason::HostMissing | Reason::HostMalformed => assert_eq!(refusal.status(), 400),
                other => panic!("{other:?}"),
            }
            false
        }
    }
}

#[test]
fn only_our_own_hosts_are_answered() {
    let plain = setting("127.0.0.1:4000", "127.0.0.1:4000");
    for good in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST:4000", "LocalHost:4000"] {
        assert!(admits(&plain, good), "{good}");
    }
    for bad in [
        "",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:4001",
        "localhost:80",
        "127.0.0.1:40000",
        "127.0.0.1:400",
        "127.0.0.1:04000",
        "127.0.0.1:4000.",
        "127.0.0.1.:4000",
        "localhost.:4000",
        "x.localhost:4000",
        "*.localhost:4000",
        "localhost.localdomain:4000",
        "127.evil.com:4000",
        "127.0.0.1.evil.com:4000",
        "localhost.evil.com:4000",
        "evil.com:4000",
        "evil.com",
        "127.0.0.1:4000@evil.com",
        "evil@127.0.0.1:4000",
        "user:pw@localhost:4000",
        "2130706433:4000",
        "0x7f000001:4000",
        "0x7f.0.0.1:4000",
        "0177.0.0.1:4000",
        "017700000001:4000",
        "127.1:4000",
        "127.0.1:4000",
        "127.0.0.01:4000",
        "127.0.0.2:4000",
        "0:4000",
        "0.0.0.0:4000",
        "[::1]:4000",
        "[::]:4000",
        "[::ffff:127.0.0.1]:4000",
        "::1:4000",
        "[127.0.0.1]:4000",
        "127.0.0.1:4000,127.0.0.1:4000",
        "127.0.0.1 :4000",
        "127.0.0.1: 4000",
        "127.0.0.1:4000/",
        "//127.0.0.1:4000",
        "http://127.0.0.1:4000",
        "127.0.0.1:",
        ":4000",
        "localhost%00:4000",
        "lоcalhost:4000",
    ] {
        assert!(!admits(&plain, bad), "{bad:?}");
    }
}

#[test]
fn a_missing_host_is_400_and_two_are_refused_by_the_parser() {
    let plain = setting("127.0.0.1:4000", "127.0.0.1:4000");
    let refusal = is_refused(plain.raw("GET / HTTP/1.1\r\n\r\n"), Reason::HostMissing);
    assert_eq!(refusal.status(), 400);
    is_refused(plain.raw("GET / HTTP/1.0\r\n\r\n"), Reason::HostMissing);
    let two = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nhost: 127.0.0.1:4000\r\n\r\n";
    assert!(Head::parse(two).is_err());
}

#[test]
fn the_bound_address_decides_what_else_is_ours() {
    let six = setting("[::1]:4000", "[::1]:4000");
    assert!(admits(&six, "[::1]:4000") && admits(&six, "[0:0::1]:4000") && admits(&six, "localhost:4000"));
    assert!(!admits(&six, "[::1]") && !admits(&six, "[::2]:4000") && !admits(&six, "[::1%25lo]:4000"));

    // The literal address that this connection was accepted on, and no other one of the machine.
    let wide = setting("0.0.0.0:4000", "192.168.1.5:4000");
    assert!(admits(&wide, "192.168.1.5:4000") && admits(&wide, "127.0.0.1:4000"));
    assert!(
        !admits(&wide, "192.168.1.6:4000") && !admits(&wide, "0.0.0.0:4000") && !admits(&wide, "[::1]:4000")
    );
    assert!(!admits(&wide, "box.lan:4000"));

    // An IPv4 connection to a dual-stack listener.
    let dual = setting("[::]:4000", "[::ffff:192.168.1.5]:4000");
    assert!(admits(&dual, "192.168.1.5:4000") && admits(&dual, "[::1]:4000"));
    assert!(!admits(&dual, "[::ffff:192.168.1.5]:4000") && !admits(&dual, "[::]:4000"));
}

#[test]
fn port_80_may_be_left_out_as_browsers_do() {
    let mut setting = setting("127.0.0.1:80", "127.0.0.1:80");
    setting.policy.port = 80;
    assert!(
        admits(&setting, "127.0.0.1") && admits(&setting, "localhost") && admits(&setting, "localhost:80")
    );
    assert!(!admits(&setting, "localhost:4000") && !admits(&setting, "evil.com"));
}

#[test]
fn the_operators_list_is_exact() {
    let mut setting = setting("127.0.0.1:4000", "127.0.0.1:4000");
    setting.policy.hosts =
        ["box.example", "proxy.example:443"].map(|entry| HostEntry::parse(entry).unwrap()).into();
    assert!(admits(&setting, "Box.Example:4000"));
    assert!(admits(&setting, "proxy.example") && admits(&setting, "proxy.example:443"));
    for bad in
        ["box.example", "box.example:443", "proxy.example:4000", "a.box.example:4000", "box.example.:4000"]
    {
        assert!(!admits(&setting, bad), "{bad}");
    }
}
