//! Standings of a small fleet, statement by statement, and of the sample.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use underpin_model::fleet::{self, Fleet, SampleSpec, Strength, sample};
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, TenantId, VmId};
use underpin_model::policy::{self, AttackPath, Policy};
use underpin_risk::clear::in_clear;
use underpin_risk::standing::{Answer, Dimension, Standing, Standings, Statement, Topic};

const FLEET: &str = r#"
format: underpin/fleet/1
name: small
seen: { at: "2026-11-20T06:00:00Z", by: hand }
clusters:
  - { id: c, managed_by: [vc], ha_restart: true, admission_control: true, load_balancing: false }
  - { id: bare }
management_planes:
  - id: vc
    management_interfaces:
      - { kind: https, networks: [mgmt], enabled: true, authentication: [{ method: directory, second_factor: true }] }
storage:
  - { id: shared, shared: true, encrypted_at_rest: true, encrypted_in_transit: false }
  - { id: local, shared: false, encrypted_at_rest: false }
  - { id: murky }
networks:
  - { id: mgmt, publicly_exposed: false }
  - { id: open, publicly_exposed: true }
  - { id: move, encrypted: true }
hosts:
  - id: h1
    cluster: c
    migration: { network: move }
    reach: { storage: [shared, local] }
    settings:
      change.tracked: { value: true, seen: { at: "2026-11-21T07:00:00Z", by: audit } }
      patch.mechanism: manual
    management_interfaces:
      - { kind: ssh, networks: [mgmt], enabled: true, authentication: [{ method: password, second_factor: false }] }
      - { kind: api, networks: [open], enabled: false }
  - id: h2
    cluster: c
    migration: { encrypted: false, network: move }
    management_interfaces:
      - { kind: https, networks: [mgmt, open], authentication: [{ method: key }] }
    provenance: { migration: { at: "2026-11-19T00:00:00Z", by: collect } }
  - { id: h3, cluster: bare, reach: { storage: [shared, murky] } }
tenants: [{ id: t }, { id: empty }]
applications: [{ id: app, tenant: t }, { id: pair, tenant: t }]
vms:
  - { id: web-1, host: h1, power: on, application: app, role: web, storage: [shared], allowed_actions: [live-migrate] }
  - { id: web-2, host: h2, power: on, application: app, role: web, storage: [shared], allowed_actions: [power-off] }
  - { id: db-1, host: h1, power: on, application: pair, role: db, storage: [local] }
  - { id: db-2, host: h1, power: on, application: pair, storage: [shared], fault_tolerance: true }
  - { id: alone, host: h1, power: on, tenant: t, application: app, role: queue, storage: [shared], fault_tolerance: false }
  - { id: stuck, host: h1, power: on, tenant: t, application: app, role: store, storage: [local], fault_tolerance: false }
  - { id: floating, tenant: t }
affinities:
  - { kind: apart, strength: should, vms: [alone, web-1] }
"#;

fn small() -> Fleet {
    fleet::read(FLEET.as_bytes()).unwrap().fleet
}

