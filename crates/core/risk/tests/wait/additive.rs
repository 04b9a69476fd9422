//! The loss of a group is the sum over its hosts, however they are cut into groups and in whatever order they come.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_exposure::report::CvssView;
use underpin_exposure::{Assessment, FactBase, Feed, Options, assess};
use underpin_feeds::Parsed;
use underpin_model::facts::{DateKind, Family, ReleaseFact};
use underpin_model::fleet::{self, Fleet};
use underpin_model::id::FeedId;
use underpin_model::policy;
use underpin_risk::wait::curve::Choice;
use underpin_risk::wait::{Decision, Evidence, GroupDecision, Request, groups};

/// What may differ between hosts of one platform release and one hardware class.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// Guests, each with its tenant and whether it is known to run.
    pub(crate) guests: Vec<(u8, bool)>,
    /// Ways in, and whether the Internet reaches them.
    pub(crate) ways: (u8, Option<bool>),
    pub(crate) cluster: u8,
    /// Holes of the emulator that came later are not open there.
    pub(crate) old: bool,
    /// It has a kernel with a hole, whose repair restarts the machine; firmware likewise.
    pub(crate) kernel: bool,
    pub(crate) firmware: bool,
    /// Its part, where the group is cut.
    pub(crate) part: u8,
}

fn kind() -> impl Strategy<Value = Kind> {
    let guests = prop::collection::vec((0_u8..2, prop::bool::weighted(0.8)), 0..6);
    let ways = (0_u8..3, prop::option::of(any::<bool>()));
    (guests, ways, 0_u8..2, any::<bool>(), any::<bool>(), any::<bool>(), 0_u8..3).prop_map(
        |(guests, ways, cluster, old, kernel, firmware, part)| Kind {
            guests,
            ways,
            cluster,
            old,
            kernel,
            firmware,
            part,
        },
    )
}

const EMULATOR: &str = "17:8.2.0-11.el9_4";
const KERNEL: &str = "5.14.0-500.el9";
const FIRMWARE: &str = "20260201-1.el9";

/// Vulnerabilities: id, package, first version that has it, first fixed one, day of its advisory.
const HOLES: [(&str, &str, &str, &str, &str); 8] = [
    ("0001", "qemu-kvm-core", "0", EMULATOR, "2026-02-25"),
    ("0002", "qemu-kvm-core", "17:8.2.0-8.el9", EMULATOR, "2026-02-10"),
    ("0003", "qemu-kvm-core", "0", EMULATOR, "2026-02-25"),
    ("0004", "qemu-kvm-core", "17:8.2.0-8.el9", EMULATOR, "2026-02-10"),
    ("0005", "kernel-core", "0", KERNEL, "2026-02-20"),
    ("0006", "kernel-core", "0", KERNEL, "2026-02-20"),
    ("0007", "linux-firmware", "0", FIRMWARE, "2026-02-20"),
    ("0008", "kernel-core", "0", KERNEL, "2026-02-20"),
];

pub(crate) fn facts() -> FactBase {
    let mut documents = Vec::new();
    for (id, package, introduced, fixed, day) in HOLES {
        let text = format!(
            r#"{{"id": "ALSA-2026:{id}", "published": "{day}T00:00:00Z", "modified": "{day}T00:00:00Z",
             "summary": "Important: update", "related": ["CVE-2026-{id}"],
             "affected": [{{"package": {{"ecosystem": "AlmaLinux:9", "name": "{package}"}},
             "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced": "{introduced}"}}, {{"fixed": "{fixed}"}}]}}]}}]}}"#
        );
        let Ok(Parsed::Document(mut document)) = underpin_feeds::parse(text.as_bytes()) else {
            panic!("no document")
        };
        let source = package.trim_end_matches("-core");
        document.releases.push(ReleaseFact {
            family: Family::AlmaLinux,
            train: Some("9".into()),
            component: source.into(),
            version: fixed.into(),
            date: "2026-02-26".parse().unwrap(),
            date_kind: DateKind::Published,
            bulletin: None,
            class: None,
            fixes: Vec::new(),
        });
        documents.push(*document);
    }
    FactBase::new(vec![Feed { id: FeedId::new("osv").unwrap(), fetched: None, documents }])
}

fn component(name: &str, version: &str) -> String {
    let source = name.trim_end_matches("-core");
    format!(
        r#"{{"name": "{name}", "version": "{version}", "arch": "x86_64", "source": {{"name": "{source}", "version": "{version}"}}}}"#
    )
}

