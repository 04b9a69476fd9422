//! What the handlers share, and the changes that uploads make.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Mutex;
use underpin_engine::facts::BUILTIN_PREFIX;
use underpin_exposure::report::Assessment;
use underpin_model::fleet::Fleet;
use underpin_model::id::FeedId;
use underpin_model::policy::Policy;
use underpin_risk::wait::Evidence;
use underpin_store::{NewAssessment, NewDocument, NewQuarantined, Store};
use utoipa::ToSchema;

use crate::analyst::{self, Analyst, FeedFacts, FeedReading};
use crate::backtest::KnownBacktests;
use crate::cadence::KnownHistory;
use crate::clocks::KnownClocks;
use crate::facts::KnownFacts;
use crate::in_force::Place;
use crate::index::{Index, Parts, advisories};
use crate::problem::{Code, Problem};
use crate::risk::Known;
use crate::scores::KnownScores;
use crate::{Config, Error};

/// Errors of a stored fleet that are written to the log.
const MOST_SAID: usize = 5;

pub(crate) type Shared = Arc<App>;

/// The state of the server.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) port: u16,
    pub(crate) store: Store,
    pub(crate) analyst: Arc<dyn Analyst>,
    index: RwLock<Option<Arc<Index>>>,
    /// An older fleet version that was asked for last.
    older: RwLock<Option<Arc<Index>>>,
    feeds: RwLock<Arc<Vec<FeedFacts>>>,
    /// The policy in force.
    pub(crate) policy: Place<Policy>,
    /// The evidence in force.
    pub(crate) evidence: Place<Evidence>,
    /// What is known of the risk of the current fleet under them.
    pub(crate) risk: std::sync::Mutex<Option<Known>>,
    /// How often patch or wait was decided for a whole fleet.
    pub(crate) decisions_made: Arc<AtomicU64>,
    /// Risks are worked out one after the other.
    pub(crate) risking: Mutex<()>,
    /// The dated patches of these feeds, made when they are first asked for.
    pub(crate) history: KnownHistory,
    pub(crate) known_facts: KnownFacts,
    pub(crate) backtests: KnownBacktests,
    pub(crate) clocks: KnownClocks,
    pub(crate) known_scores: KnownScores,
    /// Changes happen one after the other: each starts from what the one before left.
    pub(crate) changing: Mutex<()>,
}

/// A fleet that was imported.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ImportedFleet {
    /// Its version's id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// These bytes were not known before.
    pub(crate) new: bool,
    /// What is odd in it, but no error.
    pub(crate) warnings: Vec<analyst::Problem>,
}

/// A document that was not used, and why.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Unused {
    /// Its path within the upload.
    pub(crate) path: String,
    /// Where it is wrong; empty: as a whole.
    pub(crate) at: String,
    /// Why.
    pub(crate) reason: String,
}

/// A feed that was imported.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ImportedFeed {
    /// Its name.
    pub(crate) id: String,
    /// Documents accepted.
    pub(crate) accepted: usize,
    /// Well-formed documents that state no facts.
    pub(crate) ignored: Vec<Unused>,
    /// Documents put in quarantine.
    pub(crate) quarantined: Vec<Unused>,
}

fn position(at: &underpin_feeds::Position) -> String {
    match at {
        underpin_feeds::Position::Pointer(pointer) => pointer.clone(),
        underpin_feeds::Position::Line { line } => format!("line {line}"),
    }
}

impl App {
    pub(crate) fn new(config: Config, port: u16, store: Store, analyst: Arc<dyn Analyst>) -> Self {
        Self {
            config,
            port,
            store,
            analyst,
            index: RwLock::default(),
            older: RwLock::default(),
            feeds: RwLock::default(),
            policy: Place::default(),
            evidence: Place::default(),
            risk: std::sync::Mutex::default(),
            decisions_made: Arc::default(),
            risking: Mutex::default(),
            history: KnownHistory::default(),
            known_facts: KnownFacts::default(),
            backtests: KnownBacktests::default(),
            clocks: KnownClocks::default(),
            known_scores: KnownScores::default(),
            changing: Mutex::default(),
        }
    }

