//! Lower bounds on the number of waves, and what shows at once that no number of waves works.
//!
//! Each bound holds for every solution of the static model, so the largest of them does. Sources: the capacity and
//! anti-affinity bounds follow from the sums; packing is the bound L2 of Martello and Toth (1990) for bin packing, with
//! hosts as items and what can be spared at a time as the bin.

use std::collections::BTreeMap;

use super::problem::Problem;

/// Hosts that a reason names.
const SHOWN_HOSTS: usize = 4;

/// Lower bounds by name.
pub(super) type Bounds = BTreeMap<&'static str, usize>;

/// What sums and single VMs say against any schedule; `None`: nothing.
pub(super) fn impossible(problem: &Problem<'_>) -> Option<String> {
    // Without a host to take away there is nothing to plan, whatever the VMs are.
    if problem.vms() == 0 || problem.alive.is_empty() {
        return None;
    }
    contradictions(problem)
        .or_else(|| host_that_must_stay(problem))
        .or_else(|| vm_without_way_out(problem))
        .or_else(|| forced_parts(problem).iter().find_map(|forced| part_too_small(problem, forced)))
}

/// Groups whose rules exclude each other whatever the hosts are.
fn contradictions(problem: &Problem<'_>) -> Option<String> {
    let usable = usable_parts(problem);
    for (at, among) in problem.instance.among.iter().enumerate() {
        if !among.vms.is_empty() && !among.parts.iter().any(|part| usable[*part]) {
            return Some(format!(
                "group {at} must be in one part, and none of its parts has an available host"
            ));
        }
    }
    None
}

/// Parts with an available host.
fn usable_parts(problem: &Problem<'_>) -> Vec<bool> {
    problem.parts.iter().map(|part| problem.alive.iter().any(|host| part.has(*host))).collect()
}

/// The hosts that remain while one host is away are too few or too small in sum.
fn host_that_must_stay(problem: &Problem<'_>) -> Option<String> {
    let top = two_largest(problem);
    for host in &problem.alive {
        let capacity = problem.capacity(*host);
        let rest: Vec<i64> = (0..problem.width).map(|at| largest_without(&top, at, *host)).collect();
        if problem.admissible(capacity, &rest, 1) {
            continue;
        }
        let left = problem.alive.len() - 1;
        if left < problem.largest_apart.max(1) {
            let group = problem.largest_apart.max(1);
            return Some(format!(
                "while host {} is away {left} hosts remain, and {group} VMs must be on hosts of their own",
                problem.instance.host_name(*host)
            ));
        }
        for at in 0..problem.width {
            let reserve = if problem.instance.n_plus_one { rest[at] } else { 0 };
            let short = problem.needed[at] - (problem.total[at] - capacity[at] - reserve);
            if short > 0 {
                let amount = |it: i64| problem.instance.amount(it, at);
                let held = if reserve > 0 {
                    format!(" with {} held for a failure", amount(reserve))
                } else {
                    String::new()
                };
                let (host, short) = (problem.instance.host_name(*host), amount(short));
                return Some(format!("while host {host} is away{held}, {short} are missing in sum"));
            }
        }
    }
    None
}

/// A host without which its part cannot carry the VMs that must be in it.
fn part_too_small(problem: &Problem<'_>, forced: &Forced) -> Option<String> {
    let short = |host: &usize| {
        let missing = |at: usize| forced.needed[at] - (forced.total[at] - problem.capacity(*host)[at]);
        (0..problem.width).map(|at| (missing(at), at)).find(|it| it.0 > 0)
    };
    let (host, (missing, at)) = forced.hosts.iter().find_map(|host| Some((*host, short(host)?)))?;
    let others: Vec<String> = forced
        .hosts
        .iter()
        .filter(|it| **it != host)
        .take(SHOWN_HOSTS)
        .map(|it| problem.instance.host_name(*it))
        .collect();
    let more = if forced.hosts.len() > SHOWN_HOSTS + 1 { ", ..." } else { "" };
    let (host, missing) = (problem.instance.host_name(host), problem.instance.amount(missing, at));
    Some(format!(
        "while host {host} is away, {missing} are missing on the only other hosts ({}{more}) that {} VMs may be on",
        others.join(", "),
        forced.vms
    ))
}

