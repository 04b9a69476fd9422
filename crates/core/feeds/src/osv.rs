//! OSV documents: one, a list of them, or one a line.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use underpin_model::facts::{
    Advisory, Bound, Claim, Cvss, Document, Family, Format, NameKind, PatchClass, Product, Range, Verdict,
    VulnerabilityFacts,
};
use underpin_model::id::{AdvisoryId, VulnerabilityId};

use crate::Defect;
use crate::identity::{debian_suite, is_cve, vulnerability_id};
use crate::json::{Instant, Text, defect, is_vector, read, short_title, shown};

#[derive(Deserialize)]
struct Osv<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    modified: Instant,
    published: Option<Instant>,
    withdrawn: Option<Instant>,
    #[serde(borrow)]
    summary: Option<Text<'a>>,
    #[serde(borrow, default)]
    aliases: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    related: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    upstream: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    severity: Option<Vec<Severity<'a>>>,
    #[serde(borrow, default)]
    affected: Option<Vec<Affected<'a>>>,
}

#[derive(Deserialize)]
struct Severity<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    score: Text<'a>,
}

#[derive(Deserialize)]
struct Affected<'a> {
    #[serde(borrow)]
    package: Option<Package<'a>>,
    #[serde(borrow, default)]
    severity: Option<Vec<Severity<'a>>>,
    #[serde(borrow, default)]
    ranges: Option<Vec<Ranges<'a>>>,
    #[serde(borrow, default)]
    versions: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
struct Package<'a> {
    #[serde(borrow)]
    ecosystem: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct Ranges<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    #[serde(borrow)]
    Introduced(Text<'a>),
    #[serde(borrow)]
    Fixed(Text<'a>),
    #[serde(borrow)]
    LastAffected(Text<'a>),
    #[serde(borrow)]
    Limit(Text<'a>),
}

/// Parses OSV in any of its three shapes.
pub(crate) fn parse(text: &str) -> Result<Document, Defect> {
    if text.trim_start().starts_with('[') {
        let records: Vec<Osv<'_>> = read(text, Format::Osv)?;
        return assemble(records.iter().enumerate().map(|(index, record)| (format!("/{index}"), record)));
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Osv<'_>>();
    let mut records = Vec::new();
    let mut begin = 0;
    while let Some(record) = stream.next() {
        match record {
            Ok(record) => records.push(record),
            Err(_) => return Err(failed(text, begin)),
        }
        begin = stream.byte_offset();
    }
    let several = records.len() > 1;
    // Of several documents a pointer says which one first, as in a list.
    assemble(
        records
            .iter()
            .enumerate()
            .map(|(index, record)| (if several { format!("/{index}") } else { String::new() }, record)),
    )
}

/// Why the document that begins at this byte cannot be read: by pointer if it is the only one, else by line.
fn failed(text: &str, begin: usize) -> Defect {
    let rest = text.get(begin..).unwrap_or_default();
    let Err(mut error) = read::<Osv<'_>>(rest, Format::Osv) else {
        return defect(Format::Osv, "", "the document cannot be read");
    };
    if begin > 0 {
        let blank = rest.len() - rest.trim_start().len();
        let before = text.get(..begin + blank).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        error.at = crate::Position::Line { line: u64::try_from(line).unwrap_or(u64::MAX) };
    }
    error
}

fn assemble<'r, 'a: 'r>(records: impl Iterator<Item = (String, &'r Osv<'a>)>) -> Result<Document, Defect> {
    let mut document = Document::new("", Format::Osv);
    let mut ids = FxHashSet::default();
    for (at, record) in records {
        let id = record.id.as_str();
        if !ids.insert(id) {
            let reason = format!("{} appears twice in this document", shown(id));
            return Err(defect(Format::Osv, format!("{at}/id"), reason));
        }
        if document.id.is_empty() {
            id.clone_into(&mut document.id);
        }
        document.updated = document.updated.max(Some(record.modified.0));
        add(&mut document, record, &at)?;
    }
    if ids.len() > 1 {
        document.id = format!("{} and {} more", document.id, ids.len() - 1);
    }
    Ok(document)
}

fn add(document: &mut Document, record: &Osv<'_>, at: &str) -> Result<(), Defect> {
    let id = record.id.as_str();
    let advisory_id =
        AdvisoryId::new(id).map_err(|error| defect(Format::Osv, format!("{at}/id"), error.to_string()))?;
    let class = class(id);
    let facts = vulnerabilities(record, class, at, &mut document.left_out)?;
    // What is withdrawn claims nothing any more.
    let claims = if record.withdrawn.is_some() {
        Vec::new()
    } else {
        claims(record, &facts.iter().map(|facts| facts.id.clone()).collect(), at)?
    };
    document.vulnerabilities.extend(facts);
    let summary = record.summary.as_ref().map(Text::as_str);
    document.advisories.push(Advisory {
        id: advisory_id,
        title: summary.and_then(short_title),
        published: record.published.map(|date| date.0),
        updated: Some(record.modified.0),
        class,
        severity: summary.and_then(severity_word),
        claims,
        remedies: Vec::new(),
    });
    Ok(())
}

/// AlmaLinux and its relatives put the class of the patch into the id.
fn class(id: &str) -> Option<PatchClass> {
    match id.split('-').next().unwrap_or_default() {
        "ALSA" | "RLSA" | "RXSA" | "RHSA" | "ELSA" | "DSA" | "DLA" | "USN" => Some(PatchClass::Security),
        "ALBA" | "RLBA" | "RHBA" | "ELBA" => Some(PatchClass::BugFix),
        "ALEA" | "RLEA" | "RHEA" | "ELEA" => Some(PatchClass::Feature),
        _ => None,
    }
}

/// RPM distributions begin the summary with the severity: `Important: xen security update`.
fn severity_word(summary: &str) -> Option<String> {
    let word = summary.split_once(':')?.0.trim().to_lowercase();
    matches!(word.as_str(), "low" | "moderate" | "important" | "critical").then_some(word)
}

/// The vulnerabilities that a document is about. A distribution's advisory names several (`related`, `upstream`); a
/// database entry is one, under its CVE id if it has one, and its `related` ids are other vulnerabilities.
fn vulnerabilities(
    record: &Osv<'_>,
    class: Option<PatchClass>,
    at: &str,
    left_out: &mut Vec<String>,
) -> Result<Vec<VulnerabilityFacts>, Defect> {
    let own = record.id.as_str();
    let advisory = class.is_some();
    let mut names: Vec<(&str, String)> = Vec::new();
    let lists = [
        ("aliases", &record.aliases, true),
        ("upstream", &record.upstream, true),
        ("related", &record.related, advisory),
    ];
    if is_cve(own) {
        names.push((own, format!("{at}/id")));
    }
    for (field, list, counts) in lists {
        for (index, name) in list.iter().flatten().enumerate() {
            let known = names.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_str()));
            if counts && is_cve(name.as_str()) && !known {
                names.push((name.as_str(), format!("{at}/{field}/{index}")));
            }
        }
    }
    // A repair or a feature without a CVE closes no vulnerability.
    let security = class.is_none_or(|class| class == PatchClass::Security);
    if names.is_empty() && security {
        names.push((own, format!("{at}/id")));
    }
    let single = names.len() == 1;
    let mut facts = Vec::with_capacity(names.len());
    for (name, place) in names {
        let id = |text: &str| {
            vulnerability_id(text).map_err(|error| defect(Format::Osv, place.as_str(), error.to_string()))
        };
        let mut one = VulnerabilityFacts::new(id(name)?);
        // An advisory's date is not the date when its vulnerabilities became public.
        if !advisory {
            one.published = record.published.map(|date| date.0);
            // A withdrawn entry does not withdraw the CVE that it pointed to.
            one.withdrawn = record.withdrawn.is_some() && name == own;
            if name != own {
                one.aliases.push(id(own)?);
            }
        }
        if single {
            one.cvss = vectors(record, at, left_out);
        }
        facts.push(one);
    }
    Ok(facts)
}

