//! The policy and the evidence in force.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use underpin_model::policy::Policy;
use underpin_risk::wait::Evidence;
use utoipa::ToSchema;

use crate::in_force::{PutInForce, Ruled};
use crate::problem::{Code, Problem};
use crate::state::Shared;
use crate::upload::files_or_empty;

/// The policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyView {
    /// Its id; `default` where none was uploaded.
    id: String,
    /// When it was first uploaded.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// As it was uploaded (TOML).
    text: Option<String>,
    /// As it was read, with every default: `currency`, `horizon`, `seed`, `loss`, `parameters`, `controls`, `accepted`,
    /// `promises`, `maintenance`, `rings`.
    #[schema(value_type = Object)]
    policy: Policy,
}

/// The policy in force.
#[utoipa::path(get, path = "/policy", tag = "risk", responses((status = 200, body = PolicyView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn policy(State(app): State<Shared>) -> Json<PolicyView> {
    let known = app.policy();
    Json(PolicyView {
        id: known.id().to_owned(),
        since: known.since,
        text: known.text.clone(),
        policy: known.value.clone(),
    })
}

/// The evidence in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EvidenceView {
    /// Its id; `none` where none was uploaded.
    id: String,
    /// When it was first uploaded.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// As it was uploaded (TOML or JSON).
    text: Option<String>,
    /// As it was read: `run` (trials, canaries and others that run a release: `release`, `hardware`, `hosts`, `failures`,
    /// `kind`, `source`) and `known_bug` (`release`, `per_host_day`, `hours_down`, `source`).
    #[schema(value_type = Object)]
    evidence: Evidence,
}

/// The evidence in force: trials, canaries and known bugs that patch or wait is decided by.
#[utoipa::path(get, path = "/evidence", tag = "risk", responses((status = 200, body = EvidenceView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn evidence(State(app): State<Shared>) -> Json<EvidenceView> {
    let known = app.in_force::<Evidence>();
    Json(EvidenceView {
        id: known.id().to_owned(),
        since: known.since,
        text: known.text.clone(),
        evidence: known.value.clone(),
    })
}

async fn import<T: Ruled>(app: &Shared, request: Request) -> Result<Response, Problem> {
    let files = files_or_empty(request).await?;
    let [file] = files.as_slice() else {
        return Err(Code::BadBody.with(format!("{} files came; upload one at a time", files.len())));
    };
    let imported = app.put_in_force::<T>(&file.bytes).await?;
    let status = if imported.new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(imported)).into_response())
}

/// Puts a policy (TOML) in force; the one before is kept. The same bytes again change nothing.
#[utoipa::path(put, path = "/policy", tag = "risk", request_body(content = String, content_type = "application/toml", description = "Policy file; or multipart/form-data with a file"), responses((status = 200, body = PutInForce, description = "These bytes were known"), (status = 201, body = PutInForce), (status = 413, description = "More than 8 MiB", body = Problem, content_type = "application/problem+json"), (status = 422, description = "All mistakes with their places; nothing was changed", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_policy(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    import::<Policy>(&app, request).await
}

/// The same as PUT, for clients that only POST.
#[utoipa::path(post, path = "/policy", tag = "risk", request_body(content = String, content_type = "application/toml", description = "Policy file; or multipart/form-data with a file"), responses((status = 200, body = PutInForce, description = "These bytes were known"), (status = 201, body = PutInForce), (status = 413, description = "More than 8 MiB", body = Problem, content_type = "application/problem+json"), (status = 422, description = "All mistakes with their places; nothing was changed", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add_policy(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    import::<Policy>(&app, request).await
}

/// Puts evidence (TOML or JSON) in force; the one before is kept. The same bytes again change nothing.
#[utoipa::path(put, path = "/evidence", tag = "risk", request_body(content = String, content_type = "application/toml", description = "Evidence file; or multipart/form-data with a file"), responses((status = 200, body = PutInForce, description = "These bytes were known"), (status = 201, body = PutInForce), (status = 413, description = "More than 8 MiB", body = Problem, content_type = "application/problem+json"), (status = 422, description = "All mistakes with their places; nothing was changed", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_evidence(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    import::<Evidence>(&app, request).await
}

/// The same as PUT, for clients that only POST.
#[utoipa::path(post, path = "/evidence", tag = "risk", request_body(content = String, content_type = "application/toml", description = "Evidence file; or multipart/form-data with a file"), responses((status = 200, body = PutInForce, description = "These bytes were known"), (status = 201, body = PutInForce), (status = 413, description = "More than 8 MiB", body = Problem, content_type = "application/problem+json"), (status = 422, description = "All mistakes with their places; nothing was changed", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add_evidence(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    import::<Evidence>(&app, request).await
}
