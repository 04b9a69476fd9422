//! Where the numbers of a portfolio are from, and what was not priced.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;
use underpin_exposure::report::Area;
use underpin_model::id::{HostId, ManagementPlaneId};

use super::notes::PlaneOnPlane;
use crate::hazard::Hazard;
use crate::names::UnknownNames;
use crate::portfolio::{Factor, Impact};

/// Where the numbers of a portfolio are from. Lists go by the portfolio's indices.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Derivations {
    /// Of each shock.
    pub shocks: Vec<ShockDerivation>,
    /// Of each class.
    pub classes: Vec<ClassDerivation>,
    /// Of each plane.
    pub planes: Vec<PlaneDerivation>,
}

/// Machines on which a vulnerability is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Statuses {
    /// Hosts on which it is affected.
    pub hosts_affected: u64,
    /// Hosts on which the fix is installed and does not run.
    pub hosts_fixed_not_running: u64,
    /// Management planes.
    pub planes: u64,
}

/// What a shock is made from.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ShockDerivation {
    /// The hazard of exploitation, for an exploit.
    pub hazard: Option<Hazard>,
    /// The CVSS vector that gives way and impact; `None`: none is known, so that the way is any and the impact a half of a
    /// range from nothing to all.
    pub vector: Option<String>,
    /// Components that have the hole, with their areas.
    pub components: Vec<(String, Area)>,
    /// Machines on which it is open.
    pub open_on: Statuses,
    /// A release that fixes it is known: deferring a maintenance keeps it open.
    pub fix_known: bool,
    /// Who has accepted it.
    pub accepted: Vec<Acceptance>,
    /// Day on which the release appeared, for a bad release.
    pub released: Option<Date>,
    /// What evidence calls the release, for a bad release: runs of that name count.
    pub called: Option<String>,
    /// Hosts that can answer to it.
    pub hosts: u64,
}

/// An accepted risk as it stands on the day of the assessment. It is priced all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acceptance {
    /// Who answers for it.
    pub owner: String,
    /// Until when.
    pub expires: Date,
    /// The day has passed: it counts as not accepted any more.
    pub expired: bool,
    /// Why.
    pub reason: String,
    /// Hosts with the hole in its scope.
    pub hosts: u64,
    /// Management planes with the hole in its scope.
    pub planes: u64,
    /// Hosts with the hole outside its scope: nobody has accepted it there.
    pub hosts_outside: u64,
    /// Management planes likewise.
    pub planes_outside: u64,
}

impl Acceptance {
    /// That the risk is accepted, and on how many of the machines that have it, if not on all; `None`: on none of them.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        if self.hosts + self.planes == 0 {
            return None;
        }
        if self.hosts_outside + self.planes_outside == 0 {
            return Some("accepted".to_owned());
        }
        let part = |on: u64, outside: u64, noun: &str| {
            (on + outside > 0).then(|| format!("{on} of {}", counted(on + outside, noun)))
        };
        let parts = [
            part(self.hosts, self.hosts_outside, "host"),
            part(self.planes, self.planes_outside, "management plane"),
        ];
        Some(format!("accepted on {}", parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")))
    }
}

/// What the hosts of a class have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassDerivation {
    /// Hosts in it.
    pub hosts: u64,
    /// One of them: the first by id.
    pub example: HostId,
    /// Guests that run on each; with those of unknown state. Not compared where no hole is used from a guest.
    pub guests: u32,
    /// Guests of unknown state among them.
    pub guests_perhaps: u32,
    /// Ways in, in words.
    pub ways: String,
    /// Ids of the controls that stand before them.
    pub controls: Vec<String>,
}

/// What a plane's numbers are made from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaneDerivation {
    /// The plane.
    pub id: ManagementPlaneId,
    /// Hosts that it manages.
    pub hosts: u64,
    /// Ways in, in words.
    pub ways: String,
    /// The factors of the probability that its fall takes a host, without the control that is its gate.
    pub takes_host: Vec<Factor>,
    /// Ids of the controls that stand before it.
    pub controls: Vec<String>,
    /// Open holes that take the plane away without giving control of its hosts: not priced.
    pub without_control: u64,
    /// What its fall costs a host.
    pub impact: Impact,
}

