//! Waves for a fleet file: one instance per cluster, and the answers put together.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::fleet::{Affinity, AffinityKind, Fleet, Planning, PowerState, Strength, Vm};

use super::report::{Answer, ClusterReport, FleetWaves, LeftOut, Status, WaveReport, together};
use super::{
    Among, BadInstance, HostSpec, Infeasible, Instance, Options, Outcome, Proof, Solution, StartViolation,
    VmSpec, solve,
};
use crate::groups;

/// Violations of the start that a report spells out; the rest is counted.
const SHOWN_VIOLATIONS: usize = 20;

/// The hosts and VMs of one cluster, by position in the fleet file.
pub(crate) struct Members {
    pub(crate) name: String,
    pub(crate) hosts: Vec<usize>,
    pub(crate) vms: Vec<usize>,
}

/// Plans the waves of every cluster of a fleet by the static model, or its reboot groups if its planning section asks
/// for them.
///
/// # Errors
/// [`BadInstance`] when an amount or a count is beyond what can be summed up.
pub fn plan_waves(fleet: &Fleet, options: &Options) -> Result<FleetWaves, BadInstance> {
    let (clusters, left_out) = clusters(fleet);
    if let Some(model) = fleet.planning.as_ref().and_then(|it| it.reboot_groups.as_ref()) {
        let all = Members {
            name: fleet.name.clone(),
            hosts: (0..fleet.hosts.len()).collect(),
            vms: clusters.iter().flat_map(|it| it.vms.iter().copied()).collect(),
        };
        return Ok(together(fleet, vec![groups::fleet::answer(fleet, model, &all)], left_out));
    }
    let rules = Rules::new(fleet, &clusters);
    let answers: Result<Vec<Answer>, BadInstance> =
        clusters.iter().enumerate().map(|(at, it)| cluster(fleet, it, &rules, at, options)).collect();
    Ok(together(fleet, answers?, left_out))
}

/// The clusters with a host; a host in none is one by itself, since nothing says that a VM can leave it.
fn clusters(fleet: &Fleet) -> (Vec<Members>, LeftOut) {
    let mut number: FxHashMap<&str, usize> = FxHashMap::default();
    let mut of_host: FxHashMap<&str, usize> = FxHashMap::default();
    let mut clusters: Vec<Members> = Vec::new();
    for (at, host) in fleet.hosts.iter().enumerate() {
        let name = host.cluster.as_ref().map_or(host.id.as_str(), |it| it.as_str());
        let next = clusters.len();
        let cluster = *number.entry(name).or_insert(next);
        if cluster == next {
            clusters.push(Members { name: name.to_owned(), hosts: Vec::new(), vms: Vec::new() });
        }
        clusters[cluster].hosts.push(at);
        of_host.insert(host.id.as_str(), cluster);
    }
    let mut left_out = LeftOut::default();
    for (at, vm) in fleet.vms.iter().enumerate() {
        let by_host = vm.host.as_ref().and_then(|host| of_host.get(host.as_str()));
        let by_cluster = || vm.cluster.as_ref().and_then(|it| number.get(it.as_str()));
        let runs = vm.power == Some(PowerState::On) || (vm.power.is_none() && by_host.is_some());
        match by_host.or_else(by_cluster) {
            _ if matches!(vm.power, Some(PowerState::Off | PowerState::Suspended)) => {
                left_out.not_running += 1;
            }
            Some(cluster) if runs => clusters[*cluster].vms.push(at),
            _ => left_out.nowhere += 1,
        }
    }
    (clusters, left_out)
}

/// Rules that must hold, by position in the fleet file; those of one cluster are cut out of them.
struct Rules<'f> {
    planning: Planning,
    positions: FxHashMap<&'f str, usize>,
    /// Root of each VM among those that must be together with it.
    bundle: Vec<usize>,
    cluster_of: Vec<usize>,
    musts: Vec<&'f Affinity>,
}

impl<'f> Rules<'f> {
    fn new(fleet: &'f Fleet, clusters: &[Members]) -> Self {
        let hosts = fleet.hosts.iter().enumerate().map(|(at, it)| (it.id.as_str(), at));
        let vms = fleet.vms.iter().enumerate().map(|(at, it)| (it.id.as_str(), at));
        let positions: FxHashMap<&str, usize> = hosts.chain(vms).collect();
        let musts: Vec<&Affinity> =
            fleet.affinities.iter().filter(|it| it.strength == Strength::Must).collect();
        let mut bundle: Vec<usize> = (0..fleet.vms.len()).collect();
        for rule in musts.iter().filter(|it| it.kind == AffinityKind::Together) {
            let members: Vec<usize> =
                rule.vms.iter().filter_map(|vm| positions.get(vm.as_str()).copied()).collect();
            for pair in members.windows(2) {
                let (a, b) = (root(&bundle, pair[0]), root(&bundle, pair[1]));
                bundle[a.max(b)] = a.min(b);
            }
        }
        for vm in 0..bundle.len() {
            bundle[vm] = root(&bundle, vm);
        }
        let mut cluster_of = vec![usize::MAX; fleet.vms.len()];
        for (at, cluster) in clusters.iter().enumerate() {
            for vm in &cluster.vms {
                cluster_of[*vm] = at;
            }
        }
        let planning = fleet.planning.clone().unwrap_or_default();
        Self { planning, positions, bundle, cluster_of, musts }
    }
}

