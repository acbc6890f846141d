//! Catalogs, trust-store sections, products and device groups.

use craton_api::operator::{
    Catalog, CatalogId, DeviceGroup, Digest, Product, RotClass, Section, TrustStoreSection,
    UpdatePolicy,
};
use rusqlite::{Row, params};

use super::rows::{Bytes, Number, place_of, value_at};
use super::{ReadTx, StoreError, WriteTx};
use crate::tenancy::{ManageProducts, ManageTrustStore, Permit, ServicePermit};

pub(super) const CLASSES: [RotClass; 4] =
    [RotClass::Software, RotClass::Firmware, RotClass::Tpm, RotClass::Silicon];
const SECTIONS: [Section; 2] = [Section::Platform, Section::Owner];
const POLICIES: [UpdatePolicy; 2] = [UpdatePolicy::UpdateAll, UpdatePolicy::NoAppUpdates];

const CATALOG_COLUMNS: &str = "c.catalog, c.name, c.dev, c.created_s, \
     (SELECT count(*) FROM devices d WHERE d.catalog = c.catalog)";
const GROUP_COLUMNS: &str = "g.product, g.device_group, g.description, g.development, \
     p.least_class, g.update_policy, g.created_s, \
     (SELECT count(*) FROM devices d WHERE d.catalog = g.catalog AND d.product = g.product \
        AND d.device_group = g.device_group), \
     (SELECT image_set FROM deployments y WHERE y.catalog = g.catalog AND y.product = g.product \
        AND y.device_group = g.device_group AND y.state <> 2)";
const GROUP_TABLES: &str = "device_groups g JOIN products p \
     ON p.catalog = g.catalog AND p.product = g.product";

/// A catalog to be stored.
pub struct CatalogRow {
    /// Its id.
    pub id: CatalogId,
    /// Its name in this service.
    pub name: String,
    /// Whether its root is for development only.
    pub dev: bool,
    /// The key of its waves; it never leaves the service.
    pub wave_secret: [u8; 32],
    /// Unix seconds.
    pub created_s: u64,
}

/// What a device group asks of its devices.
#[derive(Clone, Copy, Debug)]
pub struct GroupRules {
    /// Whether development sets may be deployed to it.
    pub development: bool,
    /// Weakest root of trust accepted, from the product.
    pub least_class: RotClass,
    /// What its devices take by themselves.
    pub update_policy: UpdatePolicy,
}

