//! Fleets, assessments and policies by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_exposure::decision;
use underpin_exposure::report::{
    Area, Assessment, Asset, AssetKind, Context, CvssView, Finding, Fix, Group, Needed, Status, Summary,
    VulnerabilityView,
};
use underpin_model::facts::{Family, PatchClass, Restart, VulnerabilityFacts};
use underpin_model::fleet::{
    Cluster, Fleet, Host, ManagementInterface, ManagementPlane, Network, PlatformRelease, PowerState, Seen,
    Tenant, Vm,
};
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, NetworkId, TenantId, VmId, VulnerabilityId};
use underpin_model::policy::{self, Policy};
use underpin_risk::build::{Built, Options, ReleaseDates, build};
use underpin_risk::portfolio::{Cause, HostClass, Response};

/// Everything lost, from inside a guest.
pub(crate) const ESCAPE: &str = "CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H";
/// Everything lost, over the network.
pub(crate) const REMOTE: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

pub(crate) fn at() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

pub(crate) fn host_id(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

pub(crate) fn tenant_id(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

/// A fleet with a public and a management network.
pub(crate) fn fleet() -> Fleet {
    let mut fleet = Fleet::new("small", Seen { at: at(), by: "hand".to_owned() });
    for (id, exposed) in [("inside", Some(false)), ("public", Some(true)), ("somewhere", None)] {
        let mut network = Network::new(NetworkId::new(id).unwrap());
        network.publicly_exposed = exposed;
        fleet.networks.push(network);
    }
    fleet
}

/// A way in from a network.
pub(crate) fn way_in(kind: &str, network: &str) -> ManagementInterface {
    ManagementInterface {
        kind: kind.to_owned(),
        listen: None,
        networks: vec![NetworkId::new(network).unwrap()],
        enabled: Some(true),
        authentication: vec![],
    }
}

/// What is known of every host.
const PLATFORM: &str = r#"{"components": [{"name": "proxmox-kernel-6.8.12-4-pve", "version": "1"},
    {"name": "pve-qemu-kvm", "version": "1"}]}"#;

/// Adds a host with one SSH from inside, a kernel and an emulator, and guests of one tenant.
pub(crate) fn add_host(fleet: &mut Fleet, id: &str, guests: &[(&str, usize)]) {
    let mut host = Host::new(host_id(id));
    host.management_interfaces = vec![way_in("ssh", "inside")];
    host.platform = Some(PlatformRelease {
        family: Family::Proxmox,
        train: Some("8".to_owned()),
        release: Some("8.4.1".to_owned()),
    });
    host.components = serde_json::from_str(PLATFORM).unwrap();
    fleet.hosts.push(host);
    for (tenant, count) in guests {
        if !fleet.tenants.iter().any(|it| it.id.as_str() == *tenant) {
            fleet.tenants.push(Tenant::new(tenant_id(tenant)));
        }
        for number in 0..*count {
            let mut vm = Vm::new(VmId::new(format!("{id}-{tenant}-{number}")).unwrap());
            vm.host = Some(host_id(id));
            vm.tenant = Some(tenant_id(tenant));
            vm.power = Some(PowerState::On);
            fleet.vms.push(vm);
        }
    }
}

/// Puts hosts into a cluster that a plane manages.
pub(crate) fn add_plane(fleet: &mut Fleet, plane: &str, hosts: &[&str]) {
    let id = ManagementPlaneId::new(plane).unwrap();
    let cluster = ClusterId::new(format!("of-{plane}")).unwrap();
    let mut one = ManagementPlane::new(id.clone());
    one.management_interfaces = vec![way_in("https", "inside")];
    fleet.management_planes.push(one);
    let mut under = Cluster::new(cluster.clone());
    under.managed_by = vec![id];
    fleet.clusters.push(under);
    for host in fleet.hosts.iter_mut().filter(|it| hosts.contains(&it.id.as_str())) {
        host.cluster = Some(cluster.clone());
    }
}

