//! Hosts of which no management plane is known: what its fall would take is not known either.

use serde_json::Value;
use underpin_model::fleet::{Host, Setting};

/// Host setting: `none` says that no management plane manages the host.
pub const MANAGEMENT_PLANE: &str = "management.plane";

/// A host that is known to have no management plane.
pub(crate) fn by_none(host: &Host) -> bool {
    host.settings.get(MANAGEMENT_PLANE).map(Setting::value).and_then(Value::as_str) == Some("none")
}
