//! A fleet file is refused with places and expectations, or it is read and says the same after it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_model::fleet::{Fleet, MAX_FINDINGS, read};

fuzz_target!(|bytes: &[u8]| match read(bytes) {
    Ok(checked) => {
        let written = serde_json::to_vec(&checked.fleet).unwrap_or_else(|error| panic!("{error}"));
        let again = read(&written).unwrap_or_else(|errors| panic!("what was written is refused: {errors:?}"));
        let fleet: &Fleet = &again.fleet;
        assert!(*fleet == checked.fleet, "what was written differs");
    }
    Err(errors) => {
        // One more says how many were left out.
        assert!(!errors.is_empty() && errors.len() <= MAX_FINDINGS + 1);
        for error in errors {
            assert!(!error.to_string().is_empty());
        }
    }
});
