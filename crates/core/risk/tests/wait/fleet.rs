//! Decisions about a fleet, and the history of releases.

use jiff::Timestamp;
use underpin_exposure::{Assessment, FactBase, Feed, Options, assess};
use underpin_feeds::Parsed;
use underpin_model::facts::{DateKind, Document, Family, ReleaseFact};
use underpin_model::fleet::{self, Fleet};
use underpin_model::id::FeedId;
use underpin_model::policy::{self, Policy};
use underpin_model::quantity::Probability;
use underpin_risk::hazard::{Exploited, Hazard};
use underpin_risk::wait::evidence;
use underpin_risk::wait::prior::{LineHistory, history, prior};
use underpin_risk::wait::situation::Situation;
use underpin_risk::wait::values::Values;
use underpin_risk::wait::{GroupDecision, Request, Verdict, groups};

use crate::decision::{scored, situation};

/// A kernel of which nothing is stated: that of a host whose emulator a test is about.
pub(crate) const KERNEL: &str = r#"{"name": "kernel-core", "version": "5.14.0-427.el9", "arch": "x86_64",
    "source": {"name": "kernel", "version": "5.14.0-427.el9"}}"#;

pub(crate) fn fleet(first: &str, second: &str) -> Fleet {
    let component = r#"{"name": "qemu-kvm-core", "version": "17:8.2.0-10.el9", "arch": "x86_64",
        "source": {"name": "qemu-kvm", "version": "17:8.2.0-10.el9"}}"#;
    let host = |id: &str, model: &str| {
        format!(
            r#"{{"id": "{id}", "cluster": "a", "ring": "production", "vendor": "Maker", "model": "{model}",
             "cpu": {{"signature": "06-55-07"}},
             "platform": {{"family": "almalinux", "train": "9", "release": "9.4"}},
             "running": {{"qemu-kvm": "17:8.2.0-10.el9"}},
             "components": {{"family": "almalinux", "train": "9", "components": [{component}, {KERNEL}]}}}}"#
        )
    };
    let vm =
        |id: &str, at: &str| format!(r#"{{"id": "{id}", "host": "{at}", "tenant": "t", "power": "on"}}"#);
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "two", "seen": {{"at": "2026-03-02T06:00:00Z", "by": "hand"}},
         "clusters": [{{"id": "a"}}], "hosts": [{}, {}], "tenants": [{{"id": "t"}}], "vms": [{}, {}]}}"#,
        host("h1", first),
        host("h2", second),
        vm("v1", "h1"),
        vm("v2", "h2")
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

/// An advisory, known since a day or since nobody knows when.
pub(crate) fn osv(dated: bool) -> FactBase {
    let text = r#"{"id": "ALSA-2026:0001", "published": "2026-02-20T00:00:00Z", "modified": "2026-02-20T00:00:00Z",
         "summary": "Important: qemu-kvm security update", "related": ["CVE-2026-0001"],
         "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;
    let Ok(Parsed::Document(mut document)) = underpin_feeds::parse(text.as_bytes()) else {
        panic!("no document")
    };
    if !dated {
        (document.advisories[0].published, document.advisories[0].updated) = (None, None);
    }
    FactBase::new(vec![Feed { id: FeedId::new("osv").unwrap(), fetched: None, documents: vec![*document] }])
}

fn assessed(fleet: &Fleet, base: &FactBase) -> Assessment {
    let at: Timestamp = "2026-03-02T23:59:59Z".parse().unwrap();
    assess(fleet, base, &Options::at(at))
}

pub(crate) fn decided(fleet: &Fleet, base: &FactBase, policy: &str, evidence: &str) -> Vec<GroupDecision> {
    let assessment = assessed(fleet, base);
    let policy = policy::read(policy).unwrap();
    let evidence = evidence::read(evidence).unwrap();
    groups(&Request {
        fleet,
        assessment: &assessment,
        base,
        policy: &policy,
        evidence: &evidence,
        horizon_days: 90.0,
    })
    .unwrap()
}

