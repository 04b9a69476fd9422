//! The report for a terminal: feeds first, unknown first, then what to do first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use underpin_exposure::report::AssetKind;
use underpin_exposure::{Assessment, Priority, SORT_KEY};
use underpin_model::fleet::Fleet;

use super::csv::{needs, used};
use super::hits::Hits;
use super::left_out::LeftOut;
use super::unknown::{self, Uncovered};
use crate::output::{List, wrapped};
use crate::verbs::assess::counts;

/// Rows of each list that are shown unless all are asked for.
const FIRST: usize = 20;
/// From this width on what a fix needs has a column of its own; below it stands under its row.
const WIDE: u16 = 190;

/// Name of an asset kind in reports.
pub(crate) fn kind_name(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Host => "host",
        AssetKind::Vm => "vm",
        AssetKind::Image => "image",
        AssetKind::ManagementPlane => "management plane",
        AssetKind::Witness => "witness",
        AssetKind::Storage => "storage",
    }
}

/// How much is shown, and how wide it may be.
#[derive(Clone, Copy)]
struct Room {
    most: usize,
    width: Option<u16>,
}

/// The report for a terminal of this width; `None`: for a pipe or a file.
pub(crate) fn render(
    fleet: &Fleet,
    assessment: &Assessment,
    left_out: &LeftOut,
    all: bool,
    width: Option<u16>,
) -> String {
    let room = Room { most: if all { usize::MAX } else { FIRST }, width };
    let mut text = String::new();
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let _ = writeln!(
        text,
        "{} as of {day}: {} assets ({} hosts, {} VMs, {} images)\n",
        crate::output::harmless(&fleet.name),
        assessment.summary.assets,
        fleet.hosts.len(),
        fleet.vms.len(),
        fleet.images.len()
    );
    text += &feeds(assessment, room);
    text += &summary(assessment, room);
    if let Some(sentence) = left_out.sentence() {
        text += &wrapped(&sentence, "", room.width);
        text.push('\n');
    }
    text += &unknown(assessment, room);
    text += &priorities(fleet, assessment, left_out, room);
    text
}

fn feeds(assessment: &Assessment, room: Room) -> String {
    let stale: Vec<_> = assessment.feeds.iter().filter(|feed| feed.stale).collect();
    if stale.is_empty() {
        return format!("Feeds: {}, none of them stale\n\n", assessment.feeds.len());
    }
    let unknown = || "unknown".to_owned();
    let mut table = List::new(&["UPDATED", "AGE", "COVERS UNTIL", "STALE FEED"], room.width);
    for feed in stale.iter().take(room.most) {
        let until = feed.covers.iter().map(|coverage| coverage.period.to).max();
        table.row([
            feed.updated.map_or_else(unknown, |at| at.to_zoned(TimeZone::UTC).date().to_string()),
            feed.age_days.map_or_else(unknown, |days| format!("{days} days")),
            until.map_or_else(|| "its documents only".to_owned(), |day| day.to_string()),
            feed.id.to_string(),
        ]);
    }
    let rest = more(stale.len(), room.most);
    format!(
        "Feeds: {} of {} are stale; what came later is unknown\n{table}{rest}\n",
        stale.len(),
        assessment.feeds.len()
    )
}

fn summary(assessment: &Assessment, room: Room) -> String {
    let mut table = List::new(&["STATUS", "EXPOSURES"], room.width);
    for (label, count) in counts(assessment) {
        table.row([label.to_owned(), count.to_string()]);
    }
    format!("{table}\n")
}

/// What a feed covered once is told with the day; what none ever covered only by name.
fn unknown(assessment: &Assessment, room: Room) -> String {
    let unknown = unknown::of(assessment);
    let mut text = String::new();
    if !unknown.ended.is_empty() {
        let _ = writeln!(text, "Unknown: {} components were covered up to a day before", unknown.ended.len());
        text += &uncovered(&unknown.ended, &["COMPONENT", "ASSETS", "UNTIL", "BY"], room, |one| {
            let until = one.until().map_or_else(|| "unknown".to_owned(), |day| day.to_string());
            let feed = one.feed.map(ToString::to_string).unwrap_or_default();
            [one.component.to_owned(), one.assets.to_string(), until, feed]
        });
    }
    if !unknown.never.is_empty() {
        let _ = writeln!(text, "Unknown: {} components are covered by no feed", unknown.never.len());
        text += &uncovered(&unknown.never, &["COMPONENT", "ASSETS"], room, |one| {
            [one.component.to_owned(), one.assets.to_string()]
        });
    }
    text
}

