//! Tables of comparisons with their expected outcome, and what does not come out as expected.

use std::cmp::Ordering;
use std::fmt;

use super::{Comparison, InvalidVersion, Scheme, compare};

/// A row whose comparison is not the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The line, counted from 1.
    pub line: usize,
    /// The first version.
    pub left: String,
    /// The second version.
    pub right: String,
    /// What the table states.
    pub expected: Ordering,
    /// What the scheme says.
    pub found: Result<Comparison, InvalidVersion>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, left, right, expected, found } = self;
        write!(f, "line {line}: {left} against {right}: expected {}, found ", *expected as i8)?;
        match found {
            Ok(Comparison::Ordered(order)) => write!(f, "{}", *order as i8),
            Ok(Comparison::Incomparable) => f.write_str("incomparable"),
            Err(error) => write!(f, "an error: {error}"),
        }
    }
}

/// What came out of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Rows compared.
    pub rows: usize,
    /// Those that differ, in the order of the table.
    pub mismatches: Vec<Mismatch>,
}

/// A table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {value:?}: {expected}")]
pub struct InvalidTable {
    /// The line, counted from 1.
    pub line: usize,
    /// The text found there, cut to 80 characters.
    pub value: String,
    /// What was expected, and how to provide it.
    pub expected: &'static str,
}

impl InvalidTable {
    pub(crate) fn new(line: usize, value: &str, expected: &'static str) -> Self {
        Self { line, value: value.chars().take(80).collect(), expected }
    }
}

/// The lines of a tab-separated text that hold anything, with their numbers.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    text.strip_prefix('\u{feff}')
        .unwrap_or(text)
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| (index + 1, line.split('\t').map(str::trim).collect()))
}

/// The column with one of these names, if any.
pub(crate) fn column(header: &[&str], names: &[&str]) -> Option<usize> {
    header.iter().position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name)))
}

/// Compares every row of a tab-separated table of two versions and the expected outcome (-1, 0 or 1).
///
/// The columns are found by the names `a`, `b` and `expected` in a first line that names at least the latter, otherwise
/// by position. A first line whose expected cell is not a number is a header. Empty lines are skipped. A version that is
/// rejected is a mismatch.
///
/// ```
/// use underpin_model::version::{Scheme, table};
///
/// let outcome = table::check(Scheme::Rpm, "a\tb\texpected\n1.0~rc1\t1.0\t-1\n1.0\t1.0^git1\t1\n")?;
/// assert_eq!(outcome.rows, 2);
/// assert_eq!(outcome.mismatches[0].to_string(), "line 3: 1.0 against 1.0^git1: expected 1, found -1");
/// # Ok::<(), table::InvalidTable>(())
/// ```
///
/// # Errors
/// [`InvalidTable`] for a row with too few columns, an expectation that is not -1, 0 or 1, or a table without rows.
pub fn check(scheme: Scheme, text: &str) -> Result<Outcome, InvalidTable> {
    let mut rows = rows(text).peekable();
    let mut columns = [0, 1, 2];
    if let Some((_, first)) = rows.peek() {
        let by_name = column(first, &["expected"]);
        if let Some(expected) = by_name {
            let (a, b) = (column(first, &["a", "left"]), column(first, &["b", "right"]));
            let mut others = (0..3).filter(|index| *index != expected);
            let (first, second) = (others.next().unwrap_or(0), others.next().unwrap_or(1));
            columns = [a.unwrap_or(first), b.unwrap_or(second), expected];
        }
        if by_name.is_some() || first.get(2).is_some_and(|cell| cell.parse::<f64>().is_err()) {
            rows.next();
        }
    }
    let mut outcome = Outcome { rows: 0, mismatches: Vec::new() };
    for (line, cells) in rows {
        outcome.rows += 1;
        outcome.mismatches.extend(check_row(scheme, line, &cells, columns)?);
    }
    if outcome.rows == 0 {
        return Err(InvalidTable::new(1, "", "expected at least one row of two versions and -1, 0 or 1"));
    }
    Ok(outcome)
}

fn check_row(
    scheme: Scheme,
    line: usize,
    cells: &[&str],
    columns: [usize; 3],
) -> Result<Option<Mismatch>, InvalidTable> {
    let [left, right, expected] = columns.map(|column| cells.get(column).copied());
    let (Some(left), Some(right), Some(expected)) = (left, right, expected) else {
        return Err(InvalidTable::new(
            line,
            &cells.join("\t"),
            "expected three columns separated by tabs: two versions and -1, 0 or 1",
        ));
    };
    let expected = match expected.parse::<i64>() {
        Ok(-1) => Ordering::Less,
        Ok(0) => Ordering::Equal,
        Ok(1) => Ordering::Greater,
        _ => return Err(InvalidTable::new(line, expected, "expected -1, 0 or 1 as the outcome")),
    };
    let found = compare(scheme, left, right);
    Ok((found != Ok(Comparison::Ordered(expected))).then(|| Mismatch {
        line,
        left: left.to_owned(),
        right: right.to_owned(),
        expected,
        found,
    }))
}
