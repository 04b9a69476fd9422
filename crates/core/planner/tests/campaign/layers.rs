//! Elements that are not hosts, and changes that come after others.

use underpin_lint::{Options, lint};
use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, ManagementPlane, Redundancy, Storage};
use underpin_model::id::{ElementId, ManagementPlaneId, StorageId};
use underpin_model::plan::{Outcome, Reason, Rule, StepKind};

use super::build::{
    array_of_two_controllers, change, consent, fleet, guest, of, planned, planning, policy, story,
};

#[test]
fn a_management_plane_comes_before_its_hosts() {
    let mut fleet = fleet(2);
    let id = ManagementPlaneId::new("vc").unwrap();
    fleet.management_planes.push(ManagementPlane::new(id.clone()));
    fleet.clusters[0].managed_by = vec![id];
    let mut plane = change("plane", "9");
    plane.layer = Layer::ManagementPlane;
    planning(&mut fleet).changes.push(plane);
    let it = planned(&fleet, &policy());
    assert_eq!(it.plan.waves[0].layer, Layer::ManagementPlane);
    assert_eq!(story(&it.plan, "vc"), ["stage", "backup-check", "patch 1 9", "attest", "verify"]);
    assert!(of(&it, "h1").start_s.unwrap() >= of(&it, "vc").end_s.unwrap());
}

#[test]
fn controllers_of_storage_go_one_after_the_other_with_no_host_away() {
    let mut fleet = fleet(2);
    array_of_two_controllers(&mut fleet);
    let it = planned(&fleet, &policy());
    assert_eq!(
        story(&it.plan, "array"),
        ["stage", "patch 1 6.2", "verify", "patch 2 6.2", "attest", "verify"]
    );
    assert!(of(&it, "h1").start_s.unwrap() >= of(&it, "array").end_s.unwrap());
    // Asked to come after the hosts, it does.
    planning(&mut fleet).changes[1].after = vec!["go".to_owned()];
    let it = planned(&fleet, &policy());
    assert!(of(&it, "array").start_s.unwrap() >= of(&it, "h2").end_s.unwrap());
}

/// A vCenter and an array of which no maker's order is known, both beyond the first hops of their way.
#[test]
fn planes_and_storage_go_on_from_the_hop_that_they_have_reached() {
    let set = |family: Option<&str>, kind: &str, version: &str| {
        let set = serde_json::json!({
            "family": family, "components": [{"name": "it", "version": version, "kind": kind}]
        });
        serde_json::from_value::<underpin_model::fleet::ComponentSet>(set).unwrap()
    };
    let way = |id: &str, layer| Change {
        layer,
        to: Target::Release {
            release: "8.0.3.00100".to_owned(),
            via: vec!["8.0.1.00100".into(), "8.0.2.00100".into()],
        },
        ..change(id, "")
    };
    let hops = ["8.0.1.00100", "8.0.2.00100", "8.0.3.00100"];
    for (has, left) in [
        ("8.0.0.00100", 3),
        ("8.0.1.00100", 2),
        ("8.0.1.00400", 2),
        ("8.0.2.00100", 1),
        ("8.0.2.00700", 1),
        ("8.0.3.00500", 0),
    ] {
        let mut fleet = fleet(1);
        let id = ManagementPlaneId::new("vc").unwrap();
        let mut plane = ManagementPlane::new(id.clone());
        (plane.platform, plane.components) =
            (Some(Family::Vcenter), Some(set(Some("vcenter"), "product", has)));
        fleet.management_planes.push(plane);
        fleet.clusters[0].managed_by = vec![id];
        let mut array = Storage::new(StorageId::new("array").unwrap());
        (array.redundancy, array.components) = (Some(Redundancy::Full), Some(set(None, "package", has)));
        fleet.clusters[0].storage = vec![array.id.clone()];
        fleet.storage.push(array);
        planning(&mut fleet).changes = vec![way("p", Layer::ManagementPlane), way("s", Layer::Storage)];
        let it = planned(&fleet, &policy());
        for element in ["vc", "array"] {
            let story = story(&it.plan, element);
            let made: Vec<&str> = story.iter().filter_map(|it| it.strip_prefix("patch 1 ")).collect();
            assert_eq!(made, hops[3 - left..], "{element} at {has}");
        }
        // A hop that is behind it already is found by the lint.
        let mut plan = it.plan.clone();
        let again = plan.steps.iter_mut().find_map(|it| match &mut it.kind {
            StepKind::Patch { element, to, .. } if element.as_str() == "vc" => Some(to),
            _ => None,
        });
        if let (Some(to), true) = (again, left == 1) {
            *to = hops[1].to_owned();
            let found = lint(&fleet, &policy(), &plan, &Options::default()).findings;
            assert!(found.iter().any(|it| it.rule == Rule::Method), "{has}: {found:#?}");
        }
    }
}

