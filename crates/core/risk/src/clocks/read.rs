//! Reading the clocks off an assessment and the support periods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_exposure::report::{Asset, Finding, Need};
use underpin_exposure::{Assessment, FactBase, Status};
use underpin_model::facts::{DateKind, Family, Lifecycle, LifecycleDate, ReleaseFact};
use underpin_model::fleet::{Fleet, Vm};
use underpin_model::id::{TenantId, VulnerabilityId};
use underpin_model::policy::{PACES, Policy, Promise, PromiseKind, Scope};

use super::acceptance::Acceptances;
use super::forecast::{Paces, Plan};
use super::places::Places;
use super::{Acceptance, Clock, ClockError, PromiseState, Report, Settings, State};
use crate::backtest::line_of;
use crate::freshness;
use crate::names::unknown_in_promises;

/// Reads every clock on the day of the assessment.
///
/// # Errors
/// [`ClockError`] for a policy without promises and a pace that is none.
pub fn read(
    fleet: &Fleet,
    base: &FactBase,
    assessment: &Assessment,
    policy: &Policy,
    settings: Settings,
) -> Result<Report, ClockError> {
    if policy.promises.is_empty() {
        return Err(ClockError::NoPromise);
    }
    let pace = settings.hosts_per_day;
    if !PACES.contains(&pace) {
        return Err(ClockError::Pace(pace));
    }
    let as_of = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let reader = Reader {
        base,
        assessment,
        places: Places::of(fleet),
        releases: named_releases(base),
        acceptances: Acceptances::of(&policy.accepted, as_of),
        as_of,
        soon: settings.soon_days,
    };
    let mut found = Found::default();
    for promise in &policy.promises {
        match promise.kind {
            PromiseKind::FixWithin => reader.fixes(promise, &mut found),
            PromiseKind::LeaveEndOfLife => reader.ends(promise, &mut found),
            PromiseKind::ReleaseSupportedWithin => reader.arrivals(promise, &mut found),
        }
    }
    let mut clocks = found.clocks();
    let plan = Plan::new(&clocks, as_of, &Paces::of(&policy.maintenance, pace));
    let (forecast, forecast_unknown) = plan.forecast(&mut clocks);
    let unknown = unknown_in_promises(fleet, policy);
    let unknown = unknown.iter().map(ToString::to_string).chain(tenants_without_assets(fleet, policy));
    let warnings = unknown.chain(freshness::warnings(fleet, base, assessment)).collect();
    Ok(Report {
        as_of,
        hosts_per_day: pace,
        soon_days: settings.soon_days,
        hosts_to_patch: plan.hosts(),
        all_patched_on: plan.last_day(),
        warnings,
        promises: policy.promises.iter().map(|it| sum(it, &clocks)).collect(),
        forecast,
        forecast_unknown,
        clocks,
    })
}

/// Promises to tenants who have nothing that a promise could be about: neither kept nor broken, which nobody should read as kept.
fn tenants_without_assets(fleet: &Fleet, policy: &Policy) -> Vec<String> {
    let of_application = |vm: &Vm| {
        let id = vm.application.as_ref()?;
        fleet.applications.iter().find(|it| it.id == *id)?.tenant.as_ref()
    };
    let vms = fleet.vms.iter().filter_map(|it| it.tenant.as_ref().or_else(|| of_application(it)));
    let busy: BTreeSet<&TenantId> =
        vms.chain(fleet.images.iter().filter_map(|it| it.tenant.as_ref())).collect();
    let known: BTreeSet<&TenantId> = fleet.tenants.iter().map(|it| &it.id).collect();
    let idle = |promise: &Promise| {
        let tenants = promise.scope.tenants.iter().filter(|it| known.contains(it) && !busy.contains(it));
        tenants
            .map(|it| {
                format!(
                    "promise {}: tenant {it} has no guest and no image: it is neither kept nor broken for them",
                    promise.id
                )
            })
            .collect::<Vec<_>>()
    };
    policy.promises.iter().flat_map(idle).collect()
}

