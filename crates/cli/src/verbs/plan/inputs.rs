//! What a plan is made from: fleet, policy, facts, and the losses of hosts that follow from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use underpin_exposure::{Options, assess};
use underpin_model::facts::Family;
use underpin_model::fleet::{Checked, Fleet};
use underpin_model::id::HostId;
use underpin_model::plan::Profile;
use underpin_model::policy::{Homing, Policy, Scope};
use underpin_planner::campaign::{Parent, PlanError, Planned, Request, plan};
use underpin_risk::per_host::loss_per_day;

use super::files::sha256;
use crate::args::{HomingChoice, PlanInputs};
use crate::exit::Failure;
use crate::facts;
use crate::output::say;
use crate::verbs::opening::{FLEET_CHECK, warn};

/// Everything that a plan is made from.
pub(super) struct Inputs {
    pub(super) fleet: Fleet,
    pub(super) fleet_sha256: String,
    pub(super) policy: Policy,
    pub(super) policy_sha256: Option<String>,
    pub(super) starts_at: Timestamp,
    pub(super) loss_per_day: BTreeMap<HostId, f64>,
}

/// How a plan is to be made.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) profile: Profile,
    pub(super) homing: Option<Homing>,
    pub(super) seed: u64,
    pub(super) evaluations: u64,
    pub(super) parent: Option<Parent<'a>>,
}

impl From<HomingChoice> for Homing {
    fn from(choice: HomingChoice) -> Self {
        match choice {
            HomingChoice::Drift => Self::Drift,
            HomingChoice::Home => Self::Home,
        }
    }
}

/// The profile that a flag asks for.
pub(super) fn profile(emergency: bool) -> Profile {
    if emergency { Profile::Emergency } else { Profile::Normal }
}

/// Reads all of it, and says on stderr what is suspicious in it.
pub(super) fn read(path: &Path, arguments: &PlanInputs) -> Result<Inputs, Failure> {
    let now = Timestamp::now();
    let starts_at = arguments.starts_at.unwrap_or(now);
    let (policy, policy_sha256) = match arguments.policy.as_deref() {
        Some(path) => {
            let bytes = facts::bytes(path)?;
            let digest = sha256(&bytes);
            (facts::policy_of(path, bytes)?, Some(digest))
        }
        None => (Policy::default(), None),
    };
    let bytes = facts::bytes(path)?;
    let Checked { fleet, warnings } = facts::fleet_of(path, &bytes)?;
    warn(&warnings, FLEET_CHECK);
    for warning in unknown_names(&fleet, &policy) {
        say!("warning: {warning}");
    }
    let old = underpin_risk::freshness::inventory_warning(&fleet, starts_at);
    warn(old.as_slice(), "");
    let fleet_sha256 = sha256(&bytes);
    let loss_per_day = losses(arguments, &fleet, &policy, starts_at, now)?;
    Ok(Inputs { fleet, fleet_sha256, policy, policy_sha256, starts_at, loss_per_day })
}

/// What the holes of each host stand for; nothing where there are no facts to say it.
fn losses(
    arguments: &PlanInputs,
    fleet: &Fleet,
    policy: &Policy,
    at: Timestamp,
    now: Timestamp,
) -> Result<BTreeMap<HostId, f64>, Failure> {
    if arguments.no_builtin && arguments.feeds.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (base, _) = facts::base(&arguments.feeds, !arguments.no_builtin, now)?;
    let assessment = assess(fleet, &base, &Options::at(at));
    loss_per_day(fleet, &assessment, &base, policy).map_err(|error| Failure::Policy {
        source_name: "the policy".to_owned(),
        problems: vec![format!("  {error}")],
    })
}

impl Inputs {
    /// Makes a plan.
    pub(super) fn plan(&self, path: &Path, wanted: Wanted<'_>) -> Result<Planned, Failure> {
        let request = Request {
            fleet: &self.fleet,
            policy: &self.policy,
            starts_at: self.starts_at,
            profile: wanted.profile,
            homing: wanted.homing,
            seed: wanted.seed,
            evaluations: wanted.evaluations,
            loss_per_day: &self.loss_per_day,
            parent: wanted.parent,
            fleet_sha256: Some(&self.fleet_sha256),
            policy_sha256: self.policy_sha256.as_deref(),
        };
        plan(&request).map_err(|error| refused(path, &error))
    }
}