fn host(id: usize, it: &Kind, ring: &str) -> String {
    let emulator = if it.old { "17:8.2.0-4.el9" } else { "17:8.2.0-10.el9" };
    let mut components = vec![component("qemu-kvm-core", emulator)];
    let (kernel, firmware) =
        (component("kernel-core", "5.14.0-400.el9"), component("linux-firmware", "20250101-1.el9"));
    components.extend(it.kernel.then_some(kernel));
    components.extend(it.firmware.then_some(firmware));
    let network = match it.ways.1 {
        Some(true) => "public",
        Some(false) => "inside",
        None => "somewhere",
    };
    let way = format!(r#"{{"kind": "ssh", "networks": ["{network}"], "enabled": true}}"#);
    format!(
        r#"{{"id": "h{id}", "cluster": "c{}", "ring": "{ring}", "vendor": "Maker", "model": "R1",
         "platform": {{"family": "almalinux", "train": "9", "release": "9.4"}},
         "management_interfaces": [{}],
         "components": {{"family": "almalinux", "train": "9", "components": [{}]}}}}"#,
        it.cluster,
        vec![way; it.ways.0.into()].join(", "),
        components.join(", "),
    )
}

/// A fleet of such hosts, in rings of these names; of what the policy does not know, none protects another.
pub(crate) fn fleet(hosts: &[Kind], ring: impl Fn(&Kind) -> String) -> Fleet {
    let mut vms = Vec::new();
    for (at, it) in hosts.iter().enumerate() {
        for (number, (tenant, runs)) in it.guests.iter().enumerate() {
            let power = if *runs { r#", "power": "on""# } else { "" };
            vms.push(format!(r#"{{"id": "v{at}-{number}", "host": "h{at}", "tenant": "t{tenant}"{power}}}"#));
        }
    }
    // A guest elsewhere: where no guest is listed at all, one is assumed on every host.
    vms.push(r#"{"id": "v", "power": "off"}"#.to_owned());
    let hosts: Vec<String> = hosts.iter().enumerate().map(|(at, it)| host(at, it, &ring(it))).collect();
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "parts", "seen": {{"at": "2026-03-02T06:00:00Z", "by": "hand"}},
         "networks": [{{"id": "inside", "publicly_exposed": false}}, {{"id": "public", "publicly_exposed": true}}, {{"id": "somewhere"}}],
         "clusters": [{{"id": "c0"}}, {{"id": "c1"}}], "tenants": [{{"id": "t0"}}, {{"id": "t1"}}],
         "hosts": [{}], "vms": [{}]}}"#,
        hosts.join(", "),
        vms.join(", ")
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

/// Holes of every kind, by different ways and with different impacts, on hosts that are easily reached: what is only nearly a
/// sum would be seen.
pub(crate) const POLICY: &str = "[parameters]\naimed = 0.9\nreach_internal = 0.3\nguest_compromised = 0.2\n\
     [loss.tenant.t0]\nrecord_disclosed = 1.0\nrecords_per_vm = 40\nsystem_corrupted = 2.0\nvm_hour_down = 9.0\n\
     [[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.2\nsource = \"judgement\"\nscope = { clusters = [\"c0\"] }\n\
     [[control]]\nid = \"agent\"\ncloses = [\"guest\"]\nfails = 0.5\nsource = \"judgement\"\nscope = { tenants = [\"t1\"] }\n\
     [[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\npenalty = 50.0\n\
     [maintenance]\nper_host = 7.0\nshared_drain_saves = 0.6\n";

pub(crate) fn assessed(fleet: &Fleet, base: &FactBase) -> Assessment {
    let mut assessment = assess(fleet, base, &Options::at("2026-03-02T23:59:59Z".parse().unwrap()));
    let vectors = [
        Some("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H"),
        Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:L"),
        None,
        Some("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:H"),
        Some("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:H/A:N"),
    ];
    for (at, view) in assessment.vulnerabilities.values_mut().enumerate() {
        view.cvss = vectors[at % 5].map(|it| CvssView { score: 8.0, vector: it.to_owned() });
        view.epss = [None, Some(0.7), Some(0.2)][at % 3];
        view.kev =
            [None, Some("2026-02-25".parse().unwrap()), None, Some("2025-02-25".parse().unwrap())][at % 4];
    }
    assessment
}

pub(crate) fn decided(fleet: &Fleet, base: &FactBase, policy: &str) -> Vec<GroupDecision> {
    let assessment = assessed(fleet, base);
    let (policy, evidence) = (policy::read(policy).unwrap(), Evidence::default());
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

/// All figures of decisions that are sums over hosts, by release and name.
fn sums(decisions: &[GroupDecision]) -> BTreeMap<(String, String), f64> {
    let mut sums: BTreeMap<(String, String), f64> = BTreeMap::new();
    for one in decisions {
        let wait = one.wait.as_ref().unwrap();
        let release = format!("{} {}", one.component, one.release.as_ref().unwrap());
        let mut add = |name: String, it: f64| *sums.entry((release.clone(), name)).or_default() += it;
        let hosts = one.hosts.len() as f64;
        add("hosts".to_owned(), hosts);
        add("loss now".to_owned(), wait.optimum.loss_now);
        add("loss never".to_owned(), wait.optimum.loss_never);
        add("loss before".to_owned(), wait.loss_before);
        add("compromised before".to_owned(), wait.compromised_before * hosts);
        for point in &wait.curve {
            add(format!("loss at {}", point.days), point.loss);
            for (name, term) in point.terms.named() {
                add(format!("{name} at {}", point.days), term);
            }
        }
    }
    sums
}

fn differ(a: &BTreeMap<(String, String), f64>, b: &BTreeMap<(String, String), f64>) -> Option<String> {
    let mut pairs = a.iter().zip(b);
    let other = pairs.find(|(a, b)| a.0 != b.0 || (a.1 - b.1).abs() > 1e-9 * a.1.abs().max(b.1.abs()) + 1e-9);
    let counts = (a.len() != b.len()).then(|| format!("{} and {} figures", a.len(), b.len()));
    other.map(|it| format!("{it:?}")).or(counts)
}

fn by_part(it: &Kind) -> String {
    format!("part-{}", it.part)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_a_group_lose_together_what_the_group_loses(hosts in prop::collection::vec(kind(), 2..7)) {
        let base = facts();
        let whole = decided(&fleet(&hosts, |_| "part-0".to_owned()), &base, POLICY);
        let parts = decided(&fleet(&hosts, by_part), &base, POLICY);
        let clusters = decided(&fleet(&hosts, |it| format!("cluster-{}", it.cluster)), &base, POLICY);
        prop_assert!(whole.iter().all(|it| it.wait.is_some()));
        prop_assert_eq!(differ(&sums(&whole), &sums(&parts)), None);
        prop_assert_eq!(differ(&sums(&whole), &sums(&clusters)), None);
    }

    #[test]
    fn the_order_of_hosts_changes_no_loss(hosts in prop::collection::vec(kind(), 2..7), seed in any::<u64>()) {
        let base = facts();
        let mut fleet = fleet(&hosts, |_| "part-0".to_owned());
        let sorted = sums(&decided(&fleet, &base, POLICY));
        let key = |id: &str| id.bytes().fold(seed | 1, |sum, it| (sum ^ u64::from(it)).wrapping_mul(0x0100_0000_01b3));
        fleet.hosts.sort_by_key(|it| key(it.id.as_str()));
        fleet.vms.sort_by_key(|it| key(it.id.as_str()));
        prop_assert_eq!(differ(&sorted, &sums(&decided(&fleet, &base, POLICY))), None);
    }

    #[test]
    fn two_groups_that_are_the_same_are_decided_as_their_union(hosts in prop::collection::vec(kind(), 1..4)) {
        let base = facts();
        let twins: Vec<Kind> =
            [0, 1].into_iter().flat_map(|part| hosts.iter().map(move |it| Kind { part, ..it.clone() })).collect();
        let union = decided(&fleet(&twins, |_| "part-0".to_owned()), &base, POLICY);
        let both = decided(&fleet(&twins, by_part), &base, POLICY);
        prop_assert_eq!(both.len(), 2 * union.len());
        for one in &both {
            let whole = union.iter().find(|it| it.component == one.component && it.release == one.release).unwrap();
            let (own, whole) = (one.wait.as_ref().unwrap(), whole.wait.as_ref().unwrap());
            prop_assert_eq!(own.optimum.choice, whole.optimum.choice);
            prop_assert_eq!((own.right, own.hinge, own.flat), (whole.right, whole.hinge, whole.flat));
            let days = |it: &Decision| it.optimum.days.filter(|_| it.optimum.choice == Choice::Wait).unwrap_or(0.0);
            // A minimum is flat: its place is known to the root of the precision of its value.
            prop_assert!((days(own) - days(whole)).abs() < 1e-4);
        }
    }
}

/// One host is full of what is dear, the other nearly empty: the mean reach of the two times the mean loss is not what they
/// lose. In another part or not, each loses its own.
#[test]
fn unequal_hosts_lose_what_each_loses_alone() {
    let one = |guests: usize, part| Kind {
        guests: vec![(0, true); guests],
        ways: (1, Some(false)),
        cluster: 1,
        old: false,
        kernel: false,
        firmware: false,
        part,
    };
    let base = facts();
    let hosts = [one(20, 0), one(1, 1)];
    let apart = sums(&decided(&fleet(&hosts, by_part), &base, POLICY));
    let together = sums(&decided(&fleet(&hosts, |_| "part-0".to_owned()), &base, POLICY));
    assert_eq!(differ(&together, &apart), None);
    let never: Vec<f64> = hosts
        .iter()
        .map(|it| sums(&decided(&fleet(std::slice::from_ref(it), by_part), &base, "")).values().sum::<f64>())
        .collect();
    assert!(never[0] > 5.0 * never[1], "{never:?}");
}
