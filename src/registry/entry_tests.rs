use super::*;
use crate::registry::testing::entry;

const AT: &str = "127.0.0.1:4000";

fn text(change: impl FnOnce(&mut Value)) -> String {
    let mut value = entry("Worker-1", AT.parse().expect("an address"), 7);
    change(&mut value);
    value.to_string()
}

fn wrong(text: &str) -> Wrong {
    fuzz(text.as_bytes());
    Entry::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("taken: {text}"))
}

#[test]
fn an_entry_of_agentmux_is_read_with_and_without_what_later_versions_added() {
    let whole = Entry::parse(text(|_| {}).as_bytes()).expect("an entry");
    assert_eq!((whole.agent.as_str(), whole.at.to_string().as_str(), whole.pid), ("Worker-1", AT, 7));
    assert_eq!((whole.channel.as_str(), whole.nonce), ("main", 7));
    assert!(whole.key.is_some_and(|key| key.matches(b"key-of-agentmux")) && whole.own.is_none());
    // Spec agentmux I.1, OBS [32].
    let oldest = br#"{"agent_id":"a1","local_url":"http://127.0.0.1:41279","block_id":"b1","pid":22405,"updated_at":1795304066393}"#;
    let oldest = Entry::parse(oldest).expect("an entry");
    assert!(oldest.key.is_none() && oldest.channel.is_empty() && oldest.nonce == 0);
    for unknown in [json!([{"agent_id": 1}]), json!({"pid": {}}), json!(null)] {
        assert!(Entry::parse(text(|value| value["later"] = unknown).as_bytes()).is_ok());
    }
}

