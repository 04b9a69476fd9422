//! Where the guests of one cluster stand, and what room is left.

use std::collections::BTreeSet;
use std::ops::Range;

use underpin_model::fleet::AffinityKind;
use underpin_model::policy::FailureSets;

use super::anchors::Elsewhere;
use super::facts::{Facts, NONE, Wish};
use super::leave::Departure;
use super::reserve::Failures;
use super::room::{Free, NOTHING, signed};

/// One cluster's guests and rooms. Hosts and guests go by their numbers in [`Facts`].
#[derive(Clone)]
pub(super) struct Rooms<'f, 'a> {
    pub(super) facts: &'f Facts<'a>,
    hosts: Range<u32>,
    first_guest: u32,
    /// Free room by host; negative where more stands there than fits.
    free: Vec<Free>,
    /// Host of each guest.
    at: Vec<u32>,
    /// Guests on each host.
    on: Vec<Vec<u32>>,
    /// Grows with every guest that a host takes.
    stamps: Vec<u64>,
    /// It takes no guests: away, or in maintenance.
    shut: Vec<bool>,
    /// Guests that come to a host, and count there already for rules that keep others apart.
    coming: Vec<(u32, u32)>,
    /// Position of each host's release among those of its product.
    pub(super) release: Vec<Option<u32>>,
    pub(super) failures: Failures,
    /// Guests that could be restarted nowhere before the plan, and never will.
    pub(super) hopeless: BTreeSet<u32>,
    /// Applications that keep a guest off the release that soaks in another cluster.
    pub(super) elsewhere: Elsewhere,
}

impl<'f, 'a> Rooms<'f, 'a> {
    pub(super) fn new(facts: &'f Facts<'a>, cluster: u32, sets: FailureSets) -> Self {
        let cluster = &facts.clusters[cluster as usize];
        let (hosts, guests) = (cluster.hosts.clone(), cluster.guests.clone());
        let count = hosts.len();
        let slice = &facts.hosts[hosts.start as usize..hosts.end as usize];
        let mut rooms = Self {
            facts,
            first_guest: guests.start,
            free: slice.iter().map(|it| it.capacity.unwrap_or(NOTHING).map(signed)).collect(),
            at: facts.home[guests.start as usize..guests.end as usize].to_vec(),
            on: vec![Vec::new(); count],
            stamps: vec![0; count],
            shut: hosts
                .clone()
                .map(|it| facts.hosts[it as usize].capacity.is_none() || facts.in_maintenance(it))
                .collect(),
            coming: Vec::new(),
            release: slice.iter().map(|it| it.release).collect(),
            failures: Failures::default(),
            hopeless: BTreeSet::new(),
            elsewhere: Elsewhere::default(),
            hosts,
        };
        for guest in guests {
            rooms.arrive(guest, facts.home[guest as usize]);
        }
        rooms.prepare(sets);
        rooms
    }

    pub(super) fn local(&self, host: u32) -> usize {
        (host - self.hosts.start) as usize
    }

    pub(super) fn hosts(&self) -> Range<u32> {
        self.hosts.clone()
    }

    pub(super) fn guests_on(&self, host: u32) -> &[u32] {
        &self.on[self.local(host)]
    }

    pub(super) fn at(&self, guest: u32) -> u32 {
        self.at[(guest - self.first_guest) as usize]
    }

    pub(super) fn free(&self, host: u32) -> Free {
        self.free[self.local(host)]
    }

    pub(super) fn is_shut(&self, host: u32) -> bool {
        self.shut[self.local(host)]
    }

    pub(super) fn shut(&mut self, host: u32, shut: bool) {
        let at = self.local(host);
        self.shut[at] = shut;
    }

    pub(super) fn release_of(&self, host: u32) -> Option<u32> {
        self.release[self.local(host)]
    }

    pub(super) fn set_release(&mut self, host: u32, release: Option<u32>) {
        let at = self.local(host);
        self.release[at] = release;
    }

    /// Room that a change takes away from a host, or gives it.
    pub(super) fn resize(&mut self, host: u32, by: Free) {
        let at = self.local(host);
        for (free, by) in self.free[at].iter_mut().zip(by) {
            *free = free.saturating_add(by);
        }
        self.stamps[at] += 1;
    }

    /// A guest counts on the host that it will move to as well as where it is.
    pub(super) fn come(&mut self, guest: u32, to: u32) {
        let demand = self.facts.guests[guest as usize].holds;
        self.resize(to, demand.map(|it| -signed(it)));
        self.coming.push((guest, to));
    }

