//! How often platforms ask for maintenance.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use underpin_exposure::cadence::Cadence;
use utoipa::ToSchema;

use crate::cadence::{CadenceQuery, answer};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::Shared;

/// How often platforms ask for maintenance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CadenceView {
    /// Which patches made a maintenance.
    policy: String,
    /// Patches within so many days of the first one were one maintenance.
    batch_days: u16,
    /// One series for each platform, line or part: `name`, `platform`, `line`, `dated`, `maintenances`,
    /// `mean_interval_days`, `built`, `until`, `span_days`, `distinct_dates`, `patches`, `patches_per_maintenance`,
    /// `mean_gap_days`, `gaps`, `trend`, `covered_from`, `covered_until`, `unknown_days`, `maturity`, `by_class`,
    /// `by_component`, `by_area`, `batches`, `notes`. What is not known is null.
    #[schema(value_type = Vec<Object>)]
    series: Vec<underpin_exposure::cadence::Series>,
}

impl From<Cadence> for CadenceView {
    fn from(cadence: Cadence) -> Self {
        Self {
            policy: cadence.policy.name().to_owned(),
            batch_days: cadence.batch_days,
            series: cadence.series,
        }
    }
}

/// How often platforms ask for maintenance: dates, batches, gaps, and maintenances of a host by its age.
#[utoipa::path(get, path = "/cadence", tag = "cadence", params(CadenceQuery), responses((status = 200, body = CadenceView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cadence(
    State(app): State<Shared>,
    Query(query): Query<CadenceQuery>,
) -> Result<Json<CadenceView>, Problem> {
    Ok(Json(answer(&app, &query).await?.into()))
}
