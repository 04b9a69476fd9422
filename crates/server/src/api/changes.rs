//! Fleets, feeds and assessments: what is there, and uploads.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use underpin_store::{Remembered, Replay};
use utoipa::{IntoParams, ToSchema};

use super::findings::assessment;
use super::view::{AssessmentView, FeedView, FleetVersion, List, QuarantinedView};
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::state::{ImportedFeed, ImportedFleet, Shared};
use crate::upload::{files, fingerprint};

const ROUTE_FLEETS: &str = "POST /api/v1/fleets";
const ROUTE_FEEDS: &str = "POST /api/v1/feeds";
const ROUTE_ASSESSMENTS: &str = "POST /api/v1/assessments";

fn all<T: ToSchema>(items: Vec<T>) -> Json<List<T>> {
    Json(List { total: items.len() as u64, items, next: None })
}

/// Every version of the fleet, the current one first.
#[utoipa::path(get, path = "/fleets", tag = "fleets", responses((status = 200, body = List<FleetVersion>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn fleets(State(app): State<Shared>) -> Result<Json<List<FleetVersion>>, Problem> {
    let current = app.index().map(|i| i.fleet_id.clone());
    let rows = app.store.fleets().await?.into_iter().map(|row| FleetVersion {
        current: Some(&row.id) == current.as_ref(),
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        sha256: row.sha256,
        bytes: row.bytes,
    });
    Ok(all(rows.collect()))
}

/// The document of a fleet version, byte for byte as it was uploaded.
#[utoipa::path(get, path = "/fleets/{id}", tag = "fleets", params(("id" = String, Path, description = "Fleet version")), responses((status = 200, description = "The fleet file", content_type = "application/octet-stream"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn fleet(State(app): State<Shared>, Path(id): Path<String>) -> Result<Response, Problem> {
    let missing = || Code::NotFound.with(format!("There is no fleet version {id:?}."));
    let row = app.store.fleet(&id).await?.ok_or_else(missing)?;
    let bytes = app.store.content(&row.sha256).await?.ok_or_else(missing)?;
    let json = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let kind = if json { "application/json" } else { "application/yaml" };
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}

/// The answer that this idempotency key got before, and how to remember a new one.
struct Once {
    key: Option<String>,
    route: &'static str,
    request: String,
}

impl Once {
    fn new(headers: &HeaderMap, route: &'static str) -> Result<Self, Problem> {
        let key = headers.get("idempotency-key").map(|v| v.to_str().unwrap_or_default().to_owned());
        if key.as_ref().is_some_and(|k| k.is_empty() || k.len() > 255) {
            return Err(Code::BadBody.with("Idempotency-Key must have 1 to 255 visible ASCII characters"));
        }
        Ok(Self { key, route, request: String::new() })
    }

