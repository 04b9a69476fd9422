//! Steps that take longer than planned: whoever follows `after` harms nobody, however late.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_lint::{Options, lint};
use underpin_model::plan::{Plan, Rule, Severity, Step, StepKind};
use underpin_planner::campaign::plan;

use super::build::{array_of_two_controllers, dice, request};
use super::laws::random;

/// What whoever carries a plan out has to look at by itself when it is late: the clock of windows and soaks, and what is free of a link.
const BY_THE_CLOCK: [Rule; 12] = [
    Rule::Window,
    Rule::FreezeCalendar,
    Rule::Consent,
    Rule::Lock,
    Rule::RingOrder,
    Rule::Soak,
    Rule::ReleaseDiversity,
    Rule::MigrationSlots,
    Rule::MigrationBandwidth,
    // Guests that are tied start as one; nothing in `after` says so.
    Rule::Together,
    Rule::FreezeThaw,
    // Waves are numbered by the starts that were planned.
    Rule::WellFormed,
];

/// The plan as it goes when one step in four takes up to thirty times as long, and nobody looks at anything but `after`.
fn late(plan: &Plan, seed: u64, which: &dyn Fn(&Step) -> bool) -> Plan {
    let (mut plan, mut dice) = (plan.clone(), dice(seed));
    let mut ends: BTreeMap<u32, u32> = BTreeMap::new();
    for step in &mut plan.steps {
        let after = step.after.iter().filter_map(|it| ends.get(it)).copied();
        step.start_s = step.start_s.max(after.max().unwrap_or(0));
        if which(step) && dice(4) == 0 {
            step.p95_s = step.p95_s.saturating_mul(2 + dice(28) as u32);
        }
        ends.insert(step.id, step.end_s());
    }
    let mut order: Vec<usize> = (0..plan.steps.len()).collect();
    order.sort_by_key(|&at| (plan.steps[at].start_s, plan.steps[at].id));
    let ids: BTreeMap<u32, u32> = order.iter().zip(0..).map(|(&at, id)| (plan.steps[at].id, id)).collect();
    plan.steps = order.iter().map(|&at| plan.steps[at].clone()).collect();
    for step in &mut plan.steps {
        step.id = ids[&step.id];
        step.after.iter_mut().for_each(|it| *it = ids[it]);
        step.after.sort_unstable();
    }
    for wave in &mut plan.waves {
        let soak = wave.soak_until_s - wave.end_s;
        let own = || plan.steps.iter().filter(|it| it.wave == wave.number);
        wave.start_s = own().map(|it| it.start_s).min().unwrap_or(0);
        wave.end_s = own().map(Step::end_s).max().unwrap_or(0);
        wave.soak_until_s = wave.end_s + soak;
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_plan_that_is_late_harms_nobody((mut fleet, policy) in random(), array in any::<bool>(), seed in any::<u64>()) {
        if array {
            array_of_two_controllers(&mut fleet).after = vec!["go".to_owned()];
        }
        let loss = BTreeMap::new();
        let it = plan(&request(&fleet, &policy, &loss)).unwrap().plan;
        let late = late(&it, seed, &|_| true);
        let report = lint(&fleet, &policy, &late, &Options::default());
        let harm: Vec<_> = report
            .findings
            .iter()
            .filter(|it| it.severity == Severity::Error && !BY_THE_CLOCK.contains(&it.rule))
            .collect();
        prop_assert!(harm.is_empty(), "{harm:#?}\n{:#?}", late.steps);
    }

    /// Nobody is harmed by a guest that comes back late: what must wait for it does, and nothing else is broken by it, rules about
    /// those that restart as one included.
    #[test]
    fn a_restart_that_is_late_harms_nobody((fleet, policy) in random(), seed in any::<u64>()) {
        let loss = BTreeMap::new();
        let it = plan(&request(&fleet, &policy, &loss)).unwrap().plan;
        let late = late(&it, seed, &|it| matches!(it.kind, StepKind::Start { .. } | StepKind::Resume { .. }));
        let report = lint(&fleet, &policy, &late, &Options::default());
        // The clock is looked at by whoever carries it out: windows, answers, the soak of waves that end later, and what is free of a link
        // when moves that were planned one after the other are free to begin at once.
        let clock = [
            Rule::Window, Rule::FreezeCalendar, Rule::Consent, Rule::RingOrder, Rule::Soak, Rule::WellFormed, Rule::FreezeThaw,
            Rule::MigrationSlots,
            Rule::MigrationBandwidth,
            Rule::ReleaseDiversity,
        ];
        let harm: Vec<_> = report
            .findings
            .iter()
            .filter(|it| it.severity == Severity::Error && !clock.contains(&it.rule))
            .collect();
        prop_assert!(harm.is_empty(), "{harm:#?}\n{:#?}", late.steps);
    }
}
