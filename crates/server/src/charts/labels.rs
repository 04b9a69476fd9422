//! Names beside points, none on another.

/// Space between a point and its name.
const GAP: f64 = 8.0;
/// Farther off a name is led to its point by a line.
const LED: f64 = 14.0;
/// Space between two names, so that they do not read as one.
const APART: f64 = 4.0;
/// How far a name is moved away from its point, at most six times.
const STEP: f64 = 13.0;

/// An upright rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && other.left + other.width <= self.left + self.width
            && other.top + other.height <= self.top + self.height
    }

    /// The same with some space on both sides.
    fn wider(&self) -> Self {
        Self { left: self.left - APART, width: self.width + 2.0 * APART, ..*self }
    }

    /// Whether a straight line from one point to another goes through it: by the stretch of the line that is inside, of each axis in
    /// turn.
    fn is_crossed(&self, (from, to): Lead) -> bool {
        let (mut first, mut last) = (0.0_f64, 1.0_f64);
        let axes = [(from.0, to.0, self.left, self.width), (from.1, to.1, self.top, self.height)];
        for (start, end, least, size) in axes {
            let way = end - start;
            if way == 0.0 {
                if start <= least || start >= least + size {
                    return false;
                }
                continue;
            }
            let (one, other) = ((least - start) / way, (least + size - start) / way);
            (first, last) = (first.max(one.min(other)), last.min(one.max(other)));
        }
        first < last
    }

    /// The place in it that is nearest to a point.
    pub(super) fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.left + self.width), y.clamp(self.top, self.top + self.height))
    }
}

/// A line from a point to its name.
type Lead = ((f64, f64), (f64, f64));

/// A name with its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) area: Area,
    /// Its point is not told from the place: a line is to lead there.
    pub(super) led: bool,
}

