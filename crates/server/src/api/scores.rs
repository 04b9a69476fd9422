//! Dated EPSS scores for backtests.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::view::List;
use crate::problem::Problem;
use crate::scores::{DatedScores, ImportedScores};
use crate::state::Shared;
use crate::upload::files;

/// The days of which EPSS scores are kept for backtests, the newest first.
#[utoipa::path(get, path = "/epss", tag = "backtest", responses((status = 200, body = List<DatedScores>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn scores(State(app): State<Shared>) -> Result<Json<List<DatedScores>>, Problem> {
    let items: Vec<DatedScores> = app.store.scores().await?.into_iter().map(DatedScores::from).collect();
    Ok(Json(List { total: items.len() as u64, items, next: None }))
}

/// Keeps EPSS scores, each file for the day that its first line names: plain, compressed, or an archive of many. A file takes
/// the place of what was kept for its day; the same bytes again change nothing.
#[utoipa::path(post, path = "/epss", tag = "backtest", request_body(content = String, content_type = "application/octet-stream", description = "EPSS file; or multipart/form-data with files"), responses((status = 200, body = Vec<ImportedScores>, description = "All of it was known"), (status = 201, body = Vec<ImportedScores>), (status = 413, description = "Too many bytes or too many days", body = Problem, content_type = "application/problem+json"), (status = 422, description = "What is no EPSS file with a day; nothing was changed", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add_scores(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let imported = app.import_scores(files(request).await?).await?;
    let new = imported.iter().any(|it| it.new);
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(imported)).into_response())
}

/// Takes the scores of a day away.
#[utoipa::path(delete, path = "/epss/{day}", tag = "backtest", params(("day" = String, Path, description = "A day such as 2025-08-25")), responses((status = 204, description = "They are gone"), (status = 404, description = "There are none of that day", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove_scores(
    State(app): State<Shared>,
    Path(day): Path<String>,
) -> Result<StatusCode, Problem> {
    app.remove_scores(&day).await?;
    Ok(StatusCode::NO_CONTENT)
}
