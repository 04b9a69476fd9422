//! Ids that are read again share their text.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, Visitor};

use super::check;
use crate::text::Recent;

thread_local! {
    static RECENT: Recent = const { Recent::new() };
}

/// Reads the text of an id.
pub(super) struct Text;

impl Visitor<'_> for Text {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        RECENT.with(|recent| recent.shared(text, check)).map_err(E::custom)
    }
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
