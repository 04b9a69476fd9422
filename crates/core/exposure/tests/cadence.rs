//! Cadence: figures that were computed independently from the same facts, laws, and what stays unknown.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test fail by panicking")]

use std::sync::LazyLock;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use underpin_exposure::cadence::{
    Cadence, CadenceError, Dated, History, Installed, Interval, Phase, Policy, Query, Series, Split,
    TrendDirection, of_dates,
};
use underpin_exposure::report::Area;
use underpin_exposure::{FactBase, Feed};
use underpin_model::facts::PatchClass;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::FeedId;

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let documents = underpin_feeds::builtin::documents().map(|(_, document)| document.unwrap()).collect();
    let feed = Feed { id: FeedId::new("builtin").unwrap(), fetched: None, documents };
    History::new(&FactBase::new(vec![feed]))
});

fn of(platform: &str) -> Query<'static> {
    Query { platforms: vec![platform.to_owned()], ..Query::default() }
}

fn one(query: &Query<'_>) -> Series {
    let mut series = HISTORY.cadence(query).unwrap().series;
    assert_eq!(series.len(), 1, "{query:?}");
    series.remove(0)
}

#[track_caller]
fn assert_figures(query: &Query<'_>, distinct: usize, mean_gap: &str) {
    let series = one(query);
    let gap = format!("{:.2}", series.mean_gap_days.unwrap());
    assert_eq!(
        (series.distinct_dates, series.maintenances, gap.as_str()),
        (Some(distinct), Some(distinct), mean_gap)
    );
}

#[test]
fn esxi_lines() {
    for (line, distinct, gap) in [
        ("5.5", 31, "60.57"),
        ("6.0", 33, "56.44"),
        ("6.5", 39, "56.61"),
        ("6.7", 30, "56.31"),
        ("7.0", 29, "66.93"),
        ("8.0", 17, "57.00"),
    ] {
        assert_figures(&Query { lines: vec![line.to_owned()], ..of("esxi") }, distinct, gap);
    }
}

#[test]
fn advisories_of_xen_and_microsoft() {
    assert_figures(&of("xen"), 236, "23.89");
    assert_figures(&Query { dated: Some(Dated::Advisory), ..of("hyper-v") }, 100, "60.24");
    let named = one(&Query { policy: Policy::Security, ..of("xen") });
    assert_eq!(named.distinct_dates, Some(228), "numbers that were never used are no security patches");
}

#[test]
fn changelogs_of_xcp_ng_and_proxmox() {
    let components = |platform, names: &[&str]| Query {
        components: names.iter().map(|name| (*name).to_owned()).collect(),
        ..of(platform)
    };
    assert_figures(&components("xcp-ng", &["xen"]), 97, "19.45");
    assert_figures(&components("proxmox", &["pve-manager"]), 651, "10.52");
    assert_figures(&components("proxmox", &["qemu-server"]), 523, "12.97");
    assert_figures(&components("proxmox", &["pve-kvm", "pve-qemu-kvm"]), 339, "19.13");
    assert_figures(&components("proxmox", &["*kernel*"]), 381, "12.20");
    assert_figures(&Query { area: Some(Area::Kernel), ..of("proxmox") }, 381, "12.20");
    let series = one(&components("proxmox", &["pve-manager"]));
    assert_eq!(series.dated, Some(Dated::Built));
    assert!(series.notes.iter().any(|note| note.contains("build dates")), "{:?}", series.notes);
}

#[test]
fn debian_by_changelog_and_by_advisory() {
    for (source, distinct, gap) in [("linux", 131, "20.58"), ("xen", 53, "111.06"), ("qemu", 106, "64.66")] {
        let query = Query {
            components: vec![source.to_owned()],
            dated: Some(Dated::Built),
            policy: Policy::Cve,
            ..of("debian")
        };
        assert_figures(&query, distinct, gap);
    }
    for (source, distinct, gap) in [("xen", 45, "94.48"), ("qemu", 33, "171.47"), ("linux", 69, "52.06")] {
        let query =
            Query { components: vec![source.to_owned()], bulletin: Some("DSA-".to_owned()), ..of("debian") };
        assert_figures(&query, distinct, gap);
    }
}

