//! Reasons, relaxations, bounds and steps in words.

use underpin_model::change::Method;
use underpin_model::fleet::Action;
use underpin_model::id::{ElementId, TenantId, VmId};
use underpin_model::plan::{DurationFrom, Frozen, Plan, Reason, Relaxation, StepKind};
use underpin_risk::wait::sentence::short as number;

use super::zones::{short, span};

/// Names of a list that are written out.
const NAMED: usize = 4;

/// The first names of a list, with the count of the others.
pub(super) fn names<T: AsRef<str>>(all: &[T]) -> String {
    let first: Vec<&str> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = all.len() - first.len();
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::LiveMigrate => "live migration",
        Action::ColdMigrate => "cold migration",
        Action::Suspend => "suspending",
        Action::PowerOff => "powering off",
    }
}

pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::LivePatch => "live patch",
        Method::QuickBoot => "quick boot",
        Method::EvacuateReboot => "evacuate and reboot",
        Method::PowerOff => "power off",
        Method::InPlace => "in place",
        Method::Defer => "defer",
    }
}

fn whose(tenant: Option<&TenantId>) -> String {
    tenant.map_or_else(|| "the hosts".to_owned(), |it| format!("tenant {it}"))
}

fn owner(tenant: Option<&TenantId>) -> String {
    tenant.map_or_else(|| "the operator".to_owned(), |it| format!("tenant {it}"))
}

/// MiB as a person reads it.
pub(super) fn memory(mib: u64) -> String {
    if mib >= 10 * 1024 { format!("{} GiB", number(mib as f64 / 1024.0)) } else { format!("{mib} MiB") }
}

/// So much of a resource, which reports name by its key.
pub(super) fn amount(resource: &str, much: u64) -> String {
    match resource {
        "memory_mib" => format!("{} of memory", memory(much)),
        "hugepages_mib" => format!("{} of huge pages", memory(much)),
        "vcpus" => format!("{much} vCPUs"),
        other => format!("{much} {other}"),
    }
}

/// Why something waits or is not possible; times as instants of the plan. Windows and freezes that are no tenant's are the element's own, or
/// the hosts'.
pub(super) fn reason(reason: &Reason, plan: &Plan, own: Option<&ElementId>) -> String {
    let whose = |tenant: Option<&TenantId>| match own {
        Some(own) if tenant.is_none() => own.to_string(),
        _ => whose(tenant),
    };
    let at = |seconds: u32| short(plan.instant(seconds));
    match reason {
        Reason::Soak { ring: Some(ring), until_s } => {
            format!("waits for the soak of ring {ring} until {}", at(*until_s))
        }
        Reason::Soak { ring: None, until_s } => {
            format!("waits for the soak of canaries until {}", at(*until_s))
        }
        Reason::EarlierWave { wave } => format!("wave {wave} must be back first"),
        Reason::EarlierChange { change, element } => format!("{change} on {element} comes first"),
        Reason::WindowOpens { tenant, at_s } => {
            format!("the window of {} opens {}", whose(tenant.as_ref()), at(*at_s))
        }
        Reason::ConsentBegins { tenant, action: wanted, at_s } => {
            format!("consent of {} to {} begins {}", owner(tenant.as_ref()), action(*wanted), at(*at_s))
        }
        Reason::NoCommonMethod { changes } => format!("{} have no method in common", changes.join(" and ")),
        Reason::TakesReboot { changes } => format!(
            "{} {} a reboot, and the methods that are allowed are without one: evacuate-reboot is not",
            changes.join(" and "),
            if changes.len() == 1 { "takes" } else { "take" }
        ),
        Reason::WayHome => "guests go home that the plan before had on their way".to_owned(),
        Reason::LeavesEarly { tenant } => format!("guests of {tenant} leave early, in its own window"),
        Reason::OutsideWindow { tenant, needs_s, longest_s } => {
            let (needs, longest) = (span(*needs_s), span(*longest_s));
            // Two units may not tell them apart.
            let short = if needs == longest {
                format!(", {} too short", span(needs_s.saturating_sub(*longest_s)))
            } else {
                String::new()
            };
            let whose = whose(tenant.as_ref());
            format!("no window of {whose} is long enough: it needs {needs}, the longest is {longest}{short}")
        }
        Reason::NoWindow { tenant, needs_s } => {
            format!("no window of {} ever opens: it needs {}", whose(tenant.as_ref()), span(*needs_s))
        }
        Reason::WindowsApart { tenant, needs_s } => format!(
            "windows of {} are long enough for {}, but none is open when the others are",
            whose(tenant.as_ref()),
            span(*needs_s)
        ),
        Reason::InFreeze { freeze, reason, tenant, until_s } => {
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            let until = until_s
                .map_or_else(|| "for all that is planned".to_owned(), |it| format!("until {}", at(it)));
            format!("freeze {freeze}{why} holds back {} {until}", whose(tenant.as_ref()))
        }
        Reason::PastHorizon { ends_s, horizon_s } => {
            format!("it would be over {}, after the end of what is planned {}", at(*ends_s), at(*horizon_s))
        }
        Reason::RequiredAffinity { vm, rule } => format!("rule {} binds {vm}", rule.name()),
        Reason::NoTargetWithFeature { vm, features } => {
            format!("no host has the CPU features of {vm}: {}", names(features))
        }
        Reason::NoTargetWithReach { vm, needs } => {
            format!("no host reaches what {vm} needs: {}", names(needs))
        }
        Reason::NoTargetWithRelease { vm } => format!("{vm} could only go to a lower release"),
        Reason::LargerThanAnyHost { vm, memory_mib } => {
            format!("{vm} ({}) is larger than any other host", memory(*memory_mib))
        }
        Reason::Short { resource, short, reserve } => format!(
            "{} short{}",
            amount(resource, *short),
            if *reserve { " of the reserve for a failure" } else { "" }
        ),
        Reason::NoPlaceAfterFailure { vm } => {
            format!("should a host fail, no other host has all that {vm} needs, rules and reach counted")
        }
        Reason::Fragmented { vm } => format!("there is room in sum, but no host has it for {vm}"),
        Reason::NoSlots { host } => {
            format!("{host} takes part in no migration: set `migration.slots` of it to what it really has")
        }
        Reason::NoAllowedAction { vm, pinned_by } => {
            format!("{vm} is pinned ({pinned_by}), and no other action is allowed")
        }
        Reason::Consent { vm, tenant, action: wanted, refused } => format!(
            "{} has {} {} {vm}",
            owner(tenant.as_ref()),
            if *refused { "refused" } else { "not agreed to" },
            action(*wanted)
        ),
        Reason::Locked { vm, until_s: Some(until_s) } => format!("{vm} is locked until {}", at(*until_s)),
        Reason::Locked { vm, until_s: None } => format!("{vm} is locked, nobody knows until when"),
        Reason::DoesNotConverge { vm, dirty_mbps, best_mbps } => {
            format!("{vm} writes {dirty_mbps} Mbit/s, its migration gets {best_mbps} at best")
        }
        other => rarer(other),
    }
}

