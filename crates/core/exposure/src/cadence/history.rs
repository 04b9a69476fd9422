//! Every dated patch of a fact base.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_model::facts::{
    DateKind, Family, Lifecycle, PatchClass, ReleaseFact, Verdict, VulnerabilityFacts,
};
use underpin_model::fleet::ComponentKind;

use super::Dated;
use crate::factbase::{AdvisoryHead, FactBase};
use crate::report::Area;
use crate::{classify, esxi};

/// One patch on its day, for one line and component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The platform.
    pub family: Family,
    /// The product line; `None`: not known.
    pub line: Option<Arc<str>>,
    /// Source package or product.
    pub component: Arc<str>,
    /// What tells it from other patches: its bulletin, update number, or component and version.
    pub id: Arc<str>,
    /// Whether [`Self::id`] is the issuer's bulletin.
    pub(super) has_bulletin: bool,
    /// Its day.
    pub date: Date,
    /// What the day is.
    pub dated: Dated,
    /// Its class, as its issuer says or because it names a vulnerability; `None`: nothing tells.
    pub class: Option<PatchClass>,
    /// It names a CVE.
    pub names_cve: bool,
    /// A number of the issuer that was published without a vulnerability: it closes nothing.
    pub unused: bool,
    /// The area that its component belongs to.
    pub area: Area,
}

/// Every dated patch of a fact base, with the support periods of its lines.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(super) patches: Vec<Patch>,
    pub(super) lifecycles: Vec<Lifecycle>,
}

impl History {
    /// Takes the patches out of a fact base: its releases, its dated advisories that came without a release, and the
    /// numbered advisories of the Xen project.
    #[must_use]
    pub fn new(base: &FactBase) -> Self {
        let mut patches: Vec<Patch> = base.releases().iter().map(of_release).collect();
        patches.extend(of_advisories(base));
        patches.extend(base.vulnerabilities().values().filter_map(of_xen));
        patches.sort_by(|a, b| (a.date, &a.family, &a.id, &a.line).cmp(&(b.date, &b.family, &b.id, &b.line)));
        Self { patches, lifecycles: base.lifecycles().to_vec() }
    }

    /// The platforms with at least one patch.
    #[must_use]
    pub fn platforms(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.patches.iter().map(|patch| patch.family.name()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The product lines of a platform, the newest first by the day of their first release or patch. A line of which only
    /// the support period is known is among them.
    #[must_use]
    pub fn lines(&self, platform: &str) -> Vec<String> {
        let mut first: BTreeMap<&str, Option<Date>> = BTreeMap::new();
        for cycle in self.lifecycles.iter().filter(|one| one.family.name() == platform) {
            first.insert(&cycle.train, cycle.released);
        }
        for patch in self.patches.iter().filter(|one| one.family.name() == platform) {
            if let Some(line) = &patch.line {
                let day = first.entry(line).or_insert(Some(patch.date));
                *day = day.map_or(Some(patch.date), |day| Some(day.min(patch.date)));
            }
        }
        let mut lines: Vec<(&str, Option<Date>)> = first.into_iter().collect();
        lines.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.cmp(a.0)));
        lines.into_iter().map(|(line, _)| line.to_owned()).collect()
    }

    /// The components of a platform.
    #[must_use]
    pub fn components(&self, platform: &str) -> Vec<String> {
        let of = self.patches.iter().filter(|one| one.family.name() == platform);
        let names: BTreeSet<&str> = of.map(|patch| &*patch.component).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The support period of a line.
    pub(super) fn lifecycle(&self, platform: &str, line: &str) -> Option<&Lifecycle> {
        let mut of = self.lifecycles.iter().filter(|one| one.family.name() == platform);
        of.find(|one| *one.train == *line)
    }
}

fn area(family: &Family, component: &str) -> Area {
    let is_product = matches!(family, Family::Esxi | Family::Vcenter | Family::Windows);
    let kind = if is_product { ComponentKind::Product } else { ComponentKind::Package };
    classify::area(family, kind, component, component)
}

/// The line that a train belongs to. Windows has no trains: there the product tells.
fn line(family: &Family, train: Option<&Arc<str>>, component: &str) -> Option<Arc<str>> {
    match (family, train) {
        (Family::Esxi | Family::Vcenter, Some(train)) => Some(esxi::line(train).into()),
        (Family::Windows, None) => server_year(component),
        (_, train) => train.cloned(),
    }
}

/// `2012-r2` of `Windows Server 2012 R2 (Server Core installation)`, as tables of support periods write it.
fn server_year(product: &str) -> Option<Arc<str>> {
    let mut words = product.strip_prefix("Windows Server")?.trim_start_matches(',').split_whitespace();
    let year = words.next().filter(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()))?;
    let second = words.next().is_some_and(|word| word == "R2");
    Some(if second { format!("{year}-r2").into() } else { year.into() })
}

