//! Lists of exposures and assets: filters, counts, pages.
//!
//! A filter is one condition on assets and one on findings. Because all assets of a group share all its findings, the
//! number of matches is a sum of products over groups: exact totals without walking millions of pairs.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::response::Response;
use jiff::civil::Date;
use rustc_hash::FxHashSet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use underpin_exposure::report::{AssetKind, Finding, Status};
use underpin_model::facts::Family;
use utoipa::IntoParams;

use crate::analyst::kind_name;
use crate::index::{AssetEntry, Index};
use crate::problem::{Code, Problem};

/// Rows of a page when the request does not say.
pub(crate) const PAGE: usize = 100;
/// Most rows of a page.
pub(crate) const MAX_PAGE: usize = 1000;

/// The query of a request; one that cannot be read is answered like every other problem.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(query)| Self(query)).map_err(|error: QueryRejection| {
            let path = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |uri| uri.0.path());
            crate::guard::answer(path, Code::BadQuery.with(in_words(&error.body_text())))
        })
    }
}

/// A parameter that a page does not have is refused as the API does: a misspelt one would look like an answer to what was asked.
fn in_words(error: &str) -> String {
    let unknown = error.split_once("unknown field `").and_then(|(_, rest)| rest.split_once("`, expected "));
    match unknown {
        Some((name, known)) => {
            let known = known.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ");
            format!("There is no parameter {name:?} here; known are: {known}.")
        }
        None => error.to_owned(),
    }
}

/// A value that is there; an empty field of a form is not.
pub(crate) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// A day of a query.
pub(crate) fn day(name: &str, text: &Option<String>) -> Result<Option<Date>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    let wrong = |_| Code::BadQuery.with(format!("{name} is {text:?}; give a day such as 2024-02-29"));
    text.parse().map(Some).map_err(wrong)
}

/// Which exposures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExposureQuery {
    /// Only this asset (its id; `kind` tells apart assets of different kinds with the same id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asset: Option<String>,
    /// Only assets of this kind: `host`, `vm`, `image`, `management_plane`, `witness`, `storage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Only this vulnerability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vulnerability: Option<String>,
    /// Only these statuses, comma-separated; `open` (affected, fixed_not_running), `unknown` and `unknown_other` are short for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Only what this tenant stands on: its VMs and images, and the hosts beneath its VMs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// Only hosts of this platform (`proxmox`, `esxi`, ...) and the VMs on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    /// Rows of the page, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<String>,
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: u64,
    pub(crate) next: Option<String>,
}

/// One exposure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposure<'a> {
    pub(crate) asset: &'a AssetEntry,
    pub(crate) finding: &'a Finding,
}

/// Reads a page size.
pub(crate) fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(PAGE) };
    match text.parse() {
        Ok(limit @ 1..=MAX_PAGE) => Ok(limit),
        _ => Err(Code::BadQuery.with(format!("limit is {text:?}; give a number from 1 to {MAX_PAGE}"))),
    }
}

/// Reads a kind of assets.
pub(crate) fn kind(text: Option<&str>) -> Result<Option<AssetKind>, Problem> {
    use AssetKind::{Host, Image, ManagementPlane, Storage, Vm, Witness};
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(None) };
    let kinds = [Host, Vm, Image, ManagementPlane, Witness, Storage];
    let known = || kinds.map(kind_name).join(", ");
    let found = kinds.into_iter().find(|k| kind_name(*k) == text);
    found.map(Some).ok_or_else(|| Code::BadQuery.with(format!("kind is {text:?}; give one of {}", known())))
}

/// Reads a set of statuses, as a mask over [`Status::ALL`].
pub(crate) fn statuses(text: Option<&str>) -> Result<[bool; Status::ALL.len()], Problem> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok([true; Status::ALL.len()]) };
    let mut mask = [false; Status::ALL.len()];
    for word in text.split(',').map(str::trim) {
        let mut known = false;
        for (chosen, status) in mask.iter_mut().zip(Status::ALL) {
            let hit = match word {
                "open" => status.is_open(),
                "unknown" => status <= Status::UnderInvestigation,
                "unknown_other" => status != Status::UnknownNoSource && status <= Status::UnderInvestigation,
                _ => status.name() == word,
            };
            *chosen |= hit;
            known |= hit;
        }
        if !known {
            let names = Status::ALL.map(Status::name).join(", ");
            let detail = format!("status has {word:?}; give open, unknown, unknown_other or of {names}");
            return Err(Code::BadQuery.with(detail));
        }
    }
    Ok(mask)
}

