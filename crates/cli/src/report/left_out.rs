//! What `--status` leaves out of a report: told, so that nobody takes a part for the whole.

use std::collections::BTreeMap;

use underpin_exposure::{Assessment, Status};

/// Exposures that the report does not list, by status.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    /// `None`: nothing was asked to be left out.
    counts: Option<BTreeMap<Status, u64>>,
}

impl LeftOut {
    /// Leaves out all but the wanted statuses; none wanted means all.
    pub(crate) fn of(assessment: Assessment, wanted: &[Status]) -> (Assessment, Self) {
        if wanted.is_empty() {
            return (assessment, Self::default());
        }
        let mut counts = assessment.by_status();
        counts.retain(|status, _| !wanted.contains(status));
        (assessment.only(wanted), Self { counts: Some(counts) })
    }

    /// Counts by status, where something was asked to be left out.
    pub(crate) fn counts(&self) -> Option<BTreeMap<&'static str, u64>> {
        self.counts
            .as_ref()
            .map(|counts| counts.iter().map(|(status, count)| (status.name(), *count)).collect())
    }

    /// Whether exposures are left out for which somebody has to do something.
    pub(crate) fn hides_open(&self) -> bool {
        self.counts.iter().flatten().any(|(status, _)| status.is_open())
    }

    /// In a sentence, if anything is left out.
    pub(crate) fn sentence(&self) -> Option<String> {
        let counts = self.counts.as_ref().filter(|counts| !counts.is_empty())?;
        let words: Vec<String> =
            counts.iter().map(|(status, count)| format!("{count} {}", status.label())).collect();
        Some(format!("Counted, and left out of the lists by --status: {}", words.join("; ")))
    }
}
