//! A plain table of hosts and VMs, for what no other collector reads.
//!
//! The first line names the columns, in any order and case; only `kind` and `id` are needed. One line is one element:
//!
//! | column | for | meaning |
//! | --- | --- | --- |
//! | `kind` | all | `host` or `vm` |
//! | `id`, `name` | all | unique id; what people call it |
//! | `cluster`, `site` | all; hosts | made if no line before named them |
//! | `platform`, `release`, `train` | hosts | product (`esxi`, `proxmox`, ...), release as it names itself, train if the release does not tell it |
//! | `host` | VMs | id of a host of this table |
//! | `tenant`, `image` | VMs | made if no line before named them |
//! | `vcpus`, `memory_mib` | all | whole numbers |
//! | `power` | VMs | `on`, `off` or `suspended` |
//! | `guest_os`, `machine_type` | VMs | texts |
//! | `vendor`, `model`, `firmware`, `kernel_release` | hosts | texts |
//!
//! Any other column is kept under its own name. An empty cell is unknown. Faults are reported all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Capacity, Cluster, Component, ComponentKind, ComponentSet, Extra, Fleet, Host, Image, PowerState, Seen,
    Site, Tenant, Vm,
};
use underpin_model::id::{ClusterId, HostId, ImageId, InvalidId, SiteId, TenantId, VmId};

use crate::kept::{HOST_FIELDS, VM_FIELDS, keep};
use crate::{Collected, shown};

/// The most faults that are listed.
const MAX_FAULTS: usize = 1000;

/// One thing that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: u64,
    /// Column by its header.
    pub column: String,
    /// The value and the expectation.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

/// A table with faults; nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file_name}: {} faults, nothing was read:\n{}", faults.len(), list(faults))]
pub struct ReadError {
    /// The file.
    pub file_name: String,
    /// Every fault, in the order of the lines (the first thousand).
    pub faults: Vec<Fault>,
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads a table. `file_name` appears in the provenance and `at` is when its facts were seen.
///
/// # Errors
/// [`ReadError`] with every fault by line and column.
pub fn read(bytes: &[u8], file_name: &str, at: Timestamp) -> Result<Collected, ReadError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut table = Table {
        fleet: Fleet::new(file_name, Seen { at, by: format!("csv:{file_name}") }),
        faults: Vec::new(),
        ids: BTreeSet::new(),
        made: BTreeSet::new(),
    };
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).trim(::csv::Trim::All).from_reader(bytes);
    let headers: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_owned).collect(),
        Err(error) => {
            table.fault(1, "", error.to_string());
            Vec::new()
        }
    };
    for needed in ["kind", "id"] {
        if !headers.iter().any(|header| header.eq_ignore_ascii_case(needed)) {
            table.fault(1, needed, format!("the column is missing; found: {}", shown(&headers.join(", "))));
        }
    }
    if table.faults.is_empty() {
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(0, ::csv::Position::line);
                    if record.len() > headers.len() {
                        table.fault(
                            line,
                            "",
                            format!("{} cells; the header has {}", record.len(), headers.len()),
                        );
                    }
                    let cells = headers.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
                    let cells = cells.map(|(header, cell)| (header.clone(), cell.to_owned())).collect();
                    table.line(Line { number: line, cells });
                }
                Err(error) => {
                    let line = error.position().map_or(0, ::csv::Position::line);
                    table.fault(line, "", error.to_string());
                }
            }
        }
        table.check_hosts();
    }
    if table.faults.is_empty() {
        return Ok(Collected { fleet: table.fleet, notes: Vec::new() });
    }
    table.faults.sort_by_key(|fault| fault.line);
    table.faults.truncate(MAX_FAULTS);
    Err(ReadError { file_name: file_name.to_owned(), faults: table.faults })
}

struct Line {
    number: u64,
    cells: Vec<(String, String)>,
}

impl Line {
    fn take(&mut self, column: &str) -> Option<String> {
        let at = self.cells.iter().position(|(header, _)| header.eq_ignore_ascii_case(column))?;
        Some(self.cells.remove(at).1)
    }

    fn keep_rest(self, extra: &mut Extra, taken: &[&str]) {
        for (header, cell) in self.cells {
            keep(extra, &header, Value::from(cell), taken);
        }
    }
}

struct Table {
    fleet: Fleet,
    faults: Vec<Fault>,
    ids: BTreeSet<String>,
    /// Columns and ids of the elements that references made.
    made: BTreeSet<(&'static str, String)>,
}

/// Why a reference is no good: the id itself, or the kind of element that already has it.
macro_rules! reference {
    ($self:ident, $line:ident, $column:literal, $id:ty, $element:ident, $list:ident) => {
        match $line.take($column) {
            None => None,
            Some(text) => match <$id>::new(text.as_str()) {
                Ok(id) => {
                    if $self.made.insert(($column, text.clone())) {
                        $self.claim(&text, $line.number, $column);
                        $self.fleet.$list.push($element::new(id.clone()));
                    }
                    Some(id)
                }
                Err(error) => {
                    $self.invalid($line.number, $column, &text, &error);
                    None
                }
            },
        }
    };
}

impl Table {
    fn fault(&mut self, line: u64, column: &str, reason: String) {
        self.faults.push(Fault { line, column: column.to_owned(), reason });
    }

