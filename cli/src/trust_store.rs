//! `craton trust-store`: the keys that devices believe, and how an owner replaces them.
//!
//! A successor is proposed without a signature, signed by as many root keys as the old root and its
//! own ask for, each where it is kept, and then submitted. Only proposing and submitting need the
//! service.

use crate::believed::Chain;
use crate::client::Call;
use crate::error::CliError;
use crate::home::{read_file, write_new_file};
use crate::keys::{self, AnyKey, Unlock};
use crate::operation::Operation;
use crate::output::{Output, short};
use crate::session::{Options, Session};
use crate::signer::AnySigner;
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_api::operator::{TrustStore, TrustStoreSection};
use craton_trust::Signed;
use craton_trust::key::KEY_ID_SIZE;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeys, RoleKeysBuilder, Section, SectionBuilder, SectionKind};
use signing::{own_signatures, roots, sign, told, unsigned};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod signing;

/// What is done with the trust store.
#[derive(Subcommand)]
pub enum Command {
    /// Show whose keys devices believe, role by role
    Show {
        /// Not what is in force, but what this successor says
        file: Option<PathBuf>,
    },
    /// Write the successor of a section, changed and not signed yet
    Propose(Propose),
    /// Add a root's signature to a successor; with --key it needs no service
    Sign {
        /// What `propose` wrote
        file: PathBuf,
        /// The root's key file, of either algorithm; otherwise the catalog's root key, and its
        /// root-lms key where the root is hybrid
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Bring a signed successor to the service; devices take it before their next check-in
    Submit {
        /// What `sign` wrote
        file: PathBuf,
    },
}

/// What the successor changes.
#[derive(clap::Args)]
pub struct Propose {
    /// Which half
    #[arg(long, value_enum, default_value = "owner")]
    section: Half,
    /// Give a role one more key: a key file, a .pub file, or its hexadecimal digits. A key of LMS
    /// makes the platform's root or publisher hybrid
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_and_text)]
    add: Vec<(Role, String)>,
    /// Take a key from a role; devices must run nothing that it alone signed
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_and_text)]
    remove: Vec<(Role, String)>,
    /// How many distinct keys of a role must sign
    #[arg(long, value_name = "ROLE=NUMBER", value_parser = role_and_number)]
    threshold: Vec<(Role, u8)>,
    /// The highest security version that is believed
    #[arg(long)]
    ceiling: Option<u64>,
    /// Where it goes; otherwise SECTION-VERSION.successor
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Half of a trust store.
#[derive(Clone, Copy, ValueEnum)]
pub enum Half {
    /// Root of trust and OS
    Platform,
    /// Apps, catalog and service
    Owner,
}

impl Half {
    const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Owner => "owner",
        }
    }
}

const ROLES: [(&str, Role); 10] = [
    ("root", Role::Root),
    ("publisher", Role::Publisher),
    ("catalog", Role::Catalog),
    ("online", Role::Online),
    ("service", Role::Service),
    ("log", Role::Log),
    ("witness", Role::Witness),
    ("manufacturer", Role::Manufacturer),
    ("approver", Role::Approver),
    ("recovery", Role::Recovery),
];

fn role_and_text(text: &str) -> Result<(Role, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as ROLE=VALUE")?;
    let role = ROLES.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = ROLES.iter().map(|(name, _)| *name).collect();
    let (_, role) = role.ok_or_else(|| format!("the roles are {}", names.join(", ")))?;
    Ok((*role, value.to_owned()))
}

fn role_and_number(text: &str) -> Result<(Role, u8), String> {
    let (role, number) = role_and_text(text)?;
    Ok((role, number.parse().map_err(|_| format!("{number} is no number of keys"))?))
}

/// Does it.
///
/// # Errors
/// The service's refusals, those of files and keys, and of the section that would come out.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    match command {
        Command::Show { file: None } => show(&mut Session::open(options).await?).await,
        Command::Show { file: Some(file) } => show_file(&file, Output::new(options.json)),
        Command::Propose(with) => propose(&mut Session::open(options).await?, &with).await,
        Command::Sign { file, key, unlock } => {
            let roots = match key {
                Some(key) => vec![AnySigner::open(&key, &unlock)?],
                None => roots(&mut Session::open(options).await?, &file, &unlock).await?,
            };
            sign(&file, &roots, Output::new(options.json))
        }
        Command::Submit { file } => submit(&mut Session::open(options).await?, &file).await,
    }
}

