//! Where every guest of a group of pools stands at a moment of the replay, and what its hosts carry.

use crate::room::{self, KINDS, Need, Room};
use crate::world::{NONE, Power, World, ix};

/// Pools that nothing in the plan or the rules of placement separates, with the steps on them.
pub(crate) struct Group {
    pub(crate) hosts: Vec<u32>,
    pub(crate) vms: Vec<u32>,
    pub(crate) steps: Vec<u32>,
}

/// A guest in the replay; hosts are numbers within the group.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) vm: u32,
    pub(crate) host: u32,
    /// Where it is on its way to; [`NONE`]: it does not move.
    pub(crate) to: u32,
    pub(crate) power: Power,
    /// The plan stopped or suspended it.
    pub(crate) by_plan: bool,
    /// The last host that it left while that was away: it may come home there.
    pub(crate) home: u32,
    /// A step is working on it.
    pub(crate) busy: bool,
    pub(crate) need: Need,
}

impl Guest {
    /// It is somewhere for the rules of placement: a guest that is off may stand anywhere.
    pub(crate) fn stands(&self) -> bool {
        self.power != Power::Off
    }

    /// What it takes of its host: where it is suspended it keeps its memory.
    fn takes(&self) -> Need {
        let [memory, vcpus, huge] = self.need;
        match self.power {
            Power::Off => [0; KINDS],
            Power::Suspended => [memory, 0, huge],
            Power::Runs => [memory, vcpus, huge],
        }
    }
}

/// A host in the replay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Station {
    pub(crate) host: u32,
    pub(crate) pool: u32,
    pub(crate) room: Room,
    pub(crate) used: Need,
    /// Guests that run on it, or migrate from or to it.
    pub(crate) running: Vec<u32>,
    /// Guests that are suspended on it.
    pub(crate) asleep: Vec<u32>,
    /// Reasons why it is away.
    pub(crate) away: u32,
    pub(crate) migrations: u32,
    pub(crate) out_mbps: u64,
    pub(crate) in_mbps: u64,
}

/// Guests and hosts of a group at a moment.
pub(crate) struct State {
    pub(crate) guests: Vec<Guest>,
    pub(crate) stations: Vec<Station>,
}

impl State {
    /// As the fleet was seen.
    pub(crate) fn new(world: &World<'_>, group: &Group, host_in_group: &[u32]) -> Self {
        let stations = group.hosts.iter().map(|host| {
            let row = world.hosts.get(ix(*host));
            Station {
                host: *host,
                pool: row.map_or(NONE, |it| it.pool),
                room: row.map_or([None; KINDS], |it| it.room),
                away: u32::from(row.is_some_and(|it| it.maintenance)),
                ..Station::default()
            }
        });
        let mut state = Self { guests: Vec::with_capacity(group.vms.len()), stations: stations.collect() };
        for vm in &group.vms {
            let Some(row) = world.vms.get(ix(*vm)) else { continue };
            let host = host_in_group.get(ix(row.host)).copied().unwrap_or(NONE);
            let guest = state.guests.len() as u32;
            state.guests.push(Guest {
                vm: *vm,
                host,
                to: NONE,
                power: row.power,
                by_plan: false,
                home: host,
                busy: false,
                need: row.demand,
            });
            state.enter(guest, host);
        }
        state
    }

    /// The guest counts on a host from now on, as its power says.
    pub(crate) fn enter(&mut self, guest: u32, host: u32) {
        let (Some(it), Some(station)) = (self.guests.get(ix(guest)), self.stations.get_mut(ix(host))) else {
            return;
        };
        room::add(&mut station.used, &it.takes());
        match it.power {
            Power::Off => {}
            Power::Suspended => station.asleep.push(guest),
            Power::Runs => station.running.push(guest),
        }
    }

    /// The guest no longer counts on a host.
    pub(crate) fn leave(&mut self, guest: u32, host: u32) {
        let (Some(it), Some(station)) = (self.guests.get(ix(guest)), self.stations.get_mut(ix(host))) else {
            return;
        };
        room::subtract(&mut station.used, &it.takes());
        if it.power == Power::Suspended {
            station.asleep.retain(|it| *it != guest);
        }
        if it.power == Power::Runs
            && let Some(at) = station.running.iter().position(|it| *it == guest)
        {
            station.running.swap_remove(at);
        }
    }

    /// Changes the power of a guest where it stands.
    pub(crate) fn switch(&mut self, guest: u32, power: Power) {
        let Some(host) = self.guests.get(ix(guest)).map(|it| it.host) else { return };
        self.leave(guest, host);
        if let Some(it) = self.guests.get_mut(ix(guest)) {
            it.power = power;
        }
        self.enter(guest, host);
    }
}
