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
    if let Some((line, release)) = only_stated(fleet, host) {
        let since = booted.filter(|_| line.family.scheme() == Scheme::Esxi);
        list.push(Run { line, version: release.to_owned(), since });
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

/// A component that is the platform of a host, with its family and train.
type Product<'f> = (&'f Component, &'f Family, Option<&'f str>);

/// The components that are the platform of a host: one, unless its lists contradict each other.
fn products<'f>(fleet: &'f Fleet, host: &'f Host) -> Vec<Product<'f>> {
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
    products.collect()
}

/// The release that only the platform of a host states, with the name under which it is released; `None`: a component is the platform,
/// or the text names no release.
pub(super) fn only_stated<'f>(fleet: &'f Fleet, host: &'f Host) -> Option<(LineKey, &'f str)> {
    let platform = host.platform.as_ref().filter(|it| is_listed(&it.family))?;
    let family = &platform.family;
    let is_one = |it: &&str| family.scheme() != Scheme::Esxi || Spelled::of(family, it).is_one();
    let release = platform.release.as_deref().filter(is_one)?;
    let component = product_of(family)?.to_owned();
    let line = LineKey { family: family.clone(), train: platform.train.clone(), component };
    products(fleet, host).is_empty().then_some((line, release))
}

/// Hosts of which two texts name two releases: one of them is wrong, and which one counts must be said.
#[must_use]
pub fn contradictions(fleet: &Fleet) -> Option<String> {
    let of_host = |host| Some((host, contradiction(fleet, host)?));
    let mut all = fleet.hosts.iter().filter_map(of_host);
    let (host, told) = all.next()?;
    Some(format!(
        "{} of {} hosts name two releases of their platform (so host {}: {told}): one of the two is wrong; take the inventory again, or \
         correct it in the fleet file",
        1 + all.count(),
        fleet.hosts.len(),
        host.id,
    ))
}

/// The two releases that a host names, and which one counts.
fn contradiction(fleet: &Fleet, host: &Host) -> Option<String> {
    let products = products(fleet, host);
    let listed = |it: &Product<'_>| format!("component {} {:?}", it.0.name, installed(it.0));
    for (at, left) in products.iter().enumerate() {
        let is_other = |right: &&Product<'_>| are_two(left.1, installed(left.0), installed(right.0));
        if let Some(right) = products.iter().skip(at + 1).find(is_other) {
            let mut both = [listed(left), listed(right)];
            both.sort_unstable();
            return Some(format!("{}; the worse of them counts", both.join(", ")));
        }
    }
    let stated = host.platform.as_ref()?.release.as_deref()?;
    let product = products.last()?;
    let (one, family, _) = product;
    let named = [Some(installed(one)), running::loaded(host, one)];
    let are_two = named.into_iter().flatten().all(|it| are_two(family, stated, it));
    let counts = of_product(host, product).release.clone().filter(|_| are_two)?;
    Some(format!("platform.release {stated:?}, {}; {counts:?} counts", listed(product)))
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
/// tells more or otherwise. Several where such components contradict each other, in an order that is not theirs.
pub(crate) fn platforms<'f>(fleet: &'f Fleet, host: &'f Host) -> Vec<Cow<'f, PlatformRelease>> {
    let products = products(fleet, host);
    if products.is_empty() {
        return host.platform.iter().map(Cow::Borrowed).collect();
    }
    let mut all: Vec<Cow<'f, PlatformRelease>> = products.iter().map(|it| of_product(host, it)).collect();
    all.sort_by(|a, b| a.release.cmp(&b.release));
    all.dedup_by(|a, b| match (&a.release, &b.release) {
        (Some(left), Some(right)) => one_release(&a.family, left, right),
        (left, right) => left == right,
    });
    all
}

/// The release that a host runs by a component that is its platform.
fn of_product<'f>(host: &'f Host, (one, family, train): &Product<'f>) -> Cow<'f, PlatformRelease> {
    let known = host.platform.as_ref();
    let stated = known.and_then(|it| it.release.as_deref());
    let listed = running::loaded(host, one).unwrap_or_else(|| installed(one));
    let release = settled(family, listed, stated).or(stated).unwrap_or(listed);
    match known.filter(|_| stated.is_some_and(|it| one_release(family, it, release))) {
        Some(known) => Cow::Borrowed(known),
        None => {
            let train = known.and_then(|it| it.train.as_deref()).or(*train).map(str::to_owned);
            let (family, release) = ((*family).clone(), Some(release.to_owned()));
            Cow::Owned(PlatformRelease { family, train, release })
        }
    }
}

/// Two texts name one release.
fn one_release(family: &Family, left: &str, right: &str) -> bool {
    left == right || Spelled::of(family, left).same(&Spelled::of(family, right))
}

/// What lists of releases call a platform.
pub(crate) fn product_of(family: &Family) -> Option<&'static str> {
    match family {
        Family::Esxi => Some("ESXi"),
        Family::Vcenter => Some("vCenter"),
        Family::Proxmox => Some(PROXMOX_MANAGER),
        _ => None,
    }
}

/// The package whose version is that of Proxmox VE.
pub(crate) const PROXMOX_MANAGER: &str = "pve-manager";
