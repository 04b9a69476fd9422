//! Which holes are open on which machines, group by group of the assessment: never machine by machine.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_exposure::report::{Area, AssetKind};
use underpin_exposure::{Assessment, Missing, Status};
use underpin_model::cvss::Effects;
use underpin_model::id::VulnerabilityId;

use super::hole::{self, Way};
use super::survey::{Survey, number};
use super::{Statuses, Unpriced};
use crate::portfolio::Impact;
use crate::span::Span;

/// A hole as a class of machines has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hole {
    /// Index of the vulnerability in [`Open::vulnerabilities`], which is that of its shock.
    pub(super) shock: u32,
    pub(super) way: Way,
    pub(super) impact: Impact,
    /// For a plane: how far it gives control.
    pub(super) control: Span,
}

/// What is open on the machines of some groups.
#[derive(Debug, Default)]
pub(super) struct OpenSet {
    /// Sorted by shock.
    pub(super) holes: Vec<Hole>,
    /// Ways that its holes use.
    pub(super) ways: BTreeSet<Way>,
}

/// Components with their areas.
type Components = BTreeSet<(Arc<str>, Area)>;

/// What is known of one open vulnerability.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) id: VulnerabilityId,
    pub(super) effects: Option<Effects>,
    /// Components that have it, with their areas.
    pub(super) components: Components,
    /// A release that fixes it is known for one of them.
    pub(super) fix_known: bool,
}

/// All that is open.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) vulnerabilities: Vec<Facts>,
    pub(super) sets: Vec<OpenSet>,
    /// Set of each host of the survey; `None`: the assessment does not have it.
    pub(super) of_host: Vec<Option<u32>>,
    /// Set of each plane.
    pub(super) of_plane: Vec<Option<u32>>,
    /// Hosts with a component that no source covers, or a status that is not known.
    pub(super) unknown_hosts: Vec<bool>,
    /// Planes likewise.
    pub(super) unknown_planes: Vec<bool>,
    /// Per vulnerability: hosts and planes on which it is affected, or fixed and not running.
    pub(super) statuses: Vec<Statuses>,
}

/// What one group's stretches come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Content {
    /// Sorted by vulnerability: the area that counts and the worst status.
    open: Vec<(u32, Area, Status)>,
}

impl Open {
    pub(super) fn of(assessment: &Assessment, survey: &Survey<'_>, unpriced: &mut Unpriced) -> Self {
        let mut open = Self {
            of_host: vec![None; survey.hosts.len()],
            of_plane: vec![None; survey.planes.len()],
            unknown_hosts: vec![false; survey.hosts.len()],
            unknown_planes: vec![false; survey.planes.len()],
            ..Self::default()
        };
        let index = open.number_vulnerabilities(assessment);
        let plane_index: FxHashMap<&str, u32> =
            survey.planes.iter().enumerate().map(|(at, it)| (it.id.as_str(), number(at))).collect();
        let mut by_stretch: FxHashMap<Range<u32>, Arc<Stretch>> = FxHashMap::default();
        let mut by_stretches: FxHashMap<Vec<Range<u32>>, u32> = FxHashMap::default();
        let mut by_content: FxHashMap<Content, u32> = FxHashMap::default();
        let mut contents: Vec<Content> = Vec::new();
        for group in &assessment.groups {
            let mut places: Vec<(AssetKind, u32)> = group
                .assets
                .iter()
                .filter_map(|asset| {
                    let list = match asset.kind {
                        AssetKind::Host => &survey.host_index,
                        AssetKind::ManagementPlane => &plane_index,
                        _ => return None,
                    };
                    list.get(&*asset.id).map(|at| (asset.kind, *at))
                })
                .collect();
            // Machines of which neither kernel nor hypervisor is known: nobody looked, which is not the same as finding nothing.
            // What is found of the rest, their processor say, counts all the same.
            let nothing = group.findings.iter().all(Range::is_empty);
            places.retain(|place| match survey.missing(*place) {
                Some(Missing::Both) if nothing => false,
                Some(missing) => {
                    open.mark_unseen(*place, missing, unpriced);
                    true
                }
                None => true,
            });
            if places.is_empty() {
                continue;
            }
            let stretches: Vec<Arc<Stretch>> = group
                .findings
                .iter()
                .map(|range| {
                    let read = || Arc::new(Stretch::read(assessment, range, &index));
                    Arc::clone(by_stretch.entry(range.clone()).or_insert_with(read))
                })
                .collect();
            let unknown = stretches.iter().fold((0, 0), |sum, it| (sum.0 + it.no_source, sum.1 + it.unknown));
            let key: Vec<Range<u32>> = group
                .findings
                .iter()
                .zip(&stretches)
                .filter(|(_, it)| !it.open.is_empty())
                .map(|(range, _)| range.clone())
                .collect();
            // Different stretches often come to the same: old guests that open what is open anyway.
            let set = *by_stretches.entry(key).or_insert_with(|| {
                let content = Content::of(&stretches);
                *by_content.entry(content).or_insert_with_key(|content| {
                    contents.push(content.clone());
                    number(contents.len() - 1)
                })
            });
            open.place(&places, set, unknown, unpriced);
        }
        open.count(&contents);
        open.sets = contents.iter().map(|it| open.set(it)).collect();
        open
    }