#[test]
fn a_group_is_decided_per_release_and_splitting_it_changes_nothing() {
    let policy = "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\npenalty = 10.0\n";
    let one = decided(&fleet("R1", "R1"), &osv(true), policy, "");
    let two = decided(&fleet("R1", "R2"), &osv(true), policy, "");
    assert_eq!((one.len(), two.len()), (1, 2));
    let whole = &one[0];
    assert_eq!((whole.component.as_str(), whole.release.as_deref()), ("qemu-kvm", Some("17:8.2.0-11.el9_4")));
    assert_eq!((whole.hosts.len(), whole.vms, whole.closes.len()), (2, 2, 1));
    assert_eq!(whole.released.unwrap().to_string(), "2026-02-20");
    let promise = &whole.promises[0];
    let deadline = promise.deadline.to_string();
    assert_eq!((deadline.as_str(), promise.days_left, promise.penalty), ("2026-03-22", 20, 10.0));
    let loss = |it: &GroupDecision| it.wait.as_ref().unwrap().optimum.loss_never;
    assert!((loss(whole) - two.iter().map(loss).sum::<f64>()).abs() < 1e-9 * loss(whole));
    assert_eq!(two[0].wait.as_ref().unwrap().verdict, whole.wait.as_ref().unwrap().verdict);
    assert!(whole.recommendation.contains("qemu-kvm 17:8.2.0-11.el9_4"), "{}", whole.recommendation);
    assert!(whole.recommendation.contains(" points over 90 days"), "{}", whole.recommendation);
    assert!(whole.assumed.iter().any(|it| it.contains("epss_unknown")), "{:?}", whole.assumed);
    assert!(whole.ssvc.is_some() && whole.bod_26_04.is_some());
}

#[test]
fn evidence_counts_for_its_own_hardware_only() {
    let evidence = "[[run]]\nrelease = \"qemu-kvm 17:8.2.0-11.el9_4\"\nhosts = 40\nkind = \"canary\"\n\
                    hardware = { vendor = \"Maker\", model = \"R1\", processor = \"06-55-07\" }\n";
    let list = decided(&fleet("R1", "R2"), &osv(true), "", evidence);
    let of = |model: &str| {
        let found = list.iter().find(|it| it.group.hardware.model.as_deref() == Some(model)).unwrap();
        (found.tally, found.wait.as_ref().unwrap().belief)
    };
    let (tried, other) = (of("R1"), of("R2"));
    assert!(tried.0.own.hosts == 40 && tried.1.now < tried.1.by_others);
    assert!(other.0.own.hosts == 0 && other.0.own_other_hardware.hosts == 40);
    assert_eq!(other.1.now, other.1.by_age);
}

#[test]
fn a_release_without_a_day_is_unknown_and_the_missing_fact_named() {
    let list = decided(&fleet("R1", "R1"), &osv(false), "", "");
    assert_eq!(list.len(), 1);
    assert!(list[0].wait.is_none());
    assert!(list[0].unknown.as_ref().unwrap().contains("the day on which qemu-kvm 17:8.2.0-11.el9_4"));
    assert!(list[0].recommendation.starts_with("Unknown whether to patch"));
}

#[test]
fn rates_parameters_and_controls_of_the_policy_count() {
    let loss = |policy: &str| {
        let list = decided(&fleet("R1", "R1"), &osv(true), policy, "");
        list[0].wait.as_ref().unwrap().optimum.loss_never
    };
    let plain = loss("");
    let doubled = "[loss]\nvm_hour_down = 2.0\nrecord_disclosed = 0.02\nsystem_corrupted = 100.0\n";
    assert!((loss(doubled) / plain - 2.0).abs() < 1e-9);
    assert!(loss("[parameters]\naimed = 0.4\n") > 5.0 * plain);
    // Without a vector the path is not known, so that no control can be said to close it.
    let control = "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n";
    assert_eq!(loss(control), plain);
}

