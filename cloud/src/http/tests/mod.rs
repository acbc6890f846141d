//! The operator API as its callers see it, through the whole router.

mod access;
mod blobs;
mod boot_logs;
mod boots;
mod catalogs;
mod check_in;
mod check_ins;
mod deployments;
mod device_requests;
mod devices;
mod envelopes;
mod failures;
mod image_sets;
mod images;
mod log;
mod lots;
mod programs;
mod requests;
mod trust_store;
