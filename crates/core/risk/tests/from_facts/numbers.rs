//! Small fleets with numbers worked out by hand.

use underpin_exposure::Status;
use underpin_exposure::report::{Area, AssetKind};
use underpin_model::fleet::PowerState;
use underpin_model::fleet::{AuthenticationMethod, HardwareClass};
use underpin_model::policy::{Parameter, Policy};
use underpin_risk::build::{Options, ReleaseDates, Warning, build};
use underpin_risk::hazard::HazardSource;
use underpin_risk::portfolio::{Cause, Factor, Impact, Shock};

use crate::make::{
    ESCAPE, Facts, REMOTE, add_host, add_plane, answer, built, class, exploit, fleet, near, policy, way_in,
};

const OPEN: Status = Status::Affected;

#[test]
fn an_exploit_is_seen_in_the_wild_and_aimed_here() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.2), None)
        .knows("CVE-2", Some(REMOTE), None, Some("2026-11-21"))
        .knows("CVE-3", Some(REMOTE), None, None)
        .knows("CVE-4", Some(REMOTE), Some(0.95), Some("2020-01-01"))
        .knows("CVE-5", Some(REMOTE), Some(0.5), None)
        .hosts(
            &["h"],
            &[
                (Some("CVE-1"), Area::VmmCore, OPEN),
                (Some("CVE-2"), Area::VmmCore, OPEN),
                (Some("CVE-3"), Area::VmmCore, Status::FixedNotRunning),
                (Some("CVE-4"), Area::VmmCore, OPEN),
                (Some("CVE-5"), Area::VmmCore, Status::Fixed),
            ],
        );
    let built = built(&fleet, &facts, &Policy::default());
    // 30 days: EPSS, the KEV floor, the base rate, EPSS above the floor; each times 0.05.
    for (id, exploited, source) in [
        ("CVE-1", 0.2, HazardSource::Epss),
        ("CVE-2", 0.9, HazardSource::Kev),
        ("CVE-3", 0.00344, HazardSource::Unknown),
        ("CVE-4", 0.95, HazardSource::Kev),
    ] {
        let at = exploit(&built, id).unwrap() as usize;
        near(built.portfolio.shocks[at].probability, exploited * 0.05);
        assert_eq!(built.derivations.shocks[at].hazard.unwrap().source, source, "{id}");
    }
    assert_eq!(exploit(&built, "CVE-5"), None, "what is fixed and runs is no shock");
    let kev = &built.portfolio.shocks[exploit(&built, "CVE-2").unwrap() as usize].factors[0];
    assert_eq!(kev.parameter, Some(Parameter::KevFloor));
    assert!((kev.low - 0.5).abs() < 1e-12 && (kev.high - 0.99).abs() < 1e-12, "{kev:?}");
    let shorter = crate::make::built(&fleet, &facts, &policy("horizon_days = 15"));
    near(shorter.portfolio.shocks[0].probability, 1.0 - 0.99_f64.sqrt());
}

#[test]
fn over_other_horizons_a_campaign_comes_again() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.2), None)
        .knows("CVE-2", Some(REMOTE), None, Some("2026-11-21"))
        .knows("CVE-3", Some(REMOTE), None, Some("2016-11-21"))
        .knows("CVE-4", Some(REMOTE), None, None)
        .hosts(&["h"], &["CVE-1", "CVE-2", "CVE-3", "CVE-4"].map(|it| (Some(it), Area::VmmCore, OPEN)));
    // How often the hazard of 30 days fits: evenly, or as it rises after 0 and after ten years.
    let rise = |age: f64, days: f64| (age + days).powf(0.28) - age.powf(0.28);
    let old = f64::from((at_day("2026-11-21") - at_day("2016-11-21")).get_days());
    for days in [7.0, 30.0, 90.0, 365.0] {
        let built = built(&fleet, &facts, &policy(&format!("horizon_days = {days}")));
        let shock = |id| &built.portfolio.shocks[exploit(&built, id).unwrap() as usize];
        let rises = |age| rise(age, days) / rise(age, 30.0);
        // What is listed is never below the constant hazard of what has no score.
        let unlisted = 1.0 - (1.0 - 0.00344 * 0.05_f64).powf(days / 30.0);
        let listed = |thirty_days: f64, age| (1.0 - (1.0 - thirty_days).powf(rises(age))).max(unlisted);
        for (id, value, low, high) in [
            ("CVE-1", 0.2 * 0.05, 0.2 * 0.005, 0.2 * 0.5),
            ("CVE-4", 0.00344 * 0.05, 0.001 * 0.005, 0.05 * 0.5),
        ] {
            let even = |it: f64| 1.0 - (1.0 - it).powf(days / 30.0);
            is_product(shock(id), [even(low), even(value), even(high)], days);
        }
        for (id, age) in [("CVE-2", 0.0), ("CVE-3", old)] {
            let ends = [0.5 * 0.005, 0.9 * 0.05, 0.99 * 0.5].map(|it| listed(it, age));
            is_product(shock(id), ends, days);
        }
    }
}

