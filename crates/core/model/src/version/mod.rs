//! The order of versions, exactly as each platform's own tools have it.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

pub mod dpkg;
pub mod esxi;
pub mod generic;
pub mod hex;
pub mod rpm;
pub mod table;
pub mod windows_kb;

/// How versions are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Debian policy: `[epoch:]upstream[-revision]`, tilde before everything.
    Dpkg,
    /// RPM: `[epoch:]version[-release]`, tilde and caret.
    Rpm,
    /// ESXi and vCenter: builds, ordered within one update train only.
    Esxi,
    /// XCP-ng and XenServer: RPM order on their own releases.
    XcpNg,
    /// Windows KB numbers: ordered by supersedence only, never by number.
    WindowsKb,
    /// Hexadecimal revisions (microcode).
    Hex,
    /// Dotted versions in the manner of semver, lenient.
    Generic,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 7] =
        [Self::Dpkg, Self::Rpm, Self::Esxi, Self::XcpNg, Self::WindowsKb, Self::Hex, Self::Generic];

    /// The scheme of a [name](Self::name); letter case is ignored.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// The name on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
            Self::Esxi => "esxi",
            Self::XcpNg => "xcp-ng",
            Self::WindowsKb => "windows-kb",
            Self::Hex => "hex",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The first version is less than, equal to or greater than the second.
    Ordered(Ordering),
    /// The scheme does not order these two (ESXi builds of different update trains, KBs without a chain).
    Incomparable,
}

/// A text that is not a version of its scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{version:?} is not a {scheme} version: {reason}")]
pub struct InvalidVersion {
    /// The scheme.
    pub scheme: Scheme,
    /// The text, cut to 80 characters.
    pub version: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl InvalidVersion {
    pub(crate) fn new(scheme: Scheme, version: &str, reason: &'static str) -> Self {
        Self { scheme, version: version.chars().take(80).collect(), reason }
    }
}

/// Compares two versions in a scheme.
///
/// Two versions may be equal in their order and still be different texts (`1.0` and `1.0-0` for dpkg).
/// Runs in time linear in the texts, with no limit on the size of a number. Nothing is allocated unless a text is
/// rejected.
///
/// # Errors
/// [`InvalidVersion`] for a text that the platform's own tool would reject.
pub fn compare(scheme: Scheme, left: &str, right: &str) -> Result<Comparison, InvalidVersion> {
    match scheme {
        Scheme::Dpkg => dpkg::compare(left, right).map(Comparison::Ordered),
        Scheme::Rpm | Scheme::XcpNg => rpm::compare(scheme, left, right).map(Comparison::Ordered),
        Scheme::Esxi => esxi::compare(left, right),
        Scheme::WindowsKb => windows_kb::compare(left, right),
        Scheme::Hex => hex::compare(left, right).map(Comparison::Ordered),
        Scheme::Generic => generic::compare(left, right).map(Comparison::Ordered),
    }
}

/// Which of two releases of a product is the later one, whatever fixes each has: as [`compare`] says, but for ESXi and vCenter, whose
/// update trains follow each other ([`esxi::succession`]).
///
/// # Errors
/// [`InvalidVersion`] for a text that the platform's own tool would reject.
pub fn succession(scheme: Scheme, left: &str, right: &str) -> Result<Comparison, InvalidVersion> {
    match scheme {
        Scheme::Esxi => esxi::succession(left, right),
        _ => compare(scheme, left, right),
    }
}

/// Orders two runs of digits by value, whatever their length: machine integers would overflow on dates glued to counters.
pub(crate) fn by_value(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (without_leading_zeros(left), without_leading_zeros(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// Splits off the longest start whose bytes all pass.
pub(crate) fn take_while(text: &[u8], pass: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| pass(**byte)).count())
}
