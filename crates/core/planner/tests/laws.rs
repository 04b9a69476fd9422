//! Laws of the static model on small random instances, and bad input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests may fail loudly"
)]

#[path = "support/rules.rs"]
mod rules;
mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use rules::rule;
use support::{Plain, seen};
use underpin_model::fleet::{AffinityKind, Capacity, Cluster, Fleet, Host, Planning, PowerState, Vm};
use underpin_model::id::{ClusterId, HostId, VmId};
use underpin_planner::waves::{
    Among, HostSpec, Instance, Options, Outcome, Proof, Solution, Status, VmSpec, WaveReport, plan_waves,
    solve,
};

const OPTIONS: Options = Options { seed: 7, evaluations: 400_000 };

prop_compose! {
    fn instances()(hosts in 1usize..6, vms in 0usize..9)(
        capacity in prop::collection::vec(prop::collection::vec(0i64..12, 2), hosts),
        demand in prop::collection::vec(prop::collection::vec(0i64..5, 2), vms),
        start in prop::collection::vec(prop::option::weighted(0.9, 0..hosts), vms),
        groups in prop::collection::vec(prop::collection::vec(0..vms.max(1), 2..4), 0..3),
        parts in prop::collection::vec(prop::collection::vec(0..hosts, 1..4), 2),
        bound in prop::collection::vec(0..vms.max(1), 0..3),
        away in prop::collection::vec(prop::bool::weighted(0.1), hosts),
        n_plus_one in any::<bool>(),
        max_hosts_per_wave in prop::option::of(1usize..4),
    ) -> Instance {
        let spec = |(capacity, away): (&Vec<i64>, &bool)| HostSpec {
            capacity: capacity.clone(), away: *away, ..HostSpec::default()
        };
        let vm = |(demand, host): (&Vec<i64>, &Option<usize>)| VmSpec {
            demand: demand.clone(), host: *host, vms: 1, ..VmSpec::default()
        };
        let none = demand.is_empty();
        Instance {
            resources: vec!["vCPU".to_owned(), "MiB".to_owned()],
            hosts: capacity.iter().zip(&away).map(spec).collect(),
            vms: demand.iter().zip(&start).map(vm).collect(),
            apart: if none { Vec::new() } else { groups },
            parts,
            among: if none { Vec::new() } else { vec![Among { vms: bound, parts: vec![0, 1] }] },
            n_plus_one,
            max_hosts_per_wave,
        }
    }
}

fn plain(instance: &Instance) -> Plain {
    let part = |at: &usize| instance.parts[*at].iter().copied().collect::<BTreeSet<usize>>();
    Plain {
        capacity: instance.hosts.iter().map(|it| it.capacity.clone()).collect(),
        demand: instance.vms.iter().map(|it| it.demand.clone()).collect(),
        start: instance.vms.iter().map(|it| it.host).collect(),
        off: (0..instance.hosts.len()).filter(|at| instance.hosts[*at].away).collect(),
        apart: instance.apart.clone(),
        among: instance
            .among
            .iter()
            .filter(|it| !it.vms.is_empty())
            .map(|it| (it.vms.clone(), it.parts.iter().map(part).collect()))
            .collect(),
        n_plus: instance.n_plus_one,
        most: instance.max_hosts_per_wave.unwrap_or(0),
    }
}

fn report(solution: &Solution) -> Vec<WaveReport> {
    let wave = |it: &underpin_planner::waves::Wave| WaveReport {
        hosts: it.hosts.clone(),
        placement: it.placement.iter().map(|host| Some(*host)).collect(),
    };
    solution.schedule.iter().map(wave).collect()
}

/// The least number of waves by trying everything, with the checker alone; `None`: there is none.
fn by_force(plain: &Plain) -> Option<usize> {
    let alive: Vec<usize> = (0..plain.capacity.len()).filter(|it| !plain.off.contains(it)).collect();
    let allowed: Vec<bool> = (0..1usize << alive.len())
        .map(|set| {
            let hosts: Vec<usize> =
                (0..alive.len()).filter(|at| set >> at & 1 == 1).map(|at| alive[at]).collect();
            set > 0 && placeable(plain, &hosts, &mut Vec::new())
        })
        .collect();
    let mut least = vec![None; allowed.len()];
    least[0] = Some(0);
    for set in 1..allowed.len() {
        for part in (1..=set).filter(|part| part & set == *part && allowed[*part]) {
            let more = least[set & !part].map(|it: usize| it + 1);
            least[set] = [least[set], more].into_iter().flatten().min();
        }
    }
    *least.last()?
}

