//! `craton image-set`: everything that a device runs together, and the two approvals it needs.

use crate::client::Call;
use crate::error::CliError;
use crate::home::write_file;
use crate::keys::{self, Unlock};
use crate::operation::Operation;
use crate::output::{moment, or_dash, short, word};
use crate::package_file;
use crate::publish::{self, Part};
use crate::session::{Options, Session, pick};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{
    Catalog, ImageSet, ImageSetId, ImageSetList, ImageSetSigned, ImageSetState, Purpose,
};
use craton_image::package::Package;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer as _;
use craton_trust::soft::Soft;
use craton_trust::store::Role;
use craton_trust::{Signed, set, signed};
use std::path::{Path, PathBuf};

/// What is done with image sets.
#[derive(Subcommand)]
pub enum Command {
    /// Upload signed packages and a set of them, signed by the publisher
    Create(Create),
    /// List the catalog's sets
    List,
    /// Show a set
    Show {
        /// Its name, its id, or the beginning of it
        set: String,
    },
    /// Approve a production set with the approver's key, and have it admitted
    Approve {
        /// Its name, its id, or the beginning of it
        set: String,
        /// The approver's key file; otherwise the catalog's
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Only approve: `image-set admit` comes later
        #[arg(long)]
        no_admit: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Write a set as it was signed into a file, for a device that no network brings it
    Download {
        /// Its name, its id, or the beginning of it
        set: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Have an approved set countersigned and logged
    Admit {
        /// Its name, its id, or the beginning of it
        set: String,
    },
}

/// How a set is made.
#[derive(clap::Args)]
pub struct Create {
    /// Signed packages, one of each component
    #[arg(required = true)]
    packages: Vec<PathBuf>,
    /// The package that devices have now: a delta is made from it
    #[arg(long, value_name = "PACKAGE")]
    before: Vec<PathBuf>,
    /// For groups marked for development: admitted at once. The default in a dev catalog
    #[arg(long, conflicts_with = "production")]
    development: bool,
    /// For every group, after a second approval. The default in any other catalog
    #[arg(long)]
    production: bool,
    /// The publisher's key file; otherwise the catalog's
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
}

/// Does it.
///
/// # Errors
/// The service's refusals, and those of files and keys.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    match command {
        Command::Create(with) => create(&mut session, &with).await,
        Command::List => list(&mut session).await,
        Command::Show { set } => {
            let id = found(&mut session, &set).await?.id;
            let set: ImageSet = session.ask(Call::of(Operation::SetShow).at(id)).await?;
            show(&session, &set);
            Ok(())
        }
        Command::Approve { set, key, no_admit, unlock } => {
            let set = found(&mut session, &set).await?;
            let approved = approve(&mut session, &set, key.as_deref(), &unlock).await?;
            if no_admit {
                show(&session, &approved);
                return Ok(());
            }
            admit(&mut session, set.id).await
        }
        Command::Download { set, out } => {
            let set = found(&mut session, &set).await?;
            let call = Call::of(Operation::SetSigned).at(set.id);
            let kept: ImageSetSigned = session.ask(call).await?;
            write_file(&out, &kept.signed.0)?;
            session.out.done(&format!("written: {}", out.display()));
            Ok(())
        }
        Command::Admit { set } => {
            let set = found(&mut session, &set).await?;
            admit(&mut session, set.id).await
        }
    }
}

