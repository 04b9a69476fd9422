//! Which release of ESXi is recommended: none that was withdrawn, one release under all its names, and the order of updates.

use jiff::Timestamp;
use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_feeds::Parsed;
use underpin_model::facts::{DateKind, Document, Family, Format, ReleaseFact};
use underpin_model::fleet::{self, Fleet};
use underpin_model::id::{FeedId, HostId, VmId};
use underpin_model::policy::{Parameter, Policy};
use underpin_risk::build::{self, ReleaseDates, UnknownAs};
use underpin_risk::portfolio::{Cause, Shock};
use underpin_risk::report;
use underpin_risk::wait::evidence::Evidence;
use underpin_risk::wait::groups::Role;
use underpin_risk::wait::values::Values;
use underpin_risk::wait::{About, GroupDecision, Request, groups};

/// A host with a guest on a build of an update.
fn host(train: &str, version: &str) -> Fleet {
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "one", "seen": {{"at": "2021-11-01T00:00:00Z", "by": "hand"}},
         "clusters": [{{"id": "c"}}],
         "hosts": [{{"id": "e", "cluster": "c", "vendor": "Maker", "model": "R1", "platform": {{"family": "esxi", "train": "{train}"}},
         "components": {{"family": "esxi", "train": "{train}",
         "components": [{{"name": "ESXi", "version": "{version}", "kind": "product"}}]}}}}],
         "vms": [{{"id": "v", "host": "e", "power": "on"}}]}}"#
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

/// Records that name these first fixed releases of a version of ESXi, all published on a day, and a list of published releases.
fn base(version: &str, day: &str, fixes: &[&str], list: &[(&str, &str, &str)]) -> FactBase {
    let record = |(at, fix): (usize, &&str)| {
        let text = format!(
            r#"{{"dataType": "CVE_RECORD", "dataVersion": "5.1",
             "cveMetadata": {{"cveId": "CVE-2021-9900{at}", "assignerOrgId": "dcf2e128-44bd-42ed-91e8-88f912c1401d",
             "assignerShortName": "vmware", "state": "PUBLISHED", "datePublished": "{day}T00:00:00Z", "dateUpdated": "{day}T00:00:00Z"}},
             "containers": {{"cna": {{"providerMetadata": {{"orgId": "dcf2e128-44bd-42ed-91e8-88f912c1401d", "shortName": "vmware",
             "dateUpdated": "{day}T00:00:00Z"}}, "descriptions": [{{"lang": "en", "value": "x"}}],
             "references": [{{"url": "https://example.org/a"}}],
             "affected": [{{"vendor": "VMware", "product": "VMware ESXi", "defaultStatus": "unaffected",
             "versions": [{{"status": "affected", "version": "{version}", "lessThan": "{fix}", "versionType": "custom"}}]}}]}}}}}}"#
        );
        let Ok(Parsed::Document(document)) = underpin_feeds::parse(text.as_bytes()) else {
            panic!("no document")
        };
        *document
    };
    let mut documents: Vec<Document> = fixes.iter().enumerate().map(record).collect();
    let mut builds = Document::new("builds.csv", Format::EsxiBuilds);
    builds.releases.extend(list.iter().map(|(train, build, day)| ReleaseFact {
        family: Family::Esxi,
        train: Some((*train).into()),
        component: "ESXi".into(),
        version: (*build).into(),
        date: day.parse().unwrap(),
        date_kind: DateKind::Published,
        bulletin: None,
        class: None,
        fixes: Vec::new(),
    }));
    documents.push(builds);
    FactBase::new(vec![Feed { id: FeedId::new("f").unwrap(), fetched: None, documents }])
}

fn decided_on(day: &str, fleet: &Fleet, base: &FactBase) -> Vec<GroupDecision> {
    let at: Timestamp = format!("{day}T23:59:59Z").parse().unwrap();
    let assessment = assess(fleet, base, &Options::at(at));
    let (policy, evidence) = (Policy::default(), Evidence::default());
    let request = Request {
        fleet,
        assessment: &assessment,
        base,
        policy: &policy,
        evidence: &evidence,
        horizon_days: 90.0,
    };
    groups(&request).unwrap()
}

