//! The assessment as it might be at worst: what is not known, open.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use underpin_model::facts::{Claim, Family, NameKind, Restart, Verdict};
use underpin_model::fleet::{ComponentKind, Fleet};
use underpin_model::id::VulnerabilityId;
use underpin_model::version::{Comparison, compare};

use crate::assess::{Options, assess_with};
use crate::classify;
use crate::draft::Unplaced;
use crate::esxi;
use crate::factbase::FactBase;
use crate::nowhere;
use crate::report::{Area, Assessment, Asset, AssetKind, Finding, Fix, Group, Needed, Status};
use crate::unseen::{Line, Missing, Unseen};
use crate::verdict;
use crate::view;

/// What is missing on machines of a line.
type Gap<'f> = (Missing, Line<'f>);

/// Holes that a machine may have: the vulnerability with the component and area that it is in.
type Possible = BTreeMap<VulnerabilityId, (Arc<str>, Area)>;

/// The assessment as it might be at worst: a status that is not known is open, and a machine of which neither kernel nor hypervisor is
/// known ([`Unseen`]) has every hole that is stated of the parts of its platform, or that a known machine of the same platform has or
/// had; one of which either is missing has those that may be in it. A live VM of which no host is known runs, with its VMM, on every host
/// that it may stand on.
///
/// Facts that came later than the assessment do not count. Machines of an unknown platform, and of one of which no fact tells,
/// stay as they are.
#[must_use]
pub fn at_worst<'a>(fleet: &Fleet, base: &FactBase, assessment: &'a Assessment) -> Cow<'a, Assessment> {
    let unseen = Unseen::of(fleet);
    let unknown = |it: &Finding| it.vulnerability.is_some() && is_unknown(it.status);
    let on_all = (nowhere::are_any(fleet) && base.indexed_claims().next().is_some())
        .then(|| assess_with(fleet, base, &Options::at(assessment.as_of), Unplaced::OnAll));
    let assessment = on_all.map_or(Cow::Borrowed(assessment), Cow::Owned);
    if unseen.lines().next().is_none() && !assessment.findings.iter().any(unknown) {
        return assessment;
    }
    let mut worst = assessment.into_owned();
    for finding in &mut worst.findings {
        if unknown(finding) {
            finding.status = Status::Affected;
        }
    }
    open_unseen(fleet, base, &unseen, &mut worst);
    let day = worst.as_of.to_zoned(TimeZone::UTC).date();
    // What is known of the others is known already; nobody asks for a decision about these.
    let nobody = BTreeSet::new();
    let named = worst.findings.iter().filter_map(|it| it.vulnerability.as_ref());
    for id in named {
        if !worst.vulnerabilities.contains_key(id) {
            worst.vulnerabilities.insert(id.clone(), view::view(base, id, &nobody, day));
        }
    }
    Cow::Owned(worst)
}

fn is_unknown(status: Status) -> bool {
    matches!(
        status,
        Status::UnknownConflict
            | Status::UnknownVersion
            | Status::UnknownRunning
            | Status::UnderInvestigation
    )
}

/// Gives each machine of which something is missing that makes its platform the holes that its line may have there.
fn open_unseen(fleet: &Fleet, base: &FactBase, unseen: &Unseen<'_>, worst: &mut Assessment) {
    let gaps: BTreeSet<Gap<'_>> = unseen.lines().collect();
    let mut possible: BTreeMap<Gap<'_>, Possible> =
        gaps.into_iter().map(|gap| (gap, stated(base, gap, worst))).collect();
    seen_on_others(fleet, unseen, worst, &mut possible);
    let stretches: BTreeMap<Gap<'_>, Range<u32>> =
        possible.into_iter().map(|(gap, holes)| (gap, append(&mut worst.findings, holes, gap.0))).collect();
    let groups = std::mem::take(&mut worst.groups);
    for group in groups {
        let mut rest: Vec<Asset> = Vec::new();
        let mut by_gap: BTreeMap<Gap<'_>, Vec<Asset>> = BTreeMap::new();
        for asset in group.assets {
            match unseen.on_line(asset.kind, &asset.id) {
                Some(gap) => by_gap.entry(gap).or_default().push(asset),
                None => rest.push(asset),
            }
        }
        for (gap, assets) in by_gap {
            let own = stretches.get(&gap).filter(|it| !it.is_empty()).cloned();
            let findings = group.findings.iter().cloned().chain(own).collect();
            worst.groups.push(Group { assets, context: group.context, findings });
        }
        if !rest.is_empty() {
            worst.groups.push(Group { assets: rest, context: group.context, findings: group.findings });
        }
    }
}