fn vectors(record: &Osv<'_>, at: &str, left_out: &mut Vec<String>) -> Vec<Cvss> {
    let nested = record.affected.iter().flatten().filter_map(|affected| affected.severity.as_ref());
    let mut found: Vec<Cvss> = Vec::new();
    for severity in record.severity.iter().chain(nested).flatten() {
        let vector = severity.score.as_str();
        if severity.kind.as_str().starts_with("CVSS_")
            && !found.iter().any(|known| known.vector == vector)
            && is_vector(vector, || format!("{at}/severity"), left_out)
        {
            found.push(Cvss { vector: vector.to_owned(), scorer: None });
        }
    }
    found
}

fn claims(record: &Osv<'_>, list: &Arc<[VulnerabilityId]>, at: &str) -> Result<Vec<Claim>, Defect> {
    let mut interned: FxHashMap<(&str, &str), Arc<Product>> = FxHashMap::default();
    let mut seen = FxHashSet::default();
    let mut claims = Vec::new();
    for (index, affected) in record.affected.iter().flatten().enumerate() {
        // Without a package there are only commits, which cannot be compared with what a host runs.
        let Some(package) = &affected.package else { continue };
        let names = (package.ecosystem.as_str(), package.name.as_str());
        let found = Arc::clone(interned.entry(names).or_insert_with(|| Arc::new(product(names.0, names.1))));
        for verdict in verdicts(affected, &found, &format!("{at}/affected/{index}"))? {
            if seen.insert((Arc::clone(&found), verdict.clone())) {
                claims.push(Claim {
                    vulnerabilities: Arc::clone(list),
                    product: Arc::clone(&found),
                    verdict,
                    fallback: false,
                });
            }
        }
    }
    Ok(claims)
}

