//! `craton audit`: the transparency log, checked here and not by what the service says of it.
//!
//! `verify` is a witness's check: the checkpoint is signed by the log's key of the catalog's trust
//! store, continues the one remembered from last time, and covers every admitted set.

use crate::believed::{BelievedError, Chain};
use crate::client::Call;
use crate::error::CliError;
use crate::keys::Unlock;
use crate::memory::Memory;
use crate::operation::Operation;
use crate::output::{moment, short, word};
use crate::session::{Options, Session};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{
    Checkpoint, ConsistencyProof, Digest, ImageSet, ImageSetList, ImageSetState, InclusionProof,
    LogEntries,
};
use craton_trust::cose::Kind;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, Section};
use craton_trust::{Signed, merkle, signed};
use serde::Serialize;

/// What is done with the log.
#[derive(Subcommand)]
pub enum Command {
    /// Show the newest checkpoint
    Checkpoint,
    /// List leaves in order
    Leaves {
        /// The first leaf's place, from 0
        #[arg(long)]
        start: Option<u64>,
        /// How many, at most 1000
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Check that the log only grew since the last time, and holds every admitted set
    Verify {
        /// Also this leaf, by its RFC 6962 hash; several times for several
        #[arg(long, value_name = "HASH")]
        leaf: Vec<Digest>,
        /// Sign the checkpoint as this catalog's witness once it is verified
        #[arg(long)]
        cosign: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
}

/// What was found.
#[derive(Serialize)]
struct Verified {
    size: u64,
    root: Digest,
    /// The size remembered from last time; 0 the first time.
    size_before: u64,
    sets: u64,
    leaves: u64,
    cosigned: bool,
    witnessed: bool,
}

/// Does it.
///
/// # Errors
/// The service's refusals, `LogNotProven`, and those of signed objects.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    match command {
        Command::Checkpoint => {
            let checkpoint: Checkpoint = session.ask(Call::of(Operation::Checkpoint)).await?;
            show(&session, &checkpoint);
            Ok(())
        }
        Command::Leaves { start, limit } => {
            let call = Call::of(Operation::Leaves).query("start", start).query("limit", limit);
            let all: LogEntries = session.ask(call).await?;
            let rows = all.items.iter().map(|leaf| {
                // Numbers are sorted as numbers: the place is as wide as the widest.
                let place = format!("{:>8}", leaf.index);
                vec![place, leaf.kind.clone(), short(leaf.hash), moment(leaf.created_s)]
            });
            session.out.list(&all, &["place", "kind", "hash", "added"], rows.collect());
            Ok(())
        }
        Command::Verify { leaf, cosign, unlock } => {
            verify(&mut session, &leaf, cosign.then_some(&unlock)).await
        }
    }
}

async fn verify(session: &mut Session, leaves: &[Digest], cosign: Option<&Unlock>) -> Result<()> {
    let kept = session.owner_section().await?;
    let section = kept.section();
    let catalog = craton_trust::CatalogId(session.catalog().await?.0);
    let folder = session.folder().await?;
    let memory = Memory::of(&folder.checkpoint_path()).await?;
    let answer: Checkpoint = session.ask(Call::of(Operation::Checkpoint)).await?;
    let newest = believed(&section, catalog, &answer.signed.0)?;
    let before = remembered(&memory, &kept, &newest)?;
    let before = before.unwrap_or(merkle::Checkpoint { catalog, size: 0, root: newest.root });
    continues(session, &before, &newest).await?;
    let all: ImageSetList = session.ask(Call::of(Operation::SetList)).await?;
    let admitted = |set: &&ImageSet| set.state == ImageSetState::Admitted;
    let mut sets = 0;
    for set in all.items.iter().filter(admitted) {
        let leaf = merkle::leaf(&Soft, &merkle::image_set_entry(set.id.into()));
        included(session, &newest, leaf, &set.name).await?;
        sets += 1;
    }
    for leaf in leaves {
        included(session, &newest, (*leaf).into(), "the leaf").await?;
    }
    memory.remember(&answer.signed.0)?;
    let mut cosigned = answer.cosigned;
    if let Some(unlock) = cosign {
        let witness = folder.key("witness", unlock)?;
        let mut room = vec![0u8; answer.signed.0.len() + 256];
        let object =
            signed::countersign(&Soft, Kind::Checkpoint, &answer.signed.0, &witness, &mut room)?;
        let call = Call::of(Operation::Cosign).at(newest.size).object(object);
        cosigned = session.ask::<Checkpoint>(call).await?.cosigned;
    }
    let verified = Verified {
        size: newest.size,
        root: newest.root.into(),
        size_before: before.size,
        sets,
        leaves: leaves.len() as u64,
        cosigned,
        witnessed: !section.role(Role::Witness).is_empty(),
    };
    tell(session, &verified);
    Ok(())
}

