//! Reading fleet files: every mistake at once, with place, value, expectation and way out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};
use underpin_model::fleet::{FleetError, MAX_FINDINGS, example, read, schema};

fn base() -> Value {
    json!({"format": "underpin/fleet/1", "name": "t", "seen": {"at": "2026-01-01T00:00:00Z", "by": "hand"}})
}

fn with(extra: Value) -> Value {
    let mut value = base();
    let Value::Object(extra) = extra else { panic!("an object") };
    value.as_object_mut().unwrap().extend(extra);
    value
}

fn errors(value: &Value) -> Vec<FleetError> {
    read(value.to_string().as_bytes()).unwrap_err()
}

fn warnings(value: &Value) -> Vec<FleetError> {
    read(value.to_string().as_bytes()).unwrap().warnings
}

fn lines(findings: &[FleetError]) -> String {
    findings.iter().fold(String::new(), |mut all, it| {
        writeln!(all, "{it}").unwrap();
        all
    })
}

#[test]
fn the_example_is_valid_and_uses_every_list() {
    let checked = read(example().as_bytes()).unwrap_or_else(|it| panic!("{}", lines(&it)));
    assert_eq!(lines(&checked.warnings), "");
    assert!(checked.fleet.extra.is_empty(), "{:?}", checked.fleet.extra);
    let value: Value = serde_yaml_ng::from_str(example()).unwrap();
    let schema = schema();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let broken: Vec<String> = validator.iter_errors(&value).map(|it| it.to_string()).collect();
    assert!(broken.is_empty(), "{broken:?}");
    for list in schema["properties"].as_object().unwrap().keys() {
        assert!(value.get(list).is_some(), "the example lacks {list}");
    }
    // Every fact of hosts, VMs and clusters is shown, so that the example stays complete when a fact is added.
    for (list, definition) in
        [("hosts", "Host"), ("vms", "Vm"), ("clusters", "Cluster"), ("storage", "Storage")]
    {
        for fact in schema["$defs"][definition]["properties"].as_object().unwrap().keys() {
            let shown = value[list].as_array().unwrap().iter().any(|it| it.get(fact).is_some());
            let elsewhere = ["name", "seen", "provenance", "site", "cluster", "components"];
            assert!(shown || elsewhere.contains(&fact.as_str()), "the example lacks {list}.{fact}");
        }
    }
}

#[test]
fn the_example_reads_the_same_as_json() {
    let yaml = read(example().as_bytes()).unwrap().fleet;
    let text = serde_json::to_string(&yaml).unwrap();
    assert_eq!(read(format!("\u{feff} {text}").as_bytes()).unwrap().fleet, yaml);
}

#[test]
fn the_schema_is_of_2020_12_and_named() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$id"], "urn:underpin:schema:fleet:1");
    assert_eq!(schema["title"], "Underpin fleet file");
    assert_eq!(schema["properties"]["format"]["const"], "underpin/fleet/1");
    assert!(jsonschema::meta::is_valid(&schema));
    assert!(jsonschema::is_valid(&schema, &base()));
    assert!(!jsonschema::is_valid(&schema, &with(json!({"sites": [{"id": ""}]}))));
}