impl ReadTx<'_> {
    /// Every catalog, by name.
    pub fn catalogs(&self) -> Result<Vec<Catalog>, StoreError> {
        let sql = format!("SELECT {CATALOG_COLUMNS} FROM catalogs c ORDER BY c.name");
        self.all(&sql, [], read_catalog)
    }

    /// One catalog.
    pub fn catalog(&self, id: CatalogId) -> Result<Option<Catalog>, StoreError> {
        let sql = format!("SELECT {CATALOG_COLUMNS} FROM catalogs c WHERE c.catalog = ?1");
        self.one(&sql, [Bytes(id)], read_catalog)
    }

    /// Whether there is a catalog of this id.
    pub fn catalog_exists(&self, id: CatalogId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM catalogs WHERE catalog = ?1";
        Ok(self.number(sql, [Bytes(id)])? > 0)
    }

    /// Whether a catalog has this name.
    pub fn catalog_name_taken(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.number("SELECT count(*) FROM catalogs WHERE name = ?1", [name])? > 0)
    }

    /// The key of the catalog's waves.
    pub fn wave_secret(&self, catalog: CatalogId) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT wave_secret FROM catalogs WHERE catalog = ?1";
        self.one(sql, [Bytes(catalog)], |row| row.get(0))
    }

    /// Every version of every section, oldest first.
    pub fn trust_store(&self, catalog: CatalogId) -> Result<Vec<TrustStoreSection>, StoreError> {
        let sql = "SELECT section, version, digest, accepted_s FROM trust_store_sections \
                   WHERE catalog = ?1 ORDER BY version, section";
        self.all(sql, [Bytes(catalog)], read_section)?.into_iter().collect()
    }

    /// The signed bytes of one version.
    pub fn trust_store_section(
        &self,
        catalog: CatalogId,
        section: Section,
        version: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if i64::try_from(version).is_err() {
            return Ok(None); // no column holds it
        }
        let sql = "SELECT signed FROM trust_store_sections \
                   WHERE catalog = ?1 AND section = ?2 AND version = ?3";
        let row = params![Bytes(catalog), place_of(&SECTIONS, &section), Number(version)];
        self.one(sql, row, |row| row.get(0))
    }

    /// The newest version of a section: its number and signed bytes.
    pub fn trust_store_newest(
        &self,
        catalog: CatalogId,
        section: Section,
    ) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let sql = "SELECT version, signed FROM trust_store_sections \
                   WHERE catalog = ?1 AND section = ?2 ORDER BY version DESC LIMIT 1";
        let row = params![Bytes(catalog), place_of(&SECTIONS, &section)];
        self.one(sql, row, |row| Ok((row.get::<_, Number>(0)?.0, row.get(1)?)))
    }

    /// Products of a catalog, by name.
    pub fn products(&self, catalog: CatalogId) -> Result<Vec<Product>, StoreError> {
        let sql = "SELECT product, description, least_class, created_s FROM products \
                   WHERE catalog = ?1 ORDER BY product";
        self.all(sql, [Bytes(catalog)], read_product)?.into_iter().collect()
    }

    /// One product.
    pub fn product(&self, catalog: CatalogId, name: &str) -> Result<Option<Product>, StoreError> {
        let sql = "SELECT product, description, least_class, created_s FROM products \
                   WHERE catalog = ?1 AND product = ?2";
        self.one(sql, params![Bytes(catalog), name], read_product)?.transpose()
    }

    /// Device groups of a catalog, by path.
    pub fn device_groups(&self, catalog: CatalogId) -> Result<Vec<DeviceGroup>, StoreError> {
        let sql = format!(
            "SELECT {GROUP_COLUMNS} FROM {GROUP_TABLES} WHERE g.catalog = ?1 \
             ORDER BY g.product, g.device_group"
        );
        self.all(&sql, [Bytes(catalog)], read_group)?.into_iter().collect()
    }

    /// One device group with its counts.
    pub fn device_group_shown(
        &self,
        catalog: CatalogId,
        product: &str,
        group: &str,
    ) -> Result<Option<DeviceGroup>, StoreError> {
        let sql = format!(
            "SELECT {GROUP_COLUMNS} FROM {GROUP_TABLES} \
             WHERE g.catalog = ?1 AND g.product = ?2 AND g.device_group = ?3"
        );
        self.one(&sql, params![Bytes(catalog), product, group], read_group)?.transpose()
    }

    /// What a device group asks of its devices: the part that every check-in reads, without counts.
    pub fn device_group(
        &self,
        catalog: CatalogId,
        product: &str,
        group: &str,
    ) -> Result<Option<GroupRules>, StoreError> {
        let sql = format!(
            "SELECT g.development, p.least_class, g.update_policy FROM {GROUP_TABLES} \
             WHERE g.catalog = ?1 AND g.product = ?2 AND g.device_group = ?3"
        );
        let key = params![Bytes(catalog), product, group];
        let row = self.one(&sql, key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        row.map(|(development, class, policy)| {
            let least_class = value_at(&CLASSES, class, "products")?;
            let update_policy = value_at(&POLICIES, policy, "device_groups")?;
            Ok(GroupRules { development, least_class, update_policy })
        })
        .transpose()
    }
}