#[test]
fn an_advisory_that_came_with_a_release_is_counted_once() {
    let query = Query { bulletin: Some("DSA-".to_owned()), ..of("debian") };
    assert!(one(&query).distinct_dates > Some(200), "as releases");
    // DSA-3699-1 tells only that there will be no more fixes: an advisory without any release.
    let rest = one(&Query { dated: Some(Dated::Advisory), ..query });
    let names: Vec<(&str, usize)> =
        rest.by_component.iter().map(|part| (&*part.name, part.patches)).collect();
    assert_eq!(names, [("virtualbox", 1)], "no advisory of a release is counted again");
}

/// The table of a 2007 study of one ESX host: 150 days, 8 maintenances.
fn eight_of_2007() -> Vec<Date> {
    // The day of building is not in the interval, the last day is.
    let inside = [(7, 3), (7, 12), (8, 1), (8, 15), (9, 6), (10, 2), (11, 1), (11, 29)];
    let mut dates: Vec<Date> = inside.into_iter().map(|(month, day)| date(2007, month, day)).collect();
    dates.extend([date(2007, 7, 2), date(2007, 11, 30), date(2006, 1, 1)]);
    dates
}

fn life(built: Date, until: Date) -> Interval {
    Interval { built: Some(built), until: Some(until) }
}

#[test]
fn eight_maintenances_in_150_days_are_one_every_18_75() {
    let series = of_dates(&eight_of_2007(), life(date(2007, 7, 2), date(2007, 11, 29)), 0).unwrap();
    assert_eq!((series.maintenances, series.span_days), (Some(8), Some(150)));
    assert_eq!(series.mean_interval_days, Some(18.75));
    assert_eq!(series.unknown_days, Some(0));
}

#[test]
fn gaps_by_hand() {
    let days = [0_i32, 10, 30, 60].map(|day| date(2020, 1, 1).checked_add(day.days()).unwrap());
    let series = of_dates(&days, Interval::default(), 0).unwrap();
    let gaps = series.gaps.unwrap();
    assert_eq!(gaps.days, [10.0, 20.0, 30.0]);
    assert_eq!((gaps.mean_days, gaps.median_days, gaps.min_days, gaps.max_days), (20.0, 20.0, 10.0, 30.0));
    assert_eq!((gaps.sample_deviation_days, gaps.coefficient_of_variation), (Some(10.0), Some(0.5)));
    assert_eq!(gaps.dispersion_index_days, Some(5.0));
    let at = |share: f64| gaps.quantiles.iter().find(|one| one.share == share).unwrap().days;
    assert_eq!((at(0.25), at(0.5), at(0.9)), (15.0, 20.0, 28.0));
    // Events between the ends at 10 and 30 of 60 days: (20 - 30) / (60 / sqrt(24)).
    let trend = series.trend.unwrap();
    assert!((trend.laplace - -10.0 / (60.0 / 24_f64.sqrt())).abs() < 1e-12);
    assert_eq!(trend.direction, TrendDirection::None);
}

#[test]
fn a_trend_is_told_with_its_direction() {
    let squares: Vec<Date> =
        (0..30_i32).map(|n| date(2000, 1, 1).checked_add((n * n).days()).unwrap()).collect();
    let trend = |dates: &[Date]| of_dates(dates, Interval::default(), 0).unwrap().trend.unwrap().direction;
    assert_eq!(trend(&squares), TrendDirection::LessFrequent);
    let mirrored: Vec<Date> = squares
        .iter()
        .map(|day| date(2000, 1, 1).checked_sub(date(2000, 1, 1).until(*day).unwrap()).unwrap())
        .collect();
    assert_eq!(trend(&mirrored), TrendDirection::MoreFrequent);
}