/// An assessment by hand.
pub(crate) struct Facts {
    pub(crate) assessment: Assessment,
}

impl Facts {
    pub(crate) fn new() -> Self {
        Self {
            assessment: Assessment {
                as_of: at(),
                feeds: vec![],
                summary: Summary::default(),
                groups: vec![],
                findings: vec![],
                vulnerabilities: BTreeMap::new(),
            },
        }
    }

    /// Tells a vulnerability.
    pub(crate) fn knows(
        mut self,
        id: &str,
        vector: Option<&str>,
        epss: Option<f64>,
        kev: Option<&str>,
    ) -> Self {
        let id = VulnerabilityId::new(id).unwrap();
        let view = VulnerabilityView {
            id: id.clone(),
            aliases: vec![],
            published: None,
            cvss: vector.map(|it| CvssView { score: 8.0, vector: it.to_owned() }),
            kev: kev.map(|it| it.parse().unwrap()),
            epss,
            points: decision::points(&VulnerabilityFacts::new(id.clone()), "2026-11-21".parse().unwrap()),
            ssvc: None,
            due: None,
            advisories: vec![],
        };
        self.assessment.vulnerabilities.insert(id, view);
        self
    }

    /// A group of assets with findings: vulnerability (none: no source), area, status.
    pub(crate) fn has(
        mut self,
        kind: AssetKind,
        assets: &[&str],
        findings: &[(Option<&str>, Area, Status)],
    ) -> Self {
        let start = self.assessment.findings.len() as u32;
        for (vulnerability, area, status) in findings {
            self.assessment.findings.push(Finding {
                component: "component".into(),
                version: "1".into(),
                running_version: None,
                vulnerability: vulnerability.map(|it| VulnerabilityId::new(it).unwrap()),
                status: *status,
                reasons: vec![],
                fix: vulnerability.map(|_| Fix {
                    version: Some("2".into()),
                    advisory: None,
                    class: PatchClass::Security,
                    area: *area,
                    restart: Restart::Machine,
                    needs: vec![],
                    needed: Needed::Unknown { why: String::new() },
                }),
            });
        }
        self.assessment.groups.push(Group {
            assets: assets.iter().map(|id| Asset { kind, id: (*id).into() }).collect(),
            context: Context::default(),
            findings: std::iter::once(start..self.assessment.findings.len() as u32).collect(),
        });
        self
    }

    pub(crate) fn hosts(self, hosts: &[&str], findings: &[(Option<&str>, Area, Status)]) -> Self {
        self.has(AssetKind::Host, hosts, findings)
    }
}

pub(crate) fn policy(text: &str) -> Policy {
    policy::read(text).unwrap()
}

pub(crate) fn built(fleet: &Fleet, facts: &Facts, policy: &Policy) -> Built {
    build(fleet, &facts.assessment, policy, &Options::new(&ReleaseDates::default())).unwrap()
}

/// The class of a host.
pub(crate) fn class<'b>(built: &'b Built, host: &str) -> &'b HostClass {
    let line = built.portfolio.hosts.iter().find(|it| it.id.as_str() == host).unwrap();
    &built.portfolio.classes[line.class as usize]
}

/// The index of an exploit's shock.
pub(crate) fn exploit(built: &Built, id: &str) -> Option<u32> {
    let is =
        |cause: &Cause| matches!(cause, Cause::Exploit { vulnerability } if vulnerability.as_str() == id);
    built.portfolio.shocks.iter().position(|it| is(&it.cause)).map(|it| it as u32)
}

/// How a host answers to an exploit.
pub(crate) fn answer<'b>(built: &'b Built, host: &str, id: &str) -> Option<&'b Response> {
    let shock = exploit(built, id)?;
    class(built, host).responses.iter().find(|it| it.shock == shock)
}

#[track_caller]
pub(crate) fn near(found: f64, expected: f64) {
    let gap = (found - expected).abs();
    assert!(gap <= 1e-12 * expected.abs().max(1.0), "found {found}, expected {expected}");
}