/// Factors of a shock multiply to its probability and to the ends of its range.
#[track_caller]
fn is_product(shock: &Shock, [low, value, high]: [f64; 3], days: f64) {
    near(shock.probability, value);
    let product = |of: fn(&Factor) -> f64| shock.factors.iter().map(of).product::<f64>();
    near(product(|it| it.value), value);
    if days >= 30.0 {
        near(product(|it| it.low), low);
        near(product(|it| it.high), high);
    }
    assert!(shock.factors.iter().all(|it| it.low <= it.value && it.value <= it.high && it.high <= 1.0));
    assert_eq!(shock.factors[1].source.contains(&format!("over {days} days")), days != 30.0);
}

fn at_day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

#[test]
fn an_escape_needs_a_guest_in_the_attackers_hands() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 2), ("b", 3)]);
    add_host(&mut fleet, "empty", &[]);
    add_host(&mut fleet, "unsure", &[("a", 2)]);
    for (at, vm) in fleet.vms.iter_mut().enumerate() {
        // One of the five guests of `h` is off; one of the two of `unsure` may be.
        if at == 0 {
            vm.power = Some(PowerState::Off);
        } else if at == 5 {
            vm.power = None;
        }
    }
    let facts = Facts::new()
        .knows("CVE-1", Some(ESCAPE), Some(0.5), None)
        .hosts(&["h", "empty", "unsure"], &[(Some("CVE-1"), Area::DeviceEmulation, OPEN)]);
    let built = built(&fleet, &facts, &Policy::default());
    near(answer(&built, "h", "CVE-1").unwrap().probability, 1.0 - 0.999_f64.powi(4));
    assert_eq!(answer(&built, "empty", "CVE-1"), None, "without guests there is no way through one");
    let unsure = &answer(&built, "unsure", "CVE-1").unwrap().factors[0];
    near(unsure.value, 1.0 - 0.999_f64.powi(2));
    near(unsure.low, 1.0 - 0.9999_f64);
    near(unsure.high, 1.0 - 0.99_f64.powi(2));
    // Two tenants stand on `h`: 1 VM of a and 3 of b run.
    let host = built.portfolio.hosts.iter().find(|it| it.id.as_str() == "h").unwrap();
    let vms: Vec<u32> = built.portfolio.holdings_of(host).iter().map(|it| it.vms).collect();
    assert_eq!(vms, [1, 3]);
}

#[test]
fn a_hole_that_needs_an_account_meets_the_second_factor() {
    let mut fleet = fleet();
    let method = |second_factor| AuthenticationMethod { method: "password".to_owned(), second_factor };
    for (id, authentication) in [
        ("asked", vec![method(Some(true))]),
        ("one-way", vec![method(Some(true)), method(Some(false))]),
        ("unknown", vec![method(None)]),
    ] {
        add_host(&mut fleet, id, &[("a", 1)]);
        fleet.hosts.last_mut().unwrap().management_interfaces[0].authentication = authentication;
    }
    let account = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H";
    let holes = [("CVE-1", account), ("CVE-2", REMOTE)];
    let facts =
        holes.iter().fold(Facts::new(), |facts, (id, vector)| facts.knows(id, Some(vector), Some(0.2), None));
    let facts =
        facts.hosts(&["asked", "one-way", "unknown"], &holes.map(|(id, _)| (Some(id), Area::VmmCore, OPEN)));
    let built = built(&fleet, &facts, &Policy::default());
    let reach = |host: &str, id| answer(&built, host, id).unwrap().factors[0].clone();
    let ends = |host: &str, id| (reach(host, id).low, reach(host, id).value, reach(host, id).high);
    let near_all = |found: (f64, f64, f64), expected: [f64; 3]| {
        [found.0, found.1, found.2]
            .into_iter()
            .zip(expected)
            .for_each(|(found, expected)| near(found, expected));
    };
    near_all(ends("asked", "CVE-1"), [0.005 * 0.0078, 0.05 * 0.0144, 0.3 * 0.3]);
    near_all(ends("one-way", "CVE-1"), [0.005, 0.05, 0.3]);
    // What is not known counts as if none were demanded, and is told as a range.
    near_all(ends("unknown", "CVE-1"), [0.005 * 0.0078, 0.05, 0.3]);
    for host in ["asked", "one-way", "unknown"] {
        near_all(ends(host, "CVE-2"), [0.005, 0.05, 0.3]);
    }
    assert_eq!(reach("asked", "CVE-1").parameter, Some(Parameter::SecondFactor));
    assert!(reach("unknown", "CVE-1").source.contains("not known"), "{:?}", reach("unknown", "CVE-1"));
}

