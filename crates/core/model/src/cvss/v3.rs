//! The equations of CVSS 3.0 and 3.1 (specifications section 7 and 8). Tables are indexed as in `vector`.

use super::{Score, Version, pick, vector::Vector};

const IMPACT: [f64; 3] = [0.0, 0.22, 0.56];
const REQUIREMENT: [f64; 4] = [1.0, 0.5, 1.0, 1.5];

pub(super) fn score(vector: &Vector) -> Score {
    let up = match vector.version {
        Version::V3_0 => round_up_3_0,
        _ => round_up_3_1,
    };
    let temporal = pick(&[1.0, 0.91, 0.94, 0.97, 1.0], vector.get(8))
        * pick(&[1.0, 0.95, 0.96, 0.97, 1.0], vector.get(9))
        * pick(&[1.0, 0.92, 0.96, 1.0], vector.get(10));
    let base = up(base(vector));
    Score {
        version: vector.version,
        base,
        temporal: Some(up(base * temporal)),
        environmental: Some(up(up(modified(vector)) * temporal)),
    }
}

fn base(vector: &Vector) -> f64 {
    let loss = |metric| pick(&IMPACT, vector.get(metric));
    let sub_score = 1.0 - (1.0 - loss(5)) * (1.0 - loss(6)) * (1.0 - loss(7));
    let changed = vector.get(4) == 1;
    let impact = if changed {
        7.52 * (sub_score - 0.029) - 3.25 * (sub_score - 0.02).powi(15)
    } else {
        6.42 * sub_score
    };
    combine(impact, exploitability([0, 1, 2, 3].map(|metric| vector.get(metric)), changed), changed)
}

/// The environmental score before temporal factors: the base equation over modified metrics and requirements.
/// 3.1 changed the curve of a changed scope here, but not in the base equation.
fn modified(vector: &Vector) -> f64 {
    let loss = |metric, modified, requirement| {
        pick(&IMPACT, vector.modified(metric, modified)) * pick(&REQUIREMENT, vector.get(requirement))
    };
    let sub_score =
        (1.0 - (1.0 - loss(5, 19, 11)) * (1.0 - loss(6, 20, 12)) * (1.0 - loss(7, 21, 13))).min(0.915);
    let changed = vector.modified(4, 18) == 1;
    let curve = match vector.version {
        Version::V3_0 => (sub_score - 0.02).powi(15),
        _ => (sub_score * 0.9731 - 0.02).powi(13),
    };
    let impact = if changed { 7.52 * (sub_score - 0.029) - 3.25 * curve } else { 6.42 * sub_score };
    let reach = [(0, 14), (1, 15), (2, 16), (3, 17)].map(|(base, modified)| vector.modified(base, modified));
    combine(impact, exploitability(reach, changed), changed)
}

fn exploitability([vector, complexity, privileges, interaction]: [usize; 4], changed: bool) -> f64 {
    let privileges = pick(if changed { &[0.85, 0.68, 0.5] } else { &[0.85, 0.62, 0.27] }, privileges);
    8.22 * pick(&[0.85, 0.62, 0.55, 0.2], vector)
        * pick(&[0.77, 0.44], complexity)
        * privileges
        * pick(&[0.85, 0.62], interaction)
}

fn combine(impact: f64, exploitability: f64, changed: bool) -> f64 {
    if impact <= 0.0 {
        return 0.0;
    }
    let scope = if changed { 1.08 } else { 1.0 };
    (scope * (impact + exploitability)).min(10.0)
}

/// The smallest number with one decimal that is not below the value; 1e-9 absorbs binary fractions.
fn round_up_3_0(value: f64) -> f64 {
    (value * 10.0 - 1e-9).ceil().max(0.0) / 10.0
}

/// The rounding of 3.1, appendix A: on the value cut to five decimals, so that every implementation agrees.
fn round_up_3_1(value: f64) -> f64 {
    let cut = (value * 100_000.0).round();
    (cut / 10_000.0).ceil() / 10.0
}