/// A young release that runs is a loss of staying, a withdrawn one a reason to leave it, and of one that nobody has dated it is told.
#[test]
fn what_hosts_run_now_may_be_bad_too() {
    let list = [("7.0U3", "18905999", "2021-11-15"), U3C];
    let base = base("7.0", "2022-01-27", &["ESXi70U3c-19193900"], &list);
    let (young, withdrawn, undated) = ("7.0.3-18905999", "7.0.3-18825058", "7.0.3-18905998");
    let on = |version| decided_on("2022-02-01", &host("7.0U3", version), &base).remove(0);
    let staying = |it: &GroupDecision| it.wait.as_ref().unwrap().never.staying;
    let [old, bad, unknown] = [young, withdrawn, undated].map(on);
    // Half of the hosts run the one, half the other.
    let mut mixed = host("7.0U3", young);
    let mut other = host("7.0U3", withdrawn);
    other.hosts[0].id = HostId::new("f").unwrap();
    other.vms[0].id = VmId::new("w").unwrap();
    other.vms[0].host = Some(other.hosts[0].id.clone());
    mixed.hosts.append(&mut other.hosts);
    mixed.vms.append(&mut other.vms);
    let mixed = decided_on("2022-02-01", &mixed, &base).remove(0);

    let values = Values::of(&Policy::default().parameters);
    let get = |it| values.get(it);
    let until_horizon = -(-get(Parameter::Theta) * 90.0).exp_m1();
    let prior = old.prior.as_ref().unwrap().together.value;
    let still = prior * (-get(Parameter::Theta) * 78.0).exp();
    let new = bad.wait.as_ref().unwrap();
    let per_host = new.now.regression_first_ring / (new.belief.now * new.belief.hit.mean());
    let expected = |p: f64| p * get(Parameter::RegressionHit) * per_host * until_horizon;
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
    assert!(near(staying(&bad), expected(1.0)), "{} {}", staying(&bad), expected(1.0));
    assert!(near(staying(&old), expected(still / (still + 1.0 - prior))), "{}", staying(&old));
    assert_eq!(staying(&unknown), 0.0);
    // What is certain stays certain, however long ago it was.
    for day in ["2025-12-20", "2026-01-15", "2026-11-20", "2060-01-01"] {
        let aged = decided_on(day, &host("7.0U3", withdrawn), &base).remove(0);
        assert!(near(staying(&aged), expected(1.0)), "{day}: {}", staying(&aged));
        let wait = aged.wait.unwrap();
        assert!(
            wait.band.high.is_finite() && wait.band_never.high.is_finite() && wait.regret.is_finite(),
            "{day}"
        );
    }
    assert_eq!((mixed.hosts.len(), mixed.runs.len()), (2, 2));
    assert!(near(staying(&mixed), staying(&bad) + staying(&old)), "{}", staying(&mixed));
    let told = "when the release appeared that runs now is not known, so that staying on it is priced at nothing: hosts 1 of 1";
    assert!(unknown.assumed.iter().any(|it| it == told), "{:?}", unknown.assumed);
    assert!(!bad.assumed.iter().any(|it| it == told));
    // What differs between them is the loss of staying, and after a patch none of it is left.
    let never = |it: &GroupDecision| it.wait.as_ref().unwrap().optimum.loss_never;
    assert!(near(never(&bad) - never(&old), staying(&bad) - staying(&old)));
    assert_eq!(new.now.staying, 0.0);
    let said = "7.0.3-18825058, which runs here, was withdrawn, known since 2021-11-19; source: The Register, 2022-01-28";
    assert!(bad.recommendation.contains(said), "{}", bad.recommendation);
    assert!(bad.runs[0].withdrawal.is_some() && unknown.runs.is_empty());
    assert!(old.runs[0].known_bad().is_none() && !old.recommendation.contains("runs here"));
}

const U3C: (&str, &str, &str) = ("7.0U3", "19193900", "2022-01-27");

