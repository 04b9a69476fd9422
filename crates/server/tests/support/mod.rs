//! A server on a free loopback port, with an analyst that answers by simple rules.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Value, json};
use underpin_exposure::report::*;
use underpin_feeds::{Defect, Position};
use underpin_model::facts::*;
use underpin_model::fleet::Fleet;
use underpin_model::id::*;
use underpin_model::ssvc::{Decision, Timeline};
use underpin_server::analyst::*;
use underpin_server::{Config, bind};
use underpin_store::Store;

pub const NOW: i64 = 1_763_700_000;

pub fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// Rules: a host of `proxmox` is affected, half fixed and partly unknown; one of `esxi` is exploited; a VM with a VMM
/// is affected.
pub struct Rules;

impl Analyst for Rules {
    fn builtin(&self) -> Vec<FeedFacts> {
        Vec::new()
    }

    fn read_fleet(&self, bytes: &[u8]) -> Result<FleetReading, Vec<Problem>> {
        let problem = |pointer: String, detail: String| Problem { pointer, detail };
        let read = serde_json::from_slice(bytes).or_else(|_| serde_yaml_ng::from_slice(bytes));
        let fleet: Fleet = read.map_err(|e| vec![problem(String::new(), format!("is no fleet: {e}"))])?;
        let hosts: std::collections::BTreeSet<_> = fleet.hosts.iter().map(|h| h.id.clone()).collect();
        let dangling = fleet.vms.iter().enumerate().filter_map(|(at, vm)| {
            let host = vm.host.as_ref().filter(|h| !hosts.contains(*h))?;
            Some(problem(format!("/vms/{at}/host"), format!("{host} is no host; name one of the hosts")))
        });
        let errors: Vec<_> = dangling.collect();
        if errors.is_empty() { Ok(FleetReading { fleet, warnings: Vec::new() }) } else { Err(errors) }
    }

    fn read_feed(&self, name: &str, bytes: &[u8]) -> FeedReading {
        let mut reading = FeedReading::default();
        let refuse = |path: &str, pointer: &str, reason: &str, bytes: &[u8]| RefusedDocument {
            path: path.to_owned(),
            bytes: bytes.to_vec(),
            defect: Defect {
                at: Position::Pointer(pointer.to_owned()),
                reason: reason.to_owned(),
                format: None,
            },
        };
        let Ok(parsed) = serde_json::from_slice::<Value>(bytes) else {
            reading.quarantined.push(refuse(name, "", "is no JSON <b>at all</b>", bytes));
            return reading;
        };
        let list = parsed.as_array().cloned().unwrap_or_else(|| vec![parsed]);
        for (at, value) in list.iter().enumerate() {
            let bytes = value.to_string().into_bytes();
            let path = format!("{name}/{at}");
            let Some(id) = value["id"].as_str() else {
                reading.quarantined.push(refuse(&path, "/id", "the id is missing", &bytes));
                continue;
            };
            let mut document = Document::new(id, Format::Csaf);
            document.updated = value["updated"].as_str().and_then(|t| t.parse().ok());
            document.advisories.push(advisory(id));
            reading.documents.push(ReadDocument { path, bytes, document: Arc::new(document) });
        }
        reading
    }

    fn assess(&self, fleet: &Fleet, feeds: &[FeedFacts], as_of: Timestamp) -> Result<Assessment, String> {
        let mut groups = Groups::default();
        for family in [Family::Proxmox, Family::Esxi] {
            let hosts =
                fleet.hosts.iter().filter(|h| h.platform.as_ref().is_some_and(|p| p.family == family));
            let hosts = hosts.map(|h| (AssetKind::Host, h.id.as_str())).collect();
            groups.add(hosts, if family == Family::Esxi { esxi() } else { proxmox() });
        }
        let with = |vmm: bool| {
            let vms = fleet.vms.iter().filter(move |v| v.vmm.is_some() == vmm);
            vms.map(|v| (AssetKind::Vm, v.id.as_str())).collect::<Vec<_>>()
        };
        let guest =
            finding("pve-qemu-kvm", Some("CVE-2025-0001"), Status::Affected, ReasonCode::GuestOnOldVmm);
        groups.add(with(true), vec![guest]);
        groups.add(
            with(false),
            vec![finding("guest-os", None, Status::UnknownNoSource, ReasonCode::NoCoverage)],
        );
        let images = fleet.images.iter().map(|i| (AssetKind::Image, i.id.as_str())).collect();
        groups.add(
            images,
            vec![finding(
                "openssl",
                Some("CVE-2025-0004"),
                Status::UnknownVersion,
                ReasonCode::NotComparable,
            )],
        );
        Ok(Assessment {
            as_of,
            feeds: feeds.iter().map(|f| state(f, as_of)).collect(),
            summary: groups.summary,
            groups: groups.groups,
            findings: groups.findings,
            vulnerabilities: views(),
        })
    }

