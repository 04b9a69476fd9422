-- Policies: every upload is kept, the one with the highest ordinal is in force.
CREATE TABLE policy (
    id TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE REFERENCES content (sha256),
    ordinal BIGINT NOT NULL UNIQUE
);

-- What was foretold, and what became of it.
CREATE TABLE prediction (
    id TEXT NOT NULL PRIMARY KEY,
    made_on TEXT NOT NULL,                -- a day, 2026-11-21
    horizon_days DOUBLE PRECISION NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    happened BOOLEAN,                     -- NULL: not known yet
    resolved_at BIGINT,
    resolved_by TEXT
);
CREATE INDEX prediction_open ON prediction (happened, made_on);