#[test]
fn a_release_that_was_withdrawn_is_never_recommended() {
    let fleet = host("7.0U3", "7.0.3-18644231");
    let base = base("7.0", "2021-11-09", &["ESXi70U3a-18825058"], &[U3C]);
    let on = |day| decided_on(day, &fleet, &base).remove(0);

    let before = on("2021-11-18");
    assert_eq!(before.release.as_deref(), Some("ESXi70U3a-18825058"), "nobody knew");
    assert!(before.wait.is_some() && before.instead_of.is_none());

    let known = on("2021-12-01");
    assert!(known.wait.is_none() && known.release.is_none(), "{}", known.recommendation);
    for part in
        ["in place of ESXi70U3a-18825058", "known since 2021-11-19", "source: The Register, 2022-01-28"]
    {
        assert!(known.recommendation.contains(part), "{}", known.recommendation);
    }
    assert!(known.recommendation.contains("1 vulnerability stands open"), "{}", known.recommendation);

    let later = on("2022-03-01");
    assert_eq!(later.release.as_deref(), Some("7.0U3-19193900"));
    let withdrawn = later.instead_of.as_ref().unwrap();
    assert_eq!(
        (withdrawn.release.as_str(), withdrawn.withdrawal.version),
        ("ESXi70U3a-18825058", "18825058")
    );
    assert!(later.wait.is_some());
    let said = "ESXi70U3a-18825058, which closes the same, was withdrawn, known since 2021-11-19; source: ";
    assert!(later.recommendation.contains(said), "{}", later.recommendation);
}

#[test]
fn a_release_of_esxi_is_the_same_under_each_of_its_names() {
    let fleet = host("7.0U3", "7.0.3-18644231");
    let list = [U3C, ("7.0U3", "23307199", "2024-04-11")];
    let of =
        |fix: &str, day: &str| decided_on(day, &fleet, &base("7.0", "2024-03-05", &[fix], &list)).remove(0);
    let named = of("ESXi70U3p-23307199", "2024-04-15");
    assert_eq!(named.release.as_deref(), Some("ESXi70U3p-23307199"));
    assert_eq!(named.released.unwrap().to_string(), "2024-04-11", "not the day of the record");
    assert_eq!(named.released_basis, "day of its publication");
    // What the list dates later could not be taken yet, whatever its name.
    let fleet = host("7.0U3", "7.0.3-19193900");
    let documents = base("7.0", "2024-03-05", &["ESXi70U3p-23307199"], &list);
    let ahead = decided_on("2024-04-01", &fleet, &documents).remove(0);
    assert!(ahead.wait.is_none() && ahead.without_fix == 1, "{}", ahead.recommendation);
    let said = "(ESXi70U3p-23307199 does, and appears only on 2024-04-11)";
    assert!(ahead.recommendation.contains(said), "{}", ahead.recommendation);
}

#[test]
fn of_two_updates_of_esxi_the_later_one_holds_the_other_if_it_was_built_later() {
    let fleet = host("8.0", "8.0.0-20513097");
    let of =
        |fixes: &[&str]| decided_on("2025-04-15", &fleet, &base("8.0", "2024-06-25", fixes, &[])).remove(0);
    let later = of(&["ESXi80U3-24022510", "ESXi80U2sb-23305545"]);
    assert_eq!(later.release.as_deref(), Some("ESXi80U3-24022510"), "{}", later.recommendation);
    // A patch of the earlier update that came out after the first release of the later one.
    let crossed = of(&["ESXi80U3c-24414501", "ESXi80U2d-24585300"]);
    assert!(
        crossed.unknown.as_ref().unwrap().starts_with("the order of ESXi "),
        "{}",
        crossed.recommendation
    );
}

#[test]
fn a_fix_that_is_of_another_update_is_named() {
    let fleet = host("7.0U2", "7.0.2-17867351");
    let one =
        decided_on("2024-04-15", &fleet, &base("7.0", "2024-03-05", &["ESXi70U3p-23307199"], &[])).remove(0);
    let said = "a release of ESXi 7.0U2 that closes any of the open vulnerabilities (known are ESXi70U3p-23307199, of other updates";
    assert!(one.recommendation.contains(said), "{}", one.recommendation);
}

