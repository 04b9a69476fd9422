//! A fact table is read or refused with a place and a reason, be it the table that it looks like or the one that the first
//! byte names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_feeds::tables;
use underpin_model::facts::Format;

const TABLES: [Format; 11] = [
    Format::DebianAdvisories,
    Format::EsxiBuilds,
    Format::VcenterReleases,
    Format::VmsaFacts,
    Format::XenAdvisories,
    Format::XenNotApplicable,
    Format::MsrcUpdates,
    Format::ReleaseHistory,
    Format::EndOfLife,
    Format::MicrocodeHistory,
    Format::CveIndex,
];

fn check(bytes: &[u8], format: Format) {
    match tables::parse(bytes, format) {
        Ok(document) => assert_eq!(document.format, format),
        Err(defect) => {
            assert_eq!(defect.format, Some(format));
            assert!(!defect.reason.is_empty());
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(format) = tables::recognise(bytes) {
        check(bytes, format);
    }
    // Seeds name their table by a letter, a to k.
    if let Some((first, table)) = bytes.split_first()
        && let Some(format) = TABLES.get(usize::from(first.wrapping_sub(b'a')))
    {
        check(table, *format);
    }
});