#[test]
fn patches_within_the_window_are_one_maintenance() {
    let days = [1, 4, 8, 9, 20].map(|day| date(2020, 1, day));
    let of = |window| of_dates(&days, Interval::default(), window).unwrap();
    assert_eq!([of(0), of(3), of(7), of(30)].map(|series| series.maintenances), [5, 3, 3, 1].map(Some));
    let week = of(7);
    assert_eq!((week.distinct_dates, week.patches), (Some(5), Some(5)));
    assert_eq!((week.batches[0].first, week.batches[0].last, week.batches[0].dates), (days[0], days[2], 3));
    let per = week.patches_per_maintenance.unwrap();
    assert_eq!((per.max, per.mean), (3, 5.0 / 3.0));
}

#[test]
fn too_little_gives_nothing_instead_of_zero() {
    let none = of_dates(&[], life(date(2020, 1, 1), date(2020, 2, 1)), 0).unwrap();
    assert_eq!((none.maintenances, none.mean_interval_days, none.mean_gap_days), (None, None, None));
    assert_eq!((none.maintenances_at_most, none.patches, none.distinct_dates), (None, None, None));
    assert_eq!((none.gaps, none.covered_until, none.unknown_days), (None, None, None));
    assert!(!none.notes.is_empty());
    let single = of_dates(&[date(2020, 1, 5)], life(date(2020, 1, 1), date(2020, 2, 1)), 0).unwrap();
    assert_eq!((single.mean_interval_days, single.gaps), (Some(31.0), None));
    let pair = of_dates(&[date(2020, 1, 5), date(2020, 1, 9)], Interval::default(), 0).unwrap();
    assert_eq!(pair.gaps.unwrap().sample_deviation_days, None, "one gap has no deviation");
    assert_eq!((pair.trend, pair.mean_interval_days), (None, None));
}

#[test]
fn where_the_facts_end_is_told() {
    let query = Query {
        lines: vec!["8.0".to_owned()],
        interval: life(date(2024, 1, 1), date(2026, 1, 1)),
        ..of("esxi")
    };
    let series = one(&query);
    assert_eq!(series.covered_until, Some(date(2025, 4, 10)));
    assert_eq!(series.unknown_days, Some(266));
    assert!(series.notes.iter().any(|note| note.contains("2025-04-10")), "{:?}", series.notes);
    let open = Query { interval: Interval { built: Some(date(2024, 1, 1)), until: None }, ..query };
    assert_eq!(one(&open).until, Some(date(2025, 4, 10)), "without an end the facts' own end counts");
}

#[test]
fn a_line_without_data_stays_visible() {
    let query = Query { lines: vec!["9.1".to_owned(), "8.0".to_owned()], ..of("esxi") };
    let Cadence { series, .. } = HISTORY.cadence(&query).unwrap();
    assert_eq!(series.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["esxi 9.1", "esxi 8.0"]);
    assert_eq!((series[0].maintenances, series[0].covered_until), (None, None));
    assert!(series[0].notes[0].contains("nothing is known"), "{:?}", series[0].notes);
}

#[test]
fn lines_stand_side_by_side_with_their_maturity() {
    let query = Query {
        platforms: vec!["esxi".to_owned(), "proxmox".to_owned()],
        lines: vec!["6.7".to_owned(), "8".to_owned()],
        interval: life(date(2018, 4, 17), date(2024, 12, 31)),
        ..Query::default()
    };
    let Cadence { series, .. } = HISTORY.cadence(&query).unwrap();
    assert_eq!(series.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["esxi 6.7", "proxmox 8"]);
    let maturity = series[0].maturity.unwrap();
    assert_eq!((maturity.released, maturity.phase), (Some(date(2018, 4, 17)), Phase::Ended));
    assert_eq!(maturity.age_days, Some(2450));
    assert!(series[0].notes.iter().any(|note| note.starts_with("Security support ended on 2022-10-15")));
    assert_eq!(maturity.support(), "ended 2022-10-15");
    assert_eq!(series[1].maturity.unwrap().phase, Phase::Supported);
}

