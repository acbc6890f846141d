//! The security service: one program, one data folder.
//!
//! `http` takes requests and turns them into uses of `app`; `app` reads from `store`, lets the
//! rules (`attest`, `authority`, `catalog`, `rollout`, `failures`, `tenancy`, `audit`) decide, and
//! commits once; `work` compares wanted with actual; `dashboard` shows what `app` answers.
#![forbid(unsafe_code)]

pub mod app;
pub mod attest;
pub mod audit;
pub mod authority;
pub mod blobs;
pub mod catalog;
pub mod clock;
pub mod crypto;
pub mod dashboard;
pub mod failures;
pub mod http;
pub mod keys;
pub mod rollout;
mod service;
mod setup;
pub mod store;
pub mod tenancy;
#[cfg(test)]
mod testing;
pub mod work;

pub use service::{Config, Parts, Service, ServiceError, up};
pub use setup::parts;