fn with<T>(policy: &str, ask: impl Fn(&Standings<'_>) -> T) -> T {
    let (fleet, policy) = (small(), policy::read(policy).unwrap());
    ask(&Standings::new(&fleet, &policy))
}

fn host(id: &str) -> Standing {
    with("", |it| it.host(&HostId::new(id).unwrap()).unwrap())
}

fn vm(id: &str) -> Standing {
    with("", |it| it.vm(&VmId::new(id).unwrap()).unwrap())
}

fn paths(statement: &Statement) -> Vec<&str> {
    statement.evidence.iter().map(|it| it.path.as_str()).collect()
}

#[track_caller]
fn open(statement: &Statement, low: f64, value: f64, high: f64) {
    let found = statement.open;
    for (found, expected) in [(found.low, low), (found.value, value), (found.high, high)] {
        assert!((found - expected).abs() < 1e-12, "{statement:?}");
    }
}

#[test]
fn encryption_is_told_by_the_host_its_network_and_its_storage() {
    let (h1, h2, h3) = (host("h1"), host("h2"), host("h3"));
    let of = |it: &Standing, topic| it.statement(topic).unwrap().clone();
    let by_network = of(&h1, Topic::MigrationEncrypted);
    assert_eq!((by_network.answer, paths(&by_network)), (Answer::Yes, vec!["/networks/2/encrypted"]));
    let own = of(&h2, Topic::MigrationEncrypted);
    assert_eq!((own.answer, paths(&own)), (Answer::No, vec!["/hosts/1/migration/encrypted"]));
    assert_eq!(own.evidence[0].by.as_deref(), Some("collect"), "the field's own provenance");
    let nothing = of(&h3, Topic::MigrationEncrypted);
    assert_eq!(nothing.answer, Answer::Unknown);
    assert_eq!(nothing.missing, ["/hosts/2/migration/encrypted"]);
    open(&nothing, 0.0, 0.5, 1.0);
    let at_rest = of(&h1, Topic::DataAtRestEncrypted);
    assert_eq!(at_rest.answer, Answer::Partly);
    open(&at_rest, 0.5, 0.5, 0.5);
    // One storage says yes, of the other it is not known: that is no yes.
    let half_known = of(&h3, Topic::DataAtRestEncrypted);
    assert_eq!(half_known.answer, Answer::Unknown);
    open(&half_known, 0.0, 0.25, 0.5);
    // One storage says no, of the other it is not known.
    let traffic = of(&h1, Topic::StorageTrafficEncrypted);
    assert_eq!(traffic.answer, Answer::Partly);
    open(&traffic, 0.5, 0.75, 1.0);
    assert_eq!(traffic.missing, ["/storage/1/encrypted_in_transit"]);
}

#[test]
fn ways_in_are_priced_as_the_model_prices_them() {
    let h1 = host("h1");
    let inside = h1.statement(Topic::WaysIn).unwrap();
    assert_eq!(inside.answer, Answer::Yes, "the exposed one is off");
    open(inside, 0.005, 0.05, 0.3);
    let h2 = host("h2");
    let exposed = h2.statement(Topic::WaysIn).unwrap();
    assert_eq!(exposed.answer, Answer::No);
    open(exposed, 0.0, 0.5, 0.9);
    assert_eq!(exposed.missing, ["/hosts/1/management_interfaces/0/enabled"]);
    let h3 = host("h3");
    let unknown = h3.statement(Topic::WaysIn).unwrap();
    assert_eq!(unknown.answer, Answer::Unknown);
    open(unknown, 0.005, 0.275, 0.9);
}

#[test]
fn a_local_password_beside_a_directory_splits_the_brain() {
    let (h1, h2, h3) = (host("h1"), host("h2"), host("h3"));
    let split = h1.statement(Topic::SplitBrainAccounts).unwrap();
    assert_eq!(split.answer, Answer::No);
    assert_eq!(
        paths(split),
        [
            "/hosts/0/management_interfaces/0/authentication/0/method",
            "/management_planes/0/management_interfaces/0/authentication/0/method",
        ]
    );
    assert_eq!(h2.statement(Topic::SplitBrainAccounts).unwrap().answer, Answer::Yes);
    assert_eq!(h3.statement(Topic::SplitBrainAccounts).unwrap().answer, Answer::Unknown);
    assert_eq!(h1.statement(Topic::SecondFactor).unwrap().answer, Answer::No);
    assert_eq!(h2.statement(Topic::SecondFactor).unwrap().answer, Answer::Unknown);
    let plane = with("", |it| it.plane(&ManagementPlaneId::new("vc").unwrap()).unwrap());
    assert_eq!(plane.statement(Topic::SecondFactor).unwrap().answer, Answer::Yes);
}

#[test]
fn settings_of_documented_names_tell_tracking_and_patching() {
    let h1 = host("h1");
    let tracked = h1.statement(Topic::ChangeTracking).unwrap();
    assert_eq!(tracked.answer, Answer::Yes);
    assert_eq!(tracked.evidence[0].by.as_deref(), Some("audit"), "the setting's own provenance");
    let patching = h1.statement(Topic::PatchMechanism).unwrap();
    assert_eq!((patching.answer, patching.text.as_str()), (Answer::Partly, "patches come by: manual"));
    assert_eq!(patching.evidence[0].by.as_deref(), Some("hand"));
    let h2 = host("h2");
    let missing = h2.statement(Topic::ChangeTracking).unwrap();
    assert_eq!(missing.missing, ["/hosts/1/settings/change.tracked"]);
    assert!(h2.unknown().count() > h1.unknown().count());
}

#[test]
fn availability_lives_where_the_facts_put_it() {
    let level = |id| vm(id).statement(Topic::AvailabilityLevel).unwrap().clone();
    let clustered = level("web-1");
    assert!(clustered.text.starts_with("availability lives in guest clustering"), "{}", clustered.text);
    open(&clustered, 0.1, 0.1, 0.1);
    let in_step = level("db-2");
    assert!(in_step.text.starts_with("availability lives in fault tolerance"), "{}", in_step.text);
    // A rule that only should hold is no clustering; its storage is shared and its cluster restarts.
    let restarted = level("alone");
    assert_eq!(restarted.text, "availability lives in restart on another host");
    open(&restarted, 0.5, 0.5, 0.5);
    // The cluster restarts, and no other host reaches its disk.
    let stuck = level("stuck");
    assert_eq!((stuck.answer, stuck.text.as_str()), (Answer::No, "nothing stands in for this VM"));
    open(&stuck, 1.0, 1.0, 1.0);
    let half_known = level("db-1");
    assert_eq!(half_known.answer, Answer::Unknown);
    open(&half_known, 0.1, 1.0, 1.0);
    assert_eq!(half_known.missing, ["/vms/2/fault_tolerance"]);
    let floating = vm("floating");
    assert_eq!(floating.statement(Topic::Host).unwrap().answer, Answer::Unknown);
    assert_eq!(floating.statement(Topic::AllowedActions).unwrap().answer, Answer::Unknown);
}

#[test]
fn a_rule_that_must_hold_is_guest_clustering() {
    let mut fleet = small();
    fleet.affinities[0].strength = Strength::Must;
    let policy = Policy::default();
    let standings = Standings::new(&fleet, &policy);
    let alone = standings.vm(&VmId::new("alone").unwrap()).unwrap();
    let level = alone.statement(Topic::AvailabilityLevel).unwrap();
    assert!(paths(level).contains(&"/affinities/0"), "{level:?}");
    open(level, 0.1, 0.1, 0.1);
}

#[test]
fn a_platform_without_copies_in_step_leaves_nothing_to_ask() {
    let level = |family: &str| {
        let platform = format!("id: h1\n    platform: {{ family: {family} }}");
        let fleet = fleet::read(FLEET.replace("id: h1", &platform).as_bytes()).unwrap().fleet;
        let policy = Policy::default();
        let standing = Standings::new(&fleet, &policy).vm(&VmId::new("db-1").unwrap()).unwrap();
        standing.statement(Topic::AvailabilityLevel).unwrap().clone()
    };
    let proxmox = level("proxmox");
    assert_eq!((proxmox.answer, proxmox.missing.len()), (Answer::No, 0));
    assert!(paths(&proxmox).contains(&"/hosts/0/platform/family"), "{proxmox:?}");
    open(&proxmox, 1.0, 1.0, 1.0);
    assert_eq!(level("esxi").missing, ["/vms/2/fault_tolerance"]);
}

#[test]
fn what_levels_leave_is_the_policys_to_say() {
    let open_of = |id: &str| {
        with("[parameters]\ncopies_leave = 0.3\nrestart_leaves = 0.2\n", |it| {
            it.vm(&VmId::new(id).unwrap()).unwrap().statement(Topic::AvailabilityLevel).unwrap().clone()
        })
    };
    open(&open_of("web-1"), 0.3, 0.3, 0.3);
    open(&open_of("alone"), 0.2, 0.2, 0.2);
}

#[test]
fn controls_say_which_part_of_a_path_they_close() {
    let policy = "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\nscope.hosts = [\"h1\"]\n\
                  [[control]]\nid = \"filter\"\ncloses = [\"network\"]\nfails = 0.5\nsource = \"test of May\"\n\
                  [[control]]\nid = \"sandbox\"\ncloses = [\"guest\"]\nfails = 0.2\nsource = \"x\"\nscope.tenants = [\"t\"]\n";
    let of = |id: &str, path| {
        let standing = with(policy, |it| it.host(&HostId::new(id).unwrap()).unwrap());
        standing.statement(Topic::Controls(path)).unwrap().clone()
    };
    open(&of("h1", AttackPath::Network), 0.05, 0.05, 0.05);
    open(&of("h2", AttackPath::Network), 0.5, 0.5, 0.5);
    assert_eq!(of("h2", AttackPath::Network).evidence[0].by.as_deref(), Some("test of May"));
    // All guests of h1 are the tenant's, by themselves or by their application; h3 has no guests.
    open(&of("h1", AttackPath::Guest), 0.2, 0.2, 0.2);
    open(&of("h3", AttackPath::Guest), 1.0, 1.0, 1.0);
    assert_eq!(of("h1", AttackPath::Local).answer, Answer::No);
}

#[test]
fn the_weakest_member_decides_for_clusters_and_tenants() {
    let cluster = with("", |it| it.cluster(&ClusterId::new("c").unwrap()).unwrap());
    let migration = cluster.statement(Topic::MigrationEncrypted).unwrap();
    assert_eq!((migration.answer, migration.text.as_str()), (Answer::Partly, "yes on 1, no on 1 of 2 hosts"));
    open(migration, 1.0, 1.0, 1.0);
    assert_eq!(cluster.statement(Topic::HostRestart).unwrap().answer, Answer::Yes);
    assert_eq!(cluster.statement(Topic::LoadBalancing).unwrap().answer, Answer::No);
    let bare = with("", |it| it.cluster(&ClusterId::new("bare").unwrap()).unwrap());
    assert_eq!(bare.statement(Topic::HostRestart).unwrap().answer, Answer::Unknown);
    let tenant = with("", |it| it.tenant(&TenantId::new("t").unwrap()).unwrap());
    let level = tenant.statement(Topic::AvailabilityLevel).unwrap();
    assert_eq!(level.text, "yes on 4, no on 1, unknown on 2 of 7 VMs");
    open(level, 1.0, 1.0, 1.0);
    assert!(tenant.of(Dimension::Confidentiality).count() > 3);
    let empty = with("", |it| it.tenant(&TenantId::new("empty").unwrap()).unwrap());
    assert!(empty.statements.is_empty());
    assert!(with("", |it| it.tenant(&TenantId::new("nobody").unwrap())).is_none());
}

#[test]
fn no_answer_of_the_sample_is_yes_without_evidence() {
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let fleet = sample(&SampleSpec { hosts: 30, ..SampleSpec::default() }, at);
    let policy = Policy::default();
    let standings = Standings::new(&fleet, &policy);
    let hosts = fleet.hosts.iter().map(|it| standings.host(&it.id).unwrap());
    let vms = fleet.vms.iter().map(|it| standings.vm(&it.id).unwrap());
    let mut unknown = 0;
    for statement in hosts.chain(vms).flat_map(|it| it.statements) {
        let span = statement.open;
        assert!(0.0 <= span.low && span.low <= span.value && span.value <= span.high && span.high <= 1.0);
        match statement.answer {
            Answer::Yes => assert!(!statement.evidence.is_empty(), "{statement:?}"),
            Answer::Unknown => {
                unknown += 1;
                assert!(!statement.missing.is_empty() && span.low < span.high, "{statement:?}");
            }
            _ => {}
        }
    }
    assert!(unknown > 0, "facts are missing in the sample");
}

const IN_CLEAR: &str = r#"
[loss]
record_disclosed = 1
[parameters]
records_per_vm = { value = 100, low = 100, high = 100, source = "test" }
read_on_wire = { value = 0.01, low = 0.01, high = 0.01, source = "test" }
read_on_disk = { value = 0.1, low = 0.1, high = 0.1, source = "test" }
"#;

#[track_caller]
fn price(standing: &Standing, topic: Topic, low: f64, high: f64) {
    let found = standing.statement(topic).unwrap().price.unwrap();
    assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "{found:?}");
}

