//! `craton delta`: hints how to make one payload from another, which nobody believes.

use crate::client::Call;
use crate::operation::Operation;
use crate::output::short;
use crate::package_file;
use crate::publish;
use crate::session::{Options, Session};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{Delta, DeltaList};
use craton_image::delta;
use craton_image::package::sha256;
use std::path::PathBuf;

/// What is done with deltas.
#[derive(Subcommand)]
pub enum Command {
    /// Make the delta between two packages and upload it
    Create {
        /// The package that devices have
        from: PathBuf,
        /// The package that they are to have
        to: PathBuf,
    },
    /// List the catalog's deltas
    List,
}

/// Does it.
///
/// # Errors
/// The service's refusals, and those of the files.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    match command {
        Command::Create { from, to } => {
            let (from, to) = (package_file::read(&from)?, package_file::read(&to)?);
            let bytes = delta::make(from.payload(), to.payload())?;
            let (client, catalog) = session.client().await?;
            let blob = publish::put_blob(client, catalog, &bytes).await?;
            let delta = Delta {
                from_payload: sha256(from.payload()).into(),
                to_payload: sha256(to.payload()).into(),
                blob: blob.sha256,
                size: blob.size,
            };
            let delta: Delta = session.ask(Call::of(Operation::DeltaPut).json(&delta)?).await?;
            let fields = [
                ("from", delta.from_payload.to_string()),
                ("to", delta.to_payload.to_string()),
                ("delta", format!("{} ({} bytes)", delta.blob, delta.size)),
                ("whole", format!("{} bytes, uncompressed", to.payload().len())),
            ];
            session.out.one(&delta, &fields);
        }
        Command::List => {
            let all: DeltaList = session.ask(Call::of(Operation::DeltaList)).await?;
            let rows = all.items.iter().map(|delta| {
                let Delta { from_payload, to_payload, blob, size } = delta;
                vec![short(from_payload), short(to_payload), short(blob), size.to_string()]
            });
            session.out.list(&all, &["from", "to", "delta", "bytes"], rows.collect());
        }
    }
    Ok(())
}
