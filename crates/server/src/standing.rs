//! Where confidentiality, integrity and availability stand, for the API and the pages.

use std::sync::Arc;

use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, TenantId, VmId};
use underpin_risk::standing::{Standing, Standings};

use crate::problem::{Code, Problem};
use crate::risk::Basis;
use crate::state::Shared;

/// What can have a standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Host,
    Vm,
    Cluster,
    Tenant,
    ManagementPlane,
}

impl Kind {
    const ALL: [(&'static str, Self); 5] = [
        ("host", Self::Host),
        ("vm", Self::Vm),
        ("cluster", Self::Cluster),
        ("tenant", Self::Tenant),
        ("management_plane", Self::ManagementPlane),
    ];

    /// By its name in addresses.
    pub(crate) fn named(name: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|(it, _)| *it == name).map(|(_, kind)| kind).ok_or_else(|| {
            let names = Self::ALL.map(|(it, _)| it).join(", ");
            Code::NotFound.with(format!("There is no kind {name:?}; give one of {names}."))
        })
    }
}

fn stand(basis: &Basis, kind: Kind, id: &str) -> Option<Standing> {
    let standings = Standings::new(&basis.index.fleet, &basis.policy.value);
    match kind {
        Kind::Host => standings.host(&HostId::new(id).ok()?),
        Kind::Vm => standings.vm(&VmId::new(id).ok()?),
        Kind::Cluster => standings.cluster(&ClusterId::new(id).ok()?),
        Kind::Tenant => standings.tenant(&TenantId::new(id).ok()?),
        Kind::ManagementPlane => standings.plane(&ManagementPlaneId::new(id).ok()?),
    }
}

/// The standing of one element. The index of a great fleet takes a while: on a thread that may block, and kept for the
/// next look.
pub(crate) async fn standing(app: &Shared, kind: Kind, id: &str) -> Result<Arc<Standing>, Problem> {
    let basis = app.basis()?;
    if let Some(known) = app.known_standing(&basis, kind, id) {
        return Ok(known);
    }
    let (of, owned) = (basis.clone(), id.to_owned());
    let found = tokio::task::spawn_blocking(move || stand(&of, kind, &owned)).await?;
    let missing = || Code::NotFound.with(format!("The fleet has no such element {id:?}."));
    let found = found.map(Arc::new).ok_or_else(missing)?;
    app.keep_standing(&basis, kind, id.to_owned(), &found);
    Ok(found)
}
