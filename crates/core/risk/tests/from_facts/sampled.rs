//! The sample fleet with the built-in facts.

use std::collections::BTreeMap;

use underpin_exposure::report::{AssetKind, ReasonCode};
use underpin_exposure::{Assessment, FactBase, Feed, Options as Asking, assess, at_worst};
use underpin_model::facts::Document;
use underpin_model::fleet::{Component, Fleet, SampleSpec, sample};
use underpin_model::id::FeedId;
use underpin_model::policy::{Parameter, Policy};
use underpin_risk::build::{Built, Options, ReleaseDates, build};
use underpin_risk::compound;
use underpin_risk::portfolio::{Cause, Factor};
use underpin_risk::report::{GroupBy, Request, report};
use underpin_risk::wait::Evidence;

use crate::make::{answer, at, near, policy, way_in};

fn facts() -> FactBase {
    let mut feeds: BTreeMap<&str, Vec<Document>> = BTreeMap::new();
    for (file, document) in underpin_feeds::builtin::documents() {
        feeds.entry(file.split('.').next().unwrap_or(file)).or_default().push(document.unwrap());
    }
    let feeds = feeds.into_iter();
    FactBase::new(
        feeds
            .map(|(id, documents)| Feed { id: FeedId::new(id).unwrap(), fetched: None, documents })
            .collect(),
    )
}

fn sampled(hosts: u32) -> (Fleet, Assessment, ReleaseDates) {
    sampled_by(hosts, 7)
}

fn sampled_by(hosts: u32, seed: u64) -> (Fleet, Assessment, ReleaseDates) {
    let fleet = sample(&SampleSpec { hosts, seed, ..SampleSpec::default() }, at());
    let base = facts();
    let assessment = assess(&fleet, &base, &Asking::at(at()));
    let releases = ReleaseDates::from_facts(base.releases(), "2026-11-21".parse().unwrap());
    (fleet, assessment, releases)
}

fn check_factors(what: &str, probability: f64, factors: &[Factor]) {
    assert!(!factors.is_empty(), "{what}: no factors");
    near(probability, factors.iter().map(|it| it.value).product());
    for factor in factors {
        let Factor { low, value, high, .. } = *factor;
        let ordered = 0.0 <= low && low <= value + 1e-12 && value <= high + 1e-12 && high <= 1.0;
        assert!(ordered, "{what}: {factor:?}");
        assert!(!factor.source.is_empty(), "{what}: {factor:?}");
    }
}

fn check(built: &Built, policy: &Policy) {
    let portfolio = &built.portfolio;
    assert_eq!(portfolio.shocks.len(), built.derivations.shocks.len());
    assert_eq!(portfolio.classes.len(), built.derivations.classes.len());
    for shock in &portfolio.shocks {
        check_factors(&format!("{:?}", shock.cause), shock.probability, &shock.factors);
    }
    let beta = policy.parameters.get(Parameter::Beta);
    for class in &portfolio.classes {
        assert!(class.responses.is_sorted_by(|a, b| a.shock < b.shock), "{}", class.label);
        for response in class.responses.iter() {
            check_factors(&class.label, response.probability, &response.factors);
            let Some(gate) = response.gate else { continue };
            // The common failure and what is left of it make the control's own failure probability.
            let cause = &portfolio.shocks[gate.shock as usize];
            assert!(matches!(cause.cause, Cause::ControlFails { .. }));
            near(portfolio.given_shock(response), response.probability * cause.probability / beta);
        }
    }
    for (plane, derivation) in portfolio.planes.iter().zip(&built.derivations.planes) {
        check_factors(plane.id.as_str(), plane.takes_host, &derivation.takes_host);
        for response in &plane.responses {
            check_factors(plane.id.as_str(), response.probability, &response.factors);
        }
    }
}

#[test]
fn every_number_of_the_sample_is_the_product_of_its_factors() {
    let (fleet, assessment, releases) = sampled(60);
    let policy = policy(
        "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n\
         [[control]]\nid = \"sandbox\"\ncloses = [\"guest\"]\nfails = 0.3\nsource = \"judgement\"\nadds = 0.0001\n",
    );
    for options in [Options::new(&releases), Options::upper(&releases)] {
        let built = build(&fleet, &assessment, &policy, &options).unwrap();
        check(&built, &policy);
        let portfolio = &built.portfolio;
        let exploits = portfolio.shocks.iter().filter(|it| matches!(it.cause, Cause::Exploit { .. }));
        assert!(exploits.count() > 50);
        let vms: u64 = portfolio.holdings.iter().map(|it| u64::from(it.vms)).sum();
        let live = fleet.vms.iter().filter(|it| {
            matches!(it.power, None | Some(underpin_model::fleet::PowerState::On)) && it.host.is_some()
        });
        assert_eq!(vms, live.count() as u64);
        assert!(portfolio.planes.iter().any(|it| !it.responses.is_empty()), "a vCenter has holes");
    }
}

