use craton_api::operator::{
    Catalog, Checkpoint, ConsistencyProof, Digest, InclusionProof, LogEntries,
};
use craton_trust::cose::Kind;
use craton_trust::set::Purpose;
use craton_trust::store::{Role, SectionKind};
use craton_trust::{SetId, Signed, merkle, signed};

use crate::app::log::logged_proof;
use crate::crypto::AwsLc;
use crate::store::StoreError;
use crate::testing::*;

fn path_of(path: &[Digest]) -> Vec<craton_trust::Digest> {
    path.iter().map(|digest| (*digest).into()).collect()
}

#[tokio::test]
async fn what_is_admitted_is_proved_to_be_logged_as_a_device_checks_it() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let set = bench.set(id, "1.0", Purpose::Development).await;
    bench.set(id, "2.0", Purpose::Development).await;
    let owner = owner_section(true);
    let section = crate::catalog::section_of(&owner).unwrap();
    let proof = bench.app.store.read(|db| logged_proof(db, id, 2, false)).unwrap().unwrap();
    let path = path_of(&proof.path);
    let target =
        craton_trust::assignment::Target::new(SetId(set.0), proof.index, &proof.checkpoint, &path)
            .unwrap();
    let size = target.verify_logged(&AwsLc, &section.section(), id.into(), 0);
    assert_eq!(size, Ok(4));
    let early = bench.app.store.read(|db| logged_proof(db, id, 4, false)).unwrap();
    assert!(early.is_none(), "no checkpoint covers what is not logged");
}

#[tokio::test]
async fn entries_inclusion_and_consistency_agree_with_the_checkpoint() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    for seed in 20..30 {
        bench.device(id, seed, "meter/Production").await;
    }
    let audit = format!("/v1/catalogs/{id}/audit");
    let newest: Checkpoint = bench.get(&format!("{audit}/checkpoint")).await.json();
    assert_eq!((newest.size, newest.cosigned), (12, false));
    assert_eq!(newest.origin, format!("craton/{id}"));
    let entries: LogEntries = bench.get(&format!("{audit}/entries?start=2&limit=4")).await.json();
    let kinds: Vec<&str> = entries.items.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["claim"; 4]);
    for entry in &entries.items {
        assert_eq!(entry.hash, crate::audit::leaf_hash(&entry.leaf.0));
        let wanted = format!("{audit}/inclusion?leaf_hash={}", entry.hash);
        let proof: InclusionProof = bench.get(&wanted).await.json();
        assert_eq!((proof.index, proof.size, proof.root), (entry.index, 12, newest.root));
        let (path, root) = (path_of(&proof.path), proof.root.into());
        let leaf = entry.hash.into();
        assert_eq!(merkle::inclusion(&AwsLc, leaf, proof.index, 12, &path, &root), Ok(()));
    }
    let older = format!("{audit}/inclusion?leaf_hash={}&size=5", entries.items[0].hash);
    let older: InclusionProof = bench.get(&older).await.json();
    let grown: ConsistencyProof =
        bench.get(&format!("{audit}/consistency?from=5&to=12")).await.json();
    let (old, new) = ((5, older.root.into()), (12, newest.root.into()));
    assert_eq!(merkle::consistency(&AwsLc, old, new, &path_of(&grown.path)), Ok(()));
}

#[tokio::test]
async fn the_logs_refusals_have_their_numbers() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let audit = format!("/v1/catalogs/{id}/audit");
    let unknown = format!("{audit}/inclusion?leaf_hash={}", "0".repeat(64));
    assert_eq!(bench.get(&unknown).await.code(), 4251, "LeafUnknown");
    let entries: LogEntries = bench.get(&format!("{audit}/entries")).await.json();
    let large = format!("{audit}/inclusion?leaf_hash={}&size=9", entries.items[0].hash);
    assert_eq!(bench.get(&large).await.code(), 4252, "TreeTooSmall");
    let small = format!("{audit}/inclusion?leaf_hash={}&size=1", entries.items[1].hash);
    assert_eq!(bench.get(&small).await.code(), 4252, "TreeTooSmall");
    assert_eq!(bench.get(&format!("{audit}/consistency?from=2&to=1")).await.code(), 4252);
    assert_eq!(bench.get(&format!("{audit}/consistency?from=0&to=99")).await.code(), 4252);
    let nowhere = format!("{audit}/checkpoint/9/cosignature");
    assert_eq!(bench.bring("PUT", &nowhere, b"x").await.code(), 4254, "CheckpointUnknown");
    let garbage = format!("{audit}/checkpoint/2/cosignature");
    assert_eq!(bench.bring("PUT", &garbage, b"x").await.code(), 4253, "CosignatureRefused");
}

