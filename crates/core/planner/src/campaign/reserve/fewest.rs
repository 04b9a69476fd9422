//! The fewest guests without a place. By the largest first one large guest may take what six small ones would fit in: a count that is
//! compared must be of a placement that loses few, and what it is compared with must be proven.

use super::{Free, KINDS, Rooms, Searched, Unit, fits, signed, take};

/// Placements of single units that a search may try once the quick ones have failed: at the start, where what it misses would be
/// taken for broken, and later, where it would only be cautious and is asked often.
const MOST_TRIED_AT_START: u32 = 20_000;
const MOST_TRIED: u32 = 1_000;
/// Most units for which everything is tried. Of more, so many are lost for certain as the sums say and as fit on no host alone.
const MOST_UNITS: usize = 24;

/// Positions of units by what they need of each resource for one guest, the least first.
type Orders = [Vec<usize>; KINDS];

/// A search through all placements.
struct Trial<'u> {
    units: &'u [Unit],
    orders: Orders,
    left: Vec<Free>,
    given: Vec<(u32, u32)>,
    /// Places that may still be tried.
    tries: u32,
}

impl Rooms<'_, '_> {
    /// Places the guests of a failure set on what remains: the largest first, each where least is left over; then where most is
    /// left over; then the smallest first; then, where they are few, everything, until so many as are `enough` have no place, or,
    /// where nobody says, until nobody could lose fewer.
    pub(super) fn search(&self, failed: &[u32], open: &[Free], enough: Option<u32>) -> Searched {
        let units = self.units(self.failing(failed));
        let remaining = self.remaining(failed, open);
        let attempt = |units: &[Unit], tight: bool| {
            let (mut left, mut given) = (remaining.clone(), Vec::new());
            let missing = self.place(units, tight, &mut left, &mut given);
            (given, missing)
        };
        let (mut given, mut missing) = attempt(&units, true);
        let mut least = 0;
        for way in 0..=KINDS {
            let Some(first) = missing.filter(|it| it.0 > enough.unwrap_or(0)) else { break };
            let other = match way.checked_sub(1) {
                None => attempt(&units, false),
                Some(resource) if units.iter().all(|it| it.0[resource] == 0) => continue,
                Some(resource) => attempt(&smallest_first(&units, resource), true),
            };
            if other.1.is_none_or(|it| it.0 < first.0) {
                (given, missing) = other;
            }
        }
        if let Some((lost, shortage)) = missing.filter(|it| enough.is_none_or(|enough| it.0 > enough)) {
            least = self.least_lost(&units, &remaining);
            if let Some((all, fewer)) = self.fewer(&units, &remaining, lost, &mut least, enough) {
                (given, missing) = (all, (fewer > 0).then_some((fewer, shortage)));
            }
        }
        Searched { witness: self.witness(failed, given, missing.is_none()), missing, least }
    }

    /// A placement with fewer guests lost than were, by trying everything.
    fn fewer(
        &self,
        units: &[Unit],
        remaining: &[Free],
        lost: u32,
        least: &mut u32,
        enough: Option<u32>,
    ) -> Option<(Vec<(u32, u32)>, u32)> {
        if units.len() > MOST_UNITS {
            return None;
        }
        let most = if enough.is_some() { MOST_TRIED } else { MOST_TRIED_AT_START };
        let (left, given) = (remaining.to_vec(), Vec::new());
        let mut trial = Trial { units, orders: orders(units), left, given, tries: most };
        // Whoever asks for so many at most needs no fewer.
        let from = enough.map_or(*least, |it| it.max(*least));
        let until = enough.map_or(lost, |it| lost.min(it.saturating_add(1)));
        for spare in from..until {
            match self.exhaust(&mut trial, 0, spare) {
                Some(true) => return Some((trial.given, spare)),
                Some(false) => *least = spare + 1,
                None => return None,
            }
            // All, or nearly all, is one question; how many are lost is another.
            if spare == 0 {
                trial.tries = most;
            }
        }
        None
    }

    /// Whether the units from one on have places but for so many guests; `None`: the tries have ended.
    fn exhaust(&self, trial: &mut Trial<'_>, from: usize, spare: u32) -> Option<bool> {
        let Some((need, members)) = trial.units.get(from) else { return Some(true) };
        if lost_in_sum(trial.units, &trial.orders, from, &trial.left) > spare {
            return Some(false);
        }
        for at in 0..trial.left.len() {
            trial.tries = trial.tries.checked_sub(1)?;
            let host = self.hosts().start + at as u32;
            let takes =
                |it: &u32| self.facts.may_restart(*it, host) && self.apart_of(*it, host, &trial.given);
            if !fits(trial.left[at], *need) || !members.iter().all(takes) {
                continue;
            }
            let before = (trial.left[at], trial.given.len());
            take(&mut trial.left[at], *need);
            trial.given.extend(members.iter().map(|&it| (it, host)));
            if self.exhaust(trial, from + 1, spare)? {
                return Some(true);
            }
            trial.left[at] = before.0;
            trial.given.truncate(before.1);
        }
        match spare.checked_sub(members.len() as u32) {
            Some(spare) => self.exhaust(trial, from + 1, spare),
            None => Some(false),
        }
    }

    /// Guests that have no place for certain: those that fit on no host even alone, and of the others those that the sums do not hold.
    fn least_lost(&self, units: &[Unit], left: &[Free]) -> u32 {
        let first = self.hosts().start;
        let somewhere = |(need, members): &&Unit| {
            left.iter().zip(first..).any(|(&room, host)| {
                let takes = |it: &u32| self.facts.may_restart(*it, host) && self.apart_of(*it, host, &[]);
                fits(room, *need) && members.iter().all(takes)
            })
        };
        let (fit, none): (Vec<&Unit>, Vec<&Unit>) = units.iter().partition(somewhere);
        let none: u32 = none.iter().map(|it| it.1.len() as u32).sum();
        let fit: Vec<Unit> = fit.into_iter().cloned().collect();
        none + lost_in_sum(&fit, &orders(&fit), 0, left)
    }
}

fn smallest_first(units: &[Unit], resource: usize) -> Vec<Unit> {
    let order = orders(units);
    order[resource].iter().map(|&it| units[it].clone()).collect()
}

fn orders(units: &[Unit]) -> Orders {
    std::array::from_fn(|resource| {
        let mut order: Vec<usize> = (0..units.len()).collect();
        // What one has for so many of the other, against what the other has for so many of this one.
        let for_each = |a: usize, b: usize| u128::from(units[a].0[resource]) * units[b].1.len() as u128;
        order.sort_by(|&a, &b| (for_each(a, b), units[a].0, a).cmp(&(for_each(b, a), units[b].0, b)));
        order
    })
}

/// Guests of the units from one on that have no place were all room in one piece, and units to be had in parts.
fn lost_in_sum(units: &[Unit], orders: &Orders, from: usize, left: &[Free]) -> u32 {
    let all: usize = units[from..].iter().map(|it| it.1.len()).sum();
    let kept = |resource: usize| {
        let mut room: u128 = left.iter().map(|it| u128::try_from(it[resource]).unwrap_or(0)).sum();
        let mut kept = 0;
        for &at in orders[resource].iter().filter(|it| **it >= from) {
            let (need, count) = (signed(units[at].0[resource]) as u128, units[at].1.len() as u128);
            if need > room {
                return kept + count * room / need;
            }
            room -= need;
            kept += count;
        }
        kept
    };
    let kept = (0..KINDS).map(kept).min().unwrap_or(0);
    (all as u128).saturating_sub(kept) as u32
}