/// What rolls updates out is taken over once in ten thousand months, and takes nearly every host then: a tilt towards the quantiles
/// hardly ever draws it.
#[test]
fn a_rare_cause_that_takes_everything_is_not_left_to_chance() {
    let (fleet, assessment, releases) = sampled_by(10, 3);
    let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    // All ten hosts by this cause alone.
    let least: f64 = built
        .portfolio
        .shocks
        .iter()
        .zip(0u32..)
        .map(|(shock, at)| {
            let given = |class: u32| {
                let own = built.portfolio.classes[class as usize].responses.iter().find(|it| it.shock == at);
                own.filter(|it| it.gate.is_none()).map_or(0.0, |it| it.probability)
            };
            shock.probability * built.portfolio.hosts.iter().map(|it| given(it.class)).product::<f64>()
        })
        .fold(0.0, f64::max);
    assert!((1e-5..1e-4).contains(&least), "{least}");
    for seed in 9..25 {
        let options = compound::Options { seed, ..compound::Options::default() };
        let judged = compound::judge(&built.portfolio, &options).unwrap();
        let all = judged.hosts_hit_at_least.iter().find(|it| it.m == 10).unwrap();
        assert!(all.probability + 4.0 * all.standard_error > least, "{seed}: {all:?} {least}");
        assert!(all.standard_error < 0.1 * all.probability, "{seed}: {all:?}");
    }
}

#[test]
fn the_order_of_the_sample_changes_nothing() {
    let (mut fleet, assessment, releases) = sampled(30);
    let policy = Policy::default();
    let one = build(&fleet, &assessment, &policy, &Options::new(&releases)).unwrap();
    fleet.hosts.reverse();
    fleet.vms.reverse();
    let turned = assess(&fleet, &facts(), &Asking::at(at()));
    let other = build(&fleet, &turned, &policy, &Options::new(&releases)).unwrap();
    assert_eq!(one, other);
}

