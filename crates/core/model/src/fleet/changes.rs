//! What must hold among the changes that wait and the consents to them.

use std::cmp::Ordering;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::quoted;
use super::validate::Check;
use super::{Fleet, FleetError, Host, Planning, placement};
use crate::change::{Change, Layer, Method, Target};
use crate::facts::Family;
use crate::version::{Comparison, Scheme, succession};

/// Most units of one element: no storage has as many controllers.
const MOST_UNITS: u32 = 1024;

/// Checks changes and consents: names, references, spans, cycles.
pub(super) fn check<'a>(check: &mut Check<'a>, planning: &'a Planning) {
    names(check, "changes", planning.changes.iter().map(|it| it.id.as_str()));
    names(check, "consents", planning.consents.iter().map(|it| it.id.as_str()));
    let known: FxHashMap<&str, usize> =
        planning.changes.iter().enumerate().map(|(at, it)| (it.id.as_str(), at)).collect();
    for (at, it) in planning.changes.iter().enumerate() {
        change(check, &format!("/planning/changes/{at}"), it, &known);
    }
    cycles(check, &planning.changes, &known);
    for (at, it) in planning.consents.iter().enumerate() {
        let path = format!("/planning/consents/{at}");
        check.refer(&path, "tenants", "tenants", &it.tenants);
        check.refer(&path, "applications", "applications", &it.applications);
        check.refer(&path, "vms", "vms", &it.vms);
        if let (Some(from), Some(until)) = (it.from, it.until)
            && until <= from
        {
            span(check, &path, from, until);
        }
    }
}

fn span(check: &mut Check<'_>, path: &str, from: Timestamp, until: Timestamp) {
    check.findings.error(|| {
        FleetError::new(path, format!("from {from} until {until}"), "`until` after `from`").with_help(
            "it never holds otherwise; leave `until` out for an answer that holds until it is taken back",
        )
    });
}

/// Names of a list come once and are no empty text.
fn names<'n>(check: &mut Check<'_>, list: &str, ids: impl Iterator<Item = &'n str>) {
    let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
    for (at, id) in ids.enumerate() {
        let path = || format!("/planning/{list}/{at}/id");
        if id.trim().is_empty() {
            check.findings.error(|| FleetError::new(path(), quoted(id), "a name: plans refer to it"));
        } else if let Some(first) = seen.insert(id, at) {
            check.findings.error(|| {
                FleetError::new(
                    path(),
                    quoted(id),
                    format!("a name of its own: /planning/{list}/{first} has this one"),
                )
            });
        }
    }
}

fn change(check: &mut Check<'_>, path: &str, change: &Change, known: &FxHashMap<&str, usize>) {
    let list = match change.layer {
        Layer::ManagementPlane => "management_planes",
        Layer::Witness => "witnesses",
        Layer::Storage => "storage",
        Layer::Host => "hosts",
    };
    check.refer(path, "elements", list, &change.elements);
    check.refer(path, "clusters", "clusters", &change.clusters);
    if !(1..=MOST_UNITS).contains(&change.units) {
        check.findings.error(|| {
            FleetError::new(format!("{path}/units"), change.units.to_string(), format!("1 to {MOST_UNITS}"))
                .with_help("leave it out for an element that is changed as a whole")
        });
    } else if change.layer == Layer::Host && change.units > 1 {
        check.findings.error(|| {
            FleetError::new(
                format!("{path}/units"),
                change.units.to_string(),
                "1: a host is changed as a whole",
            )
            .with_help("leave it out, or set `layer` to what has several units, such as `storage`")
        });
    }
    for id in change.after.iter().filter(|id| !known.contains_key(id.as_str())) {
        check.findings.error(|| {
            FleetError::new(format!("{path}/after"), quoted(id), "the id of one of /planning/changes")
                .with_help("add the change or leave the name out")
        });
    }
    for (field, text) in texts(&change.to) {
        if text.trim().is_empty() {
            check.findings.error(|| {
                FleetError::new(format!("{path}/to/{field}"), quoted(text), "a text: where the change leads")
            });
        }
    }
    way(check, path, change);
    let Some(spans) = &change.durations else { return };
    for (field, spread, expected) in spans.mistakes(true, reboots(change)) {
        let found = format!("p50_s {}, p95_s {}", spread.p50_s, spread.p95_s);
        check.findings.error(|| FleetError::new(format!("{path}/durations/{field}"), found, expected));
    }
}

