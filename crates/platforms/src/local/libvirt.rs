//! Guests as libvirt defines them, over its read-only connection.

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use underpin_model::fleet::{PowerState, SealedKeys, Vm};
use underpin_model::id::{HostId, VmId};

use super::probe::Probe;
use super::root::CommandError;

const CONNECTION: &[&str] = &["-r", "-c", "qemu:///system"];
/// Definitions are a few KiB; nesting deeper than this is no domain.
const MAX_DEPTH: usize = 64;

/// One element of a definition.
#[derive(Debug, Default)]
pub(super) struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| node.children.iter().find(|child| child.name == *name))
    }

    fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|node| node.text.trim()).filter(|text| !text.is_empty())
    }
}

fn start(tag: &BytesStart<'_>) -> Result<Node, String> {
    let mut node = Node { name: tag.name().as_ref().to_owned(), ..Node::default() };
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
        node.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(node)
}

/// Reads a document into nodes. Entities other than the five of XML are refused, so nothing can grow.
pub(super) fn parse(xml: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Node::default()];
    loop {
        let event = reader.read_event().map_err(|e| format!("{e} at byte {}", reader.error_position()))?;
        let depth = open.len();
        let Some(current) = open.last_mut() else { return Err("more end tags than start tags".to_owned()) };
        match event {
            Event::Start(_) if depth > MAX_DEPTH => return Err(format!("nested deeper than {MAX_DEPTH}")),
            Event::Start(tag) => open.push(start(&tag)?),
            Event::Empty(tag) => current.children.push(start(&tag)?),
            Event::End(_) => {
                if let (Some(done), Some(parent)) = (open.pop(), open.last_mut()) {
                    parent.children.push(done);
                }
            }
            Event::Text(text) => current.text.push_str(&text.xml10_content()),
            Event::CData(text) => current.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => current.text.push(character),
                _ => {
                    let name = reference.xml10_content();
                    let known = resolve_xml_entity(&name).ok_or_else(|| format!("unknown entity {name}"))?;
                    current.text.push_str(known);
                }
            },
            Event::Eof => {
                return match (open.len(), open.pop().and_then(|top| top.children.into_iter().next())) {
                    (1, Some(root)) => Ok(root),
                    _ => Err("ends before its last end tag".to_owned()),
                };
            }
            _ => {}
        }
    }
}

/// Reads every domain; without `virsh`, the files in which libvirt keeps them.
pub(super) fn read(probe: &mut Probe<'_>, host: &HostId) -> Vec<Vm> {
    let mut vms = Vec::new();
    match probe.command("virsh", &[CONNECTION, &["list", "--all", "--uuid"]].concat()) {
        Ok(list) => {
            for id in list.split_whitespace() {
                let xml = match probe.command("virsh", &[CONNECTION, &["dumpxml", id]].concat()) {
                    Ok(xml) => xml,
                    // A daemon that hangs once hangs for every domain.
                    Err(CommandError::TimedOut(_)) => break,
                    Err(_) => continue,
                };
                let state = probe.command("virsh", &[CONNECTION, &["domstate", id]].concat()).ok();
                add(probe, &mut vms, host, &format!("domain {id}"), &xml, state.as_deref());
            }
        }
        Err(_) => files(probe, &mut vms, host),
    }
    vms
}

fn files(probe: &mut Probe<'_>, vms: &mut Vec<Vm>, host: &HostId) {
    for (folder, state) in [("/run/libvirt/qemu", None), ("/etc/libvirt/qemu", Some("shut off"))] {
        for name in probe.names(folder).unwrap_or_default() {
            let path = format!("{folder}/{name}");
            if name.ends_with(".xml")
                && let Some(xml) = probe.text(&path)
            {
                add(probe, vms, host, &path, &xml, state);
            }
        }
    }
}

