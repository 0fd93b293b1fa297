-- Append-only: what happened, in order. `body` is the event as JSON (runexp.wire.events).
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,          -- seconds since 1970
    experiment TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX events_of_experiment ON events (experiment, seq);
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_last BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

-- What the events add up to, written in the same transaction. For people with sqlite3, and for the two constraints that
-- no bug may get past: a token is used once, and a directory is one experiment.
CREATE TABLE experiments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    cluster TEXT NOT NULL,
    dir TEXT NOT NULL,
    optimization TEXT NOT NULL,
    evaluation TEXT NOT NULL,
    outcome TEXT,
    added_at REAL NOT NULL,
    ended_at REAL,
    seq INTEGER NOT NULL,
    UNIQUE (cluster, dir)
) STRICT;
CREATE TABLE jobs (
    experiment TEXT NOT NULL REFERENCES experiments (id),
    id TEXT NOT NULL,
    phase TEXT NOT NULL,
    stage TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (experiment, id)
) STRICT;
CREATE TABLE attempts (
    token TEXT PRIMARY KEY,
    experiment TEXT NOT NULL,
    job TEXT NOT NULL,
    number INTEGER NOT NULL,
    slurm_job_id TEXT,
    state TEXT NOT NULL,
    exit_code TEXT NOT NULL,
    intended_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL
) STRICT;

-- How far each run log of an experiment is written: up to which event, and how long the file was then.
CREATE TABLE log_positions (
    experiment TEXT NOT NULL,
    path TEXT NOT NULL,
    seq INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (experiment, path)
) STRICT;
