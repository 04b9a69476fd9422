//! The releases of a line that could be taken: the smallest that closes what is due, and the newest. What its maker has withdrawn is
//! never one of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_exposure::FactBase;
use underpin_model::facts::{DateKind, Family, ReleaseFact};
use underpin_model::version::{Comparison, Scheme, compare, esxi, succession};

use super::due::{Due, LineKey, named};
use super::prior;
use crate::withdrawals::{self, Withdrawal, key};

/// A release that its maker has withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Withdrawn {
    /// As the fixes name it.
    pub release: String,
    /// What is known of it.
    pub withdrawal: &'static Withdrawal,
}

/// A release that could be taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) version: String,
    /// The day that its maturity counts from.
    pub(super) released: Option<Date>,
    /// What the day is.
    pub(super) basis: &'static str,
}

/// What could be taken of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Targets {
    /// The smallest release that closes everything, or the next one after what is known to be bad.
    pub(super) smallest: Target,
    /// The newest of the line, where that is a later one.
    pub(super) newest: Option<Target>,
    /// What would be the smallest.
    pub(super) instead_of: Option<Withdrawn>,
}

/// What follows a release; `None`: nothing does.
struct Later {
    next: Option<String>,
    newest: Option<String>,
}

/// The releases that could be taken on a day, by family and component.
pub(super) struct Releases<'b> {
    base: &'b FactBase,
    of: FxHashMap<(Family, String), OfComponent<'b>>,
    on: Date,
}

/// Those of a component, whatever their train.
#[derive(Default)]
struct OfComponent<'b> {
    all: Vec<&'b ReleaseFact>,
    /// The first day of each, by what tells it in every spelling.
    by_key: FxHashMap<String, &'b ReleaseFact>,
}

impl<'b> OfComponent<'b> {
    fn add(&mut self, release: &'b ReleaseFact) {
        self.all.push(release);
        for name in names(release) {
            let first = self.by_key.entry(name).or_insert(release);
            if release.date < first.date {
                *first = release;
            }
        }
    }
}

impl<'b> Releases<'b> {
    pub(super) fn of(base: &'b FactBase, on: Date) -> Self {
        let mut of: FxHashMap<(Family, String), OfComponent<'_>> = FxHashMap::default();
        // Microcode is released as packages of revisions: the name of a package is no revision.
        let could = |it: &&ReleaseFact| it.family != Family::IntelMicrocode && it.date <= on;
        for release in base.releases().iter().filter(could) {
            of.entry((release.family.clone(), release.component.to_ascii_lowercase()))
                .or_default()
                .add(release);
        }
        Self { base, of, on }
    }

    fn of_component(&self, line: &LineKey) -> Option<&OfComponent<'b>> {
        self.of.get(&(line.family.clone(), line.component.to_ascii_lowercase()))
    }

    /// Those of a line, and those of the train of a release to which it is to go.
    fn of_line(&self, line: &LineKey, to: Option<&str>) -> Vec<&'b ReleaseFact> {
        let to = to.filter(|_| line.family.scheme() == Scheme::Esxi).and_then(esxi::train);
        let of_train = |it: &&ReleaseFact| {
            let (of, on) = (it.train.as_deref(), line.train.as_deref());
            of.zip(on).is_none_or(|(of, on)| of == on || leads_to(&line.family, on, of))
                || (of.is_some() && of == to.as_deref())
        };
        self.of_component(line).into_iter().flat_map(|it| &it.all).copied().filter(of_train).collect()
    }

    /// The order of two releases of a line.
    pub(super) fn order(&self, line: &LineKey, left: &str, right: &str) -> Option<Ordering> {
        order(line, left, right, &self.of_line(line, None))
    }

    /// The withdrawal of a release, whether the lists still have it or not.
    pub(super) fn withdrawal(&self, line: &LineKey, version: &str) -> Option<&'static Withdrawal> {
        withdrawals::of_release(&line.family, version, self.on)
    }

    /// What the lists say of a release: its first day.
    pub(super) fn fact(&self, line: &LineKey, version: &str) -> Option<&'b ReleaseFact> {
        self.of_component(line)?.by_key.get(key(&line.family, version)).copied()
    }

    /// What follows a release in its line, without what was withdrawn.
    fn later(&self, line: &LineKey, first: &str) -> Later {
        let releases = self.of_line(line, Some(first));
        let order = |left: &str, right: &str| order(line, left, right, &releases);
        let later = || {
            let later = releases.iter().filter(|it| order(&named(it), first) == Some(Ordering::Greater));
            later.filter(|it| self.withdrawal(line, &named(it)).is_none())
        };
        let by_order = |a: &&&ReleaseFact, b: &&&ReleaseFact| {
            order(&named(a), &named(b)).unwrap_or(Ordering::Equal).then(a.date.cmp(&b.date))
        };
        let (next, newest) = (later().min_by(by_order), later().max_by(by_order));
        Later { next: next.map(|it| named(it)), newest: newest.map(|it| named(it)) }
    }

    fn target(&self, line: &LineKey, due: &Due, version: String) -> Target {
        let announced = due.versions.get(version.as_str()).copied().flatten();
        let (released, basis) = match (self.fact(line, &version), announced) {
            (Some(fact), _) if fact.date_kind == DateKind::Published => {
                (Some(fact.date), "day of its publication")
            }
            (_, Some(day)) => (Some(day), "day on which its advisory became known"),
            (Some(fact), None) => (Some(fact.date), "day of its build, not of its publication"),
            (None, None) => (None, "unknown"),
        };
        Target { version, released, basis }
    }
}

