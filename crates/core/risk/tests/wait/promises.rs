//! One promise that one host breaks is paid once, and not before an accepted risk expires.

use std::collections::BTreeMap;

use underpin_exposure::{FactBase, Feed};
use underpin_feeds::Parsed;
use underpin_model::fleet::Fleet;
use underpin_model::id::FeedId;
use underpin_risk::wait::GroupDecision;

use crate::fleet::{decided, fleet, osv};

const PROMISE: &str = "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\npenalty = 100.0\n";

fn accepted(expires: &str, scope: &str) -> String {
    format!(
        "[[accepted_risk]]\nvulnerability = \"CVE-2026-0001\"\nowner = \"o\"\nexpires = {expires}\nreason = \"r\"\n{scope}\n"
    )
}

fn only(list: &[GroupDecision]) -> &GroupDecision {
    assert_eq!(list.len(), 1);
    &list[0]
}

#[test]
fn an_accepted_risk_moves_the_deadline_of_its_hosts_to_its_expiry() {
    let fleet = fleet("R1", "R1");
    let of = |policy: &str| decided(&fleet, &osv(true), &(PROMISE.to_owned() + policy), "");
    let state = |list: &[GroupDecision]| -> Vec<(String, u32, f64, bool)> {
        let one = only(list).promises.iter();
        one.map(|it| (it.deadline.to_string(), it.hosts, it.penalty, it.accepted.is_some())).collect()
    };
    let plain = ("2026-03-22".to_owned(), 2, 100.0, false);
    assert_eq!(state(&of("")), std::slice::from_ref(&plain));
    assert_eq!(state(&of(&accepted("2026-04-20", ""))), [("2026-04-20".to_owned(), 2, 100.0, true)]);
    // Up to a day before the deadline, or no longer: it changes nothing.
    for ineffective in ["2026-03-10", "2026-02-01", "2026-03-22"] {
        assert_eq!(state(&of(&accepted(ineffective, ""))), std::slice::from_ref(&plain), "{ineffective}");
    }
    // One of both hosts.
    let one = of(&accepted("2026-04-20", "scope = { hosts = [\"h1\"] }"));
    assert_eq!(
        state(&one),
        [("2026-03-22".to_owned(), 1, 50.0, false), ("2026-04-20".to_owned(), 1, 50.0, true)]
    );
}

#[test]
fn hosts_with_an_accepted_risk_never_pay_before_it_expires() {
    let fleet = fleet("R1", "R1");
    for (scope, paid_between) in [("", 0.0), ("scope = { hosts = [\"h1\"] }", 50.0)] {
        // 49 days from now; the promise alone ends after 20.
        let list = decided(&fleet, &osv(true), &(PROMISE.to_owned() + &accepted("2026-04-20", scope)), "");
        for point in &only(&list).wait.as_ref().unwrap().curve {
            let paid = match point.days {
                days if days <= 20.0 => 0.0,
                days if days <= 49.0 => paid_between,
                _ => 100.0,
            };
            assert_eq!(point.terms.penalties, paid, "day {}", point.days);
        }
    }
}

/// Of a promise that was broken before the risk was accepted the penalty is ahead again.
#[test]
fn what_is_accepted_too_late_is_broken_again_when_it_expires() {
    let days = "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 3\npenalty = 100.0\n";
    let fleet = fleet("R1", "R1");
    let never = |policy: &str| {
        let list = decided(&fleet, &osv(true), policy, "");
        only(&list).wait.as_ref().unwrap().never.penalties
    };
    assert_eq!(never(days), 0.0, "sunk");
    assert_eq!(never(&(days.to_owned() + &accepted("2026-04-20", ""))), 100.0);
}

