//! How long a live migration by pre-copy takes: memory is sent while the guest goes on, then what it wrote meanwhile, round by
//! round, until little enough is left to pause the guest for (Clark et al., "Live migration of virtual machines", 2005).

use serde::{Deserialize, Serialize};
use underpin_model::quantity::InvalidArgument;

/// Rounds after which the guest is paused whatever is left.
pub const MOST_ROUNDS: u32 = 30;

/// What a migration has to carry, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MigrationLoad {
    memory_mb: f64,
    bandwidth_mb_per_s: f64,
    dirty_mb_per_s: f64,
    threshold_mb: f64,
}

impl MigrationLoad {
    /// Memory in MB, bandwidth and dirty rate in MB/s, and the rest in MB at which the guest is paused.
    ///
    /// # Errors
    /// A number is negative or not finite, or the bandwidth is 0.
    pub fn new(
        memory_mb: f64,
        bandwidth_mb_per_s: f64,
        dirty_mb_per_s: f64,
        threshold_mb: f64,
    ) -> Result<Self, InvalidArgument> {
        let named =
            [("memory_mb", memory_mb), ("dirty_mb_per_s", dirty_mb_per_s), ("threshold_mb", threshold_mb)];
        for (name, found) in named {
            let accepted = found.is_finite() && found >= 0.0;
            InvalidArgument::unless(accepted, name, found, "a finite number, not negative")?;
        }
        let accepted = bandwidth_mb_per_s.is_finite() && bandwidth_mb_per_s > 0.0;
        let expected = "a finite number above 0";
        InvalidArgument::unless(accepted, "bandwidth_mb_per_s", bandwidth_mb_per_s, expected)?;
        Ok(Self { memory_mb, bandwidth_mb_per_s, dirty_mb_per_s, threshold_mb })
    }
}

/// How a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Precopy {
    /// Rounds of copying while the guest runs.
    pub rounds: u32,
    /// Seconds of copying while the guest runs.
    pub precopy_s: f64,
    /// Seconds that the guest is paused for the rest.
    pub downtime_s: f64,
    /// Both.
    pub total_s: f64,
    /// `V/(R-D)`, seconds of endlessly many rounds; `None`: the guest writes at least as fast as the link carries, so that
    /// copying never ends.
    pub closed_form_limit_s: Option<f64>,
    /// What is left reached the threshold. If not, the guest was paused at the [`MOST_ROUNDS`]th round with more left, and
    /// `downtime_s` says for how long.
    pub converged: bool,
}

/// Follows a migration round by round.
///
/// # Errors
/// The guest writes so much faster than the link carries that the time leaves the range of a double.
pub fn precopy(load: &MigrationLoad) -> Result<Precopy, InvalidArgument> {
    let MigrationLoad { memory_mb, bandwidth_mb_per_s, dirty_mb_per_s, threshold_mb } = *load;
    let (mut left_mb, mut precopy_s, mut rounds) = (memory_mb, 0.0, 0);
    while rounds < MOST_ROUNDS {
        let round_s = left_mb / bandwidth_mb_per_s;
        precopy_s += round_s;
        left_mb = dirty_mb_per_s * round_s;
        rounds += 1;
        if left_mb <= threshold_mb {
            break;
        }
    }
    let downtime_s = left_mb / bandwidth_mb_per_s;
    let total_s = precopy_s + downtime_s;
    let expected = "a dirty rate at which 30 rounds end within the range of a number";
    InvalidArgument::unless(total_s.is_finite(), "dirty_mb_per_s", dirty_mb_per_s, expected)?;
    let spare = bandwidth_mb_per_s - dirty_mb_per_s;
    Ok(Precopy {
        rounds,
        precopy_s,
        downtime_s,
        total_s,
        closed_form_limit_s: (spare > 0.0).then(|| memory_mb / spare).filter(|it| it.is_finite()),
        converged: left_mb <= threshold_mb,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(memory: f64, bandwidth: f64, dirty: f64, threshold: f64) -> Precopy {
        precopy(&MigrationLoad::new(memory, bandwidth, dirty, threshold).unwrap()).unwrap()
    }

    #[test]
    fn an_idle_guest_takes_one_round() {
        let idle = run(1000.0, 100.0, 0.0, 0.0);
        assert_eq!((idle.rounds, idle.precopy_s, idle.downtime_s), (1, 10.0, 0.0));
        assert!(idle.converged && idle.closed_form_limit_s == Some(10.0));
        assert_eq!(run(0.0, 100.0, 50.0, 0.0).total_s, 0.0);
    }

    #[test]
    fn a_guest_that_writes_too_fast_does_not_converge() {
        let busy = run(65_536.0, 2980.0, 2900.0, 64.0);
        assert!(!busy.converged && busy.rounds == MOST_ROUNDS && busy.closed_form_limit_s.is_some());
        let equal = run(1000.0, 100.0, 100.0, 10.0);
        assert!(!equal.converged && equal.closed_form_limit_s.is_none() && equal.downtime_s == 10.0);
        assert!(!run(1000.0, 100.0, 300.0, 10.0).converged);
    }

    #[test]
    fn wrong_loads_are_named() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(MigrationLoad::new(bad, 1.0, 1.0, 1.0).unwrap_err().name, "memory_mb");
            assert_eq!(MigrationLoad::new(1.0, bad, 1.0, 1.0).unwrap_err().name, "bandwidth_mb_per_s");
            assert_eq!(MigrationLoad::new(1.0, 1.0, bad, 1.0).unwrap_err().name, "dirty_mb_per_s");
            assert_eq!(MigrationLoad::new(1.0, 1.0, 1.0, bad).unwrap_err().name, "threshold_mb");
        }
        assert_eq!(MigrationLoad::new(1.0, 0.0, 1.0, 1.0).unwrap_err().name, "bandwidth_mb_per_s");
        let endless = MigrationLoad::new(1e6, 1.0, 1e20, 1.0).unwrap();
        assert_eq!(precopy(&endless).unwrap_err().name, "dirty_mb_per_s");
    }

    proptest! {
        #[test]
        fn a_migration_stays_below_its_limit_and_is_never_faster_than_one_copy(
            memory in 1.0..1e6_f64, bandwidth in 10.0..1e4_f64, share in 0.0..0.99_f64, threshold in 1.0..1000.0_f64,
        ) {
            let got = run(memory, bandwidth, share * bandwidth, threshold);
            let limit = got.closed_form_limit_s.unwrap();
            prop_assert!(got.total_s <= limit * (1.0 + 1e-9));
            prop_assert!(got.precopy_s >= memory / bandwidth * (1.0 - 1e-12));
            let busier = run(memory, bandwidth, (share + 0.005) * bandwidth, threshold);
            prop_assert!(busier.rounds >= got.rounds && busier.precopy_s >= got.precopy_s);
        }
    }
}
