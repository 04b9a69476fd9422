//! Blast radius and deferral, by hand.

use underpin_exposure::Status;
use underpin_exposure::report::{Area, AssetKind};
use underpin_model::fleet::{Fleet, Tenant};
use underpin_model::policy::{Parameters, Policy};
use underpin_model::quantity::Days;
use underpin_risk::blast::{blast_radii, of_shock};
use underpin_risk::compound::mean_loss;
use underpin_risk::deferral::deferral;

use crate::make::{
    ESCAPE, Facts, REMOTE, add_host, add_plane, built, exploit, fleet, host_id, near, policy, tenant_id,
};

/// One VM: 1000 records at 0.01, a system at 50, 24 hours at 1.
const VM: f64 = 10.0 + 50.0 + 24.0;

#[test]
fn the_radius_of_a_host_a_plane_and_underpin() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 2), ("b", 1)]);
    add_host(&mut fleet, "h2", &[("a", 1)]);
    add_host(&mut fleet, "h3", &[("c", 4)]);
    add_plane(&mut fleet, "vc", &["h1", "h2"]);
    let built = built(&fleet, &Facts::new(), &Policy::default());
    let radii = blast_radii(&built.portfolio);
    let (first, host) = &radii.hosts[0];
    assert_eq!((first.as_str(), host.guests, host.tenants), ("h3", 4, 1));
    near(host.greatest_loss, 4.0 * VM);
    // Its one cause is Underpin, which takes everything.
    near(host.probability, 0.0001 * 0.9);
    near(host.mean_loss, 4.0 * VM);
    let plane = radii.planes[0].1;
    assert_eq!((plane.hosts, plane.guests, plane.tenants), (2, 4, 2));
    near(plane.greatest_loss, 4.0 * VM);
    near(plane.mean_loss, 0.9 * 4.0 * VM);
    let own = radii.underpin;
    assert_eq!((own.hosts, own.guests, own.tenants), (3, 8, 3));
    near(own.mean_loss, 0.9 * 8.0 * VM);
    near(own.probability, 0.0001);
}

/// Two planes of the fleet below: `vc` runs on `h1` and manages `h1`, `h2` and `h3`; `h4` is on its own.
fn with_a_plane_on_a_host() -> Fleet {
    let mut fleet = fleet();
    for (host, guests) in [("h1", 1), ("h2", 2), ("h3", 3), ("h4", 4)] {
        add_host(&mut fleet, host, &[("a", guests)]);
    }
    add_plane(&mut fleet, "vc", &["h1", "h2", "h3"]);
    fleet.management_planes[0].runs_on = Some(vec![host_id("h1"), host_id("h1")]);
    fleet
}

/// Nothing but holes.
const HOLES_ALONE: &str =
    "[parameters]\nunderpin_compromised = { value = 0.0, low = 0.0, high = 0.0, source = \"none\" }\n";

#[test]
fn a_hole_of_a_plane_reaches_the_hosts_that_it_manages() {
    let mut fleet = with_a_plane_on_a_host();
    fleet.management_planes[0].runs_on = None;
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.5), None)
        .has(AssetKind::ManagementPlane, &["vc"], &[(Some("CVE-1"), Area::Management, Status::Affected)])
        .hosts(&["h3"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)]);
    let built = built(&fleet, &facts, &policy(HOLES_ALONE));
    let blast = of_shock(&built.portfolio, exploit(&built, "CVE-1").unwrap() as usize);
    // The plane is got to from inside and takes each host with 0.9; `h3` has the hole itself, too.
    assert_eq!((blast.hosts, blast.guests, blast.tenants), (3, 6, 1));
    near(blast.greatest_loss, 6.0 * VM);
    let by_plane = 0.05 * 0.9;
    near(blast.mean_loss, (3.0 * by_plane + 3.0 * (1.0 - (1.0 - by_plane) * 0.95)) * VM);
    near(blast.probability, 0.5 * 0.05);
}

