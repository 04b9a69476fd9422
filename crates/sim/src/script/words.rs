//! Words of a line: names, pairs like `memory>=4GiB`, texts in quotes, durations and sizes.

use std::fmt;

/// What is wrong with a line: what was found, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) found: String,
    pub(crate) expected: String,
}

impl Wrong {
    pub(crate) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        let found = found.into();
        let found = if found.trim().is_empty() { "an empty text".to_owned() } else { short(&found) };
        Self { found, expected: expected.into() }
    }
}

/// Cut to what a line of a terminal holds.
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 160;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Equal,
    Other,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Is {
    /// In the order in which they must be looked for: the longer first.
    const ALL: [(&'static str, Self); 6] = [
        ("!=", Self::Other),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::More),
    ];

    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Other => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    pub(crate) fn sign(self) -> &'static str {
        Self::ALL.iter().find(|it| it.1 == self).map_or("=", |it| it.0)
    }
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A name, or a text that stood in quotes.
    Plain(String),
    /// A key, a comparison and a value.
    Pair(String, Is, String),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Pair(key, is, value) => write!(f, "{key}{}{value}", is.sign()),
        }
    }
}

/// The words of a line up to a comment. A quote that is not closed ends with the line.
pub(crate) fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next().filter(|it| *it != '#') {
        let (text, quoted, after) = if first == '"' {
            let inside = rest.get(1..).unwrap_or_default();
            let end = inside.find('"').unwrap_or(inside.len());
            (inside.get(..end), true, inside.get(end + 1..))
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (rest.get(..end), false, rest.get(end..))
        };
        let text = text.unwrap_or_default();
        words.push(if quoted { Word::Plain(text.to_owned()) } else { word(text) });
        rest = after.unwrap_or_default().trim_start();
    }
    words
}

fn word(text: &str) -> Word {
    let at = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
    let (key, tail) = text.split_at(at);
    for (sign, is) in Is::ALL {
        if let Some(value) = tail.strip_prefix(sign)
            && !key.is_empty()
        {
            return Word::Pair(key.to_owned(), is, value.to_owned());
        }
    }
    Word::Plain(text.to_owned())
}

/// The words after a command, taken one by one; what is left at the end is an error.
#[derive(Debug, Clone)]
pub(crate) struct Arguments(pub(crate) Vec<Word>);

impl Arguments {
    /// The next plain word.
    pub(crate) fn name(&mut self, what: &str) -> Result<String, Wrong> {
        self.maybe_name().ok_or_else(|| Wrong::new(self.rest_shown(), what))
    }

    pub(crate) fn maybe_name(&mut self) -> Option<String> {
        let at = self.0.iter().position(|it| matches!(it, Word::Plain(_)))?;
        match self.0.remove(at) {
            Word::Plain(text) => Some(text),
            Word::Pair(..) => None,
        }
    }

    /// Takes a word that says something by being there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|it| matches!(it, Word::Plain(text) if text == name));
        found.map(|at| self.0.remove(at)).is_some()
    }

    /// The value of `key=value`.
    pub(crate) fn value(&mut self, key: &str) -> Option<String> {
        let of = |it: &Word| matches!(it, Word::Pair(name, Is::Equal, _) if name == key);
        match self.0.iter().position(of).map(|at| self.0.remove(at)) {
            Some(Word::Pair(_, _, value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        let value = self.value(key);
        value
            .map(|it| parse(&it).map_err(|wrong| Wrong::new(format!("{key}={it}"), wrong.expected)))
            .transpose()
    }

    pub(crate) fn rest_shown(&self) -> String {
        let shown: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        if shown.is_empty() { "the end of the line".to_owned() } else { shown.join(" ") }
    }

    /// Nothing may be left.
    pub(crate) fn end(&self, known: &str) -> Result<(), Wrong> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(Wrong::new(word.to_string(), known)),
        }
    }
}

/// A whole number within limits.
pub(crate) fn number(text: &str, least: u64, most: u64) -> Result<u64, Wrong> {
    let read = text.parse().ok().filter(|it| (least..=most).contains(it));
    read.ok_or_else(|| Wrong::new(text, format!("a whole number from {least} to {most}")))
}

pub(crate) fn number_u32(text: &str, least: u32, most: u32) -> Result<u32, Wrong> {
    number(text, least.into(), most.into()).map(|it| u32::try_from(it).unwrap_or(most))
}

/// A number that is not negative, with fractions.
pub(crate) fn fraction(text: &str, most: f64) -> Result<f64, Wrong> {
    let read = text.parse::<f64>().ok().filter(|it| (0.0..=most).contains(it));
    read.ok_or_else(|| Wrong::new(text, format!("a number from 0 to {most}")))
}

/// On or off.
pub(crate) fn switch(text: &str) -> Result<bool, Wrong> {
    match text {
        "on" | "yes" => Ok(true),
        "off" | "no" => Ok(false),
        _ => Err(Wrong::new(text, "on or off")),
    }
}