/// Nothing that anyone announced is open here: what runs is reason enough, and only where it is bad.
#[test]
fn a_bad_release_that_runs_is_to_be_replaced_where_it_has_no_known_hole() {
    let newest = ("7.0U3", "23307199", "2024-04-11");
    let list = [("7.0U3", "18905247", "2021-11-12"), U3C, newest, ("8.0", "20513097", "2022-10-11")];
    let base = base("7.0", "2021-10-01", &[], &list);
    let on = |day: &str, build: &str| decided_on(day, &host("7.0U3", &format!("7.0.3-{build}")), &base);
    let decisions = on("2022-02-01", "18825058");
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    let one = &decisions[0];
    // 7.0 U3b is later and in the list, and was withdrawn too.
    assert_eq!((one.release.as_deref(), one.role), (Some("7.0U3-19193900"), Role::OnlyOne));
    assert!(one.closes.is_empty() && one.without_fix == 0 && one.instead_of.is_none());
    assert_eq!((one.hosts.len(), one.runs[0].release.as_str()), (1, "7.0.3-18825058"));
    let wait = one.wait.as_ref().unwrap();
    assert_eq!((wait.never.exposure, wait.never.incomplete_fix), (0.0, 0.0));
    assert!(wait.never.staying > 0.0 && (wait.never.total() - wait.never.staying).abs() < 1e-12);
    assert!(wait.now.maintenance > 0.0, "the machine must restart for it");
    for said in [
        "7.0.3-18825058, which runs here, was withdrawn, known since 2021-11-19",
        "it closes nothing that is known to be open here, and is due for what runs",
    ] {
        assert!(one.recommendation.contains(said), "{}", one.recommendation);
    }
    let both = on("2024-05-01", "18825058");
    let named = |it: &GroupDecision| (it.release.clone().unwrap_or_default(), it.role);
    assert_eq!(
        both.iter().map(named).collect::<Vec<_>>(),
        [("7.0U3-19193900".to_owned(), Role::Smallest), ("7.0U3-23307199".to_owned(), Role::Newest)],
        "8.0 is an upgrade"
    );
    // Where no later release is listed, that is what is missing.
    let none = &on("2021-12-01", "18905247")[0];
    assert_eq!(none.unknown.as_deref(), Some("a later release of ESXi than 7.0.3-18905247"));
    assert!(none.recommendation.contains("no vulnerability is known to be open"), "{}", none.recommendation);
    // Before it was known, and where what runs is good, nothing is due.
    assert!(on("2021-11-18", "18825058").is_empty() && on("2024-05-01", "19193900").is_empty());
}

/// A hole that no release closes leaves one row a host: what is known to be bad can be replaced all the same.
#[test]
fn a_bad_release_is_replaced_though_its_hole_stays_open() {
    let later = ("7.0U3", "23307199", "2024-04-11");
    let fixed_later = base("7.0", "2022-01-01", &["ESXi70U3p-23307199"], &[U3C, later]);
    let mut fleet = host("7.0U3", "7.0.3-18825058");
    let bad = decided_on("2022-02-01", &fleet, &fixed_later);
    assert_eq!((bad.len(), bad[0].release.as_deref(), bad[0].without_fix), (1, Some("7.0U3-19193900"), 1));
    assert!(
        bad[0].recommendation.contains("(1 stay open, which no known release closes)"),
        "{}",
        bad[0].recommendation
    );
    let waits = "(ESXi70U3p-23307199 does, and appears only on 2024-04-11)";
    assert!(bad[0].assumed.iter().any(|it| it.ends_with(waits)), "{:?}", bad[0].assumed);
    let mut good = host("7.0U3", "7.0.3-19193900");
    good.hosts[0].id = HostId::new("f").unwrap();
    good.vms[0].id = VmId::new("w").unwrap();
    good.vms[0].host = Some(good.hosts[0].id.clone());
    fleet.hosts.append(&mut good.hosts);
    fleet.vms.append(&mut good.vms);
    let mut both = decided_on("2022-02-01", &fleet, &fixed_later);
    both.sort_by(|a, b| a.hosts.cmp(&b.hosts));
    let told: Vec<(&str, bool)> =
        both.iter().map(|it| (it.hosts[0].as_str(), it.unknown.is_some())).collect();
    assert_eq!(told, [("e", false), ("f", true)]);
}

/// A host on a train, whose platform states a release and whose list of components another text, with what patch or wait and risk say of
/// it on a day: whether what runs was withdrawn.
fn both_on(
    day: &str,
    train: &str,
    stated: Option<&str>,
    listed: &str,
    base: &FactBase,
) -> (Option<f64>, bool) {
    let mut fleet = host(train, listed);
    fleet.hosts[0].platform.as_mut().unwrap().release = stated.map(str::to_owned);
    let decisions = decided_on(day, &fleet, base);
    let waits = decisions.iter().flat_map(|it| &it.runs).any(|it| it.withdrawal.is_some());
    (bad_share(day, &fleet, base, UnknownAs::LeftOut), waits)
}

/// The share of hosts that `risk` counts with, where it knows that what runs is bad.
fn bad_share(day: &str, fleet: &Fleet, base: &FactBase, unknown: UnknownAs) -> Option<f64> {
    bad_share_by(&Evidence::default(), day, fleet, base, unknown)
}

