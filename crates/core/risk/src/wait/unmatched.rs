//! Evidence that counts for nothing: a release that is due nowhere, hardware that no host has. It is most often a name that
//! was written in another way, and silence would let it pass for evidence. And a canary on more hosts than there are.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use underpin_model::fleet::{Fleet, HardwareClass};

use super::called;
use super::evidence::EvidenceKind;
use super::{Evidence, GroupDecision};

/// The name of a release in evidence: component and version.
#[must_use]
pub fn release_name(component: &str, release: &str) -> String {
    format!("{component} {release}")
}

/// What of the evidence counts for no host of this fleet, or for more than it has, with its place. Runs count for releases that are due and for
/// those that hosts run; both are given by [`release_name`].
#[must_use]
pub fn unmatched(
    evidence: &Evidence,
    fleet: &Fleet,
    due: &BTreeSet<String>,
    running: &BTreeSet<String>,
) -> Vec<String> {
    let classes: FxHashSet<HardwareClass> = fleet.hosts.iter().map(HardwareClass::of).collect();
    let nowhere = |place: String, release: &str| {
        let known =
            due.iter().next().map_or_else(String::new, |it| format!("; one that is due is called {it:?}"));
        format!("{place}.release: found {release:?}, expected a release that is due on a host{known}")
    };
    let is_one_of = |names: &BTreeSet<String>, release: &str| {
        names.contains(release) || names.iter().any(|it| called::same(it, release))
    };
    let mut list = Vec::new();
    for (run, number) in evidence.runs.iter().zip(1..) {
        if !is_one_of(due, &run.release) && !is_one_of(running, &run.release) {
            list.push(nowhere(format!("run number {number}"), &run.release));
        } else if let Some(hardware) = &run.hardware
            && !classes.iter().any(|class| hardware.is_alike(class))
        {
            list.push(format!(
                "run number {number}.hardware: no host of the fleet has this vendor, model and processor: it counts for none"
            ));
        }
        if run.kind == EvidenceKind::Canary && run.hosts as usize > fleet.hosts.len() {
            list.push(format!(
                "run number {number}.hosts: found a canary on {} hosts, expected at most the {} of the fleet: it counts as it is \
                 written; correct it if that is a slip",
                run.hosts,
                fleet.hosts.len()
            ));
        }
    }
    for (bug, number) in evidence.known_bugs.iter().zip(1..) {
        if !is_one_of(due, &bug.release) {
            list.push(nowhere(format!("known_bug number {number}"), &bug.release));
        }
    }
    list
}

/// The names of the releases that decisions are about.
#[must_use]
pub fn due(decisions: &[GroupDecision]) -> BTreeSet<String> {
    let name = |it: &GroupDecision| Some(release_name(&it.component, it.release.as_deref()?));
    decisions.iter().filter_map(name).collect()
}

/// The names of the releases that hosts run, of the components that decisions are about.
#[must_use]
pub fn running(decisions: &[GroupDecision]) -> BTreeSet<String> {
    let names = |it: &GroupDecision| {
        it.runs.iter().map(|run| release_name(&it.component, &run.release)).collect::<Vec<_>>()
    };
    decisions.iter().flat_map(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_for_no_host_is_named_with_its_place() {
        let mut host = underpin_model::fleet::Host::new(underpin_model::id::HostId::new("h").unwrap());
        (host.vendor, host.model) = (Some("Maker".to_owned()), Some("R1".to_owned()));
        let seen = underpin_model::fleet::Seen { at: jiff::Timestamp::UNIX_EPOCH, by: "hand".to_owned() };
        let fleet = Fleet { hosts: vec![host], ..Fleet::new("f", seen) };
        let due = BTreeSet::from([release_name("linux", "6.1")]);
        let runs = BTreeSet::from([release_name("linux", "6.0")]);
        let said = |text: &str| unmatched(&super::super::evidence::read(text).unwrap(), &fleet, &due, &runs);
        let run = |release: &str, hardware: &str| {
            format!("[[run]]\nrelease = \"{release}\"\nhosts = 1\nkind = \"trial\"\n{hardware}\n")
        };
        let mine = "hardware = { vendor = \"Maker\", model = \"R1\" }";
        assert_eq!(said(&run("linux 6.1", mine)), [""; 0]);
        assert_eq!(said(&run("linux 6.1", "")), [""; 0], "of unknown hardware on purpose");
        assert_eq!(said(&run("linux 6.0", mine)), [""; 0], "what runs now may have failed");
        let canary = |hosts: u32| {
            said(
                &run("linux 6.1", mine)
                    .replace("trial", "canary")
                    .replace("hosts = 1", &format!("hosts = {hosts}")),
            )
        };
        assert_eq!(canary(1), [""; 0]);
        assert!(canary(2)[0].starts_with(
            "run number 1.hosts: found a canary on 2 hosts, expected at most the 1 of the fleet"
        ));
        let other = said(&(run("linux 6.1", mine) + &run("linux 6.1", &mine.replace("R1", "r1"))));
        assert!(other.len() == 1 && other[0].starts_with("run number 2.hardware: "), "{other:?}");
        let nowhere = said(&run("Linux 6.1", mine));
        assert!(
            nowhere[0].contains("run number 1.release: found \"Linux 6.1\"")
                && nowhere[0].contains("\"linux 6.1\"")
        );
        let due = BTreeSet::from([release_name("ESXi", "7.0U3-19193900")]);
        let spelled = super::super::evidence::read(&run("ESXi ESXi70U3c-19193900", mine)).unwrap();
        assert_eq!(unmatched(&spelled, &fleet, &due, &runs), [""; 0], "one build in two spellings");
        let bug = "[[known_bug]]\nrelease = \"x\"\nper_host_day = 1\nhours_down = 1\nsource = \"s\"\n";
        assert!(said(bug)[0].starts_with("known_bug number 1.release"));
    }
}
