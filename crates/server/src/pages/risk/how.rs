//! How figures of a loss were worked out, in words: exactly, or from samples.

use underpin_risk::compound::{Cvar, Figures, Quantile};

use super::numbers::{amount, percent};

pub(super) fn how_deviation(loss: &Figures, samples: &str) -> String {
    // Samples that saw none of a loss that may be tell no error.
    if loss.sd_standard_error > 0.0 || (loss.sd == 0.0 && loss.mean > 0.0) {
        return format!(
            "From {samples} weighted samples around the exact mean; standard error {}.",
            amount(loss.sd_standard_error)
        );
    }
    "Exact, in closed form: the variances of what hosts lose, each by itself, add up.".to_owned()
}

/// A quantile is known without samples where the tail beyond it has the whole mean: there its CVaR is exact, too.
pub(super) fn how_quantile(loss: &Figures, one: &Quantile, samples: &str, seed: u64) -> String {
    let share = 1.0 - one.level;
    let whole =
        |it: &Cvar| it.standard_error == 0.0 && (it.value * share - loss.mean).abs() <= 1e-9 * loss.mean;
    if one.value == 0.0 && loss.cvar.iter().any(|it| it.level == one.level && whole(it)) {
        return format!("Exact: fewer than {} of cases lose anything.", percent(share));
    }
    let (low, high) = (amount(one.low), amount(one.high));
    format!("Quantile of {samples} weighted samples (seed {seed}); 95 % interval {low} to {high}.")
}

pub(super) fn how_cvar(one: &Cvar) -> String {
    if one.standard_error > 0.0 {
        return format!("CVaR of the weighted samples; standard error {}.", amount(one.standard_error));
    }
    let share = percent(1.0 - one.level);
    format!("Exact: fewer than {share} of cases lose anything, so that it is the expected loss over {share}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_in_closed_form_is_not_said_to_be_from_samples() {
        let exact = Figures { mean: 1.0, sd: 3.0, ..Figures::default() };
        assert!(how_deviation(&exact, "10 000").starts_with("Exact, in closed form: "));
        let sampled = Figures { sd_standard_error: 0.5, ..exact.clone() };
        assert!(how_deviation(&sampled, "10 000").starts_with("From 10 000 weighted samples"));
        // No sample saw a loss that may be.
        let unseen = Figures { sd: 0.0, ..exact };
        assert!(how_deviation(&unseen, "10 000").starts_with("From 10 000 weighted samples"));
    }

    #[test]
    fn a_quantile_is_exact_where_its_tail_has_the_whole_mean() {
        let cvar = Cvar { level: 0.95, value: 20.0, standard_error: 0.0 };
        let figures = Figures { mean: 1.0, cvar: vec![cvar], ..Figures::default() };
        let quantile = Quantile { level: 0.95, ..Quantile::default() };
        let said = |figures: &Figures| how_quantile(figures, &quantile, "10 000", 1);
        assert_eq!(said(&figures), "Exact: fewer than 5.0\u{a0}% of cases lose anything.");
        let sampled = Cvar { value: 19.0, standard_error: 0.4, ..cvar };
        let words = said(&Figures { cvar: vec![sampled], ..figures });
        assert_eq!(words, "Quantile of 10 000 weighted samples (seed 1); 95 % interval 0 to 0.");
    }
}