/// As far as its facts go a line was supported; that it still is, nobody should read.
#[test]
fn support_is_told_by_its_last_day() {
    let query = Query { platforms: vec!["esxi".to_owned()], by: Some(Split::Line), ..Query::default() };
    let Cadence { series, .. } = HISTORY.cadence(&query).unwrap();
    let of = |line: &str| {
        let one = series.iter().find(|it| it.line.as_deref() == Some(line)).unwrap();
        (one.maturity.unwrap().phase, one.maturity.unwrap().support())
    };
    assert_eq!(of("5.5"), (Phase::Supported, "until 2018-09-19".to_owned()));
    assert_eq!(of("6.0"), (Phase::Supported, "until 2020-03-12".to_owned()));
    for one in &series {
        let told = one.maturity.unwrap();
        assert_eq!(told.phase == Phase::Unknown, told.support() == "unknown", "{}", one.name);
        assert_ne!(told.support(), "supported", "{}", one.name);
    }
}

#[test]
fn parts_add_up() {
    let whole = one(&Query { dated: Some(Dated::Built), ..of("proxmox") });
    let patches = whole.patches.unwrap();
    assert_eq!(whole.by_component.iter().map(|part| part.patches).sum::<usize>(), patches);
    assert_eq!(whole.by_area.iter().map(|part| part.patches).sum::<usize>(), patches);
    assert_eq!(whole.by_class.iter().map(|part| part.patches).sum::<usize>(), patches);
    for split in Split::ALL {
        let query = Query { dated: Some(Dated::Built), by: Some(split), ..of("proxmox") };
        let parts = HISTORY.cadence(&query).unwrap().series;
        assert!(parts.len() > 1, "{split:?}");
        assert_eq!(parts.iter().map(|part| part.patches.unwrap_or(0)).sum::<usize>(), patches, "{split:?}");
    }
    let kernel = whole.by_component.iter().find(|part| part.name == "pve-kernel").unwrap();
    assert_eq!((kernel.patches, kernel.maintenances), (263, 253));
}

#[test]
fn only_what_the_hosts_have_is_applicable() {
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let fleet = sample(&SampleSpec { hosts: 200, ..SampleSpec::default() }, at);
    let installed = Installed::on_hosts(&fleet);
    let of = |platform: &str, dated| {
        one(&Query {
            policy: Policy::Applicable,
            installed: Some(&installed),
            dated: Some(dated),
            ..of(platform)
        })
    };
    let names = |series: &Series| series.by_component.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let proxmox = names(&of("proxmox", Dated::Built));
    assert!(proxmox.contains(&"pve-qemu-kvm".to_owned()), "{proxmox:?}");
    assert!(!proxmox.contains(&"pve-kvm".to_owned()), "a package of 2008 is on no host: {proxmox:?}");
    assert_eq!(
        of("esxi", Dated::Published).distinct_dates,
        Some(207),
        "a platform that is one product is installed whole"
    );
    let none = Installed::default();
    let nothing = one(&Query { policy: Policy::Applicable, installed: Some(&none), ..of_esxi() });
    assert_eq!(nothing.maintenances, Some(0));
    assert_eq!(nothing.covered_until, Some(date(2025, 5, 20)), "the facts are there, they only do not apply");
}

fn of_esxi() -> Query<'static> {
    of("esxi")
}

/// 2024-01-01 to 2025-04-01.
fn security_of(platform: &str, line: &str, policy: Policy) -> Series {
    one(&Query {
        lines: vec![line.to_owned()],
        policy,
        interval: life(date(2024, 1, 1), date(2025, 4, 1)),
        ..of(platform)
    })
}

