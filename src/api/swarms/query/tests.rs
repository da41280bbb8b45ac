use super::*;

fn read(text: &str) -> std::result::Result<EventQuery, (&'static str, String)> {
    EventQuery::read(Some(text)).map_err(|fault| match fault {
        Fault::Plain { status: 400, code: "bad_query", field: Some(field), sentence, .. } => {
            (field, sentence)
        }
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_parameter_is_read_and_printed() {
    assert_eq!(EventQuery::read(None).expect("nothing"), EventQuery::default());
    let text = "since=7&limit=1000&minutes=5&event_type=task_sent&agent=a%2Db&swarm=s&\
                category=routing,agent&level=error,warning&follow=0";
    let asked = read(text).expect("all of them");
    assert_eq!(asked.filter.level, [Level::Warning, Level::Error]);
    assert_eq!(asked.filter.category, [Category::Routing, Category::Agent]);
    assert_eq!((asked.filter.event_type, asked.filter.minutes), (Some(Name::TaskSent), Some(5)));
    assert_eq!((asked.limit, asked.since, asked.follow), (Some(1_000), Some(7), false));
    let printed: Vec<_> =
        asked.parameters().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        printed.join("&"),
        "level=warning,error&category=routing,agent&swarm=s&agent=a-b&event_type=task_sent&minutes=5&\
         limit=1000&since=7"
    );
    assert!(read("follow=true").expect("a word").follow && read("follow=1&since=0").expect("both").follow);
    // What is nobody's is let be.
    assert_eq!(read("_=1795305600&x&&=").expect("others"), EventQuery::default());
}

#[test]
fn what_is_not_understood_is_refused_by_its_name() {
    for (text, field, says) in [
        ("level=loud", "level", "knows no 'loud'; there are debug, info, warning, error"),
        ("level=eror", "level", "knows no 'eror'; is 'error' meant?"),
        ("level=Error", "level", "is 'error' meant?"),
        ("level=error,", "level", "knows no ''"),
        ("level=", "level", "knows no ''"),
        ("category=agents", "category", "is 'agent' meant?"),
        ("event_type=task_snt", "event_type", "is 'task_sent' meant?"),
        ("event_type=zzz", "event_type", "knows no 'zzz'"),
        ("event_type=task_sent,stdout", "event_type", "knows no 'task_sent,stdout'"),
        ("swarm=", "swarm", "empty"),
        ("agent", "agent", "empty"),
        ("swarm=%zz", "swarm", "malformed"),
        ("swarm=%ff", "swarm", "malformed"),
        ("minutes=0", "minutes", "a whole number from 1 on"),
        ("minutes=-5", "minutes", "a whole number from 1 on"),
        ("minutes=1.5", "minutes", "a whole number from 1 on"),
        ("limit=0", "limit", "from 1 to 1000"),
        ("limit=1001", "limit", "from 1 to 1000"),
        ("limit=+5", "limit", "from 1 to 1000"),
        ("limit=99999999999999999999", "limit", "from 1 to 1000"),
        ("since=last", "since", "a whole number from 0 on"),
        ("follow=yes", "follow", "is 1 or 0"),
        ("follow", "follow", "is 1 or 0"),
        ("follow=1&limit=5", "limit", "has no end"),
        ("level=info&level=info", "level", "twice"),
        ("levels=info", "level", "there is no query parameter 'levels'; is 'level' meant?"),
        ("Swarm=s", "swarm", "there is no query parameter 'Swarm'; is 'swarm' meant?"),
    ] {
        let (found, sentence) = read(text).expect_err(text);
        assert!(found == field && sentence.contains(says) && sentence.contains(field), "{text}: {sentence}");
    }
    let long = format!("level={}", "\u{e4}".repeat(1_000));
    assert!(read(&long).expect_err("no level").1.len() < 200, "what is echoed is bounded");
}

#[test]
fn the_path_and_the_query_name_one_swarm_and_one_agent() {
    let of = |text: &str| EventQuery::read(Some(text)).expect("taken").of("s", Some("a"));
    for text in ["", "swarm=s", "agent=a&swarm=s"] {
        let asked = of(text).expect("the same");
        assert_eq!((asked.filter.swarm.as_deref(), asked.filter.agent.as_deref()), (Some("s"), Some("a")));
    }
    for (text, field) in [("swarm=t", "swarm"), ("agent=b", "agent")] {
        assert!(
            matches!(of(text), Err(Fault::Plain { status: 400, field: Some(found), .. }) if found == field)
        );
    }
}