async fn show(session: &mut Session) -> Result<()> {
    let store: TrustStore = session.ask(Call::of(Operation::TrustStoreShow)).await?;
    let platform = newest(session, Half::Platform).await?;
    let owner = newest(session, Half::Owner).await?;
    let mut rows = rows(&platform.section());
    rows.extend(self::rows(&owner.section()));
    session.out.list(&store, HEADER, rows);
    // What another machine's is compared with.
    session.out.done(&format!("\n{}\n{}", platform.told(), owner.told()));
    Ok(())
}

const HEADER: &[&str] = &["section", "role", "threshold", "key", "ceiling"];

fn rows(section: &Section<'_>) -> Vec<Vec<String>> {
    let about = format!("{} {}", half(section), section.version);
    let mut rows = Vec::new();
    for (name, role) in ROLES {
        let keys = section.role(role);
        let of = |threshold: u8, count: usize| format!("{threshold} of {count}");
        let es256 = of(keys.threshold, keys.keys().len());
        let lms = of(keys.lms_threshold(), keys.lms_keys().len());
        let ids = keys.keys().map(|key| (es256.clone(), short(hex(&key.key_id(&Soft)))));
        let lms_id = |id: [u8; KEY_ID_SIZE]| format!("{} LMS", short(hex(&id)));
        let lms_ids = keys.lms_keys().map(|key| (lms.clone(), lms_id(key.key_id(&Soft))));
        for (of, id) in ids.chain(lms_ids) {
            let ceiling = section.ceiling.to_string();
            rows.push(vec![about.clone(), name.to_owned(), of, id, ceiling]);
        }
    }
    rows
}

/// What a person signs, as he should see it before.
fn show_file(file: &Path, out: Output) -> Result<()> {
    let bytes = read_file(file)?;
    let damaged = |_| CliError::SuccessorUnreadable(file.to_owned());
    let section = Section::parse(unsigned(&bytes).0).map_err(damaged)?;
    let rows = rows(&section);
    out.list(&rows, HEADER, rows.clone());
    told(out, file, &section, own_signatures(&bytes, &section));
    Ok(())
}

