//! From a query to measured series.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use underpin_model::facts::{Family, LifecycleDate, PatchClass};

use super::gaps::{batches, days_between, gaps, trend};
use super::taken::{Sorted, unstated};
use super::{
    Batch, Cadence, CadenceError, Dated, History, Interval, Maturity, Patch, PerMaintenance, Phase, Policy,
    Query, Series, Split, Volume,
};

/// The cadence of bare dates; several patches on one day are one maintenance. The order of the dates does not matter.
///
/// # Errors
/// [`CadenceError::Backwards`] when the interval ends before it starts.
pub fn of_dates(dates: &[Date], interval: Interval, batch_days: u16) -> Result<Series, CadenceError> {
    check(interval)?;
    let mut series = Series::empty("dates".to_owned());
    series.covered_from = dates.iter().min().copied();
    series.covered_until = dates.iter().max().copied();
    series.bound(interval);
    let mut per_day: BTreeMap<Date, usize> = BTreeMap::new();
    for date in dates.iter().filter(|date| series.holds(**date)) {
        *per_day.entry(*date).or_default() += 1;
    }
    series.count(per_day.clone(), batch_days);
    series.leave_open(per_day, batch_days);
    if dates.is_empty() {
        series.notes.push("There are no dates: nothing is known.".to_owned());
    }
    Ok(series)
}

fn check(interval: Interval) -> Result<(), CadenceError> {
    match (interval.built, interval.until) {
        (Some(built), Some(until)) if until < built => Err(CadenceError::Backwards { built, until }),
        _ => Ok(()),
    }
}

impl History {
    /// Measures what a query picks.
    ///
    /// # Errors
    /// [`CadenceError`] for a name that the facts do not have (it lists those that they have), an interval that ends
    /// before it starts, and the policy `applicable` without a fleet.
    pub fn cadence(&self, query: &Query<'_>) -> Result<Cadence, CadenceError> {
        check(query.interval)?;
        if query.policy == Policy::Applicable && query.installed.is_none() {
            return Err(CadenceError::NoFleet);
        }
        let platforms = self.known_platforms(&query.platforms)?;
        let chosen = self.chosen(&platforms, query)?;
        let lines = self.known_lines(&platforms, &query.lines)?;
        let mut series = Vec::new();
        for platform in &platforms {
            let own: Vec<&Patch> =
                chosen.iter().filter(|patch| patch.family.name() == platform).copied().collect();
            let mut add = |line: Option<&str>, patches: &[&Patch]| match query.by {
                None => series.push(self.measure(platform, line, None, patches, query)),
                Some(split) => series.extend(parts(split, patches).into_iter().map(|(part, patches)| {
                    self.measure(platform, line, Some((split, part)), &patches, query)
                })),
            };
            if query.lines.is_empty() {
                add(None, &own);
            }
            for line in lines.iter().filter(|(of, _)| of == platform).map(|(_, line)| line) {
                let of_line: Vec<&Patch> =
                    own.iter().filter(|patch| patch.line.as_deref() == Some(line)).copied().collect();
                add(Some(line), &of_line);
            }
        }
        let warnings = self.without_series(&platforms, &lines, &series, query);
        Ok(Cadence { policy: query.policy, batch_days: query.batch_days, series, warnings })
    }

    /// What was asked for by name and is in no series, each in a sentence.
    fn without_series(
        &self,
        platforms: &[String],
        lines: &[(String, String)],
        series: &[Series],
        query: &Query<'_>,
    ) -> Vec<String> {
        let is_in = |platform: &str, line: Option<&str>| {
            let of = |it: &&Series| line.is_none() || it.line.as_deref() == line;
            series.iter().filter(of).any(|it| it.platform.as_deref() == Some(platform))
        };
        let mut warnings = Vec::new();
        for platform in platforms.iter().filter(|it| !query.platforms.is_empty() && !is_in(it, None)) {
            let known = self.lines(platform).join(", ");
            warnings.push(if lines.iter().any(|(of, _)| of == platform) || query.lines.is_empty() {
                format!("{platform} has no series: nothing of it is left that could be split")
            } else {
                format!(
                    "{platform} has no series: it has none of the lines that were asked for; it has {known}"
                )
            });
        }
        for (platform, line) in lines.iter().filter(|(platform, line)| !is_in(platform, Some(line))) {
            if is_in(platform, None) || query.platforms.is_empty() {
                warnings.push(format!(
                    "{platform} {line} has no series: nothing of it is left that could be split"
                ));
            }
        }
        warnings
    }

