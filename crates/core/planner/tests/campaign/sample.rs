//! Sample fleets are healthy: their plans are clean, and nothing was wrong with them before.

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::plan::{Outcome, Plan};
use underpin_model::policy::Policy;
use underpin_planner::campaign::{Planned, Request, plan};

use super::build::{at, request};

const SIZES: [(u32, u64); 10] =
    [(2, 1), (2, 8), (3, 2), (4, 9), (7, 3), (16, 4), (17, 5), (24, 1), (40, 1), (60, 7)];

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
        let found = findings(&fleet, &it.plan);
        assert!(
            found.is_empty(),
            "{hosts} hosts, seed {seed}: {} findings: {:#?}",
            found.len(),
            found.first()
        );
        assert!(it.report.standing.is_empty(), "{hosts} hosts, seed {seed}: {:?}", it.report.standing);
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
fn a_step_taken_out_is_told_once_with_what_follows_from_it() {
    let (fleet, it) = made(24, 1);
    for at in (0..it.plan.steps.len()).step_by(7) {
        let mut broken = it.plan.clone();
        let step = broken.steps.remove(at);
        let found = findings(&fleet, &broken);
        assert!(!found.is_empty(), "{step:?}");
        assert!(found.len() <= 12, "{} findings of {step:?}: {:#?}", found.len(), &found[..12]);
    }
}
