//! A client for CSAF providers: their documents into a folder, verified, and only what changed.
//!
//! ROLIE feeds and directory distributions of `provider-metadata.json` are merged; each document is fetched once, checked
//! against its SHA-512 or SHA-256 file, parsed, and only then renamed into its place. A bad document is quarantined with its
//! reason, and an earlier good version of it stays. Signatures are kept beside the documents and *not checked*: that takes
//! the provider's OpenPGP key.

mod document;
mod fetch;
mod listing;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use underpin_feeds::{Defect, Parsed};

use crate::data::DataError;
use crate::progress::Progress;
use crate::quarantine::{Quarantine, Quarantined};
use document::{Job, Outcome};
use fetch::Fetcher;
use listing::{Listed, Metadata, Refused};
use state::State;

/// Sub-folder of a pulled feed that holds what is known of the provider; hidden, so that it is not read as a feed.
pub const STATE_FOLDER: &str = ".underpin-pull";
/// File in it with what was fetched. Its modification time is that of the last complete pull.
pub const STATE_FILE: &str = "state.jsonl";
/// Where a provider's metadata is below its host, and what is cut off to find its root.
const WELL_KNOWN: &str = ".well-known/csaf/provider-metadata.json";

/// Parses one document.
pub type Parser = Arc<dyn Fn(&[u8]) -> Result<Parsed, Defect> + Send + Sync>;

/// How to pull.
#[derive(Clone)]
pub struct PullOptions {
    /// Also accept addresses without TLS. The loopback interface is accepted anyway when the provider is named there.
    pub allow_http: bool,
    /// Certificates (PEM) of authorities to trust beside those of the system, for providers within an organisation.
    pub authorities_pem: Option<Vec<u8>>,
    /// Documents in flight at a time.
    pub concurrency: usize,
    /// Largest document, in bytes.
    pub max_document_bytes: u64,
    /// Largest list (metadata, ROLIE feed, index), in bytes.
    pub max_list_bytes: u64,
    /// Longest a request may take as a whole.
    pub request_timeout: Duration,
    /// Longest that connecting may take.
    pub connect_timeout: Duration,
    /// Attempts at one request, the first included.
    pub attempts: u32,
    /// Pause before the second attempt; each further one is four times as long.
    pub backoff: Duration,
    /// Redirects followed for one request.
    pub max_redirects: usize,
    /// TLP labels whose documents may be fetched and kept.
    pub tlp: BTreeSet<String>,
    /// The present moment, for quarantine records.
    pub now: Timestamp,
    /// Where the bytes of bad documents are kept.
    pub quarantine: Option<Arc<Quarantine>>,
    /// What recognises and parses a document.
    pub parse: Parser,
}

impl PullOptions {
    /// Four documents at a time, a minute a request, three attempts, TLP:WHITE and TLP:CLEAR only.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            allow_http: false,
            authorities_pem: None,
            concurrency: 4,
            max_document_bytes: 512 << 20,
            max_list_bytes: 64 << 20,
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            attempts: 3,
            backoff: Duration::from_millis(500),
            max_redirects: 5,
            tlp: ["WHITE", "CLEAR"].map(str::to_owned).into(),
            now,
            quarantine: None,
            parse: Arc::new(underpin_feeds::parse),
        }
    }
}

/// Whether a document has the hash that its provider states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashCheck {
    /// Its SHA-512 is the stated one.
    Sha512,
    /// Its SHA-256 is the stated one.
    Sha256,
    /// The provider offers none.
    NotOffered,
}

/// What is known of a document's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureCheck {
    /// Kept beside the document as `.asc`.
    #[serde(rename = "not checked (no key)")]
    NotChecked,
    /// There is none, or it could not be fetched.
    #[serde(rename = "none")]
    None,
}

/// A list that could not be read, or an entry of one that could not be followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its address.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Pulled {
    /// Who publishes, as the metadata states it.
    pub publisher: Option<String>,
    /// Documents that are new or changed.
    pub fetched: usize,
    /// Documents that are here already in the listed version.
    pub unchanged: usize,
    /// Documents that are listed and not used, with the reason: not there, not whole, not the stated hash, not parseable.
    pub quarantined: Vec<Quarantined>,
    /// Lists that could not be read: what they alone list is missing.
    pub failed: Vec<Failed>,
    /// ROLIE feeds passed over for their TLP label.
    pub restricted: Vec<String>,
    /// Used documents by how their hash was checked.
    pub hashes: BTreeMap<&'static str, usize>,
    /// Used documents by what is known of their signature.
    pub signatures: BTreeMap<&'static str, usize>,
    /// Bad documents whose bytes could not be kept.
    pub not_kept: Vec<String>,
}

