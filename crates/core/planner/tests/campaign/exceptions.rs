//! Leave to break a rule, by a named person, somewhere, for a while: plans use it, the report and the lint name it, and elsewhere and
//! afterwards the rule holds.

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::fleet::{Action, AffinityKind, Application, Cluster, Fleet, Redundancy, Storage};
use underpin_model::id::{ApplicationId, ClusterId, StorageId};
use underpin_model::plan::{Outcome, Rule, Severity};
use underpin_model::policy::{self, Leave, Policy};
use underpin_planner::campaign::plan;

use super::build::{fleet, guest, host, of, request, tenant};
use super::rules::rule;

/// A policy of one ring without soak, with an exception.
fn excepting(more: &str, rule: Rule, scope: &str, expires: &str) -> Policy {
    policy::read(&format!(
        "{more}\n[[planning.exception]]\nid = \"x\"\nrule = \"{}\"\nowner = \"ann\"\nexpires = {expires}\nreason = \"r\"\n\
         scope = {{ {scope} }}\n",
        rule.name()
    ))
    .unwrap_or_else(|it| panic!("{it:#?}"))
}

const NO_SOAK: &str = "[[ring]]\nname = \"production\"\nsoak = 0\n";
const TWO_RINGS: &str = "[[ring]]\nname = \"test\"\nsoak = 1\n[[ring]]\nname = \"production\"\nsoak = 0\n";
/// Shut for the whole of the plan's first days.
const SHUT: &str = "[[planning.window]]\nid = \"w\"\nfrom = \"00:00\"\nminutes = 600\nfirst = 2026-12-20\n";
const FROZEN: &str =
    "[[planning.freeze]]\nid = \"f\"\nfrom = 2026-11-01T00:00:00Z\nuntil = 2027-12-01T00:00:00Z\n";

/// A fleet in which nothing but the rule keeps h1 from being changed, and what its policy says.
fn bound_by(rule_of: Rule) -> (Fleet, String) {
    let mut it = fleet(3);
    let mut more = NO_SOAK.to_owned();
    match rule_of {
        Rule::Restartability => {
            for host in ["h1", "h2", "h3"] {
                for _ in 0..3 {
                    guest(&mut it, host, 16);
                }
            }
        }
        Rule::Degraded => it.clusters[0].degraded = Some(true),
        Rule::StorageRedundancy => {
            let mut san = Storage::new(StorageId::new("san").unwrap());
            san.redundancy = Some(Redundancy::Degraded);
            it.storage.push(san);
            it.clusters[0].storage = vec![StorageId::new("san").unwrap()];
        }
        Rule::Apart => {
            for host in ["h1", "h2", "h3"] {
                guest(&mut it, host, 8);
            }
            it.affinities = vec![rule(AffinityKind::Apart, &["v001", "v002", "v003"], &[])];
        }
        Rule::Together => {
            // 90 of 100 GiB as one: nobody has room for both, nor can make it, but each of the others has for one.
            for (host, gib) in [("h1", 45), ("h1", 45), ("h2", 52), ("h3", 52)] {
                guest(&mut it, host, gib);
            }
            it.affinities = vec![rule(AffinityKind::Together, &["v001", "v002"], &[])];
            more += "[planning]\nfailure_sets = \"none\"\n";
        }
        Rule::OnHosts => {
            guest(&mut it, "h1", 8);
            it.affinities = vec![rule(AffinityKind::OnHosts, &["v001"], &["h1"])];
        }
        Rule::AllowedAction => guest(&mut it, "h1", 8).allowed_actions = vec![Action::Suspend],
        Rule::ReleaseDiversity => {
            // h1 has the release and needs no canary; the first one of the other hardware comes with the next ring.
            more = TWO_RINGS.to_owned();
            it.hosts[2].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
            for (at, host) in it.hosts.iter_mut().enumerate() {
                host.model = Some(if at == 1 { "R2" } else { "R1" }.to_owned());
                host.ring = Some(if at == 1 { "production" } else { "test" }.to_owned());
            }
            let id = ApplicationId::new("shop").unwrap();
            it.applications.push(Application::new(id.clone()));
            for (host, action) in [("h3", Action::LiveMigrate), ("h1", Action::PowerOff)] {
                let vm = guest(&mut it, host, 8);
                (vm.application, vm.allowed_actions) = (Some(id.clone()), vec![action]);
            }
            super::build::consent(&mut it, Action::PowerOff, true);
        }
        Rule::Window => more += SHUT,
        Rule::FreezeCalendar => more += FROZEN,
        other => panic!("{other:?} cannot be excepted"),
    }
    // A cluster that the scopes of these tests leave out.
    it.clusters.push(Cluster::new(ClusterId::new("other").unwrap()));
    it.hosts.push(host("o1", "other"));
    (it, more)
}