    async fn before(&self, app: &Shared) -> Result<Option<Response>, Problem> {
        let Some(key) = &self.key else { return Ok(None) };
        let now = (app.config.clock)();
        let Some(replay) = app.store.replay(key, self.route, &self.request, now).await? else {
            return Ok(None);
        };
        let mut response = answer(&replay);
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    async fn after(self, app: &Shared, body: &impl Serialize, location: &str) -> Result<Response, Problem> {
        let body = serde_json::to_vec(body).map_err(|e| Code::Internal.with(e.to_string()))?;
        let replay =
            Replay { status: StatusCode::CREATED.as_u16(), location: Some(location.to_owned()), body };
        let response = answer(&replay);
        if let Some(key) = self.key {
            let route = self.route.to_owned();
            let remembered = Remembered { key, route, request_sha256: self.request, replay };
            app.store.remember(&remembered, (app.config.clock)()).await?;
        }
        Ok(response)
    }
}

fn answer(replay: &Replay) -> Response {
    let status = StatusCode::from_u16(replay.status).unwrap_or(StatusCode::OK);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, kind, replay.body.clone()).into_response();
    if let Some(location) = replay.location.as_ref().and_then(|l| HeaderValue::from_str(l).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Uploads a fleet (JSON or YAML, as the body or a form's file) and makes it current.
#[utoipa::path(post, path = "/fleets", tag = "fleets", params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body get the same answer for 24 hours")), request_body(content = String, content_type = "application/octet-stream", description = "Fleet file, JSON or YAML; or multipart/form-data with a file"), responses((status = 201, body = ImportedFleet), (status = 422, description = "All errors of the fleet; nothing was changed", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add_fleet(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let mut once = Once::new(request.headers(), ROUTE_FLEETS)?;
    let files = files(request).await?;
    once.request = fingerprint(&files);
    if let Some(response) = once.before(&app).await? {
        return Ok(response);
    }
    let [file] = files.as_slice() else {
        return Err(Code::BadBody.with(format!("{} files came; upload one fleet at a time", files.len())));
    };
    let imported = app.import_fleet(file.bytes.to_vec()).await?;
    let location = format!("/api/v1/fleets/{}", imported.id);
    once.after(&app, &imported, &location).await
}

/// Every feed with its age.
#[utoipa::path(get, path = "/feeds", tag = "feeds", responses((status = 200, body = List<FeedView>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn feeds(State(app): State<Shared>) -> Result<Json<List<FeedView>>, Problem> {
    let rows = app.store.feeds().await?.into_iter().map(|row| FeedView {
        id: row.id,
        fetched_at: row.fetched_at,
        updated_at: row.updated_at,
        documents: row.documents,
        quarantined: row.quarantined,
    });
    Ok(all(rows.collect()))
}

/// Documents that were not accepted, with place and reason.
#[utoipa::path(get, path = "/quarantine", tag = "feeds", responses((status = 200, body = List<QuarantinedView>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn quarantine(State(app): State<Shared>) -> Result<Json<List<QuarantinedView>>, Problem> {
    let rows = app.store.quarantined().await?.into_iter().map(|row| QuarantinedView {
        feed: row.feed_id,
        path: row.path,
        at: row.position,
        reason: row.reason,
        since: row.at,
        sha256: row.sha256,
    });
    Ok(all(rows.collect()))
}

/// How an uploaded feed is called.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedName {
    /// Name of the feed, if not the file's.
    name: Option<String>,
}

/// Uploads a feed: a document, a compressed one or an archive. Bad documents go to quarantine, good ones count.
#[utoipa::path(post, path = "/feeds", tag = "feeds", params(FeedName, ("Idempotency-Key" = Option<String>, Header, description = "The same key and body get the same answer for 24 hours")), request_body(content = String, content_type = "application/octet-stream", description = "Any feed file; or multipart/form-data with files"), responses((status = 201, body = Vec<ImportedFeed>), (status = 422, description = "Nothing could be read; bad documents are in quarantine", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add_feed(
    State(app): State<Shared>,
    Query(query): Query<FeedName>,
    request: Request,
) -> Result<Response, Problem> {
    let mut once = Once::new(request.headers(), ROUTE_FEEDS)?;
    let files = files(request).await?;
    once.request = format!("{:?} {}", query.name, fingerprint(&files));
    if let Some(response) = once.before(&app).await? {
        return Ok(response);
    }
    let mut imported = Vec::new();
    for file in files {
        let name = query.name.clone().unwrap_or_else(|| file.feed_name());
        imported.push(app.import_feed(name, file.bytes.to_vec()).await?);
    }
    once.after(&app, &imported, "/api/v1/feeds").await
}

/// Assesses the current fleet anew, as of now.
#[utoipa::path(post, path = "/assessments", tag = "assessments", params(("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same answer for 24 hours")), responses((status = 201, body = AssessmentView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assess(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let once = Once::new(&headers, ROUTE_ASSESSMENTS)?;
    if let Some(response) = once.before(&app).await? {
        return Ok(response);
    }
    app.reassess().await?;
    let index = app.index().ok_or_else(crate::state::no_fleet)?;
    once.after(&app, &assessment(&index), "/api/v1/assessments/current").await
}
