//! The groups of a fleet and what is due on each: from facts to the situations that decisions are about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use underpin_exposure::decision as context;
use underpin_exposure::report::{Context, VulnerabilityView};
use underpin_model::fleet::Fleet;
use underpin_model::id::HostId;
use underpin_model::policy::{Parameter, Policy};

use super::called;
use super::curve::Penalty;
use super::drains::Drained;
use super::due::{self, Calendar, LineKey, OpenHole};
use super::evidence::Tally;
use super::groups::{GroupDecision, Request, Role};
use super::installed::{Asked, Runs};
use super::prior::{LineHistory, history, line, prior};
use super::promises::{Promises, Stated};
use super::rings::{Decided, Rings};
use super::sentence;
use super::situation::{Installed, KnownBugs, Situation, Worth};
use super::strata::{Crowd, Strata};
use super::target::{self, Releases, Target, Targets};
use super::values::Assumptions;
use crate::build::hole::Way;
use crate::build::hosts::{Hosts, Kind};
use crate::build::reach::Rates;
use crate::groups::{GroupKey, groups as groups_of};
use crate::hazard::Exploited;
use crate::ways::Door;

/// The hosts of a group, by what is due on them.
pub(super) struct Members {
    pub(super) key: GroupKey,
    /// Positions in the fleet.
    all: Vec<usize>,
    pub(super) bunches: Vec<Vec<usize>>,
    /// Per bunch, its hosts by kind.
    crowds: Vec<Vec<Crowd>>,
}

/// One group and one line.
pub(super) struct Case {
    group: Arc<Members>,
    pub(super) line: LineKey,
    pub(super) due: due::Due,
    /// The bunches on which the line closes or replaces something, or else all.
    bunches: Vec<usize>,
    /// The hosts on which the line is due, in order.
    hosts: Vec<usize>,
    promises: Stated,
}

impl Case {
    /// What tells its group from others.
    pub(super) fn group_id(&self) -> usize {
        Arc::as_ptr(&self.group).addr()
    }

    /// The hosts on which a hole is open.
    #[cfg(test)]
    pub(super) fn open_on<'s>(&'s self, hole: &'s OpenHole) -> impl Iterator<Item = usize> + 's {
        hole.bunches.keys().filter_map(|it| self.group.bunches.get(*it)).flatten().copied()
    }

    /// The hosts on which the line is due, bunch by bunch, with what stands on them.
    fn crowds(&self) -> impl Iterator<Item = (&[usize], &[Crowd])> {
        let of = |it: &usize| Some((&**self.group.bunches.get(*it)?, &**self.group.crowds.get(*it)?));
        self.bunches.iter().filter_map(of)
    }

    /// The bunches whose hosts must be emptied for it.
    fn drained(&self) -> impl Iterator<Item = usize> {
        self.bunches.iter().copied().filter(|it| self.due.needs_drain(*it))
    }
}

/// A release that is due on a group: all that is known before the decision.
pub(super) struct Due {
    pub(super) decision: GroupDecision,
    /// What the decision is about; `None`: it cannot be made.
    pub(super) case: Option<Situated>,
}

/// What a decision is about, and what it assumes.
pub(super) struct Situated {
    pub(super) line: LineKey,
    pub(super) situation: Situation,
    pub(super) assumptions: Assumptions,
    pub(super) drained: Drained,
}

/// What all releases of a case share.
struct Shared {
    strata: Strata,
    installed: Arc<[Installed]>,
    /// What was assumed for them.
    assumed: Vec<String>,
}

pub(super) struct Scene<'a> {
    request: &'a Request<'a>,
    day: Date,
    hosts: Hosts<'a>,
    cases: Vec<Case>,
    histories: BTreeMap<LineKey, LineHistory>,
    releases: Releases<'a>,
    pub(super) rings: Rings<'a>,
}

