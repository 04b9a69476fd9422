//! Promises as running clocks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::date;
use proptest::prelude::*;
use underpin_exposure::report::Need;
use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_model::facts::Document;
use underpin_model::fleet::{self, Fleet};
use underpin_model::id::FeedId;
use underpin_model::policy;
use underpin_risk::clocks::{self, Clock, ClockError, Report, Settings, State};

/// Fixed in 17:8.2.0-11 by an advisory of 2024-01-02.
const ADVISORY: &str = r#"{"id": "ALSA-2024:0001", "published": "2024-01-02T00:00:00Z", "modified": "2024-01-02T00:00:00Z",
 "summary": "Important: qemu-kvm security update", "related": ["CVE-2023-0001"],
 "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;

const ENDS: &str = r#"{"almalinux": {"cycles": [{"cycle": "10", "release": "2025-05-27", "eol": "2035-05-31"},
  {"cycle": "9", "release": "2022-05-26", "eol": "2024-03-01"}, {"cycle": "8", "release": "2021-03-30", "eol": true}]}}"#;

const KEV: &str = r#"{"catalogVersion": "2024.02.01", "dateReleased": "2024-02-01T00:00:00Z", "count": 1, "vulnerabilities": [
  {"cveID": "CVE-2023-0001", "dateAdded": "2024-02-01", "dueDate": "2024-02-22"}]}"#;

fn document(text: &str) -> Document {
    match underpin_feeds::parse(text.as_bytes()).unwrap() {
        underpin_feeds::Parsed::Document(document) => *document,
        underpin_feeds::Parsed::Ignored { reason } => panic!("{reason}"),
    }
}

/// `old` hosts with the open version, of tenant a; one fixed host, of tenant b.
fn fleet(old: usize) -> Fleet {
    let host = |id: &str, release: &str| {
        format!(
            r#"{{"id": "{id}", "platform": {{"family": "almalinux", "train": "9"}}, "running": {{"qemu-kvm-core": "17:8.2.0-{release}"}},
            "components": {{"family": "almalinux", "train": "9", "components": [
            {{"name": "qemu-kvm-core", "version": "17:8.2.0-{release}", "arch": "x86_64", "running_version": "17:8.2.0-{release}"}}]}}}}"#
        )
    };
    let mut hosts: Vec<String> = (1..=old).map(|it| host(&format!("old-{it:02}"), "10.el9")).collect();
    hosts.push(host("new-01", "11.el9_4"));
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "t", "seen": {{"at": "2024-01-03T00:00:00Z", "by": "hand"}},
        "hosts": [{}], "tenants": [{{"id": "a"}}, {{"id": "b"}}],
        "vms": [{{"id": "vm-a", "host": "old-01", "tenant": "a", "power": "off"}},
                {{"id": "vm-b", "host": "new-01", "tenant": "b", "power": "off"}}]}}"#,
        hosts.join(",")
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

fn read(fleet: &Fleet, feeds: &[&str], promises: &str, day: &str, pace: f64) -> Report {
    read_at(fleet, feeds, promises, &format!("{day}T23:59:59Z"), pace)
}

fn read_at(fleet: &Fleet, feeds: &[&str], promises: &str, at: &str, pace: f64) -> Report {
    let documents = feeds.iter().map(|it| document(it)).collect();
    let base = FactBase::new(vec![Feed { id: FeedId::new("f").unwrap(), fetched: None, documents }]);
    let at: Timestamp = at.parse().unwrap();
    let assessment = assess(fleet, &base, &Options { as_of: at, stale_after_days: 30 });
    let policy = policy::read(promises).unwrap();
    let settings = Settings { soon_days: 7, hosts_per_day: pace };
    clocks::read(fleet, &base, &assessment, &policy, settings).unwrap()
}

const CONTRACT: &str = "[[promise]]\nid = \"contract\"\nkind = \"fix-within\"\ndays = 30\n";

