//! The loss of a group is the sum over its hosts, however they are cut into groups and in whatever order they come.

use std::collections::BTreeMap;
use std::slice::from_ref;

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
    facts_but(None)
}

/// The same without one of the vulnerabilities.
fn facts_but(left_out: Option<usize>) -> FactBase {
    let mut documents = Vec::new();
    let kept = HOLES.iter().enumerate().filter(|it| Some(it.0) != left_out).map(|it| it.1);
    for (id, package, introduced, fixed, day) in kept {
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
            version: (*fixed).into(),
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
    // Not patched, or of a day at which nothing of these facts is open in it.
    components.push(component("kernel-core", if it.kernel { "5.14.0-400.el9" } else { "5.14.0-999.el9" }));
    components.extend(it.firmware.then(|| component("linux-firmware", "20250101-1.el9")));
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

/// Hosts are easily reached: what is only nearly a sum would be seen. Tenants have different rates.
pub(crate) const PLAIN: &str = "[parameters]\naimed = 0.9\nreach_internal = 0.3\nguest_compromised = 0.2\n\
     [loss.tenant.t0]\nrecord_disclosed = 1.0\nrecords_per_vm = 40\nsystem_corrupted = 2.0\nvm_hour_down = 9.0\n";

/// Controls before some hosts.
const CONTROLS: &str = "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.2\nsource = \"judgement\"\nscope = { clusters = [\"c0\"] }\n\
     [[control]]\nid = \"agent\"\ncloses = [\"guest\"]\nfails = 0.5\nsource = \"judgement\"\nscope = { tenants = [\"t1\"] }\n";

/// A promise and the cost of a maintenance.
const DUTIES: &str = "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\npenalty = 50.0\n\
     [maintenance]\nper_host = 7.0\nshared_drain_saves = 0.6\n";

fn assessed(fleet: &Fleet, base: &FactBase) -> Assessment {
    let mut assessment = assess(fleet, base, &Options::at("2026-03-02T23:59:59Z".parse().unwrap()));
    let vectors = [
        Some("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H"),
        Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:L"),
        None,
        Some("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:H"),
        Some("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:H/A:N"),
    ];
    for (id, view) in &mut assessment.vulnerabilities {
        let at = id.as_str().bytes().last().map_or(0, |it| usize::from(it - b'1'));
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
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_a_group_lose_together_what_the_group_loses(hosts in prop::collection::vec(kind(), 2..7)) {
        // Which changes share a drain is decided group by group.
        let duties = DUTIES.replace("= 0.6", "= 0.0");
        let (base, policy) = (facts(), [PLAIN, CONTROLS, duties.as_str()].concat());
        let whole = decided(&fleet(&hosts, |_| "part-0".to_owned()), &base, &policy);
        let parts = decided(&fleet(&hosts, by_part), &base, &policy);
        let clusters = decided(&fleet(&hosts, |it| format!("cluster-{}", it.cluster)), &base, &policy);
        prop_assert!(whole.iter().all(|it| it.wait.is_some()));
        prop_assert_eq!(differ(&sums(&whole), &sums(&parts)), None);
        prop_assert_eq!(differ(&sums(&whole), &sums(&clusters)), None);
    }

    #[test]
    fn the_order_of_hosts_changes_no_loss(hosts in prop::collection::vec(kind(), 2..7), seed in any::<u64>()) {
        let (base, policy) = (facts(), [PLAIN, CONTROLS, DUTIES].concat());
        let mut fleet = fleet(&hosts, |_| "part-0".to_owned());
        let sorted = sums(&decided(&fleet, &base, &policy));
        let key = |id: &str| id.bytes().fold(seed | 1, |sum, it| (sum ^ u64::from(it)).wrapping_mul(0x0100_0000_01b3));
        fleet.hosts.sort_by_key(|it| key(it.id.as_str()));
        fleet.vms.sort_by_key(|it| key(it.id.as_str()));
        prop_assert_eq!(differ(&sorted, &sums(&decided(&fleet, &base, &policy))), None);
    }

    #[test]
    fn two_groups_that_are_the_same_are_decided_as_their_union(hosts in prop::collection::vec(kind(), 1..4)) {
        let (base, policy) = (facts(), [PLAIN, CONTROLS, DUTIES].concat());
        let twins: Vec<Kind> =
            [0, 1].into_iter().flat_map(|part| hosts.iter().map(move |it| Kind { part, ..it.clone() })).collect();
        let union = decided(&fleet(&twins, |_| "part-0".to_owned()), &base, &policy);
        let both = decided(&fleet(&twins, by_part), &base, &policy);
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

    #[test]
    fn one_more_hole_never_lowers_a_loss_and_a_control_never_raises_it(
        hosts in prop::collection::vec(kind(), 1..6), left_out in 0..HOLES.len()
    ) {
        let fleet = fleet(&hosts, |_| "part-0".to_owned());
        // With one more change due, a drain that is shared would save some of the maintenance.
        let policy = [PLAIN, "[maintenance]\nper_host = 0.0\n"].concat();
        let [with, fewer] = [facts(), facts_but(Some(left_out))].map(|base| sums(&decided(&fleet, &base, &policy)));
        let controlled = sums(&decided(&fleet, &facts(), &[&policy, CONTROLS].concat()));
        let losses = |it: &&(String, String)| it.1.starts_with("loss");
        for (name, less) in fewer.iter().chain(&controlled).filter(|it| losses(&it.0)) {
            prop_assert!(with[name] >= less - 1e-9 * less, "{name:?}: {} and {less}", with[name]);
        }
    }
}

/// One host is full of what is dear and dangerous, the other nearly empty: the mean chance of a hit times the mean loss is far
/// from what they lose. Each loses what it loses alone, and no more.
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
    let (full, empty) = (one(20, 0), one(1, 1));
    let base = facts();
    let of = |hosts: &[Kind]| sums(&decided(&fleet(hosts, |_| "part-0".to_owned()), &base, PLAIN));
    let never = |it: &BTreeMap<(String, String), f64>| -> f64 {
        it.iter().filter(|it| it.0.1 == "loss never").map(|it| it.1).sum()
    };
    let (alone, other, both) =
        (of(from_ref(&full)), of(from_ref(&empty)), of(&[full.clone(), empty.clone()]));
    let apart = alone.iter().map(|(name, it)| (name.clone(), it + other[name])).collect();
    assert_eq!(differ(&both, &apart), None);
    assert!(never(&alone) > 20.0 * never(&other), "{} {}", never(&alone), never(&other));
}
