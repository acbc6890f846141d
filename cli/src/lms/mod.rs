//! Keys of HSS/LMS, the second algorithm of a platform's root and publisher, and their files.

mod error;
mod file;
mod key;
mod record;
mod seen;
mod tree;

pub use error::LmsError;
pub use file::KeyFile;
pub use key::{LmsKey, read};
pub use record::Record;
pub use seen::{highest_leaf, is_signed_by, without_forged};
