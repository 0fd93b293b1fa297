-- What an experiment's events up to `seq` add up to, so that they need not be read again. Made from them alone: may be deleted.
CREATE TABLE snapshots (
    experiment TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    line BLOB,                 -- JSON: a row of `runexp ls`, if it was over; NULL if it was not
    body BLOB NOT NULL
) STRICT;