    fn ripple(&self, fleet: &Fleet, at: &str) -> Option<Ripple> {
        let element = |kind: &str, id: &str| RippleElement { kind: kind.to_owned(), id: id.to_owned() };
        let host = fleet.hosts.iter().find(|h| h.id.as_str() == at);
        let vm = fleet.vms.iter().find(|v| v.id.as_str() == at);
        let tenant = fleet.tenants.iter().find(|t| t.id.as_str() == at);
        let image = fleet.images.iter().find(|i| i.id.as_str() == at);
        host.map(|_| ()).or(vm.map(|_| ())).or(tenant.map(|_| ())).or(image.map(|_| ()))?;
        let above = fleet.vms.iter().filter(|v| v.host.as_ref().is_some_and(|h| h.as_str() == at));
        let below = host.and_then(|h| h.cluster.as_ref()).map(|c| element("cluster", c.as_str()));
        Some(Ripple {
            at: at.to_owned(),
            tenants: vec![RippleTenant { tenant: None, vms: above.clone().count() as u64 }],
            above: above.map(|v| element("vm", v.id.as_str())).collect(),
            below: below
                .into_iter()
                .chain(vm.and_then(|v| v.host.as_ref()).map(|h| element("host", h.as_str())))
                .collect(),
        })
    }
}

fn advisory(id: &str) -> Advisory {
    Advisory {
        id: AdvisoryId::new(id).unwrap(),
        title: Some("Guest escape <script>alert(1)</script>".to_owned()),
        published: Some(now()),
        updated: None,
        class: Some(PatchClass::Security),
        severity: Some("high".to_owned()),
        claims: Vec::new(),
        remedies: Vec::new(),
    }
}

fn state(feed: &FeedFacts, as_of: Timestamp) -> FeedState {
    let updated = feed.documents.iter().filter_map(|(_, d)| d.updated).max();
    let age = updated.map(|u| (as_of.as_second() - u.as_second()) / 86_400);
    FeedState {
        id: FeedId::new(feed.name.as_str()).unwrap(),
        updated,
        fetched: Some(feed.fetched),
        age_days: age,
        stale: age.is_none_or(|days| days > 30),
        covers: vec![Coverage {
            of: Subject::Vulnerabilities,
            family: Family::Proxmox,
            train: Some("8".into()),
            component: None,
            period: Period { from: date(2023, 6, 1), to: date(2025, 8, 25) },
        }],
        documents: feed.documents.len(),
    }
}

#[derive(Default)]
struct Groups {
    groups: Vec<Group>,
    findings: Vec<Finding>,
    summary: Summary,
}

impl Groups {
    fn add(&mut self, assets: Vec<(AssetKind, &str)>, findings: Vec<Finding>) {
        if assets.is_empty() {
            return;
        }
        let number = |n: usize| u32::try_from(n).unwrap();
        let stretch = number(self.findings.len())..number(self.findings.len() + findings.len());
        let assets: Vec<_> = assets.into_iter().map(|(kind, id)| Asset { kind, id: id.into() }).collect();
        self.summary.assets += assets.len() as u64;
        self.groups.push(Group { assets, context: Context::default(), findings: vec![stretch] });
        self.findings.extend(findings);
    }
}

pub fn finding(component: &str, vulnerability: Option<&str>, status: Status, code: ReasonCode) -> Finding {
    Finding {
        component: component.into(),
        version: "8.1.5-5".into(),
        running_version: (status == Status::FixedNotRunning).then(|| "8.1.5-3".into()),
        vulnerability: vulnerability.map(|v| VulnerabilityId::new(v).unwrap()),
        status,
        reasons: vec![
            Reason {
                code,
                text: format!("{component} 8.1.5-5 is installed, the first fixed version is 8.1.5-6").into(),
                feed: Some(FeedId::new("dsa").unwrap()),
                document: Some("dsa/0".into()),
            },
            Reason {
                code: ReasonCode::Installed,
                text: "seen by collect local".into(),
                feed: None,
                document: None,
            },
        ],
        fix: status.is_open().then(|| Fix {
            version: Some("8.1.5-6".into()),
            advisory: Some(AdvisoryId::new("DSA-1").unwrap()),
            class: PatchClass::Security,
            area: Area::DeviceEmulation,
            restart: Restart::Service,
            needs: vec![
                Need::Install { component: component.into(), version: "8.1.5-6".into() },
                Need::RecreateGuests,
            ],
            needed: Needed::Yes { why: "live guests run on it".to_owned() },
        }),
    }
}