/// The product of an ecosystem, which may have a suffix: `AlmaLinux:8`, `Debian:12`, `Ubuntu:Pro:16.04:LTS`,
/// `Red Hat:rhel_eus:8.6::appstream`.
fn product(ecosystem: &str, name: &str) -> Product {
    let (base, suffix) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let family = Family::from_name(base);
    let train: Option<Arc<str>> = match family {
        _ if suffix.is_empty() => None,
        Family::Debian => Some(debian_suite(suffix).into()),
        Family::Ubuntu => Some(suffix.strip_suffix(":LTS").unwrap_or(suffix).into()),
        Family::RedHat => crate::identity::cpe(&format!("cpe:/a:redhat:{suffix}"))
            .and_then(|cpe| cpe.train())
            .or_else(|| Some(suffix.into())),
        _ => Some(suffix.into()),
    };
    let name_kind = match (&family, base) {
        (Family::Debian | Family::Ubuntu | Family::Proxmox, _) => NameKind::Source,
        (_, "Alpine" | "Wolfi" | "Chainguard") => NameKind::Source,
        (_, "SUSE" | "openSUSE" | "openEuler" | "Mageia" | "Photon OS" | "Azure Linux") => NameKind::Binary,
        (Family::Other(_), _) => NameKind::Product,
        _ => NameKind::Binary,
    };
    Product {
        scheme: family.scheme(),
        family,
        train,
        component: name.into(),
        name_kind,
        arch: None,
        module: None,
        hardware: None,
    }
}

fn verdicts(affected: &Affected<'_>, product: &Product, at: &str) -> Result<Vec<Verdict>, Defect> {
    let mut verdicts = Vec::new();
    for (index, ranges) in affected.ranges.iter().flatten().enumerate() {
        // Commits have no order that a version could be placed in; `versions` lists what they mean.
        if ranges.kind.as_str() != "GIT" {
            stretches(ranges, product, &format!("{at}/ranges/{index}/events"), &mut verdicts)?;
        }
    }
    for version in affected.versions.iter().flatten() {
        verdicts.push(Verdict::Affected(Range::exactly(version.as_str())));
    }
    // A package that is listed without ranges and versions is affected altogether.
    if affected.ranges.as_ref().is_none_or(Vec::is_empty)
        && affected.versions.as_ref().is_none_or(Vec::is_empty)
    {
        verdicts.push(Verdict::Affected(Range::all()));
    }
    Ok(verdicts)
}

/// Runs through the events as OSV's evaluation does: `introduced` opens, the first end after it closes; an end
/// while nothing is open, or an opening while open, has no effect.
fn stretches(
    ranges: &Ranges<'_>,
    product: &Product,
    at: &str,
    found: &mut Vec<Verdict>,
) -> Result<(), Defect> {
    let openings = ranges.events.iter().filter(|event| matches!(event, Event::Introduced(_))).count();
    let disordered = !matches!(ranges.events.first(), Some(Event::Introduced(_)));
    if openings == 0 || (disordered && openings > 1) {
        let reason =
            "the events have no `introduced` first: it cannot be told where the affected versions begin";
        return Err(defect(Format::Osv, at, reason));
    }
    let mut open: Option<&str> = None;
    // With a single opening the order of the events does not matter: it comes first.
    let opening = ranges.events.iter().filter(|event| disordered && matches!(event, Event::Introduced(_)));
    let rest = ranges.events.iter().filter(|event| !(disordered && matches!(event, Event::Introduced(_))));
    for event in opening.chain(rest) {
        let end = match event {
            Event::Introduced(version) => {
                open = open.or(Some(version.as_str()));
                continue;
            }
            Event::Limit(version) if version.as_str() == "*" => continue,
            Event::Fixed(version) | Event::Limit(version) => Bound::Before(version.as_str().into()),
            Event::LastAffected(version) => Bound::Through(version.as_str().into()),
        };
        if let Some(from) = open.take() {
            found.push(verdict(from, end, product));
        }
    }
    if let Some(from) = open {
        found.push(verdict(from, Bound::Unbounded, product));
    }
    Ok(())
}

fn verdict(from: &str, until: Bound, product: &Product) -> Verdict {
    match (from, until) {
        // In a distribution's train everything before the fix is vulnerable.
        ("0", Bound::Before(fixed)) if product.name_kind != NameKind::Product => Verdict::FixedIn(fixed),
        ("0", until) => Verdict::Affected(Range { introduced: None, until }),
        (from, until) => Verdict::Affected(Range { introduced: Some(from.into()), until }),
    }
}