    fn known_platforms(&self, asked: &[String]) -> Result<Vec<String>, CadenceError> {
        let known = self.platforms();
        if asked.is_empty() {
            return Ok(known);
        }
        let mut platforms: Vec<String> = Vec::new();
        for found in asked {
            let name = match found.to_ascii_lowercase().as_str() {
                "hyper-v" | "hyperv" => Family::Windows.name().to_owned(),
                other => Family::from_name(other).name().to_owned(),
            };
            if !known.contains(&name) {
                return Err(CadenceError::UnknownPlatform { found: found.clone(), known: known.join(", ") });
            }
            if !platforms.contains(&name) {
                platforms.push(name);
            }
        }
        Ok(platforms)
    }

    /// The patches of the platforms that components, area, class and bulletin of the query leave. Those that state no class
    /// stay: they may be of the one asked for.
    fn chosen(&self, platforms: &[String], query: &Query<'_>) -> Result<Vec<&Patch>, CadenceError> {
        let of = |name: &str| platforms.iter().any(|platform| platform == name);
        let own: Vec<&Patch> = self.patches.iter().filter(|patch| of(patch.family.name())).collect();
        for pattern in &query.components {
            if !own.iter().any(|patch| matches(pattern, &patch.component)) {
                let known: BTreeSet<String> =
                    platforms.iter().flat_map(|name| self.components(name)).collect();
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                return Err(CadenceError::UnknownComponent { found: pattern.clone(), known });
            }
        }
        let is_chosen = |patch: &&Patch| {
            let named = query.components.iter().any(|pattern| matches(pattern, &patch.component));
            let bulletin = query.bulletin.as_ref();
            (query.components.is_empty() || named)
                && query.area.is_none_or(|area| area == patch.area)
                && query.class.is_none_or(|class| patch.class.is_none_or(|own| own == class))
                && bulletin.is_none_or(|start| patch.has_bulletin && patch.id.starts_with(start.as_str()))
        };
        Ok(own.into_iter().filter(is_chosen).collect())
    }

    fn known_lines(
        &self,
        platforms: &[String],
        asked: &[String],
    ) -> Result<Vec<(String, String)>, CadenceError> {
        let known: Vec<(String, Vec<String>)> =
            platforms.iter().map(|platform| (platform.clone(), self.lines(platform))).collect();
        let mut lines = Vec::new();
        for found in asked {
            let before = lines.len();
            for (platform, _) in known.iter().filter(|(_, lines)| lines.contains(found)) {
                lines.push((platform.clone(), found.clone()));
            }
            if lines.len() == before {
                let all: Vec<String> = known
                    .iter()
                    .map(|(platform, lines)| format!("{platform}: {}", lines.join(", ")))
                    .collect();
                return Err(CadenceError::UnknownLine { found: found.clone(), known: all.join("; ") });
            }
        }
        Ok(lines)
    }

