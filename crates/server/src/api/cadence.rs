//! How often platforms ask for maintenance.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use underpin_exposure::cadence::Answer;
use utoipa::ToSchema;

use crate::cadence::{CadenceQuery, answer};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::Shared;

/// How often platforms ask for maintenance, as `underpin cadence --format json` has it too. It describes the answer and is never
/// built: a single series stands at the top as well, with all its fields.
#[derive(Debug, Serialize, ToSchema)]
struct CadenceView {
    /// Which patches made a maintenance.
    policy: String,
    /// Patches within so many days of the first one were one maintenance.
    batch_days: u16,
    /// One series for each platform, line or part: `name`, `platform`, `line`, `dated`, `maintenances`,
    /// `maintenances_at_most`, `patches_untold`, `mean_interval_days`, `built`, `until`, `span_days`, `distinct_dates`, `patches`, `patches_per_maintenance`,
    /// `mean_gap_days`, `gaps`, `trend`, `covered_from`, `covered_until`, `unknown_days`, `maturity`, `by_class`,
    /// `by_component`, `by_area`, `batches`, `notes`. What is not known is null:
    /// `maintenances` too, where the facts do not state of any patch whether the policy takes it; where they do not of some
    /// (`patches_untold`), there are from `maintenances` to `maintenances_at_most`.
    series: Vec<serde_json::Value>,
}

/// How often platforms ask for maintenance: dates, batches, gaps, and maintenances of a host by its age.
#[utoipa::path(get, path = "/cadence", tag = "cadence", params(CadenceQuery), responses((status = 200, body = CadenceView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cadence(
    State(app): State<Shared>,
    Query(query): Query<CadenceQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(Answer::of(&answer(&app, &query).await?)).into_response())
}
