//! Ganeti's text format (`hroller -t FILE`), with the flags of `hroller`.

use rustc_hash::FxHashMap;
use underpin_model::fleet::{
    Fleet, NonRedundant, Planning, PowerState, RebootGroups, RebootHost, RebootVm, Seen,
};
use underpin_model::id::ClusterId;

use super::{InstanceError, Names, cluster, host, plannable, too_many, vm};

/// Disk templates that take space of the node itself; others are on shared storage, or none.
const LOCAL_DISK: &[&str] = &["drbd", "plain", "file"];

/// Reads a cluster. `flags` are those of `hroller`, separated by spaces; names are unique only by line.
///
/// # Errors
/// The line that is wrong, or the flag that is not known.
pub fn ganeti(text: &str, name: &str, flags: &str, seen: Seen) -> Result<Fleet, InstanceError> {
    let flags = Flags::parse(flags)?;
    let mut reader = Reader {
        fleet: Fleet::new(name, seen),
        names: Names::default(),
        groups: FxHashMap::default(),
        nodes: FxHashMap::default(),
        model: RebootGroups {
            offline_maintenance: flags.offline_maintenance,
            full_evacuation: flags.full_evacuation,
            first_group_only: flags.one_step_only,
            non_redundant: flags.non_redundant,
            ..RebootGroups::default()
        },
        flags,
    };
    let mut section = 0;
    for (at, line) in text.lines().enumerate() {
        let row = Row { line: at + 1, fields: line.split('|').collect() };
        match section {
            _ if line.is_empty() => section += 1,
            0 => reader.group(&row)?,
            1 => reader.node(&row)?,
            2 => reader.instance(&row)?,
            // Cluster tags and policies say nothing about groups of nodes.
            _ => break,
        }
    }
    if section < 2 {
        let found = format!("{section} empty lines");
        return Err(InstanceError::new(
            "the file",
            found,
            "groups, nodes and instances with an empty line between",
        ));
    }
    for node in &reader.flags.offline {
        if !reader.nodes.contains_key(node) {
            return Err(InstanceError::new("flag -O", node, "the name of a node"));
        }
    }
    reader.fleet.planning = Some(Planning { reboot_groups: Some(reader.model), ..Planning::default() });
    Ok(plannable(reader.fleet))
}

/// The flags that change the groups.
#[derive(Default)]
struct Flags {
    offline_maintenance: bool,
    full_evacuation: bool,
    one_step_only: bool,
    non_redundant: NonRedundant,
    tags: Vec<String>,
    offline: Vec<String>,
    group: Option<String>,
}

impl Flags {
    fn parse(text: &str) -> Result<Self, InstanceError> {
        let mut flags = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let (flag, joined) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (word, None),
            };
            let value = |words: &mut std::str::SplitWhitespace<'_>| {
                joined
                    .or_else(|| words.next())
                    .map(ToOwned::to_owned)
                    .ok_or_else(|| InstanceError::new("the flags", word, format!("a value after {flag}")))
            };
            match flag {
                "--offline-maintenance" => flags.offline_maintenance = true,
                "--full-evacuation" => flags.full_evacuation = true,
                "--one-step-only" => flags.one_step_only = true,
                "--ignore-non-redundant" => flags.non_redundant = NonRedundant::Ignore,
                "--skip-non-redundant" => flags.non_redundant = NonRedundant::Skip,
                "--node-tags" => flags.tags.extend(value(&mut words)?.split(',').map(ToOwned::to_owned)),
                "-O" | "--offline" => flags.offline.push(value(&mut words)?),
                "-G" | "--group" => flags.group = Some(value(&mut words)?),
                // What they change is how the peer prints, or what it insists on.
                "--print-moves" | "--no-headers" | "--force" | "-f" => {}
                _ => {
                    let known = "--offline-maintenance, --full-evacuation, --one-step-only, --ignore-non-redundant, \
                                 --skip-non-redundant, --node-tags, -O, -G, --print-moves, --no-headers or --force";
                    return Err(InstanceError::new("the flags", word, known));
                }
            }
        }
        Ok(flags)
    }
}

struct Row<'t> {
    line: usize,
    fields: Vec<&'t str>,
}

impl<'t> Row<'t> {
    fn text(&self, at: usize, what: &str) -> Result<&'t str, InstanceError> {
        let field = self.fields.get(at).copied().filter(|it| !it.is_empty());
        field.ok_or_else(|| self.wrong(self.fields.get(at).copied().unwrap_or("no such column"), what))
    }

    fn number(&self, at: usize, what: &str) -> Result<u64, InstanceError> {
        let field = self.text(at, what)?;
        let value = field.parse().ok().filter(|it| *it <= 1 << 40);
        value.ok_or_else(|| self.wrong(field, &format!("{what}: a number of at most 2^40")))
    }

    fn wrong(&self, found: &str, expected: &str) -> InstanceError {
        InstanceError::new(format!("line {}", self.line), found, expected)
    }
}

