//! What is believed of the releases that hosts run.

use jiff::ToSpan as _;
use jiff::civil::Date;
use underpin_exposure::{FactBase, Feed};
use underpin_model::facts::{DateKind, Document, Family, Format, PatchClass, ReleaseFact};
use underpin_model::fleet::{Fleet, HardwareClass, PlatformRelease};
use underpin_model::id::FeedId;
use underpin_model::policy::{Parameter, Policy};
use underpin_risk::build::{Built, Options, ReleaseDates, build};
use underpin_risk::evidence::{Beta, Count};
use underpin_risk::portfolio::Cause;
use underpin_risk::report::{Request, report};
use underpin_risk::wait::evidence::{Evidence, EvidenceKind, EvidenceRecord, Tally};
use underpin_risk::wait::prior::{history, prior};
use underpin_risk::wait::situation::Belief;

use crate::make::{Facts, add_host, at, class, fleet, near};

/// Builds of ESXi 8.0, 40 days apart but for three repairs after a week; the last one is 20 days old.
pub(crate) fn base() -> FactBase {
    let last: Date = "2026-11-01".parse().unwrap();
    let mut document = Document::new("esxi.csv", Format::EsxiBuilds);
    for number in 0..20_i64 {
        let day = last.checked_sub((40 * (19 - number)).days()).unwrap();
        let early = matches!(number, 5 | 9 | 13)
            .then(|| (day.checked_add(7.days()).unwrap(), 500 + number, PatchClass::BugFix));
        let class = if number % 2 == 0 { PatchClass::Security } else { PatchClass::BugFix };
        for (date, version, class) in [(day, 100 + number, class)].into_iter().chain(early) {
            document.releases.push(ReleaseFact {
                family: Family::Esxi,
                train: Some("8.0U3".into()),
                component: "ESXi".into(),
                version: format!("{}", 24_000_000 + version).into(),
                date,
                date_kind: DateKind::Published,
                bulletin: None,
                class: Some(class),
                fixes: vec![],
            });
        }
    }
    FactBase::new(vec![Feed { id: FeedId::new("f").unwrap(), fetched: None, documents: vec![document] }])
}

const RELEASE: &str = "ESXi 8.0U3-24000119";

fn of_esxi(train: &str, release: &str) -> Fleet {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    fleet.hosts[0].platform = Some(PlatformRelease {
        family: Family::Esxi,
        train: Some(train.to_owned()),
        release: Some(release.to_owned()),
    });
    fleet.hosts[0].vendor = Some("Maker".to_owned());
    fleet.hosts[0].model = Some("R1".to_owned());
    fleet
}

fn runs(fleet: &Fleet, all: &[(u32, u32, EvidenceKind)]) -> Evidence {
    let run = |&(hosts, failures, kind): &(u32, u32, EvidenceKind)| EvidenceRecord {
        release: RELEASE.to_owned(),
        hardware: Some(HardwareClass::of(&fleet.hosts[0])),
        hosts,
        failures,
        kind,
        source: None,
    };
    Evidence { runs: all.iter().map(run).collect(), ..Evidence::default() }
}

fn built(fleet: &Fleet, base: &FactBase, evidence: &Evidence) -> Built {
    built_by(fleet, base, evidence, &Policy::default())
}

pub(crate) fn built_by(fleet: &Fleet, base: &FactBase, evidence: &Evidence, policy: &Policy) -> Built {
    let day = at().to_zoned(jiff::tz::TimeZone::UTC).date();
    let dates = ReleaseDates::from_facts(base.releases(), day);
    let options = Options::new(&dates).knowing(base, evidence);
    build(fleet, &Facts::new().assessment, policy, &options).unwrap()
}

/// Probability that the release is bad, and that it hits the host if it shows that within the horizon.
fn bad(built: &Built) -> Option<(f64, f64)> {
    let is = |cause: &Cause| matches!(cause, Cause::BadRelease { .. });
    let shock = built.portfolio.shocks.iter().position(|it| is(&it.cause))?;
    let response = class(built, "h1").responses.iter().find(|it| it.shock as usize == shock).unwrap();
    let shock = &built.portfolio.shocks[shock];
    let (shows, believed) = shock.factors.split_last().unwrap();
    assert_eq!(shows.name, "shows itself within the horizon");
    near(shows.value, -(-0.024_f64 * 30.0).exp_m1());
    let believed: f64 = believed.iter().map(|it| it.value).product();
    near(shock.probability, believed * shows.value);
    Some((believed, response.probability))
}

