//! At which level the availability of a guest lives, and what that leaves of an outage when its host is down.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use underpin_model::facts::Family;
use underpin_model::fleet::{AffinityKind, Fleet, PowerState, Strength, Vm};
use underpin_model::id::{ApplicationId, ClusterId, HostId, StorageId, VmId};
use underpin_model::policy::Parameter;

/// A level at which availability can live, the one that leaves least open first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The guests of an application stand in for each other.
    GuestClustering,
    /// A second copy of the guest runs in step.
    FaultTolerance,
    /// The guest is restarted on another host.
    HostRestart,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::GuestClustering, Self::FaultTolerance, Self::HostRestart];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::GuestClustering => "guest clustering",
            Self::FaultTolerance => "fault tolerance",
            Self::HostRestart => "restart on another host",
        }
    }

    fn leaves(self) -> Left {
        match self {
            Self::GuestClustering | Self::FaultTolerance => Left::Copies,
            Self::HostRestart => Left::Restart,
        }
    }
}

/// What is left of an outage for a guest whose host is down, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Left {
    /// What is left where a copy stands in.
    Copies,
    /// What is left where the guest is restarted.
    Restart,
    /// All of it.
    Whole,
}

impl Left {
    /// The share of the outage, by the parameters of a policy.
    pub(crate) fn share(self, parameter: impl Fn(Parameter) -> f64) -> f64 {
        match self {
            Self::Copies => parameter(Parameter::CopiesLeave),
            Self::Restart => parameter(Parameter::RestartLeaves),
            Self::Whole => 1.0,
        }
    }
}

/// Which levels hold for a guest, level by level as in [`Level::ALL`]; `None`: the facts do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holds(pub(crate) [Option<bool>; 3]);

impl Holds {
    /// The best that is known to hold.
    pub(crate) fn best(self) -> Option<Level> {
        Level::ALL.into_iter().zip(self.0).find(|it| it.1 == Some(true)).map(|it| it.0)
    }

    /// What is left if no level holds of which it is not known.
    pub(crate) fn at_worst(self) -> Left {
        self.best().map_or(Left::Whole, Level::leaves)
    }

    /// What is left if all of those hold.
    pub(crate) fn at_best(self) -> Left {
        let unknown = Level::ALL.into_iter().zip(self.0).filter(|it| it.1.is_none());
        unknown.map(|it| it.0.leaves()).fold(self.at_worst(), Left::min)
    }
}

/// Where live guests of an application in one role are.
#[derive(Debug, Clone, Copy)]
enum Spread<'f> {
    One(&'f HostId),
    Several,
}

/// The facts of a fleet that decide about levels.
#[derive(Debug)]
pub(crate) struct Levels<'f> {
    /// Clusters of hosts, and whether a second copy of a guest may run in step there.
    hosts: FxHashMap<&'f HostId, (Option<&'f ClusterId>, bool)>,
    /// Whether clusters restart guests of a failed host.
    restarts: FxHashMap<&'f ClusterId, Option<bool>>,
    shared: FxHashMap<&'f StorageId, Option<bool>>,
    spread: FxHashMap<(&'f ApplicationId, &'f str), Spread<'f>>,
    /// VMs that must stand apart from another VM of their application, with the position of the rule.
    apart: FxHashMap<&'f VmId, usize>,
}

impl<'f> Levels<'f> {
    pub(crate) fn of(fleet: &'f Fleet) -> Self {
        // Of two elements with one id, which a checked file never has, the first counts.
        let facts = fleet.hosts.iter().rev().map(|it| {
            let family = it.platform.as_ref().map(|it| &it.family);
            (&it.id, (it.cluster.as_ref(), family.is_none_or(|it| *it == Family::Esxi)))
        });
        let mut levels = Self {
            hosts: facts.collect(),
            restarts: fleet.clusters.iter().rev().map(|it| (&it.id, it.ha_restart)).collect(),
            shared: fleet.storage.iter().rev().map(|it| (&it.id, it.shared)).collect(),
            spread: FxHashMap::default(),
            apart: apart(fleet),
        };
        for vm in fleet.vms.iter().filter(|it| is_live(it)) {
            if let (Some(application), Some(role), Some(host)) = (&vm.application, &vm.role, &vm.host) {
                let spread = levels.spread.entry((application, role)).or_insert(Spread::One(host));
                if matches!(spread, Spread::One(one) if *one != host) {
                    *spread = Spread::Several;
                }
            }
        }
        levels
    }