fn root(of: &[usize], vm: usize) -> usize {
    let mut at = vm;
    while of[at] != at {
        at = of[at];
    }
    at
}

fn cluster(
    fleet: &Fleet,
    members: &Members,
    rules: &Rules<'_>,
    number: usize,
    options: &Options,
) -> Result<Answer, BadInstance> {
    let hosts = members.hosts.iter().filter(|at| fleet.hosts[**at].maintenance != Some(true)).count();
    let report = ClusterReport {
        cluster: members.name.clone(),
        hosts,
        vms: members.vms.len(),
        status: Status::Unknown,
        waves: None,
        lower_bound: BTreeMap::new(),
        moves: 0,
        moves_bound: 0,
        infeasible: None,
        unknown: None,
        start: Vec::new(),
    };
    let mut answer = Answer { report, schedule: Vec::new() };
    let cut = Cut::new(fleet, members, rules, number);
    let instance = match (cut.contradiction(fleet), cut.instance(fleet, members)) {
        (Some(reason), _) => {
            answer.report.status = Status::Infeasible;
            answer.report.infeasible = Some(Infeasible { reason, proof: Proof::Bound });
            return Ok(answer);
        }
        (None, Err(unknown)) => {
            answer.report.unknown = Some(unknown);
            return Ok(answer);
        }
        (None, Ok(instance)) => instance,
    };
    let solution = solve(&instance, options)?;
    answer.report.start = violations(&instance);
    fill(&mut answer, fleet, members, &cut, &solution);
    Ok(answer)
}

/// The rules of one cluster, in terms of bundles: VMs that must be together count as one.
struct Cut<'r, 'f> {
    rules: &'r Rules<'f>,
    number: usize,
    /// Bundle of each VM of the cluster, by position in the fleet file.
    unit: FxHashMap<usize, usize>,
    /// VMs of each bundle.
    units: Vec<Vec<usize>>,
    local_host: FxHashMap<usize, usize>,
}

impl<'r, 'f> Cut<'r, 'f> {
    fn new(fleet: &Fleet, members: &Members, rules: &'r Rules<'f>, number: usize) -> Self {
        debug_assert!(members.vms.iter().all(|vm| *vm < fleet.vms.len()));
        let mut of_root: FxHashMap<usize, usize> = FxHashMap::default();
        let mut unit = FxHashMap::default();
        let mut units: Vec<Vec<usize>> = Vec::new();
        for vm in &members.vms {
            let next = units.len();
            let at = *of_root.entry(rules.bundle[*vm]).or_insert(next);
            if at == next {
                units.push(Vec::new());
            }
            units[at].push(*vm);
            unit.insert(*vm, at);
        }
        let local_host = members.hosts.iter().enumerate().map(|(local, at)| (*at, local)).collect();
        Self { rules, number, unit, units, local_host }
    }

    /// Bundles that a rule names, as far as they are in this cluster.
    /// Each once, however often it is named.
    fn named<I: AsRef<str>>(&self, vms: &[I]) -> Vec<usize> {
        let mut once = FxHashSet::default();
        let position = |vm: &I| self.rules.positions.get(vm.as_ref());
        let positions = vms.iter().filter_map(position).filter(|it| once.insert(**it));
        positions.filter_map(|at| self.unit.get(at).copied()).collect()
    }

    fn hosts_named<I: AsRef<str>>(&self, hosts: &[I]) -> Vec<usize> {
        let position = |host: &I| self.rules.positions.get(host.as_ref());
        hosts.iter().filter_map(position).filter_map(|at| self.local_host.get(at).copied()).collect()
    }

