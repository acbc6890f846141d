//! Products and their device groups.

use craton_api::operator::{
    DeviceGroup, DeviceGroupChange, DeviceGroupCreate, DeviceGroupList, Product, ProductCreate,
    ProductList, UpdatePolicy,
};

use super::{AppError, Core};
use crate::catalog::{CatalogError, DEFAULT_GROUPS, checked_description, checked_name};
use crate::store::WriteTx;
use crate::tenancy::{ManageProducts, Permit, ReadCatalog};

/// Products, by name.
///
/// # Errors
/// Those of the store.
pub fn list(core: &Core, permit: &Permit<ReadCatalog>) -> Result<ProductList, AppError> {
    Ok(ProductList { items: core.store.read(|db| db.products(permit.catalog()))? })
}

/// One product.
///
/// # Errors
/// `ProductUnknown`.
pub fn show(core: &Core, permit: &Permit<ReadCatalog>, name: &str) -> Result<Product, AppError> {
    let product = core.store.read(|db| db.product(permit.catalog(), name))?;
    product.ok_or_else(|| CatalogError::ProductUnknown.into())
}

/// Device groups of a product, by name.
///
/// # Errors
/// `ProductUnknown`.
pub fn list_groups(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    product: &str,
) -> Result<DeviceGroupList, AppError> {
    core.store.read(|db| {
        db.product(permit.catalog(), product)?.ok_or(CatalogError::ProductUnknown)?;
        let mut items = db.device_groups(permit.catalog())?;
        items.retain(|group| group.product == product);
        Ok(DeviceGroupList { items })
    })
}

/// One device group with its counts.
///
/// # Errors
/// `GroupUnknown`.
pub fn show_group(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    product: &str,
    group: &str,
) -> Result<DeviceGroup, AppError> {
    let group = core.store.read(|db| db.device_group_shown(permit.catalog(), product, group))?;
    group.ok_or_else(|| CatalogError::GroupUnknown.into())
}

/// Makes a product and, if asked, its default groups.
///
/// # Errors
/// `NameInvalid`, `NameTaken`, `DescriptionTooLong`.
pub async fn create(
    core: &Core,
    permit: Permit<ManageProducts>,
    asked: ProductCreate,
) -> Result<Product, AppError> {
    checked_name(&asked.name)?;
    checked_description(&asked.description)?;
    let product = Product {
        name: asked.name,
        description: asked.description,
        least_class: asked.least_class,
        created_s: core.clock.now_s(),
    };
    let work = move |db: &WriteTx<'_>| {
        if db.product(permit.catalog(), &product.name)?.is_some() {
            return Err(CatalogError::NameTaken.into());
        }
        db.product_create(&permit, &product)?;
        let groups: &[(&str, bool)] = if asked.default_groups { &DEFAULT_GROUPS } else { &[] };
        for (name, development) in groups {
            let mut group = empty_group(&product, name);
            group.development = *development;
            db.device_group_put(&permit, &group)?;
        }
        Ok(product)
    };
    core.store.write(work).await
}

/// Removes a product without groups.
///
/// # Errors
/// `ProductUnknown`, `ProductInUse`.
pub async fn delete(
    core: &Core,
    permit: Permit<ManageProducts>,
    name: String,
) -> Result<(), AppError> {
    let work = move |db: &WriteTx<'_>| {
        let groups = db.device_groups(permit.catalog())?;
        if groups.iter().any(|group| group.product == name) {
            return Err(CatalogError::ProductInUse.into());
        }
        let known = db.product_delete(&permit, &name)?;
        if known { Ok(()) } else { Err(CatalogError::ProductUnknown.into()) }
    };
    core.store.write(work).await
}

/// Makes a device group.
///
/// # Errors
/// `NameInvalid`, `NameTaken`, `ProductUnknown`, `DescriptionTooLong`.
pub async fn create_group(
    core: &Core,
    permit: Permit<ManageProducts>,
    product: String,
    asked: DeviceGroupCreate,
) -> Result<DeviceGroup, AppError> {
    checked_name(&asked.name)?;
    checked_description(&asked.description)?;
    let now_s = core.clock.now_s();
    let work = move |db: &WriteTx<'_>| {
        let catalog = permit.catalog();
        let product = db.product(catalog, &product)?.ok_or(CatalogError::ProductUnknown)?;
        if db.device_group(catalog, &product.name, &asked.name)?.is_some() {
            return Err(CatalogError::NameTaken.into());
        }
        let mut group = empty_group(&product, &asked.name);
        (group.development, group.update_policy) = (asked.development, asked.update_policy);
        (group.description, group.created_s) = (asked.description, now_s);
        db.device_group_put(&permit, &group)?;
        Ok(group)
    };
    core.store.write(work).await
}

/// Changes a device group's description or update policy.
///
/// # Errors
/// `GroupUnknown`, `DescriptionTooLong`.
pub async fn change_group(
    core: &Core,
    permit: Permit<ManageProducts>,
    names: (String, String),
    change: DeviceGroupChange,
) -> Result<DeviceGroup, AppError> {
    checked_description(change.description.as_deref().unwrap_or_default())?;
    let work = move |db: &WriteTx<'_>| {
        let group = db.device_group_shown(permit.catalog(), &names.0, &names.1)?;
        let mut group = group.ok_or(CatalogError::GroupUnknown)?;
        if let Some(description) = change.description {
            group.description = description;
        }
        if let Some(policy) = change.update_policy {
            group.update_policy = policy;
        }
        db.device_group_put(&permit, &group)?;
        Ok(group)
    };
    core.store.write(work).await
}

/// Removes a device group without devices and deployment.
///
/// # Errors
/// `GroupUnknown`, `GroupInUse`.
pub async fn delete_group(
    core: &Core,
    permit: Permit<ManageProducts>,
    names: (String, String),
) -> Result<(), AppError> {
    let work = move |db: &WriteTx<'_>| {
        let group = db.device_group_shown(permit.catalog(), &names.0, &names.1)?;
        let group = group.ok_or(CatalogError::GroupUnknown)?;
        if group.devices > 0 || group.image_set.is_some() {
            return Err(CatalogError::GroupInUse.into());
        }
        db.device_group_delete(&permit, &names.0, &names.1)?;
        Ok(())
    };
    core.store.write(work).await
}

fn empty_group(product: &Product, name: &str) -> DeviceGroup {
    DeviceGroup {
        path: format!("{}/{name}", product.name),
        product: product.name.clone(),
        name: name.to_owned(),
        description: String::new(),
        development: false,
        least_class: product.least_class,
        update_policy: UpdatePolicy::UpdateAll,
        devices: 0,
        image_set: None,
        created_s: product.created_s,
    }
}
