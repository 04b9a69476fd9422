//! Every reason and every relaxation in words: one that comes new is found missing here.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use underpin_model::plan::{Plan, Reason, Relaxation, report_schema};

use super::words::{reason, relaxation};

/// Reasons as in a report, with their words.
fn reasons() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"why": "soak", "ring": "test", "until_s": 3600}),
            "waits for the soak of ring test until 11-21 21:00",
        ),
        (
            json!({"why": "soak", "ring": null, "until_s": 3600}),
            "waits for the soak of canaries until 11-21 21:00",
        ),
        (json!({"why": "earlier-wave", "wave": 3}), "wave 3 must be back first"),
        (json!({"why": "earlier-change", "change": "x", "element": "vc"}), "x on vc comes first"),
        (
            json!({"why": "window-opens", "tenant": "acme", "at_s": 60}),
            "the window of tenant acme opens 11-21 20:01",
        ),
        (
            json!({"why": "window-opens", "tenant": null, "at_s": 60}),
            "the window of the hosts opens 11-21 20:01",
        ),
        (
            json!({"why": "consent-begins", "tenant": "acme", "action": "power-off", "at_s": 60}),
            "consent of tenant acme to powering off begins 11-21 20:01",
        ),
        (
            json!({"why": "takes-reboot", "changes": ["x", "y"]}),
            "x and y take a reboot, and the methods that are allowed are without one: evacuate-reboot is not",
        ),
        (json!({"why": "way-home"}), "guests go home that the plan before had on their way"),
        (json!({"why": "leaves-early", "tenant": "acme"}), "guests of acme leave early, in its own window"),
        (
            json!({"why": "outside-window", "tenant": null, "needs_s": 3600, "longest_s": 1800}),
            "no window of the hosts is long enough: it needs 1 h, the longest is 30 min",
        ),
        (
            json!({"why": "outside-window", "tenant": null, "needs_s": 5190, "longest_s": 5160}),
            "no window of the hosts is long enough: it needs 1 h 26 min, the longest is 1 h 26 min, 30 s too short",
        ),
        (
            json!({"why": "no-window", "tenant": "acme", "needs_s": 3600}),
            "no window of tenant acme ever opens: it needs 1 h",
        ),
        (
            json!({"why": "windows-apart", "tenant": "acme", "needs_s": 1800}),
            "windows of tenant acme are long enough for 30 min, but none is open when the others are",
        ),
        (
            json!({"why": "in-freeze", "freeze": "books", "reason": "end of the year", "tenant": null, "until_s": 3600}),
            "freeze books (end of the year) holds back the hosts until 11-21 21:00",
        ),
        (
            json!({"why": "in-freeze", "freeze": "sale", "reason": "", "tenant": "acme", "until_s": null}),
            "freeze sale holds back tenant acme for all that is planned",
        ),
        (
            json!({"why": "past-horizon", "ends_s": 7200, "horizon_s": 3600}),
            "it would be over 11-21 22:00, after the end of what is planned 11-21 21:00",
        ),
        (json!({"why": "required-affinity", "vm": "v", "rule": "apart"}), "rule apart binds v"),
        (
            json!({"why": "contradiction", "vm": "v", "affinities": [0, 2]}),
            "rules about v contradict each other: /affinities/0, /affinities/2",
        ),
        (
            json!({"why": "no-target-with-feature", "vm": "v", "features": ["avx512f"]}),
            "no host has the CPU features of v: avx512f",
        ),
        (
            json!({"why": "no-target-with-reach", "vm": "v", "needs": ["san", "lan"]}),
            "no host reaches what v needs: san, lan",
        ),
        (json!({"why": "no-target-with-release", "vm": "v"}), "v could only go to a lower release"),
        (
            json!({"why": "larger-than-any-host", "vm": "v", "memory_mib": 20480}),
            "v (20.0 GiB) is larger than any other host",
        ),
        (
            json!({"why": "short", "resource": "memory_mib", "short": 2048, "reserve": true}),
            "2048 MiB of memory short of the reserve for a failure",
        ),
        (json!({"why": "short", "resource": "vcpus", "short": 4, "reserve": false}), "4 vCPUs short"),
        (
            json!({"why": "no-place-after-failure", "vm": "v"}),
            "should a host fail, no other host has all that v needs, rules and reach counted",
        ),
        (json!({"why": "fragmented", "vm": "v"}), "there is room in sum, but no host has it for v"),
        (json!({"why": "no-common-method", "changes": ["a", "b"]}), "a and b have no method in common"),
        (
            json!({"why": "no-slots", "host": "h"}),
            "h takes part in no migration: set `migration.slots` of it to what it really has",
        ),
        (
            json!({"why": "no-allowed-action", "vm": "v", "pinned_by": "passthrough"}),
            "v is pinned (passthrough), and no other action is allowed",
        ),
        (
            json!({"why": "consent", "vm": "v", "tenant": "acme", "action": "power-off", "refused": true}),
            "tenant acme has refused powering off v",
        ),
        (
            json!({"why": "consent", "vm": "v", "tenant": null, "action": "suspend", "refused": false}),
            "the operator has not agreed to suspending v",
        ),
        (json!({"why": "locked", "vm": "v", "until_s": 60}), "v is locked until 11-21 20:01"),
        (json!({"why": "locked", "vm": "v", "until_s": null}), "v is locked, nobody knows until when"),
        (
            json!({"why": "does-not-converge", "vm": "v", "dirty_mbps": 20, "best_mbps": 10}),
            "v writes 20 Mbit/s, its migration gets 10 at best",
        ),
        (json!({"why": "unknown-fact", "element": "v", "fact": "vcpus"}), "vcpus of v is not known"),
        (json!({"why": "degraded", "cluster": "c"}), "cluster c is degraded"),
        (json!({"why": "storage-redundancy", "storage": "san"}), "storage san has lost redundancy"),
        (json!({"why": "deferred"}), "deferred by choice"),
        (json!({"why": "already-there"}), "it is there already"),
        (
            json!({"why": "release-diversity", "application": "shop"}),
            "all of application shop would be on a release that soaks",
        ),
        (json!({"why": "most-away", "of": "fault-domain", "most": 2}), "at most 2 away of one fault domain"),
        (
            json!({"why": "most-away", "of": "cluster", "name": "c", "most": 1, "away": ["h3"]}),
            "at most 1 away of cluster c: h3 is in maintenance",
        ),
        (
            json!({"why": "most-away", "of": "network", "name": "vmotion", "most": 3000}),
            "at most 3000 Mbit/s for migrations over network vmotion",
        ),
        (json!({"why": "most-urgent", "loss_per_day": 12.0}), "12.0 a day while it is open"),
        (json!({"why": "canary", "class": "x/y"}), "canary of x/y"),
        (json!({"why": "coordinator"}), "it manages the others"),
        (json!({"why": "cycle", "changes": ["a", "b"]}), "changes wait for each other: a, b"),
    ]
}