    /// Must-rules that exclude each other.
    fn contradiction(&self, fleet: &Fleet) -> Option<String> {
        for rule in &self.rules.musts {
            let inside = self.named(&rule.vms);
            let name = |at: usize| fleet.vms.get(at).map_or("", |vm| vm.id.as_str());
            if rule.kind == AffinityKind::Apart {
                let once: FxHashSet<&str> = rule.vms.iter().map(|it| it.as_str()).collect();
                let mut seen = FxHashSet::default();
                let mut distinct = once
                    .iter()
                    .filter_map(|vm| self.rules.positions.get(*vm))
                    .filter(|vm| self.unit.contains_key(vm))
                    .collect::<Vec<_>>();
                distinct.sort_unstable();
                if let Some(vm) = distinct.into_iter().find(|vm| !seen.insert(self.unit[*vm])) {
                    return Some(format!(
                        "VM {} must be together with a VM that it must be apart from",
                        name(*vm)
                    ));
                }
            }
            if rule.kind == AffinityKind::Together && !inside.is_empty() {
                let placed = rule.vms.iter().filter_map(|vm| self.rules.positions.get(vm.as_str()).copied());
                let elsewhere = |at: &usize| {
                    let cluster = self.rules.cluster_of.get(*at).copied().unwrap_or(usize::MAX);
                    cluster != usize::MAX && cluster != self.number
                };
                if let Some(other) = placed.into_iter().find(elsewhere) {
                    return Some(format!(
                        "VM {} is in another cluster than VMs that it must be together with",
                        name(other)
                    ));
                }
            }
        }
        None
    }

    /// The instance, or what would have to be known.
    fn instance(&self, fleet: &Fleet, members: &Members) -> Result<Instance, String> {
        let planning = &self.rules.planning;
        let (resources, capacities, demands) = amounts(fleet, members)?;
        let mut instance = Instance {
            resources,
            n_plus_one: planning.n_plus_one,
            max_hosts_per_wave: planning
                .max_hosts_per_wave
                .map(|it| usize::try_from(it).unwrap_or(usize::MAX)),
            ..Instance::default()
        };
        for (host, capacity) in members.hosts.iter().zip(capacities) {
            let host = &fleet.hosts[*host];
            let away = host.maintenance == Some(true);
            instance.hosts.push(HostSpec { name: host.id.to_string(), capacity, away });
        }
        let demand_of: FxHashMap<usize, Vec<i64>> = members.vms.iter().copied().zip(demands).collect();
        for unit in &self.units {
            let mut demand = vec![0i64; instance.resources.len()];
            for vm in unit {
                for (sum, amount) in demand.iter_mut().zip(demand_of.get(vm).into_iter().flatten()) {
                    *sum = sum.saturating_add(*amount);
                }
            }
            let name = unit.first().map(|vm| fleet.vms[*vm].id.to_string()).unwrap_or_default();
            let host = unit.iter().find_map(|vm| self.host_of(&fleet.vms[*vm]));
            let vms = u32::try_from(unit.len()).unwrap_or(u32::MAX);
            instance.vms.push(VmSpec { name, demand, host, vms });
        }
        self.add_rules(&mut instance);
        Ok(instance)
    }

    fn host_of(&self, vm: &Vm) -> Option<usize> {
        let position = self.rules.positions.get(vm.host.as_ref()?.as_str())?;
        self.local_host.get(position).copied()
    }

    fn add_rules(&self, instance: &mut Instance) {
        for rule in &self.rules.musts {
            let vms = self.named(&rule.vms);
            match rule.kind {
                AffinityKind::Apart if vms.len() > 1 => instance.apart.push(vms),
                AffinityKind::OnHosts if !vms.is_empty() && !rule.hosts.is_empty() => {
                    // Each VM by itself: they need not be on one of the hosts together.
                    instance.parts.push(self.hosts_named(&rule.hosts));
                    let part = instance.parts.len() - 1;
                    instance.among.push(Among { vms, parts: vec![part] });
                }
                _ => {}
            }
        }
        let mut number: FxHashMap<&str, usize> = FxHashMap::default();
        for (name, hosts) in &self.rules.planning.parts {
            number.insert(name, instance.parts.len());
            instance.parts.push(self.hosts_named(hosts));
        }
        for among in &self.rules.planning.among {
            let vms = self.named(&among.vms);
            let parts = among.parts.iter().filter_map(|it| number.get(it.as_str()).copied()).collect();
            if !vms.is_empty() {
                instance.among.push(Among { vms, parts });
            }
        }
    }
}

type Amounts = (Vec<String>, Vec<Vec<i64>>, Vec<Vec<i64>>);

