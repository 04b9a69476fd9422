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
}

impl Installed {
    /// The components of all hosts, by binary and source package name.
    #[must_use]
    pub fn on_hosts(fleet: &Fleet) -> Self {
        let mut installed = Self { hosts: fleet.hosts.len(), ..Self::default() };
        for host in &fleet.hosts {
            let sets = sets_of(fleet, &host.component_sets, host.components.as_ref());
            installed.unknown += usize::from(sets.iter().all(|set| set.components.is_empty()));
            if let Some(platform) = &host.platform {
                installed.products.insert(platform.family.clone());
            }
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
        let is_product = matches!(patch.family, Family::Esxi | Family::Windows | Family::XenServer)
            || ["proxmox-ve", "xcp-ng"].contains(&&*patch.component);
        (is_product && self.products.contains(&patch.family))
            || self.names.contains(&(patch.family.clone(), patch.component.to_ascii_lowercase()))
    }

    /// Hosts, and those of which no component is known.
    #[must_use]
    pub fn hosts(&self) -> (usize, usize) {
        (self.hosts, self.unknown)
    }
}
