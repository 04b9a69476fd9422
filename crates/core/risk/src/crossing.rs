//! Where a function changes its sign.

/// A place and the value there.
pub(crate) type At = (f64, f64);

/// A place at which a function is below 0, at most `close` above one at which it is not: the first is `low`'s side, the second `high`'s,
/// whichever is the greater number. `close` of 0 asks for the last digit.
///
/// Interpolation that is cut back towards bisection (ITP: Oliveira and Takahashi, ACM TOMS 47(1), 2020): never more steps than
/// bisection and one, and far fewer where the function is smooth but for kinks.
pub(crate) fn crossing(low: At, high: At, close: f64, value: impl Fn(f64) -> f64) -> f64 {
    let ((mut low, mut at_low), (mut high, mut at_high)) = (low, high);
    let whole = (high - low).abs();
    let mut allowed = whole;
    loop {
        let (width, middle) = ((high - low).abs(), f64::midpoint(low, high));
        if width <= close || middle == low || middle == high {
            return high;
        }
        let straight = low + (high - low) * (at_low / (at_low - at_high));
        let towards = (middle - straight).signum();
        let cut = 0.2 * width * width / whole;
        let moved = if cut <= (middle - straight).abs() { straight + towards * cut } else { middle };
        let radius = (allowed - width / 2.0).max(0.0);
        let next = if (moved - middle).abs() <= radius { moved } else { middle - towards * radius };
        // Rounding may leave it on an end, where nothing would be learned.
        let within = next > low.min(high) && next < low.max(high);
        let next = if within { next } else { middle };
        let found = value(next);
        if found < 0.0 {
            (high, at_high) = (next, found);
        } else {
            (low, at_low) = (next, found);
        }
        allowed /= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_found_to_the_last_digit_from_both_sides_in_few_steps(place in 0.01..0.99_f64, power in 1..9_i32) {
            for up in [true, false] {
                let steps = Cell::new(0);
                let value = |at: f64| {
                    steps.set(steps.get() + 1);
                    let over = at.powi(power) - place.powi(power);
                    if up { -over } else { over }
                };
                let (low, high) = if up { (0.0, 1.0) } else { (1.0, 0.0) };
                let found = crossing((low, value(low)), (high, value(high)), 0.0, value);
                prop_assert!((found - place).abs() <= 8.0 * f64::EPSILON, "{found} for {place}");
                prop_assert!(value(found) < 0.0);
                let of_bisection = f64::from(f64::MANTISSA_DIGITS) - place.log2();
                // With one of its own, both ends and the call above.
                prop_assert!(f64::from(steps.get()) <= of_bisection.ceil() + 4.0, "{}", steps.get());
            }
        }
    }

    #[test]
    fn a_smooth_one_takes_a_fifth_of_the_steps_of_bisection() {
        let steps = Cell::new(0);
        let value = |at: f64| {
            steps.set(steps.get() + 1);
            0.3 - at.exp_m1()
        };
        let found = crossing((0.0, 0.3), (1.0, value(1.0)), 1e-12, value);
        assert!((found - 1.3_f64.ln()).abs() <= 1e-12);
        assert!(steps.get() <= 10, "{}", steps.get());
    }

    #[test]
    fn a_plateau_at_zero_is_on_the_first_side() {
        let found = crossing((0.0, 1.0), (1.0, -1.0), 1e-9, |at| (0.25 - at).max(0.0) - (at - 0.75).max(0.0));
        assert!((found - 0.75).abs() < 1e-8, "{found}");
    }
}
