//! Plans a sample fleet and prints what it comes to: `campaign HOSTS [EVALUATIONS]`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool for people"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use underpin_model::fleet::{SampleSpec, sample};
use underpin_model::plan::Profile;
use underpin_model::policy::Policy;
use underpin_planner::campaign::{Request, plan};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let hosts = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(48);
    let evaluations = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let at = "2026-11-20T00:00:00Z".parse().unwrap();
    let fleet = sample(&SampleSpec { hosts, ..SampleSpec::default() }, at);
    let policy = Policy::default();
    let loss = BTreeMap::new();
    let begun = Instant::now();
    let request = Request {
        fleet: &fleet,
        policy: &policy,
        starts_at: at,
        profile: Profile::Normal,
        homing: None,
        seed: 1,
        evaluations,
        loss_per_day: &loss,
        parent: None,
        fleet_sha256: None,
        policy_sha256: None,
    };
    let planned = plan(&request).unwrap();
    let elapsed = begun.elapsed();
    let mut outcomes = BTreeMap::<String, usize>::new();
    let mut reasons = BTreeMap::<String, usize>::new();
    for it in &planned.report.elements {
        *outcomes.entry(format!("{:?}", it.outcome)).or_default() += 1;
        if it.outcome == underpin_model::plan::Outcome::Blocked {
            for reason in &it.reasons {
                let text = format!("{reason:?}");
                *reasons.entry(text.split([' ', '{']).next().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    println!(
        "{} hosts, {} VMs: {elapsed:.2?}, {} steps, {} waves",
        fleet.hosts.len(),
        fleet.vms.len(),
        planned.plan.steps.len(),
        planned.plan.waves.len()
    );
    println!("{outcomes:?}\n{reasons:?}");
    println!("{:?}\n{:?}\n{:?}", planned.report.bounds, planned.report.moves, planned.report.eta);
    println!(
        "{} counterfactuals; {:?}",
        planned.report.counterfactuals.len(),
        planned.report.counterfactuals.first()
    );
}
