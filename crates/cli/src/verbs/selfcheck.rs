//! `underpin selfcheck`: what Underpin computes against a file of expected values.

use serde_json::Value;

use crate::args::{Plain, Selfcheck};
use crate::exit::{Code, Failure};
use crate::output::{self, List, width};
use crate::selfcheck::{Mismatch, Report, check};
use crate::{facts, output::say};

pub(crate) fn run(arguments: &Selfcheck) -> Result<Code, Failure> {
    let path = &arguments.vectors;
    if !(arguments.tolerance.is_finite() && arguments.tolerance >= 0.0) {
        let found = arguments.tolerance;
        return Err(Failure::Usage(format!(
            "--tolerance: found {found}, expected a finite number, not negative"
        )));
    }
    let text = String::from_utf8(facts::bytes(path)?).map_err(|error| {
        Failure::Table(format!("{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to()))
    })?;
    let report = check(&text, arguments.tolerance)
        .map_err(|error| Failure::Table(format!("{}: {error}", path.display())))?;
    match arguments.format {
        Plain::Json => output::json(&report)?,
        Plain::Table => output::data(&table(&report))?,
    }
    say!(
        "{} sections, {} rows, {} values, {} mismatches",
        report.sections.len(),
        report.rows,
        report.values,
        report.mismatches.len()
    );
    Ok(if report.mismatches.is_empty() { Code::Done } else { Code::Findings })
}

fn table(report: &Report) -> String {
    let mut text: String = report.mismatches.iter().map(|it| output::harmless(&line(it)) + "\n").collect();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut list = List::new(&["SECTION", "ROWS", "VALUES", "LARGEST ERROR", "MISMATCHES"], width());
    for it in &report.sections {
        let error = format!("{:.1e}", it.largest_error);
        list.row([
            it.section.clone(),
            it.rows.to_string(),
            it.values.to_string(),
            error,
            it.mismatches.to_string(),
        ]);
    }
    let largest = report.sections.iter().map(|it| it.largest_error).fold(0.0, f64::max);
    list.row([
        "total".to_owned(),
        report.rows.to_string(),
        report.values.to_string(),
        format!("{largest:.1e}"),
        report.mismatches.len().to_string(),
    ]);
    text + &list.to_string()
}

/// `section[row].output: problem: expected E, got G, relative error R`.
fn line(it: &Mismatch) -> String {
    let mut line = it.section.clone();
    if let Some(row) = it.row {
        line += &format!("[{row}]");
    }
    if let Some(output) = &it.output {
        line += &format!(".{output}");
    }
    line += &format!(": {}", it.problem);
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    if it.output.is_some() {
        line += &format!(": expected {}, got {}", shown(&it.expected), shown(&it.got));
    }
    if let Some(error) = it.relative_error {
        line += &format!(", relative error {error:.3e}");
    }
    line
}
