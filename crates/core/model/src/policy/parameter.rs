//! The parameters of the risk model: what each means, its unit, its default with a range, and where the default is from.
//!
//! None of them is a bare default: a value that no study backs is marked as a judgement, carries a range all the same, and
//! every answer that used it says so. A policy replaces values by its own, with its own source.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The unit of a parameter, which is also what bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// 0 to 1.
    Probability,
    /// A correlation, 0 to 0.9999.
    Correlation,
    /// A Weibull shape, above 0 up to 1.
    Shape,
    /// Per day, not negative.
    PerDay,
    /// Hours, not negative.
    Hours,
    /// A count, not negative.
    Count,
}

/// Greatest count: more records than anybody holds. Products of what is accepted stay far from the end of numbers.
pub(super) const MOST_COUNT: f64 = 1e12;

/// Greatest correlation: beyond, a common factor is a switch that no quadrature resolves.
const MOST_CORRELATION: f64 = 0.9999;

impl Unit {
    /// What is accepted, for error messages.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::Probability => "a probability from 0 to 1",
            Self::Correlation => "a correlation from 0 to 0.9999",
            Self::Shape => "a Weibull shape from 0.01 to 1",
            Self::PerDay => "a finite rate per day, not negative, at most 1000",
            Self::Hours => "a finite number of hours, not negative, at most 1000000",
            Self::Count => "a finite count, not negative, at most 1000000000000",
        }
    }

    /// Whether a number can be a value of this unit.
    #[must_use]
    pub fn accepts(self, value: f64) -> bool {
        match self {
            Self::Probability => (0.0..=1.0).contains(&value),
            Self::Correlation => (0.0..=MOST_CORRELATION).contains(&value),
            Self::Shape => (0.01..=1.0).contains(&value),
            Self::PerDay => (0.0..=1e3).contains(&value),
            Self::Hours => (0.0..=1e6).contains(&value),
            Self::Count => (0.0..=MOST_COUNT).contains(&value),
        }
    }
}

/// What is known about a parameter before a policy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ParameterFact {
    /// Name in the policy file.
    pub name: &'static str,
    /// What it means, as a question to the people who know the fleet.
    pub question: &'static str,
    /// Unit.
    pub unit: Unit,
    /// Default.
    pub value: f64,
    /// Low end of the plausible range.
    pub low: f64,
    /// High end of the plausible range.
    pub high: f64,
    /// Where the default is from.
    pub source: &'static str,
    /// The default is a judgement: no study gives it for a fleet like this.
    pub judgement: bool,
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $unit:ident, $low:literal <= $value:literal <= $high:literal, $judgement:literal,
        $question:literal, $source:literal;)*) => {
        /// A parameter of the risk model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Parameter {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Parameter {
            /// Every parameter, in the order of the elicitation sheet.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What is known about it before a policy speaks.
            #[must_use]
            pub const fn fact(self) -> ParameterFact {
                match self {
                    $(Self::$variant => ParameterFact {
                        name: $name, question: $question, unit: Unit::$unit, value: $value, low: $low, high: $high,
                        source: $source, judgement: $judgement,
                    },)*
                }
            }
        }
    };
}

