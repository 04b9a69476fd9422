//! `/api/v1`.

// utoipa's path macro writes qualified names of types that are in scope.
#![allow(unused_qualifications)]

pub(crate) mod assets;
mod backtest;
mod cadence;
mod changes;
mod clocks;
mod findings;
mod in_force;
mod parameters;
mod risk;
mod scores;
mod view;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::{Json, routing::get};
use serde::Serialize;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::state::Shared;

fn described() -> OpenApiRouter<Shared> {
    let license = LicenseBuilder::new()
        .name(env!("CARGO_PKG_LICENSE"))
        .identifier(Some(env!("CARGO_PKG_LICENSE")))
        .build();
    let info = InfoBuilder::new()
        .title("Underpin")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Which hosts, guests and tenants stand on a vulnerable platform, why, and how old that knowledge is."))
        .license(Some(license))
        .build();
    let api = OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(changes::fleets, changes::add_fleet))
        .routes(routes!(changes::fleet))
        .routes(routes!(assets::of_fleet))
        .routes(routes!(assets::one))
        .routes(routes!(changes::feeds, changes::add_feed))
        .routes(routes!(changes::quarantine))
        .routes(routes!(changes::assess))
        .routes(routes!(findings::current))
        .routes(routes!(findings::advisories))
        .routes(routes!(findings::advisory))
        .routes(routes!(findings::vulnerabilities))
        .routes(routes!(findings::vulnerability))
        .routes(routes!(findings::exposures))
        .routes(routes!(assets::ripple))
        .routes(routes!(cadence::cadence))
        .routes(routes!(risk::risk))
        .routes(routes!(risk::parameters))
        .routes(routes!(risk::wait))
        .routes(routes!(risk::standing))
        .routes(routes!(in_force::policy, in_force::put_policy, in_force::add_policy))
        .routes(routes!(in_force::evidence, in_force::put_evidence, in_force::add_evidence))
        .routes(routes!(risk::predictions))
        .routes(routes!(risk::outcome))
        .routes(routes!(backtest::backtest))
        .routes(routes!(scores::scores, scores::add_scores))
        .routes(routes!(scores::remove_scores))
        .routes(routes!(clocks::clocks));
    // The outermost one speaks for all: what is nested gives its paths alone.
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).build()).nest("/api/v1", api)
}

/// The description of the API: OpenAPI 3.1.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, mut description) = described().split_for_parts();
    // Every operation answers errors in the same form.
    let components = description.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    description
}

pub(crate) fn routes(_app: &Shared) -> Router<Shared> {
    let (router, description_of_routes) = described().split_for_parts();
    let known = parameters::Known::of(&description_of_routes);
    let router = router.route_layer(from_fn_with_state(known, parameters::refuse_unknown));
    router.route("/api/v1/openapi.json", get(description))
}

async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi().to_json().unwrap_or_default())
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`: the store answers.
    status: String,
    /// This version.
    version: String,
    /// The moment that the current assessment speaks about.
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<jiff::Timestamp>,
}

/// Whether the server can answer.
#[utoipa::path(get, path = "/health", tag = "server", responses((status = 200, body = Health), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn health(State(app): State<Shared>) -> Result<Json<Health>, Problem> {
    app.store.ping().await?;
    Ok(Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        as_of: app.index().map(|i| i.assessment.as_of),
    }))
}
