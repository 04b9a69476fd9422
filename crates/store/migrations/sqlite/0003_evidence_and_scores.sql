-- Evidence: every upload is kept, the one with the highest ordinal is in force.
CREATE TABLE evidence (
    id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE REFERENCES content (sha256),
    ordinal BIGINT NOT NULL UNIQUE
);

-- EPSS scores as they were on a day.
CREATE TABLE scores (
    day TEXT NOT NULL PRIMARY KEY,        -- 2025-08-25
    scores BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES content (sha256)
);
