//! Releases that are known to have been bad: a small table of dated facts, each with its source and an honest mark.
//!
//! Lists of releases forget the withdrawn ones: the table of ESXi builds goes from 7.0 U2d to 7.0 U3c. A rate of bad
//! releases that is computed from such lists alone is too low; this table puts the known ones back.

use jiff::civil::{Date, date};
use serde::Serialize;
use underpin_model::facts::Family;

/// How well a dated fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A source that was read states it.
    Stated,
    /// From general knowledge; the incident is stated by a source, this day is not.
    Recalled,
    /// Computed from the dates of releases.
    Computed,
}

/// One release that was withdrawn or failed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Incident {
    /// Product.
    #[serde(skip)]
    pub platform: &'static Family,
    /// Line.
    pub line: &'static str,
    /// Update train.
    pub train: &'static str,
    /// What people call the release.
    pub name: &'static str,
    /// Its build.
    pub version: &'static str,
    /// When it appeared.
    pub released: Date,
    /// How well that day is known.
    pub released_mark: Mark,
    /// Since when it was known to be bad.
    pub known: Date,
    /// How well that day is known.
    pub known_mark: Mark,
    /// Share of the hosts that took it and were hit.
    pub hit: f64,
    /// Where it is from.
    pub source: &'static str,
}

const U3: &str = "withdrawn in November 2021 with about 8 % of some 30,000 adopters hit (The Register, 2022-01-28); \
                  the days are recalled";
const BOMB: &str = "the time bomb of August 2008 stopped every host; the days and the build are recalled";

/// The table, reviewed by hand.
pub const INCIDENTS: [Incident; 4] = [
    Incident {
        platform: &Family::Esxi,
        line: "3.5",
        train: "3.5U2",
        name: "VI 3.5 U2",
        version: "103908",
        released: date(2008, 7, 25),
        released_mark: Mark::Recalled,
        known: date(2008, 8, 12),
        known_mark: Mark::Recalled,
        hit: 1.0,
        source: BOMB,
    },
    Incident {
        platform: &Family::Esxi,
        line: "7.0",
        train: "7.0U3",
        name: "7.0 U3",
        version: "18644231",
        released: date(2021, 10, 5),
        released_mark: Mark::Recalled,
        known: date(2021, 11, 19),
        known_mark: Mark::Recalled,
        hit: 0.08,
        source: U3,
    },
    Incident {
        platform: &Family::Esxi,
        line: "7.0",
        train: "7.0U3",
        name: "7.0 U3a",
        version: "18825058",
        released: date(2021, 11, 9),
        released_mark: Mark::Recalled,
        known: date(2021, 11, 19),
        known_mark: Mark::Recalled,
        hit: 0.08,
        source: U3,
    },
    Incident {
        platform: &Family::Esxi,
        line: "7.0",
        train: "7.0U3",
        name: "7.0 U3b",
        version: "18905247",
        released: date(2021, 11, 12),
        released_mark: Mark::Recalled,
        known: date(2021, 11, 19),
        known_mark: Mark::Recalled,
        hit: 0.08,
        source: U3,
    },
];

/// The incidents of a product.
pub fn of(platform: &Family) -> impl Iterator<Item = &'static Incident> {
    INCIDENTS.iter().filter(move |it| it.platform == platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_known_after_its_release_and_says_how_well_it_is_dated() {
        for it in &INCIDENTS {
            assert!(it.released < it.known, "{}", it.name);
            assert!(it.hit > 0.0 && it.hit <= 1.0);
            let recalled = it.released_mark == Mark::Recalled || it.known_mark == Mark::Recalled;
            assert!(!recalled || it.source.contains("recalled"), "{}", it.name);
        }
    }
}
