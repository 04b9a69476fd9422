//! What is wrong, or suspicious, in a fleet file: the place, the value, the expectation and the way out.

use std::fmt;

use serde::Serialize;

/// Most errors, and most warnings, that one reading lists; one more line then tells how many there were beyond it.
/// A file with a systematic mistake in 200,000 VMs is told so without a report larger than the file.
pub const MAX_FINDINGS: usize = 1000;

/// Longest excerpt of a value, in characters.
const MAX_EXCERPT: usize = 80;

/// One mistake in a fleet file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, thiserror::Error)]
pub struct FleetError {
    /// JSON pointer to the place (RFC 6901); empty: the whole file.
    pub path: String,
    /// What is there, shortened.
    pub found: String,
    /// What was expected there.
    pub expected: String,
    /// The way out, where there is more to say than the expectation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Something that does not make the file unusable, but will leave something unknown or is likely a slip.
pub type FleetWarning = FleetError;

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the file" } else { &self.path };
        write!(f, "{place}: found {}, expected {}", self.found, self.expected)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl FleetError {
    /// A finding without further help.
    pub(super) fn new(
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), found: found.into(), expected: expected.into(), help: None }
    }

    /// The same with a way out.
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A value in quotes, cut to a length that a line can hold.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((cut, _)) => format!("{:?}... ({} characters)", &text[..cut], text.chars().count()),
        None => format!("{text:?}"),
    }
}

/// A key as a segment of a JSON pointer.
pub(super) fn segment(key: &str) -> String {
    let shown: String = key.chars().take(MAX_EXCERPT).collect();
    shown.replace('~', "~0").replace('/', "~1")
}

/// Findings in the order they were made, each list up to [`MAX_FINDINGS`].
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<FleetError>,
    warnings: Vec<FleetWarning>,
    more_errors: usize,
    more_warnings: usize,
}

impl Findings {
    /// The text of a finding is made only while there is room: a million findings must not cost a million texts.
    pub(super) fn error(&mut self, finding: impl FnOnce() -> FleetError) {
        if self.errors.len() < MAX_FINDINGS {
            self.errors.push(finding());
        } else {
            self.more_errors += 1;
        }
    }

    pub(super) fn warning(&mut self, finding: impl FnOnce() -> FleetWarning) {
        if self.warnings.len() < MAX_FINDINGS {
            self.warnings.push(finding());
        } else {
            self.more_warnings += 1;
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Errors and warnings, each with a last line for those beyond the limit.
    pub(super) fn finish(mut self) -> (Vec<FleetError>, Vec<FleetWarning>) {
        let rest = |more: usize| {
            FleetError::new(
                "",
                format!("{more} more findings of this kind"),
                format!("at most {MAX_FINDINGS}"),
            )
            .with_help("mend those listed and read the file again")
        };
        if self.more_errors > 0 {
            self.errors.push(rest(self.more_errors));
        }
        if self.more_warnings > 0 {
            self.warnings.push(rest(self.more_warnings));
        }
        (self.errors, self.warnings)
    }
}
