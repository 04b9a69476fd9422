//! The policy in force: the one uploaded last, or the default.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use underpin_model::policy::{self, Policy, PolicyError};
use utoipa::ToSchema;

use crate::analyst;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The id of the policy of one who has not uploaded any.
pub(crate) const DEFAULT: &str = "default";

/// A policy with where it is from.
#[derive(Debug, Clone, Default)]
pub(crate) struct PolicyInForce {
    /// Its id in the store; `None`: nobody has uploaded any.
    pub(crate) stored: Option<String>,
    /// When it was first uploaded.
    pub(crate) since: Option<Timestamp>,
    /// As it was uploaded.
    pub(crate) text: Option<String>,
    /// As it was read.
    pub(crate) policy: Policy,
}

impl PolicyInForce {
    pub(crate) fn id(&self) -> &str {
        self.stored.as_deref().unwrap_or(DEFAULT)
    }
}

/// A policy that was put in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ImportedPolicy {
    /// Its id.
    pub(crate) id: String,
    /// These bytes were not known before.
    pub(crate) new: bool,
}

fn refused(errors: &[PolicyError]) -> Problem {
    let one = |error: &PolicyError| analyst::Problem {
        pointer: error.path.clone(),
        detail: format!("found {}, expected {}", error.found, error.expected),
    };
    Code::BadPolicy
        .with(format!("{} mistakes; nothing was changed. Correct them and upload again.", errors.len()))
        .with_errors(errors.iter().map(one).collect())
}

fn read(bytes: &[u8]) -> Result<(String, Policy), Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Code::BadPolicy
            .with(format!("The policy is no text in UTF-8 ({error}); send the TOML file as it is."))
    })?;
    let policy = policy::read(text).map_err(|errors| refused(&errors))?;
    Ok((text.to_owned(), policy))
}

impl App {
    /// The policy in force.
    pub(crate) fn policy(&self) -> Arc<PolicyInForce> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn enforce(&self, policy: PolicyInForce) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// Reads the policy in force from the store. One that this version refuses stops the start: going on with the
    /// default would change every figure without a word.
    pub(crate) async fn load_policy(&self) -> Result<(), Problem> {
        let Some(row) = self.store.policies().await?.into_iter().next() else { return Ok(()) };
        let bytes = self.store.content(&row.sha256).await?.unwrap_or_default();
        let (text, policy) = read(&bytes)?;
        self.enforce(PolicyInForce {
            stored: Some(row.id),
            since: Some(row.created_at),
            text: Some(text),
            policy,
        });
        Ok(())
    }

    /// Reads a policy, keeps it and puts it in force. Nothing is changed unless all of it is valid.
    pub(crate) async fn import_policy(&self, bytes: Vec<u8>) -> Result<ImportedPolicy, Problem> {
        let _turn = self.changing.lock().await;
        let (text, policy) = read(&bytes)?;
        let now = (self.config.clock)();
        let imported = self.store.add_policy(&bytes, now).await?;
        let rows = self.store.policies().await?;
        let since = rows.first().map_or(now, |row| row.created_at);
        self.enforce(PolicyInForce {
            stored: Some(imported.id.clone()),
            since: Some(since),
            text: Some(text),
            policy,
        });
        Ok(ImportedPolicy { id: imported.id, new: imported.new })
    }
}
