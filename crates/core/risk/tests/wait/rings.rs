//! What earlier rings protect, from when on, and what they do not.

use underpin_exposure::{FactBase, Feed};
use underpin_feeds::Parsed;
use underpin_model::facts::Family;
use underpin_model::fleet::{self, ComponentKind, Fleet};
use underpin_model::id::FeedId;
use underpin_risk::wait::curve::Inputs;
use underpin_risk::wait::{GroupDecision, Verdict};

use crate::fleet::{KERNEL, decided, osv};

const OLD: &str = "17:8.2.0-10.el9";
const NEW: &str = "17:8.2.0-11.el9_4";
const RELEASE: &str = "qemu-kvm 17:8.2.0-11.el9_4";
/// Two rings: the second waits for the first for so many days.
fn rings(soak: f64) -> String {
    format!("[[ring]]\nname = \"test\"\nsoak = {soak}\n[[ring]]\nname = \"production\"\nsoak = 7.0\n")
}

/// An emulator of which nothing is stated: that of a host whose kernel a test is about.
const EMULATOR: &str = r#"{"name": "qemu-kvm", "version": "17:9.0.0-1.el9", "arch": "x86_64",
    "source": {"name": "qemu-kvm", "version": "17:9.0.0-1.el9"}}"#;

/// A host in each ring, of one hardware class: (ring, version, guests).
fn fleet(hosts: &[(&str, &str, u32)]) -> Fleet {
    fleet_with(hosts, ["qemu-kvm-core", "qemu-kvm", "qemu-kvm"])
}

/// The same with a package of this name, source package and name of what runs.
fn fleet_with(hosts: &[(&str, &str, u32)], [package, source, runs]: [&str; 3]) -> Fleet {
    let other = if source == "kernel" { EMULATOR } else { KERNEL };
    let host = |(at, (ring, version, _)): (usize, &(&str, &str, u32))| {
        format!(
            r#"{{"id": "h{at}", "cluster": "a", "ring": "{ring}", "vendor": "Maker", "model": "R1",
             "cpu": {{"signature": "06-55-07"}}, "booted_at": "2026-02-01T00:00:00Z",
             "platform": {{"family": "almalinux", "train": "9", "release": "9.4"}},
             "running": {{"{runs}": "{version}"}},
             "components": {{"family": "almalinux", "train": "9", "components": [{{"name": "{package}",
             "version": "{version}", "arch": "x86_64", "source": {{"name": "{source}", "version": "{version}"}}}}, {other}]}}}}"#
        )
    };
    let vms = |(at, (_, _, vms)): (usize, &(&str, &str, u32))| {
        (0..*vms).map(move |it| format!(r#"{{"id": "v{at}-{it}", "host": "h{at}", "power": "on"}}"#))
    };
    let vms: Vec<String> = hosts.iter().enumerate().flat_map(vms).collect();
    let hosts: Vec<String> = hosts.iter().enumerate().map(host).collect();
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "rings", "seen": {{"at": "2026-03-02T06:00:00Z", "by": "hand"}},
         "clusters": [{{"id": "a"}}], "hosts": [{}], "vms": [{}]}}"#,
        hosts.join(","),
        vms.join(",")
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

fn of<'d>(list: &'d [GroupDecision], ring: &str) -> &'d GroupDecision {
    list.iter().find(|it| it.group.ring.as_deref() == Some(ring)).unwrap()
}

/// Loss by days of waiting.
fn curve(one: &GroupDecision) -> Vec<(f64, f64)> {
    one.wait.as_ref().unwrap().curve.iter().map(|it| (it.days, it.loss)).collect()
}

/// Nothing stands in the first ring, so that it is patched at once if maintenance is free.
const BOTH_OLD: [(&str, &str, u32); 2] = [("test", OLD, 0), ("production", OLD, 3)];
const FREE: &str = "[maintenance]\nper_host = 0.0\n";

#[test]
fn a_ring_protects_later_ones_from_the_day_on_which_it_has_run_the_release() {
    let list = decided(&fleet(&BOTH_OLD), &osv(true), &(rings(4.0) + FREE), "");
    let (first, later) = (of(&list, "test"), of(&list, "production"));
    assert_eq!(first.wait.as_ref().unwrap().verdict, Verdict::PatchNow);
    assert_eq!(first.earlier_ring, None);
    let earlier = later.earlier_ring.as_ref().unwrap();
    assert_eq!((earlier.ring.as_str(), earlier.runs_it, earlier.from_days), ("test", false, 4.0));
    assert!(
        later.recommendation.contains("after ring test has run it, from day 4.0 on, "),
        "{}",
        later.recommendation
    );
    for point in &later.wait.as_ref().unwrap().curve {
        let terms = point.terms;
        let (unprotected, behind) = (terms.regression_first_ring > 0.0, terms.regression_later_rings > 0.0);
        assert_eq!((unprotected, behind), (point.days < 4.0, point.days >= 4.0), "day {}", point.days);
    }
}

