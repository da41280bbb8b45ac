//! Which backend an agent is to run on, as a document says it: a name, a name with an image or a host behind
//! a colon, or an object with a `type` (spec genswarms H.2, B.3).
//!
//! What an image or a host may be is narrow: both end as words of a command line.

use std::fmt;

use serde_json::{Map, Value};

use super::options::{self, Kind};
use crate::{
    agent::Confinement,
    limits,
    wire::{
        document::{Wrong, quoted},
        nearest,
    },
};

const CODE: &str = "invalid_backend";

/// Why a document names no backend; told of the value that was read.
pub type BadForm = Wrong;

/// A backend and what it is told. Options are checked: each is one that the backend has.
#[derive(Clone, PartialEq)]
pub enum Form {
    /// a process of this user, without any boundary
    Local,
    /// no process; answers from a script
    Mock,
    /// a process in namespaces of its own
    Bwrap {
        /// options
        opts: Map<String, Value>,
    },
    /// a container
    Docker {
        /// its image
        image: String,
        /// options
        opts: Map<String, Value>,
    },
    /// a container of Apple's
    AppleContainer {
        /// its image; the tool's own without one
        image: Option<String>,
        /// options
        opts: Map<String, Value>,
    },
    /// a process on another machine
    Ssh {
        /// `host` or `user@host`
        host: String,
        /// options
        opts: Map<String, Value>,
    },
}

/// What an agent gets that names none: the backend with a boundary (spec genswarms H.2).
impl Default for Form {
    fn default() -> Self {
        Form::Bwrap { opts: Map::new() }
    }
}

/// Without the options: one of them may be a password.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({})", self.shown())
    }
}

impl Form {
    /// Reads a form from a text or an object.
    pub fn parse(value: &Value) -> Result<Self, BadForm> {
        match value {
            Value::String(text) => {
                let (kind, rest) = text.split_once(':').map_or((text.as_str(), None), |(k, r)| (k, Some(r)));
                build(kind_named(kind)?, rest, rest, Map::new())
            }
            Value::Object(map) => object(map),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(Wrong::new(CODE, "must be a name or an object with a \"type\"").next(names()))
            }
        }
    }

    /// As a document.
    pub fn to_value(&self) -> Value {
        let (own, opts) = match self {
            Form::Local | Form::Mock => (None, None),
            Form::Bwrap { opts } => (None, Some(opts)),
            Form::Docker { image, opts } => (Some(("image", image)), Some(opts)),
            Form::AppleContainer { image, opts } => {
                (image.as_ref().map(|image| ("image", image)), Some(opts))
            }
            Form::Ssh { host, opts } => (Some(("host", host)), Some(opts)),
        };
        let opts = opts.filter(|opts| !opts.is_empty());
        if own.is_none() && opts.is_none() {
            return Value::from(self.name());
        }
        let mut map = Map::new();
        map.insert("type".to_owned(), Value::from(self.name()));
        if let Some((name, text)) = own {
            map.insert(name.to_owned(), Value::from(text.as_str()));
        }
        if let Some(opts) = opts {
            map.insert("opts".to_owned(), Value::Object(opts.clone()));
        }
        Value::Object(map)
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Form::Local => Kind::Local,
            Form::Mock => Kind::Mock,
            Form::Bwrap { .. } => Kind::Bwrap,
            Form::Docker { .. } => Kind::Docker,
            Form::AppleContainer { .. } => Kind::AppleContainer,
            Form::Ssh { .. } => Kind::Ssh,
        }
    }

    /// Its name: local, mock, bwrap, docker, apple_container or ssh.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// As the summary of a config shows it (spec genswarms B.2); also what is read again from a text, but for
    /// the colon in front of two of them.
    pub fn shown(&self) -> String {
        match self {
            Form::Local => "local".to_owned(),
            Form::Mock => ":mock".to_owned(),
            Form::Bwrap { .. } => ":bwrap".to_owned(),
            Form::Docker { image, .. } => format!("docker:{image}"),
            Form::AppleContainer { image: None, .. } => "apple_container".to_owned(),
            Form::AppleContainer { image: Some(image), .. } => format!("apple_container:{image}"),
            Form::Ssh { host, .. } => format!("ssh:{host}"),
        }
    }

    /// Its image or host.
    pub fn target(&self) -> Option<&str> {
        match self {
            Form::Local | Form::Mock | Form::Bwrap { .. } | Form::AppleContainer { image: None, .. } => None,
            Form::Docker { image, .. } | Form::AppleContainer { image: Some(image), .. } => Some(image),
            Form::Ssh { host, .. } => Some(host),
        }
    }

    /// One of its options.
    fn option(&self, name: &str) -> Option<&str> {
        self.opts().and_then(|opts| opts.get(name)).and_then(Value::as_str)
    }

    /// Whether it says that the only way out is one endpoint.
    pub fn is_isolated(&self) -> bool {
        self.option(options::NETWORK) == Some("isolated")
    }

    /// How far a program is kept from this machine where its only way out is one endpoint, or is not. On another
    /// machine nobody knows.
    pub fn confinement(&self, isolated: bool) -> Confinement {
        match self {
            Form::Local | Form::Mock | Form::Ssh { .. } => Confinement::None,
            Form::Bwrap { .. } | Form::Docker { .. } | Form::AppleContainer { .. } if isolated => {
                Confinement::Isolated
            }
            Form::Bwrap { .. } | Form::Docker { .. } | Form::AppleContainer { .. } => Confinement::Sandboxed,
        }
    }

    /// The endpoint that it asks for.
    pub fn endpoint(&self) -> Option<&str> {
        self.option("endpoint")
    }

    /// What the backend is told beside its image or host.
    pub fn opts(&self) -> Option<&Map<String, Value>> {
        match self {
            Form::Local | Form::Mock => None,
            Form::Bwrap { opts }
            | Form::Docker { opts, .. }
            | Form::AppleContainer { opts, .. }
            | Form::Ssh { opts, .. } => Some(opts),
        }
    }
}

