//! What groups share is worked out once, and comes to what each would come to alone.

use std::collections::{BTreeMap, BTreeSet};

use underpin_exposure::{Assessment, FactBase, Options, assess};
use underpin_model::facts::Restart;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::HostId;
use underpin_model::policy::{self, Parameter, Policy};

use super::agreement::{facts, vary};
use super::curve::{AgedHazard, Hazards, Inputs};
use super::decision::{DRAWS, decide, decide_under};
use super::draws::Draws;
use super::evidence::Evidence;
use super::groups::{Request, groups};
use super::scene::{Due, Scene};
use super::situation::{Situation, Stratum};
use super::target::{self, Calendar};
use super::values::{Assumptions, Values};
use crate::build::reach::Rates;
use crate::groups::groups as groups_of;
use crate::hazard::{EPSS_DAYS, LARGEST_EPSS};

struct Made {
    fleet: Fleet,
    base: FactBase,
    assessment: Assessment,
    policy: Policy,
}

fn made(hosts: u32) -> Made {
    let at = "2026-03-02T06:00:00Z".parse().unwrap();
    let fleet = sample(&SampleSpec { hosts, ..SampleSpec::default() }, at);
    let base = facts();
    let mut assessment = assess(&fleet, &base, &Options::at("2026-03-02T23:59:59Z".parse().unwrap()));
    vary(&mut assessment);
    let policy = policy::read(
        "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\npenalty = 10.0\n\
         [[control]]\nid = \"proxy\"\ncloses = [\"network\", \"local\"]\nfails = 0.4\nsource = \"judgement\"\n",
    );
    Made { fleet, base, assessment, policy: policy.unwrap() }
}

/// The inputs hole by hole, each with a path of its own.
fn hole_by_hole(situation: &Situation, values: &Values) -> Inputs {
    let rates = situation.rates.at(|it| values.get(it));
    let hazards = |stratum: &Stratum| {
        let mut hazards = Hazards { share: stratum.share, ..Hazards::default() };
        for (hole, answer) in situation.open_on(stratum) {
            let hazard = hole.exploited.hazard(|it| values.get(it));
            let hit = situation.approaches[answer].hit(&rates);
            let of = |exploited: f64| {
                let path = exploited * values.get(Parameter::Aimed) * hit;
                -(1.0 - path.min(LARGEST_EPSS)).ln()
            };
            let thirty_days = of(hazard.thirty_days.get());
            let constant_thirty_days = of(hazard.unlisted.get());
            let loss = stratum.worth.loss(hole.impact, values);
            if hazard.shape < 1.0 {
                let (age_days, shape) = (hazard.age.get(), hazard.shape);
                hazards.aged.push(AgedHazard { thirty_days, constant_thirty_days, age_days, shape, loss });
            } else {
                hazards.constant_per_day += thirty_days / EPSS_DAYS;
                hazards.constant_loss_per_day += thirty_days / EPSS_DAYS * loss;
            }
        }
        hazards
    };
    Inputs { hazards: situation.strata.iter().map(hazards).collect(), ..situation.inputs(values) }
}

fn near(a: f64, b: f64, off: f64) -> bool {
    (a - b).abs() <= off * a.abs().max(b.abs()) + 1e-12
}

/// 5 % and 95 % of losses at a time, every draw asked on its own, hole by hole.
fn band(situation: &Situation, draws: &[Values], days: f64) -> (f64, f64) {
    let loss = |values| hole_by_hole(situation, values).at(days).total();
    let mut losses: Vec<f64> = draws.iter().map(loss).collect();
    losses.sort_by(f64::total_cmp);
    (losses[losses.len() / 20 - 1], losses[losses.len() * 19 / 20 - 1])
}