/// A condition on assets.
struct AssetFilter<'a> {
    index: &'a Index,
    id: Option<&'a str>,
    kind: Option<AssetKind>,
    beneath: Option<FxHashSet<u32>>,
    hit: Option<Vec<bool>>,
    platform: Option<&'a str>,
}

impl AssetFilter<'_> {
    fn any(&self) -> bool {
        self.id.is_none()
            && self.kind.is_none()
            && self.beneath.is_none()
            && self.hit.is_none()
            && self.platform.is_none()
    }

    fn holds(&self, number: u32, asset: &AssetEntry) -> bool {
        self.kind.is_none_or(|kind| kind == asset.kind)
            && self.id.is_none_or(|id| id == &*asset.id)
            && self.beneath.as_ref().is_none_or(|set| set.contains(&number))
            && self.hit.as_ref().is_none_or(|open| self.index.is_hit(open, asset))
            && self.platform.is_none_or(|platform| self.on_platform(asset, platform))
    }

    fn on_platform(&self, asset: &AssetEntry, platform: &str) -> bool {
        let index = self.index;
        let host = match asset.kind {
            AssetKind::Host => index.host(&asset.id),
            AssetKind::Vm => index.vm(&asset.id).and_then(|vm| index.host(vm.host.as_ref()?.as_str())),
            _ => None,
        };
        host.is_some_and(|host| Index::platform(host) == platform)
    }
}

/// What a filter names must exist: a misspelt name would look like a list of nothing, and so like good news.
struct Named<'a>(&'a Index);

impl<'a> Named<'a> {
    fn check(
        name: Option<&'a str>,
        known: impl Fn(&str) -> bool,
        what: &str,
    ) -> Result<Option<&'a str>, Problem> {
        match name {
            Some(name) if !known(name) => Err(Code::NotFound.with(format!("{what} {name:?}."))),
            name => Ok(name),
        }
    }

    fn asset(&self, id: Option<&'a str>, kind: Option<AssetKind>) -> Result<Option<&'a str>, Problem> {
        let is =
            |asset: &AssetEntry, id: &str| *asset.id == *id && kind.is_none_or(|kind| kind == asset.kind);
        let what = kind.map_or("asset", kind_name);
        let known = |id: &str| self.0.assets.iter().any(|asset| is(asset, id));
        Self::check(id, known, &format!("There is no assessed {what}"))
    }

    fn tenant(&self, id: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
        Self::check(id, |id| self.0.tenants.contains_key(id), "The fleet has no tenant")
    }

    /// One that an advisory names and that hits nobody is known: its list is empty for a good reason.
    fn vulnerability(&self, id: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
        let known = |id: &str| {
            self.0.assessment.vulnerabilities.contains_key(id)
                || self.0.advisories.values().any(|one| one.vulnerabilities.iter().any(|v| v.as_str() == id))
        };
        Self::check(id, known, "No finding and no advisory names a vulnerability")
    }

    /// A platform of a host of the fleet, or one that Underpin knows.
    fn platform(&self, name: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
        let known = |name: &str| {
            !matches!(Family::from_name(name), Family::Other(_))
                || self.0.fleet.hosts.iter().any(|host| Index::platform(host) == name)
        };
        Self::check(name, known, "No host of the fleet is of a platform")
    }
}

fn text(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|t| !t.is_empty())
}

fn cursor<const N: usize>(text: Option<&str>) -> Result<[usize; N], Problem> {
    let mut place = [0; N];
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(place) };
    let mut parts = text.split('.');
    for part in &mut place {
        *part = parts.next().and_then(|p| p.parse().ok()).ok_or_else(|| {
            Code::BadQuery.with(format!("cursor is {text:?}; use the value of next of the page before"))
        })?;
    }
    Ok(place)
}