struct Reader {
    fleet: Fleet,
    names: Names,
    /// Id of each group's cluster and whether it is asked for, by uuid.
    groups: FxHashMap<String, (ClusterId, bool)>,
    /// Position of each node by its name.
    nodes: FxHashMap<String, usize>,
    model: RebootGroups,
    flags: Flags,
}

impl Reader {
    fn group(&mut self, row: &Row<'_>) -> Result<(), InstanceError> {
        let (name, uuid) = (row.text(0, "the name of a group")?, row.text(1, "the uuid of a group")?);
        let id = cluster(&mut self.fleet, &self.names.unique(name, row.line))?;
        let wanted = self.flags.group.as_deref().is_none_or(|it| it == name || it == uuid);
        if self.groups.insert(uuid.to_owned(), (id, wanted)).is_some() {
            return Err(row.wrong(uuid, "each group once"));
        }
        Ok(())
    }

    fn node(&mut self, row: &Row<'_>) -> Result<(), InstanceError> {
        too_many("nodes", self.fleet.hosts.len() + 1)?;
        let name = row.text(0, "the name of a node")?;
        let role = row.text(7, "the role of a node")?;
        if !matches!(role, "Y" | "N" | "M") {
            return Err(row.wrong(role, "a role: Y offline, N online, M master"));
        }
        let uuid = row.text(8, "the uuid of a group")?;
        let Some((pool, wanted)) = self.groups.get(uuid).cloned() else {
            return Err(row.wrong(uuid, "the uuid of a group of this file"));
        };
        let offline = role == "Y" || self.flags.offline.iter().any(|it| it == name);
        // A node that is off does not tell its figures.
        let amount = |at: usize, what: &str| {
            row.number(at, what).or_else(|error| if role == "Y" { Ok(0) } else { Err(error) })
        };
        let (total, own) = (amount(1, "total memory")?, amount(2, "memory of the node itself")?);
        let (free_memory_mib, free_disk_mib) = (amount(3, "free memory")?, amount(5, "free disk")?);
        let cores = u32::try_from(amount(6, "cores")?).ok();
        let mut host =
            host(&self.names.unique(name, row.line), &pool, cores, Some(total.saturating_sub(own)))?;
        host.maintenance = offline.then_some(true);
        let tags = row.fields.get(10).copied().unwrap_or_default();
        let tagged = self.flags.tags.is_empty()
            || tags.split(',').any(|tag| self.flags.tags.iter().any(|it| it == tag));
        self.model.hosts.push(RebootHost {
            id: host.id.clone(),
            free_memory_mib,
            free_disk_mib,
            left_out: !(wanted && tagged),
            last: role == "M",
        });
        if self.nodes.insert(name.to_owned(), self.fleet.hosts.len()).is_some() {
            return Err(row.wrong(name, "each node once"));
        }
        self.fleet.hosts.push(host);
        Ok(())
    }

    fn instance(&mut self, row: &Row<'_>) -> Result<(), InstanceError> {
        too_many("instances", self.fleet.vms.len() + 1)?;
        let name = row.text(0, "the name of an instance")?;
        let primary = self.node_named(row, row.text(6, "the primary node")?)?;
        let secondary = row.fields.get(7).copied().filter(|it| !it.is_empty());
        let secondary = secondary.map(|it| self.node_named(row, it)).transpose()?;
        let template = row.fields.get(8).copied().unwrap_or_default();
        let disk_mib = row.number(2, "disk")?;
        let Some(on) = self.fleet.hosts.get(primary) else { return Ok(()) };
        let Some(pool) = on.cluster.clone() else { return Ok(()) };
        let mut vm = vm(&self.names.unique(name, row.line), Some(on), &pool)?;
        let memory_mib = row.number(1, "memory")?;
        vm.memory_mib = Some(memory_mib);
        vm.vcpus = u32::try_from(row.number(3, "vCPUs")?).ok();
        vm.power = Some(PowerState::On);
        self.model.vms.push(RebootVm {
            id: vm.id.clone(),
            memory_mib,
            disk_mib: if LOCAL_DISK.contains(&template) { disk_mib } else { 0 },
            secondary: secondary.and_then(|at| self.fleet.hosts.get(at)).map(|it| it.id.clone()),
        });
        self.fleet.vms.push(vm);
        Ok(())
    }

    fn node_named(&self, row: &Row<'_>, name: &str) -> Result<usize, InstanceError> {
        self.nodes.get(name).copied().ok_or_else(|| row.wrong(name, "the name of a node of this file"))
    }
}
