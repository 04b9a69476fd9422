//! The words of a reader of TOML or JSON, in those of people who write such files: `expected u32` tells them nothing.

/// A message in which the type that was expected is said in words, and what was found too.
#[must_use]
pub fn plain(message: &str) -> String {
    let Some((found, rest)) = message.split_once(", expected ") else { return message.to_owned() };
    let (of_type, place) = match rest.find(" at line ") {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let kind = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: "));
    // The end of a type says something to him alone who came beyond it: most fields end before.
    let is_beyond = kind.and_then(|it| it.strip_prefix("integer `")).is_some_and(|it| !it.starts_with('-'));
    let expected = type_words(of_type, is_beyond).unwrap_or_else(|| of_type.to_owned());
    match kind.map(value_words) {
        Some(found) => format!("{found}, expected {expected}{place}"),
        None => format!("{found}, expected {expected}{place}"),
    }
}

/// What a type that a reader names takes; `None`: it is no name of a type.
fn type_words(name: &str, is_beyond: bool) -> Option<String> {
    let up_to = |most: u64| Some(format!("a whole number from 0 to {most}"));
    match name {
        "u32" if !is_beyond => Some("a whole number, 0 or more".to_owned()),
        "u8" => up_to(u8::MAX.into()),
        "u16" => up_to(u16::MAX.into()),
        "u32" => up_to(u32::MAX.into()),
        "u64" | "usize" => Some("a whole number, 0 or more".to_owned()),
        "i8" | "i16" | "i32" | "i64" | "isize" => Some("a whole number".to_owned()),
        "f32" | "f64" => Some("a number".to_owned()),
        "a boolean" | "bool" => Some("true or false".to_owned()),
        "a string" | "string" | "str" => Some("a text in quotes".to_owned()),
        "a sequence" => Some("a list".to_owned()),
        "a map" => Some("a table".to_owned()),
        _ if name.starts_with("struct ") => Some("a table of fields".to_owned()),
        _ if name.starts_with("enum ") || name.starts_with("variant ") => Some("one of its names".to_owned()),
        _ => None,
    }
}

/// What a reader found.
fn value_words(found: &str) -> String {
    for (theirs, ours) in [
        ("string ", "the text "),
        ("integer ", ""),
        ("floating point ", ""),
        ("boolean ", ""),
        ("sequence", "a list"),
        ("map", "a table"),
        ("null", "nothing"),
    ] {
        if let Some(rest) = found.strip_prefix(theirs) {
            return format!("{ours}{}", rest.trim_matches('`'));
        }
    }
    found.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_in_words() {
        for (theirs, ours) in [
            ("invalid value: integer `-1`, expected u64", "-1, expected a whole number, 0 or more"),
            (
                "invalid type: string \"4\", expected u32",
                "the text \"4\", expected a whole number, 0 or more",
            ),
            ("invalid value: integer `-3`, expected u32", "-3, expected a whole number, 0 or more"),
            (
                "invalid value: integer `4294967296`, expected u32",
                "4294967296, expected a whole number from 0 to 4294967295",
            ),
            ("invalid type: floating point `1.5`, expected u8", "1.5, expected a whole number from 0 to 255"),
            (
                "invalid type: boolean `true`, expected f64 at line 2 column 9",
                "true, expected a number at line 2 column 9",
            ),
            ("invalid type: map, expected a string", "a table, expected a text in quotes"),
            ("invalid type: integer `3`, expected struct WrittenLosses", "3, expected a table of fields"),
            ("invalid type: sequence, expected a boolean", "a list, expected true or false"),
            (
                "found 1.2, expected a probability from 0 to 1",
                "found 1.2, expected a probability from 0 to 1",
            ),
            ("missing field `id`", "missing field `id`"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }
}