const fn half(section: &Section<'_>) -> &'static str {
    match section.kind {
        SectionKind::Platform => "platform",
        SectionKind::Owner => "owner",
    }
}

/// The newest version of a half. The owner's is believed because it descends from the catalog's id.
async fn newest(session: &mut Session, half: Half) -> Result<Arc<Chain>> {
    match half {
        Half::Owner => session.owner_section().await,
        Half::Platform => session.platform_section().await,
    }
}

async fn propose(session: &mut Session, with: &Propose) -> Result<()> {
    let chain = newest(session, with.section).await?;
    let old = SectionBuilder::from(&chain.section());
    let mut next = changed(&old, with)?;
    (next.version, next.genesis) = (old.version + 1, Some(chain.genesis()));
    let mut room = vec![0u8; SECTION_MAX];
    let payload = next.encode(&mut room)?;
    // Refuses what no device would take: a threshold above the keys, one key on both sides of an
    // approval (STORE-6).
    let proposed = Section::parse(payload)?;
    let name = format!("{}-{}.successor", with.section.name(), next.version);
    let file = with.out.clone().unwrap_or_else(|| PathBuf::from(name));
    // One of before may be signed: it would be lost, and the leaves that signed it.
    write_new_file(&file, payload)?;
    told(session.out, &file, &proposed, (0, 0));
    let sign = format!("craton trust-store sign {}", file.display());
    session.out.next(&[&sign, &format!("craton trust-store submit {}", file.display())]);
    Ok(())
}

/// The largest section, bytes: what a root of trust keeps.
const SECTION_MAX: usize = craton_rot::SECTION_MAX;

fn changed(old: &SectionBuilder, with: &Propose) -> Result<SectionBuilder> {
    let mut next = old.clone();
    for (role, key) in &with.remove {
        let key = named_in(next.role(*role), key)?;
        let old = next.role(*role);
        let mut kept = RoleKeysBuilder::new(old.threshold);
        let es256 = old.keys().filter(|it| AnyKey::Es256(*it) != key);
        { es256 }.try_for_each(|it| kept.push(it))?;
        let lms = old.lms_keys().filter(|it| AnyKey::Lms(*it) != key);
        { lms }.try_for_each(|it| kept.push_lms(it))?;
        if kept.role_keys().is_empty() {
            kept.threshold = 0;
        }
        next.set_role(*role, kept);
    }
    for (role, key) in &with.add {
        let mut keys = RoleKeysBuilder::from(next.role(*role));
        match keys::any_public_key(key)? {
            AnyKey::Es256(key) => keys.push(key)?,
            AnyKey::Lms(key) => keys.push_lms(key)?,
        }
        keys.threshold = keys.threshold.max(1);
        next.set_role(*role, keys);
    }
    for (role, threshold) in &with.threshold {
        let mut keys = RoleKeysBuilder::from(next.role(*role));
        keys.threshold = *threshold;
        next.set_role(*role, keys);
    }
    next.ceiling = with.ceiling.unwrap_or(next.ceiling);
    if next == *old { Err(CliError::ProposalEmpty.into()) } else { Ok(next) }
}

/// A key of a role, by the beginning of its id as `show` has it, or as [`keys::any_public_key`]
/// reads.
fn named_in(role: RoleKeys<'_>, named: &str) -> Result<AnyKey, CliError> {
    let es256 = role.keys().map(AnyKey::Es256);
    let all: Vec<AnyKey> = es256.chain(role.lms_keys().map(AnyKey::Lms)).collect();
    let by_id = |key: &&AnyKey| named.len() >= 4 && hex(&key.key_id()).starts_with(named);
    if let Some(key) = all.iter().find(by_id) {
        return Ok(*key);
    }
    let key = keys::any_public_key(named)?;
    if all.contains(&key) { Ok(key) } else { Err(CliError::KeyNotInRole(named.to_owned())) }
}

fn hex(bytes: &[u8]) -> String {
    crate::output::hex(bytes)
}

async fn submit(session: &mut Session, file: &Path) -> Result<()> {
    let bytes = read_file(file)?;
    let damaged = || CliError::SuccessorUnreadable(file.to_owned());
    let signed = Signed::parse(&bytes).map_err(|_| damaged())?;
    let section = Section::parse(signed.unchecked_payload()).map_err(|_| damaged())?;
    let call = Call::of(Operation::TrustStoreSucceed).at(half(&section)).object(&bytes);
    let taken: TrustStoreSection = session.ask(call).await?;
    let fields = [
        ("section", half(&section).to_owned()),
        ("version", taken.version.to_string()),
        ("digest", taken.digest.to_string()),
    ];
    session.out.one(&taken, &fields);
    session.out.next(&["devices take it before their next check-in"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use craton_trust::crypto::Signer as _;
    use craton_trust::key::LmsPublicKey;
    use craton_trust::lms;
    use craton_trust::soft::SoftKey;
    use craton_trust::store::accept_successor;

    fn with(change: impl FnOnce(&mut Propose)) -> Propose {
        let mut with = Propose {
            section: Half::Owner,
            add: Vec::new(),
            remove: Vec::new(),
            threshold: Vec::new(),
            ceiling: None,
            out: None,
        };
        change(&mut with);
        with
    }

    fn key_hex(key: &SoftKey) -> String {
        hex(&key.public_key().0)
    }

    fn old(root: &SoftKey, publisher: &SoftKey) -> SectionBuilder {
        let mut section = SectionBuilder::genesis(SectionKind::Owner, true, 10);
        section.set_role(Role::Root, RoleKeysBuilder::of(root.public_key()));
        section.set_role(Role::Publisher, RoleKeysBuilder::of(publisher.public_key()));
        section
    }

    #[test]
    fn a_proposal_adds_removes_and_raises_and_an_empty_one_is_proposal_empty() {
        let [root, publisher, next] = [(); 3].map(|()| generate().unwrap());
        let old = old(&root, &publisher);
        let none = changed(&old, &with(|_| {})).unwrap_err();
        assert!(matches!(none.downcast().unwrap(), CliError::ProposalEmpty));
        let both = changed(&old, &with(|it| it.add = vec![(Role::Publisher, key_hex(&next))]));
        let both = both.unwrap();
        assert_eq!(both.role(Role::Publisher).keys().len(), 2);
        let id = hex(&publisher.public_key().key_id(&Soft));
        let alone = with(|it| it.remove = vec![(Role::Publisher, id[..8].to_owned())]);
        let alone = changed(&both, &alone).unwrap();
        assert!(alone.role(Role::Publisher).keys().eq([next.public_key()]));
        let stranger = with(|it| it.remove = vec![(Role::Publisher, key_hex(&root))]);
        let refused = changed(&old, &stranger).unwrap_err();
        assert!(matches!(refused.downcast().unwrap(), CliError::KeyNotInRole(_)));
        let twice = with(|it| it.add = vec![(Role::Publisher, key_hex(&publisher))]);
        assert!(changed(&old, &twice).is_err());
        assert_eq!(changed(&old, &with(|it| it.ceiling = Some(11))).unwrap().ceiling, 11);
    }

    #[test]
    fn the_lms_keys_of_a_hybrid_role_are_shown_and_stay() {
        let [root, publisher, next] = [(); 3].map(|()| generate().unwrap());
        let lms = LmsPublicKey { id: [5; 16], root: [6; lms::ROOT_SIZE] };
        let lms_hex = hex(&lms.to_hss());
        let hybrid = |keys: &[&SoftKey]| {
            let mut role = RoleKeysBuilder::new(1);
            keys.iter().for_each(|key| role.push(key.public_key()).unwrap());
            role.push_lms(lms).unwrap();
            role
        };
        let mut old = SectionBuilder::genesis(SectionKind::Platform, true, 10);
        old.set_role(Role::Root, hybrid(&[&root]));
        old.set_role(Role::Publisher, hybrid(&[&publisher, &next]));
        let id = hex(&publisher.public_key().key_id(&Soft));
        let remove = with(|it| it.remove = vec![(Role::Publisher, id)]);
        let left = changed(&old, &remove).unwrap();
        assert_eq!(left.role(Role::Publisher), hybrid(&[&next]).role_keys());
        // By its id or as a whole the LMS key goes, and comes back.
        for named in [hex(&lms.key_id(&Soft))[..8].to_owned(), lms_hex.clone()] {
            let without = with(|it| it.remove = vec![(Role::Publisher, named)]);
            let without = changed(&old, &without).unwrap();
            assert_eq!(without.role(Role::Publisher).lms_keys().len(), 0);
            let again = with(|it| it.add = vec![(Role::Publisher, lms_hex.clone())]);
            assert_eq!(changed(&without, &again).unwrap(), old);
        }
        let mut room = vec![0; SECTION_MAX];
        let shown = rows(&Section::parse(left.encode(&mut room).unwrap()).unwrap());
        let lms = format!("{} LMS", short(hex(&lms.key_id(&Soft))));
        assert_eq!(shown.iter().filter(|row| row[3] == lms && row[2] == "1 of 1").count(), 2);
    }

    #[test]
    fn signatures_are_added_one_by_one_until_both_roots_are_met() {
        let folder = tempfile::tempdir().unwrap();
        let [root, publisher, next_root] = [(); 3].map(|()| generate().unwrap());
        let old = old(&root, &publisher);
        let mut payload = vec![0; SECTION_MAX];
        let genesis = {
            use craton_trust::crypto::Crypto as _;
            Soft.sha256(&[old.encode(&mut payload).unwrap()])
        };
        let mut next = old.clone();
        (next.version, next.genesis) = (2, Some(genesis));
        next.set_role(Role::Root, RoleKeysBuilder::of(next_root.public_key()));
        let file = folder.path().join("owner-2.successor");
        std::fs::write(&file, next.encode(&mut payload).unwrap()).unwrap();
        let (out, unlock) = (Output::new(true), Unlock::default());
        let accepted = || {
            let bytes = std::fs::read(&file).unwrap();
            let signed = Signed::parse(&bytes)?;
            let mut first = vec![0; SECTION_MAX];
            let first = Section::parse(old.encode(&mut first)?)?;
            accept_successor(&Soft, &first, genesis, &signed).map(|_| ())
        };
        assert!(accepted().is_err(), "a proposal is no successor");
        for (name, key) in [("one", &root), ("two", &next_root)] {
            let path = folder.path().join(name);
            keys::write(&path, key, None).unwrap();
            assert!(accepted().is_err());
            sign(&file, &[AnySigner::open(&path, &unlock).unwrap()], out).unwrap();
        }
        assert!(accepted().is_ok());
        let before = std::fs::read(&file).unwrap();
        let one = [AnySigner::open(&folder.path().join("one"), &unlock).unwrap()];
        assert!(sign(&file, &one, out).is_err(), "one key once");
        assert_eq!(std::fs::read(&file).unwrap(), before);
        std::fs::write(&file, b"something else").unwrap();
        let refused = sign(&file, &one, out).unwrap_err();
        assert!(matches!(refused.downcast().unwrap(), CliError::SuccessorUnreadable(_)));
    }
}