/// The smallest release that closes everything, or follows what is known to be bad, and the newest of the line where that is a later
/// one.
///
/// # Errors
/// The fact that is missing, in a sentence.
pub(super) fn targets(known: &Releases<'_>, line: &LineKey, due: &Due) -> Result<Targets, String> {
    if !due.replaces.is_empty() {
        return replacing(known, line, due);
    }
    let all = known.of_line(line, None);
    let mut versions = due.versions.keys().map(|it| &**it);
    let first = versions.next().ok_or_else(|| closes_nothing(known, line, due))?;
    let first = largest(line, first, versions, &all)?.to_owned();
    let Later { next, newest } = known.later(line, &first);
    let withdrawal = known.withdrawal(line, &first);
    let smallest = match withdrawal {
        None => first.clone(),
        Some(it) => next.ok_or_else(|| {
            format!(
                "a later release of {} in place of {first} (which closes what is due and was {})",
                line.component,
                it.known_by()
            )
        })?,
    };
    let newest = newest.filter(|it| *it != smallest).map(|it| known.target(line, due, it));
    let instead_of = withdrawal.map(|withdrawal| Withdrawn { release: first, withdrawal });
    Ok(Targets { smallest: known.target(line, due, smallest), newest, instead_of })
}

/// The next release after those that run and are known to be bad, and the newest.
fn replacing(known: &Releases<'_>, line: &LineKey, due: &Due) -> Result<Targets, String> {
    let all = known.of_line(line, None);
    let spelled: BTreeMap<String, &str> =
        due.replaces.iter().map(|it| (with_train(known, line, it), it.as_str())).collect();
    let mut versions = spelled.keys().map(String::as_str);
    let runs = largest(line, versions.next().unwrap_or_default(), versions, &all)?;
    let Later { next, newest } = known.later(line, runs);
    let told = spelled.get(runs).copied().unwrap_or(runs);
    let next = next.ok_or_else(|| format!("a later release of {} than {told}", line.component))?;
    let newest = newest.filter(|it| *it != next).map(|it| known.target(line, due, it));
    Ok(Targets { smallest: known.target(line, due, next), newest, instead_of: None })
}

/// A release that runs, so spelled that the others of its line can be ordered against it: a build alone has no train, and a name no build.
fn with_train(known: &Releases<'_>, line: &LineKey, version: &str) -> String {
    if line.family.scheme() != Scheme::Esxi
        || esxi::train(version).is_some() && esxi::build(version).is_some()
    {
        return version.to_owned();
    }
    let row = known.withdrawal(line, version).map(|it| format!("{}-{}", it.train, it.version));
    let of_line = || Some(format!("{}-{}", line.train.as_deref()?, esxi::build(version)?));
    row.or_else(of_line).unwrap_or_else(|| version.to_owned())
}

