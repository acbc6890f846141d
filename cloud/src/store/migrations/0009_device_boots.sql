-- What the TPM of a device showed of its boots, and what it showed first (ATT-8). `boot_log` is what
-- firmware says that it measured, if that leads to the registers shown.
CREATE TABLE device_boots (
    catalog     BLOB NOT NULL,
    device      BLOB NOT NULL,
    baseline    BLOB NOT NULL,
    baseline_s  INTEGER NOT NULL,
    registers   BLOB NOT NULL,
    registers_s INTEGER NOT NULL,
    boot_log    BLOB,
    PRIMARY KEY (catalog, device)
) WITHOUT ROWID;

-- When registers were first seen that are not the baseline's.
ALTER TABLE devices ADD COLUMN boot_changed_s INTEGER;
