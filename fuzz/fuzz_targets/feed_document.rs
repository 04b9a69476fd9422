//! Any bytes are a document, are ignored, or are rejected with a place and a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(defect) = underpin_feeds::parse(bytes) {
        assert!(!defect.reason.is_empty());
    }
});
