-- A prediction is kept once a day, kind and subject: the first. Before, each policy of a day had its own.
CREATE INDEX prediction_again ON prediction (made_on, kind, subject);

-- What became of a later one that is dropped is taken over where it answers the first too: what happened within a span
-- happened within every longer one, what did not happen within a span did not within any shorter one.
UPDATE prediction SET (happened, resolved_at, resolved_by) = (
    SELECT other.happened, other.resolved_at, other.resolved_by FROM prediction AS other
    WHERE other.made_on = prediction.made_on AND other.kind = prediction.kind AND other.subject = prediction.subject
        AND ((other.happened AND other.horizon_days <= prediction.horizon_days)
            OR (NOT other.happened AND other.horizon_days >= prediction.horizon_days))
    ORDER BY other.resolved_at, other.rowid LIMIT 1
) WHERE happened IS NULL;

DELETE FROM prediction WHERE rowid NOT IN (SELECT MIN(rowid) FROM prediction GROUP BY made_on, kind, subject);

DROP INDEX prediction_again;
CREATE UNIQUE INDEX prediction_once ON prediction (made_on, kind, subject);
