//! Small instances with a proven number of waves: an array of objects with capacities, demands and groups.

use serde::Deserialize;
use underpin_model::fleet::{Affinity, AffinityKind, Fleet, Planning, Seen, Strength};

use super::{InstanceError, cluster, host, plannable, too_many, vm};

#[derive(Deserialize)]
struct Raw {
    id: String,
    host_cap: Vec<[u64; 2]>,
    vm_dem: Vec<[u64; 2]>,
    vm_host: Vec<usize>,
    #[serde(default)]
    anti_affinity: Vec<Vec<usize>>,
    #[serde(default)]
    n_plus: bool,
    #[serde(default)]
    max_hosts_per_wave: u32,
}

/// Reads one instance of the array: by its `id`, by its position, or the only one.
///
/// # Errors
/// The place that is wrong, or what instances there are.
pub fn waves_json(text: &str, which: Option<&str>, seen: Seen) -> Result<Fleet, InstanceError> {
    let mut all: Vec<Raw> = serde_json::from_str(text).map_err(|error| {
        InstanceError::new("the file", error.to_string(), "a JSON array of wave instances")
    })?;
    let count = all.len();
    let at = match which {
        None if count == 1 => Some(0),
        None => None,
        Some(which) => all
            .iter()
            .position(|it| it.id == which)
            .or_else(|| which.parse().ok().filter(|at: &usize| *at < count)),
    };
    let Some(at) = at else {
        let first = all.first().map_or("none", |it| it.id.as_str());
        let found = which.unwrap_or("no instance named").to_owned();
        let expected =
            format!("the id or the position of one of the {count} instances (the first is {first})");
        return Err(InstanceError::new("the instance", found, expected));
    };
    fleet(&all.swap_remove(at), at, seen)
}

fn fleet(raw: &Raw, at: usize, seen: Seen) -> Result<Fleet, InstanceError> {
    let (hosts, vms) = (raw.host_cap.len(), raw.vm_dem.len());
    too_many("host_cap", hosts)?;
    too_many("vm_dem", vms)?;
    if raw.vm_host.len() != vms {
        let found = format!("{} hosts of VMs", raw.vm_host.len());
        return Err(InstanceError::new(format!("/{at}/vm_host"), found, format!("{vms}, one for each VM")));
    }
    let mut fleet = Fleet::new(raw.id.clone(), seen);
    let pool = cluster(&mut fleet, "cluster")?;
    for (number, capacity) in raw.host_cap.iter().enumerate() {
        let (vcpus, memory_mib) = amounts(capacity, || format!("/{at}/host_cap/{number}"))?;
        fleet.hosts.push(host(&format!("host-{number}"), &pool, Some(vcpus), Some(memory_mib))?);
    }
    for (number, (demand, on)) in raw.vm_dem.iter().zip(&raw.vm_host).enumerate() {
        let Some(on) = fleet.hosts.get(*on) else {
            let place = format!("/{at}/vm_host/{number}");
            return Err(InstanceError::new(place, on.to_string(), format!("an index below {hosts}")));
        };
        let mut vm = vm(&format!("vm-{number}"), Some(on), &pool)?;
        let (vcpus, memory_mib) = amounts(demand, || format!("/{at}/vm_dem/{number}"))?;
        (vm.vcpus, vm.memory_mib) = (Some(vcpus), Some(memory_mib));
        fleet.vms.push(vm);
    }
    for (number, group) in raw.anti_affinity.iter().enumerate() {
        let mut rule = Affinity {
            kind: AffinityKind::Apart,
            strength: Strength::Must,
            vms: Vec::new(),
            hosts: Vec::new(),
        };
        for member in group {
            let Some(vm) = fleet.vms.get(*member) else {
                let place = format!("/{at}/anti_affinity/{number}");
                return Err(InstanceError::new(place, member.to_string(), format!("indices below {vms}")));
            };
            rule.vms.push(vm.id.clone());
        }
        fleet.affinities.push(rule);
    }
    fleet.planning = Some(Planning {
        max_hosts_per_wave: (raw.max_hosts_per_wave > 0).then_some(raw.max_hosts_per_wave),
        n_plus_one: raw.n_plus,
        ..Planning::default()
    });
    Ok(plannable(fleet))
}

/// vCPUs, and GiB as MiB.
fn amounts([vcpus, memory_gib]: &[u64; 2], place: impl Fn() -> String) -> Result<(u32, u64), InstanceError> {
    let vcpus = u32::try_from(*vcpus)
        .map_err(|_| InstanceError::new(place(), vcpus.to_string(), format!("at most {} vCPUs", u32::MAX)))?;
    let memory_mib = memory_gib.checked_mul(1024).filter(|it| *it <= 1 << 40);
    let memory_mib = memory_mib
        .ok_or_else(|| InstanceError::new(place(), memory_gib.to_string(), "at most 2^30 GiB of memory"))?;
    Ok((vcpus, memory_mib))
}
