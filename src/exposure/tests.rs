use std::path::PathBuf;

use super::*;

fn declared() -> Declared {
    let mut declared = Declared::instance("127.0.0.1:4711".parse().unwrap(), Path::new("/home/u/.loopgate"));
    declared.keepers.push(Keeper { pid: 50, agent: "first".into() });
    declared
}

/// What an instance with one agent and nothing else has open.
fn plain() -> Observed {
    let at = "127.0.0.1:4711".parse().unwrap();
    let lock = PathBuf::from("/home/u/.loopgate/lock");
    let disk = |path: &str, mode| DiskFile { path: path.into(), mode, uid: 1000, symlink: false };
    let process = |pid, name: &str| Process { pid, name: name.into() };
    Observed {
        descriptors: [
            (0, What::Device("/dev/null".into())),
            (1, What::Pipe),
            (2, What::UnixTo { pid: Some(7) }),
            (3, What::File(lock)),
            (13, What::File("/home/u/.loopgate".into())),
            (4, What::TcpListener(at)),
            (5, What::Tcp { local: at, remote: "127.0.0.1:50000".parse().unwrap() }),
            (6, What::Tcp { local: at, remote: "127.0.0.1:50001".parse().unwrap() }),
            (12, What::Tcp { local: at, remote: "127.0.0.1:50001".parse().unwrap() }),
            (7, What::UnixPair),
            (8, What::Kernel("eventfd".into())),
            (9, What::Kernel("pidfd".into())),
            (10, What::Device("/dev/ptmx".into())),
            (11, What::Device("/dev/null".into())),
        ]
        .map(|(fd, what)| Descriptor { fd, what })
        .to_vec(),
        children: vec![Child {
            process: process(50, "loopgate"),
            descendants: vec![process(51, "sh"), process(52, "cat")],
        }],
        files: vec![
            disk("/home/u/.loopgate", 0o700),
            disk("/home/u/.loopgate/lock", 0o600),
            disk("/home/u/.loopgate/authkey", 0o600),
        ],
        folders: Vec::new(),
        registry: None,
        entries: Vec::new(),
        uid: 1000,
    }
}

fn differences(observed: &Observed) -> Vec<(Kind, String, String)> {
    let report = report(&declared(), observed);
    let marked: Vec<_> =
        report.rows.into_iter().filter_map(|row| Some((row.kind, row.address, row.difference?))).collect();
    assert_eq!(report.differences, marked.len() as u64);
    marked
}

#[test]
fn what_is_declared_and_nothing_else_makes_no_difference() {
    assert_eq!(differences(&plain()), []);
}

#[test]
fn every_undeclared_thing_is_marked() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    for (what, kind, address) in [
        (What::TcpListener(at("0.0.0.0:4711")), Kind::Socket, "0.0.0.0:4711"),
        (What::TcpListener(at("127.0.0.1:4712")), Kind::Socket, "127.0.0.1:4712"),
        (
            What::Tcp { local: at("127.0.0.1:4712"), remote: at("192.0.2.1:443") },
            Kind::Outbound,
            "192.0.2.1:443",
        ),
        // Our port on another address is no connection of our listener.
        (
            What::Tcp { local: at("10.0.0.1:4711"), remote: at("192.0.2.1:80") },
            Kind::Outbound,
            "192.0.2.1:80",
        ),
        (What::Udp { local: at("0.0.0.0:5353"), remote: at("0.0.0.0:0") }, Kind::Socket, "0.0.0.0:5353"),
        (What::Udp { local: at("127.0.0.1:9"), remote: at("192.0.2.1:53") }, Kind::Outbound, "192.0.2.1:53"),
        (What::UnixNamed { path: "@x\u{1b}[2J".into(), listening: true }, Kind::Socket, "@x?[2J"),
        (What::UnixTo { pid: Some(9) }, Kind::Outbound, "unix socket of process 9"),
        (
            What::OtherSocket("family 40, type 1, protocol 0".into()),
            Kind::Socket,
            "family 40, type 1, protocol 0",
        ),
        (What::File("/etc/passwd".into()), Kind::File, "/etc/passwd"),
        (
            What::File("/home/u/.loopgate/lock (deleted)".into()),
            Kind::File,
            "/home/u/.loopgate/lock (deleted)",
        ),
        (What::Device("/dev/mem".into()), Kind::File, "/dev/mem"),
        (What::Pipe, Kind::File, "pipe"),
        (What::Kernel("io_uring".into()), Kind::File, "io_uring"),
    ] {
        let mut observed = plain();
        observed.descriptors.push(Descriptor { fd: 20, what });
        assert_eq!(differences(&observed), [(kind, address.to_owned(), "not declared".to_owned())]);
    }
}

