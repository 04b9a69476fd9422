//! Laws over random fleets.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_model::change::{Method, Target};
use underpin_model::fleet::{
    Action, Affinity, AffinityKind, Application, Cluster, Fleet, PowerState, SampleSpec, Strength, sample,
};
use underpin_model::id::{ApplicationId, ClusterId, VmId};
use underpin_model::plan::{Outcome, Profile, Rule, Severity, StepKind};
use underpin_model::policy::{FailureSets, Homing, Placing, Policy, Scope};
use underpin_planner::campaign::{Parent, Request, plan};

use super::build::{
    change, clean, consent, dice, fleet, guest, host, planning, policy, request, start, tenant,
};

/// Guests by host and size with what is allowed, some suspended or off, hosts of different size, one perhaps in maintenance, groups that must be apart, a policy.
pub fn random() -> impl Strategy<Value = (Fleet, Policy)> {
    let guests = prop::collection::vec((0..6_usize, 1..24_u64, 0..12_u8, 0..3_usize), 0..30);
    let shut = prop::option::weighted(0.3, 0..6_usize);
    (2..7_usize, guests, 0..4_u8, 1..4_u32, any::<bool>(), 0..3_u8, 0..3_u8, 0..3_u8, shut).prop_map(
        |(hosts, guests, groups, most, home, reserve, rings, windows, shut)| {
            let mut fleet = fleet(hosts);
            for id in ["a", "b", "c"] {
                tenant(&mut fleet, id);
                fleet.applications.push(Application::new(ApplicationId::new(id).unwrap()));
            }
            for (number, host) in fleet.hosts.iter_mut().enumerate() {
                host.capacity.as_mut().unwrap().memory_mib = Some(65_536 + 32_768 * (number as u64 % 3));
                host.capacity.as_mut().unwrap().hugepages_mib = Some(32_768 * (number as u64 % 2));
                host.model = Some(format!("R{}", number % 2));
                host.ring = Some(if number % 3 == 0 && rings > 0 { "test" } else { "production" }.to_owned());
                if number % 4 == 3 {
                    host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
                }
            }
            for (host, gib, kind, owner) in guests {
                let owner = ["a", "b", "c"][owner];
                let id = tenant(&mut fleet, owner);
                let vm = guest(&mut fleet, &format!("h{}", host % hosts + 1), gib);
                vm.tenant = Some(id);
                vm.application = Some(ApplicationId::new(owner).unwrap());
                if host == 5 && groups == 2 {
                    vm.hugepages_mib = Some(gib * 1024);
                }
                match kind {
                    0 => vm.allowed_actions.clear(),
                    1 => vm.allowed_actions = vec![Action::PowerOff],
                    2 => vm.allowed_actions = vec![Action::Suspend],
                    3 => vm.allowed_actions = vec![Action::ColdMigrate],
                    4 => vm.dirty_rate_mib_s = Some(2000.0),
                    5 => vm.power = Some(PowerState::Suspended),
                    6 => vm.power = Some(PowerState::Off),
                    _ => {}
                }
            }
            if let Some(shut) = shut {
                fleet.hosts[shut % hosts].maintenance = Some(true);
            }
            for action in [Action::PowerOff, Action::Suspend, Action::ColdMigrate] {
                consent(&mut fleet, action, true);
            }
            for group in 0..groups as usize {
                let vms: Vec<VmId> =
                    fleet.vms.iter().skip(group * 3).step_by(7).take(2).map(|it| it.id.clone()).collect();
                let kind = if group == 3 { AffinityKind::Together } else { AffinityKind::Apart };
                if vms.len() == 2 {
                    fleet.affinities.push(Affinity {
                        kind,
                        strength: Strength::Must,
                        vms,
                        hosts: Vec::new(),
                    });
                }
            }
            let mut policy = policy();
            if rings > 0 {
                let days = |it| underpin_model::quantity::Days::new(it).unwrap();
                policy
                    .rings
                    .insert(0, underpin_model::policy::Ring { name: "test".to_owned(), soak: days(0.5) });
            }
            policy.planning.most_away.per_cluster = most;
            policy.planning.homing = if home { Homing::Home } else { Homing::Drift };
            policy.planning.placing = if rings == 2 { Placing::PlatformPlaces } else { Placing::WePlace };
            policy.planning.failure_sets =
                [FailureSets::None, FailureSets::Host, FailureSets::FaultDomain][usize::from(reserve)];
            // Nights of two tenants that never meet.
            for (owner, hour) in [("a", 1), ("b", 4)].into_iter().take(usize::from(windows)) {
                let tenants = vec![tenant(&mut fleet, owner)];
                policy.planning.window.push(super::time::window(
                    Scope { tenants, ..Scope::default() },
                    Vec::new(),
                    hour,
                    90,
                ));
            }
            (fleet, policy)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_plan_is_clean((fleet, policy) in random(), evaluations in 0..4_u64) {
        let loss = BTreeMap::new();
        let it = plan(&Request { evaluations, ..request(&fleet, &policy, &loss) }).unwrap();
        clean(&fleet, &policy, &it.plan);
        prop_assert!(it.report.bounds.makespan_s >= it.report.bounds.makespan_at_least_s, "{:?}", it.report.bounds);
        prop_assert!(it.report.bounds.moves >= it.report.bounds.moves_at_least, "{:?}", it.report.bounds);
        prop_assert!(it.report.bounds.waves >= it.report.bounds.waves_at_least, "{:?}", it.report.bounds);
        for step in &it.plan.steps {
            if let StepKind::Evacuate { only_to, .. } = &step.kind {
                let wave = &it.plan.wave(step.wave).unwrap().elements;
                let offered = only_to.iter().find(|it| wave.iter().any(|own| own.as_str() == it.as_str()));
                prop_assert!(offered.is_none(), "{offered:?} is emptied in the same wave: {step:?}");
            }
        }
        // Who ends elsewhere than at home is named, with the reason.
        let report = underpin_lint::lint(&fleet, &policy, &it.plan, &underpin_lint::Options::default());
        let away = report.findings.iter().filter(|it| (it.rule, it.severity) == (Rule::FinalState, Severity::Worse));
        let mut away: Vec<String> = away.map(|it| it.place.clone()).collect();
        away.sort();
        let named = super::homing::not_home(&it);
        prop_assert!(named.iter().all(|it| !it.text.ends_with(": ")), "{named:?}");
        let mut named: Vec<String> = named.iter().map(|it| format!("VM {}", it.place)).collect();
        named.sort();
        prop_assert_eq!(away, named);
        for element in &it.report.elements {
            prop_assert!(element.outcome == Outcome::Planned || !element.reasons.is_empty(), "no reason: {element:?}");
        }
    }

    /// Answers that begin and end within the plan, some of them a no: the lint judges each step by its own time.
    #[test]
    fn plans_with_answers_for_a_time_are_clean(
        (mut fleet, policy) in random(),
        answers in prop::collection::vec((0..4_usize, any::<bool>(), 0..30_i64, 1..30_i64, 0..3_usize), 0..6),
    ) {
        let kinds = [Action::LiveMigrate, Action::ColdMigrate, Action::Suspend, Action::PowerOff];
        for (kind, granted, from_h, hours, owner) in answers {
            let tenant = tenant(&mut fleet, ["a", "b", "c"][owner]);
            consent(&mut fleet, kinds[kind], granted);
            let it = planning(&mut fleet).consents.last_mut().unwrap();
            let after = |hours: i64| start() + jiff::SignedDuration::from_hours(hours);
            (it.from, it.until, it.tenants) = (Some(after(from_h)), Some(after(from_h + hours)), vec![tenant]);
        }
        let loss = BTreeMap::new();
        let it = plan(&request(&fleet, &policy, &loss)).unwrap();
        clean(&fleet, &policy, &it.plan);
    }

    /// Starts that make no sense: a report, a plan that makes nothing worse, and what nobody can tell is told.
    #[test]
    fn plans_of_broken_starts_are_clean_and_say_what_is_broken(
        (mut fleet, policy) in random(),
        broken in prop::collection::vec((0..30_usize, 0..5_u8), 1..6),
    ) {
        for (at, how) in broken {
            let Some(vm) = fleet.vms.get_mut(at) else { continue };
            match how {
                0 => vm.host = None,
                1 => vm.memory_mib = Some(1 << 20),
                2 => vm.memory_mib = None,
                3 => vm.power = None,
                _ => vm.vcpus = Some(4096),
            }
        }
        let loss = BTreeMap::new();
        let it = plan(&request(&fleet, &policy, &loss)).unwrap();
        clean(&fleet, &policy, &it.plan);
        let lost = fleet.vms.iter().filter(|it| it.host.is_none() && it.power != Some(PowerState::Off)).count();
        let told = it.report.standing.iter().filter(|it| it.rule == Rule::OccupiedHost).count();
        prop_assert_eq!(told, lost);
    }

    /// A plan that does less than it must is never passed over, however carefully its steps were numbered again.
    #[test]
    fn a_step_that_is_missing_is_found((fleet, policy) in random(), at in any::<prop::sample::Index>()) {
        let loss = BTreeMap::new();
        let mut it = plan(&request(&fleet, &policy, &loss)).unwrap().plan;
        let needed = |it: &StepKind| {
            use StepKind::{Attest, Patch, Reboot, Start, Verify};
            matches!(it, Patch { .. } | Reboot { .. } | Attest { .. } | Verify { .. } | Start { .. })
        };
        let all: Vec<usize> = (0..it.steps.len()).filter(|&at| needed(&it.steps[at].kind)).collect();
        if all.is_empty() {
            return Ok(());
        }
        it.steps.remove(*at.get(&all));
        for (id, step) in it.steps.iter_mut().enumerate() {
            step.id = id as u32;
            step.after.clear();
        }
        let report = underpin_lint::lint(&fleet, &policy, &it, &underpin_lint::Options::default());
        prop_assert!(!report.is_clean());
    }

    #[test]
    fn the_order_of_the_file_does_not_matter((mut fleet, policy) in random(), turn in 0..6_usize) {
        let loss = BTreeMap::new();
        // Each answer a second time, so that several say the same of a guest.
        for action in [Action::PowerOff, Action::Suspend, Action::ColdMigrate] {
            consent(&mut fleet, action, true);
        }
        let first = plan(&request(&fleet, &policy, &loss)).unwrap();
        let mut turned = fleet;
        turned.hosts.reverse();
        turned.vms.reverse();
        turned.affinities.reverse();
        planning(&mut turned).consents.rotate_left(turn);
        planning(&mut turned).consents.reverse();
        let second = plan(&request(&turned, &policy, &loss)).unwrap();
        prop_assert_eq!(first.plan, second.plan);
    }

    /// Changes of the same hosts, of others and of nobody, that share drains or come after each other.
    #[test]
    fn the_order_of_the_changes_does_not_matter((mut fleet, policy) in random(), turn in 1..4_usize) {
        let setting = |name: &str, reboot| Target::Setting { name: name.to_owned(), value: "on".to_owned(), reboot };
        let mut more = ["b-smt", "a-mask", "z-later"].map(|it| change(it, "8.0.2"));
        (more[0].to, more[1].to) = (setting("smt", true), setting("mask", false));
        (more[2].to, more[2].after) = (setting("later", true), vec!["go".to_owned()]);
        more[0].methods = vec![Method::QuickBoot, Method::EvacuateReboot];
        planning(&mut fleet).changes.extend(more);
        let loss = BTreeMap::new();
        let first = plan(&request(&fleet, &policy, &loss)).unwrap();
        clean(&fleet, &policy, &first.plan);
        planning(&mut fleet).changes.rotate_left(turn);
        let second = plan(&request(&fleet, &policy, &loss)).unwrap();
        prop_assert_eq!(first.plan, second.plan);
        prop_assert_eq!(first.report, second.report);
    }

    /// Changes that leave the release what it is: nobody is taken to those that try them as a whole, by planner and lint alike.
    #[test]
    fn plans_of_components_and_settings_are_clean((mut fleet, policy) in random(), kind in 0..3_u8, done in 0..6_usize) {
        let to = match kind {
            0 => Target::Component { name: "xen".to_owned(), version: "4.17.5".to_owned() },
            _ => Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot: kind == 1 },
        };
        planning(&mut fleet).changes[0].to = to;
        if let Some(host) = fleet.hosts.get_mut(done) {
            host.running.insert("xen".to_owned(), "4.17.5".to_owned());
        }
        let loss = BTreeMap::new();
        let it = plan(&Request { evaluations: 2, ..request(&fleet, &policy, &loss) }).unwrap();
        clean(&fleet, &policy, &it.plan);
    }

    /// Nothing was done yet and nothing changed: the same hosts, wave by wave, and their guests go to the same hosts, also where a search found them.
    #[test]
    fn a_plan_again_of_an_untouched_plan_changes_nothing((fleet, policy) in random(), evaluations in 0..48_u64) {
        let loss = BTreeMap::new();
        let first = plan(&Request { evaluations, ..request(&fleet, &policy, &loss) }).unwrap().plan;
        let parent = Some(Parent { plan: &first, sha256: "00" });
        let again = plan(&Request { evaluations, parent, ..request(&fleet, &policy, &loss) }).unwrap().plan;
        let hosts = |it: &underpin_model::plan::Plan| -> Vec<Vec<String>> {
            let names = |wave: &underpin_model::plan::Wave| wave.elements.iter().map(ToString::to_string).collect();
            it.waves.iter().map(names).collect()
        };
        prop_assert_eq!(hosts(&first), hosts(&again));
        prop_assert_eq!(super::build::finally(&fleet, &first), super::build::finally(&fleet, &again));
        clean(&fleet, &policy, &again);
    }

    /// What can be done ring by ring can be done in an emergency.
    #[test]
    fn an_emergency_leaves_out_no_more_hosts((fleet, mut policy) in random(), evaluations in 1..12_u64) {
        policy.planning.emergency.merge_rings = true;
        policy.planning.emergency.soak_factor = 1.0;
        let loss = BTreeMap::new();
        let blocked = |profile| {
            let it = plan(&Request { profile, evaluations, ..request(&fleet, &policy, &loss) }).unwrap();
            clean(&fleet, &policy, &it.plan);
            it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).count()
        };
        prop_assert!(blocked(Profile::Emergency) <= blocked(Profile::Normal));
    }

    #[test]
    fn one_more_empty_host_that_is_done_never_makes_the_plan_worse((fleet, policy) in random()) {
        let loss = BTreeMap::new();
        // What counts, in its order: hosts left out, the end, moves.
        let worth = |fleet: &Fleet| {
            let it = plan(&request(fleet, &policy, &loss)).unwrap();
            let blocked = it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).count();
            let end = it.plan.waves.iter().map(|it| it.end_s).max();
            (blocked, end, it.report.moves.moves)
        };
        let before = worth(&fleet);
        let mut larger = fleet;
        let mut spare = host("spare", "c");
        spare.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
        spare.capacity.as_mut().unwrap().memory_mib = Some(1 << 20);
        spare.capacity.as_mut().unwrap().vcpus = Some(512);
        larger.hosts.push(spare);
        let after = worth(&larger);
        prop_assert!(after <= before, "{before:?}, then {after:?}");
    }
}

