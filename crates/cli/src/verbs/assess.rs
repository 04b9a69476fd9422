//! `underpin assess`: the explained exposure report.

use jiff::tz::TimeZone;
use underpin_exposure::report::{Context, VulnerabilityView};
use underpin_exposure::{Assessment, Options, Status, assess, decision};
use underpin_model::fleet::Fleet;

use super::opening::{Opened, open};
use crate::args::{Assess, FailOn, Format};
use crate::exit::{Code, Failure};
use crate::output::say;
use crate::report::left_out::LeftOut;
use crate::{output, report};

pub(crate) fn run(arguments: &Assess) -> Result<Code, Failure> {
    let Opened { fleet, base, as_of, .. } = open(&arguments.of, arguments.as_of)?;
    let options = Options { as_of, stale_after_days: i32::from(arguments.stale_after) };
    let assessment = assess(&fleet, &base, &options);
    // What is left out of the report fails a pipeline all the same.
    let failed = arguments.fail_on.iter().any(|rule| fails(*rule, &assessment));
    let (assessment, left_out) = LeftOut::of(assessment, &arguments.status);
    write(arguments, &fleet, &assessment, &left_out)?;
    Ok(if failed { Code::Findings } else { Code::Done })
}

fn write(
    arguments: &Assess,
    fleet: &Fleet,
    assessment: &Assessment,
    left_out: &LeftOut,
) -> Result<(), Failure> {
    let path = arguments.out.as_deref();
    match arguments.format {
        Format::Json => output::stream(path, |out| report::json::write(assessment, left_out, out)),
        Format::Csv => {
            // The table has rows only.
            if let Some(sentence) = left_out.sentence() {
                say!("{sentence}");
            }
            output::stream(path, |out| report::csv::write(assessment, out))
        }
        Format::Html => {
            let page = report::html::render(fleet, assessment, left_out).into_string();
            output::stream(path, |out| out.write_all(page.as_bytes()))
        }
        Format::Table => {
            let width = if path.is_some() { None } else { output::width() };
            let text = report::table::render(fleet, assessment, left_out, arguments.all, width);
            path.map_or_else(|| output::data(&text), |path| output::file(path, text.as_bytes()))
        }
    }
}

fn fails(rule: FailOn, assessment: &Assessment) -> bool {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    match rule {
        FailOn::Affected => assessment.summary.affected > 0,
        FailOn::FixedNotRunning => assessment.summary.fixed_not_running > 0,
        FailOn::Unknown => assessment.summary.unknown_no_source + assessment.summary.unknown_other > 0,
        FailOn::Stale => assessment.feeds.iter().any(|feed| feed.stale),
        FailOn::Kev => open_anywhere(assessment, |view, _| view.kev.is_some()),
        FailOn::Overdue => open_anywhere(assessment, |view, context| {
            decision::due(&view.points, context).date.is_some_and(|date| date < day)
        }),
    }
}

/// Whether this holds for an open exposure. Assets of a group are alike: one stands for all.
fn open_anywhere(assessment: &Assessment, holds: impl Fn(&VulnerabilityView, Context) -> bool) -> bool {
    assessment.groups.iter().filter(|group| !group.assets.is_empty()).any(|group| {
        let open = group.findings_in(&assessment.findings).filter(|finding| finding.status.is_open());
        let mut known =
            open.filter_map(|finding| assessment.vulnerabilities.get(finding.vulnerability.as_ref()?));
        known.any(|view| holds(view, group.context))
    })
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
