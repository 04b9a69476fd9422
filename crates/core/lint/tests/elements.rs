//! What the calendar says of elements that are no hosts: planes, witnesses, storage.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::collections::BTreeSet;

use support::{Case, change, cluster, durations, element, gate, host, patch, step};
use underpin_model::change::{Layer, Method};
use underpin_model::facts::Family;
use underpin_model::fleet::Witness;
use underpin_model::id::{ClusterId, ManagementPlaneId, WitnessId};
use underpin_model::plan::{Rule, Severity, StepKind, Wave};
use underpin_model::policy::{Freeze, Scope, Window};

fn plane(_: &mut Case) {}

/// Adds a witness of the cluster that is changed when the hosts are done.
fn witness(case: &mut Case) {
    let id = WitnessId::new("w1").unwrap();
    case.fleet.witnesses.push(Witness::new(id.clone()));
    case.fleet.clusters[0].witness = Some(id);
    let mut appliance = change("appliance", Layer::Witness, &["w1"], "2.0");
    (appliance.after, appliance.durations) = (vec!["upgrade".into()], Some(durations(Method::InPlace)));
    case.planning().changes.push(appliance);
    case.plan.waves.push(Wave {
        number: 5,
        layer: Layer::Witness,
        cluster: None,
        ring: None,
        canary: false,
        elements: vec![element("w1")],
        start_s: 0,
        end_s: 0,
        soak_until_s: 0,
    });
    let it = element("w1");
    let stage = StepKind::Stage { element: it.clone(), change: "appliance".into() };
    case.plan.steps.push(step(5, Some("w1"), stage, 15_900, 60));
    let patch = patch("w1", "appliance", Method::InPlace, "2.0");
    case.plan.steps.push(step(5, Some("w1"), patch, 16_000, 1500));
    case.plan.steps.push(step(5, Some("w1"), StepKind::Attest { element: it.clone() }, 17_500, 30));
    case.add(5, "w1", StepKind::Verify { element: it }, 17_530, 60);
}

/// Each kind: how a plan comes to change one, when nobody else is touched, and an opening (first and last minute) that holds all the others
/// and, but for a minute, all of it with its rollback.
type Kind = (&'static str, fn(&mut Case), [&'static str; 2], [u32; 2]);

const KINDS: [Kind; 3] = [
    // From 100 s to 790 s; the first host from 860 s on.
    ("p1", plane, ["2026-11-21T00:01:40Z", "2026-11-21T00:13:00Z"], [2, 720]),
    // To 17,590 s, and 1,800 s to take it back.
    ("w1", witness, ["2026-11-21T04:27:00Z", "2026-11-21T04:50:00Z"], [0, 323]),
    // To 17,690 s, and 1,800 s to take it back.
    ("s1", support::two_units, ["2026-11-21T04:27:00Z", "2026-11-21T04:50:00Z"], [0, 324]),
];

/// Scopes that speak of each kind, and those that speak of other elements alone.
fn scopes(id: &str) -> (Vec<Scope>, Vec<Scope>) {
    let one = Scope { clusters: vec![cluster()], ..Scope::default() };
    let plane = |it: &str| Scope { planes: vec![ManagementPlaneId::new(it).unwrap()], ..Scope::default() };
    let product = |it: Scope| Scope { platforms: vec![Family::Proxmox], ..it };
    let elsewhere = Scope { clusters: vec![ClusterId::new("elsewhere").unwrap()], ..Scope::default() };
    let of_host = Scope { hosts: vec![host("h4")], ..Scope::default() };
    let mut of = vec![Scope::default(), one];
    let mut of_others = vec![product(Scope::default()), elsewhere, of_host, plane("p2")];
    let named = [plane("p1"), product(plane("p1")), Scope { clusters: vec![cluster()], ..plane("p1") }];
    if id == "p1" {
        of.extend(named);
    } else {
        of_others.extend(named);
    }
    (of, of_others)
}