fn proxmox() -> Vec<Finding> {
    vec![
        finding("pve-qemu-kvm", Some("CVE-2025-0001"), Status::Affected, ReasonCode::BelowFix),
        finding("pve-kernel", Some("CVE-2025-0002"), Status::FixedNotRunning, ReasonCode::RunningDiffers),
        finding("bios", None, Status::UnknownNoSource, ReasonCode::NoCoverage),
        finding("libvirt", Some("CVE-2025-0004"), Status::Fixed, ReasonCode::AtOrAboveFix),
        finding("openvswitch", Some("CVE-2025-0005"), Status::NotAffected, ReasonCode::VexNotAffected),
    ]
}

fn esxi() -> Vec<Finding> {
    vec![
        finding("esxi", Some("CVE-2025-0003"), Status::Affected, ReasonCode::BelowFix),
        finding("esxi", Some("CVE-2025-0004"), Status::Fixed, ReasonCode::AtOrAboveFix),
    ]
}

fn views() -> std::collections::BTreeMap<VulnerabilityId, VulnerabilityView> {
    (1..=5)
        .map(|n| {
            let id = VulnerabilityId::new(format!("CVE-2025-000{n}")).unwrap();
            let view = VulnerabilityView {
                id: id.clone(),
                aliases: vec![VulnerabilityId::new(format!("XSA-{n}")).unwrap()],
                published: Some(date(2025, 3, 4)),
                cvss: Some(CvssView {
                    score: 9.3,
                    vector: "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H".to_owned(),
                }),
                kev: (n == 3).then(|| date(2025, 3, 4)),
                epss: Some(0.01 * f64::from(n)),
                ssvc: Some(SsvcView {
                    decision: Decision::OutOfCycle,
                    assumed: vec!["exposure=controlled".to_owned()],
                }),
                due: Some(DueView {
                    timeline: Timeline::Days14,
                    date: Some(date(2025, 3, 25)),
                    since: Some(date(2025, 3, 11)),
                    duties: Vec::new(),
                    assumed: Vec::new(),
                }),
                points: underpin_exposure::decision::points(
                    &VulnerabilityFacts::new(id.clone()),
                    date(2025, 8, 25),
                ),
                advisories: vec![AdvisoryId::new("DSA-1").unwrap()],
            };
            (id, view)
        })
        .collect()
}

/// A fleet of `hosts` hosts, half of each platform, with `each` VMs each, some with ids that need escaping.
pub fn fleet(hosts: usize, each: usize) -> Value {
    let host = |n: usize| {
        let proxmox = n.is_multiple_of(2);
        json!({"id": if proxmox { format!("pve-{n}") } else { format!("esx/{n} <b>") },
            "cluster": if proxmox { format!("c{}", n / 40) } else { format!("vsphere-{}", n / 40) },
            "platform": {"family": if proxmox { "proxmox" } else { "esxi" }, "release": "8.1.4"},
            "kernel_release": "6.5.11-7-pve", "provenance": {"kernel_release": {"at": "2025-11-01T00:00:00Z", "by": "collect local"}}})
    };
    let all: Vec<_> = (0..hosts).map(host).collect();
    let vm = |n: usize| {
        let vmm = n.is_multiple_of(3).then(|| json!({"component": "pve-qemu-kvm", "version": "8.1.5-3"}));
        json!({"id": format!("vm-{n}"), "host": all[n % hosts]["id"], "tenant": format!("tenant-{}", n % 7),
            "image": "debian-12", "vmm": vmm, "power": "on"})
    };
    json!({"format": "underpin/fleet/1", "name": "test & fleet", "seen": {"at": "2025-11-20T10:00:00Z", "by": "hand"},
        "tenants": (0..7).map(|n| json!({"id": format!("tenant-{n}"), "name": format!("Tenant {n}")})).collect::<Vec<_>>(),
        "images": [{"id": "debian-12"}],
        "clusters": [], "hosts": all, "vms": (0..hosts * each).map(vm).collect::<Vec<_>>()})
}

pub fn feed() -> Value {
    json!([{"id": "DSA-1", "updated": "2025-08-25T00:00:00Z"}, {"title": "bad"}, {"id": "DSA-2"}])
}

/// A KEV catalogue of one entry.
pub fn kev(released: &str, vulnerability: &str, added: &str) -> String {
    json!({"title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": "1", "dateReleased": released, "count": 1,
        "vulnerabilities": [{"cveID": vulnerability, "vendorProject": "v", "product": "p", "vulnerabilityName": "n",
        "dateAdded": added, "shortDescription": "s", "requiredAction": "a", "dueDate": "2026-02-01",
        "knownRansomwareCampaignUse": "Unknown", "notes": "", "cwes": []}]})
    .to_string()
}

/// A promise of each kind, and one to a tenant.
pub const PROMISES: &str = concat!(
    include_str!("../../../cli/tests/it/fixtures/promises.toml"),
    "[[promise]]\nid = \"gold\"\nkind = \"fix-within\"\ndays = 14\nscope = { tenants = [\"acme\"] }\n"
);

