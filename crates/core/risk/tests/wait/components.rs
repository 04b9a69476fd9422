//! Releases of components that run and are known to be bad: `risk` counts what `wait` replaces, and once.

use jiff::Timestamp;
use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_model::facts::{DateKind, Document, Family, Format, ReleaseFact};
use underpin_model::fleet::{self, Fleet, Host};
use underpin_model::id::FeedId;
use underpin_model::policy::{self, Parameter, Policy};
use underpin_risk::build::{self, Built, ReleaseDates};
use underpin_risk::portfolio::{Cause, Shock};
use underpin_risk::report;
use underpin_risk::wait::evidence::{self, Evidence};
use underpin_risk::wait::values::Values;
use underpin_risk::wait::{GroupDecision, Request, groups};

const NOW: &str = "2026-06-01T23:59:59Z";

/// A host with a guest, of a platform and its release, with components of one family.
fn host(platform: (&str, &str, &str), components: &str) -> Fleet {
    let (family, train, release) = platform;
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "one", "seen": {{"at": "2026-06-01T00:00:00Z", "by": "hand"}},
         "clusters": [{{"id": "c"}}],
         "hosts": [{{"id": "h", "cluster": "c", "vendor": "Maker", "model": "R1",
         "platform": {{"family": "{family}", "train": "{train}", "release": "{release}"}},
         "components": {{"family": "{family}", "train": "{train}", "components": [{components}]}}}}],
         "vms": [{{"id": "v", "host": "h", "power": "on"}}]}}"#
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

const LINUX: &str = r#"{"name": "linux-image-6.1.0-25-amd64", "version": "6.1.100-1", "running_version": "6.1.100-1", "source": {"name": "linux"}}"#;
const QEMU: &str =
    r#"{"name": "qemu-system-x86", "version": "1:7.2+dfsg-7+deb12u5", "source": {"name": "qemu"}}"#;

const BOOKWORM: (&str, &str, &str) = ("debian", "bookworm", "12.5");

/// A list of releases of one train.
fn base(family: &Family, train: &str, list: &[(&str, &str, &str)]) -> FactBase {
    let mut document = Document::new("releases", Format::ReleaseHistory);
    document.releases.extend(list.iter().map(|(component, version, day)| ReleaseFact {
        family: family.clone(),
        train: Some(train.into()),
        component: (*component).into(),
        version: (*version).into(),
        date: day.parse().unwrap(),
        date_kind: DateKind::Built,
        bulletin: None,
        class: None,
        fixes: Vec::new(),
    }));
    FactBase::new(vec![Feed { id: FeedId::new("f").unwrap(), fetched: None, documents: vec![document] }])
}

fn debian() -> FactBase {
    let kernels = [("linux", "6.1.100-1", "2026-01-10"), ("linux", "6.1.150-1", "2026-03-10")];
    let both = [kernels[0], kernels[1], ("qemu", "1:7.2+dfsg-7+deb12u6", "2026-03-10")];
    base(&Family::Debian, "bookworm", &both)
}

/// Runs of releases on this hardware.
fn runs(of: &[(&str, u32, u32)]) -> Evidence {
    let run = |(release, hosts, failures): &(&str, u32, u32)| {
        format!(
            "[[run]]\nrelease = \"{release}\"\nhardware = {{ vendor = \"Maker\", model = \"R1\" }}\nhosts = {hosts}\n\
             failures = {failures}\nkind = \"canary\"\n"
        )
    };
    evidence::read(&of.iter().map(run).collect::<String>()).unwrap()
}

fn built(fleet: &Fleet, base: &FactBase, evidence: &Evidence) -> Built {
    built_over(30.0, fleet, base, evidence)
}

fn built_over(days: f64, fleet: &Fleet, base: &FactBase, evidence: &Evidence) -> Built {
    let policy = policy::read(&format!("horizon_days = {days:?}")).unwrap();
    let at: Timestamp = NOW.parse().unwrap();
    let assessment = assess(fleet, base, &Options::at(at));
    let dates = ReleaseDates::from_facts(base.releases(), "2026-06-01".parse().unwrap());
    let options = build::Options::new(&dates).knowing(base, evidence);
    build::build(fleet, &assessment, &policy, &options).unwrap()
}