#[test]
fn the_hazard_is_that_of_compound_risk() {
    let parameters = Policy::default().parameters;
    let values = Values::of(&parameters);
    let day: jiff::civil::Date = "2026-03-02".parse().unwrap();
    let assessment = assessed(&fleet("R1", "R1"), &osv(true));
    let mut view = assessment.vulnerabilities.values().next().unwrap().clone();
    for (kev, epss) in
        [(None, None), (None, Some(0.2)), (Some("2026-02-01"), Some(0.2)), (Some("2025-01-01"), Some(0.97))]
    {
        view.kev = kev.map(|it: &str| it.parse().unwrap());
        view.epss = epss;
        let own = match (view.kev, view.epss) {
            (Some(listed), epss) => Exploited::Listed {
                days_ago: (day - listed).get_days().into(),
                epss: epss.map(|it| Probability::new(it).unwrap()),
            },
            (None, Some(epss)) => scored(epss),
            (None, None) => Exploited::Unscored,
        };
        assert_eq!(own.hazard(|it| values.get(it)), Hazard::of(&view, day, &parameters));
        // Over 30 days a hit has the product of its factors, as compound risk has it.
        let inputs = Situation { horizon_days: 30.0, ..situation(own) }.inputs(&values);
        let product = own.hazard(|it| values.get(it)).thirty_days.get() * 0.05 * 0.05;
        assert!((inputs.hazards[0].hit_within(30.0) / product - 1.0).abs() < 1e-9);
    }
}

#[test]
fn early_replacements_of_the_built_in_history_are_parted_and_bounded() {
    let documents = underpin_feeds::builtin::documents().map(|(_, it)| it.unwrap()).collect();
    let feed = Feed { id: FeedId::new("built-in").unwrap(), fetched: None, documents };
    let base = FactBase::new(vec![feed]);
    let day = "2026-01-01".parse().unwrap();
    let lines = ["3.5", "4.0", "4.1", "5.0", "5.1", "5.5", "6.0", "6.5", "6.7", "7.0", "8.0"];
    let all: Vec<LineHistory> =
        lines.iter().map(|it| history(&base, &Family::Esxi, it, "ESXi", day)).collect();
    let sum = |of: fn(&LineHistory) -> u32| all.iter().map(of).sum::<u32>();
    // Of 253 gaps, 39 of them early, four begin with a withdrawn release that is in the list, two of these early.
    assert_eq!((sum(|it| it.gaps), sum(|it| it.early)), (253 - 4, 39 - 2), "counted independently");
    assert_eq!(sum(|it| it.early_security + it.early_repairs + it.early_unknown), 39 - 2);
    assert!(sum(|it| it.early_security) >= 5, "some early replacements are security releases");
    let seven = &all[9];
    assert_eq!(seven.withdrawn.len(), 3, "7.0 U3, U3a and U3b are in no list of releases");
    let found = prior(seven.clone(), &Policy::default().parameters);
    let (low, high) = found.line_alone.unwrap();
    assert!(
        low > 0.0 && low < found.together.value && found.together.value < high && high < 0.5,
        "{found:?}"
    );
    let before = history(&base, &Family::Esxi, "7.0", "ESXi", "2021-11-01".parse().unwrap());
    assert!(before.withdrawn.is_empty() && before.gaps < seven.gaps, "no look-ahead");
    let built = history(&base, &Family::Proxmox, "8", "pve-manager", day);
    assert!(built.unusable.unwrap().contains("builds"), "{built:?}");
}

/// An advisory that names the smallest release that closes its hole, and a release with its day.
pub(crate) fn fixed_and_released(release: &str, day: &str) -> Document {
    let text = r#"{"id": "ALSA-2026:0001", "published": "2026-02-20T00:00:00Z", "modified": "2026-02-20T00:00:00Z",
         "summary": "Important: qemu-kvm security update", "related": ["CVE-2026-0001"],
         "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;
    let Ok(Parsed::Document(mut document)) = underpin_feeds::parse(text.as_bytes()) else {
        panic!("no document")
    };
    document.releases.push(ReleaseFact {
        family: Family::AlmaLinux,
        train: Some("9".into()),
        component: "qemu-kvm".into(),
        version: release.into(),
        date: day.parse().unwrap(),
        date_kind: DateKind::Published,
        bulletin: None,
        class: None,
        fixes: Vec::new(),
    });
    *document
}

