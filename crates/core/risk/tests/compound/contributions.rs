//! Who and what a loss comes from.

use underpin_model::id::HostId;
use underpin_risk::compound::sample::{SampleSpec, sample};
use underpin_risk::compound::{Contribution, Judgement, Options, Part, judge, mean_loss};
use underpin_risk::portfolio::{HostClass, Portfolio};

use crate::made;

fn fleet() -> Portfolio {
    let spec =
        SampleSpec { hosts: 400, vms_per_host: 4, tenants: 20, vulnerabilities: 40, classes: 20, seed: 3 };
    sample(&spec).unwrap()
}

fn causes(judgement: &Judgement) -> Vec<&Contribution> {
    judgement.contributions.iter().filter(|it| matches!(it.of, Part::Cause { .. })).collect()
}

#[test]
fn the_mean_of_each_cause_is_its_share_over_all_orders_of_the_causes() {
    let mut shared = 0;
    for seed in 0..9 {
        let portfolio = made::tiny(seed);
        let managed: Vec<u32> = portfolio.classes.iter().flat_map(|it| it.planes.clone()).collect();
        let of_planes = managed.iter().flat_map(|&it| &portfolio.planes[it as usize].responses);
        let of_classes = portfolio.classes.iter().flat_map(|it| it.responses.iter());
        let mut hits: Vec<usize> = of_classes.chain(of_planes).map(|it| it.shock as usize).collect();
        hits.sort_unstable();
        hits.dedup();
        // Worth of a coalition: the mean loss when of all that hits only its causes can happen. Controls fail as before.
        let worth: Vec<f64> = (0..1usize << hits.len())
            .map(|coalition| {
                let mut one = portfolio.clone();
                for (bit, &shock) in hits.iter().enumerate() {
                    if coalition >> bit & 1 == 0 {
                        one.shocks[shock].probability = 0.0;
                    }
                }
                mean_loss(&one).unwrap()
            })
            .collect();
        let judgement = judge(&portfolio, &Options { samples: 1_000, ..Options::default() }).unwrap();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        for (bit, &shock) in hits.iter().enumerate() {
            let without = (0..worth.len()).filter(|coalition| coalition >> bit & 1 == 0);
            let value = without.map(|coalition| {
                let size = coalition.count_ones() as usize;
                let orders = factorial(size) * factorial(hits.len() - 1 - size) / factorial(hits.len());
                orders * (worth[coalition | 1 << bit] - worth[coalition])
            });
            let value: f64 = value.sum();
            let cause = &portfolio.shocks[shock].cause;
            let mut found = causes(&judgement).into_iter();
            let found = found.find(|it| it.of == Part::Cause { cause: cause.clone() });
            let mean = found.map_or(0.0, |it| it.mean);
            assert!(
                (mean - value).abs() <= 1e-9 * judgement.fleet.mean,
                "{seed}: {cause:?}: {mean}, {value}"
            );
            shared += usize::from(value > 0.0);
        }
    }
    assert!(shared > 20, "{shared}");
}

#[test]
fn seeds_give_the_same_means_and_rank_the_tail_alike_within_its_errors() {
    let portfolio = fleet();
    let run = |seed: u64| judge(&portfolio, &Options { seed, ..Options::default() }).unwrap();
    let (one, other) = (run(1), run(2));
    let (one, other) = (causes(&one), causes(&other));
    assert_eq!(one.len(), other.len());
    assert!(one.iter().zip(&other).all(|(a, b)| a.of == b.of && a.mean == b.mean));
    assert!(one.iter().zip(&other).any(|(a, b)| a.cvar_share != b.cvar_share));
    let mut told_apart = 0;
    for (a, b) in one.iter().zip(&other) {
        for (c, d) in one.iter().zip(&other) {
            let error = 4.0 * a.cvar_share_standard_error.hypot(c.cvar_share_standard_error);
            if a.cvar_share > c.cvar_share + error {
                assert!(b.cvar_share > d.cvar_share, "{a:?} above {c:?}, but {b:?} and {d:?}");
                told_apart += 1;
            }
        }
    }
    assert!(told_apart > 150, "{told_apart}");
}

