use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::*;

/// A minimal workbook: each tab is rows of (cell reference, text).
fn xlsx(tabs: &[(&str, &[(&str, &str)])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut part = |name: &str, text: String| {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    };
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let packages = "http://schemas.openxmlformats.org/package/2006/relationships";
    let (mut sheets, mut relations) = (String::new(), String::new());
    for (index, (name, cells)) in tabs.iter().enumerate() {
        let n = index + 1;
        sheets += &format!("<sheet name=\"{name}\" sheetId=\"{n}\" r:id=\"r{n}\"/>");
        relations += &format!(
            "<Relationship Id=\"r{n}\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"
        );
        let mut rows: BTreeMap<u32, String> = BTreeMap::new();
        for (reference, text) in *cells {
            let number = reference.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().unwrap();
            let cell = match text.strip_prefix('=') {
                Some(number) => format!("<c r=\"{reference}\"><v>{number}</v></c>"),
                None => format!("<c r=\"{reference}\" t=\"inlineStr\"><is><t>{text}</t></is></c>"),
            };
            rows.entry(number).or_default().push_str(&cell);
        }
        let rows: String = rows.iter().map(|(n, cells)| format!("<row r=\"{n}\">{cells}</row>")).collect();
        part(
            &format!("xl/worksheets/sheet{n}.xml"),
            format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>"),
        );
    }
    part(
        "xl/workbook.xml",
        format!("<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets>{sheets}</sheets></workbook>"),
    );
    part(
        "xl/_rels/workbook.xml.rels",
        format!("<Relationships xmlns=\"{packages}\">{relations}</Relationships>"),
    );
    let root = format!(
        "<Relationships xmlns=\"{packages}\"><Relationship Id=\"r1\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    part("_rels/.rels", root);
    archive.finish().unwrap().into_inner()
}

fn table(header: &[&str], rows: &[&[&str]]) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    for (r, row) in std::iter::once(&header).chain(rows).enumerate() {
        for (c, text) in row.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            cells.push((format!("{}{}", char::from(b'A' + c as u8), r + 1), (*text).to_owned()));
        }
    }
    cells
}

fn workbook(tabs: &[(&str, Vec<(String, String)>)]) -> Vec<u8> {
    let tabs: Vec<(&str, Vec<(&str, &str)>)> = tabs
        .iter()
        .map(|(n, cells)| (*n, cells.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()))
        .collect();
    let tabs: Vec<(&str, &[(&str, &str)])> = tabs.iter().map(|(n, cells)| (*n, cells.as_slice())).collect();
    xlsx(&tabs)
}

fn at() -> Timestamp {
    "2026-08-22T00:00:00Z".parse().unwrap()
}

const HOSTS: &[&str] = &[
    "host",
    "Cluster",
    "ESX Version",
    "# Cores",
    "# Memory",
    "in Maintenance Mode",
    "Current EVC",
    "BIOS Version",
];

fn hosts() -> Vec<(String, String)> {
    table(
        HOSTS,
        &[
            &[
                "esx1",
                "C1",
                "VMware ESXi 8.0.3 build-24585383",
                "=32",
                "=524288",
                "False",
                "intel-skylake",
                "2.19",
            ],
            &["esx2", "C1", "VMware ESXi 7.0.3 build-24411414", "=32", "524,288", "True"],
            &["esx1", "C1", "VMware ESXi 8.0.2 build-22380479"],
        ],
    )
}

#[test]
fn an_estate() {
    let vms = table(
        &[
            "VM",
            "Powerstate",
            "Template",
            "CPUs",
            "Memory",
            "Host",
            "Cluster",
            "HW version",
            "VM UUID",
            "VM ID",
            "name",
            "NICs",
            "OS according to the configuration file",
        ],
        &[
            &[
                "web",
                "poweredOn",
                "False",
                "=4",
                "=8192",
                "esx1",
                "C1",
                "=19",
                "u-1",
                "vm-1",
                "x",
                "=2",
                "Debian 12",
            ],
            &["clone", "poweredOff", "False", "=2", "=2048", "esx1", "C1", "vmx-13", "u-1", "vm-2"],
            &["golden", "poweredOff", "True", "=1", "=1024", "esx2", "C1", "=19", "u-3"],
            &["stray", "poweredOn", "False", "", "", "esx9", "C2", "", "", ""],
        ],
    );
    let clusters = table(
        &["Name", "HA enabled", "AdmissionControlEnabled", "DRS enabled"],
        &[&["C1", "True", "False", "True"]],
    );
    let bytes = workbook(&[("vinfo", vms), ("vHost", hosts()), ("vCluster", clusters)]);
    let Collected { fleet, notes } = read(&bytes, "e.xlsx", at()).unwrap();

    assert_eq!(fleet.seen.by, "rvtools:e.xlsx");
    let names: Vec<&str> = fleet.hosts.iter().map(|h| h.id.as_str()).collect();
    assert_eq!(names, ["esx1", "esx2", "esx9"]);
    let esx1 = &fleet.hosts[0];
    assert_eq!(esx1.platform.as_ref().unwrap().train.as_deref(), Some("8.0U3"));
    let product = &esx1.components.as_ref().unwrap().components[0];
    assert_eq!(
        (product.name.as_str(), product.version.as_str(), product.kind),
        ("esxi", "VMware ESXi 8.0.3 build-24585383", ComponentKind::Product)
    );
    assert_eq!((esx1.maintenance, fleet.hosts[1].maintenance), (Some(false), Some(true)));
    assert_eq!(fleet.hosts[1].capacity.unwrap().memory_mib, Some(524_288));
    assert_eq!(
        (esx1.extra["Current EVC"].as_str(), esx1.firmware.as_deref()),
        (Some("intel-skylake"), Some("2.19"))
    );
    assert_eq!(fleet.hosts[2].platform, None);

    let c1 = &fleet.clusters[0];
    assert_eq!(
        (c1.ha_restart, c1.admission_control, c1.load_balancing),
        (Some(true), Some(false), Some(true))
    );
    let ids: Vec<&str> = fleet.vms.iter().map(|vm| vm.id.as_str()).collect();
    assert_eq!(ids, ["u-1", "u-1~vm-2", "vm:stray"]);
    let web = &fleet.vms[0];
    assert_eq!(
        (web.vcpus, web.memory_mib, web.machine_type.as_deref()),
        (Some(4), Some(8192), Some("vmx-19"))
    );
    assert_eq!((web.power, web.guest_os.as_deref()), (Some(PowerState::On), Some("Debian 12")));
    assert_eq!((&web.extra["NICs"], &web.extra["column:name"]), (&Value::from(2), &Value::from("x")));
    assert_eq!(
        (fleet.vms[1].host.as_ref(), fleet.vms[1].extra["registered_on"].as_str()),
        (None, Some("esx1"))
    );
    assert_eq!(fleet.images[0].name.as_deref(), Some("golden"));

    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    for expected in
        ["esx1\" is listed twice", "u-1 is in use", "esx9\" is not in vHost", "stray\" has no VM UUID"]
    {
        assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:#?}");
    }
    let text = serde_json::to_string(&fleet).unwrap();
    assert_eq!(serde_json::from_str::<Fleet>(&text).unwrap(), fleet);
}