/// Relaxations as in a report, with their words.
fn relaxations() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"what": "spare-hosts", "cluster": "c", "hosts": 2}), "2 more host(s) in cluster c"),
        (
            json!({"what": "consent", "tenant": "acme", "action": "cold-migrate", "vms": ["v", "w"]}),
            "consent of tenant acme to cold migration v, w",
        ),
        (json!({"what": "lift-freeze", "freeze": "books"}), "freeze books lifted"),
        (
            json!({"what": "open-window", "tenant": null, "planes": ["vc1"], "minutes": 60}),
            "a window of 60 min every day for vc1",
        ),
        (
            json!({"what": "longer-window", "tenant": null, "minutes": 40}),
            "the window of the hosts 40 min longer",
        ),
        (
            json!({"what": "open-window", "tenant": null, "hosts": ["h1", "h2"], "minutes": 61}),
            "a window of 61 min every day for h1, h2",
        ),
        (
            json!({"what": "open-window", "tenant": "acme", "minutes": 5}),
            "a window of 5 min every day for guests of acme",
        ),
        (
            json!({"what": "without-reserve", "cluster": "c"}),
            "an exception from the reserve for a failure in cluster c",
        ),
        (
            json!({"what": "without-rule", "rule": "release-diversity", "vms": []}),
            "without rule release-diversity",
        ),
        (
            json!({"what": "without-rule", "rule": "apart", "vms": ["a", "b", "c", "d", "e"]}),
            "without rule apart for a, b, c, d and 1 more",
        ),
        (
            json!({"what": "without-freeze", "freeze": "sale", "tenant": null, "hosts": ["h1", "h2"]}),
            "an exception from freeze sale for h1, h2",
        ),
        (
            json!({"what": "without-freeze", "freeze": "sale", "tenant": "acme"}),
            "an exception from freeze sale for guests of acme",
        ),
        (json!({"what": "most-away", "cluster": "c", "most": 3}), "3 hosts away at a time in cluster c"),
        (json!({"what": "fact", "element": "v", "fact": "memory_mib"}), "find out memory_mib of v"),
        (json!({"what": "bandwidth", "host": "h", "mbps": 29000}), "29000 Mbit/s for migrations at h"),
        (json!({"what": "repair", "element": "san"}), "repair san"),
        (json!({"what": "unlock", "vm": "v"}), "the lock on v ends"),
    ]
}

