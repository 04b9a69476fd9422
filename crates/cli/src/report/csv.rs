//! The report as CSV: one row per exposure.

use std::io::{self, Write};

use underpin_exposure::report::{Need, Needed};
use underpin_exposure::{Assessment, Exposure, Used};

use crate::output;

const HEADER: [&str; 19] = [
    "asset_kind",
    "asset",
    "component",
    "version",
    "running_version",
    "vulnerability",
    "status",
    "reasons",
    "kev",
    "epss",
    "cvss",
    "cvss_vector",
    "ssvc",
    "due",
    "fix_version",
    "fix_advisory",
    "fix_needs",
    "fix_needed_here",
    "fix_needed_why",
];

/// Writes the rows as RFC 4180 wants them: a header, lines that end with CR LF.
pub(crate) fn write(assessment: &Assessment, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(HEADER).map_err(cause)?;
    for exposure in assessment.exposures() {
        writer.write_record(record(&exposure).map(|cell| harmless(&cell))).map_err(cause)?;
    }
    writer.flush()
}

/// The error of the output itself, so that a closed pipe is known as one.
pub(crate) fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("cannot write CSV: {other:?}")),
    }
}

fn record(exposure: &Exposure<'_>) -> [String; HEADER.len()] {
    let row = exposure.row();
    let kind = super::table::kind_name(row.asset_kind);
    let reasons: Vec<&str> = row.reasons.iter().map(|reason| &*reason.text).collect();
    let fix = row.fix.as_ref();
    [
        kind.to_owned(),
        row.asset.to_string(),
        row.component.to_string(),
        row.version.to_string(),
        row.running_version.as_deref().unwrap_or_default().to_owned(),
        row.vulnerability.as_ref().map(ToString::to_string).unwrap_or_default(),
        row.status.name().to_owned(),
        reasons.join("; "),
        row.kev.map(|day| day.to_string()).unwrap_or_default(),
        row.epss.map(|value| value.to_string()).unwrap_or_default(),
        row.cvss.as_ref().map(|cvss| format!("{:.1}", cvss.score)).unwrap_or_default(),
        row.cvss.as_ref().map(|cvss| cvss.vector.clone()).unwrap_or_default(),
        row.ssvc.as_ref().map(|ssvc| ssvc.decision.to_string()).unwrap_or_default(),
        row.due.as_ref().and_then(|due| due.date).map(|day| day.to_string()).unwrap_or_default(),
        fix.and_then(|fix| fix.version.as_deref()).unwrap_or_default().to_owned(),
        fix.and_then(|fix| fix.advisory.as_ref()).map(ToString::to_string).unwrap_or_default(),
        fix.map(|fix| needs(&fix.needs)).unwrap_or_default(),
        fix.map(|fix| needed(&fix.needed).to_owned()).unwrap_or_default(),
        fix.map(|fix| fix.needed.why().to_owned()).unwrap_or_default(),
    ]
}

/// A spreadsheet runs a cell that begins like a formula: a hostile package name must not become one.
pub(crate) fn harmless(cell: &str) -> String {
    let cell = output::harmless(cell);
    // Some programs pass over spaces before they look for a formula.
    let formula = cell.starts_with(['\t', '\n']) || cell.trim_start().starts_with(['=', '+', '-', '@']);
    if formula { format!("'{cell}") } else { cell }
}

/// Whether what a fix repairs is used.
pub(crate) fn needed(needed: &Needed) -> &'static str {
    match needed {
        Needed::Yes { .. } => "yes",
        Needed::No { .. } => "no",
        Needed::Unknown { .. } => "unknown",
    }
}

/// On how many assets what a fix repairs is used: `used on 3, not on 2, not known on 7`.
pub(crate) fn used(used: Used) -> String {
    let words = [(used.yes, "used"), (used.no, "not used"), (used.unknown, "not known whether used")];
    let words =
        words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{word} on {count}"));
    words.collect::<Vec<_>>().join(", ")
}

/// What a fix needs, in words.
pub(crate) fn needs(needs: &[Need]) -> String {
    needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_none_also_behind_spaces() {
        for cell in ["=cmd|calc", " =cmd", "\t=cmd", "\u{a0} +1", "  -1", "\n@sum", "\tx"] {
            assert_eq!(harmless(cell), format!("'{cell}"), "{cell:?}");
        }
        for cell in ["", "qemu-kvm", " plain", "1=1"] {
            assert_eq!(harmless(cell), cell);
        }
    }
}