/// An issuer may name in an old document a release that came later: on the day it could not be taken.
#[test]
fn a_release_that_is_dated_later_is_no_target_yet() {
    let fleet = fleet("R1", "R1");
    let base = |day: &str| {
        let documents = vec![fixed_and_released("17:8.2.0-11.el9_4", day)];
        FactBase::new(vec![Feed { id: FeedId::new("osv").unwrap(), fetched: None, documents }])
    };
    let now = decided(&fleet, &base("2026-02-21"), "", "");
    assert_eq!(now[0].released.unwrap().to_string(), "2026-02-21");
    let later = decided(&fleet, &base("2026-06-01"), "", "");
    assert!(later[0].wait.is_none() && later[0].without_fix == 1, "{:?}", later[0]);
}

/// The recommendation over a range of how likely a campaign aims at this fleet: from *never* over *wait* to *now*.
fn over_threats() -> Vec<GroupDecision> {
    let aimed = (0..24).map(|at| 1e-5 * 1.6_f64.powi(at)).filter(|it| *it < 1.0);
    let policy = |it: f64| format!("[parameters]\naimed = {it}\n");
    aimed.flat_map(|it| decided(&fleet("R1", "R1"), &osv(true), &policy(it), "")).collect()
}

#[test]
fn a_recommendation_that_most_draws_contradict_says_that_it_is_weak() {
    let list = over_threats();
    let mut weak = 0;
    for it in &list {
        let wait = it.wait.as_ref().unwrap();
        assert_eq!(wait.weak, wait.right < 0.5);
        assert_eq!(it.recommendation.starts_with("Weak, only "), wait.weak, "{}", it.recommendation);
        assert_eq!(it.recommendation.contains(" of the draws of the parameters agree ("), wait.weak);
        assert_eq!(wait.doubt().is_some(), wait.weak);
        weak += usize::from(wait.weak);
    }
    assert!(weak > 0 && weak < list.len(), "{weak} of {}", list.len());
}

#[test]
fn where_the_curve_is_flat_patching_now_is_preferred_and_said() {
    // Nobody aims at this fleet, bad releases are hardly ever found out, and a promise makes it due soon: when within these
    // days it is done hardly matters.
    let policy = "[parameters]\naimed = { value = 1e-6, low = 1e-7, high = 1e-5, source = \"a test\" }\n\
                  theta = { value = 1e-5, low = 1e-6, high = 1e-4, source = \"a test\" }\n\
                  [[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\npenalty = 100000.0\n";
    let list = decided(&fleet("R1", "R1"), &osv(true), policy, "");
    let (said, wait) = (&list[0].recommendation, list[0].wait.as_ref().unwrap());
    let optimum = &wait.optimum;
    assert!(optimum.loss_wait < optimum.loss_now && optimum.loss_wait > 0.99 * optimum.loss_now);
    assert_eq!((wait.verdict, optimum.days, wait.flat), (Verdict::PatchNow, Some(0.0), true));
    assert!(said.starts_with("Patch qemu-kvm") && said.contains("the curve is flat: waiting "), "{said}");
    assert!(wait.right > 0.5, "what is flat in the draws is no contradiction: {}", wait.right);
    // Nobody speaks of flatness where something is to be gained.
    assert!(
        over_threats()
            .iter()
            .any(|it| !it.wait.as_ref().unwrap().flat && !it.recommendation.contains("flat"))
    );
}

