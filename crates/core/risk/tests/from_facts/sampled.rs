//! The sample fleet with the built-in facts.

use std::collections::BTreeMap;

use underpin_exposure::report::{AssetKind, ReasonCode};
use underpin_exposure::{Assessment, FactBase, Feed, Options as Asking, assess};
use underpin_model::facts::Document;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::FeedId;
use underpin_model::policy::{Parameter, Policy};
use underpin_risk::build::{Built, Options, ReleaseDates, build};
use underpin_risk::compound;
use underpin_risk::portfolio::{Cause, Factor};

use crate::make::{answer, at, near, policy};

fn facts() -> FactBase {
    let mut feeds: BTreeMap<&str, Vec<Document>> = BTreeMap::new();
    for (file, document) in underpin_feeds::builtin::documents() {
        feeds.entry(file.split('.').next().unwrap_or(file)).or_default().push(document.unwrap());
    }
    let feeds = feeds.into_iter();
    FactBase::new(
        feeds
            .map(|(id, documents)| Feed { id: FeedId::new(id).unwrap(), fetched: None, documents })
            .collect(),
    )
}

fn sampled(hosts: u32) -> (Fleet, Assessment, ReleaseDates) {
    sampled_by(hosts, 7)
}

fn sampled_by(hosts: u32, seed: u64) -> (Fleet, Assessment, ReleaseDates) {
    let fleet = sample(&SampleSpec { hosts, seed, ..SampleSpec::default() }, at());
    let base = facts();
    let assessment = assess(&fleet, &base, &Asking::at(at()));
    let releases = ReleaseDates::from_facts(base.releases(), "2026-11-21".parse().unwrap());
    (fleet, assessment, releases)
}

fn check_factors(what: &str, probability: f64, factors: &[Factor]) {
    assert!(!factors.is_empty(), "{what}: no factors");
    near(probability, factors.iter().map(|it| it.value).product());
    for factor in factors {
        let Factor { low, value, high, .. } = *factor;
        let ordered = 0.0 <= low && low <= value + 1e-12 && value <= high + 1e-12 && high <= 1.0;
        assert!(ordered, "{what}: {factor:?}");
        assert!(!factor.source.is_empty(), "{what}: {factor:?}");
    }
}

fn check(built: &Built, policy: &Policy) {
    let portfolio = &built.portfolio;
    assert_eq!(portfolio.shocks.len(), built.derivations.shocks.len());
    assert_eq!(portfolio.classes.len(), built.derivations.classes.len());
    for shock in &portfolio.shocks {
        check_factors(&format!("{:?}", shock.cause), shock.probability, &shock.factors);
    }
    let beta = policy.parameters.get(Parameter::Beta);
    for class in &portfolio.classes {
        assert!(class.responses.is_sorted_by(|a, b| a.shock < b.shock), "{}", class.label);
        for response in class.responses.iter() {
            check_factors(&class.label, response.probability, &response.factors);
            let Some(gate) = response.gate else { continue };
            // The common failure and what is left of it make the control's own failure probability.
            let cause = &portfolio.shocks[gate.shock as usize];
            assert!(matches!(cause.cause, Cause::ControlFails { .. }));
            near(portfolio.given_shock(response), response.probability * cause.probability / beta);
        }
    }
    for (plane, derivation) in portfolio.planes.iter().zip(&built.derivations.planes) {
        check_factors(plane.id.as_str(), plane.takes_host, &derivation.takes_host);
        for response in &plane.responses {
            check_factors(plane.id.as_str(), response.probability, &response.factors);
        }
    }
}

#[test]
fn every_number_of_the_sample_is_the_product_of_its_factors() {
    let (fleet, assessment, releases) = sampled(60);
    let policy = policy(
        "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n\
         [[control]]\nid = \"sandbox\"\ncloses = [\"guest\"]\nfails = 0.3\nsource = \"judgement\"\nadds = 0.0001\n",
    );
    for options in [Options::new(&releases), Options::upper(&releases)] {
        let built = build(&fleet, &assessment, &policy, &options).unwrap();
        check(&built, &policy);
        let portfolio = &built.portfolio;
        let exploits = portfolio.shocks.iter().filter(|it| matches!(it.cause, Cause::Exploit { .. }));
        assert!(exploits.count() > 50);
        let vms: u64 = portfolio.holdings.iter().map(|it| u64::from(it.vms)).sum();
        let live = fleet.vms.iter().filter(|it| {
            matches!(it.power, None | Some(underpin_model::fleet::PowerState::On)) && it.host.is_some()
        });
        assert_eq!(vms, live.count() as u64);
        assert!(portfolio.planes.iter().any(|it| !it.responses.is_empty()), "a vCenter has holes");
    }
}

