//! The conflict graph and its colouring: DSATUR (Brélaz 1979) and two greedy orders, the best for each connected component.

use std::collections::BTreeSet;

use super::GroupInstance;

/// Steps of the exhaustive colouring of one component.
const STEPS: usize = 20_000;

/// Which hosts may not be away together.
#[derive(Debug)]
pub(super) struct Conflicts {
    /// Neighbours of each host, ascending.
    of: Vec<Vec<u32>>,
}

impl Conflicts {
    pub(super) fn new(instance: &GroupInstance, hosts: &[usize]) -> Self {
        let count = instance.hosts.len();
        let mut wanted = vec![false; count];
        hosts.iter().for_each(|host| wanted[*host] = true);
        let mut of: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut join = |a: usize, b: usize| {
            if a != b && wanted[a] && wanted[b] {
                of[a].push(small(b));
                of[b].push(small(a));
            }
        };
        let mut primaries: Vec<Vec<usize>> = vec![Vec::new(); count];
        for vm in &instance.vms {
            if let (Some(primary), Some(secondary)) = (vm.primary, vm.secondary)
                && primary < count
                && secondary < count
            {
                join(primary, secondary);
                primaries[secondary].push(primary);
            }
        }
        if !instance.offline_maintenance {
            for list in &mut primaries {
                list.sort_unstable();
                list.dedup();
                for (at, one) in list.iter().enumerate() {
                    list.iter().skip(at + 1).for_each(|other| join(*one, *other));
                }
            }
        }
        for list in &mut of {
            list.sort_unstable();
            list.dedup();
        }
        Self { of }
    }

    pub(super) fn between(&self, a: usize, b: usize) -> bool {
        self.of[a].binary_search(&small(b)).is_ok()
    }

    /// The size of a clique, found greedily from each of the hosts with most neighbours: a lower bound on the colours.
    pub(super) fn clique(&self, hosts: &[usize]) -> usize {
        let mut starts = hosts.to_vec();
        starts.sort_by_key(|host| (std::cmp::Reverse(self.of[*host].len()), *host));
        let grow = |start: &usize| {
            let mut clique = vec![*start];
            let mut near: Vec<usize> = self.of[*start].iter().map(|it| *it as usize).collect();
            near.sort_by_key(|host| (std::cmp::Reverse(self.of[*host].len()), *host));
            for host in near {
                if clique.iter().all(|other| self.between(host, *other)) {
                    clique.push(host);
                }
            }
            clique.len()
        };
        starts.iter().take(64).map(grow).max().unwrap_or(0)
    }

    fn components(&self, hosts: &[usize]) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.of.len()];
        let mut components = Vec::new();
        for host in hosts {
            if seen[*host] {
                continue;
            }
            seen[*host] = true;
            let mut component = vec![*host];
            let mut at = 0;
            while let Some(here) = component.get(at).copied() {
                at += 1;
                for next in &self.of[here] {
                    let next = *next as usize;
                    if !seen[next] {
                        seen[next] = true;
                        component.push(next);
                    }
                }
            }
            component.sort_unstable();
            components.push(component);
        }
        components
    }
}

fn small(host: usize) -> u32 {
    u32::try_from(host).unwrap_or(u32::MAX)
}

/// Colour classes of all hosts: the components are coloured each by itself, and their classes put together.
pub(super) fn classes(conflicts: &Conflicts, hosts: &[usize]) -> Vec<Vec<usize>> {
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for component in conflicts.components(hosts) {
        let mut own = best(conflicts, &component);
        // The largest class of the component to the largest of the whole: few large groups, and a short last one.
        own.sort_by_key(|class| std::cmp::Reverse(class.len()));
        for (at, class) in own.into_iter().enumerate() {
            match classes.get_mut(at) {
                Some(whole) => whole.extend(class),
                None => classes.push(class),
            }
        }
    }
    classes
}

fn best(conflicts: &Conflicts, component: &[usize]) -> Vec<Vec<usize>> {
    let clique = conflicts.clique(component);
    let mut best = dsatur(conflicts, component);
    for order in [largest_first(conflicts, component), smallest_last(conflicts, component)] {
        if best.len() == clique {
            return best;
        }
        let other = greedy(conflicts, &order);
        if other.len() < best.len() {
            best = other;
        }
    }
    while best.len() > clique && component.len() <= 200 {
        match fewer(conflicts, component, best.len() - 1) {
            Some(other) => best = other,
            None => break,
        }
    }
    best
}

