//! Numbers hit at once: hosts on their own against every set of hosts, parts on which little acts, and what no sample saw.

use underpin_model::id::{HostId, TenantId};
use underpin_risk::compound::{AtLeast, Judgement, Method, Options, Thresholds, judge};
use underpin_risk::portfolio::{Holding, HostClass, HostLine, Portfolio};

use crate::made;

fn numbers() -> Thresholds {
    Thresholds { hosts: vec![0, 1, 2, 3, 5], guests: vec![1, 2, 4, 9], tenants: vec![1, 2, 3] }
}

fn alone() -> Options {
    let (at_least, at_least_in_parts) = (numbers(), numbers());
    Options { independent: true, at_least, at_least_in_parts, samples: 1_000, ..Options::default() }
}

fn close(what: &str, got: &AtLeast, expected: f64) {
    assert_eq!((got.method, got.standard_error, got.at_most), (Method::Exact, 0.0, None), "{what}: {got:?}");
    let off = (got.probability - expected).abs();
    assert!(off <= 1e-9 * expected.max(1e-3), "{what}: {got:?} but {expected}");
}

/// What is counted of a set of hosts that are hit.
type Counted<'a> = &'a dyn Fn(&[&HostLine]) -> u64;

/// Over every set of hosts that may be hit: the probability that the count reaches `m`.
fn by_sets(portfolio: &Portfolio, judgement: &Judgement, counted: Counted<'_>, m: u64) -> f64 {
    let hosts = &portfolio.hosts;
    (0u32..1 << hosts.len())
        .map(|set| {
            let is_hit = |at: usize| set >> at & 1 == 1;
            let one = |(at, host): (usize, &HostLine)| {
                let hit = judgement.classes[host.class as usize].hit;
                if is_hit(at) { hit } else { 1.0 - hit }
            };
            let hit: Vec<&HostLine> =
                hosts.iter().enumerate().filter(|(at, _)| is_hit(*at)).map(|it| it.1).collect();
            let weight: f64 = hosts.iter().enumerate().map(one).product();
            if counted(&hit) >= m { weight } else { 0.0 }
        })
        .sum()
}

fn all_close(what: &str, list: &[AtLeast], portfolio: &Portfolio, judgement: &Judgement, of: Counted<'_>) {
    for one in list {
        close(&format!("{what}: {}", one.m), one, by_sets(portfolio, judgement, of, one.m));
    }
}

/// Tenants with guests on these hosts.
fn tenants(portfolio: &Portfolio, hosts: &[&HostLine]) -> u64 {
    let mut all: Vec<u32> =
        hosts.iter().flat_map(|host| portfolio.holdings_of(host)).map(|it| it.tenant).collect();
    all.sort_unstable();
    all.dedup();
    all.len() as u64
}

fn guests(portfolio: &Portfolio, hosts: &[&HostLine], of: impl Fn(u32) -> bool) -> u64 {
    let holdings = hosts.iter().flat_map(|host| portfolio.holdings_of(host));
    holdings.filter(|it| of(it.tenant)).map(|it| u64::from(it.vms)).sum()
}

#[test]
fn hosts_on_their_own_are_counted_as_over_every_set_of_them() {
    for seed in 0..12 {
        let portfolio = &made::tiny(seed);
        let judgement = &judge(portfolio, &alone()).unwrap();
        let check = |what: &str, list: &[AtLeast], of: Counted<'_>| {
            all_close(&format!("{seed}: {what}"), list, portfolio, judgement, of);
        };
        check("hosts", &judgement.hosts_hit_at_least, &|hit| hit.len() as u64);
        check("guests", &judgement.guests_hit_at_least, &|hit| guests(portfolio, hit, |_| true));
        check("tenants", &judgement.tenants_hit_at_least, &|hit| tenants(portfolio, hit));
        for (at, part) in (0..).zip(&judgement.clusters) {
            let within = |hit: &[&HostLine]| -> Vec<HostLine> {
                hit.iter().filter(|it| it.cluster == at).map(|it| HostLine::clone(it)).collect()
            };
            check("of a cluster", &part.hosts_hit_at_least, &|hit| within(hit).len() as u64);
            check("in a cluster", &part.guests_hit_at_least, &|hit| {
                guests(portfolio, &within(hit).iter().collect::<Vec<_>>(), |_| true)
            });
            check("tenants of a cluster", &part.tenants_hit_at_least, &|hit| {
                tenants(portfolio, &within(hit).iter().collect::<Vec<_>>())
            });
        }
        for (at, part) in (0..).zip(&judgement.tenants) {
            check("of a tenant", &part.guests_hit_at_least, &|hit| guests(portfolio, hit, |it| it == at));
            check("hosts of a tenant", &part.hosts_hit_at_least, &|hit| {
                hit.iter().filter(|it| guests(portfolio, &[**it], |it| it == at) > 0).count() as u64
            });
        }
    }
}

