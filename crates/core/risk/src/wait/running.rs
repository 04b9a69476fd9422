//! What hosts run of the lines that are due, and since when.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustc_hash::FxHashSet;
use underpin_model::facts::Family;
use underpin_model::fleet::{ComponentKind, Fleet};

use super::due::{LineKey, components, line_of, lists};

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
