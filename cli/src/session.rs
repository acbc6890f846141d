//! What a verb works with: the profile, a connection, the chosen catalog, and where answers go.

use crate::believed::{self, Chain};
use crate::client::{Access, Call, Client};
use crate::error::CliError;
use crate::home::{CatalogFolder, Home, Profile};
use crate::operation::Operation;
use crate::output::Output;
use anyhow::Result;
use craton_api::operator::{Catalog, CatalogId, CatalogList};
use craton_trust::PublicKey;
use craton_trust::id::from_hex;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What every verb may be told.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Print the API's own JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// The catalog, by name or id; otherwise the one that `catalog use` chose
    #[arg(long = "catalog", global = true, value_name = "CATALOG")]
    pub wanted_catalog: Option<String>,
}

/// A verb's surroundings.
pub struct Session {
    /// The user's folders.
    pub home: Home,
    /// Where answers go.
    pub out: Output,
    /// Service, token, catalog.
    pub profile: Profile,
    wanted: Option<String>,
    client: Client,
    catalog: Option<CatalogId>,
    /// The trust store of that catalog, as far as it was asked for.
    owner: Option<Arc<Chain>>,
    platform: Option<Arc<Chain>>,
}

impl Session {
    /// Reads the profile and connects.
    ///
    /// # Errors
    /// `ProfileMissing`, `ProfileDamaged`, and the link's.
    pub async fn open(options: &Options) -> Result<Self> {
        let home = Home::of_user()?;
        let profile = home.profile()?;
        let damaged = || CliError::ProfileDamaged(home.profile_path());
        let service_key = from_hex(&profile.service_key).map(PublicKey).ok_or_else(damaged)?;
        let (address, token) = (profile.service.clone(), profile.token.clone());
        let client = Client::connect(&Access { address, service_key, token }).await?;
        let wanted = options.wanted_catalog.clone();
        let out = Output::new(options.json);
        let (owner, platform) = (None, None);
        Ok(Self { home, out, profile, wanted, client, catalog: None, owner, platform })
    }

    /// The catalog that verbs are about.
    ///
    /// # Errors
    /// `CatalogUnchosen`, `NameUnknown`.
    pub async fn catalog(&mut self) -> Result<CatalogId> {
        if let Some(known) = self.catalog {
            return Ok(known);
        }
        let id = match (&self.wanted, &self.profile.catalog) {
            (Some(name), _) => {
                let name = name.clone();
                self.catalog_named(&name).await?.id
            }
            (None, Some(id)) => {
                id.parse().map_err(|_| CliError::ProfileDamaged(self.home.profile_path()))?
            }
            (None, None) => return Err(CliError::CatalogUnchosen.into()),
        };
        self.catalog = Some(id);
        Ok(id)
    }

    /// A catalog by its name or its id.
    ///
    /// # Errors
    /// `NameUnknown`, `NameAmbiguous`.
    pub async fn catalog_named(&mut self, name: &str) -> Result<Catalog> {
        let all: CatalogList = self.client.call(Call::of(Operation::CatalogList), None).await?;
        let found = pick(all.items, name, ("catalog", "catalog list"), |catalog| {
            (catalog.id.to_string(), Some(catalog.name.clone()))
        });
        Ok(found?)
    }

    /// What is kept here of the catalog.
    ///
    /// # Errors
    /// As [`Session::catalog`].
    pub async fn folder(&mut self) -> Result<CatalogFolder> {
        let id = self.catalog().await?;
        Ok(self.home.catalog(id))
    }

    /// The catalog's `owner` section, believed because it descends from the catalog's id; and not
    /// asked for twice.
    ///
    /// # Errors
    /// Those of [`believed::owner`].
    pub async fn owner_section(&mut self) -> Result<Arc<Chain>> {
        if let Some(known) = &self.owner {
            return Ok(known.clone());
        }
        let chain = Arc::new(believed::owner(self).await?);
        Ok(self.owner.insert(chain).clone())
    }

    /// The catalog's `platform` section, as far as it can be believed; and not asked for twice.
    ///
    /// # Errors
    /// Those of [`believed::platform`].
    pub async fn platform_section(&mut self) -> Result<Arc<Chain>> {
        if let Some(known) = &self.platform {
            return Ok(known.clone());
        }
        let chain = Arc::new(believed::platform(self).await?);
        Ok(self.platform.insert(chain).clone())
    }

    /// Does a planned request; JSON out.
    ///
    /// # Errors
    /// Those of [`Client::call`].
    pub async fn ask<T: DeserializeOwned>(&mut self, call: Call) -> Result<T> {
        let catalog = if call.in_catalog() { Some(self.catalog().await?) } else { None };
        self.client.call(call, catalog).await
    }

    /// Does a planned request; bytes out, also none.
    ///
    /// # Errors
    /// Those of [`Client::call_bytes`].
    pub async fn fetch(&mut self, call: Call) -> Result<Vec<u8>> {
        let catalog = if call.in_catalog() { Some(self.catalog().await?) } else { None };
        self.client.call_bytes(call, catalog).await
    }

    /// The connection, and the catalog that it is used for.
    ///
    /// # Errors
    /// As [`Session::catalog`].
    pub async fn client(&mut self) -> Result<(&mut Client, CatalogId)> {
        let catalog = self.catalog().await?;
        Ok((&mut self.client, catalog))
    }

    /// Goes by the profile's catalog from here on, whatever `--catalog` said.
    pub fn forget_override(&mut self) {
        (self.wanted, self.catalog) = (None, None);
        (self.owner, self.platform) = (None, None);
    }

    /// The connection alone, before there is a catalog.
    pub const fn connection(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// The one of `items` with this name, this id, or an id that begins so.
///
/// # Errors
/// `NameUnknown`, `NameAmbiguous`.
pub fn pick<T>(
    items: Vec<T>,
    wanted: &str,
    (what, list): (&'static str, &'static str),
    named: impl Fn(&T) -> (String, Option<String>),
) -> Result<T, CliError> {
    let name = wanted.to_owned();
    let mut by_name = Vec::new();
    let mut by_id = Vec::new();
    for item in items {
        let (id, name) = named(&item);
        if name.as_deref() == Some(wanted) {
            by_name.push(item);
        } else if wanted.len() >= ID_DIGITS_MIN && id.starts_with(wanted) {
            by_id.push(item);
        }
    }
    let mut found = if by_name.is_empty() { by_id } else { by_name };
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(CliError::NameUnknown { what, name, list }),
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(CliError::NameAmbiguous { what, name }),
    }
}

/// How many digits of an id name a thing.
const ID_DIGITS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_found_by_its_name_its_id_or_the_ids_beginning() {
        let items = || vec![("aabbcc", "lamp"), ("aabbdd", "kettle"), ("ccddee", "aabb")];
        let find = |wanted: &str| {
            pick(items(), wanted, ("device", "device list"), |(id, name)| {
                ((*id).to_owned(), Some((*name).to_owned()))
            })
        };
        assert_eq!(find("lamp").unwrap().0, "aabbcc");
        assert_eq!(find("aabbd").unwrap().0, "aabbdd");
        assert_eq!(find("aabb").unwrap().0, "ccddee", "a name counts before an id");
        assert!(matches!(find("ccd"), Err(CliError::NameUnknown { .. })), "too few digits");
        assert!(matches!(find("ffff"), Err(CliError::NameUnknown { .. })));
        let two = pick(vec!["aabb1", "aabb2"], "aabb", ("device", "device list"), |id| {
            ((*id).to_owned(), None)
        });
        assert!(matches!(two, Err(CliError::NameAmbiguous { .. })));
    }
}