#[test]
fn a_host_takes_the_plane_that_runs_on_it_and_what_that_manages() {
    let fleet = with_a_plane_on_a_host();
    let half = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:N";
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.5), None)
        .knows("CVE-2", Some(half), Some(0.5), None)
        .knows("CVE-3", Some(REMOTE), Some(0.5), None)
        .has(AssetKind::ManagementPlane, &["vc"], &[(Some("CVE-3"), Area::Management, Status::Affected)])
        .hosts(
            &["h1"],
            &[
                (Some("CVE-1"), Area::VmmCore, Status::Affected),
                (Some("CVE-2"), Area::VmmCore, Status::Affected),
            ],
        );
    let built = built(&fleet, &facts, &policy(HOLES_ALONE));
    // All 2^3 x 2^3 states: which exploits are aimed here, and whom each gets to.
    let (shock, reach, takes) = (0.5 * 0.05, 0.05, 0.9);
    let (mut own, mut others) = (0.0, 0.0);
    for state in 0..64_u32 {
        let is = |bit: u32| state >> bit & 1 == 1;
        let chance = |bit: u32, p: f64| if is(bit) { p } else { 1.0 - p };
        let weight = (0..3).map(|it| chance(it, shock) * chance(it + 3, reach)).product::<f64>();
        let [whole, part, of_plane] = [0, 1, 2].map(|it| is(it) && is(it + 3));
        // A hit that takes half of the integrity gives control of the plane in half of all cases.
        let falls = if whole || of_plane {
            1.0
        } else if part {
            0.5
        } else {
            0.0
        };
        others += weight * falls * takes;
        // The host itself, too: where its hit took less, the plane takes the rest.
        let taken = falls * takes;
        let impact = |by_itself: f64| taken + (1.0 - taken) * by_itself;
        let integrity = if whole {
            1.0
        } else if part {
            0.5
        } else {
            0.0
        };
        let rest = if whole { 1.0 } else { 0.0 };
        own += weight * (50.0 * impact(integrity) + 34.0 * impact(rest));
    }
    // The factor of the attacker lets hits overlap; without it they are those counted above.
    let mut alone = built.portfolio;
    alone.rho = 0.0;
    near(mean_loss(&alone).unwrap(), own + others * 5.0 * VM);
    let radii = blast_radii(&alone);
    let of = |id: &str| radii.hosts.iter().find(|it| it.0.as_str() == id).unwrap().1;
    let host = of("h1");
    assert_eq!((host.hosts, host.guests), (3, 6));
    near(host.greatest_loss, 6.0 * VM);
    let hit = shock * reach;
    near(host.probability, 1.0 - (1.0 - hit) * (1.0 - hit));
    let control = 1.0 - (1.0 - hit) * (1.0 - 0.5 * hit);
    let mean = hit * VM + (1.0 - hit) * hit * 25.0 + control * takes * 5.0 * VM;
    near(host.mean_loss * host.probability, mean);
    assert_eq!(of("h2").hosts, 1);
    assert_eq!(radii.planes.len(), 1);
    assert_eq!((radii.planes[0].1.hosts, radii.planes[0].1.guests), (3, 6));
    near(radii.planes[0].1.probability, 1.0 - (1.0 - hit) * (1.0 - hit) * (1.0 - 0.5 * hit));
}

#[test]
fn a_plane_on_several_hosts_falls_with_any_of_them() {
    let mut fleet = with_a_plane_on_a_host();
    let facts = |hosts: &[&str]| {
        Facts::new()
            .knows("CVE-1", Some(REMOTE), Some(0.5), None)
            .hosts(hosts, &[(Some("CVE-1"), Area::VmmCore, Status::Affected)])
    };
    let mean = |fleet: &Fleet, hosts: &[&str]| {
        let mut portfolio = built(fleet, &facts(hosts), &policy(HOLES_ALONE)).portfolio;
        portfolio.rho = 0.0;
        mean_loss(&portfolio).unwrap() / VM / (0.5 * 0.05)
    };
    let (hit, by_plane) = (0.05, 0.05 * 0.9);
    fleet.management_planes[0].runs_on = Some(vec![host_id("h1"), host_id("h2")]);
    // `h1` and `h2` take each other and `h3`, and nobody takes itself.
    let any = 1.0 - 0.95 * 0.95;
    let other = 1.0 - (1.0 - hit) * (1.0 - by_plane);
    near(mean(&fleet, &["h1", "h2"]), 3.0 * other + 3.0 * any * 0.9);
    // A plane elsewhere: on a host that it does not manage.
    fleet.management_planes[0].runs_on = Some(vec![host_id("h4")]);
    near(mean(&fleet, &["h4"]), 4.0 * hit + 6.0 * by_plane);
    fleet.management_planes[0].runs_on = None;
    near(mean(&fleet, &["h4"]), 4.0 * hit);
}

