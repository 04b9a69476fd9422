//! The RPM database, asked through `rpm -qa`: its file format changed three times, the question did not.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, SourcePackage};

use super::os::OperatingSystem;
use super::packages::{Manager, Packages};
use super::probe::Probe;

const FOLDERS: &[&str] = &["/var/lib/rpm", "/usr/lib/sysimage/rpm"];
const FILES: &[&str] = &["rpmdb.sqlite", "Packages", "Packages.db"];
const BASE: &str =
    "%{NAME}\\t%{EPOCH}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t%{INSTALLTIME}\\t%{VENDOR}";

/// Asks for every package. `None`: the machine has no such database, or it gave no answer (which is a note).
pub(super) fn read(probe: &mut Probe<'_>, os: &OperatingSystem) -> Option<Packages> {
    let present =
        FOLDERS.iter().any(|folder| FILES.iter().any(|file| probe.root.has(&format!("{folder}/{file}"))));
    if !present {
        return None;
    }
    let with_module = format!("{BASE}\\t%{{MODULARITYLABEL}}\\n");
    // RPM before 4.14 (XCP-ng) does not know the module label and refuses the whole format.
    let answer = match probe.root.commands().run("rpm", &["-qa", "--queryformat", &with_module]) {
        Ok(answer) => answer,
        Err(_) => match probe.command("rpm", &["-qa", "--queryformat", &format!("{BASE}\\t(none)\\n")]) {
            Ok(answer) => answer,
            Err(error) => {
                probe.note("rpm -qa", format!("{error}: installed software is unknown"));
                return None;
            }
        },
    };
    let mut packages =
        Packages { manager: Some(Manager::Rpm), components: Vec::new(), installed_at: BTreeMap::new() };
    for (number, line) in answer.lines().enumerate() {
        match component(line, os) {
            Ok(Some((component, at))) => {
                if let Some(at) = at {
                    packages.installed_at.insert(packages.components.len(), at);
                }
                packages.components.push(component);
            }
            Ok(None) => {}
            Err(reason) => probe.note(format!("rpm -qa, line {}", number + 1), reason),
        }
    }
    Some(packages)
}

/// RPM prints `(none)` for what a package does not have.
fn given(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "(none)").then_some(text)
}

fn component(line: &str, os: &OperatingSystem) -> Result<Option<(Component, Option<Timestamp>)>, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, epoch, version, release, arch, source, at, vendor, module] = fields.as_slice() else {
        return Err(format!("has {} fields, not 9; left out: {}", fields.len(), crate::shown(line)));
    };
    // Imported signing keys are listed as packages and are no software.
    if *name == "gpg-pubkey" {
        return Ok(None);
    }
    let plain = format!("{version}-{release}");
    let full = match given(epoch) {
        Some(epoch) if epoch != "0" => format!("{epoch}:{plain}"),
        _ => plain.clone(),
    };
    let mut component = Component::new(*name, full, ComponentKind::Package);
    component.arch = given(arch).map(str::to_owned);
    component.source = given(source).and_then(|file| source_package(file, &plain));
    if let Some(label) = given(module) {
        component.module = Some(label.splitn(3, ':').take(2).collect::<Vec<_>>().join(":"));
        component.extra.insert("modularitylabel".to_owned(), Value::from(label));
    }
    if let Some((family, train)) = given(vendor).and_then(|vendor| maker(vendor, os.family.as_ref())) {
        component.family = Some(family);
        component.train = train;
    }
    let at = at.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    Ok(Some((component, at)))
}

/// `name-version-release.src.rpm`; the version only where it differs from the package's own.
fn source_package(file: &str, own: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let version = format!("{version}-{release}");
    Some(SourcePackage { name: name.to_owned(), version: (version != own).then_some(version) })
}

/// Who built a package, if not the maker of the operating system: build numbers of one do not order those of another.
fn maker(vendor: &str, family: Option<&Family>) -> Option<(Family, Option<String>)> {
    let lower = vendor.to_ascii_lowercase();
    let known = [
        ("almalinux", Family::AlmaLinux),
        ("rocky", Family::Rocky),
        ("red hat", Family::RedHat),
        ("oracle", Family::OracleLinux),
        ("centos", Family::CentOs),
        ("fedora project", Family::Other("epel".into())),
    ];
    let (_, maker) = known.into_iter().find(|(part, _)| lower.contains(part))?;
    if Some(&maker) == family {
        return None;
    }
    // The control domain of XCP-ng 8 and XenServer 8 is built on CentOS 7.
    let train = match (family, &maker) {
        (Some(Family::XcpNg | Family::XenServer), Family::CentOs) => Some("7".to_owned()),
        _ => None,
    };
    Some((maker, train))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alma() -> OperatingSystem {
        OperatingSystem { family: Some(Family::AlmaLinux), train: Some("9".into()), ..Default::default() }
    }

    #[test]
    fn fields_of_a_line() {
        let line = "qemu-kvm-core\t15\t6.2.0\t11.module_el8.6.0+2880+7d9e3703\tx86_64\t\
                    qemu-kvm-6.2.0-11.module_el8.6.0+2880+7d9e3703.src.rpm\t1700000000\tAlmaLinux\tvirt:rhel:8060020220125:d63f516d";
        let (c, at) = component(line, &alma()).unwrap().unwrap();
        assert_eq!(c.version, "15:6.2.0-11.module_el8.6.0+2880+7d9e3703");
        assert_eq!(c.source, Some(SourcePackage { name: "qemu-kvm".into(), version: None }));
        assert_eq!(c.module.as_deref(), Some("virt:rhel"));
        assert_eq!(c.family, None);
        assert_eq!(at.unwrap().as_second(), 1_700_000_000);
    }

    #[test]
    fn absent_values_and_other_makers() {
        let line = "perl-Carp\t(none)\t1.50\t460.el9\tnoarch\tperl-5.32.1-481.el9.src.rpm\t(none)\tFedora Project\t(none)";
        let (c, at) = component(line, &alma()).unwrap().unwrap();
        assert_eq!((c.version.as_str(), at), ("1.50-460.el9", None));
        assert_eq!(
            c.source,
            Some(SourcePackage { name: "perl".into(), version: Some("5.32.1-481.el9".into()) })
        );
        assert_eq!(c.module, None);
        assert_eq!(c.family, Some(Family::Other("epel".into())));
        assert!(
            component("gpg-pubkey\t(none)\t1\t2\t(none)\t(none)\t1\t(none)\t(none)", &alma())
                .unwrap()
                .is_none()
        );
        assert!(component("half a line", &alma()).unwrap_err().contains("1 fields, not 9"));
        let xcp = OperatingSystem { family: Some(Family::XcpNg), ..Default::default() };
        let line = "bash\t(none)\t4.2.46\t34.el7\tx86_64\tbash-4.2.46-34.el7.src.rpm\t1\tCentOS\t(none)";
        let (c, _) = component(line, &xcp).unwrap().unwrap();
        assert_eq!((c.family, c.train.as_deref()), (Some(Family::CentOs), Some("7")));
    }
}
