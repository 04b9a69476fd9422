//! Rules that contradict each other: their guests stay, everybody else is planned.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_model::fleet::{Action, Affinity, AffinityKind, Fleet, Strength};
use underpin_model::plan::{Outcome, Reason, Relaxation, Rule, Severity, Trial};
use underpin_planner::campaign::plan;

use super::build::{clean, consent, fleet, guest, of, planned, policy, request};
use super::laws::random;
use super::rules::rule;

/// Five hosts with a guest each.
fn five() -> Fleet {
    let mut fleet = fleet(5);
    for number in 1..=5 {
        guest(&mut fleet, &format!("h{number}"), 4);
    }
    fleet
}

#[test]
fn guests_that_rules_leave_no_place_hold_back_their_hosts_alone() {
    let apart = |vms: &[&str]| rule(AffinityKind::Apart, vms, &[]);
    let together = |vms: &[&str]| rule(AffinityKind::Together, vms, &[]);
    let on = |vm: &str, host: &str| rule(AffinityKind::OnHosts, &[vm], &[host]);
    let cases: [(Vec<Affinity>, &[&str], &[u32]); 4] = [
        (vec![apart(&["v001", "v002"]), together(&["v001", "v002"])], &["h1", "h2"], &[0, 1]),
        // By way of another one.
        (
            vec![together(&["v001", "v002"]), together(&["v002", "v003"]), apart(&["v003", "v001"])],
            &["h1", "h2", "h3"],
            &[0, 1, 2],
        ),
        (vec![on("v004", "h1"), on("v004", "h2")], &["h4"], &[0, 1]),
        (vec![together(&["v001", "v002"]), on("v001", "h1"), on("v002", "h2")], &["h1", "h2"], &[0, 1, 2]),
    ];
    for (rules, blocked, said) in cases {
        let mut fleet = five();
        fleet.affinities = rules;
        let it = planned(&fleet, &policy());
        for element in &it.report.elements {
            let host = element.element.as_str();
            if !blocked.contains(&host) {
                assert_eq!(element.outcome, Outcome::Planned, "{element:?}");
                continue;
            }
            let [Reason::Contradiction { affinities, .. }] = &element.reasons[..] else {
                panic!("{element:?}")
            };
            assert_eq!(affinities, said);
        }
        let told =
            it.report.standing.iter().find(|it| it.text.contains("no placement holds all of")).unwrap();
        assert!(told.severity == Severity::Before && told.text.contains("/affinities/1"), "{told:?}");
    }
}

#[test]
fn a_rule_less_or_an_exception_frees_them() {
    let mut fleet = five();
    fleet.affinities = vec![
        rule(AffinityKind::Apart, &["v001", "v002"], &[]),
        rule(AffinityKind::Together, &["v001", "v002"], &[]),
    ];
    let it = planned(&fleet, &policy());
    let ways = &it.report.counterfactuals;
    let without = |rule: Rule| {
        let is = |it: &Relaxation| matches!(it, Relaxation::WithoutRule { rule: its, .. } if *its == rule);
        ways.iter().any(|it| it.trial == Trial::Enough && is(&it.relaxation))
    };
    assert!(without(Rule::Apart) && without(Rule::Together), "{ways:#?}");
    // Who may be stopped where it is needs no place.
    for vm in &mut fleet.vms[..2] {
        vm.allowed_actions.push(Action::PowerOff);
    }
    consent(&mut fleet, Action::PowerOff, true);
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Planned);
    fleet.vms.iter_mut().for_each(|it| it.allowed_actions = vec![Action::LiveMigrate]);
    // Rules that should hold contradict nothing.
    fleet.affinities[0].strength = Strength::Should;
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Planned);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever rules there are: no panic, and nothing gets worse than it was.
    #[test]
    fn plans_under_any_rules_are_clean(
        (mut fleet, policy) in random(),
        rules in prop::collection::vec((0..3_u8, prop::collection::vec(0..30_usize, 1..4), 0..6_usize), 1..8),
    ) {
        for (kind, vms, host) in rules {
            let vms: Vec<String> =
                vms.iter().filter_map(|&it| fleet.vms.get(it)).map(|it| it.id.to_string()).collect();
            let vms: Vec<&str> = vms.iter().map(String::as_str).collect();
            let host = fleet.hosts[host % fleet.hosts.len()].id.to_string();
            fleet.affinities.push(match kind {
                0 => rule(AffinityKind::Apart, &vms, &[]),
                1 => rule(AffinityKind::Together, &vms, &[]),
                _ => rule(AffinityKind::OnHosts, &vms, &[host.as_str()]),
            });
        }
        let loss = BTreeMap::new();
        let it = plan(&request(&fleet, &policy, &loss)).unwrap();
        clean(&fleet, &policy, &it.plan);
    }
}
