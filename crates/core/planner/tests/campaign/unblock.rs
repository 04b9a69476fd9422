//! What would unblock: the least that is enough, its price by the policy or the key that would say, and what the plan with it costs.

use underpin_model::fleet::{Action, AffinityKind, Fleet, Lock, LockKind, Redundancy, Storage};
use underpin_model::id::{StorageId, TenantId, VmId};
use underpin_model::plan::{
    Counterfactual, Outcome, PlanFigures, Price, Reason, Relaxation, Rule, Severity, Trial,
};
use underpin_model::policy::{self, Policy, Scope, Window};
use underpin_planner::campaign::{Planned, with_consent};

use super::build::{consent, fleet, guest, of, planned, planning, policy, tenant};
use super::rules::rule;

/// A policy of one ring without soak, with more keys.
fn priced(more: &str) -> Policy {
    policy::read(&format!("{more}\n[[ring]]\nname = \"production\"\nsoak = 0\n")).unwrap()
}

fn way<'p>(it: &'p Planned, is: &dyn Fn(&Relaxation) -> bool) -> &'p Counterfactual {
    let all = &it.report.counterfactuals;
    all.iter().find(|it| is(&it.relaxation)).unwrap_or_else(|| panic!("{all:#?}"))
}

#[track_caller]
fn costs(price: &Price, amount: Option<f64>, units: f64, key: &str) {
    let found = (price.amount.map(|it| it.get()), price.units.unwrap(), price.key.as_str());
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let same = match (found.0, amount) {
        (Some(one), Some(other)) => near(one, other),
        (one, other) => one == other,
    };
    assert!(same && near(found.1, units) && found.2 == key, "{found:?}");
}

/// 144 of 300 GiB: with one away and one failed, 100 GiB remain.
fn tight() -> Fleet {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        for _ in 0..3 {
            guest(&mut fleet, host, 16);
        }
    }
    fleet
}

fn window(scope: Scope, from: i8, minutes: u32) -> Window {
    Window {
        id: format!("w{from}"),
        scope,
        days: Vec::new(),
        from: jiff::civil::time(from, 0, 0, 0),
        minutes,
        time_zone: None,
        first: None,
        last: None,
    }
}