/// Where the names of points go: beside them, where that is taken farther off, and off the lines of the picture while there is room. The first ones
/// choose first; `None`: there is no room. Every name has the same height; `widths` are theirs.
pub(super) fn arrange(
    points: &[(f64, f64)],
    widths: &[f64],
    height: f64,
    within: Area,
    lines: &[Area],
) -> Vec<Option<Spot>> {
    let far = |area: &Area, (x, y): (f64, f64)| {
        let (left, top) = area.nearest((x, y));
        (left - x).hypot(top - y)
    };
    let taken: Vec<Area> =
        points.iter().map(|(x, y)| Area { left: x - 6.0, top: y - 6.0, width: 12.0, height: 12.0 }).collect();
    let (mut names, mut leads): (Vec<Area>, Vec<Lead>) = (Vec::new(), Vec::new());
    let spot = |(&(x, y), &width): (&(f64, f64), &f64)| {
        let area = |left: f64, top: f64| Area { left, top, width, height };
        let around = |far: f64| {
            let (right, left, middle) = (x + GAP, x - GAP - width, x - width / 2.0);
            let (level, above, below) = (y - height / 2.0, y - GAP - height - far, y + GAP + far);
            [
                area(right + far, level),
                area(left - far, level),
                area(middle, above),
                area(middle, below),
                area(right, above),
                area(right, below),
                area(left, above),
                area(left, below),
            ]
        };
        let spots = || (0..7).flat_map(|steps| around(f64::from(steps) * STEP));
        let led = |area: &Area| {
            let own = far(area, (x, y));
            own > LED || points.iter().any(|it| *it != (x, y) && far(area, *it) < 2.0 * own)
        };
        let is_free = |it: &Area| {
            within.holds(it)
                && !taken.iter().any(|other| other.meets(it))
                && !names.iter().any(|other| other.meets(&it.wider()))
        };
        let is_clear = |it: &Area| {
            let lead = ((x, y), it.nearest((x, y)));
            let crosses = led(it) && names.iter().any(|other| other.is_crossed(lead));
            let in_the_way =
                lines.iter().any(|line| line.meets(it)) || leads.iter().any(|other| it.is_crossed(*other));
            is_free(it) && !in_the_way && !crosses
        };
        let found = spots().find(is_clear).or_else(|| spots().find(is_free));
        let spot = found.map(|area| Spot { area, led: led(&area) });
        names.extend(found);
        leads.extend(spot.iter().filter(|it| it.led).map(|it| ((x, y), it.area.nearest((x, y)))));
        spot
    };
    points.iter().zip(widths).map(spot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Area = Area { left: 0.0, top: 0.0, width: 300.0, height: 200.0 };

    #[test]
    fn names_of_points_that_lie_close_are_apart() {
        let points: Vec<(f64, f64)> = (0..12).map(|at| (40.0 + 9.0 * f64::from(at), 100.0)).collect();
        let spots = arrange(&points, &[70.0; 12], 14.0, WITHIN, &[]);
        let found: Vec<Area> = spots.iter().flatten().map(|it| it.area).collect();
        assert!(found.len() >= 8, "{spots:?}");
        for (at, one) in found.iter().enumerate() {
            assert!(WITHIN.holds(one), "{one:?}");
            assert!(!found.iter().skip(at + 1).any(|it| it.meets(&one.wider())), "{found:?}");
            assert!(points.iter().all(|point| one.nearest(*point) != *point), "{one:?} is on a point");
        }
    }

    #[test]
    fn a_line_to_a_name_goes_through_no_other_name() {
        let points: Vec<(f64, f64)> = (0..4).map(|at| (150.0, 80.0 + 9.0 * f64::from(at))).collect();
        let spots = arrange(&points, &[60.0; 4], 14.0, WITHIN, &[]);
        let found: Vec<Spot> = spots.iter().copied().flatten().collect();
        assert_eq!(found.len(), 4, "{spots:?}");
        for (at, (spot, point)) in found.iter().zip(&points).enumerate().filter(|(_, (it, _))| it.led) {
            let lead = (*point, spot.area.nearest(*point));
            let mut others = found.iter().enumerate().filter(|(other, _)| *other != at);
            assert!(others.all(|(_, it)| !it.area.is_crossed(lead)), "{found:?}");
        }
        assert!(
            !WITHIN.is_crossed(((-5.0, 5.0), (5.0, -5.1))) && !WITHIN.is_crossed(((-1.0, 0.0), (-1.0, 9.0)))
        );
        assert!(
            WITHIN.is_crossed(((-5.0, 6.0), (5.0, 0.0))) && WITHIN.is_crossed(((9.0, -5.0), (9.0, 500.0)))
        );
    }

    #[test]
    fn a_name_without_room_is_nowhere_and_a_free_one_is_beside_its_point() {
        let arrange = |point, width| {
            let spots = arrange(&[point], &[width], 14.0, WITHIN, &[]);
            spots.iter().map(|it| it.map(|it| (it.area, it.led))).collect::<Vec<_>>()
        };
        assert_eq!(arrange((150.0, 100.0), 400.0), [None]);
        let beside = Area { left: 158.0, top: 93.0, width: 50.0, height: 14.0 };
        assert_eq!(arrange((150.0, 100.0), 50.0), [Some((beside, false))]);
        let at_the_edge = arrange((290.0, 100.0), 50.0);
        assert!(at_the_edge.iter().flatten().all(|it| it.0.left < 240.0), "{at_the_edge:?}");
    }
    #[test]
    fn a_name_keeps_off_lines_and_is_led_to_its_point_where_another_one_is_as_near() {
        let line = Area { left: 150.0, top: 99.0, width: 150.0, height: 2.0 };
        let [Some(spot)] = arrange(&[(150.0, 100.0)], &[50.0], 14.0, WITHIN, &[line])[..] else { panic!() };
        assert!(!spot.area.meets(&line) && !spot.led, "{spot:?}");
        // Two points above each other: the names on both sides could be of either.
        let spots = arrange(&[(150.0, 100.0), (150.0, 113.0)], &[50.0; 2], 14.0, WITHIN, &[]);
        assert!(spots.iter().flatten().all(|it| it.led), "{spots:?}");
        // Where only the line is left, that is better than nowhere.
        let all = Area { left: 0.0, top: 0.0, width: 300.0, height: 200.0 };
        assert!(arrange(&[(150.0, 100.0)], &[50.0], 14.0, WITHIN, &[all])[0].is_some());
    }
}
