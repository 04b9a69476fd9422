//! Checks what Underpin computes against a file of expected values: section by section, row by row, output by output.
//!
//! The file is an object of sections; a section is a list of rows (or one row), a row holds the inputs of a formula and the
//! outputs that are expected. Nothing passes unseen: a section without a formula here, an output that is missing in the file, one
//! that no formula gives, and a row whose inputs are missing or wrong are all told, as are values that differ.

mod compare;
mod duplicates;
mod gate;
mod planner;
mod risk;
mod row;

use serde::Serialize;
use serde_json::{Map, Value};

use self::compare::difference;
use self::duplicates::duplicates;
use self::row::{BadRow, Got, Row};

/// What a formula gives for a row: outputs by name.
type Outputs = Vec<(&'static str, Got)>;

/// A section that can be checked.
struct Section {
    name: &'static str,
    inputs: &'static [&'static str],
    compute: fn(&Row<'_>) -> Result<Outputs, BadRow>,
}

fn section(name: &str) -> Option<&'static Section> {
    [risk::SECTIONS, gate::SECTIONS, planner::SECTIONS].into_iter().flatten().find(|it| it.name == name)
}

/// One thing that is not as the file says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Mismatch {
    /// Section.
    pub(crate) section: String,
    /// Row, counted from 0; none: the section itself.
    pub(crate) row: Option<usize>,
    /// Output; none: the whole row or section.
    pub(crate) output: Option<String>,
    /// What is wrong.
    pub(crate) problem: String,
    /// Value of the file.
    pub(crate) expected: Option<Value>,
    /// Value computed here.
    pub(crate) got: Option<Value>,
    /// `|got - expected| / |expected|`, where both are numbers (of a list: the largest).
    pub(crate) relative_error: Option<f64>,
}

/// Result of one section.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Checked {
    /// Name.
    pub(crate) section: String,
    /// Rows in the file.
    pub(crate) rows: usize,
    /// Values compared; each element of a list counts.
    pub(crate) values: usize,
    /// The largest relative error among numbers, whether they agree or not.
    pub(crate) largest_error: f64,
    /// How many mismatches.
    pub(crate) mismatches: usize,
}

/// Result of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Relative error up to which numbers agree.
    pub(crate) tolerance: f64,
    /// Sections in the order of their names.
    pub(crate) sections: Vec<Checked>,
    /// Rows of all sections.
    pub(crate) rows: usize,
    /// Values compared in all sections.
    pub(crate) values: usize,
    /// Everything that is not as the file says.
    pub(crate) mismatches: Vec<Mismatch>,
}

/// Checks a file of expected values.
///
/// # Errors
/// The text is no JSON object, or holds no section.
pub(crate) fn check(text: &str, tolerance: f64) -> Result<Report, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(sections) = file else {
        return Err("expected an object of sections".to_owned());
    };
    if sections.is_empty() {
        return Err("holds no section: nothing would be checked".to_owned());
    }
    let mut report = Report { tolerance, sections: Vec::new(), rows: 0, values: 0, mismatches: Vec::new() };
    for (name, rows) in &sections {
        let checked = check_section(name, rows, tolerance, &mut report.mismatches);
        report.rows += checked.rows;
        report.values += checked.values;
        report.sections.push(checked);
    }
    for path in duplicates(text).map_err(|error| error.to_string())? {
        report.tell_twice(&path);
    }
    Ok(report)
}

impl Report {
    /// Of what comes twice in the file only the last was checked.
    fn tell_twice(&mut self, path: &[String]) {
        let [section, within @ ..] = path else { return };
        let row = within.first().and_then(|it| it.parse().ok());
        let name = path.last().map_or("", String::as_str);
        let problem = match within {
            [] => "this section comes twice, of which only the last was checked".to_owned(),
            _ => format!("the key {name:?} comes twice, of which only the last was checked"),
        };
        self.mismatches.push(whole(section, row, problem));
        if let Some(checked) = self.sections.iter_mut().find(|it| it.section == *section) {
            checked.mismatches += 1;
        }
    }
}

fn check_section(name: &str, rows: &Value, tolerance: f64, mismatches: &mut Vec<Mismatch>) -> Checked {
    let before = mismatches.len();
    let rows = match rows {
        Value::Array(rows) => rows.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut checked =
        Checked { section: name.to_owned(), rows: rows.len(), values: 0, largest_error: 0.0, mismatches: 0 };
    match section(name) {
        None => mismatches.push(whole(name, None, "unknown section: no formula is known for it".to_owned())),
        Some(_) if rows.is_empty() => mismatches.push(whole(name, None, "no rows".to_owned())),
        Some(section) => {
            for (at, row) in rows.iter().enumerate() {
                let Value::Object(row) = row else {
                    mismatches.push(whole(name, Some(at), format!("expected an object, found {row}")));
                    continue;
                };
                match (section.compute)(&Row(row)) {
                    Ok(outputs) => {
                        check_row(section, at, row, &outputs, tolerance, &mut checked, mismatches);
                    }
                    Err(BadRow(problem)) => mismatches.push(whole(name, Some(at), problem)),
                }
            }
        }
    }
    checked.mismatches = mismatches.len() - before;
    checked
}

fn check_row(
    section: &Section,
    at: usize,
    row: &Map<String, Value>,
    outputs: &Outputs,
    tolerance: f64,
    checked: &mut Checked,
    mismatches: &mut Vec<Mismatch>,
) {
    let mut told =
        |output: &str, problem: &str, expected: Option<&Value>, got: Option<&Got>, relative_error| {
            mismatches.push(Mismatch {
                section: section.name.to_owned(),
                row: Some(at),
                output: Some(output.to_owned()),
                problem: problem.to_owned(),
                expected: expected.cloned(),
                got: got.map(Got::to_json),
                relative_error,
            });
        };
    for (output, got) in outputs {
        let Some(expected) = row.get(*output) else {
            told(output, "the file does not say it", None, Some(got), None);
            continue;
        };
        checked.values += got.values();
        match difference(expected, got) {
            Some(error) => {
                checked.largest_error = checked.largest_error.max(error);
                if error > tolerance {
                    told(output, "differs", Some(expected), Some(got), Some(error));
                }
            }
            None => told(output, "differs", Some(expected), Some(got), None),
        }
    }
    let known = |name: &str| section.inputs.contains(&name) || outputs.iter().any(|it| it.0 == name);
    for (name, expected) in row.iter().filter(|it| !known(it.0)) {
        told(name, "no formula gives it", Some(expected), None, None);
    }
}

fn whole(section: &str, row: Option<usize>, problem: String) -> Mismatch {
    Mismatch {
        section: section.to_owned(),
        row,
        output: None,
        problem,
        expected: None,
        got: None,
        relative_error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A formula reads no input that its section does not list: otherwise a missing output could hide behind an input.
    #[test]
    fn every_listed_input_is_needed_and_no_other_is_read() {
        let all = [risk::SECTIONS, gate::SECTIONS, planner::SECTIONS];
        for section in all.into_iter().flatten() {
            let nothing = Map::new();
            let Err(BadRow(problem)) = (section.compute)(&Row(&nothing)) else {
                panic!("{} computes from nothing", section.name);
            };
            let missing = section.inputs.iter().any(|input| problem == format!("input {input} is missing"));
            assert!(missing, "{}: {problem}", section.name);
        }
    }

    #[test]
    fn nothing_to_check_is_an_error() {
        for text in ["{}", "[]", "3", "{", ""] {
            assert!(check(text, 1e-9).is_err(), "{text}");
        }
    }
}
