//! A sound plan has no finding; broken on purpose in one way, it has findings of exactly the rule that it breaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::collections::BTreeSet;

use support::{Case, GIB, affinity, change, element, host, migrate, vm};
use underpin_model::change::{Layer, Method, Target};
use underpin_model::fleet::{
    Action, AffinityKind, Component, ComponentKind, ComponentSet, Lock, LockKind, Redundancy, SealedKeys,
};
use underpin_model::id::{FaultDomainId, StorageId, TenantId};
use underpin_model::plan::{LeftOut, Rule, Severity, StepKind};
use underpin_model::policy::{Durations, FailureSets, Freeze, Scope, Spread, Window};

type Mutation = (Rule, &'static str, fn(&mut Case));

/// What no case is without: each breaks one rule and no other.
const MUTATIONS: &[Mutation] = &[
    (Rule::WellFormed, "an id that is not its position", |it| it.plan.steps[3].id = 99),
    (Rule::WellFormed, "a gate of another cluster than that of its wave", |it| {
        it.step(|it| matches!(it, StepKind::Gate { .. })).kind = StepKind::Gate { cluster: None };
    }),
    (Rule::WellFormed, "a wave of another layer than its elements", |it| {
        it.plan.waves[0].layer = Layer::Witness;
    }),
    (Rule::WellFormed, "a guest that is not known", |it| {
        it.add(2, "h1", migrate("v9", "h1", "h4"), 860, 60);
    }),
    (Rule::WellFormed, "a guest that stands elsewhere", |it| {
        it.add(2, "h1", migrate("v3", "h1", "h4"), 930, 60);
    }),
    (Rule::WellFormed, "a wave that does not span its steps", |it| it.plan.waves[0].end_s += 1),
    (Rule::WellFormed, "a median above the 95th percentile", |it| it.plan.steps[0].p50_s = 11),
    (Rule::WellFormed, "another fleet", |it| it.plan.made_from.fleet = "other".into()),
    (Rule::WellFormed, "another observation", |it| {
        it.plan.made_from.seen_at = "2026-11-20T00:00:01Z".parse().unwrap();
    }),
    (Rule::WellFormed, "a platform that places where the policy says that the plan does", |it| {
        it.plan.placing = underpin_model::policy::Placing::PlatformPlaces;
    }),
    (Rule::WellFormed, "a host in the wave of another ring", |it| {
        it.host("h2").ring = Some("production".into());
        it.plan.waves[2].soak_until_s += 3600;
    }),
    (Rule::WellFormed, "a thaw that is of a wave", |it| {
        it.step(|it| matches!(it, StepKind::Thaw { .. })).wave = 4;
        it.tidy();
    }),
    (Rule::WellFormed, "a soak that ends before its wave", |it| it.plan.waves[0].soak_until_s -= 1),
    (Rule::WellFormed, "a ring of management planes", |it| it.plan.waves[0].ring = Some("test".into())),
    (Rule::WellFormed, "a canary that is no host", |it| it.plan.waves[0].canary = true),
    (Rule::Order, "a start before the end of what it waits for", |it| {
        it.step(|it| matches!(it, StepKind::BackupCheck { .. })).p95_s = 100;
    }),
    (Rule::Order, "a patch that does not wait for a guest to leave", |it| {
        let leaves = it.migration("v6").id;
        it.step(|it| matches!(it, StepKind::Patch { element, .. } if element.as_str() == "h1"))
            .after
            .retain(|it| *it != leaves);
    }),
    (Rule::Order, "nothing waits for anything", |it| {
        it.plan.steps.iter_mut().for_each(|it| it.after.clear());
    }),
    (Rule::Order, "no gate at all", |it| it.remove(is_gate)),
    (Rule::Order, "a wave without its gate", |it| {
        it.plan.steps.retain(|it| it.wave != 3 || !is_gate(&it.kind));
        it.tidy();
    }),
    (Rule::Order, "a wave with two gates", |it| {
        it.plan.steps.push(support::gate(3, 6700));
        it.tidy();
    }),
    (Rule::Order, "a guest that leaves without waiting for the gate", |it| {
        it.migration("v2").after.clear();
    }),
    (Rule::Capacity, "more memory than the target has", |it| {
        it.host("h4").capacity.as_mut().unwrap().memory_mib = Some(20 * GIB);
    }),
    (Rule::Capacity, "more vCPUs than the target has", |it| {
        it.host("h4").capacity.as_mut().unwrap().vcpus = Some(11);
    }),
    (Rule::Capacity, "no huge pages where the guest goes", |it| {
        it.host("h1").capacity.as_mut().unwrap().hugepages_mib = Some(GIB);
        it.vm("v1").hugepages_mib = Some(GIB);
    }),
    (Rule::Restartability, "huge pages for a failure on no other host", |it| {
        for host in ["h1", "h4"] {
            it.host(host).capacity.as_mut().unwrap().hugepages_mib = Some(GIB);
        }
        it.vm("v1").hugepages_mib = Some(GIB);
    }),
    (Rule::Capacity, "a host that shrinks by its change", |it| {
        let smaller = underpin_model::fleet::Capacity { memory_mib: Some(7 * GIB), ..Default::default() };
        it.change("upgrade").capacity_after = Some(smaller);
        it.policy.planning.failure_sets = FailureSets::None;
    }),
    (Rule::Capacity, "a guest that comes to a host before it was verified", |it| {
        it.add(2, "h1", migrate("v6", "h4", "h1"), 2900, 30);
        it.fleet.affinities.clear();
        it.vm("v6").memory_mib = Some(GIB);
    }),
    (Rule::Restartability, "no host left for a large guest", |it| {
        it.vm("v1").memory_mib = Some(20 * GIB);
        it.migration("v1").p50_s = 40;
        it.host("h2").capacity.as_mut().unwrap().memory_mib = Some(24 * GIB);
        it.host("h3").capacity.as_mut().unwrap().memory_mib = Some(24 * GIB);
    }),
    (Rule::Restartability, "room in sum, but not on any host", |it| {
        it.fleet.affinities.clear();
        for id in ["h2", "h3"] {
            it.host(id).capacity.as_mut().unwrap().memory_mib = Some(27 * GIB);
        }
        for id in ["v1", "v6"] {
            it.vm(id).memory_mib = Some(10 * GIB);
        }
        // 11 GiB are free on one and 19 on the other: for 10 and 10 and 8 there is room in sum.
        it.vm("v4").memory_mib = Some(10 * GIB);
    }),
    (Rule::Restartability, "a fault domain that nobody can stand in for", |it| {
        it.policy.planning.failure_sets = FailureSets::FaultDomain;
        let domain = FaultDomainId::new("rack").unwrap();
        it.fleet.fault_domains.push(underpin_model::fleet::FaultDomain::new(domain.clone()));
        for id in ["h2", "h3", "h4"] {
            it.host(id).fault_domains = vec![domain.clone()];
        }
    }),
    (Rule::StorageRedundancy, "degraded storage", |it| {
        it.fleet.storage[0].redundancy = Some(Redundancy::Degraded);
    }),
    (Rule::Apart, "two guests that must be apart", |it| {
        it.fleet.affinities.push(affinity(AffinityKind::Apart, &["v1", "v4"], &[]));
    }),
    (Rule::Together, "a pause between the moves of two that must be together", |it| {
        it.migration("v6").start_s = 930;
        it.tidy();
    }),
    (Rule::OnHosts, "a guest that is bound to other hosts", |it| {
        it.fleet.affinities.push(affinity(AffinityKind::OnHosts, &["v1"], &["h1", "h2"]));
    }),
    (Rule::Among, "a group that leaves its part", |it| {
        let parts = [("left", ["h1", "h2"]), ("right", ["h3", "h4"])];
        let planning = it.planning();
        planning.parts = parts.map(|(name, hosts)| (name.into(), hosts.map(host).to_vec())).into();
        planning.among = vec![underpin_model::fleet::AmongParts {
            vms: vec![vm("v1"), vm("v2")],
            parts: vec!["left".into(), "right".into()],
        }];
    }),
    (Rule::MostAway, "no host of a cluster may be away", |it| it.policy.planning.most_away.per_cluster = 0),
    (Rule::MostAway, "the fleet's own limit", |it| {
        it.planning().max_hosts_per_wave = Some(0);
        it.policy.planning.most_away.per_cluster = 9;
    }),
    (Rule::MostAway, "no host of a ring", |it| it.policy.planning.most_away.per_ring = Some(0)),
    (Rule::MostAway, "no host with guests of a tenant", |it| {
        it.policy.planning.most_away.per_tenant = Some(0);
    }),
    (Rule::MostAway, "no host of a fault domain", |it| {
        let domain = FaultDomainId::new("rack").unwrap();
        it.fleet.fault_domains.push(underpin_model::fleet::FaultDomain::new(domain.clone()));
        it.host("h2").fault_domains = vec![domain.clone()];
        it.policy.planning.most_away.per_fault_domain = Some(1);
        it.policy.planning.most_away.fault_domains = [(domain, 0)].into();
    }),
    (Rule::ReleaseDiversity, "an application on the target while its canary soaks", |it| {
        it.vm("v4").application = it.vm("v1").application.clone();
        it.vm("v2").application = None;
    }),
    (Rule::ReleaseDiversity, "the same in a plan that calls no wave a canary", |it| {
        it.vm("v4").application = it.vm("v1").application.clone();
        it.vm("v2").application = None;
        it.plan.waves.iter_mut().for_each(|it| it.canary = false);
    }),
    (Rule::Controller, "the guest that steers is powered off", |it| {
        it.policy.planning.controllers = vec![vm("v5")];
    }),
    (Rule::MigrationSlots, "two migrations over one slot", |it| {
        let migration = underpin_model::fleet::Migration { slots: Some(1), ..Default::default() };
        it.host("h4").migration = Some(migration);
    }),
    (Rule::MigrationBandwidth, "more than the link has", |it| {
        if let StepKind::Migrate { mbps, .. } = &mut it.migration("v6").kind {
            *mbps = 5001;
        }
    }),
    (Rule::MigrationBandwidth, "more than the network has", |it| {
        it.policy.planning.migration.network_mbps = Some(9999);
    }),
    (Rule::MigrationTime, "a span too short", |it| {
        it.migration("v1").p50_s = 5;
        it.migration("v1").p95_s = 18;
        it.fleet.affinities.clear();
    }),
    (Rule::MigrationTime, "a guest that writes faster than its migration", |it| {
        it.vm("v1").dirty_rate_mib_s = Some(597.0);
    }),
    (Rule::MigrationTime, "a pause that is too long", |it| {
        if let StepKind::Migrate { pause_ms, .. } = &mut it.migration("v6").kind {
            *pause_ms = 501;
        }
    }),
    (Rule::MigrationTime, "a live move that was made cold by hand", |it| {
        it.vm("v1").allowed_actions.push(Action::ColdMigrate);
        it.policy.planning.consent_needed.clear();
        if let StepKind::Migrate { live, .. } = &mut it.migration("v1").kind {
            *live = false;
        }
    }),
    (Rule::MigrationTime, "a median that no migration has", |it| it.migration("v1").p50_s = 1),
    (Rule::StepTime, "a reboot that takes a second", |it| {
        (of_host(it, "h3", "reboot").p50_s, of_host(it, "h3", "reboot").p95_s) = (1, 1);
    }),
    (Rule::StepTime, "the median of a reboot alone", |it| of_host(it, "h3", "reboot").p50_s = 1),
    (Rule::StepTime, "a patch that takes no time", |it| {
        (of_host(it, "h3", "patch").p50_s, of_host(it, "h3", "patch").p95_s) = (0, 0);
    }),
    (Rule::StepTime, "an attestation in half of its time", |it| {
        (of_host(it, "h2", "attest").p50_s, of_host(it, "h2", "attest").p95_s) = (10, 15);
    }),
    (Rule::StepTime, "less than its change declares", |it| {
        it.change("upgrade").durations.as_mut().unwrap().verify = Spread::new(60, 181);
    }),
    (Rule::StepTime, "less than the policy declares", |it| {
        it.change("upgrade").durations = None;
        let declared =
            Durations { patch: Spread::new(300, 601), ..support::durations(Method::EvacuateReboot) };
        it.policy.planning.durations.insert(Method::EvacuateReboot, declared);
    }),
    (Rule::StepTime, "a check of a backup that takes no time", |it| {
        let check = it.step(|it| matches!(it, StepKind::BackupCheck { .. }));
        (check.p50_s, check.p95_s) = (0, 0);
    }),
    (Rule::StepTime, "a guest that is started at once", |it| {
        let start = it.step(|it| matches!(it, StepKind::Start { .. }));
        (start.p50_s, start.p95_s) = (0, 0);
        it.tidy();
    }),
    (Rule::StepTime, "a gate that takes time", |it| {
        // What it opens comes after it.
        let gate = it.step(is_gate);
        (gate.start_s, gate.p95_s) = (850, 10);
        it.tidy();
    }),
    (Rule::Window, "a tenant's guest outside its window", |it| {
        let scope = Scope { tenants: vec![TenantId::new("t1").unwrap()], ..Scope::default() };
        it.policy.planning.window = vec![window(scope, "00:15", 1440 * 7)];
    }),
    (Rule::Window, "a host whose rollback ends outside its window", |it| {
        let scope = Scope { hosts: vec![host("h1")], ..Scope::default() };
        // From 860 s to 3,010 s, and 1,800 s to take it back: 80 minutes are enough, 79 are not.
        it.policy.planning.window = vec![window(scope, "00:00", 80)];
    }),
    (Rule::FreezeCalendar, "a host in a freeze", |it| {
        it.policy.planning.freeze = vec![freeze(Scope { hosts: vec![host("h2")], ..Scope::default() })];
    }),
    (Rule::FreezeCalendar, "a tenant in a freeze", |it| {
        let scope = Scope { tenants: vec![TenantId::new("t1").unwrap()], ..Scope::default() };
        it.policy.planning.freeze = vec![freeze(scope)];
    }),
    (Rule::Consent, "nobody has said yes", |it| it.planning().consents.clear()),
    (Rule::Consent, "somebody has said no", |it| {
        let mut no = it.planning().consents[0].clone();
        (no.id, no.granted) = ("no".into(), false);
        it.planning().consents.push(no);
    }),
    (Rule::Consent, "a consent that ends before the guest is back", |it| {
        it.planning().consents[0].until = Some("2026-11-21T02:26:00Z".parse().unwrap());
    }),
    (Rule::Consent, "a consent that the step does not name", |it| {
        if let StepKind::Stop { consent, .. } = &mut it.step(|it| matches!(it, StepKind::Stop { .. })).kind {
            *consent = None;
        }
    }),
    (Rule::AllowedAction, "a guest that may not move", |it| {
        it.vm("v1").allowed_actions = vec![Action::ColdMigrate];
    }),
    (Rule::AllowedAction, "a guest of which nothing is known to be allowed", |it| {
        it.vm("v5").allowed_actions.clear();
    }),
    (Rule::Lock, "a lock that nobody knows the end of", |it| {
        it.vm("v1").locks = vec![Lock { kind: LockKind::Backup, expires: None }];
    }),
    (Rule::Lock, "a lock that ends a second late", |it| {
        let expires = Some("2026-11-21T00:14:21Z".parse().unwrap());
        it.vm("v1").locks = vec![Lock { kind: LockKind::Backup, expires }];
    }),
    (Rule::Reach, "storage that the target does not reach", |it| {
        it.host("h1").reach.storage = ["s1", "s2"].map(|it| StorageId::new(it).unwrap()).to_vec();
        it.vm("v1").storage.push(StorageId::new("s2").unwrap());
    }),
    (Rule::Reach, "a target that states its storage, without what its cluster shares", |it| {
        it.host("h4").reach.storage = vec![StorageId::new("s2").unwrap()];
        it.policy.planning.failure_sets = FailureSets::None;
    }),
    (Rule::Reach, "a licence that the target does not have", |it| {
        it.host("h3").reach.licence_sets = vec!["windows".into()];
    }),
    (Rule::Reach, "keys that the target cannot open", |it| {
        it.host("h3").reach.key_providers = vec!["kms".into()];
        it.vm("v3").sealed_keys = Some(Box::new(SealedKeys { vtpm: Some(true), pcrs: vec![] }));
    }),
    (Rule::Reach, "a host of another cluster", |it| {
        it.host("h4").cluster = Some(underpin_model::id::ClusterId::new("c2").unwrap());
        let mut other = it.fleet.clusters[0].clone();
        other.id = underpin_model::id::ClusterId::new("c2").unwrap();
        other.load_balancing = None;
        it.policy.planning.failure_sets = FailureSets::None;
        it.fleet.clusters.push(other);
    }),
    (Rule::CpuFeatures, "a feature that the target lacks", |it| {
        it.host("h1").cpu.as_mut().unwrap().features.push("avx512f".into());
        it.vm("v1").cpu_features = vec!["avx512f".into()];
    }),
    (Rule::Direction, "a running guest to a lower release", |it| {
        it.host("h4").platform.as_mut().unwrap().release = Some("8.0".into());
    }),
    (Rule::Direction, "a host that is taken to a lower release", |it| {
        it.host("h3").platform.as_mut().unwrap().release = Some("8.3".into());
        it.fleet.vms.retain(|it| it.id != vm("v3"));
        it.remove(|it| it.vm().is_some_and(|it| *it == vm("v3")));
    }),
    (Rule::Direction, "a plane that is taken to a lower release", |it| {
        it.fleet.management_planes[0].platform = Some(underpin_model::facts::Family::Vcenter);
        it.fleet.management_planes[0].components = Some(product("vCenter Server", "9.0.0.00100"));
    }),
    (Rule::Direction, "a storage that is taken to a lower release", |it| {
        support::two_units(it);
        it.fleet.storage[0].components = Some(product("array", "6.6.0"));
    }),
    (Rule::Direction, "a component that is taken to a lower version", |it| {
        it.change("upgrade").to = Target::Component { name: "qemu".into(), version: "8.2".into() };
        for (id, version) in [("h1", "8.1"), ("h2", "8.1"), ("h3", "8.3"), ("h4", "8.1")] {
            it.host(id).running.insert("qemu".into(), version.into());
        }
    }),
    (Rule::OccupiedHost, "a guest that stays on a host that reboots", |it| {
        it.fleet.affinities.clear();
        it.remove(|it| matches!(it, StepKind::Migrate { vm, .. } if vm.as_str() == "v6"));
    }),
    (Rule::OccupiedHost, "a guest that was suspended before on a host that reboots", |it| {
        let mut asleep = it.vm("v5").clone();
        asleep.id = vm("v9");
        (asleep.power, asleep.memory_mib) = (Some(underpin_model::fleet::PowerState::Suspended), Some(1));
        it.fleet.vms.push(asleep);
    }),
    (Rule::RingOrder, "a ring that does not wait for the soak of the one before", |it| it.shift(4, -3000)),
    (Rule::RingOrder, "the rest of a ring before the soak of its canary", |it| {
        it.shift(3, -3000);
        it.vm("v2").application = None;
    }),
    (Rule::RingOrder, "others before the first of their hardware have soaked", |it| {
        it.plan.waves[1].canary = false;
        it.shift(3, -3000);
        it.vm("v2").application = None;
    }),
    (Rule::RingOrder, "the same in a plan that calls every wave a canary", |it| {
        it.plan.waves.iter_mut().for_each(|it| it.canary = it.layer == Layer::Host);
        it.shift(3, -3000);
        it.vm("v2").application = None;
    }),
    (Rule::RingOrder, "others before a host has soaked that had the change when it was seen", |it| {
        it.change("upgrade").elements.push(element("h4"));
        (it.fleet.seen.at, it.plan.made_from.seen_at) =
            (support::STARTS.parse().unwrap(), support::STARTS.parse().unwrap());
    }),
    (Rule::Soak, "a soak that is too short", |it| it.plan.waves[3].soak_until_s -= 10),
    (Rule::ChangeOrder, "hosts before their management plane is done", |it| {
        let verify = |it: &StepKind| matches!(it, StepKind::Verify { element } if element.as_str() == "p1");
        it.step(verify).p95_s = 131;
        it.tidy();
        // The next wave waits for the plane, too.
        let plane = it.step(verify).id;
        let next = it.plan.steps.iter_mut().filter(|it| it.wave == 3 && it.start_s == 6700);
        next.for_each(|it| it.after.push(plane));
    }),
    (Rule::ChangeOrder, "hosts before a plane that could not be changed", |it| {
        it.plan.steps.retain(|it| it.wave != 1);
        it.plan.waves.remove(0);
        for wave in &mut it.plan.waves {
            wave.number -= 1;
        }
        for step in it.plan.steps.iter_mut().filter(|it| it.wave > 0) {
            step.wave -= 1;
        }
        it.tidy();
        it.plan.left_out = vec![LeftOut { element: element("p1"), change: "plane".into(), deferred: false }];
    }),
    (Rule::ChangeOrder, "a change before one that it names", |it| {
        it.planning().changes.push(change("firmware", Layer::Storage, &["s1"], "2"));
        it.change("firmware").methods = vec![Method::InPlace, Method::Defer];
        it.change("upgrade").after = vec!["firmware".into()];
        it.plan.left_out =
            vec![LeftOut { element: element("s1"), change: "firmware".into(), deferred: true }];
    }),
    (Rule::ChangeOrder, "a pool before its coordinator", |it| {
        for host in &mut it.fleet.hosts {
            host.platform.as_mut().unwrap().family = underpin_model::facts::Family::XcpNg;
        }
        it.fleet.management_planes[0].runs_on = Some(vec![host("h3")]);
        // Nobody's ring is earlier than the coordinator's.
        for ring in &mut it.policy.rings {
            ring.soak = underpin_model::quantity::Days::new(1.0 / 24.0).unwrap();
        }
    }),
    (Rule::Method, "a method that the change does not allow", |it| {
        it.change("upgrade").methods = vec![Method::QuickBoot];
    }),
    (Rule::Method, "a hop that is left out", |it| {
        it.change("upgrade").to = Target::Release { release: "8.2".into(), via: vec!["8.1.5".into()] };
    }),
    (Rule::Method, "no reboot", |it| {
        it.remove(|it| matches!(it, StepKind::Reboot { element, .. } if element.as_str() == "h3"));
    }),
    (Rule::Method, "a release that is installed in place on a host", |it| {
        it.change("upgrade").methods = vec![Method::EvacuateReboot, Method::InPlace];
        let patch = it.step(|it| matches!(it, StepKind::Patch { element, .. } if element.as_str() == "h3"));
        if let StepKind::Patch { method, .. } = &mut patch.kind {
            *method = Method::InPlace;
        }
    }),
    (Rule::FreezeCalendar, "staging in a freeze", |it| {
        let stage = it.step(|it| matches!(it, StepKind::Stage { element, .. } if element.as_str() == "h3"));
        let (from_s, until_s) = (i64::from(stage.start_s), i64::from(stage.start_s) + 1);
        let instant = |seconds: i64| {
            let starts: jiff::Timestamp = support::STARTS.parse().unwrap();
            starts.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
        };
        it.policy.planning.freeze.push(Freeze {
            id: "short".into(),
            scope: Scope { hosts: vec![host("h3")], ..Default::default() },
            from: instant(from_s),
            until: instant(until_s),
            reason: String::new(),
        });
    }),
    (Rule::Method, "no attestation", |it| {
        it.remove(|it| matches!(it, StepKind::Attest { element } if element.as_str() == "h3"));
    }),
    (Rule::Method, "a plane without a check of its backup", |it| {
        it.remove(|it| matches!(it, StepKind::BackupCheck { .. }));
    }),
    (Rule::Method, "a plane with nothing staged", |it| {
        it.remove(|it| matches!(it, StepKind::Stage { element, .. } if element.as_str() == "p1"));
    }),
    (Rule::Method, "a host with nothing staged", |it| {
        it.remove(|it| matches!(it, StepKind::Stage { element, .. } if element.as_str() == "h3"));
    }),
    (Rule::Method, "a host that is staged for another change", |it| {
        let stage = |it: &StepKind| matches!(it, StepKind::Stage { element, .. } if element.as_str() == "h3");
        if let StepKind::Stage { change, .. } = &mut it.step(stage).kind {
            *change = "plane".into();
        }
    }),
    (Rule::Method, "a host that is staged for another change, too", |it| {
        let stage = StepKind::Stage { element: element("h3"), change: "plane".into() };
        it.add(4, "h3", stage, 12_430, 60);
    }),
    (Rule::Method, "a second controller before the first was verified", |it| {
        support::two_units(it);
        let first = it.step(|it| is_verify(it, "s1")).id;
        it.plan.steps.retain(|it| it.id != first);
        it.tidy();
    }),
    (Rule::Method, "a hop of a storage before the one before it was verified", |it| {
        support::two_units(it);
        let array = it.change("array");
        array.units = 1;
        array.to = Target::Release { release: "6.5.1".into(), via: vec!["6.5.0".into()] };
        let mut hop = 0;
        for it in it.plan.steps.iter_mut().filter(|it| it.wave == 5) {
            if let StepKind::Patch { to, unit, .. } = &mut it.kind {
                (*to, *unit) = (format!("6.5.{hop}"), 1);
                hop += 1;
            }
        }
        assert_eq!(it.rules(Severity::Error), BTreeSet::new());
        let first = it.step(|it| is_verify(it, "s1")).id;
        it.plan.steps.retain(|it| it.id != first);
        it.tidy();
    }),
    (Rule::Method, "a quick boot that nobody chose", |it| {
        let reboot = it.step(|it| matches!(it, StepKind::Reboot { .. }));
        if let StepKind::Reboot { quick, .. } = &mut reboot.kind {
            *quick = true;
        }
    }),
    (Rule::Coverage, "a host that is forgotten", |it| {
        it.change("upgrade").elements.push(element("h4"));
        it.host("h4").platform.as_mut().unwrap().release = Some("8.1.5".into());
    }),
    (Rule::Coverage, "a host that the change is not about", |it| {
        it.change("upgrade").elements.pop();
    }),
    (Rule::Coverage, "a host that is listed in a second wave", |it| {
        it.plan.waves[2].elements.push(element("h1"));
    }),
    (Rule::Coverage, "a host that is listed, left out and nothing done to", |it| {
        it.change("upgrade").elements.push(element("h4"));
        it.host("h4").platform.as_mut().unwrap().release = Some("8.1.5".into());
        it.plan.left_out =
            vec![LeftOut { element: element("h4"), change: "upgrade".into(), deferred: false }];
        it.plan.waves[3].elements.push(element("h4"));
    }),
    (Rule::Coverage, "a host that is changed and left out", |it| {
        it.plan.left_out =
            vec![LeftOut { element: element("h3"), change: "upgrade".into(), deferred: false }];
    }),
    (Rule::Coverage, "a host that is left out on purpose, though nothing may be deferred", |it| {
        it.leave_out("h3", "upgrade");
        it.plan.left_out[0].deferred = true;
    }),
    (Rule::Degraded, "a degraded cluster", |it| it.fleet.clusters[0].degraded = Some(true)),
    (Rule::FreezeThaw, "a freeze of nothing", |it| {
        if let StepKind::Freeze { what, .. } = &mut it.step(|it| matches!(it, StepKind::Freeze { .. })).kind {
            what.clear();
        }
    }),
    (Rule::FreezeThaw, "admission control goes on", |it| it.fleet.clusters[0].admission_control = Some(true)),
    (Rule::FreezeThaw, "no thaw", |it| it.remove(|it| matches!(it, StepKind::Thaw { .. }))),
    (Rule::FreezeThaw, "a thaw before the last touch", |it| {
        it.step(|it| matches!(it, StepKind::Thaw { .. })).start_s = 14_000;
        it.tidy();
    }),
    (Rule::FreezeThaw, "no freeze where balancing is off", |it| {
        it.fleet.clusters[0].load_balancing = Some(false);
        it.remove(|it| matches!(it, StepKind::Freeze { .. } | StepKind::Thaw { .. }));
    }),
    (Rule::FreezeThaw, "balancing goes on", |it| {
        it.remove(|it| matches!(it, StepKind::Freeze { .. } | StepKind::Thaw { .. }));
    }),
    (Rule::FinalState, "a guest that is not started again", |it| {
        it.remove(|it| matches!(it, StepKind::Start { .. }));
    }),
];

/// The step of a kind on a host.
fn of_host<'c>(case: &'c mut Case, host: &str, kind: &str) -> &'c mut underpin_model::plan::Step {
    case.step(|it| {
        it.element().is_some_and(|it| it.as_str() == host)
            && serde_json::to_value(it).unwrap()["kind"] == kind
    })
}

