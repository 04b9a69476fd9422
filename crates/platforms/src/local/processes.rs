//! Running programs, from `/proc`.

use std::collections::BTreeMap;

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};

use super::probe::Probe;

/// A running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Path of the program; `None`: not readable.
    pub(super) exe: Option<String>,
    /// The program's file was replaced or removed since it was started.
    pub(super) replaced: bool,
    /// The name that the process gives itself (cut to 15 bytes by the kernel).
    pub(super) comm: String,
    pub(super) arguments: Vec<String>,
    pub(super) started: Option<Timestamp>,
}

impl Process {
    /// The program as people call it: scripts run under an interpreter and name themselves.
    pub(super) fn program(&self) -> &str {
        let exe = self.exe.as_deref().and_then(|exe| exe.rsplit('/').next());
        match exe {
            Some(exe) if !INTERPRETERS.iter().any(|name| exe.starts_with(name)) => exe,
            _ => &self.comm,
        }
    }

    /// It is a QEMU that carries a guest.
    pub(super) fn is_qemu(&self) -> bool {
        let name = self.program();
        (name.starts_with("qemu-system-") || name == "qemu-kvm" || name == "kvm")
            && !self.arguments.is_empty()
    }

    /// The value after an option of its command line.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let at = self.arguments.iter().position(|argument| argument == name)?;
        self.arguments.get(at + 1).map(String::as_str)
    }
}

const INTERPRETERS: &[&str] = &["perl", "python", "ruby", "node", "java", "bash", "dash"];

/// Ticks per second in `/proc/PID/stat`: the same on every architecture that Linux virtualizes.
const USER_HZ: i64 = 100;

/// All processes; `None`: `/proc` cannot be read.
pub(super) fn read(probe: &mut Probe<'_>, booted_at: Option<Timestamp>) -> Option<Vec<Process>> {
    let names = probe.names("/proc")?;
    let mut hidden = 0;
    let mut processes = Vec::new();
    for pid in names.iter().filter_map(|name| name.parse::<u32>().ok()) {
        // A process may end at any moment: what is gone is left out.
        let Some(comm) = probe.line(&format!("/proc/{pid}/comm")) else { continue };
        let exe = match fs::read_link(probe.root.at(&format!("/proc/{pid}/exe"))) {
            Ok(path) => Some(path.to_string_lossy().into_owned()),
            Err(error) => {
                hidden += u32::from(error.kind() == std::io::ErrorKind::PermissionDenied);
                None
            }
        };
        let replaced = exe.as_deref().is_some_and(|exe| exe.ends_with(" (deleted)"));
        let exe = exe.map(|exe| exe.trim_end_matches(" (deleted)").to_owned());
        let line = probe.text(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = line.split('\0').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let stat = probe.text(&format!("/proc/{pid}/stat")).unwrap_or_default();
        let started = started(&stat, booted_at);
        processes.push(Process { pid, exe, replaced, comm, arguments, started });
    }
    if hidden > 0 {
        probe.note("/proc/*/exe", format!("no permission to see the program of {hidden} processes"));
    }
    Some(processes)
}

/// Field 22 of `stat`, counted after the name in parentheses, which may itself hold spaces and parentheses.
fn started(stat: &str, booted_at: Option<Timestamp>) -> Option<Timestamp> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: i64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    let since = SignedDuration::from_millis(ticks.checked_mul(1000 / USER_HZ)?);
    booted_at?.checked_add(since).ok()
}

/// Which program holds which socket, by inode. Where a service manager and the service hold it, the service counts.
pub(super) fn socket_owners(probe: &mut Probe<'_>, processes: &[Process]) -> BTreeMap<u64, String> {
    let mut owners: BTreeMap<u64, String> = BTreeMap::new();
    let mut hidden = 0;
    for process in processes {
        let folder = probe.root.at(&format!("/proc/{}/fd", process.pid));
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                hidden += u32::from(error.kind() == std::io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        for entry in entries.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let inode =
                target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode {
                let owner = owners.entry(inode).or_insert_with(|| process.program().to_owned());
                if owner == "systemd" {
                    process.program().clone_into(owner);
                }
            }
        }
    }
    if hidden > 0 {
        probe.note(
            "/proc/*/fd",
            format!("no permission for {hidden} processes: some listeners have no program"),
        );
    }
    owners
}
