//! Sample fleets are healthy: their plans are clean, and nothing was wrong with them before.

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::fleet::{Fleet, Host, PowerState, SampleSpec, Vm, sample};
use underpin_model::plan::{Outcome, Plan, Rule, Standing, StepKind};
use underpin_model::policy::Policy;
use underpin_planner::campaign::{Planned, Request, plan};

use super::build::{at, clean, request};

const SIZES: [(u32, u64); 13] = [
    (2, 1),
    (2, 8),
    (3, 2),
    (4, 9),
    (7, 3),
    (12, 25),
    (16, 4),
    (17, 5),
    (24, 1),
    (40, 1),
    (40, 5),
    (45, 17),
    (60, 7),
];

fn made(hosts: u32, seed: u64) -> (Fleet, Planned) {
    let fleet = sample(&SampleSpec { hosts, seed, ..SampleSpec::default() }, at("2026-11-21T00:00:00Z"));
    let (policy, loss) = (Policy::default(), BTreeMap::new());
    let planned = plan(&Request { evaluations: 2, ..request(&fleet, &policy, &loss) }).unwrap();
    (fleet, planned)
}

fn findings(fleet: &Fleet, plan: &Plan) -> Vec<String> {
    let report = lint(fleet, &Policy::default(), plan, &Options::default());
    let line =
        |it: &underpin_lint::Finding| format!("{:?} {:?} {}: {}", it.severity, it.rule, it.place, it.found);
    report.findings.iter().map(line).collect()
}

#[test]
fn samples_are_healthy_and_nearly_all_of_their_hosts_can_be_planned() {
    let (mut planned, mut due) = (0, 0);
    for (hosts, seed) in SIZES {
        let (fleet, it) = made(hosts, seed);
        let mut found = findings(&fleet, &it.plan);
        // Of a fleet so small nothing may be possible: lint says that it does not know.
        found.retain(|line| !it.plan.waves.is_empty() || !line.starts_with("Unknown Coverage the plan"));
        assert!(
            found.is_empty(),
            "{hosts} hosts, seed {seed}: {} findings: {:#?}",
            found.len(),
            found.first()
        );
        // Some of their clusters are balanced, some soaks count from a boot, and some guests have a device: that is named, and no fault of theirs.
        let device = |it: &&Standing| it.text.starts_with("guests with a device of their host");
        let named = |it: &&Standing| matches!(it.rule, Rule::FreezeThaw | Rule::Soak) || device(it);
        let unwell: Vec<_> = it.report.standing.iter().filter(|it| !named(it)).collect();
        assert!(unwell.is_empty(), "{hosts} hosts, seed {seed}: {unwell:?}");
        let blocked = it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked);
        for element in blocked {
            assert!(!element.reasons.is_empty(), "{hosts} hosts, seed {seed}: {element:?}");
            println!("{hosts} hosts, seed {seed}, {}: {:?}", element.element, element.reasons);
        }
        // Of two or three hosts none can be away while another may fail.
        if hosts > 3 {
            let count = |outcome| it.report.elements.iter().filter(|it| it.outcome == outcome).count();
            planned += count(Outcome::Planned);
            due += it.report.elements.len() - count(Outcome::NotNeeded);
        }
    }
    assert!(due > 50 && planned * 10 >= due * 8, "{planned} of {due} hosts are planned");
}

#[test]
fn bounds_of_sample_fleets_are_never_above_the_plan() {
    let seeds = (1..=15).map(|seed| (20, seed));
    for (hosts, seed) in SIZES.into_iter().chain(seeds) {
        let bounds = made(hosts, seed).1.report.bounds;
        let holds = bounds.makespan_at_least_s <= bounds.makespan_s
            && bounds.waves_at_least <= bounds.waves
            && bounds.moves_at_least <= bounds.moves;
        assert!(holds, "{hosts} hosts, seed {seed}: {bounds:?}");
    }
}