/// Hosts of which each shares tenants with the next, and is hit on its own.
fn chain(hosts: u32, tenants_of_host: u32) -> Portfolio {
    let mut portfolio = made::one_factor(0, 0.02, 0.0);
    portfolio.tenants.clear();
    for at in 0..hosts {
        let start = portfolio.holdings.len() as u32;
        for tenant in at..at + tenants_of_host {
            while portfolio.tenants.len() <= tenant as usize {
                portfolio.tenants.push(TenantId::new(format!("t{}", portfolio.tenants.len())).ok());
            }
            portfolio.holdings.push(Holding { tenant, vms: 1, availability: 1.0, ..Holding::default() });
        }
        let holdings = start..portfolio.holdings.len() as u32;
        let id = HostId::new(format!("h{at:03}")).unwrap();
        portfolio.hosts.push(HostLine { id, class: 0, cluster: 0, holdings });
    }
    portfolio
}

#[test]
fn tenants_that_share_hosts_are_hit_together_and_too_many_of_them_are_sampled_but_for_two() {
    let (few, many) = (&chain(10, 3), &chain(17, 3));
    let judged = |portfolio| judge(portfolio, &alone()).unwrap();
    let (of_few, of_many) = (&judged(few), &judged(many));
    assert_eq!((few.tenants.len(), many.tenants.len()), (12, 19));
    all_close("few", &of_few.tenants_hit_at_least, few, of_few, &|hit| tenants(few, hit));
    // Each host has three tenants: that three are hit is as likely as that one is.
    let [one, _, three] = of_few.tenants_hit_at_least.as_slice() else { panic!("{of_few:?}") };
    assert!((one.probability - three.probability).abs() < 1e-12);
    let [one, two, three] = of_many.tenants_hit_at_least.as_slice() else { panic!("{of_many:?}") };
    let expected = |m| by_sets(many, of_many, &|hit| tenants(many, hit), m);
    close("one of many", one, expected(1));
    close("two of many", two, expected(2));
    assert_eq!(three.method, Method::ImportanceSampling);
    assert!((three.probability - expected(3)).abs() < 5.0 * three.standard_error, "{three:?}");
    // A host with one tenant alone: now two at least are hit less often than one.
    let mut lone = many.clone();
    lone.hosts[0].holdings.end = lone.hosts[0].holdings.start + 1;
    let judgement = &judged(&lone);
    let [_, two, _] = judgement.tenants_hit_at_least.as_slice() else { panic!("{judgement:?}") };
    close("one alone", two, by_sets(&lone, judgement, &|hit| tenants(&lone, hit), 2));
    assert!(two.probability < expected(2));
}

/// Twenty shocks act on the fleet; on each of its twenty clusters of four hosts one, and one on all.
fn many_causes() -> Portfolio {
    let mut portfolio = made::one_factor(0, 0.3, 0.15);
    portfolio.shocks[0].probability = 0.01;
    (portfolio.clusters, portfolio.classes) = (vec![None; 20], Vec::new());
    for at in 0..20u32 {
        portfolio.shocks.push(made::exploit(at as usize + 1, 0.02));
        let responses = vec![made::response(0, 0.3, made::ALL), made::response(at + 1, 0.5, made::ALL)];
        let label = format!("class {at}");
        portfolio.classes.push(HostClass { label, responses: responses.into(), planes: Vec::new() });
        for host in 0..4 {
            let start = portfolio.holdings.len() as u32;
            portfolio.holdings.push(Holding { vms: 2, availability: 1.0, ..Holding::default() });
            let id = HostId::new(format!("h{at:03}-{host}")).unwrap();
            portfolio.hosts.push(HostLine { id, class: at, cluster: at, holdings: start..start + 1 });
        }
    }
    portfolio
}

