//! `craton product`: what a maker sells.

use crate::client::Call;
use crate::operation::Operation;
use crate::output::{moment, word};
use crate::session::{Options, Session};
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_api::operator::{Product, ProductCreate, ProductList, RotClass};

/// What is done with products.
#[derive(Subcommand)]
pub enum Command {
    /// Make a product and its device groups Development, FieldTest and Production
    Create {
        /// Its name: 1 to 50 of A-Z a-z 0-9 _ -
        name: String,
        /// What it is, for people
        #[arg(long, default_value = "")]
        description: String,
        /// The weakest root of trust that its groups accept
        #[arg(long, default_value = "software")]
        least_class: Class,
        /// Without the three usual groups
        #[arg(long)]
        no_groups: bool,
    },
    /// List the products
    List,
    /// Show a product
    Show {
        /// Its name
        name: String,
    },
    /// Remove a product that has no device and no deployment
    Delete {
        /// Its name
        name: String,
    },
}

/// The class of a root of trust, weakest first.
#[derive(Clone, Copy, ValueEnum)]
pub enum Class {
    /// A process of the host
    Software,
    /// Firmware behind a mailbox
    Firmware,
    /// A TPM 2.0
    Tpm,
    /// A chip of its own
    Silicon,
}

impl From<Class> for RotClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Software => Self::Software,
            Class::Firmware => Self::Firmware,
            Class::Tpm => Self::Tpm,
            Class::Silicon => Self::Silicon,
        }
    }
}

/// Does it.
///
/// # Errors
/// The service's refusals.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    match command {
        Command::Create { name, description, least_class, no_groups } => {
            let least_class = least_class.into();
            let body = ProductCreate { name, description, least_class, default_groups: !no_groups };
            let call = Call::of(Operation::ProductCreate).json(&body)?;
            let made: Product = session.ask(call).await?;
            show(&session, &made);
            let list = format!("craton device-group list {}", made.name);
            session.out.next(&[&list, "craton device manufacture NAME   a virtual device"]);
        }
        Command::List => {
            let all: ProductList = session.ask(Call::of(Operation::ProductList)).await?;
            let rows = all.items.iter().map(|product| {
                let Product { name, description, least_class, created_s } = product;
                vec![name.clone(), word(least_class), moment(*created_s), description.clone()]
            });
            let header = ["name", "least class", "made", "description"];
            session.out.list(&all, &header, rows.collect());
        }
        Command::Show { name } => {
            let product: Product = session.ask(Call::of(Operation::ProductShow).at(&name)).await?;
            show(&session, &product);
        }
        Command::Delete { name } => {
            session.fetch(Call::of(Operation::ProductDelete).at(&name)).await?;
            session.out.done(&format!("{name} is gone"));
        }
    }
    Ok(())
}

fn show(session: &Session, product: &Product) {
    let fields = [
        ("name", product.name.clone()),
        ("description", product.description.clone()),
        ("least class", word(product.least_class)),
        ("made", moment(product.created_s)),
    ];
    session.out.one(product, &fields);
}
