//! From findings to releases: which release of which component is due on a group of hosts, and what it closes.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use underpin_exposure::report::{Area, Context, Finding, Group};
use underpin_exposure::{Assessment, FactBase};
use underpin_model::facts::{DateKind, Family, PatchClass, ReleaseFact, Restart};
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet, Host};
use underpin_model::id::VulnerabilityId;
use underpin_model::version::{Comparison, compare};

use crate::withdrawals::{self, Withdrawal};

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
    /// Open, and no release closes it.
    pub(super) without_fix: BTreeSet<VulnerabilityId>,
    /// First fixed versions, each with the day of its announcement.
    pub(super) versions: BTreeMap<Arc<str>, Option<Date>>,
    /// The strongest restart that it asks for, by bunch of hosts on which it closes something: places in
    /// [`DueOnGroup::bunches`].
    pub(super) restarts: BTreeMap<usize, Restart>,
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
    /// By family and version as fixes name it: the first day.
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
            let day = of_family.entry(named(release)).or_insert(release.date);
            *day = (*day).min(release.date);
        }
        Self { announced, released, on }
    }

    /// A release that is dated later: an issuer may name it in an older document, and it could not be taken yet.
    fn is_ahead(&self, family: &Family, version: &str) -> bool {
        self.released.get(family).and_then(|it| it.get(version)).is_some_and(|day| *day > self.on)
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
            let version = fix.version.as_ref().filter(|it| known || !calendar.is_ahead(&line.family, it));
            if fix.class == PatchClass::BugFix {
                due.bug_fixes += bunch.hosts.len();
            }
            let Some(version) = version else {
                due.without_fix.insert(id.clone());
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
        self.context.publicly_exposed = wider(self.context.publicly_exposed, context.publicly_exposed);
        self.context.human_impact = self.context.human_impact.max(context.human_impact);
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

type Known<'f> = FxHashMap<&'f str, (&'f Component, Option<&'f Family>, Option<&'f str>)>;

/// All components of a host, list by list: of two of one name the later one counts.
fn lists<'f>(fleet: &'f Fleet, host: &'f Host) -> impl Iterator<Item = &'f ComponentSet> {
    host.component_sets.iter().filter_map(|id| fleet.component_sets.get(id)).chain(host.components.as_ref())
}

/// The components of these names, which are few of all.
fn components<'f>(fleet: &'f Fleet, host: &'f Host, asked: &FxHashSet<&str>) -> Known<'f> {
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

fn line_of(host: &Host, known: &Known<'_>, component: &str) -> LineKey {
    let platform = host.platform.as_ref();
    let of_host = || platform.map_or_else(|| Family::Other("unknown".into()), |it| it.family.clone());
    match known.get(component) {
        Some((one, family, train)) => LineKey {
            family: family.cloned().unwrap_or_else(of_host),
            train: train.map(str::to_owned).or_else(|| platform.and_then(|it| it.train.clone())),
            component: one.source.as_ref().map_or_else(|| one.name.clone(), |it| it.name.clone()),
        },
        // No component of the list, but a fact about the processor.
        None if component == Family::IntelMicrocode.name() => {
            LineKey { family: Family::IntelMicrocode, train: None, component: component.to_owned() }
        }
        None => LineKey {
            family: of_host(),
            train: platform.and_then(|it| it.train.clone()),
            component: component.to_owned(),
        },
    }
}

/// A version that hosts run, of a line that is due somewhere.
pub(super) struct Run {
    pub(super) line: LineKey,
    pub(super) version: String,
    /// The day since when, if it is known.
    pub(super) since: Option<Date>,
}

/// What hosts of a bunch run of these lines: what is loaded, where that is known, else what is installed. What only a boot can load
/// has run since the first of their last boots.
pub(super) fn runs(fleet: &Fleet, bunch: &[usize], lines: &FxHashSet<&LineKey>) -> Vec<Run> {
    let hosts = || bunch.iter().filter_map(|it| fleet.hosts.get(*it));
    let Some(host) = hosts().next() else { return Vec::new() };
    let booted = hosts().filter_map(|it| it.booted_at).min().map(|it| it.to_zoned(TimeZone::UTC).date());
    let asked: FxHashSet<&str> = lines.iter().map(|it| it.component.as_str()).collect();
    let sources = lists(fleet, host).flat_map(|it| &it.components);
    let sources = sources.filter(|it| asked.contains(it.source.as_ref().map_or(&*it.name, |it| &*it.name)));
    let known = components(fleet, host, &sources.map(|it| it.name.as_str()).collect());
    let mut list = Vec::new();
    for (name, (one, ..)) in &known {
        let source = one.source.as_ref().map_or(one.name.as_str(), |it| it.name.as_str());
        if !asked.contains(source) {
            continue;
        }
        let line = line_of(host, &known, name);
        let kernel = KERNELS.iter().any(|it| source.starts_with(it));
        let names = [source, name].into_iter().chain(kernel.then_some("linux"));
        let loaded = one.running_version.as_deref();
        let loaded =
            loaded.or_else(|| names.into_iter().find_map(|it| host.running.get(it).map(String::as_str)));
        let installed = one.source.as_ref().and_then(|it| it.version.as_deref()).unwrap_or(&one.version);
        let version = loaded.unwrap_or(installed).to_owned();
        let by_boot = one.kind == ComponentKind::Product || (kernel && loaded.is_some());
        list.push(Run { line, version, since: booted.filter(|_| by_boot) });
    }
    let microcode = host.cpu.as_ref().and_then(|it| it.microcode.clone());
    let of_processor = lines.iter().filter(|it| it.family == Family::IntelMicrocode).zip(microcode);
    list.extend(of_processor.map(|(line, version)| Run { line: (*line).clone(), version, since: booted }));
    list.retain(|it| lines.contains(&it.line));
    list
}

/// What the source packages of kernels are called.
const KERNELS: [&str; 3] = ["linux", "kernel", "proxmox-kernel"];

impl Due {
    /// The hosts of a bunch must be emptied for it: it asks for a restart of the machine, or of nobody knows what.
    pub(super) fn needs_drain(&self, bunch: usize) -> bool {
        self.restarts.get(&bunch).is_some_and(|it| *it >= Restart::Machine)
    }
}

/// A release that could be taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) version: String,
    /// The day that its maturity counts from.
    pub(super) released: Option<Date>,
    /// What the day is.
    pub(super) basis: &'static str,
    /// Withdrawn by its maker, as known on the day.
    pub(super) withdrawn: Option<&'static Withdrawal>,
}

/// The releases that could be taken on a day, by family and component.
pub(super) struct Releases<'b> {
    of: FxHashMap<(&'b Family, String), Vec<&'b ReleaseFact>>,
    on: Date,
}

impl<'b> Releases<'b> {
    pub(super) fn of(base: &'b FactBase, on: Date) -> Self {
        let mut of: FxHashMap<(&Family, String), Vec<&ReleaseFact>> = FxHashMap::default();
        // Microcode is released as packages of revisions: the name of a package is no revision.
        let could = |it: &&ReleaseFact| it.family != Family::IntelMicrocode && it.date <= on;
        for release in base.releases().iter().filter(could) {
            of.entry((&release.family, release.component.to_ascii_lowercase())).or_default().push(release);
        }
        Self { of, on }
    }

    fn of_line(&self, line: &LineKey) -> Vec<&'b ReleaseFact> {
        let all = self.of.get(&(&line.family, line.component.to_ascii_lowercase()));
        let of_train = |it: &&&ReleaseFact| {
            it.train.is_none() || line.train.is_none() || it.train.as_deref() == line.train.as_deref()
        };
        all.into_iter().flatten().filter(of_train).copied().collect()
    }

    /// The order of two releases of a line.
    pub(super) fn order(&self, line: &LineKey, left: &str, right: &str) -> Option<Ordering> {
        match compare(line.family.scheme(), left, right) {
            Ok(Comparison::Ordered(order)) => Some(order),
            _ => order(line, left, right, &self.of_line(line)),
        }
    }
}

/// The smallest release that closes everything, and the newest of the line where that is a later one.
///
/// # Errors
/// The fact that is missing, in a sentence.
pub(super) fn targets(
    known: &Releases<'_>,
    line: &LineKey,
    due: &Due,
) -> Result<(Target, Option<Target>), String> {
    let on = known.on;
    let releases = known.of_line(line);
    let smallest = smallest(line, due, &releases)?;
    let newest = releases
        .iter()
        .filter(|it| order(line, &named(it), &smallest, &releases) == Some(Ordering::Greater))
        .filter(|it| withdrawn(it, on).is_none())
        .max_by(|a, b| {
            order(line, &named(a), &named(b), &releases).unwrap_or(Ordering::Equal).then(a.date.cmp(&b.date))
        });
    let target = |version: String| {
        let fact = releases.iter().filter(|it| is(it, &version)).min_by_key(|it| it.date);
        let announced = due.versions.get(version.as_str()).copied().flatten();
        let (released, basis) = match (fact, announced) {
            (Some(fact), _) if fact.date_kind == DateKind::Published => {
                (Some(fact.date), "day of its publication")
            }
            (_, Some(day)) => (Some(day), "day on which its advisory became known"),
            (Some(fact), None) => (Some(fact.date), "day of its build, not of its publication"),
            (None, None) => (None, "unknown"),
        };
        Target { released, basis, withdrawn: fact.and_then(|it| withdrawn(it, on)), version }
    };
    Ok((target(smallest.clone()), newest.map(|it| target(named(it)))))
}

fn withdrawn(release: &ReleaseFact, on: Date) -> Option<&'static Withdrawal> {
    let bulletin = release.bulletin.as_ref().map(|it| it.as_str());
    withdrawals::of_release(&release.family, &release.version, bulletin, on)
}

/// The version as fixes name it: an ESXi build with its update train in front.
fn named(release: &ReleaseFact) -> String {
    match (&release.family, &release.train) {
        (Family::Esxi, Some(train)) if release.version.bytes().all(|it| it.is_ascii_digit()) => {
            format!("{train}-{}", release.version)
        }
        _ => release.version.to_string(),
    }
}

fn is(release: &ReleaseFact, version: &str) -> bool {
    *release.version == *version || named(release) == version
}

/// The largest of the first fixed versions: updates are cumulative.
fn smallest(line: &LineKey, due: &Due, releases: &[&ReleaseFact]) -> Result<String, String> {
    let mut versions = due.versions.keys();
    let first = versions.next().ok_or_else(|| {
        format!("a known release of {} that closes any of the open vulnerabilities", line.component)
    })?;
    let mut largest: &str = first;
    for version in versions {
        match order(line, version, largest, releases) {
            Some(Ordering::Greater) => largest = version,
            Some(_) => {}
            None => {
                return Err(format!(
                    "the order of {} {largest} and {version} (neither their versions nor their days tell)",
                    line.component
                ));
            }
        }
    }
    Ok(largest.to_owned())
}

/// The order of two releases: by version, and by day where the scheme does not order them.
fn order(line: &LineKey, left: &str, right: &str, releases: &[&ReleaseFact]) -> Option<Ordering> {
    match compare(line.family.scheme(), left, right) {
        Ok(Comparison::Ordered(order)) => Some(order),
        _ => {
            let day = |version: &str| releases.iter().filter(|it| is(it, version)).map(|it| it.date).min();
            Some(day(left)?.cmp(&day(right)?))
        }
    }
}