fn names() -> String {
    format!("it is one of {}", Kind::names().collect::<Vec<_>>().join(", "))
}

fn kind_named(name: &str) -> Result<Kind, BadForm> {
    Kind::named(name).ok_or_else(|| {
        let wrong = Wrong::new(CODE, format!("there is no backend {}", quoted(name)));
        match nearest::nearest(name, Kind::names()) {
            Some(meant) => wrong.next(format!("did you mean \"{meant}\"?")),
            None => wrong.next(names()),
        }
    })
}

fn object(map: &Map<String, Value>) -> Result<Form, BadForm> {
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Wrong::new(CODE, "must be a text").under(key)),
    };
    let Some(kind) = text("type")? else {
        return Err(Wrong::new(CODE, "has no \"type\"").next(names()));
    };
    let kind = kind_named(kind).map_err(|wrong| wrong.under("type"))?;
    let known: &[&str] = match kind {
        Kind::Local | Kind::Mock => &["type"],
        Kind::Bwrap => &["type", "opts"],
        Kind::Docker | Kind::AppleContainer => &["type", "image", "opts"],
        Kind::Ssh => &["type", "host", "opts"],
    };
    if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
        let why = format!("the backend {} has no such field", kind.name());
        let next = match (nearest::nearest(key, known.iter().copied()), kind) {
            (Some(meant), _) => format!("did you mean \"{meant}\"?"),
            (None, Kind::Local | Kind::Mock) => "options go into the agent's \"config\"".to_owned(),
            (None, Kind::Bwrap | Kind::Docker | Kind::AppleContainer | Kind::Ssh) => {
                "options go into \"opts\"".to_owned()
            }
        };
        return Err(Wrong::new("unknown_key", why).by_name().next(next).under(key));
    }
    let opts = match map.get("opts") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(opts)) => opts.clone(),
        Some(_) => return Err(Wrong::new(CODE, "must be an object").under("opts")),
    };
    for (name, value) in &opts {
        options::check(kind, name, value).map_err(|wrong| wrong.under(name).under("opts"))?;
    }
    let (image, host) = (text("image")?, text("host")?);
    build(kind, image, host, opts)
}

/// A form of this kind; `image` and `host` are what was given, in a text the same word for both.
fn build(
    kind: Kind,
    image: Option<&str>,
    host: Option<&str>,
    opts: Map<String, Value>,
) -> Result<Form, BadForm> {
    let alone = |form: Form| match image {
        None => Ok(form),
        Some(_) => {
            Err(Wrong::new(CODE, format!("the backend {} takes nothing behind its name", kind.name())))
        }
    };
    match kind {
        Kind::Local => alone(Form::Local),
        Kind::Mock => alone(Form::Mock),
        Kind::Bwrap => alone(Form::Bwrap { opts }),
        Kind::Docker => match image {
            Some(image) => image_named(image).map(|image| Form::Docker { image, opts }),
            None => Err(Wrong::new(CODE, "the backend docker needs an image")
                .next("write \"docker:IMAGE\" or {\"type\": \"docker\", \"image\": \"IMAGE\"}")),
        },
        Kind::AppleContainer => {
            image.map(image_named).transpose().map(|image| Form::AppleContainer { image, opts })
        }
        Kind::Ssh => match host {
            Some(host) if is_host(host) => Ok(Form::Ssh { host: host.to_owned(), opts }),
            Some(_) => Err(Wrong::new(CODE, "the host must be \"host\" or \"user@host\"")),
            None => Err(Wrong::new(CODE, "the backend ssh needs a host")
                .next("write \"ssh:HOST\" or {\"type\": \"ssh\", \"host\": \"user@host\"}")),
        },
    }
}

/// The name of an image: it may have a registry, a port, a tag and a digest; it does not begin with `-`.
fn image_named(image: &str) -> Result<String, BadForm> {
    let begins = image.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let clean = image.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/:@-".contains(&b));
    // A URL may hold a name and a password, which a snapshot hides.
    let is_url = image.contains("://");
    if begins && clean && !is_url && image.len() <= limits::CONFIG_WORD {
        return Ok(image.to_owned());
    }
    Err(Wrong::new(CODE, "the name of the image is malformed"))
}

