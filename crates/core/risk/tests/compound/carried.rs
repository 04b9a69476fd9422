//! Planes that run on hosts fall with them: every figure against brute force.

use underpin_risk::blast::{blast_radii, of_planes};
use underpin_risk::compound::{AtLeast, Judgement, Method, Options, Part, Thresholds, judge};
use underpin_risk::portfolio::{HostLine, Portfolio};

use crate::enumeration::{self, Law};
use crate::made;

const SEEDS: std::ops::Range<u64> = 0..9;

fn judged(portfolio: &Portfolio, exact: bool) -> Judgement {
    let options = Options {
        levels: vec![0.5, 0.9, 0.99],
        at_least: Thresholds { hosts: (0..6).collect(), guests: vec![1, 2, 5], tenants: vec![1, 2, 3] },
        at_least_in_parts: Thresholds { hosts: vec![1, 2, 3], guests: vec![1, 2], tenants: vec![1, 2] },
        exact,
        samples: 20_000,
        ..Options::default()
    };
    judge(portfolio, &options).unwrap()
}

#[track_caller]
fn close(what: &str, got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-7 * (1e-9 + expected.abs()), "{what}: {got} but {expected}");
}

fn mean_loss(law: &Law) -> f64 {
    enumeration::mean(law, |outcome| outcome.3 as f64 / 2.0)
}

#[test]
fn means_classes_and_whether_any_host_is_hit_are_those_of_enumeration() {
    for seed in SEEDS {
        let portfolio = made::carried(seed);
        let (found, law) = (judged(&portfolio, true), enumeration::law(&portfolio));
        close(&format!("{seed}: mean"), found.fleet.mean, mean_loss(&law));
        let of_host = |host: &HostLine| -> f64 {
            let impact = found.classes[host.class as usize].mean_impact;
            portfolio.holdings_of(host).iter().map(|it| it.loss(impact)).sum()
        };
        close(&format!("{seed}: hosts"), portfolio.hosts.iter().map(of_host).sum(), mean_loss(&law));
        let causes = found.contributions.iter().filter(|it| matches!(it.of, Part::Cause { .. }));
        let shares: f64 = causes.map(|it| it.mean).sum();
        close(&format!("{seed}: causes"), shares, mean_loss(&law));
        let any = enumeration::probability(&law, |outcome| outcome.0 > 0);
        assert_eq!(found.any_hit.method, Method::Exact);
        close(&format!("{seed}: any"), found.any_hit.probability, any);
        let bounds = &found.any_hit;
        assert!(
            bounds.bonferroni_low <= any + 1e-9 && any <= bounds.hunter_worsley_high + 1e-9,
            "{seed}: {bounds:?}"
        );
        let cluster = enumeration::law(&made::only(&portfolio, |host, _| portfolio.hosts[host].cluster == 1));
        close(&format!("{seed}: cluster"), found.clusters[1].figures.mean, mean_loss(&cluster));
    }
}

#[test]
fn counts_and_tails_are_those_of_enumeration() {
    let (mut enumerated, mut counted) = (0, 0);
    for seed in SEEDS {
        let portfolio = made::carried(seed);
        let (found, law) = (judged(&portfolio, true), enumeration::law(&portfolio));
        let exact = |list: &[AtLeast]| {
            list.iter().filter(|it| it.method == Method::Exact).cloned().collect::<Vec<_>>()
        };
        for at in exact(&found.hosts_hit_at_least) {
            counted += 1;
            let expected = enumeration::probability(&law, |it| it.0 >= at.m);
            close(&format!("{seed}: {} hosts", at.m), at.probability, expected);
        }
        for at in exact(&found.guests_hit_at_least) {
            let expected = enumeration::probability(&law, |it| it.1 >= at.m);
            close(&format!("{seed}: {} guests", at.m), at.probability, expected);
        }
        for at in exact(&found.tenants_hit_at_least) {
            let expected = enumeration::probability(&law, |it| u64::from(it.2.count_ones()) >= at.m);
            close(&format!("{seed}: {} tenants", at.m), at.probability, expected);
        }
        if !found.sampling.enumerated {
            continue;
        }
        enumerated += 1;
        for cvar in &found.fleet.cvar {
            let (_, beyond) = enumeration::tail(&law, cvar.level);
            close(&format!("{seed}: {}", cvar.level), cvar.value, beyond);
        }
    }
    assert!(enumerated >= 4 && counted >= 24, "{enumerated} were few enough, {counted} counts were exact");
}

