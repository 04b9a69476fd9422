//! `underpin cadence`.

use serde_json::Value;

use crate::support::{file, run, run_with, shared_data};

/// Eight dates in (2007-07-02, 2007-11-29], one on the day of building, one after the end.
const DATES: &str = "\u{feff}# releases of one product\n2007-07-02\n2007-07-03\n2007-07-12\n\n2007-08-01 # two patches\n\
    2007-08-01\n2007-08-15\r\n2007-09-06\n2007-10-02\n  2007-11-01\n2007-11-29\n2007-11-30\n";

fn json(arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["cadence"].iter().chain(arguments).chain(&["--format", "json"]).copied().collect();
    run(&all).ends(0).json()
}

#[test]
fn dates_of_a_file_give_the_figure_of_2007() {
    let dir = tempfile::tempdir().unwrap();
    let dates = file(&dir, "dates.txt", DATES);
    let answer = json(&["--dates", &dates, "--built", "2007-07-02", "--until", "2007-11-29"]);
    assert_eq!(answer["maintenances"], 8);
    assert_eq!(answer["mean_interval_days"], 18.75);
    assert_eq!((&answer["span_days"], &answer["patches"]), (&150.into(), &9.into()));
    assert_eq!(answer["series"][0]["maintenances"], 8, "it is in the list of series too");
    let piped =
        ["cadence", "--dates", "-", "--built", "2007-07-02", "--until", "2007-11-29", "--format", "json"];
    assert_eq!(run_with(&piped, DATES.as_bytes()).ends(0).json(), answer);
    let weekly =
        json(&["--dates", &dates, "--built", "2007-07-02", "--until", "2007-11-29", "--batch-days", "14"]);
    assert_eq!(weekly["maintenances"], 6, "07-03 with 07-12, 08-01 with 08-15");
}

/// Lines that stand side by side are no one host's, where nobody asks for that: as on the page.
#[test]
fn esxi_is_split_by_line_unless_somebody_asks_otherwise() {
    let series = |more: &[&str]| {
        let answer = json(&[&["--platform", "esxi"], more].concat());
        answer["series"].as_array().map_or(1, Vec::len)
    };
    assert!(series(&[]) > 3);
    assert_eq!(series(&[]), series(&["--by", "line"]));
    assert_eq!((series(&["--by", "nothing"]), series(&["--component", "ESXi"])), (1, 1));
}

/// Every series of the reference data by a command line of its own, from the built-in facts.
const FIGURES: [(&[&str], u64, &str); 20] = [
    (&["esxi", "--line", "5.5"], 31, "60.57"),
    (&["esxi", "--line", "6.0"], 33, "56.44"),
    (&["esxi", "--line", "6.5"], 39, "56.61"),
    (&["esxi", "--line", "6.7"], 30, "56.31"),
    (&["esxi", "--line", "7.0"], 29, "66.93"),
    (&["esxi", "--line", "8.0"], 17, "57.00"),
    (&["xen"], 236, "23.89"),
    (&["xcp-ng", "--component", "xen"], 97, "19.45"),
    (&["proxmox", "--component", "pve-manager"], 651, "10.52"),
    (&["proxmox", "--component", "qemu-server"], 523, "12.97"),
    (&["proxmox", "--component", "pve-kvm", "--component", "pve-qemu-kvm"], 339, "19.13"),
    (&["proxmox", "--component", "*kernel*"], 381, "12.20"),
    (&["proxmox", "--area", "kernel"], 381, "12.20"),
    (&["debian", "--component", "linux", "--dated", "built", "--policy", "cve"], 131, "20.58"),
    (&["debian", "--component", "xen", "--dated", "built", "--policy", "cve"], 53, "111.06"),
    (&["debian", "--component", "qemu", "--dated", "built", "--policy", "cve"], 106, "64.66"),
    (&["debian", "--component", "xen", "--bulletin", "DSA-"], 45, "94.48"),
    (&["debian", "--component", "qemu", "--bulletin", "DSA-"], 33, "171.47"),
    (&["debian", "--component", "linux", "--bulletin", "DSA-"], 69, "52.06"),
    (&["hyper-v", "--dated", "advisory"], 100, "60.24"),
];