impl<'a> Scene<'a> {
    pub(super) fn of(request: &'a Request<'a>) -> Self {
        let day = request.assessment.as_of.to_zoned(TimeZone::UTC).date();
        let hosts = Hosts::of(request.fleet, request.assessment, request.policy);
        let releases = Releases::of(request.base, day);
        let (groups, cases) = cases(request, &hosts, &releases, day);
        let lines: BTreeSet<&LineKey> = cases.iter().map(|it| &it.line).collect();
        let one = |it: &LineKey| {
            let of = it.train.as_deref().map_or("", |train| line(&it.family, train));
            (it.clone(), history(request.base, &it.family, of, &it.component, day))
        };
        let histories = lines.into_par_iter().map(one).collect::<Vec<_>>().into_iter().collect();
        let span = (day, request.horizon_days);
        let rings = Rings::of(request.fleet, request.policy, span, &groups, &cases);
        Self { request, day, hosts, cases, histories, releases, rings }
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The groups with hosts of which nobody knows what is due.
    pub(super) fn unseen(&self) -> Vec<GroupDecision> {
        super::unseen::unseen(self.request.fleet, &self.hosts)
    }

    /// The releases that are due in a case: the smallest that closes everything and the newest, or none that is known.
    pub(super) fn due(&self, case: &Case) -> Vec<Due> {
        let runs = self.installed(case);
        let shell = GroupDecision { runs: runs.releases.clone(), ..self.shell(case) };
        match target::targets(&self.releases, &case.line, &case.due) {
            Err(missing) => vec![unknown(shell, missing, self.day)],
            Ok(Targets { smallest, newest, instead_of }) => {
                let shell = GroupDecision { instead_of, ..shell };
                let role = if newest.is_some() { Role::Smallest } else { Role::OnlyOne };
                let both = [(role, Some(smallest)), (Role::Newest, newest)];
                let both = both.into_iter().filter_map(|(role, target)| Some((role, target?)));
                let mut shared = self.shared(case, runs);
                if !case.due.replaces.is_empty() && !case.due.without_fix.is_empty() {
                    let closing = target::closes_nothing(&self.releases, &case.line, &case.due);
                    shared.assumed.push(format!("what stays open here waits for {closing}"));
                }
                both.map(|(role, target)| self.release(case, &shared, shell.clone(), role, &target)).collect()
            }
        }
    }

    /// Says from which day on an earlier ring has run the release, by what earlier rings have decided.
    pub(super) fn stand_behind(&self, due: &mut Due, decided: &Decided) {
        let Some(case) = &mut due.case else { return };
        match self.rings.before(decided, &self.releases, (&due.decision, case)) {
            Ok(Some(earlier)) => {
                (case.situation.first_ring_share, case.situation.ring_from_days) = (0.0, earlier.from_days);
                due.decision.earlier_ring = Some(earlier);
            }
            Ok(None) => {}
            Err(assumed) => due.decision.assumed.push(assumed),
        }
    }

    /// What is known whatever the release.
    pub(super) fn shell(&self, case: &Case) -> GroupDecision {
        let views: Vec<(&VulnerabilityView, &OpenHole)> = self.views(case).collect();
        let duties = self.duties(case);
        let ssvc = duties.iter().map(|(view, context)| context::ssvc(&view.points, *context).decision).max();
        let due = duties.iter().map(|(view, context)| context::due(&view.points, *context));
        let exploited = views.iter().filter(|(view, _)| view.kev.is_some_and(|it| it <= self.day)).count();
        GroupDecision {
            group: case.group.key.clone(),
            hosts: self.ids(&case.hosts).cloned().collect(),
            vms: self.ids(&case.hosts).flat_map(|it| self.hosts.stands_on(it)).map(|(_, vms, _)| vms).sum(),
            vms_perhaps: self.hosts.perhaps_on(self.ids(&case.hosts)),
            component: case.line.component.clone(),
            release: None,
            role: Role::Unknown,
            runs: Vec::new(),
            instead_of: None,
            better: None,
            released: None,
            released_basis: "unknown",
            closes: case.due.holes.keys().cloned().collect(),
            exploited: u32::try_from(exploited).unwrap_or(u32::MAX),
            without_fix: u32::try_from(case.due.without_fix.len()).unwrap_or(u32::MAX),
            changes: 1,
            prior: None,
            tally: Tally::default(),
            ssvc,
            bod_26_04: context::strictest(due),
            promises: case.promises.states.clone(),
            earlier_ring: None,
            assumed: Vec::new(),
            wait: None,
            unknown: None,
            recommendation: String::new(),
        }
    }

    /// What duties are about: what is closed, and where nothing is, what stays open. No duty is lifted because no release is known.
    fn duties<'s>(&'s self, case: &'s Case) -> Vec<(&'s VulnerabilityView, Context)> {
        let known = &self.request.assessment.vulnerabilities;
        if case.due.holes.is_empty() {
            let open = case.due.without_fix.iter();
            return open.filter_map(|(id, context)| Some((known.get(id)?, *context))).collect();
        }
        self.views(case).map(|(view, hole)| (view, hole.context)).collect()
    }

