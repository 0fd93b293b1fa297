-- Experiments that a person has had taken out of the ledger, and the newest number then: no number is ever used again. Of these
-- alone events may be deleted.
CREATE TABLE removed (
    experiment TEXT PRIMARY KEY,
    at REAL NOT NULL,          -- seconds since 1970
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
DROP TRIGGER events_last;
CREATE TRIGGER events_last BEFORE DELETE ON events WHEN old.experiment NOT IN (SELECT experiment FROM removed)
    BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
