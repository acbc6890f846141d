//! `craton symbols`: programs with debug information, so that crashes have names.

use crate::client::Call;
use crate::error::CliError;
use crate::home::read_file;
use crate::operation::Operation;
use crate::output::short;
use crate::session::{Options, Session};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{BuildId, Symbols, SymbolsList};
use object::Object as _;
use std::path::{Path, PathBuf};

/// What is done with symbols.
#[derive(Subcommand)]
pub enum Command {
    /// Upload an unstripped ELF file; its build id says which program it belongs to
    Upload {
        /// The file
        file: PathBuf,
    },
    /// List the symbols that the catalog has
    List,
}

/// Does it.
///
/// # Errors
/// `BuildIdMissing`, `FileUnreadable`, and the service's refusals.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    match command {
        Command::Upload { file } => {
            let elf = read_file(&file)?;
            let build_id = build_id(&file, &elf)?;
            let mut session = Session::open(options).await?;
            let call = Call::of(Operation::SymbolsPut).at(&build_id).octets(&elf);
            let symbols: Symbols = session.ask(call).await?;
            let fields = [
                ("build id", symbols.build_id.to_string()),
                ("sha256", symbols.sha256.to_string()),
                ("bytes", symbols.size.to_string()),
            ];
            session.out.one(&symbols, &fields);
        }
        Command::List => {
            let mut session = Session::open(options).await?;
            let all: SymbolsList = session.ask(Call::of(Operation::SymbolsList)).await?;
            let rows = all.items.iter().map(|symbols| {
                let Symbols { build_id, sha256, size } = symbols;
                vec![build_id.to_string(), short(sha256), size.to_string()]
            });
            session.out.list(&all, &["build id", "sha256", "bytes"], rows.collect());
        }
    }
    Ok(())
}

fn build_id(file: &Path, elf: &[u8]) -> Result<BuildId, CliError> {
    let note = object::File::parse(elf).ok();
    let note = note.as_ref().and_then(|file| file.build_id().ok().flatten());
    note.and_then(BuildId::from_bytes).ok_or_else(|| CliError::BuildIdMissing(file.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_build_id_is_build_id_missing() {
        for elf in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01"] {
            let refused = build_id(Path::new("app"), elf).unwrap_err();
            assert!(matches!(refused, CliError::BuildIdMissing(_)), "{refused}");
        }
    }
}
