//! Tables for people: no frame, a bold header on a terminal, as wide as the terminal or as `COLUMNS` says.

use std::borrow::Cow;
use std::fmt;

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::columns;
use super::steers;

/// A terminal that is narrower than this is treated as if it had this width: below it nothing is readable.
const NARROWEST: u16 = 60;
/// Spaces after a column.
const GAP: u16 = columns::GAP as u16;

/// Width that tables and sentences have to fit: what `COLUMNS` asks for, or else that of the terminal that stdout is.
/// `None` where there is neither, so that a pipe gets one line per row.
pub(crate) fn width() -> Option<u16> {
    let asked = std::env::var("COLUMNS").ok().and_then(|it| it.trim().parse::<u16>().ok());
    asked.filter(|width| *width > 0).or_else(|| Table::new().width()).map(|width| width.max(NARROWEST))
}

/// A table in the house style.
pub(crate) struct List {
    header: Vec<String>,
    /// Columns that say what a row is about: they stand in each part of a table that has to be split.
    keys: Vec<usize>,
    rows: Vec<Vec<String>>,
    width: Option<u16>,
}

impl List {
    /// An empty table. On a width that it does not fit its widest columns wrap at words; where that would make them
    /// unreadable it is split into several tables that each have the last column.
    pub(crate) fn new(header: &[&str], width: Option<u16>) -> Self {
        Self::keyed(header, &[header.len().saturating_sub(1)], width)
    }

    /// The same, where these columns say what a row is about.
    pub(crate) fn keyed(header: &[&str], keys: &[usize], width: Option<u16>) -> Self {
        let header = header.iter().map(|it| (*it).to_owned()).collect();
        Self { header, keys: keys.to_vec(), rows: Vec::new(), width }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.cells(cells);
    }

    /// Adds a row of as many cells as the header has, known only when it is made.
    pub(crate) fn cells(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| in_line(&cell).into_owned()).collect());
    }

    /// These columns as a table, each as wide as is said.
    fn table(&self, part: &[usize], widths: Option<&[usize]>) -> Table {
        let cells = |row: &[String]| -> Vec<Cell> {
            part.iter().map(|at| Cell::new(row.get(*at).map_or("", String::as_str))).collect()
        };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match self.width {
            Some(_) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
                table.set_header(cells(&self.header).into_iter().map(|it| it.add_attribute(Attribute::Bold)));
            }
            // Not for a terminal: also no styles, which the library would add when stdout is one.
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
                table.set_header(cells(&self.header));
            }
        }
        for row in &self.rows {
            table.add_row(cells(row));
        }
        let last = part.len().saturating_sub(1);
        for (at, column) in table.column_iter_mut().enumerate() {
            // Behind the last one it would stand in the styled header, where nothing trims it, and make the table wider than the terminal.
            let gap = if at == last { 0 } else { GAP };
            column.set_padding((0, gap));
            if let Some(width) = widths.and_then(|it| it.get(at)) {
                let padded = u16::try_from(*width).unwrap_or(u16::MAX).saturating_add(gap);
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(padded)));
            }
        }
        table
    }

    /// What each column needs.
    fn needs(&self) -> Vec<columns::Need> {
        let all: Vec<usize> = (0..self.header.len()).collect();
        let natural = self.table(&all, None).column_max_content_widths();
        let word = |text: &String| text.split(' ').map(|it| it.chars().count()).max().unwrap_or(0);
        let words = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).chain(self.header.get(at));
            cells.map(word).max().unwrap_or(0)
        };
        let needs = natural.into_iter().enumerate();
        let body = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|it| it.chars().count()).max().unwrap_or(0)
        };
        needs
            .map(|(at, natural)| columns::Need { natural: natural.into(), body: body(at), word: words(at) })
            .collect()
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = match self.width {
            None => vec![columns::Part { columns: (0..self.header.len()).collect(), widths: Vec::new() }],
            Some(width) => columns::parts(&self.needs(), &self.keys, width.into()),
        };
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            let widths = self.width.map(|_| &*part.widths);
            for line in self.table(&part.columns, widths).lines() {
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}

