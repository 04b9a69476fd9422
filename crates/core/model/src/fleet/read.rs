//! Reading a fleet file: JSON or YAML, recognised from content.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::finding::{Findings, quoted, segment};
use super::{FORMAT, Fleet, FleetError, FleetWarning, schema, validate};
use crate::words::plain;

/// A fleet that every reader after this one may rely on: ids are unique and every reference leads somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The fleet.
    pub fleet: Fleet,
    /// What will leave something unknown, or is likely a slip.
    pub warnings: Vec<FleetWarning>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Json,
    Yaml,
}

impl Syntax {
    /// No YAML file of ours starts with a brace, and no JSON file with anything else.
    fn of(text: &str) -> Self {
        if text.trim_start().starts_with(['{', '[']) { Self::Json } else { Self::Yaml }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        }
    }

    fn value(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Json => serde_json::from_str(text).map_err(|it| it.to_string()),
            Self::Yaml => serde_yaml_ng::from_str(text).map_err(|it| it.to_string()),
        }
    }

    fn fleet(self, text: &str) -> Result<Fleet, FleetError> {
        match self {
            Self::Json => {
                let mut source = serde_json::Deserializer::from_str(text);
                let fleet = serde_path_to_error::deserialize(&mut source).map_err(|error| typed(&error))?;
                source.end().map_err(|it| FleetError::new("", it.to_string(), "one JSON document"))?;
                Ok(fleet)
            }
            Self::Yaml => serde_path_to_error::deserialize(serde_yaml_ng::Deserializer::from_str(text))
                .map_err(|error| typed(&error)),
        }
    }
}

/// Reads a fleet file and checks it.
///
/// JSON and YAML are told apart by content; a byte order mark is skipped. All mistakes are listed at once, up to
/// [`super::MAX_FINDINGS`]: first those of form (against [`schema`]), and when the form is right those of meaning
/// (see [`validate`]).
///
/// # Errors
/// At least one [`FleetError`], each with place, value, expectation and, where useful, the way out.
pub fn read(bytes: &[u8]) -> Result<Checked, Vec<FleetError>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let found =
            bytes.get(at).map_or_else(String::new, |byte| format!("byte 0x{byte:02x} at offset {at}"));
        vec![
            FleetError::new("", found, "UTF-8 text")
                .with_help("save the file as UTF-8; UTF-16 and Latin-1 are not read"),
        ]
    })?;
    let syntax = Syntax::of(text);
    // Tracking the path costs a quarter of the time of reading: the first attempt goes without.
    let attempt: Option<Fleet> = match syntax {
        Syntax::Json => serde_json::from_str(text).ok(),
        Syntax::Yaml => serde_yaml_ng::from_str(text).ok(),
    };
    let fleet = attempt.filter(|it| it.format == FORMAT).ok_or_else(|| mistakes(syntax, text))?;
    let (errors, warnings) = validate(&fleet);
    if errors.is_empty() { Ok(Checked { fleet, warnings }) } else { Err(errors) }
}

/// Everything that is wrong with the form of a text that could not be read.
fn mistakes(syntax: Syntax, text: &str) -> Vec<FleetError> {
    if text.trim().is_empty() {
        return vec![FleetError::new("", "an empty text", format!("a fleet file of format {FORMAT}"))];
    }
    let value = match syntax.value(text) {
        Ok(value) => value,
        Err(message) => return vec![no_document(syntax, &message)],
    };
    let mut findings = Findings::default();
    // The value below keeps the last of two fields of one name, which may not be the one that its author looks at.
    let typed = syntax.fleet(text);
    if let Err(error) = &typed
        && error.to_string().contains("duplicate field")
    {
        findings
            .error(|| error.clone().with_help("write each field once: which of the two counts is not known"));
        return findings.finish().0;
    }
    let schema = schema();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .with_format("date-time", |text: &str| text.parse::<jiff::Timestamp>().is_ok())
        .with_format("date", |text: &str| text.parse::<jiff::civil::Date>().is_ok())
        .build(&schema);
    if let Ok(validator) = &validator {
        for error in validator.iter_errors(&value) {
            explain(&error, &mut findings);
        }
    }
    // What a schema cannot say (a repeated key, 4.0 for a whole number) only the typed reading knows.
    if !findings.has_errors()
        && let Err(error) = typed
    {
        findings.error(|| error);
    }
    if !findings.has_errors() {
        findings.error(|| FleetError::new("", "a text that cannot be read as a fleet", FORMAT));
    }
    findings.finish().0
}

fn no_document(syntax: Syntax, message: &str) -> FleetError {
    FleetError::new("", message.chars().take(300).collect::<String>(), format!("valid {}", syntax.name()))
        .with_help("a text that starts with { is read as JSON, any other as YAML")
}

