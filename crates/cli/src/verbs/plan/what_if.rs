//! `underpin plan what-if`: two plans from the same facts, as things are and as they might be.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use underpin_model::change::Consent;
use underpin_model::fleet::{Action, Fleet};
use underpin_model::id::{ClusterId, ElementId, TenantId, VmId};
use underpin_model::plan::{
    Bounds, ElementOutcome, Eta, Moves, Outcome, PlanReport, Profile, Relaxation, Rule,
};
use underpin_model::policy::{FailureSets, Policy, Window};
use underpin_planner::campaign::{Planned, relax, with_consent, with_most_away, with_spare_hosts};

use super::inputs::{self, Inputs, Wanted, profile};
use crate::args::{Agreed, Plain, PlanWhatIf, WhatIf};
use crate::exit::{Code, Failure};
use crate::output;
use crate::report::plan::compared;

/// What a plan comes to.
#[derive(Debug, Serialize)]
pub(crate) struct Sum {
    pub(crate) planned: usize,
    pub(crate) blocked: usize,
    pub(crate) deferred: usize,
    pub(crate) waves: usize,
    pub(crate) eta: Eta,
    pub(crate) moves: Moves,
    pub(crate) bounds: Bounds,
    /// Loss per day that is still open when the plan is over, in the policy's currency.
    pub(crate) open_loss_per_day: f64,
}

impl Sum {
    /// Of the elements that are there: hosts that are only supposed are no work that is gained.
    fn of(report: &PlanReport, there: &BTreeMap<ElementId, Outcome>) -> Self {
        let elements = || report.elements.iter().filter(|it| there.contains_key(&it.element));
        let count = |outcome| elements().filter(|it| it.outcome == outcome).count();
        Self {
            planned: count(Outcome::Planned),
            blocked: count(Outcome::Blocked),
            deferred: count(Outcome::Deferred),
            waves: report.waves.len(),
            eta: report.eta,
            moves: report.moves,
            bounds: report.bounds.clone(),
            open_loss_per_day: report.exposure.last().map_or(0.0, |it| it.loss_per_day),
        }
    }
}

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) before: Sum,
    pub(crate) after: Sum,
    /// Elements that are planned only with what might be.
    pub(crate) becomes_planned: Vec<ElementId>,
    /// Elements that are not planned any more, with why.
    pub(crate) becomes_unplanned: Vec<ElementOutcome>,
}

pub(super) fn run(arguments: &PlanWhatIf) -> Result<Code, Failure> {
    let path = &arguments.fleet;
    let inputs = inputs::read(path, &arguments.inputs)?;
    let wanted = Wanted {
        profile: Profile::Normal,
        homing: None,
        seed: arguments.seed,
        evaluations: arguments.evaluations,
        parent: None,
    };
    let before = inputs.plan(path, wanted)?;
    let relaxed = &arguments.relaxed;
    let otherwise = otherwise(inputs, relaxed, path)?;
    let wanted =
        Wanted { profile: profile(relaxed.emergency), homing: relaxed.homing.map(Into::into), ..wanted };
    let after = otherwise.plan(path, wanted)?;
    let comparison = compare(&before, &after);
    match arguments.format {
        Plain::Json => output::json(&comparison)?,
        Plain::Table => output::data(&compared::table(&comparison, &after.plan, output::width()))?,
    }
    Ok(Code::Done)
}

fn compare(before: &Planned, after: &Planned) -> Comparison {
    let of = |planned: &Planned| -> BTreeMap<ElementId, Outcome> {
        planned.report.elements.iter().map(|it| (it.element.clone(), it.outcome)).collect()
    };
    let (old, new) = (of(before), of(after));
    let planned = |map: &BTreeMap<ElementId, Outcome>, it: &ElementId| map.get(it) == Some(&Outcome::Planned);
    Comparison {
        before: Sum::of(&before.report, &old),
        after: Sum::of(&after.report, &old),
        becomes_planned: old.keys().filter(|it| planned(&new, it) && !planned(&old, it)).cloned().collect(),
        becomes_unplanned: after
            .report
            .elements
            .iter()
            .filter(|it| planned(&old, &it.element) && it.outcome != Outcome::Planned)
            .cloned()
            .collect(),
    }
}