/// A checkpoint that the catalog's log signed. Whether witnesses cosigned it is told beside: a
/// witness looks at what nobody has cosigned yet.
fn believed(
    section: &Section<'_>,
    catalog: craton_trust::CatalogId,
    object: &[u8],
) -> Result<merkle::Checkpoint> {
    let roles = [section.role(Role::Log)];
    let parse = merkle::Checkpoint::parse;
    let checkpoint = *Signed::parse(object)?.verify(&Soft, Kind::Checkpoint, &roles, parse)?;
    if checkpoint.catalog == catalog {
        Ok(checkpoint)
    } else {
        Err(craton_trust::Error::OtherCatalog.into())
    }
}

/// The checkpoint that was seen last. The log's key may be another one since.
///
/// # Errors
/// `FileUnreadable`; `MemoryDamaged` for what no key of the catalog's log signed.
fn remembered(
    memory: &Memory,
    owner: &Chain,
    newest: &merkle::Checkpoint,
) -> Result<Option<merkle::Checkpoint>, CliError> {
    let Some(kept) = memory.read()? else { return Ok(None) };
    let by_one = |version: &Vec<u8>| -> Result<merkle::Checkpoint> {
        let section = Section::parse(Signed::parse(version)?.unchecked_payload())?;
        believed(&section, newest.catalog, &kept)
    };
    let known = owner.versions().iter().rev().find_map(|version| by_one(version).ok());
    known.map(Some).ok_or_else(|| {
        let shown = format!("size {}, root {}", newest.size, newest.root);
        BelievedError::MemoryDamaged { path: memory.path().to_owned(), shown }.into()
    })
}

async fn continues(
    session: &mut Session,
    before: &merkle::Checkpoint,
    newest: &merkle::Checkpoint,
) -> Result<()> {
    let path = if (1..newest.size).contains(&before.size) {
        let call = Call::of(Operation::Consistency).query("from", Some(before.size));
        let call = call.query("to", Some(newest.size));
        session.ask::<ConsistencyProof>(call).await?.path
    } else {
        Vec::new()
    };
    grew(before, newest, &path)
}

fn grew(before: &merkle::Checkpoint, newest: &merkle::Checkpoint, path: &[Digest]) -> Result<()> {
    let path: Vec<craton_trust::Digest> = path.iter().map(|node| (*node).into()).collect();
    let (old, new) = ((before.size, before.root), (newest.size, newest.root));
    let why = "it is not the one remembered from last time, grown";
    merkle::consistency(&Soft, old, new, &path)
        .map_err(|error| anyhow::Error::from(error).context(CliError::LogNotProven(why.into())))
}

async fn included(
    session: &mut Session,
    newest: &merkle::Checkpoint,
    leaf: craton_trust::Digest,
    what: &str,
) -> Result<()> {
    let call = Call::of(Operation::Inclusion).query("leaf_hash", Some(leaf));
    let call = call.query("size", Some(newest.size));
    let proof: InclusionProof = session.ask(call).await?;
    holds(newest, leaf, &proof, what)
}

fn holds(
    newest: &merkle::Checkpoint,
    leaf: craton_trust::Digest,
    proof: &InclusionProof,
    what: &str,
) -> Result<()> {
    let path: Vec<craton_trust::Digest> = proof.path.iter().map(|node| (*node).into()).collect();
    let why = format!("{what} is not in it");
    merkle::inclusion(&Soft, leaf, proof.index, newest.size, &path, &newest.root)
        .map_err(|error| anyhow::Error::from(error).context(CliError::LogNotProven(why)))
}

fn show(session: &Session, checkpoint: &Checkpoint) {
    let fields = [
        ("log", checkpoint.origin.clone()),
        ("size", checkpoint.size.to_string()),
        ("root", checkpoint.root.to_string()),
        ("cosigned", word(checkpoint.cosigned)),
        ("signed at", moment(checkpoint.created_s)),
    ];
    session.out.one(checkpoint, &fields);
    session.out.next(&["craton audit verify"]);
}

