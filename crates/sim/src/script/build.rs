//! Commands that build the datacentre: load, hosts, guests, clusters, storage, planes, rules.

use underpin_model::fleet::{self, Affinity, AffinityKind, Lock, LockKind, SealedKeys, Strength};
use underpin_model::id::{HostId, StorageId, VmId};

use super::words::{
    Arguments, Wrong, duration_ms, fraction, list, number, number_u32, size_mib, spread, switch,
};
use super::{Files, Session, example};
use crate::datacentre::{AddError, Datacentre, NewGuest, NewHost};

/// The most memory that a host or guest may have, in MiB: a pebibyte.
const MOST_MIB: u64 = 1 << 30;

fn added(error: &AddError) -> Wrong {
    Wrong::new(error.to_string(), "something that can be added")
}

fn memory(text: &str) -> Result<u64, Wrong> {
    size_mib(text)?
        .checked_sub(0)
        .filter(|it| *it <= MOST_MIB)
        .ok_or_else(|| Wrong::new(text, "at most 1024TiB"))
}

impl Session {
    pub(super) fn load_example(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let (hosts, guests) = (self.limits.hosts as u64, self.limits.guests as u64);
        let hosts = rest.parsed("hosts", |it| number(it, 1, hosts))?.unwrap_or(4);
        let guests = rest.parsed("vms", |it| number(it, 0, guests))?.unwrap_or(20);
        let seed = rest.parsed("seed", |it| number(it, 0, u64::MAX))?.unwrap_or(1);
        let memory_mib = rest.parsed("memory", memory)?;
        let host_mib = rest.parsed("host-memory", memory)?.unwrap_or(256 * 1024);
        rest.end("hosts=, vms=, seed=, memory= or host-memory=")?;
        let size = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
        let fleet = example::fleet(&example::Example {
            hosts: size(hosts),
            guests: size(guests),
            seed,
            memory_mib,
            host_mib,
        })
        .map_err(|error| Wrong::new(error.to_string(), "an example"))?;
        self.begin_with(fleet, seed);
        Ok(vec![format!("{hosts} hosts, {guests} guests")])
    }

    pub(super) fn load(&mut self, rest: &mut Arguments, files: &dyn Files) -> Result<Vec<String>, Wrong> {
        let name = rest.name("a fleet file")?;
        let seed = rest.parsed("seed", |it| number(it, 0, u64::MAX))?.unwrap_or(1);
        rest.end("seed=")?;
        let bytes = files.read(&name).map_err(|error| Wrong::new(error, "a fleet file that can be read"))?;
        let fleet = fleet::read(&bytes).map_err(|errors| {
            let first = errors.first().map_or_else(String::new, ToString::to_string);
            Wrong::new(first, "a fleet file without errors; `underpin fleet check` lists all")
        })?;
        let fleet = fleet.fleet;
        if fleet.hosts.len() > self.limits.hosts || fleet.vms.len() > self.limits.guests {
            let found = format!("{} hosts, {} guests", fleet.hosts.len(), fleet.vms.len());
            return Err(Wrong::new(
                found,
                format!("at most {} and {}", self.limits.hosts, self.limits.guests),
            ));
        }
        let text = format!("{} hosts, {} guests", fleet.hosts.len(), fleet.vms.len());
        self.begin_with(fleet, seed);
        Ok(vec![text])
    }

    fn begin_with(&mut self, fleet: fleet::Fleet, seed: u64) {
        let mut new = Datacentre::new(fleet, seed);
        *new.settings_mut() = self.datacentre.settings().clone();
        self.shown_events = 0;
        self.datacentre = new;
    }