#[test]
fn of_two_ways_that_do_as_much_the_cheaper_stands_first() {
    let order = |prices: &str| {
        let it = planned(&tight(), &priced(&format!("[planning.price]\n{prices}")));
        let spare = |it: &Counterfactual| matches!(it.relaxation, Relaxation::SpareHosts { .. });
        let without = |it: &Counterfactual| matches!(it.relaxation, Relaxation::WithoutReserve { .. });
        let all = it.report.counterfactuals;
        assert_eq!(all.iter().map(|it| it.unblocks.len()).collect::<Vec<_>>(), [all[0].unblocks.len(); 2]);
        all.iter()
            .map(|it| {
                if spare(it) {
                    "spare"
                } else if without(it) {
                    "without"
                } else {
                    "?"
                }
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(order("spare_host_per_day = 30\nexception = 10\n"), ["without", "spare"]);
    assert_eq!(order("spare_host_per_day = 10\nexception = 30\n"), ["spare", "without"]);
    // What has a price stands before what has none; where nothing has, the reserve is given up last.
    assert_eq!(order("exception = 30\n"), ["without", "spare"]);
    assert_eq!(order("\n"), ["spare", "without"]);
}

#[test]
fn a_spare_host_is_priced_by_the_days_of_the_plan() {
    let spare = |it: &Relaxation| matches!(it, Relaxation::SpareHosts { .. });
    let it = planned(&tight(), &priced("[planning.price]\nspare_host_per_day = 30\n"));
    let it = way(&it, &spare);
    // One host, and the plan is over within a day.
    costs(&it.price, Some(30.0), 1.0, "planning.price.spare_host_per_day");
    let cost = it.cost.clone().unwrap();
    assert_eq!(cost.without, PlanFigures::default(), "nothing is planned without it");
    assert_eq!(
        (cost.with.planned, cost.reserve_hosts),
        (3, 0),
        "the new host is changed too, and is no gain"
    );
    // Soak of a day between canary and others: it is lent for two days, begun days counted whole.
    let soak = policy::read(
        "[planning.price]\nspare_host_per_day = 30\n[[ring]]\nname = \"production\"\nsoak = 1\n",
    );
    let it = planned(&tight(), &soak.unwrap());
    costs(&way(&it, &spare).price, Some(60.0), 2.0, "planning.price.spare_host_per_day");
    let it = planned(&tight(), &policy());
    costs(&way(&it, &spare).price, None, 1.0, "planning.price.spare_host_per_day");
}

#[test]
fn leave_from_the_reserve_is_priced_by_an_exception_and_names_the_hosts_given_up() {
    let reserve = |it: &Relaxation| matches!(it, Relaxation::WithoutReserve { .. });
    let it = planned(&tight(), &policy());
    let it = way(&it, &reserve);
    costs(&it.price, None, 1.0, "planning.price.exception");
    let cost = it.cost.clone().unwrap();
    assert_eq!((cost.reserve_hosts, cost.with.planned), (1, 3));
    // Nine guests that move, those of the first host again, for they went to hosts that were still to come.
    assert!(cost.with.moves >= 9 && cost.with.interrupted == 0, "{cost:?}");
    let it = planned(&tight(), &priced("[planning.price]\nexception = 5\n"));
    costs(&way(&it, &reserve).price, Some(5.0), 1.0, "planning.price.exception");
    // One that has run out tells what such leave costs here.
    let known = "[planning.price]\nexception = 5\n[[planning.exception]]\nid = \"old\"\nrule = \"restartability\"\nowner = \"ann\"\n\
                 expires = \"2026-01-01\"\nprice = 70\nreason = \"r\"\n";
    let it = planned(&tight(), &priced(known));
    costs(&way(&it, &reserve).price, Some(70.0), 1.0, "planning.exception old.price");
}

/// A guest of acme on h1 that may only be powered off.
fn pinned(guests: usize) -> (Fleet, TenantId) {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    for _ in 0..guests {
        let vm = guest(&mut fleet, "h1", 8);
        vm.tenant = Some(acme.clone());
        vm.allowed_actions = vec![Action::PowerOff];
    }
    (fleet, acme)
}

fn asks(it: &Relaxation) -> bool {
    matches!(it, Relaxation::Consent { .. })
}

#[test]
fn consent_is_priced_by_the_hours_down_at_the_rate_of_the_tenant() {
    let (fleet, _) = pinned(2);
    let text = "[loss]\nvm_hour_down = 2\n[loss.tenant.acme]\nvm_hour_down = 36\n";
    let it = planned(&fleet, &priced(text));
    let it = way(&it, &asks);
    let Relaxation::Consent { vms, .. } = &it.relaxation else { unreachable!() };
    // Both guests are asked for, though the plan names the first alone.
    assert_eq!(vms.len(), 2);
    // By P95: stopping 120 s, patching 600, rebooting 1200, attesting 30, verifying 180, starting 120; both guests at once.
    let hours = 2.0 * 2250.0 / 3600.0;
    costs(&it.price, Some(36.0 * hours), hours, "loss.tenant.acme.vm_hour_down");
    assert!(!it.price.judgement);
    let cost = it.cost.clone().unwrap();
    assert_eq!((cost.without.interrupted, cost.with.interrupted), (0, 2));
    assert_eq!((cost.without.planned, cost.with.planned), (2, 3));
    // Nobody stated what an hour costs: the default, said to be a judgement.
    let it = planned(&fleet, &policy());
    let price = &way(&it, &asks).price;
    costs(price, Some(hours), hours, "loss.vm_hour_down");
    assert!(price.judgement);
}

#[test]
fn a_longer_window_is_the_least_that_is_enough_priced_by_the_minute() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let mut policy = priced("[planning.price]\nwindow_minute = 0.5\n");
    policy.planning.window = vec![window(Scope::default(), 22, 45)];
    let it = planned(&fleet, &policy);
    let way = way(&it, &|it| matches!(it, Relaxation::LongerWindow { .. }));
    let Relaxation::LongerWindow { minutes, .. } = way.relaxation else { unreachable!() };
    costs(&way.price, Some(0.5 * f64::from(minutes)), f64::from(minutes), "planning.price.window_minute");
    let with = |minutes: u32| {
        let mut policy = policy.clone();
        policy.planning.window[0].minutes += minutes;
        planned(&fleet, &policy).plan.waves.iter().flat_map(|it| it.elements.clone()).collect::<Vec<_>>()
    };
    assert_eq!(with(minutes - 1), []);
    let mut unblocked = with(minutes);
    unblocked.sort();
    assert_eq!((way.trial, &way.unblocks), (Trial::Enough, &unblocked));
}

#[test]
fn bandwidth_is_the_least_in_whole_gbit_s_priced_by_what_each_host_lacks() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 64).dirty_rate_mib_s = Some(3000.0);
    let it = planned(&fleet, &priced("[planning.price]\ngbps_per_host = 2\n"));
    let way = way(&it, &|it| matches!(it, Relaxation::Bandwidth { .. }));
    let Relaxation::Bandwidth { mbps, .. } = way.relaxation else { unreachable!() };
    let with = |mbps: u32| {
        let mut fleet = fleet.clone();
        fleet.hosts.iter_mut().for_each(|it| it.migration.as_mut().unwrap().bandwidth_mbps = Some(mbps));
        of(&planned(&fleet, &policy()), "h1").outcome
    };
    assert_eq!((mbps, with(mbps - 1000), with(mbps)), (29_000, Outcome::Blocked, Outcome::Planned));
    // Three hosts from 10 to 29 Gbit/s.
    costs(&way.price, Some(114.0), 57.0, "planning.price.gbps_per_host");
}

