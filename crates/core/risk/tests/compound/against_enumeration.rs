//! Every figure against brute force.

use underpin_risk::compound::{AtLeast, Method, Options, Part, Thresholds, judge};
use underpin_risk::portfolio::{HostLine, Portfolio};

use crate::enumeration::{self, Law};
use crate::made;

const SEEDS: std::ops::Range<u64> = 0..24;

fn options() -> Options {
    Options {
        levels: vec![0.5, 0.9, 0.99],
        at_least: Thresholds {
            hosts: vec![0, 1, 2, 3, 5, 6],
            guests: vec![1, 2, 3, 5],
            tenants: vec![1, 2, 3],
        },
        at_least_in_parts: Thresholds { hosts: vec![0, 1, 2, 3], guests: vec![1, 2, 4], tenants: vec![1, 2] },
        ..Options::default()
    }
}

fn close(what: &str, got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{what}: {got} but {expected}");
}

fn mean_loss(law: &Law) -> f64 {
    enumeration::mean(law, |outcome| outcome.3 as f64 / 2.0)
}

#[test]
fn means_and_probabilities_of_tiny_portfolios_are_those_of_enumeration() {
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &options()).unwrap();
        let law = enumeration::law(&portfolio);
        close(&format!("{seed}: fleet"), judgement.fleet.mean, mean_loss(&law));
        let of_host = |host: &HostLine| -> f64 {
            let impact = judgement.classes[host.class as usize].mean_impact;
            portfolio.holdings_of(host).iter().map(|it| it.loss(impact)).sum()
        };
        close(&format!("{seed}: hosts"), portfolio.hosts.iter().map(of_host).sum(), mean_loss(&law));
        for (tenant, figures) in judgement.tenants.iter().enumerate() {
            let alone = enumeration::law(&made::only(&portfolio, |_, other| other as usize == tenant));
            close(&format!("{seed}: tenant {tenant}"), figures.figures.mean, mean_loss(&alone));
        }
        let cluster = enumeration::law(&made::only(&portfolio, |host, _| portfolio.hosts[host].cluster == 1));
        close(&format!("{seed}: cluster"), judgement.clusters[1].figures.mean, mean_loss(&cluster));
        let any = enumeration::probability(&law, |outcome| outcome.0 > 0);
        assert_eq!(judgement.any_hit.method, Method::Exact);
        close(&format!("{seed}: any hit"), judgement.any_hit.probability, any);
        for class in 0..2u32 {
            let mut alone = portfolio.clone();
            let first = alone.hosts.iter().position(|host| host.class == class).unwrap();
            alone.hosts = vec![alone.hosts[first].clone()];
            let hit = enumeration::probability(&enumeration::law(&alone), |outcome| outcome.0 > 0);
            close(&format!("{seed}: class {class}"), judgement.classes[class as usize].hit, hit);
        }
    }
}

#[test]
fn counts_of_tiny_portfolios_are_those_of_enumeration() {
    let mut shared = 0;
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &options()).unwrap();
        let law = enumeration::law(&portfolio);
        for at in &judgement.hosts_hit_at_least {
            assert_eq!((at.method, at.standard_error), (Method::Exact, 0.0));
            let expected = enumeration::probability(&law, |it| it.0 >= at.m);
            close(&format!("{seed}: {} hosts", at.m), at.probability, expected);
        }
        for at in &judgement.guests_hit_at_least {
            assert_eq!(at.method, Method::Exact);
            let expected = enumeration::probability(&law, |it| it.1 >= at.m);
            close(&format!("{seed}: {} guests", at.m), at.probability, expected);
        }
        for at in &judgement.tenants_hit_at_least {
            let expected = enumeration::probability(&law, |it| u64::from(it.2.count_ones()) >= at.m);
            assert_eq!(at.method, Method::Exact);
            close(&format!("{seed}: {} tenants", at.m), at.probability, expected);
            shared += u32::from(at.m > 1 && expected > 0.0);
        }
    }
    assert!(shared > 0, "no portfolio had tenants that are hit together");
}