/// The clock of the vulnerability on the hosts that are open to it.
fn open(report: &Report) -> &Clock {
    let is =
        |it: &&Clock| it.subject == "CVE-2023-0001" && it.assets.iter().any(|it| it.id.starts_with("old"));
    report.clocks.iter().find(is).unwrap_or_else(|| panic!("{:#?}", report.clocks))
}

#[test]
fn a_clock_runs_from_the_publication_of_the_fix_until_it_is_due() {
    let states = [
        ("2024-01-10", State::Running),
        ("2024-01-25", State::DueSoon),
        ("2024-02-01", State::DueSoon),
        ("2024-02-02", State::Breached),
    ];
    for (day, state) in states {
        let report = read(&fleet(2), &[ADVISORY], CONTRACT, day, 10.0);
        let clock = open(&report);
        assert_eq!((clock.state, clock.due), (state, Some(date(2024, 2, 1))), "{day}");
        assert_eq!(clock.started, Some(date(2024, 1, 2)));
        assert_eq!(clock.evidence, "ALSA-2024:0001 was published on 2024-01-02");
        assert_eq!(clock.assets.len(), 2);
        let sum = &report.promises[0];
        assert_eq!((sum.counts[&state], sum.broken), (2, state == State::Breached));
    }
    // Before the advisory nobody knows of the hole: there is no clock.
    let before = read(&fleet(2), &[ADVISORY], CONTRACT, "2024-01-01", 10.0);
    assert!(before.clocks.iter().all(|it| it.subject != "CVE-2023-0001"), "{:#?}", before.clocks);
}

#[test]
fn what_is_done_is_kept_within_its_days_and_only_done_after_them() {
    let of_new = |day| {
        let report = read(&fleet(1), &[ADVISORY], CONTRACT, day, 10.0);
        let is =
            |it: &&Clock| it.assets.iter().any(|it| &*it.id == "new-01") && it.subject == "CVE-2023-0001";
        report.clocks.iter().find(is).map(|it| it.state)
    };
    assert_eq!((of_new("2024-01-20"), of_new("2024-03-20")), (Some(State::Kept), Some(State::Done)));
}

#[test]
fn the_plan_says_who_breaches_and_when() {
    // 12 hosts, one a day from 2024-01-29: four are in time on 2024-02-01.
    let report = read(&fleet(12), &[ADVISORY], CONTRACT, "2024-01-28", 1.0);
    assert_eq!(report.hosts_to_patch, 12);
    assert_eq!(report.all_patched_on, Some(date(2024, 2, 9)));
    assert_eq!(report.forecast.len(), 1);
    assert_eq!(report.forecast[0].sentence, "at the planned pace 8 hosts breach \"contract\" on 2024-02-02");
    assert_eq!(open(&report).will_breach, 8);
    assert!(read(&fleet(12), &[ADVISORY], CONTRACT, "2024-01-28", 3.0).forecast.is_empty());
    // Half a host a day is a host every two days.
    let slow = read(&fleet(12), &[ADVISORY], CONTRACT, "2024-01-28", 0.5);
    assert_eq!(slow.forecast[0].assets, 10);
}

#[test]
fn promises_hold_for_their_tenant_platform_score_and_exploitation_only() {
    let count = |scope: &str, feeds: &[&str]| {
        let promise = format!("{CONTRACT}{scope}");
        let report = read(&fleet(3), feeds, &promise, "2024-02-10", 10.0);
        report.promises[0].counts.clone()
    };
    let hosts = |scope: &str, feeds: &[&str]| count(scope, feeds)[&State::Breached];
    assert_eq!(hosts("", &[ADVISORY]), 3);
    assert_eq!(hosts("scope = { tenants = [\"a\"] }\n", &[ADVISORY]), 1);
    assert_eq!(hosts("scope = { tenants = [\"b\"] }\n", &[ADVISORY]), 0);
    assert_eq!(hosts("scope = { platforms = [\"esxi\"] }\n", &[ADVISORY]), 0);
    assert_eq!(hosts("scope = { hosts = [\"old-02\"] }\n", &[ADVISORY]), 1);
    assert_eq!(hosts("exploited_only = true\n", &[ADVISORY]), 0);
    assert_eq!(hosts("exploited_only = true\n", &[ADVISORY, KEV]), 3);
    // The feed covers single advisories: of other vulnerabilities of the component on the four hosts nothing is known.
    let no_source = count("", &[ADVISORY])[&State::Unknown];
    assert_eq!(no_source, 4);
    // Nobody scored it: whether the promise speaks of it is unknown, and said.
    let unscored = count("cvss_at_least = 7.0\n", &[ADVISORY]);
    assert_eq!((unscored[&State::Breached], unscored[&State::Unknown]), (0, 3 + no_source));
}

