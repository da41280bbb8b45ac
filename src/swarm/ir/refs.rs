//! A ref: what fills a slot of a node, as `scheme:rest` or one bare word (spec genswarms I.1).
//!
//! Content (`swarmidx`, `oci`) is named by a digest once it is resolved; anything else never has one. A
//! document may hold refs that are not resolved yet; whoever runs content asks for [`Ref::resolved`].

use serde_json::{Map, Value, json};

use super::{
    error::Error,
    fields::{self, Held},
    shown::Shown,
};

/// What content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// it is read
    Data,
    /// it runs
    Code,
}

impl Kind {
    /// As a document says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Code => "code",
        }
    }
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// `scheme:rest`, neither side empty, or one of [`BARE`]
    pub text: String,
    /// there for content
    pub kind: Option<Kind>,
    /// of content, once it is resolved
    pub digest: Option<String>,
    /// somebody vouches for it
    pub attested: bool,
    /// there for ssh
    pub host: Option<String>,
    /// not empty
    pub image: Option<String>,
    /// of the backend
    pub opts: Held,
}

/// Refs without a colon.
pub const BARE: [&str; 6] = ["ssh", "host", "local", "bwrap", "mock", "apple_container"];
/// Schemes of content, which a digest names.
const CONTENT: [&str; 2] = ["swarmidx", "oci"];
/// The scheme of packages.
pub const PACKAGE: &str = "swarmidx";

impl Ref {
    /// Reads a ref.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let map = value.as_object().ok_or(Error::RefNotAMap)?;
        let text = fields::name(map, "ref", Error::MissingRef)?;
        let whole = match text.split_once(':') {
            Some((scheme, rest)) => !scheme.is_empty() && !rest.is_empty(),
            None => BARE.contains(&text.as_str()),
        };
        if !whole {
            return Err(Error::InvalidRefString);
        }
        let kind = match fields::get(map, "kind") {
            None => None,
            Some(Value::String(word)) if word == "data" => Some(Kind::Data),
            Some(Value::String(word)) if word == "code" => Some(Kind::Code),
            other => return Err(Error::InvalidKind(Shown::of(other))),
        };
        let image = match fields::get(map, "image") {
            None => None,
            Some(Value::String(image)) if !image.is_empty() => Some(fields::short("image", image)?),
            other => return Err(Error::InvalidImage(Shown::of(other))),
        };
        let attested = match fields::get(map, "attested") {
            None => false,
            Some(Value::Bool(attested)) => *attested,
            other => return Err(Error::InvalidAttested(Shown::of(other))),
        };
        let digest = match fields::get(map, "digest") {
            None => None,
            Some(Value::String(digest)) => Some(fields::short("digest", digest)?),
            other => return Err(Error::InvalidDigest(Shown::of(other))),
        };
        let host = match fields::get(map, "host") {
            None => None,
            Some(Value::String(host)) => Some(fields::short("host", host)?),
            Some(_) => return Err(Error::Invalid("host")),
        };
        let opts = fields::held(map, "opts", Error::InvalidOpts(Shown::of(map.get("opts"))))?;
        let it = Self { text, kind, digest, attested, host, image, opts };
        if it.is_content() && it.kind.is_none() {
            return Err(Error::MissingKind);
        }
        if it.scheme() == SSH && it.host.as_ref().is_none_or(String::is_empty) {
            return Err(Error::MissingHost(SSH));
        }
        Ok(it)
    }

    /// As [`Self::parse`] reads it.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |field: &str, value: Option<Value>| {
            value.map(|value| map.insert(field.to_owned(), value));
        };
        put("ref", Some(json!(self.text)));
        put("kind", self.kind.map(|kind| json!(kind.as_str())));
        put("digest", self.digest.as_ref().map(|digest| json!(digest)));
        put("attested", self.attested.then_some(json!(true)));
        put("host", self.host.as_ref().map(|host| json!(host)));
        put("image", self.image.as_ref().map(|image| json!(image)));
        put("opts", (!self.opts.is_empty()).then(|| Value::Object(Map::clone(&self.opts))));
        Value::Object(map)
    }

    /// What stands before the first colon; the whole of a bare word.
    pub fn scheme(&self) -> &str {
        self.text.split_once(':').map_or(self.text.as_str(), |(scheme, _)| scheme)
    }

    /// Whether a digest is to name it.
    pub fn is_content(&self) -> bool {
        CONTENT.contains(&self.scheme())
    }

    /// Whether it is resolved: content by a digest, anything else without one.
    pub fn resolved(&self) -> Result<(), Error> {
        match &self.digest {
            None if self.is_content() => Err(Error::MissingDigest),
            None => Ok(()),
            Some(_) if !self.is_content() => Err(Error::UnexpectedDigest),
            Some(digest) if !is_digest(digest) => Err(Error::InvalidDigest(Shown::of(Some(&json!(digest))))),
            Some(_) => Ok(()),
        }
    }
}

const SSH: &str = "ssh";

/// `[a-z0-9]+:[0-9a-f]+`, all of the text: a newline at the end is no digest.
pub fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let named =
        !algorithm.is_empty() && algorithm.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    named && !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
