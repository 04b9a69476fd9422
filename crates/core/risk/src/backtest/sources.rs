//! From the facts of all feeds to the history of one line.
//!
//! ESXi: the table of builds gives the releases; which release closes which vulnerability is asked of the matching itself,
//! with one host a release, so that a backtest and an assessment never disagree. Changelogs (Debian, Proxmox, XCP-ng) name
//! what each release closes, and so do the lists of Windows updates: it is closed in that release and all later ones, and taken to be open in all earlier ones,
//! because a changelog does not say since when a hole was there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde::Serialize;
use underpin_exposure::{FactBase, Options, Status, assess, classify};
use underpin_model::cvss;
use underpin_model::facts::{
    Cvss, DateKind, Document, Family, PatchClass, Period, ReleaseFact, VulnerabilityFacts,
};
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet, Host, Seen};
use underpin_model::id::{HostId, VulnerabilityId};

use super::BacktestError;
use super::history::{Assessed, Bad, History, Hole, Means, Release, Signals, Why};
use crate::withdrawals;

/// The first day of KEV: entries for older exploitation were added from then on, and count from the day they were added.
pub const KEV_BEGAN: Date = date(2021, 11, 3);

/// The organisation whose vectors were added to older records afterwards: the day of the record is not theirs.
const ADDED_LATER: &str = "CISA-ADP";

/// A line of releases that the facts know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Line {
    /// Product or distribution.
    pub platform: Family,
    /// Line.
    pub line: Arc<str>,
    /// What is released.
    pub component: Arc<str>,
}

impl Line {
    /// The line of a release; `None` where its source names no train. A Windows product names its release itself, and is a
    /// line where its updates are cumulative: each month's holds all before it. Those up to 2012 R2 came one by one, so that
    /// which of them a host had at a time is told by no list of releases.
    fn of(release: &ReleaseFact) -> Option<Self> {
        let cumulative = |it: &&str| !["2008", "2012"].iter().any(|year| it.contains(year));
        let train = match &release.family {
            Family::Windows => Some(&*release.component).filter(cumulative)?,
            _ => release.train.as_deref()?,
        };
        Some(Self {
            platform: release.family.clone(),
            line: line_of(&release.family, train).into(),
            component: Arc::clone(&release.component),
        })
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.platform, self.line, self.component)
    }
}

/// `8.0` of the update train `8.0U3`; other products name their lines as they are.
#[must_use]
pub fn line_of<'t>(family: &Family, train: &'t str) -> &'t str {
    match family {
        Family::Esxi | Family::Vcenter => train.split_once(['U', 'u']).map_or(train, |it| it.0).trim(),
        _ => train,
    }
}

/// The lines with at least two releases.
#[must_use]
pub fn lines(base: &FactBase) -> BTreeSet<Line> {
    let mut counts: BTreeMap<Line, u32> = BTreeMap::new();
    for line in base.releases().iter().filter_map(Line::of) {
        *counts.entry(line).or_default() += 1;
    }
    counts.into_iter().filter(|it| it.1 > 1).map(|it| it.0).collect()
}

/// The history of a line. `epss` are EPSS files, each of one day; other documents in it are passed over.
///
/// # Errors
/// [`BacktestError::UnknownLine`] names the lines of the platform that there are, or the platforms.
pub fn of_facts(base: &FactBase, line: &Line, epss: &[Document]) -> Result<History, BacktestError> {
    let found: Vec<&ReleaseFact> =
        base.releases().iter().filter(|it| Line::of(it).as_ref() == Some(line)).collect();
    let Some(first) = found.first() else { return Err(unknown(base, line)) };
    let mut history = History {
        platform: line.platform.name().to_owned(),
        line: line.line.to_string(),
        component: line.component.to_string(),
        dates: first.date_kind,
        releases: Vec::new(),
        holes: Vec::new(),
        bad: Vec::new(),
        signals: signals(base, epss),
    };
    let closed = if line.platform == Family::Esxi {
        (history.releases, history.bad) = esxi_releases(&found, line);
        closed_by_matching(base, line, &history.releases)
    } else {
        let mut ordered = found;
        // Uploads of one day keep the order of the source.
        ordered.sort_by_key(|it| it.date);
        history.releases = ordered.iter().map(|it| plain_release(it)).collect();
        closed_by_changelog(&ordered)
    };
    let scores = epss_scores(epss);
    history.holes = closed
        .into_iter()
        .filter_map(|(id, closed_by)| hole(base, (line, &history.releases), id, closed_by, &scores))
        .collect();
    history.find_early_replacements();
    Ok(history)
}