/// The largest of some versions: updates are cumulative.
fn largest<'v>(
    line: &LineKey,
    first: &'v str,
    versions: impl Iterator<Item = &'v str>,
    releases: &[&ReleaseFact],
) -> Result<&'v str, String> {
    let mut largest = first;
    for version in versions {
        match order(line, version, largest, releases) {
            Some(Ordering::Greater) => largest = version,
            Some(_) => {}
            None => {
                return Err(format!(
                    "the order of {} {largest} and {version} (neither their versions nor their days tell)",
                    line.component
                ));
            }
        }
    }
    Ok(largest)
}

/// What is missing where no release that could be taken closes anything: what is known is told.
pub(super) fn closes_nothing(known: &Releases<'_>, line: &LineKey, due: &Due) -> String {
    let missing =
        format!("a known release of {} that closes any of the open vulnerabilities", line.component);
    if let Some((version, day)) = due.ahead.iter().next() {
        return format!("{missing} ({version} does, and appears only on {day})");
    }
    let Some(train) = line.train.as_deref().filter(|_| line.family.scheme() == Scheme::Esxi) else {
        return missing;
    };
    let named = |id| known.base.fixes_named(&line.family, &line.component, id);
    let of_other = |it: &Arc<str>| esxi::train(it).is_some_and(|of| of != train);
    let others: BTreeSet<Arc<str>> = due.without_fix.keys().flat_map(named).filter(of_other).collect();
    if others.is_empty() {
        return missing;
    }
    let some: Vec<&str> = others.iter().take(NAMED).map(|it| &**it).collect();
    let more = if others.len() > NAMED { " and others" } else { "" };
    format!(
        "a release of {} {train} that closes any of the open vulnerabilities (known are {}{more}, of other updates: to go there is an \
         upgrade, which is not decided here)",
        line.component,
        some.join(", ")
    )
}

/// Releases of other updates that are named.
const NAMED: usize = 4;

/// Releases of another train come with the updates of one: until 6.7 each update of ESXi is followed by patches that hold it and
/// display no update, so that all of a version are one line. Since 7.0 an update is an upgrade of its own, and not crossed.
fn leads_to(family: &Family, on: &str, of: &str) -> bool {
    let version = |train| prior::line(family, train);
    let major = version(on).split('.').next().and_then(|it| it.parse::<u32>().ok());
    *family == Family::Esxi && major.is_some_and(|it| it < 7) && version(on) == version(of)
}

/// The build of a release of such a line: they are numbered through, also where only the number is named.
fn build<'v>(line: &LineKey, version: &'v str) -> Option<&'v str> {
    let on = line.train.as_deref()?;
    let (train, build) = version.rsplit_once('-').unwrap_or((on, version));
    (leads_to(&line.family, on, train) && build.bytes().all(|it| it.is_ascii_digit())).then_some(build)
}

/// What tells a release: by its version, and as fixes name it.
fn names(release: &ReleaseFact) -> [String; 2] {
    [release.version.to_string(), named(release)].map(|it| key(&release.family, &it).to_owned())
}

/// The order of two releases: by version, by build within a line, and by day where the scheme does not order them. Of two updates of
/// ESXi each has fixes of its own, so that a release of the later one holds those of the other only if it was also built later.
fn order(line: &LineKey, left: &str, right: &str, releases: &[&ReleaseFact]) -> Option<Ordering> {
    let scheme = line.family.scheme();
    let builds = build(line, left).zip(build(line, right)).unwrap_or((left, right));
    if let Ok(Comparison::Ordered(order)) = compare(scheme, builds.0, builds.1) {
        return Some(order);
    }
    if scheme == Scheme::Esxi
        && let (Ok(Comparison::Ordered(train)), Some((left, right))) =
            (succession(scheme, left, right), esxi::build(left).zip(esxi::build(right)))
    {
        let built = compare(scheme, left, right).ok()?;
        return (built == Comparison::Ordered(train)).then_some(train);
    }
    let day = |version: &str| {
        let told = key(&line.family, version);
        releases.iter().filter(|it| names(it).iter().any(|it| it == told)).map(|it| it.date).min()
    };
    Some(day(left)?.cmp(&day(right)?))
}