pub(super) fn sum(promise: &Promise, clocks: &[Clock]) -> PromiseState {
    let mut counts: BTreeMap<State, usize> = State::ALL.into_iter().map(|it| (it, 0)).collect();
    for clock in clocks.iter().filter(|it| it.promise == promise.id) {
        *counts.entry(clock.state).or_default() += clock.assets.len().max(1);
    }
    PromiseState {
        promise: promise.id.clone(),
        kind: promise.kind,
        days: promise.days,
        broken: counts.get(&State::Breached).is_some_and(|it| *it > 0),
        counts,
        penalty: promise.penalty,
    }
}

/// A reading, before the assets that share it are joined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    state: State,
    due: Option<Date>,
    promise: String,
    subject: String,
    component: Option<String>,
    fix: Option<String>,
    needs: Vec<Need>,
    started: Option<Date>,
    evidence: String,
    accepted: Option<Acceptance>,
}

#[derive(Default)]
struct Found(BTreeMap<Reading, (Option<PromiseKind>, BTreeSet<Asset>)>);

impl Found {
    fn add(&mut self, kind: PromiseKind, reading: Reading, assets: impl IntoIterator<Item = Asset>) {
        let entry = self.0.entry(reading).or_default();
        entry.0 = Some(kind);
        entry.1.extend(assets);
    }

    /// The most pressing first: by state, then by due day.
    fn clocks(self) -> Vec<Clock> {
        let clock = |(it, (kind, assets)): (Reading, (Option<PromiseKind>, BTreeSet<Asset>))| Clock {
            promise: it.promise,
            kind: kind.unwrap_or(PromiseKind::FixWithin),
            subject: it.subject,
            component: it.component,
            fix: it.fix,
            needs: it.needs,
            state: it.state,
            started: it.started,
            due: it.due,
            evidence: it.evidence,
            accepted: it.accepted,
            assets: assets.into_iter().collect(),
            will_breach: 0,
            forecast_unknown: 0,
        };
        self.0.into_iter().map(clock).collect()
    }
}

/// The start of a clock: its day, and the fact that gives it or is missing.
struct Start {
    day: Option<Date>,
    evidence: String,
}

struct Reader<'a> {
    base: &'a FactBase,
    assessment: &'a Assessment,
    places: Places,
    releases: BTreeMap<String, &'a ReleaseFact>,
    acceptances: Acceptances<'a>,
    as_of: Date,
    soon: u16,
}

