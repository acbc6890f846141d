//! The update role: fetches an assigned set, verifies it, and stages it.
//!
//! It sees untrusted bytes and the network, and has no access to the root of trust. What it leaves
//! behind is a set's folder, complete or absent; whether it ever runs is the monitor's to decide,
//! who verifies it again.

mod error;
mod fetch;
mod payload;
mod stage;
#[cfg(test)]
mod tests;

pub use error::UpdateError;
pub use fetch::fetch;
pub use payload::Base;
pub use stage::Staged;

use crate::believed::Believed;
use crate::installed::set_folder;
use crate::ipc::{Refusal, serve};
use crate::link::{self, Link, Peer};
use crate::roles::UpdateQuestion;
use craton_trust::SetId;
use std::path::Path;

/// The role's main. It answers a fetch with the staged set's id.
pub fn main(device: &Path) {
    serve(|question: UpdateQuestion| {
        answer(device, question)
            .map_err(|error| Refusal { fault: error.fault(), ..Refusal::new(error.code(), error) })
    });
}

fn answer(device: &Path, question: UpdateQuestion) -> Result<[u8; 32], UpdateError> {
    let UpdateQuestion::Fetch { believed, set, peer, credential, installed } = question;
    let believed = Believed::from_bytes(&believed)?;
    let bases: Vec<Base> = installed.iter().flat_map(|set| bases(device, SetId(*set))).collect();
    let (peer, credential): (Peer, _) = (peer.into(), credential.into());
    link::runtime()?.block_on(async {
        let mut link = Link::connect(&peer, Some(&credential)).await?;
        let staged = fetch(&mut link, device, SetId(set), &believed, &bases).await?;
        Ok(staged.set().0)
    })
}

/// The payloads of an installed set, by the digest that they have now.
fn bases(device: &Path, set: SetId) -> Vec<Base> {
    let folder = set_folder(device, set);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Base::of(entry.path().join("payload"))).collect()
}
