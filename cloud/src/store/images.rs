//! Blobs, images, deltas, image sets and symbols.

use craton_api::operator::{
    Blob, BuildId, CatalogId, ComponentId, Delta, Digest, Image, ImageId, ImageSet, ImageSetId,
    ImageSetState, Purpose, Symbols,
};
use rusqlite::{Row, params};

use super::rows::{Bytes, Number, place_of, value_at};
use super::{ReadTx, StoreError, WriteTx};
use crate::tenancy::{AdmitSets, Permit, Publish};

const PURPOSES: [Purpose; 2] = [Purpose::Development, Purpose::Production];
const STATES: [ImageSetState; 3] =
    [ImageSetState::Uploaded, ImageSetState::Approved, ImageSetState::Admitted];

const IMAGE_COLUMNS: &str = "image, envelope, envelope_size, component, version, \
     security_version, payload, payload_size, created_s";
const SET_COLUMNS: &str = "image_set, name, purpose, state, signed, approval, log_index, created_s";

/// A set with every signature on it.
pub struct ImageSetRow {
    /// What an operator sees.
    pub set: ImageSet,
    /// Its signed objects.
    pub signatures: SetSignatures,
}

/// The signed objects of a set.
#[derive(Clone)]
pub struct SetSignatures {
    /// The set with the publisher's signature and, once admitted, the catalog's.
    pub signed: Vec<u8>,
    /// The approver's object over the same bytes.
    pub approval: Option<Vec<u8>>,
}

/// A set that a device runs or may be told to run.
pub struct SetInUse {
    /// Which.
    pub id: ImageSetId,
    /// With every signature on it.
    pub signed: Vec<u8>,
}

impl ReadTx<'_> {
    /// The admitted sets that a deployment assigns, or that a device showed or was assigned last.
    /// It looks at every device of the catalog: for what an owner does once a year.
    pub fn image_sets_in_use(&self, catalog: CatalogId) -> Result<Vec<SetInUse>, StoreError> {
        let sql = "SELECT image_set, signed FROM image_sets \
                   WHERE catalog = ?1 AND log_index IS NOT NULL AND image_set IN ( \
                       SELECT image_set FROM deployments WHERE catalog = ?1 AND state <> 2 \
                       UNION SELECT previous_set FROM deployments \
                           WHERE catalog = ?1 AND state <> 2 \
                       UNION SELECT attested_set FROM devices WHERE catalog = ?1 \
                       UNION SELECT assigned_set FROM devices WHERE catalog = ?1)";
        self.all(sql, [Bytes(catalog)], |row| {
            Ok(SetInUse { id: row.get::<_, Bytes<_>>(0)?.0, signed: row.get(1)? })
        })
    }

    /// A blob that this catalog holds.
    pub fn blob(&self, catalog: CatalogId, sha256: Digest) -> Result<Option<Blob>, StoreError> {
        let sql = "SELECT sha256, size FROM blobs WHERE catalog = ?1 AND sha256 = ?2";
        self.one(sql, params![Bytes(catalog), Bytes(sha256)], |row| {
            Ok(Blob { sha256: row.get::<_, Bytes<_>>(0)?.0, size: row.get::<_, Number>(1)?.0 })
        })
    }

    /// Images of a catalog, newest first, of one component if given.
    pub fn images(
        &self,
        catalog: CatalogId,
        component: Option<ComponentId>,
    ) -> Result<Vec<Image>, StoreError> {
        let sql = format!(
            "SELECT {IMAGE_COLUMNS} FROM images WHERE catalog = ?1 \
             AND (?2 IS NULL OR component = ?2) ORDER BY created_s DESC, image"
        );
        self.all(&sql, params![Bytes(catalog), component.map(Bytes)], read_image)
    }

    /// One image.
    pub fn image(&self, catalog: CatalogId, id: ImageId) -> Result<Option<Image>, StoreError> {
        let sql = format!("SELECT {IMAGE_COLUMNS} FROM images WHERE catalog = ?1 AND image = ?2");
        self.one(&sql, params![Bytes(catalog), Bytes(id)], read_image)
    }

    /// Deltas of a catalog.
    pub fn deltas(&self, catalog: CatalogId) -> Result<Vec<Delta>, StoreError> {
        let sql = "SELECT from_payload, to_payload, blob, size FROM deltas WHERE catalog = ?1";
        self.all(sql, [Bytes(catalog)], read_delta)
    }

    /// The delta between two payloads.
    pub fn delta(
        &self,
        catalog: CatalogId,
        from: Digest,
        to: Digest,
    ) -> Result<Option<Delta>, StoreError> {
        let sql = "SELECT from_payload, to_payload, blob, size FROM deltas \
                   WHERE catalog = ?1 AND from_payload = ?2 AND to_payload = ?3";
        self.one(sql, params![Bytes(catalog), Bytes(from), Bytes(to)], read_delta)
    }

    /// Image sets of a catalog, newest first.
    pub fn image_sets(&self, catalog: CatalogId) -> Result<Vec<ImageSet>, StoreError> {
        let sql = format!(
            "SELECT {SET_COLUMNS} FROM image_sets WHERE catalog = ?1 \
             ORDER BY created_s DESC, image_set"
        );
        let rows = self.all(&sql, [Bytes(catalog)], read_set)?;
        let sets = rows.into_iter().map(|row| self.with_members(catalog, row?).map(|row| row.set));
        sets.collect()
    }

    /// One image set with its signatures.
    pub fn image_set(
        &self,
        catalog: CatalogId,
        id: ImageSetId,
    ) -> Result<Option<ImageSetRow>, StoreError> {
        let sql =
            format!("SELECT {SET_COLUMNS} FROM image_sets WHERE catalog = ?1 AND image_set = ?2");
        let row = self.one(&sql, params![Bytes(catalog), Bytes(id)], read_set)?.transpose()?;
        row.map(|row| self.with_members(catalog, row)).transpose()
    }

    /// Symbols of a build id.
    pub fn symbols(
        &self,
        catalog: CatalogId,
        build_id: &BuildId,
    ) -> Result<Option<Symbols>, StoreError> {
        let sql = "SELECT build_id, sha256, size FROM symbols \
                   WHERE catalog = ?1 AND build_id = ?2";
        self.one(sql, params![Bytes(catalog), build_id.as_str()], read_symbols)?.transpose()
    }

    /// All symbols of a catalog, by build id.
    pub fn symbols_list(&self, catalog: CatalogId) -> Result<Vec<Symbols>, StoreError> {
        let sql = "SELECT build_id, sha256, size FROM symbols WHERE catalog = ?1 ORDER BY build_id";
        self.all(sql, [Bytes(catalog)], read_symbols)?.into_iter().collect()
    }

    fn with_members(
        &self,
        catalog: CatalogId,
        mut row: ImageSetRow,
    ) -> Result<ImageSetRow, StoreError> {
        let sql = "SELECT image FROM image_set_members WHERE catalog = ?1 AND image_set = ?2 \
                   ORDER BY place";
        let key = params![Bytes(catalog), Bytes(row.set.id)];
        row.set.images = self.all(sql, key, |row| Ok(row.get::<_, Bytes<_>>(0)?.0))?;
        Ok(row)
    }
}

