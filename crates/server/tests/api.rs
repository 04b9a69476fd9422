//! The API against a real listener.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly"
)]

mod support;

use serde_json::{Value, json};
use support::{Server, feed, fleet};
use underpin_server::Config;

fn committed() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

#[test]
fn the_committed_description_is_the_generated_one() {
    let generated = underpin_server::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UNDERPIN_BLESS").is_some() {
        std::fs::write(committed(), &generated).unwrap();
    }
    let text = std::fs::read_to_string(committed()).unwrap();
    assert!(
        text == generated,
        "openapi.json is out of date: run this test with UNDERPIN_BLESS=1 and commit it"
    );
}

#[tokio::test]
async fn every_route_is_described_and_answers() {
    let server = Server::filled().await;
    let description: Value = server.json("/api/v1/openapi.json").await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = description["paths"].as_object().unwrap();
    let expected = [
        "/health",
        "/fleets",
        "/fleets/{id}",
        "/fleets/{id}/assets",
        "/assets/{id}",
        "/feeds",
        "/quarantine",
        "/assessments",
        "/assessments/current",
        "/advisories",
        "/advisories/{id}",
        "/vulnerabilities",
        "/vulnerabilities/{id}",
        "/backtest",
        "/cadence",
        "/policy",
        "/predictions",
        "/predictions/{id}/outcome",
        "/risk",
        "/risk/parameters",
        "/standing/{kind}/{id}",
        "/wait",
        "/clocks",
        "/epss",
        "/epss/{day}",
        "/evidence",
        "/exposures",
        "/ripple",
    ];
    let mut known: Vec<_> = expected.iter().map(|p| format!("/api/v1{p}")).collect();
    known.sort();
    let mut described: Vec<_> = paths.keys().cloned().collect();
    described.sort();
    assert_eq!(described, known);

    let id = server.json("/api/v1/fleets").await["items"][0]["id"].as_str().unwrap().to_owned();
    for (path, operations) in paths {
        if operations.get("get").is_none() {
            continue;
        }
        let real = match path.as_str() {
            p if p.contains("fleets/{id}") => p.replace("{id}", &id),
            p if p.contains("assets/{id}") => p.replace("{id}", "pve-0"),
            p if p.contains("advisories/{id}") => p.replace("{id}", "DSA-1"),
            p if p.contains("vulnerabilities/{id}") => p.replace("{id}", "CVE-2025-0001"),
            p if p.contains("standing/") => "/api/v1/standing/host/pve-0".to_owned(),
            "/api/v1/ripple" => "/api/v1/ripple?at=pve-0".to_owned(),
            p => p.to_owned(),
        };
        let status = match path.as_str() {
            // This server has no facts of its own, and its policy promises nothing.
            "/api/v1/backtest" => 404,
            "/api/v1/clocks" => 409,
            _ => 200,
        };
        assert_eq!(server.get(&real).await.status(), status, "{real}");
    }
}

#[tokio::test]
async fn a_bad_fleet_is_refused_with_all_errors_and_nothing_written() {
    let server = Server::filled().await;
    let before = server.json("/api/v1/fleets").await;
    let mut bad = fleet(2, 2);
    bad["vms"][0]["host"] = json!("nowhere");
    bad["vms"][2]["host"] = json!("elsewhere");
    let response = server.post("/api/v1/fleets", bad.to_string()).await;
    assert_eq!(response.status(), 422);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "UP0409");
    let places: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
    assert_eq!(places, ["/vms/0/host", "/vms/2/host"]);
    assert_eq!(server.json("/api/v1/fleets").await, before);
    assert_eq!(server.store.fleets().await.unwrap().len(), 1);
}

#[tokio::test]
async fn yaml_and_forms_are_read_and_the_bytes_come_back() {
    let server = Server::start().await;
    let yaml = serde_yaml_ng::to_string(&fleet(2, 1)).unwrap();
    let response = server.post("/api/v1/fleets", yaml.clone()).await;
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(server.text(&location).await, yaml);
    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"two.json\"\r\n\r\n{}\r\n--x--\r\n",
        fleet(4, 1)
    );
    let request = server
        .http
        .post(server.url("/api/v1/fleets"))
        .header("content-type", "multipart/form-data; boundary=x");
    assert_eq!(request.body(form).send().await.unwrap().status(), 201);
    let versions = server.json("/api/v1/fleets").await;
    assert_eq!(
        (versions["total"].as_u64(), versions["items"][0]["current"].as_bool()),
        (Some(2), Some(true))
    );
    // The older version can still be asked.
    let older = server.json(&format!("{location}/assets?kind=host")).await;
    assert_eq!(older["total"], 2);
}

