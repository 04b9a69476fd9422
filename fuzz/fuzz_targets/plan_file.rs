//! A plan file is refused with a place, or is linted against a small fleet, with the same answer twice.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use underpin_lint::{Options, lint};
use underpin_model::fleet::{self, Fleet};
use underpin_model::plan;
use underpin_model::policy::Policy;

static FLEET: OnceLock<Option<Fleet>> = OnceLock::new();

fn fleet() -> Option<&'static Fleet> {
    let text = include_bytes!("../../crates/cli/tests/it/fixtures/lint/fleet.json");
    FLEET.get_or_init(|| fleet::read(text).ok().map(|it| it.fleet)).as_ref()
}

fuzz_target!(|bytes: &[u8]| {
    let fleet = fleet().expect("the small fleet is sound");
    match plan::read(bytes) {
        Ok(plan) => {
            let report = lint(fleet, &Policy::default(), &plan, &Options::default());
            assert_eq!(report, lint(fleet, &Policy::default(), &plan, &Options::default()));
        }
        Err(errors) => assert!(errors.iter().all(|it| !it.found.is_empty() && !it.expected.is_empty())),
    }
});