/// The host whose neighbours have most colours already gets the first that is free.
fn dsatur(conflicts: &Conflicts, component: &[usize]) -> Vec<Vec<usize>> {
    let count = conflicts.of.len();
    let mut colour = vec![usize::MAX; count];
    let mut seen: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
    let key = |host: usize, seen: &[BTreeSet<usize>]| {
        (seen[host].len(), conflicts.of[host].len(), usize::MAX - host)
    };
    let mut queue: BTreeSet<(usize, usize, usize)> = component.iter().map(|host| key(*host, &seen)).collect();
    let mut classes: Vec<Vec<usize>> = Vec::new();
    while let Some((_, _, inverse)) = queue.pop_last() {
        let host = usize::MAX - inverse;
        let free = (0..).find(|it| !seen[host].contains(it)).unwrap_or(0);
        colour[host] = free;
        if free == classes.len() {
            classes.push(Vec::new());
        }
        classes[free].push(host);
        for next in &conflicts.of[host] {
            let next = *next as usize;
            if colour[next] == usize::MAX && !seen[next].contains(&free) {
                queue.remove(&key(next, &seen));
                seen[next].insert(free);
                queue.insert(key(next, &seen));
            }
        }
    }
    classes
}

fn largest_first(conflicts: &Conflicts, component: &[usize]) -> Vec<usize> {
    let mut order = component.to_vec();
    order.sort_by_key(|host| (std::cmp::Reverse(conflicts.of[*host].len()), *host));
    order
}

fn smallest_last(conflicts: &Conflicts, component: &[usize]) -> Vec<usize> {
    let mut degree: Vec<usize> = conflicts.of.iter().map(Vec::len).collect();
    let mut queue: BTreeSet<(usize, usize)> = component.iter().map(|host| (degree[*host], *host)).collect();
    let mut order = Vec::new();
    while let Some((_, host)) = queue.pop_first() {
        order.push(host);
        for next in &conflicts.of[host] {
            let next = *next as usize;
            if queue.remove(&(degree[next], next)) {
                degree[next] -= 1;
                queue.insert((degree[next], next));
            }
        }
    }
    order.reverse();
    order
}

fn greedy(conflicts: &Conflicts, order: &[usize]) -> Vec<Vec<usize>> {
    let mut colour = vec![usize::MAX; conflicts.of.len()];
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for host in order {
        let taken: BTreeSet<usize> = conflicts.of[*host].iter().map(|next| colour[*next as usize]).collect();
        let free = (0..).find(|it| !taken.contains(it)).unwrap_or(0);
        if free == classes.len() {
            classes.push(Vec::new());
        }
        colour[*host] = free;
        classes[free].push(*host);
    }
    classes
}

/// A colouring with so many colours, by backtracking within a number of steps.
fn fewer(conflicts: &Conflicts, component: &[usize], colours: usize) -> Option<Vec<Vec<usize>>> {
    let order = largest_first(conflicts, component);
    let mut colour = vec![usize::MAX; conflicts.of.len()];
    let mut used = vec![0usize; order.len() + 1];
    let mut next_colour = vec![0usize; order.len() + 1];
    let mut at = 0;
    for _ in 0..STEPS {
        let Some(host) = order.get(at).copied() else {
            let mut classes = vec![Vec::new(); colours];
            order.iter().for_each(|host| classes[colour[*host]].push(*host));
            classes.retain(|class: &Vec<usize>| !class.is_empty());
            return Some(classes);
        };
        colour[host] = usize::MAX;
        let taken = |it: usize| conflicts.of[host].iter().any(|next| colour[*next as usize] == it);
        // A colour that none has yet is as good as any other such one.
        let end = (used[at] + 1).min(colours);
        match (next_colour[at]..end).find(|it| !taken(*it)) {
            Some(chosen) => {
                colour[host] = chosen;
                next_colour[at] = chosen + 1;
                used[at + 1] = used[at].max(chosen + 1);
                at += 1;
                next_colour[at] = 0;
            }
            None if at == 0 => return None,
            None => at -= 1,
        }
    }
    None
}