impl Reader<'_> {
    fn reading(
        &self,
        promise: &Promise,
        subject: String,
        component: Option<String>,
        start: Start,
        done: bool,
    ) -> Reading {
        let due = start.day.and_then(|it| it.checked_add(i64::from(promise.days).days()).ok());
        let state = match due {
            None => State::Unknown,
            Some(due) if done && self.as_of <= due => State::Kept,
            Some(_) if done => State::Done,
            Some(_) if start.day.is_some_and(|it| it > self.as_of) => State::NotStarted,
            Some(due) if self.as_of > due => State::Breached,
            Some(due) if (due - self.as_of).get_days() <= i32::from(self.soon) => State::DueSoon,
            Some(_) => State::Running,
        };
        Reading {
            state,
            due,
            promise: promise.id.clone(),
            subject,
            component,
            fix: None,
            needs: Vec::new(),
            started: start.day,
            evidence: start.evidence,
            accepted: None,
        }
    }

    /// Clocks of fixes: one per vulnerability, component and asset in scope.
    fn fixes(&self, promise: &Promise, found: &mut Found) {
        for group in &self.assessment.groups {
            let assets: Vec<Asset> =
                group.assets.iter().filter(|it| self.places.holds(&promise.scope, it)).cloned().collect();
            if assets.is_empty() {
                continue;
            }
            match (promise.human_impact_at_least, group.context.human_impact) {
                (Some(least), Some(impact)) if impact < least => continue,
                (Some(_), None) if group.findings_in(&self.assessment.findings).next().is_some() => {
                    let evidence = "missing: the human impact of the applications on it".to_owned();
                    let start = Start { day: None, evidence };
                    let reading = self.reading(promise, "(vulnerabilities)".to_owned(), None, start, false);
                    found.add(promise.kind, reading, assets);
                    continue;
                }
                _ => {}
            }
            for finding in group.findings_in(&self.assessment.findings) {
                let Some(reading) = self.fix(promise, finding) else { continue };
                let id = finding.vulnerability.as_ref().filter(|_| finding.status.is_open());
                let about = id.map(|it| self.acceptances.about(self.assessment, it)).unwrap_or_default();
                if about.is_empty() {
                    found.add(promise.kind, reading, assets.iter().cloned());
                    continue;
                }
                for asset in &assets {
                    let accepted = self.acceptances.on(&about, &self.places, asset);
                    found.add(promise.kind, stopped(reading.clone(), accepted), [asset.clone()]);
                }
            }
        }
    }

    /// The clock of one finding; `None`: the promise does not speak of it.
    fn fix(&self, promise: &Promise, finding: &Finding) -> Option<Reading> {
        let mut reading = self.fix_clock(promise, finding)?;
        match (finding.status, &finding.fix) {
            (Status::Affected, Some(fix)) => reading.fix = fix.version.as_deref().map(str::to_owned),
            // The first version that has it may be older than the one that is installed.
            (Status::FixedNotRunning, Some(fix)) => {
                let is_left = |it: &&Need| !matches!(it, Need::Install { .. });
                reading.needs = fix.needs.iter().filter(is_left).cloned().collect();
                // An assessment of an older version may leave it out.
                if reading.needs.is_empty() {
                    reading.needs.push(Need::Unknown { component: Arc::clone(&finding.component) });
                }
            }
            _ => {}
        }
        Some(reading)
    }

    fn fix_clock(&self, promise: &Promise, finding: &Finding) -> Option<Reading> {
        let component = Some(format!("{} {}", finding.component, finding.version));
        let unknown = |subject: &str, evidence: String| {
            let start = Start { day: None, evidence };
            Some(self.reading(promise, subject.to_owned(), component.clone(), start, false))
        };
        let Some(id) = &finding.vulnerability else {
            let status = finding.status.label();
            return unknown(
                "(vulnerabilities)",
                format!("missing: a feed that covers {}: {status}", finding.component),
            );
        };
        let done = match finding.status {
            Status::NotAffected => return None,
            Status::Fixed => true,
            Status::Affected | Status::FixedNotRunning => false,
            other => {
                self.demands(promise, id)?.ok();
                let evidence = format!("missing: whether it is open on the asset: {}", other.label());
                return unknown(id.as_str(), evidence);
            }
        };
        if let Err(missing) = self.demands(promise, id)? {
            // What is done is done, whatever its score.
            return if done { None } else { unknown(id.as_str(), missing) };
        }
        let open = finding.status == Status::Affected;
        if open && finding.fix.as_ref().is_none_or(|it| it.version.is_none()) {
            let start =
                Start { day: None, evidence: "no fix is published, as far as the feeds know".to_owned() };
            let mut reading = self.reading(promise, id.to_string(), component, start, false);
            reading.state = State::NotStarted;
            return Some(reading);
        }
        let start = self.fix_published(id, finding);
        // A fix that is in force and that nobody dated breaks no promise that could be shown.
        if done && start.day.is_none() {
            return None;
        }
        Some(self.reading(promise, id.to_string(), component, start, done))
    }

    /// Whether a promise speaks of a vulnerability: `None` no, `Ok` yes, `Err` a fact is missing to tell.
    fn demands(&self, promise: &Promise, id: &VulnerabilityId) -> Option<Result<(), String>> {
        let view = self.assessment.vulnerabilities.get(id);
        if promise.exploited_only && view.and_then(|it| it.kev).is_none_or(|it| it > self.as_of) {
            return None;
        }
        let Some(least) = promise.cvss_at_least else { return Some(Ok(())) };
        match view.and_then(|it| it.cvss.as_ref()) {
            Some(cvss) if cvss.score < least => None,
            Some(_) => Some(Ok(())),
            None => Some(Err(format!("missing: a CVSS score; the promise begins at {least:.1}"))),
        }
    }

    /// When the vendor published the fix: the advisory that announces it, else the release that is it, else the first
    /// advisory that speaks of the vulnerability.
    fn fix_published(&self, id: &VulnerabilityId, finding: &Finding) -> Start {
        let day = |at: jiff::Timestamp| at.to_zoned(TimeZone::UTC).date();
        let fix = finding.fix.as_ref();
        let announced = fix.and_then(|it| it.advisory.as_ref());
        let advisories = || self.base.advisories_of(id);
        let own = advisories()
            .filter(|it| Some(&it.id) == announced)
            .filter_map(|it| Some((day(it.published?), &it.id)));
        if let Some((day, advisory)) = own.min() {
            return Start { day: Some(day), evidence: format!("{advisory} was published on {day}") };
        }
        let version = fix.and_then(|it| it.version.as_deref());
        let build = version.and_then(|it| it.rsplit('-').next()).filter(|it| is_build(it));
        let release =
            announced.map(|it| it.as_str()).into_iter().chain(build).find_map(|it| self.releases.get(it));
        if let Some(release) = release {
            let what = match release.date_kind {
                DateKind::Published => "was published on",
                DateKind::Built => "was built (published later) on",
            };
            let evidence = format!("{} {} {what} {}", release.component, release.version, release.date);
            return Start { day: Some(release.date), evidence };
        }
        let first = advisories().filter_map(|it| Some((day(it.published?), &it.id))).min();
        match first {
            Some((day, advisory)) => Start {
                day: Some(day),
                evidence: format!("{advisory}, the first about it, was published on {day}"),
            },
            None => {
                Start { day: None, evidence: "missing: the day on which its fix was published".to_owned() }
            }
        }
    }

    /// The releases in use by assets in scope, with those assets.
    fn in_use(&self, scope: &Scope) -> BTreeMap<(Family, Option<String>), BTreeSet<Asset>> {
        let mut used: BTreeMap<(Family, Option<String>), BTreeSet<Asset>> = BTreeMap::new();
        for ((kind, id), place) in self.places.all() {
            let asset = Asset { kind: *kind, id: Arc::from(id.as_str()) };
            if self.places.holds(scope, &asset) {
                for (family, train) in &place.releases {
                    let line = train.as_deref().map(|it| line_of(family, it).to_owned());
                    used.entry((family.clone(), line)).or_default().insert(asset.clone());
                }
            }
        }
        used
    }

    /// Clocks of releases that have reached, or will reach, their end of life.
    fn ends(&self, promise: &Promise, found: &mut Found) {
        for ((family, train), assets) in self.in_use(&promise.scope) {
            let missing = |what: String| Start { day: None, evidence: format!("missing: {what}") };
            let lifecycle = train.as_deref().and_then(|it| self.lifecycle(&family, it));
            let subject = format!("{family} {}", train.as_deref().unwrap_or("(release not known)"));
            let (start, state) = match (&train, lifecycle.map(|it| it.end_of_life)) {
                (None, _) => (missing("the release in use".to_owned()), None),
                (Some(_), None) => (missing(format!("the support period of {subject}")), None),
                (_, Some(LifecycleDate::Ended)) => {
                    (missing(format!("the day on which {subject} ended; it has ended")), None)
                }
                (_, Some(LifecycleDate::NotYet)) => {
                    let evidence = format!("no end of {subject} is known yet");
                    (Start { day: None, evidence }, Some(State::NotStarted))
                }
                (_, Some(LifecycleDate::On(day))) => {
                    let verb = if day > self.as_of { "ends" } else { "ended" };
                    (
                        Start { day: Some(day), evidence: format!("support of {subject} {verb} on {day}") },
                        None,
                    )
                }
            };
            let mut reading = self.reading(promise, subject, None, start, false);
            reading.state = state.unwrap_or(reading.state);
            found.add(promise.kind, reading, assets);
        }
    }

    fn lifecycle(&self, family: &Family, train: &str) -> Option<&Lifecycle> {
        self.base.lifecycles().iter().find(|it| it.family == *family && line_of(family, &it.train) == train)
    }

    /// Clocks of releases that have appeared: of each product in use, the releases younger than the oldest one in use.
    fn arrivals(&self, promise: &Promise, found: &mut Found) {
        let used = self.in_use(&promise.scope);
        let mut families: BTreeMap<&Family, Vec<&str>> = BTreeMap::new();
        for (family, train) in used.keys() {
            families.entry(family).or_default().extend(train.as_deref());
        }
        for (family, trains) in families {
            let known: Vec<&Lifecycle> =
                self.base.lifecycles().iter().filter(|it| it.family == *family).collect();
            let line = |it: &Lifecycle| line_of(family, &it.train).to_owned();
            let oldest = known
                .iter()
                .filter(|it| trains.contains(&line(it).as_str()))
                .filter_map(|it| it.released)
                .min();
            let Some(oldest) = oldest else {
                let evidence = format!("missing: when the releases of {family} appeared");
                let start = Start { day: None, evidence };
                let reading = self.reading(promise, format!("{family} (new releases)"), None, start, false);
                found.add(
                    promise.kind,
                    reading,
                    used.iter().filter(|it| it.0.0 == *family).flat_map(|it| it.1.clone()),
                );
                continue;
            };
            for lifecycle in known {
                let subject = format!("{family} {}", line(lifecycle));
                let done = trains.contains(&line(lifecycle).as_str());
                let users =
                    || used.get(&(family.clone(), Some(line(lifecycle)))).cloned().unwrap_or_default();
                let over = matches!(lifecycle.end_of_life, LifecycleDate::On(day) if day <= self.as_of)
                    || lifecycle.end_of_life == LifecycleDate::Ended;
                match lifecycle.released {
                    Some(day) if day <= oldest || day > self.as_of || over && !done => {}
                    Some(day) => {
                        let evidence = format!("{subject} appeared on {day}");
                        let start = Start { day: Some(day), evidence };
                        let reading = self.reading(promise, subject, None, start, done);
                        found.add(promise.kind, reading, users());
                    }
                    None if over || done => {}
                    None => {
                        let evidence = format!("missing: when {subject} appeared");
                        let start = Start { day: None, evidence };
                        found.add(promise.kind, self.reading(promise, subject, None, start, false), users());
                    }
                }
            }
        }
    }
}

