//! The order of contributions to a tail that is sampled.

use crate::compound::Contribution;

/// The greatest share of the CVaR first. Shares that do not differ by more than their standard errors keep the order of their means,
/// which are exact: of equal parts none is put before another because a few samples fell so.
#[must_use]
pub fn by_tail(mut parts: Vec<&Contribution>) -> Vec<&Contribution> {
    parts.sort_by(|a, b| {
        let by_share = b.cvar_share.total_cmp(&a.cvar_share);
        by_share.then_with(|| b.mean.total_cmp(&a.mean))
    });
    let mut rest = &mut parts[..];
    while let Some(first) = rest.first().copied() {
        let alike = |it: &&&Contribution| {
            let error = first.cvar_share_standard_error.hypot(it.cvar_share_standard_error);
            first.cvar_share - it.cvar_share <= error
        };
        let count = rest.iter().take_while(alike).count().max(1);
        let (run, others) = rest.split_at_mut(count);
        run.sort_by(|a, b| {
            let by_mean = b.mean.total_cmp(&a.mean);
            by_mean.then_with(|| b.cvar_share.total_cmp(&a.cvar_share))
        });
        rest = others;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compound::Part;

    fn part(name: &str, mean: f64, cvar_share: f64, error: f64) -> Contribution {
        let of = Part::Class { label: name.to_owned() };
        Contribution { of, mean, cvar_share, cvar_share_standard_error: error }
    }

    #[test]
    fn shares_within_their_errors_keep_the_order_of_their_means() {
        let all = [
            part("noisy", 1.0, 105.0, 10.0),
            part("steady", 8.0, 100.0, 10.0),
            part("far", 20.0, 50.0, 1.0),
            part("small a", 3.0, 10.0, 5.0),
            part("small b", 4.0, 9.0, 5.0),
        ];
        let named = |list: Vec<&Contribution>| -> Vec<String> {
            list.iter()
                .map(|it| if let Part::Class { label } = &it.of { label.clone() } else { String::new() })
                .collect()
        };
        let expected = ["steady", "noisy", "far", "small b", "small a"];
        assert_eq!(named(by_tail(all.iter().collect())), expected);
        assert_eq!(named(by_tail(all.iter().rev().collect())), expected, "whatever the order they come in");
    }
}