/// The releases on the way come once each and lead up, as far as the products say which of two is the later one.
fn way(check: &mut Check<'_>, path: &str, change: &Change) {
    let Target::Release { release, via } = &change.to else { return };
    let place = |at: usize| format!("{path}/to/release/via/{at}");
    let mut seen: FxHashSet<&str> = FxHashSet::from_iter([release.as_str()]);
    for (at, it) in via.iter().enumerate().filter(|it| !seen.insert(it.1)) {
        check.findings.error(|| {
            FleetError::new(
                place(at),
                quoted(it),
                "every release of the way once, and the one at its end not among them",
            )
            .with_help("leave it out")
        });
    }
    let schemes = schemes(check.fleet, change);
    let stops = via.iter().chain([release]);
    for (at, (it, next)) in via.iter().zip(stops.skip(1)).enumerate().filter(|(_, (it, next))| it != next) {
        let back = |scheme: &Scheme| {
            let order = succession(*scheme, next, it);
            matches!(order, Ok(Comparison::Ordered(Ordering::Less | Ordering::Equal)))
        };
        if !schemes.is_empty() && schemes.iter().all(back) {
            check.findings.error(|| {
                FleetError::new(
                    place(at),
                    quoted(it),
                    format!("a release below {next:?}, which comes after it on the way"),
                )
                .with_help("list the releases of the way from the lowest to the highest")
            });
        }
    }
}

/// How versions are ordered of the products that a change may be about.
fn schemes(fleet: &Fleet, change: &Change) -> FxHashSet<Scheme> {
    let named: FxHashSet<&str> = change.elements.iter().map(AsRef::as_ref).collect();
    let scheme = |id: &str, family: Option<&Family>| {
        let of = |it: &&Family| change.platforms.is_empty() || change.platforms.contains(it);
        let is_named = named.is_empty() || named.contains(id);
        family.filter(of).filter(|_| is_named).map(Family::scheme)
    };
    match change.layer {
        Layer::Host => {
            let near = |it: &&Host| {
                change.clusters.is_empty()
                    || it.cluster.as_ref().is_some_and(|it| change.clusters.contains(it))
            };
            let hosts = fleet.hosts.iter().filter(near);
            hosts.filter_map(|it| scheme(it.id.as_str(), it.platform.as_ref().map(|it| &it.family))).collect()
        }
        Layer::ManagementPlane => fleet
            .management_planes
            .iter()
            .filter_map(|it| scheme(it.id.as_str(), it.platform.as_ref()))
            .collect(),
        Layer::Witness => fleet
            .witnesses
            .iter()
            .filter_map(|it| scheme(it.id.as_str(), it.components.as_ref().and_then(|it| it.family.as_ref())))
            .collect(),
        Layer::Storage => fleet
            .storage
            .iter()
            .filter_map(|it| scheme(it.id.as_str(), it.components.as_ref().and_then(|it| it.family.as_ref())))
            .collect(),
    }
}

/// Some method of a change reboots its hosts.
fn reboots(change: &Change) -> bool {
    let full = |it: &Method| matches!(it, Method::EvacuateReboot | Method::QuickBoot | Method::PowerOff);
    change.layer == Layer::Host
        && !matches!(change.to, Target::Setting { reboot: false, .. })
        && (change.methods.is_empty() || change.methods.iter().any(full))
}

/// The texts of a target with their fields.
fn texts(target: &Target) -> Vec<(&'static str, &str)> {
    match target {
        Target::Release { release, via } => {
            let mut all = vec![("release/release", release.as_str())];
            all.extend(via.iter().map(|it| ("release/via", it.as_str())));
            all
        }
        Target::Component { name, version } => {
            vec![("component/name", name.as_str()), ("component/version", version.as_str())]
        }
        // A setting may be set to an empty text.
        Target::Setting { name, .. } => vec![("setting/name", name.as_str())],
    }
}

