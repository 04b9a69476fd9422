//! From the text in which a platform names its release to its train.

use underpin_model::facts::Family;
use underpin_model::fleet::PlatformRelease;

/// A platform with the train that follows from its release text.
pub(crate) fn platform(family: Family, release: Option<&str>) -> PlatformRelease {
    let train = release.and_then(|text| train(&family, text));
    PlatformRelease { family, train, release: release.map(str::to_owned) }
}

/// The train of a release, for the families whose releases tell it.
pub(crate) fn train(family: &Family, release: &str) -> Option<String> {
    match family {
        Family::Esxi | Family::Vcenter => vsphere_train(release),
        Family::XcpNg | Family::XenServer => numbers(release, 2),
        Family::Proxmox
        | Family::AlmaLinux
        | Family::RedHat
        | Family::Rocky
        | Family::OracleLinux
        | Family::CentOs => numbers(release, 1),
        _ => None,
    }
}

/// Update train of an ESXi or vCenter text such as `VMware ESXi 8.0.3 build-24585383`: the third number counts
/// updates, so 8.0.3 is `8.0U3`. ESXi 6 and earlier print 0 there whatever the update is: for them, and for a first
/// release, the train is the line (`6.7`, `8.0`).
fn vsphere_train(release: &str) -> Option<String> {
    let version = release.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = version.split('.');
    let major: u32 = parts.next()?.parse().ok()?;
    let minor: u32 = parts.next()?.parse().ok()?;
    match parts.next().and_then(|update| update.parse::<u32>().ok()) {
        Some(update) if update > 0 => Some(format!("{major}.{minor}U{update}")),
        _ => Some(format!("{major}.{minor}")),
    }
}

/// The first `count` dotted numbers of the first version in a text.
fn numbers(release: &str, count: usize) -> Option<String> {
    let version = release
        .split(|c: char| c.is_whitespace() || c == '/')
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let parts: Vec<&str> = version.split(['.', '-']).take(count).collect();
    (parts.len() == count && parts.iter().all(|part| part.parse::<u32>().is_ok())).then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_follow_from_releases() {
        let cases = [
            (Family::Esxi, "VMware ESXi 8.0.3 build-24585383", Some("8.0U3")),
            (Family::Esxi, "VMware ESXi 8.0.0 build-20513097", Some("8.0")),
            (Family::Esxi, "VMware ESXi 6.7.0 build-17700523", Some("6.7")),
            (Family::Esxi, "VMware ESXi", None),
            (Family::XcpNg, "8.3.0", Some("8.3")),
            (Family::Proxmox, "8.2.4", Some("8")),
            (Family::AlmaLinux, "9.4", Some("9")),
            (Family::Debian, "12", None),
        ];
        for (family, release, expected) in cases {
            assert_eq!(train(&family, release).as_deref(), expected, "{family} {release}");
        }
    }
}
