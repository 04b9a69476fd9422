//! What acts beside the plan: the balancer, storage that restores its copies, management planes.

use underpin_model::fleet::Redundancy;

use super::Datacentre;
use super::moves::{Origin, Phase};
use super::state::{EventKind, Happening, Health, HostPower, Hung, PowerState};
use crate::fault::FaultKind;

impl Datacentre {
    /// Schedules the balancer of a cluster where it is to run and does not yet.
    pub(crate) fn balancer(&mut self, cluster: usize) {
        let every_ms = self.settings.balancer_ms.max(1000);
        let Some(it) = self.clusters.get_mut(cluster) else { return };
        if it.balancing && !it.balancer_runs {
            it.balancer_runs = true;
            self.plan(every_ms, Happening::Balance { cluster });
        }
    }

    /// Moves one guest from the fullest host to the emptiest one, if they differ enough. What a plan wants it does not know.
    pub(crate) fn balance(&mut self, cluster: usize) {
        let Some(it) = self.clusters.get_mut(cluster) else { return };
        it.balancer_runs = false;
        self.balancer(cluster);
        let busy = self.moves.values().any(|it| {
            it.origin == Origin::Balancer
                && self.hosts.get(it.from).is_some_and(|it| it.cluster == Some(cluster))
        });
        let runs = self.clusters.get(cluster).is_some_and(|it| it.balancing);
        if !runs || busy || !self.cluster_managed(cluster) {
            return;
        }
        let ready = self.hosts.iter().enumerate().filter(|(_, it)| {
            it.cluster == Some(cluster) && !it.maintenance && it.memory_mib > 0 && Self::answers(it).is_ok()
        });
        let mut load: Vec<(u64, usize)> = ready
            .map(|(at, it)| (self.used(at).memory_mib.saturating_mul(1000) / it.memory_mib, at))
            .collect();
        load.sort_unstable();
        let (Some((low, to)), Some((high, from))) = (load.first().copied(), load.last().copied()) else {
            return;
        };
        if high.saturating_sub(low) < u64::from(self.settings.balancer_percent) * 10 {
            return;
        }
        let gap_mib = self.used(from).memory_mib.saturating_sub(self.used(to).memory_mib);
        let here = self.hosts.get(from).map(|it| it.guests.clone()).unwrap_or_default();
        let candidates = here.into_iter().filter(|it| {
            self.guests.get(*it).is_some_and(|it| {
                it.power == PowerState::On
                    && it.busy.is_none()
                    && it.memory_mib.saturating_mul(2) <= gap_mib.max(1)
            }) && self.move_of(*it).is_none()
                && self.bound(*it, true).is_ok()
                && self.fits(*it, to).is_ok()
                && self.not_lower(*it, to).is_ok()
        });
        let largest = candidates
            .max_by_key(|it| (self.guests.get(*it).map_or(0, |it| it.memory_mib), std::cmp::Reverse(*it)));
        if let Some(guest) = largest {
            let (vm, from_name, to_name) = (self.guest_name(guest), self.name_of(from), self.name_of(to));
            self.tell(EventKind::Guest, format!("the balancer moves {vm} from {from_name} to {to_name}"));
            self.begin_move(guest, from, to, Origin::Balancer, None);
        }
    }

    /// A host that carries storage went down or came back.
    pub(crate) fn members_changed(&mut self, host: usize) {
        for at in 0..self.storage.len() {
            if self.storage.get(at).is_some_and(|it| it.members.contains(&host)) {
                self.storage_changed(at);
            }
        }
    }

    fn storage_changed(&mut self, at: usize) {
        let Some(it) = self.storage.get(at) else { return };
        let is_away = |host: &&usize| self.hosts.get(**host).is_some_and(|it| it.power != HostPower::Up);
        let away = u32::try_from(it.members.iter().filter(is_away).count()).unwrap_or(u32::MAX);
        let (id, resync, before, copies) = (it.id.to_string(), it.resync, it.redundancy, it.copies);
        let slow = self.slow_storage(&id);
        let Some(it) = self.storage.get_mut(at) else { return };
        it.epoch += 1;
        let epoch = it.epoch;
        if away > 0 {
            it.redundancy = Some(Redundancy::Degraded);
            self.tell(EventKind::Storage, format!("{id} is degraded: {away} members away"));
        } else if before == Some(Redundancy::Degraded) {
            it.redundancy = Some(Redundancy::Rebuilding);
            let span_ms = self.takes_ms(resync, slow);
            self.plan(span_ms, Happening::Resynced { storage: at, epoch });
            self.tell(EventKind::Storage, format!("{id} restores its copies"));
        }
        // A copy that is still being restored cannot stand in for one that goes away now.
        let stale = u32::from(away > 0 && before == Some(Redundancy::Rebuilding));
        self.data_gone(at, away.saturating_add(stale) >= copies && away > 0);
    }