    fn invalid(&mut self, line: u64, column: &str, text: &str, error: &InvalidId) {
        self.fault(line, column, format!("{:?}: {error}", shown(text)));
    }

    /// Ids are unique among all elements of a fleet.
    fn claim(&mut self, id: &str, line: u64, column: &str) {
        if !self.ids.insert(id.to_owned()) {
            self.fault(
                line,
                column,
                format!(
                    "{:?} is the id of another element already; ids are unique among all elements",
                    shown(id)
                ),
            );
        }
    }

    fn number<T: std::str::FromStr>(&mut self, line: &mut Line, column: &str) -> Option<T> {
        let text = line.take(column)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.fault(line.number, column, format!("{:?} is not a whole number in range", shown(&text)));
        }
        number
    }

    fn line(&mut self, mut line: Line) {
        if line.cells.is_empty() {
            return;
        }
        let kind = line.take("kind");
        let Some(id) = line.take("id") else {
            return self.fault(line.number, "id", "is empty; every element needs an id".to_owned());
        };
        self.claim(&id, line.number, "id");
        match kind.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("host") => match HostId::new(id.as_str()) {
                Ok(id) => self.host(id, line),
                Err(error) => self.invalid(line.number, "id", &id, &error),
            },
            Some("vm") => match VmId::new(id.as_str()) {
                Ok(id) => self.vm(id, line),
                Err(error) => self.invalid(line.number, "id", &id, &error),
            },
            other => {
                let other = shown(other.unwrap_or(""));
                self.fault(line.number, "kind", format!("{other:?} is not a kind; expected host or vm"));
            }
        }
    }

    fn host(&mut self, id: HostId, mut line: Line) {
        let mut host = Host::new(id);
        host.name = line.take("name");
        host.cluster = reference!(self, line, "cluster", ClusterId, Cluster, clusters);
        host.site = reference!(self, line, "site", SiteId, Site, sites);
        let (platform, release, train) = (line.take("platform"), line.take("release"), line.take("train"));
        if platform.is_none() && (release.is_some() || train.is_some()) {
            self.fault(
                line.number,
                "platform",
                "is empty; a release or train says nothing without its product".to_owned(),
            );
        }
        if let Some(platform) = platform {
            let family = Family::from_name(&platform);
            let mut platform = crate::release::platform(family.clone(), release.as_deref());
            platform.train = train.or(platform.train);
            if let (Family::Esxi, Some(version)) = (&family, release) {
                host.components = Some(ComponentSet {
                    family: Some(family),
                    train: platform.train.clone(),
                    components: vec![Component::new("esxi", version, ComponentKind::Product)],
                    extra: Extra::new(),
                });
            }
            host.platform = Some(platform);
        }
        let (vcpus, memory_mib) = (self.number(&mut line, "vcpus"), self.number(&mut line, "memory_mib"));
        if vcpus.is_some() || memory_mib.is_some() {
            host.capacity = Some(Capacity { vcpus, memory_mib, ..Capacity::default() });
        }
        host.vendor = line.take("vendor");
        host.model = line.take("model");
        host.firmware = line.take("firmware");
        host.kernel_release = line.take("kernel_release");
        line.keep_rest(&mut host.extra, HOST_FIELDS);
        self.fleet.hosts.push(host);
    }

    fn vm(&mut self, id: VmId, mut line: Line) {
        let mut vm = Vm::new(id);
        vm.name = line.take("name");
        vm.cluster = reference!(self, line, "cluster", ClusterId, Cluster, clusters);
        vm.tenant = reference!(self, line, "tenant", TenantId, Tenant, tenants);
        vm.image = reference!(self, line, "image", ImageId, Image, images);
        if let Some(host) = line.take("host") {
            match HostId::new(host.as_str()) {
                Ok(id) => vm.host = Some(id),
                Err(error) => self.invalid(line.number, "host", &host, &error),
            }
        }
        vm.vcpus = self.number(&mut line, "vcpus");
        vm.memory_mib = self.number(&mut line, "memory_mib");
        vm.guest_os = line.take("guest_os").map(Into::into);
        vm.machine_type = line.take("machine_type").map(Into::into);
        if let Some(power) = line.take("power") {
            vm.power = match power.to_ascii_lowercase().as_str() {
                "on" | "poweredon" | "running" => Some(PowerState::On),
                "off" | "poweredoff" => Some(PowerState::Off),
                "suspended" => Some(PowerState::Suspended),
                _ => {
                    self.fault(
                        line.number,
                        "power",
                        format!("{:?} is not on, off or suspended", shown(&power)),
                    );
                    None
                }
            };
        }
        // Kept aside until every host of the table is known, with the line for the fault.
        vm.extra.insert(LINE.to_owned(), Value::from(line.number));
        line.keep_rest(&mut vm.extra, VM_FIELDS);
        self.fleet.vms.push(vm);
    }

    /// VMs may stand above their host in the table, so hosts are looked up at the end.
    fn check_hosts(&mut self) {
        let hosts: BTreeMap<&HostId, Option<&ClusterId>> =
            self.fleet.hosts.iter().map(|host| (&host.id, host.cluster.as_ref())).collect();
        let mut faults = Vec::new();
        for vm in &mut self.fleet.vms {
            let line = vm.extra.remove(LINE).and_then(|line| line.as_u64()).unwrap_or_default();
            let Some(host) = &vm.host else { continue };
            let Some(cluster) = hosts.get(host) else {
                let reason =
                    format!("{:?} is no host of this table; add a line of kind host", shown(host.as_str()));
                faults.push(Fault { line, column: "host".to_owned(), reason });
                continue;
            };
            // A guest is where its host is: no fleet file says otherwise.
            if let (Some(told), Some(real)) = (&vm.cluster, cluster)
                && told != *real
            {
                let (told, real, host) = (shown(told.as_str()), shown(real.as_str()), shown(host.as_str()));
                let reason = format!(
                    "{told:?} is not {real:?}, the cluster of its host {host:?}; leave the cell empty"
                );
                faults.push(Fault { line, column: "cluster".to_owned(), reason });
            }
        }
        self.faults.extend(faults);
    }
}

