//! What the platform tells of the datacentre.

use std::collections::BTreeMap;
use std::sync::Arc;

use underpin_model::fleet::{Capacity, Host as Seen};
use underpin_platforms::Note;
use underpin_platforms::platform::{HostFacts, Observation, PlatformError};

use super::Datacentre;
use super::build::setting_text;
use super::effect::health;
use super::state::{Host, PowerState};
use crate::fault::Subject;

impl Datacentre {
    /// What the platform's inventory says: possibly stale, possibly partial.
    ///
    /// # Errors
    /// No answer, or no plane that answers.
    pub fn observe(&mut self) -> Result<Observation, PlatformError> {
        self.answers_call("observe")?;
        if let Some(stale) = &self.stale {
            return Ok(Observation::clone(stale));
        }
        Ok(self.seen())
    }

    /// A call that must find a plane, and may find none or get no answer.
    pub(crate) fn answers_call(&mut self, call: &'static str) -> Result<(), PlatformError> {
        let at = Subject { host: None, vm: None, action: Some(call) };
        if self.strikes("api-timeout", &at).is_some() {
            return Err(PlatformError::Timeout { call, after_s: self.settings.call_timeout_s });
        }
        match self.planes.first() {
            Some(first) if self.planes.iter().all(|it| !it.up) => {
                Err(PlatformError::Unreachable { call, what: first.id.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// The inventory as it is now.
    pub(crate) fn seen(&self) -> Observation {
        let mut fleet = (*self.base).clone();
        let skewed = i64::try_from(self.clock_ms).unwrap_or(i64::MAX).saturating_add(self.skew_ms());
        let seen_at = self.instant(skewed);
        fleet.seen.at = seen_at;
        "simulation".clone_into(&mut fleet.seen.by);
        let mut facts = BTreeMap::new();
        let mut missing = Vec::new();
        let mut told = vec![false; self.hosts.len()];
        for (at, (to, host)) in fleet.hosts.iter_mut().zip(self.hosts.iter()).enumerate() {
            if let Err(reason) = self.tells(at, host) {
                missing.push(Note::new(format!("host {}", host.id), reason));
                // What it was before says nothing about now.
                to.boot_id = None;
                continue;
            }
            if let Some(it) = told.get_mut(at) {
                *it = true;
            }
            show_host(to, host);
            if let Some(it) = self.facts(at) {
                facts.insert(host.id.clone(), it);
            }
        }
        let mut healths = BTreeMap::new();
        for (to, guest) in fleet.vms.iter_mut().zip(self.guests.iter()) {
            to.host = guest.host.and_then(|it| self.hosts.get(it)).map(|it| it.id.clone());
            let told = guest.host.is_none_or(|it| told.get(it).copied().unwrap_or(false));
            to.power = told.then_some(guest.power);
            if told && guest.power == PowerState::On {
                healths.insert(guest.id.clone(), health(guest.health));
            }
        }
        for (to, storage) in fleet.storage.iter_mut().zip(&self.storage) {
            to.redundancy = storage.redundancy;
        }
        for (to, cluster) in fleet.clusters.iter_mut().zip(&self.clusters) {
            to.load_balancing = Some(cluster.balancing);
            to.admission_control = Some(cluster.admission_control);
            to.ha_restart = Some(cluster.ha_restart);
        }
        Observation { fleet, seen_at, hosts: facts, health: healths, missing }
    }

    /// Whether a host's facts are seen.
    fn tells(&self, at: usize, host: &Host) -> Result<(), String> {
        Self::answers(host).map_err(|(_, text)| text)?;
        if self.manages(at) { Ok(()) } else { Err("its management plane does not answer".to_owned()) }
    }

    /// What a host tells of itself.
    pub(crate) fn facts(&self, at: usize) -> Option<HostFacts> {
        let (host, base) = (self.hosts.get(at)?, self.base.hosts.get(at)?);
        Some(HostFacts {
            boot_id: Some(host.boot_id.clone()),
            running: host.running.clone(),
            installed: host.installed.clone(),
            uplinks: Some(host.uplinks),
            storage_paths: Some(host.storage_paths),
            capacity: capacity(base, host),
            settings: host.settings.clone(),
            maintenance: Some(host.maintenance),
        })
    }

    /// What stands in a datacentre beside time: for comparing two of them.
    #[must_use]
    pub fn fleet(&self) -> Arc<underpin_model::fleet::Fleet> {
        Arc::new(self.seen().fleet)
    }
}

/// What was not known stays unknown: the number that the simulation works with is its own.
fn capacity(base: &Seen, host: &Host) -> Capacity {
    let known = base.capacity.unwrap_or_default();
    Capacity {
        vcpus: known.vcpus.map(|_| host.vcpus),
        memory_mib: known.memory_mib.map(|_| host.memory_mib),
        hugepages_mib: known.hugepages_mib.map(|_| host.hugepages_mib),
        ..known
    }
}

fn show_host(to: &mut Seen, host: &Host) {
    to.boot_id = Some(host.boot_id.clone());
    to.booted_at = host.booted_at;
    to.maintenance = Some(host.maintenance);
    if to.capacity.is_some() {
        to.capacity = Some(capacity(to, host));
    }
    if let Some(platform) = &mut to.platform {
        // Since when it ran the release before says nothing of this one.
        if platform.release != host.running {
            to.changed_at = None;
        }
        platform.release.clone_from(&host.running);
    }
    for (name, value) in &host.settings {
        // A value that is as it was keeps its form and its provenance.
        if to.settings.get(name).is_none_or(|it| setting_text(it.value()) != *value) {
            let value = serde_json::Value::String(value.clone());
            to.settings.insert(name.clone(), underpin_model::fleet::Setting::Plain(value));
        }
    }
}
