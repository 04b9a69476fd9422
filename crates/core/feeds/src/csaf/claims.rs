//! From product status to claims: one claim per product and verdict, with the list of vulnerabilities that share it.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_model::facts::{Bound, Claim, Format, Justification, Range, Verdict};
use underpin_model::id::VulnerabilityId;

use super::tree::{Entry, Products, Versions};
use super::wire::{Flag, Vulnerability};
use crate::Defect;
use crate::json::{Text, defect, shown};

/// Groups of product status that exclude each other (CSAF 2.0, 6.1.6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Affected,
    NotAffected,
    Fixed,
    UnderInvestigation,
    /// What the issuer recommends says nothing about what is vulnerable.
    Recommended,
}

/// Collects (product, verdict, vulnerability) as numbers and groups them at the end: a document may state the same
/// for 74 vulnerabilities of 885 products.
pub(super) struct Collector<'p> {
    products: &'p Products<'p>,
    verdicts: Vec<Verdict>,
    numbers: FxHashMap<Verdict, u32>,
    statements: Vec<(u32, u32, u32)>,
    /// Per product id: the last vulnerability that spoke of it (from 1) and the group that it was in.
    spoken: Vec<(u32, Group)>,
}

impl<'p> Collector<'p> {
    pub(super) fn new(products: &'p Products<'p>) -> Self {
        Self {
            products,
            verdicts: Vec::new(),
            numbers: FxHashMap::default(),
            statements: Vec::new(),
            spoken: vec![(0, Group::Recommended); products.entries.len()],
        }
    }

