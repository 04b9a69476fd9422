//! Machines of which the parts that make their platform are not listed: nobody looked there, which is not the same as finding nothing.

use rustc_hash::FxHashMap;
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Component, ComponentKind, ComponentSet, Fleet, Host, Install, VirtualizationRole,
};
use underpin_model::id::ComponentSetId;

use crate::classify::{self, Carries};
use crate::report::{Area, AssetKind};

/// A product line and the train of it that a machine stands on, as far as it is known.
pub(crate) type Line<'f> = (&'f Family, Option<&'f str>);

/// Which of the parts that make a platform are not listed of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// Neither kernel nor hypervisor, and on a management plane nothing that makes it one.
    Both,
    /// The kernel: below KVM that of the host, below Xen that of dom0.
    Kernel,
    /// What runs the guests: Xen on Xen, elsewhere QEMU.
    Hypervisor,
}

impl Missing {
    pub(crate) const ALL: [Self; 3] = [Self::Both, Self::Kernel, Self::Hypervisor];

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Both => "kernel and hypervisor",
            Self::Kernel => "kernel",
            Self::Hypervisor => "hypervisor",
        }
    }

    /// Whether a hole in an area may be in what is missing.
    pub(crate) fn concerns(self, area: Area) -> bool {
        match self {
            Self::Both => true,
            Self::Kernel => area == Area::Kernel,
            Self::Hypervisor => matches!(area, Area::VmmCore | Area::DeviceEmulation),
        }
    }
}

/// Hosts of which kernel or hypervisor is not listed, and planes of which nothing is that makes them one: whatever else is listed of
/// them, a microcode or a shell, says nothing of these.
#[derive(Debug)]
pub struct Unseen<'f>(FxHashMap<(AssetKind, &'f str), (Missing, Option<Line<'f>>)>);

impl<'f> Unseen<'f> {
    /// Those of a fleet.
    #[must_use]
    pub fn of(fleet: &'f Fleet) -> Self {
        let mut sets = Sets { fleet, parts: FxHashMap::default() };
        let hosts = fleet.hosts.iter().filter_map(|it| {
            let line = it.platform.as_ref().map(|it| (&it.family, it.train.as_deref()));
            Some(((AssetKind::Host, it.id.as_str()), (sets.missing(it)?, line)))
        });
        let planes = fleet.management_planes.iter().filter_map(|it| {
            let sets = it.component_sets.iter().filter_map(|id| fleet.component_sets.get(id));
            let mut listed = sets.chain(it.components.as_ref()).flat_map(listed);
            let known =
                listed.any(|(component, family)| makes_plane(component, family.or(it.platform.as_ref())));
            let line = it.platform.as_ref().map(|it| (it, None));
            (!known).then_some(((AssetKind::ManagementPlane, it.id.as_str()), (Missing::Both, line)))
        });
        Self(hosts.chain(planes).collect())
    }

    /// What is not known of what makes a machine's platform; `None`: all is listed.
    #[must_use]
    pub fn of_machine(&self, kind: AssetKind, id: &str) -> Option<Missing> {
        self.0.get(&(kind, id)).map(|it| it.0)
    }

    /// What is missing on a machine of a known line.
    pub(crate) fn on_line(&self, kind: AssetKind, id: &str) -> Option<(Missing, Line<'f>)> {
        let (missing, line) = self.0.get(&(kind, id))?;
        Some((*missing, (*line)?))
    }

    /// What is missing on which lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Missing, Line<'f>)> {
        self.0.values().filter_map(|(missing, line)| Some((*missing, (*line)?)))
    }
}

/// What a list has installed, with the family that the component or the list names.
fn listed(set: &ComponentSet) -> impl Iterator<Item = (&Component, Option<&Family>)> {
    let all = set.components.iter().map(|it| (it, it.family.as_ref().or(set.family.as_ref())));
    all.filter(|(it, _)| it.install != Install::ConfigFiles)
}