#[test]
fn a_difference_that_does_not_last_is_not_told() {
    let with = |pid| {
        let mut observed = plain();
        let process = Process { pid, name: "sh".into() };
        observed.children.push(Child { process, descendants: Vec::new() });
        report(&declared(), &observed)
    };
    assert_eq!(with(61).lasting_since(&with(60)), report(&declared(), &plain()));
    assert_eq!(with(60).lasting_since(&with(60)), with(60));
}

#[test]
fn an_undeclared_child_is_marked() {
    let mut observed = plain();
    let process = Process { pid: 60, name: "nc\n".into() };
    observed.children.push(Child { process, descendants: Vec::new() });
    assert_eq!(differences(&observed), [(Kind::Child, "pid 60 (nc?)".into(), "not declared".into())]);
}

#[test]
fn a_declared_thing_that_is_not_there_is_marked() {
    let mut observed = plain();
    observed.descriptors.retain(|d| !matches!(d.what, What::TcpListener(_) | What::File(_)));
    observed.children.clear();
    observed.files.pop();
    let marked = differences(&observed);
    assert_eq!(
        marked.iter().map(|(kind, _, difference)| (*kind, difference.as_str())).collect::<Vec<_>>(),
        [
            (Kind::Socket, "declared, not observed"),
            (Kind::File, "exists, but is not held open"),
            (Kind::File, "exists, but is not held open"),
            (Kind::File, "declared, not observed"),
            (Kind::Child, "declared, not observed"),
        ]
    );
}

#[test]
fn a_file_that_others_may_read_or_own_is_marked() {
    for (change, difference) in [
        ((|file| file.mode = 0o644) as fn(&mut DiskFile), "other users have access"),
        (|file| file.uid = 0, "belongs to user 0"),
        (|file| file.symlink = true, "is a symbolic link"),
    ] {
        let mut observed = plain();
        change(observed.files.last_mut().unwrap());
        assert_eq!(
            differences(&observed),
            [(Kind::File, "/home/u/.loopgate/authkey".to_owned(), difference.to_owned())]
        );
    }
}

#[test]
fn a_wildcard_listener_knows_its_connections() {
    let declared = Declared::instance("0.0.0.0:4711".parse().unwrap(), Path::new("/home/u/.loopgate"));
    let mut observed = plain();
    observed.descriptors = vec![
        Descriptor { fd: 3, what: What::File("/home/u/.loopgate/lock".into()) },
        Descriptor { fd: 6, what: What::File("/home/u/.loopgate".into()) },
        Descriptor { fd: 4, what: What::TcpListener("0.0.0.0:4711".parse().unwrap()) },
        Descriptor {
            fd: 5,
            what: What::Tcp {
                local: "192.0.2.5:4711".parse().unwrap(),
                remote: "192.0.2.9:40000".parse().unwrap(),
            },
        },
    ];
    observed.children.clear();
    assert_eq!(report(&declared, &observed).differences, 0);
}

#[test]
fn equal_things_are_one_row_with_a_count() {
    let report = report(&declared(), &plain());
    let accepted = report.rows.iter().find(|row| row.purpose == "accepted connections").unwrap();
    assert_eq!((accepted.address.as_str(), accepted.count), ("127.0.0.1:4711 from 127.0.0.1", 2));
    let agent = report.rows.iter().find(|row| row.process == "first").unwrap();
    assert_eq!((agent.address.as_str(), agent.count), ("pid 51 (sh)", 2));
}

#[test]
fn the_report_survives_json_and_the_reader_counts_differences_itself() {
    let mut observed = plain();
    observed.descriptors.push(Descriptor { fd: 20, what: What::Pipe });
    let written = report(&declared(), &observed);
    let mut value = written.to_json();
    assert_eq!(Report::from_json(&value), Some(written));
    value["differences"] = 0.into();
    assert_eq!(Report::from_json(&value).unwrap().differences, 1);
    value["rows"][0]["observed"] = "yes".into();
    assert_eq!(Report::from_json(&value), None);
}

