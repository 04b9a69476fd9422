//! Room that is made on a host by moving guests of its own away: for a guest that finds no place although the sums would do.

use super::leave::{Departure, Leaving};
use super::room::{Free, KINDS, signed};

/// Hosts on which room is looked for: those that lack least.
pub(super) const MOST_HOSTS: usize = 16;
/// Guests that are moved for one that comes.
pub(super) const MOST_MOVED: usize = 3;

impl Leaving<'_, '_, '_> {
    /// Moves guests of another host so that a unit fits there; the moves and the host. Nothing has changed where there are none.
    pub(super) fn make_room(&mut self, host: u32, unit: &[u32]) -> Option<(Vec<Departure>, u32)> {
        if !self.relocates {
            return None;
        }
        let need = self.need(unit);
        let lacking = |free: Free| (0..KINDS).map(|it| (need[it] - free[it]).max(0)).collect::<Vec<_>>();
        let mut candidates: Vec<(Vec<i64>, u32)> = self
            .rooms
            .hosts()
            .filter(|&to| self.open(host, to) && unit.iter().all(|&it| self.takes(it, to)))
            .map(|to| (lacking(self.rooms.free(to)), to))
            .collect();
        candidates.sort_unstable();
        candidates.truncate(MOST_HOSTS);
        candidates.into_iter().find_map(|(_, to)| Some((self.clear(host, to, unit, need)?, to)))
    }

    /// Moves guests away from `to`, neither to where the unit comes from nor to hosts of the wave, until the unit fits: one that
    /// suffices rather than several.
    fn clear(&mut self, host: u32, to: u32, unit: &[u32], need: Free) -> Option<Vec<Departure>> {
        let was_shut = self.rooms.is_shut(host);
        // The host that is emptied takes nobody meanwhile.
        self.rooms.shut(host, true);
        let mut made: Vec<Departure> = Vec::new();
        while made.len() < MOST_MOVED && !self.fits(to, need) {
            let Some(next) = self.next(to, need) else { break };
            self.rooms.go(next.guest, next.to);
            made.push(next);
        }
        self.rooms.shut(host, was_shut);
        // Those that went elsewhere may be ones that an application counted on.
        if self.fits(to, need) && unit.iter().all(|&it| self.takes(it, to)) {
            return Some(made);
        }
        self.rooms.undo(&made);
        None
    }

    fn fits(&self, host: u32, need: Free) -> bool {
        let free = self.rooms.free(host);
        (0..KINDS).all(|it| free[it] >= need[it])
    }

    /// The smallest guest whose leaving suffices, else the largest; with where it goes.
    pub(super) fn next(&self, from: u32, need: Free) -> Option<Departure> {
        let facts = self.rooms.facts;
        let free = self.rooms.free(from);
        let mut movable: Vec<(bool, u64, u32)> = self
            .rooms
            .guests_on(from)
            .iter()
            .copied()
            .filter_map(|it| {
                let demand = facts.guests[it as usize].demand?;
                let then = |at: usize| free[at].saturating_add(signed(demand[at]));
                let enough = (0..KINDS).all(|at| then(at) >= need[at]);
                Some((!enough, if enough { demand[0] } else { u64::MAX - demand[0] }, it))
            })
            .collect();
        movable.sort_unstable();
        movable.into_iter().find_map(|(_, _, guest)| self.goes(from, guest))
    }
}
