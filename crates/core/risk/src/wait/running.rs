//! What hosts run of the lines that are due, and since when; and which release of its platform a host runs, for all who ask.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustc_hash::FxHashSet;
use underpin_exposure::report::Area;
use underpin_exposure::running;
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, Fleet, Host, PlatformRelease};
use underpin_model::version::{Scheme, esxi};

use super::due::{LineKey, components, line_of, lists, source_name};
use crate::withdrawals::{self, Spelled};

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
    let found = running::runs(fleet, host, |it| asked.contains(source_name(it)));
    let known = components(fleet, host, &found.iter().map(|it| it.component.name.as_str()).collect());
    let mut list = Vec::new();
    for running::Runs { component: one, area, loaded } in found {
        let line = line_of(host, &known, &one.name);
        let version = loaded.unwrap_or_else(|| installed(one));
        let version = if is_platform(host, one, &line.family) {
            let stated = host.platform.as_ref().and_then(|it| it.release.as_deref());
            settled(&line.family, version, stated).unwrap_or(version)
        } else {
            version
        };
        let version = version.to_owned();
        let by_boot = one.kind == ComponentKind::Product || (area == Area::Kernel && loaded.is_some());
        list.push(Run { line, version, since: booted.filter(|_| by_boot) });
    }
    let microcode = host.cpu.as_ref().and_then(|it| it.microcode.clone());
    let of_processor = lines.iter().filter(|it| it.family == Family::IntelMicrocode).zip(microcode);
    list.extend(of_processor.map(|(line, version)| Run { line: (*line).clone(), version, since: booted }));
    list.retain(|it| lines.contains(&it.line));
    list
}

fn installed(one: &Component) -> &str {
    one.source.as_ref().and_then(|it| it.version.as_deref()).unwrap_or(&one.version)
}

/// The component is the platform of the host: a product whose releases and trains have names alike, or the manager of Proxmox, whose
/// version is that of the product.
fn is_platform(host: &Host, one: &Component, family: &Family) -> bool {
    let platform = host.platform.as_ref().map_or(&Family::Esxi, |it| &it.family);
    let names_it = match family {
        Family::Proxmox => one.name == PROXMOX_MANAGER,
        _ => one.kind == ComponentKind::Product && family.scheme() == Scheme::Esxi,
    };
    names_it && family == platform
}

/// Some component of a host of this family may say which release of its platform runs.
fn is_listed(family: &Family) -> bool {
    *family == Family::Proxmox || family.scheme() == Scheme::Esxi
}

/// Of two texts about one host, the component that is listed and the release that is stated, the one that tells a release: what is
/// listed before what is stated, a build before a name. `None`: both name no more than a train. The version of a package is always one.
fn settled<'f>(family: &Family, listed: &'f str, stated: Option<&'f str>) -> Option<&'f str> {
    if family.scheme() != Scheme::Esxi {
        return Some(listed);
    }
    let both = || [Some(listed), stated].into_iter().flatten().map(|it| (it, Spelled::of(family, it)));
    let build = both().find(|(_, it)| it.build.is_some());
    build.or_else(|| both().find(|(_, it)| it.is_one())).map(|(text, _)| text)
}

/// The component that is the platform of a host, with its family and train.
fn product<'f>(fleet: &'f Fleet, host: &'f Host) -> Option<(&'f Component, &'f Family, Option<&'f str>)> {
    let known = host.platform.as_ref();
    let of_known = known.is_none_or(|it| is_listed(&it.family));
    let sets = lists(fleet, host).filter(|_| of_known);
    let products = sets.flat_map(|set| {
        let own =
            |one: &'f Component| one.family.as_ref().or(set.family.as_ref()).or(known.map(|it| &it.family));
        let of = set.components.iter().filter_map(move |one| Some((one, own(one)?)));
        let of = of.filter(|(one, family)| is_platform(host, one, family));
        of.map(|(one, family)| (one, family, one.train.as_deref().or(set.train.as_deref())))
    });
    products.last()
}