#[test]
fn guests_that_move_as_one_share_the_link_and_so_need_more_of_it() {
    let mut fleet = fleet(3);
    for _ in 0..2 {
        guest(&mut fleet, "h1", 32).dirty_rate_mib_s = Some(1500.0);
    }
    fleet.affinities = vec![rule(AffinityKind::Together, &["v001", "v002"], &[])];
    let it = planned(&fleet, &policy());
    let way = way(&it, &|it| matches!(it, Relaxation::Bandwidth { .. }));
    let Relaxation::Bandwidth { mbps, .. } = way.relaxation else { unreachable!() };
    let with = |mbps: u32| {
        let mut fleet = fleet.clone();
        fleet.hosts.iter_mut().for_each(|it| it.migration.as_mut().unwrap().bandwidth_mbps = Some(mbps));
        of(&planned(&fleet, &policy()), "h1").outcome
    };
    assert_eq!(way.trial, Trial::Enough);
    assert_eq!((with(mbps - 1000), with(mbps)), (Outcome::Blocked, Outcome::Planned), "{mbps}");
}

#[test]
fn a_reserve_that_lacked_before_the_plan_is_told_with_its_hosts() {
    // Two hosts of 60 GiB each: neither failure finds room for them, with or without a plan.
    let mut fleet = fleet(2);
    for host in ["h1", "h2"] {
        guest(&mut fleet, host, 60);
    }
    let it = planned(&fleet, &policy());
    let standing = it.report.standing.iter().filter(|it| it.rule == Rule::Restartability);
    let told: Vec<(&str, Severity)> = standing.map(|it| (it.place.as_str(), it.severity)).collect();
    assert_eq!(told, [("h1", Severity::Before), ("h2", Severity::Before)]);
    fleet.vms[0].memory_mib = Some(30 * 1024);
    assert!(planned(&fleet, &policy()).report.standing.is_empty());
}

