//! The promises of the policy as running clocks, the same for the API and the page.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use underpin_exposure::FactBase;
use underpin_exposure::report::Asset;
use underpin_model::policy::Policy;
use underpin_risk::clocks::{self, Clock, ClockError, Report, SOON_DAYS, Settings, State, Turn};
use utoipa::IntoParams;

use crate::answers::{Answers, Same};
use crate::facts::current_policy;
use crate::index::Index;
use crate::problem::{Code, Problem};
use crate::query::given;
use crate::risk::nothing_to_judge;
use crate::state::{Shared, no_fleet};

/// Clocks of the current fleet, by these facts, under this policy. The settings are those of the question.
pub(crate) type KnownClocks = Answers<Basis, (u16, u64), Answer>;

/// What clocks rest on.
#[derive(Debug, PartialEq)]
pub(crate) struct Basis {
    facts: Same<FactBase>,
    index: Same<Index>,
    policy: Policy,
}

/// Which clocks.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClocksQuery {
    /// Hosts patched per day in the forecast; without it, the policy's pace.
    pub(crate) plan_pace: Option<String>,
    /// A clock that is due within this many days is due soon; without it, 7.
    pub(crate) soon: Option<String>,
    /// Only clocks in this state: `breached`, `unknown`, `due-soon`, `running`, `accepted`, `not-started`, `done`, `kept`.
    pub(crate) state: Option<String>,
    /// Only clocks of this promise.
    pub(crate) promise: Option<String>,
    /// Only what is this tenant's: clocks of its VMs and of the hosts beneath them, counts and forecast too.
    pub(crate) tenant: Option<String>,
}

/// Which of the clocks are listed. What is counted and forecast is always all of them, or all of the tenant's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Only<'a> {
    pub(crate) state: Option<State>,
    pub(crate) promise: Option<&'a str>,
}

impl Only<'_> {
    pub(crate) fn lists(self, clock: &Clock) -> bool {
        self.state.is_none_or(|it| it == clock.state) && self.promise.is_none_or(|it| it == clock.promise)
    }
}

/// The clocks on the day of the current assessment.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    pub(crate) told: clocks::Answer,
    /// The queue behind the forecast.
    #[serde(skip)]
    pub(crate) turns: BTreeMap<Asset, Turn>,
}

impl Answer {
    /// The answer with those clocks alone.
    pub(crate) fn only(&self, only: Only<'_>) -> Self {
        let all = &self.told.report;
        let report = Report {
            warnings: all.warnings.clone(),
            promises: all.promises.clone(),
            forecast: all.forecast.clone(),
            forecast_unknown: all.forecast_unknown.clone(),
            clocks: all.clocks.iter().filter(|it| only.lists(it)).cloned().collect(),
            ..*all
        };
        let told = clocks::Answer { report, tenants: self.told.tenants.clone() };
        Self { told, turns: BTreeMap::new() }
    }
}

fn refused(error: &ClockError) -> Problem {
    match error {
        ClockError::NoPromise => Code::NoPromise.with(error.to_string()),
        ClockError::Pace(_) => Code::BadQuery.with(error.to_string()),
    }
}

impl ClocksQuery {
    /// Which clocks of an answer are asked for.
    pub(crate) fn only(&self, report: &Report) -> Result<Only<'_>, Problem> {
        let state = given(&self.state).map(|text| {
            let names = || State::ALL.map(State::name).join(", ");
            let found = State::ALL.into_iter().find(|it| it.name() == text);
            found.ok_or_else(|| Code::BadQuery.with(format!("state is {text:?}; give one of {}", names())))
        });
        let promise = given(&self.promise).map(|text| {
            let names =
                || report.promises.iter().map(|it| it.promise.as_str()).collect::<Vec<_>>().join(", ");
            let is_known = report.promises.iter().any(|it| it.promise == text);
            is_known.then_some(text).ok_or_else(|| {
                Code::BadQuery.with(format!("promise is {text:?}; the policy has {}", names()))
            })
        });
        Ok(Only { state: state.transpose()?, promise: promise.transpose()? })
    }

    fn read(&self, policy: &Policy) -> Result<Settings, Problem> {
        let hosts_per_day = match given(&self.plan_pace) {
            None => policy.maintenance.hosts_per_day,
            Some(text) => text.parse().map_err(|_| {
                Code::BadQuery
                    .with(format!("plan_pace is {text:?}; give a number of hosts per day, such as 5"))
            })?,
        };
        let soon_days = match given(&self.soon) {
            None => SOON_DAYS,
            Some(text) => text.parse().map_err(|_| {
                Code::BadQuery.with(format!("soon is {text:?}; give a number of days from 0 to 65535"))
            })?,
        };
        Ok(Settings { soon_days, hosts_per_day })
    }
}

/// The clocks that a query asks for, by the feeds, the fleet and the policy of now.
pub(crate) async fn answer(app: &Shared, query: &ClocksQuery) -> Result<Arc<Answer>, Problem> {
    let policy = current_policy(app);
    let settings = query.read(&policy)?;
    let index = app.index().ok_or_else(no_fleet)?;
    let fleet = &index.fleet;
    if fleet.hosts.is_empty() && fleet.vms.is_empty() && fleet.management_planes.is_empty() {
        return Err(nothing_to_judge(fleet));
    }
    let tenant = match given(&query.tenant) {
        None => None,
        Some(name) => {
            let found = clocks::tenant_named(fleet, name).map_err(|error| Code::BadQuery.with(error))?;
            Some((found, Arc::clone(&index), policy.clone()))
        }
    };
    let base = app.facts().await?;
    let basis =
        Basis { facts: Same(Arc::clone(&base)), index: Same(Arc::clone(&index)), policy: policy.clone() };
    let work = move || {
        let report = clocks::read(&index.fleet, &base, &index.assessment, &policy, settings)
            .map_err(|error| refused(&error))?;
        let turns = clocks::turns(&report, &policy.maintenance);
        Ok(Answer { told: clocks::Answer::of(&index.fleet, &policy, report), turns })
    };
    let question = (settings.soon_days, settings.hosts_per_day.to_bits());
    let all = app.clocks.get(basis, question, work).await?;
    let Some((tenant, index, policy)) = tenant else { return Ok(all) };
    let own = move || {
        let told = all.told.of_tenant(&index.fleet, &policy, &tenant);
        Arc::new(Answer { told, turns: all.turns.clone() })
    };
    Ok(tokio::task::spawn_blocking(own).await?)
}