#[test]
fn tabs_that_contradict_each_other_make_a_fleet() {
    let hosts =
        table(&["Host", "Cluster"], &[&["h", "A"], &["cluster:B", "A"], &["cluster:A", "B"], &["g", ""]]);
    let vms = table(
        &["VM", "Powerstate", "Host", "Cluster", "VM UUID"],
        &[&["a", "poweredOn", "h", "B", "1"], &["b", "poweredOn", "1", "B", "2"], &["c", "", "g", "B", "3"]],
    );
    let bytes = workbook(&[("vInfo", vms), ("vHost", hosts)]);
    let Collected { fleet, notes } = read(&bytes, "e.xlsx", at()).unwrap();
    let text = serde_json::to_vec(&fleet).unwrap();
    let checked = underpin_model::fleet::read(&text).unwrap();
    assert_eq!(checked.fleet, fleet);
    assert_eq!(fleet.vms[0].host.as_ref().unwrap().as_str(), "h");
    assert_eq!((&fleet.vms[0].cluster, &fleet.vms[1].host), (&None, &None));
    assert!(fleet.vms[2].cluster.is_some());
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    for expected in ["the cluster of its host: left out", "\"1\" is the id of another element"] {
        assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:#?}");
    }
}

#[test]
fn addresses_of_cells_that_overflow_end_nothing() {
    let bytes = xlsx(&[("vInfo", &[("A1", "VM")]), ("vHost", &[("A1", "Host"), ("A4294967295", "h")])]);
    let bytes = [bytes, xlsx(&[("vInfo", &[("A1", "VM")]), ("vHost", &[("ZZZZZZZZZZZZ1", "Host")])])];
    for bytes in bytes {
        match read(&bytes, "e.xlsx", at()) {
            // Without overflow checks the address is another one, and its cell has no header.
            Ok(collected) => assert!(collected.fleet.vms.is_empty()),
            Err(error) => assert!(error.to_string().contains("vHost cannot be read"), "{error}"),
        }
    }
}

#[test]
fn missing_tabs() {
    let bytes = workbook(&[("vInfo", table(&["VM"], &[])), ("vDisk", table(&["VM"], &[]))]);
    let error = read(&bytes, "e.xlsx", at()).unwrap_err().to_string();
    assert!(error.contains("vHost is missing") && error.contains("vInfo, vDisk"), "{error}");
    let bytes = workbook(&[("vHost", hosts())]);
    assert!(matches!(read(&bytes, "e.xlsx", at()), Err(ReadError::MissingTab { tab: "vInfo", .. })));
    let bytes = workbook(&[("vInfo", table(&["VM"], &[])), ("vHost", hosts())]);
    assert!(read(&bytes, "e.xlsx", at()).unwrap().notes.iter().any(|n| n.place == "vCluster"));
}

#[test]
fn damaged_and_oversized_files_are_refused() {
    assert!(matches!(read(b"PK\x03\x04 no", "e.xlsx", at()), Err(ReadError::NotAWorkbook { .. })));
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("xl/workbook.xml", SimpleFileOptions::default()).unwrap();
    archive.write_all(&vec![0; 1 << 20]).unwrap();
    let mut bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 10_000);
    workbook::check_size(&bytes, 1 << 20).unwrap();
    assert!(matches!(workbook::check_size(&bytes, (1 << 20) - 1), Err(ReadError::TooLarge { .. })));
    // The declared size is a lie: what is unpacked counts.
    let declared = (1_u32 << 20).to_le_bytes();
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == declared {
            bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
        }
    }
    let lied = workbook::check_size(&bytes, 1 << 16);
    assert!(matches!(lied, Err(ReadError::TooLarge { .. } | ReadError::NotAWorkbook { .. })), "{lied:?}");
}

#[test]
fn a_far_cell_takes_no_memory() {
    let mut vms = table(&["VM", "VM UUID"], &[&["a", "u-1"]]);
    vms.push(("XFD1048576".to_owned(), "far".to_owned()));
    let bytes = workbook(&[("vInfo", vms), ("vHost", hosts())]);
    assert_eq!(read(&bytes, "e.xlsx", at()).unwrap().fleet.vms.len(), 1);
}