/// A clock as an acceptance leaves it: at a standstill while that holds. What has not started is not stopped.
fn stopped(mut reading: Reading, accepted: Option<Acceptance>) -> Reading {
    let Some(accepted) = accepted else { return reading };
    let words = if accepted.expired { "accepted until" } else { "accepted up to and with" };
    let passed = if accepted.expired { ", which has passed" } else { "" };
    reading.evidence =
        format!("{}; {words} {}{passed}, by {}", reading.evidence, accepted.expires, accepted.owner);
    if !accepted.expired && reading.state != State::NotStarted {
        reading.state = State::Accepted;
    }
    reading.accepted = Some(accepted);
    reading
}

/// Releases by what an advisory or a fix calls them: their bulletin, `family/component@version`, an ESXi build.
fn named_releases(base: &FactBase) -> BTreeMap<String, &ReleaseFact> {
    let mut releases: BTreeMap<String, &ReleaseFact> = BTreeMap::new();
    for release in base.releases() {
        let build = (release.family == Family::Esxi).then(|| release.version.to_string());
        let changelog = format!("{}/{}@{}", release.family, release.component, release.version);
        let bulletin = release.bulletin.as_ref().map(ToString::to_string);
        for name in [Some(changelog), bulletin, build].into_iter().flatten() {
            let known = releases.entry(name).or_insert(release);
            if release.date < known.date {
                *known = release;
            }
        }
    }
    releases
}

/// An ESXi build number: long enough not to be any other number.
fn is_build(text: &str) -> bool {
    text.len() >= 6 && text.bytes().all(|it| it.is_ascii_digit())
}
