//! `underpin backtest`: what each patch policy would have cost, replayed over real history.

use std::fmt::Write as _;

use jiff::Timestamp;
use underpin_feeds::Parsed;
use underpin_model::facts::{Document, Format};
use underpin_model::fleet::Fleet;
use underpin_risk::backtest::{
    self, Answer, Asked, BacktestError, DEFAULT_FLEET, Figure, Line, Measures, Question, ReplayFleet, Report,
    Row,
};

use crate::args::{Backtest, ChartFormat};
use crate::exit::{Code, Failure};
use crate::output::{List, counted, wrapped};
use crate::report::cadence::page;
use crate::report::csv::{cause, harmless};
use crate::{facts, output};

pub(crate) fn run(arguments: &Backtest) -> Result<Code, Failure> {
    let policy = facts::policy(arguments.policy.as_deref())?;
    let fleet = arguments.fleet.as_ref().map(|path| facts::fleet(path)).transpose()?.map(|it| it.fleet);
    let (base, _) = facts::base(&arguments.feeds, !arguments.no_builtin, Timestamp::now())?;
    let epss = arguments.epss.iter().map(|path| dated_scores(path)).collect::<Result<Vec<_>, _>>()?;
    let asked = Asked {
        platform: arguments.platform.as_deref(),
        line: arguments.line.as_deref(),
        component: arguments.component.as_deref(),
    };
    let line = backtest::choose(&base, fleet.as_ref(), asked).map_err(|error| failure(&error))?;
    let (replayed, stand_on_it) = hosts(fleet.as_ref(), &line)?;
    let question = Question {
        from: arguments.from,
        until: arguments.until,
        fleet: replayed,
        epss_at_least: arguments.epss_at_least,
    };
    let history = backtest::of_facts(&base, &line, &epss).map_err(|error| failure(&error))?;
    let mut report = backtest::run(&history, &question, &policy).map_err(|error| failure(&error))?;
    report.notes.splice(0..0, backtest::chosen(&base, fleet.as_ref(), asked, &line));
    if !stand_on_it {
        report.notes.insert(0, backtest::as_if(&line, replayed));
    }
    write(arguments, &Answer { report, lines: backtest::lines(&base).into_iter().collect() })?;
    Ok(Code::Done)
}

fn write(arguments: &Backtest, answer: &Answer) -> Result<(), Failure> {
    let report = &answer.report;
    let path = arguments.out.as_deref();
    let all = |text: String| output::stream(path, |out| out.write_all(text.as_bytes()));
    match arguments.format {
        ChartFormat::Json => output::stream(path, |out| {
            serde_json::to_writer_pretty(&mut *out, answer)?;
            out.write_all(b"\n")
        }),
        ChartFormat::Csv => output::stream(path, |out| csv(report, out)),
        ChartFormat::Html => {
            let title = "What each patch policy would have cost";
            all(page("Backtest", title, &underpin_server::backtest_report(report)).into_string())
        }
        ChartFormat::Svg => {
            let chart = underpin_server::charts::backtest::frontier(report).ok_or_else(|| {
                Failure::Usage(
                    "the policies have no days in common to be compared on; --format json has each over its own"
                        .to_owned(),
                )
            })?;
            all(underpin_server::charts::standalone(&chart) + "\n")
        }
        ChartFormat::Table if path.is_some() => all(output::harmless(&table(report, None))),
        ChartFormat::Table => output::data(&table(report, output::width())),
    }
}

fn failure(error: &BacktestError) -> Failure {
    match error {
        BacktestError::UnknownLine { .. } => Failure::NotFound(error.to_string()),
        BacktestError::NoLine { .. } => Failure::Usage(format!("{error} (--line)")),
        BacktestError::SeveralComponents { .. } => Failure::Usage(format!("{error} (--component)")),
        _ => Failure::Usage(error.to_string()),
    }
}

/// An EPSS file with the day of its scores: without one it says nothing about any day.
fn dated_scores(path: &std::path::Path) -> Result<Document, Failure> {
    let wrong = |reason: String| Failure::Table(format!("{}: {reason}", path.display()));
    match underpin_feeds::parse(&facts::bytes(path)?) {
        Ok(Parsed::Document(document)) if document.format == Format::Epss => {
            // A history is replayed whole or not at all: who brings it can mend it.
            if let Some(first) = document.left_out.first() {
                return Err(wrong(first.clone()));
            }
            let dated = document
                .vulnerabilities
                .iter()
                .all(|it| it.epss.as_ref().is_some_and(|it| it.scored.is_some()));
            if dated {
                Ok(*document)
            } else {
                Err(wrong("no day, expected a first line such as #model_version:v2025.03.14,score_date:2025-08-25T00:00:00+0000".to_owned()))
            }
        }
        Ok(Parsed::Document(document)) => {
            Err(wrong(format!("found {}, expected EPSS scores (cve,epss,percentile)", document.format)))
        }
        Ok(Parsed::Ignored { reason }) => {
            Err(wrong(format!("found {reason}, expected EPSS scores (cve,epss,percentile)")))
        }
        Err(defect) => Err(wrong(defect.to_string())),
    }
}

/// The hosts of the fleet that stand on the line, and `true`; all hosts and `false` where the line is not theirs.
fn hosts(fleet: Option<&Fleet>, line: &Line) -> Result<(ReplayFleet, bool), Failure> {
    let Some(fleet) = fleet else { return Ok((DEFAULT_FLEET, true)) };
    let none = || Failure::Usage("the fleet has no host, expected at least one".to_owned());
    backtest::hosts_on(fleet, line).ok_or_else(none)
}