#[test]
fn where_no_guest_is_known_nothing_is_decided_as_if_nothing_were_at_stake() {
    let placed = fleet("R1", "R1");
    let one = |fleet: &Fleet| decided(fleet, &osv(true), "", "").remove(0);

    let none = one(&Fleet { vms: Vec::new(), ..placed.clone() });
    assert!(none.wait.is_none());
    assert_eq!(none.unknown.as_deref(), Some("what stands on these hosts (the fleet file lists no VM)"));
    assert_eq!(
        none.release.as_deref(),
        Some("17:8.2.0-11.el9_4"),
        "which release it is, is known all the same"
    );
    let start = "Unknown whether to patch qemu-kvm 17:8.2.0-11.el9_4 or wait: what stands on these hosts";
    assert!(none.recommendation.starts_with(start), "{}", none.recommendation);
    assert!(!none.recommendation.contains("right"), "{}", none.recommendation);

    let mut lost = placed.clone();
    lost.vms.iter_mut().for_each(|it| it.host = None);
    let lost = one(&lost);
    assert!(lost.wait.is_none() && lost.vms_perhaps == 2, "{}", lost.recommendation);
    assert!(lost.unknown.unwrap().contains("VMs that may are listed without a `host`"));

    // Some are known: it is decided by these, and the sentence tells of the others.
    let mut some = placed.clone();
    some.vms[1].host = None;
    let some = one(&some);
    assert!(some.wait.is_some());
    let words = "on 2 hosts with 1 VM (and up to 1 of no known host, not counted) it loses";
    assert!(some.recommendation.contains(words), "{}", some.recommendation);
    assert!(
        some.assumed.iter().any(|it| it.contains("those that may stand on these hosts: 1")),
        "{:?}",
        some.assumed
    );

    // Hosts that are known to be empty are no riddle.
    let mut off = placed;
    off.vms.iter_mut().for_each(|it| it.power = Some(fleet::PowerState::Off));
    assert!(one(&off).wait.is_some());
}

/// Nothing is found to be due where nobody looked: that is unknown, and no reason to rest.
#[test]
fn hosts_of_which_neither_kernel_nor_hypervisor_is_known_are_undecided() {
    let mut fleet = fleet("R1", "R2");
    fleet.hosts[0].components = None;
    fleet.hosts[1].components =
        serde_json::from_str(r#"{"components": [{"name": "bash", "version": "1"}]}"#).unwrap();
    let base = osv(true);
    let list = decided(&fleet, &base, "", "");
    assert_eq!(list.len(), 2, "{list:?}");
    for (one, host) in list.iter().zip(["h1", "h2"]) {
        assert_eq!((one.hosts.len(), one.hosts[0].as_str(), one.vms), (1, host, 1));
        assert!(one.wait.is_none());
        let missing = one.unknown.as_deref().unwrap();
        assert_eq!(missing, "the kernel and hypervisor of this host: the fleet file lists neither");
    }
    let assessment = assessed(&fleet, &base);
    let (policy, evidence) = (Policy::default(), evidence::Evidence::default());
    let mut request = underpin_risk::report::Request::new(&fleet, &assessment, &base, &policy, &evidence);
    request.samples = 1000;
    let report = underpin_risk::report::report(&request).unwrap();
    for group in &report.groups {
        let why = group.wait_missing.as_deref().unwrap();
        assert!(why.starts_with("Unknown whether anything is due: neither kernel nor hypervisor"), "{why}");
    }
}

/// An emulator that is listed says nothing of the kernel below it, nor a kernel of what runs the guests.
#[test]
fn a_part_of_the_platform_that_is_not_listed_is_undecided_by_name() {
    let base = osv(true);
    let list = |kept: usize| {
        let mut fleet = fleet("R1", "R1");
        for host in &mut fleet.hosts {
            let components = &mut host.components.as_mut().unwrap().components;
            components.swap(0, kept);
            components.truncate(1);
        }
        decided(&fleet, &base, "", "")
    };
    let unlisted = |it: &GroupDecision| {
        let told = format!("the {} of these 2 hosts", it.component);
        assert!(it.wait.is_none() && it.hosts.len() == 2 && it.release.is_none(), "{it:?}");
        assert_eq!(it.unknown.as_deref(), Some(format!("{told}: the fleet file does not list it").as_str()));
        assert_eq!(
            it.recommendation,
            format!("Unknown whether anything is due: {told} is not listed; list it under `components`.")
        );
    };
    let emulator = list(0);
    assert_eq!(emulator.iter().map(|it| it.component.as_str()).collect::<Vec<_>>(), ["qemu-kvm", "kernel"]);
    assert!(emulator[0].wait.is_some(), "what is known is decided");
    unlisted(&emulator[1]);
    let kernel = list(1);
    assert_eq!(kernel.iter().map(|it| it.component.as_str()).collect::<Vec<_>>(), ["hypervisor"]);
    unlisted(&kernel[0]);
}