fn is_verify(it: &StepKind, id: &str) -> bool {
    matches!(it, StepKind::Verify { element } if element.as_str() == id)
}

/// The components of a product that shows its version.
fn product(name: &str, version: &str) -> ComponentSet {
    let components = vec![Component::new(name, version, ComponentKind::Product)];
    ComponentSet { family: None, train: None, components, extra: Default::default() }
}

fn is_gate(it: &StepKind) -> bool {
    matches!(it, StepKind::Gate { .. })
}

fn window(scope: Scope, from: &str, minutes: u32) -> Window {
    Window {
        id: "night".into(),
        scope,
        days: Vec::new(),
        from: from.parse().unwrap(),
        minutes: minutes - 1,
        time_zone: None,
        first: Some("2026-11-21".parse().unwrap()),
        last: None,
    }
}

fn freeze(scope: Scope) -> Freeze {
    Freeze {
        id: "quarter".into(),
        scope,
        from: "2026-11-21T02:00:00Z".parse().unwrap(),
        until: "2026-11-21T03:00:00Z".parse().unwrap(),
        reason: String::new(),
    }
}

#[test]
fn a_sound_plan_has_no_finding_and_every_rule_was_compared() {
    let mut case = Case::sound();
    // Rules that speak of nothing in the plain case.
    case.fleet.affinities.push(affinity(AffinityKind::Apart, &["v1", "v3"], &[]));
    case.fleet.affinities.push(affinity(AffinityKind::OnHosts, &["v1"], &["h1", "h2", "h4"]));
    case.planning().parts = [("all".to_owned(), ["h1", "h2", "h3", "h4"].map(host).to_vec())].into();
    case.planning().among =
        vec![underpin_model::fleet::AmongParts { vms: vec![vm("v1")], parts: vec!["all".into()] }];
    case.policy.planning.window = vec![window(Scope::default(), "00:00", 1441)];
    case.policy.planning.freeze = vec![freeze(Scope { hosts: vec![host("h4")], ..Scope::default() })];
    let report = case.lint();
    assert!(report.findings.is_empty() && report.is_clean(), "{:#?}", report.findings);
    let idle: Vec<Rule> = report.checked.iter().filter(|it| it.compared == 0).map(|it| it.rule).collect();
    assert!(idle.is_empty(), "{idle:?}");
    assert!(report.events > 40 && report.ends_at_s == 15_010, "{report:?}");
}

