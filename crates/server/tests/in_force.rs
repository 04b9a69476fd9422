//! What is in force: the policy and the evidence that were uploaded last, from one start to the next.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod support;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{Server, now, put_policy};
use underpin_model::fleet::{SampleSpec, sample};
use underpin_model::policy;
use underpin_server::{Config, Core, Error, bind};
use underpin_store::{Ruling, Store};

const POLICY: &str = "currency = \"<b>EUR</b>\"\nseed = 7\n[loss]\nvm_hour_down = 200.0\n[parameters]\n\
    aimed = { value = 0.2, low = 0.1, high = 0.4, source = \"workshop <i>2026</i>\" }\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_page_warns_of_names_that_the_fleet_does_not_have() {
    let server = Server::real().await;
    let fleet = sample(&SampleSpec { hosts: 3, ..SampleSpec::default() }, now());
    assert_eq!(server.post("/api/v1/fleets", serde_json::to_string(&fleet).unwrap()).await.status(), 201);
    assert!(!server.text("/policy").await.contains("does not have all"), "the default names nobody");
    let text = "[loss.tenant.\"<b>nobody\"]\nvm_hour_down = 5\n[[promise]]\nid = \"c\"\nkind = \"fix-within\"\n\
                days = 30\nscope = { hosts = [\"not-a-host\"] }\n";
    let sent = put_policy(&server, text).await;
    assert_eq!(sent.status(), 201, "{}", sent.text().await.unwrap());
    let page = server.text("/policy").await;
    for words in [
        "does not have all that this policy names",
        "promise c.scope.hosts: the fleet has no host not-a-host",
        "loss.tenant: the fleet has no tenant &lt;b&gt;nobody",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_counts_only_when_all_of_it_is_valid() {
    let server = Server::real().await;
    let before = server.json("/api/v1/policy").await;
    assert_eq!((&before["id"], &before["text"]), (&json!("default"), &Value::Null));
    for (text, places) in [
        ("[parameters]\nrho = 1.5\nnonsense = 1\n", vec!["parameters.rho.value", "parameters.nonsense"]),
        ("currency = ", vec!["line 1"]),
    ] {
        let response = put_policy(&server, text).await;
        assert_eq!(response.status(), 422, "{text}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "UP0414");
        let found: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
        for place in places {
            assert!(
                found.iter().any(|it| it.starts_with(place) && it.contains("line ")),
                "{place} in {problem}"
            );
        }
    }
    let not_text = server.http.put(server.url("/api/v1/policy")).body(vec![0xff, 0xfe]).send().await.unwrap();
    assert_eq!(not_text.status(), 422);
    assert_eq!(server.json("/api/v1/policy").await, before, "nothing was changed");
    assert!(server.store.kept(Ruling::Policy).await.unwrap().is_empty());

    assert_eq!(put_policy(&server, POLICY).await.status(), 201);
    assert_eq!(server.post("/api/v1/policy", POLICY.to_owned()).await.status(), 200, "known bytes");
    assert_eq!(put_policy(&server, "seed = 3\n").await.status(), 201);
    assert_eq!(put_policy(&server, POLICY).await.status(), 200, "the older one is in force again");
    // An empty file is the default policy.
    let in_force = server.json("/api/v1/policy").await["policy"].clone();
    assert_eq!(put_policy(&server, "").await.status(), 201);
    assert_eq!(server.json("/api/v1/policy").await["policy"], before["policy"]);
    assert_eq!(put_policy(&server, POLICY).await.status(), 200);
    assert_eq!(server.json("/api/v1/policy").await["policy"], in_force);
    let after = server.json("/api/v1/policy").await;
    assert_eq!((&after["text"], &after["policy"]["seed"]), (&json!(POLICY), &json!(7)));
    let sheet = server.json("/api/v1/risk/parameters").await;
    let aimed = sheet.as_array().unwrap().iter().find(|it| it["name"] == "aimed").unwrap();
    assert_eq!((&aimed["value"], &aimed["high"], &aimed["stated"]), (&json!(0.2), &json!(0.4), &json!(true)));
    assert_eq!(server.store.kept(Ruling::Policy).await.unwrap().len(), 3, "all are kept");
    let page = server.text("/policy").await;
    assert!(page.contains("workshop &lt;i&gt;2026&lt;/i&gt;") && !page.contains("<i>"), "escaped");
    for parameter in policy::Parameter::ALL {
        assert!(page.contains(&format!("id=\"p-{}\"", parameter.fact().name)), "{}", parameter.fact().name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_in_force_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    store.put_in_force(Ruling::Policy, POLICY.as_bytes(), now()).await.unwrap();
    store.close().await;
    let server = Server::with(Config::default(), folder).await;
    assert_eq!(server.json("/api/v1/policy").await["policy"]["seed"], 7);
}

/// A start on a store in a folder, that has these bytes in force.
async fn start(folder: &Path, stored: &[u8], given: Option<&str>) -> (Store, Result<(), Error>) {
    let store = Store::open(&folder.join("store.sqlite")).await.unwrap();
    store.put_in_force(Ruling::Policy, stored, now()).await.unwrap();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        policy: given.map(|it| it.as_bytes().to_vec()),
        ..Config::default()
    };
    let core = Arc::new(Core::new(now(), Vec::new()).unwrap());
    let bound = bind(config, store.clone(), core).await;
    (store, bound.map(drop))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_policy_that_is_refused_now_stops_the_start_and_says_the_way_out() {
    const OLD: &[u8] = b"[parameters]\nrho = 1.5\n";
    let folders: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let (store, refused) = start(folders[0].path(), OLD, None).await;
    let Err(Error::Refused { what: "policy", text, given: false, why }) = refused else {
        panic!("{refused:?}")
    };
    assert!(text == OLD && why.starts_with("parameters.rho.value") && why.contains("line 2"), "{why}");
    assert_eq!(store.kept(Ruling::Policy).await.unwrap().len(), 1);

    let (store, refused) = start(folders[1].path(), OLD, Some("seed = \"many\"\n")).await;
    assert!(matches!(refused, Err(Error::Refused { given: true, .. })), "{refused:?}");
    assert_eq!(store.kept(Ruling::Policy).await.unwrap().len(), 1, "nothing was changed");

    let (store, started) = start(folders[2].path(), OLD, Some("seed = 7\n")).await;
    started.unwrap();
    let kept = store.kept(Ruling::Policy).await.unwrap();
    let in_force = store.content(&kept[0].sha256).await.unwrap().unwrap();
    assert_eq!((kept.len(), in_force.as_slice()), (2, b"seed = 7\n".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_fleet_that_is_not_read_any_more_leaves_room_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    store.add_fleet("old", b"{\"format\": \"underpin/fleet/0\"}", now()).await.unwrap();
    store.close().await;
    let core = Arc::new(Core::new(now(), Vec::new()).unwrap());
    let server = Server::with_analyst(Config::default(), folder, core).await;
    assert!(server.text("/").await.contains("Upload a fleet"), "{}", server.text("/").await);
    let fleet = sample(&SampleSpec { hosts: 3, ..SampleSpec::default() }, now());
    assert_eq!(server.post("/api/v1/fleets", serde_json::to_string(&fleet).unwrap()).await.status(), 201);
}
