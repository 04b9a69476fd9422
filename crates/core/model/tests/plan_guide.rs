//! What the guide says of plans is what the readers take.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

use underpin_model::change::Method;
use underpin_model::fleet;
use underpin_model::policy::{Durations, PlanningPolicy, read};

const GUIDE: &str = include_str!("../../../../docs/guide/plan.md");

/// The first block of the guide in a language.
fn block(language: &str) -> &'static str {
    let start = GUIDE.find(&format!("```{language}\n")).unwrap() + language.len() + 4;
    let length = GUIDE[start..].find("```").unwrap();
    &GUIDE[start..start + length]
}

#[test]
fn the_policy_of_the_guide_has_every_key_at_its_default() {
    let mut planning = read(block("toml")).unwrap_or_else(|it| panic!("{it:#?}")).planning;
    assert_eq!(
        planning.durations.remove(&Method::EvacuateReboot),
        Some(Durations::of(Method::EvacuateReboot))
    );
    assert_eq!((planning.window.len(), planning.freeze.len(), planning.exception.len()), (1, 1, 1));
    planning.window.clear();
    planning.freeze.clear();
    planning.exception.clear();
    assert_eq!(planning, PlanningPolicy::default());
    // Every key is shown, so that the guide stays complete when one is added.
    let schema = schemars::schema_for!(PlanningPolicy).to_value();
    let mut keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for (_, definition) in schema["$defs"].as_object().unwrap() {
        keys.extend(definition["properties"].as_object().into_iter().flat_map(|it| it.keys()));
    }
    let lacking: Vec<&&String> = keys.iter().filter(|it| !block("toml").contains(it.as_str())).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn the_changes_of_the_guide_are_read() {
    let head = "format: underpin/fleet/1\nname: f\nseen: {at: 2026-11-20T00:00:00Z, by: test}\n\
                clusters: [{id: c1}, {id: c2}]\nmanagement_planes: [{id: vc1}]\nstorage: [{id: san1}]\ntenants: [{id: acme}]\nhosts: [{id: esx7}]\n";
    let text = head.to_owned() + block("yaml");
    let checked = fleet::read(text.as_bytes()).unwrap_or_else(|it| panic!("{it:#?}"));
    let planning = checked.fleet.planning.unwrap();
    assert_eq!((planning.changes.len(), planning.consents.len(), planning.history.len()), (5, 1, 2));
    let schema = fleet::schema();
    for definition in ["Change", "Consent", "Observation", "HardwareClass"] {
        for key in schema["$defs"][definition]["properties"].as_object().unwrap().keys() {
            assert!(block("yaml").contains(key), "{definition}: {key}");
        }
    }
}