#[test]
fn a_step_taken_out_is_told_once_with_what_follows_from_it() {
    let (fleet, it) = made(24, 1);
    for at in (0..it.plan.steps.len()).step_by(7) {
        let mut broken = it.plan.clone();
        let step = broken.steps.remove(at);
        let found = findings(&fleet, &broken);
        assert!(!found.is_empty(), "{step:?}");
        assert!(found.len() <= 20, "{} findings of {step:?}: {:#?}", found.len(), &found[..12]);
    }
}

/// Least free memory of a cluster on hosts that are not away, in MiB, counted from the steps: guests leave before the
/// first patch; one that is suspended keeps its memory where it is.
fn least_free(fleet: &Fleet, plan: &Plan, cluster: &str) -> i64 {
    let of: Vec<&Host> = fleet
        .hosts
        .iter()
        .filter(|it| it.cluster.as_ref().is_some_and(|it| it.as_str() == cluster))
        .filter(|it| it.maintenance != Some(true))
        .collect();
    let holds = |vm: &&Vm| vm.power != Some(PowerState::Off);
    let mut at: BTreeMap<&str, (&str, u64)> = fleet
        .vms
        .iter()
        .filter(holds)
        .filter_map(|it| Some((it.id.as_str(), (it.host.as_ref()?.as_str(), it.memory_mib.unwrap_or(0)))))
        .collect();
    let mut least = i64::MAX;
    let waves = plan.waves.iter().filter(|it| it.cluster.as_ref().is_some_and(|it| it.as_str() == cluster));
    for wave in waves {
        let steps = || plan.steps.iter().filter(|it| it.wave == wave.number);
        let patch = |kind: &StepKind| matches!(kind, StepKind::Patch { .. });
        let first = steps().filter(|it| patch(&it.kind)).map(|it| it.start_s).min().unwrap_or(u32::MAX);
        for out in [true, false] {
            for step in steps().filter(|it| (it.start_s < first) == out) {
                if let StepKind::Migrate { vm, to, .. } = &step.kind {
                    at.get_mut(vm.as_str()).unwrap().0 = to.as_str();
                }
            }
            if out {
                let here = |it: &&&Host| !wave.elements.iter().any(|away| away.as_str() == it.id.as_str());
                let free = |host: &&Host| {
                    let used = at.values().filter(|it| it.0 == host.id.as_str()).map(|it| it.1);
                    host.capacity.unwrap().memory_mib.unwrap() as i64 - used.sum::<u64>() as i64
                };
                least = least.min(of.iter().filter(here).map(free).sum());
            }
        }
    }
    least
}

#[test]
fn the_capacity_floor_is_what_a_replay_of_the_steps_finds() {
    let mut compared = 0;
    for (hosts, seed) in [(12, 1), (24, 1), (40, 5)] {
        let (fleet, it) = made(hosts, seed);
        for floor in &it.report.capacity_floors {
            let found = least_free(&fleet, &it.plan, floor.cluster.as_str());
            assert_eq!(floor.free_memory_mib as i64, found, "{hosts} hosts, seed {seed}: {floor:?}");
            compared += 1;
        }
    }
    assert!(compared > 3, "{compared}");
}

/// Stage by stage, what is best for one may leave no place for the next.
#[test]
fn a_search_leaves_out_no_more_hosts_than_none() {
    let fleet =
        sample(&SampleSpec { hosts: 8, seed: 1, ..SampleSpec::default() }, at("2026-11-20T00:00:00Z"));
    let window = "[[planning.window]]\nid = \"night\"\nfrom = \"00:00\"\nminutes = 86\n";
    let (policy, loss) = (underpin_model::policy::read(window).unwrap(), BTreeMap::new());
    let left_out = |evaluations: u64| {
        let starts_at = at("2026-11-24T02:00:00Z");
        let it = plan(&Request { evaluations, starts_at, ..request(&fleet, &policy, &loss) }).unwrap();
        clean(&fleet, &policy, &it.plan);
        it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).count()
    };
    assert_eq!([0, 1, 4, 64].map(left_out), [0; 4]);
}
