use super::*;

/// No colours: the tests' stdout may be a terminal.
fn plain(view: &View<'_>, width: usize, height: Option<usize>) -> Vec<String> {
    lines(view, width, height, Paint::NONE)
}

fn row(name: &str, state: &str) -> Row {
    Row {
        name: name.to_owned(),
        state: state.to_owned(),
        messages: 7,
        rate: Some(1.25),
        last: Some(85),
        p50: Some(1_230),
        p99: Some(243_000),
        waiting: 3,
        memory: Some(47_290_000),
        pid: Some(4_194_304),
        ..Row::default()
    }
}

fn sample(agents: Vec<Row>) -> Sample {
    Sample {
        uptime_ms: 3_720_000,
        connections: Some(3),
        memory: Some(8_493_465),
        event_rate: Some(12.0),
        swarms: 2,
        swarms_running: 1,
        agents,
        ..Sample::default()
    }
}

fn view(sample: &Sample) -> View<'_> {
    View { sample, order: Order::Name, note: None, keys: false }
}

#[test]
fn at_80_columns_all_of_it_is_there() {
    let sample =
        sample(vec![row("my-project/editor", "waiting_input"), Row { name: "b".into(), ..Row::default() }]);
    assert_eq!(
        plain(&view(&sample), 80, Some(24)),
        [
            "up 1h02m, agents 2, swarms 1 of 2, connections 3, memory 8.1M, events/s 12",
            "NAME              STATE          MSG/S   LAST    P50    P99  WAIT MEMORY     PID",
            "my-project/editor waiting_input    1.2   85ms  1.23s  4m03s     3  45.1M 4194304",
            "b                                    -      -      -      -     0      -       -",
        ]
    );
}

#[test]
fn no_line_is_wider_than_the_window_and_names_grow_with_it() {
    let long = "a-swarm-with-a-long-name/an-agent-with-a-long-name-too";
    let sample =
        sample(vec![row(long, "initializing"), row("b", &"x".repeat(160)), row(&"n".repeat(129), "idle")]);
    let keys = View { keys: true, ..view(&sample) };
    let note = View {
        note: Some("no answer for so long that this is a line of many words, more than fit"),
        ..view(&sample)
    };
    for width in (0..300).chain([1_000]) {
        for view in [view(&sample), View { ..keys }, View { ..note }] {
            let lines = plain(&view, width, Some(24));
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:?}");
            assert!(lines.len() >= 5);
        }
    }
    let at = |width| plain(&view(&sample), width, None)[2].clone();
    assert!(at(80).starts_with("a-swarm-~name-too initializing "), "{}", at(80));
    assert!(at(REST + 129).starts_with(&format!("{long:<129} initializing ")), "{}", at(200));
    assert_eq!(at(500).len(), REST + 129, "and no wider than needed");
}

#[test]
fn more_agents_than_rows_are_counted_in_the_last_row() {
    let sample = sample((0..30).map(|at| row(&format!("a{at}"), "idle")).collect());
    for height in 0..40 {
        let lines = plain(&view(&sample), 80, Some(height));
        assert_eq!(lines.len(), height.min(32), "{height}");
    }
    let lines = plain(&view(&sample), 80, Some(10));
    assert!(lines[8].starts_with("a6 ") && lines[9].starts_with("23 more: "), "{lines:?}");
    assert_eq!(plain(&view(&sample), 80, None).len(), 32, "without a window all of them");
}

#[test]
fn numbers_fit_their_columns_whatever_they_are() {
    for (ms, shown) in [
        (0, "0ms"),
        (999, "999ms"),
        (1_000, "1.00s"),
        (9_999, "9.99s"),
        (10_000, "10.0s"),
        (59_999, "59.9s"),
        (60_000, "1m00s"),
        (3_599_999, "59m59s"),
        (3_600_000, "1h00m"),
        (359_999_999, "99h59m"),
        (360_000_000, "4d"),
    ] {
        assert_eq!(time(ms), shown);
    }
    for (number, shown) in [
        (0, "0B"),
        (1_023, "1023B"),
        (1_024, "1.0K"),
        (102_348, "99.9K"),
        (102_400, "100K"),
        (1_048_063, "1023K"),
        (1_048_064, "1.0M"),
        (u64::MAX, "16E"),
    ] {
        assert_eq!(bytes(number), shown);
    }
    for (rate, shown) in [
        (0.0, "0"),
        (0.04, "0.0"),
        (9.94, "9.9"),
        (9.96, "10"),
        (9_999.4, "9999"),
        (10_000.0, "10k"),
        (1e6, "1M"),
        (f64::INFINITY, "999M"),
    ] {
        assert_eq!(per_second(rate), shown);
    }
    let most = Row {
        last: Some(u64::MAX),
        p99: Some(u64::MAX),
        waiting: u64::MAX,
        pid: Some(u64::MAX),
        ..row("a", "idle")
    };
    let sample = sample(vec![most]);
    let lines = plain(&view(&sample), 200, None);
    assert_eq!(lines[2].len(), lines[1].len(), "{lines:?}");
}
