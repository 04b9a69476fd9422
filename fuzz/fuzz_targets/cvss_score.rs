//! Any text scores from 0 to 10, or is rejected.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_model::cvss::{attack_vector, score, table};

fuzz_target!(|text: &str| {
    let _ = table::check(text);
    let scored = score(text);
    assert_eq!(scored.is_ok(), attack_vector(text).is_ok());
    if let Ok(score) = scored {
        for value in [Some(score.base), score.temporal, score.environmental].into_iter().flatten() {
            assert!((0.0..=10.0).contains(&value), "{text:?} scores {value}");
        }
    }
});