fn rarer(reason: &Reason) -> String {
    match reason {
        Reason::UnknownFact { element, fact } => format!("{fact} of {element} is not known"),
        Reason::Degraded { cluster } => format!("cluster {cluster} is degraded"),
        Reason::Contradiction { vm, affinities } => {
            let rules: Vec<String> = affinities.iter().map(|it| format!("/affinities/{it}")).collect();
            format!("rules about {vm} contradict each other: {}", names(&rules))
        }
        Reason::StorageRedundancy { storage } => format!("storage {storage} has lost redundancy"),
        Reason::Deferred => "deferred by choice".to_owned(),
        Reason::AlreadyThere => "it is there already".to_owned(),
        Reason::ReleaseDiversity { application } => {
            format!("all of application {application} would be on a release that soaks")
        }
        Reason::MostAway { of, name, most, away } => {
            let of = of.replace('-', " ");
            let limit = match (of.as_str(), name.as_str()) {
                ("network", name) => format!("at most {most} Mbit/s for migrations over network {name}"),
                (of, "") => format!("at most {most} away of one {of}"),
                (of, name) => format!("at most {most} away of {of} {name}"),
            };
            match away.len() {
                0 => limit,
                1 => format!("{limit}: {} is in maintenance", names(away)),
                _ => format!("{limit}: {} are in maintenance", names(away)),
            }
        }
        Reason::MostUrgent { loss_per_day } => format!("{} a day while it is open", number(*loss_per_day)),
        Reason::Canary { class } => format!("canary of {class}"),
        Reason::Coordinator => "it manages the others".to_owned(),
        Reason::Cycle { changes } => format!("changes wait for each other: {}", names(changes)),
        // Said above; a reason that comes new has its name in the file at least.
        other => serde_json::to_value(other)
            .ok()
            .and_then(|it| it.get("why")?.as_str().map(str::to_owned))
            .unwrap_or_default(),
    }
}

/// All reasons in one cell, as [`reason`] has them.
pub(super) fn reasons(all: &[Reason], plan: &Plan, own: Option<&ElementId>) -> String {
    let mut words: Vec<String> = Vec::new();
    for it in all {
        let it = reason(it, plan, own);
        if !words.contains(&it) {
            words.push(it);
        }
    }
    words.join("; ")
}

/// Who says how long a step takes.
pub(super) fn duration_from(from: &DurationFrom) -> String {
    match from {
        DurationFrom::Policy => "policy".to_owned(),
        DurationFrom::Change { change } => format!("change {change}"),
        DurationFrom::Fitted { same_hardware, same_platform, others, at_least } => {
            let all = u64::from(*same_hardware) + u64::from(*same_platform) + u64::from(*others);
            let cut =
                if *at_least > 0 { format!("; {at_least} took at least so long") } else { String::new() };
            format!(
                "fitted from {all} observations: {same_hardware} on the same hardware, {same_platform} on other hardware \
                 of the product, {others} elsewhere{cut}"
            )
        }
    }
}

