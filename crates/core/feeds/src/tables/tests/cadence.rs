//! Cadence figures that were computed independently from the same files: distinct days and mean gap in days.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_model::facts::{Family, Format, ReleaseFact};

use super::table;

fn assert_cadence(series: &str, days: impl Iterator<Item = Date>, distinct: usize, mean_gap: &str) {
    let days: BTreeSet<Date> = days.collect();
    let (first, last) = (days.first().unwrap(), days.last().unwrap());
    let span = f64::from(first.until(*last).unwrap().get_days());
    let gap = span / (days.len() as f64 - 1.0);
    assert_eq!((days.len(), format!("{gap:.2}").as_str()), (distinct, mean_gap), "{series}");
}

fn of<'a>(
    releases: &'a [ReleaseFact],
    family: Family,
    source: &'a str,
) -> impl Iterator<Item = &'a ReleaseFact> {
    releases.iter().filter(move |release| release.family == family && &*release.component == source)
}

#[test]
fn esxi_lines() {
    let Some(document) = table(Format::EsxiBuilds) else { return };
    for (line, distinct, gap) in [
        ("5.5", 31, "60.57"),
        ("6.0", 33, "56.44"),
        ("6.5", 39, "56.61"),
        ("6.7", 30, "56.31"),
        ("7.0", 29, "66.93"),
        ("8.0", 17, "57.00"),
    ] {
        let of_line = document
            .releases
            .iter()
            .filter(|release| release.train.as_deref().unwrap().split('U').next() == Some(line));
        assert_cadence(line, of_line.map(|release| release.date), distinct, gap);
    }
}

#[test]
fn xen_security_advisories() {
    let Some(document) = table(Format::XenAdvisories) else { return };
    let days = document.vulnerabilities.iter().map(|xsa| xsa.published.unwrap());
    assert_cadence("XSA", days.map(|day| day.to_zoned(TimeZone::UTC).date()), 236, "23.89");
}

#[test]
fn hyper_v_updates() {
    let Some(document) = table(Format::MsrcUpdates) else { return };
    let days = document.vulnerabilities.iter().map(|cve| cve.published.unwrap());
    assert_cadence("MSRC", days.map(|day| day.to_zoned(TimeZone::UTC).date()), 100, "60.24");
}

#[test]
fn debian_advisories() {
    let Some(document) = table(Format::DebianAdvisories) else { return };
    for (source, distinct, gap) in [("xen", 45, "94.48"), ("qemu", 33, "171.47"), ("linux", 69, "52.06")] {
        let days = of(&document.releases, Family::Debian, source)
            .filter(|release| release.bulletin.as_ref().unwrap().as_str().starts_with("DSA-"))
            .map(|release| release.date);
        assert_cadence(source, days, distinct, gap);
    }
}

#[test]
fn changelogs() {
    let Some(document) = table(Format::ReleaseHistory) else { return };
    let releases = &document.releases;
    let days = |family: Family, source| of(releases, family, source).map(|release| release.date);
    assert_cadence("XCP-ng xen", days(Family::XcpNg, "xen"), 97, "19.45");
    assert_cadence("pve-manager", days(Family::Proxmox, "pve-manager"), 651, "10.52");
    assert_cadence("qemu-server", days(Family::Proxmox, "qemu-server"), 523, "12.97");
    let qemu = days(Family::Proxmox, "pve-kvm").chain(days(Family::Proxmox, "pve-qemu-kvm"));
    assert_cadence("pve-qemu", qemu, 339, "19.13");
    let kernels = releases
        .iter()
        .filter(|release| release.family == Family::Proxmox && release.component.contains("kernel"));
    assert_cadence("pve-kernel", kernels.map(|release| release.date), 381, "12.20");
    for (source, distinct, gap) in [("linux", 131, "20.58"), ("xen", 53, "111.06"), ("qemu", 106, "64.66")] {
        let naming = of(releases, Family::Debian, source)
            .filter(|release| release.fixes.iter().any(|fix| fix.as_str().starts_with("CVE-")));
        assert_cadence(source, naming.map(|release| release.date), distinct, gap);
    }
}
