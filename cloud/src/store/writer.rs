//! The one thread that writes, with group commit.
//!
//! All writes that wait when a commit begins share it, each in a savepoint of its own: one that
//! fails is taken back alone. A reply leaves only after the commit is on disk; that is the commit
//! point.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::changes::Writing;
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
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>, &Writing) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The asking side of the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. It ends when every `Writer` is dropped and the queue is empty.
    pub(super) fn start(db: Connection, writing: Writing) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let thread = std::thread::Builder::new().name("store-writer".into());
        let handle =
            thread.spawn(move || run(&db, jobs, &writing)).expect("threads can be started");
        (Self { queue }, handle)
    }

    /// Runs `work` in the next commit; returns after that commit is on disk.
    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (job, answered) = job_for(work);
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
        let (job, answered) = job_for(work);
        self.queue.blocking_send(job).map_err(|_| StoreError::StoreStopped)?;
        answered.blocking_recv().map_err(|_| StoreError::StoreStopped)?
    }
}

fn job_for<T, E, F>(work: F) -> (Job, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
{
    let (answer, answered) = oneshot::channel::<Result<T, E>>();
    let job: Job = Box::new(move |db, writing| {
        let outcome = match db {
            Ok(db) => in_savepoint(db, writing, work),
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
    (job, answered)
}

fn run(db: &Connection, mut jobs: mpsc::Receiver<Job>, writing: &Writing) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut busy = false;
    while jobs.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        if (busy || batch.len() > 1) && batch.len() < BATCH_MAX {
            std::thread::sleep(GATHER);
            gather(&mut batch, &mut jobs);
        }
        busy = batch.len() > 1;
        commit_together(db, &mut batch, writing);
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
fn commit_together(db: &Connection, batch: &mut Vec<Job>, writing: &Writing) {
    let mut replies: Vec<Reply> = Vec::with_capacity(batch.len());
    for job in batch.drain(..) {
        let begun = if engine::transaction_lost(db) { begin(db) } else { Ok(()) };
        replies.push(job(begun.map(|()| db), writing));
        if engine::transaction_lost(db) {
            answer_all(&mut replies, false);
        }
    }
    let kept = replies.is_empty() || engine::run(db, "COMMIT").is_ok();
    if !kept {
        let _ = db.execute_batch("ROLLBACK");
    }
    writing.done();
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

fn in_savepoint<T, E, F>(db: &Connection, writing: &Writing, work: F) -> Result<T, E>
where
    E: From<StoreError>,
    F: FnOnce(&WriteTx<'_>) -> Result<T, E>,
{
    engine::run(db, "SAVEPOINT job")?;
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&WriteTx::new(db, writing))))
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
