//! What several tests need: the reference data, and a checker that shares no code with the planner.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests may fail loudly, read the reference data, and say what they skip; not all use all of it"
)]

pub(crate) mod migrations;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use underpin_model::fleet::Seen;
use underpin_planner::waves::{FleetWaves, WaveReport};

/// Where and when test data is said to be seen.
pub(crate) fn seen() -> Seen {
    Seen { at: "2026-01-15T09:00:00Z".parse().unwrap(), by: "test".to_owned() }
}

/// A file or folder below `shared/data/planning`, where it is there.
pub(crate) fn planning(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = named
        .or_else(|| here.ancestors().map(|folder| folder.join("shared/data")).find(|path| path.is_dir()))
        .map(|data| data.join("planning").join(name))
        .filter(|path| path.exists());
    if found.is_none() {
        let all = std::env::var_os("UNDERPIN_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!all, "shared/data not found");
        println!("skipped: shared/data not found");
    }
    found
}

/// The static model from its description, on plain numbers.
pub(crate) struct Plain {
    pub(crate) capacity: Vec<Vec<i64>>,
    pub(crate) demand: Vec<Vec<i64>>,
    pub(crate) start: Vec<Option<usize>>,
    pub(crate) off: BTreeSet<usize>,
    pub(crate) apart: Vec<Vec<usize>>,
    pub(crate) among: Vec<(Vec<usize>, Vec<BTreeSet<usize>>)>,
    pub(crate) n_plus: bool,
    pub(crate) most: usize,
}

impl Plain {
    /// An instance of `waves-proven.json`.
    pub(crate) fn of_json(raw: &Value) -> Self {
        let table = |key: &str| -> Vec<Vec<i64>> { serde_json::from_value(raw[key].clone()).unwrap() };
        let start: Vec<usize> = serde_json::from_value(raw["vm_host"].clone()).unwrap();
        Self {
            capacity: table("host_cap"),
            demand: table("vm_dem"),
            start: start.into_iter().map(Some).collect(),
            off: BTreeSet::new(),
            apart: serde_json::from_value(raw["anti_affinity"].clone()).unwrap(),
            among: Vec::new(),
            n_plus: raw["n_plus"].as_bool().unwrap(),
            most: usize::try_from(raw["max_hosts_per_wave"].as_u64().unwrap()).unwrap(),
        }
    }

    /// Everything that is wrong with a schedule, and how many VMs it moves.
    pub(crate) fn check(&self, schedule: &[WaveReport]) -> Result<u64, String> {
        let hosts = self.capacity.len();
        let mut done = BTreeSet::new();
        let mut moves = 0;
        let mut last = self.start.clone();
        for (number, wave) in schedule.iter().enumerate() {
            for host in &wave.hosts {
                if !done.insert(*host) || self.off.contains(host) {
                    return Err(format!("wave {number}: host {host} is off, or in two waves"));
                }
            }
            self.wave(wave).map_err(|error| format!("wave {number}: {error}"))?;
            for (vm, host) in wave.placement.iter().enumerate() {
                moves += u64::from(last[vm].is_some() && last[vm] != *host);
                last[vm] = *host;
            }
        }
        if done.len() + self.off.len() != hosts {
            return Err(format!("{} of {hosts} hosts are in a wave", done.len()));
        }
        Ok(moves)
    }

    /// Whether one placement holds while these hosts are away.
    pub(crate) fn holds(&self, away: &[usize], placement: &[Option<usize>]) -> bool {
        self.wave(&WaveReport { hosts: away.to_vec(), placement: placement.to_vec() }).is_ok()
    }

    fn wave(&self, wave: &WaveReport) -> Result<(), String> {
        let away: BTreeSet<usize> = wave.hosts.iter().copied().collect();
        if wave.hosts.is_empty() || (self.most > 0 && wave.hosts.len() > self.most) {
            return Err(format!("{} hosts", wave.hosts.len()));
        }
        if wave.placement.len() != self.demand.len() {
            return Err("not all VMs are placed".to_owned());
        }
        let width = self.capacity.first().map_or(0, Vec::len);
        let mut used = vec![vec![0i64; width]; self.capacity.len()];
        for (vm, host) in wave.placement.iter().enumerate() {
            let host = host.ok_or_else(|| format!("VM {vm} is nowhere"))?;
            if away.contains(&host) || self.off.contains(&host) {
                return Err(format!("VM {vm} is on host {host}, which is away"));
            }
            for (used, amount) in used[host].iter_mut().zip(&self.demand[vm]) {
                *used += amount;
            }
            if used[host].iter().zip(&self.capacity[host]).any(|(used, has)| used > has) {
                return Err(format!("host {host} carries too much"));
            }
        }
        for group in &self.apart {
            let vms: BTreeSet<usize> = group.iter().copied().collect();
            let on: BTreeSet<usize> = vms.iter().map(|vm| wave.placement[*vm].unwrap()).collect();
            if on.len() < vms.len() {
                return Err(format!("group {group:?} shares a host"));
            }
        }
        for (vms, parts) in &self.among {
            let inside =
                |part: &BTreeSet<usize>| vms.iter().all(|vm| part.contains(&wave.placement[*vm].unwrap()));
            if !parts.iter().any(inside) {
                return Err(format!("VMs {vms:?} are in no one part"));
            }
        }
        if self.n_plus {
            for at in 0..width {
                let rest: Vec<i64> = (0..self.capacity.len())
                    .filter(|host| !away.contains(host) && !self.off.contains(host))
                    .map(|host| self.capacity[host][at])
                    .collect();
                let sum: i64 = rest.iter().sum();
                let needed: i64 = self.demand.iter().map(|it| it[at]).sum();
                if sum - rest.iter().max().copied().unwrap_or(0) < needed {
                    return Err(format!("the largest host may not fail: {at}"));
                }
            }
        }
        Ok(())
    }

    /// Checks the schedule of an answer and its figures.
    #[track_caller]
    pub(crate) fn accepts(&self, answer: &FleetWaves) {
        let moves = self.check(&answer.schedule).unwrap();
        assert_eq!(Some(answer.schedule.len()), answer.waves);
        assert_eq!(answer.moves, moves);
        assert!(answer.moves >= answer.moves_bound, "{} < {}", answer.moves, answer.moves_bound);
        assert!(answer.waves >= answer.lower_bound.get("best").copied());
    }
}
