-- Times are INTEGER microseconds since 1970-01-01T00:00:00Z; ids are TEXT; contents are zstd-compressed.

CREATE TABLE content (
    sha256 TEXT NOT NULL PRIMARY KEY, -- of the bytes before compression, lower-case hexadecimal
    bytes BIGINT NOT NULL,            -- length before compression
    zstd BLOB NOT NULL
);

CREATE TABLE fleet (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE REFERENCES content (sha256),
    ordinal BIGINT NOT NULL UNIQUE    -- the highest one is current; importing old bytes again raises theirs
);

CREATE TABLE feed (
    id TEXT NOT NULL PRIMARY KEY,
    fetched_at BIGINT NOT NULL,
    updated_at BIGINT
);

CREATE TABLE feed_document (
    feed_id TEXT NOT NULL REFERENCES feed (id),
    path TEXT NOT NULL,
    document_id TEXT NOT NULL,
    format TEXT NOT NULL,
    updated_at BIGINT,
    sha256 TEXT NOT NULL REFERENCES content (sha256),
    PRIMARY KEY (feed_id, path)
);
CREATE INDEX feed_document_sha256 ON feed_document (sha256);

CREATE TABLE quarantined (
    feed_id TEXT NOT NULL REFERENCES feed (id),
    path TEXT NOT NULL,
    position TEXT NOT NULL,
    reason TEXT NOT NULL,
    format TEXT,
    at BIGINT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES content (sha256),
    PRIMARY KEY (feed_id, path)
);
CREATE INDEX quarantined_sha256 ON quarantined (sha256);

CREATE TABLE assessment (
    id TEXT NOT NULL PRIMARY KEY,
    fleet_id TEXT NOT NULL REFERENCES fleet (id),
    as_of BIGINT NOT NULL,
    summary TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES content (sha256),
    ordinal BIGINT NOT NULL UNIQUE
);
CREATE INDEX assessment_fleet ON assessment (fleet_id, ordinal);
CREATE INDEX assessment_sha256 ON assessment (sha256);

CREATE TABLE idempotency (
    idempotency_key TEXT NOT NULL,
    route TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    status BIGINT NOT NULL,
    location TEXT,
    body BLOB NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (idempotency_key, route)
);
