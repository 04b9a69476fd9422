//! What is read in the clear, in a sentence.

use underpin_risk::clear::InClear;
use underpin_risk::report::RiskReport;
use underpin_risk::span::Span;
use underpin_risk::wait::sentence::short;

use crate::output::wrapped;

/// What is lost by who reads along, beside the figures above.
pub(super) fn told(report: &RiskReport, width: Option<u16>) -> String {
    let one = |it: &InClear| {
        let hosts = it.hosts_in_clear + it.hosts_unknown;
        let unknown =
            if it.hosts_unknown > 0 { format!(", {} unknown", it.hosts_unknown) } else { String::new() };
        (hosts > 0).then(|| {
            format!(
                "{} {} (clear on {} hosts{unknown})",
                it.medium.words(),
                range(it.loss),
                it.hosts_in_clear
            )
        })
    };
    let parts: Vec<String> = report.in_clear.iter().filter_map(one).collect();
    if parts.is_empty() {
        return String::new();
    }
    let text = format!(
        "beside it, read in the clear, whatever is patched, in {}: {}",
        report.currency,
        parts.join("; ")
    );
    wrapped(&text, "  ", width)
}

/// From what is known to all that may be.
pub(super) fn range(it: Span) -> String {
    if it.low == it.high { short(it.low) } else { format!("{} to {}", short(it.low), short(it.high)) }
}