    fn measure(
        &self,
        platform: &str,
        line: Option<&str>,
        part: Option<(Split, String)>,
        patches: &[&Patch],
        query: &Query<'_>,
    ) -> Series {
        let mut series = Series::empty(name(platform, line, part.as_ref(), query));
        series.platform = Some(platform.to_owned());
        let of_part = part.filter(|(split, _)| *split == Split::Line).map(|(_, line)| line);
        series.line = line.map(str::to_owned).or(of_part);
        let sorted = Sorted::of(patches, query);
        series.dated = query.dated.or_else(|| sorted.kind());
        let dated = sorted.all().filter(|patch| Some(patch.dated) == series.dated).map(|patch| patch.date);
        series.covered_from = dated.clone().min();
        series.covered_until = dated.max();
        series.bound(query.interval);
        let in_span = |patch: &&&Patch| Some(patch.dated) == series.dated && series.holds(patch.date);
        let counted: Vec<&Patch> = sorted.taken.iter().filter(in_span).copied().collect();
        let untold: Vec<&Patch> = sorted.untold.iter().filter(in_span).copied().collect();
        series.count(per_day(&counted), query.batch_days);
        let all: Vec<&Patch> = counted.iter().chain(&untold).copied().collect();
        series.leave_open(per_day(&all), query.batch_days);
        series.by_class = volumes(&series.batches, &counted, |patch| class_name(patch.class));
        series.by_component = volumes(&series.batches, &counted, |patch| &patch.component);
        series.by_area = volumes(&series.batches, &counted, |patch| patch.area.name());
        series.maturity = self.maturity(platform, &series);
        series.notes = notes(&series, &sorted, query);
        series
    }

    fn maturity(&self, platform: &str, series: &Series) -> Option<Maturity> {
        let (line, at) = (series.line.as_deref()?, series.until.or(series.covered_until)?);
        let cycle = self.lifecycle(platform, line);
        let released = cycle.and_then(|cycle| cycle.released).or(series.covered_from);
        let end = cycle.map(|cycle| cycle.end_of_life);
        let phase = match (released, end) {
            (Some(released), _) if at < released => Phase::Unreleased,
            (_, Some(LifecycleDate::On(end))) if at > end => Phase::Ended,
            // It has ended, but on which day is not known: only for earlier days that is undecided.
            (_, Some(LifecycleDate::Ended) | None) => Phase::Unknown,
            (_, Some(LifecycleDate::On(_) | LifecycleDate::NotYet)) => Phase::Supported,
        };
        Some(Maturity {
            at,
            released,
            age_days: released.filter(|released| *released <= at).map(|released| days_between(released, at)),
            end_of_life: match end {
                Some(LifecycleDate::On(end)) => Some(end),
                _ => None,
            },
            phase,
        })
    }
}

/// Different patches of each day.
fn per_day(patches: &[&Patch]) -> BTreeMap<Date, usize> {
    let mut per_day: BTreeMap<Date, BTreeSet<&str>> = BTreeMap::new();
    for patch in patches {
        per_day.entry(patch.date).or_default().insert(&patch.id);
    }
    per_day.into_iter().map(|(day, ids)| (day, ids.len())).collect()
}

/// Whether a name is the pattern, in which `*` stands for any letters, however many.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn parts<'a>(split: Split, patches: &[&'a Patch]) -> BTreeMap<String, Vec<&'a Patch>> {
    let mut parts: BTreeMap<String, Vec<&Patch>> = BTreeMap::new();
    for patch in patches {
        let key = match split {
            Split::Line => patch.line.as_deref().unwrap_or("not known"),
            Split::Component => &patch.component,
            Split::Area => patch.area.name(),
            Split::Class => class_name(patch.class),
        };
        parts.entry(key.to_owned()).or_default().push(patch);
    }
    parts
}

fn name(platform: &str, line: Option<&str>, part: Option<&(Split, String)>, query: &Query<'_>) -> String {
    let mut words: Vec<&str> = vec![platform];
    words.extend(line);
    match part {
        Some((Split::Component, part)) => words.push(part),
        Some((_, part)) => words.extend(query.components.iter().map(String::as_str).chain([part.as_str()])),
        None => words.extend(query.components.iter().map(String::as_str)),
    }
    words.join(" ")
}

