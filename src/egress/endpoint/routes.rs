//! What of an endpoint an isolated agent may call, and how its client is told where that is.
//!
//! An endpoint is written in many ways: with the path of one operation, with the version, with neither. From
//! any of them follows one base, and from that the calls which are allowed where a config says nothing else.

use super::{Endpoint, EndpointError, is_path};

/// Paths of operations that an endpoint may be written with; the longer of two that end alike is first.
const OPERATIONS: [&str; 5] =
    ["/messages/count_tokens", "/messages", "/responses", "/chat/completions", "/models"];

/// What stands where a client wants a key before it starts. It opens nothing.
const NO_KEY: &str = "added-outside";

/// One call that is allowed: a method and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// GET or POST
    pub method: String,
    /// as it stands in the request's target, without a query; begins with `/`
    pub path: String,
    /// not the path itself but what lies below it
    pub below: bool,
}

impl Route {
    fn new(method: &str, base: &str, rest: &str) -> Self {
        Self { method: method.to_owned(), path: format!("{base}{rest}"), below: false }
    }

    /// Reads `METHOD /path`, or `METHOD /path/*` for what lies below that path.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let (method, path) = text.split_once(' ').ok_or(EndpointError::Path)?;
        let (path, below) = match path.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (path, false),
        };
        // An asterisk elsewhere would look like a pattern, and be none.
        let fits = is_path(path) && !path.ends_with('/') && !path.contains('*');
        if !fits || !["GET", "POST"].contains(&method) {
            return Err(EndpointError::Path);
        }
        Ok(Self { method: method.to_owned(), path: path.to_owned(), below })
    }

    /// Whether this is the call. `path` is as it was sent, so it counts only where it is read in one way.
    pub fn admits(&self, method: &str, path: &str) -> bool {
        let same = match path.strip_prefix(self.path.as_str()) {
            Some(rest) if self.below => rest.len() > 1 && rest.starts_with('/'),
            Some(rest) => rest.is_empty(),
            None => false,
        };
        self.method == method && same && is_path(path)
    }
}

/// The base of an endpoint's paths, and what is allowed below it where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// up to the version, without a slash at its end: `/v1`, `/api/v1`
    pub base: String,
    /// the calls
    pub allowed: Vec<Route>,
}

impl Endpoint {
    /// What an agent may call of it.
    pub fn routes(&self) -> Routes {
        let base = self.base();
        let allowed = vec![
            Route::new("POST", &base, "/messages"),
            Route::new("POST", &base, "/messages/count_tokens"),
            Route::new("POST", &base, "/responses"),
            Route::new("POST", &base, "/chat/completions"),
            Route::new("GET", &base, "/models"),
            Route { below: true, ..Route::new("GET", &base, "/models") },
        ];
        Routes { base, allowed }
    }

