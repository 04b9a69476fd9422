//! One open hole on one machine: by which way it is used, and what it takes.

use serde::Serialize;
use underpin_exposure::report::Area;
use underpin_model::cvss::{self, AttackVector, Effects, Loss};
use underpin_model::policy::AttackPath;

use crate::portfolio::Impact;
use crate::span::Span;

/// Share of a property that a `low` of CVSS takes. A judgement: CVSS gives no number.
pub const LOW_SHARE: f64 = 0.5;

/// Share of a hole's impact that reaches the guests when the software that has it is no part of the hypervisor and CVSS
/// says that nothing beyond the software is hit: it takes a further step from there. A judgement.
pub const ORDINARY_SHARE: f64 = 0.5;

/// The way by which a hole is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Over a network, to the machine's software.
    Network,
    /// The same, by who has an account there.
    NetworkAccount,
    /// Over a network, to its management controller.
    Controller,
    /// The same, by who has an account there.
    ControllerAccount,
    /// From the same network segment.
    Beside,
    /// From inside a guest.
    Guest,
    /// With an account on the machine.
    Account,
    /// By touching it.
    Touch,
    /// No vector is known: any of the others.
    Unknown,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 9] = [
        Self::Network,
        Self::NetworkAccount,
        Self::Controller,
        Self::ControllerAccount,
        Self::Beside,
        Self::Guest,
        Self::Account,
        Self::Touch,
        Self::Unknown,
    ];

    /// What a hole of no known way may be. Ways with an account are left out: they are harder than those without, and what it
    /// takes to have one is not known either.
    pub(super) const OTHERS: [Self; 6] =
        [Self::Network, Self::Controller, Self::Beside, Self::Guest, Self::Account, Self::Touch];

    /// The way of a hole in an area of the platform.
    ///
    /// A local hole is used from inside a guest where it is in the hypervisor or its emulation, and where it is in the kernel
    /// or in firmware (a processor) and CVSS says that its scope changes; otherwise with an account.
    #[must_use]
    pub fn of(area: Area, effects: Option<&Effects>) -> Self {
        let Some(effects) = effects else { return Self::Unknown };
        match (effects.attack, area) {
            (AttackVector::Network, Area::Firmware) if effects.account => Self::ControllerAccount,
            (AttackVector::Network, Area::Firmware) => Self::Controller,
            (AttackVector::Network, _) if effects.account => Self::NetworkAccount,
            (AttackVector::Network, _) => Self::Network,
            (AttackVector::Adjacent, _) => Self::Beside,
            (AttackVector::Local, Area::VmmCore | Area::DeviceEmulation) => Self::Guest,
            (AttackVector::Local, Area::Kernel | Area::Firmware) if effects.scope_changed => Self::Guest,
            (AttackVector::Local, _) => Self::Account,
            (AttackVector::Physical, _) => Self::Touch,
        }
    }

    /// The path that a control must stand on to close it. None closes a way that is not known.
    #[must_use]
    pub fn path(self) -> Option<AttackPath> {
        match self {
            Self::Network
            | Self::NetworkAccount
            | Self::Controller
            | Self::ControllerAccount
            | Self::Beside => Some(AttackPath::Network),
            Self::Guest => Some(AttackPath::Guest),
            Self::Account | Self::Touch => Some(AttackPath::Local),
            Self::Unknown => None,
        }
    }
}

/// The effects of a vector; `None` where it is none that can be read.
#[must_use]
pub fn effects(vector: &str) -> Option<Effects> {
    cvss::effects(vector).ok()
}

const HALF: Impact = Impact { confidentiality: 0.5, integrity: 0.5, availability: 0.5, host_down: 0.0 };

/// What the use of a hole on a host costs what stands on it. Without a vector half of everything, of a range from nothing
/// to all.
#[must_use]
pub fn impact(area: Area, effects: Option<&Effects>) -> Impact {
    let Some(it) = effects else {
        return HALF;
    };
    let share = if reaches_guests(area, it) { 1.0 } else { ORDINARY_SHARE };
    Impact {
        confidentiality: share * level(it.confidentiality),
        integrity: share * level(it.integrity),
        availability: share * level(it.availability),
        host_down: 0.0,
    }
}

/// How far a hole in a management plane gives control of what the plane manages: as its integrity is lost; half as much where
/// only confidentiality is (credentials). Taking a plane away takes no host. A judgement.
#[must_use]
pub fn gives_control(effects: Option<&Effects>) -> Span {
    let Some(it) = effects else { return Span::UNKNOWN_SHARE };
    Span::exactly(level(it.integrity).max(0.5 * level(it.confidentiality)))
}

fn level(loss: Loss) -> f64 {
    match loss {
        Loss::None => 0.0,
        Loss::Low => LOW_SHARE,
        Loss::High => 1.0,
    }
}

/// The hypervisor, its kernel, emulation, network, firmware and management hold the guests in their hands.
fn reaches_guests(area: Area, effects: &Effects) -> bool {
    effects.scope_changed || !matches!(area, Area::GuestTools | Area::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vector: &str) -> Effects {
        effects(vector).unwrap()
    }

    #[test]
    fn the_way_follows_vector_area_and_scope() {
        let local = read("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H");
        let escape = read("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H");
        let network = read("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
        let account = read("CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H");
        for (area, effects, way) in [
            (Area::VmmCore, &local, Way::Guest),
            (Area::DeviceEmulation, &local, Way::Guest),
            (Area::Kernel, &local, Way::Account),
            (Area::Kernel, &escape, Way::Guest),
            (Area::Firmware, &escape, Way::Guest),
            (Area::Other, &escape, Way::Account),
            (Area::VmmCore, &network, Way::Network),
            (Area::Firmware, &network, Way::Controller),
            (Area::VmmCore, &account, Way::NetworkAccount),
            (Area::Firmware, &account, Way::ControllerAccount),
        ] {
            assert_eq!(Way::of(area, Some(effects)), way, "{area:?}");
        }
        assert_eq!(Way::of(Area::Kernel, Some(&read("AV:A/AC:L/Au:N/C:P/I:P/A:P"))), Way::Beside);
        assert_eq!(Way::of(Area::Kernel, None), Way::Unknown);
    }

    #[test]
    fn the_impact_is_of_what_stands_on_the_host() {
        let of = |area, vector| {
            let it = impact(area, Some(&read(vector)));
            (it.confidentiality, it.integrity, it.availability)
        };
        let unchanged = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:L/A:N";
        assert_eq!(of(Area::VmmCore, unchanged), (1.0, 0.5, 0.0));
        assert_eq!(of(Area::Other, unchanged), (0.5, 0.25, 0.0));
        assert_eq!(of(Area::Other, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:L/A:N"), (1.0, 0.5, 0.0));
        assert_eq!(impact(Area::Other, None), HALF);
    }

    #[test]
    fn taking_a_plane_away_gives_no_control() {
        let of = |vector| gives_control(Some(&read(vector))).value;
        assert_eq!(of("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"), 0.0);
        assert_eq!(of("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H"), 0.5);
        assert_eq!(of("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), 1.0);
        assert_eq!(gives_control(None), Span::UNKNOWN_SHARE);
    }
}
