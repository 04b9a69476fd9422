//! Policies replayed over made-up and real history.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::sync::{Arc, OnceLock};

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use underpin_exposure::report::Area;
use underpin_exposure::{FactBase, Feed};
use underpin_model::facts::{DateKind, Document, Family, Period};
use underpin_model::id::{FeedId, VulnerabilityId};
use underpin_model::policy::{self, Parameter, Policy};
use underpin_model::quantity::Loss;
use underpin_model::ssvc::{Automatable, Exploitation};
use underpin_risk::backtest::{
    Assessed, BacktestError, DEFAULT_FLEET, Decision, DecisionRule, History, Hole, Line, Means, Question,
    Release, ReplayFleet, Report, Signals, Why, lines, of_facts, run,
};

const BEGIN: Date = date(2020, 1, 1);

fn question() -> Question {
    Question { from: None, until: None, fleet: DEFAULT_FLEET, epss_at_least: 0.1 }
}

fn builtin() -> Vec<Document> {
    underpin_feeds::builtin::documents().map(|it| it.1.unwrap()).collect()
}

fn base_of(documents: Vec<Document>) -> FactBase {
    FactBase::new(vec![Feed { id: FeedId::new("facts").unwrap(), fetched: None, documents }])
}

fn base() -> &'static FactBase {
    static BASE: OnceLock<FactBase> = OnceLock::new();
    BASE.get_or_init(|| base_of(builtin()))
}

fn esxi(line: &str) -> Line {
    Line { platform: Family::Esxi, line: line.into(), component: "ESXi".into() }
}

fn debian(component: &str) -> Line {
    Line { platform: Family::Debian, line: "bookworm".into(), component: component.into() }
}

fn whole_period() -> Signals {
    let always = Some(Period { from: date(2019, 1, 1), to: date(2040, 1, 1) });
    Signals { kev: always, cvss: always, ssvc: always, epss: always }
}

fn after(days: i64) -> Date {
    BEGIN.checked_add(days.days()).unwrap()
}

/// A line whose releases are cumulative: each hole is closed from one release on.
fn made_up(gaps: &[i64], holes: &[(i64, usize, Option<i64>, f64)]) -> History {
    let mut at = 0;
    let mut releases = Vec::new();
    for (number, gap) in std::iter::once(&0).chain(gaps).enumerate() {
        at += gap;
        releases.push(Release {
            version: format!("r{number}").into(),
            day: after(at),
            train: "1".into(),
            security: Some(false),
        });
    }
    let holes = holes.iter().enumerate().map(|(number, &(published, first, listed, score))| Hole {
        id: VulnerabilityId::new(format!("CVE-2020-{:04}", number + 1)).unwrap(),
        published: after(published),
        day_assumed: false,
        closed_by: (first.clamp(1, releases.len())..releases.len()).collect(),
        listed: listed.map(|it| after(published + it)),
        score: Some((after(published), score)),
        means: None,
        assessed: Some((
            after(published),
            Assessed { exploitation: Exploitation::Poc, automatable: Automatable::Yes },
        )),
        predicted: vec![(after(published), score / 10.0)],
    });
    History {
        platform: "made-up".to_owned(),
        line: "1".to_owned(),
        component: "it".to_owned(),
        dates: DateKind::Published,
        holes: holes.collect(),
        releases,
        bad: Vec::new(),
        signals: whole_period(),
    }
}

fn value(report: &Report, policy: &str, of: impl Fn(&underpin_risk::backtest::Measures) -> f64) -> f64 {
    let row = report.policies.iter().find(|it| it.policy == policy).unwrap_or_else(|| panic!("{policy}"));
    of(row.measures.as_ref().unwrap_or_else(|| panic!("{policy}: {:?}", row.reason)))
}

fn exposure(report: &Report, policy: &str) -> f64 {
    value(report, policy, |it| it.exposure_days.map_or(0.0, |it| it.value))
}

/// No number of an answer is NaN or infinite: JSON writes these as null.
fn assert_finite(report: &Report) {
    fn walk(value: &serde_json::Value, path: &str) {
        match value {
            serde_json::Value::Null => panic!("{path} is null"),
            serde_json::Value::Array(all) => {
                all.iter().enumerate().for_each(|(at, it)| walk(it, &format!("{path}/{at}")));
            }
            serde_json::Value::Object(all) => {
                for (name, it) in all {
                    walk(it, &format!("{path}/{name}"));
                }
            }
            _ => {}
        }
    }
    walk(&serde_json::to_value(report).unwrap(), "");
}

