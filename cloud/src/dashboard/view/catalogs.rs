//! The list of catalogs: what stands at `/` when there is not exactly one.

use askama::Template;

use super::{Moment, grouped};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "catalogs.html")]
pub struct CatalogsPage {
    /// When the snapshot was read.
    pub now: Moment,
    /// By name.
    pub catalogs: Vec<CatalogLine>,
}

/// One catalog.
#[derive(Clone, Debug)]
pub struct CatalogLine {
    /// Its name.
    pub name: String,
    /// Whether its root is for development only.
    pub dev: bool,
    /// Devices claimed or pending.
    pub devices: u64,
    /// When it was created.
    pub created: Moment,
}
