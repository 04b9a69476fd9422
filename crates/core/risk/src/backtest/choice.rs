//! Which line is asked for, and which hosts are replayed on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use underpin_exposure::FactBase;
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, Host};

use super::sources::{lines_of, platforms};
use super::{BacktestError, Line, ReplayFleet, Report, line_of, lines, of_facts};

/// A backtest with the lines that could have been asked for, as the command line and the API give it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// What each policy would have cost.
    #[serde(flatten)]
    pub report: Report,
    /// Every line with at least two releases.
    pub lines: Vec<Line>,
}

/// A line by names; what is not given is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'q> {
    /// Product or distribution.
    pub platform: Option<&'q str>,
    /// Line.
    pub line: Option<&'q str>,
    /// What is released.
    pub component: Option<&'q str>,
}

/// The line that is asked for: by name, else the one of the fleet that tells most, else ESXi 7.0. Where a line is asked for and has
/// several components, one must be named.
///
/// # Errors
/// [`BacktestError::NoLine`] and [`BacktestError::SeveralComponents`] name the choices, and [`BacktestError::UnknownLine`]
/// the platforms, where none is of that name and no line is given. Any other line that is not known is no error here: [`super::of_facts`] names the choices then.
pub fn choose(base: &FactBase, fleet: Option<&Fleet>, asked: Asked<'_>) -> Result<Line, BacktestError> {
    let all = lines(base);
    if let Some(best) = fleet.filter(|_| asked == Asked::default()).and_then(|it| telling(base, it, &all)) {
        return Ok(best);
    }
    let frequent = fleet.and_then(|it| of_hosts(it, asked.platform).into_iter().next());
    let platform = asked.platform.map(Family::from_name);
    let (platform, known) = match (platform, frequent) {
        (Some(platform), Some((of_fleet, line))) if platform == of_fleet => (platform, Some(line)),
        (Some(platform), _) => (platform, None),
        (None, Some((of_fleet, line))) => (of_fleet, Some(line)),
        (None, None) => (Family::Esxi, Some("7.0".to_owned())),
    };
    let Some(line) = asked.line.map(str::to_owned).or(known) else {
        let of_platform = lines_of(&all, &platform);
        let platform = platform.to_string();
        return Err(match of_platform {
            None => BacktestError::UnknownLine { asked: platform, known: platforms(&all) },
            Some(known) => BacktestError::NoLine { platform, known },
        });
    };
    let fits = |it: &&Line| {
        it.platform == platform
            && *it.line == *line
            && asked.component.is_none_or(|name| name.eq_ignore_ascii_case(&it.component))
    };
    let found: Vec<&Line> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Ok(Line {
            platform,
            line: line.into(),
            component: asked.component.unwrap_or("(any component)").into(),
        }),
        several => {
            let names: Vec<&str> = several.iter().map(|it| &*it.component).collect();
            Err(BacktestError::SeveralComponents {
                line: format!("{platform} {line}"),
                known: names.join(", "),
            })
        }
    }
}

/// Of the lines of a fleet the one that tells most: that of most hosts of which exposure can be told, and of its components the one
/// that closes most vulnerabilities. Where no line tells any, the first one of most hosts.
fn telling(base: &FactBase, fleet: &Fleet, all: &BTreeSet<Line>) -> Option<Line> {
    let lines = of_hosts(fleet, None);
    let best = |(platform, line): &(Family, String)| {
        let own = all.iter().filter(|it| it.platform == *platform && *it.line == **line);
        // Of equal ones the first.
        own.map(|it| (closed(base, it), it)).rev().max_by_key(|it| it.0)
    };
    let mut first = None;
    for (closed, line) in lines.iter().filter_map(best) {
        if closed > 0 {
            return Some(line.clone());
        }
        first.get_or_insert(line);
    }
    first.cloned()
}

/// Vulnerabilities that the releases of a line are known to close.
fn closed(base: &FactBase, line: &Line) -> usize {
    of_facts(base, line, &[]).map_or(0, |it| it.holes.len())
}

/// What was chosen for a fleet of which nobody said what to replay, and what else there is.
#[must_use]
pub fn chosen(base: &FactBase, fleet: Option<&Fleet>, asked: Asked<'_>, line: &Line) -> Option<String> {
    let fleet = fleet.filter(|it| asked == Asked::default() && !it.hosts.is_empty())?;
    let own = of_hosts(fleet, None);
    let others = lines(base).into_iter().filter(|it| it != line);
    let others =
        others.filter(|it| own.iter().any(|(family, of)| it.platform == *family && *it.line == **of));
    let others: Vec<String> = others.map(|it| it.to_string()).collect();
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    Some(format!(
        "nobody said what to replay: {line} was chosen, of the lines of the fleet the one of most hosts of which most \
         vulnerabilities are known to be closed; others of the fleet, by platform, line and component: {others}"
    ))
}

/// The platforms and lines of a fleet, that of most hosts first.
fn of_hosts(fleet: &Fleet, only: Option<&str>) -> Vec<(Family, String)> {
    let mut counts: BTreeMap<(Family, String), usize> = BTreeMap::new();
    for platform in fleet.hosts.iter().filter_map(|it| it.platform.as_ref()) {
        let Some(train) = &platform.train else { continue };
        if only.is_none_or(|it| Family::from_name(it) == platform.family) {
            let line = line_of(&platform.family, train).to_owned();
            *counts.entry((platform.family.clone(), line)).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| b.0.cmp(&a.0)));
    counts.into_iter().map(|it| it.0).collect()
}

/// The hosts of the fleet that stand on the line and their VMs, and `true`; where none does, all hosts as if they did,
/// and `false`. `None`: the fleet has no host.
#[must_use]
pub fn hosts_on(fleet: &Fleet, line: &Line) -> Option<(ReplayFleet, bool)> {
    let on_line = |it: &&Host| {
        it.platform.as_ref().is_some_and(|platform| {
            let train = platform.train.as_deref().unwrap_or_default();
            platform.family == line.platform && line_of(&platform.family, train) == &*line.line
        })
    };
    let mut chosen: Vec<&Host> = fleet.hosts.iter().filter(on_line).collect();
    let stand_on_it = !chosen.is_empty();
    if !stand_on_it {
        chosen = fleet.hosts.iter().collect();
    }
    let ids: BTreeSet<_> = chosen.iter().map(|it| &it.id).collect();
    let vms = fleet.vms.iter().filter(|it| it.host.as_ref().is_some_and(|host| ids.contains(host))).count();
    let hosts = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
    let replayed = ReplayFleet { hosts, vms_per_host: vms as f64 / f64::from(hosts), assumed: false };
    (hosts > 0).then_some((replayed, stand_on_it))
}

/// What a reader must know where no host stands on the line, which is replayed nevertheless.
#[must_use]
pub fn as_if(line: &Line, replayed: ReplayFleet) -> String {
    format!("no host of the fleet stands on {line}: all {} hosts are replayed as if they did", replayed.hosts)
}
