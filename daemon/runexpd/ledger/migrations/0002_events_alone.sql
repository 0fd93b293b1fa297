-- The events are all there is to know. What people may want to query is theirs to derive.
DROP TABLE attempts;
DROP TABLE jobs;
DROP TABLE experiments;

-- Two constraints that no bug may get past: a token is used once (earlier formats, which had three parts, could repeat one),
-- and a directory is one experiment.
CREATE UNIQUE INDEX tokens ON events (json_extract(CAST(body AS TEXT), '$.token'))
    WHERE type IN ('AttemptIntended', 'JobAdopted')
    AND json_extract(CAST(body AS TEXT), '$.token') NOT LIKE '%-%-%';
CREATE UNIQUE INDEX directories ON events
    (json_extract(CAST(body AS TEXT), '$.cluster'), json_extract(CAST(body AS TEXT), '$.dir'))
    WHERE type = 'ExperimentAdded';