#[test]
fn a_guest_on_an_old_vmm_opens_its_host() {
    let (fleet, assessment, releases) = sampled(60);
    let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    let mut seen = 0;
    for group in assessment.groups.iter().filter(|it| it.assets[0].kind == AssetKind::Host) {
        for finding in group.findings_in(&assessment.findings).filter(|it| it.status.is_open()) {
            let Some(id) = finding.vulnerability.as_ref() else { continue };
            if finding.reasons.iter().any(|it| it.code == ReasonCode::GuestOnOldVmm) {
                for asset in &group.assets {
                    assert!(answer(&built, &asset.id, id.as_str()).is_some(), "{} {id}", asset.id);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 0, "hosts of the sample have guests on old emulators");
}

#[test]
fn losses_per_day_of_hosts_sum_up_to_the_mean_of_the_fleet() {
    let (fleet, assessment, releases) = sampled(60);
    let policy = policy("horizon_days = 45");
    let per_day = underpin_risk::per_host::loss_per_day(&fleet, &assessment, &facts(), &policy).unwrap();
    assert_eq!(per_day.len(), fleet.hosts.len());
    let built = build(&fleet, &assessment, &policy, &Options::new(&releases)).unwrap();
    let mean = compound::mean_loss(&built.portfolio).unwrap();
    assert!(mean > 0.0);
    near(per_day.values().sum::<f64>() * 45.0 / mean, 1.0);
    // Hosts of a group sum up to the group of the report, which is exact too.
    let (base, evidence) = (facts(), Evidence::default());
    let request = Request {
        samples: 1000,
        group_by: GroupBy::Cluster,
        ..Request::new(&fleet, &assessment, &base, &policy, &evidence)
    };
    let report = report(&request).unwrap();
    for group in &report.groups {
        let of = |it: &&underpin_model::fleet::Host| {
            it.cluster.as_ref().map_or("unknown", |it| it.as_str()) == group.group
        };
        let sum: f64 = fleet.hosts.iter().filter(of).map(|it| per_day[&it.id] * 45.0).sum();
        assert!((sum - group.mean_loss).abs() < 1e-9 * mean, "{}: {sum} {}", group.group, group.mean_loss);
    }
}

/// What is not known is no less than what is known: without its components a fleet may be as bad as with them, and so may each of its
/// hosts.
#[test]
fn a_fleet_of_which_no_component_is_known_may_be_as_bad_as_one_that_is_known() {
    let (known, assessment, releases) = sampled(30);
    let base = facts();
    let policy = Policy::default();
    let mean = |fleet: &Fleet, assessment: &Assessment, options: &Options<'_>| {
        let built = build(fleet, assessment, &policy, options).unwrap();
        (compound::mean_loss(&built.portfolio).unwrap(), built)
    };
    let (with, _) = mean(&known, &assessment, &Options::new(&releases));
    let mut unseen = known.clone();
    let bare = |ids: &mut Vec<_>, own: &mut Option<_>| {
        ids.clear();
        *own = None;
    };
    for host in &mut unseen.hosts {
        bare(&mut host.component_sets, &mut host.components);
    }
    let judged = assess(&unseen, &base, &Asking::at(at()));
    let (least, built) = mean(&unseen, &judged, &Options::new(&releases));
    assert!(least < 0.5 * with, "{least} of {with}: what is left out is counted");
    assert_eq!(built.unpriced.hosts_not_assessed, 30);
    let worst = at_worst(&unseen, &base, &judged);
    let (most, _) = mean(&unseen, &worst, &Options::upper(&releases));
    assert!(most >= with, "at worst {most}, with known components {with}");
    // The holes of a line that no other host of the fleet stands on are those that facts state of it; of others what known hosts have
    // counts too.
    let mut half = known;
    for host in half.hosts.iter_mut().step_by(2) {
        bare(&mut host.component_sets, &mut host.components);
    }
    let judged = assess(&half, &base, &Asking::at(at()));
    let worst = at_worst(&half, &base, &judged);
    let (most, _) = mean(&half, &worst, &Options::upper(&releases));
    assert!(most >= with, "half of them unknown: at worst {most}, with known components {with}");
    // Of what nobody knows nothing is made better by another look.
    let statuses = |it: &Assessment| it.findings.iter().filter(|it| it.status.is_open()).count();
    assert!(statuses(&worst) > statuses(&judged));
}

#[test]
fn a_plane_of_which_no_component_is_known_falls_with_a_range_and_not_with_zero() {
    let (mut fleet, ..) = sampled(30);
    for plane in &mut fleet.management_planes {
        plane.component_sets.clear();
        plane.components = None;
        plane.runs_on = Some(Vec::new());
    }
    let base = facts();
    let assessment = assess(&fleet, &base, &Asking::at(at()));
    let evidence = Evidence::default();
    let policy = Policy::default();
    let mut request = Request::new(&fleet, &assessment, &base, &policy, &evidence);
    (request.samples, request.group_by) = (1000, GroupBy::Cluster);
    let report = report(&request).unwrap();
    assert!(!report.blast_radius.planes.is_empty());
    for plane in &report.blast_radius.planes {
        assert_eq!(plane.blast.probability, 0.0, "{}", plane.of);
        assert!(plane.probability_at_most.is_some_and(|it| it > 0.0 && it <= 1.0), "{}", plane.of);
    }
}

/// An empty list of ways in says no more than none: nobody has listed any. That is a range, and at worst the public Internet reaches
/// the machine.
#[test]
fn unknown_ways_in_are_in_the_range_of_the_fleet() {
    let (mut fleet, assessment, releases) = sampled(30);
    fleet.hosts.iter_mut().for_each(|it| it.management_interfaces.clear());
    let text = serde_json::to_string(&fleet).unwrap();
    let mut stated: serde_json::Value = serde_json::from_str(&text).unwrap();
    for host in stated["hosts"].as_array_mut().unwrap() {
        host["management_interfaces"] = serde_json::json!([]);
    }
    let stated = underpin_model::fleet::read(stated.to_string().as_bytes()).unwrap().fleet;
    assert!(stated.hosts.iter().all(|it| it.management_interfaces.is_empty()));
    let policy = Policy::default();
    let mean = |fleet: &Fleet, options: &Options<'_>| {
        let built = build(fleet, &assessment, &policy, options).unwrap();
        (compound::mean_loss(&built.portfolio).unwrap(), built.unpriced)
    };
    let (plain, unpriced) = mean(&fleet, &Options::new(&releases));
    assert_eq!(mean(&stated, &Options::new(&releases)).0, plain);
    assert!(unpriced.machines_of_unknown_reach >= 30, "{unpriced:?}");
    assert!(
        unpriced.to_string().contains("machines that the public Internet may reach or not"),
        "{unpriced}"
    );
    // The same hosts, of which it is known that they are reached from the public Internet.
    let public = underpin_model::id::NetworkId::new("public").unwrap();
    let mut network = underpin_model::fleet::Network::new(public);
    network.publicly_exposed = Some(true);
    let mut exposed = fleet.clone();
    exposed.networks.push(network);
    for host in &mut exposed.hosts {
        host.management_interfaces = ["ssh", "bmc"].map(|kind| way_in(kind, "public")).to_vec();
    }
    let known = mean(&exposed, &Options::new(&releases)).0;
    assert!(known > plain, "{known} of {plain}");
    let upper = mean(&fleet, &Options::upper(&releases)).0;
    assert!(upper >= known, "at worst {upper}, reached from the public Internet {known}");
}

/// A microcode or a shell says nothing of kernel and hypervisor, whatever else is listed of a host.
#[test]
fn an_irrelevant_component_makes_no_host_look_safer() {
    let (known, assessment, releases) = sampled(30);
    let base = facts();
    let policy = Policy::default();
    let mean = |fleet: &Fleet, assessment: &Assessment, options: &Options<'_>| {
        let built = build(fleet, assessment, &policy, options).unwrap();
        (compound::mean_loss(&built.portfolio).unwrap(), built.unpriced)
    };
    let with = mean(&known, &assessment, &Options::new(&releases)).0;
    let listing = |components: &str, every: usize| {
        let mut fleet = known.clone();
        for host in fleet.hosts.iter_mut().step_by(every) {
            host.component_sets.clear();
            host.components = serde_json::from_str(components).unwrap();
        }
        let judged = assess(&fleet, &base, &Asking::at(at()));
        let unpriced = mean(&fleet, &judged, &Options::new(&releases)).1;
        let worst = at_worst(&fleet, &base, &judged);
        (mean(&fleet, &worst, &Options::upper(&releases)).0, unpriced)
    };
    let shell = r#"{"family": "debian", "train": "bookworm", "components": [{"name": "bash", "version": "5.2.15-2"}]}"#;
    let microcode = r#"{"components": [{"family": "intel-microcode", "kind": "microcode", "name": "intel-microcode",
        "platform_mask": 183, "running_version": "0x2007006", "signature": "06-55-04", "version": "0x2007006"}]}"#;
    let nothing = listing("null", 1).0;
    for components in [shell, microcode] {
        let (most, unpriced) = listing(components, 1);
        assert!(most >= 0.999 * nothing && most >= with, "{most}, of nothing {nothing}, of all {with}");
        assert_eq!(unpriced.hosts_not_assessed, 30);
        let (most, unpriced) = listing(components, 2);
        assert!(most >= with, "half of them: at worst {most}, with known components {with}");
        assert_eq!(unpriced.hosts_not_assessed, 15);
    }
}

