//! Inventories of other tools become a fleet that can be written and read again, or are refused with a reason.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use underpin_model::id::HostId;
use underpin_platforms::{Collected, csv, cyclonedx, rvtools};
use zip::write::SimpleFileOptions;

const TABS: [&str; 3] = ["vInfo", "vHost", "vCluster"];

/// The text, cut at empty lines, as the parts of a workbook that hold cells: three tabs and the shared texts. A workbook is
/// an archive with checksums, which random changes would hardly ever get past.
fn workbook(text: &[u8]) -> Option<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut part = |name: &str, bytes: &[u8]| -> Option<()> {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file(name, stored).ok()?;
        archive.write_all(bytes).ok()
    };
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let packages = "http://schemas.openxmlformats.org/package/2006/relationships";
    let text = String::from_utf8_lossy(text);
    let mut parts = text.splitn(TABS.len() + 1, "\n\n");
    let (mut sheets, mut relations) = (String::new(), String::new());
    for (n, tab) in TABS.iter().enumerate() {
        sheets += &format!(r#"<sheet name="{tab}" sheetId="{n}" r:id="r{n}"/>"#);
        relations +=
            &format!(r#"<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/{tab}.xml"/>"#);
        part(&format!("xl/worksheets/{tab}.xml"), parts.next().unwrap_or_default().as_bytes())?;
    }
    if let Some(texts) = parts.next() {
        part("xl/sharedStrings.xml", texts.as_bytes())?;
        relations +=
            &format!(r#"<Relationship Id="s" Type="{office}/sharedStrings" Target="sharedStrings.xml"/>"#);
    }
    let book = format!(r#"<workbook xmlns:r="{office}"><sheets>{sheets}</sheets></workbook>"#);
    part("xl/workbook.xml", book.as_bytes())?;
    let relations = format!(r#"<Relationships xmlns="{packages}">{relations}</Relationships>"#);
    part("xl/_rels/workbook.xml.rels", relations.as_bytes())?;
    let root = format!(
        r#"<Relationships xmlns="{packages}"><Relationship Id="b" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    part("_rels/.rels", root.as_bytes())?;
    archive.finish().ok().map(Cursor::into_inner)
}

/// What a collector made is a fleet file: whoever collects must be able to assess.
fn check<E: std::fmt::Display>(result: Result<Collected, E>) {
    match result {
        Ok(collected) => {
            let written = serde_json::to_vec(&collected.fleet).unwrap_or_else(|error| panic!("{error}"));
            if let Err(errors) = underpin_model::fleet::read(&written) {
                panic!("what was collected is no fleet: {errors:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

// The reader of workbooks is caught where it panics; the hook that ends the process at any panic would not let it. What
// leaves the target still ends it.
fuzz_target!(init: std::panic::set_hook(Box::new(|info| eprintln!("{info}"))), |bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let at = jiff::Timestamp::UNIX_EPOCH;
    match kind {
        b'c' => check(csv::read(bytes, "f", at)),
        b'b' => {
            let Ok(host) = HostId::new("h") else { return };
            check(cyclonedx::read(bytes, cyclonedx::Subject::Host(host), "f", at));
        }
        b'x' => check(rvtools::read(bytes, "f", at)),
        b'w' => {
            if let Some(workbook) = workbook(bytes) {
                check(rvtools::read(&workbook, "f", at));
            }
        }
        _ => {}
    }
});