fn unknown(base: &FactBase, line: &Line) -> BacktestError {
    let all = lines(base);
    let known = lines_of(&all, &line.platform).unwrap_or_else(|| platforms(&all));
    BacktestError::UnknownLine { asked: line.to_string(), known }
}

/// The lines of a platform, each with its components, for an error that names the choices; `None`: there is none.
pub(super) fn lines_of(all: &BTreeSet<Line>, platform: &Family) -> Option<String> {
    let mut components: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for it in all.iter().filter(|it| it.platform == *platform) {
        components.entry(&it.line).or_default().push(&it.component);
    }
    let lines: Vec<String> =
        components.iter().map(|(line, of)| format!("{line} ({})", of.join(", "))).collect();
    (!lines.is_empty()).then(|| format!("lines of {platform} {}", lines.join(", ")))
}

/// The platforms that have a line, for an error that names the choices.
pub(super) fn platforms(all: &BTreeSet<Line>) -> String {
    let names: BTreeSet<String> = all.iter().map(|it| it.platform.to_string()).collect();
    format!("platforms {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

fn plain_release(fact: &ReleaseFact) -> Release {
    Release {
        version: Arc::clone(&fact.version),
        day: fact.date,
        train: fact.train.clone().unwrap_or_default(),
        // A changelog says what it closes; an entry that closes nothing says so by its silence.
        security: match (fact.date_kind, fact.class) {
            (_, Some(PatchClass::Security)) => Some(true),
            (DateKind::Built, None) | (_, Some(PatchClass::BugFix)) => Some(false),
            _ => None,
        },
    }
}

/// ESXi releases in the order in which they replace each other, with the withdrawn ones put back. Until 6.7 builds are
/// cumulative whatever update they are of; from 7.0 on each update train has builds of its own, and a later train
/// replaces an earlier one. The "security only" twin of a release is the same maintenance: it is left out and tells that
/// the release closes vulnerabilities.
fn esxi_releases(found: &[&ReleaseFact], line: &Line) -> (Vec<Release>, Vec<Bad>) {
    let number = |it: &str| it.parse::<u64>().unwrap_or(0);
    let by_train = has_trains(&line.line);
    let mut releases: Vec<Release> = Vec::new();
    for fact in found {
        let twins = found.iter().filter(|it| {
            it.date == fact.date
                && it.bulletin.is_some()
                && it.bulletin == fact.bulletin
                && it.version != fact.version
        });
        let twins: Vec<_> = twins.collect();
        if twins.iter().any(|it| number(&it.version) > number(&fact.version)) {
            continue;
        }
        let mut release = plain_release(fact);
        if twins.iter().any(|it| it.class == Some(PatchClass::Security)) {
            release.security = Some(true);
        }
        releases.push(release);
    }
    let incidents: Vec<_> =
        withdrawals::of_family(&line.platform).filter(|it| it.line == &*line.line).collect();
    for it in &incidents {
        if !releases.iter().any(|one| &*one.version == it.version) {
            releases.push(Release {
                version: it.version.into(),
                day: it.released,
                train: it.train.into(),
                security: None,
            });
        }
    }
    releases.sort_by(|a, b| {
        let key = |it: &Release| {
            let train = if by_train { Arc::clone(&it.train) } else { Arc::default() };
            (train, if by_train { date(1, 1, 1) } else { it.day }, number(&it.version))
        };
        key(a).cmp(&key(b))
    });
    let bad = incidents.iter().filter_map(|it| {
        let release = releases.iter().position(|one| &*one.version == it.version)?;
        Some(Bad {
            release,
            version: it.version.into(),
            why: Why::Withdrawn,
            known: it.known,
            mark: it.known_mark,
        })
    });
    let bad: Vec<Bad> = bad.collect();
    (releases, bad)
}

/// Whether each update of an ESXi line has builds of its own.
fn has_trains(line: &str) -> bool {
    line.split('.').next().and_then(|it| it.parse::<u32>().ok()).is_some_and(|it| it >= 7)
}

/// Which release closes which vulnerability, as the matching says of one host a release.
fn closed_by_matching(
    base: &FactBase,
    line: &Line,
    releases: &[Release],
) -> BTreeMap<VulnerabilityId, Vec<usize>> {
    // Everything that the facts state, whenever it was stated: what was known when is decided fact by fact.
    let at = date(2200, 1, 1).to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |it| it.timestamp());
    let mut fleet = Fleet::new("one host a release", Seen { at, by: "backtest".to_owned() });
    let by_train = has_trains(&line.line);
    for (number, release) in releases.iter().enumerate() {
        // A bare build is not compared across update trains.
        let version = if by_train {
            format!("{}-{}", release.train, release.version)
        } else {
            release.version.to_string()
        };
        let Ok(id) = HostId::new(number.to_string()) else { continue };
        let mut component =
            Component::new(line.component.to_string(), version.clone(), ComponentKind::Product);
        component.running_version = Some(version);
        let mut host = Host::new(id);
        host.components = Some(ComponentSet {
            family: Some(line.platform.clone()),
            train: Some(release.train.to_string()),
            components: vec![component],
            extra: BTreeMap::new(),
        });
        fleet.hosts.push(host);
    }
    let assessment = assess(&fleet, base, &Options::at(at));
    let mut closed: BTreeMap<VulnerabilityId, (bool, Vec<usize>)> = BTreeMap::new();
    for group in &assessment.groups {
        let positions: Vec<usize> = group.assets.iter().filter_map(|it| it.id.parse().ok()).collect();
        for finding in group.findings_in(&assessment.findings) {
            let Some(id) = &finding.vulnerability else { continue };
            let entry = closed.entry(id.clone()).or_default();
            match finding.status {
                Status::Affected => entry.0 = true,
                Status::Fixed | Status::FixedNotRunning | Status::NotAffected => entry.1.extend(&positions),
                _ => {}
            }
        }
    }
    // What no release of the line is vulnerable to is no hole of the line.
    let mut holes: BTreeMap<_, _> =
        closed.into_iter().filter(|it| it.1.0).map(|(id, it)| (id, it.1)).collect();
    holes.values_mut().for_each(|it: &mut Vec<usize>| {
        it.sort_unstable();
        it.dedup();
    });
    holes
}

/// Which release closes which vulnerability, as changelogs say. An entry that names CVEs may name the XSAs that they
/// belong to as well; only the CVEs count then.
fn closed_by_changelog(releases: &[&ReleaseFact]) -> BTreeMap<VulnerabilityId, Vec<usize>> {
    let is_xsa = |it: &&VulnerabilityId| it.as_str().starts_with("XSA-");
    let mut first: BTreeMap<VulnerabilityId, usize> = BTreeMap::new();
    for (at, release) in releases.iter().enumerate() {
        let only_xsas = release.fixes.iter().all(|it| is_xsa(&it));
        for id in release.fixes.iter().filter(|it| only_xsas || !is_xsa(it)) {
            first.entry(id.clone()).or_insert(at);
        }
    }
    // Closed by the first release of all: no host of the replay was ever open to it.
    let later = first.into_iter().filter(|it| it.1 > 0);
    later.map(|(id, at)| (id, (at..releases.len()).collect())).collect()
}

type Scores = BTreeMap<VulnerabilityId, Vec<(Date, f64)>>;

fn epss_scores(documents: &[Document]) -> Scores {
    let mut scores: Scores = BTreeMap::new();
    for facts in documents.iter().flat_map(|it| &it.vulnerabilities) {
        if let Some(epss) = &facts.epss
            && let Some(day) = epss.scored
        {
            scores.entry(facts.id.clone()).or_default().push((day, epss.probability));
        }
    }
    scores.values_mut().for_each(|it| it.sort_by_key(|it| it.0));
    scores
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// A vulnerability with its days; `None`: nothing dates it.
fn hole(
    base: &FactBase,
    (line, releases): (&Line, &[Release]),
    id: VulnerabilityId,
    closed_by: Vec<usize>,
    scores: &Scores,
) -> Option<Hole> {
    let facts = base.vulnerability(&id);
    if facts.is_some_and(|it| it.withdrawn) {
        return None;
    }
    let advised = base.advisories_of(&id).filter_map(|it| it.published).min();
    let public = facts.and_then(|it| it.published).into_iter().chain(advised).min().map(day);
    let fixed = closed_by.iter().filter_map(|at| releases.get(*at)).map(|it| it.day).min();
    let published = public.or(fixed)?;
    Some(Hole {
        published,
        day_assumed: public.is_none(),
        listed: facts.and_then(|it| it.kev.as_ref()).map(|it| it.added.max(KEV_BEGAN)),
        score: facts.and_then(scored),
        means: facts.and_then(|it| means(line, it)),
        assessed: facts.and_then(assessed),
        predicted: scores.get(&id).cloned().unwrap_or_default(),
        closed_by,
        id,
    })
}

/// The highest base score of the newest CVSS version, since the day of its record; `None` where the record has no day.
fn scored(facts: &VulnerabilityFacts) -> Option<(Date, f64)> {
    let since = day(facts.published?);
    let in_record = facts.cvss.iter().filter(|it| it.scorer.as_deref() != Some(ADDED_LATER));
    let scores = in_record.filter_map(|it| cvss::score(&it.vector).ok());
    let best = scores.max_by(|a, b| a.version.cmp(&b.version).then(a.base.total_cmp(&b.base)))?;
    Some((since, best.base))
}

/// What the vector says from which the score is, since its day; else what any other one says, which no day has: it counts for what was
/// lost, and is seen by no decision.
fn means(line: &Line, facts: &VulnerabilityFacts) -> Option<(Option<Date>, Means)> {
    let kind = match line.platform {
        Family::Esxi | Family::Vcenter | Family::Windows => ComponentKind::Product,
        _ => ComponentKind::Package,
    };
    let area = classify::area(&line.platform, kind, &line.component, &line.component);
    let best = |dated: bool| {
        let own = |it: &&Cvss| !dated || it.scorer.as_deref() != Some(ADDED_LATER);
        let read = |it: &Cvss| Some((cvss::score(&it.vector).ok()?, cvss::effects(&it.vector).ok()?));
        let all = facts.cvss.iter().filter(own).filter_map(read);
        all.max_by(|(a, _), (b, _)| a.version.cmp(&b.version).then(a.base.total_cmp(&b.base)))
    };
    let dated = facts.published.and_then(|at| Some((Some(day(at)), best(true)?)));
    let (since, (_, effects)) = dated.or_else(|| Some((None, best(false)?)))?;
    Some((since, Means::of(area, Some(&effects))))
}

fn assessed(facts: &VulnerabilityFacts) -> Option<(Date, Assessed)> {
    let ssvc = facts.ssvc?;
    Some((day(ssvc.at?), Assessed { exploitation: ssvc.exploitation, automatable: ssvc.automatable }))
}

fn signals(base: &FactBase, epss: &[Document]) -> Signals {
    let all = || base.vulnerabilities().values();
    Signals {
        kev: period(all().filter_map(|it| it.kev.as_ref()).map(|it| it.added.max(KEV_BEGAN))),
        cvss: period(all().filter_map(scored).map(|it| it.0)),
        ssvc: period(all().filter_map(assessed).map(|it| it.0)),
        epss: period(
            epss.iter().flat_map(|it| &it.vulnerabilities).filter_map(|it| it.epss.as_ref()?.scored),
        ),
    }
}

fn period(days: impl Iterator<Item = Date>) -> Option<Period> {
    days.fold(None, |span: Option<Period>, day| {
        Some(span.map_or(Period { from: day, to: day }, |it| Period {
            from: it.from.min(day),
            to: it.to.max(day),
        }))
    })
}