/// An emulator says nothing of the kernel, nor a kernel of the emulator: what of both is not listed is at worst as bad as it is in truth.
#[test]
fn a_part_of_the_platform_that_is_not_listed_makes_no_host_look_safer() {
    let (known, assessment, releases) = sampled(30);
    let base = facts();
    let policy = Policy::default();
    let mean = |fleet: &Fleet, assessment: &Assessment, options: &Options<'_>| {
        let built = build(fleet, assessment, &policy, options).unwrap();
        (compound::mean_loss(&built.portfolio).unwrap(), built.unpriced)
    };
    let with = mean(&known, &assessment, &Options::new(&releases)).0;
    // Of each host without what makes the one part of its platform; where one build is both, it stays.
    let without = |prefixes: &[&str]| {
        let mut fleet = known.clone();
        let is_of = |it: &Component| prefixes.iter().any(|prefix| it.name.starts_with(prefix));
        let sets = fleet
            .component_sets
            .values_mut()
            .chain(fleet.hosts.iter_mut().filter_map(|it| it.components.as_mut()));
        sets.for_each(|set| set.components.retain(|it| !is_of(it)));
        let judged = assess(&fleet, &base, &Asking::at(at()));
        let (least, unpriced) = mean(&fleet, &judged, &Options::new(&releases));
        let worst = at_worst(&fleet, &base, &judged);
        (least, mean(&fleet, &worst, &Options::upper(&releases)).0, unpriced)
    };
    let (least, most, unpriced) = without(&["linux-image", "kernel", "proxmox-kernel", "pve-kernel"]);
    assert!(least < with && most >= with, "kernel: {least} to {most}, with it {with}");
    assert_eq!((unpriced.hosts_not_assessed, unpriced.hosts_of_unknown_hypervisor), (0, 0));
    let hosts = unpriced.hosts_of_unknown_kernel;
    assert!(hosts > 5 && unpriced.to_string().contains(&format!("of {hosts} hosts the kernel is not known")));
    let (least, most, unpriced) = without(&["qemu", "pve-qemu", "xen"]);
    assert!(least < with && most >= with, "hypervisor: {least} to {most}, with it {with}");
    assert_eq!((unpriced.hosts_not_assessed, unpriced.hosts_of_unknown_kernel), (0, 0));
    let hosts = unpriced.hosts_of_unknown_hypervisor;
    assert!(
        hosts > 5 && unpriced.to_string().contains(&format!("of {hosts} hosts the hypervisor is not known"))
    );
}

