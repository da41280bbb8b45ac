use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
    let mut all = vec![("HOME", "/home/u")];
    all.extend_from_slice(pairs);
    Settings::read(Environment::of(&all), &Flags::default())
}

fn error(pairs: &[(&str, &str)]) -> String {
    read(pairs).err().map(|e| format!("{} {}", e.name, e.what)).unwrap_or_default()
}

#[test]
fn without_anything_set_it_is_loopback_port_0_and_the_users_home() {
    let settings = read(&[]).ok();
    assert_eq!(settings.as_ref().map(|s| s.bind.to_string()).as_deref(), Some("127.0.0.1:0"));
    assert_eq!(settings.map(|s| s.home), Some(PathBuf::from("/home/u/.loopgate")));
}

/// Spec genswarms M.2 with design section 5's difference: a malformed address is an error.
#[test]
fn m2_an_address_is_parsed_or_refused_never_guessed() {
    for bad in ["not-an-ip", "999.999.999.999", "0.0.0.0:4000", "localhost", "127.1"] {
        assert!(error(&[("GENSWARMS_HTTP_IP", bad)]).starts_with("GENSWARMS_HTTP_IP is not an IP"), "{bad}");
    }
    let token = ("GENSWARMS_API_TOKEN", "t");
    for good in ["0.0.0.0", "192.168.1.5", "::", "::1", "  0.0.0.0  "] {
        let settings = read(&[("GENSWARMS_HTTP_IP", good), token]).ok();
        assert_eq!(settings.map(|s| s.bind.ip().to_string()).as_deref(), Some(good.trim()), "{good}");
    }
    assert!(read(&[("GENSWARMS_HTTP_IP", "")]).is_ok_and(|s| s.bind.ip().is_loopback()));
}

#[test]
fn beyond_loopback_an_api_token_is_required() {
    assert!(error(&[("GENSWARMS_HTTP_IP", "0.0.0.0")]).contains("set GENSWARMS_API_TOKEN"));
    assert!(error(&[("GENSWARMS_HTTP_IP", "0.0.0.0"), ("GENSWARMS_API_TOKEN", "")]).contains("API_TOKEN"));
    assert_eq!(
        error(&[("GENSWARMS_CORS_ORIGINS", "*")]),
        "GENSWARMS_CORS_ORIGINS is `*`, which lets every web page in: set GENSWARMS_API_TOKEN, or name the origins"
    );
}

/// Admission looks for the wider one first.
#[test]
fn the_config_token_is_another_than_the_api_token() {
    let both = |config| [("GENSWARMS_API_TOKEN", "secret-a"), ("LOOPGATE_CONFIG_API_TOKEN", config)];
    let text = error(&both("secret-a"));
    assert!(
        text.starts_with("LOOPGATE_CONFIG_API_TOKEN is the API token") && !text.contains("secret-a"),
        "{text}"
    );
    assert!(read(&both("secret-b")).is_ok() && read(&both("")).is_ok());
}

/// Spec agentmux L.16, the part that still fails the start.
#[test]
fn case_l16_an_empty_or_short_auth_key_fails_the_start_and_names_the_variable() {
    assert_eq!(error(&[("AGENTMUX_AUTH_KEY", "")]), "AGENTMUX_AUTH_KEY must not be empty");
    assert!(error(&[("AGENTMUX_AUTH_KEY", "0123456789abcde")]).contains("must have 16 to"));
    assert!(error(&[("AGENTMUX_AUTH_KEY", "0123456789 abcdef")]).contains("visible ASCII"));
    assert!(read(&[("AGENTMUX_AUTH_KEY", "0123456789abcdef")]).is_ok_and(|s| s.auth_key.is_some()));
}

#[test]
fn both_spellings_may_be_set_only_to_the_same_value() {
    assert!(error(&[("GENSWARMS_API_TOKEN", "a"), ("LOOPGATE_API_TOKEN", "b")]).contains("differs from"));
    assert!(read(&[("GENSWARMS_API_TOKEN", "a"), ("LOOPGATE_API_TOKEN", "a")]).is_ok());
    let text = error(&[("GENSWARMS_API_TOKEN", "secret-a"), ("LOOPGATE_API_TOKEN", "secret-b")]);
    assert!(!text.contains("secret-a") && !text.contains("secret-b"));
}