#[test]
fn the_table_marks_differences_and_stays_within_120_columns() {
    let mut observed = plain();
    let path = format!("/home/u/{}/{}", "long ".repeat(20), "x".repeat(200));
    observed.descriptors.push(Descriptor { fd: 20, what: What::File(path.into()) });
    let text = table(&report(&declared(), &observed));
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let marked: Vec<&str> = text.lines().filter(|line| line.starts_with('!')).collect();
    assert!(marked.first().unwrap().contains("/home/u/long"), "{text}");
    assert!(marked.last().unwrap().contains("not declared"), "{text}");
    assert!(text.ends_with("1 difference between declared and observed, marked !\n"), "{text}");
    let plain = table(&report(&declared(), &plain()));
    assert!(plain.ends_with("no difference between declared and observed\n"), "{plain}");
    assert!(!plain.contains('!'), "{plain}");
}

/// A journal's segments come and go; anything else beside them was not declared.
#[test]
fn the_segments_of_a_journal_are_declared_and_nothing_else_in_its_folder() {
    let home = Path::new("/home/u/.loopgate");
    let declared = declared().with_journal(home, "mail", "waiting messages");
    let folder = PathBuf::from("/home/u/.loopgate/mail");
    let file = |name: &str, mode, uid, symlink| DiskFile { path: folder.join(name), mode, uid, symlink };
    let segment = "00000001-0000000000000001.seg";
    let with = |entries: Vec<DiskFile>| {
        let mut observed = plain();
        observed.files.push(DiskFile { path: folder.clone(), mode: 0o700, uid: 1000, symlink: false });
        let open = [folder.clone(), folder.join(segment)].map(What::File);
        observed.descriptors.extend(open.into_iter().zip(20..).map(|(what, fd)| Descriptor { fd, what }));
        observed.folders.push(DiskFolder { path: folder.clone(), entries });
        report(&declared, &observed)
    };
    let good =
        || vec![file(segment, 0o600, 1000, false), file("00000002-00000000000000ff.seg", 0o600, 1000, false)];
    let report = with(good());
    assert_eq!(report.differences, 0, "{report:?}");
    let mut beside = declared.clone();
    let path = folder.join("key");
    beside.files.push(DeclaredFile { path: path.clone(), purpose: "a key".into(), held: false });
    let mut observed = plain();
    observed.files.push(file("key", 0o600, 1000, false));
    observed
        .folders
        .push(DiskFolder { path: folder.clone(), entries: vec![file("key", 0o600, 1000, false)] });
    let key = super::report(&beside, &observed);
    assert!(key.rows.iter().all(|row| row.purpose != "file in the home"), "{key:?}");
    let row = report.rows.iter().find(|row| row.purpose == "waiting messages").unwrap();
    assert_eq!((row.address.as_str(), row.count), ("/home/u/.loopgate/mail/*.seg", 2));
    for (more, difference) in [
        (file("00000003-0000000000000100.seg", 0o640, 1000, false), "other users have access"),
        (file("00000003-0000000000000100.seg", 0o600, 7, false), "belongs to user 7"),
        (file("00000003-0000000000000100.seg", 0o777, 1000, true), "is a symbolic link"),
        (file("notes", 0o600, 1000, false), "not declared"),
        (file(".seg", 0o600, 1000, false), "not declared"),
    ] {
        let path = more.path.to_string_lossy().into_owned();
        let report = with([good(), vec![more]].concat());
        let marked: Vec<_> = report.rows.iter().filter(|row| row.difference.is_some()).collect();
        assert_eq!(marked.len(), 1, "{marked:?}");
        assert_eq!(
            (marked[0].address.as_str(), marked[0].difference.as_deref()),
            (path.as_str(), Some(difference))
        );
    }
    let mut observed = plain();
    observed.descriptors.push(Descriptor { fd: 20, what: What::File(home.join("audit").join(segment)) });
    assert!(
        super::report(&declared, &observed).rows.iter().any(|row| row.purpose == "open file"),
        "another folder"
    );
}

