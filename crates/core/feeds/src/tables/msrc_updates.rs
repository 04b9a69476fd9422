//! Microsoft's updates for Hyper-V vulnerabilities, with the chains of KB numbers that replace each other.
//!
//! CSV: `date,cve,kb,product,severity,impact,supersedes,exploits`; the date is `YYYYMMDD`, KB numbers have no prefix.
//!
//! One advisory per CVE, published on the CVE's first day in the table. Its claims are [`Verdict::FixedIn`] a KB for a
//! product; several KBs for one product are alternatives (monthly rollup, security-only update), any of them closes
//! the hole, and so does any KB that replaces one of them ([`Supersedence`]). A product for which a CVE has rows without
//! a KB only is affected in every version and has no fix here. Rows of the Server Core installation are a product of
//! their own, as in the source; its spelling is made uniform.
//!
//! Covered is each product from its first to its last row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use underpin_model::facts::{
    Advisory, Claim, DateKind, Document, Family, Format, NameKind, PatchClass, Product, Range, ReleaseFact,
    Supersedence, Verdict, VulnerabilityFacts,
};
use underpin_model::id::{AdvisoryId, VulnerabilityId};

use super::promises::Promises;
use super::rows::{self, Cell, Row, Wrong, read_csv};
use crate::Defect;

const FORMAT: Format = Format::MsrcUpdates;
const COLUMNS: [&str; 6] = ["date", "cve", "kb", "product", "severity", "supersedes"];
/// Microsoft's severities, worst last.
const SEVERITIES: [&str; 4] = ["low", "moderate", "important", "critical"];
const KB: &str = "a KB number without prefix";

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let mut table = Table::default();
    read_csv(bytes, FORMAT, &COLUMNS, |row| table.add(row))?;
    Ok(table.finish())
}

struct Bulletin {
    id: AdvisoryId,
    first: Date,
    last: Date,
    /// Index into [`SEVERITIES`].
    severity: Option<usize>,
    fixes: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

struct Update {
    date: Date,
    fixes: BTreeSet<VulnerabilityId>,
}

#[derive(Default)]
struct Table {
    bulletins: BTreeMap<VulnerabilityId, Bulletin>,
    /// By KB and product.
    updates: BTreeMap<(Arc<str>, Arc<str>), Update>,
    supersedences: BTreeSet<Supersedence>,
    promises: Promises,
}

impl Table {
    fn add(&mut self, row: &Row<'_>) -> Cell<()> {
        let date = rows::compact_date("date", row.text("date"))?;
        let cve = rows::cve("cve", row.text("cve"))?;
        let product = product_name(row.text("product"))?;
        let severity = severity(row.text("severity"))?;
        let (kb, older) = (row.text("kb"), row.text("supersedes"));
        self.promises.seen(&Family::Windows, None, Some(&product), date);

        let bulletin = match self.bulletins.entry(cve.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Bulletin {
                id: rows::advisory("cve", cve.as_str())?,
                first: date,
                last: date,
                severity,
                fixes: BTreeMap::new(),
            }),
        };
        bulletin.first = bulletin.first.min(date);
        bulletin.last = bulletin.last.max(date);
        bulletin.severity = bulletin.severity.max(severity);
        let fixes = bulletin.fixes.entry(Arc::clone(&product)).or_default();
        if kb.is_empty() {
            return if older.is_empty() {
                Ok(())
            } else {
                Err(Wrong::new("kb", kb, "the KB that supersedes another"))
            };
        }
        let kb = rows::number("kb", kb, KB)?;
        fixes.insert(Arc::clone(&kb));
        if !older.is_empty() {
            let older = rows::number("supersedes", older, KB)?;
            if older == kb {
                return Err(Wrong::new("supersedes", &older, "another KB than the row's own"));
            }
            let newer = Arc::clone(&kb);
            self.supersedences.insert(Supersedence { component: Arc::clone(&product), newer, older });
        }
        let update =
            self.updates.entry((kb, product)).or_insert_with(|| Update { date, fixes: BTreeSet::new() });
        update.date = update.date.min(date);
        update.fixes.insert(cve);
        Ok(())
    }

    fn finish(self) -> Document {
        let mut document = Document::new(FORMAT.name(), FORMAT);
        let mut products = BTreeMap::new();
        for (cve, bulletin) in self.bulletins {
            let published = rows::midnight(bulletin.first);
            document.updated = document.updated.max(rows::midnight(bulletin.last));
            document.advisories.push(bulletin.advisory(&cve, &mut products));
            document.vulnerabilities.push(VulnerabilityFacts { published, ..VulnerabilityFacts::new(cve) });
        }
        document.releases =
            self.updates.into_iter().map(|((kb, product), update)| update.release(kb, product)).collect();
        document.supersedences = self.supersedences.into_iter().collect();
        document.coverage = self.promises.into_coverage();
        document
    }
}

impl Bulletin {
    fn advisory(self, cve: &VulnerabilityId, products: &mut BTreeMap<Arc<str>, Arc<Product>>) -> Advisory {
        let vulnerabilities: Arc<[VulnerabilityId]> = Arc::from([cve.clone()]);
        let mut claims = Vec::new();
        for (name, kbs) in self.fixes {
            let product = products.entry(Arc::clone(&name)).or_insert_with(|| Arc::new(product(name)));
            let mut claim = |verdict| {
                claims.push(Claim {
                    vulnerabilities: Arc::clone(&vulnerabilities),
                    product: Arc::clone(product),
                    verdict,
                    fallback: false,
                });
            };
            if kbs.is_empty() {
                claim(Verdict::Affected(Range::all()));
            }
            kbs.into_iter().map(Verdict::FixedIn).for_each(claim);
        }
        Advisory {
            id: self.id,
            title: None,
            published: rows::midnight(self.first),
            updated: rows::midnight(self.last),
            class: Some(PatchClass::Security),
            severity: self.severity.and_then(|rank| SEVERITIES.get(rank)).map(|&word| word.to_owned()),
            claims,
            remedies: Vec::new(),
        }
    }
}

impl Update {
    fn release(self, kb: Arc<str>, product: Arc<str>) -> ReleaseFact {
        ReleaseFact {
            family: Family::Windows,
            train: None,
            component: product,
            version: kb,
            date: self.date,
            date_kind: DateKind::Published,
            bulletin: None,
            class: Some(PatchClass::Security),
            fixes: self.fixes.into_iter().collect(),
        }
    }
}

fn product(name: Arc<str>) -> Product {
    Product {
        family: Family::Windows,
        train: None,
        component: name,
        name_kind: NameKind::Product,
        arch: None,
        module: None,
        hardware: None,
        scheme: Family::Windows.scheme(),
    }
}

/// The source writes the same suffix in three ways; as three products none would have all its fixes.
fn product_name(value: &str) -> Cell<Arc<str>> {
    const CORE: &str = "(Server Core installation)";
    let name = rows::name("product", value)?;
    let start = name.len().saturating_sub(CORE.len());
    match (name.get(..start), name.get(start..)) {
        (Some(head), Some(tail)) if tail.eq_ignore_ascii_case(CORE) => Ok(format!("{head}{CORE}").into()),
        _ => Ok(name),
    }
}

fn severity(value: &str) -> Cell<Option<usize>> {
    if value.is_empty() {
        return Ok(None);
    }
    let rank = SEVERITIES.iter().position(|word| word.eq_ignore_ascii_case(value));
    rank.map(Some).ok_or_else(|| Wrong::new("severity", value, "Low, Moderate, Important or Critical"))
}
