//! `craton device-group`: the devices that one deployment addresses, named `PRODUCT/GROUP`.

use crate::client::Call;
use crate::operation::Operation;
use crate::output::{moment, or_dash, short_or_dash, word};
use crate::session::{Options, Session};
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_api::operator::{
    DeviceGroup, DeviceGroupChange, DeviceGroupCreate, DeviceGroupList, UpdatePolicy,
};

/// What is done with device groups.
#[derive(Subcommand)]
pub enum Command {
    /// Make a group
    Create {
        /// PRODUCT/GROUP
        #[arg(value_parser = split)]
        group: Names,
        /// What it is, for people
        #[arg(long, default_value = "")]
        description: String,
        /// Development sets may be deployed to it
        #[arg(long)]
        development: bool,
        /// What its devices take by themselves
        #[arg(long, default_value = "update-all")]
        update_policy: Takes,
    },
    /// List a product's groups
    List {
        /// The product
        product: String,
    },
    /// Show a group
    Show {
        /// PRODUCT/GROUP
        #[arg(value_parser = split)]
        group: Names,
    },
    /// Change a group; what is not said stays
    Change {
        /// PRODUCT/GROUP
        #[arg(value_parser = split)]
        group: Names,
        /// What it is, for people
        #[arg(long)]
        description: Option<String>,
        /// What its devices take by themselves
        #[arg(long)]
        update_policy: Option<Takes>,
    },
    /// Remove a group that has no device
    Delete {
        /// PRODUCT/GROUP
        #[arg(value_parser = split)]
        group: Names,
    },
}

/// A product's name and a group's.
#[derive(Clone)]
pub struct Names(String, String);

fn split(text: &str) -> Result<Names, String> {
    let names = text.split_once('/').filter(|(product, group)| {
        !product.is_empty() && !group.is_empty() && !group.contains('/')
    });
    let names = names.map(|(product, group)| Names(product.to_owned(), group.to_owned()));
    names.ok_or_else(|| "a group is named PRODUCT/GROUP, such as Lamp/Development".to_owned())
}

/// What a group's devices take by themselves.
#[derive(Clone, Copy, ValueEnum)]
pub enum Takes {
    /// Whatever is deployed
    UpdateAll,
    /// No applications
    NoAppUpdates,
}

impl From<Takes> for UpdatePolicy {
    fn from(takes: Takes) -> Self {
        match takes {
            Takes::UpdateAll => Self::UpdateAll,
            Takes::NoAppUpdates => Self::NoAppUpdates,
        }
    }
}

/// Does it.
///
/// # Errors
/// The service's refusals.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    let call = match command {
        Command::List { product } => return list(&mut session, &product).await,
        Command::Delete { group } => {
            session.fetch(at(Operation::GroupDelete, &group)).await?;
            session.out.done(&format!("{}/{} is gone", group.0, group.1));
            return Ok(());
        }
        Command::Create { group, description, development, update_policy } => {
            let (name, update_policy) = (group.1, update_policy.into());
            let body = DeviceGroupCreate { name, description, development, update_policy };
            Call::of(Operation::GroupCreate).at(&group.0).json(&body)?
        }
        Command::Show { group } => at(Operation::GroupShow, &group),
        Command::Change { group, description, update_policy } => {
            let update_policy = update_policy.map(UpdatePolicy::from);
            let change = DeviceGroupChange { description, update_policy };
            at(Operation::GroupChange, &group).json(&change)?
        }
    };
    let group: DeviceGroup = session.ask(call).await?;
    show(&session, &group);
    Ok(())
}

fn at(operation: Operation, group: &Names) -> Call {
    Call::of(operation).at(&group.0).at(&group.1)
}

async fn list(session: &mut Session, product: &str) -> Result<()> {
    let all: DeviceGroupList = session.ask(Call::of(Operation::GroupList).at(product)).await?;
    let rows = all.items.iter().map(|group| {
        let takes = if group.development { "development" } else { "production" };
        let policy = word(group.update_policy);
        let (devices, set) = (group.devices.to_string(), short_or_dash(group.image_set));
        vec![group.path.clone(), takes.into(), policy, devices, set]
    });
    let header = ["group", "takes sets for", "update policy", "devices", "image set"];
    session.out.list(&all, &header, rows.collect());
    Ok(())
}

fn show(session: &Session, group: &DeviceGroup) {
    let takes = if group.development { "development" } else { "production" };
    let fields = [
        ("group", group.path.clone()),
        ("description", group.description.clone()),
        ("takes sets for", takes.into()),
        ("least class", word(group.least_class)),
        ("update policy", word(group.update_policy)),
        ("devices", group.devices.to_string()),
        ("image set", or_dash(group.image_set)),
        ("made", moment(group.created_s)),
    ];
    session.out.one(group, &fields);
}
