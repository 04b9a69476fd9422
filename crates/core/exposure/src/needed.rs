//! Whether a fix is needed on the asset that it is for: is what it repairs used there at all?
//!
//! A fix that is not needed stays in the report with its status: the code is installed and may be started tomorrow. Only
//! facts of the fleet decide; where they are silent the answer is unknown.

use underpin_model::facts::Family;
use underpin_model::fleet::{ComponentKind, VirtualizationRole};

use crate::item::Item;
use crate::report::{Area, Needed};

/// What an asset does with its components, as far as it decides whether a fix is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Use {
    /// The platform of the host; `None`: not known, or no host.
    pub(crate) platform: Option<Family>,
    pub(crate) role: Option<VirtualizationRole>,
    /// Somebody looked at what runs: what is not named does not run.
    pub(crate) looked: bool,
    /// The kernel runs under Xen.
    pub(crate) xen_runs: bool,
    /// Live guests stand on the host; `None`: no host, or nobody listed guests.
    pub(crate) live_guests: Option<bool>,
}

/// Whether the fix of an item is needed. `on_guest`: the item is what a live guest runs in.
pub(crate) fn needed(item: &Item<'_>, on_guest: bool) -> Needed {
    let yes = |why: &str| Needed::Yes { why: why.to_owned() };
    let no = |why: &str| Needed::No { why: why.to_owned() };
    let unknown = |why: &str| Needed::Unknown { why: why.to_owned() };
    if on_guest {
        return yes("the guest runs in it");
    }
    if item.kind == ComponentKind::Microcode {
        return yes("it is for the processor of this host");
    }
    // What runs is told by source package: QEMU on a host is no sign of the agent that comes with it.
    if let Some(running) = item.running.filter(|_| item.area != Area::GuestTools) {
        return Needed::Yes { why: format!("{running} runs") };
    }
    let used = &item.used;
    let is_xen = item.source.as_ref().map_or(item.name, |(source, _)| source) == "xen";
    if is_xen && !used.xen_runs {
        return match &used.platform {
            Some(Family::Xen | Family::XcpNg | Family::XenServer) => yes("the platform of this host is Xen"),
            Some(platform) if used.looked => {
                Needed::No { why: format!("the platform of this host is {platform}, and Xen does not run") }
            }
            _ => unknown("it is not known whether this host runs Xen"),
        };
    }
    match item.area {
        Area::DeviceEmulation => match (item.guests.is_empty(), used.live_guests) {
            (false, _) | (_, Some(true)) => yes("live guests stand on this host"),
            (true, Some(false)) => no("it is installed, and no guest runs on this host"),
            (true, None) => unknown("it is not known whether guests run on it"),
        },
        Area::Management if item.name.starts_with("libvirt") => {
            if used.looked && used.live_guests == Some(false) {
                no("libvirt does not run, and no guest stands on this host")
            } else {
                unknown("it is not known whether libvirt runs")
            }
        }
        Area::GuestTools => match used.role {
            Some(VirtualizationRole::Host | VirtualizationRole::BareMetal) => {
                no("guest tools are used in guests, and this host is none")
            }
            Some(VirtualizationRole::Guest | VirtualizationRole::NestedHost) => yes("this host is a guest"),
            None => unknown("it is not known whether this is a guest"),
        },
        _ if item.kind == ComponentKind::Product => yes("it is what this asset is"),
        Area::Kernel => unknown("it is not known which kernel runs"),
        _ => unknown("it is not known whether it is used"),
    }
}

#[cfg(test)]
mod tests {
    use underpin_model::fleet::{Component, SourcePackage};

    use super::*;

    fn package(name: &str, source: &str) -> Component {
        let mut component = Component::new(name, "1.0-1", ComponentKind::Package);
        component.source = Some(SourcePackage { name: source.to_owned(), version: None });
        component
    }

    fn answer(component: &Component, used: Use, running: Option<&'static str>) -> &'static str {
        let mut item = Item::new(component, &Family::Debian, Some("bookworm"));
        item.used = used;
        item.running = running;
        match needed(&item, false) {
            Needed::Yes { .. } => "yes",
            Needed::No { .. } => "no",
            Needed::Unknown { .. } => "unknown",
        }
    }

    fn debian(looked: bool, live_guests: Option<bool>) -> Use {
        Use {
            platform: Some(Family::Debian),
            role: Some(VirtualizationRole::Host),
            looked,
            xen_runs: false,
            live_guests,
        }
    }

    #[test]
    fn an_emulator_is_needed_where_guests_live() {
        let qemu = package("qemu-system-x86", "qemu");
        assert_eq!(answer(&qemu, debian(true, Some(true)), None), "yes");
        assert_eq!(answer(&qemu, debian(true, Some(false)), None), "no");
        assert_eq!(answer(&qemu, debian(true, None), None), "unknown", "nobody listed guests");
        assert_eq!(answer(&qemu, debian(true, Some(false)), Some("1.0-1")), "yes", "it runs all the same");
        let item = Item::new(&qemu, &Family::Debian, Some("bookworm"));
        assert!(matches!(needed(&item, true), Needed::Yes { .. }));
    }

    #[test]
    fn libvirt_is_needed_where_it_runs() {
        let libvirt = package("libvirt-daemon", "libvirt");
        assert_eq!(answer(&libvirt, debian(true, Some(false)), Some("9.0.0-4")), "yes");
        assert_eq!(answer(&libvirt, debian(true, Some(false)), None), "no");
        assert_eq!(
            answer(&libvirt, debian(true, Some(true)), None),
            "unknown",
            "it may be started on demand"
        );
        assert_eq!(answer(&libvirt, debian(false, Some(false)), None), "unknown", "nobody looked");
    }

    #[test]
    fn xen_is_needed_where_it_is_the_platform() {
        let hypervisor = package("xen-hypervisor-4.17-amd64", "xen");
        assert_eq!(answer(&hypervisor, debian(true, None), None), "no");
        assert_eq!(answer(&hypervisor, debian(false, None), None), "unknown");
        assert_eq!(answer(&hypervisor, Use::default(), None), "unknown");
        assert_eq!(answer(&hypervisor, debian(true, None), Some("4.17")), "yes");
        let on_xcp = Use { platform: Some(Family::XcpNg), ..Use::default() };
        assert_eq!(answer(&package("xen-tools", "xen"), on_xcp, None), "yes");
    }

    #[test]
    fn guest_tools_are_needed_in_guests() {
        let agent = package("qemu-guest-agent", "qemu");
        let role = |role| Use { role, ..Use::default() };
        assert_eq!(answer(&agent, role(Some(VirtualizationRole::Host)), None), "no");
        assert_eq!(
            answer(&agent, role(Some(VirtualizationRole::Host)), Some("1:7.2")),
            "no",
            "QEMU itself runs"
        );
        assert_eq!(answer(&agent, role(Some(VirtualizationRole::NestedHost)), None), "yes");
        assert_eq!(answer(&agent, role(None), None), "unknown");
    }

    #[test]
    fn a_kernel_that_runs_and_the_microcode_of_the_processor_are_needed() {
        let kernel = package("linux-image-6.1.0-40-amd64", "linux");
        assert_eq!(answer(&kernel, Use::default(), Some("6.1.153-1")), "yes");
        assert_eq!(answer(&kernel, Use::default(), None), "unknown");
        let microcode = Component::new("microcode", "0x2007006", ComponentKind::Microcode);
        assert_eq!(answer(&microcode, Use::default(), None), "yes");
        assert_eq!(answer(&package("bash", "bash"), Use::default(), None), "unknown");
    }
}