fn bad_share_by(
    evidence: &Evidence,
    day: &str,
    fleet: &Fleet,
    base: &FactBase,
    unknown: UnknownAs,
) -> Option<f64> {
    let at: Timestamp = format!("{day}T23:59:59Z").parse().unwrap();
    let assessment = assess(fleet, base, &Options::at(at));
    let dates = ReleaseDates::from_facts(base.releases(), day.parse().unwrap());
    let options = build::Options { unknown, ..build::Options::new(&dates).knowing(base, evidence) };
    let built = build::build(fleet, &assessment, &Policy::default(), &options).unwrap();
    let is =
        |it: &Shock| matches!(it.cause, Cause::BadRelease { .. }) && it.factors[0].name == "known to be bad";
    let shock = built.portfolio.shocks.iter().position(is)?;
    let responses = &built.portfolio.classes[built.portfolio.hosts[0].class as usize].responses;
    Some(responses.iter().find(|it| it.shock as usize == shock).unwrap().probability)
}

/// The build decides where either text states one, then a name with its letters; a train is nobody's name.
#[test]
fn risk_and_wait_agree_on_which_release_runs_and_whether_it_was_withdrawn() {
    let later = ("7.0U3", "24723872", "2025-05-20");
    let base = base("7.0", "2021-10-01", &[], &[U3C, later]);
    let u2 = self::base("3.5", "2008-01-01", &[], &[("3.5", "110268", "2008-08-13")]);
    let bad = "7.0.3-18825058";
    for (day, train, stated, listed, expected) in [
        ("2025-08-01", "7.0U3", Some("7.0U3"), "7.0.3-24723872", false),
        ("2025-08-01", "7.0U3", Some("7.0 U3"), "7.0.3-24723872", false),
        ("2025-08-01", "7.0U3", Some("ESXi 7.0 U3"), "7.0.3-24723872", false),
        ("2022-02-02", "7.0U3", Some("7.0 U3"), "7.0 U3", false),
        ("2008-09-01", "3.5", Some("3.5 U2"), "3.5.0-110268", false),
        ("2025-08-01", "7.0U3", Some(bad), "7.0.3-24723872", false),
        ("2022-02-02", "7.0U3", Some("7.0.3"), bad, true),
        ("2022-02-02", "7.0U3", None, bad, true),
        ("2022-02-02", "7.0U3", Some("7.0.3-24723872"), bad, true),
        ("2022-02-02", "7.0U3", Some(bad), "7.0.3", true),
        ("2022-02-02", "7.0", Some("7.0 U3a"), "7.0 U3a", true),
        ("2022-02-02", "7.0", None, "7.0 U3a", true),
        ("2022-02-02", "7.0U3", Some("18825058"), "18825058", true),
        ("2022-02-02", "7.0U3", Some("7.0 U3c"), "7.0 U3c", false),
        ("2021-11-18", "7.0U3", Some(bad), bad, false),
    ] {
        let base = if train == "3.5" { &u2 } else { &base };
        let (risk, waits) = both_on(day, train, stated, listed, base);
        assert_eq!((risk.is_some(), waits), (expected, expected), "{stated:?}, {listed} on {day}");
    }
}

/// A host of which only `platform.release` says what runs is no other than one that lists the component.
#[test]
fn a_release_that_only_the_platform_states_is_replaced_like_a_listed_one() {
    let base = base("7.0", "2021-10-01", &[], &[U3C]);
    let rows = |fleet: &Fleet, day: &str| -> Vec<_> {
        let all = decided_on(day, fleet, &base).into_iter().filter(|it| !it.runs.is_empty());
        all.map(|it| (it.component, it.release, it.runs, it.wait.map(|it| it.never.staying))).collect()
    };
    for spelled in ["VMware ESXi 7.0.3 build-18825058", "7.0 U3a", "7.0.3-18825058"] {
        let mut stated = host("7.0U3", spelled);
        let platform = stated.hosts[0].platform.as_mut().unwrap();
        platform.release = Some(spelled.to_owned());
        let listed = rows(&stated, "2022-02-10");
        stated.hosts[0].components = None;
        assert_eq!(rows(&stated, "2022-02-10"), listed, "{spelled}");
        let [(component, release, runs, staying)] = listed.as_slice() else { panic!("{listed:?}") };
        assert_eq!((component.as_str(), release.as_deref()), ("ESXi", Some("7.0U3-19193900")));
        assert!(runs[0].withdrawal.is_some() && staying.is_some_and(|it| it > 0.0), "{spelled}");
        let share = bad_share("2022-02-10", &stated, &base, UnknownAs::LeftOut);
        assert_eq!(share, Some(0.08), "risk knows it, too");
        assert_eq!(rows(&stated, "2021-11-18").len(), 0, "nobody knew it yet");
    }
    // A train is no release, and a later build no withdrawn one.
    for fine in ["7.0 U3", "7.0.3-19193900"] {
        let mut stated = host("7.0U3", fine);
        stated.hosts[0].platform.as_mut().unwrap().release = Some(fine.to_owned());
        stated.hosts[0].components = None;
        assert_eq!(rows(&stated, "2022-02-10").len(), 0, "{fine}");
    }
}