#[test]
fn each_mutation_is_found_as_its_rule_and_no_other() {
    let mut wrong = Vec::new();
    for (rule, what, mutate) in MUTATIONS {
        let mut case = Case::sound();
        mutate(&mut case);
        let found = case.rules(Severity::Error);
        if found != BTreeSet::from([*rule]) {
            let errors = case.lint().findings;
            wrong.push(format!("{what}: expected {rule:?}, found {found:?}\n{errors:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), MUTATIONS.len(), wrong.join("\n"));
}

/// What enums are called in the program is nothing to those who read a finding.
#[test]
fn findings_speak_the_words_of_files() {
    let mut ours: BTreeSet<String> = Rule::ALL.iter().map(|it| format!("{it:?}")).collect();
    use Method::{Defer, EvacuateReboot, InPlace, LivePatch, PowerOff, QuickBoot};
    ours.extend([LivePatch, QuickBoot, EvacuateReboot, PowerOff, InPlace, Defer].map(|it| format!("{it:?}")));
    ours.extend(
        [Layer::Host, Layer::ManagementPlane, Layer::Storage, Layer::Witness].map(|it| format!("{it:?}")),
    );
    ours.extend([LockKind::Backup, LockKind::Snapshot, LockKind::MountedMedia].map(|it| format!("{it:?}")));
    ours.extend([Redundancy::Full, Redundancy::Degraded, Redundancy::Rebuilding].map(|it| format!("{it:?}")));
    ours.extend(["Some".to_owned(), "None".to_owned()]);
    let (mut seen, mut wrong) = (0, Vec::new());
    for (_, what, mutate) in MUTATIONS {
        let mut case = Case::sound();
        mutate(&mut case);
        for it in case.lint().findings {
            for text in [&it.place, &it.found, &it.expected] {
                seen += 1;
                let words = text.split(|it: char| !it.is_alphanumeric());
                wrong.extend(
                    words.filter(|it| ours.contains(*it)).map(|word| format!("{what}: {word}: {text}")),
                );
            }
        }
    }
    assert!(wrong.is_empty() && seen > 3 * MUTATIONS.len(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_mutation() {
    let mutated: BTreeSet<Rule> = MUTATIONS.iter().map(|it| it.0).collect();
    assert_eq!(mutated, Rule::ALL.iter().copied().collect());
}
