//! The risk of the current fleet, patch or wait, standings, and predictions with their outcomes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use underpin_model::policy::Parameter;
use underpin_risk::calibration::Calibration;
use underpin_risk::report::RiskReport;
use underpin_risk::standing::Standing;
use underpin_risk::wait::Answer;
use underpin_store::PredictionRow;
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::risk::RiskQuery;
use crate::standing::{Kind, standing as standing_of};
use crate::state::Shared;

/// The risk of the current fleet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RiskView {
    /// The assessment that it is about.
    assessment: String,
    /// The policy that it was worked out under; `default` where none was uploaded.
    policy: String,
    /// The evidence that it was worked out by; `none` where none was uploaded.
    evidence: String,
    /// Every loss is in `currency`, over `horizon_days`. `fleet.loss` has `mean`, `sd`, `quantiles`, `cvar` and
    /// `any_loss`; `fleet.hosts_hit_at_least`, `guests_hit_at_least` and `tenants_hit_at_least` the probability that at
    /// least `m` are hit at once (`guests_without_tenant` count for no tenant); `naive` the same as if nothing were common (null, if that was asked for). `clusters`
    /// and `tenants` have the same figures, each of its own hosts, guests and tenants. `groups` (each with `wait` and `recommendation`), `contributions` (to the mean, exact, and to the CVaR, with its standard error),
    /// `causes` (with `factors` and facts), `blast_radius`, `deferrals`, `unpriced`, `warnings`, `evidence_unmatched`, `parameters`, `sampling`. `mean_loss_with_unknown` (null where the fleet lists no VM) is the mean with all
    /// that is not known at its worst, and so is `probability_at_most` of a blast radius.
    #[schema(value_type = Object)]
    #[serde(flatten)]
    report: RiskReport,
}

/// The risk of the current fleet: compound and naive figures, and what they come from.
#[utoipa::path(get, path = "/risk", tag = "risk", params(RiskQuery), responses((status = 200, body = RiskView), (status = 409, description = "There is no fleet, or its risk cannot be worked out", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn risk(
    State(app): State<Shared>,
    Query(query): Query<RiskQuery>,
) -> Result<Json<RiskView>, Problem> {
    let answer = app.risk(query.read()?).await?;
    Ok(Json(RiskView {
        assessment: answer.basis.index.assessment_id.clone(),
        policy: answer.basis.policy.id().to_owned(),
        evidence: answer.basis.evidence.id().to_owned(),
        report: answer.report.clone(),
    }))
}

/// Which groups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Only this group: its name as in the report (platform, train, release, hardware class and ring).
    group: Option<String>,
}

/// Patch or wait, as `underpin wait --format json` has it too. It describes the answer and is never built: the answer of a large
/// fleet is written as it is.
#[derive(Debug, Serialize, ToSchema)]
struct WaitView {
    /// The moment that the decisions speak about.
    as_of: String,
    /// Currency of every loss.
    currency: String,
    /// The policy states what losses are worth; otherwise they are points, a judgement.
    rates_stated: bool,
    /// Span that losses are counted over, in days.
    horizon_days: f64,
    /// Seed of the draws.
    seed: u64,
    /// What a reader must know of the EPSS scores and the KEV list: stale ones, and those from after the day of the assessment.
    warnings: Vec<String>,
    /// Evidence that counts for no host: a release that is due nowhere, hardware that no host has; each with its place.
    evidence_unmatched: Vec<String>,
    /// One for each group of hosts and release that is due on it: `name`, `group`, `hosts`, `component`, `release`, `closes`,
    /// `wait` (`verdict`, `optimum_days`, `loss_now`, `loss_at_optimum`, `band`, `right`, `weak`, `regret`, `curve`, `sensitivity`,
    /// `belief`, `information`), `promises`, `ssvc`, `bod_26_04`, `assumed`, `unknown`, `recommendation`.
    groups: Vec<serde_json::Value>,
}

/// Patch or wait for each group of hosts and each release that is due, with the loss curve and what the decision hinges on.
#[utoipa::path(get, path = "/wait", tag = "risk", params(WaitQuery), responses((status = 200, body = WaitView), (status = 404, description = "There is no such group", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn wait(
    State(app): State<Shared>,
    Query(query): Query<WaitQuery>,
) -> Result<impl IntoResponse, Problem> {
    let known = app.decisions().await?;
    let work = move || {
        let wanted = match &query.group {
            Some(group) => known.of_group(group)?,
            None => known.list.iter().collect(),
        };
        let text = serde_json::to_vec(&Answer::of(&known.about, wanted));
        text.map_err(|error| Code::Internal.with(error.to_string()))
    };
    let text = tokio::task::spawn_blocking(work).await??;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}

/// Where confidentiality, integrity and availability of one element stand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StandingView {
    /// `element` and `statements`: each with `topic`, `dimensions`, `answer` (`yes`, `partly`, `no`, `unknown`), `open` (how
    /// much is left open, from `low` to `high`), `text`, `evidence` (the facts with their place) and `missing`.
    #[schema(value_type = Object)]
    #[serde(flatten)]
    standing: Standing,
}

