//! Promises as running clocks.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clocks::{ClocksQuery, Only, answer};
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::state::Shared;

/// The promises of the policy as running clocks. It describes the answer and is never built: the answer of a large fleet
/// is written as it is.
#[derive(Debug, Serialize, ToSchema)]
struct ClocksView {
    /// The day that they are read on.
    as_of: String,
    /// Hosts patched per day in the forecast.
    hosts_per_day: f64,
    /// Days that count as soon.
    soon_days: u16,
    /// Hosts that wait for a published fix.
    hosts_to_patch: usize,
    /// The day on which the last of them has its fix at that pace; absent: no host waits.
    all_patched_on: Option<String>,
    /// Tenants, clusters, hosts and planes that promises name and the fleet does not have, and EPSS scores that are stale or from
    /// after the day, in words.
    warnings: Vec<String>,
    /// One row a promise: `promise`, `kind`, `days`, `counts` by state, `penalty`, `broken`.
    promises: Vec<serde_json::Value>,
    /// Who will breach: `promise`, `on`, `kind` of asset, `assets`, `sentence`.
    forecast: Vec<serde_json::Value>,
    /// Of whom that is not known, because no pace is planned: `promise`, `kind` of asset, `assets`, `sentence`.
    forecast_unknown: Vec<serde_json::Value>,
    /// The most pressing first: `promise`, `kind`, `subject`, `component`, `fix`, `state`, `started`, `due`, `evidence`,
    /// `accepted` (`owner`, `expires`, `expired`, `reason`), `assets`, `will_breach`, `forecast_unknown`.
    clocks: Vec<serde_json::Value>,
    /// One row a tenant and promise: `tenant` (null: none), `promise`, `counts` by state.
    tenants: Vec<serde_json::Value>,
}

/// The promises of the policy as running clocks on the day of the current assessment, and who breaches at the planned pace.
#[utoipa::path(get, path = "/clocks", tag = "clocks", params(ClocksQuery), responses((status = 200, body = ClocksView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn clocks(
    State(app): State<Shared>,
    Query(query): Query<ClocksQuery>,
) -> Result<impl IntoResponse, Problem> {
    let answer = answer(&app, &query).await?;
    let only = query.only(&answer.told.report)?;
    let work = {
        let (state, promise) = (only.state, only.promise.map(str::to_owned));
        move || match (state, &promise) {
            (None, None) => serde_json::to_vec(&*answer),
            _ => serde_json::to_vec(&answer.only(Only { state, promise: promise.as_deref() })),
        }
    };
    let text = tokio::task::spawn_blocking(work).await?;
    let text = text.map_err(|error| Code::Internal.with(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
