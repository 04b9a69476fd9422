//! All feeds together, indexed for matching.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::facts::{
    Advisory, Bound, Claim, Condition, Coverage, Document, Epss, Family, Lifecycle, NameKind, PatchClass,
    Product, Range, ReleaseFact, Remedy, RemedyKind, Restart, Subject, Verdict, VulnerabilityFacts,
};
use underpin_model::id::{AdvisoryId, FeedId, VulnerabilityId};

use crate::{esxi, repeated};

/// One feed: documents that were fetched together and age together.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Its id.
    pub id: FeedId,
    /// When it was fetched or read; `None`: unknown.
    pub fetched: Option<Timestamp>,
    /// Its documents.
    pub documents: Vec<Document>,
}

/// What is kept of an advisory once its claims are indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct AdvisoryHead {
    /// The issuer's id.
    pub id: AdvisoryId,
    /// A short title, if the document has one.
    pub title: Option<String>,
    /// When it was first published.
    pub published: Option<Timestamp>,
    /// Since when it can be known: published, else last changed. Before that it does not count.
    pub known_since: Option<Timestamp>,
    /// What kind of patch it announces, where its issuer says so.
    pub class: Option<PatchClass>,
    /// The strongest restart that its vendor fixes ask for.
    pub restart: Restart,
    /// The feed that it came with, as an index into [`FactBase::feeds`].
    pub feed: usize,
    /// The document that it came in.
    pub document: Arc<str>,
}

/// A claim with the way back to its advisory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexedClaim {
    pub(crate) claim: Claim,
    pub(crate) advisory: u32,
}

/// A condition with the feed that states it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexedCondition {
    pub(crate) condition: Condition,
    pub(crate) feed: FeedId,
    pub(crate) document: Arc<str>,
}

/// What is known about a feed as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedHead {
    /// Its id.
    pub id: FeedId,
    /// When it was fetched or read.
    pub fetched: Option<Timestamp>,
    /// When its issuer last changed it: the newest `updated` of its documents.
    pub updated: Option<Timestamp>,
    /// How many documents it has.
    pub documents: usize,
    /// What it covers.
    pub covers: Vec<Coverage>,
}

/// An update and the newer ones that replace it.
type Successors = FxHashMap<Arc<str>, Vec<Arc<str>>>;

/// All feeds together. Built once, then only read.
#[derive(Debug, Default)]
pub struct FactBase {
    feeds: Vec<FeedHead>,
    advisories: Vec<AdvisoryHead>,
    claims: Vec<IndexedClaim>,
    by_component: FxHashMap<(Family, NameKind), FxHashMap<Arc<str>, Vec<u32>>>,
    by_signature: FxHashMap<Arc<str>, Vec<u32>>,
    vulnerabilities: BTreeMap<VulnerabilityId, VulnerabilityFacts>,
    /// EPSS scores beside the newest of [`Self::vulnerabilities`], of those that have several.
    older_scores: FxHashMap<VulnerabilityId, Vec<Epss>>,
    advisories_of: FxHashMap<VulnerabilityId, Vec<u32>>,
    /// Per product: an update, and the newer ones that replace it.
    replaced_by: FxHashMap<Arc<str>, Successors>,
    /// Per Windows product: an update, and the day on which it was published.
    published_updates: FxHashMap<Arc<str>, FxHashMap<Arc<str>, Date>>,
    builds_of_bulletin: FxHashMap<Arc<str>, Vec<Arc<str>>>,
    coverage: FxHashMap<Family, Vec<(u32, Coverage)>>,
    releases: Vec<ReleaseFact>,
    /// The bulletins of releases, those among them that another document names otherwise.
    bulletins: FxHashSet<AdvisoryId>,
    lifecycles: Vec<Lifecycle>,
    conditions: FxHashMap<VulnerabilityId, Vec<IndexedCondition>>,
    /// Per product line, the settings that some condition asks for: only these decide a status.
    settings: FxHashMap<Family, BTreeSet<Arc<str>>>,
    /// Workarounds and mitigations that an advisory describes, by its number.
    offers: FxHashMap<u32, Vec<Remedy>>,
}