#[test]
fn repairs_locks_facts_and_rules_each_have_their_key() {
    let prices = "[planning.price]\nrepair = 11\nunlock = 12\nfact = 13\nexception = 14\n";
    for (policy, known) in [(priced(prices), true), (policy(), false)] {
        let check = |fleet: &Fleet, trial: Trial, amount: f64, key: &str| {
            let it = planned(fleet, &policy);
            let way = &it.report.counterfactuals[0];
            assert_eq!(way.trial, trial, "{way:?}");
            costs(&way.price, known.then_some(amount), 1.0, &format!("planning.price.{key}"));
        };
        let mut degraded = fleet(3);
        degraded.clusters[0].degraded = Some(true);
        check(&degraded, Trial::Enough, 11.0, "repair");
        let mut storage = fleet(3);
        let mut san = Storage::new(StorageId::new("san").unwrap());
        san.redundancy = Some(Redundancy::Degraded);
        storage.storage.push(san);
        storage.clusters[0].storage = vec![StorageId::new("san").unwrap()];
        check(&storage, Trial::Enough, 11.0, "repair");
        let mut locked = fleet(3);
        guest(&mut locked, "h1", 8).locks = vec![Lock { kind: LockKind::Backup, expires: None }];
        check(&locked, Trial::Enough, 12.0, "unlock");
        let mut unknown = fleet(3);
        guest(&mut unknown, "h1", 8).memory_mib = None;
        check(&unknown, Trial::NotTried, 13.0, "fact");
        let mut bound = fleet(3);
        guest(&mut bound, "h1", 8);
        bound.affinities = vec![rule(AffinityKind::OnHosts, &["v001"], &["h1"])];
        check(&bound, Trial::Enough, 14.0, "exception");
    }
}

#[test]
fn more_hosts_away_is_the_least_number_also_where_the_fleet_file_limits_it() {
    // Two hosts are in maintenance for good: a limit of 1 and of 2 is used up by them.
    for own in [None, Some(1)] {
        let mut fleet = fleet(5);
        for host in [3, 4] {
            fleet.hosts[host].maintenance = Some(true);
            fleet.hosts[host].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
        }
        planning(&mut fleet).max_hosts_per_wave = own;
        let it = planned(&fleet, &priced("[planning.price]\nexception = 9\n"));
        let way = way(&it, &|it| matches!(it, Relaxation::MostAway { .. }));
        assert!(matches!(way.relaxation, Relaxation::MostAway { most: 3, .. }), "{way:?}");
        assert_eq!((way.trial, way.unblocks.len()), (Trial::Enough, 3));
        let away = vec![fleet.hosts[3].id.clone(), fleet.hosts[4].id.clone()];
        let why = Reason::MostAway { of: "cluster".to_owned(), name: "c".to_owned(), most: 1, away };
        assert_eq!(of(&it, "h1").reasons, [why], "the hosts that use the limit up are named");
        costs(&way.price, Some(9.0), 1.0, "planning.price.exception");
    }
}

/// The plan of the fleet with the consent of a relaxation, given by the same function as by who asks for it.
fn agreed(fleet: &Fleet, policy: &Policy, relaxation: &Relaxation) -> Planned {
    let Relaxation::Consent { tenant, action, vms } = relaxation else { panic!("{relaxation:?}") };
    let mut fleet = fleet.clone();
    with_consent(&mut fleet, tenant.as_ref(), *action, vms);
    planned(&fleet, policy)
}

#[test]
fn consent_against_a_standing_refusal_is_the_same_in_what_if() {
    // A no of everybody, one of the tenant, one of the guest: each stands beside a yes.
    for (tenants, vms) in [(false, false), (true, false), (false, true)] {
        let (mut fleet, acme) = pinned(1);
        let other = tenant(&mut fleet, "other");
        let vm = guest(&mut fleet, "h2", 8);
        (vm.tenant, vm.allowed_actions) = (Some(other), vec![Action::PowerOff]);
        consent(&mut fleet, Action::PowerOff, true);
        consent(&mut fleet, Action::PowerOff, false);
        let no = &mut planning(&mut fleet).consents[1];
        no.tenants = if tenants { vec![acme.clone()] } else { Vec::new() };
        no.vms = if vms { vec![VmId::new("v001").unwrap()] } else { Vec::new() };
        let everybody = !tenants && !vms;
        let it = planned(&fleet, &policy());
        let way = way(&it, &|it| matches!(it, Relaxation::Consent { tenant: Some(it), .. } if *it == acme));
        assert_eq!((way.trial, way.unblocks[0].as_str()), (Trial::Enough, "h1"));
        // As a person says it: the tenant agrees, for whatever it has.
        let whatever =
            Relaxation::Consent { tenant: Some(acme.clone()), action: Action::PowerOff, vms: Vec::new() };
        for relaxation in [way.relaxation.clone(), whatever] {
            let with = agreed(&fleet, &policy(), &relaxation);
            assert_eq!(of(&with, "h1").outcome, Outcome::Planned, "{relaxation:?}");
            // Nobody else has agreed by that.
            let outcome = if everybody { Outcome::Blocked } else { Outcome::Planned };
            assert_eq!(of(&with, "h2").outcome, outcome, "{relaxation:?}");
        }
    }
}

