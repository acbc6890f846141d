//! `craton login`: which service, by which key, with which token.

use crate::client::{Access, Call, Client};
use crate::error::CliError;
use crate::home::{Home, Profile, read_file};
use crate::operation::Operation;
use crate::output::{Output, hex, word};
use crate::passphrase;
use crate::session::{Options, Session};
use crate::up::Announced;
use anyhow::Result;
use craton_api::operator::TokenInfo;
use craton_device::link::{Link, fingerprint};
use craton_trust::PublicKey;
use craton_trust::id::from_hex;
use std::path::PathBuf;

/// What `craton login` is told.
#[derive(clap::Args)]
pub struct Login {
    /// The service; otherwise the one of this machine
    #[arg(long, value_name = "HOST:PORT")]
    service: Option<String>,
    /// Its key or fingerprint, as `craton up` prints it; otherwise from this machine's data folder
    #[arg(long, value_name = "HEX")]
    service_key: Option<String>,
    /// A file with the token, or - for standard input; otherwise from this machine's data folder
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The data folder of this machine's service
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Finds the service, checks the token, and writes the profile.
///
/// # Errors
/// `ServiceNotFound`, `ServiceKeyInvalid`, `FingerprintOther`, `TokenNotGiven`, and the service's.
pub async fn run(with: Login, options: &Options) -> Result<()> {
    let home = Home::of_user()?;
    let data = with.data.clone().unwrap_or_else(|| home.service());
    let local = Announced::read(&data);
    let not_found = || CliError::ServiceNotFound(data.clone());
    let address = with.service.clone().or_else(|| local.as_ref().map(|it| it.address.clone()));
    let address = address.ok_or_else(not_found)?;
    let service_key = match (&with.service_key, local) {
        (Some(named), _) => key_named(&address, named).await?,
        (None, Some(local)) => local.key().ok_or_else(not_found)?,
        (None, None) => return Err(not_found().into()),
    };
    let token_file = match (with.token_file, with.service.is_some() && with.data.is_none()) {
        (Some(file), _) => file,
        // Another machine's service is not told this machine's token.
        (None, true) => return Err(CliError::TokenNotGiven.into()),
        (None, false) => data.join(craton_cloud::app::tokens::FIRST_TOKEN_FILE),
    };
    let token = passphrase::token(&token_file)?;
    let access = Access { address: address.clone(), service_key, token: token.clone() };
    let mut client = Client::connect(&access).await?;
    let info: TokenInfo = client.call(Call::of(Operation::TokenShow), None).await?;
    drop(client);
    let service_key = hex(&service_key.0);
    let before = home.profile().ok().filter(|profile| profile.service_key == service_key);
    let catalog = info.catalog.map(|id| id.to_string());
    let catalog = catalog.or_else(|| before.and_then(|profile| profile.catalog));
    home.write_profile(&Profile { service: address, service_key, token, catalog })?;
    if info.catalog.is_some() {
        Session::open(options).await?.owner_section().await?;
    }
    show(&info, &home, options)
}

/// The key that a person named: itself, or the one shown at the address if it has the fingerprint.
async fn key_named(address: &str, named: &str) -> Result<PublicKey> {
    if let Some(point) = from_hex::<64>(named) {
        return Ok(PublicKey(point));
    }
    let invalid = || CliError::ServiceKeyInvalid(named.to_owned());
    let expected = from_hex::<32>(named).ok_or_else(invalid)?;
    let shown = Link::key_shown_at(address).await?;
    let found = fingerprint(&shown);
    if found.0 != expected {
        let (address, found) = (address.to_owned(), found.to_string());
        return Err(CliError::FingerprintOther { address, found }.into());
    }
    Ok(shown)
}

fn show(info: &TokenInfo, home: &Home, options: &Options) -> Result<()> {
    let profile = home.profile()?;
    let out = Output::new(options.json);
    let key = from_hex(&profile.service_key).map(PublicKey);
    let fields = [
        ("service", profile.service.clone()),
        ("fingerprint", key.map(|key| fingerprint(&key).to_string()).unwrap_or_default()),
        ("token", info.name.clone()),
        ("role", word(info.role)),
        ("profile", home.profile_path().display().to_string()),
    ];
    out.one(info, &fields);
    if profile.catalog.is_some() {
        out.next(&["craton product list"]);
    } else {
        out.next(&[
            "craton catalog create NAME --dev   a catalog for development on this machine",
            "craton catalog create --help       a catalog for production",
            "craton catalog use NAME            one that exists",
        ]);
    }
    Ok(())
}

impl Announced {
    /// What the service with this data folder said of itself when it started.
    fn read(data: &std::path::Path) -> Option<Self> {
        serde_json::from_slice(&read_file(&data.join(crate::up::ANNOUNCED_FILE)).ok()?).ok()
    }

    fn key(&self) -> Option<PublicKey> {
        from_hex(&self.service_key).map(PublicKey)
    }
}
