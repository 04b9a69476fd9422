//! The report as JSON: `{as_of, feeds, summary, left_out?, exposures}`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};
use underpin_exposure::Assessment;
use underpin_exposure::report::{FeedState, Summary};

use super::left_out::LeftOut;

#[derive(Serialize)]
struct Report<'a> {
    as_of: Timestamp,
    feeds: &'a [FeedState],
    summary: &'a Summary,
    /// What `--status` leaves out of the exposures.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<BTreeMap<&'static str, u64>>,
    exposures: Rows<'a>,
}

/// Rows are made one by one: ten thousand hosts share findings, their rows do not fit in memory at once.
struct Rows<'a>(&'a Assessment);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(None)?;
        for exposure in self.0.exposures() {
            rows.serialize_element(&exposure.row())?;
        }
        rows.end()
    }
}

pub(crate) fn write(assessment: &Assessment, left_out: &LeftOut, out: &mut dyn Write) -> io::Result<()> {
    let report = Report {
        as_of: assessment.as_of,
        feeds: &assessment.feeds,
        summary: &assessment.summary,
        left_out: left_out.counts(),
        exposures: Rows(assessment),
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    out.write_all(b"\n")
}
