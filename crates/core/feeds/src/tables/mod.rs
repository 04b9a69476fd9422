//! Fact tables: facts extracted from sources that publish no machine-readable advisories, one file per table.
//!
//! A table is recognised from its own header (CSV), from the keys of its first object (JSON) or from its first line
//! (YAML), never from a file name. It is accepted whole or not at all: one bad row refuses the table, because a
//! silently shorter table would turn an affected host into one that nobody speaks of.
//!
//! ```
//! use underpin_feeds::tables;
//! use underpin_model::facts::Format;
//!
//! let table = b"date,id,source,cves,fixed\n2023-03-25,DSA-5378-1,xen,CVE-2022-23824,bullseye=4.14.5+94-ge49571868d-1\n";
//! assert_eq!(tables::recognise(table), Some(Format::DebianAdvisories));
//! let document = tables::parse(table, Format::DebianAdvisories)?;
//! assert_eq!(document.advisories.len(), 1);
//! # Ok::<(), underpin_feeds::Defect>(())
//! ```

mod conditions;
mod cve_index;
mod debian_advisories;
mod end_of_life;
mod esxi_builds;
mod microcode_history;
mod msrc_updates;
mod promises;
mod recognition;
mod release_history;
mod rows;
#[cfg(test)]
mod tests;
mod vcenter_releases;
mod vmsa_facts;
mod vmware;
mod xen_advisories;
mod xen_not_applicable;

pub use recognition::recognise;

use underpin_model::facts::{Document, Format};

use crate::{Defect, Position};

/// Parses a table that [`recognise`] named.
///
/// # Errors
/// [`Defect`] with the line (CSV, JSON lines, YAML) or the JSON pointer of the first bad value, its column, the value
/// and what was expected there; also if `format` is not a table at all.
pub fn parse(bytes: &[u8], format: Format) -> Result<Document, Defect> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match format {
        Format::DebianAdvisories => debian_advisories::parse(bytes),
        Format::EsxiBuilds => esxi_builds::parse(bytes),
        Format::VcenterReleases => vcenter_releases::parse(bytes),
        Format::VmsaFacts => vmsa_facts::parse(bytes),
        Format::XenAdvisories => xen_advisories::parse(bytes),
        Format::XenNotApplicable => xen_not_applicable::parse(bytes),
        Format::MsrcUpdates => msrc_updates::parse(bytes),
        Format::ReleaseHistory => release_history::parse(bytes),
        Format::EndOfLife => end_of_life::parse(bytes),
        Format::MicrocodeHistory => microcode_history::parse(bytes),
        Format::CveIndex => cve_index::parse(bytes),
        Format::Conditions => conditions::parse(bytes),
        Format::Csaf | Format::Cve5 | Format::Osv | Format::Kev | Format::Epss => Err(Defect {
            at: Position::Pointer(String::new()),
            reason: format!("{format} is no fact table; read it with its own parser"),
            format: Some(format),
        }),
    }
}