    pub(super) fn host(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let id = rest.name("the name of a host")?;
        let memory_mib = rest.parsed("memory", memory)?;
        let vcpus = rest.parsed("vcpus", |it| number_u32(it, 0, 1 << 20))?;
        let link = rest.parsed("link", |it| number_u32(it, 0, 10_000_000))?;
        let release = rest.value("release");
        if self.datacentre.host_at(&id).is_none() {
            if self.datacentre.hosts.len() >= self.limits.hosts {
                return Err(Wrong::new(id, format!("at most {} hosts", self.limits.hosts)));
            }
            let new = NewHost {
                id: id.clone(),
                cluster: rest.value("cluster").unwrap_or_else(|| "cluster-1".to_owned()),
                vcpus: vcpus.unwrap_or(128),
                memory_mib: memory_mib.unwrap_or(256 * 1024),
                migration_mbps: link.unwrap_or(10_000),
                release: release.clone().unwrap_or_else(|| example::RELEASE.to_owned()),
            };
            self.datacentre.add_host(&new).map_err(|it| added(&it))?;
        }
        let uplinks = rest.parsed("uplinks", |it| number_u32(it, 0, 1000))?;
        let paths = rest.parsed("paths", |it| number_u32(it, 0, 1000))?;
        let slots = rest.parsed("slots", |it| number_u32(it, 0, 1000))?;
        let management = rest.parsed("management-link", |it| number_u32(it, 0, 10_000_000))?;
        let features = rest.value("features").map(|it| list(&it));
        rest.end("cluster=, memory=, vcpus=, link=, management-link=, slots=, release=, uplinks=, paths= or features=")?;
        let known = self.datacentre.host_at(&id);
        if let Some(it) = known.and_then(|at| self.datacentre.hosts.get_mut(at)) {
            it.memory_mib = memory_mib.unwrap_or(it.memory_mib);
            it.vcpus = vcpus.unwrap_or(it.vcpus);
            it.migration_mbps = link.unwrap_or(it.migration_mbps);
            it.management_mbps = management.unwrap_or(it.management_mbps);
            it.uplinks = uplinks.unwrap_or(it.uplinks);
            it.storage_paths = paths.unwrap_or(it.storage_paths);
            it.slots = slots.unwrap_or(it.slots);
            if release.is_some() {
                it.running.clone_from(&release);
                it.installed = release;
            }
        }
        if let (Some(features), Some(at)) = (features, known) {
            self.datacentre.change_base(|base| {
                if let Some(it) = base.hosts.get_mut(at) {
                    it.cpu.get_or_insert_default().features = features;
                }
            });
        }
        Ok(Vec::new())
    }

    pub(super) fn vm(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let id = rest.name("the name of a guest")?;
        let memory_mib = rest.parsed("memory", memory)?;
        let vcpus = rest.parsed("vcpus", |it| number_u32(it, 0, 1 << 20))?;
        let dirty = rest.parsed("dirty", |it| fraction(it.strip_suffix("MiB/s").unwrap_or(it), 1e7))?;
        if self.datacentre.guest_at(&id).is_none() {
            if self.datacentre.guests.len() >= self.limits.guests {
                return Err(Wrong::new(id, format!("at most {} guests", self.limits.guests)));
            }
            let Some(host) = rest.value("host") else {
                return Err(Wrong::new(format!("a new guest {id}"), "host=NAME, since the guest is new"));
            };
            let new = NewGuest {
                id: id.clone(),
                host,
                on: rest.parsed("power", switch)?.unwrap_or(true),
                vcpus: vcpus.unwrap_or(2),
                memory_mib: memory_mib.unwrap_or(8192),
                dirty_mib_s: dirty,
            };
            self.datacentre.add_guest(&new).map_err(|it| added(&it))?;
        }
        let Some(at) = self.datacentre.guest_at(&id) else { return Ok(Vec::new()) };
        let auto_start = rest.parsed("auto-start", switch)?;
        if let Some(it) = self.datacentre.guests.get_mut(at) {
            it.memory_mib = memory_mib.unwrap_or(it.memory_mib);
            it.vcpus = vcpus.unwrap_or(it.vcpus);
            it.dirty_mib_s = dirty.unwrap_or(it.dirty_mib_s);
            it.auto_start = auto_start.unwrap_or(it.auto_start);
        }
        self.vm_needs(at, rest)?;
        rest.end(
            "host=, power=, memory=, vcpus=, dirty=, auto-start=, passthrough=, vtpm=, storage=, features= or lock=",
        )?;
        Ok(Vec::new())
    }

    /// What a guest needs of its host, or what holds it there.
    fn vm_needs(&mut self, at: usize, rest: &mut Arguments) -> Result<(), Wrong> {
        let passthrough = rest.value("passthrough").map(|it| list(&it));
        let vtpm = rest.parsed("vtpm", switch)?;
        let features = rest.value("features").map(|it| list(&it));
        let lock =
            rest.parsed("lock", |it| if it == "forever" { Ok(None) } else { duration_ms(it).map(Some) })?;
        let storage = match rest.value("storage") {
            Some(names) => {
                Some(list(&names).iter().map(|it| self.known_storage(it)).collect::<Result<Vec<_>, _>>()?)
            }
            None => None,
        };
        let now = self.datacentre.now();
        let expires = |ms: u64| {
            let span = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
            now.checked_add(span).unwrap_or(now)
        };
        if passthrough.is_none()
            && vtpm.is_none()
            && features.is_none()
            && lock.is_none()
            && storage.is_none()
        {
            return Ok(());
        }
        self.datacentre.change_base(|base| {
            let Some(vm) = base.vms.get_mut(at) else { return };
            vm.passthrough = passthrough.unwrap_or_else(|| vm.passthrough.clone());
            vm.cpu_features = features.unwrap_or_else(|| vm.cpu_features.clone());
            vm.storage = storage.unwrap_or_else(|| vm.storage.clone());
            if vtpm.is_some() {
                vm.sealed_keys = Some(Box::new(SealedKeys { vtpm, pcrs: Vec::new() }));
            }
            if let Some(ms) = lock {
                vm.locks = vec![Lock { kind: LockKind::Backup, expires: ms.map(expires) }];
            }
        });
        Ok(())
    }

