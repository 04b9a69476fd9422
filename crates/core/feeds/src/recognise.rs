//! The format of a document from its content alone, and cheaply: a visitor over the top-level keys that stops at the
//! first decisive one.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use underpin_model::facts::Format;

use crate::json::Text;
use crate::{Defect, Position};

/// What a text looks like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Looks {
    /// A document of this format.
    Like(Format),
    /// A known companion of advisories that states no facts itself.
    Auxiliary(&'static str),
    /// Text of no structure that is known here.
    PlainText,
    /// JSON or markup that is broken, or that is no known advisory.
    Unusable(Defect),
}

/// Looks at as much of the text as it takes to decide.
pub(crate) fn recognise(text: &str) -> Looks {
    match text.trim_start().as_bytes().first() {
        None => Looks::Auxiliary("empty"),
        Some(b'{' | b'[') => json(text),
        Some(b'<') => markup(text.trim_start()),
        // A lone `null`, text or number is JSON as well, and as little of an advisory as a list of them.
        Some(_) if serde_json::from_str::<IgnoredAny>(text).is_ok() => json(text),
        Some(_) => lines(text),
    }
}

fn unusable(at: Position, reason: impl Into<String>) -> Looks {
    Looks::Unusable(Defect { at, reason: reason.into(), format: None })
}

fn json(text: &str) -> Looks {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let outcome = TopLevel(&mut found).deserialize(&mut deserializer);
    if let Some(looks) = found {
        return looks;
    }
    match outcome {
        Err(error) if !error.is_data() => unusable(
            Position::Line { line: u64::try_from(error.line()).unwrap_or(u64::MAX) },
            format!("not JSON: {error}; is the document truncated?"),
        ),
        _ => unusable(
            Position::Pointer(String::new()),
            "valid JSON, but no advisory: expected CSAF (document.csaf_version), CVE (dataType), OSV (id, affected), \
             KEV (catalogVersion) or a fact table",
        ),
    }
}

/// Walks the top level. What it finds goes into the slot; after that any error ends the walk, because serde has no
/// other way to leave a map early.
struct TopLevel<'a>(&'a mut Option<Looks>);

const STOP: &str = "recognised";

impl<'de> DeserializeSeed<'de> for TopLevel<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        // Only OSV comes as a list of its documents; the first one decides.
        let mut first = None;
        let outcome = list.next_element_seed(TopLevel(&mut first));
        if first == Some(Looks::Like(Format::Osv)) {
            *self.0 = first;
        }
        outcome?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<Key>()? {
            let decided = match key {
                Key::Document => {
                    let mut csaf = false;
                    let outcome = map.next_value_seed(Head(&mut csaf));
                    if !csaf {
                        outcome?;
                    }
                    csaf.then_some(Looks::Like(Format::Csaf))
                }
                Key::DataType => {
                    let kind = map.next_value::<serde_json::Value>()?;
                    (kind.as_str() == Some("CVE_RECORD")).then_some(Looks::Like(Format::Cve5))
                }
                Key::CveMetadata => Some(Looks::Like(Format::Cve5)),
                Key::CatalogVersion => Some(Looks::Like(Format::Kev)),
                other => keys.add(other),
            };
            if let Some(looks) = decided {
                *self.0 = Some(looks);
                return Err(A::Error::custom(STOP));
            }
            if key.is_skipped() {
                map.next_value::<IgnoredAny>()?;
            }
        }
        *self.0 = keys.at_the_end();
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Keys seen so far that decide only together.
#[derive(Default)]
struct Keys {
    id: bool,
    modified: bool,
    affected: bool,
    schema: bool,
    schema_body: bool,
}

impl Keys {
    fn add(&mut self, key: Key) -> Option<Looks> {
        match key {
            Key::Id => self.id = true,
            Key::Modified => self.modified = true,
            Key::Affected => self.affected = true,
            Key::Schema => self.schema = true,
            Key::SchemaBody => self.schema_body = true,
            Key::Metadata => return Some(Looks::Auxiliary("CSAF provider metadata")),
            Key::Aggregator => return Some(Looks::Auxiliary("CSAF aggregator")),
            Key::Feed => return Some(Looks::Auxiliary("ROLIE feed")),
            _ => {}
        }
        if self.id && (self.modified || self.affected) {
            return Some(Looks::Like(Format::Osv));
        }
        (self.schema && self.schema_body).then_some(Looks::Auxiliary("JSON schema"))
    }

