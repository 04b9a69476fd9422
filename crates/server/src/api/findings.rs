//! What is known: the assessment, vulnerabilities, advisories, exposures.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::view::{AdvisoryView, AssessmentView, ExposureView, List, VulnerabilityRow};
use crate::index::Index;
use crate::problem::{Code, Problem};
use crate::query::{self, ExposureQuery, Query};
use crate::state::{Shared, no_fleet};

fn index(app: &Shared) -> Result<Arc<Index>, Problem> {
    app.index().ok_or_else(no_fleet)
}

pub(super) fn assessment(index: &Index) -> AssessmentView {
    AssessmentView {
        id: index.assessment_id.clone(),
        fleet: index.fleet_id.clone(),
        as_of: index.assessment.as_of,
        summary: index.assessment.summary.clone(),
        feeds: index.assessment.feeds.clone(),
        unassessed: index.unassessed,
        order: underpin_exposure::SORT_KEY.to_owned(),
    }
}

/// The current assessment: counts by status (unknown first), feeds with age and coverage.
#[utoipa::path(get, path = "/assessments/current", tag = "assessments", responses((status = 200, body = AssessmentView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn current(State(app): State<Shared>) -> Result<Json<AssessmentView>, Problem> {
    Ok(Json(assessment(&*index(&app)?)))
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Where the page before ended.
    cursor: Option<String>,
    /// Rows of the page, 1 to 1000.
    limit: Option<String>,
}

impl PageQuery {
    /// Start and length, and the cursor after it.
    fn cut(&self, total: usize) -> Result<(usize, usize, Option<String>), Problem> {
        let limit = query::limit(self.limit.as_deref())?;
        let start = match self.cursor.as_deref() {
            None | Some("") => 0,
            Some(text) => text.parse::<usize>().map_err(|_| {
                Code::BadQuery.with(format!("cursor is {text:?}; use the value of next of the page before"))
            })?,
        };
        let end = start.saturating_add(limit);
        Ok((start, limit, (end < total).then(|| end.to_string())))
    }
}

/// Vulnerabilities with open exposures, what to do first at the front.
#[utoipa::path(get, path = "/vulnerabilities", tag = "findings", params(PageQuery), responses((status = 200, body = List<VulnerabilityRow>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn vulnerabilities(
    State(app): State<Shared>,
    Query(page): Query<PageQuery>,
) -> Result<Json<List<VulnerabilityRow>>, Problem> {
    let index = index(&app)?;
    let total = index.priorities.len();
    let (start, length, next) = page.cut(total)?;
    let rows = index.priorities.iter().skip(start).take(length).filter_map(|p| {
        Some(VulnerabilityRow::new(index.assessment.vulnerabilities.get(&p.id)?.clone(), Some(p)))
    });
    Ok(Json(List { items: rows.collect(), total: total as u64, next }))
}

/// One vulnerability, with who is hit.
#[utoipa::path(get, path = "/vulnerabilities/{id}", tag = "findings", params(("id" = String, Path, description = "CVE id, or the issuer's")), responses((status = 200, body = VulnerabilityRow), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn vulnerability(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<VulnerabilityRow>, Problem> {
    let index = index(&app)?;
    let facts = index.assessment.vulnerabilities.get(id.as_str());
    let facts =
        facts.ok_or_else(|| Code::NotFound.with(format!("No finding names a vulnerability {id:?}.")))?;
    let priority = index.priorities.iter().find(|p| p.id.as_str() == id);
    Ok(Json(VulnerabilityRow::new(facts.clone(), priority)))
}

/// The advisories of all feeds, by id.
#[utoipa::path(get, path = "/advisories", tag = "findings", params(PageQuery), responses((status = 200, body = List<AdvisoryView>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn advisories(
    State(app): State<Shared>,
    Query(page): Query<PageQuery>,
) -> Result<Json<List<AdvisoryView>>, Problem> {
    let index = index(&app)?;
    let total = index.advisories.len();
    let (start, length, next) = page.cut(total)?;
    let rows = index.advisories.iter().skip(start).take(length);
    let items = rows.map(|(id, entry)| AdvisoryView::new(id.as_str(), entry)).collect();
    Ok(Json(List { items, total: total as u64, next }))
}

/// One advisory.
#[utoipa::path(get, path = "/advisories/{id}", tag = "findings", params(("id" = String, Path, description = "The issuer's id")), responses((status = 200, body = AdvisoryView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn advisory(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<AdvisoryView>, Problem> {
    let index = index(&app)?;
    let entry = index.advisories.get(id.as_str());
    let entry = entry.ok_or_else(|| Code::NotFound.with(format!("No feed has an advisory {id:?}.")))?;
    Ok(Json(AdvisoryView::new(&id, entry)))
}

/// Exposures: asset, component, vulnerability, status, reasons and fix.
#[utoipa::path(get, path = "/exposures", tag = "findings", params(ExposureQuery), responses((status = 200, body = List<ExposureView>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn exposures(
    State(app): State<Shared>,
    Query(filter): Query<ExposureQuery>,
) -> Result<Json<List<ExposureView>>, Problem> {
    let index = index(&app)?;
    let page = query::exposures(&index, &filter)?;
    let items = page.items.iter().map(ExposureView::from).collect();
    Ok(Json(List { items, total: page.total, next: page.next }))
}
