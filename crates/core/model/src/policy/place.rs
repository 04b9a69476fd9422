//! Where in a policy file a key stands, for mistakes that are found once the file has been read.

use toml::de::{DeTable, DeValue};

use super::PolicyError;

/// The mistakes with the lines of their keys, as far as the file has them.
pub(super) fn with_lines(text: &str, mut mistakes: Vec<PolicyError>) -> Vec<PolicyError> {
    let lines = lines_of(text, mistakes.iter().map(|it| it.path.as_str()));
    for (mistake, line) in mistakes.iter_mut().zip(lines) {
        if let Some(line) = line {
            mistake.path = format!("{} (line {line})", mistake.path);
        }
    }
    mistakes
}

/// Paths whose lines are looked up: nobody corrects more at a time, and each lookup goes over a list of the file.
const MOST_LOOKED_UP: usize = 1_000;

/// For each dotted path the line of a TOML file at which its deepest key stands that the file has: `promise gold.days` is in the one
/// of this id, `run number 2.hosts` in the second. `None`: it has none of them, or is no TOML, or a thousand paths came before.
#[must_use]
pub fn lines_of<'p>(text: &str, paths: impl Iterator<Item = &'p str>) -> Vec<Option<usize>> {
    let file = DeTable::parse(text).ok();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |path: &str| {
        let at = place(file.as_ref()?.get_ref(), path)?;
        Some(ends.partition_point(|end| *end < at) + 1)
    };
    paths.enumerate().map(|(nth, path)| if nth < MOST_LOOKED_UP { line(path) } else { None }).collect()
}

/// The byte at which the deepest key of a dotted path stands that the file has: `promise gold.days` is in the one of this id,
/// `promise number 2.id` in the second.
fn place(file: &DeTable<'_>, path: &str) -> Option<usize> {
    let mut table = file;
    let mut at = None;
    for step in path.split('.') {
        let (key, id) = step.split_once(' ').map_or((step, None), |(key, id)| (key, Some(id)));
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == key) else { break };
        at = Some(name.span().start);
        table = match (value.get_ref(), id) {
            (DeValue::Table(inner), _) => inner,
            (DeValue::Array(list), Some(id)) => {
                let named = |it: &&toml::Spanned<DeValue<'_>>| has_id(it.get_ref(), id);
                let number = id.strip_prefix("number ").and_then(|it| it.parse::<usize>().ok());
                let one = number.and_then(|it| list.get(it.checked_sub(1)?));
                let Some(one) = list.iter().find(named).or(one) else { break };
                at = Some(one.span().start);
                let DeValue::Table(inner) = one.get_ref() else { break };
                inner
            }
            _ => break,
        };
    }
    at
}

/// A ring is told by its name.
fn has_id(value: &DeValue<'_>, id: &str) -> bool {
    let DeValue::Table(table) = value else { return false };
    table.iter().any(|(name, value)| {
        ["id", "name"].contains(&&**name.get_ref())
            && matches!(value.get_ref(), DeValue::String(text) if &**text == id)
    })
}