#[test]
fn a_small_history_is_counted_by_hand() {
    // One release after 60 days closes the one hole, public since day 50, and 140 days follow.
    let history = made_up(&[60, 140], &[(50, 1, Some(20), 9.8)]);
    let mut policy = Policy::default();
    policy.maintenance.hosts_per_day = 100.0;
    let report = run(&history, &question(), &policy).unwrap();
    // At once: the release of day 60 is seen and installed on day 61; open on days 50 to 60.
    assert_eq!(exposure(&report, "at once"), 1100.0);
    assert_eq!(value(&report, "at once", |it| it.exploited_exposure_days.map_or(0.0, |it| it.value)), 0.0);
    assert_eq!(value(&report, "at once", |it| it.restricted_mean_days_to_patch.unwrap().value), 1.0);
    // 30 days old on day 90; listed since day 70: exploited on days 70 to 89.
    assert_eq!(exposure(&report, "after 30 days"), 4000.0);
    assert_eq!(
        value(&report, "after 30 days", |it| it.exploited_exposure_days.map_or(0.0, |it| it.value)),
        2000.0
    );
    // KEV on day 70 is seen on day 71. The last release closes nothing: no maintenance for it.
    assert_eq!(exposure(&report, "KEV only"), 2100.0);
    assert_eq!(value(&report, "KEV only", |it| it.maintenances.value), 1.0);
    assert_eq!(value(&report, "KEV only", |it| it.host_reboots.value), 100.0);
    assert_eq!(value(&report, "CVSS >= 9.0", |it| it.exposure_days.map_or(0.0, |it| it.value)), 1100.0);
    // Quarterly: 1 April 2020 is day 91.
    assert_eq!(exposure(&report, "quarterly window"), 4100.0);
    // Ten hosts a day: 100 + 90 + ... host-days more.
    let slow = run(&history, &question(), &Policy::default()).unwrap();
    assert_eq!(exposure(&slow, "at once"), 1100.0 + f64::from((1..10).sum::<i32>() * 10));
    assert_finite(&report);
}

#[test]
fn what_is_never_patched_is_not_fast() {
    // The fix of day 60; a second hole has none, and a third is published after its own.
    let history = made_up(&[60, 140], &[(50, 1, None, 5.0), (70, 9, None, 5.0), (150, 1, None, 5.0)]);
    let mut policy = Policy::default();
    policy.maintenance.hosts_per_day = 100.0;
    let report = run(&history, &question(), &policy).unwrap();
    let to_patch = |policy| {
        let never = value(&report, policy, |it| it.never_patched.unwrap() as f64);
        (value(&report, policy, |it| it.restricted_mean_days_to_patch.unwrap().value), never)
    };
    // The third hole was never open on hosts that run the fix of the first.
    assert_eq!(to_patch("at once"), (1.0, 0.0));
    let end = (report.period.to - BEGIN).get_days();
    // The last day of the span is one of those on which they stand open.
    let mean = f64::from((end + 1 - 60) + (end + 1 - 150)) / 2.0;
    assert_eq!(to_patch("KEV only"), (mean, 200.0));
    let exposed = f64::from((end + 1 - 50) + (end + 1 - 70) + (end + 1 - 150));
    assert_eq!(exposure(&report, "KEV only"), 100.0 * exposed, "days to patch and exposure count alike");
    assert!(value(&report, "KEV only", |it| it.open_at_end.unwrap() as f64) == 300.0);
}

#[test]
fn an_early_replacement_is_a_repair_unless_it_closes_something() {
    let facts = base();
    let history = of_facts(facts, &esxi("6.7"), &[]).unwrap();
    assert!(history.bad.iter().all(|it| it.why != Why::Withdrawn));
    let early = |history: &History| history.bad.iter().filter(|it| it.why != Why::Withdrawn).count();
    assert!(early(&history) > 0, "{:?}", history.bad);
    let seven = of_facts(facts, &esxi("7.0"), &[]).unwrap();
    let withdrawn: Vec<&str> =
        seven.bad.iter().filter(|it| it.why == Why::Withdrawn).map(|it| &*it.version).collect();
    assert_eq!(withdrawn, ["18644231", "18825058", "18905247"]);
}

