//! Which line is asked for, and which hosts are replayed on it.

use std::collections::{BTreeMap, BTreeSet};

use underpin_exposure::FactBase;
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, Host};

use super::sources::platforms;
use super::{BacktestError, Line, ReplayFleet, line_of, lines};

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

/// The line that is asked for: by name, else the one of most hosts of the fleet (of several components the first), else
/// ESXi 7.0.
///
/// # Errors
/// [`BacktestError::NoLine`] and [`BacktestError::SeveralComponents`] name the choices, and [`BacktestError::UnknownLine`]
/// the platforms, where none is of that name and no line is given. Any other line that is not known is no error here: [`super::of_facts`] names the choices then.
pub fn choose(base: &FactBase, fleet: Option<&Fleet>, asked: Asked<'_>) -> Result<Line, BacktestError> {
    let frequent = fleet.and_then(|it| most_frequent(it, asked.platform));
    let platform = asked.platform.map(Family::from_name);
    let (platform, known) = match (platform, frequent) {
        (Some(platform), Some((of_fleet, line))) if platform == of_fleet => (platform, Some(line)),
        (Some(platform), _) => (platform, None),
        (None, Some((of_fleet, line))) => (of_fleet, Some(line)),
        (None, None) => (Family::Esxi, Some("7.0".to_owned())),
    };
    let all = lines(base);
    let Some(line) = asked.line.map(str::to_owned).or(known) else {
        let of_platform: Vec<String> =
            all.iter().filter(|it| it.platform == platform).map(ToString::to_string).collect();
        let platform = platform.to_string();
        return Err(if of_platform.is_empty() {
            BacktestError::UnknownLine { asked: platform, known: platforms(&all) }
        } else {
            BacktestError::NoLine { platform, known: of_platform.join(", ") }
        });
    };
    let fits = |it: &&Line| {
        it.platform == platform
            && *it.line == *line
            && asked.component.is_none_or(|name| name.eq_ignore_ascii_case(&it.component))
    };
    let found: Vec<&Line> = all.iter().filter(fits).collect();
    let nothing_asked = asked == Asked::default();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        // Who names nothing is shown something: an error is for those who asked for what is not one line.
        [first, ..] if nothing_asked => Ok((*first).clone()),
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

/// The platform and line of most hosts of a fleet.
fn most_frequent(fleet: &Fleet, only: Option<&str>) -> Option<(Family, String)> {
    let mut counts: BTreeMap<(Family, String), usize> = BTreeMap::new();
    for platform in fleet.hosts.iter().filter_map(|it| it.platform.as_ref()) {
        let Some(train) = &platform.train else { continue };
        if only.is_none_or(|it| Family::from_name(it) == platform.family) {
            let line = line_of(&platform.family, train).to_owned();
            *counts.entry((platform.family.clone(), line)).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|it| it.1).map(|it| it.0)
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