parameters! {
    /// 30-day exploitation probability of what is listed in KEV.
    KevFloor = "kev_floor", Probability, 0.5 <= 0.9 <= 0.99, true,
        "A vulnerability is listed as known exploited: how likely is exploitation seen somewhere in the next 30 days?",
        "judgement: KEV is observed exploitation, so EPSS is not used below this floor";
    /// 30-day exploitation probability where no EPSS score is known.
    EpssUnknown = "epss_unknown", Probability, 0.001 <= 0.00344 <= 0.05, true,
        "No EPSS score is known: how likely is exploitation seen somewhere in the next 30 days?",
        "4.1 % of CVEs get public exploit code within 365 days (Householder et al., CSET'20), spread evenly: 1-(1-0.041)^(30/365); code taken for use is a judgement";
    /// Weibull shape of the exploitation hazard once an exploit exists.
    Shape = "shape", Shape, 0.2 <= 0.28 <= 1.0, false,
        "Once an exploit exists, how fast does the hazard fall? 1 is constant, smaller is earlier",
        "fits the median of 2 days and the mean of 91 days of Householder et al., CSET'20";
    /// A campaign aims at this fleet, given exploitation in the wild.
    Aimed = "aimed", Probability, 0.005 <= 0.05 <= 0.5, true,
        "A vulnerability is exploited in the wild: how likely does a campaign try this fleet within 30 days?",
        "judgement";
    /// An attacker gets to a management interface that the public Internet reaches.
    ReachExposed = "reach_exposed", Probability, 0.1 <= 0.5 <= 0.9, true,
        "A campaign tries this fleet: how likely does it get to one given interface that the public Internet reaches?",
        "judgement";
    /// An attacker gets to a management interface inside.
    ReachInternal = "reach_internal", Probability, 0.005 <= 0.05 <= 0.3, true,
        "A campaign tries this fleet: how likely does it get to one given interface on an internal management network?",
        "judgement";
    /// One guest is in an attacker's hands.
    GuestCompromised = "guest_compromised", Probability, 0.0001 <= 0.001 <= 0.01, true,
        "A campaign tries this fleet: how likely is one given guest in the attacker's hands, so that it can try an escape?",
        "judgement";
    /// A second factor is got past by who has the first one.
    SecondFactor = "second_factor", Probability, 0.0078 <= 0.0144 <= 0.3, false,
        "A hole needs an account, and a campaign has one: how likely does it get past the second factor that every way in demands?",
        "1.44 % of accounts with a leaked password, 0.78 % of all (Meyer et al., arXiv 2305.00945, cloud accounts); the upper end is a judgement";
    /// The management plane's fall takes a managed host.
    PlaneTakesHost = "plane_takes_host", Probability, 0.5 <= 0.9 <= 1.0, true,
        "A management plane is compromised: how likely is one given host that it manages taken over?",
        "judgement";
    /// Share of a control's failures that hits every asset behind it at once (beta factor).
    Beta = "beta", Probability, 0.01 <= 0.05 <= 0.2, false,
        "A compensating control fails: which share of its failures hits every host behind it at once?",
        "beta factor of common-cause failures, 1-10 % customary (IEC 61508, NUREG/CR-5485); the upper end is a judgement";
    /// Correlation of attack success between hosts under one campaign.
    Rho = "rho", Correlation, 0.0 <= 0.2 <= 0.5, true,
        "Given one campaign, how alike are its chances on different hosts (0: independent, near 1: all or none)?",
        "judgement, in the range customary for one-factor models (0.12-0.24)";
    /// A release is bad on the day it appears.
    RegressionPrior = "regression_prior", Probability, 0.02 <= 0.05 <= 0.244, false,
        "How likely is a new platform release bad for hosts like these, on the day it appears?",
        "nearly 5 % of security fixes hurt the software (Li and Paxson, CCS'17); upper end 24.4 % of fixes (Yin et al., ESEC/FSE'11)";
    /// A bad release hits one host of a susceptible class.
    RegressionHit = "q", Probability, 0.01 <= 0.08 <= 1.0, false,
        "A release is bad for a hardware class: which share of its hosts is hit?",
        "about 8 % of adopters of vSphere 7.0 U3 (2021); upper end: the 2008 time bomb hit every host";
    /// Rate at which field reports retire bad releases.
    Theta = "theta", PerDay, 0.01 <= 0.024 <= 0.15, true,
        "At which rate per day do others find and retire a bad release?",
        "1/42 days: vSphere 7.0 U3 was withdrawn about six weeks after its release; one case is a judgement";
    /// A staged roll-out stops a bad release after its first ring.
    RingStops = "ring_stops", Probability, 0.5 <= 0.9 <= 0.99, true,
        "A release is bad: how likely does a staged roll-out stop after the first ring?",
        "judgement";
    /// A fix does not close its hole.
    IncompleteFix = "incomplete_fix", Probability, 0.02 <= 0.07 <= 0.15, false,
        "How likely does a fix fail to close its hole fully?",
        "about 7 % of security fixes (Li and Paxson, CCS'17)";
    /// Hours a VM is down after its host was compromised.
    HoursAfterCompromise = "hours_after_compromise", Hours, 4.0 <= 24.0 <= 168.0, true,
        "A host is compromised: how many hours is each of its VMs down (rebuild, forensics)?",
        "judgement";
    /// Hours a VM is down after its host took a bad release.
    HoursAfterRegression = "hours_after_regression", Hours, 0.5 <= 4.0 <= 24.0, true,
        "A bad release hits a host: how many hours is each of its VMs down?",
        "judgement";
    /// What is left of the outage of a bad release for guests that have a copy elsewhere.
    CopiesLeave = "copies_leave", Probability, 0.0 <= 0.1 <= 0.5, true,
        "A bad release takes a host down: which share of the outage is left for a guest with fault tolerance or with others of its application on other hosts?",
        "judgement: the copy takes over at once, unless the same release takes its host too";
    /// What is left of the outage of a bad release for guests that are restarted.
    RestartLeaves = "restart_leaves", Probability, 0.05 <= 0.5 <= 1.0, true,
        "A bad release takes a host down: which share of the outage is left for a guest that is restarted on another host?",
        "judgement: a restart takes minutes, unless the same release takes the other hosts too";
    /// Records that one VM holds.
    RecordsPerVm = "records_per_vm", Count, 0.0 <= 1000.0 <= 1000000.0, true,
        "How many records that must not be disclosed does one VM hold?",
        "judgement; state it per tenant under loss.tenant";
    /// Somebody reads traffic that goes in clear, per 30 days.
    ReadOnWire = "read_on_wire", Probability, 0.000001 <= 0.0001 <= 0.01, true,
        "Migration or storage traffic goes in clear: how likely does somebody who must not read that of a given host within 30 days?",
        "judgement";
    /// Somebody reads data at rest that is not encrypted, per 30 days.
    ReadOnDisk = "read_on_disk", Probability, 0.000001 <= 0.0001 <= 0.01, true,
        "Data at rest is not encrypted: how likely do disks of a given host, or copies of them, get into wrong hands within 30 days (theft, return, backup)?",
        "judgement";
    /// Underpin's own credentials are abused, per 30 days.
    UnderpinCompromised = "underpin_compromised", Probability, 0.00001 <= 0.0001 <= 0.001, true,
        "How likely are Underpin's own credentials abused within 30 days?",
        "judgement";
}

