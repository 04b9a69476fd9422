//! `underpin clocks`: promises of the policy as running clocks.

use std::fmt::Write as _;

use jiff::civil::Date;
use underpin_exposure::report::Asset;
use underpin_risk::clocks::{self, Answer, Clock, Report, Settings, State};

use super::opening::{judged, nothing_to_judge};
use crate::args::{Clocks, Tabular};
use crate::exit::{Code, Failure};
use crate::output;
use crate::output::{List, wrapped};
use crate::report::csv::{cause, harmless, needs};

/// Clocks that are shown unless all are asked for.
const FIRST: usize = 40;
/// Assets of a clock that are named in the table.
const NAMED: usize = 3;

pub(crate) fn run(arguments: &Clocks) -> Result<Code, Failure> {
    let on = judged(&arguments.of, Some(&arguments.policy), None, arguments.as_of)?;
    let fleet = &on.fleet;
    if fleet.hosts.is_empty() && fleet.vms.is_empty() && fleet.management_planes.is_empty() {
        return Err(nothing_to_judge(&arguments.of.fleet));
    }
    let settings = Settings {
        soon_days: arguments.soon,
        hosts_per_day: arguments.plan_pace.unwrap_or(on.policy.maintenance.hosts_per_day),
    };
    let mut report = clocks::read(fleet, &on.base, &on.assessment, &on.policy, settings)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    report.warnings.extend(on.left_out.iter().cloned());
    if arguments.format == Tabular::Json {
        report.warnings.extend(on.odd_day.iter().cloned());
    }
    let mut answer = Answer::of(fleet, &on.policy, report);
    if let Some(name) = &arguments.tenant {
        let tenant = clocks::tenant_named(fleet, name)
            .map_err(|error| Failure::Usage(format!("--tenant: {error}")))?;
        answer = answer.of_tenant(fleet, &on.policy, &tenant);
    }
    let report = &answer.report;
    match arguments.format {
        Tabular::Json => output::json(&answer)?,
        Tabular::Csv => output::stream(None, |out| csv(report, out))?,
        Tabular::Table => output::data(&table(report, arguments.all, output::width()))?,
    }
    let pressing = |it: &Clock| matches!(it.state, State::Breached | State::Unknown);
    let found = arguments.check && report.clocks.iter().any(pressing);
    Ok(if found { Code::Findings } else { Code::Done })
}

fn table(report: &Report, all: bool, width: Option<u16>) -> String {
    let mut text = format!("Promises on {}\n", report.as_of);
    for warning in &report.warnings {
        text += &wrapped(&format!("note: {warning}"), "", width);
    }
    let header = [
        "PROMISE",
        "DAYS",
        "BREACHED",
        "UNKNOWN",
        "DUE SOON",
        "RUNNING",
        "ACCEPTED",
        "NOT STARTED",
        "DONE",
        "KEPT",
    ];
    let mut sums = List::keyed(&header, &[0], width);
    for it in &report.promises {
        let count = |state| it.counts.get(&state).copied().unwrap_or(0).to_string();
        let [breached, unknown, soon, running, accepted, ahead, done, kept] = State::ALL.map(count);
        sums.row([
            it.promise.clone(),
            it.days.to_string(),
            breached,
            unknown,
            soon,
            running,
            accepted,
            ahead,
            done,
            kept,
        ]);
    }
    let _ = writeln!(text, "{sums}");
    match report.all_patched_on {
        Some(day) => {
            let waiting = format!(
                "{} for a fix; at {} a day the last one has it on {day}",
                if report.hosts_to_patch == 1 {
                    "1 host waits".to_owned()
                } else {
                    format!("{} hosts wait", report.hosts_to_patch)
                },
                report.hosts_per_day
            );
            text += &wrapped(&waiting, "", width);
        }
        None => text.push_str("No host waits for a published fix\n"),
    }
    let known = report.forecast.iter().map(|it| &it.sentence);
    for sentence in known.chain(report.forecast_unknown.iter().map(|it| &it.sentence)) {
        text += &wrapped(sentence, "", width);
    }
    text.push('\n');
    let open: Vec<&Clock> =
        report.clocks.iter().filter(|it| !matches!(it.state, State::Kept | State::Done)).collect();
    let most = if all { usize::MAX } else { FIRST };
    let mut list = List::keyed(&["STATE", "DUE", "PROMISE", "ABOUT", "ASSETS", "EVIDENCE"], &[2, 3], width);
    for it in open.iter().take(most) {
        let place = it.component.as_ref().map(|on| format!(" in {on}")).unwrap_or_default();
        let fix = match &it.fix {
            Some(to) => format!(" -> {to}"),
            None if it.needs.is_empty() => String::new(),
            None => format!("; installed, not in force: {}", needs(&it.needs)),
        };
        let about = format!("{}{place}{fix}", it.subject);
        list.row([
            it.state.label().to_owned(),
            it.due.map_or_else(|| "-".to_owned(), |it| it.to_string()),
            it.promise.clone(),
            about,
            names(&it.assets),
            it.evidence.clone(),
        ]);
    }
    let _ = write!(text, "{list}");
    if open.len() > most {
        let _ = writeln!(text, "... and {} more (--all shows them)", open.len() - most);
    }
    text
}

fn names(assets: &[Asset]) -> String {
    let mut text = assets.iter().take(NAMED).map(|it| &*it.id).collect::<Vec<_>>().join(", ");
    if assets.len() > NAMED {
        let _ = write!(text, " and {} more", assets.len() - NAMED);
    }
    text
}

/// One row per clock and asset; a clock without assets (a release that nothing runs yet) has one row too.
fn csv(report: &Report, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let header = [
        "promise",
        "state",
        "started",
        "due",
        "about",
        "component",
        "fix",
        "needs",
        "asset_kind",
        "asset",
        "evidence",
    ];
    writer.write_record(header).map_err(cause)?;
    let day = |it: Option<Date>| it.map(|it| it.to_string()).unwrap_or_default();
    for it in &report.clocks {
        let none = [None];
        let assets: Vec<Option<&Asset>> = it.assets.iter().map(Some).collect();
        for asset in if assets.is_empty() { &none[..] } else { &assets } {
            let kind = asset.map(|it| crate::report::table::kind_name(it.kind)).unwrap_or_default();
            let record = [
                it.promise.as_str(),
                it.state.label(),
                &day(it.started),
                &day(it.due),
                &it.subject,
                it.component.as_deref().unwrap_or_default(),
                it.fix.as_deref().unwrap_or_default(),
                &needs(&it.needs),
                kind,
                asset.map(|it| &*it.id).unwrap_or_default(),
                &it.evidence,
            ];
            writer.write_record(record.map(harmless)).map_err(cause)?;
        }
    }
    writer.flush()
}