/// Two components that name two releases of one product: the worse one counts, whichever is listed first, and it is told.
#[test]
fn of_two_components_of_one_product_the_worse_counts_in_any_order() {
    let base = base("7.0", "2021-10-01", &[], &[U3C]);
    let of = |order: [&str; 2]| {
        let mut fleet = host("7.0U3", order[0]);
        let components = &mut fleet.hosts[0].components.as_mut().unwrap().components;
        components.push(fleet::Component { version: order[1].to_owned(), ..components[0].clone() });
        let decisions = decided_on("2022-02-10", &fleet, &base);
        let runs: Vec<(Option<String>, String)> = decisions
            .iter()
            .flat_map(|it| it.runs.iter().map(|run| (it.release.clone(), run.release.clone())))
            .collect();
        let assessment = assess(&fleet, &base, &Options::at("2022-02-10T23:59:59Z".parse().unwrap()));
        let (policy, evidence) = (Policy::default(), Evidence::default());
        let mut request = report::Request::new(&fleet, &assessment, &base, &policy, &evidence);
        request.samples = 1000;
        let report = report::report(&request).unwrap();
        let told = report.warnings.iter().find(|it| it.contains("name two releases")).cloned();
        (runs, bad_share("2022-02-10", &fleet, &base, UnknownAs::LeftOut), told)
    };
    let (bad, good) = ("7.0.3-18644231", "7.0.3-19193900");
    assert_eq!(of([bad, good]), of([good, bad]));
    let (runs, share, told) = of([bad, good]);
    assert_eq!(runs, [(Some("7.0U3-19193900".to_owned()), bad.to_owned())]);
    assert_eq!(share, Some(0.08));
    assert_eq!(
        told.unwrap(),
        "1 of 1 hosts name two releases of their platform (so host e: component ESXi \"7.0.3-18644231\", component ESXi \
         \"7.0.3-19193900\"; the worse of them counts): one of the two is wrong; take the inventory again, or correct it in the fleet file"
    );
    // One release in two spellings is one.
    let (runs, share, told) = of([good, "ESXi70U3c-19193900"]);
    assert_eq!((runs.len(), share, told), (0, None, None));
}

/// Two fields of a host that name two releases are settled, and it is said by which one.
#[test]
fn a_host_that_names_two_releases_is_told_by_risk_and_by_wait() {
    let base = base("7.0", "2021-10-01", &[], &[U3C]);
    let told = |stated: &str, listed: &str| {
        let mut fleet = host("7.0U3", listed);
        fleet.hosts.push(fleet::Host { id: HostId::new("bare").unwrap(), ..fleet.hosts[0].clone() });
        fleet.hosts[1].components = None;
        fleet.hosts[0].platform.as_mut().unwrap().release = Some(stated.to_owned());
        let assessment = assess(&fleet, &base, &Options::at("2022-02-01T23:59:59Z".parse().unwrap()));
        let (policy, evidence) = (Policy::default(), Evidence::default());
        let mut request = report::Request::new(&fleet, &assessment, &base, &policy, &evidence);
        request.samples = 1000;
        let is = |it: &&String| it.contains("name two releases");
        let of_risk = report::report(&request).unwrap().warnings.iter().find(is).cloned();
        let request = Request {
            fleet: &fleet,
            assessment: &assessment,
            base: &base,
            policy: &policy,
            evidence: &evidence,
            horizon_days: 90.0,
        };
        let of_wait = About::of(&request, &groups(&request).unwrap()).warnings.iter().find(is).cloned();
        assert_eq!(of_risk, of_wait, "{stated}, {listed}");
        of_wait
    };
    assert_eq!(
        told("7.0.3-24723872", "7.0.3-18825058").unwrap(),
        "1 of 2 hosts name two releases of their platform (so host e: platform.release \"7.0.3-24723872\", component ESXi \
         \"7.0.3-18825058\"; \"7.0.3-18825058\" counts): one of the two is wrong; take the inventory again, or correct it in the fleet file"
    );
    for (stated, listed) in [
        ("7.0 U3a", "7.0 U3c"),
        ("7.0 U3a", "7.0.3-19193900"),
        ("8.0.2", "7.0.3-19193900"),
        ("7.0U2", "7.0.3-19193900"),
    ] {
        assert!(told(stated, listed).is_some(), "{stated}, {listed}");
    }
    for (stated, listed) in [
        ("7.0U3", "7.0.3-19193900"),
        ("7.0", "7.0.3-19193900"),
        ("ESXi70U3c-19193900", "7.0.3-19193900"),
        ("7.0 U3a", "7.0.3-18825058"),
        ("7.0 U3c", "7.0.3-19193900"),
        ("7.0.3-19193900", "7.0.3"),
    ] {
        assert_eq!(told(stated, listed), None, "{stated}, {listed}");
    }
}

