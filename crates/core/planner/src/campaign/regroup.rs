//! Guests of other hosts that move so that those of a failure find a place: where a rule keeps these apart from whoever stands where
//! there is room, or where no host by itself has enough of it.

use super::fit::Short;
use super::leave::{Departure, How, Leaving};
use super::relocate::{MOST_HOSTS, MOST_MOVED};
use super::room::{Free, Room, fits, signed};
use super::rooms::Rooms;
use super::stage::{Candidate, Cluster, Draft, Shared};

/// Arrangements that are tried for one host.
const MOST_TRIED: usize = 8;

/// Guests that restart as one, what they need, and the hosts that could restart them, were others not there.
struct Restart {
    unit: Vec<u32>,
    need: Room,
    hosts: Vec<u32>,
}

impl Restart {
    fn finds_place(&self, rooms: &Rooms<'_, '_>, to: u32) -> bool {
        fits(rooms.free(to), self.need) && self.unit.iter().all(|&it| rooms.stands_apart(it, to))
    }

    /// Guests on a host that the unit must be apart from.
    fn barring(&self, rooms: &Rooms<'_, '_>, to: u32) -> Vec<u32> {
        let guests = &rooms.facts.guests;
        let groups = |guest: u32| &guests[guest as usize].apart;
        let bars = |other: &u32| {
            let meets = |it: &u32| groups(*it).iter().any(|group| groups(*other).contains(group));
            !self.unit.contains(other) && self.unit.iter().any(meets)
        };
        rooms.guests_on(to).iter().copied().filter(bars).collect()
    }
}

impl<'f, 'a> Cluster<'f, 'a> {
    /// Moves of others before a host is emptied, each of which leaves a host on which a unit could be restarted, though it could not
    /// before: first as everything stands with the host's own guests at home, then with these where they went when no place was found.
    /// Everything stands as before.
    pub(super) fn arrangements(
        &mut self,
        shared: &Shared<'f, 'a>,
        candidate: &Candidate,
        draft: &Draft,
        shorts: &[Short],
    ) -> Vec<Vec<Departure>> {
        let mut found = Vec::new();
        if let Some(short) = shorts.first() {
            self.arrange(shared, candidate, draft, (short.unit, &[]), &mut found);
        }
        fewest_first(&mut found);
        let mut beside: Vec<Vec<Departure>> = Vec::new();
        let mut left: Vec<Vec<Departure>> = Vec::new();
        for short in shorts {
            let own: Vec<Departure> = short.departures.iter().filter(|it| it.how.moves()).copied().collect();
            let mut made = Vec::new();
            self.arrange(shared, candidate, draft, (short.unit, &own), &mut made);
            fewest_first(&mut made);
            // What was found with the guests gone these ways holds with them gone so; other ways may do as well.
            left.extend(made.iter().map(|it| it.iter().chain(&own).copied().collect()));
            beside.extend(made);
        }
        for made in [beside, left] {
            let mut new: Vec<Vec<Departure>> = Vec::new();
            for it in made {
                if !found.contains(&it) && !new.contains(&it) {
                    new.push(it);
                }
            }
            fewest_first(&mut new);
            found.extend(new);
        }
        found
    }

