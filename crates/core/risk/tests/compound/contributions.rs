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
    assert!(told_apart > 200, "{told_apart}");
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

#[test]
fn shares_of_the_tail_have_honest_errors() {
    let portfolio = fleet();
    let run = |seed: u64, samples: u32| {
        judge(&portfolio, &Options { seed, samples, ..Options::default() }).unwrap()
    };
    // So many samples that the error of a few is seen against them.
    let many = run(99, 40_000);
    let (mut squares, mut within, mut all) = (0.0, 0, 0);
    for seed in 0..10 {
        for part in causes(&run(seed, 4_000)) {
            // What few samples had has an error as uncertain as itself, and what none had has none.
            if part.cvar_share_standard_error > 0.25 * part.cvar_share || part.cvar_share == 0.0 {
                continue;
            }
            assert!(part.cvar_share_standard_error > 0.0, "{part:?}");
            let known = causes(&many).into_iter().find(|it| it.of == part.of).unwrap();
            let error = part.cvar_share_standard_error.hypot(known.cvar_share_standard_error);
            let off = (part.cvar_share - known.cvar_share) / error;
            squares += off * off;
            within += usize::from(off.abs() <= 2.0);
            all += 1;
        }
    }
    assert!(all > 40 && within * 100 > 85 * all, "{within} of {all} within two errors");
    assert!((0.5..1.3).contains(&(squares / all as f64).sqrt()), "{squares} over {all}");
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