    /// What can be told only when all keys are known: an OSV document that lost its id is still meant as one.
    fn at_the_end(&self) -> Option<Looks> {
        (self.modified && self.affected).then_some(Looks::Like(Format::Osv))
    }
}

/// The top-level keys that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Document,
    DataType,
    CveMetadata,
    CatalogVersion,
    Id,
    Modified,
    Affected,
    Schema,
    SchemaBody,
    Metadata,
    Aggregator,
    Feed,
    Other,
}

impl Key {
    /// Whether the value is still to be read.
    fn is_skipped(self) -> bool {
        !matches!(self, Self::Document | Self::DataType)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "document" => Key::Document,
                    "dataType" => Key::DataType,
                    "cveMetadata" => Key::CveMetadata,
                    "catalogVersion" => Key::CatalogVersion,
                    "id" => Key::Id,
                    "modified" => Key::Modified,
                    "affected" => Key::Affected,
                    "$schema" => Key::Schema,
                    "properties" | "$defs" | "definitions" | "$id" => Key::SchemaBody,
                    "canonical_url" | "metadata_version" => Key::Metadata,
                    "aggregator" | "aggregator_version" | "csaf_providers" => Key::Aggregator,
                    "feed" => Key::Feed,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// Whether the value of `document` is the head of a CSAF document; ends the walk as soon as it is.
struct Head<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for Head<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Head<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the head of a CSAF document")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if matches!(key.as_str(), "csaf_version" | "tracking" | "publisher") {
                *self.0 = true;
                return Err(A::Error::custom(STOP));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

fn markup(text: &str) -> Looks {
    let head: String = text.chars().take(200).collect::<String>().to_ascii_lowercase();
    let what = if head.contains("<html") || head.contains("<!doctype html") {
        "an HTML page, no advisory: probably a server's error page saved under the document's name"
    } else if head.starts_with("<?xml") || head.contains("xmlns") {
        "XML, which is not read (CVRF, OVAL?): fetch the CSAF or OSV form"
    } else {
        // Markdown may begin with a tag.
        return Looks::PlainText;
    };
    unusable(Position::Line { line: 1 }, what)
}

/// Texts without structure: EPSS, and the companions of advisories.
fn lines(text: &str) -> Looks {
    let text = text.trim_start();
    if text.starts_with("-----BEGIN PGP") {
        return Looks::Auxiliary("PGP signature or key");
    }
    let mut rows = text.lines().filter(|line| !line.trim().is_empty());
    let first = rows.next().unwrap_or_default();
    let header = if first.starts_with('#') { rows.next().unwrap_or_default() } else { first };
    if first.starts_with("#model_version") || is_epss_header(header) {
        return Looks::Like(Format::Epss);
    }
    if is_hash_line(first) {
        return Looks::Auxiliary("hashes");
    }
    if is_index_line(first) {
        return Looks::Auxiliary("list of a provider's documents");
    }
    if is_licence(text) { Looks::Auxiliary("licence text") } else { Looks::PlainText }
}

fn is_epss_header(line: &str) -> bool {
    let mut names = line.split(',').map(|name| name.trim().trim_matches('"').to_ascii_lowercase());
    names.next().as_deref() == Some("cve") && names.next().as_deref() == Some("epss")
}

/// `<hash>  name`, as sha256sum and sha512sum write it.
fn is_hash_line(line: &str) -> bool {
    let hash = line.split_whitespace().next().unwrap_or_default();
    matches!(hash.len(), 64 | 96 | 128) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A line of index.txt (`2024/a.json`) or changes.csv (`"2024/a.json","2024-01-01T00:00:00Z"`).
fn is_index_line(line: &str) -> bool {
    let path = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
    path.ends_with(".json") && !path.contains(char::is_whitespace)
}

fn is_licence(text: &str) -> bool {
    let end = text.char_indices().nth(2000).map_or(text.len(), |(at, _)| at);
    let head = text.get(..end).unwrap_or_default().to_ascii_lowercase();
    head.contains("license") || head.contains("licence") || head.contains("permission is hereby granted")
}
