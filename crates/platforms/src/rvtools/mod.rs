//! RVTools workbooks: the tabs vInfo, vHost and vCluster of a vSphere estate.
//!
//! Columns are found by their header, whatever its case; one that is missing leaves its facts unknown, and one that
//! is not known here is kept under its header's name.

mod workbook;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Capacity, Cluster, Component, ComponentKind, ComponentSet, Cpu, Extra, Fleet, Host, Image, PowerState,
    Seen, VirtualizationRole, Vm,
};
use underpin_model::id::{ClusterId, HostId, ImageId, VmId};

pub use workbook::MAX_UNPACKED_BYTES;
use workbook::{Row, Workbook};

use crate::kept::{CLUSTER_FIELDS, HOST_FIELDS, IMAGE_FIELDS, VM_FIELDS, keep};
use crate::{Collected, Note};

/// Why a workbook was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no .xlsx file, or a damaged one.
    #[error("not an .xlsx workbook: {reason}; export it again with RVTools as .xlsx")]
    NotAWorkbook {
        /// What the reader said.
        reason: String,
    },
    /// It unpacks to more than is accepted.
    #[error("the workbook unpacks to more than {limit} bytes; nothing was read")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// A tab that must be there is not.
    #[error("the tab {tab} is missing; tabs found: {found}; export all tabs of RVTools")]
    MissingTab {
        /// The tab.
        tab: &'static str,
        /// What is there.
        found: String,
    },
    /// A tab cannot be read.
    #[error("the tab {tab} cannot be read: {reason}")]
    Tab {
        /// The tab.
        tab: String,
        /// What the reader said.
        reason: String,
    },
}

/// Reads a workbook. `file_name` appears in the provenance and `at` is when its facts were seen.
///
/// # Errors
/// [`ReadError`] when it is no workbook, unpacks to more than [`MAX_UNPACKED_BYTES`], or lacks vInfo or vHost.
/// A row that cannot be used is a note.
pub fn read(bytes: &[u8], file_name: &str, at: Timestamp) -> Result<Collected, ReadError> {
    let mut workbook = Workbook::open(bytes)?;
    let found = workbook.tabs.join(", ");
    let hosts = workbook.rows("vHost")?;
    let hosts = hosts.ok_or_else(|| ReadError::MissingTab { tab: "vHost", found: found.clone() })?;
    let vms = workbook.rows("vInfo")?.ok_or(ReadError::MissingTab { tab: "vInfo", found })?;
    let seen = Seen { at, by: format!("rvtools:{file_name}") };
    let mut estate = Estate {
        fleet: Fleet::new(file_name, seen),
        notes: Vec::new(),
        ids: BTreeSet::new(),
        hosts: BTreeMap::new(),
        clusters: BTreeMap::new(),
        cluster_of: BTreeMap::new(),
    };
    match workbook.rows("vCluster")? {
        Some(rows) => rows.into_iter().for_each(|row| estate.cluster(row)),
        None => estate
            .note("vCluster", "the tab is missing: HA, DRS and admission control are unknown".to_owned()),
    }
    hosts.into_iter().for_each(|row| estate.host(row));
    vms.into_iter().for_each(|row| estate.vm(row));
    Ok(Collected { fleet: estate.fleet, notes: estate.notes })
}

struct Estate {
    fleet: Fleet,
    notes: Vec<Note>,
    /// Ids in use, over all kinds.
    ids: BTreeSet<String>,
    hosts: BTreeMap<String, HostId>,
    clusters: BTreeMap<String, ClusterId>,
    cluster_of: BTreeMap<HostId, ClusterId>,
}

fn keep_rest(row: Row, extra: &mut Extra, taken: &[&str]) {
    for (header, value) in row.cells {
        keep(extra, &header, value, taken);
    }
}

impl Estate {
    fn note(&mut self, place: impl Into<String>, reason: String) {
        self.notes.push(Note::new(place, reason));
    }

    fn cluster(&mut self, mut row: Row) {
        let place = format!("vCluster, row {}", row.number);
        let Some(name) = row.text(&["Name", "Cluster"]) else {
            return self.note(place, "has no Name; left out".to_owned());
        };
        if self.clusters.contains_key(&name) {
            return self.note(
                place,
                format!("the cluster {:?} is listed twice; the first row counts", crate::shown(&name)),
            );
        }
        let Some(id) = self.known_cluster(&name, &place) else { return };
        let Some(cluster) = self.fleet.clusters.iter_mut().find(|cluster| cluster.id == id) else { return };
        cluster.ha_restart = row.flag(&["HA enabled"]);
        cluster.admission_control = row.flag(&["AdmissionControlEnabled"]);
        cluster.load_balancing = row.flag(&["DRS enabled"]);
        keep_rest(row, &mut cluster.extra, CLUSTER_FIELDS);
    }

