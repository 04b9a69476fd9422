//! What uploads may be called, how many may come, and what they may replace.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly"
)]

mod support;

use serde_json::{Value, json};
use support::{Server, feed, form, send};

fn advisory(id: &str, updated: &str) -> String {
    json!([{"id": id, "updated": updated}]).to_string()
}

async fn feed_names(server: &Server) -> Vec<String> {
    server.store.feeds().await.unwrap().into_iter().map(|feed| feed.id).collect()
}

#[tokio::test]
async fn uploads_without_a_name_do_not_replace_each_other() {
    let server = Server::start().await;
    let [one, two, three] = ["DSA-1", "DSA-2", "DSA-3"].map(|id| advisory(id, "2025-08-25T00:00:00Z"));
    // As the body, in a form of the API, in a form of the page; the first one again is no new feed.
    assert_eq!(server.post("/api/v1/feeds", one.clone()).await.status(), 201);
    assert_eq!(send(&server, "/api/v1/feeds", form(&[("", &two)])).await.status(), 201);
    assert_eq!(send(&server, "/feeds", form(&[("", &three)])).await.status(), 200);
    assert_eq!(server.post("/api/v1/feeds", one).await.status(), 201);
    let names = feed_names(&server).await;
    assert_eq!(names.len(), 3, "{names:?}");
    for name in &names {
        let hash = name.strip_prefix("upload-").unwrap();
        assert!(hash.len() == 12 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        assert_eq!(server.store.documents(name).await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn an_older_version_of_a_known_document_changes_nothing() {
    let server = Server::filled().await;
    let before = (server.store.documents("dsa").await.unwrap(), server.json("/api/v1/advisories").await);
    // Older, and without any date.
    for body in [advisory("DSA-1", "2024-01-01T00:00:00Z"), json!([{"id": "DSA-1"}]).to_string()] {
        let response = server.post("/api/v1/feeds?name=dsa", body).await;
        assert_eq!(response.status(), 201);
        let report: Value = response.json().await.unwrap();
        assert_eq!((&report[0]["accepted"], &report[0]["ignored"][0]["path"]), (&json!(0), &json!("dsa/0")));
        assert!(report[0]["ignored"][0]["reason"].as_str().unwrap().contains("newer version"), "{report}");
    }
    let after = (server.store.documents("dsa").await.unwrap(), server.json("/api/v1/advisories").await);
    assert_eq!(before, after);
    // A newer one takes its place.
    let newer = advisory("DSA-1", "2025-09-01T00:00:00Z");
    let report: Value = server.post("/api/v1/feeds?name=dsa", newer).await.json().await.unwrap();
    assert_eq!(report[0]["accepted"], 1);
    assert_ne!(server.store.documents("dsa").await.unwrap(), before.0);
}

#[tokio::test]
async fn no_upload_may_be_called_built_in() {
    let server = Server::start().await;
    for name in ["built-in:kev.json", "built-in:anything"] {
        let query = format!("/api/v1/feeds?name={name}");
        for response in [
            server.post(&query, feed().to_string()).await,
            send(&server, "/api/v1/feeds", form(&[(name, &feed().to_string())])).await,
        ] {
            assert_eq!(response.status(), 400, "{name}");
            let problem: Value = response.json().await.unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
        }
    }
    assert_eq!(feed_names(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_form_of_too_many_files_is_refused_as_a_whole() {
    let server = Server::start().await;
    let names: Vec<String> = (0..101).map(|n| format!("f{n}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "[]")).collect();
    let refused = send(&server, "/api/v1/feeds", form(&files)).await;
    assert_eq!(
        (refused.status().as_u16(), refused.json::<Value>().await.unwrap()["code"].clone()),
        (413, json!("UP0405"))
    );
    assert_eq!(send(&server, "/feeds", form(&files)).await.status(), 413);
    assert_eq!(feed_names(&server).await, Vec::<String>::new());
    // One less is read.
    let good = advisory("DSA-1", "2025-08-25T00:00:00Z");
    let files: Vec<(&str, &str)> =
        names.iter().take(100).map(|name| (name.as_str(), good.as_str())).collect();
    assert_eq!(send(&server, "/api/v1/feeds", form(&files)).await.status(), 201);
    assert_eq!(feed_names(&server).await.len(), 100);
}