/// What becomes of h1, the exceptions that the plan is made under, and those that the lint finds used; the lint must find no error.
fn planned(fleet: &Fleet, policy: &Policy) -> (Outcome, Vec<String>, Vec<String>) {
    let loss = BTreeMap::new();
    let it = plan(&request(fleet, policy, &loss)).unwrap();
    let report = lint(fleet, policy, &it.plan, &Options::default());
    assert!(report.is_clean(), "{:#?}", report.findings);
    let used = report.exceptions.iter().map(|it| it.id.clone()).collect();
    // Soon enough for the exception: the window opens weeks later.
    let mut outcome = of(&it, "h1").outcome;
    if of(&it, "h1").start_s.is_some_and(|it| it > 86_400 * 9) {
        outcome = Outcome::Deferred;
    }
    (outcome, it.report.exceptions_used, used)
}

#[test]
fn every_rule_that_can_be_excepted_is_kept_without_and_broken_with_leave() {
    let mut tried = 0;
    for &rule in Rule::ALL.iter().filter(|it| !matches!(it.leave(), Leave::Nowhere(_))) {
        tried += 1;
        let (fleet, more) = bound_by(rule);
        let (here, elsewhere) = ("clusters = [\"c\"]", "clusters = [\"other\"]");
        let with = planned(&fleet, &excepting(&more, rule, here, "2026-11-30"));
        assert_eq!(with, (Outcome::Planned, vec!["x".to_owned()], vec!["x".to_owned()]), "{rule:?}");
        for (scope, expires) in [(here, "2026-11-20"), (elsewhere, "2026-11-30")] {
            let (outcome, said, used) = planned(&fleet, &excepting(&more, rule, scope, expires));
            assert_ne!(outcome, Outcome::Planned, "{rule:?} {scope} {expires}");
            // Where it is in force elsewhere, it may be used there.
            let none = said.is_empty() && used.is_empty();
            assert!(none || scope == elsewhere, "{rule:?}: {said:?} {used:?}");
        }
    }
    assert_eq!(tried, 10);
}

#[test]
fn leave_for_single_hosts_and_tenants_holds_for_these_alone() {
    let start = |fleet: &Fleet, policy: &Policy, host: &str| {
        let loss = BTreeMap::new();
        let it = plan(&request(fleet, policy, &loss)).unwrap();
        let report = lint(fleet, policy, &it.plan, &Options::default());
        assert!(report.is_clean(), "{:#?}", report.findings);
        of(&it, host).start_s
    };
    for (rule, more) in [(Rule::Window, SHUT), (Rule::FreezeCalendar, FROZEN)] {
        let (fleet, _) = bound_by(rule);
        let policy = excepting(&format!("{NO_SOAK}{more}"), rule, "hosts = [\"h1\"]", "2026-11-22");
        assert!(start(&fleet, &policy, "h1").is_some_and(|it| it < 86_400), "{rule:?}");
        assert!(start(&fleet, &policy, "h2").is_none_or(|it| it > 86_400 * 20), "{rule:?}");
    }
    // A freeze of a tenant's guests, with leave for one of two tenants.
    let mut fleet = fleet(3);
    for (id, host) in [("acme", "h1"), ("globex", "h2")] {
        let id = tenant(&mut fleet, id);
        guest(&mut fleet, host, 8).tenant = Some(id);
    }
    let frozen = FROZEN.to_owned() + "scope = { tenants = [\"acme\", \"globex\"] }\n";
    let more = format!("{NO_SOAK}{frozen}");
    let policy = excepting(&more, Rule::FreezeCalendar, "tenants = [\"acme\"]", "2026-11-22");
    assert!(start(&fleet, &policy, "h1").is_some_and(|it| it < 86_400 * 2));
    assert_eq!(start(&fleet, &policy, "h2"), None);
}

#[test]
fn an_exception_that_ended_before_the_plan_is_told() {
    let (fleet, loss) = (fleet(2), BTreeMap::new());
    let told = |expires: &str| {
        let policy = excepting(NO_SOAK, Rule::Restartability, "", expires);
        let report = plan(&request(&fleet, &policy, &loss)).unwrap().report;
        let told = report.standing.into_iter().find(|it| it.place == "planning.exception x");
        told.map(|it| (it.rule, it.severity, it.text))
    };
    let (rule, severity, text) = told("2026-11-20").unwrap();
    assert_eq!((rule, severity), (Rule::Restartability, Severity::Before));
    assert!(text.starts_with("it ended on 2026-11-20, before the plan starts"), "{text}");
    // The last day counts to its end.
    assert_eq!(told("2026-11-21"), None);
}