/// A fleet without changes is told how to write them.
fn refused(path: &Path, error: &PlanError) -> Failure {
    let problem = match error {
        PlanError::Start { .. } => {
            return Failure::Usage(error.to_string().replacen("starts_at", "--starts-at", 1));
        }
        PlanError::NoChanges => {
            "  /planning/changes: found none, expected at least one: a target and the elements that are to reach it, such as \
             {\"id\": \"esxi-8.0.3\", \"clusters\": [\"c1\"], \"to\": {\"release\": {\"release\": \"8.0.3\"}}} \
             (docs/guide/plan.md has every key)"
                .to_owned()
        }
        PlanError::Policy(why) | PlanError::Fleet(why) => format!("  {why}"),
    };
    Failure::Fleet { source_name: path.display().to_string(), problems: vec![problem] }
}

/// Names in scopes of `[planning]` that nothing in the fleet has: what they are meant to hold back is not held back.
fn unknown_names(fleet: &Fleet, policy: &Policy) -> Vec<String> {
    let planning = &policy.planning;
    let clusters: BTreeSet<&str> = fleet.clusters.iter().map(|it| it.id.as_str()).collect();
    let hosts: BTreeSet<&str> = fleet.hosts.iter().map(|it| it.id.as_str()).collect();
    let planes: BTreeSet<&str> = fleet.management_planes.iter().map(|it| it.id.as_str()).collect();
    let tenants: BTreeSet<&str> = fleet.tenants.iter().map(|it| it.id.as_str()).collect();
    let domains: BTreeSet<&str> = fleet.fault_domains.iter().map(|it| it.id.as_str()).collect();
    let families: BTreeSet<String> =
        fleet.hosts.iter().filter_map(|it| it.platform.as_ref()).map(|it| it.family.to_string()).collect();
    // vCenter is that of no host, whether a plane says its own or not.
    let of_planes = fleet.management_planes.iter().filter_map(|it| it.platform.as_ref());
    let plane_families: BTreeSet<String> =
        of_planes.chain([&Family::Vcenter]).map(ToString::to_string).collect();
    let mut unknown = Vec::new();
    let mut add = |place: String, name: &str, list: &str, known: bool| {
        if !known {
            unknown.push(format!("{place}: found {name:?}, expected a name among the fleet's {list}"));
        }
    };
    let vms: BTreeSet<&str> = if planning.controllers.is_empty() {
        BTreeSet::new()
    } else {
        fleet.vms.iter().map(|it| it.id.as_str()).collect()
    };
    for it in &planning.controllers {
        add("planning.controllers".to_owned(), it.as_str(), "vms", vms.contains(it.as_str()));
    }
    let windows = planning.window.iter().map(|it| (format!("planning.window {}", it.id), &it.scope));
    let freezes = planning.freeze.iter().map(|it| (format!("planning.freeze {}", it.id), &it.scope));
    let exceptions = planning.exception.iter().map(|it| (format!("planning.exception {}", it.id), &it.scope));
    for (place, scope) in windows.chain(freezes).chain(exceptions) {
        let Scope {
            clusters: of_clusters,
            hosts: of_hosts,
            planes: named_planes,
            tenants: of_tenants,
            platforms,
        } = scope;
        let place = |list: &str| format!("{place}.scope.{list}");
        for it in of_clusters {
            add(place("clusters"), it.as_str(), "clusters", clusters.contains(it.as_str()));
        }
        for it in of_hosts {
            add(place("hosts"), it.as_str(), "hosts", hosts.contains(it.as_str()));
        }
        for it in named_planes {
            add(place("planes"), it.as_str(), "management_planes", planes.contains(it.as_str()));
        }
        for it in of_tenants {
            add(place("tenants"), it.as_str(), "tenants", tenants.contains(it.as_str()));
        }
        for it in platforms.iter().map(ToString::to_string) {
            // Beside `planes` a platform is theirs; alone it is about hosts.
            let of_planes = plane_families.contains(&it);
            let list =
                if of_planes { "platforms of hosts; name planes in `planes`" } else { "platforms of hosts" };
            let known = families.contains(&it) || (of_planes && !named_planes.is_empty());
            add(place("platforms"), &it, list, known);
        }
    }
    for domain in planning.most_away.fault_domains.keys() {
        let place = "planning.most_away.fault_domains".to_owned();
        add(place, domain.as_str(), "fault_domains", domains.contains(domain.as_str()));
    }
    unknown
}
