//! Every statement, in one place: a test prepares each against the schema.

macro_rules! statements {
    ($($name:ident = $text:literal;)*) => {
        $(pub(crate) const $name: &str = $text;)*
        /// All of them, by name.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $text),)*];
    };
}

statements! {
    PING = "SELECT 1";

    ADD_CONTENT = "INSERT INTO content (sha256, bytes, zstd) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING";
    CONTENT = "SELECT bytes, zstd FROM content WHERE sha256 = $1";
    DROP_UNUSED_CONTENT = "DELETE FROM content
        WHERE NOT EXISTS (SELECT 1 FROM fleet f WHERE f.sha256 = content.sha256)
          AND NOT EXISTS (SELECT 1 FROM feed_document d WHERE d.sha256 = content.sha256)
          AND NOT EXISTS (SELECT 1 FROM quarantined q WHERE q.sha256 = content.sha256)
          AND NOT EXISTS (SELECT 1 FROM assessment a WHERE a.sha256 = content.sha256)
          AND NOT EXISTS (SELECT 1 FROM policy p WHERE p.sha256 = content.sha256)
          AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.sha256 = content.sha256)
          AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.sha256 = content.sha256)";

    RAISE_FLEET = "UPDATE fleet SET ordinal = (SELECT MAX(ordinal) + 1 FROM fleet)
        WHERE sha256 = $1 AND ordinal < (SELECT MAX(ordinal) FROM fleet)";
    FLEET_OF_CONTENT = "SELECT id FROM fleet WHERE sha256 = $1";
    ADD_FLEET = "INSERT INTO fleet (id, name, created_at, sha256, ordinal)
        SELECT $1, $2, $3, $4, COALESCE(MAX(ordinal), 0) + 1 FROM fleet";
    FLEETS = "SELECT f.id, f.name, f.created_at, f.sha256, c.bytes FROM fleet f
        JOIN content c ON c.sha256 = f.sha256 ORDER BY f.ordinal DESC";
    FLEET = "SELECT f.id, f.name, f.created_at, f.sha256, c.bytes FROM fleet f
        JOIN content c ON c.sha256 = f.sha256 WHERE f.id = $1";

    PUT_FEED = "INSERT INTO feed (id, fetched_at, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET fetched_at = excluded.fetched_at,
            updated_at = COALESCE(excluded.updated_at, feed.updated_at)";
    PUT_DOCUMENT = "INSERT INTO feed_document (feed_id, path, document_id, format, updated_at, sha256)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (feed_id, path) DO UPDATE SET document_id = excluded.document_id, format = excluded.format,
            updated_at = excluded.updated_at, sha256 = excluded.sha256";
    RELEASE_QUARANTINED = "DELETE FROM quarantined WHERE feed_id = $1 AND path = $2";
    PUT_QUARANTINED = "INSERT INTO quarantined (feed_id, path, position, reason, format, at, sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (feed_id, path) DO UPDATE SET position = excluded.position, reason = excluded.reason,
            format = excluded.format, at = excluded.at, sha256 = excluded.sha256";
    FEEDS = "SELECT f.id, f.fetched_at, f.updated_at,
            (SELECT COUNT(*) FROM feed_document d WHERE d.feed_id = f.id) AS documents,
            (SELECT COUNT(*) FROM quarantined q WHERE q.feed_id = f.id) AS quarantined
        FROM feed f ORDER BY f.id";
    DOCUMENTS = "SELECT path, document_id, format, updated_at, sha256 FROM feed_document
        WHERE feed_id = $1 ORDER BY path";
    QUARANTINED = "SELECT feed_id, path, position, reason, format, at, sha256 FROM quarantined
        ORDER BY feed_id, path";
    DROP_DOCUMENTS = "DELETE FROM feed_document WHERE feed_id = $1";
    DROP_QUARANTINED = "DELETE FROM quarantined WHERE feed_id = $1";
    DROP_FEED = "DELETE FROM feed WHERE id = $1";

    ASSESSMENT_OF_CONTENT = "SELECT id FROM assessment WHERE fleet_id = $1 AND sha256 = $2";
    ADD_ASSESSMENT = "INSERT INTO assessment (id, fleet_id, as_of, summary, sha256, ordinal)
        SELECT $1, $2, $3, $4, $5, COALESCE(MAX(ordinal), 0) + 1 FROM assessment";
    ASSESSMENTS = "SELECT id, fleet_id, as_of, summary, sha256 FROM assessment ORDER BY ordinal DESC";
    LATEST_ASSESSMENT = "SELECT id, fleet_id, as_of, summary, sha256 FROM assessment
        WHERE fleet_id = $1 ORDER BY ordinal DESC LIMIT 1";

    RAISE_POLICY = "UPDATE policy SET ordinal = (SELECT MAX(ordinal) + 1 FROM policy) WHERE id = $1";
    ADD_POLICY = "INSERT INTO policy (id, created_at, sha256, ordinal)
        SELECT $1, $2, $3, COALESCE(MAX(ordinal), 0) + 1 FROM policy";
    POLICIES = "SELECT id, created_at, sha256 FROM policy ORDER BY ordinal DESC";

    RAISE_EVIDENCE = "UPDATE evidence SET ordinal = (SELECT MAX(ordinal) + 1 FROM evidence) WHERE id = $1";
    ADD_EVIDENCE = "INSERT INTO evidence (id, created_at, sha256, ordinal)
        SELECT $1, $2, $3, COALESCE(MAX(ordinal), 0) + 1 FROM evidence";
    EVIDENCE = "SELECT id, created_at, sha256 FROM evidence ORDER BY ordinal DESC";

    PUT_SCORES = "INSERT INTO scores (day, scores, created_at, sha256) VALUES ($1, $2, $3, $4)
        ON CONFLICT (day) DO UPDATE SET scores = excluded.scores, created_at = excluded.created_at,
            sha256 = excluded.sha256 WHERE scores.sha256 <> excluded.sha256";
    SCORES = "SELECT day, scores, created_at, sha256 FROM scores ORDER BY day DESC";
    DROP_SCORES = "DELETE FROM scores WHERE day = $1";

    ADD_PREDICTION = "INSERT INTO prediction (id, made_on, horizon_days, probability, kind, subject)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    SETTLE_PREDICTION = "UPDATE prediction SET happened = $2, resolved_at = $3, resolved_by = $4
        WHERE id = $1 AND happened IS NULL";
    PREDICTIONS = "SELECT id, made_on, horizon_days, probability, kind, subject, happened, resolved_at, resolved_by
        FROM prediction ORDER BY made_on DESC, kind, subject, id";
    PREDICTION = "SELECT id, made_on, horizon_days, probability, kind, subject, happened, resolved_at, resolved_by
        FROM prediction WHERE id = $1";

    REMEMBER = "INSERT INTO idempotency (idempotency_key, route, request_sha256, status, location, body, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (idempotency_key, route) DO NOTHING";
    REMEMBERED = "SELECT request_sha256, status, location, body FROM idempotency
        WHERE idempotency_key = $1 AND route = $2 AND at >= $3";
    FORGET = "DELETE FROM idempotency WHERE at < $1";
}
