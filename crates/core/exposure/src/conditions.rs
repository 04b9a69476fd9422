//! What must hold besides a version: settings, workarounds, guests started anew.
//!
//! A table of facts, each with the advisory that is to state it. A workaround closes a vulnerability without the fix; a
//! condition must hold in addition to the fix.
//!
//! Not yet reviewed: the rows are from general knowledge, and the reference data holds none of these advisories. A wrong
//! workaround makes a host look fixed, so check each row against its advisory before relying on it.

use underpin_model::facts::Family;

/// A setting with the values that count as "in force".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFact {
    /// The vulnerability.
    pub vulnerability: &'static str,
    /// The product line that it is about.
    pub family: Family,
    /// Name of the setting in the fleet file.
    pub setting: &'static str,
    /// The value that counts, as text (`true`, `false`, `off`).
    pub value: &'static str,
    /// The advisory that states it.
    pub source: &'static str,
}

const fn esxi(
    vulnerability: &'static str,
    setting: &'static str,
    value: &'static str,
    source: &'static str,
) -> SettingFact {
    SettingFact { vulnerability, family: Family::Esxi, setting, value, source }
}

/// Settings that close a vulnerability without the fix.
pub const WORKAROUNDS: &[SettingFact] = &[
    esxi("CVE-2019-5544", "slpd.enabled", "false", "VMSA-2019-0022"),
    esxi("CVE-2020-3992", "slpd.enabled", "false", "VMSA-2020-0023"),
    esxi("CVE-2021-21974", "slpd.enabled", "false", "VMSA-2021-0002"),
    esxi("CVE-2022-31699", "slpd.enabled", "false", "VMSA-2022-0030"),
];

/// Settings that a fix needs in addition to its release: the code is delivered switched off.
pub const SETTINGS_OF_FIXES: &[SettingFact] = &[
    esxi("CVE-2018-3646", "VMkernel.Boot.hyperthreadingMitigation", "true", "VMSA-2018-0020"),
    esxi("CVE-2018-12126", "VMkernel.Boot.hyperthreadingMitigation", "true", "VMSA-2019-0008"),
    esxi("CVE-2018-12127", "VMkernel.Boot.hyperthreadingMitigation", "true", "VMSA-2019-0008"),
    esxi("CVE-2018-12130", "VMkernel.Boot.hyperthreadingMitigation", "true", "VMSA-2019-0008"),
    esxi("CVE-2019-11091", "VMkernel.Boot.hyperthreadingMitigation", "true", "VMSA-2019-0008"),
];

/// Vulnerabilities whose fix reaches a guest through new CPU flags, which are set when the guest is cold-started.
pub const NEEDS_COLD_START: &[&str] = &[
    "CVE-2017-5715",
    "CVE-2018-3639",
    "CVE-2018-12126",
    "CVE-2018-12127",
    "CVE-2018-12130",
    "CVE-2019-11091",
    "CVE-2019-11135",
];

/// Names of all settings that any entry asks for: only these decide a status.
pub fn setting_names() -> impl Iterator<Item = &'static str> {
    WORKAROUNDS.iter().chain(SETTINGS_OF_FIXES).map(|fact| fact.setting)
}

/// The workaround for a vulnerability of a family, if there is one.
#[must_use]
pub fn workaround(family: &Family, vulnerability: &str) -> Option<&'static SettingFact> {
    find(WORKAROUNDS, family, vulnerability)
}

/// The setting that the fix of a vulnerability needs, if there is one.
#[must_use]
pub fn setting_of_fix(family: &Family, vulnerability: &str) -> Option<&'static SettingFact> {
    find(SETTINGS_OF_FIXES, family, vulnerability)
}

fn find(table: &'static [SettingFact], family: &Family, vulnerability: &str) -> Option<&'static SettingFact> {
    table.iter().find(|fact| fact.family == *family && fact.vulnerability == vulnerability)
}

/// Whether guests must be cold-started for the fix.
#[must_use]
pub fn needs_cold_start(vulnerability: &str) -> bool {
    NEEDS_COLD_START.contains(&vulnerability)
}