    /// The same for one unit, with guests of the host gone already: `own`.
    fn arrange(
        &mut self,
        shared: &Shared<'f, 'a>,
        candidate: &Candidate,
        draft: &Draft,
        ((guest, need), own): ((u32, Room), &[Departure]),
        found: &mut Vec<Vec<Departure>>,
    ) {
        let facts = self.rooms.facts;
        let together = &facts.guests[guest as usize].together;
        let unit = if together.is_empty() { vec![guest] } else { together.clone() };
        own.iter().for_each(|it| self.rooms.go(it.guest, it.to));
        // Where it stands it finds no place once that fails.
        let fails = (!own.is_empty()).then(|| self.rooms.at(guest));
        let open = |to: &u32| *to != candidate.host && Some(*to) != fails && !self.rooms.is_shut(*to);
        let may = |to: &u32| unit.iter().all(|&it| facts.may_restart(it, *to));
        let hosts = self.rooms.hosts().filter(open).filter(may).collect();
        let restart = Restart { unit, need, hosts };
        // Whoever moves goes where the unit could not be restarted anyway, if that is possible.
        let places = restart.hosts.iter().copied().filter(|&it| restart.finds_place(&self.rooms, it));
        let avoids = Vec::from_iter(self.avoids);
        let spared: Vec<u32> = avoids.iter().copied().chain(places).chain(fails).collect();
        for spared in [&spared, &avoids] {
            let mut leaving = self.leaving(shared, draft, (&[], &[]), spared);
            leaving.moved.extend(own.iter().map(|it| it.guest));
            for made in leaving.arrangements(candidate.host, &restart) {
                if !found.contains(&made) {
                    found.push(made);
                }
            }
        }
        self.rooms.undo(own);
        if !own.is_empty() {
            let mut leaving = self.leaving(shared, draft, (&[], &[]), &avoids);
            found.retain(|made| leaving.may_go(made));
        }
    }
}

/// The fewest moves first, and no more arrangements than are tried.
fn fewest_first(found: &mut Vec<Vec<Departure>>) {
    found.sort_by_key(Vec::len);
    found.truncate(MOST_TRIED);
}

impl Leaving<'_, '_, '_> {
    /// Whether guests may move so, one after the other, as everything stands.
    fn may_go(&mut self, made: &[Departure]) -> bool {
        let mut gone = 0;
        for it in made {
            let need = self.need(&[it.guest]);
            let free = self.rooms.free(it.to);
            let room = free.iter().zip(need).all(|(free, need)| *free >= need);
            if !room || !self.takes(it.guest, it.to) {
                break;
            }
            self.rooms.go(it.guest, it.to);
            gone += 1;
        }
        self.rooms.undo(made.get(..gone).unwrap_or_default());
        gone == made.len()
    }

    fn arrangements(&mut self, host: u32, restart: &Restart) -> Vec<Vec<Departure>> {
        if !self.relocates {
            return Vec::new();
        }
        let full = |to: &u32| !restart.finds_place(self.rooms, *to);
        let mut full: Vec<(usize, u32)> = (restart.hosts.iter().copied().filter(full))
            .map(|to| (restart.barring(self.rooms, to).len(), to))
            .collect();
        full.sort_unstable();
        full.truncate(MOST_HOSTS);
        let was_shut = self.rooms.is_shut(host);
        // The host that is emptied takes nobody meanwhile.
        self.rooms.shut(host, true);
        let made = full.into_iter().filter_map(|(_, to)| self.leave_to(to, restart)).collect();
        self.rooms.shut(host, was_shut);
        made
    }

    /// Moves those away from a host that a unit must be apart from, and then others until it fits.
    fn leave_to(&mut self, to: u32, restart: &Restart) -> Option<Vec<Departure>> {
        let need: Free = restart.need.map(signed);
        let mut made: Vec<Departure> = Vec::new();
        while made.len() < MOST_MOVED && !restart.finds_place(self.rooms, to) {
            let barring = restart.barring(self.rooms, to);
            let next = match barring.first() {
                Some(&it) => self.goes(to, it),
                None => self.next(to, need),
            };
            let Some(next) = next else { break };
            self.rooms.go(next.guest, next.to);
            made.push(next);
        }
        let found = restart.finds_place(self.rooms, to);
        self.rooms.undo(&made);
        found.then_some(made)
    }

    /// A guest moves away alone, while it runs.
    pub(super) fn goes(&self, from: u32, guest: u32) -> Option<Departure> {
        let it = &self.rooms.facts.guests[guest as usize];
        if !it.together.is_empty() || it.contradiction.is_some() || self.moved.contains(&guest) {
            return None;
        }
        let consent = self.allows(from, guest, How::Live).ok()?;
        let to = self.best(from, &[guest], self.need(&[guest]))?;
        Some(Departure { guest, how: How::Live, from, to, consent })
    }
}