fn typed<E: fmt::Display>(error: &serde_path_to_error::Error<E>) -> FleetError {
    use serde_path_to_error::Segment;
    let path = error.path().iter().fold(String::new(), |path, it| match it {
        Segment::Seq { index } => format!("{path}/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => format!("{path}/{}", segment(key)),
        Segment::Unknown => path,
    });
    let message: String = plain(&error.inner().to_string()).chars().take(300).collect();
    FleetError::new(path, message, format!("a fleet as the schema of {FORMAT} describes it"))
}

/// A schema violation in the words of this file. Where one of several forms is allowed, what is wrong with the form
/// that comes nearest is what the author wants to know; a choice of constants is one choice.
fn explain(error: &ValidationError<'_>, findings: &mut Findings) {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return findings.error(|| violation(error));
    };
    let mut names = Vec::new();
    let mut nearest: Option<&Vec<ValidationError<'static>>> = None;
    for form in context {
        match form.first().map(|it| (it, it.kind())) {
            Some((_, ValidationErrorKind::Constant { expected_value })) => {
                names.push(expected_value.to_string());
            }
            Some((_, ValidationErrorKind::Enum { options })) => names.push(options.to_string()),
            Some((first, ValidationErrorKind::Type { .. }))
                if first.instance_path() == error.instance_path() => {}
            Some(_) => nearest = nearest.or(Some(form)),
            None => {}
        }
    }
    match nearest {
        Some(form) => form.iter().for_each(|it| explain(it, findings)),
        None if !names.is_empty() => findings.error(|| {
            let path = error.instance_path().as_str();
            FleetError::new(path, shown(error.instance()), format!("one of {}", names.join(", ")))
        }),
        None => match context.first().and_then(|it| it.first()) {
            Some(first) => explain(first, findings),
            None => findings.error(|| violation(error)),
        },
    }
}

fn violation(error: &ValidationError<'_>) -> FleetError {
    let path = error.instance_path().as_str().to_owned();
    let found = shown(error.instance());
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } if path == "/format" => {
            FleetError::new(path, found, shown(expected_value)).with_help(
                "this version reads no other format; convert the file or use the release that wrote it",
            )
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            FleetError::new(path, format!("no field `{name}`"), format!("the field `{name}`"))
        }
        ValidationErrorKind::Type { kind } => {
            let finding = FleetError::new(path, found, type_names(kind));
            match (error.instance().as_ref(), kind) {
                (Value::Number(_), TypeKind::Single(kind)) if kind.to_string() == "string" => {
                    finding.with_help("put it in quotes")
                }
                (Value::Null, _) => finding.with_help("leave the field out when the fact is unknown"),
                _ => finding,
            }
        }
        ValidationErrorKind::Enum { options } => {
            let names = options.as_array().map_or_else(
                || shown(options),
                |it| it.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            );
            FleetError::new(path, found, format!("one of {names}"))
        }
        ValidationErrorKind::Minimum { limit } => {
            FleetError::new(path, found, format!("a number of at least {limit}"))
        }
        ValidationErrorKind::Maximum { limit } => {
            FleetError::new(path, found, format!("a number of at most {limit}"))
        }
        ValidationErrorKind::MinLength { .. } => FleetError::new(path, "an empty text", "an id"),
        ValidationErrorKind::MaxLength { limit } => {
            FleetError::new(path, found, format!("an id of at most {limit} bytes"))
        }
        ValidationErrorKind::Pattern { .. } => {
            FleetError::new(path, found, "an id without control characters")
        }
        ValidationErrorKind::Format { format } if format == "date-time" => FleetError::new(
            path,
            found,
            "an instant with its offset before 9999-12-30, such as 2026-01-31T04:00:00Z",
        ),
        ValidationErrorKind::Format { format } => {
            FleetError::new(path, found, format!("a {format}, such as 2026-01-31"))
        }
        _ => FleetError::new(path, found, error.masked().to_string()),
    }
}

fn type_names(kind: &TypeKind) -> String {
    let name = |it: &dyn fmt::Display| match it.to_string().as_str() {
        "integer" => "a whole number".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a mapping".to_owned(),
        "string" => "a text".to_owned(),
        "null" => "nothing".to_owned(),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(kind) => name(kind),
        TypeKind::Multiple(kinds) => kinds.iter().map(|it| name(&it)).collect::<Vec<_>>().join(" or "),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => format!("a mapping of {}", fields.len()),
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

/// Reads a list that takes no more memory than its elements. A list that is read grows to four places for its first element,
/// and a fleet has a million lists of one.
pub(super) fn exact<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let mut list = Vec::deserialize(deserializer)?;
    list.shrink_to_fit();
    Ok(list)
}

/// Reads a mapping, and refuses a key that comes twice: the last one would silently win.
pub(super) fn unique<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Mapping<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Ord + fmt::Display, V: Deserialize<'de>> Visitor<'de> for Mapping<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some(key) = map.next_key::<K>()? {
                match read.entry(key) {
                    Entry::Vacant(place) => {
                        place.insert(map.next_value()?);
                    }
                    Entry::Occupied(place) => {
                        let key = quoted(&place.key().to_string());
                        return Err(A::Error::custom(format!(
                            "{key} comes twice; rename one, or leave it out"
                        )));
                    }
                }
            }
            Ok(read)
        }
    }

    deserializer.deserialize_map(Mapping(PhantomData))
}
