-- Devices number their records (FAIL-2): the gaps are what was lost on the way.
ALTER TABLE failures ADD COLUMN number INTEGER;

CREATE INDEX failures_by_number ON failures (catalog, device, number);

-- What a device has sent: records kept, the highest number, and how many in the newest day.
CREATE TABLE failure_counts (
    catalog    BLOB NOT NULL,
    device     BLOB NOT NULL,
    kept       INTEGER NOT NULL,
    number_max INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    today      INTEGER NOT NULL,
    PRIMARY KEY (catalog, device)
) WITHOUT ROWID;