#[test]
fn the_home_is_wavedata_then_data_home_then_ours() {
    let pairs = [("HOME", "/h"), ("AGENTMUX_DATA_HOME", "/a"), ("LOOPGATE_HOME", "/l")];
    let flags = Flags { wavedata: Some("/w".into()), ..Flags::default() };
    let home = |env, flags: &Flags| Settings::read(env, flags).ok().map(|s| s.home);
    assert_eq!(home(Environment::of(&pairs), &flags), Some("/w".into()));
    assert_eq!(home(Environment::of(&pairs), &Flags::default()), Some("/a".into()));
    assert_eq!(home(Environment::of(&pairs[..1]), &Flags::default()), Some("/h/.loopgate".into()));
    assert!(home(Environment::of(&[]), &Flags::default()).is_none());
}

#[test]
fn no_other_instance_reads_the_registry_until_a_shared_one_is_named() {
    let at = |pairs: &[(&str, &str)]| {
        read(pairs).ok().map(|s| (s.registry.directory.display().to_string(), s.registry.shared))
    };
    let is = |directory: &str, shared| Some((directory.to_owned(), shared));
    assert_eq!(at(&[]), is("/home/u/.loopgate/agents", false));
    assert_eq!(at(&[("LOOPGATE_HOME", "/l"), ("LOOPGATE_REGISTRY", "")]), is("/l/agents", false));
    assert_eq!(at(&[("LOOPGATE_REGISTRY", "/r")]), is("/r", true));
    assert_eq!(at(&[("AGENTMUX_DATA_HOME", "/a")]), is("/a/agents", true));
    assert_eq!(at(&[("AGENTMUX_DATA_HOME", "/a"), ("LOOPGATE_REGISTRY", "/r")]), is("/r", true));
    let flags = Flags { wavedata: Some("/w".into()), ..Flags::default() };
    let env = Environment::of(&[("AGENTMUX_DATA_HOME", "/a")]);
    let settings = Settings::read(env, &flags).ok().map(|s| s.registry);
    assert_eq!(settings, Some(RegistryAt { directory: "/w/agents".into(), shared: true }));
    assert_eq!(
        error(&[("LOOPGATE_REGISTRY", "r/agents")]),
        "LOOPGATE_REGISTRY is not an absolute path: give one from the first slash"
    );
}

#[test]
fn what_is_set_and_has_no_effect_yet_is_told() {
    let unused = |pairs: &[(&str, &str)]| read(pairs).map(|s| s.unused).unwrap_or_default();
    assert_eq!(unused(&[("LOOPGATE_QUERY_KEYS", "1"), ("LOOPGATE_DOCKER", "")]), ["LOOPGATE_QUERY_KEYS"]);
    assert!(unused(&[("LOOPGATE_LLM_API_KEY", "secret-key")]).is_empty());
    assert!(unused(&[("LOOPGATE_PORT", "1")]).is_empty());
}

#[test]
fn configurations_are_looked_for_where_it_was_started_or_where_it_is_told_but_never_below_the_root() {
    let here = std::env::current_dir().expect("a directory");
    let dir = |pairs: &[(&str, &str)]| read(pairs).ok().and_then(|s| s.swarms.config_dir).map(|dir| dir.path);
    assert_eq!(dir(&[]), Some(here.clone()));
    assert_eq!(dir(&[("GENSWARMS_SWARM_CONFIG_DIR", "")]), Some(here.clone()));
    assert_eq!(dir(&[("GENSWARMS_SWARM_CONFIG_DIR", "swarms")]), Some(here.join("swarms")));
    assert_eq!(dir(&[("LOOPGATE_SWARM_CONFIG_DIR", "/srv/allowed/")]), Some("/srv/allowed".into()));
    for root in ["/", "//", "/.", "/./"] {
        let text = error(&[("GENSWARMS_SWARM_CONFIG_DIR", root)]);
        assert!(text.starts_with("GENSWARMS_SWARM_CONFIG_DIR is /, below which"), "{root}: {text}");
    }
}

#[test]
fn the_cap_of_a_swarm_is_a_number_within_what_an_instance_runs() {
    let cap = |value| read(&[("LOOPGATE_MAX_AGENTS_PER_SWARM", value)]).ok().map(|s| s.swarms.cap);
    assert_eq!((cap(""), cap("1"), cap("1024")), (Some(100), Some(1), Some(1024)));
    for bad in ["0", "1025", "-1", "+5", "x", "1e2", " 5"] {
        assert_eq!(cap(bad), None, "{bad:?}");
    }
}

