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

/// A CVE id counts as feeds write it: what is accepted in small letters is accepted.
#[test]
fn an_accepted_vulnerability_is_named_as_feeds_name_it() {
    let written = |id: &str| {
        let text = format!(
            "[[accepted_risk]]\nvulnerability = \"{id}\"\nowner = \"x\"\nexpires = 2027-01-01\nreason = \"y\"\n"
        );
        read(&text).unwrap().accepted[0].vulnerability.to_string()
    };
    assert_eq!([" cve-2024-36971", "Cve-2024-36971 "].map(written), ["CVE-2024-36971"; 2]);
    assert_eq!(written("xsa-400"), "xsa-400", "other names are their issuers'");
}
