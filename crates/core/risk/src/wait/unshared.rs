//! What groups share is worked out once, and comes to what each would come to alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use underpin_exposure::{Assessment, FactBase, Options, assess};
use underpin_model::facts::Restart;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::{HostId, VulnerabilityId};
use underpin_model::policy::{self, Parameter, Policy};

use super::agreement::{facts, vary};
use super::curve::{AgedHazard, Hazards, Inputs};
use super::decision::{DRAWS, decide, decide_under};
use super::draws::Draws;
use super::due::{self, Calendar};
use super::evidence::Evidence;
use super::groups::{Request, groups};
use super::lumps::Lumped;
use super::scene::{Due, Scene};
use super::situation::{Hole, Situation, Stratum, Worth};
use super::values::{Assumptions, Values};
use crate::build::hole::Way;
use crate::build::hosts::Approach;
use crate::build::reach::{Guests, Machine, Rates};
use crate::groups::groups as groups_of;
use crate::hazard::{EPSS_DAYS, Exploited, LARGEST_EPSS};
use crate::portfolio::Impact;
use crate::ways::Ways;

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

/// The hazards of one hole, whose hit takes a part.
fn hazards_of(hole: &Hole, hit: f64, values: &Values) -> Hazards {
    let hazard = hole.exploited.hazard(|it| values.get(it));
    let of = |exploited: f64| {
        let path = exploited * values.get(Parameter::Aimed) * hit;
        -(1.0 - path.min(LARGEST_EPSS)).ln()
    };
    let thirty_days = of(hazard.thirty_days.get());
    let constant_thirty_days = of(hazard.unlisted.get());
    if hazard.shape < 1.0 {
        let (age_days, shape) = (hazard.age.get(), hazard.shape);
        let aged = vec![AgedHazard { thirty_days, constant_thirty_days, age_days, shape }];
        Hazards { aged, ..Hazards::default() }
    } else {
        Hazards { constant_per_day: thirty_days / EPSS_DAYS, ..Hazards::default() }
    }
}

/// What a hit takes of one dimension.
type Takes = fn(&Impact) -> f64;

/// The inputs hole by hole, each with a path of its own, and every level of every dimension as a part of its own.
fn hole_by_hole(situation: &Situation, values: &Values) -> Inputs {
    let rates = situation.rates.at(|it| values.get(it));
    let none = Impact::default();
    let mut parts = Vec::new();
    for stratum in &situation.strata {
        for step in 1..=8 {
            let (below, level) = (f64::from(step - 1) / 8.0, f64::from(step) / 8.0);
            let dimensions: [(Takes, Impact); 3] = [
                (|it| it.confidentiality, Impact { confidentiality: level - below, ..none }),
                (|it| it.integrity, Impact { integrity: level - below, ..none }),
                (|it| it.availability, Impact { availability: level - below, ..none }),
            ];
            for (taken_of, part) in dimensions {
                let loss = stratum.worth.loss(part, values);
                let mut sum = Hazards { share: stratum.share, loss, ..Hazards::default() };
                for (hole, answer) in situation.open_on(stratum) {
                    if taken_of(&hole.impact) >= level {
                        let one = hazards_of(hole, situation.approaches[answer].hit(&rates), values);
                        sum.constant_per_day += one.constant_per_day;
                        sum.aged.extend(one.aged);
                    }
                }
                parts.push(sum);
            }
        }
    }
    Inputs { hazards: parts, ..situation.inputs(values) }
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
    let by_host = due::groups_by_host(&assessment);
    let calendar = Calendar::of(&base, day);
    let open = due::OpenFindings::of(&assessment, &calendar, &by_host);
    let mut bunches = (0, 0);
    for members in groups_of(&fleet).into_values() {
        let together = due::due(&fleet, &calendar, (&assessment, &open), &by_host, &members);
        bunches = (bunches.0 + together.bunches.len(), bunches.1 + members.len());
        let mut hosts: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        let mut repairs: BTreeMap<_, usize> = BTreeMap::new();
        for &one in &members {
            let alone = due::due(&fleet, &calendar, (&assessment, &open), &by_host, &[one]);
            for (line, due) in alone.lines {
                *repairs.entry(line.clone()).or_default() += due.bug_fixes;
                let whole = &together.lines[&line];
                assert!(due.without_fix.keys().all(|it| whole.without_fix.contains_key(it)));
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

/// Many strata, each with another number of guests: hundreds of variants are worked out on some of them as one.
#[test]
fn variants_on_few_strata_are_near_those_on_all() {
    let impact = Impact { integrity: 0.5, ..Impact::COMPROMISED };
    let listed = Exploited::Listed { days_ago: 20.0, epss: None };
    let hole = |id: &str, exploited, way, impact| Hole {
        vulnerability: VulnerabilityId::new(id).unwrap(),
        exploited,
        way,
        impact,
        public_days: None,
    };
    let holes = vec![
        hole("CVE-2026-0001", listed, Way::Guest, impact),
        hole("CVE-2026-0002", Exploited::Unscored, Way::Unknown, Impact { confidentiality: 0.5, ..impact }),
    ];
    let policy = Policy::default();
    let (mut approaches, mut strata) = (Vec::new(), Vec::new());
    let together: Arc<[usize]> = Arc::new([0, 1]);
    for on in 0..50 {
        let ways = Ways { on: [0, 1, 0], ..Ways::default() };
        let machine =
            Machine { software: ways, controller: Ways::default(), guests: Some(Guests { on, perhaps: 0 }) };
        let of = |way| Approach { way, machine: machine.asked_by(|it| it == way), controls_fail: 1.0 };
        approaches.extend([of(Way::Guest), of(Way::Unknown)]);
        let hour_down = f64::from(on);
        let worth =
            Worth { hour_down, corrupted: 50.0 * hour_down, per_record: hour_down, ..Worth::default() };
        let answers = vec![approaches.len() - 2, approaches.len() - 1];
        strata.push(Stratum { share: 0.02, worth, holes: Arc::clone(&together), answers });
    }
    let made = made(5);
    let evidence = Evidence::default();
    let Made { fleet, base, assessment, policy: other } = &made;
    let request = Request { fleet, assessment, base, policy: other, evidence: &evidence, horizon_days: 90.0 };
    let scene = Scene::of(&request);
    let any = scene.situation_of_any(&scene.cases()[0], "2026-02-20".parse().unwrap());
    let it = Situation { hosts: 50.0, holes, approaches, strata, ..any };
    let assumptions = Assumptions::of(&policy.parameters);
    let values = &assumptions.values;
    let coarse = Lumped::coarse(&it, values, &it.hits(values));
    // Two parts each: what both holes take, and what the worse one takes beyond it.
    assert_eq!(it.inputs(values).hazards.len(), 2 * 50);
    assert!(coarse.inputs(values, &it.hits(values)).hazards.len() <= 2 * 8);
    for draw in assumptions.draws(100, 3).iter().chain([values]) {
        let (few, all) = (coarse.inputs(draw, &it.hits(draw)), it.inputs(draw));
        for days in [0.0, 1.0, 30.0, 90.0] {
            let (few, all) = (few.at(days), all.at(days));
            assert!(near(few.exposure, all.exposure, 1e-3), "{few:?} {all:?}");
            assert!(near(few.incomplete_fix, all.incomplete_fix, 1e-3), "{few:?} {all:?}");
        }
    }
}