/// `host` or `user@host`, neither of them beginning with `-`: one would be an option of ssh.
fn is_host(text: &str) -> bool {
    let word = |word: &str, more: &[u8]| {
        let begins = word.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || more.contains(&b));
        begins && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b) || more.contains(&b))
    };
    let (user, host) = text.split_once('@').map_or((None, text), |(user, host)| (Some(user), host));
    text.len() <= limits::CONFIG_WORD && user.is_none_or(|user| word(user, b"_")) && word(host, b":[]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_is_read_from_a_text_or_an_object_and_written_again() {
        for (given, shown, written) in [
            (json!("local"), "local", json!("local")),
            (json!({"type": "local"}), "local", json!("local")),
            (json!("mock"), ":mock", json!("mock")),
            (json!({"type": "bwrap", "opts": {}}), ":bwrap", json!("bwrap")),
            (
                json!({"type": "bwrap", "opts": {"nice": 3}}),
                ":bwrap",
                json!({"type": "bwrap", "opts": {"nice": 3}}),
            ),
            (json!("apple_container"), "apple_container", json!("apple_container")),
            (
                json!("apple_container:i"),
                "apple_container:i",
                json!({"type": "apple_container", "image": "i"}),
            ),
            (
                json!("docker:r.io:5/i:tag"),
                "docker:r.io:5/i:tag",
                json!({"type": "docker", "image": "r.io:5/i:tag"}),
            ),
            (json!({"type": "ssh", "host": "u@h"}), "ssh:u@h", json!({"type": "ssh", "host": "u@h"})),
            (
                json!("ssh:pi@192.168.1.50"),
                "ssh:pi@192.168.1.50",
                json!({"type": "ssh", "host": "pi@192.168.1.50"}),
            ),
        ] {
            let form = Form::parse(&given).unwrap();
            assert_eq!((form.shown().as_str(), form.to_value()), (shown, written), "{given}");
            assert_eq!(Form::parse(&form.to_value()), Ok(form));
        }
    }

    #[test]
    fn m5_an_unknown_backend_is_invalid() {
        for (bad, field) in [
            (json!("kubernetes"), ""),
            (json!("container"), ""),
            (json!("Local"), ""),
            (json!(""), ""),
            (json!(7), ""),
            (json!(["docker", "i"]), ""),
            (json!({}), ""),
            (json!({"type": "vm"}), "type"),
            (json!({"type": 1}), "type"),
            (json!("docker"), ""),
            (json!("docker:"), ""),
            (json!("docker:--privileged"), ""),
            (json!("docker:a b"), ""),
            (json!("docker:i://u:p@h"), ""),
            (json!("local:x"), ""),
            (json!("ssh"), ""),
            (json!("ssh:-oProxyCommand=x"), ""),
            (json!("ssh:u@-oProxyCommand=x"), ""),
            (json!("ssh:a@b@c"), ""),
            (json!("ssh:@h"), ""),
            (json!({"type": "docker", "image": 5}), "image"),
            (json!({"type": "bwrap", "opts": []}), "opts"),
        ] {
            let wrong = Form::parse(&bad).unwrap_err();
            assert_eq!((wrong.code, wrong.field().as_str()), ("invalid_backend", field), "{bad}");
        }
        let word = |bytes| "x".repeat(bytes);
        for kind in ["docker", "apple_container", "ssh"] {
            let code = |bytes| {
                Form::parse(&json!(format!("{kind}:{}", word(bytes)))).map_or_else(|wrong| wrong.code, |_| "")
            };
            assert_eq!((code(limits::CONFIG_WORD), code(limits::CONFIG_WORD + 1)), ("", "invalid_backend"));
        }
        let wrong = Form::parse(&json!("dokcer")).unwrap_err();
        assert_eq!(wrong.next.as_deref(), Some("did you mean \"docker\"?"));
    }

    #[test]
    fn options_are_checked_by_the_backends_own_list() {
        for (bad, code, field) in [
            (
                json!({"type": "docker", "image": "i", "opts": {"seccomp": false}}),
                "unsupported_option",
                "opts.seccomp",
            ),
            (json!({"type": "bwrap", "opts": {"network": "on"}}), "invalid_network", "opts.network"),
            (
                json!({"type": "ssh", "host": "h", "opts": {"network": "isolated"}}),
                "unsupported_network",
                "opts.network",
            ),
            (json!({"type": "bwrap", "opts": {"wrapper": "x"}}), "unknown_key", "opts.wrapper"),
            (json!({"type": "local", "opts": {}}), "unknown_key", "opts"),
            (json!({"type": "docker", "image": "i", "host": "h"}), "unknown_key", "host"),
        ] {
            let wrong = Form::parse(&bad).unwrap_err();
            assert_eq!((wrong.code, wrong.field().as_str()), (code, field), "{bad}");
        }
    }

    #[test]
    fn a_form_does_not_show_its_options() {
        let value = json!({"type": "ssh", "host": "h", "opts": {"password": "hunter2"}});
        assert_eq!(format!("{:?}", Form::parse(&value).unwrap()), "Form(ssh:h)");
    }
}
