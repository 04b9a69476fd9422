//! How long one migration takes at the bandwidth that it is allotted, by one of three models.

use serde::{Deserialize, Serialize};

use crate::precopy::{MigrationLoad, precopy};

/// Longest duration of one migration, in milliseconds (35 years): a longer one counts as one that does not converge.
pub const MOST_MS: u64 = 1 << 40;
/// Fastest link, in Mbit/s.
pub const MOST_MBPS: u64 = 1 << 30;

/// What a migration has to carry. Sizes in MB (10^6 bytes), rates of writing in MB/s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum Load {
    /// Pre-copy round by round, as in [`crate::precopy`]: 1 Mbit/s carries 1/8 MB/s.
    Precopy {
        /// Memory of the guest.
        memory_mb: f64,
        /// How fast the guest writes to memory.
        dirty_mb_per_s: f64,
        /// The rest at which the guest is paused.
        threshold_mb: f64,
    },
    /// The hot-set model of the UCC 2015 plans: a part of the memory is written over and over, the rest slowly. Exactly as
    /// their durations were computed: 1 Mbit/s carries 1/9 MB/s, rounded down over the link; durations are whole seconds.
    HotSet {
        /// Memory of the guest.
        memory_mb: f64,
        /// How fast the guest writes outside the hot set.
        cold_dirty_mb_per_s: f64,
        /// Size of the hot set.
        hot_set_mb: f64,
        /// Seconds in which the guest writes the hot set once; above 0.
        hot_set_s: f64,
    },
    /// The guest stands still while everything is sent once.
    Cold {
        /// What is sent: memory, and disks that are not shared.
        memory_mb: f64,
    },
}

/// How one migration goes at one bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// From the first byte to the guest running at the target, rounded up to milliseconds; at least 1.
    pub duration_ms: u64,
    /// Rounds of copying; `None`: the model has endlessly many.
    pub rounds: Option<u32>,
    /// How long the guest stands still, rounded up to milliseconds; `None`: the model says nothing about it.
    pub blackout_ms: Option<u64>,
}

impl Load {
    /// How the migration goes at this bandwidth. `None`: it does not converge there (pre-copy: the rest is not below the
    /// threshold after [`crate::precopy::MOST_ROUNDS`] rounds; hot set: the guest writes as fast as the link carries), or
    /// it takes longer than [`MOST_MS`]. More bandwidth never takes longer.
    #[must_use]
    pub fn timing(&self, mbps: u64) -> Option<Timing> {
        match *self {
            Self::Precopy { memory_mb, dirty_mb_per_s, threshold_mb } => {
                let load =
                    MigrationLoad::new(memory_mb, number(mbps) / 8.0, dirty_mb_per_s, threshold_mb).ok()?;
                let gone = precopy(&load).ok().filter(|it| it.converged)?;
                Some(Timing {
                    duration_ms: whole_ms(gone.total_s)?,
                    rounds: Some(gone.rounds),
                    blackout_ms: Some(whole_ms(gone.downtime_s)?),
                })
            }
            Self::HotSet { memory_mb, cold_dirty_mb_per_s, hot_set_mb, hot_set_s } => {
                let carried = number(mbps / 9);
                let seconds = hot_set(carried, memory_mb, cold_dirty_mb_per_s, hot_set_mb, hot_set_s)?;
                let duration_ms = whole_ms(seconds.round())?.max(1);
                Some(Timing { duration_ms, rounds: None, blackout_ms: None })
            }
            Self::Cold { memory_mb } => {
                let duration_ms = whole_ms(memory_mb * 8.0 / number(mbps))?.max(1);
                Some(Timing { duration_ms, rounds: Some(1), blackout_ms: Some(duration_ms) })
            }
        }
        .map(|it| Timing { duration_ms: it.duration_ms.max(1), ..it })
    }