/// Changes that wait for each other are never carried out.
fn cycles(check: &mut Check<'_>, changes: &[Change], known: &FxHashMap<&str, usize>) {
    let next: Vec<Vec<usize>> = changes
        .iter()
        .map(|it| it.after.iter().filter_map(|id| known.get(id.as_str()).copied()).collect())
        .collect();
    placement::cycles(&next, |members, to| {
        let last = members.last().copied().unwrap_or(to);
        let found = placement::cycle_text(members, to, |at| changes.get(at).map_or("", |it| it.id.as_str()));
        check.findings.error(|| {
            FleetError::new(
                format!("/planning/changes/{last}/after"),
                found,
                "changes that do not wait for themselves",
            )
            .with_help("leave out the `after` that is not needed")
        });
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::read;

    /// A fleet with these changes and consents.
    fn fleet(planning: &Value) -> Vec<u8> {
        let fleet = json!({
            "format": "underpin/fleet/1",
            "name": "f",
            "seen": {"at": "2026-11-20T00:00:00Z", "by": "test"},
            "clusters": [{"id": "c1"}],
            "management_planes": [{"id": "vc1"}],
            "storage": [{"id": "san"}],
            "hosts": [{"id": "h1", "cluster": "c1"}],
            "tenants": [{"id": "acme"}],
            "applications": [{"id": "shop"}],
            "vms": [{"id": "v1", "host": "h1"}],
            "planning": planning,
        });
        serde_json::to_vec(&fleet).unwrap()
    }

    /// The only mistake of such a fleet.
    #[track_caller]
    fn mistake(planning: &Value) -> String {
        let errors: Vec<String> =
            read(&fleet(planning)).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        errors.into_iter().next().unwrap()
    }

    fn change(id: &str, more: &Value) -> Value {
        let mut change = json!({"id": id, "to": {"release": {"release": "8.0.3"}}});
        for (key, value) in more.as_object().unwrap() {
            change[key] = value.clone();
        }
        change
    }

    fn of(changes: &[Value]) -> Value {
        json!({"changes": changes})
    }

    #[test]
    fn sound_changes_and_consents_pass() {
        let planning = json!({
            "changes": [
                change("vc", &json!({"layer": "management-plane", "elements": ["vc1"]})),
                change("san", &json!({"layer": "storage", "elements": ["san"], "units": 2, "after": ["vc"]})),
                change("esx", &json!({"elements": ["h1"], "clusters": ["c1"], "after": ["vc", "san"]})),
            ],
            "consents": [{"id": "c", "tenants": ["acme"], "applications": ["shop"], "vms": ["v1"],
                "action": "power-off", "granted": true, "from": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}],
        });
        assert!(read(&fleet(&planning)).is_ok(), "{:?}", read(&fleet(&planning)).unwrap_err());
    }

    #[test]
    fn names_come_once_and_are_no_empty_text() {
        let said = mistake(&of(&[change("a", &json!({})), change("a", &json!({}))]));
        assert!(
            said.starts_with("/planning/changes/1/id: found \"a\", expected a name of its own"),
            "{said}"
        );
        let said = mistake(&of(&[change(" ", &json!({}))]));
        assert!(said.starts_with("/planning/changes/0/id: found \" \", expected a name"), "{said}");
        let consent = json!({"id": "c", "action": "suspend", "granted": true});
        let said = mistake(&json!({"consents": [consent, consent]}));
        assert!(said.starts_with("/planning/consents/1/id: found \"c\""), "{said}");
    }

    #[test]
    fn references_of_changes_and_consents_lead_somewhere() {
        // A host is no storage, whatever its name.
        let said = mistake(&of(&[change("a", &json!({"layer": "storage", "elements": ["h1"]}))]));
        assert!(
            said.starts_with(
                "/planning/changes/0/elements: found \"h1\", expected the id of one of the storage"
            ),
            "{said}"
        );
        for (layer, list) in
            [("management-plane", "management_planes"), ("witness", "witnesses"), ("host", "hosts")]
        {
            let said = mistake(&of(&[change("a", &json!({"layer": layer, "elements": ["nobody"]}))]));
            assert!(said.contains(&format!("the id of one of the {list}")), "{said}");
        }
        assert!(mistake(&of(&[change("a", &json!({"clusters": ["c9"]}))])).contains("/changes/0/clusters"));
        let said = mistake(&of(&[change("a", &json!({"after": ["b"]}))]));
        assert!(
            said.starts_with("/planning/changes/0/after: found \"b\", expected the id of one of"),
            "{said}"
        );
        for list in ["tenants", "applications", "vms"] {
            let consent = json!({"id": "c", "action": "suspend", "granted": true, list: ["nobody"]});
            let said = mistake(&json!({"consents": [consent]}));
            assert!(said.starts_with(&format!("/planning/consents/0/{list}: found \"nobody\"")), "{said}");
        }
    }

    #[test]
    fn numbers_and_texts_of_a_change_make_sense() {
        for units in [0, 1025, u32::MAX] {
            let said = mistake(&of(&[change("a", &json!({"units": units}))]));
            assert!(
                said.starts_with(&format!("/planning/changes/0/units: found {units}, expected 1 to")),
                "{said}"
            );
        }
        let said = mistake(&of(&[change("a", &json!({"units": 5}))]));
        assert!(
            said.starts_with("/planning/changes/0/units: found 5, expected 1: a host is changed as a whole"),
            "{said}"
        );
        assert!(said.contains("leave it out"), "{said}");
        assert!(read(&fleet(&of(&[change("a", &json!({"units": 1}))]))).is_ok());
        let said = mistake(&of(&[change("a", &json!({"to": {"release": {"release": "1", "via": [""]}}}))]));
        assert!(said.starts_with("/planning/changes/0/to/release/via: found \"\""), "{said}");
        let said = mistake(&of(&[change("a", &json!({"to": {"component": {"name": " ", "version": "1"}}}))]));
        assert!(said.starts_with("/planning/changes/0/to/component/name"), "{said}");
        let one = json!({"p50_s": 1, "p95_s": 1});
        let wrong = json!({"p50_s": 2, "p95_s": 1});
        let durations = json!({"stage": one, "patch": one, "reboot": wrong, "attest": one, "verify": one, "rollback": one});
        let said = mistake(&of(&[change("a", &json!({"durations": durations}))]));
        assert!(said.starts_with("/planning/changes/0/durations/reboot: found p50_s 2, p95_s 1"), "{said}");
    }

    #[test]
    fn the_way_to_a_release_leads_up_and_to_each_release_once() {
        let way = |via: Value, family: &str| {
            let to = json!({"release": {"release": "12.13", "via": via}});
            let mut fleet: Value =
                serde_json::from_slice(&fleet(&of(&[change("a", &json!({"to": to}))]))).unwrap();
            fleet["hosts"][0]["platform"] = json!({"family": family, "release": "12.0"});
            read(&serde_json::to_vec(&fleet).unwrap())
                .map_err(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(way(json!(["12.1", "12.2"]), "debian").is_ok());
        let said = way(json!(["12.20", "12.1"]), "debian").unwrap_err();
        assert!(
            said[0].starts_with(
                "/planning/changes/0/to/release/via/0: found \"12.20\", expected a release below \"12.1\""
            ),
            "{said:?}"
        );
        let said = way(json!(["12.1", "12.20"]), "debian").unwrap_err();
        assert!(said[0].contains("/via/1: found \"12.20\", expected a release below \"12.13\""), "{said:?}");
        // Once each, whatever the product.
        for (via, at) in [(json!(["12.13"]), 0), (json!(["a", "b", "a"]), 2)] {
            for family in ["debian", "esxi"] {
                let said = way(via.clone(), family).unwrap_err();
                let place = format!("/planning/changes/0/to/release/via/{at}: found");
                assert!(
                    said[0].starts_with(&place) && said[0].contains("every release of the way once"),
                    "{said:?}"
                );
            }
        }
        // Names of which nobody can tell the later one are taken as they are.
        assert!(way(json!(["8.0.3-24022510", "7.0 U3d"]), "esxi").is_err());
        assert!(way(json!(["some", "other"]), "esxi").is_ok());
    }

    #[test]
    fn what_a_change_does_takes_a_second_or_more() {
        let one = json!({"p50_s": 1, "p95_s": 1});
        let with = |none: &str, more: Value| {
            let mut durations = json!({"stage": one, "patch": one, "reboot": one, "attest": one, "verify": one, "rollback": one});
            durations[none] = json!({"p50_s": 0, "p95_s": 0});
            let mut change = change("a", &json!({"durations": durations}));
            change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            of(&[change])
        };
        for none in ["stage", "patch", "reboot", "verify"] {
            let said = mistake(&with(none, json!({})));
            assert!(
                said.starts_with(&format!("/planning/changes/0/durations/{none}: found p50_s 0")),
                "{said}"
            );
            assert!(said.contains("1 s or more"), "{said}");
        }
        let setting = json!({"to": {"setting": {"name": "a", "value": "b"}}});
        for more in [json!({"methods": ["live-patch"]}), setting, json!({"layer": "storage"})] {
            let planning = with("reboot", more);
            assert!(read(&fleet(&planning)).is_ok(), "{planning}");
        }
        for none in ["attest", "rollback"] {
            assert!(read(&fleet(&with(none, json!({})))).is_ok(), "{none}");
        }
    }

    #[test]
    fn changes_that_wait_for_each_other_are_refused() {
        let said = mistake(&of(&[
            change("a", &json!({"after": ["b"]})),
            change("b", &json!({"after": ["c"]})),
            change("c", &json!({"after": ["a"]})),
        ]));
        assert!(
            said.contains(
                "found a cycle: \"a\" -> \"b\" -> \"c\" -> \"a\", expected changes that do not wait"
            ),
            "{said}"
        );
        assert!(mistake(&of(&[change("a", &json!({"after": ["a"]}))])).contains("\"a\" -> \"a\""));
        // A chain is no cycle, however long.
        let chain: Vec<Value> = (0..2000)
            .map(|at| {
                let after = if at == 0 { json!([]) } else { json!([format!("c{}", at - 1)]) };
                change(&format!("c{at}"), &json!({"after": after}))
            })
            .collect();
        assert!(read(&fleet(&of(&chain))).is_ok());
    }

    #[test]
    fn an_answer_that_never_holds_is_refused() {
        let consent = |until: &str| {
            json!({"consents": [{"id": "c", "action": "suspend", "granted": true,
                "from": "2026-11-20T00:00:00Z", "until": until}]})
        };
        let said = mistake(&consent("2026-11-20T00:00:00Z"));
        assert!(said.starts_with("/planning/consents/0: found from 2026-11-20T00:00:00Z until"), "{said}");
        assert!(read(&fleet(&consent("2026-11-20T00:00:01Z"))).is_ok());
    }

    #[test]
    fn memory_that_no_machine_has_is_refused_so_that_sums_stay_in_range() {
        let with = |mib: u64| {
            let mut fleet: Value = serde_json::from_slice(&fleet(&json!({}))).unwrap();
            fleet["vms"][0]["memory_mib"] = json!(mib);
            fleet["hosts"][0]["capacity"] = json!({"memory_mib": mib});
            read(fleet.to_string().as_bytes())
        };
        assert!(with(1 << 40).is_ok());
        let errors = with((1 << 40) + 1).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(
            said[0].starts_with("/hosts/0/capacity/memory_mib: found 1099511627777, expected at most"),
            "{said:?}"
        );
        assert!(said[1].starts_with("/vms/0/memory_mib: found 1099511627777, expected at most"), "{said:?}");
    }
}