/// The parts of a platform that a list has.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    /// Kernel and hypervisor in one: one build covers both of ESXi, Windows and XenServer; elsewhere each is a part of its own.
    whole: bool,
    kernel: bool,
    hypervisor: bool,
}

impl Parts {
    /// Those of a list on hosts of a family.
    fn of(set: &ComponentSet, family: Option<&Family>) -> Self {
        let mut parts = Self::default();
        for (component, of) in listed(set) {
            let of = of.or(family);
            parts.whole |= is_whole(component, of);
            match area(component, of) {
                Area::Kernel => parts.kernel |= carries_code(component),
                Area::VmmCore => parts.hypervisor = true,
                // What stands beside an emulator, a software TPM say, is none.
                Area::DeviceEmulation => {
                    parts.hypervisor |= !is_xen(family) && source(component).contains("qemu");
                }
                _ => {}
            }
        }
        parts
    }

    fn and(self, other: Self) -> Self {
        Self {
            whole: self.whole || other.whole,
            kernel: self.kernel || other.kernel,
            hypervisor: self.hypervisor || other.hypervisor,
        }
    }
}

/// Lists that hosts share: each is read once for a family.
struct Sets<'f> {
    fleet: &'f Fleet,
    parts: FxHashMap<(&'f ComponentSetId, Option<&'f Family>), Parts>,
}

impl<'f> Sets<'f> {
    /// What is not listed of a host.
    fn missing(&mut self, host: &'f Host) -> Option<Missing> {
        let family = host.platform.as_ref().map(|it| &it.family);
        let mut parts = host.components.as_ref().map_or_else(Parts::default, |it| Parts::of(it, family));
        for id in &host.component_sets {
            let Some(set) = self.fleet.component_sets.get(id) else { continue };
            let shared = self.parts.entry((id, family)).or_insert_with(|| Parts::of(set, family));
            parts = parts.and(*shared);
        }
        let needs_none = matches!(host.role, Some(VirtualizationRole::Guest | VirtualizationRole::BareMetal));
        match (parts.kernel, parts.hypervisor) {
            _ if parts.whole => None,
            (false, false) => Some(Missing::Both),
            (false, true) => Some(Missing::Kernel),
            (true, false) if !needs_none => Some(Missing::Hypervisor),
            (true, _) => None,
        }
    }
}

fn is_xen(family: Option<&Family>) -> bool {
    matches!(family, Some(Family::Xen | Family::XcpNg | Family::XenServer))
}

/// Whether a component is kernel and hypervisor in one.
fn is_whole(component: &Component, family: Option<&Family>) -> bool {
    match component.kind {
        ComponentKind::Update => family == Some(&Family::Windows),
        ComponentKind::Product => {
            matches!(family, Some(Family::Esxi | Family::Windows | Family::XenServer))
        }
        _ => false,
    }
}

/// Whether a component is of what makes a plane one: any product, what manages, or what makes a host one.
fn makes_plane(component: &Component, family: Option<&Family>) -> bool {
    component.kind == ComponentKind::Product
        || is_whole(component, family)
        || matches!(
            area(component, family),
            Area::VmmCore | Area::DeviceEmulation | Area::Kernel | Area::Management
        )
}

fn source(component: &Component) -> &str {
    component.source.as_ref().map_or(component.name.as_str(), |it| &it.name)
}

fn area(component: &Component, family: Option<&Family>) -> Area {
    let other = Family::Other("unknown".into());
    classify::area(family.unwrap_or(&other), component.kind, &component.name, source(component))
}

/// A package that only depends on the kernel says nothing of which one there is.
fn carries_code(component: &Component) -> bool {
    classify::carries(component.kind, &component.name, source(component)) == Carries::Code
}

#[cfg(test)]
mod tests {
    use underpin_model::fleet;

    use super::*;

