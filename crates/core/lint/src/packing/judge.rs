//! Where no placement was found: is there none, and how many must be lost? What is counted before the plan and later is compared, so
//! it is the fewest that a small search finds, and beside it stands what is proven of every placement.

use crate::affinity::Affinities;
use crate::needs::Offered;
use crate::room::KINDS;
use crate::state::{Guest, State};
use crate::world::{NONE, ix};

use super::{Free, MOST_ITEMS, MOST_NODES, Packed, Packer, shift};

impl Packer<'_, '_> {
    /// How many are lost for certain, and whether fewer than were found.
    pub(super) fn judge(
        &mut self,
        state: &State,
        affinities: &Affinities,
        enough: Option<usize>,
        packed: &mut Packed,
    ) {
        let mut best = self.targets();
        self.clear(state);
        let mut smallest = self.open();
        smallest.reverse();
        self.best_fit(state, affinities, smallest);
        self.keep_better(&mut best);
        self.clear(state);
        self.relaxed = true;
        packed.short_mib = self.short_mib(state);
        packed.least = self.least_lost(state, affinities);
        self.relaxed = false;
        if packed.least == 0 {
            match self.exhaust(state, affinities, 0) {
                Some(true) => return,
                exhausted => {
                    self.clear(state);
                    self.relaxed = true;
                    // On hosts that may do, but of which not everything is known, there may be a place for all.
                    if self.first_fit(state, affinities) || self.afresh(state, affinities) {
                        packed.relaxed = true;
                        packed.doubtful = self.without(&best);
                        return;
                    }
                    self.relaxed = false;
                    packed.least = usize::from(exhausted == Some(false) && !self.knows_less(state));
                }
            }
        }
        self.lose_fewer(state, affinities, enough, packed, &mut best);
        for (item, target) in self.items.iter_mut().zip(best) {
            item.target = target;
        }
    }

    /// Tries everything for a placement that loses one fewer than is known, one after the other from what must be lost.
    fn lose_fewer(
        &mut self,
        state: &State,
        affinities: &Affinities,
        enough: Option<usize>,
        packed: &mut Packed,
        best: &mut Vec<u32>,
    ) {
        let mut spare = packed.least.max(enough.unwrap_or(0)).max(1);
        while self.lost(best) > spare && enough.is_none_or(|it| it == spare) {
            match self.exhaust(state, affinities, spare) {
                Some(true) => return self.keep_better(best),
                Some(false) if self.knows_less(state) => return,
                Some(false) => spare += 1,
                None => return,
            }
            packed.least = packed.least.max(spare);
        }
    }

    fn targets(&self) -> Vec<u32> {
        self.items.iter().map(|it| it.target).collect()
    }

    /// Guests that have no target.
    fn lost(&self, targets: &[u32]) -> usize {
        self.items.iter().zip(targets).filter(|it| *it.1 == NONE).map(|it| it.0.count).sum()
    }

    fn keep_better(&self, best: &mut Vec<u32>) {
        let found = self.targets();
        if self.lost(&found) < self.lost(best) {
            *best = found;
        }
    }

    /// Memory that is missing in all.
    fn short_mib(&self, state: &State) -> i64 {
        let mut short: Free = [0; KINDS];
        self.items.iter().for_each(|it| shift(&mut short, &it.need, 1));
        shift(&mut short, &self.room(state), -1);
        short.first().copied().unwrap_or(0).max(0)
    }

    /// What all candidates have left, in sum.
    fn room(&self, state: &State) -> Free {
        let mut room: Free = [0; KINDS];
        for left in self.candidates.iter().filter_map(|it| self.left(state, *it)) {
            shift(&mut room, &left.map(|it| it.max(0)), 1);
        }
        room
    }

    /// Guests that no host has room for, even alone, and items that must stay behind for the sums to hold.
    fn least_lost(&mut self, state: &State, affinities: &Affinities) -> usize {
        let hosts = self.candidates.clone();
        let (mut nowhere, mut others) = (0, Vec::new());
        for item in 0..self.items.len() {
            if hosts.iter().any(|host| self.has_room(state, affinities, item, *host)) {
                others.push(item);
            } else {
                nowhere += self.items.get(item).map_or(0, |it| it.count);
            }
        }
        nowhere + self.beyond_sums(state, &others)
    }

    /// The fewest items that must stay behind for the others to need no more than there is: the largest, resource by resource.
    fn beyond_sums(&self, state: &State, items: &[usize]) -> usize {
        let room = self.room(state);
        let mut most = 0;
        for (kind, room) in room.iter().enumerate() {
            let of = |it: &usize| self.items.get(*it).and_then(|it| it.need.get(kind)).copied();
            let mut needs: Vec<i64> = items.iter().filter_map(of).collect();
            needs.sort_unstable();
            let mut over = needs.iter().fold(0_i64, |sum, it| sum.saturating_add(*it)).saturating_sub(*room);
            let mut behind = 0;
            while let Some(largest) = needs.pop().filter(|_| over > 0) {
                over = over.saturating_sub(largest);
                behind += 1;
            }
            most = most.max(behind);
        }
        most
    }

    /// Guests that have no target, sorted.
    fn without(&self, targets: &[u32]) -> Vec<u32> {
        let open = self.items.iter().zip(targets).filter(|it| *it.1 == NONE).map(|it| it.0);
        let members = open.flat_map(|it| self.members.get(it.first..it.first + it.count).unwrap_or_default());
        let mut members: Vec<u32> = members.copied().collect();
        members.sort_unstable();
        members
    }

    /// Some candidate has facts that are not known.
    fn knows_less(&mut self, state: &State) -> bool {
        let guests: Vec<Guest> =
            self.members.iter().filter_map(|it| state.guests.get(ix(*it))).cloned().collect();
        let hosts: Vec<u32> = self.candidates.clone();
        hosts.iter().filter_map(|it| state.stations.get(ix(*it))).any(|it| {
            let host = it.host;
            it.room.iter().any(Option::is_none)
                || guests.iter().any(|guest| self.offered(guest, host) == Offered::Unknown)
        })
    }

    /// Tries every placement but for so many guests: `None` where there are too many.
    fn exhaust(&mut self, state: &State, affinities: &Affinities, spare: usize) -> Option<bool> {
        self.clear(state);
        let open = self.open();
        if open.len() > MOST_ITEMS {
            return None;
        }
        let mut nodes = MOST_NODES.min(u32::try_from(self.nodes_left).unwrap_or(MOST_NODES));
        let allowed = nodes;
        let found = self.descend(state, affinities, &open, spare, &mut nodes);
        self.nodes_left -= u64::from(allowed - nodes);
        found
    }

    fn descend(
        &mut self,
        state: &State,
        affinities: &Affinities,
        open: &[usize],
        spare: usize,
        nodes: &mut u32,
    ) -> Option<bool> {
        let Some((&item, rest)) = open.split_first() else { return Some(true) };
        if self.beyond_sums(state, open) > spare {
            return Some(false);
        }
        for at in 0..self.candidates.len() {
            let Some(&host) = self.candidates.get(at) else { break };
            *nodes = nodes.checked_sub(1)?;
            if !self.has_room(state, affinities, item, host) {
                continue;
            }
            self.put(item, host);
            if self.descend(state, affinities, rest, spare, nodes)? {
                return Some(true);
            }
            self.take(item);
        }
        let spare = self.items.get(item).and_then(|it| spare.checked_sub(it.count));
        spare.map_or(Some(false), |spare| self.descend(state, affinities, rest, spare, nodes))
    }
}