    fn views<'s>(&'s self, case: &'s Case) -> impl Iterator<Item = (&'s VulnerabilityView, &'s OpenHole)> {
        let known = &self.request.assessment.vulnerabilities;
        case.due.holes.iter().filter_map(|(id, hole)| Some((known.get(id)?, hole)))
    }

    fn release(
        &self,
        case: &Case,
        shared: &Shared,
        mut shell: GroupDecision,
        role: Role,
        target: &Target,
    ) -> Due {
        let policy = self.request.policy;
        let name = format!("{} {}", case.line.component, target.version);
        shell.release = Some(target.version.clone());
        shell.role = role;
        shell.released = target.released;
        shell.released_basis = target.basis;
        shell.assumed.extend(case.promises.assumed.iter().cloned());
        if shell.vms_perhaps > 0 {
            shell.assumed.push(format!(
                "what VMs of no known host would lose is not counted; those that may stand on these hosts: {}",
                shell.vms_perhaps
            ));
        }
        let Some(released) = target.released else {
            return unknown(shell, format!("the day on which {name} was released"), self.day);
        };
        if let Some(missing) = self.guests_missing(&shell) {
            return unknown(shell, missing.to_owned(), self.day);
        }
        let known = self.histories.get(&case.line).cloned().unwrap_or_default();
        let prior = prior(known, &policy.parameters);
        let mut assumptions = Assumptions::of(&policy.parameters);
        assumptions.learn(prior.together.clone());
        shell.prior = Some(prior);
        shell.tally = self.request.evidence.about(&name, &case.group.key.hardware);
        let situation = self.situation(case, shared, &mut shell, &name, released);
        let drained = Drained { group: Arc::clone(&case.group), bunches: case.drained().collect() };
        let line = case.line.clone();
        Due { decision: shell, case: Some(Situated { line, situation, assumptions, drained }) }
    }

    /// What is missing where no guest is known on any of the hosts, and not because there is none: what is at stake there would
    /// be priced at nothing.
    fn guests_missing(&self, about: &GroupDecision) -> Option<&'static str> {
        match (about.vms, about.vms_perhaps, self.hosts.lists_vms()) {
            (1.., ..) | (0, 0, true) => None,
            (0, _, false) => Some("what stands on these hosts (the fleet file lists no VM)"),
            (0, _, true) => Some("what stands on these hosts (VMs that may are listed without a `host`)"),
        }
    }

    /// What all releases of a case share.
    fn shared(&self, case: &Case, runs: Runs) -> Shared {
        let mut assumed: Vec<String> = runs.told().into_iter().collect();
        let strata = self.strata(case, &mut assumed);
        Shared { strata, installed: runs.list, assumed }
    }

    /// What the hosts of a case run now.
    fn installed(&self, case: &Case) -> Runs {
        let Request { fleet, evidence, .. } = *self.request;
        let asked = Asked { fleet, evidence, releases: &self.releases, day: self.day };
        asked.installed(&case.line, &case.group.key.hardware, case.crowds())
    }

    fn situation(
        &self,
        case: &Case,
        shared: &Shared,
        shell: &mut GroupDecision,
        name: &str,
        released: Date,
    ) -> Situation {
        let policy = self.request.policy;
        let hit = policy.parameters.setting(Parameter::RegressionHit);
        let penalties = shell.promises.iter().filter(|it| it.days_left >= 0 && it.penalty > 0.0);
        let penalties = penalties
            .map(|it| Penalty { promise: it.id.clone(), at_days: it.days_left.into(), loss: it.penalty })
            .collect();
        shell.assumed.extend(shared.assumed.iter().cloned());
        Situation {
            horizon_days: self.request.horizon_days,
            hosts: case.hosts.len() as f64,
            holes: shared.strata.holes.clone(),
            approaches: shared.strata.approaches.clone(),
            strata: shared.strata.list.clone(),
            rates: Rates::of(&policy.parameters),
            release_age_days: f64::from((self.day - released).get_days().max(0)),
            tally: shell.tally,
            hit_range: (hit.low, hit.high),
            first_ring_share: 1.0,
            ring_from_days: 0.0,
            installed: Arc::clone(&shared.installed),
            known_bugs: self.known_bugs(case, name, &mut shell.assumed),
            maintenance: self.maintenance(case),
            shared_drain_saves: 0.0,
            penalties,
        }
    }

    /// The situation of a release of any name and day, for tests that compare it with the portfolio.
    #[cfg(test)]
    pub(super) fn situation_of_any(&self, case: &Case, released: Date) -> Situation {
        let mut shell = self.shell(case);
        self.situation(case, &self.shared(case, self.installed(case)), &mut shell, "any", released)
    }

    /// What the maintenance of a host costs: the mean over the hosts, of which some may have to be emptied and others not.
    fn maintenance(&self, case: &Case) -> f64 {
        let drained: usize = case.drained().filter_map(|it| Some(case.group.bunches.get(it)?.len())).sum();
        self.request.policy.maintenance.per_host.get() * drained as f64 / case.hosts.len().max(1) as f64
    }

    /// What the release closes, and how the hosts answer to it.
    fn strata(&self, case: &Case, assumed: &mut Vec<String>) -> Strata {
        let views: Vec<(&VulnerabilityView, &OpenHole)> = self.views(case).collect();
        let crowds = case.bunches.iter().filter_map(|it| Some((*it, case.group.crowds.get(*it)?.as_slice())));
        let strata = Strata::of(&self.hosts, &views, crowds, case.hosts.len(), self.day);
        let undated = views.iter().filter(|(view, _)| view.published.is_none()).count();
        let unscored =
            views.iter().filter(|(view, _)| Exploited::of(view, self.day) == Exploited::Unscored).count();
        let without_way = strata.holes.iter().filter(|it| it.way == Way::Unknown);
        let without_way: BTreeSet<_> = without_way.map(|it| &it.vulnerability).collect();
        if undated > 0 {
            assumed.push(format!(
                "the day of becoming public is not known, so that compromise before now is understated: vulnerabilities {undated}"
            ));
        }
        if unscored > 0 {
            assumed.push(format!(
                "without an EPSS score the parameter epss_unknown counts: vulnerabilities {unscored}"
            ));
        }
        if !without_way.is_empty() {
            assumed.push(format!(
                "without a CVSS vector any way counts, from the hardest to the easiest, and half of what stands there is lost: \
                 vulnerabilities {}",
                without_way.len()
            ));
        }
        for (door, what) in [(Door::Software, ""), (Door::Controller, "the management controllers of ")] {
            if strata.approaches.iter().any(|it| it.exposure_is_unknown(door)) {
                assumed.push(format!(
                    "whether the public Internet reaches {what}these hosts is not in the fleet: counted between yes and no"
                ));
            }
        }
        strata
    }

    fn ids<'s>(&'s self, hosts: &'s [usize]) -> impl Iterator<Item = &'s HostId> {
        hosts.iter().filter_map(|at| self.request.fleet.hosts.get(*at)).map(|it| &it.id)
    }

    fn known_bugs(&self, case: &Case, name: &str, assumed: &mut Vec<String>) -> Option<KnownBugs> {
        let priced = self.request.evidence.known_bugs.iter().filter(|it| called::same(&it.release, name));
        let sum = priced.fold((0.0, 0.0), |(rate, hours), it| {
            (rate + it.per_host_day, hours + it.per_host_day * it.hours_down)
        });
        if sum.0 > 0.0 {
            return Some(KnownBugs { per_host_day: sum.0, hours_down: sum.1 / sum.0 });
        }
        if case.due.bug_fixes > 0 {
            assumed.push(format!("{} bug fixes that apply here are not priced", case.due.bug_fixes));
        }
        None
    }
}