/// Fixed in 17:8.2.0-11, published ten days before [`now`].
pub const ALSA: &str = r#"{"id": "ALSA-2025:0001", "published": "2025-11-11T00:00:00Z", "modified": "2025-11-11T00:00:00Z",
 "summary": "Important: qemu-kvm security update", "related": ["CVE-2025-0001"],
 "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;

/// Twenty hosts that wait for that fix, the first five beneath a tenant, and one ESXi host.
pub fn promised() -> Value {
    let component = json!({"name": "qemu-kvm-core", "version": "17:8.2.0-10.el9", "arch": "x86_64",
        "running_version": "17:8.2.0-10.el9"});
    let host = |n: usize| {
        json!({"id": format!("kvm-{n:02}"), "platform": {"family": "almalinux", "train": "9"},
            "running": {"qemu-kvm-core": "17:8.2.0-10.el9"},
            "components": {"family": "almalinux", "train": "9", "components": [component]}})
    };
    let mut hosts: Vec<Value> = (0..20).map(host).collect();
    hosts.push(json!({"id": "esx-0", "platform": {"family": "esxi", "train": "5.5"}}));
    let vm = |n: usize| json!({"id": format!("vm-{n}"), "host": format!("kvm-{n:02}"), "tenant": "acme", "power": "off"});
    json!({"format": "underpin/fleet/1", "name": "promised", "seen": {"at": "2025-11-20T10:00:00Z", "by": "hand"},
        "tenants": [{"id": "acme"}], "hosts": hosts, "vms": (0..5).map(vm).collect::<Vec<_>>()})
}

/// A form with these files; an empty name stands for none.
pub fn form(files: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        let name = if name.is_empty() { String::new() } else { format!("; filename=\"{name}\"") };
        format!("--x\r\nContent-Disposition: form-data; name=\"file\"{name}\r\n\r\n{content}\r\n")
    };
    files.iter().map(part).collect::<String>() + "--x--\r\n"
}

pub async fn send(server: &Server, path: &str, form: String) -> reqwest::Response {
    let request =
        server.http.post(server.url(path)).header("content-type", "multipart/form-data; boundary=x");
    request.body(form).send().await.unwrap()
}

pub async fn put_policy(server: &Server, text: &str) -> reqwest::Response {
    server.http.put(server.url("/api/v1/policy")).body(text.to_owned()).send().await.unwrap()
}

/// A running server; it stops when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    pub http: reqwest::Client,
    pub store: Store,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Config::default(), tempfile::tempdir().unwrap()).await
    }

    pub async fn with(config: Config, folder: tempfile::TempDir) -> Self {
        Self::with_analyst(config, folder, Arc::new(Rules)).await
    }

    /// With the real core and its built-in facts.
    pub async fn real() -> Self {
        Self::real_with(Config::default()).await
    }

    /// The same, served in another way.
    pub async fn real_with(config: Config) -> Self {
        let core = underpin_server::Core::new(now(), Vec::new()).unwrap();
        Self::with_analyst(config, tempfile::tempdir().unwrap(), Arc::new(core)).await
    }

    /// With the real core, a fleet, and a policy that promises something. The day is soon after the fixes that its hosts
    /// wait for, so that some clocks run.
    pub async fn promising() -> Self {
        let core = underpin_server::Core::new(now(), Vec::new()).unwrap();
        let server =
            Self::with_analyst(Config::default(), tempfile::tempdir().unwrap(), Arc::new(core)).await;
        assert_eq!(server.post("/api/v1/policy", PROMISES.to_owned()).await.status(), 201);
        assert_eq!(server.post("/api/v1/fleets", promised().to_string()).await.status(), 201);
        assert_eq!(server.post("/api/v1/feeds?name=alsa", ALSA.to_owned()).await.status(), 201);
        server
    }

    pub async fn with_analyst(config: Config, folder: tempfile::TempDir, analyst: Arc<dyn Analyst>) -> Self {
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), clock: now, ..config };
        let bound = bind(config, store.clone(), analyst).await.unwrap();
        let address = bound.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(bound.serve(async move { drop(stopped.await) }));
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { address, folder, http, store, stop: Some(stop), serving }
    }

    /// With a fleet and a feed.
    pub async fn filled() -> Self {
        let server = Self::start().await;
        assert_eq!(server.post("/api/v1/fleets", fleet(6, 4).to_string()).await.status(), 201);
        assert_eq!(server.post("/api/v1/feeds?name=dsa", feed().to_string()).await.status(), 201);
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: String) -> reqwest::Response {
        self.http.post(self.url(path)).body(body).send().await.unwrap()
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        drop(self.http);
        self.serving.await.unwrap();
    }
}
