-- What firmware says that it measured (ATT-9): a log beside the registers that it was judged by, which
-- are the ones that a device shows, or its baseline. `explains` has a bit for each register that the
-- log leads to.
CREATE TABLE boot_logs (
    catalog    BLOB NOT NULL,
    device     BLOB NOT NULL,
    registers  BLOB NOT NULL,
    sha256     BLOB NOT NULL,
    received_s INTEGER NOT NULL,
    explains   INTEGER NOT NULL,
    log        BLOB NOT NULL,
    PRIMARY KEY (catalog, device, registers)
);

-- The number of the error by which the last log for the registers shown was refused.
ALTER TABLE device_boots ADD COLUMN log_refused INTEGER;

-- Nothing was ever written there.
ALTER TABLE device_boots DROP COLUMN boot_log;