#[test]
fn elements_whose_components_show_the_target_are_left_alone() {
    let mut fleet = fleet(2);
    let id = StorageId::new("array").unwrap();
    let mut storage = Storage::new(id.clone());
    storage.redundancy = Some(Redundancy::Full);
    let set = |version: &str| -> underpin_model::fleet::ComponentSet {
        let set =
            serde_json::json!({"family": "debian", "components": [{"name": "firmware", "version": version}]});
        serde_json::from_value(set).unwrap()
    };
    storage.components = Some(set("6.2"));
    fleet.storage.push(storage);
    fleet.clusters[0].storage = vec![id];
    let mut array = change("array-firmware", "6.2");
    array.layer = Layer::Storage;
    planning(&mut fleet).changes.push(array);
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "array").outcome, Outcome::NotNeeded);
    fleet.storage[0].components = Some(set("6.1"));
    assert_eq!(of(&planned(&fleet, &policy()), "array").outcome, Outcome::Planned);
}

/// A host whose list names a component once per pair of what is installed and what runs, as far as that is known.
fn lists(host: &mut underpin_model::fleet::Host, name: &str, of: &[(&str, Option<&str>)]) {
    let one = |it: &(&str, Option<&str>)| serde_json::json!({"name": name, "version": it.0, "running_version": it.1});
    let set = serde_json::json!({"components": of.iter().map(one).collect::<Vec<_>>()});
    host.components = Some(serde_json::from_value(set).unwrap());
}

