//! A script is carried out, or stops at a line with what was found and what was expected; a refused line changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_model::fleet::{Fleet, Seen};
use underpin_sim::Datacentre;
use underpin_sim::script::{Limits, NoFiles, Session};

/// So many lines, of an hour of the virtual clock each: what takes long is not the parser.
const MOST_LINES: usize = 40;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(at) = "2026-01-15T09:00:00Z".parse() else { return };
    let fleet = Fleet::new("fuzz", Seen { at, by: "fuzz".to_owned() });
    let limits = Limits { hosts: 12, guests: 60, span_ms: 3_600_000 };
    let mut session = Session::with(Datacentre::new(fleet, 1), limits);
    for line in text.lines().take(MOST_LINES) {
        let before = session.datacentre().clone();
        if let Err(error) = session.line(line, &NoFiles, |_| {}) {
            assert!(*session.datacentre() == before, "a refused line changed something: {line}");
            assert!(!error.found.is_empty() && !error.expected.is_empty(), "{error}");
        }
    }
});