#[test]
fn what_stands_on_a_host_is_worth_what_the_policy_says() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 2), ("b", 1)]);
    let policy = policy(
        "currency = \"EUR\"\n[loss]\nvm_hour_down = 10\nrecord_disclosed = 2\nsystem_corrupted = 300\nrecords_per_vm = 7\n\
         [loss.tenant.b]\nvm_hour_down = 100\n",
    );
    let built = built(&fleet, &Facts::new(), &policy);
    let holdings = &built.portfolio.holdings;
    assert_eq!(
        (holdings[0].confidentiality, holdings[0].integrity, holdings[0].availability),
        (2.0 * 7.0 * 2.0, 600.0, 2.0 * 24.0 * 10.0)
    );
    assert_eq!(holdings[1].availability, 2400.0);
    assert!(!built.warnings.contains(&Warning::LossesNotStated));
}

#[test]
fn controls_on_a_path_multiply_and_keep_their_marginals() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    add_host(&mut fleet, "other", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.5), None)
        .knows("CVE-2", Some(ESCAPE), Some(0.5), None)
        .hosts(
            &["h", "other"],
            &[(Some("CVE-1"), Area::VmmCore, OPEN), (Some("CVE-2"), Area::VmmCore, OPEN)],
        );
    let policy = policy(
        "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\nscope.hosts = [\"h\"]\n\
         [[control]]\nid = \"filter\"\ncloses = [\"network\"]\nfails = 0.4\nsource = \"judgement\"\nscope.hosts = [\"h\"]\n",
    );
    let built = built(&fleet, &facts, &policy);
    let network = answer(&built, "h", "CVE-1").unwrap();
    // The stronger control is the gate; the other one is a factor.
    near(network.probability, 0.05 * 0.4);
    let gate = network.gate.unwrap();
    let cause = &built.portfolio.shocks[gate.shock as usize];
    assert_eq!(cause.cause, Cause::ControlFails { control: "vpn".to_owned() });
    near(cause.probability, 0.05 * 0.1);
    near(gate.otherwise, 0.1 * 0.95 / (1.0 - 0.005));
    near(built.portfolio.given_shock(network), 0.05 * 0.4 * 0.1);
    assert_eq!(answer(&built, "h", "CVE-2").unwrap().gate, None, "another path");
    near(answer(&built, "other", "CVE-1").unwrap().probability, 0.05);
    assert_eq!(answer(&built, "other", "CVE-1").unwrap().gate, None, "outside the scope");
}

#[test]
fn a_control_may_add_a_path_of_its_own() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    let policy = policy(
        "horizon_days = 60\n[[control]]\nid = \"agent\"\ncloses = [\"guest\"]\nfails = 0.1\nadds = 0.01\nsource = \"judgement\"\n\
         [[control]]\nid = \"lost\"\ncloses = [\"guest\"]\nfails = 0.1\nsource = \"judgement\"\nscope.clusters = [\"none\"]\n",
    );
    let built = built(&fleet, &Facts::new(), &policy);
    let attacked = Cause::ControlAttacked { control: "agent".to_owned() };
    let at = built.portfolio.shocks.iter().position(|it| it.cause == attacked).unwrap();
    near(built.portfolio.shocks[at].probability, 1.0 - 0.99 * 0.99);
    let response = class(&built, "h").responses.iter().find(|it| it.shock as usize == at).unwrap();
    near(response.probability, 1.0);
    assert!(built.warnings.contains(&Warning::ControlNowhere { control: "lost".to_owned() }));
    let other = Cause::ControlFails { control: "lost".to_owned() };
    assert!(built.portfolio.shocks.iter().all(|it| it.cause != other), "it stands nowhere");
}

