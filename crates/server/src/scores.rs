//! Dated EPSS scores for backtests: one file a day. They are no feed: what was scored on a day long past says nothing
//! about the risk of today.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use underpin_exposure::FactBase;
use underpin_model::facts::{Document, Format, VulnerabilityFacts};
use underpin_store::{NewScores, ScoresRow};
use utoipa::ToSchema;

use crate::analyst::{self, FeedReading};
use crate::answers::{Answers, Same};
use crate::problem::{Code, Problem};
use crate::state::App;
use crate::upload::Upload;

/// Days that are kept at most: a backtest reads each, which takes a part of a second.
pub(crate) const MOST_DAYS: usize = 400;

/// The scores of what these facts are about, from files with these hashes.
pub(crate) type KnownScores = Answers<(Same<FactBase>, Vec<String>), (), Vec<Document>>;

/// Scores of a day that were taken in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ImportedScores {
    /// The day that the file says it is of.
    #[schema(value_type = String, format = Date)]
    pub(crate) day: Date,
    /// Vulnerabilities that have a score in it.
    pub(crate) scores: u64,
    /// These bytes were not known for this day before.
    pub(crate) new: bool,
}

/// Scores of a day that are kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DatedScores {
    /// The day that the file says it is of.
    #[schema(value_type = String, format = Date)]
    pub(crate) day: Date,
    /// Vulnerabilities that have a score in it.
    pub(crate) scores: u64,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
}

impl From<ScoresRow> for DatedScores {
    fn from(row: ScoresRow) -> Self {
        Self { day: row.day, scores: row.scores, since: row.created_at }
    }
}

const EXPECTED: &str = "EPSS scores (cve,epss,percentile) below a first line with their day, such as \
    #model_version:v2025.03.14,score_date:2025-08-25T00:00:00+0000";

/// The one day of a document of scores.
fn day_of(document: &Document) -> Result<Date, String> {
    if document.format != Format::Epss {
        return Err(format!("found {}, expected {EXPECTED}", document.format));
    }
    // What is brought to be replayed counts whole or not at all: who brings it can mend it.
    if let Some(first) = document.left_out.first() {
        return Err(first.clone());
    }
    let mut days = document.vulnerabilities.iter().map(|it| it.epss.as_ref().and_then(|epss| epss.scored));
    days.next().flatten().ok_or_else(|| format!("found no day or no score, expected {EXPECTED}"))
}

/// The scores in what was read, and everything else as a mistake.
fn sort_out(reading: FeedReading) -> (Vec<NewScores>, Vec<analyst::Problem>) {
    let mut mistakes: Vec<analyst::Problem> = Vec::new();
    let mut mistake = |path: &str, reason: String| {
        mistakes.push(analyst::Problem { pointer: String::new(), detail: format!("{path}: {reason}") });
    };
    for (path, reason) in &reading.ignored {
        mistake(path, format!("{reason}; expected {EXPECTED}"));
    }
    for refused in &reading.quarantined {
        mistake(&refused.path, refused.defect.to_string());
    }
    let mut scores = Vec::new();
    for one in reading.documents {
        match day_of(&one.document) {
            Err(reason) => mistake(&one.path, reason),
            Ok(day) => scores.push(NewScores {
                day,
                scores: one.document.vulnerabilities.len() as u64,
                content: one.bytes,
            }),
        }
    }
    (scores, mistakes)
}

/// What of the scores a replay over these facts can ask for. A file has every vulnerability there is, and the facts few
/// of them; its first score stays in any case, because it says that there were scores on that day.
fn needed(document: &Document, base: &FactBase) -> Document {
    let fixed: rustc_hash::FxHashSet<_> = base.releases().iter().flat_map(|it| &it.fixes).collect();
    let known = |it: &VulnerabilityFacts| {
        base.vulnerability(&it.id).is_some()
            || fixed.contains(&it.id)
            || base.advisories_of(&it.id).next().is_some()
    };
    let mut kept = Document::new(document.id.clone(), document.format);
    let mut first = true;
    let wanted = document.vulnerabilities.iter().filter(|it| std::mem::take(&mut first) || known(it));
    kept.vulnerabilities = wanted.cloned().collect();
    kept
}

impl App {
    /// Reads and keeps dated scores. Nothing is changed unless all of it can be used.
    pub(crate) async fn import_scores(&self, files: Vec<Upload>) -> Result<Vec<ImportedScores>, Problem> {
        let _turn = self.changing.lock().await;
        let analyst = Arc::clone(&self.analyst);
        let read = move || {
            let (mut scores, mut mistakes) = (Vec::new(), Vec::new());
            for file in files {
                let (good, bad) = sort_out(analyst.read_feed(&file.feed_name(), &file.bytes));
                scores.extend(good);
                mistakes.extend(bad);
            }
            (scores, mistakes)
        };
        let (scores, mistakes) = tokio::task::spawn_blocking(read).await?;
        if !mistakes.is_empty() || scores.is_empty() {
            let count = mistakes.len();
            let detail = format!("{count} mistakes; nothing was changed. Expected {EXPECTED}.");
            return Err(Code::BadScores.with(detail).with_errors(mistakes));
        }
        let mut days: Vec<Date> = self.store.scores().await?.iter().map(|it| it.day).collect();
        days.extend(scores.iter().map(|it| it.day));
        days.sort_unstable();
        days.dedup();
        if days.len() > MOST_DAYS {
            let detail = format!(
                "That makes {} days of scores, and at most {MOST_DAYS} are kept; nothing was changed. Upload fewer, or \
                 take some away with DELETE /api/v1/epss/<day>.",
                days.len()
            );
            return Err(Code::TooLarge.with(detail));
        }
        let heads: Vec<(Date, u64)> = scores.iter().map(|it| (it.day, it.scores)).collect();
        let new = self.store.put_scores(scores, (self.config.clock)()).await?;
        let imported = heads.into_iter().zip(new);
        Ok(imported.map(|((day, scores), new)| ImportedScores { day, scores, new }).collect())
    }

    /// Takes the scores of a day away.
    pub(crate) async fn remove_scores(&self, day: &str) -> Result<(), Problem> {
        let _turn = self.changing.lock().await;
        let gone = match day.parse() {
            Ok(day) => self.store.remove_scores(day).await?,
            Err(_) => false,
        };
        if gone {
            return Ok(());
        }
        let shown: String = day.chars().take(40).collect();
        let detail = format!(
            "No scores of a day {shown:?} are kept; GET /api/v1/epss and the page /backtest list the days."
        );
        Err(Code::NotFound.with(detail))
    }

    /// The scores of each kept day, of the vulnerabilities that these facts are about; and what tells this state of the
    /// store from others.
    pub(crate) async fn dated_scores(
        &self,
        base: &Arc<FactBase>,
    ) -> Result<(Arc<Vec<Document>>, Vec<String>), Problem> {
        let rows = self.store.scores().await?;
        let hashes: Vec<String> = rows.into_iter().map(|it| it.sha256).collect();
        let (store, analyst, base) = (self.store.clone(), Arc::clone(&self.analyst), Arc::clone(base));
        let (state, of) = ((Same(Arc::clone(&base)), hashes.clone()), hashes.clone());
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            let mut documents = Vec::new();
            // One file after the other: all at once would not fit.
            for sha256 in &of {
                let Some(bytes) = runtime.block_on(store.content(sha256))? else { continue };
                let reading = analyst.read_feed(sha256, &bytes);
                documents.extend(reading.documents.iter().map(|it| needed(&it.document, &base)));
            }
            Ok(documents)
        };
        Ok((self.known_scores.get(state, (), work).await?, hashes))
    }
}