    /// The least bandwidth in Mbit/s at which the migration converges; `None`: not even at [`MOST_MBPS`].
    #[must_use]
    pub fn needed_mbps(&self) -> Option<u64> {
        self.timing(MOST_MBPS)?;
        let (mut fails, mut works) = (0, MOST_MBPS);
        while works - fails > 1 {
            let middle = fails.midpoint(works);
            if self.timing(middle).is_some() {
                works = middle;
            } else {
                fails = middle;
            }
        }
        Some(works)
    }

    /// A number that no load can have: its name, its value, and what is expected.
    pub(super) fn wrong(&self) -> Option<(&'static str, f64, &'static str)> {
        let (numbers, period) = match *self {
            Self::Precopy { memory_mb, dirty_mb_per_s, threshold_mb } => {
                let dirty = ("dirty_mb_per_s", dirty_mb_per_s);
                ([("memory_mb", memory_mb), dirty, ("threshold_mb", threshold_mb)], 1.0)
            }
            Self::HotSet { memory_mb, cold_dirty_mb_per_s, hot_set_mb, hot_set_s } => {
                let dirty = ("cold_dirty_mb_per_s", cold_dirty_mb_per_s);
                ([("memory_mb", memory_mb), dirty, ("hot_set_mb", hot_set_mb)], hot_set_s)
            }
            Self::Cold { memory_mb } => ([("memory_mb", memory_mb); 3], 1.0),
        };
        let negative = numbers.into_iter().find(|(_, it)| !it.is_finite() || *it < 0.0);
        let negative = negative.map(|(name, it)| (name, it, "a finite number that is not negative"));
        let no_period = !period.is_finite() || period <= 0.0;
        negative.or_else(|| no_period.then_some(("hot_set_s", period, "a finite number above 0")))
    }
}

/// Seconds of a migration with a hot set: all of it once; then what was written meanwhile, the hot set among it; then the
/// hot set again and again, each time the smaller part that was written during the last.
fn hot_set(carried: f64, memory: f64, cold: f64, hot: f64, hot_s: f64) -> Option<f64> {
    let writes = hot / hot_s;
    if carried <= writes {
        return None;
    }
    let once = memory / carried;
    if once <= hot_s {
        return Some(once + writes * once / (carried - writes));
    }
    (carried > cold).then(|| {
        let written = (hot + (once - hot_s) * cold) / (carried - cold);
        once + written + hot / carried * (writes / (carried - writes))
    })
}

/// Milliseconds that are not fewer than these seconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked to be in range")]
fn whole_ms(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1000.0).ceil();
    #[allow(clippy::cast_precision_loss, reason = "a power of two")]
    (ms >= 0.0 && ms <= MOST_MS as f64).then_some(ms as u64)
}