/// The portfolio of these hosts alone, each with the holdings that are meant.
fn part(portfolio: &Portfolio, hosts: impl Fn(&HostLine) -> bool, meant: impl Fn(u32) -> bool) -> Portfolio {
    let mut part = Portfolio { hosts: Vec::new(), holdings: Vec::new(), ..portfolio.clone() };
    for host in portfolio.hosts.iter().filter(|host| hosts(host)) {
        let start = part.holdings.len() as u32;
        part.holdings.extend(portfolio.holdings_of(host).iter().filter(|it| meant(it.tenant)));
        part.hosts.push(HostLine { holdings: start..part.holdings.len() as u32, ..host.clone() });
    }
    part
}

/// What is counted of an outcome.
type Counted = fn(&enumeration::Outcome) -> u64;

/// Each figure is that of the law, exactly. Gives how many are of more than one.
fn all_close(what: &str, found: &[AtLeast], most: u64, law: &Law, counted: Counted) -> usize {
    assert!(found.iter().all(|it| it.m <= most), "{what}: {found:?} of {most}");
    for at in found {
        let expected = enumeration::probability(law, |it| counted(it) >= at.m);
        assert_eq!((at.method, at.standard_error), (Method::Exact, 0.0), "{what}");
        close(&format!("{what}: {}", at.m), at.probability, expected);
    }
    found.iter().filter(|it| it.m > 1).count()
}

#[test]
fn counts_within_clusters_and_of_tenants_are_those_of_enumeration() {
    let mut counted = [0; 5];
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &options()).unwrap();
        for (at, found) in (0..).zip(&judgement.clusters) {
            let what = format!("{seed}: cluster {at}");
            let law = enumeration::law(&part(&portfolio, |host| host.cluster == at, |_| true));
            counted[0] += all_close(&what, &found.hosts_hit_at_least, found.hosts, &law, |it| it.0);
            counted[1] += all_close(&what, &found.guests_hit_at_least, found.guests, &law, |it| it.1);
            let tenants = |it: &enumeration::Outcome| u64::from(it.2.count_ones());
            counted[2] += all_close(&what, &found.tenants_hit_at_least, found.tenants, &law, tenants);
        }
        for (at, found) in (0..).zip(&judgement.tenants) {
            let what = format!("{seed}: tenant {at}");
            let holds = |host: &HostLine| portfolio.holdings_of(host).iter().any(|it| it.tenant == at);
            let alone = part(&portfolio, holds, |tenant| tenant == at);
            assert_eq!(found.hosts, alone.hosts.len() as u64);
            let law = enumeration::law(&alone);
            counted[3] += all_close(&what, &found.hosts_hit_at_least, found.hosts, &law, |it| it.0);
            counted[4] += all_close(&what, &found.guests_hit_at_least, found.guests, &law, |it| it.1);
        }
    }
    assert!(counted.iter().all(|&it| it > 10), "some counts are of nothing: {counted:?}");
}

#[test]
fn sampled_counts_within_parts_are_those_of_enumeration_within_their_errors() {
    let mut sampled = 0;
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &Options { exact: false, ..options() }).unwrap();
        for (at, found) in (0..).zip(&judgement.clusters) {
            let law = enumeration::law(&part(&portfolio, |host| host.cluster == at, |_| true));
            let lists: [(&[AtLeast], Counted); 3] = [
                (&found.hosts_hit_at_least, |it| it.0),
                (&found.guests_hit_at_least, |it| it.1),
                (&found.tenants_hit_at_least, |it| u64::from(it.2.count_ones())),
            ];
            for (list, counted) in lists {
                for one in list.iter().filter(|it| it.method != Method::Exact) {
                    let expected = enumeration::probability(&law, |it| counted(it) >= one.m);
                    let off = (one.probability - expected).abs();
                    assert!(off <= 5.0 * one.standard_error + 1e-3, "{seed}: {at}: {one:?} but {expected}");
                    sampled += 1;
                }
            }
        }
    }
    assert!(sampled > 50, "{sampled}");
}

