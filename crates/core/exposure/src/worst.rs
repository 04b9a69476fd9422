//! The assessment as it might be at worst: what is not known, open.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use underpin_model::facts::{Claim, Family, NameKind, Restart, Verdict};
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet};
use underpin_model::id::{ComponentSetId, VulnerabilityId};
use underpin_model::version::{Comparison, compare};

use crate::classify;
use crate::esxi;
use crate::factbase::FactBase;
use crate::report::{Area, Assessment, Asset, AssetKind, Finding, Fix, Group, Needed, Status};
use crate::view;

/// A product line and the train of it that a machine stands on, as far as it is known.
type Line<'f> = (&'f Family, Option<&'f str>);

/// Holes that a machine may have: the vulnerability with the component and area that it is in.
type Possible = BTreeMap<VulnerabilityId, (Arc<str>, Area)>;

/// Machines of which nothing is known that makes their platform, neither kernel nor hypervisor: whatever else is listed of them, a
/// microcode or a shell, says nothing of these.
#[derive(Debug)]
pub struct Unseen<'f>(FxHashMap<(AssetKind, &'f str), Option<Line<'f>>>);

impl<'f> Unseen<'f> {
    /// Those of a fleet.
    #[must_use]
    pub fn of(fleet: &'f Fleet) -> Self {
        let seen = |sets: &[ComponentSetId], own: Option<&ComponentSet>, family: Option<&Family>, kind| {
            let shared = sets.iter().filter_map(|id| fleet.component_sets.get(id));
            shared.chain(own).any(|set| {
                let of_set = set.family.as_ref().or(family);
                set.components.iter().any(|it| makes_platform(it, it.family.as_ref().or(of_set), kind))
            })
        };
        let hosts = fleet.hosts.iter().filter(|it| {
            let family = it.platform.as_ref().map(|it| &it.family);
            !seen(&it.component_sets, it.components.as_ref(), family, AssetKind::Host)
        });
        let hosts = hosts.map(|it| {
            let line = it.platform.as_ref().map(|it| (&it.family, it.train.as_deref()));
            ((AssetKind::Host, it.id.as_str()), line)
        });
        let planes = fleet.management_planes.iter().filter(|it| {
            let (own, family) = (it.components.as_ref(), it.platform.as_ref());
            !seen(&it.component_sets, own, family, AssetKind::ManagementPlane)
        });
        let planes = planes.map(|it| {
            ((AssetKind::ManagementPlane, it.id.as_str()), it.platform.as_ref().map(|it| (it, None)))
        });
        Self(hosts.chain(planes).collect())
    }

    /// Whether nothing is known of a machine that makes its platform.
    #[must_use]
    pub fn has(&self, kind: AssetKind, id: &str) -> bool {
        self.0.contains_key(&(kind, id))
    }
}

/// Whether a component is of what makes a host or a plane what it is: a kernel, a hypervisor or what emulates devices, of Windows an
/// update too; on a plane also any product and what manages.
fn makes_platform(component: &Component, family: Option<&Family>, of: AssetKind) -> bool {
    match component.kind {
        ComponentKind::Update if family == Some(&Family::Windows) => return true,
        ComponentKind::Product if of == AssetKind::ManagementPlane => return true,
        _ => {}
    }
    let other = Family::Other("unknown".into());
    let source = component.source.as_ref().map_or(component.name.as_str(), |it| &it.name);
    match classify::area(family.unwrap_or(&other), component.kind, &component.name, source) {
        Area::VmmCore | Area::DeviceEmulation | Area::Kernel => true,
        Area::Management => of == AssetKind::ManagementPlane,
        _ => false,
    }
}