#[test]
fn plans_of_sample_fleets_are_clean_whatever_the_threads() {
    let loss = BTreeMap::new();
    for (hosts, seed) in [(24, 1), (60, 2), (160, 3)] {
        let fleet = sample(&SampleSpec { hosts, seed, ..SampleSpec::default() }, start());
        let policy = Policy::default();
        let of = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                plan(&Request { evaluations: 40, ..request(&fleet, &policy, &loss) }).unwrap().plan
            })
        };
        let one = of(1);
        clean(&fleet, &policy, &one);
        assert_eq!(one, of(3));
        assert!(!one.waves.is_empty());
    }
}

/// Eight hosts of different size, with few and many guests.
fn uneven(seed: u64) -> Fleet {
    let mut below = dice(seed);
    let mut fleet = fleet(8);
    for host in &mut fleet.hosts {
        host.capacity.as_mut().unwrap().memory_mib = Some((80 + 16 * below(6)) * 1024);
    }
    for host in 1..=8 {
        for _ in 0..4 + below(4) {
            guest(&mut fleet, &format!("h{host}"), 2 + below(14));
        }
    }
    fleet
}

#[test]
fn searching_finds_better_plans_and_never_leaves_more_hosts_out() {
    let loss = BTreeMap::new();
    let (mut fewer_out, mut earlier, mut fewer_moves) = (0, 0, 0);
    for seed in 0..60_u64 {
        let fleet = uneven(seed);
        let mut policy = policy();
        policy.planning.most_away.per_cluster = 2;
        let worth = |evaluations: u64| {
            let it = plan(&Request { evaluations, ..request(&fleet, &policy, &loss) }).unwrap();
            clean(&fleet, &policy, &it.plan);
            let out = it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).count();
            (out, it.plan.waves.iter().map(|it| it.end_s).max(), it.report.moves.moves)
        };
        let (first, searched) = (worth(0), worth(60));
        assert!(searched <= first, "seed {seed}: {first:?}, then {searched:?}");
        fewer_out += usize::from(searched.0 < first.0);
        earlier += usize::from(searched.0 == first.0 && searched.1 < first.1);
        fewer_moves += usize::from((searched.0, searched.1) == (first.0, first.1) && searched.2 < first.2);
    }
    assert!(earlier + fewer_moves + fewer_out > 30, "{fewer_out} {earlier} {fewer_moves}");
}