    /// The levels of a guest.
    pub(crate) fn holds(&self, vm: &'f Vm) -> Holds {
        Holds([self.clustering(vm), self.fault_tolerance(vm), self.restart(vm)])
    }

    /// The position of the rule that keeps a VM apart from another VM of its application.
    pub(crate) fn rule(&self, vm: &Vm) -> Option<usize> {
        self.apart.get(&vm.id).copied()
    }

    /// Live guests of its application are on several hosts in its role; `None`: it has no known application or role.
    pub(crate) fn is_spread(&self, vm: &'f Vm) -> Option<bool> {
        let at = (vm.application.as_ref()?, vm.role.as_deref()?);
        Some(matches!(self.spread.get(&at), Some(Spread::Several)))
    }

    /// Its platform may run a second copy in step: ESXi, or one that is not known. Elsewhere such a copy is an extra, which the field says.
    pub(crate) fn may_run_in_step(&self, vm: &Vm) -> bool {
        vm.host.as_ref().and_then(|it| self.hosts.get(it)).is_none_or(|it| it.1)
    }

    /// VMs of one application that must stand apart, or that run in one role on several hosts.
    fn clustering(&self, vm: &'f Vm) -> Option<bool> {
        if self.rule(vm).is_some() { Some(true) } else { Some(self.is_spread(vm)? && is_live(vm)) }
    }

    fn fault_tolerance(&self, vm: &Vm) -> Option<bool> {
        fault_tolerance(vm).or_else(|| (!self.may_run_in_step(vm)).then_some(false))
    }

    /// The cluster restarts, and every storage of the VM is shared: otherwise no other host can start it.
    fn restart(&self, vm: &Vm) -> Option<bool> {
        let of_host = vm.host.as_ref().and_then(|it| self.hosts.get(it)).and_then(|it| it.0);
        let cluster = of_host.or(vm.cluster.as_ref());
        let restarts = cluster.and_then(|it| self.restarts.get(it)).copied().flatten();
        let shared = |it: &StorageId| self.shared.get(it).copied().flatten();
        if restarts == Some(false) || vm.storage.iter().any(|it| shared(it) == Some(false)) {
            return Some(false);
        }
        let all = !vm.storage.is_empty() && vm.storage.iter().all(|it| shared(it) == Some(true));
        (restarts == Some(true) && all).then_some(true)
    }
}

/// The field `fault_tolerance` of a VM, which the file form does not know and keeps.
pub(crate) fn fault_tolerance(vm: &Vm) -> Option<bool> {
    vm.extra.get("fault_tolerance").and_then(serde_json::Value::as_bool)
}

/// A guest that runs, or of which it is not known: what is off or suspended to disk opens no way and loses no hour.
pub(crate) fn is_live(vm: &Vm) -> bool {
    matches!(vm.power, Some(PowerState::On) | None)
}

fn apart(fleet: &Fleet) -> FxHashMap<&VmId, usize> {
    let rules = fleet.affinities.iter().enumerate();
    let rules: Vec<_> =
        rules.filter(|(_, it)| it.kind == AffinityKind::Apart && it.strength == Strength::Must).collect();
    let named: FxHashSet<&VmId> = rules.iter().flat_map(|it| &it.1.vms).collect();
    let of_application = fleet.vms.iter().filter(|it| named.contains(&it.id));
    let applications: FxHashMap<&VmId, &ApplicationId> =
        of_application.filter_map(|it| Some((&it.id, it.application.as_ref()?))).collect();
    let mut apart = FxHashMap::default();
    for (at, rule) in rules {
        let mut sizes: FxHashMap<&ApplicationId, u32> = FxHashMap::default();
        for application in rule.vms.iter().filter_map(|vm| applications.get(vm)) {
            *sizes.entry(application).or_default() += 1;
        }
        for vm in &rule.vms {
            if applications.get(vm).and_then(|it| sizes.get(it)).is_some_and(|it| *it > 1) {
                apart.entry(vm).or_insert(at);
            }
        }
    }
    apart
}