/// What is stated of the parts of a platform: not of everything else that its maker ships, which a host of virtual machines
/// need not have.
fn stated(base: &FactBase, (missing, (family, train)): Gap<'_>, assessment: &Assessment) -> Possible {
    let mut first: FxHashMap<(&Family, &str), &str> = FxHashMap::default();
    for release in base.releases().iter().filter(|it| is_of(&it.family, it.train.as_deref(), family, train)) {
        let oldest = first.entry((&release.family, &*release.component)).or_insert(&*release.version);
        if is_at_most(&release.family, &release.version, oldest) {
            *oldest = &*release.version;
        }
    }
    let mut holes = Possible::new();
    for (_, head, claim) in base.indexed_claims() {
        let product = &claim.product;
        let known = head.known_since.is_none_or(|at| at <= assessment.as_of);
        if !known || product.hardware.is_some() {
            continue;
        }
        if !speaks_of(&product.family, product.train.as_deref(), family, train) {
            continue;
        }
        let kind = if product.name_kind == NameKind::Product {
            ComponentKind::Product
        } else {
            ComponentKind::Package
        };
        let area = classify::area(&product.family, kind, &product.component, &product.component);
        let oldest = first.get(&(&product.family, &*product.component)).copied();
        if area == Area::Other || !missing.concerns(area) || !may_be_open(claim, (kind, area), oldest) {
            continue;
        }
        for id in claim.vulnerabilities.iter() {
            add(&mut holes, id, &product.component, area);
        }
    }
    holes
}

/// A hole in several components counts in the area nearest to the hypervisor's core.
fn add(holes: &mut Possible, id: &VulnerabilityId, component: &Arc<str>, area: Area) {
    let entry = holes.entry(id.clone()).or_insert_with(|| (Arc::clone(component), area));
    if area < entry.1 {
        *entry = (Arc::clone(component), area);
    }
}

/// Whether some release that a machine of the line may run has the hole: not what was fixed before the first one that is listed, which
/// may itself be the repair of one that is not. A kernel, a Xen or an emulator runs on until a boot or a start of the guest, so that one of
/// an older suite may run below a line that never had it: of these nothing is too old.
fn may_be_open(claim: &Claim, (kind, area): (ComponentKind, Area), oldest: Option<&str>) -> bool {
    match &claim.verdict {
        Verdict::NotAffected(..) => false,
        Verdict::Affected(_) | Verdict::UnderInvestigation(_) => true,
        Verdict::FixedIn(version) => {
            let runs_on = kind == ComponentKind::Package
                && matches!(area, Area::Kernel | Area::VmmCore | Area::DeviceEmulation);
            let before = |oldest| is_before(&claim.product.family, version, oldest);
            &**version != "0" && (runs_on || !oldest.is_some_and(before))
        }
    }
}

fn is_before(family: &Family, version: &str, other: &str) -> bool {
    matches!(compare(family.scheme(), version, other), Ok(Comparison::Ordered(Ordering::Less)))
}

fn is_at_most(family: &Family, version: &str, other: &str) -> bool {
    matches!(
        compare(family.scheme(), version, other),
        Ok(Comparison::Ordered(Ordering::Less | Ordering::Equal))
    )
}

/// Whether facts about a product line are about what machines of a platform run.
fn is_of(claimed: &Family, of: Option<&str>, family: &Family, train: Option<&str>) -> bool {
    let same = |of: &str, train: &str| match family {
        Family::Esxi | Family::Vcenter => esxi::line(of) == esxi::line(train),
        _ => of == train,
    };
    let fits = |train: Option<&str>| match (of, train) {
        (Some(of), Some(train)) => same(of, train),
        _ => true,
    };
    if claimed == family {
        return fits(train);
    }
    // A release of Proxmox stands on one of Debian.
    *family == Family::Proxmox && *claimed == Family::Debian && fits(train.and_then(debian_below))
}