fn add(probe: &mut Probe<'_>, vms: &mut Vec<Vm>, host: &HostId, place: &str, xml: &str, state: Option<&str>) {
    let root = match parse(xml) {
        Ok(root) => root,
        Err(reason) => return probe.note(place, format!("not readable as a domain: {reason}")),
    };
    // A status file wraps the definition and tells the state.
    let own = root.attribute("state").filter(|_| root.name == "domstatus");
    let domain = if root.name == "domstatus" { root.at(&["domain"]) } else { Some(&root) };
    let Some(domain) = domain.filter(|domain| domain.name == "domain") else {
        return probe.note(place, "holds no domain");
    };
    match vm(domain, own.or(state), host) {
        Ok(vm) if vms.iter().any(|known| known.id == vm.id) => {}
        Ok(vm) => vms.push(vm),
        Err(reason) => probe.note(place, reason),
    }
}

fn power(state: &str) -> Option<PowerState> {
    match state.trim() {
        "running" | "idle" | "blocked" | "in shutdown" | "shutdown" => Some(PowerState::On),
        "paused" | "pmsuspended" => Some(PowerState::Suspended),
        "shut off" | "shutoff" | "crashed" => Some(PowerState::Off),
        _ => None,
    }
}

fn vm(domain: &Node, state: Option<&str>, host: &HostId) -> Result<Vm, String> {
    let id = domain.text_at(&["uuid"]).ok_or("has no uuid")?;
    let mut vm = Vm::new(VmId::new(id).map_err(|error| error.to_string())?);
    vm.name = domain.text_at(&["name"]).map(str::to_owned);
    vm.power = state.and_then(power);
    if matches!(vm.power, Some(PowerState::On | PowerState::Suspended)) {
        vm.host = Some(host.clone());
    } else {
        vm.extra.insert("registered_on".to_owned(), Value::from(host.as_str()));
    }
    vm.vcpus = domain
        .at(&["vcpu"])
        .and_then(|node| node.attribute("current").unwrap_or(node.text.trim()).parse().ok());
    vm.memory_mib = domain.at(&["memory"]).and_then(memory_mib);
    vm.machine_type = domain.at(&["os", "type"]).and_then(|node| node.attribute("machine")).map(Into::into);
    if let Some(cpu) = domain.at(&["cpu"]) {
        let wanted =
            |feature: &&Node| matches!(feature.attribute("policy"), None | Some("require" | "force"));
        vm.cpu_features = cpu
            .all("feature")
            .filter(wanted)
            .filter_map(|f| f.attribute("name"))
            .map(str::to_owned)
            .collect();
        if let Some(model) = domain.text_at(&["cpu", "model"]) {
            vm.extra.insert("cpu_model".to_owned(), Value::from(model));
        }
        if let Some(mode) = cpu.attribute("mode") {
            vm.extra.insert("cpu_mode".to_owned(), Value::from(mode));
        }
    }
    if let Some(devices) = domain.at(&["devices"]) {
        let vtpm = Some(devices.all("tpm").next().is_some());
        vm.sealed_keys = Some(Box::new(SealedKeys { vtpm, pcrs: Vec::new() }));
        let hostdev = devices
            .all("hostdev")
            .chain(devices.all("interface").filter(|i| i.attribute("type") == Some("hostdev")));
        vm.passthrough = hostdev.filter_map(passthrough).collect();
        let disks: Vec<Value> = devices.all("disk").filter_map(disk).map(Value::from).collect();
        if !disks.is_empty() {
            vm.extra.insert("disks".to_owned(), Value::from(disks));
        }
    }
    Ok(vm)
}

/// Memory in MiB, rounded up; libvirt counts in KiB unless it says otherwise.
fn memory_mib(node: &Node) -> Option<u64> {
    let value: u64 = node.text.trim().parse().ok()?;
    let unit: u64 = match node.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1000,
        "k" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    Some(value.checked_mul(unit)?.div_ceil(1 << 20))
}

/// `pci 0000:3b:00.0`, `usb 046d:c31c`, `mdev UUID`.
fn passthrough(device: &Node) -> Option<String> {
    let source = device.at(&["source"])?;
    if let Some(vendor) = source.at(&["vendor"]).and_then(|node| node.attribute("id")) {
        let product = source.at(&["product"]).and_then(|node| node.attribute("id")).unwrap_or("?");
        return Some(format!("usb {}:{}", vendor.trim_start_matches("0x"), product.trim_start_matches("0x")));
    }
    let address = source.at(&["address"])?;
    if let Some(uuid) = address.attribute("uuid") {
        return Some(format!("mdev {uuid}"));
    }
    let part = |name: &str, width: usize| {
        let text = address.attribute(name)?.trim_start_matches("0x");
        Some(format!("{text:0>width$}"))
    };
    match (part("domain", 4), part("bus", 2), part("slot", 2), address.attribute("function")) {
        (Some(domain), Some(bus), Some(slot), Some(function)) => {
            Some(format!("pci {domain}:{bus}:{slot}.{}", function.trim_start_matches("0x")))
        }
        _ => Some(format!("usb bus {} device {}", address.attribute("bus")?, address.attribute("device")?)),
    }
}

