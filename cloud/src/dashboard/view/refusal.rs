//! A refusal as a page.

use askama::Template;

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "refusal.html")]
pub struct RefusalPage {
    /// Its number in the registry.
    pub code: u16,
    /// What is true.
    pub title: String,
    /// What to do.
    pub detail: String,
}
