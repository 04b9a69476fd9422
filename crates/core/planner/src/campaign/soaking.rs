//! Soaks that began before the plan: of hosts that have a change already, by when they got it.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::fleet::Host;
use underpin_model::id::ElementId;
use underpin_model::plan::{Plan, SoakSince, StepKind};

use super::Request;
use super::calendar::Seconds;
use super::drive::Drive;
use super::order::{Concerned, methods};
use super::soaks::{Role, Soaks};

/// A host on which a change soaks when the plan starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoaksStill {
    pub(super) host: u32,
    pub(super) change: u32,
    /// It is one of those that the rest of its hardware class learns from.
    pub(super) canary: bool,
    pub(super) until: Seconds,
    pub(super) since: SoakSince,
}

impl Drive<'_, '_> {
    /// Soaks of hosts that have changes already, and are not over when the plan starts.
    pub(super) fn soaking(&self, changes: &[usize]) -> Vec<SoaksStill> {
        let mut all = Vec::new();
        for &change in changes {
            if let (Some(it), Some(concerned)) =
                (self.request.changes().get(change), self.concerned.get(change))
            {
                all.extend(self.soaking_with(change as u32, it, concerned));
            }
        }
        all
    }

    fn soaking_with(&self, number: u32, change: &Change, concerned: &Concerned) -> Vec<SoaksStill> {
        let parent =
            self.request.parent.map(|it| soaks_in(it.plan, change, self.request)).unwrap_or_default();
        let start = self.request.starts_at.as_second();
        // Of each hardware class, the hosts that have it with the end of their soak.
        let mut classes: BTreeMap<u32, Vec<(i64, u32, SoakSince)>> = BTreeMap::new();
        for element in &concerned.there {
            let Some(host) = self.facts.host(element.as_str()) else { continue };
            let facts = &self.facts.hosts[host as usize];
            let soak = i64::from(self.request.soak_s(facts.ring));
            let seen = facts.it.seen.as_ref().map_or(self.request.fleet.seen.at, |it| it.at);
            let (until, since) = match (has_since(facts.it, change), parent.get(element)) {
                (Some((at, since)), _) => (at.as_second() - start + soak, since),
                (None, Some(&until)) => (until, SoakSince::Parent),
                (None, None) => (seen.as_second() - start + soak, SoakSince::Seen),
            };
            classes.entry(facts.hardware).or_default().push((until, host, since));
        }
        let due = concerned.due.iter().filter_map(|it| self.facts.host(it.as_str()));
        let due: Vec<u32> = due.map(|it| self.facts.hosts[it as usize].hardware).collect();
        let mut all = Vec::new();
        for (hardware, mut hosts) in classes {
            hosts.sort_unstable();
            let of_class = hosts.len() + due.iter().filter(|it| **it == hardware).count();
            let wanted = self.request.policy.planning.canaries_of(of_class as u32) as usize;
            for (at, (until, host, since)) in hosts.into_iter().enumerate().filter(|it| it.1.0 > 0) {
                let until = until.clamp(0, i64::from(Seconds::MAX)) as Seconds;
                all.push(SoaksStill { host, change: number, canary: at < wanted, until, since });
            }
        }
        all
    }

    /// The soaks that the hosts of a ring wait for from here on: those of canaries, whatever their ring, from the first ring on.
    pub(super) fn soak_on(&self, ring: usize, soaks: &mut Soaks) {
        for it in &self.driven.soaking {
            let host = &self.facts.hosts[it.host as usize];
            let role = if it.canary { Role::Canary } else { Role::Rest };
            if host.ring == ring || (it.canary && ring == 0) {
                let name = self.request.policy.rings.get(host.ring).map(|it| it.name.clone());
                let soaked = (it.until, name);
                if it.canary {
                    soaks.canary(it.change, &soaked);
                }
                if host.ring == ring {
                    soaks.add(role, it.change, host.hardware, &soaked);
                }
            }
        }
    }
}

/// Since when a host has a change, as far as its facts tell: when it last changed; and what takes a reboot it has since it booted.
fn has_since(host: &Host, change: &Change) -> Option<(jiff::Timestamp, SoakSince)> {
    let running = matches!(change.to, Target::Setting { reboot: false, .. });
    let reboots = |it: &Method| matches!(it, Method::EvacuateReboot | Method::QuickBoot | Method::PowerOff);
    let by_reboot = !running && methods(change).iter().all(reboots);
    let booted = || host.booted_at.filter(|_| by_reboot).map(|it| (it, SoakSince::Boot));
    host.changed_at.map(|it| (it, SoakSince::Fleet)).or_else(booted)
}

/// Until when hosts soak with a change by a plan, in seconds of the next one: those that it changed, and those that soaked before.
fn soaks_in(parent: &Plan, change: &Change, request: &Request<'_>) -> BTreeMap<ElementId, i64> {
    let shift = request.starts_at.as_second() - parent.starts_at.as_second();
    let mut soaks: BTreeMap<ElementId, i64> = BTreeMap::new();
    let before = parent.soaking.iter().filter(|it| it.change == change.id);
    soaks.extend(before.map(|it| (it.element.clone(), i64::from(it.until_s) - shift)));
    // What had it when the parent was made, and did not soak then, has soaked.
    let was_due: BTreeSet<&ElementId> = parent
        .steps
        .iter()
        .filter_map(|it| match &it.kind {
            StepKind::Patch { element, change: its, .. } if *its == change.id => Some(element),
            _ => None,
        })
        .chain(parent.left_out.iter().filter(|it| it.change == change.id).map(|it| &it.element))
        .collect();
    if !was_due.is_empty() {
        for host in request.fleet.hosts.iter().filter_map(|it| ElementId::new(it.id.as_str()).ok()) {
            if !was_due.contains(&host) {
                soaks.entry(host).or_insert(0);
            }
        }
    }
    for step in &parent.steps {
        let StepKind::Patch { element, change: its, .. } = &step.kind else { continue };
        let wave = parent.wave(step.wave).filter(|it| it.layer == Layer::Host && *its == change.id);
        if let Some(wave) = wave {
            soaks.insert(element.clone(), i64::from(wave.soak_until_s) - shift);
        }
    }
    soaks
}
