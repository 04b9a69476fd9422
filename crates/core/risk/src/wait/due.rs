//! From findings to releases: of which component a release is due on a group of hosts, and what it closes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use underpin_exposure::report::{Area, Context, Finding, Group};
use underpin_exposure::{Assessment, FactBase, OF_PROCESSOR};
use underpin_model::facts::{Family, PatchClass, ReleaseFact, Restart};
use underpin_model::fleet::{Component, ComponentSet, Fleet, Host};
use underpin_model::id::VulnerabilityId;

use crate::withdrawals::key;

/// A component of the platform that is released as one: the source package, or the product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineKey {
    pub(super) family: Family,
    pub(super) train: Option<String>,
    pub(super) component: String,
}

/// One open vulnerability of a line on hosts of a group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OpenHole {
    /// The bunches of hosts on which it is open: places in [`DueOnGroup::bunches`], each with the day on which the release that
    /// closes it there was announced.
    pub(super) bunches: BTreeMap<usize, Option<Date>>,
    pub(super) area: Area,
    pub(super) context: Context,
}

/// What is due of one line on a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Due {
    /// What a release closes.
    pub(super) holes: BTreeMap<VulnerabilityId, OpenHole>,
    /// Open, and no release closes it, with what the machines are that have it.
    pub(super) without_fix: BTreeMap<VulnerabilityId, Context>,
    /// First fixed versions, each with the day of its announcement.
    pub(super) versions: BTreeMap<Arc<str>, Option<Date>>,
    /// Versions that documents name already, each with the later day on which it appeared.
    pub(super) ahead: BTreeMap<Arc<str>, Date>,
    /// The strongest restart that it asks for, by bunch of hosts on which it closes or replaces something: places in
    /// [`DueOnGroup::bunches`].
    pub(super) restarts: BTreeMap<usize, Restart>,
    /// Releases that run and are known to be bad, where the line closes nothing: another one is due in their place.
    pub(super) replaces: BTreeSet<String>,
    /// Findings of bugs that the release repairs and that are needed here.
    pub(super) bug_fixes: usize,
}

/// Places of groups of the assessment by host id.
pub(super) fn groups_by_host(assessment: &Assessment) -> FxHashMap<&str, usize> {
    let mut of = FxHashMap::default();
    for (number, group) in assessment.groups.iter().enumerate() {
        for asset in group.assets.iter().filter(|it| it.kind == underpin_exposure::report::AssetKind::Host) {
            of.insert(&*asset.id, number);
        }
    }
    of
}

/// Days of announcements and releases.
pub(super) struct Calendar<'b> {
    announced: FxHashMap<&'b str, Date>,
    /// By family and [key] of the version: the first day.
    released: FxHashMap<&'b Family, FxHashMap<String, Date>>,
    on: Date,
}

impl<'b> Calendar<'b> {
    pub(super) fn of(base: &'b FactBase, on: Date) -> Self {
        let announced = base
            .advisories()
            .iter()
            .filter_map(|it| Some((it.id.as_str(), it.known_since?.to_zoned(TimeZone::UTC).date())))
            .collect();
        let mut released: FxHashMap<&Family, FxHashMap<String, Date>> = FxHashMap::default();
        for release in base.releases() {
            let of_family = released.entry(&release.family).or_default();
            let version = named(release);
            let day = of_family.entry(key(&release.family, &version).to_owned()).or_insert(release.date);
            *day = (*day).min(release.date);
        }
        Self { announced, released, on }
    }

    /// The day of a release that is dated later: an issuer may name it in an older document, and it could not be taken yet.
    fn ahead(&self, family: &Family, version: &str) -> Option<Date> {
        let day = self.released.get(family)?.get(key(family, version))?;
        (*day > self.on).then_some(*day)
    }
}

/// What is due on the hosts of a group.
pub(super) struct DueOnGroup {
    /// Positions in the fleet of the hosts on which the same is due, in the order of their first ones.
    pub(super) bunches: Vec<Vec<usize>>,
    /// What is due, by line.
    pub(super) lines: BTreeMap<LineKey, Due>,
}

/// What decides what is due on a host: its group of the assessment, whose hosts have equal components, and its platform.
type Alike<'f> = (usize, Option<(&'f Family, Option<&'f str>)>);

/// Hosts on which the same is due, with one of them and their group of the assessment to ask.
struct Bunch<'f> {
    hosts: Vec<usize>,
    host: &'f Host,
    group: &'f Group,
}

