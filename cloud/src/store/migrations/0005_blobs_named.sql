-- The blobs that a set names: what its devices may fetch, and what the collector leaves.
CREATE TABLE image_set_blobs (
    catalog   BLOB NOT NULL,
    sha256    BLOB NOT NULL,
    image_set BLOB NOT NULL,
    PRIMARY KEY (catalog, sha256, image_set)
) WITHOUT ROWID;

CREATE INDEX image_set_blobs_by_set ON image_set_blobs (catalog, image_set);
CREATE INDEX images_by_envelope ON images (catalog, envelope);
CREATE INDEX images_by_payload ON images (catalog, payload);
CREATE INDEX deltas_by_blob ON deltas (catalog, blob);
CREATE INDEX symbols_by_blob ON symbols (catalog, sha256);
CREATE INDEX blobs_by_digest ON blobs (sha256);
