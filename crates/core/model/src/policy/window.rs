//! Windows in local time, and freezes.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scope;

/// A day of the week, as policies write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// A span that comes again every week, in local time. It opens at `from` on each of the days and stays open for `minutes` of
/// real time: on the night when clocks change it is as long as on any other.
///
/// A window whose scope names tenants is about steps that touch their guests; any other is about the whole path of a host, from
/// its first step to its last with a rollback after it. Where several windows speak of the same thing, any of them will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name.
    pub id: String,
    /// What it is about.
    #[serde(default)]
    pub scope: Scope,
    /// Days on which it opens; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// Local time at which it opens. A time that the clock skips opens as much later as the clock jumps; one that comes twice, at
    /// the first.
    #[serde(deserialize_with = "super::bare::moment")]
    pub from: Time,
    /// How long it stays open.
    pub minutes: u32,
    /// IANA time zone; absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// First day on which it opens.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::bare::optional")]
    pub first: Option<Date>,
    /// Last day on which it opens.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::bare::optional")]
    pub last: Option<Date>,
}

/// A span in which nothing of a scope may be touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its name.
    pub id: String,
    /// What it is about: guests of tenants where it names any, else hosts.
    #[serde(default)]
    pub scope: Scope,
    /// From then.
    #[serde(deserialize_with = "super::bare::moment")]
    pub from: Timestamp,
    /// To then.
    #[serde(deserialize_with = "super::bare::moment")]
    pub until: Timestamp,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl Window {
    /// Its openings that overlap a span, in order, as instants.
    ///
    /// # Errors
    /// The time zone is none that is known: its name.
    pub fn openings(&self, from: Timestamp, until: Timestamp) -> Result<Vec<(Timestamp, Timestamp)>, String> {
        let zone = match &self.time_zone {
            None => TimeZone::UTC,
            Some(name) => jiff::tz::TimeZoneDatabase::bundled().get(name).map_err(|_| name.clone())?,
        };
        let length = SignedDuration::from_mins(i64::from(self.minutes));
        // An opening of the days before may still be open: windows longer than a day count back as far as they reach.
        let back = SignedDuration::from_hours(48).checked_add(length).unwrap_or(SignedDuration::MAX);
        let earliest = from.checked_sub(back).unwrap_or(Timestamp::MIN);
        let mut day = earliest.to_zoned(zone.clone()).date();
        let mut openings = Vec::new();
        loop {
            let Ok(opens) = zone.to_ambiguous_timestamp(day.to_datetime(self.from)).compatible() else {
                break;
            };
            if opens >= until {
                break;
            }
            let closes = opens.checked_add(length).unwrap_or(Timestamp::MAX);
            let on = (self.days.is_empty() || self.days.iter().any(|it| it.weekday() == day.weekday()))
                && self.first.is_none_or(|it| it <= day)
                && self.last.is_none_or(|it| day <= it);
            if on && closes > from {
                openings.push((opens, closes));
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        Ok(openings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, minutes: u32, zone: &str, days: Vec<Day>) -> Window {
        Window {
            id: "w".to_owned(),
            scope: Scope::default(),
            days,
            from: from.parse().unwrap(),
            minutes,
            time_zone: Some(zone.to_owned()),
            first: None,
            last: None,
        }
    }

    fn opens(window: &Window, from: &str, until: &str) -> Vec<(String, String)> {
        let openings = window.openings(from.parse().unwrap(), until.parse().unwrap()).unwrap();
        openings.into_iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn a_night_of_changing_clocks_is_as_long_as_any_other() {
        // Berlin: 02:00 to 03:00 does not exist on 2026-03-29, comes twice on 2026-10-25.
        let late = window("22:00", 360, "Europe/Berlin", vec![Day::Sat]);
        assert_eq!(
            opens(&late, "2026-03-28T12:00:00Z", "2026-04-05T12:00:00Z"),
            [
                ("2026-03-28T21:00:00Z".into(), "2026-03-29T03:00:00Z".into()),
                ("2026-04-04T20:00:00Z".into(), "2026-04-05T02:00:00Z".into()),
            ]
        );
        let skipped = window("02:30", 60, "Europe/Berlin", vec![]);
        assert_eq!(
            opens(&skipped, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"),
            [("2026-03-29T01:30:00Z".into(), "2026-03-29T02:30:00Z".into())]
        );
        let twice = opens(&skipped, "2026-10-25T00:00:00Z", "2026-10-25T12:00:00Z");
        assert_eq!(twice, [("2026-10-25T00:30:00Z".into(), "2026-10-25T01:30:00Z".into())]);
    }

    #[test]
    fn a_window_that_is_open_at_the_start_counts_and_dates_bound_it() {
        let mut long = window("00:00", 3 * 1440, "UTC", vec![Day::Mon]);
        assert_eq!(opens(&long, "2026-11-18T23:00:00Z", "2026-11-19T00:00:00Z").len(), 1);
        assert_eq!(opens(&long, "2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z").len(), 0);
        long.last = Some("2026-11-15".parse().unwrap());
        assert!(opens(&long, "2026-11-16T00:00:00Z", "2026-12-20T00:00:00Z").is_empty());
        assert_eq!(
            window("00:00", 1, "Mars/Olympus", vec![]).openings(Timestamp::MIN, Timestamp::MAX),
            Err("Mars/Olympus".to_owned())
        );
    }
}