#[test]
fn a_ring_that_does_not_take_a_release_protects_nobody() {
    // Hardly anybody aims at this fleet: with guests at stake the release is not worth its own risk.
    let policy = rings(4.0) + FREE + "[parameters]\naimed = 0.0001\n";
    let list = decided(&fleet(&[("test", OLD, 3), ("production", OLD, 3)]), &osv(true), &policy, "");
    let (first, later) = (of(&list, "test"), of(&list, "production"));
    assert_eq!(first.wait.as_ref().unwrap().verdict, Verdict::Mitigate, "{}", first.recommendation);
    assert_eq!(later.earlier_ring, None);
    let told = |it: &String| it.starts_with("no earlier ring takes this release");
    assert!(later.assumed.iter().any(told), "{:?}", later.assumed);
    // As if nobody stood in front of them; with a ring that takes it they would lose less.
    let alone = decided(&fleet(&[("production", OLD, 3)]), &osv(true), &policy, "");
    assert_eq!(curve(later), curve(of(&alone, "production")));
    let taken = decided(&fleet(&BOTH_OLD), &osv(true), &policy, "");
    assert!(of(&taken, "production").earlier_ring.is_some());
    assert!(curve(of(&taken, "production"))[10].1 < curve(later)[10].1);
}

#[test]
fn a_ring_that_runs_a_release_already_counts_from_now() {
    let list = decided(&fleet(&[("test", NEW, 0), ("production", OLD, 3)]), &osv(true), &rings(4.0), "");
    assert!(list.iter().all(|it| it.group.ring.as_deref() != Some("test")), "nothing is due there");
    let earlier = of(&list, "production").earlier_ring.as_ref().unwrap();
    // Since when nobody knows: an emulator needs no boot.
    assert_eq!((earlier.runs_it, earlier.from_days), (true, 4.0));
}

#[test]
fn what_only_a_boot_loads_has_run_since_the_last_boot() {
    let text = r#"{"id": "ALSA-2026:0001", "published": "2026-01-20T00:00:00Z", "modified": "2026-01-20T00:00:00Z",
         "summary": "Important: kernel security update", "related": ["CVE-2026-0001"],
         "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "kernel-core"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.14.0-427.el9_4"}]}]}]}"#;
    let Ok(Parsed::Document(document)) = underpin_feeds::parse(text.as_bytes()) else {
        panic!("no document")
    };
    let feed = Feed { id: FeedId::new("osv").unwrap(), fetched: None, documents: vec![*document] };
    let base = FactBase::new(vec![feed]);
    let hosts = [("test", "5.14.0-427.el9_4", 0), ("production", "5.14.0-362.el9", 3)];
    let fleet = fleet_with(&hosts, ["kernel-core", "kernel", "linux"]);
    // Booted 29 days ago.
    for (soak, from_days) in [(40.0, 11.0), (4.0, 0.0)] {
        let list = decided(&fleet, &base, &rings(soak), "");
        let earlier = of(&list, "production").earlier_ring.as_ref().unwrap();
        assert_eq!((earlier.runs_it, earlier.from_days), (true, from_days));
    }
    // That the new one runs is known by the name of the kernel, too: it has run since the boot, whatever older one is beside it.
    for (release, runs_it) in [("5.14.0-427.el9_4.x86_64", true), ("5.14.0-362.el9.x86_64", false)] {
        let mut beside = fleet.clone();
        beside.hosts[0].running.clear();
        beside.hosts[0].kernel_release = Some(release.to_owned());
        let components = &mut beside.hosts[0].components.as_mut().unwrap().components;
        let mut old = components[0].clone();
        old.version = "5.14.0-362.el9".to_owned();
        old.source.as_mut().unwrap().version = Some("5.14.0-362.el9".to_owned());
        components.insert(1, old);
        let list = decided(&beside, &base, &rings(40.0), "");
        let earlier = of(&list, "production").earlier_ring.as_ref().filter(|it| it.runs_it);
        assert_eq!(earlier.map(|it| it.from_days), runs_it.then_some(11.0), "{release}");
    }
    // What is installed and waits for a boot has not run.
    let mut waiting = fleet;
    waiting.hosts[0].running.insert("linux".to_owned(), "5.14.0-362.el9".to_owned());
    let list = decided(&waiting, &base, &rings(4.0), "");
    assert!(of(&list, "production").earlier_ring.as_ref().is_none_or(|it| !it.runs_it));
}

