//! What the tables of the reference data state, checked against figures that other code computed from the same files.

mod bad_rows;
mod cadence;
mod contents;
mod fuzzed;

use std::path::PathBuf;

use underpin_model::facts::{Document, Format};

use super::{parse, recognise};

/// The tables of the reference data, by file name.
const FILES: [(&str, Format); 11] = [
    ("debian-dsa-dla-hypervisor-2007-2023.csv", Format::DebianAdvisories),
    ("esxi-builds-2009-2025.csv", Format::EsxiBuilds),
    ("vcenter-releases-2007-2019.json", Format::VcenterReleases),
    ("vmsa-facts.json", Format::VmsaFacts),
    ("xen-xsa-2011-2026.yml", Format::XenAdvisories),
    ("xen-not-applicable.json", Format::XenNotApplicable),
    ("msrc-hyperv-2010-2026.csv", Format::MsrcUpdates),
    ("release-history.jsonl", Format::ReleaseHistory),
    ("endoflife.json", Format::EndOfLife),
    ("microcode-history.csv", Format::MicrocodeHistory),
    ("cve5-hypervisors-index.csv", Format::CveIndex),
];

/// The reference data, or `None` where it is not at hand (a failure if everything is required).
#[allow(clippy::disallowed_methods, reason = "tests read the reference data, the crate itself reads nothing")]
fn feeds() -> Option<PathBuf> {
    let found = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from).or_else(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|above| above.join("shared/data")).find(|data| data.is_dir())
    });
    if found.is_none() {
        assert!(
            std::env::var_os("UNDERPIN_REQUIRE_ALL").is_none_or(|value| value != "1"),
            "shared/data not found, and UNDERPIN_REQUIRE_ALL=1"
        );
        println!("skipped: shared/data not found");
    }
    found.map(|data| data.join("feeds"))
}

#[allow(clippy::disallowed_methods, reason = "tests read the reference data, the crate itself reads nothing")]
fn read(file: &str) -> Option<Vec<u8>> {
    let path = feeds()?.join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn table(format: Format) -> Option<Document> {
    let (file, _) = FILES.iter().find(|(_, of)| *of == format)?;
    let bytes = read(file)?;
    match parse(&bytes, format) {
        Ok(document) => Some(document),
        Err(defect) => panic!("{file}: {defect:?}"),
    }
}
