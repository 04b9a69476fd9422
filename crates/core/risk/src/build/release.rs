//! When releases appeared: the younger the release that a host runs, the likelier a fault in it is still to be found.

use std::collections::BTreeMap;

use jiff::civil::Date;
use underpin_model::facts::{Family, ReleaseFact};
use underpin_model::fleet::PlatformRelease;

use crate::wait::running::{PROXMOX_MANAGER, product_of};

/// Days on which platform releases appeared, by product, train and release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseDates(BTreeMap<(Family, String), BTreeMap<Option<String>, Date>>);

impl ReleaseDates {
    /// Adds the day of a release; of several days of one release the first counts.
    pub fn insert(&mut self, family: Family, train: Option<&str>, release: &str, date: Date) {
        let trains = self.0.entry((family, release.to_owned())).or_default();
        let day = trains.entry(train.map(str::to_owned)).or_insert(date);
        *day = (*day).min(date);
    }

    /// The platform releases among facts that were published by a day. Releases of single packages are not releases of a
    /// platform: of Proxmox the manager's version is the release, of Xen the hypervisor's, of ESXi, vCenter and Windows
    /// every row; other families have no facts that name platform releases.
    #[must_use]
    pub fn from_facts(releases: &[ReleaseFact], until: Date) -> Self {
        let mut dates = Self::default();
        for fact in releases.iter().filter(|it| it.date <= until && stands(it)) {
            dates.insert(fact.family.clone(), fact.train.as_deref(), &fact.version, fact.date);
        }
        dates
    }

    /// The day of the release that a host runs; of the host's train where that is known, else the first day of any train.
    #[must_use]
    pub fn of(&self, platform: &PlatformRelease) -> Option<Date> {
        let release = platform.release.as_deref()?;
        let find = |name: &str| self.0.get(&(platform.family.clone(), name.to_owned()));
        let trains = find(release).or_else(|| find(build_number(release)?))?;
        trains.get(&platform.train).or_else(|| trains.values().min()).copied()
    }

    /// Nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The fact names a release of a platform, not of one of its packages.
fn stands(fact: &ReleaseFact) -> bool {
    match fact.family {
        Family::Esxi | Family::Vcenter | Family::Windows => true,
        Family::Proxmox => &*fact.component == PROXMOX_MANAGER,
        Family::Xen => &*fact.component == "xen",
        _ => false,
    }
}

/// The fact about the release that a host runs, as known by a day: of its train where there is one, and the first.
pub(super) fn fact_of<'f>(
    releases: &'f [ReleaseFact],
    platform: &PlatformRelease,
    until: Date,
) -> Option<&'f ReleaseFact> {
    let release = platform.release.as_deref()?;
    let named = |name: &str| {
        let of = |it: &&ReleaseFact| {
            it.family == platform.family && *it.version == *name && it.date <= until && stands(it)
        };
        releases
            .iter()
            .filter(of)
            .min_by_key(|it| (it.train.as_deref() != platform.train.as_deref(), it.date))
    };
    named(release).or_else(|| named(build_number(release)?))
}

/// What a platform is called in lists of releases: of its train where there is one, else as its other releases.
pub(super) fn component_of<'f>(releases: &'f [ReleaseFact], platform: &PlatformRelease) -> Option<&'f str> {
    let own = releases.iter().filter(|it| it.family == platform.family && stands(it));
    let first = own.min_by_key(|it| it.train.as_deref() != platform.train.as_deref());
    first.map(|it| &*it.component).or_else(|| product_of(&platform.family))
}

/// `24585383` of `VMware ESXi 8.0.3 build-24585383` and of `8.0.3-24585383`.
fn build_number(release: &str) -> Option<&str> {
    let last = release.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    (last.len() >= 5).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_is_found_by_its_name_or_its_build() {
        let mut dates = ReleaseDates::default();
        dates.insert(Family::Esxi, Some("8.0U3"), "24585383", day("2025-03-04"));
        dates.insert(Family::Esxi, Some("8.0U3"), "24585383", day("2025-04-04"));
        dates.insert(Family::Proxmox, None, "8.4.1", day("2025-04-09"));
        let of = |family, train: Option<&str>, release: Option<&str>| {
            let release = release.map(str::to_owned);
            dates.of(&PlatformRelease { family, train: train.map(str::to_owned), release })
        };
        let esxi = of(Family::Esxi, Some("8.0U3"), Some("VMware ESXi 8.0.3 build-24585383"));
        assert_eq!(esxi, Some(day("2025-03-04")));
        assert_eq!(of(Family::Proxmox, Some("8"), Some("8.4.1")), Some(day("2025-04-09")));
        assert_eq!(of(Family::Proxmox, Some("8"), Some("8.4.2")), None);
        assert_eq!(of(Family::Esxi, Some("8.0U3"), None), None);
    }
}