/// What would have to change.
pub(super) fn relaxation(relaxation: &Relaxation) -> String {
    match relaxation {
        Relaxation::SpareHosts { cluster, hosts } => format!("{hosts} more host(s) in cluster {cluster}"),
        Relaxation::Consent { tenant, action: wanted, vms } => {
            format!("consent of {} to {} {}", owner(tenant.as_ref()), action(*wanted), names(vms))
        }
        Relaxation::LongerWindow { tenant, minutes } => {
            format!("the window of {} {minutes} min longer", whose(tenant.as_ref()))
        }
        Relaxation::OpenWindow { tenant, hosts, planes, minutes } => {
            let planes = planes.iter().map(|it| it.as_str());
            let elements: Vec<&str> = hosts.iter().map(|it| it.as_str()).chain(planes).collect();
            let whose = tenant.as_ref().map_or_else(|| names(&elements), |it| format!("guests of {it}"));
            format!("a window of {minutes} min every day for {whose}")
        }
        Relaxation::WithoutReserve { cluster } => {
            format!("an exception from the reserve for a failure in cluster {cluster}")
        }
        Relaxation::WithoutFreeze { freeze, tenant, hosts } => format!(
            "an exception from freeze {freeze} for {}",
            tenant.as_ref().map_or_else(|| names(hosts), |it| format!("guests of {it}"))
        ),
        Relaxation::LiftFreeze { freeze } => format!("freeze {freeze} lifted"),
        Relaxation::WithoutRule { rule, vms } if vms.is_empty() => format!("without rule {}", rule.name()),
        Relaxation::WithoutRule { rule, vms } => format!("without rule {} for {}", rule.name(), names(vms)),
        Relaxation::MostAway { cluster, most } => format!("{most} hosts away at a time in cluster {cluster}"),
        Relaxation::Fact { element, fact } => format!("find out {fact} of {element}"),
        Relaxation::Bandwidth { host, mbps } => format!("{mbps} Mbit/s for migrations at {host}"),
        Relaxation::Repair { element } => format!("repair {element}"),
        Relaxation::Unlock { vm } => format!("the lock on {vm} ends"),
    }
}

/// The term that gives the bound on time.
pub(super) fn bound_by(term: &str) -> &str {
    match term {
        "longest-host" => "the longest host",
        "hosts-away" => "the limit on hosts away",
        "link" => "the links of migrations",
        "soak" => "soak",
        "window" => "windows",
        other => other,
    }
}

fn frozen(it: Frozen) -> &'static str {
    match it {
        Frozen::Balancing => "balancing",
        Frozen::AutoStart => "auto start",
        Frozen::AdmissionControl => "admission control",
    }
}

/// Name and particulars of a step.
pub(super) fn step(kind: &StepKind) -> (&'static str, String) {
    let with_consent = |vm: &VmId, consent: Option<&String>| match consent {
        Some(consent) => format!("{vm}, consent {consent}"),
        None => vm.to_string(),
    };
    match kind {
        StepKind::Freeze { cluster, what } => {
            let what: Vec<&str> = what.iter().map(|it| frozen(*it)).collect();
            ("freeze", format!("{} of {cluster}", what.join(", ")))
        }
        StepKind::Gate { cluster: None } => ("gate", "hosts outside any cluster".to_owned()),
        StepKind::Gate { cluster: Some(cluster) } => ("gate", cluster.to_string()),
        StepKind::Stage { element, change } => ("stage", format!("{change} on {element}")),
        StepKind::BackupCheck { element } => ("backup check", element.to_string()),
        StepKind::Migrate { vm, from, to, live, mbps, pause_ms, consent } => {
            let how = if *live { format!("{mbps} Mbit/s, pause {pause_ms} ms") } else { "cold".to_owned() };
            let consent = consent.as_ref().map_or_else(String::new, |it| format!(", consent {it}"));
            ("migrate", format!("{vm} from {from} to {to}, {how}{consent}"))
        }
        StepKind::Evacuate { host, expected, only_to, mbps } => (
            "evacuate",
            format!("{host}: {} guests, only to {}, {mbps} Mbit/s", expected.len(), names(only_to)),
        ),
        StepKind::Stop { vm, consent, .. } => ("stop", with_consent(vm, consent.as_ref())),
        StepKind::Start { vm, .. } => ("start", vm.to_string()),
        StepKind::Suspend { vm, consent, .. } => ("suspend", with_consent(vm, consent.as_ref())),
        StepKind::Resume { vm, .. } => ("resume", vm.to_string()),
        StepKind::Patch { element, change, method: how, to, unit } => {
            let unit = if *unit > 1 { format!(", unit {unit}") } else { String::new() };
            ("patch", format!("{element} to {to} ({change}, {}{unit})", method(*how)))
        }
        StepKind::Reboot { element, quick } => {
            ("reboot", if *quick { format!("{element}, without firmware") } else { element.to_string() })
        }
        StepKind::Attest { element } => ("attest", element.to_string()),
        StepKind::Verify { element } => ("verify", element.to_string()),
        StepKind::Thaw { cluster } => ("thaw", cluster.to_string()),
    }
}

/// Elements in one cell.
pub(super) fn elements(all: &[ElementId]) -> String {
    names(all)
}
