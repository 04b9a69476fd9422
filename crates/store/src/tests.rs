use super::*;

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    (folder, store)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn document(path: &str, content: &[u8]) -> NewDocument {
    NewDocument {
        path: path.to_owned(),
        document_id: path.to_owned(),
        format: "csaf".to_owned(),
        updated: Some(at(50)),
        content: content.to_vec(),
    }
}

fn refused(path: &str, content: &[u8]) -> NewQuarantined {
    NewQuarantined {
        path: path.to_owned(),
        position: "/document".to_owned(),
        reason: "no title".to_owned(),
        format: Some("csaf".to_owned()),
        content: content.to_vec(),
    }
}

fn assessment(fleet_id: &str, document: &[u8]) -> NewAssessment {
    NewAssessment {
        fleet_id: fleet_id.to_owned(),
        as_of: at(9),
        summary: "{\"affected\":1}".to_owned(),
        document: document.to_vec(),
    }
}

#[tokio::test]
async fn every_statement_is_valid_against_the_schema() {
    use sqlx::{Executor, SqlSafeStr};
    let (_folder, store) = store().await;
    assert!(sql::ALL.len() > 20);
    for (name, text) in sql::ALL {
        let prepared = (&store.writer).prepare(text.into_sql_str()).await;
        assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
    }
    assert!((&store.writer).prepare("SELECT nothing FROM fleet".into_sql_str()).await.is_err());
}

#[tokio::test]
async fn a_reopened_store_has_everything_and_the_schema_of_a_fresh_one() {
    let (folder, store) = store().await;
    let fleet = store.add_fleet("lab", b"fleet bytes", at(1)).await.unwrap();
    store
        .put_feed("dsa", at(2), vec![document("a.json", b"A")], vec![refused("b.json", b"B")])
        .await
        .unwrap();
    let kept = store.add_assessment(assessment(&fleet.id, b"{}")).await.unwrap();
    let schema = |store: Store| async move {
        sqlx::query_scalar::<_, String>(
            "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_schema ORDER BY 1",
        )
        .fetch_all(&store.readers)
        .await
        .unwrap()
    };
    let before = schema(store.clone()).await;
    store.close().await;

    let again = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    assert_eq!(again.fleets().await.unwrap()[0].id, fleet.id);
    assert_eq!(
        again.content(&again.fleets().await.unwrap()[0].sha256).await.unwrap().unwrap(),
        b"fleet bytes"
    );
    let feeds = again.feeds().await.unwrap();
    assert_eq!((feeds[0].documents, feeds[0].quarantined, feeds[0].updated_at), (1, 1, Some(at(50))));
    let bad = again.quarantined().await.unwrap();
    assert_eq!(again.content(&bad[0].sha256).await.unwrap().unwrap(), b"B");
    assert_eq!(again.latest_assessment(&fleet.id).await.unwrap().unwrap().id, kept.id);

    // Migrated twice, or made anew: the same tables.
    let fresh = Store::open(&folder.path().join("fresh.sqlite")).await.unwrap();
    assert_eq!(schema(fresh).await, before);
    assert_eq!(schema(again).await, before);
}

