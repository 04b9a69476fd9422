//! Stakeholder-Specific Vulnerability Categorization: decision points and the decision tables.
//!
//! The tables are those that CERT/CC and CISA publish: deployer patch application priority 1.0.0, CISA coordinator 2.0.3,
//! CISA BOD 26-04 remediation timelines 1.0.0, human impact 1.0.0 and utility 1.0.0. Every decision point is an enum whose
//! variants are in the order of the tables, least urgent first, and whose names are read in the tables' spelling too.
//!
//! ```
//! use underpin_model::ssvc::{Automatable, Decision, Exploitation, HumanImpact, SystemExposure, deployer};
//!
//! let decision = deployer(Exploitation::Active, SystemExposure::Open, Automatable::Yes, HumanImpact::High);
//! assert_eq!(decision, Decision::Immediate);
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exploitation v1.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exploitation {
    /// No evidence.
    None,
    /// A public proof of concept exists.
    #[serde(alias = "public poc", alias = "public_poc")]
    Poc,
    /// Exploited in the wild.
    Active,
}

/// Automatable v2.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Automatable {
    /// Steps 1 to 4 of the kill chain cannot be automated.
    No,
    /// They can.
    Yes,
}

/// Technical Impact v1.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TechnicalImpact {
    /// Limited control.
    Partial,
    /// Total control.
    Total,
}

/// Human Impact v2.0.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HumanImpact {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Very high.
    #[serde(alias = "very high", alias = "very_high")]
    VeryHigh,
}

/// System Exposure v1.0.1: how reachable the system is to an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SystemExposure {
    /// Local, or highly controlled access.
    #[serde(rename = "small")]
    Small,
    /// Networked, with access restrictions or mitigations in place.
    #[serde(rename = "controlled")]
    Controlled,
    /// On the internet or another widely accessible network.
    #[serde(rename = "open")]
    Open,
}

/// Safety Impact v2.0.1: harm to people, the environment or finances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SafetyImpact {
    /// Minor at most.
    #[serde(rename = "negligible")]
    Negligible,
    /// Major harm.
    #[serde(rename = "marginal")]
    Marginal,
    /// Hazardous.
    #[serde(rename = "critical")]
    Critical,
    /// Loss of lives or of the system.
    #[serde(rename = "catastrophic")]
    Catastrophic,
}

/// Mission Impact v2.0.0: what happens to mission essential functions (MEF).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MissionImpact {
    /// Little to none, or non-essential functions degraded.
    #[serde(rename = "degraded")]
    Degraded,
    /// Support of essential functions crippled.
    #[serde(rename = "mef-support-crippled", alias = "mef support crippled")]
    MefSupportCrippled,
    /// An essential function fails.
    #[serde(rename = "mef-failure", alias = "mef failure")]
    MefFailure,
    /// Several or all essential functions fail.
    #[serde(rename = "mission-failure", alias = "mission failure")]
    MissionFailure,
}

/// Mission and Well-Being Impact v1.0.0, as the coordinator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MissionWellBeing {
    /// Low.
    #[serde(rename = "low")]
    Low,
    /// Medium.
    #[serde(rename = "medium")]
    Medium,
    /// High.
    #[serde(rename = "high")]
    High,
}

/// Value Density v1.0.0: how much one attack gains control of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ValueDensity {
    /// Limited resources.
    #[serde(rename = "diffuse")]
    Diffuse,
    /// Rich resources.
    #[serde(rename = "concentrated")]
    Concentrated,
}

/// Utility v1.0.1: what the vulnerability is worth to an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Utility {
    /// Each target costs effort and gives little.
    #[serde(rename = "laborious")]
    Laborious,
    /// One of both is in favour of the attacker.
    #[serde(rename = "efficient")]
    Efficient,
    /// Cheap and worth it.
    #[serde(rename = "super-effective", alias = "super effective")]
    SuperEffective,
}

/// What a deployer does: Defer, Scheduled, Out-of-Cycle, Immediate v1.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// Do not act at present.
    #[serde(rename = "defer")]
    Defer,
    /// Act in the regular maintenance.
    #[serde(rename = "scheduled")]
    Scheduled,
    /// Act before it, with the next opportunity.
    #[serde(rename = "out-of-cycle")]
    OutOfCycle,
    /// Act now, with all resources, if need be by halting operation.
    #[serde(rename = "immediate")]
    Immediate,
}

/// What a coordinator asks for: CISA Levels v1.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CisaLevel {
    /// Act within standard timelines.
    #[serde(rename = "track")]
    Track,
    /// As track, and watch for changes.
    #[serde(rename = "track*")]
    TrackClosely,
    /// Act sooner than the standard timelines.
    #[serde(rename = "attend")]
    Attend,
    /// Act as soon as possible.
    #[serde(rename = "act")]
    Act,
}

/// CISA BOD 26-04 Remediation Timelines v1.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Timeline {
    /// With the next upgrade of the system: no number of days.
    #[serde(rename = "fix on system upgrade")]
    OnUpgrade,
    /// Within 60 days.
    #[serde(rename = "60 days")]
    Days60,
    /// Within 14 days.
    #[serde(rename = "14 days")]
    Days14,
    /// Within 3 days.
    #[serde(rename = "3 days")]
    Days3,
    /// Within 3 days, and look for an intrusion that already took place.
    #[serde(rename = "3 days & forensic investigation")]
    Days3Forensic,
}