#[test]
fn the_tail_that_is_everything_is_shared_as_the_exact_mean() {
    let portfolio = fleet();
    let options = Options { contribution_level: 1e-9, samples: 1_000, ..Options::default() };
    let judgement = judge(&portfolio, &options).unwrap();
    for part in &judgement.contributions {
        assert_eq!(part.cvar_share_standard_error, 0.0, "{part:?}");
        assert!((part.cvar_share - part.mean).abs() <= 2e-9 * part.mean, "{part:?}");
    }
    assert!(judgement.contributions.len() > 10);
}

/// A quantile of chi-square over its degrees of freedom, `z` standard deviations out (Wilson and Hilferty, 1931).
fn chi_square_by_freedom(freedom: f64, z: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    (1.0 - part + z * part.sqrt()).powi(3)
}

/// Limits come from theory: were the errors honest, other streams of random numbers would fail it about once in 700 times.
///
/// - Spread: of one cause, the variance between seeds over the mean squared error is chi-square over its degrees of freedom, one less
///   than seeds. Causes share draws; their mean is judged as if it were that of one. 3.29 deviations to either side: 0.001.
/// - Bias: of each cause, the mean of the seeds against many more samples. 4.6 deviations: 0.000 004 2, for a hundred causes 0.0004.
#[test]
fn shares_of_the_tail_have_honest_errors() {
    const SEEDS: u32 = 60;
    let portfolio = fleet();
    let run = |seed: u32, samples: u32| {
        judge(&portfolio, &Options { seed: seed.into(), samples, ..Options::default() }).unwrap()
    };
    let runs: Vec<Judgement> = (0..SEEDS).map(|seed| run(seed, 4_000)).collect();
    let many = run(9_999, 40_000);
    let seeds = f64::from(SEEDS);
    let (mut ratios, mut judged) = (0.0, 0);
    for (at, known) in causes(&many).into_iter().enumerate() {
        let of_seed = |it: &Judgement| {
            let one = causes(it)[at].clone();
            assert_eq!(one.of, known.of);
            (one.cvar_share, one.cvar_share_standard_error)
        };
        let all: Vec<(f64, f64)> = runs.iter().map(of_seed).collect();
        let mean = all.iter().map(|it| it.0).sum::<f64>() / seeds;
        let squared_error = all.iter().map(|it| it.1 * it.1).sum::<f64>() / seeds;
        // What few samples had is no sum of many, and has an error as uncertain as itself.
        if squared_error.sqrt() > 0.25 * mean {
            continue;
        }
        let variance = all.iter().map(|it| (it.0 - mean).powi(2)).sum::<f64>() / (seeds - 1.0);
        ratios += variance / squared_error;
        judged += 1;
        let error = (variance / seeds).sqrt().hypot(known.cvar_share_standard_error);
        let off = (mean - known.cvar_share) / error;
        assert!(off.abs() < 4.6, "{:?}: {mean} and {}: {off} errors", known.of, known.cvar_share);
    }
    assert!((4..=100).contains(&judged), "{judged}");
    let ratio = ratios / f64::from(judged);
    let limits = [-3.29, 3.29].map(|z| chi_square_by_freedom(seeds - 1.0, z));
    assert!((limits[0]..limits[1]).contains(&ratio), "{ratio} of {judged}, expected within {limits:?}");
}

#[test]
fn pairs_of_hosts_that_differ_bound_the_probability_from_both_sides() {
    // One exploit, to which each host answers by another probability: no class has a pair.
    let mut portfolio = made::one_factor(6, 0.5, 0.3);
    portfolio.shocks[0].probability = 0.2;
    let class = portfolio.classes[0].clone();
    portfolio.classes.clear();
    for (at, host) in portfolio.hosts.iter_mut().enumerate() {
        let responses = vec![made::response(0, 0.2 + 0.1 * at as f64, made::ALL)].into();
        portfolio.classes.push(HostClass { responses, ..class.clone() });
        host.class = at as u32;
        host.id = HostId::new(format!("h{at}")).unwrap();
    }
    let any = judge(&portfolio, &Options::default()).unwrap().any_hit;
    assert!(any.frechet_low + 0.01 < any.bonferroni_low, "{any:?}");
    assert!(any.bonferroni_low <= any.probability && any.probability <= any.hunter_worsley_high, "{any:?}");
    assert!(any.hunter_worsley_high < any.frechet_high - 0.1, "{any:?}");
}