fn table(report: &Report, width: Option<u16>) -> String {
    let about = format!(
        "{} {} {}, {} with {:.1} VMs each{}, {} to {}: {} releases, {} vulnerabilities",
        report.platform,
        report.line,
        report.component,
        counted(report.fleet.hosts, "host"),
        report.fleet.vms_per_host,
        if report.fleet.assumed { " (assumed)" } else { "" },
        report.period.from,
        report.period.to,
        report.releases,
        report.vulnerabilities,
    );
    let mut text = wrapped(&about, "", width) + "\n";
    let header = [
        "POLICY",
        "FROM",
        "UNTIL",
        "EXPOSURE-DAYS",
        "EXPLOITED",
        "BAD",
        "MAINTENANCES",
        "REBOOTS",
        "LAG",
        "DAYS TO PATCH",
        "NEVER",
        "LOSS",
        "FRONTIER",
    ];
    let mut list = List::keyed(&header, &[0], width);
    for row in &report.policies {
        if let Some(it) = &row.measures {
            list.row(cells(row, it));
        }
    }
    let _ = write!(text, "{list}");
    let common = report.common_period.map(|it| format!("{} to {}", it.from, it.to));
    let legend = format!(
        "Figures with their 95 % interval; losses in {}, >= where days without a known vulnerability are left out. Days to patch: \
         mean from a fix to the host that has it, or to the end of the span for those (hosts x vulnerabilities) that never did. \
         Frontier: {} over {}.",
        report.currency,
        report.frontier_axes.join(", "),
        common.as_deref().unwrap_or("no common span"),
    );
    text += "\n";
    text += &wrapped(&legend, "", width);
    for row in &report.policies {
        if let Some(reason) = &row.reason {
            text += &wrapped(&format!("{}: {reason}", row.policy), "", width);
        }
    }
    for note in &report.notes {
        text += &wrapped(&format!("note: {note}"), "", width);
    }
    text
}

fn cells(row: &Row, it: &Measures) -> [String; 13] {
    let shown = |it: Option<Figure>, none: &str| it.map_or_else(|| none.to_owned(), |it| it.to_string());
    [
        row.policy.clone(),
        it.period.from.to_string(),
        it.period.to.to_string(),
        shown(it.exposure_days, "unknown"),
        exploited(it),
        it.bad_releases.to_string(),
        it.maintenances.to_string(),
        it.host_reboots.to_string(),
        it.lag_days.to_string(),
        shown(it.restricted_mean_days_to_patch, "-"),
        it.never_patched.map_or_else(|| "unknown".to_owned(), |it| it.to_string()),
        loss(it),
        if row.on_frontier { "yes" } else { "" }.to_owned(),
    ]
}

/// Before KEV began nobody listed what was exploited: then it is at least so much.
fn exploited(it: &Measures) -> String {
    let least = if it.days_before_kev > 0 { ">= " } else { "" };
    it.exploited_exposure_days.map_or_else(|| "unknown".to_owned(), |it| format!("{least}{it}"))
}

/// A sum that leaves days out is at least so much.
fn loss(it: &Measures) -> String {
    let least = if it.days_without_facts > 0 { ">= " } else { "" };
    it.loss.total.map_or_else(|| "unknown".to_owned(), |it| format!("{least}{it}"))
}

fn csv(report: &Report, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let loss_in = format!("loss_in_{}", report.currency);
    let names = [
        "exposure_days",
        "exploited_exposure_days",
        "bad_releases",
        "maintenances",
        "host_reboots",
        "lag_days",
        "restricted_mean_days_to_patch",
        &loss_in,
    ];
    let mut header = vec!["policy".to_owned(), "evaluable".to_owned(), "from".to_owned(), "until".to_owned()];
    header.extend(names.iter().flat_map(|it| [(*it).to_owned(), format!("{it}_low"), format!("{it}_high")]));
    header.extend(["never_patched".to_owned(), "on_frontier".to_owned(), "reason".to_owned()]);
    writer.write_record(header.iter().map(|it| harmless(it))).map_err(cause)?;
    for row in &report.policies {
        let mut cells = vec![row.policy.clone(), row.evaluable.to_string()];
        match &row.measures {
            None => cells.extend(std::iter::repeat_n(String::new(), 2 + 3 * names.len())),
            Some(it) => {
                cells.extend([it.period.from.to_string(), it.period.to.to_string()]);
                let figures = [
                    it.exposure_days,
                    it.exploited_exposure_days,
                    Some(it.bad_releases),
                    Some(it.maintenances),
                    Some(it.host_reboots),
                    Some(it.lag_days),
                    it.restricted_mean_days_to_patch,
                    it.loss.total,
                ];
                cells.extend(figures.into_iter().flat_map(numbers));
            }
        }
        let never_patched = row.measures.as_ref().and_then(|it| it.never_patched);
        cells.push(never_patched.map(|it| it.to_string()).unwrap_or_default());
        cells.extend([row.on_frontier.to_string(), row.reason.clone().unwrap_or_default()]);
        writer.write_record(cells.iter().map(|it| harmless(it))).map_err(cause)?;
    }
    writer.flush()
}

fn numbers(figure: Option<Figure>) -> [String; 3] {
    let [low, high] = figure.and_then(|it| it.interval).map_or([None, None], |it| it.map(Some));
    [figure.map(|it| it.value), low, high].map(|it| it.map(|it| it.to_string()).unwrap_or_default())
}
