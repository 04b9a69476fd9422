//! Fewer moves in a schedule that stands: one VM after the other takes its best way through the waves, the others
//! staying as they are.

use super::problem::{NONE, Problem};

/// Most times that all VMs are gone through.
const ROUNDS: usize = 8;

/// The placements of a schedule, with what is left on each host.
struct Ways<'p, 'a> {
    problem: &'p Problem<'a>,
    /// Hosts away, by wave.
    away: Vec<Vec<bool>>,
    placements: Vec<Vec<u32>>,
    free: Vec<Vec<i64>>,
    /// Members of each group to keep apart.
    apart: Vec<Vec<usize>>,
}

/// Changes the placements of the waves so that fewer VMs move. Every placement stays allowed.
pub(super) fn fewer(
    problem: &Problem<'_>,
    partition: &[Vec<usize>],
    placements: Vec<Vec<u32>>,
) -> Vec<Vec<u32>> {
    let mut ways = Ways::new(problem, partition, placements);
    for _ in 0..ROUNDS {
        let mut changed = false;
        for vm in 0..problem.vms() {
            changed |= ways.improve(vm);
        }
        if !changed {
            break;
        }
    }
    ways.placements
}

impl<'p, 'a> Ways<'p, 'a> {
    fn new(problem: &'p Problem<'a>, partition: &[Vec<usize>], placements: Vec<Vec<u32>>) -> Self {
        let away = partition.iter().map(|wave| {
            let mut away: Vec<bool> = problem.instance.hosts.iter().map(|host| host.away).collect();
            wave.iter().for_each(|host| away[*host] = true);
            away
        });
        let free = placements.iter().map(|placement| {
            let mut free = problem.capacity.clone();
            for (vm, host) in placement.iter().enumerate() {
                for (at, amount) in problem.demand(vm).iter().enumerate() {
                    free[*host as usize * problem.width + at] -= amount;
                }
            }
            free
        });
        let mut apart = vec![Vec::new(); problem.instance.apart.len()];
        for (vm, groups) in problem.apart_of.iter().enumerate() {
            groups.iter().for_each(|group| apart[*group as usize].push(vm));
        }
        Self { problem, away: away.collect(), free: free.collect(), placements, apart }
    }

    /// The VM may stand on the host in that wave, all others staying where they are.
    fn may(&self, vm: usize, wave: usize, host: usize) -> bool {
        let problem = self.problem;
        let placement = &self.placements[wave];
        if placement[vm] as usize == host {
            return true;
        }
        let room = &self.free[wave][host * problem.width..(host + 1) * problem.width];
        let others = |group: &u32| {
            self.apart[*group as usize].iter().all(|other| *other == vm || placement[*other] as usize != host)
        };
        let together = |group: &u32| {
            let among = &problem.instance.among[*group as usize];
            among.parts.iter().map(|part| &problem.parts[*part]).any(|part| {
                part.has(host)
                    && among.vms.iter().all(|other| *other == vm || part.has(placement[*other] as usize))
            })
        };
        !self.away[wave][host]
            && problem.demand(vm).iter().zip(room).all(|(need, has)| need <= has)
            && problem.apart_of[vm].iter().all(others)
            && problem.among_of[vm].iter().all(together)
    }

    /// The way with the fewest changes of host, if it has fewer than now.
    fn improve(&mut self, vm: usize) -> bool {
        let start = self.problem.instance.vms[vm].host;
        let waves = self.placements.len();
        let mut changes = 0;
        let mut last = start;
        for placement in &self.placements {
            let here = placement[vm] as usize;
            changes += usize::from(last.is_some_and(|it| it != here));
            last = Some(here);
        }
        // A host that is not away holds the VM for as long as it may: to go as far as possible with each host is best.
        let mut way: Vec<usize> = Vec::with_capacity(waves);
        let mut cost = 0;
        let mut here = start;
        while way.len() < waves {
            let wave = way.len();
            let reach = |host: usize| (wave..waves).take_while(|it| self.may(vm, *it, host)).count();
            let stay = here.map_or(0, reach);
            if stay > 0 {
                way.extend(here.into_iter().cycle().take(stay));
                continue;
            }
            let best = self.problem.alive.iter().map(|host| (reach(*host), *host));
            let Some((far, host)) = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))) else {
                return false;
            };
            if far == 0 {
                return false;
            }
            cost += usize::from(here.is_some());
            way.extend(std::iter::repeat_n(host, far));
            here = Some(host);
        }
        if cost >= changes {
            return false;
        }
        for (wave, host) in way.into_iter().enumerate() {
            self.put(vm, wave, host);
        }
        true
    }

    fn put(&mut self, vm: usize, wave: usize, host: usize) {
        let width = self.problem.width;
        let from = self.placements[wave][vm] as usize;
        for (at, amount) in self.problem.demand(vm).iter().enumerate() {
            self.free[wave][from * width + at] += amount;
            self.free[wave][host * width + at] -= amount;
        }
        self.placements[wave][vm] = u32::try_from(host).unwrap_or(NONE);
    }
}
