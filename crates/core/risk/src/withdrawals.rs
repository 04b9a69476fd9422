//! Releases that their maker withdrew, or that failed everywhere: one table of dated facts, each with its source and an honest
//! mark, for the prior of [`wait`](crate::wait) and for [`backtest`](crate::backtest).
//!
//! Lists of releases forget withdrawn ones: the table of ESXi builds goes from 7.0 U2d to 7.0 U3c, and names four others "(Recalled)". A rate of bad releases
//! that is computed from such lists alone is too low; this table puts the known ones back. It is no complete record, and is not
//! meant to be one: a release that is missing here is not thereby good.

use jiff::civil::{Date, date};
use serde::Serialize;
use underpin_model::facts::Family;
use underpin_model::version::{Scheme, esxi};

use crate::evidence::Beta;

/// How well a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A source that was read states it.
    Stated,
    /// From general knowledge; the incident is stated by a source, this fact is not.
    Recalled,
    /// Computed from the dates of releases.
    Computed,
}

/// One release that was withdrawn or failed everywhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Withdrawal {
    /// Product.
    pub family: &'static Family,
    /// Line.
    pub line: &'static str,
    /// Update train.
    pub train: &'static str,
    /// The release as its maker named it.
    pub release: &'static str,
    /// Its build.
    pub version: &'static str,
    /// How well the build is known.
    pub version_mark: Mark,
    /// When it appeared.
    pub released: Date,
    /// How well that day is known.
    pub released_mark: Mark,
    /// The first day on which it counts as known to be bad.
    pub known: Date,
    /// How well that day is known.
    pub known_mark: Mark,
    /// Share of the hosts that took it and were hit; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit: Option<f64>,
    /// How well that share is known.
    pub hit_mark: Mark,
    /// What happened.
    pub what: &'static str,
    /// Where it is from.
    pub source: &'static str,
}

impl Withdrawal {
    /// Since when it is known, and from where: what a sentence says of it.
    #[must_use]
    pub fn known_by(&self) -> String {
        format!("withdrawn, known since {}; source: {}", self.known, self.source)
    }

    /// What share of its hosts it hits, as a belief that runs change, where the table states one: as wide as that of any bad release.
    pub(crate) fn share(&self, (low, high): (f64, f64)) -> Option<Beta> {
        self.hit.map(|it| Beta::from_range(it, low, high))
    }

    /// The share in words.
    #[must_use]
    pub fn hits(&self) -> Option<String> {
        let recalled = if self.hit_mark == Mark::Recalled { " (recalled)" } else { "" };
        self.hit.map(|it| {
            format!("it hit {} % of the hosts that took it{recalled}", (it * 1000.0).round() / 10.0)
        })
    }

    /// The facts of it that no source states.
    pub fn recalled(&self) -> impl Iterator<Item = &'static str> {
        let marks = [
            ("build", self.version_mark),
            ("day of release", self.released_mark),
            ("day of withdrawal", self.known_mark),
            ("share of hosts hit", self.hit_mark),
        ];
        marks.into_iter().filter(|(_, mark)| *mark == Mark::Recalled).map(|(what, _)| what)
    }
}

const DRIVERS: &str =
    "two network drivers of one name: failed upgrades and HA; about 8 % of some 30,000 adopters were hit";

/// A release of the 7.0 U3 family, all withdrawn on one day.
const fn drivers(release: &'static str, version: &'static str, released: Date) -> Withdrawal {
    Withdrawal {
        family: &Family::Esxi,
        line: "7.0",
        train: "7.0U3",
        release,
        version,
        version_mark: Mark::Recalled,
        released,
        released_mark: Mark::Recalled,
        known: date(2021, 11, 19),
        known_mark: Mark::Recalled,
        hit: Some(0.08),
        hit_mark: Mark::Stated,
        what: DRIVERS,
        source: "The Register, 2022-01-28; builds and days are recalled",
    }
}

