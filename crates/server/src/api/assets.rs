//! Assets and ripple.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::view::{AssetView, List, StatusCounts};
use crate::analyst::{Ripple, kind_name};
use crate::problem::{Code, Problem};
use crate::query::{self, AssetQuery, Query};
use crate::state::{Shared, no_fleet};

/// The assets of a fleet version with the numbers of their exposures.
#[utoipa::path(get, path = "/fleets/{id}/assets", tag = "assets", params(("id" = String, Path, description = "Fleet version"), AssetQuery), responses((status = 200, body = List<AssetView>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_fleet(
    State(app): State<Shared>,
    Path(id): Path<String>,
    Query(filter): Query<AssetQuery>,
) -> Result<Json<List<AssetView>>, Problem> {
    let index = app.index_of(&id).await?;
    let page = query::assets(&index, &filter)?;
    let items = page.items.iter().map(|asset| AssetView::new(&index, asset)).collect();
    Ok(Json(List { items, total: page.total, next: page.next }))
}

/// An asset with its facts as the fleet has them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetFacts {
    kind: String,
    id: String,
    counts: StatusCounts,
    /// Its entry in the fleet file.
    #[schema(value_type = Object)]
    facts: serde_json::Value,
}

/// One asset of the current fleet, by kind and id where an id is used twice.
#[utoipa::path(get, path = "/assets/{id}", tag = "assets", params(("id" = String, Path, description = "Asset id"), AssetKindQuery), responses((status = 200, body = AssetFacts), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(app): State<Shared>,
    Path(id): Path<String>,
    Query(wanted): Query<AssetKindQuery>,
) -> Result<Json<AssetFacts>, Problem> {
    let index = app.index().ok_or_else(no_fleet)?;
    let kind = query::kind(wanted.kind.as_deref())?;
    let found = index.assets.iter().find(|a| *a.id == *id && kind.is_none_or(|kind| kind == a.kind));
    let asset = found.ok_or_else(|| Code::NotFound.with(format!("There is no assessed asset {id:?}.")))?;
    let fleet = &index.fleet;
    let facts = match asset.kind {
        underpin_exposure::report::AssetKind::Host => serde_json::to_value(index.host(&id)),
        underpin_exposure::report::AssetKind::Vm => serde_json::to_value(index.vm(&id)),
        underpin_exposure::report::AssetKind::Image => serde_json::to_value(index.image(&id)),
        underpin_exposure::report::AssetKind::ManagementPlane => {
            serde_json::to_value(fleet.management_planes.iter().find(|p| p.id.as_str() == id))
        }
        underpin_exposure::report::AssetKind::Witness => {
            serde_json::to_value(fleet.witnesses.iter().find(|w| w.id.as_str() == id))
        }
        underpin_exposure::report::AssetKind::Storage => {
            serde_json::to_value(fleet.storage.iter().find(|s| s.id.as_str() == id))
        }
    };
    let facts = facts.map_err(|e| Code::Internal.with(e.to_string()))?;
    let counts = index.counts_of(asset.kind, &id).map(StatusCounts::from).unwrap_or_default();
    Ok(Json(AssetFacts { kind: kind_name(asset.kind).to_owned(), id, counts, facts }))
}

/// Which of several assets with the same id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AssetKindQuery {
    /// Its kind.
    kind: Option<String>,
}

/// Where the change is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RippleQuery {
    /// An element's id or a component's name.
    at: String,
}

/// What stands on an element or component, and what it stands on.
#[utoipa::path(get, path = "/ripple", tag = "assets", params(RippleQuery), responses((status = 200, body = Ripple), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ripple(
    State(app): State<Shared>,
    Query(query): Query<RippleQuery>,
) -> Result<Json<Ripple>, Problem> {
    Ok(Json(ripple_at(&app, query.at).await?))
}

pub(crate) async fn ripple_at(app: &Shared, at: String) -> Result<Ripple, Problem> {
    let index = app.index().ok_or_else(no_fleet)?;
    let analyst = Arc::clone(&app.analyst);
    let missing = Code::NotFound.with(format!("The fleet has no element or component {at:?}."));
    let found = tokio::task::spawn_blocking(move || analyst.ripple(&index.fleet, &at)).await?;
    found.ok_or(missing)
}