#[test]
fn a_host_whose_list_says_that_the_target_runs_is_left_alone() {
    let mut fleet = fleet(3);
    let (name, version) = ("pve-qemu-kvm".to_owned(), "9.2.0-5".to_owned());
    planning(&mut fleet).changes[0].to = Target::Component { name, version };
    type Listed<'l> = &'l [(&'l str, Option<&'l str>)];
    let cases: [(Listed<'_>, Outcome); 8] = [
        (&[("9.2.0-5", Some("9.2.0-5"))], Outcome::NotNeeded),
        (&[("9.2.0-7", Some("9.2.0-6"))], Outcome::NotNeeded),
        // Installed and not running; not known to run; running and to be gone with the next boot.
        (&[("9.2.0-5", Some("9.2.0-4"))], Outcome::Planned),
        (&[("9.2.0-5", None)], Outcome::Planned),
        (&[("9.2.0-4", Some("9.2.0-5"))], Outcome::Planned),
        // Side by side.
        (&[("9.2.0-5", Some("9.2.0-5")), ("9.2.0-4", None)], Outcome::NotNeeded),
        (&[("9.2.0-5", Some("9.2.0-5")), ("9.2.0-4", Some("9.2.0-4"))], Outcome::Planned),
        (&[], Outcome::Planned),
    ];
    for (listed, outcome) in cases {
        lists(&mut fleet.hosts[1], "pve-qemu-kvm", listed);
        // The lint has the same opinion: it refuses a plan that leaves out who needs the change.
        assert_eq!(of(&planned(&fleet, &policy()), "h2").outcome, outcome, "{listed:?}");
    }
    // What the host says of itself comes before its list.
    fleet.hosts[1].running.insert("pve-qemu-kvm".to_owned(), "9.2.0-5".to_owned());
    assert_eq!(of(&planned(&fleet, &policy()), "h2").outcome, Outcome::NotNeeded);
    lists(&mut fleet.hosts[1], "pve-qemu-kvm", &[("9.2.0-5", Some("9.2.0-5"))]);
    fleet.hosts[1].running.insert("pve-qemu-kvm".to_owned(), "9.2.0-1".to_owned());
    assert_eq!(of(&planned(&fleet, &policy()), "h2").outcome, Outcome::Planned);
}

#[test]
fn a_pool_coordinator_comes_first() {
    let mut fleet = fleet(3);
    for host in &mut fleet.hosts {
        host.platform.as_mut().unwrap().family = Family::XcpNg;
    }
    let mut plane = ManagementPlane::new(ManagementPlaneId::new("pool").unwrap());
    plane.platform = Some(Family::XcpNg);
    plane.runs_on = Some(vec![fleet.hosts[2].id.clone()]);
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
    guest(&mut fleet, "h3", 8);
    let it = planned(&fleet, &policy());
    assert_eq!(it.plan.waves[0].elements[0].as_str(), "h3");
    assert!(of(&it, "h3").reasons.contains(&Reason::Coordinator));
    // If it cannot be done, nobody of its pool is.
    fleet.vms[0].allowed_actions.clear();
    let it = planned(&fleet, &policy());
    assert!(it.plan.waves.is_empty());
}

#[test]
fn hops_and_further_changes_share_one_drain() {
    let mut fleet = fleet(2);
    planning(&mut fleet).changes[0].to =
        Target::Release { release: "8.0.3".to_owned(), via: vec!["8.0.2".to_owned()] };
    let mut setting = change("mitigate", "");
    setting.to =
        Target::Setting { name: "kernel.mitigations".to_owned(), value: "auto".to_owned(), reboot: false };
    setting.after = vec!["go".to_owned()];
    planning(&mut fleet).changes.push(setting);
    let it = planned(&fleet, &policy());
    assert_eq!(
        story(&it.plan, "h1"),
        [
            "stage",
            "patch 1 8.0.2",
            "reboot",
            "patch 1 8.0.3",
            "reboot",
            "patch 1 kernel.mitigations=auto",
            "attest",
            "verify"
        ]
    );
    assert_eq!(it.plan.waves.len(), 2);
}

#[test]
fn methods_differ_in_what_happens_to_guests() {
    let mut fleet = fleet(2);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::Suspend];
    consent(&mut fleet, Action::Suspend, true);
    planning(&mut fleet).changes[0].methods = vec![Method::QuickBoot];
    let it = planned(&fleet, &policy());
    assert_eq!(
        story(&it.plan, "h1"),
        ["stage", "suspend", "patch 1 8.0.2", "reboot", "attest", "verify", "resume"]
    );
    planning(&mut fleet).changes[0].methods = vec![Method::LivePatch];
    fleet.vms[0].allowed_actions.clear();
    planning(&mut fleet).changes[0].to =
        Target::Setting { name: "x".to_owned(), value: "1".to_owned(), reboot: false };
    let it = planned(&fleet, &policy());
    assert_eq!(story(&it.plan, "h1"), ["stage", "patch 1 x=1", "attest", "verify"]);
    assert_eq!(it.report.moves.moves, 0);
    planning(&mut fleet).changes[0].methods = vec![Method::Defer];
    let it = planned(&fleet, &policy());
    assert_eq!(
        (of(&it, "h1").outcome, &of(&it, "h1").reasons[..]),
        (Outcome::Deferred, &[Reason::Deferred][..])
    );
    assert!(it.plan.left_out.iter().all(|it| it.deferred));
}

/// A setting of hosts.
fn setting(id: &str, name: &str, reboot: bool) -> Change {
    Change { to: Target::Setting { name: name.to_owned(), value: "1".to_owned(), reboot }, ..change(id, "") }
}

#[test]
fn in_place_is_no_method_of_a_host_for_a_change_that_takes_a_reboot() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    planning(&mut fleet).changes[0].methods = vec![Method::InPlace];
    let why = Reason::TakesReboot { changes: vec!["go".to_owned()] };
    let it = planned(&fleet, &policy());
    assert!(it.plan.waves.is_empty());
    assert_eq!((of(&it, "h1").outcome, &of(&it, "h1").reasons[..]), (Outcome::Blocked, &[why.clone()][..]));
    // Neither where its guest allows nothing: the host is blocked for that then.
    planning(&mut fleet).changes[0].methods = vec![Method::EvacuateReboot, Method::InPlace];
    fleet.vms[0].allowed_actions.clear();
    let it = planned(&fleet, &policy());
    assert!(
        matches!(of(&it, "h1").reasons[..], [Reason::NoAllowedAction { .. }]),
        "{:?}",
        of(&it, "h1").reasons
    );
    assert_eq!(of(&it, "h2").method, Some(Method::EvacuateReboot));
    // Nor for a setting that takes one; what may be deferred is.
    planning(&mut fleet).changes[0] = Change { methods: vec![Method::InPlace], ..setting("go", "smt", true) };
    assert_eq!(of(&planned(&fleet, &policy()), "h1").reasons, [why]);
    planning(&mut fleet).changes[0].methods.push(Method::Defer);
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Deferred);
    // One that says that it takes none is made with the guest running.
    planning(&mut fleet).changes[0] =
        Change { methods: vec![Method::InPlace], ..setting("go", "smt", false) };
    let it = planned(&fleet, &policy());
    assert_eq!(story(&it.plan, "h1"), ["stage", "patch 1 smt=1", "attest", "verify"]);
}

