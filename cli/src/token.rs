//! `craton token`: who else may use the catalog.

use crate::client::Call;
use crate::home::write_new_secret;
use crate::operation::Operation;
use crate::output::{moment, or_dash, short, word};
use crate::session::{Options, Session, pick};
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_api::operator::{Role, TokenCreate, TokenCreated, TokenInfo, TokenList};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What is done with tokens.
#[derive(Subcommand)]
pub enum Command {
    /// Show the token of this profile
    Show,
    /// List the catalog's tokens
    List,
    /// Make a token for this catalog; its secret goes into a file
    Create {
        /// Who or what will use it
        name: String,
        /// What it may do
        #[arg(long)]
        role: Grade,
        /// The new file that its secret goes into
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take a token back
    Revoke {
        /// Its name or id
        token: String,
    },
}

/// A role, weakest first.
#[derive(Clone, Copy, ValueEnum)]
pub enum Grade {
    /// Looks
    Reader,
    /// Also uploads
    Publisher,
    /// Also manages, approves and deploys
    Contributor,
    /// Also manages tokens and the trust store
    Owner,
}

impl From<Grade> for Role {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Reader => Self::Reader,
            Grade::Publisher => Self::Publisher,
            Grade::Contributor => Self::Contributor,
            Grade::Owner => Self::Owner,
        }
    }
}

/// Does it.
///
/// # Errors
/// The service's refusals; `FileExists`, `FileNotWritten`, `NameUnknown`.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    match command {
        Command::Show => {
            let info: TokenInfo = session.ask(Call::of(Operation::TokenShow)).await?;
            show(&session, &info);
        }
        Command::List => {
            let all: TokenList = session.ask(Call::of(Operation::TokenList)).await?;
            let rows = all.items.iter().map(|token| {
                let TokenInfo { id, name, role, created_s, .. } = token;
                vec![name.clone(), word(role), short(id), moment(*created_s)]
            });
            session.out.list(&all, &["name", "role", "id", "made"], rows.collect());
        }
        Command::Create { name, role, out } => create(&mut session, name, role, out).await?,
        Command::Revoke { token } => {
            let all: TokenList = session.ask(Call::of(Operation::TokenList)).await?;
            let found = pick(all.items, &token, ("token", "token list"), |token| {
                (token.id.to_string(), Some(token.name.clone()))
            })?;
            session.fetch(Call::of(Operation::TokenRevoke).at(found.id)).await?;
            session.out.done(&format!("{} is taken back", found.name));
        }
    }
    Ok(())
}

async fn create(session: &mut Session, name: String, role: Grade, out: PathBuf) -> Result<()> {
    // The file is made first: a token whose secret nobody has would only be in the way.
    write_new_secret(&out, b"")?;
    let call = Call::of(Operation::TokenCreate).json(&TokenCreate { name, role: role.into() })?;
    let made: Result<TokenCreated> = session.ask(call).await;
    let made = made.inspect_err(|_| {
        let _ = std::fs::remove_file(&out);
    })?;
    let secret = Zeroizing::new(made.secret);
    crate::home::write_secret(&out, secret.as_bytes())?;
    show(session, &made.info);
    let service = &session.profile.service;
    let login = format!(
        "on the other machine: craton login --service {service} --service-key FINGERPRINT \
         --token-file {}",
        out.display()
    );
    session.out.next(&[&login]);
    Ok(())
}

fn show(session: &Session, info: &TokenInfo) {
    let fields = [
        ("name", info.name.clone()),
        ("role", word(info.role)),
        ("id", info.id.to_string()),
        ("catalog", info.catalog.map_or_else(|| "every".into(), |id| id.to_string())),
        ("made", or_dash(Some(moment(info.created_s)))),
    ];
    session.out.one(info, &fields);
}