fn bunches<'f>(
    fleet: &'f Fleet,
    assessment: &'f Assessment,
    by_host: &FxHashMap<&str, usize>,
    hosts: &[usize],
) -> Vec<Bunch<'f>> {
    let mut places: FxHashMap<Alike<'_>, usize> = FxHashMap::default();
    let mut bunches: Vec<Bunch<'f>> = Vec::new();
    for &at in hosts {
        let Some(host) = fleet.hosts.get(at) else { continue };
        let Some(number) = by_host.get(host.id.as_str()).copied() else { continue };
        let Some(group) = assessment.groups.get(number) else { continue };
        let platform = host.platform.as_ref().map(|it| (&it.family, it.train.as_deref()));
        let place = *places.entry((number, platform)).or_insert_with(|| {
            bunches.push(Bunch { hosts: Vec::new(), host, group });
            bunches.len() - 1
        });
        if let Some(bunch) = bunches.get_mut(place) {
            bunch.hosts.push(at);
        }
    }
    bunches
}

/// The findings of an assessment that are open on hosts, by stretch: many groups share one.
pub(super) struct OpenFindings<'a>(FxHashMap<&'a Range<u32>, OpenStretch<'a>>);

/// What is open of a stretch of findings.
#[derive(Default)]
struct OpenStretch<'a> {
    /// Each with the day on which the release that closes it was announced.
    list: Vec<(&'a Finding, Option<Date>)>,
    /// The names of its components.
    components: FxHashSet<&'a str>,
}

impl<'a> OpenFindings<'a> {
    pub(super) fn of(
        assessment: &'a Assessment,
        calendar: &Calendar<'_>,
        by_host: &FxHashMap<&str, usize>,
    ) -> Self {
        let groups: FxHashSet<usize> = by_host.values().copied().collect();
        let groups = groups.into_iter().filter_map(|it| assessment.groups.get(it));
        let ranges: FxHashSet<&Range<u32>> = groups.flat_map(|it| &it.findings).collect();
        let read = |range: &'a Range<u32>| {
            let stretch = assessment.findings.get(range.start as usize..range.end as usize);
            let mut open = OpenStretch::default();
            for finding in stretch.unwrap_or(&[]).iter().filter(|it| it.status.is_open()) {
                let advisory = finding.fix.as_ref().and_then(|it| it.advisory.as_ref());
                let day = advisory.and_then(|it| calendar.announced.get(it.as_str())).copied();
                open.list.push((finding, day));
                open.components.insert(&*finding.component);
            }
            (range, open)
        };
        Self(ranges.into_par_iter().map(read).collect::<Vec<_>>().into_iter().collect())
    }

    /// Those of a group.
    fn on(&self, group: &Group) -> impl Iterator<Item = &OpenStretch<'a>> {
        group.findings.iter().filter_map(|it| self.0.get(it))
    }
}

/// What is due on the hosts of a group, by line: worked out once for hosts that are alike.
pub(super) fn due(
    fleet: &Fleet,
    calendar: &Calendar<'_>,
    (assessment, findings): (&Assessment, &OpenFindings<'_>),
    by_host: &FxHashMap<&str, usize>,
    hosts: &[usize],
) -> DueOnGroup {
    let bunches = bunches(fleet, assessment, by_host, hosts);
    let mut lines: Lines<'_> = Lines::default();
    for (number, bunch) in bunches.iter().enumerate() {
        let group = bunch.group;
        let open = || findings.on(group);
        let asked: FxHashSet<&str> = open().flat_map(|it| &it.components).copied().collect();
        if asked.is_empty() {
            continue;
        }
        let components = components(fleet, bunch.host, &asked);
        // Many findings are of one component, which is of one line.
        let mut places: FxHashMap<&str, usize> = FxHashMap::default();
        for (finding, day) in open().flat_map(|it| &it.list) {
            let (Some(id), Some(fix)) = (&finding.vulnerability, &finding.fix) else { continue };
            let component = &*finding.component;
            let new = || lines.place(line_of(bunch.host, &components, component));
            let place = *places.entry(component).or_insert_with(new);
            let Some(DueOnLine { line, due, holes }) = lines.list.get_mut(place) else { continue };
            let known = fix.version.as_ref().is_some_and(|it| due.versions.contains_key(it));
            let mut version = fix.version.as_ref();
            let ahead = version.filter(|_| !known).and_then(|it| calendar.ahead(&line.family, it));
            if let Some((ahead, day)) = version.zip(ahead) {
                due.ahead.insert(Arc::clone(ahead), day);
                version = None;
            }
            if fix.class == PatchClass::BugFix {
                due.bug_fixes += bunch.hosts.len();
            }
            let Some(version) = version else {
                let known = due.without_fix.entry(id.clone()).or_insert(group.context);
                *known = stricter(*known, group.context);
                continue;
            };
            match due.versions.get_mut(version) {
                Some(known) => *known = earlier(*known, *day),
                None => drop(due.versions.insert(Arc::clone(version), *day)),
            }
            let restart = due.restarts.entry(number).or_insert(fix.restart);
            *restart = (*restart).max(fix.restart);
            let new = || OpenHole::new(fix.area, group.context);
            holes.entry(id).or_insert_with(new).add(number, *day, group.context);
        }
    }
    DueOnGroup { bunches: bunches.into_iter().map(|it| it.hosts).collect(), lines: lines.in_order() }
}

/// What is due on one line, as far as it has been read.
struct DueOnLine<'a> {
    line: LineKey,
    /// Its holes come last.
    due: Due,
    /// A finding is looked up here for each of its groups: in an order only once all are read.
    holes: FxHashMap<&'a VulnerabilityId, OpenHole>,
}

