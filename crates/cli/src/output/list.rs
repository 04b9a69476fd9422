//! Tables for people: no frame, a bold header on a terminal, as wide as the terminal where there is one.

use std::borrow::Cow;
use std::fmt;

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, presets};

use super::steers;

/// A terminal that is narrower than this is treated as if it had this width: below it nothing is readable.
const NARROWEST: u16 = 60;

/// Width of the terminal that stdout is; `None` where it is none, so that a pipe gets one line per row.
pub(crate) fn width() -> Option<u16> {
    Table::new().width().map(|width| width.max(NARROWEST))
}

/// A table in the house style.
pub(crate) struct List {
    table: Table,
}

impl List {
    /// An empty table. On a width all columns but the last keep their content on one line; the last one wraps.
    pub(crate) fn new(header: &[&str], width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
                table.set_header(header.iter().map(|text| Cell::new(text).add_attribute(Attribute::Bold)));
            }
            // Not for a terminal: also no styles, which the library would add when stdout is one.
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
                table.set_header(header.iter().copied());
            }
        }
        let last = header.len().saturating_sub(1);
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if at < last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        Self { table }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.cells(cells);
    }

    /// Adds a row of as many cells as the header has, known only when it is made.
    pub(crate) fn cells(&mut self, cells: impl IntoIterator<Item = String>) {
        self.table.add_row(cells.into_iter().map(|cell| Cell::new(in_line(&cell))));
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
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
    fn text_is_broken_at_spaces_within_the_width() {
        assert_eq!(wrapped("one two three", "  ", Some(9)), "  one two\n  three\n");
        assert_eq!(wrapped("one two three", "  ", None), "  one two three\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut list = List::new(&["NAME", "WHY"], None);
        list.row(["a\u{1b}[2Jb".to_owned(), "x".to_owned()]);
        let text = list.to_string();
        assert!(!text.contains('\u{1b}') && text.contains("a\u{fffd}[2Jb"), "{text:?}");
    }
}
