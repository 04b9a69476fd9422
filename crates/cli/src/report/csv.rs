//! The report as CSV: one row per exposure.

use underpin_exposure::Assessment;
use underpin_exposure::report::Need;

use crate::exit::Failure;

const HEADER: [&str; 17] = [
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
];

pub(crate) fn render(assessment: &Assessment) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Failure::Internal(format!("cannot write CSV: {error}"));
    writer.write_record(HEADER).map_err(failed)?;
    for exposure in assessment.exposures() {
        let row = exposure.row();
        let kind = super::table::kind_name(row.asset_kind);
        let reasons: Vec<&str> = row.reasons.iter().map(|reason| &*reason.text).collect();
        let fix = row.fix.as_ref();
        let record = [
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
        ];
        writer.write_record(record.map(harmless)).map_err(failed)?;
    }
    let bytes =
        writer.into_inner().map_err(|error| Failure::Internal(format!("cannot write CSV: {error}")))?;
    String::from_utf8(bytes).map_err(|error| Failure::Internal(format!("cannot write CSV: {error}")))
}

/// A spreadsheet runs a cell that begins like a formula: a hostile package name must not become one.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

/// What a fix needs, in words.
pub(crate) fn needs(needs: &[Need]) -> String {
    let words = needs.iter().map(|need| match need {
        Need::Install { component, version } => format!("install {component} {version}"),
        Need::RebootHost => "reboot the host".to_owned(),
        Need::RestartService { component } => format!("restart {component}"),
        Need::RecreateGuests => "move or restart its guests".to_owned(),
        Need::ColdStartGuests => "cold-start its guests".to_owned(),
        Need::Set { setting, value } => format!("set {setting}={value}"),
        Need::LoadFirmware { revision } => format!("load revision {revision}"),
    });
    words.collect::<Vec<_>>().join(", ")
}
