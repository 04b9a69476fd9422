//! Hostile input: whatever the bytes are, a table is parsed or refused.

use proptest::prelude::*;
use underpin_model::facts::Format;

use super::super::{parse, recognise};
use super::bad_rows::GOOD;

fn formats() -> impl Strategy<Value = (Format, &'static str)> {
    prop::sample::select(GOOD.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), (format, _) in formats()) {
        let _ = recognise(&bytes);
        let _ = parse(&bytes, format);
    }

    /// Cut, overwritten and repeated tables: nothing panics, and a refusal always says where and why.
    #[test]
    fn mutated_tables_never_panic(
        (format, good) in formats(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut bytes = good.as_bytes().to_vec();
        for (at, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => bytes.extend_from_within(at..),
            }
        }
        let _ = recognise(&bytes);
        if let Err(defect) = parse(&bytes, format) {
            prop_assert_eq!(defect.format, Some(format));
            prop_assert!(!defect.reason.is_empty());
        }
    }
}