#[test]
fn a_management_plane_has_holes_of_its_own() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    add_host(&mut fleet, "h2", &[("a", 1)]);
    add_host(&mut fleet, "free", &[]);
    add_plane(&mut fleet, "vc", &["h1", "h2"]);
    fleet.management_planes[0].management_interfaces.push(way_in("api", "public"));
    let down = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.5), None)
        .knows("CVE-2", Some(down), Some(0.5), None)
        .knows("CVE-3", Some(ESCAPE), Some(0.5), None)
        .has(
            AssetKind::ManagementPlane,
            &["vc"],
            &[
                (Some("CVE-1"), Area::Management, OPEN),
                (Some("CVE-2"), Area::Management, OPEN),
                (Some("CVE-3"), Area::VmmCore, OPEN),
            ],
        );
    let policy = policy(
        "[[control]]\nid = \"tiering\"\ncloses = [\"management-plane\"]\nfails = 0.5\nsource = \"judgement\"\n\
         [[control]]\nid = \"sandbox\"\ncloses = [\"guest\"]\nfails = 0.5\nsource = \"judgement\"\n\
         [[control]]\nid = \"half\"\ncloses = [\"management-plane\"]\nfails = 0.5\nsource = \"judgement\"\nscope.hosts = [\"h1\"]\n",
    );
    let built = built(&fleet, &facts, &policy);
    let plane = &built.portfolio.planes[0];
    // One way from outside, one from inside; it answers to the hole that gives control and not to the outage.
    assert_eq!(plane.responses.len(), 2);
    near(plane.responses[0].probability, 1.0 - 0.5 * 0.95);
    // What is an escape on a host needs an account on a plane, and no control before guests stands there.
    near(plane.responses[1].probability, 0.05);
    assert_eq!(plane.responses[1].gate, None);
    assert_eq!(built.derivations.planes[0].without_control, 1);
    // The control before all of its hosts counts, the one before half of them does not. It lets the plane at all of them at
    // once with `beta` of its failures, and at each host on its own as often as it fails.
    near(plane.takes_host, 0.9);
    near(built.portfolio.takes_host(plane), 0.9 * 0.5);
    let gate = plane.gate.unwrap();
    assert_eq!(
        built.portfolio.shocks[gate.shock as usize].cause,
        Cause::ControlFails { control: "tiering".to_owned() }
    );
    near(built.portfolio.shock_probability(gate.shock), 0.05 * 0.5);
    near(gate.otherwise, 0.5 * 0.95 / (1.0 - 0.05 * 0.5));
    assert_eq!(class(&built, "h1").planes, [0]);
    assert!(class(&built, "free").planes.is_empty());
}

#[test]
fn a_young_release_may_still_be_bad() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    add_host(&mut fleet, "h2", &[]);
    add_host(&mut fleet, "old", &[]);
    fleet.hosts[1].vendor = Some("Other".to_owned());
    fleet.hosts[2].platform.as_mut().unwrap().release = Some("8.0.0".to_owned());
    let mut releases = ReleaseDates::default();
    let proxmox = underpin_model::facts::Family::Proxmox;
    releases.insert(proxmox.clone(), Some("8"), "8.4.1", "2026-10-22".parse().unwrap());
    releases.insert(proxmox, Some("8"), "8.0.0", "2023-06-22".parse().unwrap());
    let facts = Facts::new();
    let built = build(&fleet, &facts.assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    let bad: Vec<_> =
        built.portfolio.shocks.iter().filter(|it| matches!(it.cause, Cause::BadRelease { .. })).collect();
    // One per hardware class; the release of 2023 is mature.
    assert_eq!(bad.len(), 2);
    let found = (-0.024_f64 * 30.0).exp();
    let shows = -(-0.024_f64 * 30.0).exp_m1();
    near(bad[0].probability, 0.05 * found / (0.95 + 0.05 * found) * shows);
    assert!(
        matches!(&bad[0].cause, Cause::BadRelease { hardware, .. } if *hardware == HardwareClass::of(&fleet.hosts[0]))
    );
    let response = &class(&built, "h1").responses[0];
    near(response.probability, 0.08);
    assert_eq!(response.impact, Impact { host_down: 1.0, ..Impact::default() });
    assert_eq!(built.unpriced.hosts_without_release_day, 0);
    assert_eq!(class(&built, "old").responses.len(), 1, "Underpin alone");
}