#[test]
fn the_registry_is_shown_with_its_mode_and_our_files_in_it() {
    let directory = PathBuf::from("/srv/agents");
    let mut declared = declared().with_registry(&directory, true);
    let file = |name: &str, mode| DiskFile { path: directory.join(name), mode, uid: 1000, symlink: false };
    let with = |declared: &Declared, mode, entries: Vec<DiskFile>| {
        let mut observed = plain();
        observed.registry = Some(DiskFile { path: directory.clone(), mode, uid: 1000, symlink: false });
        observed.entries = entries;
        // another's entry while it is read, and the directory while it is listed
        let open = [directory.clone(), directory.join("b/main.json")].map(What::File);
        observed.descriptors.extend(open.into_iter().zip(20..).map(|(what, fd)| Descriptor { fd, what }));
        report(declared, &observed)
    };
    let good = || vec![file("a.json", 0o600), file("b.json", 0o600)];
    let found = with(&declared, 0o700, good());
    assert_eq!(found.differences, 0, "{found:?}");
    let row = |found: &Report, purpose: &str| {
        let row = found.rows.iter().find(|row| row.purpose == purpose).unwrap();
        (row.address.clone(), row.auth.clone(), row.count, row.difference.clone())
    };
    let shared = "registry, shared with other instances";
    assert_eq!(row(&found, shared), ("/srv/agents".into(), "mode 0700".into(), 1, None));
    assert_eq!(
        row(&found, "entries of our agents"),
        ("/srv/agents/*.json".into(), "mode 0600".into(), 2, None)
    );
    let open = with(&declared, 0o755, good());
    assert_eq!(
        row(&open, shared).3.as_deref(),
        Some("not 0700: other users see the names in it; chmod 700 it")
    );
    let written = with(&declared, 0o777, good());
    assert!(row(&written, shared).3.is_some_and(|text| text.starts_with("others may write to it")));
    let read = with(&declared, 0o700, [good(), vec![file("c.json", 0o644)]].concat());
    let marked: Vec<_> = read.rows.iter().filter(|row| row.difference.is_some()).collect();
    assert_eq!((marked.len(), marked[0].address.as_str()), (1, "/srv/agents/c.json"));
    declared.registry.as_mut().unwrap().shared = false;
    assert_eq!(row(&with(&declared, 0o700, good()), "registry, read by no other instance").3, None);
    assert_eq!(report(&declared, &plain()).differences, 1, "it is gone");
    declared.registry.as_mut().unwrap().entries = vec![directory.join("a/loopgate-0123456789ab.json")];
    let folders = with(&declared, 0o700, vec![file("a/loopgate-0123456789ab.json", 0o600)]);
    assert_eq!(row(&folders, "entries of our agents").0, "/srv/agents/*/*.json");
    let mut deep = plain();
    deep.descriptors.push(Descriptor { fd: 20, what: What::File("/srv/agents/a/b/c".into()) });
    deep.registry = Some(DiskFile { path: directory.clone(), mode: 0o700, uid: 1000, symlink: false });
    assert_eq!(report(&declared, &deep).differences, 1, "no entry stands there");
}

#[test]
fn an_instance_that_letters_may_go_to_is_declared_whether_one_is_on_its_way_or_not() {
    let at: SocketAddr = "127.0.0.1:4100".parse().unwrap();
    let mut declared = declared();
    let purpose = "letters to instance pid 9".to_owned();
    declared.outbound.push(Outbound { address: at, purpose, default: "off: set".into() });
    let row = |observed: &Observed| {
        let found = report(&declared, observed);
        assert_eq!(found.differences, 0, "{found:?}");
        let rows: Vec<Row> = found.rows.into_iter().filter(|row| row.kind == Kind::Outbound).collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        (rows[0].address.clone(), rows[0].purpose.clone(), rows[0].observed)
    };
    let expected = |observed| ("127.0.0.1:4100".to_owned(), "letters to instance pid 9".to_owned(), observed);
    let mut observed = plain();
    assert_eq!(row(&observed), expected(false));
    let what = What::Tcp { local: "127.0.0.1:50999".parse().unwrap(), remote: at };
    observed.descriptors.push(Descriptor { fd: 20, what });
    assert_eq!(row(&observed), expected(true));
}

#[test]
fn pipes_of_agents_and_places_of_swarms_are_known_and_no_more_of_them() {
    let mut declared = declared();
    declared.pipes = 3;
    declared = declared.with_place(Path::new("/home/u/.loopgate/swarms"), "state of swarms");
    let mut observed = plain();
    let mut open = |fd, what| observed.descriptors.push(Descriptor { fd, what });
    (20..23).for_each(|fd| open(fd, What::Pipe));
    open(23, What::File("/home/u/.loopgate/swarms/ring/overlay/0.seg".into()));
    let rows = report(&declared, &observed).rows;
    assert!(rows.iter().all(|row| row.difference.is_none()), "{rows:?}");
    let count = |address: &str| rows.iter().find(|row| row.address == address).map(|row| row.count);
    assert_eq!((count("pipe"), count("/home/u/.loopgate/swarms")), (Some(3), Some(1)));
    for what in [What::Pipe, What::File("/home/u/.loopgate/swarms-more/x".into())] {
        observed.descriptors.push(Descriptor { fd: 30, what });
        assert_eq!(report(&declared, &observed).differences, 1);
        observed.descriptors.pop();
    }
}
