//! What VMs of no known host cost at worst.

use std::collections::{BTreeMap, BTreeSet};

use crate::build::Built;
use crate::portfolio::Impact;

/// The mean loss of the VMs of no known host, those of each tenant on the host of their cluster, or else of the fleet, on which they
/// cost most. In the portfolio at worst each of these hosts is reached through them already, so that this is an upper bound
/// wherever they stand: means add up, and what a host answers does not hang on what stands there but for the guests that open it.
/// `impacts` are the mean ones of its classes.
pub(super) fn where_it_costs_most(upper: &Built, impacts: &[Impact]) -> f64 {
    if upper.unplaced.is_empty() {
        return 0.0;
    }
    // Hosts of a class answer alike.
    let mut classes: BTreeMap<Option<u32>, BTreeSet<u32>> = BTreeMap::new();
    for host in &upper.portfolio.hosts {
        classes.entry(Some(host.cluster)).or_default().insert(host.class);
        classes.entry(None).or_default().insert(host.class);
    }
    let losses = upper.unplaced.iter().map(|it| {
        let hosts = classes.get(&it.cluster).into_iter().flatten();
        let impacts = hosts.filter_map(|class| impacts.get(*class as usize));
        impacts.map(|impact| it.holding.loss(*impact)).fold(0.0, f64::max)
    });
    losses.sum()
}