/// What is not in the figure, or priced as something in between. What is not known is not fine: [`super::UnknownAs::BaseRate`] over
/// [`underpin_exposure::at_worst`] gives the upper figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Unpriced {
    /// Components on hosts and planes that no source covers, counted per machine.
    pub components_without_source: u64,
    /// Hosts with such components.
    pub hosts_without_source: u64,
    /// Findings whose status is not known (sources disagree, version not comparable, not known what runs, under
    /// investigation), counted per machine.
    pub findings_of_unknown_status: u64,
    /// Hosts with such findings.
    pub hosts_of_unknown_status: u64,
    /// Management planes with either, or of which nothing is known that makes their platform.
    pub planes_with_unknowns: u64,
    /// Hosts that the assessment does not have, or of which neither kernel nor hypervisor is known.
    pub hosts_not_assessed: u64,
    /// Hosts of which the hypervisor is known and the kernel is not.
    pub hosts_of_unknown_kernel: u64,
    /// Hosts of which the kernel is known and the hypervisor is not.
    pub hosts_of_unknown_hypervisor: u64,
    /// Hosts of which no management plane is known, nor that they have none: what its fall would take is in the mean at its worst alone.
    pub hosts_of_unknown_plane: u64,
    /// Management planes of which it is not known on which hosts they run: that they fall with one is in the mean at its worst alone.
    pub planes_of_unknown_host: u64,
    /// Hosts whose running release has no known day: how mature it is, is not known.
    pub hosts_without_release_day: u64,
    /// The fleet file lists no VM: what guests would lose is not in any figure, at its worst neither.
    pub no_vms_listed: bool,
    /// Live VMs of which no host is known: what would fall with their host is in the mean at its worst alone.
    pub vms_without_host: u64,
    /// Hosts and planes of which it is not known whether the public Internet reaches them: priced in between.
    pub machines_of_unknown_reach: u64,
    /// Live VMs of which it is not known at which level their availability lives: priced as if nothing stood in for them.
    pub vms_of_unknown_level: u64,
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn and_more(words: &[String], more: usize) -> String {
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    words.join(", ") + &more
}

impl fmt::Display for Unpriced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let have = |count| if count == 1 { "has" } else { "have" };
        let hosts = |count| counted(count, "host");
        let parts = [
            (self.hosts_without_source > 0 || self.components_without_source > 0).then(|| {
                format!(
                    "{} on {} {} no source",
                    counted(self.components_without_source, "component"),
                    hosts(self.hosts_without_source),
                    have(self.components_without_source)
                )
            }),
            (self.findings_of_unknown_status > 0).then(|| {
                format!(
                    "{} on {} {} an unknown status",
                    counted(self.findings_of_unknown_status, "finding"),
                    hosts(self.hosts_of_unknown_status),
                    have(self.findings_of_unknown_status)
                )
            }),
            (self.hosts_not_assessed > 0).then(|| {
                format!("of {} neither kernel nor hypervisor is known", hosts(self.hosts_not_assessed))
            }),
            (self.hosts_of_unknown_kernel > 0)
                .then(|| format!("of {} the kernel is not known", hosts(self.hosts_of_unknown_kernel))),
            (self.hosts_of_unknown_hypervisor > 0).then(|| {
                format!("of {} the hypervisor is not known", hosts(self.hosts_of_unknown_hypervisor))
            }),
            (self.hosts_of_unknown_plane > 0)
                .then(|| format!("of {} no management plane is known", hosts(self.hosts_of_unknown_plane))),
            (self.planes_of_unknown_host > 0).then(|| {
                let run = if self.planes_of_unknown_host == 1 { "runs" } else { "run" };
                format!(
                    "on which hosts {} {run} is not known",
                    counted(self.planes_of_unknown_host, "management plane")
                )
            }),
            (self.planes_with_unknowns > 0).then(|| {
                format!(
                    "{} {} unknown components or statuses",
                    counted(self.planes_with_unknowns, "management plane"),
                    have(self.planes_with_unknowns)
                )
            }),
            (self.hosts_without_release_day > 0).then(|| {
                format!("the release of {} has no known day", hosts(self.hosts_without_release_day))
            }),
            (self.vms_without_host > 0).then(|| {
                format!(
                    "{} {} no known host, and {} in no loss but the mean at its worst",
                    counted(self.vms_without_host, "VM"),
                    have(self.vms_without_host),
                    if self.vms_without_host == 1 { "is" } else { "are" }
                )
            }),
            self.no_vms_listed.then(|| "what guests would lose, for the fleet file lists no VM".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            f.write_str("everything is priced")?;
        } else {
            write!(f, "not priced: {}", parts.join("; "))?;
        }
        if self.machines_of_unknown_reach > 0 {
            let machines = counted(self.machines_of_unknown_reach, "machine");
            write!(
                f,
                "; priced in between: {machines} that the public Internet may reach or not, which is not known"
            )?;
        }
        if self.vms_of_unknown_level > 0 {
            let vms = counted(self.vms_of_unknown_level, "VM");
            write!(
                f,
                "; priced at its worst: {vms} of which it is not known what stands in when the host is down"
            )?;
        }
        Ok(())
    }
}