#[track_caller]
fn assert_figures(answer: &Value, dates: u64, gap: &str, series: &[&str]) {
    assert_eq!(answer["distinct_dates"], dates, "{series:?}");
    assert_eq!(format!("{:.2}", answer["mean_gap_days"].as_f64().unwrap()), gap, "{series:?}");
}

#[test]
fn every_series_of_the_reference_has_its_figures() {
    for (series, dates, gap) in FIGURES {
        let arguments: Vec<&str> = ["--platform"].iter().chain(series).copied().collect();
        assert_figures(&json(&arguments), dates, gap, series);
    }
}

#[test]
fn the_same_figures_follow_from_the_reference_tables_alone() {
    let Some(shared) = shared_data() else { return };
    let feed = |name: &str| shared.join("feeds").join(name).to_str().unwrap().to_owned();
    for (series, dates, gap, name) in [
        (&["esxi", "--line", "6.7"][..], 30, "56.31", "esxi-builds-2009-2025.csv"),
        (&["xen"], 236, "23.89", "xen-xsa-2011-2026.yml"),
        (&["hyper-v", "--dated", "advisory"], 100, "60.24", "msrc-hyperv-2010-2026.csv"),
        (&["proxmox", "--component", "qemu-server"], 523, "12.97", "release-history.jsonl"),
    ] {
        let feed = feed(name);
        let arguments: Vec<&str> =
            ["--platform"].iter().chain(series).chain(&["--no-builtin", "--feeds", &feed]).copied().collect();
        assert_figures(&json(&arguments), dates, gap, series);
    }
}

#[test]
fn platforms_side_by_side_on_a_terminal() {
    let arguments = [
        "cadence",
        "--platform",
        "esxi",
        "--platform",
        "proxmox",
        "--line",
        "6.7",
        "--line",
        "9.1",
        "--line",
        "8",
        "--built",
        "2018-04-17",
        "--until",
        "2025-12-31",
        "--batch-days",
        "7",
    ];
    insta::assert_snapshot!(run(&arguments).ends(0).stdout);
}

#[test]
fn a_row_a_maintenance_as_csv() {
    let arguments =
        ["cadence", "--platform", "esxi", "--line", "8.0", "--built", "2024-06-01", "--format", "csv"];
    insta::assert_snapshot!(run(&arguments).ends(0).stdout.replace("\r\n", "\n"));
}

#[test]
fn pictures_need_nothing_but_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (page, picture) = (at("cadence.html"), at("cadence.svg"));
    let write = |format: &str, path: &str| {
        let ran = run(&["cadence", "--platform", "esxi", "--by", "line", "--format", format, "--out", path])
            .ends(0);
        assert_eq!(ran.stdout, "");
        std::fs::read_to_string(path).unwrap()
    };
    let page = write("html", &page);
    assert!(page.contains("56.31") && page.contains("<svg") && !page.contains("<script"));
    assert!(!page.contains("href=\"/"), "a file has no server");
    let picture = write("svg", &picture);
    assert!(picture.starts_with("<svg") && picture.contains("xmlns=\"http://www.w3.org/2000/svg\""));
    assert!(picture.contains("prefers-color-scheme:dark") && picture.contains(">6.7</text>"));
    let nothing = run(&["cadence", "--platform", "esxi", "--line", "9.1", "--format", "svg"]).ends(2);
    assert!(nothing.stderr.contains("no maintenance to draw"));
}

#[test]
fn only_what_a_fleet_has_is_applicable() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path().join("fleet.json").to_str().unwrap().to_owned();
    run(&["fleet", "sample", "--hosts", "60", "--out", &fleet]).ends(0);
    let of = |platform: &str| {
        json(&["--platform", platform, "--dated", "built", "--policy", "applicable", "--fleet", &fleet])
    };
    let names = |answer: &Value| -> Vec<String> {
        let parts = answer["by_component"].as_array().unwrap().iter();
        parts.map(|part| part["name"].as_str().unwrap().to_owned()).collect()
    };
    let proxmox = names(&of("proxmox"));
    assert!(proxmox.contains(&"pve-manager".to_owned()) && !proxmox.contains(&"pve-kvm".to_owned()));
}