#[test]
fn what_goes_in_clear_is_priced_as_a_range() {
    use Topic::{DataAtRestEncrypted, MigrationEncrypted, StorageTrafficEncrypted};
    let [h1, h2, h3] =
        ["h1", "h2", "h3"].map(|id| with(IN_CLEAR, |it| it.host(&HostId::new(id).unwrap()).unwrap()));
    // Encrypted; one guest in clear; nobody there.
    price(&h1, MigrationEncrypted, 0.0, 0.0);
    price(&h2, MigrationEncrypted, 1.0, 1.0);
    price(&h3, MigrationEncrypted, 0.0, 0.0);
    // Five guests, one storage in clear, of the other it is not known.
    price(&h1, StorageTrafficEncrypted, 2.5, 5.0);
    price(&h1, DataAtRestEncrypted, 25.0, 25.0);
    // No storage is known: anything from none to all.
    price(&h2, StorageTrafficEncrypted, 0.0, 1.0);
    assert_eq!(h1.statement(Topic::WaysIn).unwrap().price, None, "the compound model prices it");
    let one = with(IN_CLEAR, |it| it.vm(&VmId::new("web-1").unwrap()).unwrap());
    price(&one, StorageTrafficEncrypted, 0.5, 1.0);
    // Of several they sum up.
    let cluster = with(IN_CLEAR, |it| it.cluster(&ClusterId::new("c").unwrap()).unwrap());
    price(&cluster, StorageTrafficEncrypted, 2.5, 6.0);
    let tenant = with(IN_CLEAR, |it| it.tenant(&TenantId::new("t").unwrap()).unwrap());
    price(&tenant, StorageTrafficEncrypted, 2.5, 6.0);
}