impl WriteTx<'_> {
    /// Notes that this catalog holds a blob whose file is on disk; whether it is new to it. One
    /// that it has is as young again.
    pub fn blob_create(
        &self,
        permit: &Permit<Publish>,
        blob: &Blob,
        now_s: u64,
    ) -> Result<bool, StoreError> {
        let new = self.blob(permit.catalog(), blob.sha256)?.is_none();
        let sql = "INSERT INTO blobs (catalog, sha256, size, created_s) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (catalog, sha256) DO UPDATE SET created_s = excluded.created_s";
        let key =
            params![Bytes(permit.catalog()), Bytes(blob.sha256), Number(blob.size), Number(now_s)];
        self.change(sql, key)?;
        Ok(new)
    }

    /// Adds an image; whether it is new. One that is known gets its type, and this envelope, which
    /// has what was kept of the former one (IMG-6). A set that names the former one keeps that.
    pub fn image_create(
        &self,
        permit: &Permit<Publish>,
        image: &Image,
        runtime: bool,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO images (catalog, image, envelope, envelope_size, component, \
                   version, security_version, payload, payload_size, created_s, runtime) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
                   ON CONFLICT (catalog, image) DO NOTHING";
        let row = params![
            Bytes(permit.catalog()),
            Bytes(image.id),
            Bytes(image.envelope),
            Number(image.envelope_size),
            Bytes(image.component),
            image.version,
            Number(image.security_version),
            Bytes(image.payload),
            Number(image.payload_size),
            Number(image.created_s),
            runtime,
        ];
        if self.change(sql, row)? > 0 {
            return Ok(true);
        }
        let sql = "UPDATE images SET runtime = ?3, envelope = ?4, envelope_size = ?5 \
                   WHERE catalog = ?1 AND image = ?2";
        let (envelope, size) = (Bytes(image.envelope), Number(image.envelope_size));
        let row = params![Bytes(permit.catalog()), Bytes(image.id), runtime, envelope, size];
        self.change(sql, row)?;
        Ok(false)
    }

    /// Adds a delta, or puts another in its place.
    pub fn delta_put(&self, permit: &Permit<Publish>, delta: &Delta) -> Result<(), StoreError> {
        let sql = "INSERT INTO deltas (catalog, from_payload, to_payload, blob, size) \
                   VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (catalog, from_payload, to_payload) DO UPDATE SET \
                   blob = excluded.blob, size = excluded.size";
        let row = params![
            Bytes(permit.catalog()),
            Bytes(delta.from_payload),
            Bytes(delta.to_payload),
            Bytes(delta.blob),
            Number(delta.size),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Adds a set that its publisher signed.
    pub fn image_set_create(
        &self,
        permit: &Permit<Publish>,
        row: &ImageSetRow,
    ) -> Result<(), StoreError> {
        let set = &row.set;
        let sql = "INSERT INTO image_sets (catalog, image_set, name, purpose, state, signed, \
                   approval, log_index, created_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let values = params![
            Bytes(permit.catalog()),
            Bytes(set.id),
            set.name,
            place_of(&PURPOSES, &set.purpose),
            place_of(&STATES, &set.state),
            row.signatures.signed,
            row.signatures.approval,
            set.log_index.map(Number),
            Number(set.created_s),
        ];
        self.change(sql, values)?;
        let sql = "INSERT INTO image_set_members (catalog, image_set, place, image) \
                   VALUES (?1, ?2, ?3, ?4)";
        for (place, image) in set.images.iter().enumerate() {
            let key = params![Bytes(permit.catalog()), Bytes(set.id), place as i64, Bytes(*image)];
            self.change(sql, key)?;
        }
        Ok(())
    }

    /// Keeps an approval: the set is approved.
    pub fn image_set_approve(
        &self,
        permit: &Permit<AdmitSets>,
        id: ImageSetId,
        approval: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "UPDATE image_sets SET approval = ?3, state = 1 \
                   WHERE catalog = ?1 AND image_set = ?2 AND state = 0";
        self.change(sql, params![Bytes(permit.catalog()), Bytes(id), approval]).map(|_| ())
    }

    /// Keeps the countersigned object and the leaf's place: the set is admitted.
    pub fn image_set_admit(
        &self,
        permit: &Permit<AdmitSets>,
        id: ImageSetId,
        signed: &[u8],
        log_index: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE image_sets SET signed = ?3, log_index = ?4, state = 2 \
                   WHERE catalog = ?1 AND image_set = ?2";
        let row = params![Bytes(permit.catalog()), Bytes(id), signed, Number(log_index)];
        self.change(sql, row).map(|_| ())
    }

    /// Keeps which blob has the symbols of a build id.
    pub fn symbols_put(
        &self,
        permit: &Permit<Publish>,
        symbols: &Symbols,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO symbols (catalog, build_id, sha256, size) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (catalog, build_id) DO UPDATE SET \
                   sha256 = excluded.sha256, size = excluded.size";
        let row = params![
            Bytes(permit.catalog()),
            symbols.build_id.as_str(),
            Bytes(symbols.sha256),
            Number(symbols.size),
        ];
        self.change(sql, row).map(|_| ())
    }
}