/// A release that lists of builds still have, named "(Recalled)" there. Nobody says which share of its hosts was hit.
const fn listed(
    line: &'static str,
    (train, release, version): (&'static str, &'static str, &'static str),
    (released, known, known_mark): (Date, Date, Mark),
    (what, source): (&'static str, &'static str),
) -> Withdrawal {
    Withdrawal {
        family: &Family::Esxi,
        line,
        train,
        release,
        version,
        version_mark: Mark::Stated,
        released,
        released_mark: Mark::Stated,
        known,
        known_mark,
        hit: None,
        hit_mark: Mark::Stated,
        what,
        source,
    }
}

/// A release of 9 January 2018 with microcode against Spectre.
const fn microcode(line: &'static str, names: (&'static str, &'static str, &'static str)) -> Withdrawal {
    let days = (date(2018, 1, 9), date(2018, 1, 13), Mark::Recalled);
    let what = "microcode against Spectre let Haswell and Broadwell processors restart; its maker advised against it";
    listed(
        line,
        names,
        days,
        (what, "list of ESXi builds, named \"(Recalled)\"; VMware KB 52345; the day is recalled"),
    )
}

/// The table, reviewed by hand.
pub static TABLE: [Withdrawal; 8] = [
    Withdrawal {
        family: &Family::Esxi,
        line: "3.5",
        train: "3.5U2",
        release: "3.5 U2",
        version: "103908",
        version_mark: Mark::Recalled,
        released: date(2008, 7, 25),
        released_mark: Mark::Recalled,
        known: date(2008, 8, 12),
        known_mark: Mark::Recalled,
        hit: Some(1.0),
        hit_mark: Mark::Recalled,
        what: "a licence check expired on a date: no VM could be started, on every host that ran it",
        source: "widely reported in August 2008; build, days and share are recalled",
    },
    listed(
        "5.5",
        ("5.5U2", "5.5 Patch 5", "2702864"),
        (date(2015, 4, 30), date(2015, 5, 8), Mark::Computed),
        (
            "called back by its maker; known to be bad from the day of its re-release, build 2718055",
            "list of ESXi builds, named \"(Recalled)\"; the day is that of the re-release there",
        ),
    ),
    microcode("5.5", ("5.5U3", "5.5 U3g", "7504623")),
    microcode("6.0", ("6.0U3", "6.0 U3d", "7504637")),
    microcode("6.5", ("6.5U1", "6.5 U1e", "7526125")),
    drivers("7.0 U3", "18644231", date(2021, 10, 5)),
    drivers("7.0 U3a", "18825058", date(2021, 11, 9)),
    drivers("7.0 U3b", "18905247", date(2021, 11, 12)),
];

/// The withdrawals of a product.
pub fn of_family(family: &Family) -> impl Iterator<Item = &'static Withdrawal> {
    TABLE.iter().filter(move |it| it.family == family)
}

/// The withdrawals of a line that were known on a day.
pub fn of_line<'a>(
    family: &'a Family,
    line: &'a str,
    on: Date,
) -> impl Iterator<Item = &'static Withdrawal> + use<'a> {
    of_family(family).filter(move |it| it.line == line && it.known <= on)
}

/// The withdrawals that a release may be of which only the train is known, or its line.
pub(crate) fn of_train<'a>(
    family: &'a Family,
    train: &'a str,
    on: Date,
) -> impl Iterator<Item = &'static Withdrawal> + use<'a> {
    of_family(family).filter(move |it| (it.train == train || it.line == train) && it.known <= on)
}

/// What tells a release of a product from its others in every spelling: of ESXi and vCenter the build, where it is stated.
pub(crate) fn key<'v>(family: &Family, version: &'v str) -> &'v str {
    if family.scheme() == Scheme::Esxi { esxi::build(version).unwrap_or(version) } else { version }
}

/// What a spelling of a release states of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spelled<'v> {
    pub(crate) build: Option<&'v str>,
    /// Version and update with their letters (`70u3c`). Without letters it is a train, of which there are many releases.
    pub(crate) name: Option<String>,
}

impl<'v> Spelled<'v> {
    /// Of a release of ESXi or vCenter.
    pub(crate) fn of(family: &Family, version: &'v str) -> Self {
        let build = (key(family, version) != version || version.bytes().all(|it| it.is_ascii_digit()))
            .then(|| key(family, version));
        let words = build.and_then(|it| version.strip_suffix(it)).unwrap_or(version);
        let mut plain: String = words.chars().filter(char::is_ascii_alphanumeric).collect();
        plain.make_ascii_lowercase();
        let plain = ["vmware", "esxi", "vcenter"]
            .iter()
            .fold(&*plain, |it, word| it.strip_prefix(word).unwrap_or(it));
        let plain = plain.replace("update", "u");
        let starts = plain.starts_with(|it: char| it.is_ascii_digit());
        let name = (starts && plain.ends_with(|it: char| it.is_ascii_alphabetic())).then_some(plain);
        Self { build, name }
    }

