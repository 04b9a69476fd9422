//! What the hosts of a fleet have installed, for the policy that counts applicable patches only.

use rustc_hash::FxHashSet;
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, Install};

use super::Patch;
use crate::subject::sets_of;

/// Names of what the hosts of a fleet have installed. Guests and images do not count: they are not put into maintenance
/// with the host.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    names: FxHashSet<(Family, String)>,
    products: FxHashSet<Family>,
    hosts: usize,
    unknown: usize,
    /// Of the hosts without a component those that may have packages, because their platform is not one product.
    unknown_packages: usize,
    unknown_platform: usize,
}

impl Installed {
    /// The components of all hosts, by binary and source package name.
    #[must_use]
    pub fn on_hosts(fleet: &Fleet) -> Self {
        let mut installed = Self { hosts: fleet.hosts.len(), ..Self::default() };
        for host in &fleet.hosts {
            let sets = sets_of(fleet, &host.component_sets, host.components.as_ref());
            let family = host.platform.as_ref().map(|platform| &platform.family);
            let names_none = sets.iter().all(|set| set.components.is_empty());
            let is_whole = matches!(family, Some(Family::Esxi | Family::Windows));
            installed.unknown += usize::from(names_none);
            installed.unknown_packages += usize::from(names_none && !is_whole);
            installed.unknown_platform += usize::from(family.is_none());
            installed.products.extend(family.cloned());
            for set in sets {
                let own = set.components.iter().filter(|one| one.install != Install::ConfigFiles);
                for component in own {
                    let Some(family) = component.family.as_ref().or(set.family.as_ref()) else { continue };
                    let source = component.source.as_ref().map(|source| source.name.as_str());
                    for name in [Some(component.name.as_str()), source].into_iter().flatten() {
                        installed.names.insert((family.clone(), name.to_ascii_lowercase()));
                    }
                }
            }
        }
        installed
    }

    /// Whether some host has the component of a patch. A platform that is one product is installed where a host runs it.
    #[must_use]
    pub fn has(&self, patch: &Patch) -> bool {
        (is_product(patch) && self.products.contains(&patch.family))
            || self.names.contains(&(patch.family.clone(), patch.component.to_ascii_lowercase()))
    }

    /// Whether some host may have the component of a patch, because what it has is not known.
    pub(super) fn may_have(&self, patch: &Patch) -> bool {
        match patch.family {
            // It runs in a guest or an appliance.
            Family::Vcenter => false,
            _ if is_product(patch) => self.unknown_platform > 0,
            Family::IntelMicrocode => self.unknown > 0,
            _ => self.unknown_packages > 0,
        }
    }

    /// Hosts, and those of which no component is known.
    #[must_use]
    pub fn hosts(&self) -> (usize, usize) {
        (self.hosts, self.unknown)
    }
}

/// Whether a patch is one of a platform as a whole, which a host has because it runs the platform.
fn is_product(patch: &Patch) -> bool {
    matches!(patch.family, Family::Esxi | Family::Windows | Family::XenServer)
        || ["proxmox-ve", "xcp-ng"].contains(&&*patch.component)
}
