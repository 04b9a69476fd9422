//! The form of a policy file: every field that does not fit at once, each with its line.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use toml::de::{DeArray, DeTable, DeValue};

use super::PolicyError;
use crate::words::plain;

/// Mistakes of form that are told: nobody corrects more at a time, and each is found by reading the file once more.
const MOST: usize = 50;

/// A file of which some fields may not fit.
pub(super) struct Form<T> {
    /// What is there without them; `None`: nothing that could be read.
    pub(super) read: Option<T>,
    /// One for each field, in the order of the file.
    pub(super) mistakes: Vec<PolicyError>,
    /// What was left out.
    pub(super) out: LeftOut,
}

/// Reads a text; where a field does not fit, it is left out to find the next one.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Form<T> {
    let (mut mistakes, mut out) = (Vec::new(), LeftOut::default());
    let mut left = match DeTable::parse(text) {
        Ok(it) => it,
        Err(error) => return Form { read: None, mistakes: vec![of_form(text, "", &error)], out },
    };
    let read = loop {
        let error = match serde_path_to_error::deserialize(toml::Deserializer::from(left.clone())) {
            Ok(read) => break Some(read),
            Err(error) => error,
        };
        let place = out.place(error.path());
        if !out.misses(&place, error.inner().message()) {
            let at = error.inner().span().map_or(0, |it| it.start);
            mistakes.push((at, of_form(text, &place, error.inner())));
        }
        if mistakes.len() == MOST || !out.take(left.get_mut(), error.path(), place) {
            break None;
        }
    };
    // A table is read in the order of its keys, and written in another.
    mistakes.sort_by_key(|it| it.0);
    Form { read, mistakes: mistakes.into_iter().map(|it| it.1).collect(), out }
}

/// What was left out of a file.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Places as they stand in the file.
    places: BTreeSet<String>,
    /// By list, the places in it, in order.
    of_lists: BTreeMap<String, BTreeSet<usize>>,
}

impl LeftOut {
    /// Whether a mistake of meaning may come from what was left out: of a list with an element less, numbers and names are others.
    pub(super) fn may_cause(&self, mistake: &PolicyError) -> bool {
        let of_list = |list: &String| mistake.path.starts_with(list.as_str());
        self.of_lists.keys().any(of_list) || self.places.iter().any(|it| it.starts_with(&mistake.path))
    }

    /// The place of a path in the whole file.
    fn place(&self, path: &Path) -> String {
        let mut place = String::new();
        for step in path {
            place = match step {
                Segment::Seq { index } => {
                    let mut at = *index;
                    let before = self.of_lists.get(&place).into_iter().flatten();
                    before.for_each(|out| at += usize::from(*out <= at));
                    format!("{place}[{at}]")
                }
                Segment::Map { key } | Segment::Enum { variant: key } if place.is_empty() => key.clone(),
                Segment::Map { key } | Segment::Enum { variant: key } => format!("{place}.{key}"),
                Segment::Unknown => place,
            };
        }
        place
    }

    /// A field is missing only because it was left out.
    fn misses(&self, place: &str, message: &str) -> bool {
        let name = message.trim().strip_prefix("missing field `").and_then(|it| it.split('`').next());
        name.is_some_and(|it| self.places.contains(&format!("{place}.{it}")))
    }

    /// Leaves out what a path leads to, which stands at a place of the file; `false`: it leads to nothing.
    fn take(&mut self, table: &mut DeTable<'_>, path: &Path, place: String) -> bool {
        let steps: Vec<&Segment> = path.iter().collect();
        let Some(taken) = take(table, &steps) else { return false };
        if let (Some(Segment::Seq { .. }), Some((list, at))) = (steps.last(), place.rsplit_once('['))
            && let Ok(at) = at.trim_end_matches(']').parse()
        {
            self.of_lists.entry(list.to_owned()).or_default().insert(at);
        }
        self.places.insert(place);
        taken
    }
}

fn take(table: &mut DeTable<'_>, steps: &[&Segment]) -> Option<bool> {
    let (first, rest) = steps.split_first()?;
    let Segment::Map { key } = first else { return None };
    let name = table.keys().find(|it| it.get_ref() == key)?.clone();
    if rest.is_empty() {
        return Some(table.remove(&name).is_some());
    }
    take_of(table.get_mut(&name)?.get_mut(), rest)
}

fn take_of(value: &mut DeValue<'_>, steps: &[&Segment]) -> Option<bool> {
    match value {
        DeValue::Table(table) => take(table, steps),
        DeValue::Array(list) => {
            let (Segment::Seq { index }, rest) = steps.split_first()? else { return None };
            if !rest.is_empty() {
                return take_of(list.get_mut(*index)?.get_mut(), rest);
            }
            let all = std::mem::replace(list, DeArray::new()).into_iter().enumerate();
            *list = all.filter(|(at, _)| at != index).map(|it| it.1).collect();
            Some(true)
        }
        _ => None,
    }
}

/// What an error says of a text without letters.
const EMPTY: &str = "an empty text";

/// One mistake, at a place or at nothing but a line.
fn of_form(text: &str, path: &str, error: &toml::de::Error) -> PolicyError {
    let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
    let path = if path.is_empty() { format!("line {line}") } else { format!("{path} (line {line})") };
    let message = plain(error.message().trim());
    let written = || text.lines().nth(line - 1).unwrap_or("").trim().chars().take(80).collect::<String>();
    // Many say themselves what they found, some only what they expected or what is wrong with the line.
    let (found, expected) = if let Some((found, expected)) = message.split_once(", expected ") {
        (found.trim_start_matches("found ").to_owned(), expected.to_owned())
    } else if message.starts_with("an id must not be empty") {
        (EMPTY.to_owned(), "an id or a name, such as CVE-2024-21626 or prod-1".to_owned())
    } else if let Some(expected) = message.strip_prefix("expected ") {
        (written(), expected.to_owned())
    } else if let Some(field) = message.strip_prefix("missing field ") {
        (written(), format!("a field {field}"))
    } else if message.starts_with("duplicate key") {
        (format!("`{}`, whose key comes twice", written()), "each key once".to_owned())
    } else {
        (format!("`{}`: {message}", written()), "TOML as the guide to policies shows it".to_owned())
    };
    let found = if found == "unknown variant ``" { EMPTY.to_owned() } else { found };
    PolicyError { path, found, expected }
}
