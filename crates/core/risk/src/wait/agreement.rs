//! Patch or wait and compound risk price a hole alike.

use std::collections::BTreeMap;

use underpin_exposure::report::CvssView;
use underpin_exposure::{Assessment, FactBase, Feed, Options, assess};
use underpin_feeds::Parsed;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::{FeedId, HostId, VulnerabilityId};
use underpin_model::policy::{self, Parameter, Parameters};

use super::evidence::Evidence;
use super::groups::Request;
use super::scene::Scene;
use super::situation::Situation;
use super::values::Values;
use crate::build::{self, Built, ReleaseDates, build};
use crate::hazard::rise;
use crate::portfolio::{Cause, Portfolio};

/// Vulnerabilities that are open on every host with a Debian kernel, an AlmaLinux emulator or a Proxmox emulator.
pub(super) fn facts() -> FactBase {
    let packages =
        [("Debian:12", "linux"), ("AlmaLinux:9", "qemu-kvm-core"), ("Debian:12", "intel-microcode")];
    let mut documents = Vec::new();
    for (at, (ecosystem, name)) in packages.iter().cycle().take(12).enumerate() {
        let text = format!(
            r#"{{"id": "CVE-2026-{:04}", "published": "2026-02-20T00:00:00Z", "modified": "2026-02-20T00:00:00Z",
             "summary": "a hole", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "{name}"}},
             "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced": "0"}}, {{"fixed": "99:99"}}]}}]}}]}}"#,
            at + 1
        );
        let Ok(Parsed::Document(document)) = underpin_feeds::parse(text.as_bytes()) else {
            panic!("no document")
        };
        documents.push(*document);
    }
    FactBase::new(vec![Feed { id: FeedId::new("osv").unwrap(), fetched: None, documents }])
}

/// Gives every vulnerability another vector and another state of exploitation.
pub(super) fn vary(assessment: &mut Assessment) {
    let vectors = [
        Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
        Some("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:N"),
        Some("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:L/A:H"),
        Some("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"),
        None,
    ];
    for (at, view) in assessment.vulnerabilities.values_mut().enumerate() {
        view.cvss = vectors[at % 5].map(|it| CvssView { score: 8.0, vector: it.to_owned() });
        view.epss = [None, Some(0.4), Some(0.02)][at % 3];
        view.kev = (at % 4 == 1).then(|| "2026-02-25".parse().unwrap());
    }
}

/// The probability that a host is hit through a vulnerability within the portfolio's horizon.
fn in_portfolio(portfolio: &Portfolio, host: &HostId, id: &VulnerabilityId) -> f64 {
    let is = |cause: &Cause| matches!(cause, Cause::Exploit { vulnerability } if vulnerability == id);
    let shock = portfolio.shocks.iter().position(|it| is(&it.cause)).unwrap();
    let line = portfolio.hosts.iter().find(|it| it.id == *host).unwrap();
    let class = &portfolio.classes[line.class as usize];
    let response = class.responses.iter().find(|it| it.shock as usize == shock);
    response.map_or(0.0, |it| {
        let gate = it.gate.map_or(1.0, |gate| {
            let common = portfolio.shocks[gate.shock as usize].probability;
            common + (1.0 - common) * gate.otherwise
        });
        portfolio.shocks[shock].probability * it.probability * gate
    })
}

/// How often the 30-day hazard of what a shock is made from fits into the horizon, and the 30-day probability of the shock:
/// for the falling hazard, and for the constant one under it.
fn hazards(built: &Built, id: &VulnerabilityId, days: f64) -> [(f64, f64); 2] {
    let is = |cause: &Cause| matches!(cause, Cause::Exploit { vulnerability } if vulnerability == id);
    let shock = built.portfolio.shocks.iter().position(|it| is(&it.cause)).unwrap();
    let hazard = built.derivations.shocks[shock].hazard.unwrap();
    let (age, aimed) = (hazard.age.get(), Parameters::default().get(Parameter::Aimed));
    let rises = rise(age, hazard.shape, days) / rise(age, hazard.shape, 30.0);
    [(rises, hazard.thirty_days.get() * aimed), (days / 30.0, hazard.unlisted.get() * aimed)]
}

