//! What the built-in facts say about a sample fleet, so that a change of matching is a line of a diff; and that every
//! platform of the sample is matched at all.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test reads files, says what it found and fails by panicking"
)]

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;

use underpin_exposure::report::AssetKind;
use underpin_exposure::{Assessment, FactBase, Feed, Options, Status, assess};
use underpin_model::facts::Document;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::FeedId;

fn fleet(hosts: u32) -> Fleet {
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    sample(&SampleSpec { hosts, seed: 7, ..SampleSpec::default() }, at)
}

fn builtin() -> Vec<Feed> {
    let mut feeds: BTreeMap<&str, Vec<Document>> = BTreeMap::new();
    for (file, document) in underpin_feeds::builtin::documents() {
        feeds.entry(file.split('.').next().unwrap_or(file)).or_default().push(document.unwrap());
    }
    let feeds = feeds.into_iter();
    feeds.map(|(id, documents)| Feed { id: FeedId::new(id).unwrap(), fetched: None, documents }).collect()
}

fn assessed(fleet: &Fleet, feeds: Vec<Feed>) -> Assessment {
    assess(fleet, &FactBase::new(feeds), &Options::at("2026-11-21T00:00:00Z".parse().unwrap()))
}

#[test]
fn the_builtin_facts_about_a_sample_fleet() {
    let assessment = assessed(&fleet(20), builtin());
    let mut text = String::new();
    let summary = serde_json::to_value(&assessment.summary).unwrap();
    for (name, count) in summary.as_object().unwrap() {
        writeln!(text, "{name}: {count}").unwrap();
    }
    writeln!(text, "\nfeeds: documents, days since their last change, products covered").unwrap();
    for feed in &assessment.feeds {
        let age = feed.age_days.map_or_else(|| "-".to_owned(), |days| days.to_string());
        let stale = if feed.stale { " stale" } else { "" };
        writeln!(text, "{}: {} {age}{stale} {}", feed.id, feed.documents, feed.covers.len()).unwrap();
    }
    writeln!(
        text,
        "\nvulnerability: KEV, SSVC, due, CVSS; assets affected, assets not running the fix; example"
    )
    .unwrap();
    for one in assessment.priorities().iter().take(25) {
        let view = one.vulnerability;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let count = |map: &BTreeMap<AssetKind, u64>| {
            let parts: Vec<String> = map.iter().map(|(kind, count)| format!("{count} {kind:?}")).collect();
            if parts.is_empty() { "-".to_owned() } else { parts.join(" ") }
        };
        writeln!(
            text,
            "{}: {} {} {} {}; {}; {}; {} {} -> {}",
            view.id,
            or_none(view.kev.map(|day| day.to_string())),
            or_none(view.ssvc.as_ref().map(|ssvc| format!("{:?}", ssvc.decision))),
            or_none(view.due.as_ref().and_then(|due| due.date).map(|day| day.to_string())),
            or_none(view.cvss.as_ref().map(|cvss| cvss.score.to_string())),
            count(&one.affected),
            count(&one.fixed_not_running),
            one.example.component,
            one.example.version,
            or_none(one.example.fix.as_ref().and_then(|fix| fix.version.as_ref()).map(|it| it.to_string())),
        )
        .unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Signature, platform mask and revision of every processor of the sample are one row of the vendor's history.
#[test]
fn the_processors_of_the_sample_are_in_the_history() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../feeds/facts/microcode-history.csv");
    let history = std::fs::read_to_string(path).unwrap();
    let rows: BTreeSet<(&str, u32, u32)> = history
        .lines()
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let hexadecimal = |at: usize| u32::from_str_radix(cells.get(at)?, 16).ok();
            Some((*cells.get(6)?, hexadecimal(7)?, hexadecimal(9)?))
        })
        .collect();
    let fleet = fleet(400);
    let mut seen = BTreeSet::new();
    for cpu in fleet.hosts.iter().filter_map(|host| host.cpu.as_ref()) {
        let Some(revision) = &cpu.microcode else { continue };
        let revision = u32::from_str_radix(revision.trim_start_matches("0x"), 16).unwrap();
        let row = (cpu.signature.as_deref().unwrap(), cpu.platform_mask.unwrap(), revision);
        assert!(rows.contains(&row), "{:?} {row:x?}", cpu.model);
        seen.insert(row);
    }
    assert_eq!(seen.len(), 19, "every revision of the sample is drawn: {seen:x?}");
}

/// Counts of statuses by platform (`esxi 8.0U3`) of the hosts and the VMs on them; microcode is left out, because every
/// host has it.
fn by_platform(fleet: &Fleet, assessment: &Assessment) -> BTreeMap<String, BTreeMap<Status, u64>> {
    let platforms: BTreeMap<&str, String> = fleet
        .hosts
        .iter()
        .filter_map(|host| {
            let platform = host.platform.as_ref()?;
            let train = platform.train.as_deref().unwrap_or_default();
            Some((host.id.as_str(), format!("{} {train}", platform.family)))
        })
        .collect();
    let mut counts: BTreeMap<String, BTreeMap<Status, u64>> = BTreeMap::new();
    for exposure in assessment.exposures() {
        if let Some(platform) = platforms.get(&*exposure.asset.id)
            && !exposure.finding.component.contains("microcode")
        {
            *counts.entry(platform.clone()).or_default().entry(exposure.finding.status).or_default() += 1;
        }
    }
    counts
}

#[test]
fn every_platform_of_the_sample_is_matched() {
    let Some(data) = shared::data() else { return };
    let fleet = fleet(400);
    let mut feeds = builtin();
    feeds.push(Feed {
        id: FeedId::new("cve5").unwrap(),
        fetched: None,
        documents: archive(&shared::bytes(&data, "cve5-hypervisors.tar.gz")),
    });
    let assessment = assessed(&fleet, feeds);
    let counts = by_platform(&fleet, &assessment);
    for (platform, statuses) in &counts {
        println!("{platform}: {statuses:?}");
    }
    assert_eq!(counts.len(), 9, "{:?}", counts.keys());
    let mut families: BTreeMap<&str, BTreeMap<Status, u64>> = BTreeMap::new();
    for (platform, statuses) in &counts {
        let family = platform.split(' ').next().unwrap();
        for (status, count) in statuses {
            *families.entry(family).or_default().entry(*status).or_default() += count;
        }
        // No feed speaks of XCP-ng 8.2: what its hosts get is the reason why they are unknown.
        let judged = statuses.contains_key(&Status::Fixed) || statuses.contains_key(&Status::Affected);
        assert_eq!(judged, platform != "xcp-ng 8.2", "{platform}: {statuses:?}");
        assert!(statuses.contains_key(&Status::UnknownNoSource), "{platform}: {statuses:?}");
    }
    for (family, statuses) in &families {
        let has = |status| statuses.contains_key(&status);
        assert!(has(Status::Affected) && has(Status::Fixed), "{family}: {statuses:?}");
        assert!(!has(Status::UnknownConflict), "{family}: {statuses:?}");
    }
}

fn archive(bytes: &[u8]) -> Vec<Document> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let mut list = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().extension().is_some_and(|extension| extension == "json") {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            list.push(shared::document(&text));
        }
    }
    list
}