#[test]
fn a_whole_product_has_run_since_the_last_boot_and_a_package_since_nobody_knows_when() {
    let mut fleet = fleet(&[("test", NEW, 0), ("production", OLD, 3)]);
    for (kind, from_days) in [(ComponentKind::Package, 40.0), (ComponentKind::Product, 11.0)] {
        fleet.hosts[0].components.as_mut().unwrap().components[0].kind = kind;
        let earlier = |fleet: &Fleet| {
            let list = decided(fleet, &osv(true), &rings(40.0), "");
            of(&list, "production").earlier_ring.clone().unwrap()
        };
        // Booted 29 days ago.
        assert_eq!((earlier(&fleet).runs_it, earlier(&fleet).from_days), (true, from_days), "{kind:?}");
        // Nobody knows when it booted.
        let mut undated = fleet.clone();
        undated.hosts[0].booted_at = None;
        assert_eq!(earlier(&undated).from_days, 40.0, "{kind:?}");
    }
}

/// Microcode is loaded by a boot: a ring that runs the revision has run it since its last one.
#[test]
fn microcode_has_run_since_the_last_boot() {
    let of_intel = |(_, document): (&str, Result<underpin_model::facts::Document, _>)| {
        document.ok().filter(|it| it.releases.iter().any(|it| it.family == Family::IntelMicrocode))
    };
    let documents = underpin_feeds::builtin::documents().filter_map(of_intel).collect();
    let base = FactBase::new(vec![Feed { id: FeedId::new("intel").unwrap(), fetched: None, documents }]);
    let mut fleet = fleet(&[("test", NEW, 0), ("production", NEW, 3)]);
    // The newest revision of this processor with an advisory, of 2025-08-12, and the one before it.
    for (host, revision) in fleet.hosts.iter_mut().zip(["0x2b000643", "0x2b000639"]) {
        let cpu = host.cpu.as_mut().unwrap();
        (cpu.signature, cpu.platform_mask) = (Some("06-8f-08".to_owned()), Some(0x87));
        cpu.microcode = Some(revision.to_owned());
    }
    let earlier = |fleet: &Fleet, soak: f64| {
        let list = decided(fleet, &base, &rings(soak), "");
        assert!(
            list.iter()
                .all(|it| it.component == "intel-microcode" && it.group.ring.as_deref() != Some("test"))
        );
        of(&list, "production").earlier_ring.clone().map(|it| (it.runs_it, it.from_days))
    };
    // Booted 29 days ago.
    assert_eq!(earlier(&fleet, 40.0), Some((true, 11.0)));
    assert_eq!(earlier(&fleet, 4.0), Some((true, 0.0)));
    fleet.hosts[0].booted_at = None;
    assert_eq!(earlier(&fleet, 40.0), Some((true, 40.0)), "nobody knows when it booted");
}

/// What own canaries showed counts in every ring of their hardware, and so in the day on which an earlier one takes the release.
#[test]
fn clean_canaries_count_in_the_ring_that_runs_them_and_in_later_ones() {
    let clean = |model: &str| {
        format!(
            "[[run]]\nrelease = \"{RELEASE}\"\nhosts = 300\nkind = \"canary\"\n\
             hardware = {{ vendor = \"Maker\", model = \"{model}\", processor = \"06-55-07\" }}\n"
        )
    };
    let both = fleet(&[("test", OLD, 3), ("production", OLD, 3)]);
    let policy = rings(4.0) + FREE;
    let with = |evidence: &str| decided(&both, &osv(true), &policy, evidence);
    let (none, own, others) = (with(""), with(&clean("R1")), with(&clean("R2")));
    for ring in ["test", "production"] {
        let bad = |list: &[GroupDecision]| of(list, ring).wait.as_ref().unwrap().belief.now;
        assert!(bad(&own) < 0.5 * bad(&none), "{ring}: {} and {}", bad(&own), bad(&none));
        assert_eq!(bad(&others), bad(&none), "{ring}: other hardware teaches nothing");
    }
    // Without it the first ring does not take the release and protects nobody; with it production follows its day.
    let day = |list: &[GroupDecision]| of(list, "test").wait.as_ref().unwrap().optimum.days;
    let from = |list: &[GroupDecision]| of(list, "production").earlier_ring.as_ref().map(|it| it.from_days);
    assert_eq!((day(&none), from(&none), from(&others)), (None, None, None));
    assert!(day(&own).is_some());
    assert_eq!(from(&own), day(&own).map(|it| it + 4.0));
}

