//! Laws, tried on made-up fleets.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_exposure::Status;
use underpin_exposure::report::{Area, AssetKind};
use underpin_model::fleet::Fleet;
use underpin_model::policy::Policy;
use underpin_risk::build::Built;
use underpin_risk::portfolio::{Impact, Response};

use crate::make::{ESCAPE, Facts, REMOTE, add_host, add_plane, built, fleet, policy};

const HOLES: [(&str, Option<&str>, Option<f64>, Area); 4] = [
    ("CVE-1", Some(ESCAPE), Some(0.3), Area::VmmCore),
    ("CVE-2", Some(REMOTE), None, Area::Management),
    ("CVE-3", None, Some(0.01), Area::Kernel),
    ("CVE-4", Some("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:H/A:N"), Some(0.6), Area::Other),
];

/// Guests of two tenants, holes as bits, the network of its way in.
type Made = (usize, usize, u8, usize);

fn hosts() -> impl Strategy<Value = Vec<Made>> {
    proptest::collection::vec((0..3_usize, 0..3_usize, 0..16_u8, 0..3_usize), 1..8)
}

fn name(at: usize) -> String {
    format!("h{at}")
}

/// The fleet and its assessment, hosts in the order given; every second host stands under a plane.
fn make(made: &[Made], order: &[usize]) -> (Fleet, Facts) {
    let mut fleet = fleet();
    let mut facts = Facts::new();
    for (id, vector, epss, _) in HOLES {
        facts = facts.knows(id, vector, epss, None);
    }
    for at in order {
        let (a, b, holes, network) = made[*at];
        add_host(&mut fleet, &name(*at), &[("a", a), ("b", b)]);
        let network = ["inside", "public", "somewhere"][network];
        let last = fleet.hosts.last_mut().unwrap();
        last.management_interfaces = vec![crate::make::way_in("ssh", network)];
        let open: Vec<_> = HOLES
            .iter()
            .enumerate()
            .filter(|(bit, _)| holes & (1 << bit) != 0)
            .map(|(_, it)| (Some(it.0), it.3, Status::Affected))
            .collect();
        facts = facts.hosts(&[&name(*at)], &open);
    }
    let under: Vec<String> = (0..made.len()).step_by(2).map(name).collect();
    add_plane(&mut fleet, "vc", &under.iter().map(String::as_str).collect::<Vec<_>>());
    facts = facts.has(
        AssetKind::ManagementPlane,
        &["vc"],
        &[(Some("CVE-2"), Area::Management, Status::Affected)],
    );
    (fleet, facts)
}

/// What a host answers, by cause: probability given the shock, of the shock, and impact.
type Answers = BTreeMap<String, (f64, f64, Impact)>;

fn answers(built: &Built, responses: &[Response]) -> Answers {
    let portfolio = &built.portfolio;
    let all = responses.iter().map(|it| {
        let shock = &portfolio.shocks[it.shock as usize];
        (format!("{:?}", shock.cause), (portfolio.given_shock(it), shock.probability, it.impact))
    });
    all.collect()
}

fn answers_of(built: &Built, host: &str) -> Answers {
    answers(built, &crate::make::class(built, host).responses)
}

const CONTROLS: &str = "[[control]]\nid = \"a\"\ncloses = [\"network\", \"guest\"]\nfails = 0.3\nsource = \"judgement\"\n\
                        [[control]]\nid = \"b\"\ncloses = [\"network\"]\nfails = 0.2\nsource = \"judgement\"\n";