async fn create(session: &mut Session, with: &Create) -> Result<()> {
    let packages = read_all(&with.packages)?;
    let before = read_all(&with.before)?;
    let parts = parts_of(&packages, &before, &with.before)?;
    let catalog: Catalog = session.ask(Call::of(Operation::CatalogShow)).await?;
    let development = with.development || (catalog.dev && !with.production);
    let purpose = if development { Purpose::Development } else { Purpose::Production };
    let folder = session.folder().await?;
    let path = with.key.clone().unwrap_or_else(|| folder.key_path("publisher"));
    let publisher = keys::read(&path, &with.unlock)?;
    let (client, id) = session.client().await?;
    let made = publish::publish_set(client, id, &parts, purpose, &publisher).await?;
    let (set, sizes) = made;
    show(session, &set);
    session.out.done(&match sizes.delta {
        Some(delta) => format!("travels   {delta} bytes as a delta, {} whole", sizes.whole),
        None => format!("travels   {} bytes", sizes.whole),
    });
    next(session, &set);
    Ok(())
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Package>> {
    paths.iter().map(|path| package_file::read(path)).collect()
}

/// Each package with the one that its delta is made from.
fn parts_of<'p>(
    packages: &'p [Package],
    before: &'p [Package],
    before_paths: &[PathBuf],
) -> Result<Vec<Part<'p>>> {
    let component = |package: &Package| package.image().map(|(_, image)| image.component);
    let mut parts: Vec<(craton_trust::ComponentId, Part<'p>)> = Vec::new();
    for package in packages {
        let id = component(package)?;
        if parts.iter().any(|(other, _)| *other == id) {
            return Err(CliError::ComponentTwice(crate::output::hex(&id.0)).into());
        }
        parts.push((id, Part { package, before: None }));
    }
    for (old, path) in before.iter().zip(before_paths) {
        let id = component(old)?;
        let part = parts.iter_mut().find(|(other, _)| *other == id);
        let (_, part) = part.ok_or_else(|| CliError::BeforeUnrelated(path.clone()))?;
        part.before = Some(old);
    }
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

/// Signs the approval over exactly the bytes that the publisher signed: they are verified first,
/// by the catalog's trust store and not by what the service says of them.
async fn approve(
    session: &mut Session,
    wanted: &ImageSet,
    key: Option<&Path>,
    unlock: &Unlock,
) -> Result<ImageSet> {
    let catalog = session.catalog().await?;
    let kept = session.owner_section().await?;
    let section = kept.section();
    let call = Call::of(Operation::SetSigned).at(wanted.id);
    let kept: ImageSetSigned = session.ask(call).await?;
    let object = Signed::parse(&kept.signed.0)?;
    let publisher = section.role(Role::Publisher);
    let believed = object.verify(&Soft, Kind::ImageSet, &[publisher], set::ImageSet::parse)?;
    if believed.catalog != craton_trust::CatalogId(catalog.0) {
        return Err(craton_trust::Error::OtherCatalog.into());
    }
    if ImageSetId(believed.digest().0) != wanted.id {
        return Err(CliError::AnswerUnexpected("the signed set".into()).into());
    }
    let folder = session.folder().await?;
    let path = key.map_or_else(|| folder.key_path("approver"), Path::to_owned);
    let approver = keys::read(&path, unlock)?;
    if !section.role(Role::Approver).contains(&approver.public_key()) {
        return Err(CliError::ApproverUnknown(path).into());
    }
    let mut room = vec![0u8; object.unchecked_payload().len() + 1024];
    let payload = object.unchecked_payload();
    let approval = signed::seal(&Soft, Kind::Approval, payload, &[&approver], &mut room)?;
    session.ask(Call::of(Operation::SetApprove).at(wanted.id).object(approval)).await
}

async fn admit(session: &mut Session, id: ImageSetId) -> Result<()> {
    let set: ImageSet = session.ask(Call::of(Operation::SetAdmit).at(id)).await?;
    show(session, &set);
    next(session, &set);
    Ok(())
}

/// A set by its name, its id, or the beginning of it.
///
/// # Errors
/// `NameUnknown`, `NameAmbiguous`.
pub async fn found(session: &mut Session, wanted: &str) -> Result<ImageSet> {
    let all: ImageSetList = session.ask(Call::of(Operation::SetList)).await?;
    let named = |set: &ImageSet| (set.id.to_string(), Some(set.name.clone()));
    Ok(pick(all.items, wanted, ("image set", "image-set list"), named)?)
}

async fn list(session: &mut Session) -> Result<()> {
    let all: ImageSetList = session.ask(Call::of(Operation::SetList)).await?;
    let rows = all.items.iter().map(|set| {
        let ImageSet { id, name, purpose, state, created_s, .. } = set;
        vec![name.clone(), word(purpose), word(state), short(id), moment(*created_s)]
    });
    session.out.list(&all, &["name", "purpose", "state", "id", "uploaded"], rows.collect());
    Ok(())
}

fn show(session: &Session, set: &ImageSet) {
    let images: Vec<String> = set.images.iter().map(ToString::to_string).collect();
    let fields = [
        ("name", set.name.clone()),
        ("id", set.id.to_string()),
        ("purpose", word(set.purpose)),
        ("state", word(set.state)),
        ("images", images.join(" ")),
        ("log leaf", or_dash(set.log_index)),
        ("uploaded", moment(set.created_s)),
    ];
    session.out.one(set, &fields);
}

fn next(session: &Session, set: &ImageSet) {
    let name = short(set.id);
    if set.state == ImageSetState::Admitted {
        session.out.next(&[&format!("craton deployment create PRODUCT/GROUP {name}")]);
    } else {
        session.out.next(&[&format!(
            "with the approver's key: craton image-set approve {name} --key FILE"
        )]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::suit::{Abis, Image, ImageType};
    use craton_trust::{ClassId, ComponentId, Digest};

    fn package(component: u8) -> Package {
        let image = Image {
            component: ComponentId([component; 16]),
            image_type: ImageType::Application,
            vendor: [2; 16],
            class: ClassId([3; 16]),
            sequence: 1,
            security_version: 1,
            name: "blink",
            version: "1.0.0",
            payload: Digest([0; 32]),
            payload_size: 0,
            verity: None,
            provides: Abis::new(&[]).unwrap(),
            depends: Abis::new(&[]).unwrap(),
            sbom: Digest([4; 32]),
            support_until: 0,
        };
        Package::sign(vec![6; 100], &image, &[&keys::generate().unwrap()]).unwrap()
    }

    #[test]
    fn a_set_takes_each_component_once_and_deltas_only_of_its_own() {
        let (one, two, again) = (package(1), package(2), package(1));
        let set = [one.clone(), two];
        let paths = [PathBuf::from("old")];
        let parts = parts_of(&set, std::slice::from_ref(&again), &paths).unwrap();
        assert!(parts[0].before.is_some() && parts[1].before.is_none());
        let twice = parts_of(&[one, again.clone()], &[], &[]).unwrap_err();
        assert!(matches!(twice.downcast().unwrap(), CliError::ComponentTwice(_)));
        let other = parts_of(&set[1..], &[again], &paths).unwrap_err();
        assert!(matches!(other.downcast().unwrap(), CliError::BeforeUnrelated(_)));
    }
}
