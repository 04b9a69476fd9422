//! Reading a plan file (JSON).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FORMAT, Plan};
use crate::words::plain;

/// Largest plan file that is read, in bytes: some forty times what ten thousand hosts with 200,000 guests need.
pub const MAX_BYTES: usize = 2 << 30;
/// Most steps of a plan.
pub const MAX_STEPS: usize = 10_000_000;
/// Longest excerpt of what is there, in characters.
const MAX_EXCERPT: usize = 300;

/// One mistake of form in a plan file: the place, what is there, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct PlanError {
    /// JSON pointer to the place; empty: the whole file.
    pub path: String,
    /// What is there, shortened.
    pub found: String,
    /// What was expected there, with the way out.
    pub expected: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the file" } else { &self.path };
        write!(f, "{place}: found {}, expected {}", self.found, self.expected)
    }
}

impl PlanError {
    fn new(path: impl Into<String>, found: impl fmt::Display, expected: impl Into<String>) -> Self {
        let found = found.to_string().chars().take(MAX_EXCERPT).collect();
        Self { path: path.into(), found, expected: expected.into() }
    }
}

/// The format alone: a plan of another version must be refused as that, not for a field that it lacks.
#[derive(Deserialize)]
struct Header {
    format: Option<String>,
}

/// Reads a plan; a byte order mark is skipped. Whether the plan makes sense is not asked here.
///
/// # Errors
/// The file is larger than [`MAX_BYTES`], no JSON, of another format, of a form that is not a plan's, has more than [`MAX_STEPS`]
/// steps, a start that is not a whole second, or a hash that is none. Mistakes of form are found one at a time, the others at once.
pub fn read(bytes: &[u8]) -> Result<Plan, Vec<PlanError>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.len() > MAX_BYTES {
        let found = format!("{} bytes", bytes.len());
        return Err(vec![PlanError::new("", found, format!("at most {MAX_BYTES} bytes"))]);
    }
    // Tracking the path costs time: the first attempt goes without.
    let plan: Plan = match serde_json::from_slice(bytes) {
        Ok(plan) => plan,
        Err(_) => return Err(vec![mistake(bytes)]),
    };
    let mistakes = judge(&plan);
    if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
}

/// What is wrong with the form of bytes that are no plan.
fn mistake(bytes: &[u8]) -> PlanError {
    use serde_path_to_error::Segment;
    match serde_json::from_slice::<Header>(bytes) {
        Err(error) if error.is_syntax() || error.is_eof() => {
            return PlanError::new("", error, "valid JSON, as `underpin plan` writes it");
        }
        Ok(Header { format: Some(format) }) if format != FORMAT => return of_format(&format),
        _ => {}
    }
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let read: Result<Plan, _> = serde_path_to_error::deserialize(&mut source);
    let expected = format!("a plan of format {FORMAT}");
    match read {
        // What follows the document is what is wrong.
        Ok(_) => match source.end() {
            Err(error) => PlanError::new("", error, "one JSON document"),
            Ok(()) => PlanError::new("", "a text that cannot be read as a plan", expected),
        },
        Err(error) => {
            let path = error.path().iter().fold(String::new(), |path, it| match it {
                Segment::Seq { index } => format!("{path}/{index}"),
                Segment::Map { key } | Segment::Enum { variant: key } => {
                    let key: String = key.chars().take(MAX_EXCERPT).collect();
                    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
                }
                Segment::Unknown => path,
            });
            PlanError::new(path, plain(&error.inner().to_string()), expected)
        }
    }
}

fn of_format(found: &str) -> PlanError {
    let expected = format!("{FORMAT:?}; this version reads no other: use the release that wrote it");
    PlanError::new("/format", format!("{found:?}"), expected)
}

