//! Sections whose formulas are in the gate.

use serde_json::Value;
use underpin_gate::cusum::cusum_arl;
use underpin_gate::exact::{Alternative, fisher_exact};
use underpin_gate::multiplicity::{benjamini_hochberg, benjamini_yekutieli};
use underpin_gate::rank::{RankMethod, mann_whitney};
use underpin_gate::sequential::{
    betting_evalue, msprt_two_sample_normal, multinomial_anytime_bf, sprt, sprt_asn_bernoulli,
};
use underpin_model::quantity::Probability;

use super::row::{BadRow, Got, Row, wrong};
use super::{Outputs, Section};

pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "msprt_two_sample_normal",
        inputs: &["mean_diff", "n_per_arm", "sigma2", "tau2"],
        compute: msprt,
    },
    Section { name: "multinomial_anytime_bf", inputs: &["counts", "theta0", "alpha"], compute: multinomial },
    Section { name: "betting_evalue", inputs: &["x", "m0", "lam"], compute: betting },
    Section { name: "sprt", inputs: &["alpha", "beta"], compute: limits },
    Section { name: "sprt_asn_bernoulli", inputs: &["p0", "p1", "alpha", "beta"], compute: observations },
    Section { name: "cusum_arl", inputs: &["h", "k", "shift"], compute: run_lengths },
    Section { name: "mannwhitney_scipy", inputs: &["x", "y", "alternative", "method"], compute: ranks },
    Section { name: "fisher_exact", inputs: &["t", "alt"], compute: fisher },
    Section { name: "benjamini_hochberg", inputs: &["p"], compute: adjusted },
];

fn msprt(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let (difference, n) = (row.number("mean_diff")?, row.count("n_per_arm")?);
    let found = msprt_two_sample_normal(difference, n, row.number("sigma2")?, row.number("tau2")?)?;
    Ok(vec![("Lambda", found.value().into()), ("p", found.p_value().into())])
}

fn multinomial(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let counts = row.list("counts", Value::as_u64)?;
    let found = multinomial_anytime_bf(&counts, &row.probabilities("theta0")?, &row.numbers("alpha")?)?;
    Ok(vec![("BF", found.value().into()), ("p_now", found.p_value().into())])
}

fn betting(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let outcome = |it: &Value| match it.as_u64() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    };
    let outcomes = row.list("x", outcome)?;
    let found = betting_evalue(&outcomes, row.probability("m0")?, row.number("lam")?)?;
    Ok(vec![("E", found.value().into())])
}

fn limits(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let found = sprt(row.probability("alpha")?, row.probability("beta")?)?;
    Ok(vec![("logA", found.upper.into()), ("logB", found.lower.into())])
}

fn observations(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let [p0, p1, alpha, beta] = ["p0", "p1", "alpha", "beta"].map(|name| row.probability(name));
    let found = sprt_asn_bernoulli(p0?, p1?, alpha?, beta?)?;
    Ok(vec![("ASN_H0", found.under_h0.into()), ("ASN_H1", found.under_h1.into())])
}

fn run_lengths(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let found = cusum_arl(row.number("h")?, row.number("k")?, row.number("shift")?)?;
    Ok(vec![
        ("one_sided", found.one_sided.into()),
        ("two_sided", found.two_sided.into()),
        ("siegmund_one", found.siegmund.into()),
    ])
}

fn alternative(row: &Row<'_>, name: &str) -> Result<Alternative, BadRow> {
    match row.text(name)? {
        "greater" => Ok(Alternative::Greater),
        "less" => Ok(Alternative::Less),
        "two-sided" => Ok(Alternative::TwoSided),
        other => Err(wrong(name, &other.into(), "greater, less or two-sided")),
    }
}

fn ranks(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let (x, y, alternative) = (row.numbers("x")?, row.numbers("y")?, alternative(row, "alternative")?);
    let method = match row.text("method")? {
        "exact" => RankMethod::Exact,
        "asymptotic" => RankMethod::Asymptotic,
        other => return Err(wrong("method", &other.into(), "exact or asymptotic")),
    };
    let found = mann_whitney(&x, &y, alternative, method)?;
    Ok(vec![("U", found.u.into()), ("p", found.p.into())])
}

fn fisher(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let two = |it: &Value| match it.as_array()?.as_slice() {
        [left, right] => Some([left.as_u64()?, right.as_u64()?]),
        _ => None,
    };
    let rows = row.list("t", two)?;
    let &[upper, lower] = rows.as_slice() else {
        return Err(BadRow(format!("input t: found {} rows, expected 2", rows.len())));
    };
    Ok(vec![("p", fisher_exact([upper, lower], alternative(row, "alt")?)?.into())])
}

fn adjusted(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let p = row.probabilities("p")?;
    let list = |all: Vec<Probability>| Got::List(all.into_iter().map(Probability::get).collect());
    Ok(vec![("adj", list(benjamini_hochberg(&p))), ("by", list(benjamini_yekutieli(&p)))])
}
