//! Whatever the bytes are, readers of files answer with a value or an error.

use proptest::prelude::*;
use underpin_model::id::HostId;
use underpin_platforms::{csv, cyclonedx, rvtools};

const COMPONENT: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","version":"1","purl":"PURL"}]}"#;

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let subject = || cyclonedx::Subject::Host(HostId::new("h").unwrap());
        prop_assert!(rvtools::read(&bytes, "f", at).is_err());
        prop_assert!(cyclonedx::read(&bytes, subject(), "f", at).is_err());
        prop_assert!(csv::read(&bytes, "f", at).is_err());
    }

    #[test]
    fn any_row_and_any_package_url(cell in "\\PC{0,40}", purl in "(pkg:)?[a-z:/@?&=%0-9.-]{0,40}") {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let row = format!("kind,id,vcpus,x\nvm,a,{cell},{cell}\n");
        if let Ok(collected) = csv::read(row.as_bytes(), "f", at) {
            prop_assert!(collected.fleet.vms.len() <= 1);
        }
        let bill = COMPONENT.replace("PURL", &purl);
        let subject = cyclonedx::Subject::Host(HostId::new("h").unwrap());
        let collected = cyclonedx::read(bill.as_bytes(), subject, "f", at).unwrap();
        // A package URL that cannot be read takes nothing away from what the bill says beside it.
        prop_assert_eq!(collected.fleet.hosts[0].components.as_ref().unwrap().components.len(), 1);
    }
}