/// The inputs as they might be.
fn otherwise(mut inputs: Inputs, relaxed: &WhatIf, path: &Path) -> Result<Inputs, Failure> {
    let fleet = &mut inputs.fleet;
    // Named twice, a cluster gets both: new hosts are numbered once.
    let mut more: BTreeMap<&ClusterId, u32> = BTreeMap::new();
    for (cluster, hosts) in &relaxed.add_host {
        let sum = more.entry(cluster).or_default();
        *sum = sum.saturating_add(*hosts);
    }
    for (cluster, hosts) in more {
        add_hosts(fleet, cluster, hosts, path)?;
    }
    for tenant in &relaxed.without_consent {
        known(fleet, tenant, path)?;
        withdraw(fleet, tenant);
    }
    for agreed in &relaxed.with_consent {
        agree(fleet, agreed, path)?;
    }
    windows_there(relaxed, &inputs.policy)?;
    for relaxation in relaxations(fleet, relaxed, path)? {
        if !relax(&relaxation, fleet, &mut inputs.policy) {
            let what = serde_json::to_string(&relaxation).unwrap_or_default();
            return Err(Failure::NotFound(format!("{}: {what} cannot be tried", path.display())));
        }
    }
    if let Some(most) = relaxed.max_unavailable {
        with_most_away(fleet, &mut inputs.policy, most);
    }
    if relaxed.without_reserve {
        inputs.policy.planning.failure_sets = FailureSets::None;
        if let Some(planning) = &mut fleet.planning {
            planning.n_plus_one = false;
        }
    }
    Ok(inputs)
}

/// What is to be longer, or lifted, must be there.
fn windows_there(relaxed: &WhatIf, policy: &Policy) -> Result<(), Failure> {
    for (tenant, minutes) in &relaxed.longer_window {
        let about = |it: &Window| match tenant {
            Some(tenant) => it.scope.tenants.contains(tenant),
            None => it.scope.tenants.is_empty(),
        };
        if !policy.planning.window.iter().any(about) {
            let whose = tenant.as_ref().map_or_else(|| "of hosts".to_owned(), |it| format!("of tenant {it}"));
            return Err(Failure::NotFound(format!(
                "--longer-window: the policy has no window {whose} that could be {minutes} minutes longer: without one they may be touched at \
                 any time; name a window's owner, or give the policy with --policy"
            )));
        }
    }
    let freezes = &policy.planning.freeze;
    match relaxed.without_freeze.iter().find(|name| !freezes.iter().any(|it| it.id == **name)) {
        Some(name) => Err(Failure::NotFound(format!(
            "--without-freeze: found {name:?}, expected the id of a freeze of the policy; give the policy with --policy"
        ))),
        None => Ok(()),
    }
}