impl FactBase {
    /// Indexes feeds. The order of feeds and documents does not change any answer.
    #[must_use]
    pub fn new(feeds: Vec<Feed>) -> Self {
        let mut base = Self::default();
        for feed in feeds {
            base.add(feed);
        }
        base.join_bulletins();
        base.date_updates();
        base.releases = repeated::once(std::mem::take(&mut base.releases));
        for list in base.advisories_of.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        base.conditions.values_mut().for_each(|list| list.sort_unstable());
        base
    }

    fn add(&mut self, feed: Feed) {
        let index = self.feeds.len();
        let mut covers: Vec<Coverage> = Vec::new();
        let mut updated: Option<Timestamp> = None;
        let count = feed.documents.len();
        for document in feed.documents {
            updated = updated.max(document.updated);
            covers.extend(document.coverage);
            let name: Arc<str> = document.id.into();
            for advisory in document.advisories {
                self.add_advisory(advisory, index, &name);
            }
            for facts in document.vulnerabilities {
                self.add_vulnerability(facts);
            }
            for edge in document.supersedences {
                self.replaced_by
                    .entry(edge.component)
                    .or_default()
                    .entry(edge.older)
                    .or_default()
                    .push(edge.newer);
            }
            for condition in document.conditions {
                self.add_condition(condition, &feed.id, &name);
            }
            self.releases.extend(document.releases);
            self.lifecycles.extend(document.lifecycles);
        }
        covers.sort();
        covers.dedup();
        for coverage in &covers {
            self.coverage
                .entry(coverage.family.clone())
                .or_default()
                .push((u32::try_from(index).unwrap_or(u32::MAX), coverage.clone()));
        }
        self.feeds.push(FeedHead { id: feed.id, fetched: feed.fetched, updated, documents: count, covers });
    }

    fn add_condition(&mut self, condition: Condition, feed: &FeedId, document: &Arc<str>) {
        if let (Some(family), Some(asked)) = (&condition.family, condition.effect.setting()) {
            self.settings.entry(family.clone()).or_default().insert(Arc::clone(&asked.setting));
        }
        let list = self.conditions.entry(condition.vulnerability.clone()).or_default();
        list.push(IndexedCondition { condition, feed: feed.clone(), document: Arc::clone(document) });
    }

    fn add_advisory(&mut self, advisory: Advisory, feed: usize, document: &Arc<str>) {
        let number = u32::try_from(self.advisories.len()).unwrap_or(u32::MAX);
        let restart = advisory
            .remedies
            .iter()
            .filter(|remedy| remedy.kind == RemedyKind::VendorFix && remedy.restart != Restart::Unknown)
            .map(|remedy| remedy.restart)
            .max()
            .unwrap_or(Restart::Unknown);
        let offers = |one: &Remedy| matches!(one.kind, RemedyKind::Workaround | RemedyKind::Mitigation);
        let offered: Vec<Remedy> = advisory.remedies.into_iter().filter(offers).collect();
        if !offered.is_empty() {
            self.offers.insert(number, offered);
        }
        for claim in advisory.claims {
            let at = u32::try_from(self.claims.len()).unwrap_or(u32::MAX);
            match &claim.product.hardware {
                Some(hardware) => {
                    self.by_signature.entry(Arc::clone(&hardware.signature)).or_default().push(at);
                }
                None => {
                    let Product { family, name_kind, component, .. } = &*claim.product;
                    let name = esxi::product_name(family, *name_kind, component);
                    let name = if name == &**component { Arc::clone(component) } else { name.into() };
                    self.by_component
                        .entry((family.clone(), *name_kind))
                        .or_default()
                        .entry(name)
                        .or_default()
                        .push(at);
                }
            }
            for vulnerability in claim.vulnerabilities.iter() {
                let list = self.advisories_of.entry(vulnerability.clone()).or_default();
                if list.last() != Some(&number) {
                    list.push(number);
                }
            }
            self.claims.push(IndexedClaim { claim, advisory: number });
        }
        self.advisories.push(AdvisoryHead {
            id: advisory.id,
            title: advisory.title,
            published: advisory.published,
            known_since: advisory.published.or(advisory.updated),
            class: advisory.class,
            restart,
            feed,
            document: Arc::clone(document),
        });
    }

