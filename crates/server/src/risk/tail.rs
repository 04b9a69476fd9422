//! Tails in more points than a report states, for the pictures.

use jiff::tz::TimeZone;
use underpin_exposure::FactBase;
use underpin_risk::build::{self, ReleaseDates};
use underpin_risk::compound::{self, Thresholds};

use super::{Basis, refused};
use crate::problem::Problem;

/// A point of a tail: the probability to lose more than that, or that at least so many are hit.
pub(crate) type TailPoint = (f64, f64);

/// Tails in more points than the report states, for the pictures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    pub(crate) loss: Vec<TailPoint>,
    pub(crate) hosts: Vec<TailPoint>,
}

/// Tails in detail, with what they rest on.
#[derive(Debug)]
pub(crate) struct Detail {
    pub(crate) compound: Tail,
    pub(crate) independent: Tail,
}

/// Levels at which the picture of a tail has points.
const LEVELS: [f64; 13] =
    [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99997, 0.99999];

/// 1, 2, 5, 10, 20, ... up to all hosts.
fn thresholds(hosts: u64) -> Vec<u64> {
    let decades = std::iter::successors(Some(1_u64), |it| it.checked_mul(10));
    let mut list: Vec<u64> = decades
        .take_while(|it| *it <= hosts)
        .flat_map(|it| [it, it.saturating_mul(2), it.saturating_mul(5)])
        .filter(|it| *it < hosts)
        .collect();
    list.extend((hosts > 0).then_some(hosts));
    list
}

fn tail(all: &compound::Basis<'_>, hosts: u64, seed: u64, independent: bool) -> Result<Tail, Problem> {
    let options = compound::Options {
        seed,
        levels: LEVELS.to_vec(),
        at_least: Thresholds { hosts: thresholds(hosts), ..Thresholds::default() },
        at_least_in_parts: Thresholds::none(),
        independent,
        ..compound::Options::default()
    };
    let judged = all.judge(&options).map_err(|error| refused(&error))?;
    // A quantile of 0 is no point of the tail: what lies there is the probability of any loss.
    let beyond = judged.fleet.quantiles.iter().filter(|it| it.value > 0.0);
    Ok(Tail {
        loss: beyond.map(|it| (it.value, 1.0 - it.level)).collect(),
        hosts: judged.hosts_hit_at_least.iter().map(|it| (it.m as f64, it.probability)).collect(),
    })
}

pub(super) fn detail_of(basis: &Basis, base: &FactBase) -> Result<Detail, Problem> {
    let day = basis.index.assessment.as_of.to_zoned(TimeZone::UTC).date();
    let dates = ReleaseDates::from_facts(base.releases(), day);
    let (fleet, assessment) = (&basis.index.fleet, &basis.index.assessment);
    let built = build::build(
        fleet,
        assessment,
        &basis.policy.value,
        &build::Options::new(&dates).knowing(base, &basis.evidence.value),
    );
    let built = built.map_err(|error| refused(&error))?;
    let all = compound::Basis::new(&built.portfolio).map_err(|error| refused(&error))?;
    let (hosts, seed) = (built.portfolio.hosts.len() as u64, basis.policy.value.seed);
    Ok(Detail { compound: tail(&all, hosts, seed, false)?, independent: tail(&all, hosts, seed, true)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_once_end_with_all_hosts() {
        assert_eq!(thresholds(0), [0_u64; 0]);
        assert_eq!(thresholds(1), [1]);
        assert_eq!(thresholds(60), [1, 2, 5, 10, 20, 50, 60]);
        assert_eq!(thresholds(100), [1, 2, 5, 10, 20, 50, 100]);
    }
}