    /// The current index; `None`: no fleet yet.
    pub(crate) fn index(&self) -> Option<Arc<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn feeds(&self) -> Arc<Vec<FeedFacts>> {
        Arc::clone(&self.feeds.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, index: Index) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
    }

    /// The index of a fleet version, from the store if it is not the current one.
    pub(crate) async fn index_of(&self, fleet_id: &str) -> Result<Arc<Index>, Problem> {
        let older = self.older.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(index) = self.index().into_iter().chain(older).find(|i| i.fleet_id == fleet_id) {
            return Ok(index);
        }
        let missing = || Code::NotFound.with(format!("There is no fleet version {fleet_id:?}."));
        let row = self.store.fleet(fleet_id).await?.ok_or_else(missing)?;
        let assessment = self.store.latest_assessment(fleet_id).await?.ok_or_else(missing)?;
        let fleet = self.store.content(&row.sha256).await?.ok_or_else(missing)?;
        let document = self.store.content(&assessment.sha256).await?.ok_or_else(missing)?;
        let (analyst, feeds, id) = (Arc::clone(&self.analyst), self.feeds(), row.id);
        let index = tokio::task::spawn_blocking(move || {
            let reading = analyst.read_fleet(&fleet).map_err(|errors| {
                Code::BadFleet.with("This version cannot read that fleet any more.").with_errors(errors)
            })?;
            let stored: Assessment = serde_json::from_slice(&document).map_err(|error| {
                tracing::error!(%error, "a stored assessment cannot be read");
                Code::Internal.with("The stored assessment cannot be read by this version.")
            })?;
            Ok::<_, Problem>(Arc::new(Index::build(Parts {
                fleet_id: id,
                assessment_id: assessment.id,
                fleet: Arc::new(reading.fleet),
                assessment: stored,
                advisories: Arc::new(advisories(&feeds)),
            })))
        })
        .await??;
        *self.older.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Reads everything from the store, as after a start.
    pub(crate) async fn load(self: &Arc<Self>) -> Result<(), Error> {
        let _turn = self.changing.lock().await;
        self.start_in_force::<Policy>(self.config.policy.as_deref()).await?;
        self.start_in_force::<Evidence>(self.config.evidence.as_deref()).await?;
        Ok(self.load_facts().await?)
    }

    /// The feeds and the newest fleet.
    async fn load_facts(self: &Arc<Self>) -> Result<(), Problem> {
        let mut feeds = self.analyst.builtin();
        for row in self.store.feeds().await? {
            let mut facts =
                FeedFacts { name: row.id.clone(), fetched: row.fetched_at, documents: Vec::new() };
            for document in self.store.documents(&row.id).await? {
                let Some(bytes) = self.store.content(&document.sha256).await? else { continue };
                let analyst = Arc::clone(&self.analyst);
                let path = document.path.clone();
                let reading = tokio::task::spawn_blocking(move || analyst.read_feed(&path, &bytes)).await?;
                for refused in &reading.quarantined {
                    tracing::warn!(
                        feed = row.id,
                        path = document.path,
                        reason = refused.defect.reason,
                        "a stored document is no longer accepted"
                    );
                }
                facts
                    .documents
                    .extend(reading.documents.into_iter().map(|d| (document.path.clone(), d.document)));
            }
            feeds.push(facts);
        }
        *self.feeds.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(feeds);
        let Some(row) = self.store.fleets().await?.into_iter().next() else { return Ok(()) };
        let bytes = self.store.content(&row.sha256).await?.unwrap_or_default();
        let analyst = Arc::clone(&self.analyst);
        let reading = tokio::task::spawn_blocking(move || analyst.read_fleet(&bytes)).await?;
        match reading {
            Ok(reading) => self.assess(row.id, Arc::new(reading.fleet)).await,
            // Nothing is shown of it, until a fleet is uploaded that can be read.
            Err(errors) => {
                for error in errors.iter().take(MOST_SAID) {
                    let (place, detail) = (&error.pointer, &error.detail);
                    tracing::error!(
                        fleet = row.id,
                        place,
                        detail,
                        "the stored fleet is not read; upload it again"
                    );
                }
                Ok(())
            }
        }
    }

    fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    async fn judge(&self, fleet: &Arc<Fleet>) -> Result<Assessment, Problem> {
        let (analyst, fleet, feeds, now) =
            (Arc::clone(&self.analyst), Arc::clone(fleet), self.feeds(), self.now());
        let judged = tokio::task::spawn_blocking(move || analyst.assess(&fleet, &feeds, now)).await?;
        judged.map_err(|reason| Code::Internal.with(format!("The fleet cannot be assessed: {reason}")))
    }

    async fn keep(&self, fleet_id: String, fleet: Arc<Fleet>, assessment: Assessment) -> Result<(), Problem> {
        let internal = |error: serde_json::Error| Code::Internal.with(error.to_string());
        let summary = serde_json::to_string(&assessment.summary).map_err(internal)?;
        let (assessment, document) = tokio::task::spawn_blocking(move || {
            let document = serde_json::to_vec(&assessment);
            (assessment, document)
        })
        .await?;
        let new = NewAssessment {
            fleet_id: fleet_id.clone(),
            as_of: assessment.as_of,
            summary,
            document: document.map_err(internal)?,
        };
        let assessment_id = self.store.add_assessment(new).await?.id;
        let feeds = self.feeds();
        let build = move || {
            let advisories = Arc::new(advisories(&feeds));
            Index::build(Parts { fleet_id, assessment_id, fleet, assessment, advisories })
        };
        self.show(tokio::task::spawn_blocking(build).await?);
        Ok(())
    }

    async fn assess(&self, fleet_id: String, fleet: Arc<Fleet>) -> Result<(), Problem> {
        let assessment = self.judge(&fleet).await?;
        self.keep(fleet_id, fleet, assessment).await
    }

    /// Assesses the current fleet anew, as of now.
    pub(crate) async fn reassess(&self) -> Result<(), Problem> {
        let _turn = self.changing.lock().await;
        let index = self.index().ok_or_else(no_fleet)?;
        self.assess(index.fleet_id.clone(), Arc::clone(&index.fleet)).await
    }

    /// Reads, assesses and keeps a fleet. Nothing is written unless all of it works.
    pub(crate) async fn import_fleet(&self, bytes: Vec<u8>) -> Result<ImportedFleet, Problem> {
        let _turn = self.changing.lock().await;
        let analyst = Arc::clone(&self.analyst);
        let read = move || (analyst.read_fleet(&bytes), bytes);
        let (reading, bytes) = tokio::task::spawn_blocking(read).await?;
        let reading = reading.map_err(|errors| {
            let detail =
                format!("{} errors; nothing was changed. Correct them and upload again.", errors.len());
            Code::BadFleet.with(detail).with_errors(errors)
        })?;
        let name = reading.fleet.name.clone();
        let fleet = Arc::new(reading.fleet);
        let assessment = self.judge(&fleet).await?;
        let imported = self.store.add_fleet(&name, &bytes, self.now()).await?;
        self.keep(imported.id.clone(), fleet, assessment).await?;
        Ok(ImportedFleet { id: imported.id, name, new: imported.new, warnings: reading.warnings })
    }

    /// Reads a feed, keeps what is good, puts what is bad in quarantine, and assesses anew.
    pub(crate) async fn import_feed(&self, name: String, bytes: Vec<u8>) -> Result<ImportedFeed, Problem> {
        let _turn = self.changing.lock().await;
        if let Err(error) = FeedId::new(name.as_str()) {
            return Err(Code::BadQuery.with(format!("The feed's name is not usable: {error}")));
        }
        let taken = || self.analyst.builtin().iter().any(|feed| feed.name == name);
        if name.starts_with(BUILTIN_PREFIX) || taken() {
            return Err(Code::BadQuery.with(format!("{name} is not an uploaded feed; choose another name.")));
        }
        let (analyst, file) = (Arc::clone(&self.analyst), name.clone());
        let mut reading = tokio::task::spawn_blocking(move || analyst.read_feed(&file, &bytes)).await?;
        let outdated = self.leave_out_older(&name, &mut reading);
        let report = report(&name, &reading);
        let now = self.now();
        let facts: Vec<_> =
            reading.documents.iter().map(|d| (d.path.clone(), Arc::clone(&d.document))).collect();
        if !(reading.documents.is_empty() && reading.quarantined.is_empty()) {
            let (documents, quarantined) = rows(reading);
            self.store.put_feed(&name, now, documents, quarantined).await?;
        }
        if facts.is_empty() && !outdated {
            let unused = report.quarantined.iter().chain(&report.ignored);
            let errors = unused.map(|u| analyst::Problem {
                pointer: u.at.clone(),
                detail: format!("{}: {}", u.path, u.reason),
            });
            let detail = format!(
                "{name} has no document that could be accepted; {} are kept in quarantine for a later version.",
                report.quarantined.len()
            );
            return Err(Code::NothingReadable.with(detail).with_errors(errors.collect()));
        }
        self.learn(&name, now, facts);
        if let Some(index) = self.index() {
            self.assess(index.fleet_id.clone(), Arc::clone(&index.fleet)).await?;
        }
        Ok(report)
    }

    /// A version of a document that is older than the one that is known changes nothing; whether there was any.
    fn leave_out_older(&self, name: &str, reading: &mut FeedReading) -> bool {
        let feeds = self.feeds();
        let Some(known) = feeds.iter().find(|feed| feed.name == name) else { return false };
        let (newer, older): (Vec<_>, Vec<_>) =
            std::mem::take(&mut reading.documents).into_iter().partition(|new| {
                let same = known.documents.iter().find(|(path, _)| *path == new.path);
                same.is_none_or(|(_, old)| old.updated <= new.document.updated)
            });
        let any = !older.is_empty();
        reading.documents = newer;
        let left_out = |one: analyst::ReadDocument| (one.path, "a newer version of it is known".to_owned());
        reading.ignored.extend(older.into_iter().map(left_out));
        any
    }

    /// Adds documents to what is known of a feed, as the store does.
    fn learn(
        &self,
        name: &str,
        fetched: Timestamp,
        documents: Vec<(String, Arc<underpin_model::facts::Document>)>,
    ) {
        let mut feeds = Vec::clone(&self.feeds());
        let old = feeds.iter().position(|f| f.name == name).map(|at| feeds.swap_remove(at));
        let mut kept = old.map_or_else(Vec::new, |f| f.documents);
        let replaced: rustc_hash::FxHashSet<&str> = documents.iter().map(|(path, _)| path.as_str()).collect();
        kept.retain(|(path, _)| !replaced.contains(path.as_str()));
        kept.extend(documents);
        feeds.push(FeedFacts { name: name.to_owned(), fetched, documents: kept });
        feeds.sort_by(|a, b| a.name.cmp(&b.name));
        *self.feeds.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(feeds);
    }
}

pub(crate) fn no_fleet() -> Problem {
    Code::NoFleet.with("Upload a fleet first: POST /api/v1/fleets, or the page /fleets.")
}

fn report(name: &str, reading: &FeedReading) -> ImportedFeed {
    let ignored = reading.ignored.iter();
    let quarantined = reading.quarantined.iter();
    ImportedFeed {
        id: name.to_owned(),
        accepted: reading.documents.len(),
        ignored: ignored
            .map(|(path, reason)| Unused { path: path.clone(), at: String::new(), reason: reason.clone() })
            .collect(),
        quarantined: quarantined
            .map(|r| Unused {
                path: r.path.clone(),
                at: position(&r.defect.at),
                reason: r.defect.reason.clone(),
            })
            .collect(),
    }
}

fn rows(reading: FeedReading) -> (Vec<NewDocument>, Vec<NewQuarantined>) {
    let documents = reading.documents.into_iter().map(|d| NewDocument {
        path: d.path,
        document_id: d.document.id.clone(),
        format: d.document.format.name().to_owned(),
        updated: d.document.updated,
        content: d.bytes,
    });
    let quarantined = reading.quarantined.into_iter().map(|r| NewQuarantined {
        path: r.path,
        position: position(&r.defect.at),
        reason: r.defect.reason,
        format: r.defect.format.map(|f| f.name().to_owned()),
        content: r.bytes,
    });
    (documents.collect(), quarantined.collect())
}