/// Links are far below the integers that a double cannot hold.
#[allow(clippy::cast_precision_loss, reason = "at most 2^30")]
fn number(mbps: u64) -> f64 {
    mbps as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOT: Load =
        Load::HotSet { memory_mb: 2000.0, cold_dirty_mb_per_s: 2.0, hot_set_mb: 96.0, hot_set_s: 2.0 };

    #[test]
    fn the_hot_set_model_gives_whole_seconds() {
        let ms = |memory_mb, mbps| {
            let load = Load::HotSet { memory_mb, cold_dirty_mb_per_s: 2.0, hot_set_mb: 96.0, hot_set_s: 2.0 };
            load.timing(mbps).map(|it| it.duration_ms)
        };
        assert_eq!([ms(2000.0, 500), ms(3000.0, 500)], [Some(51_000), Some(70_000)]);
        assert_eq!([ms(2000.0, 1000), ms(3000.0, 1000)], [Some(20_000), Some(29_000)]);
        // Less than a hot set's time: all that is written is written at the hot set's rate. 1 + 48/(111-48) = 1.76 s.
        assert_eq!(ms(111.0, 1000), Some(2_000));
        // 48 MB/s are written: 432 Mbit/s carry just these.
        assert_eq!((ms(2000.0, 440), ms(2000.0, 441).is_some()), (None, true));
        assert_eq!(HOT.needed_mbps(), Some(441));
        assert_eq!(HOT.timing(500).map(|it| (it.rounds, it.blackout_ms)), Some((None, None)));
    }

    #[test]
    fn precopy_and_cold_durations_are_those_of_their_models() {
        // 64 GiB over 10 GbE (1192 MB/s) while the guest writes 600 MB/s: the vector of the pre-copy model.
        let load = Load::Precopy { memory_mb: 65_536.0, dirty_mb_per_s: 600.0, threshold_mb: 64.0 };
        let got = load.timing(9536).unwrap();
        let expected = precopy(&MigrationLoad::new(65_536.0, 1192.0, 600.0, 64.0).unwrap()).unwrap();
        assert_eq!((got.rounds, got.blackout_ms), (Some(11), Some(29)));
        assert_eq!(got.duration_ms, whole_ms(expected.total_s).unwrap());
        assert_eq!(got.duration_ms / 10, 11_067);
        let cold = Load::Cold { memory_mb: 1000.0 }.timing(1000).unwrap();
        assert_eq!((cold.duration_ms, cold.blackout_ms, cold.rounds), (8000, Some(8000), Some(1)));
        assert_eq!(Load::Cold { memory_mb: 0.0 }.timing(1).unwrap().duration_ms, 1);
    }

    #[test]
    fn a_guest_that_writes_faster_than_any_link_has_no_needed_bandwidth() {
        let busy = Load::Precopy { memory_mb: 1e6, dirty_mb_per_s: 1e9, threshold_mb: 1.0 };
        assert_eq!((busy.timing(MOST_MBPS), busy.needed_mbps()), (None, None));
        assert_eq!(Load::Cold { memory_mb: 1e300 }.needed_mbps(), None);
        let wrong =
            Load::HotSet { memory_mb: 1.0, cold_dirty_mb_per_s: 0.0, hot_set_mb: f64::NAN, hot_set_s: 0.0 };
        assert_eq!(wrong.wrong().unwrap().0, "hot_set_mb");
        assert_eq!(Load::Cold { memory_mb: -1.0 }.wrong().unwrap().0, "memory_mb");
        let instant =
            Load::HotSet { memory_mb: 1.0, cold_dirty_mb_per_s: 0.0, hot_set_mb: 1.0, hot_set_s: 0.0 };
        assert_eq!(instant.wrong(), Some(("hot_set_s", 0.0, "a finite number above 0")));
    }

    fn loads() -> impl Strategy<Value = Load> {
        let precopy = (0.0..1e5_f64, 0.0..500.0_f64, 0.0..200.0_f64).prop_map(|(memory_mb, dirty, rest)| {
            Load::Precopy { memory_mb, dirty_mb_per_s: dirty, threshold_mb: rest }
        });
        let hot = (0.0..1e5_f64, 0.0..50.0_f64, 0.0..500.0_f64, 0.1..9.0_f64).prop_map(
            |(memory_mb, cold_dirty_mb_per_s, hot_set_mb, hot_set_s)| Load::HotSet {
                memory_mb,
                cold_dirty_mb_per_s,
                hot_set_mb,
                hot_set_s,
            },
        );
        prop_oneof![precopy, hot, (0.0..1e5_f64).prop_map(|memory_mb| Load::Cold { memory_mb })]
    }

    proptest! {
        #[test]
        fn more_bandwidth_never_takes_longer(load in loads(), mbps in 1..20_000_u64, more in 0..5_000_u64) {
            if let Some(slow) = load.timing(mbps) {
                prop_assert!(load.timing(mbps + more).unwrap().duration_ms <= slow.duration_ms);
                prop_assert!(load.needed_mbps().unwrap() <= mbps);
            } else if let Some(needed) = load.needed_mbps() {
                prop_assert!(needed > mbps && load.timing(needed).is_some() && load.timing(needed - 1).is_none());
            }
        }
    }
}
