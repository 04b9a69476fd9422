//! Directions of effect, bands, sensitivity and the value of information of one decision.

use proptest::prelude::*;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::{Parameter, Policy};
use underpin_model::quantity::Probability;
use underpin_risk::build::hole::Way;
use underpin_risk::build::hosts::Approach;
use underpin_risk::build::reach::{Guests, Machine, Rates};
use underpin_risk::hazard::Exploited;
use underpin_risk::portfolio::Impact;
use underpin_risk::wait::Verdict;
use underpin_risk::wait::curve::Inputs;
use underpin_risk::wait::decision::decide;
use underpin_risk::wait::evidence::{Count, Tally};
use underpin_risk::wait::information::Observation;
use underpin_risk::wait::situation::{Hole, KnownBugs, Situation, Stratum, Worth};
use underpin_risk::wait::values::Assumptions;
use underpin_risk::ways::Ways;

pub(crate) fn scored(epss: f64) -> Exploited {
    Exploited::Scored { epss: Probability::new(epss).unwrap() }
}

/// Over the network by these ways in, without controls.
fn from_network(software: Ways) -> Approach {
    let machine =
        Machine { software, controller: Ways::default(), guests: Some(Guests { on: 20, perhaps: 0 }) };
    Approach { way: Way::Network, machine, controls_fail: 1.0 }
}

pub(crate) fn situation(exploited: Exploited) -> Situation {
    let all = Impact::COMPROMISED;
    let vulnerability = VulnerabilityId::new("CVE-2026-0001").unwrap();
    let worth = Worth {
        vms: 20.0,
        stated_records: 0.0,
        per_record: 0.2,
        corrupted: 1000.0,
        hour_down: 20.0,
        ..Worth::default()
    };
    Situation {
        horizon_days: 90.0,
        hosts: 10.0,
        holes: vec![Hole {
            vulnerability,
            exploited,
            way: Way::Network,
            impact: all,
            public_days: Some(40.0),
        }],
        approaches: vec![from_network(Ways { on: [0, 1, 0], ..Ways::default() })],
        rates: Rates::of(&Policy::default().parameters),
        strata: vec![Stratum { share: 1.0, worth, holes: std::sync::Arc::new([0]), answers: vec![0] }],
        release_age_days: 2.0,
        tally: Tally::default(),
        hit_range: (0.01, 1.0),
        first_ring_share: 0.0,
        ring_from_days: 0.0,
        installed: std::sync::Arc::default(),
        known_bugs: None,
        maintenance: 0.5,
        shared_drain_saves: 0.0,
        penalties: std::sync::Arc::default(),
    }
}

fn default() -> Assumptions {
    Assumptions::of(&Policy::default().parameters)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn directions_of_effect(
        epss in 0.0_f64..0.95, more in 0.0_f64..0.04, q in 0.0_f64..0.9, bigger in 0.0_f64..0.1, days in 1.0_f64..90.0
    ) {
        let values = default().values;
        // How much better it is to wait so long than to patch now.
        let gain = |exploited, q: f64| {
            let inputs = situation(exploited).inputs(&values.with(Parameter::RegressionHit, q));
            inputs.at(0.0).total() - inputs.at(days).total()
        };
        let before = gain(scored(epss), q);
        prop_assert!(gain(scored(epss), q + bigger) >= before - 1e-9, "higher q never makes patching now better");
        prop_assert!(gain(scored(epss + more), q) <= before + 1e-9, "higher EPSS never makes waiting better");
    }

    #[test]
    fn hosts_of_one_situation_can_be_split(first in 1_u32..50, second in 1_u32..50, days in 0.0_f64..90.0) {
        let values = default().values;
        let of = |hosts: u32| {
            Situation { hosts: hosts.into(), ..situation(scored(0.3)) }.inputs(&values).at(days).total()
        };
        prop_assert!((of(first) + of(second) - of(first + second)).abs() < 1e-9 * of(first + second));
    }

    #[test]
    fn nothing_is_ever_infinite(
        epss in 0.0_f64..=1.0, listed in prop::option::of(0.0_f64..4000.0), hosts in 0.0_f64..1e6, age in 0.0_f64..9000.0,
        own in 0_u32..1000, failed in 0_u32..2, theta in 0.0_f64..=1.0, prior in 0.0_f64..=1.0, q in 0.0_f64..=1.0
    ) {
        let epss = Probability::new(epss).unwrap();
        let exploited = match listed {
            Some(days_ago) => Exploited::Listed { days_ago, epss: Some(epss) },
            None => Exploited::Scored { epss },
        };
        let tally = Tally { own: Count { hosts: own + failed, failures: failed }, ..Tally::default() };
        let it = Situation { hosts, release_age_days: age, tally, ..situation(exploited) };
        let values = default().values.with(Parameter::Theta, theta);
        let values = values.with(Parameter::RegressionPrior, prior).with(Parameter::RegressionHit, q);
        let inputs = it.inputs(&values);
        prop_assert!(inputs.check().is_ok(), "{:?}", inputs.check());
        let best = inputs.optimum().unwrap();
        prop_assert!([best.loss_now, best.loss, best.loss_never, best.loss_wait].iter().all(|it| it.is_finite()));
        let (before, loss) = it.before_now(&values);
        prop_assert!((0.0..=1.0).contains(&before) && loss.is_finite());
    }
}