#[test]
fn where_no_patch_states_its_class_the_number_of_maintenances_is_unknown() {
    let all = security_of("esxi", "8.0", Policy::All);
    assert!(all.maintenances > Some(3), "{all:?}");
    for (policy, what) in [(Policy::Security, "their class"), (Policy::Cve, "whether they name a CVE")] {
        let series = security_of("esxi", "8.0", policy);
        assert_eq!((series.maintenances, series.patches, series.distinct_dates), (None, None, None));
        assert_eq!((series.mean_interval_days, series.batches.len()), (None, 0));
        assert_eq!(
            (series.maintenances_at_most, Some(series.patches_untold)),
            (all.maintenances, all.patches),
            "{policy:?}"
        );
        assert_eq!(series.covered_until, Some(date(2025, 4, 10)), "the facts are there");
        let note = series.notes.iter().find(|note| note.contains(what)).unwrap();
        assert!(note.contains("not the same as no maintenance"), "{note}");
        assert_eq!(series.count_in_words(), "unknown");
    }
    for (platform, line) in [("vcenter", "6.7"), ("esxi", "5.5"), ("esxi", "6.0"), ("esxi", "6.7")] {
        let whole = |policy| one(&Query { lines: vec![line.to_owned()], policy, ..of(platform) });
        let known = whole(Policy::Cve);
        assert!(known.maintenances != Some(0), "{platform} {line}: {:?}", known.notes);
    }
}

#[test]
fn what_states_no_class_is_counted_apart() {
    let lines = vec!["6.7".to_owned()];
    let series = one(&Query { policy: Policy::Security, lines: lines.clone(), ..of("esxi") });
    assert_eq!((series.maintenances, series.maintenances_at_most), (Some(3), Some(30)));
    assert_eq!(series.count_in_words(), "3 to 30");
    let counted = series.notes.iter().find(|note| note.contains("patches of which")).unwrap();
    assert!(counted.starts_with(&format!("Not counted: {} patches", series.patches_untold)), "{counted}");
    assert!(counted.contains("counted are 3"), "{counted}");
    // A class that is asked for by name is the same question.
    let by_class = one(&Query { class: Some(PatchClass::Security), lines: lines.clone(), ..of("esxi") });
    assert_eq!((by_class.batches, by_class.notes), (series.batches, series.notes));
    // Whoever asks for all patches leaves nothing open.
    let all = one(&Query { lines, ..of("esxi") });
    assert_eq!((all.maintenances, all.maintenances_at_most, all.patches_untold), (Some(30), Some(30), 0));
    // Numbers that were never used are known to close nothing.
    assert_eq!(one(&Query { policy: Policy::Security, ..of("xen") }).patches_untold, 0);
}

#[test]
fn the_kind_of_day_is_that_of_the_patches_that_the_policy_takes() {
    for (platform, line, count) in [("debian", "bookworm", Some(36)), ("proxmox", "8", None)] {
        let query = Query {
            lines: vec![line.to_owned()],
            policy: Policy::Security,
            interval: life(date(2024, 1, 1), date(2026, 1, 1)),
            ..of(platform)
        };
        let series = one(&query);
        assert_eq!(series.dated, Some(Dated::Built), "{platform}: point releases state no class");
        assert!(
            series.maintenances > Some(0) && count.is_none_or(|count| series.maintenances == Some(count))
        );
        assert!(
            series.notes.iter().any(|note| note.contains("of the kind \"published\"")),
            "{:?}",
            series.notes
        );
        assert_eq!(series, one(&Query { dated: Some(Dated::Built), ..query.clone() }), "{platform}");
        let all = one(&Query { policy: Policy::All, ..query });
        assert_eq!(all.dated, Some(Dated::Published), "{platform}");
    }
}