#[test]
fn what_takes_no_reboot_is_made_in_place_or_along_with_what_does() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2"] {
        guest(&mut fleet, host, 8);
    }
    planning(&mut fleet).changes = vec![setting("log", "log", false)];
    let it = planned(&fleet, &policy());
    assert_eq!((of(&it, "h1").method, it.report.moves.moves), (Some(Method::InPlace), 0));
    assert_eq!(story(&it.plan, "h1"), ["stage", "patch 1 log=1", "attest", "verify"]);
    // With a release it goes along, by whatever method that one prefers.
    for (method, reboots) in [(Method::EvacuateReboot, 1), (Method::LivePatch, 0)] {
        let release = Change { methods: vec![method], ..change("go", "8.0.2") };
        planning(&mut fleet).changes = vec![setting("log", "log", false), release];
        let it = planned(&fleet, &policy());
        assert_eq!(of(&it, "h1").method, Some(method));
        let story = story(&it.plan, "h1");
        assert_eq!(story.iter().filter(|it| *it == "reboot").count(), reboots, "{story:?}");
        assert_eq!(story.iter().filter(|it| it.starts_with("patch")).count(), 2, "{story:?}");
    }
}

#[test]
fn changes_of_one_drain_share_its_reboot() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let alone = planned(&fleet, &policy());
    planning(&mut fleet).changes.push(setting("smt", "smt", true));
    let it = planned(&fleet, &policy());
    assert_eq!(
        story(&it.plan, "h1"),
        ["stage", "patch 1 8.0.2", "patch 1 smt=1", "reboot", "attest", "verify"]
    );
    // One patch more for each host, and nothing else; of all but the last wave the slow case counts.
    let spans = policy().planning.durations_of(Method::EvacuateReboot);
    assert_eq!(it.report.eta.p95_s, alone.report.eta.p95_s + 3 * spans.patch.p95_s);
    assert_eq!(it.report.eta.p50_s, alone.report.eta.p50_s + 2 * spans.patch.p95_s + spans.patch.p50_s);
    // What must find the other in force has it rebooted before.
    planning(&mut fleet).changes[1].after = vec!["go".to_owned()];
    let it = planned(&fleet, &policy());
    let apart = ["stage", "patch 1 8.0.2", "reboot", "patch 1 smt=1", "reboot", "attest", "verify"];
    assert_eq!(story(&it.plan, "h1"), apart);
    // The lint misses the reboot between, and the one at the end.
    for which in [0, 1] {
        let mut broken = it.plan.clone();
        let reboots = |it: &underpin_model::plan::Step| matches!(&it.kind, StepKind::Reboot { element, .. } if element.as_str() == "h1");
        let at = broken.steps.iter().enumerate().filter(|it| reboots(it.1)).nth(which).unwrap().0;
        let kind = StepKind::Verify { element: ElementId::new("h1").unwrap() };
        broken.steps[at].kind = kind;
        let report = lint(&fleet, &policy(), &broken, &Options::default());
        let missed =
            report.findings.iter().any(|it| it.rule == Rule::Method && it.found.starts_with("no reboot"));
        assert!(missed, "{which}: {:#?}", report.findings);
    }
}