/// What the types cannot say.
fn judge(plan: &Plan) -> Vec<PlanError> {
    let mut mistakes = Vec::new();
    if plan.format != FORMAT {
        mistakes.push(of_format(&plan.format));
    }
    if plan.starts_at.subsec_nanosecond() != 0 {
        mistakes.push(PlanError::new("/starts_at", plan.starts_at, "a whole second"));
    }
    if plan.steps.len() > MAX_STEPS {
        mistakes.push(PlanError::new("/steps", plan.steps.len(), format!("at most {MAX_STEPS} steps")));
    }
    let hashes = [
        ("/parent", &plan.parent),
        ("/made_from/fleet_sha256", &plan.made_from.fleet_sha256),
        ("/made_from/policy_sha256", &plan.made_from.policy_sha256),
    ];
    for (path, hash) in hashes {
        let is_hash =
            |it: &str| it.len() == 64 && it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        if let Some(text) = hash.as_deref().filter(|it| !is_hash(it)) {
            mistakes.push(PlanError::new(path, format!("{text:?}"), "a SHA-256 in lower-case hexadecimal"));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{
        "format": "underpin/plan/1",
        "made_from": {"fleet": "small", "seen_at": "2026-11-20T00:00:00Z", "seed": 1, "evaluations": 1},
        "starts_at": "2026-11-21T00:00:00Z", "profile": "normal", "placing": "we-place", "homing": "drift",
        "waves": [],
        "steps": [
            {"id": 0, "wave": 0, "kind": "thaw", "cluster": "c", "start": 0, "end": 2, "p50_s": 1},
            {"id": 1, "wave": 0, "kind": "migrate", "vm": "v", "from": "a", "to": "b", "live": true, "mbps": 1,
             "pause_ms": 1, "start": 0, "end": 2, "p50_s": 1, "after": [0]}
        ]
    }"#;

    fn refused(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = read(format!("\u{feff}{PLAN}").as_bytes()).unwrap();
        assert_eq!((plan.steps.len(), plan.end_s(), plan.steps[1].after.as_slice()), (2, 2, &[0][..]));
        assert_eq!(read(&serde_json::to_vec(&plan).unwrap()).unwrap(), plan);
    }

    #[test]
    fn a_mistake_of_form_names_its_place() {
        let at = |what: &str, by: &str| refused(&PLAN.replace(what, by)).join("\n");
        assert!(
            at("\"vm\": \"v\", ", "").starts_with("/steps/1: found missing field `vm`"),
            "{}",
            at("\"vm\": \"v\", ", "")
        );
        assert!(at("\"normal\"", "\"brave\"").starts_with("/profile: found unknown variant `brave`"));
        assert!(at("2026-11-21T00:00:00Z", "tomorrow").starts_with("/starts_at: "));
        assert!(
            at("\"cluster\": \"c\"", "\"cluster\": \"\"").contains("/steps/0: found an id must not be empty")
        );
        assert!(
            at("\"id\": 1", "\"id\": -1").starts_with("/steps/1/id: "),
            "{}",
            at("\"id\": 1", "\"id\": -1")
        );
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused_with_its_place() {
        let wave = r#""waves": [{"number": 1, "layer": "host", "elements": [], "start_s": 0, "end_s": 0, "soak_until_s": 0}],
            "soaking": [{"element": "h", "change": "c", "until_s": 1, "since": "seen"}],
            "left_out": [{"element": "h", "change": "c", "deferred": false}]"#;
        let plan = PLAN.replace("\"waves\": []", wave);
        assert_eq!(read(plan.as_bytes()).map(|it| it.waves.len()), Ok(1));
        for (place, before) in [
            ("", "\"made_from\""),
            ("/made_from", "\"fleet\""),
            ("/waves/0", "\"number\""),
            ("/steps/0", "\"id\": 0"),
            ("/steps/0", "\"cluster\""),
            ("/steps/1", "\"vm\""),
            ("/soaking/0", "\"until_s\""),
            ("/left_out/0", "\"deferred\""),
        ] {
            let told = refused(&plan.replacen(before, &format!("\"gentle\": true, {before}"), 1)).join("\n");
            let named = told.starts_with(place) || (place.is_empty() && told.starts_with("/gentle"));
            assert!(named && told.contains("unknown field `gentle`"), "{before}: {told}");
        }
        // A field of another kind of step is none of this one.
        let told = refused(&plan.replacen("\"cluster\"", "\"live\": true, \"cluster\"", 1)).join("\n");
        assert!(told.starts_with("/steps/0: found unknown field `live`"), "{told}");
    }

    #[test]
    fn the_schema_takes_what_is_read_and_no_key_that_nobody_knows() {
        let schema = super::super::schema();
        assert!(jsonschema::meta::is_valid(&schema));
        let takes = |text: &str| jsonschema::is_valid(&schema, &serde_json::from_str(text).unwrap());
        assert!(takes(PLAN));
        for before in ["\"made_from\"", "\"fleet\"", "\"id\": 0", "\"vm\""] {
            assert!(!takes(&PLAN.replacen(before, &format!("\"gentle\": true, {before}"), 1)), "{before}");
        }
    }

    #[test]
    fn what_is_no_plan_is_refused_as_what_it_is() {
        assert!(refused("").join("").contains("valid JSON"));
        assert!(refused("{\"format\": ").join("").contains("valid JSON"));
        assert!(refused("{}").join("").contains("missing field"));
        assert!(refused(&format!("{PLAN}{{}}")).join("").contains("trailing characters"));
        let other = refused(&PLAN.replace("plan/1", "plan/2"));
        assert!(other[0].starts_with("/format: found \"underpin/plan/2\""), "{other:?}");
        assert!(refused("{\"format\": \"underpin/fleet/1\"}")[0].starts_with("/format: "));
    }

    #[test]
    fn mistakes_of_meaning_are_found_at_once() {
        let text = PLAN.replace("00:00:00Z\", \"profile\"", "00:00:00.5Z\", \"profile\"").replace(
            "\"fleet\": \"small\"",
            "\"fleet\": \"small\", \"fleet_sha256\": \"ABC\", \"policy_sha256\": \"0\"",
        );
        let all = refused(&text);
        let places: Vec<&str> = all.iter().filter_map(|it| it.split(": ").next()).collect();
        assert_eq!(places, ["/starts_at", "/made_from/fleet_sha256", "/made_from/policy_sha256"]);
    }
}