    /// A machine that the assessment does not have is not fine: nobody looked.
    pub(super) fn mark_not_assessed(&mut self, unpriced: &mut Unpriced) {
        for (set, unknown) in self.of_host.iter().zip(&mut self.unknown_hosts) {
            unpriced.hosts_not_assessed += u64::from(set.is_none());
            *unknown |= set.is_none();
        }
        for (set, unknown) in self.of_plane.iter().zip(&mut self.unknown_planes) {
            unpriced.planes_with_unknowns += u64::from(set.is_none());
            *unknown |= set.is_none();
        }
    }

    /// A machine of which something is known, and not all that makes its platform.
    fn mark_unseen(&mut self, (kind, at): (AssetKind, u32), missing: Missing, unpriced: &mut Unpriced) {
        let (list, count) = match (kind, missing) {
            (AssetKind::Host, Missing::Both) => (&mut self.unknown_hosts, &mut unpriced.hosts_not_assessed),
            (AssetKind::Host, Missing::Kernel) => {
                (&mut self.unknown_hosts, &mut unpriced.hosts_of_unknown_kernel)
            }
            (AssetKind::Host, Missing::Hypervisor) => {
                (&mut self.unknown_hosts, &mut unpriced.hosts_of_unknown_hypervisor)
            }
            _ => (&mut self.unknown_planes, &mut unpriced.planes_with_unknowns),
        };
        if let Some(flag) = list.get_mut(at as usize) {
            *flag = true;
            *count += 1;
        }
    }

    /// Numbers the vulnerabilities that are open on hosts or planes, in the order of their ids.
    fn number_vulnerabilities(&mut self, assessment: &Assessment) -> FxHashMap<VulnerabilityId, u32> {
        let mut seen: FxHashSet<&Range<u32>> = FxHashSet::default();
        let mut facts: BTreeMap<&VulnerabilityId, (Components, bool)> = BTreeMap::new();
        let of_machines = |kind| matches!(kind, AssetKind::Host | AssetKind::ManagementPlane);
        let groups = assessment.groups.iter();
        for range in groups
            .filter(|group| group.assets.iter().any(|it| of_machines(it.kind)))
            .flat_map(|group| &group.findings)
        {
            if !seen.insert(range) {
                continue;
            }
            let stretch = assessment.findings.get(range.start as usize..range.end as usize).unwrap_or(&[]);
            for finding in stretch.iter().filter(|it| it.status.is_open()) {
                let Some(id) = &finding.vulnerability else { continue };
                let area = finding.fix.as_ref().map_or(Area::Other, |it| it.area);
                let entry = facts.entry(id).or_default();
                entry.0.insert((Arc::clone(&finding.component), area));
                entry.1 |= finding.fix.as_ref().is_some_and(|it| it.version.is_some());
            }
        }
        let view = |id: &VulnerabilityId| assessment.vulnerabilities.get(id);
        let mut index = FxHashMap::default();
        for (id, (components, fix_known)) in facts {
            index.insert(id.clone(), number(self.vulnerabilities.len()));
            let effects = view(id).and_then(|it| it.cvss.as_ref()).and_then(|it| hole::effects(&it.vector));
            self.vulnerabilities.push(Facts { id: id.clone(), effects, components, fix_known });
        }
        self.statuses = vec![Statuses::default(); self.vulnerabilities.len()];
        index
    }

