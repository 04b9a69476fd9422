//! Stretches of versions as people and tools write them: `vers:` ranges, `< 17.5.1`, `>= 1.0, < 2.0`, `prior to 4.2`,
//! `5.x`, `4.1 and earlier`.

use std::sync::Arc;

use underpin_model::facts::{Bound, Range};

/// What a text says about versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The stretches. At least one.
    pub(crate) ranges: Vec<Range>,
    /// Whether they say exactly what the text says; otherwise they contain it and are only good for warning, never
    /// for clearing.
    pub(crate) exact: bool,
}

impl Stretch {
    fn exactly(range: Range) -> Self {
        Self { ranges: vec![range], exact: true }
    }

    /// Every version, because the text cannot be understood.
    fn unclear() -> Self {
        Self { ranges: vec![Range::all()], exact: false }
    }

    /// Every version, because the text says so.
    pub(crate) fn all() -> Self {
        Self::exactly(Range::all())
    }

    /// One version.
    pub(crate) fn one(version: &str) -> Self {
        Self::exactly(Range::exactly(version))
    }
}

/// Texts that stand for "from the beginning" or "every version".
pub(crate) fn is_open(text: &str) -> bool {
    matches!(
        text.trim().to_ascii_lowercase().as_str(),
        "" | "0" | "*" | "-" | "n/a" | "all" | "all versions" | "any" | "unspecified" | "unknown" | "none"
    )
}

/// What a text says that may be a range or a version.
pub(crate) fn stretch(text: &str) -> Stretch {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("vers:") {
        let list = rest.split_once('/').map_or("", |(_, list)| list);
        return if list.trim() == "*" { Stretch::all() } else { constraints(list.split('|')) };
    }
    if is_open(text) {
        return Stretch::all();
    }
    if text.contains(['<', '>', '|']) {
        return constraints(split_comparators(text).iter().map(String::as_str));
    }
    worded(text)
}