#[test]
fn the_radius_of_a_bad_release_is_its_hardware_class() {
    use underpin_model::facts::Family;
    use underpin_risk::build::{Options, ReleaseDates, build};
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 2)]);
    add_host(&mut fleet, "h2", &[("b", 1)]);
    fleet.hosts[1].vendor = Some("Other".to_owned());
    let mut releases = ReleaseDates::default();
    releases.insert(Family::Proxmox, None, "8.4.1", "2026-11-21".parse().unwrap());
    let assessment = Facts::new().assessment;
    let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    let radii = blast_radii(&built.portfolio);
    let of: Vec<_> = radii.releases.iter().map(|(_, it)| (it.hosts, it.guests)).collect();
    assert_eq!(of, [(1, 2), (1, 1)]);
    near(radii.releases[0].1.greatest_loss, 2.0 * 4.0);
    near(radii.releases[0].1.mean_loss, 0.08 * 2.0 * 4.0);
    near(radii.releases[0].1.probability, 0.05 * -(-0.024_f64 * 30.0).exp_m1());
}

#[test]
fn a_deferral_is_priced_for_the_neighbours_and_shown_to_each_alone() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1), ("b", 3)]);
    add_host(&mut fleet, "h2", &[("b", 1)]);
    add_host(&mut fleet, "h3", &[("a", 1), ("c", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(ESCAPE), Some(0.2), None)
        .hosts(&["h1", "h2"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)])
        .hosts(&["h3"], &[]);
    let built = built(&fleet, &facts, &Policy::default());
    let days = Days::new(15.0).unwrap();
    let (a, b, c) = (tenant_id("a"), tenant_id("b"), tenant_id("c"));
    let priced = deferral(&built, &a, days, &Parameters::default()).unwrap();
    // 15 days of EPSS 0.2, aimed, one of four guests; on h1 alone, for h3 has no hole.
    let hit = (1.0 - 0.99_f64.sqrt()) * (1.0 - 0.999_f64.powi(4));
    assert_eq!(priced.hosts.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["h1"]);
    near(priced.own, hit * VM);
    near(priced.neighbours_sum, hit * 3.0 * VM);
    near(priced.own_view(&a).unwrap().added_loss, priced.own);
    near(priced.own_view(&b).unwrap().added_loss, hit * 3.0 * VM);
    assert_eq!(priced.own_view(&c), None);
    let shown = serde_json::to_string(&priced.own_view(&b)).unwrap();
    assert_eq!(shown.matches("\"").count(), 4, "{shown}: two keys and no name");
    assert_eq!(deferral(&built, &tenant_id("nobody"), days, &Parameters::default()), None);
    let none = deferral(&built, &a, Days::new(0.0).unwrap(), &Parameters::default()).unwrap();
    near(none.own, 0.0);
}

#[test]
fn a_control_halves_the_price_of_a_deferral() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(ESCAPE), Some(0.2), None)
        .hosts(&["h1"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)]);
    let price = |text: &str| {
        let policy = policy(text);
        let built = built(&fleet, &facts, &policy);
        deferral(&built, &tenant_id("a"), Days::new(30.0).unwrap(), &policy.parameters).unwrap().own
    };
    let control =
        "[[control]]\nid = \"sandbox\"\ncloses = [\"guest\"]\nfails = 0.5\nsource = \"judgement\"\n";
    near(price(control), 0.5 * price(""));
}

#[test]
fn a_plane_above_a_plane_is_followed_one_step_and_said_to_be() {
    let mut fleet = with_a_plane_on_a_host();
    let said = |fleet: &Fleet| {
        let words = built(fleet, &Facts::new(), &Policy::default()).warnings;
        words.iter().map(ToString::to_string).find(|it| it.contains("above a plane"))
    };
    assert_eq!(said(&fleet), None, "it runs on a host of its own");
    // `top` manages `h4`, on which `vc` runs.
    add_plane(&mut fleet, "top", &["h4"]);
    fleet.management_planes[0].runs_on = Some(vec![host_id("h4")]);
    let words = said(&fleet).unwrap();
    assert!(words.contains("top manages h4, on which vc runs, which manages 3 hosts more"), "{words}");
}

#[test]
fn tenants_of_whom_nothing_runs_are_named() {
    let mut fleet = with_a_plane_on_a_host();
    let said = |fleet: &Fleet| {
        let words = built(fleet, &Facts::new(), &Policy::default()).warnings;
        words.iter().map(ToString::to_string).find(|it| it.contains("no VM of"))
    };
    assert_eq!(said(&fleet), None);
    for id in ["e", "d", "c", "b"] {
        fleet.tenants.push(Tenant::new(tenant_id(id)));
    }
    assert!(said(&fleet).unwrap().starts_with("no VM of b, c, d, and 1 more is listed: their figures are 0"));
}