#[test]
fn samples_are_of_the_same_law() {
    let (mut far, mut all) = (0, 0);
    for seed in 0..6 {
        let portfolio = made::carried(seed);
        let (found, law) = (judged(&portfolio, false), enumeration::law(&portfolio));
        let mut check = |what: &str, value: f64, error: f64, truth: f64| {
            let off = (value - truth).abs();
            assert!(
                off <= 5.0 * error + 1e-6 * (1.0 + truth),
                "{seed}: {what}: {value} +- {error} but {truth}"
            );
            far += u32::from(off > 2.0 * error + 1e-9 * (1.0 + truth));
            all += 1;
        };
        let mean = &found.sampling.mean;
        check("mean", mean.value, mean.standard_error, mean_loss(&law));
        for cvar in &found.fleet.cvar {
            check("cvar", cvar.value, cvar.standard_error, enumeration::tail(&law, cvar.level).1);
        }
        for at in &found.hosts_hit_at_least {
            let truth = enumeration::probability(&law, |it| it.0 >= at.m);
            check("hosts", at.probability, at.standard_error, truth);
        }
    }
    assert!(far * 10 <= all, "{far} of {all} are more than two errors off");
}

#[test]
fn a_plane_that_runs_on_a_host_makes_nothing_less() {
    let mut tails_of = 0;
    for seed in SEEDS {
        let portfolio = made::carried(seed);
        let mut without = portfolio.clone();
        without.planes.iter_mut().for_each(|it| it.runs_on.clear());
        let (with, without) = (judged(&portfolio, true), judged(&without, true));
        let any = (with.any_hit.probability, without.any_hit.probability);
        let mut both = vec![any, (with.fleet.mean, without.fleet.mean)];
        if with.sampling.enumerated && without.sampling.enumerated {
            let tails = with.fleet.cvar.iter().zip(&without.fleet.cvar);
            both.extend(tails.map(|(a, b)| (a.value, b.value)));
            let counts = with.hosts_hit_at_least.iter().zip(&without.hosts_hit_at_least);
            both.extend(counts.map(|(a, b)| (a.probability, b.probability)));
            tails_of += 1;
        }
        for (with, without) in both {
            assert!(with >= without * (1.0 - 1e-9), "{seed}: {with} is less than {without}");
        }
        // By itself nobody is hit who was not: what falls with a host falls after a hit.
        close(&format!("{seed}: any"), any.0, any.1);
    }
    assert!(tails_of >= 4, "{tails_of}");
}

#[test]
fn how_likely_planes_and_hosts_fall_by_themselves_is_that_of_enumeration() {
    for seed in SEEDS {
        let mut portfolio = made::carried(seed);
        for (at, (id, blast)) in of_planes(&portfolio).iter().enumerate() {
            let falls = enumeration::plane_falls(&portfolio, at);
            close(&format!("{seed}: {id}"), blast.probability, falls);
        }
        // Of a host with a plane the loss is also that of others.
        portfolio.planes.iter_mut().for_each(|it| it.runs_on.clear());
        for (id, blast) in blast_radii(&portfolio).hosts {
            let at = portfolio.hosts.iter().position(|it| it.id == id).unwrap();
            let (hit, lost) = enumeration::hit_by_itself(&portfolio, at);
            close(&format!("{seed}: {id}"), blast.probability, hit);
            close(&format!("{seed}: loss of {id}"), blast.probability * blast.mean_loss, lost);
        }
    }
}