fn uncovered<const N: usize>(
    list: &[Uncovered<'_>],
    header: &[&str; N],
    room: Room,
    row: impl Fn(&Uncovered<'_>) -> [String; N],
) -> String {
    let mut table = List::new(header, room.width);
    for one in list.iter().take(room.most) {
        table.row(row(one));
    }
    format!("{table}{}\n", more(list.len(), room.most))
}

fn priorities(fleet: &Fleet, assessment: &Assessment, left_out: &LeftOut, room: Room) -> String {
    let list = assessment.priorities();
    if list.is_empty() && left_out.hides_open() {
        return "What is open is left out.\n".to_owned();
    }
    if list.is_empty() {
        return "Nothing is known to be open.\n".to_owned();
    }
    let hits = Hits::new(fleet, assessment);
    let shown = list.iter().take(room.most);
    let title = wrapped(&format!("What to do first: {SORT_KEY}"), "", room.width);
    let legend = wrapped(
        "AFFECTED and NOT RUNNING (fixed, but the old code runs) count h: hosts, v: VMs, i: images, m: management \
         planes, w: witnesses, s: storage; TENANTS have VMs among them or on them",
        "",
        room.width,
    );
    let table = if room.width.is_some_and(|width| width < WIDE) {
        narrow(shown, &hits, room)
    } else {
        wide(shown, &hits, room)
    };
    format!("{title}{legend}\n{table}{}", more(list.len(), room.most))
}

const COLUMNS: [&str; 10] = [
    "VULNERABILITY",
    "CVSS",
    "KEV",
    "EPSS",
    "SSVC",
    "DUE",
    "AFFECTED",
    "NOT RUNNING",
    "TENANTS",
    "FIX NEEDS",
];

fn wide<'a>(list: impl Iterator<Item = &'a Priority<'a>>, hits: &Hits<'_>, room: Room) -> String {
    let mut table = List::new(&COLUMNS, room.width);
    for one in list {
        let [id, cvss, kev, epss, ssvc, due, affected, not_running, tenants] = row(one, hits);
        table.row([id, cvss, kev, epss, ssvc, due, affected, not_running, tenants, fix(one)]);
    }
    table.to_string()
}

/// Each row with its fix below it: the columns alone fill a narrow terminal.
fn narrow<'a>(list: impl Iterator<Item = &'a Priority<'a>>, hits: &Hits<'_>, room: Room) -> String {
    // Rows must not wrap here, or fixes would stand under the wrong line: what is too long is for the terminal to break.
    let mut table = List::new(COLUMNS.split_last().map_or(&[], |(_, rest)| rest), Some(u16::MAX));
    let mut fixes = Vec::new();
    for one in list {
        table.row(row(one, hits));
        fixes.push(wrapped(&format!("fix: {}", fix(one)), "    ", room.width));
    }
    let text = table.to_string();
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default().to_owned() + "\n";
    lines.zip(fixes).fold(header, |all, (line, fix)| all + line + "\n" + &fix)
}

fn row(one: &Priority<'_>, hits: &Hits<'_>) -> [String; 9] {
    let none = || "-".to_owned();
    let view = one.vulnerability;
    [
        view.id.to_string(),
        view.cvss.as_ref().map_or_else(none, |cvss| format!("{:.1}", cvss.score)),
        view.kev.map_or_else(none, |_| "yes".to_owned()),
        view.epss.map_or_else(none, |value| format!("{:.1}%", value * 100.0)),
        view.ssvc.as_ref().map_or_else(none, |ssvc| ssvc.decision.to_string()),
        view.due.as_ref().map_or_else(none, |due| {
            due.date.map_or_else(|| due.timeline.to_string(), |day| day.to_string())
        }),
        assets(&one.affected),
        assets(&one.fixed_not_running),
        hits.tenants(&view.id).to_string(),
    ]
}

fn fix(one: &Priority<'_>) -> String {
    let needs = one.example.fix.as_ref().map(|fix| needs(&fix.needs)).unwrap_or_default();
    let needs = if needs.is_empty() { "none known".to_owned() } else { needs };
    format!("{needs} ({})", used(one.used))
}

/// `12h 300v`.
fn assets(counts: &BTreeMap<AssetKind, u64>) -> String {
    if counts.is_empty() {
        return "-".to_owned();
    }
    let words = counts.iter().map(|(kind, count)| {
        let letter = kind_name(*kind).get(..1).unwrap_or_default();
        format!("{count}{letter}")
    });
    words.collect::<Vec<_>>().join(" ")
}

fn more(all: usize, most: usize) -> String {
    if all > most { format!("... and {} more (--all shows them)\n", all - most) } else { String::new() }
}