/// Why nothing could be pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Not an address of a provider.
    #[error("{0}: {1}; give a domain, or the URL of a provider-metadata.json")]
    Address(String, String),
    /// The HTTP client could not be made (no certificates, for instance).
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
    /// The provider's metadata could not be read.
    #[error("{url}: {reason}")]
    Metadata {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The folder could not be used.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Brings the documents of a provider into `dir`. `address` is a domain or the URL of a `provider-metadata.json`.
///
/// Dropping the future interrupts the pull; the next one goes on from there.
///
/// # Errors
/// [`PullError`] when the metadata cannot be read or the folder not be used. Everything else is in the result.
pub async fn pull(
    address: &str,
    dir: &Path,
    options: &PullOptions,
    progress: Arc<dyn Progress>,
) -> Result<Pulled, PullError> {
    let start = metadata_url(address)?;
    let fetcher = Fetcher::new(&start, options, Arc::clone(&progress)).map_err(PullError::Client)?;
    let mut state = State::open(dir)?;
    let mut pulled = Pulled::default();
    let listed = lists(&start, &fetcher, &state, options, &mut pulled).await?;
    progress.on_start(None, Some(listed.len() as u64));
    let done =
        documents(&start, dir, listed, Arc::new(fetcher), &mut state, options, &mut pulled, &progress).await;
    progress.on_finish();
    done?;
    pulled.quarantined.sort_by(|a, b| a.file.cmp(&b.file));
    // Only a pull that saw every list tells how old the feed is.
    if pulled.failed.is_empty() {
        state.complete()?;
    }
    Ok(pulled)
}

fn metadata_url(address: &str) -> Result<Url, PullError> {
    let wrong = |reason: &dyn std::fmt::Display| PullError::Address(address.to_owned(), reason.to_string());
    let full = if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
    let url = Url::parse(&full).map_err(|error| wrong(&error))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong(&"it names no host"));
    }
    if url.path() == "/" { url.join(WELL_KNOWN).map_err(|error| wrong(&error)) } else { Ok(url) }
}

/// A list, from the provider or, if it says that nothing changed, from the last pull.
async fn list(url: &Url, fetcher: &Fetcher, state: &State, limit: u64) -> Result<Vec<u8>, fetch::NoBody> {
    let known = state.cached(url.as_str());
    match fetcher.get(url, known.as_ref().map(|(validators, _)| validators), limit, || Ok(Vec::new())).await?
    {
        Some(body) => {
            let kept = state.cache(url.as_str(), &body.validators, &body.sink);
            kept.map_err(|error| fetch::NoBody::Failed(error.to_string()))?;
            Ok(body.sink)
        }
        None => Ok(known.map(|(_, body)| body).unwrap_or_default()),
    }
}

/// Reads every list of the provider and merges them: a document that two lists name is one document.
async fn lists(
    start: &Url,
    fetcher: &Fetcher,
    state: &State,
    options: &PullOptions,
    pulled: &mut Pulled,
) -> Result<Vec<Listed>, PullError> {
    let wrong = |reason: String| PullError::Metadata { url: start.to_string(), reason };
    let bytes = list(start, fetcher, state, options.max_list_bytes)
        .await
        .map_err(|no_body| wrong(no_body.into_reason()))?;
    let metadata: Metadata =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("no provider metadata: {error}")))?;
    pulled.publisher = metadata.publisher.map(|publisher| publisher.name);
    let root = start.as_str().strip_suffix(WELL_KNOWN).and_then(|root| Url::parse(root).ok());
    let mut merged = Merged::default();
    for feed in
        metadata.distributions.iter().filter_map(|each| each.rolie.as_ref()).flat_map(|rolie| &rolie.feeds)
    {
        if !options.tlp.contains(&feed.tlp_label) {
            pulled.restricted.push(feed.url.clone());
            continue;
        }
        let found = match start.join(&feed.url) {
            Err(error) => Err(error.to_string()),
            Ok(url) => match list(&url, fetcher, state, options.max_list_bytes).await {
                Err(no_body) => Err(no_body.into_reason()),
                Ok(bytes) => listing::rolie(&bytes, &url),
            },
        };
        match found {
            Ok(lines) => merged.add(lines, pulled),
            Err(reason) => pulled.failed.push(Failed { url: feed.url.clone(), reason }),
        }
    }
    for text in metadata.distributions.iter().filter_map(|each| each.directory_url.as_ref()) {
        match start.join(&format!("{}/", text.trim_end_matches('/'))) {
            Err(error) => pulled.failed.push(Failed { url: text.clone(), reason: error.to_string() }),
            Ok(url) => directory(&url, root.as_ref(), fetcher, state, options, &mut merged, pulled).await,
        }
    }
    if metadata.distributions.is_empty() {
        return Err(wrong("it lists no distributions".to_owned()));
    }
    Ok(merged.listed)
}