fn freeze(scope: &Scope, [from, until]: [&str; 2]) -> Freeze {
    let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
    Freeze { id: "short".into(), scope: scope.clone(), from, until, reason: String::new() }
}

fn window(scope: &Scope, [from, until]: [u32; 2]) -> Window {
    Window {
        id: "night".into(),
        scope: scope.clone(),
        days: Vec::new(),
        from: jiff::civil::time((from / 60) as i8, (from % 60) as i8, 0, 0),
        minutes: until - from,
        time_zone: None,
        first: Some("2026-11-21".parse().unwrap()),
        last: Some("2026-11-21".parse().unwrap()),
    }
}

/// What is found about an element alone.
fn found(case: &Case, id: &str) -> BTreeSet<Rule> {
    let report = case.lint();
    let errors = report.findings.iter().filter(|it| it.severity == Severity::Error);
    errors.inspect(|it| assert_eq!(it.place, id, "{it:#?}")).map(|it| it.rule).collect()
}

#[test]
fn nothing_is_changed_in_a_freeze_that_speaks_of_it_planes_witnesses_and_storage_too() {
    for (id, make, span, _) in KINDS {
        let (of, of_others) = scopes(id);
        for (scope, expected) in of.iter().map(|it| (it, 1)).chain(of_others.iter().map(|it| (it, 0))) {
            let mut case = Case::sound();
            make(&mut case);
            assert_eq!(found(&case, id), BTreeSet::new());
            case.policy.planning.freeze = vec![freeze(scope, span)];
            let rules = [Rule::FreezeCalendar].into_iter().take(expected).collect();
            assert_eq!(found(&case, id), rules, "{id}: {scope:?}");
        }
    }
}

#[test]
fn what_a_window_speaks_of_is_changed_within_it_planes_witnesses_and_storage_too() {
    for (id, make, _, [from, until]) in KINDS {
        let (of, of_others) = scopes(id);
        for (scope, expected) in of.iter().map(|it| (it, 1)).chain(of_others.iter().map(|it| (it, 0))) {
            let mut case = Case::sound();
            make(&mut case);
            case.policy.planning.window = vec![window(scope, [from, until])];
            let rules = [Rule::Window].into_iter().take(expected).collect();
            assert_eq!(found(&case, id), rules, "{id}: {scope:?}");
            // A minute more is enough.
            let (from, until) = if from == 0 { (from, until + 1) } else { (from - 1, until) };
            case.policy.planning.window = vec![window(scope, [from, until])];
            assert_eq!(found(&case, id), BTreeSet::new(), "{id}: {scope:?}");
        }
    }
}

#[test]
fn a_wave_of_a_ring_that_no_host_has_is_told_even_if_it_changes_none() {
    let mut case = Case::sound();
    // The guest of the last host leaves in a wave of its own.
    let mut before = case.plan.waves[3].clone();
    before.elements.clear();
    case.plan.steps.iter_mut().filter(|it| it.wave == 4).for_each(|it| it.wave = 5);
    case.plan.waves[3].number = 5;
    case.plan.waves.insert(3, before);
    case.migration("v3").wave = 4;
    case.gate(5).start_s = 12_560;
    case.step(|it| matches!(it, StepKind::Stage { element, .. } if element.as_str() == "h3")).start_s =
        12_510;
    case.plan.steps.push(gate(4, 12_500));
    case.tidy();
    let leaves = case.migration("v3").id;
    case.gate(5).after.push(leaves);
    let told = |case: &Case| -> Vec<String> {
        let errors = case.lint().findings.into_iter().filter(|it| it.severity == Severity::Error);
        errors.map(|it| format!("{}: {}", it.place, it.found)).collect()
    };
    assert_eq!(told(&case), [""; 0]);
    case.plan.waves[3].ring = Some("nonsense".into());
    assert_eq!(told(&case), ["wave 4: ring \"nonsense\""]);
}
