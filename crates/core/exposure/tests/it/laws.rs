//! Laws that hold for all feeds.

use proptest::prelude::*;
use underpin_exposure::{Feed, Status};
use underpin_model::facts::{Bound, Condition, Effect, Family, Justification, NameKind, Range, Verdict};
use underpin_model::fleet::{Fleet, Setting};

use crate::build::*;

fn version() -> impl Strategy<Value = String> {
    (0..4u8, 0..4u8).prop_map(|(a, b)| format!("1:{a}.{b}-1"))
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        version().prop_map(|fix| Verdict::FixedIn(fix.into())),
        version().prop_map(|fix| Verdict::Affected(Range::before(fix))),
        (version(), version()).prop_map(|(from, to)| Verdict::Affected(Range {
            introduced: Some(from.into()),
            until: Bound::Through(to.into())
        })),
        Just(Verdict::Affected(Range::all())),
        version().prop_map(|at| Verdict::NotAffected(Range::exactly(at), Justification::NotGiven)),
        Just(Verdict::NotAffected(Range::all(), Justification::ComponentNotPresent)),
        Just(Verdict::UnderInvestigation(Range::all())),
    ]
}

const CVES: [&str; 3] = ["CVE-2026-0", "CVE-2026-1", "CVE-2026-2"];

/// Conditions of all kinds about what the host of these laws has: a setting `knob` with a value of two.
fn any_condition() -> impl Strategy<Value = Condition> {
    let knob = || prop_oneof![Just(setting("knob", "on")), Just(setting("knob", "off"))];
    let effect = prop_oneof![
        knob().prop_map(Effect::Closes),
        knob().prop_map(Effect::NeededWithFix),
        Just(Effect::ColdStartGuests),
    ];
    let train = prop_oneof![Just(None), Just(Some("bookworm")), Just(Some("bullseye"))];
    let review = prop_oneof![Just(None), Just(Some("2026-01-01")), Just(Some("2027-01-01"))];
    (effect, train, review, 0..3usize).prop_map(|(effect, train, review, cve)| {
        let mut row = condition(CVES[cve], Some(Family::Debian), effect);
        row.train = train.map(Into::into);
        match review {
            Some(on) => reviewed(row, on),
            None => row,
        }
    })
}

fn any_feed(number: usize) -> impl Strategy<Value = Feed> {
    let train =
        prop_oneof![Just(Some("bookworm")), Just(Some("unstable")), Just(Some("bullseye")), Just(None)];
    let one = (train, verdict(), 0..3usize, any::<bool>());
    let conditions = prop::collection::vec(any_condition(), 0..3);
    (prop::collection::vec(one, 0..4), conditions).prop_map(move |(claims, conditions)| {
        let list = claims.into_iter().map(|(train, verdict, cve, fallback)| {
            let product = product(Family::Debian, train, "qemu", NameKind::Source);
            let mut claim = claim(CVES[cve], product, verdict);
            claim.fallback = fallback;
            claim
        });
        let mut document = document(&format!("D-{number}"), list.collect());
        document.conditions = conditions;
        feed(&format!("feed-{number}"), vec![covering(document, Family::Debian, None, None, "2026-11-20")])
    })
}

/// One host with this version of a package, and its `knob` on, off or not known.
fn host_with(installed: &str, knob: Option<&str>) -> Fleet {
    let mut host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("qemu-utils", installed, Some(("qemu", None)))]),
    );
    if let Some(value) = knob {
        host.settings.insert("knob".to_owned(), Setting::Plain(value.into()));
    }
    fleet(vec![host], vec![])
}

fn knob() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("on")), Just(Some("off"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Removing a feed never turns affected into fixed or not affected.
    #[test]
    fn removing_a_feed_never_makes_anything_look_safe(
        feeds in (any_feed(0), any_feed(1), any_feed(2)).prop_map(|(a, b, c)| vec![a, b, c]),
        installed in version(),
        knob in knob(),
        removed in 0..3usize,
    ) {
        let fleet = host_with(&installed, knob);
        let before = run(&fleet, feeds.clone());
        let mut fewer = feeds;
        fewer.remove(removed);
        let after = run(&fleet, fewer);
        for cve in CVES {
            if status(&before, "h1", "qemu-utils", cve) == Some(Status::Affected) {
                let now = status(&after, "h1", "qemu-utils", cve);
                prop_assert!(!matches!(now, Some(Status::Fixed | Status::NotAffected)), "{cve} became {now:?}");
            }
        }
    }

    /// The order of feeds changes no status.
    #[test]
    fn the_order_of_feeds_does_not_matter(
        feeds in (any_feed(0), any_feed(1), any_feed(2)).prop_map(|(a, b, c)| vec![a, b, c]),
        installed in version(),
        knob in knob(),
    ) {
        let fleet = host_with(&installed, knob);
        let forward = run(&fleet, feeds.clone());
        let backward = run(&fleet, feeds.into_iter().rev().collect());
        prop_assert_eq!(&forward.summary, &backward.summary);
        for cve in CVES {
            prop_assert_eq!(status(&forward, "h1", "qemu-utils", cve), status(&backward, "h1", "qemu-utils", cve));
        }
    }

    /// A condition that nobody reviewed never makes anything safer than it is without any conditions; a reviewed one
    /// does only where it says that a setting closes it.
    #[test]
    fn only_a_reviewed_workaround_closes(
        feeds in (any_feed(0), any_feed(1)).prop_map(|(a, b)| vec![a, b]),
        installed in version(),
        knob in knob(),
    ) {
        let fleet = host_with(&installed, knob);
        let with = run(&fleet, feeds.clone());
        let bare = feeds.iter().cloned().map(|mut feed| {
            feed.documents.iter_mut().for_each(|document| document.conditions.clear());
            feed
        });
        let without = run(&fleet, bare.collect());
        let rows: Vec<&Condition> =
            feeds.iter().flat_map(|feed| &feed.documents).flat_map(|document| &document.conditions).collect();
        for cve in CVES {
            let (with, without) =
                (status(&with, "h1", "qemu-utils", cve), status(&without, "h1", "qemu-utils", cve));
            let closing = |row: &&Condition| {
                row.vulnerability.as_str() == cve
                    && row.reviewed.as_ref().is_some_and(|review| review.on.year() == 2026)
                    && row.effect.setting().map(|one| &*one.value) == knob
                    && matches!(row.effect, Effect::Closes(_))
                    && row.train.as_deref() != Some("bullseye")
            };
            let good = |status| matches!(status, Some(Status::Fixed | Status::NotAffected));
            let closes = rows.iter().any(closing);
            prop_assert!(!good(with) || good(without) || closes, "{cve} {without:?} became {with:?}");
            prop_assert!(without != Some(Status::Affected) || !closes || with == Some(Status::Fixed));
        }
    }
}