#[test]
fn a_port_is_a_number() {
    assert!(error(&[("LOOPGATE_PORT", "x")]).starts_with("LOOPGATE_PORT"));
    assert!(error(&[("LOOPGATE_PORT", "65536")]).starts_with("LOOPGATE_PORT"));
    assert!(read(&[("LOOPGATE_PORT", "4001")]).is_ok_and(|s| s.bind.port() == 4001));
}

#[test]
fn the_model_is_where_the_operator_says_or_where_nothing_else_is_said() {
    let model = |pairs: &[(&str, &str)]| read(pairs).ok().map(|settings| settings.model);
    let endpoint = |pairs: &[(&str, &str)]| model(pairs).map(|model| model.endpoint.to_string());
    assert_eq!(endpoint(&[]).as_deref(), Some("https://openrouter.ai/api/v1/chat/completions"));
    for name in ["LOOPGATE_LLM_ENDPOINT", "SUBZEROCLAW_ENDPOINT"] {
        assert_eq!(endpoint(&[(name, "HTTPS://LLM.example/v1")]).as_deref(), Some("https://llm.example/v1"));
        assert_eq!(endpoint(&[(name, "")]), endpoint(&[]));
    }
    for name in ["LOOPGATE_LLM_API_KEY", "SUBZEROCLAW_API_KEY"] {
        let key = model(&[(name, "a-key")]).and_then(|model| model.key).map(|key| key.matches(b"a-key"));
        assert_eq!(key, Some(true), "{name}");
    }
    for name in ["GENSWARMS_ALLOWED_ENDPOINTS", "LOOPGATE_ALLOWED_ENDPOINTS"] {
        let allowed = model(&[(name, " Foo.Example.COM ,http://127.0.0.1:8,")]).map(|model| model.allowed);
        let shown: Vec<String> = allowed.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(shown, ["https://foo.example.com/", "http://127.0.0.1:8/"], "{name}");
    }
    let ca = model(&[("LOOPGATE_LLM_CA_FILE", "/etc/ca.pem")]).and_then(|model| model.ca_file);
    assert_eq!(ca, Some("/etc/ca.pem".into()));
}

#[test]
fn a_setting_of_the_model_that_is_not_plain_ends_the_start_and_is_named() {
    for (name, value, wanted) in [
        ("LOOPGATE_LLM_ENDPOINT", "llm.example", "LOOPGATE_LLM_ENDPOINT must begin with http:// or https://"),
        (
            "SUBZEROCLAW_ENDPOINT",
            "https://u:secret@h/",
            "SUBZEROCLAW_ENDPOINT must not hold a name or password",
        ),
        ("LOOPGATE_LLM_ENDPOINT", "http://llm.example/v1", "LOOPGATE_LLM_ENDPOINT is http, over which"),
        ("LOOPGATE_LLM_ENDPOINT", "http://8.8.8.8/v1", "LOOPGATE_LLM_ENDPOINT is http, over which"),
        (
            "GENSWARMS_ALLOWED_ENDPOINTS",
            "a.example,*.evil",
            "GENSWARMS_ALLOWED_ENDPOINTS has the entry \"*.evil\", which",
        ),
        (
            "LOOPGATE_ALLOWED_ENDPOINTS",
            "http://a.example",
            "LOOPGATE_ALLOWED_ENDPOINTS has the entry \"http://a.example\", which",
        ),
        (
            "LOOPGATE_ALLOWED_ENDPOINTS",
            "a.example/v1",
            "LOOPGATE_ALLOWED_ENDPOINTS has the entry \"a.example/v1\", which has a path",
        ),
        ("LOOPGATE_LLM_CA_FILE", "ca.pem", "LOOPGATE_LLM_CA_FILE is not an absolute path"),
        ("LOOPGATE_LLM_API_KEY", "a key", "LOOPGATE_LLM_API_KEY must be visible ASCII"),
    ] {
        let text = error(&[(name, value)]);
        assert!(text.starts_with(wanted) && !text.contains("secret"), "{name}={value}: {text}");
    }
    let both = [("LOOPGATE_LLM_API_KEY", "secret-a"), ("SUBZEROCLAW_API_KEY", "secret-b")];
    assert!(error(&both).contains("differs from") && !error(&both).contains("secret"));
}
