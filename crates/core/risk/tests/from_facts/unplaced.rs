//! VMs of which no host is known, and fleets of which no VM is.

use underpin_exposure::FactBase;
use underpin_exposure::report::{Area, Status};
use underpin_model::fleet::{Fleet, PowerState, Vm};
use underpin_model::id::{ClusterId, HostId, VmId};
use underpin_model::policy::Policy;
use underpin_risk::report::{GroupBy, Request, RiskReport, report};
use underpin_risk::wait::Evidence;

use crate::make::{ESCAPE, Facts, REMOTE, add_host, add_plane, fleet, host_id, tenant_id, way_in};

/// A host inside, a host that the Internet reaches, and one with nothing open; the first two with a hole of this vector.
fn three_hosts(vector: &str) -> (Fleet, Facts) {
    let mut fleet = fleet();
    for host in ["inside", "public", "clean"] {
        add_host(&mut fleet, host, &[("a", 2)]);
    }
    fleet.hosts[1].management_interfaces = vec![way_in("ssh", "public")];
    let facts = Facts::new()
        .knows("CVE-1", Some(vector), Some(0.2), None)
        .hosts(&["inside", "public"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)])
        .hosts(&["clean"], &[]);
    add_plane(&mut fleet, "vc", &["inside", "clean"]);
    (fleet, facts)
}

fn vm(id: &str, host: Option<HostId>) -> Vm {
    let mut vm = Vm::new(VmId::new(id).unwrap());
    (vm.host, vm.tenant, vm.power) = (host, Some(tenant_id("a")), Some(PowerState::On));
    vm
}

fn judged(fleet: &Fleet, facts: &Facts) -> RiskReport {
    let (base, policy, evidence) = (FactBase::new(Vec::new()), Policy::default(), Evidence::default());
    let request = Request::new(fleet, &facts.assessment, &base, &policy, &evidence);
    report(&Request { group_by: GroupBy::Cluster, samples: 1000, ..request }).unwrap()
}

/// The same fleet with one VM more.
fn with(fleet: &Fleet, more: Vm) -> Fleet {
    let mut fleet = fleet.clone();
    fleet.vms.push(more);
    fleet
}

fn worst(fleet: &Fleet, facts: &Facts) -> f64 {
    judged(fleet, facts).mean_loss_with_unknown.unwrap()
}

#[test]
fn a_vm_of_no_known_host_costs_at_worst_what_it_costs_where_it_costs_most() {
    for (vector, few) in [(REMOTE, true), (ESCAPE, false)] {
        let (fleet, facts) = three_hosts(vector);
        let on = |host: &str| worst(&with(&fleet, vm("lost", Some(host_id(host)))), &facts);
        let most = ["inside", "public", "clean"].map(on).into_iter().fold(0.0, f64::max);
        let lost = with(&fleet, vm("lost", None));
        let found = worst(&lost, &facts);
        // An upper bound: a hole that is used from a guest, or by an unknown way, is opened by it on each of them.
        let over = (found - most) / most;
        assert!((-1e-9..if few { 1e-3 } else { 1.0 }).contains(&over), "{vector}: {found} against {most}");
        assert!(found > worst(&fleet, &facts));
        // The point value goes on without it, and says so.
        let report = judged(&lost, &facts);
        assert_eq!(report.fleet.loss.mean, judged(&fleet, &facts).fleet.loss.mean);
        assert!(
            report
                .unpriced_words
                .contains("1 VM has no known host, and is in no loss but the mean at its worst")
        );
    }
}

/// As much, but for the way through a guest that may be there.
fn near(found: f64, placed: f64) -> bool {
    (-1e-9..1e-3).contains(&((found - placed) / placed))
}

#[test]
fn a_vm_of_a_known_cluster_stands_on_one_of_its_hosts_at_worst() {
    let (fleet, facts) = three_hosts(REMOTE);
    let mut named = vm("lost", None);
    named.cluster = Some(ClusterId::new("of-vc").unwrap());
    let found = worst(&with(&fleet, named.clone()), &facts);
    let inside = worst(&with(&fleet, vm("lost", Some(host_id("inside")))), &facts);
    assert!(near(found, inside), "{found} against {inside}");
    // A cluster of which no host is listed says nothing.
    named.cluster = Some(ClusterId::new("elsewhere").unwrap());
    let public = worst(&with(&fleet, vm("lost", Some(host_id("public")))), &facts);
    let anywhere = worst(&with(&fleet, named), &facts);
    assert!(near(anywhere, public) && !near(anywhere, inside), "{anywhere} against {public}");
}

#[test]
fn a_fleet_of_which_no_guest_is_known_is_not_fine() {
    let (mut fleet, facts) = three_hosts(REMOTE);
    let placed = judged(&fleet, &facts);
    assert!(placed.losses_known && !placed.unpriced.no_vms_listed);

    for vm in &mut fleet.vms {
        vm.host = None;
    }
    let lost = judged(&fleet, &facts);
    assert!(!lost.losses_known && lost.fleet.loss.mean == 0.0);
    // At worst all of them stand where they cost most.
    assert!(lost.mean_loss_with_unknown.unwrap() >= placed.fleet.loss.mean);
    let said = |report: &RiskReport, words: &str| report.warnings.iter().any(|it| it.contains(words));
    assert!(said(&lost, "none of 6 VMs that run, or may, has a known host"), "{:?}", lost.warnings);

    fleet.vms.iter_mut().for_each(|it| it.power = Some(PowerState::Off));
    let off = judged(&fleet, &facts);
    assert!(off.losses_known && off.mean_loss_with_unknown == Some(0.0), "what is off loses nothing");

    fleet.vms.clear();
    let none = judged(&fleet, &facts);
    assert!(!none.losses_known);
    assert_eq!(none.mean_loss_with_unknown, None, "nobody knows how many there are");
    assert!(
        said(&none, "the fleet file lists no VMs: what guests would lose is not known"),
        "{:?}",
        none.warnings
    );
    assert!(none.unpriced_words.contains("what guests would lose, for the fleet file lists no VM"));
}
