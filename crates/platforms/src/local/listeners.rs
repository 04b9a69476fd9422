//! Listening sockets and the ways in that follow from them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use underpin_model::fleet::{Listener, ManagementInterface};

use super::probe::Probe;

/// Kernel codes of `/proc/net`: a TCP socket that listens, a UDP socket without a peer.
const TCP_LISTEN: &str = "0A";
const UDP_UNCONNECTED: &str = "07";

/// Reads the sockets of the network name space that the collector runs in.
pub(super) fn read(probe: &mut Probe<'_>, owners: &BTreeMap<u64, String>) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for (protocol, state) in
        [("tcp", TCP_LISTEN), ("tcp6", TCP_LISTEN), ("udp", UDP_UNCONNECTED), ("udp6", UDP_UNCONNECTED)]
    {
        let path = format!("/proc/net/{protocol}");
        let text = if protocol.ends_with('6') { probe.text(&path) } else { probe.required(&path) };
        for line in text.unwrap_or_default().lines().skip(1) {
            if let Some(listener) = listener(protocol, state, line, owners) {
                listeners.push(listener);
            }
        }
    }
    listeners.sort();
    listeners.dedup();
    listeners
}

fn listener(protocol: &str, state: &str, line: &str, owners: &BTreeMap<u64, String>) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != state {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let inode: u64 = fields.get(9)?.parse().ok()?;
    Some(Listener {
        protocol: protocol.to_owned(),
        address: self::address(address)?,
        port: Some(u16::from_str_radix(port, 16).ok()?),
        program: owners.get(&inode).cloned(),
    })
}

/// The kernel prints addresses as 32-bit words in the byte order of the machine.
fn address(hex: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..hex.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// Program, its port if only that port is for management, and the kind of the way in.
const WAYS_IN: &[(&str, Option<u16>, &str)] = &[
    ("sshd", None, "ssh"),
    ("libvirtd", None, "api"),
    ("virtproxyd", None, "api"),
    ("cockpit-ws", None, "https"),
    ("cockpit-tls", None, "https"),
    ("pveproxy", Some(8006), "https"),
    ("xapi", None, "api"),
];

/// Ports whose owner is hidden, or that a service manager holds for a service that starts on demand.
const PORTS: &[(u16, &str)] =
    &[(22, "ssh"), (8006, "https"), (9090, "https"), (16509, "api"), (16514, "api")];

/// Ways in among the TCP listeners; each is switched on, because it listens.
pub(super) fn management(listeners: &[Listener]) -> Vec<ManagementInterface> {
    let kind = |listener: &Listener| -> Option<&'static str> {
        let port = listener.port?;
        match listener.program.as_deref() {
            None | Some("systemd") => PORTS.iter().find(|(p, _)| *p == port).map(|(_, kind)| *kind),
            Some(program) => WAYS_IN
                .iter()
                .find(|(name, only, _)| program.starts_with(name) && only.is_none_or(|only| only == port))
                .map(|(_, _, kind)| *kind),
        }
    };
    let tcp = listeners.iter().filter(|listener| listener.protocol.starts_with("tcp"));
    tcp.filter_map(|listener| {
        let address = if listener.address.contains(':') {
            format!("[{}]", listener.address)
        } else {
            listener.address.clone()
        };
        Some(ManagementInterface {
            kind: kind(listener)?.to_owned(),
            listen: Some(format!("{address}:{}", listener.port?)),
            networks: Vec::new(),
            enabled: Some(true),
            authentication: Vec::new(),
        })
    })
    .collect()
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let owners = BTreeMap::from([(77, "sshd".to_owned())]);
        let line = "   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0";
        let found = listener("tcp", TCP_LISTEN, line, &owners).unwrap();
        assert_eq!(
            (found.address.as_str(), found.port, found.program.as_deref()),
            ("127.0.0.1", Some(22), Some("sshd"))
        );
        assert_eq!(listener("tcp", TCP_LISTEN, &line.replace(" 0A ", " 01 "), &owners), None);
        assert_eq!(address("00000000000000000000000001000000").as_deref(), Some("::1"));
        assert_eq!(
            address("B80D01200000000067452301EFCDAB89").as_deref(),
            Some("2001:db8::123:4567:89ab:cdef")
        );
        assert_eq!(address("0100"), None);
    }

    #[test]
    fn ways_in_follow_from_listeners() {
        let listener = |address: &str, port, program: Option<&str>| Listener {
            protocol: "tcp".into(),
            address: address.into(),
            port: Some(port),
            program: program.map(str::to_owned),
        };
        let found = management(&[
            listener("0.0.0.0", 2222, Some("sshd")),
            listener("::", 9090, Some("systemd")),
            listener("0.0.0.0", 8006, Some("pveproxy")),
            listener("0.0.0.0", 22, Some("something-else")),
            listener("0.0.0.0", 80, None),
        ]);
        let found: Vec<_> = found.iter().map(|m| (m.kind.as_str(), m.listen.as_deref().unwrap())).collect();
        assert_eq!(found, [("ssh", "0.0.0.0:2222"), ("https", "[::]:9090"), ("https", "0.0.0.0:8006")]);
    }
}
