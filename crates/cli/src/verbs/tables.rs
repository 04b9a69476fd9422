//! `underpin version compare` and `underpin cvss`: single values, and tables of expected ones.

use std::cmp::Ordering;
use std::path::Path;

use underpin_model::cvss;
use underpin_model::version::{self, Comparison, Scheme};

use crate::args::{Compare, CvssTable, VersionVerb};
use crate::exit::{Code, Failure};
use crate::output::say;
use crate::{facts, output};

pub(crate) fn version(verb: &VersionVerb) -> Result<Code, Failure> {
    let VersionVerb::Compare(arguments) = verb;
    let scheme = Scheme::from_name(&arguments.scheme).ok_or_else(|| {
        Failure::Usage(format!(
            "there is no version scheme {:?}; expected dpkg, rpm, esxi, xcp-ng, windows-kb, hex or generic",
            arguments.scheme
        ))
    })?;
    match (&arguments.tsv, arguments) {
        (Some(path), _) => {
            let outcome = version::table::check(scheme, &text(path)?)
                .map_err(|error| Failure::Table(format!("{}: {error}", path.display())))?;
            told(outcome.rows, &outcome.mismatches)
        }
        (None, Compare { left: Some(left), right: Some(right), .. }) => {
            let sign = match version::compare(scheme, left, right)
                .map_err(|error| Failure::Table(error.to_string()))?
            {
                Comparison::Ordered(Ordering::Less) => "<",
                Comparison::Ordered(Ordering::Equal) => "=",
                Comparison::Ordered(Ordering::Greater) => ">",
                Comparison::Incomparable => "cannot be compared with",
            };
            output::plain(&format!("{left} {sign} {right}\n"))?;
            Ok(Code::Done)
        }
        _ => Err(Failure::Usage("expected two versions, or --tsv FILE".to_owned())),
    }
}

pub(crate) fn cvss(arguments: &CvssTable) -> Result<Code, Failure> {
    match (&arguments.tsv, &arguments.vector) {
        (Some(path), _) => {
            let outcome = cvss::table::check(&text(path)?)
                .map_err(|error| Failure::Table(format!("{}: {error}", path.display())))?;
            told(outcome.rows, &outcome.mismatches)
        }
        (None, Some(vector)) => {
            let score = cvss::score(vector).map_err(|error| Failure::Table(error.to_string()))?;
            output::data(&format!("{:.1}\n", score.base))?;
            Ok(Code::Done)
        }
        (None, None) => Err(Failure::Usage("expected a vector, or --tsv FILE".to_owned())),
    }
}

/// Mismatches are data; the count is talk.
fn told<M: std::fmt::Display>(rows: usize, mismatches: &[M]) -> Result<Code, Failure> {
    let lines: String = mismatches.iter().map(|mismatch| format!("{mismatch}\n")).collect();
    output::plain(&lines)?;
    say!("{rows} rows, {} mismatches", mismatches.len());
    Ok(if mismatches.is_empty() { Code::Done } else { Code::Findings })
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(facts::bytes(path)?).map_err(|error| {
        Failure::Table(format!("{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to()))
    })
}