    fn missing_of(platform: &str, components: &str) -> Option<Missing> {
        let text = format!(
            r#"{{"format": "underpin/fleet/1", "name": "f", "seen": {{"at": "2026-03-02T00:00:00Z", "by": "hand"}},
             "hosts": [{{"id": "h", {platform} "components": {{"components": [{components}]}}}}]}}"#
        );
        let fleet = fleet::read(text.as_bytes()).unwrap().fleet;
        Unseen::of(&fleet).of_machine(AssetKind::Host, "h")
    }

    fn package(name: &str, source: &str) -> String {
        format!(r#"{{"name": "{name}", "version": "1-1", "source": {{"name": "{source}"}}}}"#)
    }

    #[test]
    fn each_part_of_a_platform_is_known_by_its_own_component() {
        let kernel = package("linux-image-6.1.0-56-amd64", "linux-signed-amd64");
        let pve_kernel = package("proxmox-kernel-6.8.12-4-pve", "proxmox-kernel-6.8");
        let rpm_kernel = package("kernel-core", "kernel");
        let qemu = package("qemu-system-x86", "qemu");
        let pve_qemu = package("pve-qemu-kvm", "pve-qemu-kvm");
        let xen = package("xen-hypervisor", "xen");
        for (family, kernel, hypervisor) in [
            ("debian", &kernel, &qemu),
            ("debian", &kernel, &xen),
            ("proxmox", &pve_kernel, &pve_qemu),
            ("almalinux", &rpm_kernel, &package("qemu-kvm-core", "qemu-kvm")),
            ("xcp-ng", &rpm_kernel, &xen),
        ] {
            let of = |components: &str| {
                missing_of(&format!(r#""platform": {{"family": "{family}"}},"#), components)
            };
            assert_eq!(of(""), Some(Missing::Both), "{family}");
            assert_eq!(of(&package("bash", "bash")), Some(Missing::Both), "{family}");
            assert_eq!(of(kernel), Some(Missing::Hypervisor), "{family}");
            assert_eq!(of(hypervisor), Some(Missing::Kernel), "{family}");
            assert_eq!(of(&format!("{kernel}, {hypervisor}")), None, "{family}");
        }
    }

    #[test]
    fn one_build_is_kernel_and_hypervisor() {
        for (family, name) in
            [("esxi", "ESXi"), ("windows", "Windows Server 2022"), ("xenserver", "XenServer")]
        {
            let product = format!(r#"{{"name": "{name}", "version": "1", "kind": "product"}}"#);
            assert_eq!(
                missing_of(&format!(r#""platform": {{"family": "{family}"}},"#), &product),
                None,
                "{family}"
            );
        }
    }

    #[test]
    fn what_stands_beside_kernel_or_emulator_is_neither() {
        let debian = r#""platform": {"family": "debian"},"#;
        let kernel = package("linux-image-6.1.0-56-amd64", "linux");
        let tpm = package("swtpm", "swtpm");
        assert_eq!(missing_of(debian, &format!("{kernel}, {tpm}")), Some(Missing::Hypervisor));
        let (meta, qemu) =
            (package("linux-image-amd64", "linux-signed-amd64"), package("qemu-system-x86", "qemu"));
        assert_eq!(missing_of(debian, &format!("{meta}, {qemu}")), Some(Missing::Kernel));
        let removed =
            format!(r#"{}, "install": "config-files"}}"#, kernel.trim_end_matches('}').to_owned() + "}");
        assert_eq!(missing_of(debian, &format!("{removed}, {qemu}")), Some(Missing::Kernel));
        // The emulator of XCP-ng is not its hypervisor, and a machine that runs no guests needs none.
        let xcp = r#""platform": {"family": "xcp-ng"},"#;
        assert_eq!(missing_of(xcp, &package("qemu", "qemu")), Some(Missing::Both));
        let bare = format!(r#"{debian} "role": "bare-metal","#);
        assert_eq!(missing_of(&bare, &kernel), None);
        assert_eq!(missing_of(&bare, ""), Some(Missing::Both));
    }
}
