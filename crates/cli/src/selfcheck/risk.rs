//! Sections whose formulas are in the risk model.

use underpin_model::quantity::{Loss, PerDay, Probability};
use underpin_risk::binomial::at_least;
use underpin_risk::common_cause::beta_factor_approximation;
use underpin_risk::evidence::{
    clopper_pearson, detect_prob_canary, posterior_bad_after_clean_canary, zero_failure_upper,
};
use underpin_risk::hazard::{EPSS_DAYS, daily_hazard, daily_probability, probability_within};
use underpin_risk::tail::{
    beta_binomial_none, beta_binomial_tail, one_factor_gaussian_tail, vasicek_quantile,
};
use underpin_risk::timing::{LossCurve, PatchTime, optimal_patch_time};

use super::row::{BadRow, Got, Row, wrong};
use super::{Outputs, Section};

pub(super) const SECTIONS: &[Section] = &[
    Section { name: "epss_to_daily", inputs: &["epss30"], compute: epss_to_daily },
    Section { name: "exposure_prob", inputs: &["epss30", "days"], compute: exposure_prob },
    Section { name: "one_factor_gaussian_tail", inputs: &["n", "p", "rho", "k"], compute: gaussian_tail },
    Section { name: "vasicek_quantile", inputs: &["p", "rho", "alpha"], compute: vasicek },
    Section { name: "beta_binomial_tail", inputs: &["n", "a", "b", "k"], compute: beta_binomial },
    Section { name: "beta_factor_ccf", inputs: &["p", "beta", "koutofn"], compute: beta_factor_ccf },
    Section { name: "zero_failure_upper", inputs: &["n", "conf"], compute: zero_failure },
    Section { name: "clopper_pearson", inputs: &["x", "n"], compute: interval },
    Section { name: "detect_prob_canary", inputs: &["n", "p"], compute: detection },
    Section { name: "posterior_bad_after_clean_canary", inputs: &["prior", "q", "n"], compute: posterior },
    Section { name: "optimal_patch_time", inputs: &["lam", "Ce", "p0", "theta", "Cp"], compute: patch_time },
];

fn epss_to_daily(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let p = epss(row)?;
    Ok(vec![
        ("hazard", daily_hazard(p).get().into()),
        ("daily", daily_probability(p).into()),
        // The shortcut that the file shows for contrast; Underpin uses it nowhere.
        ("nist_p30_approx", (p.get() / EPSS_DAYS).into()),
    ])
}

fn exposure_prob(row: &Row<'_>) -> Result<Outputs, BadRow> {
    Ok(vec![("prob", probability_within(epss(row)?, row.quantity("days")?).into())])
}

/// A score of exactly 1 has an infinite hazard: refused, as in feeds.
fn epss(row: &Row<'_>) -> Result<Probability, BadRow> {
    let score = row.probability("epss30")?;
    if score == Probability::CERTAIN {
        return Err(wrong(
            "epss30",
            &score.get().into(),
            "a probability below 1: a score of 1 has no hazard",
        ));
    }
    Ok(score)
}

fn gaussian_tail(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let (n, p, k) = (row.count("n")?, row.probability("p")?, row.count("k")?);
    let tail = one_factor_gaussian_tail(n, p, row.number("rho")?, k)?;
    Ok(vec![("P_ge_k", tail.into()), ("independent", at_least(n, p, k).into())])
}

fn vasicek(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let q = vasicek_quantile(row.probability("p")?, row.number("rho")?, row.probability("alpha")?)?;
    Ok(vec![("q", q.into())])
}

fn beta_binomial(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let (n, a, b) = (row.count("n")?, row.number("a")?, row.number("b")?);
    let tail = beta_binomial_tail(n, a, b, row.count("k")?)?;
    Ok(vec![("P_ge_k", tail.into()), ("P0", beta_binomial_none(n, a, b)?.into())])
}

fn beta_factor_ccf(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let text = row.text("koutofn")?;
    let counts =
        text.split_once("of").and_then(|(k, n)| Some((k.parse::<u32>().ok()?, n.parse::<u32>().ok()?)));
    let Some((k, n)) = counts.filter(|(k, n)| (1..=*n).contains(k)) else {
        return Err(wrong("koutofn", &text.into(), "a text such as 2of3"));
    };
    // The system works with k of n parts: n-k+1 failures end it.
    let p = beta_factor_approximation(row.probability("p")?, row.probability("beta")?, n - k + 1, n)?;
    Ok(vec![("approx", p.into())])
}

fn zero_failure(row: &Row<'_>) -> Result<Outputs, BadRow> {
    Ok(vec![("upper", zero_failure_upper(row.count("n")?, row.probability("conf")?).into())])
}

fn interval(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let found = clopper_pearson(row.count("x")?, row.count("n")?, Probability::nearest(0.95))?;
    Ok(vec![("lo", found.low.into()), ("hi", found.high.into())])
}

fn detection(row: &Row<'_>) -> Result<Outputs, BadRow> {
    Ok(vec![("P_at_least_one", detect_prob_canary(row.count("n")?, row.probability("p")?).into())])
}

fn posterior(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let (prior, q) = (row.probability("prior")?, row.probability("q")?);
    Ok(vec![("post", posterior_bad_after_clean_canary(prior, q, row.count("n")?)?.into())])
}

fn patch_time(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let found = optimal_patch_time(&LossCurve {
        hazard: row.quantity::<PerDay>("lam")?,
        exposure_loss: row.quantity::<Loss>("Ce")?,
        bad_patch: row.probability("p0")?,
        maturing: row.quantity::<PerDay>("theta")?,
        patch_loss: row.quantity::<Loss>("Cp")?,
    });
    let best = match found.best {
        PatchTime::After(days) => Got::Number(days.get()),
        PatchTime::Never => Got::Text("never"),
    };
    Ok(vec![
        ("interior_min", Got::Truth(found.interior_minimum)),
        ("t_star", best),
        ("loss", found.loss.get().into()),
        ("loss_now", found.loss_now.get().into()),
    ])
}
