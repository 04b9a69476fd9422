//! CSAF 2.0 as it is written; only what a reader of facts needs. Everything else is skipped unread.

use serde::Deserialize;
use underpin_model::facts::RemedyKind;

use crate::json::{Instant, Text};

#[derive(Deserialize)]
pub(super) struct Csaf<'a> {
    #[serde(borrow)]
    pub(super) document: Head<'a>,
    #[serde(borrow, default)]
    pub(super) product_tree: Tree<'a>,
    #[serde(borrow, default)]
    pub(super) vulnerabilities: Vec<Vulnerability<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) csaf_version: Text<'a>,
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) title: Text<'a>,
    #[serde(borrow)]
    pub(super) publisher: Publisher<'a>,
    pub(super) tracking: Tracking<'a>,
    pub(super) aggregate_severity: Option<Severity<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Publisher<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Tracking<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) initial_release_date: Instant,
    pub(super) current_release_date: Instant,
}

#[derive(Deserialize)]
pub(super) struct Severity<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Tree<'a> {
    #[serde(borrow)]
    pub(super) branches: Vec<Branch<'a>>,
    #[serde(borrow)]
    pub(super) full_product_names: Vec<FullName<'a>>,
    #[serde(borrow)]
    pub(super) relationships: Vec<Relationship<'a>>,
    #[serde(borrow)]
    pub(super) product_groups: Vec<Group<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Branch<'a> {
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) product: Option<FullName<'a>>,
    #[serde(default)]
    pub(super) branches: Vec<Branch<'a>>,
}

#[derive(Deserialize)]
pub(super) struct FullName<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) product_id: Text<'a>,
    #[serde(default)]
    pub(super) product_identification_helper: Helper<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Helper<'a> {
    #[serde(borrow)]
    pub(super) purl: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) cpe: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Relationship<'a> {
    #[serde(borrow)]
    pub(super) full_product_name: FullName<'a>,
    #[serde(borrow)]
    pub(super) product_reference: Text<'a>,
    #[serde(borrow)]
    pub(super) relates_to_product_reference: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Group<'a> {
    #[serde(borrow)]
    pub(super) group_id: Text<'a>,
    #[serde(borrow)]
    pub(super) product_ids: Vec<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Vulnerability<'a> {
    #[serde(borrow)]
    pub(super) cve: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) ids: Vec<OtherId<'a>>,
    pub(super) release_date: Option<Instant>,
    #[serde(borrow, default)]
    pub(super) product_status: Status<'a>,
    #[serde(borrow, default)]
    pub(super) flags: Vec<Flag<'a>>,
    #[serde(borrow, default)]
    pub(super) remediations: Vec<Remediation<'a>>,
    #[serde(borrow, default)]
    pub(super) scores: Vec<Score<'a>>,
    #[serde(borrow, default)]
    pub(super) threats: Vec<Threat<'a>>,
}

#[derive(Deserialize)]
pub(super) struct OtherId<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) first_affected: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) known_affected: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) last_affected: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) first_fixed: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) fixed: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) known_not_affected: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) under_investigation: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) recommended: Vec<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Flag<'a> {
    #[serde(borrow)]
    pub(super) label: Text<'a>,
    #[serde(borrow, default)]
    pub(super) product_ids: Vec<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) group_ids: Vec<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Remediation<'a> {
    pub(super) category: RemedyKind,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) restart_required: Option<RestartRequired<'a>>,
    // Which products a remedy is for is not kept (it would cost as much as the claims); groups are few, so the
    // references to them are still checked.
    #[serde(borrow, default)]
    pub(super) group_ids: Vec<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct RestartRequired<'a> {
    #[serde(borrow)]
    pub(super) category: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Score<'a> {
    #[serde(borrow)]
    pub(super) cvss_v2: Option<Vector<'a>>,
    #[serde(borrow)]
    pub(super) cvss_v3: Option<Vector<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Vector<'a> {
    #[serde(rename = "vectorString", borrow)]
    pub(super) vector: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Threat<'a> {
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) details: Text<'a>,
    #[serde(borrow, default)]
    pub(super) group_ids: Vec<Text<'a>>,
}
