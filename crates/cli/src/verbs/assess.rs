//! `underpin assess`: the explained exposure report.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use underpin_exposure::{Assessment, FactBase, Options, Status, assess};
use underpin_model::fleet::Fleet;

use crate::args::{Assess, FailOn, Format};
use crate::exit::{Code, Failure};
use crate::output::say;
use crate::{facts, output, report};

pub(crate) fn run(arguments: &Assess) -> Result<Code, Failure> {
    let now = Timestamp::now();
    let as_of = as_of(arguments, now)?;
    let checked = facts::fleet(&arguments.fleet)?;
    for warning in checked.warnings.iter().take(5) {
        say!("warning: {warning}");
    }
    if checked.warnings.len() > 5 {
        say!("warning: {} more (`underpin fleet check` lists them all)", checked.warnings.len() - 5);
    }
    let base = facts::base(&arguments.feeds, !arguments.no_builtin, now)?;
    let options = Options { as_of, stale_after_days: i32::from(arguments.stale_after) };
    let assessment = assess(&checked.fleet, &base, &options);
    write(arguments, &checked.fleet, &base, &assessment)?;
    let failed = arguments.fail_on.iter().any(|rule| fails(*rule, &assessment));
    Ok(if failed { Code::Findings } else { Code::Done })
}

/// A day means its last moment: what was published on it counts.
fn as_of(arguments: &Assess, now: Timestamp) -> Result<Timestamp, Failure> {
    let Some(day) = arguments.as_of else { return Ok(now) };
    let end: Result<Zoned, _> = day.to_datetime(Time::MAX).to_zoned(TimeZone::UTC);
    end.map(|zoned| zoned.timestamp()).map_err(|error| Failure::Usage(format!("--as-of {day}: {error}")))
}

fn write(arguments: &Assess, fleet: &Fleet, base: &FactBase, assessment: &Assessment) -> Result<(), Failure> {
    if arguments.format == Format::Table && arguments.out.is_none() {
        return output::data(&report::table::render(fleet, assessment, arguments.all));
    }
    let text = match arguments.format {
        Format::Table => report::table::render(fleet, assessment, arguments.all),
        Format::Json => report::json::render(assessment)?,
        Format::Csv => report::csv::render(assessment)?,
        Format::Html => {
            let _ = base;
            String::new()
        }
    };
    match &arguments.out {
        Some(path) => output::file(path, text.as_bytes()),
        None => output::data(&text),
    }
}

fn fails(rule: FailOn, assessment: &Assessment) -> bool {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let open = || assessment.exposures().filter(|exposure| exposure.finding.status.is_open());
    match rule {
        FailOn::Affected => assessment.summary.affected > 0,
        FailOn::FixedNotRunning => assessment.summary.fixed_not_running > 0,
        FailOn::Unknown => assessment.summary.unknown_no_source + assessment.summary.unknown_other > 0,
        FailOn::Stale => assessment.feeds.iter().any(|feed| feed.stale),
        FailOn::Kev => open().any(|exposure| exposure.vulnerability.is_some_and(|view| view.kev.is_some())),
        FailOn::Overdue => open().any(|exposure| {
            let view = exposure.vulnerability;
            let due = view.map(|view| underpin_exposure::decision::due(&view.points, exposure.group.context));
            due.and_then(|due| due.date).is_some_and(|date| date < day)
        }),
    }
}

/// Statuses in the order of every report, with their counts.
pub(crate) fn counts(assessment: &Assessment) -> [(&'static str, u64); 6] {
    let summary = &assessment.summary;
    [
        (Status::UnknownNoSource.label(), summary.unknown_no_source),
        ("unknown: other reasons", summary.unknown_other),
        (Status::Affected.label(), summary.affected),
        (Status::FixedNotRunning.label(), summary.fixed_not_running),
        (Status::Fixed.label(), summary.fixed),
        (Status::NotAffected.label(), summary.not_affected),
    ]
}
