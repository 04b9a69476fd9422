//! Reading and writing plan files and their reports.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use underpin_model::plan::{Plan, PlanReport, REPORT_FORMAT};

use crate::exit::Failure;
use crate::facts;

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

/// The bytes of a plan or report as it is written: one value a line, so that two files can be compared line by line.
pub(super) fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::Internal(format!("cannot write JSON: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a plan, with the SHA-256 of its bytes.
pub(super) fn plan(path: &Path) -> Result<(Plan, String), Failure> {
    let bytes = facts::bytes(path)?;
    let plan = crate::verbs::lint::read(path, &bytes)?;
    Ok((plan, sha256(&bytes)))
}

/// Reads the report of a plan with these bytes.
pub(super) fn report(path: &Path, plan_sha256: &str) -> Result<PlanReport, Failure> {
    let report: PlanReport = json(path, &facts::bytes(path)?)?;
    form(path, &report.format, REPORT_FORMAT)?;
    if report.plan_sha256 != plan_sha256 {
        let what = format!(
            "/plan_sha256: found {:?}, expected {plan_sha256:?}, that of the plan: it is the report of another plan, or the \
             plan was edited",
            report.plan_sha256
        );
        return Err(unusable(path, &what));
    }
    Ok(report)
}

fn json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| unusable(path, &format!("{error} (`underpin plan schema` prints the form)")))
}

fn form(path: &Path, found: &str, expected: &str) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(unusable(path, &format!("/format: found {found:?}, expected {expected:?}")))
}

fn unusable(path: &Path, what: &str) -> Failure {
    Failure::Plan { source_name: path.display().to_string(), problems: vec![format!("  {what}")] }
}