/// The longest duration: a century.
const LONGEST_MS: u64 = 36_525 * 86_400_000;

/// A duration in milliseconds: `500ms`, `90s`, `1h30m`, `2d`.
pub(crate) fn duration_ms(text: &str) -> Result<u64, Wrong> {
    let expected = || Wrong::new(text, "a duration like 500ms, 90s, 10m, 1h30m or 2d, at most a century");
    let mut total = 0_u64;
    let mut rest = text;
    if rest.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit()).ok_or_else(expected)?;
        let (count, after) = rest.split_at(digits);
        let unit = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(expected()),
        };
        let count: u64 = count.parse().map_err(|_| expected())?;
        total = count.checked_mul(ms).and_then(|it| total.checked_add(it)).ok_or_else(expected)?;
        rest = after;
    }
    if total > LONGEST_MS { Err(expected()) } else { Ok(total) }
}

/// Median and 95th percentile: `10m/20m`, or one duration for both.
pub(crate) fn spread(text: &str) -> Result<underpin_model::policy::Spread, Wrong> {
    let (median, p95) = text.split_once('/').unwrap_or((text, text));
    let seconds = |text: &str| duration_ms(text).map(|it| u32::try_from(it / 1000).unwrap_or(u32::MAX));
    Ok(underpin_model::policy::Spread::new(seconds(median)?, seconds(p95)?))
}

/// A size in MiB: `512MiB`, `16GiB`, `2TiB`.
pub(crate) fn size_mib(text: &str) -> Result<u64, Wrong> {
    let expected = || Wrong::new(text, "a size like 512MiB, 16GiB or 2TiB");
    let units = [("MiB", 1), ("GiB", 1024), ("TiB", 1024 * 1024)];
    let (count, unit) =
        units.iter().find_map(|(name, mib)| Some((text.strip_suffix(name)?, *mib))).ok_or_else(expected)?;
    let count: u64 = count.parse().map_err(|_| expected())?;
    count.checked_mul(unit).filter(|it| *it <= 1 << 40).ok_or_else(expected)
}

/// A size with its unit.
pub(crate) fn shown_mib(mib: i64) -> String {
    if mib != 0 && mib % 1024 == 0 { format!("{}GiB", mib / 1024) } else { format!("{mib}MiB") }
}

/// A duration with its units; what is less than a second in milliseconds.
pub(crate) fn shown_ms(ms: i64) -> String {
    let (sign, ms) = if ms < 0 { ("-", ms.unsigned_abs()) } else { ("", ms.unsigned_abs()) };
    let mut left = ms / 1000;
    let mut text = String::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if left >= seconds {
            text.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    if ms % 1000 != 0 {
        text.push_str(&format!("{}ms", ms % 1000));
    }
    if text.is_empty() { "0s".to_owned() } else { format!("{sign}{text}") }
}

/// A moment of the virtual clock, to the second.
pub(crate) fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, left) = (seconds / 86_400, seconds % 86_400);
    let days = if days > 0 { format!("{days}d ") } else { String::new() };
    format!("{days}{:02}:{:02}:{:02}", left / 3600, left / 60 % 60, left % 60)
}

/// The parts of a list `a,b,c`.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_pairs_and_texts() {
        let read = words("expect host h1 guests>=3 release!=1.0 \"two words\" # why");
        let shown: Vec<String> = read.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["expect", "host", "h1", "guests>=3", "release!=1.0", "two words"]);
        assert_eq!(read.get(3), Some(&Word::Pair("guests".to_owned(), Is::AtLeast, "3".to_owned())));
        assert_eq!(words("  # nothing"), []);
        assert_eq!(words("=x"), [Word::Plain("=x".to_owned())]);
        assert_eq!(words("say \"open"), [Word::Plain("say".to_owned()), Word::Plain("open".to_owned())]);
        assert_eq!(words("\""), [Word::Plain(String::new())]);
    }

    #[test]
    fn durations_and_sizes_are_read_and_shown() {
        for (text, ms) in
            [("500ms", 500), ("90s", 90_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0s", 0)]
        {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for bad in ["", "10", "m", "10x", "-5m", "99999999999999999999s", "40000000d", "1h 3m"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
        assert_eq!(shown_ms(5_400_000), "1h30m");
        assert_eq!((shown_ms(-1500), shown_ms(90_001)), ("-1s500ms".to_owned(), "1m30s1ms".to_owned()));
        assert_eq!((shown_ms(7), shown_ms(0)), ("7ms".to_owned(), "0s".to_owned()));
        assert_eq!(size_mib("16GiB"), Ok(16_384));
        assert!(size_mib("16").is_err() && size_mib("99999999999TiB").is_err());
        assert_eq!((shown_mib(2048), shown_mib(100)), ("2GiB".to_owned(), "100MiB".to_owned()));
        assert_eq!((clock(3_661_000), clock(90_000_000)), ("01:01:01".to_owned(), "1d 01:00:00".to_owned()));
    }
}
