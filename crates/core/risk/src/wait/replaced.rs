//! Hosts that run a release which is known to be bad, where no advisory names a hole in it that a release closes: what is due
//! there is one that is not.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use underpin_exposure::classify;
use underpin_model::facts::{Family, Restart};
use underpin_model::fleet::{ComponentKind, HardwareClass, Host};

use super::due::{Due, LineKey, components, line_of, lists};
use super::installed::{Asked, RunsNow};
use super::running::only_stated;
use super::unmatched::release_name;
use crate::withdrawals;

impl Asked<'_> {
    /// What is due on the bunches of a group only because of what runs there, by line. What closes something is due for that.
    pub(super) fn replaced(
        &self,
        hardware: &HardwareClass,
        bunches: &[Vec<usize>],
        closing: &BTreeMap<LineKey, Due>,
    ) -> BTreeMap<LineKey, Due> {
        let mut replaced: BTreeMap<LineKey, Due> = BTreeMap::new();
        for (number, hosts) in bunches.iter().enumerate() {
            for (line, restart, bad) in self.known_bad(hardware, hosts) {
                let known = closing.get(&line);
                let closes = |it: &Due| it.holes.values().any(|hole| hole.bunches.contains_key(&number));
                if known.is_some_and(closes) {
                    continue;
                }
                let due = replaced.entry(line).or_default();
                due.replaces.insert(bad.release);
                due.restarts.insert(number, restart);
                // Of a line that closes nothing anywhere, no more is known.
                if let Some(open) = known.filter(|it| it.holes.is_empty()) {
                    due.without_fix.clone_from(&open.without_fix);
                    due.ahead.clone_from(&open.ahead);
                }
            }
        }
        replaced
    }

    /// The releases that run on hosts which are alike and are known to be bad there, by line, each with what must be restarted
    /// for another.
    pub(super) fn known_bad(
        &self,
        hardware: &HardwareClass,
        hosts: &[usize],
    ) -> Vec<(LineKey, Restart, RunsNow)> {
        let first = hosts.first().and_then(|at| self.fleet.hosts.get(*at));
        let suspects = first.map(|it| self.suspects(it)).unwrap_or_default();
        let bad = |(line, restart): (LineKey, Restart)| {
            let runs = self.installed(&line, hardware, std::iter::once((hosts, [].as_slice()))).releases;
            let bad = runs.into_iter().filter(|it| it.known_bad().is_some());
            bad.map(|it| (line.clone(), restart, it)).collect::<Vec<_>>()
        };
        suspects.into_iter().flat_map(bad).collect()
    }

    /// The lines of a host of which a release was withdrawn, or has failed somewhere, each with what must be restarted for another.
    fn suspects(&self, host: &Host) -> BTreeMap<LineKey, Restart> {
        let platform = host.platform.as_ref().map(|it| &it.family);
        let mut asked: FxHashSet<&str> = FxHashSet::default();
        for set in lists(self.fleet, host) {
            for one in &set.components {
                let family = one.family.as_ref().or(set.family.as_ref()).or(platform);
                let was_withdrawn = one.kind == ComponentKind::Product
                    && family.is_some_and(|it| withdrawals::of_family(it).next().is_some());
                let source = one.source.as_ref().map_or(one.name.as_str(), |it| it.name.as_str());
                if was_withdrawn || self.has_failed(source) {
                    asked.insert(one.name.as_str());
                }
            }
        }
        let stated = only_stated(self.fleet, host).map(|it| it.0).filter(|it| {
            withdrawals::of_family(&it.family).next().is_some() || self.has_failed(&it.component)
        });
        let of_processor = self.has_failed(Family::IntelMicrocode.name());
        if asked.is_empty() && stated.is_none() && !of_processor {
            return BTreeMap::new();
        }
        let known = components(self.fleet, host, &asked);
        let mut lines: BTreeMap<LineKey, Restart> = BTreeMap::new();
        for (name, (one, ..)) in &known {
            let line = line_of(host, &known, name);
            let area = classify::area(&line.family, one.kind, name, &line.component);
            let restart = classify::restart(area, Restart::Unknown);
            lines.entry(line).and_modify(|it| *it = (*it).max(restart)).or_insert(restart);
        }
        if let Some(line) = stated {
            let kind = match line.family {
                Family::Proxmox => ComponentKind::Package,
                _ => ComponentKind::Product,
            };
            let area = classify::area(&line.family, kind, &line.component, &line.component);
            lines.insert(line, classify::restart(area, Restart::Unknown));
        }
        if of_processor {
            lines.insert(line_of(host, &known, Family::IntelMicrocode.name()), Restart::Machine);
        }
        lines
    }

    /// Evidence tells of a failure of some release of a component.
    fn has_failed(&self, component: &str) -> bool {
        let mut failed = self.evidence.runs.iter().filter(|it| it.failures > 0);
        failed.any(|it| it.release.starts_with(&release_name(component, "")))
    }
}