#[test]
fn a_decision_is_the_same_alone_and_hole_by_hole() {
    let made = made(50);
    let evidence = Evidence::default();
    let Made { fleet, base, assessment, policy } = &made;
    let request = Request { fleet, assessment, base, policy, evidence: &evidence, horizon_days: 90.0 };
    let scene = Scene::of(&request);
    let due: Vec<Due> = scene.cases().iter().flat_map(|it| scene.due(it)).collect();
    let situated: Vec<_> = due.iter().filter_map(|it| it.case.as_ref()).collect();
    let draws = Draws::of(
        &Assumptions::of(&policy.parameters),
        (DRAWS, policy.seed),
        Rates::of(&policy.parameters),
        situated.iter().flat_map(|it| it.situation.approaches.iter()),
    );
    assert!(situated.len() > 10);
    assert!(situated.iter().any(|it| it.situation.strata.len() > 1));
    for case in &situated {
        let together = decide_under(&case.situation, &case.assumptions, 3.0, &draws).unwrap();
        assert_eq!(together, decide(&case.situation, &case.assumptions, 3.0, policy.seed).unwrap());
        let own = case.assumptions.draws(DRAWS, policy.seed);
        let plain = hole_by_hole(&case.situation, &case.assumptions.values);
        for point in together.curve.iter().step_by(12) {
            assert!(near(point.loss, plain.at(point.days).total(), 1e-9), "{point:?}");
            let (low, high) = band(&case.situation, &own, point.days);
            assert!(
                near(point.band.low, low, 5e-5) && near(point.band.high, high, 5e-5),
                "{point:?} {low} {high}"
            );
        }
        assert!(near(together.optimum.loss, plain.optimum().unwrap().loss, 1e-9));
    }
    // The door says the same of all of them.
    let said = groups(&request).unwrap();
    let decided = said.iter().filter_map(|it| it.wait.as_ref());
    let again = situated
        .iter()
        .map(|it| decide(&it.situation, &it.assumptions, policy.rings[0].soak.get(), policy.seed).unwrap());
    assert!(decided.cloned().eq(again));
}

#[test]
fn what_is_due_on_hosts_together_is_due_on_each_alone() {
    let mut fleet = made(40).fleet;
    // Twins without guests: on each pair the same is due.
    for twin in ["a", "b"] {
        for mut host in fleet.hosts.clone().into_iter().take(40) {
            host.id = HostId::new(format!("{}-{twin}", host.id)).unwrap();
            fleet.hosts.push(host);
        }
    }
    let base = facts();
    let assessment = assess(&fleet, &base, &Options::at("2026-03-02T23:59:59Z".parse().unwrap()));
    let day = "2026-03-02".parse().unwrap();
    let by_host = target::groups_by_host(&assessment);
    let calendar = Calendar::of(&base, day);
    let mut bunches = (0, 0);
    for members in groups_of(&fleet).into_values() {
        let together = target::due(&fleet, &calendar, &assessment, &by_host, &members);
        bunches = (bunches.0 + together.bunches.len(), bunches.1 + members.len());
        let mut hosts: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        let mut repairs: BTreeMap<_, usize> = BTreeMap::new();
        for &one in &members {
            let alone = target::due(&fleet, &calendar, &assessment, &by_host, &[one]);
            for (line, due) in alone.lines {
                *repairs.entry(line.clone()).or_default() += due.bug_fixes;
                let whole = &together.lines[&line];
                assert!(due.without_fix.is_subset(&whole.without_fix));
                assert!(due.versions.keys().all(|it| whole.versions.contains_key(it)));
                let most = |it: &BTreeMap<usize, Restart>| it.values().max().copied();
                assert!(most(&due.restarts) <= most(&whole.restarts));
                for id in due.holes.into_keys() {
                    hosts.entry((line.clone(), id)).or_default().insert(one);
                }
            }
        }
        assert_eq!(repairs, together.lines.iter().map(|(it, due)| (it.clone(), due.bug_fixes)).collect());
        let open = together.lines.iter().flat_map(|(line, due)| {
            due.holes.iter().map(|(id, hole)| {
                let on = hole.bunches.keys().flat_map(|it| together.bunches[*it].iter().copied());
                ((line.clone(), id.clone()), on.collect::<BTreeSet<usize>>())
            })
        });
        assert_eq!(hosts, open.collect());
    }
    assert!(bunches.0 <= bunches.1 - 40, "some hosts are alike: {bunches:?}");
}
