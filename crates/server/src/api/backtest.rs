//! What each patch policy would have cost.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use underpin_risk::backtest::Answer;
use utoipa::ToSchema;

use crate::backtest::{BacktestQuery, answer};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::Shared;

/// Policies replayed over the history of one line of releases, as `underpin backtest --format json` has it too.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BacktestView {
    /// `platform`, `line`, `component`, `fleet`, `currency`, `hosts_per_day`, `period`, `common_period`, `dates`, `releases`,
    /// `vulnerabilities`, `vulnerabilities_span`, `vulnerabilities_without_day`, `bad_releases`, `incidents`, `frontier_axes`,
    /// `policies` (one row a policy: `policy`, `evaluable`, `reason`, `signal_for`, `measures`, `common`, `on_frontier`,
    /// `taken`), `notes`, `bootstrap`, `lines` (those that can be asked for: `platform`, `line`, `component`). What is not known is absent. A figure is `value` with its 95 % `interval`. Of the measures,
    /// `never_patched` counts hosts x vulnerabilities with a fix that were not patched by the end of the span: in
    /// `restricted_mean_days_to_patch` they count the days until then. It and `open_at_end` are absent where no vulnerability of the line
    /// is known. `exploited_exposure_days` is absent where nobody can know, and at
    /// least what is stated where `days_before_kev` is above 0.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    answer: Answer,
}

/// What each patch policy would have cost on the current fleet (or 100 hosts, where there is none), replayed over real
/// history without look-ahead.
#[utoipa::path(get, path = "/backtest", tag = "backtest", params(BacktestQuery), responses((status = 200, body = BacktestView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn backtest(
    State(app): State<Shared>,
    Query(query): Query<BacktestQuery>,
) -> Result<Json<BacktestView>, Problem> {
    Ok(Json(BacktestView { answer: (*answer(&app, &query).await?).clone() }))
}
