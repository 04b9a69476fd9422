//! Releases that their maker withdrew: dated facts, because a withdrawn release vanishes from lists of releases.
//!
//! A table of the few that are documented, each with its source. It is no complete record, and is not meant to be one:
//! a release that is missing here is not thereby good.

use jiff::civil::Date;
use serde::Serialize;
use underpin_model::facts::Family;

/// A withdrawn release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withdrawal {
    /// The product.
    pub family: Family,
    /// The line.
    pub line: &'static str,
    /// The release as its maker named it.
    pub release: &'static str,
    /// The first day on which the withdrawal counts as known.
    pub known: Date,
    /// What happened.
    pub what: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// A part of it, named in `source`, is recalled and was not read again in a source.
    pub recalled: bool,
}

const REGISTER: &str = "The Register, 2022-01-28; that the withdrawal came in November 2021, about six weeks after the release, is recalled";
const DRIVERS: &str =
    "two network drivers of one name: failed upgrades and HA; about 8 % of some 30,000 adopters were hit";

/// The table.
#[must_use]
pub fn table() -> Vec<Withdrawal> {
    // The sources give months: the last day of the month is the first on which it is certain to be known.
    let row = |line, release, known, what, source| Withdrawal {
        family: Family::Esxi,
        line,
        release,
        known,
        what,
        source,
        recalled: true,
    };
    let november = Date::constant(2021, 11, 30);
    vec![
        row(
            "3.5",
            "3.5 U2",
            Date::constant(2008, 8, 31),
            "a licence check expired on a date: no VM could be started, on every host that ran it",
            "widely reported in August 2008; recalled",
        ),
        row("7.0", "7.0 U3", november, DRIVERS, REGISTER),
        row("7.0", "7.0 U3a", november, DRIVERS, REGISTER),
        row("7.0", "7.0 U3b", november, DRIVERS, REGISTER),
    ]
}

/// The withdrawals of a line that were known on a day.
pub fn of_line<'a>(family: &'a Family, line: &'a str, on: Date) -> impl Iterator<Item = Withdrawal> + 'a {
    table().into_iter().filter(move |it| it.family == *family && it.line == line && it.known <= on)
}

/// The withdrawal of one release, if it was known on a day. `bulletin` is the name that its maker gave the release.
#[must_use]
pub fn of_release(
    family: &Family,
    train: Option<&str>,
    bulletin: Option<&str>,
    on: Date,
) -> Option<Withdrawal> {
    let wanted =
        |name: &str| name.chars().filter(|it| !it.is_whitespace()).collect::<String>().to_lowercase();
    let names: Vec<String> = [train, bulletin].into_iter().flatten().map(wanted).collect();
    // A train is named like its first release (`7.0U3`), but holds the repaired later ones too: so a train alone is no match.
    let bulletin = names.get(usize::from(train.is_some()))?.clone();
    table().into_iter().find(|it| {
        it.family == *family
            && it.known <= on
            && (bulletin == wanted(it.release) || bulletin.ends_with(&wanted(it.release)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawal_counts_from_the_day_that_it_was_known() {
        let on = |day: &str| of_line(&Family::Esxi, "7.0", day.parse().unwrap()).count();
        assert_eq!((on("2021-11-01"), on("2021-11-30")), (0, 3));
        assert_eq!(of_line(&Family::Debian, "7.0", "2026-01-01".parse().unwrap()).count(), 0);
    }

    #[test]
    fn every_row_names_its_source_and_what_is_recalled() {
        for row in table() {
            assert!(!row.source.is_empty() && row.recalled == row.source.contains("recalled"), "{row:?}");
        }
    }

    #[test]
    fn only_the_named_release_is_withdrawn_not_its_train() {
        let day = "2022-06-01".parse().unwrap();
        let named = |bulletin| of_release(&Family::Esxi, Some("7.0U3"), bulletin, day).is_some();
        assert!(named(Some("ESXi 7.0 U3a")) && named(Some("7.0U3")));
        assert!(!named(Some("ESXi 7.0 U3c")) && !named(None));
    }
}
