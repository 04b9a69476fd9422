//! What migrations take of links and slots while they last.

use underpin_model::plan::Rule;

use super::Replay;
use crate::report::{At, Log};
use crate::room::{self, KINDS};
use crate::world::{Power, ix};

impl Replay<'_, '_> {
    /// A host that the platform may choose beside those that the plan counts on has room for all of the guests, whoever goes there.
    pub(super) fn choice(&self, at: At, from: u32, moves: &[(u32, u32)], beside: &[u32], log: &mut Log<'_>) {
        let guests = moves.iter().filter_map(|it| self.state.guests.get(ix(self.local_vm(it.0))));
        let guests = guests.filter(|it| it.power == Power::Runs && it.host == from);
        let mut need = [0; KINDS];
        guests.for_each(|it| room::add(&mut need, &it.need));
        let world = self.world;
        for &host in beside {
            let Some(station) = self.state.stations.get(ix(self.local_host(host))) else { continue };
            log.compared(Rule::Capacity);
            let mut used = station.used;
            room::add(&mut used, &need);
            // What is short of room already, and what none of them needs, is no reason.
            let short = room::beyond(&used, &station.room).iter().zip(&need).any(|it| *it.0 > 0 && *it.1 > 0);
            let kept = world.hosts.get(ix(host)).is_some_and(|it| it.maintenance);
            if station.away > 0 || kept || short {
                log.error(Rule::Capacity, at, &world.locus(host), || {
                    let why = match (station.away, kept) {
                        (1.., _) => "and is away",
                        (_, true) => "and was in maintenance at the start",
                        _ => "and has no room for all of them",
                    };
                    let place = format!("host {}", world.host_id(host));
                    (
                        place,
                        format!("the platform may choose it, {why}"),
                        "hosts that any of the guests may go to".into(),
                    )
                });
            }
        }
    }

    pub(super) fn traffic(&mut self, at: At, from: u32, to: u32, mbps: u64, log: &mut Log<'_>) {
        for (end, leaves) in [(from, true), (to, false)] {
            if let Some(station) = self.state.stations.get_mut(ix(end)) {
                station.migrations += 1;
                if leaves {
                    station.out_mbps += mbps;
                } else {
                    station.in_mbps += mbps;
                }
            }
            self.slots(at, end, log);
            self.link(at, end, log);
        }
    }

    fn slots(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(station) = self.state.stations.get(ix(host)) else { return };
        let most = self.world.hosts.get(ix(station.host)).map_or(0, |it| it.slots);
        log.compared(Rule::MigrationSlots);
        if station.migrations > most {
            let world = self.world;
            log.error(Rule::MigrationSlots, at, &world.locus(station.host), || {
                let found = format!("{} migrations at a time", station.migrations);
                (format!("host {}", world.host_id(station.host)), found, format!("at most {most}"))
            });
        }
    }

    fn link(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(station) = self.state.stations.get(ix(host)) else { return };
        let most = self.world.hosts.get(ix(station.host)).map_or(0, |it| it.mbps);
        for (way, mbps) in [("out", station.out_mbps), ("in", station.in_mbps)] {
            log.compared(Rule::MigrationBandwidth);
            if mbps > most {
                let world = self.world;
                log.error(Rule::MigrationBandwidth, at, &world.locus(station.host), || {
                    let found = format!("{mbps} Mbit/s {way} given to migrations");
                    (format!("host {}", world.host_id(station.host)), found, format!("at most {most} Mbit/s"))
                });
            }
        }
    }

    /// An evacuation may send all that it was given to any one of its targets at a time; slots are the platform's own matter.
    pub(super) fn evacuation_traffic(
        &mut self,
        at: At,
        from: u32,
        moves: &[(u32, u32)],
        mbps: u64,
        log: &mut Log<'_>,
    ) {
        if let Some(station) = self.state.stations.get_mut(ix(from)) {
            station.out_mbps += mbps;
        }
        self.link(at, from, log);
        for target in targets(moves) {
            let target = self.local_host(target);
            if let Some(station) = self.state.stations.get_mut(ix(target)) {
                station.in_mbps += mbps;
            }
            self.link(at, target, log);
        }
    }

    pub(super) fn traffic_over(&mut self, from: u32, to: u32, mbps: u64) {
        if let Some(station) = self.state.stations.get_mut(ix(from)) {
            station.migrations = station.migrations.saturating_sub(1);
            station.out_mbps = station.out_mbps.saturating_sub(mbps);
        }
        if let Some(station) = self.state.stations.get_mut(ix(to)) {
            station.migrations = station.migrations.saturating_sub(1);
            station.in_mbps = station.in_mbps.saturating_sub(mbps);
        }
    }

    pub(super) fn evacuation_over(&mut self, from: u32, moves: &[(u32, u32)], mbps: u64) {
        if let Some(station) = self.state.stations.get_mut(ix(from)) {
            station.out_mbps = station.out_mbps.saturating_sub(mbps);
        }
        for target in targets(moves) {
            let target = self.local_host(target);
            if let Some(station) = self.state.stations.get_mut(ix(target)) {
                station.in_mbps = station.in_mbps.saturating_sub(mbps);
            }
        }
    }
}

/// Distinct targets of an evacuation.
fn targets(moves: &[(u32, u32)]) -> Vec<u32> {
    let mut all: Vec<u32> = moves.iter().map(|it| it.1).collect();
    all.sort_unstable();
    all.dedup();
    all
}