#[tokio::test]
async fn a_bad_document_is_quarantined_and_the_good_ones_count() {
    let server = Server::start().await;
    let response = server.post("/api/v1/feeds?name=dsa", feed().to_string()).await;
    assert_eq!(response.status(), 201);
    let report: Value = response.json().await.unwrap();
    assert_eq!((&report[0]["accepted"], &report[0]["quarantined"][0]["at"]), (&json!(2), &json!("/id")));
    let bad = server.json("/api/v1/quarantine").await;
    assert_eq!((&bad["items"][0]["path"], &bad["total"]), (&json!("dsa/1"), &json!(1)));
    let nothing = server.post("/api/v1/feeds?name=noise", "not json".to_owned()).await;
    assert_eq!(nothing.status(), 422);
    assert_eq!(server.json("/api/v1/quarantine").await["total"], 2);
}

#[tokio::test]
async fn pages_of_exposures_are_complete_and_without_repeats() {
    let server = Server::filled().await;
    for filter in [
        "",
        "&status=open",
        "&tenant=tenant-1",
        "&platform=esxi",
        "&vulnerability=CVE-2025-0001",
        "&asset=pve-0&kind=host",
    ] {
        let (mut all, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        let total = loop {
            let page = server.json(&format!("/api/v1/exposures?limit=4{filter}&cursor={cursor}")).await;
            all.extend(page["items"].as_array().unwrap().iter().map(ToString::to_string));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break page["total"].as_u64().unwrap(),
            }
        };
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!((all.len() as u64, distinct.len() as u64), (total, total), "{filter} in {pages} pages");
        assert!(total > 0, "{filter}");
    }
    // 3 proxmox hosts x 5 + 3 esxi x 2 + 24 VMs x 1 + 1 image x 1.
    assert_eq!(server.json("/api/v1/exposures").await["total"], 46);
    assert_eq!(server.json("/api/v1/exposures?status=affected&kind=vm").await["total"], 8);
}

