//! The built-in facts: what the tool knows before it has read any feed.
//!
//! The files in `facts/` are generated from the reference data by `cargo xtask facts` and committed, so that a change of
//! a fact is a line in a diff. They hold facts only (ids, days, builds, versions, severities, vectors), no prose and no
//! titles, in the same formats that the parsers of this crate read. `facts/manifest.json` says for each file where
//! it comes from, how many rows it has and which days it spans. EPSS is not among them: a score is stale after a day.
//!
//! One file is kept by hand, because the reference data holds none of the advisories that it names:
//! `general-knowledge/conditions.csv`. Its rows are from general knowledge and not reviewed; a row that would close
//! a vulnerability is a hint and never closes anything, whatever its review columns say. What is built in may only
//! demand more.
//!
//! ```
//! for (file, document) in underpin_feeds::builtin::documents() {
//!     if let Ok(document) = document {
//!         println!("{file}: {} releases", document.releases.len());
//!     }
//! }
//! ```

use underpin_model::facts::Document;

use crate::{Defect, Parsed, Position};

/// What the built-in facts are made of: JSON with `files: [{file, origin, rows, from, to, sha256}]`.
pub const MANIFEST: &str = include_str!("../facts/manifest.json");

/// Files with one document each.
const FILES: [(&str, &str); 12] = [
    ("cve-index.csv", include_str!("../facts/cve-index.csv")),
    ("debian-advisories.csv", include_str!("../facts/debian-advisories.csv")),
    ("end-of-life.json", include_str!("../facts/end-of-life.json")),
    ("esxi-builds.csv", include_str!("../facts/esxi-builds.csv")),
    ("kev.json", include_str!("../facts/kev.json")),
    ("microcode-history.csv", include_str!("../facts/microcode-history.csv")),
    ("msrc-updates.csv", include_str!("../facts/msrc-updates.csv")),
    ("release-history.jsonl", include_str!("../facts/release-history.jsonl")),
    ("vcenter-releases.json", include_str!("../facts/vcenter-releases.json")),
    ("vmsa-facts.json", include_str!("../facts/vmsa-facts.json")),
    ("xen-advisories.yml", include_str!("../facts/xen-advisories.yml")),
    ("xen-not-applicable.json", include_str!("../facts/xen-not-applicable.json")),
];

/// Files with one document a line.
const LINES: [(&str, &str); 1] = [("almalinux.jsonl", include_str!("../facts/almalinux.jsonl"))];

/// Conditions from general knowledge, which only demand or hint.
const GENERAL_KNOWLEDGE: (&str, &str) =
    ("conditions.csv", include_str!("../general-knowledge/conditions.csv"));

/// The built-in facts, parsed, each with the name of the file that it is from.
///
/// A [`Defect`] here is a fault of the build, not of the user's input; it is handed on like any other so that one bad
/// file does not silence the rest.
pub fn documents() -> impl Iterator<Item = (&'static str, Result<Document, Defect>)> {
    let lines = LINES.into_iter().flat_map(|(file, text)| text.lines().map(move |line| (file, line)));
    let files = FILES.into_iter().chain([GENERAL_KNOWLEDGE]).chain(lines);
    files.map(|(file, text)| (file, read(text.as_bytes()).map(untitled).map(not_reviewed)))
}

/// Only a document that its user can see and change may close a vulnerability.
fn not_reviewed(mut document: Document) -> Document {
    for condition in &mut document.conditions {
        condition.reviewed = None;
    }
    document
}

/// The summaries that are left hold a severity and no title.
fn untitled(mut document: Document) -> Document {
    for advisory in &mut document.advisories {
        advisory.title = None;
    }
    document
}

fn read(bytes: &[u8]) -> Result<Document, Defect> {
    match crate::parse(bytes)? {
        Parsed::Document(document) => Ok(*document),
        Parsed::Ignored { reason } => Err(Defect {
            at: Position::Pointer(String::new()),
            reason: format!("no document: {reason}"),
            format: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_read_as_what_its_file_is_named() {
        let (mut files, mut lines) = (0, 0);
        for (file, document) in documents() {
            let document = document.unwrap_or_else(|defect| panic!("{file}: {defect:?}"));
            let format = document.format.name();
            match file {
                "almalinux.jsonl" => {
                    assert_eq!(format, "osv", "{}", document.id);
                    lines += 1;
                }
                file => {
                    assert_eq!(file.split_once('.').unwrap().0, format);
                    files += 1;
                }
            }
        }
        assert!(files == FILES.len() + 1 && lines > 400, "{files} files, {lines} lines");
    }

    #[test]
    fn the_manifest_lists_every_file_with_its_rows() {
        let manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
        let listed = manifest["files"].as_array().unwrap();
        let mut total = 0;
        for (file, text) in FILES.into_iter().chain(LINES) {
            let entry = listed.iter().find(|entry| entry["file"] == file).unwrap_or_else(|| panic!("{file}"));
            assert!(entry["rows"].as_u64().unwrap() > 0 && entry["sha256"].as_str().unwrap().len() == 64);
            total += text.len();
        }
        assert_eq!(listed.len(), FILES.len() + LINES.len());
        assert!(total < 4_000_000, "{total} bytes: keep the binary small");
    }

    #[test]
    fn summaries_are_severities() {
        let lines: Vec<serde_json::Value> =
            LINES[0].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summaries: Vec<_> = lines.iter().filter_map(|line| line["summary"].as_str()).collect();
        assert!(summaries.iter().all(|text| ["Low:", "Moderate:", "Important:", "Critical:"].contains(text)));
        assert!(summaries.len() > lines.len() / 2, "{} of {}", summaries.len(), lines.len());
    }

    /// Prose belongs to its authors: no field that holds any is built in.
    #[test]
    fn facts_hold_no_prose() {
        for (file, text) in FILES.into_iter().chain([GENERAL_KNOWLEDGE]).chain(LINES) {
            for field in ["\"details\"", "\"shortDescription\"", "\"vulnerabilityName\"", "releaseNotes"] {
                assert!(!text.contains(field), "{file}: {field}");
            }
        }
    }

    /// A made-up review in the file itself must not help: nobody who runs the program sees it.
    #[test]
    fn no_built_in_condition_is_reviewed() {
        let conditions: Vec<_> = documents().flat_map(|(_, document)| document.unwrap().conditions).collect();
        assert_eq!(conditions.len(), GENERAL_KNOWLEDGE.1.lines().count() - 1);
        assert!(conditions.iter().all(|one| one.reviewed.is_none()));
        let signed = GENERAL_KNOWLEDGE.1.replace("2021-02-23,,", "2021-02-23,somebody,2026-01-01");
        let read = read(signed.as_bytes()).unwrap();
        assert!(read.conditions.iter().any(|one| one.reviewed.is_some()), "the table can hold reviews");
        assert!(not_reviewed(read).conditions.iter().all(|one| one.reviewed.is_none()));
    }
}
