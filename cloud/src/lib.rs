//! The security service: one program, one data folder.
//!
//! `http` takes requests and turns them into uses of `app`; `app` reads from `store`, lets the rules
//! (`catalog`, `rollout`, `tenancy`, `audit`) decide, and commits once; `work` compares wanted with actual.
#![forbid(unsafe_code)]

pub mod app;
pub mod audit;
pub mod blobs;
pub mod catalog;
pub mod clock;
pub mod crypto;
pub mod http;
pub mod keys;
pub mod rollout;
pub mod store;
pub mod tenancy;
pub mod failures;