#[test]
fn the_fleets_price_in_clear_is_the_sum_of_its_hosts() {
    let policy = policy::read(IN_CLEAR).unwrap();
    let found = in_clear(&small(), &policy);
    let hosts: Vec<_> =
        found.iter().map(|it| (it.hosts_encrypted, it.hosts_in_clear, it.hosts_unknown)).collect();
    assert_eq!(hosts, [(1, 1, 1), (0, 2, 1), (0, 1, 2)]);
    let topics = [Topic::MigrationEncrypted, Topic::StorageTrafficEncrypted, Topic::DataAtRestEncrypted];
    let at: jiff::Timestamp = "2026-11-20T06:00:00Z".parse().unwrap();
    let fleet = sample(&SampleSpec { hosts: 30, ..SampleSpec::default() }, at);
    for fleet in [small(), fleet] {
        let standings = Standings::new(&fleet, &policy);
        let mut unknown = false;
        for (one, topic) in in_clear(&fleet, &policy).iter().zip(topics) {
            let mut sum = (0.0, 0.0);
            for host in &fleet.hosts {
                let statement = standings.host(&host.id).unwrap().statement(topic).unwrap().clone();
                let price = statement.price.unwrap();
                sum = (sum.0 + price.low, sum.1 + price.high);
            }
            assert!(
                (one.loss.low - sum.0).abs() < 1e-9 * sum.1 && (one.loss.high - sum.1).abs() < 1e-9 * sum.1
            );
            unknown |= one.loss.low < one.loss.high;
        }
        assert!(unknown, "what is not known is a range");
    }
}