/// A key that no header can have, since headers are trimmed.
const LINE: &str = " line ";

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Collected, ReadError> {
        read(text.as_bytes(), "t.csv", "2026-08-22T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn hosts_and_vms() {
        let text = "\u{feff}ID,Kind,name,cluster,platform,release,host,tenant,image,vcpus,memory_mib,power,rack,role\n\
                    v1,vm,\"web, 1\",c1,,,h1,t1,golden,4,8192,on,,db\n\
                    h1,host,,c1,esxi,VMware ESXi 8.0.3 build-24585383,,,,64,524288,,R7,\n";
        let fleet = table(text).unwrap().fleet;
        let (host, vm) = (&fleet.hosts[0], &fleet.vms[0]);
        assert_eq!(host.platform.as_ref().unwrap().train.as_deref(), Some("8.0U3"));
        assert_eq!(host.components.as_ref().unwrap().components[0].name, "esxi");
        assert_eq!((host.extra["rack"].as_str(), host.capacity.unwrap().vcpus), (Some("R7"), Some(64)));
        assert_eq!((vm.name.as_deref(), vm.vcpus, vm.power), (Some("web, 1"), Some(4), Some(PowerState::On)));
        assert_eq!(vm.extra.keys().collect::<Vec<_>>(), ["column:role"]);
        assert_eq!((fleet.clusters.len(), fleet.tenants.len(), fleet.images.len()), (1, 1, 1));
        let text = serde_json::to_string(&fleet).unwrap();
        assert_eq!(serde_json::from_str::<Fleet>(&text).unwrap(), fleet);
    }

    #[test]
    fn all_faults_at_once() {
        let text =
            "kind,id,vcpus,power,host,release\nvm,a,many,maybe,h9,\nrouter,b,,,,\nhost,a,,,,8.0\nvm,,1,,,\n";
        let faults = table(text).unwrap_err().faults;
        let places: Vec<(u64, &str)> = faults.iter().map(|f| (f.line, f.column.as_str())).collect();
        let expected =
            [(2, "vcpus"), (2, "power"), (2, "host"), (3, "kind"), (4, "id"), (4, "platform"), (5, "id")];
        assert_eq!(places, expected);
        assert!(faults[0].reason.contains("\"many\""));
    }

    #[test]
    fn a_guest_is_in_the_cluster_of_its_host() {
        let error =
            table("kind,id,host,cluster\nhost,h1,,c1\nhost,h2,,\nvm,v1,h1,c1\nvm,v2,h1,c2\nvm,v3,h2,c2\n")
                .unwrap_err();
        let told: Vec<String> = error.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                r#"line 5, column cluster: "c2" is not "c1", the cluster of its host "h1"; leave the cell empty"#
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_table() {
        assert_eq!(table("").unwrap_err().faults.len(), 2);
        assert!(
            read(b"kind,id\nhost,\xff\xfe\n", "t.csv", Timestamp::UNIX_EPOCH)
                .unwrap_err()
                .to_string()
                .contains("line 2")
        );
        let faults = table("kind,id\nhost,a,b\n").unwrap_err().faults;
        assert!(faults[0].reason.contains("3 cells"));
    }
}