/// Probability that a host is hit through each hole within so many days, the mean over the hosts of a case.
fn in_wait<'s>(situation: &'s Situation, values: &Values, days: f64) -> BTreeMap<&'s VulnerabilityId, f64> {
    let alone = |at: usize| {
        let mut alone = situation.clone();
        for stratum in &mut alone.strata {
            stratum.holes = stratum.holes.iter().copied().filter(|it| *it == at).collect();
        }
        alone.inputs(values).hazards.iter().map(|it| it.hit_within(days)).sum::<f64>()
    };
    let mut hits = BTreeMap::new();
    for (at, hole) in situation.holes.iter().enumerate() {
        *hits.entry(&hole.vulnerability).or_default() += alone(at);
    }
    hits
}

/// Of each hole of each case: compound risk asks once within the horizon whether a host is reached, patch or wait at every
/// campaign. With the 30-day probability `p` of a campaign, `n` months and the chance `r` of a host, these are `r (1-(1-p)^n)`
/// and `1-(1-p r)^n`: equal at 30 days, and beyond the latter is the greater one, by at most `p n / (1-(1-p)^n)`; before,
/// both the other way round.
fn all(fleet: &Fleet, controls: &str, days: f64) -> usize {
    let policy = policy::read(&format!("horizon_days = {days}\n{controls}")).unwrap();
    let base = facts();
    let mut assessment = assess(fleet, &base, &Options::at("2026-03-02T23:59:59Z".parse().unwrap()));
    vary(&mut assessment);
    let dates = ReleaseDates::default();
    let built = build(fleet, &assessment, &policy, &build::Options::new(&dates)).unwrap();
    let evidence = Evidence::default();
    let request = Request {
        fleet,
        assessment: &assessment,
        base: &base,
        policy: &policy,
        evidence: &evidence,
        horizon_days: 90.0,
    };
    let scene = Scene::of(&request);
    let values = Values::of(&policy.parameters);
    let mut compared = 0;
    for case in scene.cases() {
        let shell = scene.shell(case);
        let situation = scene.situation_of_any(case, "2026-02-20".parse().unwrap());
        let found = in_wait(&situation, &values, days);
        assert_eq!(found.len(), case.due.holes.len());
        for (id, hit) in found {
            let open = case.open_on(&case.due.holes[id]).map(|at| &fleet.hosts[at].id);
            let sum: f64 = open.map(|it| in_portfolio(&built.portfolio, it, id)).sum();
            let once = sum / shell.hosts.len() as f64;
            let hazards = hazards(&built, id, days);
            let campaign = hazards.map(|(n, p)| 1.0 - (1.0 - p).powf(n)).into_iter().fold(0.0, f64::max);
            let other = once / campaign * hazards.map(|(n, p)| n * p).into_iter().fold(0.0, f64::max);
            let (low, high) = if days < 30.0 { (other, once) } else { (once, other) };
            let near = 1e-9 * hit;
            assert!(low - near <= hit && hit <= high + near, "{id} in {days} days: {low} {hit} {high}");
            if days == 30.0 {
                assert!((hit - once).abs() <= 1e-12 * once, "{id}: {hit}, in the portfolio {once}");
                let told = situation.hit_in_thirty_days(&values)[id];
                assert!((told - once).abs() <= 1e-12 * once, "{id}: {told}, in the portfolio {once}");
            }
            assert!(hit > 0.0, "{id}");
            compared += 1;
        }
    }
    compared
}

#[test]
fn a_group_is_hit_as_in_the_portfolio_whatever_the_horizon() {
    let at = "2026-03-02T06:00:00Z".parse().unwrap();
    let fleet = sample(&SampleSpec { hosts: 60, ..SampleSpec::default() }, at);
    let cluster = fleet.hosts.iter().find_map(|it| it.cluster.clone()).unwrap();
    let tenant = fleet.tenants[0].id.clone();
    let controls = format!(
        "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n\
         scope = {{ clusters = [\"{cluster}\"] }}\n\
         [[control]]\nid = \"proxy\"\ncloses = [\"network\", \"local\"]\nfails = 0.4\nsource = \"judgement\"\n\
         [[control]]\nid = \"agent\"\ncloses = [\"guest\"]\nfails = 0.5\nsource = \"judgement\"\n\
         scope = {{ tenants = [\"{tenant}\"] }}\n"
    );
    for days in [7.0, 30.0, 90.0, 365.0] {
        assert!(all(&fleet, "", days) > 20);
        assert!(all(&fleet, &controls, days) > 20);
    }
}