    /// The cluster of this name, made if it is not there.
    fn known_cluster(&mut self, name: &str, place: &str) -> Option<ClusterId> {
        if let Some(id) = self.clusters.get(name) {
            return Some(id.clone());
        }
        let mut text = format!("cluster:{name}");
        // A host or VM may be called so.
        while self.ids.contains(&text) {
            text.push('~');
        }
        let id = match ClusterId::new(text) {
            Ok(id) => id,
            Err(error) => {
                self.note(place, format!("cluster {:?}: {error}", crate::shown(name)));
                return None;
            }
        };
        self.ids.insert(id.to_string());
        self.clusters.insert(name.to_owned(), id.clone());
        let mut cluster = Cluster::new(id.clone());
        cluster.name = Some(name.to_owned());
        cluster.platform = Some(Family::Esxi);
        self.fleet.clusters.push(cluster);
        Some(id)
    }

    /// The host of this name; one that only vInfo names is added with nothing but its name.
    fn known_host(&mut self, name: &str, place: &str) -> Option<HostId> {
        if let Some(id) = self.hosts.get(name) {
            return Some(id.clone());
        }
        match HostId::new(name) {
            Ok(_) if self.ids.contains(name) => {
                self.note(
                    place,
                    format!("{:?} is the id of another element; it is no host", crate::shown(name)),
                );
                None
            }
            Ok(id) => {
                self.note(
                    place,
                    format!("the host {:?} is not in vHost: nothing is known of it", crate::shown(name)),
                );
                self.ids.insert(name.to_owned());
                self.hosts.insert(name.to_owned(), id.clone());
                self.fleet.hosts.push(Host::new(id.clone()));
                Some(id)
            }
            Err(error) => {
                self.note(place, format!("host {:?}: {error}", crate::shown(name)));
                None
            }
        }
    }

    fn host(&mut self, mut row: Row) {
        let place = format!("vHost, row {}", row.number);
        let Some(name) = row.text(&["Host"]) else {
            return self.note(place, "has no Host; left out".to_owned());
        };
        if self.hosts.contains_key(&name) {
            return self.note(
                place,
                format!("the host {:?} is listed twice; the first row counts", crate::shown(&name)),
            );
        }
        let id = match HostId::new(name.as_str()) {
            Ok(id) => id,
            Err(error) => {
                return self.note(place, format!("host {:?}: {error}; left out", crate::shown(&name)));
            }
        };
        if self.ids.contains(&name) {
            let reason = format!("{:?} is the id of another element; left out", crate::shown(&name));
            return self.note(place, reason);
        }
        // Taken before the row names its cluster, whose id must be another.
        self.ids.insert(name.clone());
        let mut host = Host::new(id.clone());
        host.cluster = row.text(&["Cluster"]).and_then(|cluster| self.known_cluster(&cluster, &place));
        self.cluster_of.extend(host.cluster.iter().map(|cluster| (id.clone(), cluster.clone())));
        let release = row.text(&["ESX Version"]);
        if release.is_none() {
            self.note(&place, format!("{name} has no ESX Version: its release is unknown"));
        }
        let platform = crate::release::platform(Family::Esxi, release.as_deref());
        host.components = release.map(|version| ComponentSet {
            family: Some(Family::Esxi),
            train: platform.train.clone(),
            components: vec![Component::new("esxi", version, ComponentKind::Product)],
            extra: Extra::new(),
        });
        host.platform = Some(platform);
        host.role = Some(VirtualizationRole::Host);
        host.vendor = row.text(&["Vendor"]);
        host.model = row.text(&["Model"]);
        host.firmware = row.text(&["BIOS Version"]);
        host.maintenance = row.flag(&["in Maintenance Mode", "Maintenance Mode"]);
        host.cpu = Some(Cpu {
            model: row.text(&["CPU Model"]),
            cores: row.number(&["# Cores"]).and_then(|n| u32::try_from(n).ok()),
            ..Cpu::default()
        });
        host.capacity = row
            .number(&["# Memory", "# Memory MiB"])
            .map(|memory| Capacity { memory_mib: Some(memory), ..Capacity::default() });
        keep_rest(row, &mut host.extra, HOST_FIELDS);
        self.hosts.insert(name, id);
        self.fleet.hosts.push(host);
    }