/// What the flags name beside hosts and consents, as the planner names it where it says what would unblock.
fn relaxations(fleet: &Fleet, relaxed: &WhatIf, path: &Path) -> Result<Vec<Relaxation>, Failure> {
    let mut all = Vec::new();
    for (tenant, minutes) in &relaxed.longer_window {
        if let Some(tenant) = tenant {
            known(fleet, tenant, path)?;
        }
        all.push(Relaxation::LongerWindow { tenant: tenant.clone(), minutes: *minutes });
    }
    for (name, minutes) in &relaxed.open_window {
        let tenant = fleet.tenants.iter().map(|it| &it.id).find(|it| it.as_str() == name);
        let host = fleet.hosts.iter().map(|it| &it.id).find(|it| it.as_str() == name);
        let plane = fleet.management_planes.iter().map(|it| &it.id).find(|it| it.as_str() == name);
        if tenant.is_none() && host.is_none() && plane.is_none() {
            return Err(unknown(
                path,
                "--open-window",
                name,
                "a tenant, a host or a management plane of the fleet",
            ));
        }
        let hosts = host.filter(|_| tenant.is_none()).into_iter().cloned().collect();
        let planes = plane.filter(|_| tenant.is_none() && host.is_none()).into_iter().cloned().collect();
        all.push(Relaxation::OpenWindow { tenant: tenant.cloned(), hosts, planes, minutes: *minutes });
    }
    for (name, mbps) in &relaxed.bandwidth {
        let host = fleet.hosts.iter().map(|it| &it.id).find(|it| it.as_str() == name);
        let host = host.ok_or_else(|| unknown(path, "--bandwidth", name, "a host of the fleet"))?;
        all.push(Relaxation::Bandwidth { host: host.clone(), mbps: *mbps });
    }
    for name in &relaxed.repair {
        let clusters = fleet.clusters.iter().map(|it| it.id.as_str());
        let found = clusters.chain(fleet.storage.iter().map(|it| it.id.as_str())).any(|it| it == name);
        let element = ElementId::new(name.as_str()).ok().filter(|_| found);
        let element =
            element.ok_or_else(|| unknown(path, "--repair", name, "a cluster or storage of the fleet"))?;
        all.push(Relaxation::Repair { element });
    }
    for name in &relaxed.unlock {
        all.push(Relaxation::Unlock { vm: guest(fleet, "--unlock", name, path)? });
    }
    for text in &relaxed.with_exception {
        all.push(exception(fleet, text, path)?);
    }
    all.extend(relaxed.without_freeze.iter().map(|it| Relaxation::LiftFreeze { freeze: it.clone() }));
    Ok(all)
}

fn unknown(path: &Path, flag: &str, name: &str, expected: &str) -> Failure {
    Failure::NotFound(format!("{flag}: {}: found no {name}, expected {expected}", path.display()))
}

fn guest(fleet: &Fleet, flag: &str, name: &str, path: &Path) -> Result<VmId, Failure> {
    let vm = fleet.vms.iter().map(|it| &it.id).find(|it| it.as_str() == name);
    vm.cloned().ok_or_else(|| unknown(path, flag, name, "a guest of the fleet"))
}

/// An exception by its rule and what it is for.
fn exception(fleet: &Fleet, text: &str, path: &Path) -> Result<Relaxation, Failure> {
    let flag = "--with-exception";
    let (rule, name) = text.split_once(':').map_or((text, None), |(rule, name)| (rule, Some(name)));
    let rules = [Rule::Apart, Rule::Together, Rule::OnHosts, Rule::AllowedAction];
    match (rule, name) {
        ("release-diversity", None) => {
            Ok(Relaxation::WithoutRule { rule: Rule::ReleaseDiversity, vms: Vec::new() })
        }
        ("restartability", Some(name)) => {
            let cluster = fleet.clusters.iter().map(|it| &it.id).find(|it| it.as_str() == name).cloned();
            let cluster = cluster.ok_or_else(|| unknown(path, flag, name, "a cluster of the fleet"))?;
            Ok(Relaxation::WithoutReserve { cluster })
        }
        // Every freeze of whom it names, whichever it is.
        ("freeze-calendar", Some(name)) => {
            let tenant = fleet.tenants.iter().map(|it| &it.id).find(|it| it.as_str() == name);
            let host = fleet.hosts.iter().map(|it| &it.id).find(|it| it.as_str() == name);
            if tenant.is_none() && host.is_none() {
                return Err(unknown(path, flag, name, "a tenant or a host of the fleet"));
            }
            let hosts = host.filter(|_| tenant.is_none()).into_iter().cloned().collect();
            Ok(Relaxation::WithoutFreeze { freeze: String::new(), tenant: tenant.cloned(), hosts })
        }
        (rule, Some(name)) if rules.iter().any(|it| it.name() == rule) => {
            let rule = rules.into_iter().find(|it| it.name() == rule).unwrap_or(Rule::AllowedAction);
            Ok(Relaxation::WithoutRule { rule, vms: vec![guest(fleet, flag, name, path)?] })
        }
        _ => Err(Failure::NotFound(format!(
            "{flag} {text}: expected restartability:CLUSTER, release-diversity, freeze-calendar:TENANT|HOST, or one of apart, together, on-hosts, allowed-action \
             with :VM; other rules have no exception that a plan could be tried with"
        ))),
    }
}