/// What is due on every group of the fleet, line by line.
fn cases(
    request: &Request<'_>,
    hosts: &Hosts<'_>,
    releases: &Releases<'_>,
    day: Date,
) -> (Vec<Arc<Members>>, Vec<Case>) {
    let Request { fleet, assessment, base, evidence, .. } = *request;
    let asked = Asked { fleet, evidence, releases, day };
    let by_host = due::groups_by_host(assessment);
    let calendar = Calendar::of(base, day);
    let open = due::OpenFindings::of(assessment, &calendar, &by_host);
    let promises = Promises::of(request, hosts, day);
    let crowds = |bunch: &Vec<usize>| crowds(request.policy, fleet, hosts, bunch);
    let of_group = |(key, all): (GroupKey, Vec<usize>)| {
        let due::DueOnGroup { bunches, lines } =
            due::due(fleet, &calendar, (assessment, &open), &by_host, &all);
        let replaced = asked.replaced(&key.hardware, &bunches, &lines);
        let is_due = !lines.is_empty() || !replaced.is_empty();
        let crowds = if is_due { bunches.iter().map(crowds).collect() } else { Vec::new() };
        let group = Arc::new(Members { key, all, bunches, crowds });
        let stated = promises.state(&group.bunches, &lines.values().collect::<Vec<_>>());
        let case = |((line, due), promises): ((LineKey, due::Due), Stated)| {
            let bunches = due_bunches(group.bunches.len(), &due, replaced.get(&line));
            let hosts = due_hosts(&group, &due, &bunches);
            (!bunches.is_empty()).then(|| Case {
                group: Arc::clone(&group),
                line,
                due,
                bunches,
                hosts,
                promises,
            })
        };
        let closing = lines.into_iter().zip(stated).filter_map(case);
        let replacing = replaced.iter().map(|(line, due)| {
            let bunches: Vec<usize> = due.restarts.keys().copied().collect();
            let hosts = due_hosts(&group, due, &bunches);
            let (line, due, promises) = (line.clone(), due.clone(), Stated::default());
            Case { group: Arc::clone(&group), line, due, bunches, hosts, promises }
        });
        let mut cases: Vec<Case> = closing.chain(replacing).collect();
        cases.sort_by(|a, b| a.line.cmp(&b.line));
        (group, cases)
    };
    let all: Vec<(GroupKey, Vec<usize>)> = groups_of(fleet).into_iter().collect();
    let (groups, cases): (Vec<_>, Vec<Vec<Case>>) = all.into_par_iter().map(of_group).unzip();
    (groups, cases.into_iter().flatten().collect())
}

