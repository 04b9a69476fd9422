//! `underpin feeds`: check what paths hold, fetch from a CSAF provider.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use underpin_engine::data::DataFolder;
use underpin_engine::quarantine::Quarantine;
use underpin_engine::{intake, provider};

use crate::args::{Feeds, FeedsCheck, FeedsPull, FeedsRetry, Plain};
use crate::exit::{Code, Failure};
use crate::output::progress::Bar;
use crate::output::{List, wrapped};
use crate::{facts, output};

pub(crate) fn run(verb: Feeds) -> Result<Code, Failure> {
    match verb {
        Feeds::Check(arguments) => check(&arguments),
        Feeds::Pull(arguments) => pull(&arguments),
        Feeds::Retry(arguments) => retry(&arguments),
    }
}

fn check(arguments: &FeedsCheck) -> Result<Code, Failure> {
    let quarantine = arguments.keep.as_deref().map(quarantine).transpose()?;
    let intake = facts::read(&arguments.paths, Timestamp::now(), quarantine.as_ref());
    if intake.documents().next().is_none() && intake.quarantined.is_empty() {
        return Err(facts::nothing_read(&arguments.paths, &intake));
    }
    let summary = intake.summary();
    if arguments.format == Plain::Json {
        output::json(&summary)?;
    } else {
        let mut text = format!(
            "{} documents, {} accepted, {} quarantined, {} files are no advisories\n",
            summary.documents,
            summary.accepted,
            summary.quarantined.len(),
            summary.ignored.len()
        );
        if !summary.by_format.is_empty() {
            let mut formats = List::new(&["FORMAT", "ACCEPTED"], output::width());
            for (format, count) in &summary.by_format {
                formats.row([format.to_string(), count.to_string()]);
            }
            text += &format!("\n{formats}");
        }
        text += &quarantined(&summary, output::width());
        for partly in &summary.partly {
            text += &wrapped(&facts::partly(partly), "", output::width());
        }
        output::data(&text)?;
    }
    let whole = summary.quarantined.is_empty() && summary.partly.is_empty();
    Ok(if whole { Code::Done } else { Code::Findings })
}

/// Names and reasons are both long: a narrow terminal gets lines, a pipe gets columns.
fn quarantined(summary: &intake::Summary<'_>, width: Option<u16>) -> String {
    if summary.quarantined.is_empty() {
        return String::new();
    }
    if width.is_some() {
        return summary.quarantined.iter().fold("\nQuarantined:\n".to_owned(), |all, one| {
            all + &wrapped(&format!("{} at {}", one.file, one.at), "  ", width)
                + &wrapped(one.reason, "    ", width)
        });
    }
    let mut table = List::new(&["QUARANTINED", "AT", "REASON"], None);
    for one in &summary.quarantined {
        table.row([one.file.to_owned(), one.at.to_string(), one.reason.to_owned()]);
    }
    format!("\n{table}")
}

fn pull(arguments: &FeedsPull) -> Result<Code, Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = DataFolder::open(&arguments.data)?;
    let into = arguments.into.clone().unwrap_or_else(|| folder.feeds().join(folder_name(&arguments.url)));
    let options = provider::PullOptions {
        allow_http: arguments.allow_http,
        authorities_pem: arguments.ca.as_deref().map(facts::bytes).transpose()?,
        quarantine: Some(Arc::new(quarantine(&arguments.data)?)),
        ..provider::PullOptions::new(Timestamp::now())
    };
    let bar = Arc::new(Bar::new("pulling"));
    let pulled = runtime
        .block_on(provider::pull(&arguments.url, &into, &options, bar))
        .map_err(|error| Failure::Provider(error.to_string()))?;
    if arguments.format == Plain::Json {
        output::json(&pulled)?;
    } else {
        output::plain(&told(&pulled))?;
    }
    Ok(if pulled.quarantined.is_empty() && pulled.failed.is_empty() { Code::Done } else { Code::Findings })
}

/// All bad documents together that a data folder keeps, in bytes.
const QUARANTINE_BYTES: u64 = 2 << 30;

fn quarantine(data: &Path) -> Result<Quarantine, Failure> {
    let folder = DataFolder::open(data)?;
    Ok(Quarantine::open(folder.quarantine(), QUARANTINE_BYTES)?)
}

/// The provider's host as the name of a folder.
fn folder_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}

fn retry(arguments: &FeedsRetry) -> Result<Code, Failure> {
    let folder = DataFolder::open(&arguments.data)?;
    let kept = quarantine(&arguments.data)?;
    let retried = folder.retry_quarantine(&kept, underpin_feeds::parse, Timestamp::now())?;
    let mut text = format!(
        "{} released to {}, {} are no advisories, {} still bad, {} kept as evidence\n",
        retried.released.len(),
        folder.feeds().join("released").display(),
        retried.ignored.len(),
        retried.still_bad.len(),
        retried.not_retried
    );
    for bad in &retried.still_bad {
        text += &format!("{} at {}: {}\n", bad.quarantined.file, bad.quarantined.at, bad.quarantined.reason);
    }
    for damaged in &retried.damaged {
        text += &format!("damaged: {damaged}\n");
    }
    output::plain(&text)?;
    Ok(if retried.still_bad.is_empty() && retried.damaged.is_empty() { Code::Done } else { Code::Findings })
}

/// What a pull did, for people.
fn told(pulled: &provider::Pulled) -> String {
    let mut text = format!(
        "{}: {} documents fetched, {} unchanged, {} quarantined, {} lists failed\n",
        pulled.publisher.as_deref().unwrap_or("the provider"),
        pulled.fetched,
        pulled.unchanged,
        pulled.quarantined.len(),
        pulled.failed.len()
    );
    for (check, count) in pulled.hashes.iter().chain(&pulled.signatures) {
        text += &format!("  {check}: {count}\n");
    }
    for one in &pulled.quarantined {
        text += &format!("quarantined {}: {}\n", one.file, one.reason);
    }
    for one in &pulled.failed {
        text += &format!("failed {}: {}\n", one.url, one.reason);
    }
    text
}
