//! Names of things, each of its own type, so that a host's id cannot be passed for a VM's.

mod shared;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest id that is accepted, in bytes. Ids end up in keys, URLs and tables; a longer one is an accident or an attack.
pub const MAX_ID_BYTES: usize = 512;

/// Why a text cannot serve as an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text is longer than [`MAX_ID_BYTES`].
    #[error("an id has {0} bytes; at most {MAX_ID_BYTES} are accepted")]
    TooLong(usize),
    /// The text has a control character, which would break tables and logs.
    #[error("an id has the control character {0:?} at byte {1}")]
    Control(char, usize),
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidId::TooLong(text.len()));
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, c)) => Err(InvalidId::Control(c, at)),
        None => Ok(()),
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(with = "String")] Arc<str>);

        impl $name {
            /// Accepts any text that is not empty, not longer than [`MAX_ID_BYTES`] and free of control characters.
            ///
            /// # Errors
            /// [`InvalidId`] names the rule that the text breaks.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidId> {
                let text = text.into();
                check(&text).map(|()| Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&$name> for Arc<str> {
            /// The same text, shared.
            fn from(id: &$name) -> Self {
                Self::clone(&id.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(shared::Text).map(Self)
            }
        }
    )*};
}

ids! {
    /// An advisory as its issuer names it: `DSA-5378-1`, `ALSA-2023:6077`, `VMSA-2025-0004`, `XSA-523`.
    AdvisoryId;
    /// An application that a tenant runs on VMs.
    ApplicationId;
    /// A cluster of hosts.
    ClusterId;
    /// A set of components that several assets share by reference.
    ComponentSetId;
    /// Any element of the stack, when its kind does not matter.
    ElementId;
    /// A fault domain (rack, power feed, room).
    FaultDomainId;
    /// A feed: a file, a folder, a provider or the built-in facts.
    FeedId;
    /// A host.
    HostId;
    /// A VM image or template.
    ImageId;
    /// A management plane (vCenter, XAPI coordinator, Proxmox cluster manager, OpenStack control plane, engine).
    ManagementPlaneId;
    /// A network.
    NetworkId;
    /// A site.
    SiteId;
    /// A datastore, pool or array.
    StorageId;
    /// A tenant.
    TenantId;
    /// A VM (guest).
    VmId;
    /// A vulnerability: a CVE id, or the issuer's id where there is none.
    VulnerabilityId;
    /// A quorum witness.
    WitnessId;
}

impl VulnerabilityId {
    /// The name of a vulnerability as people and feeds write it. CVE ids are in capitals, however a source spells them: else what is said of
    /// one would not meet.
    ///
    /// # Errors
    /// Why it is none.
    pub fn of_text(text: &str) -> Result<Self, InvalidId> {
        let text = text.trim();
        let is_cve = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("CVE-"));
        if is_cve { Self::new(text.to_ascii_uppercase()) } else { Self::new(text) }
    }
}
