//! What is said of the waves of a fleet: the answer of each cluster, and all of them put together.

use std::collections::BTreeMap;

use serde::Serialize;
use underpin_model::fleet::Fleet;

use super::Infeasible;

/// How sure an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No schedule has fewer waves.
    Optimal,
    /// The schedule holds; fewer waves are neither found nor excluded.
    Feasible,
    /// Neither a schedule nor a proof that there is none.
    Unknown,
    /// There is no schedule.
    Infeasible,
}

/// VMs that are not planned, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// They are off or suspended.
    pub not_running: usize,
    /// Neither host nor cluster is known, or not that they run.
    pub nowhere: usize,
}

/// Hosts that are away together, by their positions in the fleet file, and where each VM is meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaveReport {
    /// Positions of hosts.
    pub hosts: Vec<usize>,
    /// Position of the host of each VM; `None`: it does not run, or stands still with its host.
    pub placement: Vec<Option<usize>>,
}

/// The answer for one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterReport {
    /// Its id, or the id of the host that is in no cluster.
    pub cluster: String,
    /// Hosts that are to be in a wave.
    pub hosts: usize,
    /// VMs that are placed.
    pub vms: usize,
    /// How sure the answer is.
    pub status: Status,
    /// Number of waves, where there is a schedule.
    pub waves: Option<usize>,
    /// Lower bounds by name, and `best`, the largest of them.
    pub lower_bound: BTreeMap<String, usize>,
    /// VMs moved, over all waves.
    pub moves: u64,
    /// No schedule with the same first wave has fewer moves.
    pub moves_bound: u64,
    /// Why there is no schedule.
    pub infeasible: Option<Infeasible>,
    /// Why nothing is known.
    pub unknown: Option<String>,
    /// What the placement at the start breaks already.
    pub start: Vec<String>,
}

/// The answer for a fleet. Clusters are independent: wave `i` of the fleet is wave `i` of every cluster that has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetWaves {
    /// Most waves of a cluster; `None`: some cluster has no schedule.
    pub waves: Option<usize>,
    /// How sure the answer is: as sure as the least sure cluster.
    pub status: Status,
    /// Lower bounds by name: the largest of all clusters; `best` is the largest of them.
    pub lower_bound: BTreeMap<String, usize>,
    /// VMs moved, over all waves and clusters.
    pub moves: u64,
    /// Sum of the clusters' bounds on moves.
    pub moves_bound: u64,
    /// Why a cluster, the first such one, has no schedule.
    pub infeasible: Option<Infeasible>,
    /// Why nothing is known about a cluster, the first such one.
    pub unknown: Option<String>,
    /// VMs that were not planned.
    pub left_out: LeftOut,
    /// The waves; empty when some cluster has none.
    pub schedule: Vec<WaveReport>,
    /// Each cluster, in the order of the file.
    pub clusters: Vec<ClusterReport>,
}

/// A cluster's answer with its schedule in positions of the fleet file.
pub(crate) struct Answer {
    pub(crate) report: ClusterReport,
    pub(crate) schedule: Vec<WaveReport>,
}

/// One answer of many: wave by wave, the placement of a cluster that is done staying as it was.
pub(super) fn together(fleet: &Fleet, answers: Vec<Answer>, left_out: LeftOut) -> FleetWaves {
    let status = answers.iter().map(|it| it.report.status).max().unwrap_or(Status::Optimal);
    let scheduled = answers.iter().all(|it| it.report.waves.is_some());
    let count = answers.iter().map(|it| it.schedule.len()).max().unwrap_or(0);
    let mut all = FleetWaves {
        waves: scheduled.then_some(count),
        status,
        lower_bound: BTreeMap::new(),
        moves: answers.iter().map(|it| it.report.moves).sum(),
        moves_bound: answers.iter().map(|it| it.report.moves_bound).sum(),
        infeasible: None,
        unknown: None,
        left_out,
        schedule: Vec::new(),
        clusters: Vec::new(),
    };
    let single = answers.len() == 1;
    let place = |cluster: &str, text: &str| {
        if single { text.to_owned() } else { format!("cluster {cluster}: {text}") }
    };
    for answer in &answers {
        let report = &answer.report;
        for (name, bound) in &report.lower_bound {
            let most = all.lower_bound.entry(name.clone()).or_insert(0);
            *most = (*most).max(*bound);
        }
        if let (None, Some(why)) = (&all.infeasible, &report.infeasible) {
            let reason = place(&report.cluster, &why.reason);
            all.infeasible = Some(Infeasible { reason, proof: why.proof });
        }
        if let (None, Some(why)) = (&all.unknown, &report.unknown) {
            all.unknown = Some(place(&report.cluster, why));
        }
    }
    for wave in 0..if scheduled { count } else { 0 } {
        let mut hosts = Vec::new();
        let mut placement = vec![None; fleet.vms.len()];
        for answer in &answers {
            let Some(part) = answer.schedule.get(wave).or(answer.schedule.last()) else { continue };
            if wave < answer.schedule.len() {
                hosts.extend(&part.hosts);
            }
            for (all, one) in placement.iter_mut().zip(&part.placement) {
                *all = all.or(*one);
            }
        }
        hosts.sort_unstable();
        all.schedule.push(WaveReport { hosts, placement });
    }
    all.clusters = answers.into_iter().map(|it| it.report).collect();
    all
}
