-- Every row of a device begins with (catalog, device), so that the tables can be spread by it.
-- A table is WITHOUT ROWID only where its rows are small: large ones would make its tree deep, and
-- each check-in would touch more of it the more devices there are.

CREATE TABLE service_facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE catalogs (
    catalog     BLOB NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    dev         INTEGER NOT NULL,
    wave_secret BLOB NOT NULL,
    created_s   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE trust_store_sections (
    catalog    BLOB NOT NULL,
    section    INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    digest     BLOB NOT NULL,
    signed     BLOB NOT NULL,
    accepted_s INTEGER NOT NULL,
    PRIMARY KEY (catalog, section, version)
);

CREATE TABLE products (
    catalog     BLOB NOT NULL,
    product     TEXT NOT NULL,
    description TEXT NOT NULL,
    least_class INTEGER NOT NULL,
    created_s   INTEGER NOT NULL,
    PRIMARY KEY (catalog, product)
) WITHOUT ROWID;

CREATE TABLE device_groups (
    catalog       BLOB NOT NULL,
    product       TEXT NOT NULL,
    device_group  TEXT NOT NULL,
    description   TEXT NOT NULL,
    development   INTEGER NOT NULL,
    update_policy INTEGER NOT NULL,
    created_s     INTEGER NOT NULL,
    PRIMARY KEY (catalog, product, device_group)
) WITHOUT ROWID;

CREATE TABLE devices (
    catalog            BLOB NOT NULL,
    device             BLOB NOT NULL,
    state              INTEGER NOT NULL,
    endorsement        BLOB NOT NULL,
    identity_key       BLOB,
    class              INTEGER,
    product            TEXT,
    device_group       TEXT,
    epoch              INTEGER NOT NULL,
    created_s          INTEGER NOT NULL,
    last_seen_s        INTEGER,
    last_boot          INTEGER,
    last_check_in      INTEGER,
    certificate_serial TEXT,
    attested_set       BLOB,
    assigned_set       BLOB,
    isolation          TEXT,
    storage            TEXT,
    mode               TEXT,
    trial              INTEGER,
    cloned             INTEGER NOT NULL,
    PRIMARY KEY (catalog, device)
);

CREATE INDEX devices_by_group ON devices (catalog, product, device_group);

-- The last reply, so that an identical retry gets the same bytes; forgotten once no device would
-- believe it any more.
CREATE TABLE check_in_replies (
    catalog BLOB NOT NULL,
    device  BLOB NOT NULL,
    request BLOB NOT NULL,
    reply   BLOB NOT NULL,
    at_s    INTEGER NOT NULL,
    PRIMARY KEY (catalog, device)
);

CREATE INDEX check_in_replies_by_time ON check_in_replies (at_s);

CREATE TABLE capabilities (
    catalog    BLOB NOT NULL,
    device     BLOB NOT NULL,
    capability BLOB NOT NULL,
    permits    TEXT NOT NULL,
    signed     BLOB NOT NULL,
    approved   INTEGER NOT NULL,
    created_s  INTEGER NOT NULL,
    PRIMARY KEY (catalog, device, capability)
);

CREATE TABLE blobs (
    catalog   BLOB NOT NULL,
    sha256    BLOB NOT NULL,
    size      INTEGER NOT NULL,
    created_s INTEGER NOT NULL,
    PRIMARY KEY (catalog, sha256)
) WITHOUT ROWID;

CREATE TABLE images (
    catalog          BLOB NOT NULL,
    image            BLOB NOT NULL,
    envelope         BLOB NOT NULL,
    envelope_size    INTEGER NOT NULL,
    component        BLOB NOT NULL,
    version          TEXT NOT NULL,
    security_version INTEGER NOT NULL,
    payload          BLOB NOT NULL,
    payload_size     INTEGER NOT NULL,
    created_s        INTEGER NOT NULL,
    PRIMARY KEY (catalog, image)
) WITHOUT ROWID;

CREATE INDEX images_by_component ON images (catalog, component);

CREATE TABLE deltas (
    catalog      BLOB NOT NULL,
    from_payload BLOB NOT NULL,
    to_payload   BLOB NOT NULL,
    blob         BLOB NOT NULL,
    size         INTEGER NOT NULL,
    PRIMARY KEY (catalog, from_payload, to_payload)
) WITHOUT ROWID;

CREATE TABLE image_sets (
    catalog          BLOB NOT NULL,
    image_set        BLOB NOT NULL,
    name             TEXT NOT NULL,
    purpose          INTEGER NOT NULL,
    state            INTEGER NOT NULL,
    signed           BLOB NOT NULL,
    approval         BLOB,
    log_index        INTEGER,
    created_s        INTEGER NOT NULL,
    PRIMARY KEY (catalog, image_set)
);

CREATE TABLE image_set_members (
    catalog   BLOB NOT NULL,
    image_set BLOB NOT NULL,
    place     INTEGER NOT NULL,
    image     BLOB NOT NULL,
    PRIMARY KEY (catalog, image_set, place)
) WITHOUT ROWID;

CREATE TABLE deployments (
    catalog        BLOB NOT NULL,
    deployment     BLOB NOT NULL,
    product        TEXT NOT NULL,
    device_group   TEXT NOT NULL,
    image_set      BLOB NOT NULL,
    previous_set   BLOB,
    state          INTEGER NOT NULL,
    reason         TEXT,
    waves          TEXT NOT NULL,
    wave           INTEGER NOT NULL,
    wave_since_s   INTEGER NOT NULL,
    pause_failures INTEGER NOT NULL,
    pause_outcomes INTEGER NOT NULL,
    pause_from     INTEGER NOT NULL,
    created_s      INTEGER NOT NULL,
    PRIMARY KEY (catalog, deployment)
) WITHOUT ROWID;

-- A group has one deployment that is not superseded (2).
CREATE UNIQUE INDEX deployments_current ON deployments (catalog, product, device_group)
    WHERE state <> 2;

CREATE TABLE deployment_outcomes (
    catalog    BLOB NOT NULL,
    device     BLOB NOT NULL,
    deployment BLOB NOT NULL,
    place      INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    at_s       INTEGER NOT NULL,
    PRIMARY KEY (catalog, device, deployment)
) WITHOUT ROWID;

CREATE UNIQUE INDEX deployment_outcomes_in_order
    ON deployment_outcomes (catalog, deployment, place);

CREATE TABLE failures (
    catalog       BLOB NOT NULL,
    failure       INTEGER NOT NULL,
    device        BLOB NOT NULL,
    record        BLOB NOT NULL,
    record_sha256 BLOB NOT NULL,
    image         BLOB,
    received_s    INTEGER NOT NULL,
    fingerprint   BLOB,
    PRIMARY KEY (catalog, failure)
);

CREATE UNIQUE INDEX failures_once ON failures (catalog, device, record_sha256);
CREATE INDEX failures_by_group ON failures (catalog, fingerprint, failure);

CREATE INDEX failures_waiting ON failures (catalog, failure) WHERE fingerprint IS NULL;

CREATE TABLE failure_groups (
    catalog     BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    title       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    frames      TEXT NOT NULL,
    count       INTEGER NOT NULL,
    first_s     INTEGER NOT NULL,
    last_s      INTEGER NOT NULL,
    PRIMARY KEY (catalog, fingerprint)
);

CREATE TABLE symbols (
    catalog  BLOB NOT NULL,
    build_id TEXT NOT NULL,
    sha256   BLOB NOT NULL,
    size     INTEGER NOT NULL,
    PRIMARY KEY (catalog, build_id)
) WITHOUT ROWID;

CREATE TABLE tokens (
    token     BLOB NOT NULL PRIMARY KEY,
    hash      BLOB NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    role      INTEGER NOT NULL,
    catalog   BLOB,
    created_s INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE log_leaves (
    catalog   BLOB NOT NULL,
    place     INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    leaf      BLOB NOT NULL,
    hash      BLOB NOT NULL,
    created_s INTEGER NOT NULL,
    PRIMARY KEY (catalog, place)
) WITHOUT ROWID;

CREATE INDEX log_leaves_by_hash ON log_leaves (catalog, hash);

-- Roots of complete subtrees: level 0 is the leaves', and (level, place) covers 2^level leaves.
CREATE TABLE log_nodes (
    catalog BLOB NOT NULL,
    level   INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    hash    BLOB NOT NULL,
    PRIMARY KEY (catalog, level, place)
) WITHOUT ROWID;

CREATE TABLE checkpoints (
    catalog   BLOB NOT NULL,
    size      INTEGER NOT NULL,
    root      BLOB NOT NULL,
    signed    BLOB NOT NULL,
    cosigned  INTEGER NOT NULL,
    created_s INTEGER NOT NULL,
    PRIMARY KEY (catalog, size)
);