#[test]
fn more_soak_never_lowers_the_loss_of_a_later_ring() {
    let with = |soak: f64| {
        let list = decided(&fleet(&BOTH_OLD), &osv(true), &(rings(soak) + FREE), "");
        let later = of(&list, "production");
        (curve(later), later.wait.as_ref().unwrap().optimum.loss)
    };
    let soaks = [0.0, 0.5, 3.0, 10.0, 40.0, 89.0, 200.0];
    let all: Vec<_> = soaks.into_iter().map(with).collect();
    for (less, more) in all.iter().zip(all.iter().skip(1)) {
        assert!(less.0.iter().zip(&more.0).all(|(a, b)| a.1 <= b.1));
        assert!(less.1 <= more.1);
    }
    assert!(all[0].0[0].1 < all[6].0[0].1, "without a soak it protects from now on");
}

#[test]
fn a_release_that_canaries_proved_bad_is_not_taken_by_production() {
    let evidence = format!(
        "[[run]]\nrelease = \"{RELEASE}\"\nhosts = 5\nfailures = 5\nkind = \"canary\"\n\
         hardware = {{ vendor = \"Maker\", model = \"R1\", processor = \"06-55-07\" }}\n"
    );
    let policy = rings(0.0) + FREE + "[parameters]\naimed = 0.2\n";
    let hosts = fleet(&[("test", NEW, 0), ("production", OLD, 3)]);
    let before = decided(&hosts, &osv(true), &policy, "");
    assert_eq!(of(&before, "production").wait.as_ref().unwrap().verdict, Verdict::PatchNow);
    let after = decided(&hosts, &osv(true), &policy, &evidence);
    let production = of(&after, "production");
    let wait = production.wait.as_ref().unwrap();
    assert_eq!(wait.belief.now, 1.0);
    assert_ne!(wait.verdict, Verdict::PatchNow, "{}", production.recommendation);
    assert_eq!(production.earlier_ring, None, "what the ring would find out is known");
    assert!(
        production.recommendation.contains("it failed on 5 of 5 hosts of own trials and canaries"),
        "{}",
        production.recommendation
    );
    // The whole loss of a bad release, and not what a ring lets through.
    assert_eq!(wait.now.regression_later_rings, 0.0);
    assert!(wait.now.regression_first_ring > 0.0);
}

#[test]
fn hosts_of_other_hardware_or_without_known_hardware_protect_nobody() {
    let mut other = fleet(&BOTH_OLD);
    other.hosts[0].model = Some("R2".to_owned());
    let list = decided(&other, &osv(true), &(rings(4.0) + FREE), "");
    let later = of(&list, "production");
    assert!(later.earlier_ring.is_none());
    assert!(later.assumed.iter().any(|it| it.starts_with("no host of an earlier ring has this hardware")));
}

#[test]
fn the_loss_falls_on_the_day_of_the_ring_and_the_optimum_may_be_there() {
    let inputs = Inputs {
        horizon_days: 90.0,
        hosts: 10.0,
        bad: 0.2,
        theta: 0.001,
        hit: 0.5,
        loss_per_bad_host: 100.0,
        ring_stops: 0.9,
        ring_from_days: 6.3,
        staying: 0.0,
        known_bugs_per_day: 0.1,
        ..Inputs::default()
    };
    let (before, on) = (inputs.at(6.299), inputs.at(6.3));
    assert!((on.regression_later_rings / before.regression_first_ring - 0.1).abs() < 1e-4);
    assert_eq!((before.regression_later_rings, on.regression_first_ring), (0.0, 0.0));
    let best = inputs.optimum().unwrap();
    assert_eq!(best.days, Some(6.3), "on the day itself");
    assert_eq!(inputs.optimum_on_grid().unwrap().days, Some(6.3));
    assert!(Inputs { ring_from_days: f64::NAN, ..inputs }.check().unwrap_err().place == "ring_from_days");
}
