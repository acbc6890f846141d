//! `craton image`: package files, and images that the service keeps.

use crate::client::Call;
use crate::home::{Home, write_file};
use crate::keys::Unlock;
use crate::operation::Operation;
use crate::output::{Output, moment, short};
use crate::package_file::{self, Pack};
use crate::platform::Publisher;
use crate::publish;
use crate::session::{Options, Session, pick};
use crate::signer::AnySigner;
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{CatalogId, ComponentId, Image, ImageList};
use craton_image::package::Package;
use std::path::{Path, PathBuf};

/// What is done with images.
#[derive(Subcommand)]
pub enum Command {
    /// Pack an app's folder into an unsigned package, with its bill of materials
    Pack(Pack),
    /// Sign a package, beside who signed it before; needs no service
    Sign {
        /// What `image pack` wrote, or a signed package
        file: PathBuf,
        /// A key file, several times for several signatures; otherwise the catalog's publisher's
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// The signed package; otherwise beside the file, as .image
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Drop the signatures that are there
        #[arg(long)]
        anew: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Show a package file, or an image that the service has
    Show {
        /// A file, or the id of an image
        image: String,
    },
    /// Verify a package file by the trust store seen last, or by a key; needs no service
    Verify {
        /// The package
        file: PathBuf,
        /// The publisher's public key, in hexadecimal or as a file
        #[arg(long, value_name = "PUBLIC-KEY")]
        publisher: Option<String>,
        /// The bill of materials that it must name
        #[arg(long, value_name = "FILE")]
        sbom: Option<PathBuf>,
    },
    /// Upload a package: the service makes a reference value of it
    Upload {
        /// The package
        #[arg(required_unless_present = "runtime")]
        file: Option<PathBuf>,
        /// This program itself, which is the runtime of virtual devices
        #[arg(long, conflicts_with = "file")]
        runtime: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Download an image as a package file
    Download {
        /// Its id
        image: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List the catalog's images
    List {
        /// Only versions of this component
        #[arg(long)]
        component: Option<ComponentId>,
    },
}

/// Does it.
///
/// # Errors
/// The packer's, the service's refusals, and those of the key files.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    match command {
        Command::Pack(with) => package_file::pack(&with, out),
        Command::Sign { file, key, out: to, anew, unlock } => {
            let paths = if key.is_empty() { vec![publisher_path(options)?] } else { key };
            let keys = paths.iter().map(|path| AnySigner::open(path, &unlock));
            let keys: Result<Vec<_>> = keys.collect();
            package_file::sign(&file, &keys?, anew, to.as_deref(), out)
        }
        Command::Show { image } if Path::new(&image).is_file() => {
            package_file::show(Path::new(&image), out)
        }
        Command::Verify { file, publisher, sbom } => {
            let by = match publisher {
                Some(named) => package_file::By::Key(named),
                None => {
                    let (home, id) = catalog_in_use(options)?;
                    package_file::By::Seen(home.catalog(id))
                }
            };
            package_file::verify(&file, &by, sbom.as_deref(), out)
        }
        online => with_service(online, &mut Session::open(options).await?).await,
    }
}

/// The catalog that the words name, or the profile's, without asking the service: it alone knows a
/// name, so that one of which something is kept here is named by its id.
///
/// # Errors
/// `NameUnknown`, `NameAmbiguous`, `ProfileMissing`, `ProfileDamaged`, `CatalogUnchosen`.
pub fn catalog_in_use(options: &Options) -> Result<(Home, CatalogId)> {
    use crate::error::CliError;
    let home = Home::of_user()?;
    if let Some(wanted) = &options.wanted_catalog {
        let named = |id: &CatalogId| (id.to_string(), None);
        let id = pick(home.catalogs(), wanted, ("catalog", "catalog list"), named)?;
        return Ok((home, id));
    }
    let id = home.profile()?.catalog.ok_or(CliError::CatalogUnchosen)?;
    let id = id.parse().map_err(|_| CliError::ProfileDamaged(home.profile_path()))?;
    Ok((home, id))
}

/// Where the publisher's key of the catalog in use is.
///
/// # Errors
/// As [`catalog_in_use`].
fn publisher_path(options: &Options) -> Result<PathBuf> {
    let (home, id) = catalog_in_use(options)?;
    Ok(home.catalog(id).key_path("publisher"))
}

async fn with_service(command: Command, session: &mut Session) -> Result<()> {
    match command {
        Command::Upload { file, unlock, .. } => upload(session, file, &unlock).await,
        Command::Download { image, out } => {
            let image = found(session, &image).await?;
            let package = download(session, &image).await?;
            write_file(&out, &package.to_bytes())?;
            package_file::show(&out, session.out)
        }
        Command::List { component } => {
            let call = Call::of(Operation::ImageList).query("component", component);
            let all: ImageList = session.ask(call).await?;
            let rows = all.items.iter().map(|image| {
                let Image { id, component, version, payload_size, created_s, .. } = image;
                let (made, size) = (moment(*created_s), payload_size.to_string());
                vec![short(component), version.clone(), short(id), size, made]
            });
            let header = ["component", "version", "id", "bytes", "uploaded"];
            session.out.list(&all, &header, rows.collect());
            Ok(())
        }
        Command::Show { image } => {
            let id = found(session, &image).await?.id;
            let image: Image = session.ask(Call::of(Operation::ImageShow).at(id)).await?;
            show(session, &image);
            Ok(())
        }
        // What needs no service was done before.
        Command::Pack(_) | Command::Sign { .. } | Command::Verify { .. } => Ok(()),
    }
}

async fn upload(session: &mut Session, file: Option<PathBuf>, unlock: &Unlock) -> Result<()> {
    let image = match &file {
        Some(file) => {
            let package = package_file::read(file)?;
            let (client, catalog) = session.client().await?;
            publish::upload_image(client, catalog, &package).await?
        }
        None => {
            let publisher = Publisher::open(session, None, unlock).await?;
            let (client, catalog) = session.client().await?;
            publish::publish_runtime(client, catalog, &publisher).await?
        }
    };
    show(session, &image);
    if let Some(file) = file {
        session.out.next(&[&format!("craton image-set create {}", file.display())]);
    }
    Ok(())
}

/// An image by its id, or the beginning of it.
async fn found(session: &mut Session, wanted: &str) -> Result<Image> {
    let all: ImageList = session.ask(Call::of(Operation::ImageList)).await?;
    let named = |image: &Image| (image.id.to_string(), None);
    Ok(pick(all.items, wanted, ("image", "image list"), named)?)
}

/// The package of an image, put together again from its blobs and checked.
async fn download(session: &mut Session, image: &Image) -> Result<Package> {
    let payload = session.fetch(Call::of(Operation::BlobFetch).at(image.payload)).await?;
    let envelope = session.fetch(Call::of(Operation::BlobFetch).at(image.envelope)).await?;
    Ok(Package::of(payload, envelope)?)
}

fn show(session: &Session, image: &Image) {
    let fields = [
        ("id", image.id.to_string()),
        ("component", image.component.to_string()),
        ("version", image.version.clone()),
        ("security version", image.security_version.to_string()),
        ("payload", format!("{} ({} bytes)", image.payload, image.payload_size)),
        ("envelope", format!("{} ({} bytes)", image.envelope, image.envelope_size)),
        ("uploaded", moment(image.created_s)),
    ];
    session.out.one(image, &fields);
}