fn read_image(row: &Row<'_>) -> rusqlite::Result<Image> {
    Ok(Image {
        id: row.get::<_, Bytes<_>>(0)?.0,
        envelope: row.get::<_, Bytes<_>>(1)?.0,
        envelope_size: row.get::<_, Number>(2)?.0,
        component: row.get::<_, Bytes<_>>(3)?.0,
        version: row.get(4)?,
        security_version: row.get::<_, Number>(5)?.0,
        payload: row.get::<_, Bytes<_>>(6)?.0,
        payload_size: row.get::<_, Number>(7)?.0,
        created_s: row.get::<_, Number>(8)?.0,
    })
}

fn read_delta(row: &Row<'_>) -> rusqlite::Result<Delta> {
    Ok(Delta {
        from_payload: row.get::<_, Bytes<_>>(0)?.0,
        to_payload: row.get::<_, Bytes<_>>(1)?.0,
        blob: row.get::<_, Bytes<_>>(2)?.0,
        size: row.get::<_, Number>(3)?.0,
    })
}

fn read_set(row: &Row<'_>) -> rusqlite::Result<Result<ImageSetRow, StoreError>> {
    let (id, name) = (row.get::<_, Bytes<_>>(0)?.0, row.get(1)?);
    let purpose = value_at(&PURPOSES, row.get(2)?, "image_sets");
    let state = value_at(&STATES, row.get(3)?, "image_sets");
    let signatures = SetSignatures { signed: row.get(4)?, approval: row.get(5)? };
    let log_index = row.get::<_, Option<Number>>(6)?.map(|index| index.0);
    let created_s = row.get::<_, Number>(7)?.0;
    Ok(purpose.and_then(|purpose| {
        let (state, images) = (state?, Vec::new());
        let set = ImageSet { id, name, purpose, state, images, log_index, created_s };
        Ok(ImageSetRow { set, signatures })
    }))
}

fn read_symbols(row: &Row<'_>) -> rusqlite::Result<Result<Symbols, StoreError>> {
    let build_id: Result<BuildId, _> = row.get::<_, String>(0)?.parse();
    let (sha256, size) = (row.get::<_, Bytes<_>>(1)?.0, row.get::<_, Number>(2)?.0);
    let unreadable = |_| StoreError::RowUnreadable { table: "symbols" };
    Ok(build_id.map(|build_id| Symbols { build_id, sha256, size }).map_err(unreadable))
}

#[cfg(test)]
impl WriteTx<'_> {
    pub(crate) fn blob_size_set_for_test(
        &self,
        sha256: Digest,
        size: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE blobs SET size = ?2 WHERE sha256 = ?1";
        self.change(sql, params![Bytes(sha256), Number(size)]).map(|_| ())
    }
}