#[test]
fn a_part_on_which_little_acts_is_exact_within_a_fleet_of_many_causes() {
    let portfolio = many_causes();
    let options = Options { at_least: numbers(), at_least_in_parts: numbers(), ..Options::default() };
    let judgement = judge(&portfolio, &options).unwrap();
    assert_ne!(judgement.hosts_hit_at_least[2].method, Method::Exact, "21 shocks are too many");
    let mut only = portfolio.clone();
    only.hosts.retain(|host| host.cluster == 7);
    let only = judge(&only, &options).unwrap();
    let cluster = &judgement.clusters[7];
    assert_eq!(cluster.hosts_hit_at_least.len(), 4, "five hosts it does not have");
    let pairs = cluster.hosts_hit_at_least.iter().zip(&only.hosts_hit_at_least);
    for (of_part, of_fleet) in pairs.chain(cluster.guests_hit_at_least.iter().zip(&only.guests_hit_at_least))
    {
        close("a cluster as a fleet of its own", of_part, of_fleet.probability);
    }
    // Two of four hosts, and what is common makes that likelier than it were.
    let naive = judge(&portfolio, &Options { independent: true, ..options }).unwrap();
    let [two, naive] = [cluster, &naive.clusters[7]].map(|it| it.hosts_hit_at_least[2].probability);
    assert!(two > 5.0 * naive, "{two} {naive}");
}

#[test]
fn what_no_sample_saw_has_a_bound_and_what_cannot_be_is_zero() {
    let mut portfolio = many_causes();
    for shock in &mut portfolio.shocks {
        shock.probability *= 1e-7;
    }
    let numbers = Thresholds { hosts: vec![1, 5, 81], guests: vec![100, 161], tenants: vec![1, 2] };
    let options = Options { at_least: numbers, exact: false, independent: true, ..Options::default() };
    let hostile = judge(&portfolio, &Options { independent: false, ..options.clone() }).unwrap();
    let options = Options { samples: 1_000, at_least: Thresholds::default(), ..options };
    let naive = judge(&chain_of_rare(), &options).unwrap();
    let bound = |it: &AtLeast| {
        assert!(
            (it.probability > 0.0) != it.at_most.is_some(),
            "either it was seen or it is bounded: {it:?}"
        );
    };
    for one in [&hostile.hosts_hit_at_least[1], &hostile.guests_hit_at_least[0]] {
        bound(one);
    }
    for one in
        [&hostile.hosts_hit_at_least[2], &hostile.guests_hit_at_least[1], &hostile.tenants_hit_at_least[1]]
    {
        assert_eq!((one.method, one.probability, one.at_most), (Method::Exact, 0.0, None), "{one:?}");
    }
    // Fifteen tenants tied to each other, ten at once: four hosts on their own.
    let ten = naive.tenants_hit_at_least.last().unwrap();
    bound(ten);
    let one = naive.any_hit.probability;
    assert!(ten.m == 10 && ten.probability < 1e-20 && one < 1e-4, "{ten:?} of {one}");
}

fn chain_of_rare() -> Portfolio {
    let mut portfolio = chain(13, 3);
    portfolio.shocks[0].probability = 1e-5;
    portfolio
}

#[test]
fn numbers_of_a_fleet_follow_its_size() {
    let asked = Thresholds::of_fleet(&made::one_factor(37, 0.1, 0.2));
    assert_eq!(asked.hosts, [1, 2, 5, 10, 20]);
    assert_eq!((asked.guests, asked.tenants), (vec![1, 2, 5, 10, 20], vec![1]));
    let hosts = |count| Thresholds::of_fleet(&made::one_factor(count, 0.1, 0.2)).hosts;
    assert_eq!((hosts(0), hosts(1), hosts(5), hosts(9)), (vec![1], vec![1], vec![1, 2, 5], vec![1, 2, 5]));
    assert_eq!(hosts(1_000).last(), Some(&1_000));
}

#[test]
fn numbers_that_are_too_much_work_do_not_take_smaller_ones_with_them() {
    // Thousands of hosts in classes of their own, on which six causes act: up to ten hit is little work, thousands are not.
    let mut portfolio = made::one_factor(3_000, 0.0, 0.0);
    portfolio.shocks = (0..6).map(|at| made::exploit(at, 0.2)).collect();
    let class = portfolio.classes[0].clone();
    portfolio.classes.clear();
    for (at, host) in (0..).zip(&mut portfolio.hosts) {
        let hit = 0.01 + 1e-6 * f64::from(at);
        let responses = (0..6).map(|shock| made::response(shock, hit, made::ALL)).collect::<Vec<_>>();
        portfolio.classes.push(HostClass { responses: responses.into(), ..class.clone() });
        host.class = at;
    }
    let asked = |hosts: Vec<u64>| {
        let at_least = Thresholds { hosts, guests: vec![], tenants: vec![] };
        let options = Options { samples: 1_000, at_least, ..Options::default() };
        judge(&portfolio, &options).unwrap().hosts_hit_at_least
    };
    let (few, many) = (asked(vec![2, 10]), asked(vec![2, 10, 3_000]));
    assert!(few.iter().all(|it| it.method == Method::Exact), "{few:?}");
    assert_eq!(few[..], many[..2]);
    assert_ne!(many[2].method, Method::Exact, "{many:?}");
}