/// The bad releases that `risk` counts on the first host, each with how likely it is bad, whenever it shows that, and hits it then.
fn priced(fleet: &Fleet, base: &FactBase, evidence: &Evidence) -> Vec<(String, f64, f64)> {
    let built = built(fleet, base, evidence);
    let portfolio = &built.portfolio;
    let responses = &portfolio.classes[portfolio.hosts[0].class as usize].responses;
    let bad = responses.iter().filter_map(|it| {
        let shock = &portfolio.shocks[it.shock as usize];
        let Cause::BadRelease { release, .. } = &shock.cause else { return None };
        assert_eq!(built.derivations.shocks[it.shock as usize].hosts, 1);
        let (_, believed) = shock.factors.split_last().unwrap();
        Some((release.clone(), believed.iter().map(|it| it.value).product(), it.probability))
    });
    bad.collect()
}

fn decided(fleet: &Fleet, base: &FactBase, evidence: &Evidence) -> Vec<GroupDecision> {
    decided_over(90.0, fleet, base, evidence)
}

fn decided_over(
    horizon_days: f64,
    fleet: &Fleet,
    base: &FactBase,
    evidence: &Evidence,
) -> Vec<GroupDecision> {
    let assessment = assess(fleet, base, &Options::at(NOW.parse().unwrap()));
    let policy = Policy::default();
    let request = Request { fleet, assessment: &assessment, base, policy: &policy, evidence, horizon_days };
    groups(&request).unwrap()
}

/// What `wait` says that staying on a component costs for good, in parts of a host that is down for it.
fn staying(decisions: &[GroupDecision], component: &str) -> f64 {
    let theta = Values::of(&Policy::default().parameters).get(Parameter::Theta);
    staying_until_horizon(decisions, component) / -(-theta * 90.0_f64).exp_m1()
}

fn staying_until_horizon(decisions: &[GroupDecision], component: &str) -> f64 {
    let one = decisions.iter().find(|it| it.component == component).unwrap();
    let wait = one.wait.as_ref().unwrap();
    let per_host = wait.now.regression_first_ring / (wait.belief.now * wait.belief.hit.mean());
    wait.never.staying / per_host
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b, "{a}, expected {b}");
}

#[test]
fn a_component_that_failed_here_costs_in_risk_what_it_costs_in_wait() {
    let (fleet, base) = (host(BOOKWORM, LINUX), debian());
    assert_eq!(priced(&fleet, &base, &Evidence::default()), [], "nothing is known against it");
    let mut before = 0.0;
    for failures in [1, 5, 10] {
        let failed = runs(&[("linux 6.1.100-1", 10, failures)]);
        let waits = staying(&decided(&fleet, &base, &failed), "linux");
        let risk = priced(&fleet, &base, &failed);
        let [(name, bad, hit)] = risk.as_slice() else { panic!("{risk:?}") };
        assert_eq!((name.as_str(), *bad), ("linux 6.1.100-1", 1.0));
        near(waits, *hit);
        assert!(*hit > before, "{hit} after {before}");
        before = *hit;
        // Both within the same span, whatever it is.
        for days in [1.0, 7.0, 30.0, 365.0] {
            let waits = staying_until_horizon(&decided_over(days, &fleet, &base, &failed), "linux");
            let portfolio = built_over(days, &fleet, &base, &failed).portfolio;
            let is = |it: &Shock| matches!(it.cause, Cause::BadRelease { .. });
            let at = portfolio.shocks.iter().position(is).unwrap();
            let answers = &portfolio.classes[portfolio.hosts[0].class as usize].responses;
            let hit = answers.iter().find(|it| it.shock as usize == at).unwrap().probability;
            near(waits, portfolio.shocks[at].probability * hit);
        }
    }
    // Runs without a failure, of another release, or on other hardware make nothing bad.
    let mut elsewhere = runs(&[("linux 6.1.100-1", 10, 5)]);
    elsewhere.runs[0].hardware.as_mut().unwrap().model = Some("R2".to_owned());
    for none in [runs(&[("linux 6.1.100-1", 10, 0)]), runs(&[("linux 6.1.150-1", 10, 5)]), elsewhere] {
        assert_eq!(priced(&fleet, &base, &none), []);
        assert!(decided(&fleet, &base, &none).iter().all(|it| it.runs.is_empty()), "{none:?}");
    }
}