#[test]
fn a_field_that_is_not_what_it_must_be_is_named() {
    for (field, values) in [
        ("agent_id", vec![json!(""), json!("a b"), json!(1), json!(["a"]), json!("x".repeat(65))]),
        ("pid", vec![json!(0), json!(-1), json!(1.5), json!("7"), json!(2_u64.pow(31)), json!(null)]),
        ("updated_at", vec![json!(-1), json!("1"), json!(1e300), json!({})]),
        ("block_id", vec![json!(null), json!([]), json!("x".repeat(257))]),
        ("auth_key", vec![json!(1), json!(["k"]), json!("a b"), json!("a\r\nX: y"), json!("x".repeat(4097))]),
        ("channel", vec![json!(1), json!({"a": 1}), json!("x".repeat(257))]),
        ("registration_nonce", vec![json!(-1), json!("1"), json!([1])]),
        ("local_url", vec![json!(1), json!(null), json!({"url": "http://127.0.0.1:1"})]),
    ] {
        for bad in values {
            assert_eq!(wrong(&text(|value| value[field] = bad.clone())), Wrong::Malformed(field), "{bad}");
        }
    }
    for field in ["agent_id", "local_url", "block_id", "pid", "updated_at"] {
        let without = text(|value| drop(value.as_object_mut().map(|map| map.remove(field))));
        assert_eq!(wrong(&without), Wrong::Malformed(field));
    }
    let whole = text(|_| {});
    for length in 0..whole.len() {
        assert_eq!(wrong(&whole[..length]), Wrong::Malformed("JSON"), "half of one is none");
    }
    for bad in ["[]", "null", "{} {}", "\u{feff}{}", &"[".repeat(10_000)] {
        assert_eq!(wrong(bad), Wrong::Malformed("JSON"), "{bad}");
    }
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let whole = text(|_| {});
    for second in
        [r#""pid":8"#, r#""auth_key":"x""#, r#""local_url":"http://127.0.0.1:1""#, r#""p\u0069d":8"#]
    {
        let twice = format!("{{{second},{}", &whole[1..]);
        assert_eq!(wrong(&twice), Wrong::Malformed("JSON"), "{second}");
    }
}

#[test]
fn an_address_is_a_loopback_literal_with_a_port_and_nothing_else() {
    for (good, at) in [
        ("http://127.0.0.1:4000", AT),
        ("http://127.0.0.1:4000/", AT),
        ("http://localhost:4000", AT),
        ("http://127.8.9.10:1", "127.8.9.10:1"),
        ("http://[::1]:65535/", "[::1]:65535"),
    ] {
        assert_eq!(address(good), at.parse().ok(), "{good}");
    }
    for bad in [
        "",
        "http://",
        "http://127.0.0.1",
        "http://127.0.0.1:",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:04000",
        "http://127.0.0.1:+400",
        "http://127.0.0.1: 400",
        "http://127.0.0.1:4000/x",
        "http://127.0.0.1:4000//",
        "http://127.0.0.1:4000?x",
        "http://127.0.0.1:4000#x",
        "https://127.0.0.1:4000",
        "HTTP://127.0.0.1:4000",
        "ftp://127.0.0.1:4000",
        "127.0.0.1:4000",
        " http://127.0.0.1:4000",
        "http://127.0.0.1.evil:4000",
        "http://127.0.0.1.evil.com:4000",
        "http://localhost.evil.com:4000",
        "http://127.0.0.1@evil.com:4000",
        "http://evil.com@127.0.0.1:4000",
        "http://:@127.0.0.1:4000",
        "http://127.1:4000",
        "http://0x7f000001:4000",
        "http://2130706433:4000",
        "http://0177.0.0.1:4000",
        "http://127.0.0.01:4000",
        "http://0.0.0.0:4000",
        "http://10.0.0.1:4000",
        "http://169.254.169.254:80",
        "http://[::]:4000",
        "http://[::ffff:127.0.0.1]:4000",
        "http://[::1%25lo]:4000",
        "http://::1:4000",
        "http://[0:0:0:0:0:0:0:1]:4000",
        "http://LOCALHOST:4000",
        "http://localhost.:4000",
        "http://a.localhost:4000",
        "http://127.0.0.1:4000\n",
        "http://127.0.0.1\u{0}:4000",
        "http://127.0.0.1:4000@evil.com:80",
        "http://\u{ff11}27.0.0.1:4000",
        "http:/127.0.0.1:4000",
        "http:///127.0.0.1:4000",
        "http:\\\\127.0.0.1:4000",
    ] {
        assert_eq!(address(bad), None, "{bad:?}");
        assert_eq!(wrong(&text(|value| value["local_url"] = json!(bad))), Wrong::Address, "{bad:?}");
    }
}

#[test]
fn our_own_fields_count_together_and_only_in_our_version() {
    let own = |change: &dyn Fn(&mut Value)| {
        text(|value| {
            value["loopgate"] = json!(1);
            value["instance"] = json!("i-1");
            value["home"] = json!("0123456789ab");
            value["listener_inode"] = json!(5);
            change(value);
        })
    };
    let entry = Entry::parse(own(&|_| {}).as_bytes()).ok().and_then(|entry| entry.own).expect("ours");
    assert_eq!(
        (entry.instance.as_str(), entry.home.as_str(), entry.listener_inode),
        ("i-1", "0123456789ab", 5)
    );
    for other in [json!(2), json!("1"), json!(true), json!([1])] {
        let entry = Entry::parse(own(&|value| value["loopgate"] = other.clone()).as_bytes());
        assert!(entry.is_ok_and(|entry| entry.own.is_none()), "read as one of AgentMux");
    }
    for (field, bad) in [("instance", json!("a b")), ("home", json!("x")), ("listener_inode", json!(0))] {
        assert_eq!(wrong(&own(&|value| value[field] = bad.clone())), Wrong::Malformed(field));
        assert_eq!(wrong(&own(&|value| value[field] = json!(null))), Wrong::Malformed(field));
    }
}

#[test]
fn what_is_written_is_read_back() {
    for own in
        [None, Some(Own { instance: "i-1".into(), home: HomeId::of([1; 6]), listener_inode: u64::MAX })]
    {
        for (key, at) in [(Some("k"), AT), (None, "[::1]:1")] {
            let own = own.as_ref().map(|own| Own {
                instance: own.instance.clone(),
                home: own.home.clone(),
                listener_inode: own.listener_inode,
            });
            let entry = Entry {
                agent: AgentId::parse("A").expect("an id"),
                at: at.parse().expect("an address"),
                block_id: "\"\\\n\u{1f600}".into(),
                pid: u32::try_from(PID_MOST).expect("a pid"),
                updated_at: u64::MAX,
                key: key.map(|key| Secret::new(key.as_bytes().to_vec())),
                channel: String::new(),
                nonce: u64::MAX,
                own,
            };
            let bytes = entry.to_bytes();
            fuzz(bytes.expose());
            let again = Entry::parse(bytes.expose()).expect("read");
            assert_eq!((again.at, again.pid, again.nonce), (entry.at, entry.pid, entry.nonce));
            assert_eq!((again.block_id, again.key.is_some()), (entry.block_id, key.is_some()));
        }
    }
}
