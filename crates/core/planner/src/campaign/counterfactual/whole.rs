//! The plan of the whole fleet with something relaxed, as whoever asks for it by hand gets it: what holds for the clusters concerned may not
//! hold for the fleet, where canaries, limits and applications bind clusters to each other.

use std::collections::BTreeSet;

use underpin_model::id::ElementId;
use underpin_model::plan::{Outcome, PlanReport, Relaxation};

use super::super::{Planned, Request, best, facts::Facts};
use super::relax::relax;
use super::trial::{Gain, MOST_HOSTS};

/// A fleet that is small enough to be planned whole.
pub(super) struct Whole<'r, 'a> {
    request: &'r Request<'a>,
    /// Elements that change in the plan without a parent, as trials have none.
    planned: BTreeSet<ElementId>,
    elements: BTreeSet<&'r ElementId>,
}

impl<'r, 'a> Whole<'r, 'a> {
    /// `None`: it is too large.
    pub(super) fn new(request: &'r Request<'a>, planned: &'r Planned) -> Option<Self> {
        if request.fleet.hosts.len() > MOST_HOSTS {
            return None;
        }
        let elements = planned.report.elements.iter().map(|it| &it.element).collect();
        let planned = match request.parent {
            None => of_report(&planned.report),
            Some(_) => planned_with(&Request { parent: None, ..*request })?,
        };
        Some(Self { request, planned, elements })
    }

    /// What its plan gains and loses with everything that is named; `None`: that cannot be acted out.
    pub(super) fn gain(&self, relaxed: &[&Relaxation]) -> Option<Gain> {
        let (mut fleet, mut policy) = (self.request.fleet.clone(), self.request.policy.clone());
        if !relaxed.iter().all(|it| relax(it, &mut fleet, &mut policy)) {
            return None;
        }
        let request = Request { fleet: &fleet, policy: &policy, parent: None, ..*self.request };
        let mut planned = planned_with(&request)?;
        // Hosts that are only supposed are no gain.
        planned.retain(|it| self.elements.contains(it));
        Some(Gain::between(&self.planned, &planned))
    }

    /// Whether it has all of these elements with one relaxation alone.
    pub(super) fn has_all(&self, relaxation: &Relaxation, elements: &BTreeSet<ElementId>) -> bool {
        self.gain(&[relaxation]).is_some_and(|it| it.planned.is_superset(elements))
    }

    /// Whether it has any of them.
    pub(super) fn has_any(&self, relaxation: &Relaxation, elements: &BTreeSet<ElementId>) -> bool {
        self.gain(&[relaxation]).is_some_and(|it| !it.planned.is_disjoint(elements))
    }
}

fn of_report(report: &PlanReport) -> BTreeSet<ElementId> {
    let planned = report.elements.iter().filter(|it| it.outcome == Outcome::Planned);
    planned.map(|it| it.element.clone()).collect()
}

fn planned_with(request: &Request<'_>) -> Option<BTreeSet<ElementId>> {
    let facts = Facts::new(request);
    let fates = best::best(request, &facts).ok()?.fates;
    let planned = fates.into_iter().filter(|it| it.1.outcome == Some(Outcome::Planned));
    Some(planned.map(|it| it.0).collect())
}
