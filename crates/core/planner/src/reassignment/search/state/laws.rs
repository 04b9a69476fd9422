//! Conflict, spread and dependency, by counts of services on machines, in locations and in neighbourhoods.

use super::State;
use crate::reassignment::search::layout::NONE;

/// A row of a service in a neighbourhood.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    /// Its processes there.
    processes: u32,
    /// Services that it depends on and that have no process there.
    pub(super) missing: u32,
    /// Services that depend on it and have a process there.
    dependants: u32,
}

impl State<'_> {
    fn is_present(&self, row: u32, machine: u32) -> bool {
        self.present[row as usize * self.present_words + machine as usize / 64] >> (machine % 64) & 1 == 1
    }

    fn around(&self, row: u32, neighbourhood: u32) -> Around {
        self.around[row as usize * self.layout.neighbourhoods + neighbourhood as usize]
    }

    /// Whether a process of the same service is on a machine.
    pub(super) fn conflicts(&self, process: u32, to: u32) -> bool {
        let conflict = self.layout.conflict_row[self.layout.service[process as usize] as usize];
        conflict != NONE && self.is_present(conflict, to)
    }

    /// Change of the number of locations and dependencies that are missing when a process goes to another machine, all
    /// others staying.
    pub(super) fn law_change(&self, process: u32, to: u32) -> i64 {
        let layout = self.layout;
        let from = self.machine_of[process as usize];
        let service = layout.service[process as usize] as usize;
        let mut change = 0;
        let spread = layout.spread_row[service];
        if spread != NONE {
            let (old, new) = (layout.location[from as usize], layout.location[to as usize]);
            if old != new {
                let count = |at: u32| self.in_location[spread as usize * layout.locations + at as usize];
                let used = i64::from(self.used_locations[spread as usize]);
                let then = used - i64::from(count(old) == 1) + i64::from(count(new) == 0);
                let least = i64::from(layout.spread_min[service]);
                change += (least - then).max(0) - (least - used).max(0);
            }
        }
        let row = layout.dependency_row[service];
        if row != NONE {
            let (old, new) = (layout.neighbourhood[from as usize], layout.neighbourhood[to as usize]);
            if old != new {
                let (left, entered) = (self.around(row, old), self.around(row, new));
                if left.processes == 1 {
                    change += i64::from(left.dependants) - i64::from(left.missing);
                }
                if entered.processes == 0 {
                    change += i64::from(entered.missing) - i64::from(entered.dependants);
                }
            }
        }
        change
    }

    /// What `law_change` of two processes that change places does not see of each other: where one service appears as the other
    /// vanishes, a need between them is either met once, not twice, or not met after all.
    pub(super) fn law_change_between(&self, one: u32, other: u32) -> i64 {
        let layout = self.layout;
        let row = |process: u32| layout.dependency_row[layout.service[process as usize] as usize];
        let (first, second) = (row(one), row(other));
        if first == NONE || second == NONE {
            return 0;
        }
        let at = |process: u32| layout.neighbourhood[self.machine_of[process as usize] as usize];
        let (here, there) = (at(one), at(other));
        if here == there {
            return 0;
        }
        let turns = |leaving: u32, entering: u32, at: u32| {
            self.around(leaving, at).processes == 1 && self.around(entering, at).processes == 0
        };
        let places = i64::from(turns(first, second, here)) + i64::from(turns(second, first, there));
        if places == 0 {
            return 0;
        }
        let needs = |who: u32, whom: u32| i64::from(layout.needs.of(who).binary_search(&whom).is_ok());
        places * (needs(first, second) + needs(second, first))
    }

    /// Notes that a service has a process on a machine.
    pub(super) fn mark(&mut self, service: usize, machine: u32) {
        let conflict = self.layout.conflict_row[service];
        if conflict != NONE {
            self.present[conflict as usize * self.present_words + machine as usize / 64] |=
                1 << (machine % 64);
        }
    }

    pub(super) fn enter_service(&mut self, process: u32, machine: u32) {
        let layout = self.layout;
        let service = layout.service[process as usize] as usize;
        self.mark(service, machine);
        let spread = layout.spread_row[service];
        if spread != NONE {
            let at = spread as usize * layout.locations + layout.location[machine as usize] as usize;
            self.used_locations[spread as usize] += u32::from(self.in_location[at] == 0);
            self.in_location[at] += 1;
        }
        let row = layout.dependency_row[service];
        if row != NONE {
            let at = layout.neighbourhood[machine as usize] as usize;
            let around = &mut self.around[row as usize * layout.neighbourhoods + at];
            around.processes += 1;
            if around.processes == 1 {
                self.appears(row, at, true);
            }
        }
    }

    pub(super) fn leave_service(&mut self, process: u32, machine: u32) {
        let layout = self.layout;
        let service = layout.service[process as usize] as usize;
        let conflict = layout.conflict_row[service];
        if conflict != NONE {
            self.present[conflict as usize * self.present_words + machine as usize / 64] &=
                !(1 << (machine % 64));
        }
        let spread = layout.spread_row[service];
        if spread != NONE {
            let at = spread as usize * layout.locations + layout.location[machine as usize] as usize;
            self.in_location[at] -= 1;
            self.used_locations[spread as usize] -= u32::from(self.in_location[at] == 0);
        }
        let row = layout.dependency_row[service];
        if row != NONE {
            let at = layout.neighbourhood[machine as usize] as usize;
            let around = &mut self.around[row as usize * layout.neighbourhoods + at];
            around.processes -= 1;
            if around.processes == 0 {
                self.appears(row, at, false);
            }
        }
    }

    /// A service is now in a neighbourhood, or no more.
    fn appears(&mut self, row: u32, neighbourhood: usize, now: bool) {
        let layout = self.layout;
        for other in layout.needed_by.of(row) {
            let missing = &mut self.around[*other as usize * layout.neighbourhoods + neighbourhood].missing;
            *missing = if now { *missing - 1 } else { *missing + 1 };
        }
        for other in layout.needs.of(row) {
            let dependants =
                &mut self.around[*other as usize * layout.neighbourhoods + neighbourhood].dependants;
            *dependants = if now { *dependants + 1 } else { *dependants - 1 };
        }
    }
}
