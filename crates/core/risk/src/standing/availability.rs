//! At which level availability lives: in the guests, beneath a guest, in the cluster, or nowhere.

use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::Value;
use underpin_model::fleet::{Action, AffinityKind, Cluster, Host, PowerState, Strength, Vm};
use underpin_model::id::{ApplicationId, VmId};

use super::statement::{Answer, Evidence, Facts, Source, Statement, Topic};
use super::{Placed, Standings};
use crate::span::Span;

/// What a restart on another host leaves open, of an outage without any: the guest is away for the time of a boot. A judgement.
pub const RESTART_OPEN: f64 = 0.5;

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
    fn words(self) -> &'static str {
        match self {
            Self::GuestClustering => "guest clustering",
            Self::FaultTolerance => "fault tolerance",
            Self::HostRestart => "restart on another host",
        }
    }

    fn open(self) -> f64 {
        if self == Self::HostRestart { RESTART_OPEN } else { 0.0 }
    }
}

/// Whether a level holds, and the facts that say so.
struct Found {
    level: Level,
    holds: Option<bool>,
    evidence: Vec<Evidence>,
    missing: Vec<String>,
}

impl<'f> Standings<'f> {
    pub(super) fn index_clustering(&mut self) {
        let mut applications: FxHashMap<&VmId, &ApplicationId> = FxHashMap::default();
        for vm in &self.fleet.vms {
            let tenant = vm.tenant.as_ref().or_else(|| {
                let (_, application) = self.applications.get(vm.application.as_ref()?)?;
                application.tenant.as_ref()
            });
            if let Some(host) = vm.host.as_ref().filter(|_| is_live(vm)) {
                self.tenants_on.entry(host).or_default().push(tenant);
            }
            let Some(application) = &vm.application else { continue };
            applications.insert(&vm.id, application);
            if let (Some(role), Some(host)) = (&vm.role, &vm.host)
                && is_live(vm)
            {
                self.spread.entry((application, role)).or_default().insert(host);
            }
        }
        for list in self.tenants_on.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        for (at, rule) in self.fleet.affinities.iter().enumerate() {
            if rule.kind != AffinityKind::Apart || rule.strength != Strength::Must {
                continue;
            }
            let mut sizes: FxHashMap<&ApplicationId, u32> = FxHashMap::default();
            for application in rule.vms.iter().filter_map(|vm| applications.get(vm)) {
                *sizes.entry(application).or_default() += 1;
            }
            for vm in &rule.vms {
                let together = applications.get(vm).and_then(|it| sizes.get(it)).copied().unwrap_or(0);
                if together > 1 {
                    self.apart.entry(vm).or_insert(at);
                }
            }
        }
    }

    pub(super) fn availability_level(&self, at: usize, vm: &'f Vm) -> Statement {
        let found = [self.clustering(at, vm), self.fault_tolerance(at, vm), self.restart_of(at, vm)];
        let best = found.iter().find(|it| it.holds == Some(true)).map(|it| it.level);
        let unknown: Vec<&Found> = found.iter().filter(|it| it.holds.is_none()).collect();
        let worst_open = best.map_or(1.0, Level::open);
        let best_open = unknown.iter().map(|it| it.level.open()).fold(worst_open, f64::min);
        let open = Span { low: best_open, value: f64::midpoint(best_open, worst_open), high: worst_open };
        let answer = match best {
            Some(_) => Answer::Yes,
            None if unknown.is_empty() => Answer::No,
            None => Answer::Unknown,
        };
        let mut text = best.map_or_else(
            || "no level is known to hold".to_owned(),
            |it| format!("availability lives in {}", it.words()),
        );
        if best.is_none() && unknown.is_empty() {
            "nothing stands in for this VM".clone_into(&mut text);
        }
        if !unknown.is_empty() {
            let names: Vec<&str> = unknown.iter().map(|it| it.level.words()).collect();
            text = format!("{text}; not known: {}", names.join(", "));
        }
        let mut statement = Statement { open, ..Statement::new(Topic::AvailabilityLevel, answer, text) };
        for one in found {
            statement.evidence.extend(one.evidence);
            statement.missing.extend(one.missing);
        }
        statement
    }

