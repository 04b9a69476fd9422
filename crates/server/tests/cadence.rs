//! Cadence by the API and on its page, by the built-in facts.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod support;

use serde_json::json;
use support::Server;
use underpin_model::fleet::{SampleSpec, sample};

#[tokio::test]
async fn the_api_has_the_figures_of_the_facts() {
    let server = Server::real().await;
    for (query, dates, gap) in [
        ("platform=esxi&line=6.7", 30, 56.31),
        ("platform=xen", 236, 23.89),
        ("platform=xcp-ng&component=xen", 97, 19.45),
        ("platform=proxmox&component=pve-kvm,pve-qemu-kvm", 339, 19.13),
        ("platform=debian&component=linux&bulletin=DSA-", 69, 52.06),
        ("platform=hyper-v&dated=advisory", 100, 60.24),
    ] {
        let answer = server.json(&format!("/api/v1/cadence?{query}")).await;
        assert_eq!(answer["series"].as_array().unwrap().len(), 1, "{query}");
        let series = &answer["series"][0];
        assert_eq!(series["distinct_dates"], dates, "{query}");
        assert!((series["mean_gap_days"].as_f64().unwrap() - gap).abs() < 0.005, "{query}: {series}");
    }
    // As on the command line and the page.
    let names = |answer: serde_json::Value| -> Vec<String> {
        answer["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let usual = names(server.json("/api/v1/cadence?platform=esxi").await);
    assert!(usual.len() > 3, "{usual:?}");
    assert_eq!(usual, names(server.json("/api/v1/cadence?platform=esxi&by=line").await));
    assert_eq!(names(server.json("/api/v1/cadence?platform=esxi&by=nothing").await).len(), 1);
    let page = server.text("/cadence").await;
    assert!(usual.iter().all(|it| page.contains(it)), "{usual:?}");
    let all = server.json("/api/v1/cadence").await;
    assert!(all["series"].as_array().unwrap().len() >= 8, "no platform named means all of them");
    let two =
        "platform=esxi,proxmox&line=8.0,8&built=2023-07-01&until=2025-04-01&policy=security&batch_days=3";
    let answer = server.json(&format!("/api/v1/cadence?{two}")).await;
    assert_eq!((&answer["policy"], &answer["batch_days"]), (&json!("security"), &json!(3)));
    let names: Vec<&str> =
        answer["series"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["esxi 8.0", "proxmox 8"]);
    assert_eq!(answer["series"][0]["span_days"], 640);
}

#[tokio::test]
async fn bad_queries_are_problems_that_name_the_way_out() {
    let server = Server::real().await;
    for (query, words) in [
        ("platform=esx", "known are"),
        ("platform=esxi&line=6.8", "6.7"),
        ("platform=esxi&component=qemu", "ESXi"),
        ("platform=esxi&policy=none", "applicable"),
        ("platform=esxi&dated=never", "published, advisory, built"),
        ("platform=esxi&by=host", "line, component, area, class"),
        ("platform=esxi&area=moon", "vmm-core"),
        ("platform=esxi&class=big", "bug-fix"),
        ("platform=esxi&built=yesterday", "2024-02-29"),
        ("platform=esxi&batch_days=-1", "0 to 65535"),
        ("platform=esxi&built=2024-01-02&until=2024-01-01", "before built"),
    ] {
        let response = server.get(&format!("/api/v1/cadence?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "UP0403", "{query}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
        assert_eq!(server.get(&format!("/cadence?{query}")).await.status(), 400, "{query}");
    }
    let response = server.get("/api/v1/cadence?platform=esxi&policy=applicable").await;
    assert_eq!(response.status(), 409, "there is no fleet yet");
    let fleet = sample(&SampleSpec { hosts: 200, ..SampleSpec::default() }, support::now());
    assert_eq!(server.post("/api/v1/fleets", serde_json::to_string(&fleet).unwrap()).await.status(), 201);
    let series = server.json("/api/v1/cadence?platform=esxi&policy=applicable").await["series"][0].clone();
    assert!(series["maintenances"].as_u64() > Some(0), "some hosts are of this platform");
}

#[tokio::test]
async fn the_page_has_pictures_and_the_same_numbers_in_words() {
    let server = Server::real().await;
    let page = server.text("/cadence?platform=esxi&line=6.7&built=&until=").await;
    assert!(page.contains("aria-current=\"page\">Cadence"), "it is in the navigation");
    for words in [
        "56.31",
        "One stroke a maintenance",
        "29 gaps of 14 to 250 days",
        "The numbers of this chart",
        "2022-10-06",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script") && !page.contains("style=\""), "no script, no inline style");
    for (words, what) in [
        ("1\u{202f}633 days / 29 gaps = 56.31 days", "mean"),
        ("of the gaps: at most ", "quantiles"),
        (
            "(the first day in the facts; its patches are in the host)",
            "without a date the span is that of the facts",
        ),
        ("1\u{202f}633 days / 29 maintenances = 56.31 days", "the interval"),
        ("patches / 30 maintenances = ", "patches per maintenance"),
        ("standard deviation ", "dispersion"),
        ("Laplace test", "trend"),
    ] {
        assert!(page.contains(words), "{what}: {words}");
    }
    let typed = server.text("/cadence?platform=esxi&line=8.0&built=2023-07-01&until=2025-04-01").await;
    assert!(
        typed.contains("2023-07-01 (as typed; its patches are in the host) to 2025-04-01 (as typed)")
            && typed.contains("640 days / ")
    );
    let unknown = server.text("/cadence?platform=esxi&line=9.1").await;
    assert!(unknown.contains("nothing is known") && unknown.contains("unknown</span>"));
    let hostile = server.get("/cadence?platform=%3Cscript%3E").await.text().await.unwrap();
    assert!(!hostile.contains("<script>") && hostile.contains("&lt;script&gt;"));
}

/// An upload changes the facts: the next answer has it.
#[tokio::test]
async fn an_upload_is_in_the_next_answer() {
    let server = Server::real().await;
    let until = async || {
        server.json("/api/v1/cadence?platform=esxi&line=8.0").await["series"][0]["covered_until"].clone()
    };
    assert_eq!(until().await, "2025-04-10");
    let table =
        "build,minor,release_date,name,bulletin\n99999999,8.0,2026-02-03,ESXi 8.0 U3z,ESXi80U3z-99999999\n";
    assert_eq!(server.post("/api/v1/feeds?name=builds", table.to_owned()).await.status(), 201);
    assert_eq!(until().await, "2026-02-03");
}

#[tokio::test]
async fn what_no_patch_states_is_unknown_by_the_api_and_on_the_page() {
    let server = Server::real().await;
    let query = "platform=esxi&line=8.0&policy=security&built=2024-01-01&until=2025-04-01";
    let series = server.json(&format!("/api/v1/cadence?{query}")).await["series"][0].clone();
    assert_eq!((&series["maintenances"], &series["patches"]), (&json!(null), &json!(null)));
    assert!(series["patches_untold"].as_u64() > Some(0), "{series}");
    let page = server.text(&format!("/cadence?{query}")).await;
    assert!(page.contains("unknown") && page.contains("the facts do not state their class"));
    assert!(page.contains("more the facts do not state whether to count them"));
    let some = server.text("/cadence?platform=esxi&line=6.7&policy=security").await;
    assert!(some.contains("3 to 30") && some.contains("at most "));
}