/// Every set of holes that may have been used, with its probability and what it takes: of each dimension the most.
#[test]
fn a_host_loses_the_greatest_of_its_hits() {
    let values = default().values;
    let impact = |confidentiality, integrity, availability| Impact {
        confidentiality,
        integrity,
        availability,
        host_down: 0.0,
    };
    let holes = [
        (scored(0.9), impact(1.0, 0.0, 0.5)),
        (scored(0.5), impact(0.5, 0.5, 1.0)),
        (Exploited::Listed { days_ago: 5.0, epss: None }, impact(0.5, 0.25, 0.0)),
        (scored(0.7), impact(0.5, 0.5, 1.0)),
        (scored(0.3), impact(0.0, 0.0, 0.0)),
    ];
    let mut it = situation(scored(0.3));
    it.approaches = vec![from_network(Ways { on: [3, 0, 0], ..Ways::default() })];
    let hit = it.approaches[0].hit(&it.rates) * values.get(Parameter::Aimed);
    let hole = it.holes[0].clone();
    it.holes = holes
        .iter()
        .map(|(exploited, impact)| Hole { exploited: *exploited, impact: *impact, ..hole.clone() })
        .collect();
    it.strata[0].holes = (0..holes.len()).collect();
    let chances: Vec<f64> =
        holes.iter().map(|it| it.0.hazard(|it| values.get(it)).thirty_days.get() * hit).collect();
    let mut expected = 0.0;
    for set in 0..1_usize << holes.len() {
        let (mut chance, mut taken) = (1.0, Impact::default());
        for (at, (own, (_, impact))) in chances.iter().zip(&holes).enumerate() {
            if set >> at & 1 == 1 {
                chance *= own;
                taken.confidentiality = impact.confidentiality.max(taken.confidentiality);
                taken.integrity = impact.integrity.max(taken.integrity);
                taken.availability = impact.availability.max(taken.availability);
            } else {
                chance *= 1.0 - own;
            }
        }
        expected += it.hosts * chance * it.strata[0].worth.loss(taken, &values);
    }
    let got = Situation { horizon_days: 30.0, ..it }.inputs(&values).never().exposure;
    assert!(expected > 0.0 && (got / expected - 1.0).abs() < 1e-9, "{got} {expected}");
}

#[test]
fn a_listing_never_lowers_a_loss() {
    let values = default().values;
    for epss in [0.02, 0.5, 0.85, 0.9, 0.97, 1.0] {
        let unlisted = situation(scored(epss));
        for days_ago in [0.0, 1.0, 40.0, 3000.0] {
            let epss = Probability::new(epss).ok();
            let listed = situation(Exploited::Listed { days_ago, epss });
            let (with, without) = (listed.inputs(&values), unlisted.inputs(&values));
            for days in [1.0, 7.0, 30.0, 45.0, 90.0] {
                let hit = |it: &Inputs| it.hazards[0].hit_within(days);
                assert!(hit(&with) >= hit(&without) * (1.0 - 1e-12), "{epss:?} {days}");
            }
            assert!(with.never().total() >= without.never().total() * (1.0 - 1e-12), "{epss:?} {days_ago}");
            assert!(listed.before_now(&values).0 >= unlisted.before_now(&values).0 * (1.0 - 1e-12));
        }
    }
}