    fn place(
        &mut self,
        places: &[(AssetKind, u32)],
        set: u32,
        (no_source, unknown): (u64, u64),
        unpriced: &mut Unpriced,
    ) {
        for (kind, at) in places {
            let list = if *kind == AssetKind::Host { &mut self.of_host } else { &mut self.of_plane };
            if let Some(place) = list.get_mut(*at as usize) {
                *place = Some(set);
            }
            unpriced.components_without_source += no_source;
            unpriced.findings_of_unknown_status += unknown;
            if *kind == AssetKind::Host {
                unpriced.hosts_without_source += u64::from(no_source > 0);
                unpriced.hosts_of_unknown_status += u64::from(unknown > 0);
                if let Some(flag) = self.unknown_hosts.get_mut(*at as usize) {
                    *flag |= no_source + unknown > 0;
                }
            } else {
                let unknown = no_source + unknown > 0;
                if let Some(flag) = self.unknown_planes.get_mut(*at as usize).filter(|it| unknown && !**it) {
                    unpriced.planes_with_unknowns += 1;
                    *flag = true;
                }
            }
        }
    }

    fn count(&mut self, contents: &[Content]) {
        let mut machines = vec![(0_u64, 0_u64); contents.len()];
        for set in self.of_host.iter().flatten() {
            if let Some(machines) = machines.get_mut(*set as usize) {
                machines.0 += 1;
            }
        }
        for set in self.of_plane.iter().flatten() {
            if let Some(machines) = machines.get_mut(*set as usize) {
                machines.1 += 1;
            }
        }
        for (content, (hosts, planes)) in contents.iter().zip(machines) {
            for (shock, _, status) in &content.open {
                let Some(statuses) = self.statuses.get_mut(*shock as usize) else { continue };
                match status {
                    Status::Affected => statuses.hosts_affected += hosts,
                    _ => statuses.hosts_fixed_not_running += hosts,
                }
                statuses.planes += planes;
            }
        }
    }

    fn set(&self, content: &Content) -> OpenSet {
        let mut set = OpenSet::default();
        for (shock, area, _) in &content.open {
            let effects = self.vulnerabilities.get(*shock as usize).and_then(|it| it.effects);
            let way = Way::of(*area, effects.as_ref());
            set.ways.insert(way);
            set.holes.push(Hole {
                shock: *shock,
                way,
                impact: hole::impact(*area, effects.as_ref()),
                control: hole::gives_control(effects.as_ref()),
            });
        }
        set
    }
}

/// What is open in one stretch of findings, read once for all groups that share it.
struct Stretch {
    open: Vec<(u32, Area, Status)>,
    /// Components that no source covers.
    no_source: u64,
    /// Vulnerabilities of which the status is not known.
    unknown: u64,
}

impl Stretch {
    fn read(assessment: &Assessment, range: &Range<u32>, index: &FxHashMap<VulnerabilityId, u32>) -> Self {
        let mut stretch = Self { open: Vec::new(), no_source: 0, unknown: 0 };
        let findings = assessment.findings.get(range.start as usize..range.end as usize).unwrap_or(&[]);
        for finding in findings {
            match (finding.status, &finding.vulnerability) {
                (status, Some(id)) if status.is_open() => {
                    if let Some(shock) = index.get(id) {
                        let area = finding.fix.as_ref().map_or(Area::Other, |it| it.area);
                        stretch.open.push((*shock, area, status));
                    }
                }
                (Status::UnknownNoSource, _) => stretch.no_source += 1,
                (
                    Status::UnknownConflict
                    | Status::UnknownVersion
                    | Status::UnknownRunning
                    | Status::UnderInvestigation,
                    _,
                ) => stretch.unknown += 1,
                _ => {}
            }
        }
        stretch
    }
}

impl Content {
    /// A machine has a hole once, whatever the number of its components that have it: in the area nearest to the
    /// hypervisor's core, and as affected if any of them is.
    fn of(stretches: &[Arc<Stretch>]) -> Self {
        let mut all: Vec<(u32, Area, Status)> =
            stretches.iter().flat_map(|it| it.open.iter().copied()).collect();
        all.sort_unstable();
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                // Sorted by area, so that the area that is kept is the least.
                kept.2 = kept.2.min(next.2);
            }
            same
        });
        Self { open: all }
    }
}