/// Names of the variants that the schema of a report has for one of its types.
fn variants(of: &str, tag: &str) -> BTreeSet<String> {
    let schema = report_schema();
    let all = schema["$defs"][of]["oneOf"].as_array().unwrap().clone();
    all.iter().map(|it| it["properties"][tag]["const"].as_str().unwrap().to_owned()).collect()
}

fn told(table: &[(Value, &str)], tag: &str) -> BTreeSet<String> {
    table.iter().map(|it| it.0[tag].as_str().unwrap().to_owned()).collect()
}

fn plan() -> Plan {
    serde_json::from_value(json!({
        "format": "underpin/plan/1", "made_from": {"fleet": "f", "seen_at": "2026-11-21T20:00:00Z", "seed": 1, "evaluations": 0},
        "starts_at": "2026-11-21T20:00:00Z", "profile": "normal", "placing": "we-place", "homing": "drift",
        "waves": [], "steps": [], "left_out": []}))
    .unwrap()
}

#[test]
fn every_reason_has_words_and_none_is_forgotten() {
    let plan = plan();
    for (value, words) in reasons() {
        let it: Reason = serde_json::from_value(value).unwrap();
        assert_eq!(reason(&it, &plan, None), words);
    }
    assert_eq!(told(&reasons(), "why"), variants("Reason", "why"));
}

#[test]
fn every_relaxation_has_words_and_none_is_forgotten() {
    for (value, words) in relaxations() {
        let it: Relaxation = serde_json::from_value(value).unwrap();
        assert_eq!(relaxation(&it), words);
    }
    assert_eq!(told(&relaxations(), "what"), variants("Relaxation", "what"));
}

#[test]
fn a_window_that_is_no_tenants_is_named_by_its_element() {
    let plan = plan();
    let own = underpin_model::id::ElementId::new("vc1").unwrap();
    let said = |value: Value| reason(&serde_json::from_value(value).unwrap(), &plan, Some(&own));
    assert_eq!(
        said(json!({"why": "no-window", "tenant": null, "needs_s": 3600})),
        "no window of vc1 ever opens: it needs 1 h"
    );
    assert_eq!(
        said(json!({"why": "no-window", "tenant": "acme", "needs_s": 3600})),
        "no window of tenant acme ever opens: it needs 1 h"
    );
}
