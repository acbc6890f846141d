//! The one thread that writes, with group commit.
//!
//! All writes that wait when a commit begins share it, each in a savepoint of its own: one that
//! fails is taken back alone. A reply leaves only after the commit is on disk; that is the commit
//! point.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, WriteTx, engine};

/// Writes that may wait; more than this and the asker waits too.
const QUEUE_MAX: usize = 4096;

/// Writes that share one commit.
const BATCH_MAX: usize = 256;

/// How long a commit waits for more writes, while several come at once: a disk that takes a commit
/// faster than the next write comes would otherwise be asked for each alone. A lone writer does not
/// wait.
const GATHER: Duration = Duration::from_millis(5);

/// Runs in its savepoint, or is told why there is no transaction; what it returns is called once
/// the commit's fate is known.
type Run = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// One write.
struct Job {
    /// Whether it may change what views of a catalog show.
    shows: bool,
    run: Run,
}

/// The asking side of the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. It ends when every `Writer` is dropped and the queue is empty. `changes`
    /// rises with every commit that shows, before anybody hears of it.
    pub(super) fn start(db: Connection, changes: Arc<AtomicU64>) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let thread = std::thread::Builder::new().name("store-writer".into());
        let handle =
            thread.spawn(move || run(&db, jobs, &changes)).expect("threads can be started");
        (Self { queue }, handle)
    }

    /// Runs `work` in the next commit; returns after that commit is on disk.
    pub(super) async fn write<T, E, F>(&self, shows: bool, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (job, answered) = job_for(shows, work);
        self.queue.send(job).await.map_err(|_| StoreError::StoreStopped)?;
        answered.await.map_err(|_| StoreError::StoreStopped)?
    }

    /// The same for a thread outside the runtime.
    pub(super) fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (job, answered) = job_for(true, work);
        self.queue.blocking_send(job).map_err(|_| StoreError::StoreStopped)?;
        answered.blocking_recv().map_err(|_| StoreError::StoreStopped)?
    }
}

fn job_for<T, E, F>(shows: bool, work: F) -> (Job, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
{
    let (answer, answered) = oneshot::channel::<Result<T, E>>();
    let run: Run = Box::new(move |db| {
        let outcome = match db {
            Ok(db) => in_savepoint(db, work),
            Err(refusal) => Err(refusal.into()),
        };
        Box::new(move |commit| {
            let verdict = match (outcome, commit) {
                (Ok(value), Ok(())) => Ok(value),
                (Ok(_), Err(lost)) => Err(lost.into()),
                (Err(refusal), _) => Err(refusal),
            };
            // Whoever asked may have gone away; the write stands.
            let _ = answer.send(verdict);
        })
    });
    (Job { shows, run }, answered)
}

fn run(db: &Connection, mut jobs: mpsc::Receiver<Job>, changes: &AtomicU64) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut busy = false;
    while jobs.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        if busy || batch.len() > 1 {
            std::thread::sleep(GATHER);
            gather(&mut batch, &mut jobs);
        }
        busy = batch.len() > 1;
        commit_together(db, &mut batch, changes);
    }
}

/// Adds what has come meanwhile.
fn gather(batch: &mut Vec<Job>, jobs: &mut mpsc::Receiver<Job>) {
    while batch.len() < BATCH_MAX
        && let Ok(job) = jobs.try_recv()
    {
        batch.push(job);
    }
}

/// One transaction for the whole batch. If the engine drops the transaction in the middle, the jobs
/// before are answered with the loss and the rest begins anew.
fn commit_together(db: &Connection, batch: &mut Vec<Job>, changes: &AtomicU64) {
    let mut replies: Vec<Reply> = Vec::with_capacity(batch.len());
    let mut shows = false;
    for job in batch.drain(..) {
        shows |= job.shows;
        let begun = if engine::transaction_lost(db) { begin(db) } else { Ok(()) };
        replies.push((job.run)(begun.map(|()| db)));
        if engine::transaction_lost(db) {
            answer_all(&mut replies, false);
        }
    }
    if replies.is_empty() {
        return;
    }
    let kept = engine::run(db, "COMMIT").is_ok();
    if shows {
        changes.fetch_add(1, Ordering::Release);
    }
    if !kept {
        let _ = db.execute_batch("ROLLBACK");
    }
    answer_all(&mut replies, kept);
}

fn begin(db: &Connection) -> Result<(), StoreError> {
    engine::run(db, "BEGIN IMMEDIATE")
}

fn answer_all(replies: &mut Vec<Reply>, kept: bool) {
    replies
        .drain(..)
        .for_each(|reply| reply(if kept { Ok(()) } else { Err(StoreError::StoreLost) }));
}

fn in_savepoint<T, E, F>(db: &Connection, work: F) -> Result<T, E>
where
    E: From<StoreError>,
    F: FnOnce(&WriteTx<'_>) -> Result<T, E>,
{
    engine::run(db, "SAVEPOINT job")?;
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&WriteTx::new(db))))
        .unwrap_or_else(|_| Err(StoreError::StorePanicked.into()));
    let taken_back = match &outcome {
        Ok(_) => Ok(()),
        Err(_) => engine::run(db, "ROLLBACK TO job"),
    };
    match taken_back.and_then(|()| engine::run(db, "RELEASE job")) {
        Ok(()) => outcome,
        // The engine has dropped the whole transaction: the job's own refusal says more.
        Err(refusal) => outcome.and_then(|_| Err(refusal.into())),
    }
}