/// Cuts `>=V2.8<V3.1.1`, `>= 1 | < 2` and `>= 1, < 2` before each comparator.
fn split_comparators(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_comparator = false;
    for c in text.chars() {
        let comparator = matches!(c, '<' | '>' | '!');
        if c == '|' || (comparator && !after_comparator) {
            parts.push(String::new());
        }
        if c != '|'
            && let Some(last) = parts.last_mut()
        {
            last.push(c);
        }
        after_comparator = comparator;
    }
    parts
        .into_iter()
        .map(|part| part.trim().trim_end_matches(',').trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Reads constraints in order: a lower bound opens a stretch, an upper bound closes it, a bare version stands alone.
fn constraints<'t>(parts: impl Iterator<Item = &'t str>) -> Stretch {
    let mut ranges = Vec::new();
    let mut open: Option<Arc<str>> = None;
    let mut exact = true;
    for part in parts {
        let part = part.trim();
        let (comparator, version) = comparator(part);
        let version: Arc<str> = decode(version.trim()).into();
        if version.is_empty() {
            exact = false;
            continue;
        }
        match comparator {
            ">=" | ">" => {
                // There is no exclusive lower bound here: including the bound itself can only warn once too often.
                exact &= comparator == ">=";
                ranges.extend(
                    open.replace(version)
                        .map(|from| Range { introduced: Some(from), until: Bound::Unbounded }),
                );
            }
            "<" => ranges.push(Range { introduced: open.take(), until: Bound::Before(version) }),
            "<=" => ranges.push(Range { introduced: open.take(), until: Bound::Through(version) }),
            "!=" => exact = false,
            // `0 < 9.8.12`: what stands before the comparator is the lower bound.
            _ if is_open(&version) => {}
            _ => ranges.push(Range::exactly(version)),
        }
    }
    ranges.extend(open.map(|from| Range { introduced: Some(from), until: Bound::Unbounded }));
    if ranges.is_empty() { Stretch::unclear() } else { Stretch { ranges, exact } }
}

fn comparator(part: &str) -> (&str, &str) {
    for known in [">=", "<=", "!=", "<", ">", "="] {
        if let Some(version) = part.strip_prefix(known) {
            return (known, version);
        }
    }
    ("", part)
}

/// Undoes percent-encoding, as the vers specification demands for versions.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Ranges in words, and versions.
fn worded(text: &str) -> Stretch {
    let lower = text.to_ascii_lowercase();
    let tail_of = |words: &[&str]| words.iter().find_map(|word| lower.strip_prefix(word).map(|_| word.len()));
    if let Some(at) = tail_of(&["prior to ", "before ", "earlier than "]) {
        return single(text.get(at..), |version| Range { introduced: None, until: Bound::Before(version) });
    }
    for (words, through) in
        [(" and earlier", true), (" and prior", true), (" and later", false), (" and newer", false)]
    {
        if let Some(version) = lower.strip_suffix(words).and_then(|head| text.get(..head.len())) {
            return single(Some(version), |version| {
                if through {
                    Range { introduced: None, until: Bound::Through(version) }
                } else {
                    Range { introduced: Some(version), until: Bound::Unbounded }
                }
            });
        }
    }
    if let Some(range) = wildcard(lower.strip_suffix(" versions").unwrap_or(&lower)) {
        return Stretch::exactly(range);
    }
    // A version has a digit and hardly any blank (`8.2 CU1 LTSR`); anything else is prose.
    let prose = !text.contains(|c: char| c.is_ascii_digit()) || text.split_whitespace().count() > 3;
    if prose { Stretch::unclear() } else { Stretch::one(text) }
}

fn single(version: Option<&str>, range: impl FnOnce(Arc<str>) -> Range) -> Stretch {
    match version.map(str::trim) {
        Some(version) if !version.is_empty() && !version.contains(char::is_whitespace) => {
            Stretch::exactly(range(version.into()))
        }
        _ => Stretch::unclear(),
    }
}

/// `5.x` and `6.1.*`: everything that begins so.
pub(crate) fn wildcard(text: &str) -> Option<Range> {
    let stem = text.trim().strip_suffix(".x").or_else(|| text.trim().strip_suffix(".*"))?;
    Some(Range { introduced: Some(stem.into()), until: Bound::Before(successor(stem)?) })
}

/// The first version after everything that begins with this stem: `6.1` -> `6.2`.
pub(crate) fn successor(stem: &str) -> Option<Arc<str>> {
    let (head, last) = stem.rsplit_once('.').map_or(("", stem), |(head, last)| (head, last));
    let next = last.parse::<u64>().ok()?.checked_add(1)?;
    Some(if head.is_empty() { next.to_string().into() } else { format!("{head}.{next}").into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        let stretch = stretch(text);
        let ranges: Vec<String> = stretch
            .ranges
            .iter()
            .map(|range| {
                let from = range.introduced.as_deref().unwrap_or("");
                match &range.until {
                    Bound::Unbounded => format!("[{from},)"),
                    Bound::Before(to) => format!("[{from},{to})"),
                    Bound::Through(to) => format!("[{from},{to}]"),
                }
            })
            .collect();
        format!("{}{}", ranges.join(" "), if stretch.exact { "" } else { " ?" })
    }

    #[test]
    fn ranges_that_feeds_write() {
        for (text, expected) in [
            ("vers:all/*", "[,)"),
            ("vers:all/<V3.1.4", "[,V3.1.4)"),
            ("vers:npm/>=2.2.0|<2.3.0", "[2.2.0,2.3.0)"),
            ("vers:generic/>4.2", "[4.2,) ?"),
            ("vers:rpm/1%3A2.0|>=3", "[1:2.0,1:2.0] [3,)"),
            (">= 4.6.43 | <= 4.7.84", "[4.6.43,4.7.84]"),
            (">=V2.8<V3.1.1", "[V2.8,V3.1.1)"),
            (">= 1.0.0, < 2.0.0", "[1.0.0,2.0.0)"),
            ("< V6.0 SP9 Upd4", "[,V6.0 SP9 Upd4)"),
            ("0 < 9.8.12", "[,9.8.12)"),
            ("all versions", "[,)"),
            ("prior to 4.2", "[,4.2)"),
            ("4.1 and earlier", "[,4.1]"),
            ("4.2 and later", "[4.2,)"),
            ("3.X versions", "[3,4)"),
            ("5.x", "[5,6)"),
            ("17.5.1", "[17.5.1,17.5.1]"),
            ("consult Xen advisory XSA-438", "[,) ?"),
            ("<", "[,) ?"),
            ("vers:", "[,) ?"),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }
}