#[test]
fn cycles_and_unknown_names_block_with_their_reason() {
    let mut fleet = fleet(1);
    let mut other = change("other", "9");
    other.after = vec!["go".to_owned()];
    planning(&mut fleet).changes.push(other);
    planning(&mut fleet).changes[0].after = vec!["other".to_owned()];
    let it = planned(&fleet, &policy());
    assert!(matches!(&of(&it, "h1").reasons[0], Reason::Cycle { changes } if changes.len() == 2));
    planning(&mut fleet).changes.truncate(1);
    planning(&mut fleet).changes[0].after.clear();
    planning(&mut fleet).changes[0].elements =
        vec![ElementId::new("h1").unwrap(), ElementId::new("h9").unwrap()];
    let it = planned(&fleet, &policy());
    assert!(matches!(&of(&it, "h9").reasons[0], Reason::UnknownFact { fact, .. } if fact == "id"));
}

#[test]
fn a_live_patch_reboots_nothing_also_where_it_is_the_second_choice() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8).allowed_actions.clear();
    planning(&mut fleet).changes[0].methods = vec![Method::EvacuateReboot, Method::LivePatch];
    let it = planned(&fleet, &policy());
    assert_eq!(story(&it.plan, "h1"), ["stage", "patch 1 8.0.2", "attest", "verify"]);
    assert_eq!(story(&it.plan, "h2"), ["stage", "patch 1 8.0.2", "reboot", "attest", "verify"]);
    // A setting that takes a reboot is not patched into what runs.
    planning(&mut fleet).changes[0].to =
        Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot: true };
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h1").outcome, Outcome::Blocked);
    assert!(story(&it.plan, "h2").contains(&"reboot".to_owned()));
}

#[test]
fn nothing_is_taken_down_to_a_lower_release() {
    let mut fleet = fleet(3);
    fleet.hosts[1].platform.as_mut().unwrap().release = Some("8.4.5".to_owned());
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h2").outcome, Outcome::NotNeeded);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
}

#[test]
fn storage_is_changed_only_while_it_is_known_to_be_whole() {
    let mut fleet = fleet(2);
    let id = StorageId::new("array").unwrap();
    fleet.storage.push(Storage::new(id.clone()));
    fleet.clusters[0].storage = vec![id];
    let mut array = change("array-firmware", "6.2");
    array.layer = Layer::Storage;
    planning(&mut fleet).changes = vec![array];
    for redundancy in [None, Some(Redundancy::None), Some(Redundancy::Rebuilding)] {
        fleet.storage[0].redundancy = redundancy;
        assert_eq!(of(&planned(&fleet, &policy()), "array").outcome, Outcome::Blocked, "{redundancy:?}");
    }
    fleet.storage[0].redundancy = Some(Redundancy::Full);
    assert_eq!(of(&planned(&fleet, &policy()), "array").outcome, Outcome::Planned);
    fleet.clusters[0].degraded = Some(true);
    assert!(matches!(of(&planned(&fleet, &policy()), "array").reasons[..], [Reason::Degraded { .. }]));
}

#[test]
fn changes_without_a_method_in_common_are_not_merged() {
    let mut fleet = fleet(2);
    planning(&mut fleet).changes[0].methods = vec![Method::EvacuateReboot];
    let mut other = change("setting", "x");
    other.to = Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot: false };
    other.methods = vec![Method::LivePatch];
    planning(&mut fleet).changes.push(other);
    let it = planned(&fleet, &policy());
    assert!(matches!(&of(&it, "h1").reasons[..], [Reason::NoCommonMethod { changes }] if changes.len() == 2));
}

#[test]
fn guests_that_a_smaller_host_cannot_carry_stay_away() {
    let mut fleet = fleet(3);
    for _ in 0..4 {
        guest(&mut fleet, "h1", 20);
    }
    planning(&mut fleet).changes[0].capacity_after =
        Some(underpin_model::fleet::Capacity { memory_mib: Some(51_200), ..Default::default() });
    let mut policy = policy();
    policy.planning.homing = underpin_model::policy::Homing::Home;
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{:?}", of(&it, "h1"));
    planning(&mut fleet).changes[0].methods = vec![Method::LivePatch];
    let it = planned(&fleet, &policy);
    assert!(
        matches!(of(&it, "h1").reasons[..], [Reason::Short { reserve: false, .. }]),
        "{:?}",
        of(&it, "h1")
    );
}