#[test]
fn the_order_of_a_parent_stands_whatever_search_might_find() {
    let loss = BTreeMap::new();
    let hosts = |it: &underpin_model::plan::Plan| -> Vec<_> {
        it.waves.iter().map(|it| it.elements.clone()).collect()
    };
    let mut policy = policy();
    policy.planning.most_away.per_cluster = 2;
    for seed in 0..12_u64 {
        let fleet = uneven(seed);
        let first = plan(&Request { evaluations: 2, ..request(&fleet, &policy, &loss) }).unwrap().plan;
        let parent = Some(Parent { plan: &first, sha256: "00" });
        let again =
            plan(&Request { evaluations: 60, parent, ..request(&fleet, &policy, &loss) }).unwrap().plan;
        assert_eq!(hosts(&first), hosts(&again), "seed {seed}");
    }
}

#[test]
fn the_clusters_that_end_last_are_given_other_orders() {
    let loss = BTreeMap::new();
    let mut policy = policy();
    policy.planning.most_away.per_cluster = 3;
    policy.planning.canaries_per_class = 0;
    let end = |fleet: &Fleet| {
        let it = plan(&request(fleet, &policy, &loss)).unwrap();
        clean(fleet, &policy, &it.plan);
        it.plan.waves.iter().map(|it| it.end_s).max()
    };
    let mut earlier = 0;
    for seed in 0..8_u64 {
        let mut below = dice(seed);
        let mut all = fleet(0);
        all.clusters.clear();
        for cluster in 0..8 {
            let name = format!("c{cluster}");
            all.clusters.push(Cluster::new(ClusterId::new(name.as_str()).unwrap()));
            for number in 0..8 {
                let id = format!("{name}h{number}");
                let mut host = host(&id, &name);
                host.capacity.as_mut().unwrap().memory_mib = Some((100 + 16 * below(4)) * 1024);
                all.hosts.push(host);
                for _ in 0..4 + below(4) {
                    guest(&mut all, &id, 2 + below(14));
                }
            }
        }
        // Alone nobody waits for a cluster, and its first order stays.
        let alone = |cluster: &Cluster| {
            let mut one = all.clone();
            one.clusters.retain(|it| it.id == cluster.id);
            one.hosts.retain(|it| it.cluster.as_ref() == Some(&cluster.id));
            one.vms.retain(|vm| one.hosts.iter().any(|it| vm.host.as_ref() == Some(&it.id)));
            end(&one)
        };
        let (first, together) = (all.clusters.iter().map(alone).max().unwrap(), end(&all));
        assert!(together <= first, "seed {seed}: {first:?}, then {together:?}");
        earlier += usize::from(together < first);
    }
    assert!(earlier >= 4, "{earlier}");
}