/// The hosts of a bunch by kind, with what stands on them by the rates of each tenant, as in compound risk: guests that run,
/// or may.
fn crowds(policy: &Policy, fleet: &Fleet, hosts: &Hosts<'_>, bunch: &[usize]) -> Vec<Crowd> {
    let ids = bunch.iter().filter_map(|at| fleet.hosts.get(*at)).map(|it| &it.id);
    let crowd = |(kind, ids): (Kind, Vec<&HostId>)| {
        let mut worth = Worth::default();
        for (tenant, count, spared) in ids.iter().flat_map(|it| hosts.stands_on(it)) {
            let rates = policy.loss.of(tenant);
            let (disclosed, vms) = (rates.record_disclosed.get(), f64::from(count));
            let (stated_records, per_record) = match rates.records_per_vm {
                Some(records) => (records * disclosed, 0.0),
                None => (0.0, disclosed),
            };
            let (corrupted, hour_down) = (rates.system_corrupted.get(), rates.vm_hour_down.get());
            let one =
                Worth { vms: 1.0, stated_records, per_record, corrupted, hour_down, ..Worth::default() };
            worth.add(vms, &one);
            worth.with_copies += f64::from(spared.copies) * hour_down;
            worth.restarted += f64::from(spared.restarts) * hour_down;
        }
        Crowd { kind, hosts: u32::try_from(ids.len()).unwrap_or(u32::MAX), worth }
    };
    hosts.kinds(ids).into_iter().map(crowd).collect()
}

/// The bunches, of so many, on which a line closes something, or else all but those on which it replaces a bad release.
fn due_bunches(count: usize, due: &due::Due, replaced: Option<&due::Due>) -> Vec<usize> {
    let mut closed = vec![false; count];
    for bunch in due.holes.values().flat_map(|it| it.bunches.keys()) {
        if let Some(closed) = closed.get_mut(*bunch) {
            *closed = true;
        }
    }
    let any = closed.contains(&true);
    let is_replaced = |it: &usize| replaced.is_some_and(|due| due.restarts.contains_key(it));
    let due = |(it, closed): &(usize, bool)| if any { *closed } else { !is_replaced(it) };
    (0..count).zip(closed).filter(due).map(|it| it.0).collect()
}

/// The hosts on which a line is due, in order.
fn due_hosts(group: &Members, due: &due::Due, bunches: &[usize]) -> Vec<usize> {
    if due.holes.is_empty() && bunches.len() == group.bunches.len() {
        return group.all.clone();
    }
    let mut hosts: Vec<usize> =
        bunches.iter().filter_map(|it| group.bunches.get(*it)).flatten().copied().collect();
    hosts.sort_unstable();
    hosts
}

fn unknown(mut shell: GroupDecision, missing: String, day: Date) -> Due {
    shell.recommendation = sentence::unknown(&shell, &missing, day);
    shell.unknown = Some(missing);
    Due { decision: shell, case: None }
}