#[test]
fn to_encrypt_never_costs_more_and_costs_nothing_when_all_is() {
    let policy = policy::read(IN_CLEAR).unwrap();
    let mut fleet = small();
    let highest = |fleet: &Fleet| in_clear(fleet, &policy).iter().map(|it| it.loss.high).sum::<f64>();
    let mut before = highest(&fleet);
    for at in 0..fleet.storage.len() {
        fleet.storage[at].encrypted_at_rest = Some(true);
        fleet.storage[at].encrypted_in_transit = Some(true);
        let after = highest(&fleet);
        assert!(after <= before);
        before = after;
    }
    fleet.hosts[1].migration.as_mut().unwrap().encrypted = Some(true);
    fleet.hosts[1].reach = fleet.hosts[0].reach.clone();
    assert_eq!(highest(&fleet), 0.0);
}

#[test]
fn a_host_of_which_no_plane_is_known_says_so() {
    let plane = |standing: &Standing| standing.statement(Topic::ManagementPlane).unwrap().clone();
    let managed = plane(&host("h1"));
    assert_eq!((managed.answer, managed.text.as_str()), (Answer::Yes, "managed by vc"));
    assert_eq!(paths(&managed), ["/clusters/0/managed_by"]);
    let bare = plane(&host("h3"));
    assert_eq!((bare.answer, bare.missing), (Answer::Unknown, vec!["/clusters/1/managed_by".to_owned()]));
    let alone = |settings: &str| {
        let text = format!(
            "format: underpin/fleet/1\nname: one\nseen: {{ at: \"2026-11-20T06:00:00Z\", by: hand }}\nhosts: [{{ id: h{settings} }}]\n"
        );
        let fleet = fleet::read(text.as_bytes()).unwrap().fleet;
        plane(&Standings::new(&fleet, &Policy::default()).host(&HostId::new("h").unwrap()).unwrap())
    };
    assert_eq!(alone("").missing, ["/hosts/0/cluster"]);
    let none = alone(", settings: { management.plane: none }");
    assert_eq!((none.answer, none.text.as_str()), (Answer::Yes, "no management plane manages it"));
}

#[test]
fn a_plane_says_where_it_runs() {
    let of = |runs_on: &str| {
        let text = format!(
            "format: underpin/fleet/1\nname: one\nseen: {{ at: \"2026-11-20T06:00:00Z\", by: hand }}\nhosts: [{{ id: h }}, {{ id: i }}]\n\
             management_planes: [{{ id: vc{runs_on} }}]\n"
        );
        let fleet = fleet::read(text.as_bytes()).unwrap().fleet;
        let standing =
            Standings::new(&fleet, &Policy::default()).plane(&ManagementPlaneId::new("vc").unwrap());
        standing.unwrap().statement(Topic::Host).unwrap().clone()
    };
    let unknown = of("");
    assert_eq!(
        (unknown.answer, &unknown.missing[..]),
        (Answer::Unknown, &["/management_planes/0/runs_on".to_owned()][..])
    );
    let known = of(", runs_on: [h, i]");
    assert_eq!(
        (known.answer, known.text.as_str()),
        (Answer::Yes, "runs on h, i, and falls with any of them")
    );
    assert_eq!(paths(&known), ["/management_planes/0/runs_on"]);
    assert_eq!(of(", runs_on: []").text, "runs on no host of the fleet");
}
