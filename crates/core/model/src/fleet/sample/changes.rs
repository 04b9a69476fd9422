//! Changes that wait in a sample, and what its tenants said to them.

use super::super::{Action, Fleet, Planning};
use super::catalogue::PLATFORMS;
use super::surroundings;
use crate::change::{Change, Consent, Layer, Target};
use crate::facts::Family;

/// Every platform is to reach its newest level; most tenants agree to what cannot be avoided.
pub(super) fn fill(fleet: &mut Fleet) {
    let mut planning = Planning::default();
    for platform in PLATFORMS {
        let of = |id: &crate::id::ClusterId| {
            surroundings::platform_of(id).is_some_and(|it| it.slug == platform.slug)
        };
        let clusters: Vec<_> = fleet.clusters.iter().map(|it| it.id.clone()).filter(of).collect();
        let Some(newest) = platform.levels.last().filter(|_| !clusters.is_empty()) else { continue };
        // These keep the name of their release through updates.
        let to = match (platform.family)() {
            Family::XcpNg => Target::Component { name: "xen".to_owned(), version: newest.vmm.to_owned() },
            Family::Windows => {
                Target::Component { name: platform.vmm.to_owned(), version: newest.vmm.to_owned() }
            }
            _ => Target::Release { release: newest.release.to_owned(), via: Vec::new() },
        };
        planning.changes.push(Change {
            id: format!("{}-newest", platform.slug),
            layer: Layer::Host,
            elements: Vec::new(),
            clusters,
            platforms: Vec::new(),
            to,
            methods: Vec::new(),
            after: Vec::new(),
            units: 1,
            capacity_after: None,
            durations: None,
        });
    }
    for (number, tenant) in fleet.tenants.iter().enumerate() {
        // One tenant in ten has not answered; one refuses for some of its guests.
        if number % 10 == 9 {
            continue;
        }
        for (what, action) in
            [("cold", Action::ColdMigrate), ("suspend", Action::Suspend), ("off", Action::PowerOff)]
        {
            planning.consents.push(Consent {
                id: format!("{}-{what}", tenant.id),
                tenants: vec![tenant.id.clone()],
                applications: Vec::new(),
                vms: Vec::new(),
                action,
                granted: true,
                from: None,
                until: None,
            });
        }
        if number == 2 {
            let own = fleet.vms.iter().filter(|it| it.tenant.as_ref() == Some(&tenant.id));
            let vms: Vec<_> = own.map(|it| it.id.clone()).filter(|it| it.as_str().ends_with("33")).collect();
            // An answer that names nobody would speak of everybody.
            if !vms.is_empty() {
                planning.consents.push(Consent {
                    id: format!("{}-no", tenant.id),
                    tenants: Vec::new(),
                    applications: Vec::new(),
                    vms,
                    action: Action::PowerOff,
                    granted: false,
                    from: None,
                    until: None,
                });
            }
        }
    }
    fleet.planning = Some(planning);
}
