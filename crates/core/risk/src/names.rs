//! Names in the policy that nothing in the fleet has: a rate, a control or a promise for `acme-corp` does nothing where the
//! fleet calls it `acme`, and nobody would see it in the figures.

use std::fmt;

use rustc_hash::FxHashSet;
use serde::Serialize;
use underpin_model::facts::Family;
use underpin_model::fleet::Fleet;
use underpin_model::policy::{Policy, Scope};

/// Names of one list that are written out.
const NAMED: usize = 3;

/// Names in one place of the policy that the fleet does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnknownNames {
    /// Where in the policy: `loss.tenant`, `control vpn.scope.hosts`.
    pub place: String,
    /// What they should name: `tenant`, `cluster`, `host`, `management plane`, `platform`.
    pub what: &'static str,
    /// The first of them, in their order.
    pub names: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for UnknownNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, what, names, more } = self;
        write!(f, "{place}: the fleet has no {what} {}", names.join(", "))?;
        if *more > 0 {
            write!(f, " and {more} more")?;
        }
        f.write_str("; it has no effect there: correct the name, or take it out")
    }
}

/// All names in the losses and in the scopes of controls, accepted risks and promises that the fleet does not have.
#[must_use]
pub fn unknown_names(fleet: &Fleet, policy: &Policy) -> Vec<UnknownNames> {
    let rates: Vec<&str> = policy.loss.tenants.keys().map(|it| it.as_str()).collect();
    let mut asked: Vec<Asked<'_>> = vec![("loss.tenant".to_owned(), TENANT, rates)];
    for control in &policy.controls {
        add_scope(&mut asked, &format!("control {}", control.id), &control.scope);
    }
    for (at, risk) in policy.accepted.iter().enumerate() {
        add_scope(&mut asked, &format!("accepted_risk.{at} ({})", risk.vulnerability), &risk.scope);
    }
    let mut unknown = unknown(fleet, &asked);
    unknown.extend(unknown_in_promises(fleet, policy));
    unknown
}

/// Those in the scopes of promises.
#[must_use]
pub fn unknown_in_promises(fleet: &Fleet, policy: &Policy) -> Vec<UnknownNames> {
    let mut asked = Vec::new();
    for promise in &policy.promises {
        add_scope(&mut asked, &format!("promise {}", promise.id), &promise.scope);
    }
    unknown(fleet, &asked)
}

/// Names in one place: where, of what kind, which.
type Asked<'p> = (String, &'static str, Vec<&'p str>);

fn unknown(fleet: &Fleet, asked: &[Asked<'_>]) -> Vec<UnknownNames> {
    let mut unknown = Vec::new();
    for what in [TENANT, CLUSTER, HOST, PLANE, PLATFORM] {
        let of_kind = || asked.iter().filter(|it| it.1 == what && !it.2.is_empty());
        if of_kind().next().is_none() {
            continue;
        }
        let known = known(fleet, what);
        for (place, what, names) in of_kind() {
            let mut missing: Vec<&str> = names.iter().copied().filter(|name| !known.contains(name)).collect();
            missing.sort_unstable();
            missing.dedup();
            if !missing.is_empty() {
                let more = missing.len().saturating_sub(NAMED);
                let names = missing.into_iter().take(NAMED).map(str::to_owned).collect();
                unknown.push(UnknownNames { place: place.clone(), what, names, more });
            }
        }
    }
    unknown
}

const TENANT: &str = "tenant";
const CLUSTER: &str = "cluster";
const HOST: &str = "host";
const PLANE: &str = "management plane";
const PLATFORM: &str = "platform";

fn add_scope<'p>(asked: &mut Vec<Asked<'p>>, of: &str, scope: &'p Scope) {
    let mut add = |key: &str, what, names| asked.push((format!("{of}.scope.{key}"), what, names));
    add("tenants", TENANT, scope.tenants.iter().map(|it| it.as_str()).collect());
    add("clusters", CLUSTER, scope.clusters.iter().map(|it| it.as_str()).collect());
    add("hosts", HOST, scope.hosts.iter().map(|it| it.as_str()).collect());
    add("planes", PLANE, scope.planes.iter().map(|it| it.as_str()).collect());
    add("platforms", PLATFORM, scope.platforms.iter().map(Family::name).collect());
}

/// Names of a kind that the fleet knows, listed or referred to: an element may name a tenant that no list has.
fn known<'f>(fleet: &'f Fleet, what: &str) -> FxHashSet<&'f str> {
    match what {
        TENANT => {
            let listed = fleet.tenants.iter().map(|it| it.id.as_str());
            let of_vms = fleet.vms.iter().filter_map(|it| it.tenant.as_ref());
            let of_applications = fleet.applications.iter().filter_map(|it| it.tenant.as_ref());
            listed.chain(of_vms.chain(of_applications).map(|it| it.as_str())).collect()
        }
        CLUSTER => {
            let of_hosts = fleet.hosts.iter().filter_map(|it| it.cluster.as_ref());
            fleet.clusters.iter().map(|it| &it.id).chain(of_hosts).map(|it| it.as_str()).collect()
        }
        HOST => fleet.hosts.iter().map(|it| it.id.as_str()).collect(),
        PLATFORM => {
            let of_hosts = fleet.hosts.iter().filter_map(|it| it.platform.as_ref()).map(|it| &it.family);
            let of_planes = fleet.management_planes.iter().filter_map(|it| it.platform.as_ref());
            of_hosts.chain(of_planes).map(Family::name).collect()
        }
        _ => {
            let of_clusters = fleet.clusters.iter().flat_map(|it| &it.managed_by);
            let listed = fleet.management_planes.iter().map(|it| &it.id);
            listed.chain(of_clusters).map(|it| it.as_str()).collect()
        }
    }
}
