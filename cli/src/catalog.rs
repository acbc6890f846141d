//! `craton catalog`: an owner's whole space, and the keys that are its root.

use crate::client::Call;
use crate::error::CliError;
use crate::keys::{self, Unlock};
use crate::operation::Operation;
use crate::output::{moment, short};
use crate::owner::{self, Plan};
use crate::session::{Options, Session};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{Catalog, CatalogList};
use std::path::PathBuf;

/// What is done with catalogs.
#[derive(Subcommand)]
pub enum Command {
    /// Make a catalog: its root is 2 of 3 keys, or with --dev one key of this machine
    Create(Create),
    /// List the catalogs that the token may see
    List,
    /// Show a catalog
    Show {
        /// Its name or id; otherwise the one in use
        name: Option<String>,
    },
    /// Choose the catalog that later commands are about
    Use {
        /// Its name or id
        name: String,
    },
}

/// How a catalog is made.
#[derive(clap::Args)]
pub struct Create {
    /// Its name: 1 to 50 of A-Z a-z 0-9 _ -
    name: String,
    /// Every key in the clear on this machine; devices that are `DeviceComplete` refuse it
    #[arg(long, conflicts_with_all = ["recovery_key", "approver", "approver_key"])]
    dev: bool,
    /// Where one of the two recovery keys goes: twice, in places that are then kept apart
    #[arg(long, value_name = "PATH")]
    recovery_key: Vec<PathBuf>,
    /// A second person's public key, in hexadecimal or as a file: it approves production sets
    #[arg(long, value_name = "PUBLIC-KEY")]
    approver: Option<String>,
    /// Or: where a new approver's key goes, for a second person to take away
    #[arg(long, value_name = "PATH", conflicts_with = "approver")]
    approver_key: Option<PathBuf>,
    /// A file with the passphrase of the new approver's key; without one it is asked for
    #[arg(long, value_name = "FILE")]
    approver_passphrase_file: Option<PathBuf>,
    /// The public key of a publisher on another machine; otherwise one is made here
    #[arg(long, value_name = "PUBLIC-KEY")]
    publisher: Option<String>,
    /// Witness the log from this machine: devices then want this machine's cosignature, too
    #[arg(long)]
    witness: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// Does it.
///
/// # Errors
/// The service's refusals, and those of [`owner::create`].
pub async fn run(command: Command, options: &Options) -> Result<()> {
    match command {
        Command::Create(with) => {
            let plan = planned(&with)?;
            create(&mut Session::open(options).await?, &with.name, &plan).await
        }
        Command::List => list(&mut Session::open(options).await?).await,
        Command::Show { name } => {
            let mut session = Session::open(options).await?;
            let catalog = match name {
                Some(name) => session.catalog_named(&name).await?,
                None => session.ask(Call::of(Operation::CatalogShow)).await?,
            };
            show(&session, &catalog);
            Ok(())
        }
        Command::Use { name } => choose(&mut Session::open(options).await?, &name).await,
    }
}

/// Reads passphrases and public keys, before anything is made.
fn planned(with: &Create) -> Result<Plan> {
    let public = |named: &Option<String>| named.as_deref().map(keys::public_key).transpose();
    let common = Plan { publisher: public(&with.publisher)?, witness: with.witness, ..Plan::dev() };
    if with.dev {
        return Ok(common);
    }
    let [one, other] = with.recovery_key.as_slice() else {
        return Err(CliError::RecoveryKeysMissing.into());
    };
    if one == other {
        return Err(CliError::RecoveryKeysMissing.into());
    }
    let approver = public(&with.approver)?;
    if approver.is_some() && approver == common.publisher {
        return Err(CliError::ApproverNotIndependent.into());
    }
    if approver.is_none() && with.approver_key.is_none() {
        return Err(CliError::ApproverMissing.into());
    }
    for path in with.recovery_key.iter().chain(&with.approver_key) {
        if path.exists() {
            return Err(CliError::FileExists(path.clone()).into());
        }
    }
    let passphrase = with.unlock.new_passphrase("the keys of this machine")?;
    let approver_key = match &with.approver_key {
        None => None,
        Some(path) => {
            let file = with.approver_passphrase_file.clone();
            let unlock = file.map_or_else(Unlock::default, Unlock::by_file);
            Some((path.clone(), Some(unlock.new_passphrase("the approver's key")?)))
        }
    };
    let (recovery, passphrase) = (with.recovery_key.clone(), Some(passphrase));
    Ok(Plan { dev: false, recovery, approver, approver_key, passphrase, ..common })
}

async fn create(session: &mut Session, name: &str, plan: &Plan) -> Result<()> {
    let home = session.home.clone();
    let made = owner::create(session.connection(), &home, name, plan).await?;
    session.profile.catalog = Some(made.catalog.id.to_string());
    home.write_profile(&session.profile)?;
    show(session, &made.catalog);
    session.out.done(&format!("keys     {}", made.folder.0.display()));
    if let [one, other] = plan.recovery.as_slice() {
        session.out.done(&format!(
            "\nRecovery keys: {} and {}.\nMove each to a place of its own, neither of them this \
             machine. Two of the three root keys\nreplace a lost or stolen one; with two of them \
             gone, nobody can.",
            one.display(),
            other.display()
        ));
    }
    if let Some((path, _)) = &plan.approver_key {
        session.out.done(&format!(
            "Approver's key: {}. Give it to a second person; it must not stay on this machine.",
            path.display()
        ));
    }
    session.out.next(&["craton product create NAME"]);
    Ok(())
}

async fn list(session: &mut Session) -> Result<()> {
    let all: CatalogList = session.ask(Call::of(Operation::CatalogList)).await?;
    let used = session.profile.catalog.clone();
    let rows = all.items.iter().map(|catalog| {
        let id = catalog.id.to_string();
        let mark = if used.as_deref() == Some(&id) { "in use" } else { "" };
        let root = if catalog.dev { "dev" } else { "production" };
        let (name, devices) = (catalog.name.clone(), catalog.devices.to_string());
        vec![name, short(&id), root.into(), devices, moment(catalog.created_s), mark.into()]
    });
    session.out.list(&all, &["name", "id", "root", "devices", "made", ""], rows.collect());
    Ok(())
}

async fn choose(session: &mut Session, name: &str) -> Result<()> {
    let catalog = session.catalog_named(name).await?;
    session.profile.catalog = Some(catalog.id.to_string());
    let home = session.home.clone();
    session.forget_override();
    // Before it is chosen: a trust store that does not descend from this id is refused.
    session.owner_section().await?;
    home.write_profile(&session.profile)?;
    show(session, &catalog);
    session.out.next(&["craton product list"]);
    Ok(())
}

fn show(session: &Session, catalog: &Catalog) {
    let root = if catalog.dev { "dev: one key on one machine" } else { "production" };
    let fields = [
        ("name", catalog.name.clone()),
        ("id", catalog.id.to_string()),
        ("root", root.into()),
        ("devices", catalog.devices.to_string()),
        ("made", moment(catalog.created_s)),
    ];
    session.out.one(catalog, &fields);
}