/// Of kernels that are installed beside each other one runs, however that is told; where nobody tells, the newest one counts.
#[test]
fn a_kernel_that_does_not_run_is_not_what_runs() {
    let kernel = |abi: u32, version: &str| {
        format!(
            r#"{{"name": "linux-image-6.1.0-{abi}-amd64", "version": "{version}", "source": {{"name": "linux"}}}}"#
        )
    };
    let (old, new) = (kernel(25, "6.1.100-1"), kernel(30, "6.1.150-1"));
    let (base, failed) = (debian(), runs(&[("linux 6.1.100-1", 10, 5)]));
    for both in [format!("{old}, {new}"), format!("{new}, {old}")] {
        let of = |tell: &dyn Fn(&mut Host)| {
            let mut fleet = host(BOOKWORM, &both);
            tell(&mut fleet.hosts[0]);
            let assessment = assess(&fleet, &base, &Options::at(NOW.parse().unwrap()));
            let of_assess: Vec<_> = assessment.findings.iter().map(|it| it.running_version.clone()).collect();
            let bad = |it: &GroupDecision| it.runs.iter().any(|it| it.release == "6.1.100-1");
            let of_wait = decided(&fleet, &base, &failed).iter().any(bad);
            let of_risk: Vec<String> = priced(&fleet, &base, &failed).into_iter().map(|it| it.0).collect();
            assert_eq!(of_wait, of_risk == ["linux 6.1.100-1"], "{both}");
            assert_eq!(of_assess.len(), 1, "the newest alone is matched");
            (of_assess[0].as_deref().map(str::to_owned), of_wait)
        };
        let says = |version: &'static str, abi: &'static str| -> [(Option<String>, bool); 3] {
            let own = |host: &mut Host| {
                let components = &mut host.components.as_mut().unwrap().components;
                let one = components.iter_mut().find(|it| it.version == version).unwrap();
                one.running_version = Some(version.to_owned());
            };
            [
                of(&|it| it.kernel_release = Some(format!("6.1.0-{abi}-amd64"))),
                of(&|it| drop(it.running.insert("linux".to_owned(), version.to_owned()))),
                of(&own),
            ]
        };
        let told = |version: &str, bad| [(); 3].map(|()| (Some(version.to_owned()), bad));
        assert_eq!(says("6.1.150-1", "30"), told("6.1.150-1", false));
        assert_eq!(says("6.1.100-1", "25"), told("6.1.100-1", true));
        assert_eq!(of(&|_| {}), (None, false), "the newest is what the next boot brings");
    }
    // Kernels of one name.
    let core = |version: &str| {
        format!(
            r#"{{"name": "kernel-core", "version": "{version}", "arch": "x86_64", "source": {{"name": "kernel", "version": "{version}"}}}}"#
        )
    };
    let both = format!("{}, {}", core("5.14.0-427.el9"), core("5.14.0-503.el9"));
    let failed = runs(&[("kernel 5.14.0-427.el9", 10, 5)]);
    for (release, bad) in [("5.14.0-427.el9.x86_64", 1), ("5.14.0-503.el9.x86_64", 0)] {
        let mut fleet = host(("almalinux", "9", "9.4"), &both);
        fleet.hosts[0].kernel_release = Some(release.to_owned());
        assert_eq!(priced(&fleet, &base, &failed).len(), bad, "{release}");
    }
}

#[test]
fn each_of_several_bad_releases_of_a_host_counts() {
    let (fleet, base) = (host(BOOKWORM, &format!("{LINUX}, {QEMU}")), debian());
    let both = runs(&[("linux 6.1.100-1", 10, 5), ("qemu 1:7.2+dfsg-7+deb12u5", 20, 1)]);
    let (decisions, risk) = (decided(&fleet, &base, &both), priced(&fleet, &base, &both));
    let names: Vec<&str> = risk.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["linux 6.1.100-1", "qemu 1:7.2+dfsg-7+deb12u5"]);
    near(staying(&decisions, "linux"), risk[0].2);
    near(staying(&decisions, "qemu"), risk[1].2);
    // A second host of another point release shares the kernel, and its shock.
    let mut two = fleet;
    let mut other = host(("debian", "bookworm", "12.6"), LINUX);
    other.hosts[0].id = underpin_model::id::HostId::new("i").unwrap();
    two.hosts.append(&mut other.hosts);
    let built = built(&two, &base, &both);
    let kernel = |it: &&build::ShockDerivation| it.hosts == 2 && it.released.is_some();
    assert_eq!(built.derivations.shocks.iter().filter(kernel).count(), 1);
}

