//! The equations of CVSS 2.0 (specification section 3.2). Tables are indexed as in `vector`.

use super::{Score, Version, pick, round, vector::Vector};

const IMPACT: [f64; 3] = [0.0, 0.275, 0.660];
const REQUIREMENT: [f64; 4] = [1.0, 0.5, 1.0, 1.51];
const TEMPORAL: std::ops::Range<usize> = 6..9;
const ENVIRONMENTAL: std::ops::Range<usize> = 9..14;

pub(super) fn score(vector: &Vector) -> Score {
    let impact = |metric| pick(&IMPACT, vector.get(metric));
    let requirement = |metric| pick(&REQUIREMENT, vector.get(metric));
    let base_score = base(vector, join(impact(3), impact(4), impact(5)));
    let temporal_score = temporal(vector, base_score);
    let adjusted =
        join(impact(3) * requirement(11), impact(4) * requirement(12), impact(5) * requirement(13)).min(10.0);
    let environmental = environmental(vector, temporal(vector, base(vector, adjusted)));
    Score {
        version: Version::V2,
        base: base_score,
        temporal: vector.states(TEMPORAL).then_some(temporal_score),
        environmental: vector.states(ENVIRONMENTAL).then_some(environmental),
    }
}

fn join(confidentiality: f64, integrity: f64, availability: f64) -> f64 {
    10.41 * (1.0 - (1.0 - confidentiality) * (1.0 - integrity) * (1.0 - availability))
}

fn base(vector: &Vector, impact: f64) -> f64 {
    if impact == 0.0 {
        return 0.0;
    }
    let exploitability = 20.0
        * pick(&[0.395, 0.646, 1.0], vector.get(0))
        * pick(&[0.35, 0.61, 0.71], vector.get(1))
        * pick(&[0.45, 0.56, 0.704], vector.get(2));
    // With low requirements the adjusted equation of the specification falls below zero, where no score is.
    round(((0.6 * impact + 0.4 * exploitability - 1.5) * 1.176).max(0.0))
}

fn temporal(vector: &Vector, base: f64) -> f64 {
    round(
        base * pick(&[1.0, 0.85, 0.9, 0.95, 1.0], vector.get(6))
            * pick(&[1.0, 0.87, 0.90, 0.95, 1.0], vector.get(7))
            * pick(&[1.0, 0.90, 0.95, 1.0], vector.get(8)),
    )
}

fn environmental(vector: &Vector, temporal: f64) -> f64 {
    let collateral = pick(&[0.0, 0.0, 0.1, 0.3, 0.4, 0.5], vector.get(9));
    let targets = pick(&[1.0, 0.0, 0.25, 0.75, 1.0], vector.get(10));
    round((temporal + (10.0 - temporal) * collateral) * targets)
}