/// Hosts of which two fields name two releases: one of them is wrong, and which one counts must be said.
pub(crate) fn contradictions(fleet: &Fleet) -> Option<String> {
    let of_host = |host| {
        let (stated, listed) = contradiction(fleet, host)?;
        Some((host, stated, listed, platform(fleet, host)?.release.clone()?))
    };
    let mut all = fleet.hosts.iter().filter_map(of_host);
    let (host, stated, listed, counts) = all.next()?;
    Some(format!(
        "{} of {} hosts name two releases of their platform (so host {}: platform.release {stated:?}, component {} {:?}; {counts:?} \
         counts): one of the two is wrong; take the inventory again, or correct it in the fleet file",
        1 + all.count(),
        fleet.hosts.len(),
        host.id,
        listed.name,
        installed(listed),
    ))
}

/// The release that the platform of a host states and the component that names another one, neither loaded nor installed.
fn contradiction<'f>(fleet: &'f Fleet, host: &'f Host) -> Option<(&'f str, &'f Component)> {
    let stated = host.platform.as_ref()?.release.as_deref()?;
    let (one, family, _) = product(fleet, host)?;
    let named = [Some(installed(one)), running::loaded(host, one)];
    named.into_iter().flatten().all(|it| are_two(family, stated, it)).then_some((stated, one))
}

/// Two texts name two releases: two builds, two names with letters, or two updates. One that only says less is no other.
fn are_two(family: &Family, left: &str, right: &str) -> bool {
    if family.scheme() != Scheme::Esxi {
        return !names_version(left, right);
    }
    let both = [left, right];
    // Of some names with letters the build is known.
    let withdrawn = |text| withdrawals::of_release(family, text, Date::MAX).map(|it| it.version);
    if let [Some(left), Some(right)] = both.map(|it| Spelled::of(family, it).build.or_else(|| withdrawn(it)))
    {
        return left != right;
    }
    if let [Some(left), Some(right)] = both.map(|it| Spelled::of(family, it).name) {
        return left != right;
    }
    let [Some(left), Some(right)] = both.map(esxi::train) else { return false };
    let line = |it: &str| it.split('U').next().map(str::to_owned);
    line(&left) != line(&right) || (left != right && left.contains('U') && right.contains('U'))
}

/// A text such as `8.4`, `8.4.1` or `pve-manager/8.4.1/2a5fa54a8503f96d` names the version of a package `8.4.1`, or says less.
fn names_version(text: &str, version: &str) -> bool {
    let goes_on = |it: &str| !it.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is = |word: &str| {
        version.strip_prefix(word).is_some_and(goes_on) || word.strip_prefix(version).is_some_and(goes_on)
    };
    text.split([' ', '/']).filter(|it| !it.is_empty()).any(is)
}

/// The release of its platform that a host runs: that of its platform, or what the component says that is the platform, where that
/// tells more or otherwise.
pub(crate) fn platform<'f>(fleet: &'f Fleet, host: &'f Host) -> Option<Cow<'f, PlatformRelease>> {
    let known = host.platform.as_ref();
    let Some((one, family, train)) = product(fleet, host) else { return known.map(Cow::Borrowed) };
    let stated = known.and_then(|it| it.release.as_deref());
    let listed = running::loaded(host, one).unwrap_or_else(|| installed(one));
    let release = settled(family, listed, stated).or(stated).unwrap_or(listed);
    let says_the_same =
        stated.is_some_and(|it| it == release || Spelled::of(family, it).same(&Spelled::of(family, release)));
    if says_the_same {
        return known.map(Cow::Borrowed);
    }
    let train = known.and_then(|it| it.train.as_deref()).or(train).map(str::to_owned);
    Some(Cow::Owned(PlatformRelease { family: family.clone(), train, release: Some(release.to_owned()) }))
}

/// The package whose version is that of Proxmox VE.
pub(crate) const PROXMOX_MANAGER: &str = "pve-manager";