#[test]
fn a_promise_may_be_about_critical_applications_alone() {
    let mut fleet = fleet(3);
    let mut with = |number: usize, impact: Option<&str>| {
        let id = format!("app-{number}");
        let impact = impact.map_or_else(String::new, |it| format!(r#", "human_impact": "{it}""#));
        fleet.applications.push(serde_json::from_str(&format!(r#"{{"id": "{id}"{impact}}}"#)).unwrap());
        let vm = format!(
            r#"{{"id": "vm-{number}", "host": "old-0{number}", "application": "{id}", "power": "off"}}"#
        );
        fleet.vms.push(serde_json::from_str(&vm).unwrap());
    };
    with(1, Some("very-high"));
    with(2, Some("low"));
    with(3, None);
    let promise = format!("{CONTRACT}human_impact_at_least = \"high\"\n");
    let report = read(&fleet, &[ADVISORY], &promise, "2024-02-10", 10.0);
    let of = |state| {
        let clocks = report.clocks.iter().filter(|it| it.state == state);
        let assets = clocks.flat_map(|it| it.assets.iter().map(|asset| (&*asset.id, &*it.evidence)));
        assets.filter(|it| it.0.starts_with("old")).collect::<Vec<_>>()
    };
    assert_eq!(of(State::Breached), [("old-01", "ALSA-2024:0001 was published on 2024-01-02")]);
    let unknown = of(State::Unknown);
    assert!(
        unknown.contains(&("old-03", "missing: the human impact of the applications on it")),
        "{unknown:?}"
    );
    assert!(unknown.iter().all(|it| it.0 != "old-02"), "{unknown:?}");
}

#[test]
fn what_is_installed_and_not_in_force_shows_what_is_left_to_do() {
    let mut fleet = fleet(1);
    let old = fleet.hosts.iter_mut().find(|it| it.id.as_str() == "old-01").unwrap();
    let set = old.components.as_mut().unwrap();
    // Newer than the first version that has the fix.
    set.components[0].version = "17:8.2.0-12.el9_4".into();
    let report = read(&fleet, &[ADVISORY], CONTRACT, "2024-02-10", 10.0);
    let clock = open(&report);
    assert_eq!((clock.state, clock.fix.as_deref()), (State::Breached, None), "{clock:#?}");
    assert!(!clock.needs.is_empty(), "{clock:#?}");
    let before = read(&self::fleet(1), &[ADVISORY], CONTRACT, "2024-02-10", 10.0);
    assert_eq!(open(&before).fix.as_deref(), Some("17:8.2.0-11.el9_4"));
}

/// A library that something old still uses: no advisory says what to restart, and it waits nevertheless.
#[test]
fn what_is_not_in_force_waits_also_where_nobody_knows_for_what() {
    let mut fleet = fleet(1);
    let old = fleet.hosts.iter_mut().find(|it| it.id.as_str() == "old-01").unwrap();
    let component = &mut old.components.as_mut().unwrap().components[0];
    component.name = "openssl-libs".into();
    component.version = "17:8.2.0-12.el9_4".into();
    let advisory = ADVISORY.replace("qemu-kvm-core", "openssl-libs");
    let mut waiting = |running: &str| {
        let old = fleet.hosts.iter_mut().find(|it| it.id.as_str() == "old-01").unwrap();
        old.components.as_mut().unwrap().components[0].running_version = Some(running.into());
        read(&fleet, &[&advisory], CONTRACT, "2024-01-10", 10.0)
    };
    let report = waiting("17:8.2.0-10.el9");
    let clock = open(&report);
    assert_eq!((clock.state, clock.fix.as_deref()), (State::Running, None), "{clock:#?}");
    let [need] = clock.needs.as_slice() else { panic!("{clock:#?}") };
    assert_eq!(*need, Need::Unknown { component: "openssl-libs".into() });
    assert_eq!((clock.waits(), report.hosts_to_patch), (true, 1), "it has its turn in the queue");
    assert_eq!(waiting("17:8.2.0-12.el9_4").hosts_to_patch, 0, "what runs is what is installed");
}

#[test]
fn a_promise_to_nobody_in_the_fleet_is_said_with_its_place() {
    let promises =
        "[[promise]]\nid = \"gold\"\nkind = \"fix-within\"\ndays = 30\nscope.tenants = [\"a\", \"acme\"]\n";
    let report = read(&fleet(1), &[ADVISORY], promises, "2024-01-10", 10.0);
    let [warning] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
    assert!(warning.starts_with("promise gold.scope.tenants: the fleet has no tenant acme;"), "{warning}");
    let known = promises.replace(", \"acme\"", "");
    assert!(read(&fleet(1), &[ADVISORY], &known, "2024-01-10", 10.0).warnings.is_empty());
}

/// Neither kept nor broken: nobody should read nothing as kept.
#[test]
fn a_promise_to_a_tenant_without_guests_is_said() {
    let mut fleet = fleet(1);
    fleet.tenants.push(fleet::Tenant::new(underpin_model::id::TenantId::new("idle").unwrap()));
    let promise = |tenants: &str| {
        let text = format!(
            "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\nscope = {{ tenants = [{tenants}] }}\n"
        );
        read(&fleet, &[ADVISORY], &text, "2024-01-10", 1.0).warnings.join("; ")
    };
    let said = promise("\"idle\", \"a\"");
    assert!(
        said.contains("promise p: tenant idle has no guest and no image: it is neither kept nor broken"),
        "{said}"
    );
    assert!(!said.contains("tenant a has"), "{said}");
    assert!(!promise("\"a\"").contains("no guest"));
}

/// What was listed since the end of an old KEV list is priced as not known to be exploited: that is said, with both days.
#[test]
fn an_old_kev_list_beside_fresh_feeds_is_warned_of_with_both_days() {
    let promise = "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\n";
    let fresh = ADVISORY.replace("\"modified\": \"2024-01-02", "\"modified\": \"2024-06-02");
    let said = |advisory: &str, kev: &[&str], day: &str| {
        let feeds = [&[advisory][..], kev].concat();
        read(&fleet(1), &feeds, promise, day, 1.0).warnings.join("; ")
    };
    let old = said(&fresh, &[KEV], "2024-06-03");
    assert!(old.contains("the newest KEV entry is of 2024-02-01, other feeds reach to 2024-06-02"), "{old}");
    assert!(!said(ADVISORY, &[KEV], "2024-02-03").contains("KEV"), "both are of the same time");
    assert!(!said(&fresh, &[], "2024-06-03").contains("KEV"), "there is none");
    assert!(!said(&fresh, &[KEV], "2024-02-03").contains("KEV"), "on that day it was the newest");
}

#[test]
fn a_missing_fact_is_named() {
    let undated = ADVISORY.replace("\"published\": \"2024-01-02T00:00:00Z\", ", "");
    let report = read(&fleet(1), &[&undated], CONTRACT, "2024-02-10", 10.0);
    let clock = open(&report);
    assert_eq!((clock.state, clock.due), (State::Unknown, None));
    assert!(
        clock.evidence.starts_with("missing: the day on which its fix was published"),
        "{}",
        clock.evidence
    );
    // No feed covers the component at all.
    let report = read(&fleet(1), &[KEV], CONTRACT, "2024-02-10", 10.0);
    assert!(report.promises[0].counts[&State::Unknown] >= 2);
    assert!(
        report.clocks.iter().all(|it| it.evidence.starts_with("missing: a feed that covers")),
        "{report:#?}"
    );
}

#[test]
fn releases_leave_at_their_end_and_new_ones_arrive() {
    let promises = "[[promise]]\nid = \"leave\"\nkind = \"leave-end-of-life\"\ndays = 10\n\
                    [[promise]]\nid = \"new\"\nkind = \"release-supported-within\"\ndays = 548\n";
    let at = |day, feeds: &[&str]| read(&fleet(1), feeds, promises, day, 10.0);
    let state = |report: &Report, promise: &str| {
        let clock = report.clocks.iter().find(|it| it.promise == promise);
        clock.map(|it| (it.state, it.subject.clone(), it.due))
    };
    let nine = || "almalinux 9".to_owned();
    let leave = |day| state(&at(day, &[ENDS]), "leave").unwrap();
    assert_eq!(leave("2024-02-01"), (State::NotStarted, nine(), Some(date(2024, 3, 11))));
    assert_eq!(leave("2024-03-05"), (State::DueSoon, nine(), Some(date(2024, 3, 11))));
    assert_eq!(leave("2024-03-12"), (State::Breached, nine(), Some(date(2024, 3, 11))));
    // 10 appeared on 2025-05-27; 8 is older than what is in use.
    assert_eq!(state(&at("2024-03-12", &[ENDS]), "new"), None);
    let ten = || "almalinux 10".to_owned();
    let due = date(2026, 11, 26);
    assert_eq!(state(&at("2025-06-01", &[ENDS]), "new"), Some((State::Running, ten(), Some(due))));
    assert_eq!(state(&at("2026-11-27", &[ENDS]), "new"), Some((State::Breached, ten(), Some(due))));
    // Without support periods both are unknown, for every host.
    let blind = at("2024-03-12", &[ADVISORY]);
    for promise in ["leave", "new"] {
        let clock = blind.clocks.iter().find(|it| it.promise == promise).unwrap();
        assert!(clock.state == State::Unknown && clock.evidence.starts_with("missing: "), "{clock:?}");
        assert!(clock.assets.len() >= 2);
    }
}

#[test]
fn a_policy_without_promises_and_a_pace_that_is_none_are_refused() {
    let base = FactBase::new(Vec::new());
    let at: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let assessment = assess(&fleet(1), &base, &Options::at(at));
    let ask = |promises: &str, pace| {
        let settings = Settings { soon_days: 7, hosts_per_day: pace };
        clocks::read(&fleet(1), &base, &assessment, &policy::read(promises).unwrap(), settings).unwrap_err()
    };
    assert_eq!(ask("", 1.0), ClockError::NoPromise);
    for pace in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(ask(CONTRACT, pace), ClockError::Pace(_)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_faster_pace_never_breaches_more_and_the_order_of_hosts_is_nothing(
        old in 1_usize..20, pace in 0.1_f64..5.0, more in 0.0_f64..5.0, turn in 0_usize..20,
    ) {
        let late = |fleet: &Fleet, pace| read(fleet, &[ADVISORY], CONTRACT, "2024-01-26", pace);
        let fleet = fleet(old);
        let slow = late(&fleet, pace);
        let sum = |report: &Report| report.forecast.iter().map(|it| it.assets).sum::<usize>();
        prop_assert!(sum(&late(&fleet, pace + more)) <= sum(&slow));
        let mut turned = fleet;
        let length = turned.hosts.len();
        turned.hosts.rotate_left(turn % length);
        let again = late(&turned, pace);
        prop_assert_eq!(&again, &slow);
        let named: BTreeSet<_> = slow.clocks.iter().flat_map(|it| &it.assets).collect();
        prop_assert!(named.len() > old);
    }
}

/// Clocks x assets in one state, by tenant and promise.
fn counts(fleet: &Fleet, promises: &str, report: &Report, state: State) -> Vec<(String, String, usize)> {
    let rows = clocks::by_tenant(fleet, &policy::read(promises).unwrap(), report);
    let count = |it: clocks::TenantClocks| {
        assert_eq!(it.counts.len(), State::ALL.len(), "every state is there");
        (it.tenant.map_or("-".to_owned(), |it| it.to_string()), it.promise, it.counts[&state])
    };
    rows.into_iter().map(count).collect()
}

#[test]
fn clocks_are_counted_for_each_tenant_above_a_host_and_once_without_one() {
    let row = |tenant: &str, promise: &str, count| (tenant.to_owned(), promise.to_owned(), count);
    let fleet = fleet(3);
    let report = read(&fleet, &[ADVISORY], CONTRACT, "2024-02-02", 1.0);
    // old-01 is beneath tenant a; on old-02 and old-03 nobody stands; what b stands on is fixed.
    let found = counts(&fleet, CONTRACT, &report, State::Breached);
    assert_eq!(found, [row("a", "contract", 1), row("b", "contract", 0), row("-", "contract", 2)]);
    let all: usize = found.iter().map(|it| it.2).sum();
    assert_eq!(all, report.promises[0].counts[&State::Breached], "nothing is lost or counted twice here");

    // A promise to tenant a is none to a neighbour on the same host.
    let to_a = format!("{CONTRACT}scope = {{ tenants = [\"a\"] }}\n");
    let mut shared = fleet;
    shared.vms[1].host = shared.vms[0].host.clone();
    let report = read(&shared, &[ADVISORY], &to_a, "2024-02-02", 1.0);
    assert_eq!(counts(&shared, &to_a, &report, State::Breached), [row("a", "contract", 1)]);
    let report = read(&shared, &[ADVISORY], CONTRACT, "2024-02-02", 1.0);
    let found = counts(&shared, CONTRACT, &report, State::Breached);
    assert_eq!(found[..2], [row("a", "contract", 1), row("b", "contract", 1)], "one host, two tenants");
}

#[test]
fn the_clocks_of_a_tenant_are_without_those_of_others_and_in_the_queue_of_all() {
    let (fleet, policy) = (fleet(3), policy::read(CONTRACT).unwrap());
    // One host every second day, due on the next one: all three that wait are late.
    let report = read(&fleet, &[ADVISORY], CONTRACT, "2024-01-31", 0.5);
    let all = clocks::Answer::of(&fleet, &policy, report);
    let of = |name: &str| all.of_tenant(&fleet, &policy, &clocks::tenant_named(&fleet, name).unwrap());
    let (a, b) = (of("a"), of("b"));
    let assets = |it: &clocks::Answer| -> BTreeSet<String> {
        it.report.clocks.iter().flat_map(|it| &it.assets).map(|it| it.id.to_string()).collect()
    };
    let theirs = |it: &clocks::Answer, own: &[&str]| assets(it).iter().all(|it| own.contains(&it.as_str()));
    assert!(assets(&a).contains("old-01") && theirs(&a, &["old-01", "vm-a"]), "{:?}", assets(&a));
    assert!(theirs(&b, &["new-01", "vm-b"]), "{:?}", assets(&b));
    assert!(assets(&all).contains("old-03"));
    // Counts, queue and forecast are theirs too.
    assert_eq!((all.report.hosts_to_patch, a.report.hosts_to_patch, b.report.hosts_to_patch), (3, 1, 0));
    let breach = |it: &clocks::Answer| it.report.clocks.iter().map(|it| it.will_breach).sum::<usize>();
    assert_eq!((breach(&all), breach(&a), breach(&b)), (3, 1, 0));
    assert_eq!(a.report.promises[0].counts[&State::DueSoon], 1);
    assert!(a.tenants.iter().all(|it| it.tenant.as_ref().unwrap().as_str() == "a") && !a.tenants.is_empty());
    assert_eq!(
        clocks::tenant_named(&fleet, "c").unwrap_err(),
        "found tenant \"c\", expected one of the fleet: it has a, b"
    );
    // A promise to another tenant is none of theirs.
    let to_a = format!("{CONTRACT}scope = {{ tenants = [\"a\"] }}\n");
    let to_a = policy::read(&to_a).unwrap();
    assert!(
        all.of_tenant(&fleet, &to_a, &clocks::tenant_named(&fleet, "b").unwrap()).report.promises.is_empty()
    );
}

/// An empty list could be read as kept.
#[test]
fn that_a_tenant_has_no_guest_is_said_beside_their_clocks() {
    let mut fleet = fleet(1);
    fleet.tenants.push(fleet::Tenant::new(underpin_model::id::TenantId::new("idle").unwrap()));
    let policy = policy::read(CONTRACT).unwrap();
    let all = clocks::Answer::of(&fleet, &policy, read(&fleet, &[ADVISORY], CONTRACT, "2024-01-10", 1.0));
    let said = |name: &str| {
        let own = all.of_tenant(&fleet, &policy, &clocks::tenant_named(&fleet, name).unwrap());
        own.report.warnings.join("; ")
    };
    assert!(
        said("idle").contains("tenant idle has no guest in the fleet: no clock is theirs"),
        "{}",
        said("idle")
    );
    assert!(!said("a").contains("no guest"));
}

/// An accepted risk in a scope.
fn accepted(scope: &str) -> String {
    format!(
        "{CONTRACT}[[accepted_risk]]\nvulnerability = \"CVE-2023-0001\"\nowner = \"head of operations\"\n\
         expires = \"2024-02-10\"\nreason = \"the vendor's fix breaks our backups\"\n{scope}"
    )
}

#[test]
fn an_accepted_risk_stops_a_clock_until_it_expires_and_not_a_second_longer() {
    // Due on 2024-02-01, accepted up to and with 2024-02-10.
    let at = |moment| read_at(&fleet(2), &[ADVISORY], &accepted(""), moment, 10.0);
    for moment in ["2024-01-10T00:00:00Z", "2024-02-02T00:00:00Z", "2024-02-10T23:59:59Z"] {
        let report = at(moment);
        let clock = open(&report);
        assert_eq!((clock.state, clock.due), (State::Accepted, Some(date(2024, 2, 1))), "{moment}");
        let acceptance = clock.accepted.as_ref().unwrap();
        assert_eq!(
            (acceptance.owner.as_str(), acceptance.expires),
            ("head of operations", date(2024, 2, 10))
        );
        assert!(!acceptance.expired && acceptance.reason.contains("backups"));
        assert!(clock.evidence.ends_with("accepted up to and with 2024-02-10, by head of operations"));
        assert!(!report.promises[0].broken);
        assert_eq!(report.promises[0].counts[&State::Accepted], 2);
    }
    let late = at("2024-02-11T00:00:00Z");
    let clock = open(&late);
    assert_eq!(clock.state, State::Breached, "one second later it is broken again");
    assert!(clock.accepted.as_ref().unwrap().expired && late.promises[0].broken);
    assert!(clock.evidence.contains("accepted until 2024-02-10, which has passed"), "{}", clock.evidence);
    // What is done stays done: there is nothing to accept.
    let done = late.clocks.iter().find(|it| it.assets.iter().any(|it| &*it.id == "new-01")).unwrap();
    assert!(done.accepted.is_none());
}

#[test]
fn an_acceptance_holds_in_its_scope_and_for_tenants_who_share_no_host() {
    let states = |fleet: &Fleet, scope: &str| {
        let report = read(fleet, &[ADVISORY], &accepted(scope), "2024-02-05", 10.0);
        let counts = &report.promises[0].counts;
        (counts[&State::Accepted], counts[&State::Breached])
    };
    let three = fleet(3);
    assert_eq!(states(&three, ""), (3, 0));
    assert_eq!(states(&three, "scope = { hosts = [\"old-02\"] }\n"), (1, 2));
    assert_eq!(states(&three, "scope = { platforms = [\"esxi\"] }\n"), (0, 3));
    // Of the hosts that are open, tenant a stands on old-01 alone.
    assert_eq!(states(&three, "scope = { tenants = [\"a\"] }\n"), (1, 2));
    let mut shared = three;
    shared.vms[1].host = shared.vms[0].host.clone();
    assert_eq!(states(&shared, "scope = { tenants = [\"a\"] }\n"), (0, 3), "tenant b did not agree");
    assert_eq!(states(&shared, "scope = { tenants = [\"a\", \"b\"] }\n"), (1, 2));
    // Another vulnerability is none of its business.
    let other = accepted("").replace("CVE-2023-0001", "CVE-2023-0002");
    let report = read(&shared, &[ADVISORY], &other, "2024-02-05", 10.0);
    assert_eq!(open(&report).state, State::Breached);
}

#[test]
fn an_accepted_clock_breaches_the_day_after_the_acceptance_at_the_earliest() {
    // Twelve hosts, one a day from 2024-01-29: the last has its turn on 2024-02-09, within the acceptance.
    let plan = |pace| read(&fleet(12), &[ADVISORY], &accepted(""), "2024-01-28", pace).forecast;
    assert_eq!(plan(1.0), []);
    let slow = plan(0.5);
    assert_eq!((slow.len(), slow[0].assets, slow[0].on), (1, 6, date(2024, 2, 11)));
}

/// A VM and an image with the open version, beside the hosts.
fn with_guests() -> Fleet {
    let set = r#"{"family": "almalinux", "train": "9", "components": [
        {"name": "qemu-kvm-core", "version": "17:8.2.0-10.el9", "arch": "x86_64", "running_version": "17:8.2.0-10.el9"}]}"#;
    let text = format!(
        r#"{{"format": "underpin/fleet/1", "name": "t", "seen": {{"at": "2024-01-03T00:00:00Z", "by": "hand"}},
        "hosts": [{{"id": "old-01", "components": {set}}}],
        "vms": [{{"id": "vm-1", "host": "old-01", "power": "on", "components": {set}}},
                {{"id": "vm-2", "host": "old-01", "power": "on", "components": {set}}}],
        "management_planes": [{{"id": "plane", "components": {set}}}]}}"#
    );
    fleet::read(text.as_bytes()).unwrap().fleet
}

#[test]
fn what_is_no_host_has_a_forecast_where_a_pace_is_planned_and_is_unknown_elsewhere() {
    let at = |maintenance: &str| {
        let policy = format!("{maintenance}{CONTRACT}");
        read(&with_guests(), &[ADVISORY], &policy, "2024-01-31", 10.0)
    };
    let blind = at("");
    assert_eq!(blind.forecast, []);
    let said: Vec<&str> = blind.forecast_unknown.iter().map(|it| it.sentence.as_str()).collect();
    let expected = [
        "2 VMs wait for a fix under \"contract\"; no pace is planned for VMs: whether they breach is unknown",
        "1 management plane waits for a fix under \"contract\"; no pace is planned for management planes: whether it breaches is unknown",
    ];
    assert_eq!(said, expected);
    assert_eq!(blind.clocks.iter().map(|it| it.forecast_unknown).sum::<usize>(), 3);
    // One VM a day from 2024-02-01: the second is a day late. Half a plane a day: its turn is on 2024-02-02.
    let planned = at("[maintenance]\nvms_per_day = 1.0\nplanes_per_day = 0.5\n");
    let said: Vec<&str> = planned.forecast.iter().map(|it| it.sentence.as_str()).collect();
    let expected = [
        "at the planned pace 1 VM breaches \"contract\" on 2024-02-02",
        "at the planned pace 1 management plane breaches \"contract\" on 2024-02-02",
    ];
    assert_eq!(said, expected);
    assert_eq!(planned.forecast_unknown, []);
    assert_eq!((planned.hosts_to_patch, planned.all_patched_on), (1, Some(date(2024, 2, 1))), "hosts alone");
    assert!(policy::read("[maintenance]\nvms_per_day = 0.0\n").is_err(), "a pace of none is no pace");
}