/// Lines in the order that they were met.
#[derive(Default)]
struct Lines<'a> {
    list: Vec<DueOnLine<'a>>,
    places: FxHashMap<LineKey, usize>,
}

impl Lines<'_> {
    fn place(&mut self, line: LineKey) -> usize {
        *self.places.entry(line).or_insert_with_key(|line| {
            let (line, due, holes) = (line.clone(), Due::default(), FxHashMap::default());
            self.list.push(DueOnLine { line, due, holes });
            self.list.len() - 1
        })
    }

    fn in_order(self) -> BTreeMap<LineKey, Due> {
        let one = |DueOnLine { line, due, holes }: DueOnLine<'_>| {
            let holes = holes.into_iter().map(|(id, hole)| (id.clone(), hole)).collect();
            (line, Due { holes, ..due })
        };
        self.list.into_iter().map(one).collect()
    }
}

impl OpenHole {
    fn new(area: Area, context: Context) -> Self {
        Self { bunches: BTreeMap::new(), area, context }
    }

    /// It is open on one more bunch.
    fn add(&mut self, bunch: usize, announced: Option<Date>, context: Context) {
        let known = self.bunches.entry(bunch).or_default();
        *known = earlier(*known, announced);
        self.context = stricter(self.context, context);
    }
}

/// What asks for more of two.
fn stricter(a: Context, b: Context) -> Context {
    Context {
        publicly_exposed: wider(a.publicly_exposed, b.publicly_exposed),
        human_impact: a.human_impact.max(b.human_impact),
    }
}

/// The earlier of two days, of which either may be unknown.
pub(super) fn earlier(a: Option<Date>, b: Option<Date>) -> Option<Date> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Exposed on one host is exposed; unknown on one is unknown.
fn wider(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

pub(super) type Known<'f> = FxHashMap<&'f str, (&'f Component, Option<&'f Family>, Option<&'f str>)>;

/// All components of a host, list by list: of two of one name the later one counts.
pub(super) fn lists<'f>(fleet: &'f Fleet, host: &'f Host) -> impl Iterator<Item = &'f ComponentSet> {
    host.component_sets.iter().filter_map(|id| fleet.component_sets.get(id)).chain(host.components.as_ref())
}

/// The components of these names, which are few of all.
pub(super) fn components<'f>(fleet: &'f Fleet, host: &'f Host, asked: &FxHashSet<&str>) -> Known<'f> {
    let mut known = Known::default();
    for set in lists(fleet, host) {
        let ComponentSet { family, train, components, .. } = set;
        for one in components.iter().filter(|it| asked.contains(it.name.as_str())) {
            let family = one.family.as_ref().or(family.as_ref());
            known.insert(one.name.as_str(), (one, family, one.train.as_deref().or(train.as_deref())));
        }
    }
    known
}

/// The name under which a component is released: that of its source package, where it has one.
pub(super) fn source_name(one: &Component) -> &str {
    one.source.as_ref().map_or(one.name.as_str(), |it| it.name.as_str())
}

pub(super) fn line_of(host: &Host, known: &Known<'_>, component: &str) -> LineKey {
    let platform = host.platform.as_ref();
    let of_host = || platform.map_or_else(|| Family::Other("unknown".into()), |it| it.family.clone());
    match known.get(component) {
        Some((one, family, train)) => LineKey {
            family: family.cloned().unwrap_or_else(of_host),
            train: train.map(str::to_owned).or_else(|| platform.and_then(|it| it.train.clone())),
            component: source_name(one).to_owned(),
        },
        // No component of the list, but a fact about the processor.
        None if [OF_PROCESSOR, Family::IntelMicrocode.name()].contains(&component) => LineKey {
            family: Family::IntelMicrocode,
            train: None,
            component: Family::IntelMicrocode.name().to_owned(),
        },
        None => LineKey {
            family: of_host(),
            train: platform.and_then(|it| it.train.clone()),
            component: component.to_owned(),
        },
    }
}

impl Due {
    /// The hosts of a bunch must be emptied for it: it asks for a restart of the machine, or of nobody knows what.
    pub(super) fn needs_drain(&self, bunch: usize) -> bool {
        self.restarts.get(&bunch).is_some_and(|it| *it >= Restart::Machine)
    }
}

/// The version as fixes name it: an ESXi build with its update train in front.
pub(crate) fn named(release: &ReleaseFact) -> String {
    match (&release.family, &release.train) {
        (Family::Esxi, Some(train)) if release.version.bytes().all(|it| it.is_ascii_digit()) => {
            format!("{train}-{}", release.version)
        }
        _ => release.version.to_string(),
    }
}
