//! The releases of a line that could be taken: the smallest that closes what is due, and the newest.

use std::cmp::Ordering;

use jiff::civil::Date;
use rustc_hash::FxHashMap;
use underpin_exposure::FactBase;
use underpin_model::facts::{DateKind, Family, ReleaseFact};
use underpin_model::version::{Comparison, compare};

use super::due::{Due, LineKey, named};
use super::prior;
use crate::withdrawals::{self, Withdrawal};

/// A release that could be taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) version: String,
    /// The day that its maturity counts from.
    pub(super) released: Option<Date>,
    /// What the day is.
    pub(super) basis: &'static str,
    /// Withdrawn by its maker, as known on the day.
    pub(super) withdrawn: Option<&'static Withdrawal>,
}

/// The releases that could be taken on a day, by family and component.
pub(super) struct Releases<'b> {
    of: FxHashMap<(&'b Family, String), Vec<&'b ReleaseFact>>,
    on: Date,
}

impl<'b> Releases<'b> {
    pub(super) fn of(base: &'b FactBase, on: Date) -> Self {
        let mut of: FxHashMap<(&Family, String), Vec<&ReleaseFact>> = FxHashMap::default();
        // Microcode is released as packages of revisions: the name of a package is no revision.
        let could = |it: &&ReleaseFact| it.family != Family::IntelMicrocode && it.date <= on;
        for release in base.releases().iter().filter(could) {
            of.entry((&release.family, release.component.to_ascii_lowercase())).or_default().push(release);
        }
        Self { of, on }
    }

    fn of_line(&self, line: &LineKey) -> Vec<&'b ReleaseFact> {
        let all = self.of.get(&(&line.family, line.component.to_ascii_lowercase()));
        let of_train = |it: &&&ReleaseFact| {
            let (of, on) = (it.train.as_deref(), line.train.as_deref());
            of.zip(on).is_none_or(|(of, on)| of == on || leads_to(&line.family, on, of))
        };
        all.into_iter().flatten().filter(of_train).copied().collect()
    }

    /// The order of two releases of a line.
    pub(super) fn order(&self, line: &LineKey, left: &str, right: &str) -> Option<Ordering> {
        order(line, left, right, &self.of_line(line))
    }
}

/// The smallest release that closes everything, and the newest of the line where that is a later one.
///
/// # Errors
/// The fact that is missing, in a sentence.
pub(super) fn targets(
    known: &Releases<'_>,
    line: &LineKey,
    due: &Due,
) -> Result<(Target, Option<Target>), String> {
    let on = known.on;
    let releases = known.of_line(line);
    let smallest = smallest(line, due, &releases)?;
    let newest = releases
        .iter()
        .filter(|it| order(line, &named(it), &smallest, &releases) == Some(Ordering::Greater))
        .filter(|it| withdrawn(it, on).is_none())
        .max_by(|a, b| {
            order(line, &named(a), &named(b), &releases).unwrap_or(Ordering::Equal).then(a.date.cmp(&b.date))
        });
    let target = |version: String| {
        let fact = releases.iter().filter(|it| is(it, &version)).min_by_key(|it| it.date);
        let announced = due.versions.get(version.as_str()).copied().flatten();
        let (released, basis) = match (fact, announced) {
            (Some(fact), _) if fact.date_kind == DateKind::Published => {
                (Some(fact.date), "day of its publication")
            }
            (_, Some(day)) => (Some(day), "day on which its advisory became known"),
            (Some(fact), None) => (Some(fact.date), "day of its build, not of its publication"),
            (None, None) => (None, "unknown"),
        };
        Target { released, basis, withdrawn: fact.and_then(|it| withdrawn(it, on)), version }
    };
    Ok((target(smallest.clone()), newest.map(|it| target(named(it)))))
}

fn withdrawn(release: &ReleaseFact, on: Date) -> Option<&'static Withdrawal> {
    let bulletin = release.bulletin.as_ref().map(|it| it.as_str());
    withdrawals::of_release(&release.family, &release.version, bulletin, on)
}

fn is(release: &ReleaseFact, version: &str) -> bool {
    *release.version == *version || named(release) == version
}

/// The largest of the first fixed versions: updates are cumulative.
fn smallest(line: &LineKey, due: &Due, releases: &[&ReleaseFact]) -> Result<String, String> {
    let mut versions = due.versions.keys();
    let first = versions.next().ok_or_else(|| {
        format!("a known release of {} that closes any of the open vulnerabilities", line.component)
    })?;
    let mut largest: &str = first;
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
    Ok(largest.to_owned())
}

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

/// The order of two releases: by version, by build within a line, and by day where the scheme does not order them.
fn order(line: &LineKey, left: &str, right: &str, releases: &[&ReleaseFact]) -> Option<Ordering> {
    let builds = build(line, left).zip(build(line, right)).unwrap_or((left, right));
    match compare(line.family.scheme(), builds.0, builds.1) {
        Ok(Comparison::Ordered(order)) => Some(order),
        _ => {
            let day = |version: &str| releases.iter().filter(|it| is(it, version)).map(|it| it.date).min();
            Some(day(left)?.cmp(&day(right)?))
        }
    }
}