/// Something that a reader of the figure must know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "warning")]
pub enum Warning {
    /// The policy states no losses: all are by rates that are a judgement.
    LossesNotStated,
    /// An accepted risk has expired and counts as not accepted.
    AcceptanceExpired {
        /// The vulnerability.
        vulnerability: String,
        /// Who answered for it.
        owner: String,
        /// The day.
        expires: Date,
    },
    /// An accepted risk is about a vulnerability that is not open here.
    AcceptanceWithoutHole {
        /// The vulnerability.
        vulnerability: String,
        /// Who answers for it.
        owner: String,
    },
    /// An accepted risk covers none of the machines that have the vulnerability.
    AcceptanceCoversNone {
        /// The vulnerability.
        vulnerability: String,
        /// Who answers for it.
        owner: String,
        /// Hosts with it.
        hosts: u64,
        /// Management planes with it.
        planes: u64,
    },
    /// Several entries with different owners or days accept a risk on the same hosts.
    AcceptancesOverlap {
        /// The vulnerability.
        vulnerability: String,
        /// The first of the entries: position in the policy, who answers for it, until when.
        entries: Vec<String>,
        /// Hosts with it that more than one of them covers.
        hosts: u64,
    },
    /// A risk is accepted more than once in the same scope: who answers for it, and until when, is not clear.
    AcceptedTwice {
        /// The vulnerability.
        vulnerability: String,
        /// The first of the entries: position in the policy, who answers for it, until when.
        entries: Vec<String>,
        /// How many there are.
        times: usize,
    },
    /// A control stands nowhere: its scope meets no host and no plane.
    ControlNowhere {
        /// The control.
        control: String,
    },
    /// The policy names what the fleet does not have.
    UnknownNames(UnknownNames),
    /// No VM is listed: what guests would lose is not known, and the way through a guest is priced as for one guest of unknown
    /// state on each host.
    NoVms,
    /// Of all VMs that run, or may, none has a known host: what they would lose is in no figure but the mean at its worst.
    NoVmPlaced {
        /// How many.
        vms: u64,
    },
    /// Tenants of whom no VM is listed: their figures are 0 and say nothing.
    TenantsWithoutGuests {
        /// The first of them.
        tenants: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// Planes manage hosts on which other planes run, and what falls so is followed one step only.
    PlanesOnPlanes {
        /// The first of these ways.
        ways: Vec<PlaneOnPlane>,
        /// How many more there are.
        more: usize,
    },
    /// No hour is lost after a compromise by the policy.
    NoOutage,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LossesNotStated => f.write_str(
                "the policy states no losses: the rates that every loss is counted by are a judgement; state [loss] in the policy",
            ),
            Self::AcceptanceExpired { vulnerability, owner, expires } => {
                write!(f, "{vulnerability}: accepted by {owner} until {expires}, which has passed: not accepted any more")
            }
            Self::AcceptanceWithoutHole { vulnerability, owner } => {
                write!(f, "{vulnerability}: accepted by {owner}, and open nowhere here")
            }
            Self::AcceptanceCoversNone { vulnerability, owner, hosts, planes } => {
                let machines = [(*hosts, "host"), (*planes, "management plane")].map(|(count, noun)| (count > 0).then(|| counted(count, noun)));
                write!(
                    f,
                    "{vulnerability}: accepted by {owner} in a scope that covers none of the {} on which it is open: it is accepted nowhere; \
                     correct `scope`",
                    machines.into_iter().flatten().collect::<Vec<_>>().join(" and ")
                )
            }
            Self::AcceptancesOverlap { vulnerability, entries, hosts } => write!(
                f,
                "{vulnerability}: accepted by different entries on {}: {}; who answers for it there, and until when, is not clear: keep their \
                 scopes apart",
                counted(*hosts, "host"),
                entries.join(", ")
            ),
            Self::AcceptedTwice { vulnerability, entries, times } => {
                write!(
                    f,
                    "{vulnerability}: accepted {times} times in the same scope: {}{}; keep one of them",
                    entries.join(", "),
                    if *times > entries.len() { format!(", and {} more", times - entries.len()) } else { String::new() }
                )
            }
            Self::ControlNowhere { control } => {
                write!(f, "control {control} stands nowhere: its scope meets no host and no management plane")
            }
            Self::UnknownNames(unknown) => unknown.fmt(f),
            Self::NoVms => f.write_str(
                "the fleet file lists no VMs: what guests would lose is not known, and a loss of 0 says nothing; list them under `vms`. \
                 A way through a guest is priced as for one guest on each host",
            ),
            Self::NoVmPlaced { vms } => write!(
                f,
                "none of {} that run, or may, has a known host: what they would lose is in no figure but the mean at its worst, \
                 and any other loss of 0 says nothing; state `host` of each",
                counted(*vms, "VM")
            ),
            Self::TenantsWithoutGuests { tenants, more } => write!(
                f,
                "no VM of {} is listed: {} figures are 0 and say nothing; name the tenant at its VMs, or take it out of `tenants`",
                and_more(tenants, *more),
                if tenants.len() + more == 1 { "its" } else { "their" }
            ),
            Self::PlanesOnPlanes { ways, more } => {
                let way = |it: &PlaneOnPlane| {
                    let PlaneOnPlane { plane, host, carries, beyond } = it;
                    format!("{plane} manages {host}, on which {carries} runs, which manages {} more", counted(*beyond, "host"))
                };
                let ways: Vec<String> = ways.iter().map(way).collect();
                write!(
                    f,
                    "a plane above a plane is followed one step: {}; that the fall of the first takes the hosts of the second is in no figure",
                    and_more(&ways, *more)
                )
            }
            Self::NoOutage => f.write_str(
                "hours_after_compromise is 0: outages after a compromise cost nothing",
            ),
        }
    }
}