    fn arrive(&mut self, guest: u32, host: u32) {
        let at = self.local(host);
        let demand = self.facts.guests[guest as usize].holds;
        for (free, demand) in self.free[at].iter_mut().zip(demand) {
            *free = free.saturating_sub(signed(demand));
        }
        self.on[at].push(guest);
        self.stamps[at] += 1;
        self.at[(guest - self.first_guest) as usize] = host;
    }

    fn leave(&mut self, guest: u32, host: u32) {
        let at = self.local(host);
        let demand = self.facts.guests[guest as usize].holds;
        for (free, demand) in self.free[at].iter_mut().zip(demand) {
            *free = free.saturating_add(signed(demand));
        }
        self.on[at].retain(|&it| it != guest);
    }

    /// Moves a guest.
    pub(super) fn go(&mut self, guest: u32, to: u32) {
        let from = self.at(guest);
        self.leave(guest, from);
        self.arrive(guest, to);
    }

    /// Takes moves back.
    pub(super) fn undo(&mut self, departures: &[Departure]) {
        for it in departures.iter().rev().filter(|it| it.how.moves()) {
            self.go(it.guest, it.from);
        }
    }

    /// Rules about affinity that should hold and would not, for a guest on a host: others that should be elsewhere, others that
    /// should be here, hosts that it should be on.
    pub(super) fn wishes_broken(&self, guest: u32, host: u32) -> usize {
        let wishes = &self.facts.guests[guest as usize].wishes;
        wishes.iter().filter(|&&it| !self.wish_holds(guest, host, &self.facts.wishes[it as usize])).count()
    }

    fn wish_holds(&self, guest: u32, host: u32, wish: &Wish) -> bool {
        let here = |other: &u32| {
            let known = *other >= self.first_guest && ((*other - self.first_guest) as usize) < self.at.len();
            known && self.at(*other) == host
        };
        let mut others = wish.members.iter().filter(|it| **it != guest);
        match wish.kind {
            AffinityKind::Apart => !others.any(here),
            AffinityKind::Together => others.all(here),
            AffinityKind::OnHosts => wish.hosts.contains(&host),
        }
    }

    /// Whether a guest with others that come along could stand on a host beside those that stand there: apart rules.
    pub(super) fn stands_apart(&self, guest: u32, host: u32) -> bool {
        self.facts.guests[guest as usize].apart.iter().all(|&group| {
            self.facts.apart[group as usize].iter().all(|&other| {
                let here = other >= self.first_guest && ((other - self.first_guest) as usize) < self.at.len();
                other == guest || !here || (self.at(other) != host && !self.coming.contains(&(other, host)))
            })
        })
    }

    /// Whether a running guest may move from where it is to a host by the releases of the two.
    pub(super) fn direction(&self, guest: u32, host: u32) -> bool {
        let from = self.at(guest);
        if self.facts.hosts[from as usize].it.platform.as_ref().map(|it| &it.family)
            != self.facts.hosts[host as usize].it.platform.as_ref().map(|it| &it.family)
        {
            return false;
        }
        match (self.release_of(from), self.release_of(host)) {
            (Some(from), Some(to)) => from <= to,
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Grows with every guest that a host takes.
    pub(super) fn arrivals(&self, host: u32) -> u64 {
        self.stamps[self.local(host)]
    }

    /// Free memory in MiB on hosts that are not away.
    pub(super) fn free_memory(&self, away: impl Fn(u32) -> bool) -> u64 {
        self.hosts
            .clone()
            .filter(|&it| !away(it))
            .map(|it| u64::try_from(self.free(it)[0]).unwrap_or(0))
            .sum()
    }

    /// Another guest of the application, here or in the cluster that keeps one, is not on a release that soaks.
    pub(super) fn diverse(&self, guest: u32, soaks: &dyn Fn(u32) -> bool) -> bool {
        let application = self.facts.guests[guest as usize].application;
        if application == NONE || !self.facts.policy.planning.release_diversity {
            return true;
        }
        let members = &self.facts.applications[application as usize];
        members.len() < 2
            || self.elsewhere.contains(&application)
            || members.iter().any(|&other| {
                let here = other >= self.first_guest && ((other - self.first_guest) as usize) < self.at.len();
                other != guest && here && !soaks(other)
            })
    }
}
