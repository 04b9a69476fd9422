//! Risks that someone accepted, as far as they stop a clock.

use std::collections::BTreeMap;

use jiff::civil::Date;
use underpin_exposure::Assessment;
use underpin_exposure::report::Asset;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::AcceptedRisk;

use super::Acceptance;
use super::places::Places;

/// The accepted risks of a policy, by what they accept.
pub(crate) struct Acceptances<'p> {
    by_id: BTreeMap<&'p str, Vec<&'p AcceptedRisk>>,
    as_of: Date,
}

impl<'p> Acceptances<'p> {
    pub(crate) fn of(accepted: &'p [AcceptedRisk], as_of: Date) -> Self {
        let mut by_id: BTreeMap<&str, Vec<&AcceptedRisk>> = BTreeMap::new();
        for risk in accepted {
            by_id.entry(risk.vulnerability.as_str()).or_default().push(risk);
        }
        Self { by_id, as_of }
    }

    /// Those that speak of a vulnerability, by its id or by another name of it.
    pub(crate) fn about(&self, assessment: &Assessment, id: &VulnerabilityId) -> Vec<&'p AcceptedRisk> {
        if self.by_id.is_empty() {
            return Vec::new();
        }
        let aliases = assessment.vulnerabilities.get(id).map_or(&[][..], |it| &it.aliases);
        let names = std::iter::once(id.as_str()).chain(aliases.iter().map(VulnerabilityId::as_str));
        names.filter_map(|it| self.by_id.get(it)).flatten().copied().collect()
    }

    /// The one of them that counts for an asset: the one that holds longest, or expired last.
    pub(crate) fn on(&self, about: &[&AcceptedRisk], places: &Places, asset: &Asset) -> Option<Acceptance> {
        let covering = about.iter().filter(|it| places.covered(&it.scope, asset));
        let last = covering.max_by(|a, b| a.expires.cmp(&b.expires).then_with(|| b.owner.cmp(&a.owner)))?;
        Some(Acceptance {
            owner: last.owner.clone(),
            expires: last.expires,
            expired: self.as_of > last.expires,
            reason: last.reason.clone(),
        })
    }
}
