//! What stands on what: a fleet made by hand with the answers written down, and laws on sample fleets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use underpin_exposure::ripple::{Node, Ripple, RippleError, Stack, ripple};
use underpin_model::fleet::{Fleet, SampleSpec, example, read, sample};

const FLEET: &str = r#"
format: underpin/fleet/1
name: t
seen: { at: "2026-01-01T00:00:00Z", by: hand }
sites: [{ id: site }, { id: far }]
fault_domains: [{ id: rack, site: site }]
networks: [{ id: net, site: site }]
storage: [{ id: store, site: site }]
witnesses: [{ id: wit, site: far }]
management_planes: [{ id: plane, site: site, runs_on: [h2] }]
clusters:
  - { id: c1, site: site, managed_by: [plane], witness: wit, storage: [store], networks: [net] }
  - { id: c2, managed_by: [plane] }
component_sets:
  s: { components: [{ name: qemu-system-x86, version: "7.2", source: { name: qemu } }] }
hosts:
  - { id: h1, cluster: c1, fault_domains: [rack], component_sets: [s] }
  - { id: h2, cluster: c2, components: { components: [{ name: qemu-system-x86, version: "8.0", source: { name: qemu } }] } }
tenants: [{ id: t1 }, { id: t2 }]
applications: [{ id: db, tenant: t1 }, { id: web, tenant: t2, depends_on: [db] }]
images: [{ id: img, tenant: t1 }]
vms:
  - { id: v1, host: h1, tenant: t1, application: db, image: img }
  - { id: v2, host: h1, tenant: t2, application: web }
  - { id: v3, host: h2 }
  - { id: v4, cluster: c1, tenant: t2 }
"#;

fn fleet() -> Fleet {
    read(FLEET.as_bytes()).unwrap().fleet
}

fn short(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|it| format!("{}:{}", it.distance, it.id)).collect()
}

fn counts(answer: &Ripple) -> Vec<(String, usize)> {
    let name = |it: &Option<_>| it.as_ref().map_or_else(String::new, ToString::to_string);
    answer.tenants.iter().map(|it| (name(&it.tenant), it.vms)).collect()
}

#[test]
fn a_host_carries_its_guests_and_stands_on_its_cluster() {
    let answer = ripple(&fleet(), "h1").unwrap();
    assert_eq!(short(&answer.above), ["1:v1", "1:v2", "2:db", "2:web", "2:t1", "2:t2"]);
    // The plane runs on h2, which stands on c2, which the plane manages: the circle is walked once.
    assert_eq!(
        short(&answer.below),
        ["1:rack", "1:c1", "2:site", "2:net", "2:store", "2:wit", "2:plane", "3:far", "3:h2", "4:c2"]
    );
    assert_eq!(counts(&answer), [("t1".into(), 1), ("t2".into(), 1)]);
}

#[test]
fn a_plane_touches_all_its_clusters() {
    let answer = ripple(&fleet(), "plane").unwrap();
    assert_eq!(
        short(&answer.above),
        ["1:c1", "1:c2", "2:h1", "2:h2", "2:v4", "3:v1", "3:v2", "3:v3", "3:t2", "4:db", "4:web", "4:t1"]
    );
    assert_eq!(counts(&answer), [(String::new(), 1), ("t1".into(), 1), ("t2".into(), 2)]);
}

#[test]
fn applications_images_and_far_witnesses_ripple() {
    assert_eq!(short(&ripple(&fleet(), "db").unwrap().above), ["1:web", "1:t1", "2:t2"]);
    assert_eq!(short(&ripple(&fleet(), "img").unwrap().above), ["1:v1", "1:t1", "2:db", "3:web", "4:t2"]);
    assert_eq!(short(&ripple(&fleet(), "far").unwrap().above)[..2], ["1:wit", "2:c1"]);
    let vm = ripple(&fleet(), "v3").unwrap();
    assert_eq!((short(&vm.above).len(), counts(&vm)), (0, vec![(String::new(), 1)]));
}

#[test]
fn a_component_means_every_asset_that_carries_it() {
    let all = ripple(&fleet(), "qemu").unwrap();
    assert_eq!(short(&all.above)[..2], ["0:h1", "0:h2"]);
    for at in ["qemu@7.2", "qemu=7.2", "qemu-system-x86@7.2"] {
        let one = ripple(&fleet(), at).unwrap();
        assert_eq!(short(&one.above), ["0:h1", "1:v1", "1:v2", "2:db", "2:web", "2:t1", "2:t2"], "{at}");
        assert_eq!(one.below, ripple(&fleet(), "h1").unwrap().below, "{at}");
    }
}

#[test]
fn the_answer_has_the_published_form() {
    let json = serde_json::to_value(ripple(&fleet(), "db").unwrap()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "at": "db",
            "above": [
                {"distance": 1, "kind": "application", "id": "web", "via": "depends_on"},
                {"distance": 1, "kind": "tenant", "id": "t1", "via": "owns"},
                {"distance": 2, "kind": "tenant", "id": "t2", "via": "owns"}
            ],
            "below": json["below"],
            "tenants": []
        })
    );
    assert_eq!(
        json["below"][0],
        serde_json::json!({"distance": 1, "kind": "vm", "id": "v1", "via": "served_by"})
    );
}

#[test]
fn an_unknown_id_gets_the_nearest_ones() {
    let fleet = read(example().as_bytes()).unwrap().fleet;
    let RippleError::Unknown { suggestions, .. } = ripple(&fleet, "kvm-10").unwrap_err();
    assert_eq!(suggestions, ["kvm-01", "kvm-02", "kvm-a"]);
    let text = ripple(&fleet, "opensll").unwrap_err().to_string();
    assert!(text.contains("did you mean openssl?"), "{text}");
    for at in ["", "@", "=1", "qemu@", "nothing like it at all", &"x".repeat(1_000_000)] {
        let text = ripple(&fleet, at).unwrap_err().to_string();
        assert!(text.len() < 400, "{text}");
    }
}

fn ids(nodes: &[Node]) -> BTreeSet<&str> {
    nodes.iter().map(|it| it.id.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn above_and_below_are_each_others_mirror(hosts in 1u32..6, seed in any::<u64>(), pick in any::<usize>()) {
        let at = "2026-09-01T06:00:00Z".parse().unwrap();
        let fleet = sample(&SampleSpec { hosts, seed, components_per_host: 20 }, at);
        let stack = Stack::new(&fleet);
        let mut all: Vec<&str> = fleet.vms.iter().map(|it| it.id.as_str()).collect();
        all.extend(fleet.hosts.iter().map(|it| it.id.as_str()));
        all.extend(fleet.clusters.iter().map(|it| it.id.as_str()));
        all.extend(fleet.sites.iter().map(|it| it.id.as_str()));
        all.extend(fleet.applications.iter().map(|it| it.id.as_str()));
        let one = all[pick % all.len()];
        let here = stack.ripple(one).unwrap();
        for other in all.iter().filter(|it| **it != one) {
            let there = stack.ripple(other).unwrap();
            prop_assert_eq!(ids(&here.above).contains(other), ids(&there.below).contains(one), "{} {}", one, other);
        }
        let own = usize::from(fleet.vms.iter().any(|it| it.id.as_str() == one));
        let vms = here.above.iter().filter(|it| it.id.starts_with("vm-")).count() + own;
        prop_assert_eq!(here.tenants.iter().map(|it| it.vms).sum::<usize>(), vms);
    }
}
