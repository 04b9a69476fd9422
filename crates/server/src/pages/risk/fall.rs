//! How the figures of a blast radius come about.

use maud::{Markup, html};
use underpin_risk::blast::Blast;
use underpin_risk::report::RiskReport;

use super::numbers::{amount, derived, lost};

/// What falls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fall {
    /// A management plane.
    Plane,
    /// A bad release on a class of hardware.
    Release,
    /// Underpin, through its own credentials.
    Underpin,
    /// A host.
    Host,
    /// Any common cause.
    Shock,
}

impl Fall {
    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plane => "management plane",
            Self::Release => "bad release",
            Self::Underpin => "Underpin",
            Self::Host => "host",
            Self::Shock => "common cause",
        }
    }

    /// What counts as within reach.
    fn within(self) -> &'static str {
        match self {
            Self::Plane => "Every host that the plane manages, by the clusters of the fleet.",
            Self::Release | Self::Underpin | Self::Shock => {
                "Every host that the cause can hit, by itself or through a management plane above it."
            }
            Self::Host => {
                "The host itself, and where a management plane runs on it every host that the plane manages."
            }
        }
    }

    /// The greatest loss.
    pub(super) fn greatest(self) -> &'static str {
        match self {
            Self::Plane => {
                "Sum over the hosts within reach: what stands on the host × the impact of the plane (what can be done to its guests from there)."
            }
            Self::Release | Self::Underpin | Self::Shock => {
                "Sum over the hosts within reach: what stands on the host × the greatest impact of the cause on it."
            }
            Self::Host => {
                "What stands on the host, all of it lost; for each host of a plane that runs on it, what stands there × the impact of the plane."
            }
        }
    }

    /// The mean loss, given that it falls.
    fn mean(self) -> Markup {
        let takes = html! { "parameter " (super::numbers::parameter(underpin_model::policy::Parameter::PlaneTakesHost)) };
        html! { @match self {
            Self::Plane => { "Greatest loss of each host × the probability that who has the plane takes the host (" (takes) "), summed." }
            Self::Release | Self::Underpin | Self::Shock => { "Sum over the hosts within reach: what stands on the host × the mean impact, given that the cause is there: the probability of a hit × its impact, and through planes also × the probability that the plane takes the host (" (takes) ")." }
            Self::Host => { "What stands on the host × the mean impact of its own causes ÷ the probability that any of them hits it; for each host of a plane that runs on it, × the probability that control of the host leads to that of the plane's host (" (takes) ")." }
        } }
    }

    /// The probability within the horizon.
    pub(super) fn probability(self) -> Markup {
        html! { @match self {
            Self::Plane => "1 − the product over its own causes of (1 − probability of the cause × hit given the cause), taken as independent.",
            Self::Host => "1 − the product over its own causes of (1 − probability of the cause × hit given the cause), taken as independent; without the planes above it.",
            Self::Release | Self::Underpin | Self::Shock => { "The probability of the cause within the horizon: its factors stand under " a href="#causes" { "common causes" } "." }
        } }
    }
}

/// Where losses are from.
pub(super) fn rates() -> Markup {
    html! { "What stands on a host: the losses of its guests and their data by the " a href="/policy" { "rates of the policy" } "." }
}

/// A number of hosts, guests or tenants within reach.
pub(super) fn reach(count: String, fall: Fall) -> Markup {
    derived(
        &count,
        &html! { (fall.within()) " Guests and tenants are those with a VM on one of them, by the fleet; VMs of no known tenant count as one tenant." },
    )
}

/// The mean loss, given that it falls, as a share of the greatest.
pub(super) fn mean_loss(report: &RiskReport, blast: &Blast, fall: Fall) -> Markup {
    let of = (blast.greatest_loss > 0.0).then(|| {
        html! { p { (amount(blast.greatest_loss)) " at most × " (amount(blast.mean_loss / blast.greatest_loss)) " on average = " (amount(blast.mean_loss)) } }
    });
    derived(
        &lost(report, blast.mean_loss),
        &html! { @if let Some(of) = of { (of) } (fall.mean()) " " (rates()) },
    )
}
