//! Which operating system it is: `os-release` and what it means for the family and train of its packages.

use std::collections::BTreeMap;

use underpin_model::facts::Family;
use underpin_model::fleet::PlatformRelease;

use super::packages::Packages;
use super::probe::Probe;

/// An operating system as it names itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OperatingSystem {
    /// Whose packages it has.
    pub(super) family: Option<Family>,
    /// Their train.
    pub(super) train: Option<String>,
    /// Its release as it names itself.
    pub(super) release: Option<String>,
    /// What people call it.
    pub(super) pretty: Option<String>,
}

/// Suites of Debian since `os-release` names them. A derivative that names one of them takes its packages from it.
const DEBIAN_SUITES: &[&str] =
    &["jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"];

/// Series of Ubuntu by the code name that derivatives give. Facts speak of the numbers.
const UBUNTU_SERIES: &[(&str, &str)] = &[
    ("trusty", "14.04"),
    ("xenial", "16.04"),
    ("bionic", "18.04"),
    ("focal", "20.04"),
    ("jammy", "22.04"),
    ("noble", "24.04"),
];

/// Distributions that build every package anew although they name a Debian suite: Debian's facts are not theirs.
const REBUILDS: &[&str] = &["raspbian", "kali", "pardus"];

/// Reads `os-release` of the machine.
pub(super) fn read(probe: &mut Probe<'_>) -> OperatingSystem {
    let text = match probe.text("/etc/os-release") {
        Some(text) => text,
        None => match probe.required("/usr/lib/os-release") {
            Some(text) => text,
            None => return OperatingSystem::default(),
        },
    };
    let fields = parse(&text);
    let os = classify(&fields);
    if os.family.is_none() {
        probe.note("/etc/os-release", "has no ID: the family of the operating system is unknown");
    } else if os.train.is_none() {
        probe.note("/etc/os-release", "names no release: the train of the packages is unknown");
    }
    let id = fields.get("ID").map(String::as_str);
    if let (Some(Family::Debian), Some(id)) = (&os.family, id)
        && id != "debian"
    {
        probe.note("/etc/os-release", format!("{id} takes its packages from Debian: treated as Debian"));
    }
    os
}

/// `KEY=value` lines with shell quoting.
fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.trim().split_once('=')?;
            if key.starts_with('#') {
                return None;
            }
            let value = value.trim();
            let quoted =
                ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            let value =
                quoted.unwrap_or(value).replace("\\\"", "\"").replace("\\$", "$").replace("\\\\", "\\");
            Some((key.trim().to_owned(), value))
        })
        .collect()
}

fn classify(fields: &BTreeMap<String, String>) -> OperatingSystem {
    let get = |key: &str| fields.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let Some(id) = get("ID") else { return OperatingSystem::default() };
    let version = get("VERSION_ID");
    let named = get("NAME").unwrap_or_default();
    let like: Vec<&str> = get("ID_LIKE").unwrap_or_default().split_whitespace().collect();
    let suite = get("DEBIAN_CODENAME").or_else(|| get("VERSION_CODENAME"));
    let series = get("UBUNTU_CODENAME").or_else(|| get("VERSION_CODENAME"));
    let series =
        || UBUNTU_SERIES.iter().find(|(name, _)| Some(*name) == series).map(|(_, n)| (*n).to_owned());
    let (family, train) = match id {
        "debian" => (Family::Debian, suite.map(str::to_owned)),
        "ubuntu" => (Family::Ubuntu, version.map(str::to_owned)),
        // XCP-ng and XenServer share this id and differ in their name.
        "xenenterprise" | "xcp-ng" | "xenserver" => {
            let family = if named.eq_ignore_ascii_case("xcp-ng") || id == "xcp-ng" {
                Family::XcpNg
            } else {
                Family::XenServer
            };
            let train = version.and_then(|version| crate::release::train(&family, version));
            (family, train)
        }
        _ if like.contains(&"ubuntu") && series().is_some() => (Family::Ubuntu, series()),
        _ if like.contains(&"debian")
            && !REBUILDS.contains(&id)
            && suite.is_some_and(|suite| DEBIAN_SUITES.contains(&suite)) =>
        {
            (Family::Debian, suite.map(str::to_owned))
        }
        _ => {
            let family = Family::from_name(id);
            let train = match version {
                Some(version) if matches!(family, Family::Other(_)) => Some(version.to_owned()),
                Some(version) => crate::release::train(&family, version),
                None => None,
            };
            (family, train)
        }
    };
    OperatingSystem {
        family: Some(family),
        train,
        release: version.map(str::to_owned),
        pretty: get("PRETTY_NAME").map(str::to_owned),
    }
}

/// The platform that the machine is: Proxmox VE is Debian by its `os-release` and Proxmox by its `pve-manager`.
pub(super) fn platform(os: &OperatingSystem, packages: &Packages) -> Option<PlatformRelease> {
    if let Some(manager) = packages.installed("pve-manager") {
        return Some(crate::release::platform(Family::Proxmox, Some(&manager.version)));
    }
    let family = os.family.clone()?;
    Some(PlatformRelease {
        family,
        train: os.train.clone(),
        release: os.release.clone().or(os.pretty.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(text: &str) -> (String, Option<String>) {
        let os = classify(&parse(text));
        (os.family.unwrap().to_string(), os.train)
    }

    #[test]
    fn families_and_trains() {
        let cases = [
            ("ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm", "debian", Some("bookworm")),
            ("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux\"", "debian", None),
            ("ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy", "ubuntu", Some("22.04")),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nUBUNTU_CODENAME=jammy\nVERSION_CODENAME=virginia",
                "ubuntu",
                Some("22.04"),
            ),
            (
                "ID=linuxmint\nID_LIKE=debian\nVERSION_CODENAME=faye\nDEBIAN_CODENAME=bookworm",
                "debian",
                Some("bookworm"),
            ),
            ("ID=raspbian\nID_LIKE=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm", "raspbian", Some("12")),
            ("ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"", "almalinux", Some("9")),
            ("ID=\"rhel\"\nVERSION_ID=\"8.10\"", "rhel", Some("8")),
            ("ID='rocky'\nVERSION_ID='9.3'", "rocky", Some("9")),
            ("NAME=\"XCP-ng\"\nID=\"xenenterprise\"\nVERSION_ID=\"8.3.0\"", "xcp-ng", Some("8.3")),
            ("NAME=\"XenServer\"\nID=\"xenenterprise\"\nVERSION_ID=\"8.4.0\"", "xenserver", Some("8.4")),
            ("ID=opensuse-leap\nVERSION_ID=15.6", "opensuse-leap", Some("15.6")),
        ];
        for (text, family, train) in cases {
            assert_eq!(os(text), (family.to_owned(), train.map(str::to_owned)), "{text}");
        }
        assert_eq!(classify(&parse("# ID=debian\n")), OperatingSystem::default());
    }
}