    fn add_vulnerability(&mut self, facts: VulnerabilityFacts) {
        match self.vulnerabilities.get_mut(&facts.id) {
            Some(known) => {
                if let Some(older) = repeated::merge(known, facts) {
                    self.older_scores.entry(known.id.clone()).or_default().push(older);
                }
            }
            None => {
                self.vulnerabilities.insert(facts.id.clone(), facts);
            }
        }
    }

    /// An ESXi fix is often named by its bulletin; the table of builds says which build that is. All names that some document gives
    /// a release are known, before releases that are stated twice are joined.
    fn join_bulletins(&mut self) {
        for release in &self.releases {
            self.bulletins.extend(release.bulletin.clone());
            if let (Family::Esxi, Some(bulletin)) = (&release.family, &release.bulletin) {
                let version = esxi::with_train(release.train.as_deref(), &release.version);
                self.builds_of_bulletin.entry(bulletin.as_str().into()).or_default().push(version);
            }
        }
    }

    fn date_updates(&mut self) {
        for release in self.releases.iter().filter(|one| one.family == Family::Windows) {
            let days = self.published_updates.entry(Arc::clone(&release.component)).or_default();
            let day = days.entry(Arc::clone(&release.version)).or_insert(release.date);
            *day = (*day).min(release.date);
        }
    }

    /// The feeds.
    #[must_use]
    pub fn feeds(&self) -> &[FeedHead] {
        &self.feeds
    }

    /// The advisories of all feeds.
    #[must_use]
    pub fn advisories(&self) -> &[AdvisoryHead] {
        &self.advisories
    }