    /// Guests hang while the data is gone, and go on when it is back.
    fn data_gone(&mut self, storage: usize, gone: bool) {
        let Some(id) = self.storage.get(storage).map(|it| it.id.clone()) else { return };
        let users: Vec<usize> = self
            .base
            .vms
            .iter()
            .enumerate()
            .filter(|(_, it)| it.storage.contains(&id))
            .map(|(at, _)| at)
            .collect();
        for guest in users {
            let Some(it) = self.guests.get_mut(guest) else { continue };
            if gone && it.power == PowerState::On && !matches!(it.health, Health::Hung(_)) {
                it.health = Health::Hung(Hung::Storage);
                let text = format!("{} hangs: storage {id} has lost its data paths", it.id);
                self.tell(EventKind::Harm, text);
            } else if !gone && it.health == Health::Hung(Hung::Storage) {
                it.health = Health::Well;
            }
            self.plane_guest_changed(guest);
        }
    }

    pub(crate) fn resynced(&mut self, storage: usize, epoch: u32) {
        let Some(it) = self.storage.get_mut(storage).filter(|it| it.epoch == epoch) else { return };
        it.redundancy = Some(Redundancy::Full);
        let text = format!("{} has its full redundancy again", it.id);
        self.tell(EventKind::Storage, text);
    }

    /// How many times as long work on storage takes.
    pub(crate) fn slow_storage(&self, element: &str) -> f64 {
        let slow = self.faults.values().filter_map(|fault| match fault.kind {
            FaultKind::SlowStorage(factor) if fault.scope.host.as_deref().is_none_or(|it| it == element) => {
                Some(factor)
            }
            _ => None,
        });
        slow.fold(1.0, f64::max)
    }

    /// A plane or storage is being changed, or no longer.
    pub(crate) fn change_element(&mut self, element: &str, begins: bool) {
        if let Some(it) = self.index.planes.get(element).copied().and_then(|at| self.planes.get_mut(at)) {
            it.changing = begins;
            self.planes_changed();
        }
        if let Some(it) = self.index.storage.get(element).copied().and_then(|at| self.storage.get_mut(at)) {
            let redundancy = if begins { Redundancy::Degraded } else { Redundancy::Full };
            it.redundancy = it.redundancy.map(|_| redundancy);
        }
    }

    /// A guest changed: is it a plane?
    pub(crate) fn plane_guest_changed(&mut self, guest: usize) {
        if self.planes.iter().any(|it| it.guest == Some(guest)) {
            self.planes_changed();
        }
    }

    /// Planes go away at once, and answer again after they booted, if they had to.
    pub(crate) fn planes_changed(&mut self) {
        for at in 0..self.planes.len() {
            let Some(it) = self.planes.get(at) else { continue };
            let could = self.could_answer(at);
            let starts = it.guest.and_then(|it| self.guests.get(it)).map_or(0, |it| it.starts);
            let (up, id, booted) = (it.up, it.id.to_string(), starts != it.starts);
            let Some(it) = self.planes.get_mut(at) else { continue };
            if (up || it.booting) == could {
                continue;
            }
            it.epoch += 1;
            let epoch = it.epoch;
            it.booting = could && booted;
            if !could {
                it.up = false;
                if up {
                    self.tell(EventKind::Plane, format!("{id} does not answer"));
                }
            } else if booted {
                let span_ms = self.takes_ms(self.settings.plane_boot, 1.0);
                self.plan(span_ms, Happening::PlaneUp { plane: at, epoch });
            } else {
                it.up = true;
                self.tell(EventKind::Plane, format!("{id} answers again"));
            }
        }
    }

    fn could_answer(&self, plane: usize) -> bool {
        let Some(it) = self.planes.get(plane) else { return false };
        let hosts_up =
            it.hosts.iter().any(|at| self.hosts.get(*at).is_some_and(|it| it.power == HostPower::Up));
        let runs = match it.guest {
            Some(guest) => {
                let paused = self.move_of(guest).and_then(|it| self.moves.get(&it));
                let paused = paused.is_some_and(|it| matches!(it.phase, Phase::Paused { .. }));
                let well = self.guests.get(guest).is_some_and(|it| it.health == Health::Well);
                self.runs(guest) && well && !paused
            }
            None => it.hosts.is_empty() || hosts_up,
        };
        runs && !it.changing
    }

    pub(crate) fn plane_up(&mut self, plane: usize, epoch: u32) {
        let could = self.could_answer(plane);
        let Some(guest) = self.planes.get(plane).map(|it| it.guest) else { return };
        let starts = guest.and_then(|it| self.guests.get(it)).map_or(0, |it| it.starts);
        let Some(it) = self.planes.get_mut(plane).filter(|it| it.epoch == epoch && !it.up && could) else {
            return;
        };
        it.up = true;
        it.booting = false;
        it.starts = starts;
        let text = format!("{} answers again", it.id);
        self.tell(EventKind::Plane, text);
    }

    /// Every plane of a cluster answers.
    pub(crate) fn cluster_managed(&self, cluster: usize) -> bool {
        let planes = self.clusters.get(cluster).map(|it| it.planes.as_slice()).unwrap_or_default();
        planes.iter().all(|at| self.planes.get(*at).is_none_or(|it| it.up))
    }

    /// Every plane of a host's cluster answers.
    pub(crate) fn manages(&self, host: usize) -> bool {
        self.hosts.get(host).and_then(|it| it.cluster).is_none_or(|it| self.cluster_managed(it))
    }
}