fn tell(session: &Session, verified: &Verified) {
    let promise = match (verified.witnessed, verified.cosigned) {
        (false, _) => "tamper-evident: the trust store names no witness",
        (true, true) => "transparent: cosigned by its witnesses",
        (true, false) => "not cosigned yet: craton audit verify --cosign",
    };
    let fields = [
        ("size", verified.size.to_string()),
        ("root", verified.root.to_string()),
        ("grew from", verified.size_before.to_string()),
        ("sets in it", verified.sets.to_string()),
        ("leaves in it", verified.leaves.to_string()),
        ("log", promise.into()),
    ];
    session.out.one(verified, &fields);
    session.out.done("verified");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use craton_trust::crypto::Signer as _;
    use craton_trust::soft::SoftKey;
    use craton_trust::store::{KeptSection, RoleKeysBuilder, SectionBuilder, SectionKind};

    const CATALOG: craton_trust::CatalogId = craton_trust::CatalogId([7; 32]);

    fn refused(outcome: Result<()>) -> bool {
        let error = outcome.unwrap_err();
        matches!(error.downcast_ref(), Some(CliError::LogNotProven(_)))
    }

    #[test]
    fn a_log_that_shrank_or_forked_or_lacks_a_leaf_is_log_not_proven() {
        let leaf = |text: &[u8]| merkle::leaf(&Soft, text);
        let (one, two) = (leaf(b"one"), leaf(b"two"));
        let root = merkle::node(&Soft, &one, &two);
        let checkpoint = |size, root| merkle::Checkpoint { catalog: CATALOG, size, root };
        let (small, large) = (checkpoint(1, one), checkpoint(2, root));
        assert!(grew(&small, &large, &[two.into()]).is_ok());
        assert!(refused(grew(&large, &small, &[])), "shrank");
        assert!(refused(grew(&checkpoint(1, two), &large, &[two.into()])), "forked");
        let proof = |path: Vec<Digest>| InclusionProof {
            index: 0,
            size: 2,
            leaf_hash: one.into(),
            root: root.into(),
            path,
        };
        assert!(holds(&large, one, &proof(vec![two.into()]), "it").is_ok());
        assert!(refused(holds(&large, leaf(b"three"), &proof(vec![two.into()]), "it")));
        assert!(refused(holds(&large, one, &proof(Vec::new()), "it")));
    }

    #[test]
    fn a_remembered_checkpoint_counts_by_any_key_that_the_log_had_and_is_else_memory_damaged() {
        let [root, first, second, other] = [(); 4].map(|()| generate().unwrap());
        let seal = |kind, payload: &[u8], by: &SoftKey| {
            signed::seal(&Soft, kind, payload, &[by], &mut [0; 2048]).unwrap().to_vec()
        };
        let mut section = SectionBuilder::genesis(SectionKind::Owner, true, 9);
        section.set_role(Role::Root, RoleKeysBuilder::of(root.public_key()));
        section.set_role(Role::Log, RoleKeysBuilder::of(first.public_key()));
        let encoded = |section: &SectionBuilder| section.encode(&mut [0; 1024]).unwrap().to_vec();
        let mut versions = vec![seal(Kind::TrustStore, &encoded(&section), &root)];
        let genesis = Signed::parse(&versions[0]).unwrap().digest(&Soft);
        (section.version, section.genesis) = (2, Some(genesis));
        section.set_role(Role::Log, RoleKeysBuilder::of(second.public_key()));
        versions.push(seal(Kind::TrustStore, &encoded(&section), &root));
        let owner = Chain::follow(&Soft, versions).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let memory = crate::args::runtime().unwrap().block_on(Memory::of(&path)).unwrap();
        let root = craton_trust::Digest([1; 32]);
        let checkpoint = merkle::Checkpoint { catalog: CATALOG, size: 5, root };
        let read = || remembered(&memory, &owner, &checkpoint);
        assert!(matches!(read(), Ok(None)));
        let payload = checkpoint.encode(&mut [0; 128]).unwrap().to_vec();
        for log in [&first, &second] {
            std::fs::write(&path, seal(Kind::Checkpoint, &payload, log)).unwrap();
            assert_eq!(read().unwrap().unwrap().size, 5);
        }
        let forged = seal(Kind::Checkpoint, &payload, &other);
        for damaged in [&forged[..], &payload, b""] {
            std::fs::write(&path, damaged).unwrap();
            let refused = read().unwrap_err().to_string();
            let shown = format!("E6128: {} is damaged", path.display());
            assert!(refused.starts_with(&shown) && refused.contains(&root.to_string()));
        }
    }

    #[test]
    fn a_checkpoint_of_another_log_key_or_catalog_is_not_believed() {
        let (log, other) = (generate().unwrap(), generate().unwrap());
        let mut section = SectionBuilder::genesis(SectionKind::Owner, true, 9);
        section.set_role(Role::Root, RoleKeysBuilder::of(generate().unwrap().public_key()));
        section.set_role(Role::Log, RoleKeysBuilder::of(log.public_key()));
        let section = section.encode(&mut [0; 1024]).unwrap().to_vec();
        let section = KeptSection::parse(section).unwrap();
        let section = section.section();
        let signed_by = |key: &dyn craton_trust::crypto::Signer, catalog| {
            let root = craton_trust::Digest([1; 32]);
            let (mut payload, mut object) = ([0; 128], [0; 256]);
            let checkpoint = merkle::Checkpoint { catalog, size: 1, root };
            let payload = checkpoint.encode(&mut payload).unwrap();
            signed::seal(&Soft, Kind::Checkpoint, payload, &[key], &mut object).unwrap().to_vec()
        };
        assert!(believed(&section, CATALOG, &signed_by(&log, CATALOG)).is_ok());
        assert!(believed(&section, CATALOG, &signed_by(&other, CATALOG)).is_err());
        let elsewhere = craton_trust::CatalogId([8; 32]);
        assert!(believed(&section, CATALOG, &signed_by(&log, elsewhere)).is_err());
    }
}
