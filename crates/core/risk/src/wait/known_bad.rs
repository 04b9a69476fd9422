//! The releases that run on a host and are known to be bad: what [`wait`](crate::wait) replaces is what [`build`](crate::build) prices.

use std::sync::Arc;

use jiff::civil::Date;
use rustc_hash::FxHashMap;
use underpin_exposure::{Assessment, FactBase};
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, HardwareClass, Host};

use super::due::groups_by_host;
use super::evidence::{Evidence, Tally};
use super::installed::Asked;
use super::target::Releases;
use crate::withdrawals::Withdrawal;

/// A release that runs and is known to be bad.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bad {
    /// As evidence names it: component and version.
    pub(crate) name: String,
    pub(crate) family: Family,
    pub(crate) version: String,
    /// The day on which it appeared, where that is known.
    pub(crate) released: Option<Date>,
    pub(crate) withdrawal: Option<&'static Withdrawal>,
    pub(crate) tally: Tally,
}

/// What decides what runs on a host: its group of the assessment, whose hosts have equal components, its platform and its hardware.
type Alike<'a> = (usize, Option<(&'a Family, Option<&'a str>, Option<&'a str>)>, HardwareClass);

/// Asks once for hosts that are alike.
pub(crate) struct KnownBad<'a> {
    fleet: &'a Fleet,
    evidence: &'a Evidence,
    releases: Releases<'a>,
    day: Date,
    groups: FxHashMap<&'a str, usize>,
    places: FxHashMap<&'a str, usize>,
    known: FxHashMap<Alike<'a>, Arc<[Bad]>>,
}

impl<'a> KnownBad<'a> {
    /// `None`: no release has failed, and what was withdrawn is a platform, which is asked for by itself.
    pub(crate) fn of(
        fleet: &'a Fleet,
        assessment: &'a Assessment,
        (base, evidence): (&'a FactBase, &'a Evidence),
        day: Date,
    ) -> Option<Self> {
        let failed = evidence.runs.iter().any(|it| it.failures > 0);
        failed.then(|| Self {
            fleet,
            evidence,
            releases: Releases::of(base, day),
            day,
            groups: groups_by_host(assessment),
            places: fleet.hosts.iter().zip(0..).map(|(host, at)| (host.id.as_str(), at)).collect(),
            known: FxHashMap::default(),
        })
    }

    /// Those of a host of this hardware.
    pub(crate) fn on(&mut self, host: &'a Host, hardware: &HardwareClass) -> Arc<[Bad]> {
        let Some(at) = self.places.get(host.id.as_str()).copied() else { return Arc::default() };
        let Some(group) = self.groups.get(host.id.as_str()) else { return self.ask(at, hardware) };
        let platform =
            host.platform.as_ref().map(|it| (&it.family, it.train.as_deref(), it.release.as_deref()));
        let alike = (*group, platform, hardware.clone());
        if let Some(known) = self.known.get(&alike) {
            return Arc::clone(known);
        }
        let found = self.ask(at, hardware);
        self.known.insert(alike, Arc::clone(&found));
        found
    }

    fn ask(&self, at: usize, hardware: &HardwareClass) -> Arc<[Bad]> {
        let Self { fleet, evidence, ref releases, day, .. } = *self;
        let asked = Asked { fleet, evidence, releases, day };
        let found = asked.known_bad(hardware, &[at]).into_iter().map(|(line, _, runs)| {
            let listed = releases.fact(&line, &runs.release).map(|it| it.date);
            Bad {
                name: asked.called(&line, &runs.release),
                released: listed.or_else(|| Some(runs.withdrawal?.released)),
                family: line.family,
                version: runs.release,
                withdrawal: runs.withdrawal,
                tally: runs.tally,
            }
        });
        found.collect()
    }
}