fn disk(disk: &Node) -> Option<String> {
    let source = disk.at(&["source"])?;
    if let (Some(pool), Some(volume)) = (source.attribute("pool"), source.attribute("volume")) {
        return Some(format!("{pool}/{volume}"));
    }
    ["file", "dev", "dir", "name"].iter().find_map(|name| source.attribute(name)).map(str::to_owned)
}

/// The QEMU version that libvirt wrote into the guest's log when it started it, if that is the start at `since`.
/// The part after the upstream version is the distribution's own: `7.2.22Debian 1:7.2+dfsg-7+deb12u18`.
pub(super) fn logged_version(probe: &mut Probe<'_>, guest: &str, since: Timestamp) -> Option<String> {
    // Times in the log are written a moment before or after the process exists.
    const SLACK_S: i64 = 120;
    let log = probe.text(&format!("/var/log/libvirt/qemu/{guest}.log"))?;
    let line = log.lines().rev().find(|line| line.contains("starting up libvirt version:"))?;
    let (stamp, rest) = line.split_once(": starting up")?;
    let (_, version) = rest.split_once("qemu version: ")?;
    let version = version.split(',').next()?.trim();
    let at: Timestamp = stamp.trim().parse().ok()?;
    if at.as_second().abs_diff(since.as_second()) > SLACK_S.unsigned_abs() {
        return None;
    }
    let package = version.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim();
    let package = package.trim_start_matches('(').trim_end_matches(')');
    if let Some(version) = package.strip_prefix("Debian ") {
        return Some(version.to_owned());
    }
    package.strip_prefix("qemu-kvm-").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = r#"<domain type='kvm' id='3'><name>a &amp; b</name><uuid>u-1</uuid><memory unit='KiB'>2097152</memory>
      <vcpu placement='static' current='2'>8</vcpu><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
      <cpu mode='custom'><model>Skylake</model><feature policy='require' name='md-clear'/><feature policy='disable' name='mpx'/></cpu>
      <devices><disk type='file'><source file='/var/d.qcow2'/></disk><disk type='volume'><source pool='p' volume='v'/></disk>
      <hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source></hostdev>
      <tpm model='tpm-crb'><backend type='emulator'/></tpm></devices></domain>"#;

    #[test]
    fn fields_of_a_domain() {
        let host = HostId::new("h").unwrap();
        let vm = vm(
            &parse(DOMAIN).unwrap(),
            Some(
                "running
",
            ),
            &host,
        )
        .unwrap();
        assert_eq!((vm.id.as_str(), vm.name.as_deref()), ("u-1", Some("a & b")));
        assert_eq!((vm.vcpus, vm.memory_mib, vm.power), (Some(2), Some(2048), Some(PowerState::On)));
        assert_eq!((vm.machine_type.as_deref(), vm.host), (Some("pc-q35-7.2"), Some(host)));
        assert_eq!(vm.cpu_features, ["md-clear"]);
        assert_eq!(vm.passthrough, ["pci 0000:3b:00.1"]);
        assert_eq!(vm.sealed_keys.unwrap().vtpm, Some(true));
        assert_eq!(vm.extra["disks"], serde_json::json!(["/var/d.qcow2", "p/v"]));
    }

    #[test]
    fn broken_definitions_are_refused() {
        for xml in ["", "<domain>", "<domain></wrong>", "<domain>&lol;</domain>"] {
            assert!(parse(xml).is_err(), "{xml}");
        }
        assert!(parse(&"<a>".repeat(100)).unwrap_err().contains("deeper"));
        let off = vm(&parse("<domain><name>x</name></domain>").unwrap(), None, &HostId::new("h").unwrap());
        assert!(off.unwrap_err().contains("uuid"));
    }
}
