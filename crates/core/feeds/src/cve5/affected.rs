//! The `affected` entries of a record, as claims.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use underpin_model::facts::{Bound, Claim, Family, Justification, NameKind, Product, Range, Verdict};
use underpin_model::id::VulnerabilityId;
use underpin_model::version::Scheme;

use super::vmware::{self, Release};
use super::wire::{Affected, Status, Version};
use crate::identity;
use crate::ranges::{self, is_open};

/// Collects the claims of all containers; what two of them say alike is kept once.
pub(super) struct Claims {
    vulnerabilities: Arc<[VulnerabilityId]>,
    seen: FxHashSet<(Arc<Product>, Verdict, bool)>,
    claims: Vec<Claim>,
}

impl Claims {
    pub(super) fn new(vulnerabilities: Arc<[VulnerabilityId]>) -> Self {
        Self { vulnerabilities, seen: FxHashSet::default(), claims: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<Claim> {
        self.claims
    }

    /// Takes in one entry.
    pub(super) fn add(&mut self, affected: &Affected<'_>) {
        let (vendor, name) = (affected.vendor.as_str().trim(), affected.product.as_str().trim());
        if is_open(name) && affected.package_name.is_none() {
            // `n/a`: the record does not say what is affected.
            return;
        }
        if let Some(product) = identity::platform(vendor, name) {
            if matches!(product.family, Family::Esxi | Family::Vcenter) {
                return self.add_trains(affected, &product);
            }
            return self.add_versions(affected, &Arc::new(product));
        }
        for product in red_hat(affected).unwrap_or_else(|| vec![upstream(vendor, name)]) {
            self.add_versions(affected, &Arc::new(product));
        }
    }

    fn push(&mut self, product: &Arc<Product>, verdict: Verdict, fallback: bool) {
        if self.seen.insert((Arc::clone(product), verdict.clone(), fallback)) {
            self.claims.push(Claim {
                vulnerabilities: Arc::clone(&self.vulnerabilities),
                product: Arc::clone(product),
                verdict,
                fallback,
            });
        }
    }

    fn add_versions(&mut self, affected: &Affected<'_>, product: &Arc<Product>) {
        for version in &affected.versions {
            for verdict in verdicts(version, affected.default_status, product.scheme) {
                self.push(product, verdict, false);
            }
        }
        match affected.default_status {
            Status::Affected => self.push(product, Verdict::Affected(Range::all()), true),
            Status::Unaffected => {
                let reason = if affected.versions.is_empty() {
                    Justification::NotGiven
                } else {
                    Justification::VersionNotInRange
                };
                self.push(product, Verdict::NotAffected(Range::all(), reason), true);
            }
            Status::Unknown => {}
        }
    }

    /// ESXi and vCenter: a claim for each update train. VMware's `defaultStatus: unaffected` is not taken over: it
    /// would clear lines out of support that its records simply never list.
    fn add_trains(&mut self, affected: &Affected<'_>, product: &Product) {
        let mut fixes: BTreeMap<String, Vec<Release>> = BTreeMap::new();
        for version in &affected.versions {
            let end = super::present(version.less_than.as_ref()).and_then(vmware::release);
            match (version.status, end) {
                (Status::Affected, Some(fix)) => fixes.entry(fix.line.clone()).or_default().push(fix),
                (status, None) => self.add_line(version, status, product),
                // What is unaffected or unknown below a release says nothing that a train could be told by.
                (Status::Unaffected | Status::Unknown, Some(_)) => {}
            }
        }
        for (line, mut fixes) in fixes {
            fixes.sort_by_key(|fix| fix.update);
            let newest = fixes.last().map_or(0, |fix| fix.update);
            for update in 1..newest {
                if !fixes.iter().any(|fix| fix.update == update) {
                    let product = on_train(product, &vmware::train(&line, update));
                    self.push(&product, Verdict::Affected(Range::all()), false);
                }
            }
            for fix in &fixes {
                let product = on_train(product, &fix.train());
                self.push(&product, Verdict::FixedIn(Arc::clone(&fix.version)), false);
            }
            if let Some(fix) = fixes.last().filter(|fix| fix.update > 0) {
                // Releases of the line that belong to none of these trains (the first release of the line).
                let range = Range::before(Arc::clone(&fix.version));
                self.push(&on_train(product, &line), Verdict::Affected(range), true);
            }
        }
    }

    /// An entry without a fix: a whole line (`7.0`), or one release (`8.0 U1`).
    fn add_line(&mut self, version: &Version<'_>, status: Status, product: &Product) {
        let text = version.version.as_str();
        let (product, range) = match (vmware::release(text), vmware::line(text)) {
            (Some(release), _) => (on_train(product, &release.train()), Range::exactly(release.version)),
            (None, Some(line)) => (on_train(product, &line), Range::all()),
            // Prose, or `7.x`: affected in some way, so that is what is said, of every train.
            (None, None) => (Arc::new(product.clone()), Range::all()),
        };
        let vague = product.train.is_none();
        match status {
            Status::Affected => self.push(&product, Verdict::Affected(range), vague),
            Status::Unaffected if !vague => {
                self.push(&product, Verdict::NotAffected(range, Justification::VersionNotInRange), false);
            }
            Status::Unknown => self.push(&product, Verdict::UnderInvestigation(range), vague),
            Status::Unaffected => {}
        }
    }
}

fn on_train(product: &Product, train: &str) -> Arc<Product> {
    Arc::new(Product { train: Some(train.into()), ..product.clone() })
}

/// An upstream product: `vendor/product` in lower case.
fn upstream(vendor: &str, name: &str) -> Product {
    let component = format!("{vendor}/{name}").to_lowercase();
    identity::whole_product(Family::Upstream, Scheme::Generic, &component)
}

/// Red Hat's packages, one product for each train that the CPE names show.
fn red_hat(affected: &Affected<'_>) -> Option<Vec<Product>> {
    let package = super::present(affected.package_name.as_ref())?;
    if affected.vendor.as_str() != "Red Hat" {
        return None;
    }
    let mut trains: Vec<Arc<str>> = affected
        .cpes
        .iter()
        .filter_map(|text| identity::cpe(text.as_str()).and_then(|cpe| cpe.train()))
        .collect();
    trains.sort();
    trains.dedup();
    if trains.is_empty() {
        let name = affected.product.as_str();
        trains.push(identity::red_hat_train(name).unwrap_or_else(|| name.to_lowercase().into()));
    }
    let (module, component) = match package.split_once('/') {
        Some((module, component)) if module.contains(':') => (Some(module), component),
        _ => (package.contains(':').then_some(package), package),
    };
    let whole = component.contains([':', '/']);
    Some(
        trains
            .into_iter()
            .map(|train| Product {
                family: Family::RedHat,
                train: Some(train),
                component: component.into(),
                // Red Hat's records name source packages; modules and images are wholes.
                name_kind: if whole { NameKind::Product } else { NameKind::Source },
                arch: None,
                module: module.map(Into::into),
                hardware: None,
                scheme: Scheme::Rpm,
            })
            .collect(),
    )
}

/// What one version entry says.
fn verdicts(version: &Version<'_>, default: Status, scheme: Scheme) -> Vec<Verdict> {
    if version.version_type.as_ref().is_some_and(|kind| kind.as_str() == "git") {
        // Commits have no order that a version could be placed in.
        return Vec::new();
    }
    let from = version.version.as_str().trim();
    let last = match (
        super::present(version.less_than.as_ref()),
        super::present(version.less_than_or_equal.as_ref()),
    ) {
        (Some(end), _) if end != "*" => Some(until(end, false)),
        (None, Some(end)) if end != "*" => Some(until(end, true)),
        (None, None) if version.changes.is_empty() => None,
        _ => Some(Bound::Unbounded),
    };
    let Some(last) = last else {
        let stretch = ranges::stretch(from);
        return if version.status == Status::Unaffected && !stretch.exact {
            Vec::new()
        } else {
            stretch.ranges.into_iter().map(|range| verdict(version.status, range)).collect()
        };
    };
    // Red Hat says "affected, except from this build on": that is a fix.
    let fixed =
        version.status == Status::Unaffected && default == Status::Affected && last == Bound::Unbounded;
    if fixed && scheme == Scheme::Rpm && !is_open(from) && version.changes.is_empty() {
        return vec![Verdict::FixedIn(from.into())];
    }
    segments(version, first(from), last)
}

/// The range, cut where its status changes.
fn segments(version: &Version<'_>, first: Option<Arc<str>>, last: Bound) -> Vec<Verdict> {
    let mut found = Vec::with_capacity(version.changes.len() + 1);
    let (mut from, mut status) = (first, version.status);
    for change in &version.changes {
        let at: Arc<str> = change.at.as_str().trim().into();
        found.push(verdict(status, Range { introduced: from, until: Bound::Before(Arc::clone(&at)) }));
        (from, status) = (Some(at), change.status);
    }
    found.push(verdict(status, Range { introduced: from, until: last }));
    found
}

fn verdict(status: Status, range: Range) -> Verdict {
    match status {
        Status::Affected => Verdict::Affected(range),
        Status::Unaffected => Verdict::NotAffected(range, Justification::VersionNotInRange),
        Status::Unknown => Verdict::UnderInvestigation(range),
    }
}

/// Where a range begins; `17.x` begins with 17.
fn first(text: &str) -> Option<Arc<str>> {
    if is_open(text) {
        return None;
    }
    let stem = text.strip_suffix(".x").or_else(|| text.strip_suffix(".*"));
    Some(stem.unwrap_or(text).into())
}

/// Where a range ends; through `6.1.*` is before 6.2.
fn until(text: &str, inclusive: bool) -> Bound {
    match ranges::wildcard(text) {
        Some(range) if inclusive => range.until,
        _ if inclusive => Bound::Through(text.into()),
        _ => Bound::Before(text.into()),
    }
}