fn proxmox(stated: &str, manager: &str) -> Fleet {
    let manager =
        format!(r#"{{"name": "pve-manager", "version": "{manager}", "source": {{"name": "pve-manager"}}}}"#);
    let kernel = r#"{"name": "proxmox-kernel-6.8", "version": "6.8.12-3", "running_version": "6.8.12-3"}"#;
    host(("proxmox", "8", stated), &format!("{manager}, {kernel}"))
}

/// `platform.release` of Proxmox is the version of its manager: a failure of it is one, beside that of the kernel.
#[test]
fn a_release_that_the_platform_and_a_component_name_is_bad_once() {
    let listed = base(
        &Family::Proxmox,
        "8",
        &[("pve-manager", "8.4.1", "2026-04-10"), ("pve-manager", "8.4.5", "2026-05-10")],
    );
    let failed = runs(&[("pve-manager 8.4.1", 10, 5), ("proxmox-kernel-6.8 6.8.12-3", 10, 5)]);
    for base in [&listed, &base(&Family::Proxmox, "8", &[])] {
        for stated in ["8.4.1", "8.4.0", "pve-manager/8.4.1/2a5fa54a8503f96d", "8.4"] {
            let risk = priced(&proxmox(stated, "8.4.1"), base, &failed);
            let names: Vec<&str> = risk.iter().map(|it| it.0.as_str()).collect();
            assert_eq!(names, ["proxmox 8 8.4.1", "proxmox-kernel-6.8 6.8.12-3"], "{stated}");
            assert!(risk.iter().all(|it| it.1 == 1.0 && it.2 > 0.3), "{risk:?}");
        }
    }
    let fleet = proxmox("8.4.1", "8.4.1");
    near(staying(&decided(&fleet, &listed, &failed), "pve-manager"), priced(&fleet, &listed, &failed)[0].2);
    // The release that only the platform states does not run.
    assert!(priced(&proxmox("8.4.1", "8.4.5"), &listed, &failed).iter().all(|it| it.0 != "proxmox 8 8.4.1"));
}

/// Evidence about a release that only `platform.release` names counts for both, and is not told to count for nothing.
#[test]
fn evidence_about_a_release_that_only_the_platform_states_counts_for_both() {
    let base = base(&Family::Proxmox, "8", &[("pve-manager", "8.4.5", "2026-05-10")]);
    let mut fleet = host(("proxmox", "8", "8.4.1"), "");
    let failed = runs(&[("pve-manager 8.4.1", 10, 5)]);
    for listed in [true, false] {
        if !listed {
            fleet.hosts[0].components = None;
        }
        let risk = priced(&fleet, &base, &failed);
        let names: Vec<&str> = risk.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(names, ["proxmox 8 8.4.1"]);
        let decisions = decided(&fleet, &base, &failed);
        near(staying(&decisions, "pve-manager"), risk[0].2);
        let assessment = assess(&fleet, &base, &Options::at(NOW.parse().unwrap()));
        let policy = Policy::default();
        let mut request = report::Request::new(&fleet, &assessment, &base, &policy, &failed);
        request.samples = 1000;
        let report = report::report(&request).unwrap();
        let nowhere = |it: &&String| it.starts_with("run number 1.release");
        assert_eq!(report.evidence_unmatched.iter().find(nowhere), None);
    }
}

#[test]
fn a_proxmox_host_that_names_two_releases_is_told() {
    let (base, policy, evidence) = (base(&Family::Proxmox, "8", &[]), Policy::default(), Evidence::default());
    let told = |stated: &str, manager: &str| {
        let fleet = proxmox(stated, manager);
        let assessment = assess(&fleet, &base, &Options::at(NOW.parse().unwrap()));
        let mut request = report::Request::new(&fleet, &assessment, &base, &policy, &evidence);
        request.samples = 1000;
        report::report(&request).unwrap().warnings.into_iter().find(|it| it.contains("name two releases"))
    };
    assert_eq!(
        told("8.4.1", "8.4.5").unwrap(),
        "1 of 1 hosts name two releases of their platform (so host h: platform.release \"8.4.1\", component pve-manager \"8.4.5\"; \
         \"8.4.5\" counts): one of the two is wrong; take the inventory again, or correct it in the fleet file"
    );
    assert!(told("8.4.1", "8.4.10").is_some() && told("pve-manager/8.4.1/2a5f", "8.3.1").is_some());
    for stated in ["8.4.1", "8.4", "8", "pve-manager/8.4.1/2a5fa54a8503f96d"] {
        assert_eq!(told(stated, "8.4.1"), None, "{stated}");
    }
}
