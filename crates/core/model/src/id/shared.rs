//! Ids that are read again share their text.
//!
//! A fleet names the host, tenant and image of each of its VMs: a million VMs, but some thousand names. The texts that were read
//! last are remembered, so many and no more; whether two equal ids share one text or have two can be told by nothing
//! but the memory that they take.

use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use rustc_hash::FxHasher;
use serde::de::{Error, Visitor};

use super::{InvalidId, check};

/// Texts that each thread remembers: some hundred kB of usual names.
const REMEMBERED: usize = 8192;

thread_local! {
    /// A place for each hash: a text forgets the one that was there.
    static RECENT: RefCell<Vec<Option<Arc<str>>>> = const { RefCell::new(Vec::new()) };
}

/// Reads the text of an id.
pub(super) struct Text;

impl Visitor<'_> for Text {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        shared(text).map_err(E::custom)
    }
}

/// The text of an id, shared with one that was read before where that is remembered.
fn shared(text: &str) -> Result<Arc<str>, InvalidId> {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    let place = hasher.finish() as usize % REMEMBERED;
    RECENT.with_borrow_mut(|recent| {
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
    })
}

#[cfg(test)]
mod tests {
    use crate::id::HostId;

    fn read(text: &str) -> HostId {
        serde_json::from_str(&format!("\"{text}\"")).unwrap()
    }

    #[test]
    fn an_id_that_is_read_twice_has_one_text_and_others_have_their_own() {
        let (first, again, other) = (read("host-1"), read("host-1"), read("host-2"));
        assert!(std::ptr::eq(first.as_str(), again.as_str()));
        assert_eq!((first.as_str(), other.as_str()), ("host-1", "host-2"));
        assert_eq!(read(r"host\u002d1"), first);
        // However many are read, each is itself.
        for at in 0..50_000 {
            assert_eq!(read(&format!("h{at}")).as_str(), format!("h{at}"));
        }
        assert_eq!(read("host-1"), first);
    }

    #[test]
    fn what_is_no_id_is_refused_each_time() {
        for _ in 0..2 {
            let error = serde_json::from_str::<HostId>("\"\"").unwrap_err();
            assert!(error.to_string().starts_with("an id must not be empty"), "{error}");
            let error = serde_json::from_str::<HostId>("7").unwrap_err();
            assert!(error.to_string().starts_with("invalid type: integer `7`, expected a string"), "{error}");
        }
    }
}
