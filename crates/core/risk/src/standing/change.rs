//! Change tracking and patch mechanism, told by settings of documented names; and compensating controls.

use serde_json::Value;
use underpin_model::fleet::{Host, ManagementPlane, Setting};
use underpin_model::id::TenantId;
use underpin_model::policy::{AttackPath, Control};

use super::Standings;
use super::statement::{Answer, Evidence, Facts, Source, Statement, Topic};
use crate::scope::{HostPlace, Reader};
use crate::span::Span;

/// Host setting: changes to the host are recorded (`true`, `false`).
pub const CHANGE_TRACKED: &str = "change.tracked";
/// Host setting: how patches come (`vlcm`, `apt`, `ansible`, ...; `manual` by hand, `none` not at all).
pub const PATCH_MECHANISM: &str = "patch.mechanism";

const PATHS: [AttackPath; 4] =
    [AttackPath::Network, AttackPath::Guest, AttackPath::ManagementPlane, AttackPath::Local];

impl Standings<'_> {
    /// A setting of a host with where it was seen.
    pub(super) fn setting<'h>(&'h self, host: &'h Host, name: &str) -> (Option<&'h Value>, Source<'h>) {
        let setting = host.settings.get(name);
        let source = match setting {
            Some(Setting::Seen { seen, .. }) => Source(Some(seen)),
            _ => Source::of(host, host.seen.as_deref(), &self.fleet.seen, "settings"),
        };
        (setting.map(Setting::value), source)
    }

    pub(super) fn change_tracking(&self, at: usize, host: &Host) -> Statement {
        let (value, source) = self.setting(host, CHANGE_TRACKED);
        let mut facts = Facts::default();
        let value = value.and_then(Value::as_bool);
        facts.add(format!("/hosts/{at}/settings/{CHANGE_TRACKED}"), value, source);
        facts.statement(Topic::ChangeTracking, "changes recorded")
    }

    pub(super) fn patch_mechanism(&self, at: usize, host: &Host) -> Statement {
        let path = format!("/hosts/{at}/settings/{PATCH_MECHANISM}");
        let (value, source) = self.setting(host, PATCH_MECHANISM);
        let Some(mechanism) = value.and_then(Value::as_str) else {
            let text = "how patches come is not known".to_owned();
            return Statement::unknown(Topic::PatchMechanism, text, vec![path]);
        };
        let answer = match mechanism {
            "none" => Answer::No,
            "manual" => Answer::Partly,
            _ => Answer::Yes,
        };
        let mut statement =
            Statement::new(Topic::PatchMechanism, answer, format!("patches come by: {mechanism}"));
        statement.evidence.push(source.evidence(path, mechanism.into()));
        statement
    }

    /// Of each path the controls that stand on it before a host. Scopes of tenants are asked of the tenants of all guests.
    pub(super) fn controls_of_host(&self, host: &Host) -> Vec<Statement> {
        let cluster = host.cluster.as_ref().and_then(|id| self.clusters.get(id)).map(|it| it.1);
        let place = HostPlace {
            id: &host.id,
            cluster: host.cluster.as_ref(),
            platform: host.platform.as_ref().map(|it| &it.family),
            planes: cluster.map_or(&[][..], |it| &it.managed_by),
        };
        let empty = Vec::new();
        let tenants: &Vec<Option<&TenantId>> = self.tenants_on.get(&host.id).unwrap_or(&empty);
        let standing: Vec<&Control> = self
            .policy
            .controls
            .iter()
            .zip(&self.readers)
            .filter(|(_, reader)| reader.covers_host(place, tenants.iter().copied()))
            .map(|(control, _)| control)
            .collect();
        PATHS.iter().map(|path| controls(*path, &standing)).collect()
    }

    /// Likewise before a plane, where a scope speaks of planes.
    pub(super) fn controls_of_plane(&self, plane: &ManagementPlane) -> Vec<Statement> {
        let managed = || self.fleet.clusters.iter().filter(|it| it.managed_by.contains(&plane.id));
        let covers = |reader: &Reader<'_>| reader.covers_plane(plane, managed().map(|it| &it.id));
        let all = self.policy.controls.iter().zip(&self.readers);
        let standing: Vec<&Control> =
            all.filter(|(_, reader)| covers(reader)).map(|(control, _)| control).collect();
        PATHS.iter().map(|path| controls(*path, &standing)).collect()
    }
}

/// What the controls on a path let pass: the product of their failure probabilities.
fn controls(path: AttackPath, standing: &[&Control]) -> Statement {
    let on_path: Vec<&&Control> = standing.iter().filter(|it| it.closes.contains(&path)).collect();
    let passes: f64 = on_path.iter().map(|it| it.fails.get()).product();
    let answer = match passes {
        _ if on_path.is_empty() => Answer::No,
        0.0 => Answer::Yes,
        _ => Answer::Partly,
    };
    let names: Vec<String> = on_path.iter().map(|it| format!("{} lets {} pass", it.id, it.fails)).collect();
    let text = if names.is_empty() {
        "no control of the policy stands on this path".to_owned()
    } else {
        names.join(", ")
    };
    let evidence = on_path.iter().map(|it| Evidence {
        path: format!("policy: control {}", it.id),
        value: it.fails.get().into(),
        at: None,
        by: Some(it.source.clone()),
    });
    let evidence = evidence.collect();
    Statement { open: Span::exactly(passes), evidence, ..Statement::new(Topic::Controls(path), answer, text) }
}