#[tokio::test]
async fn devices_that_ask_for_a_witness_get_only_cosigned_checkpoints() {
    let bench = Bench::new().await;
    let mut roles = OWNER_ROLES.to_vec();
    roles.push((Role::Witness, &[WITNESS]));
    let owner = section(SectionKind::Owner, true, None, &roles, &[ROOT]);
    let asked = serde_json::json!({
        "name": "watched",
        "owner_section": craton_api::operator::Base64(owner.clone()),
        "platform_section": craton_api::operator::Base64(platform_section(true)),
    });
    let id = bench.post("/v1/catalogs", &asked).await.json::<Catalog>().id;
    let section = crate::catalog::section_of(&owner).unwrap();
    assert!(crate::app::log::witnessed(&section.section()));
    let proof = || bench.app.store.read(|db| logged_proof(db, id, 0, true)).unwrap();
    assert!(proof().is_none());
    let audit = format!("/v1/catalogs/{id}/audit");
    let newest: Checkpoint = bench.get(&format!("{audit}/checkpoint")).await.json();
    let put = format!("{audit}/checkpoint/{}/cosignature", newest.size);
    let by = |seed: u8| {
        let mut room = [0; 1024];
        let cosigned =
            signed::countersign(&AwsLc, Kind::Checkpoint, &newest.signed.0, &key(seed), &mut room);
        cosigned.unwrap().to_vec()
    };
    assert_eq!(bench.bring("PUT", &put, &by(PUBLISHER)).await.code(), 4253, "no witness");
    let payload = Signed::parse(&newest.signed.0).unwrap().unchecked_payload();
    let without_log = seal(Kind::Checkpoint, payload, &[WITNESS]);
    assert_eq!(bench.bring("PUT", &put, &without_log).await.code(), 4253, "without the log's key");
    let other = seal(Kind::Checkpoint, b"another", &[WITNESS]);
    assert_eq!(bench.bring("PUT", &put, &other).await.code(), 4254, "another checkpoint");
    let cosigned: Checkpoint = bench.bring("PUT", &put, &by(WITNESS)).await.json();
    assert!(cosigned.cosigned);
    let proof = proof().unwrap();
    let checkpoint = Signed::parse(&proof.checkpoint).unwrap();
    let believed =
        merkle::Checkpoint::verify(&AwsLc, &section.section(), id.into(), newest.size, &checkpoint);
    assert!(believed.is_ok());
    bench.set(id, "1.0", Purpose::Development).await;
    let late = bench.app.store.read(|db| logged_proof(db, id, newest.size, true)).unwrap();
    assert!(late.is_none(), "the new leaf waits for the witness");
}

#[tokio::test]
async fn a_witness_is_heard_on_a_busy_log_and_never_takes_it_back() {
    let bench = Bench::new().await;
    let mut roles = OWNER_ROLES.to_vec();
    roles.push((Role::Witness, &[WITNESS]));
    let owner = section(SectionKind::Owner, true, None, &roles, &[ROOT]);
    let asked = serde_json::json!({
        "name": "busy",
        "owner_section": craton_api::operator::Base64(owner),
        "platform_section": craton_api::operator::Base64(platform_section(true)),
    });
    let id = bench.post("/v1/catalogs", &asked).await.json::<Catalog>().id;
    bench.product(id).await;
    let audit = format!("/v1/catalogs/{id}/audit");
    let newest = async || bench.get(&format!("{audit}/checkpoint")).await.json::<Checkpoint>();
    let cosign = async |checkpoint: &Checkpoint| {
        let (mut room, witness) = ([0; 1024], key(WITNESS));
        let object = &checkpoint.signed.0;
        let cosigned = signed::countersign(&AwsLc, Kind::Checkpoint, object, &witness, &mut room);
        let path = format!("{audit}/checkpoint/{}/cosignature", checkpoint.size);
        bench.bring("PUT", &path, cosigned.unwrap()).await
    };
    let first = newest().await;
    bench.device(id, 20, "meter/Production").await;
    let second = newest().await;
    bench.device(id, 21, "meter/Production").await;
    // Two leaves later the witness answers for the second.
    let shown: Checkpoint = cosign(&second).await.json();
    assert_eq!((shown.size, shown.cosigned), (second.size, true));
    let proof = || bench.app.store.read(|db| logged_proof(db, id, second.size - 1, true)).unwrap();
    assert!(proof().is_some());
    assert_eq!(cosign(&first).await.code(), 4254, "CheckpointUnknown: below the last cosigned");
    assert!(cosign(&second).await.status.is_success(), "again changes nothing");
    assert!(cosign(&newest().await).await.status.is_success());
    let nowhere = format!("{audit}/checkpoint/{}/cosignature", u64::MAX);
    assert_eq!(bench.bring("PUT", &nowhere, b"x").await.code(), 4254);
}

/// A key that is kept elsewhere and does not answer.
struct Absent;

impl craton_trust::crypto::Signer for Absent {
    fn public_key(&self) -> craton_trust::PublicKey {
        key(1).public_key()
    }

    fn sign(&self, _: &[&[u8]]) -> Result<craton_trust::crypto::Signature, craton_trust::Error> {
        Err(craton_trust::Error::KeyInvalid)
    }
}

#[tokio::test]
async fn log_key_refused_takes_back_the_whole_use() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let refused = bench.app.store.write(move |db| {
        let kind = crate::audit::LeafKind::Claim;
        let leaf = crate::audit::Leaf { kind, fact: Digest([0; 32]) };
        crate::app::log::append(db, &Absent, id, leaf, NOW_S)
    });
    assert_eq!(refused.await.unwrap_err().code(), 4255, "LogKeyRefused");
    let size = bench.app.store.read::<_, StoreError>(|db| db.log_size(id)).unwrap();
    assert_eq!(size, 2, "the leaf was taken back");
}