#[test]
fn what_hosts_of_unknown_components_need_is_not_known_to_be_nothing() {
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let mut fleet = sample(&SampleSpec { hosts: 60, ..SampleSpec::default() }, at);
    let series = |fleet: &Fleet, platform: &str| {
        let installed = Installed::on_hosts(fleet);
        one(&Query { policy: Policy::Applicable, installed: Some(&installed), ..of(platform) })
    };
    // Ubuntu is on none of its hosts, and of all of them it is known what they have.
    let some = fleet.component_sets.values().find(|set| !set.components.is_empty()).unwrap().clone();
    for host in &mut fleet.hosts {
        (host.component_sets, host.components) = (Vec::new(), Some(some.clone()));
    }
    assert_eq!(series(&fleet, "ubuntu").maintenances, Some(0));
    for host in &mut fleet.hosts {
        (host.component_sets, host.components) = (Vec::new(), None);
    }
    let open = series(&fleet, "ubuntu");
    assert_eq!((open.maintenances, open.patches_untold > 0), (None, true), "{:?}", open.notes);
    assert!(
        open.notes.iter().any(|note| note.contains("whether a host has their component")),
        "{:?}",
        open.notes
    );
    assert!(
        series(&fleet, "esxi").patches_untold == 0,
        "a platform that is one product is known by its name"
    );
}

#[test]
fn an_interval_that_the_facts_do_not_reach_is_unknown() {
    for (built, until) in [(date(2025, 6, 1), date(2025, 12, 1)), (date(2001, 1, 1), date(2002, 1, 1))] {
        let query = Query { lines: vec!["8.0".to_owned()], interval: life(built, until), ..of("esxi") };
        let series = one(&query);
        assert_eq!((series.maintenances, series.maintenances_at_most), (None, None), "{built}");
        assert!(!series.notes.is_empty(), "{built}");
    }
    let quiet = life(date(2025, 3, 5), date(2025, 3, 10));
    let series = one(&Query { lines: vec!["8.0".to_owned()], interval: quiet, ..of("esxi") });
    assert_eq!(series.maintenances, Some(0), "the facts go further: {:?}", series.batches);
}

#[test]
fn questions_without_an_answer_name_what_is_known() {
    let error = |query: &Query<'_>| HISTORY.cadence(query).unwrap_err();
    let text = |query: &Query<'_>| error(query).to_string();
    assert!(
        text(&of("vmware-fusion")).contains("esxi, intel-microcode, proxmox"),
        "{}",
        text(&of("vmware-fusion"))
    );
    let all = HISTORY.cadence(&Query::default()).unwrap().series;
    assert_eq!(all.len(), HISTORY.platforms().len(), "no platform named means all of them");
    let line = text(&Query { lines: vec!["6.8".to_owned()], ..of("esxi") });
    assert!(line.contains("\"6.8\"") && line.contains("6.7"), "{line}");
    let component = text(&Query { components: vec!["qemu*x".to_owned()], ..of("proxmox") });
    assert!(component.contains("qemu-server"), "{component}");
    assert_eq!(error(&Query { policy: Policy::Applicable, ..of("esxi") }), CadenceError::NoFleet);
    let backwards = Interval { built: Some(date(2020, 1, 2)), until: Some(date(2020, 1, 1)) };
    assert!(matches!(error(&Query { interval: backwards, ..of("esxi") }), CadenceError::Backwards { .. }));
    assert!(matches!(of_dates(&[], backwards, 0), Err(CadenceError::Backwards { .. })));
}

fn some_dates() -> impl Strategy<Value = Vec<Date>> {
    let day = (0..4000_i32).prop_map(|day| date(2010, 1, 1).checked_add(day.days()).unwrap());
    prop::collection::vec(day, 0..60)
}

/// Every number of a series, as JSON; `null` stands for a number that is not finite as well as for none.
fn assert_no_number_is_lost(series: &Series) {
    if let Some(gaps) = &series.gaps {
        for value in [gaps.mean_days, gaps.median_days, gaps.min_days, gaps.max_days] {
            assert!(value.is_finite() && value >= 1.0);
        }
        for value in [gaps.sample_deviation_days, gaps.coefficient_of_variation, gaps.dispersion_index_days] {
            assert!(value.is_none_or(f64::is_finite));
        }
    }
    assert!(series.mean_interval_days.is_none_or(f64::is_finite));
    assert!(series.trend.is_none_or(|trend| trend.laplace.is_finite()));
}