/// Several packages of one host, each with its own day of announcement.
fn two_lines(days: [&str; 2]) -> (Fleet, FactBase) {
    let mut fleet = fleet("R1", "R1");
    for host in &mut fleet.hosts {
        let set = host.components.as_mut().unwrap();
        let mut second = set.components[0].clone();
        second.name = "libvirt-libs".to_owned();
        second.source.as_mut().unwrap().name = "libvirt".to_owned();
        set.components.push(second);
    }
    let one = |(at, (name, day)): (usize, (&str, &str))| {
        let text = format!(
            r#"{{"id": "ALSA-2026:000{at}", "published": "{day}T00:00:00Z", "modified": "{day}T00:00:00Z",
             "summary": "Important: security update", "related": ["CVE-2026-000{at}"],
             "affected": [{{"package": {{"ecosystem": "AlmaLinux:9", "name": "{name}"}},
             "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced": "0"}}, {{"fixed": "17:8.2.0-11.el9_4"}}]}}]}}]}}"#
        );
        let Ok(Parsed::Document(document)) = underpin_feeds::parse(text.as_bytes()) else {
            panic!("no document")
        };
        *document
    };
    let documents = ["qemu-kvm-core", "libvirt-libs"].into_iter().zip(days).enumerate().map(one).collect();
    (fleet, FactBase::new(vec![Feed { id: FeedId::new("osv").unwrap(), fetched: None, documents }]))
}

fn penalties(days: [&str; 2], policy: &str) -> BTreeMap<String, (i32, f64)> {
    let (fleet, base) = two_lines(days);
    let list = decided(&fleet, &base, &(PROMISE.to_owned() + policy), "");
    assert_eq!(list.len(), 2);
    list.iter().map(|it| (it.component.clone(), (it.promises[0].days_left, it.promises[0].penalty))).collect()
}

#[test]
fn a_promise_that_two_releases_may_break_on_a_host_is_paid_once() {
    let expected = |list: [(&str, i32, f64); 2]| {
        list.into_iter().map(|it| (it.0.to_owned(), (it.1, it.2))).collect::<BTreeMap<_, _>>()
    };
    // Both ahead: each alone would break it.
    let both = penalties(["2026-02-20", "2026-02-25"], "");
    assert_eq!(both, expected([("qemu-kvm", 20, 50.0), ("libvirt", 25, 50.0)]));
    // One has broken it: nothing is left to be lost to the other.
    let broken = penalties(["2026-01-20", "2026-02-25"], "");
    assert_eq!(broken, expected([("qemu-kvm", -11, 100.0), ("libvirt", 25, 0.0)]));
    // One cannot break it within the horizon: its deadline takes nothing from the other's.
    let late = accepted("2027-02-20", "").replace("CVE-2026-0001", "CVE-2026-0000");
    let beyond = penalties(["2026-02-20", "2026-02-25"], &late);
    assert_eq!(beyond["libvirt"], (25, 100.0));
    assert_eq!(beyond["qemu-kvm"].1, 0.0);
}

#[test]
fn all_groups_together_bear_no_more_than_the_penalty() {
    let days = ["2026-01-10", "2026-02-20", "2026-02-25"];
    let scopes = ["scope = { hosts = [\"h1\"] }", ""];
    let risks = scopes.iter().flat_map(|scope| ["2026-03-30", "2026-08-01"].map(|it| accepted(it, scope)));
    let risks: Vec<String> = risks.chain([String::new()]).collect();
    for (first, second) in days.iter().flat_map(|a| days.iter().map(move |b| (*a, *b))) {
        let (mut fleet, base) = two_lines([first, second]);
        // Two groups of one host each, with two releases each.
        fleet.hosts[1].model = Some("R2".to_owned());
        for risk in &risks {
            let list = decided(&fleet, &base, &(PROMISE.to_owned() + risk), "");
            assert_eq!(list.len(), 4);
            let borne: f64 = list.iter().flat_map(|it| &it.promises).map(|it| it.penalty).sum();
            assert!((borne - 100.0).abs() < 1e-9, "{first} {second} {risk}: {borne}");
            let ahead = list.iter().map(|it| it.wait.as_ref().unwrap().never.penalties).sum::<f64>();
            assert!(ahead <= 100.0 + 1e-9, "{first} {second} {risk}: {ahead}");
        }
    }
}
