//! Controls that fail host by host: what one host's control does says nothing of another's, however alike attacks are.

use underpin_exposure::Status;
use underpin_exposure::report::Area;
use underpin_risk::compound::{self, Options, Thresholds};

use crate::make::{Facts, REMOTE, add_host, answer, built, exploit, fleet, policy};

const RHO: f64 = 0.2;

/// `P(both of two hosts are hit | exploit)`, where a campaign succeeds with `reach` on each, alike by `rho`, and `left` of it comes
/// through on each host by itself; by sums over the factor.
fn both(reach: f64, left: f64) -> f64 {
    let level = underpin_risk::normal::quantile(underpin_model::quantity::Probability::new(reach).unwrap());
    let step = 0.001;
    let at = |k: i32| f64::from(k) * step;
    let one = |z: f64| {
        let hit = underpin_risk::normal::cdf((level.unwrap() - RHO.sqrt() * z) / (1.0 - RHO).sqrt());
        (hit * left).powi(2) * (-z * z / 2.0).exp() * step
    };
    (-9_000..=9_000).map(|k| one(at(k))).sum::<f64>() / std::f64::consts::TAU.sqrt()
}

/// The probability that both of two hosts are hit, and by how much of it the exploit happens.
fn judged(extra: &str) -> (f64, f64) {
    let mut fleet = fleet();
    add_host(&mut fleet, "a", &[("t", 1)]);
    add_host(&mut fleet, "b", &[("t", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.5), None)
        .hosts(&["a", "b"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)]);
    let policy = policy(&format!(
        "[parameters]\nrho = {RHO}\naimed = 1.0\nreach_internal = 0.6\nunderpin_compromised = 0.0\n{extra}\n\
         [[control]]\nid = \"strong\"\ncloses = [\"network\"]\nfails = 0.2\nsource = \"judgement\"\n"
    ));
    let built = built(&fleet, &facts, &policy);
    let shock = &built.portfolio.shocks[exploit(&built, "CVE-1").unwrap() as usize];
    assert!(answer(&built, "a", "CVE-1").unwrap().left <= 1.0);
    let at_least = Thresholds { hosts: vec![2], ..Thresholds::default() };
    let judged = compound::judge(&built.portfolio, &Options { at_least, ..Options::default() }).unwrap();
    let two = judged.hosts_hit_at_least.iter().find(|it| it.m == 2).unwrap();
    (two.probability, shock.probability)
}

#[test]
fn a_control_without_a_common_share_fails_host_by_host() {
    let (found, exploited) = judged("beta = 0.0");
    let expected = exploited * both(0.6, 0.2);
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
    let (nearly, _) = judged("beta = 1e-9");
    assert!((nearly / found - 1.0).abs() < 1e-6, "{nearly} far from {found}: no jump at 0");
    let (common, _) = judged("beta = 0.05");
    assert!(common > found, "{common} is not above {found}: what fails together hits more at once");
}

#[test]
fn further_controls_fail_host_by_host_too() {
    let weak = "beta = 0.0\n[[control]]\nid = \"weak\"\ncloses = [\"network\"]\nfails = 0.5\nsource = \"judgement\"\n";
    let (found, exploited) = judged(weak);
    let expected = exploited * both(0.6, 0.2 * 0.5);
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}
