//! `craton service`: what a service says of itself.

use crate::client::Call;
use crate::operation::Operation;
use crate::output::{bytes, hex};
use crate::session::{Options, Session};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::ServiceInfo;
use std::io::Write as _;

/// What is asked of a service.
#[derive(Subcommand)]
pub enum Command {
    /// Its version and keys
    Show,
    /// Whether it answers and its database reads
    Health,
    /// Its counters, as Prometheus text
    Metrics,
    /// The OpenAPI document that it serves
    Openapi,
}

/// Does it.
///
/// # Errors
/// The service's refusals.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    let operation = match command {
        Command::Show => return show(&mut session).await,
        Command::Health => Operation::ServiceHealth,
        Command::Metrics => Operation::ServiceMetrics,
        Command::Openapi => Operation::ServiceDocument,
    };
    let text = session.fetch(Call::of(operation)).await?;
    std::io::stdout().write_all(&text)?;
    Ok(())
}

async fn show(session: &mut Session) -> Result<()> {
    let info: ServiceInfo = session.ask(Call::of(Operation::ServiceShow)).await?;
    let mut fields = vec![("version", info.version.clone()), ("tls key", bytes(&info.tls_key))];
    for key in &info.keys {
        fields.push((&key.role, hex(&key.key.0)));
    }
    session.out.one(&info, &fields);
    Ok(())
}
