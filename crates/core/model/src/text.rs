//! Texts that come again and again share their memory.
//!
//! A fleet names the host, tenant, image, emulator and guest system of each of its VMs: a million VMs, but some thousand names. The
//! texts that were read last are remembered, so many and no more; whether two equal ones share their memory or have two can be told
//! by nothing but the memory that they take.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::ops::Deref;
use std::sync::Arc;

use rustc_hash::FxHasher;
use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Texts that each thread remembers: some hundred kB of usual names.
const REMEMBERED: usize = 8192;

/// The texts that were read last: a place for each hash, where a text forgets the one that was there.
pub(crate) struct Recent(RefCell<Vec<Option<Arc<str>>>>);

impl Recent {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// The text, shared with one that was read before where that is remembered; checked where it is not.
    pub(crate) fn shared<E>(
        &self,
        text: &str,
        check: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<Arc<str>, E> {
        let mut hasher = FxHasher::default();
        text.hash(&mut hasher);
        let place = hasher.finish() as usize % REMEMBERED;
        let mut recent = self.0.borrow_mut();
        recent.resize(REMEMBERED, None);
        let known = recent.get_mut(place).and_then(|it| it.as_mut().filter(|it| ***it == *text));
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        check(text)?;
        let new: Arc<str> = text.into();
        if let Some(place) = recent.get_mut(place) {
            *place = Some(Arc::clone(&new));
        }
        Ok(new)
    }
}

thread_local! {
    static RECENT: Recent = const { Recent::new() };
}

/// A text that many elements of a fleet have alike. Where it is read, or made from a borrowed one, it shares its memory with an
/// equal one that came shortly before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Text(#[schemars(with = "String")] Arc<str>);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let Ok(text) = RECENT.with(|recent| recent.shared(text, |_| Ok::<(), Infallible>(())));
        Self(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::fleet::Vm;

    #[test]
    fn equal_texts_have_one_memory_and_are_read_and_written_as_texts() {
        let read: Text = serde_json::from_str("\"Debian\"").unwrap();
        let (again, other) = (Text::from("Debian".to_owned()), Text::from("debian"));
        assert!(std::ptr::eq(read.as_str(), again.as_str()));
        assert_ne!(read, other);
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"Debian\"");
        assert_eq!(serde_json::from_str::<Text>("\"\"").unwrap().as_str(), "");
        let error = serde_json::from_str::<Text>("7").unwrap_err().to_string();
        assert!(error.starts_with("invalid type: integer `7`, expected a string"), "{error}");
    }

    #[test]
    fn a_vm_takes_little_memory() {
        // A fleet has a million: what few of them have stands elsewhere.
        assert!(size_of::<Vm>() <= 544, "{} bytes", size_of::<Vm>());
    }
}
