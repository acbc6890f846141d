//! `craton failure`: what went wrong on devices.

use crate::client::Call;
use crate::home::write_file;
use crate::operation::Operation;
use crate::output::{date, moment, short, short_or_dash};
use crate::session::{Options, Session, pick};
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use craton_api::operator::{
    DeviceId, Failure, FailureGroup, FailureGroupList, FailureList, Fingerprint,
};
use std::io::Write as _;
use std::path::PathBuf;

/// What is done with failures.
#[derive(Subcommand)]
pub enum Command {
    /// List failures, as devices reported them
    List {
        #[command(flatten)]
        which: Which,
    },
    /// List groups of failures that have the same cause
    Groups,
    /// Show a group and its stack
    Show {
        /// Its fingerprint, or the beginning of it
        group: String,
    },
    /// Write failures as CSV or JSON
    Export {
        #[command(flatten)]
        which: Which,
        /// The form
        #[arg(long, default_value = "csv")]
        format: Format,
        /// A file; otherwise standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Which failures.
#[derive(Args)]
pub struct Which {
    /// Only those of this group
    #[arg(long)]
    fingerprint: Option<Fingerprint>,
    /// Only those of this device
    #[arg(long)]
    device: Option<DeviceId>,
    /// Only those received since a date like 2031-12-31
    #[arg(long, value_name = "DATE", value_parser = date)]
    since: Option<u64>,
    /// How many, at most 10000
    #[arg(long)]
    limit: Option<u32>,
}

impl Which {
    fn call(&self) -> Call {
        Call::of(Operation::FailureList)
            .query("fingerprint", self.fingerprint)
            .query("device", self.device)
            .query("since_s", self.since)
            .query("limit", self.limit)
    }
}

/// How an export is written.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// RFC 4180, with a header line
    Csv,
    /// The API's own JSON
    Json,
}

/// Does it.
///
/// # Errors
/// The service's refusals; `FileNotWritten`, `NameUnknown`.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    match command {
        Command::List { which } => list(&mut session, &which).await,
        Command::Groups => groups(&mut session).await,
        Command::Show { group } => show(&mut session, &group).await,
        Command::Export { which, format, out } => {
            let format = match format {
                Format::Csv => "csv",
                Format::Json => "json",
            };
            let text = session.fetch(which.call().query("format", Some(format))).await?;
            match out {
                Some(file) => Ok(write_file(&file, &text)?),
                None => Ok(std::io::stdout().write_all(&text)?),
            }
        }
    }
}

async fn list(session: &mut Session, which: &Which) -> Result<()> {
    let all: FailureList = session.ask(which.call()).await?;
    let rows = all.items.iter().map(|failure| {
        let Failure { device, image, received_s, fingerprint, title, .. } = failure;
        let title = title.clone().unwrap_or_else(|| "not grouped yet".into());
        let group = short_or_dash(*fingerprint);
        vec![moment(*received_s), short(device), short_or_dash(*image), group, title]
    });
    session.out.list(&all, &["received", "device", "image", "group", "what"], rows.collect());
    Ok(())
}

async fn groups(session: &mut Session) -> Result<()> {
    let all: FailureGroupList = session.ask(Call::of(Operation::FailureGroups)).await?;
    let rows = all.items.iter().map(|group| {
        let FailureGroup { fingerprint, title, count, devices, last_s, .. } = group;
        let (count, devices) = (count.to_string(), devices.to_string());
        vec![moment(*last_s), short(fingerprint), count, devices, title.clone()]
    });
    session.out.list(&all, &["last", "group", "count", "devices", "what"], rows.collect());
    if let Some(group) = all.items.first() {
        session.out.next(&[&format!("craton failure show {}", short(group.fingerprint))]);
    }
    Ok(())
}

async fn show(session: &mut Session, wanted: &str) -> Result<()> {
    let all: FailureGroupList = session.ask(Call::of(Operation::FailureGroups)).await?;
    let named = |group: &FailureGroup| (group.fingerprint.to_string(), None);
    let found = pick(all.items, wanted, ("group of failures", "failure groups"), named)?;
    let call = Call::of(Operation::FailureGroup).at(found.fingerprint);
    let group: FailureGroup = session.ask(call).await?;
    let mut fields = vec![
        ("what", group.title.clone()),
        ("group", group.fingerprint.to_string()),
        ("kind", group.kind.clone()),
        ("count", format!("{}, devices: {}", group.count, group.devices)),
        ("first", moment(group.first_s)),
        ("last", moment(group.last_s)),
    ];
    let frames = group.frames.iter().enumerate();
    fields.extend(
        frames.map(|(place, frame)| (if place == 0 { "stack" } else { "" }, frame.clone())),
    );
    session.out.one(&group, &fields);
    Ok(())
}
