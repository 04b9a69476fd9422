//! CSAF 2.0: security advisories and VEX.
//!
//! Of the standard's mandatory tests, those are enforced whose failure would make the facts wrong: undefined, doubly
//! defined and circular product ids, undefined and doubly defined groups, statuses that exclude each other, package
//! URLs that are none, the same CVE twice, contradicting justifications. The others (sorted revision histories,
//! consistent CVSS properties, profile rules) do not change what a reader takes from the document.

mod claims;
mod tree;
mod wire;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::facts::{
    Advisory, Cvss, Document, Format, PatchClass, Remedy, RemedyKind, Restart, VulnerabilityFacts,
};
use underpin_model::id::{AdvisoryId, VulnerabilityId};

use crate::Defect;
use crate::identity::vulnerability_id;
use crate::json::{defect, is_vector, read, short_title, shown};
use claims::Collector;
use tree::Products;
use wire::{Csaf, Head, Remediation, Vulnerability};

/// Parses a CSAF document.
pub(crate) fn parse(text: &str) -> Result<Document, Defect> {
    let csaf: Csaf<'_> = read(text, Format::Csaf)?;
    let version = csaf.document.csaf_version.as_str();
    if version != "2.0" {
        let reason = format!("CSAF version {} is not read; expected 2.0", shown(version));
        return Err(defect(Format::Csaf, "/document/csaf_version", reason));
    }
    let ids = vulnerability_ids(&csaf)?;
    let products = Products::read(&csaf.product_tree)?;
    let mut collector = Collector::new(&products);
    for (index, vulnerability) in csaf.vulnerabilities.iter().enumerate() {
        collector.add(index, vulnerability)?;
        check_groups(&products, index, vulnerability)?;
    }
    let head = &csaf.document;
    let id = head.tracking.id.as_str().trim();
    let mut document = Document::new(id, Format::Csaf);
    document.updated = Some(head.tracking.current_release_date.0);
    for (index, (one, id)) in csaf.vulnerabilities.iter().zip(&ids).enumerate() {
        let facts = facts(one, (index, id), head, &mut document.left_out);
        document.vulnerabilities.push(facts);
    }
    document.advisories.push(Advisory {
        id: AdvisoryId::new(id)
            .map_err(|error| defect(Format::Csaf, "/document/tracking/id", error.to_string()))?,
        title: short_title(head.title.as_str()),
        published: Some(head.tracking.initial_release_date.0),
        updated: Some(head.tracking.current_release_date.0),
        class: class(id, head.category.as_str()),
        severity: severity(&csaf),
        claims: collector.claims(&ids),
        remedies: remedies(&csaf.vulnerabilities, &ids),
    });
    Ok(document)
}

/// CVE ids, else the issuer's own; a vulnerability without any id gets one from its place in the document.
fn vulnerability_ids(csaf: &Csaf<'_>) -> Result<Vec<VulnerabilityId>, Defect> {
    let mut seen = FxHashSet::default();
    let mut ids = Vec::with_capacity(csaf.vulnerabilities.len());
    for (index, vulnerability) in csaf.vulnerabilities.iter().enumerate() {
        let (text, at) = match (&vulnerability.cve, vulnerability.ids.first()) {
            (Some(cve), _) => (cve.as_str().to_owned(), format!("/vulnerabilities/{index}/cve")),
            (None, Some(id)) => (id.text.as_str().to_owned(), format!("/vulnerabilities/{index}/ids/0/text")),
            (None, None) => (
                format!("{}#{}", csaf.document.tracking.id.as_str(), index + 1),
                format!("/vulnerabilities/{index}"),
            ),
        };
        let id =
            vulnerability_id(&text).map_err(|error| defect(Format::Csaf, at.as_str(), error.to_string()))?;
        if vulnerability.cve.is_some() && !seen.insert(id.clone()) {
            let reason = format!("{id} appears twice; it cannot be told which of the two holds");
            return Err(defect(Format::Csaf, at, reason));
        }
        ids.push(id);
    }
    Ok(ids)
}

/// Groups that remedies and threats refer to must exist.
fn check_groups(products: &Products<'_>, index: usize, one: &Vulnerability<'_>) -> Result<(), Defect> {
    let remedies = one.remediations.iter().map(|remedy| &remedy.group_ids).enumerate();
    let threats = one.threats.iter().map(|threat| &threat.group_ids).enumerate();
    for (list, (number, groups)) in
        remedies.map(|item| ("remediations", item)).chain(threats.map(|item| ("threats", item)))
    {
        for (position, group) in groups.iter().enumerate() {
            products.group(group.as_str(), || {
                format!("/vulnerabilities/{index}/{list}/{number}/group_ids/{position}")
            })?;
        }
    }
    Ok(())
}

