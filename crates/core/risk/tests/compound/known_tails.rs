//! What of a tail follows without a sample: where nothing is lost with the probability of a level.

use underpin_risk::compound::{Figures, Judgement, Options, judge};
use underpin_risk::portfolio::{Holding, Impact, Portfolio};

use crate::enumeration;
use crate::made::{self, ALL};

/// Causes are rare, as in life.
fn rare(seed: u64) -> Portfolio {
    let mut portfolio = made::tiny(seed);
    for shock in &mut portfolio.shocks {
        shock.probability *= 0.05;
    }
    portfolio
}

fn judged(portfolio: &Portfolio) -> Judgement {
    let levels = vec![0.5, 0.9, 0.95, 0.99, 0.999];
    judge(portfolio, &Options { levels, samples: 2_000, ..Options::default() }).unwrap()
}

/// The same, but for what others have.
fn of_tenant(portfolio: &Portfolio, tenant: u32) -> Portfolio {
    let mut one = portfolio.clone();
    for holding in one.holdings.iter_mut().filter(|it| it.tenant != tenant) {
        *holding = Holding { tenant: holding.tenant, vms: holding.vms, ..Holding::default() };
    }
    one
}

/// The same, but for what stands elsewhere.
fn of_cluster(portfolio: &Portfolio, cluster: u32) -> Portfolio {
    let mut one = portfolio.clone();
    for host in one.hosts.iter().filter(|it| it.cluster != cluster) {
        for holding in &mut one.holdings[host.holdings.start as usize..host.holdings.end as usize] {
            *holding = Holding { tenant: holding.tenant, vms: holding.vms, ..Holding::default() };
        }
    }
    one
}

/// Figures that say that they are exact are; gives how many there are among the levels at which nothing else is so.
#[track_caller]
fn exact_ones(portfolio: &Portfolio, figures: &Figures, any_hit: f64) -> usize {
    let law = enumeration::law(portfolio);
    let mut exact = 0;
    for (quantile, cvar) in figures.quantiles.iter().zip(&figures.cvar) {
        let (value, beyond) = enumeration::tail(&law, cvar.level);
        if any_hit <= 1.0 - cvar.level {
            assert_eq!(cvar.standard_error, 0.0, "{cvar:?}");
            assert_eq!((quantile.value, quantile.low, quantile.high, value), (0.0, 0.0, 0.0, 0.0));
            assert!((cvar.value - beyond).abs() <= 1e-9 * (1.0 + beyond), "{cvar:?} but {beyond}");
            exact += usize::from(beyond > 0.0);
        }
    }
    let any = enumeration::probability(&law, |it| it.3 > 0);
    if figures.any_loss.standard_error == 0.0 && any < 1.0 {
        assert!((figures.any_loss.value - any).abs() <= 1e-9, "{:?} but {any}", figures.any_loss);
    }
    exact
}

#[test]
fn where_most_often_nothing_is_lost_the_tail_has_the_whole_mean_exactly() {
    let (mut of_fleets, mut of_parts) = (0, 0);
    for seed in 0..8 {
        let portfolio = rare(seed);
        let judgement = judged(&portfolio);
        of_fleets += exact_ones(&portfolio, &judgement.fleet, judgement.any_hit.probability);
        for (at, it) in (0..).zip(&judgement.clusters).take(1) {
            let any = it.hosts_hit_at_least.first().map_or(0.0, |it| it.probability);
            of_parts += exact_ones(&of_cluster(&portfolio, at), &it.figures, any);
        }
        for (at, it) in (0..).zip(&judgement.tenants).take(1) {
            let any = it.hosts_hit_at_least.first().map_or(0.0, |it| it.probability);
            of_parts += exact_ones(&of_tenant(&portfolio, at), &it.figures, any);
        }
    }
    assert!(of_fleets > 8 && of_parts > 12, "{of_fleets} {of_parts}");
}

#[test]
fn where_every_hit_loses_the_probability_of_any_loss_is_exact() {
    let mut exact = 0;
    for seed in 0..8 {
        let mut portfolio = rare(seed);
        let low = Impact { availability: 0.5, ..Impact::default() };
        for class in 0..portfolio.classes.len() {
            made::change(&mut portfolio, class, |all| all.iter_mut().for_each(|it| it.impact = low));
        }
        portfolio.planes.iter_mut().for_each(|it| it.impact = ALL);
        portfolio.holdings.iter_mut().for_each(|it| it.availability += 1.0);
        let judgement = judged(&portfolio);
        let any = enumeration::probability(&enumeration::law(&portfolio), |it| it.3 > 0);
        let found = judgement.fleet.any_loss;
        assert_eq!(found.standard_error, 0.0, "{seed}");
        assert!((found.value - any).abs() <= 1e-9, "{seed}: {found:?} but {any}");
        exact += usize::from(any > 0.0);
        // One hit that loses nothing, and it is sampled again.
        portfolio.holdings.iter_mut().for_each(|it| it.availability = 0.0);
        let judgement = judged(&portfolio);
        let any = enumeration::probability(&enumeration::law(&portfolio), |it| it.3 > 0);
        let off = (judgement.fleet.any_loss.value - any).abs();
        assert!(off <= 5.0 * judgement.fleet.any_loss.standard_error + 2e-3, "{seed}: {any}");
    }
    assert!(exact > 4, "{exact}");
}

#[test]
fn what_is_known_of_tails_keeps_their_order() {
    for seed in 0..48 {
        for scale in [0.05, 0.3, 1.0] {
            let mut portfolio = made::tiny(seed);
            portfolio.shocks.iter_mut().for_each(|it| it.probability *= scale);
            let judgement = judged(&portfolio);
            let parts = judgement.clusters.iter().map(|it| &it.figures);
            let parts = parts.chain(judgement.tenants.iter().map(|it| &it.figures));
            for figures in parts.chain([&judgement.fleet]) {
                let near = 1.0 + 1e-9;
                assert!(
                    figures.cvar.is_sorted_by(|a, b| a.value <= b.value * near),
                    "{seed}: {:?}",
                    figures.cvar
                );
                for (quantile, cvar) in figures.quantiles.iter().zip(&figures.cvar) {
                    let most = figures.mean / (1.0 - cvar.level);
                    assert!(
                        figures.mean <= cvar.value * near && cvar.value <= most * near,
                        "{seed}: {cvar:?}"
                    );
                    assert!(quantile.low <= quantile.value && quantile.value <= quantile.high);
                    assert!(quantile.value <= cvar.value * near, "{seed}: {quantile:?} {cvar:?}");
                }
            }
            for (known, most) in judgement.fleet.cvar.iter().zip(judgement.cvar_at_most()) {
                assert!(known.value <= most.value * (1.0 + 1e-9), "{seed}: {known:?} {most:?}");
            }
            let cvar = judgement.fleet.cvar.iter().find(|it| it.level == 0.99).unwrap().value;
            let shares = judgement.contributions.iter().map(|it| it.cvar_share).sum::<f64>() / 4.0;
            assert!((shares - cvar).abs() <= 1e-9 * cvar, "{seed}: {shares} of {cvar}");
        }
    }
}
