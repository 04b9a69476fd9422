//! A package URL that is accepted has a canonical form that is accepted and stays as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_model::purl::Purl;

fuzz_target!(|text: &str| {
    let strict = text.parse::<Purl>();
    let Ok(purl) = Purl::canonical(text) else {
        assert!(strict.is_err(), "{text:?} is accepted strictly, but not leniently");
        return;
    };
    let canonical = purl.to_string();
    let again: Purl = canonical.parse().unwrap_or_else(|error| panic!("{text:?} became {error}"));
    assert_eq!(again.to_string(), canonical, "{text:?}");
});