/// The same new hosts as the planner tries where it says what would unblock.
fn add_hosts(fleet: &mut Fleet, cluster: &ClusterId, hosts: u32, path: &Path) -> Result<(), Failure> {
    if with_spare_hosts(fleet, cluster, hosts) {
        return Ok(());
    }
    Err(Failure::NotFound(format!(
        "--add-host {cluster}: {} has no host in a cluster of this id, that a new one could be like",
        path.display()
    )))
}

fn known(fleet: &Fleet, tenant: &TenantId, path: &Path) -> Result<(), Failure> {
    if fleet.tenants.iter().any(|it| it.id == *tenant) {
        return Ok(());
    }
    let names: Vec<&str> = fleet.tenants.iter().map(|it| it.id.as_str()).take(12).collect();
    Err(Failure::NotFound(format!(
        "{}: found no tenant {tenant}, expected one of the fleet's: {}",
        path.display(),
        names.join(", ")
    )))
}

/// An owner agrees, for whatever it has or for one guest.
fn agree(fleet: &mut Fleet, agreed: &Agreed, path: &Path) -> Result<(), Failure> {
    let Agreed { tenant, action, vm } = agreed;
    if let Some(tenant) = tenant {
        known(fleet, tenant, path)?;
    }
    let mut vms = Vec::new();
    if let Some(name) = vm {
        let own = fleet.vms.iter().find(|it| it.id.as_str() == name && it.tenant == *tenant);
        let whose = tenant.as_ref().map_or_else(|| "no tenant".to_owned(), |it| format!("tenant {it}"));
        let own = own.ok_or_else(|| {
            unknown(path, "--with-consent", name, &format!("a guest of {whose} in the fleet"))
        })?;
        vms.push(own.id.clone());
    }
    with_consent(fleet, tenant.as_ref(), *action, &vms);
    Ok(())
}

/// Takes a tenant out of every answer that speaks of it by name; what speaks of everybody is overruled for it.
fn withdraw(fleet: &mut Fleet, tenant: &TenantId) {
    let Some(planning) = &mut fleet.planning else { return };
    take_out(&mut planning.consents, tenant, |it| it.granted);
    for action in [Action::LiveMigrate, Action::ColdMigrate, Action::Suspend, Action::PowerOff] {
        let of_all = |it: &Consent| it.granted && it.action == action && it.tenants.is_empty();
        if planning.consents.iter().any(of_all) {
            planning.consents.push(answer(tenant, action, false));
        }
    }
}

/// Answers of one kind speak of a tenant no more; those that spoke of nobody else are gone.
fn take_out(consents: &mut Vec<Consent>, tenant: &TenantId, which: impl Fn(&Consent) -> bool) {
    consents.retain_mut(|it| {
        if !which(it) || !it.tenants.contains(tenant) {
            return true;
        }
        it.tenants.retain(|other| other != tenant);
        !it.tenants.is_empty()
    });
}

fn answer(tenant: &TenantId, action: Action, granted: bool) -> Consent {
    Consent {
        id: "what-if".to_owned(),
        tenants: vec![tenant.clone()],
        applications: Vec::new(),
        vms: Vec::new(),
        action,
        granted,
        from: None,
        until: None,
    }
}
