//! Where in a policy file a key stands, for mistakes that are found once the file has been read.

use toml::de::{DeTable, DeValue};

use super::PolicyError;

/// The mistakes with the lines of their keys, as far as the file has them.
pub(super) fn with_lines(text: &str, mut mistakes: Vec<PolicyError>) -> Vec<PolicyError> {
    let Ok(file) = DeTable::parse(text) else { return mistakes };
    for mistake in &mut mistakes {
        if let Some(at) = place(file.get_ref(), &mistake.path) {
            mistake.path = format!("{} (line {})", mistake.path, line(text, at));
        }
    }
    mistakes
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or("").matches('\n').count() + 1
}

/// The line of a TOML file at which the deepest key of a dotted path stands that it has: `promise gold.days` is in the one of
/// this id, `run number 2.hosts` in the second. `None`: it has none of them, or is no TOML.
#[must_use]
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let file = DeTable::parse(text).ok()?;
    place(file.get_ref(), path).map(|at| line(text, at))
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
