//! What verbs that judge a fleet start from: read, checked, and assessed.

use std::path::Path;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use underpin_exposure::{Assessment, FactBase, Options, assess};
use underpin_model::fleet::Fleet;
use underpin_model::policy::Policy;
use underpin_risk::wait::Evidence;

use crate::args::FleetAndFacts;
use crate::exit::Failure;
use crate::facts;
use crate::output::say;

/// Warnings of a kind that are shown: more than a handful would hide the report.
const WARNINGS: usize = 5;
/// Where all warnings of a fleet are.
pub(super) const FLEET_CHECK: &str = " (`underpin fleet check` lists them all)";
/// Days between the day that is judged and the look at the fleet beyond which a reader may be misled.
const LONG_DAYS: i64 = 30;
const SECONDS_OF_A_DAY: i64 = 86_400;

/// A fleet with the facts that it is judged by.
pub(super) struct Opened {
    pub(super) fleet: Fleet,
    pub(super) base: FactBase,
    /// What of the facts could not be used, in words.
    pub(super) left_out: Vec<String>,
    /// What is odd about the day, in words.
    odd_day: Vec<String>,
    pub(super) as_of: Timestamp,
}

/// An assessed fleet, with everything else that it is judged by.
pub(super) struct Judged {
    pub(super) fleet: Fleet,
    pub(super) base: FactBase,
    pub(super) assessment: Assessment,
    pub(super) policy: Policy,
    pub(super) evidence: Evidence,
    /// What of the facts could not be used, in words.
    pub(super) left_out: Vec<String>,
    /// What is odd about the day, in words. It was said on stderr: an answer for programs, which read no stderr, has it too.
    pub(super) odd_day: Vec<String>,
}

/// Reads a fleet and facts. What is odd is said on stderr.
///
/// # Errors
/// Everything that is wrong with the fleet; feeds of which none can be read.
pub(super) fn open(of: &FleetAndFacts, day: Option<Date>) -> Result<Opened, Failure> {
    let now = Timestamp::now();
    let as_of = as_of(day, now)?;
    let checked = facts::fleet(&of.fleet)?;
    warn(&checked.warnings, FLEET_CHECK);
    let odd_day: Vec<String> = day.and_then(|day| past(day, as_of, &checked.fleet)).into_iter().collect();
    warn(&odd_day, "");
    let (base, left_out) = facts::base(&of.feeds, !of.no_builtin, now)?;
    Ok(Opened { fleet: checked.fleet, base, left_out, odd_day, as_of })
}

/// Reads what a judgement needs, and assesses the fleet.
///
/// # Errors
/// Everything that is wrong with one of the files.
pub(super) fn judged(
    of: &FleetAndFacts,
    policy: Option<&Path>,
    evidence: Option<&Path>,
    day: Option<Date>,
) -> Result<Judged, Failure> {
    let policy = facts::policy(policy)?;
    let evidence = facts::evidence(evidence)?;
    let Opened { fleet, base, left_out, mut odd_day, as_of } = open(of, day)?;
    let ahead = day.map_or_else(Vec::new, |day| future(day, Timestamp::now(), &base));
    warn(&ahead, "");
    odd_day.extend(ahead);
    let assessment = assess(&fleet, &base, &Options::at(as_of));
    Ok(Judged { fleet, base, assessment, policy, evidence, left_out, odd_day })
}

/// A fleet without hosts has no risk of 0: it has none that could be judged.
pub(super) fn nothing_to_judge(path: &Path) -> Failure {
    let problem =
        "  /hosts: found none, expected at least one host: nothing can be hit, so there is nothing to judge";
    Failure::Fleet { source_name: path.display().to_string(), problems: vec![problem.to_owned()] }
}

impl Judged {
    /// The same, unless nothing in it can be hit.
    ///
    /// # Errors
    /// The fleet of this file has no hosts.
    pub(super) fn with_hosts(self, path: &Path) -> Result<Self, Failure> {
        if self.fleet.hosts.is_empty() { Err(nothing_to_judge(path)) } else { Ok(self) }
    }
}

/// The first warnings; `rest` says where the others are.
pub(super) fn warn<W: std::fmt::Display>(warnings: &[W], rest: &str) {
    for warning in warnings.iter().take(WARNINGS) {
        say!("warning: {warning}");
    }
    if warnings.len() > WARNINGS {
        say!("warning: {} more{rest}", warnings.len() - WARNINGS);
    }
}

/// What a fleet was like before it was looked at, nobody knows: it is judged as if it had been the same.
fn past(day: Date, as_of: Timestamp, fleet: &Fleet) -> Option<String> {
    let days = (fleet.seen.at.as_second() - as_of.as_second()) / SECONDS_OF_A_DAY;
    let seen = fleet.seen.at.to_zoned(TimeZone::UTC).date();
    (days > LONG_DAYS).then(|| {
        format!(
            "--as-of {day} is {days} days before the fleet was seen ({seen}): what was installed on {seen} is judged \
             by what was known on {day}"
        )
    })
}

/// What becomes known after the facts end, and after today, is in no answer.
fn future(day: Date, now: Timestamp, base: &FactBase) -> Vec<String> {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let today = date(now);
    let mut odd = Vec::new();
    if day > today {
        odd.push(format!(
            "--as-of {day} is in the future (today is {today}): what will be known by then is not in the answer"
        ));
    }
    let newest = base.feeds().iter().filter_map(|it| it.updated).map(date).max();
    // Feeds of yesterday are fresh.
    if let Some(newest) = newest.filter(|it| (day - *it).get_days() > 1) {
        let days = (day - newest).get_days();
        odd.push(format!(
            "--as-of {day} is {days} days after the newest facts ({newest}): what was published in between is not in the answer"
        ));
    }
    odd
}

/// A day means its last moment: what was published on it counts.
fn as_of(day: Option<Date>, now: Timestamp) -> Result<Timestamp, Failure> {
    let Some(day) = day else { return Ok(now) };
    let end: Result<Zoned, _> = day.to_datetime(Time::MAX).to_zoned(TimeZone::UTC);
    end.map(|zoned| zoned.timestamp()).map_err(|error| Failure::Usage(format!("--as-of {day}: {error}")))
}
