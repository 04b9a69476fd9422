//! How migrations share bandwidth: max-min fair (Bertsekas and Gallager, "Data Networks", 1992, section 6.5.2).

/// One migration: the links that it crosses, and the most that it may take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flow {
    /// Positions of links.
    pub(crate) links: Vec<usize>,
    /// The most that it takes, where that is limited.
    pub(crate) most: Option<f64>,
}

/// The rate of each flow: nobody can have more without somebody who has less, or as little, losing some.
///
/// Progressive filling: all rates rise together; a flow stops where it has its most, or where a link of its own is full.
pub(crate) fn max_min(capacity: &[f64], flows: &[Flow]) -> Vec<f64> {
    let mut rates = vec![0.0; flows.len()];
    let mut left = capacity.to_vec();
    let mut rising: Vec<usize> = (0..flows.len()).collect();
    while !rising.is_empty() {
        let mut users = vec![0u32; capacity.len()];
        for flow in rising.iter().filter_map(|at| flows.get(*at)) {
            flow.links.iter().filter_map(|link| users.get_mut(*link).map(|it| *it += 1)).for_each(drop);
        }
        let shares = left.iter().zip(&users).filter(|(_, users)| **users > 0);
        let by_link =
            shares.map(|(left, users)| left.max(0.0) / f64::from(*users)).fold(f64::INFINITY, f64::min);
        let wanted = |at: usize| {
            let most = flows.get(at).and_then(|it| it.most)?;
            Some((most - rates.get(at).copied().unwrap_or(0.0)).max(0.0))
        };
        let by_most = rising.iter().filter_map(|at| wanted(*at)).fold(f64::INFINITY, f64::min);
        let rise = by_link.min(by_most);
        if !rise.is_finite() {
            break;
        }
        for at in &rising {
            let (Some(rate), Some(flow)) = (rates.get_mut(*at), flows.get(*at)) else { continue };
            *rate += rise;
            flow.links.iter().filter_map(|link| left.get_mut(*link).map(|it| *it -= rise)).for_each(drop);
        }
        let full = |link: &usize| left.get(*link).is_none_or(|it| *it <= 1e-9);
        let before = rising.len();
        rising.retain(|at| {
            let Some(flow) = flows.get(*at) else { return false };
            let rate = rates.get(*at).copied().unwrap_or(0.0);
            !flow.links.iter().any(full) && flow.most.is_none_or(|most| rate < most - 1e-9)
        });
        if rising.len() == before {
            break;
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flow(links: &[usize], most: Option<f64>) -> Flow {
        Flow { links: links.to_vec(), most }
    }

    #[test]
    fn the_textbook_case() {
        // Three flows share the first link, one of them is alone on a wide second one; a limited flow leaves its rest to others.
        let rates = max_min(
            &[9.0, 100.0],
            &[flow(&[0], None), flow(&[0], None), flow(&[0, 1], None), flow(&[1], None)],
        );
        assert_eq!(rates, [3.0, 3.0, 3.0, 97.0]);
        assert_eq!(max_min(&[10.0], &[flow(&[0], Some(2.0)), flow(&[0], None)]), [2.0, 8.0]);
        assert_eq!(max_min(&[0.0], &[flow(&[0], None)]), [0.0]);
        assert!(max_min(&[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_link_is_overfull_and_every_flow_has_a_bottleneck(
            capacity in prop::collection::vec(1.0..1000.0_f64, 1..6),
            paths in prop::collection::vec((prop::collection::btree_set(0usize..6, 1..4), prop::option::of(0.5..500.0_f64)), 0..12),
        ) {
            let flows: Vec<Flow> = paths
                .into_iter()
                .map(|(links, most)| Flow { links: links.into_iter().map(|it| it % capacity.len()).collect::<std::collections::BTreeSet<_>>().into_iter().collect(), most })
                .collect();
            let rates = max_min(&capacity, &flows);
            let used = |link: usize| flows.iter().zip(&rates).filter(|(it, _)| it.links.contains(&link)).map(|(_, rate)| rate).sum::<f64>();
            for (link, capacity) in capacity.iter().enumerate() {
                prop_assert!(used(link) <= capacity + 1e-6);
            }
            for (flow, rate) in flows.iter().zip(&rates) {
                let at_most = flow.most.is_some_and(|most| *rate >= most - 1e-6);
                // A bottleneck: full, and nobody on it has more.
                let bottleneck = flow.links.iter().any(|link| {
                    used(*link) >= capacity[*link] - 1e-6
                        && flows.iter().zip(&rates).all(|(other, it)| !other.links.contains(link) || *it <= rate + 1e-6)
                });
                prop_assert!(at_most || bottleneck, "{flow:?} {rate}");
            }
        }
    }
}