    /// VMs of one application that must stand apart, or that run in one role on several hosts.
    fn clustering(&self, at: usize, vm: &Vm) -> Found {
        let mut found =
            Found { level: Level::GuestClustering, holds: None, evidence: vec![], missing: vec![] };
        let source = |field| Source::of(vm, vm.seen.as_deref(), &self.fleet.seen, field);
        if let Some(rule) = self.apart.get(&vm.id) {
            let path = format!("/affinities/{rule}");
            found.evidence.push(Source(Some(&self.fleet.seen)).evidence(path, "apart, must".into()));
            found.holds = Some(true);
            return found;
        }
        let (Some(application), Some(role)) = (&vm.application, &vm.role) else {
            let field = if vm.application.is_none() { "application" } else { "role" };
            found.missing.push(format!("/vms/{at}/{field}"));
            return found;
        };
        let hosts = self.spread.get(&(application, role.as_str())).map_or(0, |it| it.len());
        let path = format!("/vms/{at}/role");
        let value = Value::from(format!("{role} of {application}, on {hosts} hosts"));
        found.evidence.push(source("role").evidence(path, value));
        found.holds = Some(hosts > 1 && is_live(vm));
        found
    }

    /// The field `fault_tolerance` of a VM, which the file form does not know and keeps.
    fn fault_tolerance(&self, at: usize, vm: &Vm) -> Found {
        let path = format!("/vms/{at}/fault_tolerance");
        let holds = vm.extra.get("fault_tolerance").and_then(Value::as_bool);
        let source = Source::of(vm, vm.seen.as_deref(), &self.fleet.seen, "fault_tolerance");
        let (mut evidence, mut missing) = (vec![], vec![]);
        match holds {
            Some(value) => evidence.push(source.evidence(path, value.into())),
            None => missing.push(path),
        }
        Found { level: Level::FaultTolerance, holds, evidence, missing }
    }

    /// The cluster restarts, and every storage of the VM is shared: otherwise no other host can start it.
    fn restart_of(&self, at: usize, vm: &Vm) -> Found {
        let host = vm.host.as_ref().and_then(|id| self.hosts.get(id));
        let cluster = host.and_then(|it| it.1.cluster.as_ref()).or(vm.cluster.as_ref());
        let cluster = cluster.and_then(|id| self.clusters.get(id)).copied();
        let restart = self.restart(cluster);
        let shared = self.shared_storage_of_vm(at, vm);
        let holds = match (restart.answer, shared.answer) {
            (Answer::No, _) | (_, Answer::No | Answer::Partly) => Some(false),
            (Answer::Yes | Answer::Partly, Answer::Yes) => Some(true),
            _ => None,
        };
        let mut evidence = restart.evidence;
        evidence.extend(shared.evidence);
        let mut missing = restart.missing;
        missing.extend(shared.missing);
        if holds.is_some() {
            missing.clear();
        }
        Found { level: Level::HostRestart, holds, evidence, missing }
    }