    /// Takes in the product status of the vulnerability with this number.
    pub(super) fn add(&mut self, index: usize, vulnerability: &Vulnerability<'_>) -> Result<(), Defect> {
        let flags = self.flags(index, &vulnerability.flags)?;
        let status = &vulnerability.product_status;
        let lists: [(&str, &[Text<'_>], Group); 8] = [
            ("first_affected", &status.first_affected, Group::Affected),
            ("known_affected", &status.known_affected, Group::Affected),
            ("last_affected", &status.last_affected, Group::Affected),
            ("first_fixed", &status.first_fixed, Group::Fixed),
            ("fixed", &status.fixed, Group::Fixed),
            ("known_not_affected", &status.known_not_affected, Group::NotAffected),
            ("under_investigation", &status.under_investigation, Group::UnderInvestigation),
            ("recommended", &status.recommended, Group::Recommended),
        ];
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let mut ends = Ends::default();
        for (name, list, group) in lists {
            for (position, id) in list.iter().enumerate() {
                let at = || format!("/vulnerabilities/{index}/product_status/{name}/{position}");
                let id_number = self.products.find(id.as_str(), at)?;
                self.contradicts(id_number, number, group).map_or(Ok(()), |()| {
                    let reason = format!(
                        "product {} has two statuses that exclude each other; it cannot be told which one holds",
                        shown(id.as_str())
                    );
                    Err(defect(Format::Csaf, at(), reason))
                })?;
                let products = self.products;
                let Some(entry) = usize::try_from(id_number).ok().and_then(|at| products.entries.get(at))
                else {
                    continue;
                };
                match name {
                    "first_affected" => ends.first.entry(entry.product).or_default().push(entry),
                    "last_affected" => ends.last.entry(entry.product).or_default().push(entry),
                    _ => {
                        let flag = flags.get(&id_number).copied().unwrap_or(Justification::NotGiven);
                        self.state(number, entry, group, flag);
                    }
                }
            }
        }
        for (product, range) in ends.ranges() {
            self.push(product, Verdict::Affected(range), number);
        }
        Ok(())
    }

    /// Marks the product id as spoken of, and tells whether that contradicts what was said before.
    fn contradicts(&mut self, id: u32, vulnerability: u32, group: Group) -> Option<()> {
        if group == Group::Recommended {
            return None;
        }
        let spoken = usize::try_from(id).ok().and_then(|at| self.spoken.get_mut(at))?;
        let before = std::mem::replace(spoken, (vulnerability.saturating_add(1), group));
        (before.0 == vulnerability.saturating_add(1) && before.1 != group).then_some(())
    }

    fn state(&mut self, vulnerability: u32, entry: &Entry, group: Group, flag: Justification) {
        let mut say = |verdict: Verdict| self.push(entry.product, verdict, vulnerability);
        match (group, &entry.versions) {
            (Group::Fixed, Versions::One(version)) if is_digest(version) => {
                say(Verdict::NotAffected(
                    Range::exactly(Arc::clone(version)),
                    Justification::VersionNotInRange,
                ));
            }
            (Group::Fixed, Versions::One(version)) => say(Verdict::FixedIn(Arc::clone(version))),
            (Group::Fixed, Versions::Stretch(stretch)) if stretch.exact => {
                // `fixed: >= 2.0` says more than a single version: 2.0 and later.
                for range in &stretch.ranges {
                    match (&range.introduced, &range.until) {
                        (Some(from), Bound::Unbounded) => say(Verdict::FixedIn(Arc::clone(from))),
                        _ => say(Verdict::NotAffected(range.clone(), Justification::VersionNotInRange)),
                    }
                }
            }
            // "Fixed" without saying in which version clears nothing.
            (Group::Fixed | Group::Recommended, _) => {}
            (Group::Affected, versions) => {
                ranges(versions, false).into_iter().map(Verdict::Affected).for_each(say);
            }
            (Group::NotAffected, versions) => ranges(versions, true)
                .into_iter()
                .map(|range| Verdict::NotAffected(range, flag))
                .for_each(say),
            (Group::UnderInvestigation, versions) => {
                ranges(versions, false).into_iter().map(Verdict::UnderInvestigation).for_each(say);
            }
        }
    }

    fn push(&mut self, product: u32, verdict: Verdict, vulnerability: u32) {
        let next = u32::try_from(self.verdicts.len()).unwrap_or(u32::MAX);
        let verdicts = &mut self.verdicts;
        let number = *self.numbers.entry(verdict).or_insert_with_key(|verdict| {
            verdicts.push(verdict.clone());
            next
        });
        self.statements.push((product, number, vulnerability));
    }

    /// Justifications by product id; two different ones for the same product cannot both be meant.
    fn flags(&self, index: usize, flags: &[Flag<'_>]) -> Result<FxHashMap<u32, Justification>, Defect> {
        let mut justifications = FxHashMap::default();
        for (number, flag) in flags.iter().enumerate() {
            let at = format!("/vulnerabilities/{index}/flags/{number}");
            let label = justification(flag.label.as_str());
            let mut members = Vec::new();
            for (position, id) in flag.product_ids.iter().enumerate() {
                members.push(self.products.find(id.as_str(), || format!("{at}/product_ids/{position}"))?);
            }
            for (position, id) in flag.group_ids.iter().enumerate() {
                members.extend(self.products.group(id.as_str(), || format!("{at}/group_ids/{position}"))?);
            }
            for member in members {
                if justifications.insert(member, label).is_some_and(|before| before != label) {
                    let reason = "a product of this flag has another justification already";
                    return Err(defect(Format::Csaf, at, reason));
                }
            }
        }
        Ok(justifications)
    }

    /// The claims, in the order of products and verdicts as they first appear.
    pub(super) fn claims(mut self, ids: &[VulnerabilityId]) -> Vec<Claim> {
        self.statements.sort_unstable();
        self.statements.dedup();
        let mut lists: FxHashMap<Vec<u32>, Arc<[VulnerabilityId]>> = FxHashMap::default();
        let mut claims = Vec::new();
        for run in self.statements.chunk_by(|left, right| (left.0, left.1) == (right.0, right.1)) {
            let Some(&(product, verdict, _)) = run.first() else { continue };
            let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
            let (Some(product), Some(verdict)) =
                (self.products.products.get(index(product)), self.verdicts.get(index(verdict)))
            else {
                continue;
            };
            let numbers: Vec<u32> = run.iter().map(|statement| statement.2).collect();
            let vulnerabilities = lists.entry(numbers).or_insert_with_key(|numbers| {
                numbers.iter().filter_map(|number| ids.get(index(*number)).cloned()).collect()
            });
            claims.push(Claim {
                vulnerabilities: Arc::clone(vulnerabilities),
                product: Arc::clone(product),
                verdict: verdict.clone(),
                fallback: false,
            });
        }
        claims.shrink_to_fit();
        claims
    }
}

/// First and last affected versions, by product.
#[derive(Default)]
struct Ends<'e> {
    first: FxHashMap<u32, Vec<&'e Entry>>,
    last: FxHashMap<u32, Vec<&'e Entry>>,
}

impl Ends<'_> {
    /// One stretch where a product has exactly one beginning and one end; else each speaks alone, which can only
    /// warn of too much.
    fn ranges(&self) -> Vec<(u32, Range)> {
        let one = |entries: Option<&Vec<&Entry>>| match entries.map(Vec::as_slice) {
            Some([Entry { versions: Versions::One(version), .. }]) => Some(Arc::clone(version)),
            _ => None,
        };
        let mut products: Vec<u32> = self.first.keys().chain(self.last.keys()).copied().collect();
        products.sort_unstable();
        products.dedup();
        let mut found = Vec::new();
        for product in products {
            let (first, last) = (self.first.get(&product), self.last.get(&product));
            if let (Some(from), Some(to)) = (one(first), one(last)) {
                found.push((product, Range { introduced: Some(from), until: Bound::Through(to) }));
                continue;
            }
            for entry in first.into_iter().flatten() {
                found.extend(
                    ranges(&entry.versions, false).into_iter().map(|range| {
                        (product, Range { introduced: range.introduced, until: Bound::Unbounded })
                    }),
                );
            }
            for entry in last.into_iter().flatten() {
                found.extend(
                    ranges(&entry.versions, false)
                        .into_iter()
                        .map(|range| (product, Range { introduced: None, until: range.until })),
                );
            }
        }
        found
    }
}

/// The ranges of an entry; none if only an exact one will do and it is not exact.
fn ranges(versions: &Versions, only_exact: bool) -> Vec<Range> {
    match versions {
        Versions::All => vec![Range::all()],
        Versions::One(version) => vec![Range::exactly(Arc::clone(version))],
        Versions::Stretch(stretch) if only_exact && !stretch.exact => Vec::new(),
        Versions::Stretch(stretch) => stretch.ranges.clone(),
    }
}

/// A content digest names one image; it has no order.
fn is_digest(version: &str) -> bool {
    version.starts_with("sha256:")
}

fn justification(label: &str) -> Justification {
    match label {
        "component_not_present" => Justification::ComponentNotPresent,
        "vulnerable_code_not_present" => Justification::VulnerableCodeNotPresent,
        "vulnerable_code_not_in_execute_path" => Justification::VulnerableCodeNotInExecutePath,
        "vulnerable_code_cannot_be_controlled_by_adversary" => {
            Justification::VulnerableCodeCannotBeControlledByAdversary
        }
        "inline_mitigations_already_exist" => Justification::InlineMitigationsAlreadyExist,
        _ => Justification::NotGiven,
    }
}
