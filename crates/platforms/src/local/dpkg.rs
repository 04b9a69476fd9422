//! The dpkg status database.

use jiff::Timestamp;
use serde_json::Value;
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, Install, SourcePackage};

use super::os::OperatingSystem;
use super::packages::{Manager, Packages};
use super::probe::Probe;

const STATUS: &str = "/var/lib/dpkg/status";
const STATUS_FOLDER: &str = "/var/lib/dpkg/status.d";

/// Reads the status file and, as images without a package manager have them, the files of `status.d`.
/// `None`: the machine has no such database.
pub(super) fn read(probe: &mut Probe<'_>, _os: &OperatingSystem) -> Option<Packages> {
    let mut components = Vec::new();
    let mut found = false;
    if let Some(text) = probe.text(STATUS) {
        found = !text.trim().is_empty();
        parse(probe, STATUS, &text, &mut components);
    }
    for name in probe.names(STATUS_FOLDER).unwrap_or_default() {
        if name.ends_with(".md5sums") {
            continue;
        }
        let path = format!("{STATUS_FOLDER}/{name}");
        if let Some(text) = probe.text(&path) {
            found = true;
            parse(probe, &path, &text, &mut components);
        }
    }
    if !found {
        return None;
    }
    let train = components
        .iter()
        .find(|c| c.name == "pve-manager")
        .and_then(|manager| crate::release::train(&Family::Proxmox, &manager.version));
    for component in components.iter_mut().filter(|c| c.family == Some(Family::Proxmox)) {
        component.train.clone_from(&train);
    }
    Some(Packages { manager: Some(Manager::Dpkg), components, installed_at: Default::default() })
}

fn parse(probe: &mut Probe<'_>, path: &str, text: &str, components: &mut Vec<Component>) {
    let mut line = 1;
    for stanza in text.split("\n\n") {
        let start = line;
        line += stanza.matches('\n').count() + 2;
        if stanza.trim().is_empty() {
            continue;
        }
        match component(stanza) {
            Ok(Some(component)) => components.push(component),
            Ok(None) => {}
            Err(reason) => probe.note(format!("{path}:{start}"), reason),
        }
    }
}

/// One stanza. `Ok(None)`: the package is known to dpkg and not installed.
fn component(stanza: &str) -> Result<Option<Component>, String> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let name = field("Package").filter(|name| !name.is_empty());
    let name = name.ok_or("a stanza without the field Package was left out")?;
    // Images without a package manager write no Status: what they list is there.
    let mut status = field("Status").unwrap_or("install ok installed").split_whitespace();
    let (want, state) = (status.next(), status.nth(1));
    let install = match state {
        Some("not-installed") => return Ok(None),
        Some("installed" | "triggers-pending" | "triggers-awaited") => Install::Installed,
        Some("config-files") => Install::ConfigFiles,
        Some("half-installed" | "unpacked" | "half-configured") => Install::Partial,
        other => {
            let other = crate::shown(other.unwrap_or(""));
            return Err(format!(
                "package {name} has the state {other:?}, which dpkg does not know; left out"
            ));
        }
    };
    let Some(version) = field("Version").filter(|version| !version.is_empty()) else {
        return Err(format!("package {name} has no Version; left out"));
    };
    let mut component = Component::new(name, version, ComponentKind::Package);
    component.install = install;
    component.arch = field("Architecture").map(str::to_owned);
    component.source = field("Source").map(source);
    if want == Some("hold") {
        component.extra.insert("hold".to_owned(), Value::Bool(true));
    }
    if name.starts_with("pve-") || field("Maintainer").is_some_and(|m| m.contains("@proxmox.com>")) {
        component.family = Some(Family::Proxmox);
    }
    Ok(Some(component))
}

/// `name` or `name (version)`.
fn source(text: &str) -> SourcePackage {
    match text.split_once('(') {
        Some((name, version)) => SourcePackage {
            name: name.trim().to_owned(),
            version: Some(version.trim_end().trim_end_matches(')').trim().to_owned()),
        },
        None => SourcePackage { name: text.to_owned(), version: None },
    }
}

/// Packages that can own the programs that are asked for. Reading every file list would take seconds.
fn may_own(name: &str) -> bool {
    ["qemu", "libvirt", "xen", "kvm"].iter().any(|part| name.contains(part))
}

/// Position of the installed package whose file list has `path`.
pub(super) fn owner(probe: &mut Probe<'_>, components: &[Component], path: &str) -> Option<usize> {
    // Older packages list /bin where the merged tree has /usr/bin.
    let short = path.strip_prefix("/usr").unwrap_or(path);
    components.iter().enumerate().find_map(|(position, component)| {
        if component.install != Install::Installed || !may_own(&component.name) {
            return None;
        }
        let list = lists(component).into_iter().find_map(|list| probe.text(&list))?;
        list.lines().any(|line| line == path || line == short).then_some(position)
    })
}

/// dpkg writes the file list of a package whenever it unpacks it.
pub(super) fn unpacked_at(probe: &Probe<'_>, component: &Component) -> Option<Timestamp> {
    lists(component).iter().find_map(|list| probe.modified(list))
}

/// File lists of packages that may be installed for several architectures carry the architecture.
fn lists(component: &Component) -> [String; 2] {
    let name = &component.name;
    let arch = component.arch.as_deref().unwrap_or("all");
    [format!("/var/lib/dpkg/info/{name}.list"), format!("/var/lib/dpkg/info/{name}:{arch}.list")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(stanza: &str) -> Component {
        component(stanza).unwrap().unwrap()
    }

    #[test]
    fn fields_of_a_stanza() {
        let c = one(
            "Package: libperl5.36\nStatus: hold ok installed\nArchitecture: amd64\nSource: perl (5.36.0-7)\n\
             Version: 5.36.0-7+b1\nDescription: x\n Version: 9\n",
        );
        assert_eq!((c.name.as_str(), c.version.as_str()), ("libperl5.36", "5.36.0-7+b1"));
        assert_eq!(c.source, Some(SourcePackage { name: "perl".into(), version: Some("5.36.0-7".into()) }));
        assert_eq!((c.arch.as_deref(), c.install), (Some("amd64"), Install::Installed));
        assert_eq!(c.extra["hold"], true);
    }

    #[test]
    fn states_are_told_apart() {
        let state = |state: &str| {
            component(&format!("Package: a\nStatus: install ok {state}\nVersion: 1"))
                .map(|c| c.map(|c| c.install))
        };
        assert_eq!(state("installed"), Ok(Some(Install::Installed)));
        assert_eq!(state("triggers-pending"), Ok(Some(Install::Installed)));
        assert_eq!(state("config-files"), Ok(Some(Install::ConfigFiles)));
        assert_eq!(state("half-installed"), Ok(Some(Install::Partial)));
        assert_eq!(state("half-configured"), Ok(Some(Install::Partial)));
        assert_eq!(state("not-installed"), Ok(None));
        assert!(state("exploded").unwrap_err().contains("\"exploded\""));
        assert!(component("Status: install ok installed").unwrap_err().contains("Package"));
        assert!(component("Package: a\nStatus: install ok installed").unwrap_err().contains("Version"));
    }
}