#[test]
fn flips_are_where_the_decision_turns() {
    let assumptions = default();
    let mut found = 0;
    let listed = Exploited::Listed { days_ago: 9.0, epss: None };
    for exploited in [scored(0.002), scored(0.05), scored(0.5), listed] {
        let it = situation(exploited);
        let decision = decide(&it, &assumptions, 3.0, 1).unwrap();
        let chosen = decision.optimum.choice;
        for bar in &decision.sensitivity {
            let Some(flip) = bar.flip else {
                assert!(bar.low.choice == chosen && bar.high.choice == chosen, "{bar:?}");
                continue;
            };
            found += 1;
            let choice = |value: f64| {
                it.inputs(&assumptions.values.with(bar.span.parameter, value)).optimum().unwrap().choice
            };
            let towards = flip.at - bar.span.value;
            assert_eq!(choice(flip.at - 0.02 * towards), chosen, "{bar:?}");
            assert_ne!(choice(flip.at + 0.002 * towards), chosen, "{bar:?}");
            assert_eq!(flip.plausible, (bar.span.low..=bar.span.high).contains(&flip.at), "{bar:?}");
        }
        if let Some(hinge) = decision.hinge {
            let own = decision.sensitivity.iter().find(|it| it.span.parameter == hinge).unwrap();
            assert!(own.flip.unwrap().plausible);
        }
    }
    assert!(found > 8, "{found}");
}

#[test]
fn the_tornado_is_sorted_and_a_parameter_without_effect_has_no_bar() {
    let decision = decide(&situation(scored(0.2)), &default(), 3.0, 1).unwrap();
    assert!(decision.sensitivity.windows(2).all(|it| it[0].swing() >= it[1].swing()));
    let bar = |wanted| decision.sensitivity.iter().find(|it| it.span.parameter == wanted).unwrap();
    assert_eq!((bar(Parameter::KevFloor).swing(), bar(Parameter::KevFloor).flip), (0.0, None));
    assert!(bar(Parameter::Aimed).swing() > 0.0 && bar(Parameter::HoursAfterRegression).swing() > 0.0);
}

#[test]
fn the_band_holds_the_loss_and_repeats_with_its_seed() {
    let it = situation(scored(0.05));
    let decision = decide(&it, &default(), 3.0, 1).unwrap();
    assert_eq!(decision, decide(&it, &default(), 3.0, 1).unwrap());
    assert_ne!(decision.band, decide(&it, &default(), 3.0, 2).unwrap().band);
    assert!(decision.band.low < decision.optimum.loss && decision.optimum.loss < decision.band.high);
    for point in &decision.curve {
        assert!(point.band.low <= point.loss && point.loss <= point.band.high, "{point:?}");
    }
    let interval = &decision.optimum_interval;
    assert!((interval.now + interval.wait + interval.never - 1.0).abs() < 1e-12);
    assert!((0.0..=1.0).contains(&decision.right) && decision.regret >= 0.0);
    let mut sure = default();
    for span in &mut sure.spans {
        (span.low, span.high) = (span.value, span.value);
    }
    let sure = decide(&it, &sure, 3.0, 1).unwrap();
    assert!(sure.right == 1.0 && (sure.band.high - sure.band.low).abs() < 1e-9, "nothing uncertain, no band");
}