#[test]
fn every_mistake_of_form_is_listed_with_its_place() {
    let value = with(json!({
        "format": "underpin/fleet/2",
        "sites": [{"name": "no id"}, {"id": 12}, {"id": ""}],
        "hosts": [{"id": "h", "cpu": {"threads": -4, "cores": 5_000_000_000u64}, "role": "hypervisor",
                   "capacity": {"vcpus": -1}, "maintenance": null, "booted_at": "yesterday"}],
        "storage": [{"id": "s", "redundancy": "raid"}],
        "component_sets": {"a/b": {"components": [{"name": "x"}]}},
        "images": [{"id": "i", "built": "2026-13-01"}],
        "vms": [{"id": "v", "power": "running", "vcpus": "4", "sealed_keys": {"pcrs": [300]}}]
    }));
    let found = errors(&value);
    for (path, found_part, expected_part) in [
        ("/format", "\"underpin/fleet/2\"", "\"underpin/fleet/1\""),
        ("/sites/0", "no field `id`", "the field `id`"),
        ("/sites/1/id", "12", "a text"),
        ("/sites/2/id", "an empty text", "an id"),
        ("/hosts/0/cpu/threads", "-4", "at least 0"),
        ("/hosts/0/cpu/cores", "5000000000", "at most 4294967295"),
        ("/hosts/0/role", "\"hypervisor\"", "\"nested-host\""),
        ("/hosts/0/capacity/vcpus", "-1", "at least 0"),
        ("/hosts/0/booted_at", "\"yesterday\"", "an instant"),
        ("/storage/0/redundancy", "\"raid\"", "\"rebuilding\""),
        ("/component_sets/a~1b/components/0", "no field `version`", "the field `version`"),
        ("/images/0/built", "\"2026-13-01\"", "2026-01-31"),
        ("/vms/0/power", "\"running\"", "\"suspended\""),
        ("/vms/0/vcpus", "\"4\"", "a whole number"),
        ("/vms/0/sealed_keys/pcrs/0", "300", "at most 255"),
    ] {
        let hit = found.iter().any(|it| {
            it.path == path && it.found.contains(found_part) && it.expected.contains(expected_part)
        });
        assert!(hit, "{path} {found_part} {expected_part} is not in\n{}", lines(&found));
    }
    assert!(found.iter().any(|it| it.help.as_deref() == Some("put it in quotes")), "{}", lines(&found));
}

