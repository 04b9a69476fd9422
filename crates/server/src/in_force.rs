//! What is in force one at a time: the policy and the evidence that were uploaded last, or the defaults.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde::Serialize;
use underpin_model::policy::{self, Policy};
use underpin_risk::wait::{Evidence, evidence};
use underpin_store::Ruling;
use utoipa::ToSchema;

use crate::problem::{Code, Problem};
use crate::state::App;
use crate::{Error, analyst};

/// Largest file in bytes: far more than hands write, and little enough to be read while others wait.
pub(crate) const MOST_BYTES: usize = 8 << 20;

/// Mistakes that are named when the server cannot start.
const MOST_MISTAKES: usize = 5;

/// A value with where it is from.
#[derive(Debug, Clone)]
pub(crate) struct InForce<T> {
    /// Its id in the store; `None`: nobody has uploaded any.
    pub(crate) stored: Option<String>,
    /// When it was first uploaded.
    pub(crate) since: Option<Timestamp>,
    /// As it was uploaded.
    pub(crate) text: Option<String>,
    /// As it was read.
    pub(crate) value: T,
}

impl<T: Default> Default for InForce<T> {
    fn default() -> Self {
        Self { stored: None, since: None, text: None, value: T::default() }
    }
}

impl<T: Ruled> InForce<T> {
    /// Its id, also of what nobody has uploaded.
    pub(crate) fn id(&self) -> &str {
        self.stored.as_deref().unwrap_or(T::UNSTATED)
    }
}

/// Where the value in force stands.
pub(crate) type Place<T> = RwLock<Arc<InForce<T>>>;

/// Values of which one is in force.
pub(crate) trait Ruled: Default + Send + Sync {
    /// Which kind it is in the store.
    const RULING: Ruling;
    /// How a file with mistakes is refused.
    const REFUSED: Code;
    /// What it is called in sentences.
    const NAME: &'static str;
    /// Its id while nobody has uploaded any.
    const UNSTATED: &'static str;

    /// Reads and checks a file: all mistakes with their places.
    fn read(text: &str) -> Result<Self, Vec<analyst::Problem>>;

    /// Where the server has it.
    fn place(app: &App) -> &Place<Self>;
}

fn mistake(place: &str, found: &str, expected: &str) -> analyst::Problem {
    analyst::Problem { pointer: place.to_owned(), detail: format!("found {found}, expected {expected}") }
}

impl Ruled for Policy {
    const RULING: Ruling = Ruling::Policy;
    const REFUSED: Code = Code::BadPolicy;
    const NAME: &'static str = "policy";
    const UNSTATED: &'static str = "default";

    fn read(text: &str) -> Result<Self, Vec<analyst::Problem>> {
        let read = policy::read(text);
        read.map_err(|list| list.iter().map(|it| mistake(&it.path, &it.found, &it.expected)).collect())
    }

    fn place(app: &App) -> &Place<Self> {
        &app.policy
    }
}

impl Ruled for Evidence {
    const RULING: Ruling = Ruling::Evidence;
    const REFUSED: Code = Code::BadEvidence;
    const NAME: &'static str = "evidence";
    const UNSTATED: &'static str = "none";

    fn read(text: &str) -> Result<Self, Vec<analyst::Problem>> {
        let read = evidence::read(text);
        read.map_err(|list| list.iter().map(|it| mistake(&it.place, &it.found, &it.expected)).collect())
    }

    fn place(app: &App) -> &Place<Self> {
        &app.evidence
    }
}

/// A file that was put in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PutInForce {
    /// Its id.
    pub(crate) id: String,
    /// These bytes were not known before.
    pub(crate) new: bool,
}

fn read<T: Ruled>(bytes: &[u8]) -> Result<(String, T), Problem> {
    if bytes.len() > MOST_BYTES {
        let detail = format!("The {} has {} bytes; send at most {MOST_BYTES}.", T::NAME, bytes.len());
        return Err(Code::TooLarge.with(detail));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!("The {} is no text in UTF-8 ({error}); send the file as it is.", T::NAME);
        T::REFUSED.with(detail)
    })?;
    let value = T::read(text).map_err(|mistakes| {
        let count = mistakes.len();
        let detail = format!("{count} mistakes; nothing was changed. Correct them and upload again.");
        T::REFUSED.with(detail).with_errors(mistakes)
    })?;
    Ok((text.to_owned(), value))
}

/// What is wrong with a file, as one line; only the first of many.
fn first_mistakes(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return problem.detail.clone();
    }
    let mut lines: Vec<String> = problem
        .errors
        .iter()
        .take(MOST_MISTAKES)
        .map(|it| format!("{}: {}", it.pointer, it.detail))
        .collect();
    if problem.errors.len() > MOST_MISTAKES {
        lines.push(format!("and {} more", problem.errors.len() - MOST_MISTAKES));
    }
    lines.join("; ")
}

impl App {
    /// What is in force.
    pub(crate) fn in_force<T: Ruled>(&self) -> Arc<InForce<T>> {
        Arc::clone(&T::place(self).read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Arc<InForce<Policy>> {
        self.in_force()
    }

    fn enforce<T: Ruled>(&self, it: InForce<T>) {
        *T::place(self).write().unwrap_or_else(PoisonError::into_inner) = Arc::new(it);
    }

    /// Puts the given file in force, or reads what is in force from the store. What this version refuses stops the start: going on
    /// with the default would change every figure without a word.
    pub(crate) async fn start_in_force<T: Ruled>(&self, given: Option<&[u8]>) -> Result<(), Error> {
        let refused = |text: &[u8], given: bool, problem: &Problem| Error::Refused {
            what: T::NAME,
            text: text.to_vec(),
            given,
            why: first_mistakes(problem),
        };
        if let Some(bytes) = given {
            read::<T>(bytes).map_err(|problem| refused(bytes, true, &problem))?;
            self.put::<T>(bytes).await?;
            return Ok(());
        }
        let Some(row) = self.store.kept(T::RULING).await.map_err(Problem::from)?.into_iter().next() else {
            return Ok(());
        };
        let bytes = self.store.content(&row.sha256).await.map_err(Problem::from)?.unwrap_or_default();
        let (text, value) = read(&bytes).map_err(|problem| refused(&bytes, false, &problem))?;
        self.enforce::<T>(InForce {
            stored: Some(row.id),
            since: Some(row.created_at),
            text: Some(text),
            value,
        });
        Ok(())
    }

    /// Reads a file, keeps it and puts it in force. Nothing is changed unless all of it is valid.
    pub(crate) async fn put_in_force<T: Ruled>(&self, bytes: &[u8]) -> Result<PutInForce, Problem> {
        let _turn = self.changing.lock().await;
        self.put::<T>(bytes).await
    }

    /// The same, by whoever holds the turn.
    async fn put<T: Ruled>(&self, bytes: &[u8]) -> Result<PutInForce, Problem> {
        let (text, value) = read::<T>(bytes)?;
        let now = (self.config.clock)();
        let imported = self.store.put_in_force(T::RULING, bytes, now).await?;
        let rows = self.store.kept(T::RULING).await?;
        let since = rows.first().map_or(now, |row| row.created_at);
        self.enforce(InForce {
            stored: Some(imported.id.clone()),
            since: Some(since),
            text: Some(text),
            value,
        });
        Ok(PutInForce { id: imported.id, new: imported.new })
    }
}
