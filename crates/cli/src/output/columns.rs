//! How wide the columns of a table are, and which of them stand beside each other.

/// Spaces after a column.
pub(super) const GAP: usize = 2;
/// Widths below which a column that could be wider is not made narrower, the most comfortable first: prose of a dozen letters a
/// line is the least that can be read.
const COMFORT: [usize; 3] = [28, 20, 12];

/// What the content of a column needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// Letters of its longest cell, the header among them.
    pub(super) natural: usize,
    /// Letters of its longest cell below the header: a header alone is never prose.
    pub(super) body: usize,
    /// Letters of its longest word.
    pub(super) word: usize,
}

impl Need {
    /// The least width at this comfort: whole words, unless one takes more than a third of the room.
    fn least(self, comfort: usize, room: usize) -> usize {
        let third = (room / 3).max(1);
        self.word.max(self.body.min(comfort)).min(third.max(comfort.min(room))).max(1)
    }
}

/// Columns that stand beside each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) columns: Vec<usize>,
    pub(super) widths: Vec<usize>,
}

/// One part with all columns where it can be read; else several, each with the key columns where they stand in the table.
pub(super) fn parts(needs: &[Need], keys: &[usize], width: usize) -> Vec<Part> {
    let all: Vec<usize> = (0..needs.len()).collect();
    let need = |part: &[usize]| part.iter().filter_map(|at| needs.get(*at)).copied().collect::<Vec<_>>();
    let part = |columns: Vec<usize>| {
        let widths = fitted(&need(&columns), width);
        Part { columns, widths }
    };
    if fits(&need(&all), width) {
        return vec![part(all)];
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for at in all.iter().copied().filter(|at| !keys.contains(at)) {
        let with = |columns: &[usize]| {
            let mut more: Vec<usize> = columns.iter().chain(keys).copied().chain([at]).collect();
            more.sort_unstable();
            more.dedup();
            more
        };
        match parts.last_mut() {
            Some(last) if comfortable(&need(&with(last)), width) => *last = with(last),
            _ => parts.push(with(&[])),
        }
    }
    // Nothing but keys.
    if parts.is_empty() {
        parts.push(all);
    }
    parts.into_iter().map(part).collect()
}

fn sum(widths: impl Iterator<Item = usize>) -> usize {
    // There is none after the last column.
    widths.map(|it| it + GAP).sum::<usize>().saturating_sub(GAP)
}

fn fits(needs: &[Need], width: usize) -> bool {
    COMFORT.iter().any(|comfort| sum(needs.iter().map(|it| it.least(*comfort, width))) <= width)
}

/// What is split anyway need not be pressed.
fn comfortable(needs: &[Need], width: usize) -> bool {
    sum(needs.iter().map(|it| it.least(COMFORT[1], width))) <= width
}

/// Each column as wide as its content, the widest ones narrower until all fit.
fn fitted(needs: &[Need], width: usize) -> Vec<usize> {
    let least = COMFORT
        .iter()
        .map(|comfort| needs.iter().map(|it| it.least(*comfort, width)).collect::<Vec<_>>())
        .find(|least| sum(least.iter().copied()) <= width)
        .unwrap_or_else(|| {
            let share = (width / needs.len().max(1)).saturating_sub(GAP).max(1);
            needs.iter().map(|it| it.natural.min(share)).collect()
        });
    let at = |most: usize| needs.iter().zip(&least).map(move |(it, least)| it.natural.min(most).max(*least));
    let widest = needs.iter().map(|it| it.natural).max().unwrap_or(0).min(width);
    let most = (0..=widest).rev().find(|most| sum(at(*most)) <= width).unwrap_or(0);
    at(most).collect()
}