#[test]
fn texts_that_are_no_fleet_are_refused_with_a_reason() {
    for (bytes, part) in [
        (&b""[..], "an empty text"),
        (b"{\"format\": ", "valid JSON"),
        (b"a: [1", "valid YAML"),
        (b"just words", "a mapping"),
        (b"[]", "a mapping"),
        (b"{\"format\": 1}", "no field `name`"),
        (b"\xff\xfe{\0", "byte 0xff at offset 0"),
        (b"name: caf\xe9", "byte 0xe9 at offset 9"),
    ] {
        let text = lines(&read(bytes).unwrap_err());
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_only_typed_reading_sees_is_told_with_its_place() {
    // A field that comes twice is told as that, and not by what its last one is.
    let format = base().to_string().replacen('{', r#"{"format": "x", "#, 1);
    let text = lines(&read(format.as_bytes()).unwrap_err());
    assert!(text.contains("duplicate field `format`") && text.contains("write each field once"), "{text}");
    let twice = base().to_string().replacen('{', r#"{"component_sets": {"a": {}, "a": {}},"#, 1);
    let text = lines(&read(twice.as_bytes()).unwrap_err());
    assert!(text.contains("/component_sets") && text.contains("\"a\" comes twice"), "{text}");
    for (place, twice) in [
        ("running", r#"{"qemu": "1", "qemu": "2"}"#),
        ("settings", r#"{"qemu": {"value": true}, "qemu": {"value": false}}"#),
        (
            "provenance",
            r#"{"qemu": {"at": "2026-01-01T00:00:00Z", "by": "a"}, "qemu": {"at": "2026-01-01T00:00:00Z", "by": "b"}}"#,
        ),
    ] {
        let host = format!(r#"{{"hosts": [{{"id": "h", "{place}": {twice}}}],"#);
        let mut alone = base();
        alone.as_object_mut().unwrap().remove("hosts");
        alone.as_object_mut().unwrap().remove("vms");
        let text = lines(&read(alone.to_string().replacen('{', &host, 1).as_bytes()).unwrap_err());
        assert!(
            text.contains(&format!("/hosts/0/{place}")) && text.contains("\"qemu\" comes twice"),
            "{text}"
        );
    }
    let found = errors(&with(json!({"vms": [{"id": "v", "vcpus": 4.0}]})));
    assert_eq!(found[0].path, "/vms/0/vcpus", "{}", lines(&found));
    let found = errors(&with(json!({"vms": [{"id": "bell\u{7}"}]})));
    assert!(found[0].expected.contains("control characters"), "{}", lines(&found));
}

#[test]
fn ids_are_unique_among_all_kinds() {
    let found =
        errors(&with(json!({"sites": [{"id": "a"}], "vms": [{"id": "a"}, {"id": "b"}, {"id": "b"}]})));
    let places: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(places, ["/vms/0/id", "/vms/2/id"], "{}", lines(&found));
    assert!(found[0].expected.contains("/sites/0") && found[1].expected.contains("/vms/1"));
}

#[test]
fn every_reference_is_checked() {
    let set = json!({"components": []});
    let found = errors(&with(json!({
        "component_sets": {"known": set},
        "fault_domains": [{"id": "f", "site": "x"}],
        "clusters": [{"id": "c", "site": "x", "managed_by": ["x"], "witness": "x", "storage": ["x"], "networks": ["x"]}],
        "management_planes": [{"id": "p", "site": "x", "runs_on": ["x"], "component_sets": ["x"],
            "management_interfaces": [{"kind": "ssh", "networks": ["x"]}]}],
        "witnesses": [{"id": "w", "site": "x"}],
        "storage": [{"id": "s", "site": "x"}],
        "networks": [{"id": "n", "site": "x"}],
        "hosts": [{"id": "h", "cluster": "x", "site": "x", "fault_domains": ["x"], "component_sets": ["x", "known"],
            "migration": {"network": "x"}, "reach": {"storage": ["x"], "networks": ["x"]},
            "management_interfaces": [{"kind": "ssh", "networks": ["x"]}]}],
        "applications": [{"id": "a", "tenant": "x", "depends_on": ["x"]}],
        "images": [{"id": "i", "tenant": "x", "component_sets": ["x"]}],
        "vms": [{"id": "v", "host": "x", "cluster": "x", "tenant": "x", "application": "x", "image": "x",
            "storage": ["x"], "networks": ["n", "x"], "component_sets": ["x"]},
            {"id": "v2", "host": "c"}],
        "affinities": [{"kind": "on-hosts", "strength": "must", "vms": ["x"], "hosts": ["x"]}],
    })));
    let mut places: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    places.sort_unstable();
    let mut wanted = [
        "/affinities/0/hosts",
        "/affinities/0/vms",
        "/applications/0/depends_on",
        "/applications/0/tenant",
        "/clusters/0/managed_by",
        "/clusters/0/networks",
        "/clusters/0/site",
        "/clusters/0/storage",
        "/clusters/0/witness",
        "/fault_domains/0/site",
        "/hosts/0/cluster",
        "/hosts/0/component_sets",
        "/hosts/0/fault_domains",
        "/hosts/0/management_interfaces/0/networks",
        "/hosts/0/migration/network",
        "/hosts/0/reach/networks",
        "/hosts/0/reach/storage",
        "/hosts/0/site",
        "/images/0/component_sets",
        "/images/0/tenant",
        "/management_planes/0/component_sets",
        "/management_planes/0/management_interfaces/0/networks",
        "/management_planes/0/runs_on",
        "/management_planes/0/site",
        "/networks/0/site",
        "/storage/0/site",
        "/vms/0/application",
        "/vms/0/cluster",
        "/vms/0/component_sets",
        "/vms/0/host",
        "/vms/0/image",
        "/vms/0/networks",
        "/vms/0/storage",
        "/vms/0/tenant",
        "/vms/1/host",
        "/witnesses/0/site",
    ];
    wanted.sort_unstable();
    assert_eq!(places, wanted);
    let wrong_kind = found.iter().find(|it| it.path == "/vms/1/host").unwrap();
    assert_eq!(wrong_kind.help.as_deref(), Some("this is the id of /clusters/0"));
}

#[test]
fn contradictions_are_errors() {
    let found = errors(&with(json!({
        "sites": [{"id": "s", "time_zone": "Europe/Nowhere"}, {"id": "s2", "time_zone": "Asia/Tokyo"}],
        "clusters": [{"id": "c1"}, {"id": "c2"}],
        "hosts": [{"id": "h", "cluster": "c1", "provenance": {"cpuu": {"at": "2026-01-01T00:00:00Z", "by": "x"},
            "settings.ssh": {"at": "2026-01-01T00:00:00Z", "by": "x"}}}, {"id": "h2"}],
        "applications": [{"id": "a", "depends_on": ["b"]}, {"id": "b", "depends_on": ["c"]},
            {"id": "c", "depends_on": ["a"]}, {"id": "d", "depends_on": ["a", "d"]}],
        "component_sets": {"set": {"components": [{"name": " ", "version": ""}]}},
        "vms": [{"id": "v1", "host": "h", "cluster": "c2", "dirty_rate_mib_s": -1.0},
            {"id": "v2", "hugepages_mib": 2}, {"id": "v3", "memory_mib": 1024, "hugepages_mib": 2048}],
    })));
    let places: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "/hosts/0/provenance/cpuu",
            "/sites/0/time_zone",
            "/component_sets/set/components/0/name",
            "/component_sets/set/components/0/version",
            "/vms/0/dirty_rate_mib_s",
            "/vms/0/cluster",
            "/vms/1/hugepages_mib",
            "/vms/2/hugepages_mib",
            "/applications/2/depends_on",
            "/applications/3/depends_on",
        ],
        "{}",
        lines(&found)
    );
    assert!(found[8].found.contains(r#""a" -> "b" -> "c" -> "a""#), "{}", found[8]);
}

#[test]
fn rules_that_exclude_each_other_are_warnings_for_plans_leave_their_guests_alone() {
    let found = warnings(&with(json!({
        "hosts": [{"id": "h"}, {"id": "h2"}],
        "vms": [{"id": "v1", "host": "h"}, {"id": "v2"}, {"id": "v3"}],
        "affinities": [
            {"kind": "together", "strength": "must", "vms": ["v1", "v2"]},
            {"kind": "together", "strength": "must", "vms": ["v2", "v3"]},
            {"kind": "apart", "strength": "must", "vms": ["v1", "v3"]},
            {"kind": "apart", "strength": "should", "vms": ["v1", "v2"]},
            {"kind": "on-hosts", "strength": "must", "vms": ["v1"], "hosts": ["h"]},
            {"kind": "on-hosts", "strength": "must", "vms": ["v3"], "hosts": ["h2"]}
        ],
    })));
    let places: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(places, ["/affinities/2/vms", "/affinities/5/hosts"], "{}", lines(&found));
}

#[test]
fn a_vm_that_a_rule_names_twice_is_told_with_both_places() {
    let found = warnings(&with(json!({
        "vms": [{"id": "v1"}, {"id": "v2"}],
        "affinities": [
            {"kind": "apart", "strength": "must", "vms": ["v1", "v2", "v1"]},
            {"kind": "apart", "strength": "must", "vms": ["v2", "v2"]}
        ],
    })));
    let places: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        places,
        ["/affinities/0/vms/2", "/affinities/1/vms", "/affinities/1/vms/1"],
        "{}",
        lines(&found)
    );
    let told = found[0].to_string();
    let says = |it: &str| assert!(told.contains(it), "{told}");
    says("\"v1\", which is /affinities/0/vms/0 too");
    says("each VM once");
    says("remove it, or name the VM that was meant");
}

#[test]
fn suspicious_facts_are_warnings() {
    let found = warnings(&with(json!({
        "hosts": [{"id": "h", "capacity": {"vcpus": 0, "memory_mib": 0}, "migration": {"slots": 0},
            "components": {"components": []}}],
        "component_sets": {"s": {"components": [{"name": "x", "version": "1", "arch": "amd64"},
            {"name": "x", "version": "1", "arch": "i386"}, {"name": "x", "version": "2", "arch": "amd64"},
            {"name": "x", "version": "1", "arch": "amd64"}]}},
        "vms": [{"id": "v", "memory_mib": 0}],
        "affinities": [{"kind": "apart", "strength": "must", "vms": ["v"]},
            {"kind": "on-hosts", "strength": "must", "vms": ["v"]}]
    })));
    let places: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "/component_sets/s/components/3",
            "/hosts/0/capacity/vcpus",
            "/hosts/0/capacity/memory_mib",
            "/hosts/0/migration/slots",
            "/vms/0/memory_mib",
            "/affinities/0/vms",
            "/affinities/1/hosts",
        ],
        "{}",
        lines(&found)
    );
}

/// Ties the warnings to the version schemes: a text warns exactly when its scheme refuses it.
#[test]
fn a_version_warns_exactly_when_its_scheme_refuses_it() {
    use underpin_model::version::{Scheme, compare};
    for version in ["1:2.3-1", "not a version!", "1:", "-", "a b"] {
        let value = with(json!({"component_sets": {"s": {"family": "debian",
            "components": [{"name": "x", "version": version}]}}}));
        let refused = compare(Scheme::Dpkg, version, version).is_err();
        let found = warnings(&value);
        assert_eq!(found.len(), usize::from(refused), "{version}: {}", lines(&found));
        assert!(found.iter().all(|it| it.path == "/component_sets/s/components/0/version"));
    }
}

#[test]
fn unknown_fields_survive() {
    let value = with(json!({"colour": "blue", "vms": [{"id": "v", "shelf": {"x": [1, 2.5]}}]}));
    let fleet = read(value.to_string().as_bytes()).unwrap().fleet;
    assert_eq!(serde_json::to_value(&fleet).unwrap(), value);
}

#[test]
fn hostile_files_stay_small_in_the_report() {
    let long = "x".repeat(1_000_000);
    let found = errors(&with(json!({"vms": [{"id": long}, {"id": "v", "power": long, long.as_str(): 1}]})));
    assert!(lines(&found).len() < 2000, "{}", lines(&found).len());
    let twins: Vec<Value> = (0..20_000).map(|_| json!({"id": "same"})).collect();
    let found = errors(&with(json!({"vms": twins})));
    assert_eq!(found.len(), MAX_FINDINGS + 1);
    assert_eq!(found[MAX_FINDINGS].found, "18999 more findings of this kind");
    let chain: Vec<Value> = (0..50_000)
        .map(|it| json!({"id": format!("a{it}"), "depends_on": [format!("a{}", (it + 1) % 50_000)]}))
        .collect();
    let found = errors(&with(json!({"applications": chain})));
    assert_eq!(found.len(), 1);
    assert!(found[0].found.len() < 400, "{}", found[0]);
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(deep.as_bytes()).unwrap_err().len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_torn_example_is_an_error_or_a_fleet(cut in 0usize..8000) {
        let bytes = example().as_bytes();
        let result = read(&bytes[..cut.min(bytes.len())]);
        prop_assert!(result.is_ok() || !result.unwrap_err().is_empty());
    }
}

/// A million lists of one that have room for four are a good part of a large fleet.
#[test]
fn lists_that_are_read_have_no_room_to_grow() {
    let vm: underpin_model::fleet::Vm =
        serde_json::from_str(r#"{"id": "v", "networks": ["n"], "allowed_actions": ["suspend"]}"#).unwrap();
    assert_eq!((vm.networks.len(), vm.networks.capacity()), (1, 1));
    assert_eq!((vm.allowed_actions.len(), vm.allowed_actions.capacity()), (1, 1));
    let host: underpin_model::fleet::Host = serde_json::from_str(
        r#"{"id": "h", "component_sets": ["s"], "fault_domains": ["f"], "cpu": {"features": ["vmx"]},
            "reach": {"storage": ["d"], "networks": ["n"]},
            "components": {"components": [{"name": "c", "version": "1", "kind": "firmware"}]},
            "listeners": [{"protocol": "tcp", "address": "::"}],
            "management_interfaces": [{"kind": "ssh", "networks": ["n"], "authentication": [{"method": "key"}]}]}"#,
    )
    .unwrap();
    let interfaces = &host.management_interfaces;
    let (components, interface) = (host.components.unwrap().components, &interfaces[0]);
    let capacities = [
        host.component_sets.capacity(),
        host.fault_domains.capacity(),
        host.cpu.as_ref().unwrap().features.capacity(),
        host.reach.storage.capacity(),
        host.reach.networks.capacity(),
        components.capacity(),
        host.listeners.capacity(),
        interfaces.capacity(),
        interface.networks.capacity(),
        interface.authentication.capacity(),
    ];
    assert_eq!(capacities, [1; 10]);
}
