//! Laws that hold for all feeds.

use proptest::prelude::*;
use underpin_exposure::{Feed, Status};
use underpin_model::facts::{Bound, Family, Justification, NameKind, Range, Verdict};

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

fn any_feed(number: usize) -> impl Strategy<Value = Feed> {
    let train =
        prop_oneof![Just(Some("bookworm")), Just(Some("unstable")), Just(Some("bullseye")), Just(None)];
    let one = (train, verdict(), 0..3u8, any::<bool>());
    prop::collection::vec(one, 0..4).prop_map(move |claims| {
        let list = claims.into_iter().map(|(train, verdict, cve, fallback)| {
            let product = product(Family::Debian, train, "qemu", NameKind::Source);
            let mut claim = claim(&format!("CVE-2026-{cve}"), product, verdict);
            claim.fallback = fallback;
            claim
        });
        let document = document(&format!("D-{number}"), list.collect());
        feed(&format!("feed-{number}"), vec![covering(document, Family::Debian, None, None, "2026-11-20")])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Removing a feed never turns affected into fixed or not affected.
    #[test]
    fn removing_a_feed_never_makes_anything_look_safe(
        feeds in (any_feed(0), any_feed(1), any_feed(2)).prop_map(|(a, b, c)| vec![a, b, c]),
        installed in version(),
        removed in 0..3usize,
    ) {
        let host = host("h1", set(Family::Debian, "bookworm", vec![package("qemu-utils", &installed, Some(("qemu", None)))]));
        let fleet = fleet(vec![host], vec![]);
        let before = run(&fleet, feeds.clone());
        let mut fewer = feeds;
        fewer.remove(removed);
        let after = run(&fleet, fewer);
        for cve in ["CVE-2026-0", "CVE-2026-1", "CVE-2026-2"] {
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
    ) {
        let host = host("h1", set(Family::Debian, "bookworm", vec![package("qemu-utils", &installed, Some(("qemu", None)))]));
        let fleet = fleet(vec![host], vec![]);
        let forward = run(&fleet, feeds.clone());
        let backward = run(&fleet, feeds.into_iter().rev().collect());
        prop_assert_eq!(&forward.summary, &backward.summary);
        for cve in ["CVE-2026-0", "CVE-2026-1", "CVE-2026-2"] {
            prop_assert_eq!(status(&forward, "h1", "qemu-utils", cve), status(&backward, "h1", "qemu-utils", cve));
        }
    }
}
