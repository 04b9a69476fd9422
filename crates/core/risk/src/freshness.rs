//! What a reader must know of the age of scores and lists that an answer could use: an EPSS score speaks of the thirty days after
//! its own, and a KEV list of nothing after its last entry.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_exposure::{Assessment, FactBase};

use crate::hazard::EPSS_DAYS;

/// Warnings about the EPSS scores and the KEV entries that an assessment could use.
#[must_use]
pub fn feed_warnings(base: &FactBase, assessment: &Assessment) -> Vec<String> {
    let of_scores = epss_warnings(base, assessment).into_iter().chain(kev_warning(base, assessment));
    of_scores.chain(ahead_warning(base, assessment)).collect()
}

/// Entries and advisories of a later day, which are not used: a wrong date would hide a hole.
fn ahead_warning(base: &FactBase, assessment: &Assessment) -> Option<String> {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let entries = base.vulnerabilities().values().filter_map(|it| it.kev.as_ref());
    let listed: Vec<Date> = entries.map(|it| it.added).filter(|it| *it > day).collect();
    let known = base.advisories().iter().filter_map(|it| it.known_since);
    let known = known.filter(|it| *it > assessment.as_of).map(|it| it.to_zoned(TimeZone::UTC).date());
    let advisories: Vec<Date> = known.collect();
    let newest = listed.iter().chain(&advisories).max()?;
    Some(format!(
        "{} KEV entries and {} advisories are from after {day} (the newest from {newest}): not used, as if there were none; check the \
         clock, --as-of and the dates of these documents",
        listed.len(),
        advisories.len()
    ))
}

/// Days without a new entry beyond which a KEV list is taken for an old one: entries come several times a month.
const KEV_DAYS: i32 = 30;

/// A KEV list that ends long before the other feeds: what has been listed since is priced as not known to be exploited.
fn kev_warning(base: &FactBase, assessment: &Assessment) -> Option<String> {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let entries = base.vulnerabilities().values().filter_map(|it| it.kev.as_ref()).map(|it| it.added);
    let listed = entries.filter(|it| *it <= day).max()?;
    let updated = base.feeds().iter().filter_map(|it| it.updated).map(|it| it.to_zoned(TimeZone::UTC).date());
    let newest = updated.filter(|it| *it <= day).max()?;
    ((newest - listed).get_days() > KEV_DAYS).then(|| {
        format!(
            "the newest KEV entry is of {listed}, other feeds reach to {newest}: what was listed in between is priced as not known to be \
             exploited; bring a newer KEV list"
        )
    })
}

/// Those of a day after it, which are not used, and those whose thirty days are over, which are.
fn epss_warnings(base: &FactBase, assessment: &Assessment) -> Vec<String> {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let (mut ahead, mut hidden, mut over) = (Scores::default(), Scores::default(), Scores::default());
    for id in assessment.vulnerabilities.keys() {
        let newest = base.vulnerability(id).and_then(|facts| facts.epss.as_ref()?.scored);
        let used = base.epss_on(id, day);
        if let Some(newest) = newest.filter(|newest| *newest > day) {
            if used.is_some() { hidden.add(newest) } else { ahead.add(newest) }
        }
        if let Some(scored) = used.and_then(|epss| epss.scored)
            && f64::from((day - scored).get_days()) > EPSS_DAYS
        {
            over.add(scored);
        }
    }
    let ahead = ahead.newest.map(|newest| {
        format!(
            "{} from after {day} (the newest from {newest}): not used, as if there were none; bring scores of {day} or before",
            ahead.words()
        )
    });
    let hidden = hidden.newest.map(|newest| {
        format!(
            "{} also there from after {day} (the newest from {newest}): not used, the latest of {day} or before counts",
            hidden.words()
        )
    });
    let over = over.newest.map(|newest| {
        format!(
            "{} stale on {day} (the newest from {newest}): a score speaks of {EPSS_DAYS} days; bring newer ones",
            over.words()
        )
    });
    ahead.into_iter().chain(hidden).chain(over).collect()
}

/// Scores that have something in common.
#[derive(Default)]
struct Scores {
    count: usize,
    newest: Option<Date>,
}

impl Scores {
    fn add(&mut self, scored: Date) {
        self.count += 1;
        self.newest = self.newest.max(Some(scored));
    }

    fn words(&self) -> String {
        if self.count == 1 {
            "the EPSS score of 1 vulnerability is".to_owned()
        } else {
            format!("the EPSS scores of {} vulnerabilities are", self.count)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use underpin_exposure::{Feed, Options, assess};
    use underpin_feeds::Parsed;
    use underpin_model::fleet::{Fleet, Seen};
    use underpin_model::id::FeedId;

    use super::*;

    const KEV: &str = r#"{"catalogVersion": "2026.03.02", "dateReleased": "2026-03-02T00:00:00Z", "count": 2, "vulnerabilities": [
        {"cveID": "CVE-2026-0001", "dateAdded": "2026-03-01", "dueDate": "2026-03-22"},
        {"cveID": "CVE-2026-0002", "dateAdded": "2026-03-02", "dueDate": "2026-03-23"}]}"#;

    const ADVISORY: &str = r#"{"id": "ALSA-2026:0001", "published": "2026-03-02T23:59:59Z", "modified": "2026-03-02T23:59:59Z",
        "summary": "Important: qemu-kvm security update", "related": ["CVE-2026-0001"],
        "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;

    /// What is said of entries and advisories from after a moment.
    fn ahead(at: &str) -> Option<String> {
        let document = |text: &str| match underpin_feeds::parse(text.as_bytes()) {
            Ok(Parsed::Document(document)) => *document,
            other => panic!("{other:?}"),
        };
        let documents = vec![document(KEV), document(ADVISORY)];
        let base = FactBase::new(vec![Feed { id: FeedId::new("f").unwrap(), fetched: None, documents }]);
        let seen = Seen { at: Timestamp::UNIX_EPOCH, by: "hand".to_owned() };
        let assessment = assess(&Fleet::new("f", seen), &base, &Options::at(at.parse().unwrap()));
        let said = ahead_warning(&base, &assessment);
        let all = feed_warnings(&base, &assessment);
        assert_eq!(said.is_some(), all.iter().any(|it| Some(it) == said.as_ref()), "{all:?}");
        said
    }

    #[test]
    fn entries_and_advisories_of_a_later_day_are_said() {
        assert_eq!(ahead("2026-03-02T23:59:59Z"), None, "what is of the day itself counts");
        let said = ahead("2026-03-02T23:59:58Z").unwrap();
        assert!(
            said.starts_with(
                "0 KEV entries and 1 advisories are from after 2026-03-02 (the newest from 2026-03-02): "
            ),
            "{said}"
        );
        let said = ahead("2026-03-01T23:59:59Z").unwrap();
        assert!(
            said.starts_with(
                "1 KEV entries and 1 advisories are from after 2026-03-01 (the newest from 2026-03-02): "
            ),
            "{said}"
        );
        let said = ahead("2026-02-28T23:59:59Z").unwrap();
        assert!(said.starts_with("2 KEV entries and 1 advisories are from after 2026-02-28 "), "{said}");
    }
}
