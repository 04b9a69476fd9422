//! The laws of the simulated datacentre: time, chance, undo, links, and the contract of a platform.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use underpin_model::fleet::{SampleSpec, sample};
use underpin_model::id::{HostId, VmId};
use underpin_platforms::platform::{
    Action, FailureKind, Key, Platform as _, PlatformError, TaskId, TaskState,
};
use underpin_sim::script::{Limits, NoFiles, Session};
use underpin_sim::{Datacentre, HostPower, Simulated};

fn session(story: &str) -> Session {
    let mut session = Session::new(1);
    session.script(story, &NoFiles).unwrap_or_else(|error| panic!("{error}"));
    session
}

/// Lines that change something, in any order: some are refused, which is part of the test.
fn line() -> impl Strategy<Value = String> {
    let host = 1..5_u32;
    let vm = 1..11_u32;
    prop_oneof![
        (vm.clone(), host.clone()).prop_map(|(vm, host)| format!("do migrate vm-{vm} to host-{host}")),
        (vm.clone(), host.clone()).prop_map(|(vm, host)| format!("do migrate vm-{vm} to host-{host} cold")),
        host.clone().prop_map(|it| format!("do evacuate host-{it}")),
        host.clone().prop_map(|it| format!("do reboot host-{it}")),
        host.clone().prop_map(|it| format!("do patch host-{it} to 1.1")),
        (host.clone(), any::<bool>())
            .prop_map(|(it, on)| format!("do maintenance host-{it} {}", if on { "on" } else { "off" })),
        (vm.clone(), 0..4_u32).prop_map(|(it, which)| {
            let verb = ["stop", "start", "suspend", "resume"].get(which as usize).copied().unwrap_or("stop");
            format!("do {verb} vm-{it}")
        }),
        Just("do freeze cluster-1".to_owned()),
        Just("do thaw cluster-1".to_owned()),
        Just("cluster cluster-1 balancing=on".to_owned()),
        (1..2000_u32).prop_map(|it| format!("run {it}s")),
        Just("wait 2h".to_owned()),
        Just("cancel last".to_owned()),
        host.clone().prop_map(|it| format!("fault power-loss host=host-{it} for=10m")),
        (0..9_usize).prop_map(|it| {
            let kinds = [
                "migration-fails",
                "migration-stalls",
                "no-return",
                "no-reboot",
                "lies",
                "api-timeout",
                "lost-reply",
                "hangs",
                "stale-inventory",
            ];
            format!("fault {} rate=0.3 for=3h", kinds.get(it).copied().unwrap_or("lies"))
        }),
        host.prop_map(|it| format!("fault flapping host=host-{it} for=1h")),
        Just("mend all".to_owned()),
        vm.prop_map(|it| format!("vm vm-{it} dirty=900")),
    ]
}

