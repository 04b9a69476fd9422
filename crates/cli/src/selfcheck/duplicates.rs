//! Keys that come twice in one object of a file. Of such a key only the last value would be read, and the rest pass unseen.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The path of each key that comes again: keys, and positions in lists.
pub(super) fn duplicates(text: &str) -> serde_json::Result<Vec<Vec<String>>> {
    let (mut path, mut found) = (Vec::new(), Vec::new());
    let walk = Walk { path: &mut path, found: &mut found };
    walk.deserialize(&mut serde_json::Deserializer::from_str(text))?;
    Ok(found)
}

struct Walk<'a> {
    path: &'a mut Vec<String>,
    found: &'a mut Vec<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.path.push(key.clone());
            if !seen.insert(key) {
                self.found.push(self.path.clone());
            }
            map.next_value_seed(Walk { path: &mut *self.path, found: &mut *self.found })?;
            self.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut at = 0_usize;
        loop {
            self.path.push(at.to_string());
            let one = list.next_element_seed(Walk { path: &mut *self.path, found: &mut *self.found })?;
            self.path.pop();
            if one.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::duplicates;

    #[test]
    fn a_key_is_found_wherever_it_comes_again() {
        let found = duplicates(r#"{"a": [{"x": 1, "y": null, "x": [true]}], "b": {"x": -1.5}, "a": "t"}"#);
        assert_eq!(found.unwrap(), [vec!["a", "0", "x"], vec!["a"]]);
        assert!(duplicates(r#"{"a": {"x": 1}, "b": {"x": 1}}"#).unwrap().is_empty());
    }
}