#[test]
fn a_withdrawn_release_finds_its_successor_under_every_name() {
    let base = base("7.0", "2021-10-01", &[], &[U3C]);
    for (train, listed) in
        [("7.0U3", "7.0.3-18825058"), ("7.0U3", "18825058"), ("7.0U3", "7.0 U3a"), ("7.0", "7.0 U3a")]
    {
        let one = decided_on("2022-02-01", &host(train, listed), &base).remove(0);
        assert_eq!(one.release.as_deref(), Some("7.0U3-19193900"), "{listed}: {}", one.recommendation);
        assert!(one.wait.unwrap().never.staying > 0.0, "{listed}");
    }
    let none =
        decided_on("2022-02-01", &host("7.0U3", "18825058"), &self::base("7.0", "2021-10-01", &[], &[]));
    assert_eq!(none[0].unknown.as_deref(), Some("a later release of ESXi than 18825058"), "as it is listed");
}

/// The table says of 3.5 U2 that it hit every host, and of most others no share.
#[test]
fn what_was_withdrawn_is_priced_with_the_share_that_it_hit() {
    let of = |train: &str, version: &str, day: &str, next: (&str, &str, &str)| {
        let base = base(train, "2008-01-01", &[], &[next]);
        let fleet = host(train, version);
        let one = decided_on(day, &fleet, &base).remove(0);
        let wait = one.wait.as_ref().unwrap();
        let per_host = wait.now.regression_first_ring / (wait.belief.now * wait.belief.hit.mean());
        let values = Values::of(&Policy::default().parameters);
        let until_horizon = -(-values.get(Parameter::Theta) * 90.0).exp_m1();
        let told = one.recommendation.clone();
        (
            wait.never.staying / per_host / until_horizon,
            bad_share(day, &fleet, &base, UnknownAs::LeftOut),
            told,
        )
    };
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
    let (waits, risk, told) = of("3.5", "3.5.0-103908", "2008-09-01", ("3.5", "110268", "2008-08-13"));
    assert!(near(waits, 1.0) && near(risk.unwrap(), 1.0), "{waits} {risk:?}");
    assert!(told.contains("; it hit 100 % of the hosts that took it (recalled)"), "{told}");
    let (waits, risk, told) = of("7.0U3", "7.0.3-18825058", "2022-02-01", U3C);
    assert!(near(waits, 0.08) && near(risk.unwrap(), 0.08), "{waits} {risk:?}");
    assert!(told.contains("; it hit 8 % of the hosts that took it"), "{told}");
    let any = Values::of(&Policy::default().parameters).get(Parameter::RegressionHit);
    let (waits, risk, told) = of("6.5", "6.5.0-7526125", "2018-04-01", ("6.5", "7967591", "2018-03-20"));
    assert!(near(waits, any) && near(risk.unwrap(), any), "{waits} {risk:?}");
    assert!(!told.contains("it hit"), "{told}");
}