#[test]
fn consents_that_help_nobody_are_not_asked_for() {
    // The guest of h2 needs the same consent, and a fact that nobody knows holds its host whatever its owner says.
    let (mut fleet, acme) = pinned(1);
    let vm = guest(&mut fleet, "h2", 8);
    (vm.tenant, vm.allowed_actions) = (Some(acme), vec![Action::PowerOff]);
    guest(&mut fleet, "h2", 8).memory_mib = None;
    let it = planned(&fleet, &policy());
    let lacks = |it: &Reason| matches!(it, Reason::Consent { vm, .. } if vm.as_str() == "v002");
    assert!(of(&it, "h2").reasons.iter().any(lacks), "{:?}", of(&it, "h2"));
    let way = way(&it, &asks);
    let Relaxation::Consent { vms, .. } = &way.relaxation else { unreachable!() };
    assert_eq!((way.trial, vms[0].as_str(), vms.len()), (Trial::Enough, "v001", 1));
    assert_eq!(way.unblocks.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["h1"]);
}

#[test]
fn consents_that_help_nobody_are_not_asked_for_beside_another_relaxation_either() {
    // The same, and a lock without an end on the first host.
    let (mut fleet, acme) = pinned(1);
    guest(&mut fleet, "h1", 8).locks = vec![Lock { kind: LockKind::Backup, expires: None }];
    let vm = guest(&mut fleet, "h2", 8);
    (vm.tenant, vm.allowed_actions) = (Some(acme), vec![Action::PowerOff]);
    guest(&mut fleet, "h2", 8).memory_mib = None;
    let it = planned(&fleet, &policy());
    let all = &it.report.counterfactuals;
    let pair = all.iter().find(|it| it.also.is_some()).unwrap_or_else(|| panic!("{all:#?}"));
    let consents = [&pair.relaxation, &pair.also.as_ref().unwrap().relaxation].map(|it| match it {
        Relaxation::Consent { vms, .. } => vms.iter().map(|it| it.as_str()).collect(),
        _ => Vec::new(),
    });
    assert_eq!((pair.trial, consents.concat()), (Trial::Enough, vec!["v001"]));
}

#[test]
fn a_consent_that_is_not_enough_alone_names_what_goes_with_it() {
    // A guest that may only be powered off, and one that a lock without an end holds.
    let (mut fleet, _) = pinned(1);
    guest(&mut fleet, "h1", 8).locks = vec![Lock { kind: LockKind::Backup, expires: None }];
    let it = planned(&fleet, &priced("[loss]\nvm_hour_down = 10\n[planning.price]\nunlock = 12\n"));
    let all = &it.report.counterfactuals;
    assert_eq!(all.len(), 1, "{all:#?}");
    let also = all[0].also.as_ref().unwrap();
    let kinds = [&all[0].relaxation, &also.relaxation];
    assert!(
        kinds.iter().any(|it| asks(it)) && kinds.iter().any(|it| matches!(it, Relaxation::Unlock { .. }))
    );
    assert_eq!((all[0].trial, all[0].unblocks.len()), (Trial::Enough, 1));
    let amounts = [&all[0].price, &also.price].map(|it| it.amount.unwrap().get());
    // 2250 s down at 10 an hour, and the lock.
    assert!((amounts.iter().sum::<f64>() - (12.0 + 2250.0 / 360.0)).abs() < 1e-9, "{amounts:?}");
}

