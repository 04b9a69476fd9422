//! What is known of the releases that hosts run now: staying on a bad one is a loss too.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use rustc_hash::FxHashSet;
use serde::Serialize;
use underpin_model::fleet::{Fleet, HardwareClass};

use super::due::{LineKey, named};
use super::evidence::{Evidence, Tally};
use super::running::runs;
use super::situation::{Installed, Worth};
use super::strata::Crowd;
use super::target::Releases;
use super::unmatched::release_name;
use crate::withdrawals::{self, Withdrawal};

/// What there is to ask.
pub(super) struct Asked<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) evidence: &'a Evidence,
    pub(super) releases: &'a Releases<'a>,
    pub(super) day: Date,
}

/// A release that hosts of a group run now, and of which something is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunsNow {
    /// Its version.
    pub release: String,
    /// Hosts of the group that run it.
    pub hosts: usize,
    /// Its withdrawal, where its maker has withdrawn it.
    pub withdrawal: Option<&'static Withdrawal>,
    /// What runs of it showed.
    pub tally: Tally,
}

impl RunsNow {
    /// Why it is known to be bad, if it is.
    #[must_use]
    pub fn known_bad(&self) -> Option<String> {
        let tried = self.tally.on_this_hardware();
        match self.withdrawal {
            Some(it) => {
                let hits = it.hits().map(|hits| format!("; {hits}")).unwrap_or_default();
                Some(format!("was {}{hits}", it.known_by()))
            }
            None if tried.failures > 0 => {
                Some(format!("failed on {} of {} hosts of this hardware", tried.failures, tried.hosts))
            }
            None => None,
        }
    }
}

/// What the hosts of a case run of its line.
pub(super) struct Runs {
    /// The releases of which something can be believed.
    pub(super) list: Arc<[Installed]>,
    /// The same by name.
    pub(super) releases: Vec<RunsNow>,
    hosts: usize,
    /// Of them, those that run a release which nobody has dated or withdrawn, and that has failed nowhere.
    undated: usize,
}

/// The hosts of a case on which one release runs.
#[derive(Default)]
struct Running {
    hosts: usize,
    /// The sum over them.
    worth: Worth,
    age_days: f64,
}

impl Runs {
    /// What is not priced.
    pub(super) fn told(&self) -> Option<String> {
        (self.undated > 0).then(|| {
            format!(
                "when the release appeared that runs now is not known, so that staying on it is priced at nothing: hosts {} of {}",
                self.undated, self.hosts
            )
        })
    }
}

impl Asked<'_> {
    /// What hosts run of a line, bunch by bunch.
    pub(super) fn installed<'c>(
        &self,
        line: &LineKey,
        hardware: &HardwareClass,
        bunches: impl Iterator<Item = (&'c [usize], &'c [Crowd])>,
    ) -> Runs {
        let lines = FxHashSet::from_iter([line]);
        let mut running: BTreeMap<String, Running> = BTreeMap::new();
        let mut found = Runs { list: Arc::default(), releases: Vec::new(), hosts: 0, undated: 0 };
        for (hosts, crowds) in bunches {
            found.hosts += hosts.len();
            let versions = runs(self.fleet, hosts, &lines).into_iter().map(|it| it.version);
            let known = versions.filter_map(|it| Some((self.age(line, hardware, &it)?, it)));
            let worst = known.max_by(|a, b| self.worse(line, hardware, a, b));
            let Some((age_days, version)) = worst else {
                found.undated += hosts.len();
                continue;
            };
            let known = running.entry(version).or_default();
            (known.hosts, known.age_days) = (known.hosts + hosts.len(), age_days);
            crowds.iter().for_each(|it| known.worth.add(1.0, &it.worth));
        }
        let mut list = Vec::new();
        for (release, Running { hosts, worth: sum, age_days }) in running {
            let withdrawal = self.releases.withdrawal(line, &release);
            let tally = self.tally(line, hardware, &release);
            let mut worth = Worth::default();
            worth.add(1.0 / hosts as f64, &sum);
            let share = hosts as f64 / found.hosts as f64;
            list.push(Installed { share, worth, age_days, withdrawal, tally });
            found.releases.push(RunsNow { release, hosts, withdrawal, tally });
        }
        found.list = list.into();
        found
    }

    /// Days since a release appeared; `None`: nobody says, and nothing else is known of it. The age of what is known to be bad counts for nothing.
    fn age(&self, line: &LineKey, hardware: &HardwareClass, version: &str) -> Option<f64> {
        let listed = self.releases.fact(line, version).map(|it| it.date);
        let released = listed.or_else(|| withdrawals::released(&line.family, version, self.day));
        let failed = || self.tally(line, hardware, version).on_this_hardware().failures > 0;
        let days = released.map(|it| f64::from((self.day - it).get_days().max(0)));
        days.or_else(|| failed().then_some(0.0))
    }

    /// Of packages of one source, or texts about one product, that differ: what is known to be bad is worse, then what hits more hosts,
    /// then the younger one, which has shown least. What is left is an order that is not theirs.
    fn worse(
        &self,
        line: &LineKey,
        hardware: &HardwareClass,
        (left_days, left): &(f64, String),
        (right_days, right): &(f64, String),
    ) -> Ordering {
        let share = |version: &str| {
            let tried = self.tally(line, hardware, version).on_this_hardware();
            let failed = (tried.failures > 0).then(|| f64::from(tried.failures) / f64::from(tried.hosts));
            let withdrawn = self.releases.withdrawal(line, version).map(|it| it.hit.unwrap_or(0.0));
            failed.into_iter().chain(withdrawn).max_by(f64::total_cmp).unwrap_or(-1.0)
        };
        let by_share = share(left).total_cmp(&share(right));
        by_share.then_with(|| right_days.total_cmp(left_days)).then_with(|| right.cmp(left))
    }

    /// What evidence says of a release.
    fn tally(&self, line: &LineKey, hardware: &HardwareClass, version: &str) -> Tally {
        self.evidence.about(&self.called(line, version), hardware)
    }

    /// The name of a release in evidence: that of the lists, or else as it is installed.
    pub(super) fn called(&self, line: &LineKey, version: &str) -> String {
        let listed = self.releases.fact(line, version).map(named);
        release_name(&line.component, listed.as_deref().unwrap_or(version))
    }
}