#[test]
fn information_is_worth_something_only_where_it_can_change_the_decision() {
    let value = |it: &Situation, wanted| {
        let decision = decide(it, &default(), 3.0, 1).unwrap();
        assert!(decision.information.iter().all(|it| it.value >= 0.0 && it.cost >= 0.0));
        let of = |wanted| decision.information.iter().find(|it| it.observation == wanted).unwrap().value;
        let most = decision.information.iter().map(|it| it.value).fold(0.0, f64::max);
        assert_eq!(of(Observation::Certainty), most, "nothing beats certainty");
        of(wanted)
    };
    let listed = Exploited::Listed { days_ago: 1.0, epss: None };
    let mut urgent = Situation { first_ring_share: 1.0, hit_range: (0.05, 0.11), ..situation(listed) };
    urgent.approaches = vec![from_network(Ways { on: [1, 0, 0], ..Ways::default() })];
    let holes = situation(scored(0.02)).holes;
    let calm = Situation { release_age_days: 0.0, maintenance: 0.0, holes, ..urgent.clone() };
    let idle = Situation { holes: situation(scored(0.0)).holes, ..urgent.clone() };
    assert!(value(&urgent, Observation::Trial) < 1e-9, "it is patched whatever a trial says");
    assert!(value(&calm, Observation::Trial) > 0.0, "a bad release would not be taken");
    assert!(value(&calm, Observation::SoakDay) > 0.0);
    assert!(value(&idle, Observation::Trial) < 1e-9, "it is not taken whatever a trial says");
    // Where nobody knows how many hosts a bad release hits, a trial tells that, too.
    let uncertain = Situation { hit_range: (0.001, 0.6), ..calm };
    assert!(value(&uncertain, Observation::Certainty) >= value(&uncertain, Observation::Trial));
}

#[test]
fn clean_canaries_and_age_make_patching_now_better_and_a_failure_worse() {
    let now = |tally: Tally, age: f64| {
        let base = situation(scored(0.01));
        let it = Situation { tally, release_age_days: age, first_ring_share: 1.0, ..base };
        it.inputs(&default().values).optimum().unwrap().loss_now
    };
    let own = |hosts, failures| Tally { own: Count { hosts, failures }, ..Tally::default() };
    let others = |hosts| Tally { others_same_hardware: Count { hosts, failures: 0 }, ..Tally::default() };
    let base = now(Tally::default(), 0.0);
    assert!(now(own(10, 0), 0.0) < base && now(Tally::default(), 30.0) < base && now(others(10), 0.0) < base);
    assert!(now(own(10, 2), 0.0) > base);
    let elsewhere = Tally {
        own_other_hardware: Count { hosts: 500, failures: 0 },
        others_at_all: Count { hosts: 9000, failures: 0 },
        ..Tally::default()
    };
    assert_eq!(now(elsewhere, 0.0), base, "other hardware teaches nothing");
}

#[test]
fn what_stands_in_for_guests_lowers_what_a_bad_release_and_a_known_bug_cost() {
    let values = default().values;
    let of = |with_copies: f64, restarted: f64| {
        let mut it = situation(scored(0.3));
        it.known_bugs = Some(KnownBugs { per_host_day: 0.01, hours_down: 2.0 });
        it.strata[0].worth = Worth { with_copies, restarted, ..it.strata[0].worth };
        let inputs = it.inputs(&values);
        (inputs.loss_per_bad_host, inputs.known_bugs_per_day)
    };
    // 20 an hour, of which 8 have copies that leave a tenth, and 10 are restarted, which leaves half.
    let hour = 20.0 - 8.0 * 0.9 - 10.0 * 0.5;
    assert_eq!(of(0.0, 0.0), (4.0 * 20.0, 0.01 * 2.0 * 20.0));
    let (bad, bug) = of(8.0, 10.0);
    assert!((bad - 4.0 * hour).abs() < 1e-12 && (bug - 0.01 * 2.0 * hour).abs() < 1e-12, "{bad} {bug}");
}

#[test]
fn a_never_that_the_end_of_the_span_makes_says_so() {
    let of = |times: f64| {
        let mut it = Situation { release_age_days: 4000.0, ..situation(scored(0.3)) };
        it.maintenance = times * it.inputs(&default().values).never().exposure / it.hosts;
        decide(&it, &default(), 3.0, 1).unwrap()
    };
    // A maintenance that costs a little more than the hole does in 90 days pays within 180, one that costs three times as much in 360.
    let (soon, later, dear, cheap) = (of(1.2), of(3.0), of(20.0), of(0.1));
    assert_eq!((soon.verdict, later.verdict), (Verdict::Mitigate, Verdict::Mitigate));
    assert_eq!(soon.over_longer.map(|it| it.horizon_days), Some(180.0));
    assert_eq!(later.over_longer.map(|it| it.horizon_days), Some(360.0));
    assert_eq!((dear.verdict, dear.over_longer), (Verdict::Mitigate, None));
    assert_eq!((cheap.verdict, cheap.over_longer), (Verdict::PatchNow, None));
}