#[test]
fn what_is_not_known_is_counted_and_has_an_upper_figure() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    add_host(&mut fleet, "h2", &[("a", 1)]);
    add_host(&mut fleet, "unseen", &[("a", 1)]);
    fleet.hosts[2].components = None;
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), None, None)
        .hosts(
            &["h1"],
            &[
                (None, Area::Other, Status::UnknownNoSource),
                (None, Area::Other, Status::UnknownNoSource),
                (Some("CVE-1"), Area::VmmCore, Status::UnderInvestigation),
            ],
        )
        .hosts(&["h2"], &[]);
    let releases = ReleaseDates::default();
    let left_out = build(&fleet, &facts.assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    assert_eq!(
        left_out.unpriced.to_string(),
        "not priced: 2 components on 1 host have no source; 1 finding on 1 host has an unknown status; \
         of 1 host neither kernel nor hypervisor is known; of 3 hosts no management plane is known; the release of 3 hosts has no known day; \
         priced at its worst: 3 VMs of which it is not known what stands in when the host is down"
    );
    assert!(left_out.portfolio.shocks.iter().all(|it| it.cause == Cause::Underpin));
    let upper = build(&fleet, &facts.assessment, &Policy::default(), &Options::upper(&releases)).unwrap();
    let unlisted = answer(&upper, "h1", "unlisted hole in proxmox 8").unwrap();
    near(upper.portfolio.shock_probability(unlisted.shock), 0.00344 * 0.05);
    assert!(answer(&upper, "unseen", "unlisted hole in proxmox 8").is_some());
    assert!(answer(&upper, "h2", "unlisted hole in proxmox 8").is_none());
    let bad = upper.portfolio.shocks.iter().find(|it| matches!(it.cause, Cause::BadRelease { .. }));
    near(bad.unwrap().probability, 0.05 * -(-0.024_f64 * 30.0).exp_m1());
}

#[test]
fn without_any_score_a_hole_is_priced_all_the_same() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    let facts =
        Facts::new().knows("CVE-1", None, None, None).hosts(&["h"], &[(Some("CVE-1"), Area::VmmCore, OPEN)]);
    let built = built(&fleet, &facts, &Policy::default());
    let response = answer(&built, "h", "CVE-1").unwrap();
    let reach = &response.factors[0];
    // From the hardest way (nobody touches it: 0) to the easiest (a management controller of which nothing is known: 0.9).
    assert_eq!((reach.low, reach.high), (0.0, 0.9));
    near(reach.value, f64::midpoint(0.001, 0.275));
    assert_eq!(
        response.impact,
        Impact { confidentiality: 0.5, integrity: 0.5, availability: 0.5, host_down: 0.0 }
    );
}

#[test]
fn an_accepted_risk_is_priced_with_its_owner_until_it_expires() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    add_host(&mut fleet, "h2", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.2), None)
        .hosts(&["h1", "h2"], &[(Some("CVE-1"), Area::VmmCore, OPEN)]);
    let text = |expires: &str, id: &str| {
        policy(&format!(
            "[[accepted_risk]]\nvulnerability = \"{id}\"\nowner = \"cto\"\nexpires = \"{expires}\"\nreason = \"isolated\"\n\
             scope.hosts = [\"h1\"]\n"
        ))
    };
    // The day of expiry is the last one on which it counts.
    let today = built(&fleet, &facts, &text("2026-11-21", "CVE-1"));
    let accepted = &today.derivations.shocks[0].accepted[0];
    assert_eq!((accepted.expired, accepted.hosts, accepted.hosts_outside), (false, 1, 1));
    near(today.portfolio.shocks[0].probability, 0.01);
    let late = built(&fleet, &facts, &text("2026-11-20", "CVE-1"));
    assert!(late.derivations.shocks[0].accepted[0].expired);
    let said: Vec<String> = late.warnings.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|it| it.contains("CVE-1: accepted by cto until 2026-11-20")), "{said:?}");
    let elsewhere = built(&fleet, &facts, &text("2027-01-01", "CVE-9"));
    assert!(elsewhere.warnings.iter().any(|it| matches!(it, Warning::AcceptanceWithoutHole { .. })));
}