/// Every guest is on one host, nobody has more than there is, and nothing runs on a host that does not.
fn consistent(data: &Datacentre) {
    let fleet = data.fleet();
    for (guest, seen) in data.guests().zip(&fleet.vms) {
        assert_eq!(guest.id, seen.id);
    }
    for host in data.hosts() {
        let here = || {
            data.guests()
                .zip(&fleet.vms)
                .filter(|(_, seen)| seen.host.as_ref() == Some(&host.id))
                .map(|it| it.0)
        };
        let running = here().filter(|it| it.power == underpin_model::fleet::PowerState::On);
        let used: u64 = running.map(|it| it.memory_mib).sum();
        assert!(used <= host.memory_mib, "{} carries {used} MiB of {}", host.id, host.memory_mib);
        if host.power != HostPower::Up {
            assert_eq!(used, 0, "{} is {} with running guests", host.id, host.power.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn undo_leads_back_to_an_equal_state(lines in prop::collection::vec(line(), 1..25), extra in prop::collection::vec(line(), 1..10)) {
        let mut session = session("load-example hosts=4 vms=10 host-memory=96GiB\nstorage storage-1 members=host-1,host-2,host-3 copies=2\n");
        for line in &lines {
            let _refused = session.line(line, &NoFiles, |_| {});
            consistent(session.datacentre());
        }
        let before = session.datacentre().clone();
        session.line("save here", &NoFiles, |_| {}).unwrap();
        let carried = extra.iter().filter(|line| session.line(line, &NoFiles, |_| {}).is_ok()).count();
        if carried > 0 {
            session.line(&format!("undo {carried}"), &NoFiles, |_| {}).unwrap();
        }
        prop_assert!(*session.datacentre() == before);
        let same = session.line("expect same-as here", &NoFiles, |_| {});
        prop_assert!(same.is_ok(), "{same:?}");
        // What follows from an equal state is equal too: chance is part of the state.
        let again: Vec<bool> = extra.iter().map(|line| session.line(line, &NoFiles, |_| {}).is_ok()).collect();
        let first = session.datacentre().clone();
        session.line("branch here", &NoFiles, |_| {}).unwrap();
        let twice: Vec<bool> = extra.iter().map(|line| session.line(line, &NoFiles, |_| {}).is_ok()).collect();
        prop_assert_eq!(again, twice);
        prop_assert!(*session.datacentre() == first);
    }

    #[test]
    fn a_line_that_is_refused_changes_nothing(lines in prop::collection::vec(line(), 0..10), bad in "\\PC{0,60}") {
        let mut session = session("load-example hosts=4 vms=10\n");
        for line in &lines {
            let _refused = session.line(line, &NoFiles, |_| {});
        }
        let before = session.datacentre().clone();
        if let Err(error) = session.line(&bad, &NoFiles, |_| {}) {
            prop_assert!(*session.datacentre() == before);
            prop_assert_eq!(error.line, lines.len() + 2);
            prop_assert!(!error.found.is_empty() && !error.expected.is_empty());
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another_one() {
    let story = |seed: u32| {
        format!(
            "load-example hosts=6 vms=40 seed={seed} memory=8GiB\nfault migration-fails rate=0.3\nfault slow-return rate=0.5 factor=2\n\
             do evacuate host-1\nwait\ndo reboot host-1\nwait\ndo evacuate host-2\nwait\ndo reboot host-2\nwait\nrun 1h\n"
        )
    };
    let trace = |seed| Session::new(9).script(&story(seed), &NoFiles).unwrap();
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}

/// The pre-copy model round by round, as the planner computes it: with a constant rate the simulation must take as long.
#[test]
fn a_migration_alone_takes_what_the_model_of_precopy_says() {
    for (memory_gib, dirty, mbps) in [(16.0, 100.0, 10_000.0), (64.0, 300.0, 10_000.0), (8.0, 0.0, 1000.0)] {
        let story = format!(
            "load-example hosts=2 vms=0 host-memory=512GiB\nvm v host=host-1 memory={memory_gib}GiB dirty={dirty}\n\
             do migrate v to host-2 mbps={mbps}\nwait\n"
        );
        let session = session(&story);
        let rate = mbps * 1e6 / 8.0 / 1_048_576.0;
        let (mut left, mut expected_s) = (memory_gib * 1024.0, 0.0);
        loop {
            let round_s = left / rate;
            expected_s += round_s;
            left = dirty * round_s;
            if left / rate <= 0.5 {
                break;
            }
        }
        expected_s += left / rate;
        let took_s = session.datacentre().clock_ms() as f64 / 1000.0;
        assert!((took_s - expected_s).abs() < 0.05, "{memory_gib} GiB: {took_s} s, expected {expected_s} s");
    }
}

#[test]
fn two_migrations_share_a_link_and_the_rest_goes_to_who_is_left() {
    // 16 GiB and 8 GiB without writing: both at half the rate until the smaller one is over, then the larger one alone.
    let mut session = session(
        "load-example hosts=2 vms=0 host-memory=512GiB\nvm large host=host-1 memory=16GiB dirty=0\nvm small host=host-1 memory=8GiB dirty=0\n\
         do migrate large to host-2\ndo migrate small to host-2\n",
    );
    let rate = 10_000.0 * 1e6 / 8.0 / 1_048_576.0;
    session.line("wait", &NoFiles, |_| {}).unwrap();
    let took: Vec<f64> =
        session.datacentre().tasks().map(|it| it.ended_ms.unwrap() as f64 / 1000.0).collect();
    assert!((took[1] - 2.0 * 8192.0 / rate).abs() < 0.01, "{took:?}");
    assert!((took[0] - (8192.0 + 16384.0) / rate).abs() < 0.01, "{took:?}");
}

#[test]
fn a_sample_fleet_runs() {
    let fleet =
        sample(&SampleSpec { hosts: 40, ..SampleSpec::default() }, "2026-11-20T00:00:00Z".parse().unwrap());
    let hosts = fleet.hosts.len();
    let mut session = Session::with(Datacentre::new(fleet, 4), Limits::default());
    for line in ["show hosts", "run 6h", "observe", "expect answer kind=ok", "expect total killed=0"] {
        session.line(line, &NoFiles, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(session.datacentre().hosts().count(), hosts);
    // What was unknown stays unknown in what is observed, whatever number the simulation works with.
    let mut fleet =
        sample(&SampleSpec { hosts: 2, ..SampleSpec::default() }, "2026-11-20T00:00:00Z".parse().unwrap());
    fleet.hosts[0].capacity = None;
    let mut data = Datacentre::new(fleet, 4);
    let seen = data.observe().unwrap();
    assert!(data.hosts().next().unwrap().memory_mib > 0);
    assert_eq!(seen.fleet.hosts[0].capacity, None);
    assert_eq!(seen.hosts[&seen.fleet.hosts[0].id].capacity.memory_mib, None);
}

fn simulated() -> Simulated {
    Simulated::new(session("load-example hosts=2 vms=2 memory=8GiB\nset exact=on\n").datacentre().clone())
}

fn migrate(vm: &str, from: &str, to: &str) -> Action {
    Action::Migrate {
        vm: VmId::new(vm).unwrap(),
        from: HostId::new(from).unwrap(),
        to: HostId::new(to).unwrap(),
        live: true,
        mbps: None,
    }
}

fn key(text: &str) -> Key {
    Key(text.to_owned())
}

#[tokio::test]
async fn the_simulation_keeps_the_contract_of_platforms() {
    let platform = simulated();
    let order = migrate("vm-1", "host-1", "host-2");
    let task = platform.begin(&key("a"), 3, &order).await.unwrap();
    // The same key is the same task, also after it has ended; a key names one order.
    assert_eq!(platform.begin(&key("a"), 3, &order).await.unwrap(), task);
    let other = migrate("vm-2", "host-2", "host-1");
    assert!(matches!(platform.begin(&key("a"), 3, &other).await, Err(PlatformError::KeyReused { .. })));
    // Fencing: also for a key that is known, and for cancelling.
    let stale = platform.begin(&key("a"), 2, &order).await;
    assert_eq!(stale, Err(PlatformError::StaleGeneration { given: 2, current: 3 }));
    assert!(matches!(platform.cancel(&task, 2).await, Err(PlatformError::StaleGeneration { .. })));
    let unknown = platform.begin(&key("b"), 3, &migrate("vm-9", "host-1", "host-2")).await;
    assert_eq!(unknown, Err(PlatformError::UnknownObject { kind: "guest", id: "vm-9".to_owned() }));
    assert!(matches!(platform.task(&task).await, Ok(TaskState::Running { percent: Some(0) })));
    platform.run(60_000).unwrap();
    assert!(matches!(platform.task(&task).await, Ok(TaskState::Done { .. })));
    assert_eq!(platform.begin(&key("a"), 3, &order).await.unwrap(), task);
    platform.run(60_000).unwrap();
    assert_eq!(platform.snapshot().guests().next().unwrap().moves, 1);
    let nobody = TaskId("task-77".to_owned());
    assert!(matches!(platform.task(&nobody).await, Ok(TaskState::Unknown { .. })));
    assert!(matches!(platform.cancel(&task, 3).await, Err(PlatformError::Refused { .. })));
    assert!(!platform.capabilities().await.unwrap().can.is_empty());
}

#[tokio::test]
async fn an_order_that_reality_has_left_fails_and_changes_nothing() {
    let platform = simulated();
    let task = platform.begin(&key("a"), 1, &migrate("vm-1", "host-2", "host-1")).await.unwrap();
    match platform.task(&task).await.unwrap() {
        TaskState::Failed { kind, text } => {
            assert_eq!(kind, FailureKind::NotAsExpected);
            assert!(text.contains("on host-1") && text.contains("observe"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(platform.observe().await.unwrap().fleet.vms[0].host.as_ref().unwrap().as_str(), "host-1");
}

#[tokio::test]
async fn a_lost_reply_and_the_same_key_do_it_once() {
    let platform = simulated();
    platform.with(|it| {
        it.add_fault(underpin_sim::Fault {
            kind: underpin_sim::FaultKind::LostReply,
            scope: underpin_sim::Scope::default(),
            often: underpin_sim::Often::Times(1),
            until_ms: None,
        })
    });
    let order = migrate("vm-1", "host-1", "host-2");
    let lost = platform.begin(&key("a"), 1, &order).await.unwrap_err();
    assert!(lost.may_have_happened());
    let task = platform.begin(&key("a"), 1, &order).await.unwrap();
    platform.run(60_000).unwrap();
    assert!(matches!(platform.task(&task).await, Ok(TaskState::Done { .. })));
    assert_eq!(platform.snapshot().tasks().count(), 1);
}

#[test]
fn hundreds_of_states_of_a_large_datacentre_are_undone() {
    let mut session = session("load-example hosts=2000 vms=40000 memory=8GiB\n");
    for round in 0..300 {
        session.line(&format!("do maintenance host-{} on", round + 1), &NoFiles, |_| {}).unwrap();
    }
    session.line("undo 300", &NoFiles, |_| {}).unwrap();
    assert_eq!(session.datacentre().hosts().filter(|it| it.maintenance).count(), 0);
}

#[test]
fn what_ends_while_its_host_is_down_starts_nothing_there() {
    // A guest on its way while it is off, and both ends go down: it waits for a host.
    let waits = session(
        "set exact=on\nload-example hosts=2 vms=1\ndo migrate vm-1 to host-2 cold\nfault power-loss host=host-1\n\
         fault power-loss host=host-2\nwait\nexpect task last state=failed kind=host-not-ready\nexpect vm vm-1 power=off\n\
         run 5m\nexpect vm vm-1 power=off\nmend all\nrun 1h\nexpect vm vm-1 power=on health=well\n",
    );
    consistent(waits.datacentre());
    // A guest that is being resumed while its host boots quickly under it.
    let mut resumed = session(
        "set exact=on\nload-example hosts=2 vms=1\ndo suspend vm-1\nwait\ndo resume vm-1\ndo reboot host-1 quick\nrun 1m\n\
         expect host host-1 power=rebooting\nexpect vm vm-1 power=suspended\nwait\ndo resume vm-1\nwait\n",
    );
    consistent(resumed.datacentre());
    resumed.line("expect vm vm-1 power=on killed=0", &NoFiles, |_| {}).unwrap();
    // A guest that moves to a host that goes down stays where it was.
    let stays = session(
        "set exact=on\nload-example hosts=2 vms=1\ndo migrate vm-1 to host-2\nrun 1s\nfault power-loss host=host-2\nwait\n\
         expect task last state=failed kind=host-not-ready\nexpect vm vm-1 host=host-1 power=on killed=0\n",
    );
    consistent(stays.datacentre());
}

#[test]
fn errors_name_line_value_and_way_out() {
    let cases = [
        ("\"\"", "an empty text", "`help` lists them"),
        ("fly host-1", "found fly", "`help` lists them"),
        ("do migrate vm-1", "the end of the line", "do migrate VM to HOST"),
        ("run ten", "found ten", "a duration like"),
        ("expect host host-9 guests=1", "found host-9", "a host that exists"),
        ("expect host host-1 colour=red", "found colour", "there are power, answers"),
        ("fault gremlins", "found gremlins", "`help fault`"),
        ("do freeze cluster-1 ha-restart", "found ha-restart", "cannot be frozen"),
        ("load nowhere.json", "nowhere.json", "a fleet file that can be read"),
        ("run 40000d", "found", "a duration like"),
        ("run 400d", "found 400d", "at most 366d"),
        ("undo 99", "the first state", "fewer steps"),
        ("vm vm-1 memory=8", "found memory=8", "a size like"),
        ("host host-1 colour=red", "found colour=red", "cluster=, memory="),
    ];
    for (line, found, expected) in cases {
        let mut session = session("load-example hosts=2 vms=2\n");
        let error = session.line(line, &NoFiles, |_| {}).expect_err(line);
        let text = error.to_string();
        assert!(error.line == 2 && !error.unmet, "{line}: {text}");
        assert!(text.contains(found) && text.contains(expected), "{line}: {text}");
    }
    let mut session = session("load-example hosts=2 vms=2\n");
    let error = session.line("expect vm vm-1 host=host-2", &NoFiles, |_| {}).unwrap_err();
    assert!(error.unmet && error.to_string().contains("found guest vm-1 host=host-1"), "{error}");
}

#[tokio::test]
async fn a_guest_in_huge_pages_goes_only_where_there_are_some() {
    let mut fleet = underpin_model::fleet::Fleet::new(
        "huge",
        underpin_model::fleet::Seen { at: "2026-01-15T09:00:00Z".parse().unwrap(), by: "test".to_owned() },
    );
    for (id, hugepages_mib) in [("a", 8192), ("b", 4096), ("c", 8192)] {
        let mut host = underpin_model::fleet::Host::new(HostId::new(id).unwrap());
        host.capacity = Some(underpin_model::fleet::Capacity {
            vcpus: Some(8),
            memory_mib: Some(1024),
            hugepages_mib: Some(hugepages_mib),
            local_storage_gib: None,
        });
        fleet.hosts.push(host);
    }
    let mut vm = underpin_model::fleet::Vm::new(VmId::new("v").unwrap());
    vm.host = Some(HostId::new("a").unwrap());
    (vm.vcpus, vm.memory_mib, vm.hugepages_mib) = (Some(2), Some(8192), Some(8192));
    vm.allowed_actions = vec![underpin_model::fleet::Action::LiveMigrate];
    fleet.vms.push(vm);
    let platform = Simulated::new(Datacentre::new(fleet, 1));
    let refused = platform.begin(&key("1"), 1, &migrate("v", "a", "b")).await.unwrap();
    platform.run(600_000).unwrap();
    let Ok(TaskState::Failed { kind, text }) = platform.task(&refused).await else { panic!() };
    assert_eq!(kind, FailureKind::NotEnoughMemory);
    assert!(text.contains("host b has 4096 MiB of huge pages free, v needs 8192"), "{text}");
    let taken = platform.begin(&key("2"), 1, &migrate("v", "a", "c")).await.unwrap();
    platform.run(600_000).unwrap();
    assert!(matches!(platform.task(&taken).await, Ok(TaskState::Done { .. })));
}
