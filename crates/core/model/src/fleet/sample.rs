//! Made-up fleets of any size with real releases: for trying out, for tests and for measuring.

mod catalogue;
mod changes;
mod guests;
mod hosts;
mod surroundings;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Fleet, Seen};

/// What a made-up fleet looks like. The same values give the same fleet, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSpec {
    /// Number of hosts; about twenty VMs stand on each.
    pub hosts: u32,
    /// Start of the random sequence.
    pub seed: u64,
    /// Components of a host with a package manager that lists them by the hundred (Debian, Proxmox, AlmaLinux): at
    /// least the hypervisor's own, at most 620. XCP-ng, ESXi and Windows hosts list only what they really do.
    pub components_per_host: u32,
}

impl Default for SampleSpec {
    fn default() -> Self {
        Self { hosts: 24, seed: 1, components_per_host: 60 }
    }
}

/// Makes a fleet as it would be observed at `at`: several sites, platforms and patch levels, hosts that wait for a
/// reboot, guests on old emulators, old images, and facts that are missing, as they are in real files.
///
/// It is healthy: hosts carry their guests, and a cluster of two hosts or more restarts those of any one that fails (a single host
/// has nowhere to restart them). Few clusters are degraded.
///
/// Versions, builds, update numbers and microcode revisions are real ones; names of sites, tenants and machines mean
/// nobody. It always passes [`super::read`] without errors.
#[must_use]
pub fn sample(spec: &SampleSpec, at: Timestamp) -> Fleet {
    let mut fleet = Fleet::new("sample", Seen { at, by: "sample".to_owned() });
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(spec.seed));
    fleet.component_sets = catalogue::sets(spec.components_per_host as usize);
    surroundings::fill(&mut fleet, spec.hosts, &mut dice);
    let standing = hosts::fill(&mut fleet, spec.hosts, at, &mut dice);
    guests::fill(&mut fleet, &standing, at, &mut dice);
    hosts::carry(&mut fleet);
    changes::fill(&mut fleet);
    fleet
}

/// An id made of parts; `None` never happens for the parts used here, and costs an element rather than a panic if so.
macro_rules! id {
    ($type:ty, $($format:tt)+) => {
        <$type>::new(format!($($format)+)).ok()
    };
}
use id;

/// The one source of chance of a sample.
struct Dice(ChaCha8Rng);

impl Dice {
    /// A whole number below `end`; 0 when `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        // A u64 on every machine: a usize would make 32-bit machines draw another sequence.
        if end == 0 { 0 } else { self.0.random_range(0..end as u64) as usize }
    }

    /// True `percent` times in a hundred.
    fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100u32) < percent
    }

    /// One of the items by their weights.
    fn weighted<'a, T>(&mut self, items: &'a [(u32, T)]) -> Option<&'a T> {
        let total: u32 = items.iter().map(|it| it.0).sum();
        let mut left = self.below(total as usize) as u32;
        for (weight, item) in items {
            if left < *weight {
                return Some(item);
            }
            left -= weight;
        }
        None
    }

    /// An instant up to `days` before `at`, to the second.
    fn before(&mut self, at: Timestamp, days: u32) -> Timestamp {
        let seconds = self.below(days as usize * 86_400) as i64;
        let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
        whole.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(whole)
    }

    /// Text in the form of a UUID.
    fn uuid(&mut self) -> String {
        let bits = (u128::from(self.0.next_u64()) << 64) | u128::from(self.0.next_u64());
        let hex = format!("{bits:032x}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
        parts.into_iter().filter_map(|it| hex.get(it)).collect::<Vec<_>>().join("-")
    }
}