#[tokio::test]
async fn who_is_hit_counts_each_vm_once() {
    let server = Server::filled().await;
    let row = server.json("/api/v1/vulnerabilities/CVE-2025-0001").await;
    // VMs n in 0..24: on a proxmox host when n is even (host n % 6), or affected themselves when n % 3 == 0.
    let expected = (0..24).filter(|n| n % 2 == 0 || n % 3 == 0).count();
    assert_eq!((&row["hosts"], &row["vms"], &row["tenants"]), (&json!(3), &json!(expected), &json!(7)));
    let first = server.json("/api/v1/vulnerabilities").await;
    assert_eq!(first["items"][0]["facts"]["id"], "CVE-2025-0003", "known exploited comes first");
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer_and_another_body_is_refused() {
    let server = Server::start().await;
    let send = |body: String| {
        server.http.post(server.url("/api/v1/fleets")).header("Idempotency-Key", "k1").body(body).send()
    };
    let first = send(fleet(2, 1).to_string()).await.unwrap();
    assert!(first.headers().get("idempotency-replayed").is_none());
    let first: Value = first.json().await.unwrap();
    let again = send(fleet(2, 1).to_string()).await.unwrap();
    assert_eq!(
        (again.status().as_u16(), again.headers()["idempotency-replayed"].to_str().unwrap()),
        (201, "true")
    );
    assert_eq!(again.json::<Value>().await.unwrap(), first, "new stays true: it is the first answer");
    let other = send(fleet(3, 1).to_string()).await.unwrap();
    assert_eq!(other.status(), 422);
    assert_eq!(other.json::<Value>().await.unwrap()["code"], "UP0411");
}

#[tokio::test]
async fn validators_spare_what_the_client_has() {
    let server = Server::filled().await;
    for path in ["/api/v1/exposures", "/", "/assets/style.css"] {
        let first = server.get(path).await;
        let tag = first.headers()["etag"].clone();
        let again = server.http.get(server.url(path)).header("if-none-match", &tag).send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
        assert!(again.bytes().await.unwrap().is_empty());
        let other =
            server.http.get(server.url(path)).header("if-none-match", "\"other\"").send().await.unwrap();
        assert_eq!(other.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn wrong_questions_are_problems_with_a_code() {
    let server = Server::filled().await;
    for (path, status, code) in [
        ("/api/v1/nothing", 404, "UP0401"),
        ("/api/v1/assets/none", 404, "UP0402"),
        ("/api/v1/advisories/none", 404, "UP0402"),
        ("/api/v1/ripple?at=none", 404, "UP0402"),
        ("/api/v1/exposures?status=purple", 400, "UP0403"),
        ("/api/v1/exposures?limit=0", 400, "UP0403"),
        ("/api/v1/exposures?cursor=x", 400, "UP0403"),
        ("/api/v1/exposures?kind=boat", 400, "UP0403"),
        ("/api/v1/ripple", 400, "UP0403"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], code, "{path}");
    }
    let method = server.http.delete(server.url("/api/v1/fleets")).send().await.unwrap();
    assert_eq!(
        (method.status().as_u16(), method.json::<Value>().await.unwrap()["code"].clone()),
        (405, json!("UP0413"))
    );
    let empty = server.post("/api/v1/fleets", String::new()).await;
    assert_eq!(
        (empty.status().as_u16(), empty.json::<Value>().await.unwrap()["code"].clone()),
        (400, json!("UP0404"))
    );
    let none = Server::start().await;
    assert_eq!(none.get("/api/v1/assessments/current").await.status(), 409);
}

/// A misspelt filter would look like the answer to what was asked.
#[tokio::test]
async fn a_query_parameter_that_a_route_does_not_have_is_a_problem_that_names_it_and_those_there_are() {
    let server = Server::filled().await;
    for (path, told) in [
        (
            "/api/v1/exposures?statuses=open",
            "\"statuses\" here; known are: asset, kind, vulnerability, status",
        ),
        ("/api/v1/exposures?status=open&Limit=3", "\"Limit\" here; known are: "),
        ("/api/v1/risk?independant=true", "\"independant\" here; known are: "),
        ("/api/v1/health?x", "\"x\" here; known are: none."),
        ("/api/v1/standing/host/pve-0?x=1", "\"x\" here; known are: none."),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 400, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "UP0403", "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{path}: {problem}");
    }
    for path in ["/api/v1/exposures?status=open&limit=3", "/api/v1/health", "/?utm_source=x"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    let kinds = server.get("/api/v1/standing/plane/x").await.json::<Value>().await.unwrap();
    assert!(kinds["detail"].as_str().unwrap().contains("management_plane"), "{kinds}");
}

#[tokio::test]
async fn a_filter_that_names_what_is_not_there_is_a_problem_that_names_it() {
    let server = Server::filled().await;
    let id = server.json("/api/v1/fleets").await["items"][0]["id"].as_str().unwrap().to_owned();
    let assets = format!("/api/v1/fleets/{id}/assets");
    for (list, filter) in [
        ("/api/v1/exposures", "asset=pve-O"),
        ("/api/v1/exposures", "asset=pve-0&kind=vm"),
        ("/api/v1/exposures", "vulnerability=CVE-2025-9999"),
        ("/api/v1/exposures", "tenant=tenant-77"),
        ("/api/v1/exposures", "platform=proxmax"),
        (assets.as_str(), "tenant=tenant-77"),
        (assets.as_str(), "platform=proxmax"),
        (assets.as_str(), "hit_by=CVE-2025-9999"),
    ] {
        let response = server.get(&format!("{list}?{filter}")).await;
        assert_eq!(response.status(), 404, "{filter}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{filter}");
        let problem: Value = response.json().await.unwrap();
        let named = filter.split(['=', '&']).nth(1).unwrap();
        assert_eq!(problem["code"], "UP0402", "{filter}");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{filter}: {problem}");
    }
    // What is there and has no rows is an empty list: a platform without hosts here, a host without such exposures.
    for filter in ["platform=windows", "asset=pve-0&vulnerability=CVE-2025-0003", "tenant=&asset="] {
        assert_eq!(server.get(&format!("/api/v1/exposures?{filter}")).await.status(), 200, "{filter}");
    }
    assert_eq!(server.get("/exposures?tenant=tenant-77").await.status(), 404);
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_problem_with_and_without_length() {
    let config = Config { body_limit_bytes: 2000, ..Config::default() };
    let server = Server::with(config, tempfile::tempdir().unwrap()).await;
    let large = server.post("/api/v1/fleets", "x".repeat(2001)).await;
    assert_eq!(
        (large.status().as_u16(), large.headers()["content-type"].to_str().unwrap()),
        (413, "application/problem+json")
    );
    assert_eq!(large.json::<Value>().await.unwrap()["code"], "UP0405");
    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n--x--\r\n",
        "y".repeat(3000)
    );
    let request =
        server.http.post(server.url("/fleets")).header("content-type", "multipart/form-data; boundary=x");
    assert_eq!(request.body(form).send().await.unwrap().status(), 413);
}

#[tokio::test]
async fn a_restart_finds_everything_again() {
    let server = Server::filled().await;
    let before = server.json("/api/v1/exposures").await;
    let advisories = server.json("/api/v1/advisories").await;
    let folder = tempfile::tempdir().unwrap();
    server.store.close().await;
    std::fs::copy(server.folder.path().join("store.sqlite"), folder.path().join("store.sqlite")).unwrap();
    let again = Server::with(Config::default(), folder).await;
    assert_eq!(again.json("/api/v1/exposures").await, before);
    let after = again.json("/api/v1/advisories").await;
    assert_eq!(after["total"], 2);
    assert_eq!(after["items"][0]["id"], advisories["items"][0]["id"]);
}

#[tokio::test]
async fn what_takes_too_long_is_answered_as_such() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let config = Config { timeout: std::time::Duration::from_millis(200), ..Config::default() };
    let server = Server::with(config, tempfile::tempdir().unwrap()).await;
    // A client that promises a body and never sends it.
    let mut client = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("POST /api/v1/fleets HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n\r\n", server.address);
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read =
        tokio::time::timeout(std::time::Duration::from_secs(10), client.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("UP0406"), "{answer}");
}

#[tokio::test]
async fn it_stops_when_told_and_frees_its_port() {
    let server = Server::filled().await;
    let address = server.address;
    assert_eq!(server.get("/").await.status(), 200);
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(10), server.stop()).await;
    assert!(stopped.is_ok());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// A misspelt parameter would look like an answer to what was asked: pages refuse it as the API does.
#[tokio::test]
async fn pages_refuse_a_parameter_that_they_do_not_have_and_name_those_that_they_do() {
    let server = Server::filled().await;
    for (path, known) in [
        ("/risk", "independent, group_by"),
        ("/risk/group", "group, name"),
        ("/clocks", "plan_pace, soon, state, promise"),
        ("/backtest", "platform, line, component, from, until, epss_at_least"),
        ("/cadence", "platform, line, component"),
        ("/exposures", "asset, kind, vulnerability, status"),
        ("/hosts", "kind, status, tenant"),
        ("/vms", "kind, status, tenant"),
        ("/vulnerabilities", "cursor"),
        ("/ripple", "at"),
    ] {
        let refused = server.get(&format!("{path}?foo=1")).await;
        assert_eq!(refused.status(), 400, "{path}");
        let page = refused.text().await.unwrap();
        let words = format!("There is no parameter &quot;foo&quot; here; known are: {known}");
        assert!(page.contains(&words), "{path}: {page}");
    }
}

#[test]
fn the_description_says_whose_it_is() {
    let description: Value = serde_json::from_str(&underpin_server::openapi().to_json().unwrap()).unwrap();
    let info = &description["info"];
    assert_eq!(
        (info["title"].as_str(), info["version"].as_str()),
        (Some("Underpin"), Some(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(info["license"]["identifier"], "Apache-2.0 OR MIT");
    assert!(info["contact"].is_null());
}