    /// Restart of guests by the cluster; partly without room held back for it.
    pub(super) fn restart(&self, cluster: Option<Placed<'_, Cluster>>) -> Statement {
        let topic = Topic::HostRestart;
        let Some((at, cluster)) = cluster else {
            let text = "the cluster is not known".to_owned();
            return Statement::unknown(topic, text, vec!["/hosts/*/cluster".to_owned()]);
        };
        let source = |field| Source::of(cluster, cluster.seen.as_deref(), &self.fleet.seen, field);
        let path = |field: &str| format!("/clusters/{at}/{field}");
        let Some(restart) = cluster.ha_restart else {
            let text = "whether guests of a failed host are restarted is not known".to_owned();
            return Statement::unknown(topic, text, vec![path("ha_restart")]);
        };
        let (answer, text) = match (restart, cluster.admission_control) {
            (false, _) => (Answer::No, "guests of a failed host are not restarted"),
            (true, Some(true)) => (Answer::Yes, "guests of a failed host are restarted; room is held back"),
            (true, Some(false)) => {
                (Answer::Partly, "guests of a failed host are restarted while there is room")
            }
            (true, None) => (
                Answer::Partly,
                "guests of a failed host are restarted; whether room is held back is not known",
            ),
        };
        let mut statement = Statement::new(topic, answer, text.to_owned());
        statement.evidence.push(source("ha_restart").evidence(path("ha_restart"), restart.into()));
        match cluster.admission_control {
            Some(room) => {
                let evidence = source("admission_control").evidence(path("admission_control"), room.into());
                statement.evidence.push(evidence);
            }
            None if restart => {
                statement.missing.push(path("admission_control"));
                statement.open = Span { low: 0.0, value: 0.25, high: 0.5 };
            }
            None => {}
        }
        statement
    }

    pub(super) fn balancing(&self, cluster: Option<Placed<'_, Cluster>>) -> Statement {
        let mut facts = Facts::default();
        match cluster {
            Some((at, cluster)) => {
                let source = Source::of(cluster, cluster.seen.as_deref(), &self.fleet.seen, "load_balancing");
                facts.add(format!("/clusters/{at}/load_balancing"), cluster.load_balancing, source);
            }
            None => facts.missing.push("/hosts/*/cluster".to_owned()),
        }
        facts.statement(Topic::LoadBalancing, "guests are moved by load")
    }

    pub(super) fn allowed_actions(&self, at: usize, vm: &Vm) -> Statement {
        let path = format!("/vms/{at}/allowed_actions");
        if vm.allowed_actions.is_empty() {
            let text = "nothing is known to be allowed".to_owned();
            return Statement::unknown(Topic::AllowedActions, text, vec![path]);
        }
        let live = vm.allowed_actions.contains(&Action::LiveMigrate) && vm.passthrough.is_empty();
        let names: Vec<Value> =
            vm.allowed_actions.iter().filter_map(|it| serde_json::to_value(it).ok()).collect();
        let (answer, text) = if live {
            (Answer::Yes, "may move while it runs: planned work need not stop it")
        } else {
            (Answer::Partly, "may not move while it runs: planned work stops it")
        };
        let mut statement = Statement::new(Topic::AllowedActions, answer, text.to_owned());
        let source = Source::of(vm, vm.seen.as_deref(), &self.fleet.seen, "allowed_actions");
        statement.evidence.push(source.evidence(path, Value::Array(names)));
        statement
    }

    /// The storage that the VM names; where it names none, what its host reaches says nothing of it.
    pub(super) fn shared_storage_of_vm(&self, at: usize, vm: &Vm) -> Statement {
        let mut facts = Facts::default();
        if vm.storage.is_empty() {
            facts.missing.push(format!("/vms/{at}/storage"));
        }
        for (at, storage) in self.placed_storage(&vm.storage) {
            let source = Source::of(storage, storage.seen.as_deref(), &self.fleet.seen, "shared");
            facts.add(format!("/storage/{at}/shared"), storage.shared, source);
        }
        facts.statement(Topic::SharedStorage, "its storage is shared")
    }

    pub(super) fn shared_storage_of_host(&self, at: usize, host: &Host) -> Statement {
        let mut facts = Facts::default();
        if host.reach.storage.is_empty() {
            facts.missing.push(format!("/hosts/{at}/reach/storage"));
        }
        for (at, storage) in self.placed_storage(&host.reach.storage) {
            let source = Source::of(storage, storage.seen.as_deref(), &self.fleet.seen, "shared");
            facts.add(format!("/storage/{at}/shared"), storage.shared, source);
        }
        facts.statement(Topic::SharedStorage, "storage is shared")
    }
}

fn is_live(vm: &Vm) -> bool {
    matches!(vm.power, Some(PowerState::On) | None)
}