    /// What an isolated agent's client is told, whose way out is 127.0.0.1:`port`; `names` are further names for
    /// the base. There is no key among them.
    pub fn variables(&self, port: u16, names: &[String]) -> Vec<(String, String)> {
        let base = self.base();
        let at = format!("http://127.0.0.1:{port}");
        let whole = format!("{at}{base}");
        // Anthropic's clients add the version themselves.
        let without = format!("{at}{}", base.strip_suffix("/v1").unwrap_or(&base));
        let mut all = vec![
            ("ANTHROPIC_BASE_URL".to_owned(), without),
            ("OPENAI_BASE_URL".to_owned(), whole.clone()),
            ("SUBZEROCLAW_ENDPOINT".to_owned(), format!("{whole}/chat/completions")),
        ];
        all.extend(names.iter().map(|name| (name.clone(), whole.clone())));
        let keys = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "SUBZEROCLAW_API_KEY"];
        all.extend(keys.map(|name| (name.to_owned(), NO_KEY.to_owned())));
        all
    }

    fn base(&self) -> String {
        let path = self.path.strip_suffix('/').unwrap_or(&self.path);
        let base = OPERATIONS.iter().find_map(|operation| path.strip_suffix(operation)).unwrap_or(path);
        let last = base.rsplit('/').next().unwrap_or_default();
        let version = last.strip_prefix('v').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && base.contains('/')
        });
        if version { base.to_owned() } else { format!("{base}/v1") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text).expect(text)
    }

    #[test]
    fn every_way_to_write_an_endpoint_has_one_base() {
        for (text, base) in [
            ("https://api.example", "/v1"),
            ("https://api.example/", "/v1"),
            ("https://api.example/v1", "/v1"),
            ("https://api.example/v1/", "/v1"),
            ("https://api.example/v1/messages", "/v1"),
            ("https://api.example/v1/messages/count_tokens", "/v1"),
            ("https://api.example/v1/responses", "/v1"),
            ("https://api.example/v1/models/", "/v1"),
            ("https://api.example/chat/completions", "/v1"),
            ("https://openrouter.ai/api/v1/chat/completions", "/api/v1"),
            ("https://api.example/anthropic", "/anthropic/v1"),
            ("https://api.example/v2", "/v2"),
            ("https://api.example/v1beta", "/v1beta/v1"),
            ("https://api.example/v", "/v/v1"),
        ] {
            assert_eq!(endpoint(text).routes().base, base, "{text}");
        }
    }

    #[test]
    fn an_agent_may_call_the_models_operations_and_nothing_else() {
        let routes = endpoint("https://api.example/api/v1/messages").routes();
        let may = |method: &str, path: &str| routes.allowed.iter().any(|route| route.admits(method, path));
        for (method, path) in [
            ("POST", "/api/v1/messages"),
            ("POST", "/api/v1/messages/count_tokens"),
            ("POST", "/api/v1/responses"),
            ("POST", "/api/v1/chat/completions"),
            ("GET", "/api/v1/models"),
            ("GET", "/api/v1/models/a"),
            ("GET", "/api/v1/models/vendor/a:free"),
        ] {
            assert!(may(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/api/v1/messages"),
            ("post", "/api/v1/messages"),
            ("POST", "/v1/messages"),
            ("POST", "/api/v1/messages/"),
            ("POST", "/api/v1/messages/batches"),
            ("POST", "/api/v1/messagesx"),
            ("POST", "/api/v1/files"),
            ("GET", "/api/v1/files"),
            ("DELETE", "/api/v1/models/a"),
            ("GET", "/api/v1/models/"),
            ("GET", "/api/v1/models/../files"),
            ("GET", "/api/v1/models/./a"),
            ("GET", "/api/v1/models//a"),
            ("GET", "/api/v1/models/%2e%2e/files"),
            ("GET", "/api/v1/models/..;/files"),
            ("GET", "/api/v1/models/..;a=b/files"),
            ("GET", "/api/v1/models;/a"),
            ("GET", "/api/v1/models/a?b"),
            ("POST", "/api/v1/%6dessages"),
        ] {
            assert!(!may(method, path), "{method} {path}");
        }
    }

    #[test]
    fn a_route_of_a_config_is_a_method_and_a_path() {
        let below = Route::parse("POST /v1/batches/*").expect("a route");
        assert!(below.admits("POST", "/v1/batches/1") && !below.admits("POST", "/v1/batches"));
        let one = Route::parse("POST /v1/embeddings").expect("a route");
        assert!(one.admits("POST", "/v1/embeddings") && !one.admits("POST", "/v1/embeddings/1"));
        for bad in [
            "",
            "POST",
            "POST ",
            "/v1",
            "PUT /v1",
            "post /v1",
            "CONNECT /v1",
            "POST  /v1",
            "POST v1",
            "POST /",
            "GET /*",
            "POST /v1/",
            "POST /v1/../x",
            "POST /v1/..;/x",
            "POST /v1/%2e",
            "POST /v1?x",
            "POST /v*/x",
            "POST /v1 ",
            "POST http://h/v1",
            "POST /v1\r\nX: y",
        ] {
            assert!(Route::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_inside_is_led_to_its_one_port_and_holds_no_key() {
        let all =
            endpoint("https://openrouter.ai/api/v1/chat/completions").variables(4_141, &["MY_URL".into()]);
        let wanted = [
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:4141/api"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:4141/api/v1"),
            ("SUBZEROCLAW_ENDPOINT", "http://127.0.0.1:4141/api/v1/chat/completions"),
            ("MY_URL", "http://127.0.0.1:4141/api/v1"),
            ("ANTHROPIC_API_KEY", "added-outside"),
            ("OPENAI_API_KEY", "added-outside"),
            ("SUBZEROCLAW_API_KEY", "added-outside"),
        ];
        assert_eq!(all, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let of_version_2 = endpoint("https://h/v2").variables(1, &[]);
        assert!(
            of_version_2.contains(&("ANTHROPIC_BASE_URL".to_owned(), "http://127.0.0.1:1/v2".to_owned()))
        );
    }
}
