//! What a reader must know of the EPSS scores that an answer could use: a score speaks of the thirty days after its own.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_exposure::{Assessment, FactBase};

use crate::hazard::EPSS_DAYS;

/// Warnings about the EPSS scores of the vulnerabilities of an assessment: those of a day after it, which are not used, and those
/// whose thirty days are over, which are.
#[must_use]
pub fn epss_warnings(base: &FactBase, assessment: &Assessment) -> Vec<String> {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let (mut ahead, mut over) = (Scores::default(), Scores::default());
    for id in assessment.vulnerabilities.keys() {
        let epss = base.vulnerability(id).and_then(|facts| facts.epss.as_ref());
        let Some(scored) = epss.and_then(|epss| epss.scored) else { continue };
        let age = (day - scored).get_days();
        if age < 0 {
            ahead.add(scored);
        } else if f64::from(age) > EPSS_DAYS {
            over.add(scored);
        }
    }
    let ahead = ahead.newest.map(|newest| {
        format!(
            "{} from after {day} (the newest from {newest}): not used, as if there were none; bring scores of {day} or before",
            ahead.words()
        )
    });
    let over = over.newest.map(|newest| {
        format!(
            "{} stale on {day} (the newest from {newest}): a score speaks of {EPSS_DAYS} days; bring newer ones",
            over.words()
        )
    });
    ahead.into_iter().chain(over).collect()
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