#[tokio::test]
async fn the_same_bytes_are_one_row_and_old_bytes_become_current_again() {
    let (_folder, store) = store().await;
    let first = store.add_fleet("lab", b"one", at(1)).await.unwrap();
    let second = store.add_fleet("lab", b"two", at(2)).await.unwrap();
    assert!(first.new && second.new);
    assert_eq!(store.fleets().await.unwrap()[0].id, second.id);
    let again = store.add_fleet("lab", b"one", at(3)).await.unwrap();
    assert_eq!(again, Imported { id: first.id.clone(), new: false });
    let fleets = store.fleets().await.unwrap();
    assert_eq!(fleets.len(), 2);
    assert_eq!((fleets[0].id.as_str(), fleets[0].created_at), (first.id.as_str(), at(1)));
    assert_eq!(store.fleet(&second.id).await.unwrap().unwrap().bytes, 3);

    let one = store.add_assessment(assessment(&first.id, b"{}")).await.unwrap();
    let same = store.add_assessment(assessment(&first.id, b"{}")).await.unwrap();
    let other = store.add_assessment(assessment(&second.id, b"{}")).await.unwrap();
    assert_eq!((same.new, &same.id), (false, &one.id));
    assert_ne!(other.id, one.id);
    assert_eq!(store.assessments().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_transaction_dropped_midway_leaves_nothing() {
    let (folder, store) = store().await;
    {
        let mut tx = store.begin("a test").await.unwrap();
        for packed in content::pack(vec![b"lost".to_vec()]).await.unwrap() {
            store.put(&mut tx, &packed).await.unwrap();
            sqlx::query(sql::ADD_FLEET)
                .bind("f-lost")
                .bind("lost")
                .bind(0)
                .bind(&packed.sha256)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
    }
    // The writer is free again, and nothing is there: neither now nor after reopening.
    store.add_fleet("kept", b"kept", at(1)).await.unwrap();
    assert_eq!(store.fleets().await.unwrap().len(), 1);
    assert!(store.content(&sha256_hex(b"lost")).await.unwrap().is_none());
    store.close().await;
    let again = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    assert!(again.fleet("f-lost").await.unwrap().is_none());
}

#[tokio::test]
async fn a_change_that_fails_midway_leaves_nothing() {
    let (_folder, store) = store().await;
    // No such fleet: the foreign key refuses the row after the content was written.
    let refused = store.add_assessment(assessment("f-missing", b"orphan")).await;
    assert!(refused.unwrap_err().to_string().contains("nothing was changed"));
    assert!(store.content(&sha256_hex(b"orphan")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_changes_while_a_writer_writes() {
    let (_folder, store) = store().await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for round in 0..40_u32 {
            let documents = (0..5).map(|n| document(&format!("{round}-{n}"), &[round as u8, n])).collect();
            writer.put_feed("feed", at(i64::from(round)), documents, Vec::new()).await.unwrap();
        }
    });
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut last = 0;
                while last < 200 {
                    let feeds = store.feeds().await.unwrap();
                    let documents = feeds.first().map_or(0, |f| f.documents);
                    assert!(documents >= last && documents % 5 == 0, "{documents} after {last}");
                    last = documents;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    writing.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn readers_cannot_write_and_the_log_is_ahead() {
    let (_folder, store) = store().await;
    assert!(sqlx::query(sql::DROP_FEED).bind("x").execute(&store.readers).await.is_err());
    let pragma = |text: &'static str| sqlx::query_scalar::<_, String>(text).fetch_one(&store.writer);
    assert_eq!(pragma("SELECT journal_mode FROM pragma_journal_mode").await.unwrap(), "wal");
    assert_eq!(pragma("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await.unwrap(), "1");
    assert_eq!(pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await.unwrap(), "1");
}

#[tokio::test]
async fn reading_less_of_a_feed_loses_nothing_and_a_repaired_document_leaves_quarantine() {
    let (_folder, store) = store().await;
    store.put_feed("f", at(1), vec![document("a", b"A1"), document("b", b"B1")], vec![]).await.unwrap();
    store.put_feed("f", at(2), vec![], vec![refused("a", b"A2"), refused("c", b"C1")]).await.unwrap();
    let documents = store.documents("f").await.unwrap();
    assert_eq!(documents.iter().map(|d| d.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(documents[0].sha256, sha256_hex(b"A1"), "the accepted version stays in force");
    assert_eq!(store.feeds().await.unwrap()[0].updated_at, Some(at(50)), "no news is no change");

    store.put_feed("f", at(3), vec![document("a", b"A3")], vec![]).await.unwrap();
    let left = store.quarantined().await.unwrap();
    assert_eq!(left.iter().map(|q| q.path.as_str()).collect::<Vec<_>>(), ["c"]);
    assert!(store.content(&sha256_hex(b"A1")).await.unwrap().is_none(), "unused bytes go");
    assert!(store.remove_feed("f").await.unwrap() && !store.remove_feed("f").await.unwrap());
    assert!(store.content(&sha256_hex(b"A3")).await.unwrap().is_none());
    assert!(store.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn damaged_content_is_named_not_returned() {
    let (_folder, store) = store().await;
    let fleet = store.add_fleet("lab", b"good", at(1)).await.unwrap();
    let row = store.fleet(&fleet.id).await.unwrap().unwrap();
    let evil = zstd::bulk::compress(b"evil", 3).unwrap();
    sqlx::query("UPDATE content SET zstd = $1").bind(evil).execute(&store.writer).await.unwrap();
    assert!(matches!(store.content(&row.sha256).await, Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn answers_are_replayed_for_a_day_and_only_for_the_same_request() {
    let (_folder, store) = store().await;
    let replay = Replay { status: 201, location: Some("/x".to_owned()), body: b"{}".to_vec() };
    let answer = Remembered {
        key: "k".to_owned(),
        route: "POST /fleets".to_owned(),
        request_sha256: "1".to_owned(),
        replay: replay.clone(),
    };
    store.remember(&answer, at(0)).await.unwrap();
    let ask = |route: &'static str, sha: &'static str, now: i64| {
        let store = store.clone();
        async move { store.replay("k", route, sha, at(now)).await }
    };
    assert_eq!(ask("POST /fleets", "1", 10).await.unwrap(), Some(replay));
    assert!(matches!(ask("POST /fleets", "2", 10).await, Err(Error::KeyReused)));
    assert_eq!(ask("POST /feeds", "1", 10).await.unwrap(), None);
    assert_eq!(ask("POST /fleets", "1", 100_000).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let error = Store::open(Path::new("/nonexistent/folder/store.sqlite")).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/folder/store.sqlite") && error.contains("folder exists"), "{error}");
}

#[tokio::test]
async fn the_newest_policy_and_evidence_are_in_force_and_old_ones_are_kept() {
    for ruling in [Ruling::Policy, Ruling::Evidence] {
        let (_folder, store) = store().await;
        let first = store.put_in_force(ruling, b"seed = 1", at(1)).await.unwrap();
        let second = store.put_in_force(ruling, b"seed = 2", at(2)).await.unwrap();
        let order =
            async || store.kept(ruling).await.unwrap().into_iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(order().await, [second.id.clone(), first.id.clone()]);
        let again = store.put_in_force(ruling, b"seed = 1", at(3)).await.unwrap();
        assert!(!again.new && again.id == first.id);
        assert_eq!(order().await, [first.id.clone(), second.id.clone()]);
        let rows = store.kept(ruling).await.unwrap();
        assert_eq!(rows[0].created_at, at(1));
        let other = if ruling == Ruling::Policy { Ruling::Evidence } else { Ruling::Policy };
        assert!(store.kept(other).await.unwrap().is_empty(), "each kind for itself");
        // Clearing what nobody uses must leave it.
        store.put_feed("dsa", at(2), vec![document("a.json", b"A")], Vec::new()).await.unwrap();
        store.remove_feed("dsa").await.unwrap();
        assert_eq!(store.content(&rows[0].sha256).await.unwrap().unwrap(), b"seed = 1");
    }
}

#[tokio::test]
async fn a_day_has_the_scores_that_came_last_and_the_same_again_change_nothing() {
    let (_folder, store) = store().await;
    let scores = |day: &str, content: &[u8]| NewScores {
        day: day.parse().unwrap(),
        scores: 2,
        content: content.to_vec(),
    };
    let both = vec![scores("2025-08-24", b"A"), scores("2025-08-25", b"B")];
    assert_eq!(store.put_scores(both, at(1)).await.unwrap(), [true, true]);
    let first = store.scores().await.unwrap();
    assert_eq!(first.iter().map(|it| it.day.to_string()).collect::<Vec<_>>(), ["2025-08-25", "2025-08-24"]);
    let again = vec![scores("2025-08-25", b"B"), scores("2025-08-24", b"C")];
    assert_eq!(store.put_scores(again, at(2)).await.unwrap(), [false, true]);
    let after = store.scores().await.unwrap();
    assert_eq!(after[0], first[0], "the same bytes leave the row as it was");
    assert_eq!((after[1].created_at, after[1].scores), (at(2), 2));
    assert_eq!(store.content(&after[1].sha256).await.unwrap().unwrap(), b"C");
    assert_eq!(store.content(&first[1].sha256).await.unwrap(), None, "what was replaced is gone");
    store.put_feed("dsa", at(2), vec![document("a.json", b"x")], Vec::new()).await.unwrap();
    store.remove_feed("dsa").await.unwrap();
    assert_eq!(store.content(&after[0].sha256).await.unwrap().unwrap(), b"B");
    assert!(store.remove_scores(after[0].day).await.unwrap());
    assert!(!store.remove_scores(after[0].day).await.unwrap(), "they are gone already");
    assert_eq!(store.scores().await.unwrap(), after[1..]);
    assert_eq!(store.content(&after[0].sha256).await.unwrap(), None);
}

#[tokio::test]
async fn a_prediction_and_its_outcome_are_kept_as_first_stated() {
    let (_folder, store) = store().await;
    let foretold = |id: &str, probability| PredictionRow {
        id: id.to_owned(),
        made_on: "2026-01-02".parse().unwrap(),
        horizon_days: 30.0,
        probability,
        kind: "exploited".to_owned(),
        subject: format!("CVE-2026-{}", id.split(' ').next().unwrap()),
        outcome: None,
    };
    assert_eq!(store.add_predictions(&[foretold("a", 0.1), foretold("b", 0.2)]).await.unwrap(), 2);
    assert_eq!(store.add_predictions(&[foretold("a", 0.9)]).await.unwrap(), 0, "hindsight changes nothing");
    let again = foretold("a of another policy", 0.7);
    assert_eq!(store.add_predictions(&[again]).await.unwrap(), 0, "once a day, kind and subject");
    let outcome = |happened| OutcomeRow { happened, at: at(9), by: "kev".to_owned() };
    assert_eq!(store.settle_predictions(&[("a".to_owned(), outcome(true))]).await.unwrap(), 1);
    assert_eq!(store.settle_predictions(&[("a".to_owned(), outcome(false))]).await.unwrap(), 0);
    let kept = store.prediction("a").await.unwrap().unwrap();
    assert_eq!(kept, PredictionRow { outcome: Some(outcome(true)), ..foretold("a", 0.1) });
    assert_eq!(store.predictions().await.unwrap()[1], foretold("b", 0.2));
    assert_eq!(store.prediction("c").await.unwrap(), None);
}

/// Before, each policy of a day had predictions of its own.
#[tokio::test]
async fn of_repeated_predictions_of_a_day_an_old_store_keeps_the_first_and_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("underpin.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let old = migrator().iter().filter(|it| it.version < 4).cloned().collect();
    Migrator::with_migrations(old).run(&pool).await.unwrap();
    let rows = [
        // (id, kind, subject, horizon, probability, happened)
        ("z", "any-host-hit", "fleet", 30.0, 0.1, None),
        ("a", "any-host-hit", "fleet", 60.0, 0.2, None),
        ("b", "any-host-hit", "fleet", 20.0, 0.3, Some(true)),
        ("c", "exploited", "CVE-1", 30.0, 0.4, None),
        ("d", "exploited", "CVE-1", 20.0, 0.5, Some(false)),
        ("e", "exploited", "CVE-2", 30.0, 0.6, Some(false)),
        ("f", "exploited", "CVE-2", 30.0, 0.7, Some(true)),
        ("g", "exploited", "CVE-3", 30.0, 0.8, None),
        ("h", "exploited", "CVE-3", 60.0, 0.9, Some(false)),
    ];
    for (id, kind, subject, horizon, probability, happened) in rows {
        let insert = "INSERT INTO prediction (id, made_on, horizon_days, probability, kind, subject, happened, resolved_at, resolved_by)
            VALUES ($1, '2026-01-02', $2, $3, $4, $5, $6, 9, 'kev')";
        let query = sqlx::query(insert).bind(id).bind(horizon).bind(probability).bind(kind).bind(subject);
        query.bind(happened).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let store = Store::open(&path).await.unwrap();
    let kept = store.predictions().await.unwrap();
    let kept: Vec<_> =
        kept.iter().map(|it| (&*it.id, it.probability, it.outcome.as_ref().map(|it| it.happened))).collect();
    // The first of each. Happened within 20 days is happened within 30; not within 60 is not within 30; not within 20 says
    // nothing of 30.
    let wanted = [("z", 0.1, Some(true)), ("c", 0.4, None), ("e", 0.6, Some(false)), ("g", 0.8, Some(false))];
    assert_eq!(kept, wanted);
}