/// The two largest capacities by resource, the first with its host.
fn two_largest(problem: &Problem<'_>) -> Vec<(usize, i64, i64)> {
    (0..problem.width)
        .map(|at| {
            problem.alive.iter().fold((usize::MAX, 0, 0), |(host, first, second), next| {
                let capacity = problem.capacity(*next)[at];
                if host == usize::MAX || capacity > first {
                    (*next, capacity, first)
                } else {
                    (host, first, second.max(capacity))
                }
            })
        })
        .collect()
}

fn largest_without(top: &[(usize, i64, i64)], at: usize, host: usize) -> i64 {
    if top[at].0 == host { top[at].2 } else { top[at].1 }
}

/// A VM that fits nowhere, or nowhere but on one host, which then can never be emptied.
fn vm_without_way_out(problem: &Problem<'_>) -> Option<String> {
    for vm in 0..problem.vms() {
        let mut fitting = problem
            .alive
            .iter()
            .filter(|host| problem.fits_empty(vm, **host) && problem.may_stand(vm, **host));
        let name = || problem.instance.vm_name(vm);
        match (fitting.next(), fitting.next()) {
            (None, _) => {
                return Some(format!(
                    "VM {} fits on no host that it may stand on, even an empty one",
                    name()
                ));
            }
            (Some(only), None) => {
                let (vm, only) = (name(), problem.instance.host_name(*only));
                return Some(format!(
                    "VM {vm} can only be on host {only}, which therefore can never be emptied"
                ));
            }
            _ => {}
        }
    }
    None
}

/// A part that some VMs cannot leave.
struct Forced {
    vms: usize,
    hosts: Vec<usize>,
    total: Vec<i64>,
    needed: Vec<i64>,
}

fn forced_parts(problem: &Problem<'_>) -> Vec<Forced> {
    let usable = usable_parts(problem);
    let mut vms_of: Vec<Vec<usize>> = vec![Vec::new(); problem.parts.len()];
    for among in &problem.instance.among {
        // A group whose other parts have no host left is bound as well.
        let open: Vec<usize> = among.parts.iter().copied().filter(|part| usable[*part]).take(2).collect();
        if let [part] = open[..] {
            vms_of[part].extend(&among.vms);
        }
    }
    let mut forced = Vec::new();
    for (part, mut vms) in vms_of.into_iter().enumerate() {
        if vms.is_empty() {
            continue;
        }
        vms.sort_unstable();
        vms.dedup();
        let hosts: Vec<usize> =
            problem.alive.iter().copied().filter(|host| problem.parts[part].has(*host)).collect();
        let sum = |of: &[usize], amounts: &dyn Fn(usize) -> i64| of.iter().map(|it| amounts(*it)).sum();
        let total = (0..problem.width).map(|at| sum(&hosts, &|host| problem.capacity(host)[at])).collect();
        let needed = (0..problem.width).map(|at| sum(&vms, &|vm| problem.demand(vm)[at])).collect();
        forced.push(Forced { vms: vms.len(), hosts, total, needed });
    }
    forced
}

/// All bounds that cost no search. Call only when [`impossible`] found nothing.
pub(super) fn cheap(problem: &Problem<'_>) -> Bounds {
    let hosts = problem.alive.len();
    let mut bounds = Bounds::new();
    if hosts == 0 {
        return bounds;
    }
    let most = most_hosts_away(problem);
    bounds.insert("concurrency", problem.instance.max_hosts_per_wave.map_or(1, |most| hosts.div_ceil(most)));
    bounds.insert("hosts_per_wave", hosts.div_ceil(most.max(1)));
    if problem.vms() > 0 {
        let rest = hosts.saturating_sub(problem.largest_apart.max(1)).max(1);
        bounds.insert("anti_affinity", hosts.div_ceil(rest));
        let slack: Vec<i64> = slack(problem, most);
        let mut capacity =
            (0..problem.width).map(|at| quotient(problem.total[at], slack[at])).max().unwrap_or(1);
        for forced in forced_parts(problem) {
            for at in 0..problem.width {
                capacity = capacity.max(quotient(forced.total[at], forced.total[at] - forced.needed[at]));
            }
        }
        bounds.insert("capacity", capacity.max(1));
        let items = |at: usize| problem.alive.iter().map(|host| problem.capacity(*host)[at]).collect();
        let packing = (0..problem.width).map(|at| martello_toth(items(at), slack[at])).max().unwrap_or(1);
        bounds.insert("packing", packing.max(1));
    }
    bounds
}

