//! The rules of a catalog: names, and which signed objects it takes.

mod envelope;
mod error;
mod objects;

pub use envelope::merged;
pub use error::CatalogError;
pub use objects::{
    AdmissibleSet, Endorsed, Genesis, approve, capability, countersign, endorsement, genesis,
    image, image_set, is_published, lot, section_of, successor,
};

/// Bytes that a description may have.
const DESCRIPTION_MAX: usize = 500;

/// The groups that a product has from the start: name, whether for development.
pub const DEFAULT_GROUPS: [(&str, bool); 3] =
    [("Development", true), ("FieldTest", false), ("Production", false)];

/// A name of a catalog, product or group: 1 to 50 of `A-Z a-z 0-9 _ -`.
///
/// # Errors
/// `NameInvalid`.
pub fn checked_name(name: &str) -> Result<&str, CatalogError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let fits = (1..=50).contains(&name.len()) && name.chars().all(allowed);
    if fits { Ok(name) } else { Err(CatalogError::NameInvalid) }
}

/// A description of at most 500 bytes.
///
/// # Errors
/// `DescriptionTooLong`.
pub fn checked_description(text: &str) -> Result<&str, CatalogError> {
    if text.len() <= DESCRIPTION_MAX { Ok(text) } else { Err(CatalogError::DescriptionTooLong) }
}

/// `product/group` as its two names.
///
/// # Errors
/// `GroupPathInvalid`.
pub fn split_group(path: &str) -> Result<(&str, &str), CatalogError> {
    let names = path.split_once('/').ok_or(CatalogError::GroupPathInvalid)?;
    let valid = checked_name(names.0).is_ok() && checked_name(names.1).is_ok();
    if valid { Ok(names) } else { Err(CatalogError::GroupPathInvalid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_invalid_refuses_empty_long_and_strange_names() {
        for bad in ["", "a b", "../x", "a/b", "ä", &"n".repeat(51)] {
            assert!(matches!(checked_name(bad), Err(CatalogError::NameInvalid)), "{bad}");
        }
        assert!(checked_name("Field_Test-2").is_ok());
    }

    #[test]
    fn description_too_long_refuses_501_bytes() {
        let refused = checked_description(&"x".repeat(501)).err();
        assert!(matches!(refused, Some(CatalogError::DescriptionTooLong)));
        assert!(checked_description(&"x".repeat(500)).is_ok());
    }

    #[test]
    fn group_path_invalid_refuses_what_is_not_two_names() {
        for bad in ["meter", "meter/", "/Production", "a/b/c", "a/b c"] {
            let refused = split_group(bad).err();
            assert!(matches!(refused, Some(CatalogError::GroupPathInvalid)), "{bad}");
        }
        assert_eq!(split_group("meter/Production").unwrap(), ("meter", "Production"));
    }
}