/// A number with its noun: `1 host`, `2 hosts`.
pub(crate) fn counted<N: fmt::Display + PartialEq + From<u8> + Copy>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Names come from other people's files: one must neither steer the terminal nor begin a line.
pub(crate) fn in_line(cell: &str) -> Cow<'_, str> {
    if cell.contains(steers) {
        Cow::Owned(cell.chars().map(|one| if steers(one) { '\u{fffd}' } else { one }).collect())
    } else {
        Cow::Borrowed(cell)
    }
}

/// Text broken at spaces, each line behind an indent; without a width on one line.
pub(crate) fn wrapped(text: &str, indent: &str, width: Option<u16>) -> String {
    let most = width.map_or(usize::MAX, usize::from);
    let mut lines = String::new();
    let mut length = 0;
    for word in in_line(text).split_whitespace() {
        let more = word.chars().count() + 1;
        if length > 0 && length + more > most {
            lines.push('\n');
            length = 0;
        }
        if length == 0 {
            lines.push_str(indent);
            length = indent.len() + more - 1;
        } else {
            lines.push(' ');
            length += more;
        }
        lines.push_str(word);
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0_u64, 1, 2].map(|it| counted(it, "host")), ["0 hosts", "1 host", "2 hosts"]);
        assert_eq!([1.0, 1.5].map(|it| counted(it, "day")), ["1 day", "1.5 days"]);
    }

    #[test]
    fn text_is_broken_at_spaces_within_the_width() {
        assert_eq!(wrapped("one two three", "  ", Some(9)), "  one two\n  three\n");
        assert_eq!(wrapped("one two three", "  ", None), "  one two three\n");
    }

    /// What a report of many figures has: names at the end, figures with intervals before.
    fn many(width: Option<u16>) -> List {
        let header: Vec<String> =
            (0..11).map(|at| format!("FIGURE {at}")).chain(["GROUP".to_owned()]).collect();
        let mut list = List::new(&header.iter().map(String::as_str).collect::<Vec<_>>(), width);
        for row in 0..3 {
            let figures = (0..11).map(|at| format!("{row}{at}00 (900 to 12345)"));
            list.cells(figures.chain([format!("debian bookworm, a hardware-class-{row}, ring production")]));
        }
        list
    }

    #[test]
    fn a_table_fits_its_width_and_breaks_no_word() {
        let all = many(None).to_string();
        for width in [60, 80, 100, 160, 400] {
            let text = many(Some(width)).to_string();
            let text = text.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
            let widest = text.lines().map(|it| it.chars().count()).max().unwrap_or(0);
            assert!(widest <= width.into(), "{widest} of {width}\n{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            let missing: Vec<&str> = all.split_whitespace().filter(|it| !words.contains(it)).collect();
            assert!(missing.is_empty(), "{missing:?} broken at {width}\n{text}");
            // Whoever reads one of the parts sees what its rows are about.
            let parts = text.split("\n\n").count();
            assert_eq!(text.matches("GROUP").count(), parts, "{text}");
            assert_eq!(parts == 1, width == 400, "{parts} parts at {width}");
        }
    }

    #[test]
    fn a_styled_header_is_no_wider_than_the_terminal() {
        for width in [60, 80, 100] {
            let mut list =
                List::new(&["NAME", "WHICH, AND WHY THEN, AND WHAT WOULD UNBLOCK IT"], Some(width));
            list.row(["host".to_owned(), "because of many words ".repeat(12)]);
            for part in columns::parts(&list.needs(), &list.keys, width.into()) {
                let mut table = list.table(&part.columns, Some(&part.widths));
                for line in table.enforce_styling().lines() {
                    let line = line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
                    assert!(line.chars().count() <= width.into(), "{} of {width}: {line:?}", line.len());
                }
            }
        }
    }

    #[test]
    fn a_word_longer_than_a_third_of_the_width_is_broken() {
        let mut list = List::new(&["NAME", "WHY"], Some(60));
        list.row(["a".repeat(90), "because of it".to_owned()]);
        let text = list.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert_eq!(text.matches('a').count(), 91, "{text}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut list = List::new(&["NAME", "WHY"], None);
        list.row(["a\u{1b}[2Jb".to_owned(), "x".to_owned()]);
        let text = list.to_string();
        assert!(!text.contains('\u{1b}') && text.contains("a\u{fffd}[2Jb"), "{text:?}");
    }
}