impl WriteTx<'_> {
    /// Adds a catalog.
    pub fn catalog_create(
        &self,
        _permit: &ServicePermit,
        catalog: &CatalogRow,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO catalogs (catalog, name, dev, wave_secret, created_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![
            Bytes(catalog.id),
            catalog.name,
            catalog.dev,
            catalog.wave_secret,
            Number(catalog.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Adds the first version of a section of a new catalog.
    pub fn trust_store_begin(
        &self,
        _permit: &ServicePermit,
        catalog: CatalogId,
        section: &TrustStoreSection,
        signed: &[u8],
    ) -> Result<(), StoreError> {
        self.section_insert(catalog, section, signed)
    }

    /// Adds the successor of a section.
    pub fn trust_store_succeed(
        &self,
        permit: &Permit<ManageTrustStore>,
        section: &TrustStoreSection,
        signed: &[u8],
    ) -> Result<(), StoreError> {
        self.section_insert(permit.catalog(), section, signed)
    }

    /// Keeps what the newest owner section says of the catalog's root.
    pub fn catalog_set_dev(
        &self,
        permit: &Permit<ManageTrustStore>,
        dev: bool,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE catalogs SET dev = ?2 WHERE catalog = ?1 AND dev <> ?2";
        self.change(sql, params![Bytes(permit.catalog()), dev]).map(|_| ())
    }

    fn section_insert(
        &self,
        catalog: CatalogId,
        section: &TrustStoreSection,
        signed: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO trust_store_sections \
                   (catalog, section, version, digest, signed, accepted_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![
            Bytes(catalog),
            place_of(&SECTIONS, &section.section),
            Number(section.version),
            Bytes(section.digest),
            signed,
            Number(section.accepted_s),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Adds a product.
    pub fn product_create(
        &self,
        permit: &Permit<ManageProducts>,
        product: &Product,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO products (catalog, product, description, least_class, created_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![
            Bytes(permit.catalog()),
            product.name,
            product.description,
            place_of(&CLASSES, &product.least_class),
            Number(product.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Removes a product; whether there was one.
    pub fn product_delete(
        &self,
        permit: &Permit<ManageProducts>,
        name: &str,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM products WHERE catalog = ?1 AND product = ?2";
        Ok(self.change(sql, params![Bytes(permit.catalog()), name])? > 0)
    }

    /// Adds a device group, or changes its description and policy.
    pub fn device_group_put(
        &self,
        permit: &Permit<ManageProducts>,
        group: &DeviceGroup,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO device_groups (catalog, product, device_group, description, \
                   development, update_policy, created_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                   ON CONFLICT (catalog, product, device_group) DO UPDATE SET \
                   description = excluded.description, update_policy = excluded.update_policy";
        let row = params![
            Bytes(permit.catalog()),
            group.product,
            group.name,
            group.description,
            group.development,
            place_of(&POLICIES, &group.update_policy),
            Number(group.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Removes a device group; whether there was one.
    pub fn device_group_delete(
        &self,
        permit: &Permit<ManageProducts>,
        product: &str,
        group: &str,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM device_groups \
                   WHERE catalog = ?1 AND product = ?2 AND device_group = ?3";
        Ok(self.change(sql, params![Bytes(permit.catalog()), product, group])? > 0)
    }
}

fn read_catalog(row: &Row<'_>) -> rusqlite::Result<Catalog> {
    Ok(Catalog {
        id: row.get::<_, Bytes<_>>(0)?.0,
        name: row.get(1)?,
        dev: row.get(2)?,
        created_s: row.get::<_, Number>(3)?.0,
        devices: row.get::<_, Number>(4)?.0,
    })
}

fn read_section(row: &Row<'_>) -> rusqlite::Result<Result<TrustStoreSection, StoreError>> {
    let section = value_at(&SECTIONS, row.get(0)?, "trust_store_sections");
    let version = row.get::<_, Number>(1)?.0;
    let digest = row.get::<_, Bytes<Digest>>(2)?.0;
    let accepted_s = row.get::<_, Number>(3)?.0;
    Ok(section.map(|section| TrustStoreSection { section, version, digest, accepted_s }))
}

fn read_product(row: &Row<'_>) -> rusqlite::Result<Result<Product, StoreError>> {
    let least_class = value_at(&CLASSES, row.get(2)?, "products");
    let (name, description) = (row.get(0)?, row.get(1)?);
    let created_s = row.get::<_, Number>(3)?.0;
    Ok(least_class.map(|least_class| Product { name, description, least_class, created_s }))
}

fn read_group(row: &Row<'_>) -> rusqlite::Result<Result<DeviceGroup, StoreError>> {
    let (product, name): (String, String) = (row.get(0)?, row.get(1)?);
    let least_class = value_at(&CLASSES, row.get(4)?, "products");
    let update_policy = value_at(&POLICIES, row.get(5)?, "device_groups");
    let (description, development) = (row.get(2)?, row.get(3)?);
    let (created_s, devices) = (row.get::<_, Number>(6)?.0, row.get::<_, Number>(7)?.0);
    let image_set = row.get::<_, Option<Bytes<_>>>(8)?.map(|id| id.0);
    Ok(least_class.and_then(|least_class| {
        Ok(DeviceGroup {
            path: format!("{product}/{name}"),
            product,
            name,
            description,
            development,
            least_class,
            update_policy: update_policy?,
            devices,
            image_set,
            created_s,
        })
    }))
}
