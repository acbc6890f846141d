//! Brings a database to the newest schema, one numbered step after another, together or not at all.

use rusqlite::Connection;

use super::{StoreError, engine};

const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_devices_by_serial.sql"),
    include_str!("migrations/0003_outcomes_by_wave.sql"),
    include_str!("migrations/0004_failure_numbers.sql"),
    include_str!("migrations/0005_blobs_named.sql"),
    include_str!("migrations/0006_image_runtime.sql"),
    include_str!("migrations/0007_device_mode.sql"),
    include_str!("migrations/0008_devices_by_name.sql"),
    include_str!("migrations/0009_device_boots.sql"),
    include_str!("migrations/0010_boot_logs.sql"),
    include_str!("migrations/0011_device_store.sql"),
    include_str!("migrations/0012_device_programs.sql"),
];

pub(super) fn to_newest(db: &Connection) -> Result<(), StoreError> {
    let found = engine::schema_version(db)?;
    let known = STEPS.len() as u32;
    if found > known {
        return Err(StoreError::SchemaNewer { found, known });
    }
    for (step, number) in STEPS.iter().zip(1u32..).skip(found as usize) {
        let change = db.unchecked_transaction()?;
        change.execute_batch(step)?;
        engine::set_schema_version(&change, number)?;
        change.commit()?;
    }
    Ok(())
}
