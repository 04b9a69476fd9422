//! What a reader must know of the age of the inventory, and of scores and lists that an answer could use: an EPSS score speaks of the thirty days after
//! its own, and a KEV list of nothing after its last entry.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_exposure::{Assessment, FactBase, STALE_AFTER_DAYS};
use underpin_model::fleet::{Fleet, Host};

use crate::hazard::EPSS_DAYS;

/// Warnings about the age of what an answer rests on: the inventory, and the scores and lists.
#[must_use]
pub fn warnings(fleet: &Fleet, base: &FactBase, assessment: &Assessment) -> Vec<String> {
    let mut warnings: Vec<String> = inventory_warning(fleet, assessment.as_of).into_iter().collect();
    warnings.extend(feed_warnings(base, assessment));
    warnings
}

/// Hosts that nobody has looked at for longer than a feed may be old: what was patched, added or moved since is in no answer.
#[must_use]
pub fn inventory_warning(fleet: &Fleet, as_of: Timestamp) -> Option<String> {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let day = date(as_of);
    let age = |seen: Date| seen.until(day).map_or(i32::MAX, |it| it.get_days());
    let of_host = |host: &Host| date(host.seen.as_deref().unwrap_or(&fleet.seen).at);
    let old: Vec<Date> = fleet.hosts.iter().map(of_host).filter(|it| age(*it) > STALE_AFTER_DAYS).collect();
    let oldest = *old.iter().min()?;
    Some(format!(
        "{} of {} hosts were last seen more than {STALE_AFTER_DAYS} days before {day} (the longest ago on {oldest}, {} days): what \
         was patched, added or moved since is not known here; take the inventory again",
        old.len(),
        fleet.hosts.len(),
        age(oldest)
    ))
}

/// Warnings about the EPSS scores and the KEV entries that an assessment could use.
fn feed_warnings(base: &FactBase, assessment: &Assessment) -> Vec<String> {
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
    use underpin_model::fleet::Seen;
    use underpin_model::id::FeedId;
    use underpin_model::id::HostId;

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
    fn an_inventory_that_is_older_than_a_feed_may_be_is_said() {
        let moment = |text: &str| -> Timestamp { text.parse().unwrap() };
        let seen = |at: &str| Seen { at: moment(at), by: "hand".to_owned() };
        let mut fleet = Fleet::new("f", seen("2026-10-22T23:00:00Z"));
        fleet.hosts = ["a", "b"].map(|id| Host::new(HostId::new(id).unwrap())).into();
        let said = |fleet: &Fleet, at: &str| inventory_warning(fleet, moment(at));
        assert_eq!(said(&fleet, "2026-11-21T00:00:00Z"), None, "thirty days are fresh, as of a feed");
        let words = said(&fleet, "2026-11-22T00:00:00Z").unwrap();
        assert!(
            words.starts_with(
                "2 of 2 hosts were last seen more than 30 days before 2026-11-22 (the longest ago on 2026-10-22, 31 days): "
            ),
            "{words}"
        );
        assert_eq!(said(&fleet, "2026-01-01T00:00:00Z"), None, "a day before it was seen");
        // A host that was seen by itself has a day of its own.
        fleet.hosts[0].seen = Some(Box::new(seen("0001-01-01T00:00:00Z")));
        let words = said(&fleet, "2026-11-21T00:00:00Z").unwrap();
        assert!(words.starts_with("1 of 2 hosts were ") && words.contains("on 0001-01-01, 739"), "{words}");
        let base = FactBase::new(Vec::new());
        let assessment = assess(&fleet, &base, &Options::at(moment("2026-11-21T00:00:00Z")));
        assert_eq!(warnings(&fleet, &base, &assessment), [words]);
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
