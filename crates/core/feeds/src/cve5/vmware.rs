//! How VMware's records name ESXi and vCenter versions: `ESXi80U3d-24585383`, `8.0 U2d`, `7.0_u3r`.
//!
//! A record says `version: 8.0, lessThan: ESXi80U3d-24585383`. Each update train has a fix of its own (8.0U2 another
//! than 8.0U3), so the claim is about the train that the fix belongs to; older trains of the line that have no fix
//! of their own in the record are vulnerable altogether.

use std::sync::Arc;

/// A version within an update train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    /// `8.0`.
    pub(super) line: String,
    /// The update, 0 for the first release of the line.
    pub(super) update: u32,
    /// `ESXi80U3d-24585383` or `8.0U2d`: one spelling for all that records use.
    pub(super) version: Arc<str>,
}

impl Release {
    /// The train: `8.0U3`; the line itself for its first release.
    pub(super) fn train(&self) -> String {
        train(&self.line, self.update)
    }
}

/// The name of a train.
pub(super) fn train(line: &str, update: u32) -> String {
    if update == 0 { line.to_owned() } else { format!("{line}U{update}") }
}

/// Reads a release; `None` for a mere line (`8.0`) or anything else.
pub(super) fn release(text: &str) -> Option<Release> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.strip_prefix("esxi") {
        Some(rest) => esxi(rest),
        None => spoken(&lower),
    }
}

/// `80u3d-24585383`, or an older `650-201811001` which names no update: its build alone places it in the line.
fn esxi(rest: &str) -> Option<Release> {
    let (name, build) = rest.split_once('-')?;
    if build.is_empty() || !build.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut digits = name.chars();
    let (major, minor) = (digits.next()?.to_digit(10)?, digits.next()?.to_digit(10)?);
    let tail = digits.as_str();
    let (update, letter) = match tail.strip_prefix('u') {
        Some(update) => number_and_letters(update)?,
        None => (0, ""),
    };
    let version = match tail.strip_prefix('u') {
        Some(_) => format!("ESXi{major}{minor}U{update}{letter}-{build}"),
        None => format!("ESXi{name}-{build}"),
    };
    Some(Release { line: format!("{major}.{minor}"), update, version: version.into() })
}

/// `8.0 u2d`, `8.0u2d`, `7.0_u3r`.
fn spoken(lower: &str) -> Option<Release> {
    let (line, update) = lower.split_once('u')?;
    let line = line.trim_end_matches([' ', '_', '-']);
    let (major, minor) = line.split_once('.')?;
    let (major, minor) = (major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?);
    let (update, letter) = number_and_letters(update.trim())?;
    let line = format!("{major}.{minor}");
    let version = format!("{line}U{update}{letter}").into();
    Some(Release { line, update, version })
}

fn number_and_letters(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, letters) = text.split_at_checked(end)?;
    letters.bytes().all(|byte| byte.is_ascii_lowercase()).then_some(())?;
    // No line has ever had ten updates; a larger number is another notation, and would make claims without end.
    number.parse().ok().filter(|update| *update < 100).map(|update| (update, letters))
}

/// The line that a version text names: `8.0`, `8.0 `, `8.00`, `7.x`.
pub(super) fn line(text: &str) -> Option<String> {
    let text = text.trim();
    let (major, minor) = text.split_once('.')?;
    let major = major.parse::<u32>().ok()?;
    minor.parse::<u32>().ok().map(|minor| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_releases() {
        for (text, train, version) in [
            ("ESXi80U3d-24585383", "8.0U3", "ESXi80U3d-24585383"),
            ("esxi80u2sb-23305545", "8.0U2", "ESXi80U2sb-23305545"),
            ("ESXi70U3p-23307199", "7.0U3", "ESXi70U3p-23307199"),
            ("ESXi80U3-24022510", "8.0U3", "ESXi80U3-24022510"),
            ("ESXi80-20513097", "8.0", "ESXi80-20513097"),
            ("8.0 U2d", "8.0U2", "8.0U2d"),
            ("7.0_u3r", "7.0U3", "7.0U3r"),
            ("8.0U2", "8.0U2", "8.0U2"),
        ] {
            let release = release(text).unwrap();
            assert_eq!((release.train().as_str(), release.version.as_ref()), (train, version), "{text}");
        }
        for text in ["8.0", "ESXi", "ESXi80U3d", "consult", "", "8.0U9999999", "ESXi8-1"] {
            assert_eq!(release(text), None, "{text}");
        }
        assert_eq!(line("8.00 ").as_deref(), Some("8.0"));
    }
}
