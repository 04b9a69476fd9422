//! Installed packages, from whichever package manager the machine has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, Install};

use super::os::OperatingSystem;
use super::probe::Probe;
use super::{dpkg, rpm};

/// Which package manager keeps the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Dpkg,
    Rpm,
}

/// The packages of a machine.
#[derive(Debug, Default)]
pub(super) struct Packages {
    /// `None`: no package list could be read, so nothing may be concluded from a package's absence.
    pub(super) manager: Option<Manager>,
    /// Every package that has left at least its configuration.
    pub(super) components: Vec<Component>,
    /// When each was unpacked, by position in `components`, where the list itself tells (rpm).
    pub(super) installed_at: BTreeMap<usize, Timestamp>,
}

impl Packages {
    /// The first installed package of this name.
    pub(super) fn installed(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|c| c.name == name && c.install == Install::Installed)
    }

    /// The name that facts use for the project behind a package: its source package.
    pub(super) fn source_name(component: &Component) -> &str {
        component.source.as_ref().map_or(&component.name, |source| &source.name)
    }

    /// The installed package that owns a program.
    pub(super) fn owner(&self, probe: &mut Probe<'_>, path: &str) -> Option<usize> {
        match self.manager? {
            Manager::Dpkg => dpkg::owner(probe, &self.components, path),
            Manager::Rpm => {
                let answer = probe.command("rpm", &["-qf", "--queryformat", "%{NAME}\\n", path]).ok()?;
                let name = answer.lines().next()?;
                self.components.iter().position(|c| c.name == name)
            }
        }
    }

    /// When a package was last unpacked.
    pub(super) fn unpacked_at(&self, probe: &Probe<'_>, position: usize) -> Option<Timestamp> {
        if let Some(at) = self.installed_at.get(&position) {
            return Some(*at);
        }
        match self.manager? {
            Manager::Dpkg => dpkg::unpacked_at(probe, self.components.get(position)?),
            Manager::Rpm => None,
        }
    }

    /// The version of a package that something started at `since` runs on: the installed one, if it was unpacked
    /// before and is the only one of its name. Otherwise nobody can tell from here.
    pub(super) fn version_since(
        &self,
        probe: &Probe<'_>,
        position: usize,
        since: Timestamp,
    ) -> Option<String> {
        let component = self.components.get(position)?;
        let same = |other: &&Component| other.name == component.name && other.version != component.version;
        if self.components.iter().any(|other| same(&other)) {
            return None;
        }
        (self.unpacked_at(probe, position)? <= since).then(|| component.version.clone())
    }
}

/// Reads the package list. The operating system decides which one counts: an RPM system may have the dpkg tools.
pub(super) fn read(probe: &mut Probe<'_>, os: &OperatingSystem) -> Packages {
    let rpm_first = matches!(
        os.family,
        Some(
            Family::AlmaLinux
                | Family::RedHat
                | Family::Rocky
                | Family::OracleLinux
                | Family::CentOs
                | Family::XcpNg
                | Family::XenServer
        )
    );
    let order = if rpm_first { [Manager::Rpm, Manager::Dpkg] } else { [Manager::Dpkg, Manager::Rpm] };
    for manager in order {
        let found = match manager {
            Manager::Dpkg => dpkg::read(probe, os),
            Manager::Rpm => rpm::read(probe, os),
        };
        if let Some(packages) = found {
            return packages;
        }
    }
    probe.note("packages", "no dpkg or rpm database could be read: installed software is unknown");
    Packages::default()
}