#[test]
fn bad_input_ends_with_2_and_names_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let dates = file(&dir, "dates.txt", "2007-07-03\n03.07.2007\n\n2007-02-30 # no such day\n");
    let stderr = |arguments: &[&str]| {
        let all: Vec<&str> = ["cadence"].iter().chain(arguments).copied().collect();
        run(&all).ends(2).stderr
    };
    let wrong = stderr(&["--dates", &dates]);
    assert!(wrong.starts_with("error[UP0005]: 2 line(s) are no dates"), "{wrong}");
    assert!(
        wrong.contains("dates.txt:2: found \"03.07.2007\"") && wrong.contains("dates.txt:4: "),
        "{wrong}"
    );
    assert!(stderr(&["--dates", "none.txt"]).starts_with("error[UP0002]"));
    for (arguments, words) in [
        (&["--platform", "esx"][..], "known are almalinux, debian, esxi"),
        (&["--platform", "esxi", "--line", "6.8"], "6.7"),
        (&["--platform", "esxi", "--component", "qemu"], "ESXi"),
        (&["--platform", "esxi", "--policy", "applicable"], "needs a fleet"),
        (&["--platform", "esxi", "--policy", "some"], "all, security, cve, applicable"),
        (&["--platform", "esxi", "--by", "host"], "line, component, area, class"),
        (
            &["--platform", "esxi", "--built", "2020-01-02", "--until", "2020-01-01"],
            "before built 2020-01-02",
        ),
        (&["--platform", "esxi", "--built", "never"], "never"),
        (&["--platform", "esxi", "--batch-days", "-1"], "-1"),
        (&["--platform", "esxi", "--dates", &dates], "cannot be used with"),
        (&[], "--dates"),
    ] {
        let said = stderr(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let empty = file(&dir, "empty.txt", "# nothing\n");
    let answer = json(&["--dates", &empty, "--built", "2007-07-02", "--until", "2007-11-29"]);
    assert_eq!((&answer["maintenances"], &answer["mean_interval_days"]), (&Value::Null, &Value::Null));
}

#[test]
fn without_arguments_it_says_what_can_be_asked() {
    let said = run(&["cadence"]).ends(2).stderr;
    for word in ["--platform NAME", "debian", "esxi", "xen", "--dates FILE"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // Each of them can be measured.
    let (_, known) = said.split_once("of the facts (").unwrap();
    for platform in known.split_once(')').unwrap().0.split(", ") {
        run(&["cadence", "--platform", platform]).ends(0);
    }
    let help = run(&["backtest", "--help"]).ends(0).stdout;
    assert!(help.contains("a row a maintenance, or a policy"), "{help}");
    let bare = run(&["cadence", "--no-builtin"]).ends(2).stderr;
    assert!(bare.contains("none; bring feeds with --feeds"), "{bare}");
}

/// What no patch states is not quiet: neither in JSON nor in a table nor on a page.
#[test]
fn where_no_patch_states_what_is_asked_for_the_answer_is_unknown() {
    let line = ["--platform", "esxi", "--line", "8.0", "--built", "2024-01-01", "--until", "2025-04-01"];
    for policy in ["security", "cve"] {
        let asked = [&line[..], &["--policy", policy]].concat();
        let answer = json(&asked);
        assert_eq!((&answer["maintenances"], &answer["patches"]), (&Value::Null, &Value::Null));
        let untold = answer["patches_untold"].as_u64().unwrap();
        assert!(answer["maintenances_at_most"] == 8 && untold == 9, "{answer}");
        let said = answer["notes"].to_string();
        assert!(said.contains("not the same as no maintenance"), "{said}");
        let of =
            |format: &str| run(&[&["cadence"][..], &asked, &["--format", format]].concat()).ends(0).stdout;
        let table = of("table");
        assert!(table.contains("by 2025-04-01: unknown maintenances"), "{table}");
        assert!(
            table.contains("of which the facts do not state") && !table.contains("0 maintenances"),
            "{table}"
        );
        assert!(of("html").contains("of which the facts do not state"));
    }
    let table =
        run(&["cadence", "--platform", "esxi", "--line", "6.7", "--policy", "security"]).ends(0).stdout;
    assert!(table.contains("3 to 30"), "{table}");
}