    /// The same release: the build decides where both state one.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self.build, other.build) {
            (Some(left), Some(right)) => left == right,
            _ => self.name.is_some() && self.name == other.name,
        }
    }

    /// It tells one release, and not only a train.
    pub(crate) fn is_one(&self) -> bool {
        self.build.is_some() || self.name.is_some()
    }
}

/// The withdrawal of one release, if it was known on a day. Builds are numbered through: `ESXi70U3a-18825058` is the row `18825058`.
/// Where no build is stated the name with its letters tells (`7.0 U3a`).
///
/// A train is named like its first release (`7.0U3`), but holds the repaired later ones too: a train alone is no match.
#[must_use]
pub fn of_release(family: &Family, version: &str, on: Date) -> Option<&'static Withdrawal> {
    row(family, version).filter(|it| it.known <= on)
}

/// The day on which a release appeared that lists have forgotten since. It was known from that day on, when nobody knew yet that it
/// would be withdrawn.
#[must_use]
pub(crate) fn released(family: &Family, version: &str, on: Date) -> Option<Date> {
    row(family, version).map(|it| it.released).filter(|it| *it <= on)
}

fn row(family: &Family, version: &str) -> Option<&'static Withdrawal> {
    let release = Spelled::of(family, version);
    of_family(family).find(|it| {
        let row = Spelled { build: Some(it.version), name: Spelled::of(family, it.release).name };
        row.same(&release)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawal_counts_from_the_day_that_it_was_known() {
        let on = |day: &str| of_line(&Family::Esxi, "7.0", day.parse().unwrap()).count();
        assert_eq!((on("2021-11-18"), on("2021-11-19")), (0, 3));
        assert_eq!(of_line(&Family::Debian, "7.0", "2026-01-01".parse().unwrap()).count(), 0);
    }

    #[test]
    fn every_row_is_possible_and_says_what_of_it_is_recalled() {
        for it in &TABLE {
            assert!(it.released < it.known, "{}", it.release);
            assert!(it.hit.is_none_or(|it| it > 0.0 && it <= 1.0));
            assert!(!it.what.is_empty() && !it.source.is_empty());
            assert_eq!(it.recalled().next().is_some(), it.source.contains("recalled"), "{}", it.release);
        }
        let mut builds: Vec<&str> = TABLE.iter().map(|it| it.version).collect();
        builds.sort_unstable();
        builds.dedup();
        assert_eq!(builds.len(), TABLE.len());
    }

    /// What the list of builds calls recalled.
    #[test]
    fn every_build_that_the_list_calls_recalled_is_here() {
        let list = include_str!("../../feeds/facts/esxi-builds.csv");
        let recalled: Vec<&str> = list
            .lines()
            .filter(|it| it.contains("(Recalled)"))
            .filter_map(|it| it.split(',').next())
            .collect();
        assert_eq!(recalled.len(), 4);
        assert!(recalled.iter().all(|build| TABLE.iter().any(|it| it.version == *build)), "{recalled:?}");
    }

    #[test]
    fn only_the_named_release_is_withdrawn_not_its_train() {
        let day = "2022-06-01".parse().unwrap();
        let named = |version| of_release(&Family::Esxi, version, day).map(|it| it.version);
        for spelled in [
            "18825058",
            "ESXi70U3a-18825058",
            "7.0.3-18825058",
            "7.0 U3a",
            "ESXi 7.0U3a",
            "VMware ESXi 7.0 Update 3a",
        ] {
            assert_eq!(named(spelled), Some("18825058"), "{spelled}");
        }
        assert_eq!(named("VMware ESXi 7.0.3 build-18644231"), Some("18644231"));
        assert_eq!(named("3.5.0-103908"), Some("103908"));
        for good in [
            "7.0U3",
            "7.0 U3",
            "ESXi 7.0 U3",
            "7.0.3",
            "3.5 U2",
            "3.5 U2-110268",
            "7.0U3-24723872",
            "7.0.3-24723872",
            "ESXi70U3c-19193900",
            "7.0 U3c",
            "19193900",
            "7.0 U3a-19193900",
            "esxi",
            "",
        ] {
            assert_eq!(named(good), None, "{good}");
        }
        assert!(of_release(&Family::Vcenter, "18905247", day).is_none());
    }
}