#[test]
fn changes_that_contradict_each_other_need_an_order() {
    use underpin_planner::campaign::{PlanError, plan};
    let refused = |fleet: &underpin_model::fleet::Fleet| {
        let loss = std::collections::BTreeMap::new();
        match plan(&super::build::request(fleet, &policy(), &loss)) {
            Err(PlanError::Fleet(why)) => Some(why),
            other => other.map(|_| None).unwrap(),
        }
    };
    let set = |id: &str, value: &str| Change {
        to: Target::Setting { name: "smt".to_owned(), value: value.to_owned(), reboot: true },
        ..change(id, "")
    };
    let mut fleet = fleet(2);
    planning(&mut fleet).changes = vec![set("on", "true"), set("off", "false")];
    let why = refused(&fleet).unwrap();
    assert!(
        why.starts_with("/planning/changes/1/to: found setting smt \"false\" (change \"off\") for h1, which /planning/changes/0"),
        "{why}"
    );
    assert!(why.contains("\"true\"") && why.contains("`after`"), "{why}");
    // With an order, elsewhere, to the same end, or of something else there is nothing to contradict.
    planning(&mut fleet).changes[1].after = vec!["on".to_owned()];
    assert_eq!(refused(&fleet), None);
    planning(&mut fleet).changes[1].after.clear();
    let element = |id: &str| vec![ElementId::new(id).unwrap()];
    planning(&mut fleet).changes[0].elements = element("h1");
    planning(&mut fleet).changes[1].elements = element("h2");
    assert_eq!(refused(&fleet), None);
    planning(&mut fleet).changes = vec![set("on", "true"), set("again", "true"), change("go", "8.0.2")];
    assert_eq!(refused(&fleet), None);
    // Two releases for one host.
    planning(&mut fleet).changes = vec![change("go", "8.0.2"), change("further", "8.0.3")];
    let why = refused(&fleet).unwrap();
    assert!(why.contains("found release \"8.0.3\"") && why.contains("leads to \"8.0.2\""), "{why}");
}

#[test]
fn nothing_is_taken_down_to_a_lower_release_of_its_product() {
    let esxi = |release: &str, target: &str| {
        let mut fleet = fleet(2);
        for host in &mut fleet.hosts {
            let platform = host.platform.as_mut().unwrap();
            (platform.family, platform.train) = (Family::Esxi, None);
            platform.release = Some("8.0 U1".to_owned());
        }
        fleet.hosts[1].platform.as_mut().unwrap().release = Some(release.to_owned());
        planning(&mut fleet).changes = vec![change("go", target)];
        let it = planned(&fleet, &policy());
        assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{target}");
        of(&it, "h2").outcome
    };
    assert_eq!(esxi("9.0.0", "8.0.3"), Outcome::NotNeeded);
    assert_eq!(esxi("8.0 U3d", "8.0 U2"), Outcome::NotNeeded);
    assert_eq!(esxi("8.0 U2", "8.0 U3d"), Outcome::Planned);
    let vcenter = |running: &str| {
        let mut fleet = fleet(1);
        let mut plane = ManagementPlane::new(ManagementPlaneId::new("vc").unwrap());
        plane.components = serde_json::from_value(serde_json::json!({"family": "vcenter",
            "components": [{"name": "vCenter Server", "version": running, "kind": "product"}]}))
        .unwrap();
        fleet.clusters[0].managed_by = vec![plane.id.clone()];
        fleet.management_planes.push(plane);
        let mut change = change("plane", "8.0.3.00400");
        change.layer = Layer::ManagementPlane;
        planning(&mut fleet).changes.push(change);
        of(&planned(&fleet, &policy()), "vc").outcome
    };
    assert_eq!(vcenter("9.0.0.00100"), Outcome::NotNeeded);
    assert_eq!(vcenter("8.0.2.00100"), Outcome::Planned);
}

#[test]
fn a_plane_that_is_deferred_on_purpose_holds_back_only_who_names_its_change() {
    let mut fleet = fleet(1);
    let plane = ManagementPlane::new(ManagementPlaneId::new("vc").unwrap());
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
    let mut upgrade = change("plane", "9");
    (upgrade.layer, upgrade.methods) = (Layer::ManagementPlane, vec![Method::Defer]);
    planning(&mut fleet).changes.push(upgrade);
    let it = planned(&fleet, &policy());
    assert_eq!((of(&it, "vc").outcome, of(&it, "h1").outcome), (Outcome::Deferred, Outcome::Planned));
    planning(&mut fleet).changes[0].after = vec!["plane".to_owned()];
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Blocked);
}
