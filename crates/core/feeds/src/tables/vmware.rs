//! What the VMware tables share: how a release name tells its train, and how a bulletin tells its class.

use std::sync::Arc;

use underpin_model::facts::PatchClass;

/// The line of a version: `5.1` of `5.1.0`.
pub(super) fn line(version: &str) -> Option<Arc<str>> {
    let mut parts = version.trim().split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(major) && number(minor)).then(|| format!("{major}.{minor}").into())
}

/// The update train that a release name tells (`U3d`, `Update 3d`, `P05 (U3e)` -> `8.0U3`); the line itself where the
/// name tells none: general availability, lettered base releases (`8.0b`), express and numbered patches.
pub(super) fn train(line: &Arc<str>, name: &str) -> Arc<str> {
    match update_number(name) {
        Some(update) => format!("{line}U{update}").into(),
        None => Arc::clone(line),
    }
}

fn update_number(name: &str) -> Option<&str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .zip(name.split(|c: char| !c.is_ascii_alphanumeric()).skip(1).chain(std::iter::once("")))
        .find_map(|(word, next)| {
            let digits = if word.eq_ignore_ascii_case("update") { next } else { word.strip_prefix('U')? };
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            digits.get(..end).filter(|number| !number.is_empty())
        })
}

/// What a bulletin is for, from the suffix that its issuer gives it: `-SG` security, `-BG` bug fix, `-UG` update.
pub(super) fn bulletin_class(bulletin: &str) -> Option<PatchClass> {
    match bulletin.rsplit_once('-').map(|(_, suffix)| suffix) {
        Some("SG") => Some(PatchClass::Security),
        Some("BG") => Some(PatchClass::BugFix),
        Some("UG") => Some(PatchClass::Feature),
        _ => None,
    }
}
