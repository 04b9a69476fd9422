//! `underpin cadence`: how often a platform asks for maintenance.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use underpin_exposure::cadence::{
    Cadence, CadenceError, History, Installed, Interval, Policy, Query, Split, of_dates,
};

use super::opening::nothing_to_judge;
use crate::args::{self, ChartFormat};
use crate::exit::{Code, Failure};
use crate::report::cadence as report;
use crate::{facts, output};

pub(crate) fn run(arguments: &args::Cadence) -> Result<Code, Failure> {
    let interval = Interval { built: arguments.built, until: arguments.until };
    let cadence = match &arguments.dates {
        Some(path) => {
            let dates = dates(path)?;
            let series = of_dates(&dates, interval, arguments.batch_days).map_err(|error| bad(&error))?;
            Cadence {
                policy: Policy::All,
                batch_days: arguments.batch_days,
                series: vec![series],
                warnings: Vec::new(),
            }
        }
        None => of_facts(arguments, interval)?,
    };
    write(arguments, &cadence)?;
    Ok(Code::Done)
}

fn bad(error: &CadenceError) -> Failure {
    Failure::Usage(error.to_string())
}

fn of_facts(arguments: &args::Cadence, interval: Interval) -> Result<Cadence, Failure> {
    let installed = match &arguments.fleet {
        Some(path) => match facts::fleet(path)?.fleet {
            fleet if fleet.hosts.is_empty() => return Err(nothing_to_judge(path)),
            fleet => Some(Installed::on_hosts(&fleet)),
        },
        None => None,
    };
    let (base, _) = facts::base(&arguments.feeds, !arguments.no_builtin, Timestamp::now())?;
    if arguments.platform.is_empty() {
        let known = History::new(&base).platforms().join(", ");
        let known = if known.is_empty() { "none; bring feeds with --feeds".to_owned() } else { known };
        return Err(Failure::Usage(format!(
            "say what to measure: --platform NAME of the facts ({known}), or --dates FILE with one release date a line"
        )));
    }
    let usual = || Split::usual(&arguments.platform, &arguments.line, &arguments.component);
    let query = Query {
        platforms: arguments.platform.clone(),
        lines: arguments.line.clone(),
        components: arguments.component.clone(),
        area: arguments.area,
        class: arguments.class,
        bulletin: arguments.bulletin.clone(),
        dated: arguments.dated,
        policy: arguments.policy,
        installed: installed.as_ref(),
        interval,
        batch_days: arguments.batch_days,
        by: arguments.by.map_or_else(usual, |it| it.0),
    };
    History::new(&base).cadence(&query).map_err(|error| bad(&error))
}

/// One date a line; blank lines and everything after `#` are passed over. All bad lines are named at once.
fn dates(path: &Path) -> Result<Vec<Date>, Failure> {
    let bytes = facts::bytes(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let (mut dates, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in (1_usize..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let value = line.split('#').next().unwrap_or_default().trim();
        match value.parse::<Date>() {
            _ if value.is_empty() => {}
            // The parser also takes times and other forms of the standard; a file of dates has neither.
            Ok(date) if value.len() == 10 => dates.push(date),
            _ => wrong.push(format!(
                "  {}:{number}: found {value:?}, expected a day such as 2007-07-12",
                path.display()
            )),
        }
    }
    if wrong.is_empty() {
        return Ok(dates);
    }
    /// Bad lines that are shown: a file of another kind has thousands.
    const SHOWN: usize = 20;
    let count = wrong.len();
    wrong.truncate(SHOWN);
    Err(Failure::Table(format!("{count} line(s) are no dates\n{}", wrong.join("\n"))))
}

fn write(arguments: &args::Cadence, cadence: &Cadence) -> Result<(), Failure> {
    let path = arguments.out.as_deref();
    match arguments.format {
        ChartFormat::Json => output::stream(path, |out| report::json(cadence, out)),
        ChartFormat::Csv => output::stream(path, |out| report::csv(cadence, out)),
        ChartFormat::Html => {
            let page = report::html(cadence).into_string();
            output::stream(path, |out| out.write_all(page.as_bytes()))
        }
        ChartFormat::Svg => {
            let chart = underpin_server::charts::cadence::timeline(cadence);
            let chart = chart.ok_or_else(|| {
                Failure::Usage(
                    "there is no maintenance to draw; --format json tells what is known".to_owned(),
                )
            })?;
            let picture = underpin_server::charts::standalone(&chart) + "\n";
            output::stream(path, |out| out.write_all(picture.as_bytes()))
        }
        ChartFormat::Table => {
            let width = if path.is_some() { None } else { output::width() };
            let text = report::table(cadence, width);
            path.map_or_else(|| output::data(&text), |path| output::file(path, text.as_bytes()))
        }
    }
}