/// The classes with their names in queries and output.
pub const CLASSES: [(PatchClass, &str); 4] = [
    (PatchClass::Security, "security"),
    (PatchClass::BugFix, "bug-fix"),
    (PatchClass::HardwareEnablement, "hardware-enablement"),
    (PatchClass::Feature, "feature"),
];

fn class_name(class: Option<PatchClass>) -> &'static str {
    let found = CLASSES.into_iter().find(|(one, _)| Some(*one) == class);
    found.map_or("not stated", |(_, name)| name)
}

/// Different patches (by day and id) and the batches that hold them.
#[derive(Default)]
struct Found<'a> {
    ids: BTreeSet<(Date, &'a str)>,
    batches: BTreeSet<usize>,
}

fn volumes<'a>(batches: &[Batch], patches: &[&'a Patch], key: impl Fn(&'a Patch) -> &'a str) -> Vec<Volume> {
    let mut found: BTreeMap<&str, Found<'_>> = BTreeMap::new();
    for patch in patches {
        let found = found.entry(key(patch)).or_default();
        found.ids.insert((patch.date, &*patch.id));
        found.batches.insert(batches.partition_point(|batch| batch.first <= patch.date));
    }
    let volume = |(name, found): (&str, Found<'_>)| Volume {
        name: name.to_owned(),
        patches: found.ids.len(),
        maintenances: found.batches.len(),
    };
    let mut volumes: Vec<Volume> = found.into_iter().map(volume).collect();
    volumes.sort_by(|a, b| b.patches.cmp(&a.patches).then_with(|| a.name.cmp(&b.name)));
    volumes
}

fn notes(series: &Series, patches: &Sorted<'_>, query: &Query<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let kind = series.dated.map_or("dated", Dated::name);
    if series.covered_until.is_none() {
        notes.push(format!(
            "No {kind} patch of this series is in the facts: nothing is known, which is not the same as no maintenance."
        ));
    }
    notes.extend(untold(series, query));
    if let (Some(from), Some(built)) = (series.covered_from, series.built)
        && built < from
    {
        notes.push(format!("The facts start on {from}: what came before is not counted."));
    }
    if let (Some(until), Some(days)) = (series.covered_until, series.unknown_days.filter(|days| *days > 0)) {
        notes.push(format!(
            "The facts end on {until}: the last {days} days of the interval are unknown, there may have been more."
        ));
    }
    if let Some(end) = series.maturity.and_then(|one| one.end_of_life.filter(|end| *end < one.at)) {
        notes.push(format!("Security support ended on {end}: later silence is no calm."));
    }
    if series.dated == Some(Dated::Built) {
        notes.push("The days are build dates from changelogs, not days of publication.".to_owned());
    }
    for other in Dated::ALL.into_iter().filter(|other| Some(*other) != series.dated) {
        let count = patches.of_kind(other);
        if count > 0 {
            let name = other.name();
            notes.push(format!("Not counted: {count} entries whose days are of the kind {name:?}."));
        }
    }
    if let Some((hosts, unknown)) = query.installed.map(super::Installed::hosts)
        && query.policy == Policy::Applicable
        && unknown > 0
    {
        notes.push(format!(
            "{unknown} of {hosts} hosts name no component: what only they need is not counted."
        ));
    }
    notes
}

/// What is left open by patches of which nothing tells whether they are taken.
fn untold(series: &Series, query: &Query<'_>) -> Option<String> {
    let most = series.maintenances_at_most.filter(|_| series.patches_untold > 0)?;
    let (patches, of_these) = match series.patches_untold {
        1 => ("1 patch".to_owned(), "it"),
        count => (format!("{count} patches"), "all of them"),
    };
    let what = unstated(query);
    let with = format!(
        "Not counted: {patches} of which the facts do not state {what}. With {of_these} there would be {most} maintenance{}",
        if most == 1 { "" } else { "s" }
    );
    Some(match series.maintenances {
        Some(count) => format!(
            "{with}; counted are {count} without them, and the other figures are those of the {count}."
        ),
        None => format!(
            "{with}; without, none is known. How many there were is unknown, which is not the same as no maintenance."
        ),
    })
}