#[test]
fn one_at_least_is_exact_where_all_other_counts_are_sampled() {
    let mut sampled = 0;
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &Options { exact: false, ..options() }).unwrap();
        let law = enumeration::law(&portfolio);
        let counts: [(&[AtLeast], Counted); 3] = [
            (&judgement.hosts_hit_at_least, |it| it.0),
            (&judgement.guests_hit_at_least, |it| it.1),
            (&judgement.tenants_hit_at_least, |it| u64::from(it.2.count_ones())),
        ];
        for (found, counted) in counts {
            let one = found.iter().find(|it| it.m == 1).unwrap();
            assert_eq!((one.method, one.standard_error), (Method::Exact, 0.0));
            close(&format!("{seed}"), one.probability, enumeration::probability(&law, |it| counted(it) >= 1));
            sampled += found.iter().filter(|it| it.method != Method::Exact).count();
        }
        let one = judgement.hosts_hit_at_least.iter().find(|it| it.m == 1).unwrap();
        assert_eq!(one.probability, judgement.any_hit.probability);
    }
    assert!(sampled > 100, "{sampled}");
}

#[test]
fn hosts_on_their_own_hit_a_part_as_the_product_of_their_survivals() {
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &Options { independent: true, ..options() }).unwrap();
        for (at, found) in (0..).zip(&judgement.clusters) {
            let hosts = portfolio.hosts.iter().filter(|host| host.cluster == at);
            let none: f64 = hosts.map(|host| 1.0 - judgement.classes[host.class as usize].hit).product();
            let one = found.hosts_hit_at_least.iter().find(|it| it.m == 1).unwrap();
            assert_eq!(one.method, Method::Exact);
            close(&format!("{seed}: cluster {at}"), one.probability, 1.0 - none);
        }
    }
}

#[test]
fn sampled_quantiles_and_tails_are_those_of_enumeration_within_their_errors() {
    let mut ratios = Vec::new();
    for seed in SEEDS {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &Options { exact: false, ..options() }).unwrap();
        let law = enumeration::law(&portfolio);
        let exact_mean = mean_loss(&law);
        let sd = enumeration::mean(&law, |it| (it.3 as f64 / 2.0 - exact_mean).powi(2)).sqrt();
        // The deviation of rare large losses is the noisiest figure: within its errors each, and close on average.
        let (found, error) = (judgement.fleet.sd, judgement.fleet.sd_standard_error);
        assert!(
            (found - sd).abs() <= 5.0 * error && error <= 0.2 * sd,
            "{seed}: {found} +- {error} but {sd}"
        );
        ratios.push(found / sd);
        for (quantile, cvar) in judgement.fleet.quantiles.iter().zip(&judgement.fleet.cvar) {
            let (value, beyond) = enumeration::tail(&law, quantile.level);
            let (low, high) = (
                enumeration::tail(&law, quantile.level - 0.004).0,
                enumeration::tail(&law, (quantile.level + 0.004).min(0.9999)).0,
            );
            assert!(
                (quantile.low <= value && value <= quantile.high)
                    || (low <= quantile.value && quantile.value <= high),
                "{seed}: {quantile:?} but {value}"
            );
            let off = (cvar.value - beyond).abs();
            assert!(off <= 5.0 * cvar.standard_error + 1e-9 * beyond, "{seed}: {cvar:?} but {beyond}");
        }
        for at in &judgement.hosts_hit_at_least {
            let expected = enumeration::probability(&law, |it| it.0 >= at.m);
            let off = (at.probability - expected).abs();
            assert!(off <= 5.0 * at.standard_error + 1e-3 * expected, "{seed}: {at:?} but {expected}");
        }
        assert!(judgement.sampling.deviation < 5.0, "{seed}: {:?}", judgement.sampling);
        let any = enumeration::probability(&law, |it| it.3 > 0);
        let off = (judgement.fleet.any_loss.value - any).abs();
        assert!(off <= 5.0 * judgement.fleet.any_loss.standard_error + 1e-3, "{seed}: {any}");
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
}