/// A CVE record names fixes as `ESXi70U3p-23307199`; the table of builds as 23307199.
#[test]
fn a_cve_record_says_which_esxi_release_closes_it() {
    let record = br#"{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2024-22252",
        "assignerOrgId":"dcf2e128-44bd-42ed-91e8-88f912c1401d","state":"PUBLISHED","datePublished":"2024-03-05T17:57:22Z"},
        "containers":{"cna":{"providerMetadata":{"orgId":"dcf2e128-44bd-42ed-91e8-88f912c1401d"},
        "affected":[{"vendor":"n/a","product":"VMware ESXi","defaultStatus":"unaffected","versions":[
        {"version":"7.0","lessThan":"ESXi70U3p-23307199","status":"affected","versionType":"custom"}]}],
        "metrics":[{"cvssV3_1":{"version":"3.1","vectorString":"CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}}]}}}"#;
    let underpin_feeds::Parsed::Document(document) = underpin_feeds::parse(record).unwrap() else { panic!() };
    let mut documents = builtin();
    documents.push(*document);
    let history = of_facts(&base_of(documents), &esxi("7.0"), &[]).unwrap();
    assert_eq!(history.holes.len(), 1);
    let hole = &history.holes[0];
    let closed: Vec<&str> = hole.closed_by.iter().map(|it| &*history.releases[*it].version).collect();
    assert_eq!(closed, ["23307199", "23794027", "24411414", "24585291", "24723872"]);
    assert_eq!(hole.published, date(2024, 3, 5));
    assert!(!hole.day_assumed && hole.score.is_some_and(|it| it.0 == date(2024, 3, 5) && it.1 > 9.0));
    let report = run(&history, &question(), &Policy::default()).unwrap();
    // U3p of 2024-04-11 is seen on the 12th: ten hosts with a delay of 1 day, ten with 2, ... ten with 10.
    assert_eq!(value(&report, "at once", |it| it.restricted_mean_days_to_patch.unwrap().value), 5.5);
    assert_eq!(value(&report, "CVSS >= 9.0", |it| it.maintenances.value), 1.0);
}

#[test]
fn a_withdrawn_release_is_taken_by_who_hurries_and_not_by_who_waits() {
    let history = of_facts(base(), &esxi("7.0"), &[]).unwrap();
    let report = run(&history, &question(), &Policy::default()).unwrap();
    let withdrawn = |policy: &str| value(&report, policy, |it| it.withdrawn_taken as f64);
    assert_eq!((withdrawn("at once"), withdrawn("after 90 days")), (3.0, 0.0));
    assert!(withdrawn("after 30 days") >= 1.0, "U3 stood for more than 30 days");
    let taken = |policy: &str| &report.policies.iter().find(|it| it.policy == policy).unwrap().taken;
    let late = taken("at once").iter().any(|it| it.version == "18905247" && it.day > date(2021, 11, 20));
    assert!(!late, "a withdrawn release is not begun any more");
    // 7.0 U1e and U2e of 2022-02-15 are for older trains: nobody on U3c takes a step back.
    assert!(taken("at once").iter().all(|it| !["19324898", "19290878"].contains(&it.version.as_str())));
}

#[test]
fn a_policy_without_a_published_signal_is_not_evaluable_and_says_why() {
    let report =
        run(&of_facts(base(), &debian("xen"), &[]).unwrap(), &question(), &Policy::default()).unwrap();
    let reason = |policy: &str| {
        let row = report.policies.iter().find(|it| it.policy == policy).unwrap();
        assert!(row.evaluable == row.measures.is_some());
        row.reason.clone().unwrap_or_default()
    };
    assert!(
        reason("EPSS >= 0.1").contains("no EPSS history")
            && reason("EPSS >= 0.1").contains("bring dated EPSS files")
    );
    // The index of CVEs has decision points without a day: they count for no day.
    assert!(reason("SSVC").starts_with("not evaluable"), "{}", reason("SSVC"));
    // No vulnerability is known of ESXi 7.0 from the built-in facts: exposure is unknown, not 0, and nobody wins by it.
    let blind = run(&of_facts(base(), &esxi("7.0"), &[]).unwrap(), &question(), &Policy::default()).unwrap();
    assert!(blind.policies.iter().filter_map(|it| it.measures.as_ref()).all(|it| it.exposure_days.is_none()));
    for it in blind.policies.iter().filter_map(|it| it.measures.as_ref()) {
        assert!(
            it.loss.total.is_none() && it.loss.exposure.is_none(),
            "what exposure cost is unknown, not 0"
        );
        assert_eq!(it.days_without_facts as i64, i64::from((it.period.to - it.period.from).get_days()) + 1);
    }
    assert!(blind.notes.iter().any(|it| it.contains("no fact tells what they close")), "{:?}", blind.notes);
    assert_eq!(blind.frontier_axes[0], "lag_days");
    assert!(value(&blind, "underpin", |it| it.maintenances.value) > 0.0);
    let old = run(&of_facts(base(), &esxi("4.1"), &[]).unwrap(), &question(), &Policy::default()).unwrap();
    let kev = old.policies.iter().find(|it| it.policy == "KEV only").unwrap();
    let before_kev = old.policies[0].measures.as_ref().unwrap();
    assert!(before_kev.exposure_days.is_some() && before_kev.exploited_exposure_days.is_none());
    assert!(!kev.evaluable && kev.reason.as_ref().unwrap().contains("2021-11-03"), "{kev:?}");
    assert!(old.policies.iter().find(|it| it.policy == "at once").unwrap().measures.is_some());
}

#[test]
fn a_signal_of_one_day_within_the_span_is_not_outside_of_it() {
    let mut history = made_up(&[60, 140], &[(50, 1, Some(5), 5.0)]);
    let one = after(55);
    history.signals.kev = Some(Period { from: one, to: one });
    let reason = |history: &History| {
        let report = run(history, &question(), &Policy::default()).unwrap();
        report.policies.into_iter().find(|it| it.policy == "KEV only").unwrap().reason.unwrap()
    };
    let said = reason(&history);
    assert!(
        said.contains(&format!("hold KEV entries of {one} alone")) && !said.contains("outside"),
        "{said}"
    );
    history.signals.kev = Some(Period { from: after(-9), to: after(-9) });
    assert!(reason(&history).contains("outside of"));
}

/// The same days of the same holes: what they cost is said by their vectors.
#[test]
fn what_exposure_costs_is_said_by_the_vectors() {
    let with = |vector: Option<&str>| {
        let mut history = made_up(&[60, 140], &[(50, 1, Some(5), 5.0), (60, 2, None, 5.0)]);
        for hole in &mut history.holes {
            let effects = vector.map(|it| underpin_model::cvss::effects(it).unwrap());
            hole.means = effects.map(|it| (Some(hole.published), Means::of(Area::VmmCore, Some(&it))));
        }
        run(&history, &question(), &Policy::default()).unwrap()
    };
    let lost = |report: &Report| value(report, "KEV only", |it| it.loss.exposure.unwrap());
    let [network, down, touch] =
        ["AV:N", "AV:N", "AV:P"].map(|way| format!("CVSS:3.1/{way}/AC:L/PR:N/UI:N/S:U"));
    let all = with(Some(&format!("{network}/C:H/I:H/A:H")));
    let down = with(Some(&format!("{down}/C:N/I:N/A:H")));
    let touch = with(Some(&format!("{touch}/C:H/I:H/A:H")));
    let none = with(Some(&format!("{network}/C:N/I:N/A:N")));
    assert!(lost(&down) > 0.0 && lost(&down) < 0.5 * lost(&all), "{} of {}", lost(&down), lost(&all));
    assert!(lost(&touch) > 0.0 && lost(&touch) < lost(&all));
    assert_eq!(lost(&none), 0.0);
    assert_eq!(exposure(&all, "KEV only"), exposure(&none, "KEV only"), "the days are the same");
    // Without a vector half of what stands there is lost, by any way.
    assert!(lost(&with(None)) > 0.0);
    let told = |report: &Report, count: &str| report.notes.iter().any(|it| it.contains(count));
    assert!(
        told(&all, "0 of 2 have no vector") && told(&with(None), "2 of 2 have no vector"),
        "{:?}",
        all.notes
    );
}

#[test]
fn dated_epss_files_make_their_policy_evaluable_over_their_days_only() {
    let history = of_facts(base(), &debian("linux"), &[]).unwrap();
    let (from, to) = (history.releases[3].day, history.releases.last().unwrap().day);
    let files: Vec<Document> = [(from, 0.01), (to, 0.95)]
        .map(|(day, score)| {
            let rows: String =
                history.holes.iter().map(|it| format!("{},{score},0.5\n", it.id.as_str())).collect();
            let text = format!(
                "#model_version:v2023.03.01,score_date:{day}T00:00:00+0000\ncve,epss,percentile\n{rows}"
            );
            let underpin_feeds::Parsed::Document(document) = underpin_feeds::parse(text.as_bytes()).unwrap()
            else {
                panic!("no EPSS file")
            };
            *document
        })
        .into();
    let report =
        run(&of_facts(base(), &debian("linux"), &files).unwrap(), &question(), &Policy::default()).unwrap();
    let row = report.policies.iter().find(|it| it.policy == "EPSS >= 0.1").unwrap();
    let measures = row.measures.as_ref().unwrap();
    assert_eq!((measures.period.from, measures.period.to), (from, to));
    // The high score of the last day is seen on no day of the span.
    assert_eq!(measures.maintenances.value, 0.0);
}

/// The world goes on differently after a day: what was decided until that day stays.
fn assert_no_leak(history: &History, day: Date) {
    let mut changed = history.clone();
    changed.releases.retain(|it| it.day < day);
    let kept = changed.releases.len();
    if kept < 2
        || day > history.span().unwrap().to
        || history.releases.iter().skip(kept).any(|it| it.day < day)
    {
        // Only where the cut keeps the order of replacement.
        return;
    }
    changed.bad.retain(|it| it.known < day);
    changed.holes.retain(|it| it.published < day);
    for hole in &mut changed.holes {
        hole.closed_by.retain(|it| *it < kept);
        hole.listed = hole.listed.filter(|it| *it < day);
        hole.predicted.retain(|it| it.0 < day);
    }
    // And a future that never was: a flood of releases, everything listed the same day.
    for number in 0..30 {
        changed.releases.push(Release {
            version: format!("new{number}").into(),
            day: day.checked_add(number.days()).unwrap(),
            train: "1".into(),
            security: Some(true),
        });
    }
    for hole in &mut changed.holes {
        hole.listed = hole.listed.or(Some(day));
        hole.closed_by.extend(kept..kept + 30);
    }
    let until = day.checked_add(40.days()).unwrap();
    let ask = |history: &History, until| {
        let question = Question { until: Some(until), ..question() };
        run(history, &question, &Policy::default()).unwrap()
    };
    let whole = ask(history, history.span().unwrap().to);
    changed.releases.push(Release { version: "end".into(), day: until, train: "1".into(), security: None });
    let other = ask(&changed, until);
    for (a, b) in whole.policies.iter().zip(&other.policies) {
        let until_day = |row: &underpin_risk::backtest::Row| -> Vec<_> {
            row.taken.iter().filter(|it| it.day <= day).cloned().collect()
        };
        assert_eq!(until_day(a), until_day(b), "{} knew what came after {day}", a.policy);
    }
}

#[test]
fn no_real_decision_knows_the_future() {
    for line in [esxi("7.0"), esxi("6.5"), debian("xen")] {
        let mut history = of_facts(base(), &line, &[]).unwrap();
        // All signals on, so that every policy decides.
        history.signals = whole_period();
        let days: Vec<Date> = history.releases.iter().map(|it| it.day).collect();
        for day in days.iter().skip(2).step_by(4) {
            assert_no_leak(&history, *day);
            assert_no_leak(&history, day.checked_add(3.days()).unwrap());
        }
    }
}

/// The same from the other end: facts that were never read change no earlier decision.
#[test]
fn facts_of_later_days_change_no_history_before_them() {
    let day = date(2022, 6, 1);
    let late =
        |at: Option<jiff::Timestamp>| at.is_some_and(|it| it.to_zoned(jiff::tz::TimeZone::UTC).date() >= day);
    let mut documents = builtin();
    for document in &mut documents {
        document.releases.retain(|it| it.date < day);
        document.vulnerabilities.retain(|it| !late(it.published));
        document.advisories.retain(|it| !late(it.published));
        for facts in &mut document.vulnerabilities {
            facts.kev = facts.kev.take().filter(|it| it.added < day);
        }
    }
    let early = base_of(documents);
    for line in [esxi("7.0"), esxi("6.5")] {
        let taken = |base: &FactBase| {
            let history = of_facts(base, &line, &[]).unwrap();
            let report = run(&history, &question(), &Policy::default()).unwrap();
            let rows = report.policies.into_iter().filter(|it| it.signal_for.is_none() && it.evaluable);
            rows.map(|it| (it.policy, it.taken.into_iter().filter(|it| it.day < day).collect::<Vec<_>>()))
                .collect::<Vec<_>>()
        };
        let (cut, whole) = (taken(&early), taken(base()));
        assert!(cut.len() >= 8 && cut.iter().any(|it| it.1.len() > 3));
        // The span ends with the last release of the cut facts; until then both decide alike.
        let end = of_facts(&early, &line, &[]).unwrap().span().unwrap().to;
        for ((policy, a), (_, b)) in cut.iter().zip(&whole) {
            let b: Vec<_> = b.iter().filter(|it| it.day <= end).cloned().collect();
            assert_eq!(*a, b, "{policy}");
        }
    }
}

/// A policy that tries: it takes whatever it can get at, on the day before a release.
#[test]
fn a_cheat_gets_nothing_from_a_view() {
    struct Cheat(Arc<std::sync::Mutex<Vec<(Date, String)>>>);
    impl DecisionRule for Cheat {
        fn decide(&self, view: &underpin_risk::backtest::View<'_>) -> Decision {
            // Age 0 and below, the newest of all, everything that a view can be asked.
            let best = view.newest(i64::MIN);
            if let Some(best) = best {
                self.0.lock().unwrap().push((view.today(), view.version(best).to_owned()));
            }
            Decision::Stay
        }
    }
    let history = made_up(&[50, 50, 50], &[(10, 1, None, 5.0)]);
    let seen = Arc::default();
    let cheat = Cheat(Arc::clone(&seen));
    underpin_risk::backtest::replay_rule(&history, &cheat, &question(), &Policy::default()).unwrap();
    for (day, version) in seen.lock().unwrap().iter() {
        let release = history.releases.iter().find(|it| *it.version == **version).unwrap();
        assert!(release.day < *day, "{version} of {} was seen on {day}", release.day);
    }
    assert_eq!(seen.lock().unwrap().first().unwrap().0, after(51));
}

#[test]
fn real_lines_are_replayed_and_hurry_has_the_least_exposure() {
    let all = lines(base());
    assert!(all.contains(&esxi("8.0")) && all.contains(&debian("qemu")), "{all:?}");
    for line in [esxi("5.5"), esxi("6.0"), esxi("7.0"), debian("xen"), debian("qemu")] {
        let history = of_facts(base(), &line, &[]).unwrap();
        let report = run(&history, &question(), &Policy::default()).unwrap();
        assert_finite(&report);
        let least = report
            .policies
            .iter()
            .filter_map(|it| it.common.as_ref())
            .map(|it| it.exposure_days.map_or(0.0, |it| it.value));
        let least = least.fold(f64::INFINITY, f64::min);
        let at_once = report.policies[0].common.as_ref().unwrap().exposure_days.map_or(0.0, |it| it.value);
        assert_eq!(at_once, least, "{line}");
        assert!(report.policies.iter().any(|it| it.on_frontier));
        assert!(report.policies.iter().any(|it| it.evaluable && !it.on_frontier), "{line}");
    }
}

/// Lines of other platforms than VMware's: which release closes what, and that the replay counts it.
#[test]
fn proxmox_xcp_ng_and_hyper_v_lines_are_replayed() {
    for (platform, line, component, id, fixed) in [
        (Family::Proxmox, "8", "pve-qemu-kvm", "CVE-2024-4467", "9.0.0-5"),
        (Family::XcpNg, "8.3", "xen", "CVE-2023-20593", "4.13.5-10.48"),
        (Family::Windows, "Windows Server 2019", "Windows Server 2019", "CVE-2021-28476", "5003171"),
    ] {
        let line = Line { platform, line: line.into(), component: component.into() };
        let history = of_facts(base(), &line, &[]).unwrap();
        let hole = history.holes.iter().find(|it| it.id.as_str() == id).unwrap();
        let first = hole.closed_by[0];
        assert_eq!(&*history.releases[first].version, fixed, "{line}");
        assert_eq!(hole.closed_by, (first..history.releases.len()).collect::<Vec<_>>(), "{line}: cumulative");
        let report = run(&history, &question(), &Policy::default()).unwrap();
        assert_finite(&report);
        assert!(exposure(&report, "at once") < exposure(&report, "after 90 days"), "{line}");
        let taken = |policy: &str| value(&report, policy, |it| it.maintenances.value);
        assert!(taken("at once") > taken("quarterly window") && taken("quarterly window") > 0.0, "{line}");
        let hurry = report.policies[0].measures.as_ref().unwrap();
        assert!(hurry.loss.total.is_some() && hurry.days_without_facts > 0, "{line}: {hurry:?}");
        assert!(report.policies.iter().any(|it| it.policy == "underpin" && it.evaluable));
    }
}

#[test]
fn what_no_fact_tells_is_not_evaluable_and_no_line_is_made_up() {
    // No entry of this changelog names a vulnerability.
    let manager = Line { platform: Family::Proxmox, line: "8".into(), component: "pve-manager".into() };
    let report = run(&of_facts(base(), &manager, &[]).unwrap(), &question(), &Policy::default()).unwrap();
    for policy in ["KEV only", "CVSS >= 7.0", "SSVC"] {
        let row = report.policies.iter().find(|it| it.policy == policy).unwrap();
        assert!(row.reason.as_ref().unwrap().starts_with("not evaluable: "), "{row:?}");
    }
    let measures = report.policies[0].measures.as_ref().unwrap();
    assert!(measures.loss.total.is_none());
    assert_eq!(
        (measures.never_patched, measures.open_at_end),
        (None, None),
        "of what nobody knows nothing is 0"
    );
    // Updates of 2012 R2 are not cumulative, and AlmaLinux has no list of releases.
    let product = "Windows Server 2012 R2";
    let old = Line { platform: Family::Windows, line: product.into(), component: product.into() };
    let error = of_facts(base(), &old, &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("no history of windows Windows Server 2012 R2 Windows Server 2012 R2; known are: lines of windows ")
            && error.contains("Windows Server 2022 (Windows Server 2022), "),
        "{error}"
    );
    let none = Line { platform: Family::AlmaLinux, line: "9".into(), component: "qemu-kvm".into() };
    assert!(matches!(of_facts(base(), &none, &[]).unwrap_err(), BacktestError::UnknownLine { .. }));
}

#[test]
fn the_interval_holds_the_value_and_repeats_with_its_seed() {
    let history = of_facts(base(), &esxi("6.0"), &[]).unwrap();
    let ask = |seed| run(&history, &question(), &Policy { seed, ..Policy::default() }).unwrap();
    assert_eq!(ask(1), ask(1));
    assert_ne!(ask(1), ask(2));
    let report = ask(1);
    let measures = report.policies[0].measures.as_ref().unwrap();
    for figure in [
        measures.exposure_days.unwrap(),
        measures.maintenances,
        measures.host_reboots,
        measures.loss.total.unwrap(),
    ] {
        let [low, high] = figure.interval.unwrap();
        assert!(low <= figure.value && figure.value <= high && low < high, "{figure:?}");
    }
    // Two quarters say nothing about the next ones.
    let short =
        Question { until: Some(history.span().unwrap().from.checked_add(120.days()).unwrap()), ..question() };
    let report = run(&history, &short, &Policy::default()).unwrap();
    let measures = report.policies[0].measures.as_ref().unwrap();
    assert!(measures.maintenances.interval.is_none() && measures.lag_days.interval.is_none());
}

#[test]
fn bad_questions_name_the_choices() {
    let error = of_facts(base(), &esxi("9.9"), &[]).unwrap_err().to_string();
    assert!(
        error.contains("esxi 9.9 ESXi")
            && error.contains("lines of esxi ")
            && error.contains(", 7.0 (ESXi), "),
        "{error}"
    );
    let nowhere = Line { platform: Family::Other("nowhere".into()), line: "1".into(), component: "x".into() };
    assert!(of_facts(base(), &nowhere, &[]).unwrap_err().to_string().contains("platforms "), "all platforms");
    let history = made_up(&[60], &[]);
    let ask = |question: Question| run(&history, &question, &Policy::default()).unwrap_err();
    let turned = Question { from: Some(after(30)), until: Some(after(20)), ..question() };
    assert!(matches!(ask(turned), BacktestError::Span { .. }));
    let beyond = Question { until: Some(after(61)), ..question() };
    assert!(ask(beyond).to_string().contains("expected from 2020-01-01 until 2020-03-01"));
    let mut nobody = question();
    nobody.fleet.hosts = 0;
    assert!(matches!(ask(nobody), BacktestError::Fleet { .. }));
    assert!(ask(Question { epss_at_least: f64::NAN, ..question() }).to_string().contains("threshold"));
    // No policy file may say so.
    let mut dear = Policy::default();
    dear.loss.rates.vm_hour_down = Loss::new(1e308).unwrap();
    let holes = made_up(&[60, 60], &[(10, 1, Some(1), 9.0)]);
    assert!(matches!(run(&holes, &question(), &dear), Err(BacktestError::Overflow(_))));
    let bare = Question { fleet: ReplayFleet { vms_per_host: 0.0, ..DEFAULT_FLEET }, ..question() };
    let report = run(&holes, &bare, &Policy::default()).unwrap();
    assert!(report.notes.iter().any(|it| it.starts_with("no VM stands on the hosts")), "{:?}", report.notes);
    let empty = run(&made_up(&[], &[]), &question(), &Policy::default()).unwrap_err();
    assert!(matches!(empty, BacktestError::EmptyHistory(_)));
}

/// Underpin's own policy hurries for what is exploited, and waits where nothing is to be gained.
#[test]
fn the_own_policy_patches_what_is_exploited_and_leaves_what_closes_nothing() {
    let mut history = made_up(&[60, 200], &[(50, 1, Some(12), 9.8)]);
    history.holes[0].predicted.clear();
    let report = run(&history, &question(), &Policy::default()).unwrap();
    let own = report.policies.last().unwrap();
    assert_eq!(own.policy, "underpin");
    assert_eq!(own.taken.iter().map(|it| &*it.version).collect::<Vec<_>>(), ["r1"]);
    assert!(own.taken[0].day > after(62) && own.taken[0].day < after(80), "{:?}", own.taken);
    let nothing = run(&made_up(&[60, 200], &[]), &question(), &Policy::default()).unwrap();
    assert_eq!(value(&nothing, "underpin", |it| it.maintenances.value), 0.0);
    // A policy for which a bad release is a catastrophe waits longer.
    let mut careful = policy::read("[loss]\nvm_hour_down = 10000\n").unwrap();
    careful.parameters = careful.parameters.with(Parameter::HoursAfterCompromise, 0.0);
    let late = run(&history, &question(), &careful).unwrap();
    let taken = late.policies.last().unwrap().taken.first().map(|it| it.day);
    assert!(taken.is_none_or(|it| it > own.taken[0].day), "{taken:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn delay_never_lowers_exposure_and_hurry_has_the_least(
        gaps in prop::collection::vec(1_i64..120, 2..12),
        holes in prop::collection::vec((0_i64..700, 1_usize..12, prop::option::of(0_i64..200), 0.0_f64..10.0), 0..12),
        pace in 1_u32..60,
    ) {
        let history = made_up(&gaps, &holes);
        let mut policy = Policy::default();
        policy.maintenance.hosts_per_day = f64::from(pace);
        let report = run(&history, &question(), &policy).unwrap();
        assert_finite(&report);
        let delays = ["at once", "after 7 days", "after 14 days", "after 30 days", "after 90 days"];
        let days: Vec<f64> = delays.iter().map(|it| exposure(&report, it)).collect();
        prop_assert!(days.windows(2).all(|it| it[0] <= it[1]), "{days:?}");
        for row in &report.policies {
            if let Some(it) = &row.common {
                prop_assert!(report.policies[0].common.as_ref().unwrap().exposure_days.map_or(0.0, |it| it.value) <= it.exposure_days.map_or(0.0, |it| it.value));
            }
        }
    }

    #[test]
    fn no_decision_knows_the_future(
        gaps in prop::collection::vec(1_i64..120, 4..12),
        holes in prop::collection::vec((0_i64..500, 1_usize..12, prop::option::of(0_i64..200), 0.0_f64..10.0), 0..12),
        day in 60_i64..500,
    ) {
        assert_no_leak(&made_up(&gaps, &holes), after(day));
    }
}

/// Where KEV began after the span did and lists nothing of the line, or no vulnerability is known, nobody can know what was exploited.
#[test]
fn exploited_exposure_is_unknown_where_nobody_can_know() {
    let exploited = |history: &History| {
        let report = run(history, &question(), &Policy::default()).unwrap();
        let row = report.policies.iter().find(|it| it.policy == "at once").unwrap();
        let measures = row.measures.clone().unwrap();
        (measures.exploited_exposure_days.map(|it| it.value), measures.days_before_kev, report.notes)
    };
    let mut history = made_up(&[60, 60, 60], &[(10, 2, None, 5.0)]);
    let always = exploited(&history);
    assert_eq!((always.0, always.1), (Some(0.0), 0), "the list was there all the time, and nothing is on it");
    history.signals.kev = Some(Period { from: after(100), to: date(2040, 1, 1) });
    let (value, days, notes) = exploited(&history);
    assert_eq!((value, days), (None, 100));
    assert!(notes.iter().any(|it| it.starts_with("KEV begins on 2020-04-10: ")), "{notes:?}");
    // Something of the line is listed: at least so much.
    let mut listed = made_up(&[60, 60, 60], &[(10, 3, Some(100), 5.0)]);
    listed.signals.kev = history.signals.kev;
    let (value, days, _) = exploited(&listed);
    assert!(value.is_some_and(|it| it > 0.0) && days == 100, "{value:?}");
    history.holes.clear();
    assert_eq!(exploited(&history).0, None);
    let mut without = made_up(&[60, 60, 60], &[(10, 2, None, 5.0)]);
    without.signals.kev = None;
    let (value, _, notes) = exploited(&without);
    assert!(value.is_none() && notes.iter().any(|it| it.contains("hold no KEV entries")), "{notes:?}");
}

/// A feed that states again what is built in, whole or with a later day, adds no release, no bad release and no number.
#[test]
fn a_feed_that_repeats_the_facts_changes_no_row() {
    let repeated = |days: i64| {
        let mut again = builtin();
        for release in again.iter_mut().flat_map(|it| &mut it.releases) {
            release.date = release.date.checked_add(days.days()).unwrap();
        }
        base_of(builtin().into_iter().chain(again).collect())
    };
    let xcp =
        |component: &str| Line { platform: Family::XcpNg, line: "8.3".into(), component: component.into() };
    for twice in [repeated(0), repeated(9)] {
        for line in [esxi("6.5"), esxi("7.0"), xcp("xen"), debian("linux")] {
            let report =
                |base| run(&of_facts(base, &line, &[]).unwrap(), &question(), &Policy::default()).unwrap();
            let (one, two) = (report(base()), report(&twice));
            assert_eq!(one.releases, two.releases, "{line}");
            assert_eq!(serde_json::to_value(one).unwrap(), serde_json::to_value(two).unwrap(), "{line}");
        }
        assert_eq!(lines(base()), lines(&twice), "a line of one release is none");
    }
}
