//! The sound case as files, for the tests of the binary and for fuzzing. `UNDERPIN_BLESS=1` writes them anew.
#![allow(
    clippy::disallowed_methods,
    reason = "the test reads files of the repository and an environment variable"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::path::Path;

use support::Case;

#[test]
fn files_of_the_sound_case_are_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let case = Case::sound();
    let fleet = serde_json::to_string_pretty(&case.fleet).unwrap() + "\n";
    let plan = serde_json::to_string_pretty(&case.plan).unwrap() + "\n";
    let fixtures = root.join("crates/cli/tests/it/fixtures/lint");
    let files = [
        (fixtures.join("fleet.json"), &fleet),
        (fixtures.join("plan.json"), &plan),
        (root.join("fuzz/seeds/plan_file/sound.json"), &plan),
    ];
    for (path, text) in files {
        if std::env::var_os("UNDERPIN_BLESS").is_some_and(|it| it == "1") {
            std::fs::write(&path, text).unwrap();
        }
        let stands = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(&stands, text, "{}: bless it with UNDERPIN_BLESS=1", path.display());
    }
}
