//! What is known of the releases that hosts run now: staying on a bad one is a loss too.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use rustc_hash::FxHashSet;
use underpin_model::fleet::{Fleet, HardwareClass};

use super::due::{LineKey, named};
use super::evidence::Evidence;
use super::running::runs;
use super::situation::{Installed, Worth};
use super::strata::Crowd;
use super::target::{Releases, Withdrawn};
use crate::withdrawals::key;

/// What there is to ask.
pub(super) struct Asked<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) evidence: &'a Evidence,
    pub(super) releases: &'a Releases<'a>,
    pub(super) day: Date,
}

/// What the hosts of a case run of its line.
pub(super) struct Runs {
    /// The releases of which something can be believed.
    pub(super) list: Arc<[Installed]>,
    /// Those that were withdrawn.
    pub(super) withdrawn: Vec<Withdrawn>,
    hosts: usize,
    /// Of them, those that run a release which nobody has dated or withdrawn.
    undated: usize,
}

/// The hosts of a case on which one release runs.
#[derive(Default)]
struct Running {
    hosts: usize,
    /// The sum over them.
    worth: Worth,
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
        let mut found = Runs { list: Arc::default(), withdrawn: Vec::new(), hosts: 0, undated: 0 };
        for (hosts, crowds) in bunches {
            found.hosts += hosts.len();
            let versions = runs(self.fleet, hosts, &lines).into_iter().map(|it| it.version);
            // Of packages of one source that differ the youngest counts: it has shown least.
            let dated = versions.filter_map(|it| Some((self.age(line, &it)?, it)));
            let youngest = dated.min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            let Some((_, version)) = youngest else {
                found.undated += hosts.len();
                continue;
            };
            let known = running.entry(version).or_default();
            known.hosts += hosts.len();
            crowds.iter().for_each(|it| known.worth.add(1.0, &it.worth));
        }
        let withdrawn = running.keys().filter_map(|release| {
            let withdrawal = self.releases.withdrawal(line, release)?;
            Some(Withdrawn { release: release.clone(), withdrawal })
        });
        found.withdrawn = withdrawn.collect();
        let all = found.hosts as f64;
        let one = |(version, Running { hosts, worth: sum }): (String, Running)| {
            let hosts = hosts as f64;
            let mut worth = Worth::default();
            worth.add(1.0 / hosts, &sum);
            Some(Installed {
                share: hosts / all,
                worth,
                age_days: self.age(line, &version)?,
                withdrawn: found.withdrawn.iter().any(|it| it.release == version),
                tally: self.evidence.about(&self.name(line, &version), hardware),
            })
        };
        found.list = running.into_iter().filter_map(one).collect();
        found
    }

    /// Days since a release appeared; `None`: nobody says.
    fn age(&self, line: &LineKey, version: &str) -> Option<f64> {
        let listed = self.releases.fact(line, version).map(|it| it.date);
        let released = listed.or_else(|| Some(self.releases.withdrawal(line, version)?.released))?;
        Some(f64::from((self.day - released).get_days().max(0)))
    }

    /// As evidence names it.
    fn name(&self, line: &LineKey, version: &str) -> String {
        let listed = self.releases.fact(line, version).map(named);
        format!("{} {}", line.component, listed.unwrap_or_else(|| key(&line.family, version).to_owned()))
    }
}
