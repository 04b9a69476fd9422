//! The report for a terminal: feeds first, unknown first, then what to do first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use underpin_exposure::report::{AssetKind, Status};
use underpin_exposure::{Assessment, Priority, SORT_KEY};
use underpin_model::fleet::Fleet;
use underpin_model::id::{TenantId, VmId};

use super::csv::needs;
use crate::output;
use crate::verbs::assess::counts;

/// Rows of each list that are shown unless all are asked for.
const FIRST: usize = 20;

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

pub(crate) fn render(fleet: &Fleet, assessment: &Assessment, all: bool) -> String {
    let mut text = String::new();
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let most = if all { usize::MAX } else { FIRST };
    let _ = writeln!(
        text,
        "{} as of {day}: {} assets ({} hosts, {} VMs, {} images)\n",
        fleet.name,
        assessment.summary.assets,
        fleet.hosts.len(),
        fleet.vms.len(),
        fleet.images.len()
    );
    text += &feeds(assessment, most);
    text += &summary(assessment);
    text += &unknown(assessment, most);
    text += &priorities(fleet, assessment, most);
    text
}

fn feeds(assessment: &Assessment, most: usize) -> String {
    let stale: Vec<_> = assessment.feeds.iter().filter(|feed| feed.stale).collect();
    if stale.is_empty() {
        return format!("Feeds: {}, none of them stale\n\n", assessment.feeds.len());
    }
    let mut table = output::table(&["STALE FEED", "UPDATED", "AGE", "COVERS UNTIL"]);
    for feed in stale.iter().take(most) {
        let until = feed.covers.iter().map(|coverage| coverage.period.to).max();
        table.add_row([
            feed.id.to_string(),
            feed.updated
                .map_or_else(|| "unknown".to_owned(), |at| at.to_zoned(TimeZone::UTC).date().to_string()),
            feed.age_days.map_or_else(|| "unknown".to_owned(), |days| format!("{days} days")),
            until.map_or_else(|| "single documents only".to_owned(), |day| day.to_string()),
        ]);
    }
    let rest = more(stale.len(), most);
    format!(
        "Feeds: {} of {} are stale; what came later is unknown\n{table}\n{rest}\n",
        stale.len(),
        assessment.feeds.len()
    )
}

fn summary(assessment: &Assessment) -> String {
    let mut table = output::table(&["STATUS", "EXPOSURES"]);
    for (label, count) in counts(assessment) {
        table.add_row([label.to_owned(), count.to_string()]);
    }
    format!("{table}\n\n")
}

/// Components that no source covers: by component, with the assets that carry it.
fn unknown(assessment: &Assessment, most: usize) -> String {
    let mut by_component: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for group in &assessment.groups {
        for finding in
            group.findings_in(&assessment.findings).filter(|one| one.status == Status::UnknownNoSource)
        {
            let reason = finding.reasons.first().map_or("", |reason| &*reason.text);
            let entry = by_component.entry(&finding.component).or_insert((0, reason));
            entry.0 += group.assets.len() as u64;
        }
    }
    if by_component.is_empty() {
        return String::new();
    }
    // What a feed covered once is told by name; what none ever covered only by its number.
    let (ended, never): (Vec<_>, Vec<_>) =
        by_component.into_iter().partition(|(_, (_, reason))| !reason.starts_with("no feed covers"));
    let mut text = format!("Unknown: {} components are covered by no feed", never.len());
    let _ = writeln!(text, "; {} were covered up to a day before", ended.len());
    let mut table = output::table(&["COMPONENT", "ASSETS", "WHY"]);
    for (component, (assets, reason)) in ended.iter().take(most) {
        table.add_row([(*component).to_owned(), assets.to_string(), (*reason).to_owned()]);
    }
    if !ended.is_empty() {
        let _ = writeln!(text, "{table}\n{}", more(ended.len(), most));
    }
    text + "\n"
}

fn priorities(fleet: &Fleet, assessment: &Assessment, most: usize) -> String {
    let list = assessment.priorities();
    if list.is_empty() {
        return "Nothing is known to be open.\n".to_owned();
    }
    let tenants = TenantsOf::new(fleet, assessment);
    let header = [
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
    let mut table = output::table(&header);
    for one in list.iter().take(most) {
        table.add_row(row(one, &tenants));
    }
    format!("What to do first: {SORT_KEY}\n{table}\n{}", more(list.len(), most))
}

fn row(one: &Priority<'_>, tenants: &TenantsOf<'_>) -> [String; 10] {
    let view = one.vulnerability;
    let fix = one.example.fix.as_ref();
    [
        view.id.to_string(),
        view.cvss.as_ref().map_or_else(|| "-".to_owned(), |cvss| format!("{:.1}", cvss.score)),
        view.kev.map_or_else(|| "-".to_owned(), |day| day.to_string()),
        view.epss.map_or_else(|| "-".to_owned(), |value| format!("{:.1}%", value * 100.0)),
        view.ssvc.as_ref().map_or_else(|| "-".to_owned(), |ssvc| ssvc.decision.to_string()),
        view.due.as_ref().map_or_else(
            || "-".to_owned(),
            |due| due.date.map_or_else(|| due.timeline.to_string(), |day| day.to_string()),
        ),
        assets(&one.affected),
        assets(&one.fixed_not_running),
        tenants.count(one).to_string(),
        fix.map_or_else(|| "-".to_owned(), |fix| needs(&fix.needs)),
    ]
}

/// `12 hosts, 300 vms`.
fn assets(counts: &BTreeMap<AssetKind, u64>) -> String {
    if counts.is_empty() {
        return "-".to_owned();
    }
    let words = counts.iter().map(|(kind, count)| {
        let name = kind_name(*kind);
        if *count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn more(all: usize, most: usize) -> String {
    if all > most { format!("... and {} more (--all shows them)\n", all - most) } else { String::new() }
}

/// Tenants whose VMs stand on an asset: its own for a VM, those of its guests for a host.
struct TenantsOf<'a> {
    assessment: &'a Assessment,
    of_asset: BTreeMap<(AssetKind, &'a str), BTreeSet<&'a TenantId>>,
}

impl<'a> TenantsOf<'a> {
    fn new(fleet: &'a Fleet, assessment: &'a Assessment) -> Self {
        let mut of_asset: BTreeMap<(AssetKind, &str), BTreeSet<&TenantId>> = BTreeMap::new();
        for vm in &fleet.vms {
            let Some(tenant) = &vm.tenant else { continue };
            of_asset.entry((AssetKind::Vm, VmId::as_str(&vm.id))).or_default().insert(tenant);
            if let Some(host) = &vm.host {
                of_asset.entry((AssetKind::Host, host.as_str())).or_default().insert(tenant);
            }
        }
        Self { assessment, of_asset }
    }

    fn count(&self, one: &Priority<'_>) -> usize {
        let mut tenants: BTreeSet<&TenantId> = BTreeSet::new();
        for group in &self.assessment.groups {
            let hit = group.findings_in(&self.assessment.findings).any(|finding| {
                finding.status.is_open() && finding.vulnerability.as_ref() == Some(&one.vulnerability.id)
            });
            if hit {
                for asset in &group.assets {
                    tenants.extend(self.of_asset.get(&(asset.kind, &*asset.id)).into_iter().flatten());
                }
            }
        }
        tenants.len()
    }
}