impl Series {
    /// The number of maintenances in words: `unknown`, `3`, or `3 to 30` where nothing tells of some patches whether they
    /// count.
    #[must_use]
    pub fn count_in_words(&self) -> String {
        match (self.maintenances, self.maintenances_at_most) {
            (None, _) => "unknown".to_owned(),
            (Some(least), Some(most)) if most > least => format!("{least} to {most}"),
            (Some(count), _) => count.to_string(),
        }
    }

    fn empty(name: String) -> Self {
        Self {
            name,
            platform: None,
            line: None,
            dated: None,
            maintenances: None,
            maintenances_at_most: None,
            patches_untold: 0,
            mean_interval_days: None,
            built: None,
            until: None,
            span_days: None,
            distinct_dates: None,
            patches: None,
            patches_per_maintenance: None,
            mean_gap_days: None,
            gaps: None,
            trend: None,
            covered_from: None,
            covered_until: None,
            unknown_days: None,
            maturity: None,
            by_class: Vec::new(),
            by_component: Vec::new(),
            by_area: Vec::new(),
            batches: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Sets the interval; where only its start is given it ends with the facts.
    fn bound(&mut self, interval: Interval) {
        self.built = interval.built;
        let facts_end = self.covered_until.filter(|end| interval.built.is_some_and(|built| *end >= built));
        self.until = interval.until.or(facts_end);
        let Some(until) = self.until else { return };
        self.span_days = self.built.map(|built| days_between(built, until));
        self.unknown_days = self.covered_until.map(|end| {
            let known = self.built.map_or(end, |built| end.max(built));
            days_between(known, until).max(0)
        });
    }

    /// Whether a day is in `(built, until]`.
    fn holds(&self, date: Date) -> bool {
        self.built.is_none_or(|built| date > built) && self.until.is_none_or(|until| date <= until)
    }

    /// Counts days (in order, each once) with their patches.
    fn count(&mut self, days: impl IntoIterator<Item = (Date, usize)>, batch_days: u16) {
        self.batches = batches(days.into_iter(), batch_days);
        let count = self.batches.len();
        let patches = self.batches.iter().map(|batch| batch.patches).sum();
        self.maintenances = Some(count);
        self.distinct_dates = Some(self.batches.iter().map(|batch| batch.dates).sum());
        self.patches = Some(patches);
        let some = (count > 0).then_some(count as f64);
        self.mean_interval_days = some.and_then(|count| Some(f64::from(self.span_days?) / count));
        self.patches_per_maintenance = some.map(|count| PerMaintenance {
            mean: patches as f64 / count,
            max: self.batches.iter().map(|batch| batch.patches).max().unwrap_or(0),
        });
        self.gaps = gaps(&self.batches);
        self.mean_gap_days = self.gaps.as_ref().map(|gaps| gaps.mean_days);
        self.trend = trend(&self.batches);
    }

    /// Takes in the days of all patches that may count, and takes back a 0 that nobody knows: where the facts tell nothing
    /// of the interval, or where there are only patches of which nothing tells whether they count.
    fn leave_open(&mut self, days: BTreeMap<Date, usize>, batch_days: u16) {
        let all: usize = days.values().sum();
        self.patches_untold = all - self.patches.unwrap_or(0);
        let most = batches(days.into_iter(), batch_days).len();
        let is_covered = self.is_covered();
        self.maintenances_at_most = (is_covered || most > 0).then_some(most);
        if self.batches.is_empty() && (self.patches_untold > 0 || !is_covered) {
            (self.maintenances, self.distinct_dates, self.patches) = (None, None, None);
        }
    }

    /// Whether the facts reach into the interval.
    fn is_covered(&self) -> bool {
        let (Some(from), Some(end)) = (self.covered_from, self.covered_until) else { return false };
        self.until.is_none_or(|until| until >= from) && self.built.is_none_or(|built| built < end)
    }
}
