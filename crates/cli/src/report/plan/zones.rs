//! Where clusters are, as far as clocks are concerned.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use underpin_model::fleet::Fleet;
use underpin_model::id::ClusterId;

/// Time zones of clusters, by their sites; UTC where nobody says.
#[derive(Default)]
pub(crate) struct Zones(BTreeMap<ClusterId, TimeZone>);

impl Zones {
    /// The zones of a fleet.
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let database = TimeZoneDatabase::bundled();
        let sites: BTreeMap<&str, TimeZone> = fleet
            .sites
            .iter()
            .filter_map(|it| Some((it.id.as_str(), database.get(it.time_zone.as_deref()?).ok()?)))
            .collect();
        let zone = |site: &str| sites.get(site).cloned();
        let clusters =
            fleet.clusters.iter().filter_map(|it| Some((it.id.clone(), zone(it.site.as_ref()?.as_str())?)));
        Self(clusters.collect())
    }

    /// No cluster has another clock than UTC.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An instant on the clocks of a cluster: month, day, time, and the offset from UTC.
    pub(crate) fn local(&self, cluster: Option<&ClusterId>, at: Timestamp) -> String {
        match cluster.and_then(|it| self.0.get(it)) {
            Some(zone) => at.to_zoned(zone.clone()).strftime("%m-%d %H:%M%:z").to_string(),
            None => at.to_zoned(TimeZone::UTC).strftime("%m-%d %H:%MZ").to_string(),
        }
    }
}

/// An instant as `11-21 10:00`, in UTC.
pub(crate) fn short(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%m-%d %H:%M").to_string()
}

/// An instant with its year, in UTC.
pub(crate) fn whole(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A span with its two greatest units: `2 d 4 h`, `3 h 20 min`, `45 s`.
pub(crate) fn span(seconds: u32) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |great: u32, unit: &str, small: u32, small_unit: &str| match small {
        0 => format!("{great} {unit}"),
        _ => format!("{great} {unit} {small} {small_unit}"),
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "min")
    } else if minutes > 0 {
        two(minutes, "min", seconds % 60, "s")
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let spans = [0, 59, 60, 61, 3600, 12_000, 86_400, 100_000, u32::MAX];
        assert_eq!(
            spans.map(span),
            ["0 s", "59 s", "1 min", "1 min 1 s", "1 h", "3 h 20 min", "1 d", "1 d 3 h", "49710 d 6 h"]
        );
    }
}