/// The assessment as it might be at worst: a status that is not known is open, and a machine of which neither kernel nor hypervisor is
/// known ([`Unseen`]) has every hole that is stated of the parts of its platform, or that a known machine of the same platform has or
/// had.
///
/// Facts that came later than the assessment do not count. Machines of an unknown platform, and of one of which no fact tells,
/// stay as they are.
#[must_use]
pub fn at_worst<'a>(fleet: &Fleet, base: &FactBase, assessment: &'a Assessment) -> Cow<'a, Assessment> {
    let unseen = Unseen::of(fleet);
    let unknown = |it: &Finding| it.vulnerability.is_some() && is_unknown(it.status);
    if unseen.0.values().flatten().next().is_none() && !assessment.findings.iter().any(unknown) {
        return Cow::Borrowed(assessment);
    }
    let mut worst = assessment.clone();
    for finding in &mut worst.findings {
        if unknown(finding) {
            finding.status = Status::Affected;
        }
    }
    open_unseen(fleet, base, &unseen, &mut worst);
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    // What is known of the others is known already; nobody asks for a decision about these.
    let nowhere = BTreeSet::new();
    let named = worst.findings.iter().filter_map(|it| it.vulnerability.as_ref());
    for id in named {
        if !worst.vulnerabilities.contains_key(id) {
            worst.vulnerabilities.insert(id.clone(), view::view(base, id, &nowhere, day));
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

/// Gives each machine of which nothing is known that makes its platform the holes of its line.
fn open_unseen(fleet: &Fleet, base: &FactBase, unseen: &Unseen<'_>, worst: &mut Assessment) {
    let lines: BTreeSet<Line<'_>> = unseen.0.values().flatten().copied().collect();
    let mut possible: BTreeMap<Line<'_>, Possible> =
        lines.into_iter().map(|line| (line, stated(base, line, worst))).collect();
    seen_on_others(fleet, unseen, worst, &mut possible);
    let stretches: BTreeMap<Line<'_>, Range<u32>> =
        possible.into_iter().map(|(line, holes)| (line, append(&mut worst.findings, holes))).collect();
    let groups = std::mem::take(&mut worst.groups);
    for group in groups {
        let mut rest: Vec<Asset> = Vec::new();
        let mut by_line: BTreeMap<Line<'_>, Vec<Asset>> = BTreeMap::new();
        for asset in group.assets {
            match unseen.0.get(&(asset.kind, &*asset.id)).copied().flatten() {
                Some(line) => by_line.entry(line).or_default().push(asset),
                None => rest.push(asset),
            }
        }
        for (line, assets) in by_line {
            let own = stretches.get(&line).filter(|it| !it.is_empty()).cloned();
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
fn stated(base: &FactBase, (family, train): Line<'_>, assessment: &Assessment) -> Possible {
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
        if !known
            || product.hardware.is_some()
            || !is_of(&product.family, product.train.as_deref(), family, train)
        {
            continue;
        }
        let kind = if product.name_kind == NameKind::Product {
            ComponentKind::Product
        } else {
            ComponentKind::Package
        };
        let area = classify::area(&product.family, kind, &product.component, &product.component);
        let oldest = first.get(&(&product.family, &*product.component)).copied();
        if area == Area::Other || !may_be_open(claim, oldest) {
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

/// Whether some release of the line has the hole: not what was fixed before the first one.
fn may_be_open(claim: &Claim, oldest: Option<&str>) -> bool {
    match &claim.verdict {
        Verdict::NotAffected(..) => false,
        Verdict::Affected(_) | Verdict::UnderInvestigation(_) => true,
        Verdict::FixedIn(version) => {
            oldest.is_none_or(|oldest| !is_at_most(&claim.product.family, version, oldest))
                && &**version != "0"
        }
    }
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
    possible: &mut BTreeMap<Line<'f>, Possible>,
) {
    let hosts = fleet.hosts.iter().filter_map(|it| {
        let platform = it.platform.as_ref()?;
        Some(((AssetKind::Host, it.id.as_str()), (&platform.family, platform.train.as_deref())))
    });
    let planes = fleet
        .management_planes
        .iter()
        .filter_map(|it| Some(((AssetKind::ManagementPlane, it.id.as_str()), (it.platform.as_ref()?, None))));
    let line_of: FxHashMap<(AssetKind, &str), Line<'_>> =
        hosts.chain(planes).filter(|(asset, _)| !unseen.0.contains_key(asset)).collect();
    let mut read: BTreeSet<(Line<'_>, (u32, u32))> = BTreeSet::new();
    for group in &assessment.groups {
        let lines: BTreeSet<Line<'_>> =
            group.assets.iter().filter_map(|it| line_of.get(&(it.kind, &*it.id)).copied()).collect();
        for line in lines {
            let Some(holes) = possible.get_mut(&line) else { continue };
            for range in group.findings.iter().filter(|it| read.insert((line, (it.start, it.end)))) {
                let all = assessment.findings.get(range.start as usize..range.end as usize).unwrap_or(&[]);
                for finding in all.iter().filter(|it| it.status != Status::NotAffected) {
                    let Some(id) = &finding.vulnerability else { continue };
                    let area = finding.fix.as_ref().map_or(Area::Other, |it| it.area);
                    add(holes, id, &finding.component, area);
                }
            }
        }
    }
}

/// Appends findings of holes, and one that says that nobody looked.
fn append(findings: &mut Vec<Finding>, holes: Possible) -> Range<u32> {
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
            needed: Needed::Unknown {
                why: "neither kernel nor hypervisor of the machine is known".to_owned(),
            },
        };
        finding(component, Some(id), Status::Affected, Some(fix))
    }));
    start..end(findings)
}