/// A kernel that is known to be bad is no reason to fear more than where nobody knows which there is. That of a suite is older than the
/// first upload to it that is listed, which may be a repair.
#[test]
fn a_host_of_which_less_is_known_is_at_worst_no_better() {
    let base = facts();
    let day = "2026-11-21".parse().unwrap();
    let releases = ReleaseDates::from_facts(base.releases(), day);
    let listing = |components: &str| {
        let text = format!(
            r#"{{"format": "underpin/fleet/1", "name": "k", "seen": {{"at": "2026-11-20T00:00:00Z", "by": "hand"}}, "clusters": [{{"id": "c"}}],
             "hosts": [{{"id": "h", "cluster": "c", "platform": {{"family": "debian", "train": "bookworm"}},
             "components": {{"family": "debian", "train": "bookworm", "components": [{components}]}}}}],
             "vms": [{{"id": "v", "host": "h", "power": "on"}}]}}"#
        );
        let fleet = underpin_model::fleet::read(text.as_bytes()).unwrap().fleet;
        let worst = at_worst(&fleet, &base, &assess(&fleet, &base, &Asking::at(at()))).into_owned();
        let built = build(&fleet, &worst, &Policy::default(), &Options::upper(&releases)).unwrap();
        compound::mean_loss(&built.portfolio).unwrap()
    };
    let package = |name: &str, source: &str, version: &str| {
        format!(
            r#"{{"name": "{name}", "version": "{version}", "source": {{"name": "{source}", "version": "{version}"}}}}"#
        )
    };
    let kernel = package("linux-image-6.1.0-18-amd64", "linux", "6.1.76-1");
    let qemu = package("qemu-system-x86", "qemu", "1:7.2+dfsg-7+deb12u5");
    let xen = package("xen-hypervisor-4.17-amd64", "xen", "4.17.2+76-ge1f9cb16e2-1~deb12u1");
    let none = listing("");
    // That of the suite before, until the boot after the upgrade, and those before it.
    let [older, oldest] = [("5.10.0-28", "5.10.209-2"), ("4.19.0-26", "4.19.304-1")]
        .map(|(abi, version)| package(&format!("linux-image-{abi}-amd64"), "linux", version));
    let running = older.replacen("5.10.209-2", "6.1.158-1", 2).replacen(
        '}',
        r#"}, "running_version": "5.10.209-2""#,
        1,
    );
    let old_xen = package("xen-hypervisor-4.14-amd64", "xen", "4.14.0+80-gd101b417b7-1");
    let both = |kernel: &str, other: &str| format!("{kernel}, {other}");
    for known in [
        both(&kernel, &qemu),
        both(&kernel, &xen),
        both(&older, &qemu),
        both(&oldest, &old_xen),
        kernel,
        qemu,
        xen,
        older,
        oldest,
        running,
        old_xen,
    ] {
        let most = listing(&known);
        assert!(none >= most * (1.0 - 1e-12), "{none} with nothing known, {most} with {known}");
    }
}

/// What the guide accepts on the sample fleet is open there, on the host that it names.
#[test]
fn the_accepted_risk_of_the_guide_is_accepted_somewhere() {
    const GUIDE: &str = include_str!("../../../../../docs/guide/policy.md");
    let example = GUIDE.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
    let (fleet, assessment, releases) = sampled_by(60, 1);
    let built = build(&fleet, &assessment, &policy(example), &Options::new(&releases)).unwrap();
    let accepted: Vec<_> = built.derivations.shocks.iter().flat_map(|it| &it.accepted).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!((accepted[0].hosts, accepted[0].words().is_some()), (1, true), "{:?}", accepted[0]);
}