proptest! {
    #[test]
    fn the_order_of_dates_changes_nothing(dates in some_dates(), window in 0_u16..40, seed in any::<prop::sample::Index>()) {
        let mut turned = dates.clone();
        turned.rotate_left(if dates.is_empty() { 0 } else { seed.index(dates.len()) });
        turned.reverse();
        let measured = of_dates(&dates, Interval::default(), window).unwrap();
        assert_no_number_is_lost(&measured);
        prop_assert_eq!(measured, of_dates(&turned, Interval::default(), window).unwrap());
    }

    #[test]
    fn without_a_window_every_date_is_a_maintenance(dates in some_dates()) {
        let series = of_dates(&dates, Interval::default(), 0).unwrap();
        let distinct: std::collections::BTreeSet<Date> = dates.iter().copied().collect();
        prop_assert_eq!((series.batches.len(), series.maintenances.unwrap_or(0)), (distinct.len(), distinct.len()));
        prop_assert_eq!(series.distinct_dates, (!dates.is_empty()).then_some(distinct.len()));
        prop_assert_eq!(series.patches.unwrap_or(0), dates.len());
        if let (Some(first), Some(last), Some(gap)) = (distinct.first(), distinct.last(), series.mean_gap_days) {
            let span = f64::from(first.until(*last).unwrap().get_days());
            prop_assert!((gap - span / (distinct.len() as f64 - 1.0)).abs() < 1e-9);
        }
    }

    #[test]
    fn another_date_never_lowers_the_maintenances(dates in some_dates(), more in some_dates(), window in 0_u16..40) {
        let interval = life(date(2012, 1, 1), date(2018, 1, 1));
        let before = of_dates(&dates, interval, window).unwrap().maintenances;
        let all: Vec<Date> = dates.iter().chain(&more).copied().collect();
        prop_assert!(of_dates(&all, interval, window).unwrap().maintenances >= before);
    }

    #[test]
    fn a_wider_window_never_needs_more_maintenances(dates in some_dates(), window in 0_u16..40) {
        let of = |window| of_dates(&dates, Interval::default(), window).unwrap().maintenances;
        prop_assert!(of(window + 1) <= of(window));
    }
}

#[test]
fn what_was_asked_for_and_has_no_series_is_named() {
    let asked = |platforms: &[&str], lines: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let query = Query { platforms: owned(platforms), lines: owned(lines), ..Query::default() };
        let Cadence { series, warnings, .. } = HISTORY.cadence(&query).unwrap();
        (series.into_iter().map(|it| it.name).collect::<Vec<_>>(), warnings)
    };
    let (series, warnings) = asked(&["esxi", "proxmox"], &["8"]);
    assert_eq!(series, ["proxmox 8"]);
    assert!(
        warnings.len() == 1
            && warnings[0]
                .starts_with("esxi has no series: it has none of the lines that were asked for; it has ")
            && warnings[0].contains("8.0"),
        "{warnings:?}"
    );
    assert!(asked(&["esxi", "proxmox"], &["8", "7.0"]).1.is_empty());
    assert!(asked(&[], &["7.0", "6.7"]).1.is_empty(), "no platform was named");
    assert!(asked(&["esxi", "proxmox"], &[]).1.is_empty());
    // A line that nothing is known of has no parts to be split into.
    let query = Query { lines: vec!["9.1".to_owned()], by: Some(Split::Area), ..of("esxi") };
    let cadence = HISTORY.cadence(&query).unwrap();
    assert!(cadence.series.is_empty());
    assert_eq!(cadence.warnings, ["esxi has no series: nothing of it is left that could be split"]);
}
