//! What was foretold, what became of it, and how well that did.
//!
//! With every report one prediction is kept a day for each vulnerability that is open and not yet known to be exploited: that
//! exploitation is seen anywhere within the horizon. KEV tells the outcome: listed within the horizon, it happened; not
//! listed by a catalogue that is newer than the horizon, it did not. Until such a catalogue is there the outcome is
//! unknown, and is not taken for a no. KEV lists less than is exploited, so that this errs towards "foretold too high".

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use underpin_model::facts::Format;
use underpin_model::quantity::{Days, Probability};
use underpin_risk::calibration::{self, Calibration, Outcome, Prediction};
use underpin_risk::hazard::HazardSource;
use underpin_risk::portfolio::Cause;
use underpin_store::{OutcomeRow, PredictionRow, sha256_hex};

use crate::analyst::FeedFacts;
use crate::problem::{Code, Problem};
use crate::risk::{RiskAnswer, horizon};
use crate::state::{App, Shared};

/// Exploitation of a vulnerability is seen anywhere.
pub(crate) const EXPLOITED: &str = "exploited";
/// At least one host of the fleet is hit.
pub(crate) const ANY_HOST_HIT: &str = "any-host-hit";

/// Bins of the reliability diagram.
const BINS: usize = 10;

/// Every prediction, and its score where there is any outcome.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) predictions: Vec<PredictionRow>,
    /// Of the predictions of each kind that has outcomes.
    pub(crate) scores: Vec<(String, Calibration)>,
}

/// One day, one thing: a second report on that day foretells nothing new, whatever its policy.
fn prediction(answer: &RiskAnswer, kind: &str, subject: &str, probability: f64) -> PredictionRow {
    let made_on = answer.report.as_of.to_zoned(TimeZone::UTC).date();
    let name = format!("{made_on}\n{kind}\n{subject}");
    let hash = sha256_hex(name.as_bytes());
    PredictionRow {
        id: format!("o-{}", hash.get(..20).unwrap_or(&hash)),
        made_on,
        horizon_days: answer.report.horizon_days,
        probability,
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        outcome: None,
    }
}

fn predictions(answer: &RiskAnswer) -> Vec<PredictionRow> {
    let report = &answer.report;
    let exploits = report.causes.iter().filter_map(|cause| {
        let Cause::Exploit { vulnerability } = &cause.shock.cause else { return None };
        // What KEV has listed already is no prediction.
        let hazard = cause.facts.hazard.filter(|it| it.source != HazardSource::Kev)?;
        let probability = hazard.probability(horizon(report)).get();
        Some(prediction(answer, EXPLOITED, vulnerability.as_str(), probability))
    });
    let mut list: Vec<PredictionRow> = exploits.collect();
    if report.hosts > 0 {
        let fleet = &answer.basis.index.fleet.name;
        list.push(prediction(answer, ANY_HOST_HIT, fleet, report.fleet.any_hit.probability));
    }
    list
}

/// The last day of the span of a prediction.
pub(crate) fn due(one: &PredictionRow) -> Option<Date> {
    let days = Span::new().try_days(one.horizon_days.ceil() as i64).ok()?;
    one.made_on.checked_add(days).ok()
}

/// Whether something did not happen within the span can be known on a day.
pub(crate) fn is_over(one: &PredictionRow, on: Date) -> bool {
    due(one).is_some_and(|due| due < on)
}

/// When KEV listed each vulnerability, by its names. Feeds hold far more vulnerabilities than KEV, and a look at each of them for
/// every prediction took seconds.
fn listed(feeds: &[FeedFacts]) -> BTreeMap<&str, Date> {
    let documents = feeds.iter().flat_map(|feed| &feed.documents);
    let facts = documents.flat_map(|(_, document)| &document.vulnerabilities);
    let mut days: BTreeMap<&str, Date> = BTreeMap::new();
    for (one, kev) in facts.filter_map(|it| Some((it, it.kev.as_ref()?))) {
        for name in std::iter::once(&one.id).chain(&one.aliases) {
            let day = days.entry(name.as_str()).or_insert(kev.added);
            *day = (*day).min(kev.added);
        }
    }
    days
}

fn catalogue(feeds: &[FeedFacts]) -> Option<Date> {
    let documents = feeds.iter().flat_map(|feed| &feed.documents);
    let kev = documents.filter(|(_, document)| document.format == Format::Kev);
    kev.filter_map(|(_, document)| document.updated).max().map(|at| at.to_zoned(TimeZone::UTC).date())
}