/// What patch or wait believes of it, with this evidence.
fn believed(base: &FactBase, tally: &Tally) -> Belief {
    let parameters = Policy::default().parameters;
    let day = at().to_zoned(jiff::tz::TimeZone::UTC).date();
    let prior = prior(history(base, &Family::Esxi, "8.0", "ESXi", day), &parameters);
    assert!(prior.line_alone.is_some(), "{:?}", prior.history.unusable);
    let hit = parameters.setting(Parameter::RegressionHit);
    let found = 20.0 * parameters.get(Parameter::Theta);
    Belief::of(prior.together.value, Beta::from_range(hit.value, hit.low, hit.high), found, tally)
}

#[test]
fn the_belief_in_a_running_release_is_that_of_patch_or_wait() {
    let (fleet, base) = (of_esxi("8.0U3", "VMware ESXi 8.0.3 build-24000119"), base());
    let (plain, hit) = bad(&built(&fleet, &base, &Evidence::default())).unwrap();
    let expected = believed(&base, &Tally::default());
    near(plain, expected.now);
    near(hit, expected.hit.mean());
    assert!((expected.at_release - 0.05).abs() > 0.001, "the line has its own history");
    let own: fn(Count) -> Tally = |own| Tally { own, ..Tally::default() };
    let others: fn(Count) -> Tally =
        |others_same_hardware| Tally { others_same_hardware, ..Tally::default() };
    for (kind, of) in [(EvidenceKind::Canary, own), (EvidenceKind::OthersRunIt, others)] {
        let clean = bad(&built(&fleet, &base, &runs(&fleet, &[(30, 0, kind)]))).unwrap();
        let expected = believed(&base, &of(Count { hosts: 30, failures: 0 }));
        near(clean.0, expected.now);
        near(clean.1, expected.hit.mean());
        assert!(clean.0 < plain && clean.1 < hit, "clean hosts lower both");
        let failed = bad(&built(&fleet, &base, &runs(&fleet, &[(30, 9, kind)]))).unwrap();
        let expected = believed(&base, &of(Count { hosts: 30, failures: 9 }));
        assert_eq!((failed.0, expected.now), (1.0, 1.0));
        near(failed.1, expected.hit.mean());
    }
    let mut elsewhere = runs(&fleet, &[(30, 9, EvidenceKind::Trial)]);
    elsewhere.runs[0].hardware = None;
    assert_eq!(bad(&built(&fleet, &base, &elsewhere)), Some((plain, hit)), "other hardware teaches nothing");
}

/// Clean runs of a young release that hosts run lower its risk although none is due there; of one that is so mature that it is not priced
/// they count for nothing.
#[test]
fn runs_of_a_release_that_hosts_run_are_told_to_count_for_nothing_only_where_they_do() {
    let (base, policy) = (base(), Policy::default());
    for (build, counts) in [("24000119", true), ("24000100", false)] {
        let fleet = of_esxi("8.0U3", &format!("VMware ESXi 8.0.3 build-{build}"));
        let mut clean = runs(&fleet, &[(30, 0, EvidenceKind::Canary)]);
        clean.runs[0].release = format!("ESXi 8.0U3-{build}");
        let [plain, believed] =
            [Evidence::default(), clean.clone()].map(|it| bad(&built(&fleet, &base, &it)).map(|it| it.0));
        assert_eq!(believed < plain, counts, "{plain:?} {believed:?}");
        let facts = Facts::new();
        let request = Request::new(&fleet, &facts.assessment, &base, &policy, &clean);
        let told = report(&request).unwrap().evidence_unmatched;
        let nowhere = told.iter().any(|it| it.starts_with("run number 1.release"));
        assert_eq!(nowhere, !counts, "{told:?}");
    }
}

#[test]
fn a_withdrawn_release_that_is_still_run_is_a_bad_one() {
    let base = base();
    let fleet = of_esxi("7.0U3", "VMware ESXi 7.0.3 build-18644231");
    let built = built(&fleet, &base, &Evidence::default());
    assert_eq!(bad(&built).unwrap().0, 1.0);
    let shock =
        built.portfolio.shocks.iter().find(|it| matches!(it.cause, Cause::BadRelease { .. })).unwrap();
    assert!(
        shock.factors[0].source.starts_with("7.0 U3 was withdrawn, known on 2021-11-19"),
        "{:?}",
        shock.factors
    );
    assert_eq!(built.unpriced.hosts_without_release_day, 0);
}