fn placeable(plain: &Plain, away: &[usize], placed: &mut Vec<Option<usize>>) -> bool {
    if placed.len() == plain.demand.len() {
        return plain.holds(away, placed);
    }
    for host in (0..plain.capacity.len()).filter(|it| !away.contains(it) && !plain.off.contains(it)) {
        let vm = placed.len();
        let fits = (0..2).all(|at| {
            let used: i64 = placed
                .iter()
                .enumerate()
                .filter(|it| *it.1 == Some(host))
                .map(|it| plain.demand[it.0][at])
                .sum();
            used + plain.demand[vm][at] <= plain.capacity[host][at]
        });
        if fits {
            placed.push(Some(host));
            let found = placeable(plain, away, placed);
            placed.pop();
            if found {
                return true;
            }
        }
    }
    false
}

fn waves_of(solution: &Solution) -> Option<usize> {
    matches!(solution.outcome, Outcome::Optimal | Outcome::Feasible).then_some(solution.schedule.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_answer_is_what_trying_everything_gives(instance in instances()) {
        let solution = solve(&instance, &OPTIONS).unwrap();
        let plain = plain(&instance);
        let truth = by_force(&plain);
        prop_assert!(!matches!(solution.outcome, Outcome::Unknown(_) | Outcome::Feasible), "{:?}", solution.outcome);
        prop_assert_eq!(waves_of(&solution), truth, "{:?}", solution);
        if let Some(truth) = truth {
            prop_assert!(solution.best_bound() <= truth, "{:?}", solution.lower_bound);
            prop_assert_eq!(plain.check(&report(&solution)), Ok(solution.moves));
            prop_assert!(solution.moves >= solution.moves_bound);
        }
    }

    #[test]
    fn the_order_of_hosts_and_vms_changes_nothing_in_the_number(instance in instances(), turn in 0usize..9) {
        let (hosts, vms) = (instance.hosts.len(), instance.vms.len());
        let host = |at: usize| (at + turn) % hosts;
        let vm = |at: usize| vms - 1 - at;
        let mut other = instance.clone();
        for at in 0..hosts {
            other.hosts[host(at)] = instance.hosts[at].clone();
        }
        for at in 0..vms {
            other.vms[vm(at)] = VmSpec { host: instance.vms[at].host.map(host), ..instance.vms[at].clone() };
        }
        other.apart.iter_mut().flatten().for_each(|it| *it = vm(*it));
        other.parts.iter_mut().flatten().for_each(|it| *it = host(*it));
        other.among.iter_mut().flat_map(|it| &mut it.vms).for_each(|it| *it = vm(*it));
        let (a, b) = (solve(&instance, &OPTIONS).unwrap(), solve(&other, &OPTIONS).unwrap());
        prop_assert_eq!(waves_of(&a), waves_of(&b));
        prop_assert_eq!(solve(&instance, &OPTIONS).unwrap(), a);
    }

    #[test]
    fn more_capacity_never_takes_more_waves(instance in instances(), at in 0usize..6, more in 1i64..6) {
        // With N+1 a larger host is also a larger loss: the law is about the model without it.
        let instance = Instance { n_plus_one: false, ..instance };
        let mut larger = instance.clone();
        let host = at % instance.hosts.len();
        larger.hosts[host].capacity.iter_mut().for_each(|it| *it += more);
        let (before, after) = (solve(&instance, &OPTIONS).unwrap(), solve(&larger, &OPTIONS).unwrap());
        if let Some(before) = waves_of(&before) {
            prop_assert!(waves_of(&after).is_some_and(|after| after <= before));
        }
    }
}

fn fleet(hosts: &[(u32, u64)], vms: &[(usize, u32, u64)]) -> Fleet {
    let mut fleet = Fleet::new("test", seen());
    let cluster = ClusterId::new("c").unwrap();
    fleet.clusters.push(Cluster::new(cluster.clone()));
    for (at, (vcpus, memory)) in hosts.iter().enumerate() {
        let mut host = Host::new(HostId::new(format!("h{at}")).unwrap());
        host.cluster = Some(cluster.clone());
        host.capacity =
            Some(Capacity { vcpus: Some(*vcpus), memory_mib: Some(*memory), ..Capacity::default() });
        fleet.hosts.push(host);
    }
    for (at, (host, vcpus, memory)) in vms.iter().enumerate() {
        let mut vm = Vm::new(VmId::new(format!("v{at}")).unwrap());
        vm.host = Some(fleet.hosts[*host].id.clone());
        (vm.vcpus, vm.memory_mib) = (Some(*vcpus), Some(*memory));
        fleet.vms.push(vm);
    }
    fleet
}

#[test]
fn bad_input_is_a_report() {
    let answer = |fleet: &Fleet| plan_waves(fleet, &OPTIONS).unwrap();
    let reason = |fleet: &Fleet| answer(fleet).infeasible.expect("infeasible").reason;
    let zero = fleet(&[(0, 0), (4, 4)], &[(1, 1, 1)]);
    assert!(reason(&zero).contains("host h1 is away"), "{}", reason(&zero));
    let larger = fleet(&[(8, 8); 4], &[(0, 9, 1)]);
    assert!(reason(&larger).contains("VM v0 fits on no host"), "{}", reason(&larger));
    let mut torn = fleet(&[(8, 8); 4], &[(0, 1, 1), (1, 1, 1)]);
    torn.affinities =
        vec![rule(AffinityKind::Together, &["v0", "v1"], &[]), rule(AffinityKind::Apart, &["v0", "v1"], &[])];
    assert!(reason(&torn).contains("apart from"), "{}", reason(&torn));
    let mut pinned = fleet(&[(8, 8); 4], &[(0, 1, 1)]);
    pinned.affinities = vec![rule(AffinityKind::OnHosts, &["v0"], &["h0"])];
    assert!(reason(&pinned).contains("can never be emptied"), "{}", reason(&pinned));
    let over = answer(&fleet(&[(2, 8), (8, 8), (8, 8)], &[(0, 2, 1), (0, 2, 1)]));
    assert_eq!(over.clusters[0].start, ["host h0 carries 2 vCPU more than it can"]);
    assert_eq!(over.status, Status::Optimal);
    let mut unknown = fleet(&[(8, 8); 3], &[(0, 1, 1)]);
    unknown.vms[0].memory_mib = None;
    let unknown = answer(&unknown);
    assert_eq!((unknown.status, unknown.waves), (Status::Unknown, None));
    assert!(unknown.unknown.unwrap().contains("VM v0"));
    let empty = answer(&Fleet::new("empty", seen()));
    assert_eq!((empty.waves, empty.status), (Some(0), Status::Optimal));
    let alone = fleet(&[(8, 8)], &[(0, 1, 1)]);
    assert!(answer(&alone).infeasible.is_some());
}

#[test]
fn what_no_sum_excludes_is_excluded_by_trying_everything() {
    // 3 x 4 of room for 3, 3, 3 and 2: enough in sum, and with h3 away no place for the 2.
    let tight = Instance {
        resources: vec!["vCPU".to_owned()],
        hosts: [4, 4, 4, 2].map(|it| HostSpec { capacity: vec![it], ..HostSpec::default() }).to_vec(),
        vms: [3, 3, 3, 2].map(|it| VmSpec { demand: vec![it], vms: 1, ..VmSpec::default() }).to_vec(),
        ..Instance::default()
    };
    let solution = solve(&tight, &OPTIONS).unwrap();
    assert!(matches!(solution.outcome, Outcome::Infeasible(_)), "{solution:?}");
    let two = Instance {
        hosts: [4, 4, 4, 4].map(|it| HostSpec { capacity: vec![it], ..HostSpec::default() }).to_vec(),
        ..tight
    };
    let Outcome::Infeasible(why) = solve(&two, &OPTIONS).unwrap().outcome else { unreachable!("3 + 2 > 4") };
    assert_eq!(why.proof, Proof::Exhausted);
    let few = Options { evaluations: 1, ..OPTIONS };
    let ended = solve(&two, &few).unwrap();
    assert!(matches!(ended.outcome, Outcome::Unknown(ref why) if why.contains("budget ended")), "{ended:?}");
}

#[test]
fn clusters_are_independent_and_vms_that_must_be_together_move_together() {
    let mut both = fleet(&[(4, 4); 5], &[(0, 1, 1), (0, 1, 1), (3, 1, 1), (3, 1, 1)]);
    let other = ClusterId::new("d").unwrap();
    both.clusters.push(Cluster::new(other.clone()));
    both.hosts[3].cluster = Some(other.clone());
    both.hosts[4].cluster = Some(other);
    both.affinities = vec![rule(AffinityKind::Together, &["v0", "v1"], &[])];
    both.vms[3].power = Some(PowerState::Off);
    both.planning = Some(Planning { max_hosts_per_wave: Some(1), ..Planning::default() });
    let answer = plan_waves(&both, &OPTIONS).unwrap();
    assert_eq!((answer.waves, answer.status, answer.left_out.not_running), (Some(3), Status::Optimal, 1));
    assert_eq!(answer.clusters.iter().map(|it| it.waves).collect::<Vec<_>>(), [Some(3), Some(2)]);
    for wave in &answer.schedule {
        assert_eq!(wave.placement[0], wave.placement[1]);
        assert!(wave.placement[2].is_some_and(|host| host >= 3) && wave.placement[3].is_none());
    }
    let hosts: BTreeSet<usize> = answer.schedule.iter().flat_map(|wave| wave.hosts.iter().copied()).collect();
    assert_eq!(hosts.len(), 5);
    both.affinities.push(rule(AffinityKind::Together, &["v0", "v2"], &[]));
    let torn = plan_waves(&both, &OPTIONS).unwrap();
    assert!(torn.infeasible.unwrap().reason.contains("another cluster"));
}