/// The outcomes that the feeds tell by now.
fn outcomes(open: &[PredictionRow], feeds: &[FeedFacts], now: Timestamp) -> Vec<(String, OutcomeRow)> {
    let waits = || open.iter().filter(|it| it.kind == EXPLOITED && it.outcome.is_none());
    if waits().next().is_none() {
        return Vec::new();
    }
    let (catalogue, listed) = (catalogue(feeds), listed(feeds));
    let of = |one: &PredictionRow| {
        let due = due(one)?;
        let (happened, by) = match listed.get(one.subject.as_str()) {
            Some(day) if *day <= due => (true, format!("KEV lists it since {day}")),
            _ if catalogue? > due => {
                (false, format!("the KEV catalogue of {} does not list it by {due}", catalogue?))
            }
            _ => return None,
        };
        Some((one.id.clone(), OutcomeRow { happened, at: now, by }))
    };
    waits().filter_map(of).collect()
}

fn score(predictions: &[PredictionRow]) -> Result<Vec<(String, Calibration)>, Problem> {
    let mut scores = Vec::new();
    for kind in [EXPLOITED, ANY_HOST_HIT] {
        let own: Vec<&PredictionRow> = predictions.iter().filter(|it| it.kind == kind).collect();
        let foretold: Vec<Prediction> = own.iter().filter_map(|it| as_core(it)).collect();
        let known = own
            .iter()
            .filter_map(|it| Some(Outcome { id: it.id.clone(), happened: it.outcome.as_ref()?.happened }));
        let known: Vec<Outcome> = known.collect();
        let scored = calibration::score(&foretold, &known, BINS)
            .map_err(|error| Code::Internal.with(format!("The predictions cannot be scored: {error}")))?;
        scores.extend(scored.map(|it| (kind.to_owned(), it)));
    }
    Ok(scores)
}

fn as_core(row: &PredictionRow) -> Option<Prediction> {
    Some(Prediction {
        id: row.id.clone(),
        made_on: row.made_on,
        horizon: Days::new(row.horizon_days).ok()?,
        probability: Probability::new(row.probability).ok()?,
        kind: row.kind.clone(),
        subject: row.subject.clone(),
    })
}

impl App {
    /// Keeps what a report foretells.
    pub(crate) async fn foretell(&self, answer: &RiskAnswer) -> Result<(), Problem> {
        // The store is asked once for each report, not at each look at it.
        if answer.foretold.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return Ok(());
        }
        self.store.add_predictions(&predictions(answer)).await?;
        Ok(())
    }

    /// Everything foretold, with the outcomes that are known by now.
    pub(crate) async fn record(self: &Shared) -> Result<Record, Problem> {
        let predictions = self.store.predictions().await?;
        let (feeds, now) = (self.feeds(), (self.config.clock)());
        let (predictions, settled) = tokio::task::spawn_blocking(move || {
            let settled = outcomes(&predictions, &feeds, now);
            (predictions, settled)
        })
        .await?;
        let predictions = if settled.is_empty() {
            predictions
        } else {
            self.store.settle_predictions(&settled).await?;
            self.store.predictions().await?
        };
        Ok(Record { scores: score(&predictions)?, predictions })
    }

    /// States what became of a prediction. That something happened can be said at once; that it did not, once its span is over.
    pub(crate) async fn settle(self: &Arc<Self>, id: &str, happened: bool) -> Result<PredictionRow, Problem> {
        let missing = || Code::NotFound.with(format!("There is no prediction {id:?}."));
        let known = self.store.prediction(id).await?.ok_or_else(missing)?;
        let at = (self.config.clock)();
        let outcome = OutcomeRow { happened, at, by: "stated by hand".to_owned() };
        if known.outcome.is_none() {
            if !happened && !is_over(&known, at.to_zoned(TimeZone::UTC).date()) {
                let last =
                    due(&known).map_or_else(|| "a day beyond the calendar".to_owned(), |it| it.to_string());
                return Err(Code::NotOver.with(format!(
                    "The span of {id} ends with {last}: until then it may still happen. Say that it did not from the next day on; \
                     that it happened can be said at any time."
                )));
            }
            self.store.settle_predictions(&[(id.to_owned(), outcome)]).await?;
        }
        let kept = self.store.prediction(id).await?.ok_or_else(missing)?;
        match &kept.outcome {
            Some(outcome) if outcome.happened != happened => {
                let by = &outcome.by;
                Err(Code::Settled
                    .with(format!("What became of {id} is known already ({by}), and is not changed.")))
            }
            _ => Ok(kept),
        }
    }
}