/// What rolls updates out is taken over once in ten thousand months, and takes nearly every host then: a tilt towards the quantiles
/// hardly ever draws it.
#[test]
fn a_rare_cause_that_takes_everything_is_not_left_to_chance() {
    let (fleet, assessment, releases) = sampled_by(10, 3);
    let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    // All ten hosts by this cause alone.
    let least: f64 = built
        .portfolio
        .shocks
        .iter()
        .zip(0u32..)
        .map(|(shock, at)| {
            let given = |class: u32| {
                let own = built.portfolio.classes[class as usize].responses.iter().find(|it| it.shock == at);
                own.filter(|it| it.gate.is_none()).map_or(0.0, |it| it.probability)
            };
            shock.probability * built.portfolio.hosts.iter().map(|it| given(it.class)).product::<f64>()
        })
        .fold(0.0, f64::max);
    assert!((1e-5..1e-4).contains(&least), "{least}");
    for seed in 9..25 {
        let options = compound::Options { seed, ..compound::Options::default() };
        let judged = compound::judge(&built.portfolio, &options).unwrap();
        let all = judged.hosts_hit_at_least.iter().find(|it| it.m == 10).unwrap();
        assert!(all.probability + 4.0 * all.standard_error > least, "{seed}: {all:?} {least}");
        assert!(all.standard_error < 0.1 * all.probability, "{seed}: {all:?}");
    }
}

#[test]
fn the_order_of_the_sample_changes_nothing() {
    let (mut fleet, assessment, releases) = sampled(30);
    let policy = Policy::default();
    let one = build(&fleet, &assessment, &policy, &Options::new(&releases)).unwrap();
    fleet.hosts.reverse();
    fleet.vms.reverse();
    let turned = assess(&fleet, &facts(), &Asking::at(at()));
    let other = build(&fleet, &turned, &policy, &Options::new(&releases)).unwrap();
    assert_eq!(one, other);
}

#[test]
fn a_guest_on_an_old_vmm_opens_its_host() {
    let (fleet, assessment, releases) = sampled(60);
    let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    let mut seen = 0;
    for group in assessment.groups.iter().filter(|it| it.assets[0].kind == AssetKind::Host) {
        for finding in group.findings_in(&assessment.findings).filter(|it| it.status.is_open()) {
            let Some(id) = finding.vulnerability.as_ref() else { continue };
            if finding.reasons.iter().any(|it| it.code == ReasonCode::GuestOnOldVmm) {
                for asset in &group.assets {
                    assert!(answer(&built, &asset.id, id.as_str()).is_some(), "{} {id}", asset.id);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 0, "hosts of the sample have guests on old emulators");
}

#[test]
fn losses_per_day_of_hosts_sum_up_to_the_mean_of_the_fleet() {
    let (fleet, assessment, releases) = sampled(60);
    let policy = policy("horizon_days = 45");
    let per_day = underpin_risk::per_host::loss_per_day(&fleet, &assessment, &facts(), &policy).unwrap();
    assert_eq!(per_day.len(), fleet.hosts.len());
    let built = build(&fleet, &assessment, &policy, &Options::new(&releases)).unwrap();
    let mean = compound::mean_loss(&built.portfolio).unwrap();
    assert!(mean > 0.0);
    near(per_day.values().sum::<f64>() * 45.0 / mean, 1.0);
    // Hosts of a group sum up to the group of the report, which is exact too.
    let (base, evidence) = (facts(), underpin_risk::wait::Evidence::default());
    let request = underpin_risk::report::Request {
        samples: 1000,
        group_by: underpin_risk::report::GroupBy::Cluster,
        ..underpin_risk::report::Request::new(&fleet, &assessment, &base, &policy, &evidence)
    };
    let report = underpin_risk::report::report(&request).unwrap();
    for group in &report.groups {
        let of = |it: &&underpin_model::fleet::Host| {
            it.cluster.as_ref().map_or("unknown", |it| it.as_str()) == group.group
        };
        let sum: f64 = fleet.hosts.iter().filter(of).map(|it| per_day[&it.id] * 45.0).sum();
        assert!((sum - group.mean_loss).abs() < 1e-9 * mean, "{}: {sum} {}", group.group, group.mean_loss);
    }
}
