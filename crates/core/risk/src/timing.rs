//! When to patch, in the smallest model: the exposure grows, the chance that the patch is bad falls.
//!
//! `L(t) = Ce (1 - e^{-lambda t}) + Cp p0 e^{-theta t}` (after Beattie et al., "Timing the application of security patches for
//! optimal uptime", LISA 2002). The stationary point `ln(Cp p0 theta/(Ce lambda))/(theta - lambda)` is a minimum only when
//! `theta > lambda`. Otherwise it is a *maximum*: then only now and never are candidates.

use serde::{Deserialize, Serialize};
use underpin_model::quantity::{Days, Loss, PerDay, Probability};

/// The parameters of the loss curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossCurve {
    /// Hazard of exploitation, `lambda`.
    pub hazard: PerDay,
    /// Loss when it is exploited, `Ce`.
    pub exposure_loss: Loss,
    /// Probability that the patch is bad on the day of its release, `p0`.
    pub bad_patch: Probability,
    /// Rate at which reports from the field retire bad patches, `theta`.
    pub maturing: PerDay,
    /// Loss from a bad patch, `Cp`.
    pub patch_loss: Loss,
}

/// A moment to patch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatchTime {
    /// So many days after the release; 0 is now.
    After(Days),
    /// Not at all: waiting costs less, however long.
    Never,
}

/// The best moment and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimalPatchTime {
    /// The curve has a minimum after now, and not at infinity.
    pub interior_minimum: bool,
    /// The moment of the least loss; the earliest one where several are equal.
    pub best: PatchTime,
    /// Expected loss then.
    pub loss: Loss,
    /// Expected loss when patched now.
    pub loss_now: Loss,
    /// Expected loss when never patched.
    pub loss_never: Loss,
}

impl LossCurve {
    /// Expected loss when patched after `days`.
    #[must_use]
    pub fn at(&self, days: Days) -> Loss {
        let exposed = -(-self.hazard.get() * days.get()).exp_m1();
        let bad = self.bad_patch.get() * (-self.maturing.get() * days.get()).exp();
        self.sum(exposed, bad)
    }

    /// Expected loss when never patched. A hazard of 0 never strikes, and a patch that never matures stays bad.
    #[must_use]
    pub fn never(&self) -> Loss {
        let exposed = if self.hazard.get() > 0.0 { 1.0 } else { 0.0 };
        let bad = if self.maturing.get() > 0.0 { 0.0 } else { self.bad_patch.get() };
        self.sum(exposed, bad)
    }

    fn sum(&self, exposed: f64, bad: f64) -> Loss {
        // Two finite losses may exceed the largest double: then the largest is the honest answer that compares rightly.
        let sum = (self.exposure_loss.get() * exposed + self.patch_loss.get() * bad).min(f64::MAX);
        Loss::new(sum).unwrap_or_default()
    }

    /// The stationary point where it is a minimum after now.
    fn interior(&self) -> Option<Days> {
        let (lambda, theta) = (self.hazard.get(), self.maturing.get());
        if theta <= lambda {
            return None;
        }
        // Logs one by one: the products may leave the range of a double.
        let gain = self.patch_loss.get().ln() + self.bad_patch.get().ln() + theta.ln();
        let cost = self.exposure_loss.get().ln() + lambda.ln();
        Days::new((gain - cost) / (theta - lambda)).ok().filter(|it| it.get() > 0.0)
    }
}

