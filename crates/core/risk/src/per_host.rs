//! What the holes of each single host stand for: what a planner sorts hosts by.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use underpin_exposure::{Assessment, FactBase};
use underpin_model::fleet::Fleet;
use underpin_model::id::HostId;
use underpin_model::policy::Policy;

use crate::build::{self, ReleaseDates, build};
use crate::compound;
use crate::report::ReportError;
use crate::wait::evidence::Evidence;

/// Mean loss per day that each host stands for, in the policy's currency: its exact mean loss over the policy's horizon (its
/// class's mean impact times what stands on it) by the days of the horizon. Exact, and without a sample: common causes change
/// how losses fall together, not their means.
///
/// # Errors
/// [`ReportError`] with the place in the policy or the fleet.
pub fn loss_per_day(
    fleet: &Fleet,
    assessment: &Assessment,
    base: &FactBase,
    policy: &Policy,
) -> Result<BTreeMap<HostId, f64>, ReportError> {
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let dates = ReleaseDates::from_facts(base.releases(), day);
    let none = Evidence::default();
    let options = build::Options::new(&dates).knowing(base, &none);
    let portfolio = build(fleet, assessment, policy, &options)?.portfolio;
    let (_, impacts) = compound::mean_loss_and_impacts(&portfolio)?;
    let days = portfolio.horizon_days;
    let hosts = portfolio.hosts.iter().map(|line| {
        let impact = impacts.get(line.class as usize).copied().unwrap_or_default();
        // The sum of nothing is -0.
        let loss = 0.0 + portfolio.holdings_of(line).iter().map(|it| it.loss(impact)).sum::<f64>();
        (line.id.clone(), if days > 0.0 { loss / days } else { 0.0 })
    });
    Ok(hosts.collect())
}