    /// An id that no other element has. Cloned VMs share their UUID: both stay, and the second is told apart by the
    /// id that vCenter gave it, or else by its name.
    fn unique_id(&mut self, row: &mut Row, name: &str, place: &str) -> String {
        let uuid = row.text(&["VM UUID"]);
        let moref = row.take(&["VM ID"]);
        let moref_text = moref.as_ref().and_then(Value::as_str).map(str::to_owned);
        if let Some(moref) = moref {
            row.cells.push(("VM ID".to_owned(), moref));
        }
        let base = uuid.unwrap_or_else(|| {
            self.note(
                place,
                format!("{:?} has no VM UUID: its id is made from its name", crate::shown(name)),
            );
            format!("vm:{name}")
        });
        let mut id = base.clone();
        if self.ids.contains(&id) {
            id = format!("{base}~{}", moref_text.as_deref().unwrap_or(name));
            self.note(
                place,
                format!(
                    "the id {base} is in use already; {:?} gets the id {}",
                    crate::shown(name),
                    crate::shown(&id)
                ),
            );
        }
        while self.ids.contains(&id) {
            id.push_str(&format!("~{}", row.number));
        }
        self.ids.insert(id.clone());
        id
    }

    fn vm(&mut self, mut row: Row) {
        let place = format!("vInfo, row {}", row.number);
        let Some(name) = row.text(&["VM"]) else { return self.note(place, "has no VM; left out".to_owned()) };
        let id = self.unique_id(&mut row, &name, &place);
        let outcome = if row.flag(&["Template"]) == Some(true) {
            ImageId::new(id).map(|id| {
                let mut image = Image::new(id);
                image.name = Some(name.clone());
                keep_rest(row, &mut image.extra, IMAGE_FIELDS);
                self.fleet.images.push(image);
            })
        } else {
            VmId::new(id).map(|id| self.guest(id, name.clone(), row, &place))
        };
        if let Err(error) = outcome {
            self.note(place, format!("VM {:?}: {error}; left out", crate::shown(&name)));
        }
    }

    /// The tabs are read one after the other, and a guest may have moved between them: the host is what is believed.
    fn settle_cluster(&mut self, vm: &mut Vm, place: &str) {
        let real = vm.host.as_ref().and_then(|host| self.cluster_of.get(host));
        let (Some(told), Some(real)) = (&vm.cluster, real) else { return };
        if told != real {
            let (told, real) = (crate::shown(told.as_str()), crate::shown(real.as_str()));
            let reason = format!("{told:?} is not {real:?}, the cluster of its host: left out");
            vm.cluster = None;
            self.note(place, reason);
        }
    }

    fn guest(&mut self, id: VmId, name: String, mut row: Row, place: &str) {
        let mut vm = Vm::new(id);
        vm.name = Some(name);
        vm.power = row.text(&["Powerstate", "Power state"]).and_then(|state| {
            match state.to_ascii_lowercase().as_str() {
                "poweredon" => Some(PowerState::On),
                "poweredoff" => Some(PowerState::Off),
                "suspended" => Some(PowerState::Suspended),
                _ => {
                    self.note(place, format!("the power state {:?} is not known here", crate::shown(&state)));
                    None
                }
            }
        });
        let host = row.text(&["Host"]).and_then(|host| self.known_host(&host, place));
        vm.cluster = row.text(&["Cluster"]).and_then(|cluster| self.known_cluster(&cluster, place));
        match (vm.power, host) {
            // A guest that is off runs nowhere; where it is registered is kept.
            (Some(PowerState::Off), Some(host)) => {
                vm.extra.insert("registered_on".to_owned(), Value::from(host.as_str()));
            }
            (_, host) => vm.host = host,
        }
        self.settle_cluster(&mut vm, place);
        vm.vcpus = row.number(&["CPUs"]).and_then(|n| u32::try_from(n).ok());
        vm.memory_mib = row.number(&["Memory", "Memory MiB"]);
        let tools = row.text(&["OS according to the VMware Tools"]);
        vm.guest_os =
            row.text(&["OS according to the configuration file"]).or_else(|| tools.clone()).map(Into::into);
        if let Some(tools) = tools {
            keep(&mut vm.extra, "OS according to the VMware Tools", Value::from(tools), VM_FIELDS);
        }
        // The virtual hardware version is written as a bare number or as vSphere writes it.
        vm.machine_type = row
            .text(&["HW version"])
            .map(|version| if version.parse::<u32>().is_ok() { format!("vmx-{version}") } else { version })
            .map(Into::into);
        keep_rest(row, &mut vm.extra, VM_FIELDS);
        self.fleet.vms.push(vm);
    }
}

#[cfg(test)]
mod tests;