proptest! {
    #[test]
    fn the_order_of_hosts_and_vms_changes_nothing(made in hosts(), turn in 0..8_usize) {
        let straight: Vec<usize> = (0..made.len()).collect();
        let mut turned = straight.clone();
        turned.rotate_left(turn % made.len());
        turned.reverse();
        let policy = policy(CONTROLS);
        let (fleet, facts) = make(&made, &straight);
        let one = built(&fleet, &facts, &policy);
        let (mut fleet, facts) = make(&made, &turned);
        fleet.vms.reverse();
        fleet.tenants.reverse();
        prop_assert_eq!(one, built(&fleet, &facts, &policy));
    }

    #[test]
    fn merging_hosts_into_classes_is_exact(made in hosts()) {
        let policy = policy(CONTROLS);
        let all: Vec<usize> = (0..made.len()).collect();
        let (fleet, facts) = make(&made, &all);
        let together = built(&fleet, &facts, &policy);
        for at in 0..made.len() {
            let mut alone = fleet.clone();
            alone.hosts.retain(|it| it.id.as_str() == name(at));
            alone.vms.retain(|it| it.host.as_ref().is_some_and(|id| id.as_str() == name(at)));
            // A file without any VM says nothing of guests; one with a VM elsewhere does.
            if alone.vms.is_empty() && !fleet.vms.is_empty() {
                let mut elsewhere = fleet.vms[0].clone();
                elsewhere.host = None;
                alone.vms.push(elsewhere);
            }
            let single = built(&alone, &facts, &policy);
            prop_assert_eq!(answers_of(&together, &name(at)), answers_of(&single, &name(at)));
        }
        let hosts: u64 = together.derivations.classes.iter().map(|it| it.hosts).sum();
        prop_assert_eq!(hosts, made.len() as u64);
    }

    #[test]
    fn a_control_that_adds_nothing_raises_nothing(made in hosts(), fails in 0.0..=1.0_f64, path in 0..4_usize, beta in 0.0..=1.0_f64) {
        let all: Vec<usize> = (0..made.len()).collect();
        let (fleet, facts) = make(&made, &all);
        let path = ["network", "guest", "management-plane", "local"][path];
        let parameters = format!("[parameters]\nbeta = {{ value = {beta:.3}, low = 0, high = 1 }}\n");
        let control = format!("[[control]]\nid = \"aa\"\ncloses = [\"{path}\"]\nfails = {fails:.6}\nsource = \"judgement\"\n");
        let without = built(&fleet, &facts, &policy(&format!("{parameters}{CONTROLS}")));
        let with = built(&fleet, &facts, &policy(&format!("{parameters}{CONTROLS}{control}")));
        for at in 0..made.len() {
            let before = answers_of(&without, &name(at));
            for (cause, (given, shock, _)) in answers_of(&with, &name(at)) {
                let known = before.get(&cause);
                prop_assert!(known.is_some_and(|it| given * shock <= it.0 * it.1 + 1e-15), "{cause}");
            }
        }
        let takes = |it: &Built| it.portfolio.takes_host(&it.portfolio.planes[0]);
        prop_assert!(takes(&with) <= takes(&without) + 1e-15);
        let plane = |it: &Built| answers(it, &it.portfolio.planes[0].responses);
        let before = plane(&without);
        for (cause, (given, shock, _)) in plane(&with) {
            prop_assert!(before.get(&cause).is_some_and(|it| given * shock <= it.0 * it.1 + 1e-15), "{cause}");
        }
    }

    #[test]
    fn one_more_hole_takes_nothing_away(made in hosts(), bit in 0..4_u8) {
        let all: Vec<usize> = (0..made.len()).collect();
        let more: Vec<Made> = made.iter().map(|it| (it.0, it.1, it.2 | 1 << bit, it.3)).collect();
        let policy = Policy::default();
        let (fleet, facts) = make(&made, &all);
        let (fleet_more, facts_more) = make(&more, &all);
        let (one, other) = (built(&fleet, &facts, &policy), built(&fleet_more, &facts_more, &policy));
        for at in 0..made.len() {
            let after = answers_of(&other, &name(at));
            for (cause, answer) in answers_of(&one, &name(at)) {
                prop_assert_eq!(after.get(&cause), Some(&answer));
            }
        }
    }
}