#[test]
fn a_risk_that_is_accepted_twice_in_one_scope_is_told_once() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.2), None)
        .hosts(&["h1"], &[(Some("CVE-1"), Area::VmmCore, OPEN)]);
    let entry = |owner: &str, scope: &str| {
        format!(
            "[[accepted_risk]]\nvulnerability = \"CVE-1\"\nowner = \"{owner}\"\nexpires = 2027-01-01\nreason = \"r\"\n{scope}\n"
        )
    };
    let told = |text: &str| -> Vec<String> {
        let warnings = built(&fleet, &facts, &policy(text)).warnings;
        let twice = warnings.iter().filter(|it| matches!(it, Warning::AcceptedTwice { .. }));
        twice.map(ToString::to_string).collect()
    };
    let same = entry("cto", "") + &entry("cio", "") + &entry("cto", "scope.hosts = [\"h1\"]");
    assert_eq!(
        told(&same),
        [
            "CVE-1: accepted 2 times in the same scope: accepted_risk number 1 (CVE-1, everywhere) by cto until 2027-01-01, \
             accepted_risk number 2 (CVE-1, everywhere) by cio until 2027-01-01; keep one of them"
        ]
    );
    assert!(told(&(entry("cto", "") + &entry("cio", "scope.hosts = [\"h1\"]"))).is_empty());
}

#[test]
fn an_accepted_risk_says_where_and_one_that_covers_none_is_told() {
    let mut fleet = fleet();
    ["h1", "h2", "h3"].iter().for_each(|id| add_host(&mut fleet, id, &[("a", 1)]));
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.2), None)
        .hosts(&["h1", "h2", "h3"], &[(Some("CVE-1"), Area::VmmCore, OPEN)]);
    let told = |scopes: &[(&str, &str)]| {
        let entry = |(owner, scope): &(&str, &str)| {
            format!(
                "[[accepted_risk]]\nvulnerability = \"cve-1\"\nowner = \"{owner}\"\nexpires = 2027-01-01\nreason = \"r\"\n{scope}\n"
            )
        };
        let built = built(&fleet, &facts, &policy(&scopes.iter().map(entry).collect::<String>()));
        let words: Vec<_> = built.derivations.shocks[0].accepted.iter().map(|it| it.words()).collect();
        let about = |it: &String| it.contains("CVE-1");
        let warnings: Vec<String> = built.warnings.iter().map(ToString::to_string).filter(about).collect();
        (words, warnings)
    };
    let (words, warnings) = told(&[("cto", "scope.hosts = [\"h2\"]")]);
    assert_eq!((words, warnings), (vec![Some("accepted on 1 of 3 hosts".to_owned())], vec![]));
    assert_eq!(told(&[("cto", "")]).0, [Some("accepted".to_owned())]);
    let (words, warnings) = told(&[("cto", "scope.hosts = [\"h9\"]")]);
    assert_eq!(words, [None]);
    assert!(
        warnings[0].starts_with(
            "CVE-1: accepted by cto in a scope that covers none of the 3 hosts on which it is open: "
        ),
        "{warnings:?}"
    );
    // Two owners of one risk on one host: nobody knows whose day counts.
    let (_, warnings) =
        told(&[("cto", "scope.hosts = [\"h1\", \"h2\"]"), ("cio", "scope.hosts = [\"h2\", \"h3\"]")]);
    assert_eq!(
        warnings,
        [
            "CVE-1: accepted by different entries on 1 host: accepted_risk number 1 (CVE-1, hosts h1, h2) by cto until 2027-01-01, \
             accepted_risk number 2 (CVE-1, hosts h2, h3) by cio until 2027-01-01; who answers for it there, and until when, is not clear: keep their scopes \
             apart"
        ]
    );
    assert!(told(&[("cto", "scope.hosts = [\"h1\"]"), ("cio", "scope.hosts = [\"h2\"]")]).1.is_empty());
}

#[test]
fn of_a_listing_and_a_score_the_one_that_counts_is_named() {
    let source = |epss: f64| {
        let mut fleet = fleet();
        add_host(&mut fleet, "h1", &[("a", 1)]);
        let facts = Facts::new()
            .knows("CVE-1", Some(REMOTE), Some(epss), Some("2026-11-01"))
            .hosts(&["h1"], &[(Some("CVE-1"), Area::VmmCore, OPEN)]);
        built(&fleet, &facts, &Policy::default()).portfolio.shocks[0].factors[0].source.to_string()
    };
    assert!(source(0.2).contains("the floor counts, which the EPSS score is not above"), "{}", source(0.2));
    let above = source(0.97);
    assert!(above.contains("EPSS 0.97 within 30 days counts, which is above the floor of 0.9"), "{above}");
    assert!(!above.contains("not used"), "{above}");
}