fn facts(
    one: &Vulnerability<'_>,
    (index, id): (usize, &VulnerabilityId),
    head: &Head<'_>,
    left_out: &mut Vec<String>,
) -> VulnerabilityFacts {
    let mut facts = VulnerabilityFacts::new(id.clone());
    facts.published = one.release_date.map(|date| date.0);
    for vector in one.scores.iter().flat_map(|score| [&score.cvss_v2, &score.cvss_v3]).flatten() {
        let vector = vector.vector.as_str();
        if !facts.cvss.iter().any(|known| known.vector == vector)
            && is_vector(vector, || format!("/vulnerabilities/{index}/scores"), left_out)
        {
            facts.cvss.push(Cvss {
                vector: vector.to_owned(),
                scorer: Some(head.publisher.name.as_str().to_owned()),
            });
        }
    }
    facts
}

/// Red Hat and its rebuilds put the class into the id; of others, only an advisory announces a patch.
fn class(id: &str, category: &str) -> Option<PatchClass> {
    match id.get(..4).unwrap_or_default() {
        "RHSA" | "ALSA" | "RLSA" => Some(PatchClass::Security),
        "RHBA" | "ALBA" | "RLBA" => Some(PatchClass::BugFix),
        "RHEA" | "ALEA" | "RLEA" => Some(PatchClass::Feature),
        _ => (category == "csaf_security_advisory").then_some(PatchClass::Security),
    }
}

/// The document's severity, else the worst impact that a threat names.
fn severity(csaf: &Csaf<'_>) -> Option<String> {
    if let Some(severity) = &csaf.document.aggregate_severity {
        return Some(severity.text.as_str().trim().to_lowercase());
    }
    let rank = |word: &str| {
        ["low", "moderate", "medium", "important", "high", "critical"].iter().position(|known| *known == word)
    };
    csaf.vulnerabilities
        .iter()
        .flat_map(|one| &one.threats)
        .filter(|threat| threat.category.as_str() == "impact")
        .map(|threat| threat.details.as_str().trim().to_lowercase())
        .filter_map(|word| rank(&word).map(|rank| (rank, word)))
        .max()
        .map(|(_, word)| word)
}

/// Remedies, each with all vulnerabilities that it is for.
fn remedies(vulnerabilities: &[Vulnerability<'_>], ids: &[VulnerabilityId]) -> Vec<Remedy> {
    type Kind<'a> = (RemedyKind, Restart, Option<&'a str>);
    let mut order: Vec<Kind<'_>> = Vec::new();
    let mut grouped: FxHashMap<Kind<'_>, Vec<usize>> = FxHashMap::default();
    for (index, one) in vulnerabilities.iter().enumerate() {
        for remedy in &one.remediations {
            let kind = (remedy.category, restart(remedy), remedy.url.as_ref().map(|url| url.as_str()));
            let list = grouped.entry(kind).or_insert_with(|| {
                order.push(kind);
                Vec::new()
            });
            if list.last() != Some(&index) {
                list.push(index);
            }
        }
    }
    let mut shared: FxHashMap<Vec<usize>, Arc<[VulnerabilityId]>> = FxHashMap::default();
    order
        .into_iter()
        .map(|kind| {
            let list = grouped.remove(&kind).unwrap_or_default();
            let vulnerabilities = shared
                .entry(list)
                .or_insert_with_key(|list| list.iter().filter_map(|at| ids.get(*at).cloned()).collect());
            let (kind, restart, url) = kind;
            Remedy {
                vulnerabilities: Arc::clone(vulnerabilities),
                kind,
                restart,
                url: url.map(str::to_owned),
            }
        })
        .collect()
}

/// CSAF's restart categories (3.2.3.12.8), each by the largest thing that it takes down.
fn restart(remedy: &Remediation<'_>) -> Restart {
    match remedy.restart_required.as_ref().map(|required| required.category.as_str()) {
        Some("none") => Restart::None,
        Some("machine" | "system" | "zone") => Restart::Machine,
        Some("service" | "vulnerable_component" | "parent" | "dependencies" | "connected") => {
            Restart::Service
        }
        _ => Restart::Unknown,
    }
}
