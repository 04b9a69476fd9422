//! Tables of vectors with their expected scores, and what does not come out as expected.

use std::fmt;

use super::{InvalidVector, score};
use crate::version::table::{InvalidTable, column, rows};

/// A vector that does not score as the table states.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The line, counted from 1.
    pub line: usize,
    /// The vector.
    pub vector: String,
    /// Which score differs: `base`, `temporal` or `environmental`.
    pub which: &'static str,
    /// What the table states.
    pub expected: f64,
    /// What the vector scores; None when it has no such score.
    pub found: Result<Option<f64>, InvalidVector>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, vector, which, expected, found } = self;
        write!(f, "line {line}: {vector}: expected {which} score {expected:.1}, found ")?;
        match found {
            Ok(Some(found)) => write!(f, "{found:.1}"),
            Ok(None) => f.write_str("none"),
            Err(error) => write!(f, "an error: {error}"),
        }
    }
}

/// What came out of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Vectors scored.
    pub rows: usize,
    /// Scores that differ, in the order of the table.
    pub mismatches: Vec<Mismatch>,
}

/// Where the vector and its base, temporal and environmental scores are.
struct Columns {
    vector: usize,
    scores: [(&'static str, Option<usize>); 3],
}

/// Scores every vector of a tab-separated table and compares with the scores that it states.
///
/// Columns are found by the names `vector`, `base_score` (or `base`, `score`, `expected`), `temporal` and `environmental`
/// in a first line that names the first two. Otherwise by position: an optional column, the vector (the first cell
/// with a slash), base, temporal, environmental. A first line whose base score is not a number is a header. Temporal and
/// environmental scores are compared where the table states them.
///
/// # Errors
/// [`InvalidTable`] for a row without a vector or a base score that is a number, or a table without rows.
pub fn check(text: &str) -> Result<Outcome, InvalidTable> {
    let rows: Vec<_> = rows(text).collect();
    let (columns, header) = columns(&rows);
    let mut outcome = Outcome { rows: 0, mismatches: Vec::new() };
    for (line, cells) in rows.iter().skip(usize::from(header)) {
        outcome.rows += 1;
        check_row(*line, cells, &columns, &mut outcome.mismatches)?;
    }
    if outcome.rows == 0 {
        return Err(InvalidTable::new(1, "", "expected at least one row of a vector and its base score"));
    }
    Ok(outcome)
}

fn columns(rows: &[(usize, Vec<&str>)]) -> (Columns, bool) {
    let first = rows.first().map_or(&[][..], |(_, cells)| cells);
    let names = (column(first, &["vector"]), column(first, &["base_score", "base", "score", "expected"]));
    if let (Some(vector), Some(base)) = names {
        let temporal = column(first, &["temporal", "temporal_score"]);
        let environmental = column(first, &["environmental", "environmental_score"]);
        let scores = [("base", Some(base)), ("temporal", temporal), ("environmental", environmental)];
        return (Columns { vector, scores }, true);
    }
    // A header without known names has no slash; the row after it tells where the vector is.
    let vector = rows
        .iter()
        .take(2)
        .find_map(|(_, cells)| cells.iter().position(|cell| cell.contains('/')))
        .unwrap_or_default();
    let header = first.get(vector + 1).is_some_and(|cell| cell.parse::<f64>().is_err());
    let scores = [("base", 1), ("temporal", 2), ("environmental", 3)];
    (Columns { vector, scores: scores.map(|(which, offset)| (which, Some(vector + offset))) }, header)
}

fn check_row(
    line: usize,
    cells: &[&str],
    columns: &Columns,
    mismatches: &mut Vec<Mismatch>,
) -> Result<(), InvalidTable> {
    let Some(vector) = cells.get(columns.vector) else {
        return Err(InvalidTable::new(line, &cells.join("\t"), "expected a column with the vector"));
    };
    let scored = score(vector);
    for (which, column) in columns.scores {
        let cell = column.and_then(|column| cells.get(column)).copied().unwrap_or_default();
        if cell.is_empty() && which != "base" {
            continue;
        }
        let expected = match cell.parse::<f64>() {
            Ok(expected) if (0.0..=10.0).contains(&expected) => expected,
            _ => return Err(InvalidTable::new(line, cell, "expected a score from 0.0 to 10.0")),
        };
        let found = scored.clone().map(|scored| match which {
            "base" => Some(scored.base),
            "temporal" => scored.temporal,
            _ => scored.environmental,
        });
        let equal = matches!(found, Ok(Some(found)) if (found - expected).abs() < 1e-9);
        if !equal {
            let vector = (*vector).to_owned();
            mismatches.push(Mismatch { line, vector, which, expected, found });
        }
    }
    Ok(())
}