    /// The advisories that make claims about a vulnerability.
    pub fn advisories_of(&self, vulnerability: &VulnerabilityId) -> impl Iterator<Item = &AdvisoryHead> {
        let list = self.advisories_of.get(vulnerability).map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|&number| self.advisories.get(number as usize))
    }

    /// Facts about one vulnerability, merged over all feeds.
    #[must_use]
    pub fn vulnerability(&self, id: &VulnerabilityId) -> Option<&VulnerabilityFacts> {
        self.vulnerabilities.get(id)
    }

    /// The EPSS score that counts on a day: the latest of that day or before; of one day the higher, because a missed
    /// exploitation costs more than a feared one. One without a day counts where no other does.
    #[must_use]
    pub fn epss_on(&self, id: &VulnerabilityId, day: Date) -> Option<&Epss> {
        let newest = self.vulnerabilities.get(id)?.epss.as_ref();
        let older = self.older_scores.get(id).into_iter().flatten();
        let known = newest.into_iter().chain(older).filter(|it| it.scored.is_none_or(|scored| scored <= day));
        known.max_by_key(|it| (it.scored, it.probability.to_bits()))
    }

    /// All vulnerabilities of which facts are known, by id.
    #[must_use]
    pub fn vulnerabilities(&self) -> &BTreeMap<VulnerabilityId, VulnerabilityFacts> {
        &self.vulnerabilities
    }

    /// All releases, each once however many documents state it: with the earlier of two days, the bulletin of that day if one names any,
    /// and the vulnerabilities of all. A day of build and one of publication of one release stay two facts.
    #[must_use]
    pub fn releases(&self) -> &[ReleaseFact] {
        &self.releases
    }

    /// Whether an advisory is the bulletin of a release.
    pub(crate) fn is_of_release(&self, advisory: &AdvisoryId) -> bool {
        self.bulletins.contains(advisory)
    }

    /// All support periods.
    #[must_use]
    pub fn lifecycles(&self) -> &[Lifecycle] {
        &self.lifecycles
    }

    /// What must hold for a vulnerability besides a version, in a stable order.
    pub(crate) fn conditions_of(&self, vulnerability: &VulnerabilityId) -> &[IndexedCondition] {
        self.conditions.get(vulnerability).map_or(&[], Vec::as_slice)
    }

    /// The settings that some condition of a product line asks for.
    pub(crate) fn settings_asked(&self, family: &Family) -> Option<&BTreeSet<Arc<str>>> {
        self.settings.get(family)
    }

    /// Whether some condition of any product line asks for a setting.
    pub(crate) fn asks_for(&self, setting: &str) -> bool {
        self.settings.values().any(|names| names.contains(setting))
    }

    /// The workarounds and mitigations that an advisory describes.
    pub(crate) fn offers_of(&self, advisory: u32) -> &[Remedy] {
        self.offers.get(&advisory).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn advisory(&self, number: u32) -> Option<&AdvisoryHead> {
        self.advisories.get(number as usize)
    }

    pub(crate) fn feed_of(&self, head: &AdvisoryHead) -> Option<&FeedHead> {
        self.feeds.get(head.feed)
    }

    /// Every claim with the number and the head of its advisory.
    pub(crate) fn indexed_claims(&self) -> impl Iterator<Item = (u32, &AdvisoryHead, &Claim)> {
        self.claims.iter().filter_map(|one| Some((one.advisory, self.advisory(one.advisory)?, &one.claim)))
    }

    pub(crate) fn claims_about(
        &self,
        family: &Family,
        kind: NameKind,
        component: &str,
    ) -> impl Iterator<Item = &IndexedClaim> {
        let list = self
            .by_component
            .get(&(family.clone(), kind))
            .and_then(|names| names.get(esxi::product_name(family, kind, component)))
            .map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|&at| self.claims.get(at as usize))
    }

    /// The releases of a product, of any train, that documents name as those which close a vulnerability.
    #[must_use]
    pub fn fixes_named(
        &self,
        family: &Family,
        product: &str,
        vulnerability: &VulnerabilityId,
    ) -> BTreeSet<Arc<str>> {
        let about = self.claims_about(family, NameKind::Product, product).map(|it| &it.claim);
        let fix = |claim: &Claim| match &claim.verdict {
            Verdict::FixedIn(version) | Verdict::Affected(Range { until: Bound::Before(version), .. }) => {
                Some(Arc::clone(version))
            }
            _ => None,
        };
        about.filter(|it| it.vulnerabilities.contains(vulnerability)).filter_map(fix).collect()
    }

    pub(crate) fn claims_for_processor(&self, signature: &str) -> impl Iterator<Item = &IndexedClaim> {
        let list = self.by_signature.get(signature).map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|&at| self.claims.get(at as usize))
    }

    /// The builds that a bulletin delivered, if the text is a known bulletin.
    pub(crate) fn builds_of(&self, bulletin: &str) -> &[Arc<str>] {
        self.builds_of_bulletin.get(bulletin).map_or(&[], Vec::as_slice)
    }

    /// An installed update that is `wanted` or contains it: it replaces it, directly or over several steps, or it is a
    /// later one of a product whose updates are cumulative. The issuer does not name each step of the chain.
    pub(crate) fn installed_update<'a>(
        &self,
        component: &str,
        wanted: &str,
        installed: &[&'a str],
    ) -> Option<&'a str> {
        let chain = self.replaced_by.get(component);
        let mut seen: FxHashSet<&str> = FxHashSet::default();
        let mut open = vec![wanted];
        while let Some(update) = open.pop() {
            if let Some(found) = installed.iter().find(|one| **one == update) {
                return Some(found);
            }
            if seen.insert(update) {
                let newer = chain.and_then(|chain| chain.get(update)).map_or(&[][..], Vec::as_slice);
                open.extend(newer.iter().map(AsRef::as_ref));
            }
        }
        let days = self.published_updates.get(component).filter(|_| is_cumulative(component))?;
        let day = days.get(wanted)?;
        installed.iter().find(|one| days.get(**one).is_some_and(|own| own > day)).copied()
    }

    /// The last day up to which some feed lists the vulnerabilities of a component: `None` when none does.
    pub(crate) fn covered_until(
        &self,
        family: &Family,
        train: Option<&str>,
        names: &[&str],
    ) -> Option<(Date, &FeedHead)> {
        let entries = self.coverage.get(family).map_or(&[][..], Vec::as_slice);
        entries
            .iter()
            .filter(|(_, coverage)| coverage.of == Subject::Vulnerabilities)
            .filter(|(_, coverage)| match (&coverage.train, train) {
                (None, _) => true,
                (Some(covered), Some(train)) => {
                    train == &**covered || family_line(family, train) == &**covered
                }
                (Some(_), None) => false,
            })
            .filter(|(_, coverage)| match &coverage.component {
                None => true,
                Some(covered) => {
                    let one = |name| esxi::product_name(family, NameKind::Product, name);
                    names.iter().any(|name| one(name) == one(covered))
                }
            })
            .filter_map(|(feed, coverage)| Some((coverage.period.to, self.feeds.get(*feed as usize)?)))
            .max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.id.cmp(&a.1.id)))
    }
}