#[test]
fn shapley_values_are_those_over_all_orders_of_the_causes() {
    for seed in 0..9 {
        let portfolio = made::tiny(seed);
        let judgement = judge(&portfolio, &options()).unwrap();
        let count = portfolio.shocks.len();
        // Worth of a coalition: the probability that any host is hit when only its causes can happen.
        let worth: Vec<f64> = (0..1usize << count)
            .map(|coalition| {
                let mut one = portfolio.clone();
                for (at, shock) in one.shocks.iter_mut().enumerate() {
                    if coalition >> at & 1 == 0 {
                        shock.probability = 0.0;
                    }
                }
                judge(&one, &Options { samples: 1_000, ..options() }).unwrap().any_hit.probability
            })
            .collect();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        for (at, shock) in portfolio.shocks.iter().enumerate() {
            let without = (0..1usize << count).filter(|coalition| coalition >> at & 1 == 0);
            let value: f64 = without
                .map(|coalition| {
                    let size = coalition.count_ones() as usize;
                    let orders = factorial(size) * factorial(count - 1 - size) / factorial(count);
                    orders * (worth[coalition | 1 << at] - worth[coalition])
                })
                .sum();
            let found = judgement.any_hit.shapley.iter().find(|it| it.cause == shock.cause);
            close(&format!("{seed}: {:?}", shock.cause), found.map_or(0.0, |it| it.share), value);
        }
        let sum: f64 = judgement.any_hit.shapley.iter().map(|it| it.share).sum();
        close(&format!("{seed}: sum"), sum, judgement.any_hit.probability);
    }
}

#[test]
fn bounds_hold_the_probability_and_contributions_sum_up() {
    let (mut tighter, mut apart) = (0, 0);
    for seed in SEEDS {
        let judgement = judge(&made::tiny(seed), &options()).unwrap();
        let any = &judgement.any_hit;
        assert!(any.frechet_low <= any.probability + 1e-12 && any.probability <= any.frechet_high + 1e-12);
        assert!(any.probability <= any.hunter_worsley_high + 1e-12, "{any:?}");
        assert!(any.hunter_worsley_high <= any.frechet_high, "{any:?}");
        assert!(any.bonferroni_low <= any.probability + 1e-12, "{any:?}");
        assert!(any.bonferroni_low >= any.frechet_low, "{any:?}");
        tighter += u32::from(any.bonferroni_low > any.frechet_low + 1e-9);
        for (known, most) in judgement.fleet.cvar.iter().zip(judgement.cvar_at_most()) {
            // Where both are exact they are sums in another order.
            let error = 3.0 * (known.standard_error + most.standard_error) + 1e-12 * most.value;
            assert!(known.level == most.level && known.value <= most.value + error, "{known:?} {most:?}");
            apart += u32::from(known.value < 0.999 * most.value);
        }
        let cvar = judgement.fleet.cvar.iter().find(|it| it.level == 0.99).unwrap().value;
        let mut sums = [(0.0, 0.0); 4];
        for part in &judgement.contributions {
            let kind = match part.of {
                Part::Tenant { .. } => 0,
                Part::Cluster { .. } => 1,
                Part::Class { .. } => 2,
                Part::Cause { .. } => 3,
            };
            sums[kind].0 += part.mean;
            sums[kind].1 += part.cvar_share;
        }
        for (mean, share) in sums {
            close(&format!("{seed}: means"), mean, judgement.fleet.mean);
            close(&format!("{seed}: shares of {cvar}"), share, cvar);
        }
    }
    assert!(tighter > 0 && apart > 0, "pairs and parts tell something: {tighter} {apart}");
}