#[test]
fn what_unblocks_nothing_is_said_to_be_not_enough() {
    // A guest that no other host could ever take, behind a consent that changes nothing about it.
    let (mut fleet, _) = pinned(1);
    let local = StorageId::new("local-h1").unwrap();
    let mut storage = Storage::new(local.clone());
    storage.shared = Some(false);
    fleet.storage.push(storage);
    fleet.hosts[0].reach.storage = vec![local.clone()];
    guest(&mut fleet, "h1", 8).storage = vec![local];
    let it = planned(&fleet, &policy());
    let way = way(&it, &asks);
    assert_eq!((way.trial, &way.also, &way.cost), (Trial::NotEnough, &None, &None));
    assert_eq!(way.unblocks[0].as_str(), "h1");
    assert!(way.price.amount.is_none() && way.price.units.is_none() && way.price.key == "loss.vm_hour_down");
}

#[test]
fn a_consent_that_another_way_makes_needless_is_no_part_of_a_pair() {
    // It may move cold with consent, or live as soon as the links are wide enough: the consent of another guest is not to blame.
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    let vm = guest(&mut fleet, "h1", 64);
    vm.dirty_rate_mib_s = Some(3000.0);
    vm.tenant = Some(acme);
    vm.allowed_actions = vec![Action::LiveMigrate, Action::PowerOff];
    let it = planned(&fleet, &policy());
    assert_eq!(it.report.counterfactuals.len(), 2, "{:#?}", it.report.counterfactuals);
    assert!(it.report.counterfactuals.iter().all(|it| it.trial == Trial::Enough && it.also.is_none()));
}

#[test]
fn what_unblocks_is_counted_by_the_plan_with_it_and_one_exception_of_two_will_do() {
    // Each of two hosts holds one of two guests that must be apart: either exception frees both.
    let mut fleet = fleet(2);
    let vms: Vec<VmId> = ["h1", "h2"].map(|host| guest(&mut fleet, host, 8).id.clone()).to_vec();
    fleet.affinities.push(rule(AffinityKind::Apart, &[vms[0].as_str(), vms[1].as_str()], &[]));
    let mut policy = policy();
    policy.planning.failure_sets = policy::FailureSets::None;
    let it = planned(&fleet, &policy);
    let ways = &it.report.counterfactuals;
    assert_eq!(ways.len(), 2, "{ways:#?}");
    for (way, covered_by) in ways.iter().zip([None, Some(0)]) {
        assert!(matches!(way.relaxation, Relaxation::WithoutRule { rule: Rule::Apart, .. }));
        let unblocks: Vec<&str> = way.unblocks.iter().map(|it| it.as_str()).collect();
        assert_eq!((way.trial, unblocks, way.covered_by), (Trial::Enough, vec!["h1", "h2"], covered_by));
        assert_eq!(way.cost.as_ref().unwrap().loses, []);
    }
}

#[test]
fn what_a_plan_with_a_relaxation_loses_is_said() {
    // One host a night, and one night in all: unlocked, the urgent h2 takes the turn of h1.
    let mut fleet = fleet(2);
    let vm = guest(&mut fleet, "h2", 1);
    vm.locks = vec![Lock { kind: LockKind::Backup, expires: None }];
    let mut policy = policy();
    policy.planning.failure_sets = policy::FailureSets::None;
    policy.planning.horizon_days = 1;
    policy.planning.canaries_per_class = 0;
    policy.planning.window = vec![window(Scope::default(), 22, 75)];
    let loss = std::collections::BTreeMap::from([(underpin_model::id::HostId::new("h2").unwrap(), 5.0)]);
    let it = underpin_planner::campaign::plan(&super::build::request(&fleet, &policy, &loss)).unwrap();
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
    let way = way(&it, &|it| matches!(it, Relaxation::Unlock { .. }));
    let cost = way.cost.as_ref().unwrap();
    let names =
        |all: &[underpin_model::id::ElementId]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((names(&way.unblocks), names(&cost.loses)), (vec!["h2".to_owned()], vec!["h1".to_owned()]));
    assert_eq!((cost.without.planned, cost.with.planned), (1, 1));
}