/// Capacities and demands of the resources that are known. One that no host tells is not looked at; one that only some
/// tell leaves the answer unknown.
fn amounts(fleet: &Fleet, members: &Members) -> Result<Amounts, String> {
    let mut resources = Vec::new();
    let mut capacities = vec![Vec::new(); members.hosts.len()];
    let mut demands = vec![Vec::new(); members.vms.len()];
    let size = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    // Huge pages count where a guest needs some; a host that names none has none.
    let huge = members.vms.iter().any(|it| fleet.vms[*it].hugepages_mib.is_some_and(|it| it > 0));
    let names = ["vCPU", "MiB of memory", "MiB of huge pages"];
    for (at, resource) in names.into_iter().enumerate().filter(|it| it.0 < 2 || huge) {
        let capacity = |host: &usize| {
            let capacity = fleet.hosts[*host].capacity.as_ref()?;
            match at {
                0 => capacity.vcpus.map(u64::from),
                1 => capacity.memory_mib,
                _ => Some(capacity.hugepages_mib.unwrap_or(0)),
            }
        };
        let demand = |vm: &usize| {
            let vm = &fleet.vms[*vm];
            let huge = vm.hugepages_mib.unwrap_or(0);
            match at {
                0 => vm.vcpus.map(u64::from),
                1 => vm.memory_mib.map(|it| it.saturating_sub(huge)),
                _ => Some(huge),
            }
        };
        let of_hosts: Vec<Option<u64>> = members.hosts.iter().map(capacity).collect();
        if of_hosts.iter().all(Option::is_none) {
            continue;
        }
        resources.push(resource.to_owned());
        for (local, amount) in of_hosts.into_iter().enumerate() {
            let host = &fleet.hosts[members.hosts[local]];
            let amount = amount.or((host.maintenance == Some(true)).then_some(0));
            let Some(amount) = amount else {
                return Err(format!("how much {resource} host {} can carry is not known", host.id));
            };
            capacities[local].push(size(amount));
        }
        for (local, vm) in members.vms.iter().enumerate() {
            let Some(amount) = demand(vm) else {
                return Err(format!("how much {resource} VM {} takes is not known", fleet.vms[*vm].id));
            };
            demands[local].push(size(amount));
        }
    }
    if resources.is_empty() && !members.vms.is_empty() {
        return Err(format!("no host of {} tells what it can carry", members.name));
    }
    Ok((resources, capacities, demands))
}

fn violations(instance: &Instance) -> Vec<String> {
    let found = instance.start_violations();
    let text = |violation: &StartViolation| match violation {
        StartViolation::Overcommitted { host, resource, excess } => {
            let excess = super::instance::amount(*excess, resource);
            format!("host {} carries {excess} more than it can", instance.host_name(*host))
        }
        StartViolation::NotApart { group, host } => {
            format!("VMs of group {group} that must be apart share host {}", instance.host_name(*host))
        }
        StartViolation::NotAmong { group } => {
            format!("VMs of group {group} that must be in one part are not")
        }
        StartViolation::OnAway { vm, host } => {
            let (vm, host) = (instance.vm_name(*vm), instance.host_name(*host));
            format!("VM {vm} is on host {host}, which is in maintenance")
        }
    };
    let mut lines: Vec<String> = found.iter().take(SHOWN_VIOLATIONS).map(text).collect();
    if found.len() > SHOWN_VIOLATIONS {
        lines.push(format!("and {} more", found.len() - SHOWN_VIOLATIONS));
    }
    lines
}

fn fill(answer: &mut Answer, fleet: &Fleet, members: &Members, cut: &Cut<'_, '_>, solution: &Solution) {
    let report = &mut answer.report;
    report.lower_bound = solution.lower_bound.iter().map(|(name, it)| ((*name).to_owned(), *it)).collect();
    if !report.lower_bound.is_empty() {
        report.lower_bound.insert("best".to_owned(), solution.best_bound());
    }
    report.status = match &solution.outcome {
        Outcome::Optimal => Status::Optimal,
        Outcome::Feasible => Status::Feasible,
        Outcome::Infeasible(why) => {
            report.infeasible = Some(why.clone());
            Status::Infeasible
        }
        Outcome::Unknown(why) => {
            report.unknown = Some(why.clone());
            Status::Unknown
        }
    };
    if matches!(report.status, Status::Optimal | Status::Feasible) {
        report.waves = Some(solution.schedule.len());
    }
    report.moves_bound = solution.moves_bound;
    let mut last: Vec<Option<usize>> =
        fleet.vms.iter().map(|vm| cut.host_of(vm).map(|it| members.hosts[it])).collect();
    for wave in &solution.schedule {
        let mut placement = vec![None; fleet.vms.len()];
        for (vms, host) in cut.units.iter().zip(&wave.placement) {
            for vm in vms {
                let host = members.hosts[*host];
                placement[*vm] = Some(host);
                report.moves += u64::from(last[*vm].is_some_and(|it| it != host));
                last[*vm] = Some(host);
            }
        }
        let hosts = wave.hosts.iter().map(|host| members.hosts[*host]).collect();
        answer.schedule.push(WaveReport { hosts, placement });
    }
}