/// How much capacity can be away at a time, by resource. With N+1 the largest of the remaining hosts is held back, and
/// when at most `most` hosts are away that is no smaller than the one after the `most` largest.
fn slack(problem: &Problem<'_>, most: usize) -> Vec<i64> {
    (0..problem.width)
        .map(|at| {
            let mut reserve = 0;
            if problem.instance.n_plus_one {
                let mut sizes: Vec<i64> =
                    problem.alive.iter().map(|host| problem.capacity(*host)[at]).collect();
                sizes.sort_unstable_by(|a, b| b.cmp(a));
                reserve = sizes.get(most).or(sizes.last()).copied().unwrap_or(0);
            }
            problem.total[at] - problem.needed[at] - reserve
        })
        .collect()
}

/// Most hosts that any wave can have: the smallest ones, as far as each resource alone allows.
fn most_hosts_away(problem: &Problem<'_>) -> usize {
    let hosts = problem.alive.len();
    if problem.vms() == 0 {
        return problem.instance.max_hosts_per_wave.unwrap_or(hosts).min(hosts);
    }
    let mut most = hosts.saturating_sub(problem.largest_apart.max(1));
    most = most.min(problem.instance.max_hosts_per_wave.unwrap_or(hosts));
    let sorted: Vec<Vec<i64>> = (0..problem.width)
        .map(|at| {
            let mut sizes: Vec<i64> = problem.alive.iter().map(|host| problem.capacity(*host)[at]).collect();
            sizes.sort_unstable();
            sizes
        })
        .collect();
    loop {
        let slack = slack(problem, most);
        let fits = |at: usize| {
            let sums = sorted[at].iter().scan(0i64, |sum, size| {
                *sum += size;
                Some(*sum)
            });
            sums.take_while(|sum| *sum <= slack[at]).count()
        };
        // Fewer hosts away mean a larger reserve: again until nothing changes.
        let next = (0..problem.width).map(fits).min().unwrap_or(hosts).min(most).max(1);
        if next >= most || !problem.instance.n_plus_one {
            return next;
        }
        most = next;
    }
}

fn quotient(total: i64, slack: i64) -> usize {
    if total <= 0 || slack <= 0 {
        return 1;
    }
    usize::try_from(total.div_euclid(slack) + i64::from(total % slack != 0)).unwrap_or(1)
}

/// Martello and Toth's L2: for a threshold `k`, items above `bin - k` are alone, those above half of the bin take one bin
/// each and can be filled up only by those from `k` to half.
fn martello_toth(mut items: Vec<i64>, bin: i64) -> usize {
    if bin <= 0 {
        return 1;
    }
    items.retain(|it| *it > 0);
    items.sort_unstable_by(|a, b| b.cmp(a));
    let mut sums = vec![0i64];
    for item in &items {
        sums.push(sums.last().copied().unwrap_or(0) + item);
    }
    let above = |limit: i64| items.partition_point(|it| *it > limit);
    let halves = above(bin / 2);
    let mut thresholds: Vec<i64> = items.iter().copied().filter(|it| *it <= bin / 2).collect();
    thresholds.push(0);
    thresholds.dedup();
    let bound = |k: i64| {
        let alone = above(bin - k);
        let until = items.partition_point(|it| *it >= k.max(1)).max(halves);
        let room = i64::try_from(halves - alone).unwrap_or(0) * bin - (sums[halves] - sums[alone]);
        let rest = sums[until] - sums[halves] - room;
        halves + if rest > 0 { quotient(rest, bin) } else { 0 }
    };
    thresholds.into_iter().map(bound).max().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn martello_and_toth_see_more_than_the_sum() {
        // Three items over half of the bin: the sum says 2.
        assert_eq!(martello_toth(vec![6, 6, 6], 10), 3);
        assert_eq!(martello_toth(vec![5, 5, 5, 5], 10), 2);
        // 7 and 7 leave 3 each: of the 4s none fits there.
        assert_eq!(martello_toth(vec![7, 7, 4, 4], 10), 3);
        assert_eq!(martello_toth(vec![9, 1, 1], 10), 2);
        assert_eq!(martello_toth(Vec::new(), 10), 1);
    }
}
