//! At which level availability lives: in the guests, beneath a guest, in the cluster, or nowhere.

use serde_json::Value;
use underpin_model::fleet::{Action, Cluster, Host, Vm};

use super::statement::{Answer, Evidence, Facts, Source, Statement, Topic};
use super::{Placed, Standings};
use crate::levels::{self, Left, Level, is_live};
use crate::span::Span;

/// The facts that say whether a level holds, and those that are missing.
#[derive(Default)]
struct Found {
    evidence: Vec<Evidence>,
    missing: Vec<String>,
}

impl<'f> Standings<'f> {
    pub(super) fn index_tenants(&mut self) {
        for vm in self.fleet.vms.iter().filter(|it| is_live(it)) {
            let tenant = vm.tenant.as_ref().or_else(|| {
                let (_, application) = self.applications.get(vm.application.as_ref()?)?;
                application.tenant.as_ref()
            });
            if let Some(host) = &vm.host {
                self.tenants_on.entry(host).or_default().push(tenant);
            }
        }
        for list in self.tenants_on.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
    }

    pub(super) fn availability_level(&self, at: usize, vm: &'f Vm) -> Statement {
        let holds = self.levels.holds(vm);
        let found =
            [self.clustering(at, vm), self.fault_tolerance(at, vm), self.restart_of(at, vm, holds.0[2])];
        let best = holds.best();
        let unknown: Vec<Level> =
            Level::ALL.into_iter().zip(holds.0).filter(|it| it.1.is_none()).map(|it| it.0).collect();
        let share = |it: Left| it.share(|it| self.policy.parameters.get(it));
        let (low, high) = (share(holds.at_best()), share(holds.at_worst()));
        let open = Span { low, value: high, high };
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
            let names: Vec<&str> = unknown.iter().map(|it| it.words()).collect();
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
    fn clustering(&self, at: usize, vm: &'f Vm) -> Found {
        let mut found = Found::default();
        if let Some(rule) = self.levels.rule(vm) {
            let path = format!("/affinities/{rule}");
            found.evidence.push(Source(Some(&self.fleet.seen)).evidence(path, "apart, must".into()));
            return found;
        }
        let (Some(application), Some(role)) = (&vm.application, &vm.role) else {
            let field = if vm.application.is_none() { "application" } else { "role" };
            found.missing.push(format!("/vms/{at}/{field}"));
            return found;
        };
        let hosts = if self.levels.is_spread(vm) == Some(true) { "several hosts" } else { "one host" };
        let source = Source::of(vm, vm.seen.as_deref(), &self.fleet.seen, "role");
        let value = Value::from(format!("{role} of {application}, on {hosts}"));
        found.evidence.push(source.evidence(format!("/vms/{at}/role"), value));
        found
    }

    /// The field of the VM, else the platform of its host, of which only ESXi offers it.
    fn fault_tolerance(&self, at: usize, vm: &'f Vm) -> Found {
        let mut found = Found::default();
        let path = format!("/vms/{at}/fault_tolerance");
        if let Some(value) = levels::fault_tolerance(vm) {
            let source = Source::of(vm, vm.seen.as_deref(), &self.fleet.seen, "fault_tolerance");
            found.evidence.push(source.evidence(path, value.into()));
        } else if self.levels.may_run_in_step(vm) {
            found.missing.push(path);
        } else if let Some((at, host)) = vm.host.as_ref().and_then(|it| self.hosts.get(it)) {
            let family = host.platform.as_ref().map(|it| it.family.to_string());
            let source = Source::of(*host, host.seen.as_deref(), &self.fleet.seen, "platform");
            found.evidence.push(source.evidence(format!("/hosts/{at}/platform/family"), family.into()));
        }
        found
    }

    /// The cluster restarts, and every storage of the VM is shared: otherwise no other host can start it.
    fn restart_of(&self, at: usize, vm: &Vm, holds: Option<bool>) -> Found {
        let host = vm.host.as_ref().and_then(|id| self.hosts.get(id));
        let cluster = host.and_then(|it| it.1.cluster.as_ref()).or(vm.cluster.as_ref());
        let cluster = cluster.and_then(|id| self.clusters.get(id)).copied();
        let restart = self.restart(cluster);
        let shared = self.shared_storage_of_vm(at, vm);
        let mut found = Found { evidence: restart.evidence, missing: restart.missing };
        found.evidence.extend(shared.evidence);
        found.missing.extend(shared.missing);
        if holds.is_some() {
            found.missing.clear();
        }
        found
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
