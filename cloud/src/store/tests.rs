use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;
use crate::tenancy::ServicePermit;

thread_local! {
    static SEEN: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Remembers what this thread asks the database.
pub(super) fn note(sql: &str) {
    SEEN.with_borrow_mut(|seen| seen.push(sql.to_owned()));
}

fn opened() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn fact(store: &Store, name: &str) -> Option<Vec<u8>> {
    store.read(|db| db.service_fact(name)).unwrap()
}

#[tokio::test]
async fn one_write_that_fails_is_taken_back_alone() {
    let (_folder, store) = opened();
    let good = |name: &'static str| store.write(move |db| db.service_fact_keep(name, b"kept"));
    let bad = store.write(|db| {
        db.service_fact_keep("bad", b"half")?;
        Err::<(), _>(StoreError::StoreBusy)
    });
    let (first, refused, second) = tokio::join!(good("first"), bad, good("second"));
    assert!(first.is_ok() && second.is_ok());
    assert!(matches!(refused, Err(StoreError::StoreBusy)));
    assert_eq!(fact(&store, "first").unwrap(), b"kept");
    assert_eq!(fact(&store, "second").unwrap(), b"kept");
    assert_eq!(fact(&store, "bad"), None);
}

#[tokio::test]
async fn panicked_is_one_write_and_the_writer_goes_on() {
    let (_folder, store) = opened();
    let refused = store
        .write(|db| {
            db.service_fact_keep("bad", b"half")?;
            if db.token_salt()?.is_empty() {
                panic!("a fault of ours");
            }
            Ok::<_, StoreError>(())
        })
        .await;
    assert!(matches!(refused, Err(StoreError::StorePanicked)));
    store.write(|db| db.service_fact_keep("good", b"kept")).await.unwrap();
    assert_eq!(fact(&store, "bad"), None);
    assert_eq!(fact(&store, "good").unwrap(), b"kept");
}

#[tokio::test]
async fn lost_is_told_to_every_write_of_a_dropped_transaction() {
    let (_folder, store) = opened();
    let before = store.write(|db| db.service_fact_keep("before", b"lost"));
    let drops = store.write(|db| {
        // As the engine does by itself when the disk fails under it.
        db.db.execute_batch("ROLLBACK")?;
        Ok::<_, StoreError>(())
    });
    let after = store.write(|db| db.service_fact_keep("after", b"kept"));
    let (before, drops, after) = tokio::join!(before, drops, after);
    // The first may have had a commit of its own; what it was told is what is true.
    assert_eq!(before.is_ok(), fact(&store, "before").is_some());
    assert!(matches!(before, Ok(()) | Err(StoreError::StoreLost)));
    assert!(drops.is_err());
    assert!(after.is_ok());
    assert_eq!(fact(&store, "after").unwrap(), b"kept");
}

#[tokio::test]
async fn lost_is_what_writes_that_share_the_commit_hear() {
    let (_folder, store) = opened();
    let store = std::sync::Arc::new(store);
    // The writer is kept busy, so that the next two writes share a commit.
    let busy = store.clone();
    let busy = tokio::spawn(async move {
        busy.write(|_| {
            std::thread::sleep(std::time::Duration::from_millis(200));
            Ok::<_, StoreError>(())
        })
        .await
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let first = store.write(|db| db.service_fact_keep("first", b"lost"));
    let drops = store.write(|db| Ok::<_, StoreError>(db.db.execute_batch("ROLLBACK")?));
    let (first, _) = tokio::join!(first, drops);
    assert!(matches!(first, Err(StoreError::StoreLost)));
    assert_eq!(fact(&store, "first"), None);
    busy.await.unwrap().unwrap();
}

#[tokio::test]
async fn disk_full_refuses_the_write_and_the_service_goes_on() {
    let (_folder, store) = opened();
    store
        .write(|db| {
            db.db.pragma_update(None, "max_page_count", 60)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let big = vec![1; 4 << 20];
    let refused = store.write(move |db| db.service_fact_keep("big", &big)).await;
    assert!(matches!(refused, Err(StoreError::StoreDiskFull)), "{refused:?}");
    assert_eq!(fact(&store, "big"), None);
    store.write(|db| db.service_fact_keep("small", b"kept")).await.unwrap();
    assert_eq!(fact(&store, "small").unwrap(), b"kept");
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_store_lost_and_no_fault_of_ours() {
    let (folder, store) = opened();
    std::fs::remove_file(folder.path().join("craton.db")).unwrap();
    let refused = store.read(|db| db.service_fact("any")).unwrap_err();
    assert!(matches!(refused, StoreError::StoreLost), "{refused:?}");
}

#[tokio::test]
async fn engine_refusals_are_ours_and_do_not_stop_the_writer() {
    let (_folder, store) = opened();
    let refused = store.write(|db| db.change("INSERT INTO nothing VALUES (1)", []).map(|_| ()));
    assert!(matches!(refused.await, Err(StoreError::StoreEngine(_))));
    assert!(store.write(|db| db.service_fact_keep("good", b"kept")).await.is_ok());
}

#[tokio::test]
async fn row_unreadable_names_its_table() {
    let (_folder, store) = opened();
    let sql = "INSERT INTO tokens VALUES (zeroblob(8), zeroblob(32), 'x', 9, zeroblob(32), 0)";
    store.write(|db| db.change(sql, []).map(|_| ())).await.unwrap();
    let catalog = craton_api::operator::CatalogId([0; 32]);
    let refused = store.read(|db| db.tokens(catalog)).err();
    assert!(matches!(refused, Some(StoreError::RowUnreadable { table: "tokens" })));
}

#[tokio::test]
async fn stopped_refuses_writes_after_the_close() {
    let (_folder, mut store) = opened();
    store.close();
    let refused = store.write(|db| db.service_fact_keep("late", b"")).await;
    assert!(matches!(refused, Err(StoreError::StoreStopped)));
}

#[test]
fn schema_newer_refuses_a_database_of_a_later_program() {
    let (folder, store) = opened();
    drop(store);
    let db = Connection::open(folder.path().join("craton.db")).unwrap();
    engine::set_schema_version(&db, 999).unwrap();
    drop(db);
    let refused = Store::open(folder.path()).err();
    assert!(matches!(refused, Some(StoreError::SchemaNewer { found: 999, .. })));
}

#[test]
fn damaged_refuses_a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("craton.db"), [7; 8192]).unwrap();
    assert!(matches!(Store::open(folder.path()).err(), Some(StoreError::StoreDamaged)));
}

#[test]
fn busy_is_another_process_in_the_middle_of_a_write() {
    let (_folder, store) = opened();
    let other = engine::open_writer(&store.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let second = engine::open_writer(&store.path).unwrap();
    second.busy_timeout(std::time::Duration::from_millis(10)).unwrap();
    let refused = second.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
    assert!(matches!(refused, Err(StoreError::StoreBusy)));
}

#[test]
fn folder_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, b"a file").unwrap();
    assert!(matches!(Store::open(&path).err(), Some(StoreError::StoreFolder { .. })));
}

#[test]
fn a_database_opened_again_keeps_its_rows_and_its_schema() {
    let (folder, store) = opened();
    store.write_blocking(|db| db.service_fact_keep("first", b"kept")).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(fact(&store, "first").unwrap(), b"kept");
}

#[tokio::test]
async fn many_writes_at_once_are_all_kept() {
    let (_folder, store) = opened();
    let store_ref = &store;
    let many = (0..200u32)
        .map(|n| store_ref.write(move |db| db.service_fact_keep(&format!("fact-{n}"), b"")));
    for outcome in join_all(many).await {
        outcome.unwrap();
    }
    let kept = store.read(|db| db.number("SELECT count(*) FROM service_facts", [])).unwrap();
    assert_eq!(kept, 200);
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

const CHILD: &str = "CRATON_TEST_STORE_CHILD";

/// Not a test of its own: the process that the next test kills. It acknowledges each write on its
/// standard output only after the store has.
#[test]
fn the_child_that_writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let store = std::sync::Arc::new(Store::open(Path::new(&folder)).unwrap());
    let writers: Vec<_> = (0..4u32)
        .map(|lane| {
            let store = store.clone();
            std::thread::spawn(move || {
                for n in 0..100_000u32 {
                    let name = format!("{lane}-{n}");
                    let row = name.clone();
                    let token = crate::store::TokenRow {
                        id: craton_api::operator::TokenId(crate::crypto::random_bytes()),
                        hash: crate::tenancy::TokenHash::of(b"", &name),
                        name: row.clone(),
                        role: craton_api::operator::Role::Reader,
                        created_s: 0,
                    };
                    let permit = ServicePermit::for_first_start();
                    store
                        .write_blocking(move |db| {
                            db.service_fact_keep(&row, b"kept")?;
                            db.token_create_for_service(&permit, &token)
                        })
                        .unwrap();
                    writeln!(std::io::stdout(), "acknowledged {name}").unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn after_kill_9_every_acknowledged_write_is_there_and_none_is_half_done() {
    for round in 0..4u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::the_child_that_writes_until_it_is_killed"])
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for line in lines {
            let Ok(line) = line else { break };
            if let Some((_, name)) = line.split_once("acknowledged ") {
                acknowledged.push(name.to_owned());
            }
            if acknowledged.len() as u64 == 150 + 37 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(acknowledged.len() >= 150, "round {round}: {}", acknowledged.len());
        let store = Store::open(folder.path()).unwrap();
        for name in &acknowledged {
            assert!(fact(&store, name).is_some(), "round {round}: {name} was lost");
        }
        let facts = store.read(|db| db.number("SELECT count(*) FROM service_facts", []));
        let tokens = store.read(|db| db.number("SELECT count(*) FROM tokens", []));
        assert_eq!(facts.unwrap(), tokens.unwrap(), "round {round}: a write is half done");
    }
}

/// Everything that one check-in asks, on this thread.
fn ask_as_a_check_in(db: &WriteTx<'_>) {
    use craton_api::operator::{
        CatalogId, ComponentId, DeploymentId, DeviceId, Digest, ImageSetId,
    };
    let (catalog, device) = (CatalogId([1; 32]), DeviceId([2; 32]));
    let (digest, set) = (Digest([3; 32]), ImageSetId([4; 32]));
    db.device(catalog, device).unwrap();
    db.device_by_client_name([7; 16]).unwrap();
    db.trust_store_newest(catalog, craton_api::operator::Section::Owner).unwrap();
    db.trust_store_digests(catalog, 0).unwrap();
    db.device_group(catalog, "meter", "Production").unwrap();
    db.deployment_current(catalog, "meter", "Production").unwrap();
    db.runtimes(catalog, ComponentId([5; 16]), digest).unwrap();
    db.image_set_admitted(catalog, set).unwrap();
    db.wave_secret(catalog).unwrap();
    db.image_set(catalog, set).unwrap();
    db.blob(catalog, digest).unwrap();
    db.checkpoint(catalog, true).unwrap();
    crate::audit::Nodes::hash(&db.log_nodes(catalog), crate::audit::Subtree { level: 0, place: 0 })
        .unwrap_err();
    let record = CheckInRecord {
        at_s: 1,
        epoch: 0,
        boot: 1,
        check_in: 1,
        store: crate::attest::StoreVersions { platform: 1, owner: 1 },
        programs: vec![craton_api::operator::ComponentId([9; 16])],
        certificate_serial: None,
        attested_set: None,
        assigned_set: None,
        isolation: None,
        storage: None,
        mode: None,
        trial: None,
        renamed: Some([7; 16]),
    };
    db.device_check_in(catalog, device, None, &record).unwrap();
    let deployment = DeploymentId([6; 16]);
    let outcome = crate::rollout::Outcome::Failed;
    let record = OutcomeRecord { device, wave: 0, outcome, at_s: 1 };
    db.deployment_outcome_record(catalog, deployment, &record).unwrap();
    db.deployment_rule(catalog, deployment).unwrap();
    db.deployment_outcomes(catalog, deployment, 100).unwrap();
    let sha256 = digest;
    let failure =
        ReceivedFailure { record: vec![], sha256, image: None, number: None, received_s: 1 };
    db.failure_receive(catalog, device, &failure).unwrap();
    db.failures_of_day(catalog, device, 1).unwrap();
}

#[test]
fn nothing_that_a_check_in_asks_reads_a_whole_table() {
    let (_folder, store) = opened();
    let db = engine::open_writer(&store.path).unwrap();
    SEEN.with_borrow_mut(Vec::clear);
    ask_as_a_check_in(&WriteTx::new(&db, &store.changes.writing()));
    let asked = SEEN.take();
    assert!(asked.len() > 15);
    for sql in asked {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters: Vec<_> =
            (0..plan.parameter_count()).map(|_| rusqlite::types::Null).collect();
        let steps =
            plan.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3));
        for step in steps.unwrap() {
            let step = step.unwrap();
            // A subquery is bounded by its LIMIT.
            let bounded = step.starts_with("SCAN (subquery");
            assert!(bounded || !step.starts_with("SCAN"), "{step}: {sql}");
        }
    }
}

#[test]
fn nothing_that_is_kept_in_memory_is_read_from_a_table_whose_changes_do_not_count() {
    use craton_api::operator::{CatalogId, ComponentId, Digest, ImageSetId, Section};
    let (_folder, store) = opened();
    let (catalog, digest, set) = (CatalogId([1; 32]), Digest([3; 32]), ImageSetId([4; 32]));
    SEEN.with_borrow_mut(Vec::clear);
    let read = |db: &ReadTx<'_>| {
        db.trust_store_newest(catalog, Section::Owner)?;
        db.trust_store_digests(catalog, 0)?;
        db.wave_secret(catalog)?;
        db.device_group(catalog, "meter", "Production")?;
        db.deployment_current(catalog, "meter", "Production")?;
        db.runtimes(catalog, ComponentId([5; 16]), digest)?;
        db.image_set_admitted(catalog, set)?;
        db.image_set(catalog, set)?;
        db.checkpoint(catalog, true)?;
        let root = crate::audit::Subtree { level: 0, place: 0 };
        let _ = crate::audit::Nodes::hash(&db.log_nodes(catalog), root);
        Ok::<_, StoreError>(())
    };
    store.read(read).unwrap();
    let asked = SEEN.take();
    assert!(asked.len() >= 10);
    for sql in asked {
        let unshown = |word: &str| changes::UNSHOWN.contains(&word);
        assert!(!sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(unshown), "{sql}");
    }
}
