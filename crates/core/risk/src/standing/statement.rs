//! What a statement is, and how facts become one.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use underpin_model::fleet::{Element, Seen};
use underpin_model::policy::AttackPath;

use crate::clear::Shares;
use crate::span::Span;

/// What is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// Who can read.
    Confidentiality,
    /// Who can change.
    Integrity,
    /// Whether it works.
    Availability,
}

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "about", content = "path")]
pub enum Topic {
    /// At which level a VM's availability lives.
    AvailabilityLevel,
    /// Guests of a failed host are restarted elsewhere.
    HostRestart,
    /// Guests are moved by load; with live migration planned work need not stop them.
    LoadBalancing,
    /// Storage is shared, so that guests can start elsewhere.
    SharedStorage,
    /// What may be done to a VM.
    AllowedActions,
    /// Ways in to management, and from where.
    WaysIn,
    /// The planes that manage a host are known.
    ManagementPlane,
    /// A second factor on every way in.
    SecondFactor,
    /// Local password accounts beside a directory.
    SplitBrainAccounts,
    /// Migration traffic is encrypted.
    MigrationEncrypted,
    /// Storage traffic is encrypted.
    StorageTrafficEncrypted,
    /// Data at rest is encrypted.
    DataAtRestEncrypted,
    /// Changes are recorded.
    ChangeTracking,
    /// Patches come by a mechanism.
    PatchMechanism,
    /// Compensating controls on a path.
    Controls(AttackPath),
    /// The host of a VM, and the hosts of a management plane.
    Host,
}

impl Topic {
    /// What is at stake in it.
    #[must_use]
    pub fn dimensions(self) -> &'static [Dimension] {
        use Dimension::{Availability, Confidentiality, Integrity};
        match self {
            Self::AvailabilityLevel
            | Self::HostRestart
            | Self::LoadBalancing
            | Self::SharedStorage
            | Self::AllowedActions => &[Availability],
            Self::MigrationEncrypted | Self::StorageTrafficEncrypted => &[Confidentiality, Integrity],
            Self::DataAtRestEncrypted => &[Confidentiality],
            Self::ChangeTracking => &[Integrity],
            Self::WaysIn
            | Self::ManagementPlane
            | Self::SecondFactor
            | Self::SplitBrainAccounts
            | Self::PatchMechanism
            | Self::Controls(_)
            | Self::Host => &[Confidentiality, Integrity, Availability],
        }
    }
}

/// Whether what the topic asks for is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is.
    Yes,
    /// Some of it is.
    Partly,
    /// It is not.
    No,
    /// The facts do not tell; never taken for yes.
    Unknown,
}

/// A fact that made a statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Its place in the fleet file (a JSON pointer), or in the policy (`policy: control ...`).
    pub path: String,
    /// Its value.
    pub value: Value,
    /// When it was seen.
    pub at: Option<Timestamp>,
    /// By what.
    pub by: Option<String>,
}

/// One statement with the facts that made it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// What it is about.
    pub topic: Topic,
    /// What is at stake.
    pub dimensions: &'static [Dimension],
    /// Whether what the topic asks for is in place.
    pub answer: Answer,
    /// How much is left open, 0 (nothing) to 1 (all): a range where facts are missing. For ways in it is the probability that a
    /// campaign gets to one, for controls that it passes them, by the parameters of the policy; elsewhere an answer of yes
    /// leaves 0 and no leaves 1, which is a scale for comparing, not a probability.
    pub open: Span,
    /// Mean loss over the horizon through what is open, in the currency of the policy; a range where facts are missing. `None`: the
    /// compound model prices it, or there is nothing that could be lost by it alone.
    pub price: Option<Span>,
    /// In words.
    pub text: String,
    /// The facts.
    pub evidence: Vec<Evidence>,
    /// Places where a fact is missing.
    pub missing: Vec<String>,
}

/// The statements about one element.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Its id.
    pub element: String,
    /// The statements, sorted by topic.
    pub statements: Vec<Statement>,
}

impl Standing {
    /// The statement about a topic.
    #[must_use]
    pub fn statement(&self, topic: Topic) -> Option<&Statement> {
        self.statements.iter().find(|it| it.topic == topic)
    }

    /// The statements that bear on a dimension.
    pub fn of(&self, dimension: Dimension) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(move |it| it.dimensions.contains(&dimension))
    }

    /// Those that facts do not answer.
    pub fn unknown(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|it| it.answer == Answer::Unknown || !it.missing.is_empty())
    }
}

impl Statement {
    pub(super) fn new(topic: Topic, answer: Answer, text: String) -> Self {
        let open = match answer {
            Answer::Yes => Span::NONE,
            Answer::No => Span::ALL,
            Answer::Partly => Span::exactly(0.5),
            Answer::Unknown => Span::UNKNOWN_SHARE,
        };
        let dimensions = topic.dimensions();
        Self { topic, dimensions, answer, open, price: None, text, evidence: Vec::new(), missing: Vec::new() }
    }

    pub(super) fn priced(self, price: Span) -> Self {
        Self { price: Some(price), ..self }
    }

    pub(super) fn unknown(topic: Topic, text: String, missing: Vec<String>) -> Self {
        Self { missing, ..Self::new(topic, Answer::Unknown, text) }
    }
}

/// Facts that must all be true, as they are gathered.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) yes: u32,
    pub(super) no: u32,
    pub(super) evidence: Vec<Evidence>,
    pub(super) missing: Vec<String>,
}

impl Facts {
    /// A fact that may be missing.
    pub(super) fn add(&mut self, path: String, value: Option<bool>, source: Source<'_>) {
        match value {
            Some(true) => self.yes += 1,
            Some(false) => self.no += 1,
            None => return self.missing.push(path),
        }
        self.evidence.push(source.evidence(path, value.into()));
    }

    /// All yes, some of both, all no; unknown as soon as one that could turn a yes into a no is missing.
    pub(super) fn answer(&self) -> Answer {
        match (self.yes, self.no, self.missing.len()) {
            (0, 0, _) => Answer::Unknown,
            (_, 0, 0) => Answer::Yes,
            (_, 0, _) => Answer::Unknown,
            (0, _, 0) => Answer::No,
            _ => Answer::Partly,
        }
    }

    /// The share that is open.
    pub(super) fn open(&self) -> Span {
        Shares { yes: self.yes, no: self.no, missing: self.missing.len() as u32 }.open()
    }

    pub(super) fn statement(self, topic: Topic, what: &str) -> Statement {
        let parts = [(self.yes, "yes"), (self.no, "no"), (self.missing.len() as u32, "unknown")];
        let parts: Vec<String> =
            parts.iter().filter(|it| it.0 > 0).map(|it| format!("{} {}", it.1, it.0)).collect();
        let text = if parts.is_empty() {
            format!("{what}: unknown")
        } else {
            format!("{what}: {}", parts.join(", "))
        };
        let (answer, open) = (self.answer(), self.open());
        Statement {
            open,
            evidence: self.evidence,
            missing: self.missing,
            ..Statement::new(topic, answer, text)
        }
    }
}

/// Where and when a fact was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'s>(pub(super) Option<&'s Seen>);

impl<'s> Source<'s> {
    /// Of a field of an element: the field's own, else the element's, else the file's.
    pub(super) fn of(element: &'s impl Element, own: Option<&'s Seen>, file: &'s Seen, field: &str) -> Self {
        Self(element.provenance().get(field).or(own).or(Some(file)))
    }

    pub(super) fn evidence(self, path: String, value: Value) -> Evidence {
        Evidence { path, value, at: self.0.map(|it| it.at), by: self.0.map(|it| it.by.clone()) }
    }
}
