//! What the server asks of the core: reading uploads, assessing, ripple.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use underpin_exposure::report::{Assessment, AssetKind};
use underpin_feeds::Defect;
use underpin_model::facts::Document;
use underpin_model::fleet::Fleet;
use underpin_model::id::TenantId;
use utoipa::ToSchema;

/// One thing that is wrong with an input: where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// JSON pointer (RFC 6901) into the document; empty: the whole of it.
    pub pointer: String,
    /// The value, the expectation, the way out.
    pub detail: String,
}

/// A fleet that was read.
#[derive(Debug)]
pub struct FleetReading {
    /// The fleet.
    pub fleet: Fleet,
    /// What is odd, but no error.
    pub warnings: Vec<Problem>,
}

/// An accepted document with the bytes that it came from.
#[derive(Debug, Clone)]
pub struct ReadDocument {
    /// Its path within the upload.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its facts.
    pub document: Arc<Document>,
}

/// A refused document with its bytes.
#[derive(Debug, Clone)]
pub struct RefusedDocument {
    /// Its path within the upload.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where and why.
    pub defect: Defect,
}

/// What became of an uploaded feed.
#[derive(Debug, Default)]
pub struct FeedReading {
    /// Accepted.
    pub documents: Vec<ReadDocument>,
    /// Well-formed but no facts: path and reason.
    pub ignored: Vec<(String, String)>,
    /// Refused.
    pub quarantined: Vec<RefusedDocument>,
}

/// A feed for an assessment.
#[derive(Debug, Clone)]
pub struct FeedFacts {
    /// Its name.
    pub name: String,
    /// When it was read.
    pub fetched: Timestamp,
    /// Its documents: path and facts.
    pub documents: Vec<(String, Arc<Document>)>,
}

/// An element that a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RippleElement {
    /// `host`, `vm`, `cluster`, `tenant`, `component`, ...
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// VMs of one tenant above an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RippleTenant {
    /// The tenant; `None`: VMs without one.
    #[schema(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
    /// Its VMs.
    pub vms: u64,
}

/// What stands on an element and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ripple {
    /// The element or component that was asked for.
    pub at: String,
    /// What stands on it.
    pub above: Vec<RippleElement>,
    /// What it stands on.
    pub below: Vec<RippleElement>,
    /// VMs above, by tenant.
    pub tenants: Vec<RippleTenant>,
}

/// The one seam to the core. All calls may take seconds; the server makes them on threads that may block.
pub trait Analyst: Send + Sync + 'static {
    /// Feeds that are there without any upload.
    fn builtin(&self) -> Vec<FeedFacts>;

    /// Reads and checks a fleet document, JSON or YAML.
    ///
    /// # Errors
    /// Everything that is wrong with it, in one go.
    fn read_fleet(&self, bytes: &[u8]) -> Result<FleetReading, Vec<Problem>>;

    /// Reads an uploaded feed: a document, a compressed one, or an archive. Never fails as a whole.
    fn read_feed(&self, name: &str, bytes: &[u8]) -> FeedReading;

    /// Assesses a fleet by the feeds.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn assess(&self, fleet: &Fleet, feeds: &[FeedFacts], as_of: Timestamp) -> Result<Assessment, String>;

    /// What a change to the element or component `at` touches; `None`: there is no such thing in the fleet.
    fn ripple(&self, fleet: &Fleet, at: &str) -> Option<Ripple>;
}

/// The kind's name in addresses and JSON.
pub(crate) fn kind_name(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Host => "host",
        AssetKind::Vm => "vm",
        AssetKind::Image => "image",
        AssetKind::ManagementPlane => "management_plane",
        AssetKind::Witness => "witness",
        AssetKind::Storage => "storage",
    }
}
