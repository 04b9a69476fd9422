//! The steps of a plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Method;
use crate::id::{ClusterId, ElementId, HostId, VmId};

/// What is frozen in a cluster while its hosts are changed. The restart of guests after a failure is never among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Frozen {
    /// Moving guests by load.
    Balancing,
    /// Starting guests by itself on a host that comes back.
    AutoStart,
    /// Refusing guests for want of reserve: the plan keeps the reserve itself.
    AdmissionControl,
}

/// What a step does.
// Beside the fields of every step nothing else is left for it: serde hands it all that those did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StepKind {
    /// Saves and switches off what would fight the plan.
    Freeze {
        /// The cluster.
        cluster: ClusterId,
        /// What.
        what: Vec<Frozen>,
    },
    /// A wave of hosts begins: all that came before it in its cluster is over, and whoever watches says go, hold or halt. Nothing is done,
    /// and it takes no time.
    Gate {
        /// The cluster; hosts outside any have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<ClusterId>,
    },
    /// Brings what a change needs to an element; touches no guest.
    Stage {
        /// The element.
        element: ElementId,
        /// The change.
        change: String,
    },
    /// Makes sure that a backup of the element's own state exists and can be read.
    BackupCheck {
        /// The element.
        element: ElementId,
    },
    /// Moves a guest.
    Migrate {
        /// The guest.
        vm: VmId,
        /// From where.
        from: HostId,
        /// To where.
        to: HostId,
        /// While it runs; otherwise it is off meanwhile.
        live: bool,
        /// Bandwidth that it is given, in Mbit/s.
        mbps: u32,
        /// How long it pauses at the end, in milliseconds.
        pause_ms: u32,
        /// The consent that allows it, by id; absent where the policy asks for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent: Option<String>,
    },
    /// The platform moves the guests away; the plan bounds where to.
    Evacuate {
        /// The host.
        host: HostId,
        /// The guests with the hosts that are expected to take them: proof that a placement exists.
        expected: Vec<(VmId, HostId)>,
        /// Hosts that may take guests; any other ends the plan.
        only_to: Vec<HostId>,
        /// Bandwidth that the evacuation is given, in Mbit/s.
        mbps: u32,
    },
    /// Powers a guest off.
    Stop {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: HostId,
        /// The consent that allows it, by id; absent where the policy asks for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent: Option<String>,
    },
    /// Starts a guest that the plan stopped.
    Start {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: HostId,
    },
    /// Suspends a guest to memory.
    Suspend {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: HostId,
        /// The consent that allows it, by id; absent where the policy asks for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent: Option<String>,
    },
    /// Resumes a guest that the plan suspended.
    Resume {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: HostId,
    },
    /// Installs one hop of a change.
    Patch {
        /// The element.
        element: ElementId,
        /// The change.
        change: String,
        /// How.
        method: Method,
        /// Release after this step; of a setting `NAME=VALUE`, and the release stays.
        to: String,
        /// Which of the element's units, from 1.
        unit: u32,
    },
    /// Reboots an element; over when a new boot id was seen.
    Reboot {
        /// The element.
        element: ElementId,
        /// Without the firmware.
        quick: bool,
    },
    /// Attests an element against its prediction.
    Attest {
        /// The element.
        element: ElementId,
    },
    /// Compares an element with itself before, and asks after the health of its guests.
    Verify {
        /// The element.
        element: ElementId,
    },
    /// Puts back what [`StepKind::Freeze`] saved, and verifies that it is back.
    Thaw {
        /// The cluster.
        cluster: ClusterId,
    },
}

impl StepKind {
    /// The step touches guests or takes an element out of service: windows, limits and degraded clusters hold it back.
    /// Freezing, gates, staging and checking backups do not.
    #[must_use]
    pub fn touches(&self) -> bool {
        !matches!(
            self,
            Self::Freeze { .. }
                | Self::Thaw { .. }
                | Self::Gate { .. }
                | Self::Stage { .. }
                | Self::BackupCheck { .. }
        )
    }

    /// The guest that the step is about.
    #[must_use]
    pub fn vm(&self) -> Option<&VmId> {
        match self {
            Self::Migrate { vm, .. }
            | Self::Stop { vm, .. }
            | Self::Start { vm, .. }
            | Self::Suspend { vm, .. }
            | Self::Resume { vm, .. } => Some(vm),
            _ => None,
        }
    }

    /// The element that the step changes.
    #[must_use]
    pub fn element(&self) -> Option<&ElementId> {
        match self {
            Self::Stage { element, .. }
            | Self::BackupCheck { element }
            | Self::Patch { element, .. }
            | Self::Reboot { element, .. }
            | Self::Attest { element }
            | Self::Verify { element } => Some(element),
            _ => None,
        }
    }
}

/// A step with its span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Step {
    /// Its position in the plan.
    pub id: u32,
    /// Number of its wave; 0 for freezing and thawing, which serve several.
    pub wave: u32,
    /// The element (host) for whose change it is done; absent for freezing and thawing.
    pub subject: Option<ElementId>,
    /// What it does.
    pub kind: StepKind,
    /// When it starts, in seconds from the plan's start.
    pub start_s: u32,
    /// How long it takes in half of the cases, in seconds.
    pub p50_s: u32,
    /// How long it takes in 19 of 20 cases, in seconds: the span that it holds.
    pub p95_s: u32,
    /// Steps that must have ended before it starts.
    pub after: Vec<u32>,
}

/// A step as files have it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Step", extend("unevaluatedProperties" = false))]
struct Written {
    /// Its position in the plan.
    id: u32,
    /// Number of its wave; 0 for freezing and thawing, which serve several.
    wave: u32,
    /// The element (host) for whose change it is done; absent for freezing and thawing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<ElementId>,
    /// What it does.
    #[serde(flatten)]
    kind: StepKind,
    /// When it starts, in seconds from the plan's start.
    start: u32,
    /// When it has ended in 19 of 20 cases, in seconds from the plan's start: it holds the span from its start until then.
    end: u64,
    /// How long it takes in half of the cases, in seconds.
    p50_s: u32,
    /// Steps that must have ended before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<u32>,
}

impl From<Step> for Written {
    fn from(it: Step) -> Self {
        let Step { id, wave, subject, kind, start_s, p50_s, p95_s, after } = it;
        Self {
            id,
            wave,
            subject,
            kind,
            start: start_s,
            end: u64::from(start_s) + u64::from(p95_s),
            p50_s,
            after,
        }
    }
}

impl TryFrom<Written> for Step {
    type Error = String;

    fn try_from(it: Written) -> Result<Self, Self::Error> {
        let Written { id, wave, subject, kind, start, end, p50_s, after } = it;
        let p95_s = end.checked_sub(u64::from(start)).and_then(|it| u32::try_from(it).ok());
        let p95_s = p95_s.ok_or_else(|| {
            format!(
                "end {end}, expected {start} (its start) or later, and not more than {} s later",
                u32::MAX
            )
        })?;
        Ok(Self { id, wave, subject, kind, start_s: start, p50_s, p95_s, after })
    }
}

impl JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}

impl Step {
    /// End of its span, in seconds from the plan's start.
    #[must_use]
    pub fn end_s(&self) -> u32 {
        self.start_s.saturating_add(self.p95_s)
    }
}
