//! CVE JSON 5 as it is written; only what a reader of facts needs.

use serde::Deserialize;

use crate::json::{Instant, Text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) cve_metadata: Metadata<'a>,
    #[serde(borrow)]
    pub(super) containers: Containers<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) cve_id: Text<'a>,
    #[serde(borrow)]
    pub(super) state: Text<'a>,
    pub(super) date_published: Option<Instant>,
    pub(super) date_updated: Option<Instant>,
}

#[derive(Deserialize)]
pub(super) struct Containers<'a> {
    #[serde(borrow)]
    pub(super) cna: Container<'a>,
    #[serde(borrow, default)]
    pub(super) adp: Vec<Container<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) provider_metadata: Option<Provider<'a>>,
    pub(super) date_public: Option<Instant>,
    #[serde(borrow, default)]
    pub(super) affected: Vec<Affected<'a>>,
    #[serde(borrow, default)]
    pub(super) metrics: Vec<Metric<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider<'a> {
    #[serde(borrow)]
    pub(super) short_name: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Metric<'a> {
    #[serde(rename = "cvssV2_0", borrow)]
    pub(super) v2: Option<Vector<'a>>,
    #[serde(rename = "cvssV3_0", borrow)]
    pub(super) v30: Option<Vector<'a>>,
    #[serde(rename = "cvssV3_1", borrow)]
    pub(super) v31: Option<Vector<'a>>,
    #[serde(rename = "cvssV4_0", borrow)]
    pub(super) v4: Option<Vector<'a>>,
    #[serde(borrow)]
    pub(super) other: Option<Other<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vector<'a> {
    #[serde(borrow)]
    pub(super) vector_string: Text<'a>,
}

/// A metric of any other kind. Its content has whatever shape its maker likes.
#[derive(Deserialize)]
pub(super) struct Other<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    pub(super) content: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Affected<'a> {
    #[serde(borrow, default)]
    pub(super) vendor: Text<'a>,
    #[serde(borrow, default)]
    pub(super) product: Text<'a>,
    #[serde(borrow)]
    pub(super) package_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) cpes: Vec<Text<'a>>,
    #[serde(default)]
    pub(super) default_status: Status,
    #[serde(borrow, default)]
    pub(super) versions: Vec<Version<'a>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Affected,
    Unaffected,
    #[default]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version<'a> {
    #[serde(borrow)]
    pub(super) version: Text<'a>,
    pub(super) status: Status,
    #[serde(borrow)]
    pub(super) version_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) less_than: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) less_than_or_equal: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Change<'a> {
    #[serde(borrow)]
    pub(super) at: Text<'a>,
    pub(super) status: Status,
}