/// The lists forget what was withdrawn, and never knew some builds: runs of these count in `risk` as they do in `wait`.
#[test]
fn what_runs_showed_of_a_release_that_no_list_has_counts_for_both() {
    let run = |release: &str, failures: u32| {
        let text = format!(
            "[[run]]\nrelease = \"{release}\"\nhardware = {{ vendor = \"Maker\", model = \"R1\" }}\nhosts = 40\nfailures = {failures}\n\
             kind = \"canary\"\n"
        );
        underpin_risk::wait::evidence::read(&text).unwrap()
    };
    let (day, unknown) = ("2022-02-01", UnknownAs::LeftOut);
    // The list has others of the line, or none at all.
    for list in [&[U3C][..], &[]] {
        let base = base("7.0", "2021-10-01", &[], list);
        let share = |evidence: &Evidence, version| {
            bad_share_by(evidence, day, &host("7.0U3", version), &base, unknown)
        };
        let withdrawn = "7.0.3-18825058";
        let none = share(&Evidence::default(), withdrawn).unwrap();
        let many = share(&run("ESXi 7.0U3-18825058", 30), withdrawn).unwrap();
        assert!(many > 2.0 * none, "{many} of {none}: 30 of 40 hosts were hit");
        let undated = "7.0.3-18905998";
        assert_eq!(share(&Evidence::default(), undated), None, "nobody has dated it");
        assert_eq!(share(&run("ESXi 7.0U3-18905998", 0), undated), None, "nor seen it fail");
        assert!(share(&run("ESXi 7.0U3-18905998", 30), undated).is_some_and(|it| it > 0.5));
        let mut elsewhere = run("ESXi 7.0U3-18905998", 30);
        elsewhere.runs[0].hardware = None;
        assert_eq!(share(&elsewhere, undated), None);
    }
}

/// Before a release was known to be bad it was a young one, whatever lists have forgotten it since.
#[test]
fn the_day_of_a_release_is_known_before_it_is_withdrawn() {
    let base = base("7.0", "2021-10-01", &["ESXi70U3-18905999"], &[("7.0U3", "18905999", "2021-11-08")]);
    let fleet = host("7.0U3", "7.0.3-18644231");
    for (day, is_known) in [("2021-10-04", false), ("2021-10-05", true), ("2021-11-10", true)] {
        let assessment = assess(&fleet, &base, &Options::at(format!("{day}T23:59:59Z").parse().unwrap()));
        let dates = ReleaseDates::from_facts(base.releases(), day.parse().unwrap());
        let evidence = Evidence::default();
        let options = build::Options::new(&dates).knowing(&base, &evidence);
        let built = build::build(&fleet, &assessment, &Policy::default(), &options).unwrap();
        assert_eq!(built.unpriced.hosts_without_release_day, u64::from(!is_known), "{day}");
        let is = |it: &&Shock| matches!(it.cause, Cause::BadRelease { .. });
        let bad = built.portfolio.shocks.iter().find(is).map(|it| it.probability);
        assert_eq!(bad.is_some_and(|it| it > 0.0 && it < 1.0), is_known, "{day}: {bad:?}");
    }
    let one = decided_on("2021-11-10", &fleet, &base).remove(0);
    assert!(one.wait.as_ref().unwrap().never.staying > 0.0, "{}", one.recommendation);
    assert!(one.runs[0].known_bad().is_none(), "nobody knew it yet");
}

/// Of a host of which only the train is known the upper figure counts the worst release of it.
#[test]
fn a_build_that_is_not_known_is_at_worst_one_that_was_withdrawn() {
    let base = base("7.0", "2021-10-01", &[], &[U3C]);
    let at_worst = |day, train, listed| bad_share(day, &host(train, listed), &base, UnknownAs::BaseRate);
    for (train, listed) in [("7.0U3", "7.0.3"), ("7.0U3", "7.0 U3"), ("7.0", "7.0")] {
        assert_eq!(at_worst("2022-02-02", train, listed), Some(0.08), "{listed}");
        assert_eq!(at_worst("2021-11-18", train, listed), None, "nobody knew it yet");
        let left_out = bad_share("2022-02-02", &host(train, listed), &base, UnknownAs::LeftOut);
        assert_eq!(left_out, None, "the mean counts what is known");
    }
    assert_eq!(at_worst("2022-02-02", "7.0U3", "7.0.3-19193900"), None);
    assert_eq!(at_worst("2022-02-02", "7.0U2", "7.0.2"), None);
    assert_eq!(at_worst("2008-09-01", "3.5", "3.5.0"), Some(1.0));
}