/// A parameter as an answer used it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Value.
    pub value: f64,
    /// Low end of the plausible range.
    pub low: f64,
    /// High end of the plausible range.
    pub high: f64,
    /// Where it is from.
    pub source: String,
    /// It is a judgement: no study gives it for a fleet like this.
    pub judgement: bool,
    /// The policy states it; otherwise it is the default.
    pub stated: bool,
}

/// Values of all parameters: the policy's where it speaks, the defaults elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Parameters(BTreeMap<Parameter, Setting>);

impl Default for Parameters {
    fn default() -> Self {
        Self(Parameter::ALL.iter().map(|it| (*it, default_setting(it.fact()))).collect())
    }
}

fn default_setting(fact: ParameterFact) -> Setting {
    Setting {
        value: fact.value,
        low: fact.low,
        high: fact.high,
        source: fact.source.to_owned(),
        judgement: fact.judgement,
        stated: false,
    }
}

impl Parameters {
    /// The value of a parameter, in its unit.
    #[must_use]
    pub fn get(&self, parameter: Parameter) -> f64 {
        self.setting(parameter).value
    }

    /// The value with its range and source.
    #[must_use]
    pub fn setting(&self, parameter: Parameter) -> Setting {
        self.0.get(&parameter).cloned().unwrap_or_else(|| default_setting(parameter.fact()))
    }

    /// The same parameters with one at another value, for sensitivities. A value outside the unit is cut to the nearer
    /// end of the parameter's range.
    #[must_use]
    pub fn with(&self, parameter: Parameter, value: f64) -> Self {
        let mut changed = self.clone();
        let mut setting = self.setting(parameter);
        setting.value =
            if parameter.fact().unit.accepts(value) { value } else { value.clamp(setting.low, setting.high) };
        changed.0.insert(parameter, setting);
        changed
    }

    /// Replaces one parameter by what a policy states.
    pub(super) fn state(&mut self, parameter: Parameter, setting: Setting) {
        self.0.insert(parameter, setting);
    }

    /// All of them, in the order of the elicitation sheet.
    pub fn iter(&self) -> impl Iterator<Item = (Parameter, &Setting)> {
        self.0.iter().map(|(parameter, setting)| (*parameter, setting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_in_its_range_and_unit_and_names_its_source() {
        for parameter in Parameter::ALL {
            let fact = parameter.fact();
            assert!(fact.low <= fact.value && fact.value <= fact.high, "{}", fact.name);
            assert!(
                [fact.low, fact.value, fact.high].into_iter().all(|it| fact.unit.accepts(it)),
                "{}",
                fact.name
            );
            assert!(!fact.source.is_empty() && fact.question.ends_with(['?', 'r']), "{}", fact.name);
            assert!(fact.judgement || !fact.source.starts_with("judgement"), "{}", fact.name);
        }
    }

    #[test]
    fn a_policy_name_and_a_variant_are_one() {
        for parameter in Parameter::ALL {
            assert_eq!(serde_json::to_value(parameter).unwrap(), parameter.fact().name);
        }
    }
}
