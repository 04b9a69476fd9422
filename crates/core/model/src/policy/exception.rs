//! Which rules a named person may give leave to break, and where such leave can hold.

use super::Exception;
use super::read::Mistakes;
use crate::plan::Rule;

/// Where leave to break a rule can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// In whole clusters: the scope names clusters or management planes.
    Clusters,
    /// For guests: the scope names clusters, management planes or tenants.
    Guests,
    /// For hosts, by anything that finds them, or for guests, by clusters, planes, platforms and tenants; not by hosts and tenants at once.
    HostsOrGuests,
    /// Nowhere; what to do instead.
    Nowhere(&'static str),
}

impl Rule {
    /// Where an exception from the rule can hold: what is a limit of physics, somebody else's to decide, or said better elsewhere
    /// cannot be excepted.
    #[must_use]
    pub const fn leave(self) -> Leave {
        match self {
            Self::Restartability
            | Self::StorageRedundancy
            | Self::Degraded
            | Self::Apart
            | Self::Together
            | Self::OnHosts
            | Self::ReleaseDiversity => Leave::Clusters,
            Self::AllowedAction => Leave::Guests,
            Self::Window | Self::FreezeCalendar => Leave::HostsOrGuests,
            Self::MostAway => Leave::Nowhere("set the number in planning.most_away"),
            Self::RingOrder | Self::Soak => {
                Leave::Nowhere("set the soak of the ring, or plan with --emergency and planning.emergency")
            }
            Self::Consent => Leave::Nowhere("enter the owner's answer among the consents of the fleet file"),
            Self::Lock => Leave::Nowhere("end the lock"),
            Self::Controller => Leave::Nowhere("take the guest out of planning.controllers"),
            Self::Among => Leave::Nowhere("change planning.among in the fleet file"),
            Self::MigrationSlots | Self::MigrationBandwidth | Self::MigrationTime => {
                Leave::Nowhere("set what migrations get in planning.migration or the fleet file")
            }
            Self::StepTime => Leave::Nowhere(
                "set what the step takes in planning.durations, or the durations of the change",
            ),
            Self::ChangeOrder | Self::Method => Leave::Nowhere("say it in the change: `after`, `methods`"),
            Self::WellFormed
            | Self::Order
            | Self::Capacity
            | Self::Reach
            | Self::CpuFeatures
            | Self::Direction
            | Self::OccupiedHost
            | Self::Coverage
            | Self::FreezeThaw
            | Self::FinalState => Leave::Nowhere("nothing: a plan that breaks it cannot be carried out"),
        }
    }
}

/// What an exception may not be about.
pub(super) fn check(path: &str, exception: &Exception, mistakes: &mut Mistakes) {
    let leave = exception.rule.leave();
    if let Leave::Nowhere(instead) = leave {
        let can: Vec<&str> = Rule::ALL
            .iter()
            .filter(|it| !matches!(it.leave(), Leave::Nowhere(_)))
            .map(|it| it.name())
            .collect();
        mistakes.add(
            format!("{path}.rule"),
            format!("{:?}", exception.rule.name()),
            format!("one of the rules that can be excepted: {}; here, {instead}", can.join(", ")),
        );
        return;
    }
    let scope = &exception.scope;
    let named = [
        ("hosts", !scope.hosts.is_empty(), matches!(leave, Leave::HostsOrGuests)),
        ("tenants", !scope.tenants.is_empty(), matches!(leave, Leave::HostsOrGuests | Leave::Guests)),
        ("platforms", !scope.platforms.is_empty(), matches!(leave, Leave::HostsOrGuests)),
    ];
    for (key, there, may) in named {
        if there && !may {
            let by =
                if leave == Leave::Guests { "clusters, planes or tenants" } else { "clusters or planes" };
            let expected = format!("none: where {} does not hold is told by {by}", exception.rule.name());
            mistakes.add(format!("{path}.scope.{key}"), "names", expected);
        }
    }
    if !scope.hosts.is_empty() && !scope.tenants.is_empty() {
        let expected =
            "hosts or tenants: an exception is about hosts, or about guests wherever they are by then";
        mistakes.add(format!("{path}.scope"), "both hosts and tenants", expected);
    }
}