#[test]
fn windows_that_are_never_open_together_name_the_one_that_would_be() {
    let mut fleet = fleet(4);
    let owner = tenant(&mut fleet, "b");
    guest(&mut fleet, "h1", 8).tenant = Some(owner.clone());
    let mut policy = policy();
    let of_hosts = Scope { clusters: vec![fleet.clusters[0].id.clone()], ..Scope::default() };
    let of_tenant = Scope { tenants: vec![owner], ..Scope::default() };
    policy.planning.window = vec![window(of_hosts, 20, 300), window(of_tenant, 2, 60)];
    let it = planned(&fleet, &policy);
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::WindowsApart { .. }]), "{:?}", of(&it, "h1"));
    let open = |it: &Relaxation| matches!(it, Relaxation::OpenWindow { tenant: None, hosts, .. } if hosts[0].as_str() == "h1");
    let it = way(&it, &open);
    assert_eq!(it.trial, Trial::Enough, "{it:?}");
    assert_eq!(it.unblocks[0].as_str(), "h1");
}

#[test]
fn where_room_is_short_a_host_of_unknown_room_is_named() {
    let mut fleet = tight();
    fleet.hosts[1].capacity = None;
    let it = planned(&fleet, &policy());
    let fact = |it: &Relaxation| matches!(it, Relaxation::Fact { element, fact } if element.as_str() == "h2" && fact == "capacity");
    assert!(way(&it, &fact).unblocks.iter().any(|it| it.as_str() == "h1"), "{it:?}");
}

#[test]
fn however_many_spare_hosts_are_needed_so_many_are_named_and_no_more() {
    use underpin_model::id::ElementId;
    // Each of these needs a host of its own.
    let mut fleet = fleet(2);
    for _ in 0..10 {
        guest(&mut fleet, "h1", 60);
    }
    planning(&mut fleet).changes[0].elements = vec![ElementId::new("h1").unwrap()];
    let mut policy = policy();
    policy.planning.failure_sets = policy::FailureSets::None;
    let it = planned(&fleet, &policy);
    let way = way(&it, &|it| matches!(it, Relaxation::SpareHosts { .. }));
    let Relaxation::SpareHosts { cluster, hosts } = &way.relaxation else { panic!("{way:?}") };
    assert_eq!((*hosts, way.trial), (9, Trial::Enough));
    for (hosts, outcome) in [(8, Outcome::Blocked), (9, Outcome::Planned)] {
        let mut fleet = fleet.clone();
        assert!(underpin_planner::campaign::with_spare_hosts(&mut fleet, cluster, hosts));
        assert_eq!(of(&planned(&fleet, &policy), "h1").outcome, outcome, "{hosts} spare hosts");
    }
}

#[test]
fn a_guest_that_is_too_large_for_any_spare_host_is_said_to_be() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 512);
    let it = planned(&fleet, &policy());
    let spare = |it: &Counterfactual| matches!(it.relaxation, Relaxation::SpareHosts { .. });
    assert!(!it.report.counterfactuals.iter().any(spare), "{:?}", it.report.counterfactuals);
    let told = it.report.standing.iter().find(|it| it.text.starts_with("no number of spare hosts")).unwrap();
    assert!(
        told.place == "v001"
            && told.text.ends_with("it needs 524288 MiB of memory, the largest of them has 102400"),
        "{told:?}"
    );
    // One that its own host carries would find a place on another like that.
    fleet.hosts[0].capacity.as_mut().unwrap().memory_mib = Some(1 << 20);
    let it = planned(&fleet, &policy());
    assert!(it.report.counterfactuals.iter().any(spare), "{:?}", it.report.counterfactuals);
    assert!(
        !it.report.standing.iter().any(|it| it.text.starts_with("no number")),
        "{:?}",
        it.report.standing
    );
}
