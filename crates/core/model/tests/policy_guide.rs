//! What the guide says of policies is what the reader takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail by panicking")]

use underpin_model::policy::{Policy, read};

const GUIDE: &str = include_str!("../../../../docs/guide/policy.md");

/// The first block of the guide in TOML.
fn example() -> &'static str {
    let (_, rest) = GUIDE.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_complete_example_of_the_guide_is_read_and_states_something_of_everything() {
    let policy = read(example()).unwrap_or_else(|it| panic!("{it:#?}"));
    let default = Policy::default();
    assert!(policy.loss.stated && !policy.loss.tenants.is_empty());
    assert!(!policy.controls.is_empty() && !policy.accepted.is_empty() && !policy.promises.is_empty());
    assert_ne!(policy.currency, default.currency);
    assert_ne!(policy.parameters, default.parameters);
    assert_ne!(policy.maintenance, default.maintenance);
    assert_ne!(policy.rings, default.rings);
}
