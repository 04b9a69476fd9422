//! What becomes a wave each, with its number.

use super::super::calendar::Seconds;
use super::super::drive::{Driven, HostWave};
use super::super::elements::{ElementWork, before};
use super::super::facts::Facts;

pub(super) enum Item<'d> {
    Element(&'d ElementWork),
    Hosts(&'d HostWave),
}

impl Item<'_> {
    fn start(&self) -> Seconds {
        match self {
            Self::Element(it) => it.start,
            Self::Hosts(it) => it.staged.start,
        }
    }

    /// When the first thing is done for it: what is staged may come long before anything else.
    fn first(&self) -> Seconds {
        let before = match self {
            Self::Element(it) => before(it),
            Self::Hosts(it) => {
                let changed = it.staged.works.iter().filter(|it| !it.hops.is_empty());
                changed.map(|it| it.durations.stage.p95_s).max().unwrap_or(0)
            }
        };
        self.start().saturating_sub(before)
    }

    fn rank(&self, facts: &Facts<'_>) -> (bool, String) {
        match self {
            Self::Element(it) => (false, it.element.as_str().to_owned()),
            Self::Hosts(it) => (true, facts.cluster_name(it.cluster)),
        }
    }
}

/// All waves in the order in which they begin to disturb, as one waits for the other. Their numbers count from 1 in the order of their
/// first steps.
pub(super) fn in_order<'d>(facts: &Facts<'_>, driven: &'d Driven) -> Vec<(u32, Item<'d>)> {
    let hosts = driven.waves.iter().chain(&driven.way_home);
    let elements = driven.elements.iter().map(Item::Element);
    let mut order: Vec<(u32, Item<'_>)> = elements.chain(hosts.map(Item::Hosts)).map(|it| (0, it)).collect();
    order.sort_by_key(|(_, item)| (item.start(), item.rank(facts)));
    let mut by_first: Vec<usize> = (0..order.len()).collect();
    by_first.sort_by_key(|&it| (order[it].1.first(), it));
    for (number, at) in (1..).zip(by_first) {
        order[at].0 = number;
    }
    order
}