/// `changes.csv` has the dates and `index.txt` is complete; either alone will do.
async fn directory(
    url: &Url,
    root: Option<&Url>,
    fetcher: &Fetcher,
    state: &State,
    options: &PullOptions,
    merged: &mut Merged,
    pulled: &mut Pulled,
) {
    let mut missing = Vec::new();
    for name in ["changes.csv", "index.txt"] {
        let Ok(at) = url.join(name) else { continue };
        match list(&at, fetcher, state, options.max_list_bytes).await {
            Ok(bytes) => merged.add(listing::directory(&bytes, url, root), pulled),
            Err(fetch::NoBody::Missing(reason)) => missing.push(Failed { url: at.to_string(), reason }),
            Err(fetch::NoBody::Failed(reason)) => pulled.failed.push(Failed { url: at.to_string(), reason }),
        }
    }
    if missing.len() == 2 {
        pulled.failed.append(&mut missing);
    }
}

/// Documents of all lists, each once.
#[derive(Default)]
struct Merged {
    listed: Vec<Listed>,
    at: BTreeMap<Url, usize>,
    refused: BTreeSet<String>,
}

impl Merged {
    fn add(&mut self, (listed, refused): (Vec<Listed>, Vec<Refused>), pulled: &mut Pulled) {
        for Refused { entry, reason } in refused {
            // `changes.csv` and `index.txt` repeat each other's mistakes.
            if self.refused.insert(entry.clone()) {
                pulled.quarantined.push(document::transfer(entry, reason));
            }
        }
        for one in listed {
            let known = one.candidates.iter().find_map(|url| self.at.get(url).copied());
            match known.and_then(|at| self.listed.get_mut(at)) {
                Some(other) => other.updated = other.updated.max(one.updated),
                None => {
                    self.at.extend(one.candidates.iter().cloned().map(|url| (url, self.listed.len())));
                    self.listed.push(one);
                }
            }
        }
    }
}

/// Fetches what is new or changed, a few at a time.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one pull, apart only so that the state can be borrowed"
)]
async fn documents(
    start: &Url,
    dir: &Path,
    listed: Vec<Listed>,
    fetcher: Arc<Fetcher>,
    state: &mut State,
    options: &PullOptions,
    pulled: &mut Pulled,
    progress: &Arc<dyn Progress>,
) -> Result<(), PullError> {
    // One document is parsed at a time: memory is bounded by one document, however many are in flight.
    let parsing = Arc::new(Semaphore::new(1));
    let mut flying: JoinSet<Outcome> = JoinSet::new();
    for one in listed {
        let known = one.candidates.iter().find_map(|url| state.documents.get(url.as_str())).cloned();
        let job = Job {
            listed: one,
            known,
            start: start.clone(),
            dir: dir.to_owned(),
            partial: state.partial(),
            options: options.clone(),
        };
        if let Some(outcome) = job.without_asking() {
            settle(outcome, state, pulled, progress.as_ref())?;
            continue;
        }
        if flying.len() >= options.concurrency.max(1) {
            land(&mut flying, state, pulled, progress.as_ref()).await?;
        }
        let (fetcher, parsing) = (Arc::clone(&fetcher), Arc::clone(&parsing));
        flying.spawn(async move { job.run(&fetcher, &parsing).await });
    }
    while !flying.is_empty() {
        land(&mut flying, state, pulled, progress.as_ref()).await?;
    }
    Ok(())
}

async fn land(
    flying: &mut JoinSet<Outcome>,
    state: &mut State,
    pulled: &mut Pulled,
    progress: &dyn Progress,
) -> Result<(), PullError> {
    match flying.join_next().await {
        Some(Ok(outcome)) => settle(outcome, state, pulled, progress),
        // Only a fault of this program ends a task early; its document is fetched by the next pull.
        Some(Err(error)) => {
            pulled.failed.push(Failed { url: String::new(), reason: error.to_string() });
            Ok(())
        }
        None => Ok(()),
    }
}

fn settle(
    outcome: Outcome,
    state: &mut State,
    pulled: &mut Pulled,
    progress: &dyn Progress,
) -> Result<(), PullError> {
    progress.on_item(&outcome.url);
    pulled.not_kept.extend(outcome.not_kept);
    let used = match outcome.bad {
        Some(bad) => {
            pulled.quarantined.push(bad);
            false
        }
        None if outcome.changed => {
            pulled.fetched += 1;
            true
        }
        None => {
            pulled.unchanged += 1;
            true
        }
    };
    if let Some(record) = outcome.record {
        if used {
            *pulled.hashes.entry(record.hash.name()).or_default() += 1;
            *pulled.signatures.entry(record.signature.name()).or_default() += 1;
        }
        if state.documents.get(&record.url) != Some(&record) {
            state.note(record)?;
        }
    }
    Ok(())
}

impl HashCheck {
    /// As it appears in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha512 => "sha512",
            Self::Sha256 => "sha256",
            Self::NotOffered => "not-offered",
        }
    }
}

impl SignatureCheck {
    /// As it appears in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotChecked => "not checked (no key)",
            Self::None => "none",
        }
    }
}