/// The moment to patch with the least expected loss: the interior minimum where there is one, else the better of now and
/// never, of equals the earlier.
#[must_use]
pub fn optimal_patch_time(curve: &LossCurve) -> OptimalPatchTime {
    let (loss_now, loss_never) = (curve.at(Days::default()), curve.never());
    let interior = curve.interior();
    let mut best = (PatchTime::After(Days::default()), loss_now);
    if let Some(days) = interior
        && curve.at(days) < best.1
    {
        best = (PatchTime::After(days), curve.at(days));
    }
    if loss_never < best.1 {
        best = (PatchTime::Never, loss_never);
    }
    let (best, loss) = best;
    OptimalPatchTime { interior_minimum: interior.is_some(), best, loss, loss_now, loss_never }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(hazard: f64, exposure_loss: f64, bad_patch: f64, maturing: f64, patch_loss: f64) -> LossCurve {
        LossCurve {
            hazard: PerDay::new(hazard).unwrap(),
            exposure_loss: Loss::new(exposure_loss).unwrap(),
            bad_patch: Probability::new(bad_patch).unwrap(),
            maturing: PerDay::new(maturing).unwrap(),
            patch_loss: Loss::new(patch_loss).unwrap(),
        }
    }

    fn best(curve: LossCurve) -> (f64, f64) {
        let found = optimal_patch_time(&curve);
        let days = match found.best {
            PatchTime::After(days) => days.get(),
            PatchTime::Never => f64::INFINITY,
        };
        (days, found.loss.get())
    }

    #[test]
    fn an_interior_minimum_is_found() {
        let (days, loss) = best(curve(0.001, 100.0, 0.15, 0.1, 50.0));
        assert!((days - 20.352_555_763_053_18).abs() < 1e-9 && (loss - 2.994_537_206_969_542).abs() < 1e-9);
    }

    /// The formula alone would say 59.9 days at a loss of 1000.
    #[test]
    fn a_stationary_point_that_is_a_maximum_is_not_taken() {
        let trap = curve(0.2, 1000.0, 0.05, 0.1, 100.0);
        assert!(!optimal_patch_time(&trap).interior_minimum);
        assert_eq!(best(trap), (0.0, 5.0));
        // The same shape where never is the better end.
        assert_eq!(best(curve(0.2, 1.0, 0.5, 0.1, 100.0)), (f64::INFINITY, 1.0));
    }

    #[test]
    fn end_points() {
        // Equal rates: no stationary point, one of the ends.
        assert_eq!(best(curve(0.1, 100.0, 0.5, 0.1, 100.0)), (0.0, 50.0));
        assert_eq!(best(curve(0.1, 10.0, 0.5, 0.1, 100.0)), (f64::INFINITY, 10.0));
        // Nothing can be exploited: wait for ever, if the patch may be bad; else the earliest.
        assert_eq!(best(curve(0.0, 100.0, 0.5, 0.1, 100.0)), (f64::INFINITY, 0.0));
        assert_eq!(best(curve(0.0, 100.0, 0.0, 0.1, 100.0)), (0.0, 0.0));
        assert_eq!(best(curve(0.0, 100.0, 0.5, 0.0, 100.0)), (0.0, 50.0));
        assert_eq!(best(curve(0.1, 0.0, 0.5, 0.2, 100.0)), (f64::INFINITY, 0.0));
        assert_eq!(best(curve(0.1, 100.0, 0.5, 0.2, 0.0)), (0.0, 0.0));
        // The largest losses stay finite.
        assert!(best(curve(0.1, f64::MAX, 1.0, 0.0, f64::MAX)).1.is_finite());
    }

    proptest! {
        #[test]
        fn nothing_on_a_grid_is_better(
            hazard in 0.0..0.5_f64, exposure in 0.0..1000.0_f64, bad in 0.0..=1.0_f64, maturing in 0.0..0.5_f64, patch in 0.0..1000.0_f64,
        ) {
            let curve = curve(hazard, exposure, bad, maturing, patch);
            let found = optimal_patch_time(&curve);
            prop_assert!(found.loss <= found.loss_now && found.loss <= found.loss_never);
            for day in 0..400 {
                let there = curve.at(Days::new(f64::from(day) * 0.5).unwrap()).get();
                prop_assert!(found.loss.get() <= there * (1.0 + 1e-12) + 1e-12);
            }
        }
    }
}