impl Timeline {
    /// The days that the directive gives, None for a fix with the next upgrade of the system.
    #[must_use]
    pub fn days(self) -> Option<u16> {
        match self {
            Self::OnUpgrade => None,
            Self::Days60 => Some(60),
            Self::Days14 => Some(14),
            Self::Days3 | Self::Days3Forensic => Some(3),
        }
    }

    /// Whether the directive asks for a forensic investigation too.
    #[must_use]
    pub fn needs_forensics(self) -> bool {
        self == Self::Days3Forensic
    }

    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnUpgrade => "fix on system upgrade",
            Self::Days60 => "60 days",
            Self::Days14 => "14 days",
            Self::Days3 => "3 days",
            Self::Days3Forensic => "3 days & forensic investigation",
        }
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Decision {
    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Defer => "defer",
            Self::Scheduled => "scheduled",
            Self::OutOfCycle => "out-of-cycle",
            Self::Immediate => "immediate",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl CisaLevel {
    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::TrackClosely => "track*",
            Self::Attend => "attend",
            Self::Act => "act",
        }
    }
}

impl fmt::Display for CisaLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The priority of a deployer (patch application priority 1.0.0).
#[must_use]
pub fn deployer(
    exploitation: Exploitation,
    exposure: SystemExposure,
    automatable: Automatable,
    human_impact: HumanImpact,
) -> Decision {
    use Decision::{Defer as D, Immediate as I, OutOfCycle as O, Scheduled as S};
    // Exploitation, exposure, automatable; along a row the human impact.
    const TABLE: [[[[Decision; 4]; 2]; 3]; 3] = [
        [[[D, D, S, S], [D, S, S, S]], [[D, S, S, S], [S, S, S, S]], [[D, S, S, S], [S, S, S, O]]],
        [[[D, S, S, S], [S, S, S, S]], [[D, S, S, S], [S, S, S, O]], [[S, S, S, O], [S, S, O, O]]],
        [[[S, S, O, O], [S, O, O, O]], [[S, S, O, O], [O, O, O, O]], [[S, O, O, I], [O, O, I, I]]],
    ];
    TABLE[exploitation as usize][exposure as usize][automatable as usize][human_impact as usize]
}

/// The level of a coordinator (CISA coordinator 2.0.3).
#[must_use]
pub fn coordinator(
    exploitation: Exploitation,
    automatable: Automatable,
    technical_impact: TechnicalImpact,
    mission_well_being: MissionWellBeing,
) -> CisaLevel {
    use CisaLevel::{Act as A, Attend as N, Track as T, TrackClosely as C};
    // Exploitation, automatable, technical impact; along a row the mission and well-being impact.
    const TABLE: [[[[CisaLevel; 3]; 2]; 2]; 3] = [
        [[[T, T, T], [T, T, C]], [[T, T, N], [T, T, N]]],
        [[[T, T, C], [T, C, N]], [[T, T, N], [T, C, N]]],
        [[[T, T, N], [T, N, A]], [[N, N, A], [N, A, A]]],
    ];
    TABLE[exploitation as usize][automatable as usize][technical_impact as usize][mission_well_being as usize]
}

/// The deadline of CISA's Binding Operational Directive 26-04 (remediation timelines 1.0.0).
#[must_use]
pub fn bod_26_04(
    in_kev: bool,
    publicly_exposed: bool,
    automatable: Automatable,
    technical_impact: TechnicalImpact,
) -> Timeline {
    use Timeline::{
        Days3 as Three, Days3Forensic as Forensic, Days14 as Fourteen, Days60 as Sixty, OnUpgrade as Upgrade,
    };
    // In KEV, publicly exposed, automatable; along a row the technical impact.
    const TABLE: [[[[Timeline; 2]; 2]; 2]; 2] = [
        [[[Upgrade, Upgrade], [Sixty, Sixty]], [[Sixty, Fourteen], [Fourteen, Three]]],
        [[[Fourteen, Fourteen], [Fourteen, Forensic]], [[Fourteen, Forensic], [Three, Forensic]]],
    ];
    TABLE[usize::from(in_kev)][usize::from(publicly_exposed)][automatable as usize][technical_impact as usize]
}

/// The human impact of harm to safety and to the mission (human impact 1.0.0).
#[must_use]
pub fn human_impact(safety: SafetyImpact, mission: MissionImpact) -> HumanImpact {
    use HumanImpact::{High as H, Low as L, Medium as M, VeryHigh as V};
    // Along a row the mission impact.
    const TABLE: [[HumanImpact; 4]; 4] = [[L, L, M, V], [L, L, M, V], [M, H, H, V], [V, V, V, V]];
    TABLE[safety as usize][mission as usize]
}

/// What the vulnerability is worth to an attacker (utility 1.0.0).
#[must_use]
pub fn utility(automatable: Automatable, density: ValueDensity) -> Utility {
    match (automatable, density) {
        (Automatable::No, ValueDensity::Diffuse) => Utility::Laborious,
        (Automatable::Yes, ValueDensity::Concentrated) => Utility::SuperEffective,
        _ => Utility::Efficient,
    }
}