/// Whether claims about a product line are about what machines of a platform run, as where components are listed.
fn speaks_of(claimed: &Family, of: Option<&str>, family: &Family, train: Option<&str>) -> bool {
    let below = *family == Family::Proxmox && *claimed == Family::Debian;
    (claimed == family || below)
        && verdict::train_fits(claimed, of, if below { train.and_then(debian_below) } else { train })
            .is_some()
}

/// The Debian suite that a major release of Proxmox VE is built on.
fn debian_below(train: &str) -> Option<&'static str> {
    match train {
        "6" => Some("buster"),
        "7" => Some("bullseye"),
        "8" => Some("bookworm"),
        "9" => Some("trixie"),
        _ => None,
    }
}

/// What known machines of the same line have, or had before it was fixed.
fn seen_on_others<'f>(
    fleet: &'f Fleet,
    unseen: &Unseen<'f>,
    assessment: &Assessment,
    possible: &mut BTreeMap<Gap<'f>, Possible>,
) {
    let hosts = fleet.hosts.iter().filter_map(|it| {
        let platform = it.platform.as_ref()?;
        Some(((AssetKind::Host, it.id.as_str()), (&platform.family, platform.train.as_deref())))
    });
    let planes = fleet
        .management_planes
        .iter()
        .filter_map(|it| Some(((AssetKind::ManagementPlane, it.id.as_str()), (it.platform.as_ref()?, None))));
    // What a machine has of a part that is listed says what another of its line may have of it.
    let line_of: FxHashMap<(AssetKind, &str), Line<'_>> = hosts
        .chain(planes)
        .filter(|((kind, id), _)| unseen.of_machine(*kind, id) != Some(Missing::Both))
        .collect();
    let mut read: BTreeSet<(Line<'_>, (u32, u32))> = BTreeSet::new();
    for group in &assessment.groups {
        let lines: BTreeSet<Line<'_>> =
            group.assets.iter().filter_map(|it| line_of.get(&(it.kind, &*it.id)).copied()).collect();
        for line in lines {
            for range in group.findings.iter().filter(|it| read.insert((line, (it.start, it.end)))) {
                let all = assessment.findings.get(range.start as usize..range.end as usize).unwrap_or(&[]);
                for finding in all.iter().filter(|it| it.status != Status::NotAffected) {
                    let Some(id) = &finding.vulnerability else { continue };
                    let area = finding.fix.as_ref().map_or(Area::Other, |it| it.area);
                    for missing in Missing::ALL.into_iter().filter(|it| it.concerns(area)) {
                        if let Some(holes) = possible.get_mut(&(missing, line)) {
                            add(holes, id, &finding.component, area);
                        }
                    }
                }
            }
        }
    }
}

/// Appends findings of holes, and one that says that nobody looked.
fn append(findings: &mut Vec<Finding>, holes: Possible, missing: Missing) -> Range<u32> {
    let end = |findings: &Vec<Finding>| u32::try_from(findings.len()).unwrap_or(u32::MAX);
    let start = end(findings);
    let finding = |component: Arc<str>, vulnerability, status, fix| Finding {
        component,
        version: "unknown".into(),
        running_version: None,
        vulnerability,
        status,
        reasons: Vec::new(),
        fix,
    };
    findings.push(finding("unknown".into(), None, Status::UnknownNoSource, None));
    findings.extend(holes.into_iter().map(|(id, (component, area))| {
        let fix = Fix {
            version: None,
            advisory: None,
            class: underpin_model::facts::PatchClass::Security,
            area,
            restart: classify::restart(area, Restart::Unknown),
            needs: Vec::new(),
            needed: Needed::Unknown { why: format!("not listed of the machine: {}", missing.label()) },
        };
        finding(component, Some(id), Status::Affected, Some(fix))
    }));
    start..end(findings)
}
