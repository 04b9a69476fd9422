//! The axis of time of a Gantt chart: an hour of work between weeks of soak is to be seen, so idle time is cut out.

use underpin_model::plan::Plan;

/// Time in which nothing happens is cut out where it is longer than this share of the time in which something does.
const CUT_SHARE: f64 = 0.25;

/// A stretch of time in which something happens, with its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// From and to, in seconds.
    pub(super) from: u32,
    pub(super) to: u32,
    /// Where it starts, and how long it is, in the units of the chart.
    pub(super) left: f64,
    pub(super) width: f64,
}

/// Stretches beside each other, with a gap between them for what is cut out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    stretches: Vec<Stretch>,
    length: f64,
}

impl Axis {
    /// An axis of a length for the waves of a plan. A stretch is not shorter than `least`, and `gap` stands for what is cut out.
    pub(super) fn new(plan: &Plan, length: f64, least: f64, gap: f64) -> Self {
        let mut spans: Vec<(u32, u32)> =
            plan.waves.iter().map(|it| (it.start_s, it.end_s.max(it.start_s))).collect();
        spans.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        let merged = cut(&merged, ((length + gap) / (least + gap)) as usize);
        Self { stretches: placed(&merged, length, least, gap), length }
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Where a moment is; in what is cut out, between its ends.
    pub(super) fn place(&self, at: u32) -> f64 {
        let mut before: Option<&Stretch> = None;
        for it in &self.stretches {
            if at <= it.to {
                if at >= it.from {
                    return it.left + share(at, it.from, it.to) * it.width;
                }
                let Some(before) = before else { return 0.0 };
                let end = before.left + before.width;
                return end + share(at, before.to, it.from) * (it.left - end);
            }
            before = Some(it);
        }
        self.length
    }
}

impl Stretch {
    /// The moment at a place, in seconds.
    pub(super) fn moment(&self, place: f64) -> u32 {
        let share = if self.width > 0.0 { ((place - self.left) / self.width).clamp(0.0, 1.0) } else { 0.0 };
        // Within the stretch, so within the numbers.
        self.from + (share * f64::from(self.to - self.from)) as u32
    }
}

fn share(at: u32, from: u32, to: u32) -> f64 {
    if to > from { f64::from(at - from) / f64::from(to - from) } else { 0.0 }
}

/// Joins spans until at most `most` are left, and only long idle time is between them: the longest is cut out first.
fn cut(spans: &[(u32, u32)], most: usize) -> Vec<(u32, u32)> {
    let busy: f64 = spans.iter().map(|it| f64::from(it.1 - it.0)).sum();
    let mut idle: Vec<u32> = spans.windows(2).map(|it| it[1].0 - it[0].1).collect();
    idle.sort_unstable_by(|a, b| b.cmp(a));
    let cuts = most.saturating_sub(1);
    let least = idle.get(cuts).map_or(0, |it| it + 1);
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for &(from, to) in spans {
        match joined.last_mut() {
            Some(last) if from - last.1 < least || f64::from(from - last.1) <= busy * CUT_SHARE => {
                last.1 = to;
            }
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn placed(spans: &[(u32, u32)], length: f64, least: f64, gap: f64) -> Vec<Stretch> {
    let count = spans.len() as f64;
    let free = (length - count * least - (count - 1.0) * gap).max(0.0);
    let busy: f64 = spans.iter().map(|it| f64::from(it.1 - it.0)).sum();
    let mut left = 0.0;
    let mut stretches = Vec::with_capacity(spans.len());
    for &(from, to) in spans {
        let part = if busy > 0.0 { f64::from(to - from) / busy } else { 1.0 / count };
        let width = least + free * part;
        stretches.push(Stretch { from, to, left, width });
        left += width + gap;
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_idle_time_is_cut_out_and_short_is_not() {
        assert_eq!(cut(&[(0, 100), (120, 200), (10_000, 10_100)], 9), [(0, 200), (10_000, 10_100)]);
        assert_eq!(cut(&[], 9), []);
        // Room for two: the shorter idle time stays.
        let three = [(0, 10), (1000, 1010), (9000, 9010)];
        assert_eq!(cut(&three, 3), three);
        assert_eq!(cut(&three, 2), [(0, 1010), (9000, 9010)]);
        assert_eq!(cut(&three, 0), [(0, 9010)]);
    }

    #[test]
    fn places_grow_with_time_and_moments_are_their_inverse() {
        let stretches = placed(&[(0, 3600), (90_000, 97_200)], 60.0, 5.0, 1.0);
        let axis = Axis { stretches, length: 60.0 };
        let places: Vec<f64> =
            [0, 1800, 3600, 50_000, 90_000, 97_200, u32::MAX].map(|at| axis.place(at)).to_vec();
        assert!(
            places.is_sorted() && places[0] == 0.0 && places[5] == 60.0 && places[6] == 60.0,
            "{places:?}"
        );
        let [first, second] = axis.stretches() else { panic!("two") };
        assert!((second.left - first.left - first.width - 1.0).abs() < 1e-9);
        for at in [90_000, 91_000, 97_200] {
            assert!(second.moment(axis.place(at)).abs_diff(at) <= 1);
        }
    }
}
