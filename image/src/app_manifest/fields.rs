//! A JSON value read as what a field wants.

use super::error::{Refusal, Refused, shown};
use super::json::{Field, Kind, Value};

/// An object whose fields are looked up by name.
pub struct Object<'a> {
    at: usize,
    fields: &'a [Field],
}

impl<'a> Object<'a> {
    pub fn fields(&self) -> impl Iterator<Item = &'a Field> + use<'a> {
        self.fields.iter()
    }

    /// Refuses the first field that is not one of `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Refused> {
        match self.fields.iter().find(|field| !known.contains(&field.name.as_str())) {
            None => Ok(()),
            Some(Field { at, name, .. }) => {
                Refused::err(*at, Refusal::ManifestFieldUnknown { name: shown(name) })
            }
        }
    }

    pub fn optional(&self, name: &str) -> Option<&'a Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// A missing field is missing where its object starts.
    pub fn required(&self, name: &'static str) -> Result<&'a Value, Refused> {
        let missing = Refused { at: self.at, refusal: Refusal::ManifestFieldMissing { name } };
        self.optional(name).ok_or(missing)
    }
}

impl Value {
    pub fn object(&self) -> Result<Object<'_>, Refused> {
        match &self.kind {
            Kind::Object(fields) => Ok(Object { at: self.at, fields }),
            _ => self.wanted("an object in braces"),
        }
    }

    pub fn text(&self) -> Result<&str, Refused> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            _ => self.wanted("a string"),
        }
    }

    pub fn integer(&self) -> Result<i64, Refused> {
        match &self.kind {
            Kind::Integer(number) => Ok(*number),
            _ => self.wanted("a whole number"),
        }
    }

    pub fn boolean(&self) -> Result<bool, Refused> {
        match &self.kind {
            Kind::Boolean(value) => Ok(*value),
            _ => self.wanted("true or false"),
        }
    }

    /// The entries of a list of at most `max`.
    pub fn list(&self, max: usize) -> Result<&[Value], Refused> {
        match &self.kind {
            Kind::List(values) if values.len() <= max => Ok(values),
            Kind::List(_) => Refused::err(self.at, Refusal::ManifestListTooLong { max }),
            _ => self.wanted("a list in brackets"),
        }
    }

    /// Reads each entry of a list of at most `max`, and refuses the second of two that are equal.
    pub fn distinct<T: PartialEq>(
        &self,
        max: usize,
        read: impl Fn(&Value) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let mut entries = Vec::new();
        for value in self.list(max)? {
            let entry = read(value)?;
            if entries.contains(&entry) {
                return Refused::err(value.at, Refusal::ManifestListDuplicate);
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    pub fn wanted<T>(&self, wanted: &'static str) -> Result<T, Refused> {
        Refused::err(self.at, Refusal::ManifestWrongType { wanted })
    }
}