fn of_release(release: &ReleaseFact) -> Patch {
    let ReleaseFact { family, train, component, version, date, date_kind, bulletin, class, fixes } = release;
    let id: Arc<str> = match (bulletin, family) {
        (Some(bulletin), _) => bulletin.as_str().into(),
        (None, Family::Windows) => format!("KB{version}").into(),
        (None, _) => format!("{component} {version}").into(),
    };
    Patch {
        family: family.clone(),
        line: line(family, train.as_ref(), component),
        component: Arc::clone(component),
        id,
        has_bulletin: bulletin.is_some(),
        date: *date,
        dated: match date_kind {
            DateKind::Built => Dated::Built,
            DateKind::Published => Dated::Published,
        },
        class: class.or_else(|| (!fixes.is_empty()).then_some(PatchClass::Security)),
        unused: false,
        names_cve: fixes.iter().any(|fix| fix.as_str().starts_with("CVE-")),
        area: area(family, component),
    }
}

/// Advisories with a day of publication, once for each line and component that they have a fix for (or, where they name
/// no fix, that they speak of). Those of a release (its bulletin) are that release.
fn of_advisories(base: &FactBase) -> impl Iterator<Item = Patch> + '_ {
    let mut seen: BTreeSet<(u32, &Family, Option<Arc<str>>, &str)> = BTreeSet::new();
    base.indexed_claims().filter_map(move |(number, head, claim)| {
        let published = head.published.filter(|_| !base.is_of_release(&head.id))?;
        if !matches!(claim.verdict, Verdict::FixedIn(_) | Verdict::Affected(_)) {
            return None;
        }
        let product = &*claim.product;
        let line = line(&product.family, product.train.as_ref(), &product.component);
        seen.insert((number, &product.family, line.clone(), &product.component)).then(|| {
            let names_cve = claim.vulnerabilities.iter().any(|id| id.as_str().starts_with("CVE-"));
            of_advisory(head, published.to_zoned(TimeZone::UTC).date(), product, line, names_cve)
        })
    })
}

fn of_advisory(
    head: &AdvisoryHead,
    date: Date,
    product: &underpin_model::facts::Product,
    line: Option<Arc<str>>,
    names_cve: bool,
) -> Patch {
    Patch {
        family: product.family.clone(),
        line,
        component: Arc::clone(&product.component),
        id: head.id.as_str().into(),
        has_bulletin: true,
        date,
        dated: Dated::Advisory,
        class: head.class.or_else(|| names_cve.then_some(PatchClass::Security)),
        names_cve,
        unused: false,
        area: area(&product.family, &product.component),
    }
}

/// A numbered advisory of the Xen project. A number that was published without a hole in Xen stays in the history, and
/// is no security patch.
fn of_xen(facts: &VulnerabilityFacts) -> Option<Patch> {
    let published = facts.published.filter(|_| facts.id.as_str().starts_with("XSA-"))?;
    let component: Arc<str> = "xen".into();
    Some(Patch {
        family: Family::Xen,
        line: None,
        id: facts.id.as_str().into(),
        has_bulletin: true,
        date: published.to_zoned(TimeZone::UTC).date(),
        dated: Dated::Advisory,
        class: (!facts.withdrawn).then_some(PatchClass::Security),
        unused: facts.withdrawn,
        names_cve: facts.aliases.iter().any(|id| id.as_str().starts_with("CVE-")),
        area: area(&Family::Xen, &component),
        component,
    })
}