/// A page of exposures, ordered by group, asset and finding.
pub(crate) fn exposures<'a>(index: &'a Index, query: &ExposureQuery) -> Result<Page<Exposure<'a>>, Problem> {
    let limit = limit(query.limit.as_deref())?;
    let mask = statuses(query.status.as_deref())?;
    let kind = kind(query.kind.as_deref())?;
    let named = Named(index);
    let filter = AssetFilter {
        index,
        id: named.asset(text(&query.asset), kind)?,
        kind,
        beneath: named.tenant(text(&query.tenant))?.map(|tenant| index.beneath(tenant)),
        hit: None,
        platform: named.platform(text(&query.platform))?,
    };
    let vulnerability = named.vulnerability(text(&query.vulnerability))?;
    let place = cursor::<3>(query.cursor.as_deref())?;
    let mut page = Page { items: Vec::new(), total: 0, next: None };
    for (group, at) in index.groups.iter().zip(0_usize..) {
        let findings: Vec<(usize, &Finding)> = group
            .findings
            .iter()
            .cloned()
            .flatten()
            .map(|at| at as usize)
            .filter_map(|f| Some((f, index.assessment.findings.get(f)?)))
            .filter(|(_, f)| mask.get(f.status as usize) == Some(&true))
            .filter(|(_, f)| {
                vulnerability.is_none_or(|v| f.vulnerability.as_ref().is_some_and(|x| x.as_str() == v))
            })
            .collect();
        if findings.is_empty() {
            continue;
        }
        let holds = |n: &u32| filter.any() || index.asset(*n).is_some_and(|a| filter.holds(*n, a));
        let mut matching = 0;
        for number in group.assets.clone().filter(holds) {
            matching += 1;
            if page.next.is_some() || (at, number as usize) < (place[0], place[1]) {
                continue;
            }
            let Some(asset) = index.asset(number) else { continue };
            for (f, finding) in &findings {
                if [at, number as usize, *f] < place {
                    continue;
                }
                if page.items.len() == limit {
                    page.next = Some(format!("{at}.{number}.{f}"));
                    break;
                }
                page.items.push(Exposure { asset, finding });
            }
        }
        page.total += matching * findings.len() as u64;
    }
    Ok(page)
}

/// Which assets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AssetQuery {
    /// Only this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Only assets with an exposure of one of these statuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Only what this tenant stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// Only hosts of this platform and the VMs on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// Only assets with an open exposure to this vulnerability, and VMs on hosts with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hit_by: Option<String>,
    /// Only ids that contain this text, whatever its case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) q: Option<String>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    /// Rows of the page, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<String>,
}

/// A page of assets, in the order of the assessment's groups, then those that were not assessed.
pub(crate) fn assets<'a>(index: &'a Index, query: &AssetQuery) -> Result<Page<&'a AssetEntry>, Problem> {
    let limit = limit(query.limit.as_deref())?;
    let mask = statuses(query.status.as_deref())?;
    let any_status = text(&query.status).is_none();
    let named = Named(index);
    let filter = AssetFilter {
        index,
        id: None,
        kind: kind(query.kind.as_deref())?,
        beneath: named.tenant(text(&query.tenant))?.map(|tenant| index.beneath(tenant)),
        hit: named.vulnerability(text(&query.hit_by))?.map(|id| index.open_groups(id)),
        platform: named.platform(text(&query.platform))?,
    };
    let [start] = cursor::<1>(query.cursor.as_deref())?;
    let wanted = text(&query.q).map(str::to_lowercase);
    let mut page = Page { items: Vec::new(), total: 0, next: None };
    for (asset, number) in index.assets.iter().zip(0_u32..) {
        let has = |g: &crate::index::GroupEntry| {
            g.counts.iter().zip(mask).any(|(count, wanted)| wanted && *count > 0)
        };
        let shown = filter.holds(number, asset)
            && wanted.as_ref().is_none_or(|wanted| asset.id.to_lowercase().contains(wanted.as_str()))
            && (any_status || index.groups.get(asset.group as usize).is_some_and(has));
        if !shown {
            continue;
        }
        page.total += 1;
        if (number as usize) < start {
            continue;
        }
        if page.items.len() < limit {
            page.items.push(asset);
        } else if page.next.is_none() {
            page.next = Some(number.to_string());
        }
    }
    Ok(page)
}