/// Where confidentiality, integrity and availability stand: `kind` is `host`, `vm`, `cluster`, `tenant` or `management_plane`.
#[utoipa::path(get, path = "/standing/{kind}/{id}", tag = "risk", params(("kind" = String, Path), ("id" = String, Path)), responses((status = 200, body = StandingView), (status = 404, body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn standing(
    State(app): State<Shared>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Json<StandingView>, Problem> {
    Ok(Json(StandingView { standing: (*standing_of(&app, Kind::named(&kind)?, &id).await?).clone() }))
}

/// A parameter of the risk model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParameterView {
    /// Name in the policy.
    name: String,
    /// What it means, as a question to those who know the fleet.
    question: String,
    /// `probability`, `correlation`, `shape`, `per-day`, `hours`, `count`.
    #[schema(value_type = String)]
    unit: underpin_model::policy::Unit,
    /// Value in force.
    value: f64,
    /// Low end of the plausible range.
    low: f64,
    /// High end of the plausible range.
    high: f64,
    /// Where it is from.
    source: String,
    /// No study gives it for a fleet like this.
    judgement: bool,
    /// The policy states it; otherwise it is the default.
    stated: bool,
}

/// Every parameter of the risk model as it is in force: the elicitation sheet.
#[utoipa::path(get, path = "/risk/parameters", tag = "risk", responses((status = 200, body = Vec<ParameterView>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn parameters(State(app): State<Shared>) -> Json<Vec<ParameterView>> {
    let policy = app.policy();
    let one = |parameter: &Parameter| {
        let (fact, setting) = (parameter.fact(), policy.value.parameters.setting(*parameter));
        ParameterView {
            name: fact.name.to_owned(),
            question: fact.question.to_owned(),
            unit: fact.unit,
            value: setting.value,
            low: setting.low,
            high: setting.high,
            source: setting.source,
            judgement: setting.judgement,
            stated: setting.stated,
        }
    };
    Json(Parameter::ALL.iter().map(one).collect())
}

/// Something foretold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PredictionView {
    /// Its id.
    id: String,
    /// The day on which it was made.
    #[schema(value_type = String, format = Date)]
    made_on: jiff::civil::Date,
    /// The last day of its span.
    #[schema(value_type = Option<String>, format = Date)]
    due: Option<jiff::civil::Date>,
    /// Its span in days.
    horizon_days: f64,
    /// How likely it happens within the span.
    probability: f64,
    /// What happens: `exploited` (exploitation is seen anywhere), `any-host-hit`.
    kind: String,
    /// What it happens to: a vulnerability, a fleet.
    subject: String,
    /// It happened; null: not known yet.
    happened: Option<bool>,
    /// Who or what says so.
    by: Option<String>,
}

impl From<PredictionRow> for PredictionView {
    fn from(row: PredictionRow) -> Self {
        Self {
            due: crate::calibration::due(&row),
            id: row.id,
            made_on: row.made_on,
            horizon_days: row.horizon_days,
            probability: row.probability,
            kind: row.kind,
            subject: row.subject,
            happened: row.outcome.as_ref().map(|it| it.happened),
            by: row.outcome.map(|it| it.by),
        }
    }
}

/// Predictions and how well they did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CalibrationView {
    /// Of each kind that has outcomes: `kind`, `scored`, `open`, `base_rate`, `brier` (with `reliability`, `resolution`,
    /// `uncertainty`, `within_bins`), `log_score`, `bins` of the reliability diagram.
    #[schema(value_type = Vec<Object>)]
    scores: Vec<ScoreView>,
    /// Every prediction, the newest first.
    predictions: Vec<PredictionView>,
}

#[derive(Debug, Serialize)]
struct ScoreView {
    kind: String,
    #[serde(flatten)]
    score: Calibration,
}

/// What was foretold, what became of it, and how well that did.
#[utoipa::path(get, path = "/predictions", tag = "risk", responses((status = 200, body = CalibrationView), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn predictions(State(app): State<Shared>) -> Result<Json<CalibrationView>, Problem> {
    let record = app.record().await?;
    Ok(Json(CalibrationView {
        scores: record.scores.into_iter().map(|(kind, score)| ScoreView { kind, score }).collect(),
        predictions: record.predictions.into_iter().map(PredictionView::from).collect(),
    }))
}

/// What became of a prediction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOutcome {
    /// It happened within its span. `false` is refused until the span is over.
    happened: bool,
}

/// States what became of a prediction: that it did not happen, once its span is over. Said once it stays: another outcome is refused.
#[utoipa::path(post, path = "/predictions/{id}/outcome", tag = "risk", params(("id" = String, Path)), request_body = NewOutcome, responses((status = 200, body = PredictionView), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, description = "Another outcome is known, or the span is not over", body = Problem, content_type = "application/problem+json"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn outcome(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PredictionView>, Problem> {
    let body = body.map_err(|error| Code::BadBody.with(error.body_text()))?;
    let outcome: NewOutcome = serde_json::from_slice(&body)
        .map_err(|error| Code::BadBody.with(format!("{error}; send {{\"happened\": true}} or false")))?;
    Ok(Json(app.settle(&id, outcome.happened).await?.into()))
}