/// Since Windows 10 and Windows Server 2016 each monthly update contains all earlier ones of its product; before, there
/// were updates for single holes beside the rollups.
fn is_cumulative(product: &str) -> bool {
    if product.starts_with("Windows 10") || product.starts_with("Windows 11") {
        return true;
    }
    let release = product.strip_prefix("Windows Server").map(str::trim_start).unwrap_or_default();
    let digits = release.find(|c: char| !c.is_ascii_digit()).unwrap_or(release.len());
    match release.get(..digits).and_then(|year| year.parse::<u32>().ok()) {
        Some(year) if digits == 4 => year >= 2016,
        // `Windows Server, version 23H2`: the releases of the semi-annual channel came after 2016.
        _ => product.starts_with("Windows Server, version"),
    }
}

/// ESXi coverage is stated per line (`8.0`), hosts stand on update trains of it (`8.0U3`).
fn family_line<'a>(family: &Family, train: &'a str) -> &'a str {
    match family {
        Family::Esxi | Family::Vcenter => esxi::line(train),
        _ => train,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use underpin_model::facts::Format;

    use super::*;

    #[test]
    fn the_latest_score_on_or_before_a_day_counts_whatever_came_later() {
        let id = VulnerabilityId::new("CVE-2026-0001").unwrap();
        let document = |&(scored, probability): &(Option<Date>, f64)| {
            let mut facts = VulnerabilityFacts::new(id.clone());
            facts.epss = Some(Epss { probability, percentile: 0.5, model: None, scored });
            let mut document = Document::new("epss", Format::Epss);
            document.vulnerabilities.push(facts);
            document
        };
        let on = |day| Some(date(2026, 11, day));
        let mut scores =
            [(on(20), 0.3), (None, 0.01), (on(5), 0.9), (on(5), 0.2), (on(8), 0.4), (on(8), 0.6)];
        for _ in 0..scores.len() {
            scores.rotate_left(1);
            let documents = scores.iter().map(document).collect();
            let id_of_feed = FeedId::new("epss").unwrap();
            let base = FactBase::new(vec![Feed { id: id_of_feed, fetched: None, documents }]);
            let wanted = [(4, 0.01), (5, 0.9), (7, 0.9), (8, 0.6), (19, 0.6), (20, 0.3), (30, 0.3)];
            for (day, wanted) in wanted {
                let found = base.epss_on(&id, date(2026, 11, day)).map(|it| it.probability);
                assert_eq!(found, Some(wanted), "{day}: {scores:?}");
            }
        }
    }
}