    fn known_storage(&self, id: &str) -> Result<StorageId, Wrong> {
        let at = self.datacentre.index.storage.get(id).and_then(|at| self.datacentre.storage.get(*at));
        at.map(|it| it.id.clone())
            .ok_or_else(|| Wrong::new(id, "storage that exists; `storage NAME` adds one"))
    }

    pub(super) fn cluster(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let id = rest.name("the name of a cluster")?;
        self.datacentre.add_cluster(&id).map_err(|it| added(&it))?;
        let ha = rest.parsed("ha", switch)?;
        let balancing = rest.parsed("balancing", switch)?;
        let auto_start = rest.parsed("auto-start", switch)?;
        let admission = rest.parsed("admission-control", switch)?;
        let over = rest.parsed("migrates-over", |it| match it {
            "management" => Ok(true),
            "migration" => Ok(false),
            _ => Err(Wrong::new(it, "management or migration")),
        })?;
        rest.end("ha=, balancing=, auto-start=, admission-control= or migrates-over=")?;
        let Some(at) = self.datacentre.index.clusters.get(&id).copied() else { return Ok(Vec::new()) };
        if let Some(it) = self.datacentre.clusters.get_mut(at) {
            it.ha_restart = ha.unwrap_or(it.ha_restart);
            it.balancing = balancing.unwrap_or(it.balancing);
            it.auto_start = auto_start.unwrap_or(it.auto_start);
            it.admission_control = admission.unwrap_or(it.admission_control);
            it.migrates_over_management = over.unwrap_or(it.migrates_over_management);
        }
        self.datacentre.balancer(at);
        self.datacentre.links_changed();
        Ok(Vec::new())
    }

    pub(super) fn storage(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let id = rest.name("the name of storage")?;
        self.datacentre.add_storage(&id).map_err(|it| added(&it))?;
        let members = rest.value("members").map(|it| list(&it));
        let copies = rest.parsed("copies", |it| number_u32(it, 1, 1000))?;
        let resync = rest.parsed("resync", spread)?;
        rest.end("members=, copies= or resync=")?;
        let known = |name: &String| {
            self.datacentre.host_at(name).ok_or_else(|| Wrong::new(name, "a host that exists"))
        };
        let members = match members {
            Some(names) => Some(names.iter().map(known).collect::<Result<_, _>>()?),
            None => None,
        };
        let at = self.datacentre.index.storage.get(&id).copied();
        if let Some(it) = at.and_then(|at| self.datacentre.storage.get_mut(at)) {
            it.members = members.unwrap_or_else(|| it.members.clone());
            it.copies = copies.unwrap_or(it.copies);
            it.resync = resync.unwrap_or(it.resync);
        }
        Ok(Vec::new())
    }

    pub(super) fn plane(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let id = rest.name("the name of a management plane")?;
        let vm = rest.value("vm").ok_or_else(|| Wrong::new(&id, "vm=NAME: the guest that it is"))?;
        rest.end("vm=")?;
        self.datacentre.add_plane(&id, &vm).map_err(|it| added(&it))?;
        Ok(Vec::new())
    }

    pub(super) fn rule(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let kind = match rest.name("apart, together or on-hosts")?.as_str() {
            "apart" => AffinityKind::Apart,
            "together" => AffinityKind::Together,
            "on-hosts" => AffinityKind::OnHosts,
            other => return Err(Wrong::new(other, "apart, together or on-hosts")),
        };
        let names = rest.value("vms").unwrap_or_default();
        let hosts = rest.value("hosts").unwrap_or_default();
        rest.end("vms= and hosts=")?;
        let mut rule = Affinity { kind, strength: Strength::Must, vms: Vec::new(), hosts: Vec::new() };
        for name in list(&names) {
            let known = self.datacentre.guest_at(&name).and_then(|_| VmId::new(name.as_str()).ok());
            rule.vms.push(known.ok_or_else(|| Wrong::new(name, "a guest that exists"))?);
        }
        for name in list(&hosts) {
            let known = self.datacentre.host_at(&name).and_then(|_| HostId::new(name.as_str()).ok());
            rule.hosts.push(known.ok_or_else(|| Wrong::new(name, "a host that exists"))?);
        }
        if rule.vms.is_empty() || (kind == AffinityKind::OnHosts && rule.hosts.is_empty()) {
            return Err(Wrong::new("an empty list", "vms=A,B, and hosts=A,B for on-hosts"));
        }
        self.datacentre.change_base(|base| base.affinities.push(rule));
        Ok(Vec::new())
    }
}
